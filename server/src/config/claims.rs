//! Which hosts open apps, and whose they are. An app that has claimed a host gets the links of that host, whoever they were meant for.
//! So a host belongs to one owner, and the issuer's host to none. Hosts of passkeys are for clients of the operator's own.

use super::client::Client;
use super::host::LinkHost;
use super::passkeys::Passkeys;
use super::url::{authority, name_of, read_url};
use std::collections::{BTreeMap, BTreeSet};

type ClientTable = BTreeMap<String, Client>;

/// What of a configuration says whose a host is.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub issuer: &'a str,
    pub clients: &'a ClientTable,
    pub hosts: &'a BTreeMap<String, LinkHost>,
    pub passkeys: &'a Passkeys,
}

/// A host that opens apps.
#[derive(Debug)]
pub struct Claim<'a> {
    pub owner: &'a str,
    /// Every link of an app on this host.
    pub links: Vec<AppLink<'a>>,
}

/// An https address that leads back into an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppLink<'a> {
    pub client_id: &'a str,
    /// As registered, with its encoding.
    pub path: String,
}

/// What leads people back to a client: after a sign-in and after a sign-out.
fn addresses(client: &Client) -> impl Iterator<Item = &String> {
    client.redirect_uris.iter().chain(&client.post_logout_redirect_uris)
}

/// The hosts that apps of the configuration claim, without those of disabled clients.
pub fn claims(clients: &ClientTable) -> BTreeMap<String, Claim<'_>> {
    let mut all: BTreeMap<String, Claim<'_>> = BTreeMap::new();
    for (id, client) in clients.iter().filter(|(_, it)| it.app.is_some() && !it.disabled) {
        for uri in addresses(client) {
            let Some((host, url)) = authority(uri).zip(read_url(uri)) else { continue };
            let claim = all.entry(host).or_insert_with(|| Claim { owner: client.owner(id), links: Vec::new() });
            let link = AppLink { client_id: id, path: url.path().to_owned() };
            if !claim.links.contains(&link) {
                claim.links.push(link);
            }
        }
    }
    all
}

/// Every client with an address on a host of this name, whether it has an app or not.
pub fn clients_on<'a>(clients: &'a ClientTable, name: &'a str) -> impl Iterator<Item = (&'a String, &'a Client)> {
    clients.iter().filter(move |(_, client)| addresses(client).filter_map(|uri| authority(uri)).any(|host| name_of(&host) == name))
}

/// What stops the start. A host of two owners does, an app on the issuer's host, somebody else's client on a host of passkeys, and a path
/// that the platforms read as a pattern.
pub(super) fn problems(ground: Ground<'_>) -> Vec<String> {
    let Ground { clients, hosts, .. } = ground;
    let mut found = Vec::new();
    // The platforms know names and no ports: an app that opens links of the issuer's name has the issuer's pages too.
    let issuer = authority(ground.issuer);
    let is_issuers = |host: &str| issuer.as_deref().is_some_and(|own| name_of(own) == name_of(host));
    if let Some(name) = hosts.keys().find(|it| is_issuers(it)) {
        found.push(format!("[host.{name:?}] is the issuer's own host: links that open apps stand on another one"));
    }
    for (id, client) in clients {
        found.extend(of_continue_page(client, client.owner(id), hosts).into_iter().map(|it| format!("[client.{id}.continue]: {it}")));
        found.extend(of_passkeys(ground, client).into_iter().map(|it| format!("[client.{id}]: {it}")));
    }
    for (host, claim) in claims(clients) {
        let tables = || hosts.iter().filter(|(table, _)| name_of(table) == name_of(&host));
        if let Some((table, _)) = tables().find(|(_, it)| it.continue_page) {
            found.push(format!("[host.{table:?}]: continue_page = true, but links on it open an app. Use another host for the page"));
        }
        if is_issuers(&host) {
            let first = claim.links.first().map_or("", |it| it.client_id);
            found.push(format!(
                "[client.{first}]: {host} is the issuer's own host. An app that opens its links would get its pages too. Use a host of its own"
            ));
        }
        found.extend(of_owners(clients, &host));
        for (table, host) in tables().filter(|(_, it)| it.owner != claim.owner) {
            found
                .push(format!("[host.{table:?}]: owner is {:?}, but the clients with links on it belong to {:?}", host.owner, claim.owner));
        }
        let is_pattern = |path: &str| path.contains('*') || path.contains("$(");
        for link in claim.links.iter().filter(|it| is_pattern(&it.path)) {
            found.push(format!("[client.{}]: the platforms read * and $( in a path as patterns: {}", link.client_id, link.path));
        }
    }
    found
}

