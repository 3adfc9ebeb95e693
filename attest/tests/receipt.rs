//! App Attest receipts: those that real devices got (`SYMBOLON_VECTORS`, or `../shared/vectors` beside the workspace), each with
//! every change, and receipts of our own making with every lie, each bad one next to the good one it differs from in one thing.
//! Area N, as far as it concerns receipts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod made;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use made::{base64, vectors};
use rcgen::{BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};
use serde_json::Value as Json;
use symbolon_attest::app_attest::{self, APPLE_ROOT, Environment};
use symbolon_attest::receipt::{APPLE_ROOT_G3, Expected, FUTURE_MS, Facts, Kind, judge};
use symbolon_oauth::digest::sha256;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

// Receipts of others.

fn instant(value: &Json) -> Option<i64> {
    value.as_str().map(|it| it.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn point(certificate: &[u8]) -> Vec<u8> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).unwrap();
    parsed.public_key().subject_public_key.data.to_vec()
}

fn environment(word: &Json) -> Environment {
    if word == "production" { Environment::Production } else { Environment::Development }
}

fn names(bytes: &[u8], expected: &Expected<'_>) -> Vec<&'static str> {
    judge(bytes, expected).unwrap().failed.into_iter().map(|it| it.name).collect()
}

/// What is wrong once one expectation is another, for a receipt that is good by `expected`.
fn every_change(bytes: &[u8], expected: &Expected<'_>) {
    let made_ms = judge(bytes, expected).unwrap().facts.created_ms.unwrap();
    let expires_ms = judge(bytes, expected).unwrap().facts.expires_ms.unwrap();
    let refreshed = expected.kind == Kind::Refreshed;
    let other_kind = if refreshed { Kind::Attestation } else { Kind::Refreshed };
    let other_environment = match expected.environment {
        Environment::Production => Environment::Development,
        Environment::Development => Environment::Production,
    };
    let mut other_key = expected.public_key.to_vec();
    other_key[64] ^= 1;
    for (changed, rules) in [
        (Expected { app_ids: &["ABCDE12345.another"], ..*expected }, &["app"][..]),
        (Expected { app_ids: &[], ..*expected }, &["app"]),
        (Expected { public_key: &other_key, ..*expected }, &["key"]),
        (Expected { public_key: &[], ..*expected }, &["key"]),
        (Expected { client_data_hash: Some(b"another"), ..*expected }, if refreshed { &[] } else { &["client_hash"] }),
        (Expected { kind: other_kind, ..*expected }, &["kind"]),
        (Expected { environment: other_environment, ..*expected }, &["environment"]),
        (Expected { roots: &[], ..*expected }, &["chain_root"]),
        (Expected { roots: &[APPLE_ROOT], ..*expected }, &["chain_root"]),
        (Expected { now_ms: made_ms + expected.max_age_ms, ..*expected }, &[]),
        (Expected { now_ms: made_ms + expected.max_age_ms + 1, ..*expected }, &["age"]),
        (Expected { now_ms: made_ms - FUTURE_MS, ..*expected }, &[]),
        (Expected { now_ms: made_ms - FUTURE_MS - 1, ..*expected }, &["future"]),
        (Expected { now_ms: expires_ms - 1, max_age_ms: i64::MAX, ..*expected }, &[]),
        (Expected { now_ms: expires_ms, max_age_ms: i64::MAX, ..*expected }, &["expired"]),
        (Expected { now_ms: i64::MAX, ..*expected }, &["age", "expired"]),
        (Expected { now_ms: i64::MIN, ..*expected }, &["future"]),
    ] {
        assert_eq!(names(bytes, &changed), rules, "{changed:?}");
    }
}

#[test]
fn every_real_receipt_and_every_change_of_it() {
    let Some(file) = vectors("app-attest/receipts.json") else { return };
    let (mut attested, mut refreshed) = (0, 0);
    for vector in file["vectors"].as_array().unwrap() {
        let (id, fields, bytes) = (&vector["id"], &vector["fields"], base64(&vector["receipt_b64"]));
        let text = |name: &str| fields[name].as_str().map(str::to_owned);
        let (key, hash) = (point(&base64(&fields["attested_leaf_certificate_der_b64"])), base64(&fields["client_hash_b64"]));
        let kind = if fields["receipt_type"] == "RECEIPT" { Kind::Refreshed } else { Kind::Attestation };
        let app = text("app_id").unwrap();
        let expected = Expected {
            app_ids: &["ABCDE12345.another", &app],
            public_key: &key,
            client_data_hash: Some(&hash),
            kind,
            environment: environment(&fields["environment"]),
            roots: &[APPLE_ROOT_G3],
            now_ms: instant(&vector["verify_at"]).unwrap(),
            max_age_ms: 5 * MINUTE_MS,
        };
        let verdict = judge(&bytes, &expected).unwrap();
        assert!(verdict.holds(), "{id}: {:?}", verdict.failed);
        let facts = Facts {
            app_id: text("app_id"),
            public_key: key.clone(),
            client_hash: hash.clone(),
            token: text("token"),
            kind: Some(kind),
            environment: Some(expected.environment),
            created_ms: instant(&fields["creation_time"]),
            risk_metric: fields["risk_metric"].as_u64().map(|it| it as u32).or(text("risk_metric").map(|it| it.parse().unwrap())),
            not_before_ms: instant(&fields["not_before"]),
            expires_ms: instant(&fields["expiration_time"]),
            others: vec![],
        };
        assert_eq!(verdict.facts, facts, "{id}");
        assert_eq!(verdict.facts.risk_metric.is_some(), kind == Kind::Refreshed, "{id}");
        every_change(&bytes, &expected);
        if kind == Kind::Refreshed { refreshed += 1 } else { attested += 1 }
    }
    println!("App Attest receipts: {attested} of attestations, {refreshed} refreshed");
    assert!(attested >= 7 && refreshed >= 10, "{attested} {refreshed}");
}

/// The receipt that came with an attestation is about the key, the app and the hash of that attestation.
#[test]
fn the_receipt_in_every_real_attestation() {
    let Some(file) = vectors("app-attest/app-attest.json") else { return };
    let mut accepted = 0;
    for vector in file["vectors"].as_array().unwrap().iter().filter(|it| it["kind"] == "attestation") {
        let (id, app) = (&vector["id"], vector["app_id"].as_str().unwrap());
        let wanted = app_attest::Expected {
            app_ids: &[app],
            mac_app_ids: &[],
            client_data_hash: b"",
            key_id: b"",
            builds: &[],
            roots: &[APPLE_ROOT],
            now_s: instant(&vector["verify_at"]).unwrap() / 1000,
        };
        let attested = app_attest::attestation(&base64(&vector["attestation_object_b64"]), &wanted).unwrap().facts;
        let data = vector["client_data_b64"].as_str().map(|_| base64(&vector["client_data_b64"]));
        let raw = vector["client_data_hash_rule"].as_str().is_some_and(|it| it.contains("NOT hashed"));
        let hash = data.map(|it| if raw { it } else { sha256(&it).to_vec() });
        let expected = Expected {
            app_ids: &[app],
            public_key: &attested.public_key,
            client_data_hash: hash.as_deref(),
            kind: Kind::Attestation,
            environment: environment(&vector["environment"]),
            roots: &[APPLE_ROOT_G3],
            now_ms: wanted.now_s * 1000,
            max_age_ms: DAY_MS,
        };
        if id == "webauthn4j-production-2020" {
            // With signed attributes that are not what was signed.
            assert!(judge(&attested.receipt, &expected).is_err(), "{id}");
            continue;
        }
        let mut receipt = attested.receipt.clone();
        let made_ms = judge(&receipt, &expected).unwrap().facts.created_ms.unwrap();
        let at_once = Expected { now_ms: made_ms, max_age_ms: 5 * MINUTE_MS, ..expected };
        if id == "mikedan-ios26.2-no-challenge" {
            // Published with a wrong byte in the signer's certificate: the last one of Apple's policy 1.2.840.113635.100.5.1.
            assert_eq!(names(&receipt, &at_once), ["chain_signature"], "{id}");
            let at = receipt.windows(5).position(|it| it == [0x64, 0x05, 0x05, 0x30, 0x81]).unwrap();
            receipt[at + 2] = 0x01;
        }
        assert_eq!(names(&receipt, &at_once), [""; 0], "{id}");
        every_change(&receipt, &at_once);
        accepted += 1;
    }
    println!("App Attest receipts inside attestations: {accepted} accepted, 1 unreadable");
    assert!(accepted >= 21, "{accepted}");
}

// Receipts of our own.

const MADE_MS: i64 = 1_700_000_000_000;
const MADE: &str = "2023-11-14T22:13:20Z";
const APP: &str = "ABCDE12345.com.example.shop";

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let head: Vec<u8> = match length {
        0..=0x7f => vec![tag, length as u8],
        0x80..=0xff => vec![tag, 0x81, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    [head.as_slice(), content].concat()
}

fn indefinite(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, 0x80], content, &[0, 0]].concat()
}

