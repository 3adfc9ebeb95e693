//! Refusals as HTTP. RFC 6750 3.

use crate::Refusal;
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use symbolon_oauth::bearer::challenge;

pub fn refusal(it: &Refusal) -> Response<Bytes> {
    let (status, error, text, more) = match it {
        Refusal::Missing => (401, None, "Send an access token in the Authorization header.", Vec::new()),
        Refusal::Request(text) => (400, Some("invalid_request"), *text, Vec::new()),
        Refusal::Token(text) => (401, Some("invalid_token"), text.as_str(), Vec::new()),
        Refusal::Scope(scope) => {
            (403, Some("insufficient_scope"), "The token lacks the scope this call needs.", vec![("scope", scope.as_str())])
        }
        Refusal::Unavailable => (503, Some("temporarily_unavailable"), "The issuer cannot be reached to check the token.", Vec::new()),
    };
    let mut body = serde_json::json!({ "error_description": text });
    body["error"] = error.unwrap_or("token_missing").into();
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::UNAUTHORIZED);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == 503 {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        return response;
    }
    let mut parameters = Vec::new();
    if let Some(error) = error {
        parameters.push(("error", error));
        parameters.push(("error_description", text));
    }
    parameters.extend(more);
    if let Ok(value) = HeaderValue::from_str(&challenge("Bearer", &parameters)) {
        headers.insert(header::WWW_AUTHENTICATE, value);
    }
    response
}
