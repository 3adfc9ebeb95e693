//! The browser's face of the login machine: cookies, form tokens and pages on this side, `Step`s on the other. `login_begin` begins.
//! A form is answered by 303 to the page of the sign-in, `/login/{address}`, which can be fetched again.

use super::browser::{SignInCookie, verified_form};
use super::browser_session;
use super::pages as views;
use super::remembered;
use super::reply::{self, Reply};
use super::settle;
use crate::app::App;
use crate::authorization::delivery::Delivery;
use crate::authorization::request::Surroundings;
use crate::authorization::settle::{Settled, Settling, rules};
use crate::error::Result;
use crate::login::context::{Answer, Device, Face, Visitor};
use crate::login::flow::JudgedAnswer;
use crate::login::machine::{Answering, Received, changed, over};
use crate::login::methods::upstream::RETURNED;
use crate::login::state::{Ended, State};
use crate::login::step::FORGET_ACCOUNTS;
use crate::sessions::{self, Session};
use crate::stored_bytes::Writer;
use crate::web::request::Incoming;
use std::collections::BTreeMap;
use symbolon_oauth::form::Form;

/// Fields of our forms that are no answer.
const OURS: [&str; 5] = ["form_token", "handle", "version", "locale", "action"];

/// A browser is no installation.
pub(super) fn surroundings(incoming: &Incoming) -> Surroundings {
    Surroundings { address: Some(incoming.address), ..Surroundings::default() }
}

pub fn visitor<'a>(app: &App, incoming: &'a Incoming, locale: &'a str) -> Visitor<'a> {
    let device = incoming.cookie(&sessions::cookie_name(app, "device")).map(Device::Browser);
    let user_agent = incoming.header("user-agent");
    let signed_out = incoming.cookie(&sessions::cookie_name(app, sessions::SIGNED_OUT)).is_some();
    Visitor {
        device,
        address: Some(incoming.address),
        country: incoming.country,
        user_agent,
        locale,
        now_ms: incoming.now_ms,
        face: Face::Browser,
        signed_out,
    }
}

/// What a browser brings to a sign-in that is settled.
pub(super) struct BrowserSignIn<'a> {
    /// The browser's present session.
    pub session: Option<&'a Session>,
    pub visitor: &'a Visitor<'a>,
    /// What the sign-in's cookie will have.
    pub secret: [u8; 32],
    /// Sign-ins of other people in this browser, which are over when this one ends.
    pub others: &'a [SignInCookie],
}

pub(super) fn settling<'a>(app: &'a App, delivery: &'a Delivery, browser: BrowserSignIn<'a>) -> Settling<'a> {
    let BrowserSignIn { session, visitor, secret, others } = browser;
    Settling {
        authority: app.authority(),
        machine: &app.machine,
        delivery,
        session,
        visitor,
        session_secret: Some(settle::session_secret(app, &secret)),
        others: others.iter().map(|other| (other.id, other.secret)).collect(),
        caller: None,
    }
}

/// POST /login: the first answer, to a page that carries the start.
pub async fn answer_first(app: &App, incoming: &Incoming) -> Result<Reply> {
    let handle = incoming.form.get("handle").ok_or_else(|| over().because("no handle"))?;
    let state = app.machine.open_start(handle, incoming.now_ms)?;
    let cookie = SignInCookie::of(app, incoming, &state.id).ok_or_else(|| over().because("no cookie of this sign-in"))?;
    let ours = verified_form(app, incoming, &cookie.secret, handle);
    // The form's token is bound to the secret with which the page was made. The secret that the answer set comes later. With that one the
    // answer is only compared.
    let (is_ours, form) = (ours.is_some(), ours.unwrap_or_else(|| incoming.form_as_sent()));
    let fields = fields(form);
    let answer = Answer { action: action(form), fields: &fields };
    let received = app.machine.receive_start(state, &cookie.secret, &answer, incoming.now_ms).await?;
    if !is_ours && !matches!(received, Received::Again(..) | Received::Outdated(_)) {
        return Err(over().because("form token").into());
    }
    if matches!(received, Received::Fresh(_)) {
        app.stored.charge(Writer::Network(incoming.address), handle.len())?;
    }
    Ok(forgetting(app, &answer, go_on(app, incoming, &answer, received).await?))
}

/// The person asked this browser to remember nobody.
fn forgetting(app: &App, answer: &Answer<'_>, mut reply: Reply) -> Reply {
    if answer.action == FORGET_ACCOUNTS {
        remembered::forget_all(app, &mut reply);
    }
    reply
}

/// POST /login/{address}: a later answer, to a page that says which version it shows.
pub async fn answer(app: &App, incoming: &Incoming, address: &str) -> Result<Reply> {
    let (id, _) = views::read_address(app, address).ok_or_else(|| over().because("address"))?;
    let cookie = SignInCookie::of(app, incoming, &id).ok_or_else(|| over().because("no cookie of this sign-in"))?;
    let version = incoming.form.get("version").and_then(|text| text.parse::<i64>().ok()).ok_or_else(|| over().because("no version"))?;
    // Bound to the sign-in and not to its changing secret, which the row itself compares.
    let form = verified_form(app, incoming, &id, &format!("sign-in {version}")).ok_or_else(|| over().because("form token"))?;
    let fields = fields(form);
    let answer = Answer { action: action(form), fields: &fields };
    let received = app.machine.receive_answer(cookie.at(version), &answer, incoming.now_ms).await?;
    Ok(forgetting(app, &answer, go_on(app, incoming, &answer, received).await?))
}

