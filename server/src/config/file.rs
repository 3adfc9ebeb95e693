//! The whole file: read, and judged where values stand beside each other.

use super::api::Api;
use super::attestation::Attesting;
use super::brand::Brand;
use super::claims;
use super::client::{Client, problem_of_id};
use super::client_policy::ClientPolicy;
use super::dpop::DpopRules;
use super::enrolment::Enrolment;
use super::hints;
use super::host::LinkHost;
use super::login::{self, LoginPolicy};
use super::mail::Mail;
use super::mtls::Mtls;
use super::networks::Networks;
use super::passkeys::Passkeys;
use super::passwords::Passwords;
use super::plugin::{self, PluginSettings, PluginWorld};
use super::push::Push;
use super::registration::Registration;
use super::retention::Retention;
use super::secret::{MasterKey, environment, trim_variable};
use super::server;
use super::session::Session;
use super::signing::Signing;
use super::tls::Tls;
use super::upstream::{self, Upstream};
use super::wallet::{self, Wallet};
use crate::login::policy::Policy;
use crate::login::proof::MethodName;
use crate::seal::KeyRing;
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use symbolon_oauth::{base64url, digest};

/// What is wrong with a configuration, and where.
#[derive(Debug)]
pub struct ConfigError {
    pub file: String,
    pub problems: Vec<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            write!(f, "{}{}: {problem}", if at == 0 { "" } else { "\n" }, self.file)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// The whole file. Values are read into what the server works with; what is wrong only beside other values, `problems` finds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub issuer: String,
    #[serde(default = "server::listen")]
    pub listen: String,
    #[serde(default = "server::database")]
    pub database: String,
    #[serde(default = "server::database_connections")]
    pub database_connections: NonZeroU32,
    #[serde(default)]
    pub trusted_proxies: Networks,
    #[serde(default)]
    pub country_header: Option<String>,
    #[serde(default = "server::connections_per_address")]
    pub connections_per_address: NonZeroU32,
    #[serde(default)]
    pub tls: Option<Tls>,
    #[serde(default)]
    pub mtls: Option<Mtls>,
    #[serde(default)]
    pub host: BTreeMap<String, LinkHost>,
    #[serde(default)]
    pub master_key: MasterKey,
    #[serde(default)]
    pub brand: Brand,
    #[serde(default)]
    pub mail: Option<Mail>,
    #[serde(default)]
    pub push: Option<Push>,
    #[serde(default)]
    pub registration: Option<Registration>,
    #[serde(default)]
    pub passkeys: Passkeys,
    #[serde(default)]
    pub passwords: Passwords,
    #[serde(default)]
    pub enrolment: Enrolment,
    #[serde(default)]
    pub session: Session,
    #[serde(default)]
    pub signing: Signing,
    #[serde(default)]
    pub retention: Retention,
    #[serde(default)]
    pub dpop: DpopRules,
    #[serde(default)]
    pub attestation: Attesting,
    #[serde(default)]
    pub api: BTreeMap<String, Api>,
    #[serde(default)]
    pub client: BTreeMap<String, Client>,
    #[serde(default)]
    pub client_registration: BTreeMap<String, ClientPolicy>,
    #[serde(default)]
    pub login: BTreeMap<String, LoginPolicy>,
    #[serde(default)]
    pub upstream: BTreeMap<String, Upstream>,
    #[serde(default)]
    pub wallet: BTreeMap<String, Wallet>,
    #[serde(default)]
    pub plugin: BTreeMap<String, PluginSettings>,
    #[serde(default = "server::admin_socket")]
    pub admin_socket: Option<PathBuf>,
    #[serde(default)]
    pub metrics: Option<String>,
    #[serde(default)]
    pub templates: Option<PathBuf>,
    #[serde(default)]
    pub assurance: server::Assurance,
    #[serde(default)]
    pub plugin_cache: Option<PathBuf>,
    #[serde(default)]
    pub development: bool,
    /// SHA-256 of what every node says alike. It stays in this process: others see `digest`.
    #[serde(skip)]
    shared: [u8; 32],
}

