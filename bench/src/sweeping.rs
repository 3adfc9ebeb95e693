//! What the sweep costs: its CPU for each row, and what refreshes meanwhile feel of it.

use crate::bound;
use crate::growth::{id_at, random};
use crate::load::Row;
use crate::options::Run;
use crate::process::{self, Cpu};
use crate::server::Site;
use crate::steps::Bench;
use crate::store::{Cell, Stored};
use std::time::{Duration, Instant};

/// Rows of each of two tables: used DPoP proofs, and entries about refreshes.
const ROWS: usize = 300_000;
/// Used proofs alone, enough for a sweep that lasts as long as a row.
const LONG: usize = 1_200_000;
/// The server sweeps a minute after its start, and then every minute.
const BEFORE: Duration = Duration::from_secs(50);
const LONGEST: Duration = Duration::from_secs(180);
const DAY_MS: u64 = 24 * 3_600_000;

pub struct Swept {
    pub rows: u64,
    /// The server's and the database's CPU of one row.
    pub each: Cpu,
    /// How many such rows one refresh with DPoP writes.
    pub rows_per_refresh: f64,
    /// Refresh with DPoP, while the sweep is under way.
    pub meanwhile: Row,
    /// The sweep went on longer than that row.
    pub all_the_time: bool,
}

pub async fn measure(options: &Run, site: &Site) -> Result<Swept, String> {
    println!("  the sweep");
    fill(site, ROWS, ROWS).await?;
    let server = site.start("info")?;
    tokio::time::sleep(BEFORE).await;
    let stored = Stored::open(site).await?;
    let before = process::cpu_with_database(server.pid(), site.postmaster)?;
    wait_until(&stored, Left::Nothing).await?;
    let spent = process::cpu_with_database(server.pid(), site.postmaster)?.since(&before);
    let rows = 2 * ROWS as u64;
    drop(stored);
    server.stop()?;
    let (meanwhile, rows_per_refresh, all_the_time) = measure_load(options, site).await?;
    Ok(Swept { rows, each: spent.divided(rows), rows_per_refresh, meanwhile, all_the_time })
}

async fn measure_load(options: &Run, site: &Site) -> Result<(Row, f64, bool), String> {
    fill(site, LONG, 0).await?;
    let server = site.start("info")?;
    let began = Instant::now();
    let (measure, connections) = (Duration::from_secs(options.seconds), usize::from(options.connections));
    let bench = Bench::prepare(site, &server, connections, measure, None).await?;
    let stored = Stored::open(site).await?;
    // What one refresh leaves behind, counted while nothing is swept.
    let grants = bound::few(&bench).await?;
    let written = "SELECT (SELECT count(*) FROM audit_routine) + (SELECT count(*) FROM once)";
    let before = stored.number(written).await?.unwrap_or_default();
    let refreshed = bound::refresh_once(&bench, &grants).await?;
    let after = stored.number(written).await?.unwrap_or_default();
    tokio::time::sleep(BEFORE.saturating_sub(began.elapsed())).await;
    let grants = bound::few(&bench).await?;
    let prepared = bound::prepare_refresh(&bench, &grants)?;
    wait_until(&stored, Left::Something).await?;
    let meanwhile = bound::run_refresh(&bench, "refresh with DPoP, few grants, while the sweep is under way", prepared).await?;
    let all_the_time = is_left(&stored).await?;
    server.stop()?;
    Ok((meanwhile, (after - before) as f64 / refreshed as f64, all_the_time))
}

/// Old rows of the two tables that get one for each refresh with DPoP.
async fn fill(site: &Site, spent: usize, entries: usize) -> Result<(), String> {
    let mut stored = Stored::open(site).await?;
    let mut keys: Vec<[u8; 32]> = (0..spent).map(|_| random()).collect::<Result<_, _>>()?;
    keys.sort_unstable();
    let rows: Vec<Vec<Cell>> = keys.iter().map(|it| vec![Cell::Int(1), Cell::Text("dpop".to_owned()), Cell::Bytes(it.to_vec())]).collect();
    stored.insert("once", &["bucket", "kind", "key"], &rows).await?;
    let old = process::now_s().unsigned_abs() * 1000 - 100 * DAY_MS;
    let body = format!(r#"{{"event":"token_refreshed","outcome":"ok","detail":"{}"}}"#, "d".repeat(220));
    let rows: Result<Vec<Vec<Cell>>, String> =
        (0..entries as u64).map(|at| Ok(vec![Cell::Bytes(id_at(old + at)?.to_vec()), Cell::Text(body.clone())])).collect();
    stored.insert("audit_routine", &["id", "body"], &rows?).await?;
    stored.settle().await
}

enum Left {
    /// All old rows are gone.
    Nothing,
    /// The first ones are gone.
    Something,
}

async fn wait_until(stored: &Stored, left: Left) -> Result<(), String> {
    let first = "SELECT count(*) FROM (SELECT 1 FROM once WHERE bucket = 1 LIMIT 500000000) x";
    let (began, all) = (Instant::now(), stored.number(first).await?);
    while began.elapsed() < LONGEST {
        let done = match left {
            Left::Nothing => !is_left(stored).await?,
            Left::Something => stored.number(first).await? < all,
        };
        if done {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Err("the sweep did not come, or did not end".to_owned())
}

/// Whether old rows are left in either table.
async fn is_left(stored: &Stored) -> Result<bool, String> {
    let old_spent = stored.number("SELECT count(*) FROM (SELECT 1 FROM once WHERE bucket = 1 LIMIT 1) x").await?;
    let limit = id_at(process::now_s().unsigned_abs() * 1000 - 90 * DAY_MS)?;
    let hex: String = limit.iter().map(|it| format!("{it:02x}")).collect();
    let blob = if matches!(stored, Stored::Sqlite { .. }) { format!("x'{hex}'") } else { format!("'\\x{hex}'::bytea") };
    let old_entries = stored.number(&format!("SELECT count(*) FROM (SELECT 1 FROM audit_routine WHERE id < {blob} LIMIT 1) x")).await?;
    Ok(old_spent != Some(0) || old_entries != Some(0))
}
