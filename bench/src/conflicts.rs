//! Refreshes while other changes conflict beside them. A conflict is one refresh token that is sent twice at the same moment: both requests
//! read the same generation of the grant, and one of the two changes finds that its guard does not hold any more. On PostgreSQL that costs
//! its group a flight. Whoever lost reads again and gets the winner's token, so no grant ends, and this can go on.
//!
//! A change whose row conflicted just before goes alone, and costs a group nothing. So the grants are many, and each waits for its turn.

use crate::growth::{self, Database, REFRESHED};
use crate::http::{self, Connection};
use crate::load::{self, Row, Work};
use crate::options::Run;
use crate::server::{CountingNode, PHONE};
use crate::steps::{Ask, BOTH, Bench, Tokens};
use bytes::Bytes;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::Instant;

/// Half of them are refreshed by the load that is measured, and half beside it.
const GRANTS: u64 = REFRESHED as u64;
/// Pairs of requests a second, at regular moments, whether or not those before are answered.
const PAIRS_PER_S: u64 = 500;
/// So many pairs may be under way at once.
const MOST_PAIRS: usize = 32;

/// What is sent beside the refreshes that are measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rivals {
    Nothing,
    /// The tokens of two grants at the same moment: as many requests, and no conflict.
    TwoGrants,
    /// One token twice at the same moment.
    OneGrant,
    /// The same, once at each of two nodes. One waits inside PostgreSQL for the row that the other one has changed.
    OneGrantAtTwoNodes,
}

impl Rivals {
    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "refresh, nothing beside it",
            Self::TwoGrants => "refresh, beside pairs that do not conflict",
            Self::OneGrant => "refresh, beside one token twice at once",
            Self::OneGrantAtTwoNodes => "refresh, beside one token at two nodes at once",
        }
    }
}

pub struct Contended {
    /// CPU time is that of one request, those beside included. It is the first node's.
    pub row: Row,
    pub nodes: usize,
    pub pairs_per_s: f64,
    /// As the nodes count them.
    pub conflicts_per_s: f64,
    /// How many requests of the pairs were answered with 503.
    pub busy: u64,
}

/// One row for each kind of load beside it. Two nodes need PostgreSQL.
pub async fn measure(options: &Run, engine: &str, database: &str) -> Result<Vec<Contended>, String> {
    println!("  conflicts");
    let directory = options.directory.join(format!("{engine}-conflicts"));
    let own = Database::make(database, "bench_conflicts").await?;
    let (site, cookies) = growth::make_site(options, &directory, &own.url, GRANTS).await?;
    let first = site.start_node(0)?;
    let (measure, connections) = (Duration::from_secs(options.seconds), usize::from(options.connections));
    let bench = Bench::of_sessions(&site, &first.server, connections, measure, cookies);
    let mut contended = Vec::new();
    for rivals in [Rivals::Nothing, Rivals::TwoGrants, Rivals::OneGrant] {
        contended.push(measure_one(&bench, &[&first], rivals).await?);
    }
    if site.sqlite_file().is_none() {
        let second = site.start_node(1)?;
        contended.push(measure_one(&bench, &[&first, &second], Rivals::OneGrantAtTwoNodes).await?);
        second.server.stop()?;
    }
    first.server.stop()?;
    own.drop().await?;
    let _ = std::fs::remove_dir_all(&directory);
    Ok(contended)
}

async fn measure_one(bench: &Bench<'_>, nodes: &[&CountingNode], rivals: Rivals) -> Result<Contended, String> {
    let name = rivals.name();
    // New grants for each row: the tokens of the row before are spent.
    let codes = bench.codes_of_everybody(&Ask::phone(BOTH)).await?;
    let (_, tokens) = bench.exchange("preparing grants", codes, bench.unmeasured(200)).await?;
    let (measured, beside) = tokens.split_at(tokens.len() / 2);
    let works = bench.divide(name, measured)?.into_iter().map(|tokens| Work::refresh(PHONE, tokens, None, None)).collect();
    let before = count(nodes).await?;
    let schedule = Rc::new(PairSchedule::new());
    let run = async {
        let mut pairs = send_beside(nodes, rivals, beside, &schedule).await?;
        let measured = load::measure(name, &bench.load(200), works).await;
        schedule.is_over.set(true);
        while let Some(done) = pairs.join_next().await {
            done.map_err(|it| it.to_string())??;
        }
        measured
    };
    let (mut row, _) = LocalSet::new().run_until(run).await.map_err(|it| format!("{name}: {it}"))?;
    let each_s = 1.0 / schedule.began.elapsed().as_secs_f64();
    let pairs_per_s = schedule.sent.get() as f64 * each_s;
    let conflicts_per_s = count(nodes).await?.saturating_sub(before) as f64 * each_s;
    // A pair is two requests. Where there are two nodes, the first one gets one of them.
    let at_first = 2.0 * pairs_per_s / nodes.len() as f64;
    let shared = |beside: f64| row.per_s / (row.per_s + beside);
    let (of_server, of_database) = (shared(at_first), shared(2.0 * pairs_per_s));
    row.server_us *= of_server;
    row.database_us = row.database_us.map(|it| it * of_database);
    Ok(Contended { row, nodes: nodes.len(), pairs_per_s, conflicts_per_s, busy: schedule.busy.get() })
}

