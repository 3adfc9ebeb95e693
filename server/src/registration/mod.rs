//! Clients that register themselves: RFC 7591, and RFC 7592 for what they may change later. A policy of the configuration says who
//! may be what. A registration proves nothing about the sender. Until something is proved, it reserves no name and gets no trust.

pub mod described;
mod keys;
pub mod objections;
mod own;
pub mod proving;
pub mod renewing;
pub mod tokens;

use crate::audit::Entry;
use crate::clients::keys::MOST_BODY_BYTES;
use crate::clients::proofs::Proofs;
use crate::clients::{add_needs, metadata, strangers};
use crate::config::{Client, ClientPolicy, Secret};
use crate::core::Core;
use crate::error::{Error, Fault, Refused, Result};
use crate::limits::Limits;
use crate::operations::cutoff;
use crate::sensitive::Sensitive;
use crate::store::tables::{attempt, client as table};
use crate::store::{Change, NotApplied, Row, Value};
use crate::stored_bytes::Writer;
use keys::Source;
use objections::refused;
use own::Secrets;
use serde_json::{Map, Value as Json};
use symbolon_oauth::{base64url, digest};
use tokens::Admitted;

pub use own::{Asking, Own};

const HOUR_MS: i64 = 3_600_000;

/// RFC 7591 3: one change registers the client, spends the token's use and counts against the limits.
pub async fn register(core: &Core, admitted: &Admitted<'_>, asked: &Map<String, Json>, asking: Asking) -> Result<Json> {
    let (asked, source) = with_keys(core, admitted.policy, asked, asking).await?;
    let read = read(core, admitted.policy, &asked)?;
    let id = format!("r-{}", base64url::encode(&crate::seal::random::<16>()?));
    let token = base64url::encode(&crate::seal::random::<32>()?);
    let proofs = Proofs { challenge: base64url::encode(&crate::seal::random::<24>()?), ..Proofs::default() };
    let own = Own {
        id,
        client: read.client,
        policy: admitted.name.to_owned(),
        proofs,
        created_ms: asking.now_ms,
        changed_ms: asking.now_ms,
        until_ms: asking.now_ms + admitted.policy.unused.ms(),
        token: digest::sha256(token.as_bytes()),
        keys_uri: source.as_ref().map(|it| it.uri.clone()),
    };
    let body = body_of(&own.client)?;
    core.stored.charge(Writer::Network(asking.address), body.len())?;
    let mut change = Change::new(asking.now_ms);
    let values: [Value; 7] = [
        own.id.as_str().into(),
        body.into(),
        asking.now_ms.into(),
        own.policy.as_str().into(),
        Value::from(&own.token[..]),
        json(&own.proofs)?.into(),
        own.until_ms.into(),
    ];
    change.run(table::REGISTER, values.into_iter().chain(Source::to_columns(source.as_ref())).collect());
    add_needs(&mut change, &own.client);
    let charged = charge(core, &mut change, admitted, asking);
    let spent = admitted.spend(&mut change);
    change.audit(entry("client_registered", &own, asking).with("token", admitted.token.clone().unwrap_or_default()));
    match core.store.apply(change).await {
        Ok(_) => {}
        Err(NotApplied::Conflict(at)) if Some(at) == spent => return Err(tokens::no_such_token("its last use was taken just now").into()),
        Err(NotApplied::Conflict(at)) if charged.contains(&at) => return Err(too_many(charged.first() == Some(&at))),
        Err(other) => return Err(other.into()),
    }
    core.clients.forget_one(&own.id);
    core.refresh_keys_for(&own.client).await?;
    let secrets = Secrets { client_secret: read.secret, access_token: Some(Sensitive::new(token)) };
    Ok(described::answer(core, admitted.policy, &own, &secrets, asking.now_ms))
}

/// Of one site's many IPv6 networks, so many count as networks.
const NETWORKS_OF_A_SITE: u32 = 4;

