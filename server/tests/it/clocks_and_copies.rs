//! Clocks that differ, events of one instant, keys that retire, restarts, replicas, counters at their end, copies of a machine. Each
//! test has its twin.

use crate::world::*;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use symbolon::store::Store;
use symbolon::store::faults::Plan;
use symbolon::tokens::handles::{Kind, RowName};
use symbolon_oauth::dpop;

fn refresh_token(tokens: &Json) -> String {
    tokens["refresh_token"].as_str().unwrap_or_else(|| panic!("{tokens}")).to_owned()
}

/// A sign-in at this very node: pages name the issuer, behind which all of them stand.
async fn code_at(node: &World, browser: &mut Browser, ask: &Ask) -> String {
    let page = browser.open(node, ask).await;
    browser.submit_password(node, &page, "alice", PASSWORD).await.code()
}

/// 620-Q: one node is ninety seconds ahead, the other ninety behind. Nothing is good twice; windows are those of the node that judges;
/// nobody is logged out.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_whose_clocks_differ_agree_on_once() {
    if postgres().is_none() {
        return;
    }
    let ahead = World::start(Engine::Postgres).await;
    ahead.freeze();
    let behind = ahead.another_with("", Arc::new(AtomicI64::new(-90_000)), ahead.directory.clone()).await;
    ahead.advance_s(90);
    // A code of the node that is ahead is good at the other, once; one of the node behind is three minutes old at the first.
    let (code, verifier) = ahead.code("openid orders:read").await;
    let (status, tokens) = behind.exchange(&code, &verifier).await;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!(ahead.refresh(&refresh_token(&tokens)).await.0, 200);
    for node in [&ahead, &behind] {
        let (status, answer) = node.exchange(&code, &verifier).await;
        assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_grant")));
    }
    let ask = Ask::native("openid orders:read");
    let (code, verifier) = (code_at(&behind, &mut Browser::default(), &ask).await, ask.verifier);
    let (status, answer) = ahead.exchange(&code, &verifier).await;
    assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_grant")), "its minute is over here");
    let tokens = behind.exchange(&code, &verifier).await.1;
    let (one, two) = (behind.refresh(&refresh_token(&tokens)).await.1, behind.refresh(&refresh_token(&tokens)).await.1);
    assert_eq!(refresh_token(&one), refresh_token(&two));
    let third = ahead.refresh(&refresh_token(&one)).await.1;
    assert_eq!(behind.refresh(&refresh_token(&one)).await.1["refresh_token"], third["refresh_token"], "a race over both converges");
    // A proof of the right time is within the window of both; one is good at one node, and then nowhere.
    let mut app = ahead.phone();
    let token = app.tokens("openid orders:read").await.text("refresh_token");
    let form = [("grant_type", "refresh_token"), ("client_id", "shop-ios"), ("refresh_token", token.as_str())];
    let now_s = ahead.running.shared.now().now_ms() / 1000;
    let send = async |node: &World, jti: &str, iat: i64| {
        let mut nonce = app.nonce.clone();
        for _ in 0..2 {
            let proof = dpop::make(
                &app.key,
                &dpop::Statement { method: "POST", url: &ahead.url("/token"), nonce: nonce.as_deref(), access_token: None, jti, iat },
            )
            .unwrap();
            let answer = node.http.post(node.url("/token")).form(&form).header("dpop", proof).send().await.unwrap();
            nonce = answer.headers().get("dpop-nonce").map(|it| it.to_str().unwrap().to_owned());
            let body: Json = answer.json().await.unwrap();
            let error = body["error"].as_str().unwrap_or("none").to_owned();
            if error != "use_dpop_nonce" {
                return error;
            }
        }
        "use_dpop_nonce".to_owned()
    };
    assert_eq!(send(&ahead, "right", now_s - 90).await, "none", "with a nonce of ours a clock may be off");
    assert_eq!(send(&behind, "right", now_s - 90).await, "use_dpop_nonce", "used, at another node too");
    assert_eq!(send(&behind, "right too", now_s - 90).await, "none");
    for node in [&ahead, &behind] {
        assert_eq!(send(node, "wrong", now_s - 600).await, "invalid_dpop_proof");
    }
    assert_eq!(send(&behind, "behind", now_s - 180).await, "none");
    assert_eq!(send(&behind, "behind", now_s - 180).await, "use_dpop_nonce", "used");
    assert_eq!(send(&ahead, "ahead", now_s).await, "none");
    assert_eq!(send(&ahead, "ahead", now_s).await, "use_dpop_nonce", "used");
    behind.running.stop().await;
    ahead.stop().await;
}

