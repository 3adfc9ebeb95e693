//! Clients that are a document: their id is the https address of their metadata (draft-ietf-oauth-client-id-metadata-document). Off
//! unless a policy names the document's host. What was read is kept in the store, so that a restart asks nobody.

use super::metadata;
use super::names::Reserved;
use super::proofs::Proofs;
use super::strangers::{self, Ground};
use crate::config::{Client, ClientAuthentication, ClientPolicy, Config, NamedPolicy, authority, proving_host};
use crate::error::Fault;
use crate::limits::Limits;
use crate::links::held::HeldHosts;
use crate::outgoing::{Outgoing, RemoteResponse, Target};
use crate::store::tables::client::{DOCUMENT_LATER, IS_THERE, KEEP_DOCUMENT};
use crate::store::{Change, Expect, Row, Store};
use crate::stored_bytes::{StoredBytes, Writer};
use crate::web::headers;
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use symbolon_oauth::jws;
use symbolon_oauth::redirect::{RedirectKind, kind_of};
use url::{Host, Url};

/// The draft recommends 5 kB.
const MOST_BYTES: usize = 5 * 1024;
/// The same for keys at an address, wherever it stands.
const MOST_KEYS_BYTES: usize = 16 * 1024;
const WITHIN: Duration = Duration::from_secs(5);
/// What `Cache-Control` may say. A document that cannot be read any more counts for the longest of these.
pub(super) const SHORTEST_MS: i64 = 5 * 60_000;
const USUAL_MS: i64 = 60 * 60_000;
pub const LONGEST_MS: i64 = 24 * 60 * 60_000;
/// One that is known and could not be read is not asked for again before.
const AGAIN_MS: i64 = 60_000;

/// What became of a document that somebody named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    Kept,
    InVain,
    /// It may not be asked for, or not now.
    NotAtAll,
}

/// The client that a document describes, as it was read.
struct FetchedDocument {
    client: Client,
    /// For how long it need not be read again.
    fresh_ms: i64,
}

/// What reads documents.
pub struct DocumentReader<'a> {
    pub config: &'a Config,
    pub reserved: &'a Reserved,
    pub held: Arc<HeldHosts>,
    pub store: &'a Store,
    pub outgoing: &'a Outgoing,
    pub limits: &'a Limits,
    pub stored: &'a StoredBytes,
    pub now_ms: i64,
}

/// The host of an id that can be the address of a document, written in its one spelling.
pub fn host_of(id: &str) -> Option<String> {
    let url = Url::parse(id).ok()?;
    let is_plain = url.as_str() == id && url.scheme() == "https" && matches!(url.host(), Some(Host::Domain(_)));
    let is_bare = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    let has_path = url.path().len() > 1 && !url.path().to_ascii_lowercase().contains("%2e") && !id.contains(['?', '#']);
    if !(is_plain && is_bare && has_path) {
        return None;
    }
    authority(id)
}

