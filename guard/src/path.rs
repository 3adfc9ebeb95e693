//! The path of a call. The guard and the API must read the same path in it, whatever stands between. So only one spelling is accepted:
//! a path that is not its own normal form (RFC 3986 6.2.2) is refused and never normalised.

use crate::percent;
use url::form_urlencoded;

const MAX_BYTES: usize = 8 * 1024;

/// Parameters in which frameworks look for another method.
const METHOD_PARAMETERS: [&str; 5] = ["_method", "_http_method", "x_http_method", "x_http_method_override", "x_method_override"];

/// A path in its one spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// As it was sent.
    pub sent: String,
    /// With the encoded bytes read. A slash in it separates segments, because an encoded one is refused.
    read: String,
}

impl Path {
    pub fn parse(sent: &str) -> Result<Self, &'static str> {
        if sent.len() > MAX_BYTES {
            return Err("The path is too long.");
        }
        if !sent.starts_with('/') {
            return Err("The path does not begin with a slash.");
        }
        let read = percent::decode(sent, is_plain, is_encoded).ok_or("The path has characters that are not in their normal form.")?;
        let mut segments = read.split('/').skip(1).peekable();
        while let Some(segment) = segments.next() {
            let is_last = segments.peek().is_none();
            if segment.is_empty() && !is_last {
                return Err("The path has an empty segment.");
            }
            // `.` and `..` too. Some systems ignore a dot or a space at the end of a name.
            if segment.ends_with(['.', ' ']) {
                return Err("A segment of the path ends with a dot or a space.");
            }
        }
        Ok(Self { sent: sent.to_owned(), read })
    }

    /// As servers read it that ignore case and a slash at the end.
    fn folded(&self) -> String {
        let lower = self.read.to_lowercase();
        lower.strip_suffix('/').unwrap_or(&lower).to_owned()
    }
}

/// What may stand in a path as it is (RFC 3986 3.3), without `;`, which some servers cut off with what is behind it.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@/".contains(&byte)
}

/// What must be encoded and may be. The rest has another spelling, or means something to some server.
fn is_encoded(byte: u8) -> bool {
    !(byte.is_ascii_alphanumeric() || byte.is_ascii_control() || b"-._~/\\;?#%".contains(&byte))
}

/// The paths of a route: `*` stands for one segment, and `**` at the end for any number of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Path);

impl Pattern {
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let path = Path::parse(text)?;
        let count = path.read.split('/').count();
        let is_wrong = |(at, segment): (usize, &str)| match segment {
            "*" => false,
            "**" => at + 1 != count,
            other => other.contains('*'),
        };
        if path.read.split('/').enumerate().any(is_wrong) {
            return Err("A star stands for a whole segment, and two stars stand at the end.");
        }
        Ok(Self(path))
    }

    pub fn as_str(&self) -> &str {
        &self.0.sent
    }

    /// Does it stand for paths that nobody wrote down?
    pub fn is_open(&self) -> bool {
        self.0.read.ends_with("**")
    }

    pub fn fits(&self, path: &Path) -> bool {
        fits(&self.0.read, &path.read)
    }

    /// Would it fit for a server that ignores case and a slash at the end?
    pub fn fits_folded(&self, path: &Path) -> bool {
        fits(&self.0.folded(), &path.folded())
    }
}

