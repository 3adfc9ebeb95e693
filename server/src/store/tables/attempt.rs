//! `attempt`: budgets of guesses and letters.

/// The bound stands in the guard: a thousand guesses at the same moment are charged one by one. A window that is over begins anew.
pub const CHARGE: &str = "INSERT INTO attempt (key, used, until_ms) VALUES ($1, 1, $2) ON CONFLICT (key) DO UPDATE SET \
    used = CASE WHEN attempt.until_ms <= $3 THEN 1 ELSE attempt.used + 1 END, \
    until_ms = CASE WHEN attempt.until_ms <= $3 THEN excluded.until_ms ELSE attempt.until_ms END \
    WHERE attempt.until_ms <= $3 OR attempt.used < $4";
pub const GIVE_BACK: &str = "UPDATE attempt SET used = used - 1 WHERE key = $1 AND used > 0";
pub const CLEAR: &str = "DELETE FROM attempt WHERE key = $1";
/// Writes nothing new: names that nobody has cost the same writes.
pub const TOUCH: &str = "UPDATE attempt SET used = used WHERE key = $1";
/// Nothing is asked there until then.
pub const BLOCK: &str = "INSERT INTO attempt (key, used, until_ms) VALUES ($1, 1, $2) \
    ON CONFLICT (key) DO UPDATE SET until_ms = excluded.until_ms";
pub const BLOCKED: &str = "SELECT until_ms FROM attempt WHERE key IN ($1, $2) AND until_ms > $3 LIMIT 1";
