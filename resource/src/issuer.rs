//! The API's copy of its issuer's metadata and keys. They are fetched when they are needed, and again at most every few seconds, however
//! many unknown key ids arrive (550-S). No redirect is followed. Sizes and times are bounded.

use crate::Token;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use symbolon_oauth::digest::sha256;
use symbolon_oauth::jwk::KeySet;
use symbolon_oauth::metadata::{AuthorizationServerMetadata, well_known_oauth};
use tokio::sync::OwnedMutexGuard;

/// Keys that are younger than this are used without a fetch.
const FRESH_S: i64 = 300;
/// Up to this age, keys are used while new ones are fetched in the background. Older keys are used only if the fetch fails. An API that
/// was idle therefore does not trust a key that was withdrawn meanwhile.
const WHILE_FETCHING_S: i64 = 900;
/// Keys that are older than this are never used, even if the issuer cannot be reached.
const LAST_RESORT_S: i64 = 24 * 3600;
/// The shortest time between two fetches.
const PAUSE_S: i64 = 5;
/// How long a call waits for a fetch. The fetch itself goes on, and later calls have its result.
const PATIENCE: Duration = Duration::from_secs(2);
const MAX_BYTES: usize = 256 * 1024;
const MAX_ENDINGS_BYTES: usize = 8 * 1024 * 1024;
/// How long an introspection answer is used. A revoked opaque token may still work for this time.
const INTROSPECTED_S: i64 = 5;
const MAX_CACHED: usize = 10_000;

#[derive(Clone)]
pub struct Issuer(Arc<Inner>);

struct Inner {
    name: String,
    http: reqwest::Client,
    known: Mutex<Option<Known>>,
    /// Locked during a fetch, so that there is one at a time. The value is the time of the last one.
    fetching: Arc<tokio::sync::Mutex<i64>>,
    /// The last fetch failed. Calls that can be checked with the copy do not wait for the next one.
    is_failing: AtomicBool,
    credentials: Option<(String, String)>,
    introspected: Mutex<HashMap<[u8; 32], (i64, Option<Token>)>>,
}

#[derive(Clone)]
struct Known {
    metadata: Arc<AuthorizationServerMetadata>,
    keys: Arc<KeySet>,
    at_s: i64,
}

pub enum Unanswered {
    NotConfigured,
    Unreachable,
}

impl Issuer {
    pub fn new(name: &str) -> Self {
        Self::build(name, None)
    }

