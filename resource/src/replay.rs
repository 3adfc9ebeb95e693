//! Which proofs this process has seen. Bounded, forgotten by time, and never in doubt: what cannot be remembered is not let in.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;
use symbolon_oauth::digest::sha256;

const BUCKET_S: i64 = 30;
/// Kept this long after a proof is worthless, so that a clock set back a little does not make it good again (167-D).
const GRACE_S: i64 = 60;
pub const CAPACITY: usize = 500_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Burnt {
    First,
    Seen,
    Full,
}

/// 128 bits of a digest: enough, where a collision only refuses its maker's own proof.
type Short = [u8; 16];

#[derive(Default)]
struct Bucket {
    seen: HashSet<Short>,
    per_key: HashMap<Short, usize>,
}

pub struct Memory {
    capacity: usize,
    /// By the time at which the proofs end.
    buckets: Mutex<BTreeMap<i64, Bucket>>,
}

fn short(digest: [u8; 32]) -> Short {
    let mut out = [0; 16];
    out.copy_from_slice(digest.split_at(16).0);
    out
}

impl Memory {
    pub fn new(capacity: usize) -> Self {
        Self { capacity, buckets: Mutex::default() }
    }

    /// One step that looks and writes. A quarter of the room is for proofs with a nonce of ours, so that asking for one
    /// helps; an eighth is the most that one key can take, so that one guest does not lock out the others.
    pub fn burn(&self, once: [u8; 32], jkt: &str, last_s: i64, now_s: i64, has_nonce: bool) -> Burnt {
        let Ok(mut buckets) = self.buckets.lock() else { return Burnt::Full };
        buckets.retain(|number, _| (number + 1).saturating_mul(BUCKET_S).saturating_add(GRACE_S) > now_s);
        let (once, key) = (short(once), short(sha256(jkt.as_bytes())));
        if buckets.values().any(|it| it.seen.contains(&once)) {
            return Burnt::Seen;
        }
        let room = if has_nonce { self.capacity } else { self.capacity - self.capacity / 4 };
        let all: usize = buckets.values().map(|it| it.seen.len()).sum();
        let of_key: usize = buckets.values().filter_map(|it| it.per_key.get(&key)).sum();
        if all >= room || of_key >= (self.capacity / 8).max(1) {
            return Burnt::Full;
        }
        let bucket = buckets.entry(last_s.div_euclid(BUCKET_S)).or_default();
        bucket.seen.insert(once);
        *bucket.per_key.entry(key).or_default() += 1;
        Burnt::First
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn once(number: u64) -> [u8; 32] {
        sha256(&number.to_be_bytes())
    }

    /// 167-D: as long as a proof is accepted, and longer, it is remembered; then its place is free.
    #[test]
    fn remembered_until_it_is_worthless() {
        let memory = Memory::new(8);
        assert_eq!(memory.burn(once(1), "k", 1_060, 1_000, false), Burnt::First);
        for now_s in [1_000, 1_060, 1_061, 1_120] {
            assert_eq!(memory.burn(once(1), "k", 1_060, now_s, false), Burnt::Seen, "{now_s}");
        }
        assert_eq!(memory.burn(once(2), "k", 1_200, 1_140, false), Burnt::First);
        assert_eq!(memory.burn(once(1), "k", 1_060, 1_140, false), Burnt::Full, "one key has one place in eight");
        assert_eq!(memory.burn(once(1), "l", 1_260, 1_200, false), Burnt::First);
    }

    #[test]
    fn full_is_never_accepted() {
        let memory = Memory::new(16);
        let burn = |number: u64, has_nonce| memory.burn(once(number), &number.to_string(), 1_060, 1_000, has_nonce);
        for number in 0..12 {
            assert_eq!(burn(number, false), Burnt::First);
        }
        assert_eq!(burn(12, false), Burnt::Full);
        for number in 12..16 {
            assert_eq!(burn(number, true), Burnt::First);
        }
        assert_eq!(burn(16, true), Burnt::Full);
        assert_eq!(burn(3, true), Burnt::Seen);
        assert_eq!(memory.burn(once(16), "16", 1_300, 1_300, false), Burnt::First);
    }
}
