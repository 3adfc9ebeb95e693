//! Request objects. RFC 9101 (JAR) by value, with the limits of FAPI 2.0 Message Signing 5.3.1. The client signs one for this server, for
//! an hour at most. The parameters in the object are the request. Those beside the object have no effect.

use crate::base64url;
use crate::claims;
use crate::digest::sha256;
use crate::form::Form;
use crate::jwk::{Algorithm, KeySet, PrivateKey};
use crate::jws::{self, JwsError, Unverified};
use serde_json::{Map, Value, json};

pub const TYP: &str = "oauth-authz-req+jwt";
/// The longest time from `nbf` to `exp`, and from `nbf` to now.
pub const MAX_LIFETIME_S: i64 = 3600;
const FUTURE_S: i64 = 10;
/// Claims about the object itself. They are no parameters.
const OBJECT_CLAIMS: [&str; 7] = ["iss", "aud", "exp", "nbf", "iat", "jti", "sub"];

/// A checked request object: its parameters, and what identifies it when it is sent again.
#[derive(Debug, Clone)]
pub struct RequestObject {
    pub parameters: Form,
    /// Its `jti`. Without one, the digest of its signing input: the signature beside it can be written in several ways.
    pub id: String,
    pub exp_s: i64,
    /// Its `iat`, or else its `nbf`. Without either, the earliest second at which it can have been made.
    pub made_s: i64,
}

/// For which endpoint a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// RFC 9101.
    Authorization,
    /// CIBA Core 7.1.1: `iat`, `nbf` and `jti` are there too, and `client_id` may be left out.
    Backchannel,
}

/// What the server knows about the request.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub endpoint: Endpoint,
    pub client_id: &'a str,
    pub issuer: &'a str,
    /// The algorithm that the client registered (request_object_signing_alg), if it registered one.
    pub algorithm: Option<Algorithm>,
    /// FAPI 2.0 Message Signing 5.3.1: "shall require the request object to contain an nbf claim".
    pub wants_nbf: bool,
    pub now_s: i64,
}

/// The error is a sentence for the developer of the client.
pub fn check(text: &str, keys: &KeySet, expected: &Expected<'_>) -> Result<RequestObject, &'static str> {
    let Expected { endpoint, client_id, issuer, algorithm, wants_nbf, now_s } = *expected;
    let is_backchannel = endpoint == Endpoint::Backchannel;
    let unverified = Unverified::parse(text).map_err(|_| "The request object is not a signed JWT in compact form.")?;
    // Objects without a type are common and allowed (RFC 9101 10.8). Any other type belongs to another kind of JWT.
    if unverified.typ().is_some_and(|it| !["jwt", TYP].contains(&it.to_ascii_lowercase().as_str())) {
        return Err("typ of the request object is not oauth-authz-req+jwt.");
    }
    if algorithm.is_some() && unverified.alg() != algorithm {
        return Err("alg of the request object is not the registered one.");
    }
    let signing_input = unverified.signing_input();
    let claims = unverified.verify_with(keys).map_err(|_| "The signature of the request object fits none of the client's keys.")?;
    let text = |name: &str| claims::string(&claims, name);
    let names_client = match text("client_id")? {
        None => is_backchannel,
        Some(named) => named == client_id,
    };
    if text("iss")? != Some(client_id) || !names_client {
        return Err("iss and client_id in the request object are not both the client.");
    }
    // Each is of use at its own endpoint alone.
    let is_of_browser = ["response_type", "redirect_uri", "code_challenge"].iter().any(|name| claims.contains_key(*name));
    if is_backchannel && is_of_browser {
        return Err("The request object is one for the authorization endpoint.");
    }
    // With sub = client_id the object could be used as a client assertion elsewhere (RFC 9101 10.8).
    if claims.contains_key("sub") {
        return Err("A request object has no sub.");
    }
    if !claims::audience(&claims)?.iter().any(|it| it == issuer) {
        return Err("aud of the request object does not name this issuer.");
    }
    if (wants_nbf || is_backchannel) && !claims.contains_key("nbf") {
        return Err("nbf of the request object is missing.");
    }
    if is_backchannel && !(claims.contains_key("iat") && claims.contains_key("jti")) {
        return Err("iat or jti of the request object is missing.");
    }
    let exp_s = check_times(&claims, now_s)?;
    let id = match claims::string(&claims, "jti")? {
        Some(jti) if jti.is_empty() || jti.len() > 256 => return Err("jti of the request object is empty or too long."),
        Some(jti) => jti.to_owned(),
        None => base64url::encode(&sha256(signing_input.as_bytes())),
    };
    let made_s = claims::time_s(&claims, "iat")?.or(claims::time_s(&claims, "nbf")?).unwrap_or(exp_s - MAX_LIFETIME_S - FUTURE_S);
    Ok(RequestObject { parameters: read_parameters(&claims)?, id, exp_s, made_s })
}

fn check_times(claims: &Map<String, Value>, now_s: i64) -> Result<i64, &'static str> {
    let exp_s = claims::time_s(claims, "exp")?.ok_or("exp of the request object is missing.")?;
    if exp_s <= now_s {
        return Err("The request object is expired.");
    }
    if exp_s > now_s + MAX_LIFETIME_S + FUTURE_S {
        return Err("exp of the request object is more than an hour away.");
    }
    for name in ["iat", "nbf"] {
        let at_s = claims::time_s(claims, name)?;
        if at_s.is_some_and(|it| it > now_s + FUTURE_S) {
            return Err("iat or nbf of the request object is in the future.");
        }
        if name == "nbf" && at_s.is_some_and(|it| it < now_s - MAX_LIFETIME_S || exp_s - it > MAX_LIFETIME_S) {
            return Err("nbf of the request object is more than an hour ago, or more than an hour before exp.");
        }
    }
    Ok(exp_s)
}

