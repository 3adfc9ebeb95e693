//! Refresh in a store of a few grants and in one of many. The grants that are refreshed lie scattered among the others.

use crate::load::Row;
use crate::options::Run;
use crate::server::Site;
use crate::steps::{Ask, BOTH, Bench};
use crate::store::{Cell, Stored, Template};
use aws_lc_rs::{digest, rand};
use std::path::Path;
use std::time::Duration;
use symbolon_oauth::base64url;

/// Grants that are refreshed, at random.
pub const REFRESHED: usize = 8_000;
/// Over how long the sessions of the store began: less than their grants live.
const SPREAD_MS: u64 = 5 * 24 * 3_600_000;
/// Rows that are made at once.
const BITE: u64 = 50_000;

pub struct Grown {
    pub grants: u64,
    pub bytes: u64,
    pub row: Row,
}

/// One row for each size, each in a store of its own.
pub async fn measure(options: &Run, engine: &str, database: &str, sizes: &[u64]) -> Result<Vec<Grown>, String> {
    let mut rows = Vec::new();
    for &grants in sizes {
        println!("  a store of {grants} grants");
        let directory = options.directory.join(format!("{engine}-{grants}"));
        let own = Database::make(database, &format!("bench_{grants}")).await?;
        rows.push(measure_one(options, &directory, &own.url, grants).await?);
        own.drop().await?;
        let _ = std::fs::remove_dir_all(&directory);
    }
    Ok(rows)
}

async fn measure_one(options: &Run, directory: &Path, database: &str, grants: u64) -> Result<Grown, String> {
    let (site, cookies) = make_site(options, directory, database, grants).await?;
    let bytes = Stored::open(&site).await?.size().await?;
    let server = site.start("info")?;
    let (measure, connections) = (Duration::from_secs(options.seconds), usize::from(options.connections));
    let bench = Bench::of_sessions(&site, &server, connections, measure, cookies);
    let codes = bench.codes_of_everybody(&Ask::phone(BOTH)).await?;
    let (_, tokens) = bench.exchange("preparing grants", codes, bench.unmeasured(200)).await?;
    let row = bench.refresh(&format!("refresh, {} grants in the store", thousands(grants)), &tokens, None).await?;
    server.stop()?;
    Ok(Grown { grants, bytes, row })
}

/// A site whose store has so many grants, each with a session and a person of its own, and the cookies of those whose grants will be
/// refreshed.
pub async fn make_site(options: &Run, directory: &Path, database: &str, grants: u64) -> Result<(Site, Vec<String>), String> {
    let mut site = Site::make(&options.server, directory, database, 1)?;
    site.find_postmaster().await?;
    let server = site.start("info")?;
    let (measure, connections) = (Duration::from_secs(options.seconds), usize::from(options.connections));
    Bench::prepare(&site, &server, connections, measure, None).await?.grants(BOTH).await?;
    server.stop()?;
    let cookies = fill(&site, grants).await?;
    Ok((site, cookies))
}

