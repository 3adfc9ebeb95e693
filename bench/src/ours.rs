//! Our own server in the rows of `against`, so that both stand in one table: the same requests, on PostgreSQL, with a session for each grant.

use crate::against::{self, GRANTS, Peer, Timing};
use crate::compared::KeptRows;
use crate::growth::Database;
use crate::memory;
use crate::process;
use crate::report;
use crate::server::Site;
use crate::store;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct OwnServer {
    /// The server's program.
    #[arg(long)]
    pub server: PathBuf,
    /// The directory for its configuration.
    #[arg(long)]
    pub directory: PathBuf,
    /// A PostgreSQL database of our own, with fsync on. The server gets another one beside it.
    #[arg(long)]
    pub postgres: String,
    /// The file that keeps the rows for `against --beside`.
    #[arg(long)]
    pub keep: PathBuf,
    #[command(flatten)]
    pub timing: Timing,
}

pub async fn run(options: &OwnServer) -> Result<(), String> {
    let load_average = process::load_average();
    std::fs::create_dir_all(&options.directory).map_err(|it| format!("{}: {it}", options.directory.display()))?;
    let database = store::durable_version(&options.postgres).await?;
    let [data] = store::settings(&options.postgres, ["data_directory"]).await?;
    let machine = report::machine(Path::new(&data));
    println!("Our server.");
    let own = Database::make(&options.postgres, "bench_ours").await?;
    let mut site = Site::make(&options.server, &options.directory.join("ours"), &own.url, crate::PEOPLE)?;
    site.find_postmaster().await?;
    let server = site.start("info")?;
    let cookies = memory::sign_in_often(&site, &server, GRANTS).await?;
    let peer = Peer::ours(&site, &server, cookies);
    let name = peer.full_name();
    let rows = against::measure_peer(&options.timing, peer).await?;
    server.stop()?;
    own.drop().await?;
    let mut table = String::new();
    report::write_rows(&mut table, &name, &rows).map_err(|it| it.to_string())?;
    println!("{table}");
    KeptRows { name, machine, database, load_average, rows }.write(&options.keep)
}
