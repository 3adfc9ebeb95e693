//! What every part needs: configuration, store, keys, clients, limits, time. It knows no endpoint, no page and no step of a login.
//! It lends the reader of accounts (`login::reading`). At a start `links::held` and `upstream::moved` compare the store with the
//! configuration.

use crate::audit::Entry;
use crate::clients::{Clients, algorithms_of};
use crate::clock::Clock;
use crate::config::{Api, Client, Config};
use crate::error::{Error, Fault};
use crate::limits::Limits;
use crate::links::held;
use crate::links::proved::{self, ProvedLinks};
use crate::login::reading::Accounts;
use crate::nonces::Nonces;
use crate::outgoing::{Outgoing, Target};
use crate::plugins::{Loading, Plugins};
use crate::recovery::Recovery;
use crate::seal::KeyRing;
use crate::store::{Change, Store, retention};
use crate::stored_bytes::StoredBytes;
use crate::tokens::handles::Handles;
use crate::tokens::keys::{KeyStore, Keys, Schedule};
use crate::upstream::moved;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use symbolon_oauth::base64url;
use symbolon_oauth::jwk::Algorithm;
use tokio::sync::RwLock;

/// What a server is made of.
pub struct Parts {
    pub config: Arc<Config>,
    /// Where relative paths of the configuration begin.
    pub base: PathBuf,
    pub store: Store,
    pub keyring: KeyRing,
    pub clock: Clock,
}

/// Immutable but for what is behind `keys`, `clients` and `limits`; a reload makes a new one.
pub struct Core {
    pub config: Arc<Config>,
    /// Names the configuration among those of other nodes.
    pub config_digest: String,
    pub store: Store,
    pub keyring: KeyRing,
    pub keys: Keys,
    pub handles: Handles,
    /// RFC 9449 8.
    pub dpop_nonces: Nonces,
    /// For the proof of possession of an attested key.
    pub challenges: Nonces,
    pub clients: Arc<Clients>,
    pub limits: Arc<Limits>,
    /// What callers may have written into the store.
    pub stored: Arc<StoredBytes>,
    pub outgoing: Outgoing,
    pub plugins: Plugins,
    pub proved_links: ProvedLinks,
    pub recovery: Recovery,
    /// The clients whose members some kiosk lets in, and how many seconds the longest of their passes is good for.
    pub kiosk_passes: BTreeMap<String, i64>,
    /// Held by work that has to be written though nobody may wait for it. A stop waits until nobody holds it.
    pub unfinished: Arc<RwLock<()>>,
    pub clock: Clock,
    /// Where relative paths of the configuration begin.
    pub base: PathBuf,
    /// Names this process among those of the issuer.
    pub node: String,
}

fn kiosk_passes(config: &Config) -> BTreeMap<String, i64> {
    let mut longest = BTreeMap::new();
    for kiosk in config.client.values().filter_map(|client| client.kiosk.as_ref()) {
        for member in &kiosk.members {
            let good_for_s = longest.entry(member.clone()).or_insert(0);
            *good_for_s = kiosk.offline.0.max(*good_for_s);
        }
    }
    longest
}

/// Compiling takes seconds, on a thread that may block: a reload keeps nobody waiting.
async fn plugins(
    config: &Arc<Config>,
    base: &Path,
    (outgoing, keyring): (&Outgoing, &KeyRing),
    before: Option<Plugins>,
) -> Result<Plugins, Fault> {
    let (config, base, outgoing, keyring) = (Arc::clone(config), base.to_owned(), outgoing.clone(), keyring.clone());
    let loading = move || Plugins::load(&Loading::of(config.plugins(), &base, &outgoing, Some(&keyring)), before.as_ref());
    tokio::task::spawn_blocking(loading).await.map_err(|error| Fault::new(format!("loading plug-ins: {error}")))?
}

