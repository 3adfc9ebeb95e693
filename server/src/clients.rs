//! The clients there are: those of the configuration, those that `symbolon client import` registered in the store, and those that
//! registered themselves. There may be a million of the store's, so nothing here reads all of them: each is read when it is asked
//! for, and kept for a minute.

pub mod documents;
pub mod keys;
pub mod metadata;
pub mod names;
mod needs;
pub mod proofs;
pub mod strangers;

pub use needs::{Needs, add_needs, algorithms_of};

use crate::bounded::BoundedMap;
use crate::clock::Clock;
use crate::config::{Client, ClientPolicy, Config};
use crate::error::Fault;
use crate::limits::Limits;
use crate::links::held::HeldHosts;
use crate::outgoing::Outgoing;
use crate::store::tables::client::{READ, USE};
use crate::store::{Change, Expect, Row, Store};
use crate::stored_bytes::StoredBytes;
use documents::{Tried, flight_of};
use keys::{Fetched, KeyReader, are_keys_known};
use names::Reserved;
use needs::{count_needs, read_needs};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use strangers::Ground;
use symbolon_oauth::digest;

/// How old an answer may be: other nodes hear of an import after a minute.
const FRESH_MS: i64 = 60_000;
/// Half of what is kept at most.
const KEPT: usize = 4096;
/// The longest client_id that an import takes.
const LONGEST_ID: usize = 2048;

/// Something that was read, and when.
#[derive(Clone)]
struct Cached<T> {
    what: T,
    read_ms: i64,
    /// Of [`Clients::round`], before it was read.
    round: u64,
}

pub struct Clients {
    configured: BTreeMap<String, Arc<Client>>,
    config: Arc<Config>,
    store: Store,
    clock: Clock,
    registered: BoundedMap<String, Cached<Arc<Client>>>,
    /// Names that no client has, by their digest: strangers make them up, of any length and number.
    absent: BoundedMap<[u8; 32], Cached<()>>,
    /// Raised when something was imported here. What was read before does not count any more.
    round: AtomicU64,
    needs: RwLock<Arc<Needs>>,
    /// What clients that register themselves may not be called.
    reserved: Reserved,
    /// Hosts that phones know as an app's, for longer than the configuration does.
    held: RwLock<Arc<HeldHosts>>,
    /// What reads the documents of clients. None: nothing is read, and only what the store has counts.
    documents: Option<(Outgoing, Arc<Limits>, Arc<StoredBytes>)>,
    flights: documents::Flights,
}

impl Clients {
    pub async fn open(config: &Arc<Config>, store: &Store, clock: &Clock) -> Result<Self, Fault> {
        let needs = match read_needs(store).await? {
            (needs, true) => needs,
            (_, false) => {
                count_needs(store, clock()).await?;
                read_needs(store).await?.0
            }
        };
        Ok(Self {
            configured: config.client.iter().map(|(id, it)| (id.clone(), Arc::new(it.clone()))).collect(),
            config: Arc::clone(config),
            store: store.clone(),
            clock: Arc::clone(clock),
            registered: BoundedMap::new(KEPT),
            absent: BoundedMap::new(KEPT),
            round: AtomicU64::new(0),
            needs: RwLock::new(Arc::new(needs)),
            reserved: Reserved::new(config),
            held: RwLock::new(Arc::new(HeldHosts::read(store, clock()).await?)),
            documents: None,
            flights: documents::Flights::new(KEPT),
        })
    }

    /// Reads documents of clients too, where a policy names their hosts.
    pub fn with_documents(self, outgoing: &Outgoing, limits: &Arc<Limits>, stored: &Arc<StoredBytes>) -> Self {
        Self { documents: Some((outgoing.clone(), Arc::clone(limits), Arc::clone(stored))), ..self }
    }

    /// The client of this id, if it is one of ours and not disabled. The configuration's own win.
    pub async fn get(&self, id: &str) -> Result<Option<Arc<Client>>, Fault> {
        match self.configured.get(id) {
            Some(found) => Ok((!found.disabled).then(|| Arc::clone(found))),
            None => self.registered(id).await,
        }
    }

