//! `[login.NAME]`: ways of signing in. A policy is parsed once, when the configuration is read.

use super::docs::{Kind, Presence, Section, optional, required};
use serde::Deserialize;
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
            "Chains of methods; any one of the chains is enough. The methods are `password`, `email` (a code, needs `[mail]`) and `totp` (an \
             authenticator app).",
        ),
        optional(
            "acr",
            Kind::Text,
            "none",
            r#""urn:example:two-factor""#,
            "What `acr_values` of a request ask for and tokens say. A client gets it only if each chain contains a chain of the client's own policy.",
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

/// The words that a chain is made of.
pub const METHODS: &[&str] = &["password", "email", "totp"];

/// The policy of clients that name none.
pub const DEFAULT: &str = "default";

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "RawLoginPolicy")]
pub struct LoginPolicy {
    /// As it was written.
    pub require: Vec<String>,
    /// Any one of the chains is enough; each of its methods has to be proved.
    pub chains: Vec<Vec<String>>,
    /// What `acr_values` ask for and tokens say.
    pub acr: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLoginPolicy {
    require: Vec<String>,
    #[serde(default)]
    acr: Option<String>,
}

impl From<RawLoginPolicy> for LoginPolicy {
    fn from(raw: RawLoginPolicy) -> Self {
        let chains = raw.require.iter().map(|chain| chain.split('+').map(|it| it.trim().to_owned()).collect()).collect();
        Self { require: raw.require, chains, acr: raw.acr }
    }
}

/// The policy `default` of a file that does not have it.
static PASSWORD: LazyLock<LoginPolicy> =
    LazyLock::new(|| LoginPolicy::from(RawLoginPolicy { require: vec!["password".to_owned()], acr: None }));

impl LoginPolicy {
    /// A password alone.
    pub(super) fn password() -> &'static Self {
        &PASSWORD
    }

    /// What is wrong with the chains. A configuration with such a problem is refused, so that no reader meets an unknown word.
    pub(super) fn problems(&self, has_mail: bool) -> Vec<String> {
        let mut found = Vec::new();
        if self.chains.is_empty() {
            found.push("require names no chain of methods".to_owned());
        }
        for (chain, text) in self.chains.iter().zip(&self.require) {
            if chain.iter().all(String::is_empty) {
                found.push(format!("require has an empty chain, {text:?}: it would let everybody in"));
                continue;
            }
            for (at, word) in chain.iter().enumerate() {
                if !METHODS.contains(&word.as_str()) {
                    found.push(format!("there is no method {word:?}; use {}", METHODS.join(", ")));
                } else if chain[..at].contains(word) {
                    found.push(format!("the chain {text:?} names {word} twice"));
                } else if word == "email" && !has_mail {
                    found.push("the method email needs the table [mail]".to_owned());
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use crate::config::Config;

    fn read(more: &str) -> Result<Config, String> {
        let text = format!("issuer = \"https://a.example\"\n{more}");
        Config::from_text(&text, "x", &|_| None).map_err(|it| it.to_string())
    }

    #[test]
    fn chains_are_read_once_and_whole() {
        let config = read("[login.two-factor]\nrequire = [\"password + totp\", \"totp\"]\nacr = \"two\"").unwrap();
        let policy = config.policy("two-factor").unwrap();
        assert_eq!(policy.chains, [vec!["password", "totp"], vec!["totp"]]);
        assert_eq!(policy.acr.as_deref(), Some("two"));
    }

    #[test]
    fn only_default_has_a_fallback() {
        let config = read("[login.other]\nrequire = [\"totp\"]").unwrap();
        assert_eq!(config.policy("default").unwrap().chains, [["password"]]);
        for unknown in ["", "Default", "othe", "password"] {
            assert!(config.policy(unknown).is_none(), "{unknown:?}");
        }
        let own = read("[login.default]\nrequire = [\"totp\"]").unwrap();
        assert_eq!(own.policy("default").unwrap().chains, [["totp"]]);
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
