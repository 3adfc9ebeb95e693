//! Which host a request is for. A further host answers its own files and nothing else, and no name that somebody made up gets any.

use super::Links;
use crate::config::{Config, Networks, is_own_machine};
use crate::web::headers::list;
use crate::web::request::{Host, Peer, Transport};
use http::{HeaderMap, Uri, header};

/// What a request says of its host.
struct HostHeaders<'a> {
    /// `:authority`, the authority of an absolute address, or `Host`.
    own: Option<&'a [u8]>,
    /// By a configured proxy.
    forwarded: Option<&'a [u8]>,
}

impl Links {
    /// The error says why nothing is answered: names contradict each other.
    pub fn addressed(&self, uri: &Uri, headers: &HeaderMap, peer: &Peer, proxies: &Networks) -> Result<Host, &'static str> {
        let behind_proxy = proxies.contains(peer.address.to_canonical());
        let said = match HostHeaders::read(uri, headers, behind_proxy) {
            Ok(said) => said,
            // Only a server with further hosts has something to mix up.
            Err(why) if !self.hosts.is_empty() => return Err(why),
            Err(_) => return Ok(Host::Unknown),
        };
        let (own, forwarded) = (self.known(said.own), self.known(said.forwarded));
        let named = match said.forwarded {
            None => own,
            // A proxy that passes on what the caller wrote would let one host's cache keep another's file.
            Some(_) if own != Host::Unknown && own != forwarded => {
                return Err("Host and X-Forwarded-Host name different hosts");
            }
            Some(_) => forwarded,
        };
        match &peer.transport {
            Transport::Tls { server_name } if !behind_proxy => self.fitting(named, server_name.as_deref()),
            _ => Ok(named),
        }
    }

    /// Where a page is that was asked for under another name of a developer's own machine. Under that name the browser has no cookie of
    /// ours. Nothing of the name comes into the address. Its port is the issuer's: a proxy with a port of its own would lead back here.
    pub fn under_own_name(&self, config: &Config, uri: &Uri, headers: &HeaderMap) -> Option<String> {
        if !config.development || !config.issuer.starts_with("http://") {
            return None;
        }
        // A proxy may have written this name.
        if headers.keys().any(|name| matches!(name.as_str(), "forwarded" | "via") || name.as_str().starts_with("x-forwarded-")) {
            return None;
        }
        let asked = std::str::from_utf8(HostHeaders::read(uri, headers, false).ok()?.own?).ok()?;
        let (name, own_name) = (without_port(asked), without_port(&self.issuer));
        let is_same_port = asked.strip_prefix(name) == self.issuer.strip_prefix(own_name);
        if name == own_name || !is_same_port || !is_own_machine(name) || !is_own_machine(own_name) {
            return None;
        }
        let path = uri.path_and_query().map(|it| it.as_str()).filter(|it| it.is_ascii())?;
        Some(format!("http://{}{path}", self.issuer))
    }

    fn known(&self, name: Option<&[u8]>) -> Host {
        let Some(name) = name.and_then(|it| std::str::from_utf8(it).ok()) else { return Host::Unknown };
        if name == self.issuer {
            return Host::Issuer;
        }
        if self.hosts.contains_key(name) { Host::Further(name.to_owned()) } else { Host::Unknown }
    }

    /// The name in the handshake chose the certificate of the connection. It is the certificate of the host that is asked for.
    fn fitting(&self, named: Host, server_name: Option<&str>) -> Result<Host, &'static str> {
        let fits = |authority: &str| match server_name {
            Some(sni) => sni.eq_ignore_ascii_case(without_port(authority)),
            // There is no such name for an address (RFC 6066 3).
            None => is_ip(without_port(authority)),
        };
        let sni_is_further = || server_name.is_some_and(|sni| self.hosts.keys().any(|host| sni.eq_ignore_ascii_case(without_port(host))));
        match &named {
            Host::Issuer if fits(&self.issuer) => Ok(named),
            Host::Further(host) if fits(host) => Ok(named),
            Host::Further(_) => Err("the name in the TLS handshake is another than the host's"),
            _ if sni_is_further() => Err("the name in the TLS handshake is of a further host"),
            Host::Issuer | Host::Unknown => Ok(Host::Unknown),
        }
    }
}

