//! The place of an installation in lists.

use super::problem::{Problem, Result};

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
