//! How often a client may ask whether a person has answered. RFC 8628 3.5. It is in memory of this process, and best effort. A node that
//! does not remember a poll lets the next one through, and nothing else depends on it.

use crate::bounded::BoundedMap;
use symbolon_oauth::device_authorization::{INTERVAL_S, SLOW_DOWN_S};

/// Requests whose polls are remembered at least.
const REMEMBERED: usize = 65_536;
/// Networks shorten what a client measured: so much earlier is not too early.
const LEEWAY_MS: i64 = 1000;
/// `slow_down` lengthens an interval no further than this.
const LONGEST_S: i64 = 60;

#[derive(Clone, Copy)]
struct Poll {
    at_ms: i64,
    interval_s: i64,
}

pub struct Polls(BoundedMap<[u8; 16], Poll>);

impl Default for Polls {
    fn default() -> Self {
        Self(BoundedMap::new(REMEMBERED))
    }
}

impl Polls {
    /// Is this poll late enough after the one before? The first always is. One that comes too early lengthens the interval.
    pub fn is_in_time(&self, request: &[u8; 16], now_ms: i64) -> bool {
        let before = self.0.get(request);
        let interval_s = before.map_or(INTERVAL_S, |poll| poll.interval_s);
        let is_early = before.is_some_and(|poll| now_ms < poll.at_ms + interval_s * 1000 - LEEWAY_MS);
        let interval_s = if is_early { (interval_s + SLOW_DOWN_S).min(LONGEST_S) } else { interval_s };
        self.0.insert(*request, Poll { at_ms: now_ms, interval_s });
        !is_early
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The interval counts between polls, never from the start of the request. `slow_down` lasts.
    #[test]
    fn a_poll_waits_for_the_interval_behind_the_poll_before() {
        let polls = Polls::default();
        let asked = [(0, true), (1_000, false), (10_500, true), (15_500, false), (29_000, false), (49_000, true)];
        for (at_ms, in_time) in asked {
            assert_eq!(polls.is_in_time(&[1; 16], at_ms), in_time, "at {at_ms} ms");
        }
        assert!(polls.is_in_time(&[2; 16], 49_000), "every request has its own");
        for at_ms in 0..100 {
            polls.is_in_time(&[3; 16], at_ms);
        }
        assert!(polls.is_in_time(&[3; 16], 99 + 60_000), "an interval has an end");
    }
}
