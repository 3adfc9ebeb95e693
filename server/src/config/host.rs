//! `[host.NAME]`: a further host name of this server, which carries the association files of one owner.

use super::docs::{Kind, Presence, Section, defaulted, optional, required};
use super::url::read_url;
use serde::Deserialize;
use std::path::PathBuf;

pub(super) const SECTION: Section = Section {
    path: "host.NAME",
    title: "Further hosts for links",
    text: "A further host name of this server, in quotation marks, with its port if that is not 443. It carries the association files of one owner's \
           apps and nothing else. The redirect URIs of those apps are on it: [links.md](links.md).",
    presence: Presence::Absent,
    keys: &[
        required("owner", Kind::Text, r#""shop""#, "Whose apps open the links of this host: the `owner` of clients."),
        defaulted(
            "continue_page",
            Kind::Flag,
            "false",
            "The host has continue pages, and no link that opens an app: [links.md](links.md#the-continue-page).",
        ),
        optional(
            "certificate",
            Kind::Path,
            "a proxy speaks TLS",
            r#""links.shop.example.pem""#,
            "The certificate of this host, in PEM. Required with `[tls]`, and read again when it changes.",
        ),
        optional("key", Kind::Path, "a proxy speaks TLS", r#""links.shop.example.key""#, "The private key of the certificate, in PEM."),
    ],
    example: r#"
[host."links.shop.example"]
owner = "shop"
certificate = "/etc/symbolon/links.shop.example.pem"
key = "/etc/symbolon/links.shop.example.key"
"#,
};

/// A further host of this server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkHost {
    pub owner: String,
    #[serde(default)]
    pub continue_page: bool,
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    #[serde(default)]
    pub key: Option<PathBuf>,
}

impl LinkHost {
    /// `tls`: this server speaks TLS itself.
    pub(super) fn problems(&self, name: &str, tls: bool) -> Vec<String> {
        let mut found = Vec::new();
        let url = read_url(&format!("https://{name}/"));
        let is_written_so = !name.contains(['/', '?', '#', '@']) && url.is_some_and(|it| it.as_str() == format!("https://{name}/"));
        if !is_written_so {
            found.push("write the name in lower case, with nothing but a port behind it".to_owned());
        }
        if self.owner.is_empty() {
            found.push("owner is empty".to_owned());
        }
        match (tls, self.certificate.is_some(), self.key.is_some()) {
            (true, true, true) | (false, false, false) => {}
            (true, ..) => found.push("certificate and key are missing: this server speaks TLS itself ([tls])".to_owned()),
            (false, ..) => found.push("certificate and key are of use with [tls] alone; without it the proxy has them".to_owned()),
        }
        found.into_iter().map(|it| format!("[host.{name:?}]: {it}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_in_its_one_spelling() {
        let host = LinkHost { owner: "shop".to_owned(), continue_page: false, certificate: None, key: None };
        for good in ["links.shop.example", "links.shop.example:8443", "xn--bcher-kva.example"] {
            assert!(host.problems(good, false).is_empty(), "{good}");
        }
        for bad in [
            "Links.shop.example",
            "links.shop.example/",
            "u@links.shop.example",
            "links.shop.example:443",
            "https://links.shop.example",
            "",
            "a b",
            "b\u{fc}cher.example",
        ] {
            assert_eq!(host.problems(bad, false).len(), 1, "{bad}");
        }
        assert_eq!(host.problems("links.shop.example", true).len(), 1, "TLS without a certificate");
    }
}
