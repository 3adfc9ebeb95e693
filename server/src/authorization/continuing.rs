//! The continue page's half of an answer. The answer waits under a reference, and the first browser that opens it is the only one. RFC 8252
//! 7.2 and 8.6; RFC 9700 4.2: nothing of the answer leaves by a header or to another site.

use crate::config::{Client, ContinuePage};
use crate::core::Core;
use crate::error::{Error, Fault, Result};
use crate::seal::random;
use crate::store::tables::continuing;
use crate::store::{Change, Expect, NotApplied, Value};
use crate::stored_bytes::Writer;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use symbolon_oauth::redirect::{self, RedirectKind};
use symbolon_oauth::{base64url, digest};

/// How long an answer waits. A code lives for less.
const LIFETIME_MS: i64 = 5 * 60_000;

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct WaitingAnswer {
    pub client_id: String,
    pub redirect_uri: String,
    /// The redirect URI with the answer.
    pub to: String,
}

/// Whether the answer at this redirect URI waits on a page, and on which.
pub fn page_of<'a>(client: &'a Client, redirect_uri: &str, to: &str) -> Option<&'a ContinuePage> {
    let is_claimed = redirect::kind_of(redirect_uri) == Some(RedirectKind::ClaimedHttps);
    // A fragment would not come back from a page of another host.
    client.continue_page.as_ref().filter(|_| is_claimed && !to.contains('#'))
}

/// The address of a page's answer: the scheme is the issuer's.
pub fn address(core: &Core, page: &ContinuePage, reference: &[u8; 16]) -> String {
    let scheme = if core.config.issuer.starts_with("https://") { "https" } else { "http" };
    format!("{scheme}://{}/c/{}", page.host, base64url::encode(reference))
}

/// A reference that is the same for the same end of a sign-in. So its page can be fetched again.
pub fn reference_of(core: &Core, sign_in: &[u8; 16], to: &str) -> [u8; 16] {
    let (_, tag) = core.keyring.mac("continue", &[core.config.issuer.as_bytes(), sign_in, to.as_bytes()]);
    let mut reference = [0; 16];
    reference.copy_from_slice(&tag[..16]);
    reference
}

/// Keeps an answer. `reference`: `None` makes a new one.
pub async fn keep(core: &Core, reference: Option<[u8; 16]>, waiting: &WaitingAnswer, writer: IpAddr) -> Result<[u8; 16]> {
    let reference = match reference {
        Some(reference) => reference,
        None => random::<16>()?,
    };
    let now_ms = core.now_ms();
    let plain = serde_json::to_vec(waiting).map_err(|it| Fault::new(it.to_string()))?;
    core.stored.charge(Writer::Network(writer), plain.len())?;
    let id = id_of(&reference);
    let body = core.keyring.seal(&sealed_at(&id), &plain)?;
    let mut change = Change::new(now_ms);
    let values = vec![Value::from(&id[..]), Value::Bytes(Vec::new()), Value::Bytes(body), (now_ms + LIFETIME_MS).into()];
    change.run_expecting(continuing::INSERT, values, Expect::Any);
    core.store.apply(change).await?;
    Ok(reference)
}

/// An answer for this browser. `secret`: of a cookie that has to be set.
pub struct OpenedAnswer {
    pub waiting: WaitingAnswer,
    pub secret: Option<[u8; 32]>,
}

/// `None`: there is no such answer, it is too old, or it is another browser's. The text is for the log.
pub async fn open(
    core: &Core,
    reference: &[u8; 16],
    cookie: Option<[u8; 32]>,
    now_ms: i64,
) -> Result<std::result::Result<OpenedAnswer, &'static str>> {
    let id = id_of(reference);
    let Some(row) = core.store.one(continuing::READ, &[Value::from(&id[..])]).await? else { return Ok(Err("no such reference")) };
    if row.int("expires_ms")? <= now_ms {
        return Ok(Err("too old"));
    }
    let plain =
        core.keyring.open(&sealed_at(&id), row.bytes("body")?).ok_or_else(|| Fault::new("an answer that waits cannot be opened"))?;
    let waiting = serde_json::from_slice(&plain).map_err(|it| Fault::new(format!("an answer that waits: {it}")))?;
    let bound = row.bytes("secret")?;
    if !bound.is_empty() {
        let is_same = cookie.is_some_and(|it| digest::equal(&digest::sha256(&it), bound));
        return Ok(if is_same { Ok(OpenedAnswer { waiting, secret: None }) } else { Err("another browser's") });
    }
    let secret = random::<32>()?;
    let mut change = Change::new(now_ms);
    change.run(continuing::BIND, vec![Value::from(&id[..]), Value::from(&digest::sha256(&secret)[..]), now_ms.into()]);
    match core.store.apply(change).await {
        Ok(_) => Ok(Ok(OpenedAnswer { waiting, secret: Some(secret) })),
        Err(NotApplied::Conflict(_)) => Ok(Err("another browser was first")),
        Err(why) => Err(Error::from(why)),
    }
}

fn id_of(reference: &[u8; 16]) -> [u8; 32] {
    digest::sha256(reference)
}

fn sealed_at(id: &[u8; 32]) -> String {
    format!("continuing {}", base64url::encode(id))
}
