//! A third engine for tests: it applies, loses, delays or refuses, as its plan says.

use super::change::Change;
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
    /// Not applied: this statement of the change conflicts.
    Conflict(&'static str),
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

    /// What this change meets. A conflict waits for a change with its statement.
    pub(super) fn fate_of(&self, change: &Change) -> Fate {
        let mut fates = self.fates();
        match fates.front() {
            Some(Fate::Conflict(sql)) if change.position(sql).is_none() => Fate::Apply,
            _ => fates.pop_front().unwrap_or(Fate::Apply),
        }
    }
}
