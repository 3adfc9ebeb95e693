//! What comes from outside is not believed: assertions, addresses in headers, cookies, profiles, hints, links. And what pages and
//! failures may say to strangers. Each test has its twin.

use crate::world::*;
use serde_json::{Value as Json, json};
use std::time::Duration;
use symbolon::store::Store;
use symbolon::store::faults::{Fate, Plan};
use symbolon_oauth::jwk::PrivateKey;
use symbolon_oauth::{base64url, client_assertion, jws};

/// A world with a client that signs its assertions.
async fn signing(engine: Engine) -> (World, PrivateKey) {
    let key = new_key();
    let client = format!("[client.signer]\nkind = \"service\"\njwks = {}\napis = {{ orders = [\"orders:read\"] }}\n", named_jwks(&key));
    (Configuration::on(engine).await.with(&client).start().await, key)
}

fn now_s(world: &World) -> i64 {
    world.running.shared.now().now_ms() / 1000
}

async fn assert_with(world: &World, path: &str, assertion: &str, more: &[(&str, &str)]) -> (u16, Json) {
    let mut form =
        vec![("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), ("client_assertion", assertion)];
    form.extend_from_slice(more);
    world.post(path, &form, None).await
}

/// 103-T: an assertion works once, at whichever endpoint.
#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_works_once_everywhere() {
    for engine in engines() {
        let (world, key) = signing(engine).await;
        let grant = [("grant_type", "client_credentials")];
        let make = |jti: &str| client_assertion::make(&key, "signer", &world.issuer, jti, now_s(&world)).unwrap();
        let one = make("one");
        assert_eq!(assert_with(&world, "/token", &one, &grant).await.0, 200);
        for (path, more) in [("/token", &grant[..]), ("/introspect", &[("token", "x")]), ("/revoke", &[("token", "x")])] {
            let (status, answer) = assert_with(&world, path, &one, more).await;
            assert_eq!((status, answer["error"].as_str()), (401, Some("invalid_client")), "{path}");
            assert_eq!(assert_with(&world, path, &make(path), more).await.0, 200, "{path}");
            assert_eq!(assert_with(&world, path, &make(path), more).await.0, 401, "the same jti in another assertion: {path}");
        }
        world.stop().await;
    }
}

/// 101-T, 202-J: an assertion under an HMAC of the public key, and key ids that are paths, queries, numbers or novels.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_chosen_by_its_name_and_nothing_else() {
    let (world, key) = signing(Engine::Sqlite).await;
    let grant = [("grant_type", "client_credentials")];
    let claims = |jti: &str| {
        let now = now_s(&world);
        json!({ "iss": "signer", "sub": "signer", "aud": world.issuer, "jti": jti, "iat": now, "exp": now + 60 })
    };
    let send = async |header: Json, jti: &str| {
        let text = jws::sign_with_header(&key, &header, &claims(jti)).unwrap();
        assert_with(&world, "/token", &text, &grant).await
    };
    for (at, kid) in
        [json!("../../dev/null"), json!("' OR 1=1 --"), json!("x".repeat(10_000)), json!("two"), json!(1), json!([key.kid()]), json!(null)]
            .into_iter()
            .enumerate()
    {
        let (status, answer) = send(json!({ "alg": "ES256", "typ": "JWT", "kid": kid }), &format!("bad-{at}")).await;
        assert_eq!((status, answer["error"].as_str()), (401, Some("invalid_client")), "{kid}");
    }
    for alg in ["HS256", "hs256", "none", "ES384", "es256"] {
        let (status, answer) = send(json!({ "alg": alg, "typ": "JWT", "kid": key.kid() }), alg).await;
        assert_eq!((status, answer["error"].as_str()), (401, Some("invalid_client")), "{alg}");
    }
    assert_eq!(send(json!({ "alg": "ES256", "typ": "JWT", "kid": key.kid() }), "good").await.0, 200);
    world.stop().await;
}

