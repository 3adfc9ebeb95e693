//! A host that has opened an app is not given to another owner for 90 days: phones, and Apple's network, remember longer than a
//! configuration does.

use crate::config::{Config, NamedClient, authority, claims, clients_on, name_of};
use crate::error::Fault;
use crate::store::tables::held_host::{HOLD, HOLD_ON, READ};
use crate::store::{Change, Expect, Store};
use std::collections::BTreeMap;

const HELD_MS: i64 = 90 * 86_400_000;

/// Whose a host is or was, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Holding {
    owner: String,
    until_ms: i64,
}

/// The hosts that have opened an app, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeldHosts(BTreeMap<String, Vec<Holding>>);

impl HeldHosts {
    pub async fn read(store: &Store, now_ms: i64) -> Result<Self, Fault> {
        let mut found: BTreeMap<String, Vec<Holding>> = BTreeMap::new();
        for row in store.all(READ, &[now_ms.into()]).await? {
            let holding = Holding { owner: row.text("owner")?.to_owned(), until_ms: row.int("until_ms")? };
            found.entry(name_of(row.text("host")?).to_owned()).or_default().push(holding);
        }
        Ok(Self(found))
    }

    /// Why nobody but the owner may have addresses on these hosts. `owner`: whose client it is, if an operator has said so.
    pub fn objection(&self, hosts: impl IntoIterator<Item = String>, owner: Option<&str>, now_ms: i64) -> Option<&'static str> {
        let holdings = |host: &str| self.0.get(name_of(host)).into_iter().flatten();
        let is_held = |host: String| holdings(&host).any(|it| now_ms < it.until_ms && owner != Some(it.owner.as_str()));
        let why = "redirect_uris: a host that has opened an app of this server's is nobody else's for 90 days.";
        hosts.into_iter().any(is_held).then_some(why)
    }

    /// The same for a client that an operator imported: its https addresses count.
    pub fn objection_to_import(&self, named: NamedClient<'_>, now_ms: i64) -> Option<&'static str> {
        let NamedClient { client_id, client } = named;
        let addresses = client.redirect_uris.iter().chain(&client.post_logout_redirect_uris);
        self.objection(addresses.filter_map(|uri| authority(uri)), Some(client.owner(client_id)), now_ms)
    }
}

/// Why the configuration cannot be in force: a host is another owner's still. Phones that know it open the former owner's app, whether or not
/// the client that has the host now has an app itself.
pub async fn must_be_free(config: &Config, store: &Store, now_ms: i64) -> Result<(), Fault> {
    for (name, holdings) in HeldHosts::read(store, now_ms).await?.0 {
        for (id, client) in clients_on(&config.client, &name).filter(|(_, client)| !client.disabled) {
            let (owner, former) = (client.owner(id), &client.former_owners);
            let foreign = holdings.iter().map(|it| &it.owner).find(|it| *it != owner && !former.contains(it));
            if let Some(other) = foreign {
                return Err(Fault::new(format!(
                    "{name} opened the app of {other:?} less than 90 days ago, and phones may still know it. Client {id} belongs to {owner:?}: \
                     give it another host, or write former_owners = [{other:?}] in the clients with addresses on it, if {owner:?} is its \
                     owner's new name"
                )));
            }
        }
    }
    Ok(())
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
        change.run_expecting(sql, vec![name_of(&host).into(), claim.owner.into(), (now_ms + HELD_MS).into()], Expect::Any);
    }
    if change.is_empty() {
        return Ok(());
    }
    store.apply(change).await.map(|_| ()).map_err(|why| why.into_fault("holding the hosts of links"))
}
