//! `consent`: what people agreed to.

pub const READ: &str = "SELECT scope, at_ms FROM consent WHERE account = $1 AND client = $2";
pub const WRITE: &str = "INSERT INTO consent (account, client, scope, at_ms) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (account, client) DO UPDATE SET scope = excluded.scope, at_ms = excluded.at_ms";
pub const WITHDRAW: &str = "DELETE FROM consent WHERE account = $1 AND client = $2";
/// After a restore. What was agreed to later stays.
pub const WITHDRAW_AGAIN: &str = "DELETE FROM consent WHERE account = $1 AND client = $2 AND at_ms <= $3";
pub const FORGET: &str = "DELETE FROM consent WHERE account = $1";
