//! A provider says that somebody is signed out there: sessions that rest on it lose what was proved. Each refusal has its twin.

use crate::commands::symbolon;
use crate::restored_store::{keep, restore};
use crate::told::Backend;
use crate::upstream::{CREATE, configured, leave, sign_in, world};
use crate::world::provider::{Provider, Says};
use crate::world::{Ask, Browser, Engine, PASSWORD, World, engines};
use serde_json::{Value as Json, json};

async fn send(world: &World, name: &str, token: &str) -> (u16, Json) {
    let form = [("logout_token", token)];
    let answer = world.http.post(world.url(&format!("/upstream/{name}/backchannel-logout"))).form(&form).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

fn with_sid(sub: &str, sid: &str) -> Says {
    Says { sub: sub.to_owned(), claims: json!({ "sid": sid }), ..Says::default() }
}

/// Is the person still signed in in this browser? Then the next request of an app needs no page.
async fn is_signed_in(world: &World, browser: &mut Browser) -> bool {
    browser.open(world, &Ask::native("openid orders:read")).await.has_code()
}

async fn signed_in(world: &World, provider: &Provider, says: Says) -> (Browser, Json) {
    provider.says(says);
    let (mut browser, ask) = (Browser::default(), Ask::native("openid orders:read"));
    let url = leave(world, &mut browser, &ask).await;
    let page = browser.get(world, &provider.sign_in(&url)).await;
    let (status, tokens) = world.exchange(&page.code(), &ask.verifier).await;
    assert_eq!(status, 200, "{tokens}");
    (browser, tokens)
}

async fn lives(world: &World, tokens: &Json) -> bool {
    let form = [("grant_type", "refresh_token"), ("client_id", "shop-ios"), ("refresh_token", tokens["refresh_token"].as_str().unwrap())];
    world.http.post(world.url("/token")).form(&form).send().await.unwrap().status() == 200
}

/// By person: every browser of that person, and nobody else's. What apps were granted stays.
#[tokio::test]
async fn a_person_who_signed_out_there_is_asked_again_here() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, CREATE).await;
        let (mut phone, tokens) = signed_in(&world, &provider, with_sid("one", "s-1")).await;
        let (mut laptop, _) = signed_in(&world, &provider, with_sid("one", "s-2")).await;
        let (mut other, _) = signed_in(&world, &provider, with_sid("two", "s-3")).await;
        let mut alice = Browser::default();
        alice.sign_in(&world, &Ask::native("openid"), "alice").await;
        assert!(is_signed_in(&world, &mut phone).await);
        provider.is("one");
        let token = provider.logout_token(&json!({}));
        assert_eq!(send(&world, "any", &token).await.0, 200);
        assert!(!is_signed_in(&world, &mut phone).await && !is_signed_in(&world, &mut laptop).await);
        assert!(is_signed_in(&world, &mut other).await && is_signed_in(&world, &mut alice).await);
        assert!(lives(&world, &tokens).await, "the app keeps what it was granted");
        assert_eq!(world.audited("provider_logout").await, 2);
        // The person comes back. The same token once more ends nothing that began later.
        let (mut phone, _) = signed_in(&world, &provider, with_sid("one", "s-4")).await;
        assert_eq!(send(&world, "any", &token).await.0, 200);
        assert!(is_signed_in(&world, &mut phone).await);
        assert_eq!(world.audited("provider_logout").await, 2);
        world.stop().await;
    }
}

/// By session: that one alone, whether the token names the person too or not.
#[tokio::test]
async fn a_session_there_is_one_session_here() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, CREATE).await;
        for changes in [json!({ "sid": "s-1" }), json!({ "sid": "s-1", "sub": null })] {
            let (mut phone, _) = signed_in(&world, &provider, with_sid("one", "s-1")).await;
            let (mut laptop, _) = signed_in(&world, &provider, with_sid("one", "s-2")).await;
            // The provider did not say which session there this one rests on: it ends only where the person is named.
            let (mut unnamed, _) = signed_in(&world, &provider, Says { sub: "one".to_owned(), ..Says::default() }).await;
            assert_eq!(send(&world, "any", &provider.logout_token(&changes)).await.0, 200);
            assert!(!is_signed_in(&world, &mut phone).await, "{changes}");
            assert!(is_signed_in(&world, &mut laptop).await, "{changes}");
            assert_eq!(is_signed_in(&world, &mut unnamed).await, changes.get("sub").is_some(), "{changes}");
        }
        world.stop().await;
    }
}

