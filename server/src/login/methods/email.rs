//! A one-time code by e-mail. The question is a row of `login`: eight digits, five tries, spent by one guarded statement.
//! A name that nobody has gets a row and a letter to nobody: the answer, its time and its size tell nothing (300-H).

use crate::audit;
use crate::error::{Fault, Result};
use crate::login::attempts::{self, Taken, What, Whom};
use crate::login::flow::{Answer, Machine};
use crate::login::step::{FieldKind, Step};
use crate::mail::{self, Letter};
use crate::store::{Change, Expect, NotApplied, Value};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use symbolon_oauth::{base64url, digest};

const ASK: &str = "INSERT INTO login (id, client, body, version, attempts, state, expires_ms) VALUES ($1, '', $2, 1, 0, 'open', $3)";
const TRY: &str = "UPDATE login SET attempts = attempts + 1 WHERE id = $1 AND state = 'open' AND attempts < 5 AND expires_ms > $2";
const READ: &str = "SELECT body FROM login WHERE id = $1";
const VOID: &str = "UPDATE login SET state = 'void' WHERE id = $1 AND state = 'open'";
const ACCOUNT: &str = "SELECT version FROM account WHERE id = $1 AND state = 'active'";
/// Everything else that was sent for this account dies with the use of one code (404-U, 405-U).
const RAISE: &str = "UPDATE account SET version = version + 1 WHERE id = $1 AND version = $2";
const SPEND: &str = "UPDATE login SET state = 'done' WHERE id = $1 AND state = 'open'";
/// How long a code is good for.
pub const LIFETIME_MS: i64 = 15 * 60_000;

/// What is asked by mail, and whom the answer will prove.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Sent {
    #[serde(with = "crate::login::state::as_text")]
    pub id: [u8; 16],
    pub why: Why,
    /// The account the code proves; for a name nobody has, one nobody has either.
    pub account: String,
    /// The address, where the person typed it or may know it.
    pub shown: Option<String>,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Prove,
    Register,
    ChangeEmail,
}

/// A letter to ask for.
pub struct Question<'a> {
    pub why: Why,
    pub account: Option<&'a str>,
    /// Absent: there is nobody to write to.
    pub to: Option<&'a str>,
    /// The address as it may be shown.
    pub shown: Option<String>,
    pub template: &'static str,
    /// False: the letter carries no code, and no code will be right.
    pub answerable: bool,
    /// The question this one replaces; its code dies (359-Z).
    pub before: Option<[u8; 16]>,
}

/// What a code is known by.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// Version of the master key and the MAC of the code; absent: no code is right.
    code: Option<(u8, [u8; 32])>,
    /// The account as it was: after a change of password or address the code is void.
    account_version: Option<i64>,
}

fn place(id: &[u8; 16]) -> String {
    format!("login/body/{}", base64url::encode(id))
}

/// Sends a code. `None`: this address got as many letters as it should.
pub async fn send(machine: &Machine, question: Question<'_>, answer: &Answer<'_>) -> Result<Option<Sent>> {
    if machine.rates().too_fast(answer.address) {
        return Ok(None);
    }
    let limited = question.to.or(question.shown.as_deref()).unwrap_or_else(|| answer.text("username")).to_lowercase();
    // A known browser has its own budget for letters to its own person, not for those to an address it merely names.
    let of = question.account.filter(|_| question.why == Why::Prove);
    let whom = Whom::Mailbox { address: &limited, of };
    if let Taken::No(why) = attempts::charge(machine, What::Letter, whom, answer).await? {
        let mut change = Change::new(answer.now_ms);
        match question.account {
            Some(account) => change.audit(answer.entry(audit::Entry::refused("letter_refused", why).account(account))),
            None => attempts::touch(machine, &mut change, What::Letter, whom, answer),
        }
        machine.store().apply(change).await?;
        return Ok(None);
    }
    let id = crate::seal::time_ordered_id(answer.now_ms)?;
    let code = eight_digits()?;
    let (version, tag) = machine.keyring().mac("email code", &[&id, code.as_bytes()]);
    let right = question.answerable && question.to.is_some();
    let account_version = version_of(machine, question.account.unwrap_or_default()).await?;
    let kept = Kept { code: right.then_some((version, tag)), account_version };
    let kept = serde_json::to_vec(&kept).map_err(|it| Fault::new(it.to_string()))?;
    let mut change = Change::new(answer.now_ms);
    let expires_ms = answer.now_ms + LIFETIME_MS;
    if let Some(before) = question.before {
        change.run_expecting(VOID, vec![Value::from(&before[..])], Expect::Any);
    }
    change.run(ASK, vec![Value::from(&id[..]), Value::from(machine.keyring().seal(&place(&id), &kept)?), expires_ms.into()]);
    let spaced = format!("{} {}", &code[..4], &code[4..]);
    let letter = Letter {
        to: question.to.map(str::to_owned),
        template: question.template.to_owned(),
        locale: answer.locale.to_owned(),
        values: BTreeMap::from([("code".to_owned(), if question.answerable { spaced } else { String::new() })]),
        give_up_ms: expires_ms,
    };
    mail::post(&mut change, machine.keyring(), &letter)?;
    if let Some(account) = question.account {
        change.audit(answer.entry(audit::Entry::ok("email_code_sent").account(account).with("template", question.template)));
    }
    machine.store().apply(change).await?;
    machine.wake_outbox();
    let account = match question.account {
        Some(it) => it.to_owned(),
        None => base64url::encode(&crate::seal::random::<16>()?),
    };
    Ok(Some(Sent { id, why: question.why, account, shown: question.shown }))
}

