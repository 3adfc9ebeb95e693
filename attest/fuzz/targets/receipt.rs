//! A receipt as an app or Apple's server sends it. The first byte says what the rest is: 0, the receipt; else its content, in
//! signed data without any certificate. It is judged by what it says of itself, so that only signature and chain are left to be
//! wrong: without a root they always are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use symbolon_attest::app_attest::Environment;
use symbolon_attest::receipt::{APPLE_ROOT_G3, Expected, Kind, judge};
use symbolon_attest_fuzz::tlv;

/// SignedData (RFC 5652 5.1), version 1.
fn signed(content: &[u8]) -> Vec<u8> {
    const DIGEST: &[u8] = &[0x30, 11, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
    const SIGNATURE: &[u8] = &[0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    let kind = |last: u8| tlv(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, last]);
    let info = tlv(0x30, &[kind(1), tlv(0xa0, &tlv(4, content))].concat());
    let signer = [&[2, 1, 1, 0x30, 5, 0x30, 0, 2, 1, 5], DIGEST, SIGNATURE, &[4, 0]].concat();
    let data = [&[2, 1, 1], tlv(0x31, DIGEST).as_slice(), &info, &[0xa0, 0], &tlv(0x31, &tlv(0x30, &signer))].concat();
    tlv(0x30, &[kind(2), tlv(0xa0, &tlv(0x30, &data))].concat())
}

fuzz_target!(init: symbolon_attest_fuzz::seeds("receipt"), |bytes: &[u8]| {
    let Some((mode, rest)) = bytes.split_first() else { return };
    let wrapped = if *mode == 0 { Vec::new() } else { signed(rest) };
    let bytes = if *mode == 0 { rest } else { &wrapped };
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
    assert!(*mode == 0 || first.broke("signer"), "{first:?}");
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
