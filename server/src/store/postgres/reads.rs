//! Reads that wait for a connection.

use super::super::value::{Row, Value};
use crate::error::Fault;
use std::collections::VecDeque;
use std::sync::PoisonError;
use tokio::sync::oneshot;

/// The most reads of one flight.
const TOGETHER: usize = 32;

pub(super) type Found = Result<Vec<Row>, Fault>;

pub(super) struct QueuedRead {
    pub sql: &'static str,
    pub values: Vec<Value>,
    pub answer: oneshot::Sender<Found>,
}

#[derive(Default)]
pub(super) struct Reads(std::sync::Mutex<VecDeque<QueuedRead>>);

impl Reads {
    fn line(&self) -> std::sync::MutexGuard<'_, VecDeque<QueuedRead>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_empty(&self) -> bool {
        self.line().is_empty()
    }

    /// Adds one at the end. Its rows come to the receiver.
    pub fn push(&self, sql: &'static str, values: &[Value]) -> oneshot::Receiver<Found> {
        let (answer, found) = oneshot::channel();
        self.line().push_back(QueuedRead { sql, values: values.to_vec(), answer });
        found
    }

    /// Those that come next, without the ones whose callers gave up.
    pub fn take(&self) -> Vec<QueuedRead> {
        let mut line = self.line();
        let most = line.len().min(TOGETHER);
        line.drain(..most).filter(|reading| !reading.answer.is_closed()).collect()
    }
}
