//! How a sign-in begins in a browser: from an authorization request, from our own pages, or to approve something elsewhere. `login` reads the
//! answers.

use super::browser::{SignInCookie, form_token};
use super::login::{BrowserSignIn, settling, surroundings, visitor};
use super::pages as views;
use super::remembered;
use super::reply::{self, Reply};
use super::settle;
use crate::app::App;
use crate::authorization::delivery::Delivery;
use crate::authorization::request::{self, AuthorizationRequest};
use crate::authorization::settle::{Finished, Settled, begin_for, rules};
use crate::error::{Error, Refused, Result};
use crate::login::accounts::Account;
use crate::login::context::Visitor;
use crate::login::flow::{Begin, Existing, Moved};
use crate::login::journey::Journey;
use crate::login::machine::over;
use crate::login::state::{Ended, Subject};
use crate::sessions::Session;
use crate::web::request::Incoming;

/// From /authorize: signs the person in as far as the request and the client's policy ask.
pub async fn begin(app: &App, incoming: &Incoming, request: AuthorizationRequest, signed_in: Option<(Session, Account)>) -> Result<Reply> {
    let (session, known) = signed_in.unzip();
    let says = |word: &str| request.prompt.iter().any(|prompt| prompt == word);
    let client =
        app.clients.get(&request.client_id).await?.ok_or_else(|| Refused::bad_request("invalid_request", "The client is gone."))?;
    let account = session.as_ref().map(|session| session.account.clone());
    request::still_allowed(&app.authority(), &client, &request)?;
    let mut rules = match request::sign_in_rules(&app.authority(), &client, &request, surroundings(incoming)) {
        Ok(rules) => rules,
        Err(Error::Refused(refused)) => return settle::refuse(app, incoming, &request, account.as_deref(), *refused).await,
        Err(fault) => return Err(fault),
    };
    // What an app handed over to a browser ends with the app: another app does not go on with it.
    let is_persons = |session: &Session| request.sub.as_ref().is_none_or(|sub| *sub == session.account);
    let counts = |session: &Session| !says(request::CREATE) && is_persons(session) && !(request.brings_back() && session.clients.is_some());
    // The choice comes first: else a policy that begins with the address would write to the old person's.
    if says("select_account") && !says(request::CREATE) && rules.confirm.is_none() {
        rules.confirm =
            remembered::choice(app, incoming, session.as_ref().filter(|session| counts(session)), request.sub.as_deref()).await?;
    }
    let delivery = Delivery::Redirect(Box::new(request.clone()));
    let begin = Begin {
        journey: if says(request::CREATE) { Journey::Register { draft: None } } else { Journey::SignIn },
        client: Some(request.client_id.clone()),
        hint: request.login_hint.clone(),
        existing: session
            .as_ref()
            .filter(|session| counts(session))
            .map(|session| Existing { account: known.map(Box::new), ..existing(session) }),
    };
    let locale = views::locale(app, incoming, request.ui_locales.as_deref());
    let visitor = visitor(app, incoming, &locale);
    // Without a page, what the session knows is all there is to judge.
    let asked = Some(&request).filter(|_| !says("none"));
    let moved = match begin_for(&app.machine, begin, &rules, &visitor, asked).await {
        Ok(moved) => moved,
        Err(Error::Refused(refused)) if refused.status == 400 => {
            return settle::refuse(app, incoming, &request, account.as_deref(), *refused).await;
        }
        Err(other) => return Err(other),
    };
    if says("none") && moved.proven.is_none() {
        let refused = Refused::bad_request("login_required", "The person has to sign in, which prompt=none forbids.");
        let refused = refused.because("no session that is enough for the request");
        return settle::refuse(app, incoming, &request, account.as_deref(), refused).await;
    }
    start(app, incoming, BegunSignIn { moved, delivery: &delivery, session: session.as_ref() }, &visitor).await
}

