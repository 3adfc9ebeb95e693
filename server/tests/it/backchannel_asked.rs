//! What a client may ask on the backchannel: hints, owners, signed requests, blocks. Each refusal with its twin.

use crate::backchannel::{APP_BACK, MESSAGE, Scene, clients, on_every_engine, question};
use crate::world::*;
use serde_json::{Value as Json, json};
use symbolon_oauth::backchannel::{GRANT_TYPE, Named, make_hint};
use symbolon_oauth::jwk::PrivateKey;
use symbolon_oauth::{jws, request_object};

/// 326-X, 113-T: whose it is, who may ask, and one defect each in the request.
#[tokio::test(flavor = "multi_thread")]
async fn a_backchannel_request_has_one_owner_and_no_defect() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        let handle = scene.ask_alice("desk").await;
        assert_eq!(scene.error("other-desk", &handle).await, "invalid_grant");
        assert_eq!(scene.error("desk", &handle).await, "authorization_pending", "the twin");
        let alice = ("login_hint", "alice");
        let long = "x".repeat(61);
        let (longest, too_long) = ("x".repeat(512), "x".repeat(513));
        assert_eq!(scene.ask("desk", &[("login_hint", &longest), MESSAGE]).await.0, 200, "the twin");
        for (client, form, wanted) in [
            ("desk", vec![alice, MESSAGE, ("scope", "orders:read")], "invalid_scope"),
            ("desk", vec![alice, MESSAGE, ("scope", "openid ledger:read")], "invalid_scope"),
            ("desk", vec![MESSAGE], "invalid_request"),
            ("desk", vec![("login_hint", too_long.as_str()), MESSAGE], "invalid_request"),
            ("desk", vec![alice, MESSAGE, ("id_token_hint", "x")], "invalid_request"),
            ("desk", vec![MESSAGE, ("id_token_hint", "x")], "invalid_request"),
            ("desk", vec![MESSAGE, ("login_hint_token", "x")], "invalid_request"),
            ("desk", vec![alice], "invalid_binding_message"),
            ("desk", vec![alice, ("binding_message", long.as_str())], "invalid_binding_message"),
            ("desk", vec![alice, ("binding_message", "<b>K</b>")], "invalid_binding_message"),
            // Letters that nobody sees.
            ("desk", vec![alice, ("binding_message", "\u{3164}")], "invalid_binding_message"),
            ("desk", vec![alice, ("binding_message", "K7\u{ffa0}41")], "invalid_binding_message"),
            ("desk", vec![alice, MESSAGE, ("requested_expiry", "0")], "invalid_request"),
            ("desk", vec![alice, MESSAGE, ("requested_expiry", "-5")], "invalid_request"),
            ("desk", vec![alice, MESSAGE, ("requested_expiry", "soon")], "invalid_request"),
            ("desk", vec![alice, MESSAGE, ("resource", "https://x")], "invalid_target"),
            ("desk", vec![alice, MESSAGE, ("request", "e30.e30.")], "invalid_request"),
            ("desk", vec![("request", "e30.e30.")], "invalid_request"),
        ] {
            let (status, answer) = scene.ask(client, &form).await;
            assert_eq!((status, answer["error"].as_str()), (400, Some(wanted)), "{form:?}: {answer}");
        }
        let (status, answer) = scene.ask("shop-web", &[alice, MESSAGE]).await;
        assert_eq!((status, answer["error"].as_str()), (400, Some("unauthorized_client")), "{answer}");
        let (status, answer) = world.post("/backchannel_authentication", &[("client_id", "desk"), alice, MESSAGE], None).await;
        assert_eq!((status, answer["error"].as_str()), (401, Some("invalid_client")), "{answer}");
        // The cap of requested_expiry, and less.
        for (asked, given) in [("30", 30), ("600", 120), ("1", 10)] {
            let (_, answer) = scene.ask("other-desk", &[alice, MESSAGE, ("requested_expiry", asked)]).await;
            assert_eq!(answer["expires_in"], given, "{answer}");
        }
        scene.world.stop().await;
    })
    .await;
}

