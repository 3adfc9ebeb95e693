//! The operating system's services for an app. The app's platform code implements each trait; a simulation may do so too. A service that
//! cannot answer now returns [`Unavailable`]. That always means "later" and never "signed out".

use serde_json::Value;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use symbolon_oauth::binding::{self, Purpose};

/// An answer that may take a while. An implementation returns `Box::pin(async move { ... })`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The service cannot answer now: the device is locked, there is no network, the disk is full. The text is a sentence for the app's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable(pub String);

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One HTTP request. Header names are in lower case.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn get(url: &str) -> Self {
        Self { method: "GET".to_owned(), url: url.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    pub fn post(url: &str, content_type: &str, body: Vec<u8>) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self { method: "POST".to_owned(), url: url.to_owned(), headers, body }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Every value of a header, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body, if it is JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// The network. An implementation follows no redirect, keeps no cookie, uses no cache and checks TLS. One request takes at most half a
/// minute, and its answer has at most a megabyte. `Unavailable`: no whole answer came, whether or not the request arrived.
pub trait Http: Send + Sync {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Answer, Unavailable>>;
}

/// The installation's key: P-256, made in the Secure Enclave or the Keystore. The key never leaves it.
pub trait KeyStore: Send + Sync {
    /// The public key as JWK. Makes the key if there is none. A locked store is `Unavailable`, and no reason to make another key.
    fn public_key(&self) -> BoxFuture<'_, Result<Value, Unavailable>>;
    /// ES256 of `message`: r and s, 32 bytes each. Both platforms give DER: see [`raw_signature`].
    fn sign<'a>(&'a self, message: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, Unavailable>>;
}

/// A few short texts by name, in the Keychain or in encrypted preferences. They stay on this device and in no backup.
pub trait Storage: Send + Sync {
    fn read<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<String>, Unavailable>>;
    /// Replaces the whole value (`None` removes it). Returns when the change would survive a crash.
    fn write<'a>(&'a self, name: &'a str, value: Option<&'a str>) -> BoxFuture<'a, Result<(), Unavailable>>;
}

/// Why no redirect came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoRedirect {
    /// The person closed the browser.
    Closed,
    Unavailable(Unavailable),
}

/// The system browser: ASWebAuthenticationSession, Custom Tabs, the default browser. Never a web view (RFC 8252 8.12).
pub trait Browser: Send + Sync {
    fn open<'a>(&'a self, address: &'a str) -> BoxFuture<'a, Result<(), NoRedirect>>;
    /// The next URL that the operating system hands to the app for its redirect URI, whoever opened it.
    fn redirected(&self) -> BoxFuture<'_, Result<String, NoRedirect>>;
}

/// App Attest, Android key attestation, Play Integrity.
pub trait Attester: Send + Sync {
    /// Evidence about this app, this device and the installation's key. `None`: this device has no such service.
    fn evidence(&self, request: EvidenceRequest) -> BoxFuture<'_, Result<Option<Evidence>, Unavailable>>;
}

/// What the evidence must be about. docs/attestation.md says where each platform puts which digest.
#[derive(Clone, Debug)]
pub struct EvidenceRequest {
    pub client_id: String,
    /// The server's challenge for this evidence alone.
    pub challenge: [u8; 32],
    /// The server knows the key, and the evidence must be for the same key. Otherwise this is the first evidence.
    pub renewal: bool,
}

impl EvidenceRequest {
    /// The digest for Android's first evidence. The installation's key is made with it.
    pub fn leaf(&self) -> [u8; 32] {
        binding::leaf(&self.challenge, &self.client_id)
    }

    /// The digest for everything else. `thumbprint`: RFC 7638, of the installation's key, as raw bytes.
    pub fn named(&self, thumbprint: &[u8; 32]) -> [u8; 32] {
        let purpose = if self.renewal { Purpose::Renewal } else { Purpose::First };
        binding::named(purpose, &self.client_id, &self.challenge, thumbprint)
    }
}

/// `format` and its parameters, as in docs/attestation.md. Binary values are in base64url.
#[derive(Clone, Debug)]
pub struct Evidence {
    pub format: String,
    pub parameters: Vec<(String, String)>,
}

/// The clock, the timer and the randomness of the device.
pub trait Device: Send + Sync {
    /// Seconds since 1970.
    fn now_s(&self) -> i64;
    /// Fills `out` from the operating system's generator for keys.
    fn random(&self, out: &mut [u8]) -> Result<(), Unavailable>;
    /// Returns after this time, and keeps no thread busy meanwhile.
    fn wait(&self, seconds: u64) -> BoxFuture<'_, ()>;
}

/// All services.
#[derive(Clone)]
pub struct Platform {
    pub http: Arc<dyn Http>,
    /// Without a key store, tokens are bearer tokens. Anybody who has one can use it, and a lost answer can be repeated for seconds only.
    pub keys: Option<Arc<dyn KeyStore>>,
    pub storage: Arc<dyn Storage>,
    pub browser: Arc<dyn Browser>,
    /// For clients that the server attests. It needs `keys`.
    pub attester: Option<Arc<dyn Attester>>,
    pub device: Arc<dyn Device>,
}

/// Converts an ECDSA signature over P-256 from DER to the form of RFC 7518 3.4. The Secure Enclave and the Keystore return DER.
pub fn raw_signature(der: &[u8]) -> Option<[u8; 64]> {
    let [0x30, length, inner @ ..] = der else { return None };
    if usize::from(*length) != inner.len() {
        return None;
    }
    let (r, rest) = integer(inner)?;
    let (s, rest) = integer(rest)?;
    let mut out = [0; 64];
    out[..32].copy_from_slice(&r);
    out[32..].copy_from_slice(&s);
    rest.is_empty().then_some(out)
}

fn integer(der: &[u8]) -> Option<([u8; 32], &[u8])> {
    let [2, length, rest @ ..] = der else { return None };
    let (value, rest) = rest.split_at_checked(usize::from(*length))?;
    let value = value.strip_prefix(&[0]).unwrap_or(value);
    let mut out = [0; 32];
    out.get_mut(32_usize.checked_sub(value.len())?..)?.copy_from_slice(value);
    Some((out, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn der_becomes_r_and_s() {
        let mut expected = [0; 64];
        (expected[0], expected[63]) = (0x80, 7);
        let r = [&[2, 33, 0, 0x80][..], &[0; 31]].concat();
        let good = [&[0x30, 38][..], &r, &[2, 1, 7]].concat();
        assert_eq!(raw_signature(&good), Some(expected));
        for cut in 0..good.len() {
            assert_eq!(raw_signature(&good[..cut]), None);
        }
        assert_eq!(raw_signature(&[good.as_slice(), &[0]].concat()), None);
        assert_eq!(raw_signature(&[&[0x30, 39, 2, 33, 1][..], &[0; 32], &[2, 1, 7, 0]].concat()), None);
    }
}
