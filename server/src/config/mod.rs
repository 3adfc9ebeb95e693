//! The configuration: one TOML file, the API first. Unknown keys, dangling names and plain secrets are errors that say
//! where they are.

mod attestation;
mod client;
pub mod fapi;
mod judge;
mod keys;
mod mail;
mod secret;
mod span;
mod tier;

pub use attestation::{
    AndroidApp, AttestationRules, AttesterX5c, IosApp, IosBuild, PlayDevice, PlayRules, Receipts, UserAuth, is_at_least, version,
};
pub use client::{
    CertificateName, Client, ClientAuthentication, ClientKind, Dpop, GRANTS, Most, OnStale, Profile, RESPONSE_MODES, Refresh, RefreshMode,
    TlsClientAuth, USER_SCOPES,
};
pub use keys::Jwks;
pub use mail::{Mail, MailSecurity, Registration};
pub use secret::{MasterKey, Secret, SecretSource};
pub use span::Span;
pub use tier::{Tier, TierName};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use symbolon_oauth::jwk::Algorithm;
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

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub issuer: String,
    #[serde(default = "listen")]
    pub listen: String,
    #[serde(default = "database")]
    pub database: String,
    /// Proxies whose X-Forwarded-For is believed: addresses or CIDR blocks.
    #[serde(default)]
    pub trusted_proxies: Vec<String>,
    /// What one address (IPv6: a /64) may hold at a time; `trusted_proxies` are not counted.
    #[serde(default = "connections_per_address")]
    pub connections_per_address: NonZeroU32,
    #[serde(default)]
    pub tls: Option<Tls>,
    #[serde(default)]
    pub mtls: Option<Mtls>,
    #[serde(default)]
    pub master_key: MasterKey,
    #[serde(default)]
    pub brand: Brand,
    #[serde(default)]
    pub mail: Option<Mail>,
    #[serde(default)]
    pub registration: Option<Registration>,
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
    pub login: BTreeMap<String, LoginPolicy>,
    /// Where a running server listens to `symbolon` commands, for its own user only.
    #[serde(default = "admin_socket")]
    pub admin_socket: Option<PathBuf>,
    /// Address and port of /metrics; absent: there is none.
    #[serde(default)]
    pub metrics: Option<String>,
    /// Templates of the operator's that replace ours.
    #[serde(default)]
    pub templates: Option<PathBuf>,
    /// UNSAFE: an http issuer on a loopback address.
    #[serde(default)]
    pub development: bool,
}

fn listen() -> String {
    "127.0.0.1:8080".to_owned()
}
#[expect(clippy::unnecessary_wraps, reason = "a default of serde's")]
fn admin_socket() -> Option<PathBuf> {
    Some(PathBuf::from("symbolon.sock"))
}
/// Many phones can stand behind one address of a carrier.
fn connections_per_address() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(999)
}
fn database() -> String {
    "sqlite:symbolon.db".to_owned()
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Client certificates. RFC 8705.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mtls {
    /// What stands in front of the paths of `mtls_endpoint_aliases`, the issuer's path included.
    pub url: String,
    /// Address and port of a listener of its own, which asks for certificates; with the files of [tls].
    #[serde(default)]
    pub listen: Option<String>,
    /// Proxies that end TLS and whose Client-Cert header is believed (RFC 9440): addresses or CIDR blocks. They must take away
    /// what a caller sends under that name.
    #[serde(default)]
    pub client_cert_from: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Brand {
    pub name: String,
    pub privacy_url: Option<String>,
    pub terms_url: Option<String>,
    pub support_url: Option<String>,
    /// A .svg or .png file.
    pub logo: Option<PathBuf>,
    /// `#rrggbb`: buttons and links.
    pub accent: Option<String>,
    /// The same where it is dark; absent: made from `accent`.
    pub accent_dark: Option<String>,
}

impl Default for Brand {
    fn default() -> Self {
        Self {
            name: "Symbolon".to_owned(),
            privacy_url: None,
            terms_url: None,
            support_url: None,
            logo: None,
            accent: None,
            accent_dark: None,
        }
    }
}

/// Limits of the browser's single sign-on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Session {
    pub idle: Span,
    pub absolute: Span,
}

impl Default for Session {
    fn default() -> Self {
        Self { idle: Span::hours(2), absolute: Span::hours(12) }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Signing {
    pub alg: Algorithm,
    pub rotate_every: Span,
    pub publish_ahead: Span,
}

impl Default for Signing {
    fn default() -> Self {
        Self { alg: Algorithm::ES256, rotate_every: Span::days(90), publish_ahead: Span::days(1) }
    }
}

/// How long audit entries are kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Sign-ins, refusals, ends, what operators did.
    pub audit_security: Span,
    /// Tokens that were issued and refreshed as always.
    pub audit_routine: Span,
}

impl Default for Retention {
    fn default() -> Self {
        Self { audit_security: Span::days(400), audit_routine: Span::days(30) }
    }
}

/// Our own attester.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Attesting {
    /// UNSAFE, and only with `development = true`: roots of simulated phones (SubjectPublicKeyInfo in base64url).
    pub simulated_roots: Vec<String>,
    /// Android's status list: an https URL, `file:PATH`, or "off" (UNSAFE). Absent: Google's; with `development = true` off.
    pub status_list: Option<String>,
    /// An older list refuses every chain.
    pub status_max_age: Span,
}

impl Default for Attesting {
    fn default() -> Self {
        Self { simulated_roots: Vec::new(), status_list: None, status_max_age: Span::days(3) }
    }
}

/// Where the status list comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusListSource {
    Url(String),
    File(PathBuf),
}

