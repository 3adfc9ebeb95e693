//! `[login.NAME]`: ways of signing in. A policy is parsed once, when the configuration is read.

use super::docs::{Kind, Presence, Section, defaulted, optional, required};
use super::upstream::Upstream;
use crate::login::policy::Policy;
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
             authenticator app), `recovery` (a recovery code) and `upstream:NAME` (a provider of `[upstream.NAME]`).",
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
    ],
    example: r#"
[login.default]
require = ["password", "email"]

[login.two-factor]
require = ["password + totp"]
acr = "urn:example:two-factor"
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
}

impl From<RawLoginPolicy> for LoginPolicy {
    fn from(raw: RawLoginPolicy) -> Self {
        Self(Policy { two_factor_passkey: raw.two_factor_passkey, ..Policy::read(&raw.require, raw.acr) })
    }
}

/// The policy `default` of a file that does not have it.
pub(super) static PASSWORD: LazyLock<Policy> = LazyLock::new(Policy::password_alone);

impl LoginPolicy {
    /// What is wrong with the chains. A configuration with such a problem is refused, so that no reader meets an unknown word.
    pub(super) fn problems(&self, has_mail: bool, upstream: &BTreeMap<String, Upstream>) -> Vec<String> {
        let mut found = self.0.problems();
        if self.0.names(&MethodName::EMAIL) && !has_mail {
            found.push("the method email needs the table [mail]".to_owned());
        }
        let providers = self.0.chains.iter().flatten().filter_map(MethodName::provider);
        let missing: BTreeSet<&str> = providers.filter(|name| !name.is_empty() && !upstream.contains_key(*name)).collect();
        found.extend(missing.into_iter().map(|name| format!("there is no [upstream.{name}]")));
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
        ] {
            let error = problem(require);
            assert!(error.contains("[login.weak]: ") && error.contains(why), "{require}: {error}");
        }
        assert!(problem("\"password\"").contains("line 3"), "a text is no list");
        assert!(problem("[\"password\"]\nacrr = \"x\"").contains("Did you mean `acr`?"));
        assert!(read("[login.weak]\nrequire = [\"password\", \"password + totp\"]").is_ok());
    }
}
