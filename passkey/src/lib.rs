//! Passkeys: the relying party of WebAuthn Level 3. It makes the options of a ceremony and judges the answer.
//!
//! The caller gives bytes, the challenge, the origins that it accepts, and what it keeps of a credential. It gets a verdict with
//! every fact that was found and every rule that failed. Pure: no store, no network, no clock, no policy. What a counter that went
//! back or another backup state is worth is the caller's to say.
//!
//! Every reader has a budget: a largest size, and a largest number of members or levels. What is beyond it is unreadable.
//!
//! Left out: attestation of the format `android-safetynet` (Google has shut the service down), SHA-1 in any place, extensions
//! other than `credProps`, and the legacy extension `appid`.
#![warn(clippy::too_many_lines, clippy::too_many_arguments)]

pub mod aaguid;
mod assertion;
mod attestation;
mod authenticator_data;
mod client_data;
pub mod cose;
pub mod options;
mod registration;
mod response;
pub mod transports;

pub use assertion::{AssertionFacts, ExpectedAssertion, assertion};
pub use attestation::{Attestation, Kind, Trust};
pub use client_data::CrossOrigin;
pub use registration::{ExpectedRegistration, RegistrationFacts, UserPresence, registration};
pub use response::{AssertionResponse, RegistrationResponse};
pub use symbolon_attest::{Failed, Unreadable, Verdict};

/// The largest response in JSON, in bytes.
pub const MAX_RESPONSE_BYTES: usize = 64 * 1024;
/// The longest credential id, in bytes (WebAuthn Level 3, 4, "Credential ID").
pub const MAX_CREDENTIAL_ID_BYTES: usize = 1023;
/// A user handle has 1 to 64 bytes (WebAuthn Level 3, 5.4.3).
pub const MAX_USER_HANDLE_BYTES: usize = 64;

/// May the ceremony do without user verification?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserVerification {
    Required,
    Preferred,
}

impl UserVerification {
    /// WebAuthn Level 3, 5.8.6.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Preferred => "preferred",
        }
    }
}
