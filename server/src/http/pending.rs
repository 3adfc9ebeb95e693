//! GET and POST /pending: what clients ask this person, for an app that may show and answer it (`approves`). CIBA Core 8. The app shows the
//! step, and its answer names the request, its version and what was shown. The policy of the client that asks decides whether the proofs of
//! the app's session are enough; what the app says of an unlocked screen counts for nothing.

use super::held_token;
use super::pages as views;
use super::reply::{self, Reply};
use crate::app::App;
use crate::audit::Entry;
use crate::authorization::backchannel::{self, BackchannelAuthorization, BackchannelRow};
use crate::authorization::backchannel_answer as answer;
use crate::authorization::backchannel_words::address_sealed_at;
use crate::authorization::complete::UNMET;
use crate::authorization::delivery::Delivery;
use crate::authorization::device::client_of;
use crate::authorization::not_mine::{self, No};
use crate::authorization::settle::{Settled, Settling};
use crate::config::sdk::NativeProviders;
use crate::error::{Error, Fault, Refused, Result};
use crate::grants::Grant;
use crate::limits::Limits;
use crate::login::context::{Face, Visitor};
use crate::login::flow::{Begin, Existing};
use crate::login::journey::Journey;
use crate::login::matching::{self, is_number};
use crate::login::state::{Ended, Subject};
use crate::login::step::Step;
use crate::sessions;
use crate::store::tables::backchannel_request::{FORGET_ADDRESS, WRITE_ADDRESS};
use crate::store::{Change, Expect, NotApplied, Value};
use crate::tokens::issue::Accepted;
use crate::web::request::Incoming;
use http::Method;
use serde_json::json;

/// FCM's tokens are the longest.
const MAX_PUSH_ADDRESS: usize = 2048;

pub async fn pending(app: &App, incoming: &Incoming, held: (Accepted, Grant)) -> Result<Reply> {
    let holder = holder(app, incoming, held).await?;
    if incoming.method == Method::POST { holder.act().await } else { holder.list().await }
}

/// Whoever may show and answer requests: a living session of the person, in an app that may, by proof of the app's key.
pub(super) async fn holder<'a>(app: &'a App, incoming: &'a Incoming, (accepted, grant): (Accepted, Grant)) -> Result<Holder<'a>> {
    let _ = incoming.known.client.set(grant.client.clone());
    let gone = || held_token::invalid("The access token is unknown, expired or ended.");
    let client = app.clients.get(&grant.client).await?.ok_or_else(gone)?;
    let forbidden = |why: &str| {
        let hint = "This app may not answer what clients ask: it needs approves = true, and tokens that are bound to a key.";
        Error::from(Refused::new(403, "insufficient_scope", hint).because(why.to_owned()))
    };
    if !client.approves {
        return Err(forbidden("the client has no approves = true"));
    }
    if accepted.token.cnf.is_none() {
        return Err(forbidden("the token is bound to nothing"));
    }
    if app.limits.approvals.check_key(&Limits::bucket(&["approvals", &sessions::public_id(app, &grant.session)])).is_err() {
        return Err(Refused::new(429, "temporarily_unavailable", "Too many requests of this app; wait.").retry_after(5).into());
    }
    Ok(Holder { app, incoming, grant })
}

pub(super) struct Holder<'a> {
    pub app: &'a App,
    pub incoming: &'a Incoming,
    pub grant: Grant,
}

