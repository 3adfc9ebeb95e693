//! What operations answer: data, which the command line prints and other faces pass on.

use crate::config::KioskDevice;
use crate::plugins::PluginLine;
use crate::sensitive::Sensitive;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
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
    PasskeysRemoved {
        user: String,
        sub: String,
        passkeys: Vec<String>,
    },
    Unlinked {
        user: String,
        sub: String,
        link: String,
        method: String,
    },
    UserCodeSet {
        user: String,
        sub: String,
    },
    UserCodeRemoved {
        user: String,
        sub: String,
    },
    MeansConfirmed {
        user: String,
        sub: String,
        means: Vec<String>,
    },
    TicketGiven {
        user: String,
        sub: String,
        until_ms: i64,
        /// Shown once.
        #[serde(skip)]
        ticket: Sensitive,
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
    Clients(ClientPage),
    Client(ClientFacts),
    ClientsImported(Imported),
    UsersImported(UsersImported),
    LinksMoved(LinksMoved),
    ClientState {
        client_id: String,
        state: String,
    },
    RegistrationTokenMade {
        token_id: String,
        policy: String,
        uses: u32,
        until_ms: i64,
        /// Shown this once.
        #[serde(skip)]
        token: Sensitive,
    },
    RegistrationTokens(RegistrationTokens),
    RegistrationTokenRevoked {
        token_id: String,
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
    Plugins(PluginPage),
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
            Self::RegistrationTokenMade { token_id, token, .. } => BTreeMap::from([(token_id.clone(), std::mem::take(token))]),
            Self::TicketGiven { user, ticket, .. } => BTreeMap::from([(user.clone(), std::mem::take(ticket))]),
            _ => BTreeMap::new(),
        }
    }

    /// Puts back what was carried beside the outcome.
    pub fn give_secrets(&mut self, mut secrets: BTreeMap<String, Sensitive>) {
        match self {
            Self::ClientsImported(imported) => imported.secrets = secrets,
            Self::RegistrationTokenMade { token_id, token, .. } => *token = secrets.remove(token_id).unwrap_or_default(),
            Self::TicketGiven { user, ticket, .. } => *ticket = secrets.remove(user).unwrap_or_default(),
            _ => {}
        }
    }
}

