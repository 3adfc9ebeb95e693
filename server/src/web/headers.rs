//! Headers that are lists, read piece by piece and as bytes. What another program has put into a line hides nothing that is ours.

use crate::config::Networks;
use http::{HeaderMap, header};
use std::net::{IpAddr, SocketAddr};
use std::sync::Once;

/// The pieces of a header that is a list (RFC 9110 5.6.1), of all its lines, without the empty ones.
pub fn list<'a>(headers: &'a HeaderMap, name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).iter().map(|line| line.as_bytes());
    let pieces = lines.flat_map(|line| line.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    pieces.filter(|piece| !piece.is_empty())
}

/// The pieces that are text, as one line again: a piece that nobody can read hides no other.
pub fn texts(headers: &HeaderMap, name: &str) -> String {
    let readable = list(headers, name).filter(|piece| piece.is_ascii()).filter_map(|piece| std::str::from_utf8(piece).ok());
    readable.collect::<Vec<_>>().join(", ")
}

/// Does a list such as `Accept` have this value, whatever its parameters?
pub fn names(headers: &HeaderMap, name: &str, value: &str) -> bool {
    list(headers, name).any(|piece| without_parameters(piece).eq_ignore_ascii_case(value.as_bytes()))
}

fn without_parameters(piece: &[u8]) -> &[u8] {
    piece.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end()
}

/// Names and values of all cookies (RFC 6265 5.4), as they were sent.
pub fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    let lines = headers.get_all(header::COOKIE).iter().map(|line| line.as_bytes());
    lines.flat_map(|line| line.split(|byte| *byte == b';')).filter_map(|pair| {
        let pair = pair.trim_ascii();
        let at = pair.iter().position(|byte| *byte == b'=')?;
        Some((&pair[..at], &pair[at + 1..]))
    })
}

/// A cookie's value. Sent twice, or not readable, it is not believed.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut found = cookies(headers).filter(|(known, _)| *known == name.as_bytes());
    let (_, value) = found.next()?;
    found.next().is_none().then(|| std::str::from_utf8(value).ok())?
}

/// The caller's address is the peer's own. If the peer is a configured proxy, it is the last entry of X-Forwarded-For that is no such proxy.
/// The header of any other peer is ignored. If an entry is unreadable, nothing before it can be believed, and the address is the peer's.
pub fn address(headers: &HeaderMap, peer: IpAddr, proxies: &Networks) -> IpAddr {
    let peer = peer.to_canonical();
    if !proxies.contains(peer) {
        return peer;
    }
    for hop in list(headers, "x-forwarded-for").rev().take(16) {
        let Some(hop) = hop_address(hop) else {
            static TOLD: Once = Once::new();
            TOLD.call_once(|| {
                let hop = String::from_utf8_lossy(hop).into_owned();
                tracing::warn!(%peer, hop, "a proxy of trusted_proxies sends an X-Forwarded-For that is no address: its callers count as the proxy itself");
            });
            return peer;
        };
        if !proxies.contains(hop) {
            return hop;
        }
    }
    peer
}

