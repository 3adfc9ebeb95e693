//! SD-JWT (RFC 9901) and SD-JWT VC (draft-ietf-oauth-sd-jwt-vc-19): issuer's JWT, disclosures, and the holder's KB-JWT.

use crate::issuer::{self, Issuer, Signer};
use crate::status::Reference;
use crate::{Credential, Failed, Format, MAX_BYTES, Unreadable, Verdict};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use symbolon_oauth::digest::{equal, sha256};
use symbolon_oauth::jwk::{Algorithm, PublicKey};
use symbolon_oauth::jws::{Unverified, parse_value};
use symbolon_oauth::{base64url, claims};

/// The most disclosures of one presentation.
pub const MAX_DISCLOSURES: usize = 256;
/// The most digests of one credential, with decoys.
const MAX_DIGESTS: usize = 4096;
/// The deepest nesting of claims, disclosures included.
const MAX_DEPTH: usize = 24;
/// draft-ietf-oauth-sd-jwt-vc-19, 2.2.2.2: they are never disclosed selectively.
const ALWAYS_OPEN: [&str; 8] = ["iss", "nbf", "exp", "cnf", "vct", "vct#integrity", "aka_vcts", "status"];

/// The `typ` of the issuer's JWT (draft -19, 2.2.1).
pub const TYP: &str = "dc+sd-jwt";

/// Who must have sent it, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct Binding<'a> {
    /// The full client_id, or `origin:` and the origin.
    pub audience: &'a str,
    pub nonce: &'a str,
    /// How old the holder's signature may be, in seconds.
    pub max_age_s: i64,
    /// The items of `transaction_data` that this credential has to sign, as they were sent.
    pub transaction_data: &'a [&'a str],
}

/// What is asked of a presentation.
pub struct Expected<'a> {
    pub issuers: &'a [Issuer],
    pub types: &'a [&'a str],
    /// None: nobody has to prove that the credential is his. Nobody signs in with such a one.
    pub binding: Option<Binding<'a>>,
    pub now_s: i64,
    /// How far clocks may differ, in seconds.
    pub skew_s: i64,
    /// The `typ` values that are accepted.
    pub typ: &'a [&'a str],
}

/// A presentation in compact form (RFC 9901 4). Nothing is verified yet.
pub struct SdJwt<'a> {
    /// Everything up to and with the last `~` before the KB-JWT: what `sd_hash` is over.
    bound: &'a str,
    issuer: Unverified<'a>,
    disclosures: Vec<&'a str>,
    key_binding: Option<Unverified<'a>>,
}

/// One disclosure: an object's member, or an array's element.
struct Disclosure {
    name: Option<String>,
    value: Value,
    used: bool,
}

impl<'a> SdJwt<'a> {
    pub fn parse(text: &'a str) -> Result<Self, Unreadable> {
        if text.len() > MAX_BYTES {
            return Err(Unreadable("the SD-JWT is larger than 96 KiB"));
        }
        let (head, tail) = text.rsplit_once('~').ok_or(Unreadable("an SD-JWT has a ~"))?;
        let mut parts = head.split('~');
        let jwt = |part: &'a str| Unverified::parse(part).map_err(|_| Unreadable("a JWT of the SD-JWT is not one"));
        let issuer = jwt(parts.next().unwrap_or_default())?;
        let disclosures: Vec<&str> = parts.take(MAX_DISCLOSURES + 1).collect();
        if disclosures.len() > MAX_DISCLOSURES {
            return Err(Unreadable("the SD-JWT has more than 256 disclosures"));
        }
        let key_binding = if tail.is_empty() { None } else { Some(jwt(tail)?) };
        Ok(Self { bound: text.get(..=head.len()).unwrap_or_default(), issuer, disclosures, key_binding })
    }

    /// The claims as the issuer signed them, before anything is put in the places of digests.
    pub fn unverified_claims(&self) -> &Map<String, Value> {
        self.issuer.unverified_claims()
    }

