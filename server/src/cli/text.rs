//! Files that commands read, and values as people read them.

use crate::operations::Problem;
use std::path::Path;

/// A file that a command names.
pub fn read_file(path: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(path).map_err(|it| Problem::invalid(format!("{}: {it}", path.display())))
}

/// An instant for people.
pub fn shown(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map(|it| it.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default()
}

/// "1 grant", "2 grants".
pub fn counted(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}
