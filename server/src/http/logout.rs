//! GET and POST /logout. OpenID Connect RP-Initiated Logout 1.0. The person is asked unless the hint is an ID token of
//! this very session. Without a session in this browser, the session that a genuine hint names ends. A page says what happened and no
//! more, and a redirect leads only to a registered URI (491-O).

use super::browser::{self, form_token, verified_form};
use super::reply::{self, Reply, add_cookie};
use super::upstream_sign_out::{self, SIGNED_OUT};
use super::{browser_session, pages, remembered};
use crate::app::App;
use crate::authorization::delivery::Response;
use crate::authorization::request::MAX_STATE_BYTES;
use crate::config::Client;
use crate::error::{Refused, Result};
use crate::login::step::Step;
use crate::pages::PageContext;
use crate::pages::lone::LonePage;
use crate::sessions::{self, Session};
use crate::store::Change;
use crate::store::tables::session::ACTIVE;
use crate::web::request::Incoming;
use http::Method;
use serde_json::Value as Json;
use std::sync::Arc;
use symbolon_oauth::id_token;
use url::form_urlencoded::Serializer;

/// The button of whoever does not want to sign out.
const STAY: &str = "stay_signed_in";

/// What the request asks for, checked.
struct LogoutRequest {
    /// The hint is ours and names this session.
    of_this_session: bool,
    hinted: Option<Hinted>,
    client_id: Option<String>,
    back: Option<String>,
    /// The client that registered `back`.
    client: Option<Arc<Client>>,
}

/// What a genuine hint names: a session as the client knows it.
struct Hinted {
    account: String,
    client_id: String,
    sid: String,
}

/// What the person is told.
enum Told {
    /// The session of this browser is over.
    SignedOut,
    /// The session of the hint is over. It was no session of this browser.
    SignedOutElsewhere,
    NotSignedIn,
}

pub async fn logout(app: &App, incoming: &Incoming) -> Result<Reply> {
    let session = browser_session::at_all(app, incoming).await?;
    let request = read_request(app, incoming, session.as_ref()).await?;
    let Some(session) = session else { return without_session(app, incoming, &request).await };
    let form = verified_form(app, incoming, &session.id, &form_state(&request));
    let pressed = form.and_then(|form| form.get("action"));
    // While the session lives, to a page of ours: nobody signed out.
    if pressed == Some(STAY) && has_account_page(&session) {
        return Ok(reply::see_other(&app.url("/account")));
    }
    if !request.of_this_session && pressed != Some("logout") {
        return confirm(app, incoming, &session, &request);
    }
    // With the session goes what it rests on.
    let rests_on = upstream_sign_out::rests_on(app, &session).await?;
    let mut change = Change::new(incoming.now_ms);
    sessions::end(app, &mut change, &session.id, &session.account, "logout");
    browser::void_sign_ins(app, incoming, &mut change);
    app.store.apply(change).await?;
    let mut reply = match upstream_sign_out::begin(app, (&session, &rests_on), onward(incoming, &request), incoming.now_ms).await? {
        Some(there) => {
            let mut reply = reply::see_other(&there);
            forget(app, incoming, &mut reply, true);
            reply
        }
        None => answer(app, incoming, &request, &Told::SignedOut)?,
    };
    if !rests_on.is_empty() {
        let name = sessions::cookie_name(app, sessions::SIGNED_OUT);
        add_cookie(&mut reply, &sessions::cookie(app, &name, "1", sessions::SIGNED_OUT_S));
    }
    remembered::forget(app, incoming, &mut reply, &session.account)?;
    Ok(reply)
}

/// No session cookie came along, or none of a living session. What was begun in this browser ends all the same.
async fn without_session(app: &App, incoming: &Incoming, request: &LogoutRequest) -> Result<Reply> {
    let mut change = Change::new(incoming.now_ms);
    browser::void_sign_ins(app, incoming, &mut change);
    if let Some(hinted) = &request.hinted {
        end_hinted(app, &mut change, hinted).await?;
    }
    if !change.is_empty() {
        app.store.apply(change).await?;
    }
    let told = if request.hinted.is_some() { Told::SignedOutElsewhere } else { Told::NotSignedIn };
    answer(app, incoming, request, &told)
}

async fn end_hinted(app: &App, change: &mut Change, hinted: &Hinted) -> Result<()> {
    for row in app.store.all(ACTIVE, &[hinted.account.as_str().into()]).await? {
        let id: [u8; 16] = row.array("id")?;
        if sessions::sid(app, &hinted.client_id, &id) == hinted.sid {
            sessions::end(app, change, &id, &hinted.account, "logout");
        }
    }
    Ok(())
}

/// The confirmation is bound to where it leads.
fn form_state(request: &LogoutRequest) -> String {
    format!("logout {} {}", request.client_id.as_deref().unwrap_or_default(), request.back.as_deref().unwrap_or_default())
}

