//! `symbolon links doctor`: why a link would not open the app. It asks each host as the platforms' fetchers do, and judges the answer
//! as the platforms do. What is judged is in `android` and `apple`, without any network.

pub mod android;
pub mod apple;
pub mod check;
mod component;
mod fetch;
mod pattern;

use super::files::{self, Platform};
use super::issuer_authority;
use crate::config::{Client, Config, Fingerprint, NamedClient, authority, claims};
use crate::outgoing::Outgoing;
use check::{Check, Expected, Level};
use fetch::Fetched;
use std::collections::BTreeSet;
use symbolon_oauth::redirect::{self, RedirectKind};

/// Where Apple's network answers what phones get.
pub const APPLE_CDN: &str = "https://app-site-association.cdn-apple.com";

pub struct Options {
    /// Only this client.
    pub client: Option<String>,
    /// Only these hosts.
    pub hosts: Option<BTreeSet<String>>,
    pub platform: Option<Platform>,
    /// The certificate that an app was signed with.
    pub certificate: Option<Fingerprint>,
    /// `None`: Apple's copies are not looked at.
    pub apple_cdn: Option<String>,
    pub outgoing: Outgoing,
}

/// Everything that the options ask for.
pub async fn examine(config: &Config, options: &Options) -> Vec<Check> {
    let mut checks = of_clients(config, options);
    checks.extend(options.certificate.iter().flat_map(|it| of_certificate(config, options, it)));
    let is_wanted = |host: &String| options.hosts.as_ref().is_none_or(|only| only.contains(host));
    for (host, expected) in expectations(config).into_iter().filter(|(host, _)| is_wanted(host)) {
        for platform in Platform::ALL.into_iter().filter(|it| options.platform.is_none_or(|only| only == *it)) {
            let expected: Vec<&Expected<'_>> = expected.iter().filter(|it| it.is_on(platform)).collect();
            if expected.iter().any(|it| is_asked(options, it.client_id)) {
                let found = of_host(&host, platform, &expected, options).await;
                checks.extend(found.into_iter().map(|it| it.at(&host, platform)));
            }
        }
    }
    checks
}

fn is_asked(options: &Options, id: &str) -> bool {
    options.client.as_ref().is_none_or(|only| only == id)
}

/// Hosts with the clients whose app they have to name. A client that nobody asks about is there too: its app is no stranger in the file.
fn expectations<'a>(config: &'a Config) -> Vec<(String, Vec<Expected<'a>>)> {
    let mut all = Vec::new();
    for (host, claim) in claims(&config.client) {
        let mut expected: Vec<Expected<'a>> = Vec::new();
        for link in claim.links {
            match expected.iter_mut().find(|it| it.client_id == link.client_id) {
                Some(known) => known.paths.push(link.path),
                None => {
                    let named = config.client.get(link.client_id).map(|client| NamedClient { client_id: link.client_id, client });
                    expected.extend(named.and_then(|it| Expected::of(config, &host, it, vec![link.path])));
                }
            }
        }
        all.push((host, expected));
    }
    let sharing = config.client.iter().filter(|(_, it)| !it.disabled && it.shares_credentials());
    if !config.issuer.starts_with("https://") {
        return all;
    }
    let host = files::host_of_passkeys(config).unwrap_or_else(|| issuer_authority(config));
    let sharing = sharing.map(|(client_id, client)| NamedClient { client_id, client });
    let of_issuer: Vec<Expected<'a>> = sharing.filter_map(|it| Expected::of(config, &host, it, Vec::new())).collect();
    match all.iter_mut().find(|(name, _)| *name == host) {
        Some((_, expected)) => expected.extend(of_issuer),
        None => all.push((host, of_issuer)),
    }
    all
}

