//! What the guard reads from its issuer, and how long it uses that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

mod world;

use axum::Router;
use axum::routing::post;
use http::HeaderMap;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use symbolon_resource::{Call, Needs, Refusal};
use world::{says, world};

/// 541-S: our secret goes to the issuer's own origin only, whatever the metadata says.
#[tokio::test]
async fn an_introspection_endpoint_elsewhere_gets_no_secret() {
    let world = world().await;
    let thief = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = thief.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&asked);
    let router = Router::new().route(
        "/introspect",
        post(move || async move {
            counting.fetch_add(1, Ordering::Relaxed);
            json!({ "active": true }).to_string()
        }),
    );
    tokio::spawn(async move { axum::serve(thief, router).await });
    // The twin: the endpoint at the issuer's own origin is asked, and answers that the token is unknown.
    let guard = world.guard.clone().introspect_as("orders", "secret");
    says(bearer_of(&guard, "sa_opaque").await.map(|it| it.token.sub.into_owned()), "unknown");
    world.metadata.lock().unwrap()["introspection_endpoint"] = format!("http://{address}/introspect").into();
    let guard = world.guard.clone().introspect_as("orders", "secret");
    says(bearer_of(&guard, "sa_opaque").await.map(|it| it.token.sub.into_owned()), "opaque and meant for another API");
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

/// Keys that are a little old are used while new ones are fetched. Very old keys are not used.
#[tokio::test]
async fn a_slow_issuer_delays_no_call_and_a_dead_one_is_trusted_for_a_limited_time() {
    let world = world().await;
    let ask = |now_s: i64| {
        world.now_s.store(now_s, Ordering::Relaxed);
        let mut claims = world.claims();
        (claims["iat"], claims["exp"]) = (now_s.into(), (now_s + 100).into());
        world.token(&claims)
    };
    let first = ask(1_000);
    assert_eq!(world.bearer(&first).await.unwrap(), "u");
    assert_eq!(world.fetched.load(Ordering::Relaxed), 1);
    world.slow_ms.store(30_000, Ordering::Relaxed);
    let later = ask(1_400);
    let answered = tokio::time::timeout(std::time::Duration::from_secs(2), world.bearer(&later)).await;
    assert_eq!(answered.expect("it does not wait for the fetch").unwrap(), "u");
    world.slow_ms.store(-1, Ordering::Relaxed);
    let hours = ask(1_400 + 12 * 3600);
    assert_eq!(world.bearer(&hours).await.unwrap(), "u", "an outage of some hours");
    for hours in [25, 30] {
        let days = ask(1_400 + hours * 3600);
        // The second call comes while the issuer is left alone after the first one's attempt.
        for call in ["first", "second"] {
            assert_eq!(world.bearer(&days).await, Err(Refusal::Unavailable), "{hours} {call}");
        }
    }
    world.slow_ms.store(0, Ordering::Relaxed);
    let back = ask(1_400 + 31 * 3600);
    assert_eq!(world.bearer(&back).await.unwrap(), "u");
}

/// While the issuer hangs, calls stand in no queue: each waits for the one fetch, for two seconds at most.
#[tokio::test]
async fn an_issuer_that_hangs_queues_no_calls() {
    let world = Arc::new(world().await);
    assert_eq!(world.bearer(&world.token(&world.claims())).await.unwrap(), "u");
    world.slow_ms.store(4_000, Ordering::Relaxed);
    // Too old for a call that does not wait.
    let now_s = 1_000 + 3_600;
    world.now_s.store(now_s, Ordering::Relaxed);
    let mut claims = world.claims();
    (claims["iat"], claims["exp"]) = (now_s.into(), (now_s + 100).into());
    let token = world.token(&claims);
    let started = std::time::Instant::now();
    let calls: Vec<_> = (0..50)
        .map(|at| {
            let (world, token) = (Arc::clone(&world), token.clone());
            tokio::spawn(async move {
                // Calls of different seconds: none of them may begin a fetch of its own behind another.
                tokio::time::sleep(std::time::Duration::from_millis(at)).await;
                world.bearer(&token).await
            })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), "u");
    }
    assert!(started.elapsed().as_millis() < 3_500, "{:?}", started.elapsed());
    assert_eq!(world.fetched.load(Ordering::Relaxed), 2, "one fetch for all");
    // The twin: an issuer that answers is asked, and its answer counts.
    world.slow_ms.store(0, Ordering::Relaxed);
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let mut later = world.claims();
    (later["iat"], later["exp"]) = ((now_s + 3_600).into(), (now_s + 3_700).into());
    world.now_s.store(now_s + 3_600, Ordering::Relaxed);
    assert_eq!(world.bearer(&world.token(&later)).await.unwrap(), "u");
    assert_eq!(world.fetched.load(Ordering::Relaxed), 3);
}

async fn bearer_of(guard: &symbolon_resource::Guard, token: &str) -> Result<symbolon_resource::Admitted, Refusal> {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    let call = Call { method: "GET", path: "/orders", query: None, headers: &headers, peer: None };
    guard.check(&call, &Needs::default()).await
}
