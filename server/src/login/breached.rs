//! Passwords that were found in breaches: a sorted text file on this machine, searched by halves. It is the form in which Have I Been Pwned
//! hands them out: SHA-1 in hex, a colon, how often it was seen. The file is never in memory, and may have a billion lines.

use std::cmp::Ordering;
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::FileExt;
use std::path::Path;
use symbolon_oauth::digest;

/// No line is longer, in bytes.
const LINE_MOST: u64 = 100;
/// So many places are looked at when a file is opened.
const LOOKS: u64 = 64;

type Sha1 = [u8; 20];

/// Why a password cannot be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    Short,
    Long,
    /// It is in the list.
    Breached,
}

impl Unfit {
    /// The key of the problem that a form shows.
    pub fn problem(self) -> &'static str {
        match self {
            Self::Short => "weak_password",
            Self::Long => "long_password",
            Self::Breached => "breached_password",
        }
    }

    /// For operators.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Short => "A password has at least 8 characters.",
            Self::Long => "A password has at most 256 bytes.",
            Self::Breached => "This password is in the list of breached passwords. Choose another one.",
        }
    }
}

#[derive(Debug)]
pub struct Breached {
    file: File,
    bytes: u64,
}

impl Breached {
    /// Opens a list. An error says why it cannot be one: it is empty, another kind of file, or not sorted where it is looked at.
    pub fn open(path: &Path) -> std::result::Result<Self, String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        let about = file.metadata().map_err(|error| error.to_string())?;
        if !about.is_file() || about.len() == 0 {
            return Err("it is no file with a list in it".to_owned());
        }
        let list = Self { file, bytes: about.len() };
        let mut before = None;
        for look in 0..=LOOKS {
            let at = u64::try_from(u128::from(list.bytes - 1) * u128::from(look) / u128::from(LOOKS)).unwrap_or(0);
            let line = list.line_with(at).map_err(|error| error.to_string())?;
            if before.is_some_and(|before| before > line.digest) {
                return Err(format!("it is not sorted: the line at byte {} is less than one before it", line.start));
            }
            before = Some(line.digest);
        }
        Ok(list)
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        self.bytes
    }

    /// Is this password in the list? An error means that the file has changed or cannot be read: then nobody knows.
    pub fn has(&self, password: &str) -> Result<bool> {
        let wanted = digest::sha1(password.as_bytes());
        let (mut from, mut to) = (0, self.bytes);
        while from < to {
            let line = self.line_with(from + (to - from) / 2)?;
            match line.digest.cmp(&wanted) {
                Ordering::Equal => return Ok(true),
                Ordering::Less => from = line.next,
                Ordering::Greater => to = line.start,
            }
        }
        Ok(false)
    }

    /// The line that this byte belongs to. The end of a line belongs to it.
    fn line_with(&self, at: u64) -> Result<DigestLine> {
        let from = at.saturating_sub(LINE_MOST);
        let length = (at - from).saturating_add(LINE_MOST + 1).min(self.bytes - from);
        let mut window = vec![0; usize::try_from(length).unwrap_or(0)];
        self.file.read_exact_at(&mut window, from)?;
        let (before, behind) = window.split_at(usize::try_from(at - from).unwrap_or(0));
        let start = match before.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if from == 0 => 0,
            None => return Err(no_line(at)),
        };
        let end = match behind.iter().position(|byte| *byte == b'\n') {
            Some(end) => before.len() + end,
            None if from + length == self.bytes => window.len(),
            None => return Err(no_line(at)),
        };
        let position = |at: usize| from + u64::try_from(at).unwrap_or(0);
        let digest = window.get(start..end).and_then(read).ok_or_else(|| no_line(position(start)))?;
        Ok(DigestLine { start: position(start), next: (position(end) + 1).min(self.bytes), digest })
    }
}

struct DigestLine {
    /// Where it begins, and where the next one does.
    start: u64,
    next: u64,
    digest: Sha1,
}

fn no_line(at: u64) -> Error {
    Error::new(ErrorKind::InvalidData, format!("at byte {at} is no line with a SHA-1 digest in hex"))
}

fn read(line: &[u8]) -> Option<Sha1> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (hex, rest) = line.split_at_checked(40)?;
    if !rest.is_empty() && rest[0] != b':' {
        return None;
    }
    data_encoding::HEXLOWER_PERMISSIVE.decode(hex).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]
    use super::*;

    fn list(name: &str, text: &str) -> std::result::Result<Breached, String> {
        let path = std::env::temp_dir().join(format!("symbolon-breached-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let list = Breached::open(&path);
        std::fs::remove_file(&path).unwrap();
        list
    }

    fn line(password: &str, count: &str) -> String {
        format!("{}{count}", data_encoding::HEXUPPER.encode(&digest::sha1(password.as_bytes())))
    }

    fn sorted(count: usize, ends: &str, behind: &str) -> String {
        let mut lines: Vec<String> = (0..count).map(|number| line(&format!("password {number}"), &format!("{behind}{ends}"))).collect();
        lines.sort();
        lines.concat()
    }

    /// Lists of every length up to 40, and a longer one: each password that is in, and none that is not. The last line needs no end.
    #[test]
    fn what_is_in_the_list_is_found_and_nothing_else() {
        assert_eq!(line("password", ""), "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8", "the value of the public lists");
        for (name, ends, behind) in [("counts", "\n", ":3"), ("windows", "\r\n", ":12345678"), ("bare", "\n", "")] {
            for count in (1..40).chain([1000]) {
                let text = sorted(count, ends, behind);
                for text in [text.clone(), text.trim_end().to_owned(), text.to_lowercase()] {
                    let list = list(name, &text).unwrap();
                    for number in 0..count {
                        assert!(list.has(&format!("password {number}")).unwrap(), "{name} {count} {number}");
                    }
                    for other in ["", "password", "password 1 ", "Password 1", "password 1000"] {
                        assert!(!list.has(other).unwrap(), "{name} {count} {other}");
                    }
                }
            }
        }
    }

    /// A file that cannot be searched stops the start. One that changes later is an error, and never the answer "not in the list".
    #[test]
    fn what_is_no_list_is_refused() {
        let good = sorted(50, "\n", ":1");
        let reversed: String = good.lines().rev().map(|line| format!("{line}\n")).collect();
        for (name, text) in [
            ("empty", String::new()),
            ("words", "password\n12345678\n".to_owned()),
            ("reversed", reversed),
            ("md5", "5f4dcc3b5aa765d61d8327deb882cf99\n".to_owned()),
            ("sha256", "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8\n".to_owned()),
            ("blank", format!("\n{good}")),
            ("long", format!("{good}{}", "F".repeat(500))),
        ] {
            assert!(list(name, &text).is_err(), "{name}");
        }
        assert!(Breached::open(Path::new("/")).is_err());
        let path = std::env::temp_dir().join(format!("symbolon-breached-{}-cut", std::process::id()));
        std::fs::write(&path, &good).unwrap();
        let list = Breached::open(&path).unwrap();
        assert!(list.has("password 7").unwrap(), "the twin");
        std::fs::write(&path, "").unwrap();
        assert!(list.has("password 7").is_err() && list.has("another").is_err());
        std::fs::remove_file(&path).unwrap();
    }
}
