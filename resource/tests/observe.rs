//! Observe mode: a foreign token is counted and let through, and authenticates nobody. Each case has its twin.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod world;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use std::convert::Infallible;
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::jws;
use symbolon_resource::{Call, Guard, Needs, Observe, Observed, Refusal, Seen, Token, UNKNOWN};
use tower::{Layer, ServiceExt, service_fn};
use world::{World, world};

const SOCIAL: &str = "https://accounts.social.example";

fn social(claims: &Value) -> String {
    jws::sign(&PrivateKey::generate(Algorithm::ES256).unwrap(), "JWT", claims).unwrap()
}

fn good() -> Value {
    json!({ "iss": SOCIAL, "aud": ["shop-ios", "x"], "exp": 1 })
}

async fn ask(guard: &Guard, observe: &Observe, authorization: &[&str], versions: &[&str]) -> Result<Seen, Refusal> {
    let mut headers = HeaderMap::new();
    for value in authorization {
        headers.append("authorization", value.parse().unwrap());
    }
    for value in versions {
        headers.append("x-app-version", value.parse().unwrap());
    }
    let call = Call { method: "GET", path: "/orders", query: None, headers: &headers, peer: None };
    guard.check_or_observe(&call, &Needs::scope("orders:read"), Some(observe)).await
}

fn observe() -> Observe {
    Observe::new(&[SOCIAL, UNKNOWN], 2_000).version_from(HeaderName::from_static("x-app-version"))
}

fn seen(outcome: Result<Seen, Refusal>) -> Observed {
    match outcome {
        Ok(Seen::Observed(observed)) => observed,
        other => panic!("{other:?}"),
    }
}

fn is_refused(outcome: &Result<Seen, Refusal>) -> bool {
    matches!(outcome, Err(Refusal::Token(_)))
}

async fn send(world: &World, token: &str) -> Result<Seen, Refusal> {
    ask(&world.guard, &observe(), &[&format!("Bearer {token}")], &["4.2"]).await
}

#[tokio::test]
async fn a_foreign_token_is_seen_and_nobody_is_authenticated() {
    let world = world().await;
    let named = |issuer: &str, client: &str, version: &str| Observed {
        unverified_issuer: issuer.to_owned(),
        unverified_client: client.to_owned(),
        unverified_version: version.to_owned(),
    };
    assert_eq!(seen(send(&world, &social(&good())).await), named(SOCIAL, "shop-ios", "4.2"));
    let with = |name: &str, value: Value| {
        let mut claims = good();
        claims[name] = value;
        social(&claims)
    };
    assert_eq!(seen(send(&world, &with("azp", "shop-android".into())).await).unverified_client, "shop-android");
    assert_eq!(seen(send(&world, &with("azp", format!("a b\u{e9}{}", "x".repeat(99)).into())).await).unverified_client.len(), 64);
    // Opaque ones, such as Facebook's.
    assert_eq!(seen(send(&world, "EAABsbCS1iHgBA").await), named(UNKNOWN, "", "4.2"));
    // The twins: another issuer, and the same route without the list.
    assert!(is_refused(&send(&world, &with("iss", "https://other.example".into())).await));
    let strict = Observe::new(&["https://other.example"], 2_000);
    for token in [social(&good()), "EAABsbCS1iHgBA".to_owned()] {
        assert!(is_refused(&ask(&world.guard, &strict, &[&format!("Bearer {token}")], &[]).await));
    }
}

/// What is ours, or could be, is judged as always.
#[tokio::test]
async fn a_token_of_ours_is_never_merely_observed() {
    let world = world().await;
    assert!(matches!(send(&world, &world.token(&world.claims())).await, Ok(Seen::Admitted(_))));
    let with = |name: &str, value: Value| {
        let mut claims = world.claims();
        claims[name] = value;
        world.token(&claims)
    };
    for bad in [with("exp", 990.into()), with("aud", "https://api.example.com/ledger".into()), with("cnf", json!({ "jkt": "x" }))] {
        assert!(is_refused(&send(&world, &bad).await), "{bad}");
    }
    assert_eq!(send(&world, &with("scope", "other".into())).await, Err(Refusal::Scope("orders:read".to_owned())));
    let mut forged = good();
    forged["iss"] = world.issuer.as_str().into();
    for bad in [
        "sr_AAAA",
        "sc_AAAA",
        "sa_AAAA",
        "sx_AAAA",
        "not.a.jwt",
        &social(&forged),
        &social(&json!({ "iss": UNKNOWN })),
        &social(&json!({ "aud": "x" })),
    ] {
        assert!(is_refused(&send(&world, bad).await), "{bad}");
    }
    // The list names our own issuer: still ours.
    let own = Observe::new(&[&world.issuer], 2_000);
    assert!(is_refused(&ask(&world.guard, &own, &[&format!("Bearer {}", social(&forged))], &[]).await));
}

#[tokio::test]
async fn the_form_of_a_call_is_judged_as_always() {
    let world = world().await;
    let (social, observe) = (format!("Bearer {}", social(&good())), observe());
    assert_eq!(ask(&world.guard, &observe, &[], &[]).await, Err(Refusal::Missing));
    assert!(matches!(ask(&world.guard, &observe, &[&social, &social], &[]).await, Err(Refusal::Request(_))));
    assert!(is_refused(&ask(&world.guard, &observe, &[&social.replace("Bearer", "DPoP")], &[]).await));
    assert_eq!(seen(ask(&world.guard, &observe, &[&social], &["1", "2"]).await).unverified_version, "");
    assert_eq!(seen(ask(&world.guard, &observe, &[&social], &["1"]).await).unverified_version, "1");
}

/// The end of the list's time, and a route that wants proofs.
#[tokio::test]
async fn observing_ends_by_itself_and_never_weakens_a_route_with_dpop() {
    let world = world().await;
    let social = format!("Bearer {}", social(&good()));
    let until = |end_s| Observe::new(&[SOCIAL], end_s);
    assert!(ask(&world.guard, &until(1_001), &[&social], &[]).await.is_ok());
    assert!(is_refused(&ask(&world.guard, &until(1_000), &[&social], &[]).await));
    let bound = world.guard.clone().public_url("https://api.example.com").require_dpop(true);
    assert!(is_refused(&ask(&bound, &until(1_001), &[&social], &[]).await));
}

/// The layer: the request goes on with the mark and without an identity.
#[tokio::test]
async fn the_layer_marks_what_it_lets_through() {
    let world = world().await;
    let service = service_fn(|request: Request<()>| async move {
        let (token, observed) = (request.extensions().get::<Token>().is_some(), request.extensions().get::<Observed>().is_some());
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(format!("{token} {observed}")))))
    });
    let layer = world.guard.require("orders:read").observe(observe());
    let call = async |token: &str| {
        let request = Request::builder().uri("/orders").header("authorization", format!("Bearer {token}")).body(()).unwrap();
        let answer = layer.layer(service).oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    };
    assert_eq!(call(&social(&good())).await, (200, "false true".to_owned()));
    assert_eq!(call(&world.token(&world.claims())).await, (200, "true false".to_owned()));
    assert_eq!(call("sr_AAAA").await.0, 401);
}
