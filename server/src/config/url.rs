//! URLs of the configuration.

/// A URL as it will stand in headers, pages and tokens. What the URL parser would take away in silence, a line break above all, is no URL
/// here (571-V).
pub(super) fn read_url(text: &str) -> Option<url::Url> {
    text.bytes().all(|it| it.is_ascii_graphic()).then(|| url::Url::parse(text).ok())?
}

/// https, or http to this very machine while it is a developer's.
pub(super) fn is_address(text: &str, development: bool, may_have_query: bool) -> bool {
    let Some(url) = read_url(text) else { return false };
    let is_here = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => return false,
    };
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && development && is_here);
    is_safe
        && (may_have_query || url.query().is_none())
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
}

/// The host of an https address, with its port if that is not 443. `None`: another kind of address.
pub fn authority(uri: &str) -> Option<String> {
    let url = read_url(uri).filter(|it| it.scheme() == "https")?;
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// The host without its port. The platforms know names and no ports, so whose a host is, its name says.
pub fn name_of(authority: &str) -> &str {
    authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|it| it.is_ascii_digit())).map_or(authority, |it| it.0)
}
