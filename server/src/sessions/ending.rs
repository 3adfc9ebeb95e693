//! A session ends, and with it all that hangs on it: sessions that came from it, addresses for waking its apps up, what they share. What
//! it rested on at providers is forgotten. Its grants live no longer than its row. Whatever ends a session, ends it here; what ends a grant
//! is in `grants::ending`. What ends a session writes the instant of the end: by it clients and APIs are told (`told`, `endings`).
//! `drop_cookie` and `drop_browser` write none: the session ends for its browser alone, and its apps go on.

use crate::store::tables::{backchannel_request, device_secret, known_device, provider_session, session};
use crate::store::{Change, Expect, Value};

/// Ends one session; nothing happens if it has ended already.
pub fn end_one(change: &mut Change, id: &[u8; 16]) {
    let now_ms = change.now_ms();
    change.run_expecting(session::END, vec![Value::from(&id[..]), now_ms.into()], Expect::Any);
    forget_below(change, id, device_secret::FORGET_ENDED_BELOW);
}

/// The same, if it is this person's.
pub fn end_own(change: &mut Change, account: &str, id: &[u8; 16]) {
    let now_ms = change.now_ms();
    change.run_expecting(session::END_ONE, vec![account.into(), Value::from(&id[..]), now_ms.into()], Expect::Any);
    forget_below(change, id, device_secret::FORGET_ENDED_BELOW);
}

/// Ends every session of a person, but perhaps this one. No device is known any more.
pub fn end_all(change: &mut Change, account: &str, but: Option<&[u8; 16]>) {
    end_all_until(change, account, but, i64::MAX);
}

/// The same on a restored store: what began later is not touched.
pub fn end_all_until(change: &mut Change, account: &str, but: Option<&[u8; 16]>, at_ms: i64) {
    let (now_ms, kept) = (change.now_ms(), but.map_or(&[][..], |id| &id[..]));
    change.run_expecting(session::END_OF_ACCOUNT, vec![account.into(), now_ms.into(), Value::from(kept), at_ms.into()], Expect::Any);
    change.run_expecting(known_device::FORGET, vec![account.into()], Expect::Any);
    forget_ended(change, account);
}

/// No browser proves the session any more. What its apps got lives on.
pub fn drop_cookie(change: &mut Change, id: &[u8; 16]) {
    change.run_expecting(session::DROP_COOKIE, vec![Value::from(&id[..]), Value::from(&b""[..])], Expect::Any);
}

/// The same, and nothing is proved in it any more.
pub fn drop_browser(change: &mut Change, id: &[u8; 16]) {
    change.run_expecting(session::DROP_PROOFS, vec![Value::from(&id[..])], Expect::Any);
    drop_cookie(change, id);
}

/// What hangs on this session and on those that came from it, as far as they or their grants have ended. `secrets`: the statement that says
/// which of the shared secrets go.
pub fn forget_below(change: &mut Change, id: &[u8; 16], secrets: &'static str) {
    for sql in [provider_session::FORGET_ENDED_BELOW, backchannel_request::FORGET_ENDED_BELOW, secrets] {
        change.run_expecting(sql, vec![Value::from(&id[..])], Expect::Any);
    }
}

/// The same of all sessions of a person.
pub fn forget_ended(change: &mut Change, account: &str) {
    for sql in [provider_session::FORGET_ENDED, backchannel_request::FORGET_ENDED, device_secret::FORGET_ENDED] {
        change.run_expecting(sql, vec![account.into()], Expect::Any);
    }
}
