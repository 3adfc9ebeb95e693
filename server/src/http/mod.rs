//! The route table: which endpoint answers which path, and which checks run before it.
//!
//! | check                        | where                                             |
//! |------------------------------|---------------------------------------------------|
//! | method, content type, coding | `ROUTES` and `read`, for every endpoint           |
//! | size of header, body, time   | `serve` and `read`                                |
//! | parameter given twice        | `symbolon_oauth::form`, for every endpoint        |
//! | who is calling               | `Callers::identify`: token, par, introspect, revoke |
//! | a person's session           | `sessions::of_browser`: authorize, account, logout |
//! | a form of ours               | `login::form_token`: login, account, logout       |
//! | what an authorization may ask | `authorize::check`: authorize and par alike      |

pub mod account;
pub mod authorize;
pub mod browser;
pub mod endings;
pub mod introspect;
pub mod login;
pub mod login_page;
pub mod logout;
pub mod metadata;
pub mod pages;
pub mod par;
pub mod reply;
pub mod revoke;
pub mod settle;
pub mod token;
pub mod userinfo;

use crate::app::App;
use crate::attesting::{attester, authentication, challenge};
use crate::error::{Error, Refused, Result};
use crate::login::state::Journey;
use crate::refusals;
use crate::web::body::{Body, Takes, parse_form};
use crate::web::certificate;
use crate::web::reply::Reply;
use crate::web::request::{self, Incoming, Known, Peer};
use bytes::Bytes;
use http::{Method, Request, header};
use serde_json::Map;
use std::net::IpAddr;
use std::sync::Arc;
use symbolon_oauth::form::Form;

/// Who a route is for; it decides how a failure looks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    Browsers,
    Programs,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    Account,
    Attest,
    AttestChallenge,
    Authorize,
    Challenge,
    Endings,
    Health,
    Home,
    Introspect,
    Jwks,
    Login,
    LoginPage,
    Logout,
    Metadata,
    Par,
    Register,
    Reset,
    Revoke,
    Token,
    Userinfo,
}

struct Route {
    path: &'static str,
    endpoint: Endpoint,
    get: bool,
    post: bool,
    of: For,
    /// May a script of another origin read the answer? Never where a browser's session is in play (039-R).
    cors: bool,
}

const fn route(path: &'static str, endpoint: Endpoint, methods: &str, of: For, cors: bool) -> Route {
    let both = methods.len() == 8;
    let get = both || methods.len() == 3;
    Route { path, endpoint, get, post: both || !get, of, cors }
}

impl Route {
    /// HEAD is GET without effects (RFC 9110 9.3.2). Pages for people begin a sign-in, spend a request or sign out (568-V); only the
    /// first one does nothing.
    fn head(&self) -> bool {
        self.get && (self.of == For::Programs || self.endpoint == Endpoint::Home)
    }

    fn answers(&self, method: &Method) -> bool {
        match *method {
            Method::POST => self.post,
            Method::GET => self.get,
            Method::HEAD => self.head(),
            _ => false,
        }
    }

