//! Who signs out here is led to the provider's sign-out and back, where the operator wants it (OpenID Connect RP-Initiated Logout 1.0).

use crate::upstream::{CREATE, leave, world};
use crate::world::provider::{CLIENT_ID, Provider, Says};
use crate::world::{Ask, Browser, Engine, NATIVE_BACK, Page, World, engines, parameters};
use serde_json::json;

pub const SIGN_OUT: &str = "sign_out = true\n";

pub fn says(provider: &Provider, endpoint: Option<&str>) -> Says {
    let endpoint = endpoint.map(|path| format!("{}{path}", provider.issuer()));
    Says { sub: "one".to_owned(), discovery: json!({ "end_session_endpoint": endpoint }), ..Says::default() }
}

pub async fn signed_in(world: &World, provider: &Provider) -> (Browser, String) {
    let (mut browser, ask) = (Browser::default(), Ask::native("openid orders:read"));
    let url = leave(world, &mut browser, &ask).await;
    let page = browser.get(world, &provider.sign_in(&url)).await;
    let (status, tokens) = world.exchange(&page.code(), &ask.verifier).await;
    assert_eq!(status, 200, "{tokens}");
    (browser, tokens["id_token"].as_str().unwrap().to_owned())
}

/// Follows redirects to pages of ours, but for the last one.
async fn followed(world: &World, browser: &mut Browser, mut page: Page) -> Page {
    for _ in 0..4 {
        match &page.location {
            Some(to) if to.starts_with(&world.url("/")) => page = browser.get(world, &to.clone()).await,
            _ => return page,
        }
    }
    panic!("sent round in circles: {:?}", page.location);
}

/// By a hint of the app, and by the form of our own page. The session is over before the browser leaves.
#[tokio::test(flavor = "multi_thread")]
async fn who_signs_out_here_is_signed_out_at_the_provider_and_comes_back() {
    for engine in engines() {
        let provider = Provider::start().await;
        provider.says(says(&provider, Some("/end")));
        let world = world(engine, &provider, &format!("{CREATE}{SIGN_OUT}")).await;
        for has_hint in [true, false] {
            let (mut browser, hint) = signed_in(&world, &provider).await;
            let back = format!("post_logout_redirect_uri={NATIVE_BACK}&state=a%26b");
            let page = if has_hint {
                browser.visit(&world, &format!("/logout?id_token_hint={hint}&{back}")).await
            } else {
                let asked = browser.visit(&world, &format!("/logout?client_id=shop-ios&{back}")).await;
                browser.submit(&world, &asked, &[], "logout").await
            };
            assert!(
                page.location.as_deref().is_some_and(|it| it.starts_with(&world.url("/upstream/any/sign-out?"))),
                "{:?}",
                page.location
            );
            assert!(!browser.open(&world, &Ask::native("openid orders:read")).await.has_code(), "signed out here already");
            let page = followed(&world, &mut browser, page).await;
            let there = page.location.clone().unwrap_or_else(|| panic!("the browser does not leave: {}", page.html));
            assert!(there.starts_with(&format!("{}/end?", provider.issuer())), "{there}");
            let sent = parameters(&there);
            assert_eq!(sent["client_id"], CLIENT_ID);
            assert_eq!(sent["post_logout_redirect_uri"], world.url("/upstream/any/signed-out"));
            assert!(!sent.contains_key("id_token_hint") && !there.contains("shop-ios"), "{there}");
            let back = format!("/upstream/any/signed-out?state={}", sent["state"]);
            let page = browser.visit(&world, &back).await;
            let page = followed(&world, &mut browser, page).await;
            assert_eq!(page.location.as_deref(), Some(&*format!("{NATIVE_BACK}?state=a%26b")), "{}", page.html);
        }
        // Without an address of the app the last page is ours.
        let (mut browser, hint) = signed_in(&world, &provider).await;
        let page = browser.visit(&world, &format!("/logout?id_token_hint={hint}")).await;
        let page = followed(&world, &mut browser, page).await;
        let state = parameters(&page.location.unwrap())["state"].clone();
        assert_eq!(browser.visit(&world, &format!("/upstream/any/signed-out?state={state}")).await.kind(), "signed_out");
        assert_eq!(world.entries("sign_out_passed_on").await.len(), 3);
        world.stop().await;
    }
}

