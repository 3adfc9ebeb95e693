//! What a login is: why it began, what was proved, what is asked now. The sealed form of it travels with the pages.

use super::methods::email::Sent;
use super::policy::{Method, Proof};
use super::step::Step;
use crate::audit::Entry;
use crate::store::Value;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What a person wants to change about the own account.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Password,
    Email,
    EnrolTotp,
    RemoveTotp,
    RecoveryCodes,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    SignIn,
    /// A person nobody knows yet; goes on as `SignIn`.
    Register,
    /// The password is forgotten: the address proves the person, then every factor, then a new password; goes on as `SignIn`.
    Reset,
    /// A change of the account: proofs at most five minutes old, and every enrolled factor (361-Z, 362-Z).
    Account(Change),
}

/// Proofs from before that may count.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Existing {
    pub account: String,
    /// Of the account, as it was when they were read.
    pub version: i64,
    /// The session they are of, which must live on; none: of a login that has opened none yet.
    pub session: Option<[u8; 16]>,
    pub proofs: Vec<Proof>,
}

#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct ConsentAsk {
    pub client_name: String,
    /// Name and the words the API has for it.
    pub scopes: Vec<(String, String)>,
    /// RFC 9396: the words of the type, and each value with its name.
    #[serde(default)]
    pub details: Vec<(String, Vec<(String, String)>)>,
}

pub struct Begin {
    pub purpose: Purpose,
    /// The client that sent the person, and where the person is: for audit entries.
    pub client: Option<String>,
    pub address: Option<IpAddr>,
    pub policy: String,
    pub login_hint: Option<String>,
    pub acr_values: Vec<String>,
    pub essential_acr: bool,
    pub max_age_s: Option<i64>,
    /// prompt=login: older proofs do not count.
    pub force: bool,
    /// Opaque to the machine; given back at the end.
    pub request: Json,
    pub existing: Option<Existing>,
    pub consent: Option<ConsentAsk>,
}

/// One answer, as the face heard it.
#[derive(Clone, Copy)]
pub struct Answer<'a> {
    pub handle: &'a str,
    /// The button.
    pub action: &'a str,
    pub fields: &'a BTreeMap<String, String>,
    /// What the browser keeps to be known again.
    pub device: Option<&'a str>,
    pub address: Option<IpAddr>,
    pub locale: &'a str,
    pub now_ms: i64,
    /// Whose login it is: the face leaves it empty, and the machine reads it in the sealed login.
    pub client: Option<&'a str>,
}

/// What audit entries say beside the person.
#[derive(Clone, Copy)]
pub struct By<'a> {
    pub client: Option<&'a str>,
    pub address: Option<IpAddr>,
    pub now_ms: i64,
}

impl By<'_> {
    pub fn entry(&self, mut entry: Entry) -> Entry {
        entry.client = self.client.map(str::to_owned);
        entry.address = self.address.map(|it| it.to_string());
        entry
    }
}

impl<'a> Answer<'a> {
    pub fn text(&self, name: &str) -> &str {
        self.fields.get(name).map(String::as_str).unwrap_or_default()
    }
    pub fn by(&self) -> By<'a> {
        By { client: self.client, address: self.address, now_ms: self.now_ms }
    }
    pub fn entry(&self, entry: Entry) -> Entry {
        self.by().entry(entry)
    }
}

pub enum Outcome {
    /// A question. `request` is whose login this is: the page may have to let its form lead there.
    Ask {
        step: Box<Step>,
        handle: String,
        request: Json,
    },
    Done(Box<Done>),
    /// `account`: the person, if known by then. `denied`: consent was asked for and not given.
    Abandoned {
        request: Json,
        account: Option<String>,
        denied: bool,
    },
}

pub struct Done {
    pub account: String,
    /// What the proofs hold for: they are worth nothing if the account has changed, or the session they are of has ended.
    pub version: i64,
    pub session: Option<[u8; 16]>,
    pub proofs: Vec<Proof>,
    pub acr: String,
    pub amr: Vec<String>,
    pub auth_time_ms: i64,
    pub consented: bool,
    pub request: Json,
    /// Rides in the change that completes the login, so that it completes once.
    pub persist: Vec<(&'static str, Vec<Value>)>,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pending {
    Password,
    /// Whose address? Or, where that is known: shall a code be sent?
    Identify,
    EmailCode,
    Totp,
    RecoveryCode,
    Enrol,
    ShowRecovery,
    Consent,
    NewPassword,
    Register,
    NewEmail,
    Nothing,
}

/// Somebody who registers, until the address is proved.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(super) struct Draft {
    pub email: String,
    pub name: Option<String>,
    /// argon2id.
    pub password: Option<String>,
}

/// The sealed value. Its seal is the whole of its integrity (290-H, 291-H).
#[derive(Serialize, Deserialize)]
pub(super) struct State {
    #[serde(with = "as_text")]
    pub id: [u8; 16],
    pub purpose: Purpose,
    pub client: Option<String>,
    pub policy: String,
    pub login_hint: Option<String>,
    pub not_before_ms: i64,
    pub request: Json,
    pub account: Option<String>,
    /// The account's version when the proofs were made: a new password, an ended session, a code used elsewhere raise it.
    #[serde(default)]
    pub version: i64,
    /// The session that some of the proofs are of.
    pub session: Option<[u8; 16]>,
    pub proofs: Vec<Proof>,
    pub consent: Option<ConsentAsk>,
    pub pending: Pending,
    pub prefer: Option<Method>,
    pub sent: Option<Sent>,
    pub draft: Option<Draft>,
    pub new_email: Option<String>,
    pub totp_secret: Option<[u8; 20]>,
    pub recovery_seed: Option<[u8; 16]>,
    pub expires_ms: i64,
}

impl State {
    /// All proofs of a login are of one account as it is now: another person's, or older ones, count for nothing (334-L).
    pub fn prove(&mut self, account: String, version: i64, proof: Proof) {
        if self.account.as_ref() != Some(&account) || self.version != version {
            self.proofs.clear();
            self.session = None;
        }
        self.proofs.retain(|it| it.method != proof.method);
        self.proofs.push(proof);
        (self.account, self.version) = (Some(account), version);
    }

    /// Back to where nobody is known.
    pub fn forget(&mut self) {
        (self.account, self.session, self.sent) = (None, None, None);
        self.proofs.clear();
    }
}

/// What was wrong with an answer: the key of a message.
pub(super) type Problem = Option<&'static str>;

/// Bytes as text of a fixed length, so that the length of a sealed login tells nothing.
pub(super) mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de};
    use symbolon_oauth::base64url;

    pub fn serialize<S: Serializer>(it: &[u8; 16], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64url::encode(it))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 16], D::Error> {
        let text = String::deserialize(deserializer)?;
        base64url::decode(&text).and_then(|it| it.try_into().ok()).ok_or_else(|| de::Error::custom("not 16 bytes"))
    }
}
