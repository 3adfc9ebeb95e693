//! Addresses that programs ask every web server for, and answers that the RFCs spell out.

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
    // What is not known is not found (the specification asks for a reliable 404).
    let page = world.get("/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200").await;
    assert_eq!(page.status(), 404);
    world.stop().await;
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