/// 482-O: a revocation that the store did not take is no success; once it takes it, it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_that_failed_is_said() {
    let plan = Plan::new(Vec::new());
    let world = Configuration::on(Engine::Sqlite).await.start_on(|it| Store::faulty(it, plan.clone()).unwrap()).await;
    let tokens = world.tokens("orders:read").await;
    let token = tokens["refresh_token"].as_str().unwrap();
    let form = [("client_id", "shop-ios"), ("token", token)];
    plan.next(Fate::Refuse);
    let (status, answer) = world.post("/revoke", &form, None).await;
    assert_eq!((status, answer["error"].as_str()), (503, Some("temporarily_unavailable")), "{answer}");
    let (status, moved) = world.refresh(token).await;
    assert_eq!(status, 200, "and the token is what it was");
    let form = [("client_id", "shop-ios"), ("token", moved["refresh_token"].as_str().unwrap())];
    assert_eq!(world.post("/revoke", &form, None).await.0, 200);
    assert_eq!(world.refresh(moved["refresh_token"].as_str().unwrap()).await.0, 400);
    world.stop().await;
}

/// 153-F: sign-ins pile up no grants without end: the oldest of one app give way, and nobody else's.
#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_grant_gives_way() {
    on_every_engine(|world| async move {
        world.person("bob").await;
        let mut browser = Browser::default();
        let ask = Ask::native("orders:read");
        let first = browser.sign_in(&world, &ask, "alice").await["code"].clone();
        let first = world.exchange(&first, &ask.verifier).await.1;
        let ask = Ask::native("orders:read");
        let bobs = Browser::default().sign_in(&world, &ask, "bob").await["code"].clone();
        let bobs = world.exchange(&bobs, &ask.verifier).await.1;
        let mut last = Json::Null;
        for number in 0..100 {
            world.running.shared.now();
            let ask = Ask::native("orders:read");
            let code = browser.sign_in(&world, &ask, "alice").await["code"].clone();
            if number == 98 {
                assert_eq!(world.refresh(first["refresh_token"].as_str().unwrap()).await.0, 200, "a hundred are fine");
            }
            if number == 99 {
                last = world.exchange(&code, &ask.verifier).await.1;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let (status, answer) = world.refresh(first["refresh_token"].as_str().unwrap()).await;
        assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_grant")), "the hundred and first took its place");
        assert_eq!(world.refresh(last["refresh_token"].as_str().unwrap()).await.0, 200);
        assert_eq!(world.refresh(bobs["refresh_token"].as_str().unwrap()).await.0, 200);
        world.stop().await;
    })
    .await;
}

/// 467-E: whatever a caller claims about its address, the audit names the connection's; a configured proxy is believed.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_not_what_a_header_says() {
    for (proxies, expected) in [(vec![], "127.0.0.1"), (vec!["127.0.0.0/8"], "203.0.113.9")] {
        let world = Configuration::on(Engine::Sqlite).await.set("trusted_proxies", proxies).start().await;
        let request = world.http.post(world.url("/token")).form(&[("grant_type", "client_credentials")]).basic_auth("robot", Some(SECRET));
        let request = request.header("x-forwarded-for", "198.51.100.1, 203.0.113.9").header("forwarded", "for=198.51.100.2");
        assert_eq!(request.header("x-real-ip", "198.51.100.3").send().await.unwrap().status(), 200);
        let app = world.running.shared.now();
        let rows = app.store.all("SELECT body FROM audit_routine", &[]).await.unwrap();
        let bodies: Vec<Json> = rows.iter().map(|it| serde_json::from_str(it.text("body").unwrap()).unwrap()).collect();
        let entry = bodies.iter().find(|it| it["event"] == "client_token_issued").unwrap();
        assert_eq!(entry["address"], expected);
        world.stop().await;
    }
}

/// 472-E: whoever is not the client learns one thing, whatever is wrong.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_authentication_says_one_thing_whatever_is_wrong() {
    let world = World::start(Engine::Sqlite).await;
    let grant = ("grant_type", "client_credentials");
    let wrong = async |id: &str, secret: &str| {
        let answer = world.http.post(world.url("/token")).form(&[grant]).basic_auth(id, Some(secret)).send().await.unwrap();
        let challenge = answer.headers()["www-authenticate"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), challenge, answer.json::<Json>().await.unwrap()["error"].clone())
    };
    let unknown = wrong("nobody-at-all", SECRET).await;
    assert_eq!(unknown.0, 401);
    assert_eq!(wrong("robot", "not the secret").await, unknown);
    assert_eq!(wrong("shop-ios", SECRET).await, unknown, "a public client with a secret");
    let good = world.http.post(world.url("/token")).form(&[grant]).basic_auth("robot", Some(SECRET)).send().await.unwrap();
    assert_eq!(good.status(), 200);
    world.stop().await;
}

