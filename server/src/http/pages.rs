//! The pages of a sign-in: which address each has, and what surrounds its step.

use super::come_back;
use super::reply::{self, Reply};
use crate::app::App;
use crate::authorization::delivery::{Delivery, Response};
use crate::config::upstream::Preset;
use crate::error::{Refused, Result};
use crate::login::methods::upstream::GO;
use crate::login::operation::Operation;
use crate::login::state::{Ended, State};
use crate::login::step::{Problem, Step, Text};
use crate::pages::lone::LonePage;
use crate::pages::{FormTarget, PageContext, has_password};
use crate::web::embedded;
use crate::web::request::Incoming;
use http::{Method, header};
use symbolon_oauth::{base64url, digest};

/// Where a page's form leads, and what it carries unseen.
pub struct PageForm {
    /// Below the issuer.
    pub path: String,
    pub token: String,
    pub hidden: Vec<(String, String)>,
}

pub fn locale(app: &App, incoming: &Incoming, asked: Option<&str>) -> String {
    app.pages.pick_locale(asked.or(incoming.query.get("ui_locales")), &incoming.languages())
}

/// The language of a sign-in's page: as its request asked, else as the browser does.
fn locale_of(app: &App, incoming: &Incoming, state: &State) -> String {
    let asked = match Delivery::from_json(state.request.clone()) {
        Ok(Delivery::Redirect(request)) => request.ui_locales,
        _ => None,
    };
    locale(app, incoming, incoming.form.get("locale").or(asked.as_deref()))
}

/// The address of a sign-in's page. It names the client, so that a dead page can say which app to go back to.
pub fn address(app: &App, state: &State) -> String {
    let client = state.client.as_deref().unwrap_or_default();
    let (version, tag) = app.keyring.mac("sign-in address", &[app.config.issuer.as_bytes(), &state.id, client.as_bytes()]);
    let mut bytes = vec![version];
    bytes.extend_from_slice(&state.id);
    bytes.extend_from_slice(&tag[..16]);
    bytes.extend_from_slice(client.as_bytes());
    app.url(&format!("/login/{}", base64url::encode(&bytes)))
}

/// Where a sign-in goes on after an answer. `?go`: the page leads on to a provider by itself. Whoever comes back to the page by the
/// browser's button finds the other ways there.
pub fn next_address(app: &App, state: &State) -> String {
    let is_away = state.pending.as_ref().is_some_and(|pending| pending.away.is_some());
    format!("{}{}", address(app, state), if is_away { "?go" } else { "" })
}

/// The sign-in and the client of an address that we made.
pub fn read_address(app: &App, text: &str) -> Option<([u8; 16], Option<String>)> {
    let bytes = base64url::decode(text)?;
    let (version, rest) = bytes.split_first()?;
    let (id, rest) = rest.split_first_chunk::<16>()?;
    let (tag, client) = rest.split_first_chunk::<16>()?;
    let made = app.keyring.mac_with(*version, "sign-in address", &[app.config.issuer.as_bytes(), id, client])?;
    let client = std::str::from_utf8(client).ok()?;
    digest::equal(&made[..16], tag).then(|| (*id, Some(client.to_owned()).filter(|client| !client.is_empty())))
}

pub fn is_embedded(incoming: &Incoming) -> bool {
    embedded::is_embedded(incoming.header("user-agent").unwrap_or_default())
}

/// L-13: from a browser inside another app to the person's own. The link has the authorization request alone: no proof, account or session.
fn own_browser(app: &App, incoming: &Incoming) -> Option<String> {
    if incoming.method != Method::GET || !incoming.query.contains("client_id") {
        return None;
    }
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(incoming.query.iter()).finish();
    embedded::in_own_browser(incoming.header("user-agent")?, &app.url(&format!("{}?{query}", incoming.path_as_sent())))
}

/// L-13: what stands beside a button that leads to a provider whose pages refuse browsers inside other apps. The button stays: what a
/// browser says of itself may be wrong.
fn refusal_there(app: &App, state: &State, action: &str) -> Option<Text> {
    let provider = app.config.upstream.get(state.outside(action)?.provider()?)?;
    let refuses = provider.preset.is_some_and(Preset::refuses_embedded);
    refuses.then(|| Text::new("embedded-refused").with("provider", provider.label.as_str()))
}

