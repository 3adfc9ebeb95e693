//! What a provider that fails, or does less than others, costs: few calls, one plain sentence, and no sign-in that another way could have
//! finished.

use crate::killed_processes::Server;
use crate::upstream::{CREATE, sign_in, world};
use crate::world::documents::Documents;
use crate::world::provider::{CLIENT_ID, CLIENT_SECRET, Provider, Says};
use crate::world::{Ask, Browser, Configuration, Engine, World, engines};
use serde_json::{Value as Json, json};
use symbolon::limits::Limits;

async fn send(world: &World, name: &str, token: &str) -> (u16, Json) {
    let form = [("logout_token", token)];
    let answer = world.http.post(world.url(&format!("/upstream/{name}/backchannel-logout"))).form(&form).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

fn count(provider: &Provider, path: &str) -> usize {
    provider.asked().iter().filter(|it| *it == path).count()
}

fn failing(path: &'static str) -> Says {
    // 404 is an answer, so that nothing but the pause holds the calls up.
    let raw = [(path, "HTTP/1.1 404 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned())].into();
    Says { sub: "one".to_owned(), foreign_key: true, raw, ..Says::default() }
}

const DISCOVERY: &str = "/.well-known/openid-configuration";

/// 550-S: tokens that anybody may post make no calls to the provider, whatever became of the call before.
#[tokio::test]
async fn a_fetch_that_failed_is_not_made_again_at_once() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, CREATE).await;
    provider.says(failing(DISCOVERY));
    let forged = provider.logout_token(&json!({}));
    for _ in 0..30 {
        let (status, body) = send(&world, "any", &forged).await;
        assert_eq!((status, &body["error"]), (503, &json!("temporarily_unavailable")));
    }
    assert!((1..10).contains(&count(&provider, DISCOVERY)), "one in a second");
    // A second later everything is as it should be.
    world.advance_s(2);
    provider.is("one");
    let good = provider.logout_token(&json!({}));
    assert_eq!(send(&world, "any", &good).await.0, 200, "the twin");
    // Keys that cannot be had, for a key that nobody knows.
    provider.says(failing("/jwks"));
    world.advance_s(11);
    provider.asked();
    for _ in 0..10 {
        assert_eq!(send(&world, "any", &forged).await.0, 503, "the provider is to try again");
    }
    assert_eq!(count(&provider, "/jwks"), 1);
    assert_eq!(send(&world, "any", &good).await.0, 200, "a token of a known key needs no fetch");
    world.advance_s(11);
    provider.says(Says { foreign_key: true, ..Says::default() });
    assert_eq!(send(&world, "any", &forged).await.0, 400, "the keys are there, and none of them signed it");
    world.stop().await;
}

/// 550-S: whoever floods the address with tokens that no key signed makes this server fetch no more keys. Genuine tokens are not counted, so
/// that a provider may sign out as many people as it likes. Another network fetches still.
#[tokio::test]
async fn tokens_that_no_key_signed_are_counted() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, CREATE).await;
    provider.is("one");
    assert_eq!(send(&world, "any", &provider.logout_token(&json!({}))).await.0, 200);
    let spend = |network: &str| {
        let limits = world.running.shared.now().limits.clone();
        while limits.newer_keys.check_key(&Limits::bucket(&["newer keys", "any", network])).is_ok() {}
    };
    let forged = || {
        provider.says(Says { sub: "one".to_owned(), foreign_key: true, ..Says::default() });
        let token = provider.logout_token(&json!({}));
        provider.is("one");
        token
    };
    for (network, status, fetches) in [("192.0.2.1", 400, 1), ("127.0.0.1", 503, 0)] {
        spend(network);
        world.advance_s(11);
        provider.asked();
        assert_eq!(send(&world, "any", &forged()).await.0, status, "{network}");
        assert_eq!(count(&provider, "/jwks"), fetches, "{network}");
        assert_eq!(send(&world, "any", &provider.logout_token(&json!({}))).await.0, 200, "the twin: {network}");
    }
    world.stop().await;
}

