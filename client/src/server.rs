//! The authorization server as this installation sees it: metadata (RFC 8414), requests with their proof of the key and the newest
//! nonce (RFC 9449), patience when it is busy. One method is one request; what an answer means for the session is `session`'s.

use crate::attesting::Attestation;
use crate::platform::{Answer, Platform, Request, Unavailable};
use crate::trouble::{Reply, Trouble};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use symbolon_oauth::bearer::read_challenges;
use symbolon_oauth::jwk::Algorithm;
use symbolon_oauth::metadata::{AuthorizationServerMetadata, well_known_oauth};
use symbolon_oauth::{base64url, dpop, jws};
use tokio::sync::OnceCell;

/// However long a server asks for, an hour later the app tries again.
const MOST_PATIENCE_S: u64 = 3600;

/// Who the app is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Exactly as the server writes it.
    pub issuer: String,
    pub client_id: String,
    /// A claimed https link, a reversed domain name with one slash, or a loopback address with its port (RFC 8252 7).
    pub redirect_uri: String,
}

/// One server, one installation. Shared by everything the app does.
pub struct Server {
    pub settings: Settings,
    pub platform: Platform,
    metadata: OnceCell<AuthorizationServerMetadata>,
    /// The newest nonce of every server, by origin (RFC 9449 8.2).
    nonces: Mutex<BTreeMap<String, String>>,
    patience: Mutex<Patience>,
    pub(crate) attestation: tokio::sync::Mutex<Option<Attestation>>,
}

#[derive(Default)]
struct Patience {
    until_s: i64,
    failures: u32,
}

/// A value that no panic can leave half written.
pub(crate) fn locked<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Scheme, host and port.
fn origin(url: &str) -> String {
    url::Url::parse(url).map(|it| it.origin().ascii_serialization()).unwrap_or_default()
}

/// Tokens and codes travel over TLS, or stay on this device.
pub(crate) fn must_be_safe(url: &str) -> Result<(), Trouble> {
    let parsed = url::Url::parse(url).map_err(|_| Trouble::Wrong(format!("{url} is no URL")))?;
    let here = parsed.scheme() == "http" && matches!(parsed.host_str(), Some("127.0.0.1" | "[::1]"));
    if parsed.scheme() == "https" || here { Ok(()) } else { Err(Trouble::Wrong(format!("{url} is not https"))) }
}

/// The `error` of an answer: in a challenge, as RFC 6750 3 wants it of an API, or in the body, as RFC 6749 5.2 wants it of the server.
pub(crate) fn error_of(answer: &Answer) -> String {
    let challenge = challenges(answer).into_iter().find(|(name, _)| name == "error").map(|(_, value)| value);
    challenge.unwrap_or_else(|| answer.json()["error"].as_str().unwrap_or_default().to_owned())
}

/// All parameters of all challenges.
pub(crate) fn challenges(answer: &Answer) -> Vec<(String, String)> {
    answer.all("www-authenticate").flat_map(read_challenges).flat_map(|(_, parameters)| parameters).collect()
}

fn wants_a_nonce(answer: &Answer) -> bool {
    matches!(answer.status, 400 | 401) && error_of(answer) == "use_dpop_nonce"
}

fn form_request(url: &str, form: &[(&str, &str)]) -> Request {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    Request::post(url, "application/x-www-form-urlencoded", body.into_bytes())
}

impl Server {
    pub fn new(settings: Settings, platform: Platform) -> Self {
        Self {
            settings,
            platform,
            metadata: OnceCell::new(),
            nonces: Mutex::default(),
            patience: Mutex::default(),
            attestation: tokio::sync::Mutex::default(),
        }
    }

    pub(crate) fn now_s(&self) -> i64 {
        self.platform.device.now_s()
    }

    /// N random bytes in base64url.
    pub(crate) fn random<const N: usize>(&self) -> Result<[u8; N], Trouble> {
        let mut out = [0; N];
        self.platform.device.random(&mut out)?;
        Ok(out)
    }

    /// Read once; whoever asks meanwhile waits for the same answer.
    pub async fn metadata(&self) -> Result<&AuthorizationServerMetadata, Trouble> {
        self.metadata.get_or_try_init(|| self.discover()).await
    }

