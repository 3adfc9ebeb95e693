//! How often somebody may try. In bounded space: keys are hashed into 65,536 places.
//! Nothing here can be used up for a person by a stranger: a browser that signed in before has a budget of its own.

use crate::app::Limits;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Mutex;

/// So often may one password be wrong, for whomever, before it counts as sprayed.
const SPRAY: u32 = 50;
const SPRAY_WINDOW_MS: i64 = 15 * 60_000;

pub struct Rates {
    addresses: DefaultKeyedRateLimiter<u16>,
    devices: DefaultKeyedRateLimiter<u16>,
    codes: DefaultKeyedRateLimiter<u16>,
    /// Names nobody has get the same ten guesses, so that the limit does not tell which names exist.
    strangers: DefaultKeyedRateLimiter<u16>,
    /// Mails to one address, asked for by browsers nobody knows.
    mails: DefaultKeyedRateLimiter<u16>,
    /// Wrong passwords: until when they are counted, and how many there were.
    wrong: Mutex<BTreeMap<u16, (i64, u32)>>,
}

impl Default for Rates {
    fn default() -> Self {
        let some = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        let ten = || RateLimiter::keyed(Quota::per_minute(some(1)).allow_burst(some(10)));
        Self {
            addresses: RateLimiter::keyed(Quota::per_minute(some(300))),
            devices: ten(),
            codes: ten(),
            strangers: ten(),
            mails: RateLimiter::keyed(Quota::per_hour(some(20)).allow_burst(some(5))),
            wrong: Mutex::default(),
        }
    }
}

impl Rates {
    /// Per address; IPv6 by its /64, so that one line cannot count as millions (607-K).
    pub fn too_fast(&self, address: Option<IpAddr>) -> bool {
        let place = match address {
            None => return false,
            Some(IpAddr::V4(it)) => it.to_string(),
            Some(IpAddr::V6(it)) => format!("{:x?}", &it.segments()[..4]),
        };
        self.addresses.check_key(&Limits::place(&["address", &place])).is_err()
    }

    pub fn device(&self, id: &str) -> bool {
        self.devices.check_key(&Limits::place(&["device", id])).is_ok()
    }

    pub fn stranger(&self, name: &str) -> bool {
        self.strangers.check_key(&Limits::place(&["stranger", name])).is_ok()
    }

    /// One password over many people, from wherever: no account's own limit sees that (470-E).
    pub fn is_sprayed(&self, password: &str, now_ms: i64) -> bool {
        let place = Limits::place(&["wrong", password]);
        self.wrong.lock().is_ok_and(|it| it.get(&place).is_some_and(|(until_ms, count)| now_ms < *until_ms && *count >= SPRAY))
    }

    pub fn was_wrong(&self, password: &str, now_ms: i64) {
        let Ok(mut wrong) = self.wrong.lock() else { return };
        let counted = wrong.entry(Limits::place(&["wrong", password])).or_default();
        if now_ms >= counted.0 {
            *counted = (now_ms + SPRAY_WINDOW_MS, 0);
        }
        counted.1 += 1;
    }

    pub fn code(&self, account: &str) -> bool {
        self.codes.check_key(&Limits::place(&["code", account])).is_ok()
    }

    pub fn mail(&self, to: &str) -> bool {
        self.mails.check_key(&Limits::place(&["mail", to])).is_ok()
    }
}
