//! `passkey_user` and `passkey`: people's passkeys, and what their authenticators know them by.

/// The first handle of an account stays: all its passkeys have one.
pub const KEEP_HANDLE: &str = "INSERT INTO passkey_user (account, handle, declined_ms) VALUES ($1, $2, 0) ON CONFLICT (account) DO NOTHING";
pub const DECLINE: &str = "INSERT INTO passkey_user (account, handle, declined_ms) VALUES ($1, $2, $3) \
    ON CONFLICT (account) DO UPDATE SET declined_ms = excluded.declined_ms";
/// The primary key is the guard: a credential is one person's (384-W). So is the handle, which another change may have given meanwhile.
pub const ADD: &str = "INSERT INTO passkey (rp_id, id, account, public_id, public_key, counter, transports, backup_eligible, backed_up, \
    user_verified, discoverable, aaguid, attested, name, created_ms, used_ms) \
    SELECT $1, $2, u.account, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 0 FROM passkey_user u \
    WHERE u.account = $3 AND u.handle = $16";
/// An account has so many at most.
pub const COUNT: &str = "SELECT count(*) AS count FROM passkey WHERE account = $1";
pub const READ: &str = "SELECT p.account, p.public_id, p.public_key, p.counter, p.backup_eligible, p.aaguid, p.attested, u.handle \
    FROM passkey p JOIN passkey_user u ON u.account = p.account WHERE p.rp_id = $1 AND p.id = $2";
pub const OWNER: &str = "SELECT account FROM passkey WHERE rp_id = $1 AND id = $2";
/// Of two answers by one authenticator that counts, the one with the lower counter is refused (383-W). A synced passkey does not count.
pub const USE: &str = "UPDATE passkey SET counter = CASE WHEN counter < $4 THEN $4 ELSE counter END, used_ms = $5, backed_up = $6, \
    backup_eligible = CASE WHEN CAST($7 AS BIGINT) = 1 THEN 1 ELSE backup_eligible END WHERE rp_id = $1 AND id = $2 AND account = $3 \
    AND (counter < $4 OR (counter = 0 AND $4 = 0) OR backup_eligible = 1 OR CAST($7 AS BIGINT) = 1)";
/// What each of them is.
pub const KINDS: &str = "SELECT public_id, aaguid, attested, backup_eligible FROM passkey WHERE account = $1";
pub const OF_ACCOUNT: &str = "SELECT rp_id, id, public_id, name, discoverable, created_ms, used_ms, aaguid, attested, backup_eligible \
    FROM passkey WHERE account = $1 ORDER BY created_ms, public_id";
pub const REMOVE: &str = "DELETE FROM passkey WHERE account = $1 AND public_id = $2";
/// Recovery codes, and their time of waiting, go with the last of what they came with.
pub const DROP_CODES: [&str; 2] = [
    "DELETE FROM credential WHERE account = $1 AND kind = 'recovery' AND NOT EXISTS (SELECT 1 FROM passkey p WHERE p.account = $1) \
     AND NOT EXISTS (SELECT 1 FROM credential c WHERE c.account = $1 AND c.kind = 'totp')",
    "DELETE FROM enrolment WHERE account = $1 AND means = 'recovery' AND NOT EXISTS \
     (SELECT 1 FROM credential c WHERE c.account = $1 AND c.kind = 'recovery')",
];
/// One that the restored store still has. A younger one stays.
pub const REMOVE_AGAIN: &str = "DELETE FROM passkey WHERE account = $1 AND public_id = $2 AND created_ms <= $3";
pub const RENAME: &str = "UPDATE passkey SET name = $3 WHERE account = $1 AND public_id = $2";
pub const HANDLE: &str = "SELECT handle FROM passkey_user WHERE account = $1";
pub const FORGET: [&str; 2] = ["DELETE FROM passkey_user WHERE account = $1", "DELETE FROM passkey WHERE account = $1"];
pub const IS_THERE: &str = "SELECT public_id FROM passkey WHERE account = $1 AND public_id = $2";