async fn read_request(app: &App, incoming: &Incoming, session: Option<&Session>) -> Result<LogoutRequest> {
    let form = incoming.parameters();
    let invalid = |hint| Refused::bad_request("invalid_request", hint);
    let mut client_id = form.get("client_id").map(str::to_owned);
    let hinted = form.get("id_token_hint").and_then(|hint| read_hint(app, hint));
    if let Some(hinted) = &hinted {
        if client_id.as_ref().is_some_and(|named| *named != hinted.client_id) {
            return Err(invalid("client_id is not the audience of id_token_hint.").into());
        }
        client_id = Some(hinted.client_id.clone());
    }
    if form.get("state").is_some_and(|state| state.len() > MAX_STATE_BYTES) {
        return Err(invalid("state is longer than 4096 bytes, which is more than an address holds.").into());
    }
    let of_this_session = match (session, &hinted) {
        (Some(session), Some(hinted)) => sessions::sid(app, &hinted.client_id, &session.id) == hinted.sid,
        _ => false,
    };
    let (back, client) = match form.get("post_logout_redirect_uri") {
        None => (None, None),
        Some(uri) => {
            let client = match client_id.as_deref() {
                Some(id) => app.clients.get(id).await?,
                None => None,
            };
            let registered = client.filter(|client| client.post_logout_redirect_uris.iter().any(|known| known == uri));
            if registered.is_none() {
                return Err(invalid("post_logout_redirect_uri is not registered for the client; send client_id or id_token_hint.").into());
            }
            (Some(uri.to_owned()), registered)
        }
    };
    Ok(LogoutRequest { of_this_session, hinted, client_id, back, client })
}

/// `None`: this server did not sign it, so there is no hint. An expired ID token counts, and so does one of a replaced key.
fn read_hint(app: &App, hint: &str) -> Option<Hinted> {
    let claims = id_token::check_hint(hint, &app.keys.hint_verifiers(), &app.config.issuer).ok()?;
    let text = |name: &str| claims.get(name).and_then(Json::as_str).map(str::to_owned);
    Some(Hinted { account: text("sub")?, client_id: text("aud")?, sid: text("sid")? })
}

fn confirm(app: &App, incoming: &Incoming, session: &Session, request: &LogoutRequest) -> Result<Reply> {
    let mut hidden = Vec::new();
    for (name, value) in [("client_id", &request.client_id), ("post_logout_redirect_uri", &request.back)] {
        if let Some(value) = value {
            hidden.push((name.to_owned(), value.clone()));
        }
    }
    if let Some(state) = incoming.parameters().get("state") {
        hidden.push(("state".to_owned(), state.to_owned()));
    }
    let context = PageContext {
        locale: locale(app, incoming),
        form_action: app.url("/logout"),
        form_token: form_token(app, &session.id, &form_state(request)),
        base: app.config.issuer.clone(),
        hidden,
        onward: None,
        refresh: false,
        embedded: pages::is_embedded(incoming),
        own_browser: None,
    };
    let step = Step::new("logout").primary("logout");
    let step = if has_account_page(session) { step.secondary(STAY) } else { step };
    Ok(reply::page(200, app.pages.step(&step, &context)?))
}

/// A session that an app handed over does not open our pages. Its person could only sign in there.
fn has_account_page(session: &Session) -> bool {
    session.clients.is_none()
}

fn answer(app: &App, incoming: &Incoming, request: &LogoutRequest, told: &Told) -> Result<Reply> {
    let mut reply = match &request.back {
        Some(uri) => lead_back(app, incoming, request, uri)?,
        None => {
            let step = Step::new(if matches!(told, Told::NotSignedIn) { "not_signed_in" } else { "signed_out" });
            let (locale, account) = (locale(app, incoming), app.url("/account"));
            let page = LonePage::of(&step, &locale).with_link(&account).called("action-begin_sign_in");
            reply::page(200, app.pages.alone(page, &app.config.issuer)?)
        }
    };
    forget(app, incoming, &mut reply, matches!(told, Told::SignedOut));
    Ok(reply)
}

/// What the browser keeps no longer.
fn forget(app: &App, incoming: &Incoming, reply: &mut Reply, session: bool) {
    if session {
        add_cookie(reply, &sessions::cookie(app, &sessions::cookie_name(app, "session"), "", 0));
    }
    browser::forget_sign_ins(app, incoming, reply);
}

/// Where a sign-out leads, as the query of this endpoint. Empty: nowhere.
fn onward(incoming: &Incoming, request: &LogoutRequest) -> String {
    let Some(uri) = &request.back else { return String::new() };
    let parameters = incoming.parameters();
    let pairs = [
        ("client_id", request.client_id.as_deref()),
        ("post_logout_redirect_uri", Some(uri.as_str())),
        ("state", parameters.get("state")),
        ("ui_locales", parameters.get("ui_locales")),
    ];
    let given = pairs.into_iter().filter_map(|(name, value)| Some((name, value?)));
    Serializer::new(String::new()).extend_pairs(given).finish()
}

/// To the client. Browsers hold a redirect away from here against the form that was sent before it. So a form is answered by 303 to a page
/// of ours, which leads on.
fn lead_back(app: &App, incoming: &Incoming, request: &LogoutRequest, uri: &str) -> Result<Reply> {
    let state = incoming.parameters().get("state");
    if incoming.method != Method::POST {
        let mut address = uri.to_owned();
        if let Some(state) = state {
            address.push(if uri.contains('?') { '&' } else { '?' });
            address.push_str(&Serializer::new(String::new()).append_pair("state", state).finish());
        }
        let mut response = Response::Address(address);
        if let (Some(client), Some(id)) = (&request.client, &request.client_id) {
            response = response.seen_first(id, client, uri);
        }
        return match response {
            Response::Address(address) if incoming.query.contains(SIGNED_OUT) => pages::lead_on(app, incoming, &address),
            response => pages::send(app, incoming, response),
        };
    }
    Ok(reply::see_other(&app.url(&format!("/logout?{}&{SIGNED_OUT}", onward(incoming, request)))))
}

fn locale(app: &App, incoming: &Incoming) -> String {
    app.pages.pick_locale(incoming.parameters().get("ui_locales"), &incoming.languages())
}
