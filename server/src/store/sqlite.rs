//! SQLite: one writer thread that commits in groups, readers of its own. WAL, synchronous=FULL: a change is answered
//! after its COMMIT reached the disk.

mod writer;

use super::change::{ApplyResult, NotApplied, Statement};
use super::migrate;
use super::options::StoreOptions;
use super::value::{Columns, Row, Value};
use crate::error::Fault;
use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// WAL-reset data loss is fixed from here on.
const OLDEST: i32 = 3_051_003;

enum Job {
    Apply(Vec<Statement>, oneshot::Sender<ApplyResult>),
    Shrink,
    Close(oneshot::Sender<()>),
}

pub struct Sqlite {
    writer: SyncSender<Job>,
    readers: Arc<Readers>,
}

/// The connections that read. One is opened when none is free, up to a number.
struct Readers {
    path: PathBuf,
    most: usize,
    line: Mutex<ReaderQueue>,
    bell: Condvar,
}

#[derive(Default)]
struct ReaderQueue {
    /// The last one used is the next one taken: its caches are warm.
    free: Vec<Reader>,
    in_use: usize,
    /// Callers that wait until one is free.
    waiting: usize,
}

/// A reader in use. It is given back when this is dropped.
struct Taken<'a> {
    readers: &'a Readers,
    /// Absent after it was given back.
    reader: Option<Reader>,
}

/// A connection that only reads, and what it knows of the statements it was asked to run.
struct Reader {
    connection: Connection,
    known: HashMap<Address, TranslatedText>,
}

/// Address and length of a statement's text, which is never freed. Comparing it whole would cost as much as running it.
type Address = (usize, usize);

fn address(sql: &'static str) -> Address {
    (sql.as_ptr().addr(), sql.len())
}

struct TranslatedText {
    /// With places that SQLite understands.
    text: String,
    columns: Arc<Columns>,
}

impl Sqlite {
    pub fn open(path: &str, options: &StoreOptions) -> Result<Self, Fault> {
        if rusqlite::version_number() < OLDEST {
            return Err(Fault::new(format!("SQLite {} loses data; 3.51.3 or later is needed", rusqlite::version())));
        }
        let path = PathBuf::from(path);
        let interrupted = std::fs::metadata(format!("{}-wal", path.display())).is_ok_and(|it| it.len() > 0);
        let mut connection = writer::writing(&path)?;
        if interrupted {
            check_integrity(&connection)?;
        }
        migrate_schema(&mut connection)?;
        prove_affinity(&connection)?;
        let readers = Arc::new(Readers::open(&path, options.readers)?);
        let (queue, jobs) = sync_channel(options.queue.max(1));
        std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || writer::write(connection, &path, &jobs))
            .map_err(|it| Fault::new(format!("no thread for the writer: {it}")))?;
        Ok(Self { writer: queue, readers })
    }

    /// A read of one row takes microseconds, so it runs on the calling thread.
    pub fn one(&self, sql: &'static str, values: &[Value]) -> Result<Option<Row>, Fault> {
        Ok(self.readers.take(0)?.read(sql, values, 1)?.into_iter().next())
    }

    /// A few rows take not much longer.
    pub fn few(&self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, Fault> {
        self.readers.take(0)?.read(sql, values, usize::MAX)
    }

    /// A list may be long: it runs on a thread where waiting is allowed, and never takes the last readers.
    pub async fn all(&self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, Fault> {
        let (readers, values) = (Arc::clone(&self.readers), values.to_vec());
        let read = move || readers.take(readers.most / 2)?.read(sql, &values, usize::MAX);
        tokio::task::spawn_blocking(read).await.map_err(|it| Fault::new(it.to_string()))?
    }

    pub async fn apply(&self, statements: Vec<Statement>) -> ApplyResult {
        let (answer, answered) = oneshot::channel();
        match self.writer.try_send(Job::Apply(statements, answer)) {
            Ok(()) => answered.await.unwrap_or_else(|_| Err(NotApplied::Fault(Fault::new("the writer has stopped")))),
            Err(TrySendError::Full(_)) => Err(NotApplied::Busy),
            Err(TrySendError::Disconnected(_)) => Err(NotApplied::Fault(Fault::new("the writer has stopped"))),
        }
    }

    /// Gives room that deleted rows left back to the disk, a little at a time.
    pub fn shrink(&self) {
        let _ = self.writer.try_send(Job::Shrink);
    }

    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.writer.try_send(Job::Close(done)).is_ok() {
            let _ = closed.await;
        }
    }
}

fn fault(error: &rusqlite::Error) -> Fault {
    let text = format!("SQLite: {error}");
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked,
        ) => Fault::store_away(text),
        _ => Fault::new(text),
    }
}

