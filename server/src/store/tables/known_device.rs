//! `known_device`: browsers and installations on which a person signed in, and what was proved there in full.

pub const READ: &str = "SELECT proofs FROM known_device WHERE account = $1 AND device = $2";
pub const REMEMBER: &str = "INSERT INTO known_device (account, device, label, proofs, first_ms, last_ms, until_ms) \
    VALUES ($1, $2, $3, $4, $5, $5, $6) \
    ON CONFLICT (account, device) DO UPDATE SET label = excluded.label, proofs = excluded.proofs, last_ms = excluded.last_ms, \
    until_ms = excluded.until_ms";
/// What was proved there stays.
pub const SEE: &str = "INSERT INTO known_device (account, device, label, proofs, first_ms, last_ms, until_ms) \
    VALUES ($1, $2, $3, $4, $5, $5, $6) \
    ON CONFLICT (account, device) DO UPDATE SET label = excluded.label, last_ms = excluded.last_ms, until_ms = excluded.until_ms";
pub const IS_KNOWN: &str = "SELECT device FROM known_device WHERE account = $1 AND device = $2 AND until_ms > $3";
pub const MOVE: &str = "UPDATE known_device SET device = $3 WHERE account = $1 AND device = $2";
pub const FORGET_OLDEST: &str = "DELETE FROM known_device WHERE account = $1 AND device NOT IN \
    (SELECT device FROM known_device WHERE account = $1 ORDER BY last_ms DESC, device LIMIT $2)";
pub const OF_ACCOUNT: &str = "SELECT device, label, first_ms, last_ms FROM known_device WHERE account = $1 ORDER BY last_ms DESC, device";
pub const FORGET_ONE: &str = "DELETE FROM known_device WHERE account = $1 AND device = $2";
pub const FORGET: &str = "DELETE FROM known_device WHERE account = $1";
