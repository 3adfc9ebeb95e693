//! App Attest on evidence from real devices, with every stated change, and on evidence of our own making with every lie.
//! Area N: 234-N and 236-N to 251-N, as far as they concern the evidence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use minicbor::Encoder;
use rcgen::{BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value as Json;
use std::path::PathBuf;
use symbolon_attest::app_attest::{APPLE_ROOT, Build, Environment, Expected, ExpectedAssertion, assertion, attestation};
use symbolon_oauth::base64url;
use symbolon_oauth::digest::sha256;

fn vectors(name: &str) -> Option<Json> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors");
    let root = std::env::var_os("SYMBOLON_VECTORS").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let Ok(text) = std::fs::read_to_string(root.join(name)) else {
        println!("skipped: {name} is not here; SYMBOLON_VECTORS names the directory");
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

fn base64(value: &Json) -> Vec<u8> {
    let text = value.as_str().unwrap().replace('+', "-").replace('/', "_");
    base64url::decode(text.trim_end_matches('=')).unwrap()
}

/// Every kind of build of an environment.
fn builds(environment: Environment) -> &'static [Build] {
    match environment {
        Environment::Development => &[Build::Development],
        Environment::Production => {
            &[Build::AppStore, Build::TestFlight, Build::Enterprise, Build::DeveloperId, Build::Platform, Build::Unsaid]
        }
    }
}

fn seconds(value: &Json) -> i64 {
    value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second()
}

fn client_data_hash(it: &Json, data: &[u8]) -> Vec<u8> {
    let raw = it["client_data_hash_rule"].as_str().is_some_and(|it| it.contains("NOT hashed"));
    if raw { data.to_vec() } else { sha256(data).to_vec() }
}

/// The rules an attestation breaks, with one thing changed.
fn judged(it: &Json, change: &str) -> Vec<&'static str> {
    let mut data = if it["client_data_b64"].is_string() { base64(&it["client_data_b64"]) } else { b"nobody knows".to_vec() };
    let (mut app, mut key_id) = (it["app_id"].as_str().unwrap().to_owned(), base64(&it["key_id_b64"]));
    let mut environment = if it["environment"] == "production" { Environment::Production } else { Environment::Development };
    let mut now_s = seconds(&it["verify_at"]);
    let mut roots = vec![APPLE_ROOT];
    let quoted = || change.split('"').nth(1).unwrap_or_default().to_owned();
    match change {
        "" => {}
        it if it.starts_with("client_data") => data.push(b'x'),
        it if it.starts_with("app_id") => app = quoted(),
        it if it.starts_with("key_id") => key_id = base64(&quoted().into()),
        it if it.starts_with("environment") => {
            environment = if it.ends_with("production") { Environment::Production } else { Environment::Development };
        }
        it if it.starts_with("verify_at") => now_s = seconds(&it.split(" = ").nth(1).unwrap().into()),
        it if it.starts_with("trust anchor") => roots.clear(),
        other => panic!("no such change: {other}"),
    }
    let expected = Expected {
        app_ids: &[&app],
        mac_app_ids: &[],
        client_data_hash: &client_data_hash(it, &data),
        key_id: &key_id,
        builds: builds(environment),
        roots: &roots,
        now_s,
    };
    let verdict = attestation(&base64(&it["attestation_object_b64"]), &expected).unwrap();
    if verdict.holds() {
        assert_eq!(verdict.facts.public_key, base64(&it["public_key_x962_b64"]));
        let version = it["authenticator_extensions"]["apple_bundle_version_01"].as_str();
        assert_eq!(verdict.facts.bundle_version.as_deref(), version);
    }
    verdict.failed.into_iter().map(|it| it.name).collect()
}

