//! Which https links are proved to open the client's own app. The association files of their hosts are looked at each day, as the
//! platforms do. A proof counts for 30 days, and for the app as it is configured (RFC 8252 8.6).

use super::doctor::check::Level;
use super::doctor::{Options, examine};
use crate::config::{Assurance, Client, ClientKind, Config, authority};
use crate::error::Fault;
use crate::outgoing::Outgoing;
use crate::store::tables::proved_link::{KEEP, READ};
use crate::store::{Change, Expect, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};
use symbolon_oauth::redirect::{RedirectKind, kind_of};
use symbolon_oauth::{base64url, digest};

const DAY_MS: i64 = 86_400_000;
const COUNTS_MS: i64 = 30 * DAY_MS;
/// A host that could not be asked is asked again at the next round.
const AGAIN_MS: i64 = DAY_MS;

/// Client and host.
type Link = (String, String);

/// For which app, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Proof {
    app: String,
    until_ms: i64,
}

/// The proofs of the store, as they were read last.
#[derive(Default)]
pub struct ProvedLinks(RwLock<Arc<BTreeMap<Link, Proof>>>);

impl ProvedLinks {
    pub async fn open(store: &Store) -> Result<Self, Fault> {
        let links = Self::default();
        links.refresh(store).await?;
        Ok(links)
    }

    /// Reads the proofs again, with those of other nodes.
    pub async fn refresh(&self, store: &Store) -> Result<(), Fault> {
        let mut read = BTreeMap::new();
        for row in store.all(READ, &[]).await? {
            let link = (row.text("client")?.to_owned(), row.text("host")?.to_owned());
            read.insert(link, Proof { app: row.text("app")?.to_owned(), until_ms: row.int("until_ms")? });
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(read);
        Ok(())
    }

    /// Until when it is proved that this host opens the client's app. `None`: it is not.
    fn until_ms(&self, client_id: &str, client: &Client, host: &str, now_ms: i64) -> Option<i64> {
        let known = Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        let proof = known.get(&(client_id.to_owned(), host.to_owned()))?;
        (proof.app == app_of(client) && now_ms < proof.until_ms).then_some(proof.until_ms)
    }

    /// Is it proved that this address opens the client's own app? An operator may say so where this server cannot ask.
    pub fn is_proved(&self, client_id: &str, client: &Client, uri: &str, now_ms: i64) -> bool {
        // Nobody of this server has written down which app a stranger's is.
        if client.stranger().is_some() || kind_of(uri) != Some(RedirectKind::ClaimedHttps) {
            return false;
        }
        let is_vouched_for = client.app.as_ref().is_some_and(|app| app.vouched);
        is_vouched_for || authority(uri).is_some_and(|host| self.until_ms(client_id, client, &host, now_ms).is_some())
    }

    /// Does the address say who the client is? The one rule for consent. The address of a site does; that of an app, where it is
    /// enforced, only with a proof.
    pub fn assures(&self, config: &Config, (client_id, client): (&str, &Client), uri: &str, now_ms: i64) -> bool {
        if kind_of(uri) != Some(RedirectKind::ClaimedHttps) || !client.is_trusted_at(uri) {
            return false;
        }
        client.kind != ClientKind::Native || config.assurance == Assurance::Address || self.is_proved(client_id, client, uri, now_ms)
    }
}

/// The app of a client, so that a proof for another one does not count.
fn app_of(client: &Client) -> String {
    base64url::encode(&digest::sha256(format!("{:?} {:?}", client.app, client.redirect_uris).as_bytes())[..16])
}

/// Hosts with https links of apps, by client.
pub fn links_of_apps(config: &Config) -> BTreeMap<&str, BTreeSet<String>> {
    let apps = config.client.iter().filter(|(_, it)| it.kind == ClientKind::Native && it.app.is_some() && !it.disabled);
    let of = |client: &Client| client.redirect_uris.iter().filter_map(|uri| authority(uri)).collect::<BTreeSet<_>>();
    apps.map(|(id, client)| (id.as_str(), of(client))).filter(|(_, hosts)| !hosts.is_empty()).collect()
}

/// Looks at the hosts whose proofs are a day old, or that have none.
pub async fn look(config: &Config, store: &Store, outgoing: &Outgoing, links: &ProvedLinks, now_ms: i64) -> Result<(), Fault> {
    links.refresh(store).await?;
    let mut change = Change::new(now_ms);
    for (id, hosts) in links_of_apps(config) {
        let Some(client) = config.client.get(id) else { continue };
        let is_young = |host: &String| links.until_ms(id, client, host, now_ms).is_some_and(|at_ms| at_ms > now_ms + COUNTS_MS - AGAIN_MS);
        if hosts.iter().all(is_young) {
            continue;
        }
        for host in opened_by(config, outgoing, id).await.intersection(&hosts) {
            let values = vec![id.into(), host.as_str().into(), app_of(client).into(), (now_ms + COUNTS_MS).into()];
            change.run_expecting(KEEP, values, Expect::Any);
        }
    }
    if change.is_empty() {
        return Ok(());
    }
    store.apply(change).await.map_err(|why| why.into_fault("keeping proofs of links"))?;
    links.refresh(store).await
}

/// The hosts whose files are right for the client's app on every platform that it is on.
async fn opened_by(config: &Config, outgoing: &Outgoing, client_id: &str) -> BTreeSet<String> {
    let options =
        Options { client: Some(client_id.to_owned()), platform: None, certificate: None, apple_cdn: None, outgoing: outgoing.clone() };
    let checks = examine(config, &options).await;
    let (mut right, mut wrong) = (BTreeSet::new(), BTreeSet::new());
    for check in checks {
        let Some(host) = check.host else { continue };
        match check.level {
            Level::Fault => {
                tracing::warn!(client = client_id, host, code = check.code, text = check.text, "a link is not proved to open the app");
                wrong.insert(host);
            }
            Level::Ok => drop(right.insert(host)),
            Level::Warning => {}
        }
    }
    right.difference(&wrong).cloned().collect()
}
