//! `account_event`: what happened to an account, as its person may read it.

/// The same event of one instant is one row.
pub const ADD: &str = "INSERT INTO account_event (account, at_ms, event, client, address, by_operator) VALUES ($1, $2, $3, $4, $5, $6) \
    ON CONFLICT (account, at_ms, event) DO NOTHING";
/// The same for what happens often: once an hour for each client and address.
pub const ADD_HOURLY: &str = "INSERT INTO account_event (account, at_ms, event, client, address, by_operator) \
    SELECT $1, $2, $3, $4, $5, $6 WHERE NOT EXISTS (SELECT 1 FROM account_event WHERE account = $1 AND at_ms > CAST($2 AS BIGINT) - 3600000 \
    AND at_ms <= $2 AND event = $3 AND client = $4 AND address = $5) ON CONFLICT (account, at_ms, event) DO NOTHING";
/// The newest first.
pub const OF_ACCOUNT: &str =
    "SELECT at_ms, event, client, address, by_operator FROM account_event WHERE account = $1 ORDER BY at_ms DESC, event LIMIT $2";
pub const FORGET: &str = "DELETE FROM account_event WHERE account = $1";
