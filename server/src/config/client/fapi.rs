//! FAPI 2.0 Security Profile (final) as a property of a client: what a client lacks of it. `profile = "fapi2"` makes every
//! lack an error; `symbolon check` tells it of every client. docs/fapi.md lists the 44 points with where each is kept.

use super::super::dpop::Dpop;
use super::super::file::Config;
use super::refresh::RefreshMode;
use super::section::Client;
use super::words::{ClientAuthentication, ClientKind};
use symbolon_oauth::jwk::Algorithm;
use symbolon_oauth::redirect::{self, RedirectKind};

/// Everything about this client that the profile does not allow. Empty: it conforms.
pub fn lacks(config: &Config, client: &Client) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut must = |holds: bool, why: &'static str| {
        if !holds {
            found.push(why);
        }
    };
    use ClientAuthentication as Method;
    let method = matches!(client.authentication, Method::PrivateKeyJwt | Method::TlsClientAuth | Method::SelfSignedTlsClientAuth);
    must(method, "authentication must be private_key_jwt, tls_client_auth or self_signed_tls_client_auth (5.3.2.1 6)");
    let constrained = client.dpop == Dpop::Required || client.tls_client_certificate_bound_access_tokens;
    must(constrained, "tokens must be bound: dpop = \"required\" or tls_client_certificate_bound_access_tokens = true (5.3.2.1 4)");
    let codes = client.allows_grant("authorization_code");
    must(!codes || client.must_push(), "require_pushed_authorization_requests must be true (5.3.2.2 3)");
    must(!client.without_pkce, "PKCE cannot be left out (5.3.2.2 5)");
    let refreshes = client.allows_grant("refresh_token");
    must(!refreshes || client.refresh.mode == RefreshMode::Static, "refresh.mode must be \"static\" (5.3.2.1 9)");
    let https = |uri: &String| match redirect::kind_of(uri) {
        Some(RedirectKind::ClaimedHttps) => true,
        Some(RedirectKind::Loopback) => client.kind == ClientKind::Native,
        Some(RedirectKind::PrivateScheme) | None => false,
    };
    must(client.redirect_uris.iter().all(https), "redirect_uris must be https, or loopback for an app (5.3.2.2 8)");
    let weak = |it: Option<Algorithm>| it.unwrap_or(config.signing.alg) == Algorithm::RS256;
    let apis = client.apis.keys().filter_map(|it| config.api.get(it));
    let signed = apis.into_iter().any(|it| weak(it.signing_alg)) || weak(client.id_token_signed_response_alg);
    must(!signed && !weak(client.authorization_signed_response_alg), "RS256 is not allowed for what this server signs (5.4.1 1)");
    let asks = [client.request_object_signing_alg, client.token_endpoint_auth_signing_alg].contains(&Some(Algorithm::RS256));
    must(!asks && !config.dpop.algorithms.contains(&Algorithm::RS256), "RS256 is not allowed for what the client signs (5.4.1 1)");
    found
}