/// Reads strings as they are, numbers as digits, `resource` one by one, objects as JSON text. Anything else is refused.
fn read_parameters(claims: &Map<String, Value>) -> Result<Form, &'static str> {
    let mut pairs = Vec::new();
    for (name, value) in claims {
        match (name.as_str(), value) {
            ("request" | "request_uri", _) => return Err("A request object contains neither request nor request_uri."),
            (claim, _) if OBJECT_CLAIMS.contains(&claim) => {}
            (_, Value::String(text)) => pairs.push((name.clone(), text.clone())),
            ("resource", Value::Array(all)) => {
                for one in all {
                    pairs.push((
                        name.clone(),
                        one.as_str().ok_or("resource in the request object contains a value that is no string.")?.to_owned(),
                    ));
                }
            }
            ("max_age" | "requested_expiry", Value::Number(seconds)) => pairs.push((name.clone(), seconds.to_string())),
            ("claims", Value::Object(_)) | ("authorization_details", Value::Array(_)) => pairs.push((name.clone(), value.to_string())),
            _ => return Err("A parameter in the request object has a wrong type."),
        }
    }
    Form::from_pairs(pairs).map_err(|_| "The request object has too many parameters, or one of them twice.")
}

/// For whom a client makes a request object, and what identifies it.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    pub client_id: &'a str,
    pub issuer: &'a str,
    pub jti: &'a str,
    pub now_s: i64,
}

