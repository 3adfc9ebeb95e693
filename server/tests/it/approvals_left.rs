//! A page about a method that does not count yet, where it is the first one: what the browser knew from before has led there (docs/devices.md).

use crate::devices::is_the_question;
use crate::enrolments::{add_totp, waits};
use crate::essential_acr::{Scene, acr_of, ask_person, poll, poll_device, start_device};
use crate::world::*;

/// Bob signs in by password and the authenticator that waits. The page behind that.
async fn prove(scene: &Scene, browser: &mut Browser, page: &Page, secret: &str) -> Page {
    let world = scene.world();
    // The code before may be of this half minute.
    world.advance_s(60);
    let page = browser.submit_password(world, page, "bob", PASSWORD).await;
    browser.submit(world, &page, &[("code", &totp(secret, scene.post.now_ms()))], "continue").await
}

/// Whoever leaves it has tried nothing. So the device and the client on the backchannel wait on, and both are approved when the method counts.
/// The twin proves it in that sign-in, and ends the request.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_left_ends_nothing_by_what_was_known_before() {
    for engine in engines() {
        let scene = Scene::start(engine, "").await;
        let world = scene.world();
        world.person("bob").await;
        let mut browser = Browser::default();
        let page = browser.open(world, &Ask::native("openid").with("acr_values", "urn:two")).await;
        let page = browser.submit_password(world, &page, "bob", PASSWORD).await;
        let (secret, page) = add_totp(world, &mut browser, &page).await;
        waits(&page);
        let mut browser = Browser::default();
        let page = browser.open(world, &Ask::native("openid")).await;
        assert!(prove(&scene, &mut browser, &page, &secret).await.has_code(), "a session whose authenticator waits");
        world.advance_s(60);
        let mut client = scene.installation("software");
        let (tv, other) = (start_device(&mut client).await, start_device(&mut client).await);
        let handle = ask_person(&mut client, "bob", &[]).await;
        for path in [tv.complete(), "/approvals"] {
            let page = browser.visit(world, path).await;
            waits(&page);
            let left = browser.submit(world, &page, &[], "give_up").await;
            assert_eq!(left.title(), "This sign-in is over", "{path}: {}", left.html);
        }
        assert_eq!(poll_device(&mut client, &tv).await.error(), (400, "authorization_pending"));
        assert_eq!(poll(&mut client, &handle).await.error(), (400, "authorization_pending"));
        assert_eq!(world.audited("authorization_refused").await, 0);
        let mut fresh = Browser::default();
        let page = fresh.visit(world, other.complete()).await;
        let page = prove(&scene, &mut fresh, &page, &secret).await;
        waits(&page);
        let left = fresh.submit(world, &page, &[], "give_up").await;
        assert_eq!(left.title(), "The device gets nothing", "the twin: {}", left.html);
        assert_eq!(poll_device(&mut client, &other).await.error(), (400, "access_denied"));
        assert_eq!(world.audited("authorization_refused").await, 1);
        assert!(world.confirm("bob").await);
        let page = browser.visit(world, "/approvals").await;
        assert_eq!(browser.submit(world, &page, &[], "allow").await.title(), "You have approved");
        let page = browser.visit(world, tv.complete()).await;
        assert!(is_the_question(&page), "{}", page.html);
        let done = browser.submit(world, &page, &[("last_group", tv.last_group())], "allow").await;
        assert_eq!(done.title(), "The device is signed in", "{}", done.html);
        assert_eq!(acr_of(&poll(&mut client, &handle).await), "urn:two");
        assert_eq!(acr_of(&poll_device(&mut client, &tv).await), "urn:two");
        scene.post.world.stop().await;
    }
}
