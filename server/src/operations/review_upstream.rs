//! What a reviewer says of the providers that people sign in with.

use super::outcome::Finding;
use crate::config::Config;
use crate::config::upstream::{ANY_TENANT, Linking, Newcomers, NonceRule, Upstream};

/// Domains that give an address to everybody who asks: whoever runs them is the only one to vouch for them.
const OPEN_TO_ALL: [&str; 9] =
    ["gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "yahoo.com", "icloud.com", "gmx.de", "web.de"];

pub(super) fn upstream_findings(config: &Config) -> Vec<Finding> {
    config.upstream.iter().flat_map(|(name, upstream)| of_provider(name, upstream)).collect()
}

fn of_provider(name: &str, upstream: &Upstream) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut weak = |holds: bool, what: String| {
        if holds {
            found.push(Finding::weak(format!("[upstream.{name}]: {what}")));
        }
    };
    weak(
        upstream.linking == Linking::Undated,
        "linking = \"undated\": a browser that somebody left open at the provider is enough to link its owner to another account"
            .to_owned(),
    );
    weak(
        upstream.nonce == NonceRule::NotReturned,
        "nonce = \"not-returned\": only PKCE holds an ID token to the sign-in it was made for".to_owned(),
    );
    for domain in upstream.authoritative_for.iter().filter(|domain| OPEN_TO_ALL.iter().any(|open| domain.eq_ignore_ascii_case(open))) {
        weak(true, format!("authoritative_for has {domain}, which everybody can have an address of: does this provider run it?"));
    }
    weak(
        upstream.tenants == [ANY_TENANT] && upstream.accounts == Newcomers::Create,
        "tenants = [\"any\"]: whoever has an account at Microsoft, private or of any company, can have one here".to_owned(),
    );
    weak(upstream.issuer.starts_with("http://"), "the provider is reached without TLS; for your own machine only".to_owned());
    found.push(Finding::fact(format!(
        "[upstream.{name}]: whoever controls {} can sign in as everybody who is linked there{}",
        upstream.issuer,
        if upstream.accounts == Newcomers::Create { ", and everybody there can have an account here" } else { "" }
    )));
    if let Some(release) = &upstream.release {
        let what = format!(
            "[api.{}] gets its tokens for people, for {}; they are kept in the store, sealed",
            release.api,
            release.scopes.join(", ")
        );
        found.push(Finding::fact(format!("[upstream.{name}]: {what}")));
    }
    if !upstream.is_openid() && upstream.linking == Linking::Fresh {
        let what = "plain OAuth does not say when somebody signed in, so nobody can link an account there to one here";
        found.push(Finding::fact(format!("[upstream.{name}]: {what}")));
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn each_choice_that_helps_a_thief_is_named() {
        let weak = |more: &str| {
            let config = Config::with_provider(more).unwrap();
            upstream_findings(&config).into_iter().filter(|finding| finding.weak).map(|finding| finding.text).collect::<Vec<_>>()
        };
        assert_eq!(weak("authoritative_for = [\"example.com\"]"), Vec::<String>::new());
        for (more, word) in [
            ("linking = \"undated\"", "left open"),
            ("nonce = \"not-returned\"", "only PKCE"),
            ("authoritative_for = [\"Gmail.com\"]", "everybody can have"),
            ("preset = \"microsoft\"\ntenant = \"common\"\ntenants = [\"any\"]\naccounts = \"create\"", "private or of any company"),
        ] {
            let found = weak(more);
            assert!(found.len() == 1 && found[0].contains(word), "{more}: {found:?}");
        }
    }
}
