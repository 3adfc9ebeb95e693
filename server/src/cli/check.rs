//! `symbolon check`: the configuration as a security reviewer reads it. Mistakes are found when the file is read; this
//! page is about choices: what a thief could do with what, and how each app could be impersonated.

use super::{Desk, Out};
use crate::config::{Client, ClientAuthentication, ClientKind, Config, IosBuild, Most, TokenFormat, fapi};
use crate::error::Error;
use crate::login::proof::MethodName;
use crate::store::MOST_OFFSET_MS;
use std::collections::BTreeMap;
use symbolon_oauth::redirect::{self, RedirectKind};

/// What only a store knows.
#[derive(Default)]
pub struct Stored {
    clients: BTreeMap<String, Client>,
    lines: Vec<String>,
}

const REGISTERED: &str = "SELECT id, body FROM client WHERE state = 'active'";

/// `config` is the file's, which a running server need not have read yet.
pub async fn stored(desk: &Desk, config: &Config) -> Result<Stored, Error> {
    let mut found = Stored::default();
    for row in desk.store.all_stale(REGISTERED, &[]).await?.iter().filter(|it| it.text(0).is_ok_and(|it| !config.client.contains_key(it))) {
        match serde_json::from_str::<Client>(row.text(1)?) {
            Ok(client) => {
                let problems = config.judge_client(&client);
                found.lines.extend(
                    problems.iter().map(|it| format!("  ! the registered client {} is left out: {it}", row.text(0).unwrap_or_default())),
                );
                found.clients.insert(row.text(0)?.to_owned(), client);
            }
            Err(error) => found.lines.push(format!("  ! the registered client {} cannot be read: {error}", row.text(0)?)),
        }
    }
    found.lines.extend(desk.store.remarks().await?.into_iter().map(|it| format!("    {it}")));
    let offset_ms = desk.store.clock_offset_ms();
    if offset_ms.abs() > MOST_OFFSET_MS {
        found.lines.push(format!(
            "  ! the database's clock is {offset_ms} ms ahead of this machine's: codes, proofs and tokens are judged by both"
        ));
    }
    let nodes = crate::nodes::configurations(&desk.store, desk.now_ms()).await?;
    if nodes.len() > 1 {
        found.lines.push("  ! nodes that are configured otherwise serve the same issuer: which rule holds is chance".to_owned());
    }
    if desk.running && desk.config.digest() != config.digest() {
        found.lines.push("  ! the running server has read another configuration than this file: reload or restart it".to_owned());
    }
    Ok(found)
}

/// Prints the review. 0: nothing wrong; 2: weak spots and `--strict`.
pub fn check(config: &Config, stored: Option<&Stored>, strict: bool, out: &Out) -> u8 {
    let (weak, lines) = review(config, stored);
    for line in lines {
        out.line(line);
    }
    if stored.is_none() {
        out.line(
            "\nNo server answers here: registered clients, nodes and the database were not looked at; --store opens the store for it.",
        );
    }
    if weak == 0 {
        out.line("\nNo weak spots.");
        return 0;
    }
    out.line(format!("\n{weak} weak spot{}, marked with !", if weak == 1 { "" } else { "s" }));
    if strict { 2 } else { 0 }
}

fn review(config: &Config, stored: Option<&Stored>) -> (usize, Vec<String>) {
    let mut lines = vec![format!("Issuer {}", config.issuer)];
    issuer_lines(config, &mut lines);
    lines.extend(stored.iter().flat_map(|it| it.lines.iter().cloned()));
    for (name, policy) in &config.login {
        if policy.0.chains.iter().any(|chain| *chain == [MethodName::PASSWORD]) {
            lines.push(format!(
                "  ! [login.{name}]: a password alone signs in; whoever fishes for it, or finds it elsewhere, is the person"
            ));
        }
    }
    if !config.login.contains_key("default") {
        lines.push("    no [login.default]: a password alone signs in, unless a client names another policy".to_owned());
    }
    api_lines(config, &mut lines);
    let registered = stored.iter().flat_map(|it| &it.clients).map(|(id, it)| (id, it, " (registered)"));
    let all: Vec<(&String, &Client, &str)> = config.client.iter().map(|(id, it)| (id, it, "")).chain(registered).collect();
    for (id, client, from) in &all {
        lines.push(format!("Client {id}{from}{}", if client.disabled { " (disabled)" } else { "" }));
        client_lines(client, &mut lines);
        redirect_lines(client, &mut lines);
        for (other, uri) in all.iter().filter(|it| it.0 != *id).filter_map(|(other, it, _)| Some((other, shared(client, it)?))) {
            lines.push(format!("  ! {uri} is {other}'s too: what is meant for one can reach the other"));
        }
        fapi_lines(config, client, &mut lines);
    }
    let clients: Vec<&Client> = all.iter().map(|it| it.1).collect();
    let unreached = config.login.keys().filter(|it| !reached(config, &clients, it));
    lines.extend(unreached.map(|it| format!("Login {it}: no client uses it or can raise to it")));
    (lines.iter().filter(|it| it.starts_with("  !")).count(), lines)
}

