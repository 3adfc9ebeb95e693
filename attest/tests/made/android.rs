//! Chains of Android Key Attestation of our own making, under a root of their own, with whatever lie is asked for.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use rcgen::{BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use symbolon_attest::key_attestation::{App, Expected, Facts, Policy, judge};

/// 2026-11-15, by which the patch levels here are of the present.
pub const NOW_S: i64 = 1_794_700_800;

pub fn expected<'a>(challenge: &'a [u8], roots: &'a [&'a [u8]], now_s: i64) -> Expected<'a> {
    Expected {
        challenge,
        app: None,
        roots,
        now_s,
        status: &|_| None,
        own_boot_keys: &[],
        sign_only: false,
        strict: false,
        policy: Policy::ANY,
    }
}

/// How the attesting key came into the phone, and so the shape of the chain.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Provisioned {
    /// Leaf, attestation, intermediate; the titles of the last two.
    Factory { titles: [Option<&'static str>; 2] },
    /// The same as it was made until 2018: without titles, and the attestation certificate is no CA.
    OldFactory,
    /// Leaf, attestation, server, intermediate; what the attestation certificate names as its organization, and whether it has ProvisioningInfo.
    Remote { organization: Option<&'static str>, info: bool },
}

pub const FACTORY: Provisioned = Provisioned::Factory { titles: [Some("TEE"); 2] };
pub const REMOTE: Provisioned = Provisioned::Remote { organization: Some("TEE"), info: true };

/// A key of our own making.
#[derive(Clone, Copy)]
pub struct Made {
    pub challenge: &'static [u8],
    pub packages: &'static [&'static [u8]],
    /// One byte of each.
    pub digests: &'static [u8],
    pub version: u32,
    pub keymint_version: u32,
    pub level: u8,
    pub key_level: u8,
    pub locked: bool,
    pub state: u8,
    pub patch: u32,
    pub vendor_patch: Option<u32>,
    pub boot_patch: Option<u32>,
    pub origin: u8,
    pub purpose: u8,
    /// How often the key is described there.
    pub in_leaf: usize,
    pub in_intermediate: usize,
    pub root_in_software: bool,
    pub provisioned: Provisioned,
    /// The last year of the attestation certificate.
    pub until: i32,
    /// In the hardware's list: ways in which the person is recognised, and for how many seconds.
    pub person: Option<(u32, Option<u32>)>,
    pub no_auth_required: bool,
    /// The hardware's list does not ascend.
    pub unordered: bool,
    /// Bytes behind the last field of the description, and behind the last member of the hardware's list.
    pub behind: &'static [u8],
    pub members_behind: &'static [u8],
}

pub const GOOD: Made = Made {
    challenge: b"challenge",
    packages: &[b"com.example.shop"],
    digests: &[7],
    version: 300,
    keymint_version: 300,
    level: 1,
    key_level: 1,
    locked: true,
    state: 0,
    patch: 202_610,
    vendor_patch: None,
    boot_patch: None,
    origin: 0,
    purpose: 2,
    in_leaf: 1,
    in_intermediate: 0,
    root_in_software: false,
    provisioned: FACTORY,
    until: 4000,
    person: None,
    no_auth_required: false,
    unordered: false,
    behind: &[],
    members_behind: &[],
};

pub fn tlv(tag: &[u8], content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let head: Vec<u8> = match length {
        0..=0x7f => vec![length as u8],
        0x80..=0xff => vec![0x81, length as u8],
        _ => vec![0x82, (length >> 8) as u8, length as u8],
    };
    [tag, &head, content].concat()
}

pub fn integer(value: u32) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let start = bytes.iter().position(|it| *it != 0).unwrap_or(3);
    let padded = if bytes[start] >= 0x80 { [&[0][..], &bytes[start..]].concat() } else { bytes[start..].to_vec() };
    tlv(&[2], &padded)
}

/// An explicit context tag.
pub fn tagged(number: u32, content: &[u8]) -> Vec<u8> {
    let tag = match number {
        0..31 => vec![0xa0 | number as u8],
        _ => vec![0xbf, 0x80 | (number >> 7) as u8, (number & 0x7f) as u8],
    };
    tlv(&tag, content)
}

