//! 32 bytes in base64url, or in hexadecimal as Android's tools print them: the SHA-256 digest of a certificate, or a verified boot key.

use data_encoding::HEXLOWER_PERMISSIVE;
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use symbolon_oauth::base64url;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Fingerprint(pub [u8; 32]);

impl TryFrom<String> for Fingerprint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bytes =
            base64url::decode(&text).filter(|it| it.len() == 32).or_else(|| from_hexadecimal(&text)).and_then(|it| it.try_into().ok());
        bytes.map(Self).ok_or_else(|| format!("{text:?} is not 32 bytes in base64url without padding, nor in hexadecimal"))
    }
}

/// Digits in either case, with a colon between any two bytes or with none at all.
fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let has_colons = text.contains(':');
    let pairs_are_whole = !has_colons || text.split(':').all(|it| it.len() == 2);
    let digits = text.replace(':', "");
    pairs_are_whole.then(|| HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()).flatten().filter(|it| it.len() == 32)
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::encode(&self.0))
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::Config;

    /// A rule that could not be read is an error of the file, and never a shorter list.
    #[test]
    fn a_fingerprint_is_whole() {
        let good = base64url::encode(&[0xfb; 32]);
        assert_eq!(Fingerprint::try_from(good.clone()).unwrap().to_string(), good);
        let hexadecimal = "FB:".repeat(32);
        let hexadecimal = hexadecimal.trim_end_matches(':');
        for same in [hexadecimal.to_owned(), hexadecimal.to_lowercase(), hexadecimal.replace(':', ""), "fB".repeat(32)] {
            assert_eq!(Fingerprint::try_from(same.clone()).unwrap().to_string(), good, "{same}");
        }
        for bad in [
            &hexadecimal[3..],
            &hexadecimal[1..],
            &format!("{hexadecimal}:"),
            &format!("{hexadecimal}:FB"),
            &hexadecimal.replace(':', "-"),
            &hexadecimal.replace(':', " "),
            &hexadecimal.replacen("B:F", "BF:", 1),
            &hexadecimal.replacen(':', "", 1),
            &hexadecimal.replace('B', "G"),
        ] {
            assert!(Fingerprint::try_from(bad.to_owned()).unwrap_err().contains("is not 32 bytes"), "{bad}");
        }
        let read = |more: &str| {
            let text = format!(
                "issuer = \"https://a.example\"\n[client.app]\nkind = \"native\"\nredirect_uris = [\"https://app.example.com/cb\"]\n\
                 [client.app.attestation.android]\npackages = [\"com.example.shop\"]\n{more}"
            );
            Config::from_text(&text, "x", &|_| None).map(|_| ()).map_err(|it| it.to_string())
        };
        assert_eq!(read(&format!("signing_digests = [\"{good}\"]\nown_boot_keys = [\"{good}\"]")), Ok(()));
        for bad in ["", "abc", &good[1..], &format!("{good}="), &format!("{good}A"), &good.replace('-', "+")] {
            let error = read(&format!("signing_digests = [\"{good}\", \"{bad}\"]")).unwrap_err();
            assert!(error.contains("line 7") && error.contains("is not 32 bytes"), "{bad}: {error}");
            let error = read(&format!("signing_digests = [\"{good}\"]\nown_boot_keys = [\"{bad}\"]")).unwrap_err();
            assert!(error.contains("line 8") && error.contains("is not 32 bytes"), "{bad}: {error}");
        }
        assert!(read("signing_digests = []").unwrap_err().contains("attestation.android needs"), "no digest is not every digest");
    }
}