/// The page of the open question.
pub fn step(app: &App, incoming: &Incoming, state: &State, target: PageForm) -> Result<Reply> {
    let Some(pending) = &state.pending else { return Ok(reply::see_other(&app.url("/account"))) };
    let locale = locale_of(app, incoming, state);
    let mut hidden = target.hidden;
    hidden.push(("locale".to_owned(), locale.clone()));
    let base = app.config.issuer.clone();
    let (form_action, embedded, own_browser) = (app.url(&target.path), is_embedded(incoming), own_browser(app, incoming));
    let question = pending.step.clone().noted(|action| refusal_there(app, state, action).filter(|_| embedded));
    let onward = pending.away.clone();
    let is_refused_there = embedded && refusal_there(app, state, GO).is_some();
    let refresh = onward.is_some() && incoming.query.contains("go") && !is_refused_there;
    let context = PageContext { locale, base, form_action, form_token: target.token, hidden, onward, refresh, embedded, own_browser };
    let html = app.pages.step(&question, &context)?;
    Ok(match &question {
        step if step.operation.is_some() => reply::operating_page(200, html, step.operation.as_ref()),
        step if has_password(step) => reply::typing_page(200, html),
        _ => reply::page(200, html),
    })
}

/// A question outside a sign-in. `path`: below the issuer, where its form leads.
pub fn ask(app: &App, incoming: &Incoming, step: &Step, path: &str) -> Result<Reply> {
    ask_with(app, incoming, step, path, Vec::new())
}

/// The same with more that its form carries unseen.
pub fn ask_with(app: &App, incoming: &Incoming, step: &Step, path: &str, mut hidden: Vec<(String, String)>) -> Result<Reply> {
    let locale = locale(app, incoming, incoming.parameters().get("locale"));
    hidden.push(("locale".to_owned(), locale.clone()));
    let base = app.config.issuer.clone();
    let (form_action, form_token, embedded) = (app.url(path), String::new(), is_embedded(incoming));
    let (onward, own_browser) = (None, None);
    let context = PageContext { locale, base, form_action, form_token, hidden, onward, refresh: false, embedded, own_browser };
    Ok(reply::page(200, app.pages.step(step, &context)?))
}

/// What became of another device's request.
pub async fn device(app: &App, incoming: &Incoming, kind: &str, client_id: &str) -> Result<Reply> {
    let name = app.clients.get(client_id).await?.map_or_else(|| client_id.to_owned(), |client| client.display_name(client_id).to_owned());
    let mut step = Step::new(kind);
    step.title = step.title.with("client", name.as_str());
    step.text = vec![Text::new(format!("{kind}-lead")).with("client", name)];
    shown_alone(app, incoming, 200, &step, Some(&app.url("/account")))
}

/// Another answer to the same question is being judged: the question again, with a line that says so.
pub fn busy(app: &App, incoming: &Incoming, state: &State) -> Result<Reply> {
    let Some(pending) = &state.pending else { return Ok(reply::see_other(&address(app, state))) };
    let mut step = pending.step.clone().with_problem(Some(Problem::new("busy")));
    // Nothing can be answered here; the way on is the page of the present question.
    (step.fields, step.actions, step.operation) = (Vec::new(), Vec::new(), None);
    let (locale, to) = (locale_of(app, incoming, state), address(app, state));
    let mut page = alone(app, incoming, 409, LonePage::of(&step, &locale).with_link(&to))?;
    reply::set(&mut page, header::RETRY_AFTER, "1");
    Ok(page)
}

/// There is no such sign-in, it is over, or it belongs to another browser.
pub async fn dead(app: &App, incoming: &Incoming, client: Option<&str>) -> Result<Reply> {
    let step = with_client(app, Step::new("over"), client).await?;
    alone(app, incoming, 404, LonePage::of(&step, &locale(app, incoming, None)).with_link(&app.url("/account")).called("home-account"))
}

/// The sign-in went on in another tab, or by a later answer.
pub async fn elsewhere(app: &App, incoming: &Incoming, state: &State) -> Result<Reply> {
    let step = with_client(app, Step::new("elsewhere"), state.client.as_deref()).await?;
    alone(app, incoming, 409, LonePage::of(&step, &locale_of(app, incoming, state)))
}

/// The sign-in is finished and its code was used, or is too old.
pub async fn done(app: &App, incoming: &Incoming, state: &State) -> Result<Reply> {
    let kind = if matches!(state.ended(), Some(Ended::Refused { .. })) { "over" } else { "done" };
    let step = with_client(app, Step::new(kind), state.client.as_deref()).await?;
    alone(app, incoming, 200, LonePage::of(&step, &locale_of(app, incoming, state)).with_link(&app.url("/account")).called("home-account"))
}

/// The person left a sign-in of our own pages, and nobody is signed in here. The link begins another one.
pub fn left(app: &App, incoming: &Incoming, state: &State) -> Result<Reply> {
    let step = Step::new("not_signed_in").lead(Text::new("not_signed_in-lead-left"));
    let (locale, to) = (locale_of(app, incoming, state), app.url("/account"));
    alone(app, incoming, 200, LonePage::of(&step, &locale).with_link(&to).called("action-begin_sign_in"))
}

