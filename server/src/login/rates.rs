//! How often somebody may try. In bounded space: keys are hashed into 65,536 places.
//! Nothing here can be used up for a person by a stranger: a browser that signed in before has a budget of its own.

use crate::app::Limits;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::net::IpAddr;
use std::num::NonZeroU32;

pub struct Rates {
    addresses: DefaultKeyedRateLimiter<u16>,
    devices: DefaultKeyedRateLimiter<u16>,
    codes: DefaultKeyedRateLimiter<u16>,
    /// Names nobody has get the same ten guesses, so that the limit does not tell which names exist.
    strangers: DefaultKeyedRateLimiter<u16>,
    /// Mails to one address, asked for by browsers nobody knows.
    mails: DefaultKeyedRateLimiter<u16>,
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
        }
    }
}

impl Rates {
    /// Per address.
    pub fn too_fast(&self, address: Option<IpAddr>) -> bool {
        address.is_some_and(|it| self.addresses.check_key(&Limits::place(&["address", &Limits::line(it)])).is_err())
    }

    pub fn device(&self, id: &str) -> bool {
        self.devices.check_key(&Limits::place(&["device", id])).is_ok()
    }

    pub fn stranger(&self, name: &str) -> bool {
        self.strangers.check_key(&Limits::place(&["stranger", name])).is_ok()
    }

    pub fn code(&self, account: &str) -> bool {
        self.codes.check_key(&Limits::place(&["code", account])).is_ok()
    }

    pub fn mail(&self, to: &str) -> bool {
        self.mails.check_key(&Limits::place(&["mail", to])).is_ok()
    }
}
