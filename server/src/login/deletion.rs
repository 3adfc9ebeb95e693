//! What goes with an account, whoever deletes it.

use crate::store::tables::{
    account_event, backchannel_request, device_secret, enrolment, handover, known_device, outside_identity, passkey, provider_check,
    provider_session, provider_token,
};
use crate::store::{Change, Expect};

const FORGET: [&str; 19] = [
    "DELETE FROM login_name WHERE account = $1",
    "DELETE FROM credential WHERE account = $1",
    "DELETE FROM consent WHERE account = $1",
    "DELETE FROM device_request WHERE account = $1",
    passkey::FORGET[0],
    passkey::FORGET[1],
    outside_identity::FORGET,
    provider_check::FORGET,
    provider_session::FORGET,
    provider_token::FORGET,
    known_device::FORGET,
    enrolment::FORGET[0],
    enrolment::FORGET[1],
    account_event::FORGET,
    backchannel_request::FORGET[0],
    backchannel_request::FORGET[1],
    device_secret::FORGET,
    handover::FORGET,
    "DELETE FROM account WHERE id = $1",
];

/// Everything of a person that can go, goes; sessions stay as ended until they are swept, so that APIs are told (050-C).
pub fn forget_rows(change: &mut Change, account: &str) {
    for sql in FORGET {
        change.run_expecting(sql, vec![account.into()], Expect::Any);
    }
}
