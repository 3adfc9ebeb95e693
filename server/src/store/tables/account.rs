//! `account`, `login_name` and `credential`: people, what they sign in with, and what proves them.

use super::outside_identity::shown;
use super::session::session_columns;

pub const INSERT: &str = "INSERT INTO account (id, state, email, email_verified, name, locale, claims, created_ms, updated_ms, \
    sessions_from_ms, version) VALUES ($1, 'active', $2, $3, $4, $5, $6, $7, $7, 0, 1)";
/// The primary key is the guard: a name is one person's.
pub const ADD_NAME: &str = "INSERT INTO login_name (name, account) VALUES ($1, $2)";
pub const ADD_PASSWORD: &str =
    "INSERT INTO credential (account, kind, id, secret, created_ms, used_ms) VALUES ($1, 'password', '', $2, $3, 0)";
pub const SET_PASSWORD: &str = "INSERT INTO credential (account, kind, id, secret, created_ms, used_ms) \
    VALUES ($1, 'password', '', $2, $3, 0) \
    ON CONFLICT (account, kind, id) DO UPDATE SET secret = excluded.secret, created_ms = excluded.created_ms";
/// Only the digest that was compared is replaced.
pub const REHASH: &str = "UPDATE credential SET secret = $3 WHERE account = $1 AND kind = 'password' AND id = '' AND secret = $2";
pub const RAISE: &str = "UPDATE account SET version = version + 1 WHERE id = $1";
/// Writes nothing new, but takes the row. A change that raises the version at the same time comes before or after, never between.
pub const HOLD: &str = "SELECT 1 AS one FROM account WHERE id = $1 AND version = $2 AND state = 'active' FOR NO KEY UPDATE";
/// A sign-in that began before and is written later is over, too.
pub const SESSIONS_FROM: &str = "UPDATE account SET sessions_from_ms = $2 WHERE id = $1";
/// Is the person still signed in wherever that was so at this time, unless they signed out there?
pub const STAYED: &str = "SELECT id FROM account WHERE id = $1 AND state = 'active' AND sessions_from_ms <= $2";
pub const STANDS: &str = "SELECT a.version, s.state AS session_state FROM account a \
    LEFT JOIN session s ON s.id = $2 AND s.account = a.id WHERE a.id = $1 AND a.state = 'active'";
/// One row, or one for each second factor and recovery code: one read has all that a sign-in needs. `$first`: columns before these.
macro_rules! whole_account {
    ($first:expr, $from:literal, $where:literal) => {
        concat!(
            "SELECT ",
            $first,
            ", a.id, a.state, a.version, a.email, a.email_verified, a.locale, c.secret, \
            (SELECT string_agg(l.name, ' ') FROM login_name l WHERE l.account = a.id) AS login_names, a.name, \
            u.handle AS passkey_handle, u.declined_ms AS passkey_declined_ms, \
            (SELECT string_agg(p.rp_id || ' ' || p.id || ' ' || p.discoverable || ' ' || p.transports, ',') FROM passkey p WHERE p.account = a.id) AS passkeys, \
            (SELECT string_agg(e.means || ' ' || e.enrolled_ms || ' ' || e.letters || ' ' || e.told_ms || ' ' || e.enrolled_with, ',') \
            FROM enrolment e WHERE e.account = a.id) AS waiting, \
            (SELECT e.former FROM enrolment e WHERE e.account = a.id AND e.means = 'email') AS former_email, \
            f.kind AS factor, f.id AS factor_id, f.created_ms AS factor_ms FROM ",
            $from,
            " LEFT JOIN passkey_user u ON u.account = a.id \
            LEFT JOIN credential c ON c.account = a.id AND c.kind = 'password' AND c.id = '' \
            LEFT JOIN credential f ON f.account = a.id AND f.kind IN ('totp', 'recovery') WHERE ",
            $where
        )
    };
}
pub const BY_ID: &str = whole_account!("a.id AS account", "account a", "a.id = $1");
pub const BY_NAME: &str = whole_account!("a.id AS account", "login_name n JOIN account a ON a.id = n.account", "n.name = $1");
/// With the session of a browser, in the columns of `session::READ`.
pub const BY_SESSION: &str = whole_account!(
    session_columns!(),
    "session s JOIN account a ON a.id = s.account",
    "s.id = $1 AND s.state = 'active' AND a.state = 'active'"
);
/// A person who was disabled meanwhile keeps the old address.
pub const SET_EMAIL: &str = "UPDATE account SET email = $2, email_verified = 1, updated_ms = $3 WHERE id = $1 AND state = 'active'";
/// With what one identity shows of it, by its name, and what the others do.
pub const PROFILE: &str = "SELECT a.name, a.locale, a.claims, o.claims AS shown, (SELECT string_agg('[' || e.claims_ms || ',\"' || e.name || '\",' || e.claims || ']', ',') \
    FROM outside_identity e WHERE e.account = a.id AND e.claims <> '' AND e.name <> $2) AS elsewhere FROM account a \
    LEFT JOIN outside_identity o ON o.account = a.id AND o.name = $2 WHERE a.id = $1";
/// Only what was read is replaced: of two sign-ins at once the second one looks again.
pub const SET_PROFILE: &str = "UPDATE account SET name = $2, locale = $3, claims = $4, updated_ms = $6 WHERE id = $1 AND claims = $5";
/// What tokens may say of a person.
pub const TOLD: &str =
    concat!("SELECT a.email, a.email_verified, a.name, a.locale, a.claims, a.updated_ms, ", shown!(), " FROM account a WHERE a.id = $1");
