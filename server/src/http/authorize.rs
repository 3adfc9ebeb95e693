//! GET and POST /authorize. RFC 6749 4.1.1, RFC 9126 4, RFC 9207, OpenID Connect Core 3.1.2.

use super::continue_page::{self, RedirectionEndpoint};
use super::reply::Reply;
use super::{browser_session, login_begin, pages};
use crate::app::App;
use crate::authorization::request::{self, AuthorizationRequest, RequestProblem};
use crate::authorization::{delivery, pushed};
use crate::error::{Refused, Result};
use crate::web::request::Incoming;

pub async fn authorize(app: &App, incoming: &Incoming) -> Result<Reply> {
    match resolve(app, incoming).await {
        Ok(request) => {
            let session = browser_session::with_account(app, incoming, &request.client_id).await?;
            login_begin::begin(app, incoming, request, session).await
        }
        Err(RequestProblem::Page(error)) => Err(error),
        Err(RequestProblem::Redirect(refused, back)) => {
            let error = [("error", refused.code), ("error_description", refused.hint)];
            let response = delivery::respond(&app.authority(), &back, &error, incoming.now_ms).await?;
            // The redirect URI is this client's: that was checked before anything else of the request.
            let client_id = incoming.parameters().get("client_id").unwrap_or_default();
            let endpoint = RedirectionEndpoint { client_id, redirect_uri: &back.redirect_uri };
            let response = continue_page::before(app, incoming, endpoint, response, None).await?;
            incoming.known.refuse(refused);
            pages::send(app, incoming, response)
        }
    }
}

/// The request itself: from the push it names, or from its own parameters.
async fn resolve(app: &App, incoming: &Incoming) -> std::result::Result<AuthorizationRequest, RequestProblem> {
    let page = |hint| RequestProblem::Page(Refused::bad_request("invalid_request", hint).into());
    let form = incoming.parameters();
    let client_id = form.get("client_id").ok_or_else(|| page("The client_id parameter is missing."))?;
    let unknown = || page("There is no such client here, or it is disabled.");
    let client = app.meet(client_id, incoming.address).await?.ok_or_else(unknown)?;
    let signed = [form.get("request"), None];
    let client = app.clients.for_signatures(client_id, client, signed).await?.ok_or_else(unknown)?;
    if form.contains("request_uri") && form.contains("request") {
        return Err(page("Send request or request_uri, not both (RFC 9101 5)."));
    }
    if let Some(uri) = form.get("request_uri") {
        return pushed::open(&app.authority(), client_id, &client, uri, incoming.now_ms).await;
    }
    if client.must_push() {
        return Err(page("This client must push its authorization requests (RFC 9126)."));
    }
    request::check(&app.authority(), client_id, &client, form)
}
