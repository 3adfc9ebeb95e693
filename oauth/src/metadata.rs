//! Where clients find a server's metadata. RFC 8414 3 puts its name before the issuer's path; OpenID Connect Discovery 4 puts its own
//! name after the path.

use serde::{Deserialize, Serialize};

/// The members of a server's metadata that a client or an API needs. Unknown members are ignored.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct AuthorizationServerMetadata {
    pub issuer: String,
    pub authorization_endpoint: Option<String>,
    pub token_endpoint: Option<String>,
    pub jwks_uri: Option<String>,
    pub userinfo_endpoint: Option<String>,
    pub introspection_endpoint: Option<String>,
    pub revocation_endpoint: Option<String>,
    pub end_session_endpoint: Option<String>,
    pub pushed_authorization_request_endpoint: Option<String>,
    /// draft-ietf-oauth-first-party-apps-04 4.
    pub authorization_challenge_endpoint: Option<String>,
    pub require_pushed_authorization_requests: bool,
    pub code_challenge_methods_supported: Vec<String>,
    pub authorization_response_iss_parameter_supported: bool,
    /// An extension of this server: where an API learns which sessions and tokens ended early.
    pub endings_endpoint: Option<String>,
    /// Another one: where an app reads what organisations ask its person, and answers.
    pub pending_requests_endpoint: Option<String>,
    /// Where the person lets another device in (RFC 8628).
    pub pending_devices_endpoint: Option<String>,
    /// And where it gets an address for the browser.
    pub handover_endpoint: Option<String>,
}

/// `https://host/.well-known/oauth-authorization-server/path`
pub fn well_known_oauth(issuer: &str) -> String {
    let after = issuer.find("://").map_or(0, |it| it + 3);
    let path_at = issuer[after..].find('/').map_or(issuer.len(), |it| it + after);
    format!("{}/.well-known/oauth-authorization-server{}", &issuer[..path_at], &issuer[path_at..])
}

/// `https://host/path/.well-known/openid-configuration`
pub fn well_known_openid(issuer: &str) -> String {
    format!("{issuer}/.well-known/openid-configuration")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_well_known_address_is_made_with_and_without_a_path() {
        assert_eq!(well_known_oauth("https://a.example"), "https://a.example/.well-known/oauth-authorization-server");
        assert_eq!(well_known_oauth("https://a.example/t/1"), "https://a.example/.well-known/oauth-authorization-server/t/1");
        assert_eq!(well_known_openid("https://a.example/t"), "https://a.example/t/.well-known/openid-configuration");
    }
}