fn issuer_lines(config: &Config, lines: &mut Vec<String>) {
    let mut weak = |holds: bool, what: &str| {
        if holds {
            lines.push(format!("  ! {what}"));
        }
    };
    weak(config.development, "development = true: passwords and tokens travel in clear; for your own machine only");
    let open = config.issuer.starts_with("https://") && config.tls.is_none() && config.trusted_proxies.is_empty();
    weak(open, "no [tls] and no trusted_proxies: who ends TLS? Callers' addresses will be the proxy's");
    weak(!config.attestation.simulated_roots.is_empty(), "[attestation] simulated_roots: simulated phones pass for genuine ones");
    let android = config.client.values().any(|it| it.attestation.as_ref().is_some_and(|it| it.android.is_some()));
    let listless = config.attestation.status_source(config.development).is_none();
    weak(android && listless, "no status list of Android's attestation keys (off, or development): leaked keys pass for genuine ones");
    weak(!config.dpop.nonce, "dpop.nonce = false: who has an app in hand for a moment can make proofs for all time to come");
    if let Some(what) = crate::store::weakness(&config.database) {
        weak(true, &format!("database: {what}"));
    }
}

fn api_lines(config: &Config, lines: &mut Vec<String>) {
    for (name, api) in &config.api {
        lines.push(format!("API {name} ({})", api.audience));
        match api.token {
            TokenFormat::Jwt => {
                lines.push(format!("    a stolen access token works here for up to {}, whatever is revoked meanwhile", api.lifetime))
            }
            TokenFormat::Opaque if api.introspection_secret.is_none() => {
                lines.push("  ! opaque tokens without introspection_secret: this API cannot ask about them".to_owned());
            }
            TokenFormat::Opaque => {
                lines.push(format!("    a stolen access token works here until it is revoked, at most {}", api.lifetime))
            }
        }
        if api.lifetime.0 > 3600 {
            lines.push(format!("  ! tokens live {}: a quarter of an hour is the custom", api.lifetime));
        }
    }
}

fn fapi_lines(config: &Config, client: &Client, lines: &mut Vec<String>) {
    let lacks = fapi::lacks(config, client);
    match client.profile {
        Some(_) => lines.push("    FAPI 2.0 Security Profile: held to it, and conforms".to_owned()),
        None if lacks.is_empty() => lines.push("    FAPI 2.0 Security Profile: could be held to it with profile = \"fapi2\"".to_owned()),
        None if client.is_confidential() => lines.push(format!("    FAPI 2.0 Security Profile: lacks {}", lacks.len())),
        None => {}
    }
    if client.is_confidential() && client.profile.is_none() {
        lines.extend(lacks.iter().map(|it| format!("        {it}")));
    }
}

/// A way back that two clients have in common: the same URI, or the same private scheme.
fn shared<'a>(client: &'a Client, other: &Client) -> Option<&'a str> {
    client.redirect_uris.iter().map(String::as_str).find(|uri| {
        let scheme = |it: &str| it.split(':').next().unwrap_or_default().to_ascii_lowercase();
        other.redirect_uris.iter().any(|it| match redirect::kind_of(uri) {
            Some(RedirectKind::PrivateScheme) => scheme(it) == scheme(uri),
            // Any program may listen on any port; that is said elsewhere.
            Some(RedirectKind::Loopback) => false,
            _ => it == uri,
        })
    })
}

/// Endings of domain names that are common enough to be written at the wrong end.
const ENDINGS: [&str; 14] = ["com", "net", "org", "io", "app", "dev", "co", "de", "eu", "fr", "uk", "us", "cloud", "me"];

/// RFC 8252 7.1: a private scheme is a domain name of the app's owner, reversed.
fn the_wrong_way_round(uri: &str) -> bool {
    let scheme = uri.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let mut labels = scheme.split('.');
    let (first, last) = (labels.next().unwrap_or_default(), labels.next_back().unwrap_or_default());
    ENDINGS.contains(&last) && !ENDINGS.contains(&first)
}

fn redirect_lines(client: &Client, lines: &mut Vec<String>) {
    for uri in client.redirect_uris.iter().filter(|it| redirect::kind_of(it) == Some(RedirectKind::PrivateScheme)) {
        if the_wrong_way_round(uri) {
            lines.push(format!("  ! {uri}: the scheme is a domain name reversed (com.example.app); this looks like one that is not"));
        }
    }
    if client.require_consent == Some(false) && !client.first_party {
        lines.push(
            "  ! require_consent = false though it is not first_party: people are not told what somebody else's client gets".to_owned(),
        );
    }
    let unassured = client.redirect_uris.iter().any(|it| redirect::kind_of(it) != Some(RedirectKind::ClaimedHttps));
    if client.require_consent == Some(false) && unassured {
        lines.push(
            "  ! require_consent = false, and not every redirect URI says who the app is: there consent is asked all the same".to_owned(),
        );
    }
}

