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

/// How a statement ends that changes nothing: the row must be there, and stays as it is until the change is committed. It is locked as by an
/// UPDATE of it, and no new version of it is written. This rests on `read committed`, where a later statement sees what was committed
/// meanwhile (`postgres/startup.rs`).
pub(super) const ROW_LOCK: &str = " FOR NO KEY UPDATE";

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
    goes_alone: bool,
}

const HOUR_MS: i64 = 3_600_000;

impl Change {
    pub fn new(now_ms: i64) -> Self {
        Self { now_ms, statements: Vec::new(), audit: Vec::new(), actor: None, goes_alone: false }
    }

    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    pub fn len(&self) -> usize {
        self.statements.len()
    }

    #[cfg(feature = "faults")]
    pub(super) fn position(&self, sql: &str) -> Option<usize> {
        self.statements.iter().position(|it| it.sql == sql)
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

    /// On PostgreSQL it shares no transaction with another change: for long work such as a sweep. SQLite's writer takes it into its batch.
    pub fn go_alone(&mut self) {
        self.goes_alone = true;
    }

    /// Names the operator who makes this change, in every entry of it.
    pub fn set_actor(&mut self, actor: Json) {
        self.actor = Some(actor);
    }

    /// What a person reads of their own account later. An account that is gone in this change has no history.
    fn add_events(&mut self) {
        if self.audit.iter().any(|entry| entry.event == "account_deleted") {
            return;
        }
        let by_operator = |entry: &Entry| entry.actor.is_some() || self.actor.is_some();
        let text = |text: &Option<String>| Value::from(text.as_deref().unwrap_or_default());
        let row = |entry: &Entry| -> Option<(&'static str, Vec<Value>)> {
            let account = entry.account.as_deref().filter(|_| entry.is_personal())?;
            let (client, address) = (text(&entry.client), text(&entry.address));
            let add = if entry.is_frequent { tables::account_event::ADD_HOURLY } else { tables::account_event::ADD };
            Some((add, vec![account.into(), self.now_ms.into(), entry.event.into(), client, address, by_operator(entry).into()]))
        };
        let rows: Vec<_> = self.audit.iter().filter_map(row).collect();
        for (add, values) in rows {
            self.run_expecting(add, values, Expect::Any);
        }
    }

    /// The change as it is sent: the statements, and the audit entries behind them, whose ids are drawn when it is.
    pub(super) fn into_draft(mut self) -> Draft {
        self.add_events();
        let first_entry = self.statements.len();
        let mut is_security = Vec::with_capacity(self.audit.len());
        for mut entry in std::mem::take(&mut self.audit) {
            entry.actor = entry.actor.or_else(|| self.actor.clone());
            is_security.push(entry.security);
            let sql = if entry.security { tables::audit::INSERT_SECURITY } else { tables::audit::INSERT_ROUTINE };
            self.run(sql, vec![Value::Null, entry.body(self.now_ms).into()]);
        }
        Draft { statements: self.statements, first_entry, is_security, now_ms: self.now_ms, goes_alone: self.goes_alone }
    }
}

/// A change that is ready to be sent, more than once if it has to be.
#[derive(Debug)]
pub(super) struct Draft {
    statements: Vec<Statement>,
    /// Where the audit entries begin.
    first_entry: usize,
    is_security: Vec<bool>,
    now_ms: i64,
    goes_alone: bool,
}

impl Draft {
    /// The statements with new ids of their audit entries, and the first of these: the commit marker. Ids are drawn as late as possible,
    /// and anew for every attempt. A follower of the audit must never have read past an entry that is still to come.
    pub fn draw(&mut self, ids: &mut dyn FnMut(i64) -> [u8; 16]) -> (&[Statement], Option<Marker>) {
        let mut marker = None;
        for (entry, security) in self.statements[self.first_entry..].iter_mut().zip(&self.is_security) {
            let id = ids(self.now_ms);
            marker.get_or_insert(Marker { id, security: *security });
            if let Some(first) = entry.values.first_mut() {
                *first = Value::from(&id[..]);
            }
        }
        (&self.statements, marker)
    }

    /// The same for PostgreSQL, which refuses the entries of a transaction that begins later by its clock.
    pub fn draw_until(&mut self, until_ms: i64, ids: &mut dyn FnMut(i64) -> [u8; 16]) -> Drawn<'_> {
        for (entry, security) in self.statements[self.first_entry..].iter_mut().zip(&self.is_security) {
            entry.sql = if *security { tables::audit::IN_TIME_SECURITY } else { tables::audit::IN_TIME_ROUTINE };
            entry.values.truncate(2);
            entry.values.push(until_ms.into());
        }
        let first_entry = self.first_entry;
        let (statements, marker) = self.draw(ids);
        let (own, entries) = statements.split_at(first_entry);
        Drawn { own, entries, marker }
    }

    pub fn into_statements(self) -> Vec<Statement> {
        self.statements
    }

    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// Without the audit entries, whose ids nobody else has.
    pub fn own_statements(&self) -> &[Statement] {
        &self.statements[..self.first_entry]
    }

    pub fn goes_alone(&self) -> bool {
        self.goes_alone
    }
}

/// A change as PostgreSQL gets it.
pub(super) struct Drawn<'a> {
    pub own: &'a [Statement],
    /// Audit entries: id, body, and until when they are taken.
    pub entries: &'a [Statement],
    pub marker: Option<Marker>,
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

#[derive(Debug, Clone)]
pub enum NotApplied {
    /// The guard of this statement failed, or a unique key did. Nothing of the change is stored.
    Conflict(usize),
    /// The connection was lost after COMMIT was sent and the marker could not be looked up.
    Unknown,
    /// The queue is full.
    Busy,
    Fault(Fault),
}

impl From<Fault> for NotApplied {
    fn from(why: Fault) -> Self {
        Self::Fault(why)
    }
}

/// What became of a change.
pub type ApplyResult = Result<Applied, NotApplied>;

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
