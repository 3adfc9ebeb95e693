//! A third engine for tests: it applies, loses, delays or refuses, as its plan says.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// As it should be.
    Apply,
    /// Applied, and nobody is told.
    LoseAnswer,
    /// Lost on the way: not applied, and nobody is told.
    Lose,
    /// Not applied.
    Refuse,
    /// As it should be, after so many milliseconds.
    Delay(u64),
}

/// The fates of the changes to come; when they are used up, all is well.
#[derive(Clone)]
pub struct Plan(Arc<Mutex<VecDeque<Fate>>>, Arc<AtomicBool>);

impl Plan {
    pub fn new(fates: Vec<Fate>) -> Self {
        Self(Arc::new(Mutex::new(fates.into())), Arc::default())
    }

    /// From here on lists come from a replica that never hears of anything.
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

    /// The next change meets this.
    pub fn next(&self, fate: Fate) {
        self.after(0, fate);
    }

    /// After so many changes that go well, one meets this.
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
