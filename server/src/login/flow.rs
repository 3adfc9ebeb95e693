//! One move of a sign-in: an answer is judged, and the next question is found. Nothing is written here but charges; what an answer
//! comes to is a `Moved`, which `commit` writes in one change.

use super::accounts::Account;
use super::budgets::{Budget, BudgetKind, Charge, Charged, Purse, Whom};
use super::context::{Answer, Checked, Context, Move, Person, Verdict, Visitor};
use super::demands::not_before_ms;
use super::effect::{Effect, Source, is_allowed};
use super::filling::{Filled, Filling};
use super::forms;
use super::journey::{Form, Journey, RegistrationDraft};
use super::machine::{Answering, LIFETIME_MS, Machine};
use super::methods;
use super::operation;
use super::policy::Satisfied;
use super::proof::{Facts, MethodName, Proof};
use super::state::{Candidate, Ended, Pending, Question, Rules, SaidNo, State, Subject};
use super::step::{Field, FieldKind, Problem};
use crate::audit::Entry;
use crate::error::{Error, Fault, Refused, Result};
use crate::store::{Change, NotApplied};
use serde_json::Value as Json;
use tokio::time::Instant;

/// How a sign-in begins.
#[derive(Clone)]
pub struct Begin {
    pub journey: Journey,
    pub client: Option<String>,
    pub hint: Option<String>,
    pub existing: Option<Existing>,
}

/// Proofs from before that may count.
#[derive(Clone, Debug)]
pub struct Existing {
    pub subject: Subject,
    pub proofs: Vec<Proof>,
    /// The account, where it was read with the session.
    pub account: Option<Box<Account>>,
}

/// A person who has proved all that the rules ask for.
#[derive(Clone, Debug)]
pub struct Proven {
    pub account: String,
    pub proofs: Vec<Proof>,
    pub satisfied: Satisfied,
    pub consented: bool,
}

/// What a move comes to, before it is written.
#[derive(Clone)]
pub struct Moved {
    pub state: State,
    /// Nothing is left to ask. None: `state.pending` is the question, or `state.ended()` the end.
    pub proven: Option<Proven>,
    pub(super) before: Option<Answering>,
    pub(super) effects: Vec<Effect>,
    pub(super) person: Person,
    /// The account as it was when it was judged, which the writing change holds.
    pub(super) held: Option<Subject>,
    /// Given back when it is written. Empty: the answer was wrong.
    pub(super) charged: Charged,
    pub(super) touched: Vec<Budget>,
    pub(super) taken_ms: i64,
    /// The step says that something was wrong.
    pub(super) is_refused: bool,
    pub(super) came: Instant,
    /// The button that was pressed. Empty: none was.
    pub action: String,
}

pub enum JudgedAnswer {
    Moved(Box<Moved>),
    /// Another answer has the question.
    Late,
}

/// Why a move stops half-way.
pub(super) enum Stop {
    Late,
    Error(Error),
}

impl<E: Into<Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

pub(super) type Go<T> = std::result::Result<T, Stop>;

/// A sign-in that is about to move, and whose it is.
pub(super) struct SignInToMove<'a> {
    pub(super) state: State,
    pub(super) person: Person,
    /// The answer that moves it. None: it only begins.
    pub(super) before: Option<&'a Answering>,
}

/// One move while it is made.
pub(super) struct Run<'a> {
    pub(super) machine: &'a Machine,
    pub(super) rules: &'a Rules,
    pub(super) visitor: &'a Visitor<'a>,
    pub(super) before: Option<&'a Answering>,
    pub(super) state: State,
    pub(super) person: Person,
    pub(super) effects: Vec<Effect>,
    pub(super) charged: Charged,
    pub(super) touched: Vec<Budget>,
    pub(super) taken_ms: i64,
    /// How often the effects raise the account's version.
    pub(super) raises: i64,
    pub(super) problem: Option<Problem>,
    pub(super) proven: Option<Proven>,
    /// The button that was pressed.
    pub(super) action: String,
}

