//! Access tokens whose signature was verified before: APIs introspect the same token again and again. Remembered is only which key signed
//! it. Whether that key is still one of ours is asked at every use. So are the time, the audience, and all that is behind the token.

use crate::bounded::BoundedMap;
use serde_json::{Map, Value as Json};
use std::sync::Arc;
use symbolon_oauth::digest;
use symbolon_oauth::jwk::KeySet;
use symbolon_oauth::jws::{JwsError, Unverified};

/// So many at least, and twice as many at most: a few hundred bytes each.
const MANY: usize = 8192;

/// Thumbprints of signers, by the SHA-256 of the whole JWT, signature included.
pub struct VerifiedSigners(BoundedMap<[u8; 32], Arc<str>>);

impl Default for VerifiedSigners {
    fn default() -> Self {
        Self(BoundedMap::new(MANY))
    }
}

impl VerifiedSigners {
    /// The claims of `text`, if one of these keys made its signature. `unverified` is `text`, parsed.
    pub fn verified(&self, text: &str, unverified: Unverified<'_>, keys: &KeySet) -> Result<Map<String, Json>, JwsError> {
        let digest = digest::sha256(text.as_bytes());
        let alg = unverified.alg().ok_or(JwsError::UnsupportedHeader)?;
        if let Some(signer) = self.0.get(&digest)
            && keys.candidates(unverified.kid(), alg).iter().any(|it| it.thumbprint() == &*signer)
        {
            return Ok(unverified.into_unverified_claims());
        }
        let (claims, signer) = unverified.verify_and_find_key(keys)?;
        self.0.insert(digest, signer.thumbprint().into());
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::json;
    use symbolon_oauth::jwk::{Algorithm, PrivateKey};
    use symbolon_oauth::jws;

    fn key() -> (PrivateKey, KeySet) {
        let key = PrivateKey::generate(Algorithm::ES256).unwrap();
        let set = KeySet::parse(&json!({ "keys": [key.public().to_jwk()] })).unwrap();
        (key, set)
    }

    fn ask(seen: &VerifiedSigners, text: &str, keys: &KeySet) -> Result<Map<String, Json>, JwsError> {
        seen.verified(text, Unverified::parse(text).unwrap(), keys)
    }

    #[test]
    fn a_token_is_remembered_only_as_long_as_its_key_is_ours() {
        let (seen, (mine, keys), (_, others)) = (VerifiedSigners::default(), key(), key());
        let text = jws::sign(&mine, "at+jwt", &json!({ "sub": "alice" })).unwrap();
        assert!(ask(&seen, &text, &others).is_err(), "and nothing is remembered of what was refused");
        assert_eq!(seen.0.sizes().0, 0);
        for _ in 0..2 {
            assert_eq!(ask(&seen, &text, &keys).unwrap()["sub"], "alice");
        }
        assert_eq!(seen.0.sizes().0, 1);
        assert!(ask(&seen, &text, &others).is_err(), "the key is ours no longer");
        assert_eq!(ask(&seen, &text, &KeySet::default()).unwrap_err(), JwsError::NoKey);
        assert!(ask(&seen, &text, &keys).is_ok());
    }

    #[test]
    fn other_claims_under_a_known_signature_are_another_token() {
        let (seen, (mine, keys)) = (VerifiedSigners::default(), key());
        let text = jws::sign(&mine, "at+jwt", &json!({ "sub": "alice" })).unwrap();
        ask(&seen, &text, &keys).unwrap();
        let (other, _) = key();
        let forged = jws::sign(&other, "at+jwt", &json!({ "sub": "mallory" })).unwrap();
        let signature = text.rsplit_once('.').unwrap().1;
        let mixed = format!("{}.{signature}", forged.rsplit_once('.').unwrap().0);
        assert!(ask(&seen, &mixed, &keys).is_err());
        assert!(ask(&seen, &text, &keys).is_ok());
    }
}
