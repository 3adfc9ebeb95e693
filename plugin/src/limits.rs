//! What one call may use.

use std::time::Duration;

/// Bounds of one call, and of how many run at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all memories of an instance together.
    pub memory: usize,
    /// Elements of each of its tables.
    pub table_elements: usize,
    /// From the call to its answer: waiting for a turn, running, and what it waits for.
    pub time: Duration,
    /// Bytes that the plug-in hands over at once: an answer, or the arguments of one call of the host.
    pub output: usize,
    /// Calls of the host, whatever they are.
    pub host_calls: u32,
    /// Lines of the log.
    pub log_lines: u32,
    /// HTTP calls.
    pub sends: u32,
    /// Calls that run at the same time.
    pub instances: usize,
    /// Calls that wait for a turn.
    pub waiting: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            table_elements: 100_000,
            time: Duration::from_secs(2),
            output: 256 << 10,
            host_calls: 10_000,
            log_lines: 100,
            sends: 5,
            instances: 4,
            waiting: 64,
        }
    }
}

/// Bytes of one line of the log.
pub const LINE: usize = 2048;
/// Bytes that are kept of what a program prints.
pub const PRINTED: usize = 4096;
/// Bytes of one HTTP body or of all headers, in either direction.
pub const BODY: usize = 64 << 10;
pub const HEADERS: usize = 64;
/// Random bytes that are given at a time.
pub const RANDOM: u64 = 1024;
/// Of the file.
pub const COMPONENT: usize = 64 << 20;
/// Parts of one component.
pub const CORE_INSTANCES: usize = 64;
pub const TABLES: usize = 32;
pub const MEMORIES: usize = 8;
