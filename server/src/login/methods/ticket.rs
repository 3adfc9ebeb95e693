//! An operator's ticket: ten letters and digits, good once. It signs nobody in and no policy names it. Whoever has signed in and shows it
//! adds means that count at once (391-W). One that invites leads to an account without means, and links the first one to it.

use super::recovery::{ALPHABET, plain};
use super::totp::price_of_code;
use crate::audit::Entry;
use crate::error::{Fault, Result};
use crate::login::budgets::{Budget, BudgetKind};
use crate::login::context::{Answer, Asked, Context, Move, Person, Unavailable, Verdict};
use crate::login::effect::{Effect, Spend};
use crate::login::step::{FieldKind, Problem, Step};
use crate::seal::KeyRing;
use crate::store::tables::enrolment::READ_TICKET;
use serde_json::Value as Json;
use symbolon_oauth::{base64url, digest};

const REFUSED: &str = "ticket_refused";
const FIELD: &str = "ticket";

/// Whoever is proved may have one.
pub fn can_use(person: &Person) -> bool {
    person.is_subject
}

/// Codes of every kind draw on one budget. Strangers have another one for invitations, so that they keep nobody from codes (469-E).
pub fn price(person: &Person, step: &Move<'_>) -> Vec<Budget> {
    let what = if person.is_subject { BudgetKind::Code } else { BudgetKind::Invitation };
    price_of_code(what, person, step, (FIELD, REFUSED))
}

pub async fn ask(_context: &Context<'_>, _person: &Person) -> std::result::Result<Asked, Unavailable> {
    Ok(Asked::step(Step::new("ticket").field(FIELD, FieldKind::Text, "off", None).primary("continue")))
}

pub async fn check(context: &Context<'_>, person: &Person, _secret: &Json, answer: &Answer<'_>) -> Result<Verdict> {
    let code = answer.text(FIELD);
    if code.trim().is_empty() {
        return Ok(Verdict::wrong(Problem::in_field("no_code", FIELD), Vec::new()));
    }
    let problem = Problem::in_field("wrong_ticket", FIELD);
    let wrong = |why: &str| Ok(Verdict::wrong(problem.clone(), vec![Effect::Audit(Box::new(Entry::refused(REFUSED, why)))]));
    let Some(account) = person.account.as_ref().filter(|account| account.active) else {
        return wrong("no such account, or it is disabled");
    };
    let Some(row) = context.store.one(READ_TICKET, &[account.id.as_str().into()]).await? else { return wrong("there is no ticket") };
    let kept = row.text("name")?;
    let is_right = names(context.keyring, &account.id, code).iter().any(|name| digest::equal(name.as_bytes(), kept.as_bytes()));
    if !is_right {
        return wrong("another ticket");
    }
    let is_invited = row.int("invites")? == 1 && account.has_no_means();
    if !person.is_subject && !is_invited {
        return wrong("it invites nobody, or the account has means by now");
    }
    if row.int("until_ms")? <= context.now_ms {
        return wrong("the ticket is too old");
    }
    let spend = Effect::Spend { what: Spend::Ticket(kept.to_owned()), event: REFUSED, problem };
    Ok(Verdict::proved(vec![spend, Effect::Audit(Box::new(Entry::ok("ticket_used")))]))
}

/// A new ticket: twice five characters, 50 bits.
pub fn make() -> std::result::Result<String, Fault> {
    let text: String = crate::seal::random::<10>()?.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect();
    Ok(format!("{}-{}", &text[..5], &text[5..]))
}

/// What the store knows a ticket by, under the newest master key first.
pub fn names(keyring: &KeyRing, account: &str, ticket: &str) -> Vec<String> {
    let mut versions = keyring.versions();
    versions.sort_unstable_by(|one, other| other.cmp(one));
    let of = |version: u8| keyring.mac_with(version, "ticket", &[account.as_bytes(), plain(ticket).as_bytes()]);
    versions.into_iter().filter_map(of).map(|name| base64url::encode(&name)).collect()
}
