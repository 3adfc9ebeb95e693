//! Writing what a move came to: effects become statements for the sign-in's own subject. They and the row are one change.

use super::accounts::{self, Account};
use super::budgets::{Charged, Purse, give_back};
use super::context::{Face, Person, Visitor};
use super::deletion;
use super::effect::{Credential, Effect, Letter, NewPasskey, PasskeyUse, Spend, Update};
use super::enrolment::Means;
use super::flow::Moved;
use super::journey::NewLink;
use super::machine::{Answering, Machine, changed};
use super::notices;
use super::profile;
use super::state::{Pending, Question};
use super::step::{Problem, Step, Text};
use super::user_code;
use super::waiting::{self, Telling};
use crate::audit::Entry;
use crate::error::{Fault, Result};
use crate::grants::ending;
use crate::mail;
use crate::sessions;
use crate::store::tables::account::{ENROL, REMOVE, SET_LOCALE, SET_NAME, SPEND_CODE, SPEND_STEP};
use crate::store::tables::enrolment::SPEND_TICKET;
use crate::store::tables::outside_identity::{LINK, SEE};
use crate::store::tables::{consent, known_device, passkey};
use crate::store::{Change, Expect, NotApplied, Value};
use serde_json::Value as Json;
use std::time::Duration;
use tokio::time::sleep_until;

/// What was wrong is said no sooner than this after the answer came. What the store writes about somebody who exists is then not heard in
/// the time (458-E).
const REFUSED_AFTER: Duration = Duration::from_millis(100);

/// The event of a conflict that is no refusal: what was learned outside is judged again, as things are now.
pub const OVERTAKEN: &str = "upstream_overtaken";

/// Notices of means that were added or replaced.
const ADDED: [&str; 6] = ["email_changed", "factor_added", "link_added", "passkey_added", "password_changed", "recovery_changed"];

/// A change under construction, which knows what a conflict in it means.
pub struct Draft {
    pub change: Change,
    /// Statements that hold the account and the session.
    guards: usize,
    /// Statements that spend something or claim a name: audit event and problem, for the case that another was quicker.
    contested: Vec<(usize, &'static str, Problem)>,
}

pub enum Committed {
    Yes,
    /// Another answer moved the sign-in first.
    Late,
    /// What the answer would have spent was spent meanwhile.
    TurnedDown {
        event: &'static str,
        problem: Problem,
    },
    /// A statement that the caller added.
    Conflict(usize),
}

impl Machine {
    /// Begins the change of a move: what it builds on is held, then come its effects. The caller may add to it.
    pub fn draft(&self, moved: &Moved, visitor: &Visitor<'_>) -> Result<Draft> {
        let mut change = Change::new(visitor.now_ms);
        if let Some(held) = &moved.held {
            accounts::hold(&mut change, &held.account, held.version);
            if let Some(session) = &held.session {
                sessions::hold(&mut change, session);
            }
        }
        let mut draft = Draft { guards: change.len(), change, contested: Vec::new() };
        for effect in &moved.effects {
            self.write(&mut draft, moved, effect, visitor)?;
        }
        Ok(draft)
    }

    /// The account that effects are for. They name none themselves.
    fn target(moved: &Moved) -> Option<&str> {
        let of_subject = moved.state.subject.as_ref().map(|subject| subject.account.as_str());
        of_subject.or_else(|| moved.person.account.as_ref().map(|account| account.id.as_str()))
    }

