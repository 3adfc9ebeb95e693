//! JWT access tokens (RFC 9068). The server makes them and the API checks them; one file does both.

use crate::claims;
use crate::jwk::{KeySet, PrivateKey};
use crate::jws::{self, JwsError, Unverified};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;

pub const TYP: &str = "at+jwt";

/// The claims of RFC 9068 2.2. Times are seconds since the epoch. A token that is made borrows them, and one that was read owns them.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct AccessToken<'a> {
    pub iss: Cow<'a, str>,
    pub sub: Cow<'a, str>,
    pub aud: Cow<'a, str>,
    pub client_id: Cow<'a, str>,
    pub exp: i64,
    pub iat: i64,
    pub jti: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amr: Option<Cow<'a, [String]>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "keep_null", skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Cow<'a, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_details: Option<Cow<'a, [Value]>>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What a token is bound to. RFC 7800 3.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(untagged)]
pub enum Confirmation<'a> {
    /// A key (RFC 9449), a certificate (RFC 8705), or both, and nothing beside them.
    Known {
        #[serde(skip_serializing_if = "Option::is_none")]
        jkt: Option<Cow<'a, str>>,
        #[serde(rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
        certificate: Option<Cow<'a, str>>,
    },
    /// Anything else: a condition that nobody here understands, so that it counts as not met.
    Unknown(Value),
}

impl<'a> Confirmation<'a> {
    /// `None`: the token is bound to nothing.
    pub fn of(jkt: Option<&'a str>, certificate: Option<&'a str>) -> Option<Self> {
        let known = Self::Known { jkt: jkt.map(Cow::Borrowed), certificate: certificate.map(Cow::Borrowed) };
        (jkt.is_some() || certificate.is_some()).then_some(known)
    }

    fn known(value: &Value) -> Option<Self> {
        let members = value.as_object().filter(|it| !it.is_empty())?;
        let (mut jkt, mut certificate) = (None, None);
        for (name, value) in members {
            let text = Some(Cow::<str>::Owned(value.as_str()?.to_owned()));
            match name.as_str() {
                "jkt" => jkt = text,
                "x5t#S256" => certificate = text,
                _ => return None,
            }
        }
        Some(Self::Known { jkt, certificate })
    }
}

impl<'de> Deserialize<'de> for Confirmation<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Ok(Self::known(&value).unwrap_or(Self::Unknown(value)))
    }
}

/// Keeps a null as a value. Read as absent, it would make a bound token one that anybody may use.
fn keep_null<'de, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Confirmation<'a>>, D::Error> {
    Confirmation::deserialize(deserializer).map(Some)
}

pub fn make(key: &PrivateKey, token: &AccessToken<'_>) -> Result<String, JwsError> {
    jws::sign(key, TYP, token)
}

/// What the API knows.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub audience: &'a str,
    pub now_s: i64,
    pub leeway_s: i64,
}

/// Why a token was refused: the first broken rule, in the order of RFC 9068 4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejected {
    Malformed,
    /// `typ` names another kind of token, such as an ID token or a logout token.
    WrongType(String),
    UnknownKey,
    BadSignature,
    WrongIssuer,
    WrongAudience,
    Expired,
    NotYet,
    MissingClaim(&'static str),
}

pub fn check(token: &str, keys: &KeySet, expected: Expected<'_>) -> Result<AccessToken<'static>, Rejected> {
    let unverified = Unverified::parse(token).map_err(|_| Rejected::Malformed)?;
    check_by(unverified, |unverified| unverified.verify_with(keys), expected)
}

/// The same for a caller that verifies the signature itself.
pub fn check_by<'a>(
    unverified: Unverified<'a>,
    verify: impl FnOnce(Unverified<'a>) -> Result<Map<String, Value>, JwsError>,
    expected: Expected<'_>,
) -> Result<AccessToken<'static>, Rejected> {
    let typ = unverified.typ().unwrap_or_default().to_owned();
    // RFC 7515 4.1.9: media types compare without regard to case.
    if !typ.eq_ignore_ascii_case(TYP) {
        return Err(Rejected::WrongType(typ));
    }
    let claims = verify(unverified).map_err(|it| match it {
        JwsError::NoKey => Rejected::UnknownKey,
        JwsError::BadSignature => Rejected::BadSignature,
        JwsError::Malformed | JwsError::UnsupportedHeader => Rejected::Malformed,
    })?;
    require_claims(&claims)?;
    if claims::string(&claims, "iss") != Ok(Some(expected.issuer)) {
        return Err(Rejected::WrongIssuer);
    }
    let audience = claims::audience(&claims).map_err(|_| Rejected::WrongAudience)?;
    if !audience.iter().any(|it| it == expected.audience) {
        return Err(Rejected::WrongAudience);
    }
    let time = |name: &'static str| claims::time_s(&claims, name).map_err(|_| Rejected::MissingClaim(name));
    let exp = time("exp")?.ok_or(Rejected::MissingClaim("exp"))?;
    if expected.now_s >= exp + expected.leeway_s {
        return Err(Rejected::Expired);
    }
    for name in ["iat", "nbf"] {
        if time(name)?.is_some_and(|it| it > expected.now_s + expected.leeway_s.max(60)) {
            return Err(Rejected::NotYet);
        }
    }
    let mut members = claims;
    members.insert("aud".to_owned(), expected.audience.into());
    serde_json::from_value(Value::Object(members)).map_err(|_| Rejected::Malformed)
}

