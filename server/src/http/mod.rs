//! From a request to its answer. The path names a row of the table, the row names the checks, then the endpoint answers.
//!
//! The row says which checks an endpoint needs; `web::route` explains its words. `Reading::read` and `check_and_answer` make those for which
//! row and request are enough. `answer_caller` identifies programs. Cookies and the tokens of our forms are checked by the endpoint. This
//! table says where each check is made. `tests/it/tidy/checks.rs` compares it with the code and with the rows.
//!
//! | check                               | where                                                                                                                       |
//! |-------------------------------------|-----------------------------------------------------------------------------------------------------------------------------|
//! | places, and bytes that are kept     | `Places::take`, `Place::charge`                                                                                             |
//! | time of a connection                | `connection::serve_within`                                                                                                  |
//! | the host that is asked              | `Links::addressed`, `routes::find`                                                                                          |
//! | method                              | `Route::must_answer`                                                                                                        |
//! | coding, content type, size, time    | `Body::read`                                                                                                                |
//! | a name twice, U+0000                | `Body::read`, `body::parse_form`                                                                                            |
//! | fetched ahead, sent by another site | `Route::must_be_meant`                                                                                                      |
//! | posted by another site              | `come_back::is_needed`                                                                                                      |
//! | scripts of other origins            | `cors::preflight`, `cors::allow_reading`                                                                                    |
//! | caller: Client                      | `Callers::identify`                                                                                                         |
//! | caller: Api                         | `Callers::api`                                                                                                              |
//! | caller: ClientOrApi                 | `Callers::client_or_api`                                                                                                    |
//! | caller: Token                       | `held_token::of_request`                                                                                                    |
//! | caller: Registration                | `registration::own_of_request`                                                                                              |
//! | caller: Session                     | `browser_session::for_our_pages`, `browser_session::for_client`, `browser_session::with_account`, `browser_session::at_all` |
//! | caller: SignIn                      | `SignInCookie::of`, `handover::open`                                                                                        |
//! | a proof that must come along        | `Route::must_come_with_proof`                                                                                               |
//! | a proof of a key                    | `dpop::of_request`                                                                                                          |
//! | a form of ours                      | `browser::verified_form`                                                                                                    |
//! | who may have screens of its own     | `native::admit`                                                                                                             |
//! | what an authorization may ask       | `request::check`, `request::check_native`                                                                                   |

pub mod account;
pub mod account_links;
mod account_passkeys;
pub mod approvals;
pub mod assets;
mod auth_session;
pub mod authorize;
pub mod authorize_challenge;
pub mod backchannel_authentication;
pub mod browser;
pub mod browser_session;
mod come_back;
pub mod continue_page;
mod cors;
pub mod device;
pub mod device_authorization;
pub mod endings;
pub mod handover;
mod held_token;
pub mod introspect;
pub mod kiosk;
pub mod links;
pub mod login;
pub mod login_begin;
pub mod login_page;
pub mod logout;
pub mod metadata;
pub mod pages;
pub mod par;
pub mod pending;
pub mod pending_device;
pub mod plugin;
pub mod registration;
mod remembered;
pub mod reply;
pub mod revoke;
pub mod routes;
pub mod settle;
pub mod stop;
pub mod token;
pub mod upstream;
pub mod upstream_events;
pub mod upstream_logout;
pub mod upstream_sign_out;
pub mod userinfo;
pub mod wallet;
pub mod well_known;

use crate::app::App;
use crate::attesting::{authentication, challenge};
use crate::caller;
use crate::error::{Error, Refused, Result};
use crate::refusals;
use crate::web::headers;
use crate::web::reply::Reply;
use crate::web::request::{Host, Incoming, Peer, Reading};
use crate::web::route::{PathParameters, ServedAt};
use bytes::Bytes;
use http::{Method, Request, header};
use reply::FailureReader;
use routes::{AnswerFuture, Handler, Row};
use std::net::IpAddr;
use std::sync::Arc;
use symbolon_oauth::base64url;

