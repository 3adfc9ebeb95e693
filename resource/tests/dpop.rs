//! DPoP at the guard. Each refusal has its positive twin.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod world;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response, StatusCode};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use symbolon_oauth::dpop;
use symbolon_oauth::dpop_nonce::NonceKey;
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_resource::{Admitted, Answer, Call, Guard, GuardLayer, Needs, Refusal, Token};
use tower::{Layer, ServiceExt, service_fn};
use world::{AUDIENCE, World, says, world};

const API: &str = "https://api.example.com";
const URL: &str = "https://api.example.com/orders";

fn key() -> PrivateKey {
    PrivateKey::generate(Algorithm::ES256).unwrap()
}

/// An app with a key and a token bound to it.
struct BoundToken {
    key: PrivateKey,
    token: String,
}

impl BoundToken {
    fn of(world: &World) -> Self {
        let key = key();
        Self { token: bound(world, &json!({ "jkt": key.kid() })), key }
    }

    fn proof(&self, jti: &str, nonce: Option<&str>, now_s: i64) -> String {
        dpop::make(&self.key, &dpop::Statement { method: "GET", url: URL, nonce, access_token: Some(&self.token), jti, iat: now_s })
            .unwrap()
    }

    async fn calls(&self, guard: &Guard, jti: &str, nonce: Option<&str>) -> Result<Admitted, Refusal> {
        self.sends(guard, &self.proof(jti, nonce, 1_000)).await
    }

    async fn sends(&self, guard: &Guard, proof: &str) -> Result<Admitted, Refusal> {
        call(guard, "GET", &[("authorization", &format!("DPoP {}", self.token)), ("dpop", proof)]).await
    }
}

fn bound(world: &World, cnf: &Value) -> String {
    let mut claims = world.claims();
    claims["cnf"] = cnf.clone();
    claims["exp"] = 5_000.into();
    world.token(&claims)
}

fn headers(list: &[(&str, &str)]) -> HeaderMap {
    list.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).fold(
        HeaderMap::new(),
        |mut all, (name, value)| {
            all.append(name, value);
            all
        },
    )
}

async fn call(guard: &Guard, method: &str, list: &[(&str, &str)]) -> Result<Admitted, Refusal> {
    let headers = headers(list);
    guard.check(&Call { method, path: "/orders", query: Some("page=2"), headers: &headers, peer: None }, &Needs::default()).await
}

fn text(outcome: Result<Admitted, Refusal>) -> Result<String, Refusal> {
    outcome.map(|it| it.token.sub.into_owned())
}

fn nonce(outcome: Result<Admitted, Refusal>) -> String {
    match outcome {
        Err(Refusal::Nonce(nonce)) => nonce,
        other => panic!("{other:?}"),
    }
}

/// 157-D, 179-D, RFC 9449 4.3 1
#[tokio::test]
async fn a_call_has_one_token_and_one_proof() {
    let world = world().await;
    let guard = world.guard.clone().public_url(API);
    let phone = BoundToken::of(&world);
    let dpop = format!("DPoP {}", phone.token);
    let (one, two) = (phone.proof("1", None, 1_000), phone.proof("2", None, 1_000));
    assert!(matches!(call(&guard, "GET", &[("authorization", &dpop)]).await, Err(Refusal::Proof(_))));
    assert!(matches!(call(&guard, "GET", &[("authorization", &dpop), ("dpop", &one), ("dpop", &two)]).await, Err(Refusal::Proof(_))));
    assert!(matches!(call(&guard, "GET", &[("authorization", &dpop), ("dpop", &format!("{one}, {two}"))]).await, Err(Refusal::Proof(_))));
    assert!(matches!(call(&guard, "GET", &[("authorization", &dpop), ("dpop", "")]).await, Err(Refusal::Proof(_))));
    let bearer = format!("Bearer {}", world.token(&world.claims()));
    for pair in [[&dpop, &bearer], [&bearer, &dpop], [&dpop, &dpop]] {
        let list = [("authorization", pair[0].as_str()), ("authorization", pair[1].as_str()), ("dpop", &one)];
        assert!(matches!(call(&guard, "GET", &list).await, Err(Refusal::Request(_))));
    }
    // None of these calls used the proof up.
    assert_eq!(text(call(&guard, "GET", &[("authorization", &dpop), ("dpop", &one)]).await), Ok("u".to_owned()));
    assert_eq!(text(call(&guard, "GET", &[("authorization", &bearer)]).await), Ok("u".to_owned()));
}

