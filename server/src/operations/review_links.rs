//! What a review says of links that open apps: who may take an answer, and what is missing.

use super::outcome::Finding;
use crate::config::{Client, ClientKind, Config, DEBUG_CERTIFICATE, authority, claims};
use crate::links::files::{self, MOST_BYTES};
use symbolon_oauth::redirect::{self, RedirectKind};

pub(super) fn link_findings(config: &Config, id: &str, client: &Client) -> Vec<Finding> {
    let mut findings = certificate_findings(config, client);
    let https = |it: &&String| redirect::kind_of(it) == Some(RedirectKind::ClaimedHttps);
    let claimed: Vec<&String> = client.redirect_uris.iter().filter(https).collect();
    if client.kind != ClientKind::Native {
        return findings;
    }
    match &client.app {
        None if !claimed.is_empty() => findings.push(Finding::fact(
            "without the table app this server makes no association files for its https redirect URIs; docs/links.md says how",
        )),
        Some(_) if claimed.is_empty() => findings.push(Finding::weak(
            "app without an https redirect URI: every way back into the app can be taken by another one. Add an https redirect URI",
        )),
        _ => {}
    }
    let hosts = claims(&config.client);
    let apart = claimed.iter().filter_map(|uri| authority(uri)).filter(|host| hosts.contains_key(host) && !config.host.contains_key(host));
    for host in apart {
        findings.push(Finding::fact(format!(
            "{host}: its association files are somebody else's to host. `symbolon links print --host {host}` prints them for {id}"
        )));
    }
    findings
}

fn certificate_findings(config: &Config, client: &Client) -> Vec<Finding> {
    let Some(app) = &client.app else { return Vec::new() };
    let mut findings = Vec::new();
    for (package, certificates) in &app.android {
        for (name, fingerprint) in certificates {
            findings.push(Finding::fact(format!("{package} is signed by {name}: {}", fingerprint.hexadecimal())));
        }
        if certificates.contains_key(DEBUG_CERTIFICATE) && !config.development {
            findings.push(Finding::weak(format!(
                "{package}: the certificate {DEBUG_CERTIFICATE} is in the association files. Who has that key signs an app that opens these links"
            )));
        }
        if let [only] = certificates.keys().map(String::as_str).collect::<Vec<_>>()[..]
            && only != "play"
            && only != DEBUG_CERTIFICATE
        {
            findings.push(Finding::weak(format!(
                "{package} has one certificate, {only}. Google Play signs anew with a key of its own: add its certificate under the name play, \
                 or links do not open the app from the store"
            )));
        }
    }
    findings
}

/// Apple reads no more.
pub(super) fn size_findings(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (host, claim) in claims(&config.client) {
        for (platform, bytes) in files::of_host(config, &host, Some(&claim)) {
            if bytes.len() > MOST_BYTES {
                let name = platform.file_name();
                findings.push(Finding::weak(format!("{host}: {name} has {} bytes, and the platforms read {MOST_BYTES}", bytes.len())));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const BASE: &str =
        "issuer = \"https://login.example.com\"\n[client.app]\nkind = \"native\"\nredirect_uris = [\"https://links.example.com/cb\"]\n";

    fn weak(more: &str) -> Vec<String> {
        let config = Config::from_text(&BASE.replace("redirect_uris", &format!("{more}redirect_uris")), "x", &|_| None).unwrap();
        link_findings(&config, "app", &config.client["app"]).into_iter().filter(|it| it.weak).map(|it| it.text).collect()
    }

    fn signed_by(names: &str) -> String {
        let certificates: Vec<String> = names.split(' ').map(|it| format!("{it} = \"{}\"", "14".repeat(32))).collect();
        format!("app = {{ android = {{ \"com.example\" = {{ {} }} }} }}\n", certificates.join(", "))
    }

    #[test]
    fn certificates_that_break_links_or_open_them_to_others_are_named() {
        assert!(weak(&signed_by("play upload")).is_empty() && weak(&signed_by("play")).is_empty());
        assert!(weak(&signed_by("upload"))[0].contains("Google Play signs anew"));
        assert!(weak(&signed_by("play debug"))[0].contains("debug is in the association files"));
    }

    /// A file of our own that the platforms would not read whole. The twin has one address less.
    #[test]
    fn a_file_that_is_too_large_is_named() {
        let findings = |count: usize| {
            let uris: Vec<String> = (0..count).map(|at| format!("\"https://links.example.com/{at:04}{}\"", "a".repeat(900))).collect();
            let text = format!(
                "issuer = \"https://login.example.com\"\n[client.app]\nkind = \"native\"\nredirect_uris = [{}]\n{}",
                uris.join(", "),
                signed_by("play upload")
            );
            let config = Config::from_text(&text, "x", &|_| None).unwrap();
            let bytes = files::of_host(&config, "links.example.com", claims(&config.client).get("links.example.com"));
            let found: Vec<String> = size_findings(&config).into_iter().filter(|it| it.weak).map(|it| it.text).collect();
            (bytes.values().map(Vec::len).max().unwrap(), found)
        };
        let most = (1..200).rev().find(|count| findings(*count).0 <= MOST_BYTES).unwrap();
        assert!(findings(most).1.is_empty());
        let (bytes, found) = findings(most + 1);
        assert_eq!(found, [format!("links.example.com: assetlinks.json has {bytes} bytes, and the platforms read {MOST_BYTES}")]);
    }

    #[test]
    fn an_app_that_anybody_can_answer_for_is_named() {
        let private = BASE
            .replace("https://links.example.com/cb", "com.example.app:/cb")
            .replace("redirect_uris", &format!("{}redirect_uris", signed_by("play")));
        let config = Config::from_text(&private, "x", &|_| None).unwrap();
        let found = link_findings(&config, "app", &config.client["app"]);
        assert!(found.iter().any(|it| it.weak && it.text.contains("without an https redirect URI")));
    }
}