/// Counts a registration without a token against the policy, the caller's network and its site. A token has uses of its own: no flood of
/// strangers shuts out whom the operator let in. Answers the statements, that of the policy first.
fn charge(core: &Core, change: &mut Change, admitted: &Admitted<'_>, asking: Asking) -> Vec<usize> {
    let mut statements = Vec::new();
    if admitted.token.is_some() {
        return statements;
    }
    let (all, of_network) = (admitted.policy.per_hour.get(), admitted.policy.per_network.get());
    let site = Limits::site(asking.address).map(|site| (site, of_network.saturating_mul(NETWORKS_OF_A_SITE)));
    for (whose, limit) in [(String::new(), all), (Limits::line(asking.address), of_network)].into_iter().chain(site) {
        let (_, key) = core.keyring.mac("client registration", &[admitted.name.as_bytes(), whose.as_bytes()]);
        let until_ms = asking.now_ms + HOUR_MS;
        statements.push(change.len());
        change.run(attempt::CHARGE, vec![Value::from(&key[..]), until_ms.into(), asking.now_ms.into(), i64::from(limit).into()]);
    }
    statements
}

fn too_many(of_all: bool) -> Error {
    let why = if of_all { "the policy's limit of an hour" } else { "the network's limit of an hour" };
    let hint = "Too many clients were registered in the last hour; try again later.";
    Refused::new(429, "temporarily_unavailable", hint).because(why).retry_after(600).into()
}

/// The metadata with the keys in them, which may be at an address. All else is judged before the address is asked.
async fn with_keys(
    core: &Core,
    policy: &ClientPolicy,
    asked: &Map<String, Json>,
    asking: Asking,
) -> Result<(Map<String, Json>, Option<Source>)> {
    if let Some(members) = keys::with_stand_in(asked)? {
        read(core, policy, &members)?;
    }
    keys::read(core, asked, asking).await
}

/// Metadata to a client of this policy. What the policy says, the client need not say.
fn read(core: &Core, policy: &ClientPolicy, asked: &Map<String, Json>) -> Result<metadata::ReadClient> {
    let mut entry = asked.clone();
    objections::to_members(&entry)?;
    // RFC 7591 2: what is not understood is ignored. A client chooses neither its name here nor its secret.
    for chosen in ["client_id", "client_secret", "client_secret_expires_at", "registration_access_token", "registration_client_uri"] {
        entry.remove(chosen);
    }
    entry.entry("scope").or_insert_with(|| policy.whole_scope().into());
    let keyed = |plain: &str| Ok(Secret::keyed(&core.keyring, plain));
    let mut read = metadata::read(&core.config, &entry.into(), &keyed).map_err(|problems| objections::of_metadata(&problems))?;
    if let Some(hint) = core.clients.objection(policy, &read.client) {
        return Err(refused(hint).into());
    }
    policy.lay_over(&mut read.client);
    Ok(read)
}

fn body_of(client: &Client) -> Result<String> {
    let body = serde_json::to_string(client).map_err(|it| Fault::new(it.to_string()))?;
    if body.len() > MOST_BODY_BYTES {
        return Err(refused("The metadata are longer than 16 KiB in all.").into());
    }
    Ok(body)
}

fn json(proofs: &Proofs) -> Result<String> {
    serde_json::to_string(proofs).map_err(|it| Fault::new(it.to_string()).into())
}

fn entry(event: &'static str, own: &Own, asking: Asking) -> Entry {
    let entry = Entry::ok(event).client(own.id.as_str()).address(asking.address.to_string());
    entry.with("policy", own.policy.as_str()).with("redirect_uris", own.client.redirect_uris.clone())
}

/// RFC 7592 3: the client of this id, for its own token. Disabled, deleted and too old are one answer (499-G, 500-G).
pub async fn own(core: &Core, id: &str, token: &str, now_ms: i64) -> Result<Own> {
    let row = core.store.one(table::READ_OWN, &[id.into(), now_ms.into()]).await?;
    let row = row.ok_or_else(|| tokens::no_such_token("no such client, or it is disabled"))?;
    let presented = digest::sha256(token.as_bytes());
    if !digest::equal(&presented, row.bytes("token")?) {
        return Err(tokens::no_such_token("another client's token").into());
    }
    let own = own_of(id, presented, &row)?;
    if !core.config.client_registration.contains_key(&own.policy) || core.config.client.contains_key(id) {
        return Err(tokens::no_such_token("its policy is gone, or the configuration has a client of this id").into());
    }
    Ok(own)
}

