//! Why a sign-in began, and the forms of the longer ways.

use crate::upstream::{Hint, ProviderTokens};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// A link wants a sign-in at the provider that is at most this old.
pub const LINKING_MAX_AGE_S: i64 = 5 * 60;

/// Of what a button names: a client's id is the longest.
const LONGEST_TARGET: usize = 2048;

/// Why a sign-in began. A journey owns the data that nothing else needs.
#[allow(clippy::large_enum_variant, reason = "a sign-in has one, and few are under way at once")]
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Journey {
    SignIn,
    /// A person whom nobody knows yet; goes on as `SignIn`.
    Register {
        draft: Option<RegistrationDraft>,
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
    /// Another name for one, on an app's own screens.
    RenamePasskey {
        passkey: String,
    },
    /// An identity at a provider shall lead to this account. Both sides are proved, then the last page asks.
    Link {
        provider: String,
        /// The account is proved, and the provider is asked.
        asked: bool,
        found: Option<NewLink>,
        /// A ticket that invites proves the account, which has no other means.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        invited: bool,
    },
    /// It shall no longer. `key` names the identity.
    Unlink {
        key: String,
    },
    /// The account on an app's own screens: what is there, and the ways to change it.
    Manage(Overview),
    ChangeName,
    ChangeLanguage,
    /// What the person tells clients that ask them on their own device (CIBA Core 7.1).
    ChangeUserCode,
    /// By its public name, as `sessions::public_name` has it.
    EndSession {
        session: String,
    },
    EndOtherSessions,
    ForgetDevice {
        device: String,
    },
    RevokeApp {
        client: String,
    },
    Export,
    Delete,
}

/// A page of `Journey::Manage`.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Overview {
    Menu,
    Passkeys,
    Links,
    Sessions,
    Devices,
    Apps,
    History,
}

/// An identity at a provider, verified, that is to lead to an account.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct NewLink {
    pub method: String,
    pub issuer: String,
    pub subject: String,
    /// What the provider says: JSON of `upstream::ProviderProfile`.
    pub said: String,
    /// The provider's name on pages.
    pub label: String,
    /// How the person may know the identity again.
    pub shown: String,
    /// The claims that it shows from the beginning.
    #[serde(default)]
    pub shows: Map<String, Json>,
    /// It names claims that it leads.
    #[serde(default)]
    pub leads: bool,
    /// What the provider gave, where an API may have it.
    #[serde(default)]
    pub tokens: Option<ProviderTokens>,
    /// For the sign-out there, with the name of the session that it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<(String, Hint)>,
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
            "change_name" => Self::ChangeName,
            "change_language" => Self::ChangeLanguage,
            "change_user_code" => Self::ChangeUserCode,
            "sign_out_others" => Self::EndOtherSessions,
            "export" => Self::Export,
            "delete" => Self::Delete,
            _ => return Self::of_target(action),
        })
    }

    /// The same for buttons that name what they are about.
    fn of_target(action: &str) -> Option<Self> {
        let (action, target) = action.split_once(':').filter(|(_, target)| target.len() <= LONGEST_TARGET)?;
        let target = target.to_owned();
        Some(match action {
            "remove_passkey" => Self::RemovePasskey { passkey: target },
            "rename_passkey" => Self::RenamePasskey { passkey: target },
            "end_session" => Self::EndSession { session: target },
            "forget_device" => Self::ForgetDevice { device: target },
            "revoke_app" => Self::RevokeApp { client: target },
            "link" => Self::Link { provider: target, asked: false, found: None, invited: false },
            "unlink" => Self::Unlink { key: target },
            _ => return None,
        })
    }

    /// A button of the overview that leads to another page of it.
    pub fn of_overview(action: &str) -> Option<Self> {
        Some(Self::Manage(match action {
            "overview" => Overview::Menu,
            "passkeys" => Overview::Passkeys,
            "links" => Overview::Links,
            "sessions" => Overview::Sessions,
            "devices" => Overview::Devices,
            "apps" => Overview::Apps,
            "history" => Overview::History,
            _ => return None,
        }))
    }

    /// Does it change an account that is signed in? Then the sign-in is of that account and of no other.
    pub fn is_of_account(&self) -> bool {
        !matches!(self, Self::SignIn | Self::Register { .. } | Self::Reset | Self::Regain | Self::Link { invited: true, .. })
    }
}

/// Somebody who registers, until the address is proved.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct RegistrationDraft {
    pub email: String,
    pub name: Option<String>,
    pub locale: String,
    /// argon2id in PHC form.
    pub password: Option<String>,
    /// The address is proved, and the account waits for its first passkey.
    #[serde(default)]
    pub proved: bool,
}

impl Form {
    /// Is it a form of the account that adds no means and takes none away?
    pub fn is_of_overview(self) -> bool {
        let is_change = matches!(self, Self::NewName | Self::NewLanguage | Self::NewUserCode | Self::NewPasskeyName | Self::EndAccess);
        is_change || matches!(self, Self::Overview | Self::Export | Self::Exported | Self::Delete)
    }
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
    NewName,
    NewLanguage,
    NewUserCode,
    NewPasskeyName,
    /// A page of the account that asks nothing: its buttons lead on.
    Overview,
    /// What goes is named, and the person says yes.
    EndAccess,
    Export,
    /// The copy is there to be kept.
    Exported,
    Delete,
    /// What the person has does not count in full yet. Nothing is filled in.
    Wait,
}
