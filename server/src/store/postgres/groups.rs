//! Changes that wait leave together: one transaction, one flight, one wait for the disk. Whoever shares a row with a change under way waits
//! for it; whoever cannot go with the others goes alone. No requester can cancel what was sent.

use super::super::change::{Applied, ApplyResult, Draft, Drawn, Expect, Marker, NotApplied, Statement};
use super::super::tables::audit;
use super::super::value::Value;
use super::pool::{PATIENCE, Shared};
use super::queue::QueuedChange;
use super::wire::{Broken, DatabaseError, Wire, array};
use crate::error::Fault;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::types::Type;

/// How often a change that lost a race inside PostgreSQL is tried.
const ATTEMPTS: u32 = 5;
/// A group that is not done by then is told to end, and what holds it up goes alone.
const GROUP_TIME: Duration = Duration::from_millis(500);
/// While a group takes longer than this, the second writer carries what waits.
const SLOW: Duration = Duration::from_millis(10);
/// What reaches the server later than this after its audit ids were drawn is given up. A follower of the audit waits longer.
const ROUND_MS: i64 = 1000;

/// What became of a flight of several changes.
enum Flown {
    Applied,
    /// This one was refused, and nothing of any is stored.
    Refused(usize, Why),
    /// The connection was gone before anything was sent.
    NotSent,
    Lost,
    /// Committed on this server, which stopped waiting for its standby.
    Unsure,
}

enum Why {
    Conflict(usize),
    /// Serialization failure, a deadlock's victim, or an audit entry with an id that is there.
    Again,
    /// It arrived too late for the ids of its audit entries. Nobody is to blame.
    Late,
    /// Somebody else, such as an operator's own transaction, holds a row for too long.
    Locked,
    /// It took too long for a group.
    Slow(Fault),
    Failed(Fault),
}

impl Why {
    /// 22012: a guard counted other rows than it demands. 23505: a unique key. 23502: `IN_TIME` leaves out the body.
    fn of(said: &DatabaseError, statement: usize) -> Self {
        let is_entry = said.table.starts_with("audit_");
        match said.code.as_str() {
            "23505" if is_entry => Self::Again,
            "23502" if is_entry => Self::Late,
            "22012" | "23505" => Self::Conflict(statement),
            "40001" | "40P01" => Self::Again,
            "55P03" => Self::Locked,
            "57014" => Self::Slow(said.fault()),
            _ => Self::Failed(said.fault()),
        }
    }
}

