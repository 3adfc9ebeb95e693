//! What the host keeps for one call: what it has used so far, and why it has to stop.

use crate::call::Call;
use crate::failure::Reason;
use crate::host::Host;
use crate::limits::{CORE_INSTANCES, Limits, MEMORIES, PRINTED, TABLES};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::{Error, ResourceLimiter, Result};

pub struct Guest {
    pub host: Arc<dyn Host>,
    pub call: Call,
    pub limits: Limits,
    pub deadline: Instant,
    pub log_lines: u32,
    pub sends: u32,
    host_calls: u32,
    memory: usize,
    /// The end of what the program printed.
    printed: VecDeque<u8>,
    /// The first thing that went wrong, as the host saw it.
    pub trouble: Option<(Reason, String)>,
}

impl Guest {
    pub fn new(host: Arc<dyn Host>, call: Call, limits: Limits, deadline: Instant) -> Self {
        Self { host, call, limits, deadline, log_lines: 0, sends: 0, host_calls: 0, memory: 0, printed: VecDeque::new(), trouble: None }
    }

    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Every call of the host counts, also those that do nothing.
    pub fn count_call(&mut self) -> Result<()> {
        self.host_calls += 1;
        if self.host_calls > self.limits.host_calls {
            return self.stop(Reason::Limit, "more calls of the host than one call may make");
        }
        Ok(())
    }

    /// Ends the call. The reason is kept beside the trap, which says less.
    pub fn stop<T>(&mut self, reason: Reason, why: &str) -> Result<T> {
        self.trouble.get_or_insert_with(|| (reason, why.to_owned()));
        Err(Error::msg(why.to_owned()))
    }

    pub fn print(&mut self, bytes: &[u8]) {
        let kept = &bytes[bytes.len().saturating_sub(PRINTED)..];
        let most_before = PRINTED - kept.len();
        let too_many = self.printed.len().saturating_sub(most_before);
        self.printed.drain(..too_many);
        self.printed.extend(kept);
    }

    /// In one line.
    pub fn printed(&self) -> String {
        let bytes: Vec<u8> = self.printed.iter().copied().collect();
        String::from_utf8_lossy(&bytes).trim().replace('\n', " | ")
    }
}

impl ResourceLimiter for Guest {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let grown = self.memory.saturating_sub(current).saturating_add(desired);
        if grown > self.limits.memory {
            // What the program makes of it is its own affair: most end. Then this is why.
            let why = format!("it wanted {} of memory, the limit is {}", mebibytes(grown), mebibytes(self.limits.memory));
            self.trouble.get_or_insert((Reason::Memory, why));
            return Ok(false);
        }
        self.memory = grown;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        if desired > self.limits.table_elements {
            let why = format!("it wanted a table of {desired} elements, the limit is {}", self.limits.table_elements);
            self.trouble.get_or_insert((Reason::Memory, why));
            return Ok(false);
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}

/// Bytes as an operator writes them.
pub fn mebibytes(bytes: usize) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

/// The beginning of a text, cut between characters.
pub fn shortened(text: &str, most: usize) -> String {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// The end of a text, cut between characters.
pub fn end_of(text: &str, most: usize) -> &str {
    let mut start = text.len().saturating_sub(most);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(shortened("aä", 2), "a");
        assert_eq!(shortened("aä", 3), "aä");
        assert_eq!(shortened("", 3), "");
        assert_eq!((end_of("äa", 2), end_of("äa", 3), end_of("", 3)), ("a", "äa", ""));
    }
}
