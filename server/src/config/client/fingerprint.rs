//! 32 bytes in any form that tools and consoles show. They are the SHA-256 digest of a certificate, or a verified boot key.

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use symbolon_oauth::base64url;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Fingerprint(pub [u8; 32]);

impl TryFrom<String> for Fingerprint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bare = bare(&text);
        let bytes = from_base64(bare).or_else(|| from_hexadecimal(bare));
        match bytes.map(|decoded| <[u8; 32]>::try_from(decoded).map_err(|it| it.len())) {
            Some(Ok(bytes)) => Ok(Self(bytes)),
            Some(Err(20)) => Err(format!("{text:?} has 20 bytes: that is the SHA-1 of a certificate. Take the SHA-256 beside it")),
            _ => Err(format!("{text:?} is not 32 bytes in hexadecimal, base64 or base64url")),
        }
    }
}

/// Without the name of the algorithm that tools print before the digits.
fn bare(text: &str) -> &str {
    let names = ["SHA256:", "SHA-256:"];
    names.iter().find_map(|name| text.strip_prefix(name)).map_or(text, str::trim_start)
}

/// Of either alphabet, with padding or without, but never of both.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let encodings = [BASE64URL_NOPAD, BASE64URL, BASE64, BASE64_NOPAD];
    encodings.into_iter().find_map(|it| it.decode(text.as_bytes()).ok()).filter(|it| matches!(it.len(), 20 | 32))
}

/// Digits in either case, with a colon between any two bytes or with none at all.
fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let has_colons = text.contains(':');
    let pairs_are_whole = !has_colons || text.split(':').all(|it| it.len() == 2);
    let digits = text.replace(':', "");
    pairs_are_whole.then(|| HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()).flatten().filter(|it| matches!(it.len(), 20 | 32))
}

impl Fingerprint {
    /// As Android's tools and association files write it: upper case, with colons.
    pub fn hexadecimal(&self) -> String {
        self.0.map(|it| format!("{it:02X}")).join(":")
    }
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
        let base64 = BASE64.encode(&[0xfb; 32]);
        for same in [
            hexadecimal.to_owned(),
            hexadecimal.to_lowercase(),
            hexadecimal.replace(':', ""),
            "fB".repeat(32),
            format!("SHA256: {hexadecimal}"),
            base64.trim_end_matches('=').to_owned(),
            format!("{good}="),
            base64,
        ] {
            let read = Fingerprint::try_from(same.clone()).unwrap();
            assert_eq!((read.to_string(), read.hexadecimal()), (good.clone(), hexadecimal.to_owned()), "{same}");
        }
        let sha1 = "FB:".repeat(20);
        for old in [sha1.trim_end_matches(':'), &BASE64.encode(&[0xfb; 20])] {
            assert!(Fingerprint::try_from(old.to_owned()).unwrap_err().contains("SHA-1"), "{old}");
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
        for bad in ["", "abc", &good[1..], &format!("{good}=="), &format!("{good}A"), &good.replacen('-', "+", 1)] {
            let error = read(&format!("signing_digests = [\"{good}\", \"{bad}\"]")).unwrap_err();
            assert!(error.contains("line 7") && error.contains("is not 32 bytes"), "{bad}: {error}");
            let error = read(&format!("signing_digests = [\"{good}\"]\nown_boot_keys = [\"{bad}\"]")).unwrap_err();
            assert!(error.contains("line 8") && error.contains("is not 32 bytes"), "{bad}: {error}");
        }
        assert!(read("signing_digests = []").unwrap_err().contains("attestation.android needs"), "no digest is not every digest");
    }
}
