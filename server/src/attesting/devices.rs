//! Managed devices: an organisation's device management gave each its certificate (RFC 8705), and each is an installation of
//! its own, listed and revoked like the attested ones.

use super::Instance;
use crate::app::App;
use crate::audit;
use crate::error::{Refused, Result};
use crate::http::Incoming;
use crate::store::{Change, Expect};
use serde_json::Value as Json;

const KNOWN: &str = "SELECT state FROM instance WHERE client = $1 AND jkt = $2";
const ENROL: &str = "INSERT INTO instance (client, jkt, state, platform, tier, evidence_key, counter, facts, created_ms, attested_ms) \
    VALUES ($1, $2, 'active', 'managed', 'certificate', $3, 0, $4, $5, $5) ON CONFLICT (client, jkt) DO NOTHING";

/// Refuses a device that was revoked; one that comes for the first time is written down.
pub async fn must_be_welcome(app: &App, incoming: &Incoming, client_id: &str, device: &Instance) -> Result<()> {
    match app.store.one(KNOWN, &[client_id.into(), device.jkt.as_str().into()]).await? {
        Some(row) if row.text(0)? == "active" => Ok(()),
        Some(_) => {
            let why = format!("device {}", device.jkt);
            Err(Refused::new(401, "invalid_client", "This device has been revoked.").because(why).into())
        }
        None => enrol(app, incoming, client_id, device).await,
    }
}

async fn enrol(app: &App, incoming: &Incoming, client_id: &str, device: &Instance) -> Result<()> {
    let mut change = Change::new(incoming.now_ms);
    let facts = Json::Object(device.claims.clone()).to_string();
    let values =
        vec![client_id.into(), device.jkt.as_str().into(), crate::store::Value::from(&[][..]), facts.into(), incoming.now_ms.into()];
    change.run_expecting(ENROL, values, Expect::Any);
    let entry = audit::Entry::ok("device_enrolled").client(client_id).address(incoming.address.to_string());
    change.audit(entry.with("jkt", device.jkt.as_str()).with("subject", device.claims["subject"].as_str().unwrap_or_default()));
    app.store.apply(change).await?;
    Ok(())
}
