//! The options of a measurement.

use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Run {
    /// The server's program.
    #[arg(long)]
    pub server: PathBuf,
    /// The directory for databases and configurations, on a real disk.
    #[arg(long)]
    pub directory: PathBuf,
    /// A PostgreSQL database of our own, with fsync on. Without it only SQLite is measured.
    #[arg(long)]
    pub postgres: Option<String>,
    /// The file whose tables are replaced.
    #[arg(long)]
    pub report: Option<PathBuf>,
    /// The file for `perf record` of the refresh row on SQLite.
    #[arg(long)]
    pub profile: Option<PathBuf>,
    /// Leave out what takes minutes: the sweep, memory, conflicts, and the store that grows.
    #[arg(long)]
    pub quick: bool,
    /// Also a store of ten million grants. It needs about ten gigabytes for each engine.
    #[arg(long, conflicts_with = "quick")]
    pub big: bool,
    /// Measure this part alone, and print it. No report is written.
    #[arg(long, value_enum, conflicts_with_all = ["quick", "big", "report"])]
    pub only: Option<Part>,
    /// How long each row is measured. The limit is low because a code lives for a minute.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=20))]
    pub seconds: u64,
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub connections: u16,
}

impl Run {
    /// The name and the database of each engine.
    pub fn engines(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [Some(("SQLite", "sqlite:bench.db")), self.postgres.as_deref().map(|url| ("PostgreSQL", url))].into_iter().flatten()
    }
}

/// A part that can be measured alone.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Memory after sign-ins, of a server that was just started.
    Memory,
    /// What the sweep costs, and what refreshes feel of it.
    Sweep,
    /// Refreshes in a store that grows.
    Growth,
    /// Refreshes, while other changes conflict beside them.
    Conflicts,
    /// From the authorization to refreshes, with DPoP and without: the rows that two builds are compared by.
    Tokens,
}