impl Machine {
    /// Starts a sign-in. Nothing is written.
    pub async fn begin(&self, mut begin: Begin, rules: &Rules, visitor: &Visitor<'_>) -> Result<Moved> {
        let came = Instant::now();
        let nothing = |hint| Error::from(Refused::new(404, "not_found", hint));
        if matches!(begin.journey, Journey::Register { .. }) && self.config.registration.is_none() {
            return Err(nothing("Accounts are made by the operator here, not by oneself."));
        }
        if begin.journey == Journey::Reset && self.config.mail.is_none() {
            return Err(nothing("This server sends no mail; ask its operator for a new password."));
        }
        let read = begin.existing.as_mut().and_then(|existing| existing.account.take());
        let state = begin.state(rules, visitor.now_ms)?;
        let person = self.person(&state, (None, read), visitor).await?;
        let mut run = Run::new(self, rules, visitor, SignInToMove { state, person, before: None });
        match run.find_question().await {
            Ok(()) => run.finish(came),
            Err(Stop::Error(error)) => Err(error),
            Err(Stop::Late) => Err(Fault::new("a sign-in that has not begun was overtaken").into()),
        }
    }

    /// Judges an answer. Charges are written; what it comes to is not.
    pub async fn judge(&self, answering: &Answering, rules: &Rules, answer: &Answer<'_>, visitor: &Visitor<'_>) -> Result<JudgedAnswer> {
        let came = Instant::now();
        self.must_not_be_too_fast(visitor.address)?;
        self.must_stand(&answering.state).await?;
        let person = self.person(&answering.state, (Some(answer), None), visitor).await?;
        let sign_in = SignInToMove { state: answering.state.clone(), person, before: Some(answering) };
        let mut run = Run::new(self, rules, visitor, sign_in);
        let judged = run.judge(answer).await;
        self.came_to(run, judged, answering, came).await
    }

    /// What an answer came to. One that could not be judged gives the question free again.
    pub(super) async fn came_to(&self, run: Run<'_>, judged: Go<()>, answering: &Answering, came: Instant) -> Result<JudgedAnswer> {
        match judged {
            Ok(()) => Ok(JudgedAnswer::Moved(Box::new(run.finish(came)?))),
            Err(Stop::Late) => Ok(JudgedAnswer::Late),
            Err(Stop::Error(error)) => {
                self.let_go(answering, run.taken_ms, run.visitor.now_ms).await;
                Err(error)
            }
        }
    }

    /// An answer that could not be judged gives the question free again. The charge stays.
    pub async fn let_go(&self, answering: &Answering, taken_ms: i64, now_ms: i64) {
        if taken_ms == 0 {
            return;
        }
        let mut change = Change::new(now_ms);
        answering.moving().let_go(&mut change, taken_ms);
        if let Err(error) = self.store.apply(change).await {
            tracing::warn!(?error, "a question stays taken for half a minute");
        }
    }
}

impl Begin {
    fn state(self, rules: &Rules, now_ms: i64) -> Result<State> {
        let (subject, proofs) = self.existing.map_or((None, Vec::new()), |existing| (Some(existing.subject), existing.proofs));
        let mut state = State::new(crate::seal::time_ordered_id(now_ms)?, now_ms, now_ms + LIFETIME_MS, self.journey);
        (state.client, state.hint) = (self.client, self.hint);
        (state.subject, state.proofs) = (subject, proofs);
        // Whoever has only old proofs is asked again, and another person may answer. An account's own changes stay its own.
        let not_before_ms = not_before_ms(&state, rules, now_ms);
        if !state.journey.is_of_account() && !state.proofs.iter().any(|proof| proof.at_ms >= not_before_ms) {
            let account = state.subject.take().map(|subject| subject.account);
            state.candidate = account.map(|account| Candidate { name: String::new(), account: Some(account), wants_ids: false });
            state.proofs = Vec::new();
        }
        Ok(state)
    }
}

