//! What an authorization request may ask of a sign-in: more, never less; and only what its client may have.

use crate::world::*;

/// A world with clients and policies of its own at the end of the configuration.
async fn world(engine: Engine, more: &str) -> World {
    let port = free_port();
    let text = configuration(port, &database(engine).await) + more;
    World::with(&text, port).await
}

async fn open(world: &World, browser: &mut Browser, ask: &Ask) -> Page {
    browser.get(world, &world.url(&format!("/authorize?{}", ask.query()))).await
}

/// The error at the redirect URI; none if there is a page or a code.
fn error(page: &Page) -> Option<String> {
    page.location.as_deref().and_then(|it| parameters(it).remove("error"))
}

const POLICIES: &str = r#"
[login.default]
require = ["password"]
[login.weak]
require = ["password"]
acr = "urn:weak"
[login.two]
require = ["password + totp"]
acr = "urn:two"
[client.bank]
kind = "native"
first_party = true
login = "two"
redirect_uris = ["https://bank.example.com/callback"]
"#;

/// 368-Z: an acr that another, weaker policy gives does not lower the client's own; wanted essentially it is an error. Its twins: the
/// same acr for a client whose policy asks no more, and a stronger one for the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_raises_the_sign_in_and_never_lowers_it() {
    for engine in engines() {
        let world = world(engine, POLICIES).await;
        let bank = Ask::new("bank", "https://bank.example.com/callback", "openid");
        let fill = [("username", "alice"), ("password", PASSWORD)];
        let essential = |acr: &str| format!(r#"{{"id_token":{{"acr":{{"essential":true,"value":"{acr}"}}}}}}"#);
        for (ask, ends) in [
            (bank.clone(), false),
            (bank.clone().with("acr_values", "urn:weak"), false),
            (bank.clone().with("acr_values", "urn:nowhere urn:weak urn:two"), false),
            (bank.clone().with("claims", &essential("urn:two")), false),
            (Ask::native("openid"), true),
            (Ask::native("openid").with("acr_values", "urn:weak"), true),
            (Ask::native("openid").with("claims", &essential("urn:weak")), true),
            (Ask::native("openid").with("acr_values", "urn:two"), false),
        ] {
            let mut browser = Browser::default();
            let page = open(&world, &mut browser, &ask).await;
            let page = browser.submit(&world, &page, &fill, "continue").await;
            assert_eq!(page.location.as_deref().is_some_and(|it| parameters(it).contains_key("code")), ends, "{:?}", ask.parameters);
            assert_eq!(page.html.contains("authenticator app"), !ends, "{:?}: {}", ask.parameters, page.html);
        }
        let page = open(&world, &mut Browser::default(), &bank.with("claims", &essential("urn:weak"))).await;
        assert_eq!((page.status, error(&page).as_deref()), (303, Some("unmet_authentication_requirements")));
        let ask = Ask::native("openid").with("acr_values", "urn:weak");
        let back = Browser::default().sign_in(&world, &ask, "alice").await;
        let tokens = world.exchange(&back["code"], &ask.verifier).await.1;
        assert_eq!(claims(tokens["id_token"].as_str().unwrap())["acr"], "urn:weak");
        world.stop().await;
    }
}
