//! Android Key Attestation: a chain whose leaf is the attested key, with a description that the phone's secure hardware signed.
//! "Key and ID attestation", source.android.com, description versions 1 to 500; newer ones are read as 500. Only what is in the
//! hardware-enforced list counts as a fact about the hardware. Of ID attestation only maker
//! and model are read, for people. Left out: keys of a post-quantum kind, device-unique attestation.

mod description;
mod patch;
mod policy;
mod shape;

pub use self::description::NEWEST_VERSION;
pub use self::patch::patch_month;
pub use self::policy::{BIOMETRIC, PASSWORD, Person, Policy, Properties};
pub use self::shape::Provisioning;
pub use crate::status_list::Status;

use self::shape::Shape;
use crate::x509::{Chain, Dates, carries, extension};
use crate::{Failed, MAX_BYTES, Unreadable, Verdict, status_list};
use x509_parser::prelude::X509Certificate;

/// Subject public key (RSA 4096) of Google's hardware attestation root: the same key in the certificates of 2016, 2019, 2021 and
/// 2022. From <https://developer.android.com/privacy-and-security/security-key-attestation#root_certificate>.
pub const GOOGLE_ROOT_RSA: &[u8] = include_bytes!("google_root_rsa.spki");
/// Subject public key (P-384) of the root of 2025, "Key Attestation CA1". From the same page.
pub const GOOGLE_ROOT_P384: &[u8] = include_bytes!("google_root_p384.spki");

const DESCRIPTION: &str = "1.3.6.1.4.1.11129.2.1.17";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Software,
    TrustedEnvironment,
    StrongBox,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootState {
    Verified,
    /// Signed by the owner's own key: a system other than the maker's.
    SelfSigned,
    Unverified,
    Failed,
}

/// The app that made the key. The system says which it was.
#[derive(Debug, Clone, Copy)]
pub struct App<'a> {
    pub packages: &'a [&'a str],
    /// SHA-256 of the certificates the app may be signed with.
    pub signing_digests: &'a [[u8; 32]],
}

/// What the evidence should be about.
pub struct Expected<'a> {
    pub challenge: &'a [u8],
    /// Absent: which app it was is not judged.
    pub app: Option<App<'a>>,
    /// Trusted roots: SubjectPublicKeyInfo in DER.
    pub roots: &'a [&'a [u8]],
    /// Seconds since the epoch.
    pub now_s: i64,
    /// The maker's status list: the serial in lower-case hexadecimal without leading zeros. `StatusList::at` answers it, and
    /// `Some(Status::Stale)` where there is no list.
    pub status: &'a dyn Fn(&str) -> Option<Status>,
    /// Boot keys of other systems than the maker's that are accepted.
    pub own_boot_keys: &'a [[u8; 32]],
    /// The key may sign and nothing else: a key that attests other keys is refused.
    pub sign_only: bool,
    /// Refuse descriptions that are not DER in the documented order, as some genuine hardware writes them, and newer versions.
    pub strict: bool,
    pub policy: Policy,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// attestationVersion and keyMintVersion.
    pub version: i64,
    pub keymint_version: i64,
    /// One of the two is above [`NEWEST_VERSION`]: the description was read as the newest known.
    pub newer_version: bool,
    pub attestation_level: Option<Level>,
    pub key_level: Option<Level>,
    /// The level that counts: the lower of the two, and StrongBox only where a certificate of the maker's names one.
    pub level: Option<Level>,
    /// SubjectPublicKeyInfo of the attested key.
    pub public_key: Vec<u8>,
    pub challenge: Vec<u8>,
    pub boot_state: Option<BootState>,
    pub boot_key: Vec<u8>,
    pub locked: Option<bool>,
    /// Truth values are DER, and the lists ascend as documented.
    pub canonical: bool,
    /// 3 is EC; of EC keys the curve (1 is P-256), in bits the size, and the digests it signs (4 is SHA-256).
    pub algorithm: Option<i64>,
    pub curve: Option<i64>,
    pub key_size: Option<i64>,
    pub digests: Vec<i64>,
    /// ID attestation: who made the phone, and its model, where the app asked for them.
    pub manufacturer: Option<String>,
    pub model: Option<String>,
    pub os_version: Option<i64>,
    /// `YYYYMM`, all three; `None` where the number is no month of the past or the near future.
    pub os_patch: Option<i64>,
    pub vendor_patch: Option<i64>,
    pub boot_patch: Option<i64>,
    /// The serial of every certificate, leaf first, as the status list spells it.
    pub serials: Vec<String>,
    pub packages: Vec<String>,
    /// versionCode of the app, where one app alone made the key.
    pub app_version: Option<i64>,
    pub signing_digests: Vec<Vec<u8>>,
    /// The hardware made the key itself; it was not imported.
    pub generated: Option<bool>,
    pub purposes: Vec<i64>,
    /// Usable without the person.
    pub no_auth_required: bool,
    /// The ways in which the hardware recognises the person, as in [`Person`].
    pub user_auth_type: Option<i64>,
    /// Seconds; absent where the person is recognised for each use.
    pub auth_timeout_s: Option<i64>,
    pub unlocked_device_required: bool,
    /// Certified over the air, with short-lived certificates: the chain has that shape.
    pub remotely_provisioned: bool,
}