    /// Judges everything but the status, and compares nothing with a query.
    pub fn judge(self, expected: &Expected<'_>) -> Result<Verdict<Credential>, Unreadable> {
        let mut failed = Vec::new();
        if !self.issuer.typ().is_some_and(|it| expected.typ.contains(&it)) {
            failed.push(Failed::new("typ", "the typ of the issuer's JWT is another"));
        }
        let signed = self.issuer.unverified_claims().clone();
        judge_times(&signed, expected, &mut failed);
        let vct = wrong(claims::string(&signed, "vct"), &mut failed).flatten().unwrap_or_default().to_owned();
        if !expected.types.contains(&vct.as_str()) {
            failed.push(Failed::new("type", "the credential is of another type (vct)"));
        }
        let status = match Reference::read(signed.get("status")) {
            Ok(status) => status,
            Err(why) => {
                failed.push(Failed::new("status", why.0));
                None
            }
        };
        let disclosed = match disclose(&signed, &self.disclosures) {
            Ok(disclosed) => disclosed,
            Err(one) => {
                failed.push(one);
                Map::new()
            }
        };
        if let Some(binding) = &expected.binding {
            failed.extend(judge_binding(&signed, self.bound, self.key_binding.as_ref(), &Bound { binding, expected }));
        }
        let signer = judge_issuer(self.issuer, expected, &mut failed)?;
        let expires_s = claims::time_s(&signed, "exp").ok().flatten();
        Ok(Verdict { facts: Credential { format: Format::SdJwt, kind: vct, claims: disclosed, signer, status, expires_s }, failed })
    }
}

/// A claim of the wrong type is a broken rule, and absent from here on.
fn wrong<T>(read: Result<T, claims::WrongType>, failed: &mut Vec<Failed>) -> Option<T> {
    read.map_err(|why| failed.push(Failed::new("claim", why))).ok()
}

fn judge_times(signed: &Map<String, Value>, expected: &Expected<'_>, failed: &mut Vec<Failed>) {
    let mut time = |name: &str| wrong(claims::time_s(signed, name), failed).flatten();
    let (issued, starts, ends) = (time("iat"), time("nbf"), time("exp"));
    let latest_s = expected.now_s + expected.skew_s;
    if issued.is_some_and(|it| it > latest_s) || starts.is_some_and(|it| it > latest_s) {
        failed.push(Failed::new("not_yet_valid", "the credential is not valid yet"));
    }
    if ends.is_some_and(|it| it <= expected.now_s - expected.skew_s) {
        failed.push(Failed::new("expired", "the credential has expired"));
    }
}

/// The issuer's signature, by a certificate in the header or by a configured key of its `iss`.
fn judge_issuer(jwt: Unverified<'_>, expected: &Expected<'_>, failed: &mut Vec<Failed>) -> Result<Option<Signer>, Unreadable> {
    let iss = jwt.unverified_claims().get("iss").and_then(Value::as_str).unwrap_or_default().to_owned();
    if jwt.alg() != Some(Algorithm::ES256) {
        failed.push(Failed::new("algorithm", "the issuer's signature is not ES256"));
        return Ok(None);
    }
    if let Some(header) = jwt.header().get("x5c") {
        let chain = issuer::x5c(header)?;
        let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
        let mut signed = issuer::judge_chain(expected.issuers, &chain, issuer::Signs::Credential, expected.now_s)?;
        failed.append(&mut signed.failed);
        if jwt.verify(&signed.key).is_err() {
            failed.push(Failed::new("issuer_signature", "the issuer's signature is wrong"));
        }
        return Ok(signed.issuer.map(|_| signed.signer));
    }
    let known = expected.issuers.iter().find(|it| !iss.is_empty() && it.name == iss && !it.keys.keys.is_empty());
    let Some(issuer) = known else {
        failed.push(Failed::new("issuer_unknown", "no certificate, and no configured keys for its iss"));
        return Ok(None);
    };
    if jwt.verify_with(&issuer.keys).is_err() {
        failed.push(Failed::new("issuer_signature", "no key of the issuer has made the signature"));
    }
    Ok(Some(Signer { issuer: issuer.name.clone(), authority: iss, authority_key_ids: Vec::new() }))
}

