//! The Authorization header of an API call. RFC 6750 2.1 and 3; RFC 9449 7.1.

/// How a token was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented<'a> {
    Bearer(&'a str),
    Dpop(&'a str),
}

/// Reads the header's value. `None` for another scheme, a token that is not RFC 6750's b64token, or a value over 8 KiB (606-K).
pub fn parse(header: &str) -> Option<Presented<'_>> {
    if header.len() > 8 * 1024 {
        return None;
    }
    let (scheme, token) = header.split_once(' ')?;
    let body = token.trim_end_matches('=');
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    if body.is_empty() || !body.bytes().all(is_allowed) {
        return None;
    }
    if scheme.eq_ignore_ascii_case("bearer") {
        Some(Presented::Bearer(token))
    } else if scheme.eq_ignore_ascii_case("dpop") {
        Some(Presented::Dpop(token))
    } else {
        None
    }
}

/// Makes one challenge of a `WWW-Authenticate` header. The values are ours; a quote or a backslash in a value is left out.
pub fn challenge(scheme: &str, parameters: &[(&str, &str)]) -> String {
    let clean = |text: &str| text.chars().filter(|it| (' '..='~').contains(it) && *it != '"' && *it != '\\').collect::<String>();
    let list: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}=\"{}\"", clean(value))).collect();
    if list.is_empty() { scheme.to_owned() } else { format!("{scheme} {}", list.join(", ")) }
}

/// Reads the challenges of a `WWW-Authenticate` value, as a client does: schemes, and parameters with names in lower case. RFC 9110
/// 11.6.1. Unreadable parts are left out.
pub fn read_challenges(header: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut found: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for piece in split_at_commas(header) {
        let (before, value) = piece.split_once('=').unwrap_or((piece, ""));
        let (scheme, name) = match before.trim_end().split_once(' ') {
            Some((scheme, name)) => (Some(scheme), name.trim()),
            None if piece.contains('=') => (None, before.trim()),
            None => (Some(piece), ""),
        };
        if let Some(scheme) = scheme {
            found.push((scheme.to_owned(), Vec::new()));
        }
        if let (Some((_, parameters)), false) = (found.last_mut(), name.is_empty()) {
            parameters.push((name.to_ascii_lowercase(), unquote(value.trim())));
        }
    }
    found
}

/// The pieces between commas that are not inside quotes.
fn split_at_commas(header: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let is_separator = |letter: char| {
        let separates = letter == ',' && !quoted;
        quoted ^= letter == '"' && !escaped;
        escaped = quoted && letter == '\\' && !escaped;
        separates
    };
    header.split(is_separator).map(str::trim).filter(|it| !it.is_empty()).collect()
}

fn unquote(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|it| it.strip_suffix('"')) else { return value.to_owned() };
    let mut escaped = false;
    let plain = inner.chars().filter(|letter| {
        escaped = *letter == '\\' && !escaped;
        !escaped
    });
    plain.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_as_they_were_made() {
        let two = [challenge("DPoP", &[("error", "invalid_token"), ("algs", "ES256 EdDSA")]), challenge("Bearer", &[])].join(", ");
        let read = read_challenges(&two);
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].0, "DPoP");
        assert_eq!(read[0].1[1], ("algs".to_owned(), "ES256 EdDSA".to_owned()));
        assert_eq!(read[1], ("Bearer".to_owned(), vec![]));
        let odd = read_challenges(r#"Bearer realm="a, \"b\" = c", Error=x, , "#);
        assert_eq!(
            odd,
            [("Bearer".to_owned(), vec![("realm".to_owned(), "a, \"b\" = c".to_owned()), ("error".to_owned(), "x".to_owned())])]
        );
        assert_eq!(read_challenges("="), []);
    }

    #[test]
    fn a_header_has_one_scheme_and_one_token() {
        assert_eq!(parse("Bearer abc.def-_~+/="), Some(Presented::Bearer("abc.def-_~+/=")));
        assert_eq!(parse("dpop abc"), Some(Presented::Dpop("abc")));
        for bad in ["Bearer", "Bearer ", "Bearer  abc", "Bearer a b", "Basic abc", "abc", "Bearer a\"b", "Bearer ="] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(challenge("Bearer", &[("error", "invalid_token"), ("x", "a\"b")]), "Bearer error=\"invalid_token\", x=\"ab\"");
    }
}
