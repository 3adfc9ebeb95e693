//! The audit: an entry for every event that matters, written in the same change as the event itself.

use crate::error::Fault;
use crate::store::{Row, Store};
use serde_json::{Map, Value as Json, json};
use symbolon_oauth::base64url;

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
        if let Some(actor) = &self.actor {
            body["actor"] = actor.clone();
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
    /// The key of an installation or device, wherever the entry has it.
    pub instance: Option<String>,
}

const NEWEST: [&str; 2] = [
    "SELECT id, body FROM audit_security WHERE id >= $1 AND id < $2 ORDER BY id DESC LIMIT 1000",
    "SELECT id, body FROM audit_routine WHERE id >= $1 AND id < $2 ORDER BY id DESC LIMIT 1000",
];
const AFTER: [&str; 2] = [
    "SELECT id, body FROM audit_security WHERE id > $1 AND id < $2 ORDER BY id LIMIT 1000",
    "SELECT id, body FROM audit_routine WHERE id > $1 AND id < $2 ORDER BY id LIMIT 1000",
];
/// As the statements above say.
const PAGE: usize = 1000;

/// The id of the first entry that could be of this instant.
fn edge(ms: i64) -> Vec<u8> {
    [&ms.max(0).to_be_bytes()[2..], &[0; 10]].concat()
}

/// The newest entries that fit, oldest first.
pub async fn list(store: &Store, filter: &Filter, limit: usize) -> Result<Vec<(Vec<u8>, Json)>, Fault> {
    list_before(store, filter, &[0xff; 16], limit).await
}

/// The same, of those whose id is below `before`: the next page on the way back.
pub async fn list_before(store: &Store, filter: &Filter, before: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, Json)>, Fault> {
    let from = edge(filter.since_ms.unwrap_or(0));
    let mut found = Vec::new();
    for sql in NEWEST {
        let mut to = filter.until_ms.map_or_else(|| vec![0xff; 16], edge).min(before.to_vec());
        let mut of_table = Vec::new();
        loop {
            let rows = store.all_stale(sql, &[from.clone().into(), to.into()]).await?;
            for row in &rows {
                of_table.extend(fitting(row, filter)?);
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE && of_table.len() < limit => to = last.bytes(0)?.to_vec(),
                _ => break,
            }
        }
        found.append(&mut of_table);
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let skip = found.len().saturating_sub(limit);
    Ok(found.split_off(skip))
}

/// How far a reader has come in each of the two tables. It moves by what was read, whether it fitted or not.
pub struct Cursor([Vec<u8>; 2]);

impl Cursor {
    /// Before the first entry of this instant.
    pub fn at(ms: i64) -> Self {
        Self([edge(ms), edge(ms)])
    }

    /// For whoever reads page by page and keeps the place between two pages.
    pub fn to_text(&self) -> String {
        self.0.iter().map(|it| base64url::encode(it)).collect::<Vec<_>>().join(".")
    }

    pub fn parse(text: &str) -> Option<Self> {
        let (security, routine) = text.split_once('.')?;
        let id = |text: &str| base64url::decode(text).filter(|it| it.len() == 16);
        Some(Self([id(security)?, id(routine)?]))
    }

    /// The entries that come next and fit, oldest first, none at or after `before_ms`; and whether more are there already.
    pub async fn next(&mut self, store: &Store, filter: &Filter, before_ms: Option<i64>) -> Result<(Vec<(Vec<u8>, Json)>, bool), Fault> {
        let mut end = before_ms.map_or_else(|| vec![0xff; 16], edge);
        let (mut pages, mut more) = (Vec::new(), false);
        for (sql, after) in AFTER.into_iter().zip(&self.0) {
            let rows = store.all_stale(sql, &[after.clone().into(), end.clone().into()]).await?;
            if rows.len() == PAGE {
                // What the other table has behind this page comes with the next one, so that all come in order.
                more = true;
                let last = rows[PAGE - 1].bytes(0)?;
                end = end.min([last, &[0][..]].concat());
            }
            pages.push(rows);
        }
        let mut found = Vec::new();
        for (after, rows) in self.0.iter_mut().zip(pages) {
            for row in rows.iter().filter(|it| it.bytes(0).is_ok_and(|it| it < &end[..])) {
                *after = row.bytes(0)?.to_vec();
                found.extend(fitting(row, filter)?);
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok((found, more))
    }
}

fn fitting(row: &Row, filter: &Filter) -> Result<Option<(Vec<u8>, Json)>, Fault> {
    let body: Json = serde_json::from_str(row.text(1)?).map_err(|it| Fault::new(format!("an audit entry does not parse: {it}")))?;
    let is = |name: &str, wanted: &Option<String>| wanted.as_deref().is_none_or(|it| body[name] == it);
    let of_key = filter.instance.as_deref().is_none_or(|it| body["instance"] == it || body["detail"]["jkt"] == it);
    let fits = of_key
        && is("event", &filter.event)
        && is("outcome", &filter.outcome)
        && is("account", &filter.account)
        && is("client", &filter.client);
    Ok(if fits { Some((row.bytes(0)?.to_vec(), body)) } else { None })
}
