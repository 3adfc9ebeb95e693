//! TLS by rustls, with certificates that are read again when their files change.

use crate::config::Tls;
use crate::error::Fault;
use crate::pem;
use crate::watched::Watched;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use rustls_pki_types::pem::Error as PemError;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// Certificate and key of a listener. Changed files are taken up at the next handshake, in whatever order they were written. While they
/// do not fit each other, the old ones stay.
#[derive(Clone)]
pub struct Certificates(Arc<Inner>);

struct Inner {
    /// Callers are asked for a certificate.
    asking: bool,
    /// Certificate and key, in this order.
    watched: Watched<TlsAcceptor>,
}

impl Certificates {
    pub fn load(tls: &Tls, base: &Path, asking: bool) -> Result<Self, Fault> {
        Self::of_files(base.join(&tls.certificate), base.join(&tls.key), asking)
    }

    pub fn of_files(certificate: PathBuf, key: PathBuf, asking: bool) -> Result<Self, Fault> {
        let watched = Watched::new(vec![certificate, key], |files| read(files, asking))?;
        Ok(Self(Arc::new(Inner { asking, watched })))
    }

    pub fn acceptor(&self) -> TlsAcceptor {
        self.0.watched.now(|| self.read())
    }

    /// Reads the files whether or not they look changed.
    pub fn read_again(&self) {
        self.0.watched.read_again(|| self.read());
    }

    fn read(&self) -> Result<TlsAcceptor, Fault> {
        read(self.0.watched.files(), self.0.asking)
    }

    pub fn are_of(&self, certificate: &Path, key: &Path) -> bool {
        self.0.watched.files() == [certificate, key]
    }
}

/// A file that cannot be read says nothing about what is in it.
fn unread(name: &str, path: &Path, (wanted, error): (&str, &PemError)) -> Fault {
    match error {
        PemError::Io(error) => Fault::new(format!("{name} {}: cannot read it: {error}", path.display())),
        error => Fault::new(format!("{name} {}: no {wanted} in PEM: {error}", path.display())),
    }
}

fn read(files: &[PathBuf], asking: bool) -> Result<TlsAcceptor, Fault> {
    let [certificate, key] = files else { return Err(Fault::new("a listener has a certificate and a key")) };
    let named = |path: &Path, why: String| Fault::new(format!("{}: {why}", path.display()));
    let chain: Vec<CertificateDer<'static>> =
        pem::all(certificate).map_err(|it| unread("certificate", certificate, ("certificate chain", &it)))?;
    let private: PrivateKeyDer<'static> = pem::first(key).map_err(|it| unread("key", key, ("private key", &it)))?;
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

/// Takes any certificate, or none, and lets the caller prove that it has the key. `certificates` decides whose certificate it is, where the
/// client is known. Each client may have a CA of its own, and self-signed ones have none.
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
