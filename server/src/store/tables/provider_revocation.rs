//! `provider_revocation`: what providers gave for links that are gone, until it is revoked there.

/// Before the tokens of an identity are deleted, where it leads to the account no more. Those without a refresh token end by themselves.
pub const OF_UNLINKED: &str = "INSERT INTO provider_revocation (identity, provider, account, sealed, since_ms, attempts, next_ms) \
    SELECT identity, provider, account, sealed, $3, 0, $3 FROM provider_token t WHERE identity = $1 AND account = $2 AND renewable = 1 \
    AND NOT EXISTS (SELECT 1 FROM outside_identity o WHERE o.account = $2 AND o.name = $1) ON CONFLICT (identity, provider, since_ms) DO NOTHING";
/// What came when the link was gone already.
pub const ADD: &str = "INSERT INTO provider_revocation (identity, provider, account, sealed, since_ms, attempts, next_ms) \
    VALUES ($1, $2, $3, $4, $5, 0, $5) ON CONFLICT (identity, provider, since_ms) DO UPDATE SET sealed = excluded.sealed";
/// Those of a whole account.
pub const OF_ACCOUNT: &str = "INSERT INTO provider_revocation (identity, provider, account, sealed, since_ms, attempts, next_ms) \
    SELECT identity, provider, account, sealed, $2, 0, $2 FROM provider_token WHERE account = $1 AND renewable = 1 \
    ON CONFLICT (identity, provider, since_ms) DO NOTHING";
pub const DUE: &str = "SELECT r.identity AS identity, r.provider AS provider, r.account AS account, r.sealed AS sealed, \
    r.since_ms AS since_ms, r.attempts AS attempts, r.next_ms AS next_ms, \
    (SELECT count(*) FROM outside_identity o WHERE o.name = r.identity) AS linked \
    FROM provider_revocation r WHERE r.next_ms <= $1 ORDER BY r.next_ms LIMIT 50";
/// Of several nodes one revokes.
pub const CLAIM: &str = "UPDATE provider_revocation SET attempts = attempts + 1, next_ms = $4 \
    WHERE identity = $1 AND provider = $2 AND since_ms = $3 AND next_ms = $5";
pub const DONE: &str = "DELETE FROM provider_revocation WHERE identity = $1 AND provider = $2 AND since_ms = $3";
