//! The grants of an installation, and its place in lists.

use super::problem::{Problem, Result};

/// A statement about the grants of an installation ($1: client, $2: key). Its key may also hold grants from before it was attested. A
/// holder that was learned is written as the key and a generation.
macro_rules! of_installation {
    ($begins:literal, $ends:literal) => {
        concat!($begins, " WHERE client = $1 AND holder_kind IN ('instance', 'jkt', 'learned') AND substr(holder, 1, 43) = $2", $ends)
    };
}

/// Each use of a grant is written at the grant: that is the installation's last use, without another write.
pub const USED: &str = of_installation!("SELECT MAX(used_ms) FROM app_grant", "");

pub const GRANTS: &str = of_installation!("SELECT COUNT(*) FROM app_grant", " AND state <> 'ended'");

pub const END: &str = of_installation!("UPDATE app_grant SET state = 'ended', ended_ms = $3", " AND state <> 'ended'");

/// What browsers and kiosks got by way of them.
pub const END_CHILDREN: &str = of_installation!(
    "UPDATE session SET state = 'ended', ended_ms = $3 WHERE state = 'active' \
    AND (parent, parent_number) IN (SELECT session, number FROM app_grant",
    ")"
);

/// A place in the list: the client and the key, in the order of the table's primary key.
pub fn key_text(client_id: &str, jkt: &str) -> String {
    format!("{client_id}/{jkt}")
}

/// A key has no slash, so that the last one divides.
pub fn parse_key(after: Option<&str>) -> Result<(&str, &str)> {
    match after {
        None => Ok(("", "")),
        Some(text) => text.rsplit_once('/').ok_or_else(|| Problem::invalid("after: give the `next` of the page before")),
    }
}
