//! The cost of `symbolon-resource` for an API's request, in this process and on one core. The tower layer stands around a service that does
//! nothing. The tokens are real ones of the server under test, and its keys are fetched and cached.

use crate::limits::{Limit, limit};
use crate::process;
use crate::steps::Tokens;
use bytes::Bytes;
use http::{Request, Response};
use std::time::Instant;
use symbolon_oauth::dpop;
use symbolon_oauth::jwk::PrivateKey;
use symbolon_resource::{Guard, GuardLayer};
use tower::{Layer, Service};

const AUDIENCE: &str = "https://api.example.com/orders";
const URL: &str = "https://api.example.com/orders/7";
/// The number of calls that are prepared. A proof works once.
const CALLS: usize = 20_000;

/// Requests per second and core: with bearer tokens, and with bound tokens and a proof for each.
pub async fn measure(issuer: &str, bearer: &[Tokens], bound: &[Tokens], key: &PrivateKey) -> Result<Vec<Limit>, String> {
    let guard = Guard::new(issuer, AUDIENCE).public_url("https://api.example.com");
    let layer = guard.require("orders:read");
    let calls = (0..CALLS).map(|at| request("Bearer", &bearer[at % bearer.len()].access, None)).collect::<Result<_, _>>()?;
    let bearer = run("API layer: a JWT access token", &layer, calls).await?;
    let calls: Result<Vec<Request<Bytes>>, String> = (0..CALLS)
        .map(|at| {
            let token = &bound[at % bound.len()].access;
            let proof = dpop::make(
                key,
                &dpop::Statement {
                    method: "GET",
                    url: URL,
                    nonce: None,
                    access_token: Some(token),
                    jti: &format!("api-{at}"),
                    iat: process::now_s(),
                },
            )
            .map_err(|it| format!("{it:?}"))?;
            request("DPoP", token, Some(&proof))
        })
        .collect();
    let bound = run("API layer: a JWT access token with a DPoP proof", &layer, calls?).await?;
    Ok(vec![bearer, bound])
}

fn request(scheme: &str, token: &str, proof: Option<&str>) -> Result<Request<Bytes>, String> {
    let mut request = Request::get(URL).header("authorization", format!("{scheme} {token}"));
    if let Some(proof) = proof {
        request = request.header("dpop", proof);
    }
    request.body(Bytes::new()).map_err(|it| it.to_string())
}

async fn run(name: &str, layer: &GuardLayer, calls: Vec<Request<Bytes>>) -> Result<Limit, String> {
    let nothing = tower::service_fn(|_: Request<Bytes>| async { Ok::<_, std::convert::Infallible>(Response::new(Bytes::new())) });
    let mut service = layer.layer(nothing);
    let (mut calls, mut count) = (calls.into_iter(), 0);
    // The first call fetches the issuer's keys.
    if let Some(first) = calls.next() {
        must_succeed(name, service.call(first).await)?;
    }
    let (began, before) = (Instant::now(), process::cpu(std::process::id())?);
    for call in calls {
        must_succeed(name, service.call(call).await)?;
        count += 1;
    }
    Ok(limit(name, count, began.elapsed(), Some(process::cpu(std::process::id())? - before)))
}

fn must_succeed<B>(name: &str, outcome: Result<Response<B>, std::convert::Infallible>) -> Result<(), String> {
    match outcome {
        Ok(answer) if answer.status() == 200 => Ok(()),
        Ok(answer) => Err(format!("{name}: {} {:?}", answer.status(), answer.headers().get("www-authenticate"))),
        Err(never) => match never {},
    }
}
