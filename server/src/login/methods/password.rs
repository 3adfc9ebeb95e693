//! Name and password. An attempt is charged before it is checked and given back by success, so that a thousand parallel
//! guesses are still ten; a browser that signed in before has a budget of its own, so that a stranger's guesses do not
//! lock the owner out.

use crate::audit;
use crate::error::Result;
use crate::login::accounts;
use crate::login::flow::{Answer, Machine};
use crate::login::step::{FieldKind, Step};
use crate::store::{Change, Expect, NotApplied};
use std::net::IpAddr;

/// Guesses from unknown browsers, per account and window.
const LIMIT: i64 = 10;
const WINDOW_MS: i64 = 15 * 60_000;

const CHARGE: &str = "UPDATE account SET attempts = attempts + 1 WHERE id = $1 AND attempts < $2 AND attempts_until_ms > $3";
const CHARGE_ANEW: &str = "UPDATE account SET attempts = 1, attempts_until_ms = $2 WHERE id = $1 AND attempts_until_ms <= $3";
const GIVE_BACK: &str = "UPDATE account SET attempts = 0 WHERE id = $1";

pub enum Outcome {
    Proved(String),
    Wrong(&'static str),
}

pub fn ask(hint: Option<&str>, problem: Option<&str>) -> Step {
    Step::new("password")
        .field("username", FieldKind::Text, "username", hint)
        .field("password", FieldKind::Password, "current-password", None)
        .action("continue", "primary")
        .problem(problem)
}

pub async fn check(machine: &Machine, answer: &Answer<'_>) -> Result<Outcome> {
    let (now_ms, address) = (answer.now_ms, answer.address);
    let (name, password) = (answer.text("username"), answer.text("password"));
    if name.is_empty() || password.is_empty() {
        return Ok(Outcome::Wrong("wrong_password"));
    }
    if machine.rates().too_fast(address) {
        return Ok(Outcome::Wrong("too_many_attempts"));
    }
    let found = accounts::find_by_login_name(machine.store(), name).await?;
    let account = found.as_ref().map(|it| it.id.clone());
    let known = account.as_ref().is_some_and(|it| machine.is_known_device(it, answer.device, now_ms));
    if !known && machine.rates().is_sprayed(password, now_ms) {
        // Charged to nobody: whoever sprays must not lock all the accounts on the way.
        refused(machine, account.as_deref(), address, "this password was wrong for many people", now_ms).await?;
        return Ok(Outcome::Wrong("too_many_attempts"));
    }
    if let Some(id) = &account
        && !known
        && !charge(machine, id, now_ms).await?
    {
        refused(machine, account.as_deref(), address, "too many attempts", now_ms).await?;
        return Ok(Outcome::Wrong("too_many_attempts"));
    }
    if found.is_none() && !machine.rates().stranger(&accounts::canonical(name).unwrap_or_default()) {
        return Ok(Outcome::Wrong("too_many_attempts"));
    }
    let stored = found.as_ref().and_then(|it| it.password.as_deref());
    let fits = machine.hashers().verify(stored, password).await?;
    match found {
        Some(it) if fits && it.active => {
            let mut change = Change::new(now_ms);
            change.run_expecting(GIVE_BACK, vec![it.id.as_str().into()], Expect::Any);
            change.audit(audit::Entry::ok("password_proved").account(it.id.as_str()).address(shown(address)));
            machine.store().apply(change).await?;
            Ok(Outcome::Proved(it.id))
        }
        other => {
            machine.rates().was_wrong(password, now_ms);
            let why = match &other {
                None => "no such login name",
                Some(it) if !it.active => "the account is disabled",
                Some(_) => "wrong password",
            };
            refused(machine, account.as_deref(), address, why, now_ms).await?;
            Ok(Outcome::Wrong("wrong_password"))
        }
    }
}

/// Takes one attempt from the account's window; false when there is none left.
async fn charge(machine: &Machine, account: &str, now_ms: i64) -> Result<bool> {
    for (sql, values) in [
        (CHARGE, vec![account.into(), LIMIT.into(), now_ms.into()]),
        (CHARGE_ANEW, vec![account.into(), (now_ms + WINDOW_MS).into(), now_ms.into()]),
    ] {
        let mut change = Change::new(now_ms);
        change.run(sql, values);
        match machine.store().apply(change).await {
            Ok(_) => return Ok(true),
            Err(NotApplied::Conflict(_)) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Ok(false)
}

/// A refusal of a known account is an entry; a name nobody has is a log record only (an anonymous caller writes nothing).
async fn refused(machine: &Machine, account: Option<&str>, address: Option<IpAddr>, why: &'static str, now_ms: i64) -> Result<()> {
    let Some(account) = account else {
        tracing::info!(reason = why, "a sign-in was refused");
        return Ok(());
    };
    let mut change = Change::new(now_ms);
    change.audit(audit::Entry::refused("password_refused", why).account(account).address(shown(address)));
    machine.store().apply(change).await?;
    Ok(())
}

fn shown(address: Option<IpAddr>) -> String {
    address.map(|it| it.to_string()).unwrap_or_default()
}
