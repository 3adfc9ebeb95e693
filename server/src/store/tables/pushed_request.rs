//! `pushed_request`: pushed authorization requests (RFC 9126), one row for each.

pub const INSERT: &str = "INSERT INTO pushed_request (id, client, body, expires_ms) VALUES ($1, $2, $3, $4)";
pub const READ: &str = "SELECT client, body, expires_ms FROM pushed_request WHERE id = $1";
/// A request is used once: its row is gone with the first use.
pub const SPEND: &str = "DELETE FROM pushed_request WHERE id = $1";
pub const FORGET_ALL: &str = "DELETE FROM pushed_request";
