//! How PostgreSQL is reached: over TLS unless it is on this machine, and never waiting without end.

use crate::error::Fault;
use crate::pem;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::fmt;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres::{Client, Config, NoTls, Socket};
use tokio_rustls::TlsConnector;

/// For TCP, TLS and the password together.
pub(super) const CONNECTING: Duration = Duration::from_secs(10);
/// What the server itself bounds: a statement, a lock it waits for, and a transaction whose client went silent. Our locks are held for
/// milliseconds (637-Q).
pub(super) const BOUNDS: &str = "SET statement_timeout = '10s'; SET lock_timeout = '3s'; SET idle_in_transaction_session_timeout = '20s'";

/// Where the database is and how it is known to be ours.
pub struct Address {
    pub(super) config: Config,
    /// Absent: without TLS.
    tls: Option<Tls>,
}

/// One place of a database's address.
pub(super) enum SocketTarget<'a> {
    Tcp {
        host: String,
        name: &'a str,
        port: u16,
    },
    #[cfg(unix)]
    Unix(std::path::PathBuf),
}

/// For errors: where it is, and never who asks.
impl fmt::Display for SocketTarget<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port, .. } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port, .. } => write!(f, "{host}:{port}"),
            #[cfg(unix)]
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// `sslmode` and `sslrootcert` of a URL, as libpq has them, and the URL without them.
struct Wanted {
    mode: Option<String>,
    roots: Option<String>,
    rest: String,
}

fn wanted(url: &str) -> Wanted {
    let (head, query) = url.split_once('?').unwrap_or((url, ""));
    let mut wanted = Wanted { mode: None, roots: None, rest: head.to_owned() };
    let mut mark = '?';
    for pair in query.split('&').filter(|it| !it.is_empty()) {
        let value = || url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned());
        match pair.split('=').next().unwrap_or_default() {
            "sslmode" => wanted.mode = value(),
            "sslrootcert" => wanted.roots = value(),
            _ => {
                wanted.rest.push(mark);
                wanted.rest.push_str(pair);
                mark = '&';
            }
        }
    }
    wanted
}

/// On this machine nobody listens in between.
fn is_here(config: &Config) -> bool {
    config.get_hosts().iter().all(|it| match it {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback()),
    })
}

fn read(url: &str) -> Result<(Wanted, Config), Fault> {
    let wanted = wanted(url);
    let config: Config = wanted.rest.parse().map_err(|it| Fault::new(format!("`database`: {it}")))?;
    // Whoever reads the address ends the password at its first @. The rest would be a part of the host, and stand in errors.
    if config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(name) if name.contains('@'))) {
        return Err(Fault::new("`database`: write %40 for an @ in the user or the password"));
    }
    Ok((wanted, config))
}

/// What a reviewer says about the way to this database.
pub fn weakness(url: &str) -> Option<&'static str> {
    let (wanted, config) = read(url).ok()?;
    match wanted.mode.as_deref() {
        _ if is_here(&config) => None,
        Some("disable") => Some("sslmode=disable: everything in the store, and the password, crosses the network in clear"),
        Some("require") if wanted.roots.is_none() => Some("sslmode=require without sslrootcert: encrypted, but to whoever answers"),
        _ => None,
    }
}

impl Address {
    pub fn parse(url: &str) -> Result<Self, Fault> {
        let (wanted, mut config) = read(url)?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(5));
        }
        config.keepalives_idle(Duration::from_secs(30)).tcp_user_timeout(Duration::from_secs(15));
        let here = is_here(&config);
        let tls = match wanted.mode.as_deref() {
            None | Some("prefer" | "allow") if here => None,
            Some("disable") => None,
            None => {
                return Err(Fault::new(
                    "`database` is on another machine: add sslmode=verify-full&sslrootcert=/path/to/ca.pem, or sslmode=disable to say that the network between is yours alone",
                ));
            }
            Some("require") => Some(Tls::new(wanted.roots.as_deref(), false)?),
            Some("verify-ca" | "verify-full") if wanted.roots.is_none() => {
                return Err(Fault::new("`database`: sslmode=verify-full needs sslrootcert=/path/to/ca.pem"));
            }
            Some(mode @ ("verify-ca" | "verify-full")) => Some(Tls::new(wanted.roots.as_deref(), mode == "verify-full")?),
            Some(other) => {
                return Err(Fault::new(format!("`database`: sslmode={other} is not one of disable, require, verify-ca, verify-full")));
            }
        };
        config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        Ok(Self { config, tls })
    }

    /// Every place that is tried, for errors.
    fn places(&self) -> String {
        self.targets().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// The places that are tried, in order.
    pub(super) fn targets(&self) -> Vec<SocketTarget<'_>> {
        let (hosts, addresses, ports) = (self.config.get_hosts(), self.config.get_hostaddrs(), self.config.get_ports());
        let port = |at: usize| ports.get(at).or_else(|| ports.first()).copied().unwrap_or(5432);
        let count = hosts.len().max(addresses.len());
        let target = |at: usize| match (hosts.get(at), addresses.get(at)) {
            #[cfg(unix)]
            (Some(Host::Unix(directory)), _) => Some(SocketTarget::Unix(directory.join(format!(".s.PGSQL.{}", port(at))))),
            (Some(Host::Tcp(name)), None) => Some(SocketTarget::Tcp { host: name.clone(), name, port: port(at) }),
            (Some(Host::Tcp(name)), Some(address)) => Some(SocketTarget::Tcp { host: address.to_string(), name, port: port(at) }),
            (_, Some(address)) => Some(SocketTarget::Tcp { host: address.to_string(), name: "", port: port(at) }),
            _ => None,
        };
        (0..count).filter_map(target).collect()
    }

    /// None: the connection is not encrypted.
    pub(super) fn connector(&self) -> Option<&TlsConnector> {
        self.tls.as_ref().map(|tls| &tls.0)
    }

    pub async fn connect(&self) -> Result<Client, Fault> {
        let named = |why: String| Fault::store_away(format!("cannot connect to PostgreSQL at {}: {why}", self.places()));
        let work = async {
            let client = match &self.tls {
                None => drive(self.config.connect(NoTls).await),
                Some(tls) => drive(self.config.connect(tls.clone()).await),
            };
            let client = client.map_err(|it| named(in_full(&it)))?;
            client.batch_execute(BOUNDS).await.map_err(|it| named(in_full(&it)))?;
            Ok(client)
        };
        tokio::time::timeout(CONNECTING, work).await.map_err(|_| named("no answer in time".to_owned()))?
    }
}