async fn version_of(machine: &Machine, account: &str) -> Result<Option<i64>> {
    match machine.store().one(ACCOUNT, &[account.into()]).await? {
        Some(row) => Ok(Some(row.int(0)?)),
        None => Ok(None),
    }
}

fn eight_digits() -> Result<String> {
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

/// Asks whose address to write to: `identify` to sign in, `reset` for a forgotten password.
pub fn identify(kind: &str, hint: Option<&str>) -> Step {
    Step::new(kind).field("username", FieldKind::Text, "username", hint).action("continue", "primary")
}

pub fn ask(sent: &Sent, problem: Option<&str>) -> Step {
    let mut step = Step::new("email_code")
        .field("email_code", FieldKind::Code, "one-time-code", None)
        .action("continue", "primary")
        .action("resend", "link")
        .action("cancel", "link")
        .problem(problem);
    if let Some(shown) = &sent.shown {
        step = step.fact("address", shown.as_str());
    }
    step
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Checked {
    /// Right. It still has to be spent, by the change that acts on it.
    Right(Spending),
    Wrong,
    /// Too many tries, too late, or done already.
    Over,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub struct Spending {
    id: [u8; 16],
    pub account_version: Option<i64>,
}

/// Charges a try, then compares.
pub async fn check(machine: &Machine, sent: &Sent, account: Option<&str>, answer: &Answer<'_>) -> Result<Checked> {
    if machine.rates().too_fast(answer.address) {
        return Ok(Checked::Wrong);
    }
    let code: String = answer.text("email_code").chars().filter(|it| !matches!(it, ' ' | '-')).collect();
    let mut change = Change::new(answer.now_ms);
    change.run(TRY, vec![Value::from(&sent.id[..]), answer.now_ms.into()]);
    match machine.store().apply(change).await {
        Ok(_) => {}
        Err(NotApplied::Conflict(_)) => return Ok(Checked::Over),
        Err(other) => return Err(other.into()),
    }
    let Some(row) = machine.store().one(READ, &[Value::from(&sent.id[..])]).await? else { return Ok(Checked::Over) };
    let plain = machine.keyring().open(&place(&sent.id), row.bytes(0)?).ok_or_else(|| Fault::new("a code cannot be opened"))?;
    let kept: Kept = serde_json::from_slice(&plain).map_err(|it| Fault::new(format!("a kept code: {it}")))?;
    let known = match account {
        Some(account) => version_of(machine, account).await?,
        None => None,
    };
    let right = kept.code.is_some_and(|(version, tag)| {
        let made = machine.keyring().mac_with(version, "email code", &[&sent.id, code.as_bytes()]);
        made.is_some_and(|it| digest::equal(&it, &tag))
    });
    if right && known == kept.account_version {
        return Ok(Checked::Right(Spending { id: sent.id, account_version: known }));
    }
    if let (Some(account), Some(_)) = (account, known) {
        let why = if right { "the account changed since this code was sent" } else { "wrong code" };
        let mut change = Change::new(answer.now_ms);
        change.audit(answer.entry(audit::Entry::refused("email_code_refused", why).account(account)));
        machine.store().apply(change).await?;
    }
    Ok(if right { Checked::Over } else { Checked::Wrong })
}

/// Spends the code in the change that acts on it; a conflict there means that it, or another of the account, was spent before.
pub fn spend(change: &mut Change, spending: &Spending, account: &str) {
    if let Some(version) = spending.account_version {
        change.run(RAISE, vec![account.into(), version.into()]);
    }
    change.run(SPEND, vec![Value::from(&spending.id[..])]);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    #[test]
    fn a_code_has_eight_digits_and_an_address_is_masked() {
        for _ in 0..100 {
            let code = super::eight_digits().unwrap();
            assert!(code.len() == 8 && code.bytes().all(|it| it.is_ascii_digit()), "{code}");
        }
        assert_eq!(super::masked("alice@example.com"), "a…@example.com");
    }
}
