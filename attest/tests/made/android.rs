//! Chains of Android Key Attestation of our own making, under a root of their own, with whatever lie is asked for.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use rcgen::{BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair};
use symbolon_attest::key_attestation::{App, Expected, Facts, Level, judge};

pub fn expected<'a>(challenge: &'a [u8], roots: &'a [&'a [u8]], now_s: i64) -> Expected<'a> {
    Expected {
        challenge,
        app: None,
        roots,
        now_s,
        status: &|_| None,
        own_boot_keys: &[],
        least_level: Level::TrustedEnvironment,
        sign_only: false,
        strict: false,
        person: None,
        remotely_provisioned: false,
        least_patch: None,
    }
}

/// A key of our own making.
#[derive(Clone, Copy)]
pub struct Made {
    pub challenge: &'static [u8],
    pub packages: &'static [&'static [u8]],
    /// One byte of each.
    pub digests: &'static [u8],
    pub level: u8,
    pub key_level: u8,
    pub locked: bool,
    pub state: u8,
    pub patch: u32,
    pub origin: u8,
    pub purpose: u8,
    /// How often the key is described there.
    pub in_leaf: usize,
    pub in_intermediate: usize,
    pub root_in_software: bool,
    /// The intermediate names a batch of devices, as the factory's do.
    pub of_the_factory: bool,
    /// Its last year.
    pub until: i32,
    /// Organization of an intermediate that was provisioned over the air.
    pub provisioned: Option<&'static str>,
    /// In the hardware's list: ways in which the person is recognised, and for how many seconds.
    pub person: Option<(u32, Option<u32>)>,
    pub no_auth_required: bool,
    /// The hardware's list does not ascend.
    pub unordered: bool,
}

pub const GOOD: Made = Made {
    challenge: b"challenge",
    packages: &[b"com.example.shop"],
    digests: &[7],
    level: 1,
    key_level: 1,
    locked: true,
    state: 0,
    patch: 202_610,
    origin: 0,
    purpose: 2,
    in_leaf: 1,
    in_intermediate: 0,
    root_in_software: false,
    of_the_factory: false,
    until: 4000,
    provisioned: None,
    person: None,
    no_auth_required: false,
    unordered: false,
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

pub fn description(it: &Made) -> Vec<u8> {
    let packages: Vec<u8> = it.packages.iter().flat_map(|it| tlv(&[0x30], &[tlv(&[4], it), integer(1)].concat())).collect();
    let digests: Vec<u8> = it.digests.iter().flat_map(|it| tlv(&[4], &[*it; 32])).collect();
    let app = tlv(&[0x30], &[tlv(&[0x31], &packages), tlv(&[0x31], &digests)].concat());
    let root = tlv(&[0x30], &[tlv(&[4], &[9; 32]), tlv(&[1], &[if it.locked { 0xff } else { 0 }]), tlv(&[10], &[it.state])].concat());
    let root = tagged(704, &root);
    let mut software = tagged(709, &tlv(&[4], &app));
    let key = [
        tagged(1, &tlv(&[0x31], &integer(it.purpose.into()))),
        tagged(2, &integer(3)),
        tagged(3, &integer(256)),
        tagged(5, &tlv(&[0x31], &integer(4))),
        tagged(10, &integer(1)),
    ];
    let mut hardware = key.concat();
    if it.no_auth_required {
        hardware.extend(tagged(503, &[5, 0]));
    }
    if let Some((ways, for_s)) = it.person {
        hardware.extend(tagged(504, &integer(ways)));
        hardware.extend(for_s.map(|it| tagged(505, &integer(it))).unwrap_or_default());
        hardware.extend(tagged(509, &[5, 0]));
    }
    hardware.extend(tagged(702, &integer(it.origin.into())));
    if it.root_in_software {
        software = [software, root].concat();
    } else {
        hardware = [hardware, root].concat();
    }
    let patch = tagged(706, &integer(it.patch));
    let hardware = if it.unordered { [patch, hardware] } else { [hardware, patch] }.concat();
    let fields = [
        integer(300),
        tlv(&[10], &[it.level]),
        integer(300),
        tlv(&[10], &[it.key_level]),
        tlv(&[4], it.challenge),
        tlv(&[4], &[]),
        tlv(&[0x30], &software),
        tlv(&[0x30], &hardware),
    ];
    tlv(&[0x30], &fields.concat())
}

/// With the description of the key this often.
pub fn params(name: &str, ca: bool, described: (&Made, usize)) -> CertificateParams {
    let mut it = CertificateParams::default();
    it.distinguished_name.push(DnType::CommonName, name);
    if ca {
        it.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let extension = || CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 11129, 2, 1, 17], description(described.0));
    it.custom_extensions.extend((0..described.1).map(|_| extension()));
    it
}

