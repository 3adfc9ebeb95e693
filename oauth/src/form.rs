//! Parameters as application/x-www-form-urlencoded. RFC 6749 3.1, 3.2 and appendix B; RFC 8707 2 (`resource` repeats).

/// At most this many parameters, and this many bytes.
pub const MAX_PARAMETERS: usize = 64;
pub const MAX_BYTES: usize = 64 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormError {
    /// RFC 6749 3.1: parameters must not be included more than once.
    Repeated(String),
    /// The percent-encoding is broken, the text is not UTF-8, or it contains U+0000.
    Malformed,
    TooLarge,
}

/// Parameters that may be sent several times.
const REPEATABLE: &[&str] = &["resource", "audience"];

/// The parameters of one request, in their order. A parameter without a value counts as absent (RFC 6749 3.1). The form still
/// remembers it, so that an empty secret never counts as "no secret".
#[derive(Debug, Clone, Default)]
pub struct Form {
    pairs: Vec<(String, String)>,
}

impl Form {
    pub fn parse(body: &[u8]) -> Result<Self, FormError> {
        Self::parse_within(body, MAX_BYTES)
    }

    /// The same for what may be larger, such as the answer of a digital wallet.
    pub fn parse_within(body: &[u8], most_bytes: usize) -> Result<Self, FormError> {
        if body.len() > most_bytes {
            return Err(FormError::TooLarge);
        }
        let mut pairs: Vec<(String, String)> = Vec::new();
        for piece in body.split(|it| *it == b'&').filter(|it| !it.is_empty()) {
            if pairs.len() == MAX_PARAMETERS {
                return Err(FormError::TooLarge);
            }
            let at = piece.iter().position(|it| *it == b'=').unwrap_or(piece.len());
            let name = decode(&piece[..at])?;
            let value = decode(piece.get(at + 1..).unwrap_or_default())?;
            if pairs.iter().any(|(known, _)| *known == name) && !REPEATABLE.contains(&name.as_str()) {
                return Err(FormError::Repeated(name));
            }
            pairs.push((name, value));
        }
        Ok(Self { pairs })
    }

    /// Applies the same limits to parameters that came another way, for example in a request object.
    pub fn from_pairs(pairs: Vec<(String, String)>) -> Result<Self, FormError> {
        let size: usize = pairs.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        if pairs.len() > MAX_PARAMETERS || size > MAX_BYTES {
            return Err(FormError::TooLarge);
        }
        for (at, (name, value)) in pairs.iter().enumerate() {
            if value.contains('\0') || name.contains('\0') {
                return Err(FormError::Malformed);
            }
            if pairs[..at].iter().any(|(known, _)| known == name) && !REPEATABLE.contains(&name.as_str()) {
                return Err(FormError::Repeated(name.clone()));
            }
        }
        Ok(Self { pairs })
    }

    /// The parameters of these names, and no others.
    pub fn only(&self, names: &[&str]) -> Self {
        Self { pairs: self.pairs.iter().filter(|(name, _)| names.contains(&name.as_str())).cloned().collect() }
    }

    /// The value, if it is there and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// All values of a repeatable parameter that are not empty.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.iter().filter(|(known, value)| *known == name && !value.is_empty()).map(|(_, value)| value).collect()
    }

    /// Was the parameter sent at all, even without a value?
    pub fn contains(&self, name: &str) -> bool {
        self.pairs.iter().any(|(known, _)| known == name)
    }

    /// Was it sent without a value?
    pub fn was_empty(&self, name: &str) -> bool {
        self.pairs.iter().any(|(known, value)| known == name && value.is_empty())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

fn decode(piece: &[u8]) -> Result<String, FormError> {
    let mut out = Vec::with_capacity(piece.len());
    let mut rest = piece.iter();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => hex_digit(rest.next())? << 4 | hex_digit(rest.next())?,
            other => *other,
        });
    }
    if out.contains(&0) {
        return Err(FormError::Malformed);
    }
    String::from_utf8(out).map_err(|_| FormError::Malformed)
}

fn hex_digit(byte: Option<&u8>) -> Result<u8, FormError> {
    byte.and_then(|it| char::from(*it).to_digit(16)).map(|it| it as u8).ok_or(FormError::Malformed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_form_is_read() {
        let form = Form::parse(b"a=1+2&b=%C3%BC&resource=x&resource=y&empty=&flag").unwrap();
        assert_eq!((form.get("a"), form.get("b")), (Some("1 2"), Some("\u{fc}")));
        assert_eq!(form.all("resource"), ["x", "y"]);
        assert_eq!((form.get("empty"), form.was_empty("empty"), form.contains("none")), (None, true, false));
        let part = form.only(&["a", "empty", "resource", "none"]);
        assert_eq!(part.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "resource", "resource", "empty"]);
        assert_eq!((part.get("a"), part.get("b")), (Some("1 2"), None));
    }

    /// 567-V, 584-K
    #[test]
    fn an_ambiguous_or_a_large_form_is_refused() {
        assert_eq!(Form::parse(b"a=1&a=1").unwrap_err(), FormError::Repeated("a".into()));
        assert_eq!(Form::parse(b"a=&a=1").unwrap_err(), FormError::Repeated("a".into()));
        for bad in [&b"a=%0"[..], b"a=%zz", b"a=%ff", b"a=%00", b"a=\xff"] {
            assert_eq!(Form::parse(bad).unwrap_err(), FormError::Malformed);
        }
        let many = (0..65).map(|it| format!("p{it}=1")).collect::<Vec<_>>().join("&");
        assert_eq!(Form::parse(many.as_bytes()).unwrap_err(), FormError::TooLarge);
    }
}
