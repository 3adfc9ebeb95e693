//! What is wrong with a table `[upstream.NAME]`.

use super::mapping;
use super::preset::{ANY_TENANT, CONSUMERS, Preset, SHARED_TENANTS, is_tenant_id};
use super::table::Upstream;
use super::words::{Protocol, SecretSentBy};
use crate::config::span::Span;
use crate::config::url::is_address;
use std::collections::BTreeMap;

/// The longest name; it stands in addresses and in every proof.
const LONGEST_NAME: usize = 32;
/// Names that a person may change and another one may then take (442-B).
const REASSIGNED: [&str; 17] = [
    "login",
    "loginname",
    "username",
    "user",
    "preferredusername",
    "nickname",
    "nick",
    "handle",
    "screenname",
    "name",
    "displayname",
    "fullname",
    "email",
    "emailaddress",
    "mail",
    "upn",
    "phonenumber",
];
const MOST_SKEW: Span = Span::minutes(5);

impl Upstream {
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
        rule(!is_address(&self.issuer, development, false), "issuer is no https URL without query and fragment");
        if let Some(check) = &self.check {
            rule(check.every < Span::minutes(1), "check: every is at least 1m");
            rule(check.max_age < check.every, "check: max_age is at least as long as every");
        }
        if let Some(formerly) = &self.formerly {
            let own = (self.issuer.as_str(), self.client_id.as_str());
            rule(formerly.or(own) == own, "formerly names neither another issuer nor another client_id");
            let is_written = |value: &Option<String>| value.as_ref().is_none_or(|it| !it.is_empty());
            rule(!is_written(&formerly.issuer) || !is_written(&formerly.client_id), "formerly has an empty text");
        }
        let is_scope =
            |scope: &String| !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
        rule(!self.scopes.iter().all(is_scope), "a scope has a character that no scope can have (RFC 6749 3.3)");
        rule(self.sign_out_hint && !self.sign_out, "sign_out_hint is for sign_out = true");
        rule(self.clock_skew > MOST_SKEW, "clock_skew is at most 5m");
        let is_domain =
            |domain: &String| domain.contains('.') && domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
        rule(!self.authoritative_for.iter().all(is_domain), "authoritative_for lists domains such as example.com");
        rule(self.required_claims.values().any(Vec::is_empty), "a list of required_claims is empty: nobody could ever sign in");
        let specific = match self.protocol {
            Protocol::Openid => self.openid_problems(),
            Protocol::Oauth2 => self.oauth2_problems(development),
        };
        for what in specific.into_iter().chain(preset_problems(self)).chain(mapping::problems(&self.claims)) {
            rule(true, &what);
        }
        found
    }

    fn openid_problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.dpop && self.release.is_some() {
            found.push("release: a token that is bound to a key of this server (dpop) is of no use to an API".to_owned());
        }
        let is_public = self.secret.is_none() && self.key.is_none();
        if self.dpop && self.check.is_some() && is_public {
            found.push("check: without a secret or a key, the refresh token would be bound to a key that is not kept (dpop)".to_owned());
        }
        if !self.scopes.iter().any(|scope| scope == "openid") {
            found.push("scopes lacks openid, without which there is no ID token".to_owned());
        }
        if self.algorithms.is_empty() {
            found.push("algorithms is empty: no ID token could be accepted".to_owned());
        }
        let endpoints = [&self.authorization_endpoint, &self.token_endpoint, &self.userinfo_endpoint];
        if endpoints.iter().any(|address| !address.is_empty()) || self.emails_endpoint.is_some() {
            found.push("endpoints are for protocol = \"oauth2\": an OpenID provider names its own".to_owned());
        }
        found
    }

    /// Nothing is signed there, so the provider must know who asks, and every address is the operator's.
    fn oauth2_problems(&self, development: bool) -> Vec<String> {
        let mut found = Vec::new();
        let required = [
            ("authorization_endpoint", &self.authorization_endpoint),
            ("token_endpoint", &self.token_endpoint),
            ("userinfo_endpoint", &self.userinfo_endpoint),
        ];
        let optional = self.emails_endpoint.iter().map(|address| ("emails_endpoint", address));
        for (name, address) in required.into_iter().chain(optional) {
            if !is_address(address, development, true) {
                found.push(format!("{name} is no https URL"));
            }
        }
        if self.dpop || self.decryption_key.is_some() {
            found.push("dpop and decryption_key are for a provider of OpenID Connect".to_owned());
        }
        if self.sign_out {
            found.push("sign_out is for a provider with a discovery document".to_owned());
        }
        if self.revoke {
            found.push("revoke is for a provider with a discovery document".to_owned());
        }
        if self.pushed_requests {
            found.push("pushed_requests is for a provider with a discovery document".to_owned());
        }
        if self.secret.is_none() && self.key.is_none() {
            found.push("without an ID token, the provider must know who exchanges a code: there is no secret".to_owned());
        }
        if self.subject.is_empty() {
            found.push("subject is the member of the userinfo document that names a person for ever".to_owned());
        }
        let is_presets = self.preset.is_some_and(|it| it.values().subject == self.subject);
        let plain = self.subject.to_ascii_lowercase().replace(['_', '-', '.', ' '], "");
        if REASSIGNED.contains(&plain.as_str()) {
            found.push(format!("subject = {:?}: such a name may be given to somebody else, who would get the account", self.subject));
        } else if !self.subject_is_permanent && !is_presets {
            let what =
                "subject: say subject_is_permanent = true if the provider promises that it is unique and never given to somebody else";
            found.push(what.to_owned());
        }
        found
    }
}

