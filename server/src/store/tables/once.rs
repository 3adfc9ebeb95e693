//! `once`, `revoked` and `cutoff`: what was spent, and what ended before its time.

/// The primary key is the guard: what was spent before conflicts.
pub const SPEND: &str = "INSERT INTO once (bucket, kind, key) VALUES ($1, $2, $3)";

/// Ended access tokens, oldest end first.
pub const REVOKED_SINCE: &str = "SELECT ended_ms, jti FROM revoked WHERE ended_ms > 0 AND ended_ms >= $1 ORDER BY ended_ms LIMIT $2";
/// Cut-offs of clients, oldest first.
pub const CUTOFFS_SINCE: &str =
    "SELECT before_ms AS ended_ms, key FROM cutoff WHERE kind = 'client' AND before_ms >= $1 ORDER BY before_ms LIMIT $2";

pub const REVOKE: &str = "INSERT INTO revoked (jti, until_ms, ended_ms) VALUES ($1, $2, $3) ON CONFLICT (jti) DO NOTHING";
/// A clock that stepped back takes no end back.
pub const CUT: &str = "INSERT INTO cutoff (kind, key, before_ms) VALUES ('client', $1, $2) ON CONFLICT (kind, key) \
    DO UPDATE SET before_ms = excluded.before_ms WHERE cutoff.before_ms < excluded.before_ms";
