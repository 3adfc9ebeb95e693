//! The answer to request options. The first byte says what the rest is: 0, the answer in JSON; 1, its client data; else its
//! authenticator data. Nobody signs by this key, so none may hold.
#![no_main]

use libfuzzer_sys::fuzz_target;
use symbolon_attest_fuzz::POINT;
use symbolon_passkey::{AssertionResponse, CrossOrigin, ExpectedAssertion, UserVerification, assertion};

const CLIENT_DATA: &[u8] = br#"{"type":"webauthn.get","challenge":"AAAAAAAAAAAAAAAAAAAAAA","origin":"https://login.example.com"}"#;

fuzz_target!(init: symbolon_attest_fuzz::seeds("passkey_assertion"), |bytes: &[u8]| {
    let Some((mode, rest)) = bytes.split_first() else { return };
    let mut response = AssertionResponse {
        id: vec![7; 16],
        client_data: CLIENT_DATA.to_vec(),
        authenticator_data: [&[0; 32][..], &[5, 0, 0, 0, 1]].concat(),
        signature: vec![0x30, 6, 2, 1, 1, 2, 1, 1],
        user_handle: None,
        attachment: None,
    };
    match mode {
        0 => {
            let Some(read) = std::str::from_utf8(rest).ok().and_then(|text| AssertionResponse::parse(text).ok()) else { return };
            response = read;
        }
        1 => response.client_data = rest.to_vec(),
        _ => response.authenticator_data = rest.to_vec(),
    }
    let key = [&b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20"[..], &POINT[1..33], b"\x22\x58\x20", &POINT[33..]].concat();
    let expected = ExpectedAssertion {
        rp_id: "login.example.com",
        origins: &["https://login.example.com"],
        cross_origin: CrossOrigin::Refused,
        challenge: &[0; 16],
        user_verification: UserVerification::Required,
        key: &key,
        counter: 1,
        backup_eligible: false,
    };
    if let Ok(verdict) = assertion(&response, &expected) {
        // Its discrete logarithm is 1, so a signature by it can be made; not by chance.
        assert!(verdict.broke("signature"), "{verdict:?}");
        assert_eq!(verdict.broke("user_verified"), !verdict.facts.user_verified);
        assert_eq!(verdict.facts.counter_went_back, verdict.facts.counter <= 1);
    }
});
