//! The configuration as a security reviewer reads it. Mistakes are found when the file is read. This page is about choices: what a thief
//! could do with what, and how each app could be impersonated.

use super::actor::Actor;
use super::context::Context;
use super::operation::ReviewOperation;
use super::outcome::{Finding, Outcome, Review, Section, Subject};
use super::problem::{Problem, Result};
use super::review_assurance::assurance_findings;
use super::review_client::{client_findings, fapi_findings, redirect_findings, shared};
use super::review_links::{link_findings, size_findings};
use super::review_observed::{newer_findings, observed_findings};
use super::review_plugins::plugin_findings;
use super::review_registered::registered_findings;
use super::review_registration::registration_findings;
use super::review_sign_in;
use super::review_upstream::upstream_findings;
use super::review_wallet::{expiring_findings, wallet_findings};
use crate::config::{self, Api, Client, Config, NamedClient, TokenFormat};
use crate::links::held::{self, HeldHosts};
use crate::store::MOST_OFFSET_MS;
use crate::store::tables::client::IMPORTED;
use crate::upstream::moved;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

impl Section {
    fn new(subject: Subject, name: &str, findings: Vec<Finding>) -> Self {
        Self { subject, name: name.to_owned(), audience: None, registered: false, disabled: false, findings }
    }
}

/// What only a store knows.
#[derive(Default)]
struct Stored {
    clients: BTreeMap<String, Client>,
    findings: Vec<Finding>,
    /// Why `serve` would not start with this file.
    obstacles: Vec<String>,
}

pub(super) async fn run(context: &Context, actor: &Actor, operation: ReviewOperation) -> Result<Outcome> {
    let config = Config::from_text(&operation.configuration, "the file", &config::environment);
    let config = config.map_err(|it| Problem::invalid(it.to_string()))?.below(&context.base);
    let stored = read_store(context, actor, &config).await?;
    Ok(Outcome::Review(review(&config, &context.base, Some(&stored))))
}

/// The review of a file alone, where no server runs and the store stays closed.
pub fn of_configuration(config: &Config, base: &Path) -> Review {
    review(config, base, None)
}

/// `config` is the file's, which a running server need not have read yet.
async fn read_store(context: &Context, actor: &Actor, config: &Config) -> Result<Stored> {
    let mut stored = Stored::default();
    read_registered(context, config, &mut stored).await?;
    for judged in [moved::must_be_named(config, &context.store).await, held::must_be_free(config, &context.store, context.now_ms).await] {
        stored.obstacles.extend(judged.err().map(|fault| fault.0));
    }
    stored.findings.extend(assurance_findings(&context.store, config, &stored.clients, context.now_ms).await?);
    stored.findings.extend(registered_findings(&context.store, config, context.now_ms).await?);
    stored.findings.extend(context.store.remarks().await?.into_iter().map(Finding::fact));
    stored.findings.extend(observed_findings(context, config).await?);
    stored.findings.extend(newer_findings(context).await?);
    stored.findings.extend(expiring_findings(config, context.now_ms));
    let offset_ms = context.store.clock_offset_ms();
    if offset_ms.abs() > MOST_OFFSET_MS {
        stored.findings.push(Finding::weak(format!(
            "the database's clock is {offset_ms} ms ahead of this machine's: codes, proofs and tokens are judged by both"
        )));
    }
    if crate::nodes::configurations(&context.store, context.now_ms).await?.len() > 1 {
        let what = "nodes that are configured otherwise serve the same issuer: which rule holds is chance";
        stored.findings.push(Finding::weak(what));
    }
    if actor.is_at_server() && !context.config.agrees_with(config) {
        let what = "the running server has read another configuration than this file: reload or restart it";
        stored.findings.push(Finding::weak(what));
    }
    Ok(stored)
}

