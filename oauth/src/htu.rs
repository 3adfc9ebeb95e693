//! Comparing the target URLs of requests. RFC 9449 4.3 9 wants the normalisation of RFC 3986 6.2.2 and 6.2.3.

use std::net::Ipv6Addr;

const MAX_URL: usize = 4096;

/// Do two URLs name the same target? RFC 3986 6.2.2 and 6.2.3; query and fragment are ignored. A text that is no absolute http or
/// https URL in the letters of RFC 3986 equals nothing, not even itself.
pub fn same_htu(a: &str, b: &str) -> bool {
    normalize(a).is_some_and(|it| Some(it) == normalize(b))
}

pub(crate) fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or(url)
}

/// Scheme, host, port, path. This is no browser's parser on purpose. Those accept and repair backslashes, tabs, other alphabets, and
/// hosts like `0x7f.1`. A proof has no reason to contain them.
fn normalize(url: &str) -> Option<(String, String, u16, String)> {
    if url.len() > MAX_URL {
        return None;
    }
    let (scheme, rest) = without_query(url).split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let default = match scheme.as_str() {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = host_and_port(authority)?;
    let port = match port {
        "" => default,
        digits if digits.bytes().all(|it| it.is_ascii_digit()) => digits.parse().ok()?,
        _ => return None,
    };
    let path = remove_dot_segments(&normalize_escapes(path, "/:@!$&'()*+,;=", "[]|^")?);
    Some((scheme, host, port, path))
}

fn host_and_port(authority: &str) -> Option<(String, &str)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (literal, port) = rest.split_once(']')?;
        let address: Ipv6Addr = literal.parse().ok()?;
        let port = if port.is_empty() { port } else { port.strip_prefix(':')? };
        return Some((format!("[{address}]"), port));
    }
    // There is no user information: neither `@` nor a second colon is a letter of a host.
    let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
    let host = normalize_escapes(host, "!$&'()*+,;=", "")?;
    // Remaining escapes have upper-case digits on both sides of a comparison, so lower case on both sides is as good.
    (!host.is_empty()).then(|| (host.to_ascii_lowercase(), port))
}

/// 6.2.2.1 and 6.2.2.2: unreserved letters are never escaped, other escapes are in upper case. `also` are further letters that may be
/// there. `raw` are letters that should be escaped and that browsers send as they are. `None`: another letter is there.
fn normalize_escapes(text: &str, also: &str, raw: &str) -> Option<String> {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let mut out = String::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let escaped = digit(bytes.next())? << 4 | digit(bytes.next())?;
            if is_unreserved(escaped) {
                out.push(char::from(escaped));
            } else {
                out.push_str(&format!("%{escaped:02X}"));
            }
        } else if is_unreserved(byte) || also.as_bytes().contains(&byte) {
            out.push(char::from(byte));
        } else if raw.as_bytes().contains(&byte) {
            out.push_str(&format!("%{byte:02X}"));
        } else {
            return None;
        }
    }
    Some(out)
}

/// RFC 3986 5.2.4, for a path that is empty or begins with a slash. An empty path becomes `/` (6.2.3).
fn remove_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            ".." => {
                kept.pop();
            }
            "." => {}
            other => {
                kept.push(other);
                continue;
            }
        }
        // A dot segment at the end leaves its slash.
        if last {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 161-D, 163-D, 164-D; RFC 3986 6.2.2 and 6.2.3
    #[test]
    fn targets_compare_after_normalisation() {
        for (a, b) in [
            ("https://api.example.com", "https://api.example.com/"),
            ("HTTPS://API.Example.COM/a", "https://api.example.com/a"),
            ("https://api.example.com:443/a", "https://api.example.com/a"),
            ("https://api.example.com:/a", "https://api.example.com/a"),
            ("http://127.0.0.1:80/a", "http://127.0.0.1/a"),
            ("https://h/%7euser/%41%2f", "https://h/~user/A%2F"),
            ("https://h/a|b/[c]", "https://h/a%7cb/%5Bc%5D"),
            ("https://h/a/./b/../c", "https://h/a/c"),
            ("https://h/a/%2e%2E/c", "https://h/c"),
            ("https://h/a/b/..", "https://h/a/"),
            ("https://h/a/.", "https://h/a/"),
            ("https://h/../../a", "https://h/a"),
            ("https://h/a?b=c", "https://h/a"),
            ("https://h/a#b", "https://h/a?c#d"),
            ("https://h?x", "https://h/"),
            ("https://[0:0:0:0:0:0:0:1]:8443/a", "https://[::1]:8443/a"),
            ("https://[2001:DB8::1]/a", "https://[2001:db8:0::1]:443/a"),
        ] {
            assert!(same_htu(a, b) && same_htu(b, a), "{a} {b}");
        }
        for (a, b) in [
            ("https://h/a", "http://h/a"),
            ("https://h/a", "https://h:80/a"),
            ("https://h/a", "https://h:8443/a"),
            ("https://h/a", "https://h/A"),
            ("https://h/a", "https://h/a/"),
            ("https://h/a/b", "https://h/a//b"),
            ("https://h/a/b", "https://h/a%2Fb"),
            ("https://h/a", "https://evil.h/a"),
            ("https://h/a", "https://h./a"),
            ("https://h/a", "https://h.evil.test/a"),
            ("https://127.0.0.1/a", "https://127.1/a"),
        ] {
            assert!(!same_htu(a, b) && !same_htu(b, a), "{a} {b}");
            assert!(same_htu(a, a), "{a}");
        }
        for bad in [
            "",
            "/a",
            "h/a",
            "//h/a",
            "https:/h/a",
            "https:h",
            "https:///a",
            "ftp://h/a",
            "https://u@h/a",
            "https://u:p@h/a",
            "https://h:x/a",
            "https://h:99999/a",
            "https://h:+443/a",
            "https://h/%",
            "https://h/%4",
            "https://h/%zz",
            "https://h/a b",
            "https://h\\a",
            "https://h/\\a",
            "https://h/\ta",
            " https://h/a",
            "https://h/ä",
            "https://hä/a",
            "https://[::1/a",
            "https://[::1]x/a",
            "https://[v1.a]/a",
            "https://[fe80::1%25eth0]/a",
        ] {
            assert!(!same_htu(bad, bad), "{bad}");
        }
        let long = format!("https://h/{}", "a".repeat(MAX_URL));
        assert!(!same_htu(&long, &long));
    }
}
