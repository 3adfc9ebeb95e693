//! `provider_hint`: the ID tokens of sessions at providers, sealed, for the sign-out there.

pub const KEEP: &str = "INSERT INTO provider_hint (identity, provider, sid, account, sealed, until_ms) VALUES ($1, $2, $3, $4, $5, $6) \
    ON CONFLICT (identity, provider, sid) DO UPDATE SET account = excluded.account, sealed = excluded.sealed, until_ms = excluded.until_ms";
/// The newest ten of an identity stay.
pub const FORGET_OLDEST: &str = "DELETE FROM provider_hint WHERE identity = $1 AND provider = $2 AND sid NOT IN \
    (SELECT sid FROM provider_hint WHERE identity = $1 AND provider = $2 ORDER BY until_ms DESC, sid LIMIT 10)";
pub const READ: &str = "SELECT sealed FROM provider_hint WHERE identity = $1 AND provider = $2 AND sid = $3 AND until_ms > $4";
/// The identity leads to the account no more.
pub const UNLINK: &str = "DELETE FROM provider_hint WHERE identity = $1 AND account = $2 AND NOT EXISTS \
    (SELECT 1 FROM outside_identity WHERE account = $2 AND name = $1)";
pub const FORGET: &str = "DELETE FROM provider_hint WHERE account = $1";
