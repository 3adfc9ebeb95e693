//! The metrics port: /metrics for Prometheus, and /health/details for operators.

use crate::app::Shared;
use crate::error::Fault;
use crate::web::reply;
use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::PrometheusHandle;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// Health with what strangers are not told.
const DETAILS: &str = "/health/details";
const MAX_CONNECTIONS: usize = 64;
/// A scrape, from its connection to the last byte that was read. Whoever reads nothing holds neither the page nor a connection for good.
const SCRAPE_TIME: Duration = Duration::from_secs(120);

/// Answers GET on a port of its own. What it tells is never on the port that the world reaches.
pub async fn listen(address: &str, shared: &Shared, mut stopped: watch::Receiver<bool>) -> Result<JoinHandle<()>, Fault> {
    let handle = crate::telemetry::metrics_of_process()?;
    let listener = TcpListener::bind(address).await.map_err(|it| Fault::new(format!("metrics: cannot listen on {address}: {it}")))?;
    let shared = shared.clone();
    Ok(tokio::spawn(async move {
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut upkeep = tokio::time::interval(Duration::from_secs(5));
        loop {
            let stream = tokio::select! {
                _ = stopped.changed() => return,
                _ = upkeep.tick() => {
                    handle.run_upkeep();
                    continue;
                }
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(_) => {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    }
                },
            };
            // One more than there is room for is closed at once.
            let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else { continue };
            let shared = shared.clone();
            tokio::spawn(async move {
                let _permit = permit;
                let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                    let shared = shared.clone();
                    async move { Ok::<_, Infallible>(answer(handle, &shared, &request).await.map(Full::<Bytes>::new)) }
                });
                let mut builder = hyper::server::conn::http1::Builder::new();
                builder.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(10));
                let _ = tokio::time::timeout(SCRAPE_TIME, builder.serve_connection(TokioIo::new(stream), service)).await;
            });
        }
    }))
}

async fn answer<B>(handle: &PrometheusHandle, shared: &Shared, request: &http::Request<B>) -> reply::Reply {
    match request.uri().path() {
        "/metrics" | DETAILS if request.method() != http::Method::GET => reply::empty(405),
        "/metrics" => reply::body(200, "text/plain; version=0.0.4", handle.render()),
        DETAILS => {
            let app = shared.now();
            let mut health = crate::nodes::health(&app).await;
            health.details["expires_soon"] = app.machine.wallets().expires_soon(app.now_ms() / 1000).into();
            reply::json(health.status, &health.details)
        }
        _ => reply::empty(404),
    }
}
