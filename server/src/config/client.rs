//! A client: an application that may ask for tokens. The words follow RFC 7591 where it has one.

use super::{AttestationRules, Jwks, Secret, Span, TierName};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use symbolon_oauth::jwk::Algorithm;
use symbolon_oauth::{distinguished_name, redirect};

/// What runs the client: it decides what the client can keep secret. RFC 6749 2.1, RFC 8252.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientKind {
    /// An app on a phone or a desktop: public, whatever is compiled into it.
    Native,
    /// A site with a server behind it, or a browser application if it has neither secret nor key.
    Web,
    /// A program without a person.
    Service,
}

impl From<ClientKind> for redirect::ClientKind {
    fn from(it: ClientKind) -> Self {
        match it {
            ClientKind::Native => Self::Native,
            ClientKind::Web => Self::Web,
            ClientKind::Service => Self::Service,
        }
    }
}

/// Which certificates are the client's. RFC 8705 2.1.2: exactly one of the five names, or `devices`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsClientAuth {
    /// The CA's certificates, in PEM.
    pub ca: PathBuf,
    /// Its revocation lists, in PEM; read again when the file changes. An overdue list refuses everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crl: Option<PathBuf>,
    /// RFC 4514, compared exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_dn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub san_dns: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub san_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub san_ip: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub san_email: Option<String>,
    /// The CA is an organisation's device management: every certificate is a device with sessions of its own.
    #[serde(default)]
    pub devices: bool,
}

/// A name a certificate must have, in one of the places where certificates have names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateName<'a> {
    /// RFC 4514, compared exactly.
    SubjectDn(&'a str),
    Dns(&'a str),
    Uri(&'a str),
    Email(&'a str),
    Ip(IpAddr),
}

impl CertificateName<'_> {
    pub(super) fn problem(&self) -> Option<String> {
        let Self::SubjectDn(dn) = self else { return None };
        distinguished_name::parse(dn).is_none().then(|| format!("subject_dn: {dn:?} is no name of RFC 4514"))
    }
}

impl TlsClientAuth {
    pub fn names(&self) -> Vec<CertificateName<'_>> {
        let names = [
            self.subject_dn.as_deref().map(CertificateName::SubjectDn),
            self.san_dns.as_deref().map(CertificateName::Dns),
            self.san_uri.as_deref().map(CertificateName::Uri),
            self.san_email.as_deref().map(CertificateName::Email),
            self.san_ip.map(CertificateName::Ip),
        ];
        names.into_iter().flatten().collect()
    }

    pub fn problems(&self) -> Option<String> {
        let names = self.names();
        if names.len() + usize::from(self.devices) != 1 {
            return Some("tls_client_auth needs one of subject_dn, san_dns, san_uri, san_ip, san_email, or devices = true".to_owned());
        }
        names.iter().find_map(CertificateName::problem).map(|it| format!("tls_client_auth.{it}"))
    }
}

/// A profile of OAuth that a client is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// FAPI 2.0 Security Profile.
    Fapi2,
}

/// Must tokens be bound to a key that every request proves (RFC 9449)?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dpop {
    /// As the client likes: with a proof tokens are bound, without they are not.
    #[default]
    Optional,
    Required,
}

/// How a client proves itself at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    #[default]
    None,
    ClientSecretBasic,
    ClientSecretPost,
    PrivateKeyJwt,
    /// An attested key, proved by a PoP JWT (draft-ietf-oauth-attestation-based-client-auth).
    AttestJwtClientAuth,
    /// An attested key, proved by DPoP.
    AttestJwtClientAuthDpop,
    /// A certificate of a CA (RFC 8705 2.1).
    TlsClientAuth,
    /// A registered certificate (RFC 8705 2.2).
    SelfSignedTlsClientAuth,
}

impl ClientAuthentication {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::AttestJwtClientAuth => "attest_jwt_client_auth",
            Self::AttestJwtClientAuthDpop => "attest_jwt_client_auth_dpop",
            Self::TlsClientAuth => "tls_client_auth",
            Self::SelfSignedTlsClientAuth => "self_signed_tls_client_auth",
        }
    }

    /// By an attested key of the installation.
    pub fn attests(self) -> bool {
        matches!(self, Self::AttestJwtClientAuth | Self::AttestJwtClientAuthDpop)
    }

    pub fn uses_certificate(self) -> bool {
        matches!(self, Self::TlsClientAuth | Self::SelfSignedTlsClientAuth)
    }

    pub fn uses_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
}

