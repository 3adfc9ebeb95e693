//! TLS by rustls, with certificates that are read again when their file changes.

use crate::config::Tls;
use crate::error::Fault;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::SystemTime;
use tokio_rustls::TlsAcceptor;

/// Certificate and key of the listener. A renewed file is picked up at the next handshake; a broken one is not.
#[derive(Clone)]
pub struct Certificates(Arc<Inner>);

struct Inner {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<(Option<SystemTime>, TlsAcceptor)>,
}

impl Certificates {
    pub fn load(tls: &Tls, base: &Path) -> Result<Self, Fault> {
        let (certificate, key) = (base.join(&tls.certificate), base.join(&tls.key));
        let current = RwLock::new((changed(&certificate), read(&certificate, &key)?));
        Ok(Self(Arc::new(Inner { certificate, key, current })))
    }

    pub fn acceptor(&self) -> TlsAcceptor {
        let now = changed(&self.0.certificate);
        let (at, acceptor) = match self.0.current.read() {
            Ok(it) => it.clone(),
            Err(it) => it.into_inner().clone(),
        };
        if at == now {
            return acceptor;
        }
        let fresh = match read(&self.0.certificate, &self.0.key) {
            Ok(it) => it,
            Err(fault) => {
                tracing::error!(error = %fault, "the changed certificate cannot be used; the old one stays");
                acceptor
            }
        };
        if let Ok(mut slot) = self.0.current.write() {
            *slot = (now, fresh.clone());
        }
        fresh
    }
}

fn changed(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|it| it.modified()).ok()
}

fn read(certificate: &Path, key: &Path) -> Result<TlsAcceptor, Fault> {
    let named = |path: &Path, why: String| Fault::new(format!("{}: {why}", path.display()));
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|it| named(certificate, format!("no certificate chain in PEM: {it}")))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|it| named(key, format!("no private key in PEM: {it}")))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|it| Fault::new(it.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|it| named(certificate, it.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
