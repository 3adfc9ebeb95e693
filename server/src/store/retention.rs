//! Rows that have had their time: audit entries, sessions with their grants. Keys begin with an instant, so that each sweep is a
//! range at the beginning of the table, in small bites.

use super::{Change, Expect, Store, Value};
use crate::config::Config;
use crate::error::Fault;

const BITE: i64 = 500;
const DAY_MS: i64 = 86_400_000;
/// In the order of the schema: children first.
const OLD: [(&str, &str, &str); 4] = [
    ("grants", "SELECT DISTINCT session FROM app_grant WHERE session < $1 LIMIT 500", "DELETE FROM app_grant WHERE session = $1"),
    ("sessions", "SELECT id FROM session WHERE id < $1 LIMIT 500", "DELETE FROM session WHERE id = $1"),
    ("audit_security", "SELECT id FROM audit_security WHERE id < $1 LIMIT 500", "DELETE FROM audit_security WHERE id = $1"),
    ("audit_routine", "SELECT id FROM audit_routine WHERE id < $1 LIMIT 500", "DELETE FROM audit_routine WHERE id = $1"),
];

/// The first key that is young enough: six bytes of milliseconds, then zeros.
fn key_at(ms: i64) -> Vec<u8> {
    let mut key = ms.max(0).to_be_bytes()[2..].to_vec();
    key.resize(16, 0);
    key
}

/// A session can hold living grants until the longest-lived client's absolute limit has passed since its own end.
fn sessions_live_ms(config: &Config, registered: impl Iterator<Item = i64>) -> i64 {
    let longest_s = config.client.values().map(|it| it.refresh.absolute.0).chain(registered).max().unwrap_or(0);
    (longest_s + config.session.absolute.0) * 1000 + DAY_MS
}

/// Answers how many rows went. `registered`: absolute lifetimes of clients that are not in the configuration, in seconds.
pub async fn sweep(store: &Store, config: &Config, registered: impl Iterator<Item = i64>, now_ms: i64) -> Result<u64, Fault> {
    let sessions_ms = sessions_live_ms(config, registered);
    let mut gone = 0;
    for (what, find, delete) in OLD {
        let keep_ms = match what {
            "audit_security" => config.retention.audit_security.0 * 1000,
            "audit_routine" => config.retention.audit_routine.0 * 1000,
            _ => sessions_ms,
        };
        let mut change = Change::new(now_ms);
        for row in store.all_stale(find, &[Value::from(&key_at(now_ms - keep_ms)[..])]).await? {
            change.run_expecting(delete, vec![row.0.into_iter().next().unwrap_or(Value::Null)], Expect::Any);
        }
        if !change.is_empty() {
            gone += change.len().min(usize::try_from(BITE).unwrap_or(usize::MAX)) as u64;
            store.apply(change).await.map_err(|it| Fault::new(format!("sweeping {what}: {it:?}")))?;
        }
    }
    Ok(gone)
}
