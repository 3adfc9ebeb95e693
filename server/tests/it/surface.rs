//! What every answer has in common: metadata that no header can bend, and pages nobody can frame.

use crate::world::*;
use serde_json::Value as Json;

/// 561-V, 562-V: the issuer is configuration.
#[tokio::test(flavor = "multi_thread")]
async fn metadata_is_the_same_whatever_the_request_says() {
    let world = World::start(Engine::Sqlite).await;
    for path in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"] {
        let plain = world.get(path).await;
        assert_eq!(plain.status(), 200);
        assert_eq!(plain.headers()["access-control-allow-origin"], "*");
        let plain = plain.text().await.unwrap();
        let bent =
            world.http.get(world.url(path)).header("host", "evil.test").header("x-forwarded-host", "evil.test").send().await.unwrap();
        assert_eq!(bent.text().await.unwrap(), plain);
        let document: Json = serde_json::from_str(&plain).unwrap();
        assert_eq!(document["issuer"], world.issuer);
        assert_eq!(document["code_challenge_methods_supported"], serde_json::json!(["S256"]));
        for (name, value) in document.as_object().unwrap() {
            assert_ne!(value, &serde_json::json!([]), "{name}: an empty array is left out (RFC 8414 2)");
        }
    }
    world.stop().await;
}

/// 559-V, 039-R, 014-R of RFC 9700 4.16: no frames, no scripts, no cross-origin readers.
#[tokio::test(flavor = "multi_thread")]
async fn pages_are_framed_by_nobody_and_read_by_no_other_origin() {
    let world = World::start(Engine::Sqlite).await;
    let authorize = format!("/authorize?{}", Ask::native("orders:read").query());
    for (path, status) in [("/", 200), (authorize.as_str(), 200), ("/authorize", 400), ("/nothing", 404)] {
        let answer =
            world.http.get(world.url(path)).header("accept", "text/html").header("origin", "https://evil.test").send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        let header = |name: &str| answer.headers().get(name).map(|it| it.to_str().unwrap().to_owned()).unwrap_or_default();
        let policy = header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("access-control-allow-origin"), "");
    }
    let preflight =
        world.http.request("OPTIONS".parse().unwrap(), world.url("/authorize")).header("origin", "https://x.test").send().await.unwrap();
    assert_eq!(preflight.status(), 405);
    let preflight =
        world.http.request("OPTIONS".parse().unwrap(), world.url("/token")).header("origin", "https://x.test").send().await.unwrap();
    assert_eq!(preflight.status(), 204);
    world.stop().await;
}

/// 552-V, 554-V, 128-T: input is escaped on pages and absent from errors.
#[tokio::test(flavor = "multi_thread")]
async fn input_never_becomes_markup() {
    let world = World::start(Engine::Sqlite).await;
    let payload = "\"><script>alert(1)</script>{{7*7}}";
    for name in ["client_id", "redirect_uri", "state", "nonce", "login_hint", "ui_locales", "display", "error_description"] {
        let ask = Ask::native("orders:read").with(name, payload);
        let page = Browser::default().open(&world, &ask).await;
        assert!(!page.html.contains("<script>alert"), "{name}");
        assert!(!page.html.contains(">49<"), "{name}");
    }
    let (_, body) = world.post("/token", &[("grant_type", payload), ("client_id", "shop-ios")], None).await;
    assert_eq!(body["error"], "unsupported_grant_type");
    assert!(!body.to_string().contains("alert"));
    world.stop().await;
}

/// RFC 8414 3.1 and OpenID Connect Discovery 4: an issuer with a path.
#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_with_a_path_is_found_both_ways() {
    let configuration = Configuration::on(Engine::Sqlite).await;
    let issuer = format!("http://127.0.0.1:{}/tenant", configuration.port);
    let world = configuration.set("issuer", issuer).start().await;
    for path in [
        "/.well-known/oauth-authorization-server/tenant",
        "/.well-known/openid-configuration/tenant",
        "/tenant/.well-known/openid-configuration",
    ] {
        let answer = world.get(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.json::<Json>().await.unwrap()["issuer"], format!("{}/tenant", world.issuer));
    }
    assert_eq!(world.get("/.well-known/oauth-authorization-server").await.status(), 404);
    assert_eq!(world.get("/tenant/jwks").await.status(), 200);
    assert_eq!(world.get("/jwks").await.status(), 404);
    world.stop().await;
}

