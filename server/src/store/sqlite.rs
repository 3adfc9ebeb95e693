//! SQLite: one writer thread that commits in groups, readers of its own. WAL, synchronous=FULL: a change is answered
//! after its COMMIT reached the disk.
//!
//! The whole path of a change is in this file. `Sqlite::apply` puts it into the queue. The writer drains the queue into one
//! transaction, commits once, and answers everybody.

mod connection;
mod readers;

use super::change::{Applied, ApplyResult, Expect, NotApplied, Statement};
use super::options::StoreOptions;
use super::value::{Row, Value};
use crate::error::Fault;
use crate::limits::OncePerSecond;
use connection::{Address, FileIdentity, address, bind, fault, in_file, open_to_write, placed};
use readers::Readers;
use rusqlite::{Connection, ErrorCode};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use tokio::sync::oneshot;

pub struct Sqlite {
    queue: SyncSender<Job>,
    readers: Arc<Readers>,
}

/// What the writer is asked to do.
enum Job {
    Apply(Vec<Statement>, oneshot::Sender<ApplyResult>),
    Shrink,
    Close(oneshot::Sender<()>),
}

/// A change, and who waits for its outcome.
type Member = (Vec<Statement>, oneshot::Sender<ApplyResult>);

impl Sqlite {
    pub fn open(path: &str, options: &StoreOptions) -> Result<Self, Fault> {
        let path = PathBuf::from(path);
        let connection = connection::prepare(&path).map_err(|it| in_file(&path, it))?;
        let readers = Arc::new(Readers::open(&path, options.readers).map_err(|it| in_file(&path, it))?);
        let writer = Writer { connection, path, file: readers.file, texts: HashMap::new(), careful: 0 };
        let (queue, jobs) = sync_channel(options.queue.max(1));
        std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || writer.drain(&jobs))
            .map_err(|it| Fault::new(format!("no thread for the writer: {it}")))?;
        Ok(Self { queue, readers })
    }

    /// Is the file that is open still at its path?
    pub fn must_be_at_its_path(&self) -> Result<(), Fault> {
        self.readers.must_be_at_its_path()
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
        match self.queue.try_send(Job::Apply(statements, answer)) {
            Ok(()) => answered.await.unwrap_or_else(|_| Err(stopped())),
            Err(TrySendError::Full(_)) => Err(NotApplied::Busy),
            Err(TrySendError::Disconnected(_)) => Err(stopped()),
        }
    }

    /// Gives room that deleted rows left back to the disk, a little at a time.
    pub fn shrink(&self) {
        let _ = self.queue.try_send(Job::Shrink);
    }

    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.queue.try_send(Job::Close(done)).is_ok() {
            let _ = closed.await;
        }
    }
}

fn stopped() -> NotApplied {
    NotApplied::Fault(Fault::new("the writer has stopped"))
}

const BATCH: usize = 256;

/// Pages given back at once: this takes some milliseconds.
const PAGES: i64 = 2000;

/// A quarter of the file stays as a reserve, because the next day needs it again.
fn shrink(connection: &Connection) -> rusqlite::Result<()> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let beyond = number("freelist_count")? - number("page_count")? / 4;
    if beyond > 0 {
        let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({})", beyond.min(PAGES)))?;
        let mut pages = statement.raw_query();
        while pages.next()?.is_some() {}
    }
    Ok(())
}

/// The connection that writes, and what it knows from one batch to the next.
struct Writer {
    connection: Connection,
    path: PathBuf,
    file: FileIdentity,
    /// The texts of statements, with places that SQLite understands.
    texts: HashMap<Address, String>,
    /// So many batches go with savepoints at once, because one was refused lately.
    careful: u32,
}

/// After a refusal, while refusals are likely.
const CAREFUL: u32 = 64;

