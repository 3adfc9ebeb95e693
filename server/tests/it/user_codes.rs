//! User codes of CIBA, and hints of issuers that an operator names (CIBA Core 7.1). Each refusal with its twin.

use crate::backchannel::{MESSAGE, Scene};
use crate::commands::symbolon;
use crate::world::*;
use serde_json::{Value as Json, json};
use symbolon_oauth::backchannel::HINT_TYP;
use symbolon_oauth::jwk::PrivateKey;
use symbolon_oauth::jws;

const CODE: &str = "7041-blue";
const WANTED: &str = "[client.desk.backchannel]\nuser_code = true\n";

async fn start(engine: Engine, more: &str) -> Scene {
    Scene::start(engine, more).await
}

async fn set_code(world: &World, name: &str, code: &str) -> (Option<i32>, String) {
    let (status, _, error) = symbolon(&world.file(), &["user", "code", name], &format!("{code}\n")).await;
    (status, error)
}

fn error(answer: &(u16, Json)) -> (u16, &str) {
    (answer.0, answer.1["error"].as_str().unwrap_or_default())
}

/// With the right code the person is asked; without one, with a wrong one, or of somebody who has none, nobody is.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_user_code_nobody_is_asked() {
    for engine in engines() {
        let scene = start(engine, WANTED).await;
        let world = &scene.world;
        world.person("bob").await;
        assert_eq!(set_code(world, "alice", CODE).await.0, Some(0));
        let (mut app, token) = scene.app("member-app", "alice").await;
        let alice = ("login_hint", "alice");
        assert_eq!(error(&scene.ask("desk", &[alice, MESSAGE]).await), (400, "missing_user_code"));
        assert_eq!(error(&scene.ask("desk", &[alice, MESSAGE, ("user_code", "")]).await), (400, "missing_user_code"));
        for (name, code) in [("alice", "7041-blu"), ("alice", "7041-BLUE"), ("bob", CODE), ("nobody", CODE), ("alice", PASSWORD)] {
            let answer = scene.ask("desk", &[("login_hint", name), MESSAGE, ("user_code", code)]).await;
            assert_eq!(error(&answer), (400, "invalid_user_code"), "{name} {code}");
        }
        assert!(app.pending(&token).await.is_empty());
        let refused = world.entries("backchannel_refused").await;
        assert_eq!(refused.iter().filter(|entry| entry["reason"].as_str().unwrap().starts_with("the user code is wrong")).count(), 5);
        assert!(!refused.iter().any(|entry| entry.to_string().contains("7041")), "{refused:?}");
        let (status, answer) = scene.ask("desk", &[alice, MESSAGE, ("user_code", CODE)]).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(app.pending(&token).await.len(), 1);
        // A client that is not registered for codes sends none.
        assert_eq!(error(&scene.ask("other-desk", &[alice, MESSAGE, ("user_code", CODE)]).await), (400, "invalid_request"));
        assert_eq!(scene.ask("other-desk", &[alice, MESSAGE]).await.0, 200, "the twin");
        // Taken away: nobody is asked any more.
        assert_eq!(symbolon(&world.file(), &["user", "remove-code", "alice"], "").await.0, Some(0));
        let answer = scene.ask("desk", &[alice, MESSAGE, ("user_code", CODE)]).await;
        assert_eq!(error(&answer), (400, "invalid_user_code"));
        let (status, _, said) = symbolon(&world.file(), &["user", "remove-code", "alice"], "").await;
        assert!(status == Some(1) && said.contains("has no user code"), "{said}");
        for bad in ["", "12345", "with space", &"x".repeat(65)] {
            let (status, said) = set_code(world, "alice", bad).await;
            assert!(status == Some(1) && said.contains("6 to 64"), "{bad}: {said}");
        }
        let metadata: Json = world.get("/.well-known/openid-configuration").await.json().await.unwrap();
        assert_eq!(metadata["backchannel_user_code_parameter_supported"], true);
        scene.world.stop().await;
    }
}

/// The person sets and removes the code on the account page; sessions go on, and the history has it.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_sets_a_code_of_their_own() {
    for engine in engines() {
        let scene = start(engine, WANTED).await;
        let world = &scene.world;
        let mut browser = Browser::default();
        browser.sign_in(world, &Ask::native("orders:read"), "alice").await;
        let change = async |browser: &mut Browser, code: &str, action: &str| {
            let account = browser.visit(world, "/account").await;
            let page = browser.submit(world, &account, &[], "change_user_code").await;
            assert!(page.asks_for("new_user_code"), "{}", page.html);
            browser.submit(world, &page, &[("new_user_code", code)], action).await
        };
        for bad in ["12345", "with space", "7041-bl\u{e4}u"] {
            let page = change(&mut browser, bad, "continue").await;
            assert!(page.problem().starts_with("Six to 64"), "{bad}: {}", page.html);
        }
        assert_eq!(change(&mut browser, CODE, "continue").await.status, 303);
        let ask = async || scene.ask("desk", &[("login_hint", "alice"), MESSAGE, ("user_code", CODE)]).await.0;
        assert_eq!(ask().await, 200);
        assert_eq!(change(&mut browser, "", "remove_user_code").await.status, 303);
        assert_eq!(ask().await, 400);
        assert_eq!((world.audited("user_code_set").await, world.audited("user_code_removed").await), (1, 1));
        let account = browser.visit(world, "/account").await;
        assert!(account.kind() == "account" && account.says("You got a new user code"), "{}", account.text());
        world.reload(|it| it.set("client.desk.backchannel.user_code", false)).await;
        let account = browser.visit(world, "/account").await;
        assert!(account.action("change_password") && !account.action("change_user_code"), "nobody wants one");
        scene.world.stop().await;
    }
}