/// Answers one request. Nothing here panics or waits without a limit.
pub async fn handle<B>(app: Arc<App>, request: Request<B>, peer: &Peer) -> Reply
where
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let started = std::time::Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut record = Record::new();
    let work = answer(&app, request, peer, &mut record);
    #[cfg(feature = "otel")]
    let work = tracing::Instrument::instrument(work, tracing::info_span!("request", method = %method, otel.kind = "server"));
    let mut answer = work.await;
    if method == Method::HEAD {
        *answer.body_mut() = Bytes::new();
    }
    finish(&app, &mut answer);
    let status = answer.status().as_u16();
    if status >= 400 {
        reply::set(&mut answer, header::HeaderName::from_static(reply::REQUEST_ID), &record.id);
    }
    // One record per request. The path is a route of ours or "unknown": query strings carry codes (578-V).
    tracing::info!(
        id = record.id, method = %method, route = record.route, status, address = %record.address.unwrap_or(peer.address),
        microseconds = started.elapsed().as_micros() as u64, client = record.client, error = record.code, reason = record.reason, "request"
    );
    metrics::counter!("symbolon_requests_total", "route" => record.route, "method" => known(&method), "status" => status.to_string())
        .increment(1);
    metrics::histogram!("symbolon_request_seconds", "route" => record.route).record(started.elapsed());
    if !record.code.is_empty() {
        metrics::counter!("symbolon_refusals_total", "route" => record.route, "error" => record.code).increment(1);
    }
    if record.route == "unknown" {
        // Its first part tells what was meant; the rest may be anything, a code or a reference even.
        let first = path.split('/').nth(1).unwrap_or_default();
        tracing::debug!(path = ?first.chars().take(24).collect::<String>(), "no such path");
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
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

struct Record {
    /// What a person or a developer can report.
    id: String,
    route: &'static str,
    address: Option<IpAddr>,
    /// As it proved itself; of a refused request and of a public client, as it calls itself.
    client: String,
    code: &'static str,
    reason: String,
}

impl Record {
    fn note(&mut self, error: &Error) {
        if let Error::Refused(refused) = error {
            self.note_refusal(refused);
        }
    }

    fn note_refusal(&mut self, refused: &Refused) {
        self.code = refused.code;
        self.reason = refused.reason().to_owned();
    }

    fn new() -> Self {
        let id = crate::seal::random::<9>().map(|bytes| base64url::encode(&bytes)).unwrap_or_default();
        Self { id, route: "unknown", address: None, client: String::new(), code: "", reason: String::new() }
    }
}

async fn answer<B>(app: &Arc<App>, request: Request<B>, peer: &Peer, record: &mut Record) -> Reply
where
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let named = app.links.addressed(request.uri(), request.headers(), peer, &app.config.trusted_proxies);
    let languages = (None, headers::texts(request.headers(), "accept-language"));
    let mut reader = FailureReader { is_browser: false, languages, id: record.id.clone(), method: None };
    let host = match named {
        Ok(host) => host,
        Err(why) => {
            let refused = links::misdirected(why).into();
            record.note(&refused);
            return reply::failure(app, &reader, &refused);
        }
    };
    let Some((row, parameters)) = find(app, &host, request.uri().path()) else {
        let refused = Refused::new(404, "not_found", "There is nothing at this address.");
        reader.is_browser = headers::names(request.headers(), "accept", "text/html");
        let error = refused.into();
        record.note(&error);
        return reply::failure(app, &reader, &error);
    };
    let route = &row.route;
    record.route = route.path;
    reader.is_browser = route.is_for_browsers();
    if host == Host::Unknown
        && route.is_for_browsers()
        && request.method() == Method::GET
        && let Some(there) = app.links.under_own_name(&app.config, request.uri(), request.headers())
    {
        return reply::see_other(&there);
    }
    if route.cors && request.method() == Method::OPTIONS {
        return cors::preflight(route);
    }
    let reading = Reading {
        route,
        host,
        parameters,
        peer,
        proxies: &app.config.trusted_proxies,
        country_header: app.config.country_header.as_deref(),
        client_cert_from: app.config.mtls.as_ref().map(|mtls| &mtls.client_cert_from),
        now_ms: app.now_ms(),
    };
    let incoming = match reading.read(request).await {
        Ok(incoming) => incoming,
        Err(error) => {
            record.note(&error);
            let mut reply = reply::failure(app, &reader, &error);
            if reply.status() == 405 {
                reply::set(&mut reply, header::ALLOW, &route.allow());
            }
            cors::allow_reading(route, &mut reply);
            return reply;
        }
    };
    record.address = Some(incoming.address);
    let _ = incoming.known.id.set(record.id.clone());
    let outcome = check_and_answer(app, row, &incoming).await;
    let mut reply = conclude(app, &incoming, reader, outcome, record).await;
    add_headers(app, &incoming, &record.id, &mut reply);
    reply
}

