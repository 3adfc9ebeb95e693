//! The guard's configuration: one file in TOML. An unknown key is an error. docs/guard.md explains each key.

use crate::origins::is_origin;
use crate::path::Pattern;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use symbolon_oauth::certificate::parse_net;
use symbolon_oauth::scope::Scope;
use url::{Host, Url};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Byte for byte as in the server's metadata.
    pub issuer: String,
    /// Forward-auth, for nginx, Caddy and Traefik.
    pub listen: Option<SocketAddr>,
    /// Envoy's `ext_authz` over gRPC.
    pub grpc: Option<SocketAddr>,
    /// /metrics and /health.
    pub metrics: Option<SocketAddr>,
    /// The proxies that may ask, as addresses or CIDR blocks.
    #[serde(default = "loopback")]
    pub proxies: Vec<String>,
    /// How many guards answer for the same APIs.
    #[serde(default = "one")]
    pub replicas: u32,
    /// How several guards see a DPoP proof that was used at another one.
    pub replay: Option<Replay>,
    #[serde(default)]
    pub api: BTreeMap<String, Api>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replay {
    /// The balancer sends all calls with one key to one guard.
    RoutedByKey,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// The resource identifier.
    pub audience: String,
    /// The URL under which apps reach the API. With it, DPoP is offered.
    pub public_url: Option<String>,
    /// The API's own name and secret at the server, for opaque tokens and for what ended early.
    pub credentials: Option<Credentials>,
    /// Tokens may be bound to certificates. The proxy then passes the certificate on.
    #[serde(default)]
    pub client_certificates: bool,
    /// The API gets the token too.
    #[serde(default)]
    pub pass_token: bool,
    /// CORS preflights go to the API without a token.
    #[serde(default)]
    pub preflight: bool,
    /// Browser apps of these origins can read why a call was refused.
    #[serde(default)]
    pub origins: Vec<String>,
    /// Further claims that the API gets.
    #[serde(default)]
    pub claims: Vec<String>,
    /// 32 bytes in base64url that all guards share.
    pub nonce_key: Option<Source>,
    /// How many proofs are remembered.
    pub replay_capacity: Option<usize>,
    #[serde(default)]
    pub routes: Vec<Route>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    pub name: String,
    pub secret: Source,
}

/// Where a secret is kept: never in this file.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    File(PathBuf),
    Env(String),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    pub path: String,
    /// Absent: every method.
    pub methods: Option<Vec<String>>,
    pub scope: Option<String>,
    /// Every token for this API will do.
    #[serde(default)]
    pub any_scope: bool,
    /// No token is needed, and none is read.
    #[serde(default)]
    pub public: bool,
    #[serde(default)]
    pub acr_values: Vec<String>,
    pub max_age_s: Option<u32>,
    /// Bearer tokens are refused.
    #[serde(default)]
    pub require_dpop: bool,
    /// Each proof holds a nonce of the guard.
    #[serde(default)]
    pub require_nonce: bool,
    #[serde(default)]
    pub websocket: bool,
    /// Foreign tokens are let through for a while, to the API's old check.
    pub observe: Option<Observe>,
}

/// Observe mode authenticates nobody.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observe {
    /// `iss` of the tokens, byte for byte; `unknown` for those that are no JWT.
    pub issuers: Vec<String>,
    /// The last day, as 2026-12-31 (UTC). From the next one on the route refuses foreign tokens.
    pub until: String,
    /// The header in which the app says its version.
    pub version_header: Option<String>,
}

impl Observe {
    /// The first second after the last day.
    pub fn until_s(&self) -> Option<i64> {
        let day: jiff::civil::Date = self.until.parse().ok()?;
        let end = day.tomorrow().ok()?.at(0, 0, 0, 0);
        Some(jiff::tz::Offset::UTC.to_timestamp(end).ok()?.as_second())
    }

