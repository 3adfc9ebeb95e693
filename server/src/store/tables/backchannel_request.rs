//! `backchannel_request`: what clients ask people on their own devices (CIBA). `push_address`: where apps are woken up.

use super::session::forget_ended;

/// Nobody is asked while a key of `authorization::not_mine` is blocked ($9, $10).
pub const INSERT: &str = "INSERT INTO backchannel_request (id, client, account, places, salt, body, state, version, session, number, \
    answered_ms, expires_ms) SELECT $1, $2, $3, $4, $5, $6, 'pending', 1, $7, 0, 0, $8 \
    WHERE NOT EXISTS (SELECT 1 FROM attempt WHERE key IN ($9, $10) AND until_ms > $11)";
pub const READ: &str = "SELECT id, client, account, places, salt, body, state, version, session, number, expires_ms \
    FROM backchannel_request WHERE id = $1";
/// Oldest first.
pub const PENDING: &str = "SELECT id, client, account, places, salt, body, state, version, session, number, expires_ms \
    FROM backchannel_request WHERE account = $1 AND state = 'pending' AND expires_ms > $2 ORDER BY id LIMIT 20";
/// A request has one answer: of two at the same moment, one finds it pending. What has expired is not approved any more, and nothing of a
/// starter who is blocked ($6, $7).
pub const APPROVE: &str = "UPDATE backchannel_request SET state = 'approved', version = version + 1, session = $3, number = $4, \
    answered_ms = $5 WHERE id = $1 AND account = $2 AND state = 'pending' AND expires_ms > $5 \
    AND NOT EXISTS (SELECT 1 FROM attempt WHERE key IN ($6, $7) AND until_ms > $5)";
pub const DENY: &str = "UPDATE backchannel_request SET state = 'denied', version = version + 1, answered_ms = $3 \
    WHERE id = $1 AND account = $2 AND state = 'pending' AND expires_ms > $3";
/// What a member has confirmed is fetched once.
pub const FETCH: &str = "DELETE FROM backchannel_request WHERE id = $1 AND state = 'approved'";

/// A person's user code: a digest.
pub const USER_CODE: &str = "SELECT secret FROM credential WHERE account = $1 AND kind = 'user_code' AND id = ''";
pub const SET_USER_CODE: &str = "INSERT INTO credential (account, kind, id, secret, created_ms, used_ms) \
    VALUES ($1, 'user_code', '', $2, $3, 0) \
    ON CONFLICT (account, kind, id) DO UPDATE SET secret = excluded.secret, created_ms = excluded.created_ms";
pub const REMOVE_USER_CODE: &str = "DELETE FROM credential WHERE account = $1 AND kind = 'user_code'";
/// After a restore. A younger one stays.
pub const REMOVE_USER_CODE_AGAIN: &str = "DELETE FROM credential WHERE account = $1 AND kind = 'user_code' AND created_ms <= $2";

pub const WRITE_ADDRESS: &str = "INSERT INTO push_address (session, number, account, address, written_ms) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (session, number) DO UPDATE SET address = excluded.address, written_ms = excluded.written_ms";
pub const FORGET_ADDRESS: &str = "DELETE FROM push_address WHERE session = $1 AND number = $2";
pub const FORGET_ENDED: &str = forget_ended!("push_address", "account = $1");
/// Of a session, and of those that came from it.
pub const FORGET_ENDED_BELOW: &str = forget_ended!("push_address", "session IN (SELECT id FROM session WHERE id = $1 OR parent = $1)");
/// Of living grants alone, newest first.
pub const ADDRESSES: &str = "SELECT p.session, p.number, p.address, g.client FROM push_address p \
    JOIN app_grant g ON g.session = p.session AND g.number = p.number JOIN session s ON s.id = p.session \
    JOIN account a ON a.id = p.account \
    WHERE p.account = $1 AND g.state = 'active' AND g.ends_ms > $2 AND s.state = 'active' AND a.state = 'active' \
    AND s.created_ms >= a.sessions_from_ms ORDER BY p.written_ms DESC LIMIT 20";
pub const FORGET: [&str; 2] = ["DELETE FROM backchannel_request WHERE account = $1", "DELETE FROM push_address WHERE account = $1"];