/// RFC 9901 7.1: puts the disclosures in the places of their digests. Each is used exactly once, and each digest stands once.
pub fn disclose(signed: &Map<String, Value>, disclosures: &[&str]) -> Result<Map<String, Value>, Failed> {
    let fail = |detail: &str| Failed::new("disclosure", detail);
    match signed.get("_sd_alg") {
        None => {}
        Some(Value::String(name)) if name == "sha-256" => {}
        Some(_) => return Err(fail("_sd_alg is not sha-256")),
    }
    let mut known = BTreeMap::new();
    for text in disclosures {
        let one = Disclosure::read(text).ok_or_else(|| fail("a disclosure is not an array of two or three"))?;
        if known.insert(base64url::encode(&sha256(text.as_bytes())), one).is_some() {
            return Err(fail("a disclosure is there twice"));
        }
    }
    let mut walk = Walk { known, digests: std::collections::BTreeSet::new() };
    let mut open = walk.object(signed, 0).map_err(fail)?;
    if walk.known.values().any(|it| !it.used) {
        return Err(fail("no digest refers to a disclosure"));
    }
    open.remove("_sd_alg");
    if ALWAYS_OPEN.iter().any(|name| open.contains_key(*name) && !signed.contains_key(*name)) {
        return Err(fail("a claim that is never disclosed selectively was"));
    }
    Ok(open)
}

impl Disclosure {
    /// RFC 9901 4.2: `[salt, name, value]` for a member, `[salt, value]` for an element.
    fn read(text: &str) -> Option<Self> {
        let Value::Array(mut parts) = parse_value(&base64url::decode(text)?)? else { return None };
        let value = parts.pop()?;
        match parts.as_slice() {
            [Value::String(_)] => Some(Self { name: None, value, used: false }),
            [Value::String(_), Value::String(name)] => Some(Self { name: Some(name.clone()), value, used: false }),
            _ => None,
        }
    }
}

struct Walk {
    known: BTreeMap<String, Disclosure>,
    digests: std::collections::BTreeSet<String>,
}

impl Walk {
    /// The disclosure of a digest, if it is there. A digest stands in one place.
    fn take(&mut self, digest: &Value) -> Result<Option<(Option<String>, Value)>, &'static str> {
        let Value::String(digest) = digest else { return Err("a digest is not a string") };
        if !self.digests.insert(digest.clone()) {
            return Err("a digest is there twice");
        }
        if self.digests.len() > MAX_DIGESTS {
            return Err("there are more than 4096 digests");
        }
        Ok(self.known.get_mut(digest).map(|disclosure| {
            disclosure.used = true;
            (disclosure.name.take(), disclosure.value.take())
        }))
    }

    fn object(&mut self, members: &Map<String, Value>, depth: usize) -> Result<Map<String, Value>, &'static str> {
        let mut open = Map::new();
        for (name, value) in members.iter().filter(|(name, _)| *name != "_sd") {
            if name == "..." {
                return Err("a member is called ...");
            }
            open.insert(name.clone(), self.value(value, depth)?);
        }
        let Some(digests) = members.get("_sd") else { return Ok(open) };
        for digest in digests.as_array().ok_or("_sd is not an array")? {
            let Some((name, value)) = self.take(digest)? else { continue };
            let name = name.ok_or("an element's disclosure stands for a member")?;
            if name == "_sd" || name == "..." {
                return Err("a disclosed claim has a forbidden name");
            }
            let value = self.value(&value, depth)?;
            if open.insert(name, value).is_some() {
                return Err("a disclosed claim is there already");
            }
        }
        Ok(open)
    }

    fn value(&mut self, value: &Value, depth: usize) -> Result<Value, &'static str> {
        if depth >= MAX_DEPTH {
            return Err("the claims are nested too deeply");
        }
        match value {
            Value::Object(members) => self.object(members, depth + 1).map(Value::Object),
            Value::Array(elements) => {
                let mut open = Vec::new();
                for element in elements {
                    let Some(digest) = element.get("...") else {
                        open.push(self.value(element, depth + 1)?);
                        continue;
                    };
                    if element.as_object().is_none_or(|it| it.len() != 1) {
                        return Err("a digest in an array has other members beside it");
                    }
                    match self.take(digest)? {
                        None => {}
                        Some((None, value)) => open.push(self.value(&value, depth + 1)?),
                        Some((Some(_), _)) => return Err("a member's disclosure stands for an element"),
                    }
                }
                Ok(Value::Array(open))
            }
            plain => Ok(plain.clone()),
        }
    }
}

struct Bound<'a> {
    binding: &'a Binding<'a>,
    expected: &'a Expected<'a>,
}

