//! Native SSO for Mobile Apps, draft 07, and what binds its secret: a key that the apps of one organisation share on one phone (the SSO key).
//! The draft leaves the binding open; the proof is a profile of our own.

use crate::jwk::{Algorithm, PublicKey};
use crate::jws::{self, JwsError, Unverified};
use crate::{base64url, digest};
use serde_json::{Map, Value, json};

/// The scope of an app that shares its sign-in.
pub const SCOPE: &str = "device_sso";
pub const ID_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:id_token";
pub const SECRET_TYPE: &str = "urn:openid:params:token-type:device-secret";
/// No other verifier takes a JWT of this type.
pub const PROOF_TYP: &str = "symbolon-sso-proof+jwt";
/// `exp` is at most so long after `iat`.
pub const LIFETIME_S: i64 = 60;
/// How far `iat` may be from now, in either direction: the caller checks the nonce, which says when the proof was made.
pub const WINDOW_S: i64 = crate::dpop::NONCE_WINDOW_S;
const MAX_BYTES: usize = 2048;
const MAX_TEXT: usize = 256;

/// `ds_hash` of an ID token: which secret it came with. Only the server that made it reads it.
pub fn ds_hash(secret: &str) -> String {
    base64url::encode(&digest::sha256(secret.as_bytes()))
}

/// What the SSO key signs for an app that joins.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    pub issuer: &'a str,
    pub device_secret: &'a str,
    /// The thumbprint of the key of the app that joins.
    pub jkt: &'a str,
    /// The server's newest DPoP nonce.
    pub nonce: &'a str,
    /// 128 bits of chance.
    pub jti: &'a str,
    pub iat: i64,
}

/// The text that the SSO key has to sign; [`jws::with_signature`] makes the proof of it. `jwk`: the public SSO key.
pub fn signing_input(jwk: &Value, statement: &Statement<'_>) -> Result<String, JwsError> {
    let Statement { issuer, device_secret, jkt, nonce, jti, iat } = *statement;
    let header = json!({ "typ": PROOF_TYP, "alg": Algorithm::ES256.as_str(), "jwk": jwk });
    let claims = json!({
        "aud": issuer, "ds_hash": ds_hash(device_secret), "jkt": jkt, "nonce": nonce, "jti": jti, "iat": iat, "exp": iat + LIFETIME_S,
    });
    jws::signing_input(&header, &claims)
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The thumbprint of the SSO key.
    pub sso_jkt: String,
    pub nonce: String,
    pub jti: String,
    /// The last second at which it is accepted.
    pub last_s: i64,
}

/// What the server knows of the app that joins.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub device_secret: &'a str,
    pub jkt: &'a str,
    pub now_s: i64,
}

