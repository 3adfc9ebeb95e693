//! What an operator can ask for: messages, without who asks.

use super::paging::Paging;
use crate::sensitive::Sensitive;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything an operator can do to the store or to a running server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    User(UserOperation),
    Client(ClientOperation),
    Instance(InstanceOperation),
    Key(KeyOperation),
    Token(TokenOperation),
    Audit(AuditOperation),
    Review(ReviewOperation),
    Recover(RecoverOperation),
    Plugin(PluginOperation),
}

/// `user` is any name with which the person signs in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum UserOperation {
    Add {
        user: String,
        email: Option<String>,
        display_name: Option<String>,
        claims: BTreeMap<String, String>,
        #[serde(skip)]
        password: Sensitive,
    },
    /// Adds people of another system.
    Import {
        /// Only says what would happen.
        dry_run: bool,
        /// Passes over people whose name or sub is there.
        skip_existing: bool,
        /// A `Batch` as JSON. Digests are in it.
        #[serde(skip)]
        people: Sensitive,
    },
    List {
        paging: Paging,
    },
    Show {
        user: String,
    },
    SetPassword {
        user: String,
        #[serde(skip)]
        password: Sensitive,
    },
    /// Only what is named changes.
    Change {
        user: String,
        email: Option<String>,
        display_name: Option<String>,
        claims: BTreeMap<String, String>,
        remove_claims: Vec<String>,
    },
    RemoveTotp {
        user: String,
    },
    RemovePasskeys {
        user: String,
        /// As `Show` names it. Absent: all.
        passkey: Option<String>,
    },
    /// An identity at a provider, or of a plug-in, leads to the person no more.
    Unlink {
        user: String,
        /// As `Show` names it.
        link: String,
    },
    /// What the person tells clients that ask on the backchannel (CIBA Core 7.1).
    SetUserCode {
        user: String,
        #[serde(skip)]
        code: Sensitive,
    },
    RemoveUserCode {
        user: String,
    },
    Delete {
        user: String,
        /// Without it the answer is a refusal that says what would go.
        confirmed: bool,
    },
    EndSessions {
        user: String,
    },
    /// Means that wait count in full from now on.
    Confirm {
        user: String,
        /// As `Show` names it. Absent: all that wait.
        means: Option<String>,
    },
    /// Links of a provider's people get other subjects, or are noted for it.
    MoveLinks {
        provider: String,
        dry_run: bool,
        lines: Vec<MovedSubject>,
    },
    /// Makes an account that nobody can sign in to yet, and a ticket with which its person links an identity at a provider to it.
    Invite {
        user: String,
        email: Option<String>,
        display_name: Option<String>,
        claims: BTreeMap<String, String>,
    },
    /// Makes a ticket with which the person adds means that count at once.
    Ticket {
        user: String,
    },
    Disable {
        user: String,
    },
    Enable {
        user: String,
    },
}

