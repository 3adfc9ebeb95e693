//! Which https links are proved to open the client's own app. The association files of their hosts are looked at each day, as the
//! platforms do. A proof counts for 30 days, and for the app as it is configured (RFC 8252 8.6).

use super::doctor::check::Level;
use super::doctor::{Options, examine};
use crate::config::{Assurance, Client, ClientKind, Config, NamedClient, authority};
use crate::error::Fault;
use crate::outgoing::Outgoing;
use crate::store::tables::proved_link::{KEEP, READ};
use crate::store::{Change, Expect, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use symbolon_oauth::redirect::{RedirectKind, kind_of};
use symbolon_oauth::{base64url, digest};

const DAY_MS: i64 = 86_400_000;
const COUNTS_MS: i64 = 30 * DAY_MS;
/// A host whose proof is so old is asked again.
const AGAIN_MS: i64 = DAY_MS;
/// One that was wrong, or could not be asked, is asked again after this time.
const WRONG_AGAIN_MS: i64 = 3_600_000;
/// Warnings of the doctor that leave it open whether another app gets the answer.
const DOUBTS: [&str; 5] = ["other_package", "other_app", "substitution_variables", "includes", "unknown_fingerprint"];

/// Client and host.
type ClientHost = (String, String);

/// For which app, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
struct HostProof {
    app: String,
    until_ms: i64,
}

/// When this process asked last, and what it found.
struct Looked {
    at_ms: i64,
    verdict: HostVerdict,
}

/// The proofs of the store, as they were read last.
#[derive(Default)]
pub struct ProvedLinks {
    proofs: RwLock<Arc<BTreeMap<ClientHost, HostProof>>>,
    looked: Mutex<BTreeMap<ClientHost, Looked>>,
}

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
            read.insert(link, HostProof { app: row.text("app")?.to_owned(), until_ms: row.int("until_ms")? });
        }
        *self.proofs.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(read);
        Ok(())
    }

    /// Until when it is proved that this host opens the client's app. `None`: it is not.
    fn until_ms(&self, client_id: &str, client: &Client, host: &str, now_ms: i64) -> Option<i64> {
        let known = Arc::clone(&self.proofs.read().unwrap_or_else(PoisonError::into_inner));
        let proof = known.get(&(client_id.to_owned(), host.to_owned()))?;
        (proof.app == app_of(client) && now_ms < proof.until_ms).then_some(proof.until_ms)
    }

    /// Is the host to be asked now? A proof is made anew each day, and what is not proved is asked for each hour.
    fn is_due(&self, named: NamedClient<'_>, host: &str, now_ms: i64) -> bool {
        let NamedClient { client_id, client } = named;
        let is_young = |until_ms: i64| until_ms > now_ms + COUNTS_MS - AGAIN_MS;
        if self.until_ms(client_id, client, host, now_ms).is_some_and(is_young) {
            return false;
        }
        let looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let last = looked.get(&(client_id.to_owned(), host.to_owned()));
        last.is_none_or(|it| it.verdict.is_right() || now_ms - it.at_ms >= WRONG_AGAIN_MS)
    }

    /// Keeps what was found. Answers whether that is news, and says it then.
    fn note(&self, (client_id, host): (&str, String), verdict: HostVerdict, at_ms: i64) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let before = looked.get(&(client_id.to_owned(), host.clone()));
        let is_news = before.is_none_or(|it| it.verdict.codes() != verdict.codes() || it.verdict.opens != verdict.opens);
        if is_news {
            for (code, text) in &verdict.against {
                tracing::warn!(client = client_id, host, code, text, "a link is not proved to open the app");
            }
        }
        looked.insert((client_id.to_owned(), host), Looked { at_ms, verdict });
        is_news
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
    pub fn assures(&self, config: &Config, named: NamedClient<'_>, uri: &str, now_ms: i64) -> bool {
        let NamedClient { client_id, client } = named;
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
        let named = NamedClient { client_id: id, client };
        let due: BTreeSet<String> = hosts.into_iter().filter(|host| links.is_due(named, host, now_ms)).collect();
        if due.is_empty() {
            continue;
        }
        let found = verdicts(config, outgoing, id, &due).await;
        for host in due {
            let verdict = found.get(&host).cloned().unwrap_or_default();
            if verdict.is_right() {
                let values = vec![id.into(), host.as_str().into(), app_of(client).into(), (now_ms + COUNTS_MS).into()];
                change.run_expecting(KEEP, values, Expect::Any);
            }
            links.note((id, host), verdict, now_ms);
        }
    }
    if change.is_empty() {
        return Ok(());
    }
    store.apply(change).await.map_err(|why| why.into_fault("keeping proofs of links"))?;
    links.refresh(store).await
}

