//! `native_providers` of a client: which ID tokens of a provider's SDK the app may answer a native step with.

use super::upstream::{NonceRule, Upstream};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// By the name of the provider. The lists belong to this client at this provider, and to nobody else.
pub type NativeProviders = BTreeMap<String, SdkTokens>;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SdkTokens {
    /// Who such a token may be for (`aud`).
    pub audiences: Vec<String>,
    /// Who may have asked for it (`azp`), beside the audiences.
    #[serde(default)]
    pub authorized_parties: Vec<String>,
}

/// The most names in a list.
const MOST: usize = 16;

pub(super) fn problems(client_is_native: bool, tokens: &NativeProviders, providers: &BTreeMap<String, Upstream>) -> Vec<String> {
    let mut found = Vec::new();
    if !tokens.is_empty() && !client_is_native {
        found.push("native_providers needs native = true".to_owned());
    }
    for (name, rules) in tokens {
        let mut rule = |is_broken: bool, what: &str| {
            if is_broken {
                found.push(format!("native_providers.{name}: {what}"));
            }
        };
        let provider = providers.get(name);
        rule(provider.is_none(), &format!("there is no [upstream.{name}]"));
        rule(provider.is_some_and(|it| !it.is_openid()), "this provider has no ID tokens, and an access token is never an answer");
        rule(
            provider.is_some_and(|it| it.nonce == NonceRule::NotReturned),
            "without a nonce in the provider's ID tokens, anybody's old token would do",
        );
        let is_named = |id: &String| !id.is_empty() && id.len() <= 255;
        rule(rules.audiences.is_empty(), "audiences is empty: no token could be for anybody");
        let all = || rules.audiences.iter().chain(&rules.authorized_parties);
        rule(!all().all(is_named) || all().count() > MOST, "a list has at most 16 client ids of the provider");
    }
    found
}
