//! Single requests of this installation. Each has a proof of its key and the newest nonce (RFC 9449). None is sent while a busy server
//! has asked for time. What an answer means for the session is the business of `session`.

use crate::platform::{Answer, Platform, Request, Unavailable};
use crate::trouble::{Reply, Trouble};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use symbolon_oauth::bearer::read_challenges;
use symbolon_oauth::jwk::Algorithm;
use symbolon_oauth::{base64url, dpop, jws};

/// The app tries again after an hour, even if the server asks for more time.
const MAX_PATIENCE_S: u64 = 3600;

/// Who the app is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Byte for byte as the server writes it.
    pub issuer: String,
    pub client_id: String,
    /// A claimed https link, a reversed domain name with one slash, or a loopback address with its port (RFC 8252 7).
    pub redirect_uri: String,
}

/// What later requests use of earlier answers.
#[derive(Default)]
pub(crate) struct Memory {
    /// The newest nonce of every server, by origin (RFC 9449 8.2).
    nonces: Mutex<BTreeMap<String, String>>,
    patience: Mutex<Patience>,
}

#[derive(Default)]
struct Patience {
    until_s: i64,
    failures: u32,
}

/// What a request needs: the app's settings, the device's services, and the memory of earlier answers.
#[derive(Clone, Copy)]
pub(crate) struct Connection<'a> {
    pub settings: &'a Settings,
    pub platform: &'a Platform,
    pub memory: &'a Memory,
}

/// Locks a value that a panic cannot leave half written.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Scheme, host and port.
fn origin(url: &str) -> String {
    url::Url::parse(url).map(|it| it.origin().ascii_serialization()).unwrap_or_default()
}

/// Tokens and codes travel over TLS, or stay on this device.
pub(crate) fn must_be_safe(url: &str) -> Result<(), Trouble> {
    let parsed = url::Url::parse(url).map_err(|_| Trouble::Wrong(format!("{url} is no URL")))?;
    let is_local = parsed.scheme() == "http" && matches!(parsed.host_str(), Some("127.0.0.1" | "[::1]"));
    if parsed.scheme() == "https" || is_local { Ok(()) } else { Err(Trouble::Wrong(format!("{url} is not https"))) }
}

/// The `error` of an answer. An API sends it in a challenge (RFC 6750 3), and the server in the body (RFC 6749 5.2).
pub(crate) fn error_of(answer: &Answer) -> String {
    let challenge = challenges(answer).into_iter().find(|(name, _)| name == "error").map(|(_, value)| value);
    challenge.unwrap_or_else(|| answer.json()["error"].as_str().unwrap_or_default().to_owned())
}

/// All parameters of all challenges.
pub(crate) fn challenges(answer: &Answer) -> Vec<(String, String)> {
    answer.all("www-authenticate").flat_map(read_challenges).flat_map(|(_, parameters)| parameters).collect()
}

/// A text member of an answer.
pub(crate) fn text_member(body: &Value, name: &str) -> Option<String> {
    body[name].as_str().map(str::to_owned)
}

/// How long before its end something is renewed: a tenth of its lifetime, at most half a minute.
pub(crate) fn margin_s(lifetime_s: i64) -> i64 {
    (lifetime_s / 10).clamp(0, 30)
}

fn asks_for_nonce(answer: &Answer) -> bool {
    matches!(answer.status, 400 | 401) && error_of(answer) == "use_dpop_nonce"
}

fn form_request(url: &str, form: &[(&str, &str)]) -> Request {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    Request::post(url, "application/x-www-form-urlencoded", body.into_bytes())
}

