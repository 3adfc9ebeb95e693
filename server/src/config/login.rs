//! `[login.NAME]`: ways of signing in. A policy is parsed once, when the configuration is read.

use super::client::TierName;
use super::docs::{Kind, Presence, Section, defaulted, optional, required};
use super::login_installation::InstallationRules;
use super::networks::Networks;
use super::plugin::{PluginSettings, PluginWorld};
use super::span::Span;
use super::upstream::Upstream;
use crate::login::policy::{self, Easier, Policy};
use crate::login::proof::MethodName;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

pub(super) const SECTION: Section = Section {
    path: "login.NAME",
    title: "Ways of signing in",
    text: "A login policy. Clients name one with `login`; all others use `[login.default]`, which is a password alone where the file does not say \
           otherwise. [signing-in.md](signing-in.md) explains the methods and their limits.",
    presence: Presence::Absent,
    keys: &[
        required(
            "require",
            Kind::Texts,
            r#"["password + totp"]"#,
            "Chains of methods; any one of the chains is enough. The methods are `password`, `email` (a code, needs `[mail]`), `passkey`, `totp` (an \
             authenticator app), `recovery` (a recovery code), `upstream:NAME` (a provider of `[upstream.NAME]`), `wallet:NAME` (a digital wallet, `[wallet.NAME]`) and `plugin:NAME` (a method of `[plugin.NAME]`).",
        ),
        optional(
            "acr",
            Kind::Text,
            "none",
            r#""urn:example:two-factor""#,
            "What `acr_values` of a request ask for and tokens say. A client gets it only if each chain contains a chain of the client's own policy.",
        ),
        defaulted(
            "two_factor_passkey",
            Kind::Flag,
            "false",
            "A passkey that verified the person counts as two factors. One that did not is then asked for a second factor.",
        ),
        defaulted(
            "wallet_on_other_device",
            Kind::Flag,
            "false",
            "A wallet on another device may answer too: the page shows a QR code, and the person types two digits that the other device shows. \
             Whoever talks a person into both signs in as that person: see [wallets.md](wallets.md#another-device).",
        ),
        optional(
            "max_age",
            Kind::Time,
            "as long as the session",
            r#""12h""#,
            "What was proved longer ago counts no more, and the person is asked again: in every session, and at the refresh of native apps. At least a minute.",
        ),
    ],
    example: r#"
[login.default]
require = ["password", "email"]

[login.two-factor]
require = ["password + totp"]
acr = "urn:example:two-factor"
"#,
};