    fn problems(&self, issuer: &str) -> Vec<String> {
        let mut found = Vec::new();
        if self.issuers.is_empty() || self.issuers.iter().any(|it| it.is_empty() || it == issuer) {
            found.push("observe: issuers lists the issuers of foreign tokens, and never your own".to_owned());
        }
        if self.until_s().is_none() {
            found.push("observe: until is the last day, such as \"2026-12-31\"".to_owned());
        }
        if self.version_header.as_ref().is_some_and(|it| http::HeaderName::try_from(it.as_str()).is_err()) {
            found.push("observe: version_header is the name of a header".to_owned());
        }
        found
    }
}

fn loopback() -> Vec<String> {
    vec!["127.0.0.0/8".to_owned(), "::1".to_owned()]
}

fn one() -> u32 {
    1
}

impl Config {
    /// Reads a file. Relative files of secrets begin at its directory. The error says everything that is wrong.
    pub fn load(path: &Path) -> Result<Self, String> {
        let show = path.display();
        let text = std::fs::read_to_string(path).map_err(|it| format!("cannot read {show}: {it}"))?;
        Self::parse(&text, path.parent().unwrap_or(Path::new("."))).map_err(|it| format!("{show}: {it}"))
    }

    pub fn parse(text: &str, base: &Path) -> Result<Self, String> {
        let mut config: Self = toml::from_str(text).map_err(|it| it.to_string())?;
        for api in config.api.values_mut() {
            let sources = api.credentials.as_mut().map(|it| &mut it.secret).into_iter().chain(api.nonce_key.as_mut());
            sources.for_each(|it| it.begin_at(base));
        }
        let problems = config.problems();
        if problems.is_empty() { Ok(config) } else { Err(problems.join("\n")) }
    }

    fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if !is_safe_url(&self.issuer) {
            found.push("issuer: an https URL (http on a loopback address alone)".to_owned());
        }
        if self.listen.is_none() && self.grpc.is_none() {
            found.push("listen or grpc: the guard answers nobody".to_owned());
        }
        let unread = self.proxies.iter().filter(|it| parse_net(it).is_none());
        found.extend(unread.map(|it| format!("proxies: {it} is neither an address nor a CIDR block")));
        if self.proxies.is_empty() {
            found.push("proxies: nobody may ask".to_owned());
        }
        if self.api.is_empty() {
            found.push("[api.NAME]: there is no API to guard".to_owned());
        }
        for (name, api) in &self.api {
            found.extend(api.problems(self).into_iter().map(|it| format!("[api.{name}]: {it}")));
        }
        found
    }
}

impl Api {
    fn problems(&self, config: &Config) -> Vec<String> {
        let mut found = Vec::new();
        if Url::parse(&self.audience).is_err() {
            found.push("audience: the API's resource identifier, an absolute URI".to_owned());
        }
        if self.public_url.as_deref().is_some_and(|it| !is_safe_url(it) || it.contains(['?', '#'])) {
            found.push("public_url: an https URL without query (http on a loopback address alone)".to_owned());
        }
        if config.replicas == 0 {
            found.push("replicas: at least 1".to_owned());
        }
        if config.replicas > 1 && self.public_url.is_some() {
            if config.replay.is_none() {
                found.push(
                    "several guards (replicas) do not see each other's proofs: a stolen one works once at each. Let the balancer send all calls \
                     of one key to one guard, and say so: replay = \"routed_by_key\""
                        .to_owned(),
                );
            }
            if self.nonce_key.is_none() {
                found.push("several guards (replicas) need one nonce_key".to_owned());
            }
        }
        if self.replay_capacity.is_some_and(|it| it < 8) {
            found.push("replay_capacity: at least 8".to_owned());
        }
        let is_name = |name: &String| {
            !name.is_empty() && name.len() <= 64 && name.bytes().all(|it| it.is_ascii_alphanumeric() || b"_-".contains(&it))
        };
        found.extend(self.claims.iter().filter(|it| !is_name(it)).map(|it| format!("claims: {it:?} cannot be a part of a header's name")));
        let headers: BTreeSet<String> = self.claims.iter().map(|it| it.to_ascii_lowercase().replace('_', "-")).collect();
        if headers.len() < self.claims.len() {
            found.push("claims: two of them have the same header".to_owned());
        }
        found.extend(
            self.origins
                .iter()
                .filter(|it| !is_origin(it))
                .map(|it| format!("origins: {it:?} is no origin such as https://app.example.com")),
        );
        if self.routes.is_empty() {
            found.push("routes: every call would be refused".to_owned());
        }
        for (at, route) in self.routes.iter().enumerate() {
            found.extend(route.problems(self, &config.issuer).into_iter().map(|it| format!("route {} ({}): {it}", at + 1, route.path)));
        }
        found
    }
}