pub fn description(made: &Made) -> Vec<u8> {
    let packages: Vec<u8> = made.packages.iter().flat_map(|it| tlv(&[0x30], &[tlv(&[4], it), integer(1)].concat())).collect();
    let digests: Vec<u8> = made.digests.iter().flat_map(|it| tlv(&[4], &[*it; 32])).collect();
    let app = tlv(&[0x30], &[tlv(&[0x31], &packages), tlv(&[0x31], &digests)].concat());
    let root = tlv(&[0x30], &[tlv(&[4], &[9; 32]), tlv(&[1], &[if made.locked { 0xff } else { 0 }]), tlv(&[10], &[made.state])].concat());
    let root = tagged(704, &root);
    let mut software = tagged(709, &tlv(&[4], &app));
    let key = [
        tagged(1, &tlv(&[0x31], &integer(made.purpose.into()))),
        tagged(2, &integer(3)),
        tagged(3, &integer(256)),
        tagged(5, &tlv(&[0x31], &integer(4))),
        tagged(10, &integer(1)),
    ];
    let mut hardware = key.concat();
    if made.no_auth_required {
        hardware.extend(tagged(503, &[5, 0]));
    }
    if let Some((ways, for_s)) = made.person {
        hardware.extend(tagged(504, &integer(ways)));
        hardware.extend(for_s.map(|it| tagged(505, &integer(it))).unwrap_or_default());
        hardware.extend(tagged(509, &[5, 0]));
    }
    hardware.extend(tagged(702, &integer(made.origin.into())));
    if made.root_in_software {
        software = [software, root].concat();
    } else {
        hardware = [hardware, root].concat();
    }
    let patch = tagged(706, &integer(made.patch));
    let mut hardware = if made.unordered { [patch, hardware] } else { [hardware, patch] }.concat();
    for (number, patch) in [(718, made.vendor_patch), (719, made.boot_patch)] {
        hardware.extend(patch.map(|it| tagged(number, &integer(it))).unwrap_or_default());
    }
    hardware.extend(made.members_behind);
    let fields = [
        integer(made.version),
        tlv(&[10], &[made.level]),
        integer(made.keymint_version),
        tlv(&[10], &[made.key_level]),
        tlv(&[4], made.challenge),
        tlv(&[4], &[]),
        tlv(&[0x30], &software),
        tlv(&[0x30], &hardware),
        made.behind.to_vec(),
    ];
    tlv(&[0x30], &fields.concat())
}

/// The description of the key, this often.
fn described(made: &Made, times: usize) -> impl Iterator<Item = CustomExtension> {
    let extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 11129, 2, 1, 17], description(made));
    std::iter::repeat_n(extension, times)
}

/// With the description of the key this often.
pub fn params(name: &str, ca: bool, (made, times): (&Made, usize)) -> CertificateParams {
    let mut certificate = CertificateParams::default();
    certificate.distinguished_name.push(DnType::CommonName, name);
    if ca {
        certificate.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    certificate.custom_extensions.extend(described(made, times));
    certificate
}

const SERIAL_NUMBER: [u64; 4] = [2, 5, 4, 5];
const TITLE: [u64; 4] = [2, 5, 4, 12];

/// The certificate of a factory's: a batch of phones by its number.
pub fn factory(number: &str, title: Option<&str>) -> CertificateParams {
    let mut certificate = params("", true, (&GOOD, 0));
    certificate.distinguished_name = rcgen::DistinguishedName::new();
    certificate.distinguished_name.push(DnType::CustomDnType(SERIAL_NUMBER.to_vec()), number);
    if let Some(title) = title {
        certificate.distinguished_name.push(DnType::CustomDnType(TITLE.to_vec()), title);
    }
    certificate
}

/// A certificate of a CA with this name and organization.
pub fn named(name: &str, organization: Option<&str>) -> CertificateParams {
    let mut certificate = params(name, true, (&GOOD, 0));
    if let Some(organization) = organization {
        certificate.distinguished_name.push(DnType::OrganizationName, organization);
    }
    certificate
}

/// The extension of remotely provisioned keys: a CBOR map that says how many certificates were issued.
pub fn provisioning_info() -> CustomExtension {
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 11129, 2, 1, 30], vec![0xa1, 1, 8])
}

/// The certificates between leaf and root, the leaf's issuer first.
pub fn between(provisioned: Provisioned) -> Vec<CertificateParams> {
    match provisioned {
        Provisioned::Factory { titles } => vec![factory("5449d2cdb6b896e6", titles[0]), factory("89541e88cd1e899e", titles[1])],
        Provisioned::OldFactory => {
            let mut attestation = factory("c6047571d8f0d17c", None);
            attestation.is_ca = IsCa::ExplicitNoCa;
            attestation.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            vec![attestation, factory("87f4514475ba0a2b", None)]
        }
        Provisioned::Remote { organization, info } => {
            let mut attestation = named("9b5e7c330252fa0c698a3f23d31a4a64", organization);
            attestation.custom_extensions.extend(info.then(provisioning_info));
            vec![attestation, named("Droid CA3", Some("Google LLC")), named("Droid CA2", Some("Google LLC"))]
        }
    }
}

/// Signs a chain, each certificate by the next and the last by itself; and the key of the last.
pub fn forge(certificates: &[CertificateParams]) -> (Vec<Vec<u8>>, Vec<u8>) {
    let keys: Vec<KeyPair> = certificates.iter().map(|_| KeyPair::generate().unwrap()).collect();
    let signed = |at: usize| {
        let by = (at + 1).min(certificates.len() - 1);
        let issuer = Issuer::new(certificates[by].clone(), &keys[by]);
        certificates[at].signed_by(&keys[at], &issuer).unwrap().der().to_vec()
    };
    let all: Vec<Vec<u8>> = (0..certificates.len()).map(signed).collect();
    let root = spki(all.last().unwrap());
    (all, root)
}