/// A sign-in that left for the provider before the logout, and comes back after it, does not get in; the next one does.
#[tokio::test]
async fn a_sign_in_that_finishes_later_meets_the_logout() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, CREATE).await;
        signed_in(&world, &provider, with_sid("one", "s-1")).await;
        for (changes, says) in [(json!({}), with_sid("one", "s-1")), (json!({ "sid": "s-9" }), with_sid("one", "s-9"))] {
            provider.says(says);
            let mut browser = Browser::default();
            let url = leave(&world, &mut browser, &Ask::native("openid orders:read")).await;
            let back = provider.sign_in(&url);
            assert_eq!(send(&world, "any", &provider.logout_token(&changes)).await.0, 200);
            let page = browser.get(&world, &back).await;
            assert!(!page.has_code(), "{changes}: {:?}", page.location);
            assert!(sign_in(&world, &provider, &mut Browser::default()).await.has_code(), "the twin of {changes}");
        }
        world.stop().await;
    }
}

/// Where the operator wants it, apps lose what they got too.
#[tokio::test]
async fn on_logout_everything_ends_what_apps_got() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, &format!("{CREATE}on_logout = \"everything\"\n")).await;
    let (mut browser, tokens) = signed_in(&world, &provider, with_sid("one", "s-1")).await;
    assert_eq!(send(&world, "any", &provider.logout_token(&json!({}))).await.0, 200);
    assert!(!is_signed_in(&world, &mut browser).await);
    assert!(!lives(&world, &tokens).await);
    world.stop().await;
}

/// A provider's logout is passed on to this server's own clients, whichever way it is taken, and once. What apps got lives on by default. A
/// client of another person's session hears nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_logout_is_passed_on_to_clients() {
    let (all, check) = ("on_logout = \"everything\"\n", "check = { every = \"1h\", max_age = \"1d\" }\n");
    let last = *engines().last().unwrap();
    for (engine, more, ends) in
        [(Engine::Sqlite, all, true), (Engine::Sqlite, "", false), (Engine::Sqlite, check, false), (last, "", false)]
    {
        let (provider, backend) = (Provider::start().await, Backend::start(&[]).await);
        let configuration = configured(engine, &provider, &format!("{CREATE}{more}")).await;
        let world = configuration.set("client.shop-ios.backchannel_logout_uri", backend.uri.as_str()).start().await;
        let (_, tokens) = signed_in(&world, &provider, with_sid("one", "s-1")).await;
        let id_token = crate::world::claims(tokens["id_token"].as_str().unwrap());
        assert_eq!(send(&world, "any", &provider.logout_token(&json!({}))).await.0, 200);
        assert_eq!(lives(&world, &tokens).await, !ends);
        backend.hears(1).await;
        let now_s = symbolon::serve::system_clock()() / 1000;
        let told = backend.token(&world, now_s).await;
        assert_eq!((told.get("sid"), told.get("sub")), (id_token.get("sid"), id_token.get("sub")), "{told:?}");
        assert!(told.get("sid").is_some_and(Json::is_string), "the client's own names, and none of the provider's: {told:?}");
        for of in [json!({ "sub": "another" }), json!({ "sid": null })] {
            assert_eq!(send(&world, "any", &provider.logout_token(&of)).await.0, 200);
        }
        backend.hears_no_more(1).await;
        world.stop().await;
    }
}

