//! What a login method may see: a store it can only read, the clock, the language, and the person.

use super::accounts::{Account, Hashers};
use super::effect::Effect;
use super::journey::NewLink;
use super::passkeys::RelyingParty;
use super::proof::{Facts, KnownDevice};
use super::step::{Problem, Step};
use super::transaction::Transaction;
use crate::config::sdk::NativeProviders;
use crate::config::upstream::Upstream;
use crate::error::{Error, Fault, Refused};
use crate::plugins::Plugins;
use crate::seal::KeyRing;
use crate::store::{Row, Store, Value};
use crate::upstream::{Learned, Providers};
use crate::wallet::Wallets;
use crate::web::country::Country;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A store that can be read and not written.
#[derive(Clone, Copy)]
pub struct ReadOnlyStore<'a>(&'a Store);

impl<'a> ReadOnlyStore<'a> {
    pub fn new(store: &'a Store) -> Self {
        Self(store)
    }

    pub async fn one(&self, sql: &'static str, values: &[Value]) -> Result<Option<Row>, Fault> {
        self.0.one(sql, values).await
    }
}

pub struct Context<'a> {
    pub store: ReadOnlyStore<'a>,
    pub keyring: &'a KeyRing,
    pub hashers: &'a Hashers,
    /// The name that an authenticator app shows.
    pub brand: &'a str,
    pub relying_party: RelyingParty<'a>,
    /// Names the question: a secret made for it fits no other.
    pub question: [u8; 16],
    /// Our own.
    pub issuer: &'a str,
    pub providers: &'a Providers,
    /// Whose SDK is in the app that asks. None: a browser asks.
    pub sdks: Option<&'a NativeProviders>,
    /// Of the browser or the app.
    pub user_agent: Option<&'a str>,
    pub wallets: &'a Wallets,
    pub plugins: &'a Plugins,
    pub locale: &'a str,
    pub address: Option<IpAddr>,
    /// Somebody signed out in this browser a while ago.
    pub signed_out: bool,
    /// Set while an answer is judged.
    pub voyage: Option<Voyage>,
    /// What a wallet is asked to sign beside.
    pub transaction: Option<&'a Transaction>,
    /// What the person signs in to, where the policy takes a wallet on another device.
    pub on_other_device: Option<&'a str>,
    /// The link of the app that asks, by which a wallet comes back to it. None: a browser asks, or the app does not want that.
    pub app_link: Option<&'a str>,
    pub now_ms: i64,
}

/// What a method needs that leads a person out of the house: the sign-in that they come back to.
#[derive(Clone, Copy, Debug)]
pub struct Voyage {
    pub id: [u8; 16],
    /// Of the sign-in once the person has left.
    pub version: u32,
    /// The proof must be of the last so many seconds.
    pub max_age_s: Option<i64>,
}

/// Who the sign-in is about, as far as is known.
#[derive(Clone, Debug, Default)]
pub struct Person {
    /// In the one spelling that counts; empty if nobody said a name.
    pub name: String,
    /// None: nobody has that name, or none was said.
    pub account: Option<Account>,
    /// The name was said for a passkey that is not found without one.
    pub wants_ids: bool,
    /// A proof of this sign-in names the account.
    pub is_subject: bool,
    /// Where a code goes. None: there is no such place.
    pub mailbox: Option<Mailbox>,
    /// This browser signed the person in before: the name it is known by.
    pub device: Option<String>,
    /// Who signed in in this browser before, where there is no account yet. It proves nothing.
    pub seen_here: Option<String>,
    /// What was proved on it before. Read only where a policy asks, and when the person is proved.
    pub known: Option<KnownDevice>,
}

/// Where a code by e-mail goes in this journey.
#[derive(Clone, Debug)]
pub struct Mailbox {
    /// None: a letter to nobody.
    pub to: Option<String>,
    /// The address as the page may show it.
    pub shown: Option<String>,
    pub template: &'static str,
    /// False: the letter has no code, and no code is right.
    pub answerable: bool,
    /// The code proves the person. False: it proves an address that is to become one of the person's.
    pub of_account: bool,
}

/// One answer, as the face heard it.
#[derive(Clone, Copy)]
pub struct Answer<'a> {
    /// The button.
    pub action: &'a str,
    pub fields: &'a BTreeMap<String, String>,
}

impl Answer<'_> {
    pub fn text(&self, name: &str) -> &str {
        self.fields.get(name).map(String::as_str).unwrap_or_default()
    }
}

/// What may be known from an earlier sign-in of the person.
#[derive(Clone, Copy)]
pub enum Device<'a> {
    /// What a browser keeps to be known again.
    Browser(&'a str),
    /// An installation of a client, by its attested key.
    Installation { client: &'a str, jkt: &'a str },
}

