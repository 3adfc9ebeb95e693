//! The login machine: what it works with, and what comes in. `flow` judges an answer, `commit` writes what came of it.

use super::accounts::{self, Account, Hashers};
use super::breached::Breached;
use super::context::{Answer, Context, Device, Face, Person, ReadOnlyStore, Visitor};
use super::known_devices;
use super::methods::{self, passkey};
use super::operation;
use super::passkeys::{PasskeyRules, RelyingParty};
use super::policy::Policy;
use super::proof::{MethodName, Proof};
use super::rates::Rates;
use super::reading::Accounts;
use super::row::{self, AnswerParts, HeldSignIn, Holds, Life, Moving, SignInRow, SignInSecret, StoredSignIn};
use super::state::{State, Subject};
use crate::clients::Clients;
use crate::config::Config;
use crate::config::upstream::Linking;
use crate::error::{Error, Fault, Refused, Result};
use crate::plugins::Plugins;
use crate::seal::KeyRing;
use crate::store::Store;
use crate::store::tables::app_grant;
use crate::upstream::{Providers, WayBack};
use crate::wallet::Wallets;
use serde_json::Value as Json;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use symbolon_oauth::base64url;
use tokio::sync::Notify;

/// How long a person has from the first page to the last answer.
pub const LIFETIME_MS: i64 = 30 * 60_000;
/// What one sign-in may be answered. Some answers cost no try, such as a wrong passkey; no person gives so many.
const MOST_ANSWERS: i64 = 100;
/// How long the same answer waits for the first of its kind to be judged.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[derive(Clone)]
pub struct Machine {
    pub(super) store: Store,
    pub(super) keyring: KeyRing,
    pub(super) config: Arc<Config>,
    hashers: Hashers,
    pub(super) rates: Arc<Rates>,
    outbox: Arc<Notify>,
    providers: Providers,
    wallets: Wallets,
    plugins: Plugins,
    /// Whose names people read.
    pub(super) clients: Option<Arc<Clients>>,
    /// That there are texts in: code and name of each.
    languages: Arc<Vec<(String, String)>>,
    /// Where a start is sealed to: names the store's epoch.
    sealed_at: String,
    pub(super) rp_id: Arc<str>,
    passkey_rules: Arc<PasskeyRules>,
    /// Of our own pages.
    own_origins: Arc<Vec<String>>,
}

/// An answer that is to be judged.
#[derive(Clone)]
pub struct Answering {
    pub state: State,
    pub(super) is_stored: bool,
    pub(super) secret: Vec<u8>,
    pub(super) mac: Vec<u8>,
}

impl Answering {
    /// The browser's secret after this answer.
    pub fn next_secret(&self, keyring: &KeyRing) -> std::result::Result<SignInSecret, Fault> {
        self.moving().next_secret(keyring)
    }

    pub(super) fn moving(&self) -> Moving<'_> {
        Moving { state: &self.state, is_stored: self.is_stored, secret: &self.secret, mac: &self.mac }
    }
}

/// What was proved in a browser for a native sign-in.
pub struct Brought {
    pub subject: Subject,
    pub proofs: Vec<Proof>,
    /// The account was made there.
    pub is_new: bool,
}

/// What an answer is to the sign-in it came for.
pub enum Received {
    Fresh(Box<Answering>),
    /// The same answer once more: it gets the same result. With the secret that it set.
    Again(Box<State>, SignInSecret),
    /// The sign-in has moved on since the page was shown.
    Outdated(Box<State>),
    /// Another answer is being judged.
    Busy(Box<State>),
}

/// What a browser may see of a sign-in.
pub enum SignInView {
    Open(Box<State>),
    Ended(Box<State>),
    /// It went on with a later secret, in another tab or by a later answer.
    Elsewhere(Box<State>),
    Nothing,
}

