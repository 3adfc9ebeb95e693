//! Evidence of another platform: a plug-in of the world `evidence` judges it. It speaks for its own platform name, `plugin:NAME`, and up to
//! the tier of its configuration. The proof of the key, our challenge and its one use stay ours: the plug-in says what the evidence names,
//! and that is compared here.

use super::case::{self, Case, Judged, Sent, invalid, proved};
use crate::config::TierName;
use crate::config::plugin::PluginWorld;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::plugins::{self, EvidenceFound, EvidenceSituation, Unanswered};
use crate::web::request::Incoming;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use symbolon_attest::binding::Purpose;
use symbolon_oauth::digest;

/// The largest evidence.
const MAX_EVIDENCE: usize = 48 * 1024;

pub async fn judge_evidence(core: &Core, case: &Arc<Case>, sent: Sent<'_>, name: &str) -> Result<Judged> {
    let is_listed = case.rules.plugins.iter().any(|own| own == name);
    let settings = core.config.plugin.get(name).filter(|it| is_listed && it.world == PluginWorld::Evidence);
    let most: TierName =
        settings.and_then(|it| it.tier).map(TierName::from).ok_or_else(|| invalid("This client takes no evidence of that format."))?;
    let evidence = sent.incoming.form.get("evidence").filter(|it| it.len() <= MAX_EVIDENCE);
    let evidence = evidence.ok_or_else(|| invalid("The evidence parameter is missing or larger than 48 KiB."))?;
    let platform = format!("plugin:{name}");
    let known = known(core, case, &platform).await?;
    if known.is_none() {
        case::within_the_clients(core, case)?;
    }
    let binding = case.named(if known.is_some() { Purpose::Renewal } else { Purpose::First })?;
    let situation = EvidenceSituation {
        plugin: name,
        client: &case.client_id,
        binding,
        installation: &case.jkt,
        is_renewal: known.is_some(),
        evidence,
        now_ms: sent.incoming.now_ms,
    };
    let before = known.as_ref().map(|it| it.written.clone());
    let mut judged = Judged { platform: platform.into(), before, facts: json!({}), ..Judged::default() };
    let found = match core.plugins.verify(situation).await {
        Ok(found) => found,
        Err(unanswered) => return Err(note_failure(core, (case, sent.incoming), (name, &unanswered)).await?),
    };
    match found {
        EvidenceFound::Refused(rules) => {
            judged.facts = json!({ "rules": rules });
            judged.failed.push("plugin_rules");
        }
        EvidenceFound::Accepted { binding: named, evidence_key, tier, facts } => {
            let evidence_key = own_key(&judged.platform, &evidence_key);
            if !digest::equal(&named, &binding) {
                judged.failed.push("challenge");
            }
            if known.as_ref().is_some_and(|it| it.evidence_key != evidence_key) {
                judged.failed.push("another_device");
            }
            // A renewal never proves more than what the installation began with.
            let began = known.map_or(Some(most), |it| it.proved);
            judged.proved = began.map(|began| began.min(tier).min(most));
            (judged.facts, judged.evidence_key) = (Json::Object(facts), evidence_key);
        }
    }
    Ok(judged)
}

/// The plug-in has judged nothing: the app may try again, and the audit says why.
async fn note_failure(core: &Core, (case, incoming): (&Case, &Incoming), (name, unanswered): (&str, &Unanswered)) -> Result<Error> {
    let (why, call) = (unanswered.why.as_str(), unanswered.call.as_str());
    tracing::warn!(plugin = name, call, why, "a plug-in for evidence failed");
    let mut entry = plugins::failed(name, unanswered).client(case.client_id.as_str()).address(incoming.address.to_string());
    entry.instance = Some(case.jkt.clone());
    core.note_once(&[&case.client_id], entry, incoming.now_ms).await?;
    Ok(plugins::unavailable().because(format!("plug-in {name}: {why}")).audited().into())
}

/// No two platforms share a key.
fn own_key(platform: &str, named: &[u8]) -> Vec<u8> {
    digest::sha256(&[platform.as_bytes(), &[0], named].concat()).to_vec()
}

/// An installation that this plug-in has judged before.
struct JudgedInstallation {
    proved: Option<TierName>,
    evidence_key: Vec<u8>,
    written: String,
}

/// None: it comes for the first time.
async fn known(core: &Core, case: &Case, platform: &str) -> Result<Option<JudgedInstallation>> {
    let Some(row) = case::row_of(core, case).await? else { return Ok(None) };
    let why = match (row.text("state")?, row.text("platform")?) {
        // Somebody else's attester vouched for it until now; here it comes for the first time.
        ("active", "attester") => return Ok(None),
        ("active", before) if before == platform => None,
        ("active", _) => Some("another_platform"),
        _ => Some("installation_revoked"),
    };
    if let Some(why) = why {
        return Err(invalid("This installation is revoked, or its key belongs to another platform.").because(why).into());
    }
    let written = row.text("facts")?.to_owned();
    let proved = proved(row.text("tier")?, &case::facts(&written)?);
    Ok(Some(JudgedInstallation { proved, evidence_key: row.bytes("evidence_key")?.to_vec(), written }))
}
