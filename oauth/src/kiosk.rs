//! A member proves themself at a kiosk: what the kiosk shows, and what the phone shows in return. A profile of our own, docs/kiosk.md;
//! signatures are RFC 7515, the alphabet of the pictures is RFC 9285.

use crate::jwk::{Algorithm, KeySet, PublicKey};
use crate::jws::{self, JwsError, Unverified};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The grant type of the kiosk's request at the token endpoint.
pub const GRANT_TYPE: &str = "urn:symbolon:oauth:grant-type:kiosk";
/// No other verifier takes a JWT of this type.
pub const PROOF_TYP: &str = "symbolon-kiosk-proof+jwt";
pub const CHALLENGE_TYP: &str = "symbolon-kiosk-challenge+jwt";
/// `exp` is at most so long after `iat`.
pub const LIFETIME_S: i64 = 60;
/// Clocks may differ by so much, where the phone's clock is judged at all.
pub const SKEW_S: i64 = 60;
/// The longest proof or challenge that is read.
const MAX_BYTES: usize = 2048;
/// The longest name, place or nonce.
const MAX_TEXT: usize = 120;

/// What a phone signs. `jti` has 128 bits of randomness.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    pub issuer: &'a str,
    /// The newest pass that the server gave to this installation.
    pub pass: &'a str,
    pub jti: &'a str,
    pub iat: i64,
    /// The nonce of the kiosk's challenge.
    pub challenge: Option<&'a str>,
}

/// The text that the installation's key has to sign. [`jws::with_signature`] makes the proof from it.
pub fn signing_input(statement: &Statement<'_>) -> Result<String, JwsError> {
    let header = json!({ "typ": PROOF_TYP, "alg": Algorithm::ES256.as_str() });
    let mut claims = json!({
        "aud": statement.issuer, "pass": statement.pass, "jti": statement.jti, "iat": statement.iat, "exp": statement.iat + LIFETIME_S,
    });
    if let Some(challenge) = statement.challenge {
        claims["challenge"] = challenge.into();
    }
    jws::signing_input(&header, &claims)
}

/// Why a proof is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// It is not a proof: other type, other algorithm, more or fewer members, too long.
    Form,
    Signature,
    /// `aud` names another server.
    Audience,
    /// It carries no challenge, and the kiosk needs one.
    NoChallenge,
    /// `exp` is too long after `iat`, or before it.
    Lifetime,
    /// By our clock it is not yet or no longer good.
    Clock,
}

/// A proof whose signature is not verified yet.
pub struct UnverifiedProof<'a> {
    jws: Unverified<'a>,
    pass: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    pub jti: String,
    pub challenge: Option<String>,
    /// The last second at which it is accepted by its own times.
    pub last_s: i64,
}

pub struct Expected<'a> {
    pub issuer: &'a str,
    pub now_s: i64,
    /// With a challenge the phone's clock is not judged: the challenge says how old the proof is.
    pub needs_challenge: bool,
}

/// Reads a proof as the text of a picture or as the JWS itself.
pub fn read(text: &str) -> Result<UnverifiedProof<'_>, Rejected> {
    if text.len() > MAX_BYTES {
        return Err(Rejected::Form);
    }
    let jws = Unverified::parse(text).map_err(|_| Rejected::Form)?;
    // Exactly these two: whatever else a header says could name a key.
    let header = jws.header();
    let is_ours = header.len() == 2 && header.get("typ").and_then(Value::as_str) == Some(PROOF_TYP);
    if !is_ours || jws.alg() != Some(Algorithm::ES256) {
        return Err(Rejected::Form);
    }
    let pass = short(jws.unverified_claims(), "pass", MAX_BYTES).ok_or(Rejected::Form)?;
    Ok(UnverifiedProof { jws, pass })
}

fn short(claims: &Map<String, Value>, name: &str, most: usize) -> Option<String> {
    claims.get(name).and_then(Value::as_str).filter(|text| (1..=most).contains(&text.len())).map(str::to_owned)
}

