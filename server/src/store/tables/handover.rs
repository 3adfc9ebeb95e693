//! `handover`: tickets from an app to a browser, and the sessions that come of them.

pub const INSERT: &str =
    "INSERT INTO handover (id, session, number, account, client, secret, expires_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)";
pub const READ: &str = "SELECT session, number, account, client, secret, expires_ms FROM handover WHERE id = $1";
/// The first browser gets it. The guard is in the statement, so that of two only one does.
pub const BIND: &str = "UPDATE handover SET secret = $2 WHERE id = $1 AND length(secret) = 0 AND expires_ms > $3";
/// It is spent once, by the browser that opened it.
pub const SPEND: &str = "DELETE FROM handover WHERE id = $1 AND secret = $2 AND expires_ms > $3";
/// What was proved to the app, no more and no later: its proofs, acr and time. The end ($7) is its own, because the app's grant outlives
/// the browser's limits of the app's sign-in.
pub const INSERT_CHILD: &str = "INSERT INTO session (id, account, state, cookie, proofs, acr, amr, auth_time_ms, created_ms, used_ms, ends_ms, \
    version, parent, parent_number, clients) SELECT $1, account, 'active', $2, proofs, acr, amr, auth_time_ms, $3, $3, $7, 1, $4, $5, $6 \
    FROM session WHERE id = $4 AND state = 'active'";
pub const FORGET: &str = "DELETE FROM handover WHERE account = $1";
