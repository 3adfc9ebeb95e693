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

    /// The same as numbers. A reload that is refused has changed nothing, so it is called when a configuration is in force. `before`: what
    /// it took the place of. What only the old one had becomes `NaN`, so that no alert fires for it.
    pub fn measure(&self, before: Option<&Self>) {
        let mut all: BTreeMap<(String, String), f64> = before.map(Self::instants).unwrap_or_default();
        all.values_mut().for_each(|at_s| *at_s = f64::NAN);
        all.extend(self.instants());
        for ((wallet, what), at_s) in all {
            metrics::gauge!("symbolon_wallet_expires_seconds", "wallet" => wallet, "what" => what).set(at_s);
        }
    }

    /// When each certificate of each wallet expires.
    #[expect(clippy::cast_precision_loss, reason = "instants of this century")]
    fn instants(&self) -> BTreeMap<(String, String), f64> {
        let mut all = BTreeMap::new();
        for (name, wallet) in &*self.0 {
            all.extend(wallet.expiring().into_iter().map(|it| ((name.clone(), it.what), it.at_s as f64)));
        }
        all
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
