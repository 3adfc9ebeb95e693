//! Where a client comes from, and so how far its own words are believed.

use super::super::url::authority;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use symbolon_oauth::redirect::{RedirectKind, kind_of};

/// Nothing that is read from a file or from the store says it: whoever finds a client sets it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origin {
    /// An operator wrote it down, or imported it.
    #[default]
    Operator,
    /// Nobody of this server has looked at it: it registered itself.
    Stranger(Box<Stranger>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// The `[client_registration.NAME]`.
    pub policy: String,
    /// Hosts whose word counts for its addresses.
    pub proved: Proved,
    /// Redirect URIs that do not count before their scheme is proved.
    pub waiting: Vec<String>,
    /// What people agreed to before is not agreed to any more: it was another client's word.
    pub changed_ms: i64,
    /// Until when its row stays, unless it is used.
    pub until_ms: i64,
    /// How long it stays after it was used for the last time.
    pub kept_ms: i64,
    /// Where its keys are (RFC 7591 2, `jwks_uri`). None: in its metadata, or it has none.
    pub keys_uri: Option<String>,
}

/// Hosts whose word counts for the addresses of a client that registered itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proved {
    /// Their owner has said that the client is theirs.
    pub hosts: BTreeSet<String>,
    /// Their word counts for https addresses and for no scheme: an operator vouches for them, or they serve the client's document.
    pub for_https: BTreeSet<String>,
}

impl Proved {
    pub fn vouches_for(&self, uri: &str) -> bool {
        let is_https = kind_of(uri) == Some(RedirectKind::ClaimedHttps);
        proving_host(uri).is_some_and(|host| self.hosts.contains(&host) || (is_https && self.for_https.contains(&host)))
    }
}

/// The host whose owner can vouch for an address: that of an https address, or the one that a private-use scheme reverses.
/// `None`: nobody can, as for a loopback address, or for a scheme that reverses a public suffix.
pub fn proving_host(uri: &str) -> Option<String> {
    match kind_of(uri)? {
        RedirectKind::ClaimedHttps => authority(uri),
        RedirectKind::Loopback => None,
        RedirectKind::PrivateScheme => {
            let labels: Vec<&str> = uri.split(':').next()?.split('.').rev().collect();
            let host = labels.join(".");
            // A name that belongs to somebody, written as it is looked up.
            let is_plain =
                host.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'.')) && host.parse::<Ipv4Addr>().is_err();
            let is_name = is_plain && authority(&format!("https://{host}/")).as_deref() == Some(host.as_str());
            (is_name && psl::domain_str(&host).is_some()).then_some(host)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::section::Client;
    use super::super::words::ClientKind;
    use super::*;

    /// 502-G, 017-R
    #[test]
    fn an_address_is_proved_by_the_one_host_that_owns_it() {
        for (uri, host) in [
            ("https://app.example.com/cb", Some("app.example.com")),
            ("https://app.example.com:8443/cb", Some("app.example.com:8443")),
            ("com.example.app:/cb", Some("app.example.com")),
            ("io.github.somebody:/cb", Some("somebody.github.io")),
            ("http://127.0.0.1/cb", None),
            ("http://[::1]:5/cb", None),
            ("uk.co:/cb", None),
            ("com.uk:/cb", None),
            ("io.github:/cb", None),
            ("com.exa+mple:/cb", None),
            ("1.0.0.127:/cb", None),
            ("myapp:/cb", None),
        ] {
            assert_eq!(proving_host(uri).as_deref(), host, "{uri}");
        }
    }

    #[test]
    fn only_a_proved_host_of_a_stranger_is_trusted() {
        let mut client = Client::new(ClientKind::Web);
        assert!(client.is_trusted_at("https://any.example/cb"), "an operator's");
        let names = |name: &str| BTreeSet::from([name.to_owned()]);
        let stranger = Stranger {
            policy: "p".to_owned(),
            proved: Proved { hosts: names("app.example.com"), for_https: names("web.example.com") },
            waiting: Vec::new(),
            changed_ms: 0,
            until_ms: 0,
            kept_ms: 0,
            keys_uri: None,
        };
        client.origin = Origin::Stranger(Box::new(stranger));
        assert!(client.is_trusted_at("https://app.example.com/cb") && client.is_trusted_at("com.example.app:/cb"));
        assert!(client.is_trusted_at("https://web.example.com/cb"));
        for other in [
            "com.example.web:/cb",
            "https://app.example.com.evil.test/cb",
            "https://sub.app.example.com/cb",
            "https://app.example.com:8443/cb",
            "http://127.0.0.1/cb",
            "com.example:/cb",
            "",
        ] {
            assert!(!client.is_trusted_at(other), "{other}");
        }
    }
}
