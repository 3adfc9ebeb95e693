//! Installations of apps, and managed devices: who they are and what is known of them.

use super::paging::{cut_page, rows_to_fetch};
use super::revoke::{self, Selection};
use super::{Actor, Context, Outcome, Paging, Problem, Result, clients};
use crate::attesting::case;
use crate::audit;
use crate::store::Row;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum InstanceOperation {
    List {
        /// Absent: of every client.
        client_id: Option<String>,
        paging: Paging,
    },
    Show {
        jkt: String,
    },
    /// One step of a revocation; the caller repeats it with `after` until the outcome has no `next`.
    Revoke {
        selection: Selection,
        preview: bool,
        after: Option<String>,
    },
}

/// One key may be enrolled by several clients, each with evidence and sessions of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installation {
    pub jkt: String,
    pub client_id: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Instances {
    pub instances: Vec<InstanceLine>,
    pub next: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InstanceLine {
    pub jkt: String,
    pub client_id: String,
    pub platform: String,
    pub tier: String,
    pub state: String,
    pub attested_ms: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InstanceFacts {
    pub jkt: String,
    pub client_id: String,
    pub platform: String,
    pub tier: String,
    pub state: String,
    /// What the evidence said.
    pub facts: Json,
    pub created_ms: i64,
    pub attested_ms: i64,
    /// Absent: never.
    pub used_ms: Option<i64>,
    pub counter: i64,
    /// The newest audit entries about it, oldest first.
    pub history: Vec<HistoryLine>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HistoryLine {
    pub at_ms: i64,
    pub event: String,
    pub outcome: String,
    /// Absent: nothing more to say.
    pub reason: Option<String>,
}

const LIST: &str = "SELECT jkt, client, platform, tier, state, attested_ms FROM instance WHERE ($1 = '' OR client = $1) \
    AND (client, jkt) > ($2, $3) ORDER BY client, jkt LIMIT $4";
const SHOW: &str = "SELECT client, platform, tier, state, facts, created_ms, attested_ms, counter FROM instance WHERE jkt = $1 \
    ORDER BY client LIMIT 100";
/// A statement about the grants of an installation ($1: client, $2: key). Its key may also hold grants from before it was attested; a
/// holder that was learned is written as the key and a generation.
macro_rules! of_installation {
    ($begins:literal, $ends:literal) => {
        concat!($begins, " WHERE client = $1 AND holder_kind IN ('instance', 'jkt', 'learned') AND substr(holder, 1, 43) = $2", $ends)
    };
}

/// Each use of a grant is written at the grant: that is the installation's last use, without another write.
const USED: &str = of_installation!("SELECT MAX(used_ms) FROM app_grant", "");
pub(super) const GRANTS: &str = of_installation!("SELECT COUNT(*) FROM app_grant", " AND state <> 'ended'");
pub(super) const END: &str = of_installation!("UPDATE app_grant SET state = 'ended', ended_ms = $3", " AND state <> 'ended'");

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

/// A place in the list: the client and the key, in the order of the table's primary key.
pub(super) fn key_text(client_id: &str, jkt: &str) -> String {
    format!("{client_id}/{jkt}")
}

/// A key has no slash, so that the last one divides.
pub(super) fn parse_key(after: Option<&str>) -> Result<(&str, &str)> {
    match after {
        None => Ok(("", "")),
        Some(text) => text.rsplit_once('/').ok_or_else(|| Problem::invalid("after: give the `next` of the page before")),
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
        instances.push(InstanceLine {
            jkt: row.text(0)?.to_owned(),
            client_id: row.text(1)?.to_owned(),
            platform: row.text(2)?.to_owned(),
            tier: row.text(3)?.to_owned(),
            state: row.text(4)?.to_owned(),
            attested_ms: row.int(5)?,
        });
    }
    // A client that is gone from the configuration may have left installations behind.
    if instances.is_empty() && !of.is_empty() {
        clients::find_or_refuse(context, &of).await?;
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
    let client_id = row.text(0)?.to_owned();
    let used = context.store.one(USED, &[client_id.as_str().into(), jkt.into()]).await?;
    let filter = audit::Filter { client: Some(client_id.clone()), instance: Some(jkt.to_owned()), ..audit::Filter::default() };
    let history = audit::list(&context.store, &filter, MOST_HISTORY).await?;
    Ok(InstanceFacts {
        jkt: jkt.to_owned(),
        client_id,
        platform: row.text(1)?.to_owned(),
        tier: row.text(2)?.to_owned(),
        state: row.text(3)?.to_owned(),
        facts: case::facts(row.text(4)?)?,
        created_ms: row.int(5)?,
        attested_ms: row.int(6)?,
        used_ms: used.map(|it| it.opt_int(0)).transpose()?.flatten(),
        counter: row.int(7)?,
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
