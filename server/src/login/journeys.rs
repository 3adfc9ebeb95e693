//! The longer ways: making an account, a new password, another address, an authenticator. Each acts in one change, after
//! the proofs it needs, and tells the person's address what happened.

use super::accounts::{self, NewAccount};
use super::flow::{Answer, By, Change, Draft, Machine, Pending, Problem, Purpose, State};
use super::methods::email::{self, Question, Spending, Why};
use super::methods::totp;
use super::policy::Method;
use super::recovery;
use super::step::{FieldKind, Step};
use crate::audit;
use crate::error::Result;
use crate::mail;
use crate::store::{Change as StoreChange, NotApplied};

impl Machine {
    pub(super) fn ask_registration(&self, state: &mut State, problem: Problem) -> Step {
        state.pending = Pending::Register;
        let draft = state.draft.as_ref();
        let mut step = Step::new("register")
            .field("email", FieldKind::Email, "email", draft.map(|it| it.email.as_str()).or(state.login_hint.as_deref()))
            .optional_field("name", FieldKind::Text, "name", draft.and_then(|it| it.name.as_deref()));
        if self.policy(&state.policy).chains.iter().any(|it| it.contains(&Method::Password)) {
            step = step.field("new_password", FieldKind::NewPassword, "new-password", None);
        }
        step.action("continue", "primary").action("sign_in", "link").action("cancel", "link").problem(problem)
    }

    /// The address decides nothing yet: whether it is free or taken, the same page follows, and only the letter differs.
    pub(super) async fn check_registration(&self, state: &mut State, answer: &Answer<'_>) -> Result<Problem> {
        let Some(settings) = &self.config().registration else { return Ok(Some("bad_email")) };
        let Some(email) = accounts::email_address(answer.text("email")) else { return Ok(Some("bad_email")) };
        // It is shown on pages, in tokens and on the operator's terminal: one line, and no more than a name (425-U).
        let name: String = answer.text("name").trim().chars().filter(|it| !it.is_control()).take(200).collect();
        let name = Some(name).filter(|it| !it.is_empty());
        state.draft = Some(Draft { email: email.clone(), name: name.clone(), password: None });
        if !settings.allows(&email) {
            return Ok(Some("email_domain"));
        }
        let mut password = None;
        if self.policy(&state.policy).chains.iter().any(|it| it.contains(&Method::Password)) {
            let new = answer.text("new_password");
            if !accounts::is_good_password(new) {
                return Ok(Some("weak_password"));
            }
            if self.rates().too_fast(answer.address) {
                return Ok(Some("too_many_attempts"));
            }
            password = Some(self.hashers().hash(new).await?);
        }
        state.draft = Some(Draft { email, name, password });
        self.send_registration(state, answer).await
    }

    pub(super) async fn send_registration(&self, state: &mut State, answer: &Answer<'_>) -> Result<Problem> {
        let Some(email) = state.draft.as_ref().map(|it| it.email.clone()) else { return Ok(Some("bad_email")) };
        let taken = accounts::find_by_login_name(self.store(), &email).await?.is_some();
        let template = if taken { "taken" } else { "register" };
        let before = state.sent.as_ref().map(|it| it.id);
        let shown = Some(email.clone());
        let question = Question { why: Why::Register, account: None, to: Some(&email), shown, template, answerable: !taken, before };
        self.send(state, question, answer).await
    }

    /// The address is proved: the account is made by the change that spends the code.
    pub(super) async fn register(&self, state: &mut State, spending: &Spending, answer: &Answer<'_>) -> Result<Problem> {
        let Some(draft) = state.draft.take() else { return Ok(Some("code_over")) };
        let with_password = draft.password.is_some();
        let new = NewAccount {
            login_names: vec![draft.email.clone()],
            email: Some(draft.email),
            email_verified: true,
            name: draft.name,
            locale: Some(answer.locale.to_owned()),
            claims: serde_json::Map::new(),
            password: None,
        };
        let (account, mut change) = accounts::prepare(new, draft.password, answer.now_ms)?;
        email::spend(&mut change, spending, &account);
        change.audit(answer.entry(audit::Entry::ok("registered").account(account.as_str())));
        match self.store().apply(change).await {
            Ok(_) => {}
            Err(NotApplied::Conflict(_)) => return Ok(Some("code_over")),
            Err(other) => return Err(other.into()),
        }
        state.purpose = Purpose::SignIn;
        if with_password {
            self.proved(state, (account.clone(), 1), Method::Password, answer.now_ms);
        }
        Ok(self.proved(state, (account, 1), Method::Email, answer.now_ms))
    }