impl Machine {
    pub fn new(
        store: Store,
        keyring: KeyRing,
        config: Arc<Config>,
        epoch: &str,
        before: Option<&Machine>,
    ) -> std::result::Result<Self, Fault> {
        let (hashers, rates, outbox) = match before {
            Some(old) => (old.hashers.clone(), Arc::clone(&old.rates), Arc::clone(&old.outbox)),
            None => Default::default(),
        };
        // Another issuer may have the same master key, or even a copy of the store.
        let sealed_at = format!("sign_in/{}/{epoch}", config.issuer);
        let passkey_rules = Arc::new(config.passkeys.rules().map_err(Fault::new)?);
        let own_origins = Arc::new(vec![config.origin()]);
        let rp_id = config.passkeys.rp_id(&config.issuer).into();
        Ok(Self {
            store,
            keyring,
            config,
            hashers,
            rates,
            outbox,
            providers: Providers::default(),
            wallets: Wallets::default(),
            plugins: Plugins::default(),
            clients: None,
            languages: Arc::default(),
            sealed_at,
            rp_id,
            passkey_rules,
            own_origins,
        })
    }

    pub fn with_providers(self, providers: Providers) -> Self {
        Self { providers, ..self }
    }

    /// No chosen password is in this list.
    pub fn with_breached(mut self, list: Option<Breached>) -> Self {
        self.hashers = self.hashers.with_breached(list);
        self
    }

    pub fn with_wallets(self, wallets: Wallets) -> Self {
        Self { wallets, ..self }
    }

    pub fn wallets(&self) -> &Wallets {
        &self.wallets
    }

    /// The label of a provider, or of a wallet, as links and journeys name it.
    pub fn label_of(&self, provider: &str) -> Option<&str> {
        match provider.strip_prefix("wallet:") {
            Some(name) => self.wallets.get(name).map(|wallet| wallet.settings.label.as_str()),
            None => self.providers.get(provider).map(|provider| provider.settings.label.as_str()),
        }
    }

    /// May a person link an identity of this provider, or of this wallet?
    pub(super) fn may_be_linked(&self, provider: &str) -> bool {
        let linking = match provider.strip_prefix("wallet:") {
            Some(name) => self.wallets.get(name).map(|wallet| wallet.settings.linking.into()),
            None => self.providers.get(provider).map(|provider| provider.settings.linking),
        };
        linking.is_some_and(|linking| linking != Linking::Off)
    }

    pub fn with_clients(self, clients: Arc<Clients>) -> Self {
        Self { clients: Some(clients), ..self }
    }

    pub fn with_languages(self, languages: Vec<(String, String)>) -> Self {
        Self { languages: Arc::new(languages), ..self }
    }

    pub(super) fn languages(&self) -> &[(String, String)] {
        &self.languages
    }

    pub fn with_plugins(self, plugins: Plugins) -> Self {
        Self { plugins, ..self }
    }

    /// Does the method's own question find out who somebody is?
    pub(super) fn asks_who(&self, method: &MethodName) -> bool {
        let plugin = method.plugin_name().and_then(|name| self.config.plugin.get(name));
        plugin.map_or_else(|| methods::asks_who(method), |plugin| plugin.asks_who)
    }

    /// What people read of a method that has a name of the operator's own.
    pub(super) fn label<'a>(&'a self, method: &'a MethodName) -> Option<&'a str> {
        let outside = method.provider().or(method.wallet().map(|_| method.as_str()));
        let provider = || self.label_of(outside?);
        let name = method.plugin_name();
        let plugin = name.and_then(|name| self.config.plugin.get(name)).and_then(|plugin| plugin.label.as_deref());
        provider().or(plugin).or(name)
    }

    pub fn providers(&self) -> &Providers {
        &self.providers
    }

    pub(super) fn rp_id(&self) -> &str {
        &self.rp_id
    }

    pub fn hashers(&self) -> &Hashers {
        &self.hashers
    }

    pub fn keyring(&self) -> &KeyRing {
        &self.keyring
    }

    /// Rings when a letter was written.
    pub fn outbox(&self) -> Arc<Notify> {
        Arc::clone(&self.outbox)
    }