#[test]
fn every_real_attestation_and_every_change_of_it() {
    let Some(file) = vectors("app-attest/app-attest.json") else { return };
    let (mut accepted, mut refused) = (0, 0);
    for it in file["vectors"].as_array().unwrap().iter().filter(|it| it["kind"] == "attestation") {
        let id = it["id"].as_str().unwrap();
        let plain = judged(it, "");
        if it["expected"] == "accept" {
            assert!(plain.is_empty(), "{id}: {plain:?}");
            accepted += 1;
        } else {
            assert_eq!(plain, ["nonce"], "{id}: all verifies but the challenge, which nobody published");
            refused += 1;
        }
        for change in it["expected_reject"].as_array().into_iter().flatten() {
            let broken = judged(it, change["change"].as_str().unwrap());
            assert!(!broken.is_empty(), "{id}: {change}");
            refused += 1;
        }
    }
    println!("App Attest attestations: {accepted} accepted, {refused} refused");
    assert!(accepted > 20 && refused > 100);
}

#[test]
fn every_real_assertion_and_every_change_of_it() {
    let Some(file) = vectors("app-attest/app-attest.json") else { return };
    let all: Vec<&Json> = file["vectors"].as_array().unwrap().iter().filter(|it| it["kind"] == "assertion").collect();
    let (mut accepted, mut refused) = (0, 0);
    for it in &all {
        let judged = |change: &str| {
            let (mut data, mut app) = (base64(&it["client_data_b64"]), it["app_id"].as_str().unwrap().to_owned());
            let (mut key, mut counter) = (base64(&it["public_key_x962_b64"]), it["stored_counter_before"].as_u64().unwrap() as u32);
            match change {
                "" => {}
                it if it.starts_with("client_data") => data.push(b'x'),
                it if it.starts_with("app_id") => app.push('x'),
                it if it.starts_with("stored_counter") => counter = it.split(" = ").nth(1).unwrap().parse().unwrap(),
                it if it.starts_with("public key") => {
                    key = all.iter().map(|it| base64(&it["public_key_x962_b64"])).find(|it| *it != key).unwrap();
                }
                other => panic!("no such change: {other}"),
            }
            let hash = client_data_hash(it, &data);
            let expected = ExpectedAssertion { app_ids: &[&app], client_data_hash: &hash, public_key: &key, counter_above: counter };
            assertion(&base64(&it["assertion_b64"]), &expected).unwrap()
        };
        let good = judged("");
        assert!(good.holds(), "{}: {:?}", it["id"], good.failed);
        assert_eq!(u64::from(good.facts.counter), it["sign_count"].as_u64().unwrap());
        accepted += 1;
        for change in it["expected_reject"].as_array().unwrap() {
            assert!(!judged(change["change"].as_str().unwrap()).holds(), "{}: {change}", it["id"]);
            refused += 1;
        }
    }
    println!("App Attest assertions: {accepted} accepted, {refused} refused");
    assert!(accepted > 10);
}

/// 238-N: a root of the same vendor for other things, and the other vendor's, are no roots for this.
#[test]
fn the_right_vendors_other_roots_are_wrong() {
    let Some(file) = vectors("app-attest/app-attest.json") else { return };
    let named = ["Apple_WebAuthn_Root_CA", "AppleRootCA-G3", "google_hw_root_2022_rsa", "google_hw_root_2025_ec_p384"].map(spki);
    let wrong: Vec<&[u8]> = named.iter().map(|it| it.as_deref().unwrap()).collect();
    let mut tried = 0;
    for it in file["vectors"].as_array().unwrap().iter().filter(|it| it["kind"] == "attestation" && it["expected"] == "accept") {
        let (app, key_id) = (it["app_id"].as_str().unwrap(), base64(&it["key_id_b64"]));
        let environment = if it["environment"] == "production" { Environment::Production } else { Environment::Development };
        let client_data_hash = client_data_hash(it, &base64(&it["client_data_b64"]));
        let judged = |roots: &[&[u8]]| -> Vec<&'static str> {
            let now_s = seconds(&it["verify_at"]);
            let (client_data_hash, builds) = (&client_data_hash, builds(environment));
            let expected = Expected { app_ids: &[app], mac_app_ids: &[], client_data_hash, key_id: &key_id, builds, roots, now_s };
            attestation(&base64(&it["attestation_object_b64"]), &expected).unwrap().failed.into_iter().map(|it| it.name).collect()
        };
        assert_eq!(judged(&wrong), ["chain_root"], "{}", it["id"]);
        assert!(judged(&[APPLE_ROOT]).is_empty(), "{}", it["id"]);
        tried += 1;
    }
    assert!(tried > 20);
}

