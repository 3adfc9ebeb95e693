//! `client`: clients of the store. Those that registered themselves have a policy.

pub const READ: &str = "SELECT body, policy, proofs, changed_ms, until_ms, fetched_ms, fresh_ms, keys_uri, keys_fetched_ms, keys_fresh_ms FROM client \
    WHERE id = $1 AND state = 'active'";
pub const REGISTER: &str = "INSERT INTO client (id, state, body, created_ms, policy, token, proofs, changed_ms, used_ms, until_ms, keys_uri, \
    keys_fetched_ms, keys_fresh_ms) VALUES ($1, 'active', $2, $3, $4, $5, $6, $3, 0, $7, $8, $9, $10)";
/// For its own token alone.
pub const READ_OWN: &str = "SELECT body, created_ms, policy, token, proofs, changed_ms, until_ms, keys_uri FROM client \
    WHERE id = $1 AND state = 'active' AND token IS NOT NULL AND until_ms > $2";
/// The token stands in the guard: of a client that was disabled or deleted meanwhile nothing is written (499-G, 500-G).
pub const REPLACE: &str = "UPDATE client SET body = $3, proofs = $4, changed_ms = $5, keys_uri = $7, keys_fetched_ms = $8, \
    keys_fresh_ms = $9, proofs_due_ms = $10 WHERE id = $1 AND token = $2 AND state = 'active' AND until_ms > $6";
/// The keys at an address were read again. What was replaced meanwhile stays.
pub const KEEP_KEYS: &str = "UPDATE client SET body = $2, keys_fetched_ms = $3, keys_fresh_ms = $4 \
    WHERE id = $1 AND keys_uri = $5 AND body = $6";
/// They could not be read: they are not asked for again before. When they were read last stays, because the day counts from there.
pub const KEYS_LATER: &str = "UPDATE client SET keys_fresh_ms = $2 WHERE id = $1 AND keys_uri = $3";
/// Clients whose hosts are to be asked again.
pub const PROOFS_DUE: &str = "SELECT id, body, policy, proofs, proofs_due_ms FROM client \
    WHERE proofs_due_ms <= $1 AND state = 'active' AND until_ms > $1 ORDER BY proofs_due_ms LIMIT 128";
/// One node asks.
pub const CLAIM_PROOFS: &str = "UPDATE client SET proofs_due_ms = $2 WHERE id = $1 AND proofs_due_ms = $3";
/// What the hosts said. What was replaced meanwhile stays.
pub const KEEP_PROOFS: &str = "UPDATE client SET proofs = $2, proofs_due_ms = $3 WHERE id = $1 AND proofs = $4 AND proofs_due_ms = $5";
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
/// It could not be read: it is not asked for again before. What was read meanwhile stays.
pub const DOCUMENT_LATER: &str = "UPDATE client SET fresh_ms = $2 WHERE id = $1 AND fetched_ms IS NOT NULL AND fresh_ms < $2";
pub const IS_THERE: &str = "SELECT state, fetched_ms, fresh_ms FROM client WHERE id = $1";

/// Whatever its state.
pub const SHOW: &str = "SELECT body, state, policy FROM client WHERE id = $1";
pub const LIST: &str = "SELECT id, state, body, created_ms, policy, used_ms, until_ms FROM client WHERE id > $1 ORDER BY id LIMIT $2";
pub const IS_REGISTERED: &str = "SELECT id FROM client WHERE id = $1";
pub const ALL: &str = "SELECT id, body FROM client WHERE id > $1 ORDER BY id LIMIT 500";
/// The same in shorter pages.
pub const HUNDRED: &str = "SELECT id, body FROM client WHERE id > $1 ORDER BY id LIMIT 100";
/// Those of an operator.
pub const IMPORTED: &str = "SELECT id, body FROM client WHERE state = 'active' AND policy IS NULL AND id > $1 ORDER BY id LIMIT 500";
/// Those that registered themselves.
pub const REGISTERED: &str = "SELECT id, body, policy, proofs FROM client WHERE state = 'active' AND policy IS NOT NULL AND until_ms > $1 \
    AND id > $2 ORDER BY id LIMIT 500";
pub const SET_STATE: &str = "UPDATE client SET state = $2 WHERE id = $1";
/// The primary key is the guard: nobody is replaced.
pub const IMPORT: &str = "INSERT INTO client (id, state, body, created_ms) VALUES ($1, 'active', $2, $3) ON CONFLICT (id) DO NOTHING";
pub const REPLACE_BODY: &str = "UPDATE client SET body = $2 WHERE id = $1";
/// After a restore. A younger one stays.
pub const REMOVE_AGAIN: &str = "DELETE FROM client WHERE id = $1 AND created_ms <= $2";
