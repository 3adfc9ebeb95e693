//! What a client, a person or a browser must not get by another way: after the client or the person is disabled, after a session has
//! ended, by guessing, by hostile forms and headers. Each test has its twin: the same requests without the one defect.

use crate::world::*;
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use symbolon_oauth::base64url;

fn authorize(world: &World, ask: &Ask) -> String {
    world.url(&format!("/authorize?{}", ask.query()))
}

fn refresh_token(tokens: &Json) -> String {
    tokens["refresh_token"].as_str().unwrap().to_owned()
}

/// 052-C, 123-T: a client that is disabled gets nothing any more, at any endpoint, for anything it holds.
#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_client_gets_nothing() {
    on_every_engine(|world| async move {
        let (code, verifier) = world.code("openid orders:read").await;
        let token = refresh_token(&world.tokens("openid orders:read").await);
        let kept = refresh_token(&world.refresh(&token).await.1);
        world.reload(|it| it.set("client.shop-ios.disabled", true)).await;
        assert_eq!(world.exchange(&code, &verifier).await.0, 401);
        assert_eq!(world.refresh(&kept).await.0, 401);
        assert_eq!(world.post("/revoke", &[("client_id", "shop-ios"), ("token", &kept)], None).await.0, 401);
        let page = Browser::default().open(&world, &Ask::native("openid")).await;
        assert_eq!((page.status, page.location), (400, None));
        world.reload(|it| it.without("client.shop-ios.disabled")).await;
        assert_eq!(world.refresh(&kept).await.0, 200, "and it is somebody again");
        world.stop().await;
    })
    .await;
}

/// 139-F: a scope that the client may no longer have is gone from the next token on; what stays, stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_scope_that_was_taken_away_does_not_come_back() {
    on_every_engine(|world| async move {
        let token = refresh_token(&world.tokens("openid orders:read orders:write").await);
        let (_, before) = world.refresh(&token).await;
        assert!(before["scope"].as_str().unwrap().contains("orders:write"), "{before}");
        world.reload(|it| it.set("client.shop-ios.apis.orders", vec!["orders:read"])).await;
        let (status, after) = world.refresh(&refresh_token(&before)).await;
        assert_eq!((status, after["scope"].as_str()), (200, Some("orders:read")));
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", "shop-ios"),
            ("refresh_token", after["refresh_token"].as_str().unwrap()),
            ("scope", "orders:write"),
        ];
        let (status, asked) = world.post("/token", &form, None).await;
        assert_eq!((status, asked["error"].as_str()), (400, Some("invalid_scope")));
        world.stop().await;
    })
    .await;
}

/// 083-A, 088-A: a client that must push cannot come with plain parameters; what it pushed is on no page and in no cookie.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_must_push_cannot_send_plain_parameters() {
    let pushing = Configuration::on(Engine::Sqlite).await.set("client.shop-ios.require_pushed_authorization_requests", true);
    let world = pushing.start().await;
    let ask = Ask::native("openid").with("nonce", "a-secret-nonce");
    let page = Browser::default().open(&world, &ask).await;
    assert_eq!((page.status, page.location), (400, None));
    let form = ask.form();
    let (_, pushed) = world.post("/par", &form, None).await;
    let mut browser = Browser::default();
    let query = format!("/authorize?client_id=shop-ios&request_uri={}", pushed["request_uri"].as_str().unwrap());
    let page = browser.visit(&world, &query).await;
    assert_eq!(page.status, 200);
    assert!(!page.html.contains("a-secret-nonce") && !browser.cookies.values().any(|it| it.contains("a-secret-nonce")));
    world.stop().await;
}