impl<'a> HostHeaders<'a> {
    fn read(uri: &'a Uri, headers: &'a HeaderMap, behind_proxy: bool) -> Result<Self, &'static str> {
        let mut hosts = headers.get_all(header::HOST).iter().map(|it| it.as_bytes());
        let (host, second) = (hosts.next(), hosts.next());
        if second.is_some() {
            return Err("Host is there twice");
        }
        let authority = uri.authority().map(|it| it.as_str().as_bytes());
        if authority.is_some() && host.is_some() && authority != host {
            return Err("the address and Host name different hosts");
        }
        let mut forwarded = list(headers, "x-forwarded-host").filter(|_| behind_proxy);
        let (first, second) = (forwarded.next(), forwarded.next());
        if second.is_some() {
            return Err("X-Forwarded-Host names several hosts");
        }
        Ok(Self { own: authority.or(host), forwarded: first })
    }
}

pub fn without_port(authority: &str) -> &str {
    let is_port = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    authority.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(authority, |(name, _)| name)
}

fn is_ip(host: &str) -> bool {
    host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use http::HeaderValue;

    type Found = Result<Host, &'static str>;
    const ISSUER: Found = Ok(Host::Issuer);
    const UNKNOWN: Found = Ok(Host::Unknown);

    fn further() -> Found {
        Ok(Host::Further("links.example.com".to_owned()))
    }

    fn links(hosts: bool) -> Links {
        let hosts =
            if hosts { "[host.\"links.example.com\"]\nowner = \"shop\"\n[host.\"other.example.com\"]\nowner = \"other\"\n" } else { "" };
        Links::new(&Config::from_text(&format!("issuer = \"https://login.example.com/tenant\"\n{hosts}"), "x", &|_| None).unwrap())
    }

    fn asked(links: &Links, uri: &str, lines: &[(&'static str, &str)], peer: &str, transport: Transport) -> Found {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let peer = Peer { address: peer.parse().unwrap(), certificates: None, transport };
        links.addressed(&uri.parse().unwrap(), &headers, &peer, &Networks::parse(&["10.0.0.1"]).unwrap())
    }

    /// 040-R, 561-V: the name is compared whole. One that equals no configured name belongs to nobody.
    #[test]
    fn a_host_is_named_exactly() {
        let links = links(true);
        let host = |name: &str| asked(&links, "/x", &[("host", name)], "192.0.2.1", Transport::Plain);
        assert_eq!((host("login.example.com"), host("links.example.com")), (ISSUER, further()));
        for other in [
            "LINKS.example.com",
            "links.example.com:443",
            "links.example.com.",
            "links.example.com:80",
            " ",
            "evil.example",
            "links.example.com@evil.example",
            "evil.example#links.example.com",
            "links.example.com\u{e9}",
        ] {
            assert_eq!(host(other), UNKNOWN, "{other}");
        }
        assert_eq!(asked(&links, "/x", &[], "192.0.2.1", Transport::Plain), UNKNOWN, "absent is nobody's");
        assert_eq!(asked(&links, "https://links.example.com/x", &[], "192.0.2.1", Transport::Plain), further());
        assert_eq!(
            asked(&links, "https://links.example.com/x", &[("host", "links.example.com")], "192.0.2.1", Transport::Plain),
            further()
        );
        for lines in [
            &[("host", "links.example.com"), ("host", "links.example.com")][..],
            &[("host", "links.example.com"), ("host", "login.example.com")],
        ] {
            assert!(asked(&links, "/x", lines, "192.0.2.1", Transport::Plain).is_err(), "{lines:?}");
        }
        assert!(asked(&links, "https://links.example.com/x", &[("host", "login.example.com")], "192.0.2.1", Transport::Plain).is_err());
    }

    /// 040-R: a forwarded name counts from a configured proxy alone, once, and where it contradicts nothing.
    #[test]
    fn a_proxys_word_counts_where_it_is_configured() {
        let links = links(true);
        let ask = |peer: &str, lines: &[(&'static str, &str)]| asked(&links, "/x", lines, peer, Transport::Plain);
        let upstream = ("host", "10.0.0.7:8080");
        assert_eq!(ask("10.0.0.1", &[upstream, ("x-forwarded-host", "links.example.com")]), further());
        assert_eq!(ask("10.0.0.1", &[("host", "links.example.com"), ("x-forwarded-host", "links.example.com")]), further());
        assert_eq!(ask("10.0.0.1", &[("host", "links.example.com")]), further(), "the proxy keeps Host");
        assert_eq!(ask("192.0.2.1", &[upstream, ("x-forwarded-host", "links.example.com")]), UNKNOWN, "nobody's proxy");
        assert_eq!(ask("192.0.2.1", &[("host", "login.example.com"), ("x-forwarded-host", "links.example.com")]), ISSUER);
        assert_eq!(ask("10.0.0.1", &[upstream, ("x-forwarded-host", "evil.example")]), UNKNOWN);
        for lines in [
            &[upstream, ("x-forwarded-host", "evil.example, links.example.com")][..],
            &[upstream, ("x-forwarded-host", "links.example.com"), ("x-forwarded-host", "links.example.com")],
            &[("host", "login.example.com"), ("x-forwarded-host", "links.example.com")],
            &[("host", "other.example.com"), ("x-forwarded-host", "links.example.com")],
            &[("host", "links.example.com"), ("x-forwarded-host", "evil.example")],
        ] {
            assert!(ask("10.0.0.1", lines).is_err(), "{lines:?}");
        }
    }

    /// 040-R: on a connection of ours the certificate is the one of the host that is asked for.
    #[test]
    fn the_handshake_names_the_same_host() {
        let links = links(true);
        let ask = |host: &str, sni: Option<&str>| {
            asked(&links, "/x", &[("host", host)], "192.0.2.1", Transport::Tls { server_name: sni.map(str::to_owned) })
        };
        assert_eq!(ask("links.example.com", Some("links.example.com")), further());
        assert_eq!(ask("login.example.com", Some("login.example.com")), ISSUER);
        for (host, sni) in [
            ("links.example.com", None),
            ("links.example.com", Some("login.example.com")),
            ("links.example.com", Some("other.example.com")),
            ("login.example.com", Some("links.example.com")),
            ("evil.example", Some("links.example.com")),
        ] {
            assert!(ask(host, sni).is_err(), "{host} {sni:?}");
        }
        // No further host is in play: the issuer's other addresses are answered, its files are not.
        assert_eq!((ask("login.example.com", None), ask("login.example.com", Some("evil.example"))), (UNKNOWN, UNKNOWN));
        // A proxy may connect by TLS under a name of its own.
        let proxied = asked(
            &links,
            "/x",
            &[("host", "up"), ("x-forwarded-host", "links.example.com")],
            "10.0.0.1",
            Transport::Tls { server_name: None },
        );
        assert_eq!(proxied, further());
    }

    #[test]
    fn a_server_without_further_hosts_mixes_nothing_up() {
        let links = links(false);
        let ask = |lines: &[(&'static str, &str)]| asked(&links, "/x", lines, "192.0.2.1", Transport::Plain);
        assert_eq!(ask(&[("host", "login.example.com"), ("host", "evil.example")]), UNKNOWN);
        assert_eq!(ask(&[("host", "login.example.com")]), ISSUER);
    }
}
