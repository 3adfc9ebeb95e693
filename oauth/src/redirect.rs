//! Redirect URIs of native and web clients. RFC 8252 7 and 8.4, RFC 9700 2.1. They are compared byte for byte, except for the port of
//! a literal loopback address.

use url::Url;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    Native,
    Web,
    Service,
}

/// The three ways back into an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectKind {
    ClaimedHttps,
    PrivateScheme,
    Loopback,
}

const LOOPBACK: [&str; 2] = ["http://127.0.0.1", "http://[::1]"];

/// The kind of a redirect URI. `None`: it can never be registered.
pub fn kind_of(uri: &str) -> Option<RedirectKind> {
    let (scheme, rest) = uri.split_once(':')?;
    match scheme {
        "https" => rest.starts_with("//").then_some(RedirectKind::ClaimedHttps),
        "http" => split_loopback(uri).map(|_| RedirectKind::Loopback),
        // RFC 8252 7.1: a reversed domain name, so that it has an owner, and no authority part.
        other => (other.contains('.') && !rest.starts_with("//")).then_some(RedirectKind::PrivateScheme),
    }
}

/// May a client of this kind register the URI? The error says what is wrong.
pub fn may_register(uri: &str, kind: ClientKind) -> Result<(), &'static str> {
    if uri.len() > 2000
        || !uri.bytes().all(|it| (0x21..=0x7e).contains(&it))
        || uri.contains(['\\', '"', '<', '>', '`', '{', '}', '|', '^'])
    {
        return Err("a redirect URI is at most 2000 printable ASCII characters");
    }
    if uri.contains('#') {
        return Err("a redirect URI has no fragment (RFC 6749 3.1.2)");
    }
    let scheme = uri.split(':').next().unwrap_or_default();
    if scheme != scheme.to_ascii_lowercase() {
        return Err("the scheme of a redirect URI is written in lower case");
    }
    let parsed = Url::parse(uri).map_err(|_| "this is not an absolute URI")?;
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err("a redirect URI carries no user name");
    }
    if uri.contains("/../")
        || uri.contains("/./")
        || uri.ends_with("/..")
        || uri.ends_with("/.")
        || uri.to_ascii_lowercase().contains("%2e")
    {
        return Err("a redirect URI has no dot segments");
    }
    for (name, _) in parsed.query_pairs() {
        if ["code", "state", "iss", "error", "error_description", "error_uri", "response"].contains(&name.as_ref()) {
            return Err("the query of a redirect URI may not carry a parameter of the response");
        }
    }
    match (kind, kind_of(uri)) {
        (ClientKind::Service, _) => Err("a service has no redirect URI"),
        (_, Some(RedirectKind::ClaimedHttps)) => check_host_spelling(uri, &parsed),
        (ClientKind::Native, Some(RedirectKind::PrivateScheme)) => check_private_scheme(scheme),
        (ClientKind::Native | ClientKind::Web, Some(RedirectKind::Loopback)) => Ok(()),
        (_, None) if is_loopback_without_path(uri) => Err("a loopback redirect URI has a path, if only a slash: http://127.0.0.1/"),
        (_, None) if scheme == "http" => Err("http is for literal loopback addresses only: http://127.0.0.1/... or http://[::1]/..."),
        (_, None) => Err("a private scheme is a reversed domain name with one slash, such as com.example.app:/callback"),
        (ClientKind::Web, Some(RedirectKind::PrivateScheme)) => Err("a web client comes back by https"),
    }
}

fn check_private_scheme(scheme: &str) -> Result<(), &'static str> {
    let labels: Vec<&str> = scheme.split('.').collect();
    if labels.len() < 2 || labels.iter().any(|it| it.is_empty()) {
        return Err("a private scheme is a reversed domain name, such as com.example.app");
    }
    Ok(())
}

/// The host is written as it is read: another spelling of an address or a name is refused (031-R).
fn check_host_spelling(uri: &str, parsed: &Url) -> Result<(), &'static str> {
    let host = parsed.host_str().unwrap_or_default();
    let written = uri.strip_prefix("https://").unwrap_or_default().split(['/', '?']).next().unwrap_or_default();
    if host.contains('*') {
        return Err("a redirect URI names one host; a wildcard is none (RFC 9700 2.1)");
    }
    let is_port = |text: &str| text.bytes().all(|it| it.is_ascii_digit());
    let name = written.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(written, |(name, _)| name);
    if host.is_empty() || name != host {
        return Err("write the host in its normal form: lower case, nothing before or behind the name");
    }
    Ok(())
}

/// Does a request's redirect URI equal a registered one? RFC 9700 2.1, RFC 8252 7.3.
pub fn matches(registered: &str, requested: &str) -> bool {
    if registered == requested {
        return true;
    }
    match (split_loopback(registered), split_loopback(requested)) {
        (Some((host, _, path)), Some((other, _, other_path))) => host == other && path == other_path,
        _ => false,
    }
}

