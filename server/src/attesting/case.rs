//! One request at the built-in attester: what is asked of its evidence, and what the evidence came to.

use super::status::Listed;
use crate::config::{AttestationRules, TierName};
use crate::core::Core;
use crate::dpop::ProvedKey;
use crate::error::{Fault, Refused, Result};
use crate::limits::Limits;
use crate::store::tables::instance::READ;
use crate::store::{Change, Row};
use crate::web::request::Incoming;
use data_encoding::BASE64_NOPAD;
use governor::DefaultKeyedRateLimiter;
use serde_json::Value as Json;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use symbolon_attest::binding::{self, Purpose};
use symbolon_oauth::{base64, base64url};

pub const INVALID: &str = "invalid_client_attestation";

/// Why a challenge is refused that was good once.
pub const CHALLENGE_USED: &str = "challenge_used";

/// Binary parameters are base64url. The platforms' own base64 (RFC 4648 4, with or without padding) is read too: Apple hands `keyId` out so.
/// What is signed is the bytes, so that no text can stand for other ones.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    let unpadded = || BASE64_NOPAD.decode(text.as_bytes()).ok();
    base64url::decode(text).or_else(|| base64::decode(text)).or_else(unpadded)
}

pub fn invalid(hint: &'static str) -> Refused {
    Refused::bad_request(INVALID, hint)
}

/// "Rate limits per address, client and instance" (285-N).
pub fn within(limit: &DefaultKeyedRateLimiter<u16>, whose: &[&str]) -> Result<()> {
    let many = || Refused::new(429, "temporarily_unavailable", "Too many attestations; wait.").retry_after(10);
    Ok(limit.check_key(&Limits::bucket(whose)).map_err(|_| many())?)
}

/// All first evidence of a client is counted together, and renewals are not. Strangers who send evidence cannot keep known installations
/// from going on.
pub fn within_the_clients(core: &Core, case: &Case) -> Result<()> {
    within(&core.limits.attests_of_client, &["attest", &case.client_id])
}

/// What the evidence came to.
#[derive(Default)]
pub struct Judged {
    pub platform: Cow<'static, str>,
    /// What the evidence of the installation's key proves of it; the tier is this one or a lower one.
    pub proved: Option<TierName>,
    pub evidence_key: Vec<u8>,
    pub facts: Json,
    /// Of App Attest: sealed, and when Apple gives the next one.
    pub receipt: Option<(Vec<u8>, i64)>,
    /// Of an assertion: its counter, and the digest of its bytes.
    pub assertion: Option<(u32, [u8; 32])>,
    /// Of a key that is known already. They are the facts that the store had, and `facts` are what is known by now.
    pub before: Option<String>,
    pub failed: Vec<&'static str>,
}

impl Judged {
    pub fn is_renewal(&self) -> bool {
        self.before.is_some()
    }
}

/// A client with rules for its installations.
#[derive(Clone, Copy)]
pub struct AttestedClient<'a> {
    pub client_id: &'a str,
    pub rules: &'a AttestationRules,
}

/// What came with a request: its client, its proof of the key, the challenge as sent, and the digest of the evidence.
#[derive(Clone, Copy)]
pub struct Sent<'a> {
    pub client: AttestedClient<'a>,
    pub incoming: &'a Incoming,
    pub held: &'a ProvedKey,
    pub challenge: &'a str,
    /// The digest of the whole evidence.
    pub evidence: [u8; 32],
    /// Proof and challenge were spent before the evidence was looked at.
    pub spent: &'a AtomicBool,
}

impl Sent<'_> {
    /// Spends the proof, unless that has happened. Answers where its statement is.
    pub fn burn(&self, change: &mut Change) -> Option<usize> {
        (!self.spent.load(Ordering::Acquire)).then(|| self.held.burn(change))
    }
}

/// Everything about one request.
pub struct Case {
    pub client_id: String,
    pub rules: AttestationRules,
    pub challenge: [u8; 32],
    /// The challenge was asked for with a proof of this very key.
    pub bound: bool,
    /// Until when the challenge is good.
    pub ends_ms: i64,
    pub jkt: String,
    pub now_s: i64,
    pub listed: Listed,
    pub roots: Vec<Vec<u8>>,
}

impl Case {
    /// What evidence that names the installation's key has to be about. Every renewal comes by here: "a renewal challenge [is
    /// bound] to client and key" (236-N).
    pub fn named(&self, purpose: Purpose) -> Result<[u8; 32]> {
        if purpose == Purpose::Renewal && !self.bound {
            let hint = "The challenge of a renewal is asked for with a DPoP proof by the installation's key. Get one at /attest/challenge.";
            return Err(invalid(hint).because("challenge_unbound").into());
        }
        let thumbprint = base64url::decode(&self.jkt).and_then(|it| it.try_into().ok());
        let thumbprint = thumbprint.ok_or_else(|| Fault::new("a thumbprint has 32 bytes"))?;
        Ok(binding::named(purpose, &self.client_id, &self.challenge, &thumbprint))
    }

    /// Trusted roots of a maker, and the simulated ones of a development configuration.
    pub fn roots<'a>(&'a self, ours: &[&'static [u8]]) -> Vec<&'a [u8]> {
        ours.iter().copied().chain(self.roots.iter().map(Vec::as_slice)).collect()
    }
}

/// Verifies on the pool (285-N); what finds it full has spent nothing there.
pub async fn on_pool<T: Send + 'static>(
    core: &Core,
    case: &Arc<Case>,
    work: impl FnOnce(&Case) -> Result<T> + Send + 'static,
) -> Result<T> {
    let case = Arc::clone(case);
    core.limits.evidence.run(move || work(&case)).await?
}

/// The row of the installation that the case is about, as [`READ`] has it.
pub async fn row_of(core: &Core, case: &Case) -> Result<Option<Row>> {
    Ok(core.store.one(READ, &[case.client_id.as_str().into(), case.jkt.as_str().into()]).await?)
}

/// What is kept of an installation.
pub fn facts(text: &str) -> std::result::Result<Json, Fault> {
    serde_json::from_str(text).map_err(|it| Fault::new(format!("an installation's facts: {it}")))
}

/// What the key of an installation was proved to be, by what is kept of it.
pub fn proved(tier: &str, facts: &Json) -> Option<TierName> {
    TierName::parse(facts["proved"].as_str().unwrap_or(tier))
}

/// One public answer for every failed rule (284-N); the rules are in the audit.
pub fn refused(rules: &str) -> Refused {
    invalid("The evidence was refused. The server's audit says which rule it broke.").because(rules)
}
