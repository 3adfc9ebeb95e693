//! private_key_jwt. RFC 7523 with draft-ietf-oauth-rfc7523bis. The audience is the issuer alone, as a string. An assertion that was
//! made for a hostile server is therefore refused here (104-T).

use crate::claims;
use crate::jwk::{KeySet, PrivateKey};
use crate::jws::{self, JwsError, Unverified};
use serde_json::{Value, json};

/// An assertion may live for ten minutes. This bounds the replay memory (106-T, 587-K).
pub const MAX_LIFETIME_S: i64 = 600;
const FUTURE_S: i64 = 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    pub client_id: String,
    pub jti: String,
    pub exp_s: i64,
    /// Its `iat`. Without one, the earliest second at which it can have been made.
    pub made_s: i64,
}

/// The client that the assertion names, before anything is verified.
pub fn unverified_client_id(assertion: &str) -> Option<String> {
    let unverified = Unverified::parse(assertion).ok()?;
    let claims = unverified.unverified_claims();
    let (iss, sub) = (claims::string(claims, "iss").ok()??, claims::string(claims, "sub").ok()??);
    (iss == sub).then(|| iss.to_owned())
}

/// The error is a sentence for the developer of the client.
pub fn check(assertion: &str, keys: &KeySet, client_id: &str, issuer: &str, now_s: i64) -> Result<Assertion, &'static str> {
    let unverified = Unverified::parse(assertion).map_err(|_| "The client assertion is not a compact JWT.")?;
    // 7523bis: assertions have this type; those without one are still common. Any other type belongs to another kind of JWT.
    if unverified.typ().is_some_and(|it| !["jwt", "client-authentication+jwt"].contains(&it.to_ascii_lowercase().as_str())) {
        return Err("typ of the client assertion is not client-authentication+jwt.");
    }
    let claims = unverified.verify_with(keys).map_err(|_| "The signature of the client assertion fits none of the client's keys.")?;
    let text = |name: &str| claims::string(&claims, name).ok().flatten();
    if text("iss") != Some(client_id) || text("sub") != Some(client_id) {
        return Err("iss and sub of the client assertion are not both the client.");
    }
    if claims.get("aud").and_then(Value::as_str) != Some(issuer) {
        return Err("aud of the client assertion is not exactly the issuer, as a string.");
    }
    let exp_s = claims::time_s(&claims, "exp")?.ok_or("exp of the client assertion is missing.")?;
    if exp_s <= now_s {
        return Err("The client assertion is expired.");
    }
    if exp_s > now_s + MAX_LIFETIME_S + FUTURE_S {
        return Err("exp of the client assertion is more than ten minutes away.");
    }
    for name in ["iat", "nbf"] {
        if claims::time_s(&claims, name)?.is_some_and(|it| it > now_s + FUTURE_S) {
            return Err("iat or nbf of the client assertion is in the future.");
        }
    }
    match text("jti") {
        Some(jti) if !jti.is_empty() && jti.len() <= 256 => {
            let made_s = claims::time_s(&claims, "iat")?.or(claims::time_s(&claims, "nbf")?).unwrap_or(exp_s - MAX_LIFETIME_S - FUTURE_S);
            Ok(Assertion { client_id: client_id.to_owned(), jti: jti.to_owned(), exp_s, made_s })
        }
        _ => Err("jti of the client assertion is missing, empty or too long."),
    }
}

pub fn make(key: &PrivateKey, client_id: &str, issuer: &str, jti: &str, now_s: i64) -> Result<String, JwsError> {
    let claims = json!({ "iss": client_id, "sub": client_id, "aud": issuer, "jti": jti, "iat": now_s, "exp": now_s + 60 });
    jws::sign(key, "client-authentication+jwt", &claims)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::jwk::Algorithm;

    /// 102-T, 104-T, 106-T
    #[test]
    fn an_assertion_is_for_the_issuer_as_a_string_and_expires_soon() {
        let key = PrivateKey::generate(Algorithm::ES256).unwrap();
        let keys = KeySet { keys: vec![key.public().clone()] };
        let good = json!({ "iss": "k1", "sub": "k1", "aud": "https://as", "jti": "1", "exp": 160, "iat": 100 });
        let check_claims = |claims: &Value| check(&jws::sign(&key, "JWT", claims).unwrap(), &keys, "k1", "https://as", 100);
        assert_eq!(check_claims(&good).map(|it| (it.jti, it.made_s)), Ok(("1".to_owned(), 100)));
        let undated = json!({ "iss": "k1", "sub": "k1", "aud": "https://as", "jti": "1", "exp": 160 });
        assert_eq!(check_claims(&undated).map(|it| it.made_s), Ok(-450), "ten minutes before its end, and the leeway of clocks");
        assert!(check(&make(&key, "k1", "https://as", "2", 100).unwrap(), &keys, "k1", "https://as", 100).is_ok());
        let of_aud = "aud of the client assertion is not exactly the issuer, as a string.";
        let of_client = "iss and sub of the client assertion are not both the client.";
        let of_jti = "jti of the client assertion is missing, empty or too long.";
        for (name, value, hint) in [
            ("aud", json!(["https://as"]), of_aud),
            ("aud", json!(["https://as", "x"]), of_aud),
            ("aud", json!("https://as/token"), of_aud),
            ("aud", json!(null), of_aud),
            ("exp", json!(100), "The client assertion is expired."),
            ("exp", json!(100_000_000), "exp of the client assertion is more than ten minutes away."),
            ("exp", json!("160"), "a claim that should be a time is not"),
            ("exp", json!(null), "a claim that should be a time is not"),
            ("iat", json!(200), "iat or nbf of the client assertion is in the future."),
            ("nbf", json!(200), "iat or nbf of the client assertion is in the future."),
            ("iss", json!("k2"), of_client),
            ("sub", json!("k2"), of_client),
            ("jti", json!(""), of_jti),
            ("jti", json!(1), of_jti),
        ] {
            let mut claims = good.clone();
            claims[name] = value.clone();
            assert_eq!(check_claims(&claims).err(), Some(hint), "{name} {value}");
        }
        let checked = |text: &str| check(text, &keys, "k1", "https://as", 100).err();
        let forged = jws::sign(&PrivateKey::generate(Algorithm::ES256).unwrap(), "JWT", &good).unwrap();
        assert_eq!(checked(&forged), Some("The signature of the client assertion fits none of the client's keys."));
        let typed = jws::sign(&key, "dpop+jwt", &good).unwrap();
        assert_eq!(checked(&typed), Some("typ of the client assertion is not client-authentication+jwt."));
        assert_eq!(checked("x"), Some("The client assertion is not a compact JWT."));
    }
}