pub(super) const EASIER: Section = Section {
    path: "login.NAME.easier",
    title: "Chains that are enough under conditions",
    text: "Further chains of the policy, which are enough where all conditions of the table hold. A condition whose fact nobody knows does not \
           hold. Such a chain gives no `acr`. [signing-in.md](signing-in.md#conditions) explains what is weighed when.",
    presence: Presence::List,
    keys: &[
        required("require", Kind::Texts, r#"["password"]"#, "Chains of methods, as in the policy itself."),
        optional("clients", Kind::Texts, "any client", r#"["shop-app"]"#, "The client that asks is one of these."),
        optional(
            "scopes",
            Kind::Texts,
            "any scope",
            r#"["openid", "orders:read"]"#,
            "The request asks for no scope beside these, and for no authorization details.",
        ),
        optional(
            "tiers",
            Kind::SomeOf(&["software", "hardware_claimed", "hardware"]),
            "any, or no installation",
            r#"["hardware"]"#,
            "The attested installation that asks on its own screens is of one of these tiers. A browser is of none.",
        ),
        optional("networks", Kind::Networks, "any network", r#"["10.0.0.0/8"]"#, "The person comes from one of these networks."),
        optional(
            "known_device",
            Kind::Time,
            "any device",
            r#""30d""#,
            "On this browser or installation the person proved all that the policy's own chains ask for, at most so long ago.",
        ),
    ],
    example: r#"
[login.office]
require = ["password + totp", "passkey"]
[[login.office.easier]]
require = ["password"]
networks = ["10.0.0.0/8"]
known_device = "30d"
"#,
};

/// The policy of clients that name none.
pub const DEFAULT: &str = "default";

/// A policy as it is used: read once, each word of it kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "RawLoginPolicy")]
pub struct LoginPolicy(pub Policy);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLoginPolicy {
    require: Vec<String>,
    #[serde(default)]
    acr: Option<String>,
    #[serde(default)]
    two_factor_passkey: bool,
    max_age: Option<Span>,
    #[serde(default)]
    wallet_on_other_device: bool,
    #[serde(default)]
    easier: Vec<RawEasier>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEasier {
    require: Vec<String>,
    clients: Option<Vec<String>>,
    scopes: Option<Vec<String>>,
    tiers: Option<Vec<TierName>>,
    networks: Option<Networks>,
    known_device: Option<Span>,
    installation: Option<InstallationRules>,
}

impl From<RawLoginPolicy> for LoginPolicy {
    fn from(raw: RawLoginPolicy) -> Self {
        let easier = raw.easier.into_iter().map(Easier::from).collect();
        let RawLoginPolicy { two_factor_passkey, wallet_on_other_device, max_age, .. } = raw;
        let max_age_ms = max_age.map(Span::ms);
        Self(Policy { two_factor_passkey, wallet_on_other_device, max_age_ms, easier, ..Policy::read(&raw.require, raw.acr) })
    }
}

impl From<RawEasier> for Easier {
    fn from(raw: RawEasier) -> Self {
        Self {
            chains: policy::read_chains(&raw.require),
            clients: raw.clients,
            scopes: raw.scopes,
            tiers: raw.tiers.map(|all| all.into_iter().map(TierName::as_str).collect()),
            networks: raw.networks,
            known_device_ms: raw.known_device.map(Span::ms),
            installation: raw.installation,
        }
    }
}

/// The policy `default` of a file that does not have it.
pub(super) static PASSWORD: LazyLock<Policy> = LazyLock::new(Policy::password_alone);

impl LoginPolicy {
    /// The wallets that its chains name.
    pub(super) fn wallets(&self) -> impl Iterator<Item = &str> {
        self.0.chains.iter().flatten().filter_map(MethodName::wallet)
    }

    /// What is wrong with the chains. A configuration with such a problem is refused, so that no reader meets an unknown word.
    pub(super) fn problems(
        &self,
        has_mail: bool,
        upstream: &BTreeMap<String, Upstream>,
        plugins: &BTreeMap<String, PluginSettings>,
    ) -> Vec<String> {
        let mut found = self.0.problems();
        found.extend(self.0.easier_problems());
        if self.0.names(&MethodName::EMAIL) && !has_mail {
            found.push("the method email needs the table [mail]".to_owned());
        }
        if self.0.wallet_on_other_device && self.0.all().flatten().all(|method| method.wallet().is_none()) {
            found.push("wallet_on_other_device is for a policy that names a wallet".to_owned());
        }
        let providers = self.0.all().flatten().filter_map(MethodName::provider);
        let missing: BTreeSet<&str> = providers.filter(|name| !name.is_empty() && !upstream.contains_key(*name)).collect();
        found.extend(missing.into_iter().map(|name| format!("there is no [upstream.{name}]")));
        let is_method = |name: &str| plugins.get(name).is_some_and(|plugin| plugin.world == PluginWorld::Method);
        let named = self.0.all().flatten().filter_map(MethodName::plugin_name);
        let missing: BTreeSet<&str> = named.filter(|name| !name.is_empty() && !is_method(name)).collect();
        found.extend(missing.into_iter().map(|name| format!("there is no [plugin.{name}] of the world method")));
        found
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::Config;

    fn read(more: &str) -> Result<Config, String> {
        let text = format!("issuer = \"https://a.example\"\n{more}");
        Config::from_text(&text, "x", &|_| None).map_err(|it| it.to_string())
    }

    #[test]
    fn chains_are_read_once_and_whole() {
        let config = read("[login.two-factor]\nrequire = [\"password + totp\", \"totp\"]\nacr = \"two\"").unwrap();
        let policy = config.policy("two-factor").unwrap();
        assert_eq!(policy, &Policy::of(&[&[MethodName::PASSWORD, MethodName::TOTP], &[MethodName::TOTP]]).with_acr("two"));
    }

    #[test]
    fn conditions_about_installations_are_read_whole() {
        let easier = |installation: &str| {
            read(&format!(
                "[login.two]\nrequire = [\"password + totp\"]\n[[login.two.easier]]\nrequire = [\"password\"]\n\
                 [login.two.easier.installation]\n{installation}"
            ))
        };
        let config = easier("least_patch = 202601\nplay_protect = [\"NO_ISSUES\"]").unwrap();
        let rules = config.policy("two").unwrap().easier[0].installation.clone().unwrap();
        assert_eq!((rules.least_patch, rules.play_protect), (Some(202_601), Some(vec!["NO_ISSUES".to_owned()])));
        for (text, why) in [
            ("os_patch = 202601", "os_patch"),
            ("rooted = false", "rooted"),
            ("least_patch = \"202601\"", "line"),
            ("risk_metric_max = -1", "line"),
            ("builds = [\"appstore\"]", "appstore"),
            ("", "names no fact"),
            ("least_patch = 202601\nbuilds = [\"app_store\"]", "Android and of iOS"),
        ] {
            let error = easier(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn an_age_of_proofs_is_at_least_a_minute() {
        let aged = |age: &str| read(&format!("[login.two]\nrequire = [\"password\"]\nmax_age = \"{age}\""));
        assert_eq!(aged("12h").unwrap().policy("two").unwrap().max_age_ms, Some(12 * 3_600_000));
        assert_eq!(aged("1m").unwrap().policy("two").unwrap().not_before_ms(100_000), 40_000);
        assert!(aged("59s").unwrap_err().contains("less than a minute") && aged("0s").is_err() && aged("12").is_err());
    }

    #[test]
    fn only_default_has_a_fallback() {
        let config = read("[login.other]\nrequire = [\"totp\"]").unwrap();
        assert_eq!(config.policy("default"), Some(&Policy::password_alone()));
        for unknown in ["", "Default", "othe", "password"] {
            assert!(config.policy(unknown).is_none(), "{unknown:?}");
        }
        let own = read("[login.default]\nrequire = [\"totp\"]").unwrap();
        assert_eq!(own.policy("default"), Some(&Policy::of(&[&[MethodName::TOTP]])));
    }

    #[test]
    fn a_chain_that_cannot_be_meant_is_an_error_with_its_place() {
        let problem = |require: &str| read(&format!("[login.weak]\nrequire = {require}")).unwrap_err();
        for (require, why) in [
            ("[]", "require names no chain"),
            ("[\"\"]", "has an empty chain"),
            ("[\"password\", \" \"]", "has an empty chain"),
            ("[\"+\"]", "has an empty chain"),
            ("[\"password +\"]", "there is no method \"\""),
            ("[\"pasword\"]", "there is no method \"pasword\"; use password, email, totp"),
            ("[\"Password\"]", "there is no method \"Password\""),
            ("[\"password + totp + password\"]", "names password twice"),
            ("[\"email\"]", "the method email needs the table [mail]"),
            ("[\"password\"]\nwallet_on_other_device = true", "for a policy that names a wallet"),
        ] {
            let error = problem(require);
            assert!(error.contains("[login.weak]: ") && error.contains(why), "{require}: {error}");
        }
        assert!(problem("\"password\"").contains("line 3"), "a text is no list");
        assert!(problem("[\"password\"]\nacrr = \"x\"").contains("Did you mean `acr`?"));
        assert!(read("[login.weak]\nrequire = [\"password\", \"password + totp\"]").is_ok());
    }
}
