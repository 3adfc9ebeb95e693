//! An assertion as an app sends it. Nobody signs by this key, so none may hold.
#![no_main]

use libfuzzer_sys::fuzz_target;
use symbolon_attest::app_attest::{ExpectedAssertion, assertion};

/// The generator of P-256 (SEC 2, 2.4.2): a point of the curve whose key signs nothing here.
const KEY: [u8; 65] = [
    0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d,
    0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb,
    0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
];

fuzz_target!(init: symbolon_attest_fuzz::seeds("app_assertion"), |bytes: &[u8]| {
    let app_ids = &["6MURL8TA57.de.vincent-haupert.apple-appattest-poc"][..];
    let expected = ExpectedAssertion { app_ids, client_data_hash: &[7; 32], public_key: &KEY, counter_above: 1 };
    if let Ok(verdict) = assertion(bytes, &expected) {
        assert_eq!(verdict.broke("counter"), verdict.facts.counter <= 1);
        assert_eq!(verdict.broke("app"), verdict.facts.app_id.is_none());
        // Its discrete logarithm is 1, so a signature by it can be made; not by chance.
        assert!(verdict.broke("signature"), "{verdict:?}");
    }
});
