//! `provider_transfer`: by what a provider names people while it moves them, and links that get another subject.

pub const NOTE: &str = "INSERT INTO provider_transfer (issuer, transfer_sub, subject) SELECT $1, $2, $3 \
    WHERE EXISTS (SELECT 1 FROM outside_identity WHERE issuer = $1 AND subject = $3) \
    ON CONFLICT (issuer, transfer_sub) DO UPDATE SET subject = excluded.subject";
pub const READ: &str = "SELECT subject FROM provider_transfer WHERE issuer = $1 AND transfer_sub = $2";
pub const DONE: &str = "DELETE FROM provider_transfer WHERE issuer = $1 AND subject = $2";
/// The guard: the link is there, it is this account's, and nobody has the new subject.
pub const MOVE: &str = "UPDATE outside_identity SET subject = $4, name = $5 WHERE issuer = $1 AND subject = $2 AND account = $3 \
    AND NOT EXISTS (SELECT 1 FROM outside_identity WHERE issuer = $1 AND subject = $4)";
/// What the provider gave to the app of before is of no use any more.
pub const FORGET: [&str; 3] = [
    "DELETE FROM provider_check WHERE identity = $1",
    "DELETE FROM provider_hint WHERE identity = $1",
    "DELETE FROM provider_token WHERE identity = $1",
];
pub const MOVE_SESSIONS: &str = "UPDATE provider_session SET identity = $2 WHERE identity = $1";
/// What waits to be confirmed waits on.
pub const MOVE_ENROLMENT: &str = "UPDATE enrolment SET means = $3 WHERE account = $1 AND means = $2";
/// Before the links of an account are deleted.
pub const FORGET_ACCOUNT: &str = "DELETE FROM provider_transfer WHERE EXISTS (SELECT 1 FROM outside_identity o \
    WHERE o.account = $1 AND o.issuer = provider_transfer.issuer AND o.subject = provider_transfer.subject)";
