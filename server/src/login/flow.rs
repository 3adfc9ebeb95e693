//! The login machine. A login is a sealed value the face carries from step to step (a GET writes nothing); what must
//! not happen twice or too often is kept in the store: attempts, spent codes, the finished login. Its types: `state`.

use super::accounts::{self, Hashers};
use super::methods::email::{self, Question, Why};
use super::methods::{password, totp};
use super::policy::{self, Context, Method, Next, Policy, Proof};
use super::rates::Rates;
use super::recovery;
pub use super::state::{Answer, Begin, By, Change, ConsentAsk, Done, Existing, Outcome, Purpose};
pub(super) use super::state::{Draft, Pending, Problem, State};
use super::step::Step;
use crate::audit;
use crate::config::Config;
use crate::error::{Error, Fault, Refused, Result};
use crate::seal::KeyRing;
use crate::store::{Change as StoreChange, NotApplied, Store, Value};
use serde_json::Value as Json;
use std::sync::Arc;
use std::time::Duration;
use symbolon_oauth::{base64url, digest};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

const LIFETIME_MS: i64 = 30 * 60_000;
const STEP_UP_MS: i64 = 5 * 60_000;
/// What was wrong is said no sooner than this after the answer came, so that what the store writes about somebody who exists is
/// not heard in the time (458-E).
const REFUSED_AFTER: Duration = Duration::from_millis(100);
const ONCE: &str = "INSERT INTO once (bucket, kind, key) VALUES ($1, $2, $3)";

#[derive(Clone)]
pub struct Machine {
    store: Store,
    keyring: KeyRing,
    config: Arc<Config>,
    hashers: Hashers,
    rates: Arc<Rates>,
    outbox: Arc<Notify>,
    /// Where a login is sealed to: names the store's epoch.
    place: String,
}

impl Machine {
    pub fn new(store: Store, keyring: KeyRing, config: Arc<Config>, epoch: String, before: Option<&Machine>) -> Self {
        let (hashers, rates, outbox) = match before {
            Some(old) => (old.hashers.clone(), Arc::clone(&old.rates), Arc::clone(&old.outbox)),
            None => Default::default(),
        };
        Self { store, keyring, config, hashers, rates, outbox, place: format!("login/{epoch}") }
    }

    pub fn hashers(&self) -> &Hashers {
        &self.hashers
    }
    /// Rings when a letter was written.
    pub fn outbox(&self) -> Arc<Notify> {
        Arc::clone(&self.outbox)
    }
    pub(super) fn wake_outbox(&self) {
        self.outbox.notify_one();
    }
    pub(super) fn store(&self) -> &Store {
        &self.store
    }
    pub(super) fn keyring(&self) -> &KeyRing {
        &self.keyring
    }
    pub(super) fn config(&self) -> &Config {
        &self.config
    }
    pub(super) fn rates(&self) -> &Rates {
        &self.rates
    }

    pub(super) async fn person(&self, account: &str) -> Result<accounts::Person> {
        Ok(accounts::person(&self.store, account).await?.unwrap_or_default())
    }

    /// The name of a browser in which this person signed in before: it tries on its own budget, which a stranger cannot use up.
    pub(super) fn known_device(&self, account: &str, device: Option<&str>, now_ms: i64) -> Option<String> {
        let plain = device.and_then(base64url::decode).and_then(|it| self.keyring.open("device", &it))?;
        let known = String::from_utf8(plain).ok()?;
        let mut pieces = known.splitn(3, ' ');
        let (owner, until, id) = (pieces.next(), pieces.next().and_then(|it| it.parse::<i64>().ok()), pieces.next());
        match (owner, until, id) {
            (Some(owner), Some(until), Some(id)) if owner == account && now_ms < until => Some(id.to_owned()),
            _ => None,
        }
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
        if it.force || it.max_age_s == Some(0) || it.purpose == Purpose::Reset {
            not_before_ms = now_ms;
        }
        if matches!(it.purpose, Purpose::Account(_)) {
            not_before_ms = not_before_ms.max(now_ms - STEP_UP_MS);
        }
        if it.purpose == Purpose::Register && self.config.registration.is_none() {
            return Err(Refused::new(404, "not_found", "Accounts are made by the operator here, not by oneself.").into());
        }
        if it.purpose == Purpose::Reset && self.config.mail.is_none() {
            return Err(Refused::new(404, "not_found", "This server sends no mail; ask its operator for a new password.").into());
        }
        let (account, version, session, proofs) = match it.existing {
            Some(it) => (Some(it.account), it.version, it.session, it.proofs),
            None => Default::default(),
        };
        let state = State {
            id: crate::seal::random()?,
            purpose: it.purpose,
            client: it.client.clone(),
            policy,
            login_hint: it.login_hint,
            not_before_ms,
            request: it.request,
            account,
            version,
            session,
            proofs,
            consent: it.consent,
            pending: Pending::Nothing,
            prefer: None,
            sent: None,
            draft: None,
            new_email: None,
            totp_secret: None,
            recovery_seed: None,
            expires_ms: now_ms + LIFETIME_MS,
        };
        self.advance(state, None, None, By { client: it.client.as_deref(), address: it.address, now_ms }).await
    }