/// 450-B: each lie alone ends nothing, and what it says without the lie does.
#[tokio::test]
async fn a_logout_token_that_the_provider_did_not_send_ends_nothing() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, CREATE).await;
    let (mut browser, _) = signed_in(&world, &provider, with_sid("one", "s-1")).await;
    provider.is("one");
    let now_s = symbolon::serve::system_clock()() / 1000;
    let mut lies: Vec<(String, String)> = [
        json!({ "iss": "https://accounts.google.com" }),
        json!({ "aud": "somebody else" }),
        json!({ "aud": null }),
        json!({ "exp": now_s - 1 }),
        json!({ "exp": null }),
        json!({ "iat": now_s + 600 }),
        json!({ "nonce": "n" }),
        json!({ "events": null }),
        json!({ "events": { "http://schemas.openid.net/event/other": {} } }),
        json!({ "jti": null }),
        json!({ "sub": null }),
        json!({ "sub": 7 }),
    ]
    .iter()
    .map(|changes| (changes.to_string(), provider.logout_token(changes)))
    .collect();
    lies.push(("alg none".to_owned(), "eyJhbGciOiJub25lIn0.e30.".to_owned()));
    lies.push(("an ID token".to_owned(), provider.sdk_token(crate::world::provider::CLIENT_ID, "n", &json!({}))));
    lies.push(("nothing".to_owned(), String::new()));
    lies.push(("too long".to_owned(), "a".repeat(17 * 1024)));
    provider.says(Says { sub: "one".to_owned(), foreign_key: true, ..Says::default() });
    lies.push(("foreign key".to_owned(), provider.logout_token(&json!({}))));
    provider.says(Says { sub: "one".to_owned(), typ: Some("at+jwt"), ..Says::default() });
    lies.push(("typ".to_owned(), provider.logout_token(&json!({}))));
    for (name, token) in lies {
        let (status, body) = send(&world, "any", &token).await;
        assert_eq!((status, &body["error"]), (400, &json!("invalid_request")), "{name}");
    }
    provider.is("one");
    let good = provider.logout_token(&json!({}));
    assert_eq!(send(&world, "nobody", &good).await.0, 404);
    assert!(is_signed_in(&world, &mut browser).await);
    assert_eq!(send(&world, "any", &good).await.0, 200);
    assert!(!is_signed_in(&world, &mut browser).await);
    world.stop().await;
}

/// Somebody who signed in by password is not signed out by a provider.
#[tokio::test]
async fn a_session_that_rests_on_no_provider_stays() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, CREATE).await;
    let mut alice = Browser::default();
    let page = alice.open(&world, &Ask::native("openid")).await;
    assert!(alice.submit_password(&world, &page, "alice", PASSWORD).await.has_code());
    provider.is("one");
    assert_eq!(send(&world, "any", &provider.logout_token(&json!({}))).await.0, 200);
    assert!(is_signed_in(&world, &mut alice).await, "a session that rests on no provider");
    world.stop().await;
}

/// 625-Q: the copy of the store is older than the provider's word. The audit has it, and it is carried out again.
#[tokio::test(flavor = "multi_thread")]
async fn recovering_carries_a_logout_out_again() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, CREATE).await;
    let (mut ann, tokens) = signed_in(&world, &provider, with_sid("one", "s-1")).await;
    let (mut bob, _) = signed_in(&world, &provider, with_sid("two", "s-2")).await;
    let world = world.restarted(keep).await;
    provider.says(with_sid("one", "s-1"));
    assert_eq!(send(&world, "any", &provider.logout_token(&json!({}))).await.0, 200);
    assert_eq!((is_signed_in(&world, &mut ann).await, is_signed_in(&world, &mut bob).await), (false, true));
    let (_, audit, _) = symbolon(&world.file(), &["audit", "--since", "1h", "--all"], "").await;
    let path = world.directory.join("audit.jsonl");
    std::fs::write(&path, audit).unwrap();
    let mut world = world;
    world.running.stop_in_place().await;
    restore(&world);
    let (code, said, complained) = symbolon(&world.file(), &["recover", "--audit", path.to_str().unwrap()], "").await;
    assert_eq!(code, Some(0), "{said}{complained}");
    world.start_again(|it| it).await;
    assert_eq!((is_signed_in(&world, &mut ann).await, is_signed_in(&world, &mut bob).await), (false, true));
    assert!(lives(&world, &tokens).await, "what apps were granted stays");
    world.stop().await;
}
