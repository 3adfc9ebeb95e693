//! The specifications, one file per RFC. Each file makes and checks its messages side by side. The crate is pure: it does no I/O and
//! reads no clock, and it draws randomness only to make keys. Every parser states its maximum and reads one form only.

pub mod access_token;
pub mod backchannel;
pub mod base64;
pub mod base64url;
pub mod bearer;
pub mod binding;
pub mod certificate;
pub mod claims;
pub mod claims_parameter;
pub mod client_assertion;
pub mod client_attestation;
pub mod device_authorization;
pub mod digest;
pub mod distinguished_name;
pub mod dpop;
pub mod dpop_nonce;
pub mod form;
mod htu;
pub mod id_token;
pub mod jwk;
pub mod jws;
pub mod kiosk;
pub mod logout_token;
pub mod metadata;
pub mod native_sso;
pub mod pkce;
pub mod redirect;
pub mod request_object;
pub mod scope;
