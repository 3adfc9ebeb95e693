//! PostgreSQL: waiting changes leave in groups (`groups`), on connections that speak the protocol themselves (`wire`). A guard that fails
//! divides by zero inside the server, so nothing of its transaction can be committed. The start, and what an operator asks once, goes
//! through tokio-postgres.

mod connect;
mod groups;
mod pool;
mod queue;
mod reads;
mod startup;
mod wire;

pub use connect::weakness;

use super::change::{Applied, Draft, NotApplied};
use super::ids::{Ids, UnderWay};
use super::migrate;
use super::options::StoreOptions;
use super::value::{Row, Value};
use crate::error::Fault;
use connect::Address;
use pool::{Pool, Shared};
use queue::{Queue, QueuedChange};
use reads::Reads;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio_postgres::{Client, SimpleQueryMessage};

/// Two flights overlap where one cannot carry all that waits: while it waits for the disk, the next one is carried out.
const MOST_WRITERS: usize = 2;

pub struct Postgres(Arc<Shared>);

fn fault(error: &tokio_postgres::Error) -> Fault {
    match error.as_db_error() {
        Some(said) => wire::said_fault(said.code().code(), said.message()),
        None if error.is_closed() => Fault::store_away(format!("PostgreSQL: {error}")),
        None => Fault::new(format!("PostgreSQL: {error}")),
    }
}

impl Postgres {
    pub async fn open(url: &str, options: &StoreOptions, ids: Arc<Ids>) -> Result<Self, Fault> {
        let address = Address::parse(url)?;
        let mut first = address.connect().await?;
        check_sessions(&first, &address).await?;
        check_settings(&first).await?;
        migrate_schema(&mut first).await?;
        drop(first);
        let connections = options.connections.max(2);
        let writers = (connections / 4).clamp(1, MOST_WRITERS);
        let shared = Arc::new(Shared {
            address,
            pool: Pool::new(connections - writers),
            reads: Reads::default(),
            losses: AtomicU64::new(0),
            unreachable: std::sync::Mutex::default(),
            queue: Queue::new(options.queue),
            ids,
        });
        for at in 0..writers {
            tokio::spawn(groups::write(Arc::clone(&shared), at > 0));
        }
        Ok(Self(shared))
    }

