//! A person answers what a client asks. CIBA Core 8; RFC 10027 for what the person must see. It happens on a page, or in an app that may
//! answer (`approves`), by the same steps as any sign-in. What is granted hangs below a session of its own.

use super::Authority;
use super::backchannel::{BackchannelAuthorization, BackchannelRow, by_id, is_over};
use super::backchannel_words::{self, PING};
use super::complete::{Completing, Judgement, Reaching, complete, judge, not_gone_on, refused_end};
use super::consent::{self, Assured};
use super::device::{ApprovalState, client_of};
use super::not_mine::{self, No};
use super::signed_in::{Answerer, End, remember_browser, stay_signed_in, tell_of_approval};
use crate::audit::Entry;
use crate::config::Client;
use crate::core::Core;
use crate::error::{Fault, Refused, Result};
use crate::login::flow::Moved;
use crate::login::matching;
use crate::login::state::Ended;
use crate::login::step::{FieldKind, Problem, Step, Text};
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
    let answered = close(change, asked);
    if no == No::NotMine {
        asked.asked.block_keys(core, &asked.account).block(change);
    }
    tell_client(core, change, asked)?;
    let entry = about(Entry::refused("backchannel_denied", no.why()), asked, address);
    change.audit(entry.with("not_mine", no == No::NotMine));
    Ok(answered)
}

/// The same where the person has not said no: what they proved is not enough, or a rule of the operator's says no. The client is pinged, and
/// told `access_denied` at its next poll, for CIBA Core 11 has no better word. `error` of the entry says more.
fn refuse(core: &Core, change: &mut Change, asked: &BackchannelAuthorization, refused: &Refused, address: Option<IpAddr>) -> Result<usize> {
    let answered = close(change, asked);
    tell_client(core, change, asked)?;
    let entry = about(Entry::refused("authorization_refused", refused.reason()), asked, address);
    change.audit(entry.with("error", refused.code));
    Ok(answered)
}

fn close(change: &mut Change, asked: &BackchannelAuthorization) -> usize {
    let (answered, now_ms) = (change.len(), change.now_ms());
    change.run(DENY, vec![Value::from(&asked.id[..]), asked.account.as_str().into(), now_ms.into()]);
    answered
}

