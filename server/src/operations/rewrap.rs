//! After a new master key was put first in the list, what is sealed in the store moves to it. What is only a MAC cannot move. The outcome
//! says how long the older keys have to stay for its sake.

use super::actor::Actor;
use super::context::Context;
use super::outcome::{Older, Rewrapped};
use super::problem::{Problem, Result};
use crate::config::{Client, Secret};
use crate::login::methods::totp;
use crate::store::tables::{account, client, provider_token, signing_key};
use crate::store::{NotApplied, Value};
use crate::tokens::keys;
use crate::upstream::kept_sealed_at;

/// Sign-ins under way, letters and codes are gone by then.
const SHORT_MS: i64 = 86_400_000;

/// One kind of sealed row.
struct Sealed {
    find: &'static str,
    /// The columns that it finds: whose value it is, and the value.
    columns: [&'static str; 2],
    set: &'static str,
    sealed_at: fn(&str) -> String,
}

const KEYS: Sealed =
    Sealed { find: signing_key::OLD, columns: ["kid", "private"], set: signing_key::SEAL_ANEW, sealed_at: keys::sealed_at };
const AUTHENTICATORS: Sealed =
    Sealed { find: account::OLD_TOTP, columns: ["account", "secret"], set: account::SEAL_TOTP_ANEW, sealed_at: totp::sealed_at };
const PROVIDER_TOKENS: Sealed =
    Sealed { find: provider_token::OLD, columns: ["identity", "sealed"], set: provider_token::SEAL_ANEW, sealed_at: kept_sealed_at };

pub async fn run(context: &Context, actor: &Actor) -> Result<Rewrapped> {
    let versions = context.keyring.versions();
    let master_key = versions.first().copied().ok_or_else(|| Problem::fault("there is no master key"))?;
    let signing_keys = move_all(context, actor, master_key, &KEYS).await?;
    let authenticators = move_all(context, actor, master_key, &AUTHENTICATORS).await?;
    let provider_tokens = move_all(context, actor, master_key, &PROVIDER_TOKENS).await?;
    let older = match &versions[1..] {
        [] => None,
        older => Some(Older {
            master_keys: older.to_vec(),
            refresh_tokens_until_ms: context.now_ms + longest_idle_ms(context),
            recovery_codes: context.store.one(account::COUNT_RECOVERY, &[]).await?.map_or(Ok(0), |it| it.int("count"))?,
            remake_secrets_of: old_secrets(context, master_key).await?,
        }),
    };
    Ok(Rewrapped { master_key, signing_keys, authenticators, provider_tokens, older })
}

fn longest_idle_ms(context: &Context) -> i64 {
    context.config.client.values().map(|it| it.refresh.idle.ms()).max().unwrap_or(0).max(SHORT_MS)
}

/// Seals every row of one kind anew, page by page; answers how many there were.
async fn move_all(context: &Context, actor: &Actor, newest: u8, sealed: &Sealed) -> Result<usize> {
    let mut moved = 0;
    loop {
        match move_page(context, actor, newest, sealed).await? {
            0 => return Ok(moved),
            page => moved += page,
        }
    }
}

async fn move_page(context: &Context, actor: &Actor, newest: u8, sealed: &Sealed) -> Result<usize> {
    let from = vec![newest];
    let to = newest.checked_add(1).map_or_else(|| vec![0xff; 64], |it| vec![it]);
    let rows = context.store.all(sealed.find, &[Value::from(from), Value::from(to)]).await?;
    for row in &rows {
        let [name, value] = sealed.columns;
        let (name, before) = (row.text(name)?, row.bytes(value)?);
        let at = (sealed.sealed_at)(name);
        let plain = context.keyring.open(&at, before).ok_or_else(|| {
            let version = before.first().copied().unwrap_or(0);
            Problem::fault(format!("{at} is sealed under master key {version}, which is not in the list"))
        })?;
        let mut change = context.change(actor);
        change.run(sealed.set, vec![name.into(), context.keyring.seal(&at, &plain)?.into(), before.into()]);
        change.audit(actor.entry("rewrapped").with("place", at).with("master_key", newest));
        match context.store.apply(change).await {
            // Somebody changed it meanwhile; what they wrote is sealed under the newest key.
            Ok(_) | Err(NotApplied::Conflict(_)) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Ok(rows.len())
}

/// Whose secret is a MAC under an older master key.
async fn old_secrets(context: &Context, newest: u8) -> Result<Vec<String>> {
    let old = |secret: Option<&Secret>| secret.and_then(Secret::key_version).is_some_and(|it| it != newest);
    let apis = context.config.api.iter().filter(|(_, api)| old(api.introspection_secret.as_ref())).map(|(name, _)| format!("[api.{name}]"));
    let clients = context.config.client.iter().filter(|(_, client)| old(client.secret.as_ref())).map(|(id, _)| format!("[client.{id}]"));
    let mut found: Vec<String> = apis.chain(clients).collect();
    let mut after = String::new();
    loop {
        let rows = context.store.all(client::HUNDRED, &[after.as_str().into()]).await?;
        for row in &rows {
            if serde_json::from_str::<Client>(row.text("body")?).is_ok_and(|it| old(it.secret.as_ref())) {
                found.push(format!("the registered client {}", row.text("id")?));
            }
        }
        match rows.last() {
            Some(row) => after = row.text("id")?.to_owned(),
            None => return Ok(found),
        }
    }
}
