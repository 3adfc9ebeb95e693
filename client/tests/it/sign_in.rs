//! Signing in: only the answer to our own request counts, and a crash on the way costs the person no second try.

use crate::world::{BACK, ISSUER, Luck, ORDERS, World, good_redirect};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use symbolon_client::platform::Request;
use symbolon_client::{Called, SignIn, StepUp, Trouble};
use symbolon_oauth::base64url;

fn request() -> SignIn {
    SignIn::new("orders").for_api(ORDERS)
}

#[tokio::test]
async fn a_sign_in_ends_with_tokens_that_are_stored() {
    let world = World::new();
    let signed_in = world.client.sign_in(&request()).await.unwrap();
    assert_eq!(signed_in.scope, "orders");
    let resource = |path| world.server.last(path).form.get("resource").cloned();
    assert_eq!((resource("/par"), resource("/token").as_deref()), (None, Some(ORDERS)), "the session is for every API");
    assert_eq!(world.stored().as_deref(), Some("sr-1"));
    let before = world.server.count("/token");
    let called = world.client.call(ORDERS, Request::get(ORDERS)).await.unwrap();
    assert!(matches!(called, Called::Answer(answer) if answer.status == 200));
    assert_eq!(world.server.count("/token"), before, "the access token came with the sign-in");
    assert!(world.phone.kept.lock().unwrap().get("sign-in").is_none());
}

#[tokio::test]
async fn answers_to_other_requests_are_ignored() {
    let world = World::new();
    let others = [
        format!("{BACK}?code=evil&state=guessed&iss={ISSUER}"),
        format!("{BACK}?code=evil&iss={ISSUER}"),
        format!("{BACK}?error=access_denied&state=guessed&iss={ISSUER}"),
        format!("com.example.evil:/callback?code=evil&state=STATE&iss={ISSUER}"),
        String::new(),
    ];
    *world.phone.back.lock().unwrap() = others.into_iter().chain([good_redirect()]).collect();
    world.client.sign_in(&request()).await.unwrap();
    assert_eq!(world.server.last("/token").form["code"], "c");
}

#[tokio::test]
async fn an_answer_that_names_another_issuer_ends_the_sign_in() {
    for bad in [good_redirect().replace(ISSUER, "https://evil.example.com"), good_redirect().replace(&format!("&iss={ISSUER}"), "")] {
        let world = World::new();
        *world.phone.back.lock().unwrap() = [bad, good_redirect()].into();
        assert!(matches!(world.client.sign_in(&request()).await, Err(Trouble::Wrong(_))));
        assert_eq!(world.server.count("/token"), 0);
    }
}

#[tokio::test]
async fn a_person_who_cancels_is_no_error_of_the_server() {
    let world = World::new();
    *world.phone.back.lock().unwrap() = [format!("{BACK}?error=access_denied&state=STATE&iss={ISSUER}")].into();
    assert_eq!(world.client.sign_in(&request()).await.unwrap_err(), Trouble::Cancelled { reason: None });
    world.phone.back.lock().unwrap().clear();
    assert_eq!(world.client.sign_in(&request()).await.unwrap_err(), Trouble::Cancelled { reason: None }, "the browser was closed");
    *world.phone.back.lock().unwrap() = [format!("{BACK}?error=server_error&state=STATE&iss={ISSUER}")].into();
    assert!(matches!(world.client.sign_in(&request()).await, Err(Trouble::Later { .. })));
}

#[tokio::test]
async fn the_app_may_be_ended_while_the_browser_is_open() {
    let world = World::new();
    world.client.begin(&request()).await.unwrap();
    let state = world.server.last("/par").form["state"].clone();
    let world = world.restarted();
    let back = good_redirect().replace("STATE", &state);
    world.client.finish(&back).await.unwrap().unwrap();
    assert!(world.client.finish(&back).await.unwrap().is_none(), "a redirect works once");
}