/// With its causes: "error performing TLS handshake" alone helps nobody.
fn in_full(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

type Connected<S> = Result<(Client, tokio_postgres::Connection<Socket, S>), tokio_postgres::Error>;

/// The half that reads and writes runs by itself.
fn drive<S: TlsStream + Unpin + Send + 'static>(connected: Connected<S>) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = connected?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::warn!(%error, "a connection to PostgreSQL ended");
        }
    });
    Ok(client)
}

#[derive(Clone)]
struct Tls(TlsConnector);

impl Tls {
    /// `roots`: the CA's certificates, in PEM; without them any certificate is taken. `names`: it must be the host's.
    fn new(roots: Option<&str>, names: bool) -> Result<Self, Fault> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|it| Fault::new(it.to_string()))?;
        let inner = roots.map(|it| verifier(it, &provider)).transpose()?;
        let verifier = Arc::new(Verifier { inner, names, provider });
        Ok(Self(TlsConnector::from(Arc::new(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()))))
    }
}

fn verifier(path: &str, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, Fault> {
    let named = |why: String| Fault::new(format!("sslrootcert {path}: {why}"));
    let mut roots = RootCertStore::empty();
    for certificate in pem::all::<CertificateDer<'static>>(Path::new(path)).map_err(|it| named(it.to_string()))? {
        roots.add(certificate).map_err(|it| named(it.to_string()))?;
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build().map_err(|it| named(it.to_string()))
}

/// libpq's three ways: any certificate, one of the CA, one of the CA for this host.
#[derive(Debug)]
struct Verifier {
    inner: Option<Arc<WebPkiServerVerifier>>,
    names: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(inner) = &self.inner else { return Ok(ServerCertVerified::assertion()) };
        match inner.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }))
                if !self.names =>
            {
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Encrypted;
    type TlsConnect = Handshake;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<Handshake> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        Ok(Handshake(self.0.clone(), name))
    }
}

struct Handshake(TlsConnector, ServerName<'static>);

impl TlsConnect<Socket> for Handshake {
    type Stream = Encrypted;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted>> + Send>>;

    fn connect(self, stream: Socket) -> Self::Future {
        Box::pin(async move { Ok(Encrypted(Box::new(self.0.connect(self.1, stream).await?))) })
    }
}

struct Encrypted(Box<tokio_rustls::client::TlsStream<Socket>>);

impl TlsStream for Encrypted {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_database_elsewhere_is_reached_over_tls_or_it_is_said_plainly() {
        for here in ["postgres://u@/x?host=/run/postgresql", "postgres://u@localhost/x", "postgres://u@127.0.0.1/x?sslmode=prefer"] {
            assert!(Address::parse(here).unwrap().tls.is_none(), "{here}");
            assert_eq!(weakness(here), None, "{here}");
        }
        let refused = |url: &str| Address::parse(url).err().map(|it| it.to_string()).unwrap_or_default();
        assert!(refused("postgres://u@db.example.com/x").contains("sslmode=verify-full"));
        assert!(refused("postgres://u@localhost,db.example.com/x").contains("on another machine"), "one of them is elsewhere");
        assert!(refused("postgres://u@db.example.com/x?sslmode=prefer").contains("not one of"), "whoever is between would choose");
        assert!(refused("postgres://u@db.example.com/x?sslmode=verify-full").contains("needs sslrootcert"));
        assert!(refused("postgres://u@db.example.com/x?sslmode=verify-full&sslrootcert=/no/such/file").contains("/no/such/file"));
        assert!(Address::parse("postgres://u@db.example.com/x?sslmode=disable&application_name=a").unwrap().tls.is_none());
        assert!(Address::parse("postgres://u@db.example.com/x?sslmode=require").unwrap().tls.is_some());
        let at = refused("postgres://app:p@ssw0rd@db.example.com/x?sslmode=disable");
        assert!(at.contains("%40") && !at.contains("ssw0rd"), "{at}");
        assert!(Address::parse("postgres://app:p%40ssw0rd@db.example.com/x?sslmode=disable").is_ok(), "the twin");
        for (url, places) in [
            ("postgres://user:secret@127.0.0.1:6543/x", "127.0.0.1:6543"),
            ("postgres://user:secret@localhost,[::1]:7/x", "localhost:5432, [::1]:7"),
            ("postgres://user:secret@/x?host=/run/postgresql", "/run/postgresql/.s.PGSQL.5432"),
        ] {
            assert_eq!(Address::parse(url).unwrap().places(), places, "no user and no password");
        }
        assert!(weakness("postgres://u@db.example.com/x?sslmode=disable").unwrap().contains("in clear"));
        assert!(weakness("postgres://u@db.example.com/x?sslmode=require").unwrap().contains("whoever answers"));
    }
}
