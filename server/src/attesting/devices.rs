//! Installations that this server does not attest itself. An organisation's device management gave each managed device its certificate (RFC
//! 8705). A customer's own attester vouches for others. They are written down when they come for the first time, and listed and revoked
//! like the others.

use super::instance::Instance;
use super::standing::{self, Standing};
use crate::audit;
use crate::core::Core;
use crate::error::{Refused, Result};
use crate::store::tables::instance::{NOTE, NOTE_AGAIN};
use crate::store::{Change, Expect, Value};
use crate::web::request::Incoming;
use serde_json::Value as Json;

const HOUR_MS: i64 = 3_600_000;

/// Refuses one that was revoked. One that comes for the first time is written down. So is what its attester says of it by now.
pub async fn must_be_welcome(core: &Core, incoming: &Incoming, client_id: &str, instance: &Instance) -> Result<()> {
    match standing::standing(core, incoming, client_id, &instance.jkt).await? {
        Some(found) if found.active => update_attested(core, incoming, client_id, instance, &found).await,
        Some(_) => {
            let hint = "This installation or device has been revoked.";
            Err(Refused::new(401, "invalid_client", hint).because(format!("instance {}", instance.jkt)).into())
        }
        None => enrol(core, incoming, client_id, instance).await,
    }
}

/// Writes down a newer attestation. Not each of them: an attester may make one for every request.
async fn update_attested(core: &Core, incoming: &Incoming, client_id: &str, instance: &Instance, known: &Standing) -> Result<()> {
    let is_news = |it: &i64| *it >= known.attested_ms + HOUR_MS || (*it > known.attested_ms && instance.tier.as_str() != known.tier);
    let Some(attested_ms) = instance.attested_ms.filter(is_news) else { return Ok(()) };
    let mut change = Change::new(incoming.now_ms);
    let values = vec![client_id.into(), instance.jkt.as_str().into(), instance.tier.as_str().into(), attested_ms.into()];
    change.run_expecting(NOTE_AGAIN, values, Expect::Any);
    core.store.apply(change).await?;
    Ok(())
}

async fn enrol(core: &Core, incoming: &Incoming, client_id: &str, instance: &Instance) -> Result<()> {
    let mut change = Change::new(incoming.now_ms);
    let subject = instance.claims.get("subject").filter(|_| instance.attested_ms.is_none());
    let (platform, tier, event) = match instance.attested_ms {
        Some(_) => ("attester", instance.tier.as_str(), "instance_vouched_for"),
        None => ("managed", "certificate", "device_enrolled"),
    };
    let facts = subject.map_or_else(|| "{}".to_owned(), |it| serde_json::json!({ "subject": it }).to_string());
    let attested_ms = instance.attested_ms.unwrap_or(incoming.now_ms);
    let what = vec![platform.into(), tier.into(), Value::from(&[][..]), facts.into(), incoming.now_ms.into(), attested_ms.into()];
    change.run_expecting(NOTE, [vec![client_id.into(), instance.jkt.as_str().into()], what].concat(), Expect::Any);
    let entry = audit::Entry::ok(event).client(client_id).address(incoming.address.to_string());
    change.audit(entry.with("jkt", instance.jkt.as_str()).with("subject", subject.and_then(Json::as_str)));
    core.store.apply(change).await?;
    Ok(())
}
