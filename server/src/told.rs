//! Clients are told that a session has ended. OpenID Connect Back-Channel Logout 1.0 2.5.
//!
//! A worker looks for sessions that ended, whatever ended them. It writes a word for each client of theirs into the outbox, once for all
//! nodes. A session that a provider signed out has its words at once, as it may live on without its browser. Each word is sent until the
//! client has it, or for a day. The token is made when it is sent, as it lives for two minutes.

use crate::audit::Entry;
use crate::config::Client;
use crate::core::Core;
use crate::error::Fault;
use crate::seal::KeyRing;
use crate::store::tables::{app_grant, outbox, session};
use crate::store::{Change, Expect, Row, Value};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use symbolon_oauth::logout_token::{self, LogoutToken};
use symbolon_oauth::{base64url, digest};

const KIND: &str = "logout";
/// How far back a look goes: a change becomes visible late, and the clocks of nodes differ.
const OVERLAP_MS: i64 = 30_000;
/// How far back the first look goes. What ended before is too old: nobody was there to tell for so long.
const FIRST_LOOK_MS: i64 = 10 * 60_000;
/// Sessions of one look; the next look goes on.
const PAGE: i64 = 500;
/// Words for one client that wait. A client that is away for long costs no other one its words.
const MOST_OF_CLIENT: i64 = 1000;
/// How long one node has for one word before another may try.
const LEASE_MS: i64 = 15_000;
const HOUR_MS: i64 = 3_600_000;
/// A client has an hour of tries, then hours between them, for a day.
const GIVE_UP_MS: i64 = 24 * HOUR_MS;
const WITHIN: Duration = Duration::from_secs(5);

/// What one client has to hear.
#[derive(Serialize, Deserialize, Debug)]
struct Word {
    client: String,
    account: String,
    /// base64url
    session: String,
    give_up_ms: i64,
}

/// Up to where this process has looked, and what it has seen there.
#[derive(Default)]
pub struct Looked {
    upto_ms: i64,
    seen: BTreeSet<(i64, Vec<u8>)>,
}

fn sealed_at(id: &[u8; 16]) -> String {
    format!("outbox/body/{}", base64url::encode(id))
}

/// One round: what ended since the last one, and what is due.
pub async fn round(core: &Core, looked: &mut Looked) -> Result<(), Fault> {
    if core.clients.needs().logout || core.config.client.values().any(|client| client.backchannel_logout_uri.is_some()) {
        look(core, looked).await?;
    }
    deliver(core).await
}

async fn look(core: &Core, looked: &mut Looked) -> Result<(), Fault> {
    let now_ms = core.now_ms();
    let mut from_ms = (looked.upto_ms - OVERLAP_MS).max(now_ms - FIRST_LOOK_MS);
    let mut limit = PAGE;
    loop {
        let rows = core.store.all(session::ENDED_SINCE, &[from_ms.into(), limit.into()]).await?;
        let mut last_ms = from_ms;
        for row in &rows {
            let (ended_ms, session) = (row.int("ended_ms")?, row.bytes("id")?);
            last_ms = last_ms.max(ended_ms);
            let ended = (ended_ms, session.to_vec());
            if !looked.seen.contains(&ended) {
                // Seen once the words are written: while the store is away, the next look finds it again.
                note(core, session, ended_ms).await?;
                looked.seen.insert(ended);
            }
        }
        // A session of the future must not hide those of the present.
        looked.upto_ms = looked.upto_ms.max(last_ms.min(now_ms));
        if i64::try_from(rows.len()).unwrap_or(i64::MAX) < limit {
            break;
        }
        // A page may end inside a millisecond, so the next one begins with it. Where it holds nothing else, it is read again, longer.
        limit = if last_ms > from_ms { PAGE } else { limit.saturating_mul(2) };
        from_ms = last_ms;
    }
    let oldest_ms = looked.upto_ms - 2 * OVERLAP_MS;
    looked.seen = looked.seen.split_off(&(oldest_ms, Vec::new()));
    Ok(())
}

