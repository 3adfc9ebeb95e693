//! Two words that leave the house by the outbox. A client with `ping` hears that a person has answered (CIBA Core 10.2), and an app is woken
//! up because somebody asks its person (`[push]`). Neither says who the person is or what is asked. Each is tried three times.

use crate::audit::Entry;
use crate::authorization::backchannel;
use crate::authorization::backchannel_words::{PING, WAKE, address_sealed_at, sealed_at};
use crate::core::Core;
use crate::error::{Error, Fault};
use crate::outgoing::Target;
use crate::store::tables::{backchannel_request, outbox};
use crate::store::{Change, Expect, Row, Value};
use crate::tokens::handles::{Kind, RowName};
use serde_json::json;
use std::time::Duration;
use symbolon_oauth::{base64url, jws};

/// CIBA leaves tries open: more than these only press an endpoint that is away.
const TRIES: i64 = 3;
/// How long one node has for one word before another may try.
const LEASE_MS: i64 = 10_000;
const WITHIN: Duration = Duration::from_secs(5);
/// The type of a wake-up.
pub const PUSH_TYP: &str = "symbolon-push+jwt";
const PUSH_LIFETIME_S: i64 = 60;

/// One round: what is due.
pub async fn round(core: &Core) -> Result<(), Fault> {
    for kind in [PING, WAKE] {
        let now_ms = core.now_ms();
        let rows = core.store.all(outbox::DUE, &[now_ms.into(), kind.into()]).await?;
        // One receiver that is slow holds nobody else up.
        let sent = futures_util::future::join_all(rows.iter().map(|row| send(core, kind, row, now_ms))).await;
        sent.into_iter().collect::<Result<(), Fault>>()?;
    }
    Ok(())
}

async fn send(core: &Core, kind: &'static str, row: &Row, now_ms: i64) -> Result<(), Fault> {
    let id: [u8; 16] = row.array("id")?;
    let (attempts, next_ms) = (row.int("attempts")?, row.int("next_ms")?);
    let mut claim = Change::new(now_ms);
    let wait_ms = LEASE_MS << attempts.clamp(0, TRIES);
    claim.run(outbox::CLAIM, vec![Value::from(&id[..]), (now_ms + wait_ms).into(), next_ms.into()]);
    if !core.store.try_apply(claim, "claiming a word about a request").await? {
        return Ok(());
    }
    let request = core.keyring.open(&sealed_at(kind, &id), row.bytes("body")?).and_then(|plain| <[u8; 16]>::try_from(plain).ok());
    let stored = match request {
        Some(request) => backchannel::by_id(core, &request).await.map_err(as_fault)?,
        None => None,
    };
    // Gone or too old: nobody wants to hear of it any more.
    let Some(stored) = stored else { return finish(core, &id, None).await };
    let outcome = match kind {
        PING => ping(core, &stored).await,
        _ if !stored.is_open(now_ms) => Ok(()),
        _ => wake_up(core, &stored, now_ms).await,
    };
    match outcome {
        Ok(()) => finish(core, &id, None).await,
        Err(why) if attempts + 1 >= TRIES => {
            count(kind, "given_up");
            let event = if kind == PING { "backchannel_not_told" } else { "push_not_sent" };
            finish(core, &id, Some(Entry::refused(event, why).client(stored.client_id.as_str()))).await
        }
        Err(why) => {
            count(kind, "failed");
            tracing::warn!(client = stored.client_id, kind, why, "a word about a request did not arrive; it will be tried again");
            Ok(())
        }
    }
}

fn as_fault(error: Error) -> Fault {
    match error {
        Error::Fault(fault) => fault,
        Error::Refused(refused) => Fault::new(refused.private),
    }
}

/// CIBA Core 10.2: 200 and 204 are good. No redirect is followed, so that the token goes nowhere else.
async fn ping(core: &Core, stored: &backchannel::BackchannelRow) -> Result<(), String> {
    let Some(token) = &stored.asked.notification_token else { return Ok(()) };
    let client = core.clients.get(&stored.client_id).await.map_err(|fault| fault.0)?;
    let Some(uri) = client.and_then(|client| client.backchannel.notification_endpoint.clone()) else { return Ok(()) };
    let target = core.target_of_client(&stored.client_id, &uri)?;
    let auth_req_id = core.handles.make(Kind::AuthReqId, RowName { id: stored.id, number: 0, generation: 0 }, &stored.salt);
    let call = core.outgoing.post(&target).bearer_auth(token).json(&json!({ "auth_req_id": auth_req_id }));
    is_good(PING, call.at_most(4096).within(WITHIN).send().await?.status)
}

fn is_good(kind: &'static str, status: u16) -> Result<(), String> {
    if !matches!(status, 200 | 202 | 204) {
        return Err(format!("the receiver answers with status {status}"));
    }
    count(kind, "told");
    Ok(())
}

/// An empty wake-up for each installation of the person that may answer.
async fn wake_up(core: &Core, stored: &backchannel::BackchannelRow, now_ms: i64) -> Result<(), String> {
    let Some(push) = &core.config.push else { return Ok(()) };
    let values = [stored.account.as_str().into(), now_ms.into()];
    let rows = core.store.all(backchannel_request::ADDRESSES, &values).await.map_err(|fault| fault.0)?;
    for row in &rows {
        let Some((address, client_id)) = address_of(core, row).await.map_err(|fault| fault.0)? else { continue };
        let jti = base64url::encode(&crate::seal::random::<16>().map_err(|fault| fault.0)?);
        let iat = now_ms / 1000;
        let claims = json!({
            "iss": core.config.issuer, "aud": push.webhook, "iat": iat, "exp": iat + PUSH_LIFETIME_S, "jti": jti,
            "client_id": client_id, "address": address,
        });
        let key = core.keys.signer(core.config.signing.alg, now_ms).map_err(|fault| fault.0)?;
        let text = jws::sign(&key, PUSH_TYP, &claims).map_err(|error| format!("signing: {error:?}"))?;
        let call = core.outgoing.post(&Target::of_operator(&push.webhook)?).header("content-type", "application/jwt").body(text);
        is_good(WAKE, call.at_most(4096).within(WITHIN).send().await?.status)?;
    }
    Ok(())
}

/// None: its client may no longer answer.
async fn address_of(core: &Core, row: &Row) -> Result<Option<(String, String)>, Fault> {
    let client_id = row.text("client")?.to_owned();
    if core.clients.get(&client_id).await?.is_none_or(|client| !client.approves) {
        return Ok(None);
    }
    let number = u32::try_from(row.int("number")?).map_err(|_| Fault::new("a grant's number is out of range"))?;
    let plain = core.keyring.open(&address_sealed_at(row.bytes("session")?, number), row.bytes("address")?);
    Ok(plain.and_then(|plain| String::from_utf8(plain).ok()).map(|address| (address, client_id)))
}

async fn finish(core: &Core, id: &[u8; 16], entry: Option<Entry>) -> Result<(), Fault> {
    let mut change = Change::new(core.now_ms());
    change.run_expecting(outbox::DONE, vec![Value::from(&id[..])], Expect::Any);
    if let Some(entry) = entry {
        change.audit(entry);
    }
    core.store.apply(change).await.map(|_| ()).map_err(|it| it.into_fault("removing a word about a request"))
}

fn count(kind: &'static str, outcome: &'static str) {
    metrics::counter!("symbolon_backchannel_words_total", "kind" => kind, "outcome" => outcome).increment(1);
}