/// S-18: a provider that drops the nonce signs people in where the operator says so. A nonce that is there is compared all the same.
#[tokio::test]
async fn a_nonce_that_is_not_returned_is_let_pass_where_it_says_so() {
    for (more, nonce, is_good) in [
        ("nonce = \"not-returned\"\n", json!(null), true),
        ("nonce = \"not-returned\"\n", json!("of another sign-in"), false),
        ("nonce = \"not-returned\"\n", json!(""), false),
        ("", json!(null), false),
    ] {
        let provider = Provider::start().await;
        let world = world(Engine::Sqlite, &provider, &format!("{CREATE}{more}")).await;
        provider.says(Says { sub: "one".to_owned(), id_token: json!({ "nonce": nonce }), ..Says::default() });
        let page = sign_in(&world, &provider, &mut Browser::default()).await;
        assert_eq!(page.has_code(), is_good, "{more:?} {nonce}: {}", page.html);
        assert_eq!(page.html.contains("did not work"), !is_good, "{more:?} {nonce}");
        provider.is("one");
        assert!(sign_in(&world, &provider, &mut Browser::default()).await.has_code(), "the twin of {more:?} {nonce}");
        world.stop().await;
    }
}

/// A world with no other way than the provider.
async fn pinned(engine: Engine, issuer: &str) -> World {
    let secret = format!("secret = {{ command = [\"printf\", \"%s\", \"{CLIENT_SECRET}\"] }}\n");
    let table = format!("[upstream.any]\nlabel = \"Anysocial\"\nissuer = \"{issuer}\"\nclient_id = \"{CLIENT_ID}\"\n{CREATE}{secret}");
    Configuration::on(engine).await.with("[login.default]\nrequire = [\"upstream:any\"]").with(&table).start().await
}

/// S-07: where the provider is the one way, who cancels there may try again, or give up: then the app hears it, with its own state.
#[tokio::test]
async fn whoever_cancels_at_the_one_provider_can_go_on_or_give_up() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = pinned(engine, provider.issuer()).await;
        let cancelled = json!({ "code": null, "error": "access_denied" });
        provider.says(Says { sub: "one".to_owned(), answer: cancelled, ..Says::default() });
        let (mut browser, ask) = (Browser::default(), Ask::native("openid orders:read"));
        let page = browser.open(&world, &ask).await;
        let away = browser.submit(&world, &page, &[], "go").await.location.expect("the browser leaves");
        let page = browser.get(&world, &provider.sign_in(&away)).await;
        assert_eq!((page.status, page.name().as_deref()), (200, Some("upstream")), "{}", page.html);
        assert!(page.problem().contains("came back without signing in"), "{}", page.html);
        // Gives up.
        let back = browser.clone().submit(&world, &page, &[], "cancel").await;
        assert_eq!((back.error().as_deref(), back.parameters()["state"].as_str()), (Some("access_denied"), "s-1"), "{back:?}");
        // Tries again: the request is alive.
        let (mut browser, ask) = (Browser::default(), Ask::native("openid orders:read"));
        let page = browser.open(&world, &ask).await;
        let away = browser.submit(&world, &page, &[], "go").await.location.unwrap();
        let page = browser.get(&world, &provider.sign_in(&away)).await;
        provider.is("one");
        let away = browser.submit(&world, &page, &[], "go").await.location.expect("the browser leaves once more");
        assert!(browser.get(&world, &provider.sign_in(&away)).await.has_code());
        world.stop().await;
    }
}

