//! `signing_key`: the keys that sign tokens. The private part is sealed.

pub const ALL: &str = "SELECT kid, alg, private, signs_from_ms, signs_until_ms, published_until_ms FROM signing_key";
pub const INSERT: &str = "INSERT INTO signing_key (kid, alg, private, public, created_ms, signs_from_ms, signs_until_ms, \
    published_until_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
/// Only keys that would sign for longer: a rotation never gives a key more time.
pub const SHORTEN: &str = "UPDATE signing_key SET signs_until_ms = $2, published_until_ms = $3 WHERE alg = $1 AND signs_until_ms > $2";
/// Every other key, also those that have stopped signing: a thief signs with whatever is still published.
pub const WITHDRAW: &str = "UPDATE signing_key SET published_until_ms = $2, \
    signs_until_ms = CASE WHEN signs_until_ms > $2 THEN $2 ELSE signs_until_ms END WHERE alg = $1 AND published_until_ms > $2";
pub const DELETE_PAST: &str = "DELETE FROM signing_key WHERE published_until_ms < $1";
pub const LIST: &str = "SELECT kid, alg, signs_from_ms, signs_until_ms, published_until_ms FROM signing_key WHERE kid > $1 \
    ORDER BY kid LIMIT $2";
pub const SIGNING: &str = "SELECT kid, alg, signs_from_ms FROM signing_key WHERE signs_from_ms <= $1 AND signs_until_ms > $1";
pub const IS_THERE: &str = "SELECT kid FROM signing_key WHERE kid = $1";
/// A sealed value begins with the version of its master key: these are all that are not between $1 and $2.
pub const OLD: &str = "SELECT kid, private FROM signing_key WHERE private < $1 OR private >= $2 LIMIT 100";
pub const SEAL_ANEW: &str = "UPDATE signing_key SET private = $2 WHERE kid = $1 AND private = $3";