/// A literal loopback address, as far as the port. Such a redirect URI lacks its path.
pub fn is_loopback_without_path(uri: &str) -> bool {
    !uri.ends_with('/') && split_loopback(uri).is_none() && split_loopback(&format!("{uri}/")).is_some()
}

/// Splits `http://127.0.0.1:51004/cb` into host, port and path. Any other form is `None`.
fn split_loopback(uri: &str) -> Option<(&'static str, Option<u16>, &str)> {
    for host in LOOPBACK {
        let Some(rest) = uri.strip_prefix(host) else { continue };
        if rest.starts_with('/') {
            return Some((host, None, rest));
        }
        let (port, path) = rest.strip_prefix(':')?.split_once('/')?;
        let is_plain = !port.is_empty() && port.bytes().all(|it| it.is_ascii_digit()) && !port.starts_with('0');
        let port = port.parse().ok().filter(|_| is_plain)?;
        return Some((host, Some(port), &rest[rest.len() - path.len() - 1..]));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 005-R, 012-R, L-18; RFC 8252 7.3.
    #[test]
    fn only_the_port_of_a_literal_loopback_address_is_free() {
        let registered = "http://127.0.0.1/cb";
        for good in ["http://127.0.0.1:51004/cb", "http://127.0.0.1/cb"] {
            assert!(matches(registered, good), "{good}");
        }
        for bad in [
            "http://127.0.0.1:51004/cb?x=1",
            "http://127.0.0.1:51004/cb/",
            "http://127.0.0.2:1/cb",
            "https://127.0.0.1:1/cb",
            "http://[::1]:5/cb",
            "http://127.0.0.1:51004@evil/cb",
            "http://127.0.0.1:0/cb",
            "http://127.0.0.1:65536/cb",
            "http://127.0.0.1:/cb",
            "http://localhost:1/cb",
            "http://127.0.0.1:80@evil.test/",
            "http://127.0.0.1:01/cb",
        ] {
            assert!(!matches(registered, bad), "{bad}");
        }
        // With a port registered, too. The two families are two addresses.
        assert!(matches("http://127.0.0.1:8080/cb", "http://127.0.0.1:51004/cb") && matches("http://[::1]:8080/cb", "http://[::1]/cb"));
        assert!(!matches("http://[::1]/cb", "http://127.0.0.1/cb") && !matches("http://127.0.0.1:8080/cb", "http://[::1]:8080/cb"));
        assert!(matches("com.acme.app:/cb", "com.acme.app:/cb"));
        for bad in ["com.acme.app://cb", "COM.ACME.APP:/cb", "com.acme.app:/cb?a"] {
            assert!(!matches("com.acme.app:/cb", bad), "{bad}");
        }
    }

    /// 011-R, 014-R, 015-R, 016-R
    #[test]
    fn a_redirect_uri_without_an_owner_or_with_two_readings_is_not_registered() {
        for good in [
            "https://app.example.com/cb",
            "com.example.app:/cb",
            "http://127.0.0.1/cb",
            "http://[::1]:8000/cb",
            "https://app.example.com:8443/cb?a=1",
        ] {
            assert_eq!(may_register(good, ClientKind::Native), Ok(()), "{good}");
        }
        for bad in [
            "myapp://cb",
            "myapp:/cb",
            "com.example.app://cb",
            "JaVaScRiPt:alert(1)",
            "javascript:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "file:///etc/passwd",
            "intent://x#Intent;end",
            "http://app.example.com/cb",
            "http://localhost/cb",
            "https://app.example.com/cb#f",
            "https://u@app.example.com/cb",
            "https://app.example.com/a/../cb",
            "https://APP.example.com/cb",
            "https://app.example.com/cb?code=1",
            "https:/app.example.com/cb",
            "/cb",
            "",
            "https://app.example.com/cb\u{fc}",
            "https://127.1/cb",
            "http://127.1/cb",
            "http://0x7f.1/cb",
            "http://127.0.0.1.evil.test/cb",
            "http://user@127.0.0.1/cb",
            "https://*.example.com/cb",
            "https://*/cb",
            "https://app*.example.com/cb",
        ] {
            assert!(may_register(bad, ClientKind::Native).is_err(), "{bad}");
        }
        for without_path in ["http://127.0.0.1:8183", "http://127.0.0.1", "http://[::1]:8183", "http://[::1]"] {
            let said = may_register(without_path, ClientKind::Native).err().unwrap_or_default();
            assert!(said.contains("has a path"), "{without_path}: {said}");
            assert_eq!(may_register(&format!("{without_path}/"), ClientKind::Native), Ok(()), "{without_path}");
        }
        assert!(may_register("com.example.app:/cb", ClientKind::Web).is_err());
        assert!(may_register("https://app.example.com/cb", ClientKind::Service).is_err());
    }
}
