//! The login machine. A login is a sealed value the face carries from step to step (a GET writes nothing); what must
//! not happen twice or too often is kept in the store: attempts on the account, spent TOTP steps, the finished login.

use super::accounts::{self, Hashers};
use super::methods::{password, totp};
use super::policy::{self, Context, Method, Next, Policy, Proof};
use super::step::{FieldKind, Step};
use crate::app::Limits;
use crate::audit;
use crate::config::Config;
use crate::error::{Fault, Refused, Result};
use crate::seal::KeyRing;
use crate::store::{Change as StoreChange, Expect, Store, Value};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use symbolon_oauth::{base64url, digest};

/// What a person wants to change about the own account.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Password,
    EnrolTotp,
    RemoveTotp,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    SignIn,
    /// A change of the account: proofs at most five minutes old, and every enrolled factor (361-Z, 362-Z).
    Account(Change),
}

/// Proofs of a session that may count.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Existing {
    pub account: String,
    pub proofs: Vec<Proof>,
}

#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct ConsentAsk {
    pub client_name: String,
    /// Name and the words the API has for it.
    pub scopes: Vec<(String, String)>,
}

pub struct Begin {
    pub purpose: Purpose,
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

pub enum Outcome {
    /// A question. `request` is whose login this is: the page may have to let its form lead there.
    Ask {
        step: Box<Step>,
        handle: String,
        request: Json,
    },
    Done(Box<Done>),
    Abandoned {
        request: Json,
    },
}

pub struct Done {
    pub account: String,
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
enum Pending {
    Method(Method),
    Enrol,
    Consent,
    NewPassword,
    Nothing,
}

/// The sealed value. Its seal is the whole of its integrity (290-H, 291-H).
#[derive(Serialize, Deserialize)]
struct State {
    id: [u8; 16],
    purpose: Purpose,
    policy: String,
    login_hint: Option<String>,
    not_before_ms: i64,
    request: Json,
    account: Option<String>,
    proofs: Vec<Proof>,
    consent: Option<ConsentAsk>,
    pending: Pending,
    totp_secret: Option<[u8; 20]>,
    expires_ms: i64,
}

const LIFETIME_MS: i64 = 30 * 60_000;
const STEP_UP_MS: i64 = 5 * 60_000;
const PLACE: &str = "login";
const ONCE: &str = "INSERT INTO once (bucket, kind, key) VALUES ($1, $2, $3)";
const END_SESSIONS: &str = "UPDATE session SET state = 'ended' WHERE account = $1 AND state = 'active'";

#[derive(Clone)]
pub struct Machine {
    store: Store,
    keyring: KeyRing,
    config: Arc<Config>,
    hashers: Hashers,
    rates: Arc<Rates>,
}

struct Rates {
    addresses: DefaultKeyedRateLimiter<u16>,
    devices: DefaultKeyedRateLimiter<u16>,
    codes: DefaultKeyedRateLimiter<u16>,
    /// Names nobody has get the same ten guesses, so that the limit does not tell which names exist.
    strangers: DefaultKeyedRateLimiter<u16>,
}

impl Machine {
    pub fn new(store: Store, keyring: KeyRing, config: Arc<Config>, before: Option<&Machine>) -> Self {
        let (hashers, rates) = match before {
            Some(old) => (old.hashers.clone(), Arc::clone(&old.rates)),
            None => {
                let per_minute = |n: u32| Quota::per_minute(NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN));
                let rates = Rates {
                    addresses: RateLimiter::keyed(per_minute(300)),
                    devices: RateLimiter::keyed(per_minute(1).allow_burst(NonZeroU32::new(10).unwrap_or(NonZeroU32::MIN))),
                    codes: RateLimiter::keyed(per_minute(1).allow_burst(NonZeroU32::new(10).unwrap_or(NonZeroU32::MIN))),
                    strangers: RateLimiter::keyed(per_minute(1).allow_burst(NonZeroU32::new(10).unwrap_or(NonZeroU32::MIN))),
                };
                (Hashers::default(), Arc::new(rates))
            }
        };
        Self { store, keyring, config, hashers, rates }
    }

    pub fn hashers(&self) -> &Hashers {
        &self.hashers
    }
    pub(super) fn store(&self) -> &Store {
        &self.store
    }
    pub(super) fn keyring(&self) -> &KeyRing {
        &self.keyring
    }

