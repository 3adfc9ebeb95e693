//! Installations of apps, and managed devices: who they are and what is known of them.

use super::actor::Actor;
use super::context::Context;
use super::installation::{key_text, parse_key};
use super::operation::InstanceOperation;
use super::outcome::{HistoryLine, InstanceFacts, InstanceLine, Instances, Outcome};
use super::paging::Paging;
use super::paging::{cut_page, rows_to_fetch};
use super::problem::{Problem, Result};
use super::{find_client, revoke};
use crate::attesting::case;
use crate::audit;
use crate::store::Row;
use crate::store::tables::app_grant::LAST_USE_OF_INSTALLATION;
use crate::store::tables::instance::{LIST, SHOW};
use serde_json::Value as Json;

/// How much of its history is shown.
pub const MOST_HISTORY: usize = 50;

pub(super) async fn run(context: &Context, actor: &Actor, operation: InstanceOperation) -> Result<Outcome> {
    match operation {
        InstanceOperation::List { client_id, paging } => list(context, client_id, &paging).await.map(Outcome::Instances),
        InstanceOperation::Show { jkt } => show(context, &jkt).await,
        InstanceOperation::Revoke { selection, preview, after } => {
            let step = revoke::Step { preview, after };
            revoke::run(context, actor, selection, &step).await.map(Outcome::InstancesRevoked)
        }
    }
}

async fn list(context: &Context, client_id: Option<String>, paging: &Paging) -> Result<Instances> {
    let size = paging.size()?;
    let (after_client, after_jkt) = parse_key(paging.after.as_deref())?;
    let of = client_id.clone().unwrap_or_default();
    if client_id.is_some_and(|it| it.is_empty()) {
        return Err(Problem::invalid("client_id is empty"));
    }
    let values = [of.as_str().into(), after_client.into(), after_jkt.into(), rows_to_fetch(size).into()];
    let mut instances = Vec::new();
    for row in context.store.all_stale(LIST, &values).await? {
        let (jkt, client_id) = (row.text("jkt")?.to_owned(), row.text("client")?.to_owned());
        let kiosks = context.config.client.get(&client_id).and_then(|client| client.kiosk.as_ref());
        instances.push(InstanceLine {
            kiosk: kiosks.and_then(|rules| rules.device.get(&jkt)).cloned(),
            jkt,
            client_id,
            platform: row.text("platform")?.to_owned(),
            tier: row.text("tier")?.to_owned(),
            state: row.text("state")?.to_owned(),
            attested_ms: row.int("attested_ms")?,
        });
    }
    // A client that is gone from the configuration may have left installations behind.
    if instances.is_empty() && !of.is_empty() {
        find_client::find_or_refuse(context, &of).await?;
    }
    let next = cut_page(&mut instances, size, |it| key_text(&it.client_id, &it.jkt));
    Ok(Instances { instances, next })
}

async fn show(context: &Context, jkt: &str) -> Result<Outcome> {
    let mut installations = Vec::new();
    for row in context.store.all(SHOW, &[jkt.into()]).await? {
        installations.push(read_facts(context, jkt, &row).await?);
    }
    if installations.is_empty() {
        return Err(Problem::not_found(format!("there is no installation {jkt}")));
    }
    Ok(Outcome::Instance { installations })
}

/// One installation, and what the audit says of it.
async fn read_facts(context: &Context, jkt: &str, row: &Row) -> Result<InstanceFacts> {
    let client_id = row.text("client")?.to_owned();
    let used = context.store.one(LAST_USE_OF_INSTALLATION, &[client_id.as_str().into(), jkt.into()]).await?;
    let filter = audit::Filter { client: Some(client_id.clone()), instance: Some(jkt.to_owned()), ..audit::Filter::default() };
    let history = audit::list(&context.store, &filter, MOST_HISTORY).await?;
    Ok(InstanceFacts {
        jkt: jkt.to_owned(),
        client_id,
        platform: row.text("platform")?.to_owned(),
        tier: row.text("tier")?.to_owned(),
        state: row.text("state")?.to_owned(),
        facts: case::facts(row.text("facts")?)?,
        created_ms: row.int("created_ms")?,
        attested_ms: row.int("attested_ms")?,
        used_ms: used.map(|it| it.opt_int("used_ms")).transpose()?.flatten(),
        counter: row.int("counter")?,
        history: history.iter().map(|(_, entry)| history_line(entry)).collect(),
    })
}

fn history_line(entry: &Json) -> HistoryLine {
    let word = |name: &str| entry[name].as_str().map(str::to_owned);
    let renewal = (entry["detail"]["renewal"] == true).then(|| "renewal".to_owned());
    HistoryLine {
        at_ms: entry["at"].as_i64().unwrap_or_default(),
        event: word("event").unwrap_or_default(),
        outcome: word("outcome").unwrap_or_default(),
        reason: renewal.or_else(|| word("reason")),
    }
}