fn existing(session: &Session) -> Existing {
    let subject = Subject { account: session.account.clone(), version: session.account_version, session: Some(session.id) };
    Existing { subject, proofs: session.proofs.clone(), account: None }
}

/// A sign-in for our own pages: /account, and /register and /reset for somebody whom no app sent.
pub async fn own(app: &App, incoming: &Incoming, journey: Journey, session: Option<Session>) -> Result<Reply> {
    begin_here(app, incoming, journey, Delivery::OwnPage, session).await
}

/// A sign-in that approves another device, or what a client asks.
pub async fn for_device(app: &App, incoming: &Incoming, delivery: Delivery, session: Option<Session>) -> Result<Reply> {
    begin_here(app, incoming, Journey::SignIn, delivery, session).await
}

async fn begin_here(app: &App, incoming: &Incoming, journey: Journey, delivery: Delivery, session: Option<Session>) -> Result<Reply> {
    let client = delivery.asked().map(|request| request.client_id.clone());
    let begin = Begin { journey, client, hint: None, existing: session.as_ref().map(existing) };
    let locale = views::locale(app, incoming, None);
    let visitor = visitor(app, incoming, &locale);
    let rules = rules(&app.authority(), &delivery, surroundings(incoming)).await?;
    let moved = begin_for(&app.machine, begin, &rules, &visitor, delivery.asked()).await?;
    start(app, incoming, BegunSignIn { moved, delivery: &delivery, session: session.as_ref() }, &visitor).await
}

/// A sign-in that has begun, and of which nothing is written yet.
struct BegunSignIn<'a> {
    moved: Moved,
    delivery: &'a Delivery,
    /// The browser's present session.
    session: Option<&'a Session>,
}

/// The first page, or at once the end, where nothing is left to ask.
async fn start(app: &App, incoming: &Incoming, begun: BegunSignIn<'_>, visitor: &Visitor<'_>) -> Result<Reply> {
    let BegunSignIn { moved, delivery, session } = begun;
    let secret = crate::seal::random::<32>()?;
    let others = settle::others(app, incoming, &moved).await?;
    let browser = BrowserSignIn { session, visitor, secret, others: &others };
    match settling(app, delivery, browser).settle(moved).await? {
        Settled::Asked(state) => {
            let handle = app.machine.seal_start(&state)?;
            let token = form_token(app, &secret, &handle);
            let hidden = vec![("handle".to_owned(), handle)];
            let mut page = views::step(app, incoming, &state, views::PageForm { path: "/login".to_owned(), token, hidden })?;
            SignInCookie { id: state.id, secret }.set(app, incoming, &mut page);
            Ok(page)
        }
        Settled::Ended(ended) => {
            let response = match delivery.request() {
                Some(request) => settle::response(app, incoming, request, &ended).await?,
                None => None,
            };
            let mut reply = match response {
                Some(response) => views::send(app, incoming, response)?,
                None => over_at_once(app, incoming, delivery, &ended).await?,
            };
            settle::remember_end(app, incoming, &ended, &mut reply)?;
            others.iter().for_each(|other| other.forget(app, &mut reply));
            Ok(reply)
        }
        Settled::Late | Settled::Overtaken => Err(over().because("a sign-in that has not begun was overtaken").into()),
    }
}

/// Where there is no client to lead on to. Whose request elsewhere was refused reads so.
async fn over_at_once(app: &App, incoming: &Incoming, delivery: &Delivery, ended: &Finished) -> Result<Reply> {
    let is_refused = matches!(ended.state.ended(), Some(Ended::Refused { .. }));
    match delivery {
        Delivery::Device(device) if is_refused => views::device(app, incoming, "device_denied", &device.asked.request.client_id).await,
        Delivery::Backchannel(asked) if is_refused => {
            views::device(app, incoming, "approval_refused", &asked.asked.request.client_id).await
        }
        _ => Ok(reply::see_other(&app.url("/account"))),
    }
}
