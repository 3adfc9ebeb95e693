//! ID tokens. OpenID Connect Core 2, 3.1.3.6 (at_hash), 3.1.2.1 (id_token_hint).

use crate::base64url;
use crate::claims;
use crate::jwk::{Algorithm, KeySet, PrivateKey};
use crate::jws::{self, JwsError, Unverified};
use serde::Serialize;
use serde_json::{Map, Value};

/// Every relying party expects `typ` to be `JWT`. An access token says `at+jwt`, so the two cannot be confused.
pub const TYP: &str = "JWT";

#[derive(Serialize, Clone, Debug)]
pub struct IdToken<'a> {
    pub iss: &'a str,
    pub sub: &'a str,
    pub aud: &'a str,
    pub exp: i64,
    pub iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amr: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

pub fn make(key: &PrivateKey, token: &IdToken<'_>) -> Result<String, JwsError> {
    jws::sign(key, TYP, token)
}

/// Checks an `id_token_hint` by signature and issuer, and returns its claims. An expired one is accepted (Core 3.1.2.1).
pub fn check_hint(token: &str, keys: &KeySet, issuer: &str) -> Result<Map<String, Value>, &'static str> {
    let unverified = Unverified::parse(token).map_err(|_| "not a JWT")?;
    if unverified.typ().is_some_and(|it| !it.eq_ignore_ascii_case(TYP)) {
        return Err("not an ID token");
    }
    let claims = unverified.verify_with(keys).map_err(|_| "not signed by this server")?;
    if claims::string(&claims, "iss") != Ok(Some(issuer)) || !matches!(claims::string(&claims, "sub"), Ok(Some(_))) {
        return Err("another issuer");
    }
    Ok(claims)
}

/// What a relying party demands of an ID token. OpenID Connect Core 3.1.3.7.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Compared byte by byte.
    pub issuer: &'a str,
    /// Who the token must be for. Any one of them, where the provider knows us by several names.
    pub audiences: &'a [&'a str],
    /// Who may have asked for it (`azp`). One of `audiences` always may.
    pub authorized_parties: &'a [&'a str],
    pub algorithms: &'a [Algorithm],
    /// None: the provider is known to leave it out. One that is there is a defect then.
    pub nonce: Option<&'a str>,
    /// The access token that came with it. `at_hash` is optional in the code flow, and compared where it is there.
    pub access_token: Option<&'a str>,
    pub now_s: i64,
    /// How far the provider's clock may be ahead, in seconds.
    pub leeway_s: i64,
}

/// An ID token that passed every check.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// 1 to 255 printable ASCII characters.
    pub sub: String,
    pub iat: i64,
    /// When the person was authenticated there.
    pub auth_time: Option<i64>,
    pub sid: Option<String>,
    pub claims: Map<String, Value>,
}

/// Why an ID token is refused. The first two may have their cause in keys that are too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    UnknownKey,
    BadSignature,
    Other(&'static str),
}

impl Rejected {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownKey => "no key of the provider has this kid and alg",
            Self::BadSignature => "the signature is not the provider's",
            Self::Other(why) => why,
        }
    }
}

/// `exp` may be this far in the past, in seconds: a request takes its time.
const EXPIRED_LEEWAY_S: i64 = 10;
const MAX_NONCE: usize = 256;

