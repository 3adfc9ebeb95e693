//! Nonces that every node makes and knows without a memory: a time bucket under a MAC of a key from the master key. RFC 9449 8; attestation-
//! based client authentication, section 5.

use crate::seal::KeyRing;
use std::sync::{Mutex, PoisonError};
use symbolon_oauth::dpop_nonce::{BUCKET_S, NonceKey};

/// The nonces of one purpose.
pub struct Nonces {
    /// One for each master key, newest first.
    keys: Vec<NonceKey>,
    /// The bucket that was asked for last, and its nonce: everybody gets the same one.
    made: Mutex<(i64, String)>,
}

impl Nonces {
    /// `label` names the purpose. Nonces of another `mark` are void (`Recovery::mark`). One issuer refuses the nonces of another (172-D).
    pub fn new(keyring: &KeyRing, (label, mark): (&str, &[&[u8]]), issuer: &str) -> Self {
        let of = |version| Some(NonceKey::new(&keyring.mac_with(version, label, mark)?, issuer));
        Self { keys: keyring.versions().into_iter().filter_map(of).collect(), made: Mutex::new((i64::MIN, String::new())) }
    }

    /// The nonce of this moment.
    pub fn make(&self, now_s: i64) -> Option<String> {
        let bucket = now_s.div_euclid(BUCKET_S);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.0 != bucket {
            *made = (bucket, self.keys.first()?.make(now_s));
        }
        Some(made.1.clone())
    }

    /// Is this one of ours, at most `max_age_s` old?
    pub fn check(&self, nonce: &str, now_s: i64, max_age_s: i64) -> bool {
        self.keys.iter().any(|key| key.check(nonce, now_s, max_age_s))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_nonce_is_good_for_its_time_under_each_master_key_and_for_one_purpose() {
        let (old, new) = ((1, [1; 32]), (2, [2; 32]));
        let of =
            |keys: &[(u8, [u8; 32])], label: &str, issuer: &str| Nonces::new(&KeyRing::new(keys.to_vec()).unwrap(), (label, &[]), issuer);
        let (before, after) = (of(&[old], "dpop nonce", "https://as"), of(&[new, old], "dpop nonce", "https://as"));
        let nonce = before.make(600).unwrap();
        assert_eq!(before.make(659).unwrap(), nonce, "one bucket, one nonce");
        assert_ne!(before.make(660).unwrap(), nonce);
        assert_eq!(before.make(600).unwrap(), nonce, "also after the next one was made");
        assert!(before.check(&nonce, 900, 300) && after.check(&nonce, 900, 300));
        assert!(!before.check(&nonce, 901, 300), "too old");
        assert!(!before.check(&after.make(600).unwrap(), 600, 300), "of a master key that is not known here");
        assert!(!of(&[old], "attestation challenge", "https://as").check(&nonce, 600, 300));
        let recovered = Nonces::new(&KeyRing::new(vec![old]).unwrap(), ("dpop nonce", &[b"2"]), "https://as");
        assert!(!recovered.check(&nonce, 600, 300), "of before a recovery");
        assert!(!of(&[old], "dpop nonce", "https://other").check(&nonce, 600, 300));
    }
}
