//! The specifications, one file per RFC, making and checking side by side. Pure: no I/O, no clock, no randomness of its
//! own beyond key generation. Every parser states its maximum and reads one form only.

pub mod access_token;
pub mod base64;
pub mod base64url;
pub mod bearer;
pub mod binding;
pub mod certificate;
pub mod claims;
pub mod claims_parameter;
pub mod client_assertion;
pub mod client_attestation;
pub mod digest;
pub mod distinguished_name;
pub mod dpop;
pub mod dpop_nonce;
pub mod form;
mod htu;
pub mod id_token;
pub mod jwk;
pub mod jws;
pub mod metadata;
pub mod pkce;
pub mod redirect;
pub mod request_object;
pub mod scope;
