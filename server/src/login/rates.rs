//! How fast one address may ask for work that costs: in memory and in bounded space, keys are hashed into 65,536 places. It bounds
//! the load and decides nothing about a person; what does is `attempts`.

use super::attempts::network;
use crate::app::Limits;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::net::IpAddr;
use std::num::NonZeroU32;

pub struct Rates {
    addresses: DefaultKeyedRateLimiter<u16>,
}

impl Default for Rates {
    fn default() -> Self {
        Self { addresses: RateLimiter::keyed(Quota::per_minute(NonZeroU32::new(300).unwrap_or(NonZeroU32::MIN))) }
    }
}

impl Rates {
    /// IPv6 by its /64, so that one line cannot count as millions (607-K).
    pub fn too_fast(&self, address: Option<IpAddr>) -> bool {
        address.is_some() && self.addresses.check_key(&Limits::place(&["address", &network(address)])).is_err()
    }
}