fn preset_problems(upstream: &Upstream) -> Vec<String> {
    let mut found = apple(upstream);
    found.extend(microsoft(upstream));
    found
}

fn apple(upstream: &Upstream) -> Vec<String> {
    let mut found = Vec::new();
    let mut rule = |is_broken: bool, what: &str| {
        if is_broken {
            found.push(what.to_owned());
        }
    };
    let is_apple_id = |id: &Option<String>| id.as_ref().is_some_and(|id| id.len() == 10 && id.bytes().all(|it| it.is_ascii_alphanumeric()));
    if upstream.preset == Some(Preset::Apple) {
        rule(!is_apple_id(&upstream.team_id), "team_id is the ten characters of the developer team");
        rule(!is_apple_id(&upstream.key_id), "key_id is the ten characters of the team's key");
        rule(upstream.key.is_none(), "key is missing: the file AuthKey_KEYID.p8 of the team");
        rule(
            upstream.secret.is_some(),
            "secret: Apple's client secret runs out after six months. With `key` the server makes it anew each time",
        );
        rule(upstream.authentication != SecretSentBy::ClientSecretPost, "authentication: Apple takes client_secret_post alone");
    } else if upstream.authentication == SecretSentBy::PrivateKeyJwt {
        rule(upstream.key.is_none() || upstream.key_id.is_none(), "private_key_jwt needs key, and key_id as the provider knows it");
        rule(upstream.secret.is_some(), "secret: with private_key_jwt the key takes its place");
        rule(upstream.team_id.is_some(), "team_id is for preset = \"apple\"");
    } else if upstream.authentication.shows_certificate() {
        rule(upstream.key.is_none() || upstream.certificate.is_none(), "a client certificate needs certificate, and key");
        rule(upstream.secret.is_some(), "secret: the certificate takes its place");
        rule(upstream.team_id.is_some() || upstream.key_id.is_some(), "team_id and key_id are not for a certificate");
    } else {
        let is_set = upstream.team_id.is_some() || upstream.key_id.is_some() || upstream.key.is_some();
        rule(is_set, "team_id, key_id and key are for preset = \"apple\", the last two also for authentication = \"private_key_jwt\"");
    }
    let has_certificate = upstream.certificate.is_some() && !upstream.authentication.shows_certificate();
    rule(has_certificate, "certificate is for authentication = \"tls_client_auth\" or \"self_signed_tls_client_auth\"");
    found
}

