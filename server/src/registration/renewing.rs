//! The proofs of registered clients are renewed by this server itself, so that a client lives on without a developer who sends its metadata
//! each month. Only hosts that are proved are asked: a first proof is asked for by its client. Of a million clients, those that are due are
//! read by an index, some at a time.

use super::proving::{self, HostToAsk};
use crate::audit::Entry;
use crate::clients::proofs::Proofs;
use crate::config::{Client, ClientPolicy, NamedClient};
use crate::core::Core;
use crate::error::Fault;
use crate::outgoing::Target;
use crate::store::tables::client::{CLAIM_PROOFS, KEEP_PROOFS, PROOFS_DUE};
use crate::store::{Change, Row};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

/// A host that does not answer is asked again after this time.
const AGAIN_MS: i64 = 3_600_000;
const AT_ONCE: usize = 8;

/// When the hosts are asked again: once two thirds of the oldest proof's time are over. `None`: there is none.
pub fn due_ms(policy: &ClientPolicy, proofs: &Proofs) -> Option<i64> {
    proofs.hosts.values().min().map(|at_ms| at_ms + policy.proof_lasts.ms() / 3 * 2)
}

/// Asks the hosts of the clients that are due. One client's trouble is not another's.
pub async fn round(core: &Core) -> Result<(), Fault> {
    let now_ms = core.now_ms();
    let rows = core.store.all(PROOFS_DUE, &[now_ms.into()]).await?;
    let renewals: Vec<_> = rows.iter().map(|row| renew(core, row, now_ms)).collect();
    let mut renewals = futures_util::stream::iter(renewals).buffer_unordered(AT_ONCE);
    while let Some(renewed) = renewals.next().await {
        if let Err(fault) = renewed {
            tracing::error!(error = %fault, "the proofs of a registered client could not be renewed");
        }
    }
    Ok(())
}

async fn renew(core: &Core, row: &Row, now_ms: i64) -> Result<(), Fault> {
    let (id, before) = (row.text("id")?, row.text("proofs")?);
    let claimed_ms = now_ms + AGAIN_MS;
    let mut claim = Change::new(now_ms);
    claim.run(CLAIM_PROOFS, vec![id.into(), claimed_ms.into(), row.int("proofs_due_ms")?.into()]);
    if !core.store.try_apply(claim, "claiming the proofs of a client").await? {
        return Ok(());
    }
    let mut proofs: Proofs = parsed(id, before)?;
    let policy = core.config.client_registration.get(row.opt_text("policy")?.unwrap_or_default());
    let asked: Vec<String> = proofs.hosts.keys().cloned().collect();
    let due_ms = match policy {
        // Nothing of it counts any more.
        None => None,
        Some(policy) => {
            let client: Client = parsed(id, row.text("body")?)?;
            renew_hosts(core, policy, NamedClient { client_id: id, client: &client }, &mut proofs, now_ms).await;
            due_ms(policy, &proofs).map(|at_ms| at_ms.max(claimed_ms))
        }
    };
    let lost: Vec<String> = asked.into_iter().filter(|host| !proofs.hosts.contains_key(host)).collect();
    let after = serde_json::to_string(&proofs).map_err(|error| Fault::new(error.to_string()))?;
    let mut change = Change::new(now_ms);
    change.run(KEEP_PROOFS, vec![id.into(), after.into(), due_ms.into(), before.into(), claimed_ms.into()]);
    if !lost.is_empty() {
        change.audit(Entry::ok("client_proof_lost").client(id).with("hosts", lost));
    }
    if core.store.try_apply(change, "keeping the proofs of a client").await? {
        core.clients.forget_one(id);
    }
    Ok(())
}

async fn renew_hosts(core: &Core, policy: &ClientPolicy, of: NamedClient<'_>, proofs: &mut Proofs, now_ms: i64) {
    let named = crate::clients::proofs::hosts_of(of.client);
    proofs.hosts.retain(|host, _| named.contains(host));
    for host in proofs.hosts.keys().cloned().collect::<Vec<_>>() {
        let asked = HostToAsk { client_id: of.client_id, host: &host, target: Target::of_document };
        proving::ask(core, asked, proofs, now_ms).await;
    }
    proofs.hosts.retain(|_, at_ms| now_ms - *at_ms < policy.proof_lasts.ms());
}

fn parsed<T: DeserializeOwned>(id: &str, text: &str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|error| Fault::new(format!("the registered client {id}: {error}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_oldest_proof_says_when_hosts_are_asked_again() {
        let (policy, day) = (ClientPolicy::default(), 86_400_000);
        assert_eq!(due_ms(&policy, &Proofs::default()), None);
        let hosts = BTreeMap::from([("a.example".to_owned(), 100 * day), ("b.example".to_owned(), 90 * day)]);
        assert_eq!(due_ms(&policy, &Proofs { challenge: "c".to_owned(), hosts }), Some(110 * day));
    }
}
