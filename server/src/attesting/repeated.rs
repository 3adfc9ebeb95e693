//! First evidence that comes twice, because its answer was lost. The same key, challenge and evidence get the same answer for five minutes.
//! The installation remembers the digest of what enrolled it; whatever else comes about a challenge that was used is refused.

use super::case::{AttestedClient, Sent};
use super::issue::issue;
use crate::audit;
use crate::config::TierName;
use crate::core::Core;
use crate::dpop;
use crate::error::Result;
use crate::store::tables::instance::ACCEPTED;
use crate::store::{Change, NotApplied, Value};
use crate::web::reply::Reply;
use crate::web::request::Incoming;
use symbolon_oauth::digest;

const WINDOW_MS: i64 = 5 * 60_000;
/// What makes two requests the same. Lengths stand between the parts, so that no part can borrow from its neighbour.
const PARTS: [&str; 8] = ["format", "challenge", "attestation", "key_id", "chain", "token", "package", "evidence"];
const RENEWALS: [&str; 2] = ["apple-assertion", "android-witness"];

/// The digest of everything that is sent as evidence.
pub fn evidence_digest(incoming: &Incoming) -> [u8; 32] {
    let mut text = Vec::new();
    for name in PARTS {
        let value = incoming.form.get(name);
        text.push(u8::from(value.is_some()));
        let value = value.unwrap_or_default().as_bytes();
        text.extend_from_slice(&(value.len() as u64).to_be_bytes());
        text.extend_from_slice(value);
    }
    digest::sha256(&text)
}

/// The answer to first evidence that was accepted before. `None`: it was not, or not within the window.
pub async fn repeat_answer(core: &Core, sent: Sent<'_>) -> Result<Option<Reply>> {
    let (AttestedClient { client_id, rules }, incoming, jkt) = (sent.client, sent.incoming, sent.held.jkt.as_str());
    if incoming.form.get("format").is_none_or(|it| RENEWALS.contains(&it)) {
        return Ok(None);
    }
    let since_ms = incoming.now_ms - WINDOW_MS;
    let values = [client_id.into(), jkt.into(), Value::from(&sent.evidence[..]), since_ms.into()];
    let Some(row) = core.store.one(ACCEPTED, &values).await? else { return Ok(None) };
    let Some(tier) = TierName::parse(row.text("tier")?).filter(|it| rules.tier(*it).is_some()) else { return Ok(None) };
    let attested_ms = row.int("attested_ms")?;
    let mut change = Change::new(incoming.now_ms);
    let proof = sent.held.burn(&mut change);
    let entry = audit::Entry::ok("instance_attested").client(client_id).address(incoming.address.to_string());
    change.audit(entry.with("jkt", jkt).with("tier", tier.as_str()).with("repeated", true));
    match core.store.apply(change).await {
        Ok(_) => Ok(Some(issue(core, incoming, sent.client, tier, attested_ms)?)),
        Err(NotApplied::Conflict(at)) if at == proof => Err(dpop::use_nonce().into()),
        Err(other) => Err(other.into()),
    }
}
