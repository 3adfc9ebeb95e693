//! Pages that are left before the question, and what a browser knew from before: what ends a request, and what does not (docs/devices.md).

use crate::devices::is_the_question;
use crate::enrolments::{add_totp, waits};
use crate::essential_acr::{Scene, acr_of, allow_device, ask_person, poll, poll_device, start_device};
use crate::world::passkeys::options;
use crate::world::*;
use symbolon::store::{Change, Expect};
use symbolon_phone::authenticator::Authenticator;

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
        allow_device(world, &mut browser, &page, &tv).await;
        assert_eq!(acr_of(&poll(&mut client, &handle).await), "urn:two");
        assert_eq!(acr_of(&poll_device(&mut client, &tv).await), "urn:two");
        scene.post.world.stop().await;
    }
}

/// Whoever cancels a page that asks for a proof has tried nothing, with a device as on the backchannel. The twins prove something in that
/// sign-in, or cancel the question: that is a no.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_cancelled_at_its_question_or_after_a_proof() {
    for engine in engines() {
        let scene = Scene::start(engine, "").await;
        let world = scene.world();
        world.person("bob").await;
        let mut browser = Browser::default();
        let page = browser.open(world, &Ask::native("openid")).await;
        assert!(browser.submit_password(world, &page, "bob", PASSWORD).await.has_code(), "a session without an authenticator");
        let mut client = scene.installation("software");
        let tv = start_device(&mut client).await;
        let handle = ask_person(&mut client, "bob", &[]).await;
        for path in [tv.complete(), "/approvals"] {
            let page = browser.visit(world, path).await;
            assert_eq!(page.kind(), "enrol_totp", "{path}: {}", page.html);
            let left = browser.submit(world, &page, &[], "cancel").await;
            assert_eq!(left.title(), "This sign-in is over", "{path}: {}", left.html);
        }
        assert_eq!(poll_device(&mut client, &tv).await.error(), (400, "authorization_pending"));
        assert_eq!(poll(&mut client, &handle).await.error(), (400, "authorization_pending"));
        assert_eq!(world.audited("device_denied").await, 0);
        let mut fresh = Browser::default();
        let page = fresh.visit(world, tv.complete()).await;
        let page = fresh.submit_password(world, &page, "bob", PASSWORD).await;
        assert_eq!(page.kind(), "enrol_totp", "{}", page.html);
        let left = fresh.submit(world, &page, &[], "cancel").await;
        assert_eq!(left.title(), "The device gets nothing", "a proof: {}", left.html);
        assert_eq!(poll_device(&mut client, &tv).await.error(), (400, "access_denied"));
        let mut other = scene.installation("hardware");
        let tv = start_device(&mut other).await;
        let page = browser.visit(world, tv.complete()).await;
        assert!(is_the_question(&page), "{}", page.html);
        let left = browser.submit(world, &page, &[], "cancel").await;
        assert_eq!(left.title(), "The device gets nothing", "the question: {}", left.html);
        assert_eq!(poll_device(&mut other, &tv).await.error(), (400, "access_denied"));
        assert_eq!(world.audited("device_denied").await, 2);
        scene.post.world.stop().await;
    }
}

const BY_PASSKEY: &str = "[passkeys]\noffer = false\n[login.default]\nrequire = [\"password\", \"passkey\"]\n\
    [login.own]\nrequire = [\"passkey\", \"password + totp\"]\ntwo_factor_passkey = true\nacr = \"urn:own\"\n\
    [client.lounge.attestation.tier.software]\nacr = \"urn:own\"\n";

/// Bob adds a passkey, which waits. It counts as password and recovery code, as if he had added it with these.
async fn add_passkey_by_code(world: &World, phone: &mut Authenticator) {
    let mut browser = Browser::default();
    let page = browser.visit(world, "/account").await;
    assert_eq!(browser.submit_password(world, &page, "bob", PASSWORD).await.status, 303);
    let page = browser.visit(world, "/account").await;
    let page = browser.submit(world, &page, &[], "add_passkey").await;
    let made = phone.create(&options(&page), &world.issuer).unwrap();
    let done = browser.submit(world, &page, &[("passkey", &made.to_string())], "passkey").await;
    assert_eq!(done.status, 303, "{}", done.html);
    let mut change = Change::new(0);
    change.run_expecting("UPDATE enrolment SET enrolled_with = 'password+recovery'", Vec::new(), Expect::Any);
    world.running.shared.now().store.apply(change).await.unwrap();
}

async fn use_passkey(world: &World, browser: &mut Browser, page: &Page, phone: &mut Authenticator) -> Page {
    let used = phone.get(&options(page), &world.issuer).unwrap();
    browser.submit(world, page, &[("passkey", &used.to_string())], "passkey").await
}

/// A session by a passkey that counts as a recovery code gives no acr, and has no code in it. It ends nothing: the person proves it anew. The
/// twin: when it counts, the same session is enough.
#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_from_before_that_gives_no_acr_ends_nothing() {
    for engine in engines() {
        let scene = Scene::start(engine, BY_PASSKEY).await;
        let world = scene.world();
        world.person("bob").await;
        let mut phone = Authenticator::default();
        add_passkey_by_code(world, &mut phone).await;
        let mut browser = Browser::default();
        let page = browser.open(world, &Ask::native("openid")).await;
        assert!(use_passkey(world, &mut browser, &page, &mut phone).await.has_code(), "a session by the passkey");
        let mut client = scene.installation("software");
        let tv = start_device(&mut client).await;
        let handle = ask_person(&mut client, "bob", &[]).await;
        for path in [tv.complete(), "/approvals"] {
            let page = browser.visit(world, path).await;
            assert_eq!((page.status, page.action("cancel"), page.action("allow")), (200, true, false), "{path}: {}", page.html);
            // Anybody may approve a device. A client on the backchannel asks one person.
            assert_eq!(page.action("not_you"), path != "/approvals", "{path}: {}", page.html);
        }
        assert_eq!(poll_device(&mut client, &tv).await.error(), (400, "authorization_pending"));
        assert_eq!(poll(&mut client, &handle).await.error(), (400, "authorization_pending"));
        assert_eq!(world.audited("authorization_refused").await, 0);
        assert!(world.confirm("bob").await);
        let page = browser.visit(world, tv.complete()).await;
        assert!(is_the_question(&page), "{}", page.html);
        allow_device(world, &mut browser, &page, &tv).await;
        world.advance_s(10);
        assert_eq!(acr_of(&poll_device(&mut client, &tv).await), "urn:own");
        scene.post.world.stop().await;
    }
}