impl Core {
    /// `before`: what a reload replaces. Keys, limits and the name of the process outlive it.
    pub async fn build(parts: Parts, before: Option<&Self>) -> Result<Self, Fault> {
        let Parts { config, base, store, keyring, clock } = parts;
        let outgoing = before.map_or_else(Outgoing::default, |it| it.outgoing.clone());
        let unfinished = before.map_or_else(Arc::default, |it| Arc::clone(&it.unfinished));
        let limits = before.map_or_else(Arc::default, |it| Arc::clone(&it.limits));
        held::must_be_free(&config, &store, clock()).await?;
        moved::must_be_named(&config, &store).await?;
        let stored = before.map_or_else(Arc::default, |it| Arc::clone(&it.stored));
        let clients = Arc::new(Clients::open(&config, &store, &clock).await?.with_documents(&outgoing, &limits, &stored));
        let (wanted, schedule, now_ms) = (algorithms(&config, &clients), schedule(&config), clock());
        let keys = match before {
            Some(old) => {
                old.keys.refresh(KeyStore { store: &store, keyring: &keyring }, &wanted, schedule, now_ms).await.map_err(as_fault)?;
                old.keys.clone()
            }
            None => Keys::open(KeyStore { store: &store, keyring: &keyring }, &wanted, schedule, now_ms).await.map_err(as_fault)?,
        };
        let node = match before {
            Some(old) => old.node.clone(),
            None => base64url::encode(&crate::seal::random::<9>()?),
        };
        let plugins = plugins(&config, &base, (&outgoing, &keyring), before.map(|it| it.plugins.clone())).await?;
        held::hold(&config, &store, now_ms).await?;
        clients.refresh_held().await?;
        moved::settle(&config, &store, now_ms).await?;
        let recovery = Recovery::read(&store).await?;
        let nonces = |label| Nonces::new(&keyring, (label, &recovery.mark()), &config.issuer);
        Ok(Self {
            proved_links: ProvedLinks::open(&store).await?,
            keys,
            handles: Handles::new(keyring.clone(), &config.issuer),
            dpop_nonces: nonces("dpop nonce"),
            challenges: nonces("attestation challenge"),
            recovery,
            clients,
            limits,
            unfinished,
            stored,
            outgoing,
            plugins,
            node,
            config_digest: config.digest(&keyring),
            kiosk_passes: kiosk_passes(&config),
            config,
            store,
            keyring,
            clock,
            base,
        })
    }

    pub fn now_ms(&self) -> i64 {
        (self.clock)()
    }

    /// Absolute URL of one of our endpoints; the issuer is configuration, never a request header (561-V).
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.config.issuer)
    }

    /// The API whose audience or name this is.
    pub fn api_by_audience(&self, audience: &str) -> Option<(&str, &Api)> {
        self.config.api.iter().find(|(_, it)| it.audience == audience).map(|(name, it)| (name.as_str(), it))
    }

    /// Every algorithm that somebody wants this server to sign with.
    pub fn algorithms(&self) -> Vec<Algorithm> {
        algorithms(&self.config, &self.clients)
    }

    pub fn key_store(&self) -> KeyStore<'_> {
        KeyStore { store: &self.store, keyring: &self.keyring }
    }

    /// Makes the keys that are missing or due, and reads those of other nodes. What clients need is read before. So whoever was imported
    /// with an algorithm of its own gets a key of it.
    pub async fn refresh_keys(&self) -> Result<(), Fault> {
        self.clients.refresh_needs().await?;
        let schedule = schedule(&self.config);
        self.keys.refresh(self.key_store(), &self.algorithms(), schedule, self.now_ms()).await.map_err(as_fault)
    }

    /// The client of this id, where somebody may name it for the first time, from this address. What it wants to be signed with, there
    /// is a key for.
    pub async fn meet(&self, id: &str, address: IpAddr) -> Result<Option<Arc<Client>>, Fault> {
        let found = self.clients.meet(id, address).await?;
        if let Some(client) = found.as_ref().filter(|it| it.stranger().is_some()) {
            self.refresh_keys_for(client).await?;
        }
        Ok(found)
    }

    /// A client that was registered just now may want what nobody wanted before: an algorithm, or to be told of sessions that end.
    pub async fn refresh_keys_for(&self, client: &Client) -> Result<(), Fault> {
        let known = self.algorithms();
        let is_told = client.backchannel_logout_uri.is_none() || self.clients.needs().logout;
        if is_told && algorithms_of(client).all(|alg| known.contains(&alg)) {
            return Ok(());
        }
        self.refresh_keys().await
    }

    /// After an import here: it counts from now on.
    pub async fn refresh_registered(&self) -> Result<(), Fault> {
        self.clients.forget();
        self.refresh_keys().await
    }

    /// Looks at the hosts of apps' links, and holds them for their owners.
    pub async fn look_at_links(&self) -> Result<(), Fault> {
        let now_ms = self.now_ms();
        held::hold_on(&self.config, &self.store, now_ms).await?;
        self.clients.refresh_held().await?;
        proved::look(&self.config, &self.store, &self.outgoing, &self.proved_links, now_ms).await
    }

    /// Where a client hears something. What the configuration says may be of the private network. What an import or the client itself
    /// says is somebody else's word, and leads to a public address.
    pub fn target_of_client(&self, id: &str, uri: &str) -> Result<Target, String> {
        if self.config.client.contains_key(id) { Target::of_operator(uri) } else { Target::of_document(uri) }
    }

    /// An entry, once a minute for each event and for each of those whom it is about. Nobody fills the audit by trying again.
    pub async fn note_once(&self, whose: &[&str], entry: Entry, now_ms: i64) -> Result<(), Error> {
        let about = entry.detail.get("plugin").and_then(Json::as_str).unwrap_or_default();
        if self.limits.alarms.check_key(&Limits::bucket(&[&["alarm", entry.event, about], whose].concat())).is_err() {
            return Ok(());
        }
        let mut change = Change::new(now_ms);
        change.audit(entry);
        self.store.apply(change).await?;
        Ok(())
    }

    pub fn accounts(&self) -> Accounts<'_> {
        Accounts::new(&self.store, &self.config)
    }

    /// Deletes rows that have had their time.
    pub async fn sweep_old(&self, now_ms: i64) -> Result<u64, Fault> {
        retention::sweep_old(&self.store, &self.config, self.clients.longest_refresh_s(), now_ms).await
    }
}

