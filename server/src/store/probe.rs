//! Would a server be able to open this store? Looked at without a change: no schema is brought up to date, no file is made.

use super::postgres::reach;
use super::{Store, migrate};
use crate::error::Fault;
use rusqlite::{Connection, OpenFlags};
use rustix::fs::{Access, access};
use std::fs::OpenOptions;
use std::path::Path;

/// A signing key as it is kept: its name, and what only the master key opens.
pub struct Sealed {
    pub kid: String,
    pub private: Vec<u8>,
}

const SCHEMA: &str = "SELECT value FROM fact WHERE name = 'schema'";
const KEYS: &str = "SELECT kid, private FROM signing_key ORDER BY kid";

impl Store {
    /// `url` as in `open`. Answers the signing keys of a store that is there.
    pub async fn probe(url: &str) -> Result<Vec<Sealed>, Fault> {
        match url.strip_prefix("sqlite:") {
            Some(path) => probe_file(Path::new(path)),
            None if url.starts_with("postgres://") || url.starts_with("postgresql://") => probe_postgres(url).await,
            None => Err(Fault::new("`database` starts with sqlite: or postgres://")),
        }
    }
}

fn must_be_known(schema: &str) -> Result<(), Fault> {
    match migrate::seen(schema) {
        Some(_) => Ok(()),
        None => Err(Fault::new("this database was made by another version of the server (its migrations differ)")),
    }
}

async fn probe_postgres(url: &str) -> Result<Vec<Sealed>, Fault> {
    let fault = |error: tokio_postgres::Error| Fault::new(format!("PostgreSQL: {error}"));
    let client = reach(url).await?;
    let has = client.query_one("SELECT to_regclass('fact') IS NOT NULL", &[]).await.map_err(fault)?;
    if !has.try_get::<_, bool>(0).map_err(fault)? {
        return Ok(Vec::new());
    }
    must_be_known(client.query_one(SCHEMA, &[]).await.map_err(fault)?.try_get(0).map_err(fault)?)?;
    let rows = client.query(KEYS, &[]).await.map_err(fault)?;
    rows.iter().map(|row| Ok(Sealed { kid: row.try_get(0).map_err(fault)?, private: row.try_get(1).map_err(fault)? })).collect()
}

fn probe_file(path: &Path) -> Result<Vec<Sealed>, Fault> {
    let named = |why: String| Fault::new(format!("database {}: {why}", path.display()));
    if !path.exists() {
        let directory = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
        return match std::fs::metadata(directory) {
            Ok(about) if about.is_dir() && may_make_files(directory) => Ok(Vec::new()),
            Ok(_) => Err(named(format!("cannot write to the directory {}", directory.display()))),
            Err(error) => Err(named(format!("{}: {error}", directory.display()))),
        };
    }
    OpenOptions::new().read(true).write(true).open(path).map_err(|error| named(error.to_string()))?;
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|error| named(error.to_string()))?;
    let (schema, keys) = read_file(&connection).map_err(|error| named(error.to_string()))?;
    must_be_known(&schema)?;
    Ok(keys)
}

/// May this process make files there? Mode bits alone do not tell: whose the directory is matters, and how its disk is mounted.
fn may_make_files(directory: &Path) -> bool {
    access(directory, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

fn read_file(connection: &Connection) -> rusqlite::Result<(String, Vec<Sealed>)> {
    let tables = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('fact', 'signing_key')";
    if connection.query_row(tables, [], |row| row.get::<_, i64>(0))? < 2 {
        return Ok((String::new(), Vec::new()));
    }
    let schema = connection.query_row(SCHEMA, [], |row| row.get(0))?;
    let mut statement = connection.prepare(KEYS)?;
    let keys = statement.query_map([], |row| Ok(Sealed { kid: row.get(0)?, private: row.get(1)? }))?;
    Ok((schema, keys.collect::<rusqlite::Result<_>>()?))
}
