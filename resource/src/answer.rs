//! Refusals as HTTP. RFC 6750 3, RFC 9449 7.1, RFC 9470 3.

use crate::{Needs, Refusal};
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use symbolon_oauth::bearer::challenge;

const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// The schemes that a route accepts, for its challenges.
pub struct Schemes {
    pub bearer: bool,
    /// The `algs` of the DPoP challenge, if DPoP is offered.
    pub dpop: Option<String>,
    /// The call used DPoP. The error is then in that challenge, and otherwise in the Bearer one.
    pub used_dpop: bool,
}

pub fn refusal(refusal: &Refusal, schemes: &Schemes) -> Response<Bytes> {
    let mut wanted = Vec::new();
    let (status, error, text, more) = match refusal {
        Refusal::Missing => (401, None, "Send an access token in the Authorization header.", Vec::new()),
        Refusal::Request(text) => (400, Some("invalid_request"), *text, Vec::new()),
        Refusal::Token(text) => (401, Some("invalid_token"), text.as_str(), Vec::new()),
        Refusal::Proof(text) => (401, Some("invalid_dpop_proof"), *text, Vec::new()),
        Refusal::Nonce(_) => {
            (401, Some("use_dpop_nonce"), "Make a new proof, with the nonce of the DPoP-Nonce header, and send it again.", Vec::new())
        }
        Refusal::Scope(scope) => {
            (403, Some("insufficient_scope"), "The token lacks the scope this call needs.", vec![("scope", scope.as_str())])
        }
        Refusal::Authentication(needs) => {
            for (name, value) in
                [("acr_values", needs.acr_values.join(" ")), ("max_age", age(needs)), ("scope", needs.scope.clone().unwrap_or_default())]
            {
                if !value.is_empty() {
                    wanted.push((name, value));
                }
            }
            let text = "The person has to sign in again. Start an authorization request with these acr_values and max_age.";
            (401, Some("insufficient_user_authentication"), text, wanted.iter().map(|(name, value)| (*name, value.as_str())).collect())
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
    add_challenges(headers, &parameters, schemes);
    if let Refusal::Nonce(nonce) = refusal {
        add_nonce(headers, nonce);
    }
    response
}

fn age(needs: &Needs) -> String {
    needs.max_age_s.map(|it| it.to_string()).unwrap_or_default()
}

/// Does the call use gRPC? Such a client reads the outcome from other headers than an HTTP client.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|it| it.as_bytes().starts_with(b"application/grpc"))
}

/// The same refusal in gRPC's form: status and message are in the headers of an answer without a body. The challenges stay as metadata.
pub fn as_grpc(answer: Response<Bytes>, refusal: &Refusal) -> Response<Bytes> {
    let code = match refusal {
        Refusal::Request(_) => "3",
        Refusal::Scope(_) => "7",
        Refusal::Unavailable => "14",
        _ => "16",
    };
    let description = serde_json::from_slice::<serde_json::Value>(answer.body()).unwrap_or_default();
    let message: String = description["error_description"].as_str().unwrap_or_default().chars().map(percent_encode).collect();
    let (mut parts, _) = answer.into_parts();
    parts.status = StatusCode::OK;
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    parts.headers.insert("grpc-status", HeaderValue::from_static(code));
    if let Ok(value) = HeaderValue::from_str(&message) {
        parts.headers.insert("grpc-message", value);
    }
    Response::from_parts(parts, Bytes::new())
}

/// Percent-encodes a letter where gRPC wants that. Our texts are ASCII, but a URL in them may not be.
fn percent_encode(letter: char) -> String {
    if matches!(letter, ' '..='~') && letter != '%' {
        return letter.to_string();
    }
    let mut bytes = [0; 4];
    letter.encode_utf8(&mut bytes).bytes().map(|it| format!("%{it:02X}")).collect()
}

/// Adds one header line for each scheme. The scheme of the call comes first, and only its challenge says what is wrong.
fn add_challenges(headers: &mut HeaderMap, parameters: &[(&str, &str)], schemes: &Schemes) {
    let about_dpop = schemes.dpop.is_some() && (schemes.used_dpop || !schemes.bearer);
    let bearer = schemes.bearer.then(|| challenge("Bearer", if about_dpop { &[] } else { parameters }));
    let dpop = schemes.dpop.as_deref().map(|algs| {
        let mut all = if about_dpop { parameters.to_vec() } else { Vec::new() };
        all.push(("algs", algs));
        challenge("DPoP", &all)
    });
    let ordered = if about_dpop { [dpop, bearer] } else { [bearer, dpop] };
    for value in ordered.into_iter().flatten().filter_map(|it| HeaderValue::from_str(&it).ok()) {
        headers.append(header::WWW_AUTHENTICATE, value);
    }
}

/// RFC 9449 8.2: an answer with a nonce should not be cached.
pub fn add_nonce(headers: &mut HeaderMap, nonce: &str) {
    if let Ok(value) = HeaderValue::from_str(nonce) {
        headers.insert(DPOP_NONCE, value);
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
}
