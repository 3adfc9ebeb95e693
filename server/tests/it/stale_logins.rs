//! A login under way is worth nothing after the account changed: a new password, ended sessions, a logout.

use crate::world::*;
use symbolon::login::accounts;
use symbolon::store::Change;

const THIRD: &str = "https://third.example.com/callback";

/// A browser with the password proved and the consent page open; no session yet.
async fn before_consent(world: &World, name: &str) -> (Browser, Page) {
    let mut browser = Browser::default();
    let page = browser.open(world, &Ask::new("third-party", THIRD, "openid")).await;
    let page = browser.submit_password(world, &page, name, PASSWORD).await;
    assert!(page.action("allow"), "{}", page.html);
    (browser, page)
}

async fn apply(world: &World, what: impl FnOnce(&mut Change)) {
    let app = world.running.shared.now();
    let mut change = Change::new(app.now_ms());
    what(&mut change);
    app.store.apply(change).await.unwrap();
}

/// 420-U, 346-L: the sealed login of a thief is worth nothing after the owner's new password, after an operator ended the sessions, and
/// after the owner signed out all others. The twin is the login of somebody whose account stayed as it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_under_way_dies_with_the_sessions() {
    on_every_engine(|world| async move {
        let digest = accounts::hash_password_blocking("another horse entirely").unwrap();
        for event in ["nothing", "a new password", "sessions ended", "others signed out", "disabled and enabled"] {
            let name = event.replace(' ', "-");
            let id = world.person(&name).await;
            let mut owner = Browser::default();
            owner.sign_in(&world, &Ask::native("openid"), &name).await;
            let (mut thief, page) = before_consent(&world, &name).await;
            match event {
                "a new password" => apply(&world, |it| accounts::set_password(it, &id, digest.clone())).await,
                "sessions ended" => apply(&world, |it| accounts::end_sessions(it, &id)).await,
                "disabled and enabled" => apply(&world, |it| accounts::raise(it, &id)).await,
                "others signed out" => {
                    let account = owner.visit(&world, "/account").await;
                    assert_eq!(owner.change(&world, &account, "sign_out_others").await.status, 303);
                }
                _ => {}
            }
            let answer = thief.submit(&world, &page, &[], "allow").await;
            if event == "nothing" {
                assert!(answer.has_code(), "{}", answer.html);
                continue;
            }
            assert_eq!((answer.status, &answer.location), (400, &None), "{event}: {}", answer.html);
            assert!(answer.says("invalid_session"), "{event}: {}", answer.html);
            assert!(!thief.cookies.contains_key("symbolon-session"), "{event}");
        }
        world.stop().await;
    })
    .await;
}

/// 333-L: a login that took its proofs from a session dies with it, also by logout. Its twin is finished before the logout.
#[tokio::test(flavor = "multi_thread")]
async fn a_logout_takes_the_logins_seeded_by_the_session_along() {
    on_every_engine(|world| async move {
        for logs_out in [false, true] {
            let mut browser = Browser::default();
            browser.sign_in(&world, &Ask::native("openid"), "alice").await;
            let consent = Ask::new("third-party", THIRD, "openid").with("prompt", "consent");
            let page = browser.open(&world, &consent).await;
            assert!(page.action("allow"), "{}", page.html);
            if logs_out {
                let logout = browser.visit(&world, "/logout").await;
                assert_eq!(browser.submit(&world, &logout, &[], "logout").await.status, 200);
            }
            let answer = browser.submit(&world, &page, &[], "allow").await;
            assert_eq!(answer.has_code(), !logs_out, "{}", answer.html);
            assert_eq!(answer.status, if logs_out { 400 } else { 303 });
        }
        world.stop().await;
    })
    .await;
}
