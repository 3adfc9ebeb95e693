//! The native face. It says which clients may ask a person on screens of their own, and when the browser is needed all the same.

use super::consent::Assured;
use super::request::AuthorizationRequest;
use crate::caller::Caller;
use crate::config::{Client, ClientAuthentication, Profile, TierName};
use crate::error::{Refused, Result};

/// What assures that a first-party client drives the native face: a key that the *client* is known by. A DPoP key that nobody vouched
/// for is not one, because the server of a phishing page could make it.
pub fn admit(caller: &Caller) -> Result<Assured> {
    let client = &caller.client;
    let refused = |why: &str| Err(unauthorized().because(why).into());
    if !client.native {
        return refused("the client has no native = true");
    }
    if !client.first_party {
        return refused("the client is not first_party");
    }
    if client.profile == Some(Profile::Fapi2) || client.require_signed_request_object {
        return refused("FAPI 2.0, and clients that must sign their requests, use the browser");
    }
    if !client.allows_grant("authorization_code") {
        return refused("the client may not use the code flow");
    }
    let Some(rules) = &client.attestation else {
        use ClientAuthentication as Method;
        let by_key = matches!(client.authentication, Method::PrivateKeyJwt | Method::TlsClientAuth | Method::SelfSignedTlsClientAuth);
        return if by_key && caller.authenticated {
            Ok(Assured::ClientAuthentication)
        } else {
            refused("no key that the client is known by")
        };
    };
    // What `observe` alone lets in has broken a rule.
    let tier = caller.instance.as_ref().map_or(TierName::None, |instance| instance.tier);
    if tier == TierName::None || !client.native_tiers.contains(&tier) || rules.only_observes(tier) {
        return refused(&format!("the tier {} is not one of native_tiers", tier.as_str()));
    }
    Ok(Assured::Attested(tier))
}

fn unauthorized() -> Refused {
    Refused::bad_request("unauthorized_client", "This installation may not sign people in on its own screens; use the browser.")
}

/// Does the operator send this sign-in to the browser: for the client, the tier, or one of the scopes?
pub fn belongs_to_web(client: &Client, assured: Assured, request: &AuthorizationRequest) -> bool {
    let by_tier = match assured {
        Assured::Attested(tier) => client.web_only_tiers.contains(&tier),
        _ => false,
    };
    let scope = request.asked_scope();
    client.web_only || by_tier || client.web_only_scopes.iter().any(|word| scope.contains(word))
}

/// Is this the caller that the sign-in was begun by: the same client, the same installation, the same key?
pub fn is_of(request: &AuthorizationRequest, caller: &Caller) -> bool {
    let instance = caller.instance.as_ref().map(|instance| instance.jkt.as_str());
    let same_key = request.dpop_jkt.is_none() || request.dpop_jkt.as_deref() == caller.jkt();
    request.client_id == caller.client_id && request.instance.as_deref() == instance && same_key
}
