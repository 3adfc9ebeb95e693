//! One entry of the audit. It knows no store, so that the store can write it.

use serde_json::{Map, Value as Json, json};

/// One entry before it is written.
#[derive(Clone, Debug)]
pub struct Entry {
    pub event: &'static str,
    /// "ok", "refused" or "failed".
    pub outcome: &'static str,
    pub account: Option<String>,
    pub client: Option<String>,
    pub session: Option<String>,
    /// The installation or device, by the thumbprint of its key or the id of its certificate.
    pub instance: Option<String>,
    pub address: Option<String>,
    /// Why it was refused: for operators, never for callers.
    pub reason: Option<String>,
    /// The operator who did it. Absent: no operator did.
    pub actor: Option<Json>,
    pub detail: Map<String, Json>,
    /// Security events and routine events have tables, and retention, of their own.
    pub security: bool,
}

impl Entry {
    pub fn ok(event: &'static str) -> Self {
        Self {
            event,
            outcome: "ok",
            account: None,
            client: None,
            session: None,
            instance: None,
            address: None,
            reason: None,
            actor: None,
            detail: Map::new(),
            security: true,
        }
    }

    pub fn refused(event: &'static str, reason: impl Into<String>) -> Self {
        Self { outcome: "refused", reason: Some(reason.into()), ..Self::ok(event) }
    }

    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self
    }
    pub fn client(mut self, client: impl Into<String>) -> Self {
        self.client = Some(client.into());
        self
    }
    pub fn session(mut self, session: impl Into<String>) -> Self {
        self.session = Some(session.into());
        self
    }
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = Some(address.into());
        self
    }
    pub fn with(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }

    /// The row's text.
    pub fn body(&self, at_ms: i64) -> String {
        let mut body = json!({ "at": at_ms, "event": self.event, "outcome": self.outcome });
        let optional = [
            ("account", &self.account),
            ("client", &self.client),
            ("session", &self.session),
            ("instance", &self.instance),
            ("address", &self.address),
            ("reason", &self.reason),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                body[name] = value.as_str().into();
            }
        }
        if let Some(actor) = &self.actor {
            body["actor"] = actor.clone();
        }
        if !self.detail.is_empty() {
            body["detail"] = Json::Object(self.detail.clone());
        }
        body.to_string()
    }
}
