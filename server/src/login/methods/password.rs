//! Name and password. An attempt is charged before it is checked and given back by success (`attempts`), for names nobody has as
//! for those of people.

use crate::audit;
use crate::error::Result;
use crate::login::accounts;
use crate::login::attempts::{self, Taken, What, Whom};
use crate::login::flow::{Answer, Machine};
use crate::login::step::{FieldKind, Step};
use crate::store::Change;

pub enum Outcome {
    /// The account, and its version.
    Proved(String, i64),
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
    let (name, password) = (answer.text("username"), answer.text("password"));
    if name.is_empty() || password.is_empty() {
        return Ok(Outcome::Wrong("wrong_password"));
    }
    if machine.rates().too_fast(answer.address) {
        return Ok(Outcome::Wrong("too_many_attempts"));
    }
    let found = accounts::find_by_login_name(machine.store(), name).await?;
    let canonical = accounts::canonical(name).unwrap_or_default();
    let whom = found.as_ref().map_or(Whom::Name(&canonical), |it| Whom::Account(&it.id));
    let known = found.as_ref().is_some_and(|it| machine.known_device(&it.id, answer.device, answer.now_ms).is_some());
    if !known && machine.rates().is_sprayed(password, answer.now_ms) {
        // Charged to nobody: whoever sprays must not lock all the accounts on the way.
        refused(machine, whom, answer, "this password was wrong for many people").await?;
        return Ok(Outcome::Wrong("too_many_attempts"));
    }
    let charged = match attempts::charge(machine, What::Password, whom, answer).await? {
        Taken::Yes(it) => it,
        Taken::No(why) => {
            refused(machine, whom, answer, why).await?;
            return Ok(Outcome::Wrong("too_many_attempts"));
        }
    };
    let stored = found.as_ref().and_then(|it| it.password.as_deref());
    let fits = machine.hashers().verify(stored, password).await?;
    match &found {
        Some(it) if fits && it.active => {
            let mut change = Change::new(answer.now_ms);
            attempts::give_back(&mut change, &charged);
            change.audit(answer.entry(audit::Entry::ok("password_proved").account(it.id.as_str())));
            machine.store().apply(change).await?;
            Ok(Outcome::Proved(it.id.clone(), it.version))
        }
        other => {
            machine.rates().was_wrong(password, answer.now_ms);
            let why = match other {
                None => "no such login name",
                Some(it) if !it.active => "the account is disabled",
                Some(_) => "wrong password",
            };
            refused(machine, whom, answer, why).await?;
            Ok(Outcome::Wrong("wrong_password"))
        }
    }
}

/// A refusal of a known account is an entry; of a name nobody has, a log record and a write that takes as long.
async fn refused(machine: &Machine, whom: Whom<'_>, answer: &Answer<'_>, why: &'static str) -> Result<()> {
    let mut change = Change::new(answer.now_ms);
    match whom {
        Whom::Account(id) => {
            change.audit(answer.entry(audit::Entry::refused("password_refused", why).account(id)));
        }
        Whom::Name(_) | Whom::Mailbox { .. } => {
            tracing::info!(reason = why, "a sign-in was refused");
            attempts::touch(machine, &mut change, What::Password, whom, answer);
        }
    }
    machine.store().apply(change).await?;
    Ok(())
}
