//! What a browser keeps of a finished sign-in, and what its client is told at once.

use super::browser::{self, SignInCookie};
use super::continue_page::{self, RedirectionEndpoint};
use super::reply::{Reply, add_cookie};
use super::{pages, remembered};
use crate::app::App;
use crate::authorization::delivery::{self, Response};
use crate::authorization::request::AuthorizationRequest;
use crate::authorization::settle::{Finished, Refusal};
use crate::error::{Refused, Result};
use crate::login::flow::Moved;
use crate::login::state::Ended;
use crate::sessions;
use crate::store::Change;
use crate::web::request::Incoming;

/// Sets the cookies of a new session and of the known browser.
pub fn remember_end(app: &App, incoming: &Incoming, ended: &Finished, reply: &mut Reply) -> Result<()> {
    match &ended.cookie {
        Some((value, account)) => remember(app, incoming, reply, (value, account)),
        None => Ok(()),
    }
}

/// The session cookie, the browser's name for the person's own budget of guesses, and the person for a choice of accounts.
pub fn remember(app: &App, incoming: &Incoming, reply: &mut Reply, (value, account): (&str, &str)) -> Result<()> {
    sessions::remember(app, reply, value);
    remembered::add(app, incoming, reply, account)?;
    let device = app.machine.device_cookie(account, value, incoming.now_ms)?;
    add_cookie(reply, &sessions::cookie(app, &sessions::cookie_name(app, "device"), &device, 365 * 24 * 3600));
    Ok(())
}

/// A session's secret is a function of the sign-in's, so that the same answer once more gets the same cookie.
pub fn session_secret(app: &App, secret: &[u8; 32]) -> [u8; 32] {
    app.keyring.mac("session secret", &[secret]).1
}

/// What other people had begun in this browser: it is over when a person has proved who they are.
pub async fn others(app: &App, incoming: &Incoming, moved: &Moved) -> Result<Vec<SignInCookie>> {
    match &moved.proven {
        Some(proven) => browser::sign_ins_of_others(app, incoming, &proven.account, Some(moved.state.id)).await,
        None => Ok(Vec::new()),
    }
}

/// The answer to the client of a sign-in that ended as it began. No page of it gives the answer later.
pub async fn response(app: &App, incoming: &Incoming, request: &AuthorizationRequest, ended: &Finished) -> Result<Option<Response>> {
    let parameters = match (ended.state.ended(), &ended.code) {
        (_, Some(code)) => vec![("code", code.as_str())],
        (Some(Ended::Refused { code, hint, .. }), None) => vec![("error", code.as_str()), ("error_description", hint.as_str())],
        _ => return Ok(None),
    };
    let response = delivery::respond(&app.authority(), &request.back, &parameters, incoming.now_ms).await?;
    continue_page::before(app, incoming, RedirectionEndpoint::of(request), response, None).await.map(Some)
}

/// A refusal before the sign-in began.
pub async fn refuse(
    app: &App,
    incoming: &Incoming,
    request: &AuthorizationRequest,
    account: Option<&str>,
    refused: Refused,
) -> Result<Reply> {
    // The audit entry, where there is one, is written here.
    incoming.known.refuse(refused.clone().audited());
    let mut change = Change::new(incoming.now_ms);
    let refusal = Refusal { request, account, refused: &refused, is_authenticated: false, address: Some(incoming.address) };
    refusal.note(app, &mut change).await?;
    if !change.is_empty() {
        app.store.apply(change).await?;
    }
    let error = [("error", refused.code), ("error_description", refused.hint)];
    let response = delivery::respond(&app.authority(), &request.back, &error, incoming.now_ms).await?;
    let response = continue_page::before(app, incoming, RedirectionEndpoint::of(request), response, None).await?;
    pages::send(app, incoming, response)
}
