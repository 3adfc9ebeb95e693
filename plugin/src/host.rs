//! What an embedder does for plug-ins, and the interface `host` in front of it.

use crate::bindings::method::symbolon::plugin::host::{self as wit, Severity};
use crate::failure::Reason;
use crate::guest::Guest;
use crate::limits::{BODY, HEADERS, LINE, RANDOM};
use std::sync::Arc;
use std::time::Duration;
use wasmtime::Result;

/// Implemented by the embedder, once for each plug-in. It is called on a thread that may block.
pub trait Host: Send + Sync + 'static {
    fn log(&self, call_id: &str, severity: Severity, message: &str);

    fn random(&self, bytes: &mut [u8]) -> std::result::Result<(), String>;

    fn config(&self, name: &str) -> Option<String>;

    /// One HTTP call. The embedder decides whether it is made, and adds secrets. It returns when `within` is over.
    fn send(&self, request: HttpRequest, within: Duration) -> std::result::Result<HttpResponse, SendError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendError {
    /// The call may not be made.
    Refused(String),
    /// It was made, and nobody answered.
    Unreachable(String),
}

/// The host of an instance that is made on trial, when a file is loaded: it calls nobody.
pub(crate) struct OnTrial(pub Arc<dyn Host>);

impl Host for OnTrial {
    fn log(&self, call_id: &str, severity: Severity, message: &str) {
        self.0.log(call_id, severity, message);
    }

    fn random(&self, bytes: &mut [u8]) -> std::result::Result<(), String> {
        self.0.random(bytes)
    }

    fn config(&self, name: &str) -> Option<String> {
        self.0.config(name)
    }

    fn send(&self, _request: HttpRequest, _within: Duration) -> std::result::Result<HttpResponse, SendError> {
        Err(SendError::Refused("nobody is called while a plug-in is loaded".to_owned()))
    }
}

impl From<SendError> for wit::SendError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Refused(why) => Self::Refused(why),
            SendError::Unreachable(why) => Self::Unreachable(why),
        }
    }
}

impl wit::Host for Guest {
    fn log(&mut self, severity: Severity, message: String) -> Result<()> {
        self.count_call()?;
        self.log_lines += 1;
        if self.log_lines > self.limits.log_lines {
            return self.stop(Reason::Limit, "more lines of the log than one call may write");
        }
        self.host.log(&self.call.id, severity, &crate::guest::shortened(&message, LINE));
        Ok(())
    }

    fn now(&mut self) -> Result<u64> {
        self.count_call()?;
        Ok(self.call.now_ms)
    }

    fn random(&mut self, length: u32) -> Result<Vec<u8>> {
        self.random_bytes(u64::from(length))
    }

    fn config(&mut self, name: String) -> Result<Option<String>> {
        self.count_call()?;
        Ok(self.host.config(&name))
    }

    fn call_id(&mut self) -> Result<String> {
        self.count_call()?;
        Ok(self.call.id.clone())
    }

    fn send(&mut self, request: wit::Request) -> Result<std::result::Result<wit::Response, wit::SendError>> {
        self.count_call()?;
        self.sends += 1;
        if self.sends > self.limits.sends {
            return self.stop(Reason::Limit, "more HTTP calls than one call may make");
        }
        if request.body.len() > BODY || request.headers.len() > HEADERS {
            return Ok(Err(wit::SendError::Refused(format!("a request has at most {BODY} bytes and {HEADERS} headers"))));
        }
        let left = self.time_left();
        if left.is_zero() {
            return self.stop(Reason::Time, "no time is left for an HTTP call");
        }
        let headers = request.headers.into_iter().map(|header| (header.name, header.value)).collect();
        let request = HttpRequest { method: request.method, url: request.url, headers, body: request.body };
        Ok(match self.host.send(request, left) {
            Ok(answer) if answer.body.len() > BODY => Err(wit::SendError::Unreachable("the answer is too large".to_owned())),
            Ok(answer) => {
                let headers = answer.headers.into_iter().take(HEADERS).map(|(name, value)| wit::Header { name, value }).collect();
                Ok(wit::Response { status: answer.status, headers, body: answer.body })
            }
            Err(error) => Err(error.into()),
        })
    }
}

impl Guest {
    pub(crate) fn random_bytes(&mut self, length: u64) -> Result<Vec<u8>> {
        self.count_call()?;
        if length > RANDOM {
            return self.stop(Reason::Limit, "more random bytes at a time than there are");
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        match self.host.random(&mut bytes) {
            Ok(()) => Ok(bytes),
            Err(why) => self.stop(Reason::Fault, &why),
        }
    }
}
