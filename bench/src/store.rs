//! The server's store, opened beside the server: to fill it with rows before a measurement, and to ask what is left of them.

use crate::server::Site;
use tokio_postgres::types::ToSql;

/// Rows that go to PostgreSQL in one statement.
const BATCH: usize = 5_000;

#[derive(Clone)]
pub enum Cell {
    Text(String),
    Bytes(Vec<u8>),
    Int(i64),
}

pub enum Stored {
    Sqlite { connection: rusqlite::Connection, file: std::path::PathBuf },
    Postgres(tokio_postgres::Client),
}

/// A row that stands in a table, by columns that name it.
pub struct Template<'a> {
    pub table: &'a str,
    pub key: &'a [(&'a str, Cell)],
}

impl Stored {
    pub async fn open(site: &Site) -> Result<Self, String> {
        if let Some(file) = site.sqlite_file() {
            let connection = rusqlite::Connection::open(&file).map_err(sqlite)?;
            return Ok(Self::Sqlite { connection, file });
        }
        let (client, connection) = tokio_postgres::connect(site.database(), tokio_postgres::NoTls).await.map_err(postgres)?;
        tokio::spawn(connection);
        Ok(Self::Postgres(client))
    }

    /// Writes copies of a row. Each copy has its own cells in the columns `changed`, and the rest from the row.
    pub async fn copy(&mut self, from: &Template<'_>, changed: &[&str], rows: &[Vec<Cell>]) -> Result<(), String> {
        let columns = self.columns(from.table).await?;
        match self {
            Self::Sqlite { connection, .. } => copy_sqlite(connection, from, &columns, changed, rows).map_err(sqlite),
            Self::Postgres(client) => {
                for batch in rows.chunks(BATCH) {
                    copy_postgres(client, from, &columns, changed, batch).await.map_err(postgres)?;
                }
                Ok(())
            }
        }
    }

    /// Writes rows that have these columns alone.
    pub async fn insert(&mut self, table: &str, columns: &[&str], rows: &[Vec<Cell>]) -> Result<(), String> {
        match self {
            Self::Sqlite { connection, .. } => insert_sqlite(connection, table, columns, rows).map_err(sqlite),
            Self::Postgres(client) => {
                for batch in rows.chunks(BATCH) {
                    let statement = format!("INSERT INTO {table} ({}) SELECT * FROM {}", columns.join(", "), unnest(columns, batch));
                    execute(client, &statement, columns.len(), batch).await.map_err(postgres)?;
                }
                Ok(())
            }
        }
    }

    async fn columns(&self, table: &str) -> Result<Vec<String>, String> {
        match self {
            Self::Sqlite { connection, .. } => {
                let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)").map_err(sqlite)?;
                let names = statement.query_map([table], |row| row.get(0)).map_err(sqlite)?;
                names.collect::<Result<_, _>>().map_err(sqlite)
            }
            Self::Postgres(client) => {
                let sql =
                    "SELECT column_name::text FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1";
                Ok(client.query(sql, &[&table]).await.map_err(postgres)?.iter().map(|it| it.get(0)).collect())
            }
        }
    }

    /// A number that a statement without parameters answers. `None`: it answered NULL.
    pub async fn number(&self, sql: &str) -> Result<Option<i64>, String> {
        match self {
            Self::Sqlite { connection, .. } => connection.query_row(sql, [], |row| row.get(0)).map_err(sqlite),
            Self::Postgres(client) => Ok(client.query_one(sql, &[]).await.map_err(postgres)?.get(0)),
        }
    }

    pub async fn text(&self, sql: &str) -> Result<String, String> {
        match self {
            Self::Sqlite { connection, .. } => connection.query_row(sql, [], |row| row.get(0)).map_err(sqlite),
            Self::Postgres(client) => Ok(client.query_one(sql, &[]).await.map_err(postgres)?.get(0)),
        }
    }

    pub async fn bytes(&self, sql: &str) -> Result<Vec<u8>, String> {
        match self {
            Self::Sqlite { connection, .. } => connection.query_row(sql, [], |row| row.get(0)).map_err(sqlite),
            Self::Postgres(client) => Ok(client.query_one(sql, &[]).await.map_err(postgres)?.get(0)),
        }
    }

    /// What a store does by itself after much was written, so that no row pays for it: a checkpoint, and PostgreSQL's vacuum.
    pub async fn settle(&self) -> Result<(), String> {
        match self {
            Self::Sqlite { connection, .. } => connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(sqlite),
            Self::Postgres(client) => {
                client.batch_execute("VACUUM (ANALYZE)").await.map_err(postgres)?;
                client.batch_execute("CHECKPOINT").await.map_err(postgres)
            }
        }
    }

    /// Bytes on disk.
    pub async fn size(&self) -> Result<u64, String> {
        match self {
            Self::Sqlite { file, .. } => std::fs::metadata(file).map(|it| it.len()).map_err(|it| it.to_string()),
            Self::Postgres(_) => Ok(self.number("SELECT pg_database_size(current_database())").await?.unwrap_or_default().unsigned_abs()),
        }
    }
}

