//! The store: a switch over two engines. `one` and `all` read what decides; `all_stale` lists; `apply` changes.
//! There are no open transactions in the code: a change is applied whole or not at all.

mod change;
#[cfg(feature = "faults")]
pub mod faults;
mod migrate;
mod postgres;
pub mod retention;
mod sqlite;
mod value;

pub use change::{Applied, Change, Expect, NotApplied, Statement};
pub use value::{Row, Value};

use crate::error::Fault;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Sizes of pools and queues.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    pub readers: usize,
    pub queue: usize,
    pub connections: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { readers: 4, queue: 4096, connections: 8 }
    }
}

enum Engine {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
    #[cfg(feature = "faults")]
    Faulty(Store, faults::Plan),
}

#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    engine: Engine,
    ids: Ids,
}

impl Store {
    /// `sqlite:PATH` or `postgres://...`. Checks the engine's settings and brings the schema up to date.
    pub async fn open(url: &str, options: StoreOptions) -> Result<Self, Fault> {
        let engine = if let Some(path) = url.strip_prefix("sqlite:") {
            Engine::Sqlite(sqlite::Sqlite::open(path, &options)?)
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Engine::Postgres(postgres::Postgres::open(url, &options).await?)
        } else {
            return Err(Fault::new("`database` starts with sqlite: or postgres://"));
        };
        Ok(Self(Arc::new(Inner { engine, ids: Ids::new()? })))
    }

    /// A store that applies, loses, delays or refuses as its plan says.
    #[cfg(feature = "faults")]
    pub fn faulty(inner: Store, plan: faults::Plan) -> Result<Self, Fault> {
        Ok(Self(Arc::new(Inner { engine: Engine::Faulty(inner, plan), ids: Ids::new()? })))
    }

    pub async fn one(&self, sql: &'static str, values: &[Value]) -> Result<Option<Row>, Fault> {
        match &self.0.engine {
            Engine::Sqlite(it) => it.one(sql, values),
            Engine::Postgres(it) => Ok(it.all(sql, values).await?.into_iter().next()),
            #[cfg(feature = "faults")]
            Engine::Faulty(it, _) => Box::pin(it.one(sql, values)).await,
        }
    }

    pub async fn all(&self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, Fault> {
        match &self.0.engine {
            Engine::Sqlite(it) => it.all(sql, values).await,
            Engine::Postgres(it) => it.all(sql, values).await,
            #[cfg(feature = "faults")]
            Engine::Faulty(it, _) => Box::pin(it.all(sql, values)).await,
        }
    }

    /// For lists and searches, which may be a little behind: the only road to a replica once there is one.
    pub async fn all_stale(&self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, Fault> {
        #[cfg(feature = "faults")]
        if matches!(&self.0.engine, Engine::Faulty(_, plan) if plan.lags()) {
            return Ok(Vec::new());
        }
        self.all(sql, values).await
    }

    pub async fn apply(&self, change: Change) -> Result<Applied, NotApplied> {
        let events = change.events();
        let started = std::time::Instant::now();
        let outcome = self.apply_on_engine(change).await;
        metrics::histogram!("symbolon_store_apply_seconds").record(started.elapsed());
        match &outcome {
            Ok(_) => {
                for (event, outcome) in events {
                    metrics::counter!("symbolon_events_total", "event" => event, "outcome" => outcome).increment(1);
                }
            }
            Err(why) => metrics::counter!("symbolon_store_refusals_total", "why" => why.name()).increment(1),
        }
        outcome
    }

    async fn apply_on_engine(&self, change: Change) -> Result<Applied, NotApplied> {
        match &self.0.engine {
            Engine::Sqlite(it) => it.apply(change.into_statements(&mut |now| self.0.ids.next(now)).0).await,
            Engine::Postgres(it) => {
                let (statements, marker) = change.into_statements(&mut |now| self.0.ids.next(now));
                it.apply(&statements, marker).await
            }
            #[cfg(feature = "faults")]
            Engine::Faulty(it, plan) => Box::pin(plan.apply(it, change)).await,
        }
    }

    pub async fn healthy(&self) -> Result<(), Fault> {
        self.one("SELECT value FROM fact WHERE name = $1", &["schema".into()]).await?.map(|_| ()).ok_or_else(|| Fault::new("no schema"))
    }

    /// Waits for what was acknowledged and lets go of the files.
    pub async fn close(&self) {
        match &self.0.engine {
            Engine::Sqlite(it) => it.close().await,
            Engine::Postgres(_) => {}
            #[cfg(feature = "faults")]
            Engine::Faulty(it, _) => Box::pin(it.close()).await,
        }
    }

    /// Migrations are the one place with statements that are not a `Change`; for them and for repair by hand.
    pub fn engine(&self) -> &'static str {
        match &self.0.engine {
            Engine::Sqlite(_) => "sqlite",
            Engine::Postgres(_) => "postgres",
            #[cfg(feature = "faults")]
            Engine::Faulty(..) => "faulty",
        }
    }
}

/// Ids of audit entries: milliseconds (6 bytes), node (4), counter (6).
struct Ids {
    node: [u8; 4],
    counter: AtomicU64,
}

impl Ids {
    fn new() -> Result<Self, Fault> {
        Ok(Self { node: crate::seal::random()?, counter: AtomicU64::new(0) })
    }

    fn next(&self, now_ms: i64) -> [u8; 16] {
        let mut id = [0; 16];
        id[..6].copy_from_slice(&now_ms.to_be_bytes()[2..]);
        id[6..10].copy_from_slice(&self.node);
        id[10..].copy_from_slice(&self.counter.fetch_add(1, Ordering::Relaxed).to_be_bytes()[2..]);
        id
    }
}

/// What is past its time, in small bites so that no sweep holds up a sign-in. Answers how many rows went.
pub async fn sweep(store: &Store, now_ms: i64) -> Result<u64, Fault> {
    const OLD: [(&str, &str); 4] = [
        ("SELECT id FROM pushed_request WHERE expires_ms < $1 LIMIT 500", "DELETE FROM pushed_request WHERE id = $1"),
        ("SELECT id FROM login WHERE expires_ms < $1 LIMIT 500", "DELETE FROM login WHERE id = $1"),
        ("SELECT jti FROM revoked WHERE until_ms < $1 LIMIT 500", "DELETE FROM revoked WHERE jti = $1"),
        ("SELECT key FROM once WHERE bucket < $1 LIMIT 500", "DELETE FROM once WHERE bucket < $2 AND key = $1"),
    ];
    let mut gone = 0;
    for (find, delete) in OLD {
        // A bucket is done an hour after its last hour: leeway for clocks that differ.
        let by_hour = find.contains("bucket");
        let limit = if by_hour { now_ms / 3_600_000 - 1 } else { now_ms - 3_600_000 };
        let mut change = Change::new(now_ms);
        for row in store.all(find, &[limit.into()]).await? {
            let mut values = vec![row.0.into_iter().next().unwrap_or(Value::Null)];
            if by_hour {
                values.push(limit.into());
            }
            change.run_expecting(delete, values, Expect::Any);
        }
        if !change.is_empty() {
            gone += change.len() as u64;
            store.apply(change).await.map_err(|it| Fault::new(format!("sweeping: {it:?}")))?;
        }
    }
    Ok(gone)
}
