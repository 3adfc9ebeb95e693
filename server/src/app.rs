//! What every request sees: one immutable picture of configuration, pages and clients, replaced whole on reload,
//! beside the store and the keys, which outlive a reload.

use crate::attesting::anchors;
use crate::attesting::play::Play;
use crate::attesting::receipts::Apple;
use crate::attesting::seen::Seen;
use crate::attesting::status;
use crate::certificates::Anchors;
use crate::config::{Api, Client, Config};
use crate::endings::Endings;
use crate::error::Fault;
use crate::grants::details::Types;
use crate::login::machine::Machine;
use crate::mail::Mailer;
use crate::pages::Pages;
use crate::pool::Pool;
use crate::seal::KeyRing;
use crate::store::Store;
use crate::tokens::handles::Handles;
use crate::tokens::keys::{Keys, Schedule};
use bytes::Bytes;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, RwLock};
use symbolon_oauth::base64url;
use symbolon_oauth::jwk::Algorithm;
use tokio::sync::Semaphore;

/// The source of time: a value, so that tests own it. Milliseconds since the epoch.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

pub struct App {
    pub config: Arc<Config>,
    pub pages: Pages,
    pub machine: Machine,
    /// Absent: this server sends no mail.
    pub mailer: Option<Mailer>,
    pub store: Store,
    pub keyring: KeyRing,
    pub keys: Keys,
    pub handles: Handles,
    pub clock: Clock,
    pub limits: Arc<Limits>,
    pub endings: Arc<Endings>,
    /// Android's status list.
    pub status: Arc<status::Held>,
    /// What vouches for customers' own attesters, by client.
    pub attesters: BTreeMap<String, anchors::Anchors>,
    /// Client attestations that were verified under this picture.
    pub seen: Seen,
    /// Where relative paths of the configuration begin.
    pub base: PathBuf,
    /// Names this process among those of the issuer.
    pub node: String,
    /// Clients registered through `symbolon client import`; the configuration's own win.
    registered: RwLock<Arc<Registered>>,
    configured: BTreeMap<String, Arc<Client>>,
    /// What opens Play Integrity tokens, by client.
    pub play: BTreeMap<String, Arc<Play>>,
    /// What asks Apple for receipts, by client.
    pub apple: BTreeMap<String, Apple>,
    /// The types of authorization details.
    pub details: Types,
    /// The CAs of clients that show certificates.
    pub anchors: BTreeMap<String, Anchors>,
}

#[derive(Default)]
struct Registered {
    clients: BTreeMap<String, Arc<Client>>,
    /// What the metadata endpoint answers, once it was asked: it names the algorithms that these clients want, too.
    metadata: OnceLock<Bytes>,
}

/// Rate limits live beyond a reload, in bounded space: keys are hashed into 65,536 places.
pub struct Limits {
    pub wrong_secrets: DefaultKeyedRateLimiter<u16>,
    pub repeats: DefaultKeyedRateLimiter<u16>,
    /// Audit entries about genuine tokens in wrong hands.
    pub alarms: DefaultKeyedRateLimiter<u16>,
    pub pushes: DefaultKeyedRateLimiter<u16>,
    /// Evidence and challenges: by client and address, by client, and by the installation's key.
    pub attests: DefaultKeyedRateLimiter<u16>,
    pub attests_of_client: DefaultKeyedRateLimiter<u16>,
    pub attests_of_instance: DefaultKeyedRateLimiter<u16>,
    /// Audit entries about refused requests, by whom they are about.
    pub refusals: DefaultKeyedRateLimiter<u16>,
    /// Where evidence is verified.
    pub evidence: Pool,
    /// Digests of client secrets that passed argon2id, so that one is hashed once per process and not once per request.
    pub proven_secrets: Mutex<BTreeMap<String, [u8; 32]>>,
    /// One unproved secret at a time.
    pub proving: Semaphore,
}

impl Limits {
    fn new() -> Self {
        let per_minute = |n: u32| RateLimiter::keyed(Quota::per_minute(NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN)));
        Self {
            wrong_secrets: per_minute(20),
            repeats: per_minute(120),
            alarms: per_minute(1),
            pushes: per_minute(6000),
            attests: per_minute(600),
            attests_of_client: per_minute(6000),
            attests_of_instance: per_minute(30),
            refusals: per_minute(30),
            evidence: Pool::new("Too many installations are attested at once; get a new challenge and try again."),
            proven_secrets: Mutex::default(),
            proving: Semaphore::new(1),
        }
    }

    /// An address as a key of limits; IPv6 by its /64, so that one line cannot count as millions (607-K).
    pub fn line(address: IpAddr) -> String {
        match address.to_canonical() {
            IpAddr::V4(it) => it.to_string(),
            IpAddr::V6(it) => format!("{:x?}", &it.segments()[..4]),
        }
    }

    /// The place of a key: hashed, so that hostile keys cannot grow the map, and with a secret of this process, so that nobody
    /// can choose a key that shares another's place.
    pub fn place(parts: &[&str]) -> u16 {
        static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        (SECRET.hash_one(parts) >> 48) as u16
    }
}

