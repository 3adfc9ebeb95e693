//! An installation of an app, or a managed device, that proved itself. And what one hears that has to prove itself anew.

use crate::config::TierName;
use crate::error::Refused;
use crate::store::Change;
use serde_json::{Map, Value as Json};
use symbolon_oauth::client_attestation::POP_WINDOW_S;

/// An installation that proved itself.
#[derive(Clone, Debug)]
pub struct Instance {
    /// RFC 7638 thumbprint of its key.
    pub jkt: String,
    /// What the attester says of it.
    pub claims: Map<String, Json>,
    /// When the attester vouched for it; a managed device has nobody who does.
    pub attested_ms: Option<i64>,
    pub tier: TierName,
    pub(super) pop: Option<(String, i64)>,
}

impl Instance {
    /// A managed device, known by the subject of its certificate instead of an attested key.
    pub fn of_device(id: String, subject: String) -> Self {
        let claims = Map::from_iter([("subject".to_owned(), Json::from(subject))]);
        Self { jkt: id, claims, tier: TierName::Software, attested_ms: None, pop: None }
    }

    /// Spends the PoP, if that was the proof; a DPoP proof is spent as such (273-N).
    pub fn burn(&self, change: &mut Change) -> Option<usize> {
        let (jti, iat) = self.pop.as_ref()?;
        Some(change.once("attestation_pop", &self.jkt, jti, (iat + POP_WINDOW_S) * 1000))
    }
}

/// The same key, vouched for anew.
pub fn use_fresh() -> Refused {
    let hint = "The attestation is too old: get a new one for the same key, and send the request again.";
    Refused::bad_request("use_fresh_attestation", hint)
}

/// Missing, unknown, old or used: a new one comes with the answer.
pub fn use_challenge() -> Refused {
    Refused::bad_request("use_attestation_challenge", "Send a new PoP with the challenge of the OAuth-Client-Attestation-Challenge header.")
}