impl Connection<'_> {
    pub fn now_s(&self) -> i64 {
        self.platform.device.now_s()
    }

    /// N random bytes.
    pub fn random<const N: usize>(&self) -> Result<[u8; N], Trouble> {
        let mut out = [0; N];
        self.platform.device.random(&mut out)?;
        Ok(out)
    }

    /// The newest nonce of a server.
    pub fn nonce_of(&self, url: &str) -> Option<String> {
        lock(&self.memory.nonces).get(&origin(url)).cloned()
    }

    /// Makes the proof for one request, with the newest nonce of its server. This happens right before the request is sent, so that no
    /// proof gets old while the key store is locked.
    async fn proof(&self, request: &Request, token: Option<&str>) -> Result<Option<String>, Trouble> {
        let Some(keys) = &self.platform.keys else { return Ok(None) };
        let jwk = keys.public_key().await?;
        let jti = base64url::encode(&self.random::<16>()?);
        let nonce = self.nonce_of(&request.url);
        let (method, url, iat) = (request.method.as_str(), request.url.as_str(), self.now_s());
        let statement = dpop::Statement { method, url, nonce: nonce.as_deref(), access_token: token, jti: &jti, iat };
        let input = dpop::signing_input(&jwk, Algorithm::ES256, &statement).map_err(|it| Trouble::Wrong(format!("{it:?}")))?;
        let signature = keys.sign(input.as_bytes()).await?;
        if signature.len() != 64 {
            return Err(Trouble::Wrong("the key store's signature is not r and s".to_owned()));
        }
        Ok(Some(jws::with_signature(&input, &signature)))
    }

    async fn send_once(&self, request: &Request, token: Option<&str>) -> Result<Result<Answer, Unavailable>, Trouble> {
        let mut request = request.clone();
        let url = request.url.clone();
        if let Some(proof) = self.proof(&request, token).await? {
            request = request.with("dpop", &proof);
        }
        let answer = self.platform.http.send(request).await;
        if let Ok(answer) = &answer {
            self.keep_nonce(&url, answer);
        }
        Ok(answer)
    }

    fn keep_nonce(&self, url: &str, answer: &Answer) {
        if let Some(nonce) = answer.all("dpop-nonce").next() {
            lock(&self.memory.nonces).insert(origin(url), nonce.to_owned());
        }
    }

    /// Sends one request with its proof. It is sent a second time if the server asks for its nonce (RFC 9449 8 and 9). With `resend` it is
    /// also sent again after a lost answer. Each attempt has a proof of its own, because a used one is refused.
    pub async fn send(&self, request: Request, token: Option<&str>, resend: bool) -> Result<Answer, Trouble> {
        let (mut may_resend, mut may_prove_again) = (resend, self.platform.keys.is_some());
        loop {
            match self.send_once(&request, token).await? {
                Err(_) if may_resend => may_resend = false,
                Err(why) => return Err(why.into()),
                Ok(answer) if may_prove_again && asks_for_nonce(&answer) => may_prove_again = false,
                Ok(answer) => return Ok(answer),
            }
        }
    }

    /// Posts a form with a proof, unless the server has asked for time.
    pub async fn post_form(&self, url: &str, form: &[(&str, &str)], attestation: Option<&str>, resend: bool) -> Result<Reply, Trouble> {
        self.must_not_be_early()?;
        let mut request = form_request(url, form);
        if let Some(attestation) = attestation {
            request = request.with("oauth-client-attestation", attestation);
        }
        let answer = self.send(request, None, resend).await?;
        Ok(self.reply(&answer))
    }

    /// Posts a form without a proof, for requests before there is a key.
    pub async fn post_form_without_proof(&self, url: &str, form: &[(&str, &str)]) -> Result<Reply, Trouble> {
        self.must_not_be_early()?;
        let answer = self.platform.http.send(form_request(url, form)).await?;
        self.keep_nonce(url, &answer);
        Ok(self.reply(&answer))
    }

    fn reply(&self, answer: &Answer) -> Reply {
        Reply::of(answer, self.update_patience(answer))
    }

    fn must_not_be_early(&self) -> Result<(), Trouble> {
        let left_s = u64::try_from(lock(&self.memory.patience).until_s - self.now_s()).unwrap_or(0);
        // After the clock was set back, the rest may be days. Do not wait that long.
        if left_s == 0 || left_s > MAX_PATIENCE_S {
            return Ok(());
        }
        Err(Trouble::Later { why: "the server asked for patience".to_owned(), after_s: Some(left_s) })
    }

    /// What `Retry-After` says. After 429 or 5xx, every request waits as long as `Retry-After` says (RFC 9110 10.2.3, seconds), or else twice as long as the last time.
    fn update_patience(&self, answer: &Answer) -> Option<u64> {
        let mut patience = lock(&self.memory.patience);
        let retry_after_s = answer.all("retry-after").next().and_then(|it| it.trim().parse().ok()).map(|it: u64| it.min(MAX_PATIENCE_S));
        if answer.status != 429 && answer.status < 500 {
            *patience = Patience::default();
            return retry_after_s;
        }
        let wait_s = retry_after_s.unwrap_or(1 << patience.failures.min(8)).min(MAX_PATIENCE_S);
        patience.failures += 1;
        patience.until_s = self.now_s() + i64::try_from(wait_s).unwrap_or(0);
        Some(wait_s)
    }

    /// The value that is stored under this name, if it can be read.
    pub async fn load<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Trouble> {
        Ok(self.platform.storage.read(name).await?.and_then(|it| serde_json::from_str(&it).ok()))
    }

    /// Stores a value under this name. `None` removes it.
    pub async fn store<T: serde::Serialize>(&self, name: &str, value: Option<&T>) -> Result<(), Trouble> {
        let text = value.map(serde_json::to_string).transpose().map_err(|it| Trouble::Wrong(it.to_string()))?;
        Ok(self.platform.storage.write(name, text.as_deref()).await?)
    }
}
