//! The source of time: a value, so that tests own it.

use std::sync::Arc;

/// Milliseconds since the epoch.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;
