//! POST /handover: an app gets an address for the browser. GET and POST /handover/{ticket}: the page there. docs/handover.md. GET binds the ticket
//! to this browser and changes no session; the form of the page spends it.

use super::browser::{form_token, sign_ins_of_others, verified_form};
use super::pages as views;
use super::reply::{self, Reply, add_cookie};
use super::{browser_session, held_token};
use crate::app::App;
use crate::authorization::handover::{self, HandoverBrowser, LIFETIME_MS, OpenedTicket};
use crate::config::Handover;
use crate::error::{Error, Refused, Result};
use crate::grants::Grant;
use crate::grants::holder::Holder;
use crate::limits::Limits;
use crate::login::step::{Step, Text};
use crate::pages::PageContext;
use crate::sessions;
use crate::tokens::issue::Accepted;
use crate::web::request::Incoming;
use http::{Method, header};
use serde_json::json;
use symbolon_oauth::base64url;

/// Only an attested app that may, by a token that is bound to its installation's key.
pub async fn issue(app: &App, (accepted, grant): (Accepted, Grant), now_ms: i64) -> Result<Reply> {
    let gone = || held_token::invalid("The access token is unknown, expired or ended.");
    let client = app.clients.get(&grant.client).await?.ok_or_else(gone)?;
    let forbidden = |why: &str| {
        let hint = "This app may not hand its person over to a web page: it needs the table handover, and an attested installation.";
        Error::from(Refused::new(403, "insufficient_scope", hint).because(why.to_owned()))
    };
    let rules = client.handover.as_ref().ok_or_else(|| forbidden("the client has no table handover"))?;
    if accepted.token.cnf.is_none() || !matches!(grant.holder, Holder::Instance(Some(_))) {
        return Err(forbidden("the token is bound to no attested installation"));
    }
    if app.limits.approvals.check_key(&Limits::bucket(&["handover", &sessions::public_id(app, &grant.session)])).is_err() {
        return Err(Refused::new(429, "temporarily_unavailable", "Too many tickets of this app; wait.").retry_after(5).into());
    }
    let ticket = handover::issue(app, &grant, &rules.url, now_ms).await?;
    let address = app.url(&format!("/handover/{ticket}"));
    Ok(reply::json(200, &json!({ "handover_uri": address, "expires_in": LIFETIME_MS / 1000 })))
}

pub async fn page(app: &App, incoming: &Incoming) -> Result<Reply> {
    let ticket = incoming.path("ticket").unwrap_or_default();
    let cookie = incoming.cookie(&cookie_name(app)).and_then(base64url::decode).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    if incoming.method == Method::POST && cookie.is_none() {
        return Err(Refused::bad_request("invalid_session", "This page belongs to another browser. Go back to the app.").into());
    }
    let opened = handover::open(app, (ticket, cookie), &incoming.known, incoming.now_ms).await?;
    let rules = rules(app, ticket, &opened).await?;
    let mut reply = match incoming.method {
        Method::POST => spend(app, incoming, (ticket, &opened), &rules).await?,
        _ => ask(app, incoming, (ticket, &opened), &rules).await?,
    };
    reply::set(&mut reply, header::REFERRER_POLICY, "no-referrer");
    Ok(reply)
}

fn cookie_name(app: &App) -> String {
    sessions::cookie_name(app, "handover")
}

/// What the app may do now. The page is fixed with the ticket: a configuration that has another one by now ends it.
async fn rules(app: &App, ticket: &str, opened: &OpenedTicket) -> Result<Handover> {
    let client = app.clients.get(&opened.client_id).await?;
    let rules = client.as_ref().and_then(|client| client.handover.clone());
    let rules = rules.ok_or_else(|| handover::gone().because("the client is gone or may no longer hand over"))?;
    if !handover::is_for(ticket, &rules.url) {
        return Err(handover::gone().because("the ticket was made for another page").into());
    }
    Ok(rules)
}

/// The question: who goes on, and where. Somebody else's session in this browser is named, and only a button of its own changes it.
async fn ask(app: &App, incoming: &Incoming, (ticket, opened): (&str, &OpenedTicket), rules: &Handover) -> Result<Reply> {
    let present = browser_session::at_all(app, incoming).await?;
    let name = async |account: &str| -> Result<String> {
        let found = app.accounts().by_id(account).await?;
        Ok(found.and_then(|account| account.any_email).unwrap_or_else(|| account.to_owned()))
    };
    let person = name(&opened.account).await?;
    let host = url::Url::parse(&rules.url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    let mut step = Step::new("handover");
    step.title = step.title.with("person", person.as_str());
    step.text = vec![Text::new("handover-lead").with("host", host)];
    let step = match present.filter(|session| session.account != opened.account) {
        Some(other) => {
            let other = name(&other.account).await?;
            step.text.push(Text::new("handover-other").with("other", other).with("person", person));
            step.primary("switch_person")
        }
        None => step.primary("continue"),
    };
    let context = PageContext {
        locale: views::locale(app, incoming, None),
        base: app.config.issuer.clone(),
        form_action: app.url(&format!("/handover/{ticket}")),
        form_token: form_token(app, &opened.secret, ticket),
        hidden: Vec::new(),
        onward: None,
        refresh: false,
        embedded: views::is_embedded(incoming),
        own_browser: None,
    };
    let mut reply = reply::page(200, app.pages.step(&step, &context)?);
    if opened.is_new {
        let value = base64url::encode(&opened.secret);
        add_cookie(&mut reply, &sessions::cookie(app, &cookie_name(app), &value, LIFETIME_MS / 1000));
    }
    Ok(reply)
}

async fn spend(app: &App, incoming: &Incoming, (ticket, opened): (&str, &OpenedTicket), rules: &Handover) -> Result<Reply> {
    let too_old = || Refused::bad_request("invalid_session", "This page is too old, or it belongs to another browser. Go back to the app.");
    let form = verified_form(app, incoming, &opened.secret, ticket).filter(|_| !opened.is_new);
    let form = form.ok_or_else(|| too_old().because("form token"))?;
    let present = browser_session::at_all(app, incoming).await?;
    let is_other = present.as_ref().is_some_and(|session| session.account != opened.account);
    let wanted = if is_other { "switch_person" } else { "continue" };
    if form.get("action") != Some(wanted) {
        return Err(too_old().because("another person's session, or another button").into());
    }
    // Who is signed in here in full stays so: the app's session would be worth less.
    let keep = present.as_ref().is_some_and(|session| !is_other && session.clients.is_none());
    let others = if keep { Vec::new() } else { sign_ins_of_others(app, incoming, &opened.account, None).await? };
    let voided = others.iter().map(|other| (other.id, other.secret)).collect();
    let here = HandoverBrowser { session: present.as_ref(), keep, others: voided };
    let cookie = handover::spend(app, opened, rules, &here, incoming.now_ms).await?;
    // A redirect away from here would be held against our form (CSP, form-action): a page leads on.
    let mut reply = views::lead_on(app, incoming, &rules.url)?;
    if let Some(value) = cookie {
        sessions::remember(app, &mut reply, &value);
    }
    others.iter().for_each(|other| other.forget(app, &mut reply));
    add_cookie(&mut reply, &sessions::cookie(app, &cookie_name(app), "", 0));
    Ok(reply)
}
