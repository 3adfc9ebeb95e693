//! `initial_access_token`: tokens by which an operator lets somebody register clients.

pub const INSERT: &str =
    "INSERT INTO initial_access_token (id, policy, digest, uses, created_ms, until_ms) VALUES ($1, $2, $3, $4, $5, $6)";
pub const READ: &str = "SELECT policy, digest, uses, until_ms FROM initial_access_token WHERE id = $1";
/// The last use stands in the guard, so that of two requests at once one gets it.
pub const USE: &str = "UPDATE initial_access_token SET uses = uses - 1 WHERE id = $1 AND uses > 0 AND until_ms > $2";
pub const LIST: &str = "SELECT id, policy, uses, created_ms, until_ms FROM initial_access_token WHERE id > $1 ORDER BY id LIMIT $2";
pub const REVOKE: &str = "DELETE FROM initial_access_token WHERE id = $1";
/// After a restore: at any time.
pub const USE_AGAIN: &str = "UPDATE initial_access_token SET uses = uses - 1 WHERE id = $1 AND uses > 0";
