//! A change: guarded statements and audit entries, applied whole or not at all.

use super::tables;
use super::value::Value;
use crate::audit::entry::Entry;
use crate::error::{Error, Fault, Refused};
use serde_json::Value as Json;
use symbolon_oauth::digest;

/// How many rows a statement must touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    Exactly(u64),
    Any,
}

#[derive(Clone, Debug)]
pub struct Statement {
    pub sql: &'static str,
    pub values: Vec<Value>,
    pub expect: Expect,
}

/// An ordered list of statements. Callers keep the order of the schema, so that no two changes deadlock.
#[derive(Clone, Debug)]
pub struct Change {
    now_ms: i64,
    statements: Vec<Statement>,
    audit: Vec<Entry>,
    /// The operator who makes the change. Every entry of it names them.
    actor: Option<Json>,
}

const HOUR_MS: i64 = 3_600_000;

impl Change {
    pub fn new(now_ms: i64) -> Self {
        Self { now_ms, statements: Vec::new(), audit: Vec::new(), actor: None }
    }

    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    pub fn len(&self) -> usize {
        self.statements.len()
    }

    pub fn is_empty(&self) -> bool {
        self.statements.is_empty() && self.audit.is_empty()
    }

    /// A statement that must touch exactly one row.
    pub fn run(&mut self, sql: &'static str, values: Vec<Value>) {
        self.run_expecting(sql, values, Expect::Exactly(1));
    }

    pub fn run_expecting(&mut self, sql: &'static str, values: Vec<Value>, expect: Expect) {
        self.statements.push(Statement { sql, values, expect });
    }

    /// Spends (kind, scope, id). A conflict at the index that this answers means: it was spent before. The bucket is the hour of
    /// the last instant at which the artefact would be accepted, never the present hour. So no sweep can forget it early.
    pub fn once(&mut self, kind: &'static str, scope: &str, id: &str, last_accepted_ms: i64) -> usize {
        let mut text = (scope.len() as u64).to_be_bytes().to_vec();
        text.extend_from_slice(scope.as_bytes());
        text.extend_from_slice(id.as_bytes());
        let key = digest::sha256(&text);
        self.run(tables::once::SPEND, vec![(last_accepted_ms / HOUR_MS).into(), kind.into(), Value::from(&key[..])]);
        self.statements.len() - 1
    }

    /// Event and outcome of every entry, for the counters.
    pub(super) fn events(&self) -> Vec<(&'static str, &'static str)> {
        self.audit.iter().map(|it| (it.event, it.outcome)).collect()
    }

    pub fn audit(&mut self, entry: Entry) {
        self.audit.push(entry);
    }

    /// Names the operator who makes this change, in every entry of it.
    pub fn set_actor(&mut self, actor: Json) {
        self.actor = Some(actor);
    }

    /// The statements with the audit entries behind them, and the id of the first entry: the commit marker.
    pub(super) fn into_statements(mut self, ids: &mut dyn FnMut(i64) -> [u8; 16]) -> (Vec<Statement>, Option<Marker>) {
        let mut marker = None;
        for mut entry in std::mem::take(&mut self.audit) {
            entry.actor = entry.actor.or_else(|| self.actor.clone());
            let id = ids(self.now_ms);
            marker.get_or_insert(Marker { id, security: entry.security });
            let sql = if entry.security { tables::audit::INSERT_SECURITY } else { tables::audit::INSERT_ROUTINE };
            self.run(sql, vec![Value::from(&id[..]), entry.body(self.now_ms).into()]);
        }
        (self.statements, marker)
    }
}

/// The audit entry that tells whether a change was carried out, when its answer was lost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marker {
    pub id: [u8; 16],
    pub security: bool,
}

/// All of a change is in the store. What a statement returned is not handed on: PostgreSQL counts inside the server.
#[derive(Debug)]
pub struct Applied;

#[derive(Debug)]
pub enum NotApplied {
    /// The guard of this statement failed, or a unique key did. Nothing of the change is stored.
    Conflict(usize),
    /// The connection was lost after COMMIT was sent and the marker could not be looked up.
    Unknown,
    /// The queue is full.
    Busy,
    Fault(Fault),
}

impl NotApplied {
    /// For counters.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Conflict(_) => "conflict",
            Self::Unknown => "unknown",
            Self::Busy => "busy",
            Self::Fault(_) => "fault",
        }
    }
}

impl NotApplied {
    /// For work without a caller: a change that must not fail did.
    pub fn into_fault(self, what: &str) -> Fault {
        match self {
            Self::Fault(fault) => fault.during(what),
            other => Fault::store_away(format!("{what}: {}", other.name())),
        }
    }
}

impl From<NotApplied> for Error {
    fn from(why: NotApplied) -> Self {
        let busy =
            |why: String| Refused::new(503, "temporarily_unavailable", "The server is busy; try again.").retry_after(1).because(why).into();
        match why {
            NotApplied::Conflict(at) => busy(format!("statement {at} conflicted")),
            NotApplied::Unknown => busy("the outcome of a commit is unknown".to_owned()),
            NotApplied::Busy => busy("the write queue is full".to_owned()),
            NotApplied::Fault(fault) => Self::Fault(fault),
        }
    }
}
