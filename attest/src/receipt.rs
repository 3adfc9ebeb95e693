//! Receipts of App Attest: what Apple says later about a key that it attested, and how many keys were attested on the same
//! device ("Assessing fraud risk",
//! <https://developer.apple.com/documentation/devicecheck/assessing-fraud-risk>). The first one is in the attestation; Apple
//! gives a new one, with the risk metric, for one that is not too old.
//!
//! A receipt is no proof of possession. Its metric alone is no reason to refuse somebody: people restore phones and reinstall apps.

use crate::app_attest::{Environment, P256_PREFIX};
use crate::cms::Signed;
use crate::der::Reader;
use crate::x509::{Dates, extension};
use crate::{Failed, Unreadable, Verdict};
use symbolon_oauth::digest::equal;
use x509_parser::prelude::*;

/// Subject public key of "Apple Root CA - G3" (P-384, valid 2014 to 2039), from
/// <https://www.apple.com/certificateauthority/AppleRootCA-G3.cer>.
pub const APPLE_ROOT_G3: &[u8] = &[
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62,
    0x00, 0x04, 0x98, 0xe9, 0x2f, 0x3d, 0x40, 0x72, 0xa4, 0xed, 0x93, 0x22, 0x72, 0x81, 0x13, 0x1c, 0xdd, 0x10, 0x95, 0xf1, 0xc5, 0xa3,
    0x4e, 0x71, 0xdc, 0x14, 0x16, 0xd9, 0x0e, 0xe5, 0xa6, 0x05, 0x2a, 0x77, 0x64, 0x7b, 0x5f, 0x4e, 0x38, 0xd3, 0xbb, 0x1c, 0x44, 0xb5,
    0x7f, 0xf5, 0x1f, 0xb6, 0x32, 0x62, 0x5d, 0xc9, 0xe9, 0x84, 0x5b, 0x4f, 0x30, 0x4f, 0x11, 0x5a, 0x00, 0xfd, 0x58, 0x58, 0x0c, 0xa5,
    0xf5, 0x0f, 0x2c, 0x4d, 0x07, 0x47, 0x13, 0x75, 0xda, 0x97, 0x97, 0x97, 0x6f, 0x31, 0x5c, 0xed, 0x2b, 0x9d, 0x7b, 0x20, 0x3b, 0xd8,
    0xb9, 0x54, 0xd9, 0x5e, 0x99, 0xa4, 0x3a, 0x51, 0x0a, 0x31,
];

/// How far ahead of ours Apple's clock may be.
pub const FUTURE_MS: i64 = 60_000;
/// 1.2.840.113635.100.12.15, which only certificates of "Application Attestation Fraud Receipt Signing" carry. The same root
/// and intermediate certify Apple's other signers too.
const SIGNER_EXTENSION: &str = "1.2.840.113635.100.12.15";
const MAX_FIELDS: usize = 64;
const MAX_TEXT: usize = 512;
const SHAPE: Unreadable = Unreadable("the receipt's content is not a set of fields as Apple documents it");

/// Field 6, "Receipt type".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `ATTEST`: came with an attestation, and has no risk metric.
    Attestation,
    /// `RECEIPT`: came from Apple's server for another receipt.
    Refreshed,
}

/// What a receipt should be about ("Assessing fraud risk", "Verify the receipt").
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// `TEAMID.bundle.id`; any one of them.
    pub app_ids: &'a [&'a str],
    /// The key that was attested: an uncompressed P-256 point, 65 bytes.
    pub public_key: &'a [u8],
    /// The hash the app passed to `attestKey`. Judged in the receipt of an attestation only: in others Apple writes it as
    /// text, and what is no UTF-8 is lost. Absent: not judged.
    pub client_data_hash: Option<&'a [u8]>,
    pub kind: Kind,
    pub environment: Environment,
    /// Trusted roots: SubjectPublicKeyInfo in DER.
    pub roots: &'a [&'a [u8]],
    pub now_ms: i64,
    /// Since it was made. Minutes for a receipt that was just fetched.
    pub max_age_ms: i64,
}

/// Every documented field of a receipt ("Assessing fraud risk", "Receipt fields"). What is absent is `None` or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Field 2: `TEAMID.bundle.id`.
    pub app_id: Option<String>,
    /// Field 3, a certificate: its key as an uncompressed P-256 point of 65 bytes, and empty where it is another.
    pub public_key: Vec<u8>,
    /// Field 4.
    pub client_hash: Vec<u8>,
    /// Field 5.
    pub token: Option<String>,
    /// Field 6.
    pub kind: Option<Kind>,
    /// Field 7.
    pub environment: Option<Environment>,
    /// Field 12, milliseconds since the epoch, as all dates here.
    pub created_ms: Option<i64>,
    /// Field 17: about how many keys were attested for the app on the device in the last 30 days.
    pub risk_metric: Option<u32>,
    /// Field 19: Apple gives no new one before.
    pub not_before_ms: Option<i64>,
    /// Field 21.
    pub expires_ms: Option<i64>,
    /// The types of fields that are not documented.
    pub others: Vec<i64>,
}

