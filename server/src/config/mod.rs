//! The configuration: one TOML file, the API first. Unknown keys, dangling names and plain secrets are errors that say
//! where they are.

mod client;
pub mod fapi;
mod keys;
mod mail;
mod secret;
mod span;
mod tier;

pub use client::{
    AndroidApp, AttestationRules, Client, ClientAuthentication, ClientKind, Dpop, GRANTS, IosApp, OnStale, PlayDevice, PlayRules, Profile,
    RESPONSE_MODES, Refresh, RefreshMode, TlsClientAuth, USER_SCOPES,
};
pub use keys::Jwks;
pub use mail::{Mail, MailSecurity, Registration};
pub use secret::{MasterKey, Secret, SecretSource};
pub use span::Span;
pub use tier::{Tier, TierName};

use crate::grants::details::judge_schema;
use crate::login::policy::Method;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use symbolon_oauth::jwk::Algorithm;
use symbolon_oauth::{base64url, digest, redirect};

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
        let mut config = Self::from_text(&text, &name, &|it| std::env::var(it).ok())?;
        if let Some(base) = path.parent() {
            config.master_key = config.master_key.below(base);
            if let Some(mail) = &mut config.mail {
                mail.password = mail.password.take().map(|it| it.below(base));
            }
        }
        Ok(config)
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

    fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.judge_issuer(&mut found);
        for (name, api) in &self.api {
            if self.api.iter().any(|(other, it)| other < name && it.audience == api.audience) {
                found.push(format!("[api.{name}]: another API has the same audience"));
            }
            if url::Url::parse(&api.audience).is_err() || api.audience.contains('#') || api.audience == self.issuer {
                found.push(format!("[api.{name}]: audience must be an absolute URI without fragment, other than the issuer"));
            }
            if api.lifetime.0 <= 0 {
                found.push(format!("[api.{name}]: lifetime must be more than zero"));
            }
            for (kind, declared) in &api.authorization_details {
                if self.api.iter().any(|(other, it)| other < name && it.authorization_details.contains_key(kind)) {
                    found.push(format!("[api.{name}]: authorization_details {kind:?} belongs to another API already"));
                }
                found.extend(judge_schema(kind, &declared.schema).map(|it| format!("[api.{name}]: {it}")));
            }
            for (scope, (other, from)) in api.scope.iter().flat_map(|(scope, it)| it.exchange_from.iter().map(move |it| (scope, it))) {
                if !self.api.get(other).is_some_and(|it| from.iter().all(|from| it.scope.contains_key(from))) {
                    found.push(format!("[api.{name}.scope.{scope:?}]: exchange_from names {other} with {from:?}, which there is not"));
                }
            }
        }
        for (id, client) in &self.client {
            for problem in self.judge_client(client) {
                found.push(format!("[client.{id}]: {problem}"));
            }
        }
        for (name, policy) in &self.login {
            let words = policy.require.iter().flat_map(|it| it.split('+')).map(str::trim);
            for word in words {
                match Method::parse(word) {
                    None => found.push(format!("[login.{name}]: there is no method {word:?}; use password, email, totp")),
                    Some(Method::Email) if self.mail.is_none() => {
                        found.push(format!("[login.{name}]: the method email needs the table [mail]"));
                    }
                    Some(_) => {}
                }
            }
            if policy.require.is_empty() {
                found.push(format!("[login.{name}]: require names no chain of methods"));
            }
        }
        if !self.attestation.simulated_roots.is_empty() && !self.development {
            found.push("[attestation] simulated_roots: simulated phones are trusted only with development = true".to_owned());
        }
        if let Some(text) = self.attestation.status_list.as_deref()
            && text != "off"
            && !text.starts_with("file:")
            && !text.starts_with("https://")
        {
            found.push("[attestation] status_list is an https URL, file:PATH or off".to_owned());
        }
        if let Some(mtls) = &self.mtls {
            if mtls.listen.is_some() && self.tls.is_none() {
                found.push("[mtls] listen: client certificates need the table [tls]".to_owned());
            }
            if mtls.listen.is_none() && mtls.client_cert_from.is_empty() {
                found.push("[mtls] needs listen, or client_cert_from: otherwise nobody can show a certificate".to_owned());
            }
            if url::Url::parse(&mtls.url).map_or(true, |it| it.scheme() != "https") || mtls.url.ends_with('/') {
                found.push("[mtls] url must begin with https:// and has no slash at its end".to_owned());
            }
        }
        found.extend(self.mail.iter().flat_map(Mail::problems));
        if self.registration.is_some() && self.mail.is_none() {
            found.push("[registration]: an address is proved by mail, which needs the table [mail]".to_owned());
        }
        found
    }

    fn judge_issuer(&self, found: &mut Vec<String>) {
        let Ok(issuer) = url::Url::parse(&self.issuer) else {
            found.push("issuer is not a URL".to_owned());
            return;
        };
        if issuer.query().is_some() || issuer.fragment().is_some() || self.issuer.ends_with('/') {
            found.push("issuer has no query, no fragment and no slash at its end (RFC 8414 2)".to_owned());
        }
        let loopback = matches!(issuer.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
        match issuer.scheme() {
            "https" => {}
            "http" if loopback && self.development => {}
            "http" if loopback => found.push("an http issuer needs development = true, which is for your own machine only".to_owned()),
            _ => found.push("issuer must begin with https://".to_owned()),
        }
    }

    fn judge_certificates(&self, client: &Client, found: &mut Vec<String>) {
        let by_certificate = client.authentication.uses_certificate();
        if (by_certificate || client.tls_client_certificate_bound_access_tokens) && self.mtls.is_none() {
            found.push("client certificates need the table [mtls]".to_owned());
        }
        let by_ca = client.authentication == ClientAuthentication::TlsClientAuth;
        match &client.tls_client_auth {
            None if by_ca => found.push("authentication = \"tls_client_auth\" needs the table tls_client_auth".to_owned()),
            Some(_) if !by_ca => found.push("tls_client_auth needs authentication = \"tls_client_auth\"".to_owned()),
            Some(rules) => found.extend(rules.problems()),
            None => {}
        }
        let registered = client.jwks.as_ref().and_then(|it| it.document()["keys"].as_array());
        let with_certificates = registered.is_some_and(|it| it.iter().any(|it| it["x5c"][0].is_string()));
        if client.authentication == ClientAuthentication::SelfSignedTlsClientAuth && !with_certificates {
            found.push("authentication = \"self_signed_tls_client_auth\" needs jwks whose keys have x5c (RFC 8705 2.2.2)".to_owned());
        }
    }

    /// The rules every client obeys, whether it comes from the file or from `symbolon client import`.
    pub fn judge_client(&self, client: &Client) -> Vec<String> {
        let mut found = Vec::new();
        for (name, scopes) in &client.apis {
            let Some(api) = self.api.get(name) else {
                found.push(format!("there is no [api.{name}]"));
                continue;
            };
            for scope in scopes.iter().filter(|it| !api.scope.contains_key(*it)) {
                found.push(format!("[api.{name}] has no scope {scope:?}"));
            }
        }
        for kind in &client.authorization_details_types {
            if !self.api.values().any(|it| it.authorization_details.contains_key(kind)) {
                found.push(format!("authorization_details_types: no API has the type {kind:?}"));
            }
        }
        for name in client.exchanges.iter().filter(|it| !self.api.contains_key(*it)) {
            found.push(format!("exchanges: there is no [api.{name}]"));
        }
        if !client.exchanges.is_empty() && !client.is_confidential() {
            found.push("exchanges is only for clients that authenticate: an API's own".to_owned());
        }
        for scope in client.scopes.iter().filter(|it| !USER_SCOPES.contains(&it.as_str())) {
            found.push(format!("{scope:?} is no OpenID Connect scope; API scopes belong under `apis`"));
        }
        for uri in &client.redirect_uris {
            if let Err(why) = redirect::register(uri, client.kind.into()) {
                found.push(format!("redirect_uris: {uri:?}: {why}"));
            }
        }
        if client.redirect_uris.is_empty() && client.allows_grant("authorization_code") {
            found.push("redirect_uris is empty".to_owned());
        }
        if let Some(policy) = &client.login
            && !self.login.contains_key(policy)
        {
            found.push(format!("there is no [login.{policy}]"));
        }
        if client.kind == ClientKind::Native && client.authentication.uses_secret() {
            found.push("an app cannot keep a secret (RFC 8252 8.5); use authentication = \"none\"".to_owned());
        }
        if client.authentication.uses_secret() && client.secret.is_none() {
            found.push("secret is missing; `symbolon client secret ID` makes one".to_owned());
        }
        if client.authentication == ClientAuthentication::PrivateKeyJwt && client.jwks.is_none() {
            found.push("jwks is missing".to_owned());
        }
        if let Some(Err(why)) = client.jwks.as_ref().map(Jwks::keys) {
            found.push(format!("jwks is not a key set we accept: {why}"));
        }
        self.judge_certificates(client, &mut found);
        if client.profile == Some(Profile::Fapi2) {
            found.extend(fapi::lacks(self, client).into_iter().map(|it| format!("profile = \"fapi2\": {it}")));
        }
        if client.require_signed_request_object && client.jwks.is_none() {
            found.push("require_signed_request_object needs jwks: the keys the client signs with".to_owned());
        }
        for mode in client.response_modes.iter().filter(|it| !RESPONSE_MODES.contains(&it.as_str())) {
            found.push(format!("there is no response mode {mode:?}; use {}", RESPONSE_MODES.join(", ")));
        }
        let attester = client.attestation.as_ref().and_then(|it| it.attester_jwks.as_ref());
        if attester.is_some_and(|it| it.keys().is_err()) {
            found.push("attestation.attester_jwks is not a key set we accept".to_owned());
        }
        let apps = client.attestation.as_ref().is_some_and(|it| it.ios.is_some() || it.android.is_some());
        if client.authentication.attests() && attester.is_none() && !apps {
            found.push("attestation names neither an attester (attester_jwks) nor an app of ours (ios, android)".to_owned());
        }
        if let Some(android) = client.attestation.as_ref().and_then(|it| it.android.as_ref()) {
            let digest = |it: &String| base64url::decode(it).is_some_and(|it| it.len() == 32);
            if android.packages.is_empty() || android.signing_digests.is_empty() || !android.signing_digests.iter().all(digest) {
                found.push("attestation.android needs packages, and signing_digests of 32 bytes in base64url".to_owned());
            }
        }
        if let Some(play) = client.attestation.as_ref().and_then(|it| it.android.as_ref()).and_then(|it| it.play.as_ref()) {
            let classic = play.decryption_key.is_some() && play.verification_key.is_some();
            if play.decryption_key.is_some() != play.verification_key.is_some() || (!classic && play.service_account.is_none()) {
                found.push("attestation.android.play needs decryption_key and verification_key, or service_account, or all".to_owned());
            }
            if play.decode_url.is_some() && !self.development {
                found.push("attestation.android.play.decode_url: only Google decodes, except with development = true".to_owned());
            }
        }
        if client.attestation.as_ref().and_then(|it| it.ios.as_ref()).is_some_and(|it| it.app_ids.is_empty()) {
            found.push("attestation.ios needs app_ids, such as ABCDE12345.com.example.shop".to_owned());
        }
        for (name, tier) in client.attestation.iter().flat_map(|it| &it.tier) {
            for scope in tier.scopes.iter().flatten().filter(|it| !client.apis.values().flatten().any(|own| own == *it)) {
                found.push(format!("attestation.tier.{}: the client itself may not ask for {scope:?}", name.as_str()));
            }
            if tier.acr.as_ref().is_some_and(|it| !self.login.values().any(|login| login.acr.as_ref() == Some(it))) {
                found.push(format!("attestation.tier.{}: no [login] has that acr", name.as_str()));
            }
        }
        if client.attestation.is_some() && !client.authentication.attests() {
            found.push("attestation needs authentication = \"attest_jwt_client_auth_dpop\" or \"attest_jwt_client_auth\"".to_owned());
        }
        if client.without_pkce && (client.kind != ClientKind::Web || !client.is_confidential()) {
            found.push("without_pkce is only for web clients that authenticate".to_owned());
        }
        for grant in client.grants.iter().flatten().filter(|it| !GRANTS.contains(&it.as_str())) {
            found.push(format!("there is no grant {grant:?}"));
        }
        found
    }
}
