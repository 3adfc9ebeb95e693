//! grant_type=urn:ietf:params:oauth:grant-type:device_code. RFC 8628 3.4, 3.5.

use super::invalid_grant;
use super::polled::{self, Polled, Words};
use crate::authorization::device;
use crate::caller::Caller;
use crate::core::Core;
use crate::error::{Refused, Result};
use crate::tokens::handles::{Kind, NOT_OURS};
use crate::web::reply::Reply;
use symbolon_oauth::form::Form;

const WORDS: Words = Words {
    expired: "This device_code has expired: start again and show the new user code.",
    denied: "The person did not approve this device.",
    foreign: "This device_code was issued to another client.",
    unproved: "This device_code is bound to the key it was asked for with, which the request does not prove.",
    used: "The tokens of this device_code were fetched already.",
    exchanged: "device_code_exchanged",
    retried: "device_code_retried",
    replayed: "device_code_replayed",
    in_wrong_hands: "device_code_in_wrong_hands",
};

pub async fn redeem(core: &Core, caller: &Caller, form: &Form) -> Result<Reply> {
    let text = form.get("device_code").ok_or_else(|| Refused::bad_request("invalid_request", "The device_code parameter is missing."))?;
    let unknown = || invalid_grant("This is not a device_code of this server.");
    let handle = core.handles.read(Kind::DeviceCode, text).ok_or_else(|| unknown().because(NOT_OURS))?;
    // Its row has had its time: who made the code is certain all the same.
    let Some(stored) = device::by_id(core, &handle.id).await? else { return Err(polled::expired(&WORDS).into()) };
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
