//! What our attester issues: a Client Attestation JWT (draft-ietf-oauth-attestation-based-client-auth).

use super::case::AttestedClient;
use crate::config::TierName;
use crate::core::Core;
use crate::error::{Fault, Result};
use crate::web::reply::{self, Reply};
use crate::web::request::Incoming;
use serde_json::{Map, Value as Json, json};
use symbolon_oauth::client_attestation;
use symbolon_oauth::jwk::{Algorithm, PublicKey};
use symbolon_oauth::jws::Unverified;

/// The attestation, signed by us for the key of the proof. `attested_ms`: when the evidence was accepted.
pub fn issue(core: &Core, incoming: &Incoming, client: AttestedClient<'_>, tier: TierName, attested_ms: i64) -> Result<Reply> {
    let AttestedClient { client_id, rules } = client;
    let header = incoming.header("dpop").unwrap_or_default();
    let jwk = Unverified::parse(header).ok().and_then(|it| it.header().get("jwk").cloned()).unwrap_or_default();
    let key = PublicKey::from_jwk(&jwk).map_err(|it| Fault::new(it.0))?;
    let iat = attested_ms / 1000;
    let claims = Map::from_iter([("tier".to_owned(), Json::from(tier.as_str()))]);
    let signer = core.keys.signer(Algorithm::ES256, incoming.now_ms)?;
    // As long as it is good for: a tier may ask for fresh evidence more often.
    let life_s = rules.tier(tier).and_then(|it| it.max_age).map_or(rules.max_age, |it| it.min(rules.max_age)).0;
    let jwt = client_attestation::make(&signer, client_id, &key.to_jwk(), iat..iat + life_s, &claims)
        .map_err(|it| Fault::new(format!("signing an attestation: {it:?}")))?;
    Ok(reply::json(200, &json!({ "client_attestation": jwt, "expires_in": life_s, "tier": tier.as_str() })))
}
