//! How each app's way back says who the app is, and who would lose if only proofs counted.

use super::outcome::Finding;
use super::problem::Result;
use crate::config::{Assurance, Client, ClientKind, Config, NamedClient};
use crate::links::proved::ProvedLinks;
use crate::store::Store;
use std::collections::BTreeMap;
use symbolon_oauth::redirect::{RedirectKind, kind_of};

/// `imported`: the clients of the store that an operator registered.
pub(super) async fn assurance_findings(
    store: &Store,
    config: &Config,
    imported: &BTreeMap<String, Client>,
    now_ms: i64,
) -> Result<Vec<Finding>> {
    let links = ProvedLinks::open(store).await?;
    let apps = config.client.iter().chain(imported).filter(|(_, it)| it.kind == ClientKind::Native && !it.disabled);
    let findings = apps.flat_map(|(client_id, client)| {
        let named = NamedClient { client_id, client };
        client.redirect_uris.iter().map(|uri| grade(config, &links, named, uri, now_ms)).collect::<Vec<_>>()
    });
    Ok(findings.collect())
}

/// One way back: its grade, the reason, and the next step.
fn grade(config: &Config, links: &ProvedLinks, named: NamedClient<'_>, uri: &str, now_ms: i64) -> Finding {
    let NamedClient { client_id: id, client } = named;
    let attests = client.attestation.is_some();
    if kind_of(uri) != Some(RedirectKind::ClaimedHttps) {
        let attested = if attests { "an attested app can still be lent to an attacker's sign-in; " } else { "" };
        return Finding::fact(format!(
            "client {id}, {uri}: phishable. Any program may take the answer; {attested}people are asked every time. Next: claimed https"
        ));
    }
    if client.app.as_ref().is_some_and(|app| app.vouched) {
        return Finding::fact(format!("client {id}, {uri}: assured by your word (app.vouched). Next: let the server ask the host itself"));
    }
    if links.is_proved(id, client, uri, now_ms) {
        return Finding::fact(format!("client {id}, {uri}: assured. Its host has named the app within 30 days"));
    }
    let next = match &client.app {
        None if !config.client.contains_key(id) => {
            format!("write the client into the configuration, with [client.{id}.app]: docs/links.md")
        }
        None => format!("write the table [client.{id}.app]: docs/links.md"),
        Some(_) => "run symbolon links doctor".to_owned(),
    };
    if config.assurance == Assurance::Proved {
        return Finding::weak(format!("client {id}, {uri}: not assured. People are asked every time, prompt=none fails. Next: {next}"));
    }
    let opens_wallets = client.native && !config.wallet.is_empty();
    let wallet = if opens_wallets { " Whichever app opens it gets the codes of wallets." } else { "" };
    Finding::fact(format!(
        "client {id}, {uri}: assured by its address alone; with assurance = \"proved\" people would be asked every time, and prompt=none would fail.{wallet} Next: {next}"
    ))
}
