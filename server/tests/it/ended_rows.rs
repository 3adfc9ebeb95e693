//! What the row of a sign-in keeps when the sign-in is over. It stays for up to half an hour, sealed. Each with its twin, which is under way.

use crate::backchannel::{self, question};
use crate::devices::{Tv, televisions, type_code};
use crate::world::*;

/// Of each sign-in that did not end by an answer, oldest first: its state, and whether anything is kept of it.
async fn kept(world: &World) -> Vec<String> {
    const ROWS: &str = "SELECT state, CAST(length(body) AS BIGINT) AS length FROM sign_in WHERE state <> 'ended' ORDER BY id";
    let rows = world.running.shared.now().store.all(ROWS, &[]).await.unwrap();
    rows.iter().map(|row| format!("{} {}", row.text("state").unwrap(), row.int("length").unwrap() > 0)).collect()
}

/// Whoever signs out ends what the browser had begun. What was typed and proved in it goes with it, and neither its page nor its start goes
/// on. The twin was begun in another browser.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_before_a_sign_out_keeps_nothing() {
    on_every_engine(|world| async move {
        let mut begun = Vec::new();
        for _ in 0..2 {
            let mut browser = Browser::default();
            browser.sign_in(&world, &Ask::native("openid"), "alice").await;
            let start = browser.open(&world, &Ask::native("openid").with("prompt", "login")).await;
            let asked = browser.submit_password(&world, &start, "alice", "wrong").await;
            assert!(asked.asks_for("password"), "{}", asked.html);
            begun.push((browser, start, asked));
        }
        assert_eq!(kept(&world).await, ["open true", "open true"]);
        let (mut browser, start, asked) = begun.remove(0);
        let mut late = browser.clone();
        let page = browser.visit(&world, "/logout").await;
        assert_eq!(browser.submit(&world, &page, &[], "logout").await.kind(), "signed_out");
        for page in [&start, &asked] {
            assert_eq!(kept(&world).await, ["void false", "open true"]);
            let page = late.submit_password(&world, page, "alice", PASSWORD).await;
            assert_eq!((page.status, page.location), (400, None), "{}", page.html);
        }
        assert_eq!(kept(&world).await, ["void false", "open true"], "the start makes no other row");
        let (mut browser, _, asked) = begun.remove(0);
        assert!(browser.submit_password(&world, &asked, "alice", PASSWORD).await.has_code(), "the twin");
        world.stop().await;
    })
    .await;
}

/// The code that the person typed, and the token by which a client is told, are of no use once the answer is given. The client is told by what
/// stands at its own request.
#[tokio::test(flavor = "multi_thread")]
async fn an_approval_keeps_no_code_and_no_token() {
    const TOKEN: &str = "8d67dc78-7faa-4d41-aabd-67707b374255";
    let told = "[client.till.backchannel]\ndelivery = \"ping\"\nnotification_endpoint = \"http://127.0.0.1:9/told\"\n";
    for engine in engines() {
        let scene = backchannel::Scene::start(engine, &format!("{}{told}", televisions())).await;
        let world = &scene.world;
        let tv = Tv::start(world, "tv", "orders:read").await;
        let mut browser = Browser::default();
        let page = type_code(&mut browser, world, tv.user_code(), "alice").await;
        assert!(world.sign_ins().await.contains(tv.user_code()), "the twin");
        assert_eq!(browser.submit(world, &page, &[], "allow").await.title(), "The device is signed in");
        assert!(!world.sign_ins().await.contains(tv.user_code()));
        let (status, answer) = scene.ask("till", &[("login_hint", "alice"), ("client_notification_token", TOKEN)]).await;
        assert_eq!(status, 200, "{answer}");
        let page = question(world, &mut browser).await;
        let page = browser.submit(world, &page, &[("matching_number", "")], "allow").await;
        assert!(page.asks_for("matching_number") && world.sign_ins().await.contains(TOKEN), "the twin: {}", page.html);
        let number = answer["matching_number"].as_str().unwrap();
        assert_eq!(browser.submit(world, &page, &[("matching_number", number)], "allow").await.title(), "You have approved");
        assert!(!world.sign_ins().await.contains(TOKEN));
        world.advance_s(10);
        assert_eq!(scene.poll("till", answer["auth_req_id"].as_str().unwrap()).await.0, 200);
        scene.world.stop().await;
    }
}
