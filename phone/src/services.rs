//! The simulated services of a phone's operating system: key store, storage, system browser, attestation service, clock.

use crate::Trouble;
use crate::browser::{self, Person};
use crate::element::{Android, IosKey, Maker};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use symbolon_client::platform::{
    Attester, BoxFuture, Browser, Device, Evidence, EvidenceRequest, KeyStore, NoRedirect, Platform, Storage, Unavailable,
};
use symbolon_oauth::base64url;
use symbolon_oauth::jwk::{Algorithm, PrivateKey};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The installation's key in the phone's secure element. Tests can read it.
pub struct Element {
    pub key: PrivateKey,
    /// The phone has not been unlocked since it started.
    pub is_locked: AtomicBool,
}

impl Element {
    pub fn new() -> Result<Self, Trouble> {
        let key = PrivateKey::generate(Algorithm::ES256).map_err(|it| Trouble(it.to_string()))?;
        Ok(Self { key, is_locked: AtomicBool::new(false) })
    }

    /// RFC 7638, raw.
    pub fn thumbprint(&self) -> [u8; 32] {
        base64url::decode(self.key.kid()).and_then(|it| it.try_into().ok()).unwrap_or_default()
    }

    fn open(&self) -> Result<&PrivateKey, Unavailable> {
        if self.is_locked.load(Ordering::Relaxed) { Err(Unavailable("the key store is locked".to_owned())) } else { Ok(&self.key) }
    }
}

impl KeyStore for Element {
    fn public_key(&self) -> BoxFuture<'_, Result<Value, Unavailable>> {
        Box::pin(async { Ok(self.open()?.public().to_jwk()) })
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, Unavailable>> {
        Box::pin(async move { self.open()?.sign(message).map_err(|it| Unavailable(it.to_string())) })
    }
}

/// The app's storage. It outlives the app's process.
#[derive(Default)]
pub struct Shelf {
    kept: Mutex<BTreeMap<String, String>>,
    /// The process ends when it writes this name, and nothing is written.
    pub dies_at: Mutex<Option<&'static str>>,
}

impl Shelf {
    /// A member of a stored value, as a thief of the storage would read it.
    pub fn stolen(&self, name: &str, member: &str) -> String {
        let text = lock(&self.kept).get(name).cloned().unwrap_or_default();
        serde_json::from_str::<Value>(&text).unwrap_or_default()[member].as_str().unwrap_or_default().to_owned()
    }
}

impl Storage for Shelf {
    fn read<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<String>, Unavailable>> {
        Box::pin(async move { Ok(lock(&self.kept).get(name).cloned()) })
    }

    fn write<'a>(&'a self, name: &'a str, value: Option<&'a str>) -> BoxFuture<'a, Result<(), Unavailable>> {
        Box::pin(async move {
            if lock(&self.dies_at).take_if(|it| *it == name).is_some() {
                return Err(Unavailable("the process was ended".to_owned()));
            }
            match value {
                Some(value) => lock(&self.kept).insert(name.to_owned(), value.to_owned()),
                None => lock(&self.kept).remove(name),
            };
            Ok(())
        })
    }
}

/// The system browser and the person who uses it.
pub struct Screen {
    pub net: Arc<crate::net::Net>,
    pub redirect_uri: String,
    pub person: Person<'static>,
    pub browser: tokio::sync::Mutex<browser::Browser>,
    /// The redirects that the operating system hands to the app, in this order.
    pub back: Mutex<VecDeque<String>>,
}

impl Browser for Screen {
    fn open<'a>(&'a self, address: &'a str) -> BoxFuture<'a, Result<(), NoRedirect>> {
        Box::pin(async move {
            let mut browser = self.browser.lock().await;
            // Only an authorization request names the app that the person is led back to.
            if !address.contains("client_id=") {
                return browser.look(&self.net.http, address).await.map_err(|it| NoRedirect::Unavailable(Unavailable(it.0)));
            }
            let back = browser.visit(&self.net.http, address, &self.redirect_uri, &self.person).await;
            self.net.add_browsed(browser.take_log());
            lock(&self.back).push_back(back.map_err(|it| NoRedirect::Unavailable(Unavailable(it.0)))?);
            Ok(())
        })
    }

