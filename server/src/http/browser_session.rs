//! The session of a browser, as its cookie proves it. One that came from an app lives as long as the app's grant.

use crate::core::Core;
use crate::error::{Fault, Result};
use crate::grants;
use crate::login::accounts::Account;
use crate::sessions::{Session, cookie_name};
use crate::store::tables::session;
use crate::store::{Change, Expect, Row, Value};
use crate::web::request::Incoming;
use symbolon_oauth::{base64url, digest};

/// The session of this browser within its limits, for our own pages. `None` for every kind of "no".
pub async fn for_our_pages(core: &Core, incoming: &Incoming) -> Result<Option<Session>> {
    Ok(at_all(core, incoming).await?.filter(|session| session.clients.is_none()))
}

/// The same for the requests of a client.
pub async fn for_client(core: &Core, incoming: &Incoming, client_id: &str) -> Result<Option<Session>> {
    Ok(at_all(core, incoming).await?.filter(|session| serves(session, client_id)))
}

/// The same with the account, in one read.
pub async fn with_account(core: &Core, incoming: &Incoming, client_id: &str) -> Result<Option<(Session, Account)>> {
    let Some((id, secret)) = cookie(core, incoming) else { return Ok(None) };
    let Some((row, account)) = core.accounts().by_session(&id).await? else { return Ok(None) };
    let found = judge(core, incoming, (&id, &secret), &row).await?;
    Ok(found.filter(|session| serves(session, client_id)).map(|session| (session, account)))
}

/// A session that came from an app is good for requests of the clients that it names.
fn serves(session: &Session, client_id: &str) -> bool {
    session.clients.as_ref().is_none_or(|clients| clients.iter().any(|id| id == client_id))
}

/// Whatever it may be used for: to say who is signed in here, and to sign out.
pub async fn at_all(core: &Core, incoming: &Incoming) -> Result<Option<Session>> {
    let Some((id, secret)) = cookie(core, incoming) else { return Ok(None) };
    let Some(row) = core.store.one(session::READ, &[Value::from(&id[..])]).await? else { return Ok(None) };
    judge(core, incoming, (&id, &secret), &row).await
}

/// The id and the secret that the browser holds.
fn cookie(core: &Core, incoming: &Incoming) -> Option<([u8; 16], [u8; 32])> {
    let bytes = base64url::decode(incoming.cookie(&cookie_name(core, "session"))?)?;
    let (id, secret) = bytes.split_at_checked(16)?;
    Some((id.try_into().ok()?, secret.try_into().ok()?))
}

/// The session of a row, if the secret is its own and it is within its limits.
async fn judge(core: &Core, incoming: &Incoming, (id, secret): (&[u8; 16], &[u8; 32]), row: &Row) -> Result<Option<Session>> {
    if !digest::equal(row.bytes("cookie")?, &digest::sha256(secret)) || !lives(core, row, incoming.now_ms).await? {
        return Ok(None);
    }
    let session = from_row(id, row)?;
    // Idle time moves at most once a minute: it must not make a write of every page view.
    if incoming.now_ms - session.used_ms > 60_000 {
        let mut change = Change::new(incoming.now_ms);
        change.run_expecting(session::TOUCH, vec![Value::from(&id[..]), incoming.now_ms.into()], Expect::Any);
        // On a full disk what only reads is answered: the session idles from an earlier moment then.
        if let Err(why) = core.store.apply(change).await {
            tracing::debug!(?why, "the last use of a session was not written");
        }
    }
    Ok(Some(session))
}

/// Is it within its limits, and is there still an app behind it if it came from one?
async fn lives(core: &Core, row: &Row, now_ms: i64) -> Result<bool> {
    let idles_ms = row.int("used_ms")? + core.config.session.idle.0 * 1000;
    if now_ms >= row.int("ends_ms")? || now_ms >= idles_ms || row.int("created_ms")? < row.int("sessions_from_ms")? {
        return Ok(false);
    }
    Ok(grants::carried_until_ms(core, row).await?.is_some_and(|until_ms| now_ms < until_ms))
}

fn from_row(id: &[u8; 16], row: &Row) -> std::result::Result<Session, Fault> {
    let json = |what: &str, error: serde_json::Error| Fault::new(format!("session {what}: {error}"));
    let clients = row.opt_text("clients")?.map(serde_json::from_str).transpose();
    Ok(Session {
        id: *id,
        account: row.text("account")?.to_owned(),
        proofs: serde_json::from_str(row.text("proofs")?).map_err(|error| json("proofs", error))?,
        acr: row.text("acr")?.to_owned(),
        amr: row.text("amr")?.split_whitespace().map(str::to_owned).collect(),
        auth_time_ms: row.int("auth_time_ms")?,
        used_ms: row.int("used_ms")?,
        version: row.int("session_version")?,
        account_version: row.int("account_version")?,
        clients: clients.map_err(|error| json("clients", error))?,
    })
}
