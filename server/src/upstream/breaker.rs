//! A provider that does not answer is left alone for a while. People hear of it at once instead of waiting.

use std::sync::Mutex;

/// Calls that fail one after the other until the provider is left alone.
const FAILURES: u32 = 3;
const REST_MS: i64 = 30_000;

#[derive(Default)]
pub struct Breaker(Mutex<BreakerState>);

#[derive(Default)]
struct BreakerState {
    failures: u32,
    rests_until_ms: i64,
}

impl Breaker {
    /// May the provider be called? After its rest one call tries, and the others wait for what becomes of it.
    pub fn is_closed(&self, now_ms: i64) -> bool {
        let Ok(mut state) = self.0.lock() else { return true };
        if state.failures < FAILURES {
            return true;
        }
        if now_ms < state.rests_until_ms {
            return false;
        }
        state.rests_until_ms = now_ms + REST_MS;
        true
    }

    /// True: the provider is left alone from now on.
    pub fn note(&self, has_answered: bool, now_ms: i64) -> bool {
        let Ok(mut state) = self.0.lock() else { return false };
        if has_answered {
            *state = BreakerState::default();
            return false;
        }
        state.failures = state.failures.saturating_add(1);
        state.rests_until_ms = now_ms + REST_MS;
        state.failures == FAILURES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_give_a_rest_and_one_success_ends_it() {
        let breaker = Breaker::default();
        assert!(!breaker.note(false, 0) && !breaker.note(false, 0) && breaker.is_closed(0));
        assert!(breaker.note(false, 0), "the third one is said");
        assert!(!breaker.is_closed(REST_MS - 1));
        assert!(breaker.is_closed(REST_MS), "one call tries");
        assert!(!breaker.is_closed(REST_MS), "and only one");
        assert!(!breaker.note(false, REST_MS), "it is said once");
        assert!(!breaker.is_closed(REST_MS + 1));
        assert!(!breaker.note(true, 3 * REST_MS) && breaker.is_closed(3 * REST_MS));
    }
}