    /// A policy that gives a wanted `acr` and asks for no less than the client's own, which is what is left otherwise: a request
    /// raises the sign-in and never lowers it. Essential and nowhere to be had: an error, never a weaker token (368-Z).
    fn policy_name(&self, it: &Begin) -> Result<String> {
        let own = self.policy(&it.policy);
        for wanted in &it.acr_values {
            let gives = |name: &&String| {
                let policy = self.policy(name);
                policy.acr.as_ref() == Some(wanted) && policy.is_no_weaker_than(&own)
            };
            // Several may give it: the client's own comes first.
            if let Some(name) = std::iter::once(&it.policy).chain(self.config.login.keys()).find(gives) {
                return Ok(name.clone());
            }
        }
        if it.essential_acr && !it.acr_values.is_empty() {
            let refused = Refused::bad_request("unmet_authentication_requirements", "No way of signing in here gives that acr.");
            return Err(refused.because("no policy with that acr asks for as much as the client's own").into());
        }
        Ok(it.policy.clone())
    }

    pub(super) fn policy(&self, name: &str) -> Policy {
        Policy::named(&self.config, name)
    }

    /// What this login has to prove. Whoever has a second factor is asked for it, whatever the policy makes do with (365-Z).
    fn demanded(&self, state: &State, enrolled: bool) -> Policy {
        let mut policy = match state.purpose {
            Purpose::Reset => Policy { chains: vec![vec![Method::Email]], acr: None },
            _ => self.policy(&state.policy),
        };
        if enrolled {
            for chain in policy.chains.iter_mut().filter(|it| !it.contains(&Method::Totp)) {
                chain.push(Method::Totp);
            }
        }
        policy
    }

    /// One answer to the pending question.
    pub async fn answer(&self, answer: &Answer<'_>) -> Result<Outcome> {
        let came = Instant::now();
        let over = || Refused::bad_request("invalid_session", "This sign-in is too old. Go back to the app and start again.");
        let plain =
            base64url::decode(answer.handle).and_then(|it| self.keyring.open(&self.place, &it)).ok_or_else(|| over().because("seal"))?;
        let mut state: State = serde_json::from_slice(&plain).map_err(|it| Fault::new(format!("a login's state: {it}")))?;
        if answer.now_ms >= state.expires_ms {
            return Err(over().because("expired").into());
        }
        if answer.action == "cancel" || answer.action == "deny" {
            let denied = state.pending == Pending::Consent;
            return Ok(Outcome::Abandoned { request: state.request, account: state.account, denied });
        }
        let client = state.client.clone();
        let answer = &Answer { client: client.as_deref(), ..*answer };
        self.must_stand(&state).await?;
        if self.turn(&mut state, answer.action) {
            return self.advance(state, None, None, answer.by()).await;
        }
        let problem = match state.pending {
            Pending::Password => self.check_password(&mut state, answer).await?,
            Pending::Identify => self.check_identity(&mut state, answer).await?,
            Pending::EmailCode => self.check_email_code(&mut state, answer).await?,
            Pending::Totp => self.check_totp(&mut state, answer).await?,
            Pending::RecoveryCode => self.check_recovery_code(&mut state, answer).await?,
            Pending::Enrol => self.check_enrolment(&mut state, answer).await?,
            Pending::NewPassword => self.check_new_password(&mut state, answer).await?,
            Pending::Register => self.check_registration(&mut state, answer).await?,
            Pending::NewEmail => self.check_new_email(&mut state, answer).await?,
            Pending::ShowRecovery => {
                state.recovery_seed = None;
                None
            }
            Pending::Consent if answer.action == "allow" => return self.done(state, true, answer.now_ms),
            Pending::Consent | Pending::Nothing => None,
        };
        if problem.is_some() {
            sleep_until(came + REFUSED_AFTER).await;
        }
        self.advance(state, problem, Some(answer), answer.by()).await
    }