fn about(entry: Entry, asked: &BackchannelAuthorization, address: Option<IpAddr>) -> Entry {
    let mut entry = entry.client(asked.asked.request.client_id.as_str()).account(asked.account.as_str());
    entry.address = address.map(|address| address.to_string());
    entry.with("asked_from", asked.asked.address.to_string())
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

/// The person is proved, or has said no.
pub(super) async fn settle(
    answerer: &Answerer<'_>,
    moved: &mut Moved,
    change: &mut Change,
    asked: &BackchannelAuthorization,
) -> Result<Option<End>> {
    let Some(proven) = moved.proven.clone() else { return settle_refusal(answerer, moved, change, asked) };
    let (core, visitor, request) = (answerer.authority.core, answerer.visitor, &asked.asked.request);
    if proven.account != asked.account {
        turn_away(answerer, moved, change, asked, &proven.account);
        return Ok(None);
    }
    let stored = match verdict(by_id(core, &asked.id).await?, visitor.now_ms) {
        BackchannelVerdict::Open(stored) => stored,
        // A page may be sent twice by its own person. An app reads a request anew before it answers.
        BackchannelVerdict::Done if answerer.is_in_browser() => {
            return remember_browser(answerer, moved, change, &proven).await.map(Some);
        }
        BackchannelVerdict::Done => return Err(is_over().because("another answer was first").into()),
        BackchannelVerdict::Over(why) => return Err(is_over().because(why).into()),
    };
    let client = client_of(&answerer.authority, request).await?;
    let is_blocked = asked.asked.block_keys(core, &asked.account).are_blocked(core, visitor.now_ms).await?;
    let in_app = !answerer.is_in_browser();
    if is_blocked && in_app {
        return Err(not_mine::refused().into());
    }
    let face = if in_app { "app" } else { "browser" };
    let completing = Completing {
        client: &client,
        request,
        proven: &proven,
        // Nobody else may ask.
        assured: Assured::ClientAuthentication,
        address: visitor.address,
        opened_from: answerer.opened_from(),
        reaching: Reaching::Waiting { id: asked.id, until_ms: stored.expires_ms + REDEEMABLE_MS, has_agreed: proven.consented, in_app },
        entry: about(Entry::ok("backchannel_approved"), asked, visitor.address).with("face", face),
    };
    // Nobody approves what a blocked starter asks. The question is only shown, however well the person is proved, and no is still an answer.
    let judged = if is_blocked { Judgement::Consent } else { judge(&answerer.authority, change, &completing).await? };
    let grantable = match judged {
        Judgement::Grant(grantable) => grantable,
        Judgement::Consent => {
            let seen = AskedPerson { person: moved.account().and_then(|account| account.any_email.as_deref()), is_blocked };
            let step = step(&answerer.authority, &client, asked, &seen);
            moved.ask_to_agree(step, asked.id, matching::number_as_secret(asked.asked.number.as_deref()));
            return Ok(None);
        }
        Judgement::Refused(refused) => {
            moved.state.end(refused_end(&refused));
            return Ok(Some(End::of_answer(refuse(core, change, asked, &refused, visitor.address)?)));
        }
        Judgement::SentBack => return Err(Fault::new("what a client asks here goes back to no app").into()),
    };
    let mut end = stay_signed_in(answerer, moved, change, &proven).await?;
    let granted = complete(&answerer.authority, change, &completing, grantable)?;
    end.answered = Some(change.len());
    approve(core, change, asked, (&granted.session, granted.number));
    for key in stored.attempts.chunks_exact(32) {
        change.run_expecting(GIVE_BACK, vec![Value::from(key)], Expect::Any);
    }
    tell_client(core, change, asked)?;
    tell_of_approval(answerer, moved, change, "approval_given")?;
    Ok(Some(end))
}

/// Another person than who is asked was proved. Nobody is named: the address of the page may have come from anywhere.
fn turn_away(answerer: &Answerer<'_>, moved: &mut Moved, change: &mut Change, asked: &BackchannelAuthorization, account: &str) {
    let entry = Entry::refused("approval_refused", "somebody else than who was asked").account(account);
    let mut entry = entry.client(asked.asked.request.client_id.as_str());
    entry.address = answerer.visitor.address.map(|address| address.to_string());
    change.audit(entry);
    let step = Step::new("approval_other").primary("not_you").called(Text::new("action-another_person")).link("cancel");
    moved.ask_to_agree(step, asked.id, Json::Null);
}

/// Only the person who is asked says no. Whoever is nobody yet, or only leaves the page, has not answered.
fn settle_refusal(answerer: &Answerer<'_>, moved: &Moved, change: &mut Change, asked: &BackchannelAuthorization) -> Result<Option<End>> {
    let Some(ended) = moved.state.ended() else { return Ok(None) };
    let (core, address) = (answerer.authority.core, answerer.visitor.address);
    if moved.state.subject.as_ref().is_none_or(|subject| subject.account != asked.account) {
        return Ok(Some(End::default()));
    }
    let answered = match (moved.action.as_str(), ended) {
        ("deny", _) => deny(core, change, asked, No::Denied, address)?,
        ("not_mine", _) => deny(core, change, asked, No::NotMine, address)?,
        ("allow", _) => deny(core, change, asked, No::WrongNumber, address)?,
        // The page said what does not count yet, and the person went. What the browser knew from before ends nothing.
        (_, Ended::Refused { no: None, .. }) if moved.state.shows_anything() => refuse(core, change, asked, &not_gone_on(None), address)?,
        _ => return Ok(Some(End::default())),
    };
    Ok(Some(End::of_answer(answered)))
}