    pub(super) fn ask_new_password(&self, state: &mut State, problem: Problem) -> Step {
        state.pending = Pending::NewPassword;
        Step::new("new_password")
            .field("new_password", FieldKind::NewPassword, "new-password", None)
            .field("new_password_again", FieldKind::NewPassword, "new-password", None)
            .action("continue", "primary")
            .action("cancel", "link")
            .problem(problem)
    }

    /// A new password ends every session of the person (420-U); the one at hand is opened anew behind it. A login that is older than
    /// the password now in force changes nothing.
    pub(super) async fn check_new_password(&self, state: &mut State, answer: &Answer<'_>) -> Result<Problem> {
        let Some(account) = state.account.clone() else { return Ok(Some("weak_password")) };
        let new = answer.text("new_password");
        if !accounts::is_good_password(new) {
            return Ok(Some("weak_password"));
        }
        if new != answer.text("new_password_again") {
            return Ok(Some("passwords_differ"));
        }
        let digest = self.hashers().hash(new).await?;
        let person = self.person(&account).await?;
        let mut change = StoreChange::new(answer.now_ms);
        accounts::hold(&mut change, &account, state.version);
        accounts::set_password(&mut change, &account, digest);
        mail::notice(&mut change, self.config(), self.keyring(), person.email.as_deref(), "password_changed", answer.locale)?;
        let by = if state.purpose == Purpose::Reset { "reset by mail" } else { "the person" };
        change.audit(answer.entry(audit::Entry::ok("password_changed").account(account.as_str()).with("by", by)));
        self.apply_own(change, state).await?;
        // The session that was signed in with is among those that ended.
        state.session = None;
        state.purpose = Purpose::SignIn;
        Ok(self.proved(state, (account, state.version), Method::Password, answer.now_ms))
    }

    /// Applies a change of the account that began with `hold` and raised the version once: this login goes on with the new one.
    async fn apply_own(&self, change: StoreChange, state: &mut State) -> Result<()> {
        match self.store().apply(change).await {
            Ok(_) => {}
            Err(NotApplied::Conflict(_)) => return Err(Self::changed()),
            Err(other) => return Err(other.into()),
        }
        self.wake_outbox();
        state.version += 1;
        Ok(())
    }

    pub(super) fn ask_new_email(&self, state: &mut State, problem: Problem) -> Step {
        state.pending = Pending::NewEmail;
        Step::new("new_email")
            .field("email", FieldKind::Email, "email", state.new_email.as_deref())
            .action("continue", "primary")
            .action("cancel", "link")
            .problem(problem)
    }

    /// A code goes to the new address; the account keeps the old one until it comes back.
    pub(super) async fn check_new_email(&self, state: &mut State, answer: &Answer<'_>) -> Result<Problem> {
        let Some(email) = accounts::email_address(answer.text("email")) else { return Ok(Some("bad_email")) };
        state.new_email = Some(email);
        self.send_change(state, answer).await
    }

    pub(super) async fn send_change(&self, state: &mut State, answer: &Answer<'_>) -> Result<Problem> {
        let (Some(account), Some(email)) = (state.account.clone(), state.new_email.clone()) else { return Ok(Some("bad_email")) };
        let owner = accounts::find_by_login_name(self.store(), &email).await?.map(|it| it.id);
        let taken = owner.is_some_and(|it| it != account);
        let template = if taken { "taken" } else { "change" };
        let before = state.sent.as_ref().map(|it| it.id);
        let (account, shown) = (Some(account.as_str()), Some(email.clone()));
        let question = Question { why: Why::ChangeEmail, account, to: Some(&email), shown, template, answerable: !taken, before };
        self.send(state, question, answer).await
    }

