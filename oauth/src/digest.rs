//! SHA-256, SHA-1 for lists that are made with it, and comparison in constant time.

use subtle::ConstantTimeEq;

pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref());
    out
}

/// SHA-1, which proves nothing any more. Lists of breached passwords are by it.
pub fn sha1(bytes: &[u8]) -> [u8; 20] {
    let mut out = [0; 20];
    out.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref());
    out
}

/// Compares in constant time: the time says nothing about where the difference is. Lengths are not secret.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::time::{Duration, Instant};

    /// 126-T, 372-Z, 473-E: a difference in the first byte takes as long to find as one in the last. The inputs are long, so that a
    /// comparison that stops at the first difference would be thousands of times faster.
    #[test]
    fn the_time_does_not_tell_where_the_difference_is() {
        let right = vec![7_u8; 1 << 16];
        let (mut first, mut last) = (right.clone(), right.clone());
        (first[0], last[(1 << 16) - 1]) = (8, 8);
        let quickest = |other: &[u8]| -> Duration {
            let one = || {
                let start = Instant::now();
                assert!(!equal(&right, std::hint::black_box(other)));
                start.elapsed()
            };
            (0..30).map(|_| one()).min().unwrap()
        };
        let (first, last) = (quickest(&first), quickest(&last));
        assert!(first * 2 > last && last * 2 > first, "{first:?} and {last:?}");
        assert!(equal(&right, &right.clone()));
    }
}
