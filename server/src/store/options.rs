//! How large a store's pools and queues are.

/// Sizes of pools and queues.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    pub readers: usize,
    pub queue: usize,
    pub connections: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { readers: 4, queue: 4096, connections: 8 }
    }
}