/// 516-I, 565-V: odd paths meet no route.
#[tokio::test(flavor = "multi_thread")]
async fn odd_spellings_of_a_path_are_not_the_path() {
    let world = World::start(Engine::Sqlite).await;
    for path in ["//token", "/token/", "/token;x", "/%74oken", "/x/../token", "/TOKEN", "/assets/../token", "/assets/%2e%2e/symbolon.key"] {
        let raw = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let answer = raw_request(&world, &raw).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
    world.stop().await;
}

async fn raw_request(world: &World, raw: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(world.running.address).await.unwrap();
    stream.write_all(raw.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

/// 565-V: request smuggling shapes close the connection.
#[tokio::test(flavor = "multi_thread")]
async fn smuggling_shapes_are_refused() {
    let world = World::start(Engine::Sqlite).await;
    let head = "POST /token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n";
    for bad in [
        format!("{head}content-length: 5\r\ncontent-length: 6\r\n\r\nabcde"),
        format!("{head}content-length: +5\r\n\r\nabcde"),
        format!("{head}transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n"),
    ] {
        let answer = raw_request(&world, &bad).await;
        assert!(answer.starts_with("HTTP/1.1 400") || answer.is_empty(), "{answer}");
    }
    let good = format!("{head}content-length: 5\r\nconnection: close\r\n\r\na=b&c");
    assert!(raw_request(&world, &good).await.starts_with("HTTP/1.1 401"));
    world.stop().await;
}

/// RFC 9110 15.5.6: 405 says what is allowed.
#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_is_not_allowed_is_told_those_that_are() {
    let world = World::start(Engine::Sqlite).await;
    for (method, path, allowed) in [
        ("PUT", "/token", Some("POST")),
        ("GET", "/par", Some("POST")),
        ("POST", "/jwks", Some("GET, HEAD")),
        ("DELETE", "/authorize", Some("GET, POST")),
        ("HEAD", "/authorize", Some("GET, POST")),
        ("GET", "/jwks", None),
    ] {
        let answer = world.http.request(method.parse().unwrap(), world.url(path)).send().await.unwrap();
        let allow = answer.headers().get("allow").map(|it| it.to_str().unwrap());
        assert_eq!((answer.status().as_u16(), allow), (if allowed.is_some() { 405 } else { 200 }, allowed), "{method} {path}");
    }
    world.stop().await;
}

/// 571-V: a line break, a tab or a space in what becomes a header, a link or a token is refused when the configuration is read; a
/// running server keeps the one it has.
#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_would_break_headers_is_refused_and_the_server_stays_up() {
    let world = World::start(Engine::Sqlite).await;
    let good = std::fs::read_to_string(world.file()).unwrap();
    let brand = "[brand]\nsupport_url = \"https://help.example.com/\"\n[api.orders]\n";
    let good = good.replacen("[api.orders]\n", brand, 1);
    for (name, value) in [
        ("redirect_uris", "\"https://app.example.com/callback\""),
        ("post_logout_redirect_uris", "\"https://app.example.com/callback\"]\n\n[client.other-ios]"),
        ("audience", "\"https://api.example.com/orders\""),
        ("support_url", "\"https://help.example.com/\""),
        ("issuer", &format!("issuer = \"{}\"", world.issuer)),
    ] {
        assert!(good.contains(value), "{name}");
        for odd in ["\\r\\nX-Evil: 1", "\\n", "\\t", " ", "\\u0000", "\\u00a0"] {
            let (head, tail) = value.split_at(value.find("e.com/").map_or(value.len() - 1, |it| it + 6));
            std::fs::write(world.file(), good.replacen(value, &format!("{head}{odd}{tail}"), 1)).unwrap();
            let refused = symbolon::serve::reload(&world.running.shared, &world.file()).await;
            assert!(refused.is_err_and(|it| it.0.contains(name)), "{name} with {odd}");
            assert_eq!(world.get("/health").await.status(), 200);
        }
    }
    std::fs::write(world.file(), good).unwrap();
    symbolon::serve::reload(&world.running.shared, &world.file()).await.unwrap();
    assert!(world.get("/").await.status() == 200, "the twin");
    world.stop().await;
}

/// 576-V: the one answer that is waited for is for APIs that prove themselves, whatever origin asks; nothing here becomes a web socket.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_for_whom_it_is_meant() {
    let world = World::start(Engine::Sqlite).await;
    let ask = |basic: Option<(&str, &str)>| {
        let request = world.http.post(world.url("/endings")).form(&[] as &[(&str, &str)]).header("origin", "https://evil.test");
        match basic {
            Some((name, secret)) => request.basic_auth(name, Some(secret)),
            None => request,
        }
        .header("accept", "text/event-stream")
        .send()
    };
    for basic in [None, Some(("orders", "wrong")), Some(("shop-ios", SECRET)), Some(("robot", SECRET)), Some(("nobody", SECRET))] {
        let answer = ask(basic).await.unwrap();
        assert_eq!(answer.status(), 401, "{basic:?}");
        assert!(!answer.headers().contains_key("access-control-allow-origin"));
        assert_eq!(answer.json::<Json>().await.unwrap()["error"], "invalid_client");
    }
    let answer = ask(Some(("orders", SECRET))).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().contains_key("access-control-allow-origin")), (200, false));
    for path in ["/", "/endings", "/authorize", "/health"] {
        let upgrade = "upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let raw = format!("GET {path} HTTP/1.1\r\nhost: x\r\norigin: https://evil.test\r\nconnection: upgrade, close\r\n{upgrade}\r\n");
        let answer = raw_request(&world, &raw).await;
        assert!(answer.starts_with("HTTP/1.1 ") && !answer.starts_with("HTTP/1.1 101"), "{path}: {answer}");
    }
    world.stop().await;
}

