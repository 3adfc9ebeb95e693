//! "I did not start this": who started it gets nothing of this person for an hour. One rule for televisions, call centres and kiosks. Each
//! refusal with its twin.

use crate::backchannel::{MESSAGE, Scene, question};
use crate::commands::symbolon;
use crate::devices::{Tv, televisions, tv_at};
use crate::world::*;

const BLOCKED: &str = "You said that you did not start a sign-in from there. For an hour, nothing from there can be approved.";

/// A second call centre that asks for the person's user code.
fn more() -> String {
    format!("{}[client.other-desk.backchannel]\nuser_code = true\n", televisions())
}

async fn on_every_engine<T: Future<Output = ()>>(test: impl Fn(Scene) -> T) {
    for engine in engines() {
        test(Scene::start(engine, &more()).await).await;
    }
}

async fn typed(browser: &mut Browser, world: &World, tv: &Tv) -> Page {
    let page = browser.visit(world, "/device").await;
    browser.submit(world, &page, &[("user_code", tv.user_code())], "continue").await
}

/// K-10: the starter is blocked for this person, by whichever client it tries next. The client, other networks and other people are not.
#[tokio::test(flavor = "multi_thread")]
async fn who_started_a_television_is_blocked_and_its_client_is_not() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        world.person("bob").await;
        let (mut alice, mut bob) = (Browser::at("203.0.113.7"), Browser::at("203.0.113.8"));
        alice.sign_in(world, &Ask::native("orders:read"), "alice").await;
        bob.sign_in(world, &Ask::native("orders:read"), "bob").await;
        let attackers = tv_at(world, "tv", "198.51.100.66").await;
        let open = typed(&mut alice, world, &tv_at(world, "tv", "198.51.100.66").await).await;
        let page = typed(&mut alice, world, &attackers).await;
        assert_eq!(alice.submit(world, &page, &[], "not_mine").await.title(), "The device gets nothing");
        assert_eq!(attackers.error(world).await, "access_denied");
        let entry = world.entries("device_denied").await.remove(0);
        assert_eq!((entry["detail"]["not_mine"].as_bool(), entry["reason"].as_str()), (Some(true), Some("the person did not start it")));
        // Again from there, as the same client and as another one; the button alone is sent all the same.
        for client in ["tv", "other-tv"] {
            let again = tv_at(world, client, "198.51.100.66").await;
            let page = typed(&mut alice, world, &again).await;
            assert!(page.problem() == BLOCKED && !page.action("allow") && page.action("not_mine"), "{}", page.html);
            assert_eq!(alice.submit(world, &page, &[], "allow").await.problem(), BLOCKED);
            assert_eq!(again.error(world).await, "authorization_pending");
        }
        // A page that was open before.
        assert_eq!(alice.submit(world, &open, &[], "allow").await.problem(), BLOCKED);
        // The twins: another network, another person, an hour later.
        let elsewhere = tv_at(world, "tv", "198.51.100.67").await;
        let page = typed(&mut alice, world, &elsewhere).await;
        assert_eq!(alice.submit(world, &page, &[], "allow").await.title(), "The device is signed in");
        let bobs = tv_at(world, "tv", "198.51.100.66").await;
        let page = typed(&mut bob, world, &bobs).await;
        assert_eq!(bob.submit(world, &page, &[], "allow").await.title(), "The device is signed in");
        world.advance_s(3601);
        let mut alice = Browser::at("203.0.113.7");
        alice.sign_in(world, &Ask::native("orders:read"), "alice").await;
        let page = typed(&mut alice, world, &tv_at(world, "tv", "198.51.100.66").await).await;
        assert_eq!(alice.submit(world, &page, &[], "allow").await.title(), "The device is signed in");
        scene.world.stop().await;
    })
    .await;
}

/// The same rule in the app. Leaving the question is a plain no, and blocks nobody.
#[tokio::test(flavor = "multi_thread")]
async fn the_app_blocks_as_the_page_does() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        let (mut app, token) = scene.app("member-app", "alice").await;
        let mut browser = Browser::at("203.0.113.7");
        browser.sign_in(world, &Ask::native("orders:read"), "alice").await;
        let left = tv_at(world, "tv", "198.51.100.66").await;
        let page = typed(&mut browser, world, &left).await;
        browser.submit(world, &page, &[], "cancel").await;
        assert_eq!(left.error(world).await, "access_denied");
        assert_eq!(world.entries("device_denied").await.remove(0)["detail"]["not_mine"], false);
        let mut say = async |tv: &Tv, action: &str| {
            let code = ("user_code", tv.user_code());
            let asked = app.post_with_token("/pending/device", &token, &[code]).await;
            assert_eq!(asked.status, 200, "{}", asked.body);
            let shown = asked.text("shown");
            let answer = app.post_with_token("/pending/device", &token, &[code, ("action", action), ("shown", &shown)]).await;
            (asked, answer)
        };
        let (_, answer) = say(&tv_at(world, "tv", "198.51.100.66").await, "not_mine").await;
        assert_eq!(answer.body["state"], "denied", "a plain no has blocked nobody: {}", answer.body);
        let again = tv_at(world, "other-tv", "198.51.100.66").await;
        let (asked, answer) = say(&again, "allow").await;
        assert!(asked.body["step"]["actions"].as_array().unwrap().iter().all(|it| it["name"] != "allow"), "{}", asked.body);
        assert_eq!(answer.error(), (400, "access_denied"), "{}", answer.body);
        assert_eq!(again.error(world).await, "authorization_pending");
        let (_, answer) = say(&tv_at(world, "tv", "198.51.100.67").await, "allow").await;
        assert_eq!(answer.body["state"], "approved", "the twin: {}", answer.body);
        scene.world.stop().await;
    })
    .await;
}

