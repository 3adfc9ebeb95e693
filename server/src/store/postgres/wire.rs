//! One connection to PostgreSQL, spoken to by its own protocol (3.0). tokio-postgres ends every statement with a Sync of its own. Here a
//! whole change, or several, go out with one. Statements are prepared by name the first time they are sent.

use super::super::change::ROW_LOCK;
use super::super::value::{Columns, Row, Value};
use crate::error::Fault;
use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::IsNull;
use postgres_protocol::message::backend::{DataRowBody, ErrorFields, Message, RowDescriptionBody};
use postgres_protocol::message::frontend;
use postgres_protocol::types::{self, ArrayDimension};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_postgres::types::{Oid, Type};

/// How long a connection is watched after another one was lost.
const LOOK: std::time::Duration = std::time::Duration::from_millis(2);

/// How long a reading of the server's clock counts.
const CLOCK_AGE: std::time::Duration = std::time::Duration::from_secs(600);

/// What carries the bytes: TCP, a UNIX socket, or TLS over TCP.
pub trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

pub struct Wire {
    stream: Box<dyn Stream>,
    incoming: BytesMut,
    outgoing: BytesMut,
    /// How many ReadyForQuery are still to come. Whoever asked for them may have given up waiting.
    owed: usize,
    known: HashMap<StatementKey, PreparedStatement>,
    /// Parsed in this flight, in order: known once PostgreSQL says so.
    parsing: Vec<(StatementKey, String)>,
    names: u64,
    is_broken: bool,
    /// A warning came with the last flight: the wait for a standby was cancelled.
    is_warned: bool,
    /// The process of the server's that is on the other side.
    pub process: i64,
    /// The server's clock, and when it was read.
    pub clock: (i64, Instant),
    /// How many connections the node had lost when this one was looked at last.
    pub losses_seen: u64,
}

/// Address and length of a statement's text, which is never freed, and the rows that its guard demands.
type StatementKey = (usize, usize, Option<u64>);

fn key_of(sql: &'static str, guard: Option<u64>) -> StatementKey {
    (sql.as_ptr().addr(), sql.len(), guard)
}

struct PreparedStatement {
    name: String,
    columns: Option<Arc<Columns>>,
    types: Vec<Oid>,
}

/// What ended a flight.
#[derive(Debug)]
pub enum Broken {
    /// The connection is gone. Whether the flight was carried out is not known.
    Lost(String),
    /// The flight is committed on this server, which stopped waiting for its standby.
    Unsure,
    /// PostgreSQL said no.
    Said(DatabaseError),
    /// A row has what no statement of ours asks for.
    Unreadable(Fault),
}

/// An ErrorResponse.
#[derive(Debug, Clone, Default)]
pub struct DatabaseError {
    pub code: String,
    pub message: String,
    /// The table that it is about, where it is about one.
    pub table: String,
    /// How many statements of the flight had been executed before.
    pub executed: usize,
}

/// What an error of PostgreSQL's is to us, by its SQLSTATE.
pub fn said_fault(code: &str, message: &str) -> Fault {
    let text = format!("PostgreSQL: {message} ({code})");
    // Connection lost, no resources (disk, memory, connections), stopped or starting, I/O error; 25006: it became a replica.
    let is_away = ["08", "53", "57", "58", "25006"].iter().any(|class| code.starts_with(class));
    if is_away { Fault::store_away(text) } else { Fault::new(text) }
}

impl DatabaseError {
    pub fn read(mut fields: ErrorFields<'_>, executed: usize) -> io::Result<Self> {
        let mut said = Self { executed, ..Self::default() };
        while let Some(field) = fields.next()? {
            let text = || String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                b'C' => said.code = text(),
                b'M' => said.message = text(),
                b't' => said.table = text(),
                _ => {}
            }
        }
        Ok(said)
    }

    pub fn fault(&self) -> Fault {
        said_fault(&self.code, &self.message)
    }

    /// 57P0x: the server ended the connection.
    pub fn is_shutdown(&self) -> bool {
        self.code.starts_with("57P")
    }
}

impl Broken {
    pub fn fault(&self) -> Fault {
        match self {
            Self::Lost(why) => Fault::store_away(format!("PostgreSQL: {why}")),
            Self::Unsure => Fault::store_away("PostgreSQL stopped waiting for its standby"),
            Self::Said(said) => said.fault(),
            Self::Unreadable(fault) => fault.clone(),
        }
    }
}

