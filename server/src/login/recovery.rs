//! Recovery codes: ten, made when the authenticator is added, each good once in place of its code.
//! They are a function of a seed in the sealed login, so that a page that was lost shows the same ten again.

use super::attempts::{self, Taken, What, Whom};
use super::flow::{Answer, By, Machine};
use super::step::{FieldKind, Step};
use crate::audit;
use crate::error::Result;
use crate::mail;
use crate::store::{Change, Expect, NotApplied, Value};

const ADD: &str = "INSERT INTO credential (account, kind, id, secret, created_ms, used_ms) VALUES ($1, 'recovery', $2, $3, $4, 0)";
const REMOVE: &str = "DELETE FROM credential WHERE account = $1 AND kind = 'recovery'";
const SPEND: &str = "DELETE FROM credential WHERE account = $1 AND kind = 'recovery' AND id = $2";
const COUNT: &str = "SELECT id FROM credential WHERE account = $1 AND kind = 'recovery'";
const CODES: u8 = 10;
/// No letter or digit that is read as another.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";

/// The codes of a seed: twice five characters, 50 bits.
pub fn codes(machine: &Machine, account: &str, seed: &[u8; 16]) -> Vec<String> {
    let one = |number: u8| {
        let (_, bytes) = machine.keyring().mac("recovery code", &[account.as_bytes(), seed, &[number]]);
        let text: String = bytes.iter().take(10).map(|it| char::from(ALPHABET[usize::from(it & 31)])).collect();
        format!("{}-{}", &text[..5], &text[5..])
    };
    (0..CODES).map(one).collect()
}

/// What the store knows a code by. One MAC with the newest master key, or an older one for codes made before a rotation.
fn names(machine: &Machine, account: &str, code: &str) -> Vec<String> {
    let plain: String = code.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let of = |version: u8| machine.keyring().mac_with(version, "recovery name", &[account.as_bytes(), plain.as_bytes()]);
    let name = |it: [u8; 32]| symbolon_oauth::base64url::encode(&it);
    machine.keyring().versions().into_iter().filter_map(of).map(name).collect()
}

/// Replaces all codes of the account.
pub fn replace(machine: &Machine, change: &mut Change, (account, seed): (&str, &[u8; 16]), by: By<'_>) {
    let now_ms = change.now_ms();
    change.run_expecting(REMOVE, vec![account.into()], Expect::Any);
    for code in codes(machine, account, seed) {
        if let Some(name) = names(machine, account, &code).into_iter().next() {
            change.run(ADD, vec![account.into(), name.into(), Value::from(&b""[..]), now_ms.into()]);
        }
    }
    change.audit(by.entry(audit::Entry::ok("recovery_codes_made").account(account)));
}

pub fn remove(change: &mut Change, account: &str) {
    change.run_expecting(REMOVE, vec![account.into()], Expect::Any);
}

/// Is it one of the account's codes? It is gone afterwards: saying yes and deleting are one statement. Answers what is wrong.
pub async fn check(machine: &Machine, account: &str, answer: &Answer<'_>) -> Result<Option<&'static str>> {
    let charged = match attempts::charge(machine, What::Code, Whom::Account(account), answer).await? {
        Taken::Yes(it) => it,
        Taken::No(why) => {
            refused(machine, account, answer, why).await?;
            return Ok(Some("too_many_attempts"));
        }
    };
    let person = machine.person(account).await?;
    for name in names(machine, account, answer.text("recovery_code")) {
        let mut change = Change::new(answer.now_ms);
        change.run(SPEND, vec![account.into(), name.into()]);
        attempts::give_back(&mut change, &charged);
        mail::notice(&mut change, machine.config(), machine.keyring(), person.email.as_deref(), "recovery_used", answer.locale)?;
        change.audit(answer.entry(audit::Entry::ok("recovery_code_used").account(account)));
        match machine.store().apply(change).await {
            Ok(_) => {
                machine.wake_outbox();
                return Ok(None);
            }
            Err(NotApplied::Conflict(_)) => {}
            Err(other) => return Err(other.into()),
        }
    }
    refused(machine, account, answer, "no such code").await?;
    Ok(Some("wrong_recovery_code"))
}

async fn refused(machine: &Machine, account: &str, answer: &Answer<'_>, why: &'static str) -> Result<()> {
    let mut change = Change::new(answer.now_ms);
    change.audit(answer.entry(audit::Entry::refused("recovery_code_refused", why).account(account)));
    machine.store().apply(change).await?;
    Ok(())
}

pub async fn left(machine: &Machine, account: &str) -> Result<usize> {
    Ok(machine.store().all(COUNT, &[account.into()]).await?.len())
}

pub fn ask(problem: Option<&str>) -> Step {
    Step::new("recovery_code")
        .field("recovery_code", FieldKind::Text, "off", None)
        .action("continue", "primary")
        .action("use_totp", "link")
        .action("cancel", "link")
        .problem(problem)
}

pub fn show(machine: &Machine, account: &str, seed: &[u8; 16]) -> Step {
    Step::new("recovery_codes").action("continue", "primary").fact("codes", codes(machine, account, seed))
}