const SIGN: i64 = 2;
const VERIFY: i64 = 3;

/// Judges a chain in DER, leaf first.
pub fn judge(chain: &[&[u8]], expected: &Expected<'_>) -> Result<Verdict<Facts>, Unreadable> {
    if chain.iter().map(|it| it.len()).sum::<usize>() > MAX_BYTES {
        return Err(Unreadable("the chain is larger than 64 KiB"));
    }
    let chain = Chain::parse(chain)?;
    let shape = Shape::of(below_root(&chain, expected.roots));
    let dates = dates(shape.as_ref(), expected.now_s);
    let mut failed = chain.judge_from(expected.roots, dates, shape.as_ref().map_or(1, Shape::first_ca));
    if shape.is_none() {
        failed.push(Failed::new("chain_shape", "the chain has neither the shape of a factory's nor that of remote provisioning"));
    }
    let serials: Vec<String> = chain.certificates.iter().map(|it| status_list::serial(it.raw_serial())).collect();
    failed.extend(status_list::failed(serials.iter().map(String::as_str), expected.status));
    // Where several certificates describe a key, a software key has extended a genuine chain: only the leaf may.
    let described: Vec<usize> =
        chain.certificates.iter().enumerate().filter(|(_, it)| carries(it, DESCRIPTION)).map(|(at, _)| at).collect();
    if described.iter().any(|at| *at != 0) {
        failed.push(Failed::new("extension_place", format!("certificates {described:?} describe a key; only the leaf may")));
    }
    let mut facts = Facts { public_key: chain.leaf().public_key().raw.to_vec(), serials, ..Facts::default() };
    match extension(chain.leaf(), DESCRIPTION) {
        Some(value) => {
            description::read(value, &mut facts)?;
            weigh(&mut facts, shape.as_ref(), expected.now_s);
            rules(&facts, expected, &mut failed);
            failed.extend(provisioned_level(&facts, shape.as_ref()));
            failed.extend(expected.policy.failed(&facts.properties(), expected.now_s));
        }
        None => failed.push(Failed::new("extension", "the leaf does not describe its key")),
    }
    Ok(Verdict { facts, failed })
}

/// The certificates below the root, which may end the chain, also more than once, or be left out of it.
fn below_root<'a, 'b>(chain: &'a Chain<'b>, roots: &[&[u8]]) -> &'a [X509Certificate<'b>] {
    let is_root = |it: &X509Certificate<'_>| roots.contains(&it.public_key().raw);
    let roots_behind = chain.certificates.iter().rev().take_while(|it| is_root(it)).count();
    &chain.certificates[..chain.certificates.len() - roots_behind]
}

