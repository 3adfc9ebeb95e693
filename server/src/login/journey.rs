//! Why a sign-in began, and the forms of the longer ways.

use serde::{Deserialize, Serialize};

/// A link wants a sign-in at the provider that is at most this old.
pub const LINKING_MAX_AGE_S: i64 = 5 * 60;

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
    /// The person has lost the further means that are asked for. They wait, or show an operator's ticket, and begin anew (`regain`).
    Regain,
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
    /// An identity at a provider shall lead to this account. Both sides are proved, then the last page asks.
    Link {
        provider: String,
        /// The account is proved, and the provider is asked.
        asked: bool,
        found: Option<NewLink>,
    },
    /// It shall no longer. `key` names the identity.
    Unlink {
        key: String,
    },
}

/// An identity at a provider, verified, that is to lead to an account.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct NewLink {
    pub method: String,
    pub issuer: String,
    pub subject: String,
    /// What the provider says: JSON of `upstream::Profile`.
    pub said: String,
    /// The provider's name on pages.
    pub label: String,
    /// How the person may know the identity again.
    pub shown: String,
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

    /// The same for buttons that name what they are about.
    pub fn of_link(action: &str, target: &str) -> Option<Self> {
        Some(match action {
            "link" => Self::Link { provider: target.to_owned(), asked: false, found: None },
            "unlink" => Self::Unlink { key: target.to_owned() },
            _ => return None,
        })
    }

    /// Does it change an account that is signed in? Then the sign-in is of that account and of no other.
    pub fn is_of_account(&self) -> bool {
        !matches!(self, Self::SignIn | Self::Register { .. } | Self::Reset | Self::Regain)
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
    /// Both accounts are named, and the person says that they are one.
    Link,
    Unlink,
    /// What the person has does not count in full yet. Nothing is filled in.
    Wait,
}
