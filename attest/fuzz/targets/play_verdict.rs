//! The JSON of a verdict, as Google's server answers it. It is signed by nobody, so some may hold: those that say everything.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use symbolon_attest::play_integrity::{AppRecognition, Binding, DeviceLevel, Expected, FUTURE_MS, Licensing, judge};
use symbolon_oauth::jws::parse_object;

const NOW_MS: i64 = 1_745_276_276_999;
const PACKAGE: &str = "com.worldcoin.staging";
const NONCE: &str = "i_am_a_sample_request_hash";
const DIGEST: &str = "nSrXEn8JkZKXFMAZW0NHhDRTHNi38YE2XCvVzYXjRu8";

fuzz_target!(init: symbolon_attest_fuzz::seeds("play_verdict"), |bytes: &[u8]| {
    let Some(object) = parse_object(bytes) else { return };
    for binding in [Binding::Nonce(NONCE), Binding::RequestHash(NONCE)] {
        let expected = Expected {
            packages: &[PACKAGE],
            binding,
            signing_digests: &[DIGEST],
            minimum_version_code: Some(2),
            now_ms: NOW_MS,
            max_age_ms: 600_000,
            device: DeviceLevel::Device,
            require_licensed: true,
            allow_unrecognized_version: false,
        };
        let Ok(verdict) = judge(&Value::Object(object.clone()), &expected) else { panic!("an object is a verdict") };
        if !verdict.holds() {
            continue;
        }
        let facts = verdict.facts;
        assert!(facts.package.as_deref() == Some(PACKAGE) && facts.request_package.as_deref() == Some(PACKAGE), "{facts:?}");
        assert!(facts.timestamp_ms.is_some_and(|it| (NOW_MS - 600_000..=NOW_MS + FUTURE_MS).contains(&it)), "{facts:?}");
        assert!(facts.device_level >= Some(DeviceLevel::Device) && facts.licensing == Some(Licensing::Licensed), "{facts:?}");
        assert!(facts.app_recognition == Some(AppRecognition::Recognized) && facts.version_code >= Some(2), "{facts:?}");
        assert!(!facts.certificate_digests.is_empty(), "{facts:?}");
        let (named, other) = match binding {
            Binding::Nonce(_) => (facts.nonce, facts.request_hash),
            Binding::RequestHash(_) => (facts.request_hash, facts.nonce),
        };
        assert!(named.is_some_and(|it| it.trim_end_matches('=') == NONCE) && other.is_none());
    }
});
