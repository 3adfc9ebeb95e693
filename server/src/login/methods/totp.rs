//! Time-based one-time codes. RFC 6238, by `totp-rs`; a step works once (352-Z) because spending it is one guarded statement.

use crate::audit::Entry;
use crate::error::{Fault, Result};
use crate::login::accounts::Account;
use crate::login::budgets::{Budget, BudgetKind, Whom};
use crate::login::context::{Answer, Asked, Context, Move, Person, Unavailable, Verdict};
use crate::login::effect::{Effect, Spend};
use crate::login::matching::digits;
use crate::login::proof::{Factor, Proof};
use crate::login::step::{FieldKind, Problem, Step};
use crate::store::tables::account::READ_TOTP;
use serde_json::Value as Json;

pub const AMR: &str = "otp";
pub const FACTOR: Factor = Factor::Possession;
pub const ASKS_WHO: bool = false;
const REFUSED: &str = "totp_refused";

const STEP_S: i64 = 30;

pub fn has(account: &Account) -> bool {
    account.totp_from_ms.is_some() || account.has_codes()
}

/// A person who is not proved yet is asked whoever they are (300-H); whoever is proved needs an authenticator.
pub fn can_use(person: &Person) -> bool {
    !person.is_subject || person.account.as_ref().is_some_and(|account| account.totp_from_ms.is_some())
}

pub fn price(person: &Person, step: &Move<'_>) -> Vec<Budget> {
    match step {
        // What has no digit is no try, as `check` says too.
        Move::Answer { answer, .. } if digits(answer.text("code")).is_empty() => Vec::new(),
        _ => price_of_code(BudgetKind::Code, person, step, ("code", REFUSED)),
    }
}

/// Codes of the authenticator and recovery codes draw on one budget.
pub fn price_of_code(what: BudgetKind, person: &Person, step: &Move<'_>, (field, event): (&str, &'static str)) -> Vec<Budget> {
    let Move::Answer { answer, .. } = step else { return Vec::new() };
    if answer.text(field).trim().is_empty() {
        return Vec::new();
    }
    vec![Budget::Stored { what, whom: Whom::person(person), event }]
}

pub fn still_holds(proof: &Proof, account: &Account) -> bool {
    account.totp_from_ms.is_some_and(|from_ms| from_ms <= proof.at_ms)
}

pub async fn ask(_context: &Context<'_>, _person: &Person) -> std::result::Result<Asked, Unavailable> {
    Ok(Asked::step(Step::new("totp").field("code", FieldKind::Code, "one-time-code", None).primary("continue")))
}

/// Is the code right, and was its step never used? The change that spends the step says no where another did so meanwhile.
pub async fn check(context: &Context<'_>, person: &Person, _secret: &Json, answer: &Answer<'_>) -> Result<Verdict> {
    let wrong = |why: &str| {
        let refused = Effect::Audit(Box::new(Entry::refused(REFUSED, why)));
        Ok(Verdict::wrong(Problem::in_field("wrong_code", "code"), vec![refused]))
    };
    let code = digits(answer.text("code"));
    if code.is_empty() {
        return Ok(Verdict::wrong(Problem::in_field("no_code", "code"), Vec::new()));
    }
    let Some(account) = person.account.as_ref().filter(|account| account.active) else {
        return wrong("no such account, or it is disabled");
    };
    let Some(row) = context.store.one(READ_TOTP, &[account.id.as_str().into()]).await? else { return wrong("no authenticator") };
    let secret =
        context.keyring.open(&sealed_at(&account.id), row.bytes("secret")?).ok_or_else(|| Fault::new("a TOTP secret cannot be opened"))?;
    match step_ms(&secret, &code, context.now_ms)? {
        None => wrong("wrong code"),
        Some(step_ms) if step_ms <= row.int("used_ms")? => wrong("this or a later code was used before"),
        Some(step_ms) => {
            let what = Spend::TotpStep(step_ms);
            let spend = Effect::Spend { what, event: REFUSED, problem: Problem::in_field("wrong_code", "code") };
            Ok(Verdict::proved(vec![spend, Effect::Audit(Box::new(Entry::ok("totp_proved")))]))
        }
    }
}

/// Where the secret of an account is sealed to.
pub fn sealed_at(account: &str) -> String {
    format!("credential/totp/{account}")
}

/// The instant at which the step of a code begins: six ASCII digits, one step of clock difference (355-Z).
pub fn step_ms(secret: &[u8], code: &str, now_ms: i64) -> std::result::Result<Option<i64>, Fault> {
    if code.len() != 6 || !code.bytes().all(|digit| digit.is_ascii_digit()) {
        return Ok(None);
    }
    let now_s = u64::try_from(now_ms / 1000).unwrap_or_default();
    let step = generator(secret)?.check(code, now_s).and_then(|step| i64::try_from(step).ok());
    Ok(step.map(|step| step * STEP_S * 1000))
}

fn generator(secret: &[u8]) -> std::result::Result<totp_rs::Totp, Fault> {
    let secret: [u8; 20] = secret.try_into().map_err(|_| Fault::new("a TOTP secret has 20 bytes"))?;
    let built = totp_rs::Builder::new()
        .with_algorithm(totp_rs::Algorithm::SHA1)
        .with_digits(6)
        .with_skew(1)
        .with_step_duration(30)
        .with_secret(secret)
        .build();
    built.map_err(|error| Fault::new(format!("TOTP: {error}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// RFC 6238 appendix B (last six digits), and 355-Z.
    #[test]
    fn the_rfcs_codes_and_no_other_spelling() {
        let secret = b"12345678901234567890";
        assert_eq!(step_ms(secret, "287082", 59_000).unwrap(), Some(30_000));
        for typed in [
            "287 082",
            "287-082",
            " 287082 ",
            "287\u{a0}082",
            "287\t082",
            "287\u{202f}082",
            "287\u{2011}082",
            "287\u{2013}082",
            "\u{ff12}\u{ff18}\u{ff17}\u{ff10}\u{ff18}\u{ff12}",
            "\u{662}\u{668}\u{667}\u{660}\u{668}\u{662}",
        ] {
            assert_eq!(step_ms(secret, &digits(typed), 59_000).unwrap(), Some(30_000), "{typed}");
        }
        assert_eq!(step_ms(secret, "081804", 1_111_111_109_000).unwrap(), Some(37_037_036 * 30_000));
        for bad in ["287 082", "287-082", "0287082", "28708", "\u{ff12}87082", ""] {
            assert_eq!(step_ms(secret, bad, 59_000).unwrap(), None, "{bad}");
        }
    }

    /// 372-Z: five right digits take no longer, and no shorter, than none.
    #[test]
    fn near_and_far_take_as_long() {
        let secret = b"12345678901234567890";
        let time = |code: &str| {
            let start = std::time::Instant::now();
            assert_eq!(step_ms(secret, code, 59_000).unwrap(), None);
            start.elapsed()
        };
        assert!(step_ms(secret, "287082", 59_000).unwrap().is_some());
        // In turns, so that other work on the machine meets both.
        let rounds: Vec<_> = (0..1000).map(|_| (time("287083"), time("912345"))).collect();
        let near = rounds.iter().map(|round| round.0).min().unwrap();
        let far = rounds.iter().map(|round| round.1).min().unwrap();
        assert!(near.abs_diff(far) < near / 5, "{near:?} and {far:?}");
    }
}
