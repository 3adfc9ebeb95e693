//! A grant that its client polls for, because the person answers elsewhere: RFC 8628 3.4 and 3.5, CIBA Core 10 and 11. A poll is one read,
//! and one that finds nothing new writes nothing. Only the codes of the RFCs are answered, and each stays what it is.

use super::decision;
use super::holder::Holder;
use super::{Grant, GrantState, TokenRequest, invalid_grant};
use crate::audit;
use crate::authorization::device;
use crate::authorization::request::AuthorizationRequest;
use crate::caller::Caller;
use crate::config::plugin::Moment;
use crate::core::Core;
use crate::error::{Error, Refused, Result};
use crate::store::tables::app_grant;
use crate::store::{Change, NotApplied, Value};
use crate::tokens::issue;
use crate::web::reply::{self, Reply};
use symbolon_oauth::form::Form;

/// For so long after the first answer the same holder gets it again, if it was lost.
const RETRY_MS: i64 = 60_000;

/// The words of one protocol: hints for developers, and events of the audit.
pub struct Words {
    pub expired: &'static str,
    pub denied: &'static str,
    pub foreign: &'static str,
    pub unproved: &'static str,
    pub used: &'static str,
    pub exchanged: &'static str,
    pub retried: &'static str,
    pub replayed: &'static str,
    pub in_wrong_hands: &'static str,
}

/// What is polled for, as it is now.
pub struct Polled<'a> {
    pub words: &'static Words,
    pub id: &'a [u8; 16],
    pub client_id: &'a str,
    pub request: &'a AuthorizationRequest,
    pub state: &'a device::ApprovalState,
    pub expires_ms: i64,
}

/// A poll by somebody whose handle is genuine.
pub async fn answer(core: &Core, caller: &Caller, form: &Form, polled: &Polled<'_>) -> Result<Reply> {
    must_be_started_by(polled, caller)?;
    if let Err(error) = must_prove_the_key(polled, caller) {
        return Err(in_wrong_hands(core, caller, polled, error).await?);
    }
    let words = polled.words;
    match polled.state {
        device::ApprovalState::Pending if caller.now_ms >= polled.expires_ms => Err(expired(words).into()),
        device::ApprovalState::Pending => Err(not_yet(core, polled.id, caller.now_ms).into()),
        device::ApprovalState::Denied => Err(Refused::bad_request("access_denied", words.denied).audited().into()),
        device::ApprovalState::Approved { session, number, .. } => {
            let grant = super::read(core, session, *number).await?.ok_or_else(|| expired(words))?;
            fetch(TokenRequest { core, caller, form, grant: &grant, most_s: None }, words).await
        }
    }
}

/// The handle belongs to the client that started.
fn must_be_started_by(polled: &Polled<'_>, caller: &Caller) -> Result<()> {
    let Polled { words, client_id, .. } = polled;
    if *client_id == caller.client_id {
        return Ok(());
    }
    Err(invalid_grant(words.foreign).because(format!("started by {client_id}, sent by {}", caller.client_id)).into())
}

/// It belongs to the key that it started with.
fn must_prove_the_key(polled: &Polled<'_>, caller: &Caller) -> Result<()> {
    let Polled { words, request, .. } = polled;
    let instance = caller.instance.as_ref().map(|instance| instance.jkt.as_str());
    let is_by_key = request.dpop_jkt.as_deref().is_none_or(|jkt| caller.jkt() == Some(jkt));
    if is_by_key && request.instance.as_deref().is_none_or(|jkt| instance == Some(jkt)) {
        return Ok(());
    }
    Err(invalid_grant(words.unproved).because("holder").into())
}

/// The handle is genuine, and its key was not proved. Once it leads to tokens, it is an alarm. Before, it is a refusal like others.
async fn in_wrong_hands(core: &Core, caller: &Caller, polled: &Polled<'_>, error: Error) -> Result<Error> {
    let device::ApprovalState::Approved { session, number, .. } = polled.state else { return Ok(error) };
    match super::read(core, session, *number).await? {
        Some(grant) => grant.alarm(core, caller, polled.words.in_wrong_hands, error).await,
        None => Ok(error),
    }
}

pub fn expired(words: &Words) -> Refused {
    Refused::bad_request("expired_token", words.expired).audited()
}