/// Nobody is led there without the operator's wish, for a session that rests on a password, or where the provider has no such page.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_led_there_for_nothing() {
    for (more, endpoint, refused) in [("", Some("/end"), 0), (SIGN_OUT, None, 1)] {
        let provider = Provider::start().await;
        provider.says(says(&provider, endpoint));
        let world = world(Engine::Sqlite, &provider, &format!("{CREATE}{more}")).await;
        let (mut browser, hint) = signed_in(&world, &provider).await;
        let page = browser.visit(&world, &format!("/logout?id_token_hint={hint}")).await;
        assert_eq!((page.kind(), page.location), ("signed_out", None), "{more}");
        let entries = world.entries("sign_out_passed_on").await;
        assert_eq!(entries.len(), refused);
        assert!(entries.iter().all(|it| it["outcome"] == "refused"), "{entries:?}");
        world.stop().await;
    }
    let provider = Provider::start().await;
    provider.says(says(&provider, Some("/end")));
    let world = world(Engine::Sqlite, &provider, &format!("{CREATE}{SIGN_OUT}")).await;
    let (mut browser, ask) = (Browser::default(), Ask::native("openid"));
    let code = browser.sign_in(&world, &ask, "alice").await["code"].clone();
    let (_, tokens) = world.exchange(&code, &ask.verifier).await;
    let page = browser.visit(&world, &format!("/logout?id_token_hint={}", tokens["id_token"].as_str().unwrap())).await;
    assert_eq!(page.kind(), "signed_out", "{}", page.html);
    // A provider that is away costs no sign-out.
    let (mut browser, hint) = signed_in(&world, &provider).await;
    world.advance_s(700);
    let document = "/.well-known/openid-configuration";
    let broken = "HTTP/1.1 200 X\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}".to_owned();
    provider.says(Says { raw: [(document, broken)].into(), ..says(&provider, Some("/end")) });
    let page = browser.visit(&world, &format!("/logout?id_token_hint={hint}")).await;
    assert_eq!(page.kind(), "signed_out", "{}", page.html);
    world.stop().await;
}

/// The two addresses lead nowhere without what this server sealed for them, and not for long.
#[tokio::test(flavor = "multi_thread")]
async fn the_addresses_lead_nowhere_by_themselves() {
    let provider = Provider::start().await;
    provider.says(says(&provider, Some("/end")));
    let world = world(Engine::Sqlite, &provider, &format!("{CREATE}{SIGN_OUT}")).await;
    let (mut browser, hint) = signed_in(&world, &provider).await;
    let page = browser.visit(&world, &format!("/logout?id_token_hint={hint}&post_logout_redirect_uri={NATIVE_BACK}")).await;
    let state = parameters(&page.location.unwrap())["state"].clone();
    let other = format!("{}A", &state[..state.len() - 1]);
    for path in ["/upstream/any/sign-out", "/upstream/any/signed-out"] {
        assert_ne!(browser.visit(&world, &format!("{path}?state={state}")).await.status, 404, "the twin");
        for bad in ["", "?state=", "?state=AAAA", "?state=https://evil.test", &format!("?state={other}B")] {
            let page = browser.visit(&world, &format!("{path}{bad}")).await;
            assert_eq!((page.status, page.location), (404, None), "{path}{bad}");
        }
        let elsewhere = path.replace("any", "other");
        assert_eq!(browser.visit(&world, &format!("{elsewhere}?state={state}")).await.status, 404);
    }
    world.advance_s(301);
    assert_eq!(browser.visit(&world, &format!("/upstream/any/sign-out?state={state}")).await.status, 404);
    assert_ne!(browser.visit(&world, &format!("/upstream/any/signed-out?state={state}")).await.status, 404);
    world.advance_s(3300);
    assert_eq!(browser.visit(&world, &format!("/upstream/any/signed-out?state={state}")).await.status, 404);
    world.stop().await;
}

