//! A host that has opened an app is not given to another owner for 90 days: phones, and Apple's network, remember longer than a
//! configuration does.

use crate::config::{Config, claims};
use crate::error::Fault;
use crate::store::tables::held_host::{HOLD, HOLD_ON, ONE, READ};
use crate::store::{Change, Expect, Store};
use std::collections::BTreeMap;

const HELD_MS: i64 = 90 * 86_400_000;

/// Why the configuration cannot be in force: a host is another owner's still.
pub async fn must_be_free(config: &Config, store: &Store, now_ms: i64) -> Result<(), Fault> {
    let claimed = claims(&config.client);
    for (host, owner) in held(store, now_ms).await? {
        let Some(claim) = claimed.get(&host).filter(|claim| claim.owner != owner) else { continue };
        let takes_over = |id: &str| config.client.get(id).is_some_and(|client| client.former_owners.contains(&owner));
        if !claim.links.iter().all(|link| takes_over(link.client_id)) {
            return Err(Fault::new(format!(
                "{host} opened the app of {owner:?} less than 90 days ago, and phones may still know it. Take another host, or write \
                 former_owners = [{owner:?}] in the clients with links on it, if {:?} is its owner's new name",
                claim.owner
            )));
        }
    }
    Ok(())
}

async fn held(store: &Store, now_ms: i64) -> Result<BTreeMap<String, String>, Fault> {
    let mut found = BTreeMap::new();
    for row in store.all(READ, &[now_ms.into()]).await? {
        found.insert(row.text("host")?.to_owned(), row.text("owner")?.to_owned());
    }
    Ok(found)
}

/// Writes down whose the hosts are, when a configuration comes into force.
pub async fn hold(config: &Config, store: &Store, now_ms: i64) -> Result<(), Fault> {
    write(config, store, HOLD, now_ms).await
}

/// The same while it is in force. A node that still has another configuration takes no host back.
pub async fn hold_on(config: &Config, store: &Store, now_ms: i64) -> Result<(), Fault> {
    write(config, store, HOLD_ON, now_ms).await
}

async fn write(config: &Config, store: &Store, sql: &'static str, now_ms: i64) -> Result<(), Fault> {
    let mut change = Change::new(now_ms);
    for (host, claim) in claims(&config.client) {
        change.run_expecting(sql, vec![host.into(), claim.owner.into(), (now_ms + HELD_MS).into()], Expect::Any);
    }
    if change.is_empty() {
        return Ok(());
    }
    store.apply(change).await.map(|_| ()).map_err(|why| why.into_fault("holding the hosts of links"))
}

/// Is the host held for somebody? Then it is no stranger's.
pub async fn is_held(store: &Store, host: &str, now_ms: i64) -> Result<bool, Fault> {
    Ok(store.one(ONE, &[host.into(), now_ms.into()]).await?.is_some())
}
