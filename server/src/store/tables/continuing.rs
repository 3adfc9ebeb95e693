//! `continuing`: answers that wait on the continue page.

/// The same answer again is the same row.
pub const INSERT: &str = "INSERT INTO continuing (id, secret, body, expires_ms) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING";
pub const READ: &str = "SELECT secret, body, expires_ms FROM continuing WHERE id = $1";
/// The first browser gets it. The guard is in the statement, so that of two only one does.
pub const BIND: &str = "UPDATE continuing SET secret = $2 WHERE id = $1 AND length(secret) = 0 AND expires_ms > $3";
