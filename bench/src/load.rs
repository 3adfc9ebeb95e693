//! The load: some connections, each with one request in flight at any time, all on one thread.

use crate::http::{Answer, Connection};
use crate::process;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::{JoinSet, LocalSet};

/// Requests that the connections share.
pub type Queue = Rc<RefCell<VecDeque<Bytes>>>;

/// DPoP proofs that the connections share.
pub type Proofs = Rc<RefCell<VecDeque<String>>>;

/// Where one connection's requests come from.
pub enum Work {
    /// The same requests again and again.
    Round(Vec<Bytes>, usize),
    /// Each request once.
    Queue(Queue),
    /// Refresh tokens. An answer's new token replaces the one that was sent, and the next request is for the next grant.
    /// For grants that are bound to a key, each request takes a proof. An attested installation also sends its attestation.
    Refresh {
        host: String,
        path: String,
        client: String,
        authorization: Option<String>,
        tokens: Vec<String>,
        at: usize,
        attestation: Option<String>,
        proofs: Option<Proofs>,
    },
}

impl Work {
    /// Refreshes at our own server.
    pub fn refresh(client: &str, tokens: Vec<String>, attestation: Option<String>, proofs: Option<Proofs>) -> Self {
        let (host, path) = ("127.0.0.1".to_owned(), "/token".to_owned());
        Self::Refresh { host, path, client: client.to_owned(), authorization: None, tokens, at: 0, attestation, proofs }
    }

    fn next(&mut self, last: Option<&Answer>) -> Option<Bytes> {
        match self {
            Self::Round(requests, at) => {
                *at = (*at + 1) % requests.len();
                requests.get(*at).cloned()
            }
            Self::Queue(queue) => queue.borrow_mut().pop_front(),
            Self::Refresh { host, path, client, authorization, tokens, at, attestation, proofs } => {
                if let Some(new) = last.and_then(|it| it.member("refresh_token")) {
                    tokens[*at] = new.to_owned();
                    *at = (*at + 1) % tokens.len();
                }
                let form = [("grant_type", "refresh_token"), ("client_id", client.as_str()), ("refresh_token", &tokens[*at])];
                let proof = match proofs {
                    Some(proofs) => Some(proofs.borrow_mut().pop_front()?),
                    None => None,
                };
                let mut headers = Vec::with_capacity(3);
                headers.extend(proof.as_deref().map(|it| ("dpop", it)));
                headers.extend(attestation.as_deref().map(|it| ("oauth-client-attestation", it)));
                headers.extend(authorization.as_deref().map(|it| ("authorization", it)));
                Some(crate::http::post_at(host, path, &headers, &form))
            }
        }
    }
}

pub struct Load {
    pub address: SocketAddr,
    /// The server's process, whose CPU time is counted.
    pub pid: u32,
    /// PostgreSQL's first process, whose family's CPU time is counted.
    pub postmaster: Option<u32>,
    pub status: u16,
    /// The time before the measurement.
    pub warm_up: Duration,
    /// The longest time of the measurement. It is shorter if the requests run out.
    pub measure: Duration,
    /// The caller needs the answers afterwards.
    pub keep: bool,
}

/// CPU time that was not counted is no number (NaN), or `None`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Row {
    pub name: String,
    pub per_s: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// CPU time per request: the server's process, and this one.
    #[serde(deserialize_with = "number_or_null")]
    pub server_us: f64,
    /// Of PostgreSQL's processes.
    pub database_us: Option<f64>,
    #[serde(deserialize_with = "number_or_null")]
    pub load_us: f64,
    pub resident_kib: u64,
}

/// JSON has null for what is no number.
fn number_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

