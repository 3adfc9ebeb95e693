//! Google's list of attestation certificates that are no longer trusted ("Certificate revocation status list",
//! <https://developer.android.com/privacy-and-security/security-key-attestation#certificate_status>), as it is served at
//! `https://android.googleapis.com/attestation/status`. The caller fetches it and says when. A list that is older than the caller
//! allows says nothing about the certificates it does not name, and the verdict tells so.
//!
//! `expires` and `reason` change nothing: what is listed is refused until a list no longer names it.

use crate::{Failed, Unreadable, Verdict};
use data_encoding::HEXLOWER;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use symbolon_oauth::jws::parse_object;

/// The largest list that is read, in bytes. Google's has some hundred thousand. Nothing else bounds it: a list with more entries is one of more
/// leaked keys, and a list that is not read refuses every phone.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;
/// How far ahead of ours the clock of whoever fetched the list may be, in seconds.
pub const FUTURE_S: i64 = 300;
/// RFC 5280 4.1.2.2: a serial has 20 octets at most, so 40 digits in hexadecimal and 49 in decimal.
const MAX_SERIAL: usize = 64;
const MAX_TEXT: usize = 512;

/// What a list says about a certificate; "Certificate revocation status list", member `status`. All of them refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// `REVOKED`: for good.
    Revoked,
    /// `SUSPENDED`: for a while. Google's own verifier lets it pass; here it does not.
    Suspended,
    /// A word that is not in the documented schema.
    Unknown,
    /// There is no list young enough to ask.
    Stale,
}

/// Why; "Certificate revocation status list", member `reason`. For the audit: nothing depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Unspecified,
    KeyCompromise,
    CaCompromise,
    Superseded,
    SoftwareFlaw,
    /// A word that is not in the documented schema.
    Other,
}

/// One certificate of the list; "Certificate revocation status list", the schema of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub status: Status,
    pub reason: Option<Reason>,
    /// When the certificate expires, as Google wrote it (`YYYY-MM-DD`).
    pub expires: Option<String>,
    pub comment: Option<String>,
}

/// A list that was read, and when it was fetched; "Certificate revocation status list".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusList {
    /// By serial, lower-case hexadecimal without leading zeros; the oldest ones of Google's are in decimal.
    entries: BTreeMap<String, Entry>,
    fetched_s: i64,
}

/// What was found about the certificates of one chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// When the list was fetched, in seconds since the epoch.
    pub fetched_s: i64,
    pub age_s: i64,
    /// Every certificate that is listed: its serial in hexadecimal, and what is said of it.
    pub listed: Vec<(String, Entry)>,
}

impl StatusList {
    /// Reads what was served. `fetched_s`: seconds since the epoch, by the clock of whoever fetched it. Members that are not
    /// documented are skipped; documented ones of another type, and doubled ones, make the list unreadable.
    pub fn parse(bytes: &[u8], fetched_s: i64) -> Result<Self, Unreadable> {
        if bytes.len() > MAX_BYTES {
            return Err(Unreadable("the status list is larger than 16 MiB"));
        }
        let list = parse_object(bytes).ok_or(Unreadable("the status list is not one JSON object without doubled members"))?;
        let listed = list.get("entries").and_then(Value::as_object).ok_or(Unreadable("the status list has no entries"))?;
        let mut entries = BTreeMap::new();
        for (serial, entry) in listed {
            let serial = normal(serial).ok_or(Unreadable("an entry of the status list is not named by a serial"))?;
            let entry = entry.as_object().and_then(Entry::read).ok_or(Unreadable("an entry of the status list is not as documented"))?;
            if entries.insert(serial, entry).is_some() {
                return Err(Unreadable("the status list names a certificate twice"));
            }
        }
        Ok(Self { entries, fetched_s })
    }

    /// How many certificates are listed.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Google's own list never is. The documented schema allows it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What is said of this serial (hexadecimal). Keys of digits alone may be either, hexadecimal as documented or decimal as
    /// in Google's first lists: both are looked up.
    pub fn entry(&self, serial: &str) -> Option<&Entry> {
        let serial = normal(serial)?;
        self.entries.get(&serial).or_else(|| self.entries.get(&decimal(&serial)))
    }

    /// How old the list is.
    pub fn age_s(&self, now_s: i64) -> i64 {
        now_s.saturating_sub(self.fetched_s)
    }

    /// Too old to say that a certificate is good, or fetched by a clock that is wrong.
    pub fn is_stale(&self, now_s: i64, max_age_s: i64) -> bool {
        let age_s = self.age_s(now_s);
        age_s > max_age_s || age_s < -FUTURE_S
    }