    /// Is the person still who the proofs of this login are of? A sealed login lives half an hour, and a password, a session or the
    /// whole account may be gone since.
    async fn must_stand(&self, state: &State) -> Result<()> {
        let Some(account) = &state.account else { return Ok(()) };
        if accounts::stands(&self.store, account, state.version, state.session.as_ref()).await? {
            return Ok(());
        }
        Err(Self::changed())
    }

    pub(super) fn changed() -> Error {
        let hint = "Your account was changed since this sign-in began. Go back to the app and start again.";
        Refused::bad_request("invalid_session", hint).because("the account's version or the session behind the proofs").into()
    }

    /// Links that lead to another question instead of answering this one. True if it was one.
    fn turn(&self, state: &mut State, action: &str) -> bool {
        let signing_in = matches!(state.pending, Pending::Password | Pending::Identify | Pending::EmailCode | Pending::Register);
        match action {
            "reset" if signing_in && self.config.mail.is_some() => {
                state.purpose = Purpose::Reset;
                state.forget();
            }
            "register" if signing_in && self.config.registration.is_some() => {
                state.purpose = Purpose::Register;
                state.forget();
            }
            "sign_in" if signing_in => {
                state.purpose = Purpose::SignIn;
                (state.sent, state.draft) = (None, None);
            }
            "use_password" if state.pending != Pending::Consent => (state.prefer, state.sent) = (Some(Method::Password), None),
            "use_email" if state.pending != Pending::Consent => (state.prefer, state.sent) = (Some(Method::Email), None),
            "use_totp" if state.pending == Pending::RecoveryCode => state.pending = Pending::Nothing,
            "use_recovery" if state.pending == Pending::Totp => state.pending = Pending::RecoveryCode,
            _ => return false,
        }
        true
    }

    /// `account`: who was proved, and the version that was read with the proof.
    pub(super) fn proved(&self, state: &mut State, (account, version): (String, i64), method: Method, now_ms: i64) -> Problem {
        let proof = Proof { method, subject: account.clone(), at_ms: now_ms };
        state.prove(account, version, proof);
        None
    }

    async fn check_password(&self, state: &mut State, answer: &Answer<'_>) -> Result<Problem> {
        match password::check(self, answer).await? {
            password::Outcome::Proved(account, version) => Ok(self.proved(state, (account, version), Method::Password, answer.now_ms)),
            password::Outcome::Wrong(key) => {
                state.login_hint = Some(answer.text("username").to_owned());
                Ok(Some(key))
            }
        }
    }

    async fn check_identity(&self, state: &mut State, answer: &Answer<'_>) -> Result<Problem> {
        if state.account.is_none() {
            state.login_hint = Some(answer.text("username").to_owned()).filter(|it| !it.is_empty());
            if state.login_hint.is_none() {
                return Ok(Some("no_name"));
            }
        }
        self.send_proof(state, answer).await
    }

    /// A name was given, or a known person asks for a code: write to the address, or pretend to.
    async fn send_proof(&self, state: &mut State, answer: &Answer<'_>) -> Result<Problem> {
        let known = match &state.account {
            Some(account) => Some(account.clone()),
            None => {
                let name = state.login_hint.as_deref().unwrap_or_default();
                accounts::find_by_login_name(&self.store, name).await?.map(|it| it.id)
            }
        };
        let found = match known {
            Some(id) => Some((id.clone(), self.person(&id).await?)),
            None => None,
        };
        let template = if state.purpose == Purpose::Reset { "reset" } else { "code" };
        let to = found.as_ref().filter(|(_, person)| person.active).and_then(|(_, person)| person.email.as_deref());
        let shown = if state.account.is_some() { to.map(email::masked) } else { None };
        let account = found.as_ref().map(|(id, _)| id.as_str());
        let question =
            Question { why: Why::Prove, account, to, shown, template, answerable: true, before: state.sent.as_ref().map(|it| it.id) };
        self.send(state, question, answer).await
    }

    pub(super) async fn send(&self, state: &mut State, question: Question<'_>, answer: &Answer<'_>) -> Result<Problem> {
        match email::send(self, question, answer).await? {
            Some(sent) => {
                state.sent = Some(sent);
                Ok(None)
            }
            None => Ok(Some("too_many_mails")),
        }
    }