impl Holder<'_> {
    pub(super) fn locale(&self) -> String {
        let asked = self.incoming.parameters().get("ui_locales");
        views::locale(self.app, self.incoming, asked)
    }

    /// The question as the app shows it. None: its client is gone, or may no longer ask for that.
    async fn step(&self, stored: &BackchannelRow) -> Result<Option<(Step, BackchannelAuthorization)>> {
        let authority = self.app.authority();
        let asked = BackchannelAuthorization { id: stored.id, account: stored.account.clone(), asked: stored.asked.clone() };
        let client = match client_of(&authority, &asked.asked.request).await {
            Ok(client) => client,
            Err(Error::Refused(_)) => return Ok(None),
            Err(fault) => return Err(fault),
        };
        match &asked.asked.visit {
            // What a kiosk gets is as strong as the session of the app that showed the code, and only that app is asked.
            Some(visit) => {
                let is_named = client.kiosk.as_ref().is_some_and(|rules| rules.device.contains_key(&visit.device));
                if !is_named || (visit.session, visit.number) != (self.grant.session, self.grant.number) {
                    return Ok(None);
                }
            }
            None => match backchannel::rules(&authority, &asked).await {
                Ok(_) => {}
                Err(Error::Refused(_)) => return Ok(None),
                Err(fault) => return Err(fault),
            },
        }
        let step = answer::step(&authority, &client, &asked, &answer::AskedPerson::default());
        Ok(Some((step, asked)))
    }

    async fn list(&self) -> Result<Reply> {
        let (app, now_ms) = (self.app, self.incoming.now_ms);
        let mut requests = Vec::new();
        for stored in backchannel::pending(app, &self.grant.account, now_ms).await? {
            let Some((step, asked)) = self.step(&stored).await? else { continue };
            requests.push(json!({
                "request": backchannel::reference(&stored.id),
                "version": stored.version,
                "shown": answer::shown(&step, &stored.id, stored.version)?,
                "client_id": stored.client_id,
                "binding_message": asked.asked.binding_message,
                "expires_in": (stored.expires_ms - now_ms) / 1000,
                "step": app.pages.word(&step, &self.locale()),
            }));
        }
        Ok(reply::json(200, &json!({ "requests": requests })))
    }

    async fn act(&self) -> Result<Reply> {
        let form = &self.incoming.form;
        match form.get("action") {
            Some("wake") => self.set_push_address(form.get("push_address")).await,
            Some("allow") => self.approve().await,
            Some("deny") => self.deny(No::Denied).await,
            Some("not_mine") => self.deny(No::NotMine).await,
            _ => Err(Refused::bad_request("invalid_request", "action is allow, deny, not_mine or wake.").into()),
        }
    }

    /// The request that the answer names, as it was shown.
    async fn named(&self) -> Result<(BackchannelRow, BackchannelAuthorization)> {
        let form = &self.incoming.form;
        let over = || backchannel::is_over().because("no such request of this person, or it is over");
        let reference = form.get("request").ok_or_else(|| Refused::bad_request("invalid_request", "request is missing."))?;
        let stored = backchannel::by_reference(self.app, reference).await?;
        let stored =
            stored.filter(|stored| stored.account == self.grant.account && stored.is_open(self.incoming.now_ms)).ok_or_else(over)?;
        let (step, asked) = self.step(&stored).await?.ok_or_else(over)?;
        let version = form.get("version").and_then(|text| text.parse::<i64>().ok());
        if version != Some(stored.version) || form.get("shown") != Some(answer::shown(&step, &stored.id, stored.version)?.as_str()) {
            let hint = "version and shown are not those of the request as it is now: read it again, and show it again.";
            return Err(Refused::bad_request("invalid_request", hint).into());
        }
        Ok((stored, asked))
    }

    async fn approve(&self) -> Result<Reply> {
        let (stored, asked) = self.named().await?;
        if asked.asked.block_keys(self.app, &asked.account).are_blocked(self.app, self.incoming.now_ms).await? {
            return Err(not_mine::refused().into());
        }
        if asked.asked.visit.is_some() {
            return self.confirm(&asked).await;
        }
        if let Some(number) = &asked.asked.number {
            self.must_be_number(&asked, number).await?;
        }
        let delivery = Delivery::Backchannel(Box::new(asked));
        match self.settle(&delivery, &stored.client_id).await? {
            true => Ok(reply::json(200, &json!({ "state": "approved" }))),
            false => Ok(self.more_is_asked(&format!("/approvals?ref={}", backchannel::reference(&stored.id)))),
        }
    }

    /// One wrong number ends the request. An answer without two digits ends nothing.
    async fn must_be_number(&self, asked: &BackchannelAuthorization, number: &str) -> Result<()> {
        match is_number(number, self.incoming.form.get(matching::NUMBER_FIELD).unwrap_or_default()) {
            Some(true) => Ok(()),
            None => Err(Refused::bad_request("invalid_request", "matching_number is the two digits that the client shows.").into()),
            Some(false) => {
                self.write_refusal(asked, No::WrongNumber).await?;
                let hint = "The number is another than the client shows. The request has ended.";
                Err(Refused::bad_request("access_denied", hint).audited().into())
            }
        }
    }

    /// Approves by the proofs of the app's session. False: the client that asks wants more than was proved for this app.
    pub(super) async fn settle(&self, delivery: &Delivery, client_id: &str) -> Result<bool> {
        let gone = || held_token::invalid("The session of this app has ended.");
        let (proofs, version) = self.grant.proved()?.ok_or_else(gone)?;
        let subject = Subject { account: self.grant.account.clone(), version, session: Some(self.grant.session) };
        let begin = Begin {
            journey: Journey::SignIn,
            client: Some(client_id.to_owned()),
            hint: None,
            existing: Some(Existing { subject, proofs, account: None }),
        };
        let (locale, providers) = (self.locale(), NativeProviders::new());
        let visitor = self.visitor(&locale, &providers);
        let rules = crate::authorization::settle::rules(&self.app.authority(), delivery, Default::default()).await?;
        let mut moved = self.app.machine.begin(begin, &rules, &visitor).await?;
        let Some(proven) = &mut moved.proven else { return Ok(false) };
        proven.consented = true;
        let settling = Settling {
            authority: self.app.authority(),
            machine: &self.app.machine,
            delivery,
            session: None,
            visitor: &visitor,
            session_secret: None,
            others: Vec::new(),
            caller: None,
        };
        let settled = match settling.settle(moved).await {
            // In the browser the person may prove what is missing.
            Err(Error::Refused(refused)) if refused.code == UNMET => return Ok(false),
            settled => settled?,
        };
        match settled {
            Settled::Ended(ended) if matches!(ended.state.ended(), Some(Ended::Refused { .. })) => {
                let hint = "A rule of this server refuses it. The request has ended.";
                Err(Refused::bad_request("access_denied", hint).because("the client was refused").audited().into())
            }
            Settled::Ended(_) => Ok(true),
            _ => Err(Fault::new("an approval in an app has a question left").into()),
        }
    }

    pub(super) fn visitor<'b>(&'b self, locale: &'b str, providers: &'b NativeProviders) -> Visitor<'b> {
        Visitor {
            device: None,
            address: Some(self.incoming.address),
            country: self.incoming.country,
            user_agent: None,
            locale,
            now_ms: self.incoming.now_ms,
            face: Face::App { origins: &[], providers, link: None },
            signed_out: false,
        }
    }

    /// The member stands at the kiosk.
    async fn confirm(&self, asked: &BackchannelAuthorization) -> Result<Reply> {
        let Grant { session, number, account, .. } = &self.grant;
        let mut change = Change::new(self.incoming.now_ms);
        sessions::hold(&mut change, session);
        answer::approve(self.app, &mut change, asked, (session, *number));
        let entry = Entry::ok("kiosk_confirmed").account(account.as_str()).client(asked.asked.request.client_id.as_str());
        let mut entry = entry.session(sessions::public_id(self.app, session));
        entry.address = Some(self.incoming.address.to_string());
        change.audit(entry);
        match self.app.store.apply(change).await {
            Ok(_) => Ok(reply::json(200, &json!({ "state": "approved" }))),
            Err(NotApplied::Conflict(_)) => {
                Err(backchannel::is_over().because("another answer was first, or the session has ended").into())
            }
            Err(other) => Err(other.into()),
        }
    }

    /// The client that asks wants more than was proved for this app: the person goes on in the browser, where all is asked.
    pub(super) fn more_is_asked(&self, page: &str) -> Reply {
        let body = json!({
            "error": "insufficient_authorization",
            "error_description": "The person has to prove more: open approval_uri in the system browser.",
            "approval_uri": self.app.url(page),
        });
        reply::json(403, &body)
    }

    async fn deny(&self, no: No) -> Result<Reply> {
        let (_, asked) = self.named().await?;
        self.write_refusal(&asked, no).await?;
        Ok(reply::json(200, &json!({ "state": "denied" })))
    }

    async fn write_refusal(&self, asked: &BackchannelAuthorization, no: No) -> Result<()> {
        let mut change = Change::new(self.incoming.now_ms);
        // The session of the app lives on until the answer is written.
        sessions::hold(&mut change, &self.grant.session);
        answer::deny(self.app, &mut change, asked, no, Some(self.incoming.address))?;
        match self.app.store.apply(change).await {
            Ok(_) => Ok(()),
            Err(NotApplied::Conflict(_)) => {
                Err(backchannel::is_over().because("another answer was first, or the session has ended").into())
            }
            Err(other) => Err(other.into()),
        }
    }

    /// Where this installation is woken up; without a value it is not woken up any more.
    async fn set_push_address(&self, address: Option<&str>) -> Result<Reply> {
        let Grant { session, number, account, .. } = &self.grant;
        let mut change = Change::new(self.incoming.now_ms);
        sessions::hold(&mut change, session);
        let name = || vec![Value::from(&session[..]), i64::from(*number).into()];
        match address {
            None => change.run_expecting(FORGET_ADDRESS, name(), Expect::Any),
            Some(text) if text.len() <= MAX_PUSH_ADDRESS && text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                let sealed = self.app.keyring.seal(&address_sealed_at(session, *number), text.as_bytes())?;
                let rest = vec![Value::from(account.as_str()), Value::from(sealed), self.incoming.now_ms.into()];
                change.run(WRITE_ADDRESS, [name(), rest].concat());
            }
            Some(_) => return Err(Refused::bad_request("invalid_request", "push_address is at most 2048 visible ASCII letters.").into()),
        }
        let mut entry = Entry::ok("push_address_set").account(account.as_str()).client(self.grant.client.as_str());
        entry.security = false;
        change.audit(entry.session(sessions::public_id(self.app, session)).with("is_set", address.is_some()));
        match self.app.store.apply(change).await {
            Ok(_) => Ok(reply::json(200, &json!({ "state": if address.is_some() { "set" } else { "forgotten" } }))),
            Err(NotApplied::Conflict(_)) => Err(held_token::invalid("The session of this app has ended.").into()),
            Err(other) => Err(other.into()),
        }
    }
}
