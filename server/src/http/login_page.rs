//! GET and POST /login/{address}: the page of a sign-in. It can be fetched again: GET sends nothing. It writes no more
//! than when a session was used, and the answer that a continue page shows.

use super::browser::{SignInCookie, form_token};
use super::browser_session;
use super::continue_page::{self, RedirectionEndpoint};
use super::login;
use super::pages as views;
use super::reply::{self, Reply};
use crate::app::App;
use crate::authorization::backchannel;
use crate::authorization::coming_back;
use crate::authorization::delivery::{self, Delivery, Response};
use crate::authorization::detour::BROWSER_RETURN;
use crate::authorization::device::{self, ApprovalState as Answer};
use crate::authorization::redirects::redirect_is_registered;
use crate::error::Result;
use crate::grants::code;
use crate::login::machine::SignInView;
use crate::login::state::{Ended, State};
use crate::web::request::Incoming;
use http::Method;

pub async fn page(app: &App, incoming: &Incoming) -> Result<Reply> {
    if incoming.method == Method::POST {
        login::answer(app, incoming, incoming.path("address").unwrap_or_default()).await
    } else {
        show(app, incoming, incoming.path("address").unwrap_or_default()).await
    }
}

/// What the sign-in asks now, or how it ended.
async fn show(app: &App, incoming: &Incoming, address: &str) -> Result<Reply> {
    let Some((id, client)) = views::read_address(app, address) else { return views::dead(app, incoming, None).await };
    let Some(cookie) = SignInCookie::of(app, incoming, &id) else { return views::dead(app, incoming, client.as_deref()).await };
    match app.machine.show(&id, &cookie.secret, incoming.now_ms).await? {
        SignInView::Nothing => views::dead(app, incoming, client.as_deref()).await,
        SignInView::Elsewhere(state) => views::elsewhere(app, incoming, &state).await,
        SignInView::Open(state) => {
            let token = form_token(app, &id, &format!("sign-in {}", state.version));
            let hidden = vec![("version".to_owned(), state.version.to_string())];
            views::step(app, incoming, &state, views::PageForm { path: format!("/login/{address}"), token, hidden })
        }
        SignInView::Ended(state) => leave(app, incoming, &state).await,
    }
}

/// The last page: it leads on to the client, as long as the code is good.
async fn leave(app: &App, incoming: &Incoming, state: &State) -> Result<Reply> {
    // HEAD writes nothing.
    if incoming.method == Method::HEAD {
        return Ok(reply::empty(200));
    }
    if let Some(Ended::Closed { why, signal }) = state.ended() {
        return views::closed(app, incoming, state, (why, signal.as_ref()));
    }
    let delivery = Delivery::from_json(state.request.clone())?;
    if let (Delivery::Device(device), Some(ended)) = (&delivery, state.ended()) {
        let is_refused = matches!(ended, Ended::Refused { .. });
        if is_refused && !has_refused(app, &device.id, state).await? {
            return views::done(app, incoming, state).await;
        }
        let kind = if is_refused { "device_denied" } else { "device_approved" };
        return views::device(app, incoming, kind, &device.asked.request.client_id).await;
    }
    if let Delivery::Backchannel(asked) = &delivery {
        // Nobody learns what another person has answered.
        if state.subject.as_ref().is_none_or(|subject| subject.account != asked.account) {
            return views::done(app, incoming, state).await;
        }
        // Whoever only left the page has not answered.
        let kind = match backchannel::by_id(app, &asked.id).await?.map(|stored| stored.state) {
            Some(Answer::Denied) => "approval_refused",
            Some(Answer::Approved { .. }) => "approval_given",
            Some(Answer::Pending) | None => return views::done(app, incoming, state).await,
        };
        return views::device(app, incoming, kind, &asked.asked.request.client_id).await;
    }
    let (Delivery::Redirect(request), Some(ended)) = (delivery, state.ended()) else {
        return to_our_pages(app, incoming, state).await;
    };
    // A redirect URI that is no longer registered is not led to.
    let client = app.clients.get(&request.client_id).await?;
    if !client.is_some_and(|client| redirect_is_registered(&client, &request.back.redirect_uri)) {
        return views::dead(app, incoming, state.client.as_deref()).await;
    }
    let response = match ended {
        Ended::Granted { session, number, .. } => match code::of_row(app, session, *number, incoming.now_ms).await? {
            Some(code) => delivery::respond(&app.authority(), &request.back, &[("code", &code)], incoming.now_ms).await?,
            None => return views::done(app, incoming, state).await,
        },
        Ended::Refused { code, hint, .. } => {
            let error = [("error", code.as_str()), ("error_description", hint.as_str())];
            delivery::respond(&app.authority(), &request.back, &error, incoming.now_ms).await?
        }
        Ended::SentBack { until_ms } if incoming.now_ms < *until_ms => {
            let handle = coming_back::handle(&app.authority(), state);
            delivery::respond(&app.authority(), &request.back, &[(BROWSER_RETURN, &handle)], incoming.now_ms).await?
        }
        Ended::SentBack { .. } | Ended::SignedIn { .. } | Ended::Left(_) | Ended::Closed { .. } => {
            return views::done(app, incoming, state).await;
        }
    };
    match continue_page::before(app, incoming, RedirectionEndpoint::of(&request), response, Some(&state.id)).await? {
        Response::Address(address) => views::leave(app, incoming, state, &address).await,
        Response::FormPost { action, fields } => views::form_post(app, incoming, &action, &fields),
        Response::Unvouched { client, host, address } => views::unvouched(app, incoming, (&client, &host), &address),
    }
}

/// No client sent the person here. Whoever left the sign-in and is not signed in stays here: the account page would begin it once more.
async fn to_our_pages(app: &App, incoming: &Incoming, state: &State) -> Result<Reply> {
    let is_left = matches!(state.ended(), Some(Ended::Refused { .. }));
    if is_left && browser_session::for_our_pages(app, incoming).await?.is_none() {
        return views::left(app, incoming, state);
    }
    Ok(reply::see_other(&app.url("/account")))
}

/// Whoever only left the page has not answered. Nobody learns what another person has answered.
async fn has_refused(app: &App, id: &[u8; 16], state: &State) -> Result<bool> {
    let Some(subject) = &state.subject else { return Ok(false) };
    let stored = device::by_id(app, id).await?;
    Ok(stored.is_some_and(|stored| stored.state == Answer::Denied && stored.answered_by == subject.account))
}
