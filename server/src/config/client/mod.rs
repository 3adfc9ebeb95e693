//! `[client.ID]`: an application that may ask for tokens. The words follow RFC 7591 where it has one.

mod android;
mod app;
mod attestation;
mod backchannel;
mod backchannel_rules;
mod device;
pub mod fapi;
mod fingerprint;
mod handover;
mod handover_rules;
mod identity;
pub mod ios;
mod keys;
mod kiosk;
mod kiosk_rules;
mod manage;
mod named;
mod onward;
mod origin;
mod play;
mod refresh;
mod rules;
mod section;
pub mod tier;
mod tls_client_auth;
mod words;

pub use android::{AndroidApp, UserAuth};
pub use app::{DEBUG as DEBUG_CERTIFICATE, NativeApp};
pub use attestation::{AttestationRules, AttesterX5c};
pub use backchannel::{BackchannelRules, TokenDelivery};
pub use device::{DeviceNetwork, DeviceRules};
pub use fingerprint::Fingerprint;
pub use handover::Handover;
pub use identity::problem_of_id;
pub use ios::{IosApp, IosBuild, Receipts, is_at_least, version};
pub use keys::Jwks;
pub use kiosk::{KioskDevice, KioskMode, KioskRules};
pub use manage::Right;
pub use named::NamedClient;
pub use onward::ContinuePage;
pub use origin::{Origin, Proved, Stranger, proving_host};
pub use play::{PlayDevice, PlayRules};
pub use refresh::{Most, OnStale, OnWeakerPolicy, Refresh, RefreshMode};
pub use section::{Client, GRANTS, RESPONSE_MODES, USER_SCOPES};
pub use tier::{Tier, TierName};
pub use tls_client_auth::{CertificateName, TlsClientAuth};
pub use words::{ClientAuthentication, ClientKind, SecurityProfile};

use super::docs::Section;

pub(super) const SECTIONS: &[&Section] = &[
    &section::SECTION,
    &app::SECTION,
    &onward::SECTION,
    &refresh::SECTION,
    &device::SECTION,
    &backchannel::SECTION,
    &handover::SECTION,
    &kiosk::SECTION,
    &kiosk::DEVICE,
    &tls_client_auth::SECTION,
    &attestation::SECTION,
    &attestation::X5C,
    &tier::SECTION,
    &ios::IOS,
    &ios::RECEIPTS,
    &android::SECTION,
    &play::PLAY,
    &play::KEYS,
];
