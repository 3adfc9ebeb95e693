//! Logout tokens. OpenID Connect Back-Channel Logout 1.0 2.4 and 2.6.

use crate::claims;
use crate::jwk::{Algorithm, KeySet, PrivateKey};
use crate::jws::{self, JwsError, Unverified};
use serde_json::{Map, Value, json};

/// RECOMMENDED by 2.4, so that no other token can be taken for one.
pub const TYP: &str = "logout+jwt";
/// The member of `events` that says what the token is.
pub const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// `exp` is so long after `iat`. 2.4 advises two minutes at most.
pub const LIFETIME_S: i64 = 120;

/// What is said to a client: this session of this person has ended.
#[derive(Clone, Copy, Debug)]
pub struct LogoutToken<'a> {
    pub iss: &'a str,
    pub aud: &'a str,
    pub sub: &'a str,
    pub sid: &'a str,
    pub jti: &'a str,
    pub iat: i64,
}

pub fn make(key: &PrivateKey, token: &LogoutToken<'_>) -> Result<String, JwsError> {
    let LogoutToken { iss, aud, sub, sid, jti, iat } = token;
    let claims = json!({
        "iss": iss, "aud": aud, "sub": sub, "sid": sid, "jti": jti, "iat": iat, "exp": iat + LIFETIME_S, "events": { EVENT: {} }
    });
    jws::sign(key, TYP, &claims)
}

/// Why [`check`] refuses a token that none of the keys has signed. Newer keys may have.
pub const NOT_SIGNED: &str = "not signed by the issuer";

/// What a client demands of a logout token.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub algorithms: &'a [Algorithm],
    pub now_s: i64,
    /// How far the issuer's clock may be ahead, in seconds.
    pub leeway_s: i64,
}

/// Checks a logout token as 2.6 says. Whether `jti` came before, the caller knows.
pub fn check(token: &str, keys: &KeySet, expected: &Expected<'_>) -> Result<Map<String, Value>, &'static str> {
    let unverified = Unverified::parse(token).map_err(|_| "not a JWT")?;
    match unverified.header().get("typ") {
        None => {}
        Some(typ) if typ.as_str().is_some_and(|typ| typ.eq_ignore_ascii_case(TYP) || typ.eq_ignore_ascii_case("JWT")) => {}
        Some(_) => return Err("typ says that this is no logout token"),
    }
    if !unverified.alg().is_some_and(|alg| expected.algorithms.contains(&alg)) {
        return Err("alg is none that the issuer signs with");
    }
    let claims = unverified.verify_with(keys).map_err(|_| NOT_SIGNED)?;
    if claims::string(&claims, "iss")? != Some(expected.issuer) {
        return Err("iss is another issuer");
    }
    if !claims::audience(&claims)?.iter().any(|name| name == expected.client_id) {
        return Err("aud does not name us");
    }
    let (iat, exp) = (claims::time_s(&claims, "iat")?.ok_or("there is no iat")?, claims::time_s(&claims, "exp")?.ok_or("there is no exp")?);
    if exp <= expected.now_s || iat > expected.now_s + expected.leeway_s {
        return Err("exp is over, or iat is in the future");
    }
    let is_named = claims::string(&claims, "sub")?.is_some() || claims::string(&claims, "sid")?.is_some();
    if !is_named || claims::string(&claims, "jti")?.is_none_or(str::is_empty) {
        return Err("there is neither sub nor sid, or no jti");
    }
    if claims.contains_key("nonce") {
        return Err("nonce makes it an ID token");
    }
    match claims.get("events").and_then(|events| events.get(EVENT)) {
        Some(Value::Object(_)) => Ok(claims),
        _ => Err("events does not name a logout"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const NOW_S: i64 = 1_800_000_000;
    const TOKEN: LogoutToken<'static> =
        LogoutToken { iss: "https://op.example", aud: "us", sub: "alice", sid: "s-1", jti: "j-1", iat: NOW_S };

    fn expected() -> Expected<'static> {
        Expected { issuer: "https://op.example", client_id: "us", algorithms: &[Algorithm::ES256], now_s: NOW_S, leeway_s: 60 }
    }

    /// Each lie alone, and beside it what is allowed.
    #[test]
    fn what_is_made_is_accepted_and_each_lie_is_refused() {
        let key = PrivateKey::generate(Algorithm::ES256).unwrap();
        let keys = KeySet { keys: vec![key.public().clone()] };
        let made = check(&make(&key, &TOKEN).unwrap(), &keys, &expected()).unwrap();
        assert_eq!((&made["sub"], &made["sid"], &made["exp"]), (&json!("alice"), &json!("s-1"), &json!(NOW_S + 120)));
        let with = |changes: &Value, typ: &str| {
            let mut claims = json!(made);
            for (name, value) in changes.as_object().unwrap() {
                match value {
                    Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                    value => claims[name] = value.clone(),
                }
            }
            check(&jws::sign(&key, typ, &claims).unwrap(), &keys, &expected())
        };
        for good in
            [json!({}), json!({ "sub": null }), json!({ "sid": null }), json!({ "aud": ["us", "them"] }), json!({ "iat": NOW_S + 60 })]
        {
            assert!(with(&good, TYP).is_ok() && with(&good, "JWT").is_ok(), "{good}");
        }
        for bad in [
            json!({ "iss": "https://op.example/" }),
            json!({ "aud": "them" }),
            json!({ "aud": null }),
            json!({ "exp": NOW_S }),
            json!({ "exp": null }),
            json!({ "iat": NOW_S + 61 }),
            json!({ "iat": null }),
            json!({ "sub": null, "sid": null }),
            json!({ "jti": null }),
            json!({ "jti": "" }),
            json!({ "nonce": "n" }),
            json!({ "nonce": 0 }),
            json!({ "events": null }),
            json!({ "events": {} }),
            json!({ "events": { EVENT: null } }),
            json!({ "events": { EVENT: true } }),
            json!({ "events": [EVENT] }),
            json!({ "events": { "http://schemas.openid.net/event/other": {} } }),
        ] {
            assert!(with(&bad, TYP).is_err(), "{bad}");
        }
        assert!(with(&json!({}), "at+jwt").is_err());
        let other = PrivateKey::generate(Algorithm::ES256).unwrap();
        assert!(check(&make(&other, &TOKEN).unwrap(), &keys, &expected()).is_err());
        assert!(check("eyJhbGciOiJub25lIn0.e30.", &keys, &expected()).is_err());
    }
}
