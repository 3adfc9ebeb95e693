//! A bad network, a locked phone or a crash never ends a session. It does end when the server says so.

use crate::world::{ISSUER, LEDGER, Luck, ORDERS, World, session};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use symbolon_client::platform::Request;
use symbolon_client::{Access, Called, Client, StepUp, Trouble};
use tokio::task::JoinHandle;

fn asks(client: &Client, resource: &'static str) -> JoinHandle<Result<Access, Trouble>> {
    let client = client.clone();
    tokio::spawn(async move { client.access_token(resource).await })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_that_need_one_token_share_one_refresh() {
    let world = World::signed_in();
    let all: Vec<_> = (0..50).map(|_| asks(&world.client, ORDERS)).collect();
    let mut tokens = Vec::new();
    for one in all {
        tokens.push(one.await.unwrap().unwrap().token);
    }
    assert_eq!(world.server.count("/token"), 2, "one to learn the nonce, one with it");
    assert!(tokens.iter().all(|it| *it == tokens[0]));
    assert_eq!(world.stored().as_deref(), Some("sr-2"));
}

#[tokio::test]
async fn a_failure_is_shared_as_well() {
    let world = World::signed_in();
    world.client.access_token(LEDGER).await.unwrap();
    let before = world.server.count("/token");
    world.server.next("/token", Luck::Answer(503, &[], Value::Null));
    let all: Vec<_> = (0..20).map(|_| asks(&world.client, ORDERS)).collect();
    for one in all {
        assert!(matches!(one.await.unwrap(), Err(Trouble::Later { .. })));
    }
    assert_eq!(world.server.count("/token") - before, 1);
}

#[tokio::test]
async fn several_apis_refresh_at_once_with_one_token_and_the_next_round_waits_for_them() {
    let world = World::signed_in();
    world.client.access_token(ORDERS).await.unwrap();
    world.advance_clock(3600);
    // The server answers when both requests are there: one after the other, they would wait for ever.
    *world.server.crowd.lock().unwrap() = Some(Arc::new(tokio::sync::Barrier::new(2)));
    let (orders, ledger) = (asks(&world.client, ORDERS), asks(&world.client, LEDGER));
    let both = async { (orders.await.unwrap().unwrap(), ledger.await.unwrap().unwrap()) };
    tokio::time::timeout(std::time::Duration::from_secs(10), both).await.expect("two refreshes run side by side");
    *world.server.crowd.lock().unwrap() = None;
    let sent: Vec<String> = world.server.seen.lock().unwrap().iter().rev().take(2).map(|it| it.form["refresh_token"].clone()).collect();
    assert_eq!(sent, ["sr-2", "sr-2"]);
    assert_eq!(world.stored().as_deref(), Some("sr-3"));
}

#[tokio::test]
async fn a_newer_token_never_overtakes_an_older_one() {
    let world = World::signed_in();
    world.client.access_token(ORDERS).await.unwrap();
    world.advance_clock(3600);
    let crowd = Arc::new(tokio::sync::Barrier::new(2));
    *world.server.crowd.lock().unwrap() = Some(crowd.clone());
    let slow = asks(&world.client, LEDGER);
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    *world.server.crowd.lock().unwrap() = None;
    world.client.access_token(ORDERS).await.unwrap();
    assert_eq!(world.stored().as_deref(), Some("sr-3"));
    // The request with sr-2 is still in flight: nothing is sent with sr-3 before it has ended.
    let next = asks(&world.client, "another");
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let sent =
        |world: &World| world.server.seen.lock().unwrap().iter().filter_map(|it| it.form.get("refresh_token").cloned()).collect::<Vec<_>>();
    assert!(!sent(&world).contains(&"sr-3".to_owned()));
    crowd.wait().await;
    slow.await.unwrap().unwrap();
    next.await.unwrap().unwrap();
    assert_eq!(sent(&world).last().unwrap(), "sr-3");
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_with_the_same_token_and_a_new_proof() {
    for luck in [Luck::LoseAnswer, Luck::LoseRequest] {
        let world = World::signed_in();
        world.client.access_token(LEDGER).await.unwrap();
        world.advance_clock(3600);
        world.server.next("/token", luck);
        world.client.access_token(LEDGER).await.unwrap();
        let seen = world.server.seen.lock().unwrap().clone();
        let newest: Vec<_> = seen.iter().filter(|it| it.form.get("refresh_token").map(String::as_str) == Some("sr-2")).collect();
        assert!(newest.windows(2).all(|it| it[0].proof["jti"] != it[1].proof["jti"]));
        assert_eq!(world.stored().as_deref(), Some("sr-3"));
    }
}

#[tokio::test]
async fn a_long_tunnel_means_later_and_never_signed_out() {
    let world = World::signed_in();
    for _ in 0..10 {
        world.server.next("/token", Luck::LoseAnswer);
        world.server.next("/token", Luck::LoseAnswer);
        assert!(matches!(world.client.access_token(ORDERS).await, Err(Trouble::Later { .. })));
        assert_eq!(world.stored().as_deref(), Some("sr-1"));
    }
    world.client.access_token(ORDERS).await.unwrap();
    assert_eq!(world.stored().as_deref(), Some("sr-2"));
}

/// The server has rotated the token and the app does not know it: the process ended, or the disk was full.
#[tokio::test]
async fn an_answer_that_was_not_stored_is_got_again() {
    let world = World::signed_in();
    world.phone.storage_fails.store(true, Ordering::Relaxed);
    assert!(matches!(world.client.access_token(ORDERS).await, Err(Trouble::Later { .. })), "its access token is not used either");
    assert_eq!((world.stored().as_deref(), *world.server.generation.lock().unwrap()), (Some("sr-1"), 2));
    world.phone.storage_fails.store(false, Ordering::Relaxed);
    let world = world.restarted();
    world.client.access_token(ORDERS).await.unwrap();
    assert_eq!(world.stored().as_deref(), Some("sr-2"));
}

#[tokio::test]
async fn a_caller_that_is_dropped_harms_no_other() {
    let world = World::signed_in();
    *world.server.crowd.lock().unwrap() = Some(Arc::new(tokio::sync::Barrier::new(2)));
    let gone = asks(&world.client, ORDERS);
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    gone.abort();
    let _ = gone.await;
    *world.server.crowd.lock().unwrap() = None;
    world.client.access_token(ORDERS).await.unwrap();
    assert_eq!(world.stored().as_deref(), Some("sr-2"));
}

#[tokio::test]
async fn a_locked_key_store_means_later_and_sends_nothing() {
    let world = World::signed_in();
    world.phone.is_locked.store(true, Ordering::Relaxed);
    assert!(matches!(world.client.access_token(ORDERS).await, Err(Trouble::Later { .. })));
    assert_eq!((world.server.count("/token"), world.stored().as_deref()), (0, Some("sr-1")));
    world.phone.is_locked.store(false, Ordering::Relaxed);
    world.client.access_token(ORDERS).await.unwrap();
}

#[tokio::test]
async fn another_node_with_another_nonce_costs_one_more_request() {
    let world = World::signed_in();
    world.client.access_token(ORDERS).await.unwrap();
    world.advance_clock(3600);
    *world.server.nonce.lock().unwrap() = "nonce-2";
    let before = world.server.count("/token");
    world.client.access_token(ORDERS).await.unwrap();
    assert_eq!(world.server.count("/token") - before, 2);
    world.advance_clock(3600);
    world.client.access_token(ORDERS).await.unwrap();
    assert_eq!(world.server.count("/token") - before, 3, "the newest nonce is kept");
}

#[tokio::test]
async fn nonces_are_kept_by_origin_and_a_second_refusal_is_final() {
    let world = World::signed_in();
    world.client.access_token(ORDERS).await.unwrap();
    *world.server.nonce.lock().unwrap() = "nonce-of-the-api";
    world.client.call(ORDERS, Request::get(&format!("{ORDERS}/1"))).await.unwrap();
    *world.server.nonce.lock().unwrap() = "nonce-1";
    world.advance_clock(3600);
    let before = world.server.count("/token");
    world.client.access_token(ORDERS).await.unwrap();
    assert_eq!(world.server.count("/token") - before, 1, "the API's nonce did not take the place of the server's");
    world.advance_clock(3600);
    for _ in 0..2 {
        world.server.next("/token", Luck::Answer(400, &[], json!({ "error": "use_dpop_nonce" })));
    }
    assert!(matches!(world.client.access_token(ORDERS).await, Err(Trouble::Later { .. })));
    assert_eq!(world.server.count("/token") - before, 3);
}

#[tokio::test]
async fn only_an_error_of_the_server_itself_ends_the_session() {
    let page: &[(&str, &str)] = &[("content-type", "text/html")];
    let others = [
        (500, json!({ "error": "invalid_grant" })),
        (502, Value::Null),
        (503, Value::Null),
        (429, json!({ "error": "invalid_grant" })),
        (403, json!("a gateway's page")),
        (302, Value::Null),
        (401, json!({ "error": "invalid_client" })),
        (400, json!({ "error": "invalid_request" })),
        (200, json!("a captive portal's page")),
        (200, json!({ "access_token": "x", "token_type": "Bearer" })),
    ];
    for (status, body) in others {
        let world = World::signed_in();
        world.client.access_token(LEDGER).await.unwrap();
        world.server.next("/token", Luck::Answer(status, page, body.clone()));
        let told = world.client.access_token(ORDERS).await.unwrap_err();
        assert!(!matches!(told, Trouble::SignedOut(_)), "{status} {body}: {told}");
        world.advance_clock(3600);
        world.client.access_token(ORDERS).await.unwrap();
    }
    let world = World::signed_in();
    world.server.session_ended.store(true, Ordering::Relaxed);
    assert!(matches!(world.client.access_token(ORDERS).await, Err(Trouble::SignedOut(_))));
    assert_eq!((world.stored(), world.client.is_signed_in().await), (None, Ok(false)));
}

#[tokio::test]
async fn a_busy_server_gets_no_request_for_as_long_as_it_says() {
    let world = World::signed_in();
    world.client.access_token(LEDGER).await.unwrap();
    world.server.next("/token", Luck::Answer(429, &[("Retry-After", "30")], Value::Null));
    let wait = |after_s| Trouble::Later { why: String::new(), after_s: Some(after_s) };
    let told = |it: Trouble| match it {
        Trouble::Later { after_s, .. } => Trouble::Later { why: String::new(), after_s },
        other => other,
    };
    assert_eq!(told(world.client.access_token(ORDERS).await.unwrap_err()), wait(30));
    let before = world.server.count("/token");
    world.advance_clock(20);
    assert_eq!(told(world.client.access_token(ORDERS).await.unwrap_err()), wait(10));
    assert_eq!(world.server.count("/token"), before, "nothing was sent");
    world.advance_clock(10);
    world.client.access_token(ORDERS).await.unwrap();
    // Without a time from the server, the app waits twice as long each time. A time of a year is not accepted.
    world.advance_clock(3600);
    for expected in [1, 2, 4] {
        world.server.next("/token", Luck::Answer(503, &[], Value::Null));
        assert_eq!(told(world.client.access_token(ORDERS).await.unwrap_err()), wait(expected));
        world.advance_clock(expected as i64);
    }
    world.server.next("/token", Luck::Answer(503, &[("retry-after", "31536000")], Value::Null));
    assert_eq!(told(world.client.access_token(ORDERS).await.unwrap_err()), wait(3600));
    // A clock that is set back does not make the wait longer.
    world.advance_clock(-10_000_000);
    world.client.access_token(ORDERS).await.unwrap();
}

#[tokio::test]
async fn a_token_is_used_until_shortly_before_its_end() {
    let world = World::signed_in();
    let first = world.client.access_token(ORDERS).await.unwrap().token;
    world.advance_clock(569);
    assert_eq!(world.client.access_token(ORDERS).await.unwrap().token, first);
    world.advance_clock(1);
    assert_ne!(world.client.access_token(ORDERS).await.unwrap().token, first);
}

#[tokio::test]
async fn an_api_that_calls_the_token_invalid_gets_a_new_one_once() {
    let invalid: &[(&str, &str)] = &[("WWW-Authenticate", "Bearer"), ("WWW-Authenticate", r#"DPoP error="invalid_token", algs="ES256""#)];
    let world = World::signed_in();
    let first = world.client.access_token(ORDERS).await.unwrap().token;
    world.server.next("/1", Luck::Answer(401, invalid, Value::Null));
    let called = world.client.call(ORDERS, Request::get(&format!("{ORDERS}/1"))).await.unwrap();
    assert!(matches!(called, Called::Answer(answer) if answer.status == 200));
    let last = world.server.last("/1");
    let second = world.client.access_token(ORDERS).await.unwrap().token;
    assert_ne!(first, second);
    assert_eq!(last.headers["authorization"], format!("DPoP {second}"));
    let before = world.server.count("/1");
    for _ in 0..2 {
        world.server.next("/1", Luck::Answer(401, invalid, Value::Null));
    }
    let called = world.client.call(ORDERS, Request::get(&format!("{ORDERS}/1"))).await.unwrap();
    assert!(matches!(called, Called::Answer(answer) if answer.status == 401), "the app sees it; nobody is signed out");
    assert_eq!(world.server.count("/1") - before, 2);
    assert!(world.stored().is_some());
}

#[tokio::test]
async fn a_lost_answer_of_an_api_is_asked_for_again_only_where_that_does_no_harm() {
    let world = World::signed_in();
    world.client.call(ORDERS, Request::get(&format!("{ORDERS}/1"))).await.unwrap();
    let before = world.server.count("/1");
    world.server.next("/1", Luck::LoseAnswer);
    world.client.call(ORDERS, Request::get(&format!("{ORDERS}/1"))).await.unwrap();
    assert_eq!(world.server.count("/1") - before, 2);
    world.server.next("/1", Luck::LoseAnswer);
    let pay = Request::post(&format!("{ORDERS}/1"), "application/json", Vec::new());
    assert!(matches!(world.client.call(ORDERS, pay).await, Err(Trouble::Later { .. })));
    assert_eq!(world.server.count("/1") - before, 3);
    let plain = world.client.call(ORDERS, Request::get("http://api.example.com/1")).await;
    assert!(matches!(plain, Err(Trouble::Wrong(_))), "a token never travels in the clear");
    assert_eq!(world.server.count("/1") - before, 3);
}

#[tokio::test]
async fn a_call_that_needs_a_stronger_sign_in_says_so() {
    let world = World::signed_in();
    let challenge = r#"DPoP error="insufficient_user_authentication", acr_values="urn:strong urn:more", max_age="60""#;
    world.client.access_token(ORDERS).await.unwrap();
    world.server.next("/refund", Luck::Answer(401, Box::leak(Box::new([("www-authenticate", challenge)])), Value::Null));
    let called = world.client.call(ORDERS, Request::get(&format!("{ORDERS}/refund"))).await.unwrap();
    let Called::StepUp(step_up) = called else { panic!("{called:?}") };
    let expected = StepUp { acr_values: Some("urn:strong urn:more".to_owned()), max_age: Some("60".to_owned()), scope: None };
    assert_eq!(step_up, expected);
}

#[tokio::test]
async fn another_process_of_the_app_may_have_refreshed() {
    let world = World::signed_in();
    let other = world.restarted();
    world.client.access_token(ORDERS).await.unwrap();
    other.client.access_token(ORDERS).await.unwrap();
    assert_eq!(world.stored().as_deref(), Some("sr-3"), "the second started from what the first had stored");
    // It refreshed twice while our request was in flight. Ours is refused, and the newer token is used.
    world.advance_clock(3600);
    let kept = world.phone.clone();
    *world.server.crowd.lock().unwrap() = Some(Arc::new(tokio::sync::Barrier::new(2)));
    let slow = asks(&world.client, ORDERS);
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    kept.kept.lock().unwrap().insert("session".to_owned(), session("sr-5"));
    *world.server.generation.lock().unwrap() = 5;
    let crowd = world.server.crowd.lock().unwrap().take().unwrap();
    crowd.wait().await;
    slow.await.unwrap().unwrap();
    assert_eq!(world.stored().as_deref(), Some("sr-6"));
}

#[tokio::test]
async fn a_session_of_another_server_is_not_used_with_this_one() {
    let world = World::signed_in();
    let foreign = session("sr-1").replace(ISSUER, "https://other.example.com");
    world.phone.kept.lock().unwrap().insert("session".to_owned(), foreign);
    assert!(matches!(world.client.access_token(ORDERS).await, Err(Trouble::SignedOut(_))));
    assert_eq!(world.server.count("/token"), 0);
}

#[tokio::test]
async fn signing_out_works_on_the_device_at_once_and_reaches_the_server_later() {
    let world = World::signed_in();
    world.client.access_token(ORDERS).await.unwrap();
    world.server.next("/revoke", Luck::LoseRequest);
    world.server.next("/revoke", Luck::LoseRequest);
    world.client.sign_out().await.unwrap();
    assert!(matches!(world.client.access_token(ORDERS).await, Err(Trouble::SignedOut(_))));
    assert_eq!(world.server.count("/revoke"), 0);
    world.client.begin(&symbolon_client::SignIn::new("orders")).await.unwrap();
    assert_eq!(world.server.last("/revoke").form["token"], "sr-2");
    world.client.begin(&symbolon_client::SignIn::new("orders")).await.unwrap();
    assert_eq!(world.server.count("/revoke"), 1);
}

#[tokio::test]
async fn an_answer_after_the_sign_out_restores_no_session() {
    let world = World::signed_in();
    *world.server.crowd.lock().unwrap() = Some(Arc::new(tokio::sync::Barrier::new(2)));
    let slow = asks(&world.client, ORDERS);
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    world.client.sign_out().await.unwrap();
    let crowd = world.server.crowd.lock().unwrap().take().unwrap();
    crowd.wait().await;
    assert!(matches!(slow.await.unwrap(), Err(Trouble::SignedOut(_))));
    assert_eq!(world.stored(), None);
}

#[tokio::test]
async fn a_stale_attestation_is_renewed_for_the_same_key_and_the_request_repeated() {
    let world = World::signed_in().attested();
    world.client.access_token(ORDERS).await.unwrap();
    assert_eq!(world.server.last("/token").headers["oauth-client-attestation"], "attested-1");
    world.advance_clock(600);
    *world.server.wants_attestation.lock().unwrap() = Some("attested-2".to_owned());
    world.client.access_token(ORDERS).await.unwrap();
    let last = world.server.last("/token");
    assert_eq!((last.headers["oauth-client-attestation"].as_str(), last.form["refresh_token"].as_str()), ("attested-2", "sr-2"));
    // The app renews an old attestation by itself. A new process does so from the stored one.
    *world.server.wants_attestation.lock().unwrap() = None;
    world.advance_clock(7200);
    world.restarted().client.access_token(ORDERS).await.unwrap();
    assert_eq!(*world.phone.renewals.lock().unwrap(), [false, true, true]);
    // The challenge of a renewal is asked for with the key, and the first one without it.
    let seen = world.server.seen.lock().unwrap().clone();
    let proved = seen.iter().filter(|it| it.path.ends_with("/attest/challenge")).map(|it| it.proof.is_object());
    assert_eq!(proved.collect::<Vec<_>>(), [false, true, true]);
    // A server that no longer knows the key gets the first evidence again.
    world.advance_clock(7200);
    world.server.next("/attest", Luck::Answer(400, &[], json!({ "error": "invalid_client_attestation" })));
    world.client.access_token(ORDERS).await.unwrap();
    assert_eq!(world.phone.renewals.lock().unwrap()[3..], [true, false]);
}

#[tokio::test]
async fn one_caller_attests_for_all() {
    let world = World::signed_in().attested();
    let all: Vec<_> = [ORDERS, LEDGER, "a", "b"].into_iter().map(|resource| asks(&world.client, resource)).collect();
    for one in all {
        one.await.unwrap().unwrap();
    }
    assert_eq!(world.phone.renewals.lock().unwrap().len(), 1);
}

/// The server answers first evidence again, and a renewal needs a new challenge.
#[tokio::test]
async fn first_evidence_is_sent_again_after_a_lost_answer_and_a_renewal_is_not() {
    let world = World::signed_in().attested();
    world.server.next("/attest", Luck::LoseAnswer);
    world.client.access_token(ORDERS).await.unwrap();
    let sent = || world.server.seen.lock().unwrap().iter().filter(|it| it.path.ends_with("/attest")).cloned().collect::<Vec<_>>();
    let (first, again) = (&sent()[0], &sent()[1]);
    assert_eq!((sent().len(), &again.form), (2, &first.form));
    assert_ne!(again.proof["jti"], first.proof["jti"], "a used proof is refused");
    assert_eq!(*world.phone.renewals.lock().unwrap(), [false]);
    // Twice lost is enough.
    let world = World::signed_in().attested();
    world.server.next("/attest", Luck::LoseAnswer);
    world.server.next("/attest", Luck::LoseAnswer);
    assert!(matches!(world.client.access_token(ORDERS).await, Err(Trouble::Later { .. })));
    // A renewal.
    let world = World::signed_in().attested();
    world.client.access_token(ORDERS).await.unwrap();
    world.advance_clock(7200);
    world.server.next("/attest", Luck::LoseAnswer);
    let before = world.server.seen.lock().unwrap().iter().filter(|it| it.path.ends_with("/attest")).count();
    assert!(matches!(world.client.access_token(ORDERS).await, Err(Trouble::Later { .. })));
    let after = world.server.seen.lock().unwrap().iter().filter(|it| it.path.ends_with("/attest")).count();
    assert_eq!(after - before, 1);
    assert_eq!(*world.phone.renewals.lock().unwrap(), [false, true]);
}
