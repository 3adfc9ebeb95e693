//! What is wrong with a policy by which clients register themselves: it would allow nothing, or what no client may have.

use super::client::{Client, ClientKind, proving_host};
use super::client_policy::{ClientPolicy, METHODS, NamedPolicy};
use super::file::Config;
use super::url::{authority, name_of};
use std::collections::BTreeSet;
use symbolon_oauth::redirect::{RedirectKind, kind_of};

/// Shorter is a slip of the pen.
const LEAST_S: i64 = 60;

impl Config {
    pub(super) fn problems_of_registration(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (name, policy) in &self.client_registration {
            found.extend(problems_of(self, policy).into_iter().map(|it| format!("[client_registration.{name}]: {it}")));
        }
        let open: Vec<&str> = self.client_registration.iter().filter(|(_, it)| it.open).map(|(name, _)| name.as_str()).collect();
        if open.len() > 1 {
            found.push(format!(
                "[client_registration]: several policies are open: {}. A request without a token names none",
                open.join(", ")
            ));
        }
        for host in self.client_registration.values().flat_map(|it| &it.documents) {
            if self.client_registration.values().filter(|it| it.documents.contains(host)).count() > 1 {
                found.push(format!("[client_registration]: the documents of {host} are of several policies"));
            }
        }
        found
    }

    /// The policy for metadata documents of this host.
    pub fn document_policy(&self, host: &str) -> Option<NamedPolicy<'_>> {
        self.client_registration
            .iter()
            .find(|(_, policy)| policy.documents.iter().any(|it| it == host))
            .map(|(name, policy)| NamedPolicy { name, policy })
    }
}

impl Config {
    /// Addresses of this server, and of the clients of the configuration, are no stranger's.
    pub fn objection_to_addresses(&self, client: &Client) -> Option<&'static str> {
        let uris = || client.redirect_uris.iter().chain(&client.post_logout_redirect_uris);
        let (hosts, schemes) = (self.own_hosts(), self.own_schemes());
        if uris().filter_map(|uri| authority(uri)).any(|host| hosts.contains(name_of(&host))) {
            return Some("redirect_uris: a host of this server, or of a client of its configuration, is nobody else's.");
        }
        if uris().filter_map(|uri| private_scheme(uri)).any(|scheme| schemes.contains(scheme)) {
            return Some("redirect_uris: the scheme belongs to a client of the configuration.");
        }
        let is_nobodys = |uri: &String| private_scheme(uri).is_some() && proving_host(uri).is_none();
        uris().any(is_nobodys).then_some("redirect_uris: a private-use scheme reverses a domain name that somebody owns (RFC 8252 7.1).")
    }

    /// By their names: the platforms know no ports.
    fn own_hosts(&self) -> BTreeSet<String> {
        let of_clients = self.client.values().flat_map(|it| it.redirect_uris.iter().chain(&it.post_logout_redirect_uris));
        let https = of_clients.chain([&self.issuer]).chain(&self.passkeys.related_origins).filter_map(|uri| authority(uri));
        let all = https.chain(self.host.keys().cloned()).chain([self.passkeys.rp_id(&self.issuer)]);
        all.map(|host| name_of(&host).to_owned()).collect()
    }

    fn own_schemes(&self) -> BTreeSet<&str> {
        let uris = self.client.values().flat_map(|it| it.redirect_uris.iter().chain(&it.post_logout_redirect_uris));
        uris.filter_map(|uri| private_scheme(uri)).collect()
    }
}

fn private_scheme(uri: &str) -> Option<&str> {
    (kind_of(uri) == Some(RedirectKind::PrivateScheme)).then(|| uri.split(':').next())?
}

fn problems_of(config: &Config, policy: &ClientPolicy) -> Vec<String> {
    let mut found = Vec::new();
    for (name, is_empty) in [("kinds", policy.kinds.is_empty()), ("authentication", policy.authentication.is_empty())] {
        if is_empty {
            found.push(format!("{name} is empty: no client could register"));
        }
    }
    if policy.kinds.contains(&ClientKind::Service) {
        found.push("kinds: a service has no person who would consent; write it in the configuration file".to_owned());
    }
    for method in policy.authentication.iter().map(|it| it.as_str()).filter(|it| !METHODS.contains(it)) {
        found.push(format!("authentication: a client that registers itself cannot use {method}"));
    }
    for (name, span) in [("unused", policy.unused), ("grants_last", policy.grants_last), ("proof_lasts", policy.proof_lasts)] {
        if span.0 < LEAST_S {
            found.push(format!("{name} is shorter than a minute"));
        }
    }
    for (name, host) in policy.hosts.iter().map(|it| ("hosts", it)).chain(policy.documents.iter().map(|it| ("documents", it))) {
        if authority(&format!("https://{host}/")).as_deref() != Some(host) {
            found.push(format!("{name}: {host:?} is no host name in lower case, with nothing but a port behind it"));
        }
    }
    if policy.without_nonce && !policy.without_pkce {
        found.push("without_nonce means something with without_pkce alone".to_owned());
    }
    found.extend(config.judge_client(&policy.example()).into_iter().filter(|it| !it.contains("redirect_uris")));
    found
}
