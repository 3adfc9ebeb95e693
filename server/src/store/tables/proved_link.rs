//! `proved_link`: hosts whose association files name a client's app.

pub const READ: &str = "SELECT client, host, app, until_ms FROM proved_link";
pub const KEEP: &str = "INSERT INTO proved_link (client, host, app, until_ms) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (client, host) DO UPDATE SET app = excluded.app, until_ms = excluded.until_ms";
