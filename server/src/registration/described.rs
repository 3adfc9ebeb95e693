//! A registered client in the words of RFC 7591 2: what counts, and not what was asked for.

use super::own::{Own, Secrets};
use crate::clients::proofs::{Proofs, addresses, hosts_of};
use crate::config::{Client, ClientKind, ClientPolicy, Dpop, proving_host};
use crate::core::Core;
use serde_json::{Map, Value as Json, json};

/// RFC 7591 3.2.1 and RFC 7592 3.
pub fn answer(core: &Core, policy: &ClientPolicy, own: &Own, secrets: &Secrets, now_ms: i64) -> Json {
    let mut answer = metadata(&own.client);
    if let Some(uri) = &own.keys_uri {
        answer.remove("jwks");
        answer.insert("jwks_uri".to_owned(), uri.as_str().into());
    }
    let mut put = |name: &str, value: Json| drop(answer.insert(name.to_owned(), value));
    put("client_id", own.id.as_str().into());
    put("client_id_issued_at", (own.created_ms / 1000).into());
    put("registration_client_uri", core.url(&format!("/clients/{}", own.id)).into());
    if own.client.secret.is_some() {
        put("client_secret_expires_at", 0.into());
    }
    if let Some(secret) = &secrets.client_secret {
        put("client_secret", secret.reveal().into());
    }
    if let Some(token) = &secrets.access_token {
        put("registration_access_token", token.reveal().into());
    }
    put("host_proofs", proofs(policy, own, now_ms));
    answer.into()
}

/// For each host: where its owner puts the challenge, and whether it was found there.
fn proofs(policy: &ClientPolicy, own: &Own, now_ms: i64) -> Json {
    let proved = own.proofs.proved(&own.id, policy, now_ms);
    let of = |host: String| {
        let mut named = addresses(&own.client).filter(|uri| proving_host(uri).as_ref() == Some(&host));
        json!({
            "proved": named.all(|uri| proved.vouches_for(uri)),
            "file": Proofs::address(&own.id, &host),
            "text": own.proofs.challenge,
            "host": host,
        })
    };
    hosts_of(&own.client).into_iter().map(of).collect()
}

fn metadata(client: &Client) -> Map<String, Json> {
    let scopes: Vec<&str> = client.scopes.iter().chain(client.apis.values().flatten()).map(String::as_str).collect();
    let grants = ["authorization_code", "refresh_token"].into_iter().filter(|it| client.allows_grant(it)).collect::<Vec<_>>();
    let algorithm = |alg: Option<symbolon_oauth::jwk::Algorithm>| alg.map(|it| it.as_str());
    let all = json!({
        "client_name": client.name,
        "application_type": if client.kind == ClientKind::Native { "native" } else { "web" },
        "redirect_uris": client.redirect_uris,
        "post_logout_redirect_uris": client.post_logout_redirect_uris,
        "grant_types": grants,
        "response_types": ["code"],
        "subject_type": "public",
        "scope": scopes.join(" "),
        "token_endpoint_auth_method": client.authentication.as_str(),
        "jwks": client.jwks.as_ref().map(|it| it.document()),
        "id_token_signed_response_alg": algorithm(client.id_token_signed_response_alg),
        "authorization_signed_response_alg": algorithm(client.authorization_signed_response_alg),
        "token_endpoint_auth_signing_alg": algorithm(client.token_endpoint_auth_signing_alg),
        "request_object_signing_alg": algorithm(client.request_object_signing_alg),
        "require_signed_request_object": client.require_signed_request_object,
        "require_pushed_authorization_requests": client.must_push(),
        "dpop_bound_access_tokens": client.dpop == Dpop::Required,
        "tls_client_certificate_bound_access_tokens": client.tls_client_certificate_bound_access_tokens,
        "default_max_age": client.default_max_age.map(|it| it.0),
        "backchannel_logout_uri": client.backchannel_logout_uri,
        "backchannel_logout_session_required": client.backchannel_logout_uri.is_some().then_some(true),
    });
    let Json::Object(mut all) = all else { return Map::new() };
    all.retain(|_, value| !value.is_null());
    all
}
