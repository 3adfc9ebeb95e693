//! Keys of ours at a provider: the one that ID tokens are encrypted to, and the certificate that this server shows there (RFC 8705).

use super::provider::{Provider, Trouble};
use crate::config::upstream::{SecretSentBy, Upstream};
use crate::error::Fault;
use crate::outgoing::Outgoing;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value as Json, json};
use symbolon_wallet::jwe::{self, DecryptionKey};
use zeroize::Zeroizing;

/// The largest file of certificates.
const MOST_BYTES: u64 = 64 * 1024;

/// The key that the provider encrypts to. It is read at the start.
pub fn read_decryption_key(name: &str, settings: &Upstream) -> Result<Option<DecryptionKey>, Fault> {
    let Some(source) = &settings.decryption_key else { return Ok(None) };
    let what = format!("[upstream.{name}] decryption_key");
    let pem = Zeroizing::new(source.text(&what)?);
    let wrong = |why: &str| Fault::new(format!("{what}: {}: {why}", source.whereabouts()));
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| wrong("no private key in PEM (PKCS#8, not encrypted)"))?;
    DecryptionKey::from_pkcs8(der.secret_pkcs8_der()).map(Some).map_err(|_| wrong("no key of the curve P-256"))
}

/// What calls the provider: with our certificate, where the operator wants it.
pub fn caller(name: &str, settings: &Upstream, outgoing: &Outgoing) -> Result<Outgoing, Fault> {
    if !settings.authentication.shows_certificate() {
        return Ok(outgoing.clone());
    }
    let here = |key: &str, why: &str| Fault::new(format!("[upstream.{name}] {key}: {why}"));
    let path = settings.certificate.as_ref().ok_or_else(|| here("certificate", "it is missing"))?;
    let source = settings.key.as_ref().ok_or_else(|| here("key", "it is missing"))?;
    let is_small = std::fs::metadata(path).is_ok_and(|it| it.len() <= MOST_BYTES);
    let chain = crate::pem::read(path).ok().filter(|_| is_small);
    let chain = chain.ok_or_else(|| here("certificate", &format!("{} cannot be read, or is larger than 64 KiB", path.display())))?;
    let key = Zeroizing::new(source.text(&format!("[upstream.{name}] key"))?);
    let pem = Zeroizing::new([chain.as_slice(), b"\n", key.as_bytes()].concat());
    outgoing.with_identity(&pem).map_err(|why| here("certificate", &why))
}

impl Provider {
    /// An ID token or logout token as its signature stands in it. With a key of ours, ID tokens must be encrypted to it.
    pub(super) fn decrypted(&self, token: String, must: bool) -> Result<String, Trouble> {
        let is_encrypted = token.splitn(6, '.').count() == 5;
        match &self.decrypts {
            Some(key) if is_encrypted => {
                jwe::open_jwt(&token, key).map_err(|why| Trouble::broken(format!("the encrypted token: {}", why.as_str())))
            }
            Some(_) if must => Err(Trouble::broken("id_token: it is not encrypted, and decryption_key says that it has to be")),
            _ => Ok(token),
        }
    }

    /// What the provider needs of our keys, for its `jwks` or `jwks_uri`.
    pub fn public_keys(&self) -> Vec<Json> {
        let signs = self.key.as_ref().filter(|_| self.settings.authentication == SecretSentBy::PrivateKeyJwt).map(|key| {
            let mut jwk = key.public().to_jwk();
            for (name, value) in [("kid", json!(self.settings.key_id)), ("alg", json!("ES256")), ("use", json!("sig"))] {
                jwk[name] = value;
            }
            jwk
        });
        signs.into_iter().chain(self.decrypts.as_ref().map(DecryptionKey::to_jwk)).collect()
    }
}
