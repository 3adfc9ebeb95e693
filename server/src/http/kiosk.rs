//! POST /kiosk/challenge: what a kiosk shows, so that a phone knows where it stands before it signs. docs/kiosk.md. Nothing is stored.

use super::reply::{self, Reply};
use crate::app::App;
use crate::caller::Caller;
use crate::core::Core;
use crate::error::{Fault, Result};
use crate::grants::kiosk::Kiosk;
use crate::grants::kiosk_challenge::{self, CHANGES_S, LIFETIME_MS};
use serde_json::json;
use symbolon_oauth::jwk::Algorithm;
use symbolon_oauth::jws;
use symbolon_oauth::kiosk::{CHALLENGE_TYP, Challenge, GRANT_TYPE, to_picture};

pub fn challenge(app: &App, now_ms: i64, caller: &Caller) -> Result<Reply> {
    caller.must_allow(GRANT_TYPE)?;
    let kiosk = Kiosk::of(caller)?;
    kiosk.must_be_slow(app, caller)?;
    let text = picture(app, (&caller.client_id, &kiosk), now_ms)?;
    let picture = to_picture(&text);
    Ok(reply::json(200, &json!({ "challenge": text, "picture": picture, "expires_in": LIFETIME_MS / 1000, "changes_in": CHANGES_S })))
}

/// What this client's kiosk shows at that moment: a JWT, so that a phone without a network can read it.
pub fn picture(core: &Core, (client_id, kiosk): (&str, &Kiosk<'_>), now_ms: i64) -> std::result::Result<String, Fault> {
    let challenge = Challenge {
        iss: core.config.issuer.clone(),
        client_id: client_id.to_owned(),
        name: kiosk.device.name.clone(),
        place: kiosk.device.stands_at.clone(),
        nonce: kiosk_challenge::make(core, (client_id, kiosk.id), now_ms)?,
        iat: now_ms / 1000,
    };
    let key = core.keys.signer(Algorithm::ES256, now_ms)?;
    jws::sign(&key, CHALLENGE_TYP, &challenge).map_err(|error| Fault::new(format!("signing a challenge: {error:?}")))
}