/// What a PostgreSQL server has set.
pub async fn settings<const N: usize>(url: &str, names: [&str; N]) -> Result<[String; N], String> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.map_err(postgres)?;
    tokio::spawn(connection);
    let mut values = names.map(str::to_owned);
    for value in &mut values {
        *value = client.query_one(&format!("SELECT current_setting('{value}')"), &[]).await.map_err(postgres)?.get(0);
    }
    Ok(values)
}

/// The version of a PostgreSQL server that waits for the disk. Another one is refused.
pub async fn durable_version(url: &str) -> Result<String, String> {
    let [version, fsync, synchronous] = settings(url, ["server_version", "fsync", "synchronous_commit"]).await?;
    if fsync != "on" || synchronous != "on" {
        return Err(format!("PostgreSQL has fsync={fsync} and synchronous_commit={synchronous}: a measurement would mean nothing"));
    }
    let version = version.split(' ').next().unwrap_or_default();
    Ok(format!("PostgreSQL {version} (fsync={fsync}, synchronous_commit={synchronous})"))
}

fn sqlite(error: rusqlite::Error) -> String {
    format!("SQLite: {error}")
}

pub fn postgres(error: tokio_postgres::Error) -> String {
    use std::error::Error as _;
    let source = error.source().map(ToString::to_string).unwrap_or_default();
    format!("PostgreSQL: {error} {source}")
}

impl rusqlite::ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        match self {
            Self::Text(text) => rusqlite::ToSql::to_sql(text),
            Self::Bytes(bytes) => rusqlite::ToSql::to_sql(bytes),
            Self::Int(number) => rusqlite::ToSql::to_sql(number),
        }
    }
}

fn copy_sqlite(
    connection: &mut rusqlite::Connection,
    from: &Template<'_>,
    columns: &[String],
    changed: &[&str],
    rows: &[Vec<Cell>],
) -> rusqlite::Result<()> {
    let place = |column: &String| changed.iter().position(|it| it == column);
    let cells: Vec<String> = columns.iter().map(|it| place(it).map_or_else(|| it.clone(), |at| format!("?{}", at + 1))).collect();
    let key: Vec<String> = from.key.iter().enumerate().map(|(at, (name, _))| format!("{name} = ?{}", changed.len() + at + 1)).collect();
    let sql =
        format!("INSERT INTO {0} ({1}) SELECT {2} FROM {0} WHERE {3}", from.table, columns.join(", "), cells.join(", "), key.join(" AND "));
    let key: Vec<&Cell> = from.key.iter().map(|it| &it.1).collect();
    in_transaction(connection, &sql, rows.iter().map(|row| row.iter().chain(key.iter().copied()).collect()))
}

fn insert_sqlite(connection: &mut rusqlite::Connection, table: &str, columns: &[&str], rows: &[Vec<Cell>]) -> rusqlite::Result<()> {
    let places: Vec<String> = (1..=columns.len()).map(|it| format!("?{it}")).collect();
    let sql = format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), places.join(", "));
    in_transaction(connection, &sql, rows.iter().map(|row| row.iter().collect()))
}

fn in_transaction<'a>(connection: &mut rusqlite::Connection, sql: &str, rows: impl Iterator<Item = Vec<&'a Cell>>) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    {
        let mut statement = transaction.prepare(sql)?;
        for row in rows {
            statement.execute(rusqlite::params_from_iter(row))?;
        }
    }
    transaction.commit()
}

