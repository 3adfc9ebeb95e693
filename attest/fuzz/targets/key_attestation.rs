//! A chain of certificates as an app sends it. The first byte says what the rest is: 0, a chain in the form of
//! `symbolon_attest_fuzz::chain`; else the description in a leaf that stands alone. None answers this challenge, so none may hold.
#![no_main]

use libfuzzer_sys::fuzz_target;
use symbolon_attest::key_attestation::{App, BIOMETRIC, BootState, Expected, GOOGLE_ROOT_P384, GOOGLE_ROOT_RSA, Level, Person, Policy, Status, judge};

fuzz_target!(init: symbolon_attest_fuzz::seeds("key_attestation"), |bytes: &[u8]| {
    let expected = Expected {
        challenge: &[7; 200],
        app: Some(App { packages: &["com.example.shop"], signing_digests: &[[7; 32]] }),
        roots: &[GOOGLE_ROOT_RSA, GOOGLE_ROOT_P384],
        now_s: 1_750_000_000,
        status: &|serial| {
            assert!(!serial.is_empty() && (serial == "0" || !serial.starts_with('0')), "{serial}");
            serial.starts_with('7').then_some(Status::Revoked)
        },
        own_boot_keys: &[[7; 32]],
        sign_only: true,
        strict: true,
        policy: Policy { person: Some(Person { ways: BIOMETRIC, for_s: 30 }), least_patch: Some(202_001), ..Policy::ANY },
    };
    let Some((mode, rest)) = bytes.split_first() else { return };
    let leaf = symbolon_attest_fuzz::certificate(&[0x2b, 6, 1, 4, 1, 0xd6, 0x79, 2, 1, 0x11], rest);
    let chain = if *mode == 0 { symbolon_attest_fuzz::chain(rest) } else { vec![leaf.as_slice()] };
    if let Ok(verdict) = judge(&chain, &expected) {
        assert!(*mode == 0 || verdict.broke("chain_root") && !verdict.broke("extension"), "{verdict:?}");
        assert!(!verdict.holds(), "{verdict:?}");
        if !verdict.broke("extension") {
            assert_eq!(verdict.broke("unlocked"), verdict.facts.locked != Some(true));
            let enough = verdict.facts.key_level.is_some_and(|it| it >= Level::TrustedEnvironment);
            assert_eq!(verdict.broke("key_level"), !enough);
            let asks = !verdict.facts.no_auth_required && verdict.facts.user_auth_type == Some(BIOMETRIC);
            assert_eq!(verdict.broke("user_auth"), !(asks && (0..=30).contains(&verdict.facts.auth_timeout_s.unwrap_or(0))));
            let boots = match verdict.facts.boot_state {
                Some(BootState::Verified) => true,
                Some(BootState::SelfSigned) => verdict.facts.boot_key == [7; 32],
                _ => false,
            };
            assert_eq!(verdict.broke("boot_state"), !boots);
        }
    }
});
