//! Android Key Attestation on chains from real devices, and on chains of our own making with every lie. Area N, as far as it
//! concerns the evidence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod made;

use data_encoding::HEXLOWER;
use made::android::{Bend, FACTORY, GOOD, Made, NOW_S, Provisioned, REMOTE, broken, broken_by, chain, expected, linked};
use made::{base64, vectors};
use symbolon_attest::Unreadable;
use symbolon_attest::app_attest::APPLE_ROOT;
use symbolon_attest::key_attestation::{
    App, BIOMETRIC, BootState, Expected, GOOGLE_ROOT_P384, GOOGLE_ROOT_RSA, Level, PASSWORD, Person, Policy, Status, judge,
};
use symbolon_attest::status_list::{self, StatusList};

fn der(pem: &str) -> Vec<u8> {
    let text: String = pem.lines().filter(|it| !it.starts_with("-----")).collect();
    base64(&text.into())
}

#[test]
fn every_real_chain_by_the_default_policy() {
    let Some(file) = vectors("android-key-attestation/chains.json") else { return };
    let (mut accepted, mut refused, mut unreadable) = (0, 0, 0);
    for vector in file["vectors"].as_array().unwrap() {
        let id = vector["id"].as_str().unwrap();
        let chain: Vec<Vec<u8>> = vector["chain_pem"].as_array().unwrap().iter().map(|it| der(it.as_str().unwrap())).collect();
        let slices: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
        let challenge = HEXLOWER.decode(vector["key_description"]["challenge_hex"].as_str().unwrap_or_default().as_bytes()).unwrap();
        // Where the file names no time, no time helps.
        let now_s = vector["verify_at"].as_str().map_or(1_750_000_000, |it| it.parse::<jiff::Timestamp>().unwrap().as_second());
        let roots = [GOOGLE_ROOT_RSA, GOOGLE_ROOT_P384];
        let wanted = vector["expected_default_policy"] == "accept";
        // Two chains write the same BER; one is from a real phone, the other stands for a broken one.
        let strict = id.starts_with("invalid-");
        match judge(&slices, &Expected { strict, ..expected(&challenge, &roots, now_s) }) {
            Ok(verdict) => {
                assert_eq!(verdict.holds(), wanted, "{id}: {:?}; {}", verdict.failed, vector["reject_reasons"]);
                let other = judge(&slices, &expected(b"another challenge", &roots, now_s)).unwrap();
                assert!(other.broke("challenge") || !other.failed.is_empty(), "{id}: 236-N");
                if wanted {
                    accepted += 1;
                    let level = if vector["key_description"]["attestation_security_level"] == "STRONG_BOX" {
                        Level::StrongBox
                    } else {
                        Level::TrustedEnvironment
                    };
                    assert_eq!(verdict.facts.level, Some(level), "{id}");
                    assert_eq!(verdict.facts.remotely_provisioned, vector["has_rkp_provisioning_info"] == true, "{id}");
                    let stranger = judge(&slices, &expected(&challenge, &[GOOGLE_ROOT_P384, GOOGLE_ROOT_RSA][2..], now_s)).unwrap();
                    assert!(stranger.broke("chain_root"), "{id}: 237-N");
                    let apples = judge(&slices, &expected(&challenge, &[APPLE_ROOT], now_s)).unwrap();
                    assert!(apples.broke("chain_root"), "{id}: 238-N");
                    // Ten years on: what the factory put in is as good as ever, what came over the air is long over (266-N).
                    let late = judge(&slices, &expected(&challenge, &roots, now_s + 10 * 365 * 86_400)).unwrap();
                    let over_the_air = chain.iter().any(|it| it.windows(8).any(|bytes| bytes == b"Droid CA"));
                    assert_eq!(late.failed.iter().any(|it| it.name == "chain_dates"), over_the_air, "{id}: {:?}", late.failed);
                    assert_eq!(late.holds(), !over_the_air, "{id}: {:?}", late.failed);
                    let serial = vector["certificate_serials_hex"][1].as_str().unwrap().to_owned();
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

/// Chains of a public device farm, four of them from boxes whose attestation certificate is no CA.
#[test]
fn every_chain_of_a_device_farm() {
    let Some(file) = vectors("android-key-attestation/device-farm.json") else { return };
    let (mut accepted, mut refused) = (0, 0);
    for vector in file["vectors"].as_array().unwrap() {
        let device = vector["device"].as_str().unwrap();
        let chain: Vec<Vec<u8>> = vector["chain_b64"].as_array().unwrap().iter().map(base64).collect();
        let slices: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
        let challenge = base64(&vector["challenge_b64"]);
        let now_s = vector["verify_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
        let roots = [GOOGLE_ROOT_RSA, GOOGLE_ROOT_P384];
        let verdict = judge(&slices, &expected(&challenge, &roots, now_s)).unwrap();
        println!("{device}: {:?}", verdict.failed);
        assert_eq!(verdict.holds(), vector["expected"] == "accept", "{device}: {:?}", verdict.failed);
        if verdict.holds() {
            accepted += 1;
            let facts = verdict.facts;
            assert!(!facts.remotely_provisioned && facts.level == Some(Level::TrustedEnvironment), "{device}: {facts:?}");
            assert!(facts.os_patch.is_some() && !facts.newer_version, "{device}: {facts:?}");
            let policy = Policy { remotely_provisioned: true, ..Policy::ANY };
            let over_the_air = Expected { policy, ..expected(&challenge, &roots, now_s) };
            assert!(judge(&slices, &over_the_air).unwrap().broke("provisioning"), "{device}");
        } else {
            refused += 1;
        }
    }
    println!("chains of a device farm: {accepted} accepted, {refused} refused");
    assert_eq!((accepted, refused), (14, 8));
}

#[test]
fn the_status_list_names_a_certificate() {
    let Some(file) = vectors("android-key-attestation/revocation.json") else { return };
    let certificate = der(file["certificate_pem"].as_str().unwrap());
    let (_, parsed) = x509_parser::parse_x509_certificate(&certificate).unwrap();
    let serial = HEXLOWER.encode(parsed.raw_serial());
    assert_eq!(serial.trim_start_matches('0'), file["serial_hex"].as_str().unwrap());
}

/// 264-N: a key that signs without the person, or asks for less than is wanted, where the person has to be there.
#[test]
fn the_hardware_asks_for_the_person() {
    let judged = |person: Option<(u32, Option<u32>)>, no_auth_required: bool, ways: i64, for_s: i64| {
        broken_by(&Made { person, no_auth_required, ..GOOD }, &|it| it.policy.person = Some(Person { ways, for_s }))
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
    let over_the_air = |it: &mut Expected<'_>| it.policy.remotely_provisioned = true;
    assert!(broken_by(&Made { provisioned: REMOTE, ..GOOD }, &over_the_air).0.is_empty());
    assert_eq!(broken_by(&GOOD, &over_the_air).0, ["provisioning"]);
}

fn remote(organization: Option<&'static str>) -> Provisioned {
    Provisioned::Remote { organization, info: true }
}

/// 236-N, 254-N, 255-N, 256-N, 260-N, 262-N, 264-N: each lie breaks its rule, and without it nothing is broken.
#[test]
fn every_lie_breaks_its_rule() {
    assert!(broken(&GOOD).is_empty(), "{:?}", broken(&GOOD));
    for (made, rules) in [
        (Made { challenge: b"another", ..GOOD }, vec!["challenge"]),
        (Made { packages: &[b"com.evil"], ..GOOD }, vec!["package"]),
        (Made { digests: &[8], ..GOOD }, vec!["signer"]),
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
        (Made { in_leaf: 0, ..GOOD }, vec!["extension"]),
        (Made { in_leaf: 0, in_intermediate: 1, ..GOOD }, vec!["extension_place", "extension"]),
        (Made { in_intermediate: 1, ..GOOD }, vec!["extension_place"]),
        (Made { root_in_software: true, ..GOOD }, vec!["boot_state", "unlocked"]),
        (Made { provisioned: REMOTE, ..GOOD }, vec![]),
        (Made { provisioned: remote(Some("StrongBox")), level: 2, key_level: 2, ..GOOD }, vec![]),
        (Made { provisioned: remote(Some("StrongBox")), ..GOOD }, vec!["provisioned_level"]),
        (Made { provisioned: REMOTE, level: 2, key_level: 2, ..GOOD }, vec!["provisioned_level"]),
        (Made { provisioned: remote(Some("tee")), ..GOOD }, vec!["provisioned_level"]),
        (Made { provisioned: remote(None), ..GOOD }, vec!["provisioned_level"]),
    ] {
        assert_eq!(broken(&made), rules);
    }
}

/// 260-N: one app alone, whatever else shares its user id, and signed by nobody but us.
#[test]
fn one_app_alone_made_the_key() {
    const SHOP: &[u8] = b"com.example.shop";
    const KIOSK: &[u8] = b"com.example.kiosk";
    let ours = App { packages: &["com.example.shop", "com.example.kiosk"], signing_digests: &[[7; 32], [6; 32]] };
    for (packages, digests, rules) in [
        (&[SHOP][..], &[7][..], &[][..]),
        (&[KIOSK], &[6], &[]),
        (&[SHOP], &[7, 6], &[]),
        (&[SHOP, b"com.evil"], &[7], &["package"]),
        (&[b"com.evil", SHOP], &[7], &["package"]),
        (&[SHOP, KIOSK], &[7], &["package"]),
        (&[SHOP, SHOP], &[7], &["package"]),
        (&[], &[7], &["package"]),
        (&[b""], &[7], &["package"]),
        (&[SHOP], &[7, 8], &["signer"]),
        (&[SHOP], &[8, 7], &["signer"]),
        (&[SHOP], &[7, 6, 8], &["signer"]),
        (&[SHOP], &[], &["signer"]),
        (&[SHOP, b"com.evil"], &[7, 8], &["package", "signer"]),
    ] {
        assert_eq!(broken_by(&Made { packages, digests, ..GOOD }, &|it| it.app = Some(ours)).0, rules, "{packages:?} {digests:?}");
    }
}

/// What a chain breaks, by the default rules.
fn judged(chain: &[&[u8]], root: &[u8]) -> Result<Vec<&'static str>, Unreadable> {
    let verdict = judge(chain, &expected(b"challenge", &[root], NOW_S))?;
    Ok(verdict.failed.into_iter().map(|it| it.name).collect())
}

/// 243-N: every certificate, in order, and no other.
#[test]
fn a_chain_is_whole_and_in_order() {
    let (five, root) = linked(None);
    let (others, _) = linked(None);
    let [leaf, lower, middle, upper, last] = [0, 1, 2, 3, 4].map(|at| five[at].as_slice());
    let [stranger, foreign] = [0, 4].map(|at| others[at].as_slice());
    for whole in [&[leaf, lower, middle, upper, last][..], &[leaf, lower, middle, upper]] {
        assert_eq!(judged(whole, &root), Ok(vec![]));
    }
    let unlinked = ["chain_names", "chain_signature"];
    let another = ["chain_names", "chain_signature", "chain_ca"];
    // What was the leaf stands higher, and what leads describes no key.
    let led = ["extension_place", "extension"];
    for (what, chain, rules) in [
        ("two swapped", &[leaf, lower, upper, middle, last][..], &[&unlinked[..], &unlinked, &unlinked][..]),
        ("the leaf swapped", &[lower, leaf, middle, upper, last], &[&another, &unlinked, &led]),
        (
            "the root first",
            &[last, upper, middle, lower, leaf],
            &[&unlinked, &unlinked, &unlinked, &another, &["chain_root", "chain_shape"], &led],
        ),
        ("no upper", &[leaf, lower, middle, last], &[&unlinked, &["chain_shape"]]),
        ("no middle", &[leaf, lower, upper, last], &[&unlinked, &["chain_shape"]]),
        ("no lower", &[leaf, middle, upper, last], &[&unlinked, &["chain_shape"]]),
        ("nothing above", &[leaf, lower], &[&["chain_root", "chain_shape"]]),
        ("nothing but the leaf", &[leaf], &[&["chain_root", "chain_shape"]]),
        ("no leaf", &[lower, middle, upper, last], &[&["chain_shape", "extension"]]),
        ("one twice", &[leaf, lower, lower, middle, upper, last], &[&unlinked, &["chain_shape"]]),
        ("the leaf twice", &[leaf, leaf, lower, middle, upper, last], &[&another, &["chain_shape", "extension_place"]]),
        ("the leaf behind", &[leaf, lower, middle, upper, last, leaf], &[&another, &["chain_root", "chain_shape", "extension_place"]]),
        ("another leaf in front", &[stranger, leaf, lower, middle, upper, last], &[&another, &["chain_shape", "extension_place"]]),
        (
            "another leaf between",
            &[leaf, stranger, lower, middle, upper, last],
            &[&another, &["chain_signature", "chain_shape", "extension_place"]],
        ),
        ("another root behind", &[leaf, lower, middle, upper, last, foreign], &[&["chain_signature", "chain_root", "chain_shape"]]),
    ] {
        assert_eq!(judged(chain, &root), Ok(rules.concat()), "{what}");
    }
    let many = vec![last; 8];
    assert_eq!(judged(&[&[leaf, lower, middle, upper][..], &many[..6]].concat(), &root), Ok(vec![]), "the root once more says nothing new");
    let why = Unreadable("a chain has one to ten certificates");
    assert_eq!(judged(&[&[leaf, lower, middle, upper][..], &many].concat(), &root), Err(why.clone()));
    assert_eq!(judged(&[], &root), Err(why));
}

/// 244-N: the description of the key stands once, in the leaf.
#[test]
fn a_key_is_described_once() {
    for (in_leaf, in_intermediate, rules) in [
        (1, 0, &[][..]),
        (0, 0, &["extension"]),
        (2, 0, &["extension"]),
        (0, 1, &["extension_place", "extension"]),
        (1, 1, &["extension_place"]),
        (1, 2, &["extension_place"]),
        (2, 1, &["extension_place", "extension"]),
    ] {
        assert_eq!(broken(&Made { in_leaf, in_intermediate, ..GOOD }), rules, "{in_leaf} in the leaf, {in_intermediate} above");
    }
}

/// 268-N: each link in turn: the signature, who signed, who it says has signed, and how.
#[test]
fn no_link_of_a_chain_is_broken() {
    let broken = |at: usize, bend: Bend, length: usize| {
        let (five, root) = linked(Some((at, bend)));
        let slices: Vec<&[u8]> = five.iter().take(length).map(Vec::as_slice).collect();
        judged(&slices, &root)
    };
    let both = |inside: bool, beside: bool| Bend::Algorithm { inside, beside };
    for at in 0..4 {
        for length in [4, 5] {
            assert_eq!(broken(at, both(false, false), length), Ok(vec![]), "the twin");
            // The last certificate before the root that is not there is held against the root's key alone.
            let signature = if at == 3 && length == 4 { "chain_root" } else { "chain_signature" };
            for bend in [Bend::Signature, Bend::Signer, both(true, true)] {
                assert_eq!(broken(at, bend, length), Ok(vec![signature]), "{at} of {length}: {bend:?}");
            }
            for bend in [both(true, false), both(false, true)] {
                let why = Unreadable("the two signature algorithms of a certificate differ");
                assert_eq!(broken(at, bend, length), Err(why), "{at} of {length}: {bend:?}");
            }
            let names = if at == 3 && length == 4 { vec![] } else { vec!["chain_names"] };
            assert_eq!(broken(at, Bend::IssuerName, length), Ok(names), "{at} of {length}: a root is a key and has no name");
        }
    }
    assert_eq!(broken(4, Bend::Signature, 5), Ok(vec![]), "nor has its own signature anything to say");
}

/// 266-N: certificates that the factory put in do not expire with the phone; all others do, by the server's own clock.
#[test]
fn only_the_factorys_certificates_outlive_their_date() {
    for (provisioned, until, rules) in
        [(FACTORY, 4000, vec![]), (REMOTE, 4000, vec![]), (FACTORY, 2020, vec![]), (REMOTE, 2020, vec!["chain_dates"])]
    {
        assert_eq!(broken(&Made { provisioned, until, ..GOOD }), rules, "{provisioned:?} {until}");
    }
}

/// 259-N: what the list names is refused wherever in the chain it stands; a list that is too old, or none, is no good news.
#[test]
fn the_list_is_asked_about_every_certificate() {
    let (chain, root) = chain(&GOOD);
    let slices: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    let roots = [root.as_slice()];
    let (fetched_s, day_s) = (NOW_S, 86_400);
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
        let expected = Expected { own_boot_keys: keys, ..expected(b"challenge", &roots, NOW_S) };
        let verdict = judge(&slices, &expected).unwrap();
        assert_eq!(verdict.facts.boot_state, Some(BootState::SelfSigned));
        verdict.holds()
    };
    assert!(judged(&[[9; 32]]));
    assert!(!judged(&[[8; 32]]));
}

/// 267-N, 268-N: hostile bytes are unreadable or refused, and nothing panics.
#[test]
fn hostile_bytes_pass_never() {
    let (chain, root) = chain(&GOOD);
    let roots = [root.as_slice()];
    let passes = |leaf: &[u8]| judge(&[leaf, &chain[1], &chain[2]], &expected(b"challenge", &roots, NOW_S)).is_ok_and(|it| it.holds());
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
