//! Android Key Attestation on chains from real devices, and on chains of our own making with every lie. Area N: 237-N, 243-N, 254-N
//! to 268-N, as far as they concern the evidence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use rcgen::{BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value as Json;
use std::path::PathBuf;
use symbolon_attest::app_attest::APPLE_ROOT;
use symbolon_attest::key_attestation::{
    App, BIOMETRIC, BootState, Expected, Facts, GOOGLE_ROOT_P384, GOOGLE_ROOT_RSA, Level, PASSWORD, Person, Status, judge,
};
use symbolon_attest::status_list::{self, StatusList};
use symbolon_oauth::base64url;

fn vectors(name: &str) -> Option<Json> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors");
    let root = std::env::var_os("SYMBOLON_VECTORS").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let Ok(text) = std::fs::read_to_string(root.join(name)) else {
        println!("skipped: {name} is not here; SYMBOLON_VECTORS names the directory");
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

fn der(pem: &str) -> Vec<u8> {
    let text: String = pem.lines().filter(|it| !it.starts_with("-----")).collect();
    base64url::decode(text.trim_end_matches('=').replace('+', "-").replace('/', "_").as_str()).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn expected<'a>(challenge: &'a [u8], roots: &'a [&'a [u8]], now_s: i64) -> Expected<'a> {
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

#[test]
fn every_real_chain_by_the_default_policy() {
    let Some(file) = vectors("android-key-attestation/chains.json") else { return };
    let (mut accepted, mut refused, mut unreadable) = (0, 0, 0);
    for it in file["vectors"].as_array().unwrap() {
        let id = it["id"].as_str().unwrap();
        let chain: Vec<Vec<u8>> = it["chain_pem"].as_array().unwrap().iter().map(|it| der(it.as_str().unwrap())).collect();
        let slices: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
        let challenge = hex(it["key_description"]["challenge_hex"].as_str().unwrap_or_default());
        // Where the file names no time, no time helps.
        let now_s = it["verify_at"].as_str().map_or(1_750_000_000, |it| it.parse::<jiff::Timestamp>().unwrap().as_second());
        let roots = [GOOGLE_ROOT_RSA, GOOGLE_ROOT_P384];
        let wanted = it["expected_default_policy"] == "accept";
        // Two chains write the same BER; one is from a real phone, the other stands for a broken one.
        let strict = id.starts_with("invalid-");
        match judge(&slices, &Expected { strict, ..expected(&challenge, &roots, now_s) }) {
            Ok(verdict) => {
                assert_eq!(verdict.holds(), wanted, "{id}: {:?}; {}", verdict.failed, it["reject_reasons"]);
                let other = judge(&slices, &expected(b"another challenge", &roots, now_s)).unwrap();
                assert!(other.broke("challenge") || !other.failed.is_empty(), "{id}: 236-N");
                if wanted {
                    accepted += 1;
                    let stranger = judge(&slices, &expected(&challenge, &[GOOGLE_ROOT_P384, GOOGLE_ROOT_RSA][2..], now_s)).unwrap();
                    assert!(stranger.broke("chain_root"), "{id}: 237-N");
                    let apples = judge(&slices, &expected(&challenge, &[APPLE_ROOT], now_s)).unwrap();
                    assert!(apples.broke("chain_root"), "{id}: 238-N");
                    // Ten years on: what the factory put in is as good as ever, what came over the air is long over (266-N).
                    let late = judge(&slices, &expected(&challenge, &roots, now_s + 10 * 365 * 86_400)).unwrap();
                    let over_the_air = chain.iter().any(|it| it.windows(8).any(|it| it == b"Droid CA"));
                    assert_eq!(late.failed.iter().any(|it| it.name == "chain_dates"), over_the_air, "{id}: {:?}", late.failed);
                    assert_eq!(late.holds(), !over_the_air, "{id}: {:?}", late.failed);
                    let serial = it["certificate_serials_hex"][1].as_str().unwrap().to_owned();
                    for (status, name) in [(Status::Revoked, "revoked"), (Status::Suspended, "suspended")] {
                        let listed = |it: &str| (it == serial).then_some(status);
                        let listed = Expected { status: &listed, ..expected(&challenge, &roots, now_s) };
                        assert_eq!(judge(&slices, &listed).unwrap().failed.iter().map(|it| it.name).collect::<Vec<_>>(), [name], "{id}");
                    }
                } else {
                    refused += 1;
                }
            }
            Err(why) => {
                assert!(!wanted, "{id}: {why}");
                unreadable += 1;
            }
        }
    }
    println!("Android chains: {accepted} accepted, {refused} refused, {unreadable} unreadable");
    assert_eq!(accepted + refused + unreadable, 34);
}