/// Writes the words about a session that ended. Whichever node is first writes all of them.
async fn note(core: &Core, session: &[u8], ended_ms: i64) -> Result<(), Fault> {
    let mut change = Change::new(core.now_ms());
    change.once("logout", "", &base64url::encode(session), ended_ms + FIRST_LOOK_MS);
    if write_words(core, &mut change, session).await? == 0 {
        return Ok(());
    }
    core.store.try_apply(change, "noting who hears of a logout").await.map(drop)
}

/// Adds a word for each client of a session, which has ended or lost its browser. Answers how many.
pub async fn write_words(core: &Core, change: &mut Change, session: &[u8]) -> Result<usize, Fault> {
    let now_ms = change.now_ms();
    let mut words = 0;
    for row in core.store.all(app_grant::CLIENTS_OF_SESSION, &[Value::from(session)]).await? {
        let (client, account) = (row.text("client")?.to_owned(), row.text("account")?.to_owned());
        let objection = match listens_at(core, &client).await? {
            None => continue,
            Some(Err(why)) => Some(why),
            Some(Ok(_)) if waiting_for(core, &client).await? >= MOST_OF_CLIENT => Some("a thousand words wait for the client already"),
            Some(Ok(_)) => None,
        };
        words += 1;
        if let Some(why) = objection {
            count("dropped");
            change.audit(Entry::refused("client_not_told", why).client(client).account(account));
            continue;
        }
        let id = name(session, &client);
        let word = Word { client, account, session: base64url::encode(session), give_up_ms: now_ms + GIVE_UP_MS };
        let plain = serde_json::to_vec(&word).map_err(|error| Fault::new(error.to_string()))?;
        let values = vec![Value::from(&id[..]), KIND.into(), Value::from(core.keyring.seal(&sealed_at(&id), &plain)?), now_ms.into()];
        change.run_expecting(outbox::WRITE, values, Expect::Any);
    }
    Ok(words)
}

/// The client and its address. None: it does not want to be told, or there is no such client any more. The error is for the audit.
async fn listens_at(core: &Core, id: &str) -> Result<Option<std::result::Result<(Arc<Client>, String), &'static str>>, Fault> {
    let Some(client) = core.clients.get(id).await? else { return Ok(None) };
    let Some(uri) = client.backchannel_logout_uri.clone() else { return Ok(None) };
    // A client that registered itself must not make this server call somebody else.
    if !client.is_trusted_at(&uri) {
        return Ok(Some(Err("nobody has proved that the host of backchannel_logout_uri is the client's")));
    }
    Ok(Some(Ok((client, uri))))
}

async fn waiting_for(core: &Core, client: &str) -> Result<i64, Fault> {
    let [first, last] = [0, u8::MAX].map(|byte| [of_client(client), [byte; 8]].concat());
    let row = core.store.one(outbox::WAITING_WITHIN, &[KIND.into(), Value::from(first), Value::from(last)]).await?;
    row.map_or(Ok(0), |row| row.int("count"))
}

