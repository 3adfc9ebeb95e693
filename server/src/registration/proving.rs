//! Looks for the challenge of a registration on the hosts that its addresses name. The address comes from a stranger, so the call goes
//! to public addresses alone, follows nothing, and is short.

use super::keys::may_fetch;
use super::own::{Asking, Own};
use crate::clients::proofs::{Proofs, hosts_of, to_prove};
use crate::config::ClientPolicy;
use crate::core::Core;
use crate::error::Result;
use crate::outgoing::Target;
use std::time::Duration;
use symbolon_oauth::digest;

const WITHIN: Duration = Duration::from_secs(5);
const MOST_BYTES: usize = 256;

/// A host that is to say whether a client is its own.
#[derive(Clone, Copy)]
pub struct HostToAsk<'a> {
    pub client_id: &'a str,
    pub host: &'a str,
    /// Whose turn among the calls it is.
    pub target: fn(&str) -> std::result::Result<Target, String>,
}

/// Asks the hosts of a client that is replaced, those first that are not proved. Beyond the network's limit the others are left for another
/// time: what was proved until then is kept. A host of which others ask too often is left out.
pub async fn look(core: &Core, policy: &ClientPolicy, own: &mut Own, asking: Asking) -> Result<()> {
    let hosts = hosts_of(&own.client);
    own.proofs.hosts.retain(|host, _| hosts.contains(host));
    let mut hosts: Vec<String> = to_prove(&own.client, policy).into_iter().collect();
    hosts.sort_by_key(|host| own.proofs.hosts.get(host).copied());
    let mut refused = None;
    let mut asked = 0;
    for host in hosts {
        match may_fetch(&core.limits, &host, asking.address) {
            Ok(()) => {
                let asked_host = HostToAsk { client_id: &own.id, host: &host, target: Target::of_stranger };
                ask(core, asked_host, &mut own.proofs, asking.now_ms).await;
                asked += 1;
            }
            Err(why) => refused = Some(why),
        }
    }
    match refused {
        Some(why) if asked == 0 => Err(why),
        _ => Ok(()),
    }
}

/// Asks one host. One that has the file counts from now on; one that answers otherwise counts no more; one that does not answer keeps its
/// time.
pub async fn ask(core: &Core, asked: HostToAsk<'_>, proofs: &mut Proofs, now_ms: i64) {
    let HostToAsk { client_id, host, target } = asked;
    let asked = async { has_file(core, &target(&Proofs::address(client_id, host))?, &proofs.challenge).await };
    match asked.await {
        Ok(true) => drop(proofs.hosts.insert(host.to_owned(), now_ms)),
        Ok(false) => drop(proofs.hosts.remove(host)),
        Err(why) => tracing::info!(client = client_id, host, why, "a host could not be asked whether a client is its own"),
    }
}

async fn has_file(core: &Core, target: &Target, challenge: &str) -> std::result::Result<bool, String> {
    let answer = core.outgoing.get(target).within(WITHIN).at_most(MOST_BYTES).send().await?;
    // A host that is overloaded or broken has said nothing.
    if answer.status >= 500 || answer.status == 429 {
        return Err(format!("status {}", answer.status));
    }
    let text = answer.body.trim_ascii_end();
    Ok(answer.status == 200 && !challenge.is_empty() && digest::equal(&digest::sha256(text), &digest::sha256(challenge.as_bytes())))
}
