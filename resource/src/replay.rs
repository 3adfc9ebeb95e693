//! The DPoP proofs that this process has seen. The memory is bounded and forgets by time. A proof that it cannot remember is refused.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;
use symbolon_oauth::digest::sha256;

const BUCKET_S: i64 = 30;
/// How long a proof is remembered after it has expired. A clock that is set back a little must not make it valid again (167-D).
const GRACE_S: i64 = 60;
pub const CAPACITY: usize = 500_000;

/// What the memory knows about a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    First,
    Repeated,
    /// Nothing: there is no room to remember it.
    Unknown,
}

/// A proof that is used now.
#[derive(Clone, Copy, Debug)]
pub struct Used<'a> {
    /// What may be used once.
    pub once: [u8; 32],
    /// The thumbprint of its key.
    pub jkt: &'a str,
    /// The last second at which it is accepted.
    pub last_s: i64,
    /// It has a nonce of ours.
    pub has_nonce: bool,
}

/// 128 bits of a digest. That is enough: a collision only refuses the proof of whoever made it.
type Short = [u8; 16];

#[derive(Default)]
struct Bucket {
    seen: HashSet<Short>,
    per_key: HashMap<Short, usize>,
}

pub struct Memory {
    capacity: usize,
    /// Proofs by the time at which they expire.
    buckets: Mutex<BTreeMap<i64, Bucket>>,
}

fn shorten(digest: [u8; 32]) -> Short {
    let mut out = [0; 16];
    out.copy_from_slice(digest.split_at(16).0);
    out
}

impl Memory {
    pub fn new(capacity: usize) -> Self {
        Self { capacity, buckets: Mutex::default() }
    }

    /// Looks a proof up and remembers it, in one step. A quarter of the room is for proofs with a nonce of ours, so that asking for a
    /// nonce helps. One key gets an eighth of the room at most, so that one caller cannot lock out the others.
    pub fn remember(&self, proof: Used<'_>, now_s: i64) -> Use {
        let Ok(mut buckets) = self.buckets.lock() else { return Use::Unknown };
        buckets.retain(|number, _| (number + 1).saturating_mul(BUCKET_S).saturating_add(GRACE_S) > now_s);
        let (once, key) = (shorten(proof.once), shorten(sha256(proof.jkt.as_bytes())));
        if buckets.values().any(|it| it.seen.contains(&once)) {
            return Use::Repeated;
        }
        let room = if proof.has_nonce { self.capacity } else { self.capacity - self.capacity / 4 };
        let all: usize = buckets.values().map(|it| it.seen.len()).sum();
        let of_key: usize = buckets.values().filter_map(|it| it.per_key.get(&key)).sum();
        if all >= room || of_key >= (self.capacity / 8).max(1) {
            return Use::Unknown;
        }
        let bucket = buckets.entry(proof.last_s.div_euclid(BUCKET_S)).or_default();
        bucket.seen.insert(once);
        *bucket.per_key.entry(key).or_default() += 1;
        Use::First
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn once(number: u64) -> [u8; 32] {
        sha256(&number.to_be_bytes())
    }

    fn remember(memory: &Memory, number: u64, jkt: &str, last_s: i64, now_s: i64) -> Use {
        memory.remember(Used { once: once(number), jkt, last_s, has_nonce: false }, now_s)
    }

    /// 167-D: a proof is remembered for longer than it is accepted. Then its place is free.
    #[test]
    fn a_proof_is_remembered_until_it_has_expired() {
        let memory = Memory::new(8);
        assert_eq!(remember(&memory, 1, "k", 1_060, 1_000), Use::First);
        for now_s in [1_000, 1_060, 1_061, 1_120] {
            assert_eq!(remember(&memory, 1, "k", 1_060, now_s), Use::Repeated, "{now_s}");
        }
        assert_eq!(remember(&memory, 2, "k", 1_200, 1_140), Use::First);
        assert_eq!(remember(&memory, 1, "k", 1_060, 1_140), Use::Unknown, "one key has one place in eight");
        assert_eq!(remember(&memory, 1, "l", 1_260, 1_200), Use::First);
    }

    #[test]
    fn a_proof_is_refused_when_the_memory_is_full() {
        let memory = Memory::new(16);
        let remember_at_once = |number: u64, has_nonce| {
            let jkt = number.to_string();
            memory.remember(Used { once: once(number), jkt: &jkt, last_s: 1_060, has_nonce }, 1_000)
        };
        for number in 0..12 {
            assert_eq!(remember_at_once(number, false), Use::First);
        }
        assert_eq!(remember_at_once(12, false), Use::Unknown);
        for number in 12..16 {
            assert_eq!(remember_at_once(number, true), Use::First);
        }
        assert_eq!(remember_at_once(16, true), Use::Unknown);
        assert_eq!(remember_at_once(3, true), Use::Repeated);
        assert_eq!(remember(&memory, 16, "16", 1_300, 1_300), Use::First);
    }
}