/// Everybody with an address on the host says the same owner.
fn of_owners(clients: &ClientTable, host: &str) -> Vec<String> {
    let mut owners: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (id, client) in clients_on(clients, name_of(host)) {
        owners.entry(client.owner(id)).or_default().insert(id);
    }
    let mut found = Vec::new();
    if owners.len() > 1 {
        let clients: Vec<&str> = owners.values().flatten().copied().collect();
        found.push(format!(
            "{host} opens an app, and these clients with addresses on it have different owners: {}. Give them the same `owner`, or other hosts",
            clients.join(", ")
        ));
    }
    found
}

/// The page stands on another domain than the links: an iPhone opens no app from the app's own domain.
fn of_continue_page(client: &Client, owner: &str, hosts: &BTreeMap<String, LinkHost>) -> Vec<String> {
    let Some(page) = &client.continue_page else { return Vec::new() };
    let mut found = Vec::new();
    match hosts.get(&page.host) {
        None => found.push(format!("there is no [host.{:?}]", page.host)),
        Some(host) if !host.continue_page => found.push(format!("[host.{:?}] needs continue_page = true", page.host)),
        Some(host) if host.owner != owner => {
            found.push(format!("[host.{:?}] belongs to {:?}, the client to {owner:?}", page.host, host.owner))
        }
        Some(_) => {}
    }
    let links: Vec<String> = client.redirect_uris.iter().filter_map(|it| authority(it)).collect();
    if links.is_empty() {
        found.push("the page is for https redirect URIs, and there is none".to_owned());
    }
    for link in links.iter().filter(|it| registrable(it) == registrable(&page.host)) {
        let why = "a tap on a page of the same domain opens no app on an iPhone";
        found.push(format!("{} and {link} are of one domain, {}: {why}", page.host, registrable(link)));
    }
    if page.app_page.as_ref().is_some_and(|it| authority(it).is_none()) {
        found.push("app_page is no https address".to_owned());
    }
    found
}

/// The domain that somebody registered: the public suffix and one label before it. A name without one is its own.
fn registrable(authority: &str) -> String {
    let name = authority.split(':').next().unwrap_or_default();
    psl::domain_str(name).unwrap_or(name).to_owned()
}

/// What keeps somebody else's client off the hosts of passkeys. iOS gives each app that such a host names the origin of the RP ID. A page
/// there has that origin too, or may ask for our passkeys. A host below the RP ID is one where this server answers for it.
fn of_passkeys(ground: Ground<'_>, client: &Client) -> Vec<String> {
    if client.first_party {
        return Vec::new();
    }
    let apps = claims(ground.clients);
    let is_served = |host: &String| apps.keys().chain(ground.hosts.keys()).any(|own| name_of(own) == name_of(host));
    let is_of_passkeys = |host: &String| {
        let Ground { issuer, passkeys, .. } = ground;
        passkeys.are_of_host(issuer, host) || (is_served(host) && passkeys.are_in_reach_of(issuer, host))
    };
    let hosts: BTreeSet<String> = addresses(client).filter_map(|uri| authority(uri)).filter(is_of_passkeys).collect();
    let why = "has the passkeys of this server in its reach. Only first_party clients have addresses there";
    hosts.iter().map(|host| format!("redirect_uris and post_logout_redirect_uris: {host} {why}")).collect()
}

