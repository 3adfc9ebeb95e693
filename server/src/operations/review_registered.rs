//! How the ways back of clients that registered themselves say who they are. There may be very many: they are counted by policy and grade, with
//! some of them by name.

use super::outcome::Finding;
use super::problem::{Problem, Result};
use crate::clients::proofs::Proofs;
use crate::config::{Assurance, Client, ClientKind, ClientPolicy, Config, Proved};
use crate::store::tables::client::REGISTERED;
use crate::store::{Row, Store};
use std::collections::{BTreeMap, BTreeSet};
use symbolon_oauth::redirect::{RedirectKind, kind_of};

/// Of more clients, these are graded.
const MOST: usize = 100_000;
/// So many clients of a grade are named.
const NAMED: usize = 5;

/// What a way back says of who the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    /// Of a site whose host is proved.
    Assured,
    /// Of an app whose host is proved: nobody has written down which app that is.
    ByAddress,
    /// The same where only proofs count.
    NotAssured,
    Phishable,
    /// A scheme that nobody has proved: it does not count.
    SetAside,
    /// A host that nobody has proved.
    Unproved,
}

impl Grade {
    /// The grade, the reason, and the next step.
    fn text(self) -> &'static str {
        match self {
            Self::Assured => "assured: the host's owner has said so, and the server asks again. Next: nothing",
            Self::ByAddress => {
                "assured by the address alone: the host's owner has said so, but not which app opens it. \
                 Next: a client of the configuration, with its app, if you know its developers"
            }
            Self::NotAssured => {
                "not assured: nobody has written down which app opens the host, and assurance = \"proved\". People are asked every time. \
                 Next: a client of the configuration, with its app"
            }
            Self::Phishable => "phishable: any program may take the answer; people are asked every time. Next: claimed https",
            Self::SetAside => "refused: nobody has proved the host that the scheme reverses. Next: its developer puts the proof there",
            Self::Unproved => {
                "not assured: nobody has proved the host, so a page in between names it, and consent is not remembered. \
                 Next: its developer puts the proof there"
            }
        }
    }

    /// Somebody could use it, or the operator wanted more.
    fn is_weak(self) -> bool {
        self == Self::NotAssured
    }
}

#[derive(Default)]
struct Counted {
    ways: usize,
    clients: BTreeSet<String>,
    more_clients: usize,
}

pub(super) async fn registered_findings(store: &Store, config: &Config, now_ms: i64) -> Result<Vec<Finding>> {
    let mut counted: BTreeMap<(String, Grade), Counted> = BTreeMap::new();
    let (mut after, mut read) = (String::new(), 0);
    loop {
        let rows = store.all_stale(REGISTERED, &[now_ms.into(), after.as_str().into()]).await?;
        for row in &rows {
            count(config, row, now_ms, &mut counted)?;
        }
        read += rows.len();
        match rows.last() {
            Some(row) if read < MOST => after = row.text("id")?.to_owned(),
            _ => break,
        }
    }
    let mut findings: Vec<Finding> = counted.into_iter().map(|((policy, grade), counted)| finding(&policy, grade, counted)).collect();
    if read >= MOST {
        findings.push(Finding::fact(format!("more clients registered themselves than are graded here: the first {MOST}")));
    }
    Ok(findings)
}

fn count(config: &Config, row: &Row, now_ms: i64, counted: &mut BTreeMap<(String, Grade), Counted>) -> Result<()> {
    let (id, name) = (row.text("id")?, row.text("policy")?);
    // Without its policy a client is left out, and one of the configuration wins.
    let Some(policy) = config.client_registration.get(name).filter(|_| !config.client.contains_key(id)) else { return Ok(()) };
    let broken = |it: serde_json::Error| Problem::fault(format!("the registered client {id} cannot be read: {it}"));
    let client: Client = serde_json::from_str(row.text("body")?).map_err(broken)?;
    let proofs: Proofs = serde_json::from_str(row.text("proofs")?).map_err(broken)?;
    let proved = proofs.proved(id, policy, now_ms);
    let grades: Vec<Grade> = client.redirect_uris.iter().map(|uri| grade((config, policy), &client, uri, &proved)).collect();
    for grade in &grades {
        counted.entry((name.to_owned(), *grade)).or_default().ways += 1;
    }
    for grade in grades.into_iter().collect::<BTreeSet<_>>() {
        let of_grade = counted.entry((name.to_owned(), grade)).or_default();
        if of_grade.clients.len() < NAMED {
            of_grade.clients.insert(id.to_owned());
        } else {
            of_grade.more_clients += 1;
        }
    }
    Ok(())
}

