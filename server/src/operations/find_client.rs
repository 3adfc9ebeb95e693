//! A client, wherever it comes from: the configuration file, or the store.

use super::context::Context;
use super::outcome::ClientSource;
use super::problem::{Problem, Result};
use crate::config::Client;
use crate::store::tables::client::SHOW;

pub struct FoundClient {
    pub client: Client,
    pub source: ClientSource,
    pub state: String,
}

pub async fn find(context: &Context, client_id: &str) -> Result<Option<FoundClient>> {
    if let Some(client) = context.config.client.get(client_id) {
        return Ok(Some(FoundClient { client: client.clone(), source: ClientSource::File, state: state_in_file(client).to_owned() }));
    }
    let Some(row) = context.store.one(SHOW, &[client_id.into()]).await? else { return Ok(None) };
    let client =
        serde_json::from_str(row.text("body")?).map_err(|it| Problem::fault(format!("client {client_id} cannot be read: {it}")))?;
    let source = if row.opt_text("policy")?.is_some() { ClientSource::Itself } else { ClientSource::Registered };
    Ok(Some(FoundClient { client, source, state: row.text("state")?.to_owned() }))
}

pub async fn find_or_refuse(context: &Context, client_id: &str) -> Result<FoundClient> {
    find(context, client_id).await?.ok_or_else(|| Problem::not_found(format!("there is no client {client_id}")))
}

pub fn state_in_file(client: &Client) -> &'static str {
    if client.disabled { "disabled" } else { "active" }
}
