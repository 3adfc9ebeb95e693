//! The shape of an Android chain, on chains that are forged by whoever holds a key of a phone or of a factory. Each hostile chain has its
//! twin, in which the one defect is gone. 255-N, 266-N.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod made;

use made::android::{
    FACTORY, GOOD, Made, Provisioned, REMOTE, between, broken, broken_by, broken_of, certificates, factory, forge, named, params,
    provisioning_info,
};
use rcgen::{CertificateParams, DnType, IsCa};
use symbolon_attest::key_attestation::{Expected, Facts, Level};

const GOOGLE: Option<&str> = Some("Google LLC");

/// A leaf, these certificates above it, and the root; judged by the default rules, with and without the root in the chain.
fn judged_between(between: &[CertificateParams], stricter: &dyn Fn(&mut Expected<'_>)) -> (Vec<&'static str>, Facts) {
    judged(&GOOD, between, stricter)
}

fn judged(made: &Made, between: &[CertificateParams], stricter: &dyn Fn(&mut Expected<'_>)) -> (Vec<&'static str>, Facts) {
    let (leaf, root) = (params("leaf", false, (made, 1)), params("root", true, (made, 0)));
    let (chain, root) = forge(&[&[leaf][..], between, &[root]].concat());
    let whole = broken_of(&chain, &root, stricter);
    let without_root = broken_of(&chain[..chain.len() - 1], &root, stricter);
    assert_eq!(whole.0, without_root.0, "the root in the chain says nothing");
    whole
}

fn remotely(expected: &mut Expected<'_>) {
    expected.policy.remotely_provisioned = true;
}

fn strongbox(expected: &mut Expected<'_>) {
    expected.policy.strongbox = true;
}

/// A factory box that has leaked signs itself a further certificate, which says whatever its owner wants.
#[test]
fn a_leaked_factory_box_is_not_provisioned_remotely() {
    let fake = || {
        let mut certificate = named("9b5e7c330252fa0c698a3f23d31a4a64", Some("TEE"));
        certificate.custom_extensions.push(provisioning_info());
        certificate
    };
    let (server, intermediate) = (named("Droid CA3", GOOGLE), named("Droid CA2", GOOGLE));
    let genuine = between(FACTORY);
    for (what, lies) in [
        ("one more", vec![fake()]),
        ("a server", vec![fake(), server.clone()]),
        ("server and intermediate", vec![fake(), server.clone(), intermediate.clone()]),
        ("a factory's further box", vec![factory("1", Some("StrongBox"))]),
    ] {
        let between = [&lies[..], &genuine].concat();
        for stricter in [&remotely as &dyn Fn(&mut Expected<'_>), &strongbox, &|_| ()] {
            let (failed, facts) = judged_between(&between, stricter);
            assert!(failed.contains(&"chain_shape"), "{what}: {failed:?}");
            assert!(!facts.remotely_provisioned && facts.level != Some(Level::StrongBox), "{what}: {facts:?}");
        }
        let (failed, _) = judged_between(&between, &|_| ());
        assert_eq!(failed, ["chain_shape"], "{what}: nothing else gives it away");
        assert_eq!(judged_between(&between, &remotely).0, ["chain_shape", "provisioning"], "{what}");
    }
    // ProvisioningInfo in the factory's own place proves nothing.
    let mut lying = between(FACTORY);
    lying[0].custom_extensions.push(provisioning_info());
    assert_eq!(judged_between(&lying, &remotely).0, ["provisioning"]);
    assert!(judged_between(&lying, &|_| ()).0.is_empty());
    // The twins: the box as the factory made it, and a phone that was provisioned remotely.
    assert!(judged_between(&genuine, &|_| ()).0.is_empty());
    assert!(judged_between(&[fake(), server, intermediate], &remotely).0.is_empty());
}

/// The hardware may write any level into its description; what the maker's certificate does not name does not count.
#[test]
fn a_strongbox_is_named_by_its_maker() {
    let strong = Made { level: 2, key_level: 2, ..GOOD };
    let titles = |titles: [Option<&'static str>; 2]| Made { provisioned: Provisioned::Factory { titles }, ..strong };
    for (made, is_strong) in [
        (titles([Some("StrongBox"); 2]), true),
        (titles([Some("StrongBox"), None]), true),
        (titles([None, Some("StrongBox")]), true),
        (titles([Some("TEE"), Some("StrongBox")]), true),
        (titles([Some("TEE"); 2]), false),
        (titles([None; 2]), false),
        (titles([Some("strongbox"); 2]), false),
        (titles([Some("StrongBox "); 2]), false),
        (titles([Some(""); 2]), false),
        (Made { provisioned: Provisioned::OldFactory, ..strong }, false),
        (Made { provisioned: Provisioned::Remote { organization: Some("StrongBox"), info: true }, ..strong }, true),
        (Made { provisioned: Provisioned::Remote { organization: Some("StrongBox"), info: false }, ..strong }, true),
    ] {
        let (failed, facts) = broken_by(&made, &strongbox);
        assert_eq!(failed, if is_strong { &[][..] } else { &["key_level"] }, "{:?}", made.provisioned);
        assert_eq!(facts.level, Some(if is_strong { Level::StrongBox } else { Level::TrustedEnvironment }), "{:?}", made.provisioned);
        assert_eq!(broken(&made), [""; 0], "{:?}: without that rule it is a phone like any", made.provisioned);
    }
    for (level, key_level, rules) in
        [(1, 1, &["key_level"][..]), (2, 1, &["levels_differ", "key_level"]), (1, 2, &["levels_differ", "key_level"])]
    {
        let made = Made { level, key_level, ..titles([Some("StrongBox"); 2]) };
        assert_eq!(broken_by(&made, &strongbox).0, rules, "{level} {key_level}: a StrongBox's key that is not in it");
    }
    // Who names two levels names none.
    for (organization, rules) in [("StrongBox", &["key_level"][..]), ("Google LLC", &["key_level"])] {
        let mut twice = between(FACTORY);
        twice[0].distinguished_name.push(DnType::OrganizationName, organization);
        assert_eq!(judged(&strong, &twice, &strongbox).0, rules, "{organization}");
    }
}

/// The leaf, the attestation and what Google names: as many as its name says, and nothing else.
#[test]
fn a_chain_has_one_of_two_shapes() {
    let box_of = |title: &'static str| factory("5449d2cdb6b896e6", Some(title));
    let remote = || between(REMOTE);
    let shapeless = ["chain_shape"];
    let mut both = named("Droid CA2", GOOGLE);
    both.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 5]), "1");
    for (what, between, rules) in [
        ("of the factory", between(FACTORY), &[][..]),
        ("of the factory, untitled", vec![factory("1", None), factory("2", None)], &[]),
        ("remote", remote(), &[]),
        ("remote of a later year", vec![named("1", Some("TEE")), named("Droid CA12", GOOGLE), named("Droid CA4", GOOGLE)], &[]),
        ("no intermediate", vec![box_of("TEE")], &shapeless),
        ("no attestation either", vec![], &shapeless),
        ("three of the factory's", vec![box_of("TEE"), box_of("TEE"), box_of("TEE")], &shapeless),
        ("no server", vec![named("1", Some("TEE")), named("Droid CA2", GOOGLE)], &shapeless),
        (
            "two servers",
            vec![named("1", Some("TEE")), named("Droid CA4", GOOGLE), named("Droid CA3", GOOGLE), named("Droid CA2", GOOGLE)],
            &shapeless,
        ),
        ("of nobody", vec![named("lower", Some("TEE")), named("upper", None)], &shapeless),
        ("of nobody, as long as a remote one", vec![named("1", Some("TEE")), named("2", None), named("3", None)], &shapeless),
        ("the number in the wrong place", vec![factory("1", Some("TEE")), named("upper", None)], &shapeless),
        ("a batch without number", vec![box_of("TEE"), factory("", Some("TEE"))], &shapeless),
        ("both names, as long as the factory's", vec![box_of("TEE"), both.clone()], &shapeless),
        ("both names, as long as a remote one", vec![named("1", Some("TEE")), named("Droid CA3", GOOGLE), both], &shapeless),
        (
            "another organization",
            vec![named("1", Some("TEE")), named("Droid CA3", GOOGLE), named("Droid CA2", Some("Google LLC."))],
            &shapeless,
        ),
        ("no organization", vec![named("1", Some("TEE")), named("Droid CA3", GOOGLE), named("Droid CA2", None)], &shapeless),
        ("another name", vec![named("1", Some("TEE")), named("Droid CA3", GOOGLE), named("A Droid CA2", GOOGLE)], &shapeless),
    ] {
        assert_eq!(judged_between(&between, &|_| ()).0, rules, "{what}");
    }
}

/// Phones of 2023 have no ProvisioningInfo, and are provisioned remotely all the same.
#[test]
fn provisioning_needs_no_extension() {
    for info in [true, false] {
        let (failed, facts) = broken_by(&Made { provisioned: Provisioned::Remote { organization: Some("TEE"), info }, ..GOOD }, &remotely);
        assert!(failed.is_empty() && facts.remotely_provisioned, "{info}: {failed:?}");
    }
}

/// Attestation certificates of 2016 to 2018 are no CAs; every certificate above them is one, and so is each of remote provisioning.
#[test]
fn a_ca_is_a_ca_from_the_third_certificate_on() {
    assert_eq!(broken(&Made { provisioned: Provisioned::OldFactory, ..GOOD }), [""; 0]);
    for (provisioned, at, rules) in [
        (FACTORY, 0, &[][..]),
        (FACTORY, 1, &["chain_ca"]),
        (Provisioned::OldFactory, 1, &["chain_ca"]),
        (REMOTE, 0, &["chain_ca"]),
        (REMOTE, 1, &["chain_ca"]),
        (REMOTE, 2, &["chain_ca"]),
    ] {
        let mut between = between(provisioned);
        assert_eq!(judged_between(&between, &|_| ()).0, [""; 0], "{provisioned:?}: the twin");
        between[at].is_ca = IsCa::ExplicitNoCa;
        assert_eq!(judged_between(&between, &|_| ()).0, rules, "{provisioned:?} {at}");
    }
}

/// A genuine key of a phone is no CA, and what it signs describes no key.
#[test]
fn an_attested_key_attests_nothing() {
    let shapeless = ["chain_shape", "extension_place"];
    for (provisioned, no_cas) in [(FACTORY, 1), (Provisioned::OldFactory, 3), (REMOTE, 1)] {
        let genuine = certificates(&Made { provisioned, ..GOOD });
        let forged = params("forged", false, (&GOOD, 1));
        let (chain, root) = forge(&[&[forged][..], &genuine].concat());
        let (failed, _) = broken_of(&chain, &root, &|_| ());
        // The old box is no CA by its constraints and by its key usage.
        assert_eq!(failed, [&["chain_ca"].repeat(no_cas)[..], &shapeless].concat(), "{provisioned:?}");
        let (twin, root) = forge(&genuine);
        assert_eq!(broken_of(&twin, &root, &|_| ()).0, [""; 0], "{provisioned:?}");
    }
}

/// Certificates in another order, twice, or further ones: none of them is a chain of its kind.
#[test]
fn certificates_stand_where_they_belong() {
    for provisioned in [FACTORY, REMOTE] {
        let (chain, root) = forge(&certificates(&Made { provisioned, ..GOOD }));
        let judged = |chain: &[Vec<u8>]| broken_of(chain, &root, &|_| ()).0;
        assert_eq!(judged(&chain), [""; 0], "the twin");
        let (last, stranger) = (chain.len() - 1, forge(&certificates(&Made { provisioned, ..GOOD })).0);
        for at in 0..last {
            let (mut swapped, mut twice, mut missing, mut foreign) = (chain.clone(), chain.clone(), chain.clone(), chain.clone());
            swapped.swap(at, at + 1);
            twice.insert(at, chain[at].clone());
            missing.remove(at);
            foreign.insert(at + 1, stranger[at].clone());
            for (what, hostile) in [("swapped", swapped), ("twice", twice), ("missing", missing), ("foreign", foreign)] {
                assert!(!judged(&hostile).is_empty(), "{provisioned:?}: {what} {at}");
            }
            let mut rooted = chain.clone();
            rooted.insert(at, chain[last].clone());
            assert!(judged(&rooted).contains(&"chain_shape"), "{provisioned:?}: a root at {at}");
        }
        // The root behind the root says nothing new.
        assert_eq!(judged(&[&chain[..], &chain[last..]].concat()), [""; 0], "{provisioned:?}");
        let behind = [&chain[..], &stranger[last..]].concat();
        assert!(judged(&behind).contains(&"chain_root"), "{provisioned:?}");
    }
}
