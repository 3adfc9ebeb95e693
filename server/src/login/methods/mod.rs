//! The ways to prove oneself, and the only place that tells one from another. Each is a file of this folder with
//!
//! - `AMR` (RFC 8176), `FACTOR`, and `ASKS_WHO`: its own question asks for the person's name;
//! - `can_use`: has this person what the method needs? `still_holds`: is what was proved with still the account's?
//! - `ask`: the question, what its answer is compared with, and what asking does;
//! - `price`: what entering and answering cost, charged before either happens;
//! - `check`: the verdict on an answer, with what it wants done as values.
//!
//! A method never sees HTTP, never writes, and names no account.

use super::accounts::Account;
use super::budgets::Budget;
use super::context::{Answer, Asked, Context, Move, Person, Unavailable, Verdict};
use super::journey::Form;
use super::proof::{Factor, MethodName, Proof};
use crate::error::{Fault, Result};
use serde_json::Value as Json;

macro_rules! methods {
    ($($(#[$when:meta])* $module:ident),+ $(,)?) => {
        $($(#[$when])* pub mod $module;)+

        /// The names that a policy may use, in the order in which they are offered.
        pub fn names() -> Vec<&'static str> {
            vec![$($(#[$when])* stringify!($module)),+]
        }

        /// RFC 8176.
        pub fn amr(method: &MethodName) -> &'static str {
            match method.as_str() {
                $($(#[$when])* stringify!($module) => $module::AMR,)+
                _ => "",
            }
        }

        /// None: no method of ours, whose proofs count for nothing.
        pub fn factor(method: &MethodName) -> Option<Factor> {
            match method.as_str() {
                $($(#[$when])* stringify!($module) => Some($module::FACTOR),)+
                _ => None,
            }
        }

        /// Does the method's own question ask for the person's name?
        pub fn asks_who(method: &MethodName) -> bool {
            match method.as_str() {
                $($(#[$when])* stringify!($module) => $module::ASKS_WHO,)+
                _ => false,
            }
        }

        pub fn can_use(method: &MethodName, person: &Person) -> bool {
            match method.as_str() {
                $($(#[$when])* stringify!($module) => $module::can_use(person),)+
                _ => false,
            }
        }

        /// Is the credential behind a proof still the account's? Else the proof is gone with it.
        pub fn still_holds(proof: &Proof, account: &Account) -> bool {
            match proof.method.as_str() {
                $($(#[$when])* stringify!($module) => $module::still_holds(proof, account),)+
                _ => false,
            }
        }

        /// Makes the question. Runs once each time the question is entered.
        pub async fn ask(method: &MethodName, context: &Context<'_>, person: &Person) -> std::result::Result<Asked, Unavailable> {
            match method.as_str() {
                $($(#[$when])* stringify!($module) => Box::pin($module::ask(context, person)).await,)+
                _ => Err(unknown(method).into()),
            }
        }

        /// What a move costs. Charged in a change of its own, before the move.
        pub fn price(method: &MethodName, person: &Person, step: &Move<'_>) -> Vec<Budget> {
            match method.as_str() {
                $($(#[$when])* stringify!($module) => $module::price(person, step),)+
                _ => Vec::new(),
            }
        }

        /// Judges an answer.
        pub async fn check(
            method: &MethodName, context: &Context<'_>, person: &Person, secret: &Json, answer: &Answer<'_>,
        ) -> Result<Verdict> {
            match method.as_str() {
                $($(#[$when])* stringify!($module) => Box::pin($module::check(context, person, secret, answer)).await,)+
                _ => Err(unknown(method).into()),
            }
        }
    };
}

methods! {
    password,
    email,
    totp,
    recovery,
    passkey,
    #[cfg(feature = "knock")]
    knock,
}

fn unknown(method: &MethodName) -> Fault {
    Fault::new(format!("there is no login method {method}"))
}

pub fn is_known(method: &MethodName) -> bool {
    names().contains(&method.as_str())
}

/// May the person answer with `preferred` where a chain asks for `asked`?
pub fn stands_in(preferred: &MethodName, asked: &MethodName) -> bool {
    *preferred == MethodName::RECOVERY && *asked == MethodName::TOTP
}

/// The form by which a person who is proved gets what the method needs.
pub fn enrolment(method: &MethodName) -> Option<Form> {
    match method.as_str() {
        "totp" => Some(Form::EnrolTotp),
        "passkey" => Some(Form::EnrolPasskey),
        _ => None,
    }
}

/// The method that a person who has its credential is asked for, whatever the policy says (365-Z).
pub const SECOND_FACTOR: MethodName = MethodName::TOTP;
