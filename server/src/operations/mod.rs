//! What an operator can do, as one list. Each operation is checked, carried out and audited here, once. The command line, the
//! socket of a running server and later the admin API only carry operations in and outcomes out.

mod actor;
mod audit;
mod clients;
mod cutoff;
mod import;
mod instances;
mod keys;
mod metadata;
mod outcome;
mod paging;
mod problem;
mod recover;
pub mod review;
mod review_client;
mod revoke;
mod rewrap;
mod sensitive;
mod tokens;
mod users;
mod users_change;

pub use actor::{Actor, Claimed};
pub use audit::{AuditEntries, AuditFilter, AuditOperation, Instant};
pub use clients::{ClientFacts, ClientLine, ClientOperation, ClientSource, Clients, SecretFacts};
pub use import::{Imported, ImportedClient};
pub use instances::{HistoryLine, Installation, InstanceFacts, InstanceLine, InstanceOperation, Instances, MOST_HISTORY};
pub use keys::{KeyLine, KeyOperation, Keys};
pub use outcome::Outcome;
pub use paging::Paging;
pub use problem::{Problem, ProblemKind, Result};
pub use recover::{Recovered, Replayed};
pub use review::{Finding, Review, Section, Subject};
pub use revoke::{Revoked, Selection};
pub use rewrap::{Older, Rewrapped};
pub use sensitive::Sensitive;
pub use tokens::{TokenOperation, TokenPreview};
pub use users::{App, Factors, Session, UserFacts, UserLine, UserOperation, Users};

use crate::config::Config;
use crate::seal::KeyRing;
use crate::store::{Change, Store};
use crate::tokens::keys::Schedule;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

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
}

/// What operations work on.
pub struct Context {
    pub config: Arc<Config>,
    pub store: Store,
    pub keyring: KeyRing,
    /// How signing keys come and go.
    pub schedule: Schedule,
    /// Where relative paths of the configuration begin.
    pub base: PathBuf,
    /// The instant at which the operation happens.
    pub now_ms: i64,
}

impl Context {
    /// A change whose audit entries carry the actor.
    fn change(&self, actor: &Actor) -> Change {
        let mut change = Change::new(self.now_ms);
        change.set_actor(actor.to_json());
        change
    }
}

/// Carries an operation out for an actor who may do it.
pub async fn run(context: &Context, actor: &Actor, operation: Operation) -> Result<Outcome> {
    actor.must_be_allowed(&operation)?;
    match operation {
        Operation::User(operation) => users::run(context, actor, operation).await,
        Operation::Client(operation) => clients::run(context, actor, operation).await,
        Operation::Instance(operation) => instances::run(context, actor, operation).await,
        Operation::Key(operation) => keys::run(context, actor, operation).await,
        Operation::Token(operation) => tokens::run(context, operation).await,
        Operation::Audit(operation) => audit::run(context, operation).await,
        Operation::Review(operation) => review::run(context, actor, operation).await,
        Operation::Recover(operation) => recover::run(context, actor, operation).await,
    }
}

impl Operation {
    /// A running server reads clients and keys again after an operation that may have changed them.
    pub fn only_reads(&self) -> bool {
        match self {
            Self::User(UserOperation::List { .. } | UserOperation::Show { .. })
            | Self::Client(ClientOperation::List { .. } | ClientOperation::Show { .. })
            | Self::Instance(InstanceOperation::List { .. } | InstanceOperation::Show { .. })
            | Self::Key(KeyOperation::List { .. })
            | Self::Token(_)
            | Self::Audit(_)
            | Self::Review(_) => true,
            Self::User(_) | Self::Client(_) | Self::Instance(_) | Self::Key(_) | Self::Recover(_) => false,
        }
    }

    /// The one secret of an operation. It is never part of the operation's text: whoever carries the operation elsewhere
    /// carries the secret beside it.
    pub fn secret_mut(&mut self) -> Option<&mut Sensitive> {
        match self {
            Self::User(UserOperation::Add { password, .. } | UserOperation::SetPassword { password, .. }) => Some(password),
            Self::Client(ClientOperation::Import { metadata, .. }) => Some(metadata),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_secret_is_in_no_text_of_an_operation_or_an_outcome() {
        let password = || Sensitive::new("correct horse".to_owned());
        let metadata = Sensitive::new("{\"client_secret\":\"correct horse\"}".to_owned());
        let operations = [
            Operation::User(UserOperation::SetPassword { user: "alice".to_owned(), password: password() }),
            Operation::Client(ClientOperation::Import { replace: false, dry_run: false, metadata }),
        ];
        for mut operation in operations {
            let texts = [format!("{operation:?}"), serde_json::to_string(&operation).unwrap()];
            assert!(texts.iter().all(|it| !it.contains("horse")), "{texts:?}");
            assert!(operation.secret_mut().unwrap().reveal().contains("horse"), "the twin: who asks for it gets it");
        }
        let mut imported = Imported::default();
        imported.secrets.insert("web".to_owned(), password());
        let mut outcome = Outcome::ClientsImported(imported);
        let texts = [format!("{outcome:?}"), serde_json::to_string(&outcome).unwrap()];
        assert!(texts.iter().all(|it| !it.contains("horse")), "{texts:?}");
        assert_eq!(outcome.take_secrets()["web"].reveal(), "correct horse");
    }

    /// A member that this version does not know could be the one that made the operation harmless.
    #[test]
    fn an_unknown_member_is_refused() {
        let read = |text: &str| serde_json::from_str::<Operation>(text).is_ok();
        let selection = "\"selection\":{\"jkt\":\"x\",\"client_id\":null,\"platform\":null,\"serial\":null,\"app_version_below\":null}";
        let revoke = |more: &str| format!("{{\"instance\":{{\"revoke\":{{{selection},\"after\":null{more}}}}}}}");
        assert!(read(&revoke(",\"preview\":true")));
        assert!(!read(&revoke("")) && !read(&revoke(",\"preview\":null")) && !read(&revoke(",\"preview\":\"true\"")));
        assert!(!read(&revoke(",\"preview\":true,\"dry\":true")));
        assert!(read("{\"user\":{\"show\":{\"user\":\"alice\"}}}"));
        assert!(
            !read("{\"user\":{\"show\":{\"user\":\"alice\",\"actor\":\"root\"}}}") && !read("{\"user\":{\"shows\":{\"user\":\"alice\"}}}")
        );
    }
}
