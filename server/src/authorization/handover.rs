//! From an app to a web page of the same organisation (docs/handover.md). The app gets a ticket. The browser that opens the ticket gets a
//! session that is a child of the app's. A ticket alone changes no session: a form of ours does, from the browser that opened it.

use crate::audit::Entry;
use crate::config::Handover;
use crate::core::Core;
use crate::error::{Error, Fault, Refused, Result};
use crate::grants::{self, Grant};
use crate::login::row::{self, SignInSecret};
use crate::seal::random;
use crate::sessions::{self, Session};
use crate::store::tables::{app_grant, handover};
use crate::store::{Change, NotApplied, Value};
use crate::web::request::Known;
use symbolon_oauth::{base64url, digest};

/// An app opens the browser at once.
pub const LIFETIME_MS: i64 = 60_000;

/// A ticket that was opened by a browser. `secret`: of its cookie; `is_new`: the cookie has to be set.
pub struct OpenedTicket {
    id: [u8; 32],
    pub grant: ([u8; 16], u32),
    pub account: String,
    pub client_id: String,
    pub secret: [u8; 32],
    pub is_new: bool,
    /// Until when the app's grant lives.
    until_ms: i64,
}

fn over() -> Refused {
    Refused::bad_request("invalid_session", "This link was used already, or it is too old. Go back to the app and try again.")
}

/// The app has signed out, or may not do it any more.
pub fn gone() -> Refused {
    Refused::bad_request("invalid_session", "This app can no longer lead you there. Go back to the app.")
}

fn id_of(ticket: &str) -> [u8; 32] {
    digest::sha256(ticket.as_bytes())
}

/// Says for which page a ticket is. The ticket's row is named by a digest of all of it, so that nobody can write another page into it.
fn target(url: &str) -> [u8; 12] {
    let mut target = [0; 12];
    target.copy_from_slice(&digest::sha256(url.as_bytes())[..12]);
    target
}

/// Is the page of the present configuration the one that the ticket was made for?
pub fn is_for(ticket: &str, url: &str) -> bool {
    base64url::decode(ticket).is_some_and(|bytes| bytes.get(24..) == Some(&target(url)[..]))
}

/// Makes a ticket for the holder of a grant, to this page. Answers what the address carries.
pub async fn issue(core: &Core, grant: &Grant, url: &str, now_ms: i64) -> Result<String> {
    let ticket = base64url::encode(&[&random::<24>()?[..], &target(url)].concat());
    let mut change = Change::new(now_ms);
    change.run(
        handover::INSERT,
        vec![
            Value::from(&id_of(&ticket)[..]),
            Value::from(&grant.session[..]),
            i64::from(grant.number).into(),
            grant.account.as_str().into(),
            grant.client.as_str().into(),
            Value::from(&[][..]),
            (now_ms + LIFETIME_MS).into(),
        ],
    );
    let name = sessions::public_id(core, &grant.session);
    let mut entry = Entry::ok("handover_issued").account(grant.account.as_str()).client(grant.client.as_str()).session(name);
    entry.security = false;
    change.audit(entry.with("grant", grant.number));
    core.store.apply(change).await?;
    Ok(ticket)
}

