//! Client-Initiated Backchannel Authentication: names of the protocol, and the hints and tokens that a client sends with its request.
//! CIBA Core 1.0. Signed requests are `request_object`; limits in time are the server's (`symbolon`).

use crate::claims;
use crate::jwk::{KeySet, PrivateKey};
use crate::jws::{self, JwsError, Unverified};
use serde_json::json;

/// CIBA Core 10.1.
pub const GRANT_TYPE: &str = "urn:openid:params:grant-type:ciba";
/// The type of a `login_hint_token`. CIBA leaves its form open; no other verifier takes a JWT of this type.
pub const HINT_TYP: &str = "symbolon-login-hint+jwt";
/// CIBA Core 7.1: the longest `client_notification_token`.
const MAX_NOTIFICATION_TOKEN: usize = 1024;
/// 128 bits in base64url.
const MIN_NOTIFICATION_TOKEN: usize = 22;
/// A longer message does not fit two small screens.
const MAX_MESSAGE_CHARS: usize = 60;
/// The longest life of a hint token, from its `iat`.
const HINT_LIFETIME_S: i64 = 300;
const FUTURE_S: i64 = 10;
const MAX_TEXT: usize = 256;

/// RFC 6750 2.1: is this a token that can stand in a header, with room for 128 bits of chance?
pub fn is_notification_token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    (MIN_NOTIFICATION_TOKEN..=MAX_NOTIFICATION_TOKEN).contains(&text.len()) && body.bytes().all(is_letter) && !body.is_empty()
}

/// CIBA Core 7.1: short, and of letters that look the same on both screens.
pub fn is_binding_message(text: &str) -> bool {
    let is_plain = |letter: char| letter.is_alphanumeric() || " -_.,:;/()#+&'!?%*=€$£".contains(letter);
    let length = text.chars().count();
    (1..=MAX_MESSAGE_CHARS).contains(&length) && text.trim() == text && text.chars().all(is_plain)
}

/// Whom a hint token names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// By the `sub` that this server gave to the client.
    Subject(String),
    /// By a name that the person signs in with.
    LoginName(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    pub named: Named,
    /// The `iss` of the token.
    pub signer: String,
    pub jti: String,
    pub iat_s: i64,
    pub exp_s: i64,
}

/// Why a hint token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// CIBA Core 13 has a code of its own for it.
    Expired,
    Other(&'static str),
}

/// What a `login_hint_token` is judged against.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The client that sends it.
    pub client_id: &'a str,
    pub issuer: &'a str,
    pub now_s: i64,
}

/// Reads a `login_hint_token`: for this issuer, for five minutes at most. `keys_of` knows who may sign one for this client, and with which
/// keys. Whoever is not the client itself names in `client_id` for which client the token is, so that no other client can use it.
pub fn read_hint<'k>(text: &str, keys_of: impl Fn(&str) -> Option<&'k KeySet>, expected: &Expected<'_>) -> Result<Hint, Rejected> {
    let Expected { client_id, issuer, now_s } = *expected;
    let unverified = Unverified::parse(text).map_err(|_| Rejected::Other("login_hint_token is not a signed JWT in compact form."))?;
    if unverified.typ() != Some(HINT_TYP) {
        return Err(Rejected::Other("typ of login_hint_token is not symbolon-login-hint+jwt."));
    }
    let signer = claims::string(unverified.unverified_claims(), "iss").map_err(Rejected::Other)?.unwrap_or_default().to_owned();
    let unknown = Rejected::Other("login_hint_token is neither by this client nor by an issuer that may name people to it.");
    let keys = keys_of(&signer).ok_or(unknown)?;
    let claims = unverified.verify_with(keys).map_err(|_| Rejected::Other("No key of its issuer has signed login_hint_token."))?;
    let text = |name: &str| claims::string(&claims, name).map_err(Rejected::Other);
    if text("aud")? != Some(issuer) {
        return Err(Rejected::Other("login_hint_token is not for this issuer."));
    }
    if text("client_id")?.map_or(signer != client_id, |named| named != client_id) {
        return Err(Rejected::Other("login_hint_token is not for this client: its issuer names the client in client_id."));
    }
    let second = |name| claims::time_s(&claims, name).map_err(Rejected::Other);
    let missing = Rejected::Other("iat, exp or jti of login_hint_token is missing.");
    let (iat, exp_s) = (second("iat")?.ok_or(missing)?, second("exp")?.ok_or(missing)?);
    if iat > now_s + FUTURE_S || exp_s <= iat || exp_s - iat > HINT_LIFETIME_S {
        return Err(Rejected::Other("login_hint_token lives longer than five minutes, or begins later."));
    }
    if exp_s <= now_s {
        return Err(Rejected::Expired);
    }
    let short = |value: &str| (1..=MAX_TEXT).contains(&value.len());
    let jti = text("jti")?.filter(|jti| short(jti)).ok_or(missing)?.to_owned();
    let named = match (text("sub")?, text("login_hint")?) {
        (Some(subject), None) if short(subject) => Named::Subject(subject.to_owned()),
        (None, Some(name)) if short(name) => Named::LoginName(name.to_owned()),
        _ => return Err(Rejected::Other("login_hint_token names somebody by sub or by login_hint, and by one of them alone.")),
    };
    Ok(Hint { named, signer, jti, iat_s: iat, exp_s })
}

