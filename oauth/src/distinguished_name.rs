//! Distinguished names as text (RFC 4514), for `tls_client_auth_subject_dn` (RFC 8705 2.1.2). Names are compared part by part and
//! value by value, exactly. Case and white space are not folded, so that no two names are the same name.

/// One relative distinguished name: its types (dotted) with their values, sorted.
pub type Rdn = Vec<(String, String)>;

const TYPES: [(&str, &str); 14] = [
    ("CN", "2.5.4.3"),
    ("SERIALNUMBER", "2.5.4.5"),
    ("C", "2.5.4.6"),
    ("L", "2.5.4.7"),
    ("ST", "2.5.4.8"),
    ("STREET", "2.5.4.9"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("ORGANIZATIONIDENTIFIER", "2.5.4.97"),
    ("GIVENNAME", "2.5.4.42"),
    ("SN", "2.5.4.4"),
    ("DC", "0.9.2342.19200300.100.1.25"),
    ("UID", "0.9.2342.19200300.100.1.1"),
    ("EMAILADDRESS", "1.2.840.113549.1.9.1"),
];

/// Reads a name. The first part is the most specific one, as in RFC 4514. `None`: this is no such name, or a value is in `#hex`.
pub fn parse(text: &str) -> Option<Vec<Rdn>> {
    if text.is_empty() || text.len() > 2048 {
        return None;
    }
    let mut name = vec![Rdn::new()];
    let mut rest = text.chars().peekable();
    loop {
        let mut kind = String::new();
        loop {
            match rest.next()? {
                '=' => break,
                letter if letter.is_ascii_alphanumeric() || letter == '.' || letter == '-' => kind.push(letter),
                ' ' if kind.is_empty() => {}
                _ => return None,
            }
        }
        let (value, separator) = read_value(&mut rest)?;
        let part = name.last_mut()?;
        part.push((oid(&kind)?, value));
        match separator {
            Some('+') => {}
            Some(_) => name.push(Rdn::new()),
            None => break,
        }
    }
    for part in &mut name {
        part.sort();
    }
    Some(name)
}

/// The dotted form of a type that is given by its name or by its numbers.
fn oid(kind: &str) -> Option<String> {
    let kind = kind.to_ascii_uppercase();
    if let Some((_, oid)) = TYPES.iter().find(|it| it.0 == kind) {
        return Some((*oid).to_owned());
    }
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    (kind.contains('.') && kind.split('.').all(is_number)).then_some(kind)
}

/// Reads a value and the separator behind it.
fn read_value(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<(String, Option<char>)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4];
    // Spaces at either end count only when they are escaped: this is the length up to the last character that counts.
    let mut length = 0;
    if rest.peek() == Some(&'#') {
        return None;
    }
    let separator = loop {
        match rest.next() {
            None => break None,
            Some(separator @ (',' | '+')) => break Some(separator),
            Some('\\') => {
                let first = rest.next()?;
                if let Some(high) = first.to_digit(16) {
                    let low = rest.next()?.to_digit(16)?;
                    bytes.push(u8::try_from(high * 16 + low).ok()?);
                } else if " \"#+,;<=>\\".contains(first) {
                    bytes.push(u8::try_from(first).ok()?);
                } else {
                    return None;
                }
                length = bytes.len();
            }
            Some('"' | ';' | '<' | '>' | '\0') => return None,
            Some(' ') if bytes.is_empty() => {}
            Some(' ') => bytes.push(b' '),
            Some(letter) => {
                bytes.extend_from_slice(letter.encode_utf8(&mut buffer).as_bytes());
                length = bytes.len();
            }
        }
    };
    bytes.truncate(length);
    let text = String::from_utf8(bytes).ok().filter(|it| !it.is_empty() && !it.contains('\0'))?;
    Some((text, separator))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(kind: &str, value: &str) -> (String, String) {
        (kind.to_owned(), value.to_owned())
    }

    /// 189-M
    #[test]
    fn an_escaped_separator_belongs_to_the_value() {
        assert_eq!(parse("CN=a,O=b"), Some(vec![vec![pair("2.5.4.3", "a")], vec![pair("2.5.4.10", "b")]]));
        assert_eq!(parse("CN=a\\,CN=admin"), Some(vec![vec![pair("2.5.4.3", "a,CN=admin")]]));
        assert_eq!(parse("CN=a, CN=admin").map(|it| it.len()), Some(2));
        assert_eq!(parse("cn=J\\C3\\BCrgen + uid=7,2.5.4.6=DE").map(|it| it[0].len()), Some(2));
        assert_eq!(parse("CN= a b \\ ,O=c").map(|it| it[0][0].1.clone()), Some("a b  ".to_owned()));
        for bad in ["", "a", "CN=", "CN=a,", "XX=a", "CN=#04024869", "CN=a\\", "CN=a\\zz", "CN=a;O=b", "CN=\"a\"", "CN=a\0b", "CN=\\00"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