    /// The same, where somebody may name a client for the first time: one that is a document is read then, if a policy allows its host.
    pub async fn meet(&self, id: &str, address: IpAddr) -> Result<Option<Arc<Client>>, Fault> {
        if let Some(found) = self.get(id).await? {
            return Ok(Some(found));
        }
        if self.configured.contains_key(id) || documents::host_of(id).is_none() {
            return Ok(None);
        }
        let Some(reading) = self.reading() else { return Ok(None) };
        let flight = flight_of(&self.flights, id);
        let in_vain = flight.in_vain();
        let _alone = flight.alone.lock().await;
        // Somebody else may have read it meanwhile, or tried in vain.
        if let Some(found) = self.get(id).await? {
            return Ok(Some(found));
        }
        if flight.in_vain() != in_vain {
            return Ok(None);
        }
        match reading.meet(id, address).await? {
            Tried::Kept => {
                self.forget_one(id);
                self.get(id).await
            }
            Tried::InVain => {
                flight.note_in_vain();
                Ok(None)
            }
            Tried::NotAtAll => Ok(None),
        }
    }

    fn reading(&self) -> Option<documents::DocumentReader<'_>> {
        let (outgoing, limits, stored) = self.documents.as_ref()?;
        let (config, reserved, store, now_ms) = (&*self.config, &self.reserved, &self.store, (self.clock)());
        Some(documents::DocumentReader { config, reserved, held: self.held(), store, outgoing, limits, stored, now_ms })
    }

    fn held(&self) -> Arc<HeldHosts> {
        Arc::clone(&self.held.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the held hosts again, with those that other nodes have written.
    pub async fn refresh_held(&self) -> Result<(), Fault> {
        let fresh = HeldHosts::read(&self.store, (self.clock)()).await?;
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        Ok(())
    }

    /// Why a client may not register itself by this policy. None: it may.
    pub fn objection(&self, policy: &ClientPolicy, client: &Client) -> Option<&'static str> {
        let held = self.held();
        strangers::objection(self.ground(&held), policy, client)
    }

    fn ground<'a>(&'a self, held: &'a HeldHosts) -> Ground<'a> {
        Ground { config: &self.config, reserved: &self.reserved, held, now_ms: (self.clock)() }
    }

    fn key_reader(&self) -> KeyReader<'_> {
        KeyReader { config: &self.config, store: &self.store, flights: &self.flights, documents: self.reading(), now_ms: (self.clock)() }
    }

    /// Reads the keys at this address, which a stranger wrote. The error is for the log.
    pub async fn fetch_keys(&self, address: &str) -> Result<Fetched, String> {
        self.key_reader().fetch(address).await
    }

    /// The client, with its keys read again where one of these texts is signed with a key that is not among them. Once a minute and client,
    /// so that made-up names of keys make no traffic. `None`: there is no such client any more.
    pub async fn for_signatures(&self, id: &str, client: Arc<Client>, texts: [Option<&str>; 2]) -> Result<Option<Arc<Client>>, Fault> {
        let is_at_address = client.stranger().is_some_and(|it| it.keys_uri.is_some());
        if !is_at_address || are_keys_known(&client, texts) {
            return Ok(Some(client));
        }
        let flight = flight_of(&self.flights, id);
        let alone = flight.alone.lock().await;
        // Somebody else may have read them meanwhile.
        let Some(client) = self.get(id).await? else { return Ok(None) };
        if are_keys_known(&client, texts) {
            return Ok(Some(client));
        }
        let Some((_, limits, _)) = &self.documents else { return Ok(Some(client)) };
        if limits.unknown_keys.check_key(&Limits::bucket(&["keys", id])).is_err() {
            return Ok(Some(client));
        }
        let Some(row) = self.store.one(READ, &[id.into()]).await? else { return Ok(None) };
        let Some(uri) = row.opt_text("keys_uri")? else { return Ok(Some(client)) };
        self.key_reader().read_again(id, uri, row.text("body")?).await?;
        self.forget_one(id);
        drop(alone);
        self.get(id).await
    }

    async fn registered(&self, id: &str) -> Result<Option<Arc<Client>>, Fault> {
        if !is_possible_id(id) {
            return Ok(None);
        }
        let (now_ms, round) = ((self.clock)(), self.round.load(Ordering::Acquire));
        if let Some(known) = self.registered.get(id).filter(|it| it.is_fresh(now_ms, round)) {
            return Ok(Some(known.what));
        }
        let digest = digest::sha256(id.as_bytes());
        if self.absent.get(&digest).is_some_and(|it| it.is_fresh(now_ms, round)) {
            return Ok(None);
        }
        let found = self.read(id, now_ms).await?;
        match &found {
            Some(client) => self.registered.insert(id.to_owned(), Cached { what: Arc::clone(client), read_ms: now_ms, round }),
            None => self.absent.insert(digest, Cached { what: (), read_ms: now_ms, round }),
        }
        Ok(found)
    }

    /// The configuration may have changed since the import. A client that it no longer allows is left out, and said.
    async fn read(&self, id: &str, now_ms: i64) -> Result<Option<Arc<Client>>, Fault> {
        let Some(row) = self.store.one(READ, &[id.into()]).await? else { return Ok(None) };
        let Some(row) = self.as_it_is_now(id, row, now_ms).await? else { return Ok(None) };
        let Some(row) = self.key_reader().with_present_keys(id, row).await? else { return Ok(None) };
        let mut client: Client = match serde_json::from_str(row.text("body")?) {
            Ok(client) => client,
            Err(error) => {
                tracing::error!(client = id, %error, "a registered client cannot be read and is left out");
                return Ok(None);
            }
        };
        let problems = self.config.judge_registered(&client);
        if !problems.is_empty() {
            tracing::error!(client = id, ?problems, "a registered client breaks the rules and is left out");
            return Ok(None);
        }
        let held = self.held();
        if let Err(why) = strangers::of_row(self.ground(&held), id, &mut client, &row)? {
            tracing::warn!(client = id, why, "a client of the store is left out");
            return Ok(None);
        }
        Ok((!client.disabled).then(|| Arc::new(client)))
    }

    /// A client that is a document is read again when its time is over. One that cannot be read counts for a day after it was.
    async fn as_it_is_now(&self, id: &str, row: Row, now_ms: i64) -> Result<Option<Row>, Fault> {
        let Some(fetched_ms) = row.opt_int("fetched_ms")? else { return Ok(Some(row)) };
        let policy = documents::host_of(id).and_then(|host| self.config.document_policy(&host)).map(|it| it.name);
        if policy.is_none() || policy != row.opt_text("policy")? {
            return Ok(None);
        }
        let counts = now_ms - fetched_ms < documents::LONGEST_MS;
        // Read, or tried in vain, a moment ago.
        if row.opt_int("fresh_ms")?.is_some_and(|at_ms| now_ms < at_ms) {
            return Ok(counts.then_some(row));
        }
        // One asks; the others take what there is.
        let flight = flight_of(&self.flights, id);
        if let (Some(reading), Ok(_alone)) = (self.reading(), flight.alone.try_lock())
            && reading.read_again(id, &row).await?
        {
            return self.store.one(READ, &[id.into()]).await;
        }
        Ok(counts.then_some(row))
    }

    /// What was read of this client does not count any more. Other nodes hear of it after a minute.
    pub fn forget_one(&self, id: &str) {
        self.registered.remove(id);
        self.absent.remove(&digest::sha256(id.as_bytes()));
    }

    /// Nothing that was read before counts any more: something was imported, or changed, here.
    pub fn forget(&self) {
        self.round.fetch_add(1, Ordering::AcqRel);
    }

    pub fn needs(&self) -> Arc<Needs> {
        Arc::clone(&self.needs.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the needs again, with those that other nodes have written.
    pub async fn refresh_needs(&self) -> Result<(), Fault> {
        let (fresh, _) = read_needs(&self.store).await?;
        if *self.needs() != fresh {
            *self.needs.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        }
        Ok(())
    }

    /// The longest absolute lifetime of any client's grants.
    pub fn longest_refresh_s(&self) -> i64 {
        let configured = self.config.client.values().map(|it| it.refresh.absolute.0).max().unwrap_or(0);
        configured.max(self.needs().refresh_s)
    }
}

impl<T> Cached<T> {
    fn is_fresh(&self, now_ms: i64, round: u64) -> bool {
        self.round == round && (0..FRESH_MS).contains(&(now_ms - self.read_ms))
    }
}

/// An id that no import would take names no client. The store is not asked for it.
fn is_possible_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= LONGEST_ID && !id.chars().any(char::is_control)
}

/// Belongs to every change that makes a grant: a client that registered itself stays as long as it is used.
pub fn note_use(change: &mut Change, id: &str, client: &Client) {
    /// So seldom is the row written.
    const HOUR_MS: i64 = 3_600_000;
    let Some(stranger) = client.stranger() else { return };
    let now_ms = change.now_ms();
    let until_ms = now_ms + stranger.kept_ms;
    change.run_expecting(USE, vec![id.into(), now_ms.into(), until_ms.into(), (until_ms - HOUR_MS).into()], Expect::Any);
}