/// 323-X, K-20: whoever has no account here is asked like anybody, and nobody hears of it; the limit counts alike. It is the client's own: another
/// client still asks the same person.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_and_somebody_look_the_same_to_a_client() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        for name in ["alice", "nobody"] {
            let mut statuses = Vec::new();
            for _ in 0..6 {
                let (status, answer) = scene.ask("desk", &[("login_hint", name), MESSAGE]).await;
                if status == 200 {
                    assert_eq!(scene.error("desk", answer["auth_req_id"].as_str().unwrap()).await, "authorization_pending");
                } else {
                    assert_eq!(answer["error"], "access_denied", "{answer}");
                }
                statuses.push(status);
            }
            assert_eq!(statuses, [200, 200, 200, 200, 200, 403], "{name}");
        }
        let (status, answer) = scene.ask("desk", &[("login_hint", "alice@example.com"), MESSAGE]).await;
        assert_eq!(status, 200, "another name has places of its own, so that the limit tells nothing: {answer}");
        scene.ask_alice("other-desk").await;
        let (mut app, token) = scene.app("member-app", "alice").await;
        assert_eq!(app.pending(&token).await.len(), 7);
        // An approved request is given back; and the window ends.
        let asked = app.pending(&token).await.remove(0);
        assert_eq!(app.say(&token, &asked, "allow", &[]).await.status, 200);
        scene.ask_alice("desk").await;
        assert_eq!(scene.ask("desk", &[("login_hint", "alice"), MESSAGE]).await.0, 403);
        world.advance_s(601);
        scene.ask_alice("desk").await;
        scene.world.stop().await;
    })
    .await;
}

/// "Not me": the client asks this person nothing for an hour, and hears so at once, with how long it lasts. Others do.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_unasked_is_blocked_for_this_person() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        world.person("bob").await;
        let handle = scene.ask_alice("desk").await;
        let mut browser = Browser::default();
        let page = question(world, &mut browser).await;
        assert_eq!(browser.submit(world, &page, &[], "not_mine").await.title(), "You have not approved");
        assert_eq!(scene.error("desk", &handle).await, "access_denied");
        let answer = world.http.post(world.url("/backchannel_authentication"));
        let form = [("scope", "openid"), ("login_hint", "alice"), MESSAGE];
        let answer = answer.form(&form).basic_auth("desk", Some(SECRET)).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (403, "3600"));
        scene.ask_alice("other-desk").await;
        assert_eq!(scene.ask("desk", &[("login_hint", "bob"), MESSAGE]).await.0, 200, "another person");
        world.advance_s(3601);
        scene.ask_alice("desk").await;
        assert_eq!(world.entries("backchannel_denied").await[0]["detail"]["not_mine"], true);
        scene.world.stop().await;
    })
    .await;
}

/// The bank's own program, with the key that signs its requests.
fn bank(scene: &Scene) -> Phone<'_> {
    Phone { client_key: Some(&scene.signer), mode: Mode::Unattested, ..Phone::new(&scene.world, "bank", APP_BACK) }
}

/// What a bank may sign.
fn good(scene: &Scene, now_s: i64) -> Json {
    json!({ "iss": "bank", "aud": scene.world.issuer, "iat": now_s, "nbf": now_s, "exp": now_s + 300, "jti": "1",
        "scope": "openid orders:read", "binding_message": "Pay 12.50 EUR", "login_hint": "alice", "requested_expiry": 60 })
}

fn signed(scene: &Scene, claims: &Json) -> String {
    jws::sign(&scene.signer, request_object::TYP, claims).unwrap()
}

