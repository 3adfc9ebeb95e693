//! `once`, `revoked` and `cutoff`: what was spent, and what ended before its time.

/// The primary key is the guard: what was spent before conflicts.
pub const SPEND: &str = "INSERT INTO once (bucket, kind, key) VALUES ($1, $2, $3)";

/// Ended access tokens, oldest end first.
pub const REVOKED_SINCE: &str = "SELECT ended_ms, jti FROM revoked WHERE ended_ms > 0 AND ended_ms >= $1 ORDER BY ended_ms LIMIT $2";
/// Cut-offs of clients, oldest first.
pub const CUTOFFS_SINCE: &str =
    "SELECT before_ms AS ended_ms, key FROM cutoff WHERE kind = 'client' AND before_ms >= $1 ORDER BY before_ms LIMIT $2";