/// What the row asks for beyond a request that could be read, then its endpoint.
async fn check_and_answer(app: &App, row: &Row, incoming: &Incoming) -> Result<Reply> {
    let route = &row.route;
    route.must_be_meant(&incoming.method, &incoming.headers)?;
    if come_back::is_needed(app, incoming) {
        return pages::come_back(app, incoming);
    }
    route.must_come_with_proof(&incoming.headers)?;
    answer_caller(&row.handler, app, incoming).await
}

/// Identifies the caller that the row names, then answers.
fn answer_caller<'a>(handler: &Handler, app: &'a App, incoming: &'a Incoming) -> AnswerFuture<'a> {
    match *handler {
        Handler::Plain(answer) => answer(app, incoming),
        Handler::Client(answer) => Box::pin(async move {
            let caller = app.callers.identify(app, incoming).await?;
            answer(app, incoming, caller).await
        }),
        Handler::Api(answer) => Box::pin(async move {
            let name = app.callers.api(app, incoming).await?.ok_or_else(no_api)?;
            answer(app, incoming, name).await
        }),
        Handler::ClientOrApi(answer) => Box::pin(async move {
            let caller = app.callers.client_or_api(app, incoming).await?;
            answer(app, incoming, caller).await
        }),
        Handler::Token(answer) => Box::pin(async move {
            let held = held_token::of_request(app, incoming).await?;
            answer(app, incoming, held).await
        }),
        Handler::Registration(answer) => Box::pin(async move {
            let own = registration::own_of_request(app, incoming).await?;
            answer(app, incoming, own).await
        }),
    }
}

fn no_api() -> Refused {
    Refused::new(401, "invalid_client", "Only an API may ask here: send its name and introspection secret by HTTP Basic.")
}

/// The answer. A refusal is noted, whether it is a failure or an answer of its own: a page, or a redirect to the client.
async fn conclude(app: &App, incoming: &Incoming, reader: FailureReader, outcome: Result<Reply>, record: &mut Record) -> Reply {
    let reply = match outcome {
        Ok(reply) => {
            if let Some(refused) = incoming.known.refused.get() {
                note_refused(app, incoming, refused, record).await;
            }
            reply
        }
        Err(error) => fail(app, incoming, reader, &error, record).await,
    };
    if let Some(client) = incoming.known.client.get().or(incoming.known.unproved_client.get()) {
        record.client.clone_from(client);
    }
    reply
}

fn claimed_client(incoming: &Incoming) -> String {
    let named = incoming.parameters().get("client_id").map(str::to_owned);
    named.or_else(|| caller::claimed_client(incoming)).unwrap_or_default()
}

/// What log, counters and audit say of a request that was read and then refused. Its audit entry is written here, if its own path wrote none.
async fn note_refused(app: &App, incoming: &Incoming, refused: &Refused, record: &mut Record) {
    record.note_refusal(refused);
    record.client = claimed_client(incoming);
    Box::pin(refusals::record(app, incoming, refused)).await;
}

