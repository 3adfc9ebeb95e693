//! base64 with padding, in its canonical form only. RFC 4648 4.

use data_encoding::BASE64;

/// Encodes with padding.
pub fn encode(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// Decodes. `None` for another alphabet, white space, missing or inner padding, or unused bits that are not zero.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    // The library also reads several padded texts in a row as one. We refuse that: one value has one spelling.
    if text.trim_end_matches('=').contains('=') {
        return None;
    }
    BASE64.decode(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648 10.
    #[test]
    fn one_form_only() {
        for (plain, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("\u{fb}\u{ff}", "w7vDvw==")]
        {
            assert_eq!(encode(plain.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(plain.as_bytes()));
        }
        assert_eq!(decode("+/8="), Some(vec![0xfb, 0xff]));
        for bad in ["Zg", "Zg=", "Zh==", "Z===", "====", "=", "Zm 8", "Zm9v\n", "-_8=", "Zg==Zg==", "Zg==Zm9v"] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
    }
}
