//! Recovery codes: ten, each good once. They get a person in where a chain wants the authenticator. They give the policy's `acr` only where
//! the chain names `recovery`. They are made with the first authenticator, or with the first passkey where a chain takes them (W-59).

use super::totp::price_of_code;
use crate::audit::Entry;
use crate::error::{Fault, Result};
use crate::login::accounts::Account;
use crate::login::budgets::{Budget, BudgetKind};
use crate::login::context::{Answer, Asked, Context, Move, Person, Unavailable, Verdict};
use crate::login::effect::{Effect, Spend};
use crate::login::proof::{Factor, Proof};
use crate::login::step::{FieldKind, Problem, Step};
use crate::seal::KeyRing;
use serde_json::Value as Json;
use symbolon_oauth::base64url;

pub const AMR: &str = "otp";
pub const FACTOR: Factor = Factor::Possession;
pub const ASKS_WHO: bool = false;
const REFUSED: &str = "recovery_code_refused";
const CODES: u8 = 10;
/// No letter or digit that is read as another.
pub(super) const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";

pub fn has(account: &Account) -> bool {
    account.has_codes()
}

/// A person who is not proved yet is asked whoever they are (300-H).
pub fn can_use(person: &Person) -> bool {
    !person.is_subject || person.account.as_ref().is_some_and(Account::has_codes)
}

pub fn price(person: &Person, step: &Move<'_>) -> Vec<Budget> {
    price_of_code(BudgetKind::Code, person, step, ("recovery_code", REFUSED))
}

pub fn still_holds(_proof: &Proof, account: &Account) -> bool {
    account.may_have_codes()
}

pub async fn ask(_context: &Context<'_>, person: &Person) -> std::result::Result<Asked, Unavailable> {
    let step = Step::new("recovery_code").field("recovery_code", FieldKind::Text, "off", None).primary("continue");
    // Codes that were made with a passkey have no authenticator beside them.
    let has_none = person.is_subject && person.account.as_ref().is_some_and(|account| account.totp_from_ms.is_none());
    Ok(Asked::step(if has_none { step } else { step.link("use_totp") }))
}

/// Is it one of the account's codes? The change that spends it says no where another did so meanwhile.
pub async fn check(context: &Context<'_>, person: &Person, _secret: &Json, answer: &Answer<'_>) -> Result<Verdict> {
    let account = person.account.as_ref().filter(|account| account.active);
    let code = answer.text("recovery_code");
    if code.trim().is_empty() {
        return Ok(Verdict::wrong(Problem::in_field("no_code", "recovery_code"), Vec::new()));
    }
    let found =
        account.and_then(|account| names(context.keyring, &account.id, code).into_iter().find(|name| account.recovery.contains(name)));
    let problem = Problem::in_field("wrong_recovery_code", "recovery_code");
    let Some(name) = found else {
        return Ok(Verdict::wrong(problem, vec![Effect::Audit(Box::new(Entry::refused(REFUSED, "no such code")))]));
    };
    Ok(Verdict::proved(vec![
        Effect::Spend { what: Spend::RecoveryCode(name), event: REFUSED, problem },
        Effect::Notice("recovery_used"),
        Effect::Audit(Box::new(Entry::ok("recovery_code_used"))),
    ]))
}

/// The codes of a seed: twice five characters, 50 bits. A page that was lost shows the same ten again.
pub fn codes(keyring: &KeyRing, version: u8, account: &str, seed: &[u8]) -> std::result::Result<Vec<String>, Fault> {
    let one = |number: u8| {
        let made = keyring.mac_with(version, "recovery code", &[account.as_bytes(), seed, &[number]]);
        let bytes = made.ok_or_else(|| Fault::new("the master key of these recovery codes is gone"))?;
        let text: String = bytes.iter().take(10).map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect();
        Ok(format!("{}-{}", &text[..5], &text[5..]))
    };
    (0..CODES).map(one).collect()
}

/// What the store knows a code by. It is a MAC with the newest master key, or with an older one for codes made before a rotation.
pub fn names(keyring: &KeyRing, account: &str, code: &str) -> Vec<String> {
    let of = |version: u8| keyring.mac_with(version, "recovery name", &[account.as_bytes(), plain(code).as_bytes()]);
    keyring.versions().into_iter().filter_map(of).map(|name| base64url::encode(&name)).collect()
}

/// A code as it is compared, however it was typed.
pub(super) fn plain(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}