/// 134-F: a confidential client's refresh token is of no use without its authentication.
#[tokio::test(flavor = "multi_thread")]
async fn a_confidential_client_always_authenticates() {
    on_every_engine(|world| async move {
        let ask = Ask::new("shop-web", WEB_BACK, "openid orders:read");
        let code = Browser::default().sign_in(&world, &ask, "alice").await["code"].clone();
        let form = [("grant_type", "authorization_code"), ("code", &code), ("code_verifier", &ask.verifier), ("redirect_uri", WEB_BACK)];
        let (_, tokens) = world.post("/token", &form, Some("shop-web")).await;
        let token = refresh_token(&tokens);
        let bare = [("grant_type", "refresh_token"), ("client_id", "shop-web"), ("refresh_token", token.as_str())];
        let (status, refused) = world.post("/token", &bare, None).await;
        assert_eq!((status, refused["error"].as_str()), (401, Some("invalid_client")));
        let (status, _) = world.post("/token", &bare[..1].iter().chain(&bare[2..]).copied().collect::<Vec<_>>(), Some("shop-web")).await;
        assert_eq!(status, 200);
        world.stop().await;
    })
    .await;
}

/// 023-R, 136-F, 151-F, 152-F, 346-L: what a person ends on the account page, or by signing out, is over for the apps.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_ends_has_ended() {
    on_every_engine(|world| async move {
        let mut phone = Browser::default();
        let ask = Ask::native("openid orders:read");
        let first = phone.sign_in(&world, &ask, "alice").await["code"].clone();
        let first = refresh_token(&world.exchange(&first, &ask.verifier).await.1);
        let mut desk = Browser::default();
        let page = desk.visit(&world, "/account").await;
        let page = desk.submit_password(&world, &page, "alice", PASSWORD).await;
        assert_eq!(page.status, 303, "a password form is never sent on");
        let account = desk.visit(&world, "/account").await;
        let revoke = desk.change(&world, &account, "revoke_app:shop-ios").await;
        assert_eq!(revoke.status, 303);
        assert_eq!(world.refresh(&first).await.0, 400, "136-F");

        let again = phone.sign_in(&world, &ask, "alice").await["code"].clone();
        let second = refresh_token(&world.exchange(&again, &ask.verifier).await.1);
        let second = refresh_token(&world.refresh(&second).await.1);
        let account = desk.visit(&world, "/account").await;
        desk.change(&world, &account, "sign_out_others").await;
        assert_eq!(world.refresh(&second).await.0, 400, "152-F, 346-L");
        let silent = phone.open(&world, &ask.clone().with("prompt", "none")).await;
        assert_eq!(silent.parameters()["error"], "login_required");

        let own = desk.sign_in(&world, &ask, "alice").await["code"].clone();
        let third = refresh_token(&world.exchange(&own, &ask.verifier).await.1);
        let page = desk.visit(&world, "/logout").await;
        desk.submit(&world, &page, &[], "logout").await;
        assert_eq!(world.refresh(&third).await.0, 400, "151-F");
        world.stop().await;
    })
    .await;
}

/// 337-L, 350-L: nobody is signed in silently for somebody else, nor after the session's limits.
#[tokio::test(flavor = "multi_thread")]
async fn prompt_none_answers_for_the_same_person_within_the_limits_of_the_session() {
    on_every_engine(|world| async move {
        world.person("bob").await;
        let mut browser = Browser::default();
        let ask = Ask::native("openid");
        let code = browser.sign_in(&world, &ask, "alice").await["code"].clone();
        let alices = world.exchange(&code, &ask.verifier).await.1["id_token"].as_str().unwrap().to_owned();
        let mut bobs = Browser::default();
        let bob = bobs.sign_in(&world, &ask, "bob").await["code"].clone();
        let bob = world.exchange(&bob, &ask.verifier).await.1["id_token"].as_str().unwrap().to_owned();
        let silent = |hint: &str| authorize(&world, &ask.clone().with("prompt", "none").with("id_token_hint", hint));
        assert!(browser.get(&world, &silent(&alices)).await.has_code());
        assert_eq!(browser.get(&world, &silent(&bob)).await.parameters()["error"], "login_required");
        let none = authorize(&world, &ask.clone().with("prompt", "none"));
        world.advance_s(2 * 3600 - 60);
        assert!(browser.get(&world, &none).await.has_code(), "within the idle limit");
        world.advance_s(2 * 3600 + 60);
        assert_eq!(browser.get(&world, &none).await.parameters()["error"], "login_required", "idle");
        let mut lasting = Browser::default();
        lasting.sign_in(&world, &ask, "alice").await;
        for hour in 1..12 {
            world.advance_s(3600);
            assert!(lasting.get(&world, &none).await.has_code(), "hour {hour}");
        }
        world.advance_s(3600 + 60);
        assert_eq!(lasting.get(&world, &none).await.parameters()["error"], "login_required", "absolute");
        world.stop().await;
    })
    .await;
}

