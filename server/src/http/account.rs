//! GET and POST /account: what a signed-in person sees and may change. Every change but a passkey's name is a sign-in of its own
//! (`Journey`), so that each passes the machine's rules and wants fresh proof.

use super::account_passkeys::{self, instant};
use super::browser::{form_token, verified_form};
use super::reply::{self, Reply};
use super::{account_links, browser_session, login_begin};
use crate::app::App;
use crate::audit;
use crate::authorization::backchannel;
use crate::error::{Refused, Result};
use crate::login::enrolment::Waiting;
use crate::login::holdings::{AppAccess, Event, KnownDevice, SHOWN_EVENTS};
use crate::login::journey::Journey;
use crate::login::standing::{Patience, Standing};
use crate::mail;
use crate::pages::{AccountView, AppView, DeviceView, EventView, SessionView, WaitingView};
use crate::sessions::{self, Session};
use crate::store::tables::account::{MEANS, PERSON};
use crate::store::{Change, Value};
use crate::web::request::Incoming;
use http::Method;

pub async fn account(app: &App, incoming: &Incoming) -> Result<Reply> {
    app.machine.must_not_be_too_fast(Some(incoming.address))?;
    let Some(session) = browser_session::for_our_pages(app, incoming).await? else {
        return login_begin::own(app, incoming, Journey::SignIn, None).await;
    };
    if incoming.method == Method::POST {
        return act(app, incoming, &session).await;
    }
    show(app, incoming, &session).await
}

/// GET /account/password: where /.well-known/change-password leads. Who is not signed in proves who they are on the way, and may have
/// forgotten the password.
pub async fn change_password(app: &App, incoming: &Incoming) -> Result<Reply> {
    app.machine.must_not_be_too_fast(Some(incoming.address))?;
    let session = browser_session::for_our_pages(app, incoming).await?;
    login_begin::own(app, incoming, Journey::ChangePassword, session).await
}

async fn show(app: &App, incoming: &Incoming, session: &Session) -> Result<Reply> {
    let account = Value::from(session.account.as_str());
    let row = app
        .store
        .one(PERSON, std::slice::from_ref(&account))
        .await?
        .ok_or_else(|| Refused::new(404, "not_found", "The account is gone."))?;
    let mut second_factors = Vec::new();
    for row in app.store.all(MEANS, std::slice::from_ref(&account)).await? {
        second_factors.push(row.text("kind")?.to_owned());
    }
    let recovery_codes_left = second_factors.iter().filter(|it| *it == "recovery").count();
    second_factors.retain(|it| it != "password" && it != "recovery");
    let (shown, id) = (&app.machine, session.account.as_str());
    let open = shown.sessions_of(id, incoming.now_ms).await?.into_iter().map(|one| SessionView {
        current: one.id == session.id,
        id_token: one.public_name,
        label: one.label,
        address: one.address,
        started: instant(one.created_ms),
        last_used: instant(one.used_ms),
    });
    let app_view = |one: AppAccess| AppView { client: one.client, name: one.name, scopes: one.scopes, since: instant(one.since_ms) };
    let apps = shown.apps_of(id).await?.into_iter().map(app_view);
    let event = |one: Event| EventView { when: instant(one.at_ms), more: one.more(), event: one.event };
    let history = shown.history_of(id, SHOWN_EVENTS).await?.into_iter().map(event);
    let device = |one: KnownDevice| DeviceView { id: one.id, label: one.label, first: instant(one.first_ms), last: instant(one.last_ms) };
    let devices = shown.devices_of(id).await?.into_iter().map(device);
    let (passkeys, signal) = account_passkeys::show(app, session, &row).await?;
    let known = app.accounts().by_id(id).await?.unwrap_or_default();
    let email = row.opt_text("email")?.map(str::to_owned);
    let view = AccountView {
        name: row.opt_text("name")?.map(str::to_owned),
        login_name: known.login_name.filter(|_| email.is_none()),
        email,
        email_verified: row.int("email_verified")? == 1,
        second_factors,
        mail: app.config.mail.is_some(),
        recovery_codes_left,
        makes_codes: account_passkeys::makes_codes(app, id).await?,
        user_codes: app.config.takes_user_codes(),
        waiting: waiting(app, incoming, &known.waiting),
        sessions: open.collect(),
        apps: apps.collect(),
        history: history.collect(),
        language: row.opt_text("locale")?.map(|code| app.pages.language_name(code)),
        links: account_links::view(app, &session.account).await?,
        devices: devices.collect(),
        approvals: backchannel::pending(app, &session.account, incoming.now_ms).await?.len(),
        form_action: app.url("/account"),
        form_token: form_token(app, &session.id, "account"),
        passkeys,
        signal,
    };
    let locale = app.pages.pick_locale(incoming.query.get("ui_locales"), &incoming.languages());
    let html = app.pages.account(&locale, &view, &app.config.issuer)?;
    Ok(reply::operating_page(200, html, view.signal.as_ref()))
}

/// Means that do not count in full yet, oldest first.
fn waiting(app: &App, incoming: &Incoming, waiting: &[Waiting]) -> Vec<WaitingView> {
    let patience = Patience { now_ms: incoming.now_ms, wait_ms: app.config.enrolment.wait.ms() };
    let view = |one: &Waiting| WaitingView {
        kind: one.means.kind(),
        since: instant(one.enrolled_ms),
        counts_from: patience.expected_from_ms(one).map(mail::hour_after),
    };
    Standing { waiting, patience }.still_waiting().into_iter().map(view).collect()
}

async fn act(app: &App, incoming: &Incoming, session: &Session) -> Result<Reply> {
    let too_old = || Refused::bad_request("invalid_session", "This form is too old. Open the account page again.");
    let form = verified_form(app, incoming, &session.id, "account").ok_or_else(too_old)?;
    let action = form.get("action").unwrap_or_default();
    let Some(passkey) = action.strip_prefix("rename_passkey:").filter(|id| id.len() <= 64) else {
        let nothing = || Refused::bad_request("invalid_request", "There is no such action on this page.");
        let journey = Journey::of_account(action).ok_or_else(nothing)?;
        return login_begin::own(app, incoming, journey, Some(session.clone())).await;
    };
    let mut change = Change::new(incoming.now_ms);
    account_passkeys::rename(&mut change, form, &session.account, passkey)?;
    let entry = audit::Entry::ok("passkey_renamed").account(session.account.as_str()).session(sessions::public_id(app, &session.id));
    change.audit(entry.address(incoming.address.to_string()).with("target", passkey));
    app.store.apply(change).await?;
    Ok(reply::see_other(&app.url("/account")))
}
