//! "I did not start this": who started it gets nothing of this person for an hour. One rule for devices (RFC 8628), for clients that ask
//! elsewhere (CIBA) and for kiosks. The client is blocked only for what it asks without any sign of the person.

use crate::core::Core;
use crate::error::{Refused, Result};
use crate::limits::Limits;
use crate::store::tables::attempt::{BLOCK, BLOCKED};
use crate::store::{Change, Value};
use std::net::IpAddr;

pub const BLOCKED_MS: i64 = 3_600_000;

/// How a person says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum No {
    /// They do not want it.
    Denied,
    /// They did not start it.
    NotMine,
    /// They typed another number than the client shows.
    WrongNumber,
}

impl No {
    pub fn why(self) -> &'static str {
        match self {
            Self::Denied => "the person refused",
            Self::NotMine => "the person did not start it",
            Self::WrongNumber => "the person typed another number than the client shows",
        }
    }
}

/// Who started a request, as far as this server knows.
pub enum Starter<'a> {
    /// An installation, a managed device or a kiosk, which has proved itself.
    Device(&'a str),
    /// A device of which its network alone is known.
    Network(IpAddr),
    /// The server of this client.
    Server(&'a str, IpAddr),
}

/// The keys by which the starter, and the client where it counts, are kept from this person. Both are one where the client does not count.
pub struct BlockKeys([[u8; 32]; 2]);

impl BlockKeys {
    pub fn of(core: &Core, account: &str, starter: &Starter<'_>) -> Self {
        let key = block_key(core, account, starter);
        Self([key, key])
    }

    /// The same, with the client of a request that shows no sign of the person.
    pub fn and_client(self, core: &Core, account: &str, client_id: &str) -> Self {
        Self([self.0[0], core.keyring.mac(LABEL, &["client", account, client_id].map(str::as_bytes)).1])
    }

    /// Where a statement guards against them.
    pub fn values(&self) -> [Value; 2] {
        self.0.map(|key| Value::from(&key[..]))
    }

    pub fn block(&self, change: &mut Change) {
        let until_ms = change.now_ms() + BLOCKED_MS;
        self.values().into_iter().for_each(|key| change.run(BLOCK, vec![key, until_ms.into()]));
    }

    pub async fn are_blocked(&self, core: &Core, now_ms: i64) -> Result<bool> {
        let [starter, client] = self.values();
        Ok(core.store.one(BLOCKED, &[starter, client, now_ms.into()]).await?.is_some())
    }
}

/// What an app hears that approves all the same. A page says it as a problem beside the question.
pub fn refused() -> Refused {
    let hint = "This person did not start what came from there before: for an hour nothing from there is approved.";
    Refused::bad_request("access_denied", hint).because("blocked by not_mine")
}

const LABEL: &str = "not mine";

fn block_key(core: &Core, account: &str, starter: &Starter<'_>) -> [u8; 32] {
    let (kind, client_id, name) = match starter {
        Starter::Device(device) => ("device", "", (*device).to_owned()),
        Starter::Network(address) => ("network", "", Limits::line(*address)),
        Starter::Server(client_id, address) => ("server", *client_id, Limits::line(*address)),
    };
    core.keyring.mac(LABEL, &[kind, account, client_id, &name].map(str::as_bytes)).1
}
