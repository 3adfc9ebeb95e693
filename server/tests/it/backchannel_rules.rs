//! What a backchannel request is worth, and who hears what of it. Each refusal with its twin.

use crate::backchannel::{MESSAGE, Scene, on_every_engine};
use crate::commands::told;
use crate::kiosks;
use crate::world::*;
use serde_json::Value as Json;

/// CIBA Core 7.1, `acr_values`: the approval runs the policy that gives it, and the tokens say so. What the app has not proved is asked in the
/// browser.
#[tokio::test(flavor = "multi_thread")]
async fn acr_values_of_a_backchannel_request_are_met() {
    let more = "[login.known]\nrequire = [\"password\"]\nacr = \"urn:known\"\n[login.two-factor]\nrequire = [\"password + totp\"]\nacr = \"urn:two\"\n";
    for engine in engines() {
        let scene = Scene::start(engine, more).await;
        let (mut app, token) = scene.app("member-app", "alice").await;
        let asks = async |acr: &[(&str, &str)]| {
            let (status, answer) = scene.ask("desk", &[&[("login_hint", "alice"), MESSAGE], acr].concat()).await;
            assert_eq!(status, 200, "{answer}");
            answer["auth_req_id"].as_str().unwrap().to_owned()
        };
        for (acr, wanted) in [(&[][..], None), (&[("acr_values", "urn:known")], Some("urn:known"))] {
            let handle = asks(acr).await;
            let asked = app.pending(&token).await.remove(0);
            assert_eq!(app.say(&token, &asked, "allow", &[]).await.status, 200);
            let (status, tokens) = scene.poll("desk", &handle).await;
            assert_eq!(status, 200, "{tokens}");
            let id_token = claims(tokens["id_token"].as_str().unwrap());
            assert_eq!(id_token["acr"].as_str(), wanted, "{id_token}");
        }
        let strict = asks(&[("acr_values", "urn:two")]).await;
        let asked = app.pending(&token).await.remove(0);
        let more = app.say(&token, &asked, "allow", &[]).await;
        assert_eq!(more.error(), (403, "insufficient_authorization"), "{}", more.body);
        let (path, mut browser) = (more.text("approval_uri").replace(&scene.world.issuer, ""), Browser::default());
        let page = browser.visit(&scene.world, &path).await;
        let page = browser.submit_password(&scene.world, &page, "alice", PASSWORD).await;
        assert_eq!(page.kind(), "enrol_totp", "a password is not enough: {}", page.html);
        assert_eq!(scene.error("desk", &strict).await, "authorization_pending");
        scene.world.stop().await;
    }
}

/// K-18: a lost answer is given again to the client that authenticates, until its refresh token was used.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_of_the_backchannel_is_not_given_again_once_it_was_used() {
    on_every_engine(|scene| async move {
        let (mut app, token) = scene.app("member-app", "alice").await;
        let handle = scene.ask_alice("desk").await;
        let asked = app.pending(&token).await.remove(0);
        assert_eq!(app.say(&token, &asked, "allow", &[]).await.status, 200);
        let ((first, tokens), (again, same)) = (scene.poll("desk", &handle).await, scene.poll("desk", &handle).await);
        assert_eq!((first, again, &tokens["refresh_token"]), (200, 200, &same["refresh_token"]), "the twin");
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&tokens))];
        let (status, refreshed) = scene.world.post("/token", &form, Some("desk")).await;
        assert_eq!(status, 200, "{refreshed}");
        assert_eq!(scene.error("desk", &handle).await, "invalid_grant");
        assert_eq!(scene.world.audited("backchannel_replayed").await, 1, "an alarm");
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&refreshed))];
        assert_eq!(scene.world.post("/token", &form, Some("desk")).await.0, 200, "and nothing ends");
        scene.world.stop().await;
    })
    .await;
}

/// K-04, K-13: expired stays expired, in the words of CIBA alone; an ID token has no nonce.
#[tokio::test(flavor = "multi_thread")]
async fn an_expired_backchannel_request_stays_expired() {
    on_every_engine(|scene| async move {
        scene.world.freeze();
        let handle = scene.ask_alice("desk").await;
        scene.world.advance_s(119);
        assert_eq!(scene.error("desk", &handle).await, "authorization_pending", "the twin, a second before");
        scene.world.advance_s(2);
        let mut words = std::collections::BTreeSet::new();
        for number in 0..500 {
            words.insert(scene.error("desk", &handle).await);
            if number == 250 {
                scene.world.advance_s(120);
            }
        }
        assert_eq!(words.into_iter().collect::<Vec<_>>(), ["expired_token"]);
        let (mut app, token) = scene.app("member-app", "alice").await;
        assert!(app.pending(&token).await.is_empty());
        let handle = scene.ask_alice("desk").await;
        let asked = app.pending(&token).await.remove(0);
        assert_eq!(app.say(&token, &asked, "allow", &[]).await.status, 200);
        let (_, tokens) = scene.poll("desk", &handle).await;
        let id_token = claims(tokens["id_token"].as_str().unwrap());
        assert!(id_token.get("nonce").is_none() && id_token["auth_time"].is_i64() && id_token["amr"].is_array(), "{id_token}");
        scene.world.stop().await;
    })
    .await;
}

/// K-20: the answer about nobody has the shape of the answer about somebody, from the request to its end.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_in_the_same_words() {
    on_every_engine(|scene| async move {
        let mut both = Vec::new();
        for name in ["alice", "nobody"] {
            let (status, answer) = scene.ask("desk", &[("login_hint", name), MESSAGE]).await;
            let mut shape = answer.clone();
            let handle = shape["auth_req_id"].take().as_str().unwrap().to_owned();
            assert!(scene.poll("other-desk", &handle).await.1["error"] == "invalid_grant");
            both.push((status, shape, handle.len(), scene.poll("desk", &handle).await, handle));
        }
        let same = |one: &(u16, Json, usize, (u16, Json), String)| (one.0, one.1.clone(), one.2, one.3.clone());
        assert_eq!(same(&both[0]), same(&both[1]));
        scene.world.advance_s(121);
        assert_eq!(scene.poll("desk", &both[0].4).await, scene.poll("desk", &both[1].4).await);
        scene.world.stop().await;
    })
    .await;
}

/// K-20 and the design: `symbolon check` names what asks a person nothing to compare, and a kiosk that takes photographed codes.
#[tokio::test(flavor = "multi_thread")]
async fn unsafe_approvals_are_named_by_check() {
    let plain = "backchannel.plain_approval: UNSAFE";
    let scene = Scene::start(Engine::Sqlite, "[client.desk.backchannel]\nplain_approval = true\n").await;
    let (_, said) = told(&scene.world, &["check"]).await;
    assert!(said.contains(plain), "{said}");
    assert_eq!(scene.ask("desk", &[("login_hint", "alice")]).await.0, 200, "without anything to compare");
    scene.world.stop().await;
    let scene = Scene::start(Engine::Sqlite, "").await;
    let (_, said) = told(&scene.world, &["check"]).await;
    assert!(!said.contains(plain) && said.contains("a person compares the binding_message"), "the twin: {said}");
    scene.world.stop().await;
    let any = "kiosk.mode = \"any\": UNSAFE";
    let more = "[client.gate.kiosk]\nmode = \"any\"\nany_scopes = [\"orders:read\"]\n";
    for (more, is_named) in [(more, true), ("", false)] {
        let scene = kiosks::Scene::start(Engine::Sqlite, more).await;
        let (_, said) = told(&scene.world, &["check"]).await;
        assert_eq!(said.contains(any), is_named, "{said}");
        scene.world.stop().await;
    }
}