/// Where an API that begins to follow now goes on from.
async fn following(world: &World) -> String {
    let (status, news) = world.post("/endings", &[], Some("orders")).await;
    assert_eq!(status, 200, "{news}");
    news["next"].as_str().unwrap().to_owned()
}

/// 621-Q: everything in one millisecond; what came later wins because it came later.
#[tokio::test(flavor = "multi_thread")]
async fn events_of_one_instant_have_their_order() {
    on_every_engine(|world| async move {
        world.freeze();
        let first = refresh_token(&world.tokens("openid orders:read").await);
        let second = refresh_token(&world.refresh(&first).await.1);
        let third = refresh_token(&world.refresh(&second).await.1);
        assert_eq!(world.refresh(&second).await.1["refresh_token"], third, "the one before");
        assert_eq!(world.refresh(&first).await.0, 400, "older than that, though no time has passed");
        // An old session and a new one: ending the old one at this instant leaves the new one alone.
        let (mut old, mut new) = (Browser::default(), Browser::default());
        let ask = Ask::native("openid orders:read");
        let olds = old.sign_in(&world, &ask, "alice").await["code"].clone();
        let olds = refresh_token(&world.exchange(&olds, &ask.verifier).await.1);
        let page = new.visit(&world, "/account").await;
        new.submit_password(&world, &page, "alice", PASSWORD).await;
        let account = new.visit(&world, "/account").await;
        new.change(&world, &account, "sign_out_others").await;
        assert_eq!(world.refresh(&olds).await.0, 400);
        let news = new.sign_in(&world, &ask, "alice").await["code"].clone();
        assert_eq!(world.exchange(&news, &ask.verifier).await.0, 200);
        // An API that follows hears of both of two ends of one instant, though it asked in between.
        let mut after = following(&world).await;
        for _ in 0..2 {
            let token = world.tokens("orders:read").await["access_token"].as_str().unwrap().to_owned();
            assert_eq!(world.post("/revoke", &[("client_id", "shop-ios"), ("token", &token)], None).await.0, 200);
            tokio::time::sleep(symbolon::endings::PAUSE).await;
            let began = std::time::Instant::now();
            let (_, news) = world.post("/endings", &[("after", &after)], Some("orders")).await;
            assert!(news["ended"].as_array().unwrap().contains(&json!({ "jti": claims(&token)["jti"] })), "{news}");
            assert!(began.elapsed() < symbolon::endings::WAIT / 2, "at once");
            after = news["next"].as_str().unwrap().to_owned();
        }
        // The audit tells it in the order in which it happened.
        let app = world.running.shared.now();
        let entries = symbolon::audit::list(&app.store, &Default::default(), 10_000).await.unwrap();
        let at = |event: &str| entries.iter().position(|it| it.1["event"] == event).unwrap();
        assert!(at("code_exchanged") < at("refreshed") && at("refreshed") < at("refresh_repeated"));
        assert!(at("refresh_repeated") < at("refresh_replayed") && at("refresh_replayed") < at("access_token_revoked"));
        drop(app);
        world.stop().await;
    })
    .await;
}