/// 455-B: a provider whose certificate is for another name is as good as away.
#[tokio::test]
async fn a_certificate_for_another_name_is_no_providers() {
    const HOST: &str = "op.example.com";
    for (names, is_good) in [(&["evil.example.com"][..], false), (&["*.example.org", "example.com"], false), (&[HOST], true)] {
        let world = pinned(Engine::Sqlite, &format!("https://{HOST}")).await;
        let documents = Documents::start(&world, names).await;
        let at = |path: &str| format!("https://{HOST}{path}");
        let document = json!({
            "issuer": format!("https://{HOST}"), "authorization_endpoint": at("/authorize"), "token_endpoint": at("/token"),
            "jwks_uri": at("/jwks"), "id_token_signing_alg_values_supported": ["ES256"]
        });
        documents.json(&at(DISCOVERY), &document);
        documents.json(&at("/jwks"), &json!({ "keys": [] }));
        let mut browser = Browser::default();
        let page = browser.open(&world, &Ask::native("openid")).await;
        let page = browser.submit(&world, &page, &[], "go").await;
        let leaves = page.location.as_ref().is_some_and(|url| url.starts_with(&at("/authorize?")));
        assert_eq!(leaves, is_good, "{names:?}: {}", page.html);
        assert_eq!(page.html.contains("does not answer"), !is_good, "{names:?}");
        assert_eq!(documents.asked(), if is_good { 2 } else { 0 }, "nothing was said to a stranger: {names:?}");
        world.stop().await;
    }
}

/// What an operator sees of a provider: its calls by outcome, and what came of asking again.
#[tokio::test(flavor = "multi_thread")]
async fn calls_to_a_provider_are_counted() {
    let port = symbolon_phone::net::free_port();
    let provider = Provider::start().await;
    let world = counted(&provider, port).await;
    let metrics = async || world.http.get(format!("http://127.0.0.1:{port}/metrics")).send().await.unwrap().text().await.unwrap();
    let value = |text: &str, call: &str, outcome: &str| {
        let of = |line: &&str| {
            line.starts_with("symbolon_upstream_calls_total{")
                && [("provider", "counted"), ("call", call), ("outcome", outcome)]
                    .iter()
                    .all(|(name, it)| line.contains(&format!("{name}=\"{it}\"")))
        };
        text.lines().find(of).and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).unwrap_or_default()
    };
    provider.is("one");
    let way = async || {
        let mut browser = Browser::default();
        let page = browser.open(&world, &Ask::native("openid orders:read")).await;
        let away = browser.submit(&world, &page, &[], "use_upstream:counted").await.location.unwrap();
        browser.get(&world, &provider.sign_in(&away)).await
    };
    assert!(way().await.has_code());
    let text = metrics().await;
    for call in ["discovery", "keys", "token", "userinfo"] {
        assert_eq!((value(&text, call, "answered"), value(&text, call, "failed")), (1.0, 0.0), "{call}");
    }
    let raw = [("/token", "HTTP/1.1 500 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned())].into();
    provider.says(Says { sub: "one".to_owned(), raw, ..Says::default() });
    for _ in 0..4 {
        assert!(!way().await.has_code());
    }
    let text = metrics().await;
    assert_eq!((value(&text, "token", "answered"), value(&text, "token", "failed")), (1.0, 3.0), "{text}");
    assert_eq!(value(&text, "token", "resting"), 1.0, "after three failures it is left alone");
    world.stop().await;
}

/// Metrics are the process's, so that this provider has a name of its own.
async fn counted(provider: &Provider, port: u16) -> World {
    let secret = format!("secret = {{ command = [\"printf\", \"%s\", \"{CLIENT_SECRET}\"] }}\n");
    let issuer = provider.issuer();
    let table = format!("[upstream.counted]\nlabel = \"Anysocial\"\nissuer = \"{issuer}\"\nclient_id = \"{CLIENT_ID}\"\n{CREATE}{secret}");
    let configuration = Configuration::on(Engine::Sqlite).await.with(&format!("metrics = \"127.0.0.1:{port}\""));
    configuration.with("[login.default]\nrequire = [\"password\", \"upstream:counted\"]").with(&table).start().await
}

/// S-32: whoever may not come hears why, by domain, by another claim.
#[tokio::test]
async fn each_refusal_has_its_own_sentence() {
    for (rule, said, words) in [
        ("required_claims = { hd = [\"example.com\"] }\n", json!({ "hd": "example.org" }), "is of none of them"),
        ("required_claims = { unit = [\"Sales\"] }\n", json!({ "unit": "Research" }), "of that organisation or kind"),
        ("claims = { unit = { from = \"unit\", required = true } }\n", json!({}), "does not tell what this service"),
    ] {
        let provider = Provider::start().await;
        let world = world(Engine::Sqlite, &provider, &format!("{CREATE}{rule}")).await;
        provider.says(Says { sub: "one".to_owned(), claims: said, ..Says::default() });
        let page = sign_in(&world, &provider, &mut Browser::default()).await;
        assert!(!page.has_code() && page.problem().contains(words), "{rule}: {}", page.html);
        let good = json!({ "hd": "example.com", "unit": "Sales" });
        provider.says(Says { sub: "one".to_owned(), claims: good, ..Says::default() });
        assert!(sign_in(&world, &provider, &mut Browser::default()).await.has_code(), "the twin of {rule}");
        world.stop().await;
    }
}

/// S-01: a claim that a provider says once stays, and an address that it says no more.
#[tokio::test]
async fn what_a_provider_says_once_is_shown_later() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, CREATE).await;
        let said = async || {
            let row = world.running.shared.now().store.one("SELECT said FROM outside_identity", &[]).await.unwrap().unwrap();
            serde_json::from_str::<Json>(row.text("said").unwrap()).unwrap()
        };
        let first = json!({ "name": "Ann Example", "email": "ann@relay.example", "email_verified": true });
        for (claims, email) in
            [(first, "ann@relay.example"), (json!({}), "ann@relay.example"), (json!({ "email": "new@x.example" }), "new@x.example")]
        {
            provider.says(Says { sub: "one".to_owned(), claims: claims.clone(), ..Says::default() });
            assert!(sign_in(&world, &provider, &mut Browser::default()).await.has_code());
            assert_eq!((&said().await["name"], &said().await["email"]), (&json!("Ann Example"), &json!(email)), "{claims}");
        }
        assert_eq!(said().await["email_verified"], json!(false), "nobody called the new one verified");
        world.stop().await;
    }
}