/// 159-D: a bound token as Bearer, an unbound one as DPoP, and unknown bindings.
#[tokio::test]
async fn the_scheme_must_match_the_binding_of_the_token() {
    let world = world().await;
    let guard = world.guard.clone().public_url(API);
    let phone = BoundToken::of(&world);
    let proof = phone.proof("1", None, 1_000);
    let bearer = format!("Bearer {}", phone.token);
    says(text(call(&guard, "GET", &[("authorization", &bearer)]).await), "bound to a key");
    says(text(call(&guard, "GET", &[("authorization", &bearer), ("dpop", &proof)]).await), "bound to a key");
    assert!(phone.sends(&guard, &proof).await.is_ok());

    let unbound = BoundToken { key: key(), token: world.token(&world.claims()) };
    says(text(unbound.calls(&guard, "1", None).await), "not bound");
    assert!(call(&guard, "GET", &[("authorization", &format!("Bearer {}", unbound.token))]).await.is_ok());

    let jkt = phone.key.kid();
    for cnf in [
        json!(null),
        json!({}),
        json!(jkt),
        json!({ "jkt": null }),
        json!({ "jkt": [jkt] }),
        json!({ "kid": jkt }),
        json!({ "jkt": jkt, "kid": jkt }),
    ] {
        let odd = BoundToken { key: phone.key.clone(), token: bound(&world, &cnf) };
        says(text(odd.calls(&guard, "2", None).await), "does not check");
        says(text(call(&guard, "GET", &[("authorization", &format!("Bearer {}", odd.token))]).await), "bound to a key");
    }
    // Bound to a certificate as well: the key alone is not enough (resource/tests/guard.rs has the rest).
    let both = BoundToken { key: phone.key.clone(), token: bound(&world, &json!({ "jkt": jkt, "x5t#S256": jkt })) };
    says(text(both.calls(&guard, "2", None).await), "client certificate");
    for jkt in ["", "x", &jkt.to_ascii_lowercase(), &format!("{jkt}=")] {
        let odd = BoundToken { key: phone.key.clone(), token: bound(&world, &json!({ "jkt": jkt })) };
        says(text(odd.calls(&guard, "2", None).await), "another key");
    }
    // Without a public URL DPoP is not offered, and a bound token does not become a bearer token.
    says(text(phone.calls(&world.guard, "3", None).await), "takes Bearer tokens");
    says(text(call(&world.guard, "GET", &[("authorization", &bearer)]).await), "bound to a key");
}

