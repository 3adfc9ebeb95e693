//! What `symbolon check` says of the ways of signing in: policies, their conditions, and passkeys.

use super::outcome::Finding;
use crate::config::{Client, Config, Span};
use crate::login::policy::{Easier, Policy};
use crate::login::proof::MethodName;
use std::path::Path;

pub(super) fn findings(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, policy) in &config.login {
        if policy.0.chains.iter().any(|chain| *chain == [MethodName::PASSWORD]) {
            let what = "a password alone signs in: whoever gets the password can sign in as that person";
            found.push(Finding::weak(format!("[login.{name}]: {what}")));
        }
        if policy.0.wallet_on_other_device {
            let what = "wallet_on_other_device: whoever gets a person to scan a code and to tell the number signs in as that person";
            found.push(Finding::weak(format!("[login.{name}]: {what}")));
        }
        found.extend(policy.0.easier.iter().map(|easier| easier_finding(name, easier)));
        found.extend(unknown_installations(config, name, &policy.0));
        found.extend(only_way(name, &policy.0));
    }
    if !config.login.contains_key("default") {
        found.push(Finding::fact("no [login.default]: a password alone signs in, unless a client names another policy"));
    }
    found.extend(passkey_findings(config));
    found.extend(enrolment_findings(config));
    found
}

/// Are passwords that everybody knows refused? A list that cannot be read stops the next start.
pub(super) fn password_finding(config: &Config, base: &Path) -> Option<Finding> {
    config.policies().any(|policy| policy.names(&MethodName::PASSWORD)).then(|| match config.passwords.open_list(base) {
        Ok(None) => Finding::fact("no [passwords] breached: people may choose passwords that are in public lists"),
        Ok(Some(list)) => Finding::fact(format!("passwords in the list of [passwords] breached ({} bytes) cannot be chosen", list.size())),
        Err(why) => Finding::weak(format!("{why}: the server does not start with it")),
    })
}

/// What is added, and how long it waits.
fn enrolment_findings(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    if config.mail.is_none() {
        let what =
            "no [mail]: what a person adds for signing in counts only as much as what it was added with, until an operator confirms it";
        found.push(Finding::fact(what));
    }
    let wait = config.enrolment.wait;
    if wait < Span::hours(24) {
        found.push(Finding::weak(format!("[enrolment] wait = {wait}: a person has less than a day to read the letter and stop a thief")));
    }
    for (name, policy) in config.login.iter().filter(|(_, policy)| policy.0.acr.is_some() && policy.0.names(&MethodName::TOTP)) {
        if !policy.0.names(&MethodName::RECOVERY) {
            let what = "a sign-in with a recovery code does not get the acr, unless a chain names recovery in place of totp";
            found.push(Finding::fact(format!("[login.{name}]: {what}")));
        }
    }
    found
}

/// Where less is enough, and for what.
fn easier_finding(name: &str, easier: &Easier) -> Finding {
    let chain = |chain: &Vec<MethodName>| chain.iter().map(MethodName::as_str).collect::<Vec<_>>().join(" + ");
    let chains = easier.chains.iter().map(chain).collect::<Vec<_>>().join(", or ");
    let list = |what: &str, words: &Option<Vec<String>>| words.as_ref().map(|words| format!("{what} {}", words.join(", ")));
    let conditions = [
        list("the client is", &easier.clients),
        list("only these scopes are asked for:", &easier.scopes),
        easier.tiers.as_ref().map(|tiers| format!("the tier is {}", tiers.join(", "))),
        easier.networks.as_ref().map(|networks| format!("the network is {networks}")),
        easier.installation.as_ref().map(|rules| format!("the installation has {rules}")),
        easier.known_device_ms.map(|ms| format!("the device is known for {} days or less", ms / 86_400_000)),
    ];
    let when = conditions.into_iter().flatten().collect::<Vec<_>>().join("; ");
    let text = format!("[login.{name}]: {chains} is enough, without the policy's acr, where {when}");
    let is_password = easier.chains.iter().any(|chain| *chain == [MethodName::PASSWORD]);
    // Who may ask, and for what, keeps no stranger out.
    let by_device = easier.tiers.is_some() || easier.installation.is_some() || easier.known_device_ms.is_some();
    let keeps_nobody_out = easier.networks.is_none() && !by_device;
    if is_password && keeps_nobody_out {
        return Finding::weak(format!("{text}: whoever gets the password can sign in there"));
    }
    Finding::fact(text)
}

/// A condition about installations that nobody can meet.
fn unknown_installations(config: &Config, name: &str, policy: &Policy) -> Option<Finding> {
    let is_attested = |client: &&Client| client.native && !client.disabled && client.attestation.as_ref().is_some_and(|it| it.is_ours());
    let mut users = config.client.values().filter(|client| client.login_policy() == name).filter(is_attested);
    let is_unmet = policy.knows_installations() && users.next().is_none();
    let what = "no native client that this server attests uses it: its conditions about the installation never hold";
    is_unmet.then(|| Finding::fact(format!("[login.{name}]: {what}")))
}