impl UnverifiedProof<'_> {
    /// The pass, which names the key. Only the server can have made it.
    pub fn pass(&self) -> &str {
        &self.pass
    }

    pub fn verify(self, key: &PublicKey, expected: &Expected<'_>) -> Result<Proof, Rejected> {
        let claims = self.jws.verify(key).map_err(|_| Rejected::Signature)?;
        let known = ["aud", "pass", "jti", "iat", "exp", "challenge"];
        if claims.keys().any(|name| !known.contains(&name.as_str())) {
            return Err(Rejected::Form);
        }
        if claims.get("aud").and_then(Value::as_str) != Some(expected.issuer) {
            return Err(Rejected::Audience);
        }
        let jti = short(&claims, "jti", MAX_TEXT).filter(|jti| jti.len() >= 22).ok_or(Rejected::Form)?;
        let challenge = match claims.get("challenge") {
            None => None,
            Some(_) => Some(short(&claims, "challenge", MAX_TEXT).ok_or(Rejected::Form)?),
        };
        let second = |name: &str| claims.get(name).and_then(Value::as_i64).ok_or(Rejected::Form);
        let (iat, exp) = (second("iat")?, second("exp")?);
        if !(0..=LIFETIME_S).contains(&exp.saturating_sub(iat)) {
            return Err(Rejected::Lifetime);
        }
        match (&challenge, expected.needs_challenge) {
            (None, true) => return Err(Rejected::NoChallenge),
            (Some(_), _) => {}
            (None, false) => {
                if expected.now_s < iat.saturating_sub(SKEW_S) || expected.now_s >= exp.saturating_add(SKEW_S) {
                    return Err(Rejected::Clock);
                }
            }
        }
        Ok(Proof { jti, challenge, last_s: exp.saturating_add(SKEW_S) })
    }
}

/// What a kiosk shows: which device asks, and where it stands. Signed by the server, so that a phone without a network can read it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    pub iss: String,
    pub client_id: String,
    /// The operator's words for the device.
    pub name: String,
    pub place: String,
    /// Goes into the proof.
    pub nonce: String,
    pub iat: i64,
}

/// Reads a challenge with the server's published keys. Its age is the server's to judge: the phone's clock may be wrong.
pub fn read_challenge(text: &str, keys: &KeySet, issuer: &str) -> Result<Challenge, &'static str> {
    if text.len() > MAX_BYTES {
        return Err("this is no challenge of a kiosk: it is too long");
    }
    let unverified = Unverified::parse(text).map_err(|_| "this is no challenge of a kiosk")?;
    if unverified.typ() != Some(CHALLENGE_TYP) {
        return Err("this is no challenge of a kiosk");
    }
    let claims = unverified.verify_with(keys).map_err(|_| "the challenge is not signed by a key of the server that this app knows")?;
    let challenge: Challenge = serde_json::from_value(Value::Object(claims)).map_err(|_| "the challenge lacks something")?;
    if challenge.iss != issuer {
        return Err("the challenge is another server's");
    }
    Ok(challenge)
}

/// The text of a picture: 45 letters that a QR code holds two in eleven bits (RFC 9285).
pub fn to_picture(text: &str) -> String {
    base45::encode(text)
}

