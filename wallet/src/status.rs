//! Token Status List (draft-ietf-oauth-status-list-20): is a credential still good? The caller fetches the list and keeps it for as long
//! as `fresh_until_s` says. No list in time means: not good.

use crate::issuer::{self, Issuer};
use crate::{Failed, Unreadable};
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
use serde_json::Value;
use symbolon_oauth::jws::Unverified;
use symbolon_oauth::{base64url, claims};

/// The largest token that is read, in bytes.
pub const MAX_BYTES: usize = 2 * 1024 * 1024;
/// The largest list once it is inflated, in bytes: eight bits for four million credentials.
pub const MAX_INFLATED: usize = 4 * 1024 * 1024;
/// The value of a credential that is good (7.1). Every other one refuses, known or not.
const VALID: u8 = 0;

/// Where the status of a credential stands (6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub uri: String,
    pub index: usize,
}

impl Reference {
    /// Reads the claim `status`. Another mechanism than a status list is not skipped: nobody could say that the credential is good.
    pub fn read(claim: Option<&Value>) -> Result<Option<Self>, Unreadable> {
        const BAD: Unreadable = Unreadable("the status of the credential is not a status list");
        let Some(claim) = claim else { return Ok(None) };
        let list = claim.as_object().filter(|it| it.len() == 1).and_then(|it| it.get("status_list")).ok_or(BAD)?;
        let index = list.get("idx").and_then(Value::as_u64).and_then(|it| usize::try_from(it).ok()).ok_or(BAD)?;
        let uri = list.get("uri").and_then(Value::as_str).filter(|it| it.starts_with("https://") && it.len() <= 2048).ok_or(BAD)?;
        Ok(Some(Self { uri: uri.to_owned(), index }))
    }
}

/// A list whose signature was verified.
#[derive(Debug, Clone)]
pub struct StatusList {
    bits: usize,
    bytes: Vec<u8>,
    /// The configured issuer that has signed it.
    issuer: String,
    ttl_s: Option<i64>,
    expires_s: Option<i64>,
}

/// What is asked of a list.
pub struct Expected<'a> {
    pub issuers: &'a [Issuer],
    pub uri: &'a str,
    pub now_s: i64,
    pub skew_s: i64,
}

impl StatusList {
    /// Reads and judges a Status List Token in JWT form (5.1, 8.3).
    pub fn read(token: &str, expected: &Expected<'_>) -> Result<Self, Failed> {
        let fail = |detail: &str| Failed::new("status_list", detail);
        let jwt = Unverified::parse_within(token.trim(), MAX_BYTES).map_err(|_| fail("it is not a JWT of at most 2 MiB"))?;
        if jwt.typ() != Some("statuslist+jwt") {
            return Err(fail("its typ is not statuslist+jwt"));
        }
        let header = jwt.header().get("x5c").cloned();
        let (says, issuer) = match header {
            Some(header) => by_certificate(jwt, &header, expected)?,
            None => by_key(jwt, expected)?,
        };
        let wrong = |_| fail("a claim is of the wrong type");
        if claims::string(&says, "sub").map_err(wrong)? != Some(expected.uri) {
            return Err(fail("its sub is not the address that it was fetched from"));
        }
        let issued_s = claims::time_s(&says, "iat").map_err(wrong)?.ok_or_else(|| fail("it has no iat"))?;
        let expires_s = claims::time_s(&says, "exp").map_err(wrong)?;
        let ttl_s = match says.get("ttl") {
            None => None,
            Some(ttl) => Some(ttl.as_i64().filter(|it| *it > 0).ok_or_else(|| fail("its ttl is no number above 0"))?),
        };
        if issued_s > expected.now_s + expected.skew_s || expires_s.is_some_and(|it| it <= expected.now_s - expected.skew_s) {
            return Err(fail("it has expired, or is from the future"));
        }
        let list = says.get("status_list").ok_or_else(|| fail("it has no status_list"))?;
        let (bits, bytes) = inflate(list).map_err(|why| fail(why.0))?;
        Ok(Self { bits, bytes, issuer, ttl_s, expires_s })
    }

