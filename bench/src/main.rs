//! `cargo xtask bench`: the load, the limits of the machine beside it, and the table. The server is the real binary in a
//! process of its own; nothing of it is linked in here.

mod api;
mod bound;
mod echo;
mod http;
mod limits;
mod load;
mod process;
mod report;
mod rows;
mod server;
mod verifiers;

use clap::{Parser, Subcommand};
use limits::Limit;
use load::Row;
use report::Measured;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Measure a server.
    Run(Run),
    /// The bare HTTP server that `run` compares with.
    Echo,
}

#[derive(clap::Args)]
pub struct Run {
    /// The server's program.
    #[arg(long)]
    server: PathBuf,
    /// Where databases and configurations go: a directory on a real disk.
    #[arg(long)]
    directory: PathBuf,
    /// A PostgreSQL database of our own, with fsync on; without it only SQLite is measured.
    #[arg(long)]
    postgres: Option<String>,
    /// The file whose tables are replaced.
    #[arg(long)]
    report: Option<PathBuf>,
    /// `perf record` of the refresh row on SQLite goes to this file.
    #[arg(long)]
    profile: Option<PathBuf>,
    /// How long each row is measured. A code lives a minute, which is the upper limit.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=20))]
    seconds: u64,
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=256))]
    connections: u16,
}

const PEOPLE: usize = 8;

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        // The load is one thread; the echo server has as many as the server under test.
        Task::Run(it) => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|it| it.to_string())
            .and_then(|runtime| runtime.block_on(run(&it))),
        Task::Echo => tokio::runtime::Runtime::new().map_err(|it| it.to_string()).and_then(|it| it.block_on(echo::serve())),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

async fn run(it: &Run) -> Result<(), String> {
    std::fs::create_dir_all(&it.directory).map_err(|e| format!("{}: {e}", it.directory.display()))?;
    let load_average = std::fs::read_to_string("/proc/loadavg").unwrap_or_default().split(' ').next().unwrap_or_default().to_owned();
    println!("The machine's limits.");
    let (limits, echo) = machine(it).await?;
    println!("The server on SQLite.");
    let kinds = verifiers::all(Duration::from_secs(it.seconds.min(2)))?;
    let mut engines = vec![engine(it, "SQLite", "sqlite:bench.db").await?];
    if let Some(url) = &it.postgres {
        println!("The server on PostgreSQL.");
        engines.push(engine(it, "PostgreSQL", url).await?);
    }
    let measured = Measured { limits, echo, kinds, engines, postgres: postgres_version(it).await?, load_average };
    let text = report::text(it, &measured);
    println!("\n{text}");
    match &it.report {
        Some(file) => report::replace(file, &text),
        None => Ok(()),
    }
}

async fn machine(it: &Run) -> Result<(Vec<Limit>, Row), String> {
    let (short, connections) = (Duration::from_secs(it.seconds.min(2)), usize::from(it.connections));
    let mut limits = limits::signatures(short)?;
    for batch in BTreeSet::from([1, connections, 64]) {
        limits.push(limits::sqlite(&it.directory, batch, short)?);
    }
    if let Some(url) = &it.postgres {
        limits.push(limits::postgres(url, connections, short).await?);
        limits.push(limits::postgres(url, 8, short).await?);
    }
    Ok((limits, limits::echo(connections, short).await?))
}

/// Everything on one engine.
async fn engine(it: &Run, name: &str, database: &str) -> Result<report::Engine, String> {
    let site = server::Site::make(&it.server, &it.directory.join(name), database, PEOPLE)?;
    let first = site.start("info")?;
    let first_start = first.started_in;
    first.stop()?;
    let mut starts = Vec::new();
    for _ in 0..5 {
        let again = site.start("info")?;
        starts.push(again.started_in);
        again.stop()?;
    }
    starts.sort_unstable();
    let (measure, connections) = (Duration::from_secs(it.seconds), usize::from(it.connections));
    let server = site.start("info")?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let at_rest_kib = server.resident_kib()?;
    let profile: Option<&Path> = it.profile.as_deref().filter(|_| name == "SQLite");
    let bench = rows::Bench::prepare(&site, &server, connections, measure, profile).await?;
    let (mut rows, api) = bench.all().await?;
    server.stop()?;
    let quiet = site.start("warn")?;
    rows.push(
        rows::Bench::prepare(&site, &quiet, connections, measure, None)
            .await?
            .refresh_alone("refresh, no line per request in the log")
            .await?,
    );
    quiet.stop()?;
    Ok(report::Engine { name: name.to_owned(), rows, api, first_start, start: starts[starts.len() / 2], at_rest_kib })
}

async fn postgres_version(it: &Run) -> Result<Option<String>, String> {
    let Some(url) = &it.postgres else { return Ok(None) };
    let failed = |it: tokio_postgres::Error| format!("PostgreSQL: {it}");
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.map_err(failed)?;
    tokio::spawn(connection);
    let mut said = Vec::new();
    for name in ["server_version", "fsync", "synchronous_commit"] {
        let row = client.query_one(&format!("SELECT current_setting('{name}')"), &[]).await.map_err(failed)?;
        said.push(row.get::<_, String>(0));
    }
    let [version, fsync, synchronous] = said.as_slice() else { return Ok(None) };
    if fsync != "on" || synchronous != "on" {
        return Err(format!("PostgreSQL has fsync={fsync} and synchronous_commit={synchronous}: that measures nothing"));
    }
    let version = version.split(' ').next().unwrap_or_default();
    Ok(Some(format!("PostgreSQL {version} (fsync={fsync}, synchronous_commit={synchronous})")))
}
