//! What a person types from another screen before they agree. It shows that the screen is in front of them. A photograph or a link would
//! not (RFC 8628 5.4, 6.1). The expected text is kept as a MAC.

use crate::error::Fault;
use crate::seal::KeyRing;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use symbolon_oauth::device_authorization::parse_last_group;
use symbolon_oauth::{base64url, digest};

/// The field's name.
pub const FIELD: &str = "last_group";
/// The same for a number of two digits.
pub const NUMBER_FIELD: &str = "matching_number";

/// What has to be typed before a person can agree.
pub enum Expected {
    LastGroup(LastGroup),
    /// One wrong number ends the request.
    Number(String),
}

impl Expected {
    /// `None`: nothing.
    pub fn of_secret(secret: &Json) -> Result<Option<Self>, Fault> {
        if let Some(number) = secret.get("number").and_then(Json::as_str) {
            return Ok(Some(Self::Number(number.to_owned())));
        }
        Ok(LastGroup::of_secret(secret)?.map(Self::LastGroup))
    }
}

/// A number as the secret of a question.
pub fn number_as_secret(number: Option<&str>) -> Json {
    number.map_or(Json::Null, |number| json!({ "number": number }))
}

/// Whether that is the number, however its two digits are written. `None`: nobody typed two digits, which is no guess and ends nothing.
pub fn is_number(expected: &str, typed: &str) -> Option<bool> {
    let typed = digits(typed);
    (typed.len() == 2).then(|| digest::equal(expected.as_bytes(), typed.as_bytes()))
}

/// The digits of a code as people type or paste it, in ASCII: whatever stands between them does not count, and a digit of another script
/// is its value.
pub fn digits(text: &str) -> String {
    text.chars().filter_map(decimal).filter_map(|value| char::from_digit(value, 10)).collect()
}

/// The zero of each script's ten digits (Unicode, general category Nd), for those that keyboards of today have.
const ZEROS: [char; 17] = [
    '0', '\u{660}', '\u{6f0}', '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}', '\u{b66}', '\u{be6}', '\u{c66}', '\u{ce6}', '\u{d66}',
    '\u{e50}', '\u{ed0}', '\u{1040}', '\u{17e0}', '\u{ff10}',
];

fn decimal(letter: char) -> Option<u32> {
    ZEROS.iter().find_map(|zero| u32::from(letter).checked_sub(u32::from(*zero)).filter(|value| *value < 10))
}

/// The last group of a user code, which the page asks for.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct LastGroup {
    /// Base64url of a MAC, behind the version of its key.
    mac: String,
}

impl LastGroup {
    /// `request` names what is agreed to, so that a MAC fits nothing else.
    pub fn new(keyring: &KeyRing, request: &[u8; 16], letters: &str) -> Self {
        let (version, tag) = keyring.mac("last group of a user code", &[request, letters.as_bytes()]);
        Self { mac: base64url::encode(&[&[version], &tag[..]].concat()) }
    }

    /// Is that what the person typed?
    pub fn is(&self, keyring: &KeyRing, request: &[u8; 16], typed: &str) -> bool {
        let made = || {
            let (version, tag) = base64url::decode(&self.mac)?.split_first().map(|(version, tag)| (*version, tag.to_vec()))?;
            let letters = parse_last_group(typed)?;
            Some((keyring.mac_with(version, "last group of a user code", &[request, letters.as_bytes()])?, tag))
        };
        made().is_some_and(|(made, tag)| digest::equal(&made, &tag))
    }

    /// As the secret of a question. `Json::Null` there: nothing has to be typed.
    pub fn as_secret(&self) -> Result<Json, Fault> {
        serde_json::to_value(self).map_err(|error| Fault::new(error.to_string()))
    }

    pub fn of_secret(secret: &Json) -> Result<Option<Self>, Fault> {
        if secret.is_null() {
            return Ok(None);
        }
        let read = serde_json::from_value(secret.clone());
        read.map(Some).map_err(|error| Fault::new(format!("what has to be typed: {error}")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn only_the_group_of_this_request_fits() {
        let keyring = KeyRing::new(vec![(1, [7; 32])]).unwrap();
        let expected = LastGroup::new(&keyring, &[1; 16], "MJHT");
        let read = LastGroup::of_secret(&expected.as_secret().unwrap()).unwrap().unwrap();
        for typed in ["MJHT", "mj-ht", " WDJB-MJHT "] {
            assert!(read.is(&keyring, &[1; 16], typed), "{typed}");
        }
        for typed in ["", "MJHX", "MJH", "WDJB"] {
            assert!(!read.is(&keyring, &[1; 16], typed), "{typed}");
        }
        assert!(!read.is(&keyring, &[2; 16], "MJHT"), "another request");
        assert_eq!(LastGroup::of_secret(&Json::Null).unwrap(), None);
        assert!(matches!(Expected::of_secret(&number_as_secret(Some("07"))), Ok(Some(Expected::Number(number))) if number == "07"));
        assert!(matches!(Expected::of_secret(&number_as_secret(None)), Ok(None)));
        for typed in ["07", " 07 ", "0 7", "0-7", "0\t7", "\u{ff10}\u{ff17}", "\u{660}\u{667}"] {
            assert_eq!(is_number("07", typed), Some(true), "{typed:?}");
        }
        // Odia, Kannada, Malayalam, Lao and Khmer.
        for zero in ['\u{b66}', '\u{ce6}', '\u{d66}', '\u{ed0}', '\u{17e0}'] {
            let all: String = (0..10).filter_map(|value| char::from_u32(u32::from(zero) + value)).collect();
            assert_eq!(digits(&all), "0123456789", "{all}");
        }
        assert_eq!(digits("\u{b65}\u{b70}\u{ce5}\u{cf0}\u{17ea}"), "", "beside them");
        assert_eq!((is_number("07", "70"), is_number("07", "7 0")), (Some(false), Some(false)));
        for none in ["", " ", "7", "070", "seven"] {
            assert_eq!(is_number("07", none), None, "{none:?}");
        }
        for broken in [Json::from(true), Json::from(""), serde_json::json!({}), serde_json::json!({ "mac": null })] {
            assert!(LastGroup::of_secret(&broken).is_err(), "{broken}");
        }
    }
}