/// A subject of before, with the one of now or the provider's identifier of the move.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MovedSubject {
    pub from: String,
    #[serde(default)]
    pub to: Option<String>,
    #[serde(default)]
    pub transfer_sub: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientOperation {
    /// Registers clients.
    Import {
        /// Registered clients of the same client_id are replaced.
        replace: bool,
        /// Only says what would happen.
        dry_run: bool,
        /// Client metadata (RFC 7591 2) as JSON, one object or an array. It may hold secrets.
        #[serde(skip)]
        metadata: Sensitive,
    },
    List {
        paging: Paging,
    },
    Show {
        client_id: String,
    },
    Disable {
        client_id: String,
    },
    Enable {
        client_id: String,
    },
    /// Takes a client of the store away for good, with all that it has got.
    Remove {
        client_id: String,
    },
    /// Makes a token by which somebody registers clients (RFC 7591 3).
    MakeToken {
        /// A `[client_registration.NAME]`.
        policy: String,
        uses: u32,
        lifetime_s: i64,
    },
    ListTokens {
        paging: Paging,
    },
    RevokeToken {
        token: String,
    },
    /// Ends everything that the client has got so far.
    EndSessions {
        client_id: String,
        preview: bool,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum InstanceOperation {
    List {
        /// Absent: of every client.
        client_id: Option<String>,
        paging: Paging,
    },
    Show {
        jkt: String,
    },
    /// One step of a revocation; the caller repeats it with `after` until the outcome has no `next`.
    Revoke {
        selection: Selection,
        preview: bool,
        after: Option<String>,
    },
}

/// Which installations are meant: all that fit every member that is there. At least one other than `platform` is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    pub jkt: Option<String>,
    pub client_id: Option<String>,
    /// `android`, `ios`, `managed` or `attester`.
    pub platform: Option<String>,
    /// Of a certificate in the attestation chain, in hexadecimal.
    pub serial: Option<String>,
    /// All of the client's whose app is older.
    pub app_version_below: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PluginOperation {
    List { paging: Paging },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum KeyOperation {
    List {
        paging: Paging,
    },
    /// Publishes the next key now; it signs once every cache can know it.
    Rotate {
        alg: String,
        /// The present key is stolen: the new one signs now, and the old ones are withdrawn.
        at_once: bool,
    },
    /// Seals what is kept in the store under the newest master key.
    Rewrap {},
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TokenOperation {
    Preview {
        client_id: String,
        scope: Option<String>,
        /// The audience of the API, where the scopes alone do not say which.
        resource: Option<String>,
        /// Absent: a token of the client itself.
        user: Option<String>,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AuditOperation {
    /// The newest entries. `next` leads to older ones.
    Newest {
        filter: AuditFilter,
        /// 0 to 1000.
        limit: u32,
        before: Option<String>,
        /// Only up to the instant from which a follower goes on; `end` is that place.
        settled: bool,
    },
    /// The entries that come next. `next` leads to newer ones; it is always there, because there will be newer ones.
    Following {
        filter: AuditFilter,
        /// Absent: from the beginning.
        after: Option<String>,
        /// Never past an entry that is still being committed, so that none is missed.
        settled: bool,
    },
}

/// Absent means any.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditFilter {
    pub event: Option<String>,
    /// `ok`, `refused` or `failed`.
    pub outcome: Option<String>,
    pub account: Option<String>,
    pub client_id: Option<String>,
    /// The key of an installation.
    pub instance: Option<String>,
    pub since: Option<Instant>,
    pub until: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Instant {
    AtMs(i64),
    /// This long before the operation, by the server's clock.
    AgoMs(i64),
}

/// Read a configuration, and what only the store knows, as a security reviewer would.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewOperation {
    /// The text of the configuration file, which a running server need not have read yet.
    pub configuration: String,
}

/// After the store was restored from a copy.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoverOperation {
    /// Audit entries since the copy was made, one JSON object on each line.
    pub audit: Option<String>,
    /// Only says what would happen.
    pub dry_run: bool,
}

impl Operation {
    /// A running server reads clients and keys again after an operation that may have changed them. Each operation is named, so that a new
    /// one does not compile before somebody has decided.
    pub fn only_reads(&self) -> bool {
        match self {
            Self::User(operation) => operation.only_reads(),
            Self::Client(operation) => operation.only_reads(),
            Self::Instance(InstanceOperation::List { .. } | InstanceOperation::Show { .. }) => true,
            Self::Instance(InstanceOperation::Revoke { .. }) => false,
            Self::Key(KeyOperation::List { .. }) => true,
            Self::Key(KeyOperation::Rotate { .. } | KeyOperation::Rewrap {}) => false,
            Self::Token(TokenOperation::Preview { .. }) => true,
            Self::Audit(AuditOperation::Newest { .. } | AuditOperation::Following { .. }) => true,
            Self::Review(ReviewOperation { .. }) => true,
            Self::Recover(RecoverOperation { .. }) => false,
            Self::Plugin(PluginOperation::List { .. }) => true,
        }
    }

    /// The one secret of an operation. It is never part of the operation's text: whoever carries the operation elsewhere
    /// carries the secret beside it.
    pub fn secret_mut(&mut self) -> Option<&mut Sensitive> {
        match self {
            Self::User(UserOperation::Add { password, .. } | UserOperation::SetPassword { password, .. }) => Some(password),
            Self::User(UserOperation::SetUserCode { code, .. }) => Some(code),
            Self::User(UserOperation::Import { people, .. }) => Some(people),
            Self::Client(ClientOperation::Import { metadata, .. }) => Some(metadata),
            _ => None,
        }
    }
}

impl UserOperation {
    fn only_reads(&self) -> bool {
        match self {
            Self::List { .. } | Self::Show { .. } => true,
            Self::Add { .. } | Self::Import { .. } | Self::Invite { .. } | Self::Ticket { .. } | Self::Delete { .. } => false,
            Self::SetPassword { .. } | Self::Change { .. } | Self::SetUserCode { .. } | Self::RemoveUserCode { .. } => false,
            Self::RemoveTotp { .. } | Self::RemovePasskeys { .. } | Self::Unlink { .. } | Self::MoveLinks { .. } => false,
            Self::EndSessions { .. } | Self::Confirm { .. } | Self::Disable { .. } | Self::Enable { .. } => false,
        }
    }
}

impl ClientOperation {
    fn only_reads(&self) -> bool {
        match self {
            Self::List { .. } | Self::Show { .. } | Self::ListTokens { .. } => true,
            Self::Import { .. } | Self::Disable { .. } | Self::Enable { .. } | Self::Remove { .. } => false,
            Self::MakeToken { .. } | Self::RevokeToken { .. } | Self::EndSessions { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Every `List...` that stands in this file, as somebody sends it.
    fn lists() -> Vec<String> {
        let (mut found, mut kind) = (Vec::new(), String::new());
        for line in include_str!("operation.rs").lines() {
            if let Some((name, _)) = line.strip_prefix("pub enum ").and_then(|rest| rest.split_once("Operation {")) {
                kind = name.to_lowercase();
            }
            let variant = line.strip_prefix("    ").and_then(|rest| rest.split_once(" {")).map(|(name, _)| name);
            let Some(name) = variant.filter(|name| name.starts_with("List")) else { continue };
            let words = name.replace("List", "list").chars().fold(String::new(), |text, letter| match letter.is_uppercase() {
                true => format!("{text}_{}", letter.to_lowercase()),
                false => format!("{text}{letter}"),
            });
            found.push(format!("{{\"{kind}\":{{\"{words}\":{{\"paging\":{{}}}}}}}}"));
        }
        found
    }

    #[test]
    fn every_list_only_reads() {
        let lists = lists();
        assert!(lists.len() > 5 && lists.iter().any(|it| it.contains("list_tokens")), "{lists:?}");
        for text in lists {
            let operation: Operation = serde_json::from_str(&text).unwrap();
            assert!(operation.only_reads(), "{text}");
        }
        let revokes = Operation::Client(ClientOperation::RevokeToken { token: "x".to_owned() });
        assert!(!revokes.only_reads(), "the twin");
    }
}