/// 161-D, 163-D, 174-D, 184-D
#[tokio::test]
async fn a_proof_is_for_this_request_token_and_key() {
    let world = world().await;
    let guard = world.guard.clone().public_url(API);
    let phone = BoundToken::of(&world);
    let proof = |method: &str, url: &str, token: Option<&str>, iat: i64| {
        dpop::make(&phone.key, &dpop::Statement { method, url, nonce: None, access_token: token, jti: "j", iat }).unwrap()
    };
    let token = Some(phone.token.as_str());
    for bad in [
        proof("POST", URL, token, 1_000),
        proof("get", URL, token, 1_000),
        proof("GET", "https://evil.test/orders", token, 1_000),
        proof("GET", "https://api.example.com/other", token, 1_000),
        proof("GET", "http://api.example.com/orders", token, 1_000),
        proof("GET", URL, None, 1_000),
        proof("GET", URL, Some("another"), 1_000),
        proof("GET", URL, token, 699),
        proof("GET", URL, token, 1_301),
    ] {
        assert!(matches!(phone.sends(&guard, &bad).await, Err(Refusal::Proof(_))));
    }
    // A clock that is off by up to five minutes is asked for a nonce, and with it let in, once.
    for (iat, jti) in [(939, "early"), (1_061, "late"), (700, "earliest"), (1_300, "latest")] {
        let ours = nonce(phone.sends(&guard, &phone.proof(jti, None, iat)).await);
        let with_nonce = phone.proof(jti, Some(&ours), iat);
        assert!(phone.sends(&guard, &with_nonce).await.is_ok(), "{iat}");
        nonce(phone.sends(&guard, &with_nonce).await);
    }
    for iat in [699, 1_301] {
        let ours = nonce(phone.sends(&guard, &phone.proof("far", None, 939)).await);
        assert!(matches!(phone.sends(&guard, &phone.proof("far", Some(&ours), iat)).await, Err(Refusal::Proof(_))), "{iat}");
    }
    let spoofed = proof("GET", "https://evil.test/orders", token, 1_000);
    let dpop_scheme = format!("DPoP {}", phone.token);
    for (name, value) in [("host", "evil.test"), ("x-forwarded-host", "evil.test"), ("forwarded", "host=evil.test")] {
        let outcome = call(&guard, "GET", &[("authorization", &dpop_scheme), ("dpop", &spoofed), (name, value)]).await;
        assert!(matches!(outcome, Err(Refusal::Proof(_))), "{name}");
    }
    let thief = BoundToken { key: key(), token: phone.token.clone() };
    says(text(thief.calls(&guard, "j", None).await), "another key");
    let strict = guard.clone().dpop_algorithms(&[Algorithm::EdDSA]);
    assert!(matches!(phone.calls(&strict, "j", None).await, Err(Refusal::Proof(_))));
    // 168-D: none of these calls used up `j`.
    assert!(phone.calls(&guard, "j", None).await.is_ok());
    // A prefix that a proxy or a nested router removes belongs to the configured URL.
    let nested = BoundToken { key: phone.key.clone(), token: phone.token.clone() };
    let proof = dpop::make(
        &nested.key,
        &dpop::Statement {
            method: "GET",
            url: "https://api.example.com/v1/orders",
            nonce: None,
            access_token: token,
            jti: "k",
            iat: 1_000,
        },
    )
    .unwrap();
    assert!(matches!(nested.sends(&guard, &proof).await, Err(Refusal::Proof(_))));
    assert!(nested.sends(&guard.clone().public_url("https://api.example.com/v1/"), &proof).await.is_ok());
}

/// 164-D, 167-D, 168-D: a repeated proof is answered with a nonce, and a new proof is accepted.
#[tokio::test]
async fn a_proof_works_once() {
    let world = world().await;
    let guard = world.guard.clone().public_url(API);
    let phone = BoundToken::of(&world);
    let latest = phone.proof("1", None, 1_060);
    assert!(phone.sends(&guard, &latest).await.is_ok());
    let first = nonce(phone.sends(&guard, &latest).await);
    let variant = dpop::make(
        &phone.key,
        &dpop::Statement {
            method: "GET",
            url: "HTTPS://api.example.com:443/orders?x",
            nonce: None,
            access_token: Some(&phone.token),
            jti: "1",
            iat: 1_000,
        },
    )
    .unwrap();
    nonce(phone.sends(&guard, &variant).await);
    nonce(phone.sends(&guard.clone().require_dpop(true), &latest).await);
    assert!(phone.calls(&guard, "2", Some(&first)).await.is_ok());
    // Another key's `1` is another proof.
    assert!(BoundToken::of(&world).calls(&guard, "1", None).await.is_ok());
    for now_s in [1_061, 1_120] {
        world.now_s.store(now_s, Ordering::Relaxed);
        nonce(phone.sends(&guard, &latest).await);
    }
    for now_s in [1_121, 1_360] {
        world.now_s.store(now_s, Ordering::Relaxed);
        nonce(phone.sends(&guard, &latest).await);
    }
    world.now_s.store(1_361, Ordering::Relaxed);
    assert!(matches!(phone.sends(&guard, &latest).await, Err(Refusal::Proof(_))));
}

