//! Which redirect URIs a request may name.

use crate::config::{Client, ClientKind};
use crate::error::{Refused, Result};
use symbolon_oauth::form::Form;
use symbolon_oauth::redirect::{self, RedirectKind};

/// RFC 9700 2.1: byte-exact, loopback ports excepted.
pub fn redirect_is_registered(client: &Client, uri: &str) -> bool {
    client.redirect_uris.iter().any(|registered| redirect::matches(registered, uri))
}

/// The redirect URI of a request. A bad one is a page, never a redirect.
pub(super) fn checked(client: &Client, form: &Form) -> Result<String> {
    let invalid = |hint| Refused::bad_request("invalid_request", hint);
    if client.kind == ClientKind::Service {
        return Err(Refused::bad_request("unauthorized_client", "This client is a service: nobody signs in to it.").into());
    }
    let Some(asked) = form.get("redirect_uri") else {
        // OpenID Connect Core 3.1.2.1 and FAPI 2.0 5.3.2.2 6: it is always said.
        let may_be_left_out = !is_openid(form) && client.profile.is_none() && !form.contains("redirect_uri");
        return match client.redirect_uris.as_slice() {
            [only] if may_be_left_out => Ok(only.clone()),
            _ => Err(invalid("The redirect_uri parameter is missing.").into()),
        };
    };
    if redirect_is_registered(client, asked) {
        return Ok(asked.to_owned());
    }
    Err(invalid(why_not(client, asked)).because(format!("not registered: {}", for_log(asked))).into())
}

/// A redirect URI as a log may have it. Its query and its fragment may hold a code, and its userinfo a password (578-V).
fn for_log(uri: &str) -> String {
    let place = uri.split(['?', '#']).next().unwrap_or_default();
    let behind = if place.len() < uri.len() { ", and more behind it" } else { "" };
    let (scheme, rest) = place.split_once("://").unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let seen = match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{host}{path}"),
        None => place.to_owned(),
    };
    let seen: String = seen.chars().take(200).collect();
    format!("redirect_uri {seen:?}{behind}")
}

fn is_openid(form: &Form) -> bool {
    form.get("scope").is_some_and(|scope| scope.split(' ').any(|word| word == "openid"))
}

/// The hint for a redirect URI that is not registered.
fn why_not(client: &Client, asked: &str) -> &'static str {
    if redirect::is_loopback_without_path(asked) {
        return "The redirect_uri has no path: send one that the client registered, if only a slash.";
    }
    if client.stranger().is_some_and(|it| it.waiting.iter().any(|waiting| waiting == asked)) {
        return "The scheme of the redirect_uri counts once its owner has proved its host: see host_proofs of the registration.";
    }
    let has_loopback = || client.redirect_uris.iter().any(|it| redirect::kind_of(it) == Some(RedirectKind::Loopback));
    if is_localhost(asked) && has_loopback() {
        return "The host of the redirect_uri is localhost; send the address that the client registered, such as 127.0.0.1 (RFC 8252 8.3).";
    }
    // RFC 8252 7.3
    "The redirect_uri is not one the client registered; it must match byte for byte, except for the port of a loopback address."
}

/// The name in place of an address: no client can register it.
fn is_localhost(uri: &str) -> bool {
    uri.strip_prefix("http://localhost").is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/', '?']))
}

#[cfg(test)]
mod tests {
    use super::for_log;

    #[test]
    fn a_log_has_the_place_of_a_redirect_uri_and_nothing_that_may_be_secret() {
        assert_eq!(for_log("https://app.example/cb"), "redirect_uri \"https://app.example/cb\"");
        for uri in ["https://app.example/cb?code=SC_secret", "https://app.example/cb#SC_secret", "https://u:SC_secret@app.example/cb?x"] {
            let logged = for_log(uri);
            assert!(logged.starts_with("redirect_uri \"https://app.example/cb\"") && !logged.contains("secret"), "{logged}");
        }
        assert_eq!(for_log("com.example.app:/cb?code=SC_secret"), "redirect_uri \"com.example.app:/cb\", and more behind it");
        assert!(for_log(&"x".repeat(10_000)).len() < 300);
    }
}