/// All statements of all changes, one Sync. A guard that fails divides by zero inside the server, so nothing of the flight is committed.
async fn fly(wire: &mut Wire, changes: &[Drawn<'_>]) -> Flown {
    if wire.begin().await.is_err() {
        return Flown::NotSent;
    }
    let mut own = changes.iter().flat_map(|change| change.own);
    if own.try_for_each(|statement| add(wire, statement)).and_then(|()| add_entries(wire, changes)).is_err() {
        // A value that the protocol cannot carry. What is in the buffer must never be sent.
        wire.give_up();
        return Flown::Refused(changes.len().saturating_sub(1), Why::Failed(Fault::new("a value is too long for PostgreSQL")));
    }
    match wire.fly().await {
        Ok(()) => Flown::Applied,
        Err(Broken::Lost(_)) => Flown::Lost,
        Err(Broken::Unsure) => Flown::Unsure,
        Err(Broken::Said(said)) => {
            let (mut at, mut before) = (0, said.executed);
            while at + 1 < changes.len() && before >= changes[at].own.len() {
                before -= changes[at].own.len();
                at += 1;
            }
            Flown::Refused(at, Why::of(&said, before))
        }
        Err(Broken::Unreadable(fault)) => Flown::Refused(0, Why::Failed(fault)),
    }
}

fn add(wire: &mut Wire, statement: &Statement) -> io::Result<()> {
    let guard = match statement.expect {
        Expect::Exactly(wanted) => Some(wanted),
        Expect::Any => None,
    };
    wire.add(statement.sql, guard, &statement.values)
}

/// The audit entries of all changes go in last. One statement adds those of one table.
fn add_entries(wire: &mut Wire, changes: &[Drawn<'_>]) -> io::Result<()> {
    const TABLES: [(&str, &str); 2] =
        [(audit::IN_TIME_SECURITY, audit::ALL_IN_TIME_SECURITY), (audit::IN_TIME_ROUTINE, audit::ALL_IN_TIME_ROUTINE)];
    for (one, all) in TABLES {
        let entries: Vec<&Statement> = changes.iter().flat_map(|change| change.entries).filter(|entry| entry.sql == one).collect();
        match entries[..] {
            [] => {}
            [entry] => add(wire, entry)?,
            [first, ..] => {
                let column = |at: usize| entries.iter().map(move |entry| entry.values.get(at).unwrap_or(&Value::Null));
                let until = first.values.get(2).cloned().unwrap_or(Value::Null);
                wire.add(all, None, &[array(&Type::BYTEA, column(0))?, array(&Type::TEXT, column(1))?, until])?;
            }
        }
    }
    Ok(())
}

/// Where the first writer ends before its time, the second one takes its work.
struct StandsIn(Arc<Shared>);

impl Drop for StandsIn {
    fn drop(&mut self) {
        std::mem::forget(self.0.queue.is_slow());
    }
}

/// One of the node's writers. `helps`: the second one.
pub(super) async fn write(shared: Arc<Shared>, helps: bool) {
    let mut wire: Option<Wire> = None;
    let _stands_in = (!helps).then(|| StandsIn(Arc::clone(&shared)));
    while let Some(group) = shared.queue.next_group(helps).await {
        let (alone, together): (Vec<QueuedChange>, Vec<QueuedChange>) = group.into_iter().partition(|waiting| waiting.may_lose);
        alone.into_iter().for_each(|waiting| send_alone(&shared, waiting));
        let mut flight = std::pin::pin!(fly_group(&shared, &mut wire, together));
        if tokio::time::timeout(SLOW, &mut flight).await.is_err() {
            let _slow = shared.queue.is_slow();
            flight.await;
        }
    }
}

/// The flight of a group. When its time is over the server is told to end it, and says what it was at.
async fn fly_in_time(shared: &Arc<Shared>, wire: &mut Wire, changes: &[Drawn<'_>]) -> Flown {
    let process = wire.process;
    let mut flight = std::pin::pin!(fly(wire, changes));
    if let Ok(flown) = tokio::time::timeout(GROUP_TIME, &mut flight).await {
        return flown;
    }
    shared.cancel(process);
    tokio::time::timeout(PATIENCE, flight).await.unwrap_or(Flown::Lost)
}

/// The whole group, then those that are left when one was refused. After a second refusal each goes alone.
async fn fly_group(shared: &Arc<Shared>, wire: &mut Option<Wire>, mut group: Vec<QueuedChange>) {
    let mut rounds = 0;
    while rounds < 2 && !group.is_empty() {
        let ready = match shared.ready(wire).await {
            Ok(ready) => ready,
            Err(fault) => return answer_all(shared, group, || Err(NotApplied::Fault(fault.clone()))),
        };
        let mut marker = None;
        let mut drawn: Vec<Drawn<'_>> = Vec::with_capacity(group.len());
        let until_ms = ready.server_ms() + ROUND_MS;
        for waiting in &mut group {
            let change = waiting.draft.draw_until(until_ms, &mut |now_ms| shared.ids.next(now_ms));
            marker = marker.or(change.marker);
            drawn.push(change);
        }
        match fly_in_time(shared, ready, &drawn).await {
            Flown::Applied => return answer_all(shared, group, || Ok(Applied)),
            Flown::NotSent => {
                shared.note_loss();
                *wire = None;
                continue;
            }
            Flown::Lost => {
                shared.note_loss();
                *wire = None;
                let is_found = shared.find(marker).await;
                return answer_all(shared, group, || if is_found { Ok(Applied) } else { Err(NotApplied::Unknown) });
            }
            Flown::Unsure => return answer_all(shared, group, || Err(NotApplied::Unknown)),
            // The server's clock may have been set: it is read anew.
            Flown::Refused(_, Why::Late) => {
                rounds += 1;
                *wire = None;
            }
            Flown::Refused(at, why) => {
                rounds += 1;
                let is_first = at == 0;
                let refused = group.remove(at.min(group.len() - 1));
                match why {
                    // Nothing went before it: what it met is committed.
                    Why::Conflict(statement) if is_first => answer(shared, refused, Err(NotApplied::Conflict(statement))),
                    Why::Failed(fault) if is_first && group.is_empty() => answer(shared, refused, Err(NotApplied::Fault(fault))),
                    _ => send_alone(shared, refused),
                }
            }
        }
    }
    for waiting in group {
        send_alone(shared, waiting);
    }
}

fn answer(shared: &Shared, waiting: QueuedChange, outcome: ApplyResult) {
    shared.queue.release(&waiting.keys, matches!(outcome, Err(NotApplied::Conflict(_))));
    let _ = waiting.answer.send(outcome);
}

fn answer_all(shared: &Shared, group: Vec<QueuedChange>, outcome: impl Fn() -> ApplyResult) {
    for waiting in group {
        answer(shared, waiting, outcome());
    }
}

/// A change by itself, on another connection, with the patience that single changes have.
pub(super) fn send_alone(shared: &Arc<Shared>, mut waiting: QueuedChange) {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let outcome = apply_alone(&shared, &mut waiting.draft).await;
        answer(&shared, waiting, outcome);
    });
}

async fn apply_alone(shared: &Arc<Shared>, draft: &mut Draft) -> ApplyResult {
    for attempt in 0..ATTEMPTS {
        let (flown, marker) = try_alone(shared, draft).await?;
        match flown {
            Flown::Applied => return Ok(Applied),
            Flown::Refused(_, Why::Conflict(at)) => return Err(NotApplied::Conflict(at)),
            Flown::Refused(_, Why::Failed(fault) | Why::Slow(fault)) => return Err(NotApplied::Fault(fault)),
            Flown::Refused(_, Why::Locked) => return Err(NotApplied::Busy),
            Flown::Lost if shared.find(marker).await => return Ok(Applied),
            Flown::Lost | Flown::Unsure => return Err(NotApplied::Unknown),
            Flown::NotSent | Flown::Refused(_, Why::Late) => {}
            Flown::Refused(_, Why::Again) => tokio::time::sleep(pause(attempt)).await,
        }
    }
    Err(NotApplied::Busy)
}

/// Longer each time, and never the same for two that met.
fn pause(attempt: u32) -> Duration {
    let share = crate::seal::random::<1>().map_or(128, |[byte]| u64::from(byte));
    Duration::from_micros((1500 << attempt) * (256 + 2 * share) / 256)
}

async fn try_alone(shared: &Arc<Shared>, draft: &mut Draft) -> Result<(Flown, Option<Marker>), NotApplied> {
    let _turn = shared.turn().await.map_err(NotApplied::Fault)?;
    let mut lease = shared.lease().await.map_err(NotApplied::Fault)?;
    let wire = lease.ready().await.map_err(NotApplied::Fault)?;
    let until_ms = wire.server_ms() + ROUND_MS;
    let change = draft.draw_until(until_ms, &mut |now_ms| shared.ids.next(now_ms));
    let marker = change.marker;
    let flown = tokio::time::timeout(PATIENCE, fly(wire, &[change])).await.unwrap_or(Flown::Lost);
    if matches!(flown, Flown::Lost | Flown::NotSent) {
        shared.note_loss();
    }
    if matches!(flown, Flown::Lost | Flown::NotSent | Flown::Refused(_, Why::Late)) {
        lease.drop_connection();
    }
    Ok((flown, marker))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_belongs_to_a_statement() {
        let said = |code: &str| DatabaseError { code: code.to_owned(), ..DatabaseError::default() };
        assert!(matches!(Why::of(&said("22012"), 3), Why::Conflict(3)));
        assert!(matches!(Why::of(&said("23505"), 0), Why::Conflict(0)));
        assert!(matches!(Why::of(&said("40P01"), 0), Why::Again));
        assert!(matches!(Why::of(&said("55P03"), 0), Why::Locked));
        assert!(matches!(Why::of(&said("23502"), 0), Why::Failed(_)), "NOT NULL is a fault of ours, never a conflict");
    }
}
