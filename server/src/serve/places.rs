//! Who may hold how many connections. One caller cannot take all places: an address has a share, and with IPv6 an address is
//! what one household has, a /64. Proxies that are believed stand for many callers and are not counted.

use crate::config::Config;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Of one listener.
const CONNECTIONS: usize = 10_000;

#[derive(Clone)]
pub struct Places {
    all: Arc<Semaphore>,
    taken: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

/// Given back when it is dropped.
pub struct Place {
    _one: OwnedSemaphorePermit,
    /// Absent: a proxy, which is not counted.
    counted: Option<(Places, IpAddr)>,
}

impl Places {
    pub fn new() -> Self {
        Self { all: Arc::new(Semaphore::new(CONNECTIONS)), taken: Arc::default() }
    }

    /// `None`: there is no place, or this caller has its share.
    pub fn take(&self, config: &Config, peer: IpAddr) -> Option<Place> {
        let one = Arc::clone(&self.all).try_acquire_owned().ok()?;
        if config.is_proxy(peer) {
            return Some(Place { _one: one, counted: None });
        }
        let address = share_of(peer);
        let mut taken = self.taken();
        let count = taken.entry(address).or_insert(0);
        if *count >= config.connections_per_address.get() {
            return None;
        }
        *count += 1;
        drop(taken);
        Some(Place { _one: one, counted: Some((self.clone(), address)) })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((places, address)) = &self.counted else { return };
        let mut taken = places.taken();
        match taken.get_mut(address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                taken.remove(address);
            }
        }
    }
}

fn share_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(it) => IpAddr::V6(Ipv6Addr::from_bits(it.to_bits() & !u128::from(u64::MAX))),
        it @ IpAddr::V4(_) => it,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_household_is_one_caller() {
        let share = |it: &str| share_of(it.parse().unwrap()).to_string();
        assert_eq!(share("2001:db8:1:2:aaaa::1"), share("2001:db8:1:2:bbbb::2"));
        assert_ne!(share("2001:db8:1:2::1"), share("2001:db8:1:3::1"));
        assert_eq!((share("192.0.2.7"), share("::ffff:192.0.2.7")), ("192.0.2.7".into(), "192.0.2.7".into()));
        assert_ne!(share("192.0.2.7"), share("192.0.2.8"));
    }
}
