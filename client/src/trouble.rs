//! The errors, by what the app has to do about them.

use crate::connection::text_member;
use crate::platform::{Answer, NoRedirect, Unavailable};
use serde_json::Value;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The server itself said that the session has ended, or nobody is signed in. Show the sign-in.
    SignedOut(String),
    /// There is no network, the server is busy, or the device is locked. The session is unchanged. Try again, not before `after_s` if
    /// that is there.
    Later { why: String, after_s: Option<u64> },
    /// The person closed the browser or refused. `reason`: how, where the server says it. `cancelled` may be offered again; `denied` (no
    /// consent) and `not_started` (somebody else began it) not.
    Cancelled { reason: Option<String> },
    /// The person goes on at this address, which is open in the browser: the page of the account. The session is unchanged.
    InBrowser(String),
    /// The server refuses the app or its request. Repeating it does not help. The session is unchanged. `request_id`: what the server's
    /// log calls the request.
    Refused { error: String, description: String, request_id: Option<String> },
    /// The answer breaks a rule that the app relies on. Nothing of it was used. The session is unchanged.
    Wrong(String),
}

impl Trouble {
    pub(crate) fn later(why: impl Into<String>) -> Self {
        Self::Later { why: why.into(), after_s: None }
    }

    /// Another call of this process has taken what this one waited for.
    pub(crate) fn elsewhere() -> Self {
        Self::later("this sign-in goes on elsewhere in the app")
    }

    /// The error of an answer, by its code. The answer came through the browser or from the server.
    pub(crate) fn of_code(error: &str, description: &str) -> Self {
        match error {
            "access_denied" => Self::Cancelled { reason: None },
            "temporarily_unavailable" | "server_error" | "slow_down" | "use_dpop_nonce" => Self::later(format!("{error}: {description}")),
            _ => Self::Refused { error: error.to_owned(), description: description.to_owned(), request_id: None },
        }
    }
}

impl From<Unavailable> for Trouble {
    fn from(unavailable: Unavailable) -> Self {
        Self::later(unavailable.0)
    }
}

impl From<NoRedirect> for Trouble {
    fn from(why: NoRedirect) -> Self {
        match why {
            NoRedirect::Closed => Self::Cancelled { reason: None },
            NoRedirect::Unavailable(unavailable) => unavailable.into(),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignedOut(why) => write!(f, "signed out: {why}"),
            Self::Later { why, after_s: Some(after_s) } => write!(f, "try again in {after_s} s: {why}"),
            Self::Later { why, after_s: None } => write!(f, "try again later: {why}"),
            Self::Cancelled { reason: None } => f.write_str("the person cancelled"),
            Self::Cancelled { reason: Some(reason) } => write!(f, "the person said no: {reason}"),
            Self::InBrowser(address) => write!(f, "the person goes on at {address}"),
            Self::Refused { error, description, request_id: None } => write!(f, "refused: {error}: {description}"),
            Self::Refused { error, description, request_id: Some(id) } => write!(f, "refused: {error}: {description} (request {id})"),
            Self::Wrong(why) => write!(f, "broken rule: {why}"),
        }
    }
}
impl std::error::Error for Trouble {}

/// An answer of the authorization server, whatever it says.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Value,
    /// Seconds, from `Retry-After` or from our own back-off.
    pub retry_after_s: Option<u64>,
    /// `X-Request-Id`: what the server's log calls the request.
    pub request_id: Option<String>,
}

impl Reply {
    pub(crate) fn of(answer: &Answer, retry_after_s: Option<u64>) -> Self {
        let request_id = answer.all("x-request-id").next().map(str::to_owned);
        Self { status: answer.status, body: answer.json(), retry_after_s, request_id }
    }

    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub fn error(&self) -> &str {
        self.body["error"].as_str().unwrap_or_default()
    }

    /// What a refusal means. Only a 4xx with an error code comes from the server. Anything else may come from a gateway or a captive
    /// portal.
    pub fn trouble(&self) -> Trouble {
        let description = self.body["error_description"].as_str().unwrap_or_default();
        let is_of_server = (400..500).contains(&self.status) && !matches!(self.status, 408 | 425 | 429) && !self.error().is_empty();
        match Trouble::of_code(self.error(), description) {
            Trouble::Cancelled { .. } if is_of_server => Trouble::Cancelled { reason: text_member(&self.body, "reason") },
            Trouble::Refused { error, description, .. } if is_of_server => {
                Trouble::Refused { error, description, request_id: self.request_id.clone() }
            }
            trouble if is_of_server => trouble,
            _ => {
                let request = self.request_id.as_ref().map(|id| format!(" (request {id})")).unwrap_or_default();
                let why = format!("the server answered {} {}{request}", self.status, self.error());
                Trouble::Later { why, after_s: self.retry_after_s }
            }
        }
    }
}