    pub(super) fn wake_outbox(&self) {
        self.outbox.notify_one();
    }

    pub(super) fn context<'a>(&'a self, question: [u8; 16], visitor: &Visitor<'a>) -> Context<'a> {
        Context {
            store: ReadOnlyStore::new(&self.store),
            keyring: &self.keyring,
            hashers: &self.hashers,
            brand: &self.config.brand.name,
            relying_party: RelyingParty {
                id: &self.rp_id,
                rules: &self.passkey_rules,
                origins: match visitor.face {
                    Face::Browser => &self.own_origins,
                    Face::App { origins, .. } => origins,
                },
            },
            question,
            issuer: &self.config.issuer,
            providers: &self.providers,
            sdks: match visitor.face {
                Face::Browser => None,
                Face::App { providers, .. } => Some(providers),
            },
            user_agent: visitor.user_agent,
            wallets: &self.wallets,
            plugins: &self.plugins,
            locale: visitor.locale,
            address: visitor.address,
            signed_out: visitor.signed_out,
            voyage: None,
            transaction: None,
            on_other_device: None,
            app_link: match visitor.face {
                Face::Browser => None,
                Face::App { link, .. } => link,
            },
            now_ms: visitor.now_ms,
        }
    }

    /// Does any policy have a condition about devices, or does a letter tell of new ones? Else nothing of them is kept.
    pub fn remembers_devices(&self) -> bool {
        self.tells_of_devices() || self.config.policies().any(Policy::knows_devices)
    }

    /// Does a person hear of a sign-in on a device that is not known (W-57)?
    pub fn tells_of_devices(&self) -> bool {
        self.config.mail.as_ref().is_some_and(|mail| mail.new_devices)
    }