pub fn not_yet(core: &Core, id: &[u8; 16], now_ms: i64) -> Refused {
    let refused = match core.limits.polls.is_in_time(id, now_ms) {
        true => Refused::bad_request("authorization_pending", "The person has not answered yet: go on polling."),
        false => Refused::bad_request("slow_down", "Poll less often: wait 5 seconds longer between polls from now on."),
    };
    refused.audited()
}

/// The person has approved: the first request gets the tokens.
async fn fetch(request: TokenRequest<'_>, words: &Words) -> Result<Reply> {
    let TokenRequest { core, caller, grant, .. } = request;
    grant.must_belong_to(caller)?;
    if let Err(error) = grant.must_be_held_by(caller) {
        return Err(grant.alarm(core, caller, words.in_wrong_hands, error).await?);
    }
    grant.must_be_alive(caller.now_ms)?;
    grant.must_suit_the_tier(caller)?;
    match grant.state {
        GrantState::Code if caller.now_ms >= grant.request.code_expires_ms => Err(expired(words).into()),
        GrantState::Code => exchange(request, words).await,
        GrantState::Active if is_retry(caller, grant) => answer_again(request, words).await,
        GrantState::Active | GrantState::Ended => Err(refuse_replay(request, words).await?.into()),
    }
}

async fn exchange(request: TokenRequest<'_>, words: &Words) -> Result<Reply> {
    let TokenRequest { core, caller, grant, .. } = request;
    let request = TokenRequest { most_s: decision::must_go(core, caller, grant, Moment::Token).await?, ..request };
    let mut change = Change::new(caller.now_ms);
    let [holder_kind, holder] = grant.holder_after(caller, 1).to_columns();
    let values = vec![Value::from(&grant.session[..]), i64::from(grant.number).into(), caller.now_ms.into(), holder_kind, holder];
    change.run(app_grant::ACTIVATE, values);
    let burnt = caller.burn(&mut change);
    let answer = issue::for_grant(request, 1, &grant.scope).await?;
    change.audit(grant.entry(core, audit::Entry::ok(words.exchanged), caller).with("jti", answer.jti.as_str()));
    match core.store.apply(change).await {
        Ok(_) => Ok(reply::json(200, &answer)),
        Err(NotApplied::Conflict(at)) if burnt.refusal(at).is_some() => Err(burnt.refused(at)),
        Err(NotApplied::Conflict(_)) => match super::read(core, &grant.session, grant.number).await? {
            Some(now) if now.state == GrantState::Active && is_retry(caller, &now) => {
                answer_again(TokenRequest { grant: &now, ..request }, words).await
            }
            _ => Err(refuse_replay(request, words).await?.into()),
        },
        Err(other) => Err(other.into()),
    }
}

/// The holder asks again because the answer was lost: it proves its key or authenticates, and nothing was refreshed since.
fn is_retry(caller: &Caller, grant: &Grant) -> bool {
    let is_held = match &grant.holder {
        Holder::Bearer | Holder::Open => false,
        Holder::Jkt(_) | Holder::Certificate(_) | Holder::Instance(_) | Holder::Client(_) => grant.must_be_held_by(caller).is_ok(),
    };
    is_held && grant.generation == 1 && caller.now_ms < grant.issued_ms + RETRY_MS
}

async fn answer_again(request: TokenRequest<'_>, words: &Words) -> Result<Reply> {
    let TokenRequest { core, caller, grant, .. } = request;
    let request = TokenRequest { most_s: decision::must_go(core, caller, grant, Moment::Token).await?, ..request };
    let mut change = Change::new(caller.now_ms);
    let burnt = caller.burn(&mut change);
    let answer = issue::for_grant(request, 1, &grant.scope).await?;
    change.audit(grant.entry(core, audit::Entry::ok(words.retried), caller).with("jti", answer.jti.as_str()));
    burnt.applied(core.store.apply(change).await)?;
    Ok(reply::json(200, &answer))
}

/// The tokens were fetched already. Possession of a string ends nothing: the grant lives on, and operators hear of it.
async fn refuse_replay(request: TokenRequest<'_>, words: &Words) -> Result<Refused> {
    let TokenRequest { core, caller, grant, .. } = request;
    grant.say_once(core, caller, words.replayed, "the tokens were fetched before").await?;
    Ok(invalid_grant(words.used).because("used twice").audited())
}
