//! The keys above the first table: who the server is, where it listens and where it keeps things.

use super::docs::{Key, Kind, Presence, Section, defaulted, optional, required};
use super::url::read_url;
use serde::Deserialize;
use std::num::{NonZero, NonZeroU32};
use std::path::PathBuf;

pub(super) const SECTION: Section = Section {
    path: "",
    title: "The server",
    text: "Who the server is, where it listens and where it keeps things. These keys stand above the first table.",
    presence: Presence::Defaults,
    keys: KEYS,
    example: r#"
issuer = "https://login.example.com"
listen = "0.0.0.0:443"
database = "sqlite:/var/lib/symbolon/symbolon.db"
"#,
};

const KEYS: &[Key] = &[
    required(
        "issuer",
        Kind::Text,
        r#""https://login.example.com""#,
        "The URL that clients and APIs know this server by. It begins with https, may have a path and has no slash at its end.",
    ),
    defaulted("listen", Kind::Text, r#""127.0.0.1:8080""#, "Address and port to listen on. The variable SYMBOLON_LISTEN comes first."),
    defaulted(
        "database",
        Kind::Text,
        r#""sqlite:symbolon.db""#,
        "`sqlite:PATH`, or `postgres://user:password@host/name?sslmode=verify-full&sslrootcert=/path/to/ca.pem`. On another machine `sslmode` is \
         required: [deployment.md](deployment.md). The variable SYMBOLON_DATABASE comes first.",
    ),
    optional(
        "database_connections",
        Kind::Number,
        "two for each core, and from 8 to 64",
        "32",
        "How many connections to PostgreSQL one node holds at most, and at least 2. A start needs one more for a moment. A pooler between \
         must lend them for whole sessions. SQLite needs none.",
    ),
    defaulted(
        "master_key",
        Kind::Secret,
        r#"{ file = "symbolon.key" }"#,
        "The key under which everything secret in the store is sealed. Its lines are VERSION:KEY, newest first. The variable \
         SYMBOLON_MASTER_KEY comes first.",
    ),
    optional(
        "trusted_proxies",
        Kind::Networks,
        "none",
        r#"["10.0.0.0/8"]"#,
        "Proxies whose X-Forwarded-For header is believed. Name the proxies and nothing else.",
    ),
    optional(
        "country_header",
        Kind::Text,
        "none",
        r#""cf-ipcountry""#,
        "The header in which these proxies say the caller's country, in two letters (ISO 3166-1). They must set it for every request. Pages \
         about televisions show it, and `network = \"same_country\"` of [client.ID.device] needs it.",
    ),
    defaulted(
        "connections_per_address",
        Kind::Number,
        "1000",
        "How many connections one address may hold at a time. With IPv6, a /64 network counts as one address. Proxies are not counted.",
    ),
    defaulted(
        "admin_socket",
        Kind::Path,
        r#""symbolon.sock""#,
        "Where a running server listens to `symbolon` commands. Only the server's own user can open it.",
    ),
    optional(
        "metrics",
        Kind::Text,
        "none",
        r#""127.0.0.1:9464""#,
        "Address and port of /metrics, for Prometheus. Take a port that nobody outside can reach.",
    ),
    optional(
        "templates",
        Kind::Path,
        "our own pages",
        r#""pages""#,
        "A directory with page templates, styles and messages of your own: [branding.md](branding.md).",
    ),
    defaulted(
        "assurance",
        Kind::OneOf(&["address", "proved"]),
        r#""address""#,
        "What makes the https redirect URI of an app say who the app is. `address`: that it is https. `proved`: that the association files of its \
         host have named the app within 30 days; else people are asked every time, and `prompt=none` gets `consent_required`. `symbolon check` \
         names the clients that would lose: [links.md](links.md#assured-links).",
    ),
    optional(
        "plugin_cache",
        Kind::Path,
        "plug-ins are compiled at each start",
        r#""compiled""#,
        "A directory for compiled plug-ins, the server's alone (mode 0700). A file counts only with a MAC under the master key.",
    ),
    defaulted("development", Kind::Flag, "false", "**UNSAFE.** Allows an http issuer on a loopback address, for your own machine."),
];

/// What makes an app's https address say who the app is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Assurance {
    #[default]
    Address,
    Proved,
}

pub(super) fn listen() -> String {
    "127.0.0.1:8080".to_owned()
}

#[expect(clippy::unnecessary_wraps, reason = "a default of serde's")]
pub(super) fn admin_socket() -> Option<PathBuf> {
    Some(PathBuf::from("symbolon.sock"))
}

/// Many phones can stand behind one address of a carrier.
pub(super) fn connections_per_address() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(999)
}

/// A core of ours keeps about two connections busy. A small machine needs some for what waits.
pub(super) fn database_connections() -> NonZeroU32 {
    let cores = std::thread::available_parallelism().map_or(2, NonZero::get);
    NonZeroU32::try_from(u32::try_from(2 * cores).unwrap_or(64).clamp(8, 64)).unwrap_or(NonZeroU32::MIN)
}

pub(super) fn database() -> String {
    "sqlite:symbolon.db".to_owned()
}

/// The names of a machine for itself, as an address of http has them. An issuer of http has one of these.
pub fn is_own_machine(host: &str) -> bool {
    matches!(host, "127.0.0.1" | "[::1]" | "localhost")
}

pub(super) fn problems(issuer: &str, development: bool) -> Vec<String> {
    let Some(url) = read_url(issuer) else {
        return vec!["issuer is not a URL".to_owned()];
    };
    let mut found = Vec::new();
    if url.query().is_some() || url.fragment().is_some() || issuer.ends_with('/') {
        found.push("issuer has no query, no fragment and no slash at its end (RFC 8414 2)".to_owned());
    }
    let loopback = url.host_str().is_some_and(is_own_machine);
    match url.scheme() {
        "https" => {}
        "http" if loopback && development => {}
        "http" if loopback => found.push("an http issuer needs development = true, which is for your own machine only".to_owned()),
        "http" if development => {
            let what = "development = true allows http for this machine's own addresses alone (127.0.0.1, [::1], localhost)";
            found.push(format!("issuer must begin with https://: {what}"));
        }
        _ => found.push("issuer must begin with https://".to_owned()),
    }
    found
}

pub(super) fn country_problems(header: Option<&str>, has_proxies: bool) -> Option<String> {
    let header = header?;
    if http::HeaderName::try_from(header).is_err() {
        return Some("country_header is no name of a header".to_owned());
    }
    (!has_proxies).then(|| "country_header is believed from trusted_proxies alone: name them".to_owned())
}

#[cfg(test)]
mod tests {
    use super::problems;

    #[test]
    fn an_http_issuer_of_the_network_is_told_what_development_allows() {
        let said = |issuer: &str, development: bool| problems(issuer, development).join("\n");
        assert_eq!(said("http://127.0.0.1:8091", true), "", "the twin");
        assert!(said("http://192.168.1.5:8091", true).contains("own addresses alone"));
        let plain = said("http://192.168.1.5:8091", false);
        assert!(plain.contains("must begin with https://") && !plain.contains("development"), "{plain}");
    }
}
