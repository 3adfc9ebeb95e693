//! Play Integrity: what Google says about an app and its device. A classic token is opened here with the developer's own
//! keys; a standard token only Google opens, and its decoded payload (what is inside `tokenPayloadExternal`) goes to
//! [`judge`] just the same. Whoever reads that payload reads it with `jws::parse_object`: no doubled members.
//!
//! A verdict is no key and no proof of possession: it speaks for the one request that its nonce or hash names.

use crate::jwe::{self, JweError};
use crate::{Failed, Unreadable, Verdict};
use serde_json::{Map, Value, json};
use symbolon_oauth::base64url;
use symbolon_oauth::digest::equal;
use symbolon_oauth::jwk::{Algorithm, PublicKey};
use symbolon_oauth::jws::{JwsError, Unverified};
use x509_parser::prelude::*;

/// How far ahead of ours Google's clock may be.
pub const FUTURE_MS: i64 = 10_000;
/// The longest nonce or hash that Google takes has 500 bytes.
const MAX_TEXT: usize = 512;
const MAX_LIST: usize = 32;

/// The response encryption keys of an app, as Play Console gives them to a developer who manages them himself.
#[derive(Clone)]
pub struct Keys {
    pub decryption: [u8; 32],
    /// SubjectPublicKeyInfo in DER; P-256.
    pub verification_spki: Vec<u8>,
}

/// Never prints the decryption key.
impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

/// Why a token was not opened. For the audit: the app is told that it was refused and no more (284-N).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unopened {
    /// No token at all, or one that is too large.
    Unreadable(Unreadable),
    /// A header, outer or inner, asks for something else than A256KW, A256GCM and ES256.
    Algorithm,
    /// The decryption key is another, or the token was changed: where an app has several keys, the next one may fit.
    Decryption,
    /// It was decrypted, and the signature is by another key.
    Signature,
    /// Our own verification key is no P-256 key.
    Key,
}

impl Unopened {
    /// Stable, as the names of rules are.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "token",
            Self::Algorithm => "token_algorithm",
            Self::Decryption => "token_decryption",
            Self::Signature => "token_signature",
            Self::Key => "token_key",
        }
    }
}

impl std::fmt::Display for Unopened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unreadable(why) => why.0,
            Self::Algorithm => "the token is not made with A256KW, A256GCM and ES256",
            Self::Decryption => "the token was encrypted to another key or changed",
            Self::Signature => "the token was signed by another key",
            Self::Key => "the verification key configured is not a P-256 key",
        })
    }
}
impl std::error::Error for Unopened {}

impl From<Unopened> for Failed {
    fn from(unopened: Unopened) -> Self {
        Self::new(unopened.name(), unopened.to_string())
    }
}

/// Decrypts and verifies a classic token: JWE, then JWS. Answers the verdict's JSON, which is not judged yet.
pub fn open(token: &str, keys: &Keys) -> Result<Value, Unopened> {
    let key = public_key(&keys.verification_spki).ok_or(Unopened::Key)?;
    let signed = jwe::open(token, &keys.decryption).map_err(|error| match error {
        JweError::Malformed => Unopened::Unreadable(Unreadable("the token is not a compact JWE of at most 24 KiB")),
        JweError::UnsupportedHeader => Unopened::Algorithm,
        JweError::Undecipherable => Unopened::Decryption,
    })?;
    let malformed = || Unopened::Unreadable(Unreadable("what was encrypted is not a compact JWS of at most 16 KiB"));
    let signed = std::str::from_utf8(&signed).map_err(|_| malformed())?;
    let unverified = Unverified::parse(signed).map_err(|error| match error {
        JwsError::UnsupportedHeader => Unopened::Algorithm,
        JwsError::Malformed | JwsError::NoKey | JwsError::BadSignature => malformed(),
    })?;
    // The verification key is public: with HS256 anybody could sign with it.
    if unverified.alg() != Some(Algorithm::ES256) {
        return Err(Unopened::Algorithm);
    }
    unverified.verify(&key).map(Value::Object).map_err(|_| Unopened::Signature)
}

