//! `device_secret`: sign-ins that an app shares with other apps of its organisation (Native SSO).

use super::session::forget_ended;

pub const INSERT: &str =
    "INSERT INTO device_secret (session, number, account, client, instance, sso_jkt, written_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)";
pub const READ: &str = "SELECT instance, sso_jkt FROM device_secret WHERE session = $1 AND number = $2";
/// A join is only good while the secret is there: whoever signs out in any app of the session takes it away.
pub const HOLD: &str = "SELECT 1 AS one FROM device_secret WHERE session = $1 AND number = $2 FOR NO KEY UPDATE";
/// Sign-out in any app of the session ends the secrets of all. Of sessions that came from it, the secrets of those that have ended go.
pub const FORGET_SIGNED_OUT: &str =
    "DELETE FROM device_secret WHERE session IN (SELECT id FROM session WHERE id = $1 OR (parent = $1 AND state = 'ended'))";
pub const FORGET_ENDED: &str = forget_ended!("device_secret", "account = $1");
/// Of a session, and of those that came from it.
pub const FORGET_ENDED_BELOW: &str = forget_ended!("device_secret", "session IN (SELECT id FROM session WHERE id = $1 OR parent = $1)");
/// Another person signs in in the same installation.
pub const FORGET_OTHERS: &str = "DELETE FROM device_secret WHERE client = $1 AND instance = $2 AND account <> $3";
pub const FORGET: &str = "DELETE FROM device_secret WHERE account = $1";