/// 573-V, 344-L: provoked failures show an id and no more; what changes something is no GET.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_shows_an_id_and_no_more() {
    let plan = Plan::new(Vec::new());
    let world = Configuration::on(Engine::Sqlite).await.start_on(|it| Store::faulty(it, plan.clone()).unwrap()).await;
    let tokens = world.tokens("orders:read").await;
    plan.next(Fate::LoseAnswer);
    let (status, answer) = world.refresh(tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!(status, 503, "{answer}");
    let huge = "a".repeat(70_000);
    for (path, form) in [
        ("/token", vec![("grant_type", "\u{0}")]),
        ("/token", vec![("grant_type", huge.as_str())]),
        ("/introspect", vec![("token", "\u{7f}")]),
    ] {
        let (_, answer) = world.post(path, &form, None).await;
        let text = answer.to_string();
        for inside in ["SELECT", "sqlite", "panicked", "src/", ".rs", "/home", "/root", "symbolon::"] {
            assert!(!text.contains(inside), "{path}: {text}");
        }
    }
    for path in ["/token", "/par", "/revoke", "/introspect", "/login", "/challenge", "/attest", "/attest/challenge", "/endings"] {
        assert_eq!(world.get(path).await.status(), 405, "{path}");
    }
    let mut browser = Browser::default();
    browser.sign_in(&world, &Ask::native("openid"), "alice").await;
    for query in ["action=sign_out_others", "action=end_session:x", "action=revoke_app:shop-ios"] {
        assert_eq!(browser.visit(&world, &format!("/account?{query}")).await.status, 200, "shown, and nothing done");
    }
    let silent = Ask::native("openid").with("prompt", "none");
    let page = browser.open(&world, &silent).await;
    assert!(page.has_code(), "still signed in");
    world.stop().await;
}

/// 402-U: letters and redirects name the issuer, whatever Host and forwarding headers say.
#[tokio::test(flavor = "multi_thread")]
async fn addresses_come_from_the_configuration() {
    let world = World::start(Engine::Sqlite).await;
    for path in ["/", "/account", "/.well-known/openid-configuration", "/register"] {
        let request = world.http.get(world.url(path)).header("x-forwarded-host", "evil.test").header("x-forwarded-proto", "gopher");
        let answer =
            request.header("forwarded", "host=evil.test;proto=https").header("x-original-url", "//evil.test/").send().await.unwrap();
        let headers = format!("{:?}", answer.headers());
        let text = answer.text().await.unwrap();
        assert!(!headers.contains("evil.test") && !text.contains("evil.test"), "{path}");
    }
    world.stop().await;
}

/// 328-L: a link into somebody's half-finished sign-in starts a clean one for whoever opens it, and gives its maker nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_cannot_be_handed_to_a_victim() {
    let world = World::start(Engine::Sqlite).await;
    let mut thief = Browser::default();
    let ask = Ask::native("orders:read").with("state", "the thief's");
    let begun = thief.open(&world, &ask).await;
    // The victim, signed in or not, is made to send the thief's form.
    let mut victim = Browser::default();
    victim.sign_in(&world, &Ask::native("openid"), "alice").await;
    let answer = victim.submit_password(&world, &begun, "alice", PASSWORD).await;
    assert_eq!((answer.status, answer.location), (400, None));
    // The thief's own browser is not signed in by it.
    let silent = Ask::native("openid").with("prompt", "none");
    let page = thief.open(&world, &silent).await;
    assert_eq!(page.parameters()["error"], "login_required");
    // And the thief, who knows a password, goes on where they were.
    assert!(thief.submit_password(&world, &begun, "alice", PASSWORD).await.location.is_some());
    world.stop().await;
}