fn public_key(spki: &[u8]) -> Option<PublicKey> {
    let (_, spki) = SubjectPublicKeyInfo::from_der(spki).ok().filter(|(rest, _)| rest.is_empty())?;
    let curve = spki.algorithm.parameters.as_ref()?.as_oid().ok()?.to_id_string();
    if spki.algorithm.algorithm.to_id_string() != "1.2.840.10045.2.1" || curve != "1.2.840.10045.3.1.7" {
        return None;
    }
    let point: &[u8; 65] = spki.subject_public_key.data.as_ref().try_into().ok()?;
    let (form, x_and_y) = point.split_first()?;
    let (x, y) = x_and_y.split_at(32);
    let jwk = json!({ "kty": "EC", "crv": "P-256", "x": base64url::encode(x), "y": base64url::encode(y) });
    PublicKey::from_jwk(&jwk).ok().filter(|_| *form == 4)
}

/// What ties a verdict to one request. The server derives it anew and never takes it from the request that brings the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding<'a> {
    /// Of a standard request; verbatim.
    RequestHash(&'a str),
    /// Of a classic request; base64url, with or without padding.
    Nonce(&'a str),
}

/// What a device meets. Each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceLevel {
    Basic,
    Device,
    /// Where `sdk_version` is under 33 this says nothing about security patches.
    Strong,
}