async fn read_registered(context: &Context, config: &Config, stored: &mut Stored) -> Result<()> {
    let held = HeldHosts::read(&context.store, context.now_ms).await?;
    let mut after = String::new();
    loop {
        let rows = context.store.all_stale(IMPORTED, &[after.as_str().into()]).await?;
        for row in &rows {
            let id = row.text("id")?;
            if config.client.contains_key(id) {
                continue;
            }
            match serde_json::from_str::<Client>(row.text("body")?) {
                Ok(client) => {
                    let mut problems = config.judge_registered(&client);
                    let named = NamedClient { client_id: id, client: &client };
                    problems.extend(held.objection_to_import(named, context.now_ms).map(str::to_owned));
                    let left_out = |it| Finding::weak(format!("the registered client {id} is left out: {it}"));
                    stored.findings.extend(problems.into_iter().map(left_out));
                    stored.clients.insert(id.to_owned(), client);
                }
                Err(error) => stored.findings.push(Finding::weak(format!("the registered client {id} cannot be read: {error}"))),
            }
        }
        match rows.last() {
            Some(row) => after = row.text("id")?.to_owned(),
            None => return Ok(()),
        }
    }
}

fn review(config: &Config, base: &Path, stored: Option<&Stored>) -> Review {
    let mut issuer = Section::new(Subject::Issuer, &config.issuer, issuer_findings(config));
    let obstacles: Vec<String> = stored.map(|it| it.obstacles.clone()).unwrap_or_default();
    let stops = |why: &String| Finding::weak(format!("the server would not start with this file: {why}"));
    issuer.findings.extend(obstacles.iter().map(stops));
    issuer.findings.extend(stored.iter().flat_map(|it| it.findings.iter().cloned()));
    issuer.findings.extend(file_finding(config, base));
    issuer.findings.extend(review_sign_in::findings(config));
    issuer.findings.extend(review_sign_in::password_finding(config, base));
    issuer.findings.extend(size_findings(config));
    issuer.findings.extend(upstream_findings(config));
    issuer.findings.extend(wallet_findings(config));
    issuer.findings.extend(plugin_findings(config));
    issuer.findings.extend(registration_findings(config));
    let mut sections = vec![issuer];
    for (name, api) in &config.api {
        let section = Section::new(Subject::Api, name, api_findings(api));
        sections.push(Section { audience: Some(api.audience.clone()), ..section });
    }
    let registered = stored.iter().flat_map(|it| &it.clients).map(|(id, client)| (id, client, true));
    let all: Vec<(&String, &Client, bool)> = config.client.iter().map(|(id, client)| (id, client, false)).chain(registered).collect();
    for (id, client, registered) in &all {
        let mut findings = client_findings(client);
        findings.extend(redirect_findings(client));
        findings.extend(link_findings(config, id, client));
        for (other, uri) in all.iter().filter(|it| it.0 != *id).filter_map(|(other, second, _)| Some((other, shared(client, second)?))) {
            findings.push(Finding::weak(format!("{uri} is {other}'s too: what is meant for one can reach the other")));
        }
        findings.extend(fapi_findings(config, client));
        let section = Section::new(Subject::Client, id, findings);
        sections.push(Section { registered: *registered, disabled: client.disabled, ..section });
    }
    let clients: Vec<&Client> = all.iter().map(|it| it.1).collect();
    for name in config.login.keys().filter(|it| !reached(config, &clients, it)) {
        sections.push(Section::new(Subject::Login, name, vec![Finding::fact("no client uses it or can raise to it")]));
    }
    let weak = sections.iter().flat_map(|it| &it.findings).filter(|it| it.weak).count();
    Review { sections, weak, store_seen: stored.is_some(), obstacles }
}