    async fn discover(&self) -> Result<AuthorizationServerMetadata, Trouble> {
        must_be_safe(&self.settings.issuer)?;
        let request = Request::get(&well_known_oauth(&self.settings.issuer));
        let answer = match self.platform.http.send(request.clone()).await {
            Ok(it) => it,
            Err(_) => self.platform.http.send(request).await?,
        };
        let read = serde_json::from_slice::<AuthorizationServerMetadata>(&answer.body).ok();
        let Some(it) = read.filter(|_| answer.status == 200) else {
            return Err(Trouble::later(format!("the server's metadata cannot be read (status {})", answer.status)));
        };
        // RFC 8414 3.3: identical, byte for byte; RFC 9207 2.4; RFC 9700 2.1.1.
        if it.issuer != self.settings.issuer {
            return Err(Trouble::Wrong("the metadata is another issuer's".to_owned()));
        }
        if !it.authorization_response_iss_parameter_supported || !it.code_challenge_methods_supported.iter().any(|it| it == "S256") {
            return Err(Trouble::Wrong("the server does not say who it is when it answers (iss), or has no PKCE with S256".to_owned()));
        }
        for url in [&it.authorization_endpoint, &it.token_endpoint, &it.pushed_authorization_request_endpoint, &it.revocation_endpoint] {
            url.as_deref().map_or(Ok(()), must_be_safe)?;
        }
        Ok(it)
    }

    /// An endpoint the app cannot do without.
    pub(crate) fn endpoint(it: &Option<String>) -> Result<&str, Trouble> {
        it.as_deref().ok_or_else(|| Trouble::Wrong("the server lacks an endpoint that the app needs".to_owned()))
    }

    /// A proof for one request, with the newest nonce of that server. Made when it is sent, so that none waits while the key store is locked.
    async fn proof(&self, request: &Request, token: Option<&str>) -> Result<Option<String>, Trouble> {
        let Some(keys) = &self.platform.keys else { return Ok(None) };
        let jwk = keys.public_key().await?;
        let jti = base64url::encode(&self.random::<16>()?);
        let nonce = locked(&self.nonces).get(&origin(&request.url)).cloned();
        let (method, url, iat) = (request.method.as_str(), request.url.as_str(), self.now_s());
        let it = dpop::Statement { method, url, nonce: nonce.as_deref(), access_token: token, jti: &jti, iat };
        let input = dpop::signing_input(&jwk, Algorithm::ES256, &it).map_err(|it| Trouble::Wrong(format!("{it:?}")))?;
        let signature = keys.sign(input.as_bytes()).await?;
        if signature.len() != 64 {
            return Err(Trouble::Wrong("the key store's signature is not r and s".to_owned()));
        }
        Ok(Some(jws::with_signature(&input, &signature)))
    }

