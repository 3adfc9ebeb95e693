//! grant_type=urn:ietf:params:oauth:grant-type:device_code. RFC 8628 3.4, 3.5. A poll is one read, and one that finds nothing new writes
//! nothing. Only the codes of RFC 8628 and RFC 6749 are answered, and each stays what it is.

use super::decision;
use super::holder::Holder;
use super::{Grant, State, TokenRequest, invalid_grant};
use crate::audit;
use crate::authorization::device::{self, Stored};
use crate::caller::Caller;
use crate::config::plugin::Moment;
use crate::core::Core;
use crate::error::{Refused, Result};
use crate::store::tables::app_grant;
use crate::store::{Change, NotApplied, Value};
use crate::tokens::handles::Kind;
use crate::tokens::issue;
use crate::web::reply::{self, Reply};
use symbolon_oauth::form::Form;

/// For so long after the first answer the same holder gets it again, if it was lost.
const RETRY_MS: i64 = 60_000;

pub async fn redeem(core: &Core, caller: &Caller, form: &Form) -> Result<Reply> {
    let text = form.get("device_code").ok_or_else(|| Refused::bad_request("invalid_request", "The device_code parameter is missing."))?;
    let unknown = || invalid_grant("This is not a device_code of this server.");
    let handle = core.handles.read(Kind::DeviceCode, text).ok_or_else(|| unknown().because("tag"))?;
    // Its row has had its time: who made the code is certain all the same.
    let Some(stored) = device::by_id(core, &handle.id).await? else { return Err(expired().into()) };
    if !handle.belongs_to(&stored.salt) {
        return Err(unknown().because("the row tag differs: forged with a stolen master key, or another store").into());
    }
    must_be_asked_by(&stored, caller)?;
    match &stored.state {
        device::State::Pending if caller.now_ms >= stored.expires_ms => Err(expired().into()),
        device::State::Pending => Err(not_yet(core, &stored, caller.now_ms).into()),
        device::State::Denied => Err(Refused::bad_request("access_denied", "The person did not approve this device.").audited().into()),
        device::State::Approved { session, number, .. } => {
            let grant = super::read(core, session, *number).await?.ok_or_else(expired)?;
            fetch(TokenRequest { core, caller, form, grant: &grant, most_s: None }).await
        }
    }
}

/// The code belongs to the client that started it, and to the key that it started it with.
fn must_be_asked_by(stored: &Stored, caller: &Caller) -> Result<()> {
    if stored.client_id != caller.client_id {
        let why = format!("started by {}, sent by {}", stored.client_id, caller.client_id);
        return Err(invalid_grant("This device_code was issued to another client.").because(why).into());
    }
    let request = &stored.asked.request;
    let instance = caller.instance.as_ref().map(|instance| instance.jkt.as_str());
    let is_by_key = request.dpop_jkt.as_deref().is_none_or(|jkt| caller.jkt() == Some(jkt));
    if is_by_key && request.instance.as_deref().is_none_or(|jkt| instance == Some(jkt)) {
        return Ok(());
    }
    Err(invalid_grant("This device_code is bound to the key it was asked for with, which the request does not prove.")
        .because("holder")
        .into())
}

fn expired() -> Refused {
    Refused::bad_request("expired_token", "This device_code has expired: start again and show the new user code.").audited()
}

fn not_yet(core: &Core, stored: &Stored, now_ms: i64) -> Refused {
    let refused = match core.limits.polls.is_in_time(&stored.id, now_ms) {
        true => Refused::bad_request("authorization_pending", "The person has not answered yet: go on polling."),
        false => Refused::bad_request("slow_down", "Poll less often: wait 5 seconds longer between polls from now on."),
    };
    refused.audited()
}

/// The person has approved: the first request gets the tokens.
async fn fetch(request: TokenRequest<'_>) -> Result<Reply> {
    let TokenRequest { core, caller, grant, .. } = request;
    grant.must_belong_to(caller)?;
    if let Err(error) = grant.must_be_held_by(caller) {
        return Err(grant.alarm(core, caller, "device_code_in_wrong_hands", error).await?);
    }
    grant.must_be_alive(caller.now_ms)?;
    grant.must_suit_the_tier(caller)?;
    match grant.state {
        State::Code if caller.now_ms >= grant.request.code_expires_ms => Err(expired().into()),
        State::Code => exchange(request).await,
        State::Active if is_retry(caller, grant) => answer_again(request).await,
        State::Active | State::Ended => Err(replayed(request).await?.into()),
    }
}

async fn exchange(request: TokenRequest<'_>) -> Result<Reply> {
    let TokenRequest { core, caller, grant, .. } = request;
    let request = TokenRequest { most_s: decision::must_go(core, caller, grant, Moment::Token).await?, ..request };
    let mut change = Change::new(caller.now_ms);
    let [holder_kind, holder] = grant.holder_after(caller, 1).to_columns();
    let values = vec![Value::from(&grant.session[..]), i64::from(grant.number).into(), caller.now_ms.into(), holder_kind, holder];
    change.run(app_grant::ACTIVATE, values);
    let burnt = caller.burn(&mut change);
    let answer = issue::for_grant(request, 1, &grant.scope).await?;
    change.audit(grant.entry(core, audit::Entry::ok("device_code_exchanged"), caller).with("jti", answer.jti.as_str()));
    match core.store.apply(change).await {
        Ok(_) => Ok(reply::json(200, &answer.body)),
        Err(NotApplied::Conflict(at)) if burnt.refusal(at).is_some() => Err(burnt.refused(at)),
        Err(NotApplied::Conflict(_)) => match super::read(core, &grant.session, grant.number).await? {
            Some(now) if now.state == State::Active && is_retry(caller, &now) => {
                answer_again(TokenRequest { grant: &now, ..request }).await
            }
            _ => Err(replayed(request).await?.into()),
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

async fn answer_again(request: TokenRequest<'_>) -> Result<Reply> {
    let TokenRequest { core, caller, grant, .. } = request;
    let request = TokenRequest { most_s: decision::must_go(core, caller, grant, Moment::Token).await?, ..request };
    let mut change = Change::new(caller.now_ms);
    let burnt = caller.burn(&mut change);
    let answer = issue::for_grant(request, 1, &grant.scope).await?;
    change.audit(grant.entry(core, audit::Entry::ok("device_code_retried"), caller).with("jti", answer.jti.as_str()));
    burnt.applied(core.store.apply(change).await)?;
    Ok(reply::json(200, &answer.body))
}

/// The tokens were fetched already. Possession of a string ends nothing: the grant lives on, and operators hear of it.
async fn replayed(request: TokenRequest<'_>) -> Result<Refused> {
    let TokenRequest { core, caller, grant, .. } = request;
    grant.say_once(core, caller, "device_code_replayed", "the tokens were fetched before").await?;
    Ok(invalid_grant("The tokens of this device_code were fetched already.").because("used twice").audited())
}