/// A policy is a client's own, or it has an acr and asks for no less than that does.
fn reached(config: &Config, clients: &[&Client], name: &str) -> bool {
    let raises = |own: &str| match (config.policy(name), config.policy(own)) {
        (Some(higher), Some(own)) => higher.acr.is_some() && higher.is_no_weaker_than(own),
        _ => false,
    };
    name == "default" || clients.iter().map(|it| it.login_policy()).any(|own| own == name || raises(own))
}

const INSTANCE_HOLDS: &str =
    "    a stolen refresh token needs the installation's key and an attestation not older than attestation.max_age";

/// Who vouches for the app.
fn attestation_lines(client: &Client, lines: &mut Vec<String>) {
    let Some(rules) = &client.attestation else { return };
    if rules.ios.as_ref().is_some_and(|it| it.builds.contains(&IosBuild::Development)) {
        lines.push("  ! attestation.ios.builds: development, so that what a developer built and signed passes for the app".to_owned());
    }
    let own = rules.android.as_ref().map_or(0, |it| it.own_boot_keys.len());
    if own > 0 {
        lines.push(format!("    phones whose owners put one of {own} systems of their own on them pass for genuine ones"));
    }
    if !rules.is_ours() {
        lines.push("    your own attester vouches: whoever has its key makes genuine installations of whatever they like".to_owned());
    }
    let less = "a device that does not attest gets what attestation.tier.none has";
    match (client.authentication.attests(), client.takes_unattested()) {
        (true, true) => lines.push(format!("    {less}")),
        (true, false) => {}
        (false, true) => lines.push(format!("    attestation is a further signal: {less}")),
        (false, false) => lines.push("    attestation is a further signal, and no request goes without it".to_owned()),
    }
}

