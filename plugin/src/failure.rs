//! Why a plug-in could not be loaded, and why a call of it failed.

use std::fmt;

/// Why a file is no plug-in that can be used here. For whoever operates the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError(pub String);

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LoadError {}

/// A call that has no answer that may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub reason: Reason,
    /// For the log and the audit, never for the person.
    pub detail: String,
    /// The end of what the program printed, for the log: a script says there what went wrong.
    pub printed: String,
    /// The call. Empty: there was none.
    pub call_id: String,
}

impl Failure {
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), printed: String::new(), call_id: String::new() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.detail)
    }
}

impl std::error::Error for Failure {}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The plug-in ended by itself, as a program does that fails.
    Trap,
    /// Its time was over.
    Time,
    /// It wanted more memory than it may have.
    Memory,
    /// It called the host too often, or handed over too much.
    Limit,
    /// It answered with what cannot be meant.
    Answer,
    /// Too many calls waited for a turn.
    Busy,
    /// It said itself that it cannot answer.
    Refused,
    /// A fault of ours.
    Fault,
}

impl Reason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Time => "time",
            Self::Memory => "memory",
            Self::Limit => "limit",
            Self::Answer => "answer",
            Self::Busy => "busy",
            Self::Refused => "refused",
            Self::Fault => "fault",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
