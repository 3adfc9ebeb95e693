//! `sign_in`: a sign-in under way, one row from its first answer on. `login`: the same of the version before.

pub const READ: &str =
    "SELECT body, version, secret, secret_before, answered, taken_by, taken_ms, state, expires_ms FROM sign_in WHERE id = $1";
/// The same, while it is under way.
pub const READ_OPEN: &str = "SELECT body, version, secret, secret_before, answered, taken_by, taken_ms, state, expires_ms FROM sign_in \
    WHERE id = $1 AND state = 'open'";
/// The first answer makes the row. Its id is the start's, so that one start makes one row.
pub const INSERT: &str = "INSERT INTO sign_in (id, body, version, secret, secret_before, answered, taken_by, taken_ms, state, expires_ms) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
/// Only the winner of a question goes on. A question that was taken and not answered within half a minute is open again.
pub const TAKE: &str =
    "UPDATE sign_in SET taken_by = $3, taken_ms = $4 WHERE id = $1 AND version = $2 AND state = 'open' AND taken_ms <= $5";
/// The answer that has the question moves the row. Another answer may only where that one was not finished within half a minute.
pub const ADVANCE: &str = "UPDATE sign_in SET body = $4, version = version + 1, secret_before = secret, secret = $5, answered = $6, \
    taken_by = $7, taken_ms = 0, state = $8 WHERE id = $1 AND version = $2 AND state = 'open' AND (taken_ms = $3 OR taken_ms <= $9)";
/// What an answer made known outside is kept before it is used.
pub const KEEP: &str = "UPDATE sign_in SET body = $3 WHERE id = $1 AND version = $2 AND taken_ms = $4 AND state = 'open'";
/// Only the answer that took the question gives it free.
pub const LET_GO: &str = "UPDATE sign_in SET taken_ms = 0 WHERE id = $1 AND version = $2 AND taken_ms = $3";
/// Whoever signs out, or gives the browser to somebody else, ends what the browser had begun. The row stays, because its start would make
/// another one. `$3`: no bytes.
pub const VOID: &str =
    "UPDATE sign_in SET state = 'void', body = $3 WHERE id = $1 AND (secret = $2 OR secret_before = $2) AND state = 'open'";
pub const FORGET_ALL: [&str; 2] = ["DELETE FROM login", "DELETE FROM sign_in"];
