//! Which hosts a client that registered itself has proved: their owner put the server's challenge into a file there.

use crate::config::{Client, ClientPolicy, proving_host};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use symbolon_oauth::redirect::{RedirectKind, kind_of};

/// The column `proofs`.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Proofs {
    /// For this registration alone.
    pub challenge: String,
    /// When each host was looked at last, and had it.
    pub hosts: BTreeMap<String, i64>,
}

impl Proofs {
    /// The hosts whose proof counts, with those that the operator vouches for.
    pub fn proved(&self, policy: &ClientPolicy, now_ms: i64) -> BTreeSet<String> {
        let counts = |at_ms: i64| at_ms <= now_ms + 60_000 && now_ms - at_ms < policy.proof_lasts.ms();
        let own = self.hosts.iter().filter(|(_, at_ms)| counts(**at_ms)).map(|(host, _)| host.clone());
        own.chain(policy.hosts.iter().cloned()).collect()
    }

    /// Where the file of a host is.
    pub fn address(client_id: &str, host: &str) -> String {
        format!("https://{host}/.well-known/oauth-client-proof/{client_id}")
    }
}

/// All that leads people back to the client.
pub fn addresses(client: &Client) -> impl Iterator<Item = &String> {
    client.redirect_uris.iter().chain(&client.post_logout_redirect_uris)
}

/// The hosts that can vouch for its addresses.
pub fn hosts_of(client: &Client) -> BTreeSet<String> {
    addresses(client).filter_map(|uri| proving_host(uri)).collect()
}

/// Takes the addresses away whose scheme nobody has proved: an app that nobody knows must not catch what is meant for another.
pub fn set_aside(client: &mut Client, proved: &BTreeSet<String>) -> Vec<String> {
    let counts =
        |uri: &String| kind_of(uri) != Some(RedirectKind::PrivateScheme) || proving_host(uri).is_some_and(|host| proved.contains(&host));
    let waiting = client.redirect_uris.iter().filter(|uri| !counts(uri)).cloned().collect();
    client.redirect_uris.retain(|uri| counts(uri));
    client.post_logout_redirect_uris.retain(|uri| counts(uri));
    waiting
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::ClientKind;

    #[test]
    fn a_proof_counts_for_its_time_and_an_unproved_scheme_not_at_all() {
        let policy = ClientPolicy::default();
        let day = 86_400_000;
        let proofs = Proofs { challenge: "c".to_owned(), hosts: BTreeMap::from([("app.example.com".to_owned(), 100 * day)]) };
        let counts = |now_ms: i64| proofs.proved(&policy, now_ms).contains("app.example.com");
        assert!(counts(100 * day) && counts(130 * day - 1) && !counts(130 * day) && !counts(99 * day));
        let vouched = ClientPolicy { hosts: vec!["suite.example".to_owned()], ..policy.clone() };
        assert!(Proofs::default().proved(&vouched, 0).contains("suite.example") && Proofs::default().proved(&policy, 0).is_empty());
        let mut client = crate::config::Client::new(ClientKind::Native);
        client.redirect_uris = ["https://app.example.com/cb", "com.example.app:/cb", "com.example.other:/cb", "http://127.0.0.1/cb"]
            .map(str::to_owned)
            .to_vec();
        let waiting = set_aside(&mut client, &proofs.proved(&policy, 100 * day));
        assert_eq!((waiting, client.redirect_uris.len()), (vec!["com.example.other:/cb".to_owned()], 3));
    }
}