    /// RFC 9110 15.5.6.
    fn allow(&self) -> String {
        [Method::GET, Method::HEAD, Method::POST].iter().filter(|it| self.answers(it)).map(Method::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// Paths are below the issuer's own path. RFC 8414's inserted form is handled in `find`.
const ROUTES: &[Route] = &[
    route("/", Endpoint::Home, "GET", For::Browsers, false),
    route("/.well-known/oauth-authorization-server", Endpoint::Metadata, "GET", For::Programs, true),
    route("/.well-known/openid-configuration", Endpoint::Metadata, "GET", For::Programs, true),
    route("/account", Endpoint::Account, "GET+POST", For::Browsers, false),
    route("/attest", Endpoint::Attest, "POST", For::Programs, false),
    route("/attest/challenge", Endpoint::AttestChallenge, "POST", For::Programs, false),
    route("/authorize", Endpoint::Authorize, "GET+POST", For::Browsers, false),
    route("/challenge", Endpoint::Challenge, "POST", For::Programs, true),
    route("/endings", Endpoint::Endings, "POST", For::Programs, false),
    route("/health", Endpoint::Health, "GET", For::Programs, false),
    route("/introspect", Endpoint::Introspect, "POST", For::Programs, false),
    route("/jwks", Endpoint::Jwks, "GET", For::Programs, true),
    route("/login", Endpoint::Login, "POST", For::Browsers, false),
    route("/login/{address}", Endpoint::LoginPage, "GET+POST", For::Browsers, false),
    route("/logout", Endpoint::Logout, "GET+POST", For::Browsers, false),
    route("/par", Endpoint::Par, "POST", For::Programs, false),
    route("/register", Endpoint::Register, "GET", For::Browsers, false),
    route("/reset", Endpoint::Reset, "GET", For::Browsers, false),
    route("/revoke", Endpoint::Revoke, "POST", For::Programs, true),
    route("/token", Endpoint::Token, "POST", For::Programs, true),
    route("/userinfo", Endpoint::Userinfo, "GET+POST", For::Programs, true),
];

/// Every path of the table, for the test that keeps `docs/specs.md` true.
pub fn paths() -> impl Iterator<Item = &'static str> {
    ROUTES.iter().map(|it| it.path)
}

/// Answers one request. Nothing here panics or waits without a limit.
pub async fn handle<B>(app: Arc<App>, request: Request<B>, peer: &Peer) -> Reply
where
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let started = std::time::Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut record = Record::default();
    let work = answer(&app, request, peer, &mut record);
    #[cfg(feature = "otel")]
    let work = tracing::Instrument::instrument(work, tracing::info_span!("request", method = %method, otel.kind = "server"));
    let mut answer = work.await;
    if method == Method::HEAD {
        *answer.body_mut() = Bytes::new();
    }
    finish(&app, &mut answer);
    let status = answer.status().as_u16();
    // One record per request. The path is a route of ours or "unknown": query strings carry codes (578-V).
    tracing::info!(
        method = %method, route = record.route, status, address = %record.address.unwrap_or(peer.address),
        microseconds = started.elapsed().as_micros() as u64, error = record.code, reason = record.reason, "request"
    );
    metrics::counter!("symbolon_requests_total", "route" => record.route, "method" => known(&method), "status" => status.to_string())
        .increment(1);
    metrics::histogram!("symbolon_request_seconds", "route" => record.route).record(started.elapsed());
    if !record.code.is_empty() {
        metrics::counter!("symbolon_refusals_total", "route" => record.route, "error" => record.code).increment(1);
    }
    if record.route == "unknown" {
        // Its beginning tells what was meant; the rest may be anything, a code even.
        tracing::debug!(path = ?path.chars().take(24).collect::<String>(), "no such path");
    }
    answer
}

/// A method as a label: one of few, whatever a caller invents.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

struct Record {
    route: &'static str,
    address: Option<IpAddr>,
    code: &'static str,
    reason: String,
}

impl Default for Record {
    fn default() -> Self {
        Self { route: "unknown", address: None, code: "", reason: String::new() }
    }
}

async fn answer<B>(app: &Arc<App>, request: Request<B>, peer: &Peer, record: &mut Record) -> Reply
where
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if let Some(asset) = asset(app, &request) {
        record.route = "/assets";
        return asset;
    }
    let Some(route) = find(app, request.uri().path()) else {
        return reply::failure(
            app,
            None,
            wants_html(&request),
            &Refused::new(404, "not_found", "There is nothing at this address.").into(),
        );
    };
    record.route = route.path;
    let browser = route.of == For::Browsers;
    let cors = route.cors;
    if cors && request.method() == Method::OPTIONS {
        return preflight();
    }
    let incoming = match read(app, route, request, peer).await {
        Ok(it) => it,
        Err(error) => {
            let mut reply = failed(app, None, browser, &error, record).await;
            if reply.status() == 405 {
                reply::set(&mut reply, header::ALLOW, &route.allow());
            }
            return reply;
        }
    };
    record.address = Some(incoming.address);
    let mut reply = match run(app, route.endpoint, &incoming).await {
        Ok(it) => it,
        Err(error) => failed(app, Some(&incoming), browser, &error, record).await,
    };
    // RFC 9449 8.2: whoever proves a key gets the next nonce with every answer.
    if incoming.headers.contains_key("dpop")
        && let Some(nonce) = crate::dpop::nonce(app, incoming.now_ms)
    {
        reply::set(&mut reply, header::HeaderName::from_static("dpop-nonce"), &nonce);
    }
    // The same for whoever is attested: with the error that asks for a challenge it must come, with others it may.
    if incoming.headers.contains_key(authentication::ATTESTATION)
        && let Some(challenge) = challenge::challenge(app, incoming.now_ms)
    {
        reply::set(&mut reply, header::HeaderName::from_static(challenge::CHALLENGE), &challenge);
    }
    if cors {
        reply::set(&mut reply, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        reply::set(&mut reply, header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    reply
}

/// What a page of another origin may read beside the body.
const EXPOSED: &str = "WWW-Authenticate, DPoP-Nonce, Retry-After, OAuth-Client-Attestation-Challenge";

async fn failed(app: &App, incoming: Option<&Incoming>, browser: bool, error: &Error, record: &mut Record) -> Reply {
    if let Error::Refused(it) = error {
        record.code = it.code;
        record.reason = it.private.clone();
        if let Some(incoming) = incoming {
            Box::pin(refusals::record(app, incoming, it)).await;
        }
    }
    reply::failure(app, incoming, browser, error)
}

/// The endpoints. Each arm is boxed, so that one rare large future does not grow every request.
async fn run(app: &Arc<App>, endpoint: Endpoint, incoming: &Incoming) -> Result<Reply> {
    match endpoint {
        Endpoint::Account => Box::pin(account::account(app, incoming)).await,
        Endpoint::Attest => Box::pin(attester::attest(&app.callers.attesting, app, incoming)).await,
        Endpoint::AttestChallenge => Box::pin(attester::challenge(app, incoming)).await,
        Endpoint::Authorize => Box::pin(authorize::authorize(app, incoming)).await,
        Endpoint::Challenge => Ok(challenge::challenge_endpoint(app, incoming)),
        Endpoint::Endings => Box::pin(endings::endings(app, incoming)).await,
        Endpoint::Health => metadata::health(app).await,
        Endpoint::Home => metadata::home(app, incoming),
        Endpoint::Introspect => Box::pin(introspect::introspect(app, incoming)).await,
        Endpoint::Jwks => Ok(metadata::jwks(app, incoming.now_ms)),
        Endpoint::Login => Box::pin(login::answer_first(app, incoming)).await,
        Endpoint::LoginPage => Box::pin(login_page::page(app, incoming)).await,
        Endpoint::Logout => Box::pin(logout::logout(app, incoming)).await,
        Endpoint::Metadata => Ok(metadata::metadata(app)),
        Endpoint::Par => Box::pin(par::par(app, incoming)).await,
        Endpoint::Register => Box::pin(login::own(app, incoming, Journey::Register { draft: None }, None)).await,
        Endpoint::Reset => Box::pin(login::own(app, incoming, Journey::Reset, None)).await,
        Endpoint::Revoke => Box::pin(revoke::revoke(app, incoming)).await,
        Endpoint::Token => Box::pin(token::token(app, incoming)).await,
        Endpoint::Userinfo => Box::pin(userinfo::userinfo(app, incoming)).await,
    }
}

/// The route of a path: exact, below the issuer's path; plus RFC 8414 3.1, which inserts the well-known part before it.
fn find(app: &App, path: &str) -> Option<&'static Route> {
    let base = app.config.issuer_path();
    let below = match path.strip_prefix(base) {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => {
            let inserted = path.strip_suffix(base)?;
            if !inserted.starts_with("/.well-known/") {
                return None;
            }
            inserted
        }
    };
    if below.starts_with("/login/") {
        return ROUTES.iter().find(|it| it.endpoint == Endpoint::LoginPage);
    }
    ROUTES.iter().find(|it| it.path == below)
}

fn asset<B>(app: &App, request: &Request<B>) -> Option<Reply> {
    let path = request.uri().path().strip_prefix(app.config.issuer_path())?.strip_prefix("/assets/")?;
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return None;
    }
    let asset = app.pages.asset(path)?;
    let etag = format!("\"{}\"", asset.version);
    let fresh = request.headers().get(header::IF_NONE_MATCH).is_some_and(|it| it.as_bytes() == etag.as_bytes());
    let mut reply = if fresh { reply::empty(304) } else { reply::body(200, asset.mime, asset.bytes.clone()) };
    reply::set(&mut reply, header::ETAG, &etag);
    reply::set(&mut reply, header::CACHE_CONTROL, "public, max-age=3600");
    // A picture opened by itself runs nothing.
    reply::set(&mut reply, header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; sandbox");
    Some(reply)
}

fn wants_html<B>(request: &Request<B>) -> bool {
    request.headers().get(header::ACCEPT).and_then(|it| it.to_str().ok()).is_some_and(|it| it.contains("text/html"))
}

/// The checks all endpoints share: method, coding, content type, size, time, parameters given twice.
async fn read<B>(app: &App, route: &Route, request: Request<B>, peer: &Peer) -> Result<Incoming>
where
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (parts, body) = request.into_parts();
    let parameter =
        if route.path.ends_with('}') { parts.uri.path().rsplit('/').next().unwrap_or_default().to_owned() } else { String::new() };
    let posted = parts.method == Method::POST;
    if !route.answers(&parts.method) {
        return Err(Refused::new(405, "invalid_request", "This address does not answer that HTTP method.").into());
    }
    let (mut form, mut json) = (Form::default(), Map::new());
    if posted {
        let empty_is_fine = matches!(route.endpoint, Endpoint::Userinfo | Endpoint::Challenge | Endpoint::Endings);
        let takes = if empty_is_fine { Takes::FormOrNothing } else { Takes::Form };
        match Body::read(&parts.headers, body, takes).await? {
            Body::Form(read) => form = read,
            Body::Json(read) => json = read,
            Body::Empty => {}
        }
    }
    let query = parse_form(parts.uri.query().unwrap_or_default().as_bytes())?;
    let address = request::address(&parts.headers, peer.address, &app.config.trusted_proxies);
    let proxies = app.config.mtls.as_ref().map(|mtls| &mtls.client_cert_from);
    let certificate = certificate::of_request(&parts.headers, peer.address, peer.certificates.as_ref(), proxies);
    let (method, headers) = (parts.method, parts.headers);
    Ok(Incoming {
        method,
        route: route.path,
        parameter,
        query,
        form,
        json,
        headers,
        address,
        certificate,
        now_ms: app.now_ms(),
        known: Known::default(),
    })
}

fn preflight() -> Reply {
    let mut reply = reply::empty(204);
    reply::set(&mut reply, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    reply::set(&mut reply, header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST");
    reply::set(&mut reply, header::ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type, DPoP");
    reply::set(&mut reply, header::ACCESS_CONTROL_MAX_AGE, "3600");
    reply
}

/// Headers every answer carries (559-V, 562-V, 577-V).
fn finish(app: &App, reply: &mut Reply) {
    let headers = reply.headers_mut();
    let fixed = [(header::X_CONTENT_TYPE_OPTIONS, "nosniff"), (header::X_FRAME_OPTIONS, "DENY"), (header::REFERRER_POLICY, "no-referrer")];
    for (name, value) in fixed {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(header::HeaderValue::from_static("no-store"));
    if headers.get(header::CONTENT_TYPE).is_some_and(|it| it.as_bytes().starts_with(b"text/html")) {
        headers.insert("cross-origin-opener-policy", header::HeaderValue::from_static("same-origin"));
        headers.insert("cross-origin-resource-policy", header::HeaderValue::from_static("same-origin"));
        headers.insert("permissions-policy", header::HeaderValue::from_static("camera=(), microphone=(), geolocation=()"));
    }
    if app.config.issuer.starts_with("https://") {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, header::HeaderValue::from_static("max-age=63072000; includeSubDomains"));
    }
}