/// 168-D: a call that lacks the scope does not use up its proof.
#[tokio::test]
async fn only_the_proofs_of_accepted_calls_are_remembered() {
    let world = world().await;
    let guard = world.guard.clone().public_url(API);
    let phone = BoundToken::of(&world);
    let headers = headers(&[("authorization", &format!("DPoP {}", phone.token)), ("dpop", &phone.proof("1", None, 1_000))]);
    let call = Call { method: "GET", path: "/orders", query: None, headers: &headers, peer: None };
    assert_eq!(guard.check(&call, &Needs::scope("orders:write")).await, Err(Refusal::Scope("orders:write".to_owned())));
    assert!(guard.check(&call, &Needs::scope("orders:read")).await.is_ok());
}

/// 172-D: a missing, stale, foreign or invented nonce.
#[tokio::test]
async fn a_required_nonce_is_ours_and_fresh() {
    let world = world().await;
    let open = world.guard.clone().public_url(API).nonce_key(&[7; 32]);
    let guard = open.clone().require_nonce(true);
    let phone = BoundToken::of(&world);
    assert!(phone.calls(&open, "0", None).await.is_ok());
    let fresh = nonce(phone.calls(&guard, "1", None).await);
    assert!(phone.calls(&guard, "1", Some(&fresh)).await.is_ok());
    let foreign = nonce(phone.calls(&world.guard.clone().public_url(API).require_nonce(true), "2", None).await);
    let other_api = NonceKey::new(&[7; 32], "https://api.example.com/other").make(1_000);
    for bad in [foreign.as_str(), &other_api, "invented"] {
        nonce(phone.calls(&guard, "2", Some(bad)).await);
        // Where no nonce is required, a wrong one is still refused.
        nonce(phone.calls(&open, "2", Some(bad)).await);
    }
    // Another process with the same key knows it.
    let clock = Arc::clone(&world.now_s);
    let twin = Guard::with_clock(&world.issuer, AUDIENCE, Arc::new(move || clock.load(Ordering::Relaxed)));
    assert!(phone.calls(&twin.public_url(API).nonce_key(&[7; 32]).require_nonce(true), "2", Some(&fresh)).await.is_ok());
    let later = |now_s: i64, jti: &'static str| phone.proof(jti, Some(&fresh), now_s);
    world.now_s.store(2_700, Ordering::Relaxed);
    let admitted = phone.sends(&guard, &later(2_700, "3")).await.unwrap();
    assert!(admitted.next_nonce.is_some_and(|it| it != fresh));
    world.now_s.store(2_800, Ordering::Relaxed);
    assert_ne!(nonce(phone.sends(&guard, &later(2_800, "4")).await), fresh);
}

/// A full memory asks for a nonce and keeps room for proofs that have it. It never accepts a proof that it cannot remember.
#[tokio::test]
async fn a_full_memory_accepts_no_proof() {
    let world = world().await;
    let guard = world.guard.clone().public_url(API).replay_capacity(4);
    for _ in 0..3 {
        assert!(BoundToken::of(&world).calls(&guard, "1", None).await.is_ok());
    }
    let (phone, late) = (BoundToken::of(&world), BoundToken::of(&world));
    let fresh = nonce(phone.calls(&guard, "1", None).await);
    assert!(phone.calls(&guard, "2", Some(&fresh)).await.is_ok());
    nonce(late.calls(&guard, "1", Some(&fresh)).await);
    nonce(phone.calls(&guard, "2", Some(&fresh)).await);
    world.now_s.store(1_200, Ordering::Relaxed);
    assert!(late.sends(&guard, &late.proof("3", None, 1_200)).await.is_ok());
}

