//! Which hosts a client that registered itself has proved: their owner put the server's challenge into a file there.

use crate::config::{Client, ClientPolicy, Proved, proving_host};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use symbolon_oauth::redirect::{RedirectKind, kind_of};
use url::Url;

/// The column `proofs`.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Proofs {
    /// For this registration alone.
    pub challenge: String,
    /// When each host was looked at last, and had it.
    pub hosts: BTreeMap<String, i64>,
}

impl Proofs {
    /// The hosts whose proof counts for the client of this id, with those that the operator vouches for. The operator's word is about pages
    /// of https, and says nothing of who may take a scheme.
    pub fn proved(&self, client_id: &str, policy: &ClientPolicy, now_ms: i64) -> Proved {
        let counts = |at_ms: i64| at_ms <= now_ms + 60_000 && now_ms - at_ms < policy.proof_lasts.ms();
        let own = self.hosts.iter().filter(|(_, at_ms)| counts(**at_ms)).map(|(host, _)| host.clone());
        let mut proved = Proved { hosts: own.collect(), for_https: policy.hosts.iter().cloned().collect() };
        if !speaks_for_host(client_id) {
            proved.for_https.append(&mut proved.hosts);
        }
        proved
    }

    /// Where the file of a host is.
    pub fn address(client_id: &str, host: &str) -> String {
        format!("https://{host}/.well-known/oauth-client-proof/{client_id}")
    }
}

/// Somebody who may put a file somewhere on a host need not be its owner. Below `/.well-known/` nobody else does (RFC 8615). What is no
/// document was proved there.
fn speaks_for_host(client_id: &str) -> bool {
    !client_id.starts_with("https:") || Url::parse(client_id).is_ok_and(|url| url.path().starts_with("/.well-known/"))
}

/// All that leads people back to the client.
pub fn addresses(client: &Client) -> impl Iterator<Item = &String> {
    client.redirect_uris.iter().chain(&client.post_logout_redirect_uris)
}

/// The hosts that can vouch for its addresses.
pub fn hosts_of(client: &Client) -> BTreeSet<String> {
    addresses(client).filter_map(|uri| proving_host(uri)).collect()
}

/// Those of them that the operator does not vouch for, for at least one address.
pub fn to_prove(client: &Client, policy: &ClientPolicy) -> BTreeSet<String> {
    let vouched = Proved { for_https: policy.hosts.iter().cloned().collect(), ..Proved::default() };
    addresses(client).filter(|uri| !vouched.vouches_for(uri)).filter_map(|uri| proving_host(uri)).collect()
}

/// Takes the addresses away whose scheme nobody has proved: an app that nobody knows must not catch what is meant for another.
pub fn set_aside(client: &mut Client, proved: &Proved) -> Vec<String> {
    let counts = |uri: &String| kind_of(uri) != Some(RedirectKind::PrivateScheme) || proved.vouches_for(uri);
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
        let counts = |now_ms: i64| proofs.proved("r-1", &policy, now_ms).vouches_for("com.example.app:/cb");
        assert!(counts(100 * day) && counts(130 * day - 1) && !counts(130 * day) && !counts(99 * day));
        assert_eq!(Proofs::default().proved("r-1", &policy, 0), Proved::default());
        let mut client = crate::config::Client::new(ClientKind::Native);
        client.redirect_uris = ["https://app.example.com/cb", "com.example.app:/cb", "com.example.other:/cb", "http://127.0.0.1/cb"]
            .map(str::to_owned)
            .to_vec();
        let waiting = set_aside(&mut client, &proofs.proved("r-1", &policy, 100 * day));
        assert_eq!((waiting, client.redirect_uris.len()), (vec!["com.example.other:/cb".to_owned()], 3));
    }

    /// 017-R: the operator's word for a host is about its pages. Who may take the scheme, the host's owner says in the file.
    #[test]
    fn an_operator_vouches_for_pages_and_for_no_scheme() {
        let policy = ClientPolicy { hosts: vec!["app.example.com".to_owned()], ..ClientPolicy::default() };
        let vouched = Proofs::default().proved("r-1", &policy, 0);
        assert!(vouched.vouches_for("https://app.example.com/cb") && !vouched.vouches_for("com.example.app:/cb"));
        let hosts = BTreeMap::from([("app.example.com".to_owned(), 0)]);
        let proved = Proofs { challenge: "c".to_owned(), hosts }.proved("r-1", &policy, 0);
        assert!(proved.vouches_for("com.example.app:/cb"), "the twin: its owner has said so");
        let mut client = crate::config::Client::new(ClientKind::Native);
        client.redirect_uris = vec!["https://app.example.com/cb".to_owned()];
        assert!(to_prove(&client, &policy).is_empty(), "nobody is asked for what is vouched for");
        client.redirect_uris.push("com.example.app:/cb".to_owned());
        assert_eq!(to_prove(&client, &policy), BTreeSet::from(["app.example.com".to_owned()]));
    }

    /// 017-R: whoever may put a file somewhere on a host does not own the scheme that the host reverses.
    #[test]
    fn a_document_proves_a_scheme_from_below_well_known_alone() {
        let hosts = BTreeMap::from([("app.example.com".to_owned(), 0)]);
        let proofs = Proofs { challenge: String::new(), hosts };
        for (id, counts) in [
            ("https://app.example.com/.well-known/client.json", true),
            ("https://app.example.com/users/eve/client.json", false),
            ("https://app.example.com/x/.well-known/client.json", false),
            ("https://app.example.com/.well-known", false),
        ] {
            let proved = proofs.proved(id, &ClientPolicy::default(), 0);
            assert!(proved.vouches_for("https://app.example.com/cb"), "{id}");
            assert_eq!(proved.vouches_for("com.example.app:/cb"), counts, "{id}");
        }
    }
}
