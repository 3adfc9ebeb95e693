//! The process: listening, TLS, limits on connections, reload on SIGHUP, background work, and a stop that finishes what
//! it acknowledged.

pub mod admin;
mod places;
pub mod tls;

use crate::app::{App, Shared};
use crate::clock::Clock;
use crate::config::Config;
use crate::core::Parts;
use crate::error::Fault;
use crate::http;
use crate::seal::KeyRing;
use crate::store::{Store, StoreOptions};
use crate::web::request::Peer;
use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long a stop waits for requests under way.
const DRAIN: Duration = Duration::from_secs(20);
/// For the TLS handshake, for the first request behind it, and for the head of every request.
const HEADER_TIME: Duration = Duration::from_secs(10);

/// A running server.
pub struct Running {
    pub address: SocketAddr,
    pub shared: Shared,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    /// Takes no new connection, finishes the requests under way, closes the store.
    pub async fn stop(mut self) {
        self.stop_in_place().await;
    }

    pub async fn stop_in_place(&mut self) {
        let _ = self.stop.send(true);
        self.shared.now().endings.close();
        for task in self.tasks.drain(..) {
            let _ = task.await;
        }
        let app = self.shared.now();
        crate::nodes::leave(&app).await;
        app.store.close().await;
    }
}

/// The system's clock: the one place that reads it.
#[expect(clippy::disallowed_methods, reason = "time enters the program here and is passed on as a value")]
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// Starts a server on `config.listen`. `base` is where relative paths of the configuration begin.
pub async fn start(config: Config, base: &Path) -> Result<Running, Fault> {
    start_with(config, base, system_clock()).await
}

pub async fn start_with(config: Config, base: &Path, clock: Clock) -> Result<Running, Fault> {
    let store = Store::open(&database(&config, base), StoreOptions::default()).await?;
    start_on(config, base, clock, store).await
}

/// On a store that is open already.
pub async fn start_on(config: Config, base: &Path, clock: Clock, store: Store) -> Result<Running, Fault> {
    let keyring = KeyRing::new(config.master_key.read()?)?;
    let listen = config.listen.clone();
    let config = Arc::new(config);
    let app = App::build(Parts { config: Arc::clone(&config), base: base.to_owned(), store, keyring, clock }, None).await?;
    let listener = TcpListener::bind(&listen)
        .await
        .map_err(|it| Fault::new(format!("cannot listen on {listen}: {it}. Is another server running there?")))?;
    let address = listener.local_addr().map_err(|it| Fault::new(it.to_string()))?;
    crate::nodes::announce(&app).await?;
    let shared = Shared::new(app);
    let (stop, stopped) = watch::channel(false);
    let mut tasks = background(&shared, &stopped);
    let acceptor = match &config.tls {
        Some(it) => Some(tls::Certificates::load(it, base, false)?),
        None => None,
    };
    if let Some(address) = &config.metrics {
        tasks.push(crate::telemetry::serve_metrics(address, stopped.clone()).await?);
    }
    if let Some(path) = &config.admin_socket {
        tasks.push(admin::listen(&base.join(path), shared.clone(), stopped.clone())?);
    }
    if let (Some(tls), Some(listen)) = (&config.tls, config.mtls.as_ref().and_then(|it| it.listen.as_ref())) {
        let listener = TcpListener::bind(listen).await.map_err(|it| Fault::new(format!("cannot listen on {listen} ([mtls]): {it}")))?;
        let asking = tls::Certificates::load(tls, base, true)?;
        tasks.push(tokio::spawn(accept(listener, shared.clone(), Some(asking), stopped.clone())));
    }
    tasks.push(tokio::spawn(accept(listener, shared.clone(), acceptor, stopped)));
    Ok(Running { address, shared, stop, tasks })
}

/// A relative SQLite path begins at the configuration's directory.
pub fn database(config: &Config, base: &Path) -> String {
    match config.database.strip_prefix("sqlite:") {
        Some(path) if Path::new(path).is_relative() => format!("sqlite:{}", base.join(path).display()),
        _ => config.database.clone(),
    }
}