/// Reads what a scanner read: the text of a picture, or the JWS itself. `None`: neither.
pub fn from_picture(text: &str) -> Option<String> {
    if text.len() > 2 * MAX_BYTES {
        return None;
    }
    // A JWS has small letters, and a picture has none.
    if text.bytes().any(|letter| letter.is_ascii_lowercase()) {
        return Some(text.to_owned());
    }
    String::from_utf8(base45::decode(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::jwk::PrivateKey;

    const ISSUER: &str = "https://login.example.com";
    const JTI: &str = "AAAAAAAAAAAAAAAAAAAAAA";

    fn key() -> PrivateKey {
        PrivateKey::generate(Algorithm::ES256).unwrap()
    }

    fn statement() -> Statement<'static> {
        Statement { issuer: ISSUER, pass: "sp_x", jti: JTI, iat: 1_000, challenge: Some("nonce") }
    }

    fn sign(key: &PrivateKey, header: &Value, claims: &Value) -> String {
        jws::sign_with_header(key, header, claims).unwrap()
    }

    fn claims() -> Value {
        json!({ "aud": ISSUER, "pass": "sp_x", "jti": JTI, "iat": 1_000, "exp": 1_060, "challenge": "nonce" })
    }

    fn check(key: &PrivateKey, text: &str, now_s: i64, needs_challenge: bool) -> Result<Proof, Rejected> {
        read(text)?.verify(key.public(), &Expected { issuer: ISSUER, now_s, needs_challenge })
    }

    #[test]
    fn a_proof_is_read_from_a_picture() {
        let key = key();
        let input = signing_input(&statement()).unwrap();
        let text = jws::with_signature(&input, &key.sign(input.as_bytes()).unwrap());
        let picture = to_picture(&text);
        assert!(picture.bytes().all(|letter| b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:".contains(&letter)));
        assert_eq!(from_picture(&picture).as_deref(), Some(text.as_str()));
        assert_eq!(from_picture(&text).as_deref(), Some(text.as_str()));
        // With a challenge the phone's clock is ten years off, and nothing happens.
        let good = Proof { jti: JTI.to_owned(), challenge: Some("nonce".to_owned()), last_s: 1_120 };
        assert_eq!(check(&key, &text, 400_000_000, true), Ok(good));
        for odd in ["", "AB CD!", "\u{e9}", &"A".repeat(5000)] {
            assert_eq!(from_picture(odd).filter(|text| read(text).is_ok()), None, "{odd}");
        }
    }

    /// K-15: without a challenge the clock is judged, within a minute either way.
    #[test]
    fn a_clock_that_is_a_little_off_is_good_enough() {
        let key = key();
        let header = json!({ "typ": PROOF_TYP, "alg": "ES256" });
        let mut plain = claims();
        plain.as_object_mut().unwrap().remove("challenge");
        let text = sign(&key, &header, &plain);
        for (now_s, outcome) in [(955, true), (1_045, true), (939, false), (1_120, false), (1_700, false), (300, false)] {
            assert_eq!(check(&key, &text, now_s, false).is_ok(), outcome, "{now_s}");
        }
        assert_eq!(check(&key, &text, 1_700, false), Err(Rejected::Clock));
        assert_eq!(check(&key, &text, 1_010, true), Err(Rejected::NoChallenge));
    }

    #[test]
    fn a_proof_with_one_defect_is_refused() {
        let key = key();
        let header = json!({ "typ": PROOF_TYP, "alg": "ES256" });
        assert!(check(&key, &sign(&key, &header, &claims()), 1_000, true).is_ok(), "the twin");
        for (name, value, why) in [
            ("aud", json!("https://other.example.com"), Rejected::Audience),
            ("aud", json!([ISSUER]), Rejected::Audience),
            ("jti", json!("short"), Rejected::Form),
            ("jti", Value::Null, Rejected::Form),
            ("iat", json!("1000"), Rejected::Form),
            ("exp", json!(1_061), Rejected::Lifetime),
            ("exp", json!(999), Rejected::Lifetime),
            ("exp", json!(i64::MAX), Rejected::Lifetime),
            ("challenge", json!(""), Rejected::Form),
            ("challenge", Value::Null, Rejected::Form),
            ("pass", json!(7), Rejected::Form),
            ("sub", json!("alice"), Rejected::Form),
            ("iss", json!(ISSUER), Rejected::Form),
        ] {
            let mut changed = claims();
            changed[name] = value.clone();
            assert_eq!(check(&key, &sign(&key, &header, &changed), 1_000, true), Err(why), "{name} {value}");
        }
        for (name, value) in [("typ", json!("JWT")), ("typ", json!("dpop+jwt")), ("kid", json!("k")), ("jwk", key.public().to_jwk())] {
            let mut changed = header.clone();
            changed[name] = value;
            assert_eq!(check(&key, &sign(&key, &changed, &claims()), 1_000, true), Err(Rejected::Form), "{name}");
        }
        let other = PrivateKey::generate(Algorithm::ES256).unwrap();
        assert_eq!(check(&other, &sign(&key, &header, &claims()), 1_000, true), Err(Rejected::Signature));
        let ed = PrivateKey::generate(Algorithm::EdDSA).unwrap();
        assert_eq!(check(&ed, &sign(&ed, &json!({ "typ": PROOF_TYP, "alg": "EdDSA" }), &claims()), 1_000, true), Err(Rejected::Form));
    }

    #[test]
    fn a_challenge_is_read_with_the_server_s_keys() {
        let key = key();
        let challenge = Challenge {
            iss: ISSUER.to_owned(),
            client_id: "gate".to_owned(),
            name: "Gate 3".to_owned(),
            place: "Main hall".to_owned(),
            nonce: "n".to_owned(),
            iat: 1_000,
        };
        let mut jwk = key.public().to_jwk();
        jwk["kid"] = key.kid().into();
        let keys = KeySet::parse(&json!({ "keys": [jwk] })).unwrap();
        let text = jws::sign(&key, CHALLENGE_TYP, &challenge).unwrap();
        assert_eq!(read_challenge(&text, &keys, ISSUER), Ok(challenge.clone()));
        assert!(read_challenge(&text, &keys, "https://other.example.com").is_err());
        assert!(read_challenge(&jws::sign(&key, "JWT", &challenge).unwrap(), &keys, ISSUER).is_err());
        let stranger = PrivateKey::generate(Algorithm::ES256).unwrap();
        assert!(read_challenge(&jws::sign(&stranger, CHALLENGE_TYP, &challenge).unwrap(), &keys, ISSUER).is_err());
    }
}