/// Clients that have nothing to verify.
fn of_clients(config: &Config, options: &Options) -> Vec<Check> {
    let native = |client: &Client| client.kind == crate::config::ClientKind::Native && !client.disabled;
    let mut checks = Vec::new();
    for (id, client) in config.client.iter().filter(|(id, it)| native(it) && is_asked(options, id)) {
        let has_link = client.redirect_uris.iter().any(|it| redirect::kind_of(it) == Some(RedirectKind::ClaimedHttps));
        let next = "add an https redirect URI on a host of your own; docs/links.md says how";
        let check = match (&client.app, has_link) {
            (_, false) => Check::warning("no_https_redirect", "no redirect URI is https: any app on the phone can take the answer", next),
            (None, true) => {
                let hosts: Vec<String> = client.redirect_uris.iter().filter_map(|it| authority(it)).collect();
                let text = format!("the configuration does not say which app {} opens", hosts.join(", "));
                Check::warning("no_app", text, format!("add the table [client.{id}.app]"))
            }
            (Some(_), true) => continue,
        };
        checks.push(check.of(id));
    }
    checks
}

/// Which of the configured certificates this is.
fn of_certificate(config: &Config, options: &Options, fingerprint: &Fingerprint) -> Vec<Check> {
    let apps = config.client.iter().filter(|(id, _)| is_asked(options, id)).filter_map(|(id, it)| Some((id, it.app.as_ref()?)));
    let all: Vec<_> = apps.flat_map(|(id, app)| app.certificates().map(move |it| (id, it))).collect();
    let matching: Vec<Check> = all
        .iter()
        .filter(|(_, (_, _, known))| *known == fingerprint)
        .map(|(id, (package, name, _))| Check::new(Level::Ok, "certificate", format!("this is {name} of {package}")).of(id))
        .collect();
    if !matching.is_empty() {
        return matching;
    }
    let shown = fingerprint.hexadecimal();
    let has_play = all.iter().any(|(_, (_, name, _))| *name == "play");
    let next = if has_play {
        "it may be your upload key or a debug key; add it if such builds have to open links"
    } else {
        "if a phone got the app from the store, it is Google's signing key: add it under the name play"
    };
    vec![Check::fault("unknown_certificate", format!("{shown} is none of the certificates of the configuration"), next)]
}