/// The button. A form may not name the action that only a provider's redirect brings.
fn action(form: &Form) -> &str {
    form.get("action").filter(|action| *action != RETURNED).unwrap_or_default()
}

fn fields(form: &Form) -> BTreeMap<String, String> {
    let answers = form.iter().filter(|(name, _)| !OURS.contains(name));
    answers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

pub async fn go_on(app: &App, incoming: &Incoming, answer: &Answer<'_>, received: Received) -> Result<Reply> {
    match received {
        Received::Again(state, secret) => again(app, incoming, &state, secret),
        Received::Outdated(state) => Ok(reply::see_other(&views::address(app, &state))),
        Received::Busy(state) => views::busy(app, incoming, &state),
        Received::Fresh(answering) => judge(app, incoming, answer, *answering).await,
    }
}

async fn judge(app: &App, incoming: &Incoming, answer: &Answer<'_>, answering: Answering) -> Result<Reply> {
    if let Some(reply) = judge_once(app, incoming, answer, &answering).await? {
        return Ok(reply);
    }
    // What was learned outside is kept: it is judged once more, as things are now.
    match app.machine.receive_overtaken(&answering, answer, incoming.now_ms).await? {
        Received::Fresh(answering) => {
            let reply = judge_once(app, incoming, answer, &answering).await?;
            reply.ok_or_else(|| over().because("overtaken twice").into())
        }
        Received::Again(state, secret) => again(app, incoming, &state, secret),
        Received::Busy(state) => views::busy(app, incoming, &state),
        Received::Outdated(state) => Ok(reply::see_other(&views::address(app, &state))),
    }
}

/// None: another sign-in was quicker with what this answer wanted.
async fn judge_once(app: &App, incoming: &Incoming, answer: &Answer<'_>, answering: &Answering) -> Result<Option<Reply>> {
    let delivery = Delivery::from_json(answering.state.request.clone())?;
    let rules = rules(&app.authority(), &delivery, surroundings(incoming)).await?;
    let locale = views::locale(app, incoming, incoming.form.get("locale"));
    let visitor = visitor(app, incoming, &locale);
    let session = match delivery.request() {
        Some(request) => browser_session::for_client(app, incoming, &request.client_id).await?,
        None => browser_session::for_our_pages(app, incoming).await?,
    };
    must_be_the_session(&answering.state, session.as_ref())?;
    let moved = match app.machine.judge(answering, &rules, answer, &visitor).await? {
        JudgedAnswer::Moved(moved) => *moved,
        JudgedAnswer::Late => return late(app, incoming, answer, answering).await.map(Some),
    };
    let secret = answering.next_secret(&app.keyring)?;
    let taken_ms = moved.taken_ms();
    let session = session.filter(|_| !moved.ends_sessions());
    let others = settle::others(app, incoming, &moved).await?;
    let browser = BrowserSignIn { session: session.as_ref(), visitor: &visitor, secret, others: &others };
    match settling(app, &delivery, browser).settle(moved).await {
        Ok(Settled::Asked(state)) => again(app, incoming, &state, secret).map(Some),
        Ok(Settled::Ended(ended)) => {
            let mut reply = again(app, incoming, &ended.state, secret)?;
            others.iter().for_each(|other| other.forget(app, &mut reply));
            Ok(Some(reply))
        }
        Ok(Settled::Late) => late(app, incoming, answer, answering).await.map(Some),
        Ok(Settled::Overtaken) => {
            app.machine.let_go(answering, taken_ms, incoming.now_ms).await;
            Ok(None)
        }
        Err(error) => {
            app.machine.let_go(answering, taken_ms, incoming.now_ms).await;
            Err(error)
        }
    }
}

/// Proofs of a session count only in the browser that still has it, within its limits.
fn must_be_the_session(state: &State, session: Option<&Session>) -> Result<()> {
    let wanted = state.subject.as_ref().and_then(|subject| subject.session);
    if wanted.is_none() || wanted == session.map(|session| session.id) {
        return Ok(());
    }
    Err(changed())
}

/// Another request was quicker: the same answer gets its result, another one is told to wait.
async fn late(app: &App, incoming: &Incoming, answer: &Answer<'_>, answering: &Answering) -> Result<Reply> {
    match app.machine.receive_again(answering, answer).await? {
        Received::Again(state, secret) => again(app, incoming, &state, secret),
        Received::Busy(state) => views::busy(app, incoming, &state),
        Received::Outdated(state) => Ok(reply::see_other(&views::address(app, &state))),
        Received::Fresh(_) => Err(over().because("overtaken").into()),
    }
}

/// 303 to the sign-in's page, with the secret that the answer set. The same answer once more gets the same cookies.
fn again(app: &App, incoming: &Incoming, state: &State, secret: [u8; 32]) -> Result<Reply> {
    let mut reply = reply::see_other(&views::next_address(app, state));
    SignInCookie { id: state.id, secret }.set(app, incoming, &mut reply);
    if let Some(Ended::Granted { session, account, opened: true, .. } | Ended::SignedIn { session, account, opened: true }) = state.ended()
    {
        let value = sessions::cookie_value(session, &settle::session_secret(app, &secret));
        settle::remember(app, incoming, &mut reply, (&value, account))?;
    }
    Ok(reply)
}
