//! `[client.ID]`: one client.

use super::super::docs::{ALGORITHMS, Key, Kind, Presence, Section, defaulted, optional, required};
use super::super::dpop::Dpop;
use super::super::sdk::NativeProviders;
use super::super::secret::Secret;
use super::super::span::Span;
use super::app::NativeApp;
use super::attestation::AttestationRules;
use super::backchannel::BackchannelRules;
use super::device::DeviceRules;
use super::handover::Handover;
use super::keys::Jwks;
use super::kiosk::KioskRules;
use super::manage::Right;
use super::onward::ContinuePage;
use super::origin::Origin;
use super::refresh::{Refresh, RefreshMode};
use super::tier::TierName;
use super::tls_client_auth::TlsClientAuth;
use super::words::{ClientAuthentication, ClientKind, SecurityProfile};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use symbolon_oauth::backchannel::GRANT_TYPE as BACKCHANNEL;
use symbolon_oauth::device_authorization::GRANT_TYPE as DEVICE_CODE;
use symbolon_oauth::jwk::Algorithm;
use symbolon_oauth::kiosk::GRANT_TYPE as KIOSK;

pub(in crate::config) const SECTION: Section = Section {
    path: "client.ID",
    title: "Clients",
    text: "An application that may ask for tokens. Its name in the header is its client_id. Clients can also be registered in the store: `symbolon client \
           import`; the same rules hold for both.",
    presence: Presence::Absent,
    keys: KEYS,
    example: r#"
# An app. It cannot keep a secret, so it binds its tokens to a key.
[client.shop-ios]
kind = "native"
name = "Example Shop for iOS"
first_party = true
apis = { orders = ["orders:read"] }
redirect_uris = ["https://app.example.com/callback"]
login = "two-factor"
dpop = "required"

# A site with a server behind it.
[client.shop-web]
kind = "web"
redirect_uris = ["https://shop.example.com/callback"]
secret = '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g'

# A program that signs with a key of its own.
[client.robot]
kind = "service"
apis = { orders = ["orders:read"] }
jwks = { keys = [{ kty = "OKP", crv = "Ed25519", alg = "EdDSA", use = "sig", kid = "1", x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }] }

# The basket's API as a client of the next API: it exchanges the tokens that were sent to it (RFC 8693).
[client.basket-api]
kind = "service"
apis = { orders = ["orders:read"] }
exchanges = ["basket"]
secret = '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g'

# A client that is held to FAPI 2.0.
[client.bank]
kind = "web"
redirect_uris = ["https://bank.example.com/callback"]
profile = "fapi2"
dpop = "required"
jwks = { keys = [{ kty = "OKP", crv = "Ed25519", alg = "EdDSA", use = "sig", kid = "1", x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }] }
"#,
};

const METHODS: &[&str] = &[
    "none",
    "client_secret_basic",
    "client_secret_post",
    "private_key_jwt",
    "attest_jwt_client_auth",
    "attest_jwt_client_auth_dpop",
    "tls_client_auth",
    "self_signed_tls_client_auth",
];

