//! Challenges for the proof of possession of an attested key, section 5 of the draft. Nothing is stored: a challenge is a time
//! bucket under a MAC of a key derived from the master key.

use crate::core::Core;
use crate::dpop;
use crate::web::reply::{self, Reply};
use crate::web::request::Incoming;
use serde_json::json;

/// The header that carries one.
pub const CHALLENGE: &str = "oauth-client-attestation-challenge";
/// A challenge is good for this long.
const CHALLENGE_S: i64 = 300;

/// Is this one of ours, and young enough?
pub fn fits(core: &Core, challenge: &str, now_s: i64) -> bool {
    core.challenges.check(challenge, now_s, CHALLENGE_S)
}

/// The challenge of this moment.
pub fn challenge(core: &Core, now_ms: i64) -> Option<String> {
    core.challenges.make(now_ms / 1000)
}

/// POST /challenge: section 5 of the draft.
pub fn challenge_endpoint(core: &Core, incoming: &Incoming) -> Reply {
    let mut answer = reply::json(200, &json!({ "attestation_challenge": challenge(core, incoming.now_ms) }));
    if let Some(nonce) = dpop::nonce(core, incoming.now_ms) {
        reply::set(&mut answer, http::HeaderName::from_static("dpop-nonce"), &nonce);
    }
    answer
}
