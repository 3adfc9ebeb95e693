//! Android Key Attestation: a chain whose leaf is the attested key, with a description that the phone's secure hardware signed.
//! "Key and ID attestation", source.android.com, description versions 1 to 500. Only what is in the hardware-enforced list counts as a
//! fact about the hardware. Left out: keys of a post-quantum kind, ID attestation, device-unique attestation.

use crate::der::{CONSTRUCTED, CONTEXT, Reader};
pub use crate::status_list::Status;
use crate::x509::{Chain, Dates, carries, extension};
use crate::{Failed, MAX_BYTES, Unreadable, Verdict, status_list};
use x509_parser::oid_registry::OID_X509_SERIALNUMBER;
use x509_parser::prelude::*;

/// Subject public key (RSA 4096) of Google's hardware attestation root: the same key in the certificates of 2016, 2019, 2021 and
/// 2022. From <https://developer.android.com/privacy-and-security/security-key-attestation#root_certificate>.
pub const GOOGLE_ROOT_RSA: &[u8] = include_bytes!("google_root_rsa.spki");
/// Subject public key (P-384) of the root of 2025, "Key Attestation CA1". From the same page.
pub const GOOGLE_ROOT_P384: &[u8] = include_bytes!("google_root_p384.spki");

const DESCRIPTION: &str = "1.3.6.1.4.1.11129.2.1.17";
const PROVISIONING: &str = "1.3.6.1.4.1.11129.2.1.30";

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

/// The app that made the key, as the system says.
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
    /// Boot keys of systems of the owner's own that are welcome all the same.
    pub own_boot_keys: &'a [[u8; 32]],
    pub least_level: Level,
    /// The key is to sign for the app, and for nothing else: a key that attests others is none.
    pub sign_only: bool,
    /// Refuse what some hardware writes otherwise than DER and the documented order want it.
    pub strict: bool,
    /// Absent: the key may be used without the person.
    pub person: Option<Person>,
    /// The attesting key must have been provisioned over the air, and not by the factory.
    pub remotely_provisioned: bool,
    /// `YYYYMM`; absent: any patch level.
    pub least_patch: Option<i64>,
}

/// How the hardware has to recognise the person before the key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person {
    /// `BIOMETRIC`, `PASSWORD` (the phone's own), or both; the key may not take another way than these.
    pub ways: i64,
    /// For how many seconds after that it may sign; 0: once each time.
    pub for_s: i64,
}

impl Person {
    /// Does the hardware itself ask for the person, in one of these ways, often enough? Both as [`Facts`] have them.
    pub fn is_asked_for(&self, user_auth_type: Option<i64>, auth_timeout_s: Option<i64>) -> bool {
        let ways = user_auth_type.is_some_and(|it| it & self.ways != 0 && it & !self.ways == 0);
        ways && (0..=self.for_s).contains(&auth_timeout_s.unwrap_or(0))
    }
}

