//! The clients there are: those of the configuration, and those that `symbolon client import` registered in the store. There may be
//! a million of the latter, so nothing here reads all of them: each is read when it is asked for, and kept for a minute.

use crate::bounded::BoundedMap;
use crate::clock::Clock;
use crate::config::{Client, Config};
use crate::error::Fault;
use crate::store::{Change, Expect, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use symbolon_oauth::digest;
use symbolon_oauth::jwk::Algorithm;

const READ: &str = "SELECT body FROM client WHERE id = $1 AND state = 'active'";
const PAGE: &str = "SELECT id, body FROM client WHERE id > $1 ORDER BY id LIMIT 500";
/// What clients need of the whole server is small, and stands among the facts of the store: one row for each distinct value.
const NEED: &str = "INSERT INTO fact (name, value) VALUES ($1, '') ON CONFLICT (name) DO NOTHING";
const NEEDS: &str = "SELECT name FROM fact WHERE name LIKE 'client %'";
const NEEDS_ALG: &str = "client alg ";
const NEEDS_REFRESH_S: &str = "client refresh_s ";
/// Rows that an earlier version wrote were looked through.
const COUNTED: &str = "client needs counted";

/// How old an answer may be: other nodes hear of an import after a minute.
const FRESH_MS: i64 = 60_000;
/// Half of what is kept at most.
const KEPT: usize = 4096;
/// The longest client_id that an import takes.
const LONGEST_ID: usize = 2048;

/// What registered clients need of the whole server. It grows and never shrinks: a client that is gone may have needed it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// What they want ID tokens and answers signed with.
    pub algorithms: BTreeSet<Algorithm>,
    /// The longest absolute lifetime of their grants.
    pub refresh_s: i64,
}

/// Something that was read, and when.
#[derive(Clone)]
struct Known<T> {
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
    registered: BoundedMap<String, Known<Arc<Client>>>,
    /// Names that no client has, by their digest: strangers make them up, of any length and number.
    absent: BoundedMap<[u8; 32], Known<()>>,
    /// Raised when something was imported here. What was read before does not count any more.
    round: AtomicU64,
    needs: RwLock<Arc<Needs>>,
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
        })
    }

    /// The client of this id, if it is one of ours and not disabled. The configuration's own win.
    pub async fn get(&self, id: &str) -> Result<Option<Arc<Client>>, Fault> {
        match self.configured.get(id) {
            Some(found) => Ok((!found.disabled).then(|| Arc::clone(found))),
            None => self.registered(id).await,
        }
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
        let found = self.read(id).await?;
        match &found {
            Some(client) => self.registered.insert(id.to_owned(), Known { what: Arc::clone(client), read_ms: now_ms, round }),
            None => self.absent.insert(digest, Known { what: (), read_ms: now_ms, round }),
        }
        Ok(found)
    }

    /// The configuration may have changed since the import. A client that it no longer allows is left out, and said.
    async fn read(&self, id: &str) -> Result<Option<Arc<Client>>, Fault> {
        let Some(row) = self.store.one(READ, &[id.into()]).await? else { return Ok(None) };
        let client: Client = match serde_json::from_str(row.text(0)?) {
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
        Ok((!client.disabled).then(|| Arc::new(client)))
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

impl<T> Known<T> {
    fn is_fresh(&self, now_ms: i64, round: u64) -> bool {
        self.round == round && (0..FRESH_MS).contains(&(now_ms - self.read_ms))
    }
}

/// What no import takes is no client's, and the store is not asked.
fn is_possible_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= LONGEST_ID && !id.chars().any(char::is_control)
}

/// The algorithms that a client wants tokens and answers signed with.
pub fn algorithms_of(client: &Client) -> impl Iterator<Item = Algorithm> {
    [client.id_token_signed_response_alg, client.authorization_signed_response_alg].into_iter().flatten()
}

/// Belongs to every change that writes a registered client.
pub fn add_needs(change: &mut Change, client: &Client) {
    let algorithms = algorithms_of(client).map(|it| format!("{NEEDS_ALG}{}", it.as_str()));
    for name in algorithms.chain([format!("{NEEDS_REFRESH_S}{}", client.refresh.absolute.0)]) {
        change.run_expecting(NEED, vec![name.into()], Expect::Any);
    }
}

/// The needs, and whether those of every client are among them.
async fn read_needs(store: &Store) -> Result<(Needs, bool), Fault> {
    let (mut needs, mut counted) = (Needs::default(), false);
    for row in store.all(NEEDS, &[]).await? {
        let name = row.text(0)?;
        if let Some(alg) = name.strip_prefix(NEEDS_ALG) {
            needs.algorithms.extend(Algorithm::parse(alg));
        } else if let Some(seconds) = name.strip_prefix(NEEDS_REFRESH_S) {
            needs.refresh_s = needs.refresh_s.max(seconds.parse().unwrap_or(0));
        }
        counted |= name == COUNTED;
    }
    Ok((needs, counted))
}

/// Once in the life of a store: clients that were imported before there were needs.
async fn count_needs(store: &Store, now_ms: i64) -> Result<(), Fault> {
    let applied = |it: crate::store::NotApplied| it.into_fault("counting what clients need");
    let mut after = String::new();
    loop {
        let rows = store.all(PAGE, &[after.as_str().into()]).await?;
        let Some(last) = rows.last() else { break };
        after = last.text(0)?.to_owned();
        let mut change = Change::new(now_ms);
        for row in &rows {
            // One that cannot be read is no client, and needs nothing.
            if let Ok(client) = serde_json::from_str::<Client>(row.text(1)?) {
                add_needs(&mut change, &client);
            }
        }
        store.apply(change).await.map_err(applied)?;
    }
    let mut change = Change::new(now_ms);
    change.run_expecting(NEED, vec![COUNTED.into()], Expect::Any);
    store.apply(change).await.map(|_| ()).map_err(applied)
}