    fn write(&self, draft: &mut Draft, moved: &Moved, effect: &Effect, visitor: &Visitor<'_>) -> Result<()> {
        let change = &mut draft.change;
        let account = Self::target(moved).unwrap_or_default();
        match effect {
            Effect::Letter(letter) => self.post(change, letter, visitor.locale)?,
            // The letter with the link that stops it says it already.
            Effect::Notice(template) if ADDED.contains(template) && moved.adds_what_waits() => {}
            Effect::Notice(template) => {
                if let Some(account) = &moved.person.account {
                    let notice = mail::Notice { template, locale: visitor.locale, user_agent: visitor.user_agent, link: None };
                    notices::tell(change, (&self.config, &self.keyring), account, notice)?;
                }
            }
            Effect::Spend { what, event, problem } => {
                draft.contested.extend(what.statements(change.len()).map(|at| (at, *event, problem.clone())));
                spend(change, account, what);
            }
            Effect::Enrol(new) => enrol(change, account, new),
            Effect::AddPasskey(new) => {
                keep_handle(change, account, &new.handle);
                draft.contested.push((change.len(), "passkey_refused", Problem::new("passkey_not_made")));
                add_passkey(change, account, new);
            }
            Effect::RemovePasskey { public_id } => {
                waiting::forget(change, account, &Means::Passkey(public_id.clone()).to_string());
                accounts::drop_passkey(change, account, public_id, Expect::Any);
            }
            Effect::RenamePasskey { public_id, name } => {
                let values = vec![account.into(), public_id.as_str().into(), name.as_str().into()];
                change.run_expecting(passkey::RENAME, values, Expect::Any);
            }
            Effect::DeclinePasskeys { handle } => decline_passkeys(change, account, handle),
            Effect::Remove(kind) => {
                change.run_expecting(REMOVE, vec![account.into(), (*kind).into()], Expect::Any);
                waiting::forget(change, account, kind);
            }
            Effect::Raise => accounts::raise(change, account),
            Effect::EndSessions => accounts::end_sessions(change, account),
            Effect::CreateAccount(creation) => {
                let first_name = accounts::insert(change, &creation.id, creation.new.clone(), creation.password_digest.clone())?;
                let is_outside = moved.effects.iter().any(|effect| matches!(effect, Effect::Link(_)));
                let event = if is_outside { OVERTAKEN } else { "registration_refused" };
                let taken = |at| (at, event, Problem::new("code_over"));
                draft.contested.extend((first_name..change.len()).map(taken));
            }
            Effect::Rehash { from, to } => accounts::rehash(change, account, from, to),
            Effect::Link(new) | Effect::SeeLink(new) => {
                write_link(draft, account, effect);
                self.keep(&mut draft.change, account, new)?;
            }
            Effect::Follow(_) | Effect::Unlink { .. } => write_link(draft, account, effect),
            Effect::Update(Update::Password(digest)) => accounts::replace_password(change, account, digest.clone()),
            Effect::Update(Update::Email(email)) => {
                let first = change.len();
                accounts::set_email(change, account, moved.addresses(), email);
                let taken = |at| (at, "email_change_refused", Problem::new("code_over"));
                draft.contested.extend((first..change.len()).map(taken));
            }
            Effect::EndRegain => waiting::forget(change, account, Means::Regain.kind()),
            Effect::Update(Update::Name(name)) => change.run(SET_NAME, vec![account.into(), name.as_deref().into(), visitor.now_ms.into()]),
            Effect::Update(Update::UserCode(digest)) => user_code::write(change, account, digest.as_deref()),
            Effect::Update(Update::Locale(locale)) => {
                change.run(SET_LOCALE, vec![account.into(), locale.as_str().into(), visitor.now_ms.into()])
            }
            Effect::EndSession(_) | Effect::EndOtherSessions { .. } | Effect::ForgetDevice(_) | Effect::RevokeApp(_) => {
                end_access(change, account, effect);
            }
            Effect::DeleteAccount => deletion::forget_rows(change, account),
            Effect::Wait(_) | Effect::Confirm(_) => self.write_enrolment(change, moved, effect, visitor)?,
            Effect::Audit(entry) => self.audit(change, moved, (**entry).clone(), visitor),
        }
        Ok(())
    }

    fn write_enrolment(&self, change: &mut Change, moved: &Moved, effect: &Effect, visitor: &Visitor<'_>) -> Result<()> {
        let Some(person) = &moved.person.account else { return Err(Fault::new("an enrolment of nobody").into()) };
        match effect {
            Effect::Wait(enrolling) => {
                let locale = person.locale.as_deref().unwrap_or(visitor.locale);
                let telling = Telling { config: &self.config, keyring: &self.keyring, locale, user_agent: visitor.user_agent };
                waiting::add(change, person, enrolling, &telling)?;
            }
            Effect::Confirm(means) => {
                waiting::confirm_means(change, person, means, moved.new_email());
                let confirmed = Entry::ok("enrolment_confirmed").with("means", means.to_string()).with("by", "the person");
                self.audit(change, moved, confirmed, visitor);
            }
            _ => {}
        }
        Ok(())
    }

