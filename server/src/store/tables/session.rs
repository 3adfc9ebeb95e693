//! `session`: one person on one browser. Grants hang below it.

/// `parent`: the app's session and grant that a session came from. `grants::carried_until_ms` judges them.
/// What a browser's session is judged by.
macro_rules! session_columns {
    () => {
        "s.account, s.cookie, s.proofs, s.acr, s.amr, s.auth_time_ms, s.used_ms, s.ends_ms, s.version AS session_version, \
        s.created_ms, s.clients, s.parent, s.parent_number, a.sessions_from_ms, a.version AS account_version"
    };
}
pub(super) use session_columns;
pub const READ: &str = concat!(
    "SELECT ",
    session_columns!(),
    " FROM session s JOIN account a ON a.id = s.account WHERE s.id = $1 AND s.state = 'active' AND a.state = 'active'"
);
pub const INSERT: &str = "INSERT INTO session (id, account, state, cookie, proofs, acr, amr, auth_time_ms, created_ms, used_ms, \
    device, address, ends_ms, version) VALUES ($1, $2, 'active', $3, $4, $5, $6, $7, $8, $8, $9, $10, $11, 1)";
/// Conflicts where the session has ended, or where another sign-in has raised it since it was read.
pub const RAISE: &str = "UPDATE session SET cookie = $3, proofs = $4, acr = $5, amr = $6, auth_time_ms = $7, used_ms = $8, \
    device = $9, address = $10, version = version + 1 WHERE id = $1 AND version = $2 AND state = 'active'";
/// Writes nothing new and takes the row. An end at the same moment comes before or after this change, never between.
pub const HOLD: &str = "SELECT 1 AS one FROM session WHERE id = $1 AND state = 'active' FOR NO KEY UPDATE";
pub const OWNER: &str = "SELECT account FROM session WHERE id = $1 AND state = 'active'";
pub const TOUCH: &str = "UPDATE session SET used_ms = $2 WHERE id = $1";
/// No cookie proves the session any more; the grants below it live on.
pub const DROP_COOKIE: &str = "UPDATE session SET cookie = $2, version = version + 1 WHERE id = $1 AND state = 'active'";
/// The first end counts: the instant of an ended session stays. What came from an app of it (a browser, a visit at a kiosk) ends with it.
pub const END: &str = "UPDATE session SET state = 'ended', ended_ms = $2 WHERE (id = $1 OR parent = $1) AND state = 'active'";
/// Those that came from one grant.
pub const END_CHILDREN: &str =
    "UPDATE session SET state = 'ended', ended_ms = $3 WHERE parent = $1 AND parent_number = $2 AND state = 'active'";
/// Those that came from any grant of the account that has ended.
pub const END_LEFT: &str = "UPDATE session SET state = 'ended', ended_ms = $2 WHERE account = $1 AND state = 'active' \
    AND parent IS NOT NULL AND EXISTS (SELECT 1 FROM app_grant g WHERE g.session = session.parent AND g.number = session.parent_number \
    AND g.state = 'ended')";
/// Below an app's grant, without a cookie: a visit at a kiosk. No proofs are copied, because nothing else is made of it.
pub const INSERT_VISIT: &str = "INSERT INTO session (id, account, state, cookie, proofs, acr, amr, auth_time_ms, created_ms, used_ms, \
    device, ends_ms, version, parent, parent_number, clients) SELECT $1, account, 'active', $2, '[]', acr, amr, auth_time_ms, $3, $3, \
    $4, $5, 1, $6, $7, '[]' FROM session WHERE id = $6 AND state = 'active'";
/// What a person sees of the sessions that somebody can use, with the apps below each. A session is of use by a browser's cookie within
/// its limits ($2: used since, $3: now), or by an app's grant.
pub const OF_ACCOUNT: &str = "SELECT s.id, s.device, s.address, s.created_ms, s.used_ms, \
    (SELECT max(g.used_ms) FROM app_grant g WHERE g.session = s.id AND g.state = 'active') AS app_used_ms, \
    (SELECT string_agg(g.client, ' ') FROM app_grant g WHERE g.session = s.id AND g.state = 'active') AS clients \
    FROM session s JOIN account a ON a.id = s.account WHERE s.account = $1 AND s.state = 'active' AND s.created_ms >= a.sessions_from_ms \
    AND ((length(s.cookie) > 0 AND s.used_ms > $2 AND s.ends_ms > $3) \
    OR EXISTS (SELECT 1 FROM app_grant g WHERE g.session = s.id AND g.state = 'active' AND g.ends_ms > $3)) \
    ORDER BY s.used_ms DESC, s.id LIMIT 100";
pub const END_ONE: &str = "UPDATE session SET state = 'ended', ended_ms = $3 WHERE account = $1 AND (id = $2 OR parent = $2) \
    AND state = 'active'";
/// Of a person, but the session $3, and what began after the instant $4.
pub const END_OF_ACCOUNT: &str = "UPDATE session SET state = 'ended', ended_ms = $2 WHERE account = $1 AND id <> $3 AND created_ms <= $4 \
    AND state = 'active'";
/// A session that somebody's browser or proofs go on with. `$2`: no bytes.
pub const IS_IN_USE: &str = "SELECT id FROM session WHERE id = $1 AND state = 'active' AND (cookie <> $2 OR proofs <> '[]')";
/// The session keeps its grants and loses what it was proved by: the next sign-in asks for everything.
pub const DROP_PROOFS: &str =
    "UPDATE session SET proofs = '[]', acr = '', amr = '', version = version + 1 WHERE id = $1 AND state = 'active'";
/// Ended sessions, oldest end first. `ended_ms > 0` lets the engines use the partial index.
pub const ENDED_SINCE: &str = "SELECT ended_ms, id FROM session WHERE ended_ms > 0 AND ended_ms >= $1 ORDER BY ended_ms LIMIT $2";

pub const ACTIVE: &str = "SELECT id FROM session WHERE account = $1 AND state = 'active'";
pub const COUNT_ACTIVE: &str = "SELECT COUNT(*) AS count FROM session WHERE account = $1 AND state = 'active'";
/// What an operator sees of them.
pub const SHOW: &str = "SELECT id, created_ms, used_ms, acr, amr FROM session WHERE account = $1 AND state = 'active' \
    ORDER BY id LIMIT $2";
/// Everybody's.
pub const ALL_ACTIVE: &str = "SELECT id FROM session WHERE state = 'active' AND id > $1 ORDER BY id LIMIT 1000";

/// What deletes the rows of a table that hang on a grant or a session which has ended, of those that a condition finds.
macro_rules! forget_ended {
    ($table:literal, $found:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE ",
            $found,
            " AND (EXISTS (SELECT 1 FROM app_grant g WHERE g.session = ",
            $table,
            ".session AND g.number = ",
            $table,
            ".number AND g.state = 'ended') OR EXISTS (SELECT 1 FROM session s WHERE s.id = ",
            $table,
            ".session AND s.state = 'ended'))"
        )
    };
}
pub(crate) use forget_ended;