/// A client that asks without any sign of the person is blocked itself. One that was told the user code is not: only its server is, so that it
/// asks from elsewhere. Retry-After says the hour.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_blocked_for_what_it_asks_unsolicited() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        let (mut app, token) = scene.app("member-app", "alice").await;
        assert_eq!(symbolon(&world.file(), &["user", "code", "alice"], "4711-alice\n").await.0, Some(0));
        let told = [("login_hint", "alice"), MESSAGE, ("user_code", "4711-alice")];
        let plain = &told[..2];
        for (client, form) in [("desk", plain), ("other-desk", &told[..])] {
            let (status, answer) = ask_from(world, client, form, "198.51.100.1").await;
            assert_eq!(status, 200, "{answer:?}");
            let asked = app.pending(&token).await.remove(0);
            assert_eq!(app.say(&token, &asked, "not_mine", &[]).await.status, 200);
            let (status, retry) = ask_from(world, client, form, "198.51.100.1").await;
            assert_eq!((status, retry.as_deref()), (403, Some("3600")), "{client}");
            // From another server: the unsolicited client is blocked there too.
            let (status, _) = ask_from(world, client, form, "198.51.100.2").await;
            assert_eq!(status, if client == "desk" { 403 } else { 200 }, "{client}");
        }
        scene.world.stop().await;
    })
    .await;
}

/// K-10, K-20: what the blocked starter had asked before waits no more: no app lists it, and neither an app nor an open page approves it. No
/// is still an answer. The twins: another client, and the same one an hour later.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_blocked_client_had_asked_before_is_not_approved() {
    for engine in engines() {
        let scene = Scene::start(engine, "").await;
        let world = &scene.world;
        let (mut app, token) = scene.app("member-app", "alice").await;
        let (mut on_page, mut silent) = (Browser::default(), Vec::new());
        for _ in 0..4 {
            silent.push(scene.ask_alice("desk").await);
            world.advance_s(1);
        }
        let twin = scene.ask_alice("other-desk").await;
        let page = question(world, &mut on_page).await;
        assert!(page.title() == "Allow Call centre?" && page.action("allow"), "{}", page.html);
        let asked = app.pending(&token).await;
        assert_eq!(asked.len(), 5);
        assert_eq!(app.say(&token, &asked[1], "not_mine", &[]).await.body["state"], "denied");
        let left = app.pending(&token).await;
        assert_eq!((left.len(), left[0]["client_id"].as_str()), (1, Some("other-desk")), "{left:?}");
        assert_eq!(app.say(&token, &asked[2], "allow", &[]).await.error(), (400, "access_denied"));
        let page = on_page.submit(world, &page, &[], "allow").await;
        assert!(page.problem() == BLOCKED && !page.action("allow") && page.action("not_mine"), "{}", page.html);
        assert!(on_page.visit(world, "/approvals").await.title() == "Allow Other desk?");
        let by_name = format!("/approvals?ref={}", asked[2]["request"].as_str().unwrap());
        let page = on_page.visit(world, &by_name).await;
        assert!(page.problem() == BLOCKED && !page.action("allow"), "{}", page.html);
        assert_eq!(world.audited("backchannel_approved").await, 0);
        assert_eq!(scene.error("desk", &silent[2]).await, "authorization_pending");
        assert_eq!(app.say(&token, &asked[3], "deny", &[]).await.body["state"], "denied");
        assert_eq!(scene.error("desk", &silent[3]).await, "access_denied");
        assert_eq!(app.say(&token, &left[0], "allow", &[]).await.body["state"], "approved", "the twin");
        assert_eq!(scene.poll("other-desk", &twin).await.0, 200);
        world.advance_s(3601);
        let (mut app, token) = scene.app("member-app", "alice").await;
        let handle = scene.ask_alice("desk").await;
        let asked = app.pending(&token).await.remove(0);
        assert_eq!(app.say(&token, &asked, "allow", &[]).await.body["state"], "approved", "an hour later");
        assert_eq!(scene.poll("desk", &handle).await.0, 200);
        scene.world.stop().await;
    }
}

/// Asks from this address: the status and Retry-After.
async fn ask_from(world: &World, client: &str, form: &[(&str, &str)], address: &str) -> (u16, Option<String>) {
    let form = [&[("scope", "openid orders:read")], form].concat();
    let request = world.http.post(world.url("/backchannel_authentication")).form(&form).basic_auth(client, Some(SECRET));
    let answer = Answer::to(request.header("x-forwarded-for", address)).await;
    (answer.status, answer.header("retry-after").map(str::to_owned))
}
