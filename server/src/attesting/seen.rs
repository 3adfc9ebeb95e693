//! Attestations that were verified before: an installation shows the same one for hours, and each costs its signature once. What is kept is
//! what the signature said. Age, attester key, tier and the installation's state are asked at every use.

use crate::bounded::BoundedMap;
use std::sync::Arc;
use symbolon_oauth::client_attestation::{self, Attestation, Rejected};
use symbolon_oauth::digest;
use symbolon_oauth::jwk::KeySet;

/// So many at least, and twice as many at most.
const MANY: usize = 8192;
/// A larger one is verified every time: of many certificates, or with many claims.
const MAX_BYTES: usize = 8192;

/// By the SHA-256 of the whole JWT, signature included.
pub struct VerifiedAttestations(BoundedMap<[u8; 32], Arc<Attestation>>);

impl Default for VerifiedAttestations {
    fn default() -> Self {
        Self(BoundedMap::new(MANY))
    }
}

impl VerifiedAttestations {
    /// The attestation, genuine by these keys; its age is the caller's to judge.
    pub fn verified(&self, text: &str, attesters: &KeySet) -> Result<Arc<Attestation>, Rejected> {
        if text.len() > MAX_BYTES {
            return client_attestation::verify(text, attesters).map(Arc::new);
        }
        let digest = digest::sha256(text.as_bytes());
        if let Some(known) = self.0.get(&digest).filter(|it| it.is_vouched_for_by(attesters)) {
            return Ok(known);
        }
        let found = Arc::new(client_attestation::verify(text, attesters)?);
        self.0.insert(digest, Arc::clone(&found));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::{Map, json};
    use symbolon_oauth::jwk::{Algorithm, PrivateKey};

    const NOW: i64 = 1_800_000_000;

    fn attestation(attester: &PrivateKey, more: &str) -> String {
        let key = PrivateKey::generate(Algorithm::ES256).unwrap();
        let claims = Map::from_iter([("more".to_owned(), more.into())]);
        client_attestation::make(attester, "shop", &key.public().to_jwk(), NOW..NOW + 60, &claims).unwrap()
    }

    fn keys(attester: &PrivateKey) -> KeySet {
        KeySet::parse(&json!({ "keys": [attester.public().to_jwk()] })).unwrap()
    }

    /// 280-N: a lookup and no signature. With one byte more or less it is another JWT, and without its key it is nothing.
    #[test]
    fn an_attestation_already_seen_costs_a_lookup() {
        let (seen, attester) = (VerifiedAttestations::default(), PrivateKey::generate(Algorithm::ES256).unwrap());
        let (text, trusted) = (attestation(&attester, ""), keys(&attester));
        let first = seen.verified(&text, &trusted).unwrap();
        assert!(Arc::ptr_eq(&first, &seen.verified(&text, &trusted).unwrap()), "the very same, and nothing was verified again");
        let (signed, signature) = text.rsplit_once('.').unwrap();
        let other = attestation(&attester, "");
        let swapped = format!("{signed}.{}", other.rsplit_once('.').unwrap().1);
        for bad in [format!("{signed}."), swapped, format!("{signed}.{}", &signature[1..])] {
            assert!(seen.verified(&bad, &trusted).is_err(), "the right claims with another signature");
        }
        let stranger = PrivateKey::generate(Algorithm::ES256).unwrap();
        assert!(seen.verified(&text, &keys(&stranger)).is_err(), "the key is trusted no longer");
        assert!(seen.verified(&text, &KeySet::default()).is_err());
        assert!(seen.verified(&text, &trusted).is_ok());
        assert!(seen.verified(&attestation(&stranger, ""), &trusted).is_err());
        assert_eq!(seen.0.sizes().0, 1, "what was refused is not kept");
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_used_stays() {
        let (seen, attester) = (VerifiedAttestations(BoundedMap::new(4)), PrivateKey::generate(Algorithm::ES256).unwrap());
        let trusted = keys(&attester);
        let text = attestation(&attester, "");
        let first = seen.verified(&text, &trusted).unwrap();
        for _ in 0..20 {
            seen.verified(&attestation(&attester, ""), &trusted).unwrap();
            assert!(Arc::ptr_eq(&first, &seen.verified(&text, &trusted).unwrap()));
        }
        let (younger, older) = seen.0.sizes();
        assert!(younger <= 4 && older <= 4, "{younger} {older}");
        let long = attestation(&attester, &"x".repeat(MAX_BYTES));
        let once = seen.verified(&long, &trusted).unwrap();
        assert!(!Arc::ptr_eq(&once, &seen.verified(&long, &trusted).unwrap()), "too large to be kept");
    }
}
