//! The kiosk polls, where `mode = "confirm"` makes the member's app ask once more. docs/kiosk.md.

use super::kiosk::{Kiosk, Member, Spent};
use super::{invalid_grant, kiosk, polled};
use crate::authorization::backchannel;
use crate::authorization::device::ApprovalState;
use crate::caller::Caller;
use crate::core::Core;
use crate::error::{Refused, Result};
use crate::store::tables::backchannel_request::FETCH;
use crate::store::{Change, Value};
use crate::tokens::handles::{Kind, NOT_OURS};
use crate::web::reply::Reply;
use symbolon_oauth::form::Form;

/// Whoever was confirmed in the last second polls again.
const REDEEMABLE_MS: i64 = 60_000;

/// A kiosk's request: with a code, or with what it got for one.
pub async fn redeem(core: &Core, caller: &Caller, form: &Form) -> Result<Reply> {
    match (form.get("auth_req_id"), form.contains("proof")) {
        (None, _) => kiosk::redeem(core, caller, form).await,
        (Some(handle), false) => poll(core, caller, handle).await,
        (Some(_), true) => Err(Refused::bad_request("invalid_request", "Send proof or auth_req_id, not both.").into()),
    }
}

async fn poll(core: &Core, caller: &Caller, handle: &str) -> Result<Reply> {
    let kiosk = Kiosk::of(caller)?;
    kiosk.must_be_slow(core, caller)?;
    let unknown = |why: &str| invalid_grant("This is not an auth_req_id of this kiosk.").because(why.to_owned());
    let handle = core.handles.read(Kind::AuthReqId, handle).ok_or_else(|| unknown(NOT_OURS))?;
    let over = || {
        Refused::bad_request("expired_token", "The member has not answered in time, or the token was fetched: read a new code.").audited()
    };
    let stored = backchannel::by_id(core, &handle.id).await?.ok_or_else(over)?;
    let visit = stored.asked.visit.as_ref().filter(|visit| visit.device == kiosk.id && stored.client_id == caller.client_id);
    let visit = visit.filter(|_| handle.belongs_to(&stored.salt)).ok_or_else(|| unknown("another kiosk's, or no kiosk's"))?;
    match stored.state {
        ApprovalState::Pending if caller.now_ms >= stored.expires_ms => return Err(over().into()),
        ApprovalState::Pending => return Err(polled::not_yet(core, &stored.id, caller.now_ms).into()),
        ApprovalState::Denied => return Err(Refused::bad_request("access_denied", "The member did not confirm it.").audited().into()),
        ApprovalState::Approved { .. } if caller.now_ms >= stored.expires_ms + REDEEMABLE_MS => return Err(over().into()),
        ApprovalState::Approved { .. } => {}
    }
    let grant = kiosk::member(core, &kiosk, (&visit.session, visit.number), &visit.jkt).await?;
    grant.must_be_alive(caller.now_ms)?;
    let member = Member { core, caller, kiosk: &kiosk, grant };
    let request = &stored.asked.request;
    let resource: Vec<&str> = request.resource.iter().map(String::as_str).collect();
    let may = member.scope(Some(&request.scope.to_string()), &resource)?;
    let mut change = Change::new(caller.now_ms);
    let spent = Spent { request: Some((change.len(), "The token was fetched already: read a new code.")), ..Spent::default() };
    change.run(FETCH, vec![Value::from(&stored.id[..])]);
    member.give(change, spent, &may).await
}
