//! The connections of a node: those of the writers, and a pool for reads and for changes that go alone.

use super::super::change::Marker;
use super::super::ids::Ids;
use super::super::tables;
use super::super::value::Value;
use super::connect::{Address, BOUNDS};
use super::queue::Queue;
use super::reads::{Found, QueuedRead, Reads};
use super::wire::{Broken, Wire};
use crate::error::Fault;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// After this time a request counts as lost, even if the system still shows the connection as open.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
/// How long all wait after one could not connect, before the next tries.
const PAUSE: Duration = Duration::from_millis(250);
/// Whoever waits longer for a row, or works longer, leaves its group and goes alone.
const GROUP_BOUNDS: &str = "SET statement_timeout = '500ms'; SET lock_timeout = '50ms'; SET idle_in_transaction_session_timeout = '20s'";

/// What reads, writers and single changes share.
pub(super) struct Shared {
    pub address: Address,
    /// For reads, and for changes that go alone.
    pub pool: Pool,
    pub reads: Reads,
    /// How many connections were lost.
    pub losses: AtomicU64,
    /// When it could not be reached: requests that wait behind one that waited in vain are answered at once.
    pub unreachable: std::sync::Mutex<Option<Instant>>,
    pub queue: Queue,
    pub ids: Arc<Ids>,
}

impl Shared {
    /// A connection of the pool, as soon as one is free.
    pub async fn lease(self: &Arc<Self>) -> Result<Lease, Fault> {
        let permits = Arc::clone(&self.pool.permits);
        let permit = permits.acquire_owned().await.map_err(|_| Fault::store_away("the store is closed"))?;
        Ok(self.lease_of(permit, None))
    }

    /// A turn for a change that goes alone. It takes its connection after that, and gives it back before.
    pub async fn turn(&self) -> Result<SemaphorePermit<'_>, Fault> {
        self.pool.alone.acquire().await.map_err(|_| Fault::store_away("the store is closed"))
    }

    /// A permit for reads, where it is their turn and one is free now.
    fn reader(self: &Arc<Self>) -> Option<Lease> {
        let Pool { permits, reading, .. } = &self.pool;
        loop {
            let turn = Arc::clone(reading).try_acquire_owned().ok()?;
            if let Ok(permit) = Arc::clone(permits).try_acquire_owned() {
                return Some(self.lease_of(permit, Some(turn)));
            }
            // Whoever gave a permit back meanwhile saw no turn, and sent nothing.
            drop(turn);
            if permits.available_permits() == 0 {
                return None;
            }
        }
    }

    fn lease_of(self: &Arc<Self>, permit: OwnedSemaphorePermit, turn: Option<OwnedSemaphorePermit>) -> Lease {
        Lease { wire: self.pool.idle().pop(), shared: Arc::clone(self), permit: Some(permit), turn }
    }

    /// A writer's own connection. Inside a group nobody waits long: who has to, goes alone.
    pub async fn ready<'a>(&self, wire: &'a mut Option<Wire>) -> Result<&'a mut Wire, Fault> {
        self.replace(wire, GROUP_BOUNDS).await?;
        wire.as_mut().ok_or_else(|| Fault::store_away("no connection"))
    }

    async fn replace(&self, wire: &mut Option<Wire>, bounds: &str) -> Result<(), Fault> {
        let losses = self.losses.load(Ordering::Relaxed);
        let is_closed = match wire {
            Some(wire) => wire.is_closed(wire.losses_seen != losses).await || !keeps_time(wire).await,
            None => true,
        };
        if !is_closed {
            wire.iter_mut().for_each(|wire| wire.losses_seen = losses);
            return Ok(());
        }
        *wire = None;
        let unreachable = || self.unreachable.lock().unwrap_or_else(PoisonError::into_inner);
        if unreachable().is_some_and(|since| since.elapsed() < PAUSE) {
            return Err(Fault::store_away("PostgreSQL could not be reached a moment ago"));
        }
        let made = self.address.wire(bounds).await;
        *unreachable() = made.is_err().then(Instant::now);
        let mut made = made?;
        made.losses_seen = losses;
        *wire = Some(made);
        Ok(())
    }

    /// A connection was lost. Others may have died with it, as when the database was restarted.
    pub fn note_loss(&self) {
        self.losses.fetch_add(1, Ordering::Relaxed);
    }

    /// A read whose turn it is is sent at once. The others leave together, when it is the turn of reads again.
    pub async fn all(self: &Arc<Self>, sql: &'static str, values: &[Value]) -> Found {
        if let Some(mut lease) = self.reader() {
            return ask(&mut lease, sql, values).await;
        }
        let found = self.reads.push(sql, values);
        self.send_reads();
        found.await.unwrap_or_else(|_| Err(Fault::store_away("the store is closed")))
    }

    /// Sends what waits, where it is the turn of reads and a permit is free. Else whoever gives one of them back does it.
    pub fn send_reads(self: &Arc<Self>) {
        if self.reads.is_empty() {
            return;
        }
        if let (Ok(runtime), Some(lease)) = (tokio::runtime::Handle::try_current(), self.reader()) {
            runtime.spawn(fly(lease));
        }
    }

    /// The connection died after the flight was sent: the audit entry says whether it was carried out, and is as safe as any commit.
    pub async fn find(self: &Arc<Self>, marker: Option<Marker>) -> bool {
        let Some(marker) = marker else { return false };
        let sql = if marker.security { tables::audit::FIND_SECURITY } else { tables::audit::FIND_ROUTINE };
        let Ok(mut lease) = self.lease().await else { return false };
        let found = ask(&mut lease, sql, &[Value::from(&marker.id[..])]).await;
        let is_safe = lease.wire.as_ref().is_some_and(|wire| !wire.is_warned());
        is_safe && found.is_ok_and(|found| !found.is_empty())
    }

    /// Asks the server to end what this process of it does. What waits for a standby is left alone: it is committed here.
    pub fn cancel(self: &Arc<Self>, process: i64) {
        const CANCEL: &str = "SELECT pg_cancel_backend(pid)::text AS cancelled FROM pg_stat_activity \
            WHERE pid = CAST($1 AS BIGINT) AND wait_event IS DISTINCT FROM 'SyncRep'";
        let shared = Arc::clone(self);
        // It waits for no turn of reads.
        tokio::spawn(async move {
            if let Ok(mut lease) = shared.lease().await {
                let _ = ask(&mut lease, CANCEL, &[process.into()]).await;
            }
        });
    }
}