/// The binding of an opaque token comes from introspection.
#[tokio::test]
async fn introspected_tokens_are_bound_too() {
    let world = world().await;
    let phone = BoundToken { key: key(), token: "sa_opaque".to_owned() };
    let guard = || world.guard.clone().public_url(API).introspect_as("orders", "s");
    let answers = |change: Value| {
        let mut claims = world.claims();
        claims["active"] = true.into();
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        *world.opaque.lock().unwrap() = claims;
    };
    let bearer = [("authorization", "Bearer sa_opaque")];
    answers(json!({ "cnf": { "jkt": phone.key.kid() }, "token_type": "DPoP" }));
    assert!(phone.calls(&guard(), "1", None).await.is_ok());
    says(text(call(&guard(), "GET", &bearer).await), "bound to a key");
    answers(json!({ "cnf": { "jkt": key().kid() } }));
    says(text(phone.calls(&guard(), "1", None).await), "another key");
    answers(json!({}));
    says(text(phone.calls(&guard(), "1", None).await), "not bound");
    assert!(call(&guard(), "GET", &bearer).await.is_ok());
    answers(json!({ "token_type": "DPoP" }));
    says(text(call(&guard(), "GET", &bearer).await), "bound to a key");
    answers(json!({ "cnf": null }));
    says(text(call(&guard(), "GET", &bearer).await), "bound to a key");
}

#[tokio::test]
async fn a_route_may_require_dpop() {
    let world = world().await;
    let open = world.guard.clone().public_url(API);
    let closed = open.clone().require_dpop(true);
    let bearer = format!("Bearer {}", world.token(&world.claims()));
    says(text(call(&closed, "GET", &[("authorization", &bearer)]).await), "bound to a key");
    assert!(call(&open, "GET", &[("authorization", &bearer)]).await.is_ok());
    let phone = BoundToken::of(&world);
    assert!(phone.calls(&closed, "1", None).await.is_ok());
    // DPoP is required and not set up: every call is refused.
    let broken = world.guard.clone().require_dpop(true);
    assert_eq!(text(phone.calls(&broken, "2", None).await), Err(Refusal::Unavailable));
    says(text(call(&broken, "GET", &[("authorization", &bearer)]).await), "bound to a key");
}

async fn through(layer: &GuardLayer, list: &[(&str, &str)]) -> Response<Bytes> {
    let service = layer.layer(service_fn(|request: Request<()>| async move {
        let sub = request.extensions().get::<Token>().map(|it| it.sub.to_string()).unwrap_or_default();
        Ok::<_, Infallible>(Response::new(Bytes::from(sub)))
    }));
    let mut request = Request::builder().uri("/orders?page=2").body(()).unwrap();
    *request.headers_mut() = headers(list);
    service.oneshot(request).await.unwrap().map(|it| match it {
        Answer::Left(own) => own,
        Answer::Right(_) => Bytes::new(),
    })
}

fn challenges(response: &Response<Bytes>) -> Vec<&str> {
    response.headers().get_all("www-authenticate").iter().map(|it| it.to_str().unwrap()).collect()
}