fn fits(pattern: &str, path: &str) -> bool {
    let (mut wanted, mut segments) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), segments.next()) {
            (Some("**"), _) => return true,
            (Some("*"), Some(segment)) if !segment.is_empty() => {}
            (Some(wanted), Some(segment)) if wanted == segment => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

/// The query may say nothing to a server that the guard does not see: no other method, and no bytes that a header cannot hold.
pub fn check_query(query: &str) -> Result<(), &'static str> {
    if query.len() > MAX_BYTES {
        return Err("The query is too long.");
    }
    if query.bytes().any(|it| !it.is_ascii_graphic() || it == b'#') {
        return Err("The query has characters that are not in their normal form.");
    }
    let names_a_method = |pair: &str| {
        let Some((decoded, _)) = form_urlencoded::parse(pair.as_bytes()).next() else { return false };
        // Some languages read a dot or a space in a name as an underscore, and stop at a bracket.
        let name = decoded.split('[').next().unwrap_or_default().trim().to_lowercase().replace(['.', ' ', '-'], "_");
        METHOD_PARAMETERS.contains(&name.as_str())
    };
    if query.split(['&', ';']).any(names_a_method) {
        return Err("The query names another method. Send the call with that method.");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_path_has_one_spelling() {
        for good in
            ["/", "/orders", "/orders/", "/orders/1", "/a.b/c~d", "/caf%C3%A9", "/caf%c3%a9", "/a%20b", "/a:b@c", "/.well-known/x", "/a+b"]
        {
            assert!(Path::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "orders",
            "//orders",
            "/orders//1",
            "/./orders",
            "/a/../orders",
            "/a/..",
            "/a/.",
            "/%2e%2e/orders",
            "/a/%2E",
            "/a%2fb",
            "/a%2Fb",
            "/a\\b",
            "/a%5cb",
            "/orders;x=1",
            "/orders%3bx",
            "/a%00",
            "/a%0a",
            "/%6frders",
            "/a%2",
            "/a%",
            "/a%zz",
            "/a%252fb",
            "/a%25",
            "/a%ff",
            "/a%c0%af",
            "/a b",
            "/é",
            "/a?b",
            "/a#b",
            "/a%3fb",
            "/a%23b",
            "/orders.",
            "/orders%20",
            "/a./b",
            "/a%7F",
            "/a|b",
            "/a\"b",
            "/a{b}",
            "http://api.example.com/orders",
            "*",
        ] {
            assert!(Path::parse(bad).is_err(), "{bad}");
        }
        assert!(Path::parse(&format!("/{}", "a".repeat(MAX_BYTES - 1))).is_ok());
        assert!(Path::parse(&format!("/{}", "a".repeat(MAX_BYTES))).is_err());
    }

    #[test]
    fn a_pattern_stands_for_what_it_says() {
        let fits = |pattern: &str, path: &str| Pattern::parse(pattern).unwrap().fits(&Path::parse(path).unwrap());
        for (pattern, path) in [
            ("/orders", "/orders"),
            ("/orders/*", "/orders/1"),
            ("/orders/**", "/orders"),
            ("/orders/**", "/orders/"),
            ("/orders/**", "/orders/1/2"),
            ("/orders/*/items", "/orders/1/items"),
            ("/**", "/"),
            ("/**", "/x/y"),
            ("/caf%C3%A9", "/caf%c3%a9"),
        ] {
            assert!(fits(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("/orders", "/orders/"),
            ("/orders", "/Orders"),
            ("/orders/*", "/orders/"),
            ("/orders/*", "/orders"),
            ("/orders/*", "/orders/1/2"),
            ("/orders/**", "/ordersx"),
            ("/orders/**", "/order"),
            ("/orders/*/items", "/orders/items"),
        ] {
            assert!(!fits(pattern, path), "{pattern} {path}");
        }
        let folded = |pattern: &str, path: &str| Pattern::parse(pattern).unwrap().fits_folded(&Path::parse(path).unwrap());
        assert!(folded("/orders", "/Orders/") && folded("/Caf%C3%A9", "/caf%C3%89") && !folded("/orders", "/order"));
        for bad in ["orders", "/**/x", "/a*", "/a/*b", "//", "/a;b"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_query_names_no_method() {
        for good in ["", "page=2", "method=x", "a=_method", "q=%20", "my_method=x"] {
            assert!(check_query(good).is_ok(), "{good}");
        }
        for bad in [
            "_method=DELETE",
            "a=1&_method=x",
            "a=1;_method=x",
            "%5fmethod=x",
            "_METHOD=x",
            "_method[]=x",
            "+_method=x",
            "_method",
            "X-HTTP-Method-Override=PUT",
            "a b",
            "a#b",
            "é",
        ] {
            assert!(check_query(bad).is_err(), "{bad}");
        }
    }
}
