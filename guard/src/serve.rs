//! The process: listeners, and who may connect to them. A proxy asks over connections that it keeps, so there are few.

use crate::config::Config;
use crate::envoy::Envoy;
use crate::forward;
use crate::judge::Apis;
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use ipnet::IpNet;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use symbolon_oauth::certificate::parse_net;
use symbolon_resource::Clock;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

const MAX_CONNECTIONS: usize = 2_048;
/// Anybody may read the metrics who reaches them. So they have places of their own.
const MAX_METRICS_CONNECTIONS: usize = 64;
const MAX_STREAMS: u32 = 1_024;
const MAX_HEAD: usize = 64 * 1024;
const HEAD_TIME: Duration = Duration::from_secs(10);
/// A scrape, from its connection to the last byte that was read.
const SCRAPE_TIME: Duration = Duration::from_secs(120);
const LAST_CALLS: Duration = Duration::from_secs(5);

/// What Prometheus reads.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// A guard that answers, and where.
pub struct Running {
    pub forward: Option<SocketAddr>,
    pub grpc: Option<SocketAddr>,
    pub metrics: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Clone, Copy)]
enum Face {
    Forward,
    Grpc,
    Metrics,
}

#[derive(Clone)]
struct Answers {
    apis: Arc<Apis>,
    proxies: Arc<Vec<IpNet>>,
    metrics: Metrics,
    places: Arc<Semaphore>,
    metrics_places: Arc<Semaphore>,
}

/// Begins to listen. `clock` is a value for tests.
pub async fn start(config: &Config, metrics: Metrics, clock: Option<Clock>) -> Result<Running, String> {
    let answers = Answers {
        apis: Arc::new(Apis::new(config, clock)?),
        proxies: Arc::new(config.proxies.iter().filter_map(|it| parse_net(it)).collect()),
        metrics,
        places: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        metrics_places: Arc::new(Semaphore::new(MAX_METRICS_CONNECTIONS)),
    };
    let (stop, _) = watch::channel(false);
    let mut running = Running { forward: None, grpc: None, metrics: None, stop, tasks: Vec::new() };
    for (address, face) in [(config.listen, Face::Forward), (config.grpc, Face::Grpc), (config.metrics, Face::Metrics)] {
        let Some(address) = address else { continue };
        let failed = |it: std::io::Error| format!("cannot listen on {address}: {it}");
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = Some(listener.local_addr().map_err(failed)?);
        match face {
            Face::Forward => running.forward = bound,
            Face::Grpc => running.grpc = bound,
            Face::Metrics => running.metrics = bound,
        }
        running.tasks.push(tokio::spawn(listen(listener, face, answers.clone(), running.stop.subscribe())));
    }
    Ok(running)
}

impl Running {
    /// Takes no more connections, and waits a moment for the last calls.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

async fn listen(listener: TcpListener, face: Face, answers: Answers, mut stopped: watch::Receiver<bool>) {
    let open = GracefulShutdown::new();
    loop {
        let (stream, peer) = tokio::select! {
            _ = stopped.changed() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let is_proxy = answers.proxies.iter().any(|it| it.contains(&peer.ip().to_canonical()));
        if !is_proxy && !matches!(face, Face::Metrics) {
            tracing::warn!(address = %peer.ip(), "this address may not ask the guard: it is not one of the proxies");
            continue;
        }
        let places = if matches!(face, Face::Metrics) { &answers.metrics_places } else { &answers.places };
        let Ok(place) = Arc::clone(places).try_acquire_owned() else {
            tracing::warn!("too many connections");
            continue;
        };
        let connection = connection(stream, face, answers.clone(), &open);
        tokio::spawn(async move {
            connection.await;
            drop(place);
        });
    }
    let _ = tokio::time::timeout(LAST_CALLS, open.shutdown()).await;
}

fn connection(stream: TcpStream, face: Face, answers: Answers, open: &GracefulShutdown) -> impl Future<Output = ()> + Send + use<> {
    let io = TokioIo::new(stream);
    let future: std::pin::Pin<Box<dyn Future<Output = ()> + Send>> = if let Face::Grpc = face {
        let service = service_fn(move |request| {
            let envoy = Envoy(Arc::clone(&answers.apis));
            async move { Ok::<_, Infallible>(envoy.answer(request).await) }
        });
        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).max_concurrent_streams(MAX_STREAMS).max_header_list_size(16 * 1024);
        builder.keep_alive_interval(Duration::from_secs(60)).keep_alive_timeout(Duration::from_secs(20));
        let watched = open.watch(builder.serve_connection(io, service));
        Box::pin(async move { drop(watched.await) })
    } else {
        let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
            let answers = answers.clone();
            async move { Ok::<_, Infallible>(answer(face, &answers, request).await.map(Full::<Bytes>::new)) }
        });
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(MAX_HEAD);
        let watched = open.watch(builder.serve_connection(io, service));
        // Whoever reads nothing holds neither the page nor the place for good.
        let most = if matches!(face, Face::Metrics) { SCRAPE_TIME } else { Duration::MAX };
        Box::pin(async move { drop(tokio::time::timeout(most, watched).await) })
    };
    future
}

/// The body of the request is never read.
async fn answer(face: Face, answers: &Answers, request: http::Request<hyper::body::Incoming>) -> Response<Bytes> {
    let (parts, _) = request.into_parts();
    match (face, parts.uri.path()) {
        (Face::Metrics, "/metrics") => Response::new(Bytes::from((answers.metrics)())),
        (Face::Metrics, "/health") => Response::new(Bytes::from_static(br#"{"status":"ok"}"#)),
        (Face::Metrics, "/observed") => Response::new(Bytes::from(answers.apis.counts().list().to_string())),
        (Face::Metrics, _) => status(StatusCode::NOT_FOUND),
        (_, path) => forward::answer(&answers.apis, path, parts.headers).await,
    }
}

fn status(status: StatusCode) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = status;
    answer
}
