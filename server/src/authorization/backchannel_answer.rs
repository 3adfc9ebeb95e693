//! A person answers what a client asks. CIBA Core 8; RFC 10027 for what the person must see. It happens on a page, or in an app that may
//! answer (`approves`), by the same steps as any sign-in. What is granted hangs below a session of its own.

use super::Authority;
use super::backchannel::{BackchannelAuthorization, BackchannelRow, by_id, is_over};
use super::backchannel_words::{self, PING};
use super::complete::{authenticated, granting, record_of};
use super::consent;
use super::device::{ApprovalState, client_of};
use super::not_mine::{self, No};
use super::settle::{End, Settling};
use crate::audit::Entry;
use crate::config::Client;
use crate::core::Core;
use crate::error::{Fault, Refused, Result};
use crate::grants::code;
use crate::grants::decision::{self, Completed};
use crate::login::commit::Draft;
use crate::login::context::Face;
use crate::login::flow::{Moved, Proven};
use crate::login::matching;
use crate::login::notices;
use crate::login::state::Ended;
use crate::login::step::{FieldKind, Problem, Step, Text};
use crate::mail;
use crate::sessions;
use crate::store::tables::attempt::GIVE_BACK;
use crate::store::tables::backchannel_request::{APPROVE, DENY};
use crate::store::{Change, Expect, Value};
use serde_json::Value as Json;
use std::net::IpAddr;
use symbolon_oauth::{base64url, digest};

/// For so long after its end an approved request's tokens can be fetched: whoever was approved in the last second polls again.
const REDEEMABLE_MS: i64 = 60_000;

/// What the question says of the person whom it asks.
#[derive(Default)]
pub struct AskedPerson<'a> {
    pub person: Option<&'a str>,
    /// The person did not start what came from there before.
    pub is_blocked: bool,
}

/// The question: which client, what for, and what to compare. First-party clients ask it too, and by GET alone nothing is answered.
pub fn step(authority: &Authority<'_>, client: &Client, asked: &BackchannelAuthorization, seen: &AskedPerson<'_>) -> Step {
    let request = &asked.asked.request;
    let name = client.display_name(&request.client_id);
    let mut step = Step::new("approval");
    step.title = step.title.with("client", name);
    step.text = vec![match seen.person {
        Some(person) => Text::new("approval-lead-as").with("client", name).with("person", person),
        None => Text::new("approval-lead").with("client", name),
    }];
    if let Some(message) = &asked.asked.binding_message {
        step.text.push(Text::new("approval-message").with("client", name).with("message", message.as_str()));
    }
    if let Some(visit) = &asked.asked.visit {
        step.text.push(Text::new("approval-kiosk").with("name", visit.name.as_str()).with("place", visit.stands_at.as_str()));
    }
    if asked.asked.number.is_some() {
        step.text.push(Text::new("approval-number").with("client", name));
    }
    step.text.push(Text::new("approval-warning").with("client", name));
    step = consent::show_asked(authority, client, request, step);
    if seen.is_blocked {
        return step.with_problem(Some(Problem::new("device_blocked"))).secondary("deny").secondary("not_mine");
    }
    if asked.asked.number.is_some() {
        step = step.field(matching::NUMBER_FIELD, FieldKind::Code, "off", None);
    }
    step.primary("allow").secondary("deny").secondary("not_mine")
}

/// Names what an app has shown: an answer to something else counts for nothing.
pub fn shown(step: &Step, id: &[u8; 16], version: i64) -> std::result::Result<String, Fault> {
    let text = serde_json::to_vec(&(step, id, version)).map_err(|error| Fault::new(error.to_string()))?;
    Ok(base64url::encode(&digest::sha256(&text)))
}

/// Adds the refusal to a change. Answers the statement that conflicts if there was another answer.
pub fn deny(core: &Core, change: &mut Change, asked: &BackchannelAuthorization, no: No, address: Option<IpAddr>) -> Result<usize> {
    let (now_ms, client_id) = (change.now_ms(), asked.asked.request.client_id.as_str());
    let answered = change.len();
    change.run(DENY, vec![Value::from(&asked.id[..]), asked.account.as_str().into(), now_ms.into()]);
    if no == No::NotMine {
        asked.asked.block_keys(core, &asked.account).block(change);
    }
    tell_client(core, change, asked)?;
    let mut entry = Entry::refused("backchannel_denied", no.why()).client(client_id).account(asked.account.as_str());
    entry.address = address.map(|address| address.to_string());
    change.audit(entry.with("not_mine", no == No::NotMine).with("asked_from", asked.asked.address.to_string()));
    Ok(answered)
}

