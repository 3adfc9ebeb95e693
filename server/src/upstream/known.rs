//! What is known of a provider. OpenID Connect Discovery 3.

use crate::outgoing::Target;
use symbolon_oauth::jwk::{Algorithm, KeySet};

#[derive(Debug)]
pub struct Known {
    pub authorization_endpoint: String,
    pub token_endpoint: Target,
    pub userinfo_endpoint: Option<Target>,
    pub jwks_uri: Target,
    /// RFC 9207 3: every authorization response has `iss`.
    pub sends_iss: bool,
    pub algorithms: Vec<Algorithm>,
    pub keys: KeySet,
    /// When it was asked.
    pub at_ms: i64,
    pub keys_at_ms: i64,
}