/// Signs a hint for this issuer. `jti` is new for each.
pub fn make_hint(key: &PrivateKey, (client_id, issuer): (&str, &str), named: &Named, jti: &str, now_s: i64) -> Result<String, JwsError> {
    let (name, value) = match named {
        Named::Subject(subject) => ("sub", subject),
        Named::LoginName(login) => ("login_hint", login),
    };
    let mut claims = json!({ "iss": client_id, "aud": issuer, "jti": jti, "iat": now_s, "exp": now_s + 60 });
    claims[name] = value.as_str().into();
    jws::sign(key, HINT_TYP, &claims)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::jwk::Algorithm;
    use serde_json::Value;

    #[test]
    fn a_notification_token_is_one_that_a_header_holds() {
        for good in ["8d67dc78-7faa-4d41-aabd-67707b374255", &"a".repeat(22), &"a".repeat(1024), "AAAAAAAAAAAAAAAAAAAAAA=="] {
            assert!(is_notification_token(good), "{good}");
        }
        let long = "a".repeat(1025);
        for bad in ["", "short", "a b c d e f g h i j k l m n", "aaaaaaaaaaaaaaaaaaaaaaaa\r\nx: y", "======================", &long] {
            assert!(!is_notification_token(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_binding_message_is_short_and_plain() {
        for good in ["K7-41", "Order 1041, 12.50 €", "Überweisung: 5", &"x".repeat(60)] {
            assert!(is_binding_message(good), "{good}");
        }
        let long = "x".repeat(61);
        for bad in ["", " K7", "K7\n41", "<b>K7</b>", "K7\u{202e}41", "K7\u{200b}", "\u{2800}", &long] {
            assert!(!is_binding_message(bad), "{bad:?}");
        }
    }

    /// An issuer that may name people to a client names the client too: nobody else's token is good.
    #[test]
    fn a_hint_token_of_another_issuer_is_for_one_client() {
        let (own, other) = (PrivateKey::generate(Algorithm::ES256).unwrap(), PrivateKey::generate(Algorithm::ES256).unwrap());
        let sets = [("desk", &own), ("https://hints", &other)].map(|(name, key)| (name, KeySet { keys: vec![key.public().clone()] }));
        let expected = Expected { client_id: "desk", issuer: "https://as", now_s: 1_000 };
        let keys_of = |signer: &str| sets.iter().find(|(name, _)| *name == signer).map(|(_, set)| set);
        let good =
            json!({ "iss": "https://hints", "aud": "https://as", "client_id": "desk", "jti": "j", "iat": 1_000, "exp": 1_060, "sub": "s" });
        let read = |key: &PrivateKey, claims: &Value| read_hint(&jws::sign(key, HINT_TYP, claims).unwrap(), keys_of, &expected);
        assert_eq!(read(&other, &good).unwrap().signer, "https://hints");
        assert!(read(&own, &good).is_err(), "by the client's key in the issuer's name");
        for (name, value) in [
            ("client_id", json!("till")),
            ("client_id", Value::Null),
            ("client_id", json!(["desk"])),
            ("iss", json!("https://elsewhere")),
            ("iss", json!("desk")),
            ("iss", json!("")),
        ] {
            let mut bad = good.clone();
            bad[name] = value;
            assert!(read(&other, &bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_hint_token_is_of_this_client_for_this_issuer_and_young() {
        let key = PrivateKey::generate(Algorithm::ES256).unwrap();
        let keys = KeySet { keys: vec![key.public().clone()] };
        let expected = Expected { client_id: "desk", issuer: "https://as", now_s: 1_000 };
        let read = |text: &str| read_hint(text, |signer| (signer == "desk").then_some(&keys), &expected);
        let good = json!({ "iss": "desk", "aud": "https://as", "jti": "j", "iat": 1_000, "exp": 1_060, "sub": "s" });
        let sign = |claims: &Value| jws::sign(&key, HINT_TYP, claims).unwrap();
        let hint =
            Hint { named: Named::Subject("s".to_owned()), signer: "desk".to_owned(), jti: "j".to_owned(), iat_s: 1_000, exp_s: 1_060 };
        assert_eq!(read(&sign(&good)), Ok(hint));
        let named = Named::LoginName("ana@example.com".to_owned());
        assert_eq!(read(&make_hint(&key, ("desk", "https://as"), &named, "k", 1_000).unwrap()).unwrap().named, named);
        for (name, value) in [
            ("iss", json!("other")),
            ("aud", json!("https://other")),
            ("aud", json!(["https://as"])),
            ("jti", json!("")),
            ("jti", Value::Null),
            ("iat", json!(2_000)),
            ("exp", json!(1_301)),
            ("exp", json!(1_000)),
            ("exp", Value::Null),
            ("sub", json!("")),
            ("sub", json!(7)),
            ("login_hint", json!("ana")),
        ] {
            let mut bad = good.clone();
            bad[name] = value.clone();
            assert!(matches!(read(&sign(&bad)), Err(Rejected::Other(_))), "{name} {value}");
        }
        let late = Expected { now_s: 1_060, ..expected };
        assert_eq!(read_hint(&sign(&good), |signer| (signer == "desk").then_some(&keys), &late), Err(Rejected::Expired));
        assert!(read(&jws::sign(&key, "JWT", &good).unwrap()).is_err(), "another type");
        let other = PrivateKey::generate(Algorithm::ES256).unwrap();
        assert!(read(&jws::sign(&other, HINT_TYP, &good).unwrap()).is_err(), "another key");
    }
}