fn as_fault(error: Error) -> Fault {
    match error {
        Error::Fault(fault) => fault,
        Error::Refused(refused) => Fault::new(format!("{}: {}", refused.code, refused.private)),
    }
}

/// Every algorithm that some API or client asks for; ES256 always.
fn algorithms(config: &Config, clients: &Clients) -> Vec<Algorithm> {
    let mut wanted = BTreeSet::from([Algorithm::ES256, config.signing.alg]);
    wanted.extend(config.api.values().flat_map(|it| [it.signing_alg, it.introspection_signed_response_alg]).flatten());
    wanted.extend(config.client.values().flat_map(algorithms_of));
    wanted.extend(&clients.needs().algorithms);
    wanted.into_iter().collect()
}

/// How long keys live, from the configuration. A key outlives the longest token, and the longest attestation of an installation, that it
/// may have signed.
pub fn schedule(config: &Config) -> Schedule {
    let attestations = config.client.values().filter_map(|it| it.attestation.as_ref()).filter(|it| it.is_ours());
    let longest_s = config.api.values().map(|it| it.lifetime.0).chain(attestations.map(|it| it.max_age.0)).max().unwrap_or(0).max(3600);
    Schedule {
        signs_ms: config.signing.rotate_every.0 * 1000,
        ahead_ms: config.signing.publish_ahead.0 * 1000,
        after_ms: (longest_s + 300) * 1000,
        kept_ms: config.session.absolute.0 * 1000,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// A rotation must not break what the key before has signed and apps still hold.
    #[test]
    fn a_key_outlives_the_attestations_it_signed() {
        let read = |rules: &str| {
            let text = format!(
                "issuer = \"https://a.example\"\n[client.app]\nkind = \"native\"\nredirect_uris = [\"https://app.example.com/cb\"]\n\
                 authentication = \"attest_jwt_client_auth_dpop\"\n[client.app.attestation]\n{rules}"
            );
            Config::from_text(&text, "x", &|_| None)
        };
        let after_s = |rules: &str| schedule(&read(rules).unwrap()).after_ms / 1000;
        let ours = |rules: &str| format!("ios = {{ app_ids = [\"ABCDE12345.com.example\"] }}\n{rules}");
        let lives = ["", "max_age = \"31d\"", "max_age = \"10m\""].map(|it| after_s(&ours(it)));
        assert_eq!(lives, [86_700, 31 * 86_400 + 300, 3900]);
        assert!(read(&ours("max_age = \"32d\"")).unwrap_err().to_string().contains("at most 31d"));
        let foreign =
            "attester_jwks = { keys = [{ kty = \"OKP\", crv = \"Ed25519\", x = \"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\" }] }";
        assert_eq!(after_s(foreign), 3900, "somebody else's attestations need no key of ours");
    }
}
