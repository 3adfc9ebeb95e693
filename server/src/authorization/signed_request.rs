//! The request object (RFC 9101 6), for authorization requests and for what clients ask people (CIBA Core 7.1.1).

use super::Authority;
use crate::config::{NamedClient, SecurityProfile};
use crate::error::Refused;
use symbolon_oauth::form::Form;
use symbolon_oauth::jws;
use symbolon_oauth::request_object::{self, Endpoint, RequestObject};

/// Only the client's own keys count, and nothing is fetched.
pub fn open(authority: &Authority<'_>, named: NamedClient<'_>, form: &Form, endpoint: Endpoint) -> Result<RequestObject, Refused> {
    let NamedClient { client_id, client } = named;
    let keys = client.jwks.as_ref().and_then(|it| it.keys().ok());
    let unknown = || Refused::bad_request("request_not_supported", "This client registered no keys (jwks) to sign requests with.");
    let keys = keys.ok_or_else(unknown)?;
    let text = form.get("request").unwrap_or_default();
    if !client.may_sign_with(jws::Unverified::parse(text).ok().and_then(|it| it.alg())) {
        return Err(Refused::bad_request("invalid_request_object", "This client's profile does not allow RS256."));
    }
    let expected = request_object::Expected {
        endpoint,
        client_id,
        issuer: &authority.config.issuer,
        algorithm: client.request_object_signing_alg,
        wants_nbf: client.profile == Some(SecurityProfile::Fapi2) || client.require_signed_request_object,
        now_s: authority.now_ms() / 1000,
    };
    let refused = |why| Refused::bad_request("invalid_request_object", why);
    let opened = request_object::check(text, keys, &expected).map_err(refused)?;
    if authority.recovery.is_forgotten_s(opened.made_s) {
        return Err(refused("The request object was made before this server was restored; sign a new one."));
    }
    Ok(opened)
}
