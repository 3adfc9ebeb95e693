//! `cargo xtask bench`: the load, the limits of the machine beside it, and the tables. The server is the real binary in a process of its
//! own. This program links nothing of it.

mod against;
mod api;
mod bound;
mod compared;
mod conflicts;
mod echo;
mod growth;
mod http;
mod kiosk;
mod limits;
mod linked;
mod load;
mod memory;
mod native;
mod options;
mod ours;
#[cfg(feature = "plugins")]
mod plugins;
mod process;
mod report;
mod rows;
mod server;
mod steps;
mod store;
mod sweeping;
mod verifiers;

use clap::{Parser, Subcommand};
use limits::Limit;
use load::Row;
use options::{Part, Run};
use report::Measured;
use std::collections::BTreeSet;
use std::path::Path;
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
    /// Measure another server of the protocol, which a file describes.
    Against(against::Options),
    /// Measure a server of ours in the same rows, and keep them for `against`.
    Ours(ours::OwnServer),
    /// Serve the bare HTTP answers that `run` compares with.
    Echo,
    /// Measure a call of a plug-in beside built-in methods.
    #[cfg(feature = "plugins")]
    Plugins(plugins::Options),
}

const PEOPLE: usize = 8;

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        // The load has one thread. The echo server has as many as the server under test.
        Task::Run(options) => one_thread().and_then(|it| it.block_on(run(&options))),
        Task::Against(options) => one_thread().and_then(|it| it.block_on(against::run(&options))),
        Task::Ours(options) => one_thread().and_then(|it| it.block_on(ours::run(&options))),
        #[cfg(feature = "plugins")]
        Task::Plugins(options) => {
            tokio::runtime::Runtime::new().map_err(|it| it.to_string()).and_then(|it| it.block_on(plugins::run(&options)))
        }
        Task::Echo => tokio::runtime::Runtime::new().map_err(|it| it.to_string()).and_then(|it| it.block_on(echo::serve())),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn one_thread() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|it| it.to_string())
}

async fn run(options: &Run) -> Result<(), String> {
    std::fs::create_dir_all(&options.directory).map_err(|it| format!("{}: {it}", options.directory.display()))?;
    if let Some(part) = options.only {
        return measure_part(options, part).await;
    }
    let load_average = process::load_average();
    println!("The machine's limits.");
    let (limits, echo) = measure_machine(options).await?;
    let kinds = verifiers::measure(Duration::from_secs(options.seconds.min(2)))?;
    let mut engines = Vec::new();
    for (name, database) in options.engines() {
        println!("The server on {name}.");
        engines.push(measure_engine(options, name, database).await?);
    }
    let postgres = match &options.postgres {
        Some(url) => Some(store::durable_version(url).await?),
        None => None,
    };
    let measured = Measured { limits, echo, kinds, engines, postgres, load_average };
    let text = report::text(options, &measured);
    println!("\n{text}");
    match &options.report {
        Some(file) => report::replace(file, &report::MEASURED, &text),
        None => Ok(()),
    }
}

async fn measure_machine(options: &Run) -> Result<(Vec<Limit>, Row), String> {
    let (short, connections) = (Duration::from_secs(options.seconds.min(2)), usize::from(options.connections));
    let mut limits = limits::signatures(short)?;
    for batch in BTreeSet::from([1, connections, 64]) {
        limits.push(limits::sqlite(&options.directory, batch, short)?);
    }
    if let Some(url) = &options.postgres {
        limits.push(limits::postgres(url, connections, short).await?);
        limits.push(limits::postgres(url, 8, short).await?);
    }
    Ok((limits, limits::echo(connections, short).await?))
}