#[test]
fn the_status_list_names_a_certificate() {
    let Some(file) = vectors("android-key-attestation/revocation.json") else { return };
    let certificate = der(file["certificate_pem"].as_str().unwrap());
    let (_, parsed) = x509_parser::parse_x509_certificate(&certificate).unwrap();
    let serial: String = parsed.raw_serial().iter().map(|it| format!("{it:02x}")).collect();
    assert_eq!(serial.trim_start_matches('0'), file["serial_hex"].as_str().unwrap());
}

/// A key of our own making.
#[derive(Clone, Copy)]
struct Made {
    challenge: &'static [u8],
    package: &'static [u8],
    digest: u8,
    level: u8,
    key_level: u8,
    locked: bool,
    state: u8,
    patch: u32,
    origin: u8,
    purpose: u8,
    in_leaf: bool,
    in_intermediate: bool,
    root_in_software: bool,
    /// The intermediate names a batch of devices, as the factory's do.
    of_the_factory: bool,
    /// Its last year.
    until: i32,
    /// Organization of an intermediate that was provisioned over the air.
    provisioned: Option<&'static str>,
    /// In the hardware's list: ways in which the person is recognised, and for how many seconds.
    person: Option<(u32, Option<u32>)>,
    no_auth_required: bool,
    /// The hardware's list does not ascend.
    unordered: bool,
}

const GOOD: Made = Made {
    challenge: b"challenge",
    package: b"com.example.shop",
    digest: 7,
    level: 1,
    key_level: 1,
    locked: true,
    state: 0,
    patch: 202_610,
    origin: 0,
    purpose: 2,
    in_leaf: true,
    in_intermediate: false,
    root_in_software: false,
    of_the_factory: false,
    until: 4000,
    provisioned: None,
    person: None,
    no_auth_required: false,
    unordered: false,
};

fn tlv(tag: &[u8], content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let head: Vec<u8> = match length {
        0..=0x7f => vec![length as u8],
        0x80..=0xff => vec![0x81, length as u8],
        _ => vec![0x82, (length >> 8) as u8, length as u8],
    };
    [tag, &head, content].concat()
}

fn integer(value: u32) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let start = bytes.iter().position(|it| *it != 0).unwrap_or(3);
    let padded = if bytes[start] >= 0x80 { [&[0][..], &bytes[start..]].concat() } else { bytes[start..].to_vec() };
    tlv(&[2], &padded)
}

/// An explicit context tag.
fn tagged(number: u32, content: &[u8]) -> Vec<u8> {
    let tag = match number {
        0..31 => vec![0xa0 | number as u8],
        _ => vec![0xbf, 0x80 | (number >> 7) as u8, (number & 0x7f) as u8],
    };
    tlv(&tag, content)
}

fn description(it: &Made) -> Vec<u8> {
    let package = tlv(&[0x30], &[tlv(&[4], it.package), integer(1)].concat());
    let app = tlv(&[0x30], &[tlv(&[0x31], &package), tlv(&[0x31], &tlv(&[4], &[it.digest; 32]))].concat());
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

/// Leaf and intermediate in DER, and the key of their root.
fn chain(made: &Made) -> (Vec<Vec<u8>>, Vec<u8>) {
    let keys: Vec<KeyPair> = (0..3).map(|_| KeyPair::generate().unwrap()).collect();
    let params = |name: &str, ca: bool, describes: bool| {
        let mut it = CertificateParams::default();
        it.distinguished_name.push(DnType::CommonName, name);
        if ca {
            it.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        if describes {
            it.custom_extensions.push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 11129, 2, 1, 17], description(made)));
        }
        it
    };
    let root = params("root", true, false).self_signed(&keys[0]).unwrap();
    let mut between = params("middle", true, made.in_intermediate);
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
    let middle = between.signed_by(&keys[1], &Issuer::new(params("root", true, false), &keys[0])).unwrap();
    let leaf = params("leaf", false, made.in_leaf).signed_by(&keys[2], &Issuer::new(issuer, &keys[1])).unwrap();
    let (_, parsed) = x509_parser::parse_x509_certificate(root.der()).unwrap();
    (vec![leaf.der().to_vec(), middle.der().to_vec()], parsed.public_key().raw.to_vec())
}

fn broken(made: &Made) -> Vec<&'static str> {
    broken_by(made, &|_| ()).0
}