/// HardwareAuthenticatorType: bits.
pub const PASSWORD: i64 = 1;
pub const BIOMETRIC: i64 = 2;

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    pub version: i64,
    pub attestation_level: Option<Level>,
    pub key_level: Option<Level>,
    /// SubjectPublicKeyInfo of the attested key.
    pub public_key: Vec<u8>,
    pub challenge: Vec<u8>,
    pub boot_state: Option<BootState>,
    pub boot_key: Vec<u8>,
    pub locked: Option<bool>,
    /// Truth values and the order of the lists are as DER and the documentation want them.
    pub canonical: bool,
    /// 3 is EC; of EC keys the curve (1 is P-256), in bits the size, and the digests it signs (4 is SHA-256).
    pub algorithm: Option<i64>,
    pub curve: Option<i64>,
    pub key_size: Option<i64>,
    pub digests: Vec<i64>,
    pub os_version: Option<i64>,
    pub os_patch: Option<i64>,
    pub vendor_patch: Option<i64>,
    pub boot_patch: Option<i64>,
    /// Of every certificate, leaf first, as the status list spells them.
    pub serials: Vec<String>,
    pub packages: Vec<String>,
    /// versionCode of the app, where one app alone made the key.
    pub app_version: Option<i64>,
    pub signing_digests: Vec<Vec<u8>>,
    /// Made in this hardware, and not put there.
    pub generated: Option<bool>,
    pub purposes: Vec<i64>,
    /// Usable without the person.
    pub no_auth_required: bool,
    /// The ways in which the hardware recognises the person, as in [`Person`].
    pub user_auth_type: Option<i64>,
    /// Seconds; absent where the person is recognised for each use.
    pub auth_timeout_s: Option<i64>,
    pub unlocked_device_required: bool,
    /// Provisioned over the air, with short-lived certificates.
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
    let dates = if is_of_the_factory(&chain) { Dates::BetweenFrom(expected.now_s) } else { Dates::Between(expected.now_s) };
    let mut failed = chain.judge(expected.roots, dates);
    let serials: Vec<String> = chain.certificates.iter().map(|it| status_list::serial(it.raw_serial())).collect();
    failed.extend(status_list::failed(serials.iter().map(String::as_str), expected.status));
    // Where several certificates describe a key, a software key has extended a genuine chain: only the leaf may.
    let places: Vec<usize> = chain.certificates.iter().enumerate().filter(|(_, it)| carries(it, DESCRIPTION)).map(|(at, _)| at).collect();
    if places.iter().any(|at| *at != 0) {
        failed.push(Failed::new("extension_place", format!("certificates {places:?} describe a key; only the leaf may")));
    }
    let mut facts = Facts { public_key: chain.leaf().public_key().raw.to_vec(), serials, ..Facts::default() };
    let attester = chain.certificates.get(1).filter(|it| extension(it, PROVISIONING).is_some());
    facts.remotely_provisioned = attester.is_some();
    match extension(chain.leaf(), DESCRIPTION) {
        Some(value) => {
            read(value, &mut facts)?;
            rules(&facts, expected, &mut failed);
            // 255-N: which hardware it was provisioned to, Google says in the name.
            if attester.is_some_and(|it| provisioned(it) != facts.attestation_level) {
                failed.push(Failed::new("provisioned_level", "the attesting key was provisioned to other hardware than it speaks for"));
            }
        }
        None => failed.push(Failed::new("extension", "the leaf does not describe its key")),
    }
    Ok(Verdict { facts, failed })
}

/// Certificates that the factory put in name a batch of devices by its number; by Google's rule they do not expire, and the
/// status list is what ends them. Remotely provisioned ones are short-lived on purpose (266-N), as is all that is neither.
fn is_of_the_factory(chain: &Chain<'_>) -> bool {
    let mut between = chain.certificates.iter().skip(1).filter(|it| it.subject().as_raw() != it.issuer().as_raw()).peekable();
    between.peek().is_some() && between.all(|it| it.subject().iter_by_oid(&OID_X509_SERIALNUMBER).next().is_some())
}

/// O=TEE or O=StrongBox, once.
fn provisioned(certificate: &X509Certificate<'_>) -> Option<Level> {
    let mut names = certificate.subject().iter_organization();
    match (names.next()?.as_str().ok()?, names.next()) {
        ("TEE", None) => Some(Level::TrustedEnvironment),
        ("StrongBox", None) => Some(Level::StrongBox),
        _ => None,
    }
}

fn rules(facts: &Facts, expected: &Expected<'_>, failed: &mut Vec<Failed>) {
    let mut rule = |holds: bool, name: &'static str, detail: String| {
        if !holds {
            failed.push(Failed::new(name, detail));
        }
    };
    rule((1..=500).contains(&facts.version), "version", format!("the description has version {}", facts.version));
    let enough = |it: Option<Level>| it.is_some_and(|it| it >= expected.least_level);
    rule(enough(facts.attestation_level), "attestation_level", format!("the attestation is by {:?}", facts.attestation_level));
    rule(enough(facts.key_level), "key_level", format!("the key is kept by {:?}", facts.key_level));
    rule(facts.attestation_level == facts.key_level, "levels_differ", "key and attestation are of different hardware".to_owned());
    rule(facts.challenge == expected.challenge, "challenge", "it answers another challenge".to_owned());
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
    rule(
        facts.remotely_provisioned || !expected.remotely_provisioned,
        "provisioning",
        "the factory provisioned the attesting key".to_owned(),
    );
    if let Some(person) = &expected.person {
        let asks = !facts.no_auth_required && person.is_asked_for(facts.user_auth_type, facts.auth_timeout_s);
        rule(asks, "user_auth", format!("the key is usable in the ways {:?}", facts.user_auth_type));
    }
    if let Some(least) = expected.least_patch {
        rule(facts.os_patch.is_some_and(|it| it >= least), "patch", format!("the patch level is {:?}", facts.os_patch));
    }
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

