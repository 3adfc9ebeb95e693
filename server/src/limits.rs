//! Rate limits of this process, and what else bounds the work of callers.

use crate::bounded::BoundedMap;
use crate::polls::Polls;
use crate::pool::Pool;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// A secret that was forgotten is hashed once more.
const PROVEN_SECRETS: usize = 16_384;
/// Beyond that many, a line may say too few.
const KIOSKS: usize = 4096;

/// Rate limits live beyond a reload, in bounded space: keys are hashed into 65,536 places.
pub struct Limits {
    pub wrong_secrets: DefaultKeyedRateLimiter<u16>,
    pub repeats: DefaultKeyedRateLimiter<u16>,
    /// Refreshes that a plug-in is asked about, by grant. It is less than may wait for one plug-in, so that one token fills no line.
    pub judged_refreshes: DefaultKeyedRateLimiter<u16>,
    /// Audit entries about genuine tokens in wrong hands.
    pub alarms: DefaultKeyedRateLimiter<u16>,
    pub pushes: DefaultKeyedRateLimiter<u16>,
    /// Evidence and challenges: by client and address, by client, and by the installation's key.
    pub attests: DefaultKeyedRateLimiter<u16>,
    pub attests_of_client: DefaultKeyedRateLimiter<u16>,
    pub attests_of_instance: DefaultKeyedRateLimiter<u16>,
    /// Audit entries about refused requests, by whom they are about.
    pub refusals: DefaultKeyedRateLimiter<u16>,
    /// The same about evidence, by client.
    pub refusals_of_client: DefaultKeyedRateLimiter<u16>,
    /// Starts of devices: by client and address, and by client.
    pub devices: DefaultKeyedRateLimiter<u16>,
    pub devices_of_client: DefaultKeyedRateLimiter<u16>,
    pub polls: Polls,
    /// Requests of one client to people, by backchannel.
    pub backchannels_of_client: DefaultKeyedRateLimiter<u16>,
    /// What one installation asks about such requests, and answers.
    pub approvals: DefaultKeyedRateLimiter<u16>,
    /// What one kiosk asks. The lines about codes that it could not take, and how many there were since the last line.
    pub kiosks: DefaultKeyedRateLimiter<u16>,
    pub kiosk_lines: DefaultKeyedRateLimiter<u16>,
    pub kiosk_silent: BoundedMap<u16, u32>,
    /// What strangers have this server fetch: by the host that is asked, and by who wants it.
    pub documents: DefaultKeyedRateLimiter<u16>,
    /// Documents that nobody has named before, by who names them.
    pub strange_documents: DefaultKeyedRateLimiter<u16>,
    /// Keys that are read again because a signature names another one: by client.
    pub unknown_keys: DefaultKeyedRateLimiter<u16>,
    /// Signed words of providers that no known key has signed, by provider and address: each may make this server fetch keys.
    pub newer_keys: DefaultKeyedRateLimiter<u16>,
    /// Where evidence is verified.
    pub evidence: Pool,
    /// Digests of client secrets that passed argon2id, so that one is hashed once per process and not once per request.
    /// By whom they belong to.
    pub proven_secrets: BoundedMap<String, [u8; 32]>,
    /// One unproved secret at a time.
    pub proving: Semaphore,
}

impl Default for Limits {
    fn default() -> Self {
        let per_minute = |n: u32| RateLimiter::keyed(Quota::per_minute(NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN)));
        Self {
            wrong_secrets: per_minute(20),
            repeats: per_minute(120),
            judged_refreshes: per_minute(30),
            alarms: per_minute(1),
            pushes: per_minute(6000),
            attests: per_minute(600),
            attests_of_client: per_minute(6000),
            attests_of_instance: per_minute(30),
            refusals: per_minute(30),
            refusals_of_client: per_minute(300),
            devices: per_minute(60),
            devices_of_client: per_minute(6000),
            polls: Polls::default(),
            backchannels_of_client: per_minute(6000),
            approvals: per_minute(120),
            kiosks: per_minute(120),
            documents: per_minute(30),
            strange_documents: per_minute(10),
            unknown_keys: per_minute(1),
            newer_keys: per_minute(600),
            kiosk_lines: RateLimiter::keyed(Quota::per_hour(NonZeroU32::MIN)),
            kiosk_silent: BoundedMap::new(KIOSKS),
            evidence: Pool::new("Too many installations are attested at once; get a new challenge and try again."),
            proven_secrets: BoundedMap::new(PROVEN_SECRETS),
            proving: Semaphore::new(1),
        }
    }
}

/// For what would otherwise be said at every request, such as that the store is away.
#[derive(Default)]
pub struct OncePerSecond(Mutex<Option<Instant>>);

impl OncePerSecond {
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    pub fn is_due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|at| at.elapsed() >= Duration::from_secs(1));
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}

impl Limits {
    /// An address as a key of limits; IPv6 by its /64, so that one line cannot count as millions (607-K).
    pub fn line(address: IpAddr) -> String {
        match address.to_canonical() {
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => format!("{:x?}", &v6.segments()[..4]),
        }
    }

    /// The site of an IPv6 address: a provider gives out whole /48s, and each has 65,536 lines. An IPv4 address is one line alone.
    pub fn site(address: IpAddr) -> Option<String> {
        match address.to_canonical() {
            IpAddr::V4(_) => None,
            IpAddr::V6(v6) => Some(format!("site {:x?}", &v6.segments()[..3])),
        }
    }

    /// Is a line about a kiosk due, one an hour for a bucket? Then how many there were without one.
    pub fn kiosk_line(&self, bucket: u16) -> Option<u32> {
        let silent = self.kiosk_silent.get(&bucket).unwrap_or(0);
        let is_due = self.kiosk_lines.check_key(&bucket).is_ok();
        self.kiosk_silent.insert(bucket, if is_due { 0 } else { silent.saturating_add(1) });
        is_due.then_some(silent)
    }

    /// The bucket of a key. It is hashed, so that hostile keys cannot grow the map. A secret of this process is in it, so that nobody can
    /// choose a key that shares another's bucket.
    pub fn bucket(parts: &[&str]) -> u16 {
        static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        (SECRET.hash_one(parts) >> 48) as u16
    }
}
