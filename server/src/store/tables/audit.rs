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
/// Whether a change was carried out, where its answer was lost.
pub const FIND_SECURITY: &str = "SELECT id FROM audit_security WHERE id = $1";
pub const FIND_ROUTINE: &str = "SELECT id FROM audit_routine WHERE id = $1";
