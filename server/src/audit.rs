//! The audit: an entry for every event that matters, written in the same change as the event itself.

pub mod entry;
pub mod events;

pub use entry::Entry;

use crate::error::Fault;
use crate::store::tables::audit::{AFTER, NEWEST, PAGE};
use crate::store::{Row, Store};
use serde_json::Value as Json;
use symbolon_oauth::base64url;

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

/// The id of the first entry that could be of this instant.
fn edge(ms: i64) -> Vec<u8> {
    [&ms.max(0).to_be_bytes()[2..], &[0; 10]].concat()
}

/// The newest entries that fit, oldest first.
pub async fn list(store: &Store, filter: &Filter, limit: usize) -> Result<Vec<(Vec<u8>, Json)>, Fault> {
    list_before(store, filter, &[0xff; 16], limit).await
}

/// The same, of those whose id is below `before`: the page before.
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
                Some(last) if rows.len() == PAGE && of_table.len() < limit => to = last.bytes("id")?.to_vec(),
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
                // Entries of the other table behind this page come with the next one, so that all come in order.
                more = true;
                let last = rows[PAGE - 1].bytes("id")?;
                end = end.min([last, &[0][..]].concat());
            }
            pages.push(rows);
        }
        let mut found = Vec::new();
        for (after, rows) in self.0.iter_mut().zip(pages) {
            for row in rows.iter().filter(|row| row.bytes("id").is_ok_and(|id| id < &end[..])) {
                *after = row.bytes("id")?.to_vec();
                found.extend(fitting(row, filter)?);
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok((found, more))
    }
}

fn fitting(row: &Row, filter: &Filter) -> Result<Option<(Vec<u8>, Json)>, Fault> {
    let body: Json = serde_json::from_str(row.text("body")?).map_err(|it| Fault::new(format!("an audit entry does not parse: {it}")))?;
    let is = |name: &str, wanted: &Option<String>| wanted.as_deref().is_none_or(|it| body[name] == it);
    let of_key = filter.instance.as_deref().is_none_or(|it| body["instance"] == it || body["detail"]["jkt"] == it);
    let fits = of_key
        && is("event", &filter.event)
        && is("outcome", &filter.outcome)
        && is("account", &filter.account)
        && is("client", &filter.client);
    Ok(if fits { Some((row.bytes("id")?.to_vec(), body)) } else { None })
}
