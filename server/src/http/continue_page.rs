//! GET /c/{reference}: the page between the issuer and the app's link, on a host of its own. It has a button for the person's tap,
//! no script, and nothing that is of use to another device.

use super::pages::failed;
use super::reply::{self, Reply};
use crate::app::App;
use crate::authorization::continuing::{self, OpenedAnswer};
use crate::authorization::delivery::{Response, origin};
use crate::authorization::redirects::redirect_is_registered;
use crate::authorization::request::AuthorizationRequest;
use crate::config::{Client, ContinuePage};
use crate::error::Result;
use crate::links::onward::links_to;
use crate::login::step::Step;
use crate::pages::ContinueView;
use crate::pages::lone::LonePage;
use crate::sessions;
use crate::web::embedded::{is_embedded, is_handheld};
use crate::web::request::{Host, Incoming};
use http::header;
use std::sync::Arc;
use symbolon_oauth::{base64url, digest};

/// The cookie lives as long as the answer.
const COOKIE_S: i64 = 300;

/// Where a client gets its answers, and which client. RFC 6749 3.1.2.
#[derive(Clone, Copy)]
pub struct RedirectionEndpoint<'a> {
    pub client_id: &'a str,
    pub redirect_uri: &'a str,
}

impl<'a> RedirectionEndpoint<'a> {
    pub fn of(request: &'a AuthorizationRequest) -> Self {
        Self { client_id: &request.client_id, redirect_uri: &request.back.redirect_uri }
    }
}

/// Where an answer goes first: to the client's continue page, if it has one. `sign_in`: the sign-in that ended with it.
pub async fn before(
    app: &App,
    incoming: &Incoming,
    endpoint: RedirectionEndpoint<'_>,
    response: Response,
    sign_in: Option<&[u8; 16]>,
) -> Result<Response> {
    let RedirectionEndpoint { client_id, redirect_uri } = endpoint;
    let Response::Address(to) = &response else { return Ok(response) };
    let Some(client) = app.clients.get(client_id).await? else { return Ok(response) };
    let Some(page) = continuing::page_of(&client, redirect_uri, to) else {
        return Ok(response.seen_first(client_id, &client, redirect_uri));
    };
    let waiting = continuing::WaitingAnswer { client_id: client_id.to_owned(), redirect_uri: redirect_uri.to_owned(), to: to.clone() };
    let reference = sign_in.map(|id| continuing::reference_of(app, id, to));
    let reference = continuing::keep(app, reference, &waiting, incoming.address).await?;
    Ok(Response::Address(continuing::address(app, page, &reference)))
}

pub async fn page(app: &App, incoming: &Incoming) -> Result<Reply> {
    let reference = incoming.path("reference").and_then(base64url::decode).and_then(|it| <[u8; 16]>::try_from(it).ok());
    let Some(reference) = reference else { return neutral(app, incoming, "no reference") };
    let name = cookie_name(app, &reference);
    let cookie = incoming.cookie(&name).and_then(base64url::decode).and_then(|it| it.try_into().ok());
    let OpenedAnswer { waiting, secret } = match continuing::open(app, &reference, cookie, incoming.now_ms).await? {
        Ok(opened) => opened,
        Err(why) => return neutral(app, incoming, why),
    };
    // The configuration may have changed since the sign-in.
    let Some(client) = app.clients.get(&waiting.client_id).await? else { return neutral(app, incoming, "the client is gone") };
    let Some(page) = allowed(&client, incoming, &waiting.redirect_uri) else {
        return neutral(app, incoming, "the client's page or redirect URI has changed");
    };
    let user_agent = incoming.header("user-agent").unwrap_or_default();
    let onward = links_to(&client, page, &waiting.to, user_agent);
    let view = ContinueView {
        name: client.display_name(&waiting.client_id).to_owned(),
        first: onward.first,
        second: onward.second,
        app_page: page.app_page.clone(),
        pictured: page.app_page.is_some() && !is_handheld(user_agent),
        embedded: is_embedded(user_agent),
    };
    let mut reply = shown(app, 200, app.pages.continuing(&view, &locale(app, incoming), &app.config.issuer)?);
    if let Some(secret) = secret {
        reply::add_cookie(&mut reply, &sessions::cookie(app, &name, &base64url::encode(&secret), COOKIE_S));
    }
    Ok(reply)
}

/// Is this still the client's page, and the redirect URI its own?
fn allowed<'a>(client: &'a Arc<Client>, incoming: &Incoming, redirect_uri: &str) -> Option<&'a ContinuePage> {
    let page = client.continue_page.as_ref()?;
    let is_here = matches!(&incoming.host, Host::Further(name) if *name == page.host);
    (is_here && redirect_is_registered(client, redirect_uri)).then_some(page)
}

fn cookie_name(app: &App, reference: &[u8; 16]) -> String {
    let short = &base64url::encode(&digest::sha256(reference))[..8];
    sessions::cookie_name(app, &format!("continue-{short}"))
}

fn locale(app: &App, incoming: &Incoming) -> String {
    app.pages.pick_locale(None, &incoming.languages())
}

/// The same text for whatever cannot be shown.
fn neutral(app: &App, incoming: &Incoming, why: &'static str) -> Result<Reply> {
    tracing::info!(address = %incoming.address, reason = why, "a continue page was not shown");
    let (step, locale) = (Step::new("over"), locale(app, incoming));
    let page = LonePage { request_id: failed(incoming, 404, why), ..LonePage::of(&step, &locale) };
    let html = app.pages.alone(page, &app.config.issuer)?;
    Ok(shown(app, 404, html))
}

/// Style and pictures are the issuer's. No form, no script, no frame.
fn shown(app: &App, status: u16, html: String) -> Reply {
    let issuer = origin(&app.config.issuer);
    let policy = format!(
        "default-src 'none'; style-src {issuer}; img-src {issuer} data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    );
    let mut reply = reply::body(status, "text/html; charset=utf-8", html);
    reply::set(&mut reply, header::CONTENT_SECURITY_POLICY, &policy);
    reply
}