    /// Until when the list may be used: its own times, and never longer than `cap_s` after it was fetched.
    pub fn fresh_until_s(&self, fetched_s: i64, cap_s: i64) -> i64 {
        let own = self.ttl_s.map_or(cap_s, |ttl| ttl.min(cap_s));
        let until_s = fetched_s.saturating_add(own);
        self.expires_s.map_or(until_s, |it| it.min(until_s))
    }

    /// Refuses every status but VALID, an index that is not in the list, and a list of another issuer than the credential's.
    pub fn judge(&self, index: usize, issuer: &str) -> Result<(), Failed> {
        if self.issuer != issuer {
            return Err(Failed::new("status_list", "another issuer has signed the list"));
        }
        match status(&self.bytes, self.bits, index) {
            Some(VALID) => Ok(()),
            Some(1) => Err(Failed::new("revoked", "the credential is revoked")),
            Some(2) => Err(Failed::new("suspended", "the credential is suspended")),
            Some(_) => Err(Failed::new("status_unknown", "the credential has a status that is not known here")),
            None => Err(Failed::new("status_index", "the list has no such index")),
        }
    }
}

type Claims = serde_json::Map<String, Value>;

fn by_certificate(jwt: Unverified<'_>, header: &Value, expected: &Expected<'_>) -> Result<(Claims, String), Failed> {
    let unreadable = |why: Unreadable| Failed::new("status_list", why.0);
    let chain = issuer::x5c(header).map_err(unreadable)?;
    let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    let signed = issuer::judge_chain(expected.issuers, &chain, issuer::Signs::Credential, expected.now_s).map_err(unreadable)?;
    if let Some(first) = signed.failed.into_iter().next() {
        return Err(first);
    }
    let says = jwt.verify(&signed.key).map_err(|_| Failed::new("status_list", "its signature is wrong"))?;
    Ok((says, signed.signer.issuer))
}

/// The key may be any of a configured issuer: the token need not say whose it is.
fn by_key(jwt: Unverified<'_>, expected: &Expected<'_>) -> Result<(Claims, String), Failed> {
    let (kid, alg) = (jwt.kid(), jwt.alg().ok_or_else(|| Failed::new("status_list", "its algorithm is not known"))?);
    let signer = expected.issuers.iter().find_map(|issuer| {
        let key = issuer.keys.candidates(kid, alg).into_iter().find(|it| jwt.is_signed_by(it))?;
        Some((issuer.name.clone(), key.clone()))
    });
    let (name, key) = signer.ok_or_else(|| Failed::new("status_list", "no configured issuer has signed it"))?;
    let says = jwt.verify(&key).map_err(|_| Failed::new("status_list", "its signature is wrong"))?;
    Ok((says, name))
}

/// `status_list` (4.2): bits, and zlib in base64url. Inflating stops at the budget.
fn inflate(list: &Value) -> Result<(usize, Vec<u8>), Unreadable> {
    let bits = list
        .get("bits")
        .and_then(Value::as_u64)
        .filter(|it| matches!(it, 1 | 2 | 4 | 8))
        .ok_or(Unreadable("its bits are not 1, 2, 4 or 8"))?;
    let packed = list.get("lst").and_then(Value::as_str).and_then(base64url::decode).ok_or(Unreadable("its lst is not base64url"))?;
    let bytes = decompress_to_vec_zlib_with_limit(&packed, MAX_INFLATED).map_err(|_| Unreadable("its lst is not zlib of at most 4 MiB"))?;
    Ok((usize::try_from(bits).unwrap_or(1), bytes))
}

/// One status (4.1): the lowest bits of a byte come first.
fn status(bytes: &[u8], bits: usize, index: usize) -> Option<u8> {
    let per_byte = 8 / bits;
    let byte = bytes.get(index / per_byte)?;
    let mask = u8::try_from((1_u16 << bits) - 1).ok()?;
    Some(byte >> (index % per_byte * bits) & mask)
}

/// Reads a list without its token, and a status in it: for tests and fuzzing.
pub fn look_up(list: &Value, index: usize) -> Result<Option<u8>, Unreadable> {
    let (bits, bytes) = inflate(list)?;
    Ok(status(&bytes, bits, index))
}
