//! How many bytes a caller may have written into the store before anybody signed in: pushed requests and sign-ins. Such rows live for
//! minutes, and then a sweep deletes them. So a limit of bytes per minute is a limit of the disk. It counts in memory, for each process.

use crate::error::{Refused, Result};
use crate::limits::Limits;
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::net::IpAddr;
use std::num::NonZeroU32;

const MIB: u32 = 1024 * 1024;
/// What a row costs beside its body: keys, its place in the write-ahead log, its audit entry.
const ROW_BYTES: usize = 512;
/// Of an address, or of a /64 of IPv6, at once and in each minute. A sign-in needs two to three kilobytes.
const OF_NETWORK: [u32; 2] = [8 * MIB, MIB];
/// Of a client that authenticates.
const OF_CLIENT: [u32; 2] = [64 * MIB, 16 * MIB];
/// Of all who prove nothing, however many networks they have.
const OF_STRANGERS: [u32; 2] = [256 * MIB, 64 * MIB];

/// For whom a row is written.
#[derive(Clone, Copy)]
pub enum Writer<'a> {
    /// A client that authenticated itself.
    Client(&'a str),
    /// Anybody else, by the address.
    Network(IpAddr),
}

pub struct StoredBytes {
    networks: DefaultKeyedRateLimiter<u16>,
    clients: DefaultKeyedRateLimiter<u16>,
    strangers: DefaultDirectRateLimiter,
}

impl Default for StoredBytes {
    fn default() -> Self {
        Self {
            networks: RateLimiter::keyed(quota(OF_NETWORK)),
            clients: RateLimiter::keyed(quota(OF_CLIENT)),
            strangers: RateLimiter::direct(quota(OF_STRANGERS)),
        }
    }
}

fn quota([at_once, per_minute]: [u32; 2]) -> Quota {
    let positive = |bytes| NonZeroU32::new(bytes).unwrap_or(NonZeroU32::MIN);
    Quota::per_minute(positive(per_minute)).allow_burst(positive(at_once))
}

impl StoredBytes {
    /// Charges a row with a body of so many bytes. Refused, it must not be written.
    pub fn charge(&self, writer: Writer<'_>, body_bytes: usize) -> Result<()> {
        let bytes = u32::try_from(body_bytes + ROW_BYTES).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX);
        // More than the whole budget is refused like what does not fit now.
        let fits = match writer {
            Writer::Client(id) => matches!(self.clients.check_key_n(&Limits::bucket(&["stored", id]), bytes), Ok(Ok(()))),
            Writer::Network(address) => {
                let bucket = Limits::bucket(&["stored", &Limits::line(address)]);
                matches!(self.networks.check_key_n(&bucket, bytes), Ok(Ok(()))) && matches!(self.strangers.check_n(bytes), Ok(Ok(())))
            }
        };
        if fits {
            return Ok(());
        }
        metrics::counter!("symbolon_stored_bytes_refused_total").increment(u64::from(bytes.get()));
        let (hint, why) = match writer {
            Writer::Client(_) => ("This client has too much under way. Wait a minute, then try again.", "bytes of the client"),
            Writer::Network(_) => ("Your network has too much under way here. Wait a minute, then try again.", "bytes of the network"),
        };
        Err(Refused::new(429, "temporarily_unavailable", hint).because(why).retry_after(60).into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::error::Error;

    fn status(outcome: Result<()>) -> u16 {
        match outcome {
            Ok(()) => 200,
            Err(Error::Refused(refused)) => refused.status,
            Err(Error::Fault(_)) => 500,
        }
    }

    #[test]
    fn bytes_are_counted_for_each_network_and_client_apart() {
        let stored = StoredBytes::default();
        let address = |text: &str| Writer::Network(text.parse().unwrap());
        let half = OF_NETWORK[0] as usize / 2 - ROW_BYTES;
        for writer in [address("192.0.2.1"), address("2001:db8::1"), Writer::Client("shop")] {
            assert_eq!(status(stored.charge(writer, half)), 200);
        }
        assert_eq!(status(stored.charge(address("192.0.2.1"), half)), 200);
        assert_eq!(status(stored.charge(address("2001:db8::2"), half)), 200, "the same /64");
        for used_up in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::3"] {
            assert_eq!(status(stored.charge(address(used_up), 64 * 1024)), 429, "{used_up}");
        }
        for other in [address("192.0.2.2"), address("2001:db8:0:1::1"), Writer::Client("shop")] {
            assert_eq!(status(stored.charge(other, 64 * 1024)), 200, "the twin");
        }
    }

    #[test]
    fn many_networks_have_one_budget_of_strangers() {
        let stored = StoredBytes::default();
        let whole = OF_NETWORK[0] as usize - ROW_BYTES;
        let taken = (0..250_u8).filter(|last| stored.charge(Writer::Network([198, 51, 100, *last].into()), whole).is_ok()).count();
        assert!((32..40).contains(&taken), "{taken}");
        assert_eq!(status(stored.charge(Writer::Client("shop"), whole)), 200, "a client that authenticates is none of them");
    }

    #[test]
    fn what_no_budget_holds_is_refused() {
        let stored = StoredBytes::default();
        for bytes in [OF_CLIENT[0] as usize + 1, u32::MAX as usize, usize::MAX - ROW_BYTES] {
            assert_eq!(status(stored.charge(Writer::Client("shop"), bytes)), 429, "{bytes}");
        }
        assert_eq!(status(stored.charge(Writer::Client("shop"), 1)), 200);
    }
}