fn client_lines(client: &Client, lines: &mut Vec<String>) {
    for uri in &client.redirect_uris {
        lines.push(match redirect::kind_of(uri) {
            Some(RedirectKind::ClaimedHttps) if client.kind == ClientKind::Native => {
                format!("    {uri}: only an app that this host vouches for gets the answer; a browser that opens it shows the code to that host alone")
            }
            Some(RedirectKind::ClaimedHttps) => format!("    {uri}: the answer goes to that host"),
            Some(RedirectKind::PrivateScheme) => {
                format!("  ! {uri}: any app may register this scheme and receive the code; PKCE keeps it useless, but such an app can start a sign-in of its own as this client. Consent is asked every time. Use claimed https")
            }
            Some(RedirectKind::Loopback) => {
                format!("    {uri}: any program on the person's machine may listen there and start a sign-in as this client. Consent is asked every time")
            }
            None => format!("  ! {uri}: of no known kind"),
        });
    }
    if client.without_pkce {
        lines.push("  ! without_pkce: an intercepted code can be used in another session".to_owned());
    }
    attestation_lines(client, lines);
    match client.authentication {
        ClientAuthentication::None if client.attestation.is_some() => {
            lines.push(INSTANCE_HOLDS.to_owned());
        }
        ClientAuthentication::None if client.kind != ClientKind::Native => {
            lines.push("  ! it does not authenticate: anybody who knows the id can be this client".to_owned());
        }
        ClientAuthentication::None if client.dpop == crate::config::Dpop::Required => {
            lines.push("    a stolen token or code needs the app's key as well; nothing says that the app is the genuine one".to_owned());
        }
        ClientAuthentication::None => {
            let scopes: Vec<&str> = client.apis.values().flatten().map(String::as_str).collect();
            lines.push(format!(
                "    nothing binds its tokens: a thief of a refresh token has {} as the person until the app refreshes, which ends both; an app that is not used is not missed for up to {}. dpop = \"required\" takes that from the thief",
                if scopes.is_empty() { "what it may".to_owned() } else { scopes.join(", ") },
                client.refresh.idle
            ));
        }
        ClientAuthentication::ClientSecretBasic | ClientAuthentication::ClientSecretPost => {
            lines.push("    a stolen refresh token needs the client's secret as well".to_owned());
        }
        ClientAuthentication::AttestJwtClientAuth | ClientAuthentication::AttestJwtClientAuthDpop => {
            lines.push(INSTANCE_HOLDS.to_owned());
        }
        ClientAuthentication::TlsClientAuth | ClientAuthentication::SelfSignedTlsClientAuth => {
            let rules = client.tls_client_auth.as_ref();
            if rules.is_some_and(|it| it.crl.is_none()) {
                lines.push("  ! tls_client_auth without crl: a certificate that its CA has revoked still works here".to_owned());
            }
            let whose = if rules.is_some_and(|it| it.devices) { "the device's" } else { "the client's" };
            lines.push(format!("    a stolen refresh token needs {whose} certificate and key as well"));
        }
        ClientAuthentication::PrivateKeyJwt => lines.push("    a stolen refresh token needs the client's private key as well".to_owned()),
    }
    if matches!(client.refresh.most_per_person, Most::Word(_)) {
        lines.push("  ! refresh.most_per_person is unlimited: sign-ins pile up grants without end".to_owned());
    }
    if client.refresh.grace.0 > 60 {
        lines.push(format!("  ! refresh.grace is {}: a thief has that long to use a stolen, replaced token", client.refresh.grace));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn weak(text: &str) -> Vec<String> {
        let lines = review(&Config::from_text(text, "x", &|_| None).unwrap(), None).1;
        lines.into_iter().filter(|it| it.starts_with("  !")).collect()
    }

    const BASE: &str =
        "issuer = \"https://a.example\"\ntrusted_proxies = [\"10.0.0.1\"]\n[client.app]\nkind = \"native\"\nredirect_uris = [\"URI\"]\n";

    #[test]
    fn a_policy_nobody_can_reach_is_named() {
        let base = "issuer = \"https://a.example\"\n[login.default]\nrequire = [\"password + totp\"]\n[client.app]\nkind = \"native\"\n\
            redirect_uris = [\"https://app.example.com/cb\"]\n[login.other]\nacr = \"urn:other\"\nrequire = [CHAIN]\n";
        let named = |chain: &str| {
            let lines = review(&Config::from_text(&base.replace("CHAIN", chain), "x", &|_| None).unwrap(), None).1;
            lines.iter().any(|it| it.starts_with("Login other"))
        };
        assert!(named("\"password\"") && !named("\"totp + password\""));
    }

    #[test]
    fn weak_spots_are_found_and_gone_when_mended() {
        let count = |text: &str| weak(text).len();
        assert_eq!(count(&BASE.replace("URI", "com.example.app:/cb")), 1);
        assert_eq!(count(&BASE.replace("URI", "https://app.example.com/cb")), 0);
        assert_eq!(count(&BASE.replace("trusted_proxies = [\"10.0.0.1\"]", "").replace("URI", "https://app.example.com/cb")), 1);
    }

    #[test]
    fn each_choice_that_helps_a_thief_is_named() {
        let good = BASE.replace("URI", "https://app.example.com/cb");
        let second = "[client.other]\nkind = \"native\"\nredirect_uris = [\"https://other.example.com/cb\"]\n";
        let sound = format!("{good}{second}[login.default]\nrequire = [\"password + totp\"]\n");
        assert_eq!(weak(&sound), Vec::<String>::new());
        let cases = [
            (format!("{sound}[dpop]\nnonce = false\n"), "dpop.nonce = false"),
            (sound.replace("password + totp", "password"), "a password alone signs in"),
            (sound.replace("password + totp\"", "password + totp\", \"password\""), "a password alone signs in"),
            (sound.replace("other.example.com/cb", "app.example.com/cb"), "is other's too"),
            (sound.replace("https://other.example.com/cb", "myapp.com:/cb"), "looks like one that is not"),
            (sound.replacen("kind =", "require_consent = false\nkind =", 1), "though it is not first_party"),
            (
                sound.replacen("issuer", "database = \"postgres://u@db.example/x?sslmode=disable\"\nissuer", 1),
                "crosses the network in clear",
            ),
        ];
        for (text, wanted) in cases {
            assert!(weak(&text).iter().any(|it| it.contains(wanted)), "{wanted}: {:?}", weak(&text));
        }
        let private =
            |one: &str, two: &str| weak(&sound.replace("https://other.example.com/cb", one).replace("https://app.example.com/cb", two));
        assert!(private("com.example.a:/x", "com.example.a:/y").iter().any(|it| it.contains("too:")));
        assert!(!private("com.example.a:/x", "com.example.b:/x").iter().any(|it| it.contains("too:") || it.contains("looks like")));
        let ours = sound.replacen("kind =", "require_consent = false\nfirst_party = true\nkind =", 1);
        assert_eq!(weak(&ours), Vec::<String>::new());
    }

    #[test]
    fn builds_of_developers_are_named() {
        let ios = |more: &str| {
            let rules = format!("attestation = {{ ios = {{ app_ids = [\"ABCDE12345.com.example\"]{more} }} }}\n");
            weak(&(BASE.replace("URI", "https://app.example.com/cb") + &rules)).len()
        };
        assert_eq!((ios(""), ios(", builds = [\"unsaid\", \"development\"]")), (0, 1), "240-N");
    }
}