/// Checks an ID token of a provider. OpenID Connect Core 3.1.3.7, RFC 8725.
pub fn check(token: &str, keys: &KeySet, expected: &Expected<'_>) -> Result<Checked, Rejected> {
    let unverified = Unverified::parse(token).map_err(|_| Rejected::Other("not a JWT"))?;
    match unverified.header().get("typ") {
        None => {}
        Some(typ) if typ.as_str().is_some_and(|typ| typ.eq_ignore_ascii_case(TYP)) => {}
        Some(_) => return Err(Rejected::Other("typ says that this is no ID token")),
    }
    if !unverified.alg().is_some_and(|alg| expected.algorithms.contains(&alg)) {
        return Err(Rejected::Other("alg is none that this provider signs with"));
    }
    let alg = unverified.alg().unwrap_or(Algorithm::RS256);
    let claims = unverified.verify_with(keys).map_err(|error| match error {
        JwsError::NoKey => Rejected::UnknownKey,
        JwsError::BadSignature => Rejected::BadSignature,
        JwsError::Malformed | JwsError::UnsupportedHeader => Rejected::Other("a header that is not supported"),
    })?;
    // A logout token or another security event has the same keys and much the same claims.
    if claims.contains_key("events") {
        return Err(Rejected::Other("a security event is no ID token"));
    }
    must_be_for_us(&claims, expected)?;
    must_be_timely(&claims, expected)?;
    must_be_of_this_request(&claims, expected, alg)?;
    read(claims)
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Rejected> {
    claims::string(claims, name).map_err(Rejected::Other)
}

fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, Rejected> {
    claims::time_s(claims, name).map_err(Rejected::Other)
}

fn must_be_for_us(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<(), Rejected> {
    if text(claims, "iss")? != Some(expected.issuer) {
        return Err(Rejected::Other("iss is another issuer"));
    }
    let audience = claims::audience(claims).map_err(Rejected::Other)?;
    let is_ours = |name: &str| expected.audiences.contains(&name);
    if !audience.iter().any(|name| is_ours(name)) {
        return Err(Rejected::Other("aud does not name us"));
    }
    match text(claims, "azp")? {
        Some(azp) if !is_ours(azp) && !expected.authorized_parties.contains(&azp) => Err(Rejected::Other("azp is another client")),
        None if audience.len() > 1 => Err(Rejected::Other("aud has several names and azp none")),
        _ => Ok(()),
    }
}

fn must_be_timely(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<(), Rejected> {
    let exp = time(claims, "exp")?.ok_or(Rejected::Other("there is no exp"))?;
    let iat = time(claims, "iat")?.ok_or(Rejected::Other("there is no iat"))?;
    let latest_s = expected.now_s + expected.leeway_s;
    if exp + EXPIRED_LEEWAY_S <= expected.now_s {
        return Err(Rejected::Other("exp is over"));
    }
    if iat > latest_s || time(claims, "nbf")?.is_some_and(|nbf| nbf > latest_s) {
        return Err(Rejected::Other("iat or nbf is in the future: one of the two clocks is wrong"));
    }
    if time(claims, "auth_time")?.is_some_and(|at_s| at_s > latest_s) {
        return Err(Rejected::Other("auth_time is in the future"));
    }
    Ok(())
}

fn must_be_of_this_request(claims: &Map<String, Value>, expected: &Expected<'_>, alg: Algorithm) -> Result<(), Rejected> {
    let nonce = text(claims, "nonce")?;
    if nonce.is_some_and(|nonce| nonce.len() > MAX_NONCE) || nonce != expected.nonce {
        return Err(Rejected::Other("nonce is not the one of this sign-in"));
    }
    match (text(claims, "at_hash")?, expected.access_token) {
        (Some(hash), Some(token)) if hash != at_hash(alg, token) => Err(Rejected::Other("at_hash is of another access token")),
        _ => Ok(()),
    }
}

fn read(claims: Map<String, Value>) -> Result<Checked, Rejected> {
    let sub = text(&claims, "sub")?.ok_or(Rejected::Other("there is no sub"))?;
    if !is_subject(sub) {
        return Err(Rejected::Other("sub is not 1 to 255 printable ASCII characters"));
    }
    let (sub, sid) = (sub.to_owned(), text(&claims, "sid")?.map(str::to_owned));
    let (iat, auth_time) = (time(&claims, "iat")?.unwrap_or_default(), time(&claims, "auth_time")?);
    Ok(Checked { sub, iat, auth_time, sid, claims })
}

/// Core 2: at most 255 ASCII characters. Nothing in it that a log or a page would show as nothing.
pub fn is_subject(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

/// The left half of the access token's digest. The hash is the signature algorithm's own: SHA-512 for Ed25519.
pub fn at_hash(alg: Algorithm, access_token: &str) -> String {
    let hash = if alg == Algorithm::EdDSA { &aws_lc_rs::digest::SHA512 } else { &aws_lc_rs::digest::SHA256 };
    let digest = aws_lc_rs::digest::digest(hash, access_token.as_bytes());
    let all = digest.as_ref();
    base64url::encode(&all[..all.len() / 2])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::json;

    const NOW_S: i64 = 1_800_000_000;
    const ISSUER: &str = "https://op.example";

    struct Provider {
        key: PrivateKey,
        keys: KeySet,
    }

    impl Provider {
        fn new() -> Self {
            let key = PrivateKey::generate(Algorithm::ES256).unwrap();
            let keys = KeySet { keys: vec![key.public().clone()] };
            Self { key, keys }
        }

        /// The good token with some members changed; null takes one away.
        fn token(&self, changes: &Value) -> String {
            let mut claims = json!({
                "iss": ISSUER, "sub": "24400320", "aud": "us", "exp": NOW_S + 300, "iat": NOW_S, "nonce": "n-1",
                "at_hash": at_hash(Algorithm::ES256, "access")
            });
            for (name, value) in changes.as_object().unwrap() {
                match value {
                    Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                    value => claims[name] = value.clone(),
                }
            }
            jws::sign(&self.key, TYP, &claims).unwrap()
        }

        fn check(&self, token: &str) -> Result<Checked, Rejected> {
            check(token, &self.keys, &expected())
        }
    }

    fn expected() -> Expected<'static> {
        Expected {
            issuer: ISSUER,
            audiences: &["us"],
            authorized_parties: &["our-android"],
            algorithms: &[Algorithm::ES256],
            nonce: Some("n-1"),
            access_token: Some("access"),
            now_s: NOW_S,
            leeway_s: 60,
        }
    }

    /// 440-B, 441-B, 207-J, 208-J, 221-J, S-20: each lie alone, and beside it what is allowed.
    #[test]
    fn each_lie_is_refused_and_its_twin_is_not() {
        let provider = Provider::new();
        for good in [
            json!({}),
            json!({ "aud": ["us"] }),
            json!({ "aud": ["us", "them"], "azp": "us" }),
            json!({ "azp": "our-android" }),
            json!({ "at_hash": null }),
            json!({ "iat": NOW_S + 60, "nbf": NOW_S + 60 }),
            json!({ "exp": NOW_S - 9 }),
            json!({ "auth_time": NOW_S - 40_000 }),
            json!({ "sub": "x".repeat(255) }),
        ] {
            let checked = provider.check(&provider.token(&good));
            assert!(checked.is_ok(), "{good}: {checked:?}");
        }
        for bad in [
            json!({ "iss": "https://op.example/" }),
            json!({ "iss": "https://OP.example" }),
            json!({ "iss": null }),
            json!({ "iss": ["https://op.example"] }),
            json!({ "aud": "them" }),
            json!({ "aud": null }),
            json!({ "aud": [] }),
            json!({ "aud": ["us", "them"] }),
            json!({ "aud": ["us", 1], "azp": "us" }),
            json!({ "aud": "them", "azp": "us" }),
            json!({ "azp": "them" }),
            json!({ "azp": ["us"] }),
            json!({ "exp": NOW_S - 10 }),
            json!({ "exp": null }),
            json!({ "exp": "1900000000" }),
            json!({ "exp": 9_223_372_036_854_775_807_i64 }),
            json!({ "iat": NOW_S + 61 }),
            json!({ "iat": null }),
            json!({ "nbf": NOW_S + 61 }),
            json!({ "iat": NOW_S + 300 }),
            json!({ "auth_time": NOW_S + 61 }),
            json!({ "auth_time": "yesterday" }),
            json!({ "nonce": "n-2" }),
            json!({ "nonce": null }),
            json!({ "nonce": 1 }),
            json!({ "at_hash": at_hash(Algorithm::ES256, "another") }),
            json!({ "at_hash": 7 }),
            json!({ "sub": null }),
            json!({ "sub": "" }),
            json!({ "sub": 24_400_320 }),
            json!({ "sub": { "id": "24400320" } }),
            json!({ "sub": "x".repeat(256) }),
            json!({ "sub": "a\u{0}b" }),
            json!({ "sub": "\u{e9}" }),
            json!({ "events": { "http://schemas.openid.net/event/backchannel-logout": {} } }),
        ] {
            let checked = provider.check(&provider.token(&bad));
            assert!(matches!(checked, Err(Rejected::Other(_))), "{bad}: {checked:?}");
        }
    }

    /// 198-J, 223-J: whose key, by which algorithm, and that it is an ID token at all.
    #[test]
    fn signature_algorithm_and_type_are_checked() {
        let (provider, other) = (Provider::new(), Provider::new());
        let good = provider.token(&json!({}));
        assert_eq!(provider.check(&good).unwrap().sub, "24400320");
        assert_eq!(provider.check(&other.token(&json!({}))), Err(Rejected::BadSignature));
        let jwk = |kid: &str| {
            let mut jwk = provider.key.public().to_jwk();
            jwk["kid"] = kid.into();
            json!({ "keys": [jwk] })
        };
        let renamed = KeySet::parse(&jwk("another")).unwrap();
        assert_eq!(check(&good, &renamed, &expected()), Err(Rejected::UnknownKey));
        let named = KeySet::parse(&jwk(provider.key.kid())).unwrap();
        assert!(check(&good, &named, &expected()).is_ok());
        let rsa_only = Expected { algorithms: &[Algorithm::RS256], ..expected() };
        assert!(matches!(check(&good, &provider.keys, &rsa_only), Err(Rejected::Other(_))));
        let claims = Unverified::parse(&good).unwrap().unverified_claims().clone();
        for typ in ["at+jwt", "logout+jwt", "secevent+jwt", "dpop+jwt", ""] {
            let token = jws::sign(&provider.key, typ, &claims).unwrap();
            assert!(matches!(provider.check(&token), Err(Rejected::Other(_))), "{typ}");
        }
        let bare = json!({ "alg": "ES256" });
        assert!(provider.check(&jws::sign_with_header(&provider.key, &bare, &claims).unwrap()).is_ok(), "typ is optional");
    }

    /// A provider that is known to leave the nonce out may not send one of another sign-in.
    #[test]
    fn a_nonce_that_is_there_is_compared() {
        let provider = Provider::new();
        let without = Expected { nonce: None, ..expected() };
        assert!(check(&provider.token(&json!({ "nonce": null })), &provider.keys, &without).is_ok());
        assert!(check(&provider.token(&json!({})), &provider.keys, &without).is_err());
    }
}
