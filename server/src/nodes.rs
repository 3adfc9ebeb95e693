//! The processes that serve one issuer. Each says every half minute that it is there, and what its configuration is. The metrics port's
//! /health/details tells whether they agree. Nothing else depends on it.

use crate::core::Core;
use crate::error::Fault;
use crate::limits::OncePerSecond;
use crate::store::tables::node;
use crate::store::{Change, Expect, MOST_OFFSET_MS, Store};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

/// A process that was silent for this long is gone.
const SILENT_MS: i64 = 120_000;

pub async fn announce(core: &Core) -> Result<(), Fault> {
    core.store.compare_clocks(&core.clock).await?;
    let now_ms = core.now_ms();
    let mut change = Change::new(now_ms);
    change.run(node::ANNOUNCE, vec![core.node.as_str().into(), core.config_digest.as_str().into(), now_ms.into()]);
    change.run_expecting(node::FORGET, vec![(now_ms - 10 * SILENT_MS).into()], Expect::Any);
    core.store.apply(change).await.map_err(|it| it.into_fault("announcing this node"))?;
    count(others(core).await?);
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a handful of processes")]
fn count((nodes, differ): (usize, usize)) {
    metrics::gauge!("symbolon_nodes").set(nodes as f64);
    metrics::gauge!("symbolon_nodes_configured_otherwise").set(differ as f64);
}

/// Removes this process, at a regular stop.
pub async fn leave(core: &Core) {
    let mut change = Change::new(core.now_ms());
    change.run_expecting(node::LEAVE, vec![core.node.as_str().into()], Expect::Any);
    if let Err(error) = core.store.apply(change).await {
        tracing::warn!(?error, "this node could not sign off");
    }
}

/// How many processes there are beside a command that opened the store itself. One that was killed counts until it was silent
/// for two minutes.
pub async fn serving(store: &Store, now_ms: i64) -> Result<usize, Fault> {
    Ok(store.all(node::SEEN, &[(now_ms - SILENT_MS).into()]).await?.len())
}

/// The digests of their configurations: one, if they agree.
pub async fn configurations(store: &Store, now_ms: i64) -> Result<BTreeSet<String>, Fault> {
    store
        .all_stale(node::SEEN, &[(now_ms - SILENT_MS).into()])
        .await?
        .iter()
        .map(|row| row.text("configuration").map(str::to_owned))
        .collect()
}

/// What a health check is told.
pub struct Health {
    /// 200, or 503 while requests would fail or be judged by a wrong clock.
    pub status: u16,
    /// For operators; strangers learn the status alone.
    pub details: Json,
}

/// The store answers, and its clock agrees with ours.
pub async fn health(core: &Core) -> Health {
    let nodes = match core.store.healthy().await {
        Ok(()) => others(core).await,
        Err(fault) => Err(fault),
    };
    match nodes {
        Ok((nodes, differ)) => {
            let offset_ms = core.store.clock_offset_ms();
            let is_well = offset_ms.abs() <= MOST_OFFSET_MS;
            let details = json!({
                "status": if is_well { "ok" } else { "the clock differs from the database's" }, "configuration": core.config_digest,
                "nodes": nodes, "configured_otherwise": differ, "clock_offset_ms": offset_ms,
                "plugins_not_loaded": not_loaded(core),
            });
            Health { status: if is_well { 200 } else { 503 }, details }
        }
        Err(fault) => {
            static UNHEALTHY: OncePerSecond = OncePerSecond::new();
            if UNHEALTHY.is_due() {
                tracing::error!(error = %fault, "unhealthy");
            }
            Health { status: 503, details: json!({ "status": "store unavailable" }) }
        }
    }
}

/// Optional plug-ins that the server runs without.
fn not_loaded(core: &Core) -> Vec<String> {
    core.plugins.list().into_iter().filter(|plugin| plugin.problem.is_some()).map(|plugin| plugin.name).collect()
}

/// How many processes there are, and how many of them are configured otherwise than this one.
pub async fn others(core: &Core) -> Result<(usize, usize), Fault> {
    let rows = core.store.all_stale(node::SEEN, &[(core.now_ms() - SILENT_MS).into()]).await?;
    let own = &core.config_digest;
    let differ = rows.iter().filter(|row| row.text("configuration").is_ok_and(|digest| digest != own)).count();
    Ok((rows.len(), differ))
}