/// Checks a proof. The error is a sentence for the developer of the app.
pub fn check(text: &str, expected: &Expected<'_>) -> Result<Proof, &'static str> {
    if text.len() > MAX_BYTES {
        return Err("The proof of the SSO key is too long.");
    }
    let unverified = Unverified::parse(text).map_err(|_| "The proof of the SSO key is not a signed JWT in compact form.")?;
    let header = unverified.header();
    let is_ours = header.len() == 3 && header.get("typ").and_then(Value::as_str) == Some(PROOF_TYP);
    let jwk = header.get("jwk").filter(|_| is_ours && unverified.alg() == Some(Algorithm::ES256));
    let key = jwk.and_then(|jwk| PublicKey::from_jwk(jwk).ok()).ok_or("The header of the SSO proof is not typ, alg ES256 and jwk.")?;
    let claims = unverified.verify(&key).map_err(|_| "The signature of the SSO proof is not by its own key.")?;
    let is = |name: &str, wanted: &str| claims.get(name).and_then(Value::as_str) == Some(wanted);
    if !is("aud", expected.issuer) || !is("ds_hash", &ds_hash(expected.device_secret)) || !is("jkt", expected.jkt) {
        return Err("The SSO proof is for another server, another secret or another app's key.");
    }
    let second = |name: &str| claims.get(name).and_then(Value::as_i64).ok_or("iat or exp of the SSO proof is missing.");
    let (iat, exp) = (second("iat")?, second("exp")?);
    let is_short = (1..=LIFETIME_S).contains(&exp.saturating_sub(iat));
    let last_s = iat.saturating_add(WINDOW_S);
    if !is_short || expected.now_s < iat.saturating_sub(WINDOW_S) || expected.now_s > last_s {
        return Err("The SSO proof is too old, or the phone's clock is wrong.");
    }
    let missing = "nonce or jti of the SSO proof is missing.";
    let nonce = short(&claims, "nonce").ok_or(missing)?;
    let jti = short(&claims, "jti").filter(|jti| jti.len() >= 22).ok_or(missing)?;
    Ok(Proof { sso_jkt: key.thumbprint().to_owned(), nonce, jti, last_s })
}

fn short(claims: &Map<String, Value>, name: &str) -> Option<String> {
    claims.get(name).and_then(Value::as_str).filter(|text| (1..=MAX_TEXT).contains(&text.len())).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::jwk::PrivateKey;

    const STATEMENT: Statement<'_> =
        Statement { issuer: "https://as", device_secret: "ss_x", jkt: "app-2", nonce: "n", jti: "AAAAAAAAAAAAAAAAAAAAAA", iat: 1_000 };
    const EXPECTED: Expected<'_> = Expected { issuer: "https://as", device_secret: "ss_x", jkt: "app-2", now_s: 1_010 };

    fn made(key: &PrivateKey, statement: &Statement<'_>) -> String {
        let input = signing_input(&key.public().to_jwk(), statement).unwrap();
        jws::with_signature(&input, &key.sign(input.as_bytes()).unwrap())
    }

    #[test]
    fn a_proof_is_for_one_secret_and_one_app() {
        let key = PrivateKey::generate(Algorithm::ES256).unwrap();
        let good = made(&key, &STATEMENT);
        let read = check(&good, &EXPECTED).unwrap();
        assert_eq!((read.sso_jkt.as_str(), read.nonce.as_str(), read.last_s), (key.kid(), "n", 1_300));
        for (what, statement) in [
            ("issuer", Statement { issuer: "https://other", ..STATEMENT }),
            ("secret", Statement { device_secret: "ss_y", ..STATEMENT }),
            ("app", Statement { jkt: "app-3", ..STATEMENT }),
            ("nonce", Statement { nonce: "", ..STATEMENT }),
            ("jti", Statement { jti: "short", ..STATEMENT }),
        ] {
            assert!(check(&made(&key, &statement), &EXPECTED).is_err(), "{what}");
        }
        let wrong = Some("The SSO proof is too old, or the phone's clock is wrong.");
        for (off_s, refused) in [(-299, None), (-301, wrong), (299, None), (301, wrong)] {
            let statement = Statement { iat: EXPECTED.now_s + off_s, ..STATEMENT };
            assert_eq!(check(&made(&key, &statement), &EXPECTED).err(), refused, "{off_s}");
        }
    }

    #[test]
    fn a_proof_by_another_key_or_of_another_type_is_none() {
        let (key, other) = (PrivateKey::generate(Algorithm::ES256).unwrap(), PrivateKey::generate(Algorithm::ES256).unwrap());
        let input = signing_input(&key.public().to_jwk(), &STATEMENT).unwrap();
        assert!(check(&jws::with_signature(&input, &other.sign(input.as_bytes()).unwrap()), &EXPECTED).is_err());
        let claims = json!({ "aud": "https://as", "ds_hash": ds_hash("ss_x"), "jkt": "app-2", "nonce": "n",
            "jti": "AAAAAAAAAAAAAAAAAAAAAA", "iat": 1_000, "exp": 1_060 });
        let sign = |header: &Value| jws::sign_with_header(&key, header, &claims).unwrap();
        let jwk = key.public().to_jwk();
        assert!(check(&sign(&json!({ "typ": PROOF_TYP, "alg": "ES256", "jwk": jwk })), &EXPECTED).is_ok(), "the twin");
        for header in [
            json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk }),
            json!({ "typ": PROOF_TYP, "alg": "ES256" }),
            json!({ "typ": PROOF_TYP, "alg": "ES256", "jwk": jwk, "kid": "x" }),
        ] {
            assert!(check(&sign(&header), &EXPECTED).is_err(), "{header}");
        }
        for odd in ["", "a.b.c", &"x".repeat(4000)] {
            assert!(check(odd, &EXPECTED).is_err(), "{odd}");
        }
    }
}
