//! What the attester has let in, for a review: whom the rules would refuse if `attestation.observe` ended today, and evidence that is newer
//! than this server.

use super::context::Context;
use super::outcome::Finding;
use super::problem::Result;
use crate::audit::{self, Filter};
use crate::config::Config;
use crate::store::Row;
use crate::store::tables::instance::COUNT_NEWER;
use serde_json::Value as Json;
use std::collections::BTreeMap;

const DAYS: i64 = 7;
const DAY_MS: i64 = 86_400_000;
/// The most entries that are counted.
const MOST: usize = 10_000;

/// Android describes keys in a version that this server does not know. It reads what it knows, and a new server may know more.
pub(super) async fn newer_findings(context: &Context) -> Result<Vec<Finding>> {
    let rows = context.store.all_stale(COUNT_NEWER, &[(context.now_ms - DAYS * DAY_MS).into()]).await?;
    let of_client = |row: &Row| -> Result<Finding> {
        let (client, count) = (row.text("client")?, row.int("count")?);
        Ok(Finding::weak(format!(
            "client {client}: {count} installations that attested in the last {DAYS} days have an Android description of a newer version than \
             this server knows: look for a newer Symbolon; attestation.android.strict refuses them"
        )))
    };
    rows.iter().map(of_client).collect()
}

pub(super) async fn observed_findings(context: &Context, config: &Config) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let observes = |id: &&String| config.client[*id].attestation.as_ref().is_some_and(|it| it.observe);
    for id in config.client.keys().filter(observes) {
        let list = |event: &str| {
            let since_ms = Some(context.now_ms - DAYS * DAY_MS);
            Filter { since_ms, event: Some(event.to_owned()), client: Some(id.clone()), ..Filter::default() }
        };
        let passed = audit::list(&context.store, &list("instance_attested"), MOST).await?.len();
        let observed = audit::list(&context.store, &list("evidence_observed"), MOST).await?;
        let mut rules: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, entry) in &observed {
            for rule in entry["detail"]["rules"].as_array().into_iter().flatten().filter_map(Json::as_str) {
                *rules.entry(rule).or_default() += 1;
            }
        }
        let text = format!(
            "client {id}, attestation.observe: in {DAYS} days {passed} pieces of evidence passed, and the audit has {} that would be refused",
            observed.len()
        );
        let details = rules.into_iter().map(|(rule, count)| format!("{rule}: {count}")).collect();
        findings.push(Finding { details, ..Finding::fact(text) });
    }
    Ok(findings)
}