async fn of_host(host: &str, platform: Platform, expected: &[&Expected<'_>], options: &Options) -> Vec<Check> {
    let url = format!("https://{host}{}", platform.path());
    let fetched = fetch::fetch(&options.outgoing, &url).await;
    let mut checks = match &fetched {
        Ok(fetched) => fetched.problems(platform, host),
        Err(why) => vec![Check::fault(
            "unreachable",
            format!("{url}: {why}"),
            "the platforms fetch it over https from the public network; \
             look at DNS, the certificate and the firewall",
        )],
    };
    let own = match &fetched {
        Ok(fetched) if fetched.is_file() => Some(judge(&fetched.body, platform, expected, options)),
        _ => None,
    };
    if let Some(own) = &own {
        checks.extend(own.iter().cloned());
    }
    if platform == Platform::Apple
        && let Some(cdn) = &options.apple_cdn
    {
        let origin = fetched.as_ref().ok().filter(|it| it.is_file());
        checks.extend(of_copy(cdn, host, expected, origin, options).await);
    }
    if checks.iter().any(|it| it.level == Level::Fault) && platform == Platform::Android {
        let why = "phones before Android 12 then open no link of the app, on any of its hosts";
        checks.push(Check::warning("spoils_other_hosts", why, "every host in the app's manifest has to be right"));
    }
    checks
}

/// What is asked about. What is of no client is of all.
fn judge(body: &[u8], platform: Platform, expected: &[&Expected<'_>], options: &Options) -> Vec<Check> {
    let found = match platform {
        Platform::Android => android::judge(body, expected),
        Platform::Apple => apple::judge(body, expected),
    };
    found.into_iter().filter(|it| it.client.as_ref().is_none_or(|id| is_asked(options, id))).collect()
}

/// What phones with iOS really get: Apple's own copy of the file.
async fn of_copy(cdn: &str, host: &str, expected: &[&Expected<'_>], origin: Option<&Fetched>, options: &Options) -> Vec<Check> {
    let copy = match fetch::fetch(&options.outgoing, &format!("{cdn}/a/v1/{host}")).await {
        Ok(copy) => copy,
        Err(why) => return vec![Check::warning("apple_unreachable", format!("Apple's copy: {why}"), "try again later")],
    };
    if copy.status != 200 {
        let reason = copy.header("apple-failure-reason").unwrap_or("Apple says no more");
        let text = format!("Apple has no copy of the file (status {}): {reason}", copy.status);
        let next = "mend the host first; Apple's network asks again by itself, within a day";
        return vec![Check::fault("apple_cannot_fetch", text, next)];
    }
    let age = |fetched: &Fetched| fetched.age_s().map_or("of unknown age".to_owned(), |it| format!("{it} s old"));
    let faulty =
        |body: &[u8]| judge(body, Platform::Apple, expected, options).into_iter().filter(|it| it.level == Level::Fault).collect::<Vec<_>>();
    let wrong = faulty(&copy.body);
    let Some(origin) = origin else { return wrong };
    let differing = apple::differences(&origin.body, &copy.body);
    if differing.is_empty() {
        return vec![Check::new(Level::Ok, "apple_copy", format!("Apple's copy ({}) is the same", age(&copy)))];
    }
    let text = format!("Apple's copy ({}) is not the host's file ({}): {}", age(&copy), age(origin), differing.join("; "));
    let next = "wait up to a week, then install the app again; or use ?mode=developer on a phone for development";
    if wrong.is_empty() || !faulty(&origin.body).is_empty() {
        return vec![Check::warning("apple_copy_differs", text, next)];
    }
    vec![Check::fault("old_copy", text, next)]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// What this server makes is right by this judge.
    #[test]
    fn our_own_files_are_right() {
        let text = format!(
            "issuer = \"https://login.example.com\"\n[client.app]\nkind = \"native\"\nfirst_party = true\nredirect_uris = [\"https://links.example.com/cb\"]\n\
                 [client.app.app]\nios = [\"ABCDE12345.com.example.shop\"]\n[client.app.app.android.\"com.example.shop\"]\nplay = \"{}\"\n",
            "14".repeat(32)
        );
        let options =
            Options { client: None, hosts: None, platform: None, certificate: None, apple_cdn: None, outgoing: Outgoing::default() };
        let (mut judged, mut hosts) = (0, Vec::new());
        let rp_id = "[passkeys]\nrp_id = \"example.com\"\n";
        let without = text.replacen("[client.app.app]", "[client.app.app]\ncredentials = false", 1);
        // W-39: the platforms look at the host of the RP ID. An app that may not have the passkeys there is not under `webcredentials`.
        // Another client of the same app, with a path and a certificate of its own.
        let two = format!(
            "{text}[client.second]\nkind = \"native\"\nowner = \"app\"\nredirect_uris = [\"https://links.example.com/second\"]\n\
             [client.second.app]\nios = [\"ABCDE12345.com.example.shop\"]\napp_clips = [\"ABCDE12345.com.example.shop.Clip\"]\n\
             [client.second.app.android.\"com.example.shop\"]\nother_store = \"{}\"\n",
            "15".repeat(32)
        );
        for (text, more) in [(&text, ""), (&text, rp_id), (&without, rp_id), (&two, "")] {
            let config = Config::from_text(&format!("{text}{more}"), "x", &|_| None).unwrap();
            for (host, expected) in expectations(&config) {
                let is_issuer = host == issuer_authority(&config);
                let of_host = || files::of_host(&config, &host, claims(&config.client).get(&host));
                for (platform, bytes) in if is_issuer { files::of_issuer(&config) } else { of_host() } {
                    let all: Vec<&Expected<'_>> = expected.iter().collect();
                    let checks = judge(&bytes, platform, &all, &options);
                    assert!(!checks.is_empty() && checks.iter().all(|it| it.level == Level::Ok), "{host}: {checks:?}");
                    judged += 1;
                }
                hosts.push(host);
            }
        }
        assert_eq!(judged, 14);
        assert_eq!(hosts[..4], ["links.example.com", "login.example.com", "links.example.com", "example.com"]);
    }
}