    /// Per address; IPv6 by its /64, so that one line cannot count as millions (607-K).
    pub(super) fn too_fast(&self, address: Option<IpAddr>) -> bool {
        let place = match address {
            None => return false,
            Some(IpAddr::V4(it)) => it.to_string(),
            Some(IpAddr::V6(it)) => format!("{:x?}", &it.segments()[..4]),
        };
        self.rates.addresses.check_key(&Limits::place(&["address", &place])).is_err()
    }

    /// A browser that signed in before tries on its own budget, which a stranger cannot use up.
    pub(super) fn may_try(&self, account: &str, device: Option<&str>, now_ms: i64) -> bool {
        let Some(plain) = device.and_then(base64url::decode).and_then(|it| self.keyring.open("device", &it)) else { return false };
        let known = String::from_utf8(plain).unwrap_or_default();
        let mut pieces = known.splitn(3, ' ');
        let (owner, until, id) = (pieces.next(), pieces.next().and_then(|it| it.parse::<i64>().ok()), pieces.next());
        match (owner, until, id) {
            (Some(owner), Some(until), Some(id)) if owner == account && now_ms < until => {
                self.rates.devices.check_key(&Limits::place(&["device", id])).is_ok()
            }
            _ => false,
        }
    }

    /// For a name that is nobody's.
    pub(super) fn may_guess_stranger(&self, name: &str) -> bool {
        self.rates.strangers.check_key(&Limits::place(&["stranger", name])).is_ok()
    }

    pub(super) fn may_guess_code(&self, account: &str) -> bool {
        self.rates.codes.check_key(&Limits::place(&["code", account])).is_ok()
    }

    /// What a browser keeps to be known again: sealed, names its account, lasts a year.
    pub fn device_cookie(&self, account: &str, now_ms: i64) -> Result<String> {
        let id = base64url::encode(&crate::seal::random::<12>()?);
        let text = format!("{account} {} {id}", now_ms + 365 * 86_400_000);
        Ok(base64url::encode(&self.keyring.seal("device", text.as_bytes())?))
    }

    /// Starts a login. Nothing is written.
    pub async fn begin(&self, it: Begin, now_ms: i64) -> Result<Outcome> {
        let policy = self.policy_name(&it)?;
        let mut not_before_ms = it.max_age_s.map_or(0, |age| now_ms - age * 1000);
        if it.force || it.max_age_s == Some(0) {
            not_before_ms = now_ms;
        }
        if matches!(it.purpose, Purpose::Account(_)) {
            not_before_ms = not_before_ms.max(now_ms - STEP_UP_MS);
        }
        let (account, proofs) = it.existing.map_or((None, Vec::new()), |it| (Some(it.account), it.proofs));
        let state = State {
            id: crate::seal::random()?,
            purpose: it.purpose,
            policy,
            login_hint: it.login_hint,
            not_before_ms,
            request: it.request,
            account,
            proofs,
            consent: it.consent,
            pending: Pending::Nothing,
            totp_secret: None,
            expires_ms: now_ms + LIFETIME_MS,
        };
        self.advance(state, None, now_ms).await
    }

    /// The policy that gives a wanted `acr`, else the client's own. Essential and nowhere to be had: an error, never a
    /// weaker token (368-Z).
    fn policy_name(&self, it: &Begin) -> Result<String> {
        for wanted in &it.acr_values {
            if let Some((name, _)) = self.config.login.iter().find(|(_, policy)| policy.acr.as_ref() == Some(wanted)) {
                return Ok(name.clone());
            }
        }
        if it.essential_acr && !it.acr_values.is_empty() {
            return Err(Refused::bad_request("unmet_authentication_requirements", "No way of signing in here gives that acr.").into());
        }
        Ok(it.policy.clone())
    }

    fn policy(&self, name: &str) -> Policy {
        match self.config.login.get(name) {
            Some(it) => Policy::parse(&it.require, it.acr.as_deref()),
            None => Policy::parse(&["password".to_owned()], None),
        }
    }