impl Row {
    /// Of a row that was too short to count it: the kernel counts in ticks of 10 ms.
    pub fn without_cpu(self) -> Self {
        Self { server_us: f64::NAN, database_us: None, load_us: f64::NAN, ..self }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Warming,
    Measuring,
    Over,
}

/// What the connections share: the phase, and the latencies that they measured, in microseconds.
struct Shared {
    phase: Cell<Phase>,
    latencies: RefCell<Vec<u32>>,
    answers: RefCell<Vec<Answer>>,
}

/// How long the load waits for a server that is slow.
const LONGEST: Duration = Duration::from_secs(30);

type Connections = JoinSet<Result<(), String>>;

/// Runs the load. It fails at the first answer with another status than the expected one.
pub async fn run(name: &str, load: &Load, works: Vec<Work>) -> Result<(Row, Vec<Answer>), String> {
    LocalSet::new().run_until(measure(name, load, works)).await.map_err(|it| format!("{name}: {it}"))
}

/// The same in a LocalSet of the caller, who has more to do in it.
pub async fn measure(name: &str, load: &Load, works: Vec<Work>) -> Result<(Row, Vec<Answer>), String> {
    let shared = Rc::new(Shared { phase: Cell::new(Phase::Warming), latencies: RefCell::default(), answers: RefCell::default() });
    let mut tasks = JoinSet::new();
    let stock = works.iter().find_map(Stock::of);
    for work in works {
        let connection = Connection::open(load.address).await?;
        tasks.spawn_local(send_all(connection, work, load.status, load.keep, Rc::clone(&shared)));
    }
    let mut errors = Vec::new();
    let mut ended = warm_up(&mut tasks, load.warm_up, stock.as_ref(), &mut errors).await;
    let before = (Instant::now(), process::cpu_with_database(load.pid, load.postmaster)?, process::cpu(std::process::id())?);
    shared.phase.set(Phase::Measuring);
    if !ended {
        ended = wait(&mut tasks, load.measure, &mut errors).await;
    }
    // A disk with much other work may take longer than that for one commit.
    while !ended && errors.is_empty() && shared.latencies.borrow().is_empty() && before.0.elapsed() < LONGEST {
        ended = wait(&mut tasks, Duration::from_millis(50), &mut errors).await;
    }
    let took = before.0.elapsed();
    let spent = process::cpu_with_database(load.pid, load.postmaster)?.since(&before.1);
    let own = process::cpu(std::process::id())? - before.2;
    shared.phase.set(Phase::Over);
    if !ended {
        wait(&mut tasks, LONGEST, &mut errors).await;
    }
    if let Some(first) = errors.first() {
        return Err(format!("{} connections failed, the first one with: {first}", errors.len()));
    }
    let mut latencies = shared.latencies.take();
    latencies.sort_unstable();
    let requests = latencies.len();
    if requests == 0 {
        return Err(match stock {
            Some(stock) => format!("no request was measured; the {} requests ran out too early", stock.at_first),
            None => format!("no request was answered within {} seconds", LONGEST.as_secs()),
        });
    }
    let quantile_ms = |part: f64| latencies.get(((requests as f64) * part) as usize).map_or(0.0, |it| f64::from(*it) / 1000.0);
    let each_us = |total: Duration| total.as_secs_f64() * 1e6 / requests as f64;
    let row = Row {
        name: name.to_owned(),
        per_s: requests as f64 / took.as_secs_f64(),
        p50_ms: quantile_ms(0.5),
        p99_ms: quantile_ms(0.99),
        server_us: each_us(spent.server),
        database_us: spent.database.map(each_us),
        load_us: each_us(own),
        resident_kib: process::resident_kib(load.pid)?,
    };
    Ok((row, shared.answers.take()))
}

/// Requests that run out.
struct Stock {
    queue: Queue,
    at_first: usize,
}

impl Stock {
    fn of(work: &Work) -> Option<Self> {
        let Work::Queue(queue) = work else { return None };
        Some(Self { queue: Rc::clone(queue), at_first: queue.borrow().len() })
    }

    /// A fifth is for the warm-up. The rest is left for the measurement.
    fn is_warm(&self) -> bool {
        self.queue.borrow().len() * 5 <= self.at_first * 4
    }
}

/// Lets the connections work for this time, or until a fifth of the stock is taken. Returns whether they ended.
async fn warm_up(tasks: &mut Connections, limit: Duration, stock: Option<&Stock>, errors: &mut Vec<String>) -> bool {
    let began = Instant::now();
    while began.elapsed() < limit && !stock.is_some_and(Stock::is_warm) {
        if wait(tasks, Duration::from_millis(2), errors).await {
            return true;
        }
    }
    false
}

/// Waits for all connections to end, for this time at most. Returns whether they ended.
async fn wait(tasks: &mut Connections, limit: Duration, errors: &mut Vec<String>) -> bool {
    let deadline = tokio::time::Instant::now() + limit;
    loop {
        match tokio::time::timeout_at(deadline, tasks.join_next()).await {
            Err(_) => return false,
            Ok(None) => return true,
            Ok(Some(Ok(Ok(())))) => {}
            Ok(Some(Ok(Err(why)))) => errors.push(why),
            Ok(Some(Err(why))) => errors.push(why.to_string()),
        }
    }
}

async fn send_all(mut connection: Connection, mut work: Work, status: u16, keep: bool, shared: Rc<Shared>) -> Result<(), String> {
    let mut last = None;
    while let Some(request) = work.next(last.as_ref()) {
        if let Some(answer) = last.take()
            && keep
        {
            shared.answers.borrow_mut().push(answer);
        }
        if shared.phase.get() == Phase::Over {
            return Ok(());
        }
        let began = Instant::now();
        let answer = connection.ask(&request).await?;
        if answer.status != status {
            return Err(format!("{} instead of {status}: {}", answer.status, answer.body));
        }
        if shared.phase.get() == Phase::Measuring {
            shared.latencies.borrow_mut().push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
        last = Some(answer);
    }
    if let Some(answer) = last
        && keep
    {
        shared.answers.borrow_mut().push(answer);
    }
    Ok(())
}