/// The public key of a trust anchor.
fn spki(name: &str) -> Option<Vec<u8>> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors");
    let root = std::env::var_os("SYMBOLON_VECTORS").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let pem = std::fs::read(root.join(format!("trust-anchors/{name}.pem"))).ok()?;
    let (_, pem) = x509_parser::pem::parse_x509_pem(&pem).ok()?;
    Some(pem.parse_x509().ok()?.public_key().raw.to_vec())
}

/// A device of our own making, under a root of its own.
struct Device {
    root: Vec<u8>,
    point: Vec<u8>,
    signer: EcdsaKeyPair,
    lie: Lie,
}

#[derive(Clone, Copy, PartialEq, Default)]
struct Lie {
    counter: u32,
    development: bool,
    app: bool,
    no_flag: bool,
    nonce_in_intermediate: bool,
    other_credential: bool,
    extra: bool,
    category: Option<u32>,
    /// 1.2.840.113635.100.8.6, between the tags around it.
    access: Option<&'static str>,
    machine: Machine,
}

/// What the app is listed for.
#[derive(Clone, Copy, PartialEq, Default)]
enum Machine {
    #[default]
    Phone,
    Mac,
    Both,
}

/// As an iPhone with iOS 26 says it.
const PHONE: &str = "30430c023131303d300a0c036f6b64a1030101ff30090c026f61a1030101ff300b0c046f73676ea1030101ff300b0c046f64656ca1030101ff300a0c036f636ba1030101ff";
/// As Apple's guide says that a Mac with System Integrity Protection and Full Security says it.
const MAC: &str = "MEAMAjExMDowCQwCb2uhAwEB/zAJDAJvYaEDAQH/MAsMBG9kZWyhAwEB/zAVDARvc2duoAYMBHJzZWMwBaYDAgEB";

fn access(it: &str) -> Vec<u8> {
    let value = match it {
        PHONE => (0..it.len() / 2).map(|at| u8::from_str_radix(&it[2 * at..2 * at + 2], 16).unwrap()).collect(),
        it => base64(&it.into()),
    };
    let length = value.len() as u8;
    [&[0x30, length + 4, 0xa3, length + 2, 0x04, length][..], &value].concat()
}

const APP: &str = "ABCDE12345.com.example.shop";
const NOW: i64 = 1_700_000_000;

