//! The connections of a node: those of the writers, and a pool for reads and for changes that go alone.

use super::super::change::Marker;
use super::super::ids::Ids;
use super::super::tables;
use super::super::value::{Row, Value};
use super::connect::{Address, BOUNDS};
use super::queue::Queue;
use super::wire::{Broken, Wire};
use crate::error::Fault;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, MutexGuard};

/// After this time a request counts as lost, even if the system still shows the connection as open.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
/// How long nobody tries to connect after somebody could not.
const PAUSE: Duration = Duration::from_millis(250);
/// Whoever waits longer for a row, or works longer, leaves its group and goes alone.
const GROUP_BOUNDS: &str = "SET statement_timeout = '1s'; SET lock_timeout = '50ms'; SET idle_in_transaction_session_timeout = '20s'";

/// What reads, writers and single changes share.
pub(super) struct Shared {
    pub address: Address,
    /// For reads, and for changes that go alone.
    pub pool: Vec<Mutex<Option<Wire>>>,
    pub next: AtomicUsize,
    /// When it could not be reached: requests that wait behind one that waited in vain are answered at once.
    pub unreachable: std::sync::Mutex<Option<Instant>>,
    pub queue: Queue,
    pub ids: Arc<Ids>,
}

impl Shared {
    /// A connection that nobody uses, else the next in turn. A broken one is replaced.
    pub async fn connection(&self) -> Result<Lease<'_>, Fault> {
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        let free = (0..self.pool.len()).find_map(|at| self.pool[(start + at) % self.pool.len()].try_lock().ok());
        let mut lease = Lease(match free {
            Some(connection) => connection,
            None => self.pool[start % self.pool.len()].lock().await,
        });
        self.replace(&mut lease.0, BOUNDS).await?;
        Ok(lease)
    }

    /// A writer's own connection. Inside a group nobody waits long: who has to, goes alone.
    pub async fn ready<'a>(&self, wire: &'a mut Option<Wire>) -> Result<&'a mut Wire, Fault> {
        self.replace(wire, GROUP_BOUNDS).await?;
        wire.as_mut().ok_or_else(|| Fault::store_away("no connection"))
    }

    async fn replace(&self, wire: &mut Option<Wire>, bounds: &str) -> Result<(), Fault> {
        let is_closed = match wire {
            Some(wire) => wire.is_closed().await,
            None => true,
        };
        if !is_closed {
            return Ok(());
        }
        *wire = None;
        let unreachable = || self.unreachable.lock().unwrap_or_else(PoisonError::into_inner);
        if unreachable().is_some_and(|since| since.elapsed() < PAUSE) {
            return Err(Fault::store_away("PostgreSQL could not be reached a moment ago"));
        }
        let made = self.address.wire(bounds).await;
        *unreachable() = made.is_err().then(Instant::now);
        *wire = Some(made?);
        Ok(())
    }

    /// A connection may have died unnoticed, as when the database was restarted. Then the statement is sent once more.
    pub async fn all(&self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, Fault> {
        let mut is_last = false;
        loop {
            let mut lease = self.connection().await?;
            let Ok(found) = tokio::time::timeout(PATIENCE, lease.get()?.query(sql, values)).await else {
                lease.drop_connection();
                return Err(Fault::store_away("PostgreSQL did not answer in time"));
            };
            match found {
                Ok(rows) => return Ok(rows),
                Err(Broken::Lost(_)) if !is_last => is_last = true,
                Err(Broken::Said(said)) if said.is_shutdown() && !is_last => is_last = true,
                Err(broken) => return Err(broken.fault()),
            }
        }
    }

    /// The connection died after the flight was sent: the audit entry says whether it was carried out.
    pub async fn find(&self, marker: Option<Marker>) -> bool {
        let Some(marker) = marker else { return false };
        let sql = if marker.security { tables::audit::FIND_SECURITY } else { tables::audit::FIND_ROUTINE };
        self.all(sql, &[Value::from(&marker.id[..])]).await.is_ok_and(|found| !found.is_empty())
    }
}

/// A connection of the pool, in use.
pub(super) struct Lease<'a>(MutexGuard<'a, Option<Wire>>);

impl Lease<'_> {
    pub fn get(&mut self) -> Result<&mut Wire, Fault> {
        self.0.as_mut().ok_or_else(|| Fault::store_away("no connection"))
    }

    /// The next user of this place connects anew.
    pub fn drop_connection(&mut self) {
        *self.0 = None;
    }
}
