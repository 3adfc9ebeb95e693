//! The part of an API: a tower layer that accepts access tokens of one issuer for one API. It says exactly why it refuses any other call.
//! RFC 9068 (JWT access tokens), RFC 7662 (opaque ones), RFC 6750 (the form of a refusal), RFC 9449 (DPoP).
//!
//! ```no_run
//! use symbolon_resource::Guard;
//! let guard = Guard::new("https://login.example.com", "https://api.example.com/orders");
//! let read = guard.require("orders:read");   // a layer for the routes that need this scope
//! # let _ = read;
//! ```
//!
//! The layer puts the checked token into the request's extensions as [`Token`].

mod answer;
mod certificate;
mod dpop;
mod ended;
mod issuer;
mod observe;
mod replay;

pub use certificate::Peer;
pub use observe::{Observe, Observed, UNKNOWN};
pub use symbolon_oauth::access_token::Confirmation;
pub use symbolon_oauth::jwk::Algorithm;

use answer::Schemes;
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
use symbolon_oauth::access_token::{self, AccessToken, Rejected};
use symbolon_oauth::bearer::{self, Presented};
use symbolon_oauth::certificate::parse_net;
use symbolon_oauth::dpop_nonce::NonceKey;
use symbolon_oauth::jws::Unverified;
use symbolon_oauth::scope::Scope;
use tower::{Layer, Service};

/// The claims of a token that was checked.
pub type Token = AccessToken<'static>;

/// Seconds since the epoch, as a value.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The guard of one API. Cheap to clone. All clones share the cached keys and the memory of DPoP proofs.
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

/// The parts of a request that the guard reads.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    pub method: &'a str,
    /// The path behind [`Guard::public_url`], as it was sent.
    pub path: &'a str,
    pub query: Option<&'a str>,
    pub headers: &'a HeaderMap,
    /// The connection. Tokens that are bound to a certificate need it.
    pub peer: Option<&'a Peer>,
}

/// What a route requires of a token.
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

    /// A sign-in of the person at most this long ago (RFC 9470 3).
    pub fn max_age(mut self, age: std::time::Duration) -> Self {
        self.max_age_s = Some(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
        self
    }

    /// Checks the scope first: without the scope, a new sign-in does not help.
    fn must_be_met(&self, token: &Token, now_s: i64) -> Result<(), Refusal> {
        if let Some(needed) = &self.scope {
            let scope = token.scope.as_deref().and_then(Scope::parse).unwrap_or_default();
            if !scope.contains(needed) {
                return Err(Refusal::Scope(needed.clone()));
            }
        }
        let is_strong = self.acr_values.is_empty() || token.acr.as_ref().is_some_and(|acr| self.acr_values.iter().any(|it| it == acr));
        // A token without the time of the sign-in counts as old.
        let is_recent = self.max_age_s.is_none_or(|max_s| token.auth_time.is_some_and(|it| now_s - it <= max_s));
        if is_strong && is_recent { Ok(()) } else { Err(Refusal::Authentication(self.clone())) }
    }
}

impl<'a> Call<'a> {
    pub fn from_request<B>(request: &'a Request<B>) -> Self {
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

/// A call that is accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Admitted {
    pub token: Token,
    /// The value of the answer's `DPoP-Nonce` header. The tower layer adds it.
    pub next_nonce: Option<String>,
}

/// What became of a call at a route that may be observed.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    Admitted(Box<Admitted>),
    /// A foreign token: nobody is authenticated, and the API's old check decides.
    Observed(Observed),
}