    fn post(&self, change: &mut Change, letter: &Letter, locale: &str) -> std::result::Result<(), Fault> {
        let letter = mail::Letter {
            to: letter.to.clone(),
            template: letter.template.clone(),
            locale: locale.to_owned(),
            values: letter.values.clone(),
            give_up_ms: letter.give_up_ms,
            about: None,
        };
        mail::post(change, &self.keyring, &letter)
    }

    /// An entry about a person. For a name that nobody has, it is a log record and a write that takes as long (300-H).
    fn audit(&self, change: &mut Change, moved: &Moved, mut entry: Entry, visitor: &Visitor<'_>) {
        entry.client = moved.state.client.clone();
        entry.address = visitor.address.map(|address| address.to_string());
        match Self::target(moved) {
            Some(account) => change.audit(entry.account(account)),
            None => {
                tracing::info!(
                    event = entry.event,
                    address = entry.address,
                    reason = entry.reason.as_deref().unwrap_or_default(),
                    "a step of a sign-in by nobody we know"
                );
                let purse = Purse {
                    store: &self.store,
                    keyring: &self.keyring,
                    rates: &self.rates,
                    device: None,
                    address: visitor.address,
                    now_ms: visitor.now_ms,
                };
                purse.touch(change, &moved.touched);
            }
        }
    }

    /// Applies the change, with the row at its end.
    pub async fn commit(&self, moved: &Moved, draft: Draft) -> Result<Committed> {
        let Draft { mut change, guards, contested } = draft;
        let mut row = None;
        if let Some(before) = &moved.before {
            let moving = before.moving();
            row = Some(moving.write(&self.keyring, &mut change, &moved.state, moved.taken_ms)?);
        }
        give_back(&mut change, &moved.charged);
        let has_letters = moved.effects.iter().any(|effect| matches!(effect, Effect::Letter(_) | Effect::Notice(_) | Effect::Wait(_)));
        let applied = self.store.apply(change).await;
        if moved.is_refused {
            sleep_until(moved.came + REFUSED_AFTER).await;
        }
        match applied {
            Ok(_) => {
                if has_letters {
                    self.wake_outbox();
                }
                Ok(Committed::Yes)
            }
            Err(NotApplied::Conflict(at)) if at < guards => Err(changed()),
            Err(NotApplied::Conflict(at)) if Some(at) == row => Ok(Committed::Late),
            Err(NotApplied::Conflict(at)) => Ok(match contested.into_iter().find(|(statement, _, _)| *statement == at) {
                Some((_, event, problem)) => Committed::TurnedDown { event, problem },
                None => Committed::Conflict(at),
            }),
            Err(other) => Err(other.into()),
        }
    }

    /// The person goes on elsewhere: nothing was answered. The caller says how the sign-in ended.
    pub fn leave(&self, answering: &Answering) -> Moved {
        let mut state = answering.state.clone();
        state.pending = None;
        Moved {
            held: state.subject.clone(),
            state,
            proven: None,
            before: Some(answering.clone()),
            effects: Vec::new(),
            person: Person::default(),
            charged: Charged::default(),
            touched: Vec::new(),
            taken_ms: 0,
            is_refused: false,
            came: tokio::time::Instant::now(),
            action: String::new(),
        }
    }

    /// The same move, turned down: the question stays, the charge too, and the step says what was wrong.
    pub fn turn_down(&self, moved: Moved, event: &'static str, problem: Problem) -> Moved {
        let mut state = moved.before.as_ref().map_or_else(|| moved.state.clone(), |before| before.state.clone());
        if let Some(pending) = &mut state.pending {
            pending.step = pending.step.clone().with_problem(Some(problem));
        }
        let held = state.subject.clone();
        let refused = Entry::refused(event, "another request was quicker");
        Moved {
            state,
            held,
            proven: None,
            effects: vec![Effect::Audit(Box::new(refused))],
            charged: Charged::default(),
            is_refused: true,
            ..moved
        }
    }
}

impl Moved {
    /// Nothing was answered yet, so that there is no row to write.
    pub fn is_only_begun(&self) -> bool {
        self.before.is_none()
    }

