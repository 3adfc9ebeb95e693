//! POST /pending/device: a person lets another device in, in an app where they are signed in and that may answer (`approves`). RFC 8628 3.3.
//! The app sends what its own scanner read (`ref`) or what the person typed in it (`user_code`). It never sends what a link, a message or a
//! push brought: such a code opens the page with its warning. The same question as there is asked, and the same steps answer it.

use super::pending::{self, Holder};
use super::reply::{self, Reply};
use crate::app::App;
use crate::audit::Entry;
use crate::authorization::backchannel_answer::shown;
use crate::authorization::delivery::Delivery;
use crate::authorization::device::{self, CameBy, DeviceAuthorization, DeviceRow, Told};
use crate::authorization::device_answer as answer;
use crate::authorization::not_mine::No;
use crate::config::Client;
use crate::config::sdk::NativeProviders;
use crate::error::{Error, Refused, Result};
use crate::grants::Grant;
use crate::login::matching;
use crate::login::step::Step;
use crate::login::typed_codes::Paid;
use crate::sessions;
use crate::store::{Change, NotApplied};
use crate::tokens::issue::Accepted;
use crate::web::request::Incoming;
use serde_json::json;
use std::sync::Arc;
use symbolon_oauth::base64url;
use symbolon_oauth::device_authorization::UserCode;

pub async fn device(app: &App, incoming: &Incoming, held: (Accepted, Grant)) -> Result<Reply> {
    let holder = pending::holder(app, incoming, held).await?;
    let waiting = WaitingDevice::find(&holder).await?;
    match incoming.form.get("action") {
        None => waiting.question(),
        Some("allow") => waiting.approve().await,
        Some("not_mine") => waiting.deny().await,
        Some(_) => Err(Refused::bad_request("invalid_request", "action is allow or not_mine; without it the question is shown.").into()),
    }
}

/// A wrong code is an entry of its own: it was charged, so there are few of them.
async fn refuse_code(holder: &Holder<'_>, (code, hint): (&'static str, &'static str), why: &'static str) -> Result<Error> {
    let Holder { app, incoming, grant } = holder;
    let entry = Entry::refused("device_code_refused", why).account(grant.account.as_str()).client(grant.client.as_str());
    let mut change = Change::new(incoming.now_ms);
    change.audit(entry.session(sessions::public_id(app, &grant.session)).address(incoming.address.to_string()).with("face", "app"));
    app.store.apply(change).await?;
    Ok(Refused::bad_request(code, hint).audited().into())
}

/// A device that waits, as this person has found it.
struct WaitingDevice<'a> {
    holder: &'a Holder<'a>,
    device: DeviceAuthorization,
    client: Arc<Client>,
    expires_ms: i64,
    /// This person did not start what came from there before.
    is_blocked: bool,
}

impl<'a> WaitingDevice<'a> {
    async fn find(holder: &'a Holder<'a>) -> Result<Self> {
        let (authority, form) = (holder.app.authority(), &holder.incoming.form);
        let (stored, came_by) = match (form.get("user_code"), form.get("ref")) {
            (Some(typed), None) => typed_code(holder, typed).await?,
            (None, Some(reference)) => (device::by_reference(&authority, reference).await?, CameBy::CompleteUri),
            _ => return Err(Refused::bad_request("invalid_request", "Send user_code, as it was typed, or ref, as it was scanned.").into()),
        };
        let is_open = |stored: &DeviceRow| matches!(stored.told(None, holder.incoming.now_ms), Told::Open);
        let DeviceRow { id, asked, expires_ms, .. } = stored.filter(is_open).ok_or_else(device::is_over)?;
        let device = DeviceAuthorization { id, asked, came_by };
        match device::rules(&authority, &device).await {
            Ok(_) => {}
            Err(Error::Refused(why)) => return Err(device::is_over().because(why.hint).into()),
            Err(fault) => return Err(fault),
        }
        let client = device::client_of(&authority, &device.asked.request).await?;
        let block_keys = device.asked.block_keys(holder.app, &holder.grant.account);
        let is_blocked = block_keys.are_blocked(holder.app, holder.incoming.now_ms).await?;
        Ok(Self { holder, device, client, expires_ms, is_blocked })
    }

    fn step(&self) -> Step {
        answer::step_in_app(&self.holder.app.authority(), &self.client, &self.device, (here(self.holder), self.is_blocked))
    }

    fn question(&self) -> Result<Reply> {
        let (app, step) = (self.holder.app, self.step());
        let body = json!({
            "request": base64url::encode(&self.device.id),
            "shown": shown(&step, &self.device.id, 0)?,
            "client_id": self.device.asked.request.client_id,
            "expires_in": (self.expires_ms - self.holder.incoming.now_ms) / 1000,
            "step": app.pages.word(&step, &self.holder.locale()),
        });
        Ok(reply::json(200, &body))
    }

