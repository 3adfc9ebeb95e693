//! The next question of a sign-in, and the ways out of its page.

use super::accounts;
use super::context::{Mailbox, Move};
use super::demands::{demanded, not_before_ms, weighed_by};
use super::effect::{Effect, Source};
use super::flow::{Go, Proven, Run};
use super::forms;
use super::journey::{Form, Journey};
use super::known_devices;
use super::machine::over;
use super::methods::{self, email, passkey};
use super::outside::USE_INVITATION;
use super::passkeys;
use super::policy::{self, Conditions, Policy};
use super::proof::{MethodName, Proof};
use super::regain;
use super::standing::Weighed;
use super::state::{Pending, Question};
use super::step::{ACCOUNT, FORGET_ACCOUNTS, FieldKind, Step, Text};
use crate::error::{Error, Fault, Refused, Result};
use crate::mail;
use serde_json::Value as Json;

/// The way to an operator's ticket.
const USE_TICKET: &str = "use_ticket";

impl Run<'_> {
    /// What comes next: a question, or the end.
    pub(super) async fn find_question(&mut self) -> Go<()> {
        if let Some(step) = self.rules.confirm.as_ref().filter(|_| !self.state.confirmed) {
            self.set_question(Question::Confirm, [0; 16], step.clone(), Json::Null);
            return Ok(());
        }
        if let Journey::Register { draft } = &self.state.journey {
            return match draft {
                // Another way was chosen after the address was proved: from the beginning, with a password.
                Some(draft) if draft.proved && self.state.prefer == Some(MethodName::PASSWORD) => {
                    self.state.hint = Some(draft.email.clone());
                    self.state.journey = Journey::Register { draft: None };
                    self.ask_form(Form::Register)
                }
                Some(draft) if draft.proved => self.ask_form(Form::EnrolPasskey),
                None => self.ask_form(Form::Register),
                Some(_) => self.enter(&MethodName::EMAIL).await,
            };
        }
        self.must_be_allowed()?;
        self.read_device().await?;
        let policy = self.demanded();
        let conditions = self.conditions();
        let next = policy::next(&policy, &conditions, &self.state.proofs);
        match next {
            None => Err(Fault::new("a login policy without a chain").into()),
            Some(policy::Next::Satisfied(_)) => self.weigh_proofs().await,
            Some(policy::Next::Ask(method)) => {
                // What the journey had asked for comes after the proofs.
                match &mut self.state.journey {
                    Journey::Link { asked, .. } => *asked = false,
                    Journey::ChangeEmail { new } => *new = None,
                    _ => {}
                }
                let wants_recovery = self.state.prefer == Some(MethodName::RECOVERY) && method == MethodName::TOTP;
                self.ask_method(if wants_recovery && self.takes_recovery() { MethodName::RECOVERY } else { method }).await
            }
        }
    }

    /// The person has a recovery code, and it leads on in place of the authenticator.
    pub(super) fn takes_recovery(&self) -> bool {
        let has_one = self.person.account.as_ref().is_some_and(|account| account.has_codes());
        self.person.is_subject && has_one && policy::takes_recovery(&self.demanded(), &self.conditions(), &self.state.proofs)
    }

    /// What is changed of an account is what this face and client may.
    pub(super) fn must_be_allowed(&self) -> Result<()> {
        if self.rules.rights.allow(&self.state.journey) {
            return Ok(());
        }
        Err(over().because("the client may not change this of an account any more").into())
    }

    /// Nobody is known by a device before something is proved.
    pub(super) async fn read_device(&mut self) -> Result<()> {
        if !self.rules.policy.knows_devices() || self.state.subject.is_none() || self.person.known.is_some() {
            return Ok(());
        }
        if let (Some(account), Some(device)) = (&self.person.account, &self.person.device) {
            self.person.known = known_devices::read(&self.machine.store, account, device, self.standing().patience).await?;
        }
        Ok(())
    }

    pub(super) fn demanded(&self) -> Policy {
        demanded(&self.state, self.rules, &self.person, (&self.counted(), self.visitor.now_ms))
    }

    pub(super) fn weighed_by(&self) -> Policy {
        weighed_by(&self.state, self.rules, &self.person, (&self.counted(), self.visitor.now_ms))
    }

    /// All that is asked for was proved. What is it worth?
    async fn weigh_proofs(&mut self) -> Go<()> {
        if self.wants_ticket() {
            return self.enter(&MethodName::TICKET).await;
        }
        match self.weigh(&self.weighed_by()) {
            Some(Weighed::Satisfied(satisfied)) => self.after_proofs(satisfied).await,
            Some(Weighed::Ask(method)) => self.ask_method(method).await,
            Some(Weighed::Wait(from_ms)) => {
                self.ask_to_wait(from_ms);
                Ok(())
            }
            None => Err(Fault::new("a login policy without a chain").into()),
        }
    }

    /// The person has a ticket, and has not shown it.
    fn wants_ticket(&self) -> bool {
        self.state.prefer == Some(MethodName::TICKET) && !self.has_ticket()
    }

    /// A page that says what does not count yet, and from when on it does.
    fn ask_to_wait(&mut self, from_ms: Option<i64>) {
        let step = Step::new("waits");
        let step = match from_ms {
            // To the hour: the letter may not have left yet.
            Some(from_ms) => step.lead(Text::new("waits-lead-until").with("date", mail::hour_after(from_ms))),
            None => step,
        };
        self.ask_for_patience(step);
    }

    pub(super) fn ask_for_patience(&mut self, step: Step) {
        let step = step.primary("continue").secondary("give_up").link(USE_TICKET);
        self.set_question(Question::Form(Form::Wait), [0; 16], step, Json::Null);
    }

    /// With an authenticator always; with passkeys alone where a chain takes codes.
    pub(super) fn may_make_codes(&self) -> bool {
        let policy = &self.rules.policy;
        self.person
            .account
            .as_ref()
            .is_some_and(|account| account.totp_from_ms.is_some() || (account.may_have_codes() && policy.takes_codes(account)))
    }

    fn has_password(&self) -> bool {
        self.person.account.as_ref().is_some_and(|account| account.password.is_some())
    }

    pub(super) fn conditions(&self) -> Conditions<'_> {
        let not_before_ms = not_before_ms(&self.state, self.rules, self.visitor.now_ms);
        let prefer = self.state.prefer.as_ref();
        let transaction = self.rules.transaction.as_ref();
        Conditions { now_ms: self.visitor.now_ms, started_ms: self.state.started_ms, not_before_ms, prefer, transaction }
    }

    async fn ask_method(&mut self, method: MethodName) -> Go<()> {
        let is_known = self.state.subject.is_some() || self.state.candidate.is_some();
        if self.state.subject.is_some() && !methods::can_use(&method, &self.person) {
            // The policy wants it and the person has none yet: this is when it is added.
            if self.wants_ticket() {
                return self.enter(&MethodName::TICKET).await;
            }
            // Codes that were made with a passkey do instead of an authenticator.
            if method == MethodName::TOTP && self.takes_recovery() {
                return self.enter(&MethodName::RECOVERY).await;
            }
            if let Some(form) = methods::enrolment(&method) {
                return self.ask_form(form);
            }
            // Another chain may be open to the person: by what they have, or by what they can add.
            let others = policy::alternatives(&self.demanded(), &self.conditions(), &self.state.proofs, &method);
            let usable = others.iter().find(|other| methods::can_use(other, &self.person));
            if let Some(other) = usable.or_else(|| others.iter().find(|other| methods::enrolment(other).is_some())) {
                self.state.prefer = Some(other.clone());
                return match methods::enrolment(other).filter(|_| usable.is_none()) {
                    Some(form) => self.ask_form(form),
                    None => self.enter(other).await,
                };
            }
            let hint = "Your account lacks what this sign-in needs. Ask the operator.";
            return Err(Refused::bad_request("access_denied", hint).because(format!("the account has nothing for {method}")).into());
        }
        if !is_known && !self.machine.asks_who(&method) {
            let kind = if self.state.journey == Journey::Reset { "reset" } else { "identify" };
            let step = Step::new(kind).field("username", FieldKind::Text, "username", self.state.hint.as_deref()).primary("continue");
            let offers = self.takes_passkey(&method);
            self.set_question(Question::Identify(method), [0; 16], step, Json::Null);
            if offers {
                self.offer_beside([0; 16])?;
            }
            return Ok(());
        }
        self.enter(&method).await
    }

    /// Asks a method's question. What it costs is charged first; what asking does needs an answer that asked for it.
    pub(super) async fn enter(&mut self, method: &MethodName) -> Go<()> {
        if methods::proves_mailbox(method) {
            self.person.mailbox = self.mailbox(true).await?;
        }
        let price = methods::price(method, &self.person, &Move::Enter);
        if !price.is_empty() && self.before.is_none() {
            self.ask_to_begin(method);
            return Ok(());
        }
        if !self.pay(&price).await? {
            // The proof stands; the question is asked as soon as it may be.
            let is_waiting = self.state.pending.as_ref().is_some_and(|pending| match &pending.question {
                Question::Method(asked) => asked == method,
                Question::Identify(_) | Question::Begin(_) | Question::Form(_) => true,
                Question::Confirm | Question::Consent => false,
            });
            let is_on_form = self.state.pending.as_ref().is_some_and(|pending| pending.question == Question::Form(Form::Register));
            if let Journey::Register { draft } = &mut self.state.journey
                && is_on_form
            {
                *draft = None;
            }
            if !is_waiting {
                self.ask_to_begin(method);
            }
            return Ok(());
        }
        let question = crate::seal::random::<16>()?;
        let asked = methods::ask(method, &self.context(question), &self.person).await.map_err(Error::from)?;
        self.want(Source::Method(method), asked.effects)?;
        self.set_question(Question::Method(method.clone()), question, asked.step, asked.secret);
        if self.takes_passkey(method) {
            self.offer_beside(question)?;
        }
        Ok(())
    }

    /// Before anybody is known, a passkey can answer the page of another method of ours. The policy must have a chain that begins with it.
    fn takes_passkey(&self, asked: &MethodName) -> bool {
        let is_nobody = self.state.subject.is_none() && self.state.candidate.is_none();
        *asked != MethodName::PASSKEY
            && !asked.is_outside()
            && self.visitor.face.takes_passkeys()
            && is_nobody
            && self.state.journey == Journey::SignIn
            && policy::alternatives(&self.demanded(), &self.conditions(), &self.state.proofs, asked).contains(&MethodName::PASSKEY)
    }

    fn offer_beside(&mut self, question: [u8; 16]) -> Result<()> {
        let context = self.machine.context(question, self.visitor);
        if let Some(pending) = &mut self.state.pending {
            let (step, secret) = passkey::beside(&context, pending.step.clone())?;
            (pending.step, pending.beside) = (step, Some(secret));
        }
        Ok(())
    }

    fn ask_to_begin(&mut self, method: &MethodName) {
        let step = match (method.plugin_name(), self.machine.label(method)) {
            (Some(_), Some(label)) => plugin_begin(label),
            _ => Step::new(&format!("{method}_send")).primary("send"),
        };
        self.set_question(Question::Begin(method.clone()), [0; 16], step, Json::Null);
    }

    pub(super) fn ask_form(&mut self, form: Form) -> Go<()> {
        let question = crate::seal::random::<16>()?;
        let context = self.machine.context(question, self.visitor);
        let (step, secret) = forms::ask(form, &context, (&self.state, &self.person), &self.rules.policy)?;
        self.set_question(Question::Form(form), question, step, secret);
        Ok(())
    }

    pub(super) fn set_question(&mut self, question: Question, id: [u8; 16], step: Step, secret: Json) {
        let step = self.with_doors(&question, self.with_names(&question, step));
        self.state.pending = Some(Pending { asked_ms: self.visitor.now_ms, ..Pending::new(question, id, step, secret) });
    }

    /// Whom the person signs in to, and as whom: the app's name, and once somebody is proved, how the person knows the account.
    fn with_names(&self, question: &Question, mut step: Step) -> Step {
        if !matches!(question, Question::Method(_) | Question::Identify(_) | Question::Begin(_)) {
            return step;
        }
        if let Some(client) = self.rules.client.as_ref().filter(|_| self.state.journey == Journey::SignIn) {
            step.text.insert(0, Text::new("to_client").with("client", client.as_str()));
        }
        let known = self.person.account.as_ref().filter(|_| self.state.subject.is_some());
        if let Some(account) = known {
            let name = account.any_email.as_deref().map(email::masked).or_else(|| account.login_name.clone());
            step.text.extend(name.map(|name| Text::new("as_person").with("person", name)));
        }
        step
    }

    /// The ways out of a page: other methods, a forgotten password, a new account, another person, the way back.
    fn with_doors(&self, question: &Question, mut step: Step) -> Step {
        let asked = match question {
            Question::Method(method) | Question::Identify(method) | Question::Begin(method) => method,
            // Codes that nobody keeps are void: there is no way past them.
            Question::Form(Form::RecoveryCodes) | Question::Confirm | Question::Consent => return step,
            // Whoever does not want it goes on without it; whoever cannot wait gives up.
            Question::Form(Form::OfferPasskey | Form::Wait) => return step,
            // The change was made before it is shown.
            Question::Form(Form::Exported) => return step,
            Question::Form(Form::EnrolPasskey) if self.may_register_with_password() => return step.link("use_password").link("cancel"),
            Question::Form(Form::EnrolPasskey | Form::EnrolTotp) if !self.state.is_new && self.state.subject.is_some() => {
                return if self.has_ticket() { step.link("cancel") } else { step.link(USE_TICKET).link("cancel") };
            }
            Question::Form(_) => return step.link("cancel"),
        };
        let journey = &self.state.journey;
        if matches!(question, Question::Identify(_)) && *journey == Journey::Reset {
            return step.link("sign_in").link("cancel");
        }
        if matches!(question, Question::Method(method) if *method == MethodName::TOTP) && self.takes_recovery() {
            step = step.link("use_recovery");
        }
        if self.may_regain(asked) {
            step = step.link(regain::ACTION);
        }
        // Whoever comes to change a password and is not signed in signs in on the way.
        if *journey == Journey::SignIn || (*journey == Journey::ChangePassword && self.state.subject.is_none()) {
            let policy = self.demanded();
            for other in policy::alternatives(&policy, &self.conditions(), &self.state.proofs, asked) {
                // A passkey of nobody yet is offered beside the question itself.
                let beside = other == MethodName::PASSKEY && self.takes_passkey(asked);
                let is_offered = !beside && other != methods::SECOND_FACTOR && methods::can_use(&other, &self.person);
                if is_offered && !step.offers(&format!("use_{other}")) {
                    step = self.with_way(step, &other);
                }
            }
            let is_somebody = self.state.subject.is_some();
            let may_reset = step.kind == "password" || (step.kind == "passkey" && !is_somebody);
            if may_reset && self.machine.config.mail.is_some() {
                step = step.link("reset");
            }
            // A new person is nobody whom the request names.
            let takes_anybody = self.rules.sub.is_none() && !is_somebody;
            if self.machine.config.registration.is_some() && takes_anybody && step.kind != "email_code" {
                step = step.link("register");
            }
            if self.state.takes_another_person(self.rules.sub.as_deref()) {
                step = step.link("not_you");
            }
        }
        step.link("cancel")
    }

    fn has_passkey(&self, public_id: &str) -> bool {
        self.person.account.as_ref().is_some_and(|account| account.all_passkeys().any(|known| known.public_id() == public_id))
    }

    /// A button that leads to another method. Of a provider it says the name.
    fn with_way(&self, step: Step, other: &MethodName) -> Step {
        let action = format!("use_{other}");
        match self.machine.label(other) {
            Some(label) => step.secondary_for(&action, label),
            None => step.secondary(&action),
        }
    }

    /// Where a code by e-mail goes. `entering`: a letter is about to be written.
    pub(super) async fn mailbox(&self, entering: bool) -> Result<Option<Mailbox>> {
        let subject = self.state.subject.as_ref();
        let becoming = async |email: &str, template| -> Result<Option<Mailbox>> {
            let name = accounts::canonical(email).unwrap_or_default();
            let owner = if entering { self.machine.accounts().by_name(&name).await? } else { None };
            let is_taken = owner.is_some_and(|owner| subject.is_none_or(|subject| subject.account != owner.id));
            let template = if is_taken { "taken" } else { template };
            let to = Some(email.to_owned());
            Ok(Some(Mailbox { to: to.clone(), shown: to, template, answerable: !is_taken, of_account: false }))
        };
        match &self.state.journey {
            Journey::Register { draft: Some(draft) } => return becoming(&draft.email, "register").await,
            Journey::ChangeEmail { new: Some(email) } => return becoming(email, "change").await,
            _ => {}
        }
        let is_reset = self.state.journey == Journey::Reset;
        let template = match self.state.journey {
            Journey::Reset => "reset",
            Journey::Regain => "regain",
            _ => "code",
        };
        // A reset replaces a password and adds none. So an account with neither password nor passkey gets no letter. With passkeys alone the
        // letter is the way to say that they are lost.
        let has_any = |account: &accounts::Account| account.password.is_some() || account.all_passkeys().next().is_some();
        let has_it = |account: &&accounts::Account| account.active && (!is_reset || has_any(account));
        let to = self.person.account.as_ref().filter(has_it).and_then(|account| account.email.clone());
        if subject.is_some() && to.is_none() {
            return Ok(None);
        }
        let shown = to.as_deref().filter(|_| subject.is_some()).map(email::masked);
        Ok(Some(Mailbox { to, shown, template, answerable: true, of_account: true }))
    }

    fn may_register_with_password(&self) -> bool {
        matches!(self.state.journey, Journey::Register { .. }) && self.rules.policy.names(&MethodName::PASSWORD)
    }

    /// After a sign-in without a passkey, or with one of another device, once, where the face can make one: whoever said no is not asked
    /// again.
    fn may_offer_passkey(&self) -> bool {
        let is_of_now = |proof: &&Proof| proof.at_ms >= self.state.started_ms;
        let proved_now = self.state.proofs.iter().any(|proof| is_of_now(&proof));
        let is_elsewhere = self.state.proofs.iter().filter(is_of_now).any(|proof| proof.facts.is_elsewhere);
        let made_now = self.effects.iter().any(|effect| matches!(effect, Effect::AddPasskey(_)));
        let has_none = |account: &accounts::Account| {
            let is_lacking = account.passkeys.is_empty() || (is_elsewhere && !made_now);
            is_lacking && !account.passkeys_declined && account.passkeys.len() < passkeys::MOST
        };
        let removed_now = self.effects.iter().any(|effect| matches!(effect, Effect::RemovePasskey { .. }));
        self.state.journey == Journey::SignIn
            && !self.rules.rights.is_of_app()
            && self.machine.config.passkeys.offer
            && self.rules.policy.names(&MethodName::PASSKEY)
            && self.visitor.face.takes_passkeys()
            && self.before.is_some()
            && proved_now
            && !removed_now
            && self.person.account.as_ref().is_some_and(has_none)
    }

    /// Links that lead to another question instead of answering this one. Only what the page offered is followed.
    pub(super) fn turn(&mut self, action: &str) -> bool {
        if !self.state.offers(action) {
            return false;
        }
        if let Some(journey) = self.leads_on(action) {
            (self.state.journey, self.state.pending) = (journey, None);
            return true;
        }
        match action {
            USE_INVITATION => {
                let Some(provider) = self.asked_provider() else { return false };
                self.state.forget_person();
                self.state.journey = Journey::Link { provider, asked: false, found: None, invited: true };
            }
            "not_you" | FORGET_ACCOUNTS => self.state.forget_person(),
            chosen if chosen.starts_with(ACCOUNT) => {
                let name = self.state.pending.as_ref().and_then(|pending| pending.step.argument(chosen, "name").cloned());
                self.state.forget_person();
                self.state.hint = name;
            }
            regain::ACTION => (self.state.journey, self.state.prefer, self.state.pending) = (Journey::Regain, None, None),
            "reset" | "register" | "sign_in" => {
                let hint = self.state.hint.take().or_else(|| Some(self.person.name.clone()).filter(|name| !name.is_empty()));
                self.state.forget_person();
                self.state.hint = hint;
                self.state.journey = match action {
                    "reset" => Journey::Reset,
                    "register" => Journey::Register { draft: None },
                    _ => Journey::SignIn,
                };
            }
            other => match other.strip_prefix("use_") {
                Some(method) => {
                    let typed = Some(self.person.name.clone()).filter(|name| !name.is_empty());
                    self.state.hint = typed.or_else(|| self.state.hint.take());
                    (self.state.prefer, self.state.pending) = (Some(MethodName::new(method)), None);
                }
                None => return false,
            },
        }
        true
    }

    /// Whose page is shown.
    fn asked_provider(&self) -> Option<String> {
        match &self.state.pending.as_ref()?.question {
            Question::Method(method) => method.provider().map(str::to_owned),
            _ => None,
        }
    }

    /// The account is proved; now the identity that is to lead to it.
    async fn ask_for_link(&mut self, provider: &str) -> Go<()> {
        if self.machine.label_of(provider).is_none() {
            return Err(Refused::bad_request("invalid_request", "There is no such provider.").into());
        }
        let invited = matches!(self.state.journey, Journey::Link { invited: true, .. });
        self.state.journey = Journey::Link { provider: provider.to_owned(), asked: true, found: None, invited };
        self.enter(&MethodName::of_provider(provider)).await
    }

    /// The person is proved; is there anything left to ask?
    async fn after_proofs(&mut self, satisfied: policy::Satisfied) -> Go<()> {
        let has_totp = self.person.account.as_ref().is_some_and(|account| account.totp_from_ms.is_some());
        match &self.state.journey {
            // A reset replaces a password. Who has none is proved by what was asked for, and goes on.
            Journey::Reset if !self.has_password() => {
                (self.state.journey, self.state.prefer) = (Journey::SignIn, Some(MethodName::PASSKEY));
                return Box::pin(self.find_question()).await;
            }
            Journey::Reset | Journey::ChangePassword => return self.ask_form(Form::NewPassword),
            Journey::ChangeEmail { new: None } => return self.ask_form(Form::NewEmail),
            Journey::ChangeEmail { new: Some(_) } => return self.enter(&MethodName::EMAIL).await,
            Journey::EnrolTotp if !has_totp => return self.ask_form(Form::EnrolTotp),
            Journey::RemoveTotp if has_totp => return self.ask_form(Form::RemoveTotp),
            Journey::AddPasskey => return self.ask_form(Form::EnrolPasskey),
            Journey::RemovePasskey { passkey } if self.has_passkey(passkey) => return self.ask_form(Form::RemovePasskey),
            Journey::RecoveryCodes if self.may_make_codes() => return self.ask_form(Form::RecoveryCodes),
            Journey::Link { provider, .. } => return self.ask_for_link(&provider.clone()).await,
            Journey::Unlink { .. } => return self.ask_form(Form::Unlink),
            Journey::Regain => return self.regain(),
            Journey::Manage(_)
            | Journey::ChangeName
            | Journey::ChangeLanguage
            | Journey::ChangeUserCode
            | Journey::RenamePasskey { .. }
            | Journey::EndSession { .. }
            | Journey::EndOtherSessions
            | Journey::ForgetDevice { .. }
            | Journey::RevokeApp { .. }
            | Journey::Export
            | Journey::Delete => return self.ask_managing().await,
            _ => {}
        }
        if self.may_offer_passkey() {
            return self.ask_form(Form::OfferPasskey);
        }
        let account =
            self.state.subject.as_ref().map(|subject| subject.account.clone()).ok_or_else(|| Fault::new("a sign-in without a person"))?;
        if self.state.proofs.iter().any(|proof| proof.subject != account) {
            return Err(Fault::new("the proofs of a sign-in have two subjects").into());
        }
        self.state.pending = None;
        let proofs = self.state.proofs.iter().filter(|proof| !proof.method.is_of_one_sign_in()).cloned().collect();
        self.proven = Some(Proven { account, proofs, satisfied, consented: false });
        Ok(())
    }
}

/// Asked before a plug-in runs for somebody who has answered nothing yet.
fn plugin_begin(label: &str) -> Step {
    let mut step = Step::new("plugin_begin");
    step.title = Text::new("plugin_begin-title").with("label", label);
    step.primary("continue")
}