fn level(number: i64) -> Option<Level> {
    match number {
        0 => Some(Level::Software),
        1 => Some(Level::TrustedEnvironment),
        2 => Some(Level::StrongBox),
        _ => None,
    }
}

/// KeyDescription.
fn read(value: &[u8], facts: &mut Facts) -> Result<(), Unreadable> {
    let mut outer = Reader::new(value);
    let mut it = outer.sequence()?;
    outer.end()?;
    facts.version = it.integer()?;
    facts.attestation_level = level(it.enumerated()?);
    it.integer()?;
    facts.key_level = level(it.enumerated()?);
    facts.challenge = it.octets()?.to_vec();
    it.octets()?;
    let (software, hardware) = (it.sequence()?, it.sequence()?);
    it.end()?;
    facts.canonical = true;
    let ordered = list(software, &mut |number, content| software_says(number, content, facts))?;
    let all_ordered = list(hardware, &mut |number, content| hardware_says(number, content, facts))? && ordered;
    facts.canonical &= all_ordered;
    Ok(())
}

/// AuthorizationList: explicit context tags, unknown ones skipped, none twice. They should ascend, and makers differ: does this one?
fn list<'a>(mut reader: Reader<'a>, says: &mut dyn FnMut(u32, Reader<'a>) -> Result<(), Unreadable>) -> Result<bool, Unreadable> {
    let mut seen = Vec::new();
    while !reader.is_empty() {
        let value = reader.value()?;
        if value.kind != CONTEXT | CONSTRUCTED || seen.contains(&value.number) || seen.len() > 100 {
            return Err(Unreadable("an authorization list is not of the documented shape"));
        }
        seen.push(value.number);
        says(value.number, Reader::new(value.content))?;
    }
    Ok(seen.is_sorted())
}

/// Of what the system says, only which app it was: there is nobody below it who could know.
fn software_says(number: u32, mut content: Reader<'_>, facts: &mut Facts) -> Result<(), Unreadable> {
    if number != 709 {
        return Ok(());
    }
    let mut outer = Reader::new(content.octets()?);
    let mut id = outer.sequence()?;
    let (mut packages, mut digests) = (id.set()?, id.set()?);
    while !packages.is_empty() {
        let mut package = packages.sequence()?;
        facts.packages.push(String::from_utf8_lossy(package.octets()?).into_owned());
        let version = package.integer()?;
        facts.app_version = (facts.packages.len() == 1).then_some(version);
    }
    while !digests.is_empty() {
        facts.signing_digests.push(digests.octets()?.to_vec());
    }
    Ok(())
}

fn numbers(mut set: Reader<'_>) -> Result<Vec<i64>, Unreadable> {
    let mut found = Vec::new();
    while !set.is_empty() {
        found.push(set.integer()?);
    }
    Ok(found)
}

fn hardware_says(number: u32, mut content: Reader<'_>, facts: &mut Facts) -> Result<(), Unreadable> {
    match number {
        1 => facts.purposes = numbers(content.set()?)?,
        2 => facts.algorithm = Some(content.integer()?),
        3 => facts.key_size = Some(content.integer()?),
        5 => facts.digests = numbers(content.set()?)?,
        10 => facts.curve = Some(content.integer()?),
        503 => facts.no_auth_required = true,
        504 => facts.user_auth_type = Some(content.integer()?),
        505 => facts.auth_timeout_s = Some(content.integer()?),
        509 => facts.unlocked_device_required = true,
        702 => facts.generated = Some(content.integer()? == 0),
        704 => {
            let mut root = content.sequence()?;
            facts.boot_key = root.octets()?.to_vec();
            let (locked, canonical) = root.boolean()?;
            facts.locked = Some(locked);
            facts.canonical &= canonical;
            facts.boot_state = match root.enumerated()? {
                0 => Some(BootState::Verified),
                1 => Some(BootState::SelfSigned),
                2 => Some(BootState::Unverified),
                3 => Some(BootState::Failed),
                _ => None,
            };
        }
        705 => facts.os_version = Some(content.integer()?),
        706 => facts.os_patch = Some(content.integer()?),
        718 => facts.vendor_patch = Some(content.integer()?),
        719 => facts.boot_patch = Some(content.integer()?),
        _ => {}
    }
    Ok(())
}