/// Adds the approval to a change. Its statement conflicts if there was another answer, or while the starter is blocked. The grant is
/// what the client comes for, or that of the app which confirms a visit.
pub fn approve(core: &Core, change: &mut Change, asked: &BackchannelAuthorization, (session, number): (&[u8; 16], u32)) {
    let named = vec![Value::from(&asked.id[..]), asked.account.as_str().into(), Value::from(&session[..]), i64::from(number).into()];
    let guarded = asked.asked.block_keys(core, &asked.account).values();
    let now_ms = change.now_ms();
    change.run(APPROVE, named.into_iter().chain([now_ms.into()]).chain(guarded).collect());
}

/// The client shall come, if it wants to be told.
fn tell_client(core: &Core, change: &mut Change, asked: &BackchannelAuthorization) -> Result<()> {
    match asked.asked.notification_token {
        Some(_) => Ok(backchannel_words::write(change, &core.keyring, PING, &asked.id)?),
        None => Ok(()),
    }
}

/// What a person's answer comes to.
enum BackchannelVerdict {
    Open(Box<BackchannelRow>),
    /// This person approved it before: the same once more changes nothing.
    Done,
    Over(&'static str),
}

fn verdict(stored: Option<BackchannelRow>, now_ms: i64) -> BackchannelVerdict {
    match stored {
        None => BackchannelVerdict::Over("the request is gone"),
        Some(BackchannelRow { state: ApprovalState::Approved { .. }, .. }) => BackchannelVerdict::Done,
        Some(BackchannelRow { state: ApprovalState::Denied, .. }) => BackchannelVerdict::Over("it was denied"),
        Some(stored) if now_ms >= stored.expires_ms => BackchannelVerdict::Over("it has expired"),
        Some(stored) => BackchannelVerdict::Open(Box::new(stored)),
    }
}

impl Settling<'_> {
    /// The person is proved, or has said no.
    pub(super) async fn settle_backchannel(
        &self,
        moved: &mut Moved,
        draft: &mut Draft,
        asked: &BackchannelAuthorization,
    ) -> Result<Option<End>> {
        let Some(proven) = moved.proven.clone() else { return self.settle_refusal(moved, draft, asked) };
        if proven.account != asked.account {
            self.turn_away(moved, draft, asked, &proven.account);
            return Ok(None);
        }
        let stored = match verdict(by_id(self.authority.core, &asked.id).await?, self.visitor.now_ms) {
            BackchannelVerdict::Open(stored) => stored,
            // A page may be sent twice by its own person. An app reads a request anew before it answers.
            BackchannelVerdict::Done if matches!(self.visitor.face, Face::Browser) => {
                return self.stay_signed_in(moved, &mut draft.change, &proven).await.map(Some);
            }
            BackchannelVerdict::Done => return Err(is_over().because("another answer was first").into()),
            BackchannelVerdict::Over(why) => return Err(is_over().because(why).into()),
        };
        let client = client_of(&self.authority, &asked.asked.request).await?;
        let is_blocked =
            asked.asked.block_keys(self.authority.core, &asked.account).are_blocked(self.authority.core, self.visitor.now_ms).await?;
        if is_blocked && !matches!(self.visitor.face, Face::Browser) {
            return Err(not_mine::refused().into());
        }
        if !proven.consented || is_blocked {
            let seen = AskedPerson { person: moved.account().and_then(|account| account.any_email.as_deref()), is_blocked };
            let step = step(&self.authority, &client, asked, &seen);
            moved.ask_to_agree(step, asked.id, matching::number_as_secret(asked.asked.number.as_deref()));
            return Ok(None);
        }
        let request = &asked.asked.request;
        let completed = Completed {
            client: &request.client_id,
            proven: &proven,
            scope: &request.scope,
            tier: None,
            installation: request.instance.as_deref(),
            address: self.visitor.address,
            occasion: &|| Ok(asked.id.to_vec()),
        };
        if let Some(refused) = decision::decide_sign_in(self.authority.core, &mut draft.change, &completed).await? {
            moved.state.ended = Some(Ended::Refused { code: refused.code.to_owned(), hint: refused.hint.to_owned(), no: None });
            let answered = deny(self.authority.core, &mut draft.change, asked, No::Denied, self.visitor.address)?;
            return Ok(Some(End { answered: Some(answered), ..End::default() }));
        }
        let mut end = self.stay_signed_in(moved, &mut draft.change, &proven).await?;
        end.answered = Some(self.approve_backchannel(draft, (&client, asked), &proven, &stored)?);
        self.tell_of_approval(moved, &mut draft.change)?;
        Ok(Some(end))
    }

