//! What a client asks of a phone beyond genuine hardware: patch levels that are dates, versions that nobody knew, and one function for fresh
//! evidence and for what is kept of it. 256-N, 262-N, 264-N.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod made;

use made::android::{GOOD, Made, NOW_S, REMOTE, broken, broken_by, chain, expected, tagged, tlv};
use symbolon_attest::Unreadable;
use symbolon_attest::key_attestation::{BIOMETRIC, Level, NEWEST_VERSION, Person, Policy, Properties, judge};

const EMPTY: [&str; 0] = [];

/// 256-N: a number that is no month does not beat a month.
#[test]
fn a_patch_level_is_a_month() {
    for good in [202_601, 202_610, 202_611, 202_612, 202_711] {
        let (failed, facts) = broken_by(&Made { patch: good, ..GOOD }, &|_| ());
        assert_eq!((failed, facts.os_patch), (vec![], Some(i64::from(good))));
    }
    for bad in [0, 2026, 202_512, 202_600, 202_613, 202_712, 999_912, 1_000_001, 20_180_105, 20_260_105, 99_999_999, u32::MAX] {
        let made = Made { patch: bad, ..GOOD };
        let (failed, facts) = broken_by(&made, &|_| ());
        assert_eq!(failed, ["patch"], "{bad}");
        assert_eq!(facts.os_patch, (bad == 202_512).then_some(202_512), "{bad}");
        assert_eq!(broken_by(&made, &|it| it.policy = Policy::ANY).0, EMPTY, "{bad}: where nobody asks, it is a phone like any");
    }
}

/// Vendor and boot write the day as well, or do not; what counts is the month.
#[test]
fn patch_levels_of_vendor_and_boot_are_months_too() {
    for (written, month) in [
        (20_260_105, Some(202_601)),
        (202_601, Some(202_601)),
        (20_261_305, None),
        (20_260_132, None),
        (20_260_100, None),
        (20_280_105, None),
        (202_613, None),
        (99_999_999, None),
        (0, None),
    ] {
        let (failed, facts) = broken_by(&Made { vendor_patch: Some(written), boot_patch: Some(written), ..GOOD }, &|_| ());
        assert_eq!((failed, facts.vendor_patch, facts.boot_patch), (vec![], month, month), "{written}");
    }
    let (_, facts) = broken_by(&GOOD, &|_| ());
    assert_eq!((facts.vendor_patch, facts.boot_patch), (None, None));
}

/// The next system version locks nobody out, and tells that it is one.
#[test]
fn a_newer_version_is_read_as_the_newest_known() {
    let newest = NEWEST_VERSION as u32;
    let strict = |made: &Made| broken_by(made, &|it| it.strict = true).0;
    for (version, keymint_version, newer) in
        [(1, 0, false), (300, 300, false), (newest, newest, false), (newest + 1, 300, true), (300, newest + 1, true), (9_999, 9_999, true)]
    {
        let made = Made { version, keymint_version, ..GOOD };
        let (failed, facts) = broken_by(&made, &|_| ());
        assert_eq!(failed, EMPTY, "{version} {keymint_version}");
        assert_eq!((facts.newer_version, facts.version), (newer, i64::from(version)));
        assert_eq!(facts.keymint_version, i64::from(keymint_version));
        assert_eq!(strict(&made), if newer { &["description_version"][..] } else { &[] }, "{version} {keymint_version}");
    }
    assert_eq!(broken(&Made { version: 0, ..GOOD }), ["description_version"]);
    // What a newer version adds is skipped; what it says of old is believed no more than before.
    let longer = Made { version: 600, keymint_version: 600, behind: &[4, 1, 7, 0xa9, 0x02, 5, 0], ..GOOD };
    assert_eq!(broken(&longer), EMPTY);
    assert_eq!(strict(&longer), ["description_version"]);
    for (lie, rule) in [
        (Made { locked: false, ..longer }, "unlocked"),
        (Made { state: 4, ..longer }, "boot_state"),
        (Made { level: 3, key_level: 3, ..longer }, "attestation_level"),
        (Made { challenge: b"another", ..longer }, "challenge"),
    ] {
        assert!(broken(&lie).contains(&rule), "{rule}");
    }
    let (short, root) = chain(&Made { version: NEWEST_VERSION as u32, ..longer });
    let slices: Vec<&[u8]> = short.iter().map(Vec::as_slice).collect();
    let read = |version: u32| {
        let (chain, root) = chain(&Made { version, keymint_version: 300, ..longer });
        let slices: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
        judge(&slices, &expected(b"challenge", &[&root], NOW_S)).map(|it| it.holds())
    };
    assert_eq!(read(501), Ok(true));
    let why = Unreadable("an extension is not DER of the documented shape");
    assert_eq!(read(500), Err(why), "a version that is known has no more fields");
    assert!(judge(&slices, &expected(b"challenge", &[&root], NOW_S)).is_ok_and(|it| it.facts.newer_version), "the interface is newer");
}

