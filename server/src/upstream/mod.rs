//! Providers that people sign in with: OpenID Connect Core and Discovery, or OAuth 2.0, as the relying party. What the login method
//! `upstream:NAME` asks of a provider is here. The login machine decides who the person is to us.
//!
//! Left out: signed userinfo and SAML (docs/divergences.md); implicit and hybrid flows, as OAuth 2.1 has none.

mod account_event;
mod apple;
mod breaker;
mod claims;
mod discovery;
mod exchange;
mod hint;
mod issuers;
mod kept;
mod keys;
mod learned;
mod leaving;
mod mapping;
mod metadata;
pub mod moved;
mod plain;
mod provider;
mod proving;
mod request;
mod revoking;
mod signed_out;
mod token_endpoint;
mod vault;
mod way_back;

pub use account_event::{AccountEvent, Happened};
pub use apple::LONGEST_USER;
pub use claims::{ProviderProfile, is_true};
pub use discovery::discovery_address;
pub use exchange::{Brought, SdkAnswer};
pub use hint::{Hint, Of as HintOf};
pub use kept::{Again, ProviderTokens, sealed_at as kept_sealed_at};
pub use learned::Learned;
pub use mapping::{Mapped, applied};
use provider::ProviderSecrets;
pub use provider::{FailureKind, MayFetch, Provider, Trouble};
pub use request::{Departure, Trip, Wish};
pub use revoking::Revoked;
pub use signed_out::SignedOut;
pub use vault::{Leased, Vault, VaultRow};
pub use way_back::{WayBack, read as read_way_back};

use crate::config::upstream::Upstream;
use crate::error::Fault;
use crate::outgoing::Outgoing;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Every configured provider, by its name. Cheap to clone.
#[derive(Clone, Default)]
pub struct Providers(Arc<BTreeMap<String, Provider>>);

impl Providers {
    /// Reads the secrets. No provider is asked anything: one that is away must not keep the server from starting.
    /// `issuer`: our own.
    pub fn load(settings: &BTreeMap<String, Upstream>, issuer: &str, outgoing: &Outgoing) -> Result<Self, Fault> {
        let mut all = BTreeMap::new();
        for (name, settings) in settings {
            let what = format!("[upstream.{name}] secret");
            let secret = settings.secret.as_ref().map(|source| source.text(&what)).transpose()?;
            let held = ProviderSecrets {
                secret: secret.as_deref(),
                key: apple::read_key(name, settings)?,
                decrypts: keys::read_decryption_key(name, settings)?,
            };
            let redirect_uri = format!("{}/upstream/{name}/callback", issuer);
            let outgoing = keys::caller(name, settings, outgoing)?;
            all.insert(name.clone(), Provider::new(name, settings.clone(), held, redirect_uri, outgoing)?);
        }
        Ok(Self(Arc::new(all)))
    }

    pub fn get(&self, name: &str) -> Option<&Provider> {
        self.0.get(name)
    }

    pub fn all(&self) -> impl Iterator<Item = (&str, &Provider)> {
        self.0.iter().map(|(name, provider)| (name.as_str(), provider))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
