//! PostgreSQL: changes are pipelined on one connection, BEGIN to COMMIT, with statements prepared beforehand on that very
//! connection. A guard that fails divides by zero inside the server, so nothing behind it can be committed.

mod connect;

pub use connect::{reach, weakness};

use super::change::{Applied, Expect, Marker, NotApplied, Statement};
use super::migrate;
use super::options::StoreOptions;
use super::tables;
use super::value::{Columns, Row, Value};
use crate::error::Fault;
use bytes::BytesMut;
use connect::Address;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, MutexGuard};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{IsNull, ToSql, Type};
use tokio_postgres::{Client, SimpleQueryMessage};

/// After this time a request counts as lost, even if the system still shows the connection as open.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long nobody tries to connect after somebody could not.
const PAUSE: Duration = Duration::from_millis(250);

pub struct Postgres {
    address: Box<Address>,
    pool: Vec<Mutex<Option<Connection>>>,
    next: AtomicUsize,
    /// When it could not be reached: requests that wait behind one that waited in vain are answered at once.
    unreachable: std::sync::Mutex<Option<Instant>>,
}

struct Connection {
    client: Client,
    prepared: HashMap<(&'static str, Option<u64>), Prepared>,
}

#[derive(Clone)]
struct Prepared {
    statement: tokio_postgres::Statement,
    columns: Arc<Columns>,
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Int(value) => value.to_sql(ty, out),
            Self::Text(value) => value.to_sql(ty, out),
            Self::Bytes(value) => value.to_sql(ty, out),
            Self::Null => Ok(IsNull::Yes),
        }
    }
    fn accepts(ty: &Type) -> bool {
        [Type::INT8, Type::TEXT, Type::BYTEA].contains(ty)
    }
    tokio_postgres::types::to_sql_checked!();
}

fn fault(error: &tokio_postgres::Error) -> Fault {
    match error.as_db_error() {
        Some(it) => {
            let text = format!("PostgreSQL: {} ({})", it.message(), it.code().code());
            // Connection lost, no resources (disk, memory, connections), stopped or starting, I/O error; 25006: it became a replica.
            let is_away = ["08", "53", "57", "58", "25006"].iter().any(|class| it.code().code().starts_with(class));
            if is_away { Fault::store_away(text) } else { Fault::new(text) }
        }
        None if error.is_closed() => Fault::store_away(format!("PostgreSQL: {error}")),
        None => Fault::new(format!("PostgreSQL: {error}")),
    }
}

impl Postgres {
    pub async fn open(url: &str, options: &StoreOptions) -> Result<Self, Fault> {
        let address = Address::parse(url)?;
        let mut first = Connection::new(&address).await?;
        check_sessions(&first.client, &address).await?;
        check_settings(&first.client).await?;
        migrate_schema(&mut first.client).await?;
        let mut pool: Vec<_> = (1..options.connections.max(2)).map(|_| Mutex::new(None)).collect();
        pool.push(Mutex::new(Some(first)));
        Ok(Self { address: Box::new(address), pool, next: AtomicUsize::new(0), unreachable: std::sync::Mutex::default() })
    }

