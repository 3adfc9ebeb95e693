//! Every refusal of somebody who proved who they are is in the audit, with the private reason; strangers cause no write.

use crate::devices;
use crate::world::*;
use serde_json::{Value as Json, json};

/// The entries of one event.
async fn entries(world: &World, event: &str) -> Vec<Json> {
    let app = world.running.shared.now();
    let rows = app.store.all("SELECT body FROM audit_security", &[]).await.unwrap();
    let all = rows.iter().map(|it| serde_json::from_str::<Json>(it.text("body").unwrap()).unwrap());
    all.filter(|it| it["event"] == event).collect()
}

async fn refusals(engine: Engine) {
    let world = World::start(engine).await;
    // A client that authenticates asks for what it may not have.
    let ask = |scope: &'static str| [("grant_type", "client_credentials"), ("scope", scope)];
    let (status, body) = world.post("/token", &ask("ledger:read"), Some("robot")).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_scope")));
    let found = entries(&world, "token_refused").await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0]["client"], &found[0]["outcome"]), (&json!("robot"), &json!("refused")));
    assert_eq!(found[0]["reason"], r#"scope "ledger:read""#);
    assert_eq!(found[0]["detail"]["error"], "invalid_scope");
    // The twin: what it may have, it gets, and nothing is written about a refusal.
    assert_eq!(world.post("/token", &ask("orders:read"), Some("robot")).await.0, 200);
    assert_eq!(entries(&world, "token_refused").await.len(), 1);

    // A stranger's refusals are the log's: no client proved, nothing of ours shown.
    let form = [("grant_type", "refresh_token"), ("client_id", "shop-ios"), ("refresh_token", "sr_made-up")];
    assert_eq!(world.post("/token", &form, None).await.0, 400);
    assert_eq!(world.post("/token", &[("grant_type", "client_credentials"), ("client_id", "nobody")], None).await.0, 401);
    assert_eq!(entries(&world, "token_refused").await.len(), 1);

    // A genuine token in the hands of another public client.
    let tokens = world.tokens("openid orders:read").await;
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let form = |client| [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", refresh)];
    let (status, body) = world.post("/token", &form("other-ios"), None).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_grant")));
    let found = entries(&world, "token_refused").await;
    assert_eq!(found.len(), 2);
    let entry = found.iter().find(|it| it["client"] == "shop-ios").unwrap();
    assert_eq!(entry["reason"], "issued to shop-ios, sent by other-ios");
    assert!(entry["session"].is_string() && entry["account"].is_string(), "{entry}");
    assert!(!entry.to_string().contains(refresh), "the token itself is nowhere");
    assert_eq!(world.post("/token", &form("shop-ios"), None).await.0, 200);

    // Written once by its own path is written once.
    let (code, verifier) = world.code("orders:read").await;
    assert_eq!(world.exchange(&code, &"x".repeat(43)).await.0, 400);
    assert_eq!(entries(&world, "code_refused").await.len(), 1);
    assert_eq!(entries(&world, "token_refused").await.len(), 2);
    assert_eq!(world.exchange(&code, &verifier).await.0, 200);
    // A code that was withdrawn: nobody but this net writes that down.
    let (code, verifier) = world.code("orders:read").await;
    world.advance_s(61);
    assert_eq!(world.exchange(&code, &verifier).await.0, 400);
    let found = entries(&world, "token_refused").await;
    let entry = found.iter().find(|entry| entry["reason"].as_str().is_some_and(|it| it.contains("expired"))).unwrap();
    assert!(entry["session"].is_string() && entry["account"].is_string() && !entry.to_string().contains(&code), "{entry}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_proved_callers_are_in_the_audit() {
    for engine in engines() {
        refusals(engine).await;
    }
}

/// A client that is refused over and over writes a bounded number of entries.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_refusals_does_not_fill_the_store() {
    let world = World::start(Engine::Sqlite).await;
    let form = [("grant_type", "client_credentials"), ("scope", "ledger:read")];
    for _ in 0..60 {
        assert_eq!(world.post("/token", &form, Some("robot")).await.0, 400);
    }
    let written = entries(&world, "token_refused").await.len();
    assert!((1..=35).contains(&written), "{written}");
    world.stop().await;
}

/// A device code in the hands of somebody with another key, or another client. What was not approved yet is a refusal in the audit. What
/// leads to tokens is an alarm, before they are fetched and after. The twin: the own key.
async fn stolen_device_code(engine: Engine) {
    let world = devices::world(engine).await;
    let device = |client| Phone { pushes: false, mode: Mode::Unattested, ..Phone::new(&world, client, NATIVE_BACK) };
    let (mut own, mut thief, mut other) = (device("tv"), device("tv"), device("other-tv"));
    let started = own.post("/device_authorization", &[("scope", "orders:read")]).await;
    assert_eq!(started.status, 200, "{}", started.body);
    let code = started.text("device_code");
    let form = [("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("device_code", code.as_str())];
    assert_eq!(own.post("/token", &form).await.error(), (400, "authorization_pending"));
    assert_eq!(entries(&world, "token_refused").await, Vec::<Json>::new());
    assert_eq!(thief.post("/token", &form).await.error(), (400, "invalid_grant"));
    assert_eq!(other.post("/token", &form).await.error(), (400, "invalid_grant"));
    let refused = entries(&world, "token_refused").await;
    let reasons: Vec<&str> = refused.iter().filter_map(|entry| entry["reason"].as_str()).collect();
    assert_eq!(reasons, ["holder", "started by tv, sent by other-tv"]);
    assert!(refused.iter().all(|entry| entry["client"] == "tv" && !entry["account"].is_string()), "{refused:?}");
    assert!(entries(&world, "device_code_in_wrong_hands").await.is_empty(), "it leads to nothing yet");

    let mut browser = Browser::default();
    let page = browser.visit(&world, &started.text("verification_uri_complete").replace(&world.issuer, "")).await;
    let page = browser.submit_password(&world, &page, "alice", PASSWORD).await;
    let done = browser.submit(&world, &page, &[("last_group", &started.text("user_code")[5..])], "allow").await;
    assert_eq!(done.title(), "The device is signed in", "{}", done.html);
    assert_eq!(thief.post("/token", &form).await.error(), (400, "invalid_grant"));
    let alarms = entries(&world, "device_code_in_wrong_hands").await;
    assert!(alarms.len() == 1 && alarms[0]["client"] == "tv", "{alarms:?}");
    assert!(alarms[0]["account"].is_string() && alarms[0]["session"].is_string(), "{alarms:?}");
    assert_eq!(own.post("/token", &form).await.status, 200, "the twin: a stolen code ends nothing");
    assert_eq!(thief.post("/token", &form).await.error(), (400, "invalid_grant"));
    assert_eq!(entries(&world, "device_code_in_wrong_hands").await.len(), 1, "once a minute");
    assert_eq!(entries(&world, "token_refused").await.len(), 2);
    assert!(![refused, alarms].concat().iter().any(|entry| entry.to_string().contains(&code)), "the code itself is nowhere");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_device_code_is_an_alarm() {
    for engine in engines() {
        stolen_device_code(engine).await;
    }
}
