//! An attestation object as an app sends it. No one of them is about this key, so none may hold.
#![no_main]

use libfuzzer_sys::fuzz_target;
use symbolon_attest::app_attest::{APPLE_ROOT, Environment, Expected, attestation};

fuzz_target!(init: symbolon_attest_fuzz::seeds("app_attestation"), |bytes: &[u8]| {
    let expected = Expected {
        app_ids: &["1234567890.com.example.myapp"],
        client_data_hash: &[7; 32],
        key_id: &[7; 32],
        environment: Environment::Production,
        roots: &[APPLE_ROOT],
        now_s: 1_776_800_000,
    };
    if let Ok(verdict) = attestation(bytes, &expected) {
        assert!(verdict.broke("nonce") && verdict.broke("key_id"), "{verdict:?}");
    }
});