impl<'a> Run<'a> {
    pub(super) fn new(machine: &'a Machine, rules: &'a Rules, visitor: &'a Visitor<'a>, sign_in: SignInToMove<'a>) -> Self {
        let SignInToMove { mut state, person, before } = sign_in;
        if let Some(account) = &person.account {
            state.proofs.retain(|proof| methods::still_holds(proof, account));
        }
        Self {
            machine,
            rules,
            visitor,
            before,
            state,
            person,
            effects: Vec::new(),
            charged: Charged::default(),
            touched: Vec::new(),
            taken_ms: 0,
            raises: 0,
            problem: None,
            proven: None,
            action: String::new(),
        }
    }

    fn finish(mut self, came: Instant) -> Result<Moved> {
        let held = self.held();
        if self.before.is_none() && !self.effects.is_empty() {
            return Err(Fault::new("a sign-in that only begins wants an effect").into());
        }
        if let Some(subject) = &mut self.state.subject {
            subject.version += self.raises;
            if self.raises > 0 && self.effects.iter().any(|effect| matches!(effect, Effect::EndSessions)) {
                // The session that was signed in with is among those that ended.
                subject.session = None;
            }
        }
        if let (Some(problem), Some(pending)) = (&self.problem, &mut self.state.pending) {
            pending.step = pending.step.clone().with_problem(Some(problem.clone()));
        }
        Ok(Moved {
            before: self.before.cloned(),
            charged: if self.problem.is_none() { self.charged } else { Charged::default() },
            state: self.state,
            proven: self.proven,
            effects: self.effects,
            person: self.person,
            held,
            touched: self.touched,
            taken_ms: self.taken_ms,
            is_refused: self.problem.is_some(),
            came,
            action: self.action,
        })
    }

    /// The account that the writing change must find unchanged: the sign-in's own, or the one whose version an effect raises. Not one
    /// that the change itself makes.
    fn held(&self) -> Option<Subject> {
        if self.effects.iter().any(|effect| matches!(effect, Effect::CreateAccount(_))) {
            return None;
        }
        let of_person = || {
            let account = self.person.account.as_ref().filter(|_| self.raises > 0)?;
            Some(Subject { account: account.id.clone(), version: account.version, session: None })
        };
        self.state.subject.clone().or_else(of_person)
    }

    /// Takes effects in, if the journey allows them to this source.
    pub(super) fn want(&mut self, source: Source<'_>, effects: Vec<Effect>) -> std::result::Result<(), Fault> {
        for effect in effects {
            if !is_allowed(&self.state.journey, source, &effect) {
                return Err(Fault::new(format!("{source:?} wants {effect:?} in {:?}", self.state.journey)));
            }
            self.raises += i64::from(matches!(effect, Effect::Raise | Effect::EndSessions));
            self.note_means(&effect);
            self.effects.push(effect);
        }
        Ok(())
    }

    async fn judge(&mut self, answer: &Answer<'_>) -> Go<()> {
        answer.action.clone_into(&mut self.action);
        if matches!(answer.action, "cancel" | "deny" | "give_up" | "not_mine") && self.state.offers(answer.action) {
            self.state.end(self.given_up());
            return Ok(());
        }
        self.must_be_allowed()?;
        if self.turn(answer.action) {
            self.person = self.machine.person(&self.state, (None, None), self.visitor).await?;
            self.find_question().await?;
            return self.leave_at_once(answer).await;
        }
        let Some(pending) = self.state.pending.clone() else { return self.find_question().await };
        if !self.must_be_due(&pending).await? {
            return Ok(());
        }
        if let (operation::ACTION, Some(secret)) = (answer.action, &pending.beside) {
            let asked = Pending { secret: secret.clone(), ..pending };
            return self.check_method(&MethodName::PASSKEY, &asked, answer).await;
        }
        if answer.action == operation::BY_NAME && self.state.offers(operation::BY_NAME) {
            return self.identify(&MethodName::PASSKEY).await;
        }
        match &pending.question {
            Question::Method(method) if answer.action == "resend" && self.state.offers("resend") => self.enter(&method.clone()).await,
            Question::Method(method) => self.check_method(method, &pending, answer).await,
            Question::Identify(method) => self.identify(&method.clone()).await,
            Question::Begin(method) => self.enter(&method.clone()).await,
            Question::Form(form) => self.check_form(*form, &pending, answer).await,
            Question::Consent if answer.action == "allow" && self.state.offers("allow") => {
                if !self.judge_what_is_shown(&pending, answer).await? {
                    return Ok(());
                }
                self.find_question().await?;
                if let Some(proven) = &mut self.proven {
                    proven.consented = true;
                }
                Ok(())
            }
            Question::Confirm if matches!(answer.action, "started_it" | "continue_as") => {
                self.state.confirmed = true;
                self.find_question().await
            }
            Question::Confirm => {
                self.set_question(Question::Confirm, [0; 16], pending.step.clone(), Json::Null);
                Ok(())
            }
            Question::Consent => self.find_question().await,
        }
    }

