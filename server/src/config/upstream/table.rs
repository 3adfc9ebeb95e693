//! `[upstream.NAME]` as the server uses it: what the file says, over what a preset says.

use super::mapping::Mapping;
use super::preset::Preset;
use super::words::{Formerly, Linking, Newcomers, NonceRule, OnLogout, Prompt, Protocol, Release, RepeatedCheck, SecretSentBy};
use crate::config::secret::SecretSource;
use crate::config::span::Span;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use symbolon_oauth::jwk::Algorithm;

#[derive(Default, Debug, Clone, Deserialize)]
#[serde(from = "Written")]
pub struct Upstream {
    pub preset: Option<Preset>,
    pub protocol: Protocol,
    pub label: String,
    pub issuer: String,
    pub client_id: String,
    pub formerly: Option<Formerly>,
    pub secret: Option<SecretSource>,
    pub authentication: SecretSentBy,
    pub scopes: Vec<String>,
    pub accounts: Newcomers,
    pub authoritative_for: Vec<String>,
    pub required_claims: BTreeMap<String, Vec<String>>,
    pub claims: BTreeMap<String, Mapping>,
    pub linking: Linking,
    pub userinfo: bool,
    pub prompt: Option<Prompt>,
    pub algorithms: Vec<Algorithm>,
    pub clock_skew: Span,
    pub nonce: NonceRule,
    pub on_logout: OnLogout,
    pub sign_out: bool,
    pub sign_out_hint: bool,
    pub revoke: bool,
    pub pushed_requests: bool,
    pub release: Option<Release>,
    pub check: Option<RepeatedCheck>,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub userinfo_endpoint: String,
    pub emails_endpoint: Option<String>,
    pub subject: String,
    pub subject_is_permanent: bool,
    pub tenant: Option<String>,
    pub tenants: Vec<String>,
    pub team_id: Option<String>,
    pub key_id: Option<String>,
    pub key: Option<SecretSource>,
    pub certificate: Option<PathBuf>,
    pub decryption_key: Option<SecretSource>,
    pub dpop: bool,
}

/// The table as the file has it. What it leaves out, the preset says; what that leaves out, the defaults.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    preset: Option<Preset>,
    protocol: Option<Protocol>,
    label: Option<String>,
    issuer: Option<String>,
    client_id: String,
    formerly: Option<Formerly>,
    secret: Option<SecretSource>,
    authentication: Option<SecretSentBy>,
    scopes: Option<Vec<String>>,
    #[serde(default)]
    accounts: Newcomers,
    #[serde(default)]
    authoritative_for: Vec<String>,
    #[serde(default)]
    required_claims: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    claims: BTreeMap<String, Mapping>,
    #[serde(default)]
    linking: Linking,
    #[serde(default = "yes")]
    userinfo: bool,
    prompt: Option<Prompt>,
    #[serde(default = "algorithms")]
    algorithms: Vec<Algorithm>,
    #[serde(default = "clock_skew")]
    clock_skew: Span,
    #[serde(default)]
    nonce: NonceRule,
    #[serde(default)]
    on_logout: OnLogout,
    #[serde(default)]
    sign_out: bool,
    #[serde(default)]
    sign_out_hint: bool,
    #[serde(default)]
    revoke: bool,
    #[serde(default)]
    pushed_requests: bool,
    release: Option<Release>,
    check: Option<RepeatedCheck>,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    userinfo_endpoint: Option<String>,
    emails_endpoint: Option<String>,
    subject: Option<String>,
    #[serde(default)]
    subject_is_permanent: bool,
    tenant: Option<String>,
    #[serde(default)]
    tenants: Vec<String>,
    team_id: Option<String>,
    key_id: Option<String>,
    key: Option<SecretSource>,
    certificate: Option<PathBuf>,
    decryption_key: Option<SecretSource>,
    #[serde(default)]
    dpop: bool,
}

impl From<Written> for Upstream {
    fn from(written: Written) -> Self {
        let preset = written.preset.map(Preset::values).unwrap_or_default();
        let text = |own: Option<String>, preset: &str| own.unwrap_or_else(|| preset.to_owned());
        let scopes = || preset.scopes.iter().map(|word| (*word).to_owned()).collect();
        Self {
            preset: written.preset,
            protocol: written.protocol.unwrap_or(preset.protocol),
            label: text(written.label, preset.label),
            issuer: text(written.issuer, preset.issuer),
            client_id: written.client_id,
            formerly: written.formerly,
            secret: written.secret,
            authentication: written.authentication.unwrap_or(preset.authentication),
            scopes: written.scopes.unwrap_or_else(scopes),
            accounts: written.accounts,
            authoritative_for: written.authoritative_for,
            required_claims: written.required_claims,
            claims: written.claims,
            linking: written.linking,
            userinfo: written.userinfo,
            prompt: written.prompt,
            algorithms: written.algorithms,
            clock_skew: written.clock_skew,
            nonce: written.nonce,
            on_logout: written.on_logout,
            sign_out: written.sign_out,
            sign_out_hint: written.sign_out_hint,
            revoke: written.revoke,
            pushed_requests: written.pushed_requests,
            release: written.release,
            check: written.check,
            authorization_endpoint: text(written.authorization_endpoint, preset.authorization_endpoint),
            token_endpoint: text(written.token_endpoint, preset.token_endpoint),
            userinfo_endpoint: text(written.userinfo_endpoint, preset.userinfo_endpoint),
            emails_endpoint: written.emails_endpoint.or_else(|| preset.emails_endpoint.map(str::to_owned)),
            subject_is_permanent: written.subject_is_permanent,
            subject: text(written.subject, preset.subject),
            tenant: written.tenant,
            tenants: written.tenants,
            team_id: written.team_id,
            key_id: written.key_id,
            key: written.key,
            certificate: written.certificate,
            decryption_key: written.decryption_key,
            dpop: written.dpop,
        }
    }
}

fn yes() -> bool {
    true
}

fn algorithms() -> Vec<Algorithm> {
    vec![Algorithm::ES256, Algorithm::PS256, Algorithm::RS256, Algorithm::EdDSA]
}

fn clock_skew() -> Span {
    Span::minutes(1)
}

impl Upstream {
    /// Is the provider's word enough for an address of this domain? The whole domain is compared, without case.
    /// `organisation`: what the provider says that the person is of (`hd`).
    pub fn is_authoritative_for(&self, email: &str, organisation: Option<&str>) -> bool {
        let domain = email.rsplit_once('@').map_or("", |(_, domain)| domain);
        let is_listed = !domain.is_empty() && self.authoritative_for.iter().any(|own| own.eq_ignore_ascii_case(domain));
        // Google vouches for its own addresses, and for those of the companies that it runs the accounts of.
        let runs_it = || domain.eq_ignore_ascii_case("gmail.com") || organisation.is_some_and(|it| it.eq_ignore_ascii_case(domain));
        is_listed && (self.preset != Some(Preset::Google) || runs_it())
    }

    pub fn is_openid(&self) -> bool {
        self.protocol == Protocol::Openid
    }

    /// Files of secrets begin at the configuration's directory.
    pub(in crate::config) fn below(&mut self, base: &Path) {
        for source in [&mut self.secret, &mut self.key, &mut self.decryption_key] {
            *source = source.take().map(|it| it.below(base));
        }
        self.certificate = self.certificate.take().map(|it| base.join(it));
    }
}