impl DeviceLevel {
    /// `MEETS_VIRTUAL_INTEGRITY` is an emulator and counts for nothing, as does a label that is not known.
    fn of(label: &str) -> Option<Self> {
        match label {
            "MEETS_BASIC_INTEGRITY" => Some(Self::Basic),
            "MEETS_DEVICE_INTEGRITY" => Some(Self::Device),
            "MEETS_STRONG_INTEGRITY" => Some(Self::Strong),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppRecognition {
    Recognized,
    UnrecognizedVersion,
    /// Google did not look; trying again may help.
    Unevaluated,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Licensing {
    Licensed,
    Unlicensed,
    Unevaluated,
}

#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    pub packages: &'a [&'a str],
    pub binding: Binding<'a>,
    /// SHA-256 of the signing certificates, base64url. Every one the app is signed with has to be among them; none listed,
    /// none accepted.
    pub signing_digests: &'a [&'a str],
    pub minimum_version_code: Option<i64>,
    pub now_ms: i64,
    pub max_age_ms: i64,
    /// The least that is acceptable.
    pub device: DeviceLevel,
    pub require_licensed: bool,
    /// For builds that Play never saw; name and certificate still have to fit.
    pub allow_unrecognized_version: bool,
}

/// What the verdict says, as far as it could be read: absent, empty and wrongly typed members are `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// `appIntegrity.packageName`: the app that asked, as Google knows it.
    pub package: Option<String>,
    /// `requestDetails.requestPackageName`: what the request said.
    pub request_package: Option<String>,
    pub request_hash: Option<String>,
    pub nonce: Option<String>,
    pub timestamp_ms: Option<i64>,
    pub app_recognition: Option<AppRecognition>,
    /// As Google spelled them.
    pub certificate_digests: Vec<String>,
    pub version_code: Option<i64>,
    /// Every label, also those that count for nothing.
    pub device: Vec<String>,
    pub device_level: Option<DeviceLevel>,
    pub licensing: Option<Licensing>,
    /// `playProtectVerdict`, as Google spelled it: compare with what you accept, not with what you refuse.
    pub play_protect: Option<String>,
    /// `appsDetected`; `None` where Google did not look.
    pub app_access_risk: Option<Vec<String>>,
    pub recent_activity: Option<String>,
    pub sdk_version: Option<i64>,
}

/// Judges a verdict's payload: every rule that failed, and what it says. 282-N: a payload without members fails all of them.
pub fn judge(verdict: &Value, expected: &Expected<'_>) -> Result<Verdict<Facts>, Unreadable> {
    let verdict = verdict.as_object().ok_or(Unreadable("a verdict is a JSON object"))?;
    let facts = read(verdict);
    let mut failed = Vec::new();
    let mut rule = |name: &'static str, broken: Option<&'static str>| failed.extend(broken.map(|it| Failed::new(name, it)));
    let request = verdict.get("requestDetails").and_then(Value::as_object);
    rule("request_package", request_package(&facts, expected));
    rule("binding", binding(request, &facts, expected.binding));
    let (age, future) = time(&facts, expected);
    rule("age", age);
    rule("future", future);
    rule("app_recognition", app_recognition(&facts, expected));
    rule("package", package(&facts, expected));
    rule("certificate", certificate(&facts, expected));
    rule("version", version(&facts, expected));
    rule("device", device(&facts, expected));
    rule("licensing", licensing(&facts, expected));
    rule("testing", testing(verdict.get("testingDetails")));
    Ok(Verdict { facts, failed })
}

fn request_package(facts: &Facts, expected: &Expected<'_>) -> Option<&'static str> {
    match facts.request_package.as_deref() {
        None => Some("the verdict names no package that asked"),
        Some(package) if !expected.packages.contains(&package) => Some("another package asked for the verdict"),
        Some(_) => None,
    }
}

/// 250-N: a verdict for another request is worth nothing here, however good it is.
fn binding(request: Option<&Map<String, Value>>, facts: &Facts, expected: Binding<'_>) -> Option<&'static str> {
    let (other, found, wanted) = match expected {
        Binding::RequestHash(hash) => ("nonce", facts.request_hash.as_deref(), hash),
        Binding::Nonce(nonce) => ("requestHash", facts.nonce.as_deref().map(|it| it.trim_end_matches('=')), nonce.trim_end_matches('=')),
    };
    if request.is_some_and(|it| it.contains_key(other)) {
        return Some("the verdict is of the other kind of request");
    }
    match found {
        None => Some("the verdict is bound to no request"),
        // Two values that are both nothing are no match.
        Some(found) if wanted.is_empty() || !equal(found.as_bytes(), wanted.as_bytes()) => Some("the verdict is bound to another request"),
        Some(_) => None,
    }
}

fn time(facts: &Facts, expected: &Expected<'_>) -> (Option<&'static str>, Option<&'static str>) {
    let Some(at_ms) = facts.timestamp_ms else { return (Some("the verdict does not say when it was made"), None) };
    let age_ms = expected.now_ms.saturating_sub(at_ms);
    let old = age_ms > expected.max_age_ms;
    (old.then_some("the verdict is too old"), (age_ms < -FUTURE_MS).then_some("the verdict is from the future"))
}

fn app_recognition(facts: &Facts, expected: &Expected<'_>) -> Option<&'static str> {
    match facts.app_recognition {
        Some(AppRecognition::Recognized) => None,
        Some(AppRecognition::UnrecognizedVersion) if expected.allow_unrecognized_version => None,
        Some(AppRecognition::UnrecognizedVersion) => Some("Play does not know this build"),
        Some(AppRecognition::Unevaluated) => Some("the app was not evaluated"),
        None => Some("the verdict says nothing we know about the app"),
    }
}

/// The app as Google knows it. The package in `requestDetails` is only what the request claimed.
fn package(facts: &Facts, expected: &Expected<'_>) -> Option<&'static str> {
    match facts.package.as_deref() {
        None => Some("the verdict names no app"),
        Some(package) if !expected.packages.contains(&package) => Some("the verdict is about another app"),
        Some(package) if facts.request_package.as_deref().is_some_and(|it| it != package) => Some("one package asked, another runs"),
        Some(_) => None,
    }
}

/// 260-N: the whole set, as for a hardware attestation.
fn certificate(facts: &Facts, expected: &Expected<'_>) -> Option<&'static str> {
    let accepted: Vec<[u8; 32]> = expected.signing_digests.iter().filter_map(|it| digest(it)).collect();
    if accepted.is_empty() {
        return Some("no signing certificate is accepted");
    }
    if facts.certificate_digests.is_empty() {
        return Some("the verdict names no signing certificate");
    }
    let fits = facts.certificate_digests.iter().all(|text| digest(text).is_some_and(|it| accepted.contains(&it)));
    (!fits).then_some("the app is signed with another certificate")
}

fn version(facts: &Facts, expected: &Expected<'_>) -> Option<&'static str> {
    let minimum = expected.minimum_version_code?;
    match facts.version_code {
        None => Some("the verdict names no version"),
        Some(version) if version < minimum => Some("the app's version is too old"),
        Some(_) => None,
    }
}

fn device(facts: &Facts, expected: &Expected<'_>) -> Option<&'static str> {
    match facts.device_level {
        None => Some("the device meets nothing"),
        Some(level) if level < expected.device => Some("the device meets less than is asked for"),
        Some(_) => None,
    }
}

fn licensing(facts: &Facts, expected: &Expected<'_>) -> Option<&'static str> {
    if !expected.require_licensed {
        return None;
    }
    match facts.licensing {
        Some(Licensing::Licensed) => None,
        Some(Licensing::Unlicensed) => Some("the account has no licence for the app"),
        Some(Licensing::Unevaluated) => Some("the licence was not evaluated"),
        None => Some("the verdict says nothing we know about a licence"),
    }
}

/// Answers that Play Console makes up for testers say what the tester chose.
fn testing(details: Option<&Value>) -> Option<&'static str> {
    let genuine = match details {
        None => true,
        Some(Value::Object(members)) => members.get("isTestingResponse").is_none_or(|it| *it == Value::Bool(false)),
        Some(_) => false,
    };
    (!genuine).then_some("the verdict was made up for a test")
}

fn read(verdict: &Map<String, Value>) -> Facts {
    let member = |of: &str, name: &str| verdict.get(of).and_then(|it| it.get(name));
    let inner = |of: &str, name: &str, last: &str| member(of, name).and_then(|it| it.get(last));
    let device = list(member("deviceIntegrity", "deviceRecognitionVerdict")).unwrap_or_default();
    Facts {
        package: text(member("appIntegrity", "packageName")),
        request_package: text(member("requestDetails", "requestPackageName")),
        request_hash: text(member("requestDetails", "requestHash")),
        nonce: text(member("requestDetails", "nonce")),
        timestamp_ms: decimal(member("requestDetails", "timestampMillis")),
        app_recognition: match member("appIntegrity", "appRecognitionVerdict").and_then(Value::as_str) {
            Some("PLAY_RECOGNIZED") => Some(AppRecognition::Recognized),
            Some("UNRECOGNIZED_VERSION") => Some(AppRecognition::UnrecognizedVersion),
            Some("UNEVALUATED") => Some(AppRecognition::Unevaluated),
            _ => None,
        },
        certificate_digests: list(member("appIntegrity", "certificateSha256Digest")).unwrap_or_default(),
        version_code: decimal(member("appIntegrity", "versionCode")),
        device_level: device.iter().filter_map(|it| DeviceLevel::of(it)).max(),
        device,
        licensing: match member("accountDetails", "appLicensingVerdict").and_then(Value::as_str) {
            Some("LICENSED") => Some(Licensing::Licensed),
            Some("UNLICENSED") => Some(Licensing::Unlicensed),
            Some("UNEVALUATED") => Some(Licensing::Unevaluated),
            _ => None,
        },
        play_protect: text(member("environmentDetails", "playProtectVerdict")),
        app_access_risk: list(inner("environmentDetails", "appAccessRiskVerdict", "appsDetected")),
        recent_activity: text(inner("deviceIntegrity", "recentDeviceActivity", "deviceActivityLevel")),
        sdk_version: inner("deviceIntegrity", "deviceAttributes", "sdkVersion").and_then(Value::as_i64),
    }
}

fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).filter(|it| (1..=MAX_TEXT).contains(&it.len())).map(str::to_owned)
}

/// A list of texts. With another value in it, it is no list at all.
fn list(value: Option<&Value>) -> Option<Vec<String>> {
    let all = value.and_then(Value::as_array).filter(|it| it.len() <= MAX_LIST)?;
    all.iter().map(|it| text(Some(it))).collect()
}

/// int64 as protobuf's JSON writes it: a string of digits. No sign, no blank, no leading zero, no exponent (208-J).
fn decimal(value: Option<&Value>) -> Option<i64> {
    let digits = value.and_then(Value::as_str)?;
    let canonical = digits.bytes().all(|it| it.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    digits.parse().ok().filter(|_| canonical)
}

/// A digest as Google writes it, in base64url. Padding varies; the length does not.
pub fn digest(text: &str) -> Option<[u8; 32]> {
    base64url::decode(text.strip_suffix('=').unwrap_or(text))?.try_into().ok()
}