/// A new store is its owner's alone; SQLite gives the files beside it the same rights.
fn create_private(path: &PathBuf) -> Result<(), Fault> {
    use std::os::unix::fs::OpenOptionsExt;
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(Fault::new(format!("cannot create {}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

fn connect(path: &PathBuf) -> Result<Connection, Fault> {
    create_private(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|it| Fault::new(format!("cannot open {}: {it}", path.display())))?;
    let set = || {
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", 4000)?;
        // Plans do not depend on the values: without this, statements are planned again at every use.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.pragma_update(None, "trusted_schema", false)
    };
    set().map_err(|it| fault(&it))?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(connection)
}

fn reader(path: &PathBuf) -> Result<Reader, Fault> {
    let connection = connect(path)?;
    connection.pragma_update(None, "query_only", true).map_err(|it| fault(&it))?;
    Ok(Reader { connection, known: HashMap::new() })
}

impl Readers {
    /// With the first one, so that an error shows at the start.
    fn open(path: &PathBuf, most: usize) -> Result<Self, Fault> {
        let line = ReaderQueue { free: vec![reader(path)?], in_use: 0, waiting: 0 };
        Ok(Self { path: path.clone(), most: most.max(1), line: Mutex::new(line), bell: Condvar::new() })
    }

    fn line(&self) -> MutexGuard<'_, ReaderQueue> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first one that is free, while so many are left for others.
    fn take(&self, left: usize) -> Result<Taken<'_>, Fault> {
        let mut line = self.line();
        while line.in_use + left >= self.most {
            line.waiting += 1;
            line = self.bell.wait(line).unwrap_or_else(PoisonError::into_inner);
            line.waiting -= 1;
        }
        line.in_use += 1;
        let mut taken = Taken { readers: self, reader: line.free.pop() };
        drop(line);
        if taken.reader.is_none() {
            taken.reader = Some(reader(&self.path)?);
        }
        Ok(taken)
    }
}

impl Taken<'_> {
    /// At most so many rows.
    fn read(&mut self, sql: &'static str, values: &[Value], most: usize) -> Result<Vec<Row>, Fault> {
        let reader = self.reader.as_mut().ok_or_else(|| Fault::new("no reader"))?;
        reader.run(sql, values, most).map_err(|error| fault(&error))
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut line = self.readers.line();
        line.in_use -= 1;
        line.free.extend(self.reader.take());
        let is_awaited = line.waiting > 0;
        drop(line);
        // Whoever is woken may have to leave this one to others. So all look.
        if is_awaited {
            self.readers.bell.notify_all();
        }
    }
}

/// To SQLite `$1` is a name, bound by first appearance; `?1` is a place.
fn placed(sql: &str) -> String {
    sql.replace('$', "?")
}

fn bind(statement: &mut rusqlite::CachedStatement<'_>, values: &[Value]) -> rusqlite::Result<()> {
    for (at, value) in values.iter().enumerate() {
        match value {
            Value::Int(value) => statement.raw_bind_parameter(at + 1, value)?,
            Value::Text(value) => statement.raw_bind_parameter(at + 1, value)?,
            Value::Bytes(value) => statement.raw_bind_parameter(at + 1, value)?,
            Value::Null => statement.raw_bind_parameter(at + 1, rusqlite::types::Null)?,
        }
    }
    Ok(())
}

impl Reader {
    /// At most so many rows.
    fn run(&mut self, sql: &'static str, values: &[Value], most: usize) -> rusqlite::Result<Vec<Row>> {
        let known = match self.known.entry(address(sql)) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let text = placed(sql);
                let columns = Arc::new(Columns::new(self.connection.prepare_cached(&text)?.column_names()));
                entry.insert(TranslatedText { text, columns })
            }
        };
        let mut statement = self.connection.prepare_cached(&known.text)?;
        bind(&mut statement, values)?;
        let count = statement.column_count();
        let mut rows = statement.raw_query();
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(Row::new(values_of(row, count)?, &known.columns));
            if found.len() == most {
                break;
            }
        }
        Ok(found)
    }
}

fn values_of(row: &rusqlite::Row<'_>, columns: usize) -> rusqlite::Result<Vec<Value>> {
    let mut values = Vec::with_capacity(columns);
    for at in 0..columns {
        values.push(match row.get_ref(at)? {
            ValueRef::Integer(value) => Value::Int(value),
            ValueRef::Text(value) => Value::Text(String::from_utf8_lossy(value).into_owned()),
            ValueRef::Blob(value) => Value::Bytes(value.to_vec()),
            ValueRef::Null => Value::Null,
            ValueRef::Real(_) => return Err(rusqlite::Error::InvalidColumnType(at, "REAL".to_owned(), rusqlite::types::Type::Real)),
        });
    }
    Ok(values)
}

