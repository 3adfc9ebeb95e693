//! `device_secret`: sign-ins that an app shares with other apps of its organisation (Native SSO).

pub const INSERT: &str =
    "INSERT INTO device_secret (session, number, account, client, instance, sso_jkt, written_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)";
pub const READ: &str = "SELECT instance, sso_jkt FROM device_secret WHERE session = $1 AND number = $2";
/// A join is only good while the secret is there: whoever signs out in any app of the session takes it away.
pub const HOLD: &str = "UPDATE device_secret SET written_ms = written_ms WHERE session = $1 AND number = $2";
/// Sign-out in any app of the session ends the secret.
pub const FORGET_SESSION: &str = "DELETE FROM device_secret WHERE session = $1";
pub const FORGET_ONE: &str = "DELETE FROM device_secret WHERE session = $1 AND number = $2";
pub const FORGET_ENDED: &str = "DELETE FROM device_secret WHERE account = $1 AND EXISTS (SELECT 1 FROM app_grant g \
    WHERE g.session = device_secret.session AND g.number = device_secret.number AND g.state = 'ended')";
/// Another person signs in in the same installation.
pub const FORGET_OTHERS: &str = "DELETE FROM device_secret WHERE client = $1 AND instance = $2 AND account <> $3";
pub const FORGET: &str = "DELETE FROM device_secret WHERE account = $1";