    async fn check_email_code(&self, state: &mut State, answer: &Answer<'_>) -> Result<Problem> {
        let Some(sent) = state.sent.clone() else { return Ok(Some("code_over")) };
        if answer.action == "resend" {
            return match sent.why {
                Why::Prove => self.send_proof(state, answer).await,
                Why::Register => self.send_registration(state, answer).await,
                Why::ChangeEmail => self.send_change(state, answer).await,
            };
        }
        let account = match sent.why {
            Why::Prove => Some(sent.account.as_str()),
            Why::ChangeEmail => state.account.as_deref(),
            Why::Register => None,
        };
        let spending = match email::check(self, &sent, account, answer).await? {
            email::Checked::Wrong => return Ok(Some("wrong_code")),
            email::Checked::Over => {
                state.sent = None;
                return Ok(Some("code_over"));
            }
            email::Checked::Right(it) => it,
        };
        state.sent = None;
        match sent.why {
            Why::Register => self.register(state, &spending, answer).await,
            Why::ChangeEmail => self.change_email(state, &spending, answer).await,
            Why::Prove => {
                if !self.person(&sent.account).await?.active {
                    return Ok(Some("code_over"));
                }
                let mut change = StoreChange::new(answer.now_ms);
                email::spend(&mut change, &spending, &sent.account);
                change.audit(answer.entry(audit::Entry::ok("email_proved").account(sent.account.as_str())));
                match self.store.apply(change).await {
                    Ok(_) => {
                        // The code raised the version; what was proved of the one before stays.
                        let before = spending.account_version.unwrap_or_default();
                        if state.version == before {
                            state.version += 1;
                        }
                        Ok(self.proved(state, (sent.account, before + 1), Method::Email, answer.now_ms))
                    }
                    Err(NotApplied::Conflict(_)) => Ok(Some("code_over")),
                    Err(other) => Err(other.into()),
                }
            }
        }
    }

    async fn check_totp(&self, state: &mut State, answer: &Answer<'_>) -> Result<Problem> {
        let Some(account) = state.account.clone() else { return Ok(Some("wrong_code")) };
        let problem = totp::check(self, &account, answer).await?;
        if problem.is_none() {
            return Ok(self.proved(state, (account, state.version), Method::Totp, answer.now_ms));
        }
        Ok(problem)
    }

    async fn check_recovery_code(&self, state: &mut State, answer: &Answer<'_>) -> Result<Problem> {
        let Some(account) = state.account.clone() else { return Ok(Some("wrong_recovery_code")) };
        let problem = recovery::check(self, &account, answer).await?;
        if problem.is_none() {
            state.pending = Pending::Nothing;
            return Ok(self.proved(state, (account, state.version), Method::Totp, answer.now_ms));
        }
        Ok(problem)
    }

    /// What comes next: a question, or the end.
    async fn advance(&self, mut state: State, problem: Problem, answer: Option<&Answer<'_>>, by: By<'_>) -> Result<Outcome> {
        let enrolled = match &state.account {
            Some(account) => totp::is_enrolled(self, account).await?,
            None => false,
        };
        let step = match self.question(&mut state, enrolled, problem, answer, by).await? {
            Some(step) => step,
            None => return self.done(state, false, by.now_ms),
        };
        let plain = serde_json::to_vec(&state).map_err(|it| Fault::new(it.to_string()))?;
        Ok(Outcome::Ask {
            step: Box::new(step),
            handle: base64url::encode(&self.keyring.seal(&self.place, &plain)?),
            request: state.request,
        })
    }

    /// The next question; none when nothing is missing.
    async fn question(
        &self,
        state: &mut State,
        enrolled: bool,
        problem: Problem,
        answer: Option<&Answer<'_>>,
        by: By<'_>,
    ) -> Result<Option<Step>> {
        if let (Some(seed), Some(account)) = (state.recovery_seed, &state.account) {
            let step = recovery::show(self, account, &seed);
            state.pending = Pending::ShowRecovery;
            return Ok(Some(step));
        }
        if let Some(sent) = &state.sent {
            let step = email::ask(sent, problem);
            state.pending = Pending::EmailCode;
            return Ok(Some(step));
        }
        if state.purpose == Purpose::Register {
            return Ok(Some(self.ask_registration(state, problem)));
        }
        let policy = self.demanded(state, enrolled);
        let context = Context { now_ms: by.now_ms, not_before_ms: state.not_before_ms, prefer: state.prefer };
        let asked = match policy::next(&policy, &context, &state.proofs) {
            Next::Impossible => return Err(Fault::new(format!("the login policy {:?} names no chain", state.policy)).into()),
            Next::Done { .. } => return self.after_proofs(state, enrolled, problem, by).await,
            Next::Ask(method) => method,
        };
        let others = policy::alternatives(&policy, &context, &state.proofs, asked);
        let step = match asked {
            Method::Password => {
                state.pending = Pending::Password;
                self.doors(password::ask(state.login_hint.as_deref(), problem), &others)
            }
            Method::Email => return self.ask_email(state, &others, problem, answer).await.map(Some),
            Method::Totp if enrolled && state.pending == Pending::RecoveryCode => recovery::ask(problem),
            Method::Totp if enrolled => {
                state.pending = Pending::Totp;
                let left = recovery::left(self, state.account.as_deref().unwrap_or_default()).await?;
                totp::ask(problem, left > 0)
            }
            // The policy wants a code and the person has no authenticator yet: this is when it is added.
            Method::Totp => self.ask_enrolment(state, problem)?,
        };
        Ok(Some(step))
    }

