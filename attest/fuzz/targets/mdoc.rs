//! A DeviceResponse as a wallet sends it. Nobody signs by these keys, so none may hold.
#![no_main]

use libfuzzer_sys::fuzz_target;
use symbolon_attest_fuzz::issuers;
use symbolon_wallet::{cbor, mdoc};

fuzz_target!(init: symbolon_attest_fuzz::seeds("mdoc"), |bytes: &[u8]| {
    // A value that is read as JSON has a bound, whatever it is.
    if let Ok(value) = cbor::json(bytes) {
        assert!(value.to_string().len() <= bytes.len() * 64 + 64);
    }
    let issuers = issuers();
    let asked = mdoc::Expected {
        issuers: &issuers,
        doctype: "org.iso.18013.5.1.mDL",
        session_transcript: &[0xf6],
        older_transcript: None,
        now_s: 1_740_000_000,
        skew_s: 60,
    };
    if let Ok(verdict) = mdoc::Document::parse(bytes).and_then(|it| it.judge(&asked)) {
        assert!(!verdict.holds(), "{verdict:?}");
    }
});
