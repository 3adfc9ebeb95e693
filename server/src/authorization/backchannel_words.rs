//! What a request and its answer write into the outbox: a word for the client, and one for the person's apps. `pinged` sends them. Each names
//! the request and holds nothing else.

use crate::error::Fault;
use crate::seal::KeyRing;
use crate::store::tables::outbox;
use crate::store::{Change, Expect, Value};
use symbolon_oauth::base64url;

pub const PING: &str = "ping";
pub const WAKE: &str = "wake";

/// Where a word is sealed to.
pub fn sealed_at(kind: &str, id: &[u8; 16]) -> String {
    format!("outbox/{kind}/{}", base64url::encode(id))
}

/// Where the push address of an installation is sealed to.
pub fn address_sealed_at(session: &[u8], number: u32) -> String {
    format!("push_address/{}/{number}", base64url::encode(session))
}

/// Adds a word to a change.
pub fn write(change: &mut Change, keyring: &KeyRing, kind: &'static str, request: &[u8; 16]) -> Result<(), Fault> {
    let now_ms = change.now_ms();
    let id = crate::seal::time_ordered_id(now_ms)?;
    let sealed = keyring.seal(&sealed_at(kind, &id), request)?;
    change.run_expecting(outbox::WRITE, vec![Value::from(&id[..]), kind.into(), Value::from(sealed), now_ms.into()], Expect::Any);
    Ok(())
}