    /// The ways out of a sign-in page: other methods, a forgotten password, a new account, the way back.
    pub(super) fn doors(&self, mut step: Step, others: &[Method]) -> Step {
        for other in others.iter().filter(|it| **it != Method::Totp) {
            step = step.action(if *other == Method::Email { "use_email" } else { "use_password" }, "secondary");
        }
        if step.kind == "password" && self.config.mail.is_some() {
            step = step.action("reset", "link");
        }
        if self.config.registration.is_some() {
            step = step.action("register", "link");
        }
        step.action("cancel", "link")
    }

    async fn ask_email(&self, state: &mut State, others: &[Method], problem: Problem, answer: Option<&Answer<'_>>) -> Result<Step> {
        let reset = state.purpose == Purpose::Reset;
        if let Some(account) = state.account.clone() {
            let person = self.person(&account).await?;
            if person.email.is_none() {
                let hint = "Your account has no proved e-mail address, which this sign-in needs. Ask the operator to add one.";
                return Err(Refused::bad_request("access_denied", hint).because(format!("{account} has no verified address")).into());
            }
            // After an answer the code is sent at once; a page that was merely opened sends nothing.
            if let (Some(answer), None) = (answer, problem)
                && self.send_proof(state, answer).await?.is_none()
                && let Some(sent) = &state.sent
            {
                state.pending = Pending::EmailCode;
                return Ok(email::ask(sent, None));
            }
        }
        state.pending = Pending::Identify;
        let step = match &state.account {
            Some(_) => Step::new("email_send").action("send", "primary"),
            None => email::identify(if reset { "reset" } else { "identify" }, state.login_hint.as_deref()),
        };
        let step = step.problem(problem);
        Ok(if reset { step.action("sign_in", "link").action("cancel", "link") } else { self.doors(step, others) })
    }

    /// The person is proved; is there anything left to ask?
    async fn after_proofs(&self, state: &mut State, enrolled: bool, problem: Problem, by: By<'_>) -> Result<Option<Step>> {
        match state.purpose {
            Purpose::Reset | Purpose::Account(Change::Password) => Ok(Some(self.ask_new_password(state, problem))),
            Purpose::Account(Change::Email) => Ok(Some(self.ask_new_email(state, problem))),
            Purpose::Account(Change::EnrolTotp) if !enrolled => self.ask_enrolment(state, problem).map(Some),
            Purpose::Account(Change::RemoveTotp) if enrolled => self.remove_totp(state, by).await.map(|()| None),
            Purpose::Account(Change::RecoveryCodes) if enrolled => self.new_recovery_codes(state, by).await.map(Some),
            _ => Ok(state.consent.clone().map(|ask| {
                state.pending = Pending::Consent;
                let scopes: Vec<Json> = ask.scopes.iter().map(|(name, text)| serde_json::json!({ "name": name, "text": text })).collect();
                let of = |(text, lines): &(String, Vec<(String, String)>)| serde_json::json!({ "text": text, "lines": lines });
                let details: Vec<Json> = ask.details.iter().map(of).collect();
                Step::new("consent")
                    .action("allow", "primary")
                    .action("deny", "secondary")
                    .fact("client_name", ask.client_name)
                    .fact("scopes", scopes)
                    .fact("details", details)
            })),
        }
    }

    fn done(&self, state: State, consented: bool, now_ms: i64) -> Result<Outcome> {
        let policy = self.policy(&state.policy);
        let context = Context { now_ms, not_before_ms: state.not_before_ms, prefer: None };
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
            version: state.version,
            session: state.session,
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