/// 550-S and S-22: a provider that was away is there with the next try of a person.
#[tokio::test]
async fn a_provider_that_is_back_is_used_at_once() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, CREATE).await;
    provider.says(failing(DISCOVERY));
    let (mut browser, ask) = (Browser::default(), Ask::native("openid orders:read"));
    let page = browser.open(&world, &ask).await;
    let page = browser.submit(&world, &page, &[], "use_upstream:any").await;
    assert!(page.problem().contains("does not answer") && page.action("use_password"), "{}", page.html);
    world.advance_s(1);
    provider.is("one");
    let away = browser.submit(&world, &page, &[], "go").await.location.expect("the same request goes on");
    assert!(browser.get(&world, &provider.sign_in(&away)).await.has_code());
    world.stop().await;
}

/// S-09: who points the generic provider at Microsoft's shared endpoints finds the preset in the log. Any other issuer is just another one.
#[tokio::test]
async fn microsofts_shared_endpoints_have_a_hint() {
    for (issuer, has_hint) in [("https://login.microsoftonline.com/{tenantid}/v2.0", true), ("https://accounts.google.com", false)] {
        let provider = Provider::start().await;
        let mut world = world(Engine::Sqlite, &provider, CREATE).await;
        world.running.stop_in_place().await;
        let log = world.directory.join("log.jsonl");
        let mut command = Server::command(&world.file());
        command.env("RUST_LOG", "info").stderr(std::fs::File::create(&log).unwrap());
        let server = Server::spawn(&mut command, &world.issuer).await;
        provider.says(Says { discovery: json!({ "issuer": issuer }), ..Says::default() });
        let mut browser = Browser::default();
        let page = browser.open(&world, &Ask::native("openid")).await;
        let page = browser.submit(&world, &page, &[], "use_upstream:any").await;
        assert!(page.problem().contains("did not work"), "{issuer}: {}", page.html);
        let written = || std::fs::read_to_string(&log).unwrap();
        for _ in 0..500 {
            if written().contains("of another issuer than the one configured") {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        drop(server);
        let line = written().lines().find(|it| it.contains("of another issuer than the one configured")).map(str::to_owned);
        let line = line.unwrap_or_else(|| panic!("{}", written()));
        assert_eq!(line.contains("there is preset = \\\"microsoft\\\""), has_hint, "{line}");
        let _ = std::fs::remove_dir_all(&world.directory);
    }
}
