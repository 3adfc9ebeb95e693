//! `client`: clients of the store. Those that registered themselves have a policy.

pub const READ: &str =
    "SELECT body, policy, proofs, changed_ms, until_ms, fetched_ms, fresh_ms FROM client WHERE id = $1 AND state = 'active'";
pub const REGISTER: &str = "INSERT INTO client (id, state, body, created_ms, policy, token, proofs, changed_ms, used_ms, until_ms) \
    VALUES ($1, 'active', $2, $3, $4, $5, $6, $3, 0, $7)";
/// For its own token alone.
pub const READ_OWN: &str = "SELECT body, created_ms, policy, token, proofs, changed_ms, until_ms FROM client \
    WHERE id = $1 AND state = 'active' AND token IS NOT NULL AND until_ms > $2";
/// The token stands in the guard: of a client that was disabled or deleted meanwhile nothing is written (499-G, 500-G).
pub const REPLACE: &str =
    "UPDATE client SET body = $3, proofs = $4, changed_ms = $5 WHERE id = $1 AND token = $2 AND state = 'active' AND until_ms > $6";
pub const DELETE_OWN: &str = "DELETE FROM client WHERE id = $1 AND token = $2 AND state = 'active'";
/// An operator's: whoever it is.
pub const REMOVE: &str = "DELETE FROM client WHERE id = $1";
/// A grant was made. Once in a while is enough, so that many sign-ins at once do not wait for one row.
pub const USE: &str = "UPDATE client SET used_ms = $2, until_ms = $3 WHERE id = $1 AND until_ms < $4";
/// A metadata document was read. A client that an operator disabled stays so, and an imported one of that name is not touched.
pub const KEEP_DOCUMENT: &str = "INSERT INTO client (id, state, body, created_ms, policy, proofs, changed_ms, used_ms, until_ms, fetched_ms, fresh_ms) \
    VALUES ($1, 'active', $2, $3, $4, $5, $6, 0, $7, $3, $8) ON CONFLICT (id) DO UPDATE SET body = excluded.body, policy = excluded.policy, \
    proofs = excluded.proofs, changed_ms = excluded.changed_ms, fetched_ms = excluded.fetched_ms, fresh_ms = excluded.fresh_ms, \
    until_ms = CASE WHEN client.until_ms > excluded.until_ms THEN client.until_ms ELSE excluded.until_ms END \
    WHERE client.fetched_ms IS NOT NULL AND client.state = 'active'";
pub const IS_THERE: &str = "SELECT state FROM client WHERE id = $1";
