//! How a connection to SQLite is opened, and what both sides of the store do with one.

use super::super::change::ROW_LOCK;
use super::super::migrate;
use super::super::value::Value;
use crate::error::Fault;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// WAL-reset data loss is fixed from here on.
const OLDEST: i32 = 3_051_003;

/// Negative: kibibytes and not pages (SQLite, PRAGMA cache_size). A small store never uses it up.
const WRITER_CACHE_KIB: i64 = -16 * 1024;

/// Address and length of a statement's text, which is never freed. Comparing it whole would cost as much as running it.
pub(super) type Address = (usize, usize);

pub(super) fn address(sql: &'static str) -> Address {
    (sql.as_ptr().addr(), sql.len())
}

/// Makes the file what this version wants, and opens it for the writer.
pub(super) fn prepare(path: &PathBuf) -> Result<Connection, Fault> {
    if rusqlite::version_number() < OLDEST {
        return Err(Fault::new(format!("SQLite {} loses data; 3.51.3 or later is needed", rusqlite::version())));
    }
    let interrupted = std::fs::metadata(format!("{}-wal", path.display())).is_ok_and(|it| it.len() > 0);
    create_private(path)?;
    let mut connection = open_to_write(path)?;
    if interrupted {
        check_integrity(&connection)?;
    }
    let is_new = migrate_schema(&mut connection)?;
    prove_affinity(&connection)?;
    if is_new {
        // Where a disk is not mounted, the log of a start says why nobody is known any more.
        tracing::info!(database = %path.display(), "there was no database at this path: a new one was made, without people or keys");
    }
    Ok(connection)
}

pub(super) fn fault(error: &rusqlite::Error) -> Fault {
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

/// SQLite says what is wrong, and not with which file. For the log and for operators: no client reads a fault.
pub(super) fn in_file(path: &Path, fault: Fault) -> Fault {
    fault.during(&format!("database {}", path.display()))
}

/// Device and inode: a file that was moved keeps them, and another one at its path has others.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct FileIdentity(u64, u64);

impl FileIdentity {
    pub(super) fn of(path: &Path) -> Result<Self, Fault> {
        let about = std::fs::metadata(path).map_err(|it| Fault::store_away(it.to_string()))?;
        Ok(Self(about.dev(), about.ino()))
    }

    /// A file that was deleted or moved can still be written. A further connection would open another one.
    pub(super) fn must_be_at(self, path: &Path) -> Result<(), Fault> {
        if Self::of(path).is_ok_and(|found| found == self) {
            return Ok(());
        }
        let lost = "the file that the server has open is not at this path any more. If it was moved, move it back. If it was deleted, stop \
                    the server, remove the files -wal and -shm beside it, put a copy back, and run `symbolon recover`";
        Err(in_file(path, Fault::store_away(lost)))
    }
}

/// A new store is its owner's alone; SQLite gives the files beside it the same rights.
pub(super) fn create_private(path: &PathBuf) -> Result<(), Fault> {
    use std::os::unix::fs::OpenOptionsExt;
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(Fault::new(format!("cannot create the file: {error}"))),
        _ => Ok(()),
    }
}

/// The file has to be there: only a start makes one.
pub(super) fn connect(path: &PathBuf) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|it| Fault::new(format!("cannot open the file: {it}")))?;
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

/// The writer keeps the upper pages of large tables in memory. A reader cannot: each commit of somebody else empties its cache.
pub(super) fn open_to_write(path: &PathBuf) -> Result<Connection, Fault> {
    let connection = connect(path)?;
    connection.pragma_update(None, "cache_size", WRITER_CACHE_KIB).map_err(|it| fault(&it))?;
    Ok(connection)
}

/// To SQLite `$1` is a name, bound by first appearance; `?1` is a place. It has no locks of rows, and needs none: one connection writes.
pub(super) fn placed(sql: &str) -> String {
    sql.strip_suffix(ROW_LOCK).unwrap_or(sql).replace('$', "?")
}

pub(super) fn bind(statement: &mut rusqlite::CachedStatement<'_>, values: &[Value]) -> rusqlite::Result<()> {
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

/// Was the store empty?
pub(super) fn migrate_schema(connection: &mut Connection) -> Result<bool, Fault> {
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
    transaction.commit().map_err(|it| fault(&it))?;
    Ok(has == 0)
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