/// There is nothing left to sign in to.
pub fn closed(app: &App, incoming: &Incoming, state: &State, (why, signal): (&str, Option<&Operation>)) -> Result<Reply> {
    let mut step = Step::new(why);
    step.operation = signal.cloned();
    alone(app, incoming, 200, LonePage::of(&step, &locale_of(app, incoming, state)))
}

/// Leads on to the client: by itself, and by a link for whom that does not work.
pub async fn leave(app: &App, incoming: &Incoming, state: &State, to: &str) -> Result<Reply> {
    let step = with_client(app, Step::new("leave"), state.client.as_deref()).await?;
    let html = app.pages.leave(&step, &locale_of(app, incoming, state), &app.config.issuer, to)?;
    Ok(reply::page(200, html))
}

/// An authorization response where no form leads to it.
pub fn send(app: &App, incoming: &Incoming, response: Response) -> Result<Reply> {
    match response {
        // The browser would hold a redirect away from here against the form of our page (CSP, form-action).
        Response::Address(address) if come_back::has_come_back(incoming) => lead_on(app, incoming, &address),
        Response::Address(address) => Ok(reply::see_other(&address)),
        Response::FormPost { action, fields } => form_post(app, incoming, &action, &fields),
        Response::Unvouched { client, host, address } => unvouched(app, incoming, (&client, &host), &address),
    }
}

/// Where an answer would go, to a client that nobody vouches for. Nothing leads there but the person's own click.
pub fn unvouched(app: &App, incoming: &Incoming, (client, host): (&str, &str), to: &str) -> Result<Reply> {
    let mut step = Step::new("unvouched");
    step.title = step.title.with("host", host);
    step.text = vec![Text::new("unvouched-lead").with("client", client).with("host", host), Text::new("unvouched-advice")];
    let locale = locale(app, incoming, incoming.parameters().get("ui_locales"));
    Ok(reply::page(200, app.pages.onward(&step, &locale, &app.config.issuer, to)?))
}

/// A page that leads on by itself, and by a link, to an address of a client.
pub fn lead_on(app: &App, incoming: &Incoming, to: &str) -> Result<Reply> {
    let locale = locale(app, incoming, incoming.parameters().get("ui_locales"));
    Ok(reply::page(200, app.pages.leave(&Step::new("leave"), &locale, &app.config.issuer, to)?))
}

/// The page that posts a request of another site once more, from here.
pub fn come_back(app: &App, incoming: &Incoming) -> Result<Reply> {
    let fields: Vec<(String, String)> = incoming.form_as_sent().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let action = come_back::address(app, incoming);
    let html = app.pages.form_post(&action, &fields, &locale(app, incoming, incoming.form.get("ui_locales")), &app.config.issuer)?;
    Ok(reply::posting_page(html, FormTarget::Ours))
}

/// The form that posts an answer to the client. The client's callback may lead anywhere.
pub fn form_post(app: &App, incoming: &Incoming, action: &str, fields: &[(String, String)]) -> Result<Reply> {
    let html = app.pages.form_post(action, fields, &locale(app, incoming, None), &app.config.issuer)?;
    Ok(reply::posting_page(html, FormTarget::Client))
}

async fn with_client(app: &App, mut step: Step, client: Option<&str>) -> Result<Step> {
    if let Some(id) = client {
        let known = app.clients.get(id).await?;
        let name = known.map_or_else(|| id.to_owned(), |client| client.display_name(id).to_owned());
        step.text = vec![Text::new(format!("{}-lead-to", step.kind)).with("client", name)];
    }
    Ok(step)
}

/// A page that asks nothing and is of no sign-in. `onward`: where its link leads.
pub fn shown_alone(app: &App, incoming: &Incoming, status: u16, step: &Step, onward: Option<&str>) -> Result<Reply> {
    let locale = locale(app, incoming, incoming.parameters().get("locale"));
    alone(app, incoming, status, LonePage { onward, ..LonePage::of(step, &locale) })
}

fn alone(app: &App, incoming: &Incoming, status: u16, page: LonePage<'_>) -> Result<Reply> {
    let page = LonePage { request_id: failed(incoming, status, &page.step.kind), ..page };
    let html = app.pages.alone(page, &app.config.issuer)?;
    Ok(reply::operating_page(status, html, page.step.operation.as_ref()))
}

/// Says to the log that a page with this status is a refusal, and answers the id under which it does; `None` for all that went well.
pub fn failed<'a>(incoming: &'a Incoming, status: u16, why: &str) -> Option<&'a str> {
    if status < 400 {
        return None;
    }
    let code = if why == "busy" { "temporarily_unavailable" } else { "invalid_session" };
    incoming.known.refuse(Refused::new(status, code, "A page says what to do.").because(format!("page {why}")));
    incoming.known.id.get().map(String::as_str)
}
