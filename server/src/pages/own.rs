//! The operator's own files, which replace ours or are added to them.

use crate::error::Fault;
use std::path::Path;

/// The operator's file of that name, if there is one.
pub fn own_file(own: Option<&Path>, name: &str) -> Result<Option<String>, Fault> {
    match own.map(|directory| directory.join(name)) {
        Some(path) if path.exists() => {
            std::fs::read_to_string(&path).map(Some).map_err(|error| Fault::new(format!("{}: {error}", path.display())))
        }
        _ => Ok(None),
    }
}
