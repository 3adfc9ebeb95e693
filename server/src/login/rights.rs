//! What may be changed of an account: everything on our own pages, and on an app's own screens what its client is allowed. Pure.

use super::journey::{Journey, Overview};
use crate::config::Right;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Rights {
    /// It is a sign-in, and nothing of an account is changed by it.
    #[default]
    Nothing,
    /// Our own pages.
    Everything,
    /// An app's own screens.
    Only(Vec<Right>),
}

impl Rights {
    pub fn has(&self, right: Right) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Only(rights) => rights.contains(&right),
        }
    }

    /// May a journey of the account go on?
    pub fn allow(&self, journey: &Journey) -> bool {
        match right_of(journey) {
            Some(right) => self.has(right),
            None => !journey.is_of_account() || *self != Self::Nothing,
        }
    }

    /// Is the account changed on an app's own screens?
    pub fn is_of_app(&self) -> bool {
        matches!(self, Self::Only(_))
    }
}

/// The right that a journey needs. None: it needs none of its own.
fn right_of(journey: &Journey) -> Option<Right> {
    Some(match journey {
        Journey::SignIn | Journey::Register { .. } | Journey::Reset | Journey::Regain | Journey::Manage(Overview::Menu) => return None,
        Journey::Link { invited: true, .. } => return None,
        Journey::ChangePassword => Right::Password,
        Journey::ChangeEmail { .. } => Right::Email,
        Journey::EnrolTotp | Journey::RemoveTotp => Right::Authenticator,
        Journey::RecoveryCodes => Right::RecoveryCodes,
        Journey::AddPasskey | Journey::RemovePasskey { .. } | Journey::RenamePasskey { .. } | Journey::Manage(Overview::Passkeys) => {
            Right::Passkeys
        }
        Journey::Link { .. } | Journey::Unlink { .. } | Journey::Manage(Overview::Links) => Right::Links,
        Journey::ChangeName => Right::Name,
        Journey::ChangeLanguage => Right::Language,
        Journey::ChangeUserCode => Right::UserCode,
        Journey::EndSession { .. } | Journey::EndOtherSessions | Journey::Manage(Overview::Sessions) => Right::Sessions,
        Journey::ForgetDevice { .. } | Journey::Manage(Overview::Devices) => Right::Devices,
        Journey::RevokeApp { .. } | Journey::Manage(Overview::Apps) => Right::Apps,
        Journey::Manage(Overview::History) => Right::History,
        Journey::Export => Right::Export,
        Journey::Delete => Right::Delete,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_may_do_what_its_client_is_allowed_and_nothing_beside_it() {
        let name = Rights::Only(vec![Right::Name]);
        for (journey, is_allowed) in [
            (Journey::ChangeName, true),
            (Journey::Manage(Overview::Menu), true),
            (Journey::SignIn, true),
            (Journey::Delete, false),
            (Journey::ChangePassword, false),
            (Journey::AddPasskey, false),
            (Journey::Manage(Overview::History), false),
        ] {
            assert_eq!(name.allow(&journey), is_allowed, "{journey:?}");
            assert!(Rights::Everything.allow(&journey), "{journey:?}");
            assert_eq!(Rights::Nothing.allow(&journey), journey == Journey::SignIn, "{journey:?}");
        }
    }
}