    /// Another person than who is asked was proved. Nobody is named: the address of the page may have come from anywhere.
    fn turn_away(&self, moved: &mut Moved, draft: &mut Draft, asked: &BackchannelAuthorization, account: &str) {
        let entry = Entry::refused("approval_refused", "somebody else than who was asked").account(account);
        let mut entry = entry.client(asked.asked.request.client_id.as_str());
        entry.address = self.visitor.address.map(|address| address.to_string());
        draft.change.audit(entry);
        let step = Step::new("approval_other").primary("not_you").called(Text::new("action-another_person")).link("cancel");
        moved.ask_to_agree(step, asked.id, Json::Null);
    }

    /// Only the person who is asked says no. Whoever is nobody yet, or only leaves the page, has not answered.
    fn settle_refusal(&self, moved: &Moved, draft: &mut Draft, asked: &BackchannelAuthorization) -> Result<Option<End>> {
        if moved.state.ended.is_none() {
            return Ok(None);
        }
        let is_asked = moved.state.subject.as_ref().is_some_and(|subject| subject.account == asked.account);
        let no = match moved.action.as_str() {
            "deny" => No::Denied,
            "not_mine" => No::NotMine,
            "allow" => No::WrongNumber,
            _ => return Ok(Some(End::default())),
        };
        if !is_asked {
            return Ok(Some(End::default()));
        }
        let answered = deny(self.authority.core, &mut draft.change, asked, no, self.visitor.address)?;
        Ok(Some(End { answered: Some(answered), ..End::default() }))
    }

    /// The grant below a session of its own, and the request's one answer. Answers the statement that conflicts if there was another.
    fn approve_backchannel(
        &self,
        draft: &mut Draft,
        (client, asked): (&Client, &BackchannelAuthorization),
        proven: &Proven,
        stored: &BackchannelRow,
    ) -> Result<usize> {
        let (core, request, change) = (self.authority.core, &asked.asked.request, &mut draft.change);
        let now_ms = change.now_ms();
        if request.essential_acr && !request.acr_values.contains(&proven.satisfied.acr.clone().unwrap_or_default()) {
            let hint = "This way of signing in does not give what the client needs.";
            return Err(Refused::bad_request("unmet_authentication_requirements", hint).into());
        }
        let session = sessions::open_apart(change, &authenticated(proven, self.opened_from()), core.config.session.absolute.ms())?;
        let mut record = record_of((client, request), proven, now_ms);
        // Until then the client may come for its tokens.
        record.code_expires_ms = stored.expires_ms + REDEEMABLE_MS;
        let (number, _) = code::grant(core, change, &granting(core, (client, request), proven, &session, &record))?;
        let statement = change.len();
        approve(core, change, asked, (&session, number));
        for key in stored.attempts.chunks_exact(32) {
            change.run_expecting(GIVE_BACK, vec![Value::from(key)], Expect::Any);
        }
        tell_client(core, change, asked)?;
        let entry = Entry::ok("backchannel_approved").account(proven.account.as_str()).client(request.client_id.as_str());
        let mut entry = entry.session(sessions::public_id(core, &session)).with("scope", request.scope.to_string());
        entry.address = self.visitor.address.map(|address| address.to_string());
        let face = if matches!(self.visitor.face, Face::Browser) { "browser" } else { "app" };
        change.audit(entry.with("face", face).with("asked_from", asked.asked.address.to_string()));
        Ok(statement)
    }

    /// A browser stays signed in, as after any sign-in. An app has its session.
    pub(super) async fn stay_signed_in(&self, moved: &mut Moved, change: &mut Change, proven: &Proven) -> Result<End> {
        if matches!(self.visitor.face, Face::Browser) {
            return self.remember_browser(moved, change, proven).await;
        }
        let session = moved.state.subject.as_ref().and_then(|subject| subject.session).unwrap_or_default();
        moved.state.ended = Some(Ended::SignedIn { session, account: proven.account.clone(), opened: false });
        Ok(End::default())
    }

    /// The person hears of it, and how to end it.
    fn tell_of_approval(&self, moved: &Moved, change: &mut Change) -> Result<()> {
        let (core, Some(account)) = (self.authority.core, moved.account()) else { return Ok(()) };
        let notice = mail::Notice { template: "approval_given", locale: self.visitor.locale, user_agent: None, link: None };
        Ok(notices::tell(change, (&core.config, &core.keyring), account, notice)?)
    }
}
