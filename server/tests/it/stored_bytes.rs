//! What strangers can have stored: bounded by size, counted in bytes for each network and client, and swept within minutes.

use crate::world::*;
use serde_json::Value as Json;
use symbolon::store::retention;
use symbolon::stored_bytes::Writer;

/// A request that comes to about so many bytes when it is kept.
fn long(name: &str, bytes: usize) -> Ask {
    let ask = Ask::native("openid orders:read");
    match name {
        "acr_values" => ask.with(name, &"x".repeat(bytes)),
        "claims" => ask.with(name, &serde_json::json!({ "id_token": { "sub": { "value": "x".repeat(bytes) } } }).to_string()),
        other => panic!("{other}"),
    }
}

async fn push(world: &World, ask: &Ask, address: &str, basic: Option<&str>) -> (u16, String, bool) {
    let mut request = world.http.post(world.url("/par")).form(&ask.form()).header("x-forwarded-for", address.to_owned());
    if let Some(client) = basic {
        request = request.basic_auth(client, Some(SECRET));
    }
    let answer = request.send().await.unwrap();
    let (status, waits) = (answer.status().as_u16(), answer.headers().contains_key("retry-after"));
    let body: Json = answer.json().await.unwrap();
    (status, body["error"].as_str().unwrap_or_default().to_owned(), waits)
}

/// 589-K: two thousand long requests of one network do not fit. Other networks go on, and so does a client that proves itself.
#[tokio::test(flavor = "multi_thread")]
async fn one_network_has_a_budget_of_bytes_for_pushed_requests() {
    for engine in engines() {
        let world = Configuration::on(engine).await.behind_a_proxy().start().await;
        let ask = long("acr_values", 30_000);
        let (mut taken, mut last) = (0, (201, String::new(), false));
        while last.0 == 201 && taken < 2000 {
            last = push(&world, &ask, "203.0.113.7", None).await;
            taken += usize::from(last.0 == 201);
        }
        assert_eq!(last, (429, "temporarily_unavailable".to_owned(), true));
        let app = world.running.shared.now();
        let bytes = "SELECT CAST(coalesce(sum(length(body)), 0) AS BIGINT) AS bytes FROM pushed_request";
        let stored = app.store.one(bytes, &[]).await.unwrap().unwrap().int("bytes").unwrap();
        assert!((200..300).contains(&taken) && stored < 10_000_000, "{taken} {stored}");
        assert_eq!(push(&world, &ask, "203.0.113.8", None).await.0, 201, "another network");
        let web = Ask::new("shop-web", WEB_BACK, "openid");
        assert_eq!(push(&world, &web, "203.0.113.7", Some("shop-web")).await.0, 201, "a client that proves itself");
        assert_eq!(push(&world, &web, "203.0.113.7", None).await.0, 401, "and one that does not is nobody");
        // Swept five minutes after the last instant at which it counts, and not before.
        let rows =
            async || app.store.one("SELECT count(*) AS count FROM pushed_request", &[]).await.unwrap().unwrap().int("count").unwrap();
        let now_ms = app.now_ms();
        retention::sweep(&app.store, now_ms + 4 * 60_000).await.unwrap();
        assert!(rows().await > 200);
        retention::sweep(&app.store, now_ms + 8 * 60_000).await.unwrap();
        assert_eq!(rows().await, 0);
        drop(app);
        world.stop().await;
    }
}

/// 589-K: the audit is kept for weeks. What a stranger begins has no entry there; what a client that proved itself begins has one.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_stranger_begins_has_no_entry() {
    for engine in engines() {
        let world = World::start(engine).await;
        assert_eq!(push(&world, &Ask::native("openid"), "203.0.113.7", None).await.0, 201);
        assert_eq!(world.audited("request_pushed").await, 0);
        let web = Ask::new("shop-web", WEB_BACK, "openid");
        assert_eq!(push(&world, &web, "203.0.113.7", Some("shop-web")).await.0, 201);
        assert_eq!(world.audited("request_pushed").await, 1, "the twin");
        world.stop().await;
    }
}

