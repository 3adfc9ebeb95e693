//! `enrolment` and `ticket`: means to sign in that wait to be confirmed, and what confirms them at once.

/// Of a means there is one: whoever replaces it again waits anew. What was there first stays known.
pub const ADD: &str = "INSERT INTO enrolment (id, account, means, enrolled_with, enrolled_ms, letters, told_ms, former) \
    VALUES ($1, $2, $3, $4, $5, $6, 0, $7) ON CONFLICT (account, means) DO UPDATE SET id = excluded.id, \
    enrolled_with = excluded.enrolled_with, enrolled_ms = excluded.enrolled_ms, letters = excluded.letters, told_ms = 0";
pub const READ: &str = "SELECT account, means, former FROM enrolment WHERE id = $1";
pub const OF_ACCOUNT: &str =
    "SELECT id, means, enrolled_with, enrolled_ms, letters, told_ms, former FROM enrolment WHERE account = $1 ORDER BY enrolled_ms, means";
/// An enrolment ends once: it is stopped or confirmed.
pub const END: &str = "DELETE FROM enrolment WHERE id = $1";
/// The means itself is gone or counts in full.
pub const FORGET_MEANS: &str = "DELETE FROM enrolment WHERE account = $1 AND means = $2";
/// The time runs from the last letter on.
pub const TOLD: &str = "UPDATE enrolment SET letters = letters - 1, told_ms = $2 WHERE id = $1 AND letters > 0";
/// What nobody stopped in time. Whoever lost everything comes back for it.
pub const OVER: &str = "SELECT id, account, means, former FROM enrolment WHERE told_ms > 0 AND told_ms <= $1 AND letters = 0 \
    AND means <> 'regain' ORDER BY told_ms LIMIT 200";
pub const LATE_REGAINS: &str = "SELECT id, account FROM enrolment WHERE told_ms > 0 AND told_ms <= $1 AND letters = 0 \
    AND means = 'regain' ORDER BY told_ms LIMIT 200";
/// The time counts as over, whether the letters have left or not.
pub const SHORTEN: &str = "UPDATE enrolment SET letters = 0, told_ms = $2 WHERE id = $1";
pub const FORGET: [&str; 2] = ["DELETE FROM enrolment WHERE account = $1", FORGET_TICKET];
pub const FORGET_TICKET: &str = "DELETE FROM ticket WHERE account = $1";

/// A new ticket takes the place of the one before.
pub const GIVE_TICKET: &str = "INSERT INTO ticket (account, name, until_ms, invites) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (account) DO UPDATE SET name = excluded.name, until_ms = excluded.until_ms, invites = excluded.invites";
pub const READ_TICKET: &str = "SELECT name, until_ms, invites FROM ticket WHERE account = $1";
/// A ticket works once: its row is gone with the first use.
pub const SPEND_TICKET: &str = "DELETE FROM ticket WHERE account = $1 AND name = $2 AND until_ms > $3";
