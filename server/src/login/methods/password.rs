//! Name and password. A password has at least 8 characters and at most 256 bytes; its digest is argon2id.

use crate::audit::Entry;
use crate::error::Result;
use crate::login::accounts::{self, Account};
use crate::login::budgets::{Budget, BudgetKind, Whom};
use crate::login::context::{Answer, Asked, Context, Move, Person, Unavailable, Verdict};
use crate::login::effect::Effect;
use crate::login::imported;
use crate::login::proof::{Factor, Proof};
use crate::login::step::{FieldKind, Problem, Step};
use serde_json::Value as Json;

pub const AMR: &str = "pwd";
pub const FACTOR: Factor = Factor::Knowledge;
pub const ASKS_WHO: bool = true;
const REFUSED: &str = "password_refused";

pub fn has(account: &Account) -> bool {
    account.password.is_some()
}

/// Before the first proof every name is asked alike (300-H).
pub fn can_use(_person: &Person) -> bool {
    true
}

pub fn still_holds(_proof: &Proof, account: &Account) -> bool {
    account.password.is_some()
}

pub async fn ask(_context: &Context<'_>, person: &Person) -> std::result::Result<Asked, Unavailable> {
    let mut step = Step::new("password");
    if !person.is_subject {
        step = step.field("username", FieldKind::Text, "username", Some(&person.name).filter(|name| !name.is_empty()).map(String::as_str));
    }
    Ok(Asked::step(step.field("password", FieldKind::Password, "current-password", None).primary("continue")))
}

pub fn price(person: &Person, step: &Move<'_>) -> Vec<Budget> {
    let Move::Answer { answer, .. } = step else { return Vec::new() };
    let password = answer.text("password");
    if password.is_empty() || (person.account.is_none() && person.name.is_empty()) {
        return Vec::new();
    }
    vec![
        Budget::Spray { password: password.to_owned(), event: REFUSED },
        Budget::Stored { what: BudgetKind::Password, whom: Whom::person(person), event: REFUSED },
    ]
}

pub async fn check(context: &Context<'_>, person: &Person, _secret: &Json, answer: &Answer<'_>) -> Result<Verdict> {
    let wrong = |why: &str| {
        let refused = Effect::Audit(Box::new(Entry::refused(REFUSED, why)));
        Verdict::wrong(Problem::in_field("wrong_password", "password"), vec![refused])
    };
    let password = answer.text("password");
    if person.account.is_none() && person.name.is_empty() {
        return Ok(Verdict::wrong(Problem::in_field("no_name", "username"), Vec::new()));
    }
    if password.is_empty() {
        return Ok(Verdict::wrong(Problem::in_field("no_password", "password"), Vec::new()));
    }
    let stored = person.account.as_ref().and_then(|account| account.password.as_deref());
    let fits = context.hashers.verify(stored, password).await?;
    match &person.account {
        Some(account) if fits && account.active => {
            let mut effects = vec![Effect::Audit(Box::new(Entry::ok("password_proved")))];
            effects.extend(rehash(context, stored, password).await?);
            Ok(Verdict::proved(effects))
        }
        other => Ok(wrong(match other {
            None => "no such login name",
            Some(account) if !account.active => "the account is disabled",
            Some(_) => "wrong password",
        })),
    }
}

/// The password is known now: another system's digest of it goes. One that is too short to be chosen here stays as it is.
async fn rehash(context: &Context<'_>, stored: Option<&str>, password: &str) -> Result<Option<Effect>> {
    let Some(from) = stored.filter(|stored| imported::is_foreign(stored)) else { return Ok(None) };
    if !accounts::is_good_password(password) {
        return Ok(None);
    }
    Ok(Some(Effect::Rehash { from: from.to_owned(), to: context.hashers.hash(password).await? }))
}
