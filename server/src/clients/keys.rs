//! Keys of registered clients that are at an address (RFC 7591 2, `jwks_uri`). They are read at the registration, when their time is over, and
//! when a signature names a key that is not among them (OpenID Connect Core 10.1.1). What was read is kept in the client's row, so that a
//! restart asks nobody. The address comes from a stranger: `outgoing` judges where it leads.

use super::documents::{DocumentReader, Flights, LONGEST_MS, SHORTEST_MS, flight_of};
use crate::config::{Client, Config, Jwks};
use crate::error::Fault;
use crate::store::tables::client::{KEEP_KEYS, KEYS_LATER, READ};
use crate::store::{Change, Expect, Row, Store};
use serde_json::{Map, Value as Json};
use symbolon_oauth::jws::Unverified;

/// What the body of a row may hold; keys are the largest part of it.
pub const MOST_BODY_BYTES: usize = 16 * 1024;

/// A key set as it was read.
pub struct Fetched {
    pub keys: Map<String, Json>,
    /// For how long it need not be read again.
    pub fresh_ms: i64,
}

/// What reads keys, and keeps them in the rows of their clients.
pub(super) struct KeyReader<'a> {
    pub config: &'a Config,
    pub store: &'a Store,
    pub flights: &'a Flights,
    /// None: nothing is read at an address, and only what the store has counts.
    pub documents: Option<DocumentReader<'a>>,
    pub now_ms: i64,
}

impl KeyReader<'_> {
    /// Reads the keys at this address, which a stranger wrote. The error is for the log.
    pub async fn fetch(&self, address: &str) -> Result<Fetched, String> {
        let documents = self.documents.as_ref().ok_or("nothing is fetched here")?;
        let (keys, fresh_ms) = documents.keys(address).await?;
        Ok(Fetched { keys, fresh_ms })
    }

    /// The row with keys that count. They are read again first where their time is over.
    pub async fn with_present_keys(&self, id: &str, row: Row) -> Result<Option<Row>, Fault> {
        let Some(uri) = row.opt_text("keys_uri")? else { return Ok(Some(row)) };
        let is_fresh = row.opt_int("keys_fresh_ms")?.is_some_and(|at_ms| self.now_ms < at_ms);
        let row = if !is_fresh && self.read_alone(id, uri, row.text("body")?).await? {
            self.store.one(READ, &[id.into()]).await?
        } else {
            Some(row)
        };
        match row {
            Some(row) if !keys_count(&row, self.now_ms)? => {
                tracing::warn!(client = id, "a registered client is left out: its keys could not be read for a day");
                Ok(None)
            }
            row => Ok(row),
        }
    }

    /// One asks; the others take what there is.
    async fn read_alone(&self, id: &str, uri: &str, body: &str) -> Result<bool, Fault> {
        let flight = flight_of(self.flights, id);
        match flight.alone.try_lock() {
            Ok(_alone) => self.read_again(id, uri, body).await,
            Err(_) => Ok(false),
        }
    }

    /// Answers whether keys were written. `body`: the row's own.
    pub async fn read_again(&self, id: &str, uri: &str, body: &str) -> Result<bool, Fault> {
        let read = match self.fetch(uri).await {
            Ok(fetched) => self.body_with(body, &fetched).map(|next| (next, fetched.fresh_ms)),
            Err(why) => Err(why),
        };
        let mut change = Change::new(self.now_ms);
        let was_read = match read {
            Ok((next, fresh_ms)) => {
                let values = vec![id.into(), next.into(), self.now_ms.into(), (self.now_ms + fresh_ms).into(), uri.into(), body.into()];
                change.run_expecting(KEEP_KEYS, values, Expect::Any);
                true
            }
            Err(why) => {
                tracing::warn!(client = id, why, "the keys of a registered client could not be read");
                change.run_expecting(KEYS_LATER, vec![id.into(), (self.now_ms + SHORTEST_MS).into(), uri.into()], Expect::Any);
                false
            }
        };
        self.store.apply(change).await.map_err(|it| it.into_fault("keeping the keys of a client"))?;
        Ok(was_read)
    }

    /// The body with other keys, if the client keeps the rules with them.
    fn body_with(&self, body: &str, fetched: &Fetched) -> Result<String, String> {
        let mut client: Client = serde_json::from_str(body).map_err(|error| error.to_string())?;
        client.jwks = Some(Jwks::new(fetched.keys.clone().into()));
        let problems = self.config.judge_registered(&client);
        if !problems.is_empty() {
            return Err(problems.join("; "));
        }
        let body = serde_json::to_string(&client).map_err(|error| error.to_string())?;
        if body.len() > MOST_BODY_BYTES { Err("the keys are too large".to_owned()) } else { Ok(body) }
    }
}

/// Keys that cannot be read count for a day after they were read. A failed attempt makes the day no longer.
fn keys_count(row: &Row, now_ms: i64) -> Result<bool, Fault> {
    let is_at_address = row.opt_text("keys_uri")?.is_some();
    Ok(!is_at_address || now_ms - row.opt_int("keys_fetched_ms")?.unwrap_or(0) < LONGEST_MS)
}

/// Can the client have signed each of these texts with a key that is known?
pub(super) fn are_keys_known(client: &Client, texts: [Option<&str>; 2]) -> bool {
    texts.into_iter().flatten().all(|text| has_key_of(client, text))
}

/// Can the client have signed that with a key that is known? What names no key is tried with all.
fn has_key_of(client: &Client, text: &str) -> bool {
    let Ok(unverified) = Unverified::parse(text) else { return true };
    let Some(kid) = unverified.kid() else { return true };
    let keys = client.jwks.as_ref().and_then(|it| it.keys().ok());
    keys.is_some_and(|set| set.keys.iter().any(|key| key.kid() == Some(kid)))
}