/// 331-L: a session cookie that is cut, edited or made up signs nobody in.
#[tokio::test(flavor = "multi_thread")]
async fn a_made_up_session_cookie_signs_nobody_in() {
    on_every_engine(|world| async move {
        let mut browser = Browser::default();
        browser.sign_in(&world, &Ask::native("openid"), "alice").await;
        let (name, value) = browser.session_cookie();
        let signed_in = async |value: &str| {
            let mut other = Browser::with_cookie(name, value);
            let silent = Ask::native("openid").with("prompt", "none");
            let page = other.open(&world, &silent).await;
            page.has_code()
        };
        let bytes = base64url::decode(value).unwrap();
        for at in [0, 15, 16, bytes.len() - 1] {
            let mut edited = bytes.clone();
            edited[at] ^= 1;
            assert!(!signed_in(&base64url::encode(&edited)).await, "edited at {at}");
        }
        assert!(!signed_in(&base64url::encode(&bytes[..bytes.len() - 1])).await);
        assert!(!signed_in(&base64url::encode(&bytes[..16])).await);
        assert!(!signed_in("").await && !signed_in("AAAA").await);
        let other = World::start(Engine::Sqlite).await;
        let mut elsewhere = Browser::default();
        elsewhere.sign_in(&other, &Ask::native("openid"), "alice").await;
        assert!(!signed_in(elsewhere.session()).await, "another server's");
        other.stop().await;
        assert!(signed_in(value).await);
        world.stop().await;
    })
    .await;
}

/// 334-L: a second person on the same browser gets nothing of the first one's, and the first one's apps keep their own person.
#[tokio::test(flavor = "multi_thread")]
async fn the_second_person_on_a_browser_gets_nothing_of_the_first() {
    on_every_engine(|world| async move {
        world.person("bob").await;
        let mut browser = Browser::default();
        let ask = Ask::native("openid orders:read");
        let hers = browser.sign_in(&world, &ask, "alice").await["code"].clone();
        let hers = world.exchange(&hers, &ask.verifier).await.1;
        let alice = claims(hers["id_token"].as_str().unwrap())["sub"].clone();
        let again = Ask::native("openid orders:read").with("prompt", "login");
        let his = browser.sign_in(&world, &again, "bob").await["code"].clone();
        let his = world.exchange(&his, &again.verifier).await.1;
        let bob = claims(his["id_token"].as_str().unwrap())["sub"].clone();
        assert_ne!(alice, bob);
        // Her app goes on, and is hers; on this browser he is alone.
        let (status, refreshed) = world.refresh(hers["refresh_token"].as_str().unwrap()).await;
        assert_eq!((status, &claims(refreshed["id_token"].as_str().unwrap())["sub"]), (200, &alice));
        let (_, refreshed) = world.refresh(his["refresh_token"].as_str().unwrap()).await;
        assert_eq!(claims(refreshed["id_token"].as_str().unwrap())["sub"], bob);
        let silent = Ask::native("openid").with("prompt", "none");
        let page = browser.open(&world, &silent).await;
        let code = page.code();
        let (_, now) = world.exchange(&code, &silent.verifier).await;
        assert_eq!(claims(now["id_token"].as_str().unwrap())["sub"], bob);
        world.stop().await;
    })
    .await;
}

/// 228-J: neither a profile nor a list of claims can write what the protocol says; a claim of its own name arrives.
#[tokio::test(flavor = "multi_thread")]
async fn a_profile_writes_no_protocol_claims() {
    on_every_engine(|world| async move {
        let names =
            vec!["sub", "aud", "iss", "exp", "cnf", "act", "acr", "tier", "grant_id", "sid", "client_id", "scope", "nickname"];
        world.reload(|it| it.set("api.orders.scope.orders:read.claims", names)).await;
        let app = world.running.shared.now();
        let evil = json!({
            "sub": "admin", "aud": "evil", "iss": "evil", "exp": 9_999_999_999_i64, "cnf": { "jkt": "evil" }, "act": { "sub": "evil" }, "acr": "evil",
            "tier": "hardware", "grant_id": "evil", "sid": "evil", "client_id": "evil", "scope": "admin", "nickname": "mal",
        });
        let new = symbolon::login::accounts::NewAccount {
            login_names: vec!["mallory".to_owned()],
            email: None,
            email_verified: false,
            name: None,
            locale: None,
            claims: evil.as_object().unwrap().clone(),
            password: Some(PASSWORD.to_owned()),
        };
        let id = symbolon::login::accounts::create(&app.store, app.machine.hashers(), new, app.now_ms()).await.unwrap();
        let ask = Ask::native("openid profile orders:read");
        let code = Browser::default().sign_in(&world, &ask, "mallory").await["code"].clone();
        let (_, tokens) = world.exchange(&code, &ask.verifier).await;
        for name in ["access_token", "id_token"] {
            let token = claims(tokens[name].as_str().unwrap());
            assert_eq!((token["sub"].as_str(), token["iss"].as_str()), (Some(id.as_str()), Some(world.issuer.as_str())), "{name}");
            assert!(!token.to_string().contains("evil") && token.get("tier").is_none() && token.get("cnf").is_none(), "{token}");
            assert!(token["exp"].as_i64().unwrap() < 9_999_999_999);
        }
        assert_eq!(claims(tokens["access_token"].as_str().unwrap())["nickname"], "mal");
        world.stop().await;
    })
    .await;
}

