//! base64url without padding, in its canonical form only. RFC 4648 5, RFC 7515 2 and appendix C.

use data_encoding::BASE64URL_NOPAD;

/// Encodes without padding.
pub fn encode(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

/// Encodes to the end of a text.
pub fn append(bytes: &[u8], text: &mut String) {
    BASE64URL_NOPAD.encode_append(bytes, text);
}

/// Decodes. `None` for padding, another alphabet, white space, an impossible length, or unused bits that are not zero (210-J).
pub fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64URL_NOPAD.decode(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648 10, and 210-J.
    #[test]
    fn one_form_only() {
        for (plain, text) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(encode(plain.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(plain.as_bytes()));
        }
        for bad in ["Zg==", "Zh", "Zm9", "Z", "Zm 8", "Zm8\n", "+/==", "Zm9v ", "Zm9v=", "\u{fc}A"] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
    }
}