impl Attesting {
    /// `None`: no list is asked.
    pub fn status_source(&self, development: bool) -> Option<StatusListSource> {
        match self.status_list.as_deref() {
            Some("off") => None,
            Some(text) => Some(match text.strip_prefix("file:") {
                Some(path) => StatusListSource::File(PathBuf::from(path)),
                None => StatusListSource::Url(text.to_owned()),
            }),
            None if development => None,
            None => Some(StatusListSource::Url(crate::attesting::status::GOOGLE.to_owned())),
        }
    }
}

/// Proofs of possession. RFC 9449.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DpopRules {
    pub algorithms: Vec<Algorithm>,
    /// Proofs must carry a nonce of ours, so that none can be made ahead of time.
    pub nonce: bool,
}

impl Default for DpopRules {
    fn default() -> Self {
        Self { algorithms: vec![Algorithm::ES256, Algorithm::EdDSA], nonce: true }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenFormat {
    #[default]
    Jwt,
    Opaque,
}

/// An API: the message credential is designed here, before any client.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    pub audience: String,
    #[serde(default)]
    pub token: TokenFormat,
    #[serde(default = "lifetime")]
    pub lifetime: Span,
    #[serde(default)]
    pub signing_alg: Option<Algorithm>,
    /// "required": no token for this API without a key.
    #[serde(default)]
    pub dpop: Dpop,
    /// Tokens say in `tier` what the installation proved.
    #[serde(default)]
    pub tier_claim: bool,
    /// Claims every token for this API carries.
    #[serde(default)]
    pub claims: Vec<String>,
    #[serde(default)]
    pub introspection_secret: Option<Secret>,
    /// RFC 9701 6; absent: `signing.alg`.
    #[serde(default)]
    pub introspection_signed_response_alg: Option<Algorithm>,
    #[serde(default)]
    pub scope: BTreeMap<String, ApiScope>,
    /// RFC 9396: the types of authorization details this API understands.
    #[serde(default)]
    pub authorization_details: BTreeMap<String, DetailType>,
}

fn lifetime() -> Span {
    Span::minutes(15)
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiScope {
    /// What the consent page says.
    pub text: String,
    #[serde(default)]
    pub claims: Vec<String>,
    /// API name to scopes of it: a token for that API with one of them may be exchanged for this scope (RFC 8693).
    #[serde(default)]
    pub exchange_from: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetailType {
    /// What the consent page says above the values.
    pub text: String,
    /// JSON Schema of one object; `type` is added, and what it does not name is refused.
    pub schema: serde_json::Value,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginPolicy {
    /// Chains of methods; any one of them is enough.
    pub require: Vec<String>,
    #[serde(default)]
    pub acr: Option<String>,
}

/// Adds the nearest name to "unknown field `a`, expected one of `b`, `c`".
fn with_nearest(error: &str) -> String {
    let mut names = error.split("unknown field `").nth(1).unwrap_or_default().split('`').step_by(2);
    let Some(unknown) = names.next() else { return error.to_owned() };
    let near = names.map(|it| (strsim::jaro_winkler(unknown, it), it)).max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((likeness, name)) if likeness > 0.7 => format!("{error}\nDid you mean `{name}`?"),
        _ => error.to_owned(),
    }
}

impl Config {
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|it| ConfigError { file: name.clone(), problems: vec![format!("{it}. `symbolon init` writes a starting file")] })?;
        let config = Self::from_text(&text, &name, &|it| std::env::var(it).ok())?;
        // As `serve::base_of` has it: a file that is named alone is in the present directory.
        Ok(match path.parent() {
            Some(base) if base.as_os_str().is_empty() => config.below(Path::new(".")),
            Some(base) => config.below(base),
            None => config,
        })
    }

    /// Secrets in files: relative paths begin at the configuration's directory.
    pub fn below(mut self, base: &Path) -> Self {
        self.master_key = self.master_key.below(base);
        if let Some(mail) = &mut self.mail {
            mail.password = mail.password.take().map(|it| it.below(base));
        }
        self
    }

    /// Reads and judges a text. `env` gives the environment, which may override the database's address.
    pub fn from_text(text: &str, name: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let failed = |problems| ConfigError { file: name.to_owned(), problems };
        let mut config: Self = toml::from_str(text).map_err(|it| failed(vec![with_nearest(it.to_string().trim_end())]))?;
        if let Some(url) = env("SYMBOLON_DATABASE") {
            config.database = url;
        }
        if env("SYMBOLON_MASTER_KEY").is_some() {
            config.master_key = MasterKey::Env("SYMBOLON_MASTER_KEY".to_owned());
        }
        let problems = config.problems();
        if problems.is_empty() { Ok(config) } else { Err(failed(problems)) }
    }

    /// "" or "/tenant".
    pub fn issuer_path(&self) -> &str {
        let after = self.issuer.find("://").map_or(0, |it| it + 3);
        self.issuer[after..].find('/').map_or("", |it| &self.issuer[after + it..])
    }

    /// Names this configuration, so that nodes can see whether they run the same.
    pub fn digest(&self) -> String {
        // Where a node listens is its own affair.
        let shared = Self { listen: String::new(), metrics: None, admin_socket: None, tls: None, ..self.clone() };
        base64url::encode(&digest::sha256(format!("{shared:?}").as_bytes())[..12])
    }
}
