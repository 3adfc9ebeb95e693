//! Forward-auth: a proxy asks with a request of its own whether it may pass a call on. nginx (`auth_request`), Caddy and Traefik.
//! The address names the API. The proxy says method and URL in headers that it sets itself, and passes the caller's headers on.

use crate::asked::{Asked, read_certificate, single};
use crate::judge::{Api, Apis, Pass, Verdict, json};
use crate::origins;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};

const METHOD: &str = "x-forwarded-method";
const URI: &str = "x-forwarded-uri";
const CERTIFICATE: &str = "client-cert";

/// Answers a request. `path` is that of the guard, such as `/forward-auth/orders`.
pub async fn answer(apis: &Apis, path: &str, headers: HeaderMap) -> Response<Bytes> {
    if path == "/health" {
        return json_ok();
    }
    let found = [("/forward-auth/", true), ("/refusal/", false)]
        .into_iter()
        .find_map(|(prefix, may_pass)| Some((apis.get(path.strip_prefix(prefix)?)?, may_pass)));
    let Some((api, may_pass)) = found else {
        tracing::error!("a proxy asks about an API that is not in the configuration");
        return json(StatusCode::NOT_FOUND, "unknown_api", "The guard has no such API.");
    };
    let origin = origins::of(&headers);
    let asked = read(api, headers);
    let verdict = if may_pass { api.judge(asked).await } else { api.judge_again(asked).await };
    match verdict {
        Verdict::Refuse(answer) => api.shown_to(origin.as_deref(), answer),
        Verdict::Pass(pass) if may_pass => passing(&pass),
        // nginx asks here for the text of a refusal, and passes the answer to the caller. Nothing of an identity may be in it.
        Verdict::Pass(_) => {
            let mut answer = json(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "Send the call again.");
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            api.shown_to(origin.as_deref(), answer)
        }
    }
}

fn read(api: &Api, headers: HeaderMap) -> Result<Asked, &'static str> {
    // nginx asks with GET whatever the call is, so the request's own method and path say nothing.
    let said = (single(&headers, METHOD), single(&headers, URI));
    let (Some(method), Some(uri)) = said else {
        tracing::error!(api = api.name, "the proxy does not say X-Forwarded-Method and X-Forwarded-Uri, each exactly once");
        return Err("The proxy does not say, exactly once, which method and URL it asks about.");
    };
    let certificate = if api.client_certificates {
        let Some(text) = single(&headers, CERTIFICATE) else {
            tracing::error!(api = api.name, "the proxy does not say Client-Cert exactly once");
            return Err("The proxy does not say, exactly once, which certificate the caller showed.");
        };
        read_certificate(text)?
    } else {
        None
    };
    let (method, uri) = (method.to_owned(), uri.to_owned());
    Ok(Asked { certificate, ..Asked::new(&method, &uri, headers)? })
}

fn passing(pass: &Pass) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::new());
    let headers = answer.headers_mut();
    let nonce = pass.next_nonce.iter().map(|it| ("dpop-nonce", it));
    for (name, value) in pass.headers.iter().map(|(name, value)| (name.as_str(), value)).chain(nonce) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value.as_str())) {
            headers.insert(name, value);
        }
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn json_ok() -> Response<Bytes> {
    Response::new(Bytes::from_static(br#"{"status":"ok"}"#))
}
