//! `provider_check`: when a provider last said that a person may still come, and when it is asked again.

/// A sign-in there is the best answer.
pub const SIGNED_IN: &str = "INSERT INTO provider_check (identity, account, provider, checked_ms, next_ms) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (identity, provider) DO UPDATE SET account = excluded.account, checked_ms = excluded.checked_ms, \
    next_ms = excluded.next_ms";
/// The provider refused an API's renewal: it is asked at once, whether or not it was to be asked.
pub const ASK_NOW: &str = "INSERT INTO provider_check (identity, account, provider, checked_ms, next_ms) VALUES ($1, $2, $3, 0, $4) \
    ON CONFLICT (identity, provider) DO UPDATE SET next_ms = excluded.next_ms";
pub const DUE: &str = "SELECT identity, account, provider, next_ms FROM provider_check WHERE next_ms > 0 AND next_ms <= $1 \
    ORDER BY next_ms LIMIT 50";
/// Of several nodes one asks.
pub const CLAIM: &str = "UPDATE provider_check SET next_ms = $3 WHERE identity = $1 AND provider = $2 AND next_ms = $4";
pub const CONFIRMED: &str = "UPDATE provider_check SET checked_ms = $3, next_ms = $4 WHERE identity = $1 AND provider = $2";
pub const LATER: &str = "UPDATE provider_check SET next_ms = $3 WHERE identity = $1 AND provider = $2";
/// The identities that a session rests on, each with the entry by which the person came.
pub const OF_SESSION: &str = "SELECT p.provider AS provider, p.left_ms AS left_ms, c.checked_ms AS checked_ms, t.renewable AS renewable \
    FROM provider_session p JOIN outside_identity o ON o.account = p.account AND o.name = p.identity \
    LEFT JOIN provider_check c ON c.identity = p.identity AND c.provider = p.provider \
    LEFT JOIN provider_token t ON t.identity = p.identity AND t.provider = p.provider WHERE p.session = $1";
pub const DONE: &str = "DELETE FROM provider_check WHERE identity = $1 AND provider = $2";
/// The identity leads to the account no more.
pub const UNLINK: &str = "DELETE FROM provider_check WHERE identity = $1 AND account = $2 AND NOT EXISTS \
    (SELECT 1 FROM outside_identity WHERE account = $2 AND name = $1)";
pub const FORGET: &str = "DELETE FROM provider_check WHERE account = $1";
