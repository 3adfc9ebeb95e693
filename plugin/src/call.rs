//! One call: its turn, its instance, its deadline, and why it failed.

use crate::engine::TICK;
use crate::failure::{Failure, Reason};
use crate::guest::{Guest, end_of, shortened};
use crate::limits::Limits;
use crate::load::{Exports, Inner, Plugin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::{Store, Trap, UpdateDeadline};

/// Bytes of a reason, and of what the program printed beside it.
const WHY: usize = 160;
const PRINTED_BESIDE: usize = 400;

/// What a call is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// A repeated call has the same.
    pub id: String,
    pub now_ms: u64,
}

/// What was called so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub calls: u64,
    pub failures: u64,
    /// Of all calls together.
    pub time: Duration,
}

/// What `Counts` is read from. A plug-in that takes the place of another one goes on with its counters.
#[derive(Default)]
pub(crate) struct Counters {
    calls: AtomicU64,
    failures: AtomicU64,
    micros: AtomicU64,
}

/// Who may run, and who waits. A plug-in has its own turns: one that is flooded keeps no other waiting.
pub(crate) struct Turns {
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
    pub counters: Arc<Counters>,
}

impl Turns {
    pub fn new(limits: &Limits, counters: Arc<Counters>) -> Self {
        Self { free: Arc::new(Semaphore::new(limits.instances)), waiting: AtomicUsize::new(0), most_waiting: limits.waiting, counters }
    }

