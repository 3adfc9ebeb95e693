//! A lost answer inside a login: the same answer from the same browser gets the same reply again, for two minutes and
//! uncharged. A phone in a tunnel presses the button twice; neither press may cost it the code it just typed.

use super::reply::Reply;
use crate::app::App;
use crate::error::{Fault, Result};
use crate::login::flow::Answer;
use crate::store::{Change, Expect, Value};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::{Deserialize, Serialize};
use symbolon_oauth::base64url;

const KEEP: &str = "INSERT INTO login (id, client, body, version, attempts, state, expires_ms) VALUES ($1, '', $2, 1, 0, 'answered', $3) \
    ON CONFLICT (id) DO NOTHING";
const RECALL: &str = "SELECT body FROM login WHERE id = $1 AND state = 'answered' AND expires_ms > $2";
const KEPT_MS: i64 = 2 * 60_000;

/// Names an answer: a MAC over all of it, so that the store learns nothing of a password in it.
pub type Key = [u8; 16];

#[derive(Serialize, Deserialize)]
struct Kept {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

fn place(key: &Key) -> String {
    format!("login/reply/{}", base64url::encode(key))
}

pub fn key(app: &App, answer: &Answer<'_>) -> Key {
    let mut parts = vec![answer.handle.as_bytes(), answer.action.as_bytes()];
    for (name, value) in answer.fields {
        parts.extend([name.as_bytes(), value.as_bytes()]);
    }
    let (_, tag) = app.keyring.mac("answer", &parts);
    let mut key = [0; 16];
    key.copy_from_slice(&tag[..16]);
    key
}

/// Puts the reply into the change it belongs to.
pub fn keep(app: &App, change: &mut Change, key: &Key, reply: &Reply) -> Result<()> {
    let text = |it: &HeaderValue| it.to_str().map(str::to_owned).ok();
    let headers = reply.headers().iter().filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value)?))).collect();
    let body = String::from_utf8_lossy(reply.body()).into_owned();
    let kept = Kept { status: reply.status().as_u16(), headers, body };
    let plain = serde_json::to_vec(&kept).map_err(|it| Fault::new(it.to_string()))?;
    let sealed = app.keyring.seal(&place(key), &plain)?;
    let until = change.now_ms() + KEPT_MS;
    change.run_expecting(KEEP, vec![Value::from(&key[..]), Value::from(sealed), until.into()], Expect::Any);
    Ok(())
}

pub async fn recall(app: &App, key: &Key, now_ms: i64) -> Result<Option<Reply>> {
    let Some(row) = app.store.one(RECALL, &[Value::from(&key[..]), now_ms.into()]).await? else { return Ok(None) };
    let Some(plain) = app.keyring.open(&place(key), row.bytes(0)?) else { return Ok(None) };
    let kept: Kept = serde_json::from_slice(&plain).map_err(|it| Fault::new(format!("a kept reply: {it}")))?;
    let mut reply = Response::new(Bytes::from(kept.body));
    *reply.status_mut() = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    for (name, value) in kept.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            reply.headers_mut().append(name, value);
        }
    }
    Ok(Some(reply))
}
