//! What a form is judged with, and what it says of an answer.

use super::context::{Context, Person};
use super::effect::Effect;
use super::journey::{Form, Journey};
use super::operation::Operation;
use super::policy::Policy;
use super::proof::{Facts, MethodName};
use super::state::State;
use super::step::Problem;
use serde_json::Value as Json;

/// What a form says of an answer.
pub enum Filled {
    Wrong(Problem),
    /// The same, and an audit entry with the private reason.
    Refused {
        problem: Problem,
        event: &'static str,
        why: String,
        /// The user handle of a passkey that the platform has made and that is not kept.
        made: Option<String>,
    },
    Done(Box<FormOutcome>),
}

/// Where the sign-in goes on.
pub struct FormOutcome {
    pub journey: Journey,
    pub effects: Vec<Effect>,
    /// The answer proves the person by this method: who chose a password knows it.
    pub proved: Option<MethodName>,
    /// What that proof found out.
    pub facts: Facts,
    /// The form that comes next, whatever the policy says.
    pub then: Option<Form>,
    /// The sign-in is over with this answer.
    pub closed: Option<Closed>,
}

/// Why there is nothing left to sign in to.
pub struct Closed {
    pub why: &'static str,
    pub signal: Option<Operation>,
}

impl FormOutcome {
    pub(super) fn end(effects: Vec<Effect>) -> Self {
        Self { journey: Journey::SignIn, effects, proved: None, facts: Facts::default(), then: None, closed: None }
    }

    pub(super) fn go_on(journey: Journey) -> Filled {
        Filled::Done(Box::new(Self { journey, ..Self::end(Vec::new()) }))
    }
}

/// Who may register: absent, accounts are made by the operator alone.
pub type MayRegister<'a> = Option<&'a (dyn Fn(&str) -> bool + Sync)>;

/// What a form needs beside the sign-in.
pub struct Filling<'a> {
    pub context: &'a Context<'a>,
    pub person: &'a Person,
    pub state: &'a State,
    pub policy: &'a Policy,
    pub secret: &'a Json,
    pub locale: &'a str,
    pub may_register: MayRegister<'a>,
}
