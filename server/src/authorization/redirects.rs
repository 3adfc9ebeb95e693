//! Which redirect URIs a request may name.

use crate::config::Client;
use symbolon_oauth::redirect;

/// RFC 9700 2.1: byte-exact, loopback ports excepted.
pub fn redirect_is_registered(client: &Client, uri: &str) -> bool {
    client.redirect_uris.iter().any(|registered| redirect::matches(registered, uri))
}

/// The hint for a redirect URI that is not registered.
pub(super) fn why_not(client: &Client, asked: &str) -> &'static str {
    if redirect::is_loopback_without_path(asked) {
        return "The redirect_uri has no path: send one that the client registered, if only a slash.";
    }
    if client.stranger().is_some_and(|it| it.waiting.iter().any(|waiting| waiting == asked)) {
        return "The scheme of the redirect_uri counts once its owner has proved its host: see host_proofs of the registration.";
    }
    "The redirect_uri is not one the client registered; it must match byte for byte."
}
