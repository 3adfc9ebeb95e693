//! `outside_identity`: which identity at a provider leads to which account.

pub const FIND: &str = "SELECT account FROM outside_identity WHERE issuer = $1 AND subject = $2";
pub const OF_ACCOUNT: &str = "SELECT issuer, subject, method, said, created_ms, used_ms, email_off_ms, claims \
    FROM outside_identity WHERE account = $1 \
    ORDER BY created_ms, issuer, subject";
pub const IS_LINKED: &str = "SELECT name FROM outside_identity WHERE account = $1 AND name = $2";
/// The primary key is the guard: an identity leads to one account, and nobody takes it over.
pub const LINK: &str = "INSERT INTO outside_identity (issuer, subject, account, method, said, created_ms, used_ms, claims_ms, name, claims) \
    VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9)";
/// It leads to the account still. `$7`: when it named claims that it leads, or 0.
pub const SEE: &str = "UPDATE outside_identity SET method = $4, said = $5, used_ms = $6, \
    claims_ms = CASE WHEN $7 > claims_ms THEN $7 ELSE claims_ms END WHERE issuer = $1 AND subject = $2 AND account = $3";
/// What the identities of an account show.
pub const SHOWN: &str = "SELECT name, claims FROM outside_identity WHERE account = $1 AND claims <> '' ORDER BY name";
/// Only what was read is replaced: of two sign-ins at once the second one looks again.
pub const SET_SHOWN: &str = "UPDATE outside_identity SET claims = $3 WHERE account = $1 AND name = $2 AND claims = $4";
/// What the identities of an account `a` show of the person, each with its moment and name: [`crate::profile::claims`] reads and sorts it.
/// A database that sorts here pays for it at every read of a grant, and most accounts have nothing to sort.
macro_rules! shown {
    () => {
        "(SELECT string_agg('[' || o.claims_ms || ',\"' || o.name || '\",' || o.claims || ']', ',') FROM outside_identity o \
            WHERE o.account = a.id AND o.claims <> '') AS shown"
    };
}
pub(crate) use shown;
/// When the provider said that the address there takes no mail; 0: it does.
pub const MARK_EMAIL: &str = "UPDATE outside_identity SET email_off_ms = $3 WHERE issuer = $1 AND subject = $2";
pub const UNLINK: &str = "DELETE FROM outside_identity WHERE account = $1 AND name = $2";
/// After a restore: what was unlinked later than the copy was made.
pub const UNLINK_AGAIN: &str = "DELETE FROM outside_identity WHERE account = $1 AND name = $2 AND created_ms <= $3";
/// Any of a login method's.
pub const OF_METHOD: &str = "SELECT issuer, name, account FROM outside_identity WHERE method = $1 LIMIT $2";
/// By whose issuers they are keyed.
pub const ISSUERS_OF: &str = "SELECT DISTINCT issuer FROM outside_identity WHERE method = $1 LIMIT 1000";
pub const FORGET: &str = "DELETE FROM outside_identity WHERE account = $1";