fn only_way(name: &str, policy: &Policy) -> Option<Finding> {
    let is_only = !policy.chains.is_empty() && policy.chains.iter().all(|chain| chain.contains(&MethodName::PASSKEY));
    is_only.then(|| Finding::weak(format!("[login.{name}]: every chain has a passkey: whoever loses theirs cannot sign in")))
}

fn passkey_findings(config: &Config) -> Vec<Finding> {
    let names = |policy: &Policy| policy.names(&MethodName::PASSKEY);
    if !config.policies().any(names) {
        return Vec::new();
    }
    let rp_id = config.passkeys.rp_id(&config.issuer);
    let mut found = vec![Finding::fact(format!("passkeys are for {rp_id}: with another RP ID nobody can use them"))];
    if rp_id.parse::<std::net::IpAddr>().is_ok() {
        found.push(Finding::weak("passkeys are for an address: no browser and no phone makes one; give the issuer a name"));
    }
    for (id, client) in config.client.iter().filter(|(_, client)| client.native && !client.web_only && !client.disabled) {
        let takes_them = config.policy(client.login_policy()).is_some_and(names);
        if takes_them && client.passkey_origins(&rp_id).is_empty() {
            found.push(Finding::fact(format!(
                "[client.{id}]: no passkeys on its own screens: its table `app` is missing, or credentials = false"
            )));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn of(more: &str) -> Vec<(bool, String)> {
        let text = format!("issuer = \"https://login.a.example\"\ntrusted_proxies = [\"10.0.0.1\"]\n{more}");
        findings(&Config::from_text(&text, "x", &|_| None).unwrap()).into_iter().map(|it| (it.weak, it.text)).collect()
    }

    fn says(found: &[(bool, String)], weak: bool, words: &str) -> bool {
        found.iter().any(|(is_weak, text)| *is_weak == weak && text.contains(words))
    }

    #[test]
    fn conditions_are_shown_and_those_that_keep_nobody_out_are_weak() {
        let easier = |conditions: &str| {
            of(&format!(
                "[login.default]\nrequire = [\"password + totp\"]\n[[login.default.easier]]\nrequire = [\"password\"]\n{conditions}\n"
            ))
        };
        let office = easier("networks = [\"10.0.0.0/8\"]\nknown_device = \"30d\"");
        assert!(
            says(
                &office,
                false,
                "password is enough, without the policy's acr, where the network is 10.0.0.0/8; the device is known for 30 days"
            ),
            "{office:?}"
        );
        assert!(!office.iter().any(|it| it.0), "{office:?}");
        let device =
            easier("clients = [\"shop\"]\n[login.default.easier.installation]\nleast_patch = 202601\nplay_protect = [\"NO_ISSUES\"]");
        let facts = "the installation has patch level 202601 or later, play_protect NO_ISSUES";
        assert!(says(&device, false, facts) && says(&device, false, "never hold") && !device.iter().any(|it| it.0), "{device:?}");
        let app = easier("clients = [\"shop\"]\nscopes = [\"openid\"]");
        assert!(
            says(&app, true, "where the client is shop; only these scopes are asked for: openid: whoever gets the password"),
            "{app:?}"
        );
    }

    #[test]
    fn a_wallet_on_another_device_is_named() {
        let text = [crate::config::wallet::WALLET, crate::config::wallet::CREDENTIAL, crate::config::wallet::ISSUER];
        let tables = text.map(|it| it.example).concat();
        let with = |more: &str| of(&format!("{tables}[login.default]\nrequire = [\"wallet:pid\"]\n{more}"));
        assert!(says(&with("wallet_on_other_device = true"), true, "[login.default]: wallet_on_other_device"));
        assert!(!says(&with(""), true, "wallet_on_other_device"), "the twin");
    }

    #[test]
    fn passkeys_have_findings_where_they_are_in_use() {
        let app = "[client.app]\nkind = \"native\"\nfirst_party = true\nnative = true\nauthentication = \"attest_jwt_client_auth_dpop\"\n\
            redirect_uris = [\"https://app.example.com/cb\"]\n[client.app.attestation]\nios = { app_ids = [\"ABCDE12345.com.example.app\"] }\n";
        assert!(!of(app).iter().any(|it| it.1.contains("passkey")));
        let both = format!("[login.default]\nrequire = [\"passkey\", \"password + totp\"]\n{app}");
        let found = of(&both);
        assert!(
            says(&found, false, "passkeys are for login.a.example") && says(&found, false, "[client.app]: no passkeys on its own screens")
        );
        assert!(!says(&found, true, "passkey"), "{found:?}");
        let named = of(&format!("{both}[client.app.app]\nios = [\"ABCDE12345.com.example.app\"]\n"));
        assert!(!says(&named, false, "no passkeys on its own screens"), "{named:?}");
        let alone = of("[login.default]\nrequire = [\"passkey\", \"password + passkey\"]\n");
        assert!(says(&alone, true, "every chain has a passkey"), "{alone:?}");
        let address = "issuer = \"http://127.0.0.1:8080\"\ndevelopment = true\n[login.default]\nrequire = [\"passkey\", \"password\"]\n";
        let found = findings(&Config::from_text(address, "x", &|_| None).unwrap());
        assert!(found.iter().any(|it| it.weak && it.text.contains("passkeys are for an address")));
    }
}
