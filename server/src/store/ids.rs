//! The ids of audit entries, which tell when an entry was written, and what is still under way.

use crate::error::Fault;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Ids of audit entries: milliseconds (6 bytes), node (4), counter (6).
pub(super) struct Ids {
    node: [u8; 4],
    counter: AtomicU64,
    /// The newest instant that an id has, and when that id was made. A change carries the instant of its request, which may be some time
    /// ago. The id of an entry tells when it was written.
    newest: Mutex<(i64, Instant)>,
    under_way: Mutex<BTreeMap<u64, i64>>,
}

/// No request takes longer. A clock that was so far ahead was wrong.
const STALE_MS: i64 = 60_000;

impl Ids {
    pub fn new() -> Result<Self, Fault> {
        let newest = Mutex::new((0, Instant::now()));
        Ok(Self { node: crate::seal::random()?, counter: AtomicU64::new(0), newest, under_way: Mutex::default() })
    }

    fn instant(&self, now_ms: i64) -> i64 {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let passed_ms = i64::try_from(newest.1.elapsed().as_millis()).unwrap_or(i64::MAX);
        let expected_ms = newest.0.saturating_add(passed_ms);
        if (now_ms..now_ms + STALE_MS).contains(&expected_ms) {
            return expected_ms;
        }
        *newest = (now_ms, Instant::now());
        now_ms
    }

    pub fn next(&self, now_ms: i64) -> [u8; 16] {
        let mut id = [0; 16];
        id[..6].copy_from_slice(&self.instant(now_ms).to_be_bytes()[2..]);
        id[6..10].copy_from_slice(&self.node);
        id[10..].copy_from_slice(&self.counter.fetch_add(1, Ordering::Relaxed).to_be_bytes()[2..]);
        id
    }

    /// A change is under way until the answer is dropped. None of its ids is earlier than now.
    pub fn begin(self: &Arc<Self>, now_ms: i64) -> UnderWay {
        let ticket = self.counter.fetch_add(1, Ordering::Relaxed);
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.insert(ticket, self.instant(now_ms));
        UnderWay(Arc::clone(self), ticket)
    }

    pub fn earliest(&self) -> Option<i64> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).values().min().copied()
    }
}

pub(super) struct UnderWay(Arc<Ids>, u64);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}