/// What came back for a flight that ended with Sync.
#[derive(Default)]
struct Landed {
    error: Option<DatabaseError>,
    rows: Vec<DataRowBody>,
    /// For each statement, how many rows there were when it had ended.
    ends: Vec<usize>,
    described: Option<RowDescriptionBody>,
}

impl Wire {
    pub fn new(stream: Box<dyn Stream>) -> Self {
        Self {
            stream,
            incoming: BytesMut::with_capacity(8192),
            outgoing: BytesMut::with_capacity(8192),
            owed: 0,
            known: HashMap::new(),
            parsing: Vec::new(),
            names: 0,
            is_broken: false,
            is_warned: false,
            process: 0,
            clock: (0, Instant::now()),
            losses_seen: 0,
        }
    }

    /// Whatever is in the buffers is never sent: the connection is not used again.
    pub fn give_up(&mut self) {
        self.is_broken = true;
        self.outgoing.clear();
    }

    /// Has the server closed an idle connection, or said something that nobody asked for? Then what is sent next would be lost. `patiently`:
    /// another connection was lost a moment ago, so that the end of this one may be on its way.
    pub async fn is_closed(&mut self, patiently: bool) -> bool {
        if self.is_broken || self.owed > 0 || !self.incoming.is_empty() {
            return self.is_broken;
        }
        let Self { stream, incoming, .. } = self;
        // The runtime's shortest wait is a millisecond. Without a loss no statement pays it.
        let wait = async {
            if patiently {
                tokio::time::sleep(LOOK).await;
            }
        };
        let looked = tokio::select! {
            biased;
            looked = stream.read_buf(incoming) => Some(looked),
            () = wait => None,
        };
        match looked {
            // Nothing to read: as it should be.
            None => false,
            Some(Ok(read)) if read > 0 => self.only_notes().is_err(),
            Some(_) => true,
        }
    }

    /// Between two flights a server may tell of changed settings. Anything else ends the connection.
    fn only_notes(&mut self) -> io::Result<()> {
        while let Some(message) = Message::parse(&mut self.incoming)? {
            if !matches!(message, Message::ParameterStatus(_) | Message::NoticeResponse(_) | Message::NotificationResponse(_)) {
                return Err(io::Error::other("a message that nobody asked for"));
            }
        }
        Ok(())
    }

    /// Did the server stop waiting for a standby at what was sent last?
    pub fn is_warned(&self) -> bool {
        self.is_warned
    }

    /// False: the server does not say what time it is. Two clocks part slowly, so it is asked now and then.
    pub async fn keeps_time(&mut self) -> bool {
        const CLOCK: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint::text";
        if self.clock.1.elapsed() < CLOCK_AGE {
            return true;
        }
        if self.begin().await.is_err() {
            return false;
        }
        let said = self.simple(CLOCK).await.ok().flatten().and_then(|text| text.parse().ok());
        self.clock = (said.unwrap_or_default(), Instant::now());
        said.is_some()
    }

