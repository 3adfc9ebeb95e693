//! What an operator can do, as one list. Each operation is checked, carried out and audited here, once. The command line, the socket of a
//! running server and later the admin API carry operations in and outcomes out.

mod actor;
mod audit;
mod clients;
mod context;
pub mod cutoff;
mod enrolments;
mod find_client;
mod find_user;
mod import;
mod import_users;
mod installation;
mod instances;
mod keys;
mod move_links;
mod operation;
mod outcome;
mod paging;
mod plugins;
mod problem;
mod recover;
mod registration_tokens;
mod replay;
pub mod review;
mod review_assurance;
mod review_client;
mod review_links;
mod review_observed;
mod review_plugins;
mod review_registered;
mod review_registration;
mod review_sign_in;
mod review_upstream;
mod review_wallet;
mod revoke;
mod rewrap;
mod tokens;
mod users;
mod users_change;
mod users_means;

pub use crate::sensitive::Sensitive;
pub use actor::{Actor, Claimed};
pub use context::Context;
pub use import_users::{Batch, ImportedPerson, Line};
pub use instances::MOST_HISTORY;
pub use operation::{
    AuditFilter, AuditOperation, ClientOperation, InstanceOperation, Instant, KeyOperation, MovedSubject, Operation, PluginOperation,
    RecoverOperation, ReviewOperation, Selection, TokenOperation, UserOperation,
};
pub use outcome::{
    App, AuditEntries, ClientFacts, ClientLine, ClientPage, ClientSource, Factors, Finding, HistoryLine, Imported, ImportedClient,
    Installation, InstanceFacts, InstanceLine, Instances, KeyLine, Keys, LinksMoved, Older, Outcome, PluginPage, Recovered, RefusedPerson,
    RegistrationToken, RegistrationTokens, Replayed, Review, Revoked, Rewrapped, SecretFacts, Section, SessionFacts, Subject, TokenPreview,
    UserFacts, UserLine, UserLink, UserPasskey, Users, UsersImported, WaitingMeans,
};
pub use paging::Paging;
pub use problem::{Problem, ProblemKind, Result};

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
        Operation::Plugin(operation) => plugins::run(context, operation),
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
