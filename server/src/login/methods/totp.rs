//! Time-based one-time codes. RFC 6238, by `totp-rs`; a step works once (352-Z) because spending it is one guarded
//! statement, and guesses are charged as those of passwords are (`attempts`).

use crate::audit;
use crate::error::{Fault, Result};
use crate::login::accounts;
use crate::login::attempts::{self, Taken, What, Whom};
use crate::login::flow::{Answer, By, Machine};
use crate::login::recovery;
use crate::login::step::{FieldKind, Step};
use crate::mail;
use crate::store::{Change, NotApplied, Value};

const READ: &str = "SELECT secret, used_ms FROM credential WHERE account = $1 AND kind = 'totp' AND id = ''";
const SPEND: &str = "UPDATE credential SET used_ms = $2 WHERE account = $1 AND kind = 'totp' AND id = '' AND used_ms < $2";
const ENROL: &str = "INSERT INTO credential (account, kind, id, secret, created_ms, used_ms) VALUES ($1, 'totp', '', $2, $3, $4)";
const REMOVE: &str = "DELETE FROM credential WHERE account = $1 AND kind = 'totp' AND id = ''";
const STEP_S: i64 = 30;

pub fn ask(problem: Option<&str>, has_recovery_codes: bool) -> Step {
    let step = Step::new("totp").field("code", FieldKind::Code, "one-time-code", None).action("continue", "primary");
    let step = if has_recovery_codes { step.action("use_recovery", "link") } else { step };
    step.action("cancel", "link").problem(problem)
}

pub fn place(account: &str) -> String {
    format!("credential/totp/{account}")
}

fn generator(secret: &[u8]) -> Result<totp_rs::Totp> {
    let secret: [u8; 20] = secret.try_into().map_err(|_| Fault::new("a TOTP secret has 20 bytes"))?;
    let built = totp_rs::Builder::new()
        .with_algorithm(totp_rs::Algorithm::SHA1)
        .with_digits(6)
        .with_skew(1)
        .with_step_duration(30)
        .with_secret(secret)
        .build();
    Ok(built.map_err(|it| Fault::new(format!("TOTP: {it}")))?)
}

/// The step a code belongs to: six ASCII digits, one step of clock difference (355-Z).
fn step_of(secret: &[u8], code: &str, now_ms: i64) -> Result<Option<i64>> {
    if code.len() != 6 || !code.bytes().all(|it| it.is_ascii_digit()) {
        return Ok(None);
    }
    let now_s = u64::try_from(now_ms / 1000).unwrap_or_default();
    Ok(generator(secret)?.check(code, now_s).and_then(|it| i64::try_from(it).ok()))
}

/// Is the code right, and was its step never used? Spending the step and saying yes are one statement. Answers what is wrong.
pub async fn check(machine: &Machine, account: &str, answer: &Answer<'_>) -> Result<Option<&'static str>> {
    let now_ms = answer.now_ms;
    let charged = match attempts::charge(machine, What::Code, Whom::Account(account), answer).await? {
        Taken::Yes(it) => it,
        Taken::No(why) => {
            refused(machine, account, answer, why).await?;
            return Ok(Some("too_many_attempts"));
        }
    };
    let Some(row) = machine.store().one(READ, &[account.into()]).await? else { return Ok(Some("wrong_code")) };
    let secret = machine.keyring().open(&place(account), row.bytes(0)?).ok_or_else(|| Fault::new("a TOTP secret cannot be opened"))?;
    let Some(step) = step_of(&secret, answer.text("code"), now_ms)? else {
        refused(machine, account, answer, "wrong code").await?;
        return Ok(Some("wrong_code"));
    };
    let mut change = Change::new(now_ms);
    change.run(SPEND, vec![account.into(), (step * STEP_S * 1000).into()]);
    attempts::give_back(&mut change, &charged);
    change.audit(answer.entry(audit::Entry::ok("totp_proved").account(account)));
    match machine.store().apply(change).await {
        Ok(_) => Ok(None),
        Err(NotApplied::Conflict(_)) => {
            refused(machine, account, answer, "this or a later code was used before").await?;
            Ok(Some("wrong_code"))
        }
        Err(other) => Err(other.into()),
    }
}

async fn refused(machine: &Machine, account: &str, answer: &Answer<'_>, why: &'static str) -> Result<()> {
    let mut change = Change::new(answer.now_ms);
    change.audit(answer.entry(audit::Entry::refused("totp_refused", why).account(account)));
    machine.store().apply(change).await?;
    Ok(())
}

pub async fn is_enrolled(machine: &Machine, account: &str) -> Result<bool> {
    Ok(machine.store().one(READ, &[account.into()]).await?.is_some())
}

/// The page on which a person adds an authenticator app: the secret as text and as a QR code.
pub fn ask_enrolment(issuer: &str, secret: &[u8; 20], problem: Option<&str>) -> Result<Step> {
    let text = base32(secret);
    let label = url::form_urlencoded::byte_serialize(issuer.as_bytes()).collect::<String>().replace('+', "%20");
    let uri = format!("otpauth://totp/{label}?secret={text}&issuer={label}");
    let code = qrcode::QrCode::new(uri.as_bytes()).map_err(|it| Fault::new(format!("QR: {it}")))?;
    let svg = code.render::<qrcode::render::svg::Color<'_>>().min_dimensions(200, 200).build();
    Ok(Step::new("enrol_totp")
        .field("code", FieldKind::Code, "one-time-code", None)
        .action("continue", "primary")
        .action("cancel", "link")
        .fact("secret", text)
        .fact("qr_svg", svg)
        .problem(problem))
}

/// An authenticator about to be added, with the seed of its recovery codes.
pub struct Enrolment<'a> {
    pub account: &'a str,
    /// As the proofs of the login saw it.
    pub version: i64,
    pub secret: &'a [u8; 20],
    pub seed: &'a [u8; 16],
}

