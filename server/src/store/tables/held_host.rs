//! `held_host`: hosts that open an app, by name, and whose they are or were. Rows of an earlier version have the port too.

pub const READ: &str = "SELECT host, owner, until_ms FROM held_host WHERE until_ms > $1";
/// The owner's time begins anew. Another owner's time has to be over, or taken over by the configuration.
pub const HOLD: &str = "INSERT INTO held_host (host, owner, until_ms) VALUES ($1, $2, $3) \
    ON CONFLICT (host) DO UPDATE SET owner = excluded.owner, until_ms = excluded.until_ms";
/// The same owner still.
pub const HOLD_ON: &str = "UPDATE held_host SET until_ms = $3 WHERE host = $1 AND owner = $2";
