//! `[upstream.NAME]`: providers whose accounts people may sign in with. Each is the login method `upstream:NAME`.

use super::docs::{ALGORITHMS, Key, Kind, Presence, Section, defaulted, optional, required};
use super::secret::SecretSource;
use super::span::Span;
use super::url::read_url;
use serde::Deserialize;
use std::collections::BTreeMap;
use symbolon_oauth::jwk::Algorithm;

pub(super) const SECTION: Section = Section {
    path: "upstream.NAME",
    title: "Sign-in with other providers",
    text: "An OpenID Connect provider whose accounts people may sign in with. A login policy names it `upstream:NAME`. Register \
           `ISSUER/upstream/NAME/callback` there as the redirect URI. Its tokens never leave this server; apps get tokens of this server alone. \
           [social.md](social.md) explains it step by step.",
    presence: Presence::Absent,
    keys: KEYS,
    example: r#"
[upstream.anysocial]
label = "Anysocial"
issuer = "https://accounts.anysocial.example"
client_id = "example-shop"
secret = { file = "anysocial.secret" }
accounts = "create"
"#,
};

const KEYS: &[Key] = &[
    required("label", Kind::Text, r#""Anysocial""#, "The provider's name, as people know it. It stands on buttons and pages."),
    required(
        "issuer",
        Kind::Text,
        r#""https://accounts.anysocial.example""#,
        "The provider's issuer, byte for byte as its discovery document and its ID tokens have it.",
    ),
    required("client_id", Kind::Text, r#""example-shop""#, "What the provider calls this server."),
    optional(
        "secret",
        Kind::Secret,
        "the server is a public client there",
        r#"{ file = "anysocial.secret" }"#,
        "The client secret that goes with it.",
    ),
    defaulted(
        "authentication",
        Kind::OneOf(&["client_secret_basic", "client_secret_post"]),
        r#""client_secret_basic""#,
        "How the secret is sent to the provider's token endpoint.",
    ),
    defaulted("scopes", Kind::Texts, r#"["openid", "profile", "email"]"#, "What is asked of the provider. `openid` must be among it."),
    defaulted(
        "accounts",
        Kind::OneOf(&["invited", "create"]),
        r#""invited""#,
        "What happens when somebody comes whom no account is linked to. `invited`: the page says that there is no account. `create`: \
         a new account is made. An e-mail address never leads to an account that exists.",
    ),
    defaulted(
        "authoritative_for",
        Kind::Texts,
        "[]",
        "Domains for whose e-mail addresses the provider's word is enough. Such an address, if the provider calls it verified, becomes \
         the address and the login name of a new account. All others are kept as what the provider says, and are used for nothing.",
    ),
    defaulted(
        "linking",
        Kind::OneOf(&["fresh", "undated", "off"]),
        r#""fresh""#,
        "Whether a person who has an account may link one of the provider's to it. `fresh`: if the provider says that the person signed in \
         there within the last five minutes. `undated` takes any sign-in there. **UNSAFE:** a browser that somebody left open is then \
         enough to link its owner's account to another one.",
    ),
    defaulted("userinfo", Kind::Flag, "true", "Asks the provider's userinfo endpoint for what the ID token does not say."),
    optional(
        "prompt",
        Kind::OneOf(&["login", "select_account", "consent"]),
        "the provider decides",
        r#""select_account""#,
        "What the provider shows each time. `select_account` lets people change the account after they signed out here.",
    ),
    defaulted(
        "algorithms",
        Kind::SomeOf(ALGORITHMS),
        r#"["ES256", "PS256", "RS256", "EdDSA"]"#,
        "Algorithms that its ID tokens may be signed with.",
    ),
    defaulted("clock_skew", Kind::Time, r#""1m""#, "How far the provider's clock may be ahead of this server's, at most `5m`."),
    defaulted(
        "nonce",
        Kind::OneOf(&["required", "not-returned"]),
        r#""required""#,
        "`not-returned` is for a provider that leaves the `nonce` out of its ID tokens. **UNSAFE:** only PKCE then holds an ID token to \
         the sign-in it was made for.",
    ),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretSentBy {
    #[default]
    ClientSecretBasic,
    ClientSecretPost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Newcomers {
    #[default]
    Invited,
    Create,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Linking {
    #[default]
    Fresh,
    Undated,
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NonceRule {
    #[default]
    Required,
    NotReturned,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    Login,
    SelectAccount,
    Consent,
}

impl Prompt {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::SelectAccount => "select_account",
            Self::Consent => "consent",
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    pub label: String,
    pub issuer: String,
    pub client_id: String,
    #[serde(default)]
    pub secret: Option<SecretSource>,
    #[serde(default)]
    pub authentication: SecretSentBy,
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    #[serde(default)]
    pub accounts: Newcomers,
    #[serde(default)]
    pub authoritative_for: Vec<String>,
    #[serde(default)]
    pub linking: Linking,
    #[serde(default = "yes")]
    pub userinfo: bool,
    #[serde(default)]
    pub prompt: Option<Prompt>,
    #[serde(default = "algorithms")]
    pub algorithms: Vec<Algorithm>,
    #[serde(default = "clock_skew")]
    pub clock_skew: Span,
    #[serde(default)]
    pub nonce: NonceRule,
}

fn scopes() -> Vec<String> {
    ["openid", "profile", "email"].map(str::to_owned).to_vec()
}

fn yes() -> bool {
    true
}

fn algorithms() -> Vec<Algorithm> {
    vec![Algorithm::ES256, Algorithm::PS256, Algorithm::RS256, Algorithm::EdDSA]
}

fn clock_skew() -> Span {
    Span::minutes(1)
}

/// The longest name; it stands in addresses and in every proof.
const LONGEST_NAME: usize = 32;
const MOST_SKEW: Span = Span::minutes(5);

impl Upstream {
    /// Is the provider's word enough for an address of this domain? The whole domain is compared, without case.
    pub fn is_authoritative_for(&self, email: &str) -> bool {
        let domain = email.rsplit_once('@').map_or("", |(_, domain)| domain);
        !domain.is_empty() && self.authoritative_for.iter().any(|own| own.eq_ignore_ascii_case(domain))
    }

    fn problems(&self, name: &str, development: bool) -> Vec<String> {
        let mut found = Vec::new();
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let mut rule = |is_broken: bool, what: &str| {
            if is_broken {
                found.push(format!("[upstream.{name}]: {what}"));
            }
        };
        rule(
            !(1..=LONGEST_NAME).contains(&name.len()) || !name.bytes().all(is_plain),
            "the name has 1 to 32 lower-case letters, digits and dashes",
        );
        rule(self.label.trim().is_empty() || self.label.len() > 80, "label is the provider's name, at most 80 bytes");
        let is_shown = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        rule(self.client_id.is_empty() || !self.client_id.bytes().all(is_shown), "client_id is no text of visible ASCII (RFC 6749 A.1)");
        rule(!is_issuer(&self.issuer, development), "issuer is no https URL without query and fragment");
        rule(!self.scopes.iter().any(|scope| scope == "openid"), "scopes lacks openid, without which there is no ID token");
        let is_scope =
            |scope: &String| !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
        rule(!self.scopes.iter().all(is_scope), "a scope has a character that no scope can have (RFC 6749 3.3)");
        rule(self.algorithms.is_empty(), "algorithms is empty: no ID token could be accepted");
        rule(self.clock_skew > MOST_SKEW, "clock_skew is at most 5m");
        let is_domain =
            |domain: &String| domain.contains('.') && domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
        rule(!self.authoritative_for.iter().all(is_domain), "authoritative_for lists domains such as example.com");
        found
    }
}

fn is_issuer(text: &str, development: bool) -> bool {
    let Some(url) = read_url(text) else { return false };
    let is_here = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => return false,
    };
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && development && is_here);
    is_safe && url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none()
}

pub(super) fn problems(all: &BTreeMap<String, Upstream>, development: bool) -> Vec<String> {
    all.iter().flat_map(|(name, upstream)| upstream.problems(name, development)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::Config;

    fn read(name: &str, more: &str) -> Result<Config, String> {
        let text = format!(
            "issuer = \"https://a.example\"\n[upstream.\"{name}\"]\nlabel = \"Any\"\nissuer = \"https://op.example\"\nclient_id = \"us\"\n{more}"
        );
        Config::from_text(&text, "x", &|_| None).map_err(|error| error.to_string())
    }

    #[test]
    fn a_provider_that_cannot_be_meant_is_an_error_with_its_place() {
        assert!(read("any-1", "").is_ok());
        for (name, more, why) in [
            ("Any", "", "lower-case letters"),
            ("a:b", "", "lower-case letters"),
            ("", "", "lower-case letters"),
            ("any", "scopes = [\"email\"]", "lacks openid"),
            ("any", "scopes = [\"openid\", \"a b\"]", "no scope can have"),
            ("any", "algorithms = []", "algorithms is empty"),
            ("any", "clock_skew = \"6m\"", "at most 5m"),
            ("any", "authoritative_for = [\"*.example.com\"]", "lists domains"),
            ("any", "linking = \"maybe\"", "unknown variant"),
            ("any", "accounts = \"\"", "unknown variant"),
        ] {
            let error = read(name, more).unwrap_err();
            assert!(error.contains(why), "{name} {more}: {error}");
        }
    }

    #[test]
    fn an_issuer_is_https_and_nothing_behind_the_path() {
        for good in ["https://op.example", "https://op.example/tenant/v2.0", "https://op.example:8443/"] {
            assert!(is_issuer(good, false), "{good}");
        }
        for bad in [
            "http://op.example",
            "https://op.example?x",
            "https://op.example#x",
            "https://a:b@op.example",
            "op.example",
            "",
            "https://op.example\n",
        ] {
            assert!(!is_issuer(bad, false), "{bad:?}");
        }
        assert!(is_issuer("http://127.0.0.1:9000", true) && !is_issuer("http://127.0.0.1:9000", false));
        assert!(!is_issuer("http://10.0.0.1", true) && !is_issuer("http://op.example", true));
    }

    #[test]
    fn a_policy_names_providers_that_there_are() {
        assert!(read("any", "[login.social]\nrequire = [\"upstream:any\"]").is_ok());
        for (word, why) in [
            ("upstream:other", "there is no [upstream.other]"),
            ("upstream:", "there is no method \"upstream:\""),
            ("upstream", "there is no method \"upstream\""),
            ("password:any", "there is no method \"password:any\""),
        ] {
            let error = read("any", &format!("[login.social]\nrequire = [\"{word}\"]")).unwrap_err();
            assert!(error.contains(why), "{word}: {error}");
        }
    }

    #[test]
    fn a_domain_is_compared_whole() {
        let config = read("any", "authoritative_for = [\"Example.com\"]").unwrap();
        let any = &config.upstream["any"];
        assert!(any.is_authoritative_for("a@example.COM"));
        for other in ["a@sub.example.com", "a@evil-example.com", "example.com", "a@", "@", ""] {
            assert!(!any.is_authoritative_for(other), "{other}");
        }
    }
}
