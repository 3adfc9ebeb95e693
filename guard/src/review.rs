//! What is allowed in the configuration but weak, for `symbolon guard check`.

use crate::config::{Api, Config};
use crate::path::Pattern;
use symbolon_oauth::certificate::parse_net;

/// The weak spots, each with the place it is at.
pub fn weak_spots(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    let is_far = |it: &&String| parse_net(it).is_some_and(|net| !net.network().is_loopback());
    found.extend(config.proxies.iter().filter(is_far).map(|it| {
        format!("proxies: {it} asks over a network without encryption; whoever reads there has the tokens. Put the guard beside the proxy")
    }));
    for (name, api) in &config.api {
        found.extend(of_api(api).into_iter().map(|it| format!("[api.{name}]: {it}")));
    }
    found
}

fn of_api(api: &Api) -> Vec<String> {
    let mut found = Vec::new();
    if api.public_url.is_none() {
        found.push("without public_url there is no DPoP: a stolen token works for whoever has it".to_owned());
    }
    if api.credentials.is_none() {
        found.push("without credentials the guard does not learn what ended: a token works until it expires".to_owned());
    }
    if api.pass_token {
        found.push("pass_token: the API gets the token too, and may use or log it".to_owned());
    }
    for route in &api.routes {
        if let Some(observe) = &route.observe {
            found.push(format!(
                "the route {} lets tokens of {} through until {}; only the API's old check protects it",
                route.path,
                observe.issuers.join(", "),
                observe.until
            ));
        }
        let is_open = Pattern::parse(&route.path).is_ok_and(|it| it.is_open());
        if route.public && is_open {
            found.push(format!("the route {} is public, and stands for paths that nobody wrote down", route.path));
        }
        let reads = |it: &String| ["GET", "HEAD", "OPTIONS"].contains(&it.as_str());
        let writes = route.methods.as_ref().is_none_or(|it| !it.iter().all(reads));
        if !route.public && writes && api.public_url.is_some() && !route.require_dpop && !api.client_certificates {
            found.push(format!("the route {} writes, and takes bearer tokens; add require_dpop = true", route.path));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::path::Path;

    fn found(api: &str, route: &str) -> Vec<String> {
        let text = format!(
            "issuer = \"https://login.example.com\"\nlisten = \"127.0.0.1:0\"\n[api.orders]\naudience = \"https://api.example.com/orders\"\n{api}\n\
             [[api.orders.routes]]\npath = \"/orders/**\"\n{route}\n"
        );
        weak_spots(&Config::parse(&text, Path::new(".")).unwrap())
    }

    #[test]
    fn what_is_weak_is_said_and_what_is_not_is_not() {
        let good = "public_url = \"https://api.example.com\"\ncredentials = { name = \"orders\", secret = { env = \"S\" } }";
        let route = "scope = \"orders:read\"\nmethods = [\"GET\"]";
        assert!(found(good, route).is_empty(), "{:?}", found(good, route));
        for (api, route, word) in [
            ("public_url = \"https://api.example.com\"", route, "without credentials"),
            ("credentials = { name = \"orders\", secret = { env = \"S\" } }", route, "without public_url"),
            (&format!("{good}\npass_token = true"), route, "pass_token"),
            (good, "public = true", "is public"),
            (
                good,
                "scope = \"orders:read\"\nmethods = [\"GET\"]\nobserve = { issuers = [\"unknown\"], until = \"2026-12-31\" }",
                "old check",
            ),
            (good, "scope = \"orders:read\"", "writes"),
        ] {
            let found = found(api, route);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found.iter().all(|it| it.contains(word)), "{found:?}");
        }
    }
}