    pub async fn all(&self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, Fault> {
        self.0.all(sql, values).await
    }

    pub async fn remarks(&self) -> Result<Vec<String>, Fault> {
        let sql = "SELECT current_setting('synchronous_standby_names') AS standby, current_setting('synchronous_commit') AS commit, \
            current_setting('fsync') AS fsync";
        let rows = self.all(sql, &[]).await?;
        let Some(row) = rows.first() else { return Ok(Vec::new()) };
        let (standby, commit, fsync) = (row.text("standby")?, row.text("commit")?, row.text("fsync")?);
        let copies = match (standby, commit) {
            ("", _) | (_, "local") => "database: no synchronous standby; what it acknowledged is lost with its disk".to_owned(),
            (names, _) => format!("database: synchronous standby {names}; what was acknowledged is on two machines"),
        };
        let careless = (fsync == "off").then(|| "database: fsync is off: a crash loses what was acknowledged".to_owned());
        Ok(std::iter::once(copies).chain(careless).collect())
    }

    /// Answers when the outcome is known. Whoever gives up waiting cancels nothing.
    pub async fn apply(&self, draft: Draft, under_way: UnderWay) -> Result<Applied, NotApplied> {
        let (waiting, outcome) = QueuedChange::new(draft, under_way);
        if waiting.goes_alone() {
            groups::send_alone(&self.0, waiting);
        } else if self.0.queue.push(waiting).is_err() {
            return Err(NotApplied::Busy);
        }
        outcome.await.unwrap_or(Err(NotApplied::Unknown))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.0.queue.close();
    }
}

/// A connection to a database that this server could start on.
pub async fn reach(url: &str) -> Result<Client, Fault> {
    let address = Address::parse(url)?;
    let client = address.connect().await?;
    check_sessions(&client, &address).await?;
    check_settings(&client).await?;
    Ok(client)
}

/// Statements are prepared, and limits set, on a connection that stays ours. Some poolers lend connections for one transaction (PgBouncer
/// with `pool_mode = transaction`). Behind one, two connections of ours share one of the server's, or one of ours has several.
async fn check_sessions(first: &Client, address: &Address) -> Result<(), Fault> {
    let second = address.connect().await?;
    let mut processes = Vec::new();
    for client in [first, &second, first, &second] {
        // One message, which works through every pooler.
        let answer = client.simple_query("SELECT pg_backend_pid()").await.map_err(|it| fault(&it))?;
        let process = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        processes.push(process.ok_or_else(|| Fault::new("PostgreSQL does not say which process serves us"))?);
    }
    let stays_ours = processes[0] == processes[2] && processes[1] == processes[3] && processes[0] != processes[1];
    if !stays_ours {
        return Err(Fault::new(
            "`database` leads through a pooler that lends connections for one transaction, such as PgBouncer with pool_mode = transaction; \
             name PostgreSQL itself, or set pool_mode = session for this database",
        ));
    }
    Ok(())
}

/// The settings of the server that durability depends on.
async fn check_settings(client: &Client) -> Result<(), Fault> {
    let row = client
        .query_one(
            "SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes'), \
             pg_is_in_recovery()::text, datcollate::text FROM pg_database WHERE datname = current_database()",
            &[],
        )
        .await
        .map_err(|it| fault(&it))?;
    let text = |at: usize| row.try_get::<_, String>(at).map_err(|it| fault(&it));
    if text(1)? == "off" {
        return Err(Fault::new(startup::NOT_DURABLE));
    }
    for (at, name) in [(0, "fsync"), (2, "full_page_writes")] {
        if text(at)? == "off" {
            tracing::warn!("PostgreSQL runs with {name} = off: what was acknowledged can be lost");
        }
    }
    if text(3)? != "false" {
        return Err(Fault::new("this PostgreSQL server is a replica; name the primary"));
    }
    let collation = text(4)?;
    if collation != "C" && !collation.eq_ignore_ascii_case("C.UTF-8") && !collation.eq_ignore_ascii_case("C.utf8") {
        tracing::warn!(collation, "the database's collation is not C: nothing here orders text, but indexes will be slower");
    }
    Ok(())
}

async fn migrate_schema(client: &mut Client) -> Result<(), Fault> {
    let transaction = client.transaction().await.map_err(|it| fault(&it))?;
    // A migration may be slow, and it may wait for the one of another node.
    transaction.batch_execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0").await.map_err(|it| fault(&it))?;
    transaction.execute("SELECT pg_advisory_xact_lock(7967626)", &[]).await.map_err(|it| fault(&it))?;
    let has = transaction.query_one("SELECT to_regclass('fact') IS NOT NULL", &[]).await.map_err(|it| fault(&it))?;
    let state: String = if has.try_get::<_, bool>(0).map_err(|it| fault(&it))? {
        let row = transaction.query_one("SELECT value FROM fact WHERE name = 'schema'", &[]).await.map_err(|it| fault(&it))?;
        row.try_get(0).map_err(|it| fault(&it))?
    } else {
        String::new()
    };
    let seen = migrate::seen(&state)
        .ok_or_else(|| Fault::new("this database was made by another version of the server (its migrations differ)"))?;
    for (_, text) in &migrate::MIGRATIONS[seen..] {
        transaction.batch_execute(text).await.map_err(|it| fault(&it))?;
    }
    transaction
        .execute(
            "INSERT INTO fact (name, value) VALUES ('schema', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            &[&migrate::state(migrate::MIGRATIONS.len())],
        )
        .await
        .map_err(|it| fault(&it))?;
    transaction.commit().await.map_err(|it| fault(&it))
}
