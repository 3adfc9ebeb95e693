//! A third engine for tests: it applies, loses the answer, or refuses, as its plan says.

use super::{Applied, Change, NotApplied, Store};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// As it should be.
    Apply,
    /// Applied, and nobody is told.
    LoseAnswer,
    /// Not applied.
    Refuse,
}

/// One fate after the other, and from the beginning again.
#[derive(Clone)]
pub struct Plan {
    fates: Arc<Vec<Fate>>,
    next: Arc<AtomicUsize>,
}

impl Plan {
    pub fn new(fates: Vec<Fate>) -> Self {
        Self { fates: Arc::new(fates), next: Arc::default() }
    }

    pub(super) async fn apply(&self, store: &Store, change: Change) -> Result<Applied, NotApplied> {
        let at = self.next.fetch_add(1, Ordering::Relaxed);
        match self.fates.get(at % self.fates.len().max(1)).copied().unwrap_or(Fate::Apply) {
            Fate::Apply => store.apply(change).await,
            Fate::LoseAnswer => store.apply(change).await.and(Err(NotApplied::Unknown)),
            Fate::Refuse => Err(NotApplied::Busy),
        }
    }
}