/// Opens a ticket for this browser: the first one that asks is the only one. `cookie`: what it has of an earlier look.
/// `known` learns whose it is, so that a refusal has its entry.
pub async fn open(core: &Core, (ticket, cookie): (&str, Option<[u8; 32]>), known: &Known, now_ms: i64) -> Result<OpenedTicket> {
    let id = id_of(ticket);
    let row = core.store.one(handover::READ, &[Value::from(&id[..])]).await?.ok_or_else(|| over().because("no such ticket"))?;
    let _ = (known.client.set(row.text("client")?.to_owned()), known.account.set(row.text("account")?.to_owned()));
    if row.int("expires_ms")? <= now_ms {
        return Err(over().because("too old").into());
    }
    let session: [u8; 16] = row.bytes("session")?.try_into().map_err(|_| Fault::new("a session id has 16 bytes"))?;
    let number = u32::try_from(row.int("number")?).map_err(|_| Fault::new("a grant's number is out of range"))?;
    let until_ms = grants::carries_until_ms(core, &session, number).await?.filter(|until_ms| now_ms < *until_ms);
    let until_ms = until_ms.ok_or_else(|| gone().because("the app's grant, or what it hangs on, is over"))?;
    let opened = |secret, is_new| -> std::result::Result<OpenedTicket, Fault> {
        let (account, client_id) = (row.text("account")?.to_owned(), row.text("client")?.to_owned());
        Ok(OpenedTicket { id, grant: (session, number), account, client_id, secret, is_new, until_ms })
    };
    let bound = row.bytes("secret")?;
    if !bound.is_empty() {
        let secret = cookie.filter(|secret| digest::equal(&digest::sha256(secret), bound));
        let secret = secret.ok_or_else(|| over().because("another browser's"))?;
        return Ok(opened(secret, false)?);
    }
    let secret = random::<32>()?;
    let mut change = Change::new(now_ms);
    change.run(handover::BIND, vec![Value::from(&id[..]), Value::from(&digest::sha256(&secret)[..]), now_ms.into()]);
    match core.store.apply(change).await {
        Ok(_) => Ok(opened(secret, true)?),
        Err(NotApplied::Conflict(_)) => Err(over().because("another browser was first").into()),
        Err(why) => Err(why.into()),
    }
}

/// The browser that spends a ticket.
pub struct HandoverBrowser<'a> {
    pub session: Option<&'a Session>,
    /// Its own session is the same person's, and stays as it is.
    pub keep: bool,
    /// What other people had begun in it: ids and secrets of sign-ins. They are over.
    pub others: Vec<([u8; 16], SignInSecret)>,
}

/// Spends the ticket. Unless the browser keeps its session there is a new one, and its cookie's value is answered.
pub async fn spend(
    core: &Core,
    opened: &OpenedTicket,
    rules: &Handover,
    here: &HandoverBrowser<'_>,
    now_ms: i64,
) -> Result<Option<String>> {
    let ((parent, number), keep) = (opened.grant, here.keep);
    let mut change = Change::new(now_ms);
    let secret = random::<32>()?;
    let id = crate::seal::time_ordered_id(now_ms)?;
    // What ends the session, or a provider's logout, comes before or after: proofs and their provider are copied together.
    sessions::hold(&mut change, &parent);
    if !keep {
        // Another person on the same browser: no Back button brings the first one back. What the first one's apps got lives on.
        if let Some(other) = here.session {
            sessions::ending::drop_cookie(&mut change, &other.id);
        }
        let clients = serde_json::to_string(&rules.clients).map_err(|error| Fault::new(error.to_string()))?;
        let values = vec![
            Value::from(&id[..]),
            Value::from(&digest::sha256(&secret)[..]),
            now_ms.into(),
            Value::from(&parent[..]),
            i64::from(number).into(),
            clients.into(),
            opened.until_ms.min(now_ms + core.config.session.absolute.ms()).into(),
        ];
        change.run(handover::INSERT_CHILD, values);
        sessions::inherit_providers(&mut change, &id, &parent);
        here.others.iter().for_each(|(id, secret)| row::void(&mut change, id, secret));
    }
    change.run(app_grant::HOLD, vec![Value::from(&parent[..]), i64::from(number).into(), now_ms.into()]);
    let held = change.len();
    let digest = digest::sha256(&opened.secret);
    change.run(handover::SPEND, vec![Value::from(&opened.id[..]), Value::from(&digest[..]), now_ms.into()]);
    let name = sessions::public_id(core, if keep { &parent } else { &id });
    let entry = Entry::ok("handed_over").account(opened.account.as_str()).client(opened.client_id.as_str()).session(name);
    change.audit(entry.with("from", sessions::public_id(core, &parent)).with("kept", keep));
    match core.store.apply(change).await {
        Ok(_) => Ok((!keep).then(|| sessions::cookie_value(&id, &secret))),
        Err(NotApplied::Conflict(at)) if at < held => Err(Error::from(gone().because("the app has signed out meanwhile"))),
        Err(NotApplied::Conflict(_)) => Err(Error::from(over().because("spent, or too old"))),
        Err(why) => Err(why.into()),
    }
}
