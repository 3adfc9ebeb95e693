//! Deletes old rows: what is spent or past, audit entries, sessions with their grants. Where a key begins with its instant, a step is one
//! range of keys. In `once` it is one range for each bucket and kind that was found; elsewhere it is a list of keys. Steps are small
//! and go on until one is short: no sweep delays a sign-in, and none falls behind the load.

use crate::config::Config;
use crate::error::Fault;
use crate::store::tables::attempt;
use crate::store::{Change, Expect, Row, Store, Value};
use std::time::Duration;
use symbolon_oauth::digest;

/// As the statements below say.
const STEP: usize = 500;
/// The most steps for one table in one round; the next round goes on.
const MOST_STEPS: usize = 1000;
/// After so long another node may sweep a table that this one has begun.
const TURN_MS: i64 = 60_000;
/// Between two steps, so that others can write.
const PAUSE: Duration = Duration::from_millis(3);
/// Between the clocks of two nodes.
const LEEWAY_MS: i64 = 5 * 60_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 86_400_000;

/// What finds the keys of old rows, and what deletes one of them.
type Old = (&'static str, &'static str);

/// Strangers can have these written. They go as soon as clocks that differ allow, so that what is there is what came in the last minutes.
const SOON: [Old; 8] = [
    ("SELECT id FROM pushed_request WHERE expires_ms < $1 LIMIT 500", "DELETE FROM pushed_request WHERE id = $1"),
    ("SELECT id FROM login WHERE expires_ms < $1 LIMIT 500", "DELETE FROM login WHERE id = $1"),
    ("SELECT id FROM sign_in WHERE expires_ms < $1 LIMIT 500", "DELETE FROM sign_in WHERE id = $1"),
    ("SELECT id FROM device_request WHERE expires_ms < $1 LIMIT 500", "DELETE FROM device_request WHERE id = $1"),
    ("SELECT id FROM backchannel_request WHERE expires_ms < $1 LIMIT 500", "DELETE FROM backchannel_request WHERE id = $1"),
    ("SELECT id FROM handover WHERE expires_ms < $1 LIMIT 500", "DELETE FROM handover WHERE id = $1"),
    ("SELECT id FROM wallet_answer WHERE expires_ms < $1 LIMIT 500", "DELETE FROM wallet_answer WHERE id = $1"),
    ("SELECT id FROM continuing WHERE expires_ms < $1 LIMIT 500", "DELETE FROM continuing WHERE id = $1"),
];
const PAST: [Old; 11] = [
    (
        "SELECT account, device, until_ms FROM known_device WHERE until_ms < $1 LIMIT 500",
        "DELETE FROM known_device WHERE account = $1 AND device = $2 AND until_ms = $3",
    ),
    (
        "SELECT identity, provider, sid, until_ms FROM provider_hint WHERE until_ms < $1 LIMIT 500",
        "DELETE FROM provider_hint WHERE identity = $1 AND provider = $2 AND sid = $3 AND until_ms = $4",
    ),
    // An identity that was unlinked leaves its tokens behind: nobody can get them any more.
    (
        "SELECT identity, provider, updated_ms FROM provider_token t WHERE updated_ms < $1 AND NOT EXISTS (SELECT 1 FROM outside_identity o \
         WHERE o.account = t.account AND o.name = t.identity) LIMIT 500",
        "DELETE FROM provider_token WHERE identity = $1 AND provider = $2 AND updated_ms = $3",
    ),
    (
        "SELECT identity, provider, checked_ms FROM provider_check c WHERE checked_ms < $1 AND NOT EXISTS (SELECT 1 FROM outside_identity o \
         WHERE o.account = c.account AND o.name = c.identity) LIMIT 500",
        "DELETE FROM provider_check WHERE identity = $1 AND provider = $2 AND checked_ms = $3",
    ),
    ("SELECT name FROM provider_logout WHERE until_ms < $1 LIMIT 500", "DELETE FROM provider_logout WHERE name = $1"),
    ("SELECT jti FROM revoked WHERE until_ms < $1 LIMIT 500", "DELETE FROM revoked WHERE jti = $1"),
    // A client that was used meanwhile stays: the instant is in the guard. Those of an operator have none.
    ("SELECT id, until_ms FROM client WHERE until_ms < $1 LIMIT 500", "DELETE FROM client WHERE id = $1 AND until_ms = $2"),
    ("SELECT id FROM initial_access_token WHERE until_ms < $1 LIMIT 500", "DELETE FROM initial_access_token WHERE id = $1"),
    (
        "SELECT client, host, until_ms FROM proved_link WHERE until_ms < $1 LIMIT 500",
        "DELETE FROM proved_link WHERE client = $1 AND host = $2 AND until_ms = $3",
    ),
    ("SELECT host, until_ms FROM held_host WHERE until_ms < $1 LIMIT 500", "DELETE FROM held_host WHERE host = $1 AND until_ms = $2"),
    // A window that was renewed meanwhile stays: the instant is in the guard.
    ("SELECT key, until_ms FROM attempt WHERE until_ms < $1 LIMIT 500", "DELETE FROM attempt WHERE key = $1 AND until_ms = $2"),
];
/// A range of old rows in the order of their key.
struct Range {
    /// The next keys, before the limit and behind the last key of the step before. Without that, PostgreSQL would read each time what the
    /// steps before have deleted.
    find: &'static str,
    delete: Delete,
    /// Before all keys.
    before: fn() -> Vec<Value>,
}