/// S-34: the provider would sign the same person in at once. A value that it does not know is not sent.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_sign_out_the_provider_is_asked_to_offer_its_accounts() {
    for (supported, expected) in [(json!(null), true), (json!(["login", "select_account"]), true), (json!(["none", "login"]), false)] {
        let provider = Provider::start().await;
        provider.says(Says { sub: "one".to_owned(), discovery: json!({ "prompt_values_supported": supported }), ..Says::default() });
        let world = world(Engine::Sqlite, &provider, CREATE).await;
        let (mut browser, hint) = signed_in(&world, &provider).await;
        assert_eq!(browser.visit(&world, &format!("/logout?id_token_hint={hint}")).await.kind(), "signed_out");
        let url = leave(&world, &mut browser, &Ask::native("openid")).await;
        assert_eq!(parameters(&url).get("prompt").map(String::as_str), expected.then_some("select_account"), "{supported}");
        // Whoever never signed out in a browser is not asked.
        let url = leave(&world, &mut Browser::default(), &Ask::native("openid")).await;
        assert_eq!(parameters(&url).get("prompt"), None);
        world.stop().await;
    }
}

/// With `sign_out_hint` the provider sees the ID token of the session that it has to end, and of no other. It is sealed in the store, and goes
/// with the link.
#[tokio::test(flavor = "multi_thread")]
async fn the_provider_sees_the_id_token_of_its_session() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, &format!("{CREATE}{SIGN_OUT}sign_out_hint = true\n")).await;
        let mut there = Vec::new();
        let mut signed = Vec::new();
        for sid in ["first", "second"] {
            provider.says(Says { id_token: json!({ "sid": sid }), ..says(&provider, Some("/end")) });
            signed.push(signed_in(&world, &provider).await);
        }
        for (mut browser, hint) in signed {
            let page = browser.visit(&world, &format!("/logout?id_token_hint={hint}")).await;
            assert!(!page.location.as_deref().unwrap_or_default().contains("eyJ"), "our own address has no token: {:?}", page.location);
            let page = followed(&world, &mut browser, page).await;
            there.push(parameters(&page.location.unwrap()));
        }
        let sid = |at: usize| crate::world::claims(&there[at]["id_token_hint"])["sid"].clone();
        assert_eq!((sid(0), sid(1)), (json!("first"), json!("second")));
        assert_ne!(there[0]["id_token_hint"], there[0]["state"]);
        let app = world.running.shared.now();
        let rows = app.store.all("SELECT sealed FROM provider_hint", &[]).await.unwrap();
        assert_eq!(rows.len(), 2);
        assert!(rows.iter().all(|row| !String::from_utf8_lossy(row.bytes("sealed").unwrap()).contains("eyJ")));
        drop(app);
        world.stop().await;
    }
}

/// An ID token that is too long for an address is not kept, and neither is one of a provider without `sign_out_hint`.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_is_not_kept() {
    for (more, padding, kept) in [("sign_out_hint = true\n", 5000, false), ("", 10, false), ("sign_out_hint = true\n", 10, true)] {
        let provider = Provider::start().await;
        let world = world(Engine::Sqlite, &provider, &format!("{CREATE}{SIGN_OUT}{more}")).await;
        provider.says(Says { id_token: json!({ "padding": "x".repeat(padding) }), ..says(&provider, Some("/end")) });
        let (mut browser, hint) = signed_in(&world, &provider).await;
        let page = browser.visit(&world, &format!("/logout?id_token_hint={hint}")).await;
        let page = followed(&world, &mut browser, page).await;
        assert_eq!(parameters(&page.location.unwrap()).contains_key("id_token_hint"), kept, "{more} {padding}");
        world.stop().await;
    }
}
