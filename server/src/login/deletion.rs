//! What goes with an account, and with an identity at a provider, whoever takes it away.

use crate::store::tables::{
    account, account_event, backchannel_request, consent, device_request, device_secret, enrolment, handover, known_device,
    outside_identity, passkey, provider_check, provider_hint, provider_revocation, provider_session, provider_token, provider_transfer,
};
use crate::store::{Change, Expect};

const FORGET: [&str; 21] = [
    account::FORGET_NAMES,
    account::FORGET_CREDENTIALS,
    consent::FORGET,
    device_request::FORGET,
    passkey::FORGET[0],
    passkey::FORGET[1],
    provider_transfer::FORGET_ACCOUNT,
    outside_identity::FORGET,
    provider_check::FORGET,
    provider_hint::FORGET,
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
    account::DELETE,
];

/// Everything of a person that can go, goes; sessions stay as ended until they are swept, so that APIs are told (050-C).
pub fn forget_rows(change: &mut Change, account: &str) {
    change.run_expecting(provider_revocation::OF_ACCOUNT, vec![account.into(), change.now_ms().into()], Expect::Any);
    for sql in FORGET {
        change.run_expecting(sql, vec![account.into()], Expect::Any);
    }
}

/// An identity at a provider, by its key, leads to the account no more. What the provider gave for it goes too. The first statement is the
/// one that conflicts, where one is expected and the identity leads there no more.
pub fn unlink(change: &mut Change, account: &str, key: &str, expect: Expect) {
    change.run_expecting(outside_identity::UNLINK, vec![account.into(), key.into()], expect);
    forget_unlinked(change, account, key);
}

/// The same on a restored store. What was linked later stays.
pub fn unlink_again(change: &mut Change, account: &str, key: &str, at_ms: i64) {
    change.run_expecting(outside_identity::UNLINK_AGAIN, vec![account.into(), key.into(), at_ms.into()], Expect::Any);
    forget_unlinked(change, account, key);
}

fn forget_unlinked(change: &mut Change, account: &str, key: &str) {
    let values = vec![key.into(), account.into(), change.now_ms().into()];
    change.run_expecting(provider_revocation::OF_UNLINKED, values, Expect::Any);
    for sql in [provider_token::UNLINK, provider_check::UNLINK, provider_hint::UNLINK] {
        change.run_expecting(sql, vec![key.into(), account.into()], Expect::Any);
    }
}
