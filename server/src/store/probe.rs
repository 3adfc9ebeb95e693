//! Would a server be able to open this store? Looked at without a change: no schema is brought up to date, no file is made.

use super::Store;
use super::postgres::reach;
use crate::error::Fault;
use rusqlite::{Connection, OpenFlags};
use std::fs::OpenOptions;
use std::path::Path;

impl Store {
    /// `url` as in `open`.
    pub async fn probe(url: &str) -> Result<(), Fault> {
        match url.strip_prefix("sqlite:") {
            Some(path) => probe_file(Path::new(path)),
            None if url.starts_with("postgres://") || url.starts_with("postgresql://") => reach(url).await,
            None => Err(Fault::new("`database` starts with sqlite: or postgres://")),
        }
    }
}

fn probe_file(path: &Path) -> Result<(), Fault> {
    let named = |why: String| Fault::new(format!("database {}: {why}", path.display()));
    if !path.exists() {
        let directory = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
        return match std::fs::metadata(directory) {
            Ok(about) if about.is_dir() && !about.permissions().readonly() => Ok(()),
            Ok(_) => Err(named(format!("{} is no directory that can be written", directory.display()))),
            Err(error) => Err(named(format!("{}: {error}", directory.display()))),
        };
    }
    OpenOptions::new().read(true).write(true).open(path).map_err(|error| named(error.to_string()))?;
    let read =
        || Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?.pragma_query_value(None, "schema_version", |_| Ok(()));
    read().map_err(|error| named(error.to_string()))
}
