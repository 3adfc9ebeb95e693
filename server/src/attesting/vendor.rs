//! Whose apps two installations run: Apple's Team ID, or the certificate that Android packages are signed with, as the evidence of each said
//! it. Configuration alone names no vendor.

use crate::core::Core;
use crate::error::Result;
use crate::store::tables::instance::STATE_AND_FACTS;
use serde_json::Value as Json;

/// The vendor of a living installation. `None`: it is revoked, or its evidence names none (an attester of one's own vouches, or it was attested
/// before certificates were kept).
pub async fn of_installation(core: &Core, client_id: &str, jkt: &str) -> Result<Option<String>> {
    let Some(row) = core.store.one(STATE_AND_FACTS, &[client_id.into(), jkt.into()]).await? else { return Ok(None) };
    if row.text("state")? != "active" {
        return Ok(None);
    }
    Ok(of_facts(&serde_json::from_str(row.text("facts")?).unwrap_or_default()))
}

fn of_facts(facts: &Json) -> Option<String> {
    if let Some(app_id) = facts["app_id"].as_str() {
        // TEAMID.bundle.identifier
        return app_id.split_once('.').filter(|(team, _)| !team.is_empty()).map(|(team, _)| format!("team {team}"));
    }
    match facts["signing_digests"].as_array().map(Vec::as_slice) {
        Some([Json::String(only)]) if !only.is_empty() => Some(format!("certificate {only}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_vendor_is_named_by_evidence_alone() {
        for (facts, vendor) in [
            (json!({ "app_id": "ABCDE12345.com.example.shop" }), Some("team ABCDE12345")),
            (json!({ "signing_digests": ["AAAA"] }), Some("certificate AAAA")),
            (json!({ "signing_digests": ["AAAA", "BBBB"] }), None),
            (json!({ "signing_digests": [] }), None),
            (json!({ "app_id": ".com.example" }), None),
            (json!({ "app_id": "" }), None),
            (json!({ "packages": ["com.example.shop"] }), None),
            (Json::Null, None),
        ] {
            assert_eq!(of_facts(&facts).as_deref(), vendor, "{facts}");
        }
    }
}