const REGISTERED: &str = "SELECT id, body FROM client WHERE state = 'active'";

impl App {
    /// Puts a picture together; `before` is the one it replaces on reload.
    pub async fn build(
        config: Arc<Config>,
        base: &Path,
        store: Store,
        keyring: KeyRing,
        clock: Clock,
        before: Option<&App>,
    ) -> Result<Arc<App>, Fault> {
        let now_ms = clock();
        let registered = read_registered(&store, &config).await?;
        let algorithms = algorithms(&config, registered.clients.values());
        let keys = match before {
            Some(old) => old.keys.clone(),
            None => Keys::open(&store, &keyring, &algorithms, schedule(&config), now_ms).await.map_err(as_fault)?,
        };
        if before.is_some() {
            keys.refresh(&store, &keyring, &algorithms, schedule(&config), now_ms).await.map_err(as_fault)?;
        }
        let templates = config.templates.as_ref().map(|it| base.join(it));
        let configured = config.client.iter().map(|(id, it)| (id.clone(), Arc::new(it.clone()))).collect();
        let anchors = of_clients(&config, |it| it.tls_client_auth.as_ref(), |it| Anchors::load(it, base))?;
        let attesters = of_clients(&config, |it| it.attestation.as_ref()?.attester_x5c.as_ref(), |it| anchors::Anchors::load(it, base))?;
        let play =
            of_clients(&config, |it| it.attestation.as_ref()?.android.as_ref()?.play.as_ref(), |it| Play::load(it, base).map(Arc::new))?;
        let apple =
            of_clients(&config, |it| it.attestation.as_ref()?.ios.as_ref().filter(|it| it.receipts.is_some()), |it| Apple::load(it, base))?;
        Ok(Arc::new(App {
            anchors,
            apple,
            attesters,
            play,
            details: Types::new(&config)?,
            pages: Pages::new(&config.brand, templates.as_deref(), base)?,
            machine: Machine::new(store.clone(), keyring.clone(), Arc::clone(&config), &epoch(&store).await?, before.map(|it| &it.machine))
                .map_err(as_fault)?,
            mailer: config.mail.as_ref().map(Mailer::new).transpose()?,
            handles: Handles::new(keyring.clone(), &config.issuer),
            node: match before {
                Some(old) => old.node.clone(),
                None => base64url::encode(&crate::seal::random::<9>()?),
            },
            endings: before.map_or_else(Arc::default, |it| Arc::clone(&it.endings)),
            status: before.map_or_else(Arc::default, |it| Arc::clone(&it.status)),
            seen: Seen::default(),
            base: base.to_owned(),
            limits: before.map_or_else(|| Arc::new(Limits::new()), |it| Arc::clone(&it.limits)),
            configured,
            registered: RwLock::new(Arc::new(registered)),
            config,
            store,
            keyring,
            keys,
            clock,
        }))
    }

    pub fn now_ms(&self) -> i64 {
        (self.clock)()
    }

    /// The client of this id, if it is one of ours and not disabled.
    pub fn client(&self, id: &str) -> Option<Arc<Client>> {
        if let Some(found) = self.configured.get(id) {
            return (!found.disabled).then(|| Arc::clone(found));
        }
        self.registered().clients.get(id).filter(|it| !it.disabled).map(Arc::clone)
    }

    fn registered(&self) -> Arc<Registered> {
        match self.registered.read() {
            Ok(it) => Arc::clone(&it),
            Err(poisoned) => Arc::clone(&poisoned.into_inner()),
        }
    }

    /// Reads the registered clients again: after an import here, and every minute for those of other nodes.
    pub async fn refresh_registered(&self) -> Result<(), Fault> {
        let fresh = Arc::new(read_registered(&self.store, &self.config).await?);
        let before = self.algorithms();
        match self.registered.write() {
            Ok(mut it) => *it = fresh,
            Err(poisoned) => *poisoned.into_inner() = fresh,
        }
        // Whoever was imported with an algorithm of its own gets a key of it now, not at the next round.
        if self.algorithms() == before { Ok(()) } else { self.refresh_keys().await }
    }

    /// Every algorithm that somebody wants this server to sign with.
    pub fn algorithms(&self) -> Vec<Algorithm> {
        algorithms(&self.config, self.registered().clients.values())
    }

    /// Makes the keys that are missing or due, and reads those of other nodes.
    pub async fn refresh_keys(&self) -> Result<(), Fault> {
        let schedule = schedule(&self.config);
        self.keys.refresh(&self.store, &self.keyring, &self.algorithms(), schedule, self.now_ms()).await.map_err(as_fault)
    }

