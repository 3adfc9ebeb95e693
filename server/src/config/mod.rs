//! The configuration: one TOML file, the API first. Unknown keys, dangling names and plain secrets are errors that say
//! where they are.

mod api;
mod attestation;
mod brand;
pub mod claim_names;
mod claims;
pub mod client;
mod client_policy;
mod client_policy_rules;
pub mod docs;
mod dpop;
mod enrolment;
mod file;
mod hints;
mod host;
mod login;
pub mod login_installation;
mod mail;
mod mtls;
pub mod networks;
mod passkeys;
mod passwords;
mod patch_level;
pub mod plugin;
mod push;
mod registration;
mod retention;
pub mod schema;
pub mod sdk;
mod secret;
mod server;
mod session;
mod signing;
mod span;
mod tls;
pub mod upstream;
mod url;
pub mod wallet;

pub use api::{Api, ApiScope, DetailType, TokenFormat};
pub use attestation::{Attesting, StatusList, StatusListSource};
pub use brand::Brand;
pub use claim_names::is_reserved;
pub use claims::{AppLink, Claim, claims, clients_on};
pub use client::{
    AndroidApp, AttestationRules, AttesterX5c, BackchannelRules, CertificateName, Client, ClientAuthentication, ClientKind, ContinuePage,
    DEBUG_CERTIFICATE, DeviceNetwork, DeviceRules, Fingerprint, GRANTS, Handover, IosApp, IosBuild, Jwks, KioskDevice, KioskMode,
    KioskRules, Most, NamedClient, NativeApp, OnStale, OnWeakerPolicy, Origin, PlayDevice, PlayRules, Proved, RESPONSE_MODES, Receipts,
    Refresh, RefreshMode, Right, SecurityProfile, Stranger, Tier, TierName, TlsClientAuth, TokenDelivery, USER_SCOPES, UserAuth, fapi,
    is_at_least, problem_of_id, proving_host, version,
};
pub use client_policy::{ClientPolicy, NamedPolicy};
pub use dpop::{Dpop, DpopRules};
pub use enrolment::Enrolment;
pub use file::{Config, ConfigError};
pub use host::LinkHost;
pub use login::{DEFAULT as DEFAULT_POLICY, LoginPolicy};
pub use login_installation::{InstallationFacts, InstallationRules};
pub use mail::{Mail, MailSecurity};
pub use mtls::Mtls;
pub use networks::Networks;
pub use passkeys::Passkeys;
pub use passwords::Passwords;
pub use push::Push;
pub use registration::Registration;
pub use retention::Retention;
pub use secret::{MasterKey, Secret, SecretSource, environment, trim_variable};
pub use server::{Assurance, is_own_machine};
pub use session::Session;
pub use signing::Signing;
pub use span::Span;
pub use tls::Tls;
pub use url::{authority, name_of};

/// All sections, in the order in which they are shown.
pub fn sections() -> Vec<&'static docs::Section> {
    let mut all = vec![
        &server::SECTION,
        &tls::SECTION,
        &mtls::SECTION,
        &host::SECTION,
        &brand::SECTION,
        &mail::SECTION,
        &push::SECTION,
        &registration::SECTION,
        &enrolment::SECTION,
        &session::SECTION,
        &signing::SECTION,
        &retention::SECTION,
        &dpop::SECTION,
        &attestation::SECTION,
        &login::SECTION,
        &login::EASIER,
        &login_installation::SECTION,
        &passkeys::SECTION,
        &passwords::SECTION,
        &upstream::SECTION,
        &wallet::WALLET,
        &wallet::CREDENTIAL,
        &wallet::ISSUER,
        &plugin::SECTION,
        &api::API,
        &api::SCOPE,
        &api::DETAIL,
    ];
    all.extend(client::SECTIONS);
    all.push(&client_policy::SECTION);
    all
}