fn grade((config, policy): (&Config, &ClientPolicy), client: &Client, uri: &str, proved: &Proved) -> Grade {
    let is_proved = proved.vouches_for(uri);
    match kind_of(uri) {
        Some(RedirectKind::ClaimedHttps) if !is_proved => Grade::Unproved,
        Some(RedirectKind::ClaimedHttps) if client.kind != ClientKind::Native => Grade::Assured,
        Some(RedirectKind::ClaimedHttps) if config.assurance == Assurance::Proved => Grade::NotAssured,
        Some(RedirectKind::ClaimedHttps) => Grade::ByAddress,
        Some(RedirectKind::PrivateScheme) if !is_proved && !policy.unproved_schemes => Grade::SetAside,
        Some(RedirectKind::PrivateScheme | RedirectKind::Loopback) => Grade::Phishable,
        None => Grade::SetAside,
    }
}

fn finding(policy: &str, grade: Grade, counted: Counted) -> Finding {
    let clients = counted.clients.len() + counted.more_clients;
    let text = format!("[client_registration.{policy}]: {} ways back of {clients} clients are {}", counted.ways, grade.text());
    let mut details: Vec<String> = counted.clients.into_iter().map(|id| format!("client {id}")).collect();
    if counted.more_clients > 0 {
        details.push(format!("and {} more: symbolon client list", counted.more_clients));
    }
    let finding = if grade.is_weak() { Finding::weak(text) } else { Finding::fact(text) };
    Finding { details, ..finding }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn each_way_back_has_its_grade() {
        let config = |more: &str| Config::from_text(&format!("issuer = \"https://a.example\"\n{more}"), "x", &|_| None).unwrap();
        let (plain, strict) = (config(""), config("assurance = \"proved\"\n"));
        let hosts = BTreeSet::from(["app.example.com".to_owned()]);
        let (policy, proved) = (ClientPolicy::default(), Proved { hosts, ..Proved::default() });
        let lax = ClientPolicy { unproved_schemes: true, ..policy.clone() };
        let (site, app) = (Client::new(ClientKind::Web), Client::new(ClientKind::Native));
        for (config, policy, client, uri, expected) in [
            (&plain, &policy, &site, "https://app.example.com/cb", Grade::Assured),
            (&strict, &policy, &site, "https://app.example.com/cb", Grade::Assured),
            (&plain, &policy, &site, "https://other.example.com/cb", Grade::Unproved),
            (&plain, &policy, &app, "https://app.example.com/cb", Grade::ByAddress),
            (&strict, &policy, &app, "https://app.example.com/cb", Grade::NotAssured),
            (&strict, &policy, &app, "https://other.example.com/cb", Grade::Unproved),
            (&plain, &policy, &app, "com.example.app:/cb", Grade::Phishable),
            (&plain, &policy, &app, "com.example.other:/cb", Grade::SetAside),
            (&plain, &lax, &app, "com.example.other:/cb", Grade::Phishable),
            (&plain, &policy, &app, "http://127.0.0.1/cb", Grade::Phishable),
        ] {
            assert_eq!(grade((config, policy), client, uri, &proved), expected, "{uri}");
        }
    }

    #[test]
    fn some_clients_are_named_and_the_rest_counted() {
        let clients = BTreeSet::from(["r-1".to_owned(), "r-2".to_owned()]);
        let said = finding("open", Grade::Phishable, Counted { ways: 9, clients, more_clients: 5 });
        assert!(!said.weak && said.text.starts_with("[client_registration.open]: 9 ways back of 7 clients are phishable"), "{}", said.text);
        assert_eq!(said.details, ["client r-1", "client r-2", "and 5 more: symbolon client list"]);
    }
}
