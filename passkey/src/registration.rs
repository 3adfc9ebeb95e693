//! Registering a credential. WebAuthn Level 3, 7.1.

use crate::attestation::{self, Attestation, Trust};
use crate::authenticator_data::AuthenticatorData;
use crate::client_data::{ClientData, CrossOrigin, Expected};
use crate::cose::PublicKey;
use crate::{Failed, RegistrationResponse, Unreadable, UserVerification, Verdict};
use symbolon_oauth::digest;

/// What the answer should be about.
#[derive(Clone, Copy)]
pub struct ExpectedRegistration<'a> {
    pub rp_id: &'a str,
    /// Compared as strings.
    pub origins: &'a [&'a str],
    pub cross_origin: CrossOrigin<'a>,
    /// At least 16 bytes.
    pub challenge: &'a [u8],
    /// Of those that were offered (389-W).
    pub algorithms: &'a [i64],
    pub user_verification: UserVerification,
    pub user_presence: UserPresence,
    /// Absent: certificates are read, and no chain is judged.
    pub trust: Option<Trust<'a>>,
}

/// Must somebody have touched the authenticator? WebAuthn Level 3, 7.1 step 15.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserPresence {
    Required,
    /// The options were given with the mediation `conditional`: a passkey may be made without a gesture.
    NotAsked,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RegistrationFacts {
    pub id: Vec<u8>,
    /// COSE_Key: what [`crate::ExpectedAssertion`] takes.
    pub key: Vec<u8>,
    pub algorithm: i64,
    pub counter: u32,
    pub user_verified: bool,
    /// May it be copied to other devices? It is a statement of the authenticator's, not a promise.
    pub backup_eligible: bool,
    pub backed_up: bool,
    pub aaguid: [u8; 16],
    pub origin: String,
    pub attestation: Attestation,
}

/// Judges the answer to creation options.
pub fn registration(
    response: &RegistrationResponse,
    expected: &ExpectedRegistration<'_>,
) -> Result<Verdict<RegistrationFacts>, Unreadable> {
    let client_data = ClientData::read(&response.client_data)?;
    let object = attestation::Object::read(&response.attestation_object)?;
    let data = AuthenticatorData::read(object.authenticator_data)?;
    let credential = data.credential.as_ref().ok_or(Unreadable("the authenticator data carry no credential"))?;
    let key = PublicKey::read(credential.key)?;
    let mut failed = client_data.judge(&Expected {
        kind: "webauthn.create",
        challenge: expected.challenge,
        origins: expected.origins,
        cross_origin: expected.cross_origin,
    });
    judge_data(&data, expected.rp_id, (expected.user_verification, expected.user_presence), &mut failed);
    if credential.id != response.id {
        failed.push(Failed::new("credential_id", "the credential's id is not the one beside it"));
    }
    if !expected.algorithms.contains(&key.algorithm()) {
        failed.push(Failed::new("algorithm", format!("the key is of {}, which was not offered", key.algorithm())));
    }
    let statement = attestation::Statement { object: &object, data: &data, credential, key: &key, client_data_hash: &client_data.hash };
    let (attestation, broken) = attestation::judge(&statement, expected.trust)?;
    failed.extend(broken);
    let facts = RegistrationFacts {
        id: credential.id.to_vec(),
        key: credential.key.to_vec(),
        algorithm: key.algorithm(),
        counter: data.counter,
        user_verified: data.user_verified(),
        backup_eligible: data.backup_eligible(),
        backed_up: data.backed_up(),
        aaguid: credential.aaguid,
        origin: client_data.origin,
        attestation,
    };
    Ok(Verdict { facts, failed })
}

/// What both ceremonies ask of the authenticator data. WebAuthn Level 3, 7.1 steps 14 to 18, 7.2 steps 16 to 20.
pub(crate) fn judge_data(
    data: &AuthenticatorData<'_>,
    rp_id: &str,
    (verification, presence): (UserVerification, UserPresence),
    failed: &mut Vec<Failed>,
) {
    let mut rule = |holds: bool, name: &'static str, detail: &str| {
        if !holds {
            failed.push(Failed::new(name, detail));
        }
    };
    rule(digest::equal(data.rp_id_hash, &digest::sha256(rp_id.as_bytes())), "rp_id", "the passkey is of another RP ID");
    rule(data.user_present() || presence == UserPresence::NotAsked, "user_present", "nobody touched the authenticator");
    let is_enough = data.user_verified() || verification == UserVerification::Preferred;
    rule(is_enough, "user_verified", "the authenticator did not verify the person");
    // 401-W
    rule(data.backup_eligible() || !data.backed_up(), "backup", "the passkey is backed up and cannot be");
}
