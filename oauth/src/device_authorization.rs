//! The device authorization grant: names of the protocol, and the code that a person reads on one screen and types on another.
//! RFC 8628. The codes and their limits in time are the server's (`symbolon`).

use std::fmt;

/// RFC 8628 3.4.
pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Seconds between two polls if the server says nothing else (RFC 8628 3.2).
pub const INTERVAL_S: i64 = 5;
/// By so many seconds `slow_down` lengthens the interval, for this poll and all later ones (RFC 8628 3.5).
pub const SLOW_DOWN_S: i64 = 5;

/// RFC 8628 6.1: no vowels, so that no word comes out, and no letter or digit that is read as another.
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const LETTERS: usize = 8;
/// People read and type it in two groups.
const GROUP: usize = LETTERS / 2;
/// Longer input is no code, whatever is in it.
const MAX_INPUT_BYTES: usize = 64;

/// A user code: 8 letters of 20, which is 34.5 bits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserCode(String);

impl UserCode {
    /// A code from random bytes. `None`: too many of them were outside the range that makes every letter equally likely.
    pub fn from_random(bytes: &[u8]) -> Option<Self> {
        let range = 256 - 256 % ALPHABET.len();
        let fair = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < range);
        let letters: String = fair.take(LETTERS).map(|byte| char::from(ALPHABET[byte % ALPHABET.len()])).collect();
        (letters.len() == LETTERS).then_some(Self(letters))
    }

    /// What a person typed: in any case, with any spaces and punctuation (RFC 8628 6.1). `None`: it is no code.
    pub fn parse(text: &str) -> Option<Self> {
        let letters = letters(text)?;
        (letters.len() == LETTERS).then_some(Self(letters))
    }

    /// The letters without punctuation, for keys.
    pub fn letters(&self) -> &str {
        &self.0
    }

    /// The last group, which a person types who came by `verification_uri_complete`.
    pub fn last_group(&self) -> &str {
        &self.0[GROUP..]
    }
}

/// A last group as a person typed it. Who types the whole code has typed it too.
pub fn parse_last_group(text: &str) -> Option<String> {
    let letters = letters(text)?;
    match letters.len() {
        GROUP => Some(letters),
        LETTERS => Some(letters[GROUP..].to_owned()),
        _ => None,
    }
}

fn letters(text: &str) -> Option<String> {
    if text.len() > MAX_INPUT_BYTES {
        return None;
    }
    let letters: String = text.chars().filter(|letter| letter.is_alphanumeric()).map(|letter| letter.to_ascii_uppercase()).collect();
    letters.bytes().all(|letter| ALPHABET.contains(&letter)).then_some(letters)
}

/// As screens show it: `WDJB-MJHT`.
impl fmt::Display for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", &self.0[..GROUP], &self.0[GROUP..])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = UserCode::from_random(&[0, 1, 2, 3, 20, 39, 255, 239, 9, 240]).unwrap();
        assert_eq!(code.to_string(), "BCDF-BZZM");
        assert_eq!((code.letters(), code.last_group()), ("BCDFBZZM", "BZZM"));
        for typed in ["BCDF-BZZM", "bcdfbzzm", " bc df.BZ/zm ", "BCDF\u{2013}BZZM", "b-c-d-f-b-z-z-m"] {
            assert_eq!(UserCode::parse(typed), Some(code.clone()), "{typed}");
        }
        for wrong in ["", "BCDF", "BCDF-BZZMB", "ACDF-BZZM", "BCDF-BZZ1", "BCDF-BZZ\u{412}", &"-".repeat(65)] {
            assert_eq!(UserCode::parse(wrong), None, "{wrong}");
        }
        for typed in ["BZZM", "bz-zm", "BCDF-BZZM"] {
            assert_eq!(parse_last_group(typed).as_deref(), Some("BZZM"), "{typed}");
        }
        for wrong in ["", "BZZ", "BZZMB", "BZZA"] {
            assert_eq!(parse_last_group(wrong), None, "{wrong}");
        }
    }

    /// 306-X: every letter is equally likely, and bytes that would favour some of them are left out.
    #[test]
    fn every_letter_is_equally_likely() {
        let mut counts = [0; 20];
        for byte in 0..=255_u8 {
            if let Some(code) = UserCode::from_random(&[byte; LETTERS]) {
                counts[ALPHABET.iter().position(|letter| *letter == code.letters().as_bytes()[0]).unwrap()] += 1;
            }
        }
        assert_eq!(counts, [12; 20]);
        assert_eq!(UserCode::from_random(&[255; 64]), None);
    }
}
