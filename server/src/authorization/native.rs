//! The native face. It says which clients may ask a person on screens of their own, and when the browser is needed all the same.

use super::Authority;
use super::consent::Assured;
use super::request::AuthorizationRequest;
use crate::caller::Caller;
use crate::config::{Client, ClientAuthentication, ClientKind, NamedClient, SecurityProfile, TierName};
use crate::error::{Refused, Result};

/// What assures that a first-party client drives the native face: a key that the *client* is known by. A DPoP key that nobody vouched
/// for is not one, because the server of a phishing page could make it.
pub fn admit(caller: &Caller) -> Result<Assured> {
    let tier = caller.instance.as_ref().map_or(TierName::None, |instance| instance.tier);
    assured(&caller.client, caller.authenticated, tier).map_err(|why| unauthorized().because(why).into())
}

/// Err: why not.
fn assured(client: &Client, authenticated: bool, tier: TierName) -> std::result::Result<Assured, String> {
    if !client.native {
        return Err("the client has no native = true".to_owned());
    }
    if !client.first_party {
        return Err("the client is not first_party".to_owned());
    }
    if client.profile == Some(SecurityProfile::Fapi2) || client.require_signed_request_object {
        return Err("FAPI 2.0, and clients that must sign their requests, use the browser".to_owned());
    }
    if !client.allows_grant("authorization_code") {
        return Err("the client may not use the code flow".to_owned());
    }
    let Some(rules) = &client.attestation else {
        use ClientAuthentication as Method;
        let by_key = matches!(client.authentication, Method::PrivateKeyJwt | Method::TlsClientAuth | Method::SelfSignedTlsClientAuth);
        let none = || "no key that the client is known by".to_owned();
        return (by_key && authenticated).then_some(Assured::ClientAuthentication).ok_or_else(none);
    };
    // What `observe` alone lets in has broken a rule.
    if tier == TierName::None || !client.native_tiers.contains(&tier) || rules.only_observes(tier) {
        return Err(format!("the tier {} is not one of native_tiers", tier.as_str()));
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

/// The app's own https link. Whoever opens it gets what is sent by it, so it has to be what assures consent: by its address, or, with
/// `assurance = "proved"`, by the files of its host.
pub fn own_link<'a>(authority: &Authority<'_>, (id, client): (&str, &Client), request: &'a AuthorizationRequest) -> Option<&'a str> {
    let uri = request.back.redirect_uri.as_str();
    let named = NamedClient { client_id: id, client };
    let is_own = client.kind == ClientKind::Native && Assured::by_redirect(authority, named, uri) == Assured::ClaimedHttps;
    is_own.then_some(uri)
}

/// Is this the caller that the sign-in was begun by: the same client, the same installation, the same key?
pub fn is_of(request: &AuthorizationRequest, caller: &Caller) -> bool {
    let instance = caller.instance.as_ref().map(|instance| instance.jkt.as_str());
    let same_key = request.dpop_jkt.is_none() || request.dpop_jkt.as_deref() == caller.jkt();
    request.client_id == caller.client_id && request.instance.as_deref() == instance && same_key
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::Config;

    fn client(more: &str) -> Client {
        let text = format!(
            "issuer = \"https://login.example.com\"\n[client.app]\nkind = \"native\"\nfirst_party = true\nnative = true\n\
             redirect_uris = [\"https://app.example.com/cb\"]\nauthentication = \"attest_jwt_client_auth_dpop\"\n\
             [client.app.attestation]\n{more}ios = {{ app_ids = [\"ABCDE12345.com.example.app\"] }}\n"
        );
        Config::from_text(&text, "x", &|_| None).unwrap().client.remove("app").unwrap()
    }

    /// What the start refuses is refused here too: a client may come from elsewhere than the file.
    #[test]
    fn each_condition_is_needed() {
        let good = client("");
        let why = |client: &Client, tier| assured(client, true, tier).unwrap_err();
        assert_eq!(assured(&good, true, TierName::Hardware), Ok(Assured::Attested(TierName::Hardware)), "the twin of all");
        let bent: [(fn(&mut Client), &str); 5] = [
            (|it| it.native = false, "no native = true"),
            (|it| it.first_party = false, "not first_party"),
            (|it| it.profile = Some(SecurityProfile::Fapi2), "FAPI 2.0"),
            (|it| it.require_signed_request_object = true, "FAPI 2.0"),
            (|it| it.grants = Some(vec!["refresh_token".to_owned()]), "may not use the code flow"),
        ];
        for (bend, says) in bent {
            let mut bad = good.clone();
            bend(&mut bad);
            assert!(why(&bad, TierName::Hardware).contains(says), "{says}");
        }
        for tier in [TierName::None, TierName::Software] {
            assert!(why(&good, tier).contains("not one of native_tiers"));
        }
        // Rules that leave a tier out, and merely look on.
        let observed = client("observe = true\ntier = { hardware_claimed = {} }\n");
        assert!(why(&observed, TierName::Hardware).contains("not one of native_tiers"));
        assert!(assured(&observed, true, TierName::HardwareClaimed).is_ok(), "the twin: a tier of the rules");
        let mut by_key = good.clone();
        by_key.attestation = None;
        assert!(why(&by_key, TierName::Hardware).contains("no key"), "a DPoP key that nobody vouched for");
        for authentication in
            [ClientAuthentication::PrivateKeyJwt, ClientAuthentication::TlsClientAuth, ClientAuthentication::SelfSignedTlsClientAuth]
        {
            by_key.authentication = authentication;
            assert!(assured(&by_key, false, TierName::None).unwrap_err().contains("no key"), "{authentication:?}");
            assert_eq!(assured(&by_key, true, TierName::None), Ok(Assured::ClientAuthentication), "the twin: {authentication:?}");
        }
    }
}