impl Route {
    fn problems(&self, api: &Api, issuer: &str) -> Vec<String> {
        let mut found = Vec::new();
        if let Err(why) = Pattern::parse(&self.path) {
            found.push(format!("path: {why}"));
        }
        let is_method =
            |method: &String| !method.is_empty() && method.len() <= 32 && method.bytes().all(|it| it.is_ascii_uppercase() || it == b'-');
        if self.methods.as_ref().is_some_and(|it| it.is_empty() || !it.iter().all(is_method)) {
            found.push("methods: names in capital letters, such as [\"GET\", \"HEAD\"]".to_owned());
        }
        if self.scope.as_deref().is_some_and(|scope| Scope::parse(scope).is_none_or(|it| it.iter().count() != 1)) {
            found.push("scope: one scope".to_owned());
        }
        if usize::from(self.scope.is_some()) + usize::from(self.any_scope) + usize::from(self.public) != 1 {
            found.push("exactly one of scope = \"...\", any_scope = true and public = true".to_owned());
        }
        let asks = self.require_dpop || self.require_nonce || !self.acr_values.is_empty() || self.max_age_s.is_some();
        if self.public && asks {
            found.push("a public route reads no token, so it can require nothing of one".to_owned());
        }
        if (self.require_dpop || self.require_nonce) && api.public_url.is_none() {
            found.push("require_dpop and require_nonce need the API's public_url".to_owned());
        }
        if self.require_nonce && !self.require_dpop {
            found.push("require_nonce: a bearer token has no proof that could hold one; add require_dpop = true".to_owned());
        }
        found.extend(self.observe.iter().flat_map(|it| it.problems(issuer)));
        if self.observe.is_some() && (self.public || self.require_dpop) {
            found.push("observe: not for a public route, and not for one that requires DPoP".to_owned());
        }
        if self
            .acr_values
            .iter()
            .any(|value| value.is_empty() || !value.bytes().all(|it| it.is_ascii_graphic() && it != b'"' && it != b'\\'))
        {
            found.push("acr_values: names without spaces".to_owned());
        }
        found
    }
}

impl Source {
    fn begin_at(&mut self, base: &Path) {
        if let Self::File(path) = self
            && path.is_relative()
        {
            *path = base.join(&*path);
        }
    }

    /// The secret, without what editors and shells leave around it: a byte order mark, line ends, spaces and control characters.
    pub fn read(&self) -> Result<String, String> {
        let text = match self {
            Self::File(path) => read_private(path)?,
            Self::Env(name) => std::env::var(name).map_err(|_| format!("the environment variable {name} is not set, or is no text"))?,
        };
        let text = text.trim_start_matches('\u{feff}').trim_end_matches(|it: char| it.is_control() || it == ' ');
        if text.contains(|it: char| it.is_control()) {
            return Err("the secret has a control character inside".to_owned());
        }
        if text.is_empty() { Err("the secret is empty".to_owned()) } else { Ok(text.to_owned()) }
    }
}