/// Tags that nobody knew are skipped, up to a hundred members; a member twice is no list.
#[test]
fn unknown_tags_are_skipped_within_the_budget() {
    let unknown = |count: u32| -> &'static [u8] {
        let members: Vec<u8> = (0..count).flat_map(|it| tagged(1000 + it, &tlv(&[0x30], &[5, 0]))).collect();
        members.leak()
    };
    let read = |members_behind: &'static [u8]| {
        let (chain, root) = chain(&Made { members_behind, ..GOOD });
        let slices: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
        judge(&slices, &expected(b"challenge", &[&root], NOW_S)).map(|it| it.holds())
    };
    // The list has eight members of its own.
    for count in [0, 1, 92] {
        assert_eq!(read(unknown(count)), Ok(true), "{count}");
    }
    let why = Unreadable("an authorization list is not of the documented shape");
    assert_eq!(read(unknown(93)), Err(why.clone()));
    assert_eq!(read([unknown(1), unknown(1)].concat().leak()), Err(why));
}

/// ID attestation names maker and model, for people. An odd encoding of it refuses nobody.
#[test]
fn maker_and_model_are_facts_and_no_rules() {
    let read = |members: &[(u32, Vec<u8>)]| {
        let members_behind = members.iter().flat_map(|(number, value)| tagged(*number, value)).collect::<Vec<u8>>().leak();
        let (chain, root) = chain(&Made { members_behind, ..GOOD });
        let slices: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
        let verdict = judge(&slices, &expected(b"challenge", &[&root], NOW_S)).unwrap();
        assert!(verdict.holds(), "{:?}", verdict.failed);
        (verdict.facts.manufacturer, verdict.facts.model)
    };
    let text = |it: &str| tlv(&[4], it.as_bytes());
    assert_eq!(read(&[]), (None, None));
    assert_eq!(read(&[(716, text("Google")), (717, text("Pixel 9"))]), (Some("Google".to_owned()), Some("Pixel 9".to_owned())));
    assert_eq!(read(&[(716, tlv(&[12], b"Google")), (717, vec![5, 0])]), (None, None));
    assert_eq!(read(&[(717, tlv(&[4], &[0xff]))]).1.as_deref(), Some("\u{fffd}"));
}

/// Fresh evidence and kept facts are held to the same rules by one function.
#[test]
fn kept_facts_are_held_to_the_rules_of_fresh_evidence() {
    let person = Person { ways: BIOMETRIC, for_s: 30 };
    let all =
        Policy { strongbox: true, remotely_provisioned: true, person: Some(person), least_patch: Some(202_601), least_version: Some(7) };
    let good = Properties {
        level: Some(Level::StrongBox),
        remotely_provisioned: true,
        user_auth_type: Some(BIOMETRIC),
        auth_timeout_s: Some(30),
        os_patch: Some(202_601),
        app_version: Some(7),
    };
    let broken = |policy: &Policy, known: Properties| policy.failed(&known, NOW_S).into_iter().map(|it| it.name).collect::<Vec<_>>();
    assert_eq!(broken(&all, good), EMPTY);
    for (bad, rule) in [
        (Properties { level: Some(Level::TrustedEnvironment), ..good }, "key_level"),
        (Properties { level: None, ..good }, "key_level"),
        (Properties { remotely_provisioned: false, ..good }, "provisioning"),
        (Properties { user_auth_type: None, ..good }, "user_auth"),
        (Properties { user_auth_type: Some(3), ..good }, "user_auth"),
        (Properties { auth_timeout_s: Some(31), ..good }, "user_auth"),
        (Properties { auth_timeout_s: Some(-1), ..good }, "user_auth"),
        (Properties { os_patch: Some(202_512), ..good }, "patch"),
        (Properties { os_patch: Some(202_613), ..good }, "patch"),
        (Properties { os_patch: Some(20_260_105), ..good }, "patch"),
        (Properties { os_patch: Some(99_999_999), ..good }, "patch"),
        (Properties { os_patch: None, ..good }, "patch"),
        (Properties { app_version: Some(6), ..good }, "version"),
        (Properties { app_version: None, ..good }, "version"),
    ] {
        assert_eq!(broken(&all, bad), [rule], "{bad:?}");
        assert_eq!(broken(&Policy::ANY, bad), EMPTY, "{bad:?}");
    }
    let unknown = Properties::default();
    assert_eq!(broken(&all, unknown), ["key_level", "provisioning", "user_auth", "patch", "version"], "what is not known meets no rule");
    assert_eq!(broken(&Policy::ANY, unknown), EMPTY);
    // The same facts out of a chain, by the same rules.
    let made = Made { provisioned: REMOTE, person: Some((2, Some(30))), ..GOOD };
    for (policy, rules) in [
        (Policy { strongbox: true, ..Policy::ANY }, &["key_level"][..]),
        (Policy { remotely_provisioned: true, ..Policy::ANY }, &[]),
        (Policy { person: Some(person), ..Policy::ANY }, &[]),
        (Policy { person: Some(Person { for_s: 29, ..person }), ..Policy::ANY }, &["user_auth"]),
        (Policy { least_patch: Some(202_611), ..Policy::ANY }, &["patch"]),
        (Policy { least_version: Some(1), ..Policy::ANY }, &[]),
        (Policy { least_version: Some(2), ..Policy::ANY }, &["version"]),
    ] {
        let (fresh, facts) = broken_by(&made, &|it| it.policy = policy);
        assert_eq!(fresh, rules, "{policy:?}");
        assert_eq!(broken(&policy, facts.properties()), rules, "{policy:?}: kept");
    }
}
