//! An API that checks JWTs itself hears within a second what has ended, whoever ended it and on whichever node.

use crate::world::*;
use http::HeaderMap;
use serde_json::{Value as Json, json};
use std::time::{Duration, Instant};
use symbolon_resource::{Call, Guard, Needs};

const ORDERS: &str = "https://api.example.com/orders";

fn guard(world: &World) -> Guard {
    Guard::new(&world.issuer, ORDERS).follow_endings_as("orders", SECRET)
}

async fn accepted(guard: &Guard, token: &Json) -> bool {
    let mut headers = HeaderMap::new();
    headers.append("authorization", format!("Bearer {}", token["access_token"].as_str().unwrap()).parse().unwrap());
    let call = Call { method: "GET", path: "/orders", query: None, headers: &headers, peer: None };
    guard.check(&call, &Needs::scope("orders:read")).await.is_ok()
}

/// How long until the API refuses; ten seconds at most.
async fn refused_after(guard: &Guard, token: &Json) -> Duration {
    let began = Instant::now();
    while accepted(guard, token).await && began.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    began.elapsed()
}

/// 23-R's sibling at JWT APIs: a grant revoked by the app, a single token, a session ended by the operator, a disabled person;
/// each ends its own tokens and no others.
#[tokio::test(flavor = "multi_thread")]
async fn an_ended_session_is_refused_by_a_jwt_api() {
    on_every_engine(|world| async move {
        world.person("bob").await;
        let guard = guard(&world);
        let (one, two, other) = (world.tokens("orders:read").await, world.tokens("orders:read").await, world.tokens("orders:read").await);
        for token in [&one, &two, &other] {
            assert!(accepted(&guard, token).await);
        }
        // The follower has asked once before anything ends, as in a process that runs.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let revoke = async |token: &str| world.post("/revoke", &[("client_id", "shop-ios"), ("token", token)], None).await.0;
        assert_eq!(revoke(one["refresh_token"].as_str().unwrap()).await, 200);
        assert!(refused_after(&guard, &one).await < Duration::from_secs(3), "the grant");
        assert_eq!(revoke(two["access_token"].as_str().unwrap()).await, 200);
        assert!(refused_after(&guard, &two).await < Duration::from_secs(3), "the token");
        let (_, fresh) = world.refresh(two["refresh_token"].as_str().unwrap()).await;
        assert!(accepted(&guard, &fresh).await && accepted(&guard, &other).await, "nothing else has ended");
        let file = world.file();
        let said = tokio::task::spawn_blocking(move || {
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_symbolon"))
                .arg("-c")
                .arg(file)
                .args(["user", "end-sessions", "alice"])
                .output()
                .unwrap();
            String::from_utf8(output.stdout).unwrap()
        });
        assert!(said.await.unwrap().contains("ended"));
        assert!(refused_after(&guard, &other).await < Duration::from_secs(3), "the sessions");
        assert!(!accepted(&guard, &fresh).await || refused_after(&guard, &fresh).await < Duration::from_secs(3));
        assert!(accepted(&guard, &world.tokens("orders:read").await).await, "a new sign-in is a new session");
        world.stop().await;
    })
    .await;
}

/// A process that starts later knows what ended while it was away; names are the API's own; strangers hear nothing.
#[tokio::test(flavor = "multi_thread")]
async fn who_comes_later_hears_it_too() {
    on_every_engine(|world| async move {
        let token = world.tokens("orders:read").await;
        assert_eq!(
            world.post("/revoke", &[("client_id", "shop-ios"), ("token", token["refresh_token"].as_str().unwrap())], None).await.0,
            200
        );
        let late = guard(&world);
        assert!(refused_after(&late, &token).await < Duration::from_secs(3));
        let (status, heard) = world.post("/endings", &[], Some("orders")).await;
        let grant_id = claims(token["access_token"].as_str().unwrap())["grant_id"].clone();
        assert_eq!((status, &heard["ended"]), (200, &json!([{ "grant_id": grant_id }])), "{heard}");
        let (_, other) = world.post("/endings", &[], Some("ledger")).await;
        assert_ne!(other["ended"][0]["grant_id"], grant_id, "another API hears another name");
        // It is over for good when its tokens have expired, and is not kept beyond that.
        world.advance_s(3700);
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(world.post("/endings", &[], Some("orders")).await.1["ended"], json!([]));
        for (basic, form, expected) in [
            (None, vec![], (401, "invalid_client")),
            (Some("shop-web"), vec![], (401, "invalid_client")),
            (Some("orders"), vec![("after", "x")], (400, "invalid_request")),
            (Some("orders"), vec![("after", "-1")], (400, "invalid_request")),
        ] {
            let (status, answer) = world.post("/endings", &form, basic).await;
            assert_eq!((status, answer["error"].as_str().unwrap()), expected);
        }
        // A stop does not wait for those who wait.
        let waiting = world.http.post(world.url("/endings")).form(&[("after", "99999999999999")]).basic_auth("orders", Some(SECRET)).send();
        let waiting = tokio::spawn(waiting);
        tokio::time::sleep(Duration::from_millis(300)).await;
        let began = Instant::now();
        world.stop().await;
        assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
        assert!(began.elapsed() < Duration::from_secs(5));
    })
    .await;
}