/// 492-O: a hint that names another person's session ends nothing before the person says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_hint_of_somebody_else_ends_nothing() {
    on_every_engine(|world| async move {
        world.person("bob").await;
        let id_token = async |name: &str, browser: &mut Browser| {
            let ask = Ask::native("openid");
            let code = browser.sign_in(&world, &ask, name).await["code"].clone();
            world.exchange(&code, &ask.verifier).await.1["id_token"].as_str().unwrap().to_owned()
        };
        let (mut hers, mut his) = (Browser::default(), Browser::default());
        let (own, other) = (id_token("alice", &mut hers).await, id_token("bob", &mut his).await);
        let page = hers.visit(&world, &format!("/logout?id_token_hint={other}")).await;
        assert!(page.status == 200 && page.has_form(), "it asks: {}", page.html);
        let silent = Ask::native("openid").with("prompt", "none");
        let still = hers.open(&world, &silent).await;
        assert!(still.has_code());
        let page = hers.visit(&world, &format!("/logout?id_token_hint={own}")).await;
        assert!(!page.has_form(), "her own hint needs no question");
        let gone = hers.open(&world, &silent).await;
        assert_eq!(gone.parameters()["error"], "login_required");
        world.stop().await;
    })
    .await;
}

/// 577-V: pages open in a browsing context of their own and may be embedded nowhere; no script is served to be a service worker.
#[tokio::test(flavor = "multi_thread")]
async fn pages_stand_alone() {
    let world = World::start(Engine::Sqlite).await;
    let ask = Ask::native("openid");
    for path in ["/", "/account", &format!("/authorize?{}", ask.query())] {
        let answer = world.get(path).await;
        let header = |name: &str| answer.headers().get(name).map(|it| it.to_str().unwrap().to_owned()).unwrap_or_default();
        assert_eq!(header("cross-origin-opener-policy"), "same-origin", "{path}");
        assert_eq!((header("cross-origin-resource-policy").as_str(), header("x-frame-options").as_str()), ("same-origin", "DENY"));
        assert!(header("content-security-policy").contains("frame-ancestors 'none'") && header("service-worker-allowed").is_empty());
    }
    for path in ["/sw.js", "/service-worker.js", "/assets/sw.js"] {
        assert_eq!(world.get(path).await.status(), 404, "{path}");
    }
    assert_eq!(world.get("/assets/style.css").await.status(), 200);
    world.stop().await;
}

/// 575-V: no address of an active scheme comes into a configuration, and so onto a page.
#[tokio::test]
async fn links_are_https_or_nothing() {
    let read = |name: &str, value: &str| Configuration::to_read().set(&format!("brand.{name}"), value).read();
    for name in ["privacy_url", "terms_url", "support_url"] {
        for bad in ["javascript:alert(1)", "data:text/html,x", "vbscript:x", "//evil.test/", "not a url", ""] {
            let said = read(name, bad).err().unwrap_or_default();
            assert!(said.contains(name), "{name} {bad}: {said}");
        }
        assert_eq!(read(name, "https://example.com/x"), Ok(()));
    }
    assert_eq!(read("support_url", "mailto:help@example.com"), Ok(()));
}