/// 465-E, 466-E: one counter for one person, however the name is spelt and however many try at once; a known browser is not
/// locked out by it.
#[tokio::test(flavor = "multi_thread")]
async fn ten_guesses_are_ten() {
    on_every_engine(|world| async move {
        let mut known = Browser::default();
        known.sign_in(&world, &Ask::native("openid"), "alice").await;
        let names = ["alice", "ALICE", " alice ", "alice@example.com", "Alice@Example.COM"];
        let mut tries = Vec::new();
        for at in 0..40 {
            let mut browser = Browser::default();
            let page = browser.open(&world, &Ask::native("openid")).await;
            let (node, name) = (world.node.clone(), names[at % names.len()]);
            tries.push(tokio::spawn(async move { browser.submit_password(&node, &page, name, &format!("guess number {at}")).await }));
        }
        let mut wrong = 0;
        for one in tries {
            wrong += usize::from(one.await.unwrap().says("The name or the password is not right"));
        }
        // Ten for each of the two names that they spell, and as many for the person: the limit of a name tells nothing of the other.
        assert!(wrong <= 20, "{wrong} guesses were judged");
        let fill = [("username", "alice"), ("password", PASSWORD)];
        let mut stranger = Browser::default();
        let page = stranger.open(&world, &Ask::native("openid")).await;
        let page = stranger.submit(&world, &page, &fill, "continue").await;
        assert!(page.says("Too many attempts"), "{}", page.html);
        let page = known.open(&world, &Ask::native("openid").with("prompt", "login")).await;
        let page = known.submit(&world, &page, &fill, "continue").await;
        assert!(page.has_code(), "the owner's browser is served");
        world.stop().await;
    })
    .await;
}

/// 289-H, 423-U, 428-U, 566-V, 572-V, 581-K, 600-K: what a form or a header may not do.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_forms_and_headers() {
    on_every_engine(|world| async move {
        let mut browser = Browser::default();
        let page = browser.open(&world, &Ask::native("openid")).await;
        let extra =
            [("username", "alice"), ("password", "wrong"), ("verified", "true"), ("acr", "high"), ("account", "x"), ("proofs", "[]")];
        let refused = browser.submit(&world, &page, &extra, "continue").await;
        assert_eq!((refused.status, &refused.location), (200, &None));
        let secret = "/login?username=alice&password=".to_owned() + "x";
        assert_eq!(world.get(&secret).await.status(), 405, "a password never comes in a URL");
        let long = "p".repeat(60_000);
        let long = browser.submit_password(&world, &refused, "alice", &long).await;
        assert_eq!((long.status, &long.location), (200, &None));
        let forged = browser.submit_password(&world, &long, "a\r\nlevel=error\u{1b}[2J", "x").await;
        assert_eq!(forged.status, 200);
        let state = "s\r\nSet-Cookie: evil=1";
        let split = Browser::default().sign_in(&world, &Ask::native("openid").with("state", state), "alice").await;
        assert_eq!(split["state"], state, "encoded, not split");
        let cookies = (0..100).map(|it| format!("c{it}=x")).collect::<Vec<_>>().join("; ");
        assert_eq!(world.http.get(world.url("/health")).header("cookie", cookies).send().await.unwrap().status(), 200);
        let huge = world.http.get(world.url("/health")).header("x-huge", "h".repeat(64 * 1024)).send().await;
        assert!(huge.is_err() || huge.is_ok_and(|it| it.status() == 431 || it.status() == 400));
        let done = browser.submit_password(&world, &forged, "alice", PASSWORD).await;
        assert!(done.has_code(), "the twin");
        world.stop().await;
    })
    .await;
}