    /// One answer to the pending question.
    pub async fn answer(
        &self,
        handle: &str,
        action: &str,
        answer: &BTreeMap<String, String>,
        address: Option<IpAddr>,
        now_ms: i64,
    ) -> Result<Outcome> {
        let over = || Refused::bad_request("invalid_session", "This sign-in is too old. Go back to the app and start again.");
        let plain = base64url::decode(handle).and_then(|it| self.keyring.open(PLACE, &it)).ok_or_else(|| over().because("seal"))?;
        let mut state: State = serde_json::from_slice(&plain).map_err(|it| Fault::new(format!("a login's state: {it}")))?;
        if now_ms >= state.expires_ms {
            return Err(over().because("expired").into());
        }
        if action == "cancel" || action == "deny" {
            return Ok(Outcome::Abandoned { request: state.request });
        }
        let problem = match state.pending {
            Pending::Method(Method::Password) => match password::check(self, answer, address, now_ms).await? {
                password::Outcome::Proved(account) => self.proved(&mut state, account, Method::Password, now_ms),
                password::Outcome::Wrong(key) => {
                    state.login_hint = answer.get("username").cloned();
                    Some(key)
                }
            },
            Pending::Method(Method::Totp) => self.check_code(&mut state, answer, now_ms).await?,
            Pending::Enrol => self.check_enrolment(&mut state, answer, now_ms).await?,
            Pending::NewPassword => self.check_new_password(&mut state, answer, now_ms).await?,
            Pending::Consent if action == "allow" => return self.done(state, true, now_ms),
            Pending::Consent | Pending::Nothing => None,
        };
        self.advance(state, problem, now_ms).await
    }

    /// All proofs of a login have one subject: another person's proof starts from nothing (334-L).
    fn proved(&self, state: &mut State, account: String, method: Method, now_ms: i64) -> Option<&'static str> {
        if state.account.as_ref() != Some(&account) {
            state.proofs.clear();
        }
        state.proofs.retain(|it| it.method != method);
        state.proofs.push(Proof { method, subject: account.clone(), at_ms: now_ms });
        state.account = Some(account);
        None
    }