/// Leaf and intermediate in DER, and the key of their root.
pub fn chain(made: &Made) -> (Vec<Vec<u8>>, Vec<u8>) {
    let keys: Vec<KeyPair> = (0..3).map(|_| KeyPair::generate().unwrap()).collect();
    let root = params("root", true, (made, 0)).self_signed(&keys[0]).unwrap();
    let mut between = params("middle", true, (made, made.in_intermediate));
    between.not_after = rcgen::date_time_ymd(made.until, 1, 1);
    if made.of_the_factory {
        between.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 5]), "5449d2cdb6b896e6");
    }
    if let Some(organization) = made.provisioned {
        between.distinguished_name.push(DnType::OrganizationName, organization);
        // A CBOR map without members.
        between.custom_extensions.push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 11129, 2, 1, 30], vec![0xa0]));
    }
    let issuer = between.clone();
    let middle = between.signed_by(&keys[1], &Issuer::new(params("root", true, (made, 0)), &keys[0])).unwrap();
    let leaf = params("leaf", false, (made, made.in_leaf)).signed_by(&keys[2], &Issuer::new(issuer, &keys[1])).unwrap();
    (vec![leaf.der().to_vec(), middle.der().to_vec()], spki(root.der()))
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

/// A good chain of four with the root at its end, and the root's key; the certificate at this place may be bent.
pub fn linked(bent: Option<(usize, Bend)>) -> (Vec<Vec<u8>>, Vec<u8>) {
    let keys: Vec<KeyPair> = (0..5).map(|_| KeyPair::generate().unwrap()).collect();
    let names = ["leaf", "lower", "upper", "root"];
    let made = |at: usize| {
        let (bend, by) = (bent.filter(|it| it.0 == at).map(|it| it.1), (at + 1).min(3));
        let name = if bend == Some(Bend::IssuerName) { "somebody else" } else { names[by] };
        let signer = if bend == Some(Bend::Signer) { &keys[4] } else { &keys[by] };
        let it = params(names[at], at > 0, (&GOOD, usize::from(at == 0)));
        let mut der = it.signed_by(&keys[at], &Issuer::new(params(name, true, (&GOOD, 0)), signer)).unwrap().der().to_vec();
        match bend {
            Some(Bend::Signature) => *der.last_mut().unwrap() ^= 1,
            Some(Bend::Algorithm { inside, beside }) => der = signed_as(&der, signer, inside, beside),
            _ => {}
        }
        der
    };
    let all: Vec<Vec<u8>> = (0..4).map(made).collect();
    let root = spki(&all[3]);
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
    let slices: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    let roots = [root.as_slice()];
    let app = App { packages: &["com.example.shop"], signing_digests: &[[7; 32]] };
    let mut expected =
        Expected { app: Some(app), least_patch: Some(202_601), sign_only: true, ..expected(b"challenge", &roots, 1_700_000_000) };
    stricter(&mut expected);
    let verdict = judge(&slices, &expected).unwrap();
    (verdict.failed.into_iter().map(|it| it.name).collect(), verdict.facts)
}
