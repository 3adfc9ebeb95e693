//! What a provider says about an address and an account, over time: texts in place of flags, addresses that change, accounts that are gone.

use crate::commands::symbolon;
use crate::upstream::{CREATE, leave, sign_in, sign_in_for_subject, world};
use crate::world::provider::{Provider, Says};
use crate::world::{Ask, Browser, Engine, PASSWORD, World, claims, engines, totp};
use serde_json::{Value as Json, json};
use std::time::Duration;

const VOUCHES: &str = "accounts = \"create\"\nauthoritative_for = [\"example.com\"]\n";

/// Whose login name an address is.
async fn owner(world: &World, address: &str) -> Option<String> {
    let app = world.running.shared.now();
    app.accounts().by_typed_name(address).await.unwrap().map(|account| account.id)
}

/// S-08: several providers send flags as texts. Only `true` and that word mean verified. Nothing else fails a sign-in, in the ID token or in
/// userinfo.
#[tokio::test(flavor = "multi_thread")]
async fn verified_may_be_a_word() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, VOUCHES).await;
        let good = [json!(true), json!("true"), json!("True"), json!("TRUE")];
        let bad = [json!(false), json!("false"), json!(null), json!(1), json!("yes"), json!({}), json!([true])];
        let all = good.into_iter().map(|it| (it, true)).chain(bad.into_iter().map(|it| (it, false)));
        for (number, (verified, counts)) in all.enumerate() {
            for by_userinfo in [false, true] {
                let (sub, email) = (format!("s{number}{by_userinfo}"), format!("n{number}{by_userinfo}@example.com"));
                let said = json!({ "sub": sub, "email": email, "email_verified": verified, "is_private_email": verified });
                provider.says(if by_userinfo {
                    Says { sub, userinfo: Some(said), ..Says::default() }
                } else {
                    Says { sub, claims: said, ..Says::default() }
                });
                let subject = sign_in_for_subject(&world, &provider).await;
                assert_eq!(owner(&world, &email).await, Some(subject).filter(|_| counts), "{verified} {by_userinfo}");
            }
        }
        // The word "false" links no more than the flag.
        for verified in [json!("false"), json!("true")] {
            let said = json!({ "email": "alice@example.com", "email_verified": verified });
            provider.says(Says { sub: format!("evil {verified}"), claims: said, ..Says::default() });
            let subject = sign_in_for_subject(&world, &provider).await;
            assert_ne!(owner(&world, "alice@example.com").await, Some(subject), "{verified}");
        }
        world.stop().await;
    }
}

/// S-29: the account is found by issuer and subject, whatever becomes of the address. Capitals make no other address. S-26: a new subject with
/// an old address is somebody else.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_changes_moves_nobody() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, VOUCHES).await;
        let says = |sub: &str, email: Json| {
            let said = json!({ "email": email, "email_verified": true });
            provider.says(Says { sub: sub.to_owned(), claims: said, ..Says::default() });
        };
        says("anna", json!("Anna@EXAMPLE.com"));
        let anna = sign_in_for_subject(&world, &provider).await;
        for spelled in ["anna@example.com", "ANNA@Example.Com"] {
            assert_eq!(owner(&world, spelled).await.as_ref(), Some(&anna), "{spelled}");
        }
        for changed in [json!("ANNA@example.com"), json!("anna.new@example.com"), json!("alice@example.com"), json!(null), json!(7)] {
            says("anna", changed.clone());
            assert_eq!(sign_in_for_subject(&world, &provider).await, anna, "{changed}");
        }
        let alice = owner(&world, "alice@example.com").await.unwrap();
        assert!(alice != anna && owner(&world, "anna@example.com").await.as_ref() == Some(&anna));
        // The provider deleted her account and made another one.
        for email in ["anna@example.com", "ANNA@EXAMPLE.COM"] {
            says(&format!("another {email}"), json!(email));
            let other = sign_in_for_subject(&world, &provider).await;
            assert!(other != anna && owner(&world, email).await.as_ref() == Some(&anna), "{email}");
        }
        world.stop().await;
    }
}