/// How one receipt differs from a good one.
#[derive(Clone, Copy, Default)]
struct Lie {
    /// A field that has this value, or is not there.
    field: Option<(u8, Option<&'static [u8]>)>,
    /// Bytes behind the last field, inside the set.
    more: &'static [u8],
    version: Option<u8>,
    no_marker: bool,
    no_signing: bool,
    middle_is_no_ca: bool,
    expired_signer: bool,
    other_signature: bool,
    other_content: bool,
    attributes: Attributes,
    other_serial: bool,
    two_signers: bool,
    sha_1: bool,
    extra_certificate: bool,
    no_signer_certificate: bool,
    other_content_type: bool,
    in_der: bool,
    /// How many octets a segment has.
    segment: usize,
}

/// SignedAttributes (RFC 5652 11), and what is signed with them.
#[derive(Clone, Copy, Default, PartialEq)]
enum Attributes {
    #[default]
    None,
    /// They are signed, as RFC 5652 5.4 has it.
    Signed,
    /// They are there, and the content is signed, as in some receipts of 2020.
    Idle,
    /// They are the content.
    Content,
}

fn attributes(content: &[u8]) -> Vec<u8> {
    let attribute = |last: u8, value: &[u8]| {
        let name = tlv(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, last]);
        tlv(0x30, &[name, tlv(0x31, value)].concat())
    };
    [attribute(3, &tlv(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1])), attribute(4, &tlv(4, &sha256(content)))].concat()
}

