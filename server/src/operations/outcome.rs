//! What operations answer: data, which the command line prints and other faces pass on.

use super::{
    AuditEntries, ClientFacts, Clients, Imported, InstanceFacts, Instances, Keys, Recovered, Review, Revoked, Rewrapped, Sensitive,
    TokenPreview, UserFacts, Users,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    Users(Users),
    User(UserFacts),
    UserAdded {
        user: String,
        sub: String,
    },
    /// All sessions of the person have ended.
    PasswordSet {
        user: String,
        sub: String,
    },
    UserChanged {
        user: String,
        sub: String,
    },
    TotpRemoved {
        user: String,
        sub: String,
    },
    UserDeleted {
        user: String,
        sub: String,
        sessions: usize,
    },
    UserSessionsEnded {
        user: String,
        sub: String,
        sessions: usize,
    },
    UserState {
        user: String,
        sub: String,
        state: String,
    },
    Clients(Clients),
    Client(ClientFacts),
    ClientsImported(Imported),
    ClientState {
        client_id: String,
        state: String,
    },
    /// With `preview` nothing was done.
    ClientSessionsEnded {
        client_id: String,
        grants: i64,
        people: i64,
        preview: bool,
    },
    Instances(Instances),
    Instance {
        installations: Vec<InstanceFacts>,
    },
    InstancesRevoked(Revoked),
    Keys(Keys),
    KeyRotated {
        kid: String,
        alg: String,
        at_once: bool,
        signs_from_ms: i64,
    },
    KeysRewrapped(Rewrapped),
    TokenPreview(TokenPreview),
    AuditEntries(AuditEntries),
    Review(Review),
    Recovered(Recovered),
}

impl Outcome {
    /// The secrets that were made, by whose they are. They are no part of the outcome's text.
    pub fn take_secrets(&mut self) -> BTreeMap<String, Sensitive> {
        match self {
            Self::ClientsImported(imported) => std::mem::take(&mut imported.secrets),
            _ => BTreeMap::new(),
        }
    }

    /// Puts back what was carried beside the outcome.
    pub fn give_secrets(&mut self, secrets: BTreeMap<String, Sensitive>) {
        if let Self::ClientsImported(imported) = self {
            imported.secrets = secrets;
        }
    }
}
