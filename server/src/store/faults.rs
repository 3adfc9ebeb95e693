//! A third engine for tests: it applies, loses, delays or refuses, as its plan says.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Applied.
    Apply,
    /// Applied, and the caller gets no answer.
    LoseAnswer,
    /// Not applied, and the caller gets no answer.
    Lose,
    /// Refused: not applied.
    Refuse,
    /// Applied after so many milliseconds.
    Delay(u64),
}

/// What the next changes meet. When the list is used up, changes are applied.
#[derive(Clone)]
pub struct Plan(Arc<Mutex<VecDeque<Fate>>>, Arc<AtomicBool>);

impl Plan {
    pub fn new(fates: Vec<Fate>) -> Self {
        Self(Arc::new(Mutex::new(fates.into())), Arc::default())
    }

    /// From here on `all_stale` answers as a replica without any rows.
    pub fn lag(&self) {
        self.1.store(true, Ordering::Relaxed);
    }

    pub(super) fn lags(&self) -> bool {
        self.1.load(Ordering::Relaxed)
    }

    fn fates(&self) -> std::sync::MutexGuard<'_, VecDeque<Fate>> {
        match self.0.lock() {
            Ok(fates) => fates,
            Err(poisoned) => poisoned.into_inner(),
        }
    }

    /// Adds this fate for the next change.
    pub fn next(&self, fate: Fate) {
        self.after(0, fate);
    }

    /// Adds this fate behind so many changes that are applied.
    pub fn after(&self, well: usize, fate: Fate) {
        let mut fates = self.fates();
        fates.extend(std::iter::repeat_n(Fate::Apply, well));
        fates.push_back(fate);
    }

    /// What the next change meets.
    pub(super) fn next_fate(&self) -> Fate {
        self.fates().pop_front().unwrap_or(Fate::Apply)
    }
}