struct Receipt {
    bytes: Vec<u8>,
    /// The root's certificate, and its key.
    root_certificate: Vec<u8>,
    root: Vec<u8>,
    point: Vec<u8>,
}

fn params(name: &str, ca: bool) -> CertificateParams {
    let mut certificate = CertificateParams::default();
    certificate.distinguished_name.push(DnType::CommonName, name);
    if ca {
        certificate.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    certificate
}

fn fields(leaf: &[u8], lie: Lie) -> Vec<u8> {
    let good: [(u8, &[u8]); 10] = [
        (2, APP.as_bytes()),
        (3, leaf),
        (4, b"hash"),
        (5, b"token"),
        (6, b"RECEIPT"),
        (7, b"production"),
        (12, MADE.as_bytes()),
        (17, b"3"),
        (19, b"2023-11-15T22:13:20Z"),
        (21, b"2024-02-12T22:13:20Z"),
    ];
    let mut all = Vec::new();
    for (number, value) in good {
        let changed = lie.field.filter(|(it, _)| *it == number).map(|(_, it)| it);
        let Some(value) = changed.unwrap_or(Some(value)) else { continue };
        let version = lie.version.unwrap_or(1);
        all.extend(tlv(0x30, &[&[2, 1, number, 2, 1, version][..], &tlv(4, value)].concat()));
    }
    all.extend_from_slice(lie.more);
    tlv(0x31, &all)
}

fn made(lie: Lie) -> Receipt {
    let keys: Vec<KeyPair> = (0..4).map(|_| KeyPair::generate().unwrap()).collect();
    let root = params("root", true).self_signed(&keys[0]).unwrap();
    let by_root = Issuer::new(params("root", true), &keys[0]);
    let middle = params("middle", !lie.middle_is_no_ca).signed_by(&keys[1], &by_root).unwrap();
    let mut signer = params("signer", false);
    signer.key_usages = vec![if lie.no_signing { KeyUsagePurpose::KeyAgreement } else { KeyUsagePurpose::DigitalSignature }];
    if !lie.no_marker {
        let value = CustomExtension::from_oid_content(&[1, 2, 840, 113_635, 100, 12, 15], vec![5, 0]);
        signer.custom_extensions.push(value);
    }
    if lie.expired_signer {
        signer.not_after = date_time_ymd(2023, 11, 1);
    }
    let by_middle = Issuer::new(params("middle", true), &keys[1]);
    let signer = signer.signed_by(&keys[2], &by_middle).unwrap();
    let attested = params("attested", false).self_signed(&keys[3]).unwrap();
    let content = fields(attested.der(), lie);
    let set = tlv(0x31, &attributes(&content));
    let (content, signed) = match lie.attributes {
        Attributes::None | Attributes::Idle => (content.clone(), content),
        Attributes::Signed => (content, set),
        Attributes::Content => (set.clone(), set),
    };
    let pkcs8 = keys[if lie.other_signature { 1 } else { 2 }].serialize_der();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8).unwrap();
    let signature = key.sign(&SystemRandom::new(), if lie.other_content { b"another" } else { &signed }).unwrap();
    let (_, parsed) = x509_parser::parse_x509_certificate(signer.der()).unwrap();
    let (issuer, serial) = (parsed.issuer().as_raw().to_vec(), parsed.raw_serial().to_vec());
    let mut certificates = vec![middle.der().to_vec(), root.der().to_vec()];
    if !lie.no_signer_certificate {
        certificates.insert(0, signer.der().to_vec());
    }
    if lie.extra_certificate {
        certificates.push(attested.der().to_vec());
    }
    let root_certificate = root.der().to_vec();
    let (_, parsed) = x509_parser::parse_x509_certificate(&root_certificate).unwrap();
    let root = parsed.public_key().raw.to_vec();
    let bytes = signed_data(&content, &certificates, (&issuer, &serial), signature.as_ref(), lie);
    Receipt { bytes, root, root_certificate: root_certificate.clone(), point: keys[3].public_key_raw().to_vec() }
}

