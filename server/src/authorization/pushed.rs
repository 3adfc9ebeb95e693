//! Pushed authorization requests (RFC 9126) in the store, one row for each. The change that issues the code deletes the row. Loading the
//! page does not, so that a reload or a link preview costs nothing.

use super::Authority;
use super::redirects::redirect_is_registered;
use super::request::{AuthorizationRequest, RequestProblem};
use crate::config::Client;
use crate::error::{Error, Fault, Refused};
use crate::store::tables::pushed_request::{INSERT, READ, SPEND};
use crate::store::{Change, Expect, Value};
use crate::tokens::handles::{Kind, NOT_OURS, RowName};

const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";
/// How long a client has to send the person on.
pub const LIFETIME_S: i64 = 90;

/// A request that is about to be written.
pub struct Pushed {
    pub request_uri: String,
    pub bytes: usize,
}

/// Adds the request to a change.
pub fn push(authority: &Authority<'_>, change: &mut Change, client_id: &str, request: &AuthorizationRequest) -> Result<Pushed, Fault> {
    let id = crate::seal::time_ordered_id(change.now_ms())?;
    // A request object is spent by the push itself.
    let stored = AuthorizationRequest { object: None, ..request.clone() };
    let body = serde_json::to_string(&stored).map_err(|error| Fault::new(error.to_string()))?;
    let bytes = body.len();
    let expires_ms = change.now_ms() + LIFETIME_S * 1000;
    change.run(INSERT, vec![Value::from(&id[..]), client_id.into(), body.into(), expires_ms.into()]);
    let handle = authority.handles.make(Kind::RequestUri, RowName { id, number: 0, generation: 0 }, b"");
    Ok(Pushed { request_uri: format!("{PREFIX}{handle}"), bytes })
}

/// The request behind a `request_uri`. Every refusal is a page, as there is no redirect URI to trust.
pub async fn open(
    authority: &Authority<'_>,
    client_id: &str,
    client: &Client,
    uri: &str,
    now_ms: i64,
) -> std::result::Result<AuthorizationRequest, RequestProblem> {
    let wrong = |why: &str| {
        let hint = "This request_uri is unknown, expired or already used. Go back to the app and start again.";
        RequestProblem::Page(Refused::bad_request("invalid_request_uri", hint).because(why).into())
    };
    let handle = uri.strip_prefix(PREFIX).ok_or_else(|| {
        let hint = "Only request_uri values of our own PAR endpoint are accepted; nothing is fetched.";
        RequestProblem::Page(Refused::bad_request("request_uri_not_supported", hint).into())
    })?;
    let read = authority.handles.read(Kind::RequestUri, handle).ok_or_else(|| wrong(NOT_OURS))?;
    let row = authority.store.one(READ, &[Value::from(&read.id[..])]).await.map_err(Error::from)?.ok_or_else(|| wrong("no row"))?;
    let text = |column: std::result::Result<&str, Fault>| column.map(str::to_owned).map_err(Error::from);
    if text(row.text("client"))? != client_id {
        return Err(wrong("pushed by another client"));
    }
    if now_ms >= row.int("expires_ms").map_err(Error::from)? {
        return Err(wrong("expired"));
    }
    let mut request: AuthorizationRequest =
        serde_json::from_str(&text(row.text("body"))?).map_err(|it| Error::from(Fault::new(format!("a pushed request: {it}"))))?;
    // The client's registration may have changed since the push (RFC 9126 4).
    if !redirect_is_registered(client, &request.back.redirect_uri) {
        return Err(wrong("the redirect URI is no longer registered"));
    }
    request.pushed = Some(handle.to_owned());
    Ok(request)
}

/// The statement that burns a pushed request; used twice, it conflicts.
pub fn burn(authority: &Authority<'_>, change: &mut Change, handle: &str) -> Result<usize, Fault> {
    let read =
        authority.handles.read(Kind::RequestUri, handle).ok_or_else(|| Fault::new("the handle of a pushed request cannot be read"))?;
    let at = change.len();
    change.run_expecting(SPEND, vec![Value::from(&read.id[..])], Expect::Exactly(1));
    Ok(at)
}
