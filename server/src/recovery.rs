//! What `symbolon recover` has left in the store. A store restored from a copy has forgotten what was spent after the copy was made. So what
//! was made before the recovery counts no more: proofs, assertions, signed requests, nonces and challenges.

use crate::error::Fault;
use crate::store::Store;
use crate::store::tables::fact::READ;

/// Names of facts.
pub const EPOCH: &str = "epoch";
pub const RECOVERED_MS: &str = "recovered_ms";

const FIRST: &str = "1";

pub struct Recovery {
    /// It rises with every recovery.
    pub epoch: String,
    /// 0: there was none.
    at_ms: i64,
}

impl Recovery {
    pub async fn read(store: &Store) -> Result<Self, Fault> {
        let epoch = match store.one(READ, &[EPOCH.into()]).await? {
            Some(row) => row.text("value")?.to_owned(),
            None => FIRST.to_owned(),
        };
        let at_ms = match store.one(READ, &[RECOVERED_MS.into()]).await? {
            Some(row) => row.text("value")?.parse().map_err(|why| Fault::new(format!("the instant of the recovery: {why}")))?,
            None => 0,
        };
        Ok(Self { epoch, at_ms })
    }

    /// Was it made before the recovery? Whether it was spent is not known then.
    pub fn is_forgotten_s(&self, made_s: i64) -> bool {
        made_s < self.at_ms / 1000
    }

    pub fn is_forgotten(&self, made_ms: i64) -> bool {
        made_ms < self.at_ms
    }

    /// What a key of nonces is derived from beside its label, so that those of before are void.
    pub fn mark(&self) -> Vec<&[u8]> {
        // Earlier versions wrote no instant, and made nonces without a mark. Nodes of both versions know each other's.
        if self.at_ms == 0 { Vec::new() } else { vec![self.epoch.as_bytes()] }
    }
}
