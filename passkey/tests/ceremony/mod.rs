//! A relying party, what it asks of an authenticator at a registration, and how it judges the answer.

use serde_json::Value as Json;
use symbolon_passkey::options::{Conveyance, Creation, Descriptor, creation};
use symbolon_passkey::{
    CrossOrigin, ExpectedRegistration, RegistrationFacts, RegistrationResponse, Unreadable, UserPresence, UserVerification, Verdict, cose,
    registration,
};

pub const RP: &str = "login.example.com";
pub const ORIGIN: &str = "https://login.example.com";
pub const CHALLENGE: &[u8] = b"thirty-two bytes of a challenge!";

pub fn creation_options(conveyance: Conveyance, exclude: &[Descriptor]) -> Json {
    creation(&Creation {
        rp_id: RP,
        rp_name: "Example",
        user_handle: b"somebody",
        user_name: "alice",
        display_name: "Alice",
        challenge: CHALLENGE,
        timeout_ms: 300_000,
        user_verification: UserVerification::Preferred,
        conveyance,
        exclude,
    })
}

pub fn registered(answer: &Json) -> Result<Verdict<RegistrationFacts>, Unreadable> {
    let response = RegistrationResponse::parse(&answer.to_string())?;
    let expected = ExpectedRegistration {
        rp_id: RP,
        origins: &[ORIGIN],
        cross_origin: CrossOrigin::Refused,
        challenge: CHALLENGE,
        algorithms: &cose::OFFERED,
        user_verification: UserVerification::Required,
        user_presence: UserPresence::Required,
        trust: None,
    };
    registration(&response, &expected)
}
