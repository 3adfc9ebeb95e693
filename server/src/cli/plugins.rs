//! `symbolon plugin`.

use super::desk::Desk;
use super::lists::{self, List, ListArgs};
use super::screen::{Screen, Stop};
use crate::operations::{Operation, Outcome, PluginOperation, Problem};
use crate::plugins::PluginLine;
use clap::Subcommand;
use std::path::{Path, PathBuf};

#[derive(Subcommand)]
pub enum Plugin {
    /// Say what a file is: its world, its imports, the memory it needs, and its digest for the configuration.
    Check {
        file: PathBuf,
        /// The world that it is to be of. Without it: any.
        #[arg(long, value_parser = ["method", "decision", "claims", "evidence"])]
        world: Option<String>,
        /// Call it once, with what this JSON file says; docs/plugins.md has its members. Nothing is sent to anybody.
        #[arg(long)]
        input: Option<PathBuf>,
        /// MiB that an instance may have, as `memory` in the configuration.
        #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
        memory: u16,
        /// Seconds that a call may take, as `time` in the configuration.
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=30))]
        time: u8,
    },
    /// The plug-ins of the configuration, with their calls in the running server.
    List {
        #[command(flatten)]
        list: ListArgs,
    },
}

pub async fn list(desk: &mut Desk, screen: &Screen, list: &ListArgs) -> Result<u8, Stop> {
    lists::print(desk, screen, list, &plugins(), |paging| Operation::Plugin(PluginOperation::List { paging })).await
}

fn plugins() -> List<PluginLine> {
    List {
        member: "plugins",
        head: format!("{:<24} {:<9} {:<9} {:>10} {:>9} {:>9}  SHA256", "NAME", "WORLD", "INTERFACE", "CALLS", "FAILURES", "MEAN µs"),
        rows: |outcome| match outcome {
            Outcome::Plugins(page) => Some((page.plugins, page.next)),
            _ => None,
        },
        line: |row| {
            let what = format!("{:<24} {:<9} {:<9}", row.name, row.world, row.interface);
            let head = format!("{what} {:>10} {:>9} {:>9}", row.calls, row.failures, row.mean_us);
            match &row.problem {
                Some(problem) => format!("{head}  not loaded: {problem}"),
                None => format!("{head}  {}", row.sha256),
            }
        },
    }
}

/// What `plugin check` is to look at.
#[cfg_attr(not(feature = "plugins"), expect(dead_code, reason = "this program has no sandbox"))]
pub struct Checking<'a> {
    pub file: &'a Path,
    pub world: Option<&'a str>,
    pub input: Option<&'a Path>,
    pub memory: u16,
    pub time: u8,
}

#[cfg(not(feature = "plugins"))]
pub async fn check(_screen: &Screen, _checking: Checking<'_>) -> Result<u8, Stop> {
    Err(Problem::invalid("this program was built without plug-ins; build it with the feature `plugins`").into())
}

/// Compiles the file as the server would, and makes one instance within the limits. With `input` it is called once.
#[cfg(feature = "plugins")]
pub async fn check(screen: &Screen, checking: Checking<'_>) -> Result<u8, Stop> {
    use symbolon_plugin::{Compiled, Limits, Runtime, World};
    let Checking { file, world, input, memory, time } = checking;
    let bytes = std::fs::read(file).map_err(|error| Problem::invalid(format!("{}: {error}", file.display())))?;
    let refused = |error: symbolon_plugin::LoadError| Problem::invalid(format!("{}: {error}", file.display()));
    let runtime = Runtime::new().map_err(refused)?;
    let compiled = match world {
        Some(world) => Compiled::new(&runtime, &bytes, world.parse::<World>().map_err(refused)?),
        None => Compiled::of_any_world(&runtime, &bytes),
    }
    .map_err(refused)?;
    let time = std::time::Duration::from_secs(time.into());
    let limits = Limits { memory: usize::from(memory) << 20, time, ..Limits::default() };
    if let Some(input) = input {
        return super::plugin_trial::run(screen, &compiled, (input, limits)).await;
    }
    super::plugin_trial::must_fit(&compiled, limits).map_err(refused)?;
    let facts = compiled.facts();
    let sha256 = crate::plugins::hexadecimal(&symbolon_oauth::digest::sha256(&bytes));
    if screen.is_json() {
        let document = serde_json::json!({
            "world": facts.world.as_str(), "interface": facts.interface, "sha256": sha256, "bytes": facts.size, "memory_bytes": facts.memory,
            "compiled_ms": u64::try_from(facts.compiled_in.as_millis()).unwrap_or(u64::MAX), "imports": facts.imports,
        });
        screen.json(&document, false)?;
        return Ok(0);
    }
    screen.line(format!("world    {}, interface {}", facts.world, facts.interface))?;
    screen.line(format!("sha256   {sha256}"))?;
    screen.line(format!("size     {} KiB, compiled in {} ms", facts.size.div_ceil(1024), facts.compiled_in.as_millis()))?;
    screen.line(format!("memory   {} KiB to begin with, at most {} MiB", facts.memory / 1024, memory))?;
    for import in &facts.imports {
        screen.row(&format!("imports  {import}"))?;
    }
    Ok(0)
}
