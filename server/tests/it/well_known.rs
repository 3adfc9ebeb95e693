//! Addresses that programs ask every web server for, and answers that the RFCs spell out.

use crate::world::mail::{NEW_PASSWORD, Post};
use crate::world::*;

/// A password manager finds the change of a password, and a person who is signed in gets to it by that link alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_manager_finds_the_change_of_password() {
    let world = World::start(Engine::Sqlite).await;
    let answer = world.get("/.well-known/change-password").await;
    assert_eq!((answer.status().as_u16(), answer.headers()["location"].to_str().unwrap()), (303, &*world.url("/account/password")));
    let mut browser = Browser::default();
    assert_eq!(browser.visit(&world, "/account/password").await.kind(), "password", "signed in first");
    browser.sign_in(&world, &Ask::native("openid"), "alice").await;
    assert_eq!(browser.visit(&world, "/account/password").await.kind(), "new_password");
    // Who is not signed in signs in on the way, and is led on to the new password.
    let mut fresh = Browser::default();
    let page = fresh.visit(&world, "/account/password").await;
    let page = fresh.submit_password(&world, &page, "alice", PASSWORD).await;
    assert_eq!((page.kind(), page.asks_for("new_password")), ("new_password", true), "{}", page.html);
    let chosen = [("new_password", NEW_PASSWORD), ("new_password_again", NEW_PASSWORD)];
    assert_eq!(fresh.submit(&world, &page, &chosen, "continue").await.status, 303);
    assert_eq!(world.audited("password_changed").await, 1);
    assert!(fresh.visit(&world, "/account").await.says("alice@example.com"), "and is signed in");
    // What is not known is not found (the specification asks for a reliable 404).
    let page = world.get("/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200").await;
    assert_eq!(page.status(), 404);
    world.stop().await;
}

/// Who comes to change a password has often forgotten it: the way there is on the same page. Nobody changes somebody else's by it.
#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_changed_from_there_too() {
    let post = Post::start(Engine::Sqlite).await;
    post.world.person("bob").await;
    let mut browser = Browser::default();
    let page = browser.visit(&post.world, "/account/password").await;
    assert!(page.action("reset"), "{}", page.html);
    let page = browser.submit(&post.world, &page, &[], "reset").await;
    let seen = post.seen();
    let page = browser.submit(&post.world, &page, &[("username", "alice")], "continue").await;
    let code = post.code("alice@example.com", seen).await;
    let page = browser.submit(&post.world, &page, &[("email_code", &code)], "continue").await;
    assert!(page.asks_for("new_password"), "{}", page.html);
    // An answer to a question that is not asked changes nothing.
    let mut other = Browser::default();
    let page = other.visit(&post.world, "/account/password").await;
    let guess = [("username", "bob"), ("password", "wrong"), ("new_password", NEW_PASSWORD), ("new_password_again", NEW_PASSWORD)];
    let refused = other.submit(&post.world, &page, &guess, "continue").await;
    assert_eq!((refused.kind(), post.world.audited("password_changed").await), ("password", 0), "{}", refused.html);
    post.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_and_a_crawler_get_what_they_ask_for() {
    let world = World::start(Engine::Sqlite).await;
    let icon = world.get("/favicon.ico").await;
    assert_eq!((icon.status().as_u16(), icon.headers()["content-type"].to_str().unwrap()), (200, "image/svg+xml"));
    assert!(icon.headers()["content-security-policy"].to_str().unwrap().contains("sandbox"));
    assert!(icon.text().await.unwrap().starts_with("<svg "));
    let robots = world.get("/robots.txt").await;
    assert_eq!((robots.status().as_u16(), robots.text().await.unwrap().as_str()), (200, "User-agent: *\nDisallow: /\n"));
    world.stop().await;
}

