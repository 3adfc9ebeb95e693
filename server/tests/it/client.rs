//! The mobile client against the real server: whatever happens to answers, processes and nodes, its person stays signed in, until the
//! server itself says otherwise.

use crate::world::{NATIVE_BACK, PASSWORD, World, on_every_engine};
use std::sync::atomic::Ordering;
use symbolon_client::{Settings, SignIn, Trouble};
use symbolon_phone::browser::Person;
use symbolon_phone::phone::Phone;

const ORDERS: &str = "https://api.example.com/orders";
const LEDGER: &str = "https://api.example.com/ledger";

async fn phone(world: &World) -> Phone {
    let settings = Settings { issuer: world.issuer.clone(), client_id: "shop-ios".to_owned(), redirect_uri: NATIVE_BACK.to_owned() };
    let phone = Phone::new(settings, Person::with_password("alice", PASSWORD)).unwrap();
    let signed_in = phone.client.sign_in(&SignIn::new("openid orders:read ledger:read").for_api(ORDERS)).await.unwrap();
    assert!(signed_in.claims.contains_key("sub"));
    phone
}

/// On both sides.
fn pass(world: &World, phone: &Phone, seconds: i64) {
    world.advance_s(seconds);
    phone.clock.ahead_s.fetch_add(seconds, Ordering::Relaxed);
}

#[tokio::test]
async fn a_process_that_ends_between_the_answer_and_its_storing_goes_on_a_day_later() {
    on_every_engine(|world| async move {
        let phone = phone(&world).await;
        let before = phone.refresh_token();
        phone.shelf.dies_at.lock().unwrap().replace("session");
        assert!(matches!(phone.restarted().client.access_token(ORDERS).await, Err(Trouble::Later { .. })));
        assert_eq!((phone.refresh_token(), world.audited("refreshed").await), (before.clone(), 1));
        pass(&world, &phone, 86_400);
        phone.restarted().client.access_token(ORDERS).await.unwrap();
        assert_ne!(phone.refresh_token(), before);
        assert_eq!((world.audited("refreshed").await, world.audited("refresh_repeated").await), (1, 1));
        // And from there as if nothing had happened.
        phone.restarted().client.access_token(ORDERS).await.unwrap();
        world.stop().await;
    })
    .await;
}

#[tokio::test]
async fn answers_are_lost_and_the_server_starts_anew_and_nobody_signs_in_again() {
    on_every_engine(|world| async move {
        let phone = phone(&world).await;
        let started = phone.restarted();
        let mut world = world;
        for _ in 0..3 {
            phone.net.lose_answers.store(2, Ordering::Relaxed);
            pass(&world, &phone, 3600);
            assert!(matches!(started.client.access_token(ORDERS).await, Err(Trouble::Later { .. })));
            world = world.restarted(|_| {}).await;
            started.client.access_token(ORDERS).await.unwrap();
        }
        assert_eq!((world.audited("refreshed").await, world.audited("refresh_repeated").await), (3, 6));
        assert_eq!(world.audited("refresh_replayed").await, 0);
        world.stop().await;
    })
    .await;
}

#[tokio::test]
async fn screens_that_need_several_apis_at_once_never_look_like_a_thief() {
    on_every_engine(|world| async move {
        let phone = phone(&world).await;
        for _ in 0..5 {
            pass(&world, &phone, 3600);
            let all: Vec<_> = [ORDERS, LEDGER, ORDERS, LEDGER, ORDERS, LEDGER]
                .into_iter()
                .map(|resource| {
                    let client = phone.client.clone();
                    tokio::spawn(async move { client.access_token(resource).await })
                })
                .collect();
            for one in all {
                one.await.unwrap().unwrap();
            }
        }
        assert_eq!(world.audited("refreshed").await + world.audited("refresh_repeated").await, 10, "one for each API and round");
        assert_eq!(world.audited("refresh_replayed").await, 0);
        world.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_session_that_the_server_ended_is_over_and_one_that_it_did_not_is_not() {
    on_every_engine(|world| async move {
        let (one, other) = (phone(&world).await, phone(&world).await);
        other.client.server().revoke(&other.refresh_token()).await.unwrap();
        assert!(matches!(other.restarted().client.access_token(ORDERS).await, Err(Trouble::SignedOut(_))));
        assert_eq!(other.client.is_signed_in().await, Ok(false));
        one.restarted().client.access_token(ORDERS).await.unwrap();
        let token = one.refresh_token();
        one.client.sign_out().await.unwrap();
        let reply = one.client.server().refresh(&token, ORDERS).await.unwrap();
        assert_eq!((reply.status, reply.error()), (400, "invalid_grant"), "the server has heard of it");
        world.stop().await;
    })
    .await;
}
