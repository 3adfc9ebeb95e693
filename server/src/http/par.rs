//! POST /par. RFC 9126: the client pushes its request and gets a reference. The reference is burnt by the change that
//! issues the code, not at page load, so that a reload or a link preview costs nothing.

use super::authorize::{self, AuthorizationRequest, Problem};
use super::reply::{self, Reply};
use crate::app::App;
use crate::audit;
use crate::config::Client;
use crate::error::{Error, Fault, Refused, Result};
use crate::limits::Limits;
use crate::store::{Change, Expect, NotApplied, Value};
use crate::tokens::handles::Kind;
use crate::web::request::Incoming;

const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";
const LIFETIME_S: i64 = 90;
const BESIDE: [&str; 5] = ["client_id", "client_secret", "client_assertion", "client_assertion_type", "request"];

const INSERT: &str = "INSERT INTO pushed_request (id, client, body, expires_ms) VALUES ($1, $2, $3, $4)";
const READ: &str = "SELECT client, body, expires_ms FROM pushed_request WHERE id = $1";
const DELETE: &str = "DELETE FROM pushed_request WHERE id = $1";

pub async fn par(app: &App, incoming: &Incoming) -> Result<Reply> {
    let caller = app.callers.identify(app, incoming).await?;
    let form = &incoming.form;
    if form.contains("request_uri") {
        return Err(Refused::bad_request("invalid_request", "A pushed request may not contain request_uri.").into());
    }
    let place = Limits::place(&["par", &caller.client_id, &Limits::line(incoming.address)]);
    if app.limits.pushes.check_key(&place).is_err() {
        return Err(Refused::new(429, "temporarily_unavailable", "Too many pushed requests from here; wait.").retry_after(10).into());
    }
    // RFC 9126 3: beside a request object stands only what authenticates the client.
    if form.contains("request") && form.iter().any(|(name, _)| !BESIDE.contains(&name)) {
        let hint = "Beside a request object send only client_id and what authenticates the client; the rest belongs inside.";
        return Err(Refused::bad_request("invalid_request", hint).into());
    }
    let mut request = authorize::check(app, &caller.client_id, &caller.client, form).map_err(Problem::into_error)?;
    // RFC 9449 10.1: a proof here names the key as dpop_jkt would; both, and they differ: refused.
    if let Some(jkt) = caller.jkt() {
        if request.dpop_jkt.as_deref().is_some_and(|it| it != jkt) {
            return Err(Refused::bad_request("invalid_dpop_proof", "dpop_jkt names another key than the DPoP header proves.").into());
        }
        request.dpop_jkt = Some(jkt.to_owned());
    }
    // A tier that needs a better sign-in gets asked for it; what the app insists on is not lowered by that (368-Z).
    if let Some(acr) = caller.tier_rules().and_then(|it| it.acr.clone()) {
        if request.essential_acr && !request.acr_values.is_empty() && !request.acr_values.contains(&acr) {
            let hint = "An installation like this one signs in with its tier's acr, which is none of the essential ones.";
            return Err(Refused::bad_request("unmet_authentication_requirements", hint).into());
        }
        request.acr_values = vec![acr];
        request.essential_acr = true;
    }
    request.instance = caller.instance.as_ref().map(|it| it.jkt.clone());
    let id = crate::seal::time_ordered_id(incoming.now_ms)?;
    // A request object is spent by the push itself.
    let stored = AuthorizationRequest { object: None, ..request.clone() };
    let body = serde_json::to_string(&stored).map_err(|it| Fault::new(it.to_string()))?;
    let mut change = Change::new(incoming.now_ms);
    let expires_ms = incoming.now_ms + LIFETIME_S * 1000;
    change.run(INSERT, vec![Value::from(&id[..]), caller.client_id.as_str().into(), body.into(), expires_ms.into()]);
    let burnt = caller.burn(&mut change);
    let object = authorize::burn_object(&mut change, &request);
    let mut entry = audit::Entry::ok("request_pushed").client(caller.client_id.as_str()).address(incoming.address.to_string());
    entry.security = false;
    change.audit(entry);
    match app.store.apply(change).await {
        Ok(_) => {}
        Err(NotApplied::Conflict(at)) if burnt.refusal(at).is_some() => return Err(burnt.refused(at)),
        Err(NotApplied::Conflict(at)) if object == Some(at) => return Err(authorize::used_object()),
        Err(other) => return Err(other.into()),
    }
    let handle = app.handles.make(Kind::RequestUri, &id, 0, 0, b"");
    Ok(reply::json(201, &serde_json::json!({ "request_uri": format!("{PREFIX}{handle}"), "expires_in": LIFETIME_S })))
}

/// The request behind a `request_uri`. Whatever is wrong with it is a page: there is no redirect URI to trust.
pub async fn open(
    app: &App,
    client_id: &str,
    client: &Client,
    uri: &str,
    now_ms: i64,
) -> std::result::Result<AuthorizationRequest, Problem> {
    let wrong = |why: &str| {
        let hint = "This request_uri is unknown, expired or already used. Go back to the app and start again.";
        Problem::Page(Refused::bad_request("invalid_request_uri", hint).because(why).into())
    };
    let handle = uri.strip_prefix(PREFIX).ok_or_else(|| {
        let hint = "Only request_uri values of our own PAR endpoint are accepted; nothing is fetched.";
        Problem::Page(Refused::bad_request("request_uri_not_supported", hint).into())
    })?;
    let read = app.handles.read(Kind::RequestUri, handle).ok_or_else(|| wrong("tag"))?;
    let row = app.store.one(READ, &[Value::from(&read.id[..])]).await.map_err(Error::from)?.ok_or_else(|| wrong("no row"))?;
    let text = |it: std::result::Result<&str, Fault>| it.map(str::to_owned).map_err(Error::from);
    if text(row.text(0))? != client_id {
        return Err(wrong("pushed by another client"));
    }
    if now_ms >= row.int(2).map_err(Error::from)? {
        return Err(wrong("expired"));
    }
    let mut request: AuthorizationRequest =
        serde_json::from_str(&text(row.text(1))?).map_err(|it| Error::from(Fault::new(format!("a pushed request: {it}"))))?;
    // The client's registration may have changed since the push (RFC 9126 4).
    let still = client.redirect_uris.iter().any(|it| symbolon_oauth::redirect::matches(it, &request.back.redirect_uri));
    if !still {
        return Err(wrong("the redirect URI is no longer registered"));
    }
    request.pushed = Some(handle.to_owned());
    Ok(request)
}

/// The statement that burns a pushed request; used twice, it conflicts.
pub fn burn(app: &App, change: &mut Change, handle: &str) -> Option<usize> {
    let read = app.handles.read(Kind::RequestUri, handle)?;
    let at = change.len();
    change.run_expecting(DELETE, vec![Value::from(&read.id[..])], Expect::Exactly(1));
    Some(at)
}
