//! Metadata (RFC 8414, OpenID Connect Discovery), the key set, health, and the page at the root.
//! Built from configuration alone: no header of the request can change a byte (561-V, 562-V).

use super::reply::{self, Reply};
use crate::app::App;
use crate::authorization::request::CREATE;
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
        // Clients that may register themselves have a policy; without one nobody is told of the endpoint.
        if name == "registration_endpoint" && app.config.client_registration.is_empty() {
            continue;
        }
        endpoints.insert(name.to_owned(), app.url(route.path).into());
        // RFC 8705 5: on the usual address nobody is asked for a certificate, so that browsers show no picker.
        if let Some(mtls) = app.config.mtls.as_ref().filter(|_| route.takes_certificate()) {
            aliases.insert(name.to_owned(), format!("{}{}", mtls.url, route.path).into());
        }
    }
    (endpoints, aliases)
}

/// What clients, APIs and resource servers sign with, and with what this server takes to be signed.
const SIGNED_WITH: [&str; 4] = ["ES256", "PS256", "RS256", "EdDSA"];

fn document<'a>(app: &App, routes: impl Iterator<Item = &'a Route>) -> Json {
    let (endpoints, aliases) = endpoints(app, routes);
    let mut document = Map::from_iter([("issuer".to_owned(), app.config.issuer.as_str().into())]);
    for members in [requests(app), authentication(app), tokens(app), Json::Object(endpoints)] {
        if let Json::Object(members) = members {
            document.extend(members);
        }
    }
    if app.config.mtls.is_some() {
        document.insert("tls_client_certificate_bound_access_tokens".to_owned(), true.into());
        document.insert("mtls_endpoint_aliases".to_owned(), aliases.into());
    }
    // RFC 8414 2: an empty array is left out.
    document.retain(|_, value| value.as_array().is_none_or(|values| !values.is_empty()));
    document.into()
}

/// What an authorization request may say.
fn requests(app: &App) -> Json {
    let config = &app.config;
    let of_apis = config.api.values().flat_map(|api| api.scope.keys().map(String::as_str));
    let scopes: BTreeSet<&str> = OPENID_SCOPES.iter().copied().chain(of_apis).collect();
    let acr: BTreeSet<&str> = config.login.values().filter_map(|login| login.0.acr.as_deref()).collect();
    let mut prompts = vec!["none", "login", "consent", "select_account"];
    if config.registration.is_some() {
        prompts.push(CREATE);
    }
    json!({
        "client_id_metadata_document_supported": config.client_registration.values().any(|it| !it.documents.is_empty()),
        "require_pushed_authorization_requests": false,
        "response_types_supported": ["code"],
        "response_modes_supported": RESPONSE_MODES,
        "require_signed_request_object": false,
        "request_object_signing_alg_values_supported": SIGNED_WITH,
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": scopes,
        "claims_parameter_supported": true,
        "backchannel_token_delivery_modes_supported": ["poll", "ping"],
        "backchannel_authentication_request_signing_alg_values_supported": SIGNED_WITH,
        "backchannel_user_code_parameter_supported": true,
        "native_sso_supported": true,
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "request_parameter_supported": true,
        "request_uri_parameter_supported": false,
        "authorization_response_iss_parameter_supported": true,
        "prompt_values_supported": prompts,
        "acr_values_supported": acr,
        "authorization_details_types_supported": app.details.names().collect::<Vec<_>>(),
        "ui_locales_supported": app.pages.languages(),
    })
}

/// How a client or an API proves itself.
fn authentication(app: &App) -> Json {
    let mut methods = vec![
        "none",
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
        "attest_jwt_client_auth",
        "attest_jwt_client_auth_dpop",
    ];
    if app.config.mtls.is_some() {
        methods.extend(["tls_client_auth", "self_signed_tls_client_auth"]);
    }
    let proving = &methods[1..];
    json!({
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": SIGNED_WITH,
        "introspection_endpoint_auth_methods_supported": proving,
        "introspection_endpoint_auth_signing_alg_values_supported": SIGNED_WITH,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": SIGNED_WITH,
        "client_attestation_signing_alg_values_supported": SIGNED_WITH,
        "client_attestation_pop_signing_alg_values_supported": SIGNED_WITH,
        // As a signal beside another method; which clients may leave it out is their registration's to say.
        "client_attestation_pop_methods_supported": ["attestation_pop_jwt", "dpop_combined", "none"],
        "dpop_signing_alg_values_supported": app.config.dpop.algorithms.iter().map(|alg| alg.as_str()).collect::<Vec<_>>(),
    })
}

/// Which tokens there are and what they say.
fn tokens(app: &App) -> Json {
    const CLAIMS: [&str; 13] =
        ["sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "sid", "name", "email", "email_verified", "locale"];
    let config = &app.config;
    let scopes = config.api.values().flat_map(|api| api.scope.values());
    let claims: BTreeSet<&str> = CLAIMS.into_iter().chain(scopes.flat_map(|scope| scope.claims.iter().map(String::as_str))).collect();
    let algorithms: Vec<&str> = app.algorithms().iter().map(|alg| alg.as_str()).collect();
    json!({
        "authorization_signing_alg_values_supported": algorithms,
        "introspection_signing_alg_values_supported": algorithms,
        "id_token_signing_alg_values_supported": algorithms,
        "grant_types_supported": GRANTS,
        "subject_types_supported": ["public"],
        "claims_supported": claims,
        "protected_resources": config.api.values().map(|api| api.audience.as_str()).collect::<Vec<_>>(),
        "refresh_token_expiration_types_supported": ["refresh_token_timeout", "authorization_expires_in"],
    })
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
    let locale = app.pages.pick_locale(incoming.query.get("ui_locales"), &incoming.languages());
    Ok(reply::page(200, app.pages.home(&locale, &app.config.issuer, app.config.registration.is_some())?))
}