/// What happens when a spent refresh token of a key-bound grant comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnStale {
    #[default]
    Keep,
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefreshMode {
    /// A new refresh token at every use. RFC 9700 4.14.2.
    #[default]
    Rotate,
    /// The same refresh token for the life of the grant; only where every token is bound.
    Static,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Refresh {
    /// A grant not used for this long is over.
    pub idle: Span,
    /// A grant is over this long after the person signed in, used or not.
    pub absolute: Span,
    /// For this long after a rotation the previous token gets the same successor again.
    pub grace: Span,
    pub on_stale: OnStale,
    pub mode: RefreshMode,
    /// The grant is over when the browser's session is, by sign-out, idle or absolute end: `[session]`.
    pub ends_with_session: bool,
    /// The most grants a person can have with this client; beyond that the oldest gives way.
    pub most_per_person: Most,
}

/// A bound that can be taken away, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Most {
    Grants(NonZeroU32),
    /// UNSAFE: sign-ins pile up grants without end.
    Word(Unlimited),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unlimited {
    Unlimited,
}

impl Default for Most {
    fn default() -> Self {
        Self::Grants(NonZeroU32::MIN.saturating_add(99))
    }
}

impl Default for Refresh {
    fn default() -> Self {
        Self {
            idle: Span::days(30),
            absolute: Span::days(180),
            grace: Span(10),
            on_stale: OnStale::Keep,
            mode: RefreshMode::Rotate,
            ends_with_session: false,
            most_per_person: Most::default(),
        }
    }
}

/// One client. Read from the configuration file (TOML) or from the table `client` (JSON); the same rules hold for both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Client {
    pub kind: ClientKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Ours: people are not asked whether they trust it.
    #[serde(default)]
    pub first_party: bool,
    #[serde(default)]
    pub disabled: bool,
    /// API name to the scopes this client may ask of it.
    #[serde(default)]
    pub apis: BTreeMap<String, Vec<String>>,
    /// The APIs this client speaks for: tokens sent to them it may exchange for tokens of the APIs it calls (RFC 8693).
    #[serde(default)]
    pub exchanges: Vec<String>,
    /// RFC 9396 10: the types of authorization details the client may ask for.
    #[serde(default)]
    pub authorization_details_types: Vec<String>,
    /// Holds the client to a profile: what it lacks is an error, and what it may not do is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// OpenID Connect scopes; `UNSET` until `fill` has seen the kind.
    #[serde(default = "unset")]
    pub scopes: Vec<String>,
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    #[serde(default)]
    pub post_logout_redirect_uris: Vec<String>,
    /// Name of the login policy; "default" if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// Absent: what the client has. A key set: private_key_jwt; a secret: client_secret_basic; neither: none.
    #[serde(default)]
    pub authentication: ClientAuthentication,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Jwks>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grants: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation: Option<AttestationRules>,
    #[serde(default)]
    pub dpop: Dpop,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_client_auth: Option<TlsClientAuth>,
    /// RFC 8705 3.4: every token of the client is bound to the certificate it shows.
    #[serde(default)]
    pub tls_client_certificate_bound_access_tokens: bool,
    #[serde(default)]
    pub require_pushed_authorization_requests: bool,
    /// RFC 9101 10.5: every authorization request is a signed request object.
    #[serde(default)]
    pub require_signed_request_object: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_object_signing_alg: Option<Algorithm>,
    /// The only response modes the client may ask for; empty: any.
    #[serde(default)]
    pub response_modes: Vec<String>,
    /// JARM: the algorithm of signed authorization responses; absent: `signing.alg`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_signed_response_alg: Option<Algorithm>,
    /// UNSAFE: a code without PKCE. For old confidential web clients that cannot be changed, which then must send a nonce.
    #[serde(default)]
    pub without_pkce: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_signed_response_alg: Option<Algorithm>,
    #[serde(default)]
    pub refresh: Refresh,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_consent: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<Span>,
}

