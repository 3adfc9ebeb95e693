//! Registering clients from a file of metadata. Each entry is judged by itself, and the answer says for each what was accepted or why not.

use super::actor::Actor;
use super::context::Context;
use super::outcome::{Imported, ImportedClient, Outcome};
use super::problem::{Problem, Result};
use crate::clients;
use crate::clients::metadata::{self, ReadClient};
use crate::config::{NamedClient, Secret};
use crate::links::held::HeldHosts;
use crate::login::accounts;
use crate::sensitive::Sensitive;
use crate::store::NotApplied;
use crate::store::tables::client::{IMPORT, IS_REGISTERED, REPLACE_BODY};
use serde_json::Value as Json;
use std::sync::Arc;

#[derive(Clone, Copy)]
pub struct How {
    pub replace: bool,
    pub dry_run: bool,
}

pub async fn run(context: &Context, actor: &Actor, metadata: &Sensitive, how: How) -> Result<Outcome> {
    let file: Json = serde_json::from_str(metadata.reveal()).map_err(|it| Problem::invalid(format!("the file is no JSON: {it}")))?;
    let entries = match file {
        Json::Array(all) => all,
        one => vec![one],
    };
    let held = HeldHosts::read(&context.store, context.now_ms).await?;
    let mut imported = Imported { dry_run: how.dry_run, ..Imported::default() };
    for (at, entry) in entries.into_iter().enumerate() {
        let name = entry["client_id"].as_str().or(entry["client_name"].as_str());
        let name = name.map_or_else(|| format!("entry {}", at + 1), str::to_owned);
        match import((context, &held), actor, entry, how).await? {
            Ok(read) => {
                imported.accepted += 1;
                let secret_made = read.secret.is_some();
                if let Some(secret) = read.secret.filter(|_| !how.dry_run) {
                    imported.secrets.insert(read.id.clone(), secret);
                }
                let (client_id, notes) = (Some(read.id), read.notes);
                imported.clients.push(ImportedClient { name, client_id, accepted: true, secret_made, notes, problems: Vec::new() });
            }
            Err(problems) => {
                imported.refused += 1;
                let notes = Vec::new();
                imported.clients.push(ImportedClient { name, client_id: None, accepted: false, secret_made: false, notes, problems });
            }
        }
    }
    Ok(Outcome::ClientsImported(imported))
}

/// argon2id: somebody may have chosen the secret.
fn slow_digest(plain: &str) -> std::result::Result<Secret, Vec<String>> {
    let digest = accounts::hash_password_blocking(plain).map_err(|it| vec![it.to_string()])?;
    Secret::parse(&digest).map_err(|it| vec![it.to_owned()])
}

/// Judges one entry and stores it; the inner error says everything that speaks against it.
async fn import(
    (context, held): (&Context, &HeldHosts),
    actor: &Actor,
    entry: Json,
    how: How,
) -> Result<std::result::Result<ReadClient, Vec<String>>> {
    let config = Arc::clone(&context.config);
    // The digest of a secret takes its time.
    let judged = tokio::task::spawn_blocking(move || metadata::read(&config, &entry, &slow_digest)).await;
    let read = match judged.map_err(|it| Problem::fault(it.to_string()))? {
        Ok(read) => read,
        Err(problems) => return Ok(Err(problems)),
    };
    let named = NamedClient { client_id: &read.id, client: &read.client };
    if let Some(why) = held.objection_to_import(named, context.now_ms) {
        return Ok(Err(vec![why.to_owned()]));
    }
    if context.config.client.contains_key(&read.id) {
        return Ok(Err(vec!["the configuration file has a client of this client_id, and it wins".to_owned()]));
    }
    let taken = "a client of this client_id is registered already; --replace replaces it";
    let exists = context.store.one(IS_REGISTERED, &[read.id.as_str().into()]).await?.is_some();
    if exists && !how.replace {
        return Ok(Err(vec![taken.to_owned()]));
    }
    if how.dry_run {
        return Ok(Ok(read));
    }
    let body = serde_json::to_string(&read.client).map_err(|it| Problem::fault(it.to_string()))?;
    let mut change = context.change(actor);
    if exists {
        change.run(REPLACE_BODY, vec![read.id.as_str().into(), body.into()]);
    } else {
        change.run(IMPORT, vec![read.id.as_str().into(), body.into(), context.now_ms.into()]);
    }
    clients::add_needs(&mut change, &read.client);
    change.audit(actor.entry(if exists { "client_replaced" } else { "client_registered" }).client(read.id.as_str()));
    match context.store.apply(change).await {
        Ok(_) => Ok(Ok(read)),
        Err(NotApplied::Conflict(_)) if exists => Ok(Err(vec!["it was taken away at the same moment; try again".to_owned()])),
        Err(NotApplied::Conflict(_)) => Ok(Err(vec![taken.to_owned()])),
        Err(other) => Err(other.into()),
    }
}
