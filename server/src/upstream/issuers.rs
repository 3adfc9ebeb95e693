//! Which issuer a token of a provider must name. One exact text, but for what a preset says (S-09, S-18).

use super::metadata::{ProviderKey, ProviderMetadata};
use super::provider::{Provider, Trouble};
use crate::config::upstream::{CONSUMERS, CONSUMERS_ID, Preset, SHARED_TENANTS, Upstream, of_tenant};
use serde_json::{Map, Value as Json};
use symbolon_oauth::jwk::KeySet;

/// Stands for the tenant in the issuer that Microsoft's shared endpoints publish.
const PLACEHOLDER: &str = "{tenantid}";

/// Where the discovery document is, and which issuer it must name. Discovery 4.3: byte for byte.
pub fn published(settings: &Upstream) -> (String, String) {
    let issuer = settings.issuer.trim_end_matches('/');
    let Some(tenant) = settings.tenant.as_deref() else { return (settings.issuer.clone(), settings.issuer.clone()) };
    let named = match tenant {
        shared if SHARED_TENANTS.contains(&shared) => PLACEHOLDER,
        CONSUMERS => CONSUMERS_ID,
        id => id,
    };
    (of_tenant(issuer, tenant), of_tenant(issuer, named))
}

impl Provider {
    /// The issuer that a token must have. Its claims are not verified yet: they only choose among issuers that are allowed anyway.
    pub(super) fn expected_issuer(&self, unverified: &Map<String, Json>) -> Result<String, Trouble> {
        let settings = &self.settings;
        if settings.preset == Some(Preset::Microsoft) {
            let tenant = unverified.get("tid").and_then(Json::as_str).unwrap_or_default();
            if !settings.is_welcome(tenant) {
                return Err(Trouble::tenant("the token's tid is none of the tenants that may come"));
            }
            return Ok(of_tenant(&settings.issuer, tenant));
        }
        let said = unverified.get("iss").and_then(Json::as_str).unwrap_or_default();
        let aliases = settings.preset.map(Preset::issuer_aliases).unwrap_or_default();
        Ok(aliases.iter().find(|alias| **alias == said).map_or_else(|| settings.issuer.clone(), |alias| (*alias).to_owned()))
    }

    /// The issuer as it names an identity: an alias means the issuer itself, a tenant stays.
    pub(super) fn canonical(&self, verified: &str) -> String {
        self.settings.key_issuer(verified)
    }

    /// `iss` of an authorization response (RFC 9207).
    pub(super) fn may_answer_as(&self, iss: &str) -> bool {
        if self.settings.preset == Some(Preset::Microsoft) {
            let (_, published) = published(&self.settings);
            return iss == published || self.settings.welcome_tenant(iss).is_some();
        }
        iss == self.settings.issuer
    }
}

/// The keys that may sign for an issuer.
pub fn keys_for(metadata: &ProviderMetadata, issuer: &str, settings: &Upstream) -> KeySet {
    let may = |key: &&ProviderKey| signs_for(key.issuer.as_deref(), issuer, settings);
    KeySet { keys: metadata.keys.iter().filter(may).map(|key| key.public.clone()).collect() }
}

/// May a key with this `issuer` (Microsoft's own member of a JWK) sign for this one? A key without it may.
fn signs_for(of_key: Option<&str>, issuer: &str, settings: &Upstream) -> bool {
    if settings.preset != Some(Preset::Microsoft) {
        return true;
    }
    of_key.is_none_or(|of_key| of_key == issuer || of_key == of_tenant(&settings.issuer, PLACEHOLDER))
}