/// Judges a receipt (CMS signed data, as the attestation statement carries it or Apple's server answers, without base64).
///
/// The signer's certificates are judged at the time at which the receipt says it was made, which `max_age_ms` bounds: receipts
/// live for three months, and may outlive the certificate that signed them.
pub fn judge(bytes: &[u8], expected: &Expected<'_>) -> Result<Verdict<Facts>, Unreadable> {
    let signed = Signed::parse(bytes)?;
    let facts = read(&signed.content)?;
    let made_ms = facts.created_ms.unwrap_or(expected.now_ms);
    let is_signer = |it: &X509Certificate<'_>| extension(it, SIGNER_EXTENSION).is_some();
    let mut failed = signed.judge(expected.roots, Dates::All(made_ms.div_euclid(1000)), &is_signer)?;
    rules(&facts, expected, &mut failed);
    Ok(Verdict { facts, failed })
}

fn rules(facts: &Facts, expected: &Expected<'_>, failed: &mut Vec<Failed>) {
    let mut rule = |holds: bool, name: &'static str, detail: &str| {
        if !holds {
            failed.push(Failed::new(name, detail));
        }
    };
    rule(facts.app_id.as_deref().is_some_and(|it| expected.app_ids.contains(&it)), "app", "the receipt is of another app");
    let key = !facts.public_key.is_empty() && equal(&facts.public_key, expected.public_key);
    rule(key, "key", "the receipt is about another key");
    if let Some(hash) = expected.client_data_hash.filter(|_| facts.kind != Some(Kind::Refreshed)) {
        rule(equal(&facts.client_hash, hash), "client_hash", "the receipt is of another attestation");
    }
    rule(facts.kind == Some(expected.kind), "kind", "the receipt is of another type than is expected");
    rule(facts.environment == Some(expected.environment), "environment", "the receipt is of another environment");
    match facts.created_ms {
        None => rule(false, "age", "the receipt does not say when it was made"),
        Some(created_ms) => {
            let age_ms = expected.now_ms.saturating_sub(created_ms);
            rule(age_ms <= expected.max_age_ms, "age", "the receipt is too old");
            rule(age_ms >= -FUTURE_MS, "future", "the receipt is from the future");
        }
    }
    rule(facts.expires_ms.is_some_and(|it| expected.now_ms < it), "expired", "the receipt has expired, or does not say when it does");
    let complete = facts.kind != Some(Kind::Refreshed) || facts.risk_metric.is_some();
    rule(complete, "risk_metric", "a receipt from Apple's server has no risk metric");
}

/// SET OF SEQUENCE { type INTEGER, version INTEGER, value OCTET STRING }, every type once, in any order.
fn read(content: &[u8]) -> Result<Facts, Unreadable> {
    let mut outer = Reader::new(content);
    let mut fields = outer.set().map_err(|_| SHAPE)?;
    outer.end().map_err(|_| SHAPE)?;
    let mut facts = Facts::default();
    let mut seen = Vec::new();
    while !fields.is_empty() {
        let mut field = fields.sequence().map_err(|_| SHAPE)?;
        let number = field.integer().map_err(|_| SHAPE)?;
        let version = field.integer().map_err(|_| SHAPE)?;
        let value = field.octets().map_err(|_| SHAPE)?;
        field.end().map_err(|_| SHAPE)?;
        if seen.contains(&number) || seen.len() == MAX_FIELDS {
            return Err(SHAPE);
        }
        seen.push(number);
        if is_field(number, value, &mut facts)? && version != 1 {
            return Err(Unreadable("a field of the receipt has a version that is not known"));
        }
    }
    Ok(facts)
}

/// Is the field one that is documented? An empty value is none; one that cannot be read makes the receipt unreadable.
fn is_field(number: i64, value: &[u8], facts: &mut Facts) -> Result<bool, Unreadable> {
    if value.is_empty() && DOCUMENTED.contains(&number) {
        return Ok(true);
    }
    match number {
        2 => facts.app_id = Some(text(value)?.to_owned()),
        3 => facts.public_key = point(value)?,
        4 => facts.client_hash = value.to_vec(),
        5 => facts.token = Some(text(value)?.to_owned()),
        6 => {
            facts.kind = match text(value)? {
                "ATTEST" => Some(Kind::Attestation),
                "RECEIPT" => Some(Kind::Refreshed),
                _ => None,
            }
        }
        7 => {
            facts.environment = match text(value)? {
                "production" => Some(Environment::Production),
                "sandbox" => Some(Environment::Development),
                _ => None,
            }
        }
        12 => facts.created_ms = Some(instant(text(value)?)?),
        17 => facts.risk_metric = Some(count(text(value)?)?),
        19 => facts.not_before_ms = Some(instant(text(value)?)?),
        21 => facts.expires_ms = Some(instant(text(value)?)?),
        _ => {
            facts.others.push(number);
            return Ok(false);
        }
    }
    Ok(true)
}

