//! Envoy asks over gRPC (`ext_authz`). The API is named in the metadata that Envoy's configuration adds to the request
//! (`initial_metadata`). Of what Envoy says, only the call itself and the certificate of its connection count.

use crate::asked::{Asked, read_pem};
use crate::ext_authz::{
    CheckRequest, CheckResponse, DeniedHttpResponse, HeaderValue, HeaderValueOption, HttpRequest, HttpResponse, HttpStatus, OkHttpResponse,
    Status,
};
use crate::judge::{Api, Apis, Pass, Verdict};
use crate::origins;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response, header};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic_prost::ProstCodec;

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
const API: &str = "symbolon-api";
/// Envoy passes headers of 60 KiB on unless it is configured for more.
const MAX_MESSAGE: usize = 512 * 1024;
const UNAUTHENTICATED: i32 = 16;
const OVERWRITE: i32 = 2;

/// The service of one guard.
#[derive(Clone)]
pub struct Envoy(pub Arc<Apis>);

impl Envoy {
    pub async fn answer(self, request: http::Request<hyper::body::Incoming>) -> Response<tonic::body::Body> {
        if request.uri().path() != CHECK {
            return tonic::Status::unimplemented("The guard answers envoy.service.auth.v3.Authorization/Check.").into_http();
        }
        let codec: ProstCodec<CheckResponse, CheckRequest> = ProstCodec::default();
        tonic::server::Grpc::new(codec).max_decoding_message_size(MAX_MESSAGE).unary(self, request).await
    }

    async fn check(self, request: tonic::Request<CheckRequest>) -> Result<tonic::Response<CheckResponse>, tonic::Status> {
        let mut names = request.metadata().get_all(API).iter();
        let name = names.next().filter(|_| names.next().is_none()).and_then(|it| it.to_str().ok());
        let Some(api) = name.and_then(|it| self.0.get(it)) else {
            tracing::error!("Envoy does not name an API of the configuration in the metadata symbolon-api");
            return Err(tonic::Status::failed_precondition("The metadata symbolon-api names no API of the guard."));
        };
        let origin = http_of(request.get_ref()).and_then(|it| origins::of(&headers(it).ok()?));
        let asked = read(api, request.get_ref());
        let answer = match api.judge(asked).await {
            Verdict::Pass(pass) => {
                CheckResponse { status: Some(Status { code: 0 }), http_response: Some(HttpResponse::Ok(passing(&pass))) }
            }
            Verdict::Refuse(answer) => {
                let denied = HttpResponse::Denied(refusing(&api.shown_to(origin.as_deref(), answer)));
                CheckResponse { status: Some(Status { code: UNAUTHENTICATED }), http_response: Some(denied) }
            }
        };
        Ok(tonic::Response::new(answer))
    }
}

type Answering = Pin<Box<dyn Future<Output = Result<tonic::Response<CheckResponse>, tonic::Status>> + Send>>;

impl tower::Service<tonic::Request<CheckRequest>> for Envoy {
    type Response = tonic::Response<CheckResponse>;
    type Error = tonic::Status;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), tonic::Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<CheckRequest>) -> Answering {
        Box::pin(self.clone().check(request))
    }
}

fn http_of(request: &CheckRequest) -> Option<&HttpRequest> {
    request.attributes.as_ref()?.request.as_ref()?.http.as_ref()
}

fn read(api: &Api, request: &CheckRequest) -> Result<Asked, &'static str> {
    let attributes = request.attributes.as_ref().ok_or("Envoy says nothing about the call.")?;
    let http = http_of(request).ok_or("Envoy says nothing about the call.")?;
    let certificate =
        match attributes.source.as_ref().map(|it| it.certificate.as_str()).filter(|it| api.client_certificates && !it.is_empty()) {
            Some(text) => Some(read_pem(text).ok_or("Envoy's certificate of the caller cannot be read.")?),
            None => None,
        };
    Ok(Asked { certificate, ..Asked::new(&http.method, &http.path, headers(http)?)? })
}

fn headers(http: &HttpRequest) -> Result<HeaderMap, &'static str> {
    let raw = http.header_map.iter().flat_map(|it| &it.headers);
    let raw = raw.map(|it| (it.key.as_str(), if it.raw_value.is_empty() { it.value.as_bytes() } else { &it.raw_value }));
    let mut all = HeaderMap::new();
    for (name, value) in http.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).chain(raw) {
        // The method, the path and the host of HTTP/2.
        if name.starts_with(':') {
            continue;
        }
        let name = HeaderName::try_from(name).map_err(|_| "A header's name cannot be read.")?;
        all.append(name, http::HeaderValue::from_bytes(value).map_err(|_| "A header's value cannot be read.")?);
    }
    Ok(all)
}

fn option(name: &str, value: &str) -> HeaderValueOption {
    let header = HeaderValue { key: name.to_owned(), value: value.to_owned(), raw_value: Vec::new() };
    HeaderValueOption { header: Some(header), append_action: OVERWRITE }
}

/// Sets our headers, and removes those that have nothing to say.
fn passing(pass: &Pass) -> OkHttpResponse {
    let (empty, set): (Vec<_>, Vec<_>) = pass.headers.iter().partition(|(_, value)| value.is_empty());
    let mut headers_to_remove: Vec<String> = empty.into_iter().map(|(name, _)| name.clone()).collect();
    if !pass.keeps_token {
        headers_to_remove.extend([header::AUTHORIZATION.as_str(), "dpop"].map(str::to_owned));
    }
    OkHttpResponse {
        headers: set.into_iter().map(|(name, value)| option(name, value)).collect(),
        headers_to_remove,
        response_headers_to_add: pass.next_nonce.iter().map(|it| option("dpop-nonce", it)).collect(),
    }
}

/// The challenges of several schemes stand in one header, because Envoy keeps one of each name (RFC 9110 11.6.1).
fn refusing(answer: &Response<Bytes>) -> DeniedHttpResponse {
    let value = |name: &HeaderName| {
        let all: Vec<&str> = answer.headers().get_all(name).iter().filter_map(|it| it.to_str().ok()).collect();
        all.join(", ")
    };
    DeniedHttpResponse {
        status: Some(HttpStatus { code: i32::from(answer.status().as_u16()) }),
        headers: answer.headers().keys().map(|name| option(name.as_str(), &value(name))).collect(),
        body: String::from_utf8_lossy(answer.body()).into_owned(),
    }
}