fn issuer_findings(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut weak = |holds: bool, what: &str| {
        if holds {
            findings.push(Finding::weak(what));
        }
    };
    weak(config.development, "development = true: passwords and tokens travel in clear; for your own machine only");
    if config.development && config.tls.is_none() && !is_of_this_machine(&config.listen) {
        let what = format!("listen is {}: with development = true other machines reach this server over plain http", config.listen);
        weak(true, &format!("{what}. Listen on 127.0.0.1"));
    }
    let open = config.issuer.starts_with("https://") && config.tls.is_none() && config.trusted_proxies.is_empty();
    weak(open, "no [tls] and no trusted_proxies: who ends TLS? Callers' addresses will be the proxy's");
    weak(!config.attestation.simulated_roots.is_empty(), "[attestation] simulated_roots: simulated phones pass for genuine ones");
    let android = config.client.values().filter_map(|it| it.attestation.as_ref()).any(|it| it.android.is_some());
    let listless = config.attestation.status_source(config.development).is_none();
    weak(android && listless, "no status list of Android's attestation keys (off, or development): leaked keys pass for genuine ones");
    weak(!config.dpop.nonce, "dpop.nonce = false: who has an app in hand for a moment can make proofs for all time to come");
    weak(config.passkeys.related_names() > 5, "[passkeys] related_origins: more than five names, and browsers may stop after five");
    if let Some(what) = crate::store::weakness(&config.database) {
        weak(true, &format!("database: {what}"));
    }
    findings
}

/// Does this address take callers of this machine alone?
fn is_of_this_machine(listen: &str) -> bool {
    match listen.parse::<SocketAddr>() {
        Ok(address) => address.ip().is_loopback(),
        Err(_) => listen.rsplit_once(':').is_some_and(|(host, _)| host == "localhost"),
    }
}

/// A store that was made by hand, or earlier, may be open to other users of the machine.
fn file_finding(config: &Config, base: &Path) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt;
    let path = base.join(config.database.strip_prefix("sqlite:")?);
    let is_open = std::fs::metadata(&path).is_ok_and(|about| about.permissions().mode() & 0o077 != 0);
    is_open.then(|| Finding::weak(format!("other users of this machine can read {0}: run chmod 600 {0}", path.display())))
}

fn api_findings(api: &Api) -> Vec<Finding> {
    let mut findings = vec![match api.token {
        TokenFormat::Jwt => {
            Finding::fact(format!("a stolen access token works here for up to {}, whatever is revoked meanwhile", api.lifetime))
        }
        TokenFormat::Opaque if api.introspection_secret.is_none() => {
            Finding::weak("opaque tokens without introspection_secret: this API cannot ask about them")
        }
        TokenFormat::Opaque => Finding::fact(format!("a stolen access token works here until it is revoked, at most {}", api.lifetime)),
    }];
    if api.lifetime.0 > 3600 {
        findings.push(Finding::weak(format!("tokens live {}: a quarter of an hour is the custom", api.lifetime)));
    }
    findings
}