impl DocumentReader<'_> {
    /// Reads the document of a client that nobody has named here before, for somebody at this address.
    pub async fn meet(&self, id: &str, address: IpAddr) -> Result<Tried, Fault> {
        let Some((host, policy)) = self.policy_of(id) else { return Ok(Tried::NotAtAll) };
        let known = self.store.one(IS_THERE, &[id.into()]).await?;
        // One that is there may be of another policy, or too old: then it is read anew, and people agree anew.
        if let Some(row) = &known
            && !self.may_be_read(row)?
        {
            return Ok(Tried::NotAtAll);
        }
        let by_source = Limits::bucket(&["document", &Limits::line(address)]);
        let by_host = Limits::bucket(&["document", &host]);
        if self.limits.strange_documents.check_key(&by_source).is_err() || self.limits.documents.check_key(&by_host).is_err() {
            tracing::info!(client = id, %address, "too many documents within a minute");
            return Ok(Tried::NotAtAll);
        }
        // For as much as it may be: what is kept of a stranger is charged like everything that strangers have written.
        if self.stored.charge(Writer::Network(address), MOST_BYTES + MOST_KEYS_BYTES).is_err() {
            tracing::info!(client = id, %address, "documents of too many bytes");
            return Ok(Tried::NotAtAll);
        }
        if self.read(id, policy, None).await? {
            return Ok(Tried::Kept);
        }
        if known.is_some() {
            self.put_off(id).await;
        }
        Ok(Tried::InVain)
    }

    /// Not if an operator disabled the client or imported it, nor if it was tried a moment ago.
    fn may_be_read(&self, row: &Row) -> Result<bool, Fault> {
        let Some(fetched_ms) = row.opt_int("fetched_ms")? else { return Ok(false) };
        let was_tried = row.opt_int("fresh_ms")?.is_some_and(|at_ms| self.now_ms < at_ms) && self.now_ms - fetched_ms >= LONGEST_MS;
        Ok(row.text("state")? == "active" && !was_tried)
    }

    /// Reads a document again that may have changed. Answers whether anything of it was written.
    pub async fn read_again(&self, id: &str, row: &Row) -> Result<bool, Fault> {
        let Some((_, policy)) = self.policy_of(id) else { return Ok(false) };
        let was_read = self.read(id, policy, Some(row)).await?;
        if !was_read {
            self.put_off(id).await;
        }
        Ok(was_read)
    }

    /// What cannot be written down is only asked for again sooner.
    async fn put_off(&self, id: &str) {
        let mut change = Change::new(self.now_ms);
        change.run_expecting(DOCUMENT_LATER, vec![id.into(), (self.now_ms + AGAIN_MS).into()], Expect::Any);
        if let Err(why) = self.store.apply(change).await {
            let fault = why.into_fault("putting a client metadata document off");
            tracing::warn!(client = id, %fault, "a document that cannot be read is asked for again soon");
        }
    }

    fn ground(&self) -> Ground<'_> {
        Ground { config: self.config, reserved: self.reserved, held: &self.held, now_ms: self.now_ms }
    }

    fn policy_of(&self, id: &str) -> Option<(String, NamedPolicy<'_>)> {
        let host = host_of(id)?;
        let policy = self.config.document_policy(&host)?;
        Some((host, policy))
    }

    async fn read(&self, id: &str, of: NamedPolicy<'_>, before: Option<&Row>) -> Result<bool, Fault> {
        match self.fetch(id, of.policy).await {
            Ok(fetched) => self.keep(id, of, &fetched, before).await.map(|()| true),
            Err(why) => {
                tracing::warn!(client = id, why, "a client metadata document does not count");
                Ok(false)
            }
        }
    }

    async fn fetch(&self, id: &str, policy: &ClientPolicy) -> Result<FetchedDocument, String> {
        let answer = self.get(id, MOST_BYTES).await?;
        let fresh_ms = fresh_ms(&answer);
        let mut members = document(&answer)?;
        if members.get("client_id").and_then(Json::as_str) != Some(id) {
            return Err("client_id in the document is not its address".to_owned());
        }
        if let Some(address) = members.remove("jwks_uri") {
            let address = address.as_str().filter(|it| is_of_one_origin(it, id)).ok_or("jwks_uri is of another origin")?.to_owned();
            members.insert("jwks".to_owned(), self.keys(&address).await?.0.into());
        }
        judge(self.ground(), policy, (id, members)).map(|client| FetchedDocument { client, fresh_ms })
    }

    /// A key set at this address, and for how long it need not be read again.
    pub(super) async fn keys(&self, address: &str) -> Result<(Map<String, Json>, i64), String> {
        let answer = self.get(address, MOST_KEYS_BYTES).await?;
        Ok((document(&answer)?, fresh_ms(&answer)))
    }

    async fn get(&self, address: &str, most: usize) -> Result<RemoteResponse, String> {
        let target = Target::of_stranger(address)?;
        let answer = self
            .outgoing
            .get(&target)
            .header("accept", "application/json, application/jwk-set+json")
            .within(WITHIN)
            .at_most(most)
            .send()
            .await?;
        if answer.status != 200 {
            return Err(format!("status {}", answer.status));
        }
        Ok(answer)
    }

    async fn keep(&self, id: &str, of: NamedPolicy<'_>, fetched: &FetchedDocument, before: Option<&Row>) -> Result<(), Fault> {
        let client = &fetched.client;
        let broken = |it: serde_json::Error| Fault::new(it.to_string());
        let body = serde_json::to_string(client).map_err(broken)?;
        let former: Option<(Client, i64)> = match before {
            Some(row) => serde_json::from_str(row.text("body")?).ok().zip(row.opt_int("changed_ms")?),
            None => None,
        };
        let changed_ms = match former {
            Some((former, at_ms)) if !strangers::is_another(&former, client, false) => at_ms,
            _ => self.now_ms,
        };
        let until_ms = self.now_ms + of.policy.unused.ms() + LONGEST_MS;
        let proofs = serde_json::to_string(&proofs_of(id, self.now_ms)).map_err(broken)?;
        let mut change = Change::new(self.now_ms);
        let values = vec![
            id.into(),
            body.into(),
            self.now_ms.into(),
            of.name.into(),
            proofs.into(),
            changed_ms.into(),
            until_ms.into(),
            (self.now_ms + fetched.fresh_ms).into(),
        ];
        change.run_expecting(KEEP_DOCUMENT, values, Expect::Any);
        super::needs::add_needs(&mut change, client);
        self.store.apply(change).await.map(|_| ()).map_err(|it| it.into_fault("keeping a client metadata document"))
    }
}

/// Who serves the document speaks for its host. What that says of schemes, [`Proofs::proved`] knows.
fn proofs_of(id: &str, now_ms: i64) -> Proofs {
    Proofs { challenge: String::new(), hosts: authority(id).into_iter().map(|host| (host, now_ms)).collect::<BTreeMap<_, _>>() }
}

fn is_of_one_origin(address: &str, id: &str) -> bool {
    authority(address).is_some_and(|host| Some(host) == authority(id))
}