    /// The answer is to what was shown, whoever found the device by which of its two names.
    fn must_be_as_shown(&self) -> Result<()> {
        if self.holder.incoming.form.get("shown") == Some(shown(&self.step(), &self.device.id, 0)?.as_str()) {
            return Ok(());
        }
        let hint = "shown is not that of the question as it is now: read it again, and show it again.";
        Err(Refused::bad_request("invalid_request", hint).into())
    }

    async fn approve(self) -> Result<Reply> {
        self.must_be_as_shown()?;
        let Self { holder, device, client, is_blocked, .. } = self;
        answer::must_be_approvable(&client, &device, (here(holder), is_blocked))?;
        if device.came_by == CameBy::CompleteUri {
            must_see_the_screen(holder, &device).await?;
        }
        let (client_id, reference) = (device.asked.request.client_id.clone(), base64url::encode(&device.id));
        match holder.settle(&Delivery::Device(Box::new(device)), &client_id).await? {
            true => Ok(reply::json(200, &json!({ "state": "approved" }))),
            false => Ok(holder.more_is_asked(&format!("/device?ref={reference}"))),
        }
    }

    async fn deny(&self) -> Result<Reply> {
        self.must_be_as_shown()?;
        let Holder { app, incoming, grant } = self.holder;
        let mut change = Change::new(incoming.now_ms);
        // The session of the app lives on until the answer is written.
        sessions::hold(&mut change, &grant.session);
        let by = answer::AnsweredBy { account: &grant.account, address: Some(incoming.address) };
        answer::deny(app, &mut change, &self.device, by, No::NotMine);
        match app.store.apply(change).await {
            Ok(_) => Ok(reply::json(200, &json!({ "state": "denied" }))),
            Err(NotApplied::Conflict(_)) => Err(device::is_over().because("another answer was first, or the session has ended").into()),
            Err(other) => Err(other.into()),
        }
    }
}

/// A code is charged before it is looked for, as on the page. A person has tries of their own.
async fn typed_code(holder: &Holder<'_>, typed: &str) -> Result<(Option<DeviceRow>, CameBy)> {
    let unknown = ("unknown_user_code", "No device shows this code: compare it with the screen.");
    let Some(code) = UserCode::parse(typed) else { return Err(Refused::bad_request(unknown.0, unknown.1).into()) };
    let (app, locale, providers) = (holder.app, holder.locale(), NativeProviders::new());
    let visitor = holder.visitor(&locale, &providers);
    let charged = match app.machine.pay_for_user_code(Some(&holder.grant.account), &visitor).await? {
        Paid::Yes(charged) => charged,
        Paid::No { why, .. } => return Err(too_many("Too many codes were wrong; wait.", why)),
    };
    let account = holder.grant.account.as_str();
    let is_told = |stored: &DeviceRow| !matches!(stored.told(Some(account), holder.incoming.now_ms), Told::Nothing);
    let Some(stored) = device::by_user_code(&app.authority(), &code).await?.filter(is_told) else {
        return Err(refuse_code(holder, unknown, "a user code that no device has").await?);
    };
    app.machine.give_back_typed(charged, holder.incoming.now_ms).await?;
    Ok((Some(stored), CameBy::UserCode(code.to_string())))
}

/// Whoever scanned a picture types the last letters that the screen shows beside it. A few tries, whoever gives them.
async fn must_see_the_screen(holder: &Holder<'_>, device: &DeviceAuthorization) -> Result<()> {
    let (app, locale, providers) = (holder.app, holder.locale(), NativeProviders::new());
    let visitor = holder.visitor(&locale, &providers);
    let mut charged = match app.machine.pay_for_last_group(device.id, &visitor).await? {
        Paid::Yes(charged) => charged,
        Paid::No { why, .. } => return Err(too_many("The letters were wrong too often: start again on the device.", why)),
    };
    let typed = holder.incoming.form.get(matching::FIELD).unwrap_or_default();
    if device.asked.last_group.is(&app.keyring, &device.id, typed) {
        // Where a rule cannot be asked, the request stays open, and the same letters come again. They are no guess.
        app.machine.give_back_typed(charged.take_tries(), holder.incoming.now_ms).await?;
        return Ok(());
    }
    let other = ("wrong_last_group", "These are not the last letters of the code that the screen shows.");
    Err(refuse_code(holder, other, "the last group of the user code is another").await?)
}

fn here(holder: &Holder<'_>) -> answer::Whereabouts {
    answer::Whereabouts { address: Some(holder.incoming.address), country: holder.incoming.country }
}

fn too_many(hint: &'static str, why: &'static str) -> Error {
    Refused::new(429, "temporarily_unavailable", hint).because(why).retry_after(900).into()
}
