//! Challenges for the proof of possession of an attested key, section 5 of the draft. Nothing is stored: a challenge is a time
//! bucket under a MAC of a key derived from the master key.

use crate::core::Core;
use crate::dpop;
use crate::web::reply::{self, Reply};
use crate::web::request::Incoming;
use serde_json::json;
use symbolon_oauth::dpop_nonce::NonceKey;

/// The header that carries one.
pub const CHALLENGE: &str = "oauth-client-attestation-challenge";
/// A challenge is good for this long.
const CHALLENGE_S: i64 = 300;

/// One key for each master key, newest first, so that every node knows every other's challenges.
fn keys(core: &Core) -> impl Iterator<Item = NonceKey> {
    let of = |version| {
        Some(NonceKey::new(&core.keyring.mac_with(version, "attestation challenge", &core.recovery.mark())?, &core.config.issuer))
    };
    core.keyring.versions().into_iter().filter_map(of)
}

/// Is this one of ours, and young enough?
pub fn fits(core: &Core, challenge: &str, now_s: i64) -> bool {
    keys(core).any(|it| it.check(challenge, now_s, CHALLENGE_S))
}

/// The challenge of this moment.
pub fn challenge(core: &Core, now_ms: i64) -> Option<String> {
    keys(core).next().map(|it| it.make(now_ms / 1000))
}

/// POST /challenge: section 5 of the draft.
pub fn challenge_endpoint(core: &Core, incoming: &Incoming) -> Reply {
    let mut answer = reply::json(200, &json!({ "attestation_challenge": challenge(core, incoming.now_ms) }));
    if let Some(nonce) = dpop::nonce(core, incoming.now_ms) {
        reply::set(&mut answer, http::HeaderName::from_static("dpop-nonce"), &nonce);
    }
    answer
}
