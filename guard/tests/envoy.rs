//! Envoy's `ext_authz` over gRPC. The test is Envoy. Each refusal has its positive twin.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod stage;
#[path = "../../resource/tests/world/mod.rs"]
mod world;

use serde_json::json;
use stage::{API, Stage, stage, stage_with};
use std::collections::HashMap;
use symbolon_guard::ext_authz::{
    AttributeContext, CheckRequest, CheckResponse, DeniedHttpResponse, HeaderMap, HeaderValue, HeaderValueOption, HttpRequest,
    HttpResponse, OkHttpResponse, Peer, Request,
};
use symbolon_oauth::{base64, certificate};
use tonic_prost::ProstCodec;

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

fn call(method: &str, path: &str, headers: &[(&str, &str)]) -> CheckRequest {
    let headers: HashMap<String, String> = headers
        .iter()
        .chain(&[(":path", path), (":method", method)])
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let http = HttpRequest { method: method.to_owned(), headers, path: path.to_owned(), header_map: None };
    CheckRequest { attributes: Some(AttributeContext { source: None, request: Some(Request { http: Some(http) }) }) }
}

async fn send(stage: &Stage, apis: &[&str], path: &'static str, request: CheckRequest) -> Result<CheckResponse, tonic::Status> {
    let address = format!("http://{}", stage.guard.grpc.unwrap());
    let channel = tonic::transport::Endpoint::from_shared(address).unwrap().connect().await.unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let mut request = tonic::Request::new(request);
    for api in apis {
        request.metadata_mut().append("symbolon-api", api.parse().unwrap());
    }
    let codec: ProstCodec<CheckRequest, CheckResponse> = ProstCodec::default();
    client.unary(request, http::uri::PathAndQuery::from_static(path), codec).await.map(tonic::Response::into_inner)
}

async fn check(stage: &Stage, request: CheckRequest) -> Result<OkHttpResponse, DeniedHttpResponse> {
    let answer = send(stage, &["orders"], CHECK, request).await.unwrap();
    match (answer.status.unwrap().code, answer.http_response.unwrap()) {
        (0, HttpResponse::Ok(passed)) => Ok(passed),
        (16, HttpResponse::Denied(denied)) => Err(denied),
        other => panic!("{other:?}"),
    }
}

fn value<'a>(headers: &'a [HeaderValueOption], name: &str) -> &'a str {
    let found: Vec<&HeaderValueOption> = headers.iter().filter(|it| it.header.as_ref().unwrap().key == name).collect();
    assert_eq!((found.len(), found[0].append_action), (1, 2), "{name}");
    &found[0].header.as_ref().unwrap().value
}