/// 623-Q: a key stays in the set until the last token it signed has expired, and an allowance for clocks; then it is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_retires_after_its_last_token() {
    for engine in engines() {
        let rotating = Configuration::on(engine).await.with("signing = { rotate_every = \"30d\", publish_ahead = \"1d\" }");
        let world = rotating.start().await;
        world.freeze();
        let published = async || {
            let set: Json = world.get("/jwks").await.json().await.unwrap();
            set["keys"].as_array().unwrap().iter().map(|it| it["kid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let kid = |token: &str| symbolon_oauth::jws::Unverified::parse(token).unwrap().kid().unwrap().to_owned();
        let userinfo =
            async |token: &str| world.http.get(world.url("/userinfo")).bearer_auth(token).send().await.unwrap().status().as_u16();
        // What runs every minute beside the requests.
        let minute = async || symbolon::serve::reload(&world.running.shared, &world.file()).await.unwrap();
        let old = published().await;
        world.advance_s(29 * 86_400 + 3600);
        minute().await;
        assert_eq!((old.len(), published().await.len()), (1, 2), "the next one is known before it signs");
        // The first key signs from five minutes before it was made.
        world.advance_s(86_400 - 3600 - 330);
        let tokens = world.tokens("openid").await;
        let token = tokens["access_token"].as_str().unwrap();
        assert_eq!(kid(token), old[0]);
        world.advance_s(60);
        minute().await;
        let fresh = world.refresh(&refresh_token(&tokens)).await.1;
        assert_ne!(kid(fresh["access_token"].as_str().unwrap()), old[0], "the new one signs");
        let lives_s = tokens["expires_in"].as_i64().unwrap();
        world.advance_s(lives_s - 90);
        assert_eq!(userinfo(token).await, 200, "to the end");
        assert!(published().await.contains(&old[0]));
        world.advance_s(90 + 120);
        assert_eq!(userinfo(token).await, 401, "expired");
        assert!(published().await.contains(&old[0]), "others' clocks may be behind");
        world.advance_s(3600 + 300 + 60);
        minute().await;
        assert!(!published().await.contains(&old[0]), "nothing it signed can be good any more");
        assert_eq!(published().await.len(), 1);
        world.stop().await;
    }
}

/// 626-Q: lists may come from a replica that hears of nothing; whatever decides is asked of the primary.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_decided_by_a_replica() {
    for engine in engines() {
        let plan = Plan::new(Vec::new());
        let world = Configuration::on(engine).await.start_on(|it| Store::faulty(it, plan.clone()).unwrap()).await;
        plan.lag();
        let app = world.running.shared.now();
        let (code, verifier) = world.code("openid orders:read").await;
        let tokens = world.exchange(&code, &verifier).await.1;
        let next = world.refresh(&refresh_token(&tokens)).await.1;
        assert_eq!(next["refresh_token"], world.refresh(&refresh_token(&tokens)).await.1["refresh_token"]);
        let active = async |token: &Json| {
            let form = [("token", token["access_token"].as_str().unwrap())];
            world.post("/introspect", &form, Some("orders")).await.1["active"].clone()
        };
        assert_eq!(active(&next).await, true);
        let after = following(&world).await;
        assert_eq!(world.post("/revoke", &[("client_id", "shop-ios"), ("token", &refresh_token(&next))], None).await.0, 200);
        assert_eq!(active(&next).await, false);
        assert_eq!(world.refresh(&refresh_token(&next)).await.0, 400);
        assert_eq!(world.exchange(&code, &verifier).await.0, 400);
        let (_, news) = world.post("/endings", &[("after", &after)], Some("orders")).await;
        assert!(!news["ended"].as_array().unwrap().is_empty(), "APIs hear of it");
        let entries = symbolon::audit::list(&app.store, &Default::default(), 100).await.unwrap();
        assert!(entries.is_empty(), "and the replica knew nothing of all that");
        drop(app);
        world.stop().await;
    }
}

/// 627-Q: a restart forgets no guess, no spent proof, no spent code.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_forgets_nothing_that_protects() {
    for engine in engines() {
        let world = World::start(engine).await;
        let mut app = world.phone();
        let tokens = app.tokens("openid orders:read").await;
        let (token, userinfo) = (tokens.text("refresh_token"), app.tokens("openid").await.text("access_token"));
        let form = [("grant_type", "refresh_token"), ("client_id", "shop-ios"), ("refresh_token", token.as_str())];
        let (proof, at_userinfo) = (app.proof("POST", "/token", None), app.proof("GET", "/userinfo", Some(&userinfo)));
        assert_eq!(app.send("/token", &form, &[&proof]).await.status, 200);
        let read = |world: &World, proof: &str| {
            let request = world.http.get(world.url("/userinfo")).header("authorization", format!("DPoP {userinfo}"));
            request.header("dpop", proof).send()
        };
        assert_eq!(read(&world, &at_userinfo).await.unwrap().status(), 200);
        let (code, verifier) = world.code("openid").await;
        assert_eq!(world.exchange(&code, &verifier).await.0, 200);
        let guess = async |world: &World, password: &str| {
            let mut stranger = Browser::default();
            let page = stranger.open(world, &Ask::native("openid")).await;
            stranger.submit_password(world, &page, "alice", password).await
        };
        for at in 0..10 {
            assert!(guess(&world, &format!("guess {at}")).await.says("The name or the password is not right"), "{at}");
        }
        let (key, nonce) = (app.key.clone(), app.nonce.clone());
        let world = world.restarted(|_| {}).await;
        let app = Phone { nonce, ..world.phone().with_key(key) };
        assert!(guess(&world, PASSWORD).await.says("Too many attempts"), "guesses stay counted");
        assert_eq!(app.send("/token", &form, &[&proof]).await.error(), (400, "use_dpop_nonce"), "a proof stays spent");
        assert_eq!(read(&world, &at_userinfo).await.unwrap().status(), 401, "everywhere");
        assert_eq!(world.exchange(&code, &verifier).await.0, 400, "a code stays spent");
        assert_eq!(app.send("/token", &form, &[&app.proof("POST", "/token", None)]).await.status, 200, "and the nonce is still good");
        assert_eq!(read(&world, &app.proof("GET", "/userinfo", Some(&userinfo))).await.unwrap().status(), 200);
        world.advance_s(16 * 60);
        assert!(guess(&world, PASSWORD).await.location.is_some(), "later the owner is welcome from anywhere");
        world.stop().await;
    }
}

