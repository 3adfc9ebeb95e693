//! A grant ends, and with it all that depends on it. These are sessions of browsers that its app led on, the address at which the app is
//! woken up, and what the app shares with others. Whatever ends a grant calls this.

use crate::store::tables::{app_grant, backchannel_request, device_secret, session};
use crate::store::{Change, Expect, Value};

/// Ends one grant; nothing happens if it has ended already. Sign-out in any app of a session ends what all apps of it share.
pub fn sign_out(change: &mut Change, grant: &[u8; 16], number: u32) {
    end_one(change, grant, number);
    change.run_expecting(device_secret::FORGET_SESSION, vec![Value::from(&grant[..])], Expect::Any);
}

/// The app has a newer grant in its place: the person signs out nowhere.
pub fn replace(change: &mut Change, grant: &[u8; 16], number: u32) {
    end_one(change, grant, number);
    change.run_expecting(device_secret::FORGET_ONE, vec![Value::from(&grant[..]), i64::from(number).into()], Expect::Any);
}

fn end_one(change: &mut Change, grant: &[u8; 16], number: u32) {
    let now_ms = change.now_ms();
    let name = || vec![Value::from(&grant[..]), i64::from(number).into()];
    change.run_expecting(app_grant::END, [name(), vec![now_ms.into()]].concat(), Expect::Any);
    change.run_expecting(backchannel_request::FORGET_ADDRESS, name(), Expect::Any);
    change.run_expecting(session::END_CHILDREN, [name(), vec![now_ms.into()]].concat(), Expect::Any);
}

/// Ends those grants of an account that the statement finds.
pub fn end_all(change: &mut Change, account: &str, (sql, values): (&'static str, Vec<Value>)) {
    let now_ms = change.now_ms();
    change.run_expecting(sql, values, Expect::Any);
    change.run_expecting(backchannel_request::FORGET_ENDED, vec![account.into()], Expect::Any);
    change.run_expecting(session::END_LEFT, vec![account.into(), now_ms.into()], Expect::Any);
    change.run_expecting(device_secret::FORGET_ENDED, vec![account.into()], Expect::Any);
}
