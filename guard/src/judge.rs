//! Is a call let through to its API? The first route of the API that fits path and method decides. A call that fits none is refused.

use crate::asked::{Asked, Upgrade};
use crate::config::{self, Config};
use crate::counts::Counts;
use crate::identity::{self, Outcome};
use crate::origins;
use crate::path::Pattern;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response, StatusCode, header};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use symbolon_oauth::base64url;
use symbolon_resource::{Admitted, Call, Clock, Guard, Needs, Observe, Peer, Refusal, Seen};

/// The APIs by the names that proxies use.
pub struct Apis {
    all: BTreeMap<String, Api>,
    counts: Arc<Counts>,
}

pub struct Api {
    pub name: String,
    pub client_certificates: bool,
    counts: Arc<Counts>,
    guard: Guard,
    pass_token: bool,
    preflight: bool,
    origins: Vec<String>,
    claims: Vec<String>,
    routes: Vec<Route>,
}

struct Route {
    pattern: Pattern,
    methods: Option<Vec<String>>,
    websocket: bool,
    observe: Option<Observe>,
    /// `None`: the route is public.
    checks: Option<(Guard, Needs)>,
}

pub enum Verdict {
    Pass(Pass),
    Refuse(Response<Bytes>),
}

/// What goes with a call that passes.
#[derive(Debug, Default)]
pub struct Pass {
    /// For the API: every header of ours, empty ones too.
    pub headers: Vec<(String, String)>,
    /// For the API: the token stays in its header.
    pub keeps_token: bool,
    /// For the app.
    pub next_nonce: Option<String>,
}

pub fn check_secrets(config: &Config) -> Result<(), String> {
    for (name, api) in &config.api {
        let read = || -> Result<(), String> {
            api.nonce_key.as_ref().map(read_key).transpose()?;
            api.credentials.as_ref().map(|it| it.secret.read()).transpose()?;
            Ok(())
        };
        read().map_err(|it| format!("[api.{name}]: {it}"))?;
    }
    Ok(())
}

fn read_key(source: &config::Source) -> Result<[u8; 32], String> {
    let key = base64url::decode(&source.read()?).and_then(|it| it.try_into().ok());
    key.ok_or_else(|| "nonce_key: 32 bytes in base64url".to_owned())
}

impl Apis {
    /// Reads the secrets. `clock` is a value for tests.
    pub fn new(config: &Config, clock: Option<Clock>) -> Result<Self, String> {
        let counts = Arc::new(Counts::default());
        let api = |(name, api): (&String, &config::Api)| {
            Api::new(config, name, (api, &counts), clock.clone()).map(|it| (name.clone(), it)).map_err(|it| format!("[api.{name}]: {it}"))
        };
        let all = config.api.iter().map(api).collect::<Result<_, _>>()?;
        Ok(Self { all, counts })
    }

