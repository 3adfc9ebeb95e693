//! App Attest on evidence from real devices, with every stated change, and on evidence of our own making with every lie.
//! Area N, as far as it concerns the evidence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod made;

use made::apple::{APP, Device, Lie, MAC, Machine, NOW, PHONE, object};
use made::{base64, vector_path, vectors};
use minicbor::Encoder;
use serde_json::Value as Json;
use symbolon_attest::Unreadable;
use symbolon_attest::app_attest::{APPLE_ROOT, Build, Environment, Expected, ExpectedAssertion, assertion, attestation};
use symbolon_oauth::digest::sha256;

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

fn client_data_hash(vector: &Json, data: &[u8]) -> Vec<u8> {
    let raw = vector["client_data_hash_rule"].as_str().is_some_and(|it| it.contains("NOT hashed"));
    if raw { data.to_vec() } else { sha256(data).to_vec() }
}

/// The rules an attestation breaks, with one thing changed.
fn judged(vector: &Json, change: &str) -> Vec<&'static str> {
    let mut data = if vector["client_data_b64"].is_string() { base64(&vector["client_data_b64"]) } else { b"nobody knows".to_vec() };
    let (mut app, mut key_id) = (vector["app_id"].as_str().unwrap().to_owned(), base64(&vector["key_id_b64"]));
    let mut environment = if vector["environment"] == "production" { Environment::Production } else { Environment::Development };
    let mut now_s = seconds(&vector["verify_at"]);
    let mut roots = vec![APPLE_ROOT];
    let quoted = || change.split('"').nth(1).unwrap_or_default().to_owned();
    match change {
        "" => {}
        named if named.starts_with("client_data") => data.push(b'x'),
        named if named.starts_with("app_id") => app = quoted(),
        named if named.starts_with("key_id") => key_id = base64(&quoted().into()),
        named if named.starts_with("environment") => {
            environment = if change.ends_with("production") { Environment::Production } else { Environment::Development };
        }
        named if named.starts_with("verify_at") => now_s = seconds(&named.split(" = ").nth(1).unwrap().into()),
        named if named.starts_with("trust anchor") => roots.clear(),
        other => panic!("no such change: {other}"),
    }
    let expected = Expected {
        app_ids: &[&app],
        mac_app_ids: &[],
        client_data_hash: &client_data_hash(vector, &data),
        key_id: &key_id,
        builds: builds(environment),
        roots: &roots,
        now_s,
    };
    let verdict = attestation(&base64(&vector["attestation_object_b64"]), &expected).unwrap();
    if verdict.holds() {
        assert_eq!(verdict.facts.public_key, base64(&vector["public_key_x962_b64"]));
        let version = vector["authenticator_extensions"]["apple_bundle_version_01"].as_str();
        assert_eq!(verdict.facts.bundle_version.as_deref(), version);
    }
    verdict.failed.into_iter().map(|it| it.name).collect()
}