    async fn once(&self, request: &Request, token: Option<&str>) -> Result<Result<Answer, Unavailable>, Trouble> {
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
            locked(&self.nonces).insert(origin(url), nonce.to_owned());
        }
    }

    /// One request with its proof. A second one if the server wants its nonce in it (RFC 9449 8 and 9), and, where doing it twice does
    /// no harm (`resend`), if no answer came. Each has a proof of its own: a used one would be refused.
    pub async fn send(&self, request: Request, token: Option<&str>, resend: bool) -> Result<Answer, Trouble> {
        let (mut may_resend, mut may_prove_again) = (resend, self.platform.keys.is_some());
        loop {
            match self.once(&request, token).await? {
                Err(_) if may_resend => may_resend = false,
                Err(why) => return Err(why.into()),
                Ok(answer) if may_prove_again && wants_a_nonce(&answer) => may_prove_again = false,
                Ok(answer) => return Ok(answer),
            }
        }
    }

    /// POST of a form with a proof, not before the server wants to hear of us again.
    pub(crate) async fn form(&self, url: &str, form: &[(&str, &str)], attestation: Option<&str>, resend: bool) -> Result<Reply, Trouble> {
        self.must_wait_no_longer()?;
        let mut request = form_request(url, form);
        if let Some(attestation) = attestation {
            request = request.with("oauth-client-attestation", attestation);
        }
        let answer = self.send(request, None, resend).await?;
        Ok(self.reply(&answer))
    }

    /// Without a proof, for what is asked before there is a key.
    pub(crate) async fn plain_form(&self, url: &str, form: &[(&str, &str)]) -> Result<Reply, Trouble> {
        self.must_wait_no_longer()?;
        let answer = self.platform.http.send(form_request(url, form)).await?;
        self.keep_nonce(url, &answer);
        Ok(self.reply(&answer))
    }

    fn reply(&self, answer: &Answer) -> Reply {
        Reply { status: answer.status, body: answer.json(), retry_after_s: self.learn_patience(answer) }
    }

    /// The same as this client: with its attestation, and with fresh evidence if the server wants some. Nothing was consumed by the
    /// request that had too old a one.
    pub async fn post(&self, url: &str, form: &[(&str, &str)], resend: bool) -> Result<Reply, Trouble> {
        let used = self.attestation(None).await?;
        let reply = self.form(url, form, used.as_deref(), resend).await?;
        if reply.error() != "use_fresh_attestation" || self.platform.attester.is_none() {
            return Ok(reply);
        }
        let fresh = self.attestation(Some(used.as_deref())).await?;
        self.form(url, form, fresh.as_deref(), resend).await
    }

    fn must_wait_no_longer(&self) -> Result<(), Trouble> {
        let left_s = u64::try_from(locked(&self.patience).until_s - self.now_s()).unwrap_or(0);
        // A clock that was set back does not make us wait for days.
        if left_s == 0 || left_s > MOST_PATIENCE_S {
            return Ok(());
        }
        Err(Trouble::Later { why: "the server asked for patience".to_owned(), after_s: Some(left_s) })
    }

    /// After 429 or 5xx: as long as `Retry-After` says (RFC 9110 10.2.3, seconds), else twice as long as the last time.
    fn learn_patience(&self, answer: &Answer) -> Option<u64> {
        let mut patience = locked(&self.patience);
        if answer.status != 429 && answer.status < 500 {
            *patience = Patience::default();
            return None;
        }
        let said = answer.all("retry-after").next().and_then(|it| it.trim().parse().ok());
        let wait_s = said.unwrap_or(1 << patience.failures.min(8)).min(MOST_PATIENCE_S);
        patience.failures += 1;
        patience.until_s = self.now_s() + i64::try_from(wait_s).unwrap_or(0);
        Some(wait_s)
    }

    /// Pushes an authorization request (RFC 9126); answers the address for the browser, which carries only a reference.
    pub async fn push(&self, parameters: &[(&str, &str)]) -> Result<String, Trouble> {
        let metadata = self.metadata().await?;
        let Settings { client_id, redirect_uri, .. } = &self.settings;
        let mut form = vec![("client_id", client_id.as_str()), ("response_type", "code"), ("redirect_uri", redirect_uri)];
        form.extend_from_slice(parameters);
        let reply = self.post(Self::endpoint(&metadata.pushed_authorization_request_endpoint)?, &form, true).await?;
        let uri = reply.body["request_uri"].as_str().filter(|_| reply.is_good()).ok_or_else(|| reply.trouble())?;
        let pairs = [("client_id", client_id.as_str()), ("request_uri", uri)];
        let mut address =
            url::Url::parse(Self::endpoint(&metadata.authorization_endpoint)?).map_err(|it| Trouble::Wrong(it.to_string()))?;
        address.query_pairs_mut().extend_pairs(pairs);
        Ok(address.into())
    }

    async fn token(&self, grant_type: &str, more: &[(&str, &str)], resend: bool) -> Result<Reply, Trouble> {
        let mut form = vec![("grant_type", grant_type), ("client_id", &self.settings.client_id)];
        form.extend(more.iter().filter(|(_, value)| !value.is_empty()));
        self.post(Self::endpoint(&self.metadata().await?.token_endpoint)?, &form, resend).await
    }

    /// RFC 6749 4.1.3 and RFC 7636 4.5. `resource`: RFC 8707, may be empty. Only a code that is held by a key may be sent twice.
    pub async fn exchange(&self, code: &str, verifier: &str, resource: &str) -> Result<Reply, Trouble> {
        let redirect_uri = self.settings.redirect_uri.as_str();
        let more = [("code", code), ("code_verifier", verifier), ("redirect_uri", redirect_uri), ("resource", resource)];
        self.token("authorization_code", &more, self.platform.keys.is_some()).await
    }

    /// RFC 6749 6. The answer to the same refresh token is the same successor, so a lost one is asked for again.
    pub async fn refresh(&self, refresh_token: &str, resource: &str) -> Result<Reply, Trouble> {
        self.token("refresh_token", &[("refresh_token", refresh_token), ("resource", resource)], true).await
    }

    /// RFC 7009.
    pub async fn revoke(&self, token: &str) -> Result<Reply, Trouble> {
        let url = Self::endpoint(&self.metadata().await?.revocation_endpoint)?;
        self.post(url, &[("client_id", &self.settings.client_id), ("token", token)], true).await
    }

    /// What is kept under this name, if it can be read.
    pub(crate) async fn kept<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Trouble> {
        Ok(self.platform.storage.read(name).await?.and_then(|it| serde_json::from_str(&it).ok()))
    }

    pub(crate) async fn keep<T: serde::Serialize>(&self, name: &str, value: Option<&T>) -> Result<(), Trouble> {
        let text = value.map(serde_json::to_string).transpose().map_err(|it| Trouble::Wrong(it.to_string()))?;
        Ok(self.platform.storage.write(name, text.as_deref()).await?)
    }
}

/// A text member of an answer.
pub(crate) fn text(body: &Value, name: &str) -> Option<String> {
    body[name].as_str().map(str::to_owned)
}
