//! GET and POST /stop/{token}: the link of a letter about a means that was added, or about a sign-in on a device that was not known. The page
//! asks; its button stops it, once. The link is all that is needed: whoever reads the letter need not be able to sign in.

use super::pages;
use super::reply::Reply;
use crate::app::App;
use crate::error::Result;
use crate::login::ending;
use crate::login::step::Step;
use crate::login::waiting::{self, Open};
use crate::web::request::Incoming;
use http::Method;

pub async fn stop(app: &App, incoming: &Incoming) -> Result<Reply> {
    let token = incoming.path("token").unwrap_or_default();
    if let Some(session) = ending::read_token(&app.keyring, token) {
        return stop_session(app, incoming, &session).await;
    }
    let Some(open) = find(app, incoming).await? else { return over(app, incoming) };
    if incoming.method != Method::POST {
        return ask(app, incoming, &format!("stop_{}", open.means.kind()));
    }
    if !waiting::stop(&app.store, &app.config, &open, incoming.now_ms, &incoming.address.to_string()).await? {
        return over(app, incoming);
    }
    pages::shown_alone(app, incoming, 200, &Step::new("stopped"), Some(&app.url("/account")))
}

async fn stop_session(app: &App, incoming: &Incoming, session: &[u8; 16]) -> Result<Reply> {
    let Some(account) = ending::find(app, session).await? else { return over(app, incoming) };
    if incoming.method != Method::POST {
        return ask(app, incoming, "stop_session");
    }
    if !ending::end(app, session, &account, &incoming.address.to_string()).await? {
        return over(app, incoming);
    }
    pages::shown_alone(app, incoming, 200, &Step::new("stopped_session"), Some(&app.url("/account")))
}

fn ask(app: &App, incoming: &Incoming, kind: &str) -> Result<Reply> {
    let path = format!("/stop/{}", incoming.path("token").unwrap_or_default());
    pages::ask(app, incoming, &Step::new(kind).primary("stop"), &path)
}

async fn find(app: &App, incoming: &Incoming) -> Result<Option<Open>> {
    match incoming.path("token").and_then(|token| waiting::read_token(&app.keyring, token)) {
        Some(id) => Ok(waiting::find(&app.store, &id).await?),
        None => Ok(None),
    }
}

/// The same for a link that was used, that is too old, or that we did not make.
fn over(app: &App, incoming: &Incoming) -> Result<Reply> {
    pages::shown_alone(app, incoming, 404, &Step::new("stop_over"), Some(&app.url("/account")))
}