    /// The status of a serial, for `key_attestation::Expected`. A stale list answers `Stale` for what it does not name.
    pub fn at(&self, now_s: i64, max_age_s: i64) -> impl Fn(&str) -> Option<Status> + '_ {
        let stale = self.is_stale(now_s, max_age_s).then_some(Status::Stale);
        move |serial| self.entry(serial).map(|it| it.status).or(stale)
    }

    /// Judges the serials of a chain (hexadecimal): what is listed, and every rule that failed.
    pub fn judge(&self, serials: &[&str], now_s: i64, max_age_s: i64) -> Verdict<Facts> {
        let listed = serials.iter().filter_map(|it| Some(((*it).to_owned(), self.entry(it)?.clone()))).collect();
        let facts = Facts { fetched_s: self.fetched_s, age_s: self.age_s(now_s), listed };
        Verdict { facts, failed: failed(serials.iter().copied(), &self.at(now_s, max_age_s)) }
    }
}

/// The rules that these serials break, whoever answers for them; no list at all is a `status` that answers `Stale`.
pub fn failed<'a>(serials: impl IntoIterator<Item = &'a str>, status: &dyn Fn(&str) -> Option<Status>) -> Vec<Failed> {
    let mut failed = Vec::new();
    let mut stale = false;
    for serial in serials {
        let (name, what) = match status(serial) {
            None => continue,
            Some(Status::Revoked) => ("revoked", "is revoked"),
            Some(Status::Suspended) => ("suspended", "is suspended"),
            Some(Status::Unknown) => ("status_unknown", "is listed with a status that is not known"),
            Some(Status::Stale) => {
                stale = true;
                continue;
            }
        };
        failed.push(Failed::new(name, format!("the certificate {serial} {what}")));
    }
    if stale {
        failed.push(Failed::new("status_stale", "the status list is missing or too old to say that a certificate is not revoked"));
    }
    failed
}

/// The serial of a certificate as the list writes it: its octets (RFC 5280 4.1.2.2) in lower-case hexadecimal, without
/// leading zeros.
pub fn serial(octets: &[u8]) -> String {
    without_zeros(&HEXLOWER.encode(octets)).to_owned()
}

/// A serial as people write it, hexadecimal in either case, perhaps with colons, as the list writes it. `None`: no serial.
pub fn written(text: &str) -> Option<String> {
    normal(&text.replace(':', ""))
}

fn normal(text: &str) -> Option<String> {
    let fits = !text.is_empty() && text.len() <= MAX_SERIAL && text.bytes().all(|it| it.is_ascii_hexdigit());
    fits.then(|| without_zeros(text).to_ascii_lowercase())
}

/// Zero is one digit.
fn without_zeros(text: &str) -> &str {
    let short = text.trim_start_matches('0');
    if short.is_empty() { text.get(text.len().saturating_sub(1)..).unwrap_or_default() } else { short }
}

/// The same number in decimal.
fn decimal(hexadecimal: &str) -> String {
    // Digits, the last one first.
    let mut digits = vec![0_u32];
    for digit in hexadecimal.chars().filter_map(|it| it.to_digit(16)) {
        let mut carry = digit;
        for place in &mut digits {
            carry += *place * 16;
            *place = carry % 10;
            carry /= 10;
        }
        while carry > 0 {
            digits.push(carry % 10);
            carry /= 10;
        }
    }
    digits.iter().rev().filter_map(|it| char::from_digit(*it, 10)).collect()
}

impl Entry {
    fn read(entry: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| match entry.get(name) {
            None => Some(None),
            Some(Value::String(value)) if value.len() <= MAX_TEXT => Some(Some(value.as_str())),
            Some(_) => None,
        };
        let status = match text("status")?? {
            "REVOKED" => Status::Revoked,
            "SUSPENDED" => Status::Suspended,
            _ => Status::Unknown,
        };
        let reason = text("reason")?.map(|word| match word {
            "UNSPECIFIED" => Reason::Unspecified,
            "KEY_COMPROMISE" => Reason::KeyCompromise,
            "CA_COMPROMISE" => Reason::CaCompromise,
            "SUPERSEDED" => Reason::Superseded,
            "SOFTWARE_FLAW" => Reason::SoftwareFlaw,
            _ => Reason::Other,
        });
        Some(Self { status, reason, expires: text("expires")?.map(str::to_owned), comment: text("comment")?.map(str::to_owned) })
    }
}