fn document(answer: &RemoteResponse) -> Result<Map<String, Json>, String> {
    let kind = answer.headers.get("content-type").and_then(|it| it.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_owned();
    if kind != "application/json" && !(kind.starts_with("application/") && kind.ends_with("+json")) {
        return Err("it is not JSON by its content type".to_owned());
    }
    jws::parse_object(&answer.body).ok_or_else(|| "it is not one JSON object".to_owned())
}

/// For how long the document need not be read again.
fn fresh_ms(answer: &RemoteResponse) -> i64 {
    let said = headers::texts(&answer.headers, "cache-control").to_ascii_lowercase();
    let seconds = said.split(',').find_map(|part| part.trim().strip_prefix("max-age=")?.parse::<u32>().ok());
    let said_ms = match seconds {
        _ if said.contains("no-store") || said.contains("no-cache") => 0,
        Some(seconds) => i64::from(seconds) * 1000,
        None => USUAL_MS,
    };
    said_ms.clamp(SHORTEST_MS, LONGEST_MS)
}

/// The rules for documents, and then those for every client that nobody has looked at.
fn judge(ground: Ground<'_>, policy: &ClientPolicy, (id, mut members): (&str, Map<String, Json>)) -> Result<Client, String> {
    for name in ["client_secret", "client_secret_expires_at", "software_statement"] {
        if members.contains_key(name) {
            return Err(format!("{name} has no place in a document that everybody reads"));
        }
    }
    members.remove("client_id");
    members.entry("token_endpoint_auth_method").or_insert_with(|| "none".into());
    members.entry("scope").or_insert_with(|| policy.whole_scope().into());
    let no_secret = |_: &str| Err(vec!["a client that is a document has no secret".to_owned()]);
    let read = metadata::read(ground.config, &members.into(), &no_secret).map_err(|problems| problems.join("; "))?;
    let mut client = read.client;
    if !matches!(client.authentication, ClientAuthentication::None | ClientAuthentication::PrivateKeyJwt) {
        return Err("token_endpoint_auth_method: only none and private_key_jwt".to_owned());
    }
    let own = authority(id);
    let is_own = |uri: &String| kind_of(uri) == Some(RedirectKind::Loopback) || (own.is_some() && proving_host(uri) == own);
    if !super::proofs::addresses(&client).all(is_own) {
        return Err("an address is of another origin than the document".to_owned());
    }
    if let Some(what) = strangers::objection(ground, policy, &client) {
        return Err(what.to_owned());
    }
    policy.lay_over(&mut client);
    Ok(client)
}

/// A document that is being read: of many who want it at the same time, one asks.
#[derive(Default)]
pub struct Flight {
    pub alone: tokio::sync::Mutex<()>,
    /// How often it was asked for in vain. Whoever waited meanwhile asks no more.
    in_vain: AtomicU32,
}

impl Flight {
    pub fn in_vain(&self) -> u32 {
        self.in_vain.load(Ordering::Acquire)
    }

    pub fn note_in_vain(&self) {
        self.in_vain.fetch_add(1, Ordering::AcqRel);
    }
}

pub type Flights = crate::bounded::BoundedMap<String, Arc<Flight>>;

/// Of many who want one document or one key set at the same time, one asks for it.
pub fn flight_of(flights: &Flights, id: &str) -> Arc<Flight> {
    flights.get(id).unwrap_or_else(|| {
        let made = Arc::<Flight>::default();
        flights.insert(id.to_owned(), Arc::clone(&made));
        made
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// 510-G
    #[test]
    fn an_id_is_an_address_in_its_one_spelling() {
        assert_eq!(host_of("https://app.example.net/client.json").as_deref(), Some("app.example.net"));
        assert_eq!(host_of("https://app.example.net:8443/a/b").as_deref(), Some("app.example.net:8443"));
        for bad in [
            "http://app.example.net/client.json",
            "https://app.example.net",
            "https://app.example.net/",
            "https://app.example.net/?#",
            "https://app.example.net/client.json?",
            "https://app.example.net/client.json#",
            "https://app.example.net/client.json?a=1",
            "https://app.example.net/client.json#a",
            "https://u@app.example.net/client.json",
            "https://app.example.net/../client.json",
            "https://app.example.net/%2e%2e/client.json",
            "https://APP.example.net/client.json",
            "https://app.example.net:443/client.json",
            "https://127.0.0.1/client.json",
            "https://2130706433/client.json",
            "https://[::1]/client.json",
            "https:app.example.net/client.json",
            "app.example.net/client.json",
            "https://app.example.net/client json",
            "",
        ] {
            assert_eq!(host_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_document_is_fresh_as_long_as_it_says_within_bounds() {
        let fresh = |value: Option<&str>| {
            let mut headers = http::HeaderMap::new();
            if let Some(value) = value {
                headers.insert("cache-control", value.parse().unwrap());
            }
            fresh_ms(&RemoteResponse { status: 200, headers, body: Vec::new() })
        };
        assert_eq!((fresh(None), fresh(Some("public, max-age=7200"))), (USUAL_MS, 7_200_000));
        for short in ["max-age=0", "no-store", "no-cache, max-age=7200"] {
            assert_eq!(fresh(Some(short)), SHORTEST_MS, "{short}");
        }
        assert_eq!((fresh(Some("max-age=4294967295")), fresh(Some("max-age=-1"))), (LONGEST_MS, USUAL_MS));
    }
}