async fn copy_postgres(
    client: &tokio_postgres::Client,
    from: &Template<'_>,
    columns: &[String],
    changed: &[&str],
    rows: &[Vec<Cell>],
) -> Result<(), tokio_postgres::Error> {
    let cells: Vec<String> =
        columns.iter().map(|it| if changed.contains(&it.as_str()) { format!("own.{it}") } else { format!("old.{it}") }).collect();
    let key: Vec<String> = from.key.iter().map(|(name, cell)| format!("old.{name} = {}", literal(cell))).collect();
    let sql = format!(
        "INSERT INTO {0} ({1}) SELECT {2} FROM {3}, {0} old WHERE {4}",
        from.table,
        columns.join(", "),
        cells.join(", "),
        unnest(changed, rows),
        key.join(" AND ")
    );
    execute(client, &sql, changed.len(), rows).await
}

/// Arrays as rows: `unnest($1::text[], ...) own (a, ...)`.
fn unnest(columns: &[&str], rows: &[Vec<Cell>]) -> String {
    let kind = |cell: &Cell| match cell {
        Cell::Text(_) => "text",
        Cell::Bytes(_) => "bytea",
        Cell::Int(_) => "bigint",
    };
    let arrays: Vec<String> =
        rows.first().into_iter().flatten().enumerate().map(|(at, cell)| format!("${}::{}[]", at + 1, kind(cell))).collect();
    format!("unnest({}) own ({})", arrays.join(", "), columns.join(", "))
}

async fn execute(client: &tokio_postgres::Client, sql: &str, columns: usize, rows: &[Vec<Cell>]) -> Result<(), tokio_postgres::Error> {
    let arrays: Vec<Box<dyn ToSql + Sync>> = (0..columns).map(|at| array(rows.iter().filter_map(|it| it.get(at)))).collect();
    let arrays: Vec<&(dyn ToSql + Sync)> = arrays.iter().map(AsRef::as_ref).collect();
    client.execute(sql, &arrays).await.map(|_| ())
}

fn array<'a>(cells: impl Iterator<Item = &'a Cell> + Clone) -> Box<dyn ToSql + Sync> {
    match cells.clone().next() {
        Some(Cell::Bytes(_)) => {
            Box::new(cells.filter_map(|cell| if let Cell::Bytes(bytes) = cell { Some(bytes.clone()) } else { None }).collect::<Vec<_>>())
        }
        Some(Cell::Int(_)) => {
            Box::new(cells.filter_map(|cell| if let Cell::Int(number) = cell { Some(*number) } else { None }).collect::<Vec<_>>())
        }
        _ => Box::new(cells.filter_map(|cell| if let Cell::Text(text) = cell { Some(text.clone()) } else { None }).collect::<Vec<_>>()),
    }
}

/// The cells of a key come from the store itself.
fn literal(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Cell::Bytes(bytes) => format!("'\\x{}'::bytea", bytes.iter().map(|it| format!("{it:02x}")).collect::<String>()),
        Cell::Int(number) => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[tokio::test]
    async fn a_copy_has_its_own_cells_and_the_rest_from_its_row() {
        let file = std::env::temp_dir().join(format!("symbolon-bench-store-{}.db", std::process::id()));
        let connection = rusqlite::Connection::open(&file).unwrap();
        connection.execute_batch("CREATE TABLE t (id BLOB, name TEXT, n BIGINT); INSERT INTO t VALUES (x'01', 'one', 7)").unwrap();
        let mut stored = Stored::Sqlite { connection, file: file.clone() };
        let from = Template { table: "t", key: &[("id", Cell::Bytes(vec![1]))] };
        stored.copy(&from, &["id", "name"], &[vec![Cell::Bytes(vec![2]), Cell::Text("two".to_owned())]]).await.unwrap();
        stored.insert("t", &["id", "n"], &[vec![Cell::Bytes(vec![3]), Cell::Int(9)]]).await.unwrap();
        assert_eq!(stored.text("SELECT name || n FROM t WHERE id = x'02'").await.unwrap(), "two7");
        assert_eq!(stored.number("SELECT n FROM t WHERE id = x'03' AND name IS NULL").await.unwrap(), Some(9));
        assert_eq!(literal(&Cell::Text("it's".to_owned())), "'it''s'");
        std::fs::remove_file(&file).unwrap();
    }
}
