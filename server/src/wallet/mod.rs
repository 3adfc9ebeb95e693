//! Digital wallets that people sign in with: OpenID for Verifiable Presentations 1.0 with HAIP 1.0, as the verifier. What the login method
//! `wallet:NAME` asks of a wallet is here; who the person is to us, the login machine decides.
//!
//! The same device first: the wallet posts its answer, and the browser that began comes back with a code for it. The answer counts for this
//! browser alone.

mod answer;
mod judge;
mod load;
mod status;
mod trip;

pub use answer::{Answered, Outcome, keep, query, read as read_answer, response_code, void};
pub use judge::{Heard, Known, Person};
pub use trip::{Departure, Trip};

use crate::config::wallet::Wallet as Settings;
use crate::error::Fault;
use crate::outgoing::Outgoing;
use status::Statuses;
use std::collections::BTreeMap;
use std::sync::Arc;
use symbolon_wallet::dcql::Query;
use symbolon_wallet::issuer::Issuer;
use symbolon_wallet::request::Verifier;

/// Every configured wallet, by its name. Cheap to clone.
#[derive(Clone, Default)]
pub struct Wallets(Arc<BTreeMap<String, Wallet>>);

/// One of them, with what it was configured with read and checked.
pub struct Wallet {
    name: String,
    pub settings: Settings,
    verifier: Verifier,
    query: Query,
    /// Those who may issue each credential.
    issuers: BTreeMap<String, Vec<Issuer>>,
    statuses: Statuses,
    /// Our own issuer: what our addresses begin with.
    base: String,
}

impl Wallets {
    /// Reads keys and certificates. `base`: our own issuer.
    pub fn load(settings: &BTreeMap<String, Settings>, base: &str, outgoing: &Outgoing) -> Result<Self, Fault> {
        let mut all = BTreeMap::new();
        for (name, settings) in settings {
            all.insert(name.clone(), Wallet::load(name, settings, base, outgoing)?);
        }
        Ok(Self(Arc::new(all)))
    }

    pub fn get(&self, name: &str) -> Option<&Wallet> {
        self.0.get(name)
    }

    pub fn all(&self) -> impl Iterator<Item = (&str, &Wallet)> {
        self.0.iter().map(|(name, wallet)| (name.as_str(), wallet))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Wallet {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The login method.
    pub fn method(&self) -> String {
        format!("wallet:{}", self.name)
    }

    /// Credential and claim of all that is asked, in the operator's order.
    pub fn asked(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.credential.iter().flat_map(|(id, it)| it.claims.iter().map(move |claim| (id.as_str(), claim.as_str())))
    }
}