/// What keeps a client of the store from addresses on a host that an app of another owner has claimed, or that has our passkeys.
pub(super) fn of_registered(ground: Ground<'_>, client: &Client) -> Vec<String> {
    let all = claims(ground.clients);
    let taken = addresses(client).filter_map(|uri| {
        let host = authority(uri)?;
        let claim = all.iter().find(|(own, _)| name_of(own) == name_of(&host))?.1;
        (client.owner.as_deref() != Some(claim.owner)).then(|| format!("{uri}: {host} opens the app of {:?}", claim.owner))
    });
    taken.chain(of_passkeys(ground, client)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::{ClientKind, Config};

    const ONE: &str = "issuer = \"https://login.example.com\"\n[client.ios]\nkind = \"native\"\nowner = \"shop\"\nredirect_uris = [\"https://links.example.com/ios\"]\n\
        app = { ios = [\"ABCDE12345.com.example\"] }\n";
    const TWO: &str = "[client.second]\nkind = \"native\"\nowner = \"shop\"\nredirect_uris = [\"https://links.example.com/second\"]\n";

    fn read(text: &str) -> Result<Config, String> {
        Config::from_text(text, "x", &|_| None).map_err(|it| it.to_string())
    }

    #[test]
    fn an_authority_is_a_name_and_a_port_that_is_not_443() {
        for (uri, expected) in [
            ("https://a.example/cb", Some("a.example")),
            ("https://a.example:443/cb", Some("a.example")),
            ("https://a.example:8443/cb", Some("a.example:8443")),
            ("https://a.example", Some("a.example")),
            ("http://127.0.0.1/cb", None),
            ("com.example.app:/cb", None),
            ("", None),
        ] {
            assert_eq!(authority(uri).as_deref(), expected, "{uri}");
        }
    }

    #[test]
    fn a_host_that_opens_an_app_has_one_owner() {
        let good = format!("{ONE}{TWO}");
        let config = read(&good).unwrap();
        let all = claims(&config.client);
        let claim = &all["links.example.com"];
        assert_eq!((claim.owner, claim.links.len(), claim.links[0].path.as_str()), ("shop", 1, "/ios"));
        // The platforms know names and no ports.
        let other_port = good.replace("https://links.example.com/second", "https://links.example.com:8443/second");
        assert!(read(&other_port).is_ok(), "the twin: one owner on two ports");
        for (text, says) in [
            (good.replacen("\"shop\"", "\"other\"", 1), "different owners: ios, second"),
            (good.replace("owner = \"shop\"\n", ""), "different owners: ios, second"),
            (other_port.replacen("\"shop\"", "\"other\"", 1), "different owners: ios, second"),
            (format!("{good}[host.\"links.example.com:8443\"]\nowner = \"other\"\n"), "belong to \"shop\""),
            (good.replace("https://links.example.com/ios", "https://login.example.com/ios"), "the issuer's own host"),
            (good.replace("https://links.example.com/ios", "https://login.example.com:8443/ios"), "the issuer's own host"),
            (format!("{good}[host.\"login.example.com:8443\"]\nowner = \"shop\"\n"), "the issuer's own host"),
            (good.replace("https://links.example.com/ios", "https://links.example.com/*"), "as patterns"),
            (format!("{good}[host.\"links.example.com\"]\nowner = \"other\"\n"), "belong to \"shop\""),
            (format!("{good}[host.\"login.example.com\"]\nowner = \"shop\"\n"), "the issuer's own host"),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.contains(says), "{says}: {error}");
        }
        // Where no app has claimed the host, clients share it as they like.
        let plain = good.replace("app = { ios = [\"ABCDE12345.com.example\"] }\n", "").replacen("\"shop\"", "\"other\"", 1);
        assert!(read(&plain).is_ok() && claims(&read(&plain).unwrap().client).is_empty());
        assert!(
            claims(&read(&good.replacen("kind", "disabled = true\nkind", 1)).unwrap().client).is_empty(),
            "a disabled client claims nothing"
        );
    }

    /// 558-V: what people are led to is https.
    #[test]
    fn a_continue_page_stands_on_a_domain_of_its_own() {
        let page = |host: &str| {
            format!("{ONE}[client.ios.continue]\nhost = \"{host}\"\n[host.\"{host}\"]\nowner = \"shop\"\ncontinue_page = true\n")
        };
        assert!(read(&page("go.example.org")).is_ok() && read(&page("example.net")).is_ok());
        let britain = |text: String| text.replace("links.example.com", "links.shop.co.uk");
        assert!(read(&britain(page("go.signin.co.uk"))).is_ok(), "co.uk is nobody's");
        for (text, says) in [
            (page("go.example.com"), "are of one domain, example.com"),
            (britain(page("go.shop.co.uk")), "are of one domain, shop.co.uk"),
            (page("links.example.com"), "but links on it open an app"),
            (page("go.example.org").replace("continue_page = true\n", ""), "needs continue_page = true"),
            (
                page("go.example.org").replace("[host.\"go.example.org\"]\nowner = \"shop\"", "[host.\"go.example.org\"]\nowner = \"x\""),
                "belongs to \"x\"",
            ),
            (page("go.example.org").replace("[host.\"go.example.org\"]", "[host.\"other.example.org\"]"), "there is no [host"),
            (page("go.example.org").replace("https://links.example.com/ios", "com.example.app:/cb"), "and there is none"),
            (page("go.example.org").replace("[host", "app_page = \"javascript:alert(1)\"\n[host"), "no https address"),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.contains(says), "{says}: {error}");
        }
    }

    #[test]
    fn a_registered_client_gets_no_address_on_an_apps_host() {
        let config = read(ONE).unwrap();
        let mut client = Client::new(ClientKind::Web);
        for uri in ["https://links.example.com:8443/web", "https://links.example.com/web"] {
            client.redirect_uris = vec![uri.to_owned()];
            assert!(of_registered(config.ground(), &client)[0].contains("opens the app of \"shop\""), "{uri}");
        }
        client.owner = Some("shop".to_owned());
        assert!(of_registered(config.ground(), &client).is_empty());
        client.owner = None;
        client.redirect_uris = vec!["https://other.example.com/web".to_owned()];
        assert!(of_registered(config.ground(), &client).is_empty());
    }

    /// W-39: iOS gives every app of the RP ID's host its origin. So somebody else's client has no address there, nor on a related origin,
    /// nor on a host below the RP ID that this server answers for.
    #[test]
    fn hosts_of_passkeys_are_for_the_operators_own_clients() {
        let with = |uri: &str, more: &str| {
            format!(
                "issuer = \"https://login.example.com\"\n[passkeys]\nrp_id = \"example.com\"\nrelated_origins = [\"https://shop.example\"]\n\
                 [client.other]\nkind = \"native\"\nowner = \"them\"\nredirect_uris = [\"{uri}\"]\n{more}"
            )
        };
        let app = "app = { ios = [\"ABCDE12345.com.other\"] }\n";
        let own_app = "[client.own]\nkind = \"native\"\nowner = \"them\"\nfirst_party = true\nredirect_uris = [\"https://links.example.com/own\"]\n\
                       app = { ios = [\"ABCDE12345.com.own\"] }\n";
        let page = "[host.\"links.example.com\"]\nowner = \"them\"\n";
        for (text, host) in [
            (with("https://example.com/p", app), "example.com"),
            (with("https://example.com:8443/p", app), "example.com:8443"),
            (with("https://shop.example/p", app), "shop.example"),
            (with("https://links.example.com/p", app), "links.example.com"),
            (with("https://example.com/p", ""), "example.com"),
            (with("https://links.example.com/p", own_app), "links.example.com"),
            (with("https://links.example.com/p", page), "links.example.com"),
        ] {
            let error = read(&text).unwrap_err();
            assert!(
                error.contains(&format!("[client.other]: redirect_uris and post_logout_redirect_uris: {host} has the passkeys")),
                "{host}: {error}"
            );
            let twin = text.replacen("owner = \"them\"", "owner = \"them\"\nfirst_party = true", 1);
            assert!(read(&twin).is_ok(), "the twin: {:?}", read(&twin).err());
        }
        assert!(read(&with("https://other.example/p", app)).is_ok(), "the twin: a host of its own");
        let address = "issuer = \"https://192.0.2.1\"\n[client.other]\nkind = \"web\"\nsecret_digest = \"x\"\nredirect_uris = [\"https://192.0.2.1:8443/p\"]\n";
        assert!(!read(address).is_err_and(|it| it.contains("has the passkeys")), "an address has none");
        assert!(read(&with("https://links.example.com/p", "")).is_ok(), "the twin: nothing of this server is there");
        let config = read(&with("https://other.example/p", own_app)).unwrap();
        let mut client = Client::new(ClientKind::Web);
        client.owner = Some("them".to_owned());
        for (uri, is_refused) in [
            ("https://example.com/p", true),
            ("https://shop.example/p", true),
            ("https://links.example.com/p", true),
            ("https://other.example/p", false),
            ("https://www.example.com/p", false),
        ] {
            client.redirect_uris = vec![uri.to_owned()];
            assert_eq!(!of_registered(config.ground(), &client).is_empty(), is_refused, "{uri}");
        }
    }
}
