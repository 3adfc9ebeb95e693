//! The process: listening, TLS, limits on connections, reload on SIGHUP, background work, and a stop that finishes what
//! it acknowledged.

pub mod admin;
mod connection;
pub mod hosts;
mod metrics;
mod places;
pub mod tls;
mod watchdog;
mod workers;

use crate::app::{App, Shared};
use crate::clock::Clock;
use crate::config::Config;
use crate::core::Parts;
use crate::error::Fault;
use crate::seal::KeyRing;
use crate::store::{Store, StoreOptions};
use crate::web::request::{Peer, Transport};
use connection::Connection;
use hosts::Names;
use places::Places;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// How long a stop waits for requests under way.
const DRAIN: Duration = Duration::from_secs(20);
/// How long a stop waits for the store to take the last words of this node.
const FAREWELL: Duration = Duration::from_secs(3);

/// A running server.
pub struct Running {
    pub address: SocketAddr,
    pub shared: Shared,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    certificates: Vec<tls::Certificates>,
    hosts: hosts::HostCertificates,
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
        if tokio::time::timeout(DRAIN, app.unfinished.write()).await.is_err() {
            tracing::warn!("what a provider answers is not waited for any longer");
        }
        if tokio::time::timeout(FAREWELL, crate::nodes::leave(&app)).await.is_err() {
            tracing::warn!("the store did not answer; other nodes count this one for two minutes more");
        }
        app.store.close().await;
    }

    /// Reads certificate and key of every listener again, whether or not the files look changed.
    pub fn read_certificates_again(&self) {
        for certificates in &self.certificates {
            certificates.read_again();
        }
        self.hosts.read_again();
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
    let store = Store::open(&database(&config, base), options(&config)).await?;
    start_on(config, base, clock, store).await
}

/// On a store that is open already.
pub async fn start_on(config: Config, base: &Path, clock: Clock, store: Store) -> Result<Running, Fault> {
    let keyring = KeyRing::new(config.master_key.read()?)?;
    let listen = config.listen.clone();
    let config = Arc::new(config);
    let app = App::build(Parts { config: Arc::clone(&config), base: base.to_owned(), store, keyring, clock }, None).await?;
    let listener = TcpListener::bind(&listen).await.map_err(|it| cannot_listen(&listen, &it))?;
    let address = listener.local_addr().map_err(|it| Fault::new(it.to_string()))?;
    crate::nodes::announce(&app).await?;
    crate::login::waiting::note_rule(&app.store, app.now_ms()).await?;
    let shared = Shared::new(app);
    let (stop, stopped) = watch::channel(false);
    let mut tasks = Vec::new();
    let mut certificates = Vec::new();
    if let Some(tls) = &config.tls {
        certificates.push(tls::Certificates::load(tls, base, false)?);
    }
    if let Some(address) = &config.metrics {
        tasks.push(metrics::listen(address, &shared, stopped.clone()).await?);
        // What is measured before somebody listens is lost.
        shared.now().measure(None);
    }
    if let Some(path) = &config.admin_socket {
        tasks.push(admin::listen(&base.join(path), shared.clone(), stopped.clone())?);
    }
    let hosts = hosts::HostCertificates::load(&config, base)?;
    let first = certificates.first().map(|issuer| Names { issuer: issuer.clone(), hosts: Some(hosts.clone()) });
    if let (Some(tls), Some(listen)) = (&config.tls, config.mtls.as_ref().and_then(|mtls| mtls.listen.as_ref())) {
        let listener = TcpListener::bind(listen).await.map_err(|it| cannot_listen(&format!("{listen} ([mtls])"), &it))?;
        let asking = tls::Certificates::load(tls, base, true)?;
        certificates.push(asking.clone());
        let names = Names { issuer: asking, hosts: None };
        tasks.push(tokio::spawn(accept(listener, shared.clone(), Some(names), stopped.clone())));
    }
    // Last, so that a start that fails leaves no work behind that is cut off.
    tasks.extend(workers::start(&shared, &stopped));
    tasks.push(tokio::spawn(accept(listener, shared.clone(), first, stopped)));
    Ok(Running { address, shared, stop, tasks, certificates, hosts })
}

fn cannot_listen(listen: &str, error: &std::io::Error) -> Fault {
    let hint = match error.kind() {
        std::io::ErrorKind::AddrInUse => ". Is another server running there?",
        std::io::ErrorKind::AddrNotAvailable => ". This machine does not have that address",
        _ => "",
    };
    Fault::new(format!("cannot listen on {listen}: {error}{hint}"))
}

/// Sizes of the store's pools, as configured.
pub fn options(config: &Config) -> StoreOptions {
    StoreOptions { connections: config.database_connections.get() as usize, ..StoreOptions::default() }
}

