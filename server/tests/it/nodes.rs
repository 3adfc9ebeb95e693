//! Two processes on one PostgreSQL: what one begins the other ends, once is once on both, and a disagreement is seen.
//! Areas D, N and Q, as far as they concern two nodes.

use crate::attested;
use crate::world::*;
use serde_json::Value as Json;

async fn two() -> Option<(World, World)> {
    postgres()?;
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

/// 625-Q
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

/// 166-D: a proof of possession that one node has seen is refused by the other, in either order; and a new one is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_used_at_one_node_is_used_at_the_other() {
    let Some((first, second)) = two().await else { return };
    let mut app = first.phone();
    let token = app.tokens("openid orders:read").await.text("refresh_token");
    let form = [("grant_type", "refresh_token"), ("client_id", "shop-ios"), ("refresh_token", token.as_str())];
    for (one, other) in [(&first, &second), (&second, &first)] {
        let proof = app.proof("POST", "/token", None);
        assert_eq!(app.send_to(one, "/token", &form, &[&proof]).await.status, 200);
        assert_eq!(app.send_to(other, "/token", &form, &[&proof]).await.error(), (400, "use_dpop_nonce"));
        assert_eq!(app.send_to(one, "/token", &form, &[&proof]).await.error(), (400, "use_dpop_nonce"));
        assert_eq!(app.send_to(other, "/token", &form, &[&app.proof("POST", "/token", None)]).await.status, 200);
    }
    end(first, second).await;
}

/// 273-N: a PoP of an attested key likewise; the challenge that it answers is good at either node.
#[tokio::test(flavor = "multi_thread")]
async fn a_pop_used_at_one_node_is_used_at_the_other() {
    if postgres().is_none() {
        return;
    }
    let scene = attested::Scene::start(Engine::Postgres).await;
    let (first, second) = (&scene.world, scene.world.another("").await);
    let ask = Ask::new("popping", "https://attested.example.com/cb", "openid orders:read");
    let form = ask.form();
    let mut phone = scene.phone("popping");
    for (one, other) in [(first, &second), (&second, first)] {
        let (_, handed) = one.post("/challenge", &[], None).await;
        phone.challenge = handed["attestation_challenge"].as_str().map(str::to_owned);
        let headers = phone.headers("/par");
        assert_eq!(phone.send_headers(one, "/par", &form, &headers).await.status, 201);
        for node in [other, one] {
            let replayed = phone.send_headers(node, "/par", &form, &headers).await;
            assert_eq!(replayed.error(), (400, "use_attestation_challenge"));
            assert!(replayed.challenge().is_some());
        }
        assert_eq!(phone.send_headers(other, "/par", &form, &phone.headers("/par")).await.status, 201, "a new PoP, the same challenge");
    }
    second.running.stop().await;
    scene.world.stop().await;
}

/// All at once.
pub async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pending: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = pending.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (at, one) in pending.iter_mut().enumerate().filter(|(at, _)| done[*at].is_none()).collect::<Vec<_>>() {
            if let std::task::Poll::Ready(value) = one.as_mut().poll(context) {
                done[at] = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_are_configured_otherwise_are_seen() {
    if postgres().is_none() {
        return;
    }
    let first = World::start(Engine::Postgres).await;
    let health = async || symbolon::nodes::health(&first.running.shared.now()).await.details;
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
    // A plug-in of another file is another configuration.
    let rule = |body: &str| crate::plugins::deciding(body, "token", "");
    let first = Configuration::on(Engine::Postgres).await.with(&rule(crate::plugins::ALLOW)).start().await;
    let health = async || symbolon::nodes::health(&first.running.shared.now()).await.details;
    for (other, differ) in [(crate::plugins::ALLOW, 0), (crate::plugins::DENY, 1)] {
        let second = first.another_as(|it| it.without("plugin").with(&rule(other))).await;
        let seen = health().await;
        assert_eq!((seen["nodes"].as_i64(), seen["configured_otherwise"].as_i64()), (Some(2), Some(differ)), "{seen}");
        second.running.stop().await;
    }
    first.stop().await;
}

/// Nodes elsewhere would keep the old epoch.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_some_node_serves_is_not_recovered() {
    let Some((first, second)) = two().await else { return };
    second.running.stop().await;
    let elsewhere = first.directory.join("elsewhere.toml");
    let text = Configuration::from_text(0, &first.text).set("admin_socket", "elsewhere.sock").text();
    std::fs::write(&elsewhere, text).unwrap();
    let (code, _, error) = crate::commands::symbolon(&elsewhere, &["recover"], "").await;
    assert!(code == Some(1) && error.contains("1 nodes serve on this database"), "{error}");
    let mut first = first;
    first.running.stop_in_place().await;
    let (code, said, error) = crate::commands::symbolon(&elsewhere, &["recover"], "").await;
    assert!(code == Some(0) && said.contains("Epoch 2"), "{said}{error}");
    let _ = std::fs::remove_dir_all(&first.directory);
}

/// A node whose clock is not the database's says so, and is well again when it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_differs_is_seen() {
    if postgres().is_none() {
        return;
    }
    let world = World::start(Engine::Postgres).await;
    let health = async || {
        symbolon::nodes::announce(&world.running.shared.now()).await.unwrap();
        let details = symbolon::nodes::health(&world.running.shared.now()).await.details;
        (world.get("/health").await.status().as_u16(), details["clock_offset_ms"].as_i64().unwrap())
    };
    let (status, offset_ms) = health().await;
    assert!(status == 200 && offset_ms.abs() <= 2_000, "{offset_ms}");
    world.advance_s(5);
    let (status, offset_ms) = health().await;
    assert!(status == 503 && (-7_000..-3_000).contains(&offset_ms), "{offset_ms}");
    world.advance_s(-5);
    assert_eq!(health().await.0, 200);
    world.stop().await;
}
