//! TLS by rustls, with certificates that are read again when their files change.

use crate::config::Tls;
use crate::error::Fault;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio_rustls::TlsAcceptor;

/// How soon files that could not be used are read again, although they look the same.
const RETRY: Duration = Duration::from_secs(1);

/// Certificate and key of a listener. Changed files are taken up at the next handshake, in whatever order they were written. While they
/// do not fit each other, the old ones stay.
#[derive(Clone)]
pub struct Certificates(Arc<Inner>);

struct Inner {
    certificate: PathBuf,
    key: PathBuf,
    /// Callers are asked for a certificate.
    asking: bool,
    current: Mutex<Current>,
}

struct Current {
    files: Files,
    acceptor: TlsAcceptor,
    /// Files that could not be used, and when that was found.
    failed: Option<(Files, Instant)>,
}

/// By what a changed file is known. A symbolic link leads elsewhere, another file is in its place, or its time is later.
type Stamp = Option<(SystemTime, u64, u64, u64)>;
/// Certificate and key.
type Files = (Stamp, Stamp);

impl Certificates {
    pub fn load(tls: &Tls, base: &Path, asking: bool) -> Result<Self, Fault> {
        Self::of_files(base.join(&tls.certificate), base.join(&tls.key), asking)
    }

    pub fn of_files(certificate: PathBuf, key: PathBuf, asking: bool) -> Result<Self, Fault> {
        let files = (stamp(&certificate), stamp(&key));
        let current = Mutex::new(Current { files, acceptor: read(&certificate, &key, asking)?, failed: None });
        Ok(Self(Arc::new(Inner { certificate, key, asking, current })))
    }

    pub fn acceptor(&self) -> TlsAcceptor {
        let files = self.files();
        let mut current = self.current();
        let failed_just_now = current.failed.is_some_and(|(_, at)| at.elapsed() < RETRY);
        if current.files != files && !failed_just_now {
            self.replace(&mut current, files);
        }
        current.acceptor.clone()
    }

    /// Reads the files whether or not they look changed.
    pub fn read_again(&self) {
        self.replace(&mut self.current(), self.files());
    }

    fn replace(&self, current: &mut Current, files: Files) {
        match read(&self.0.certificate, &self.0.key, self.0.asking) {
            Ok(acceptor) => *current = Current { files, acceptor, failed: None },
            Err(fault) => {
                // Files that wait for their counterpart are read every second: it is said once.
                if current.failed.is_none_or(|(before, _)| before != files) {
                    tracing::error!(error = %fault, "the changed certificate cannot be used; the old one stays, and the files are read again");
                }
                current.failed = Some((files, Instant::now()));
            }
        }
    }

    pub fn are_of(&self, certificate: &Path, key: &Path) -> bool {
        self.0.certificate == certificate && self.0.key == key
    }

    fn files(&self) -> Files {
        (stamp(&self.0.certificate), stamp(&self.0.key))
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamp(path: &Path) -> Stamp {
    let file = std::fs::metadata(path).ok()?;
    Some((file.modified().ok()?, file.dev(), file.ino(), file.len()))
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