    /// A connection that nobody uses, else the next in turn. A broken one is replaced.
    async fn connection(&self) -> Result<Lease<'_>, Fault> {
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        let free = (0..self.pool.len()).find_map(|it| self.pool[(start + it) % self.pool.len()].try_lock().ok());
        let mut lease = match free {
            Some(connection) => connection,
            None => self.pool[start % self.pool.len()].lock().await,
        };
        if lease.as_ref().is_none_or(|it| it.client.is_closed()) {
            *lease = Some(self.connect().await?);
        }
        Ok(Lease(lease))
    }

    async fn connect(&self) -> Result<Connection, Fault> {
        let unreachable = || self.unreachable.lock().unwrap_or_else(PoisonError::into_inner);
        if unreachable().is_some_and(|since| since.elapsed() < PAUSE) {
            return Err(Fault::store_away("PostgreSQL could not be reached a moment ago"));
        }
        let made = Connection::new(&self.address).await;
        *unreachable() = made.is_err().then(Instant::now);
        made
    }

    /// A connection may have died unnoticed, as when the database was restarted. Then the statement is sent once more.
    pub async fn all(&self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, Fault> {
        let mut lease = self.connection().await?;
        let mut again = true;
        loop {
            let Ok(found) = tokio::time::timeout(PATIENCE, lease.get()?.query(sql, values)).await else {
                lease.drop_connection();
                return Err(Fault::store_away("PostgreSQL did not answer in time"));
            };
            if again && found.is_err() && lease.get()?.client.is_closed() {
                drop(lease);
                (lease, again) = (self.connection().await?, false);
                continue;
            }
            let (rows, columns) = found.map_err(|error| fault(&error))?;
            return rows.iter().map(|row| from_row(row, &columns)).collect();
        }
    }

    pub async fn remarks(&self) -> Result<Vec<String>, Fault> {
        let sql = "SELECT current_setting('synchronous_standby_names') AS standby, current_setting('synchronous_commit') AS commit, \
            current_setting('fsync') AS fsync";
        let rows = self.all(sql, &[]).await?;
        let Some(row) = rows.first() else { return Ok(Vec::new()) };
        let (standby, commit, fsync) = (row.text("standby")?, row.text("commit")?, row.text("fsync")?);
        let copies = match (standby, commit) {
            ("", _) | (_, "local" | "off") => "database: no synchronous standby; what it acknowledged is lost with its disk".to_owned(),
            (names, _) => format!("database: synchronous standby {names}; what was acknowledged is on two machines"),
        };
        let careless = (fsync == "off" || commit == "off")
            .then(|| "database: fsync or synchronous_commit is off: a crash loses what was acknowledged".to_owned());
        Ok(std::iter::once(copies).chain(careless).collect())
    }

    /// `make` is called once there is a connection, so that the ids are as new as possible.
    pub async fn apply(&self, make: impl FnOnce() -> (Vec<Statement>, Option<Marker>)) -> Result<Applied, NotApplied> {
        let mut lease = self.connection().await.map_err(NotApplied::Fault)?;
        let (statements, marker) = make();
        for attempt in 0..5 {
            let tried = tokio::time::timeout(PATIENCE, attempt_on(&mut lease, &statements)).await.unwrap_or_else(|_| {
                lease.drop_connection();
                Tried::Lost
            });
            match tried {
                Tried::Applied => return Ok(Applied),
                Tried::Conflict(at) => return Err(NotApplied::Conflict(at)),
                Tried::Failed(fault) => return Err(NotApplied::Fault(fault)),
                Tried::Locked => return Err(NotApplied::Busy),
                Tried::Lost => {
                    drop(lease);
                    return self.resolve(marker).await;
                }
                Tried::Again => {
                    drop(lease);
                    tokio::time::sleep(Duration::from_millis(3 << attempt)).await;
                    lease = self.connection().await.map_err(NotApplied::Fault)?;
                }
            }
        }
        Err(NotApplied::Busy)
    }

    /// The connection died after COMMIT was sent: the audit entry says whether it was carried out.
    async fn resolve(&self, marker: Option<Marker>) -> Result<Applied, NotApplied> {
        let Some(marker) = marker else { return Err(NotApplied::Unknown) };
        let sql = if marker.security { tables::audit::FIND_SECURITY } else { tables::audit::FIND_ROUTINE };
        match self.all(sql, &[Value::from(&marker.id[..])]).await {
            Ok(found) if !found.is_empty() => Ok(Applied),
            _ => Err(NotApplied::Unknown),
        }
    }
}

enum Tried {
    Applied,
    Conflict(usize),
    Again,
    /// Somebody else, such as an operator's own transaction, holds a row for too long.
    Locked,
    Lost,
    Failed(Fault),
}

async fn attempt_on(lease: &mut Lease<'_>, statements: &[Statement]) -> Tried {
    let connection = match lease.get() {
        Ok(connection) => connection,
        Err(fault) => return Tried::Failed(fault),
    };
    // Prepared first: an unprepared statement would be sent after COMMIT, and its failure would roll back nothing.
    let mut prepared = Vec::with_capacity(statements.len());
    for wanted in statements {
        let guard = match wanted.expect {
            Expect::Exactly(wanted) => Some(wanted),
            Expect::Any => None,
        };
        match connection.prepare(wanted.sql, guard).await {
            Ok(ready) => prepared.push(ready.statement),
            // Nothing was sent yet.
            Err(_) if connection.client.is_closed() => return Tried::Again,
            Err(error) => return Tried::Failed(fault(&error)),
        }
    }
    send(&connection.client, statements, &prepared).await
}