/// 413-U, 422-U: names and addresses share one space; an id is never used again.
#[tokio::test(flavor = "multi_thread")]
async fn one_name_is_one_person() {
    on_every_engine(|world| async move {
        let app = world.running.shared.now();
        let new = |name: &str, email: Option<&str>| symbolon::login::accounts::NewAccount {
            login_names: vec![name.to_owned()],
            email: email.map(str::to_owned),
            email_verified: true,
            name: None,
            locale: None,
            claims: serde_json::Map::new(),
            password: Some(PASSWORD.to_owned()),
        };
        let create = async |new| symbolon::login::accounts::create(&app.store, app.machine.hashers(), new, app.now_ms()).await;
        assert!(create(new("alice@example.com", None)).await.is_err());
        assert!(create(new("ALICE", None)).await.is_err());
        assert!(create(new("mallory", Some("Alice@example.com"))).await.is_err());
        let one = create(new("mallory", Some("m@example.com"))).await.unwrap();
        let two = create(new("oscar", None)).await.unwrap();
        assert!(one != two && base64url::decode(&one).is_some_and(|it| it.len() == 16));
        drop(app);
        world.stop().await;
    })
    .await;
}

/// 061-C, 081-A: codes and request_uris are long, all different, and a neighbour of one is none.
#[tokio::test(flavor = "multi_thread")]
async fn handles_are_not_guessed() {
    let world = World::start(Engine::Sqlite).await;
    let ask = Ask::native("openid");
    let form = ask.form();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let uri = world.post("/par", &form, None).await.1["request_uri"].as_str().unwrap().to_owned();
        assert!(uri.len() > 80 && seen.insert(uri));
    }
    let last = seen.iter().next_back().unwrap();
    let mut near = last.clone();
    let end = near.pop().unwrap();
    near.push(if end == 'A' { 'Q' } else { 'A' });
    let page = Browser::default().visit(&world, &format!("/authorize?client_id=shop-ios&request_uri={near}")).await;
    assert_eq!(page.status, 400);
    let page = Browser::default().visit(&world, &format!("/authorize?client_id=shop-ios&request_uri={last}")).await;
    assert_eq!(page.status, 200);
    world.stop().await;
}

/// 618-Q, 619-Q: a clock that steps back or forward does not bring back what is over, nor lose what is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_revives_nothing() {
    on_every_engine(|world| async move {
        let (code, verifier) = world.code("openid orders:read").await;
        let tokens = world.exchange(&code, &verifier).await.1;
        let first = refresh_token(&tokens);
        let second = refresh_token(&world.refresh(&first).await.1);
        world.advance_s(-3600);
        assert_eq!(world.exchange(&code, &verifier).await.0, 400, "used is used");
        world.advance_s(3600);
        let anew = world.tokens("openid orders:read").await;
        let token = refresh_token(&anew);
        world.advance_s(86_400);
        world.advance_s(-86_400);
        let (status, _) = world.refresh(&token).await;
        assert_eq!(status, 200);
        assert_eq!(world.refresh(&second).await.0, 400, "its grant ended with the second use of the code");
        world.stop().await;
    })
    .await;
}

/// 125-T and its twin: sixty right secrets at once are sixty answers, right after the start; wrong ones meet their limit, and
/// the right one goes on elsewhere and here.
#[tokio::test(flavor = "multi_thread")]
async fn right_secrets_are_never_counted_as_guesses() {
    let world = World::start(Engine::Sqlite).await;
    let ask = |secret: &'static str| {
        let form = [("grant_type", "client_credentials"), ("scope", "orders:read")];
        let request = world.http.post(world.url("/token")).form(&form).basic_auth("robot", Some(secret));
        tokio::spawn(async move { request.send().await.unwrap().status().as_u16() })
    };
    let right: Vec<_> = (0..60).map(|_| ask(SECRET)).collect();
    for one in right {
        assert_eq!(one.await.unwrap(), 200);
    }
    let (start, mut seen) = (std::time::Instant::now(), [0, 0]);
    while seen[1] < 5 {
        match ask("not-the-secret-of-the-robot-0123456789ab").await.unwrap() {
            401 => seen[0] += 1,
            429 => seen[1] += 1,
            other => panic!("{other}"),
        }
    }
    assert!(seen[0] <= 21 + start.elapsed().as_secs() / 3, "twenty, and twenty a minute: {seen:?}");
    assert_eq!(ask(SECRET).await.unwrap(), 200, "a proved secret needs no hashing");
    world.stop().await;
}