/// What deletes the keys that were found.
enum Delete {
    /// All that is behind the last key of the step before, and not behind the last one that was found. For keys whose first column is
    /// nearly unique: PostgreSQL reads on as long as that column stays the same.
    Between(&'static str),
    /// One statement for each run of keys with the same first columns, so many of them: from the first to the last of their last column.
    Runs(usize, &'static str),
}

fn no_bytes() -> Value {
    Value::from(&b""[..])
}

const SPENT: Range = Range {
    find: "SELECT bucket, kind, key FROM once WHERE bucket < $1 AND (bucket, kind, key) > ($2, $3, $4) ORDER BY bucket, kind, key LIMIT 500",
    delete: Delete::Runs(2, "DELETE FROM once WHERE bucket = $1 AND kind = $2 AND key >= $3 AND key <= $4"),
    before: || vec![i64::MIN.into(), "".into(), no_bytes()],
};
macro_rules! of_sessions {
    ($table:literal, $second:literal, $before:expr) => {
        Range {
            find: concat!(
                "SELECT session, ",
                $second,
                " FROM ",
                $table,
                " WHERE session < $1 AND (session, ",
                $second,
                ") > ($2, $3) \
                ORDER BY session, ",
                $second,
                " LIMIT 500"
            ),
            delete: Delete::Between(concat!(
                "DELETE FROM ",
                $table,
                " WHERE (session, ",
                $second,
                ") > ($1, $2) AND (session, ",
                $second,
                ") <= ($3, $4)"
            )),
            before: || vec![no_bytes(), $before.into()],
        }
    };
}
macro_rules! by_id {
    ($table:literal) => {
        Range {
            find: concat!("SELECT id FROM ", $table, " WHERE id < $1 AND id > $2 ORDER BY id LIMIT 500"),
            delete: Delete::Between(concat!("DELETE FROM ", $table, " WHERE id > $1 AND id <= $2")),
            before: || vec![no_bytes()],
        }
    };
}
/// In the order of the schema: children first.
const SESSIONS: [Range; 5] = [
    of_sessions!("device_secret", "number", i64::MIN),
    of_sessions!("push_address", "number", i64::MIN),
    of_sessions!("app_grant", "number", i64::MIN),
    Range {
        find: "SELECT session, identity, provider FROM provider_session WHERE session < $1 AND (session, identity, provider) > ($2, $3, $4) \
            ORDER BY session, identity, provider LIMIT 500",
        delete: Delete::Between(
            "DELETE FROM provider_session WHERE (session, identity, provider) > ($1, $2, $3) \
            AND (session, identity, provider) <= ($4, $5, $6)",
        ),
        before: || vec![no_bytes(), "".into(), "".into()],
    },
    by_id!("session"),
];
/// The oldest session in which an app may go on, among those that are old enough to go. There is one where an operator has shortened
/// `absolute`: that holds for new grants.
const OLDEST_LIVING: &str =
    "SELECT session FROM app_grant WHERE session < $1 AND state = 'active' AND ends_ms > $2 ORDER BY session LIMIT 1";
const SECURITY: Range = by_id!("audit_security");
/// Not in the order of its key: it has an index by time.
const EVENTS: Old = (
    "SELECT account, at_ms, event FROM account_event WHERE at_ms < $1 LIMIT 500",
    "DELETE FROM account_event WHERE account = $1 AND at_ms = $2 AND event = $3",
);
const ROUTINE: Range = by_id!("audit_routine");

/// Deletes what is past its time. Answers how many rows were deleted.
pub async fn sweep(store: &Store, now_ms: i64) -> Result<u64, Fault> {
    let mut deleted = 0;
    for old in SOON {
        deleted += delete_old(store, old, (now_ms - LEEWAY_MS).into(), now_ms).await?;
    }
    for old in PAST {
        deleted += delete_old(store, old, (now_ms - HOUR_MS).into(), now_ms).await?;
    }
    // A bucket is done an hour after its last hour: leeway for clocks that differ.
    Ok(deleted + delete_range(store, SPENT, (now_ms / HOUR_MS - 1).into(), now_ms).await?)
}

/// Deletes what was kept as long as the configuration says. `longest_refresh_s`: the longest absolute lifetime of any client's grants.
/// Keys begin with an instant, so each sweep is a range at the beginning of its table.
pub async fn sweep_old(store: &Store, config: &Config, longest_refresh_s: i64, now_ms: i64) -> Result<u64, Fault> {
    let younger = |keep_ms: i64| Value::from(&key_at(now_ms - keep_ms)[..]);
    // A session can hold living grants until the longest-lived client's absolute limit has passed since its own end. Older limits may have
    // been longer: `before_living` looks.
    let sessions_ms = (longest_refresh_s + config.session.absolute.0) * 1000 + DAY_MS;
    let limit = before_living(store, younger(sessions_ms), now_ms).await?;
    let mut deleted = 0;
    for old in SESSIONS {
        deleted += delete_range(store, old, limit.clone(), now_ms).await?;
    }
    deleted += delete_range(store, SECURITY, younger(config.retention.audit_security.0 * 1000), now_ms).await?;
    deleted += delete_range(store, ROUTINE, younger(config.retention.audit_routine.0 * 1000), now_ms).await?;
    deleted += delete_old(store, EVENTS, (now_ms - config.retention.audit_security.0 * 1000).into(), now_ms).await?;
    store.shrink();
    Ok(deleted)
}

/// The limit, or the oldest session before it in which a grant lives. All from there on stay, so that a sweep is one range.
async fn before_living(store: &Store, limit: Value, now_ms: i64) -> Result<Value, Fault> {
    let living = store.all(OLDEST_LIVING, &[limit.clone(), now_ms.into()]).await?;
    living.first().map_or(Ok(limit), |row| row.bytes("session").map(Value::from))
}

/// Deletes one by one what was found, step by step.
async fn delete_old(store: &Store, (find, delete): Old, limit: Value, now_ms: i64) -> Result<u64, Fault> {
    let each = |change: &mut Change, keys: Vec<Row>, _: &mut Vec<Value>| {
        for key in keys {
            change.run_expecting(delete, key.into_values(), Expect::Any);
        }
    };
    delete_in_steps((store, now_ms), find, vec![limit], each).await
}

/// Deletes up to the last key that was found, step by step: few statements for each step. What is between two keys is as old.
async fn delete_range(store: &Store, Range { find, delete, before }: Range, limit: Value, now_ms: i64) -> Result<u64, Fault> {
    let known = [vec![limit], before()].concat();
    let up_to_last = |change: &mut Change, keys: Vec<Row>, known: &mut Vec<Value>| {
        let keys: Vec<Vec<Value>> = keys.into_iter().map(Row::into_values).collect();
        let Some(last) = keys.last() else { return };
        match delete {
            Delete::Between(sql) => change.run_expecting(sql, [&known[1..], last].concat(), Expect::Any),
            Delete::Runs(columns, sql) => {
                for run in keys.chunk_by(|one, next| one[..columns] == next[..columns]) {
                    let (first, last) = (&run[0], &run[run.len() - 1]);
                    change.run_expecting(sql, [&first[..], &last[columns..]].concat(), Expect::Any);
                }
            }
        }
        known.splice(1.., last.iter().cloned());
    };
    delete_in_steps((store, now_ms), find, known, up_to_last).await
}

/// Until a step finds fewer rows than it may. `known`: what is asked with, which a step may change. Of several nodes one sweeps a table.
async fn delete_in_steps(
    (store, now_ms): (&Store, i64),
    find: &'static str,
    mut known: Vec<Value>,
    delete: impl Fn(&mut Change, Vec<Row>, &mut Vec<Value>),
) -> Result<u64, Fault> {
    let mut keys = store.all_stale(find, &known).await?;
    if keys.is_empty() || !begin(store, find, now_ms).await? {
        return Ok(0);
    }
    let mut deleted = 0;
    for step in 0..MOST_STEPS {
        // Between the first look and our turn another node may have swept what was seen.
        if step > 0 || store.has_nodes() {
            keys = store.all_stale(find, &known).await?;
        }
        let found = keys.len();
        if found > 0 {
            let mut change = Change::new(now_ms);
            change.go_alone();
            delete(&mut change, std::mem::take(&mut keys), &mut known);
            store.apply(change).await.map_err(|why| why.into_fault(find))?;
            deleted += found as u64;
        }
        if found < STEP {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    end(store, find, now_ms).await?;
    Ok(deleted)
}

/// What the nodes agree by: a budget of one. A node that dies with it holds nobody up for longer than its round would have taken.
fn turn(find: &str) -> Value {
    Value::from(&digest::sha256(format!("sweep {find}").as_bytes())[..])
}

/// False: another node sweeps this table.
async fn begin(store: &Store, find: &'static str, now_ms: i64) -> Result<bool, Fault> {
    if !store.has_nodes() {
        return Ok(true);
    }
    let mut change = Change::new(now_ms);
    change.run(attempt::CHARGE, vec![turn(find), (now_ms + TURN_MS).into(), now_ms.into(), 1.into()]);
    store.try_apply(change, "whose turn it is to sweep").await
}

async fn end(store: &Store, find: &'static str, now_ms: i64) -> Result<(), Fault> {
    if !store.has_nodes() {
        return Ok(());
    }
    let mut change = Change::new(now_ms);
    change.run_expecting(attempt::CLEAR, vec![turn(find)], Expect::Any);
    store.apply(change).await.map_err(|why| why.into_fault("whose turn it is to sweep")).map(drop)
}

/// The first key that is young enough: six bytes of milliseconds, then zeros.
fn key_at(ms: i64) -> Vec<u8> {
    let mut key = ms.max(0).to_be_bytes()[2..].to_vec();
    key.resize(16, 0);
    key
}
