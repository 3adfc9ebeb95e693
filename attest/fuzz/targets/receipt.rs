//! A receipt as an app or Apple's server sends it. It is judged by what it says of itself, so that only signature and chain are
//! left to be wrong: without a root they always are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use symbolon_attest::app_attest::Environment;
use symbolon_attest::receipt::{APPLE_ROOT_G3, Expected, Kind, judge};

fuzz_target!(init: symbolon_attest_fuzz::seeds("receipt"), |bytes: &[u8]| {
    let stranger = Expected {
        app_ids: &["ABCDE12345.com.example.shop"],
        public_key: &[7; 65],
        client_data_hash: Some(&[7; 32]),
        kind: Kind::Attestation,
        environment: Environment::Production,
        roots: &[APPLE_ROOT_G3],
        now_ms: 1_700_000_000_000,
        max_age_ms: i64::MAX,
    };
    let Ok(first) = judge(bytes, &stranger) else { return };
    assert!(first.broke("key"), "{first:?}");
    let facts = first.facts;
    let app_id = facts.app_id.clone().unwrap_or_default();
    let own = Expected {
        app_ids: &[&app_id],
        public_key: &facts.public_key,
        client_data_hash: Some(&facts.client_hash),
        kind: facts.kind.unwrap_or(Kind::Refreshed),
        environment: facts.environment.unwrap_or(Environment::Production),
        roots: &[APPLE_ROOT_G3],
        now_ms: facts.created_ms.unwrap_or_default(),
        max_age_ms: 0,
    };
    let Ok(second) = judge(bytes, &own) else { panic!("it was read once") };
    assert_eq!(second.facts, facts);
    let complete = facts.app_id.is_some() && !facts.public_key.is_empty() && facts.kind.is_some() && facts.environment.is_some();
    assert!(complete && facts.created_ms.is_some() || !second.holds(), "{facts:?}");
    let Ok(third) = judge(bytes, &Expected { roots: &[], ..own }) else { panic!("it was read once") };
    assert!(third.broke("chain_root") || third.broke("signer"), "{third:?}");
});
