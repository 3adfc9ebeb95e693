//! Guessing: ten tries and no more, the same for names that exist and names that do not, and the owner is not locked out.

use crate::world::*;

async fn start(world: &World, browser: &mut Browser) -> Page {
    let again = Ask::native("orders:read").with("prompt", "login");
    browser.get(world, &world.url(&format!("/authorize?{}", again.query()))).await
}

async fn guess(world: &World, browser: &mut Browser, page: &Page, name: &str, password: &str) -> Page {
    browser.submit(world, page, &[("username", name), ("password", password)], "continue").await
}

/// 298-H, 300-H, 356-Z: restarting the flow gives no new guesses, and the limit does not tell which names exist.
#[tokio::test(flavor = "multi_thread")]
async fn guesses_are_counted_on_the_account_and_alike_for_nobody() {
    on_every_engine(|world| async move {
        let mut owner = Browser::default();
        owner.sign_in(&world, &Ask::native("orders:read"), "alice").await;
        for name in ["alice", "nobody"] {
            let mut answers = Vec::new();
            for _ in 0..12 {
                let mut thief = Browser::default();
                let page = start(&world, &mut thief).await;
                let page = guess(&world, &mut thief, &page, name, "a wrong password").await;
                assert_eq!((page.status, &page.location), (200, &None));
                answers.push(page.html.contains("Too many attempts"));
            }
            assert_eq!(answers.iter().position(|it| *it), Some(10), "{name}: {answers:?}");
        }
        // The right password from an unknown browser has to wait as well; the owner's own browser does not.
        let mut thief = Browser::default();
        let page = start(&world, &mut thief).await;
        assert!(guess(&world, &mut thief, &page, "alice", PASSWORD).await.location.is_none());
        let page = start(&world, &mut owner).await;
        assert!(guess(&world, &mut owner, &page, "alice", PASSWORD).await.location.is_some());
        world.stop().await;
    })
    .await;
}

/// 290-H, 291-H, 295-H: the sealed state of a login, edited anywhere or carried elsewhere, is refused.
#[tokio::test(flavor = "multi_thread")]
async fn an_edited_login_is_over() {
    let world = World::start(Engine::Sqlite).await;
    let mut browser = Browser::default();
    let page = start(&world, &mut browser).await;
    let handle = inputs(&page.html)["handle"].clone();
    let right = [("username", "alice"), ("password", PASSWORD)];
    for at in [0, 10, handle.len() / 2, handle.len() - 1] {
        let mut edited = handle.clone().into_bytes();
        edited[at] = if edited[at] == b'A' { b'B' } else { b'A' };
        let edited = String::from_utf8(edited).unwrap();
        let answer = browser.submit(&world, &page, &[right[0], right[1], ("handle", &edited)], "continue").await;
        assert_eq!((answer.status, answer.location), (400, None), "edited at {at}");
    }
    let answer = browser.submit(&world, &page, &[right[0], right[1], ("form_token", "")], "continue").await;
    assert_eq!((answer.status, answer.location), (400, None));
    let answer = Browser::default().submit(&world, &page, &right, "continue").await;
    assert_eq!((answer.status, answer.location), (400, None), "another browser");
    assert!(browser.submit(&world, &page, &right, "continue").await.location.is_some());
    let again = browser.submit(&world, &page, &right, "continue").await;
    assert_eq!((again.status, again.location), (400, None), "a finished login is over (295-H)");
    world.stop().await;
}
