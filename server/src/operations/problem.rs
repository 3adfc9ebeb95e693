//! Why an operation was not carried out: a kind for programs and a sentence for people.

use crate::error::{Error, Fault};
use crate::store::NotApplied;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// The operation itself is wrong: a value that cannot be.
    Invalid,
    /// What it is about does not exist.
    NotFound,
    /// It cannot be done to what is there now.
    Conflict,
    /// This actor may not do it, or not in this way.
    Forbidden,
    /// Try again.
    Busy,
    /// Something on our side is broken.
    Fault,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub kind: ProblemKind,
    pub message: String,
}

pub type Result<T> = std::result::Result<T, Problem>;

impl Problem {
    fn new(kind: ProblemKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ProblemKind::Invalid, message)
    }
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ProblemKind::NotFound, message)
    }
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ProblemKind::Conflict, message)
    }
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(ProblemKind::Forbidden, message)
    }
    pub fn fault(message: impl Into<String>) -> Self {
        Self::new(ProblemKind::Fault, message)
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::fault(fault.0)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Fault(fault) => fault.into(),
            Error::Refused(refused) => {
                let kind = if refused.status == 503 { ProblemKind::Busy } else { ProblemKind::Invalid };
                let why = if refused.private.is_empty() { String::new() } else { format!(" ({})", refused.private) };
                Self::new(kind, format!("{}{why}", refused.hint))
            }
        }
    }
}

impl From<NotApplied> for Problem {
    fn from(reason: NotApplied) -> Self {
        Error::from(reason).into()
    }
}