/// What every node says alike: the values of the file in the order of their names, and the database, which the environment may name.
/// Where a node listens is its own affair.
fn shared(mut values: Map<String, Json>, database: &str) -> [u8; 32] {
    for own in ["listen", "metrics", "admin_socket", "tls"] {
        values.remove(own);
    }
    if let Some(mtls) = values.get_mut("mtls").and_then(Json::as_object_mut) {
        mtls.remove("listen");
    }
    if let Some(hosts) = values.get_mut("host").and_then(Json::as_object_mut) {
        for host in hosts.values_mut().filter_map(Json::as_object_mut) {
            host.remove("certificate");
            host.remove("key");
        }
    }
    values.insert("database".to_owned(), database.into());
    digest::sha256(Json::Object(values).to_string().as_bytes())
}

impl Config {
    pub(super) fn ground(&self) -> claims::Ground<'_> {
        claims::Ground { issuer: &self.issuer, clients: &self.client, hosts: &self.host, passkeys: &self.passkeys }
    }

    pub fn plugins(&self) -> super::plugin::Configured<'_> {
        (&self.plugin, self.plugin_cache.as_ref())
    }

    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let text =
            std::fs::read_to_string(path).map_err(|it| ConfigError { file: name.clone(), problems: vec![hints::unreadable_file(&it)] })?;
        let config = Self::from_text(&text, &name, &environment)?;
        // As `serve::base_of` has it: a file that is named alone is in the present directory.
        Ok(match path.parent() {
            Some(base) if base.as_os_str().is_empty() => config.below(Path::new(".")),
            Some(base) => config.below(base),
            None => config,
        })
    }

    /// What is wrong with a configuration that could be read: mistakes, each with where it is. Weak spots are `symbolon check`'s.
    fn problems(&self) -> Vec<String> {
        let mut found = server::problems(&self.issuer, self.development);
        found.extend(server::country_problems(self.country_header.as_deref(), !self.trusted_proxies.is_empty()));
        found.extend(self.api.iter().flat_map(|(name, api)| api.problems(name, &self.issuer, (&self.api, &self.plugin))));
        for (id, client) in &self.client {
            found.extend(problem_of_id(id).map(|it| format!("[client.{id}]: {it}")));
            found.extend(self.judge_client(client).into_iter().map(|it| format!("[client.{id}]: {it}")));
        }
        found.extend(self.problems_of_registration());
        for (name, policy) in &self.login {
            found.extend(
                policy.problems(self.mail.is_some(), &self.upstream, &self.plugin).into_iter().map(|it| format!("[login.{name}]: {it}")),
            );
        }
        found.extend(self.host.iter().flat_map(|(name, host)| host.problems(name, self.tls.is_some())));
        found.extend(claims::problems(self.ground()));
        found.extend(upstream::problems(&self.upstream, self.development));
        found.extend(upstream::release_problems(&self.upstream, &self.api));
        let wallets = self.login.iter().flat_map(|(policy, it)| it.wallets().map(move |name| (policy.as_str(), name)));
        found.extend(wallet::problems(&self.wallet, wallets));
        for name in self.plugin.iter().filter(|(_, plugin)| !plugin.letters.is_empty() && self.mail.is_none()).map(|(name, _)| name) {
            found.push(format!("[plugin.{name}]: letters need the table [mail]"));
        }
        found.extend(plugin::problems(&self.plugin, &|client| self.client.contains_key(client)));
        found.extend(self.attestation.problems(self.development));
        let uses_passkeys = self.policies().any(|policy| policy.names(&MethodName::PASSKEY));
        found.extend(self.passkeys.problems(&self.issuer, uses_passkeys && !self.development));
        found.extend(self.passwords.problems());
        found.extend(self.enrolment.problems());
        found.extend(self.brand.problems());
        found.extend(self.mtls.iter().flat_map(|it| it.problems(self.tls.is_some())));
        found.extend(self.mail.iter().flat_map(Mail::problems));
        found.extend(self.push.iter().flat_map(|push| push.problems(self.development)));
        if self.registration.is_some() && self.mail.is_none() {
            found.push("[registration]: an address is proved by mail, which needs the table [mail]".to_owned());
        }
        found
    }

    /// Where our own pages are: scheme, host and port.
    pub fn origin(&self) -> String {
        url::Url::parse(&self.issuer).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
    }

    /// Secrets in files: relative paths begin at the configuration's directory.
    pub fn below(mut self, base: &Path) -> Self {
        self.master_key = self.master_key.below(base);
        self.passkeys = self.passkeys.below(base);
        if let Some(mail) = &mut self.mail {
            mail.password = mail.password.take().map(|it| it.below(base));
        }
        for upstream in self.upstream.values_mut() {
            upstream.below(base);
        }
        self.wallet.values_mut().for_each(|wallet| wallet.below(base));
        for header in self.plugin.values_mut().flat_map(|plugin| plugin.headers.values_mut()) {
            header.secret = header.secret.clone().below(base);
        }
        self
    }

    /// Reads and judges a text. `env` gives the environment, which may say otherwise where to listen and where the database is.
    pub fn from_text(text: &str, name: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let failed = |problems| ConfigError { file: name.to_owned(), problems };
        let text = text.trim_start_matches('\u{feff}');
        let unreadable = |error: toml::de::Error| failed(vec![hints::explained(&error, text)]);
        let mut config: Self = toml::from_str(text).map_err(unreadable)?;
        if let Some(url) = env("SYMBOLON_DATABASE") {
            config.database = trim_variable("SYMBOLON_DATABASE", &url).map_err(|problem| failed(vec![problem]))?;
        }
        if let Some(listen) = env("SYMBOLON_LISTEN") {
            config.listen = trim_variable("SYMBOLON_LISTEN", &listen).map_err(|problem| failed(vec![problem]))?;
        }
        if env("SYMBOLON_MASTER_KEY").is_some() {
            config.master_key = MasterKey::Env("SYMBOLON_MASTER_KEY".to_owned());
        }
        config.shared = shared(toml::from_str(text).map_err(unreadable)?, &config.database);
        let mut worth = plugin::worth(&config.plugin);
        worth.extend(wallet::worth(&config.wallet));
        for policy in config.login.values_mut() {
            policy.0.worth = worth.clone();
        }
        let problems = config.problems();
        if problems.is_empty() { Ok(config) } else { Err(failed(problems)) }
    }

    /// The wallets that sign what a person agrees to in detail.
    pub fn signing_wallets(&self) -> Vec<MethodName> {
        wallet::signing(&self.wallet)
    }

    /// Can anybody have a link to an account?
    pub fn has_linked_methods(&self) -> bool {
        !self.upstream.is_empty() || !self.wallet.is_empty() || self.plugin.values().any(|it| it.world == PluginWorld::Method)
    }

    /// The login methods that let in the person of a link with this issuer in its key. `last_used`: the method by which it was last used.
    pub fn methods_of_link(&self, last_used: &str, key_issuer: &str) -> Vec<MethodName> {
        let upstream = self.upstream.iter().filter(|(_, it)| it.lets_in(key_issuer)).map(|(name, _)| MethodName::upstream(name));
        let used_wallet = last_used.strip_prefix("wallet:").and_then(|name| self.wallet.get(name));
        let is_known = |it: &Wallet| it.lets_in(key_issuer) && used_wallet.is_none_or(|used| it.knows_people_as(used));
        let wallets = self.wallet.iter().filter(|(_, it)| is_known(it)).map(|(name, _)| MethodName::new(format!("wallet:{name}")));
        let plugins = self.plugin.keys().map(|name| MethodName::plugin(name)).filter(|method| method.as_str() == key_issuer);
        upstream.chain(wallets).chain(plugins).collect()
    }

    /// The policy of this name. `default` is a password alone where the file does not say otherwise; no other name has a fallback.
    pub fn policy(&self, name: &str) -> Option<&Policy> {
        let own = self.login.get(name).map(|login| &login.0);
        own.or_else(|| (name == login::DEFAULT).then(|| &*login::PASSWORD))
    }

    /// Every policy there is; `default` is one of them.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        let fallback = (!self.login.contains_key(login::DEFAULT)).then(|| &*login::PASSWORD);
        self.login.values().map(|login| &login.0).chain(fallback)
    }

    /// Does this peer stand for many callers?
    pub fn is_proxy(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.contains(peer) || self.mtls.as_ref().is_some_and(|it| it.client_cert_from.contains(peer))
    }

    /// "" or "/tenant".
    pub fn issuer_path(&self) -> &str {
        let after = self.issuer.find("://").map_or(0, |it| it + 3);
        self.issuer[after..].find('/').map_or("", |it| &self.issuer[after + it..])
    }

    /// Names this configuration, so that nodes can see whether they run the same. It is a MAC under the master key, which no node tells:
    /// whoever reads it can try no secret against it.
    pub fn digest(&self, keyring: &KeyRing) -> String {
        base64url::encode(&keyring.mac("configuration", &[&self.shared[..]]).1[..12])
    }

    /// Would two nodes with these be the same?
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.shared == other.shared
    }
}