/// Where the person is and how the face knows them.
#[derive(Clone, Copy)]
pub struct Visitor<'a> {
    pub device: Option<Device<'a>>,
    pub address: Option<IpAddr>,
    pub country: Option<Country>,
    pub user_agent: Option<&'a str>,
    pub locale: &'a str,
    pub now_ms: i64,
    pub face: Face<'a>,
    /// Somebody signed out in this browser a while ago: a provider is asked to offer its accounts (S-34).
    pub signed_out: bool,
}

/// By what a person sees the sign-in.
#[derive(Clone, Copy, Debug)]
pub enum Face<'a> {
    /// Our own pages in a browser.
    Browser,
    /// The screens of an app. `origins`: what its platform writes into the client data of a passkey. `providers`: whose SDK is in it.
    /// `link`: its own https link, where it wants a wallet to come back to it.
    App { origins: &'a [String], providers: &'a NativeProviders, link: Option<&'a str> },
}

impl<'a> Face<'a> {
    /// The same with the app's link.
    pub fn with_link(self, link: Option<&'a str>) -> Self {
        match self {
            Self::App { origins, providers, .. } => Self::App { origins, providers, link },
            Self::Browser => Self::Browser,
        }
    }

    /// Can a passkey of this server be made and used here? Not in an app whose client names no app of its own.
    pub fn takes_passkeys(&self) -> bool {
        match self {
            Self::Browser => true,
            Self::App { origins, .. } => !origins.is_empty(),
        }
    }
}

/// What is about to happen, and has its price.
pub enum Move<'a> {
    /// The question is entered.
    Enter,
    /// It is answered. `question` names it.
    Answer { answer: &'a Answer<'a>, question: [u8; 16] },
}

/// A question: what is asked, what its answer is compared with, and what asking it does.
pub struct Asked {
    pub step: Step,
    pub secret: Json,
    pub effects: Vec<Effect>,
}

impl Asked {
    pub fn step(step: Step) -> Self {
        Self { step, secret: Json::Null, effects: Vec::new() }
    }
}

/// Why a method cannot be asked.
pub enum Unavailable {
    /// This person cannot use it.
    Person {
        hint: &'static str,
        private: String,
    },
    Broken(Fault),
}

impl From<Fault> for Unavailable {
    fn from(fault: Fault) -> Self {
        Self::Broken(fault)
    }
}

impl Unavailable {
    /// What broke while the question was made.
    pub fn from_error(error: Error) -> Self {
        match error {
            Error::Fault(fault) => Self::Broken(fault),
            Error::Refused(refused) => Self::Person { hint: refused.hint, private: refused.private.clone() },
        }
    }
}

impl From<Unavailable> for Error {
    fn from(why: Unavailable) -> Self {
        match why {
            Unavailable::Person { hint, private } => Refused::bad_request("access_denied", hint).because(private).into(),
            Unavailable::Broken(fault) => fault.into(),
        }
    }
}

pub enum Checked {
    Proved(Facts),
    Wrong(Problem),
    /// The question anew, with what was wrong.
    Again(Asked, Problem),
    /// The browser goes to somebody else. `step` is shown meanwhile, `secret` is what the return is compared with.
    Leave {
        url: String,
        step: Step,
        secret: Json,
    },
    /// The question, which could not be asked before.
    Anew(Box<Asked>),
    /// Somebody is proved to a provider. Whose account that is, the machine says.
    Outside(Box<Outside>),
    /// Somebody is proved to a plug-in, by its own name for the person. Whose account that is, the machine says.
    External(Box<NewLink>),
    /// That was no answer.
    Nothing,
}

/// Somebody whom a provider knows.
pub struct Outside {
    /// The provider's name here.
    pub provider: String,
    pub settings: Upstream,
    pub learned: Learned,
    /// When the person left for the provider.
    pub left_ms: i64,
    /// The digest of what was signed beside (`transaction`).
    pub transaction: Option<String>,
    /// A wallet on another device has said so.
    pub on_other_device: bool,
    /// The question, to be asked anew where the identity is of no use.
    pub again: Asked,
}

/// What a method says of an answer, and what it wants done.
pub struct Verdict {
    pub checked: Checked,
    pub effects: Vec<Effect>,
}

impl Verdict {
    pub fn proved(effects: Vec<Effect>) -> Self {
        Self { checked: Checked::Proved(Facts::default()), effects }
    }

    pub fn wrong(problem: Problem, effects: Vec<Effect>) -> Self {
        Self { checked: Checked::Wrong(problem), effects }
    }
}
