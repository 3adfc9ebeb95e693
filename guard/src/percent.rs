//! Percent-encoding (RFC 3986 2.1), read strictly and written for header values.

/// Decodes a text. `is_plain` says which bytes may stand as they are, `is_encoded` which may be encoded. Anything else is `None`, and so is
/// a result that is not UTF-8.
pub fn decode(text: &str, is_plain: fn(u8) -> bool, is_encoded: fn(u8) -> bool) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |it: Option<u8>| char::from(it?).to_digit(16);
            let decoded = u8::try_from(digit(bytes.next())? * 16 + digit(bytes.next())?).ok()?;
            out.push(Some(decoded).filter(|it| is_encoded(*it))?);
        } else {
            out.push(Some(byte).filter(|it| is_plain(*it))?);
        }
    }
    String::from_utf8(out).ok()
}

/// A value as a header can hold it: visible ASCII as it is, the rest encoded. `%` and `,` are encoded too: the second separates values.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' && byte != b',' {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_a_header_is_visible_ascii() {
        for (text, encoded) in
            [("alice", "alice"), ("a b", "a%20b"), ("50%", "50%25"), ("a,b", "a%2Cb"), ("é\r\nx: y", "%C3%A9%0D%0Ax:%20y"), ("", "")]
        {
            assert_eq!(encode(text), encoded);
            assert_eq!(decode(encoded, |it| it.is_ascii_graphic(), |_| true).as_deref(), Some(text));
        }
    }
}