/// S-26: an account here is deleted, and its identity signs up anew: with the next sign-in and with the one after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_account_leaves_no_dead_link() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, VOUCHES).await;
    let said = json!({ "email": "anna@example.com", "email_verified": true });
    provider.says(Says { sub: "anna".to_owned(), claims: said, ..Says::default() });
    let first = sign_in_for_subject(&world, &provider).await;
    let (code, _, error) = symbolon(&world.file(), &["user", "delete", "--yes", "--", &first], "").await;
    assert_eq!(code, Some(0), "{error}");
    let second = sign_in_for_subject(&world, &provider).await;
    assert_ne!(second, first);
    assert_eq!(sign_in_for_subject(&world, &provider).await, second, "and finds that one again");
    assert_eq!(owner(&world, "anna@example.com").await, Some(second), "the address is free for it");
    world.stop().await;
}

/// S-32: who is not known where accounts are by invitation hears why, and does not go round in a circle: the request ends with an error of its own.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_not_invited_is_told_and_the_app_hears_of_it() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, "").await;
    provider.says(Says { sub: "one".to_owned(), claims: json!({ "email": "one@any.example" }), ..Says::default() });
    let mut browser = Browser::default();
    let page = sign_in(&world, &provider, &mut browser).await;
    assert_eq!((page.status, page.name().as_deref()), (200, Some("upstream_unknown")), "{}", page.html);
    assert!(page.says("o…@any.example") && page.says("Ask the people who run this service"), "{}", page.text());
    // Once more with the same account, and with another one that is unknown too: the same page, and no loop.
    let mut page = page;
    for sub in ["one", "two"] {
        provider.is(sub);
        let away = browser.submit(&world, &page, &[], "other_account").await;
        page = browser.get(&world, &provider.sign_in(&away.location.unwrap())).await;
        assert_eq!((page.status, page.name().as_deref()), (200, Some("upstream_unknown")), "{}", page.html);
    }
    let back = browser.submit(&world, &page, &[], "cancel").await;
    assert_eq!((back.error().as_deref(), back.parameters()["state"].as_str()), (Some("access_denied"), "s-1"), "{back:?}");
    assert_eq!(world.audited("account_created").await, 1, "alice alone");
    world.stop().await;
}

/// S-32: the wish to link outlives the questions on the way, a second factor among them.
#[tokio::test(flavor = "multi_thread")]
async fn the_wish_to_link_outlives_a_second_factor() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, "").await;
    let now_ms = || world.running.shared.now().now_ms();
    let mut browser = Browser::default();
    let page = browser.visit(&world, "/account").await;
    assert_eq!(browser.submit_password(&world, &page, "alice", PASSWORD).await.status, 303);
    let account = browser.visit(&world, "/account").await;
    let page = browser.submit(&world, &account, &[], "enrol_totp").await;
    let secret = page.codes().remove(0);
    let codes = browser.submit(&world, &page, &[("code", &totp(&secret, now_ms()))], "continue").await;
    assert_eq!(browser.submit(&world, &codes, &[], "continue").await.status, 303);
    world.confirm("alice").await;
    world.advance_s(600);
    let now_s = now_ms() / 1000;
    let dated = json!({ "iat": now_s, "exp": now_s + 300, "auth_time": now_s });
    provider.says(Says { sub: "one".to_owned(), id_token: dated, ..Says::default() });
    let account = browser.visit(&world, "/account").await;
    let page = browser.submit(&world, &account, &[], "link:any").await;
    assert!(page.asks_for("password"), "{}", page.html);
    let page = browser.submit(&world, &page, &[("password", "wrong")], "continue").await;
    let page = browser.submit(&world, &page, &[("password", PASSWORD)], "continue").await;
    assert!(page.asks_for("code"), "{}", page.html);
    let page = browser.submit(&world, &page, &[("code", &totp(&secret, now_ms()))], "continue").await;
    let away = browser.submit(&world, &page, &[], "go").await;
    let page = browser.get(&world, &provider.sign_in(&away.location.unwrap())).await;
    assert_eq!(page.title(), "Link Anysocial?", "{}", page.html);
    browser.submit(&world, &page, &[], "continue").await;
    assert_eq!(world.audited("upstream_linked").await, 1);
    // 364-Z: the provider alone signs nobody in who has an authenticator here.
    world.advance_s(60);
    let now_s = now_ms() / 1000;
    provider.says(Says { sub: "one".to_owned(), id_token: json!({ "iat": now_s, "exp": now_s + 300 }), ..Says::default() });
    let mut fresh = Browser::default();
    let away = leave(&world, &mut fresh, &Ask::native("openid")).await;
    let page = fresh.get(&world, &provider.sign_in(&away)).await;
    assert!(page.asks_for("code") && !page.has_code(), "{}", page.html);
    let done = fresh.submit(&world, &page, &[("code", &totp(&secret, now_ms()))], "continue").await;
    assert!(done.has_code(), "the twin: with both factors, {}", done.html);
    world.stop().await;
}

