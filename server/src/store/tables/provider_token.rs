//! `provider_token`: what providers gave for people, sealed.

/// A sign-in that brings no refresh token takes none away (S-24).
pub const KEEP: &str = "INSERT INTO provider_token (identity, account, provider, sealed, generation, updated_ms, renewable) \
    VALUES ($1, $2, $3, $4, 1, $5, $6) ON CONFLICT (identity, provider) DO UPDATE SET account = excluded.account, \
    sealed = excluded.sealed, generation = provider_token.generation + 1, updated_ms = excluded.updated_ms, leased_until_ms = 0, \
    renewable = excluded.renewable WHERE excluded.renewable = 1 OR provider_token.renewable = 0 \
    OR provider_token.account <> excluded.account";
pub const OF_IDENTITY: &str = "SELECT sealed, generation FROM provider_token WHERE identity = $1 AND provider = $2 AND account = $3";
/// Only while the identity leads to the account. Of several identities at the provider, the one that the session rests on goes first.
pub const READ: &str = "SELECT t.identity, t.sealed, t.generation FROM provider_token t \
    JOIN outside_identity o ON o.name = t.identity AND o.account = t.account WHERE t.account = $1 AND t.provider = $2 \
    ORDER BY CASE WHEN EXISTS (SELECT 1 FROM provider_session p WHERE p.session = $3 AND p.identity = t.identity) THEN 0 ELSE 1 END, \
    t.updated_ms DESC LIMIT 1";
/// Is there something that can be revoked at the provider?
pub const RENEWABLE: &str = "SELECT 1 FROM provider_token WHERE identity = $1 AND provider = $2 AND account = $3 AND renewable = 1";
/// Before the provider is asked: one asks at a time. Conflicts where somebody else asks now, or has asked meanwhile.
pub const LEASE: &str = "UPDATE provider_token SET leased_until_ms = $4 \
    WHERE identity = $1 AND provider = $2 AND generation = $3 AND leased_until_ms <= $5";
pub const LET_GO: &str = "UPDATE provider_token SET leased_until_ms = 0 \
    WHERE identity = $1 AND provider = $2 AND generation = $3 AND leased_until_ms = $4";
/// Conflicts where another sign-in was quicker.
pub const RENEW: &str = "UPDATE provider_token SET sealed = $4, generation = generation + 1, updated_ms = $5, leased_until_ms = 0 \
    WHERE identity = $1 AND provider = $2 AND generation = $3";
pub const DROP: &str = "DELETE FROM provider_token WHERE identity = $1 AND provider = $2 AND generation = $3";
/// All of an identity.
pub const DROP_ALL: &str = "DELETE FROM provider_token WHERE identity = $1 AND account = $2";
/// The identity leads to the account no more.
pub const UNLINK: &str = "DELETE FROM provider_token WHERE identity = $1 AND account = $2 AND NOT EXISTS \
    (SELECT 1 FROM outside_identity WHERE account = $2 AND name = $1)";
pub const FORGET: &str = "DELETE FROM provider_token WHERE account = $1";
pub const OLD: &str = "SELECT identity, sealed FROM provider_token WHERE sealed < $1 OR sealed >= $2 LIMIT 100";
pub const SEAL_ANEW: &str = "UPDATE provider_token SET sealed = $2 WHERE identity = $1 AND sealed = $3";
