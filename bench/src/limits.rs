//! The machine's own limits, in the same run: the cost of a bare signature, a bare write and a bare HTTP exchange.

use crate::http;
use crate::load::{self, Load, Row, Work};
use crate::process;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[derive(Clone)]
pub struct Limit {
    pub name: String,
    pub per_s: f64,
    /// CPU time of one operation, where all of it is in one process.
    pub cpu_us: Option<f64>,
}

pub fn limit(name: &str, count: u64, took: Duration, cpu: Option<Duration>) -> Limit {
    let each_us = |total: Duration| total.as_secs_f64() * 1e6 / count.max(1) as f64;
    Limit { name: name.to_owned(), per_s: count as f64 / took.as_secs_f64(), cpu_us: cpu.map(each_us) }
}

/// Repeats an operation for this time. The operation returns how many it did.
pub fn repeat(name: &str, duration: Duration, mut operation: impl FnMut() -> Result<u64, String>) -> Result<Limit, String> {
    let (began, before, mut count) = (Instant::now(), process::cpu(std::process::id())?, 0);
    while began.elapsed() < duration {
        count += operation()?;
    }
    Ok(limit(name, count, began.elapsed(), Some(process::cpu(std::process::id())? - before)))
}

/// Signatures on one core, over a message as long as a JWT's signed part.
pub fn signatures(duration: Duration) -> Result<Vec<Limit>, String> {
    let failed = |_| "ECDSA failed".to_owned();
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
    let (random, message) = (SystemRandom::new(), [b'm'; 600]);
    let signed = pair.sign(&random, &message).map_err(failed)?;
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref());
    Ok(vec![
        repeat("ECDSA P-256 signatures, one core", duration, || pair.sign(&random, &message).map(|_| 1).map_err(failed))?,
        repeat("ECDSA P-256 verifications, one core", duration, || public.verify(&message, signed.as_ref()).map(|()| 1).map_err(failed))?,
    ])
}

pub fn sqlite_name(batch: usize) -> String {
    if batch == 1 { "SQLite rows, each its own commit".to_owned() } else { format!("SQLite rows, {batch} to a commit") }
}

/// Rows per second with this many rows in a commit: WAL, synchronous=FULL, keys in the order of time.
pub fn sqlite(directory: &Path, batch: usize, duration: Duration) -> Result<Limit, String> {
    let path = directory.join(format!("bare-{batch}.db"));
    let run = || -> rusqlite::Result<(u64, Duration, Duration)> {
        let connection = rusqlite::Connection::open(&path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", 4000)?;
        connection.execute_batch("CREATE TABLE bare (id BLOB NOT NULL PRIMARY KEY, body TEXT NOT NULL)")?;
        let (mut count, body) = (0_u64, "b".repeat(300));
        let (began, before) = (Instant::now(), process::cpu(std::process::id()).unwrap_or_default());
        while began.elapsed() < duration {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            for _ in 0..batch {
                count += 1;
                let id = u128::from(count).to_be_bytes();
                connection.prepare_cached("INSERT INTO bare (id, body) VALUES (?1, ?2)")?.execute((&id[..], &body))?;
            }
            connection.execute_batch("COMMIT")?;
        }
        let cpu = process::cpu(std::process::id()).unwrap_or_default().saturating_sub(before);
        Ok((count, began.elapsed(), cpu))
    };
    let (count, took, cpu) = run().map_err(|it| format!("SQLite: {it}"))?;
    let _ = std::fs::remove_file(&path);
    Ok(limit(&sqlite_name(batch), count, took, Some(cpu)))
}

/// Rows per second over this many connections, each row in a commit of its own.
pub async fn postgres(url: &str, connections: usize, duration: Duration) -> Result<Limit, String> {
    let failed = |error: tokio_postgres::Error| format!("PostgreSQL: {error}");
    let open = async || {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.map_err(failed)?;
        tokio::spawn(connection);
        Ok::<_, String>(client)
    };
    let setup = open().await?;
    setup.batch_execute("CREATE TABLE bare (id BYTEA NOT NULL PRIMARY KEY, body TEXT NOT NULL)").await.map_err(failed)?;
    let mut tasks = tokio::task::JoinSet::new();
    let began = Instant::now();
    for number in 0..connections {
        let client = open().await?;
        tasks.spawn(async move {
            let statement = client.prepare("INSERT INTO bare (id, body) VALUES ($1, $2)").await?;
            let (mut count, body) = (0_u64, "b".repeat(300));
            while began.elapsed() < duration {
                let id = (u128::from(count) << 64 | number as u128).to_be_bytes();
                client.execute(&statement, &[&&id[..], &body]).await?;
                count += 1;
            }
            Ok::<_, tokio_postgres::Error>(count)
        });
    }
    let mut count = 0;
    while let Some(done) = tasks.join_next().await {
        count += done.map_err(|it| it.to_string())?.map_err(failed)?;
    }
    let took = began.elapsed();
    setup.batch_execute("DROP TABLE bare").await.map_err(failed)?;
    Ok(limit(&format!("PostgreSQL rows, each its own commit, {connections} connections"), count, took, None))
}

/// The HTTP stack alone, in a process of its own, with requests and answers as long as those of a refresh.
pub async fn echo(connections: usize, measure: Duration) -> Result<Row, String> {
    let program = std::env::current_exe().map_err(|it| it.to_string())?;
    let mut child = Command::new(program)
        .arg("echo")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|it| format!("the echo server: {it}"))?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        BufReader::new(out).read_line(&mut line).map_err(|it| it.to_string())?;
    }
    let request = http::post("/token", &[], &[("grant_type", "refresh_token"), ("client_id", "phone"), ("refresh_token", &"r".repeat(96))]);
    let outcome = match line.trim().parse() {
        Ok(address) => {
            let load =
                Load { address, pid: child.id(), postmaster: None, status: 200, warm_up: Duration::from_millis(300), measure, keep: false };
            let works = (0..connections).map(|_| Work::Round(vec![request.clone()], 0)).collect();
            load::run("HTTP echo", &load, works).await.map(|it| it.0)
        }
        Err(_) => Err("the echo server printed no address".to_owned()),
    };
    let _ = child.kill();
    let _ = child.wait();
    outcome
}
