//! What an API adds: a tower layer that accepts this issuer's access tokens for this API, and says exactly why not
//! otherwise. RFC 9068 (JWT access tokens), RFC 7662 (opaque ones), RFC 6750 (how a refusal looks), RFC 9449 (DPoP).
//!
//! ```no_run
//! use symbolon_resource::Guard;
//! let guard = Guard::new("https://login.example.com", "https://api.example.com/orders");
//! let read = guard.require("orders:read");   // a layer for the routes that need this scope
//! # let _ = read;
//! ```
//!
//! The checked token is in the request's extensions as [`Token`].

mod answer;
mod certificate;
mod dpop;
mod ended;
mod issuer;
mod replay;

pub use certificate::Peer;
pub use symbolon_oauth::access_token::AccessToken as Token;
pub use symbolon_oauth::jwk::Algorithm;

use answer::Ways;
use bytes::Bytes;
use dpop::Dpop;
use ended::Ended;
use http::{HeaderMap, Request, Response, header};
use http_body_util::{Either, Full};
use ipnet::IpNet;
use issuer::Issuer;
use replay::Memory;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use symbolon_oauth::access_token::{self, Rejected};
use symbolon_oauth::bearer::{self, Presented};
use symbolon_oauth::certificate::parse_net;
use symbolon_oauth::dpop_nonce::NonceKey;
use symbolon_oauth::jws::Unverified;
use symbolon_oauth::scope::Scope;
use tower::{Layer, Service};

/// Seconds since the epoch, as a value.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// One API's view of its issuer. Cheap to clone; all clones share the cached keys and the memory of DPoP proofs.
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    issuer: Issuer,
    audience: String,
    clock: Clock,
    dpop: Dpop,
    proxies: Vec<IpNet>,
    ended: Option<Arc<Ended>>,
}

/// What the guard looks at of a request.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    pub method: &'a str,
    /// As it came, behind [`Guard::public_url`].
    pub path: &'a str,
    pub query: Option<&'a str>,
    pub headers: &'a HeaderMap,
    /// What is known of the connection; needed for tokens bound to a certificate.
    pub peer: Option<&'a Peer>,
}

/// What a route needs of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    scope: Option<String>,
    acr_values: Vec<String>,
    max_age_s: Option<i64>,
}

impl Needs {
    /// A scope.
    pub fn scope(scope: &str) -> Self {
        Self { scope: Some(scope.to_owned()), ..Self::default() }
    }

    /// One of these authentication context classes (RFC 9470 3).
    pub fn acr(mut self, values: &[&str]) -> Self {
        self.acr_values = values.iter().map(|it| (*it).to_owned()).collect();
        self
    }