impl Device {
    /// The attestation object for this client data hash.
    fn attest(hash: &[u8], lie: Lie) -> (Self, Vec<u8>) {
        let keys: Vec<KeyPair> = (0..3).map(|_| KeyPair::generate().unwrap()).collect();
        let point = keys[2].public_key_raw().to_vec();
        let data = authenticator_data(&point, lie);
        let nonce = sha256(&[data.as_slice(), hash].concat());
        let extension = || {
            let value = [[0x30, 0x24, 0xa1, 0x22, 0x04, 0x20].as_slice(), &nonce].concat();
            CustomExtension::from_oid_content(&[1, 2, 840, 113_635, 100, 8, 2], value)
        };
        let params = |name: &str, ca: bool| {
            let mut it = CertificateParams::default();
            it.distinguished_name.push(DnType::CommonName, name);
            if ca {
                it.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            }
            it
        };
        let root = params("root", true).self_signed(&keys[0]).unwrap();
        let mut middle = params("middle", true);
        let mut leaf = params("leaf", false);
        let place = if lie.nonce_in_intermediate { &mut middle } else { &mut leaf };
        place.custom_extensions.push(extension());
        if let Some(it) = lie.access {
            leaf.custom_extensions.push(CustomExtension::from_oid_content(&[1, 2, 840, 113_635, 100, 8, 6], access(it)));
        }
        let middle_made = middle.signed_by(&keys[1], &Issuer::new(params("root", true), &keys[0])).unwrap();
        let leaf = leaf.signed_by(&keys[2], &Issuer::new(params("middle", true), &keys[1])).unwrap();
        let (_, parsed) = x509_parser::parse_x509_certificate(root.der()).unwrap();
        let spki = parsed.public_key().raw.to_vec();
        let pkcs8 = keys[2].serialize_der();
        let signer = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8).unwrap();
        let object = object(&[leaf.der(), middle_made.der()], &data);
        (Self { root: spki, point, signer, lie }, object)
    }

    fn judged(&self, object: &[u8], hash: &[u8]) -> Vec<&'static str> {
        let key_id = sha256(&self.point);
        let expected = Expected {
            app_ids: if self.lie.machine == Machine::Mac { &["OTHER.app"] } else { &["OTHER.app", APP] },
            mac_app_ids: if self.lie.machine == Machine::Phone { &[] } else { &[APP] },
            client_data_hash: hash,
            key_id: &key_id,
            builds: &[Build::Unsaid, Build::AppStore],
            roots: &[&self.root],
            now_s: NOW,
        };
        attestation(object, &expected).unwrap().failed.into_iter().map(|it| it.name).collect()
    }

    fn assert(&self, hash: &[u8], counter: u32) -> Vec<u8> {
        let data = [&sha256(APP.as_bytes())[..], &[0x40], &counter.to_be_bytes()].concat();
        let nonce = sha256(&[data.as_slice(), hash].concat());
        let signature = self.signer.sign(&SystemRandom::new(), &nonce).unwrap();
        let mut out = Encoder::new(Vec::new());
        out.map(2).unwrap().str("signature").unwrap().bytes(signature.as_ref()).unwrap();
        out.str("authenticatorData").unwrap().bytes(&data).unwrap();
        out.into_writer()
    }
}

fn authenticator_data(point: &[u8], lie: Lie) -> Vec<u8> {
    let app = if lie.app { "EVIL.app" } else { APP };
    let aaguid: &[u8] = if lie.development { b"appattestdevelop" } else { b"appattest\0\0\0\0\0\0\0" };
    let id = if lie.other_credential { sha256(b"another") } else { sha256(point) };
    let mut key = Encoder::new(Vec::new());
    key.map(5).unwrap().i8(1).unwrap().i8(2).unwrap().i8(3).unwrap().i8(-7).unwrap().i8(-1).unwrap().i8(1).unwrap();
    key.i8(-2).unwrap().bytes(&point[1..33]).unwrap().i8(-3).unwrap().bytes(&point[33..]).unwrap();
    let mut tail = key.into_writer();
    if lie.extra {
        let mut map = Encoder::new(tail);
        map.map(1).unwrap().str("apple_bundle_version_01").unwrap().str("42").unwrap();
        tail = map.into_writer();
    }
    if let Some(it) = lie.category {
        let mut map = Encoder::new(tail);
        map.map(1).unwrap().str("apple_validation_category_01").unwrap().bytes(&it.to_le_bytes()).unwrap();
        tail = map.into_writer();
    }
    let flags = if lie.no_flag { 0 } else { 0x40 };
    [&sha256(app.as_bytes())[..], &[flags], &lie.counter.to_be_bytes(), aaguid, &[0, 32], &id, &tail].concat()
}

