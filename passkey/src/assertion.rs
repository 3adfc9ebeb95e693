//! Using a credential. WebAuthn Level 3, 7.2.

use crate::authenticator_data::AuthenticatorData;
use crate::client_data::{ClientData, CrossOrigin, Expected};
use crate::cose::PublicKey;
use crate::registration::{UserPresence, judge_data};
use crate::{AssertionResponse, Failed, Unreadable, UserVerification, Verdict};

/// What the answer should be about. That the id is the credential's, and the user handle its owner's, is the caller's to see to.
#[derive(Clone, Copy)]
pub struct ExpectedAssertion<'a> {
    pub rp_id: &'a str,
    /// Compared as strings.
    pub origins: &'a [&'a str],
    pub cross_origin: CrossOrigin<'a>,
    /// At least 16 bytes.
    pub challenge: &'a [u8],
    pub user_verification: UserVerification,
    /// COSE_Key, as registered.
    pub key: &'a [u8],
    /// The counter of the last answer, or of the registration.
    pub counter: u32,
    pub backup_eligible: bool,
}

/// What the caller weighs and keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssertionFacts {
    pub user_verified: bool,
    pub counter: u32,
    /// The counter did not grow, and one of the two is not zero (383-W): a copy of the authenticator may be in use.
    pub counter_went_back: bool,
    pub backup_eligible: bool,
    /// It was of the other kind before (401-W).
    pub backup_eligible_changed: bool,
    pub backed_up: bool,
    pub origin: String,
}

/// Judges the answer to request options.
pub fn assertion(response: &AssertionResponse, expected: &ExpectedAssertion<'_>) -> Result<Verdict<AssertionFacts>, Unreadable> {
    let client_data = ClientData::read(&response.client_data)?;
    let data = AuthenticatorData::read(&response.authenticator_data)?;
    let key = PublicKey::read(expected.key)?;
    let mut failed = client_data.judge(&Expected {
        kind: "webauthn.get",
        challenge: expected.challenge,
        origins: expected.origins,
        cross_origin: expected.cross_origin,
    });
    judge_data(&data, expected.rp_id, (expected.user_verification, UserPresence::Required), &mut failed);
    if !key.verify(&[&response.authenticator_data[..], &client_data.hash].concat(), &response.signature) {
        failed.push(Failed::new("signature", "the signature is not by the credential's key"));
    }
    let counts = data.counter != 0 || expected.counter != 0;
    let facts = AssertionFacts {
        user_verified: data.user_verified(),
        counter: data.counter,
        counter_went_back: counts && data.counter <= expected.counter,
        backup_eligible: data.backup_eligible(),
        backup_eligible_changed: data.backup_eligible() != expected.backup_eligible,
        backed_up: data.backed_up(),
        origin: client_data.origin,
    };
    Ok(Verdict { facts, failed })
}