/// A fixed number of permits. Each has a connection from its first use on.
pub(super) struct Pool {
    permits: Arc<Semaphore>,
    /// Of them, those that changes may have which go alone. However many wait, reads leave between them.
    alone: Semaphore,
    /// So many flights of reads are under way at a time. More of them would only make each smaller.
    reading: Arc<Semaphore>,
    /// The connections that nobody uses. The last one used is the next one taken.
    idle: std::sync::Mutex<Vec<Wire>>,
}

impl Pool {
    pub fn new(permits: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self {
            permits: Arc::new(Semaphore::new(permits)),
            alone: Semaphore::new((permits / 2).max(1)),
            reading: Arc::new(Semaphore::new((cores.max(2) + 1).max(permits / 2))),
            idle: std::sync::Mutex::default(),
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Wire>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A permit of the pool, in use, with its connection.
pub(super) struct Lease {
    wire: Option<Wire>,
    shared: Arc<Shared>,
    permit: Option<OwnedSemaphorePermit>,
    /// Of reads.
    turn: Option<OwnedSemaphorePermit>,
}

impl Lease {
    /// Its connection. A broken one is replaced.
    pub async fn ready(&mut self) -> Result<&mut Wire, Fault> {
        self.shared.replace(&mut self.wire, BOUNDS).await?;
        self.wire.as_mut().ok_or_else(|| Fault::store_away("no connection"))
    }

    /// The next user of this permit connects anew.
    pub fn drop_connection(&mut self) {
        self.wire = None;
    }
}

impl Drop for Lease {
    /// First the connection, then permit and turn, then a look at what waits: no read waits beside a free permit.
    fn drop(&mut self) {
        self.shared.pool.idle().extend(self.wire.take());
        (self.permit, self.turn) = (None, None);
        self.shared.send_reads();
    }
}

/// A server that stopped does not say what time it is, and nobody waits longer for it than for an answer.
async fn keeps_time(wire: &mut Wire) -> bool {
    tokio::time::timeout(PATIENCE, wire.keeps_time()).await.unwrap_or(false)
}

/// A connection may have died unnoticed, as when the database was restarted. Then the statement is sent once more.
async fn ask(lease: &mut Lease, sql: &'static str, values: &[Value]) -> Found {
    let mut is_last = false;
    loop {
        let wire = lease.ready().await?;
        let Ok(found) = tokio::time::timeout(PATIENCE, wire.query(sql, values)).await else {
            lease.drop_connection();
            return Err(too_late());
        };
        match found {
            Ok(rows) => return Ok(rows),
            Err(Broken::Lost(_)) if !is_last => {
                lease.shared.note_loss();
                is_last = true;
            }
            Err(Broken::Said(said)) if said.is_shutdown() && !is_last => is_last = true,
            Err(broken) => return Err(broken.fault()),
        }
    }
}

fn too_late() -> Fault {
    Fault::store_away("PostgreSQL did not answer in time")
}

/// One flight of reads. What this connection has not sent before goes by itself, and so does each read of a flight that failed: one of them
/// decides for no other.
async fn fly(mut lease: Lease) {
    let waiting = lease.shared.reads.take();
    if waiting.is_empty() {
        return;
    }
    let wire = match lease.ready().await {
        Ok(wire) => wire,
        Err(fault) => return waiting.into_iter().for_each(|reading| drop(reading.answer.send(Err(fault.clone())))),
    };
    let (together, mut alone): (Vec<QueuedRead>, Vec<QueuedRead>) = waiting.into_iter().partition(|reading| wire.knows(reading.sql));
    let reads: Vec<(&'static str, &[Value])> = together.iter().map(|reading| (reading.sql, &reading.values[..])).collect();
    let flown = tokio::time::timeout(PATIENCE, wire.query_all(&reads)).await;
    match flown {
        Ok(Ok(found)) => together.into_iter().zip(found).for_each(|(reading, rows)| drop(reading.answer.send(Ok(rows)))),
        Ok(Err(_)) => alone.extend(together),
        Err(_) => {
            lease.drop_connection();
            together.into_iter().for_each(|reading| drop(reading.answer.send(Err(too_late()))));
        }
    }
    for reading in alone {
        let found = ask(&mut lease, reading.sql, &reading.values).await;
        let _ = reading.answer.send(found);
    }
}