/// 631-Q: the last generation is the last; it is refused in words, and does not begin anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_generation_does_not_wrap() {
    on_every_engine(|world| async move {
        let tokens = world.tokens("openid orders:read").await;
        let app = world.running.shared.now();
        let row = app.store.one("SELECT session, number, salt FROM app_grant", &[]).await.unwrap().unwrap();
        let session: [u8; 16] = row.array("session").unwrap();
        let token = |generation: u32| {
            let number = u32::try_from(row.int("number").unwrap()).unwrap();
            app.handles.make(Kind::Refresh, RowName { id: session, number, generation }, row.bytes("salt").unwrap())
        };
        assert_eq!(token(1), refresh_token(&tokens));
        let mut change = symbolon::store::Change::new(app.now_ms());
        change.run("UPDATE app_grant SET generation = $1", vec![i64::from(u32::MAX - 1).into()]);
        app.store.apply(change).await.unwrap();
        let (status, last) = world.refresh(&token(u32::MAX - 1)).await;
        assert_eq!((status, refresh_token(&last)), (200, token(u32::MAX)), "the twin");
        for _ in 0..2 {
            let (status, answer) = world.refresh(&token(u32::MAX)).await;
            assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_grant")), "{answer}");
        }
        let generation = app.store.one("SELECT generation FROM app_grant", &[]).await.unwrap().unwrap();
        assert_eq!(generation.int("generation").unwrap(), i64::from(u32::MAX), "nothing moved");
        drop(app);
        world.stop().await;
    })
    .await;
}

/// 632-Q: two copies of one machine, at the same instant, with the same keys and the same store, make nothing twice.
#[tokio::test(flavor = "multi_thread")]
async fn copies_of_a_machine_do_not_repeat_each_other() {
    let world = World::start(Engine::Sqlite).await.restarted(crate::restored_store::keep).await;
    let directory = world.directory.join("copy");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::copy(world.directory.join("kept.db"), directory.join("test.db")).unwrap();
    world.freeze();
    let copy = world.another_with("", Arc::clone(&world.skew_ms), directory).await;
    let mut made = BTreeSet::new();
    let mut count = 0;
    for node in [&world, &copy] {
        let app = node.running.shared.now();
        let mut keep = |text: String| {
            count += 1;
            assert!(made.insert(text.clone()), "made twice: {text}");
        };
        for _ in 0..10 {
            let mut browser = Browser::default();
            let ask = Ask::native("openid orders:read");
            let code = code_at(node, &mut browser, &ask).await;
            let (status, tokens) = node.exchange(&code, &ask.verifier).await;
            assert_eq!(status, 200, "{tokens}");
            let form = ask.form();
            keep(code);
            keep(node.post("/par", &form, None).await.1["request_uri"].as_str().unwrap().to_owned());
            keep(refresh_token(&tokens));
            keep(claims(tokens["access_token"].as_str().unwrap())["jti"].as_str().unwrap().to_owned());
            keep(browser.session().to_owned());
            keep(rotate_keys(&app, symbolon_oauth::jwk::Algorithm::ES256, false).await);
        }
        for row in app.store.all("SELECT salt FROM app_grant", &[]).await.unwrap() {
            keep(format!("{:?}", row.bytes("salt").unwrap()));
        }
    }
    assert_eq!(count, 2 * 10 * 7);
    copy.running.stop().await;
    world.stop().await;
}
