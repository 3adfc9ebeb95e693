//! Lists are read page by page, by key: no list reads a whole table into memory.

use super::problem::{Problem, Result};
use serde::{Deserialize, Serialize};

/// Which part of a list is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paging {
    /// The `next` of the page before. Absent: from the beginning.
    pub after: Option<String>,
    /// How many lines at most, 1 to 1000. Absent: 100.
    pub limit: Option<u32>,
}

const USUAL: u32 = 100;
pub const MOST: u32 = 1000;

impl Paging {
    /// How many rows a page has; the statement asks for one more, which tells whether there is a next page.
    pub(super) fn size(&self) -> Result<usize> {
        match self.limit.unwrap_or(USUAL) {
            limit @ 1..=MOST => Ok(limit as usize),
            _ => Err(Problem::invalid(format!("limit: 1 to {MOST}"))),
        }
    }

    /// The key after which the page begins. Every key of a table comes after the empty one.
    pub(super) fn after(&self) -> &str {
        self.after.as_deref().unwrap_or_default()
    }
}

/// Leaves `size` rows; answers the key of the last one if there were more.
pub(super) fn cut_page<T>(rows: &mut Vec<T>, size: usize, key: impl Fn(&T) -> String) -> Option<String> {
    let more = rows.len() > size;
    rows.truncate(size);
    rows.last().filter(|_| more).map(key)
}

/// One more than a page has, for a statement's LIMIT.
pub(super) fn rows_to_fetch(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::from(MOST)) + 1
}
