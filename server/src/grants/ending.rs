//! A grant ends, and with it all that depends on it. These are sessions of browsers that its app led on, the address at which the app is
//! woken up, and what the app shares with others. Whatever ends a grant calls this. What ends a session is in
//! `sessions::ending`.

use crate::sessions::ending::{forget_below, forget_ended};
use crate::store::tables::{app_grant, device_secret, session};
use crate::store::{Change, Expect, Value};

/// Ends one grant; nothing happens if it has ended already. Sign-out in any app of a session ends what all apps of it share.
pub fn sign_out(change: &mut Change, grant: &[u8; 16], number: u32) {
    end_one(change, grant, number, device_secret::FORGET_SIGNED_OUT);
}

/// The app has a newer grant in its place: the person signs out nowhere.
pub fn replace(change: &mut Change, grant: &[u8; 16], number: u32) {
    end_one(change, grant, number, device_secret::FORGET_ENDED_BELOW);
}

fn end_one(change: &mut Change, grant: &[u8; 16], number: u32, secrets: &'static str) {
    let values = vec![Value::from(&grant[..]), i64::from(number).into(), change.now_ms().into()];
    change.run_expecting(app_grant::END, values.clone(), Expect::Any);
    change.run_expecting(session::END_CHILDREN, values, Expect::Any);
    forget_below(change, grant, secrets);
}

/// Ends the oldest living grants of a person to one client, all but so many. `carries`: something may hang on the client's grants.
pub fn end_oldest(change: &mut Change, (account, client): (&str, &str), others: i64, carries: bool) {
    let values = vec![account.into(), client.into(), others.into(), change.now_ms().into()];
    if carries {
        end_found(change, account, app_grant::END_OLDEST, values);
    } else {
        // Every sign-in comes by here.
        change.run_expecting(app_grant::END_OLDEST, values, Expect::Any);
    }
}

/// Ends all that a person gave to one client.
pub fn end_of_client(change: &mut Change, account: &str, client: &str) {
    let values = vec![account.into(), client.into(), change.now_ms().into()];
    end_found(change, account, app_grant::END_OF_CLIENT, values);
}

/// The same on a restored store: only what was there at that instant.
pub fn end_of_client_again(change: &mut Change, account: &str, client: &str, at_ms: i64) {
    let values = vec![account.into(), client.into(), change.now_ms().into(), at_ms.into()];
    end_found(change, account, app_grant::END_OF_CLIENT_AGAIN, values);
}

/// On a restored store: what a client had got from a session of this person at that instant.
pub fn end_of_session_again(change: &mut Change, account: &str, (session, client): (&[u8; 16], &str), at_ms: i64) {
    let values = vec![Value::from(&session[..]), client.into(), change.now_ms().into(), at_ms.into()];
    end_found(change, account, app_grant::END_OF_SESSION_AGAIN, values);
}

/// Ends those grants of an account that the statement finds.
fn end_found(change: &mut Change, account: &str, sql: &'static str, values: Vec<Value>) {
    let now_ms = change.now_ms();
    change.run_expecting(sql, values, Expect::Any);
    change.run_expecting(session::END_LEFT, vec![account.into(), now_ms.into()], Expect::Any);
    forget_ended(change, account);
}

/// Ends all that an installation has got, whoever signed in there. `jkt`: its key.
pub fn end_of_installation(change: &mut Change, client: &str, jkt: &str) {
    let (now_ms, name) = (change.now_ms(), || vec![Value::from(client), jkt.into()]);
    for sql in [app_grant::END_OF_INSTALLATION, app_grant::END_CHILDREN_OF_INSTALLATION] {
        change.run_expecting(sql, [name(), vec![now_ms.into()]].concat(), Expect::Any);
    }
    for sql in app_grant::FORGET_OF_INSTALLATION {
        change.run_expecting(sql, name(), Expect::Any);
    }
}

/// Ends all codes that nobody has redeemed: nothing hangs on them yet.
pub fn end_codes(change: &mut Change) {
    change.run_expecting(app_grant::END_CODES, Vec::new(), Expect::Any);
}