    async fn check_code(&self, state: &mut State, answer: &BTreeMap<String, String>, now_ms: i64) -> Result<Option<&'static str>> {
        let Some(account) = state.account.clone() else { return Ok(Some("wrong_code")) };
        let code = answer.get("code").map(String::as_str).unwrap_or_default();
        if totp::check(self, &account, code, now_ms).await? {
            return Ok(self.proved(state, account, Method::Totp, now_ms));
        }
        Ok(Some("wrong_code"))
    }

    async fn check_enrolment(&self, state: &mut State, answer: &BTreeMap<String, String>, now_ms: i64) -> Result<Option<&'static str>> {
        let (Some(account), Some(secret)) = (state.account.clone(), state.totp_secret) else { return Ok(Some("wrong_code")) };
        let code = answer.get("code").map(String::as_str).unwrap_or_default();
        if !self.may_guess_code(&account) || !totp::enrol(self, &account, &secret, code, now_ms).await? {
            return Ok(Some("wrong_code"));
        }
        state.purpose = Purpose::SignIn;
        Ok(self.proved(state, account, Method::Totp, now_ms))
    }

    /// A new password ends every session of the person (420-U); the one at hand is opened anew behind it.
    async fn check_new_password(&self, state: &mut State, answer: &BTreeMap<String, String>, now_ms: i64) -> Result<Option<&'static str>> {
        let Some(account) = state.account.clone() else { return Ok(Some("weak_password")) };
        let text = |name: &str| answer.get(name).map(String::as_str).unwrap_or_default();
        let (new, again) = (text("new_password"), text("new_password_again"));
        if !(accounts::PASSWORD_MIN..=accounts::PASSWORD_MAX).contains(&new.len()) {
            return Ok(Some("weak_password"));
        }
        if new != again {
            return Ok(Some("passwords_differ"));
        }
        let digest = self.hashers.hash(new).await?;
        let mut change = StoreChange::new(now_ms);
        accounts::set_password(&mut change, &account, digest);
        change.run_expecting(END_SESSIONS, vec![account.as_str().into()], Expect::Any);
        change.audit(audit::Entry::ok("password_changed").account(account.as_str()));
        self.store.apply(change).await?;
        state.purpose = Purpose::SignIn;
        Ok(self.proved(state, account, Method::Password, now_ms))
    }

    /// What comes next: a question, or the end.
    async fn advance(&self, mut state: State, problem: Option<&'static str>, now_ms: i64) -> Result<Outcome> {
        let mut policy = self.policy(&state.policy);
        let enrolled = match &state.account {
            Some(account) => totp::is_enrolled(self, account).await?,
            None => false,
        };
        // Whoever has a second factor is asked for it, whatever the policy makes do with (365-Z).
        if enrolled {
            for chain in policy.chains.iter_mut().filter(|it| !it.contains(&Method::Totp)) {
                chain.push(Method::Totp);
            }
        }
        let context = Context { now_ms, not_before_ms: state.not_before_ms };
        let step = match policy::next(&policy, &context, &state.proofs) {
            Next::Impossible => return Err(Fault::new(format!("the login policy {:?} names no chain", state.policy)).into()),
            Next::Ask(Method::Password) => {
                state.pending = Pending::Method(Method::Password);
                password::ask(state.login_hint.as_deref(), problem)
            }
            Next::Ask(Method::Totp) if enrolled => {
                state.pending = Pending::Method(Method::Totp);
                totp::ask(problem)
            }
            // The policy wants a code and the person has no authenticator yet: this is when it is added.
            Next::Ask(Method::Totp) => self.ask_enrolment(&mut state, problem)?,
            Next::Done { .. } => match self.after_proofs(&mut state, enrolled, problem, now_ms).await? {
                Some(step) => step,
                None => return self.done(state, false, now_ms),
            },
        };
        let plain = serde_json::to_vec(&state).map_err(|it| Fault::new(it.to_string()))?;
        Ok(Outcome::Ask { step: Box::new(step), handle: base64url::encode(&self.keyring.seal(PLACE, &plain)?), request: state.request })
    }

    /// The person is proved; is there anything left to ask?
    async fn after_proofs(&self, state: &mut State, enrolled: bool, problem: Option<&'static str>, now_ms: i64) -> Result<Option<Step>> {
        match state.purpose {
            Purpose::Account(Change::Password) => {
                state.pending = Pending::NewPassword;
                let step = Step::new("new_password")
                    .field("new_password", FieldKind::NewPassword, "new-password", None)
                    .field("new_password_again", FieldKind::NewPassword, "new-password", None)
                    .action("continue", "primary")
                    .action("cancel", "link");
                Ok(Some(step.problem(problem)))
            }
            Purpose::Account(Change::EnrolTotp) if !enrolled => self.ask_enrolment(state, problem).map(Some),
            Purpose::Account(Change::RemoveTotp) if enrolled => {
                let mut change = StoreChange::new(now_ms);
                totp::remove(&mut change, state.account.as_deref().unwrap_or_default());
                self.store.apply(change).await?;
                state.proofs.retain(|it| it.method != Method::Totp);
                Ok(None)
            }
            _ => Ok(state.consent.clone().map(|ask| {
                state.pending = Pending::Consent;
                let scopes: Vec<Json> = ask.scopes.iter().map(|(name, text)| serde_json::json!({ "name": name, "text": text })).collect();
                Step::new("consent")
                    .action("allow", "primary")
                    .action("deny", "secondary")
                    .fact("client_name", ask.client_name)
                    .fact("scopes", scopes)
            })),
        }
    }

    fn ask_enrolment(&self, state: &mut State, problem: Option<&'static str>) -> Result<Step> {
        let secret = match state.totp_secret {
            Some(it) => it,
            None => crate::seal::random::<20>()?,
        };
        state.totp_secret = Some(secret);
        state.pending = Pending::Enrol;
        totp::ask_enrolment(&self.config.brand.name, &secret, problem)
    }

    fn done(&self, state: State, consented: bool, now_ms: i64) -> Result<Outcome> {
        let policy = self.policy(&state.policy);
        let context = Context { now_ms, not_before_ms: state.not_before_ms };
        let Next::Done { mut amr, auth_time_ms } = policy::next(&policy, &context, &state.proofs) else {
            return Err(Refused::bad_request("invalid_session", "This sign-in is too old. Start again.").because("a proof aged").into());
        };
        let account = state.account.ok_or_else(|| Fault::new("a login without a person"))?;
        if state.proofs.iter().any(|it| it.subject != account) {
            return Err(Fault::new("the proofs of a login have two subjects").into());
        }
        for proof in &state.proofs {
            if !amr.iter().any(|it| it == proof.method.amr()) {
                amr.push(proof.method.amr().to_owned());
            }
        }
        if amr.len() > 1 && !amr.iter().any(|it| it == "mfa") {
            amr.push("mfa".to_owned());
        }
        let bucket = state.expires_ms / 3_600_000;
        let persist = vec![(ONCE, vec![bucket.into(), "login".into(), Value::from(&digest::sha256(&state.id)[..])])];
        let acr = policy.acr.unwrap_or_default();
        Ok(Outcome::Done(Box::new(Done {
            account,
            proofs: state.proofs,
            acr,
            amr,
            auth_time_ms,
            consented,
            request: state.request,
            persist,
        })))
    }
}
