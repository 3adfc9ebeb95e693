//! A one-time code by e-mail: eight digits under a MAC, five tries, fifteen minutes. A name that nobody has gets a letter to
//! nobody: the answer, its time and its size tell nothing (300-H).

use crate::audit::Entry;
use crate::error::{Fault, Result};
use crate::login::accounts::{self, Account};
use crate::login::budgets::{Budget, BudgetKind, Whom};
use crate::login::context::{Answer, Asked, Context, Mailbox, Move, Person, Unavailable, Verdict};
use crate::login::effect::{Effect, Letter};
use crate::login::matching::digits;
use crate::login::proof::{Factor, Proof};
use crate::login::step::{FieldKind, Problem, Step, Text};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use symbolon_oauth::digest;

pub const AMR: &str = "otp";
pub const FACTOR: Factor = Factor::Possession;
pub const ASKS_WHO: bool = false;
const REFUSED: &str = "email_code_refused";
/// How long a code is good for.
const LIFETIME_MS: i64 = 15 * 60_000;

/// What an answer is compared with.
#[derive(Serialize, Deserialize)]
struct EmailSecret {
    /// Version of the master key and the MAC of the code. None: no code is right.
    code: Option<(u8, [u8; 32])>,
    /// The account that the code was made for, as it was. The code is nobody else's (408-U), and is void after a change of password or
    /// address (404-U, 405-U).
    account: Option<(String, i64)>,
    expires_ms: i64,
}

pub fn has(account: &Account) -> bool {
    account.email.is_some()
}

/// Before the first proof every name is asked alike (300-H).
pub fn can_use(_person: &Person) -> bool {
    true
}

/// A new address raises the account's version, which ends the proof.
pub fn still_holds(_proof: &Proof, _account: &Account) -> bool {
    true
}

/// The account whose state the code depends on.
fn account(person: &Person) -> Option<(String, i64)> {
    person.account.as_ref().filter(|account| account.active).map(|account| (account.id.clone(), account.version))
}

pub fn price(person: &Person, step: &Move<'_>) -> Vec<Budget> {
    let (what, whom, event) = match step {
        Move::Answer { answer, .. } if digits(answer.text("email_code")).is_empty() => return Vec::new(),
        Move::Answer { question, .. } => (BudgetKind::Tries, Whom::Question(*question), REFUSED),
        // The person's own address has the person's budgets; one that is merely named has its own.
        Move::Enter => match person.mailbox.as_ref().filter(|mailbox| !mailbox.of_account) {
            Some(mailbox) => {
                (BudgetKind::Letter, Whom::Mailbox(accounts::mailbox(mailbox.to.as_deref().unwrap_or_default())), "letter_refused")
            }
            None => (BudgetKind::Letter, Whom::person(person), "letter_refused"),
        },
    };
    let own = Budget::Stored { what, whom, event };
    match step {
        Move::Enter => vec![own, Budget::Stored { what: BudgetKind::Letter, whom: Whom::Network, event }],
        Move::Answer { .. } => vec![own],
    }
}

pub async fn ask(context: &Context<'_>, person: &Person) -> std::result::Result<Asked, Unavailable> {
    let Some(mailbox) = &person.mailbox else {
        let hint = "Your account has no proved e-mail address, which this sign-in needs. Ask the operator to add one.";
        return Err(Unavailable::Person { hint, private: "no verified address".to_owned() });
    };
    let code = eight_digits()?;
    let tag = context.keyring.mac("email code", &[&context.question, code.as_bytes()]);
    let is_right = mailbox.answerable && mailbox.to.is_some();
    let expires_ms = context.now_ms + LIFETIME_MS;
    let secret = EmailSecret { code: is_right.then_some(tag), account: account(person), expires_ms };
    let spaced = format!("{} {}", &code[..4], &code[4..]);
    let code = if mailbox.answerable { spaced } else { String::new() };
    let letter = Letter {
        to: mailbox.to.clone(),
        template: mailbox.template.to_owned(),
        values: BTreeMap::from([("code".to_owned(), code)]),
        give_up_ms: expires_ms,
    };
    let sent = Entry::ok("email_code_sent").with("template", mailbox.template);
    Ok(Asked {
        step: step(mailbox),
        secret: serde_json::to_value(&secret).map_err(|error| Fault::new(error.to_string()))?,
        effects: vec![Effect::Letter(letter), Effect::Audit(Box::new(sent))],
    })
}

fn step(mailbox: &Mailbox) -> Step {
    let step = Step::new("email_code");
    let step = match &mailbox.shown {
        Some(shown) => step.lead(Text::new("email_code-lead-to").with("address", shown)),
        None => step,
    };
    step.field("email_code", FieldKind::Code, "one-time-code", None).primary("continue").link("resend")
}

pub async fn check(context: &Context<'_>, person: &Person, secret: &Json, answer: &Answer<'_>) -> Result<Verdict> {
    let secret: EmailSecret = serde_json::from_value(secret.clone()).map_err(|error| Fault::new(format!("an e-mail code: {error}")))?;
    let over = || Problem::new("code_over");
    let code: String = digits(answer.text("email_code"));
    if code.is_empty() {
        return Ok(Verdict::wrong(Problem::in_field("no_code", "email_code"), Vec::new()));
    }
    if context.now_ms >= secret.expires_ms {
        return Ok(Verdict::wrong(over(), vec![refused("this code is too old")]));
    }
    let is_right = secret.code.is_some_and(|(version, tag)| {
        let made = context.keyring.mac_with(version, "email code", &[&context.question, code.as_bytes()]);
        made.is_some_and(|made| digest::equal(&made, &tag))
    });
    if !is_right {
        return Ok(Verdict::wrong(Problem::in_field("wrong_email_code", "email_code"), vec![refused("wrong code")]));
    }
    if account(person) != secret.account {
        return Ok(Verdict::wrong(over(), vec![refused("the account changed since this code was sent")]));
    }
    // Everything else that was sent for this account dies with the use of one code (404-U, 405-U).
    let mut effects = Vec::new();
    if secret.account.is_some() {
        effects.push(Effect::Raise);
    }
    if person.mailbox.as_ref().is_some_and(|mailbox| mailbox.of_account) {
        effects.push(Effect::Audit(Box::new(Entry::ok("email_proved"))));
    }
    Ok(Verdict::proved(effects))
}

fn refused(why: &str) -> Effect {
    Effect::Audit(Box::new(Entry::refused(REFUSED, why)))
}

fn eight_digits() -> std::result::Result<String, Fault> {
    let bytes = crate::seal::random::<8>()?;
    Ok(format!("{:08}", u64::from_be_bytes(bytes) % 100_000_000))
}

/// `me@example.com` as `m…@example.com`: enough to know which mailbox to open.
pub fn masked(email: &str) -> String {
    match email.split_once('@') {
        Some((name, domain)) => format!("{}…@{domain}", name.chars().next().unwrap_or('…')),
        None => "…".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    #[test]
    fn a_code_has_eight_digits_and_an_address_is_masked() {
        for _ in 0..100 {
            let code = super::eight_digits().unwrap();
            assert!(code.len() == 8 && code.bytes().all(|digit| digit.is_ascii_digit()), "{code}");
        }
        assert_eq!(super::masked("alice@example.com"), "a…@example.com");
    }
}
