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
pub struct IdToken {
    pub iss: String,
    pub sub: String,
    pub aud: String,
    pub exp: i64,
    pub iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amr: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

pub fn make(key: &PrivateKey, token: &IdToken) -> Result<String, JwsError> {
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

/// The left half of the access token's digest. The hash is the signature algorithm's own: SHA-512 for Ed25519.
pub fn at_hash(alg: Algorithm, access_token: &str) -> String {
    let hash = if alg == Algorithm::EdDSA { &aws_lc_rs::digest::SHA512 } else { &aws_lc_rs::digest::SHA256 };
    let digest = aws_lc_rs::digest::digest(hash, access_token.as_bytes());
    let all = digest.as_ref();
    base64url::encode(&all[..all.len() / 2])
}
