//! The Authorization header of an API call. RFC 6750 2.1 and 3; RFC 9449 7.1.

/// How a token was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented<'a> {
    Bearer(&'a str),
    Dpop(&'a str),
}

/// Reads the header's value. `None` for another scheme, or a token that is not RFC 6750's b64token, or one over 8 KiB (606-K).
pub fn parse(header: &str) -> Option<Presented<'_>> {
    if header.len() > 8 * 1024 {
        return None;
    }
    let (scheme, token) = header.split_once(' ')?;
    let body = token.trim_end_matches('=');
    let allowed = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    if body.is_empty() || !body.bytes().all(allowed) {
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

/// One challenge of a `WWW-Authenticate` header. Values are ours; a quote or backslash in one is left out.
pub fn challenge(scheme: &str, parameters: &[(&str, &str)]) -> String {
    let clean = |it: &str| it.chars().filter(|it| (' '..='~').contains(it) && *it != '"' && *it != '\\').collect::<String>();
    let list: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}=\"{}\"", clean(value))).collect();
    if list.is_empty() { scheme.to_owned() } else { format!("{scheme} {}", list.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_scheme_one_token() {
        assert_eq!(parse("Bearer abc.def-_~+/="), Some(Presented::Bearer("abc.def-_~+/=")));
        assert_eq!(parse("dpop abc"), Some(Presented::Dpop("abc")));
        for bad in ["Bearer", "Bearer ", "Bearer  abc", "Bearer a b", "Basic abc", "abc", "Bearer a\"b", "Bearer ="] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(challenge("Bearer", &[("error", "invalid_token"), ("x", "a\"b")]), "Bearer error=\"invalid_token\", x=\"ab\"");
    }
}
