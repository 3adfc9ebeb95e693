//! Metadata (RFC 8414, OpenID Connect Discovery), the key set, health, and the page at the root.
//! Built from configuration alone: no header of the request can change a byte (561-V, 562-V).

use super::reply::{self, Reply};
use crate::app::App;
use crate::config::{GRANTS, RESPONSE_MODES};
use crate::error::Result;
use crate::grants::OPENID_SCOPES;
use crate::web::request::Incoming;
use crate::web::route::Route;
use bytes::Bytes;
use http::header;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;

fn cacheable(mut reply: Reply) -> Reply {
    reply::set(&mut reply, header::CACHE_CONTROL, "public, max-age=300");
    reply
}

/// The document is made once for each configuration.
pub fn metadata<'a>(app: &App, routes: impl Iterator<Item = &'a Route>) -> Reply {
    let bytes = app.metadata(|| Bytes::from(document(app, routes).to_string()));
    cacheable(reply::body(200, "application/json", bytes.clone()))
}

/// The endpoints that have a name in the metadata; the second object has those that show certificates too.
fn endpoints<'a>(app: &App, routes: impl Iterator<Item = &'a Route>) -> (Map<String, Json>, Map<String, Json>) {
    let (mut endpoints, mut aliases) = (Map::new(), Map::new());
    for route in routes {
        let Some(name) = route.metadata else { continue };
        endpoints.insert(name.to_owned(), app.url(route.path).into());
        // RFC 8705 5: on the usual address nobody is asked for a certificate, so that browsers show no picker.
        if let Some(mtls) = app.config.mtls.as_ref().filter(|_| route.takes_certificate()) {
            aliases.insert(name.to_owned(), format!("{}{}", mtls.url, route.path).into());
        }
    }
    (endpoints, aliases)
}

fn document<'a>(app: &App, routes: impl Iterator<Item = &'a Route>) -> Json {
    let config = &app.config;
    let scopes: BTreeSet<&str> =
        OPENID_SCOPES.iter().copied().chain(config.api.values().flat_map(|it| it.scope.keys().map(String::as_str))).collect();
    let claims: BTreeSet<&str> =
        ["sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "sid", "name", "email", "email_verified", "locale"]
            .into_iter()
            .chain(config.api.values().flat_map(|it| it.scope.values().flat_map(|it| it.claims.iter().map(String::as_str))))
            .collect();
    let algorithms: Vec<&str> = app.algorithms().iter().map(|it| it.as_str()).collect();
    let mut methods = vec![
        "none",
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
        "attest_jwt_client_auth",
        "attest_jwt_client_auth_dpop",
    ];
    if config.mtls.is_some() {
        methods.extend(["tls_client_auth", "self_signed_tls_client_auth"]);
    }
    let proving = &methods[1..];
    let acr: BTreeSet<&str> = config.login.values().filter_map(|it| it.0.acr.as_deref()).collect();
    let mut prompts = vec!["none", "login", "consent", "select_account"];
    if config.registration.is_some() {
        prompts.push("create");
    }
    let mut document = json!({
        "issuer": config.issuer,
        "require_pushed_authorization_requests": false,
    });
    let more = json!({
        "response_types_supported": ["code"],
        "response_modes_supported": RESPONSE_MODES,
        "authorization_signing_alg_values_supported": algorithms,
        "introspection_signing_alg_values_supported": algorithms,
        "require_signed_request_object": false,
        "request_object_signing_alg_values_supported": ["ES256", "PS256", "RS256", "EdDSA"],
        "grant_types_supported": GRANTS,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": algorithms,
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": ["ES256", "PS256", "RS256", "EdDSA"],
        "introspection_endpoint_auth_methods_supported": proving,
        "introspection_endpoint_auth_signing_alg_values_supported": ["ES256", "PS256", "RS256", "EdDSA"],
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": ["ES256", "PS256", "RS256", "EdDSA"],
        "client_attestation_signing_alg_values_supported": ["ES256", "PS256", "RS256", "EdDSA"],
        "client_attestation_pop_signing_alg_values_supported": ["ES256", "PS256", "RS256", "EdDSA"],
        // As a signal beside another method; which clients may leave it out is their registration's to say.
        "client_attestation_pop_methods_supported": ["attestation_pop_jwt", "dpop_combined", "none"],
        "code_challenge_methods_supported": ["S256"],
        "dpop_signing_alg_values_supported": config.dpop.algorithms.iter().map(|it| it.as_str()).collect::<Vec<_>>(),
        "scopes_supported": scopes,
        "claims_supported": claims,
        "claims_parameter_supported": true,
        "request_parameter_supported": true,
        "request_uri_parameter_supported": false,
        "authorization_response_iss_parameter_supported": true,
        "prompt_values_supported": prompts,
        "authorization_details_types_supported": app.details.names().collect::<Vec<_>>(),
        "ui_locales_supported": app.pages.languages(),
        "protected_resources": config.api.values().map(|it| it.audience.as_str()).collect::<Vec<_>>(),
        "refresh_token_expiration_types_supported": ["refresh_token_timeout", "authorization_expires_in"],
    });
    if let (Some(members), Json::Object(more)) = (document.as_object_mut(), more) {
        members.extend(more);
        let (endpoints, aliases) = endpoints(app, routes);
        members.extend(endpoints);
        if config.mtls.is_some() {
            members.insert("tls_client_certificate_bound_access_tokens".to_owned(), true.into());
            members.insert("mtls_endpoint_aliases".to_owned(), aliases.into());
        }
        if !acr.is_empty() {
            members.insert("acr_values_supported".to_owned(), json!(acr));
        }
        // RFC 8414 2: an empty array is left out.
        members.retain(|_, it| it.as_array().is_none_or(|it| !it.is_empty()));
    }
    document
}

pub fn jwks(app: &App, now_ms: i64) -> Reply {
    let mut reply = reply::json(200, &app.keys.document(now_ms));
    reply::set(&mut reply, header::CONTENT_TYPE, "application/jwk-set+json");
    cacheable(reply)
}

/// 200 while the store answers and its clock agrees. Strangers learn no more; the details are on the metrics port.
pub async fn health(app: &App) -> Result<Reply> {
    let status = crate::nodes::health(app).await.status;
    Ok(reply::json(status, &json!({ "status": if status == 200 { "ok" } else { "unavailable" } })))
}

pub fn home(app: &App, incoming: &Incoming) -> Result<Reply> {
    let locale = app.pages.pick_locale(incoming.query.get("ui_locales"), incoming.header("accept-language"));
    Ok(reply::page(200, app.pages.home(&locale, &app.config.issuer, app.config.registration.is_some())?, None))
}