/// RFC 9901 7.3: the holder of the key in `cnf` has signed for this request.
fn judge_binding(signed: &Map<String, Value>, bound: &str, jwt: Option<&Unverified<'_>>, to: &Bound<'_>) -> Vec<Failed> {
    let fail = |name: &'static str, detail: &str| vec![Failed::new(name, detail)];
    let Some(jwt) = jwt else { return fail("holder_missing", "the presentation has no KB-JWT") };
    let jwk = signed.get("cnf").and_then(|it| it.get("jwk"));
    let Some(key) = jwk.and_then(|it| PublicKey::from_jwk(it).ok()) else {
        return fail("holder_key", "cnf has no jwk that can be used");
    };
    let is_its = jwt.typ() == Some("kb+jwt") && jwt.alg() == Some(Algorithm::ES256);
    let mut failed = Vec::new();
    if !is_its {
        failed.push(Failed::new("holder_typ", "the KB-JWT is not kb+jwt by ES256"));
    }
    if !jwt.is_signed_by(&key) {
        failed.push(Failed::new("holder_signature", "the KB-JWT is not signed by the holder's key"));
    }
    failed.extend(judge_kb_claims(jwt.unverified_claims(), bound, to));
    failed
}

fn judge_kb_claims(says: &Map<String, Value>, bound: &str, to: &Bound<'_>) -> Vec<Failed> {
    let (binding, expected) = (to.binding, to.expected);
    let mut failed = Vec::new();
    let text = |name: &str| says.get(name).and_then(Value::as_str).unwrap_or_default();
    // RFC 9901 4.3: one string.
    if text("aud") != binding.audience {
        failed.push(Failed::new("holder_audience", "the KB-JWT is for another verifier"));
    }
    if binding.nonce.is_empty() || !equal(text("nonce").as_bytes(), binding.nonce.as_bytes()) {
        failed.push(Failed::new("holder_nonce", "the KB-JWT has another nonce"));
    }
    let digest = base64url::encode(&sha256(bound.as_bytes()));
    if !equal(text("sd_hash").as_bytes(), digest.as_bytes()) {
        failed.push(Failed::new("holder_sd_hash", "the KB-JWT is for another set of disclosures"));
    }
    let time = |name: &str| claims::time_s(says, name);
    let window = expected.now_s - binding.max_age_s - expected.skew_s..=expected.now_s + expected.skew_s;
    let is_dated = time("iat").is_ok_and(|it| it.is_some_and(|at_s| window.contains(&at_s)));
    let has_begun = time("nbf").is_ok_and(|it| it.is_none_or(|at_s| at_s <= expected.now_s + expected.skew_s));
    let goes_on = time("exp").is_ok_and(|it| it.is_none_or(|at_s| at_s > expected.now_s - expected.skew_s));
    if !is_dated || !has_begun || !goes_on {
        failed.push(Failed::new("holder_time", "the KB-JWT is too old, or from the future"));
    }
    failed.extend(judge_transaction(says, binding.transaction_data));
    failed
}

/// Does this item of the request say which hashes it takes? What cannot be read says so, for nothing weaker follows from it.
fn offers_algorithms(item: &str) -> bool {
    let item = base64url::decode(item).and_then(|it| serde_json::from_slice::<Value>(&it).ok());
    item.is_none_or(|it| it.get("transaction_data_hashes_alg").is_some())
}

/// OpenID4VP 1.0, 8.4 and B.3.3.1: a hash of each item, over the string as it was sent, and none of anything else.
fn judge_transaction(says: &Map<String, Value>, items: &[&str]) -> Option<Failed> {
    let fail = |detail: &str| Some(Failed::new("transaction_data", detail));
    // "REQUIRED when this parameter was present" in the request. Else sha-256 is meant.
    match says.get("transaction_data_hashes_alg") {
        None if items.iter().any(|it| offers_algorithms(it)) => return fail("transaction_data_hashes_alg is missing, and was offered"),
        Some(alg) if alg != "sha-256" => return fail("transaction_data_hashes_alg is not sha-256"),
        None | Some(_) => {}
    }
    let hashes = match says.get("transaction_data_hashes") {
        None if items.is_empty() => return None,
        None => return fail("the transaction is not signed"),
        Some(hashes) => hashes.as_array(),
    };
    let expected: Vec<String> = items.iter().map(|it| base64url::encode(&sha256(it.as_bytes()))).collect();
    let Some(hashes) = hashes.filter(|it| it.len() == expected.len()) else { return fail("another number of transactions is signed") };
    if expected.iter().all(|one| hashes.iter().any(|it| it == one.as_str())) { None } else { fail("another transaction is signed") }
}
