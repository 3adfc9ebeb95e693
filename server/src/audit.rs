//! The audit: an entry for every event that matters, written in the same change as the event itself.

use crate::error::Fault;
use crate::store::{Row, Store};
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
            detail: Map::new(),
            security: true,
        }
    }

    pub fn refused(event: &'static str, reason: impl Into<String>) -> Self {
        Self { outcome: "refused", reason: Some(reason.into()), ..Self::ok(event) }
    }

    pub fn account(mut self, it: impl Into<String>) -> Self {
        self.account = Some(it.into());
        self
    }
    pub fn client(mut self, it: impl Into<String>) -> Self {
        self.client = Some(it.into());
        self
    }
    pub fn session(mut self, it: impl Into<String>) -> Self {
        self.session = Some(it.into());
        self
    }
    pub fn address(mut self, it: impl Into<String>) -> Self {
        self.address = Some(it.into());
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
        if !self.detail.is_empty() {
            body["detail"] = Json::Object(self.detail.clone());
        }
        body.to_string()
    }
}

/// What to list. Absent means any.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub since_ms: Option<i64>,
    pub until_ms: Option<i64>,
    pub event: Option<String>,
    pub outcome: Option<String>,
    pub account: Option<String>,
    pub client: Option<String>,
}

const SECURITY: &str = "SELECT id, body FROM audit_security WHERE id >= $1 AND id < $2 ORDER BY id DESC LIMIT $3";
const ROUTINE: &str = "SELECT id, body FROM audit_routine WHERE id >= $1 AND id < $2 ORDER BY id DESC LIMIT $3";
/// Rows looked at for one listing: a narrow filter over a long history must end.
const SCAN: i64 = 20_000;

/// The newest entries that fit, oldest first.
pub async fn list(store: &Store, filter: &Filter, limit: usize) -> Result<Vec<(Vec<u8>, Json)>, Fault> {
    let edge = |ms: i64| [&ms.to_be_bytes()[2..], &[0; 10]].concat();
    let from = edge(filter.since_ms.unwrap_or(0).max(0));
    let to = filter.until_ms.map_or_else(|| vec![0xff; 16], |it| edge(it.max(0)));
    let mut found = Vec::new();
    for sql in [SECURITY, ROUTINE] {
        for row in store.all_stale(sql, &[from.clone().into(), to.clone().into(), SCAN.into()]).await? {
            if let Some(entry) = fitting(&row, filter)? {
                found.push(entry);
            }
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let skip = found.len().saturating_sub(limit);
    Ok(found.split_off(skip))
}

const SECURITY_AFTER: &str = "SELECT id, body FROM audit_security WHERE id > $1 AND id < $2 ORDER BY id LIMIT 1000";
const ROUTINE_AFTER: &str = "SELECT id, body FROM audit_routine WHERE id > $1 AND id < $2 ORDER BY id LIMIT 1000";

/// For followers: what was written after `after`, oldest first, up to a moment ago, so that an entry whose change is still
/// being committed is not passed by.
pub async fn after(store: &Store, filter: &Filter, after: &[u8], now_ms: i64) -> Result<Vec<(Vec<u8>, Json)>, Fault> {
    let horizon = [&(now_ms - HORIZON_MS).max(0).to_be_bytes()[2..], &[0; 10]].concat();
    let mut found = Vec::new();
    for sql in [SECURITY_AFTER, ROUTINE_AFTER] {
        for row in store.all_stale(sql, &[after.to_vec().into(), horizon.clone().into()]).await? {
            found.extend(fitting(&row, filter)?);
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// How long a change may take from choosing its id to being seen.
const HORIZON_MS: i64 = 2000;

fn fitting(row: &Row, filter: &Filter) -> Result<Option<(Vec<u8>, Json)>, Fault> {
    let body: Json = serde_json::from_str(row.text(1)?).map_err(|it| Fault::new(format!("an audit entry does not parse: {it}")))?;
    let is = |name: &str, wanted: &Option<String>| wanted.as_deref().is_none_or(|it| body[name] == it);
    let fits =
        is("event", &filter.event) && is("outcome", &filter.outcome) && is("account", &filter.account) && is("client", &filter.client);
    Ok(if fits { Some((row.bytes(0)?.to_vec(), body)) } else { None })
}