    /// The next turn, in the order in which they were asked for.
    async fn next(&self, within: Duration) -> Result<OwnedSemaphorePermit, Failure> {
        if let Ok(turn) = Arc::clone(&self.free).try_acquire_owned() {
            return Ok(turn);
        }
        let _place = Place::take(self)?;
        let turn = tokio::time::timeout(within, Arc::clone(&self.free).acquire_owned()).await;
        match turn {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(closed)) => Err(Failure::new(Reason::Fault, closed.to_string())),
            Err(_) => Err(Failure::new(Reason::Busy, "no turn came within the time of a call")),
        }
    }

    fn count(&self, began: Instant, failed: bool) {
        let counters = &self.counters;
        counters.calls.fetch_add(1, Ordering::Relaxed);
        counters.failures.fetch_add(u64::from(failed), Ordering::Relaxed);
        counters.micros.fetch_add(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// A place in the queue, given back also where the caller goes away.
struct Place<'a>(&'a Turns);

impl<'a> Place<'a> {
    fn take(turns: &'a Turns) -> Result<Self, Failure> {
        let place = Self(turns);
        if turns.waiting.fetch_add(1, Ordering::Relaxed) >= turns.most_waiting {
            return Err(Failure::new(Reason::Busy, format!("{} calls wait already", turns.most_waiting)));
        }
        Ok(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Plugin {
    pub fn counts(&self) -> Counts {
        let counters = &self.0.turns.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts { calls: read(&counters.calls), failures: read(&counters.failures), time: Duration::from_micros(read(&counters.micros)) }
    }

    /// Waits for a turn, then works on a thread that may block. Work goes on to its end where the caller goes away. `judge` says whether
    /// its answer can be meant. Every failure names the call.
    pub(crate) async fn run<T, A, W>(&self, call: Call, work: W, judge: fn(T) -> Result<A, Failure>) -> Result<A, Failure>
    where
        T: Send + 'static,
        W: FnOnce(&mut Store<Guest>, &Exports) -> wasmtime::Result<T> + Send + 'static,
    {
        let (began, call_id) = (Instant::now(), call.id.clone());
        let limits = &self.0.limits;
        let result = match self.0.turns.next(limits.time).await {
            Ok(turn) => {
                let (inner, deadline) = (Arc::clone(&self.0), began + limits.time);
                let working = tokio::task::spawn_blocking(move || {
                    let _turn = turn;
                    inner.perform(call, deadline, work)
                });
                working.await.unwrap_or_else(|_| Err(Failure::new(Reason::Fault, "the call panicked in the server")))
            }
            Err(failure) => Err(failure),
        };
        let result = result.and_then(judge);
        self.0.turns.count(began, result.is_err());
        result.map_err(|failure| Failure { call_id, ..failure })
    }
}

impl Inner {
    /// Blocks. The instance is made for this call and gone with it.
    pub(crate) fn perform<T>(
        &self,
        call: Call,
        deadline: Instant,
        work: impl FnOnce(&mut Store<Guest>, &Exports) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        let runtime = &self.compiled.runtime;
        let _clock = runtime.running();
        let guest = Guest::new(Arc::clone(&self.host), call, self.limits, deadline);
        let mut store = Store::new(runtime.engine(), guest);
        store.limiter(|guest| guest);
        store.set_hostcall_fuel(self.limits.output);
        store.epoch_deadline_callback(|mut running| {
            if running.data().time_left().is_zero() {
                return running.data_mut().stop(Reason::Time, "its time was over");
            }
            Ok(UpdateDeadline::Continue(1))
        });
        store.set_epoch_deadline(1);
        let result = work(&mut store, &self.compiled.exports);
        let late = deadline + 4 * TICK < Instant::now();
        match result {
            Ok(_) if late => Err(Failure::new(Reason::Time, "its answer came too late")),
            Ok(answer) => Ok(answer),
            Err(error) => Err(failure(store.data(), &error)),
        }
    }
}

/// What the host saw counts before what the engine says.
fn failure(guest: &Guest, error: &wasmtime::Error) -> Failure {
    let trap = error.downcast_ref::<Trap>();
    let cause = trap.map_or_else(|| error.root_cause().to_string(), ToString::to_string);
    let (reason, why) = match (&guest.trouble, trap) {
        (Some((reason, why)), _) => (*reason, why.clone()),
        (None, Some(Trap::Interrupt)) => (Reason::Time, cause),
        (None, Some(_)) => (Reason::Trap, cause),
        (None, None) if cause.contains("fuel") => (Reason::Limit, "it handed over more bytes than a call may".to_owned()),
        (None, None) => (Reason::Answer, cause),
    };
    let (why, printed) = (shortened(&why, WHY), guest.printed());
    // The last lines say what went wrong: a traceback ends with its message.
    let said = if printed.is_empty() { why } else { format!("{why}; it printed: {}", end_of(&printed, PRINTED_BESIDE)) };
    Failure { printed, ..Failure::new(reason, said) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::method::symbolon::plugin::host::Severity;
    use crate::host::{Host, HttpRequest, HttpResponse, SendError};

    struct Nobody;

    impl Host for Nobody {
        fn log(&self, _call_id: &str, _severity: Severity, _message: &str) {}

        fn random(&self, _bytes: &mut [u8]) -> Result<(), String> {
            Ok(())
        }

        fn config(&self, _name: &str) -> Option<String> {
            None
        }

        fn send(&self, _request: HttpRequest, _within: Duration) -> Result<HttpResponse, SendError> {
            Err(SendError::Refused(String::new()))
        }
    }

    /// P-16: a traceback has its message last.
    #[test]
    fn of_what_was_printed_the_end_is_kept() {
        let call = Call { id: "c1".to_owned(), now_ms: 0 };
        let mut guest = Guest::new(Arc::new(Nobody), call, Limits::default(), Instant::now());
        let said = |guest: &Guest| failure(guest, &wasmtime::Error::msg("it ended"));
        assert_eq!((said(&guest).detail.as_str(), said(&guest).printed.as_str()), ("it ended", ""), "the twin");
        for line in 0..2000 {
            guest.print(format!("  File \"app.py\", line {line}\n").as_bytes());
        }
        guest.print(b"ValueError: the last word\n");
        let failed = said(&guest);
        assert!(failed.detail.starts_with("it ended; it printed: ") && failed.detail.ends_with("ValueError: the last word"), "{failed}");
        assert!(failed.detail.len() <= WHY + PRINTED_BESIDE + 20, "{}", failed.detail.len());
        assert!((3500..=5000).contains(&failed.printed.len()) && failed.printed.ends_with("the last word"), "{}", failed.printed.len());
    }
}