fn microsoft(upstream: &Upstream) -> Vec<String> {
    let (tenant, tenants) = (upstream.tenant.as_deref(), &upstream.tenants);
    let problem = match (upstream.preset, tenant) {
        (Some(Preset::Microsoft), None) => "tenant is missing: common, organizations, consumers, or the id of one tenant",
        (Some(Preset::Microsoft), Some(shared)) if SHARED_TENANTS.contains(&shared) => {
            let is_any = *tenants == [ANY_TENANT];
            let are_ids = !tenants.is_empty() && tenants.iter().all(|id| is_tenant_id(id));
            if is_any || are_ids {
                return Vec::new();
            }
            "with a shared tenant, tenants lists the ids of those whose people may come, or is [\"any\"]"
        }
        (Some(Preset::Microsoft), Some(one)) if one == CONSUMERS || is_tenant_id(one) => {
            if tenants.is_empty() {
                return Vec::new();
            }
            "tenants is for tenant = \"common\" or \"organizations\""
        }
        (Some(Preset::Microsoft), Some(_)) => "tenant is common, organizations, consumers, or a tenant's id in lower case",
        (_, None) if tenants.is_empty() => return Vec::new(),
        _ => "tenant and tenants are for preset = \"microsoft\"",
    };
    vec![problem.to_owned()]
}

pub(in crate::config) fn problems(all: &BTreeMap<String, Upstream>, development: bool) -> Vec<String> {
    all.iter().flat_map(|(name, upstream)| upstream.problems(name, development)).chain(shared_keys(all)).collect()
}

