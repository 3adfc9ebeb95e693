//! What the platform is asked for, and what its answer is compared with. These are options for a passkey that is made or used, and what a
//! name without passkeys looks like.

use super::accounts::Account;
use super::context::{Context, Person};
use super::operation::{Mediation, Operation};
use super::passkeys::RegisteredPasskey;
use crate::error::Fault;
use crate::seal::KeyRing;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use symbolon_oauth::base64url;
use symbolon_passkey::options::{self, Creation, Descriptor, Request};

/// How long the platform may wait for the person: keys, codes and first screen locks take time.
const TIMEOUT_MS: u32 = 10 * 60_000;
/// What an answer is compared with. It is part of the sealed sign-in, and of no other.
#[derive(Serialize, Deserialize)]
pub struct CeremonySecret {
    challenge: String,
    /// Of the account, or of the one to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
}

impl CeremonySecret {
    pub fn new(handle: Option<String>) -> Result<Self, Fault> {
        Ok(Self { challenge: base64url::encode(&crate::seal::random::<32>()?), handle })
    }

    pub fn read(secret: &Json) -> Result<Self, Fault> {
        serde_json::from_value(secret.clone()).map_err(|error| Fault::new(format!("the secret of a passkey question: {error}")))
    }

    pub fn as_json(&self) -> Result<Json, Fault> {
        serde_json::to_value(self).map_err(|error| Fault::new(error.to_string()))
    }

    pub fn challenge(&self) -> Result<Vec<u8>, Fault> {
        base64url::decode(&self.challenge).ok_or_else(|| Fault::new("the challenge of a passkey question"))
    }
}

/// A random user handle: ASCII bytes, so that no platform stumbles over them.
pub fn new_handle() -> Result<String, Fault> {
    Ok(base64url::encode(&crate::seal::random::<32>()?))
}

/// The operation that uses a passkey. `allow`: empty where the platform offers what it has.
pub fn get(context: &Context<'_>, secret: &CeremonySecret, allow: &[Descriptor], mediation: Mediation) -> Result<Operation, Fault> {
    let rp = context.relying_party;
    let challenge = secret.challenge()?;
    let request =
        Request { rp_id: rp.id, challenge: &challenge, timeout_ms: TIMEOUT_MS, user_verification: rp.rules.user_verification, allow };
    Ok(Operation::PasskeyGet { options: options::request(&request), mediation })
}

/// Who a new passkey is for, as the person reads it in a list.
pub struct Owner<'a> {
    pub name: &'a str,
    pub display_name: &'a str,
    pub has: Vec<Descriptor>,
}

/// The operation that makes a passkey.
pub fn create(context: &Context<'_>, secret: &CeremonySecret, owner: &Owner<'_>, mediation: Mediation) -> Result<Operation, Fault> {
    let rp = context.relying_party;
    let challenge = secret.challenge()?;
    let handle = secret.handle.as_deref().ok_or_else(|| Fault::new("a new passkey without a user handle"))?;
    let creation = Creation {
        rp_id: rp.id,
        rp_name: context.brand,
        user_handle: handle.as_bytes(),
        user_name: owner.name,
        display_name: owner.display_name,
        challenge: &challenge,
        timeout_ms: TIMEOUT_MS,
        user_verification: rp.rules.user_verification,
        conveyance: rp.rules.conveyance,
        exclude: &owner.has,
    };
    Ok(Operation::PasskeyCreate { options: options::creation(&creation), mediation })
}

/// The passkeys that the person may use.
pub fn descriptors(account: &Account) -> Vec<Descriptor> {
    account.passkeys.iter().filter_map(RegisteredPasskey::descriptor).collect()
}

/// All passkeys of the account under this RP ID: an authenticator that has one of them says so, and replaces none (W-17).
pub fn taken(account: &Account, rp_id: &str) -> Vec<Descriptor> {
    account.all_passkeys().filter(|known| known.rp_id == rp_id).filter_map(RegisteredPasskey::descriptor).collect()
}

/// The passkeys of a name, before anything is proved: those alone that cannot be used without it. Every other name gets ids that look
/// real, always the same ones, by a MAC over the name (300-H). So two names of one person have nothing in common.
pub fn named(context: &Context<'_>, person: &Person) -> Vec<Descriptor> {
    let real = person.account.as_ref().filter(|account| account.active);
    let real = real.into_iter().flat_map(|account| &account.passkeys).filter(|known| known.needs_name);
    let real: Vec<Descriptor> = real.filter_map(RegisteredPasskey::descriptor).collect();
    if real.is_empty() { decoys(context.keyring, context.relying_party.id, &person.name) } else { real }
}

/// Kinds of credentials that need a name: bytes of the id, and how it is reached, as far as the browser or an import said so.
const KINDS: [(usize, &[&str]); 8] = [
    (64, &["nfc", "usb"]),
    (64, &["usb"]),
    (64, &[]),
    (48, &["nfc", "usb"]),
    (48, &["usb"]),
    (48, &[]),
    (32, &["usb"]),
    (32, &["internal"]),
];

fn decoys(keyring: &KeyRing, rp_id: &str, name: &str) -> Vec<Descriptor> {
    // The oldest master key: a rotation does not change them until that key is gone.
    let version = keyring.versions().into_iter().min().unwrap_or_else(|| keyring.newest());
    let drawn = |what: &[u8]| keyring.mac_with(version, "passkey decoy", &[rp_id.as_bytes(), name.as_bytes(), what]).unwrap_or([0; 32]);
    let seed = drawn(b"kinds");
    // One passkey is usual, two are frequent, three are rare.
    let count = match seed[0] {
        0..=159 => 1,
        160..=231 => 2,
        _ => 3,
    };
    let mut made: Vec<Descriptor> = (0..count)
        .map(|at: u8| {
            let (length, transports) = KINDS[usize::from(seed[1 + usize::from(at)]) % KINDS.len()];
            let id: Vec<u8> = [drawn(&[at, 0]), drawn(&[at, 1])].concat().into_iter().take(length).collect();
            Descriptor { id, transports: transports.iter().map(|name| (*name).to_owned()).collect() }
        })
        .collect();
    // As real ones are sorted.
    made.sort_by_key(|one| base64url::encode(&one.id));
    made
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// The ids of a name stay the same and differ from name to name. Not all have one length or count.
    #[test]
    fn decoys_are_stable_and_varied() {
        let keyring = KeyRing::new(vec![(1, [7; 32])]).unwrap();
        let of = |name: &str| decoys(&keyring, "a.example", name);
        assert_eq!(of("alice"), of("alice"));
        assert_ne!(of("alice")[0].id, of("bob")[0].id);
        assert_ne!(of("alice")[0].id, decoys(&keyring, "b.example", "alice")[0].id);
        let all: Vec<Vec<Descriptor>> = (0..200).map(|at| of(&format!("person-{at}"))).collect();
        for count in 1..=3 {
            assert!(all.iter().any(|made| made.len() == count), "{count}");
        }
        for (length, transports) in KINDS {
            assert!(all.iter().flatten().any(|made| made.id.len() == length && made.transports == transports), "{length} {transports:?}");
        }
    }
}