/// An address, or one with a port; IPv6 also in brackets.
fn hop_address(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?;
    let bare = || text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|it| it.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().ok().map(IpAddr::from);
    Some(bare().or_else(with_port).or_else(in_brackets)?.to_canonical())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use http::HeaderValue;

    fn headers(name: &'static str, lines: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, HeaderValue::from_bytes(line).unwrap());
        }
        headers
    }

    #[test]
    fn a_list_is_read_piece_by_piece() {
        let accept = headers("accept", &[b"text/\xff, , application/a ;q=1", b"TEXT/html;q=0.5,"]);
        assert_eq!(list(&accept, "accept").count(), 3);
        for (value, there) in [("text/html", true), ("application/a", true), ("application/b", false), ("text/htm", false), ("", false)] {
            assert_eq!(names(&accept, "accept", value), there, "{value}");
        }
        assert!(!names(&accept, "accept-language", "text/html"));
    }

    #[test]
    fn a_foreign_cookie_hides_none_of_ours() {
        for (lines, value) in [
            (&[&b"ours=1"[..]][..], Some("1")),
            (&[b"other=\xc3\xbc; ours=1"], Some("1")),
            (&[b"other=\xff", b"ours=1"], Some("1")),
            (&[b"\xff=1; nothing; =; ours=a=b"], Some("a=b")),
            (&[b"ours2=2;ours=1 ; 3ours=3"], Some("1")),
            (&[b"ours="], Some("")),
            (&[b"ours=\xff"], None),
            (&[b"ours=1; ours=1"], None),
            (&[b"ours=1; ours=\xff"], None),
            (&[b"ours=1", b"ours=2"], None),
            (&[b"Ours=1; ours"], None),
            (&[], None),
        ] {
            assert_eq!(cookie(&headers("cookie", lines), "ours"), value, "{lines:?}");
        }
    }

    #[test]
    fn a_proxy_is_believed_only_when_configured() {
        let sent = headers("x-forwarded-for", &[b"203.0.113.9, 198.51.100.7"]);
        let peer: IpAddr = "10.0.0.2".parse().unwrap();
        assert_eq!(address(&sent, peer, &Networks::default()), peer);
        assert_eq!(address(&sent, peer, &Networks::parse(&["10.0.0.0/8"]).unwrap()).to_string(), "198.51.100.7");
        assert_eq!(address(&sent, peer, &Networks::parse(&["10.0.0.2", "198.51.100.7"]).unwrap()).to_string(), "203.0.113.9");
    }

    /// An entry may have a port or brackets. Behind an unreadable one nothing to the left is read, as callers write what they like there.
    #[test]
    fn an_entry_of_a_proxy_is_an_address_however_it_is_written() {
        let (peer, proxies) = ("10.0.0.2".parse().unwrap(), Networks::parse(&["10.0.0.0/8"]).unwrap());
        for (lines, expected) in [
            (&[&b"192.0.2.1, 203.0.113.7"[..]][..], "203.0.113.7"),
            (&[b"192.0.2.1, 203.0.113.7:54321"], "203.0.113.7"),
            (&[b"192.0.2.1, 2001:db8::1"], "2001:db8::1"),
            (&[b"192.0.2.1, [2001:db8::1]"], "2001:db8::1"),
            (&[b"192.0.2.1, [2001:db8::1]:443"], "2001:db8::1"),
            (&[b"192.0.2.1, ::ffff:203.0.113.7"], "203.0.113.7"),
            (&[b"192.0.2.1, 203.0.113.7:1, 10.0.0.9:80"], "203.0.113.7"),
            (&[b"192.0.2.1", b"203.0.113.7", b"10.0.0.9,,"], "203.0.113.7"),
            (&[b"192.0.2.1, \xff, 203.0.113.7"], "203.0.113.7"),
            (&[b"\xff", b"203.0.113.7"], "203.0.113.7"),
            // The twins: nothing to the left of these is believed.
            (&[b"192.0.2.1, \xff"], "10.0.0.2"),
            (&[b"192.0.2.1", b"\xff, 10.0.0.9"], "10.0.0.2"),
            (&[b"192.0.2.1, unknown"], "10.0.0.2"),
            (&[b"192.0.2.1, 203.0.113.7:99999"], "10.0.0.2"),
            (&[b"192.0.2.1, 203.0.113.7:"], "10.0.0.2"),
            (&[b"192.0.2.1, [203.0.113.7]"], "10.0.0.2"),
            (&[b"192.0.2.1, [2001:db8::1"], "10.0.0.2"),
            (&[], "10.0.0.2"),
        ] {
            assert_eq!(address(&headers("x-forwarded-for", lines), peer, &proxies).to_string(), expected, "{lines:?}");
        }
    }
}