/// BEGIN, the statements and COMMIT in one flight. Success is every statement Ok and COMMIT Ok: a COMMIT after an abort
/// answers Ok too.
async fn send(client: &Client, statements: &[Statement], prepared: &[tokio_postgres::Statement]) -> Tried {
    let running: Vec<_> = statements
        .iter()
        .zip(prepared)
        .map(|(wanted, statement)| {
            let values = parameters(&wanted.values);
            async move { client.query(statement, &values).await.map(|_| ()) }
        })
        .collect();
    let all = async {
        let mut outcomes = Vec::with_capacity(running.len());
        for outcome in join_all(running).await {
            outcomes.push(outcome);
        }
        outcomes
    };
    let (begun, outcomes, committed) = tokio::join!(client.batch_execute("BEGIN"), all, client.batch_execute("COMMIT"));
    if let Err(error) = begun {
        return if error.is_closed() { Tried::Lost } else { Tried::Failed(fault(&error)) };
    }
    for (at, outcome) in outcomes.into_iter().enumerate() {
        let Err(error) = outcome else { continue };
        return match error.code() {
            Some(code) if *code == SqlState::DIVISION_BY_ZERO || *code == SqlState::UNIQUE_VIOLATION => Tried::Conflict(at),
            Some(code) if *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED => Tried::Again,
            Some(code) if *code == SqlState::LOCK_NOT_AVAILABLE => Tried::Locked,
            None if error.is_closed() => Tried::Lost,
            Some(code) if code.code().starts_with("57P") => Tried::Lost,
            _ => Tried::Failed(fault(&error)),
        };
    }
    match committed {
        Ok(()) => Tried::Applied,
        // 57P0x: the server ended the connection. Whether before or after the commit, the audit entry tells.
        Err(error) if error.code().is_none_or(|it| it.code().starts_with("57P")) => Tried::Lost,
        Err(error) => Tried::Failed(fault(&error)),
    }
}

/// Polls all futures in order, so that their messages leave in order.
async fn join_all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut slots: Vec<(std::pin::Pin<Box<F>>, Option<F::Output>)> = futures.into_iter().map(|it| (Box::pin(it), None)).collect();
    std::future::poll_fn(move |context| {
        let mut pending = false;
        for (future, slot) in &mut slots {
            if slot.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(output) => *slot = Some(output),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        if pending {
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(slots.iter_mut().filter_map(|it| it.1.take()).collect())
    })
    .await
}

/// A connection of the pool, in use.
struct Lease<'a>(MutexGuard<'a, Option<Connection>>);

impl Lease<'_> {
    fn get(&mut self) -> Result<&mut Connection, Fault> {
        self.0.as_mut().ok_or_else(|| Fault::store_away("no connection"))
    }

    /// The next user of this place connects anew.
    fn drop_connection(&mut self) {
        *self.0 = None;
    }
}

impl Connection {
    async fn new(address: &Address) -> Result<Self, Fault> {
        Ok(Self { client: address.connect().await?, prepared: HashMap::new() })
    }

    async fn query(&mut self, sql: &'static str, values: &[Value]) -> Result<Answer, tokio_postgres::Error> {
        let prepared = self.prepare(sql, None).await?;
        let rows = self.client.query(&prepared.statement, &parameters(values)).await?;
        Ok((rows, prepared.columns))
    }

    async fn prepare(&mut self, sql: &'static str, guard: Option<u64>) -> Result<Prepared, tokio_postgres::Error> {
        if let Some(known) = self.prepared.get(&(sql, guard)) {
            return Ok(known.clone());
        }
        let text = match guard {
            None => sql.to_owned(),
            Some(wanted) => {
                format!("WITH x AS ({sql} RETURNING 1 AS one) SELECT 1/(CASE WHEN count(*) = {wanted} THEN 1 ELSE 0 END) FROM x")
            }
        };
        let statement = self.client.prepare(&text).await?;
        let columns = Arc::new(Columns::new(statement.columns().iter().map(tokio_postgres::Column::name)));
        let prepared = Prepared { statement, columns };
        self.prepared.insert((sql, guard), prepared.clone());
        Ok(prepared)
    }
}

fn parameters(values: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|it| it as &(dyn ToSql + Sync)).collect()
}

/// The rows of a query, and what their columns are called.
type Answer = (Vec<tokio_postgres::Row>, Arc<Columns>);

fn from_row(row: &tokio_postgres::Row, columns: &Arc<Columns>) -> Result<Row, Fault> {
    let mut values = Vec::with_capacity(row.len());
    for (at, column) in row.columns().iter().enumerate() {
        let value = match *column.type_() {
            Type::INT8 => row.try_get::<_, Option<i64>>(at).map(Value::from),
            Type::TEXT => row.try_get::<_, Option<String>>(at).map(Value::from),
            Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(at).map(Value::from),
            ref other => return Err(Fault::new(format!("column {at} has the type {other}"))),
        };
        values.push(value.map_err(|it| fault(&it))?);
    }
    Ok(Row::new(values, columns))
}

/// Statements are prepared, and limits set, on a connection that stays ours. Behind a pooler that lends connections for one transaction
/// (PgBouncer with `pool_mode = transaction`) two connections of ours share one of the server's, or one of ours has several.
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
    for (at, name) in [(0, "fsync"), (1, "synchronous_commit"), (2, "full_page_writes")] {
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