    /// Was this device used by the person before, by this name or the one before it?
    pub async fn is_known_device(&self, account: &str, names: &[&str], now_ms: i64) -> Result<bool> {
        for name in names {
            if known_devices::is_known(&self.store, account, name, now_ms).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Who the sign-in is about: the person its proofs name, else whom the answer or an earlier one named.
    /// `read`: the account that was read with the session.
    pub(super) async fn person(
        &self,
        state: &State,
        (answer, read): (Option<&Answer<'_>>, Option<Box<Account>>),
        visitor: &Visitor<'_>,
    ) -> Result<Person> {
        // A name counts where the question asks for one; beside another question it is nobody's.
        let asks_who = state.pending.as_ref().is_some_and(|pending| pending.step.asks_for("username"));
        let by_passkey = answer.filter(|answer| answer.action == operation::ACTION);
        let said =
            answer.filter(|_| asks_who && by_passkey.is_none()).map(|answer| answer.text("username")).filter(|name| !name.is_empty());
        // A passkey says whose it is, unless it was asked for by the ids of a name: whoever was named or comes back decides nothing.
        let candidate = state.candidate.as_ref().filter(|candidate| candidate.wants_ids || by_passkey.is_none());
        let (name, account) = match (&state.subject, said, candidate) {
            (Some(subject), _, _) => match read.filter(|account| account.id == subject.account) {
                Some(account) => (String::new(), Some(*account)),
                None => (String::new(), self.accounts().by_id(&subject.account).await?),
            },
            (None, Some(said), _) => self.accounts().named(said).await?,
            (None, None, Some(candidate)) => {
                // Nobody is looked for as well, so that time does not tell it (300-H).
                let id = candidate.account.as_deref().unwrap_or_default();
                (candidate.name.clone(), self.accounts().by_id(id).await?)
            }
            (None, None, None) => match by_passkey.and_then(passkey::credential) {
                Some(id) => (String::new(), self.accounts().by_passkey(&id).await?),
                None => (state.hint.clone().unwrap_or_default(), None),
            },
        };
        let (device, seen_here) = match (&account, visitor.device) {
            (Some(account), _) => (self.known_device(&account.id, visitor).await?, None),
            (None, Some(Device::Browser(sealed))) => (None, self.browser_of(sealed, visitor.now_ms).map(|(owner, _)| owner)),
            (None, _) => (None, None),
        };
        let wants_ids = candidate.is_some_and(|candidate| candidate.wants_ids);
        Ok(Person { name, account, wants_ids, is_subject: state.subject.is_some(), device, seen_here, ..Person::default() })
    }

    pub(super) fn accounts(&self) -> Accounts<'_> {
        Accounts::new(&self.store, &self.config)
    }

    /// The name of a browser or installation in which this person signed in before. It tries on its own budget, which a stranger cannot use
    /// up.
    async fn known_device(&self, account: &str, visitor: &Visitor<'_>) -> Result<Option<String>> {
        match visitor.device {
            None => Ok(None),
            Some(Device::Browser(sealed)) => Ok(self.known_browser(account, sealed, visitor.now_ms)),
            Some(Device::Installation { client, jkt }) => {
                let known = self.store.one(app_grant::OF_INSTALLATION, &[account.into(), client.into(), jkt.into()]).await?;
                Ok(known.map(|_| known_devices::installation(client, jkt)))
            }
        }
    }

    fn known_browser(&self, account: &str, sealed: &str, now_ms: i64) -> Option<String> {
        self.browser_of(sealed, now_ms).filter(|(owner, _)| owner == account).map(|(_, id)| id)
    }

    /// Who signed in in this browser, and the name that it is known by.
    fn browser_of(&self, sealed: &str, now_ms: i64) -> Option<(String, String)> {
        let sealed = base64url::decode(sealed)?;
        // A browser that was known before the issuer stood in the seal is known still, until its year is over.
        let plain = self.keyring.open(&self.device_sealed_at(), &sealed).or_else(|| self.keyring.open("device", &sealed))?;
        let known = String::from_utf8(plain).ok()?;
        let mut pieces = known.splitn(3, ' ');
        let (owner, until, id) = (pieces.next(), pieces.next().and_then(|text| text.parse::<i64>().ok()), pieces.next());
        match (owner, until, id) {
            (Some(owner), Some(until), Some(id)) if now_ms < until => Some((owner.to_owned(), id.to_owned())),
            _ => None,
        }
    }

    fn device_sealed_at(&self) -> String {
        format!("device/{}", self.config.issuer)
    }

    /// The name by which a browser is known from now on. The same answer once more gives it the same name.
    pub fn browser_name(&self, session_cookie: &str) -> String {
        base64url::encode(&self.keyring.mac("known browser", &[session_cookie.as_bytes()]).1[..12])
    }

    /// What a browser keeps to be known again: sealed, names its account, lasts a year.
    pub fn device_cookie(&self, account: &str, session_cookie: &str, now_ms: i64) -> Result<String> {
        let id = self.browser_name(session_cookie);
        let text = format!("{account} {} {id}", now_ms + 365 * 86_400_000);
        Ok(base64url::encode(&self.keyring.seal(&self.device_sealed_at(), text.as_bytes())?))
    }

    /// The start of a sign-in as the page carries it. Nothing is written until it is answered.
    pub fn seal_start(&self, state: &State) -> Result<String> {
        let plain = serde_json::to_vec(state).map_err(|error| Fault::new(error.to_string()))?;
        Ok(base64url::encode(&self.keyring.seal(&self.sealed_at, &plain)?))
    }

    /// Reads a start, however often it is sent.
    pub fn open_start(&self, handle: &str, now_ms: i64) -> Result<State> {
        let plain = base64url::decode(handle).and_then(|sealed| self.keyring.open(&self.sealed_at, &sealed));
        let plain = plain.ok_or_else(|| over().because("seal"))?;
        let state: State =
            serde_json::from_slice(&plain).map_err(|error| over().because(format!("a start of another version: {error}")))?;
        if now_ms >= state.expires_ms {
            return Err(over().because("expired").into());
        }
        Ok(state)
    }

    /// The first answer to a start: it may have been given already.
    pub async fn receive_start(&self, state: State, secret: &[u8], answer: &Answer<'_>, now_ms: i64) -> Result<Received> {
        match row::find(&self.store, &self.keyring, &state.id).await? {
            StoredSignIn::Row(stored) => self.receive(*stored, HeldSignIn { id: &state.id, version: 0, secret }, answer, now_ms).await,
            StoredSignIn::Void => Err(over().because("a sign-in that was ended").into()),
            StoredSignIn::Nothing => {
                let parts = AnswerParts { id: &state.id, version: 0, action: answer.action, fields: answer.fields };
                let mac = parts.mac(&self.keyring)?;
                Ok(Received::Fresh(Box::new(Answering { state, is_stored: false, secret: secret.to_vec(), mac })))
            }
        }
    }

    /// A later answer, to the question of the page whose `version` it says.
    pub async fn receive_answer(&self, held: HeldSignIn<'_>, answer: &Answer<'_>, now_ms: i64) -> Result<Received> {
        match row::read(&self.store, &self.keyring, held.id).await? {
            Some(stored) => self.receive(stored, held, answer, now_ms).await,
            None => Err(over().because("no row, or one that was ended").into()),
        }
    }

    async fn receive(&self, stored: SignInRow, held: HeldSignIn<'_>, answer: &Answer<'_>, now_ms: i64) -> Result<Received> {
        let HeldSignIn { id, version, secret } = held;
        let holds = stored.holds(secret);
        if holds == Holds::Nothing {
            return Err(over().because("another browser's sign-in").into());
        }
        let parts = AnswerParts { id, version, action: answer.action, fields: answer.fields };
        if version + 1 == stored.state.version && stored.was_answered_by(&self.keyring, &parts) {
            let present = stored.present_secret(&self.keyring, secret, holds)?;
            return Ok(Received::Again(Box::new(stored.state), present));
        }
        // The secret before is good for the same answer and nothing else.
        if holds == Holds::Before {
            return Err(over().because("the secret of an earlier answer").into());
        }
        if stored.life() == Life::Ended || version != stored.state.version {
            return Ok(Received::Outdated(Box::new(stored.state)));
        }
        if now_ms >= stored.state.expires_ms {
            return Err(over().because("expired").into());
        }
        if version >= MOST_ANSWERS {
            return Err(over().because("more answers than a sign-in takes").into());
        }
        if stored.is_taken(now_ms) {
            return self.wait(stored, secret, &parts).await;
        }
        let mac = parts.mac(&self.keyring)?;
        Ok(Received::Fresh(Box::new(Answering { state: stored.state, is_stored: true, secret: secret.to_vec(), mac })))
    }

    /// The secret of a question that somebody else answers, such as a wallet, while it is open. For whoever has its handle: what is told of
    /// it is what that party may know. The version is not compared: the person may have looked elsewhere meanwhile, and the question stands.
    pub async fn secret_outside(&self, way_back: &WayBack, method: &MethodName, now_ms: i64) -> Result<Option<Json>> {
        let Some(stored) = row::read(&self.store, &self.keyring, &way_back.id).await? else { return Ok(None) };
        let is_open = stored.life() == Life::Open && now_ms < stored.state.expires_ms;
        let asked = stored.state.asked(method, &way_back.question).filter(|_| is_open);
        Ok(asked.map(|pending| pending.secret.clone()))
    }

    /// After a lost race: what became of the question.
    pub async fn receive_again(&self, lost: &Answering, answer: &Answer<'_>) -> Result<Received> {
        let Some(stored) = row::read(&self.store, &self.keyring, &lost.state.id).await? else {
            return Err(over().because("no row").into());
        };
        let parts = AnswerParts { id: &lost.state.id, version: lost.state.version, action: answer.action, fields: answer.fields };
        self.wait(stored, &lost.secret, &parts).await
    }

    /// After the answer had to let the question go: it is judged anew, with what it made known.
    pub async fn receive_overtaken(&self, lost: &Answering, answer: &Answer<'_>, now_ms: i64) -> Result<Received> {
        let held = HeldSignIn { id: &lost.state.id, version: lost.state.version, secret: &lost.secret };
        self.receive_answer(held, answer, now_ms).await
    }

    /// The same answer waits for the result of the first of its kind. Another one is told that the sign-in is busy.
    async fn wait(&self, mut stored: SignInRow, secret: &[u8], parts: &AnswerParts<'_>) -> Result<Received> {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let holds = stored.holds(secret);
            if parts.version + 1 == stored.state.version && stored.was_answered_by(&self.keyring, parts) && holds != Holds::Nothing {
                let present = stored.present_secret(&self.keyring, secret, holds)?;
                return Ok(Received::Again(Box::new(stored.state), present));
            }
            // Another answer moved it: its page says what is asked now, to the browser that holds the present secret.
            if parts.version != stored.state.version {
                return Ok(Received::Outdated(Box::new(stored.state)));
            }
            if !stored.is_taken_by(&self.keyring, parts) || tokio::time::Instant::now() >= until {
                return Ok(Received::Busy(Box::new(stored.state)));
            }
            tokio::time::sleep(LOOK_EVERY).await;
            stored = row::read(&self.store, &self.keyring, parts.id).await?.ok_or_else(|| over().because("no row"))?;
        }
    }

    /// Whose sign-in of this browser it is, if it is under way: who is proved, or named.
    pub async fn owner(&self, id: &[u8; 16], secret: &[u8]) -> Result<Option<String>> {
        let stored = row::read_open(&self.store, &self.keyring, id).await?;
        let own = stored.filter(|stored| stored.holds(secret) != Holds::Nothing);
        let Some(stored) = own else { return Ok(None) };
        let candidate = stored.state.candidate.and_then(|candidate| candidate.account);
        Ok(stored.state.subject.map(|subject| subject.account).or(candidate))
    }

    /// What the page of a sign-in shows. It writes nothing and sends nothing.
    pub async fn show(&self, id: &[u8; 16], secret: &[u8], now_ms: i64) -> Result<SignInView> {
        let Some(stored) = row::read(&self.store, &self.keyring, id).await? else { return Ok(SignInView::Nothing) };
        let (holds, life) = (stored.holds(secret), stored.life());
        let state = Box::new(stored.state);
        Ok(match (holds, life) {
            (Holds::Nothing, _) => SignInView::Nothing,
            (Holds::Before, _) => SignInView::Elsewhere(state),
            (Holds::Present, Life::Ended) => SignInView::Ended(state),
            (Holds::Present, Life::Open) if now_ms >= state.expires_ms => SignInView::Nothing,
            (Holds::Present, Life::Open) => SignInView::Open(state),
        })
    }

    /// What one network may ask of sign-ins and account pages in a minute.
    pub fn must_not_be_too_fast(&self, address: Option<IpAddr>) -> Result<()> {
        if !self.rates.too_fast(address) {
            return Ok(());
        }
        let hint = "Too many requests from your network. Wait a minute, then try again.";
        Err(Refused::new(429, "temporarily_unavailable", hint).retry_after(60).into())
    }

    /// Is the person still who the proofs are of? A password, a session or the whole account may be gone since.
    pub(super) async fn must_stand(&self, state: &State) -> Result<()> {
        let Some(subject) = &state.subject else { return Ok(()) };
        if accounts::stands(&self.store, &subject.account, subject.version, subject.session.as_ref()).await? {
            return Ok(());
        }
        Err(changed())
    }
}

pub fn over() -> Refused {
    Refused::bad_request(
        "invalid_session",
        "This sign-in is too old, or belongs to another browser window. Go back to the app and start again.",
    )
}

/// The account is no longer what the proofs were made of.
pub fn changed() -> Error {
    let hint = "Your account was changed since this sign-in began. Go back to the app and start again.";
    Refused::bad_request("invalid_session", hint).because("the account's version or the session behind the proofs").into()
}