    /// A person who leaves a page that says what does not count yet has refused nothing. OpenID Connect Core Unmet Authentication
    /// Requirements 1.0 has an error for it.
    pub(super) fn given_up(&self) -> Ended {
        let waits = self.state.pending.as_ref().is_some_and(|pending| pending.question == Question::Form(Form::Wait));
        let no = SaidNo::by(&self.action);
        let (code, hint, no) = match waits {
            true => ("unmet_authentication_requirements", "What the person has added does not count in full yet.", None),
            false => ("access_denied", no.hint(), Some(no)),
        };
        Ended::Refused { code: code.to_owned(), hint: hint.to_owned(), no }
    }

    /// A name was given, before a method that does not ask for one. Whether anybody has it decides nothing.
    async fn identify(&mut self, method: &MethodName) -> Go<()> {
        if self.person.name.is_empty() {
            self.problem = Some(Problem::in_field("no_name", "username"));
            return Ok(());
        }
        let account = self.person.account.as_ref().map(|account| account.id.clone());
        self.person.wants_ids = *method == MethodName::PASSKEY;
        self.state.candidate = Some(Candidate { name: self.person.name.clone(), account, wants_ids: self.person.wants_ids });
        self.enter(method).await
    }

    /// What a method may see, with what this request asks of it.
    pub(super) fn context(&self, question: [u8; 16]) -> Context<'a> {
        // A change of the account is never begun by whoever holds a picture of a code.
        let may_be_elsewhere = self.rules.policy.wallet_on_other_device && self.state.journey == Journey::SignIn;
        let signs_in_to = self.rules.client.as_deref().unwrap_or(&self.machine.config.brand.name);
        let on_other_device = may_be_elsewhere.then_some(signs_in_to);
        Context { transaction: self.rules.transaction.as_ref(), on_other_device, ..self.machine.context(question, self.visitor) }
    }

    pub(super) async fn check_method(&mut self, method: &MethodName, pending: &Pending, answer: &Answer<'_>) -> Go<()> {
        if methods::proves_mailbox(method) {
            self.person.mailbox = self.mailbox(false).await?;
        }
        let price = methods::price(method, &self.person, &Move::Answer { answer, question: pending.id });
        if !self.pay(&price).await? {
            return Ok(());
        }
        let context = Context { voyage: Some(self.voyage()), ..self.context(pending.id) };
        let learned = methods::learn(method, &context, &pending.secret, answer).await?;
        if let Some(learned) = &learned {
            self.keep(learned).await?;
        }
        let secret = learned.as_ref().unwrap_or(&pending.secret);
        let Verdict { checked, mut effects } = methods::check(method, &context, &self.person, secret, answer).await?;
        let is_plugin = method.plugin_name().is_some();
        if is_plugin && !(self.pay_for_letters(&effects).await? && self.may_have(method, &mut effects).await?) {
            return Ok(());
        }
        if price.is_empty() && matches!(checked, Checked::Wrong(_)) {
            effects = self.record_sparingly(effects);
        }
        self.want(Source::Method(method), effects)?;
        match checked {
            Checked::Wrong(problem) => {
                self.keep_what_was_typed(answer);
                self.purse().note_wrong(&price);
                self.touched = price;
                self.problem = Some(problem);
                Ok(())
            }
            Checked::Proved(facts) => {
                self.prove(method, facts)?;
                self.find_question().await
            }
            other => self.go_outside(method, pending.id, other, price).await,
        }
    }

    /// What a plug-in writes costs what any letter costs. The built-in methods say it in their price.
    async fn pay_for_letters(&mut self, effects: &[Effect]) -> Go<bool> {
        let letters = effects.iter().filter(|effect| matches!(effect, Effect::Letter(_)));
        let one = Budget::Stored { what: BudgetKind::Letter, whom: Whom::person(&self.person), event: "plugin_refused" };
        self.pay(&letters.map(|_| one.clone()).collect::<Vec<_>>()).await
    }

    /// Charges a price. False: it was refused, and the step says so.
    pub(super) async fn pay(&mut self, price: &[Budget]) -> Go<bool> {
        if price.is_empty() {
            return Ok(true);
        }
        let machine = self.machine;
        let purse = self.purse();
        let moving = self.before.map(Answering::moving);
        let take = |change: &mut Change| match moving.as_ref().filter(|_| self.taken_ms == 0) {
            Some(moving) => moving.take(&machine.keyring, change),
            None => Ok(()),
        };
        match purse.charge(price, take).await? {
            Charge::Taken(charged) => {
                if self.before.is_some() && self.taken_ms == 0 {
                    self.taken_ms = self.visitor.now_ms;
                }
                self.charged.extend(charged);
                Ok(true)
            }
            Charge::Late => Err(Stop::Late),
            Charge::Refused { budget, problem, why } => {
                let event = price.get(budget).map_or("sign_in_refused", Budget::event);
                // Whoever goes on after the limit fills no audit.
                self.effects.extend(self.record_sparingly(vec![Effect::Audit(Box::new(Entry::refused(event, why)))]));
                self.touched = price.to_vec();
                self.problem = Some(Problem::new(problem));
                Ok(false)
            }
        }
    }

    fn purse(&self) -> Purse<'a> {
        let machine = self.machine;
        Purse {
            store: &machine.store,
            keyring: &machine.keyring,
            rates: &machine.rates,
            device: self.person.device.clone(),
            address: self.visitor.address,
            now_ms: self.visitor.now_ms,
        }
    }

    /// The page shows again what the person typed, but for secrets.
    fn keep_what_was_typed(&mut self, answer: &Answer<'_>) {
        let Some(pending) = &mut self.state.pending else { return };
        // What no browser remembers may be a secret: a ticket, a recovery code, what a plug-in asks.
        let is_kept = |field: &Field| matches!(field.kind, FieldKind::Text | FieldKind::Email) && field.autocomplete != "off";
        for field in pending.step.fields.iter_mut().filter(|field| is_kept(field)) {
            field.value = answer.fields.get(&field.name).map(|text| text.chars().take(256).collect());
        }
    }

    /// What a proof means to the journey: an account is made, the address changes, or the person is now known.
    fn prove(&mut self, method: &MethodName, facts: Facts) -> Result<()> {
        let now_ms = self.visitor.now_ms;
        match self.state.journey.clone() {
            Journey::Register { draft: Some(draft) } if methods::proves_mailbox(method) => {
                // With a passkey first, there is no account before there is a passkey.
                if draft.password.is_none() && self.rules.policy.begins_with_passkey() {
                    self.state.journey = Journey::Register { draft: Some(RegistrationDraft { proved: true, ..draft }) };
                    return Ok(());
                }
                self.create_account(draft, method, facts)
            }
            Journey::ChangeEmail { new: Some(email) } if methods::proves_mailbox(method) => self.change_email(email),
            _ => {
                let account = self.person.account.as_ref().ok_or_else(|| Fault::new("a proof of nobody"))?;
                let (id, version) = (account.id.clone(), account.version);
                self.state.prove(&id, version, proof(&id, method.clone(), facts, now_ms));
                self.person.is_subject = true;
                self.note_found_again();
                // What was chosen is done.
                self.state.prefer = self.state.prefer.take().filter(|chosen| chosen != method);
                if *method == MethodName::TICKET {
                    self.confirm_proved();
                }
                Ok(())
            }
        }
    }

    /// Takes the question, where nothing is charged but judging the answer is work.
    async fn take_question(&mut self) -> Go<()> {
        let Some(answering) = self.before.filter(|_| self.taken_ms == 0) else { return Ok(()) };
        let mut change = Change::new(self.visitor.now_ms);
        answering.moving().take(&self.machine.keyring, &mut change)?;
        match self.machine.store.apply(change).await {
            Ok(_) => {
                self.taken_ms = self.visitor.now_ms;
                Ok(())
            }
            Err(NotApplied::Conflict(_)) => Err(Stop::Late),
            Err(other) => Err(other.into()),
        }
    }

    async fn check_form(&mut self, form: Form, pending: &Pending, answer: &Answer<'_>) -> Go<()> {
        if !self.state.offers(answer.action) {
            return Ok(());
        }
        if self.state.journey == Journey::Regain && form != Form::Wait && !self.may_begin_again() {
            return self.find_question().await;
        }
        if forms::hashes(form) {
            self.take_question().await?;
        }
        let context = self.machine.context(pending.id, self.visitor);
        let registration = self.machine.config.registration.as_ref();
        let allows = |email: &str| registration.is_some_and(|settings| settings.allows(email));
        let filling = Filling {
            context: &context,
            person: &self.person,
            state: &self.state,
            policy: &self.rules.policy,
            secret: &pending.secret,
            locale: self.visitor.locale,
            may_register: registration.map(|_| &allows as &(dyn Fn(&str) -> bool + Sync)),
        };
        let done = match forms::check(form, &filling, answer).await? {
            Filled::Wrong(problem) => {
                self.keep_what_was_typed(answer);
                self.problem = Some(problem);
                return Ok(());
            }
            Filled::Refused { problem, event, why, made } => {
                self.effects.push(Effect::Audit(Box::new(Entry::refused(event, why))));
                self.problem = Some(problem);
                self.signal_what_is_kept(made.as_deref());
                return Ok(());
            }
            Filled::Done(done) => *done,
        };
        let begins_again = self.state.journey == Journey::Regain && form != Form::Wait;
        if begins_again {
            self.begin_again(form)?;
        }
        self.want(Source::Form(form), done.effects)?;
        self.keep_what_was_typed(answer);
        if let Journey::Register { draft: Some(draft) } = self.state.journey.clone()
            && draft.proved
        {
            self.create_account(draft, &MethodName::EMAIL, Facts::default())?;
        }
        self.state.journey = done.journey;
        if form == Form::RemoveTotp {
            self.state.proofs.retain(|proof| proof.method != MethodName::TOTP && proof.method != MethodName::RECOVERY);
        }
        self.prove_by_form(form, done.proved, done.facts);
        self.note_enrolment(form);
        self.note_signal()?;
        if let Some(closed) = done.closed {
            self.state.end(Ended::Closed { why: closed.why.to_owned(), signal: closed.signal });
            return Ok(());
        }
        match done.then {
            Some(Form::Exported) => self.ask_to_keep_export().await,
            Some(next) => self.ask_form(next),
            None => self.find_question().await,
        }
    }

    /// What is chosen is worth no more than what the person proved to choose it.
    fn prove_by_form(&mut self, form: Form, method: Option<MethodName>, facts: Facts) {
        let (Some(method), Some(subject)) = (method, self.state.subject.clone()) else { return };
        let knew_it = self.state.proofs.iter().any(|proof| proof.method == method && proof.facts.chosen_by.is_none());
        let chosen_by = self.state.proofs.first().filter(|_| form == Form::NewPassword && !knew_it).map(|proof| proof.method.clone());
        let proof = proof(&subject.account, method, Facts { chosen_by, ..facts }, self.visitor.now_ms);
        self.state.prove(&subject.account, subject.version, proof);
    }
}

pub(super) fn proof(subject: &str, method: MethodName, facts: Facts, at_ms: i64) -> Proof {
    Proof { method, subject: subject.to_owned(), at_ms, facts }
}