fn own_of(id: &str, token: [u8; 32], row: &Row) -> Result<Own> {
    let broken = |it: serde_json::Error| Fault::new(format!("the registered client {id}: {it}"));
    Ok(Own {
        id: id.to_owned(),
        client: serde_json::from_str(row.text("body")?).map_err(broken)?,
        policy: row.text("policy")?.to_owned(),
        proofs: serde_json::from_str(row.text("proofs")?).map_err(broken)?,
        created_ms: row.int("created_ms")?,
        changed_ms: row.int("changed_ms")?,
        until_ms: row.int("until_ms")?,
        token,
        keys_uri: row.opt_text("keys_uri")?.map(str::to_owned),
    })
}

fn policy_of<'a>(core: &'a Core, own: &Own) -> Result<&'a ClientPolicy> {
    Ok(core.config.client_registration.get(&own.policy).ok_or_else(|| Fault::new("a policy vanished"))?)
}

/// RFC 7592 2.1. No secret is in it (508-G).
pub fn shown(core: &Core, own: &Own, now_ms: i64) -> Result<Json> {
    Ok(described::answer(core, policy_of(core, own)?, own, &Secrets::default(), now_ms))
}

/// RFC 7592 2.2: all metadata anew. Hosts are looked at again; other addresses or keys end what people have agreed to.
pub async fn replace(core: &Core, own: Own, asked: &Map<String, Json>, asking: Asking) -> Result<Json> {
    let policy = policy_of(core, &own)?;
    objections::to_replacement(core, &own.id, own.client.secret.as_ref(), asked)?;
    let (asked, source) = with_keys(core, policy, asked, asking).await?;
    let mut read = read(core, policy, &asked)?;
    // A secret that it has is not made anew.
    if let (Some(kept), true) = (&own.client.secret, read.client.authentication.uses_secret()) {
        (read.client.secret, read.secret) = (Some(kept.clone()), None);
    }
    let keys_uri = source.as_ref().map(|it| it.uri.clone());
    let is_another = strangers::is_another(&own.client, &read.client, keys_uri.is_some() && keys_uri == own.keys_uri);
    let mut next = Own { client: read.client, keys_uri, ..own };
    if is_another {
        (next.changed_ms, next.proofs.hosts) = (asking.now_ms, Default::default());
    }
    proving::look(core, policy, &mut next, asking).await?;
    let body = body_of(&next.client)?;
    core.stored.charge(Writer::Network(asking.address), body.len())?;
    let mut change = Change::new(asking.now_ms);
    let due_ms = renewing::due_ms(policy, &next.proofs);
    let values = [Value::from(next.id.as_str()), Value::from(&next.token[..]), body.into(), json(&next.proofs)?.into()];
    let values = values.into_iter().chain([next.changed_ms.into(), asking.now_ms.into()]);
    change.run(table::REPLACE, values.chain(Source::to_columns(source.as_ref())).chain([due_ms.into()]).collect());
    add_needs(&mut change, &next.client);
    let proved: Vec<String> = next.proofs.hosts.keys().cloned().collect();
    change.audit(entry("client_replaced", &next, asking).with("proved", proved));
    apply(core, &next.id, change).await?;
    core.refresh_keys_for(&next.client).await?;
    let secrets = Secrets { client_secret: read.secret, access_token: None };
    Ok(described::answer(core, policy, &next, &secrets, asking.now_ms))
}

/// RFC 7592 2.3: the client is gone, with all that it has got.
pub async fn delete(core: &Core, own: &Own, asking: Asking) -> Result<()> {
    let mut change = Change::new(asking.now_ms);
    change.run(table::DELETE_OWN, vec![own.id.as_str().into(), Value::from(&own.token[..])]);
    cutoff::cut(&mut change, &own.id);
    change.audit(entry("client_removed", own, asking));
    apply(core, &own.id, change).await
}

async fn apply(core: &Core, id: &str, change: Change) -> Result<()> {
    match core.store.apply(change).await {
        Ok(_) => {}
        Err(NotApplied::Conflict(_)) => return Err(tokens::no_such_token("it was disabled or removed meanwhile").into()),
        Err(other) => return Err(other.into()),
    }
    core.clients.forget_one(id);
    Ok(())
}
