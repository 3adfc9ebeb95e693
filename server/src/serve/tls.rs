//! TLS by rustls, with certificates that are read again when their file changes.

use crate::config::Tls;
use crate::error::Fault;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
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
    /// Callers are asked for a certificate.
    asking: bool,
    current: RwLock<(Option<SystemTime>, TlsAcceptor)>,
}

impl Certificates {
    pub fn load(tls: &Tls, base: &Path, asking: bool) -> Result<Self, Fault> {
        let (certificate, key) = (base.join(&tls.certificate), base.join(&tls.key));
        let current = RwLock::new((changed(&certificate), read(&certificate, &key, asking)?));
        Ok(Self(Arc::new(Inner { certificate, key, asking, current })))
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
        let fresh = match read(&self.0.certificate, &self.0.key, self.0.asking) {
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

fn read(certificate: &Path, key: &Path, asking: bool) -> Result<TlsAcceptor, Fault> {
    let named = |path: &Path, why: String| Fault::new(format!("{}: {why}", path.display()));
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|it| named(certificate, format!("no certificate chain in PEM: {it}")))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|it| named(key, format!("no private key in PEM: {it}")))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|it| Fault::new(it.to_string()))?;
    let builder = match asking {
        true => builder.with_client_cert_verifier(Arc::new(AnyCertificate(provider))),
        false => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, private).map_err(|it| named(certificate, it.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Takes any certificate, or none, and lets the caller prove that it has the key. Whose certificate it is, is decided where the
/// client is known (`certificates`): each client may have a CA of its own, and self-signed ones have none.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ClientCertVerifier for AnyCertificate {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        // 197-M: what is too large or too much is not looked at.
        let all = std::iter::once(end_entity).chain(intermediates);
        if intermediates.len() > 8 || all.into_iter().any(|it| it.len() > symbolon_oauth::certificate::MAX_BYTES) {
            return Err(rustls::CertificateError::BadEncoding.into());
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
