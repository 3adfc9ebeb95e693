//! The load: some connections, each with one request under way at any time, all on one thread.

use crate::http::{Answer, Connection};
use crate::process;
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::{JoinSet, LocalSet};

/// Requests that all connections take from.
pub type Queue = Rc<RefCell<VecDeque<Bytes>>>;

/// DPoP proofs that all connections take from.
pub type Proofs = Rc<RefCell<VecDeque<String>>>;

/// Where one connection's requests come from.
pub enum Work {
    /// The same ones over and over.
    Round(Vec<Bytes>, usize),
    /// Each once.
    Queue(Queue),
    /// Refresh tokens: an answer's new token replaces the one that was sent, then the next grant has its turn.
    /// Of grants that a key holds, each request takes a proof; of an attested installation it also shows the attestation.
    Refresh { client: &'static str, tokens: Vec<String>, at: usize, attestation: Option<String>, proofs: Option<Proofs> },
}

impl Work {
    fn next(&mut self, last: Option<&Answer>) -> Option<Bytes> {
        match self {
            Self::Round(requests, at) => {
                *at = (*at + 1) % requests.len();
                requests.get(*at).cloned()
            }
            Self::Queue(queue) => queue.borrow_mut().pop_front(),
            Self::Refresh { client, tokens, at, attestation, proofs } => {
                if let Some(new) = last.and_then(|it| it.member("refresh_token")) {
                    tokens[*at] = new.to_owned();
                    *at = (*at + 1) % tokens.len();
                }
                let form = [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", &tokens[*at])];
                let proof = match proofs {
                    Some(proofs) => Some(proofs.borrow_mut().pop_front()?),
                    None => None,
                };
                let mut headers = Vec::with_capacity(2);
                headers.extend(proof.as_deref().map(|it| ("dpop", it)));
                headers.extend(attestation.as_deref().map(|it| ("oauth-client-attestation", it)));
                Some(crate::http::post("/token", &headers, &form))
            }
        }
    }
}

pub struct Load {
    pub address: SocketAddr,
    /// The server's process, whose CPU time is counted.
    pub pid: u32,
    pub status: u16,
    /// Not measured.
    pub warm_up: Duration,
    /// Shorter if the work ends before.
    pub measure: Duration,
    /// Answers are wanted afterwards.
    pub keep: bool,
}

#[derive(Clone, Default)]
pub struct Row {
    pub name: String,
    pub per_s: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// CPU time per request: the server's process, and this one.
    pub server_us: f64,
    pub load_us: f64,
    pub resident_kib: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Warming,
    Measuring,
    Over,
}

/// What the connections share: the phase they are in, and the latencies they measured, in microseconds.
struct Common {
    phase: Cell<Phase>,
    latencies: RefCell<Vec<u32>>,
    answers: RefCell<Vec<Answer>>,
}

/// Runs the load. Any answer but the expected one fails it.
pub async fn run(name: &str, load: &Load, works: Vec<Work>) -> Result<(Row, Vec<Answer>), String> {
    LocalSet::new().run_until(measured(name, load, works)).await.map_err(|it| format!("{name}: {it}"))
}

async fn measured(name: &str, load: &Load, works: Vec<Work>) -> Result<(Row, Vec<Answer>), String> {
    let common = Rc::new(Common { phase: Cell::new(Phase::Warming), latencies: RefCell::default(), answers: RefCell::default() });
    let mut tasks = JoinSet::new();
    for work in works {
        let connection = Connection::open(load.address).await?;
        tasks.spawn_local(one(connection, work, load.status, load.keep, Rc::clone(&common)));
    }
    let mut errors = Vec::new();
    let mut ended = wait(&mut tasks, load.warm_up, &mut errors).await;
    let before = (Instant::now(), process::cpu(load.pid)?, process::cpu(std::process::id())?);
    common.phase.set(Phase::Measuring);
    if !ended {
        ended = wait(&mut tasks, load.measure, &mut errors).await;
    }
    let took = before.0.elapsed();
    let (server, own) = (process::cpu(load.pid)? - before.1, process::cpu(std::process::id())? - before.2);
    common.phase.set(Phase::Over);
    if !ended {
        wait(&mut tasks, Duration::from_secs(30), &mut errors).await;
    }
    if let Some(first) = errors.first() {
        return Err(format!("{} connections failed, the first one with: {first}", errors.len()));
    }
    let mut latencies = common.latencies.take();
    latencies.sort_unstable();
    let requests = latencies.len();
    if requests == 0 {
        return Err("no request was measured; the work ended too early".to_owned());
    }
    let quantile = |it: f64| latencies.get(((requests as f64) * it) as usize).map_or(0.0, |it| f64::from(*it) / 1000.0);
    let each = |it: Duration| it.as_secs_f64() * 1e6 / requests as f64;
    let row = Row {
        name: name.to_owned(),
        per_s: requests as f64 / took.as_secs_f64(),
        p50_ms: quantile(0.5),
        p99_ms: quantile(0.99),
        server_us: each(server),
        load_us: each(own),
        resident_kib: process::resident_kib(load.pid)?,
    };
    Ok((row, common.answers.take()))
}

/// Waits for all connections to end, at most this long; whether they did.
async fn wait(tasks: &mut JoinSet<Result<(), String>>, most: Duration, errors: &mut Vec<String>) -> bool {
    let deadline = tokio::time::Instant::now() + most;
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

async fn one(mut connection: Connection, mut work: Work, status: u16, keep: bool, common: Rc<Common>) -> Result<(), String> {
    let mut last = None;
    while let Some(request) = work.next(last.as_ref()) {
        if let Some(answer) = last.take()
            && keep
        {
            common.answers.borrow_mut().push(answer);
        }
        if common.phase.get() == Phase::Over {
            return Ok(());
        }
        let began = Instant::now();
        let answer = connection.ask(&request).await?;
        if answer.status != status {
            return Err(format!("{} instead of {status}: {}", answer.status, answer.body));
        }
        if common.phase.get() == Phase::Measuring {
            common.latencies.borrow_mut().push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
        last = Some(answer);
    }
    if let Some(answer) = last
        && keep
    {
        common.answers.borrow_mut().push(answer);
    }
    Ok(())
}