/// 493-O: no address of an active scheme, and none with markup, is registered to go to after a logout; what a request brings to the
/// logout page stands there as text, and no script runs on it.
#[tokio::test(flavor = "multi_thread")]
async fn a_logout_leads_to_an_address_and_runs_nothing() {
    let read = |uri: &str| Configuration::to_read().set("client.shop-ios.post_logout_redirect_uris", vec![uri]).read();
    for bad in [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "//evil.test/",
        "http://shop.example.com/",
        "https://shop.example.com/\"><script>alert(1)</script>",
        "https://shop.example.com/#x",
    ] {
        let said = read(bad).err().unwrap_or_default();
        assert!(said.contains("post_logout_redirect_uris"), "{bad}: {said}");
    }
    assert_eq!(read("https://shop.example.com/bye"), Ok(()));
    assert_eq!(read("com.example.shop:/bye"), Ok(()));

    let world = World::start(Engine::Sqlite).await;
    let mut browser = Browser::default();
    browser.sign_in(&world, &Ask::native("openid"), "alice").await;
    let url = |uri: &str, state: &str| {
        let mut url = url::Url::parse(&world.url("/logout")).unwrap();
        url.query_pairs_mut().extend_pairs([("client_id", "shop-ios"), ("post_logout_redirect_uri", uri), ("state", state)]);
        url.to_string()
    };
    let bad = browser.get(&world, &url("javascript:alert(1)", "s")).await;
    assert_eq!((bad.status, &bad.location, bad.says("invalid_request")), (400, &None, true));
    let state = "\"><script>alert(1)</script>";
    let csp = world.get("/logout").await.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(csp.contains("script-src 'none'") && !csp.contains("unsafe"), "{csp}");
    let page = browser.get(&world, &url(NATIVE_BACK, state)).await;
    assert!(page.status == 200 && !page.html.contains("<script"), "{}", page.html);
    let page = browser.get(&world, &url(NATIVE_BACK, "plain")).await;
    let done = browser.submit(&world, &page, &[], "logout").await;
    // Our own page leads on: the redirect after a form never leaves this origin.
    let onward = done.location.unwrap();
    assert!(done.status == 303 && onward.starts_with(&world.url("/logout?")), "{onward}");
    let page = browser.get(&world, &onward).await;
    assert_eq!((page.status, page.location.as_deref()), (303, Some(&*format!("{NATIVE_BACK}?state=plain"))));
    world.stop().await;
}

