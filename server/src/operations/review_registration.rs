//! What a review says of the policies by which clients register themselves.

use super::outcome::Finding;
use crate::config::{ClientPolicy, Config, Dpop};

pub(super) fn registration_findings(config: &Config) -> Vec<Finding> {
    config.client_registration.iter().flat_map(|(name, policy)| of_policy(name, policy)).collect()
}

fn of_policy(name: &str, policy: &ClientPolicy) -> Vec<Finding> {
    let section = format!("[client_registration.{name}]");
    let mut findings = vec![Finding::fact(match policy.open {
        true => format!("{section}: everybody may register clients, up to {} an hour from one network", policy.per_network),
        false => format!("{section}: whoever has a token of yours may register clients"),
    })];
    let mut weak = |holds: bool, what: &str| {
        if holds {
            findings.push(Finding::weak(format!("{section}: {what}")));
        }
    };
    weak(policy.unproved_schemes, "unproved_schemes: UNSAFE, any app may take the private-use scheme of another");
    weak(
        policy.without_nonce,
        "without_pkce and without_nonce: UNSAFE, a stolen code can be put into anybody's session with such a client",
    );
    weak(
        policy.without_pkce && !policy.without_nonce,
        "without_pkce: UNSAFE, only the client's check of the nonce ties a code to a browser",
    );
    weak(
        policy.open && !policy.apis.is_empty() && policy.dpop != Dpop::Required,
        "it is open and gives tokens for APIs without dpop = \"required\": a stolen token of a client that nobody knows works anywhere",
    );
    findings
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn each_choice_of_a_policy_that_helps_a_thief_is_named() {
        let weak = |more: &str| -> Vec<String> {
            let api = "[api.orders]\naudience = \"https://api.example\"\n[api.orders.scope.\"orders:read\"]\ntext = \"x\"\n";
            let text = format!("issuer = \"https://a.example\"\n{api}[client_registration.p]\n{more}");
            let config = Config::from_text(&text, "x", &|_| None).unwrap();
            registration_findings(&config).into_iter().filter(|it| it.weak).map(|it| it.text).collect()
        };
        let apis = "apis = { orders = [\"orders:read\"] }\n";
        for good in ["", "open = true", apis, &format!("open = true\ndpop = \"required\"\n{apis}")] {
            assert_eq!(weak(good), Vec::<String>::new(), "{good}");
        }
        for (bad, says) in [
            ("unproved_schemes = true", "UNSAFE, any app"),
            ("without_pkce = true", "without_pkce: UNSAFE"),
            ("without_pkce = true\nwithout_nonce = true", "without_nonce: UNSAFE"),
            (&*format!("open = true\n{apis}"), "gives tokens for APIs"),
        ] {
            assert!(weak(bad).len() == 1 && weak(bad)[0].contains(says), "{bad}: {:?}", weak(bad));
        }
    }
}
