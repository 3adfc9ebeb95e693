//! Two processes on one PostgreSQL: what one begins the other ends, once is once on both, and a disagreement is seen.
//! 166-D, 609-Q.

use crate::world::*;
use serde_json::Value as Json;

async fn two() -> Option<(World, World)> {
    if std::env::var("SYMBOLON_TEST_POSTGRES").is_err() {
        println!("skipped: SYMBOLON_TEST_POSTGRES names no server");
        return None;
    }
    let first = World::start(Engine::Postgres).await;
    let second = first.another("").await;
    Some((first, second))
}

async fn end(first: World, second: World) {
    second.running.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_begins_the_other_ends() {
    let Some((first, second)) = two().await else { return };
    let (code, verifier) = first.code("openid orders:read").await;
    let (status, tokens) = second.exchange(&code, &verifier).await;
    assert_eq!(status, 200, "{tokens}");
    let token = tokens["refresh_token"].as_str().unwrap();
    let (one, two) = (first.refresh(token).await.1, second.refresh(token).await.1);
    assert_eq!(one["refresh_token"], two["refresh_token"], "a retry at the other node converges");
    let keys = |it: &World| it.http.get(it.url("/jwks")).send();
    let (a, b): (Json, Json) = (keys(&first).await.unwrap().json().await.unwrap(), keys(&second).await.unwrap().json().await.unwrap());
    assert_eq!(a, b, "they share their signing keys");
    assert_eq!(first.exchange(&code, &verifier).await.0, 400, "used at the other node is used");
    assert_eq!(second.refresh(one["refresh_token"].as_str().unwrap()).await.0, 400, "and ends it everywhere");
    end(first, second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_redemptions_on_two_nodes_give_one_grant() {
    let Some((first, second)) = two().await else { return };
    for _ in 0..3 {
        let (code, verifier) = first.code("openid orders:read").await;
        let tries = (0..64).map(|at| {
            let world = if at % 2 == 0 { &first } else { &second };
            world.exchange(&code, &verifier)
        });
        let answers = futures(tries).await;
        assert!(answers.iter().filter(|it| it.0 == 200).count() <= 1, "{answers:?}");
    }
    end(first, second).await;
}

/// All at once.
pub async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pending: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = pending.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (at, one) in pending.iter_mut().enumerate().filter(|(at, _)| done[*at].is_none()).collect::<Vec<_>>() {
            if let std::task::Poll::Ready(it) = one.as_mut().poll(context) {
                done[at] = Some(it);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_are_configured_otherwise_are_seen() {
    if std::env::var("SYMBOLON_TEST_POSTGRES").is_err() {
        println!("skipped: SYMBOLON_TEST_POSTGRES names no server");
        return;
    }
    let first = World::start(Engine::Postgres).await;
    let health = async || first.get("/health").await.json::<Json>().await.unwrap();
    let second = first.another("").await;
    let seen = health().await;
    assert_eq!((seen["nodes"].as_i64(), seen["configured_otherwise"].as_i64()), (Some(2), Some(0)), "{seen}");
    second.running.stop().await;
    let third = first.another("[dpop]\nnonce = false\n[session]\nidle = \"1h\"").await;
    let seen = health().await;
    assert_eq!((seen["nodes"].as_i64(), seen["configured_otherwise"].as_i64()), (Some(2), Some(1)), "{seen}");
    third.running.stop().await;
    assert_eq!(health().await["nodes"], 1);
    first.stop().await;
}
