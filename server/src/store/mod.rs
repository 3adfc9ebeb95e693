//! The store: a switch over two engines. `one` and `all` read what decides; `all_stale` lists; `apply` changes.
//! There are no open transactions in the code: a change is applied whole or not at all.

mod change;
#[cfg(feature = "faults")]
pub mod faults;
mod ids;
mod migrate;
mod options;
mod postgres;
mod probe;
pub mod retention;
mod sqlite;
pub mod tables;
mod value;

pub use change::{Applied, Change, Expect, NotApplied, Statement};
#[cfg(feature = "faults")]
pub use migrate::{MIGRATIONS, state as schema_state};
pub use options::StoreOptions;
pub use postgres::weakness;
pub use value::{Row, Value};

use crate::error::Fault;
use ids::{Ids, UnderWay};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

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
    ids: Arc<Ids>,
    /// How far the database's clock was ahead of ours when it was last asked.
    offset_ms: AtomicI64,
}

/// Nodes whose clocks differ by more may judge wrongly what another one has written.
pub const MOST_OFFSET_MS: i64 = 2000;

/// Applies, loses, delays or refuses a change.
#[cfg(feature = "faults")]
async fn apply_with_fate(store: &Store, fate: faults::Fate, change: Change) -> Result<Applied, NotApplied> {
    match fate {
        faults::Fate::Apply => store.apply(change).await,
        faults::Fate::LoseAnswer => store.apply(change).await.and(Err(NotApplied::Unknown)),
        faults::Fate::Lose => Err(NotApplied::Unknown),
        faults::Fate::Delay(ms) => {
            tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
            store.apply(change).await
        }
        faults::Fate::Refuse => Err(NotApplied::Busy),
        faults::Fate::Conflict(sql) => Err(change.position(sql).map_or(NotApplied::Busy, NotApplied::Conflict)),
    }
}

impl Store {
    /// `sqlite:PATH` or `postgres://...`. Checks the engine's settings and brings the schema up to date.
    pub async fn open(url: &str, options: StoreOptions) -> Result<Self, Fault> {
        let ids = Arc::new(Ids::new()?);
        let engine = if let Some(path) = url.strip_prefix("sqlite:") {
            Engine::Sqlite(sqlite::Sqlite::open(path, &options)?)
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Engine::Postgres(postgres::Postgres::open(url, &options, Arc::clone(&ids)).await?)
        } else {
            return Err(Fault::new("`database` starts with sqlite: or postgres://"));
        };
        Ok(Self(Arc::new(Inner { engine, ids, offset_ms: AtomicI64::new(0) })))
    }

    /// A store that applies, loses, delays or refuses as its plan says.
    #[cfg(feature = "faults")]
    pub fn faulty(inner: Store, plan: faults::Plan) -> Result<Self, Fault> {
        let engine = Engine::Faulty(inner, plan);
        Ok(Self(Arc::new(Inner { engine, ids: Arc::new(Ids::new()?), offset_ms: AtomicI64::new(0) })))
    }

    pub async fn one(&self, sql: &'static str, values: &[Value]) -> Result<Option<Row>, Fault> {
        match &self.0.engine {
            Engine::Sqlite(engine) => engine.one(sql, values),
            Engine::Postgres(engine) => Ok(engine.all(sql, values).await?.into_iter().next()),
            #[cfg(feature = "faults")]
            Engine::Faulty(engine, _) => Box::pin(engine.one(sql, values)).await,
        }
    }

