//! One connection. It says how long one may be idle, and how long a request and its answer may take. It counts the bytes that one keeps
//! here. The limits are the same for HTTP/1 and HTTP/2. hyper knows only a part of them, so a watchdog looks at every connection once a
//! second.

use super::places::{Charge, Place};
use crate::web::reply::{self, Reply};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Version, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::Instant;

const HEAD_BYTES: u32 = 32 * 1024;
/// What HTTP/2 may send before we have read it, of one connection.
const WINDOW_BYTES: u32 = 256 * 1024;
/// Of a body that nobody wants.
const REST_BYTES: usize = 4 << 20;
const REST_TIME: Duration = Duration::from_secs(5);

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
    fn at(&self, place: &Place) -> Self {
        let short = |usual| place.time_limit(usual);
        Self { head: short(self.head), idle: short(self.idle), request: short(self.request), write: short(self.write), ..*self }
    }
}

/// What the watchdog knows of a connection.
#[derive(Clone)]
struct Watch(Arc<Mutex<ConnectionState>>);

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
enum WatchVerdict {
    Keep,
    /// What is under way is finished first.
    End,
    Close(&'static str),
}

impl Watch {
    fn new() -> Self {
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

    fn begin_request(&self, version: Version) -> UnderWay {
        let mut state = self.state();
        state.version = Some(version);
        state.requests += 1;
        state.arriving_since = None;
        drop(state);
        UnderWay { watch: self.clone(), what: Work::Request }
    }

    fn begin_body(&self) -> UnderWay {
        let mut state = self.state();
        let body = state.number();
        state.bodies.insert(body, Instant::now());
        drop(state);
        UnderWay { watch: self.clone(), what: Work::Body(body) }
    }

    fn begin_answer(&self) -> UnderWay {
        let mut state = self.state();
        let answer = state.number();
        state.answers.insert(answer, Instant::now());
        drop(state);
        UnderWay { watch: self.clone(), what: Work::Answer(answer) }
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

    /// `limits`: as they are in this moment, by the places that are left. `usual`: what is under way ends by these.
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
struct UnderWay {
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
    fn goes_on(&self) {
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

/// The bytes of an answer. They count until hyper lets go of them, which is when they were written or the stream has ended.
struct Outgoing {
    bytes: Bytes,
    _under_way: UnderWay,
    _charge: Charge,
}

impl AsRef<[u8]> for Outgoing {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The body of a request. What came of it counts until the request is answered.
pub struct Counted<B: Unread> {
    /// None: given to whoever reads the rest.
    body: Option<B>,
    charge: Arc<Charge>,
    reads_rest: bool,
    /// None: it has come whole.
    arriving: Option<UnderWay>,
}

/// What happens to the rest of a body that nobody wants.
pub trait Unread: Sized {
    fn read_rest(self) {}
}

/// HTTP/1 has no way to say "stop sending". A caller who is still sending when the connection closes loses the answer. So the rest is read
/// and thrown away, up to a number of bytes and seconds.
impl Unread for Incoming {
    fn read_rest(mut self) {
        let reading = async move {
            let mut left = REST_BYTES;
            while let Some(Ok(frame)) = self.frame().await {
                left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
                if left == 0 {
                    return;
                }
            }
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout(REST_TIME, reading));
        }
    }
}

impl<B: Unread> Drop for Counted<B> {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|_| self.reads_rest) {
            body.read_rest();
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin + Unread> Body for Counted<B>
where
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(body) = self.body.as_mut() else { return Poll::Ready(None) };
        let Some(frame) = ready!(Pin::new(body).poll_frame(context)) else {
            (self.body, self.arriving) = (None, None);
            return Poll::Ready(None);
        };
        let frame = frame.map_err(Into::into)?;
        if let Some(arriving) = &self.arriving {
            arriving.goes_on();
        }
        let length = frame.data_ref().map_or(0, Bytes::len);
        if !self.charge.add(length) {
            return Poll::Ready(Some(Err("too many bytes are held for this address".into())));
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

/// Serves a connection to its end. `answer` makes the answer of one request.
pub async fn serve<I, F, R>(io: I, place: Arc<Place>, limits: Limits, mut stopped: watch::Receiver<bool>, answer: F)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<Counted<Incoming>>) -> R + Send + Sync + 'static,
    R: Future<Output = Reply> + Send + 'static,
{
    let watch = Watch::new();
    let service = {
        let (watch, place, answer) = (watch.clone(), Arc::clone(&place), Arc::new(answer));
        service_fn(move |request: Request<Incoming>| {
            let under_way = watch.begin_request(request.version());
            let (watch, place, answer) = (watch.clone(), Arc::clone(&place), Arc::clone(&answer));
            async move {
                let arriving = (!request.body().is_end_stream()).then(|| watch.begin_body());
                let reply = answer_within(limits.request, (request, arriving), &place, &*answer).await;
                let reply = count(reply, &watch, &place);
                drop(under_way);
                Ok::<_, Infallible>(reply.map(Full::new))
            }
        })
    };
    let builder = builder();
    let connection = builder.serve_connection(TokioIo::new(Watched { io, watch: watch.clone() }), service);
    tokio::pin!(connection);
    let mut look = tokio::time::interval(limits.look);
    loop {
        let ends = tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                }
                return;
            }
            _ = stopped.changed(), if watch.state().ending_since.is_none() => true,
            _ = look.tick() => match watch.state().verdict(Instant::now(), &limits.at(&place), &limits) {
                WatchVerdict::Keep => false,
                WatchVerdict::End => true,
                WatchVerdict::Close(why) => {
                    tracing::debug!(why, "a connection was closed");
                    return;
                }
            },
        };
        if ends && watch.state().ending_since.is_none() {
            watch.state().ending_since = Some(Instant::now());
            connection.as_mut().graceful_shutdown();
        }
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Its time for a head would begin with the idle time before it; the watchdog's does not.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(HEAD_BYTES as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(100)
        .max_header_list_size(HEAD_BYTES)
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_send_buf_size(64 * 1024)
        .max_pending_accept_reset_streams(20)
        .keep_alive_interval(Duration::from_secs(60));
    builder
}

/// Answers within the limit, or says 503.
async fn answer_within<F, R>(
    limit: Duration,
    (request, arriving): (Request<Incoming>, Option<UnderWay>),
    place: &Arc<Place>,
    answer: &F,
) -> Reply
where
    F: Fn(Request<Counted<Incoming>>) -> R,
    R: Future<Output = Reply>,
{
    let Some(charge) = place.charge(head_bytes(request.uri(), request.headers())) else { return unavailable() };
    let charge = Arc::new(charge);
    let in_body = Arc::clone(&charge);
    // A client that waits for "100 Continue" sends its body only once it is read. So no rest of it has to be read.
    let waits = request.headers().contains_key(header::EXPECT);
    let reads_rest = request.version() <= Version::HTTP_11 && !waits && arriving.is_some();
    let request = request.map(|body| Counted { body: Some(body), charge: in_body, reads_rest, arriving });
    let reply = tokio::time::timeout(limit, answer(request)).await;
    drop(charge);
    reply.unwrap_or_else(|_| unavailable())
}

fn head_bytes(uri: &http::Uri, headers: &HeaderMap) -> usize {
    let fields: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    uri.path_and_query().map_or(0, |it| it.as_str().len()) + fields
}

/// An answer whose bytes are counted. Where there is no room for it, a short one takes its place.
fn count(reply: Reply, watch: &Watch, place: &Arc<Place>) -> Reply {
    if reply.body().is_empty() {
        return reply;
    }
    let Some(charge) = place.charge(reply.body().len()) else { return unavailable() };
    let under_way = watch.begin_answer();
    reply.map(|bytes| Bytes::from_owner(Outgoing { bytes, _under_way: under_way, _charge: charge }))
}

fn unavailable() -> Reply {
    let mut reply = reply::empty(503);
    reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    reply
}

/// Tells the watchdog what comes and what does not leave.
struct Watched<I> {
    io: I,
    watch: Watch,
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

#[cfg(test)]
mod tests;
