//! Work that costs CPU, on a bounded pool: as many at once as there are cores, a short queue behind them, and a clear "busy" beyond
//! (580-K, 285-N). It runs apart from the threads that serve, so that tokens flow meanwhile.

use crate::error::{Fault, Refused, Result};
use std::sync::Arc;
use tokio::sync::Semaphore;

const WAITING_PER_CORE: usize = 16;

#[derive(Clone)]
pub struct Pool {
    cores: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    /// What whoever finds it full is told.
    busy: &'static str,
}

impl Pool {
    pub fn new(busy: &'static str) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self { cores: Arc::new(Semaphore::new(cores)), queue: Arc::new(Semaphore::new(cores * WAITING_PER_CORE)), busy }
    }

    /// How many more it takes now.
    pub fn places(&self) -> usize {
        self.queue.available_permits()
    }

    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let busy = || Refused::new(503, "temporarily_unavailable", self.busy).retry_after(2);
        let _place = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| busy().because("the queue is full"))?;
        let _core = Arc::clone(&self.cores).acquire_owned().await.map_err(|_| busy())?;
        Ok(tokio::task::spawn_blocking(work).await.map_err(|it| Fault::new(it.to_string()))?)
    }
}