    /// What the server's clock shows now.
    pub fn server_ms(&self) -> i64 {
        self.clock.0.saturating_add(i64::try_from(self.clock.1.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    pub fn outgoing(&mut self) -> &mut BytesMut {
        &mut self.outgoing
    }

    pub async fn flush(&mut self) -> io::Result<()> {
        while !self.outgoing.is_empty() {
            if self.stream.write_buf(&mut self.outgoing).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        self.stream.flush().await
    }

    pub async fn message(&mut self) -> io::Result<Message> {
        loop {
            if let Some(message) = Message::parse(&mut self.incoming)? {
                return Ok(message);
            }
            if self.stream.read_buf(&mut self.incoming).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Reads what was left behind by somebody who gave up waiting.
    async fn settle(&mut self) -> io::Result<()> {
        if self.owed == 0 && self.outgoing.is_empty() {
            return Ok(());
        }
        self.flush().await?;
        while self.owed > 0 {
            self.land().await?;
        }
        Ok(())
    }

    /// Text without parameters, as one message: settings of the session, before anything else is asked. Answers the first column of the
    /// last row.
    pub async fn simple(&mut self, text: &str) -> Result<Option<String>, Broken> {
        let sent = async {
            frontend::query(text, &mut self.outgoing)?;
            self.owed += 1;
            self.flush().await?;
            self.land().await
        };
        let sent = sent.await;
        let landed = self.lost_is_broken(sent)?;
        if let Some(said) = landed.error {
            return Err(Broken::Said(said));
        }
        let first =
            |row: &DataRowBody| row.ranges().next().ok().flatten().flatten().and_then(|range| row.buffer().get(range).map(<[u8]>::to_vec));
        Ok(landed.rows.last().and_then(first).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn lost_is_broken<T>(&mut self, outcome: io::Result<T>) -> Result<T, Broken> {
        outcome.map_err(|error| {
            self.is_broken = true;
            Broken::Lost(error.to_string())
        })
    }

    /// Adds a statement to the flight. `guard`: how many rows it must touch, or the whole flight fails.
    pub fn add(&mut self, sql: &'static str, guard: Option<u64>, values: &[Value]) -> io::Result<()> {
        let key = key_of(sql, guard);
        let pending = |parsing: &[(StatementKey, String)]| parsing.iter().find(|(known, _)| *known == key).map(|(_, name)| name.clone());
        let name = match self.known.get(&key).map(|known| known.name.clone()).or_else(|| pending(&self.parsing)) {
            Some(name) => name,
            None => self.parse(sql, key)?,
        };
        bind(&name, values, &mut self.outgoing)?;
        frontend::execute("", 0, &mut self.outgoing)
    }

    fn parse(&mut self, sql: &'static str, key: StatementKey) -> io::Result<String> {
        let name = format!("s{}", self.names);
        self.names += 1;
        match key.2 {
            None => frontend::parse(&name, sql, [], &mut self.outgoing)?,
            // It makes one row, or fails by itself.
            Some(1) if is_plain_insert(sql) => frontend::parse(&name, sql, [], &mut self.outgoing)?,
            Some(wanted) => {
                let returning = if sql.ends_with(ROW_LOCK) { "" } else { " RETURNING 1 AS one" };
                let guarded = format!("WITH x AS ({sql}{returning}) SELECT 1/(CASE WHEN count(*) = {wanted} THEN 1 ELSE 0 END) FROM x");
                frontend::parse(&name, &guarded, [], &mut self.outgoing)?;
            }
        }
        self.parsing.push((key, name.clone()));
        Ok(name)
    }

    /// Before the first statement of a flight: what somebody left behind is read, and nothing of it stays.
    pub async fn begin(&mut self) -> Result<(), Broken> {
        let settled = self.settle().await;
        self.parsing.clear();
        self.is_warned = false;
        self.lost_is_broken(settled)
    }

    /// Sends the flight. Everything between two Syncs is one transaction: PostgreSQL commits it at the Sync, or keeps nothing of it
    /// (Frontend/Backend Protocol, *Pipelining*). Ok: the transaction is committed, as durably as the server is set up.
    pub async fn fly(&mut self) -> Result<(), Broken> {
        let sent = self.send().await;
        let landed = self.lost_is_broken(sent);
        // The server may end the connection right after its warning, when it is told to stop.
        if self.is_warned && landed.as_ref().map_or(true, |landed| landed.error.is_none()) {
            return Err(Broken::Unsure);
        }
        match landed?.error {
            Some(said) if said.is_shutdown() => {
                self.is_broken = true;
                Err(Broken::Lost(said.message))
            }
            Some(said) => {
                // 25006: the server became a replica. Another host may be the primary now.
                self.is_broken |= said.code == "25006";
                Err(Broken::Said(said))
            }
            None => Ok(()),
        }
    }

    /// Asks for rows.
    pub async fn query(&mut self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, Broken> {
        self.begin().await?;
        let key = key_of(sql, None);
        let sent = async {
            if !self.knows(sql) {
                let name = match self.known.get(&key) {
                    Some(known) => known.name.clone(),
                    None => self.parse(sql, key)?,
                };
                frontend::describe(b'S', &name, &mut self.outgoing)?;
            }
            self.add(sql, None, values)?;
            self.send().await
        };
        let sent = sent.await;
        let landed = self.lost_is_broken(sent)?;
        if let Some(said) = landed.error {
            self.is_broken |= said.is_shutdown();
            return Err(Broken::Said(said));
        }
        let read = self.describe(key, landed.described).and_then(|()| self.rows(key, &landed.rows));
        read.map_err(|error| Broken::Unreadable(Fault::new(format!("PostgreSQL: {error}"))))
    }

    /// Was the statement sent on this connection before, so that its columns are known?
    pub fn knows(&self, sql: &'static str) -> bool {
        self.known.get(&key_of(sql, None)).is_some_and(|known| known.columns.is_some())
    }

    /// Asks for the rows of several known statements in one flight. Each sees what was committed before it was sent. An error of one is the
    /// error of all.
    pub async fn query_all(&mut self, reads: &[(&'static str, &[Value])]) -> Result<Vec<Vec<Row>>, Broken> {
        self.begin().await?;
        let sent = async {
            reads.iter().try_for_each(|(sql, values)| self.add(sql, None, values))?;
            self.send().await
        };
        let sent = sent.await;
        let landed = self.lost_is_broken(sent)?;
        if let Some(said) = landed.error {
            self.is_broken |= said.is_shutdown();
            return Err(Broken::Said(said));
        }
        let mut from = 0;
        let rows_of = |((sql, _), upto): (&(&'static str, &[Value]), &usize)| {
            let rows = landed.rows.get(from..*upto).unwrap_or_default();
            from = *upto;
            self.rows(key_of(sql, None), rows)
        };
        let read: io::Result<Vec<Vec<Row>>> = reads.iter().zip(&landed.ends).map(rows_of).collect();
        read.map_err(|error| Broken::Unreadable(Fault::new(format!("PostgreSQL: {error}"))))
    }

    fn describe(&mut self, key: StatementKey, described: Option<RowDescriptionBody>) -> io::Result<()> {
        let Some(described) = described else { return Ok(()) };
        let Some(known) = self.known.get_mut(&key) else { return Err(io::Error::other("a description of nothing")) };
        let (mut names, mut types, mut fields) = (Vec::new(), Vec::new(), described.fields());
        while let Some(field) = fields.next()? {
            names.push(field.name().to_owned());
            types.push(field.type_oid());
        }
        known.columns = Some(Arc::new(Columns::new(names.iter().map(String::as_str))));
        known.types = types;
        Ok(())
    }

    fn rows(&self, key: StatementKey, rows: &[DataRowBody]) -> io::Result<Vec<Row>> {
        let Some(PreparedStatement { columns: Some(columns), types, .. }) = self.known.get(&key) else {
            return if rows.is_empty() { Ok(Vec::new()) } else { Err(io::Error::other("rows without a description")) };
        };
        rows.iter().map(|row| Ok(Row::new(values_of(row, types)?, columns))).collect()
    }

    /// Ends the flight, and reads what comes back for it.
    async fn send(&mut self) -> io::Result<Landed> {
        frontend::sync(&mut self.outgoing);
        self.owed += 1;
        self.flush().await?;
        self.land().await
    }

    /// Reads up to the next ReadyForQuery.
    async fn land(&mut self) -> io::Result<Landed> {
        let mut landed = Landed::default();
        let (mut executed, mut parsed) = (0, 0);
        loop {
            match self.message().await? {
                Message::ReadyForQuery(ready) => {
                    self.owed = self.owed.saturating_sub(1);
                    // A transaction that is still open is none of ours.
                    return if ready.status() == b'I' { Ok(landed) } else { Err(io::Error::other("a transaction stayed open")) };
                }
                Message::ParseComplete => {
                    if let Some((key, name)) = self.parsing.get(parsed) {
                        self.known.insert(*key, PreparedStatement { name: name.clone(), columns: None, types: Vec::new() });
                    }
                    parsed += 1;
                }
                Message::CommandComplete(_) | Message::EmptyQueryResponse => {
                    executed += 1;
                    landed.ends.push(landed.rows.len());
                }
                Message::ErrorResponse(error) => landed.error = Some(DatabaseError::read(error.fields(), executed)?),
                Message::NoticeResponse(notice) => self.is_warned |= is_about_standby(notice.fields())?,
                Message::DataRow(row) => landed.rows.push(row),
                Message::RowDescription(described) => landed.described = Some(described),
                _ => {}
            }
        }
    }
}

/// `INSERT INTO ... (...) VALUES (...)` with one row, and nothing behind it that could leave the row out.
fn is_plain_insert(sql: &str) -> bool {
    let Some((head, values)) = sql.split_once(" VALUES (") else { return false };
    let mut open = 1;
    let end = values.find(|letter| {
        open += i32::from(letter == '(') - i32::from(letter == ')');
        open == 0
    });
    head.starts_with("INSERT INTO ") && end.is_some_and(|end| end + 1 == values.len())
}

/// Does the server warn that it waits for the standby no longer? A warning that does not name the routine it comes from counts as one.
fn is_about_standby(mut fields: ErrorFields<'_>) -> io::Result<bool> {
    let (mut is_warning, mut is_other) = (false, false);
    while let Some(field) = fields.next()? {
        match field.type_() {
            // The severity in English, whatever the server's language.
            b'V' => is_warning = field.value_bytes() == b"WARNING",
            b'R' => is_other = field.value_bytes() != b"SyncRepWaitForLSN",
            _ => {}
        }
    }
    Ok(is_warning && !is_other)
}

fn write(value: &Value, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
    match value {
        Value::Int(number) => out.extend_from_slice(&number.to_be_bytes()),
        Value::Text(text) => out.extend_from_slice(text.as_bytes()),
        Value::Bytes(bytes) => out.extend_from_slice(bytes),
        Value::Null => return Ok(IsNull::Yes),
    }
    Ok(IsNull::No)
}

/// Values of several rows as one: an array in PostgreSQL's binary format.
pub fn array<'a>(of: &Type, values: impl ExactSizeIterator<Item = &'a Value>) -> io::Result<Value> {
    let len = i32::try_from(values.len()).map_err(io::Error::other)?;
    let mut bytes = BytesMut::new();
    types::array_to_sql(Some(ArrayDimension { len, lower_bound: 1 }), of.oid(), values, write, &mut bytes)
        .map_err(|error| io::Error::other(error.to_string()))?;
    Ok(Value::from(&bytes[..]))
}

fn bind(name: &str, values: &[Value], out: &mut BytesMut) -> io::Result<()> {
    let binary = [1_i16];
    frontend::bind("", name, binary, values, write, binary, out).map_err(|error| match error {
        frontend::BindError::Conversion(error) => io::Error::other(error.to_string()),
        frontend::BindError::Serialization(error) => error,
    })
}

fn values_of(row: &DataRowBody, types: &[Oid]) -> io::Result<Vec<Value>> {
    let mut values = Vec::with_capacity(types.len());
    let mut ranges = row.ranges();
    while let Some(range) = ranges.next()? {
        let bytes = range.map(|range| row.buffer().get(range).unwrap_or_default());
        let oid = types.get(values.len()).copied().unwrap_or_default();
        values.push(bytes.map_or(Ok(Value::Null), |bytes| value_of(bytes, oid, values.len()))?);
    }
    Ok(values)
}

fn value_of(bytes: &[u8], oid: Oid, at: usize) -> io::Result<Value> {
    let bad = || io::Error::other(format!("column {at} has the type {oid}, or a value that is not of it"));
    match oid {
        oid if oid == Type::INT8.oid() => Ok(Value::Int(i64::from_be_bytes(bytes.try_into().map_err(|_| bad())?))),
        oid if oid == Type::TEXT.oid() => Ok(Value::Text(String::from_utf8(bytes.to_vec()).map_err(|_| bad())?)),
        oid if oid == Type::BYTEA.oid() => Ok(Value::Bytes(bytes.to_vec())),
        _ => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tables;
    use super::*;

    /// What is sent without a guard cannot touch another number of rows.
    #[test]
    fn only_an_insert_of_one_row_needs_no_guard() {
        let plain = [
            tables::once::SPEND,
            tables::app_grant::INSERT,
            tables::account::ADD_PASSWORD,
            tables::audit::INSERT_ROUTINE,
            tables::audit::IN_TIME_ROUTINE,
        ];
        for sql in plain {
            assert!(is_plain_insert(sql), "{sql}");
        }
        let guarded = [
            tables::account::SET_PASSWORD,
            tables::passkey::ADD,
            tables::account::RAISE,
            tables::attempt::CHARGE,
            "INSERT INTO x (a) VALUES ($1), ($2)",
            "INSERT INTO x (a) VALUES ($1) ON CONFLICT DO NOTHING",
            "WITH y AS (SELECT 1) INSERT INTO x (a) VALUES ($1)",
        ];
        for sql in guarded {
            assert!(!is_plain_insert(sql), "{sql}");
        }
    }
}
