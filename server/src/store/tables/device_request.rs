//! `device_request`: what devices ask for (RFC 8628).

pub const INSERT: &str = "INSERT INTO device_request (id, user_code, client, salt, body, state, account, session, number, answered_ms, \
    expires_ms) VALUES ($1, $2, $3, $4, $5, 'pending', '', $6, 0, 0, $7)";
pub const READ: &str = "SELECT id, client, salt, body, state, account, session, number, expires_ms FROM device_request WHERE id = $1";
pub const BY_USER_CODE: &str =
    "SELECT id, client, salt, body, state, account, session, number, expires_ms FROM device_request WHERE user_code = $1";
/// A request has one answer: of two at the same moment, one finds it pending. What has expired is not approved any more, and nothing of a
/// starter who is blocked ($6, $7).
pub const APPROVE: &str = "UPDATE device_request SET state = 'approved', account = $2, session = $3, number = $4, answered_ms = $5 \
    WHERE id = $1 AND state = 'pending' AND expires_ms > $5 \
    AND NOT EXISTS (SELECT 1 FROM attempt WHERE key IN ($6, $7) AND until_ms > $5)";
pub const DENY: &str =
    "UPDATE device_request SET state = 'denied', account = $2, answered_ms = $3 WHERE id = $1 AND state = 'pending' AND expires_ms > $3";
pub const FORGET: &str = "DELETE FROM device_request WHERE account = $1";