/// The answer to a request that was read and then failed.
async fn fail(app: &App, incoming: &Incoming, mut reader: FailureReader, error: &Error, record: &mut Record) -> Reply {
    record.client = claimed_client(incoming);
    reader.languages.0 = incoming.form.get("locale").or(incoming.query.get("ui_locales")).map(str::to_owned);
    if let Error::Refused(refused) = error {
        if refused.code == "invalid_client" {
            reader.method = method_instead_of_basic(app, incoming).await;
        }
        note_refused(app, incoming, refused, record).await;
    }
    reply::failure(app, &reader, error)
}

/// An installation has no secret for HTTP Basic: what its client lacks is another method.
async fn method_instead_of_basic(app: &App, incoming: &Incoming) -> Option<&'static str> {
    if incoming.headers.contains_key(header::AUTHORIZATION) {
        return None;
    }
    let client = app.clients.get(incoming.form.get("client_id")?).await.ok()??;
    client.authentication.attests().then(|| client.authentication.as_str())
}

/// What comes with every answer to a request that was read.
fn add_headers(app: &App, incoming: &Incoming, id: &str, reply: &mut Reply) {
    // W-41: whoever writes an app can name a request that went well, too.
    if incoming.method == Method::POST && !incoming.route.is_for_browsers() {
        reply::set(reply, header::HeaderName::from_static(reply::REQUEST_ID), id);
    }
    // RFC 9449 8.2: whoever proves a key gets the next nonce with every answer.
    if incoming.headers.contains_key("dpop")
        && let Some(nonce) = crate::dpop::nonce(app, incoming.now_ms)
    {
        reply::set(reply, header::HeaderName::from_static("dpop-nonce"), &nonce);
    }
    // The same for whoever is attested. With the error that asks for a challenge it must come, with others it may.
    if incoming.headers.contains_key(authentication::ATTESTATION)
        && let Some(challenge) = challenge::challenge(app, incoming.now_ms)
    {
        reply::set(reply, header::HeaderName::from_static(challenge::CHALLENGE), &challenge);
    }
    cors::allow_reading(incoming.route, reply);
}

/// The row of a path, of those that the host has.
fn find(app: &App, host: &Host, path: &str) -> Option<(&'static Row, PathParameters)> {
    let at_root = routes::find(path).filter(|(row, _)| match row.route.served_at {
        ServedAt::Issuer | ServedAt::Origin => false,
        ServedAt::EveryHost => true,
        ServedAt::ContinueHosts => matches!(host, Host::Further(name) if app.config.host.get(name).is_some_and(|it| it.continue_page)),
    });
    if at_root.is_some() || matches!(host, Host::Further(_)) {
        return at_root;
    }
    let of_origin = routes::find(path).filter(|(row, _)| row.route.served_at == ServedAt::Origin);
    of_origin.or_else(|| below_issuer(app, path).filter(|(row, _)| matches!(row.route.served_at, ServedAt::Issuer | ServedAt::Origin)))
}

/// Exact, below the issuer's path; plus RFC 8414 3.1, which inserts the well-known part before it.
fn below_issuer(app: &App, path: &str) -> Option<(&'static Row, PathParameters)> {
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
    routes::find(below)
}

/// Headers every answer carries (559-V, 562-V, 577-V).
fn finish(app: &App, reply: &mut Reply) {
    let headers = reply.headers_mut();
    let fixed = [(header::X_CONTENT_TYPE_OPTIONS, "nosniff"), (header::X_FRAME_OPTIONS, "DENY"), (header::REFERRER_POLICY, "no-referrer")];
    for (name, value) in fixed {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(header::HeaderValue::from_static("no-store"));
    if headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/html")) {
        headers.insert("cross-origin-opener-policy", header::HeaderValue::from_static("same-origin"));
        headers.insert("cross-origin-resource-policy", header::HeaderValue::from_static("same-origin"));
        headers.insert("permissions-policy", header::HeaderValue::from_static("camera=(), microphone=(), geolocation=()"));
    }
    if app.config.issuer.starts_with("https://") {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, header::HeaderValue::from_static("max-age=63072000; includeSubDomains"));
    }
}