    pub fn get(&self, name: &str) -> Option<&Api> {
        self.all.get(name)
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

impl Api {
    fn new(config: &Config, name: &str, (api, counts): (&config::Api, &Arc<Counts>), clock: Option<Clock>) -> Result<Self, String> {
        let mut guard = match clock {
            Some(clock) => Guard::with_clock(&config.issuer, &api.audience, clock),
            None => Guard::new(&config.issuer, &api.audience),
        };
        if let Some(url) = &api.public_url {
            guard = guard.public_url(url);
        }
        if let Some(source) = &api.nonce_key {
            guard = guard.nonce_key(&read_key(source)?);
        }
        if let Some(proofs) = api.replay_capacity {
            guard = guard.replay_capacity(proofs);
        }
        if let Some(own) = &api.credentials {
            let secret = own.secret.read()?;
            guard = guard.introspect_as(&own.name, &secret).follow_endings_as(&own.name, &secret);
        }
        let routes = api.routes.iter().map(|it| Route::new(&guard, it)).collect::<Result<_, _>>()?;
        Ok(Self {
            name: name.to_owned(),
            client_certificates: api.client_certificates,
            counts: Arc::clone(counts),
            guard,
            pass_token: api.pass_token,
            preflight: api.preflight,
            origins: api.origins.clone(),
            claims: api.claims.clone(),
            routes,
        })
    }

    /// `asked` is the call, or what is wrong with its form.
    pub async fn judge(&self, asked: Result<Asked, &'static str>) -> Verdict {
        let (verdict, outcome, reason) = self.judge_quietly(asked).await;
        metrics::counter!("symbolon_guard_calls_total", "api" => self.name.clone(), "outcome" => outcome).increment(1);
        if let Verdict::Refuse(answer) = &verdict {
            tracing::info!(api = self.name, status = answer.status().as_u16(), outcome, reason, "a call is refused");
        }
        verdict
    }

    /// The same refusal, for the script of this origin to read where the API's configuration has it.
    pub fn shown_to(&self, origin: Option<&str>, mut refusal: Response<Bytes>) -> Response<Bytes> {
        origins::show(&self.origins, origin, &mut refusal);
        refusal
    }

    /// The same for a call that was judged and counted before.
    pub async fn judge_again(&self, asked: Result<Asked, &'static str>) -> Verdict {
        self.judge_quietly(asked).await.0
    }

    async fn judge_quietly(&self, asked: Result<Asked, &'static str>) -> (Verdict, &'static str, String) {
        match asked {
            Err(why) => self.refuse(None, &Refusal::Request(why)),
            Ok(asked) => self.decide(&asked).await,
        }
    }

    async fn decide(&self, asked: &Asked) -> (Verdict, &'static str, String) {
        let route = match self.find_route(asked) {
            Ok(route) => route,
            Err(why) => return self.refuse(Some((&self.guard, asked)), &Refusal::Request(why)),
        };
        let Some(route) = route else {
            return (no_route(), "no_route", format!("no route fits {} {}", asked.method, asked.path.sent));
        };
        let guard = route.checks.as_ref().map_or(&self.guard, |(guard, _)| guard);
        let is_allowed = match asked.upgrade() {
            Upgrade::None => true,
            Upgrade::WebSocket => route.websocket,
            Upgrade::Other => false,
        };
        if !is_allowed {
            return self.refuse(Some((guard, asked)), &Refusal::Request("This route does not change to another protocol."));
        }
        let Some((guard, needs)) = &route.checks else { return self.pass(Outcome::Public, None) };
        if self.preflight && asked.is_preflight() {
            return self.pass(Outcome::Preflight, None);
        }
        let peer = Peer { address: None, certificate: asked.certificate.clone() };
        match guard.check_or_observe(&call(asked, &peer), needs, route.observe.as_ref()).await {
            Ok(Seen::Admitted(admitted)) => self.pass(Outcome::Token, Some(*admitted)),
            Ok(Seen::Observed(observed)) => {
                self.counts.add(&self.name, route.pattern.as_str(), &observed);
                self.pass(Outcome::Observed, None)
            }
            Err(refusal) => self.refuse(Some((guard, asked)), &refusal),
        }
    }

    /// The first route that fits. A server that ignores case, or a slash at the end, must find the same one.
    fn find_route(&self, asked: &Asked) -> Result<Option<&Route>, &'static str> {
        let has_method = |route: &Route| route.methods.as_ref().is_none_or(|it| it.contains(&asked.method));
        let exact = self.routes.iter().position(|it| has_method(it) && it.pattern.fits(&asked.path));
        let folded = self.routes.iter().position(|it| has_method(it) && it.pattern.fits_folded(&asked.path));
        if exact != folded {
            return Err("The path differs from a known one in capital letters or in a slash at the end only.");
        }
        Ok(exact.and_then(|it| self.routes.get(it)))
    }

    fn pass(&self, outcome: Outcome, admitted: Option<Admitted>) -> (Verdict, &'static str, String) {
        let headers = identity::headers(outcome, admitted.as_ref().map(|it| &it.token), &self.claims);
        // The API's old check needs the foreign token.
        let keeps_token = outcome == Outcome::Observed || self.pass_token && outcome == Outcome::Token;
        let next_nonce = admitted.and_then(|it| it.next_nonce);
        (Verdict::Pass(Pass { headers, keeps_token, next_nonce }), outcome.as_str(), String::new())
    }

    fn refuse(&self, about: Option<(&Guard, &Asked)>, refusal: &Refusal) -> (Verdict, &'static str, String) {
        let nothing = HeaderMap::new();
        let none = Call { method: "GET", path: "/", query: None, headers: &nothing, peer: None };
        let peer = Peer::default();
        let (guard, call) = about.map_or((&self.guard, none), |(guard, asked)| (guard, call(asked, &peer)));
        let (outcome, reason) = words(refusal);
        (Verdict::Refuse(guard.http_answer(&call, refusal)), outcome, reason)
    }
}

impl Route {
    fn new(guard: &Guard, route: &config::Route) -> Result<Self, String> {
        let pattern = Pattern::parse(&route.path)?;
        let mut needs = route.scope.as_deref().map(Needs::scope).unwrap_or_default();
        if !route.acr_values.is_empty() {
            needs = needs.acr(&route.acr_values.iter().map(String::as_str).collect::<Vec<_>>());
        }
        if let Some(age_s) = route.max_age_s {
            needs = needs.max_age(Duration::from_secs(age_s.into()));
        }
        let guard = guard.clone().require_dpop(route.require_dpop).require_nonce(route.require_nonce);
        let observe = route.observe.as_ref().map(observe).transpose()?;
        let checks = (!route.public).then_some((guard, needs));
        Ok(Self { pattern, methods: route.methods.clone(), websocket: route.websocket, observe, checks })
    }
}

fn observe(settings: &config::Observe) -> Result<Observe, String> {
    let issuers: Vec<&str> = settings.issuers.iter().map(String::as_str).collect();
    let observe = Observe::new(&issuers, settings.until_s().ok_or("observe: until is no day")?);
    match &settings.version_header {
        Some(name) => HeaderName::try_from(name.as_str()).map(|it| observe.version_from(it)).map_err(|it| it.to_string()),
        None => Ok(observe),
    }
}

fn call<'a>(asked: &'a Asked, peer: &'a Peer) -> Call<'a> {
    Call { method: &asked.method, path: &asked.path.sent, query: asked.query.as_deref(), headers: &asked.headers, peer: Some(peer) }
}

/// A refusal for metrics and the log. No text has a byte of the token.
fn words(refusal: &Refusal) -> (&'static str, String) {
    match refusal {
        Refusal::Missing => ("missing", "no token".to_owned()),
        Refusal::Request(text) => ("invalid_request", (*text).to_owned()),
        Refusal::Token(text) => ("invalid_token", text.clone()),
        Refusal::Proof(text) => ("invalid_dpop_proof", (*text).to_owned()),
        Refusal::Nonce(_) => ("use_dpop_nonce", "the proof needs a nonce of the guard, or was seen before".to_owned()),
        Refusal::Scope(scope) => ("insufficient_scope", format!("the token lacks the scope {scope}")),
        Refusal::Authentication(_) => ("insufficient_user_authentication", "the sign-in is too weak or too old".to_owned()),
        Refusal::Unavailable => ("unavailable", "the issuer cannot be reached".to_owned()),
    }
}

fn no_route() -> Verdict {
    Verdict::Refuse(json(StatusCode::FORBIDDEN, "no_route", "The guard knows no route for this method and path."))
}

/// A refusal that is not about a token.
pub fn json(status: StatusCode, error: &str, text: &str) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from(serde_json::json!({ "error": error, "error_description": text }).to_string()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    answer.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    answer
}