fn signed_data(content: &[u8], certificates: &[Vec<u8>], (issuer, serial): (&[u8], &[u8]), signature: &[u8], lie: Lie) -> Vec<u8> {
    // SHA-1 in place of SHA-256.
    let digest = if lie.sha_1 {
        vec![0x30, 9, 6, 5, 0x2b, 0x0e, 3, 2, 0x1a, 5, 0]
    } else {
        vec![0x30, 13, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0]
    };
    let wrapped = |tag: u8, content: &[u8]| if lie.in_der { tlv(tag, content) } else { indefinite(tag, content) };
    let mut serial = serial.to_vec();
    *serial.last_mut().unwrap() ^= u8::from(lie.other_serial);
    let signer = [
        vec![2, 1, 1],
        tlv(0x30, &[issuer, &tlv(2, &serial)].concat()),
        digest.clone(),
        match lie.attributes {
            Attributes::None | Attributes::Content => vec![],
            Attributes::Signed | Attributes::Idle => tlv(0xa0, &attributes(content)),
        },
        vec![0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2],
        tlv(4, signature),
    ];
    let signer = tlv(0x30, &signer.concat());
    let signers = if lie.two_signers { [signer.as_slice(), &signer].concat() } else { signer };
    let segments = content.chunks(if lie.segment == 0 { 1000 } else { lie.segment }).map(|it| tlv(4, it)).collect::<Vec<_>>().concat();
    let octets = if lie.in_der { tlv(4, content) } else { indefinite(0x24, &segments) };
    let data = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1 + u8::from(lie.other_content_type)];
    let inner = [
        vec![2, 1, 1],
        tlv(0x31, &digest),
        wrapped(0x30, &[tlv(6, &data), wrapped(0xa0, &octets)].concat()),
        wrapped(0xa0, &certificates.concat()),
        tlv(0x31, &signers),
    ];
    let inner = wrapped(0x30, &inner.concat());
    wrapped(0x30, &[tlv(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2]), wrapped(0xa0, &inner)].concat())
}

