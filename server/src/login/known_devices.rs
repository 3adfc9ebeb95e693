//! Devices on which people signed in. A row each: for whom, which browser or installation, and what was proved there in full. Only where a
//! policy has a condition about devices, or a letter tells of new ones, is anything kept. A row ends with the person's sessions.

use super::accounts::Account;
use super::methods;
use super::proof::{KnownDevice, Proof};
use super::standing::{Patience, Standing};
use crate::error::Fault;
use crate::store::tables::known_device::{FORGET_OLDEST, IS_KNOWN, MOVE, READ, REMEMBER, SEE};
use crate::store::{Change, Expect, Store};
use symbolon_oauth::{base64url, digest};

/// Of a person; the one that was seen least lately gives way.
const MOST: i64 = 20;
/// As long as the browser's cookie.
const LIFETIME_MS: i64 = 365 * 86_400_000;

/// What pages and the store call a device. `name`: as the machine knows it.
pub fn id(name: &str) -> String {
    base64url::encode(&digest::sha256(name.as_bytes())[..12])
}

/// An installation, as the machine names it.
pub fn installation(client: &str, jkt: &str) -> String {
    format!("installation {client} {jkt}")
}

/// A server that signs people in with a key of its own (native face). All that sign in by it are on one device, which is known for nothing.
pub fn server(client: &str) -> String {
    format!("server {client}")
}

/// Has the person signed in on it, whatever was proved?
pub async fn is_known(store: &Store, account: &str, name: &str, now_ms: i64) -> Result<bool, Fault> {
    Ok(store.one(IS_KNOWN, &[account.into(), id(name).into(), now_ms.into()]).await?.is_some())
}

/// What waits to be confirmed makes no device known.
pub async fn read(store: &Store, account: &Account, name: &str, patience: Patience) -> Result<Option<KnownDevice>, Fault> {
    let Some(row) = store.one(READ, &[account.id.as_str().into(), id(name).into()]).await? else { return Ok(None) };
    let mut proofs: Vec<Proof> =
        serde_json::from_str(row.text("proofs")?).map_err(|error| Fault::new(format!("the proofs of a known device: {error}")))?;
    let standing = Standing { waiting: &account.waiting, patience };
    proofs.retain(|proof| proof.subject == account.id && methods::still_holds(proof, account) && standing.counts_in_full(proof));
    Ok(Some(KnownDevice { proofs }))
}

/// A device after a sign-in on it. `before`: the name by which it was known.
pub struct SeenDevice<'a> {
    pub account: &'a str,
    pub before: Option<&'a str>,
    pub name: &'a str,
    /// As its owner knows it.
    pub label: &'a str,
}

/// The person proved all that the policy's own chains ask for. The device is known for that from now on.
pub fn remember(change: &mut Change, seen: &SeenDevice<'_>, proofs: &[Proof]) -> Result<(), Fault> {
    let proofs = serde_json::to_string(proofs).map_err(|error| Fault::new(error.to_string()))?;
    write(change, REMEMBER, seen, proofs);
    Ok(())
}

/// The device is known for what it was known for. A new one is known for nothing but that the person uses it.
pub fn see(change: &mut Change, seen: &SeenDevice<'_>) {
    write(change, SEE, seen, "[]".to_owned());
}

/// It has another name from now on.
pub fn rename(change: &mut Change, seen: &SeenDevice<'_>) {
    if let Some(before) = seen.before.filter(|before| *before != seen.name) {
        change.run_expecting(MOVE, vec![seen.account.into(), id(before).into(), id(seen.name).into()], Expect::Any);
    }
}

fn write(change: &mut Change, sql: &'static str, seen: &SeenDevice<'_>, proofs: String) {
    let now_ms = change.now_ms();
    rename(change, seen);
    let label: String = seen.label.chars().take(80).collect();
    let values = vec![seen.account.into(), id(seen.name).into(), label.into(), proofs.into(), now_ms.into(), (now_ms + LIFETIME_MS).into()];
    change.run(sql, values);
    change.run_expecting(FORGET_OLDEST, vec![seen.account.into(), MOST.into()], Expect::Any);
}
