//! Two entries of the configuration have one issuer, so that one identity comes by either. What a session rests on, and what the provider is
//! asked, belongs to the entry by which the person came.

use crate::upstream::CREATE;
use crate::world::provider::{CLIENT_ID, CLIENT_SECRET, Provider, Says};
use crate::world::{Ask, Browser, Configuration, Engine, World, engines, parameters};
use serde_json::{Value as Json, json};
use std::time::Duration;

fn table(provider: &Provider, name: &str, more: &str) -> String {
    let secret = format!("secret = {{ command = [\"printf\", \"%s\", \"{CLIENT_SECRET}\"] }}");
    let issuer = provider.issuer();
    format!("[upstream.{name}]\nlabel = \"{name}\"\nissuer = \"{issuer}\"\nclient_id = \"{CLIENT_ID}\"\n{secret}\n{CREATE}{more}")
}

async fn world(engine: Engine, provider: &Provider, staff: &str, any: &str) -> World {
    Configuration::on(engine)
        .await
        .with("[login.default]\nrequire = [\"password\", \"upstream:any\", \"upstream:staff\"]")
        .with(&table(provider, "staff", staff))
        .with(&table(provider, "any", any))
        .start()
        .await
}

/// The app's refresh token after a sign-in by this entry, its ID token, and the browser.
async fn signed_in(world: &World, provider: &Provider, entry: &str) -> (String, String, Browser) {
    let (mut browser, ask) = (Browser::default(), Ask::native("openid orders:read"));
    let page = browser.open(world, &ask).await;
    let page = browser.submit(world, &page, &[], &format!("use_upstream:{entry}")).await;
    let url = page.location.unwrap_or_else(|| panic!("the browser does not leave: {}", page.html));
    let page = browser.get(world, &provider.sign_in(&url)).await;
    let (status, tokens) = world.exchange(&page.code(), &ask.verifier).await;
    assert_eq!(status, 200, "{tokens}");
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    (text("refresh_token"), text("id_token"), browser)
}

fn says(refresh: Option<(u16, Json)>) -> Says {
    let token_answer = refresh.as_ref().map_or(json!({}), |_| json!({ "refresh_token": "first" }));
    Says { sub: "one".to_owned(), token_answer, refresh, ..Says::default() }
}

async fn asked(provider: &Provider) {
    for _ in 0..150 {
        if provider.request("/token").contains("refresh_token=first") {
            tokio::time::sleep(Duration::from_millis(500)).await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the provider was not asked");
}

/// A provider that refuses ends what came by its entry. The other entry was used last, and what rests on that stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_ends_what_came_by_its_entry() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, "check = { every = \"1m\", max_age = \"1h\" }\n", "").await;
        provider.says(says(Some((400, json!({ "error": "invalid_grant" })))));
        let (staff, _, _) = signed_in(&world, &provider, "staff").await;
        let (any, _, _) = signed_in(&world, &provider, "any").await;
        world.advance_s(61);
        asked(&provider).await;
        assert_eq!(world.refresh(&staff).await.0, 400, "it came by the entry that asks");
        assert_eq!(world.refresh(&any).await.0, 200, "the twin");
        let entries = world.entries("provider_refused").await;
        assert_eq!((entries.len(), &entries[0]["detail"]["provider"], &entries[0]["detail"]["sessions"]), (1, &"staff".into(), &1.into()));
        world.stop().await;
    }
}

/// `max_age` holds for what came by its entry, whichever was used last.
#[tokio::test(flavor = "multi_thread")]
async fn max_age_holds_for_its_entry() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, "check = { every = \"30m\", max_age = \"1h\" }\n", "").await;
    provider.says(says(Some((500, json!({})))));
    let (staff, _, _) = signed_in(&world, &provider, "staff").await;
    let (any, _, _) = signed_in(&world, &provider, "any").await;
    world.advance_s(3700);
    let (status, answer) = world.refresh(&staff).await;
    assert_eq!((status, answer["error"].as_str()), (503, Some("temporarily_unavailable")));
    assert_eq!(world.refresh(&any).await.0, 200, "the twin");
    world.stop().await;
}

/// Who came by an entry with `sign_out` is led to its provider, though another entry without it was used last.
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_out_is_passed_on_by_its_entry() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, "sign_out = true\n", "").await;
        provider.says(Says { discovery: json!({ "end_session_endpoint": format!("{}/end", provider.issuer()) }), ..says(None) });
        let (_, staff, mut his) = signed_in(&world, &provider, "staff").await;
        let (_, any, mut other) = signed_in(&world, &provider, "any").await;
        let page = his.visit(&world, &format!("/logout?id_token_hint={staff}")).await;
        let there = page.location.unwrap_or_default();
        assert!(there.starts_with(&world.url("/upstream/staff/sign-out?")) && parameters(&there).contains_key("state"), "{there}");
        let page = other.visit(&world, &format!("/logout?id_token_hint={any}")).await;
        assert_eq!((page.kind(), page.location), ("signed_out", None), "the twin");
        world.stop().await;
    }
}

/// A session rests on two sign-ins. A logout of one leaves the other: a refusal there still ends what apps got.
#[tokio::test(flavor = "multi_thread")]
async fn a_logout_takes_nothing_from_the_other_entry() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, "check = { every = \"1m\", max_age = \"1h\" }\n", "").await;
        let with_sid = |sid: &str| Says { claims: json!({ "sid": sid }), ..says(Some((400, json!({ "error": "invalid_grant" })))) };
        provider.says(with_sid("s-1"));
        let (app, _, mut browser) = signed_in(&world, &provider, "any").await;
        provider.says(with_sid("s-2"));
        let ask = Ask::native("openid orders:read").with("prompt", "login");
        let page = browser.open(&world, &ask).await;
        let page = browser.submit(&world, &page, &[], "use_upstream:staff").await;
        let page = browser.get(&world, &provider.sign_in(&page.location.unwrap())).await;
        let (status, tokens) = world.exchange(&page.code(), &ask.verifier).await;
        assert_eq!(status, 200, "{tokens}");
        let form = [("logout_token", provider.logout_token(&json!({ "sid": "s-1", "sub": null })))];
        let answer = world.http.post(world.url("/upstream/any/backchannel-logout")).form(&form).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), world.audited("provider_logout").await), (200, 1));
        let (status, refreshed) = world.refresh(&app).await;
        assert_eq!(status, 200, "apps go on: {refreshed}");
        world.advance_s(61);
        asked(&provider).await;
        for token in [&refreshed, &tokens] {
            let (status, answer) = world.refresh(token["refresh_token"].as_str().unwrap()).await;
            assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_grant")), "both hang below one session");
        }
        assert_eq!(world.entries("provider_refused").await[0]["detail"]["sessions"], 1);
        world.stop().await;
    }
}
