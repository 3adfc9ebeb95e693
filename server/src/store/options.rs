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
        // One for each thread that serves requests, and as many for lists.
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self { readers: (2 * cores).max(4), queue: 4096, connections: 8 }
    }
}