fn require_claims(claims: &Map<String, Value>) -> Result<(), Rejected> {
    for name in ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"] {
        if !claims.contains_key(name) {
            return Err(Rejected::MissingClaim(name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::jwk::Algorithm;
    use serde_json::json;

    fn token() -> Value {
        json!({ "iss": "https://as", "sub": "u", "aud": "https://api", "client_id": "c", "exp": 1000, "iat": 900, "jti": "j" })
    }

    #[test]
    fn a_token_is_written_in_one_order_and_read_back() {
        let (amr, act, details) = (["pwd".to_owned()], json!({ "sub": "svc" }), [json!({ "type": "pay" })]);
        let mut made = AccessToken {
            iss: "https://as".into(),
            sub: "u".into(),
            aud: "https://api".into(),
            client_id: "c".into(),
            exp: 1000,
            iat: 900,
            jti: "j".into(),
            scope: Some("a b".into()),
            auth_time: Some(800),
            acr: Some("strong".into()),
            amr: Some(Cow::Borrowed(&amr[..])),
            sid: Some("s".into()),
            cnf: Confirmation::of(Some("k"), Some("x")),
            act: Some(Cow::Borrowed(&act)),
            authorization_details: Some(Cow::Borrowed(&details[..])),
            extra: json!({ "tier": "hardware" }).as_object().cloned().unwrap_or_default(),
        };
        let needed = r#"{"iss":"https://as","sub":"u","aud":"https://api","client_id":"c","exp":1000,"iat":900,"jti":"j""#;
        let more = r#""scope":"a b","auth_time":800,"acr":"strong","amr":["pwd"],"sid":"s","cnf":{"jkt":"k","x5t#S256":"x"}"#;
        let last = r#""act":{"sub":"svc"},"authorization_details":[{"type":"pay"}],"tier":"hardware"}"#;
        let text = serde_json::to_string(&made).unwrap();
        assert_eq!(text, [needed, more, last].join(","));
        assert_eq!(serde_json::from_str::<AccessToken<'_>>(&text).unwrap(), made);
        (made.scope, made.auth_time, made.acr, made.amr, made.sid) = (None, None, None, None, None);
        (made.cnf, made.act, made.authorization_details, made.extra) = (None, None, None, Map::new());
        let text = serde_json::to_string(&made).unwrap();
        assert_eq!(text, format!("{needed}}}"));
        assert_eq!(serde_json::from_str::<AccessToken<'_>>(&text).unwrap(), made);
    }

    /// 207-J, 220-J, 221-J, RFC 9068 4
    #[test]
    fn a_token_with_one_defect_is_refused() {
        let key = PrivateKey::generate(Algorithm::ES256).unwrap();
        let keys = KeySet { keys: vec![key.public().clone()] };
        let expected = Expected { issuer: "https://as", audience: "https://api", now_s: 950, leeway_s: 0 };
        let check_claims = |claims: &Value| check(&jws::sign(&key, TYP, claims).unwrap(), &keys, expected);
        assert!(check_claims(&token()).is_ok());
        let with = |name: &str, value: Value| {
            let mut claims = token();
            claims[name] = value;
            check_claims(&claims).unwrap_err()
        };
        for near in [
            "https://as/",
            "https://as.",
            "https://AS",
            "HTTPS://as",
            "http://as",
            "https://as/other",
            "https://as:443",
            " https://as",
            "as",
            "",
        ] {
            assert_eq!(with("iss", json!(near)), Rejected::WrongIssuer, "{near:?}");
        }
        assert_eq!(with("aud", json!("https://api/")), Rejected::WrongAudience);
        assert_eq!(with("aud", json!(null)), Rejected::WrongAudience);
        assert_eq!(with("exp", json!(950)), Rejected::Expired);
        assert_eq!(with("exp", json!("2000")), Rejected::MissingClaim("exp"));
        assert_eq!(with("iat", json!(1011)), Rejected::NotYet);
        assert_eq!(with("sub", json!(7)), Rejected::Malformed);
        let bound = |cnf: Value| {
            let mut claims = token();
            claims["cnf"] = cnf;
            check_claims(&claims).unwrap().cnf
        };
        assert_eq!(check_claims(&token()).unwrap().cnf, None);
        for odd in [json!(null), json!({}), json!("x"), json!({ "jkt": null }), json!({ "jkt": "x", "kid": "x" })] {
            assert_eq!(bound(odd.clone()), Some(Confirmation::Unknown(odd)));
        }
        assert_eq!(bound(json!({ "jkt": "x" })), Confirmation::of(Some("x"), None));
        assert_eq!(bound(json!({ "jkt": "x", "x5t#S256": "y" })), Confirmation::of(Some("x"), Some("y")));
        assert_eq!(Confirmation::of(None, None), None);
        let id_token = jws::sign(&key, "JWT", &token()).unwrap();
        assert_eq!(check(&id_token, &keys, expected).unwrap_err(), Rejected::WrongType("JWT".to_owned()));
        let stranger = PrivateKey::generate(Algorithm::ES256).unwrap();
        let forged = jws::sign(&stranger, TYP, &token()).unwrap();
        assert!(matches!(check(&forged, &keys, expected).unwrap_err(), Rejected::UnknownKey | Rejected::BadSignature));
    }
}