/// What the factory put in does not expire, by Google's rule: the status list ends it. What was certified over the air is short-lived on
/// purpose (266-N).
fn dates(shape: Option<&Shape>, now_s: i64) -> Dates {
    match shape.map(|it| it.provisioning) {
        Some(Provisioning::Factory) => Dates::BetweenFrom(now_s),
        Some(Provisioning::Remote) | None => Dates::Between(now_s),
    }
}

/// What counts of what the description says.
fn weigh(facts: &mut Facts, shape: Option<&Shape>, now_s: i64) {
    facts.remotely_provisioned = shape.is_some_and(|it| it.provisioning == Provisioning::Remote);
    let highest = if shape.is_some_and(|it| it.names_strongbox) { Level::StrongBox } else { Level::TrustedEnvironment };
    facts.level = facts.attestation_level.zip(facts.key_level).map(|(attestation, key)| attestation.min(key).min(highest));
    facts.os_patch = facts.os_patch.and_then(|it| patch_month(it, now_s));
    facts.vendor_patch = facts.vendor_patch.and_then(|it| patch_month(patch::without_day(it), now_s));
    facts.boot_patch = facts.boot_patch.and_then(|it| patch_month(patch::without_day(it), now_s));
}

/// 255-N: Google's certificate names the hardware that it provisioned, and the key of other hardware has another.
fn provisioned_level(facts: &Facts, shape: Option<&Shape>) -> Option<Failed> {
    let remote = shape.filter(|it| it.provisioning == Provisioning::Remote)?;
    let detail = "the attesting key was provisioned to other hardware than it speaks for";
    (remote.attester != facts.attestation_level).then(|| Failed::new("provisioned_level", detail))
}

fn rules(facts: &Facts, expected: &Expected<'_>, failed: &mut Vec<Failed>) {
    let mut rule = |holds: bool, name: &'static str, detail: String| {
        if !holds {
            failed.push(Failed::new(name, detail));
        }
    };
    let is_known = facts.version >= 1 && facts.keymint_version >= 0 && !(expected.strict && facts.newer_version);
    let versions = format!("the description has version {}, the interface {}", facts.version, facts.keymint_version);
    rule(is_known, "description_version", versions);
    let in_hardware = |level: Option<Level>| level.is_some_and(|it| it >= Level::TrustedEnvironment);
    rule(in_hardware(facts.attestation_level), "attestation_level", format!("the attestation is by {:?}", facts.attestation_level));
    rule(in_hardware(facts.key_level), "key_level", format!("the key is kept by {:?}", facts.key_level));
    rule(facts.attestation_level == facts.key_level, "levels_differ", "key and attestation are of different hardware".to_owned());
    rule(facts.challenge == expected.challenge, "challenge", "the attestation answers another challenge".to_owned());
    rule(facts.generated == Some(true), "origin", "the key was not made in this hardware".to_owned());
    rule(
        !expected.sign_only || (facts.purposes.contains(&SIGN) && facts.purposes.iter().all(|it| [SIGN, VERIFY].contains(it))),
        "purpose",
        format!("the key is for {:?}", facts.purposes),
    );
    let own = expected.own_boot_keys.iter().any(|it| it[..] == facts.boot_key[..]);
    let boots = match facts.boot_state {
        Some(BootState::Verified) => true,
        Some(BootState::SelfSigned) => own,
        _ => false,
    };
    rule(boots, "boot_state", format!("the system that booted is {:?}", facts.boot_state));
    rule(facts.locked == Some(true), "unlocked", "the boot loader is unlocked, or does not say".to_owned());
    rule(facts.canonical || !expected.strict, "encoding", "a truth value or the order of a list is not as DER wants it".to_owned());
    if let Some(app) = &expected.app {
        let package = facts.packages.len() == 1 && facts.packages.iter().all(|it| app.packages.contains(&it.as_str()));
        rule(package, "package", format!("the key was made by {:?}", facts.packages));
        let known = |it: &Vec<u8>| app.signing_digests.iter().any(|wanted| wanted[..] == it[..]);
        rule(
            !facts.signing_digests.is_empty() && facts.signing_digests.iter().all(known),
            "signer",
            "the app is signed by somebody else".to_owned(),
        );
    }
}