    /// The metadata document, made once by `make`.
    pub fn metadata(&self, make: impl FnOnce() -> Bytes) -> Bytes {
        self.registered().metadata.get_or_init(make).clone()
    }

    /// Rows that have had their time.
    pub async fn sweep_old(&self, now_ms: i64) -> Result<u64, Fault> {
        let registered = self.registered();
        crate::store::retention::sweep_old(&self.store, &self.config, registered.clients.values().map(|it| it.refresh.absolute.0), now_ms)
            .await
    }

    /// Absolute URL of one of our endpoints; the issuer is configuration, never a request header (561-V).
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.config.issuer)
    }

    /// The API whose audience or name this is.
    pub fn api_by_audience(&self, audience: &str) -> Option<(&str, &Api)> {
        self.config.api.iter().find(|(_, it)| it.audience == audience).map(|(name, it)| (name.as_str(), it))
    }
}

/// What some clients need beside their configuration, by client.
fn of_clients<R, T>(
    config: &Config,
    rules: impl Fn(&Client) -> Option<&R>,
    load: impl Fn(&R) -> Result<T, Fault>,
) -> Result<BTreeMap<String, T>, Fault> {
    let wanted = config.client.iter().filter_map(|(id, client)| Some((id, rules(client)?)));
    wanted.map(|(id, rules)| Ok((id.clone(), load(rules)?))).collect()
}

/// The store's epoch: `symbolon recover` raises it after a restore, which voids every sign-in under way.
async fn epoch(store: &Store) -> Result<String, Fault> {
    match store.one("SELECT value FROM fact WHERE name = $1", &["epoch".into()]).await? {
        Some(row) => Ok(row.text(0)?.to_owned()),
        None => Ok("1".to_owned()),
    }
}

fn as_fault(error: crate::error::Error) -> Fault {
    match error {
        crate::error::Error::Fault(it) => it,
        crate::error::Error::Refused(it) => Fault::new(format!("{}: {}", it.code, it.private)),
    }
}

async fn read_registered(store: &Store, config: &Config) -> Result<Registered, Fault> {
    let mut found = Registered::default();
    for row in store.all(REGISTERED, &[]).await? {
        let id = row.text(0)?;
        if config.client.contains_key(id) {
            continue;
        }
        match serde_json::from_str::<Client>(row.text(1)?) {
            // The configuration may have changed since: a client it no longer allows is left out, and said.
            Ok(client) if !config.judge_registered(&client).is_empty() => {
                tracing::error!(client = id, problems = ?config.judge_registered(&client), "a registered client breaks the rules and is left out");
            }
            Ok(client) => {
                found.clients.insert(id.to_owned(), Arc::new(client));
            }
            Err(error) => tracing::error!(client = id, %error, "a registered client cannot be read and is left out"),
        }
    }
    Ok(found)
}

/// Every algorithm that some API or client asks for; ES256 always.
fn algorithms<'a>(config: &Config, registered: impl Iterator<Item = &'a Arc<Client>>) -> Vec<Algorithm> {
    let mut wanted = BTreeSet::from([Algorithm::ES256]);
    wanted.insert(config.signing.alg);
    wanted.extend(config.api.values().flat_map(|it| [it.signing_alg, it.introspection_signed_response_alg]).flatten());
    let clients = config.client.values().chain(registered.map(|it| &**it));
    wanted.extend(clients.flat_map(|it| [it.id_token_signed_response_alg, it.authorization_signed_response_alg]).flatten());
    wanted.into_iter().collect()
}

/// How long keys live, from the configuration; a key outlives the longest token, and the longest attestation of an installation,
/// that it may have signed.
pub fn schedule(config: &Config) -> Schedule {
    let attestations = config.client.values().filter_map(|it| it.attestation.as_ref()).filter(|it| it.is_ours());
    let longest_s = config.api.values().map(|it| it.lifetime.0).chain(attestations.map(|it| it.max_age.0)).max().unwrap_or(0).max(3600);
    Schedule {
        signs_ms: config.signing.rotate_every.0 * 1000,
        ahead_ms: config.signing.publish_ahead.0 * 1000,
        after_ms: (longest_s + 300) * 1000,
    }
}

/// The picture of this moment. A request takes it once and keeps it, so that a reload never splits a request.
#[derive(Clone)]
pub struct Shared(Arc<RwLock<Arc<App>>>);

impl Shared {
    pub fn new(app: Arc<App>) -> Self {
        Self(Arc::new(RwLock::new(app)))
    }
    pub fn now(&self) -> Arc<App> {
        match self.0.read() {
            Ok(it) => Arc::clone(&it),
            Err(poisoned) => Arc::clone(&poisoned.into_inner()),
        }
    }
    pub fn replace(&self, app: Arc<App>) {
        match self.0.write() {
            Ok(mut it) => *it = app,
            Err(poisoned) => *poisoned.into_inner() = app,
        }
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