/// The rules it breaks; `None` where it cannot be read.
fn broken(lie: Lie) -> Option<Vec<&'static str>> {
    let receipt = made(lie);
    let expected = Expected {
        app_ids: &[APP],
        public_key: &receipt.point,
        client_data_hash: None,
        kind: Kind::Refreshed,
        environment: Environment::Production,
        roots: &[&receipt.root],
        now_ms: MADE_MS,
        max_age_ms: 5 * MINUTE_MS,
    };
    Some(judge(&receipt.bytes, &expected).ok()?.failed.into_iter().map(|it| it.name).collect())
}

#[test]
fn every_lie_breaks_its_rule() {
    let good = Lie::default();
    for fine in [good, Lie { in_der: true, ..good }, Lie { segment: 20, ..good }] {
        assert_eq!(broken(fine), Some(vec![]));
    }
    for (lie, rules) in [
        (Lie { no_marker: true, ..good }, vec!["signer"]),
        (Lie { no_signing: true, ..good }, vec!["signer"]),
        (Lie { no_signer_certificate: true, ..good }, vec!["signer"]),
        (Lie { other_serial: true, ..good }, vec!["signer"]),
        (Lie { middle_is_no_ca: true, ..good }, vec!["chain_ca"]),
        (Lie { expired_signer: true, ..good }, vec!["chain_dates"]),
        (Lie { extra_certificate: true, ..good }, vec!["chain_extra"]),
        (Lie { other_signature: true, ..good }, vec!["signature"]),
        (Lie { other_content: true, ..good }, vec!["signature"]),
    ] {
        assert_eq!(broken(lie), Some(rules));
    }
    for unreadable in [
        Lie { attributes: Attributes::Signed, ..good },
        Lie { attributes: Attributes::Idle, ..good },
        Lie { attributes: Attributes::Content, ..good },
        Lie { two_signers: true, ..good },
        Lie { sha_1: true, ..good },
        Lie { other_content_type: true, ..good },
        Lie { version: Some(2), ..good },
        Lie { segment: 1, ..good },
    ] {
        assert_eq!(broken(unreadable), None);
    }
}