/// 568-V: HEAD is GET without its body and without effects: an address that does something for GET refuses it, and a pushed request
/// that a scanner looked at still works.
#[tokio::test(flavor = "multi_thread")]
async fn head_does_nothing() {
    on_every_engine(|world| async move {
        let head = async |path: &str, cookie: &str| {
            let request = world.http.head(world.url(path)).header("cookie", cookie);
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.headers().get("allow").map(|it| it.to_str().unwrap().to_owned()).unwrap_or_default())
        };
        let mut browser = Browser::default();
        let ask = Ask::native("openid");
        browser.sign_in(&world, &ask, "alice").await;
        let cookie = format!("symbolon-session={}", browser.session());
        let form = ask.form();
        let (_, pushed) = world.post("/par", &form, None).await;
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("client_id", "shop-ios"), ("request_uri", pushed["request_uri"].as_str().unwrap())])
            .finish();
        let codes = world.audited("code_issued").await;
        let refused = (405, "GET, POST".to_owned());
        for path in [&format!("/authorize?{query}"), &format!("/authorize?{}", ask.query()), "/logout", "/account"] {
            assert_eq!(head(path, &cookie).await, refused, "{path}");
        }
        for path in ["/register", "/reset"] {
            assert_eq!(head(path, "").await, (405, "GET".to_owned()), "{path}");
        }
        for path in ["/", "/jwks", "/health", "/.well-known/openid-configuration"] {
            assert_eq!(head(path, "").await.0, 200, "{path}");
        }
        assert_eq!(world.audited("code_issued").await, codes);
        let page = browser.visit(&world, &format!("/authorize?{query}")).await;
        assert!(page.has_code());
        world.stop().await;
    })
    .await;
}
