//! One provider: its settings, what is known of it, and the one way to call it.

use super::breaker::Breaker;
use super::metadata::ProviderMetadata;
use crate::config::upstream::Upstream;
use crate::error::Fault;
use crate::outgoing::{Call, Outgoing, RemoteResponse};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use symbolon_oauth::jwk::PrivateKey;
use symbolon_wallet::jwe::DecryptionKey;
use zeroize::Zeroizing;

/// For one call. A sign-in makes at most four, and its question is held for half a minute.
const WITHIN: Duration = Duration::from_secs(5);

pub struct Provider {
    name: String,
    pub settings: Upstream,
    pub(super) secret: Option<Zeroizing<String>>,
    /// Signs the client secret, at Apple.
    pub(super) key: Option<PrivateKey>,
    /// ID tokens are encrypted to it.
    pub(super) decrypts: Option<DecryptionKey>,
    pub(super) redirect_uri: String,
    pub(super) outgoing: Outgoing,
    metadata: Mutex<Option<Arc<ProviderMetadata>>>,
    /// One fetch at a time.
    pub(super) fetching: tokio::sync::Mutex<Failed>,
    breaker: Breaker,
    said: [LastSaid; 2],
}

/// What the last fetch came to, where it failed: asked again a moment later, the provider would be asked for nothing (550-S).
#[derive(Default)]
pub(super) struct Failed {
    pub discovery: Option<(i64, Trouble)>,
    pub keys: Option<(i64, Trouble)>,
}

/// When something was last said in the log. However many people it concerns, it is said once a minute (S-22).
#[derive(Default)]
struct LastSaid(AtomicI64);

impl LastSaid {
    fn is_due(&self, now_ms: i64) -> bool {
        let is_due = |last_ms: i64| (last_ms == 0 || now_ms - last_ms >= 60_000).then_some(now_ms);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_due).is_ok()
    }
}

/// What the configuration's files hold for a provider.
pub(super) struct ProviderSecrets<'a> {
    pub secret: Option<&'a str>,
    pub key: Option<PrivateKey>,
    pub decrypts: Option<DecryptionKey>,
}

/// May the sender of a word that no known key has signed make this server fetch keys?
pub type MayFetch<'a> = &'a (dyn Fn() -> bool + Send + Sync);

/// Why a provider could not be used. For the log and the audit, never for a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub why: String,
    pub kind: FailureKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// It did not answer, and may do so later.
    Away,
    /// What it said is wrong.
    Broken,
    /// The person is not among those who may sign in.
    Unwelcome,
    /// The same by the organisation's domain (`hd`), and by Microsoft's tenant: each has a sentence of its own (S-32).
    Domain,
    Tenant,
    /// It does not say what a rule of the operator needs.
    Incomplete,
}

impl FailureKind {
    /// The problem that a page shows.
    pub fn problem(self) -> &'static str {
        match self {
            Self::Away => "upstream_away",
            Self::Broken => "upstream_failed",
            Self::Unwelcome => "upstream_unwelcome",
            Self::Domain => "upstream_domain",
            Self::Tenant => "upstream_tenant",
            Self::Incomplete => "upstream_incomplete",
        }
    }
}

impl Trouble {
    pub fn away(why: impl Into<String>) -> Self {
        Self { why: why.into(), kind: FailureKind::Away }
    }

    pub fn broken(why: impl Into<String>) -> Self {
        Self { why: why.into(), kind: FailureKind::Broken }
    }

    pub fn unwelcome(why: impl Into<String>) -> Self {
        Self { why: why.into(), kind: FailureKind::Unwelcome }
    }

    pub fn domain(why: impl Into<String>) -> Self {
        Self { why: why.into(), kind: FailureKind::Domain }
    }

    pub fn tenant(why: impl Into<String>) -> Self {
        Self { why: why.into(), kind: FailureKind::Tenant }
    }

    pub fn incomplete(why: impl Into<String>) -> Self {
        Self { why: why.into(), kind: FailureKind::Incomplete }
    }
}

impl Provider {
    pub(super) fn new(
        name: &str,
        settings: Upstream,
        ProviderSecrets { secret, key, decrypts }: ProviderSecrets<'_>,
        redirect_uri: String,
        outgoing: Outgoing,
    ) -> Result<Self, Fault> {
        let secret = secret.map(|text| Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()));
        if secret.as_ref().is_some_and(|text| text.is_empty()) {
            return Err(Fault::new(format!("[upstream.{name}] secret is empty")));
        }
        Ok(Self {
            name: name.to_owned(),
            settings,
            secret,
            key,
            decrypts,
            redirect_uri,
            outgoing,
            metadata: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
            breaker: Breaker::default(),
            said: Default::default(),
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn kept(&self) -> Option<Arc<ProviderMetadata>> {
        self.metadata.lock().ok()?.clone()
    }

    pub(super) fn keep(&self, metadata: ProviderMetadata) -> Arc<ProviderMetadata> {
        let metadata = Arc::new(metadata);
        if let Ok(mut slot) = self.metadata.lock() {
            *slot = Some(Arc::clone(&metadata));
        }
        metadata
    }

    /// Every call to the provider goes this way. It is counted and bounded in time, and is not made while the provider rests.
    pub(super) async fn call(&self, what: &'static str, call: Call, now_ms: i64) -> Result<RemoteResponse, Trouble> {
        if !self.breaker.is_closed(now_ms) {
            self.count(what, "resting");
            return Err(Trouble::away(format!("{what}: the provider did not answer several times and is left alone for half a minute")));
        }
        let sent = call.within(WITHIN).send().await;
        // A server that fails is as good as one that is away; one that refuses is there.
        let has_answered = sent.as_ref().is_ok_and(|answer| answer.status < 500);
        self.count(what, if has_answered { "answered" } else { "failed" });
        if self.breaker.note(has_answered, now_ms) {
            tracing::warn!(provider = self.name, "a provider does not answer; its button leads to a page that says so");
        }
        sent.map_err(|why| {
            if self.said[0].is_due(now_ms) {
                tracing::info!(provider = self.name, what, why, "a call to a provider failed");
            }
            Trouble::away(format!("{what}: {why}"))
        })
    }

    /// May the log say now that people cannot be asked about?
    pub fn may_be_said(&self, now_ms: i64) -> bool {
        self.said[1].is_due(now_ms)
    }

    fn count(&self, call: &'static str, outcome: &'static str) {
        let provider = self.name.clone();
        metrics::counter!("symbolon_upstream_calls_total", "provider" => provider, "call" => call, "outcome" => outcome).increment(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S-22: one line a minute, whoever it concerns.
    #[test]
    fn the_log_says_it_once_a_minute() {
        let said = LastSaid::default();
        assert!(said.is_due(1_000) && !said.is_due(1_000) && !said.is_due(60_999));
        assert!(said.is_due(61_000) && !said.is_due(61_001));
    }
}