/// Every field: absent, empty, of another value, not to be read.
#[test]
fn every_field_counts() {
    let with = |number: u8, value: Option<&'static [u8]>| broken(Lie { field: Some((number, value)), ..Lie::default() });
    for (number, rule) in [(2, "app"), (3, "key"), (6, "kind"), (7, "environment"), (12, "age"), (17, "risk_metric"), (21, "expired")] {
        assert_eq!(with(number, None), Some(vec![rule]), "{number}");
        assert_eq!(with(number, Some(b"")), Some(vec![rule]), "{number}");
    }
    for number in [4, 5, 19] {
        assert_eq!(with(number, None), Some(vec![]), "{number} is not needed");
    }
    for (number, value, rules) in [
        (2, &b"ABCDE12345.com.example.shops"[..], Some(vec!["app"])),
        (6, b"ATTEST", Some(vec!["kind"])),
        (6, b"receipt", Some(vec!["kind"])),
        (7, b"sandbox", Some(vec!["environment"])),
        (7, b"Production", Some(vec!["environment"])),
        (12, b"2023-11-14T22:13:20.001Z", Some(vec![])),
        (12, b"2023-11-14T22:08:19Z", Some(vec!["age"])),
        (12, b"2023-11-14T22:15:00Z", Some(vec!["future"])),
        (12, b"yesterday", None),
        (17, b"0", Some(vec![])),
        (17, b"-1", None),
        (17, b"+1", None),
        (17, b"4294967296", None),
        (19, b"never", None),
        (21, b"2023-11-14T22:13:20Z", Some(vec!["expired"])),
        (21, b"2023-11-14T22:13:21Z", Some(vec![])),
        (21, b"\xff", None),
        (3, b"\x30\x00", None),
    ] {
        assert_eq!(with(number, Some(value)), rules, "{number} {value:?}");
    }
    let more = |more: &'static [u8]| broken(Lie { more, ..Lie::default() });
    assert_eq!(more(&[0x30, 8, 2, 1, 99, 2, 1, 7, 4, 0]), Some(vec![]), "a field that nobody knows, of any version");
    for bad in [
        &[0x30, 8, 2, 1, 2, 2, 1, 1, 4, 0][..],
        &[0x30, 8, 2, 1, 99, 2, 1, 1, 5, 0],
        &[0x30, 9, 2, 1, 99, 2, 1, 1, 4, 0, 0],
        &[0x30, 6, 2, 1, 99, 2, 1, 1],
        &[0x04, 0],
        &[0],
    ] {
        assert_eq!(more(bad), None, "{bad:?}");
    }
}

/// 285-N: hostile bytes are unreadable or refused, and nothing panics.
#[test]
fn hostile_bytes_pass_never() {
    for in_der in [false, true] {
        let Receipt { bytes, root, root_certificate, point } = made(Lie { in_der, ..Lie::default() });
        let expected = Expected {
            app_ids: &[APP],
            public_key: &point,
            client_data_hash: None,
            kind: Kind::Refreshed,
            environment: Environment::Production,
            roots: &[&root],
            now_ms: MADE_MS,
            max_age_ms: 5 * MINUTE_MS,
        };
        let passes = |bytes: &[u8]| judge(bytes, &expected).is_ok_and(|it| it.holds());
        assert!(passes(&bytes));
        for at in 0..bytes.len() {
            let mut edited = bytes.clone();
            edited[at] ^= 0x41;
            // Of a root, only its key counts.
            let in_root = !edited.windows(root_certificate.len()).any(|it| it == root_certificate);
            assert!(!passes(&edited) || in_root, "edited at {at}");
            assert!(!passes(&bytes[..at]), "cut at {at}");
        }
        assert!(!passes(&[bytes.as_slice(), &[0]].concat()), "bytes behind");
        assert!(!passes(&[bytes.as_slice(), &[0, 0]].concat()), "one end too many");
    }
    let never = |bytes: &[u8]| {
        let expected = Expected {
            app_ids: &[],
            public_key: &[],
            client_data_hash: None,
            kind: Kind::Refreshed,
            environment: Environment::Production,
            roots: &[],
            now_ms: 0,
            max_age_ms: 0,
        };
        judge(bytes, &expected).is_err()
    };
    assert!(never(&[]) && never(&[0x30, 0x80].repeat(30_000)) && never(&vec![0x30; 60_000]) && never(&vec![0; 70_000]));
    assert!(never(&[0x24, 0x80].repeat(30_000)));
}
