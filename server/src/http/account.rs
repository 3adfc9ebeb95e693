//! GET and POST /account: what a signed-in person sees and may end. Changes of password, e-mail address and second
//! factor are logins of their own (`Journey`), so that every one of them passes the machine's rules.

use super::account_passkeys::{self, instant};
use super::browser::{form_token, form_token_fits};
use super::reply::{self, Reply};
use super::{account_links, login};
use crate::app::App;
use crate::audit;
use crate::error::{Refused, Result};
use crate::login::accounts;
use crate::login::enrolment::{Means, Waiting};
use crate::login::journey::Journey;
use crate::login::standing::Patience;
use crate::mail;
use crate::pages::{AccountView, AppView, DeviceView, SessionView, WaitingView};
use crate::sessions::{self, Session};
use crate::store::tables::known_device;
use crate::store::{Change, Expect, Row, Value};
use crate::web::request::Incoming;
use http::Method;

const PERSON: &str = "SELECT name, email, email_verified FROM account WHERE id = $1";
const FACTORS: &str = "SELECT kind FROM credential WHERE account = $1";
const SESSIONS: &str = "SELECT id, created_ms, used_ms FROM session WHERE account = $1 AND state = 'active'";
const APPS: &str = "SELECT g.client, g.scope, g.created_ms FROM session s JOIN app_grant g ON g.session = s.id \
    WHERE s.account = $1 AND s.state = 'active' AND g.state = 'active'";
const END_ONE: &str = "UPDATE session SET state = 'ended', ended_ms = $3 WHERE account = $1 AND id = $2 AND state = 'active'";
const END_OTHERS: &str = "UPDATE session SET state = 'ended', ended_ms = $3 WHERE account = $1 AND id <> $2 AND state = 'active'";
const END_APP: &str = "UPDATE app_grant SET state = 'ended', ended_ms = $3 WHERE client = $2 AND state <> 'ended' \
    AND session IN (SELECT id FROM session WHERE account = $1)";
/// Of what a button names: the id of a client is the longest.
const LONGEST_TARGET: usize = 2048;
const FORGET: &str = "DELETE FROM consent WHERE account = $1 AND client = $2";

pub async fn account(app: &App, incoming: &Incoming) -> Result<Reply> {
    let Some(session) = sessions::of_browser(app, incoming).await? else {
        return login::own(app, incoming, Journey::SignIn, None).await;
    };
    if incoming.method == Method::POST {
        return act(app, incoming, &session).await;
    }
    show(app, incoming, &session).await
}

/// GET /account/password: where /.well-known/change-password leads. Who is not signed in signs in first.
pub async fn change_password(app: &App, incoming: &Incoming) -> Result<Reply> {
    match sessions::of_browser(app, incoming).await? {
        Some(session) => login::own(app, incoming, Journey::ChangePassword, Some(session)).await,
        None => login::own(app, incoming, Journey::SignIn, None).await,
    }
}

async fn show(app: &App, incoming: &Incoming, session: &Session) -> Result<Reply> {
    let account = Value::from(session.account.as_str());
    let row = app
        .store
        .one(PERSON, std::slice::from_ref(&account))
        .await?
        .ok_or_else(|| Refused::new(404, "not_found", "The account is gone."))?;
    let mut second_factors = Vec::new();
    for row in app.store.all(FACTORS, std::slice::from_ref(&account)).await? {
        second_factors.push(row.text(0)?.to_owned());
    }
    let recovery_codes_left = second_factors.iter().filter(|it| *it == "recovery").count();
    second_factors.retain(|it| it != "password" && it != "recovery");
    let mut open = Vec::new();
    for row in app.store.all(SESSIONS, std::slice::from_ref(&account)).await? {
        let id: [u8; 16] = row.bytes(0)?.try_into().unwrap_or_default();
        open.push(SessionView {
            id_token: sessions::public_id(app, &id),
            started: instant(row.int(1)?),
            last_used: instant(row.int(2)?),
            current: id == session.id,
        });
    }
    let mut apps: Vec<AppView> = Vec::new();
    for row in app.store.all(APPS, &[account]).await? {
        let client = row.text(0)?;
        if apps.iter().any(|it| it.client == client) {
            continue;
        }
        let name = app.clients.get(client).await?.and_then(|it| it.name.clone()).unwrap_or_else(|| client.to_owned());
        let scopes = row.text(1)?.split(' ').map(str::to_owned).collect();
        apps.push(AppView { client: client.to_owned(), name, scopes, since: instant(row.int(2)?) });
    }
    let (passkeys, signal) = account_passkeys::show(app, session, &row).await?;
    let has_signal = signal.is_some();
    let view = AccountView {
        name: row.opt_text(0)?.map(str::to_owned),
        email: row.opt_text(1)?.map(str::to_owned),
        email_verified: row.int(2)? == 1,
        second_factors,
        mail: app.config.mail.is_some(),
        recovery_codes_left,
        waiting: waiting(app, incoming, &session.account).await?,
        sessions: open,
        apps,
        links: account_links::view(app, &session.account).await?,
        devices: devices(app, &session.account).await?,
        form_action: app.url("/account"),
        form_token: form_token(app, &session.id, "account"),
        passkeys,
        signal,
    };
    let locale = app.pages.pick_locale(incoming.query.get("ui_locales"), incoming.header("accept-language"));
    let html = app.pages.account(&locale, &view, &app.config.issuer)?;
    Ok(if has_signal { reply::operating_page(200, html) } else { reply::page(200, html) })
}

