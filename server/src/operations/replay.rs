//! What the exported audit says, carried out again on a restored store: ends, refreshes, and means that were stopped. Everything is planned from the file and
//! the copy before the first write. An entry that the copy's own audit has is in the copy already and is left out.

mod copy;
mod ends;
mod entries;
mod lost;
mod refreshes;
mod stopped;

pub use entries::parse;

use super::actor::Actor;
use super::context::Context;
use super::problem::Result;
use crate::store::Change;
use entries::at_ms;
use serde_json::Value as Json;

/// What will be written, and what can only be said.
pub struct Plan {
    pub changes: Vec<Change>,
    pub ended_again: usize,
    pub advanced: usize,
    pub lost: Vec<String>,
    pub copy_until_ms: Option<i64>,
    pub audit_from_ms: i64,
    pub audit_until_ms: i64,
}

/// `entries` are in the order of their times, and there is one.
pub async fn plan(context: &Context, actor: &Actor, entries: &[Json]) -> Result<Plan> {
    let (from_ms, until_ms) = (entries.first().map_or(0, at_ms), entries.last().map_or(0, at_ms));
    let copy = copy::read(context, from_ms).await?;
    let forgotten: Vec<&Json> = entries.iter().filter(|it| !copy.entries.contains(&it.to_string())).collect();
    // Refreshes first: what ended after them ends.
    let refreshed = refreshes::plan(context, actor, &copy, &forgotten).await?;
    let mut lost = refreshed.lost;
    let mut plan = Plan {
        changes: refreshed.changes,
        ended_again: 0,
        advanced: refreshed.advanced,
        lost: Vec::new(),
        copy_until_ms: copy.until_ms,
        audit_from_ms: from_ms,
        audit_until_ms: until_ms,
    };
    for entry in forgotten.iter().filter(|it| it["outcome"] != "failed") {
        let mut change = context.change(actor);
        ends::add(&mut change, entry, &copy);
        stopped::add(context, &mut change, entry).await?;
        if !change.is_empty() {
            change.audit(actor.entry("ended_again").with("was", entry["event"].clone()).with("at", entry["at"].clone()));
            plan.changes.push(change);
            plan.ended_again += 1;
        }
    }
    lost.extend(lost::name(context, &forgotten).await?);
    plan.lost = lost.into_iter().collect();
    Ok(plan)
}
