//! `audit_security` and `audit_routine`: two tables, because they are kept for different times.

/// First security events, then routine ones.
pub const NEWEST: [&str; 2] = [
    "SELECT id, body FROM audit_security WHERE id >= $1 AND id < $2 ORDER BY id DESC LIMIT 1000",
    "SELECT id, body FROM audit_routine WHERE id >= $1 AND id < $2 ORDER BY id DESC LIMIT 1000",
];
pub const AFTER: [&str; 2] = [
    "SELECT id, body FROM audit_security WHERE id > $1 AND id < $2 ORDER BY id LIMIT 1000",
    "SELECT id, body FROM audit_routine WHERE id > $1 AND id < $2 ORDER BY id LIMIT 1000",
];
/// As the statements above say.
pub const PAGE: usize = 1000;

pub const INSERT_SECURITY: &str = "INSERT INTO audit_security (id, body) VALUES ($1, $2)";
pub const INSERT_ROUTINE: &str = "INSERT INTO audit_routine (id, body) VALUES ($1, $2)";

/// PostgreSQL alone. Where the transaction began later than $3, the entry has no body and is refused (NOT NULL): a follower of the audit
/// may have read past its id. One that began in time holds followers back.
macro_rules! in_time {
    ($table:literal) => {
        concat!(
            "INSERT INTO ",
            $table,
            " (id, body) VALUES ($1, CASE WHEN date_part('epoch', now()) * 1000 < CAST($3 AS BIGINT) THEN $2 END)"
        )
    };
}
pub const IN_TIME_SECURITY: &str = in_time!("audit_security");
pub const IN_TIME_ROUTINE: &str = in_time!("audit_routine");

/// The same of several entries: $1 has their ids, $2 their bodies.
macro_rules! all_in_time {
    ($table:literal) => {
        concat!(
            "INSERT INTO ",
            $table,
            " (id, body) SELECT id, CASE WHEN date_part('epoch', now()) * 1000 < CAST($3 AS BIGINT) THEN body END \
            FROM unnest(CAST($1 AS BYTEA[]), CAST($2 AS TEXT[])) AS entry (id, body)"
        )
    };
}
pub const ALL_IN_TIME_SECURITY: &str = all_in_time!("audit_security");
pub const ALL_IN_TIME_ROUTINE: &str = all_in_time!("audit_routine");

/// PostgreSQL alone. Whether a change was carried out, where its answer was lost. The message waits for the disk and for the standby, as
/// every commit does, and so for all that came before it.
macro_rules! find {
    ($table:literal) => {
        concat!("SELECT id, pg_logical_emit_message(true, 'symbolon', '')::text AS message FROM ", $table, " WHERE id = $1")
    };
}
pub const FIND_SECURITY: &str = find!("audit_security");
pub const FIND_ROUTINE: &str = find!("audit_routine");

/// The newest of each.
pub const LAST: [&str; 2] =
    ["SELECT id FROM audit_security ORDER BY id DESC LIMIT 1", "SELECT id FROM audit_routine ORDER BY id DESC LIMIT 1"];
