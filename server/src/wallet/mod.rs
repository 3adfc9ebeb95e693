//! Digital wallets that people sign in with: OpenID for Verifiable Presentations 1.0 with HAIP 1.0, as the verifier. What the login method
//! `wallet:NAME` asks of a wallet is here; who the person is to us, the login machine decides.
//!
//! The same device first: the wallet posts its answer, and the browser that began comes back with a code for it. The answer counts for this
//! browser alone. Where the browser or the app's platform speaks to wallets itself (Digital Credentials API), it brings the answer.

mod answer;
mod judge;
mod load;
mod status;
mod trip;

pub use answer::{Answered, WalletOutcome, keep, query, read as read_answer, response_code, void};
pub use judge::{AccountClaim, CredentialSubject, Heard, PresentationMode, Refusal};
pub use load::Wallet;
pub use trip::{Elsewhere, PROTOCOL, Trip, WALLET_STATE};

use crate::config::wallet::Wallet as Settings;
use crate::error::Fault;
use crate::outgoing::Outgoing;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Every configured wallet, by its name. Cheap to clone.
#[derive(Clone, Default)]
pub struct Wallets(Arc<BTreeMap<String, Wallet>>);

impl Wallets {
    /// Reads keys and certificates. `us`: our issuer, and what people call us.
    pub fn load(settings: &BTreeMap<String, Settings>, us: (&str, &str), outgoing: &Outgoing) -> Result<Self, Fault> {
        let mut all = BTreeMap::new();
        for (name, settings) in settings {
            all.insert(name.clone(), Wallet::load(name, settings, us, outgoing)?);
        }
        Ok(Self(Arc::new(all)))
    }

    pub fn get(&self, name: &str) -> Option<&Wallet> {
        self.0.get(name)
    }

    pub fn all(&self) -> impl Iterator<Item = (&str, &Wallet)> {
        self.0.iter().map(|(name, wallet)| (name.as_str(), wallet))
    }

    /// What expires within a month, or has expired, in words.
    pub fn expires_soon(&self, now_s: i64) -> Vec<String> {
        self.0.values().flat_map(|wallet| wallet.expires_soon(now_s)).collect()
    }

    /// The same as numbers.
    #[expect(clippy::cast_precision_loss, reason = "instants of this century")]
    pub fn measure(&self) {
        for (name, wallet) in &*self.0 {
            for expiring in wallet.expiring() {
                metrics::gauge!("symbolon_wallet_expires_seconds", "wallet" => name.clone(), "what" => expiring.what)
                    .set(expiring.at_s as f64);
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