/// What the keys of all words for a client begin with.
fn of_client(client: &str) -> [u8; 8] {
    let digest = digest::sha256(client.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    first
}

/// The key of a word in the outbox: one session is told to one client once.
fn name(session: &[u8], client: &str) -> [u8; 16] {
    let digest = digest::sha256(&[session, client.as_bytes()].concat());
    let mut id = [0; 16];
    id[..8].copy_from_slice(&of_client(client));
    id[8..].copy_from_slice(&digest[..8]);
    id
}

async fn deliver(core: &Core) -> Result<(), Fault> {
    let now_ms = core.now_ms();
    let rows = core.store.all(outbox::DUE, &[now_ms.into(), KIND.into()]).await?;
    // One client that is slow holds nobody else up.
    let sent = futures_util::future::join_all(rows.iter().map(|row| send(core, row, now_ms))).await;
    sent.into_iter().collect()
}

async fn send(core: &Core, row: &Row, now_ms: i64) -> Result<(), Fault> {
    let id: [u8; 16] = row.array("id")?;
    let (attempts, next_ms) = (row.int("attempts")?, row.int("next_ms")?);
    let mut claim = Change::new(now_ms);
    let wait_ms = (LEASE_MS << attempts.clamp(0, 8)).min(HOUR_MS);
    claim.run(outbox::CLAIM, vec![Value::from(&id[..]), (now_ms + wait_ms).into(), next_ms.into()]);
    if !core.store.try_apply(claim, "claiming a word about a logout").await? {
        return Ok(());
    }
    let Some(word) = open(&core.keyring, &id, row.bytes("body")?) else {
        tracing::error!("a word about a logout cannot be opened and is dropped");
        return finish(core, &id, None).await;
    };
    match tell(core, &word, now_ms).await {
        Ok(Some(200 | 204)) => {
            count("told");
            let told = Entry::ok("client_told").client(word.client.as_str()).account(word.account.as_str());
            finish(core, &id, Some(told.session(name_of_session(core, &word).map_err(Fault::new)?))).await
        }
        // The client was taken out of the configuration, or no longer wants to hear of it.
        Ok(None) => finish(core, &id, None).await,
        // 2.8: 400 says that it could not, and will not.
        Ok(Some(status)) if (400..500).contains(&status) && status != 408 && status != 429 => {
            give_up(core, &id, &word, &format!("the client answers with status {status}")).await
        }
        Ok(Some(status)) => later(core, &id, &word, &format!("the client answers with status {status}"), now_ms).await,
        Err(why) => later(core, &id, &word, &why, now_ms).await,
    }
}

fn open(keyring: &KeyRing, id: &[u8; 16], sealed: &[u8]) -> Option<Word> {
    keyring.open(&sealed_at(id), sealed).and_then(|plain| serde_json::from_slice(&plain).ok())
}

fn session_of(word: &Word) -> Result<[u8; 16], &'static str> {
    base64url::decode(&word.session).and_then(|it| it.try_into().ok()).ok_or("a session id has 16 bytes")
}

fn name_of_session(core: &Core, word: &Word) -> Result<String, &'static str> {
    Ok(crate::sessions::public_id(core, &session_of(word)?))
}

/// The status of the client's answer. None: it is not to be told.
async fn tell(core: &Core, word: &Word, now_ms: i64) -> Result<Option<u16>, String> {
    let Some(found) = listens_at(core, &word.client).await.map_err(|fault| fault.0)? else { return Ok(None) };
    let (client, uri) = found?;
    let session = session_of(word)?;
    let alg = client.id_token_signed_response_alg.unwrap_or(core.config.signing.alg);
    let key = core.keys.signer(alg, now_ms).map_err(|fault| fault.0)?;
    let jti = base64url::encode(&crate::seal::random::<16>().map_err(|fault| fault.0)?);
    let sid = crate::sessions::sid(core, &word.client, &session);
    let (iss, aud) = (core.config.issuer.as_str(), word.client.as_str());
    let token = LogoutToken { iss, aud, sub: &word.account, sid: &sid, jti: &jti, iat: now_ms.div_euclid(1000) };
    let token = logout_token::make(&key, &token).map_err(|error| format!("signing: {error:?}"))?;
    let call =
        core.outgoing.post(&core.target_of_client(&word.client, &uri)?).form(&[("logout_token", token)]).at_most(4096).within(WITHIN);
    Ok(Some(call.send().await?.status))
}

async fn later(core: &Core, id: &[u8; 16], word: &Word, why: &str, now_ms: i64) -> Result<(), Fault> {
    if now_ms >= word.give_up_ms {
        return give_up(core, id, word, why).await;
    }
    count("failed");
    tracing::warn!(client = word.client, why, "a client did not hear of a logout; it will be told again");
    Ok(())
}

async fn give_up(core: &Core, id: &[u8; 16], word: &Word, why: &str) -> Result<(), Fault> {
    count("given_up");
    let entry = Entry::refused("client_not_told", why.to_owned()).client(word.client.as_str()).account(word.account.as_str());
    finish(core, id, Some(entry)).await
}

async fn finish(core: &Core, id: &[u8; 16], entry: Option<Entry>) -> Result<(), Fault> {
    let mut change = Change::new(core.now_ms());
    change.run_expecting(outbox::DONE, vec![Value::from(&id[..])], Expect::Any);
    if let Some(entry) = entry {
        change.audit(entry);
    }
    core.store.apply(change).await.map(|_| ()).map_err(|it| it.into_fault("removing a word about a logout"))
}

fn count(outcome: &'static str) {
    metrics::counter!("symbolon_logout_tokens_total", "outcome" => outcome).increment(1);
}
