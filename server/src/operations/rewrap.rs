//! After a new master key was put first in the list, what is sealed in the store moves to it. What is only a MAC cannot move. The outcome
//! says how long the older keys have to stay for its sake.

use super::actor::Actor;
use super::context::Context;
use super::outcome::{Older, Rewrapped};
use super::problem::{Problem, Result};
use crate::config::{Client, Secret};
use crate::login::methods::totp;
use crate::store::tables::provider_token;
use crate::store::{NotApplied, Value};
use crate::tokens::keys;
use crate::upstream::place_of_kept;

/// A sealed value begins with the version of its master key: these are the rows of all others.
const KEYS: &str = "SELECT kid, private FROM signing_key WHERE private < $1 OR private >= $2 LIMIT 100";
const SET_KEY: &str = "UPDATE signing_key SET private = $2 WHERE kid = $1 AND private = $3";
const TOTP: &str = "SELECT account, secret, id FROM credential WHERE kind = 'totp' AND (secret < $1 OR secret >= $2) LIMIT 100";
const SET_TOTP: &str = "UPDATE credential SET secret = $2 WHERE account = $1 AND kind = 'totp' AND secret = $3";
const RECOVERY: &str = "SELECT COUNT(*) FROM credential WHERE kind = 'recovery'";
const REGISTERED: &str = "SELECT id, body FROM client WHERE id > $1 ORDER BY id LIMIT 100";
/// Sign-ins under way, letters and codes are gone by then.
const SHORT_MS: i64 = 86_400_000;

/// One kind of sealed row.
struct Sealed {
    find: &'static str,
    set: &'static str,
    place: fn(&str) -> String,
}

pub async fn run(context: &Context, actor: &Actor) -> Result<Rewrapped> {
    let versions = context.keyring.versions();
    let master_key = versions.first().copied().ok_or_else(|| Problem::fault("there is no master key"))?;
    let signing_keys = move_all(context, actor, master_key, &Sealed { find: KEYS, set: SET_KEY, place: keys::sealed_at }).await?;
    let authenticators = move_all(context, actor, master_key, &Sealed { find: TOTP, set: SET_TOTP, place: totp::place }).await?;
    let sealed = Sealed { find: provider_token::OLD, set: provider_token::SEAL_ANEW, place: place_of_kept };
    let provider_tokens = move_all(context, actor, master_key, &sealed).await?;
    let older = match &versions[1..] {
        [] => None,
        older => Some(Older {
            master_keys: older.to_vec(),
            refresh_tokens_until_ms: context.now_ms + longest_idle_ms(context),
            recovery_codes: context.store.one(RECOVERY, &[]).await?.map_or(Ok(0), |it| it.int(0))?,
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
        let (name, before) = (row.text(0)?, row.bytes(1)?);
        let place = (sealed.place)(name);
        let plain = context.keyring.open(&place, before).ok_or_else(|| {
            let version = before.first().copied().unwrap_or(0);
            Problem::fault(format!("{place} is sealed under master key {version}, which is not in the list"))
        })?;
        let mut change = context.change(actor);
        change.run(sealed.set, vec![name.into(), context.keyring.seal(&place, &plain)?.into(), before.into()]);
        change.audit(actor.entry("rewrapped").with("place", place).with("master_key", newest));
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
        let rows = context.store.all(REGISTERED, &[after.as_str().into()]).await?;
        for row in &rows {
            if serde_json::from_str::<Client>(row.text(1)?).is_ok_and(|it| old(it.secret.as_ref())) {
                found.push(format!("the registered client {}", row.text(0)?));
            }
        }
        match rows.last() {
            Some(row) => after = row.text(0)?.to_owned(),
            None => return Ok(found),
        }
    }
}
