//! What the platform does for a person in the place of typing: WebAuthn ceremonies, and credentials of a digital wallet. A page does them
//! with its script, an app with the call of its platform. The sign-in of a provider's SDK is in an app alone.
//!
//! The answer goes back as the action of its [`ReturnWay`], with the platform's JSON in the field. Where the platform did not do it, the
//! failure field says why, with one of the words.

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

/// How the answer to an operation comes back.
pub struct ReturnWay {
    pub action: &'static str,
    pub field: &'static str,
    pub failure_field: &'static str,
    pub failures: &'static [&'static str],
}

const PASSKEY: ReturnWay = ReturnWay { action: ACTION, field: FIELD, failure_field: FAILURE, failures: FAILURES };
pub const ID_TOKEN: ReturnWay = ReturnWay {
    action: "id_token",
    field: "id_token",
    failure_field: "id_token_failure",
    failures: &["cancelled", "no_account", "not_possible_here"],
};

/// Beside the button that opens the wallet by its link: a page shows this one only where the browser knows the protocol.
pub const CREDENTIAL: ReturnWay = ReturnWay {
    action: "show_credential",
    field: "credential",
    failure_field: "credential_failure",
    failures: &["cancelled", "no_credential", "not_possible_here"],
};

/// An app opens a wallet by its link, and the app's own link brings the wallet's code back. An app alone gets it.
pub const WALLET: ReturnWay = ReturnWay {
    action: "open_wallet",
    field: "response_code",
    failure_field: "open_wallet_failure",
    failures: &["cancelled", "not_possible_here"],
};

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
    /// The SDK of a provider signs the person in and gives an ID token with this nonce. The answer is JSON with `id_token`.
    IdTokenGet { options: Json, mediation: Mediation },
    /// Digital Credentials API: `requests` with `protocol` and `data`. The answer is JSON with the same two members (OpenID4VP 1.0, A).
    CredentialGet { options: Json, mediation: Mediation },
    /// Opens `url`. A wallet answers elsewhere, and leads to the app's link with a code (OpenID4VP 1.0, 8.2), which is the answer.
    WalletOpen { options: Json, mediation: Mediation },
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
            Self::PasskeyCreate { options, .. }
            | Self::PasskeyGet { options, .. }
            | Self::IdTokenGet { options, .. }
            | Self::CredentialGet { options, .. }
            | Self::WalletOpen { options, .. }
            | Self::PasskeySignal { options } => options,
        }
    }

    /// None: nothing is answered.
    pub fn way(&self) -> Option<&'static ReturnWay> {
        match self {
            Self::PasskeyCreate { .. } | Self::PasskeyGet { .. } => Some(&PASSKEY),
            Self::IdTokenGet { .. } => Some(&ID_TOKEN),
            Self::CredentialGet { .. } => Some(&CREDENTIAL),
            Self::WalletOpen { .. } => Some(&WALLET),
            Self::PasskeySignal { .. } => None,
        }
    }

    pub fn is_of_passkeys(&self) -> bool {
        !matches!(self, Self::IdTokenGet { .. } | Self::CredentialGet { .. } | Self::WalletOpen { .. })
    }

    /// After a problem nothing is made quietly once more: the person presses the button.
    pub fn after_problem(self) -> Self {
        match self {
            Self::PasskeyCreate { options, .. } => Self::PasskeyCreate { options, mediation: Mediation::Optional },
            other => other,
        }
    }

    /// Is there an answer to it?
    pub fn is_answered(&self) -> bool {
        self.way().is_some()
    }
}