/// By stricter rules.
fn broken_by(made: &Made, stricter: &dyn Fn(&mut Expected<'_>)) -> (Vec<&'static str>, Facts) {
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

/// 264-N: a key that signs without the person, or asks for less than is wanted, where the person has to be there.
#[test]
fn the_hardware_asks_for_the_person() {
    let judged = |person: Option<(u32, Option<u32>)>, no_auth_required: bool, ways: i64, for_s: i64| {
        broken_by(&Made { person, no_auth_required, ..GOOD }, &|it| it.person = Some(Person { ways, for_s }))
    };
    let (failed, facts) = judged(Some((2, None)), false, BIOMETRIC, 0);
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!((facts.user_auth_type, facts.auth_timeout_s, facts.unlocked_device_required), (Some(2), None, true));
    assert_eq!((facts.algorithm, facts.key_size, facts.curve, facts.digests), (Some(3), Some(256), Some(1), vec![4]));
    for (person, ways, for_s) in
        [((2, Some(0)), BIOMETRIC, 0), ((2, Some(30)), BIOMETRIC, 30), ((3, None), BIOMETRIC | PASSWORD, 0), ((1, None), PASSWORD, 0)]
    {
        assert!(judged(Some(person), false, ways, for_s).0.is_empty(), "{person:?} {ways} {for_s}");
    }
    for (person, no_auth_required, ways, for_s) in [
        (None, false, BIOMETRIC, 0),
        (None, true, BIOMETRIC, 0),
        (Some((2, None)), true, BIOMETRIC, 0),
        (Some((1, None)), false, BIOMETRIC, 0),
        (Some((3, None)), false, BIOMETRIC, 0),
        (Some((0, None)), false, BIOMETRIC, 0),
        (Some((u32::MAX, None)), false, BIOMETRIC | PASSWORD, 0),
        (Some((2, Some(31))), false, BIOMETRIC, 30),
    ] {
        assert_eq!(judged(person, no_auth_required, ways, for_s).0, ["user_auth"], "{person:?} {no_auth_required} {ways} {for_s}");
    }
}

/// 267-N: tags out of order are read, for makers write them so, and refused where that is asked for.
#[test]
fn strict_means_in_order() {
    let strict = |it: &mut Expected<'_>| it.strict = true;
    assert!(broken_by(&GOOD, &strict).0.is_empty());
    let unordered = Made { unordered: true, ..GOOD };
    assert_eq!(broken_by(&unordered, &strict).0, ["encoding"]);
    assert!(broken(&unordered).is_empty());
}

/// Attesting keys of the factory's leak by the batch; those that came over the air are the phone's own and short-lived.
#[test]
fn the_factorys_keys_can_be_left_out() {
    let over_the_air = |it: &mut Expected<'_>| it.remotely_provisioned = true;
    assert!(broken_by(&Made { provisioned: Some("TEE"), ..GOOD }, &over_the_air).0.is_empty());
    assert_eq!(broken_by(&Made { of_the_factory: true, ..GOOD }, &over_the_air).0, ["provisioning"]);
}

/// 236-N, 254-N, 255-N, 256-N, 260-N, 262-N, 264-N: each lie breaks its rule, and without it nothing is broken.
#[test]
fn every_lie_breaks_its_rule() {
    assert!(broken(&GOOD).is_empty(), "{:?}", broken(&GOOD));
    for (made, rules) in [
        (Made { challenge: b"another", ..GOOD }, vec!["challenge"]),
        (Made { package: b"com.evil", ..GOOD }, vec!["package"]),
        (Made { digest: 8, ..GOOD }, vec!["signer"]),
        (Made { level: 0, key_level: 0, ..GOOD }, vec!["attestation_level", "key_level"]),
        (Made { key_level: 0, ..GOOD }, vec!["key_level", "levels_differ"]),
        (Made { level: 9, ..GOOD }, vec!["attestation_level", "levels_differ"]),
        (Made { locked: false, ..GOOD }, vec!["unlocked"]),
        (Made { state: 1, ..GOOD }, vec!["boot_state"]),
        (Made { state: 2, ..GOOD }, vec!["boot_state"]),
        (Made { state: 3, ..GOOD }, vec!["boot_state"]),
        (Made { patch: 202_512, ..GOOD }, vec!["patch"]),
        (Made { origin: 2, ..GOOD }, vec!["origin"]),
        (Made { purpose: 0, ..GOOD }, vec!["purpose"]),
        (Made { in_leaf: false, ..GOOD }, vec!["extension"]),
        (Made { in_leaf: false, in_intermediate: true, ..GOOD }, vec!["extension_place", "extension"]),
        (Made { in_intermediate: true, ..GOOD }, vec!["extension_place"]),
        (Made { root_in_software: true, ..GOOD }, vec!["boot_state", "unlocked"]),
        (Made { provisioned: Some("TEE"), ..GOOD }, vec![]),
        (Made { provisioned: Some("StrongBox"), level: 2, key_level: 2, ..GOOD }, vec![]),
        (Made { provisioned: Some("StrongBox"), ..GOOD }, vec!["provisioned_level"]),
        (Made { provisioned: Some("TEE"), level: 2, key_level: 2, ..GOOD }, vec!["provisioned_level"]),
        (Made { provisioned: Some("tee"), ..GOOD }, vec!["provisioned_level"]),
    ] {
        assert_eq!(broken(&made), rules);
    }
}

/// 266-N: certificates that the factory put in do not expire with the phone; all others do, by the server's own clock.
#[test]
fn only_the_factorys_certificates_outlive_their_date() {
    for (of_the_factory, until, rules) in
        [(true, 4000, vec![]), (false, 4000, vec![]), (true, 2020, vec![]), (false, 2020, vec!["chain_dates"])]
    {
        assert_eq!(broken(&Made { of_the_factory, until, ..GOOD }), rules, "{of_the_factory} {until}");
    }
}

/// 259-N: what the list names is refused wherever in the chain it stands; a list that is too old, or none, is no good news.
#[test]
fn the_list_is_asked_about_every_certificate() {
    let (chain, root) = chain(&GOOD);
    let slices: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    let roots = [root.as_slice()];
    let (fetched_s, day_s) = (1_700_000_000, 86_400);
    let judged = |list: &StatusList, now_s: i64| -> Vec<&'static str> {
        let expected = Expected { status: &list.at(now_s, day_s), ..expected(b"challenge", &roots, now_s) };
        judge(&slices, &expected).unwrap().failed.into_iter().map(|it| it.name).collect()
    };
    let list = |serial: &str| {
        let text = format!(r#"{{"entries":{{"{serial}":{{"status":"REVOKED"}}}}}}"#);
        StatusList::parse(text.as_bytes(), fetched_s).unwrap()
    };
    assert!(judged(&list("badbeef"), fetched_s + day_s).is_empty());
    assert_eq!(judged(&list("badbeef"), fetched_s + day_s + 1), ["status_stale"]);
    for one in &chain {
        let (_, parsed) = x509_parser::parse_x509_certificate(one).unwrap();
        let listed = list(&status_list::serial(parsed.raw_serial()));
        assert_eq!(judged(&listed, fetched_s), ["revoked"]);
        assert_eq!(judged(&listed, fetched_s + day_s + 1), ["revoked", "status_stale"]);
    }
    let none = Expected { status: &|_| Some(Status::Stale), ..expected(b"challenge", &roots, fetched_s) };
    assert!(judge(&slices, &none).unwrap().broke("status_stale"));
}

/// A system of the owner's own is welcome where its boot key is listed, and nowhere else.
#[test]
fn an_own_system_is_welcome_by_its_boot_key() {
    let (chain, root) = chain(&Made { state: 1, ..GOOD });
    let slices: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    let roots = [root.as_slice()];
    let judged = |keys: &[[u8; 32]]| {
        let expected = Expected { own_boot_keys: keys, ..expected(b"challenge", &roots, 1_700_000_000) };
        let verdict = judge(&slices, &expected).unwrap();
        assert_eq!(verdict.facts.boot_state, Some(BootState::SelfSigned));
        verdict.holds()
    };
    assert!(judged(&[[9; 32]]));
    assert!(!judged(&[[8; 32]]));
}

/// 267-N, 268-N, 285-N: hostile bytes are unreadable or refused, and nothing panics.
#[test]
fn hostile_bytes_pass_never() {
    let (chain, root) = chain(&GOOD);
    let roots = [root.as_slice()];
    let passes = |leaf: &[u8]| judge(&[leaf, &chain[1]], &expected(b"challenge", &roots, 1_700_000_000)).is_ok_and(|it| it.holds());
    assert!(passes(&chain[0]));
    for at in 0..chain[0].len() {
        let mut edited = chain[0].clone();
        edited[at] ^= 0x41;
        assert!(!passes(&edited), "edited at {at}");
        assert!(!passes(&chain[0][..at]), "cut at {at}");
    }
    assert!(!passes(&vec![0x30; 20_000]));
    assert!(judge(&[], &expected(b"", &roots, 0)).is_err());
}