/// Adds the authenticator, once its first code proves that it works.
pub async fn enrol(machine: &Machine, it: &Enrolment<'_>, answer: &Answer<'_>) -> Result<bool> {
    let now_ms = answer.now_ms;
    let Some(step) = step_of(it.secret, answer.text("code"), now_ms)? else { return Ok(false) };
    let sealed = machine.keyring().seal(&place(it.account), it.secret)?;
    let person = machine.person(it.account).await?;
    let mut change = Change::new(now_ms);
    accounts::hold(&mut change, it.account, it.version);
    // A login that has proved one factor must not finish as if there were no second.
    accounts::raise(&mut change, it.account);
    change.run(ENROL, vec![it.account.into(), Value::from(sealed), now_ms.into(), (step * STEP_S * 1000).into()]);
    recovery::replace(machine, &mut change, (it.account, it.seed), answer.by());
    mail::notice(&mut change, machine.config(), machine.keyring(), person.email.as_deref(), "factor_added", answer.locale)?;
    change.audit(answer.entry(audit::Entry::ok("totp_enrolled").account(it.account)));
    match machine.store().apply(change).await {
        Ok(_) => Ok(true),
        Err(NotApplied::Conflict(_)) => Ok(false),
        Err(other) => Err(other.into()),
    }
}

pub fn remove(change: &mut Change, account: &str, by: By<'_>) {
    change.run(REMOVE, vec![account.into()]);
    change.audit(by.entry(audit::Entry::ok("totp_removed").account(account)));
}

/// RFC 4648 6, without padding, as authenticator apps read it.
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let (mut out, mut group, mut bits) = (String::new(), 0_u32, 0);
    for byte in bytes {
        group = group << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(char::from(ALPHABET[(group >> bits & 31) as usize]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// RFC 6238 appendix B (last six digits), and 355-Z.
    #[test]
    fn the_rfcs_codes_and_no_other_spelling() {
        let secret = b"12345678901234567890";
        assert_eq!(step_of(secret, "287082", 59_000).unwrap(), Some(1));
        assert_eq!(step_of(secret, "081804", 1_111_111_109_000).unwrap(), Some(37_037_036));
        for bad in ["287 082", "287-082", "0287082", "28708", "\u{ff12}87082", ""] {
            assert_eq!(step_of(secret, bad, 59_000).unwrap(), None, "{bad}");
        }
        assert_eq!(base32(b"12345678901234567890"), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }

    /// 372-Z: five right digits take no longer, and no shorter, than none.
    #[test]
    fn near_and_far_take_as_long() {
        let secret = b"12345678901234567890";
        let quickest = |code: &str| {
            let one = || {
                let start = std::time::Instant::now();
                assert_eq!(step_of(secret, code, 59_000).unwrap(), None);
                start.elapsed()
            };
            (0..300).map(|_| one()).min().unwrap()
        };
        assert!(step_of(secret, "287082", 59_000).unwrap().is_some());
        let (near, far) = (quickest("287083"), quickest("912345"));
        assert!(near.abs_diff(far) < near / 5, "{near:?} and {far:?}");
    }
}