#[cfg(test)]
impl Config {
    /// One provider, `any`, with these lines in its table.
    pub fn with_provider(lines: &str) -> Result<Self, String> {
        let text = format!(
            "issuer = \"https://a.example\"\n[upstream.any]\nlabel = \"Any\"\nissuer = \"https://op.example\"\nclient_id = \"us\"\n{lines}"
        );
        Self::from_text(&text, "x", &|_| None).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::secret::Secret;
    use super::*;

    const TEXT: &str = r#"
issuer = "https://a.example"
listen = "[::1]:1"
[session]
idle = "2h"
absolute = "3h"
[tls]
certificate = "a.pem"
key = "a.key"
[mtls]
url = "https://mtls.a.example"
listen = "[::1]:4"
[api.orders]
audience = "https://api.example/"
"#;

    fn keyring(byte: u8) -> KeyRing {
        KeyRing::new(vec![(1, [byte; 32])]).unwrap()
    }

    /// The digest under this master key of a configuration whose API has this secret, with one change.
    fn digest_of(secret: &str, (from, to): (&str, &str), byte: u8) -> String {
        let kept = Secret::keyed(&keyring(7), secret);
        let text = format!("{TEXT}introspection_secret = '{}'\n", kept.as_str());
        assert!(text.contains(from), "{from}");
        let config = Config::from_text(&text.replacen(from, to, 1), "x", &|_| None).unwrap();
        config.digest(&keyring(byte))
    }

    #[test]
    fn two_configurations_with_different_secrets_have_different_digests() {
        let same = ("", "");
        assert_ne!(digest_of("one", same, 7), digest_of("other", same, 7));
        assert_eq!(digest_of("one", same, 7), digest_of("one", same, 7), "the twin");
    }

    /// Without the master key nobody can make a digest, and so nobody can compare one with a guessed secret.
    #[test]
    fn a_digest_is_made_with_the_master_key_alone() {
        assert_ne!(digest_of("one", ("", ""), 7), digest_of("one", ("", ""), 8));
    }

    #[test]
    fn a_digest_is_of_what_nodes_have_in_common() {
        let whole = digest_of("one", ("", ""), 7);
        for (from, to, why) in [
            ("[::1]:1", "[::1]:2", "where a node listens"),
            ("[::1]:4", "[::1]:5", "where it listens for certificates"),
            ("listen", "metrics = \"[::1]:3\"\nlisten", "its metrics"),
            ("[session]", "# a remark\n[session]", "a remark"),
            ("idle = \"2h\"\nabsolute = \"3h\"", "absolute = \"3h\"\nidle = \"2h\"", "the order"),
        ] {
            assert_eq!(digest_of("one", (from, to), 7), whole, "{why}");
        }
        for (from, to) in
            [("2h", "1h"), ("api.example/", "api.example/x"), ("mtls.a", "mtls.b"), ("listen", "database = \"sqlite:y.db\"\nlisten")]
        {
            assert_ne!(digest_of("one", (from, to), 7), whole, "{to}");
        }
    }
}