fn denied(outcome: Result<OkHttpResponse, DeniedHttpResponse>) -> (i32, String) {
    let denied = outcome.unwrap_err();
    let body: serde_json::Value = serde_json::from_str(&denied.body).unwrap();
    (denied.status.unwrap().code, body["error"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_call_with_a_good_token_passes_with_our_headers_and_without_the_token() {
    let stage = stage().await;
    let bearer = format!("Bearer {}", stage.token("orders:read"));
    let passed = check(&stage, call("GET", "/orders/1?page=2", &[("authorization", &bearer)])).await.unwrap();
    let said = ["outcome", "sub", "scope", "claim-department"].map(|it| value(&passed.headers, &format!("x-symbolon-{it}")));
    assert_eq!(said, ["token", "u", "orders:read", "R&D"]);
    for name in ["authorization", "dpop", "x-symbolon-sid", "x-symbolon-act"] {
        assert!(passed.headers_to_remove.iter().any(|it| it == name), "{name}");
    }
    let refused = check(&stage, call("GET", "/orders/1", &[("content-type", "application/grpc")])).await;
    assert!(value(&refused.as_ref().unwrap_err().headers, "www-authenticate").starts_with("Bearer, DPoP algs="));
    assert_eq!(denied(refused), (401, "token_missing".to_owned()));
    // The same, where Envoy sends the headers raw.
    let mut raw = call("GET", "/orders/1", &[]);
    let http = raw.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap();
    let one = HeaderValue { key: "authorization".to_owned(), value: String::new(), raw_value: bearer.clone().into_bytes() };
    http.header_map = Some(HeaderMap { headers: vec![one.clone()] });
    assert!(check(&stage, raw.clone()).await.is_ok());
    raw.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap().header_map =
        Some(HeaderMap { headers: vec![one.clone(), one] });
    assert_eq!(denied(check(&stage, raw).await), (400, "invalid_request".to_owned()));
    stage.guard.stop().await;
    let twin = stage_with("", &format!("{API}\npass_token = true")).await;
    let bearer = format!("Bearer {}", twin.token("orders:read"));
    let passed = check(&twin, call("GET", "/orders/1", &[("authorization", &bearer)])).await.unwrap();
    assert!(!passed.headers_to_remove.iter().any(|it| it == "authorization"));
    twin.guard.stop().await;
}

/// S-37, 187-M and the paths: the same rules as for forward-auth, because one function holds them.
#[tokio::test]
async fn what_could_deceive_the_api_is_refused() {
    let stage = stage().await;
    let bearer = format!("Bearer {}", stage.token("orders:read"));
    let good = ("authorization", bearer.as_str());
    assert!(check(&stage, call("GET", "/orders/1", &[good])).await.is_ok());
    let twice = format!("{bearer},{bearer}");
    for (path, headers) in [
        ("/orders/1", &[good, ("x-symbolon-sub", "admin")][..]),
        ("/orders/1", &[good, ("x_symbolon_sub", "admin")]),
        ("/orders/1", &[good, ("x.symbolon~sub", "admin")]),
        ("/orders/1", &[good, ("x-original-url", "/orders/health")]),
        ("/orders/1", &[("authorization", &twice)]),
        ("/orders/health/../1", &[good]),
        ("/orders/1%2F2", &[good]),
        ("/orders/1?access_token=x", &[good]),
    ] {
        assert_eq!(denied(check(&stage, call("GET", path, headers)).await), (400, "invalid_request".to_owned()), "{path} {headers:?}");
    }
    assert_eq!(denied(check(&stage, call("GET", "/ledger", &[good])).await), (403, "no_route".to_owned()));
    assert_eq!(denied(check(&stage, CheckRequest { attributes: None }).await), (400, "invalid_request".to_owned()));
    stage.guard.stop().await;
}

#[tokio::test]
async fn the_api_is_named_by_envoys_configuration_alone() {
    let stage = stage().await;
    let bearer = format!("Bearer {}", stage.token("orders:read"));
    let request = || call("GET", "/orders/1", &[("authorization", &bearer), ("symbolon-api", "orders")]);
    for apis in [&[][..], &["ledger"], &["orders", "orders"]] {
        assert_eq!(send(&stage, apis, CHECK, request()).await.unwrap_err().code(), tonic::Code::FailedPrecondition, "{apis:?}");
    }
    assert!(send(&stage, &["orders"], CHECK, request()).await.is_ok());
    let other = "/envoy.service.auth.v2.Authorization/Check";
    assert_eq!(send(&stage, &["orders"], other, request()).await.unwrap_err().code(), tonic::Code::Unimplemented);
    stage.guard.stop().await;
}

#[tokio::test]
async fn a_proof_and_a_certificate_are_checked_here_too() {
    let stage = stage_with("", &API.replace("client_certificates = false", "client_certificates = true")).await;
    let phone = stage.phone();
    let dpop = format!("DPoP {}", phone.token);
    let with = |proof: &str| call("POST", "/orders/1", &[("authorization", &dpop), ("dpop", proof)]);
    assert!(check(&stage, with(&phone.proof("POST", "/orders/1", "1", None))).await.is_ok());
    assert_eq!(denied(check(&stage, with(&phone.proof("GET", "/orders/1", "2", None))).await), (401, "invalid_dpop_proof".to_owned()));
    let again = check(&stage, with(&phone.proof("POST", "/orders/1", "1", None))).await;
    assert!(!value(&again.as_ref().unwrap_err().headers, "dpop-nonce").is_empty());
    assert_eq!(denied(again), (401, "use_dpop_nonce".to_owned()));

    let der = b"a certificate".to_vec();
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", base64::encode(&der));
    let encoded = |pem: &str| pem.replace('\n', "%0A").replace(' ', "%20").replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let mut claims = stage.world.claims();
    claims["cnf"] = json!({ "x5t#S256": certificate::thumbprint(&der) });
    let bound = format!("Bearer {}", stage.world.token(&claims));
    let with = |certificate: &str| {
        // A header of the caller says nothing here: only the connection's own certificate does.
        let mut request = call("GET", "/orders/1", &[("authorization", &bound), ("client-cert", &certificate::to_header(&der))]);
        request.attributes.as_mut().unwrap().source = Some(Peer { certificate: certificate.to_owned() });
        request
    };
    assert!(check(&stage, with(&encoded(&pem))).await.is_ok());
    let other = pem.replace(&base64::encode(&der), &base64::encode(b"another"));
    assert_eq!(denied(check(&stage, with(&encoded(&other))).await), (401, "invalid_token".to_owned()));
    assert_eq!(denied(check(&stage, with("")).await), (401, "invalid_token".to_owned()));
    assert_eq!(denied(check(&stage, with("nonsense")).await), (400, "invalid_request".to_owned()));
    stage.guard.stop().await;
}

#[tokio::test]
async fn a_foreign_token_stays_with_an_observed_call() {
    let stage = stage().await;
    let claims = json!({ "iss": "https://accounts.social.example", "azp": "shop-ios" });
    let key = symbolon_oauth::jwk::PrivateKey::generate(symbolon_oauth::jwk::Algorithm::ES256).unwrap();
    let social = format!("Bearer {}", symbolon_oauth::jws::sign(&key, "JWT", &claims).unwrap());
    let seen = check(&stage, call("GET", "/legacy/1", &[("authorization", &social)])).await.unwrap();
    assert_eq!(value(&seen.headers, "x-symbolon-outcome"), "observed");
    assert!(
        seen.headers_to_remove.iter().any(|it| it == "x-symbolon-sub") && !seen.headers_to_remove.iter().any(|it| it == "authorization")
    );
    assert_eq!(denied(check(&stage, call("GET", "/orders/1", &[("authorization", &social)])).await), (401, "invalid_token".to_owned()));
    stage.guard.stop().await;
}

/// S-39: Envoy passes on what lets a browser app of a listed origin read why it is refused.
#[tokio::test]
async fn a_listed_origin_reads_why() {
    const OWN: &str = "https://app.example.com";
    let stage = stage_with("", &API.replace("preflight = true", &format!("preflight = true\norigins = [\"{OWN}\"]"))).await;
    let refused = check(&stage, call("GET", "/orders/1", &[("origin", OWN)])).await.unwrap_err();
    assert_eq!((value(&refused.headers, "access-control-allow-origin"), value(&refused.headers, "vary")), (OWN, "Origin"));
    let refused = check(&stage, call("GET", "/orders/1", &[("origin", "https://evil.example")])).await.unwrap_err();
    let names: Vec<&str> = refused.headers.iter().map(|it| it.header.as_ref().unwrap().key.as_str()).collect();
    assert!(names.contains(&"vary") && !names.contains(&"access-control-allow-origin"), "{names:?}");
    stage.guard.stop().await;
}
