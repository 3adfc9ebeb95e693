//! `outbox`: what leaves the house. The change that causes it writes it, and a worker sends it until it has arrived.

/// Beyond so many of a kind that wait, further ones are not written. A receiver that is away for long does not fill the disk.
pub const WRITE: &str = "INSERT INTO outbox (id, kind, body, attempts, next_ms) SELECT $1, $2, $3, 0, $4 \
    WHERE (SELECT count(*) FROM (SELECT id FROM outbox WHERE kind = $2 LIMIT 10000) AS waiting) < 10000 \
    ON CONFLICT (id) DO NOTHING";
pub const WAITING: &str = "SELECT count(*) AS count FROM (SELECT id FROM outbox WHERE kind = $1 LIMIT 10000) AS waiting";
/// The same of the ids from $2 to $3.
pub const WAITING_WITHIN: &str =
    "SELECT count(*) AS count FROM (SELECT id FROM outbox WHERE kind = $1 AND id >= $2 AND id <= $3 LIMIT 10000) AS waiting";
pub const MOST_WAITING: i64 = 10_000;
pub const DUE: &str = "SELECT id, body, attempts, next_ms FROM outbox WHERE next_ms <= $1 AND kind = $2 LIMIT 50";
pub const CLAIM: &str = "UPDATE outbox SET attempts = attempts + 1, next_ms = $2 WHERE id = $1 AND next_ms = $3";
pub const DONE: &str = "DELETE FROM outbox WHERE id = $1";
pub const FORGET_ALL: &str = "DELETE FROM outbox";