/// The first answer makes a row of a sign-in: it is charged to the network too. Later answers replace it.
#[tokio::test(flavor = "multi_thread")]
async fn one_network_has_a_budget_of_bytes_for_sign_ins() {
    let world = Configuration::on(Engine::Sqlite).await.behind_a_proxy().start().await;
    let mut browser = Browser::at("2001:db8:0:7::1");
    let page = browser.open(&world, &Ask::native("openid")).await;
    let app = world.running.shared.now();
    let network = Writer::Network("2001:db8:0:7::ffff".parse().unwrap());
    while app.stored.charge(network, 1024 * 1024).is_ok() {}
    while app.stored.charge(network, 1).is_ok() {}
    let refused = browser.submit_password(&world, &page, "alice", PASSWORD).await;
    assert_eq!((refused.status, refused.location.as_deref(), refused.header("retry-after")), (429, None, Some("60")));
    assert!(refused.says("too much under way"), "{}", refused.html);
    let rows = app.store.one("SELECT count(*) AS count FROM sign_in", &[]).await.unwrap().unwrap().int("count").unwrap();
    assert_eq!(rows, 0);
    browser.address = Some("2001:db8:0:8::1".to_owned());
    let done = browser.submit_password(&world, &page, "alice", PASSWORD).await;
    assert!(done.has_code(), "the twin: {}", done.html);
    // The row is needed as long as its page may be asked for, and goes then.
    let rows = async || app.store.one("SELECT count(*) AS count FROM sign_in", &[]).await.unwrap().unwrap().int("count").unwrap();
    let now_ms = app.now_ms();
    retention::sweep(&app.store, now_ms + 33 * 60_000).await.unwrap();
    assert_eq!(rows().await, 1);
    retention::sweep(&app.store, now_ms + 37 * 60_000).await.unwrap();
    assert_eq!(rows().await, 0);
    drop(app);
    world.stop().await;
}

/// A request that is longer than the form of its page would be taken once and never answered. It is refused where it comes in, whichever
/// parameter is long, and what is taken can be answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_no_form_holds_is_refused_at_once() {
    let world = Configuration::on(Engine::Sqlite).await.behind_a_proxy().start().await;
    let ask = long("acr_values", 33_000);
    assert_eq!(push(&world, &ask, "203.0.113.7", None).await, (400, "invalid_request".to_owned(), false));
    // A header of a request has less room than a form: the plain way is a form too.
    let refused = Browser::default().send(world.http.post(world.url("/authorize")).form(&ask.form())).await;
    assert_eq!((refused.status, refused.error().as_deref()), (303, Some("invalid_request")), "{}", refused.html);
    assert_eq!(push(&world, &long("claims", 8192), "203.0.113.7", None).await.1, "invalid_request", "it has a limit of its own");
    for ask in [long("acr_values", 30_000), long("claims", 8000)] {
        assert_eq!(push(&world, &ask, "203.0.113.7", None).await.0, 201, "the twin");
        let mut browser = Browser::default();
        let page = browser.send(world.http.post(world.url("/authorize")).form(&ask.form())).await;
        assert_eq!(page.status, 200);
        // The claims insist on somebody else: then the page says so, and it was read all the same.
        let done = browser.submit_password(&world, &page, "alice", PASSWORD).await;
        assert!(done.has_code() || (ask.parameters.contains_key("claims") && done.status != 413), "{} {}", done.status, done.html);
    }
    world.stop().await;
}

/// 589-K: what a button of the account page names is as long as a name is, and not as long as a request.
#[tokio::test(flavor = "multi_thread")]
async fn the_account_page_writes_down_no_long_names() {
    let world = Configuration::on(Engine::Sqlite).await.start().await;
    let mut browser = Browser::default();
    let page = browser.visit(&world, "/account").await;
    browser.submit_password(&world, &page, "alice", PASSWORD).await;
    let page = browser.visit(&world, "/account").await;
    for action in ["revoke_app", "forget_device", "end_session", "rename_passkey", "unlink", "link"] {
        let refused = browser.submit_raw(&world, &page, &[], &format!("{action}:{}", "x".repeat(60_000))).await;
        assert_eq!(refused.status, 400, "{action}: {}", refused.html);
    }
    for action in ["revoke_app", "forget_device", "end_session"] {
        let twin = browser.submit_raw(&world, &page, &[], &format!("{action}:x")).await;
        assert_eq!(twin.status, 303, "{action}: {}", twin.html);
    }
    world.stop().await;
}

/// What a device asks is charged to its network as a pushed request is, and to a client that authenticates.
#[tokio::test(flavor = "multi_thread")]
async fn devices_have_the_same_budget_of_bytes() {
    let world = Configuration::on(Engine::Sqlite).await.with(&crate::devices::televisions()).start().await;
    let app = world.running.shared.now();
    let network = Writer::Network("203.0.113.7".parse().unwrap());
    while app.stored.charge(network, 1024 * 1024).is_ok() {}
    while app.stored.charge(network, 1).is_ok() {}
    let start = async |address: &str, client: Option<&str>| {
        let mut request = world.http.post(world.url("/device_authorization")).header("x-forwarded-for", address);
        request = match client {
            Some(id) => request.basic_auth(id, Some(SECRET)).form(&[("scope", "orders:read")]),
            None => request.form(&[("scope", "orders:read"), ("client_id", "tv")]),
        };
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(start("203.0.113.7", None).await, 429);
    assert_eq!(start("203.0.113.8", None).await, 200, "another network");
    assert_eq!(start("203.0.113.7", Some("box")).await, 200, "a client that proves itself");
    drop(app);
    world.stop().await;
}
