//! Is an open question still one that the present configuration asks? Between question and answer a reload may take a provider, a wallet or
//! a plug-in away, or ask for more than was proved. Then the answer is not judged: what is asked now is asked. The answer to a built-in
//! method is judged all the same: the present policy weighs what it proves. But a recovery code that leads nowhere is not spent.

use super::context::Visitor;
use super::effect::Effect;
use super::flow::{Go, Run, SignInToMove};
use super::journey::{Form, Journey};
use super::methods;
use super::policy::{self, Next};
use super::proof::MethodName;
use super::standing::Weighed;
use super::state::{Pending, Question};
use super::step::Problem;
use crate::audit::Entry;
use crate::error::Result;

impl Run<'_> {
    /// False: the answer counts for nothing, and the next question is found.
    pub(super) async fn must_be_due(&mut self, pending: &Pending) -> Go<bool> {
        if self.is_due(pending).await? {
            return Ok(true);
        }
        let refused = Entry::refused("sign_in_refused", "the present configuration does not ask for it any more");
        self.effects.push(Effect::Audit(Box::new(refused.with("question", name(&pending.question)))));
        (self.state.pending, self.state.prefer) = (None, None);
        self.find_question().await?;
        self.problem = self.state.pending.as_ref().map(|_| Problem::new("asked_no_more"));
        Ok(false)
    }

    async fn is_due(&mut self, pending: &Pending) -> Result<bool> {
        self.read_device().await?;
        let changes_address = matches!(self.state.journey, Journey::ChangeEmail { new: Some(_) });
        Ok(match &pending.question {
            Question::Form(form) => self.is_form_due(*form, pending.asked_ms),
            Question::Method(method) if *method == MethodName::EMAIL && changes_address => self.are_proofs_enough(None, pending.asked_ms),
            Question::Method(method) | Question::Identify(method) | Question::Begin(method) => self.is_method_due(method),
            Question::Confirm | Question::Consent => true,
        })
    }

    /// A provider, wallet or plug-in is asked while a chain names it. A recovery code is asked while a chain takes it. An answer to any
    /// other method is judged, and the present policy weighs its proof.
    fn is_method_due(&self, method: &MethodName) -> bool {
        // A code that leads nowhere is not spent.
        if *method == MethodName::RECOVERY {
            return self.takes_recovery() || self.demanded().asks(method);
        }
        if !method.is_linked() {
            return true;
        }
        match &self.state.journey {
            Journey::Link { provider, asked: true, .. } => {
                MethodName::of_provider(provider) == *method && self.machine.label_of(provider).is_some()
            }
            _ => self.demanded().asks(method),
        }
    }

    fn is_form_due(&self, form: Form, asked_ms: i64) -> bool {
        match form {
            // They come before anything is proved, or change nothing.
            Form::Register | Form::Wait | Form::Overview | Form::Exported => true,
            _ if matches!(self.state.journey, Journey::Register { .. } | Journey::Regain) => true,
            // They belong to the authenticator, or the passkey, that was added a moment ago.
            Form::RecoveryCodes if self.state.journey == Journey::SignIn => {
                self.state.proofs.iter().any(|it| it.method == MethodName::TOTP || it.method == MethodName::PASSKEY)
            }
            Form::Link => self.may_link() && self.are_proofs_enough(Some(form), asked_ms),
            _ => self.are_proofs_enough(Some(form), asked_ms),
        }
    }

    fn may_link(&self) -> bool {
        let Journey::Link { provider, .. } = &self.state.journey else { return false };
        self.machine.may_be_linked(provider)
    }

    /// Are the proofs all that is asked for? `form`: the one by which the person gets what is missing may be answered too. They are as old
    /// as they were when the question was asked: whoever takes long to answer is not asked anew.
    fn are_proofs_enough(&self, form: Option<Form>, asked_ms: i64) -> bool {
        let now_ms = if asked_ms > 0 { asked_ms.min(self.visitor.now_ms) } else { self.visitor.now_ms };
        let then = Visitor { now_ms, ..*self.visitor };
        let sign_in = SignInToMove { state: self.state.clone(), person: self.person.clone(), before: self.before };
        let run = Run::new(self.machine, self.rules, &then, sign_in);
        let is_gained =
            |method: &MethodName| !methods::can_use(method, &run.person) && form.is_some() && methods::enrolment(method) == form;
        match policy::next(&run.demanded(), &run.conditions(), &run.state.proofs) {
            None => false,
            Some(Next::Ask(method)) => is_gained(&method),
            Some(Next::Satisfied(_)) => match run.weigh(&run.weighed_by()) {
                Some(Weighed::Satisfied(_)) => true,
                Some(Weighed::Ask(method)) => is_gained(&method),
                Some(Weighed::Wait(_)) | None => false,
            },
        }
    }
}

fn name(question: &Question) -> String {
    match question {
        Question::Method(method) | Question::Identify(method) | Question::Begin(method) => method.to_string(),
        Question::Form(form) => format!("{form:?}"),
        Question::Confirm => "confirm".to_owned(),
        Question::Consent => "consent".to_owned(),
    }
}
