//! Applications: those of the configuration file and those that were registered by import.

use super::actor::Actor;
use super::context::Context;
use super::find_client::{find_or_refuse, state_in_file};
use super::operation::ClientOperation;
use super::outcome::{ClientFacts, ClientLine, ClientPage, ClientSource, Outcome, SecretFacts};
use super::paging::Paging;
use super::paging::{cut_page, rows_to_fetch};
use super::problem::{Problem, Result};
use super::{cutoff, import, registration_tokens};
use crate::config::Client;
use crate::store::tables::client::{LIST, REMOVE, SET_STATE};
use crate::store::{NotApplied, Row};
use std::ops::Bound;

/// Keys of a page say of which of the two sources it is.
const FILE: &str = "file:";
const REGISTERED: &str = "registered:";

pub(super) async fn run(context: &Context, actor: &Actor, operation: ClientOperation) -> Result<Outcome> {
    match operation {
        ClientOperation::Import { replace, dry_run, metadata } => {
            import::run(context, actor, &metadata, import::How { replace, dry_run }).await
        }
        ClientOperation::List { paging } => list(context, &paging).await.map(Outcome::Clients),
        ClientOperation::Show { client_id } => show(context, client_id).await.map(Outcome::Client),
        ClientOperation::Disable { client_id } => set_state(context, actor, client_id, "disabled").await,
        ClientOperation::Enable { client_id } => set_state(context, actor, client_id, "active").await,
        ClientOperation::Remove { client_id } => remove(context, actor, client_id).await,
        ClientOperation::MakeToken { policy, uses, lifetime_s } => {
            registration_tokens::make(context, actor, policy, uses, lifetime_s).await
        }
        ClientOperation::ListTokens { paging } => registration_tokens::list(context, &paging).await.map(Outcome::RegistrationTokens),
        ClientOperation::RevokeToken { token } => registration_tokens::revoke(context, actor, token).await,
        ClientOperation::EndSessions { client_id, preview } => cutoff::end_sessions(context, actor, client_id, preview).await,
    }
}

async fn list(context: &Context, paging: &Paging) -> Result<ClientPage> {
    let size = paging.size()?;
    let (file, registered) = match paging.after() {
        "" => (Some(""), ""),
        after => match (after.strip_prefix(FILE), after.strip_prefix(REGISTERED)) {
            (Some(id), _) => (Some(id), ""),
            (_, Some(id)) => (None, id),
            _ => return Err(Problem::invalid("after: give the `next` of the page before")),
        },
    };
    let mut clients = Vec::new();
    if let Some(after) = file {
        let rest = context.config.client.range::<str, _>((Bound::Excluded(after), Bound::Unbounded)).take(size + 1);
        clients.extend(rest.map(|(id, client)| line(id, client, ClientSource::File, state_in_file(client))));
    }
    if clients.len() <= size {
        let missing = rows_to_fetch(size - clients.len());
        for row in context.store.all_stale(LIST, &[registered.into(), missing.into()]).await? {
            clients.push(registered_line(context, &row)?);
        }
    }
    let next = cut_page(&mut clients, size, |client| match client.source {
        ClientSource::File => format!("{FILE}{}", client.client_id),
        ClientSource::Registered | ClientSource::Itself => format!("{REGISTERED}{}", client.client_id),
    });
    Ok(ClientPage { clients, next })
}

fn line(id: &str, client: &Client, source: ClientSource, state: &str) -> ClientLine {
    ClientLine {
        client_id: id.to_owned(),
        source,
        state: state.to_owned(),
        kind: Some(format!("{:?}", client.kind).to_lowercase()),
        authentication: Some(client.authentication.as_str().to_owned()),
        name: client.name.clone(),
        created_ms: None,
        policy: None,
        used_ms: None,
        until_ms: None,
        problem: None,
    }
}

fn registered_line(context: &Context, row: &Row) -> Result<ClientLine> {
    let id = row.text("id")?;
    let state = if context.config.client.contains_key(id) { "hidden" } else { row.text("state")? };
    let line = match serde_json::from_str::<Client>(row.text("body")?) {
        Ok(client) => line(id, &client, ClientSource::Registered, state),
        Err(error) => ClientLine {
            client_id: id.to_owned(),
            source: ClientSource::Registered,
            state: state.to_owned(),
            kind: None,
            authentication: None,
            name: None,
            created_ms: None,
            policy: None,
            used_ms: None,
            until_ms: None,
            problem: Some(error.to_string()),
        },
    };
    let policy = row.opt_text("policy")?.map(str::to_owned);
    let source = if policy.is_some() { ClientSource::Itself } else { ClientSource::Registered };
    let used_ms = row.opt_int("used_ms")?.filter(|at_ms| *at_ms > 0);
    Ok(ClientLine { source, policy, used_ms, until_ms: row.opt_int("until_ms")?, created_ms: Some(row.int("created_ms")?), ..line })
}

async fn show(context: &Context, client_id: String) -> Result<ClientFacts> {
    let known = find_or_refuse(context, &client_id).await?;
    let secret = known.client.secret.as_ref().map(|secret| match secret.key_version() {
        Some(version) => SecretFacts { digest: "hmac-sha256".to_owned(), master_key: Some(version) },
        None => SecretFacts { digest: "argon2id".to_owned(), master_key: None },
    });
    let client = Client { secret: None, ..known.client };
    let metadata = serde_json::to_value(&client).map_err(|it| Problem::fault(it.to_string()))?;
    Ok(ClientFacts { client_id, source: known.source, state: known.state, secret, metadata })
}

async fn set_state(context: &Context, actor: &Actor, client_id: String, state: &'static str) -> Result<Outcome> {
    if context.config.client.contains_key(&client_id) {
        let what = if state == "active" { "take `disabled = true` away there" } else { "write `disabled = true` there" };
        return Err(Problem::conflict(format!("{client_id} is a client of the configuration file; {what}")));
    }
    let mut change = context.change(actor);
    change.run(SET_STATE, vec![client_id.as_str().into(), state.into()]);
    // APIs that check tokens themselves do not ask who is disabled: they are told that all of it has ended.
    if state != "active" {
        cutoff::cut(&mut change, &client_id);
    }
    let event = if state == "active" { "client_enabled" } else { "client_disabled" };
    change.audit(actor.entry(event).client(client_id.as_str()));
    match context.store.apply(change).await {
        Ok(_) => Ok(Outcome::ClientState { client_id, state: state.to_owned() }),
        Err(NotApplied::Conflict(_)) => Err(Problem::not_found(format!("there is no registered client {client_id}"))),
        Err(other) => Err(other.into()),
    }
}

async fn remove(context: &Context, actor: &Actor, client_id: String) -> Result<Outcome> {
    if context.config.client.contains_key(&client_id) {
        return Err(Problem::conflict(format!("{client_id} is a client of the configuration file; take it out of there")));
    }
    let mut change = context.change(actor);
    change.run(REMOVE, vec![client_id.as_str().into()]);
    cutoff::cut(&mut change, &client_id);
    change.audit(actor.entry("client_removed").client(client_id.as_str()));
    match context.store.apply(change).await {
        Ok(_) => Ok(Outcome::ClientState { client_id, state: "removed".to_owned() }),
        Err(NotApplied::Conflict(_)) => Err(Problem::not_found(format!("there is no registered client {client_id}"))),
        Err(other) => Err(other.into()),
    }
}