/// What a look at one host found for one client, over all its platforms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct HostVerdict {
    opens: bool,
    /// What speaks against a proof: codes and words.
    against: Vec<(&'static str, String)>,
}

impl HostVerdict {
    fn is_right(&self) -> bool {
        self.opens && self.against.is_empty()
    }

    /// The words may differ each time, as those of a network do.
    fn codes(&self) -> Vec<&'static str> {
        self.against.iter().map(|(code, _)| *code).collect()
    }
}

/// Whether the files of these hosts are right for the client's app, on every platform that it is on.
async fn verdicts(config: &Config, outgoing: &Outgoing, client_id: &str, hosts: &BTreeSet<String>) -> BTreeMap<String, HostVerdict> {
    let options = Options {
        client: Some(client_id.to_owned()),
        hosts: Some(hosts.clone()),
        platform: None,
        certificate: None,
        apple_cdn: None,
        outgoing: outgoing.clone(),
    };
    let mut found: BTreeMap<String, HostVerdict> = BTreeMap::new();
    for check in examine(config, &options).await {
        let Some(host) = check.host else { continue };
        let verdict = found.entry(host).or_default();
        match check.level {
            Level::Ok => verdict.opens = true,
            Level::Warning if !DOUBTS.contains(&check.code) => {}
            Level::Fault | Level::Warning => verdict.against.push((check.code, check.text)),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8252 8.6: a proof says that no other app gets the answer.
    #[test]
    fn what_speaks_against_a_proof_leaves_none() {
        let verdict = |opens, codes: &[&'static str]| HostVerdict { opens, against: codes.iter().map(|it| (*it, String::new())).collect() };
        assert!(verdict(true, &[]).is_right(), "the twin");
        assert!(!verdict(true, &["other_package"]).is_right() && !verdict(false, &[]).is_right());
        assert!(!verdict(true, &["unknown_fingerprint"]).is_right(), "another key signs apps that open these links");
    }

    #[test]
    fn what_is_wrong_is_asked_for_each_hour_and_said_once() {
        let (links, key) = (ProvedLinks::default(), |host: &str| ("app", host.to_owned()));
        let client = Client::new(ClientKind::Native);
        let named = NamedClient { client_id: "app", client: &client };
        let due = |now_ms: i64| links.is_due(named, "links.example.com", now_ms);
        let wrong = || HostVerdict { opens: false, against: vec![("status", "a text".to_owned())] };
        assert!(due(0));
        assert!(links.note(key("links.example.com"), wrong(), 0), "said");
        assert!(!due(WRONG_AGAIN_MS - 1) && due(WRONG_AGAIN_MS));
        let other_words = HostVerdict { opens: false, against: vec![("status", "another text".to_owned())] };
        assert!(!links.note(key("links.example.com"), other_words, WRONG_AGAIN_MS), "the same again");
        assert!(!due(2 * WRONG_AGAIN_MS - 1));
        assert!(links.note(key("links.example.com"), HostVerdict { opens: true, against: Vec::new() }, 0), "it is right now");
        assert!(links.note(key("links.example.com"), wrong(), 0), "and wrong again");
        assert!(links.is_due(named, "other.example.com", 1), "the twin: another host");
    }
}