    /// That the person signed in at most this long ago (RFC 9470 3).
    pub fn max_age(mut self, age: std::time::Duration) -> Self {
        self.max_age_s = Some(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
        self
    }

    /// Scope first: without it no sign-in helps.
    fn met_by(&self, token: &Token, now_s: i64) -> Result<(), Refusal> {
        if let Some(needed) = &self.scope {
            let has = token.scope.as_deref().and_then(Scope::parse).unwrap_or_default();
            if !has.contains(needed) {
                return Err(Refusal::Scope(needed.clone()));
            }
        }
        let strong = self.acr_values.is_empty() || token.acr.as_ref().is_some_and(|it| self.acr_values.contains(it));
        // A token that does not say when the person signed in is old.
        let recent = self.max_age_s.is_none_or(|most| token.auth_time.is_some_and(|it| now_s - it <= most));
        if strong && recent { Ok(()) } else { Err(Refusal::Authentication(self.clone())) }
    }
}

impl<'a> Call<'a> {
    pub fn of<B>(request: &'a Request<B>) -> Self {
        let uri = request.uri();
        Self {
            method: request.method().as_str(),
            path: uri.path(),
            query: uri.query(),
            headers: request.headers(),
            peer: request.extensions().get(),
        }
    }
}

/// A call that is let in.
#[derive(Clone, Debug, PartialEq)]
pub struct Admitted {
    pub token: Token,
    /// To be sent with the answer, as `DPoP-Nonce`; the tower layer does it.
    pub next_nonce: Option<String>,
}

/// Why a call is refused. Nothing here holds a byte of the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No token at all: a challenge without an error code (RFC 6750 3.1).
    Missing,
    /// A malformed request: several tokens, or a token where none belongs.
    Request(&'static str),
    /// A token that is not good here, and what to do about it.
    Token(String),
    /// A DPoP proof that does not hold for this request (RFC 9449 7.1).
    Proof(&'static str),
    /// A new proof is wanted, with this nonce (RFC 9449 9).
    Nonce(String),
    /// A good token without the scope this route needs.
    Scope(String),
    /// A good token of a person who has to sign in better, or again (RFC 9470).
    Authentication(Needs),
    /// The issuer cannot be reached and nothing is cached.
    Unavailable,
}

#[expect(clippy::disallowed_methods, reason = "time enters here and is passed on as a value")]
fn system_clock() -> Clock {
    Arc::new(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

impl Guard {
    /// `issuer` as the server's metadata says it, byte for byte; `audience` is this API's resource identifier.
    pub fn new(issuer: &str, audience: &str) -> Self {
        Self::with_clock(issuer, audience, system_clock())
    }

    pub fn with_clock(issuer: &str, audience: &str, clock: Clock) -> Self {
        let dpop = Dpop::new(audience);
        Self(Arc::new(Inner { issuer: Issuer::new(issuer), audience: audience.to_owned(), clock, dpop, proxies: Vec::new(), ended: None }))
    }

    fn with(self, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = (*self.0).clone();
        change(&mut inner);
        Self(Arc::new(inner))
    }

    /// For opaque tokens: the API's name and introspection secret at the server.
    pub fn introspect_as(self, name: &str, secret: &str) -> Self {
        self.with(|it| it.issuer = it.issuer.clone().introspecting_as(name, secret))
    }

    /// Follows what ends before its time (a person signs out, an operator revokes a device), so that a token of it is refused here
    /// within a second, a JWT or an opaque one, whose introspection is believed for five. Needs the API's name and introspection
    /// secret, and a tokio runtime. While the issuer cannot be reached, tokens are good until they expire.
    pub fn follow_endings_as(self, name: &str, secret: &str) -> Self {
        let clock = Arc::clone(&self.0.clock);
        self.with(|it| it.ended = Some(ended::start(Issuer::new(it.issuer.name()).introspecting_as(name, secret), clock)))
    }

    /// Offers DPoP. The URL under which apps reach this API, up to where the request's path begins; a proof names it. It is
    /// configured, because a Host or forwarding header says what the caller likes (163-D).
    pub fn public_url(self, url: &str) -> Self {
        self.with(|it| it.dpop.set_public_url(url))
    }

    /// Refuses bearer tokens. On a clone, for some routes only: `guard.clone().require_dpop(true).require("orders:write")`.
    pub fn require_dpop(self, required: bool) -> Self {
        self.with(|it| it.dpop.required = required)
    }

    /// Wants a nonce of ours in every proof: then none can be made in advance (RFC 9449 9, 11.2).
    pub fn require_nonce(self, required: bool) -> Self {
        self.with(|it| it.dpop.nonce_required = required)
    }

    /// The key of the nonces, where several processes serve one API; otherwise each process draws its own.
    pub fn nonce_key(self, key: &[u8; 32]) -> Self {
        self.with(|it| it.dpop.nonces = Some(NonceKey::new(key, &it.audience)))
    }

    /// The algorithms a proof may be signed with; ES256, EdDSA, PS256 and RS256 where nothing is said.
    pub fn dpop_algorithms(self, algorithms: &[Algorithm]) -> Self {
        self.with(|it| it.dpop.algorithms = algorithms.to_vec())
    }

    /// How many proofs are remembered, for about three minutes each; half a million where nothing is said. Beyond that
    /// calls are asked for a new proof rather than let in. Forgets what was remembered.
    pub fn replay_capacity(self, proofs: usize) -> Self {
        self.with(|it| it.dpop.memory = Arc::new(Memory::new(proofs)))
    }

    /// The proxies, addresses or CIDR blocks, whose `Client-Cert` header says which certificate the app showed (RFC 9440). They
    /// must take away what an app sends under that name. Without any, the certificate is that of the connection itself ([`Peer`]).
    pub fn client_cert_from(self, proxies: &[&str]) -> Self {
        let read = |text: &&str| {
            let net = parse_net(text);
            if net.is_none() {
                tracing::error!(text, "this is neither an address nor a CIDR block: no proxy there is trusted");
            }
            net
        };
        self.with(|it| it.proxies = proxies.iter().filter_map(read).collect())
    }

    /// A layer that lets in whoever has a token for this API, whatever its scope.
    pub fn layer(&self) -> GuardLayer {
        self.needs(Needs::default())
    }

    /// A layer that also wants this scope.
    pub fn require(&self, scope: &str) -> GuardLayer {
        self.needs(Needs::scope(scope))
    }

    /// A layer that wants all of this.
    pub fn needs(&self, needs: Needs) -> GuardLayer {
        GuardLayer { guard: self.clone(), needs }
    }

    /// The check itself, for callers that are not tower services.
    pub async fn check(&self, call: &Call<'_>, needs: &Needs) -> Result<Admitted, Refusal> {
        let dpop = &self.0.dpop;
        match presented(call)? {
            Presented::Bearer(_) if dpop.required => {
                Err(refuse("This call takes tokens that are bound to a key. Ask for one with a DPoP proof, and send it as DPoP."))
            }
            Presented::Bearer(text) => {
                let token = self.token(text).await?;
                dpop.must_be_unbound(&token)?;
                certificate::must_fit(call, &token, &self.0.proxies)?;
                needs.met_by(&token, (self.0.clock)())?;
                Ok(Admitted { token, next_nonce: None })
            }
            Presented::Dpop(text) => {
                let token = self.token(text).await?;
                let now_s = (self.0.clock)();
                let proof = dpop.prove(call, text, &token, now_s)?;
                certificate::must_fit(call, &token, &self.0.proxies)?;
                needs.met_by(&token, now_s)?;
                dpop.burn(&proof, now_s)?;
                Ok(Admitted { token, next_nonce: dpop.next_nonce(&proof, now_s) })
            }
        }
    }

    /// The refusal of a call as an answer, with the challenges of this guard.
    pub fn answer(&self, call: &Call<'_>, refusal: &Refusal) -> Response<Bytes> {
        let dpop = &self.0.dpop;
        let used_dpop = matches!(authorization(call).next().and_then(bearer::parse), Some(Presented::Dpop(_)));
        let ways = Ways { bearer: !dpop.required, dpop: (dpop.offered() || dpop.required).then(|| dpop.algs()), used_dpop };
        let answer = answer::refusal(refusal, &ways);
        if answer::is_grpc(call.headers) { answer::as_grpc(answer, refusal) } else { answer }
    }

    async fn token(&self, text: &str) -> Result<Token, Refusal> {
        let token = if text.starts_with("sa_") { self.opaque(text).await } else { self.jwt(text).await }?;
        if let Some(ended) = &self.0.ended
            && ended.has(&token, text, (self.0.clock)()).await
        {
            return Err(refuse("The session of this token has ended. Sign in again."));
        }
        Ok(token)
    }

    async fn jwt(&self, text: &str) -> Result<Token, Refusal> {
        let now_s = (self.0.clock)();
        if let Some(foreign) = self.foreign(text) {
            return Err(refuse(&foreign));
        }
        let expected = access_token::Expected { issuer: self.0.issuer.name(), audience: &self.0.audience, now_s, leeway_s: 5 };
        let kid = Unverified::parse(text).ok().and_then(|it| it.kid().map(str::to_owned));
        let keys = self.0.issuer.keys(kid.as_deref(), now_s).await.ok_or(Refusal::Unavailable)?;
        access_token::check(text, &keys, expected).map_err(|why| refuse(&self.explain(&why)))
    }

    async fn opaque(&self, text: &str) -> Result<Token, Refusal> {
        let now_s = (self.0.clock)();
        let found = self.0.issuer.introspect(text, now_s).await.map_err(|it| match it {
            issuer::Unanswered::NotConfigured => refuse("This API takes JWT access tokens; this one is opaque and meant for another API."),
            issuer::Unanswered::Unreachable => Refusal::Unavailable,
        })?;
        let token =
            found.ok_or_else(|| refuse("The token is unknown, expired, ended, or for another API. Refresh it, or sign in again."))?;
        if token.aud != self.0.audience || token.iss != self.0.issuer.name() {
            return Err(refuse("The token is for another API. Ask for one with this API's resource identifier."));
        }
        if now_s >= token.exp {
            return Err(refuse("The token has expired. Refresh it."));
        }
        Ok(token)
    }

    /// The foreign token diagnosis: what the thing is that was sent in place of an access token of ours, and what the app
    /// should do. Read without verifying, so it only ever refuses.
    fn foreign(&self, text: &str) -> Option<String> {
        if text.starts_with("sr_") {
            return Some("This is a refresh token. Send it to the token endpoint only; call the API with the access token.".to_owned());
        }
        if text.starts_with("sc_") {
            return Some("This is an authorization code. Exchange it at the token endpoint first.".to_owned());
        }
        let Ok(token) = Unverified::parse(text) else {
            return Some("This is not an access token of this API's issuer: it is not a JWT that can be read.".to_owned());
        };
        let claims = token.unverified_claims();
        let ours = claims.get("iss").and_then(serde_json::Value::as_str) == Some(self.0.issuer.name());
        if !ours {
            return Some(format!(
                "This token comes from another issuer, such as a social provider. The API takes tokens of {} only: sign in there, by whatever way it offers, and use the access token it gives.",
                self.0.issuer.name()
            ));
        }
        if token.typ().is_none_or(|it| !it.eq_ignore_ascii_case(access_token::TYP)) {
            return Some(
                "This is an ID token or another JWT of the issuer, not an access token. Send the access_token of the token response."
                    .to_owned(),
            );
        }
        None
    }

    fn explain(&self, why: &Rejected) -> String {
        match why {
            Rejected::WrongAudience => {
                format!("This token is for another API. Ask the token endpoint for one with resource={}.", self.0.audience)
            }
            Rejected::Expired => "The token has expired. Refresh it.".to_owned(),
            Rejected::NotYet => "The token is not valid yet: a clock is wrong.".to_owned(),
            Rejected::UnknownKey | Rejected::BadSignature => "The token's signature was not made by this API's issuer.".to_owned(),
            Rejected::WrongIssuer | Rejected::WrongType(_) | Rejected::Malformed | Rejected::MissingClaim(_) => {
                "This is not an access token as RFC 9068 wants it.".to_owned()
            }
        }
    }
}

fn refuse(why: &str) -> Refusal {
    Refusal::Token(why.to_owned())
}

/// The Authorization headers; one that is no text reads as an empty one.
fn authorization<'a>(call: &Call<'a>) -> impl Iterator<Item = &'a str> {
    call.headers.get_all(header::AUTHORIZATION).iter().map(|it| it.to_str().unwrap_or_default())
}

/// One token, in the header (RFC 6750 2.1); anywhere else it is a mistake worth naming.
fn presented<'a>(call: &Call<'a>) -> Result<Presented<'a>, Refusal> {
    if call.query.is_some_and(|it| it.split('&').any(|it| it == "access_token" || it.starts_with("access_token="))) {
        return Err(Refusal::Request("Send the access token in the Authorization header, never in the URL."));
    }
    let mut all = authorization(call);
    let Some(first) = all.next() else { return Err(Refusal::Missing) };
    if all.next().is_some() {
        return Err(Refusal::Request("There is more than one Authorization header."));
    }
    bearer::parse(first).ok_or(Refusal::Request("The Authorization header is not a Bearer or DPoP token."))
}

