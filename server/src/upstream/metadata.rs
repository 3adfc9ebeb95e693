//! What is known of a provider: its metadata. OpenID Connect Discovery 3.

use crate::outgoing::Target;
use symbolon_oauth::jwk::{Algorithm, PublicKey};

/// The largest answer of the token endpoint, of a pushed request and of userinfo.
pub const MOST_BYTES: usize = 64 * 1024;

#[derive(Clone, Debug)]
pub struct ProviderMetadata {
    pub authorization_endpoint: String,
    pub token_endpoint: Target,
    pub userinfo_endpoint: Option<Target>,
    /// RFC 9126 5.
    pub par_endpoint: Option<Target>,
    pub requires_par: bool,
    /// RFC 7009.
    pub revocation_endpoint: Option<Target>,
    /// OpenID Connect RP-Initiated Logout 1.0 2.1. The person's browser goes there.
    pub end_session_endpoint: Option<String>,
    /// None: the provider signs nothing.
    pub jwks_uri: Option<Target>,
    /// RFC 9207 3: every authorization response has `iss`.
    pub sends_iss: bool,
    /// `prompt_values_supported`. None: it does not say.
    pub prompts: Option<Vec<String>>,
    pub algorithms: Vec<Algorithm>,
    pub keys: Vec<ProviderKey>,
    /// When it was asked.
    pub at_ms: i64,
    pub keys_at_ms: i64,
}

impl ProviderMetadata {
    /// A value that the provider does not list would be an error there (Initiating User Registration 1.0 4.1). `login` is asked for in any
    /// case: `auth_time` is compared.
    pub fn takes_prompt(&self, prompt: &str) -> bool {
        prompt == "login" || self.prompts.as_ref().is_none_or(|all| all.iter().any(|it| it == prompt))
    }
}

#[derive(Clone, Debug)]
pub struct ProviderKey {
    pub public: PublicKey,
    /// The issuer that it signs for, where the key set has several.
    pub issuer: Option<String>,
}