fn read_private(path: &Path) -> Result<String, String> {
    use std::os::unix::fs::PermissionsExt;
    let show = path.display();
    let about = std::fs::metadata(path).map_err(|it| format!("cannot read {show}: {it}"))?;
    if about.permissions().mode() & 0o077 != 0 {
        return Err(format!("{show} is readable by others; run: chmod 600 {show}"));
    }
    std::fs::read_to_string(path).map_err(|it| format!("cannot read {show}: {it}"))
}

/// https, or http where nobody else listens.
fn is_safe_url(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let is_loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "https" && url.has_host() || url.scheme() == "http" && is_loopback
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde::de::DeserializeOwned;

    const GOOD: &str = r#"
issuer = "https://login.example.com"
listen = "127.0.0.1:9310"
[api.orders]
audience = "https://api.example.com/orders"
public_url = "https://api.example.com"
[[api.orders.routes]]
path = "/orders/**"
scope = "orders:read"
"#;

    fn why(text: &str) -> String {
        Config::parse(text, Path::new("/etc/guard")).map(|_| String::new()).unwrap_or_else(|it| it)
    }

    /// Each line is the good file with one change, and a word of the problem.
    #[test]
    fn a_configuration_that_cannot_be_meant_is_refused() {
        assert_eq!(why(GOOD), "");
        for (old, new, word) in [
            ("issuer = \"https", "issuer = \"http", "issuer"),
            ("listen = ", "# ", "listen or grpc"),
            ("listen = ", "proxies = [\"here\"]\nlisten = ", "proxies"),
            ("listen = ", "proxies = []\nlisten = ", "nobody may ask"),
            ("listen = ", "replicas = 2\nlisten = ", "routed_by_key"),
            ("listen = ", "replicas = 2\nreplay = \"routed_by_key\"\nlisten = ", "nonce_key"),
            ("listen = ", "replicas = 0\nlisten = ", "replicas"),
            ("listen = ", "other = 1\nlisten = ", "unknown field"),
            ("public_url = ", "claims = [\"a b\"]\npublic_url = ", "claims"),
            ("public_url = ", "origins = [\"*\"]\npublic_url = ", "origins"),
            ("public_url = ", "claims = [\"a_b\", \"A-b\"]\npublic_url = ", "the same header"),
            ("public_url = \"https", "public_url = \"http", "public_url"),
            ("audience = \"https://api.example.com", "audience = \"", "audience"),
            ("scope = \"orders:read\"", "", "exactly one"),
            ("scope = \"orders:read\"", "scope = \"\"", "one scope"),
            ("scope = \"orders:read\"", "scope = \"orders:read orders:write\"", "one scope"),
            ("scope = \"orders:read\"", "scope = \"orders:read\"\npublic = true", "exactly one"),
            ("scope = \"orders:read\"", "public = true\nrequire_dpop = true", "public route"),
            ("scope = \"orders:read\"", "any_scope = true\nmethods = []", "methods"),
            ("scope = \"orders:read\"", "any_scope = true\nmethods = [\"get\"]", "methods"),
            ("scope = \"orders:read\"", "any_scope = true\nrequire_nonce = true", "require_nonce"),
            ("path = \"/orders/**\"", "path = \"/orders/../x\"", "path"),
            ("path = ", "observe = { issuers = [], until = \"2026-12-31\" }\npath = ", "issuers lists"),
            ("path = ", "observe = { issuers = [\"https://login.example.com\"], until = \"2026-12-31\" }\npath = ", "never your own"),
            ("path = ", "observe = { issuers = [\"unknown\"], until = \"soon\" }\npath = ", "the last day"),
            ("path = ", "observe = { issuers = [\"unknown\"] }\npath = ", "until"),
            (
                "path = ",
                "observe = { issuers = [\"unknown\"], until = \"2026-12-31\", version_header = \"a b\" }\npath = ",
                "version_header",
            ),
            ("path = ", "require_dpop = true\nobserve = { issuers = [\"unknown\"], until = \"2026-12-31\" }\npath = ", "requires DPoP"),
        ] {
            let changed = GOOD.replacen(old, new, 1);
            assert_ne!(changed, GOOD, "{old}");
            assert!(why(&changed).contains(word), "{new}: {}", why(&changed));
        }
        assert!(
            why(&GOOD.replace("public_url", "# ").replace("scope = ", "require_dpop = true\nscope = "))
                .contains("need the API's public_url")
        );
        let several = "replicas = 2\nreplay = \"routed_by_key\"\nlisten = ";
        let good = GOOD.replace("listen = ", several).replace("public_url = ", "nonce_key = { file = \"nonce\" }\npublic_url = ");
        assert_eq!(why(&good), "");
        let observed = GOOD.replace("path = ", "observe = { issuers = [\"unknown\"], until = \"2026-12-31\" }\npath = ");
        assert_eq!(why(&observed), "");
        let config = Config::parse(&observed, Path::new(".")).unwrap();
        assert_eq!(config.api["orders"].routes[0].observe.as_ref().unwrap().until_s(), Some(1_798_761_600));
        assert_eq!(why(&GOOD.replace("https://login.example.com", "http://127.0.0.1:8080")), "");
    }

    #[test]
    fn a_secret_begins_at_the_files_directory() {
        let text =
            GOOD.replace("public_url = ", "credentials = { name = \"orders\", secret = { file = \"orders.secret\" } }\npublic_url = ");
        let config = Config::parse(&text, Path::new("/etc/guard")).unwrap();
        let secret = &config.api["orders"].credentials.as_ref().unwrap().secret;
        assert!(matches!(secret, Source::File(path) if path == Path::new("/etc/guard/orders.secret")));
        assert!(secret.read().unwrap_err().contains("cannot read"));
    }

    /// The keys of a table of the file, as whoever writes another one is told them.
    fn keys<T: DeserializeOwned>() -> BTreeSet<String> {
        let error = toml::from_str::<T>("no_such_key = 1").err().unwrap().to_string();
        let (_, expected) = error.split_once("unknown field `no_such_key`, expected ").unwrap();
        expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    /// The keys in the first column of a table of a page.
    fn first_column(page: &str, head: &str) -> BTreeSet<String> {
        let rows = page.lines().skip_while(|line| *line != head).skip(2).take_while(|line| line.starts_with('|'));
        let cells = rows.filter_map(|row| row.split('|').nth(1));
        cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
    }

    /// `within`: a key that is a table of its own, and so stands in a heading.
    #[test]
    fn the_page_names_every_key_and_no_other() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/guard.md");
        let page = std::fs::read_to_string(page).unwrap();
        for (head, mut keys, within) in [
            ("| key | meaning |", keys::<Config>(), "api"),
            ("| key of `[api.NAME]` | meaning |", keys::<Api>(), "routes"),
            ("| key of `credentials` | meaning |", keys::<Credentials>(), ""),
            ("| key of a route | meaning |", keys::<Route>(), ""),
            ("| key of `observe` | meaning |", keys::<Observe>(), ""),
        ] {
            assert!(keys.remove(within) || within.is_empty(), "{head}: there is no {within}");
            assert_eq!(first_column(&page, head), keys, "docs/guard.md: {head}");
        }
        assert!(page.contains("\n   [api.orders]\n") && page.contains("[[api.orders.routes]]"), "what is a table stands in the sample");
        // The twins: what is read of a page and of a table.
        let few = "| key | meaning |\n|---|---|\n| `a`, `b` | `c` |\n\n| `d` | of another table |";
        assert!(first_column(few, "| key | meaning |").iter().eq(["a", "b"]) && first_column(few, "| other |").is_empty());
        assert!(keys::<Credentials>().iter().eq(["name", "secret"]));
    }
}
