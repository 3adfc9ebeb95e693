//! GET and POST /logout. OpenID Connect RP-Initiated Logout 1.0. The person is asked unless the hint is an ID token of
//! this very session; a redirect happens only to a registered URI and only after a logout that was asked for (491-O).

use super::browser::{self, form_token, form_token_fits};
use super::reply::{self, Reply, add_cookie};
use crate::app::App;
use crate::error::{Refused, Result};
use crate::login::step::Step;
use crate::pages::PageContext;
use crate::sessions::{self, Session};
use crate::store::Change;
use crate::web::request::Incoming;
use http::Method;
use serde_json::Value as Json;
use symbolon_oauth::id_token;

/// What the request asks for, checked.
struct Asked {
    /// The hint is ours and names this session.
    of_this_session: bool,
    client_id: Option<String>,
    back: Option<String>,
}

pub async fn logout(app: &App, incoming: &Incoming) -> Result<Reply> {
    let session = sessions::of_browser(app, incoming).await?;
    let asked = asked(app, incoming, session.as_ref()).await?;
    let Some(session) = session else {
        // What was begun without a session ends, too.
        let mut change = Change::new(incoming.now_ms);
        browser::void_sign_ins(app, incoming, &mut change);
        if !change.is_empty() {
            app.store.apply(change).await?;
        }
        return done(app, incoming, &asked);
    };
    let confirmed = incoming.method == Method::POST
        && incoming.form.get("action") == Some("logout")
        && form_token_fits(app, &session.id, &state(&asked), incoming.form.get("form_token"));
    if !asked.of_this_session && !confirmed {
        return confirm(app, incoming, &session, &asked);
    }
    let mut change = Change::new(incoming.now_ms);
    sessions::end(app, &mut change, &session.id, &session.account, "logout");
    browser::void_sign_ins(app, incoming, &mut change);
    app.store.apply(change).await?;
    done(app, incoming, &asked)
}

/// The confirmation is bound to where it leads.
fn state(asked: &Asked) -> String {
    format!("logout {} {}", asked.client_id.as_deref().unwrap_or_default(), asked.back.as_deref().unwrap_or_default())
}

async fn asked(app: &App, incoming: &Incoming, session: Option<&Session>) -> Result<Asked> {
    let form = incoming.parameters();
    let invalid = |hint| Refused::bad_request("invalid_request", hint);
    let mut client_id = form.get("client_id").map(str::to_owned);
    let mut of_this_session = false;
    if let Some(hint) = form.get("id_token_hint") {
        let claims = id_token::check_hint(hint, &app.keys.verifiers(incoming.now_ms), &app.config.issuer)
            .map_err(|_| invalid("id_token_hint is not an ID token of this server."))?;
        let audience = claims.get("aud").and_then(Json::as_str).unwrap_or_default().to_owned();
        if client_id.as_ref().is_some_and(|it| *it != audience) {
            return Err(invalid("client_id is not the audience of id_token_hint.").into());
        }
        let sid = claims.get("sid").and_then(Json::as_str);
        of_this_session = session.is_some_and(|it| sid == Some(sessions::sid(app, &audience, &it.id).as_str()));
        client_id = Some(audience);
    }
    let back = match form.get("post_logout_redirect_uri") {
        None => None,
        Some(uri) => {
            let client = match client_id.as_deref() {
                Some(id) => app.clients.get(id).await?,
                None => None,
            };
            let registered = client.is_some_and(|it| it.post_logout_redirect_uris.iter().any(|it| it == uri));
            if !registered {
                return Err(invalid("post_logout_redirect_uri is not registered for the client; send client_id or id_token_hint.").into());
            }
            Some(uri.to_owned())
        }
    };
    Ok(Asked { of_this_session, client_id, back })
}

fn confirm(app: &App, incoming: &Incoming, session: &Session, asked: &Asked) -> Result<Reply> {
    let mut hidden = Vec::new();
    for (name, value) in [("client_id", &asked.client_id), ("post_logout_redirect_uri", &asked.back)] {
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
        form_token: form_token(app, &session.id, &state(asked)),
        base: app.config.issuer.clone(),
        hidden,
    };
    let extra = asked.back.as_deref().map(crate::authorization::delivery::origin);
    Ok(reply::page(200, app.pages.step(&Step::new("logout").primary("logout"), &context)?, extra.as_deref()))
}

fn done(app: &App, incoming: &Incoming, asked: &Asked) -> Result<Reply> {
    let mut answer = match &asked.back {
        Some(uri) => {
            let query: String = match incoming.parameters().get("state") {
                Some(state) => url::form_urlencoded::Serializer::new(String::new()).append_pair("state", state).finish(),
                None => String::new(),
            };
            let join = if query.is_empty() {
                ""
            } else if uri.contains('?') {
                "&"
            } else {
                "?"
            };
            reply::see_other(&format!("{uri}{join}{query}"))
        }
        None => {
            let step = Step::new("signed_out");
            reply::page(200, app.pages.alone(&step, &locale(app, incoming), &app.config.issuer, None)?, None)
        }
    };
    add_cookie(&mut answer, &sessions::cookie(app, &sessions::cookie_name(app, "session"), "", 0));
    browser::forget_sign_ins(app, incoming, &mut answer);
    Ok(answer)
}

fn locale(app: &App, incoming: &Incoming) -> String {
    app.pages.pick_locale(incoming.parameters().get("ui_locales"), incoming.header("accept-language"))
}
