//! `provider_session` and `provider_logout`: which sessions rest on a sign-in at a provider, and when the provider said that one is over.

/// The guard: nothing that the provider named since the person left for it. A session that is raised has its row already.
pub const NOTE: &str = "INSERT INTO provider_session (session, identity, sid, account, left_ms, provider) SELECT $1, $2, $3, $4, $5, $6 \
    WHERE NOT EXISTS (SELECT 1 FROM provider_logout WHERE name IN ($2, $3) AND at_ms >= $5) \
    ON CONFLICT (session, identity, provider) DO UPDATE SET sid = excluded.sid, left_ms = excluded.left_ms";
/// A session that comes of another one rests on the same sign-ins.
pub const INHERIT: &str = "INSERT INTO provider_session (session, identity, sid, account, left_ms, provider) \
    SELECT $1, identity, sid, account, left_ms, provider FROM provider_session WHERE session = $2";
pub const CUT_OFF: &str = "INSERT INTO provider_logout (name, at_ms, until_ms) VALUES ($1, $2, $3) \
    ON CONFLICT (name) DO UPDATE SET at_ms = excluded.at_ms, until_ms = excluded.until_ms \
    WHERE excluded.at_ms >= provider_logout.at_ms";
pub const AT: &str = "SELECT at_ms FROM provider_logout WHERE name = $1";
/// Living sessions of an identity.
pub const OF_IDENTITY: &str = "SELECT DISTINCT p.session AS session, p.account AS account FROM provider_session p JOIN session s ON s.id = p.session \
    WHERE p.identity = $1 AND p.left_ms <= $2 AND s.state = 'active' ORDER BY p.session LIMIT 500";
/// Living sessions of a session there.
pub const OF_SID: &str = "SELECT DISTINCT p.session AS session, p.account AS account FROM provider_session p JOIN session s ON s.id = p.session \
    WHERE p.sid = $1 AND p.left_ms <= $2 AND s.state = 'active' ORDER BY p.session LIMIT 500";
/// What a provider named ($3: an identity or a session there) was acted on, where that entry ($4) asks its provider again. What apps got goes
/// on, and rests on it still.
pub const HELD: &str = "UPDATE provider_session SET left_ms = $2 + 1 WHERE session = $1 AND left_ms <= $2 \
    AND (identity = $3 OR sid = $3) AND provider = $4";
/// The same for all other entries: the session may go on without what was proved there.
pub const DONE: &str = "DELETE FROM provider_session WHERE session = $1 AND left_ms <= $2 AND (identity = $3 OR sid = $3)";
/// Living sessions of an identity that came by one entry of the configuration.
pub const BY_ENTRY: &str = "SELECT DISTINCT p.session AS session, p.account AS account FROM provider_session p JOIN session s \
    ON s.id = p.session WHERE p.identity = $1 AND p.provider = $2 AND s.state = 'active' ORDER BY p.session LIMIT 500";
/// What a session rests on: the entries of the configuration by which its person came.
pub const OF_SESSION: &str = "SELECT p.provider AS provider, p.identity AS identity, p.sid AS sid, p.account AS account \
    FROM provider_session p JOIN outside_identity o ON o.account = p.account AND o.name = p.identity WHERE p.session = $1 \
    ORDER BY p.provider, p.identity";
pub const UNLINK: &str = "DELETE FROM provider_session WHERE identity = $1 AND account = $2";
pub const FORGET: &str = "DELETE FROM provider_session WHERE account = $1";
/// Of sessions that have ended.
pub const FORGET_ENDED: &str = "DELETE FROM provider_session WHERE account = $1 AND EXISTS (SELECT 1 FROM session s \
    WHERE s.id = provider_session.session AND s.state = 'ended')";
/// Of a session that has ended, and of those that came from it.
pub const FORGET_ENDED_BELOW: &str =
    "DELETE FROM provider_session WHERE session IN (SELECT id FROM session WHERE (id = $1 OR parent = $1) AND state = 'ended')";