    fn build(name: &str, credentials: Option<(String, String)>) -> Self {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(5))
            .build()
            .unwrap_or_default();
        Self(Arc::new(Inner {
            name: name.to_owned(),
            http,
            known: Mutex::default(),
            fetching: Arc::new(tokio::sync::Mutex::new(i64::MIN)),
            is_failing: AtomicBool::new(false),
            credentials,
            introspected: Mutex::default(),
        }))
    }

    pub fn with_credentials(self, name: &str, secret: &str) -> Self {
        Self::build(&self.0.name, Some((name.to_owned(), secret.to_owned())))
    }

    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The copy, if it is not too old to be used at all.
    fn cached(&self, now_s: i64) -> Option<Known> {
        self.0.known.lock().ok()?.clone().filter(|it| now_s - it.at_s < LAST_RESORT_S)
    }

    /// The keys. They are fetched when there are none, when they are old, or when a token names an unknown one.
    pub async fn keys(&self, kid: Option<&str>, now_s: i64) -> Option<Arc<KeySet>> {
        let cached = self.cached(now_s);
        let has_key = |known: &Known| kid.is_none_or(|kid| known.keys.keys.iter().any(|it| it.kid() == Some(kid)));
        let waits_s = if self.0.is_failing.load(Ordering::Relaxed) { LAST_RESORT_S } else { WHILE_FETCHING_S };
        match cached {
            Some(known) if has_key(&known) && now_s - known.at_s < FRESH_S => Some(known.keys),
            Some(known) if has_key(&known) && now_s - known.at_s < waits_s => {
                self.start_fetch(now_s);
                Some(known.keys)
            }
            _ => self.fetch(now_s).await.map(|it| it.keys),
        }
    }

    /// Starts a fetch in a task of its own, unless one is under way or was just made.
    fn start_fetch(&self, now_s: i64) {
        let Ok(mut last) = Arc::clone(&self.0.fetching).try_lock_owned() else { return };
        if now_s.saturating_sub(*last) < PAUSE_S {
            return;
        }
        *last = now_s;
        let issuer = self.clone();
        tokio::spawn(async move { issuer.fetch_into_cache(last, now_s).await });
    }

    /// Fetches, and answers what is known afterwards. No call waits for longer than [`PATIENCE`], and none repeats the fetch of another:
    /// an issuer that hangs delays each call once and queues none.
    async fn fetch(&self, now_s: i64) -> Option<Known> {
        self.start_fetch(now_s);
        let ended = tokio::time::timeout(PATIENCE, self.0.fetching.lock()).await;
        drop(ended);
        self.cached(now_s)
    }

    async fn fetch_into_cache(&self, _under_way: OwnedMutexGuard<i64>, now_s: i64) {
        let outcome = self.read(now_s).await;
        self.0.is_failing.store(outcome.is_err(), Ordering::Relaxed);
        match outcome {
            Ok(known) => {
                if let Ok(mut slot) = self.0.known.lock() {
                    *slot = Some(known);
                }
            }
            Err(why) => tracing::warn!(issuer = self.0.name, why, "the issuer's keys could not be read"),
        }
    }

    async fn read(&self, now_s: i64) -> Result<Known, String> {
        let mut metadata: AuthorizationServerMetadata =
            serde_json::from_value(self.get(&well_known_oauth(&self.0.name)).await?).map_err(|it| it.to_string())?;
        // RFC 8414 3.3: byte for byte.
        if metadata.issuer != self.0.name {
            return Err("the metadata names another issuer".to_owned());
        }
        for endpoint in [&mut metadata.introspection_endpoint, &mut metadata.endings_endpoint] {
            if endpoint.as_ref().is_some_and(|it| !self.has_issuers_origin(it)) {
                tracing::warn!(
                    issuer = self.0.name,
                    "the metadata has an endpoint of another origin; this API does not send its secret there"
                );
                *endpoint = None;
            }
        }
        let jwks_uri = metadata.jwks_uri.clone().ok_or("the metadata has no jwks_uri")?;
        let keys = KeySet::parse(&self.get(&jwks_uri).await?).map_err(|it| it.to_string())?;
        Ok(Known { metadata: Arc::new(metadata), keys: Arc::new(keys), at_s: now_s })
    }

    /// Reads a document of the issuer's own origin. Nothing else is fetched (541-S, 542-S).
    async fn get(&self, address: &str) -> Result<Value, String> {
        if !self.has_issuers_origin(address) {
            return Err(format!("{address} is not of the issuer's origin"));
        }
        let answer = self.0.http.get(address).send().await.map_err(|it| it.to_string())?;
        read_json(answer, MAX_BYTES).await.map_err(|why| format!("{address}: {why}"))
    }

    fn has_issuers_origin(&self, address: &str) -> bool {
        let origin = |text: &str| url::Url::parse(text).map(|it| it.origin()).ok();
        origin(address).is_some_and(|it| Some(it) == origin(&self.0.name))
    }

    /// Reads what ended after `after`, which is `next` of the previous answer. Waits for news for half a minute at most.
    pub async fn endings(&self, after: Option<&str>, now_s: i64) -> Result<Value, String> {
        let (name, secret) = self.0.credentials.as_ref().ok_or("no credentials")?;
        let known = match self.cached(now_s) {
            Some(known) => known,
            None => self.fetch(now_s).await.ok_or("the issuer cannot be reached")?,
        };
        let endpoint = known.metadata.endings_endpoint.clone().ok_or("the issuer has no endings_endpoint")?;
        let request = self.0.http.post(endpoint).basic_auth(form_encoded(name), Some(form_encoded(secret)));
        let form: Vec<(&str, &str)> = after.map(|it| ("after", it)).into_iter().collect();
        let answer = request.form(&form).timeout(Duration::from_secs(30)).send().await;
        read_json(answer.map_err(|it| it.to_string())?, MAX_ENDINGS_BYTES).await.map_err(|why| format!("the endings_endpoint: {why}"))
    }

    /// RFC 7662. The cache's key is the digest of the whole token, so that an edited token is another token (226-J).
    pub async fn introspect(&self, token: &str, now_s: i64) -> Result<Option<Token>, Unanswered> {
        let Some((name, secret)) = &self.0.credentials else { return Err(Unanswered::NotConfigured) };
        let key = sha256(token.as_bytes());
        let cached = self.0.introspected.lock().ok().and_then(|cache| cache.get(&key).cloned());
        if let Some((at_s, answer)) = cached
            && now_s - at_s < INTROSPECTED_S
        {
            return Ok(answer);
        }
        let known = match self.cached(now_s) {
            Some(known) => known,
            None => self.fetch(now_s).await.ok_or(Unanswered::Unreachable)?,
        };
        let endpoint = known.metadata.introspection_endpoint.clone().ok_or(Unanswered::NotConfigured)?;
        let request = self.0.http.post(endpoint).basic_auth(form_encoded(name), Some(form_encoded(secret))).form(&[("token", token)]);
        let answer = request.send().await.map_err(|_| Unanswered::Unreachable)?;
        let body = read_json(answer, MAX_BYTES).await.map_err(|why| {
            tracing::warn!(issuer = self.0.name, why, "the token could not be introspected");
            Unanswered::Unreachable
        })?;
        let found = if body["active"] == true { serde_json::from_value(body).ok() } else { None };
        if let Ok(mut cache) = self.0.introspected.lock() {
            if cache.len() >= MAX_CACHED {
                cache.retain(|_, (at_s, _)| now_s - *at_s < INTROSPECTED_S);
            }
            if cache.len() < MAX_CACHED {
                cache.insert(key, (now_s, found.clone()));
            }
        }
        Ok(found)
    }
}

/// Reads the JSON of an answer, up to a size.
async fn read_json(mut answer: reqwest::Response, max_bytes: usize) -> Result<Value, String> {
    if answer.status() != 200 {
        return Err(format!("it answered {}", answer.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|it| it.to_string())? {
        if body.len() + chunk.len() > max_bytes {
            return Err(format!("the answer is larger than {max_bytes} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).map_err(|it| it.to_string())
}

/// RFC 6749 2.3.1: the id and the secret are form-encoded before Basic encodes them.
fn form_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