fn migrate_schema(connection: &mut Connection) -> Result<(), Fault> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(|it| fault(&it))?;
    let has: i64 = transaction
        .query_row("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'fact'", [], |row| row.get(0))
        .map_err(|it| fault(&it))?;
    let state: String = if has == 0 {
        String::new()
    } else {
        transaction.query_row("SELECT value FROM fact WHERE name = 'schema'", [], |row| row.get(0)).map_err(|it| fault(&it))?
    };
    let seen = migrate::seen(&state)
        .ok_or_else(|| Fault::new("this database was made by another version of the server (its migrations differ)"))?;
    for (_, text) in &migrate::MIGRATIONS[seen..] {
        transaction.execute_batch(text).map_err(|it| fault(&it))?;
    }
    transaction
        .execute(
            "INSERT INTO fact (name, value) VALUES ('schema', ?1) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [migrate::state(migrate::MIGRATIONS.len())],
        )
        .map_err(|it| fault(&it))?;
    transaction.commit().map_err(|it| fault(&it))
}

/// After a crash pages may be torn or lost (a clean stop leaves no write-ahead log). A row that is missing from an index would allow
/// a second use of what was spent. So nothing is served before the whole file is checked (612-Q).
fn check_integrity(connection: &Connection) -> Result<(), Fault> {
    let damaged = |why: &str| {
        Fault::new(format!(
            "the database is damaged ({why}); put a copy back, then run `symbolon recover`. Nothing is served from this one"
        ))
    };
    match connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0)) {
        Ok(found) if found == "ok" => Ok(()),
        Ok(found) => Err(damaged(&found)),
        Err(error) => Err(damaged(&error.to_string())),
    }
}

/// BYTEA has numeric affinity in SQLite: prove at every start that bytes which look like a number stay bytes.
fn prove_affinity(connection: &Connection) -> Result<(), Fault> {
    let prove = || -> rusqlite::Result<bool> {
        connection.execute_batch("CREATE TEMP TABLE affinity (it BYTEA)")?;
        connection.execute("INSERT INTO affinity (it) VALUES (?1)", [&b"123"[..]])?;
        let kind: String = connection.query_row("SELECT typeof(it) FROM affinity", [], |row| row.get(0))?;
        connection.execute_batch("DROP TABLE affinity")?;
        Ok(kind == "blob")
    };
    match prove().map_err(|it| fault(&it))? {
        true => Ok(()),
        false => Err(Fault::new("SQLite turned bytes into a number; this build of it cannot be used")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::tables;
    use super::*;
    use rusqlite::StatementStatus;

    fn in_directory(name: &str, test: impl FnOnce(&PathBuf)) {
        let directory = std::env::temp_dir().join(format!("symbolon-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("test.db");
        migrate_schema(&mut connect(&path).unwrap()).unwrap();
        test(&path);
        std::fs::remove_dir_all(&directory).unwrap();
    }

    /// Whoever waits gets the reader that is free first, whichever it is. Lists leave some to the reads of one row.
    #[test]
    fn a_read_waits_for_any_reader() {
        in_directory("readers", |path| {
            let readers = Readers::open(path, 2).unwrap();
            let list = readers.take(1).unwrap();
            let one = readers.take(0).unwrap();
            std::thread::scope(|scope| {
                let waiting = scope.spawn(|| readers.take(0).map(|mut taken| taken.read("SELECT 1 AS one", &[], 1).unwrap().len()));
                let other_list = scope.spawn(|| readers.take(1).map(drop));
                std::thread::sleep(Duration::from_millis(20));
                assert!(!waiting.is_finished() && !other_list.is_finished());
                // The second one, while the first stays in use.
                drop(one);
                assert_eq!(waiting.join().unwrap().unwrap(), 1);
                std::thread::sleep(Duration::from_millis(20));
                assert!(!other_list.is_finished(), "the last reader is not for a list");
                drop(list);
                other_list.join().unwrap().unwrap();
            });
            let line = readers.line();
            assert_eq!((line.free.len(), line.in_use), (2, 0));
        });
    }

    /// Planning a query again because its parameters changed costs more than running it.
    #[test]
    fn a_prepared_statement_stays_prepared() {
        in_directory("prepared", stays_prepared);
    }

    fn stays_prepared(path: &PathBuf) {
        let mut reader = reader(path).unwrap();
        for sql in [tables::app_grant::READ, tables::app_grant::WITH_INSTANCE, tables::app_grant::WITH_TOKEN, tables::session::READ] {
            for round in 0_u8..3 {
                let values: Vec<Value> = (0..sql.matches('$').count()).map(|_| Value::from(&[round; 16][..])).collect();
                assert!(reader.run(sql, &values, 1).unwrap().is_empty());
            }
            let statement = reader.connection.prepare_cached(&placed(sql)).unwrap();
            println!("{} {}", statement.get_status(StatementStatus::RePrepare), statement.get_status(StatementStatus::Run));
            assert_eq!((statement.get_status(StatementStatus::RePrepare), statement.get_status(StatementStatus::Run)), (0, 3));
        }
    }
}