impl Writer {
    /// The thread that writes: it drains the queue until the store closes.
    fn drain(mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let (mut batch, mut closing, mut shrinking) = (Vec::new(), None, false);
            let mut next = Some(first);
            while let Some(job) = next {
                match job {
                    Job::Apply(statements, answer) => batch.push((statements, answer)),
                    Job::Shrink => shrinking = true,
                    Job::Close(done) => closing = Some(done),
                }
                next = if batch.len() < BATCH && closing.is_none() { jobs.try_recv().ok() } else { None };
            }
            self.commit_all(batch);
            if shrinking && let Err(error) = shrink(&self.connection) {
                tracing::warn!(%error, database = %self.path.display(), "the database could not be made smaller");
            }
            if let Some(done) = closing {
                let _ = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
                drop(self.connection);
                let _ = done.send(());
                return;
            }
        }
    }

    /// Commits a batch, and answers everybody.
    fn commit_all(&mut self, batch: Vec<Member>) {
        let changes: Vec<&[Statement]> = batch.iter().map(|(statements, _)| &statements[..]).collect();
        let outcomes = self.commit(&changes);
        for ((_, answer), outcome) in batch.into_iter().zip(outcomes) {
            let _ = answer.send(outcome);
        }
    }

    /// What each change of the batch hears.
    fn commit(&mut self, batch: &[&[Statement]]) -> Vec<ApplyResult> {
        if batch.is_empty() {
            return Vec::new();
        }
        self.write_batch(batch).unwrap_or_else(|why| {
            let why = match why {
                NotApplied::Fault(fault) => NotApplied::Fault(in_file(&self.path, fault)),
                other => other,
            };
            if let NotApplied::Fault(fault) = &why {
                self.reopen(fault, batch.len());
            }
            batch.iter().map(|_| Err(why.clone())).collect()
        })
    }

    /// `Err`: nothing of the batch counts.
    fn write_batch(&mut self, batch: &[&[Statement]]) -> Result<Vec<ApplyResult>, NotApplied> {
        self.begin()?;
        if self.careful == 0 || batch.len() == 1 {
            match self.write_together(batch)? {
                None => {
                    self.control("COMMIT")?;
                    return Ok(batch.iter().map(|_| Ok(Applied)).collect());
                }
                // Nothing else is in the transaction.
                Some(refused) => {
                    self.control("ROLLBACK")?;
                    if batch.len() == 1 {
                        return Ok(vec![Err(refused)]);
                    }
                    self.careful = CAREFUL;
                    self.begin()?;
                }
            }
        }
        let outcomes = batch.iter().map(|statements| self.savepoint(statements)).collect::<Result<Vec<_>, _>>()?;
        self.control("COMMIT")?;
        self.careful = if outcomes.iter().any(Result::is_err) { CAREFUL } else { self.careful - 1 };
        Ok(outcomes)
    }

    fn begin(&self) -> Result<(), NotApplied> {
        control(&self.connection, "BEGIN IMMEDIATE").map_err(|error| match error.sqlite_error_code() {
            // Another process, such as an operator's own shell, holds the file for longer than we wait (637-Q).
            Some(ErrorCode::DatabaseBusy) => NotApplied::Busy,
            _ => fault(&error).into(),
        })
    }

    /// Begins or ends something.
    fn control(&self, sql: &str) -> Result<(), Fault> {
        control(&self.connection, sql).map_err(|it| fault(&it))
    }

    /// All changes in one transaction, without savepoints: nearly always nobody refuses. Answers the first refusal.
    fn write_together(&mut self, batch: &[&[Statement]]) -> Result<Option<NotApplied>, Fault> {
        for statements in batch {
            if let Err(refused) = self.run_all(statements)? {
                return Ok(Some(refused));
            }
        }
        Ok(None)
    }

    /// FULL, IOERR and NOMEM may have rolled the whole transaction back inside a change: nothing of this batch counts.
    fn reopen(&mut self, why: &Fault, changes: usize) {
        static LOST: OncePerSecond = OncePerSecond::new();
        if LOST.is_due() {
            tracing::error!(error = %why, changes, "a batch was not written; the database is opened anew");
        }
        let _ = self.connection.execute_batch("ROLLBACK");
        let open = || open_to_write(&self.path).map_err(|it| in_file(&self.path, it));
        match self.file.must_be_at(&self.path).and_then(|()| open()) {
            Ok(fresh) => self.connection = fresh,
            Err(error) => {
                static CLOSED: OncePerSecond = OncePerSecond::new();
                if CLOSED.is_due() {
                    tracing::error!(%error, "the database cannot be opened again");
                }
            }
        }
    }

    /// One change inside the batch, so that it alone is undone where it is refused. `Err`: the transaction itself is gone, and with it the
    /// batch.
    fn savepoint(&mut self, statements: &[Statement]) -> Result<ApplyResult, Fault> {
        self.control("SAVEPOINT one")?;
        let outcome = self.run_all(statements)?;
        if outcome.is_err() {
            self.control("ROLLBACK TO one")?;
        }
        self.control("RELEASE one")?;
        Ok(outcome)
    }

    /// Runs the statements of a change up to the first that is refused. `Err`: neither a guard nor a constraint refused, and the batch is
    /// lost.
    fn run_all(&mut self, statements: &[Statement]) -> Result<ApplyResult, Fault> {
        let Self { connection, texts, .. } = self;
        let gone = || connection.is_autocommit();
        if gone() {
            return Err(Fault::new("the transaction ended inside a batch"));
        }
        let mut outcome = Ok(Applied);
        for (at, statement) in statements.iter().enumerate() {
            let text = texts.entry(address(statement.sql)).or_insert_with(|| placed(statement.sql));
            match run(connection, text, statement) {
                Ok(true) => continue,
                Ok(false) => outcome = Err(NotApplied::Conflict(at)),
                Err(error) if is_constraint(&error) => outcome = Err(NotApplied::Conflict(at)),
                Err(error) => return Err(fault(&error)),
            }
            break;
        }
        match gone() {
            true => Err(Fault::new("the transaction ended inside a change")),
            false => Ok(outcome),
        }
    }
}

/// Begins or ends something.
fn control(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(|_| ())
}

fn is_constraint(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(cause, _) if cause.code == ErrorCode::ConstraintViolation)
}

/// Whether the statement touched as many rows as its guard asks for.
fn run(connection: &Connection, text: &str, wanted: &Statement) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached(text)?;
    bind(&mut statement, &wanted.values)?;
    let touched = if statement.column_count() == 0 {
        statement.raw_execute()? as u64
    } else {
        let (mut rows, mut count) = (statement.raw_query(), 0);
        while rows.next()?.is_some() {
            count += 1;
        }
        count
    };
    Ok(match wanted.expect {
        Expect::Exactly(rows) => rows == touched,
        Expect::Any => true,
    })
}

#[cfg(test)]
mod tests;
