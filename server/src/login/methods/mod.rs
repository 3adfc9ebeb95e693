//! The ways to prove oneself, and the only place that tells one from another. Each is a file of this folder with
//!
//! - `AMR` (RFC 8176), `FACTOR`, and `ASKS_WHO`: its own question asks for the person's name;
//! - `can_use`: has this person what the method needs? `has`: has the account such a credential?
//! - `still_holds`: does the account still have the credential that was proved with?
//! - `ask`: the question, what its answer is compared with, and what asking does;
//! - `price`: what entering and answering cost, charged before either happens;
//! - `check`: the verdict on an answer, with what it wants done as values.
//!
//! A method never sees HTTP, never writes, and names no account.
//!
//! A family is one file for many methods: `upstream:google` is the method `google` of the family `upstream`. Its functions get that
//! name first. It has `learn` as well: what an answer makes known outside of the house, which happens once and is kept before it is judged.
//!
//! What stands `beside` them is asked for like a method, and no policy can name it.

use super::accounts::Account;
use super::budgets::Budget;
use super::context::{Answer, Asked, Context, Move, Person, Unavailable, Verdict};
use super::journey::Form;
use super::proof::{Factor, MethodName, Proof};
use crate::error::{Fault, Result};
use serde_json::Value as Json;

macro_rules! methods {
    (
        alone { $($(#[$when:meta])* $module:ident),+ $(,)? }
        families { $($(#[$of:meta])* $family:ident),+ $(,)? }
        beside { $($beside:ident),+ $(,)? }
    ) => {
        $($(#[$when])* pub mod $module;)+
        $($(#[$of])* pub mod $family;)+
        $(pub mod $beside;)+

        /// The names that a policy may use, in the order in which they are offered.
        pub fn names() -> Vec<&'static str> {
            vec![$($(#[$when])* stringify!($module),)+ $($(#[$of])* concat!(stringify!($family), ":NAME")),+]
        }

        pub fn is_known(method: &MethodName) -> bool {
            match method.parts() {
                $($(#[$when])* (stringify!($module), None) => true,)+
                $($(#[$of])* (stringify!($family), Some(name)) => !name.is_empty(),)+
                _ => false,
            }
        }

        /// RFC 8176. Empty: there is no word for it.
        pub fn amr(method: &MethodName) -> &'static str {
            match method.parts() {
                $($(#[$when])* (stringify!($module), None) => $module::AMR,)+
                $($(#[$of])* (stringify!($family), Some(_)) => $family::AMR,)+
                _ => "",
            }
        }

        /// None: no method of ours, or nobody knows what it rests on. Its proofs are no second factor.
        pub fn factor(method: &MethodName) -> Option<Factor> {
            match method.parts() {
                $($(#[$when])* (stringify!($module), None) => Some($module::FACTOR),)+
                $($(#[$of])* (stringify!($family), Some(_)) => $family::FACTOR,)+
                _ => None,
            }
        }

        /// Does the method's own question ask for the person's name?
        pub fn asks_who(method: &MethodName) -> bool {
            match method.parts() {
                $($(#[$when])* (stringify!($module), None) => $module::ASKS_WHO,)+
                $($(#[$of])* (stringify!($family), Some(_)) => $family::ASKS_WHO,)+
                _ => false,
            }
        }

        pub fn can_use(method: &MethodName, person: &Person) -> bool {
            match method.parts() {
                $($(#[$when])* (stringify!($module), None) => $module::can_use(person),)+
                $($(#[$of])* (stringify!($family), Some(name)) => $family::can_use(name, person),)+
                $((stringify!($beside), None) => $beside::can_use(person),)+
                _ => false,
            }
        }

        /// Has the person a credential of this method? Asked before one is taken away.
        pub fn has(method: &MethodName, account: &Account) -> bool {
            match method.parts() {
                $($(#[$when])* (stringify!($module), None) => $module::has(account),)+
                $($(#[$of])* (stringify!($family), Some(name)) => $family::has(name, account),)+
                _ => false,
            }
        }

        /// Is the credential behind a proof still the account's? Else the proof is gone with it.
        pub fn still_holds(proof: &Proof, account: &Account) -> bool {
            match proof.method.parts() {
                $($(#[$when])* (stringify!($module), None) => $module::still_holds(proof, account),)+
                $($(#[$of])* (stringify!($family), Some(name)) => $family::still_holds(name, proof, account),)+
                $((stringify!($beside), None) => true,)+
                _ => false,
            }
        }

        /// Makes the question. Runs once each time the question is entered.
        pub async fn ask(method: &MethodName, context: &Context<'_>, person: &Person) -> std::result::Result<Asked, Unavailable> {
            match method.parts() {
                $($(#[$when])* (stringify!($module), None) => Box::pin($module::ask(context, person)).await,)+
                $($(#[$of])* (stringify!($family), Some(name)) => Box::pin($family::ask(name, context, person)).await,)+
                $((stringify!($beside), None) => Box::pin($beside::ask(context, person)).await,)+
                _ => Err(unknown(method).into()),
            }
        }

        /// What a move costs. Charged in a change of its own, before the move.
        pub fn price(method: &MethodName, person: &Person, step: &Move<'_>) -> Vec<Budget> {
            match method.parts() {
                $($(#[$when])* (stringify!($module), None) => $module::price(person, step),)+
                $($(#[$of])* (stringify!($family), Some(name)) => $family::price(name, person, step),)+
                $((stringify!($beside), None) => $beside::price(person, step),)+
                _ => Vec::new(),
            }
        }

        /// What an answer makes known outside. None: nothing, or it is known already. Else it takes the place of the question's secret.
        pub async fn learn(method: &MethodName, context: &Context<'_>, secret: &Json, answer: &Answer<'_>) -> Result<Option<Json>> {
            match method.parts() {
                $($(#[$of])* (stringify!($family), Some(name)) => Box::pin($family::learn(name, context, secret, answer)).await,)+
                _ => Ok(None),
            }
        }

        /// Judges an answer.
        pub async fn check(
            method: &MethodName, context: &Context<'_>, person: &Person, secret: &Json, answer: &Answer<'_>,
        ) -> Result<Verdict> {
            match method.parts() {
                $($(#[$when])* (stringify!($module), None) => Box::pin($module::check(context, person, secret, answer)).await,)+
                $($(#[$of])* (stringify!($family), Some(name)) => Box::pin($family::check(name, context, person, secret, answer)).await,)+
                $((stringify!($beside), None) => Box::pin($beside::check(context, person, secret, answer)).await,)+
                _ => Err(unknown(method).into()),
            }
        }
    };
}

methods! {
    alone {
        password,
        email,
        totp,
        recovery,
        passkey,
        #[cfg(feature = "knock")]
        knock,
    }
    families {
        upstream,
        wallet,
        #[cfg(feature = "plugins")]
        plugin,
    }
    beside {
        ticket,
    }
}

fn unknown(method: &MethodName) -> Fault {
    Fault::new(format!("there is no login method {method}"))
}

/// The form by which a person who is proved gets what the method needs.
pub fn enrolment(method: &MethodName) -> Option<Form> {
    match method.as_str() {
        "totp" => Some(Form::EnrolTotp),
        "passkey" => Some(Form::EnrolPasskey),
        _ => None,
    }
}

/// Does the method prove that somebody reads an address? Then its letters go to the address of the journey, and its proof confirms that.
pub fn proves_mailbox(method: &MethodName) -> bool {
    *method == MethodName::EMAIL
}

/// The method that a person who has its credential is asked for, whatever the policy says (365-Z).
pub const SECOND_FACTOR: MethodName = MethodName::TOTP;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::passkeys::RegisteredPasskey;

    #[test]
    fn a_passkey_is_a_means() {
        let passkey = RegisteredPasskey {
            rp_id: "a.example".to_owned(),
            id: "AA".to_owned(),
            needs_name: false,
            transports: Vec::new(),
            is_refused: false,
        };
        let with = Account { passkeys: vec![passkey], ..Account::default() };
        assert!(has(&MethodName::PASSKEY, &with) && !has(&MethodName::PASSWORD, &with));
        assert!(!has(&MethodName::PASSKEY, &Account::default()));
    }
}
