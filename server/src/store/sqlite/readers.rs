//! The connections of SQLite that only read, and what each knows of the statements that it was asked to run.

use super::super::value::{Columns, Row, Value};
use super::connection::{Address, FileIdentity, address, bind, connect, fault, in_file, placed};
use crate::error::Fault;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The connections that read. One is opened when none is free, up to a number.
pub(super) struct Readers {
    path: PathBuf,
    /// The file that is open.
    pub(super) file: FileIdentity,
    pub(super) most: usize,
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
pub(super) struct Taken<'a> {
    readers: &'a Readers,
    /// Absent after it was given back.
    reader: Option<Reader>,
}

/// A connection that only reads, and what it knows of the statements it was asked to run.
struct Reader {
    connection: Connection,
    known: HashMap<Address, TranslatedText>,
}

struct TranslatedText {
    /// With places that SQLite understands.
    text: String,
    columns: Arc<Columns>,
}

fn reader(path: &PathBuf) -> Result<Reader, Fault> {
    let connection = connect(path)?;
    connection.pragma_update(None, "query_only", true).map_err(|it| fault(&it))?;
    Ok(Reader { connection, known: HashMap::new() })
}

impl Readers {
    /// With the first one, so that an error shows at the start.
    pub(super) fn open(path: &PathBuf, most: usize) -> Result<Self, Fault> {
        let line = ReaderQueue { free: vec![reader(path)?], in_use: 0, waiting: 0 };
        let file = FileIdentity::of(path)?;
        Ok(Self { path: path.clone(), file, most: most.max(1), line: Mutex::new(line), bell: Condvar::new() })
    }

    pub(super) fn must_be_at_its_path(&self) -> Result<(), Fault> {
        self.file.must_be_at(&self.path)
    }

    fn line(&self) -> MutexGuard<'_, ReaderQueue> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first one that is free, while so many are left for others.
    pub(super) fn take(&self, left: usize) -> Result<Taken<'_>, Fault> {
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
            self.must_be_at_its_path()?;
            taken.reader = Some(reader(&self.path).map_err(|it| in_file(&self.path, it))?);
        }
        Ok(taken)
    }
}

impl Taken<'_> {
    /// At most so many rows.
    pub(super) fn read(&mut self, sql: &'static str, values: &[Value], most: usize) -> Result<Vec<Row>, Fault> {
        let reader = self.reader.as_mut().ok_or_else(|| Fault::new("no reader"))?;
        reader.run(sql, values, most).map_err(|error| in_file(&self.readers.path, fault(&error)))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::connection::{create_private, migrate_schema};
    use super::*;
    use crate::store::tables;
    use rusqlite::StatementStatus;
    use std::time::Duration;

    fn in_directory(name: &str, test: impl FnOnce(&PathBuf)) {
        let directory = std::env::temp_dir().join(format!("symbolon-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("test.db");
        create_private(&path).unwrap();
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

    /// Whoever operates the server learns which file is meant, of a statement as of a reader that cannot be opened.
    #[test]
    fn an_error_of_a_reader_names_the_file() {
        in_directory("named", |path| {
            let readers = Readers::open(path, 2).unwrap();
            let mut taken = readers.take(0).unwrap();
            assert_eq!(taken.read("SELECT 1 AS one", &[], 1).unwrap().len(), 1, "the twin");
            let named = format!("database {}: ", path.display());
            let why = taken.read("SELECT one FROM nowhere", &[], 1).map(|rows| rows.len()).unwrap_err().0;
            assert!(why.starts_with(&named) && why.contains("no such table"), "{why}");
            // No database, and so no connection that could read.
            std::fs::rename(path, path.with_extension("gone")).unwrap();
            std::fs::create_dir(path).unwrap();
            let why = readers.take(0).map(drop).unwrap_err().0;
            assert!(why.starts_with(&named), "{why}");
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

    /// What a statement looks through from end to end.
    fn scans(connection: &Connection, sql: &str) -> Vec<String> {
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", placed(sql))).unwrap();
        let mut rows = plan.raw_query();
        let mut found = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            found.push(row.get::<_, String>("detail").unwrap());
        }
        assert!(!found.is_empty(), "{sql}");
        found.retain(|line| line.starts_with("SCAN"));
        found
    }

    /// A thousand installations may be revoked at once, and there are millions of grants. The twin: by its client alone, no index finds one.
    #[test]
    fn what_an_installation_has_is_found_by_an_index() {
        in_directory("plans", |path| {
            let connection = connect(path).unwrap();
            let named = [
                tables::app_grant::OF_INSTALLATION,
                tables::app_grant::LAST_USE_OF_INSTALLATION,
                tables::app_grant::COUNT_OF_INSTALLATION,
                tables::app_grant::END_OF_INSTALLATION,
                tables::app_grant::END_CHILDREN_OF_INSTALLATION,
            ];
            for sql in named.iter().chain(&tables::app_grant::FORGET_OF_INSTALLATION) {
                assert_eq!(scans(&connection, sql), [""; 0], "{sql}");
            }
            assert_eq!(scans(&connection, "SELECT used_ms FROM app_grant WHERE client = $1"), ["SCAN app_grant"]);
        });
    }
}
