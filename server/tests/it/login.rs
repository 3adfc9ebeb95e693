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

/// 470-E: one password over many people, each from another address: after fifty it is judged no more, nobody is locked out by it,
/// and a person whose own password is another one signs in meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_sprayed_is_judged_no_more() {
    for engine in engines() {
        let port = free_port();
        let text = configuration(port, &database(engine).await);
        let world =
            World::with(&text.replacen("development = true\n", "development = true\ntrusted_proxies = [\"127.0.0.1\"]\n", 1), port).await;
        let tried = async |at: usize, name: &str| {
            let mut thief = Browser::default();
            let page = start(&world, &mut thief).await;
            let mut form = inputs(&page.html);
            form.extend(
                [("username", name), ("password", "Winter2026!"), ("action", "continue")].map(|(k, v)| (k.to_owned(), v.to_owned())),
            );
            let request = world.http.post(world.url("/login")).header("x-forwarded-for", format!("192.0.2.{}", at % 100));
            let page = thief.send(request.form(&form)).await;
            assert_eq!((page.status, &page.location), (200, &None));
            page.html.contains("Too many attempts")
        };
        for at in 0..50 {
            assert!(!tried(at, &format!("person-{at}")).await, "{at}");
        }
        for at in 50..70 {
            assert!(tried(at, if at % 2 == 0 { "alice" } else { "nobody" }).await, "{at}");
        }
        assert_eq!(world.audited("password_refused").await, 10);
        let mut browser = Browser::default();
        let page = start(&world, &mut browser).await;
        assert!(guess(&world, &mut browser, &page, "alice", PASSWORD).await.location.is_some(), "no lock was left behind");
        world.advance_s(15 * 60);
        assert!(!tried(0, "alice").await, "and it is forgotten again");
        world.stop().await;
    }
}