pub const USER_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];
/// RFC 8693 2.1.
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub const GRANTS: [&str; 4] = ["authorization_code", "refresh_token", "client_credentials", EXCHANGE];

/// OAuth 2.0 Multiple Response Type Encoding Practices 2.1, OAuth 2.0 Form Post, JARM 2.3.
pub const RESPONSE_MODES: [&str; 7] = ["query", "fragment", "form_post", "jwt", "query.jwt", "fragment.jwt", "form_post.jwt"];

/// No scope is an empty word, so this cannot be what somebody meant.
fn unset() -> Vec<String> {
    vec![String::new()]
}

impl<'de> Deserialize<'de> for Client {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut client = Self::deserialize(deserializer)?;
        client.fill();
        Ok(client)
    }
}

impl Serialize for Client {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl Client {
    /// A client of this kind with nothing allowed.
    pub fn new(kind: ClientKind) -> Self {
        let mut client = Self {
            kind,
            name: None,
            first_party: false,
            disabled: false,
            apis: BTreeMap::new(),
            exchanges: Vec::new(),
            authorization_details_types: Vec::new(),
            profile: None,
            scopes: unset(),
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            login: None,
            authentication: ClientAuthentication::None,
            secret: None,
            jwks: None,
            grants: None,
            attestation: None,
            dpop: Dpop::Optional,
            tls_client_auth: None,
            tls_client_certificate_bound_access_tokens: false,
            require_pushed_authorization_requests: false,
            require_signed_request_object: false,
            request_object_signing_alg: None,
            response_modes: Vec::new(),
            authorization_signed_response_alg: None,
            without_pkce: false,
            id_token_signed_response_alg: None,
            refresh: Refresh::default(),
            require_consent: None,
            default_max_age: None,
        };
        client.fill();
        client
    }

    /// Defaults that depend on other members.
    fn fill(&mut self) {
        if self.scopes == unset() {
            self.scopes = match self.kind {
                ClientKind::Service => Vec::new(),
                ClientKind::Native | ClientKind::Web => USER_SCOPES.map(str::to_owned).to_vec(),
            };
        }
        if self.profile == Some(Profile::Fapi2) {
            self.require_pushed_authorization_requests = true;
            self.refresh.mode = RefreshMode::Static;
        }
        if self.authentication == ClientAuthentication::None {
            if self.jwks.is_some() {
                self.authentication = ClientAuthentication::PrivateKeyJwt;
            } else if self.secret.is_some() {
                self.authentication = ClientAuthentication::ClientSecretBasic;
            }
        }
    }

    /// The grants this client may use: its own list, or those of its kind.
    pub fn allows_grant(&self, grant_type: &str) -> bool {
        match (&self.grants, self.kind) {
            (Some(own), _) => own.iter().any(|it| it == grant_type),
            (None, _) if grant_type == EXCHANGE => !self.exchanges.is_empty(),
            (None, ClientKind::Service) => grant_type == "client_credentials",
            (None, ClientKind::Native | ClientKind::Web) => matches!(grant_type, "authorization_code" | "refresh_token"),
        }
    }

    /// Able to keep a secret, and asked to prove it.
    pub fn is_confidential(&self) -> bool {
        self.authentication != ClientAuthentication::None
    }

    /// Every installation or device holds what it got itself.
    pub fn has_instances(&self) -> bool {
        self.attestation.is_some() || self.tls_client_auth.as_ref().is_some_and(|it| it.devices)
    }

    /// Signatures of the client by this algorithm count.
    pub fn may_sign_with(&self, alg: Option<Algorithm>) -> bool {
        self.profile != Some(Profile::Fapi2) || alg != Some(Algorithm::RS256)
    }

    /// Devices that cannot attest are let in, to less.
    pub fn takes_unattested(&self) -> bool {
        self.attestation.as_ref().is_some_and(|it| it.tier(TierName::None).is_some())
    }

    pub fn requires_consent(&self) -> bool {
        self.require_consent.unwrap_or(!self.first_party)
    }

    pub fn login_policy(&self) -> &str {
        self.login.as_deref().unwrap_or("default")
    }

    /// What people read on pages: the name, or the id.
    pub fn display_name<'a>(&'a self, id: &'a str) -> &'a str {
        self.name.as_deref().unwrap_or(id)
    }
}
