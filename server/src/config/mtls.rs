//! `[mtls]`: client certificates. RFC 8705.

use super::docs::{Key, Kind, Presence, Section, optional, required};
use super::networks::Networks;
use super::url::read_url;
use serde::Deserialize;

pub(super) const SECTION: Section = Section {
    path: "mtls",
    title: "Client certificates",
    text: "Clients may show certificates (RFC 8705): to a listener of the server's own, or to a proxy that passes them on. At least one of `listen` \
           and `client_cert_from` is needed.",
    presence: Presence::Absent,
    keys: KEYS,
    example: r#"
[mtls]
url = "https://mtls.login.example.com"
listen = "0.0.0.0:8443"
"#,
};

const KEYS: &[Key] = &[
    required(
        "url",
        Kind::Text,
        r#""https://mtls.login.example.com""#,
        "What stands in front of the paths of `mtls_endpoint_aliases` in the metadata, the issuer's path included. It begins with https and has \
         no slash at its end.",
    ),
    optional(
        "listen",
        Kind::Text,
        "no such listener",
        r#""0.0.0.0:8443""#,
        "Address and port of a second listener that asks for certificates. It needs the table `[tls]`.",
    ),
    optional(
        "client_cert_from",
        Kind::Networks,
        "none",
        r#"["10.0.0.0/8"]"#,
        "Proxies that end TLS and whose Client-Cert header (RFC 9440) is believed. They must remove that header from what a caller sends.",
    ),
];

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mtls {
    pub url: String,
    #[serde(default)]
    pub listen: Option<String>,
    #[serde(default)]
    pub client_cert_from: Networks,
}

impl Mtls {
    pub(super) fn problems(&self, has_tls: bool) -> Vec<String> {
        let mut found = Vec::new();
        if self.listen.is_some() && !has_tls {
            found.push("[mtls] listen: client certificates need the table [tls]".to_owned());
        }
        if self.listen.is_none() && self.client_cert_from.is_empty() {
            found.push("[mtls] needs listen, or client_cert_from: otherwise nobody can show a certificate".to_owned());
        }
        if read_url(&self.url).is_none_or(|it| it.scheme() != "https") || self.url.ends_with('/') {
            found.push("[mtls] url must begin with https:// and has no slash at its end".to_owned());
        }
        found
    }
}
