//! Attestation-based client authentication (draft-ietf-oauth-attestation-based-client-auth): an installation of an app
//! proves that an attester vouches for its key. The attester is ours (`attester`) or the customer's own, known by its keys.
//! It is how a client authenticates, or a further signal beside another method; the checks are the same.

pub mod anchors;
pub mod android;
pub mod attester;
pub mod authentication;
pub mod case;
pub mod challenge;
pub mod devices;
pub mod instance;
pub mod ios;
pub mod issue;
pub mod observed;
pub mod play;
pub mod plugin;
pub mod receipts;
pub mod repeated;
pub mod seen;
pub mod standing;
pub mod status;
pub mod vendor;

use crate::config::{AttestationRules, Config};
use crate::error::Fault;
use crate::outgoing::Outgoing;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What attested clients need beside their configuration.
pub struct Attesting {
    /// Android's status list; it outlives a reload.
    pub status: Arc<status::CurrentList>,
    /// What vouches for customers' own attesters, by client.
    anchors: BTreeMap<String, anchors::Anchors>,
    /// Client attestations that were verified under this configuration.
    seen: seen::VerifiedAttestations,
    /// What opens Play Integrity tokens, by client.
    play: BTreeMap<String, Arc<play::Play>>,
    /// What asks Apple for receipts, by client.
    apple: BTreeMap<String, receipts::Apple>,
}

impl Attesting {
    /// `base`: where relative paths of the configuration begin. `before`: what a reload replaces.
    pub fn load(config: &Config, base: &Path, outgoing: &Outgoing, before: Option<&Self>) -> Result<Self, Fault> {
        let mut loaded = Self {
            status: before.map_or_else(Arc::default, |it| Arc::clone(&it.status)),
            anchors: BTreeMap::new(),
            seen: seen::VerifiedAttestations::default(),
            play: BTreeMap::new(),
            apple: BTreeMap::new(),
        };
        for (id, client) in &config.client {
            if let Some(rules) = &client.attestation {
                loaded.load_client(id, rules, base, outgoing)?;
            }
        }
        Ok(loaded)
    }

    fn load_client(&mut self, id: &str, rules: &AttestationRules, base: &Path, outgoing: &Outgoing) -> Result<(), Fault> {
        if let Some(x5c) = &rules.attester_x5c {
            self.anchors.insert(id.to_owned(), anchors::Anchors::load(x5c, base)?);
        }
        if let Some(play) = rules.android.as_ref().and_then(|it| it.play.as_ref()) {
            self.play.insert(id.to_owned(), Arc::new(play::Play::load(play, base, outgoing)?));
        }
        if let Some(ios) = rules.ios.as_ref().filter(|it| it.receipts.is_some()) {
            self.apple.insert(id.to_owned(), receipts::Apple::load(ios, base, outgoing)?);
        }
        Ok(())
    }
}
