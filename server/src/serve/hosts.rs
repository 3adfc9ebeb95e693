//! The certificates of further hosts, chosen by the name in the TLS handshake (RFC 6066 3).

use super::tls::Certificates;
use crate::config::{Config, LinkHost};
use crate::error::Fault;
use crate::links::addressed::without_port;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::server::TlsStream;

/// Read when a host is first asked for, so that a reload may add one.
#[derive(Clone)]
pub struct HostCertificates(Arc<Inner>);

struct Inner {
    base: PathBuf,
    by_host: Mutex<BTreeMap<String, Certificates>>,
}

impl HostCertificates {
    /// Those of every host. A server whose certificate is missing does not start.
    pub fn load(config: &Config, base: &Path) -> Result<Self, Fault> {
        let all = Self(Arc::new(Inner { base: base.to_owned(), by_host: Mutex::default() }));
        for (name, host) in &config.host {
            all.find(name, host).map_err(|fault| fault.during(&format!("[host.{name:?}]")))?;
        }
        Ok(all)
    }

    pub fn read_again(&self) {
        for certificates in self.known().values() {
            certificates.read_again();
        }
    }

    /// `None`: a proxy speaks TLS for the host.
    fn find(&self, name: &str, host: &LinkHost) -> Result<Option<Certificates>, Fault> {
        let Some((certificate, key)) = host.certificate.as_ref().zip(host.key.as_ref()) else { return Ok(None) };
        let (certificate, key) = (self.0.base.join(certificate), self.0.base.join(key));
        let mut known = self.known();
        if let Some(found) = known.get(name).filter(|it| it.are_of(&certificate, &key)) {
            return Ok(Some(found.clone()));
        }
        let read = Certificates::of_files(certificate, key, false)?;
        known.insert(name.to_owned(), read.clone());
        Ok(Some(read))
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Certificates>> {
        self.0.by_host.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The names that a listener has certificates for.
#[derive(Clone)]
pub struct Names {
    pub issuer: Certificates,
    /// `None`: this listener has the issuer's alone.
    pub hosts: Option<HostCertificates>,
}

impl Names {
    /// The handshake, with the certificate of the host that the caller names. Any other name gets the issuer's.
    pub async fn accept(&self, config: &Config, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let begun = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let chosen = match begun.client_hello().server_name() {
            Some(name) => self.of(config, name),
            None => self.issuer.clone(),
        };
        begun.into_stream(Arc::clone(chosen.acceptor().config())).await
    }

    fn of(&self, config: &Config, name: &str) -> Certificates {
        let Some(hosts) = &self.hosts else { return self.issuer.clone() };
        let named = config.host.iter().find(|(host, _)| name.eq_ignore_ascii_case(without_port(host)));
        let Some((name, host)) = named else { return self.issuer.clone() };
        match hosts.find(name, host) {
            Ok(found) => found.unwrap_or_else(|| self.issuer.clone()),
            Err(fault) => {
                tracing::error!(host = name, error = %fault, "the certificate of a further host cannot be used");
                self.issuer.clone()
            }
        }
    }
}
