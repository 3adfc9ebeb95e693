//! grant_type=urn:openid:params:grant-type:ciba. CIBA Core 10.1, 11. A client with `ping` may poll as well.

use super::invalid_grant;
use super::polled::{self, Polled, Words};
use crate::authorization::backchannel;
use crate::caller::Caller;
use crate::core::Core;
use crate::error::{Refused, Result};
use crate::tokens::handles::{Kind, NOT_OURS};
use crate::web::reply::Reply;
use symbolon_oauth::form::Form;

const WORDS: Words = Words {
    expired: "This auth_req_id has expired: ask the person again.",
    denied: "The person did not approve this request.",
    foreign: "This auth_req_id was issued to another client.",
    unproved: "This auth_req_id is bound to the key it was asked for with, which the request does not prove.",
    used: "The tokens of this auth_req_id were fetched already.",
    exchanged: "backchannel_exchanged",
    retried: "backchannel_retried",
    replayed: "backchannel_replayed",
    in_wrong_hands: "backchannel_in_wrong_hands",
};

pub async fn redeem(core: &Core, caller: &Caller, form: &Form) -> Result<Reply> {
    let text = form.get("auth_req_id").ok_or_else(|| Refused::bad_request("invalid_request", "The auth_req_id parameter is missing."))?;
    let unknown = || invalid_grant("This is not an auth_req_id of this server.");
    let handle = core.handles.read(Kind::AuthReqId, text).ok_or_else(|| unknown().because(NOT_OURS))?;
    // Its row has had its time: who made the id is certain all the same.
    let Some(stored) = backchannel::by_id(core, &handle.id).await? else { return Err(polled::expired(&WORDS).into()) };
    if !handle.belongs_to(&stored.salt) {
        return Err(unknown().because("the row tag differs: forged with a stolen master key, or another store").into());
    }
    let polled = Polled {
        words: &WORDS,
        id: &stored.id,
        client_id: &stored.client_id,
        request: &stored.asked.request,
        state: &stored.state,
        expires_ms: stored.expires_ms,
    };
    polled::answer(core, caller, form, &polled).await
}