async fn accept(listener: TcpListener, shared: Shared, tls: Option<tls::Certificates>, mut stopped: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    let places = places::Places::new();
    loop {
        let (stream, peer) = tokio::select! {
            _ = stopped.changed() => break,
            accepted = listener.accept() => match accepted {
                Ok(it) => it,
                Err(error) => {
                    // Out of file descriptors: waiting is all that helps.
                    tracing::warn!(%error, "accepting a connection failed");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let Some(place) = places.take(&shared.now().config, peer.ip()) else {
            metrics::counter!("symbolon_connections_refused_total").increment(1);
            tracing::warn!(address = %peer.ip(), "too many connections; one was closed");
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (shared, tls, watcher) = (shared.clone(), tls.clone(), graceful.watcher());
        tokio::spawn(async move {
            match tls {
                None => {
                    let peer = Peer { address: peer.ip(), certificates: None };
                    connection(TokioIo::new(stream), peer, shared, watcher).await;
                }
                Some(it) => secured(stream, peer.ip(), shared, &it, watcher).await,
            }
            drop(place);
        });
    }
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time");
    }
}

async fn secured(stream: TcpStream, peer: IpAddr, shared: Shared, tls: &tls::Certificates, watcher: hyper_util::server::graceful::Watcher) {
    match tokio::time::timeout(HEADER_TIME, tls.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => {
            let shown = stream.get_ref().1.peer_certificates().filter(|it| !it.is_empty());
            let certificates = shown.map(|it| Arc::new(it.iter().map(|it| it.clone().into_owned()).collect()));
            connection(TokioIo::new(stream), Peer { address: peer, certificates }, shared, watcher).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
        Err(_) => tracing::debug!("TLS handshake took too long"),
    }
}

async fn connection<I>(io: I, peer: Peer, shared: Shared, watcher: hyper_util::server::graceful::Watcher)
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let peer = Arc::new(peer);
    let begun = Arc::new(AtomicBool::new(false));
    let spoke = Arc::clone(&begun);
    let service = service_fn(move |request| {
        spoke.store(true, Ordering::Relaxed);
        let (app, peer) = (shared.now(), Arc::clone(&peer));
        async move { Ok::<_, Infallible>(http::handle(app, request, &peer).await.map(Full::<Bytes>::new)) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIME).max_buf_size(32 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(100)
        .max_header_list_size(32 * 1024)
        .max_pending_accept_reset_streams(20)
        .keep_alive_interval(Duration::from_secs(60));
    let serving = builder.serve_connection(io, service).into_owned();
    // Until the version of HTTP is known no limit of hyper's holds: a silent socket would keep its place for ever.
    let silent = async {
        tokio::time::sleep(HEADER_TIME).await;
        if begun.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        ended = watcher.watch(serving) => if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        },
        () = silent => tracing::debug!("no request came in time"),
    }
}

/// Work that runs beside requests: sweeping and keys. Each stops when the server does.
fn background(shared: &Shared, stopped: &watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
    let every = |name: &'static str, period: Duration, shared: Shared, mut stopped: watch::Receiver<bool>| {
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = stopped.changed() => return,
                    () = tokio::time::sleep(period) => {}
                }
                let app = shared.now();
                let work = async {
                    match name {
                        "sweep" => crate::store::retention::sweep(&app.store, app.now_ms()).await.map(|_| ()),
                        "old" => app.sweep_old(app.now_ms()).await.map(|_| ()),
                        "node" => crate::nodes::announce(&app).await,
                        _ => app.refresh_keys().await,
                    }
                };
                let done = tokio::select! {
                    _ = stopped.changed() => return,
                    done = work => done,
                };
                if let Err(fault) = done {
                    tracing::error!(task = name, error = %fault, "background work failed");
                }
            }
        })
    };
    vec![
        tokio::spawn(letters(shared.clone(), stopped.clone())),
        tokio::spawn(status_list(shared.clone(), stopped.clone())),
        every("sweep", Duration::from_secs(60), shared.clone(), stopped.clone()),
        every("old", Duration::from_secs(60), shared.clone(), stopped.clone()),
        every("node", Duration::from_secs(30), shared.clone(), stopped.clone()),
        every("keys", Duration::from_secs(10), shared.clone(), stopped.clone()),
    ]
}

/// Keeps the status list of Android's attestation keys young, from the start on.
async fn status_list(shared: Shared, mut stopped: watch::Receiver<bool>) {
    loop {
        let app = shared.now();
        let next = crate::attesting::status::refresh(&app.callers.attesting.status, &app).await;
        drop(app);
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(next) => {}
        }
    }
}