/// Signs a client's parameters, for this issuer, for five minutes.
pub fn make(key: &PrivateKey, envelope: &Envelope<'_>, parameters: &[(&str, &str)]) -> Result<String, JwsError> {
    let Envelope { client_id, issuer, jti, now_s } = *envelope;
    let mut claims =
        json!({ "iss": client_id, "client_id": client_id, "aud": issuer, "jti": jti, "iat": now_s, "nbf": now_s, "exp": now_s + 300 });
    for (name, value) in parameters {
        claims[*name] = json!(value);
    }
    jws::sign(key, TYP, &claims)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// 093-A, 095-A, 587-K, RFC 9101 10.8: each claim is wrong alone; the same object with nothing wrong is accepted.
    #[test]
    fn a_request_object_is_for_this_issuer_by_this_client_within_the_hour() {
        let key = PrivateKey::generate(Algorithm::ES256).unwrap();
        let keys = KeySet { keys: vec![key.public().clone()] };
        let now = 10_000;
        let good = json!({ "iss": "k1", "client_id": "k1", "aud": ["https://as"], "exp": now + 300, "nbf": now, "scope": "a", "max_age": 5,
            "resource": ["https://a", "https://b"], "claims": { "id_token": {} } });
        let expected = Expected {
            endpoint: Endpoint::Authorization,
            client_id: "k1",
            issuer: "https://as",
            algorithm: None,
            wants_nbf: true,
            now_s: now,
        };
        let read = |claims: &Value, typ: &str| check(&jws::sign(&key, typ, claims).unwrap(), &keys, &expected);
        let form = read(&good, TYP).unwrap().parameters;
        assert_eq!((form.get("scope"), form.get("max_age"), form.all("resource").len()), (Some("a"), Some("5"), 2));
        assert_eq!((form.get("claims"), form.get("exp")), (Some("{\"id_token\":{}}"), None));
        assert!(read(&good, "JWT").is_ok());
        assert!(read(&good, "client-authentication+jwt").is_err());
        for (name, value) in [
            ("iss", json!("k2")),
            ("client_id", json!("k2")),
            ("client_id", Value::Null),
            ("aud", json!("https://other")),
            ("sub", json!("k1")),
            ("exp", Value::Null),
            ("exp", json!(now)),
            ("exp", json!(now + 4200)),
            ("nbf", json!(now + 600)),
            ("nbf", json!(now - 3601)),
            ("nbf", json!(now - 3400)),
            ("nbf", Value::Null),
            ("jti", json!("")),
            ("request", json!("x")),
            ("request_uri", json!("x")),
            ("scope", json!(["a"])),
            ("state", Value::Null),
        ] {
            let mut bad = good.clone();
            bad[name] = value;
            assert!(read(&bad, TYP).is_err(), "{name}");
        }
        let signed = jws::sign(&key, TYP, &good).unwrap();
        let by = |algorithm| check(&signed, &keys, &Expected { algorithm: Some(algorithm), ..expected });
        assert!(by(Algorithm::ES256).is_ok());
        assert!(by(Algorithm::PS256).is_err());
        let other = KeySet { keys: vec![PrivateKey::generate(Algorithm::ES256).unwrap().public().clone()] };
        assert!(check(&signed, &other, &expected).is_err());
        let mut without = good;
        without.as_object_mut().unwrap().remove("nbf");
        assert_eq!(read(&without, TYP).unwrap_err(), "nbf of the request object is missing.");
        let text = jws::sign(&key, TYP, &without).unwrap();
        assert!(check(&text, &keys, &Expected { wants_nbf: false, ..expected }).is_ok(), "RFC 9101 alone does not require it");
    }

    /// CIBA Core 7.1.1: what a backchannel request has to say, and that no authorization request passes for one.
    #[test]
    fn a_backchannel_request_says_when_and_is_no_authorization_request() {
        let key = PrivateKey::generate(Algorithm::ES256).unwrap();
        let keys = KeySet { keys: vec![key.public().clone()] };
        let good = json!({ "iss": "k1", "aud": "https://as", "exp": 400, "iat": 100, "nbf": 100, "jti": "j", "scope": "openid",
            "requested_expiry": 60 });
        let expected = Expected {
            endpoint: Endpoint::Backchannel,
            client_id: "k1",
            issuer: "https://as",
            algorithm: None,
            wants_nbf: false,
            now_s: 100,
        };
        let read = |claims: &Value| check(&jws::sign(&key, TYP, claims).unwrap(), &keys, &expected);
        assert_eq!(read(&good).unwrap().parameters.get("requested_expiry"), Some("60"));
        let browser = Expected { endpoint: Endpoint::Authorization, ..expected };
        assert!(check(&jws::sign(&key, TYP, &good).unwrap(), &keys, &browser).is_err(), "it names no client");
        for name in ["exp", "iat", "nbf", "jti"] {
            let mut bad = good.clone();
            bad.as_object_mut().unwrap().remove(name);
            assert!(read(&bad).is_err(), "{name}");
        }
        for (name, value) in [("client_id", "k2"), ("response_type", "code"), ("redirect_uri", "https://a"), ("code_challenge", "x")] {
            let mut bad = good.clone();
            bad[name] = value.into();
            assert!(read(&bad).is_err(), "{name}");
        }
    }

    /// (r, n-s) is a signature as good as (r, s). Both are of one object, which is another than the one with one claim changed.
    #[test]
    fn an_object_without_jti_is_known_by_what_was_signed() {
        let key = PrivateKey::generate(Algorithm::ES256).unwrap();
        let keys = KeySet { keys: vec![key.public().clone()] };
        let expected = Expected {
            endpoint: Endpoint::Authorization,
            client_id: "k1",
            issuer: "https://as",
            algorithm: None,
            wants_nbf: false,
            now_s: 100,
        };
        let sign = |state: &str| {
            let claims = json!({ "iss": "k1", "client_id": "k1", "aud": "https://as", "exp": 200, "state": state });
            jws::sign(&key, TYP, &claims).unwrap()
        };
        let id = |text: &str| check(text, &keys, &expected).unwrap().id;
        let (first, other) = (sign("a"), sign("b"));
        let rewritten = with_other_signature(&first);
        assert_ne!(first, rewritten);
        assert_eq!(id(&first), id(&rewritten));
        assert_ne!(id(&first), id(&other));
    }

    /// The order of P-256.
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
        0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];

    fn with_other_signature(token: &str) -> String {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let mut signature = base64url::decode(signature).unwrap();
        let mut borrow = 0;
        for at in (0..32).rev() {
            let digit = i16::from(ORDER[at]) - i16::from(signature[32 + at]) - borrow;
            borrow = i16::from(digit < 0);
            signature[32 + at] = u8::try_from(digit.rem_euclid(256)).unwrap();
        }
        jws::with_signature(signed, &signature)
    }
}
