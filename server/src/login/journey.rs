//! Why a sign-in began, and the forms of the longer ways.

use serde::{Deserialize, Serialize};

/// Why a sign-in began. A journey owns the data that nothing else needs.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Journey {
    SignIn,
    /// A person whom nobody knows yet; goes on as `SignIn`.
    Register {
        draft: Option<Draft>,
    },
    /// The password is forgotten: the address proves the person, then every factor, then a new password; goes on as `SignIn`.
    Reset,
    /// Changes of an account: proofs at most five minutes old, and every enrolled factor (361-Z, 362-Z).
    ChangePassword,
    ChangeEmail {
        new: Option<String>,
    },
    EnrolTotp,
    RemoveTotp,
    RecoveryCodes,
    AddPasskey,
    RemovePasskey {
        /// As `passkeys::public_id` names it.
        passkey: String,
    },
}

impl Journey {
    /// The button of the account page that begins it.
    pub fn of_account(action: &str) -> Option<Self> {
        Some(match action {
            "change_password" => Self::ChangePassword,
            "change_email" => Self::ChangeEmail { new: None },
            "enrol_totp" => Self::EnrolTotp,
            "remove_totp" => Self::RemoveTotp,
            "recovery_codes" => Self::RecoveryCodes,
            "add_passkey" => Self::AddPasskey,
            _ => return Self::of_passkey(action),
        })
    }

    fn of_passkey(action: &str) -> Option<Self> {
        let passkey = action.strip_prefix("remove_passkey:").filter(|id| id.len() <= 64)?;
        Some(Self::RemovePasskey { passkey: passkey.to_owned() })
    }

    /// Does it change an account that is signed in? Then the sign-in is of that account and of no other.
    pub fn is_of_account(&self) -> bool {
        !matches!(self, Self::SignIn | Self::Register { .. } | Self::Reset)
    }
}

/// Somebody who registers, until the address is proved.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub email: String,
    pub name: Option<String>,
    pub locale: String,
    /// argon2id in PHC form.
    pub password: Option<String>,
    /// The address is proved, and the account waits for its first passkey.
    #[serde(default)]
    pub proved: bool,
}

/// A form of a journey, which proves nothing.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    Register,
    NewPassword,
    NewEmail,
    EnrolTotp,
    RemoveTotp,
    /// New recovery codes, which count from the moment at which the person says that they are kept.
    RecoveryCodes,
    EnrolPasskey,
    /// The same, offered after a sign-in without a passkey.
    OfferPasskey,
    RemovePasskey,
}
