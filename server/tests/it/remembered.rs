//! The accounts that a browser remembers, for `prompt=select_account` (OpenID Connect Core 3.1.2.1): shown there alone, to this browser alone,
//! and only until the person signs out.

use crate::world::native::*;
use crate::world::*;

fn ask() -> Ask {
    Ask::native("openid orders:read")
}

async fn choose(world: &World, browser: &mut Browser) -> Page {
    browser.open(world, &ask().with("prompt", "select_account")).await
}

/// Who is on the page, in order.
fn shown(page: &Page) -> Vec<String> {
    let labels = page.html.split("<button").skip(1).filter_map(|tag| tag.split_once('>')?.1.split('<').next());
    let name = |label: &str| Some(label.strip_prefix("Continue as ").or(label.strip_prefix("Sign in as "))?.split('@').next()?.to_owned());
    labels.filter_map(name).collect()
}

/// Somebody else signs in where another person is signed in.
async fn switch(world: &World, browser: &mut Browser, name: &str) {
    let page = choose(world, browser).await;
    let page = if page.action("not_you") { browser.submit(world, &page, &[], "not_you").await } else { page };
    let done = browser.submit_password(world, &page, name, PASSWORD).await;
    assert!(done.has_code(), "{name}: {}", done.html);
}

async fn scene(engine: Engine, people: &[&str]) -> Screens {
    let scene = Screens::start(engine).await;
    for name in people {
        scene.world.person(name).await;
    }
    scene
}

/// A remembered account is a name to begin with: its person proves who they are.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_chooses_among_the_accounts_of_this_browser() {
    for engine in engines() {
        let scene = scene(engine, &["bob"]).await;
        let (world, mut browser) = (&scene.world, Browser::default());
        assert_eq!(choose(world, &mut browser).await.kind(), "password", "nobody is known here");
        switch(world, &mut browser, "alice").await;
        assert_eq!(shown(&choose(world, &mut browser).await), ["alice"]);
        switch(world, &mut browser, "bob").await;
        let page = choose(world, &mut browser).await;
        assert_eq!((page.kind(), shown(&page)), ("select_account", vec!["bob".to_owned(), "alice".to_owned()]), "{}", page.html);
        // What is not offered is not chosen.
        let page = browser.submit(world, &page, &[], "account:7").await;
        assert_eq!(page.kind(), "select_account", "{}", page.html);
        let mut wrong = browser.clone();
        let asked = browser.submit(world, &page, &[], "account:0").await;
        assert_eq!((asked.kind(), asked.field("username").as_str()), ("password", "alice@example.com"), "{}", asked.html);
        assert!(!asked.html.contains("bob"), "{}", asked.html);
        let other = choose(world, &mut wrong).await;
        let other = wrong.submit(world, &other, &[], "account:0").await;
        assert!(!wrong.submit_password(world, &other, "alice", "wrong").await.has_code(), "it proves nothing");
        assert!(browser.submit_password(world, &asked, "alice", PASSWORD).await.has_code(), "the twin");
        let page = choose(world, &mut browser).await;
        assert_eq!(shown(&page), ["alice", "bob"]);
        // The same account as at first.
        let asked = browser.submit(world, &page, &[], "account:0").await;
        assert!(browser.submit_password(world, &asked, "alice", PASSWORD).await.has_code());
        let subject = world.entries("code_issued").await.last().unwrap()["account"].clone();
        assert_eq!(subject, world.entries("code_issued").await[0]["account"]);
        scene.world.stop().await;
    }
}

/// No other page has the names, no other browser, and no cookie that was bent or is another issuer's.
#[tokio::test(flavor = "multi_thread")]
async fn no_stranger_sees_the_names() {
    let scene = scene(Engine::Sqlite, &["bob"]).await;
    let (world, mut browser) = (&scene.world, Browser::default());
    for name in ["alice", "bob"] {
        switch(world, &mut browser, name).await;
    }
    assert_eq!(choose(world, &mut Browser::default()).await.kind(), "password", "another browser");
    let (name, value) = browser.cookies.iter().find(|(name, _)| name.contains("accounts")).map(|(a, b)| (a.clone(), b.clone())).unwrap();
    let plain = symbolon_oauth::base64url::decode(&value).unwrap();
    assert!(!String::from_utf8_lossy(&plain).contains("alice"), "it is sealed");
    assert_eq!(
        shown(&choose(world, &mut Browser::with_cookie(&name, &value)).await),
        ["bob", "alice"],
        "the twin: the browser is its cookie"
    );
    let mut bent = value.clone();
    bent.replace_range(40..41, if &bent[40..41] == "A" { "B" } else { "A" });
    for bad in [bent.as_str(), "", "AAAA", &"A".repeat(3000), browser.cookies.iter().find(|(name, _)| name.contains("device")).unwrap().1] {
        let page = choose(world, &mut Browser::with_cookie(&name, bad)).await;
        assert_eq!((page.status, page.kind()), (200, "password"), "{bad}");
    }
    // Beside the choice nothing names a person who is not signed in.
    let mut other = browser.clone();
    for page in [
        other.open(world, &ask().with("prompt", "login")).await,
        other.open(world, &ask().with("prompt", "create")).await,
        other.visit(world, "/").await,
        other.visit(world, "/account").await,
        other.visit(world, "/device").await,
    ] {
        assert!(!page.html.contains("alice"), "{}", page.html);
    }
    scene.world.stop().await;
}

/// Who signs out is forgotten, and so is whoever's sessions were ended, whoever is disabled, who was away too long, and the sixth.
#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_forgotten() {
    for engine in engines() {
        let scene = scene(engine, &["bob", "carol", "dave", "erin", "frank"]).await;
        let (world, mut browser) = (&scene.world, Browser::default());
        for name in ["alice", "bob", "carol", "dave", "erin", "frank"] {
            switch(world, &mut browser, name).await;
        }
        assert_eq!(shown(&choose(world, &mut browser).await), ["frank", "erin", "dave", "carol", "bob"], "five at most");
        let page = browser.visit(world, "/logout").await;
        browser.submit(world, &page, &[], "logout").await;
        let page = choose(world, &mut browser).await;
        assert_eq!((page.kind(), shown(&page)), ("select_account", ["erin", "dave", "carol", "bob"].map(str::to_owned).to_vec()));
        let file = world.file();
        let operator = async |words: &[&str]| crate::commands::symbolon(&file, words, "another long password\n").await.0;
        world.advance_s(2);
        assert_eq!((operator(&["user", "end-sessions", "erin"]).await, operator(&["user", "disable", "dave"]).await), (Some(0), Some(0)));
        assert_eq!(operator(&["user", "password", "carol"]).await, Some(0));
        let page = choose(world, &mut browser).await;
        assert_eq!(shown(&page), ["bob"], "{}", page.html);
        let mut later = browser.clone();
        let asked = browser.submit(world, &page, &[], "forget_accounts").await;
        assert_eq!(asked.kind(), "password", "{}", asked.html);
        assert!(!browser.cookies.keys().any(|name| name.contains("accounts")));
        assert_eq!(choose(world, &mut browser).await.kind(), "password", "nobody is left");
        world.advance_s(89 * 86_400);
        assert_eq!(shown(&choose(world, &mut later).await), ["bob"], "the twin");
        world.advance_s(2 * 86_400);
        assert_eq!(choose(world, &mut later).await.kind(), "password", "after 90 days");
        scene.world.stop().await;
    }
}