#[tokio::test]
async fn a_code_whose_tokens_were_lost_is_redeemed_again() {
    let world = World::new();
    world.client.begin(&request()).await.unwrap();
    let back = good_redirect().replace("STATE", &world.server.last("/par").form["state"]);
    // Both requests are sent at once: the nonce is known from the push.
    world.server.next("/token", Luck::LoseAnswer);
    world.server.next("/token", Luck::LoseAnswer);
    assert!(matches!(world.client.finish(&back).await, Err(Trouble::Later { .. })));
    assert!(world.client.finish(&back).await.unwrap().is_none());
    world.phone.storage_fails.store(true, Ordering::Relaxed);
    assert!(matches!(world.client.resume().await, Err(Trouble::Later { .. })), "tokens that cannot be stored are not used");
    world.phone.storage_fails.store(false, Ordering::Relaxed);
    let world = world.restarted();
    world.client.resume().await.unwrap().unwrap();
    assert_eq!(world.stored().as_deref(), Some("sr-1"));
    assert!(world.client.resume().await.unwrap().is_none());
}

#[tokio::test]
async fn a_refused_code_ends_the_sign_in_and_not_the_session() {
    let world = World::signed_in();
    world.client.access_token(ORDERS).await.unwrap();
    world.server.next("/token", Luck::Answer(400, &[], json!({ "error": "invalid_grant" })));
    assert!(matches!(world.client.sign_in(&request()).await, Err(Trouble::Refused { error, .. }) if error == "invalid_grant"));
    assert_eq!((world.stored().as_deref(), world.client.resume().await.unwrap().is_none()), (Some("sr-2"), true));
}

#[tokio::test]
async fn only_the_metadata_of_exactly_this_issuer_is_accepted() {
    let changes: [(&str, Value); 6] = [
        ("issuer", json!(format!("{ISSUER}/"))),
        ("issuer", json!("https://evil.example.com")),
        ("authorization_response_iss_parameter_supported", json!(false)),
        ("code_challenge_methods_supported", json!(["plain"])),
        ("token_endpoint", json!("http://login.example.com/token")),
        ("authorization_endpoint", json!("javascript:alert(1)")),
    ];
    for (name, value) in changes {
        let world = World::new();
        let right = std::mem::replace(&mut world.server.metadata.lock().unwrap()[name], value);
        assert!(matches!(world.client.begin(&request()).await, Err(Trouble::Wrong(_))), "{name}");
        world.server.metadata.lock().unwrap()[name] = right;
        world.client.begin(&request()).await.unwrap();
    }
    let world = World::new();
    world.server.next("oauth-authorization-server", Luck::Answer(200, &[], json!("a captive portal's page")));
    assert!(matches!(world.client.begin(&request()).await, Err(Trouble::Later { .. })));
}

#[tokio::test]
async fn a_token_that_works_without_the_key_is_refused() {
    let world = World::new();
    world.client.begin(&request()).await.unwrap();
    let back = good_redirect().replace("STATE", &world.server.last("/par").form["state"]);
    world.server.next("/token", Luck::Answer(200, &[], json!({ "access_token": "x", "token_type": "Bearer", "refresh_token": "sr-1" })));
    assert!(matches!(world.client.finish(&back).await, Err(Trouble::Wrong(_))));
    assert_eq!(world.stored(), None);
}

#[tokio::test]
async fn an_id_token_of_another_app_or_server_is_refused() {
    let jwt =
        |claims: Value| format!("{}.{}.AA", base64url::encode(b"{\"alg\":\"ES256\"}"), base64url::encode(claims.to_string().as_bytes()));
    let good = json!({ "iss": ISSUER, "aud": "shop", "sub": "alice" });
    for (name, value) in [("iss", "https://evil.example.com"), ("aud", "other"), ("", "")] {
        let world = World::new();
        world.client.begin(&request()).await.unwrap();
        let back = good_redirect().replace("STATE", &world.server.last("/par").form["state"]);
        let mut claims = good.clone();
        claims[name] = value.into();
        let body = json!({ "access_token": "x", "token_type": "DPoP", "id_token": jwt(claims) });
        world.server.next("/token", Luck::Answer(200, &[], body));
        match world.client.finish(&back).await {
            Err(Trouble::Wrong(_)) if !name.is_empty() => {}
            Ok(Some(signed_in)) if name.is_empty() => assert_eq!(signed_in.claims["sub"], "alice"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_step_up_asks_for_what_the_api_wants() {
    let world = World::new();
    let wanted = StepUp { acr_values: Some("urn:strong".to_owned()), ..StepUp::default() };
    world.client.sign_in(&request().with_step_up(&wanted)).await.unwrap();
    assert_eq!(world.server.last("/par").form["acr_values"], "urn:strong");
}