#[test]
fn every_real_attestation_and_every_change_of_it() {
    let Some(file) = vectors("app-attest/app-attest.json") else { return };
    let (mut accepted, mut refused) = (0, 0);
    for vector in file["vectors"].as_array().unwrap().iter().filter(|it| it["kind"] == "attestation") {
        let id = vector["id"].as_str().unwrap();
        let plain = judged(vector, "");
        if vector["expected"] == "accept" {
            assert!(plain.is_empty(), "{id}: {plain:?}");
            accepted += 1;
        } else {
            assert_eq!(plain, ["nonce"], "{id}: all verifies but the challenge, which nobody published");
            refused += 1;
        }
        for change in vector["expected_reject"].as_array().into_iter().flatten() {
            let broken = judged(vector, change["change"].as_str().unwrap());
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
    for vector in &all {
        let judged = |change: &str| {
            let (mut data, mut app) = (base64(&vector["client_data_b64"]), vector["app_id"].as_str().unwrap().to_owned());
            let (mut key, mut counter) = (base64(&vector["public_key_x962_b64"]), vector["stored_counter_before"].as_u64().unwrap() as u32);
            match change {
                "" => {}
                named if named.starts_with("client_data") => data.push(b'x'),
                named if named.starts_with("app_id") => app.push('x'),
                named if named.starts_with("stored_counter") => counter = named.split(" = ").nth(1).unwrap().parse().unwrap(),
                named if named.starts_with("public key") => {
                    key = all.iter().map(|it| base64(&it["public_key_x962_b64"])).find(|other| *other != key).unwrap();
                }
                other => panic!("no such change: {other}"),
            }
            let hash = client_data_hash(vector, &data);
            let expected = ExpectedAssertion { app_ids: &[&app], client_data_hash: &hash, public_key: &key, counter_above: counter };
            assertion(&base64(&vector["assertion_b64"]), &expected).unwrap()
        };
        let good = judged("");
        assert!(good.holds(), "{}: {:?}", vector["id"], good.failed);
        assert_eq!(u64::from(good.facts.counter), vector["sign_count"].as_u64().unwrap());
        accepted += 1;
        for change in vector["expected_reject"].as_array().unwrap() {
            assert!(!judged(change["change"].as_str().unwrap()).holds(), "{}: {change}", vector["id"]);
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
    for vector in file["vectors"].as_array().unwrap().iter().filter(|it| it["kind"] == "attestation" && it["expected"] == "accept") {
        let (app, key_id) = (vector["app_id"].as_str().unwrap(), base64(&vector["key_id_b64"]));
        let environment = if vector["environment"] == "production" { Environment::Production } else { Environment::Development };
        let client_data_hash = client_data_hash(vector, &base64(&vector["client_data_b64"]));
        let judged = |roots: &[&[u8]]| -> Vec<&'static str> {
            let now_s = seconds(&vector["verify_at"]);
            let (client_data_hash, builds) = (&client_data_hash, builds(environment));
            let expected = Expected { app_ids: &[app], mac_app_ids: &[], client_data_hash, key_id: &key_id, builds, roots, now_s };
            attestation(&base64(&vector["attestation_object_b64"]), &expected).unwrap().failed.into_iter().map(|it| it.name).collect()
        };
        assert_eq!(judged(&wrong), ["chain_root"], "{}", vector["id"]);
        assert!(judged(&[APPLE_ROOT]).is_empty(), "{}", vector["id"]);
        tried += 1;
    }
    assert!(tried > 20);
}

/// The public key of a trust anchor.
fn spki(name: &str) -> Option<Vec<u8>> {
    let pem = std::fs::read(vector_path(&format!("trust-anchors/{name}.pem"))).ok()?;
    let (_, pem) = x509_parser::pem::parse_x509_pem(&pem).ok()?;
    Some(pem.parse_x509().ok()?.public_key().raw.to_vec())
}

/// 236-N, 237-N, 240-N, 241-N, 244-N, 246-N: each lie breaks its rule, and without it nothing is broken.
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
    let nonces = |leaf: usize, intermediate: usize| judged(Lie { nonces: Some([leaf, intermediate]), ..Lie::default() });
    assert!(nonces(1, 0).is_empty());
    for (leaf, intermediate, rules) in [
        (0, 0, &["nonce"][..]),
        (0, 1, &["nonce", "nonce_place"]),
        (2, 0, &["nonce"]),
        (1, 1, &["nonce_place"]),
        (1, 2, &["nonce_place"]),
        (2, 1, &["nonce", "nonce_place"]),
    ] {
        assert_eq!(nonces(leaf, intermediate), rules, "244-N: {leaf} in the leaf, {intermediate} in the intermediate");
    }
    let (device, object) = Device::attest(&hash, Lie::default());
    assert_eq!(device.judged(&object, &sha256(b"another challenge")), ["nonce"], "236-N");
    let (other, _) = Device::attest(&hash, Lie::default());
    let mixed = Device { root: other.root.clone(), ..device };
    assert_eq!(mixed.judged(&object, &hash), ["chain_root"], "237-N");
    let stranger = Device { point: other.point.clone(), ..mixed };
    assert!(stranger.judged(&object, &hash).contains(&"key_id"));
}

/// 243-N: the leaf and the intermediate, in this order, and perhaps the root; nothing else, nothing less.
#[test]
fn a_chain_is_whole_and_in_order() {
    let hash = sha256(b"challenge");
    let (device, _) = Device::attest(&hash, Lie::default());
    let (other, _) = Device::attest(&hash, Lie::default());
    let [leaf, middle, root] = [0, 1, 2].map(|at| device.chain[at].as_slice());
    let [stranger, _, foreign] = [0, 1, 2].map(|at| other.chain[at].as_slice());
    let judged = |chain: &[&[u8]]| device.judged(&object(chain, &device.data), &hash);
    for whole in [&[leaf, middle][..], &[leaf, middle, root]] {
        assert!(judged(whole).is_empty(), "{:?}", judged(whole));
    }
    let unlinked = ["chain_names", "chain_signature"];
    let another_leaf = ["nonce", "key_id", "credential_id", "credential_key"];
    for (what, chain, rules) in [
        ("swapped", &[middle, leaf][..], &[&unlinked[..], &["chain_ca", "chain_root", "nonce", "nonce_place"], &another_leaf[1..]][..]),
        ("the root before the intermediate", &[leaf, root, middle], &[&unlinked, &unlinked]),
        ("no intermediate", &[leaf], &[&["chain_root", "chain_length"]]),
        ("no intermediate", &[leaf, root], &[&unlinked]),
        ("no leaf", &[middle], &[&["chain_length"], &another_leaf]),
        ("no leaf", &[middle, root], &[&another_leaf]),
        ("the intermediate twice", &[leaf, middle, middle], &[&unlinked]),
        ("another leaf in front", &[stranger, leaf, middle], &[&unlinked, &["chain_ca", "nonce", "nonce_place"], &another_leaf[1..]]),
        ("another leaf behind", &[leaf, middle, stranger], &[&unlinked, &["chain_ca", "chain_root", "nonce_place"]]),
        ("a fourth, which is the root", &[leaf, middle, root, root], &[&["chain_length"]]),
        ("a fourth, of another root", &[leaf, middle, root, foreign], &[&["chain_signature", "chain_root", "chain_length"]]),
        (
            "a fourth, which is the leaf",
            &[leaf, middle, root, leaf],
            &[&unlinked, &["chain_ca", "chain_root", "chain_length", "nonce_place"]],
        ),
    ] {
        assert_eq!(judged(chain), rules.concat(), "{what}");
    }
    for none in [&[][..], &[leaf, middle, root, root, root, root]] {
        let read = device.read(&object(none, &device.data), &hash);
        assert_eq!(read, Err(Unreadable("the CBOR is not of the shape Apple documents")), "{} certificates", none.len());
    }
}

/// 246-N: behind the credential stands nothing, or the one map of iOS 27, and nothing behind that. The nonce is about all of it.
#[test]
fn nothing_stands_behind_the_authenticator_data() {
    let hash = sha256(b"challenge");
    let judged = |behind: &'static [u8], extra: bool| {
        let (device, object) = Device::attest(&hash, Lie { behind, extra, ..Lie::default() });
        device.read(&object, &hash)
    };
    for good in [false, true] {
        assert_eq!(judged(b"", good), Ok(vec![]));
    }
    let cut = Err(Unreadable("the authenticator data are cut off or too long"));
    for bad in
        [&b"\0"[..], b"\xff", b"\x80", b"\x40", b"\xa1", b"\xa0\0", b"\xbf\xff", b"\xf6", b"\xa1\x61a\x81\x01\0", b"\xa2\x61a\x01\x61a\x01"]
    {
        assert_eq!(judged(bad, false), cut, "{bad:02x?}");
        assert_eq!(judged(bad, true), cut, "{bad:02x?} behind the map");
    }
    assert_eq!(judged(b"\xa0", true), cut, "a second map");
    // What somebody put behind what Apple signed.
    let (device, _) = Device::attest(&hash, Lie::default());
    let chain = [device.chain[0].as_slice(), &device.chain[1]];
    let longer = |behind: &[u8]| device.read(&object(&chain, &[&device.data, behind].concat()), &hash);
    assert_eq!(longer(b""), Ok(vec![]));
    assert_eq!(longer(b"\0"), cut);
    assert_eq!(longer(b"\xa1\x61a\x01"), Ok(vec!["nonce"]));
}

/// Values of a later system: of every type, within the budget.
const LATER: [&[u8]; 12] = [
    b"\x01",
    b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x38\x18",
    b"\x41\x00",
    b"\x61a",
    b"\x81\x01",
    b"\x9f\x01\xff",
    b"\xa1\x01\xa1\x61a\xf6",
    b"\xc0\x61a",
    b"\xf5",
    b"\xfb\x00\x00\x00\x00\x00\x00\x00\x00",
    b"\xf8\x20",
];
/// No CBOR, or nested without an end.
const BROKEN: [&[u8]; 6] = [b"\xff", b"\x1c", b"\x81", b"\xf8\x01", b"\x62\xc3\x28", &[0x81; 40]];

/// Members of a map in CBOR, with their names.
fn map(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Encoder::new(Vec::new());
    out.map(members.len() as u64).unwrap();
    members.iter().fold(out.into_writer(), |all, (name, value)| {
        let mut out = Encoder::new(all);
        out.str(name).unwrap();
        [out.into_writer(), value.to_vec()].concat()
    })
}

/// The next system version locks nobody out: an extension that nobody knew is skipped, whatever it holds. Those that are known are what
/// they were.
#[test]
fn unknown_extensions_are_skipped_within_the_budget() {
    let hash = sha256(b"challenge");
    let broken = Err(Unreadable("a value in the CBOR is not well-formed or nested too deeply"));
    let cut = Err(Unreadable("the authenticator data are cut off or too long"));
    let attested = |behind: Vec<u8>| {
        let (device, object) = Device::attest(&hash, Lie { behind: behind.leak(), ..Lie::default() });
        device.read(&object, &hash)
    };
    let (device, _) = Device::attest(&hash, Lie::default());
    let asserted = |behind: &[u8]| {
        let made = device.assert_with(&hash, 5, behind);
        let expected = ExpectedAssertion { app_ids: &[APP], client_data_hash: &hash, public_key: &device.point, counter_above: 4 };
        let verdict = assertion(&made, &expected)?;
        Ok(verdict.failed.into_iter().map(|it| it.name).collect::<Vec<_>>())
    };
    let both = |behind: Vec<u8>| {
        let said = attested(behind.clone());
        assert_eq!(asserted(&behind), said, "an assertion says the same");
        said
    };
    let (version, category): ((&str, &[u8]), (&str, &[u8])) =
        (("apple_bundle_version_01", b"\x6242"), ("apple_validation_category_01", b"\x44\x04\x00\x00\x00"));
    for value in LATER {
        assert_eq!(both(map(&[("apple_later_01", value)])), Ok(vec![]), "{value:02x?}");
        assert_eq!(both(map(&[version, ("apple_later_01", value), category])), Ok(vec![]), "{value:02x?} between");
        assert_eq!(both([map(&[("apple_later_01", value)]), vec![0]].concat()), cut, "{value:02x?} with a byte behind");
        assert_eq!(both(map(&[("apple_later_01", value), ("apple_later_01", value)])), cut, "{value:02x?} twice");
    }
    for value in BROKEN {
        assert_eq!(both(map(&[version, ("apple_later_01", value)])), broken, "{value:02x?}");
    }
    let names: Vec<String> = (0..17).map(|it| format!("apple_{it}")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|it| (it.as_str(), &b"\x00"[..])).collect();
    assert_eq!(both(map(&many[..16])), Ok(vec![]));
    assert_eq!(both(map(&many)), cut);
    for bad in
        [(version.0, &b"\x01"[..]), (version.0, b"\x80"), (category.0, b"\x61a"), (category.0, b"\x43\x04\x00\x00"), (category.0, b"\x80")]
    {
        assert_eq!(both(map(&[bad])), cut, "{bad:02x?}: what is known has its type");
    }
    assert_eq!(attested(map(&[(category.0, b"\x03"), ("apple_later_01", b"\x80")])), Ok(vec!["build"]), "and is judged");
}

/// The statement may have members that nobody knew: none of them decides anything.
#[test]
fn unknown_members_of_the_statement_are_skipped_within_the_budget() {
    let hash = sha256(b"challenge");
    let (device, _) = Device::attest(&hash, Lie::default());
    let mut certificates = Encoder::new(Vec::new());
    certificates.array(2).unwrap().bytes(&device.chain[0]).unwrap().bytes(&device.chain[1]).unwrap();
    let certificates = certificates.into_writer();
    let (x5c, receipt): ((&str, &[u8]), (&str, &[u8])) = (("x5c", &certificates), ("receipt", b"\x40"));
    let read = |statement: &[(&str, &[u8])]| {
        let mut data = Encoder::new(Vec::new());
        data.bytes(&device.data).unwrap();
        let (statement, data) = (map(statement), data.into_writer());
        device.read(&map(&[("fmt", b"\x6fapple-appattest"), ("attStmt", &statement), ("authData", &data)]), &hash)
    };
    let shapeless = Err(Unreadable("the CBOR is not of the shape Apple documents"));
    let broken = Err(Unreadable("a value in the CBOR is not well-formed or nested too deeply"));
    assert_eq!(read(&[x5c, receipt]), Ok(vec![]));
    for value in LATER {
        for statement in [[("later", value), x5c, receipt], [x5c, ("later", value), receipt], [receipt, x5c, ("later", value)]] {
            assert_eq!(read(&statement), Ok(vec![]), "{value:02x?}");
        }
        assert_eq!(read(&[x5c, ("later", value), receipt, ("later", value)]), shapeless, "{value:02x?} twice");
        assert_eq!(read(&[x5c, ("later", value)]), shapeless, "{value:02x?} is no receipt");
        assert_eq!(read(&[receipt, ("later", value)]), shapeless, "{value:02x?} is no certificate");
    }
    for value in BROKEN {
        // An array that lacks its element takes the next name for it.
        let why = if value == [0x81] { &shapeless } else { &broken };
        assert_eq!(read(&[x5c, ("later", value), receipt]), *why, "{value:02x?}");
    }
    for twice in [[x5c, receipt, x5c], [x5c, receipt, receipt]] {
        assert_eq!(read(&twice), shapeless);
    }
    let names: Vec<String> = (0..15).map(|it| format!("later{it}")).collect();
    let many: Vec<(&str, &[u8])> = [x5c, receipt].into_iter().chain(names.iter().map(|it| (it.as_str(), &b"\x00"[..]))).collect();
    assert_eq!(read(&many[..16]), Ok(vec![]));
    assert_eq!(read(&many), shapeless);
}

/// The same of members beside the documented ones, of an attestation and of an assertion.
#[test]
fn unknown_members_of_both_objects_are_skipped_within_the_budget() {
    let hash = sha256(b"challenge");
    let (device, object) = Device::attest(&hash, Lie::default());
    let made = device.assert_with(&hash, 5, &[]);
    let attested = |object: &[u8]| device.read(object, &hash);
    let asserted = |made: &[u8]| {
        let expected = ExpectedAssertion { app_ids: &[APP], client_data_hash: &hash, public_key: &device.point, counter_above: 4 };
        let verdict = assertion(made, &expected)?;
        Ok(verdict.failed.into_iter().map(|it| it.name).collect::<Vec<_>>())
    };
    let shapeless = || Err(Unreadable("the CBOR is not of the shape Apple documents"));
    let broken = || Err(Unreadable("a value in the CBOR is not well-formed or nested too deeply"));
    // The documented members behind further ones, and before them.
    let with = |good: &[u8], count: u8, more: &[(&str, &[u8])]| {
        let head = [0xa0 + count + u8::try_from(more.len()).unwrap()];
        let more = &map(more)[1..];
        [[&head[..], more, &good[1..]].concat(), [&head[..], &good[1..], more].concat()]
    };
    let both = |more: &[(&str, &[u8])]| {
        let mut said: Vec<_> = with(&object, 3, more).iter().map(|it| attested(it)).collect();
        said.extend(with(&made, 2, more).iter().map(|it| asserted(it)));
        said.dedup();
        said
    };
    assert_eq!(both(&[]), [Ok(vec![])]);
    for value in LATER {
        assert_eq!(both(&[("later", value)]), [Ok(vec![])], "{value:02x?}");
        assert_eq!(both(&[("later", value), ("later", value)]), [shapeless()], "{value:02x?} twice");
    }
    for value in [&b"\xff"[..], b"\x1c", b"\xf8\x01", &[0x81; 40]] {
        assert_eq!(both(&[("later", value)]), [broken()], "{value:02x?}");
    }
    for twice in ["fmt", "authData"] {
        assert_eq!(with(&object, 3, &[(twice, b"\x40")]).map(|it| attested(&it).is_err()), [true; 2], "{twice}");
    }
    for twice in ["signature", "authenticatorData"] {
        assert_eq!(with(&made, 2, &[(twice, b"\x40")]).map(|it| asserted(&it).is_err()), [true; 2], "{twice}");
    }
    let names: Vec<String> = (0..15).map(|it| format!("later{it}")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|it| (it.as_str(), &b"\x00"[..])).collect();
    assert_eq!(both(&many[..13]).first(), Some(&Ok(vec![])));
    assert_eq!(with(&made, 2, &many[..14]).map(|it| asserted(&it)), [Ok(vec![]), Ok(vec![])]);
    assert_eq!(both(&many), [shapeless()]);
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

/// 247-N: hostile bytes are unreadable or refused, and nothing panics.
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
    assert!(!passes(&[good.as_slice(), &good].concat()), "two objects");
    let member = good.windows(7).position(|it| it == b"receipt").unwrap() + 7;
    let long = [&good[..member], &[0x5a, 0x00, 0x98, 0x96, 0x80], &vec![0; 10_000_000], &good[member + 8..]].concat();
    assert!(!passes(&long), "a string of 10 MB");
    let short = [&good[..member], &[0x58, 8], &[0; 8], &good[member + 8..]].concat();
    assert!(passes(&short), "the same string, shorter: nobody looks into a receipt here");
    assert!(!passes(&vec![0x81; 60_000]), "deep nesting");
    assert!(!passes(&vec![0xa3; 70_000]), "too large");
    let indefinite = [&[0xbf], &good[1..], &[0xff]].concat();
    assert!(!passes(&indefinite), "indefinite length");
    let mut twice = Encoder::new(Vec::new());
    twice.map(3).unwrap().str("fmt").unwrap().str("apple-appattest").unwrap().str("fmt").unwrap().str("apple-appattest").unwrap();
    twice.str("authData").unwrap().bytes(b"").unwrap();
    assert!(!passes(&twice.into_writer()), "a member twice");
}