/// The certificates of such a key, leaf first and with the root.
pub fn certificates(made: &Made) -> Vec<CertificateParams> {
    let mut between = between(made.provisioned);
    between[0].not_after = rcgen::date_time_ymd(made.until, 1, 1);
    between[0].custom_extensions.extend(described(made, made.in_intermediate));
    let (leaf, root) = (params("leaf", false, (made, made.in_leaf)), params("root", true, (made, 0)));
    [vec![leaf], between, vec![root]].concat()
}

/// The chain without its root, in DER, and the key of the root.
pub fn chain(made: &Made) -> (Vec<Vec<u8>>, Vec<u8>) {
    let (mut all, root) = forge(&certificates(made));
    all.pop();
    (all, root)
}

/// What is wrong with one certificate of a chain.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Bend {
    Signature,
    /// Signed by another key than its issuer's.
    Signer,
    IssuerName,
    /// SHA-384 is named, inside the signed part or beside the signature; signed with SHA-256 all the same.
    Algorithm {
        inside: bool,
        beside: bool,
    },
}

/// A good chain of five with the root at its end, provisioned remotely, and the root's key; the certificate at this place may be bent.
pub fn linked(bent: Option<(usize, Bend)>) -> (Vec<Vec<u8>>, Vec<u8>) {
    let certificates = certificates(&Made { provisioned: REMOTE, ..GOOD });
    let keys: Vec<KeyPair> = (0..6).map(|_| KeyPair::generate().unwrap()).collect();
    let signed = |at: usize| {
        let (bend, by) = (bent.filter(|it| it.0 == at).map(|it| it.1), (at + 1).min(4));
        let issuer = if bend == Some(Bend::IssuerName) { params("somebody else", true, (&GOOD, 0)) } else { certificates[by].clone() };
        let signer = if bend == Some(Bend::Signer) { &keys[5] } else { &keys[by] };
        let mut der = certificates[at].signed_by(&keys[at], &Issuer::new(issuer, signer)).unwrap().der().to_vec();
        match bend {
            Some(Bend::Signature) => *der.last_mut().unwrap() ^= 1,
            Some(Bend::Algorithm { inside, beside }) => der = signed_as(&der, signer, inside, beside),
            _ => {}
        }
        der
    };
    let all: Vec<Vec<u8>> = (0..5).map(signed).collect();
    let root = spki(&all[4]);
    (all, root)
}

pub fn spki(certificate: &[u8]) -> Vec<u8> {
    x509_parser::parse_x509_certificate(certificate).unwrap().1.public_key().raw.to_vec()
}

/// The same certificate, signed anew with SHA-256, with what it names as its algorithm.
fn signed_as(certificate: &[u8], by: &KeyPair, inside: bool, beside: bool) -> Vec<u8> {
    const SHA_256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).unwrap();
    let mut tbs = parsed.tbs_certificate.as_ref().to_vec();
    let at = tbs.windows(8).position(|it| it == SHA_256).unwrap();
    tbs[at + 7] += u8::from(inside);
    let mut named = SHA_256;
    named[7] += u8::from(beside);
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &by.serialize_der()).unwrap();
    let signature = key.sign(&SystemRandom::new(), &tbs).unwrap();
    let rest = [tlv(&[0x30], &tlv(&[6], &named)), tlv(&[3], &[&[0], signature.as_ref()].concat())].concat();
    tlv(&[0x30], &[tbs, rest].concat())
}

pub fn broken(made: &Made) -> Vec<&'static str> {
    broken_by(made, &|_| ()).0
}

/// By stricter rules.
pub fn broken_by(made: &Made, stricter: &dyn Fn(&mut Expected<'_>)) -> (Vec<&'static str>, Facts) {
    let (chain, root) = chain(made);
    broken_of(&chain, &root, stricter)
}

/// The rules that a chain breaks.
pub fn broken_of(chain: &[Vec<u8>], root: &[u8], stricter: &dyn Fn(&mut Expected<'_>)) -> (Vec<&'static str>, Facts) {
    let slices: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    let roots = [root];
    let app = App { packages: &["com.example.shop"], signing_digests: &[[7; 32]] };
    let policy = Policy { least_patch: Some(202_601), ..Policy::ANY };
    let mut expected = Expected { app: Some(app), policy, sign_only: true, ..expected(b"challenge", &roots, NOW_S) };
    stricter(&mut expected);
    let verdict = judge(&slices, &expected).unwrap();
    (verdict.failed.into_iter().map(|it| it.name).collect(), verdict.facts)
}