/// RFC 9449 7.1, RFC 6750 3: the challenges that an app gets.
#[tokio::test]
async fn challenges_say_which_scheme_and_why() {
    const ALGS: &str = "algs=\"ES256 EdDSA PS256 RS256\"";
    let world = world().await;
    let guard = world.guard.clone().public_url(API);
    let phone = BoundToken::of(&world);
    let dpop = format!("DPoP {}", phone.token);
    let both = guard.layer();

    let nothing = through(&both, &[]).await;
    assert_eq!((nothing.status(), challenges(&nothing)), (StatusCode::UNAUTHORIZED, vec!["Bearer", &format!("DPoP {ALGS}")]));
    let only = through(&guard.clone().require_dpop(true).layer(), &[]).await;
    assert_eq!(challenges(&only), [format!("DPoP {ALGS}")]);
    let off = through(&world.guard.layer(), &[]).await;
    assert_eq!(challenges(&off), ["Bearer"]);

    let no_proof = through(&both, &[("authorization", &dpop)]).await;
    assert_eq!(no_proof.status(), StatusCode::UNAUTHORIZED);
    assert!(challenges(&no_proof)[0].starts_with("DPoP error=\"invalid_dpop_proof\", error_description="), "{:?}", challenges(&no_proof));
    assert!(challenges(&no_proof)[0].ends_with(ALGS));
    assert_eq!(challenges(&no_proof)[1], "Bearer");

    let downgraded = through(&both, &[("authorization", &format!("Bearer {}", phone.token))]).await;
    assert_eq!(downgraded.status(), StatusCode::UNAUTHORIZED);
    assert!(challenges(&downgraded)[0].starts_with("Bearer error=\"invalid_token\""));
    assert_eq!(challenges(&downgraded)[1], format!("DPoP {ALGS}"));

    let foreign = through(&both, &[("authorization", "DPoP hello"), ("dpop", "x")]).await;
    assert!(challenges(&foreign)[0].starts_with("DPoP error=\"invalid_token\""));

    let scope = through(&guard.require("orders:write"), &[("authorization", &dpop), ("dpop", &phone.proof("1", None, 1_000))]).await;
    assert_eq!(scope.status(), StatusCode::FORBIDDEN);
    assert!(
        challenges(&scope)[0].starts_with("DPoP error=\"insufficient_scope\"") && challenges(&scope)[0].contains("scope=\"orders:write\"")
    );

    let good = through(&both, &[("authorization", &dpop), ("dpop", &phone.proof("1", None, 1_000))]).await;
    assert_eq!((good.status(), good.body().as_ref()), (StatusCode::OK, b"u".as_slice()));
    assert!(!good.headers().contains_key("dpop-nonce"));
}

/// RFC 9449 8 and 9: the API asks for a nonce, gets it, and sends the next one.
#[tokio::test]
async fn a_nonce_is_asked_for_used_and_renewed() {
    let world = world().await;
    let layer = world.guard.clone().public_url(API).require_nonce(true).layer();
    let phone = BoundToken::of(&world);
    let dpop = format!("DPoP {}", phone.token);
    let asked = through(&layer, &[("authorization", &dpop), ("dpop", &phone.proof("1", None, 1_000))]).await;
    assert_eq!(asked.status(), StatusCode::UNAUTHORIZED);
    assert!(challenges(&asked)[0].starts_with("DPoP error=\"use_dpop_nonce\""));
    assert_eq!(asked.headers()["cache-control"], "no-store");
    let given = asked.headers()["dpop-nonce"].to_str().unwrap();
    let good = through(&layer, &[("authorization", &dpop), ("dpop", &phone.proof("1", Some(given), 1_000))]).await;
    assert_eq!(good.status(), StatusCode::OK);
    assert!(!good.headers().contains_key("dpop-nonce"));
    world.now_s.store(1_070, Ordering::Relaxed);
    let later = through(&layer, &[("authorization", &dpop), ("dpop", &phone.proof("2", Some(given), 1_070))]).await;
    assert_eq!(later.status(), StatusCode::OK);
    assert_eq!(later.headers()["cache-control"], "no-store");
    let next = later.headers()["dpop-nonce"].to_str().unwrap();
    assert_ne!(next, given);
    let last = through(&layer, &[("authorization", &dpop), ("dpop", &phone.proof("3", Some(next), 1_070))]).await;
    assert_eq!((last.status(), last.headers().contains_key("dpop-nonce")), (StatusCode::OK, false));
}
