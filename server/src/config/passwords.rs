//! `[passwords]`: what a password that somebody chooses must not be.

use super::docs::{Kind, Presence, Section, optional};
use crate::login::breached::Breached;
use serde::Deserialize;
use std::path::{Path, PathBuf};

pub(super) const SECTION: Section = Section {
    path: "passwords",
    title: "Passwords that people choose",
    text: "A password has at least 8 characters and at most 256 bytes in UTF-8, and no rule says which. A character of ASCII is one byte, \
           any other two to four. A password may also be compared with a list of those that were found in breaches. The list is a file on \
           this machine, and nothing is sent anywhere. [signing-in.md](signing-in.md#passwords-that-others-know) says how to get one.",
    presence: Presence::Defaults,
    keys: &[optional(
        "breached",
        Kind::Path,
        "no list: every password of that length is taken",
        r#""pwned.txt""#,
        "A text file of SHA-1 digests in ascending order, one in hex on each line, with anything behind a colon. Whoever chooses a password that is in it is \
         asked for another one: on the pages, in apps and with `user add` and `user password`. People who are imported keep theirs.",
    )],
    example: r#"
[passwords]
breached = "pwned.txt"
"#,
};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Passwords {
    pub breached: Option<PathBuf>,
}

impl Passwords {
    pub(super) fn problems(&self) -> Vec<String> {
        let is_empty = self.breached.as_ref().is_some_and(|path| path.as_os_str().is_empty());
        is_empty.then(|| "[passwords]: breached names no file; leave it out for no list".to_owned()).into_iter().collect()
    }

    /// The list, open and looked through. A relative path begins at `base`. None: there is none.
    pub fn open_list(&self, base: &Path) -> Result<Option<Breached>, String> {
        let Some(path) = &self.breached else { return Ok(None) };
        let path = base.join(path);
        Breached::open(&path).map(Some).map_err(|why| format!("[passwords] breached: {}: {why}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_list_is_off_unless_a_file_is_named() {
        let read = |more: &str| Config::from_text(&format!("issuer = \"https://a.example\"\n{more}"), "x", &|_| None);
        for none in ["", "[passwords]\n"] {
            assert_eq!(read(none).unwrap().passwords.breached, None);
            assert!(read(none).unwrap().passwords.open_list(Path::new(".")).unwrap().is_none());
        }
        assert_eq!(read("[passwords]\nbreached = \"a.txt\"\n").unwrap().passwords.breached, Some(PathBuf::from("a.txt")));
        for wrong in ["breached = \"\"", "breached = false", "breached = []", "breach = \"a.txt\""] {
            assert!(read(&format!("[passwords]\n{wrong}\n")).is_err(), "{wrong}");
        }
        let missing = read("[passwords]\nbreached = \"there-is-none.txt\"\n").unwrap();
        assert!(missing.passwords.open_list(Path::new(".")).is_err_and(|why| why.contains("there-is-none.txt")), "the start is refused");
    }
}
