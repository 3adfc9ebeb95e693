//! The answer to creation options. The first byte says what the rest is: 0, the answer in JSON; else its attestation object.
#![no_main]

use libfuzzer_sys::fuzz_target;
use symbolon_passkey::{CrossOrigin, ExpectedRegistration, RegistrationResponse, UserPresence, UserVerification, cose, registration};

const CLIENT_DATA: &[u8] = br#"{"type":"webauthn.create","challenge":"AAAAAAAAAAAAAAAAAAAAAA","origin":"https://login.example.com"}"#;

fuzz_target!(init: symbolon_attest_fuzz::seeds("passkey_registration"), |bytes: &[u8]| {
    let Some((mode, rest)) = bytes.split_first() else { return };
    let response = if *mode == 0 {
        let Some(read) = std::str::from_utf8(rest).ok().and_then(|text| RegistrationResponse::parse(text).ok()) else { return };
        read
    } else {
        RegistrationResponse {
            id: vec![7; 16],
            client_data: CLIENT_DATA.to_vec(),
            attestation_object: rest.to_vec(),
            transports: Vec::new(),
            discoverable: None,
            attachment: None,
        }
    };
    let expected = ExpectedRegistration {
        rp_id: "login.example.com",
        origins: &["https://login.example.com"],
        cross_origin: CrossOrigin::Refused,
        challenge: &[0; 16],
        algorithms: &cose::OFFERED,
        user_verification: UserVerification::Required,
        user_presence: UserPresence::Required,
        trust: None,
    };
    let Ok(verdict) = registration(&response, &expected) else { return };
    assert!(!verdict.facts.id.is_empty() && verdict.facts.id.len() <= 1023);
    assert!(!verdict.facts.attestation.trusted, "nobody was trusted");
    if verdict.holds() {
        assert!(verdict.facts.id == response.id && verdict.facts.user_verified);
        assert!(verdict.facts.backup_eligible || !verdict.facts.backed_up);
        assert!(cose::PublicKey::read(&verdict.facts.key).is_ok_and(|key| cose::OFFERED.contains(&key.algorithm())));
    }
});
