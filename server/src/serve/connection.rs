//! One connection. Each of its requests goes to `http::handle`, with the application as it is then. The bytes that a connection keeps here
//! are counted. Its time limits are the same for HTTP/1 and HTTP/2. hyper knows only a part of them, so a watchdog (`watchdog.rs`) looks at
//! every connection once a second.

use super::hosts::Names;
use super::places::{Charge, Place};
use super::watchdog::{Limits, UnderWay, Watch, WatchVerdict, Watched};
use crate::app::Shared;
use crate::web::reply::{self, Reply};
use crate::web::request::{Peer, Transport};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Version, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;

const HEAD_BYTES: u32 = 32 * 1024;
/// What HTTP/2 may send before we have read it, of one connection.
const WINDOW_BYTES: u32 = 256 * 1024;
/// Of a body that nobody wants.
const REST_BYTES: usize = 4 << 20;
const REST_TIME: Duration = Duration::from_secs(5);

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
struct Counted<B: Unread> {
    /// None: given to whoever reads the rest.
    body: Option<B>,
    charge: Arc<Charge>,
    reads_rest: bool,
    /// None: it has come whole.
    arriving: Option<UnderWay>,
}

/// What happens to the rest of a body that nobody wants.
trait Unread: Sized {
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

/// An accepted connection and what it needs.
pub struct Connection {
    pub shared: Shared,
    pub place: Place,
    pub stopped: watch::Receiver<bool>,
}

impl Connection {
    pub async fn serve_tls(self, stream: TcpStream, peer: Peer, names: &Names) {
        let app = self.shared.now();
        match tokio::time::timeout(Limits::default().head, names.accept(&app.config, stream)).await {
            Ok(Ok(stream)) => {
                let session = stream.get_ref().1;
                let shown = session.peer_certificates().filter(|chain| !chain.is_empty());
                let certificates = shown.map(|chain| Arc::new(chain.iter().map(|it| it.clone().into_owned()).collect()));
                let transport = Transport::Tls { server_name: session.server_name().map(str::to_owned) };
                self.serve(stream, Peer { certificates, transport, ..peer }).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake took too long"),
        }
    }

    pub async fn serve<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: I, peer: Peer) {
        let (shared, peer) = (self.shared, Arc::new(peer));
        let answer = move |request| {
            let (app, peer) = (shared.now(), Arc::clone(&peer));
            async move { crate::http::handle(app, request, &peer).await }
        };
        serve_within(stream, Arc::new(self.place), Limits::default(), self.stopped, answer).await;
    }
}

/// Serves a connection to its end, within these limits. `answer` makes the answer of one request.
async fn serve_within<I, F, R>(io: I, place: Arc<Place>, limits: Limits, mut stopped: watch::Receiver<bool>, answer: F)
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
            _ = stopped.changed(), if !watch.is_ending() => true,
            _ = look.tick() => match watch.verdict(&limits.at(&place), &limits) {
                WatchVerdict::Keep => false,
                WatchVerdict::End => true,
                WatchVerdict::Close(why) => {
                    tracing::debug!(why, "a connection was closed");
                    return;
                }
            },
        };
        if ends && !watch.is_ending() {
            watch.note_end();
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

#[cfg(test)]
mod tests;
