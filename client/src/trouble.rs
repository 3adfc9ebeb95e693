//! Why something did not work, by what the app has to do about it.

use crate::platform::{NoRedirect, Unavailable};
use serde_json::Value;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The session is over, and the server said so itself; or nobody is signed in. Show the sign-in.
    SignedOut(String),
    /// No network, a busy server, a locked device. The session is as it was: try again, not before `after_s` if it is there.
    Later { why: String, after_s: Option<u64> },
    /// The person closed the browser or said no.
    Cancelled,
    /// The server refuses the app or its request; repeating it does not help. The session is as it was.
    Refused { error: String, description: String },
    /// Somebody breaks a rule that the app relies on. Nothing of the answer was used; the session is as it was.
    Wrong(String),
}

impl Trouble {
    pub(crate) fn later(why: impl Into<String>) -> Self {
        Self::Later { why: why.into(), after_s: None }
    }

    /// The error of an answer that came through the browser or from the server, by its code.
    pub(crate) fn of_code(error: &str, description: &str) -> Self {
        match error {
            "access_denied" => Self::Cancelled,
            "temporarily_unavailable" | "server_error" | "slow_down" | "use_dpop_nonce" => Self::later(format!("{error}: {description}")),
            _ => Self::Refused { error: error.to_owned(), description: description.to_owned() },
        }
    }
}

impl From<Unavailable> for Trouble {
    fn from(it: Unavailable) -> Self {
        Self::later(it.0)
    }
}

impl From<NoRedirect> for Trouble {
    fn from(it: NoRedirect) -> Self {
        match it {
            NoRedirect::Closed => Self::Cancelled,
            NoRedirect::Unavailable(it) => it.into(),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignedOut(why) => write!(f, "signed out: {why}"),
            Self::Later { why, after_s: Some(after_s) } => write!(f, "not now, and not for {after_s} s: {why}"),
            Self::Later { why, after_s: None } => write!(f, "not now: {why}"),
            Self::Cancelled => f.write_str("the person did not go on"),
            Self::Refused { error, description } => write!(f, "refused: {error}: {description}"),
            Self::Wrong(why) => write!(f, "not to be trusted: {why}"),
        }
    }
}
impl std::error::Error for Trouble {}

/// An answer of the authorization server, whatever it says.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Value,
    /// Seconds, of `Retry-After` or of our own patience.
    pub retry_after_s: Option<u64>,
}

impl Reply {
    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub fn error(&self) -> &str {
        self.body["error"].as_str().unwrap_or_default()
    }

    /// What a refusal means. Only a 4xx with an error code is the server's word; a gateway's page or a captive portal's is nobody's.
    pub fn trouble(&self) -> Trouble {
        let description = self.body["error_description"].as_str().unwrap_or_default();
        let word = (400..500).contains(&self.status) && !matches!(self.status, 408 | 425 | 429) && !self.error().is_empty();
        match Trouble::of_code(self.error(), description) {
            it if word => it,
            _ => Trouble::Later { why: format!("the server answered {} {}", self.status, self.error()), after_s: self.retry_after_s },
        }
    }
}