fn object(chain: &[&[u8]], data: &[u8]) -> Vec<u8> {
    let mut out = Encoder::new(Vec::new());
    out.map(3).unwrap().str("fmt").unwrap().str("apple-appattest").unwrap().str("attStmt").unwrap().map(2).unwrap();
    out.str("x5c").unwrap().array(chain.len() as u64).unwrap();
    for one in chain {
        out.bytes(one).unwrap();
    }
    out.str("receipt").unwrap().bytes(b"receipt").unwrap().str("authData").unwrap().bytes(data).unwrap();
    out.into_writer()
}

/// 237-N, 240-N, 241-N, 244-N, 246-N, 263-N: each lie breaks its rule, and without it nothing is broken.
#[test]
fn every_lie_breaks_its_rule() {
    let hash = sha256(b"challenge");
    let judged = |lie: Lie| {
        let (device, object) = Device::attest(&hash, lie);
        assert!(device.lie == lie);
        device.judged(&object, &hash)
    };
    assert!(judged(Lie::default()).is_empty(), "{:?}", judged(Lie::default()));
    assert!(judged(Lie { extra: true, ..Lie::default() }).is_empty(), "iOS 27 appends a map");
    for (lie, rule) in [
        (Lie { counter: 1, ..Lie::default() }, "counter"),
        (Lie { development: true, ..Lie::default() }, "build"),
        (Lie { app: true, ..Lie::default() }, "app"),
        (Lie { no_flag: true, ..Lie::default() }, "flags"),
        (Lie { other_credential: true, ..Lie::default() }, "credential_id"),
    ] {
        assert_eq!(judged(lie), [rule]);
    }
    assert_eq!(judged(Lie { nonce_in_intermediate: true, ..Lie::default() }), ["nonce", "nonce_place"]);
    let (device, object) = Device::attest(&hash, Lie::default());
    assert_eq!(device.judged(&object, &sha256(b"another challenge")), ["nonce"], "236-N");
    let (other, _) = Device::attest(&hash, Lie::default());
    let mixed = Device { root: other.root.clone(), ..device };
    assert_eq!(mixed.judged(&object, &hash), ["chain_root"], "237-N");
    let stranger = Device { point: other.point.clone(), ..mixed };
    assert!(stranger.judged(&object, &hash).contains(&"key_id"));
}

/// 240-N: whose build it is, from iOS 27 on by what the system says; a developer's is one in either environment.
#[test]
fn a_build_is_of_the_kind_that_is_accepted() {
    let hash = sha256(b"challenge");
    let judged = |development: bool, category: Option<u32>| {
        let (device, object) = Device::attest(&hash, Lie { development, category, ..Lie::default() });
        device.judged(&object, &hash)
    };
    for good in [None, Some(4)] {
        assert!(judged(false, good).is_empty(), "{good:?}");
    }
    for bad in [0, 1, 2, 3, 5, 6, 7, 10, 11, u32::MAX] {
        assert_eq!(judged(false, Some(bad)), ["build"], "{bad}");
    }
    for development in [None, Some(3), Some(4), Some(0)] {
        assert_eq!(judged(true, development), ["build"], "{development:?}");
    }
    assert_eq!(Build::of(Environment::Development, Some(4)), Some(Build::Development));
    assert_eq!(Build::of(Environment::Production, Some(3)), Some(Build::Development));
    assert_eq!(Build::of(Environment::Development, Some(0)), None);
}

