//! Who may hold how many connections and bytes. One caller cannot take all of them: an address has a share. With IPv6 an address is what
//! one household has, a /64. Trusted proxies stand for many callers and have no share of their own.

use crate::config::Config;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Of one listener.
const CONNECTIONS: usize = 10_000;
/// Requests that are not answered and answers that are not taken, of one listener.
const BYTES: usize = 256 << 20;
/// The same of one address.
const BYTES_PER_ADDRESS: usize = 32 << 20;
/// How long a connection may keep us waiting when nearly all places are taken.
const WAIT_WHEN_FULL: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub struct Places {
    all: Arc<Semaphore>,
    connections: usize,
    bytes: Arc<Room>,
    shares: Arc<Mutex<HashMap<IpAddr, Share>>>,
}

/// What one address holds.
struct Share {
    connections: u32,
    bytes: Arc<Room>,
}

/// Bytes that are held, and how many there may be.
struct Room {
    held: AtomicUsize,
    limit: usize,
}

impl Room {
    fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { held: AtomicUsize::new(0), limit })
    }

    fn take(&self, bytes: usize) -> bool {
        let add = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= self.limit);
        self.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, add).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::AcqRel);
    }
}

/// The place of one connection. It is given back when it is dropped.
pub struct Place {
    _permit: OwnedSemaphorePermit,
    places: Places,
    /// None: a proxy, which has no share.
    share: Option<(IpAddr, Arc<Room>)>,
}

impl Places {
    pub fn new() -> Self {
        Self::with_limits(CONNECTIONS, BYTES)
    }

    pub(super) fn with_limits(connections: usize, bytes: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(connections)), connections, bytes: Room::new(bytes), shares: Arc::default() }
    }

    /// `None`: there is no place, or this caller has its share.
    pub fn take(&self, config: &Config, peer: IpAddr) -> Option<Place> {
        let most = (!config.is_proxy(peer)).then(|| config.connections_per_address.get());
        self.take_within(peer, most)
    }

    /// `most`: how many connections the address may hold; a proxy has no such limit.
    pub(super) fn take_within(&self, peer: IpAddr, most: Option<u32>) -> Option<Place> {
        let permit = Arc::clone(&self.all).try_acquire_owned().ok()?;
        let Some(most) = most else { return Some(Place { _permit: permit, places: self.clone(), share: None }) };
        let address = share_of(peer);
        let mut shares = self.shares();
        let share = shares.entry(address).or_insert_with(|| Share { connections: 0, bytes: Room::new(BYTES_PER_ADDRESS) });
        if share.connections >= most {
            return None;
        }
        share.connections += 1;
        let bytes = Arc::clone(&share.bytes);
        drop(shares);
        Some(Place { _permit: permit, places: self.clone(), share: Some((address, bytes)) })
    }

    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes.held.load(Ordering::Acquire)
    }

    fn shares(&self) -> MutexGuard<'_, HashMap<IpAddr, Share>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// How long the connection may keep us waiting. The fewer places are left, the shorter it is. So idle connections keep nobody out.
    pub fn time_limit(&self, usual: Duration) -> Duration {
        let free = self.places.all.available_permits();
        if self.share.is_none() || free > self.places.connections / 2 {
            usual
        } else if free > self.places.connections / 10 {
            (usual / 8).max(WAIT_WHEN_FULL.min(usual))
        } else {
            WAIT_WHEN_FULL.min(usual)
        }
    }

    /// Room for this many bytes, if there is any.
    pub fn charge(self: &Arc<Self>, bytes: usize) -> Option<Charge> {
        let charge = Charge { place: Arc::clone(self), bytes: AtomicUsize::new(0) };
        charge.add(bytes).then_some(charge)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((address, _)) = &self.share else { return };
        let mut shares = self.places.shares();
        match shares.get_mut(address) {
            Some(share) if share.connections > 1 => share.connections -= 1,
            _ => {
                shares.remove(address);
            }
        }
    }
}

/// Bytes that are held. The room is given back when this is dropped.
pub struct Charge {
    place: Arc<Place>,
    bytes: AtomicUsize,
}

impl Charge {
    /// False: there is no room for them, and nothing was added.
    pub fn add(&self, bytes: usize) -> bool {
        let all = &self.place.places.bytes;
        if !all.take(bytes) {
            return false;
        }
        if let Some((_, share)) = &self.place.share
            && !share.take(bytes)
        {
            all.give_back(bytes);
            return false;
        }
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
        true
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let bytes = self.bytes.load(Ordering::Acquire);
        self.place.places.bytes.give_back(bytes);
        if let Some((_, share)) = &self.place.share {
            share.give_back(bytes);
        }
    }
}

fn share_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 @ IpAddr::V4(_) => v4,
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

    /// One address cannot take all bytes, and all addresses together cannot take more than there are. What is dropped is free again.
    #[test]
    fn bytes_are_bounded_for_an_address_and_in_all() {
        let places = Places::with_limits(10, BYTES_PER_ADDRESS + 1000);
        let place = |address: &str| Arc::new(places.take_within(address.parse().unwrap(), Some(2)).unwrap());
        let (first, again, other) = (place("192.0.2.7"), place("192.0.2.7"), place("192.0.2.8"));
        let held = first.charge(BYTES_PER_ADDRESS - 10).unwrap();
        assert!(again.charge(11).is_none(), "the address has its share, on whatever connection");
        assert!(again.charge(10).is_some());
        assert!(other.charge(2000).is_none(), "there is no more in all");
        assert!(other.charge(1000).is_some());
        let proxy = Arc::new(places.take_within("192.0.2.9".parse().unwrap(), None).unwrap());
        drop(held);
        assert!(again.charge(11).is_some() && other.charge(2000).is_some());
        assert!(proxy.charge(BYTES_PER_ADDRESS + 1000).is_some(), "a proxy has no share, only the whole");
        assert_eq!(places.held_bytes(), 0);
    }

    /// Somebody fills the places with idle connections. Others get in all the same.
    #[test]
    fn connections_have_less_time_when_places_are_few() {
        let (places, usual) = (Places::with_limits(100, 1), Duration::from_secs(75));
        let take = |count: usize| -> Vec<Place> {
            (0..count).map(|at| places.take_within(format!("192.0.2.{at}").parse().unwrap(), Some(1)).unwrap()).collect()
        };
        let first = take(40);
        assert_eq!(first[0].time_limit(usual), usual);
        let proxy = places.take_within("198.51.100.1".parse().unwrap(), None).unwrap();
        let more: Vec<Place> = (0..50).map(|at| places.take_within(format!("203.0.113.{at}").parse().unwrap(), Some(1)).unwrap()).collect();
        assert_eq!(first[0].time_limit(usual), WAIT_WHEN_FULL);
        assert_eq!(proxy.time_limit(usual), usual);
        drop(first);
        assert_eq!(more[0].time_limit(usual), usual / 8);
    }
}