/// RFC 6750 3.1: a request without a token is told how to send one and nothing of an error. One with a bad token is told what is wrong.
#[tokio::test(flavor = "multi_thread")]
async fn userinfo_without_a_token_names_no_error() {
    let world = World::start(Engine::Sqlite).await;
    let ask = async |authorization: Option<&str>| {
        let request = world.http.get(world.url("/userinfo"));
        let request = if let Some(value) = authorization { request.header("authorization", value) } else { request };
        let answer = request.send().await.unwrap();
        let challenge = answer.headers()["www-authenticate"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), challenge, answer.text().await.unwrap())
    };
    for none in [None, Some("Basic YTpi"), Some("Digest x")] {
        let (status, challenge, body) = ask(none).await;
        assert_eq!((status, body.as_str()), (401, ""), "{none:?}");
        assert!(challenge.starts_with("Bearer realm=") && challenge.contains("DPoP algs=") && !challenge.contains("error"), "{challenge}");
    }
    let (status, challenge, body) = ask(Some("Bearer x")).await;
    assert_eq!(status, 401);
    assert!(challenge.contains("error=\"invalid_token\"") && body.contains("invalid_token"), "{challenge} {body}");
    world.stop().await;
}

/// OpenID Connect Core 3.1.2.1: `redirect_uri` is required. RFC 6749 3.1.2.3 lets a request of OAuth alone leave it out.
#[tokio::test(flavor = "multi_thread")]
async fn an_openid_request_says_where_its_answer_goes() {
    let world = World::start(Engine::Sqlite).await;
    let ask = |scope: &str| Ask::new("other-ios", "https://other.example.com/callback", scope);
    for (ask, expected) in [
        (ask("openid").without("redirect_uri"), 400),
        (ask("orders:read openid").without("redirect_uri"), 400),
        (ask("openid"), 200),
        (ask("orders:read").without("redirect_uri"), 200),
    ] {
        let page = Browser::default().open(&world, &ask).await;
        assert_eq!((page.status, page.location.as_deref()), (expected, None), "{:?}", ask.parameters);
        let (status, answer) = world.post("/par", &ask.form(), None).await;
        let said = answer["error"].as_str().map(str::to_owned);
        assert_eq!((status, said.as_deref()), if expected == 200 { (201, None) } else { (400, Some("invalid_request")) });
    }
    let page = Browser::default().open(&world, &Ask::native("openid").with("redirect_uri", "http://127.0.0.1:8183")).await;
    assert!(page.status == 400 && page.says("has no path"), "{}", page.html);
    let page = Browser::default().open(&world, &Ask::native("openid").with("redirect_uri", "http://127.0.0.1:8183/callback")).await;
    assert_eq!(page.status, 200);
    world.stop().await;
}

/// Where the issuer has a path, programs ask at the root of the origin all the same: browsers for the page that changes a password, a
/// container for its health. The issuer's own documents stay below its path.
#[tokio::test(flavor = "multi_thread")]
async fn what_programs_ask_an_origin_for_is_there_where_the_issuer_has_a_path() {
    let mut configuration = Configuration::on(Engine::Sqlite).await;
    configuration = configuration.clone().set("issuer", format!("http://127.0.0.1:{}/tenant", configuration.port));
    let world = configuration.start().await;
    for path in ["/.well-known/change-password", "/favicon.ico", "/robots.txt", "/health"] {
        for base in ["", "/tenant"] {
            let answer = world.get(&format!("{base}{path}")).await;
            let expected = if path.ends_with("password") { 303 } else { 200 };
            assert_eq!(answer.status(), expected, "{base}{path}");
            if expected == 303 {
                assert_eq!(answer.headers()["location"], *format!("{}/tenant/account/password", world.issuer));
            }
        }
    }
    for path in ["/jwks", "/account", "/token", "/", "/authorize"] {
        assert_eq!(world.get(path).await.status(), 404, "{path}");
        assert_ne!(world.get(&format!("/tenant{path}")).await.status(), 404, "the twin: {path}");
    }
    world.stop().await;
}

/// What browsers said of a page that nobody has opened, before there was `Sec-Purpose`.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_browser_that_fetches_ahead_begins_nothing_either() {
    let world = World::start(Engine::Sqlite).await;
    let path = Ask::native("openid").path();
    let open = |name: &str, value: &str| world.http.get(world.url(&path)).header(name, value).send();
    for (name, value) in [("purpose", "prefetch"), ("x-moz", "prefetch"), ("x-purpose", "preview"), ("sec-purpose", "prefetch;prerender")] {
        let answer = open(name, value).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers().contains_key("set-cookie")), (403, false), "{name}: {value}");
    }
    for (name, value) in [("purpose", "navigate"), ("x-moz", "")] {
        assert_eq!(open(name, value).await.unwrap().status(), 200, "the twin: {name}: {value}");
    }
    world.stop().await;
}