const DOCUMENTED: [i64; 10] = [2, 3, 4, 5, 6, 7, 12, 17, 19, 21];

fn text(value: &[u8]) -> Result<&str, Unreadable> {
    std::str::from_utf8(value).ok().filter(|it| it.len() <= MAX_TEXT).ok_or(SHAPE)
}

/// Digits alone.
fn count(text: &str) -> Result<u32, Unreadable> {
    let digits = text.bytes().all(|it| it.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or(SHAPE)
}

/// The leaf of the attestation, in DER. Its own signature is not judged: who signed the receipt vouches for it.
fn point(certificate: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let (behind, parsed) = X509Certificate::from_der(certificate).map_err(|_| SHAPE)?;
    if !behind.is_empty() {
        return Err(SHAPE);
    }
    let point = parsed.public_key().raw.strip_prefix(P256_PREFIX.as_slice()).filter(|it| it.len() == 65 && it.first() == Some(&4));
    Ok(point.unwrap_or_default().to_vec())
}

/// `YYYY-MM-DDTHH:MM:SS[.fraction]Z` (RFC 3339 5.6, always UTC) as milliseconds since the epoch.
fn instant(text: &str) -> Result<i64, Unreadable> {
    let bytes = text.as_bytes();
    let (whole, rest) = bytes.split_at_checked(19).ok_or(SHAPE)?;
    let fraction = match rest {
        [b'Z'] => &[][..],
        [b'.', digits @ .., b'Z'] if (1..=9).contains(&digits.len()) => digits,
        _ => return Err(SHAPE),
    };
    let number = |from: usize, to: usize| digits(whole.get(from..to).unwrap_or_default());
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if marks.iter().any(|(at, mark)| whole.get(*at) != Some(mark)) {
        return Err(SHAPE);
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) || day < 1 || day > days_of(year, month) || hour > 23 || minute > 59 || second > 59 {
        return Err(SHAPE);
    }
    // Three digits are milliseconds; what is finer is cut off.
    let mut thousandths = digits(fraction)?;
    for _ in fraction.len()..3 {
        thousandths *= 10;
    }
    for _ in 3..fraction.len() {
        thousandths /= 10;
    }
    // Days since 1 March of the year 0, so that the leap day is a year's last one; 719468 of them before 1970.
    let (shifted, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * shifted + shifted.div_euclid(4) - shifted.div_euclid(100) + shifted.div_euclid(400) + (153 * months + 2) / 5 + day - 1;
    let seconds = ((days - 719_468) * 24 + hour) * 3600 + minute * 60 + second;
    Ok(seconds * 1000 + thousandths)
}

fn digits(bytes: &[u8]) -> Result<i64, Unreadable> {
    bytes.iter().try_fold(0_i64, |sum, byte| if byte.is_ascii_digit() { Ok(sum * 10 + i64::from(byte - b'0')) } else { Err(SHAPE) })
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn dates_as_a_library_reads_them() {
        for text in [
            "1970-01-01T00:00:00Z",
            "1969-12-31T23:59:59.999Z",
            "2020-11-27T22:41:40.46Z",
            "2020-11-21T22:13:02.7964999Z",
            "2021-01-10T11:08:28.001Z",
            "2000-02-29T12:00:00.5Z",
            "2024-02-29T23:59:59Z",
            "2100-03-01T00:00:00Z",
            "0001-01-01T00:00:00Z",
            "9999-12-30T22:00:00Z",
        ] {
            let wanted = text.parse::<jiff::Timestamp>().unwrap();
            let wanted_ms = wanted.as_nanosecond().div_euclid(1_000_000);
            assert_eq!(i128::from(instant(text).unwrap()), wanted_ms, "{text}");
        }
        for bad in [
            "",
            "2020-11-27T22:41:40",
            "2020-11-27T22:41:40.Z",
            "2020-11-27T22:41:40.1234567890Z",
            "2020-11-27T22:41:40+00:00",
            "2020-11-27t22:41:40Z",
            "2020-11-27 22:41:40Z",
            "2020-11-27T22:41:40Z ",
            "2020-13-27T22:41:40Z",
            "2020-00-27T22:41:40Z",
            "2020-11-31T22:41:40Z",
            "2020-11-00T22:41:40Z",
            "2021-02-29T22:41:40Z",
            "2100-02-29T22:41:40Z",
            "2020-11-27T24:41:40Z",
            "2020-11-27T22:60:40Z",
            "2020-11-27T22:41:60Z",
            "+020-11-27T22:41:40Z",
            "2020-11-27T22:41:-1Z",
            "2020-11-27T22:41:4०Z",
        ] {
            assert!(instant(bad).is_err(), "{bad}");
        }
    }
}
