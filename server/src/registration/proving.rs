//! Looks for the challenge of a registration on the hosts that its addresses name. The address comes from a stranger, so the call goes
//! to public addresses alone, follows nothing, and is short.

use super::own::{Asking, Own};
use crate::clients::proofs::{Proofs, hosts_of};
use crate::config::ClientPolicy;
use crate::core::Core;
use crate::limits::Limits;
use crate::outgoing::Target;
use std::time::Duration;
use symbolon_oauth::digest;

const WITHIN: Duration = Duration::from_secs(5);
const MOST_BYTES: usize = 256;

/// Asks each host once. One that has the file counts from now on; one that answers otherwise counts no more; one that does not answer
/// keeps its time.
pub async fn look(core: &Core, policy: &ClientPolicy, own: &mut Own, asking: Asking) {
    let hosts = hosts_of(&own.client);
    own.proofs.hosts.retain(|host, _| hosts.contains(host));
    for host in hosts.into_iter().filter(|host| !policy.hosts.contains(host)) {
        match has_file(core, &own.id, &host, &own.proofs.challenge, asking).await {
            Ok(true) => drop(own.proofs.hosts.insert(host, asking.now_ms)),
            Ok(false) => drop(own.proofs.hosts.remove(&host)),
            Err(why) => tracing::info!(client = own.id, host, why, "a host could not be asked whether a client is its own"),
        }
    }
}

async fn has_file(core: &Core, client_id: &str, host: &str, challenge: &str, asking: Asking) -> Result<bool, String> {
    let limits = [["source", &Limits::line(asking.address)], ["host", host]];
    if limits.iter().any(|parts| core.limits.documents.check_key(&Limits::place(parts)).is_err()) {
        return Err("too many questions within a minute".to_owned());
    }
    let target = Target::of_document(&Proofs::address(client_id, host))?;
    let answer = core.outgoing.get(&target).within(WITHIN).at_most(MOST_BYTES).send().await?;
    let text = answer.body.trim_ascii_end();
    Ok(answer.status == 200 && !challenge.is_empty() && digest::equal(&digest::sha256(text), &digest::sha256(challenge.as_bytes())))
}