    /// When the question was taken; 0: it was not.
    pub fn taken_ms(&self) -> i64 {
        self.taken_ms
    }

    /// The question that was answered.
    pub fn asked_before(&self) -> Option<&Question> {
        self.before.as_ref()?.state.pending.as_ref().map(|pending| &pending.question)
    }

    /// The person forgets a device: the change that does it remembers none.
    pub fn forgets_device(&self) -> bool {
        self.effects.iter().any(|effect| matches!(effect, Effect::ForgetDevice(_)))
    }

    /// The effects end every session of the person, the one at hand too.
    pub fn ends_sessions(&self) -> bool {
        self.effects.iter().any(|effect| matches!(effect, Effect::EndSessions))
    }

    /// Asks for consent: the person is proved, and what is granted is shown whole. A page says who that is. Somebody else signs in there,
    /// if the request takes anybody else than `sub`. An app's own screens know their person.
    pub fn ask_consent(&mut self, mut step: Step, face: Face<'_>, sub: Option<&str>) {
        let account = self.account().filter(|_| matches!(face, Face::Browser));
        let name = account.and_then(|it| it.any_email.as_ref().or(it.login_name.as_ref()).or(it.name.as_ref()));
        let named = name.map(|name| Text::new("consent-as").with("person", name.as_str()));
        step = step.primary("allow").secondary("deny");
        if let Some(named) = named {
            step.text.insert(0, named);
            if self.state.takes_another_person(sub) {
                step = step.link("not_you");
            }
        }
        self.ask_to_agree(step, [0; 16], Json::Null);
    }

    /// The same for a step with buttons of its own. `id` and `secret`: what has to be typed before (`matching`).
    pub fn ask_to_agree(&mut self, step: Step, id: [u8; 16], secret: Json) {
        self.proven = None;
        self.state.pending = Some(Pending::new(Question::Consent, id, step, secret));
    }

    /// The name by which this person's device was known before.
    pub fn device(&self) -> Option<&str> {
        self.person.device.as_deref()
    }

    fn adds_what_waits(&self) -> bool {
        self.effects.iter().any(|effect| matches!(effect, Effect::Wait(_)))
    }

    /// The address that is replaced, and one that stays a login name until the new one is confirmed.
    fn addresses(&self) -> (Option<&str>, Option<&str>) {
        let Some(account) = &self.person.account else { return (None, None) };
        let waits = self.effects.iter().any(|effect| matches!(effect, Effect::Wait(enrolling) if enrolling.means == Means::Email));
        let first = account.former_email.as_deref();
        (account.any_email.as_deref(), first.or(account.email.as_deref().filter(|_| waits)))
    }

    fn new_email(&self) -> Option<&str> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::Update(Update::Email(email)) => Some(email.as_str()),
            _ => None,
        })
    }

    /// The account that the sign-in is about.
    pub fn account(&self) -> Option<&Account> {
        self.person.account.as_ref()
    }
}

/// Spent for this day and the next, so that midnight gives nothing back: two statements.
fn spend_value(change: &mut Change, plugin: &str, value: &str) {
    let (day_ms, now_ms) = (86_400_000, change.now_ms());
    for ends_ms in [1, 2].map(|days| (now_ms / day_ms + days) * day_ms - 1) {
        change.once("plugin", plugin, value, ends_ms);
    }
}

/// What somebody could still do, ends.
fn end_access(change: &mut Change, name: &str, effect: &Effect) {
    match effect {
        Effect::EndSession(id) => sessions::ending::end_own(change, name, id),
        Effect::EndOtherSessions { but } => sessions::ending::end_all(change, name, but.as_ref()),
        Effect::ForgetDevice(device) => {
            change.run_expecting(known_device::FORGET_ONE, vec![name.into(), device.as_str().into()], Expect::Any);
        }
        Effect::RevokeApp(client) => {
            ending::end_of_client(change, name, client);
            change.run_expecting(consent::WITHDRAW, vec![name.into(), client.as_str().into()], Expect::Any);
        }
        _ => {}
    }
}

fn keep_handle(change: &mut Change, account: &str, handle: &str) {
    change.run_expecting(passkey::KEEP_HANDLE, vec![account.into(), handle.into()], Expect::Any);
}