/// A page of login names; a person may have several.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Users {
    pub users: Vec<UserLine>,
    pub next: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UserLine {
    pub user: String,
    pub sub: String,
    pub state: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UserFacts {
    pub sub: String,
    pub state: String,
    /// Every name with which the person signs in.
    pub names: Vec<String>,
    pub email: Option<String>,
    pub email_verified: bool,
    pub display_name: Option<String>,
    pub claims: Map<String, Json>,
    pub created_ms: i64,
    pub factors: Factors,
    pub passkeys: Vec<UserPasskey>,
    /// Identities at providers, in wallets and of plug-ins.
    pub links: Vec<UserLink>,
    /// Means that nobody has confirmed yet, oldest first.
    pub waiting: Vec<WaitingMeans>,
    pub sessions: Vec<SessionFacts>,
    pub apps: Vec<App>,
    /// Not every session or app is here.
    pub more: bool,
}

/// A means that counts for no more than what it was added with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WaitingMeans {
    pub means: String,
    pub added_with: String,
    pub added_ms: i64,
    /// Absent: not until it is confirmed, or a letter has left.
    pub counts_from_ms: Option<i64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UserPasskey {
    pub passkey: String,
    /// As its person calls it.
    pub name: String,
    pub created_ms: i64,
    pub used_ms: Option<i64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UserLink {
    /// A digest of issuer and subject, as the audit names it.
    pub link: String,
    /// The login method, such as `upstream:google`.
    pub method: String,
    pub issuer: String,
    /// What it shows of the person, as claims of the account.
    pub claims: Map<String, Json>,
    pub created_ms: i64,
    pub used_ms: i64,
    /// Since when the provider says that the address there takes no mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_off_ms: Option<i64>,
}

/// How many of each the person has.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Factors {
    pub password: usize,
    pub totp: usize,
    pub recovery: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SessionFacts {
    /// As the audit names it.
    pub session: String,
    pub created_ms: i64,
    pub used_ms: i64,
    pub acr: String,
    pub amr: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct App {
    pub client_id: String,
    pub scope: String,
    pub created_ms: i64,
    pub used_ms: i64,
    /// Since when two holders of one grant are suspected.
    pub suspected_ms: Option<i64>,
}

/// A page of clients: first those of the file, then the registered ones.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClientPage {
    pub clients: Vec<ClientLine>,
    pub next: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClientLine {
    pub client_id: String,
    pub source: ClientSource,
    /// `active`, `disabled`; `hidden` when the file has a client of the same client_id.
    pub state: String,
    /// Absent for what cannot be read.
    pub kind: Option<String>,
    pub authentication: Option<String>,
    pub name: Option<String>,
    /// When it was registered.
    pub created_ms: Option<i64>,
    /// The `[client_registration.NAME]` by which it registered itself.
    pub policy: Option<String>,
    /// When it got its last grant.
    pub used_ms: Option<i64>,
    /// When it is gone, unless it is used before.
    pub until_ms: Option<i64>,
    /// Why it cannot be read.
    pub problem: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientSource {
    File,
    /// By an operator's import.
    Registered,
    /// It registered itself.
    Itself,
}

/// Tokens by which clients are registered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RegistrationTokens {
    pub tokens: Vec<RegistrationToken>,
    pub next: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RegistrationToken {
    pub token_id: String,
    pub policy: String,
    /// How many clients it may still register.
    pub uses: i64,
    pub created_ms: i64,
    pub until_ms: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClientFacts {
    pub client_id: String,
    pub source: ClientSource,
    pub state: String,
    /// What is known of the client's secret. The secret itself and its digest are never shown.
    pub secret: Option<SecretFacts>,
    /// The client as the configuration file would say it, without its secret.
    pub metadata: Json,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SecretFacts {
    /// `argon2id` or `hmac-sha256`.
    pub digest: String,
    /// The master key without which the secret never fits.
    pub master_key: Option<u8>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LinksMoved {
    pub provider: String,
    /// Nothing was written.
    pub dry_run: bool,
    /// They have the new subject now.
    pub moved: usize,
    /// They get it at the next sign-in, by the provider's identifier of the move.
    pub noted: usize,
    /// They had it before.
    pub before: usize,
    /// Both subjects have an account.
    pub taken: usize,
    /// Nobody is linked to the subject of before.
    pub unknown: usize,
    /// Lines without `from`, or without exactly one of `to` and `transfer_sub`.
    pub wrong: usize,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct UsersImported {
    /// With `dry_run` those who would have been.
    pub added: usize,
    /// They were there already.
    pub skipped: usize,
    pub refused_lines: usize,
    /// The first of them, with the reason.
    pub refused: Vec<RefusedPerson>,
    /// Nothing was done.
    pub dry_run: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RefusedPerson {
    pub line: usize,
    /// A name to sign in with; empty where the line has none.
    pub name: String,
    pub problem: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Imported {
    /// One for each entry of the file, in its order.
    pub clients: Vec<ImportedClient>,
    pub accepted: usize,
    pub refused: usize,
    /// Nothing was done.
    pub dry_run: bool,
    /// Secrets that were made, by client_id. They are shown once and kept nowhere.
    #[serde(skip)]
    pub secrets: BTreeMap<String, Sensitive>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImportedClient {
    /// What the file calls it: its client_id or client_name, or its place.
    pub name: String,
    /// Absent for what was refused.
    pub client_id: Option<String>,
    pub accepted: bool,
    /// The entry had no secret and needs one, so that one was made.
    pub secret_made: bool,
    /// Members that were read but are not used.
    pub notes: Vec<String>,
    /// Every reason why it was refused.
    pub problems: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Instances {
    pub instances: Vec<InstanceLine>,
    pub next: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InstanceLine {
    pub jkt: String,
    pub client_id: String,
    pub platform: String,
    pub tier: String,
    pub state: String,
    pub attested_ms: i64,
    /// As the operator has named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kiosk: Option<KioskDevice>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InstanceFacts {
    pub jkt: String,
    pub client_id: String,
    pub platform: String,
    pub tier: String,
    pub state: String,
    /// What the evidence said.
    pub facts: Json,
    pub created_ms: i64,
    pub attested_ms: i64,
    /// Absent: never.
    pub used_ms: Option<i64>,
    pub counter: i64,
    /// The newest audit entries about it, oldest first.
    pub history: Vec<HistoryLine>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HistoryLine {
    pub at_ms: i64,
    pub event: String,
    pub outcome: String,
    /// Absent: nothing more to say.
    pub reason: Option<String>,
}

/// One key may be enrolled by several clients, each with evidence and sessions of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installation {
    pub jkt: String,
    pub client_id: String,
}

/// One step of a revocation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Revoked {
    /// The installations of this step.
    pub instances: Vec<Installation>,
    pub grants: usize,
    /// Nothing was done.
    pub preview: bool,
    /// Where the next step begins. Absent: this was the last one.
    pub next: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PluginPage {
    pub plugins: Vec<PluginLine>,
    pub next: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Keys {
    pub keys: Vec<KeyLine>,
    pub next: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeyLine {
    pub kid: String,
    pub alg: String,
    pub signs_from_ms: i64,
    pub signs_until_ms: i64,
    pub published_until_ms: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rewrapped {
    /// The newest master key, under which everything is sealed now.
    pub master_key: u8,
    pub signing_keys: usize,
    pub authenticators: usize,
    pub provider_tokens: usize,
    /// Absent: there is no older master key.
    pub older: Option<Older>,
}

/// What still needs the older master keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Older {
    pub master_keys: Vec<u8>,
    /// Refresh tokens that were not used since need it until then.
    pub refresh_tokens_until_ms: i64,
    /// Recovery codes there are in all; those made under an older key work no longer.
    pub recovery_codes: i64,
    /// Whose secret is a MAC under an older key and must be made anew.
    pub remake_secrets_of: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokenPreview {
    pub api: String,
    pub format: String,
    /// Absent: an opaque token has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<Json>,
    pub claims: Json,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AuditEntries {
    /// Oldest first.
    pub entries: Vec<Json>,
    pub next: Option<String>,
    /// More entries are there already.
    pub more: bool,
    /// Where a follower goes on.
    pub end: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Review {
    pub sections: Vec<Section>,
    /// How many findings are weak spots.
    pub weak: usize,
    /// Registered clients, nodes and the database were looked at too.
    pub store_seen: bool,
    /// Why `serve` would not start with this file, as the store has it.
    #[serde(default)]
    pub obstacles: Vec<String>,
}

/// What findings are about.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Section {
    pub subject: Subject,
    pub name: String,
    /// Of an API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// A client that was registered, and is not in the file.
    pub registered: bool,
    pub disabled: bool,
    pub findings: Vec<Finding>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    Issuer,
    Api,
    Client,
    Login,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finding {
    /// Somebody could use it; otherwise it is a fact to know.
    pub weak: bool,
    pub text: String,
    /// What in particular.
    pub details: Vec<String>,
}

impl Finding {
    pub(super) fn weak(text: impl Into<String>) -> Self {
        Self { weak: true, text: text.into(), details: Vec::new() }
    }
    pub(super) fn fact(text: impl Into<String>) -> Self {
        Self { weak: false, text: text.into(), details: Vec::new() }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Recovered {
    pub epoch: u64,
    /// Nothing was written.
    pub dry_run: bool,
    /// Absent: no audit was given, and what had ended after the copy is open again.
    pub replayed: Option<Replayed>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Replayed {
    /// How many ends of the audit were carried out again.
    pub ended_again: usize,
    /// How many grants moved on to the refresh token that the audit says was the newest.
    pub advanced: usize,
    /// What cannot be brought back.
    pub lost: Vec<String>,
    /// The newest entry of the copy's own audit.
    pub copy_until_ms: Option<i64>,
    /// The oldest and the newest entry of the audit that was given.
    pub audit_from_ms: i64,
    pub audit_until_ms: i64,
}
