//! The two kinds of failure. `Refused` is an answer: an RFC code, a public hint, a private reason for the audit.
//! `Fault` is a breakage: it becomes 500 with an id, and its text goes to the log only. A store that cannot be used for the moment
//! becomes 503 instead. RFC 6749 4.1.2.1 and 5.2.

use std::fmt;

/// The answer to a request that breaks a rule.
#[derive(Debug, Clone)]
pub struct Refused {
    /// HTTP status, when the answer is not carried by a redirect.
    pub status: u16,
    /// The RFC's own error code, such as `invalid_grant`.
    pub code: &'static str,
    /// What a developer can act on. Static ASCII without `"` and `\`: it never echoes input (RFC 6749 5.2).
    pub hint: &'static str,
    /// What really happened; for the audit entry and the log, never for the answer.
    pub private: String,
    /// Seconds for `Retry-After`.
    pub retry_after_s: Option<u64>,
    /// The path that refused has written its own audit entry.
    pub audited: bool,
}

impl Refused {
    pub fn new(status: u16, code: &'static str, hint: &'static str) -> Self {
        Self { status, code, hint, private: String::new(), retry_after_s: None, audited: false }
    }
    pub fn bad_request(code: &'static str, hint: &'static str) -> Self {
        Self::new(400, code, hint)
    }
    pub fn because(mut self, private: impl Into<String>) -> Self {
        self.private = private.into();
        self
    }
    /// For the audit and the log. Where nothing is private, the hint is the whole reason.
    pub fn reason(&self) -> &str {
        if self.private.is_empty() { self.hint } else { &self.private }
    }
    /// Says that the audit knows already.
    pub fn audited(mut self) -> Self {
        self.audited = true;
        self
    }
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }
}

/// Something on our side is broken: the store, the disk, the network, or a bug.
#[derive(Debug, Clone)]
pub struct Fault(pub String, Cause);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Broken,
    StoreAway,
}

impl Fault {
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into(), Cause::Broken)
    }

    /// The store cannot be used for the moment: it is away or starting, or its disk is full. Trying again helps.
    pub fn store_away(what: impl Into<String>) -> Self {
        Self(what.into(), Cause::StoreAway)
    }

    pub fn is_store_away(&self) -> bool {
        self.1 == Cause::StoreAway
    }

    /// Says what was tried, and stays what it is.
    pub fn during(self, what: &str) -> Self {
        Self(format!("{what}: {}", self.0), self.1)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for Fault {}

/// Either kind.
#[derive(Debug)]
pub enum Error {
    Refused(Box<Refused>),
    Fault(Fault),
}

impl Error {
    /// As of `Refused`.
    pub fn audited(self) -> Self {
        match self {
            Self::Refused(refused) => refused.audited().into(),
            fault => fault,
        }
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::Refused(Box::new(refused))
    }
}
impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

pub type Result<T> = std::result::Result<T, Error>;