/// A Mac whose owner took its protection away runs what it likes inside the genuine app.
#[test]
fn a_mac_protects_its_system() {
    let hash = sha256(b"challenge");
    let judged = |machine: Machine, access: Option<&'static str>| {
        let (device, object) = Device::attest(&hash, Lie { machine, access, ..Lie::default() });
        device.judged(&object, &hash)
    };
    // "MEAM...BgEB": the same Mac with another security mode.
    let other = "MEAMAjExMDowCQwCb2uhAwEB/zAJDAJvYaEDAQH/MAsMBG9kZWyhAwEB/zAVDARvc2duoAYMBHJzZWMwBaYDAgEC";
    for (machine, good) in [
        (Machine::Phone, None),
        (Machine::Phone, Some(PHONE)),
        (Machine::Mac, Some(MAC)),
        (Machine::Both, None),
        (Machine::Both, Some(PHONE)),
        (Machine::Both, Some(MAC)),
        // Not of the form we know: a later system says it in its own way.
        (Machine::Phone, Some("MAA")),
    ] {
        assert!(judged(machine, good).is_empty(), "{good:?}");
    }
    for (machine, bad) in [
        (Machine::Phone, Some(MAC)),
        (Machine::Phone, Some(other)),
        (Machine::Mac, None),
        (Machine::Mac, Some(PHONE)),
        (Machine::Mac, Some(other)),
        (Machine::Both, Some(other)),
    ] {
        assert_eq!(judged(machine, bad), ["machine"], "{bad:?}");
    }
}

/// 250-N, 251-N
#[test]
fn an_assertion_is_for_one_request_and_one_key() {
    let hash = sha256(b"request");
    let (device, _) = Device::attest(&hash, Lie::default());
    let made = device.assert(&hash, 5);
    let judged = |made: &[u8], hash: &[u8], key: &[u8], counter_above: u32| -> Vec<&'static str> {
        let expected = ExpectedAssertion { app_ids: &[APP], client_data_hash: hash, public_key: key, counter_above };
        assertion(made, &expected).unwrap().failed.into_iter().map(|it| it.name).collect()
    };
    assert!(judged(&made, &hash, &device.point, 4).is_empty());
    assert_eq!(judged(&made, &hash, &device.point, 5), ["counter"]);
    assert_eq!(judged(&made, &sha256(b"another"), &device.point, 4), ["signature"]);
    let (other, _) = Device::attest(&hash, Lie::default());
    assert_eq!(judged(&made, &hash, &other.point, 4), ["signature"]);
    assert_eq!(judged(&made, &hash, b"no key", 4), ["signature"]);
}

/// 247-N, 285-N: hostile bytes are unreadable or refused, and nothing panics.
#[test]
fn hostile_bytes_cost_little_and_pass_never() {
    let hash = sha256(b"challenge");
    let (device, good) = Device::attest(&hash, Lie::default());
    let key_id = sha256(&device.point);
    let expected = Expected {
        app_ids: &[APP],
        mac_app_ids: &[],
        client_data_hash: &hash,
        key_id: &key_id,
        builds: &[Build::Unsaid],
        roots: &[&device.root],
        now_s: NOW,
    };
    let passes = |bytes: &[u8]| attestation(bytes, &expected).is_ok_and(|it| it.holds());
    assert!(passes(&good));
    for cut in 0..good.len() {
        assert!(!passes(&good[..cut]), "cut at {cut}");
    }
    for at in 0..good.len() {
        let mut edited = good.clone();
        edited[at] ^= 0x41;
        // The receipt is not looked into; every other byte counts.
        let in_receipt =
            good.windows(7).position(|it| it == b"receipt").is_some_and(|_| edited.windows(7).filter(|it| *it == b"receipt").count() < 2);
        assert!(!passes(&edited) || in_receipt, "edited at {at}: {:02x?}", &good[at.saturating_sub(12)..at + 8]);
    }
    assert!(!passes(&[good.as_slice(), &[0]].concat()), "bytes behind");
    assert!(!passes(&vec![0x81; 60_000]), "deep nesting");
    assert!(!passes(&vec![0xa3; 70_000]), "too large");
    let indefinite = [&[0xbf], &good[1..], &[0xff]].concat();
    assert!(!passes(&indefinite), "indefinite length");
    let mut twice = Encoder::new(Vec::new());
    twice.map(3).unwrap().str("fmt").unwrap().str("apple-appattest").unwrap().str("fmt").unwrap().str("apple-appattest").unwrap();
    twice.str("authData").unwrap().bytes(b"").unwrap();
    assert!(!passes(&twice.into_writer()), "a member twice");
}
