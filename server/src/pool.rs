//! Work that costs CPU, on a bounded pool. As many run at once as there are cores, and a short queue waits behind them. A clear "busy"
//! answers the rest (580-K, 285-N). It runs on threads of its own, so that other requests go on.

use crate::error::{Fault, Refused, Result};
use std::sync::Arc;
use tokio::sync::Semaphore;

const WAITING_PER_CORE: usize = 16;

#[derive(Clone)]
pub struct Pool {
    cores: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    /// The hint of the refusal when it is full.
    busy: &'static str,
}

impl Pool {
    pub fn new(busy: &'static str) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self { cores: Arc::new(Semaphore::new(cores)), queue: Arc::new(Semaphore::new(cores * WAITING_PER_CORE)), busy }
    }

    /// How many more it takes now.
    pub fn free_permits(&self) -> usize {
        self.queue.available_permits()
    }

    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let busy = || Refused::new(503, "temporarily_unavailable", self.busy).retry_after(2);
        let waiting = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| busy().because("the queue is full"))?;
        let core = Arc::clone(&self.cores).acquire_owned().await.map_err(|_| busy())?;
        // The work holds both permits. A caller who goes away does not stop it, and must not make room for more (616-Q).
        let work = move || {
            let _permits = (waiting, core);
            work()
        };
        Ok(tokio::task::spawn_blocking(work).await.map_err(|it| Fault::new(it.to_string()))?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]
    use super::*;

    /// 616-Q, 580-K: callers who go away while their password is hashed make no room for more than there are cores.
    #[tokio::test(flavor = "multi_thread")]
    async fn who_goes_away_keeps_the_permit_until_the_work_is_done() {
        let pool = Pool::new("busy");
        let all = pool.free_permits();
        let abandoned = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(|| std::thread::sleep(std::time::Duration::from_millis(400))).await.is_ok() }
        });
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        abandoned.abort();
        assert!(abandoned.await.is_err());
        assert_eq!(pool.free_permits(), all - 1, "the work goes on");
        tokio::time::sleep(std::time::Duration::from_millis(600)).await;
        assert_eq!(pool.free_permits(), all, "and ends");
        assert!(pool.run(|| true).await.unwrap());
    }
}