/// Carries letters out: as soon as one was written here, and every other second for those of other nodes.
async fn letters(shared: Shared, mut stopped: watch::Receiver<bool>) {
    loop {
        let app = shared.now();
        if let Some(mailer) = &app.mailer
            && let Err(fault) = mailer.deliver(&app, &app.pages).await
        {
            tracing::error!(error = %fault, "the outbox could not be read");
        }
        let bell = app.machine.outbox();
        tokio::select! {
            _ = stopped.changed() => return,
            () = bell.notified() => {}
            () = tokio::time::sleep(Duration::from_secs(2)) => {}
        }
    }
}

/// Replaces the picture by one read from the file again. A bad file changes nothing.
pub async fn reload(shared: &Shared, path: &Path) -> Result<(), Fault> {
    let old = shared.now();
    let config = Config::load(path).map_err(|it| Fault::new(it.to_string()))?;
    let mtls = |it: &Config| it.mtls.as_ref().and_then(|it| it.listen.clone());
    let text = |it: Option<String>| it.unwrap_or_default();
    let tls = |it: &Config| text(it.tls.as_ref().map(|it| format!("{it:?}")));
    let socket = |it: &Config| text(it.admin_socket.as_ref().map(|it| it.display().to_string()));
    let key = |it: &Config| format!("{:?}", it.master_key);
    for (name, before, after) in [
        ("issuer", old.config.issuer.clone(), config.issuer.clone()),
        ("listen", old.config.listen.clone(), config.listen.clone()),
        ("database", old.config.database.clone(), config.database.clone()),
        ("[tls]", tls(&old.config), tls(&config)),
        ("[mtls] listen", text(mtls(&old.config)), text(mtls(&config))),
        ("metrics", text(old.config.metrics.clone()), text(config.metrics.clone())),
        ("admin_socket", socket(&old.config), socket(&config)),
        ("master_key", key(&old.config), key(&config)),
    ] {
        if before != after {
            return Err(Fault::new(format!("`{name}` cannot change while the server runs; restart it")));
        }
    }
    let (store, keyring, clock) = (old.store.clone(), old.keyring.clone(), Arc::clone(&old.clock));
    let parts = Parts { config: Arc::new(config), base: base_of(path).to_owned(), store, keyring, clock };
    let app = App::build(parts, Some(&old)).await?;
    // Its first key is published from now on; APIs that keep the key set for long must see it before it signs.
    let before = old.algorithms();
    for alg in app.algorithms().into_iter().filter(|it| !before.contains(it)) {
        if let Some(ready_ms) = app.keys.ready_ms(alg, app.now_ms()) {
            let minutes = (ready_ms - app.now_ms() + 59_999) / 60_000;
            return Err(Fault::new(format!(
                "no {} key was published before; one is from now on. Reload again in {minutes} minutes ([signing] publish_ahead), or restart to sign with it at once",
                alg.as_str()
            )));
        }
    }
    shared.replace(app);
    Ok(())
}

/// The directory of a configuration file.
pub fn base_of(path: &Path) -> &Path {
    path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// `symbolon serve`: runs until SIGTERM or SIGINT; SIGHUP reloads.
pub async fn serve(path: PathBuf) -> Result<(), Fault> {
    use tokio::signal::unix::{SignalKind, signal};
    let config = Config::load(&path).map_err(|it| Fault::new(it.to_string()))?;
    let issuer = config.issuer.clone();
    let io = |it: std::io::Error| Fault::new(it.to_string());
    let (mut hangup, mut terminate) = (signal(SignalKind::hangup()).map_err(io)?, signal(SignalKind::terminate()).map_err(io)?);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(io)?;
    let running = start(config, base_of(&path)).await?;
    tracing::info!(address = %running.address, issuer, "symbolon is serving");
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => match reload(&running.shared, &path).await {
                Ok(()) => tracing::info!("configuration reloaded"),
                Err(fault) => tracing::error!(error = %fault, "the new configuration was refused; the old one stays"),
            },
        }
    }
    tracing::info!("stopping: finishing the requests under way");
    running.stop().await;
    Ok(())
}