    fn redirected(&self) -> BoxFuture<'_, Result<String, NoRedirect>> {
        Box::pin(async { lock(&self.back).pop_front().ok_or(NoRedirect::Closed) })
    }
}

/// App Attest. Its own key vouches for the installation's key.
pub struct AppAttest {
    pub maker: Arc<Maker>,
    pub app_id: String,
    pub element: Arc<Element>,
    /// The key, and the number of its signatures.
    pub enclave: Mutex<Option<(IosKey, u32)>>,
}

impl Attester for AppAttest {
    fn evidence(&self, request: EvidenceRequest) -> BoxFuture<'_, Result<Option<Evidence>, Unavailable>> {
        Box::pin(async move {
            let unavailable = |trouble: Trouble| Unavailable(trouble.0);
            let hash = request.named(&self.element.thumbprint());
            let mut enclave = lock(&self.enclave);
            let (format, parameters) = match enclave.as_mut().filter(|_| request.renewal) {
                Some((key, counter)) => {
                    *counter += 1;
                    ("apple-assertion", vec![("assertion", key.assertion(&hash, *counter).map_err(unavailable)?)])
                }
                None => {
                    let (key, object) = self.maker.ios(&self.app_id, &hash).map_err(unavailable)?;
                    let key_id = key.key_id.to_vec();
                    *enclave = Some((key, 0));
                    ("apple-appattest", vec![("attestation", object), ("key_id", key_id)])
                }
            };
            let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), base64url::encode(value))).collect();
            Ok(Some(Evidence { format: format.to_owned(), parameters }))
        })
    }
}

/// Android Key Attestation. A Keystore makes the installation's key with the evidence; here the key is there already.
pub struct KeyAttestation {
    pub maker: Arc<Maker>,
    pub package: String,
    /// SHA-256 of the certificate that signs the app.
    pub signing_digest: [u8; 32],
    pub element: Arc<Element>,
}

impl Attester for KeyAttestation {
    fn evidence(&self, request: EvidenceRequest) -> BoxFuture<'_, Result<Option<Evidence>, Unavailable>> {
        Box::pin(async move {
            // A renewal is by Play or by a witness, and this phone has neither.
            if request.renewal {
                return Ok(None);
            }
            let leaf = request.leaf();
            let phone = Android::genuine(&self.package, self.signing_digest, &leaf);
            let chain = self.maker.android(&self.element.key, &phone).map_err(|it| Unavailable(it.0))?;
            let chain = chain.iter().map(|it| base64url::encode(it)).collect::<Vec<_>>().join(".");
            Ok(Some(Evidence { format: "android-key".to_owned(), parameters: vec![("chain".to_owned(), chain)] }))
        })
    }
}

/// Clock and randomness. A test may set the clock.
#[derive(Default)]
pub struct Clock {
    pub ahead_s: AtomicI64,
}

impl Device for Clock {
    fn now_s(&self) -> i64 {
        #[expect(clippy::disallowed_methods, reason = "a phone has a clock of its own")]
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(now.as_secs()).unwrap_or(0) + self.ahead_s.load(Ordering::Relaxed)
    }

    fn random(&self, out: &mut [u8]) -> Result<(), Unavailable> {
        aws_lc_rs::rand::fill(out).map_err(|_| Unavailable("no randomness".to_owned()))
    }

    fn wait(&self, seconds: u64) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(std::time::Duration::from_secs(seconds)))
    }
}

/// A platform with few services, for an app that does everything by hand.
pub(crate) fn bare(http: Arc<crate::net::Net>) -> Platform {
    let screen = Screen {
        net: http.clone(),
        redirect_uri: String::new(),
        person: Person::default(),
        browser: tokio::sync::Mutex::default(),
        back: Mutex::default(),
    };
    Platform {
        http,
        keys: None,
        storage: Arc::new(Shelf::default()),
        browser: Arc::new(screen),
        attester: None,
        device: Arc::new(Clock::default()),
    }
}