/// Fills a store that has one session with a grant. Answers the cookies of those whose grants will be refreshed, in random order.
async fn fill(site: &Site, grants: u64) -> Result<Vec<String>, String> {
    let mut stored = Stored::open(site).await?;
    let live = "SELECT session FROM app_grant WHERE state = 'active' ORDER BY session DESC, number LIMIT 1";
    let session = Cell::Bytes(stored.bytes(live).await?);
    let of_session = "FROM session WHERE id = (SELECT session FROM app_grant WHERE state = 'active' ORDER BY session DESC, number LIMIT 1)";
    let account = stored.text(&format!("SELECT account {of_session}")).await?;
    let proofs = stored.text(&format!("SELECT proofs {of_session}")).await?;
    let number = stored.number("SELECT number FROM app_grant WHERE state = 'active' ORDER BY session DESC, number LIMIT 1").await?;
    let grant_key = [("session", session.clone()), ("number", Cell::Int(number.ok_or("no grant")?))];
    let (account_key, session_key) = ([("id", Cell::Text(account.clone()))], [("id", session)]);
    // A proof counts as long as its credential is there.
    let password_key = [("account", Cell::Text(account.clone())), ("kind", Cell::Text("password".to_owned()))];
    let now_ms = crate::process::now_s().unsigned_abs() * 1000;
    let every = (grants / REFRESHED as u64).max(1);
    let mut cookies = Vec::new();
    for begin in (0..grants).step_by(usize::try_from(BITE).unwrap_or(usize::MAX)) {
        let (mut accounts, mut sessions, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for at in begin..grants.min(begin + BITE) {
            let (person, id, secret) = (format!("bench-{at}"), id_at(now_ms - SPREAD_MS + SPREAD_MS * at / grants)?, random::<32>()?);
            accounts.push(vec![Cell::Text(person.clone())]);
            let cookie = digest::digest(&digest::SHA256, &secret).as_ref().to_vec();
            let proofs = proofs.replace(&account, &person);
            let (id_cell, person_cell) = (Cell::Bytes(id.to_vec()), Cell::Text(person));
            sessions.push(vec![id_cell.clone(), person_cell.clone(), Cell::Bytes(cookie), Cell::Text(proofs)]);
            if at % every == 0 && cookies.len() < REFRESHED {
                cookies.push(format!("symbolon-session={}", base64url::encode(&[&id[..], &secret[..]].concat())));
            } else {
                others.push(vec![id_cell, person_cell]);
            }
        }
        stored.copy(&Template { table: "account", key: &account_key }, &["id"], &accounts).await?;
        stored.copy(&Template { table: "credential", key: &password_key }, &["account"], &accounts).await?;
        stored.copy(&Template { table: "session", key: &session_key }, &["id", "account", "cookie", "proofs"], &sessions).await?;
        if !others.is_empty() {
            stored.copy(&Template { table: "app_grant", key: &grant_key }, &["session", "account"], &others).await?;
        }
    }
    stored.settle().await?;
    shuffle(cookies)
}

fn shuffle(cookies: Vec<String>) -> Result<Vec<String>, String> {
    let drawn: Result<Vec<([u8; 8], String)>, String> = cookies.into_iter().map(|it| Ok((random()?, it))).collect();
    let mut drawn = drawn?;
    drawn.sort_unstable();
    Ok(drawn.into_iter().map(|it| it.1).collect())
}

/// As the server makes ids of sessions: six bytes of milliseconds, then random ones.
pub fn id_at(ms: u64) -> Result<[u8; 16], String> {
    let mut id = random::<16>()?;
    id[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
    Ok(id)
}

pub fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut out = [0; N];
    rand::fill(&mut out).map_err(|_| "no randomness".to_owned())?;
    Ok(out)
}

/// 1000000 as 1,000,000.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A database for one store.
pub struct Database {
    pub url: String,
    /// Of PostgreSQL: the URL of the database beside it, and its name.
    beside: Option<(String, String)>,
}

impl Database {
    /// A new one on the server of another one, by this name. SQLite has one in each directory.
    pub async fn make(beside: &str, name: &str) -> Result<Self, String> {
        if beside.starts_with("sqlite:") {
            return Ok(Self { url: beside.to_owned(), beside: None });
        }
        let (head, _) = beside.rsplit_once('/').ok_or("a PostgreSQL URL without a database")?;
        let own = Self { url: format!("{head}/{name}"), beside: Some((beside.to_owned(), name.to_owned())) };
        own.run("DROP DATABASE IF EXISTS").await?;
        own.run("CREATE DATABASE").await?;
        Ok(own)
    }

    pub async fn drop(self) -> Result<(), String> {
        self.run("DROP DATABASE").await
    }

    async fn run(&self, statement: &str) -> Result<(), String> {
        let Some((beside, name)) = &self.beside else { return Ok(()) };
        let (client, connection) = tokio_postgres::connect(beside, tokio_postgres::NoTls).await.map_err(crate::store::postgres)?;
        tokio::spawn(connection);
        client.batch_execute(&format!("{statement} {name}")).await.map_err(crate::store::postgres)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_have_commas() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_000), "1,000");
        assert_eq!(thousands(10_000_000), "10,000,000");
    }
}
