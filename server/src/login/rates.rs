//! How fast one address may ask for work that costs. It is kept in memory, and keys are hashed into 65,536 places. It bounds the load and
//! decides nothing about a person; what does is `budgets`.

use crate::limits::Limits;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Mutex;

/// An address as one line counts: IPv4 as it is, IPv6 by its /64, so that one line cannot count as millions (607-K).
pub fn network(address: Option<IpAddr>) -> String {
    address.map(Limits::line).unwrap_or_default()
}

/// So often may one password be wrong, for whomever, before it counts as sprayed.
const SPRAY: u32 = 50;
const SPRAY_WINDOW_MS: i64 = 15 * 60_000;

pub struct Rates {
    addresses: DefaultKeyedRateLimiter<u16>,
    /// Audit entries about charges that were refused, by account.
    records: DefaultKeyedRateLimiter<u16>,
    /// Wrong passwords: until when they are counted, and how many there were.
    wrong: Mutex<BTreeMap<u16, (i64, u32)>>,
}

impl Default for Rates {
    fn default() -> Self {
        let per_minute = |times| RateLimiter::keyed(Quota::per_minute(NonZeroU32::new(times).unwrap_or(NonZeroU32::MIN)));
        Self { addresses: per_minute(300), records: per_minute(20), wrong: Mutex::default() }
    }
}

impl Rates {
    /// IPv6 by its /64, so that one line cannot count as millions (607-K).
    pub fn too_fast(&self, address: Option<IpAddr>) -> bool {
        address.is_some() && self.addresses.check_key(&Limits::bucket(&["address", &network(address)])).is_err()
    }

    pub fn may_record(&self, account: &str) -> bool {
        self.records.check_key(&Limits::bucket(&["record", account])).is_ok()
    }

    /// One password over many people, from wherever: no account's own limit sees that (470-E).
    pub fn is_sprayed(&self, password: &str, now_ms: i64) -> bool {
        let bucket = Limits::bucket(&["wrong", password]);
        self.wrong.lock().is_ok_and(|it| it.get(&bucket).is_some_and(|(until_ms, count)| now_ms < *until_ms && *count >= SPRAY))
    }

    pub fn was_wrong(&self, password: &str, now_ms: i64) {
        let Ok(mut wrong) = self.wrong.lock() else { return };
        let counted = wrong.entry(Limits::bucket(&["wrong", password])).or_default();
        if now_ms >= counted.0 {
            *counted = (now_ms + SPRAY_WINDOW_MS, 0);
        }
        counted.1 += 1;
    }
}