/// Guesses are few, for a name that nobody has alike. What was right is given back, and other clients and people are not touched.
#[tokio::test(flavor = "multi_thread")]
async fn user_codes_are_not_guessed() {
    for engine in engines() {
        let scene = start(engine, &format!("{WANTED}[client.other-desk.backchannel]\nuser_code = true\n")).await;
        let world = &scene.world;
        world.person("bob").await;
        for name in ["alice", "bob"] {
            assert_eq!(set_code(world, name, CODE).await.0, Some(0));
        }
        let ask = async |client: &str, name: &str, code: &str| {
            let answer = scene.ask(client, &[("login_hint", name), MESSAGE, ("user_code", code)]).await;
            error(&answer).0
        };
        for _ in 0..4 {
            assert_eq!(ask("desk", "alice", CODE).await, 200, "the right one costs no try");
        }
        for name in ["alice", "nobody"] {
            let mut statuses = Vec::new();
            for _ in 0..7 {
                statuses.push(ask("desk", name, "wrong-code").await);
            }
            assert_eq!(statuses, [400, 400, 400, 400, 400, 403, 403], "{name}");
        }
        assert_eq!(ask("desk", "alice", CODE).await, 403, "the right one, too late");
        assert_eq!((ask("desk", "bob", CODE).await, ask("other-desk", "alice", CODE).await), (200, 200));
        world.advance_s(3601);
        assert_eq!(ask("desk", "alice", CODE).await, 200);
        scene.world.stop().await;
    }
}

/// A hint is as good as who signed it: an issuer that the operator named, for this client, once.
#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_an_operator_named_names_people() {
    let (signer, stranger) = (new_key(), new_key());
    let issuer = "https://cards.example.com";
    let named = |client: &str| format!("[client.{client}.backchannel]\nhint_issuers = {{ \"{issuer}\" = {} }}\n", named_jwks(&signer));
    for engine in engines() {
        let scene = start(engine, &format!("{}{}", named("desk"), named("other-desk"))).await;
        let world = &scene.world;
        let now_s = world.running.shared.now().now_ms() / 1000;
        let good =
            json!({ "iss": issuer, "aud": world.issuer, "client_id": "desk", "iat": now_s, "exp": now_s + 60, "login_hint": "alice" });
        let hint = |key: &PrivateKey, name: &str, value: Json| {
            let mut claims = good.clone();
            (claims["jti"], claims[name]) = (fresh().into(), value);
            jws::sign(key, HINT_TYP, &claims).unwrap()
        };
        let ask = async |client: &str, token: &str| scene.ask(client, &[("login_hint_token", token), MESSAGE]).await;
        let right = hint(&signer, "exp", json!(now_s + 60));
        let (status, answer) = ask("desk", &right).await;
        assert_eq!(status, 200, "{answer}");
        let (mut app, token) = scene.app("member-app", "alice").await;
        assert_eq!(app.pending(&token).await.len(), 1);
        assert_eq!(error(&ask("desk", &right).await), (400, "invalid_request"), "once");
        for (what, client, token) in [
            ("made for another client", "other-desk", hint(&signer, "exp", json!(now_s + 60))),
            ("for no client", "desk", hint(&signer, "client_id", Json::Null)),
            ("another issuer", "desk", hint(&signer, "iss", json!("https://evil.test"))),
            ("in the client's name", "desk", hint(&signer, "iss", json!("desk"))),
            ("another key", "desk", hint(&stranger, "exp", json!(now_s + 60))),
            ("another server", "desk", hint(&signer, "aud", json!("https://evil.test"))),
            ("a client for which nobody is named", "till", hint(&signer, "client_id", json!("till"))),
            ("too long", "desk", hint(&signer, "exp", json!(now_s + 3600))),
        ] {
            assert_eq!(error(&ask(client, &token).await), (400, "invalid_request"), "{what}");
        }
        world.advance_s(61);
        assert_eq!(error(&ask("desk", &hint(&signer, "exp", json!(now_s + 60))).await), (400, "expired_login_hint_token"));
        scene.world.stop().await;
    }
}

/// A registration that asks for it gets it, and the file says no to what cannot be meant.
#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let read = |more: &str| {
        let text = format!(
            "issuer = \"https://a.example\"\n[client.desk]\nkind = \"web\"\nsecret = '{}'\nredirect_uris = []\n\
             grants = [\"urn:openid:params:grant-type:ciba\"]\n[client.desk.backchannel]\n{more}",
            secret_digest()
        );
        symbolon::config::Config::from_text(&text, "x", &|_| None).map(|_| ()).map_err(|it| it.to_string())
    };
    let keys = named_jwks(&new_key());
    for good in ["", "user_code = true", &format!("hint_issuers = {{ \"https://cards.example.com\" = {keys} }}")] {
        assert_eq!(read(good), Ok(()), "{good}");
    }
    for (bad, says) in [
        ("user_code = \"yes\"", "invalid type"),
        ("hint_issuers = { \"https://cards.example.com\" = { keys = [] } }", "hint_issuers"),
        ("hint_issuers = { \"https://cards.example.com\" = { keys = [{ kty = \"oct\", k = \"c2VjcmV0\" }] } }", "hint_issuers"),
        (&*format!("hint_issuers = {{ \"\" = {keys} }}"), "hint_issuers"),
        ("hint_issuers = \"https://cards.example.com\"", "invalid type"),
    ] {
        let said = read(bad).unwrap_err();
        assert!(said.contains(says), "{bad}: {said}");
    }
}
