//! An assertion as an app sends it. Nobody signs by this key, so none may hold.
#![no_main]

use libfuzzer_sys::fuzz_target;
use symbolon_attest::app_attest::{ExpectedAssertion, assertion};
use symbolon_attest_fuzz::POINT;

fuzz_target!(init: symbolon_attest_fuzz::seeds("app_assertion"), |bytes: &[u8]| {
    let app_ids = &["6MURL8TA57.de.vincent-haupert.apple-appattest-poc"][..];
    let expected = ExpectedAssertion { app_ids, client_data_hash: &[7; 32], public_key: &POINT, counter_above: 1 };
    if let Ok(verdict) = assertion(bytes, &expected) {
        assert_eq!(verdict.broke("counter"), verdict.facts.counter <= 1);
        assert_eq!(verdict.broke("app"), verdict.facts.app_id.is_none());
        // Its discrete logarithm is 1, so a signature by it can be made; not by chance.
        assert!(verdict.broke("signature"), "{verdict:?}");
    }
});