/// CIBA Core 7.1.1, FAPI-CIBA 5.2.2: a client of that profile signs what it asks, once; the keys bind what it gets.
#[tokio::test(flavor = "multi_thread")]
async fn a_bank_signs_what_it_asks() {
    on_every_engine(|scene| async move {
        let mut bank = bank(&scene);
        let now_s = bank.now_s();
        let good = good(&scene, now_s);
        let plain = bank.post("/backchannel_authentication", &[("scope", "openid"), ("login_hint", "alice"), MESSAGE]).await;
        assert_eq!(plain.error(), (400, "invalid_request"), "{}", plain.body);
        let stranger = jws::sign(&new_key(), request_object::TYP, &good).unwrap();
        let mut bad = vec![("another key", stranger)];
        for (name, value) in [
            ("aud", json!("https://other.example")),
            ("iss", json!("desk")),
            ("exp", json!(now_s - 1)),
            ("nbf", Json::Null),
            ("jti", Json::Null),
            ("binding_message", Json::Null),
            ("login_hint", json!(["alice"])),
            ("response_type", json!("code")),
        ] {
            let mut claims = good.clone();
            match value {
                Json::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value,
            }
            bad.push((name, signed(&scene, &claims)));
        }
        for (name, request) in &bad {
            let answer = bank.post("/backchannel_authentication", &[("request", request)]).await;
            assert!(
                answer.status == 400 && ["invalid_request", "invalid_binding_message"].contains(&answer.error().1),
                "{name}: {answer:?}"
            );
        }
        let request = signed(&scene, &good);
        let beside = bank.post("/backchannel_authentication", &[("request", &request), ("scope", "openid")]).await;
        assert_eq!(beside.error(), (400, "invalid_request"), "{}", beside.body);
        let asked = bank.post("/backchannel_authentication", &[("request", &request)]).await;
        assert_eq!((asked.status, asked.body["expires_in"].as_i64()), (200, Some(60)), "{}", asked.body);
        assert_eq!(bank.post("/backchannel_authentication", &[("request", &request)]).await.error(), (400, "invalid_request"), "twice");
        // Neither endpoint takes what was signed for the other.
        let par = bank.post("/par", &[("request", &request)]).await;
        assert_eq!(par.status, 400, "{}", par.body);
        let (mut app, token) = scene.app("member-app", "alice").await;
        let shown = app.pending(&token).await.remove(0);
        let handle = asked.text("auth_req_id");
        let poll = [("grant_type", GRANT_TYPE), ("auth_req_id", handle.as_str())];
        let mut other = self::bank(&scene);
        assert_eq!(other.post("/token", &poll).await.error(), (400, "invalid_grant"), "another key than it was asked with");
        assert_eq!(scene.world.entries("token_refused").await.last().unwrap()["reason"], "holder");
        assert_eq!(scene.world.audited("backchannel_in_wrong_hands").await, 0, "it leads to nothing yet");
        assert_eq!(app.say(&token, &shown, "allow", &[]).await.status, 200);
        assert_eq!(other.post("/token", &poll).await.error(), (400, "invalid_grant"), "the same, approved");
        let alarm = scene.world.entries("backchannel_in_wrong_hands").await.remove(0);
        assert!(alarm["client"] == "bank" && alarm["account"].is_string() && !alarm.to_string().contains(&handle), "{alarm}");
        let tokens = bank.post("/token", &poll).await;
        assert_eq!((tokens.status, tokens.text("token_type").as_str()), (200, "DPoP"), "{}", tokens.body);
        scene.world.stop().await;
    })
    .await;
}