fn decline_passkeys(change: &mut Change, account: &str, handle: &str) {
    let now_ms = change.now_ms();
    change.run(passkey::DECLINE, vec![account.into(), handle.into(), now_ms.into()]);
}

fn add_passkey(change: &mut Change, account: &str, new: &NewPasskey) {
    let now_ms = change.now_ms();
    let text = |text: &String| Value::from(text.as_str());
    let values = vec![
        text(&new.rp_id),
        text(&new.id),
        account.into(),
        text(&new.public_id),
        Value::from(new.public_key.clone()),
        i64::from(new.counter).into(),
        text(&new.transports),
        new.backup_eligible.into(),
        new.backed_up.into(),
        new.user_verified.into(),
        new.discoverable.into(),
        Value::from(new.aaguid.clone()),
        new.attested.into(),
        text(&new.name),
        now_ms.into(),
        text(&new.handle),
    ];
    change.run(passkey::ADD, values);
}

fn spend(change: &mut Change, account: &str, what: &Spend) {
    let now_ms = change.now_ms();
    match what {
        Spend::TotpStep(step_ms) => change.run(SPEND_STEP, vec![account.into(), (*step_ms).into()]),
        Spend::Passkey(used) => use_passkey(change, account, used),
        Spend::RecoveryCode(name) => change.run(SPEND_CODE, vec![account.into(), name.as_str().into()]),
        Spend::PluginValue { plugin, value } => spend_value(change, plugin, value),
        Spend::Ticket(name) => change.run(SPEND_TICKET, vec![account.into(), name.as_str().into(), now_ms.into()]),
    }
}

/// What leads to the account from a provider.
fn write_link(draft: &mut Draft, account: &str, effect: &Effect) {
    let change = &mut draft.change;
    let now_ms = change.now_ms();
    match effect {
        Effect::Link(new) => {
            draft.contested.push((change.len(), OVERTAKEN, Problem::new("upstream_failed")));
            let mut values = link_values(account, new, now_ms);
            values.extend([accounts::link_key(&new.issuer, &new.subject).into(), crate::profile::as_text(&new.shows).into()]);
            change.run(LINK, values);
        }
        Effect::SeeLink(seen) => {
            draft.contested.push((change.len(), OVERTAKEN, Problem::new("upstream_failed")));
            change.run(SEE, link_values(account, seen, now_ms));
        }
        Effect::Follow(followed) => {
            let first = change.len();
            profile::write(change, account, &followed.identity, (&followed.before, &followed.after));
            draft.contested.extend((first..change.len()).map(|at| (at, OVERTAKEN, Problem::new("upstream_failed"))));
        }
        Effect::Unlink { issuer, subject } => {
            let key = accounts::link_key(issuer, subject);
            waiting::forget(change, account, &Means::Identity(key.clone()).to_string());
            draft.contested.push((change.len(), "upstream_unlink_refused", Problem::new("code_over")));
            deletion::unlink(change, account, &key, Expect::Exactly(1));
        }
        _ => {}
    }
}

fn use_passkey(change: &mut Change, account: &str, used: &PasskeyUse) {
    let now_ms = change.now_ms();
    let values = vec![
        used.rp_id.as_str().into(),
        used.id.as_str().into(),
        account.into(),
        i64::from(used.counter).into(),
        now_ms.into(),
        used.backed_up.into(),
        used.backup_eligible.into(),
    ];
    change.run(passkey::USE, values);
}

fn link_values(account: &str, link: &NewLink, now_ms: i64) -> Vec<Value> {
    let NewLink { method, issuer, subject, said, leads, .. } = link;
    let named_ms = if *leads { now_ms } else { 0 };
    let texts = [issuer.as_str(), subject.as_str(), account, method.as_str(), said.as_str()].map(Value::from);
    texts.into_iter().chain([now_ms.into(), named_ms.into()]).collect()
}

fn enrol(change: &mut Change, account: &str, new: &Credential) {
    let now_ms = change.now_ms();
    let values =
        vec![account.into(), new.kind.into(), new.id.as_str().into(), Value::from(new.secret.clone()), now_ms.into(), new.used_ms.into()];
    change.run(ENROL, values);
}
