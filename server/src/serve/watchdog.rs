//! The watchdog of a connection: how long one may be idle, and how long a request and its answer may take; what it knows of the connection,
//! and when that has to end.

use super::places::Place;
use http::Version;
use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// Time limits of a connection.
#[derive(Clone, Copy)]
pub struct Limits {
    /// For the first request, and for the head of every later one of HTTP/1.
    pub head: Duration,
    /// Without a request or an answer under way. It is longer than the 60 s of common balancers: whoever sends requests closes first.
    pub idle: Duration,
    /// From the head of a request to its answer.
    pub request: Duration,
    /// From an answer until the caller has taken all of it, and for every single write.
    pub write: Duration,
    /// After this the connection takes no more requests. What is under way has `request` and `write` to end.
    pub total: Duration,
    /// How often the watchdog looks.
    pub look: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { head: seconds(10), idle: seconds(75), request: seconds(60), write: seconds(30), total: seconds(3600), look: seconds(1) }
    }
}

impl Limits {
    /// The same where places are few. A request has less time to come whole, and an answer to be taken; the server has its usual time.
    pub fn at(&self, place: &Place) -> Self {
        let short = |usual| place.time_limit(usual);
        Self { head: short(self.head), idle: short(self.idle), request: short(self.request), write: short(self.write), ..*self }
    }
}

/// What the watchdog knows of a connection.
#[derive(Clone)]
pub struct Watch(Arc<Mutex<ConnectionState>>);

struct ConnectionState {
    opened: Instant,
    version: Option<Version>,
    requests: usize,
    /// Bodies of requests that have not come whole, and when the last piece came.
    bodies: BTreeMap<u64, Instant>,
    /// Answers that are not wholly written, and since when.
    answers: BTreeMap<u64, Instant>,
    next: u64,
    /// When the last request or answer ended.
    idle_since: Instant,
    /// When the first byte behind the last request came.
    arriving_since: Option<Instant>,
    /// Since when the socket takes nothing.
    blocked_since: Option<Instant>,
    /// Since when the connection is asked to end.
    ending_since: Option<Instant>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum WatchVerdict {
    Keep,
    /// What is under way is finished first.
    End,
    Close(&'static str),
}

impl Watch {
    pub fn new() -> Self {
        let now = Instant::now();
        Self(Arc::new(Mutex::new(ConnectionState {
            opened: now,
            version: None,
            requests: 0,
            bodies: BTreeMap::new(),
            answers: BTreeMap::new(),
            next: 0,
            idle_since: now,
            arriving_since: None,
            blocked_since: None,
            ending_since: None,
        })))
    }

    fn state(&self) -> MutexGuard<'_, ConnectionState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn begin_request(&self, version: Version) -> UnderWay {
        let mut state = self.state();
        state.version = Some(version);
        state.requests += 1;
        state.arriving_since = None;
        drop(state);
        UnderWay { watch: self.clone(), what: Work::Request }
    }

    pub fn begin_body(&self) -> UnderWay {
        let mut state = self.state();
        let body = state.number();
        state.bodies.insert(body, Instant::now());
        drop(state);
        UnderWay { watch: self.clone(), what: Work::Body(body) }
    }

    pub fn begin_answer(&self) -> UnderWay {
        let mut state = self.state();
        let answer = state.number();
        state.answers.insert(answer, Instant::now());
        drop(state);
        UnderWay { watch: self.clone(), what: Work::Answer(answer) }
    }

    /// Was the connection asked to end?
    pub fn is_ending(&self) -> bool {
        self.state().ending_since.is_some()
    }

    /// The connection is asked to end.
    pub fn note_end(&self) {
        self.state().ending_since = Some(Instant::now());
    }

    /// `limits`: as they are in this moment, by the places that are left. `usual`: what is under way ends by these.
    pub fn verdict(&self, limits: &Limits, usual: &Limits) -> WatchVerdict {
        self.state().verdict(Instant::now(), limits, usual)
    }
}

impl ConnectionState {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn is_busy(&self) -> bool {
        self.requests > 0 || !self.answers.is_empty()
    }

    fn verdict(&self, now: Instant, limits: &Limits, usual: &Limits) -> WatchVerdict {
        let is_over = |since: Option<Instant>, limit: Duration| since.is_some_and(|it| now.duration_since(it) >= limit);
        let oldest = |all: &BTreeMap<u64, Instant>| all.values().min().copied();
        if is_over(self.blocked_since, limits.write) || is_over(oldest(&self.answers), limits.write) {
            return WatchVerdict::Close("an answer was not taken in time");
        }
        if is_over(oldest(&self.bodies), limits.request) {
            return WatchVerdict::Close("the body of a request did not come in time");
        }
        if is_over(self.ending_since, usual.request + usual.write) {
            return WatchVerdict::Close("the connection was asked to end, and did not");
        }
        if self.is_busy() {
            return if is_over(Some(self.opened), limits.total) { WatchVerdict::End } else { WatchVerdict::Keep };
        }
        if self.version.is_none() && is_over(Some(self.opened), limits.head) {
            return WatchVerdict::Close("no request came in time");
        }
        if self.version.is_some_and(|it| it <= Version::HTTP_11) && is_over(self.arriving_since, limits.head) {
            return WatchVerdict::Close("the head of a request did not come in time");
        }
        if is_over(self.ending_since, limits.head) {
            return WatchVerdict::Close("the caller did not end the connection");
        }
        let is_idle = self.version.is_some() && is_over(Some(self.idle_since), limits.idle);
        if is_idle || is_over(Some(self.opened), limits.total) { WatchVerdict::End } else { WatchVerdict::Keep }
    }
}

/// A part of the work of a connection. It ends when this is dropped.
pub struct UnderWay {
    watch: Watch,
    what: Work,
}

enum Work {
    Request,
    /// The body of a request that comes.
    Body(u64),
    /// An answer that is not wholly written.
    Answer(u64),
}

impl UnderWay {
    /// A piece has come: whoever sends slowly has not stopped. Whoever reads the body has a limit for all of it.
    pub fn goes_on(&self) {
        if let Work::Body(body) = self.what {
            self.watch.state().bodies.insert(body, Instant::now());
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.watch.state();
        match self.what {
            Work::Request => state.requests = state.requests.saturating_sub(1),
            Work::Body(body) => {
                state.bodies.remove(&body);
            }
            Work::Answer(answer) => {
                state.answers.remove(&answer);
            }
        }
        if !state.is_busy() {
            state.idle_since = Instant::now();
        }
    }
}

/// Tells the watchdog what comes and what does not leave.
pub struct Watched<I> {
    pub io: I,
    pub watch: Watch,
}

impl<I> Watched<I> {
    fn note_write(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let mut state = self.watch.state();
        state.blocked_since = match written {
            Poll::Pending => state.blocked_since.or_else(|| Some(Instant::now())),
            Poll::Ready(_) => None,
        };
        written
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Watched<I> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        if buffer.filled().len() > before {
            let mut state = self.watch.state();
            if state.requests == 0 && state.arriving_since.is_none() {
                state.arriving_since = Some(Instant::now());
            }
        }
        read
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Watched<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.note_write(written)
    }
    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, pieces);
        self.note_write(written)
    }
    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