/// A key of ours belongs to one provider: what is signed or shown for one must be nothing at another one.
fn shared_keys(all: &BTreeMap<String, Upstream>) -> Vec<String> {
    let keys: Vec<_> = all
        .iter()
        .flat_map(|(name, it)| [it.key.as_ref(), it.decryption_key.as_ref()].into_iter().flatten().map(move |key| (name, it, key)))
        .collect();
    let mut found = Vec::new();
    for (at, (name, upstream, key)) in keys.iter().enumerate() {
        for (other, theirs, _) in keys[..at].iter().filter(|(_, theirs, it)| it == key && theirs.issuer != upstream.issuer) {
            found.push(format!(
                "[upstream.{name}]: it has a key of [upstream.{other}], which is {}; each provider gets its own",
                theirs.issuer
            ));
        }
    }
    found
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
        let certificate = "authentication = \"self_signed_tls_client_auth\"\ncertificate = \"c.pem\"\nkey = { env = \"K\" }";
        assert!(read("any", certificate).is_ok() && read("any", "dpop = true\ndecryption_key = { env = \"K\" }").is_ok());
        assert!(read("any-1", "").is_ok() && read("any", "check = { every = \"1h\" }").is_ok());
        assert!(read("any", "authentication = \"private_key_jwt\"\nkey = { env = \"K\" }\nkey_id = \"1\"").is_ok());
        for (name, more, why) in [
            ("Any", "", "lower-case letters"),
            ("a:b", "", "lower-case letters"),
            ("", "", "lower-case letters"),
            ("any", "scopes = [\"email\"]", "lacks openid"),
            ("any", "scopes = [\"openid\", \"a b\"]", "no scope can have"),
            ("any", "algorithms = []", "algorithms is empty"),
            ("any", "clock_skew = \"6m\"", "at most 5m"), // S-20
            ("any", "authoritative_for = [\"*.example.com\"]", "lists domains"),
            ("any", "linking = \"maybe\"", "unknown variant"),
            ("any", "accounts = \"\"", "unknown variant"),
            ("any", "on_logout = \"nothing\"", "unknown variant"),
            ("any", "authentication = \"private_key_jwt\"", "needs key"),
            ("any", "authentication = \"private_key_jwt\"\nkey = { env = \"K\" }", "needs key"),
            (
                "any",
                "authentication = \"private_key_jwt\"\nkey = { env = \"K\" }\nkey_id = \"1\"\nsecret = { env = \"S\" }",
                "takes its place",
            ),
            ("any", "key_id = \"1\"", "for preset = \"apple\""),
            ("any", "authentication = \"tls_client_auth\"", "needs certificate"),
            ("any", "authentication = \"tls_client_auth\"\ncertificate = \"c.pem\"", "needs certificate"),
            (
                "any",
                "authentication = \"tls_client_auth\"\ncertificate = \"c.pem\"\nkey = { env = \"K\" }\nsecret = { env = \"S\" }",
                "takes its place",
            ),
            ("any", "certificate = \"c.pem\"", "certificate is for"),
            ("any", "dpop = \"yes\"", "expected a boolean"),
            ("any", "dpop = true\ncheck = { every = \"1h\" }", "not kept"),
            ("any", "check = {}", "missing field"),
            ("any", "check = { every = \"10s\" }", "at least 1m"),
            ("any", "check = { every = \"2d\" }", "at least as long"),
            ("any", "check = { every = \"1h\", max_age = \"0s\" }", "at least as long"),
            ("any", "formerly = { subjects = \"same\" }", "neither another issuer nor"),
            ("any", "formerly = { client_id = \"us\", subjects = \"same\" }", "neither another issuer nor"),
            ("any", "formerly = { issuer = \"\", subjects = \"same\" }", "empty text"),
            ("any", "formerly = { issuer = \"https://old.example\" }", "missing field"),
            ("any", "formerly = { issuer = \"https://old.example\", subjects = \"\" }", "unknown variant"),
        ] {
            let error = read(name, more).unwrap_err();
            assert!(error.contains(why), "{name} {more}: {error}");
        }
    }

    /// 442-B: the operator answers for the member that names a person, and names that wander are refused whatever he says.
    #[test]
    fn a_plain_subject_is_declared_permanent() {
        let at = "https://op.example/x";
        let oauth = |more: &str| {
            let endpoints =
                ["authorization_endpoint", "token_endpoint", "userinfo_endpoint"].map(|name| format!("{name} = \"{at}\"\n")).concat();
            read("any", &format!("protocol = \"oauth2\"\nscopes = []\nsecret = {{ env = \"S\" }}\n{endpoints}{more}"))
        };
        assert!(oauth("subject = \"uid\"\nsubject_is_permanent = true").is_ok(), "the twin");
        assert!(oauth("subject = \"uid\"").unwrap_err().contains("subject_is_permanent"));
        for name in ["login", "email", "Email", "user_name", "preferred_username", "upn"] {
            let error = oauth(&format!("subject = \"{name}\"\nsubject_is_permanent = true")).unwrap_err();
            assert!(error.contains("given to somebody else"), "{name}: {error}");
        }
        let github = |more: &str| read("any", &format!("preset = \"github\"\nsecret = {{ env = \"S\" }}\n{more}"));
        assert!(github("").is_ok() && github("subject = \"login\"").is_err() && github("subject = \"node_id\"").is_err());
    }

    #[test]
    fn a_key_belongs_to_one_provider() {
        let both = |issuer: &str, key: &str| {
            let jwt = |key: &str| format!("authentication = \"private_key_jwt\"\nkey_id = \"1\"\nkey = {{ file = \"{key}\" }}");
            let other = format!("[upstream.other]\nlabel = \"Other\"\nissuer = \"{issuer}\"\nclient_id = \"them\"\n{}", jwt(key));
            read("any", &format!("{}\n{other}", jwt("any.key")))
        };
        assert!(both("https://other.example", "any.key").unwrap_err().contains("each provider gets its own"));
        assert!(both("https://other.example", "other.key").is_ok(), "the twin");
        assert!(both("https://op.example", "any.key").is_ok(), "two clients of ours at one provider");
    }

    #[test]
    fn an_issuer_is_https_and_nothing_behind_the_path() {
        for good in ["https://op.example", "https://op.example/tenant/v2.0", "https://op.example:8443/"] {
            assert!(is_address(good, false, false), "{good}");
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
            assert!(!is_address(bad, false, false), "{bad:?}");
        }
        let is_issuer = |text, development| is_address(text, development, false);
        assert!(is_issuer("http://127.0.0.1:9000", true) && !is_issuer("http://127.0.0.1:9000", false));
        assert!(!is_issuer("http://10.0.0.1", true) && !is_issuer("http://op.example", true));
        assert!(is_address("https://op.example/me?fields=id", false, true) && !is_issuer("https://op.example/me?fields=id", false));
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
        assert!(any.is_authoritative_for("a@example.COM", None));
        for other in ["a@sub.example.com", "a@evil-example.com", "example.com", "a@", "@", ""] {
            assert!(!any.is_authoritative_for(other, Some("example.com")), "{other}");
        }
        let config = read("any", "preset = \"google\"\nauthoritative_for = [\"example.com\", \"gmail.com\"]").unwrap();
        let google = &config.upstream["any"];
        assert!(google.is_authoritative_for("a@gmail.com", None) && google.is_authoritative_for("a@example.com", Some("example.com")));
        assert!(!google.is_authoritative_for("a@example.com", None), "anybody can have a Google account with any address");
        assert!(!google.is_authoritative_for("a@example.com", Some("example.org")));
    }
}