/// Measures everything on one engine.
async fn measure_engine(options: &Run, name: &str, database: &str) -> Result<report::Engine, String> {
    let mut site = server::Site::make(&options.server, &options.directory.join(name), database, PEOPLE)?;
    let first = site.start("info")?;
    let first_start = first.started_in;
    first.stop()?;
    site.find_postmaster().await?;
    let mut starts = Vec::new();
    for _ in 0..5 {
        let again = site.start("info")?;
        starts.push(again.started_in);
        again.stop()?;
    }
    starts.sort_unstable();
    let (measure, connections) = (Duration::from_secs(options.seconds), usize::from(options.connections));
    let server = site.start("info")?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let at_rest_kib = server.resident_kib()?;
    let profile: Option<&Path> = options.profile.as_deref().filter(|_| name == "SQLite");
    let bench = steps::Bench::prepare(&site, &server, connections, measure, profile).await?;
    let (mut rows, api) = rows::measure(&bench).await?;
    server.stop()?;
    let quiet = site.start("warn")?;
    let bench = steps::Bench::prepare(&site, &quiet, connections, measure, None).await?;
    rows.push(rows::measure_refresh(&bench, "refresh, no line per request in the log").await?);
    quiet.stop()?;
    let long = if options.quick { None } else { Some(measure_long(options, name, &site, database).await?) };
    // At the end: the store is full of clients from then on.
    rows.push(linked::registered(options, &site, if options.quick { 20_000 } else { 1_000_000 }).await?);
    Ok(report::Engine { name: name.to_owned(), rows, api, first_start, start: starts[starts.len() / 2], at_rest_kib, long })
}

const GROWS: &[u64] = &[1_000, 1_000_000];
const GROWS_BIG: &[u64] = &[1_000, 1_000_000, 10_000_000];

/// Measures what takes minutes.
async fn measure_long(options: &Run, name: &str, site: &server::Site, database: &str) -> Result<report::Long, String> {
    let memory = memory::measure(site).await?;
    let swept = sweeping::measure(options, site).await?;
    let sizes = if options.big { GROWS_BIG } else { GROWS };
    let contended = conflicts::measure(options, name, database).await?;
    Ok(report::Long { memory, swept, contended, grown: growth::measure(options, name, database, sizes).await? })
}

/// Measures one part on each engine, and prints it.
async fn measure_part(options: &Run, part: Part) -> Result<(), String> {
    for (name, database) in options.engines() {
        println!("The server on {name}.");
        if part == Part::Growth {
            let grown = growth::measure(options, name, database, GROWS).await?;
            println!("{}", report::grown(name, &grown));
            continue;
        }
        if part == Part::Conflicts {
            println!("{}", report::conflicts(name, &conflicts::measure(options, name, database).await?));
            continue;
        }
        let mut site = server::Site::make(&options.server, &options.directory.join(name), database, PEOPLE)?;
        site.start("info")?.stop()?;
        site.find_postmaster().await?;
        if part == Part::Memory {
            println!("{}", report::memory(&memory::measure(&site).await?));
            continue;
        }
        if part == Part::Tokens {
            let mut table = String::new();
            report::write_rows(&mut table, name, &measure_tokens(options, &site).await?).map_err(|it| it.to_string())?;
            println!("{table}");
            continue;
        }
        let alone = measure_refresh_alone(options, &site).await?;
        println!("{}", report::sweep(&[alone], &sweeping::measure(options, &site).await?));
    }
    Ok(())
}

async fn measure_tokens(options: &Run, site: &server::Site) -> Result<Vec<Row>, String> {
    let server = site.start("info")?;
    let (measure, connections) = (Duration::from_secs(options.seconds), usize::from(options.connections));
    let bench = steps::Bench::prepare(site, &server, connections, measure, None).await?;
    let rows = rows::measure_tokens(&bench).await?;
    server.stop()?;
    Ok(rows)
}

/// What a refresh during the sweep is compared with.
async fn measure_refresh_alone(options: &Run, site: &server::Site) -> Result<Row, String> {
    let server = site.start("info")?;
    let (measure, connections) = (Duration::from_secs(options.seconds), usize::from(options.connections));
    let bench = steps::Bench::prepare(site, &server, connections, measure, None).await?;
    let works = bound::prepare_refresh(&bench, &bound::few(&bench).await?)?;
    let row = bound::run_refresh(&bench, bound::FEW_GRANTS, works).await?;
    server.stop()?;
    Ok(row)
}