const KEYS: &[Key] = &[
    required(
        "kind",
        Kind::OneOf(&["native", "web", "service"]),
        r#""native""#,
        "An app on a phone or a desktop, which cannot keep a secret; a site; or a program without a person.",
    ),
    optional("name", Kind::Text, "the client's ID", r#""Example Shop for iOS""#, "What people read on pages."),
    defaulted(
        "first_party",
        Kind::Flag,
        "false",
        "The client is your own: people are not asked whether they trust it, unless nothing assures its identity.",
    ),
    optional(
        "owner",
        Kind::Text,
        "the client's ID",
        r#""shop""#,
        "Whose client it is. A host that opens an app belongs to one owner: all clients with redirect URIs on it say the same.",
    ),
    defaulted(
        "former_owners",
        Kind::Texts,
        "[]",
        "Earlier names of the owner. A host that opened another owner's app is free after 90 days; one of these may take it over at once.",
    ),
    defaulted("disabled", Kind::Flag, "false", "The client gets nothing."),
    defaulted(
        "apis",
        Kind::Table("API names with lists of their scopes"),
        "{}",
        "The APIs that the client may call, with the scopes it may ask for.",
    ),
    optional(
        "scopes",
        Kind::SomeOf(&USER_SCOPES),
        "all of these; none for a service",
        r#"["openid", "profile", "email", "offline_access"]"#,
        "The OpenID Connect scopes it may ask for.",
    ),
    optional(
        "redirect_uris",
        Kind::Texts,
        "none",
        r#"["https://app.example.com/callback"]"#,
        "Where people are sent back to after a sign-in. Compared exactly; only the port of a loopback address is free.",
    ),
    defaulted("post_logout_redirect_uris", Kind::Texts, "[]", "Where people may be sent after a sign-out."),
    optional(
        "backchannel_logout_uri",
        Kind::Text,
        "the client is not told",
        r#""https://shop.example.com/logged-out""#,
        "Where the client's server hears that a session has ended (OpenID Connect Back-Channel Logout): a POST with a `logout_token`, which has `sub` and \
         `sid`. It is told until it answers, for a day. Registered clients name theirs in their metadata.",
    ),
    optional("login", Kind::Text, "`default`", r#""two-factor""#, "The policy by which people sign in: the name of a `[login.NAME]`."),
    optional(
        "authentication",
        Kind::OneOf(METHODS),
        "`private_key_jwt` with `jwks`, else `client_secret_basic` with `secret`, else `none`",
        r#""private_key_jwt""#,
        "How the client proves itself at the token endpoint.",
    ),
    optional(
        "secret",
        Kind::Digest,
        "none",
        "'$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g'",
        "The digest of its secret, which `symbolon client secret` prints: argon2id, or with `--hmac` a MAC under the master key.",
    ),
    optional(
        "jwks",
        Kind::Table("JWK set (RFC 7517)"),
        "none",
        r#"{ keys = [{ kty = "OKP", crv = "Ed25519", alg = "EdDSA", use = "sig", kid = "1", x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }] }"#,
        "Its public keys. With `self_signed_tls_client_auth` they carry the certificate as `x5c`.",
    ),
    optional(
        "grants",
        Kind::SomeOf(&GRANTS),
        "`authorization_code` and `refresh_token`; for a service `client_credentials`; and token exchange with `exchanges`",
        r#"["authorization_code", "refresh_token"]"#,
        "The grants it may use.",
    ),
    defaulted(
        "exchanges",
        Kind::Texts,
        "[]",
        "The APIs that this client speaks for. It may exchange tokens that were sent to them for tokens of the APIs it calls (RFC 8693).",
    ),
    defaulted("authorization_details_types", Kind::Texts, "[]", "The types of authorization details it may ask for (RFC 9396)."),
    optional(
        "profile",
        Kind::OneOf(&["fapi2"]),
        "no profile",
        r#""fapi2""#,
        "Holds the client to FAPI 2.0: what it lacks is an error, and what it may not do is refused. [fapi.md](fapi.md) has the list.",
    ),
    defaulted(
        "dpop",
        Kind::OneOf(&["optional", "required"]),
        r#""optional""#,
        "With `required` every token of this client is bound to a key.",
    ),
    defaulted(
        "tls_client_certificate_bound_access_tokens",
        Kind::Flag,
        "false",
        "Every token is bound to the certificate that the client shows (RFC 8705 3). It needs the table `[mtls]`.",
    ),
    defaulted(
        "require_pushed_authorization_requests",
        Kind::Flag,
        "false",
        "Authorization requests must be pushed (RFC 9126). It is always true with `profile = \"fapi2\"`, and for apps that attest themselves.",
    ),
    defaulted(
        "require_signed_request_object",
        Kind::Flag,
        "false",
        "Authorization requests must be signed (RFC 9101), with the keys of `jwks`.",
    ),
    optional("token_endpoint_auth_signing_alg", Kind::OneOf(ALGORITHMS), "any", r#""ES256""#, "The only algorithm of client assertions."),
    optional("request_object_signing_alg", Kind::OneOf(ALGORITHMS), "any", r#""ES256""#, "The only algorithm of signed requests."),
    defaulted(
        "response_modes",
        Kind::SomeOf(&RESPONSE_MODES),
        "[]",
        "The only response modes it may ask for; those with `jwt` are signed (JARM). An empty list allows all.",
    ),
    optional(
        "authorization_signed_response_alg",
        Kind::OneOf(ALGORITHMS),
        "`alg` of `[signing]`",
        r#""ES256""#,
        "The algorithm of signed authorization responses (JARM).",
    ),
    optional(
        "id_token_signed_response_alg",
        Kind::OneOf(ALGORITHMS),
        "`alg` of `[signing]`",
        r#""ES256""#,
        "The algorithm of its ID tokens.",
    ),
    defaulted(
        "without_pkce",
        Kind::Flag,
        "false",
        "**UNSAFE.** A code without PKCE, for old web clients that authenticate and cannot be changed. They must send a nonce then.",
    ),
    defaulted(
        "without_nonce",
        Kind::Flag,
        "false",
        "**UNSAFE.** With `without_pkce`: a request may leave the nonce out too. Nothing ties the code to the browser then, so that somebody \
         else's code can be put into a person's session. OpenID Connect Core allows it, and its conformance tests ask for it.",
    ),
    defaulted(
        "claims_in_id_token",
        Kind::Flag,
        "false",
        "The claims of the scopes `profile` and `email` stand in its ID tokens too, for clients that do not ask the userinfo endpoint.",
    ),
    optional(
        "require_consent",
        Kind::Flag,
        "people are asked unless the client is `first_party`",
        "false",
        "Are people asked whether they trust the client?",
    ),
    defaulted(
        "approves",
        Kind::Flag,
        "false",
        "The app may show its person what other clients ask, and send the answer (`/pending`). It must be `first_party`, and its tokens bound to a \
         key. [backchannel.md](backchannel.md) explains it.",
    ),
    optional(
        "sso_group",
        Kind::Text,
        "the app shares no sign-in",
        r#""example""#,
        "The apps of one organisation that share a sign-in on one phone say the same. Each is attested, and the evidence names one vendor. \
         [native-sso.md](native-sso.md) explains it.",
    ),
    defaulted(
        "native",
        Kind::Flag,
        "false",
        "The app may sign people in on its own screens, at the `authorization_challenge_endpoint`. It needs `first_party` and a key that the client is \
         known by: an attestation, a certificate or `private_key_jwt`. [native.md](native.md) explains it.",
    ),
    defaulted(
        "native_tiers",
        Kind::SomeOf(&["hardware", "hardware_claimed", "software"]),
        r#"["hardware", "hardware_claimed"]"#,
        "The tiers of attested installations that may do so.",
    ),
    defaulted(
        "native_providers",
        Kind::Table("provider names with `audiences` and `authorized_parties`"),
        "{}",
        "With `native`: the providers whose SDK is in the app. A native step then takes an ID token of the SDK in the place of a detour through the \
         browser, such as `{ google = { audiences = [\"1-web.apps.example\"], authorized_parties = [\"1-android.apps.example\"] } }`. \
         [social.md](social.md#the-sdk-of-a-provider-in-the-app) explains it.",
    ),
    defaulted("web_only", Kind::Flag, "false", "With `native`: every sign-in is sent to the browser. The app needs no change for it."),
    defaulted("web_only_tiers", Kind::SomeOf(&["hardware", "hardware_claimed", "software"]), "[]", "The tiers whose sign-ins are."),
    defaulted("web_only_scopes", Kind::Texts, "[]", "A sign-in that asks for one of these scopes is."),
    defaulted(
        "manage",
        Kind::SomeOf(super::manage::WORDS),
        "[]",
        "With `native`: what people may see and change of their account on the app's own screens (`prompt=manage`). \
         [native.md](native.md#the-account-on-the-apps-own-screens) explains it.",
    ),
    optional(
        "default_max_age",
        Kind::Time,
        "any time ago",
        r#""1h""#,
        "A person who signed in longer ago than this signs in again, where the request does not say.",
    ),
];

/// One client. Read from the configuration file (TOML) or from the table `client` (JSON); the same rules hold for both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Client {
    pub kind: ClientKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default)]
    pub first_party: bool,
    /// Whose client it is; absent: its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_owners: Vec<String>,
    #[serde(default)]
    pub disabled: bool,
    #[serde(default)]
    pub apis: BTreeMap<String, Vec<String>>,
    /// The APIs that this client speaks for. It may exchange tokens that were sent to them for tokens of the APIs it calls (RFC 8693).
    #[serde(default)]
    pub exchanges: Vec<String>,
    /// RFC 9396 10: the types of authorization details the client may ask for.
    #[serde(default)]
    pub authorization_details_types: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<SecurityProfile>,
    /// OpenID Connect scopes; `unset` until `fill` has seen the kind.
    #[serde(default = "unset")]
    pub scopes: Vec<String>,
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    #[serde(default)]
    pub post_logout_redirect_uris: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    #[serde(default)]
    pub authentication: ClientAuthentication,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Jwks>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grants: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<NativeApp>,
    #[serde(default, rename = "continue", skip_serializing_if = "Option::is_none")]
    pub continue_page: Option<ContinuePage>,
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
    pub token_endpoint_auth_signing_alg: Option<Algorithm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_object_signing_alg: Option<Algorithm>,
    #[serde(default)]
    pub response_modes: Vec<String>,
    /// JARM: the algorithm of signed authorization responses; absent: `signing.alg`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_signed_response_alg: Option<Algorithm>,
    #[serde(default)]
    pub without_pkce: bool,
    #[serde(default)]
    pub without_nonce: bool,
    #[serde(default)]
    pub claims_in_id_token: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_signed_response_alg: Option<Algorithm>,
    #[serde(default)]
    pub refresh: Refresh,
    /// RFC 8628.
    #[serde(default)]
    pub device: DeviceRules,
    /// OpenID Connect CIBA.
    #[serde(default)]
    pub backchannel: BackchannelRules,
    /// The app answers what other clients ask its people (CIBA).
    #[serde(default)]
    pub approves: bool,
    /// The apps that share sign-ins with this one (Native SSO).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sso_group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handover: Option<Handover>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kiosk: Option<KioskRules>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_consent: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<Span>,
    /// May use the native face (OAuth 2.0 for First-Party Applications).
    #[serde(default)]
    pub native: bool,
    #[serde(default = "native_tiers")]
    pub native_tiers: Vec<TierName>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub native_providers: NativeProviders,
    #[serde(default)]
    pub web_only: bool,
    #[serde(default)]
    pub web_only_tiers: Vec<TierName>,
    #[serde(default)]
    pub web_only_scopes: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub manage: Vec<Right>,
    /// Set by whoever finds the client.
    #[serde(skip)]
    pub origin: Origin,
}

fn native_tiers() -> Vec<TierName> {
    vec![TierName::Hardware, TierName::HardwareClaimed]
}

pub const USER_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// RFC 8693 2.1.
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

pub const GRANTS: [&str; 7] = ["authorization_code", "refresh_token", "client_credentials", EXCHANGE, DEVICE_CODE, BACKCHANNEL, KIOSK];

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
            owner: None,
            former_owners: Vec::new(),
            disabled: false,
            apis: BTreeMap::new(),
            exchanges: Vec::new(),
            authorization_details_types: Vec::new(),
            profile: None,
            scopes: unset(),
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            backchannel_logout_uri: None,
            login: None,
            authentication: ClientAuthentication::None,
            secret: None,
            jwks: None,
            grants: None,
            app: None,
            continue_page: None,
            attestation: None,
            dpop: Dpop::Optional,
            tls_client_auth: None,
            tls_client_certificate_bound_access_tokens: false,
            require_pushed_authorization_requests: false,
            require_signed_request_object: false,
            token_endpoint_auth_signing_alg: None,
            request_object_signing_alg: None,
            response_modes: Vec::new(),
            authorization_signed_response_alg: None,
            without_pkce: false,
            without_nonce: false,
            claims_in_id_token: false,
            id_token_signed_response_alg: None,
            refresh: Refresh::default(),
            device: DeviceRules::default(),
            backchannel: BackchannelRules::default(),
            approves: false,
            sso_group: None,
            handover: None,
            kiosk: None,
            require_consent: None,
            default_max_age: None,
            native: false,
            native_tiers: native_tiers(),
            native_providers: NativeProviders::new(),
            web_only: false,
            web_only_tiers: Vec::new(),
            web_only_scopes: Vec::new(),
            manage: Vec::new(),
            origin: Origin::Operator,
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
        if self.profile == Some(SecurityProfile::Fapi2) {
            self.require_pushed_authorization_requests = true;
            self.refresh.mode = RefreshMode::Static;
        }
        if let (Some(app), Some(attestation)) = (&self.app, &mut self.attestation) {
            app.fill(attestation);
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
            (None, _) if grant_type == EXCHANGE => !self.exchanges.is_empty() || self.sso_group.is_some(),
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
        self.profile != Some(SecurityProfile::Fapi2) || alg != Some(Algorithm::RS256)
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