/// How many changes conflicted so far, at all nodes.
async fn count(nodes: &[&CountingNode]) -> Result<u64, String> {
    let mut conflicts = 0;
    for node in nodes {
        conflicts += node.conflicts().await?;
    }
    Ok(conflicts)
}

/// When each pair is sent, and what became of them.
struct PairSchedule {
    began: Instant,
    next: Cell<u64>,
    is_over: Cell<bool>,
    sent: Cell<u64>,
    busy: Cell<u64>,
}

impl PairSchedule {
    fn new() -> Self {
        Self { began: Instant::now(), next: Cell::new(0), is_over: Cell::new(false), sent: Cell::new(0), busy: Cell::new(0) }
    }

    /// Waits for the moment of the next pair. A slow answer moves no moment. False: it is over.
    async fn turn(&self) -> bool {
        let number = self.next.get();
        self.next.set(number + 1);
        tokio::time::sleep_until(self.began + Duration::from_micros(number * 1_000_000 / PAIRS_PER_S)).await;
        !self.is_over.get()
    }
}

/// Starts what is sent beside the load, in the LocalSet of the caller.
async fn send_beside(
    nodes: &[&CountingNode],
    rivals: Rivals,
    tokens: &[Tokens],
    schedule: &Rc<PairSchedule>,
) -> Result<JoinSet<Result<(), String>>, String> {
    let mut pairs = JoinSet::new();
    let (Some(one), Some(other)) = (nodes.first(), nodes.last()) else { return Ok(pairs) };
    if rivals == Rivals::Nothing {
        return Ok(pairs);
    }
    for grants in Bench::divide_among(MOST_PAIRS, rivals.name(), tokens)? {
        let connections = [Connection::open(one.address).await?, Connection::open(other.address).await?];
        pairs.spawn_local(send_pairs(connections, grants, rivals, Rc::clone(schedule)));
    }
    Ok(pairs)
}

/// Sends pairs at their moments. `grants`: a refresh token of each.
async fn send_pairs(
    mut connections: [Connection; 2],
    mut grants: Vec<String>,
    rivals: Rivals,
    schedule: Rc<PairSchedule>,
) -> Result<(), String> {
    let mut at = 0;
    while schedule.turn().await {
        let places = if rivals == Rivals::TwoGrants { [at, (at + 1) % grants.len()] } else { [at, at] };
        let requests = places.map(|place| refresh(&grants[place]));
        let [one, other] = &mut connections;
        let (first, second) = tokio::join!(one.ask(&requests[0]), other.ask(&requests[1]));
        for (place, answer) in places.into_iter().zip([first?, second?]) {
            match (answer.status, answer.member("refresh_token")) {
                (200, Some(new)) => grants[place] = new.to_owned(),
                (503, _) => schedule.busy.set(schedule.busy.get() + 1),
                _ => return Err(format!("beside it: {}: {}", answer.status, answer.body)),
            }
        }
        schedule.sent.set(schedule.sent.get() + 1);
        at = (places[1] + 1) % grants.len();
    }
    Ok(())
}

fn refresh(token: &str) -> Bytes {
    http::post("/token", &[], &[("grant_type", "refresh_token"), ("client_id", PHONE), ("refresh_token", token)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_moments_of_pairs_do_not_wait_for_answers() {
        let schedule = PairSchedule::new();
        for _ in 0..10 {
            assert!(schedule.turn().await);
        }
        assert!(schedule.began.elapsed() >= Duration::from_millis(18), "nine pairs after the first");
        schedule.is_over.set(true);
        assert!(!schedule.turn().await);
    }
}
