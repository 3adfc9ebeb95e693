//! Refreshes that the copy has forgotten: each grant gets the generation that the audit says it had. Without it, a refresh token that
//! was replaced after the copy would be the newest one again.

use super::copy::Copy;
use super::entries::at_ms;
use crate::operations::actor::Actor;
use crate::operations::context::Context;
use crate::operations::problem::Result;
use crate::store::tables::app_grant::{ADVANCE_AGAIN, GENERATIONS};
use crate::store::{Change, Expect, Value};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// Grants to one change.
const BATCH: usize = 200;

/// Session and client, and the grant's number where the entry has it.
type Name<'a> = (&'a str, &'a str, Option<i64>);

#[derive(Clone, Copy, Default)]
struct Newest {
    generation: i64,
    at_ms: i64,
}

/// What will be written of refreshes.
#[derive(Default)]
pub struct RefreshPlan {
    pub changes: Vec<Change>,
    /// How many grants advance.
    pub advanced: usize,
    /// The grants that the audit does not name exactly.
    pub lost: BTreeSet<String>,
}

pub async fn plan(context: &Context, actor: &Actor, copy: &Copy, entries: &[&Json]) -> Result<RefreshPlan> {
    let (mut rows, mut plan) = (Vec::new(), RefreshPlan::default());
    for ((session, client, number), newest) in newest_of_each(entries) {
        let Some(id) = copy.sessions.get(session) else { continue };
        let found = context.store.all(GENERATIONS, &[Value::from(&id[..]), client.into()]).await?;
        let mut behind = Vec::new();
        for row in &found {
            if number.is_none_or(|it| row.int("number").is_ok_and(|own| own == it)) && row.int("generation")? <= newest.generation {
                behind.push((row.int("number")?, row.int("generation")?));
            }
        }
        match behind[..] {
            [] => {}
            [(number, generation)] => {
                plan.advanced += usize::from(generation < newest.generation);
                rows.push(vec![Value::from(&id[..]), number.into(), newest.generation.into(), newest.at_ms.into()]);
            }
            _ => {
                let why = "the audit does not say which of its grants was refreshed; replaced refresh tokens may work again";
                let lost = format!("refreshes of {client} in the session {session}: {why}; `symbolon client end-sessions` ends them");
                plan.lost.insert(lost);
            }
        }
    }
    for batch in rows.chunks(BATCH) {
        let mut change = context.change(actor);
        for values in batch {
            change.run_expecting(ADVANCE_AGAIN, values.clone(), Expect::Any);
        }
        change.audit(actor.entry("refreshes_replayed").with("grants", batch.len()));
        plan.changes.push(change);
    }
    Ok(plan)
}

fn newest_of_each<'a>(entries: &[&'a Json]) -> BTreeMap<Name<'a>, Newest> {
    let mut all: BTreeMap<Name<'a>, Newest> = BTreeMap::new();
    for entry in entries.iter().filter(|it| it["event"] == "refreshed" || it["event"] == "store_behind") {
        let (Some(session), Some(client)) = (entry["session"].as_str(), entry["client"].as_str()) else { continue };
        let Some(generation) = entry["detail"]["generation"].as_i64().filter(|it| u32::try_from(*it).is_ok()) else { continue };
        let newest = all.entry((session, client, entry["detail"]["grant"].as_i64())).or_default();
        newest.generation = newest.generation.max(generation);
        newest.at_ms = newest.at_ms.max(at_ms(entry));
    }
    all
}