/// A client may name the person by a token that it signed, or by an ID token that it got, and by no other's.
#[tokio::test(flavor = "multi_thread")]
async fn a_bank_names_a_person_by_a_token() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        let mut bank = bank(&scene);
        let now_s = bank.now_s();
        let good = good(&scene, now_s);
        let asked = bank.post("/backchannel_authentication", &[("request", &signed(&scene, &good))]).await;
        let (mut app, token) = scene.app("member-app", "alice").await;
        let shown = app.pending(&token).await.remove(0);
        assert_eq!(app.say(&token, &shown, "allow", &[]).await.status, 200);
        let handle = asked.text("auth_req_id");
        let tokens = bank.post("/token", &[("grant_type", GRANT_TYPE), ("auth_req_id", handle.as_str())]).await;
        assert_eq!(tokens.status, 200, "{}", tokens.body);
        let sub = claims(&tokens.text("id_token"))["sub"].as_str().unwrap().to_owned();
        let of = |key: &PrivateKey, jti: &str, now_s: i64| {
            make_hint(key, ("bank", &world.issuer), &Named::Subject(sub.clone()), jti, now_s).unwrap()
        };
        let mut ask = async |number: usize, name: &str, value: &str| {
            let mut claims = good.clone();
            claims.as_object_mut().unwrap().remove("login_hint");
            (claims[name], claims["jti"]) = (value.into(), format!("h{number}").into());
            bank.post("/backchannel_authentication", &[("request", &signed(&scene, &claims))]).await
        };
        let hint = of(&scene.signer, "h", now_s);
        assert_eq!(ask(0, "login_hint_token", &hint).await.status, 200);
        assert_eq!(ask(1, "login_hint_token", &hint).await.error(), (400, "invalid_request"), "a hint is good once");
        assert_eq!(ask(2, "login_hint_token", &of(&new_key(), "i", now_s)).await.error(), (400, "invalid_request"));
        assert_eq!(ask(3, "login_hint_token", &of(&scene.signer, "j", now_s - 61)).await.error(), (400, "expired_login_hint_token"));
        assert_eq!(ask(4, "id_token_hint", &tokens.text("id_token")).await.status, 200);
        let (_, others) =
            { world.tokens("openid").await }.as_object().map(|all| ((), all["id_token"].as_str().unwrap().to_owned())).unwrap();
        assert_eq!(ask(5, "id_token_hint", &others).await.error(), (400, "invalid_request"), "of another client");
        assert_eq!(app.pending(&token).await.len(), 2);
        scene.world.stop().await;
    })
    .await;
}

/// What cannot be meant is an error at the start.
#[test]
fn a_backchannel_that_cannot_be_meant_is_refused() {
    let signer = new_key();
    let with = |text: &str| Configuration::to_read().with(&clients(&signer)).with(text).read();
    with("").unwrap();
    with("[client.desk.backchannel]\ndelivery = \"ping\"\nnotification_endpoint = \"https://desk.example.com/x\"").unwrap();
    for (text, why) in [
        ("[client.desk.backchannel]\nlifetime = \"29s\"", "backchannel.lifetime is from 30s to 10m"),
        ("[client.desk.backchannel]\nlifetime = \"11m\"", "backchannel.lifetime is from 30s to 10m"),
        ("[client.desk.backchannel]\ndelivery = \"push\"", "unknown variant"),
        ("[client.desk.backchannel]\ndelivery = \"ping\"", "notification_endpoint is for delivery"),
        ("[client.desk.backchannel]\nnotification_endpoint = \"https://a.example\"", "notification_endpoint is for delivery"),
        ("[client.desk.backchannel]\ndelivery = \"ping\"\nnotification_endpoint = \"http://a.example/x\"", "is no https URL"),
        ("[client.shop-ios.backchannel]\nshows_number = true", "the table backchannel needs grants"),
        (&format!("[client.shop-ios]\ngrants = [\"{GRANT_TYPE}\"]"), "only for clients that authenticate"),
        (&format!("[client.robot]\ngrants = [\"{GRANT_TYPE}\"]"), "a service has no person"),
        ("[client.bank.backchannel]\nplain_approval = true", "not for clients with profile"),
        ("[client.shop-ios]\napproves = true", "approves: only first_party clients"),
        ("[client.third-party]\napproves = true", "approves: only first_party clients"),
        ("[push]\nwebhook = \"http://push.example.com/x\"", "webhook is no https URL"),
    ] {
        let error = with(text).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
}
