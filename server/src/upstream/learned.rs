//! What is known of somebody whom a provider has identified.

use super::claims::ProviderProfile;
use super::hint::Hint;
use super::kept::ProviderTokens;
use super::mapping::Mapped;
use serde::{Deserialize, Serialize};

/// Who somebody is at a provider, verified. It is sealed in the sign-in before it is used, so that the code is exchanged once.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    /// The verified issuer and the subject there: together the key of the identity.
    pub issuer: String,
    pub subject: String,
    /// When the person was authenticated there, in seconds. None: the provider does not say.
    pub auth_time: Option<i64>,
    pub sid: Option<String>,
    pub profile: ProviderProfile,
    /// By the operator's rules.
    #[serde(default)]
    pub claims: Mapped,
    /// The organisation that the provider says the person is of (`hd`).
    #[serde(default)]
    pub domain: Option<String>,
    /// What the provider gave, where an API may have it.
    #[serde(default)]
    pub tokens: Option<ProviderTokens>,
    /// For the sign-out there.
    #[serde(default)]
    pub hint: Option<Hint>,
    /// Apple's name for a person whose app moves to another team.
    #[serde(default)]
    pub transfer_sub: Option<String>,
}
