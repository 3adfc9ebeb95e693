//! The link of a letter about a sign-in on a device that was not known. It ends every session of the person, once: whoever reads the letter
//! need not be able to sign in. It works as long as the session that it is about lives.

use super::accounts;
use crate::audit::Entry;
use crate::core::Core;
use crate::error::{Fault, Result};
use crate::seal::KeyRing;
use crate::store::tables::session;
use crate::store::{Change, NotApplied, Value};
use symbolon_oauth::{base64url, digest};

const LABEL: &str = "end session";

pub fn link(core: &Core, session: &[u8; 16]) -> String {
    let (version, tag) = core.keyring.mac(LABEL, &[session]);
    format!("{}/stop/{}", core.config.issuer, base64url::encode(&[&[version][..], session, &tag[..16]].concat()))
}

/// The session that a link names. A forged one ends before any read.
pub fn read_token(keyring: &KeyRing, text: &str) -> Option<[u8; 16]> {
    let bytes = base64url::decode(text).filter(|bytes| bytes.len() == 33)?;
    let (version, rest) = bytes.split_first()?;
    let (id, tag) = rest.split_first_chunk::<16>()?;
    let made = keyring.mac_with(*version, LABEL, &[id])?;
    digest::equal(&made[..16], tag).then_some(*id)
}

/// Whose session it is, as long as it lives.
pub async fn find(core: &Core, session: &[u8; 16]) -> std::result::Result<Option<String>, Fault> {
    let row = core.store.one(session::OWNER, &[Value::from(&session[..])]).await?;
    row.map(|row| row.text("account").map(str::to_owned)).transpose()
}

/// Whoever signed in there knows enough to do it again, so everybody is signed out and no device is known any more. False: somebody else
/// was quicker.
pub async fn end(core: &Core, session: &[u8; 16], account: &str, address: &str) -> Result<bool> {
    let mut change = Change::new(core.now_ms());
    change.run(session::HOLD, vec![Value::from(&session[..])]);
    accounts::end_sessions(&mut change, account);
    change.audit(Entry::ok("sessions_ended").account(account).address(address.to_owned()).with("by", "a stop link"));
    match core.store.apply(change).await {
        Ok(_) => Ok(true),
        Err(NotApplied::Conflict(0)) => Ok(false),
        Err(other) => Err(other.into()),
    }
}