/// A policy is a client's own, or it has an acr and asks for no less than that does.
fn reached(config: &Config, clients: &[&Client], name: &str) -> bool {
    let raises = |own: &str| match (config.policy(name), config.policy(own)) {
        (Some(higher), Some(own)) => higher.acr.is_some() && higher.is_no_weaker_than(own),
        _ => false,
    };
    name == "default" || clients.iter().map(|it| it.login_policy()).any(|own| own == name || raises(own))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn weak(text: &str) -> Vec<String> {
        let review = of_configuration(&Config::from_text(text, "x", &|_| None).unwrap(), Path::new("."));
        review.sections.into_iter().flat_map(|it| it.findings).filter(|it| it.weak).map(|it| it.text).collect()
    }

    const BASE: &str =
        "issuer = \"https://a.example\"\ntrusted_proxies = [\"10.0.0.1\"]\n[client.app]\nkind = \"native\"\nredirect_uris = [\"URI\"]\n";

    #[test]
    fn that_openid_requests_name_their_redirect_uri_is_said() {
        let says = |more: &str| {
            let text = format!("{BASE}{more}").replace("URI", "https://app.example.com/cb");
            let review = of_configuration(&Config::from_text(&text, "x", &|_| None).unwrap(), Path::new("."));
            review.sections.iter().flat_map(|it| &it.findings).any(|it| it.text.contains("must name its redirect_uri"))
        };
        assert!(says("scopes = [\"openid\"]\n"));
        // The twins: plain OAuth alone, and more than one to choose from.
        assert!(!says("scopes = [\"offline_access\"]\n"));
        let text =
            format!("{BASE}scopes = [\"openid\"]\n").replace("\"URI\"", "\"https://app.example.com/a\", \"https://app.example.com/b\"");
        let review = of_configuration(&Config::from_text(&text, "x", &|_| None).unwrap(), Path::new("."));
        assert!(!review.sections.iter().flat_map(|it| &it.findings).any(|it| it.text.contains("must name its redirect_uri")));
    }

    #[test]
    fn a_policy_nobody_can_reach_is_named() {
        let base = "issuer = \"https://a.example\"\n[login.default]\nrequire = [\"password + totp\"]\n[client.app]\nkind = \"native\"\n\
            redirect_uris = [\"https://app.example.com/cb\"]\n[login.other]\nacr = \"urn:other\"\nrequire = [CHAIN]\n";
        let named = |chain: &str| {
            let review = of_configuration(&Config::from_text(&base.replace("CHAIN", chain), "x", &|_| None).unwrap(), Path::new("."));
            review.sections.iter().any(|it| it.subject == Subject::Login && it.name == "other")
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
            (format!("{sound}[enrolment]\nwait = \"23h\"\n"), "less than a day"),
            (
                format!(
                    "{sound}[passkeys]\nrelated_origins = [{}]\n",
                    (1..=6).map(|at| format!("\"https://shop{at}.example\",")).collect::<String>()
                ),
                "more than five names",
            ),
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
        let five: String = (1..=5).map(|at| format!("\"https://shop{at}.example\", \"https://www.shop{at}.example\",")).collect();
        assert_eq!(weak(&format!("{sound}[passkeys]\nrelated_origins = [{five}]\n")), Vec::<String>::new(), "five names");
        let private =
            |one: &str, two: &str| weak(&sound.replace("https://other.example.com/cb", one).replace("https://app.example.com/cb", two));
        assert!(private("com.example.a:/x", "com.example.a:/y").iter().any(|it| it.contains("too:")));
        assert!(!private("com.example.a:/x", "com.example.b:/x").iter().any(|it| it.contains("too:") || it.contains("looks like")));
        let ours = sound.replacen("kind =", "require_consent = false\nfirst_party = true\nkind =", 1);
        assert_eq!(weak(&ours), Vec::<String>::new());
    }

    #[test]
    fn development_on_an_address_of_the_network_is_named() {
        let named = |listen: &str, more: &str| {
            let text = format!("issuer = \"http://127.0.0.1:8080\"\nlisten = \"{listen}\"\n{more}");
            weak(&text).iter().any(|it| it.contains("over plain http"))
        };
        for open in ["0.0.0.0:8080", "192.168.1.5:8080", "[::]:8080", "box.lan:8080"] {
            assert!(named(open, "development = true\n"), "{open}");
        }
        for own in ["127.0.0.1:8080", "[::1]:8080", "localhost:8080"] {
            assert!(!named(own, "development = true\n"), "{own}");
        }
        let tls = "development = true\n[tls]\ncertificate = \"a.pem\"\nkey = \"a.key\"\n";
        assert!(!named("0.0.0.0:8080", tls), "the server speaks TLS itself");
    }

    #[test]
    fn a_service_that_cannot_get_tokens_is_named() {
        let named = |more: &str| {
            let text = format!("issuer = \"https://a.example\"\n[client.robot]\nkind = \"service\"\n{more}");
            weak(&text).iter().any(|it| it.contains("no secret and no key"))
        };
        assert!(named(""));
        let secret = "secret = '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g'\n";
        assert!(!named(secret), "the twin");
    }

    #[test]
    fn an_app_with_bearer_tokens_is_said_to_be_the_exception() {
        let says = |more: &str| {
            let text = BASE.replace("URI", "https://app.example.com/cb") + more;
            let review = of_configuration(&Config::from_text(&text, "x", &|_| None).unwrap(), Path::new("."));
            review.sections.iter().flat_map(|it| &it.findings).any(|it| it.text.contains("bearer tokens, the exception"))
        };
        assert!(says("") && !says("dpop = \"required\"\n"));
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