/// S-33: many sign-ins of one browser at one provider. The cookies have a bound, and the oldest gives way. Answers that belong to nobody here
/// use nothing up. The back button after the end leads on.
#[tokio::test(flavor = "multi_thread")]
async fn many_tabs_at_one_provider_have_a_bound() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, CREATE).await;
    let (mut browser, mut backs) = (Browser::default(), Vec::new());
    for _ in 0..12 {
        backs.push(provider.sign_in(&leave(&world, &mut browser, &Ask::native("openid")).await));
    }
    let count = browser.cookies.keys().filter(|name| name.contains("-login-")).count();
    assert!(count <= 8 && browser.cookie_line().len() < 2048, "{count}: {}", browser.cookie_line().len());
    let mut stranger = Browser::default();
    let foreign = provider.sign_in(&leave(&world, &mut stranger, &Ask::native("openid")).await);
    let state = crate::world::parameters(&foreign)["state"].clone();
    for unknown in [foreign.clone(), foreign.replace(&state, "AAAA")] {
        let page = browser.get(&world, &unknown).await;
        assert_eq!((page.status, page.has_code()), (400, false), "{}", page.html);
    }
    for at in [11, 7, 9] {
        let page = browser.get(&world, &backs[at]).await;
        assert!(page.has_code(), "{at}: {}", page.html);
    }
    let back = browser.get(&world, &backs[9]).await;
    assert!(back.has_code() || (back.status == 200 && back.kind() == "done"), "the back button: {} {}", back.status, back.html);
    let oldest = browser.get(&world, &backs[0]).await;
    assert_eq!((oldest.status, oldest.has_code()), (400, false), "the oldest gave way: {}", oldest.html);
    assert!(stranger.get(&world, &foreign).await.has_code(), "the twin: it is the other browser's");
    world.stop().await;
}

/// S-22: a provider that does not answer holds up nobody who wants something else, and the server is well.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_provider_delays_nobody_else() {
    let provider = Provider::start().await;
    provider.says(Says { silent: vec!["/.well-known/openid-configuration"], ..Says::default() });
    let world = world(Engine::Sqlite, &provider, CREATE).await;
    assert!(provider.asked().is_empty(), "the start asks no provider");
    let waiting = {
        let node = world.node.clone();
        let mut browser = Browser::default();
        let page = browser.open(&world, &Ask::native("openid")).await;
        tokio::spawn(async move { browser.submit(&node, &page, &[], "use_upstream:any").await })
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.get("/health").await.status(), 200);
    let (ask, mut other) = (Ask::native("openid"), Browser::default());
    let back = other.sign_in(&world, &ask, "alice").await;
    let (status, tokens) = world.exchange(&back["code"], &ask.verifier).await;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!(claims(tokens["id_token"].as_str().unwrap())["iss"], world.issuer.as_str());
    assert!(!provider.asked().is_empty() && !waiting.is_finished(), "the other one waits still");
    let page = waiting.await.unwrap();
    assert!(page.problem().contains("does not answer") && page.action("use_password"), "{}", page.html);
    provider.is("sub-1");
    world.advance_s(31);
    assert!(sign_in(&world, &provider, &mut Browser::default()).await.has_code(), "the twin: it answers again");
    world.stop().await;
}
