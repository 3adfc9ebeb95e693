//! What the platform does for a person in the place of typing: WebAuthn ceremonies. The page does it with its script, an app
//! with the call of its platform.
//!
//! The answer goes back as the action [`ACTION`], with the platform's JSON in the field [`FIELD`]. Where the platform did not
//! do it, the field [`FAILURE`] says why, with one word of [`FAILURES`].

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// The button that begins an operation, and the action under which its answer is sent.
pub const ACTION: &str = "passkey";
/// Asks for the passkeys of a name: for credentials that cannot be found without one.
pub const BY_NAME: &str = "security_key";
/// RegistrationResponseJSON or AuthenticationResponseJSON as text (WebAuthn Level 3, 5.1).
pub const FIELD: &str = "passkey";
pub const FAILURE: &str = "passkey_failure";
/// What an app or the page's script may answer instead.
pub const FAILURES: &[&str] = &["already_there", "cancelled", "no_passkey", "not_possible_here"];

/// `options` are what the platforms' JSON parsers take: `PublicKeyCredential.parseCreationOptionsFromJSON` and
/// `parseRequestOptionsFromJSON` in a browser, Credential Manager on Android.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Operation {
    /// WebAuthn Level 3, 5.4: PublicKeyCredentialCreationOptionsJSON.
    PasskeyCreate { options: Json, mediation: Mediation },
    /// WebAuthn Level 3, 5.5: PublicKeyCredentialRequestOptionsJSON.
    PasskeyGet { options: Json, mediation: Mediation },
    /// WebAuthn Level 3, 5.1.10: these passkeys are all that the account has. The platform forgets the others. Nothing is answered.
    PasskeySignal { options: Json },
}

/// When the operation begins (Credential Management Level 1, 2.3.2).
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Mediation {
    /// When the person presses its button.
    Optional,
    /// At once and without a window: passkeys stand among what the fields can be filled with, or one is made quietly.
    /// The button is there as well.
    Conditional,
}

impl Operation {
    pub fn options(&self) -> &Json {
        match self {
            Self::PasskeyCreate { options, .. } | Self::PasskeyGet { options, .. } | Self::PasskeySignal { options } => options,
        }
    }

    /// Is there an answer to it?
    pub fn is_answered(&self) -> bool {
        !matches!(self, Self::PasskeySignal { .. })
    }
}