/// Why a call is refused. No variant contains a byte of the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is no token: the challenge has no error code (RFC 6750 3.1).
    Missing,
    /// The request is malformed: it has several tokens, or a token in the wrong place.
    Request(&'static str),
    /// The token is not valid here. The text says what to do about it.
    Token(String),
    /// The DPoP proof is not valid for this request (RFC 9449 7.1).
    Proof(&'static str),
    /// The app must make a new proof with this nonce (RFC 9449 9).
    Nonce(String),
    /// The token is valid and lacks the scope that this route requires.
    Scope(String),
    /// The token is valid, but the person must sign in again, or in a stronger way (RFC 9470).
    Authentication(Needs),
    /// The issuer cannot be reached, and nothing is cached.
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
    /// `issuer` is byte for byte the one of the server's metadata. `audience` is this API's resource identifier.
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

    /// Accepts opaque tokens. `name` and `secret` are the API's own for introspection at the server.
    pub fn introspect_as(self, name: &str, secret: &str) -> Self {
        self.with(|it| it.issuer = it.issuer.clone().with_credentials(name, secret))
    }

    /// Follows what ends early, for example when a person signs out or an operator revokes a device. Tokens of such a session are refused
    /// here within a second, JWTs and opaque ones alike. (An introspection answer alone is used for five seconds.) This needs the API's
    /// name and introspection secret, and a tokio runtime. While the issuer cannot be reached, tokens are valid until they expire.
    pub fn follow_endings_as(self, name: &str, secret: &str) -> Self {
        let clock = Arc::clone(&self.0.clock);
        self.with(|it| it.ended = Some(ended::start(Issuer::new(it.issuer.name()).with_credentials(name, secret), clock)))
    }

    /// Offers DPoP. `url` is the one under which apps reach this API, up to where the request's path begins. A proof names it. It is
    /// configured, because a caller can put anything into a Host or forwarding header (163-D).
    pub fn public_url(self, url: &str) -> Self {
        self.with(|it| it.dpop.set_public_url(url))
    }

    /// Refuses bearer tokens. A clone does so for some routes only: `guard.clone().require_dpop(true).require("orders:write")`.
    pub fn require_dpop(self, required: bool) -> Self {
        self.with(|it| it.dpop.required = required)
    }

    /// Requires a nonce of ours in every proof, so that nobody can make a proof in advance (RFC 9449 9, 11.2).
    pub fn require_nonce(self, required: bool) -> Self {
        self.with(|it| it.dpop.nonce_required = required)
    }

    /// Sets the key of the nonces, for several processes that serve one API. Without it, each process draws its own.
    pub fn nonce_key(self, key: &[u8; 32]) -> Self {
        self.with(|it| it.dpop.nonces = Some(NonceKey::new(key, &it.audience)))
    }

    /// Sets the algorithms of proofs. The default is ES256, EdDSA, PS256 and RS256.
    pub fn dpop_algorithms(self, algorithms: &[Algorithm]) -> Self {
        self.with(|it| it.dpop.algorithms = algorithms.to_vec())
    }

    /// Sets how many proofs are remembered, for about three minutes each. The default is half a million. Beyond that, calls are asked for a
    /// new proof and not accepted. This call forgets all proofs.
    pub fn replay_capacity(self, proofs: usize) -> Self {
        self.with(|it| it.dpop.memory = Arc::new(Memory::new(proofs)))
    }

    /// Sets the proxies, as addresses or CIDR blocks, whose `Client-Cert` header has the app's certificate (RFC 9440). They must remove any
    /// header of that name that an app sends. Without proxies, the certificate is that of the connection itself ([`Peer`]).
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

    /// A layer that accepts every token for this API, whatever its scope.
    pub fn layer(&self) -> GuardLayer {
        self.needs(Needs::default())
    }

    /// A layer that also requires this scope.
    pub fn require(&self, scope: &str) -> GuardLayer {
        self.needs(Needs::scope(scope))
    }

    /// A layer that requires all of this.
    pub fn needs(&self, needs: Needs) -> GuardLayer {
        GuardLayer { guard: self.clone(), needs, observe: None }
    }

    /// The check itself, for callers that are not tower services.
    pub async fn check(&self, call: &Call<'_>, needs: &Needs) -> Result<Admitted, Refusal> {
        let dpop = &self.0.dpop;
        match read_token(call)? {
            Presented::Bearer(_) if dpop.required => {
                Err(refuse("This call takes tokens that are bound to a key. Ask for one with a DPoP proof, and send it as DPoP."))
            }
            Presented::Bearer(text) => {
                let token = self.check_token(text).await?;
                dpop.must_be_unbound(&token)?;
                certificate::must_match(call, &token, &self.0.proxies)?;
                needs.must_be_met(&token, (self.0.clock)())?;
                Ok(Admitted { token, next_nonce: None })
            }
            Presented::Dpop(text) => {
                let token = self.check_token(text).await?;
                let now_s = (self.0.clock)();
                let proof = dpop.check_proof(call, text, &token, now_s)?;
                certificate::must_match(call, &token, &self.0.proxies)?;
                needs.must_be_met(&token, now_s)?;
                dpop.use_once(&proof, now_s)?;
                Ok(Admitted { token, next_nonce: dpop.next_nonce(&proof, now_s) })
            }
        }
    }

    /// The check of a route that lets foreign tokens through for a while. A route that requires DPoP never does.
    pub async fn check_or_observe(&self, call: &Call<'_>, needs: &Needs, observe: Option<&Observe>) -> Result<Seen, Refusal> {
        let now_s = (self.0.clock)();
        let observed = observe.filter(|_| !self.0.dpop.required).and_then(|it| it.recognise(call, self.0.issuer.name(), now_s));
        match observed {
            Some(observed) => Ok(Seen::Observed(observed)),
            None => self.check(call, needs).await.map(|it| Seen::Admitted(Box::new(it))),
        }
    }

    /// Makes the answer that refuses a call, with the challenges of this guard. A gRPC call gets it in gRPC's form.
    pub fn answer(&self, call: &Call<'_>, refusal: &Refusal) -> Response<Bytes> {
        let answer = self.http_answer(call, refusal);
        if answer::is_grpc(call.headers) { answer::as_grpc(answer, refusal) } else { answer }
    }

    /// The same in HTTP's form, whatever the call says of itself. In gRPC's form a refusal has status 200: a proxy that asks whether to
    /// pass a call on would read it as yes.
    pub fn http_answer(&self, call: &Call<'_>, refusal: &Refusal) -> Response<Bytes> {
        let dpop = &self.0.dpop;
        let used_dpop = matches!(authorization(call).next().and_then(bearer::parse), Some(Presented::Dpop(_)));
        let schemes = Schemes { bearer: !dpop.required, dpop: (dpop.offered() || dpop.required).then(|| dpop.algs()), used_dpop };
        answer::refusal(refusal, &schemes)
    }

    async fn check_token(&self, text: &str) -> Result<Token, Refusal> {
        let token = if text.starts_with("sa_") { self.check_opaque(text).await } else { self.check_jwt(text).await }?;
        if let Some(ended) = &self.0.ended
            && ended.has(&token, text, (self.0.clock)()).await
        {
            return Err(refuse("The session of this token has ended. Sign in again."));
        }
        Ok(token)
    }

    async fn check_jwt(&self, text: &str) -> Result<Token, Refusal> {
        let now_s = (self.0.clock)();
        if let Some(diagnosis) = self.diagnose_foreign(text) {
            return Err(refuse(&diagnosis));
        }
        let expected = access_token::Expected { issuer: self.0.issuer.name(), audience: &self.0.audience, now_s, leeway_s: 5 };
        let kid = Unverified::parse(text).ok().and_then(|it| it.kid().map(str::to_owned));
        let keys = self.0.issuer.keys(kid.as_deref(), now_s).await.ok_or(Refusal::Unavailable)?;
        access_token::check(text, &keys, expected).map_err(|why| refuse(&self.explain(&why)))
    }

    async fn check_opaque(&self, text: &str) -> Result<Token, Refusal> {
        let now_s = (self.0.clock)();
        let found = self.0.issuer.introspect(text, now_s).await.map_err(|why| match why {
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

    /// Says what was sent in place of an access token of ours, and what the app should do. The token is read without verification, so this
    /// can only refuse.
    fn diagnose_foreign(&self, text: &str) -> Option<String> {
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
        let is_ours = claims.get("iss").and_then(serde_json::Value::as_str) == Some(self.0.issuer.name());
        if !is_ours {
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

/// The Authorization headers. One that is no text reads as an empty one.
fn authorization<'a>(call: &Call<'a>) -> impl Iterator<Item = &'a str> {
    call.headers.get_all(header::AUTHORIZATION).iter().map(|it| it.to_str().unwrap_or_default())
}

/// Reads the one token, from the header (RFC 6750 2.1). A token in another place gets an answer that says so.
fn read_token<'a>(call: &Call<'a>) -> Result<Presented<'a>, Refusal> {
    let is_token = |parameter: &str| parameter == "access_token" || parameter.starts_with("access_token=");
    if call.query.is_some_and(|it| it.split('&').any(is_token)) {
        return Err(Refusal::Request("Send the access token in the Authorization header, never in the URL."));
    }
    let mut all = authorization(call);
    let Some(first) = all.next() else { return Err(Refusal::Missing) };
    if all.next().is_some() {
        return Err(Refusal::Request("There is more than one Authorization header."));
    }
    bearer::parse(first).ok_or(Refusal::Request("The Authorization header is not a Bearer or DPoP token."))
}

/// The body of an answer: the service's own, or that of a refusal. The service may have any body: axum, hyper and tonic have different
/// ones.
pub type Answer<R> = Either<R, Full<Bytes>>;

#[derive(Clone)]
pub struct GuardLayer {
    guard: Guard,
    needs: Needs,
    observe: Option<Observe>,
}

impl GuardLayer {
    /// Lets foreign tokens through for a while, to the API's old check. Such a request has [`Observed`] in its extensions, and no [`Token`].
    pub fn observe(mut self, observe: Observe) -> Self {
        self.observe = Some(observe);
        self
    }
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
        // The clone that is ready serves this request. A fresh clone takes its place.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let layer = self.layer.clone();
        Box::pin(async move {
            let (method, uri, headers) = (request.method().clone(), request.uri().clone(), request.headers().clone());
            let peer: Option<Peer> = request.extensions().get().cloned();
            let call = Call { method: method.as_str(), path: uri.path(), query: uri.query(), headers: &headers, peer: peer.as_ref() };
            match layer.guard.check_or_observe(&call, &layer.needs, layer.observe.as_ref()).await {
                Ok(Seen::Observed(observed)) => {
                    request.extensions_mut().remove::<Token>();
                    request.extensions_mut().insert(observed);
                    inner.call(request).await.map(|it| it.map(Either::Left))
                }
                Ok(Seen::Admitted(admitted)) => {
                    let Admitted { token, next_nonce } = *admitted;
                    request.extensions_mut().insert(token);
                    let mut response = inner.call(request).await?;
                    if let Some(nonce) = next_nonce {
                        answer::add_nonce(response.headers_mut(), &nonce);
                    }
                    Ok(response.map(Either::Left))
                }
                Err(refusal) => Ok(layer.guard.answer(&call, &refusal).map(|it| Either::Right(Full::new(it)))),
            }
        })
    }
}

/// The page's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/apis/rust.md")]
struct Page;