/// A relative SQLite path begins at the configuration's directory.
pub fn database(config: &Config, base: &Path) -> String {
    match config.database.strip_prefix("sqlite:") {
        Some(path) if Path::new(path).is_relative() => format!("sqlite:{}", base.join(path).display()),
        _ => config.database.clone(),
    }
}

async fn accept(listener: TcpListener, shared: Shared, tls: Option<Names>, mut stopped: watch::Receiver<bool>) {
    let places = Places::new();
    // Every connection holds a sender: when all are gone, so are the connections.
    let (alive, mut all_gone) = mpsc::channel::<()>(1);
    loop {
        let (stream, peer) = tokio::select! {
            _ = stopped.changed() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors: waiting is all that helps.
                    tracing::warn!(%error, "accepting a connection failed");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let Some(place) = places.take(&shared.now().config, peer.ip()) else {
            ::metrics::counter!("symbolon_connections_refused_total").increment(1);
            tracing::warn!(address = %peer.ip(), "too many connections; one was closed");
            continue;
        };
        let _ = stream.set_nodelay(true);
        let connection = Connection { shared: shared.clone(), place, stopped: stopped.clone() };
        let (tls, alive) = (tls.clone(), alive.clone());
        tokio::spawn(async move {
            let peer = Peer { address: peer.ip(), certificates: None, transport: Transport::Plain };
            match tls {
                None => connection.serve(stream, peer).await,
                Some(tls) => connection.serve_tls(stream, peer, &tls).await,
            }
            drop(alive);
        });
    }
    drop(alive);
    if tokio::time::timeout(DRAIN, all_gone.recv()).await.is_err() {
        tracing::warn!("some requests did not finish in time");
    }
}

/// An error of the configuration for the log. `symbolon check` shows it whole, with the names of all keys.
fn in_one_line(error: &str) -> String {
    let lines = error.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('|') && !line.starts_with("Expected "));
    let short = |line: &'_ str| match line.split_once(", expected one of ") {
        Some((what, _)) if what.starts_with("unknown field") => what.to_owned(),
        _ => line.to_owned(),
    };
    lines.map(short).collect::<Vec<_>>().join("; ")
}

/// Makes the application anew from the file as it is now. A bad file changes nothing.
pub async fn reload(shared: &Shared, path: &Path) -> Result<(), Fault> {
    let old = shared.now();
    let config = Config::load(path).map_err(|it| Fault::new(it.to_string()))?;
    let mtls = |settings: &Config| settings.mtls.as_ref().and_then(|it| it.listen.clone());
    let text = |it: Option<String>| it.unwrap_or_default();
    let tls = |settings: &Config| text(settings.tls.as_ref().map(|it| format!("{it:?}")));
    let socket = |settings: &Config| text(settings.admin_socket.as_ref().map(|it| it.display().to_string()));
    let key = |it: &Config| format!("{:?}", it.master_key);
    for (name, before, after) in [
        ("issuer", old.config.issuer.clone(), config.issuer.clone()),
        ("listen", old.config.listen.clone(), config.listen.clone()),
        ("database", old.config.database.clone(), config.database.clone()),
        ("database_connections", old.config.database_connections.to_string(), config.database_connections.to_string()),
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
    hosts::HostCertificates::load(&app.config, &app.base)?;
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
    app.measure(Some(&old));
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
            _ = hangup.recv() => {
                running.read_certificates_again();
                match reload(&running.shared, &path).await {
                    Ok(()) => tracing::info!("configuration reloaded"),
                    Err(fault) => {
                        tracing::error!(error = in_one_line(&fault.to_string()), "the new configuration was refused; the old one stays");
                    }
                }
            }
        }
    }
    tracing::info!("stopping: finishing the requests under way");
    running.stop().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::in_one_line;

    #[test]
    fn a_refused_configuration_is_one_line_without_the_list_of_keys() {
        let near = "s.toml: TOML parse error at line 19, column 1\n   |\n19 | lifetme = ...\n   | ^^^^^^^\nunknown field `lifetme`. Did you mean `lifetime`?\nExpected one of `a`, `b`";
        let found = "s.toml: TOML parse error at line 19, column 1; 19 | lifetme = ...; unknown field `lifetme`. Did you mean `lifetime`?";
        assert_eq!(in_one_line(near), found);
        assert_eq!(in_one_line("line 2\nunknown field `x`, expected one of `a`, `b`"), "line 2; unknown field `x`");
        let variant = "unknown variant `yes`, expected one of `optional`, `required`";
        assert_eq!(in_one_line(variant), variant, "what a value may be is short");
    }
}