/// The body of an answer: the service's own, or that of a refusal. Whatever body the service has, as axum, hyper and tonic have theirs.
pub type Answer<R> = Either<R, Full<Bytes>>;

#[derive(Clone)]
pub struct GuardLayer {
    guard: Guard,
    needs: Needs,
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guarded<S>;
    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, layer: self.clone() }
    }
}

/// A service behind a guard.
#[derive(Clone)]
pub struct Guarded<S> {
    inner: S,
    layer: GuardLayer,
}

impl<S, B, R> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response<Answer<R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The clone that was made ready serves; a fresh one takes its place.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let layer = self.layer.clone();
        Box::pin(async move {
            let (method, uri, headers) = (request.method().clone(), request.uri().clone(), request.headers().clone());
            let peer: Option<Peer> = request.extensions().get().cloned();
            let call = Call { method: method.as_str(), path: uri.path(), query: uri.query(), headers: &headers, peer: peer.as_ref() };
            match layer.guard.check(&call, &layer.needs).await {
                Ok(Admitted { token, next_nonce }) => {
                    request.extensions_mut().insert(token);
                    let mut response = inner.call(request).await?;
                    if let Some(nonce) = next_nonce {
                        answer::give_nonce(response.headers_mut(), &nonce);
                    }
                    Ok(response.map(Either::Left))
                }
                Err(refusal) => Ok(layer.guard.answer(&call, &refusal).map(|it| Either::Right(Full::new(it)))),
            }
        })
    }
}