/// Means that do not count in full yet, oldest first.
async fn waiting(app: &App, incoming: &Incoming, account: &str) -> Result<Vec<WaitingView>> {
    let patience = Patience { now_ms: incoming.now_ms, wait_ms: app.config.enrolment.wait.ms() };
    let mut waiting = accounts::by_id(&app.store, account).await?.map(|account| account.waiting).unwrap_or_default();
    waiting.retain(|one| one.means == Means::Regain || !patience.is_over(one));
    waiting.sort_by_key(|one| one.enrolled_ms);
    let view = |one: &Waiting| WaitingView {
        kind: one.means.kind(),
        since: instant(one.enrolled_ms),
        counts_from: patience.expected_from_ms(one).map(mail::hour_after),
    };
    Ok(waiting.iter().map(view).collect())
}

/// Browsers and installations on which less is asked.
async fn devices(app: &App, account: &str) -> Result<Vec<DeviceView>> {
    let rows = app.store.all(known_device::OF_ACCOUNT, &[account.into()]).await?;
    let view = |row: &Row| {
        let (label, first, last) = (row.text("label")?.to_owned(), instant(row.int("first_ms")?), instant(row.int("last_ms")?));
        Ok(DeviceView { id: row.text("device")?.to_owned(), label, first, last })
    };
    rows.iter().map(view).collect()
}

async fn act(app: &App, incoming: &Incoming, session: &Session) -> Result<Reply> {
    let form = &incoming.form;
    if !form_token_fits(app, &session.id, "account", form.get("form_token")) {
        return Err(Refused::bad_request("invalid_session", "This form is too old. Open the account page again.").into());
    }
    let whole = form.get("action").unwrap_or_default();
    let (action, target) = whole.split_once(':').unwrap_or((whole, ""));
    if target.len() > LONGEST_TARGET {
        return Err(Refused::bad_request("invalid_request", "There is no such action on this page.").because("a long target").into());
    }
    if let Some(journey) = Journey::of_account(whole).or_else(|| Journey::of_link(action, target)) {
        return login::own(app, incoming, journey, Some(session.clone())).await;
    }
    let mut change = Change::new(incoming.now_ms);
    let account = || Value::from(session.account.as_str());
    let event = match action {
        "sign_out_others" => {
            accounts::raise(&mut change, &session.account);
            change.run_expecting(END_OTHERS, vec![account(), Value::from(&session.id[..]), incoming.now_ms.into()], Expect::Any);
            change.run_expecting(known_device::FORGET, vec![account()], Expect::Any);
            "other_sessions_ended"
        }
        "end_session" => {
            accounts::raise(&mut change, &session.account);
            for row in app.store.all(SESSIONS, &[account()]).await? {
                let id: [u8; 16] = row.bytes(0)?.try_into().unwrap_or_default();
                if sessions::public_id(app, &id) == target {
                    change.run_expecting(END_ONE, vec![account(), Value::from(&id[..]), incoming.now_ms.into()], Expect::Any);
                }
            }
            "session_ended"
        }
        "revoke_app" => {
            change.run_expecting(END_APP, vec![account(), target.into(), incoming.now_ms.into()], Expect::Any);
            change.run_expecting(FORGET, vec![account(), target.into()], Expect::Any);
            "consent_withdrawn"
        }
        "forget_device" => {
            change.run_expecting(known_device::FORGET_ONE, vec![account(), target.into()], Expect::Any);
            "device_forgotten"
        }
        "rename_passkey" => {
            account_passkeys::rename(&mut change, incoming, &session.account, target)?;
            "passkey_renamed"
        }
        _ => return Err(Refused::bad_request("invalid_request", "There is no such action on this page.").into()),
    };
    let entry = audit::Entry::ok(event).account(session.account.as_str()).session(sessions::public_id(app, &session.id));
    change.audit(entry.address(incoming.address.to_string()).with("target", target));
    app.store.apply(change).await?;
    Ok(reply::see_other(&app.url("/account")))
}