    /// Rows of which a limit keeps the number small, such as the parts of one account. They cost as little as `one`.
    pub async fn few(&self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, Fault> {
        match &self.0.engine {
            Engine::Sqlite(engine) => engine.few(sql, values),
            _ => self.all(sql, values).await,
        }
    }

    pub async fn all(&self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, Fault> {
        match &self.0.engine {
            Engine::Sqlite(engine) => engine.all(sql, values).await,
            Engine::Postgres(engine) => engine.all(sql, values).await,
            #[cfg(feature = "faults")]
            Engine::Faulty(engine, _) => Box::pin(engine.all(sql, values)).await,
        }
    }

    /// For lists and searches, which may be a little behind. A replica may answer these, and nothing else.
    pub async fn all_stale(&self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, Fault> {
        #[cfg(feature = "faults")]
        if matches!(&self.0.engine, Engine::Faulty(_, plan) if plan.lags()) {
            return Ok(Vec::new());
        }
        self.all(sql, values).await
    }

    /// For work without a caller. False: somebody else was quicker.
    pub async fn try_apply(&self, change: Change, what: &str) -> Result<bool, Fault> {
        match self.apply(change).await {
            Ok(_) => Ok(true),
            Err(NotApplied::Conflict(_)) => Ok(false),
            Err(other) => Err(other.into_fault(what)),
        }
    }

    pub async fn apply(&self, change: Change) -> Result<Applied, NotApplied> {
        let events = change.events();
        let started = Instant::now();
        let under_way = self.0.ids.begin(change.now_ms());
        let outcome = self.apply_on_engine(change, under_way).await;
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

    /// `under_way` holds the audit's horizon back until the outcome is known. It goes with the change, whose caller may give up waiting.
    async fn apply_on_engine(&self, change: Change, under_way: UnderWay) -> Result<Applied, NotApplied> {
        match &self.0.engine {
            Engine::Sqlite(engine) => {
                let mut draft = change.into_draft();
                draft.draw(&mut |now| self.0.ids.next(now));
                let first_entry = draft.own_statements().len();
                match engine.apply(draft.into_statements()).await {
                    // An id that is there already says nothing about the change: whoever asks again draws another one.
                    Err(NotApplied::Conflict(at)) if at >= first_entry => Err(NotApplied::Busy),
                    other => other,
                }
            }
            Engine::Postgres(engine) => engine.apply(change.into_draft(), under_way).await,
            #[cfg(feature = "faults")]
            Engine::Faulty(engine, plan) => Box::pin(apply_with_fate(engine, plan.fate_of(&change), change)).await,
        }
    }

    /// No audit entry from before this instant can still appear: a follower may read so far. Ids are chosen right before a
    /// change is sent. A change under way holds the instant back; on PostgreSQL a change of any node does.
    pub async fn settled_before(&self, now_ms: i64) -> Result<i64, Fault> {
        let own_ms = self.0.ids.earliest().unwrap_or(now_ms);
        let others_ms = match &self.0.engine {
            Engine::Postgres(engine) => {
                engine.all(OLDEST, &[]).await?.first().map(|row| row.opt_int("age_ms")).transpose()?.flatten().unwrap_or(0)
            }
            _ => 0,
        };
        Ok(own_ms.min(now_ms - others_ms) - SETTLING_MS)
    }

    /// Compares our clock with the database's. Nodes agree with each other if each agrees with the database.
    pub async fn compare_clocks(&self, clock: &crate::clock::Clock) -> Result<(), Fault> {
        let Engine::Postgres(engine) = &self.0.engine else { return Ok(()) };
        let before_ms = clock();
        let rows = engine.all("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms", &[]).await?;
        let after_ms = clock();
        let theirs_ms = rows.first().map_or(Ok(before_ms), |row| row.int("now_ms"))?;
        // The database read its clock between these two instants.
        let offset_ms = theirs_ms - theirs_ms.clamp(before_ms, after_ms);
        self.0.offset_ms.store(offset_ms, Ordering::Relaxed);
        if offset_ms.abs() > MOST_OFFSET_MS {
            tracing::error!(offset_ms, "the database's clock and ours differ: set both by NTP");
        }
        Ok(())
    }

    /// What an operator should know of the database.
    pub async fn remarks(&self) -> Result<Vec<String>, Fault> {
        match &self.0.engine {
            Engine::Postgres(engine) => engine.remarks().await,
            _ => Ok(Vec::new()),
        }
    }

    /// How far the database's clock is ahead of ours; always 0 with SQLite.
    pub fn clock_offset_ms(&self) -> i64 {
        self.0.offset_ms.load(Ordering::Relaxed)
    }

    pub async fn healthy(&self) -> Result<(), Fault> {
        if let Engine::Sqlite(engine) = &self.0.engine {
            engine.must_be_at_its_path()?;
        }
        self.one(tables::fact::READ, &["schema".into()]).await?.map(|_| ()).ok_or_else(|| Fault::new("no schema"))
    }

    /// May other processes have this store open?
    pub fn has_nodes(&self) -> bool {
        match &self.0.engine {
            Engine::Sqlite(_) => false,
            Engine::Postgres(_) => true,
            #[cfg(feature = "faults")]
            Engine::Faulty(engine, _) => engine.has_nodes(),
        }
    }

    /// Gives room that deleted rows left back to the disk. PostgreSQL does that by itself.
    pub fn shrink(&self) {
        if let Engine::Sqlite(engine) = &self.0.engine {
            engine.shrink();
        }
    }

    /// Waits for what was acknowledged and lets go of the files.
    pub async fn close(&self) {
        match &self.0.engine {
            Engine::Sqlite(engine) => engine.close().await,
            Engine::Postgres(_) => {}
            #[cfg(feature = "faults")]
            Engine::Faulty(engine, _) => Box::pin(engine.close()).await,
        }
    }

    /// The engine's name, for what an operator reads.
    pub fn engine(&self) -> &'static str {
        match &self.0.engine {
            Engine::Sqlite(_) => "sqlite",
            Engine::Postgres(_) => "postgres",
            #[cfg(feature = "faults")]
            Engine::Faulty(..) => "faulty",
        }
    }
}

/// How long the oldest transaction that writes has been running, in milliseconds.
const OLDEST: &str = "SELECT (max(extract(epoch FROM clock_timestamp() - xact_start)) * 1000)::bigint AS age_ms FROM pg_stat_activity \
    WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()";
/// Clocks of nodes may differ by so much, and a change takes a moment from its id to its transaction.
const SETTLING_MS: i64 = 2000;
