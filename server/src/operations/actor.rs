//! Who carries out an operation. The actor comes from the door through which the operation came, never from its message.

use super::operation::Operation;
use super::problem::{Problem, Result};
use crate::audit::Entry;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Actor {
    /// A process at the socket of a running server. The kernel names its user; the rest is what the process said.
    Unix {
        uid: u32,
        #[serde(skip_serializing_if = "Claimed::is_empty")]
        claimed: Claimed,
    },
    /// A process that opened the store itself, while no server ran.
    Offline { uid: u32 },
}

/// What a caller says of itself. It may be wrong; it only helps people who share an account to find each other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Claimed {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sudo_user: Option<String>,
}

/// No user name is longer.
const LONGEST_NAME: usize = 64;

impl Claimed {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Only names that can be a user's.
    pub fn plain(self) -> Self {
        let plain = |text: &String| !text.is_empty() && text.len() <= LONGEST_NAME && text.chars().all(|it| it.is_ascii_graphic());
        Self { name: self.name.filter(plain), sudo_user: self.sudo_user.filter(plain) }
    }
}

impl Actor {
    /// The one place that decides who may do what.
    pub fn must_be_allowed(&self, operation: &Operation) -> Result<()> {
        match (self, operation) {
            (Self::Unix { .. }, Operation::Recover(_)) => {
                Err(Problem::forbidden("a server is running on this store; stop it first, so that nothing happens meanwhile"))
            }
            // The socket belongs to the server's own user, who could open the store as well.
            (Self::Unix { .. } | Self::Offline { .. }, _) => Ok(()),
        }
    }

    /// The operation is carried out inside a running server.
    pub fn is_at_server(&self) -> bool {
        match self {
            Self::Unix { .. } => true,
            Self::Offline { .. } => false,
        }
    }

    /// As the audit shows it.
    pub fn to_json(&self) -> Json {
        serde_json::to_value(self).unwrap_or_else(|_| Json::from("unknown"))
    }

    /// An audit entry that says by what means the operator came.
    pub(super) fn entry(&self, event: &'static str) -> Entry {
        let by = match self {
            Self::Unix { .. } | Self::Offline { .. } => "command line",
        };
        Entry::ok(event).with("by", by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::{RecoverOperation, UserOperation};

    #[test]
    fn a_running_server_does_not_recover_its_store() {
        let unix = Actor::Unix { uid: 0, claimed: Claimed::default() };
        let recover = Operation::Recover(RecoverOperation { audit: None, dry_run: false });
        let show = Operation::User(UserOperation::Show { user: "alice".to_owned() });
        assert!(unix.must_be_allowed(&recover).is_err() && unix.must_be_allowed(&show).is_ok());
        assert!(Actor::Offline { uid: 0 }.must_be_allowed(&recover).is_ok());
    }

    #[test]
    fn what_is_claimed_is_short_and_plain() {
        let claimed = |name: &str| Claimed { name: Some(name.to_owned()), sudo_user: None }.plain().name;
        assert_eq!(claimed("alice").as_deref(), Some("alice"));
        for bad in [String::new(), "a\nb".to_owned(), "a".repeat(65), "a b".to_owned()] {
            assert_eq!(claimed(&bad), None, "{bad:?}");
        }
    }
}