    pub(super) async fn change_email(&self, state: &mut State, spending: &Spending, answer: &Answer<'_>) -> Result<Problem> {
        let (Some(account), Some(email)) = (state.account.clone(), state.new_email.take()) else { return Ok(Some("code_over")) };
        if spending.account_version != Some(state.version) {
            return Ok(Some("code_over"));
        }
        let person = self.person(&account).await?;
        let mut change = StoreChange::new(answer.now_ms);
        email::spend(&mut change, spending, &account);
        accounts::set_email(&mut change, &account, person.any_email.as_deref(), &email);
        mail::notice(&mut change, self.config(), self.keyring(), person.email.as_deref(), "email_changed", answer.locale)?;
        change.audit(answer.entry(audit::Entry::ok("email_changed").account(account)));
        match self.store().apply(change).await {
            Ok(_) => {}
            Err(NotApplied::Conflict(_)) => return Ok(Some("code_over")),
            Err(other) => return Err(other.into()),
        }
        self.wake_outbox();
        state.version += 1;
        state.purpose = Purpose::SignIn;
        Ok(None)
    }

    pub(super) fn ask_enrolment(&self, state: &mut State, problem: Problem) -> Result<Step> {
        let secret = match state.totp_secret {
            Some(it) => it,
            None => crate::seal::random::<20>()?,
        };
        state.totp_secret = Some(secret);
        state.pending = Pending::Enrol;
        totp::ask_enrolment(&self.config().brand.name, &secret, problem)
    }

    pub(super) async fn check_enrolment(&self, state: &mut State, answer: &Answer<'_>) -> Result<Problem> {
        let (Some(account), Some(secret)) = (state.account.clone(), state.totp_secret) else { return Ok(Some("wrong_code")) };
        if self.rates().too_fast(answer.address) {
            return Ok(Some("too_many_attempts"));
        }
        let seed = crate::seal::random()?;
        let enrolment = totp::Enrolment { account: &account, version: state.version, secret: &secret, seed: &seed };
        if !totp::enrol(self, &enrolment, answer).await? {
            return Ok(Some("wrong_code"));
        }
        self.wake_outbox();
        state.version += 1;
        state.purpose = Purpose::SignIn;
        (state.totp_secret, state.recovery_seed) = (None, Some(seed));
        Ok(self.proved(state, (account, state.version), Method::Totp, answer.now_ms))
    }

    pub(super) async fn remove_totp(&self, state: &mut State, by: By<'_>) -> Result<()> {
        let account = state.account.clone().unwrap_or_default();
        let person = self.person(&account).await?;
        let mut change = StoreChange::new(by.now_ms);
        accounts::hold(&mut change, &account, state.version);
        accounts::raise(&mut change, &account);
        totp::remove(&mut change, &account, by);
        recovery::remove(&mut change, &account);
        let locale = person.locale.as_deref().unwrap_or("en");
        mail::notice(&mut change, self.config(), self.keyring(), person.email.as_deref(), "factor_removed", locale)?;
        self.apply_own(change, state).await?;
        state.proofs.retain(|it| it.method != Method::Totp);
        state.purpose = Purpose::SignIn;
        Ok(())
    }

    /// New codes; the old ones are void.
    pub(super) async fn new_recovery_codes(&self, state: &mut State, by: By<'_>) -> Result<Step> {
        let account = state.account.clone().unwrap_or_default();
        let seed = crate::seal::random()?;
        let mut change = StoreChange::new(by.now_ms);
        accounts::hold(&mut change, &account, state.version);
        accounts::raise(&mut change, &account);
        recovery::replace(self, &mut change, (&account, &seed), by);
        self.apply_own(change, state).await?;
        state.purpose = Purpose::SignIn;
        state.pending = Pending::ShowRecovery;
        state.recovery_seed = Some(seed);
        Ok(recovery::show(self, &account, &seed))
    }
}

impl Change {
    /// The button of the account page.
    pub fn parse(action: &str) -> Option<Self> {
        Some(match action {
            "change_password" => Self::Password,
            "change_email" => Self::Email,
            "enrol_totp" => Self::EnrolTotp,
            "remove_totp" => Self::RemoveTotp,
            "recovery_codes" => Self::RecoveryCodes,
            _ => return None,
        })
    }
}
