//! `symbolon check`: the configuration as a security reviewer reads it. Mistakes are found when the file is read; this
//! page is about choices: what a thief could do with what, and how each app could be impersonated.

use crate::config::{Client, ClientAuthentication, ClientKind, Config, Most, TokenFormat, fapi};
use std::process::ExitCode;
use symbolon_oauth::redirect::{self, RedirectKind};

/// Prints the review. 0: nothing wrong; 2: weak spots and `--strict`.
pub fn check(config: &Config, strict: bool) -> ExitCode {
    let (weak, lines) = review(config);
    for line in lines {
        println!("{line}");
    }
    if weak == 0 {
        println!("\nNo weak spots.");
        return ExitCode::SUCCESS;
    }
    println!("\n{weak} weak spot{}, marked with !", if weak == 1 { "" } else { "s" });
    if strict { ExitCode::from(2) } else { ExitCode::SUCCESS }
}

fn review(config: &Config) -> (usize, Vec<String>) {
    let mut lines = vec![format!("Issuer {}", config.issuer)];
    if config.development {
        lines.push("  ! development = true: passwords and tokens travel in clear; for your own machine only".to_owned());
    }
    if config.issuer.starts_with("https://") && config.tls.is_none() && config.trusted_proxies.is_empty() {
        lines.push("  ! no [tls] and no trusted_proxies: who ends TLS? Callers' addresses will be the proxy's".to_owned());
    }
    if !config.attestation.simulated_roots.is_empty() {
        lines.push("  ! [attestation] simulated_roots: simulated phones pass for genuine ones".to_owned());
    }
    let android = config.client.values().any(|it| it.attestation.as_ref().is_some_and(|it| it.android.is_some()));
    if android && config.attestation.status_source(config.development).is_none() {
        lines.push("  ! no status list of Android's attestation keys (off, or development): leaked keys pass for genuine ones".to_owned());
    }
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
    for (id, client) in &config.client {
        lines.push(format!("Client {id}{}", if client.disabled { " (disabled)" } else { "" }));
        client_lines(client, &mut lines);
        let lacks = fapi::lacks(config, client);
        match client.profile {
            Some(_) => lines.push("    FAPI 2.0 Security Profile: held to it, and conforms".to_owned()),
            None if lacks.is_empty() => {
                lines.push("    FAPI 2.0 Security Profile: could be held to it with profile = \"fapi2\"".to_owned())
            }
            None if client.is_confidential() => lines.push(format!("    FAPI 2.0 Security Profile: lacks {}", lacks.len())),
            None => {}
        }
        if client.is_confidential() && client.profile.is_none() {
            lines.extend(lacks.iter().map(|it| format!("        {it}")));
        }
    }
    (lines.iter().filter(|it| it.starts_with("  !")).count(), lines)
}

const INSTANCE_HOLDS: &str =
    "    a stolen refresh token needs the installation's key and an attestation not older than attestation.max_age";

/// Who vouches for the app.
fn attestation_lines(client: &Client, lines: &mut Vec<String>) {
    let Some(rules) = &client.attestation else { return };
    if rules.ios.as_ref().is_some_and(|it| it.development) {
        lines.push("  ! attestation.ios.development: builds of developers pass for those of the store".to_owned());
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
            lines.push(format!(
                "    a stolen refresh token works until the app or the thief has used the next one, at most {}",
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

    #[test]
    fn weak_spots_are_found_and_gone_when_mended() {
        let weak = |text: &str| review(&Config::from_text(text, "x", &|_| None).unwrap()).0;
        let base = "issuer = \"https://a.example\"\ntrusted_proxies = [\"10.0.0.1\"]\n[client.app]\nkind = \"native\"\nredirect_uris = [\"URI\"]\n";
        assert_eq!(weak(&base.replace("URI", "com.example.app:/cb")), 1);
        assert_eq!(weak(&base.replace("URI", "https://app.example.com/cb")), 0);
        let ios = |more: &str| {
            let rules = format!("attestation = {{ ios = {{ app_ids = [\"ABCDE12345.com.example\"]{more} }} }}\n");
            base.replace("URI", "https://app.example.com/cb") + &rules
        };
        assert_eq!((weak(&ios("")), weak(&ios(", development = true"))), (0, 1), "240-N");
        assert_eq!(weak(&base.replace("trusted_proxies = [\"10.0.0.1\"]", "").replace("URI", "https://app.example.com/cb")), 1);
    }
}
