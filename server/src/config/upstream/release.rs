//! What is wrong with `release` of `[upstream.NAME]`: which API may have the provider's tokens, and which of their scopes.

use super::table::Upstream;
use crate::config::api::Api;
use std::collections::BTreeMap;

/// The rules that need to see the APIs.
pub(in crate::config) fn problems(all: &BTreeMap<String, Upstream>, apis: &BTreeMap<String, Api>) -> Vec<String> {
    let mut found = Vec::new();
    for (name, upstream, release) in all.iter().filter_map(|(name, it)| Some((name, it, it.release.as_ref()?))) {
        let mut rule = |is_broken: bool, what: String| {
            if is_broken {
                found.push(format!("[upstream.{name}] release: {what}"));
            }
        };
        match apis.get(&release.api) {
            None => rule(true, format!("there is no [api.{}]", release.api)),
            Some(api) => rule(!api.scope.contains_key(&release.scope), format!("[api.{}] has no scope {:?}", release.api, release.scope)),
        }
        let is_asked = |scope: &String| upstream.scopes.contains(scope);
        rule(release.scopes.is_empty(), "scopes lists what the given token may do at the provider".to_owned());
        rule(!release.scopes.iter().all(is_asked), "scopes has one that the provider is not asked for".to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use crate::config::Config;

    fn read(release: &str) -> Result<Config, String> {
        let text = format!(
            "issuer = \"https://a.example\"\n[api.orders]\naudience = \"https://api.example/orders\"\n[api.orders.scope.social]\ntext = \"x\"\n\
             [upstream.any]\nlabel = \"Any\"\nissuer = \"https://op.example\"\nclient_id = \"us\"\nscopes = [\"openid\", \"calendar\"]\n{release}"
        );
        Config::from_text(&text, "x", &|_| None).map_err(|error| error.to_string())
    }

    #[test]
    fn a_release_names_an_api_a_scope_and_what_is_given() {
        assert!(read("").unwrap().upstream["any"].release.is_none());
        assert!(read("release = { api = \"orders\", scope = \"social\", scopes = [\"calendar\"] }").is_ok());
        for (bad, why) in [
            ("release = { api = \"ledger\", scope = \"social\", scopes = [\"calendar\"] }", "there is no [api.ledger]"),
            ("release = { api = \"orders\", scope = \"other\", scopes = [\"calendar\"] }", "has no scope"),
            ("release = { api = \"orders\", scope = \"social\", scopes = [] }", "scopes lists"),
            ("release = { api = \"orders\", scope = \"social\", scopes = [\"mail\"] }", "is not asked for"),
            ("release = { api = \"orders\", scope = \"social\" }", "missing field"),
            ("release = {}", "missing field"),
        ] {
            let error = read(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