/// What a person is called, and reads in.
pub const SET_NAME: &str = "UPDATE account SET name = $2, updated_ms = $3 WHERE id = $1 AND state = 'active'";
pub const SET_LOCALE: &str = "UPDATE account SET locale = $2, updated_ms = $3 WHERE id = $1 AND state = 'active'";
/// All of it that may be shown to its own person.
pub const PERSON: &str = "SELECT name, email, email_verified, locale, claims, created_ms FROM account WHERE id = $1";
pub const NAMES: &str = "SELECT name FROM login_name WHERE account = $1 ORDER BY name";
pub const FACTORS: &str = "SELECT kind, created_ms FROM credential WHERE account = $1 ORDER BY kind, created_ms";
pub const DROP_NAME: &str = "DELETE FROM login_name WHERE name = $1 AND account = $2";

pub const READ_TOTP: &str = "SELECT secret, used_ms FROM credential WHERE account = $1 AND kind = 'totp' AND id = ''";
/// A step works once: of two answers with one code the second finds that `used_ms` is not below its step.
pub const SPEND_STEP: &str = "UPDATE credential SET used_ms = $2 WHERE account = $1 AND kind = 'totp' AND id = '' AND used_ms < $2";
/// A recovery code works once: its row is gone with the first use.
pub const SPEND_CODE: &str = "DELETE FROM credential WHERE account = $1 AND kind = 'recovery' AND id = $2";
/// The primary key is the guard: nobody replaces a credential that stands there.
pub const ENROL: &str = "INSERT INTO credential (account, kind, id, secret, created_ms, used_ms) VALUES ($1, $2, $3, $4, $5, $6)";
pub const REMOVE: &str = "DELETE FROM credential WHERE account = $1 AND kind = $2";
/// What a stopped change of address had replaced. Whether the account is disabled meanwhile decides nothing.
pub const RESTORE_EMAIL: &str = "UPDATE account SET email = $2, email_verified = 1, updated_ms = $3 WHERE id = $1";
pub const NO_EMAIL: &str = "UPDATE account SET email = NULL, email_verified = 0, updated_ms = $2 WHERE id = $1";

pub const IS_THERE: &str = "SELECT id FROM account WHERE id = $1";
pub const IS_NAME_TAKEN: &str = "SELECT account FROM login_name WHERE name = $1";
pub const COUNT: &str = "SELECT count(*) AS count FROM account";
/// One line for each name.
pub const LIST: &str = "SELECT n.name, a.id, a.state FROM login_name n JOIN account a ON a.id = n.account WHERE n.name > $1 \
    ORDER BY n.name LIMIT $2";
/// All of it that an operator sees.
pub const SHOW: &str =
    concat!("SELECT a.state, a.email, a.email_verified, a.name, a.created_ms, a.claims, ", shown!(), " FROM account a WHERE a.id = $1");
/// What an operator changes of it.
pub const NAME_AND_CLAIMS: &str = "SELECT name, claims, version FROM account WHERE id = $1";
/// Of two changes at once the second one finds another version.
pub const SET_NAME_AND_CLAIMS: &str =
    "UPDATE account SET name = $2, claims = $3, updated_ms = $5, version = version + 1 WHERE id = $1 AND version = $4";
pub const SET_STATE: &str = "UPDATE account SET state = $2 WHERE id = $1";
/// After a restore: with what [`RAISE`] does.
pub const SET_STATE_AGAIN: &str = "UPDATE account SET state = $2, version = version + 1 WHERE id = $1";
pub const DISABLE: &str = "UPDATE account SET state = 'disabled' WHERE id = $1";
pub const DELETE: &str = "DELETE FROM account WHERE id = $1";
pub const FORGET_NAMES: &str = "DELETE FROM login_name WHERE account = $1";

/// One row for each: a person has several recovery codes.
pub const MEANS: &str = "SELECT kind FROM credential WHERE account = $1 AND kind <> 'user_code'";
pub const COUNT_FACTORS: &str = "SELECT kind, COUNT(*) AS count FROM credential WHERE account = $1 GROUP BY kind";
pub const IS_ENROLLED_SINCE: &str = "SELECT id FROM credential WHERE account = $1 AND kind = $2 AND created_ms >= $3";
/// With the recovery codes.
pub const REMOVE_TOTP: &str = "DELETE FROM credential WHERE account = $1 AND kind IN ('totp', 'recovery')";
/// After a restore. A younger one stays.
pub const REMOVE_TOTP_AGAIN: &str = "DELETE FROM credential WHERE account = $1 AND kind IN ('totp', 'recovery') AND created_ms <= $2";
pub const FORGET_CREDENTIALS: &str = "DELETE FROM credential WHERE account = $1";
/// A sealed value begins with the version of its master key: these are all that are not between $1 and $2.
pub const OLD_TOTP: &str = "SELECT account, secret, id FROM credential WHERE kind = 'totp' AND (secret < $1 OR secret >= $2) LIMIT 100";
pub const SEAL_TOTP_ANEW: &str = "UPDATE credential SET secret = $2 WHERE account = $1 AND kind = 'totp' AND secret = $3";
pub const COUNT_RECOVERY: &str = "SELECT COUNT(*) AS count FROM credential WHERE kind = 'recovery'";
