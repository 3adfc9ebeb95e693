//! DPoP nonces that need no memory. RFC 9449 8 and 9. A nonce is a time bucket under a MAC. Every process with the key accepts the
//! nonces of all the others, and nobody else can make one or foresee the next.

use crate::base64url;
use crate::digest::equal;
use crate::jwk::KeyError;
use aws_lc_rs::{hmac, rand};
use std::fmt;

/// A new nonce begins after this time; until then everybody gets the same one.
pub const BUCKET_S: i64 = 60;
/// How far the clocks of two processes may be apart.
const SKEW_S: i64 = 60;
const TIME_BYTES: usize = 8;
const TAG_BYTES: usize = 16;

/// The key and what it is for. Cheap to clone. Its `Debug` form does not show the key.
#[derive(Clone)]
pub struct NonceKey {
    key: hmac::Key,
    purpose: String,
}

impl fmt::Debug for NonceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NonceKey({})", self.purpose)
    }
}

impl NonceKey {
    /// `purpose` separates servers that share a key: one server refuses the nonce of another (172-D).
    pub fn new(key: &[u8; 32], purpose: &str) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key), purpose: purpose.to_owned() }
    }

    pub fn random(purpose: &str) -> Result<Self, KeyError> {
        let mut key = [0; 32];
        rand::fill(&mut key).map_err(|_| KeyError("key generation failed"))?;
        Ok(Self::new(&key, purpose))
    }

    fn tag(&self, time: [u8; TIME_BYTES]) -> Vec<u8> {
        // The time has a fixed length, so that no two inputs give the same message.
        let message = [b"dpop-nonce".as_slice(), &time, self.purpose.as_bytes()].concat();
        hmac::sign(&self.key, &message).as_ref().iter().take(TAG_BYTES).copied().collect()
    }

    /// The nonce of the present bucket.
    pub fn make(&self, now_s: i64) -> String {
        let time = (now_s - now_s.rem_euclid(BUCKET_S)).to_be_bytes();
        base64url::encode(&[time.as_slice(), &self.tag(time)].concat())
    }

    /// Did this key make the nonce, at most `max_age_s` ago?
    pub fn check(&self, nonce: &str, now_s: i64, max_age_s: i64) -> bool {
        let Some(bytes) = Some(nonce).filter(|it| it.len() <= 64).and_then(base64url::decode) else { return false };
        let Some((time, tag)) = bytes.split_first_chunk::<TIME_BYTES>() else { return false };
        if !equal(tag, &self.tag(*time)) {
            return false;
        }
        let age_s = now_s.saturating_sub(i64::from_be_bytes(*time));
        (-SKEW_S..=max_age_s).contains(&age_s)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// 172-D: a stale, foreign, edited or invented nonce is refused. Whether one may be missing is the caller's decision.
    #[test]
    fn a_nonce_is_accepted_from_our_key_and_for_a_limited_time() {
        let key = NonceKey::new(&[7; 32], "https://api");
        let nonce = key.make(1_230);
        assert_eq!(nonce, key.make(1_259));
        assert_ne!(nonce, key.make(1_260));
        for now_s in [1_140, 1_230, 1_500] {
            assert!(key.check(&nonce, now_s, 300), "{now_s}");
        }
        for now_s in [1_139, 1_501, i64::MAX, i64::MIN] {
            assert!(!key.check(&nonce, now_s, 300), "{now_s}");
        }
        assert!(NonceKey::new(&[7; 32], "https://api").check(&nonce, 1_230, 300));
        assert!(!NonceKey::new(&[7; 32], "https://as").check(&nonce, 1_230, 300));
        assert!(!NonceKey::new(&[8; 32], "https://api").check(&nonce, 1_230, 300));
        assert!(!NonceKey::random("https://api").unwrap().check(&nonce, 1_230, 300));
        let later = key.make(1_290);
        let spliced = format!("{}{}", &later[..12], &nonce[12..]);
        for bad in
            ["", "AAAA", "n", &nonce[..31], &format!("{nonce}A"), &format!("{nonce}="), &"A".repeat(32), &"A".repeat(100_000), &spliced]
        {
            assert!(!key.check(bad, 1_230, 300));
        }
    }
}