/// 469-E: a person who is disabled is nobody on every way there is: password, code by mail, forgotten password, open session,
/// code, refresh, userinfo, introspection. Enabled again, the password is good, and what was open stays ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_person_gets_nothing_by_any_way() {
    crate::world::mail::on_every_engine(|post| async move {
        let world = &post.world;
        let mut browser = Browser::default();
        let ask = Ask::native("openid profile");
        let tokens = async |browser: &mut Browser| {
            let code = browser.sign_in(world, &ask, "alice").await["code"].clone();
            world.exchange(&code, &ask.verifier).await.1
        };
        let own = tokens(&mut browser).await;
        let opaque = world.tokens("ledger:read").await["access_token"].as_str().unwrap().to_owned();
        let (code, verifier) = world.code("openid").await;
        let profile = async |token: &Json| {
            let request = world.http.get(world.url("/userinfo")).bearer_auth(token["access_token"].as_str().unwrap());
            request.send().await.unwrap().status().as_u16()
        };
        let active = async || world.post("/introspect", &[("token", opaque.as_str())], Some("ledger")).await.1["active"].clone();
        assert_eq!((profile(&own).await, active().await), (200, Json::Bool(true)));
        let (page, mailed) = post.asked(&mut Browser::default(), "/reset", &[("username", "alice")], "alice@example.com").await;
        drop(page);
        let mut by_mail = Browser::default();
        let ways = by_mail.open(world, &ask).await;
        let ways = by_mail.submit(world, &ways, &[], "use_email").await;
        let seen = post.seen();
        let sent = by_mail.submit(world, &ways, &[("username", "alice")], "continue").await;
        let good = post.code("alice@example.com", seen).await;
        assert_ne!(mailed, good);

        let (status, said, _) = crate::commands::symbolon(&world.file(), &["user", "disable", "alice"], "").await;
        assert_eq!((status, said.trim()), (Some(0), "alice is disabled"));
        assert_eq!((profile(&own).await, active().await), (401, Json::Bool(false)));
        assert_eq!(world.exchange(&code, &verifier).await.1["error"], "invalid_grant");
        assert_eq!(world.refresh(&refresh_token(&own)).await.1["error"], "invalid_grant");
        let silent = browser.open(world, &ask.clone().with("prompt", "none")).await;
        assert_eq!(silent.parameters()["error"], "login_required");
        let mut known = browser.clone();
        let page = known.open(world, &ask).await;
        let page = known.submit_password(world, &page, "alice", PASSWORD).await;
        assert!(page.location.is_none() && page.says("The name or the password is not right"), "{}", page.html);
        let page = by_mail.submit(world, &sent, &[("email_code", &good)], "continue").await;
        assert!(page.location.is_none() && page.says("no longer good"), "{}", page.html);
        let seen = post.seen();
        let mut forgetful = Browser::default();
        let page = forgetful.visit(world, "/reset").await;
        let page = forgetful.submit(world, &page, &[("username", "alice")], "continue").await;
        assert_eq!(page.kind(), "email_code", "{}", page.html);
        assert!(post.mailbox.letters().len() == seen, "nobody is written to");

        crate::commands::symbolon(&world.file(), &["user", "enable", "alice"], "").await;
        assert_eq!(world.refresh(&refresh_token(&own)).await.0, 400);
        assert_eq!(profile(&tokens(&mut Browser::default()).await).await, 200);
        post.world.stop().await;
    })
    .await;
}

/// 007-R, 493-O: addresses of published attacks, none of which the client has registered. Not to the client, not after a logout, and not
/// as the place where an app's account goes on.
#[tokio::test(flavor = "multi_thread")]
async fn published_open_redirects_lead_nowhere() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    let directory = std::env::var_os("SYMBOLON_VECTORS").map_or(beside, PathBuf::from);
    let Ok(file) = std::fs::read_to_string(directory.join("attacks/open-redirect-payloads.json")) else {
        println!("skipped: open-redirect-payloads.json is not here; SYMBOLON_VECTORS names the directory");
        return;
    };
    let document: Json = serde_json::from_str(&file).unwrap();
    let world = World::start(Engine::Sqlite).await;
    let mut browser = Browser::default();
    browser.sign_in(&world, &Ask::native("openid"), "alice").await;
    let url = |path: &str, pairs: &[(&str, &str)]| {
        let mut url = url::Url::parse(&world.url(path)).unwrap();
        url.query_pairs_mut().extend_pairs(pairs);
        url.to_string()
    };
    let logout = |uri: &str| url("/logout", &[("client_id", "shop-ios"), ("post_logout_redirect_uri", uri)]);
    for payload in document["payloads"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()) {
        let page = browser.open(&world, &Ask::native("openid").with("redirect_uri", payload)).await;
        assert_eq!((page.status, page.location.as_deref(), page.kind()), (400, None, "error"), "{payload}");
        let page = browser.get(&world, &logout(payload)).await;
        assert_eq!((page.status, page.location.as_deref()), (400, None), "{payload}");
        // No page of ours takes an address to go to.
        let page = browser.get(&world, &url("/account", &[("target_link_uri", payload), ("next", payload)])).await;
        assert_eq!((page.status, page.location.as_deref(), page.kind()), (200, None, "account"), "{payload}");
    }
    assert!(browser.open(&world, &Ask::native("openid")).await.has_code(), "the twin");
    assert_eq!(browser.get(&world, &logout(NATIVE_BACK)).await.status, 200, "the twin");
    world.stop().await;
}
