//! What the rows of the route table ask of a request before an endpoint sees it.

use crate::world::*;
use http::HeaderValue;

/// A page that does something is opened by a person and never fetched ahead: no code is issued, nobody is signed out.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_browser_fetches_ahead_does_nothing() {
    on_every_engine(|world| async move {
        let mut browser = Browser::default();
        let ask = Ask::native("openid");
        let code = browser.sign_in(&world, &ask, "alice").await["code"].clone();
        let (_, tokens) = world.exchange(&code, &ask.verifier).await;
        let logout = format!("/logout?id_token_hint={}", tokens["id_token"].as_str().unwrap());
        let codes = world.audited("code_issued").await;
        for purpose in ["prefetch", "prefetch;prerender", "prefetch;anonymous-client-ip"] {
            for path in [ask.path().as_str(), logout.as_str(), "/account"] {
                let page = browser.send(world.http.get(world.url(path)).header("sec-purpose", purpose)).await;
                assert_eq!((page.status, page.location.as_deref()), (403, None), "{path}");
                assert!(page.html.contains("invalid_request") && page.header("set-cookie").is_none(), "{path}");
            }
            for path in ["/", "/jwks", "/health", "/.well-known/openid-configuration"] {
                let answer = world.http.get(world.url(path)).header("sec-purpose", purpose).send().await.unwrap();
                assert_eq!(answer.status(), 200, "{path}");
            }
        }
        assert_eq!((world.audited("code_issued").await, world.audited("session_ended").await), (codes, 0));
        // The page of a sign-in, which shows its answer when it has ended.
        let mut fresh = Browser::default();
        let start = fresh.open(&world, &ask).await;
        let wrong = fresh.submit_raw(&world, &start, &[("username", "alice")], "continue").await;
        let step = wrong.location.as_deref().and_then(|to| to.split_once("/login/")).map(|(_, name)| format!("/login/{name}")).unwrap();
        let ahead = fresh.send(world.http.get(world.url(&step)).header("sec-purpose", "prefetch")).await;
        assert_eq!((ahead.status, fresh.visit(&world, &step).await.status), (403, 200), "{step}");
        // The twins: the same, opened.
        assert!(browser.open(&world, &ask).await.has_code());
        assert_eq!(world.audited("code_issued").await, codes + 1);
        assert_eq!(browser.visit(&world, "/account").await.kind(), "account");
        assert_eq!(browser.visit(&world, &logout).await.kind(), "signed_out");
        assert_ne!(browser.visit(&world, "/account").await.kind(), "account");
        world.stop().await;
    })
    .await;
}

/// 398-W, 341-L: a form of ours that another site sends, or of which the browser says two things, does nothing. An authorization request
/// may be posted by any site (OpenID Connect Core 3.1.2.1).
#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_ours_is_sent_by_no_other_site() {
    let world = World::start(Engine::Sqlite).await;
    let mut browser = Browser::default();
    let start = browser.open(&world, &Ask::native("openid")).await;
    let fill = [("username", "alice"), ("login_name", "alice"), ("password", PASSWORD)];
    let fill: Vec<(&str, &str)> = fill.into_iter().filter(|(field, _)| start.asks_for(field)).collect();
    let others: [&[&[u8]]; 5] = [&[b"cross-site"], &[b"same-site"], &[b"somewhere"], &[b"\xff"], &[b"same-origin", b"cross-site"]];
    let sent = |mut request: reqwest::RequestBuilder, sites: &[&[u8]]| {
        for site in sites {
            request = request.header("sec-fetch-site", HeaderValue::from_bytes(site).unwrap());
        }
        request.send()
    };
    for sites in others {
        let answer = sent(browser.submission_with_cookies(&world, &start, &fill, "continue"), sites).await.unwrap();
        assert_eq!(answer.status(), 400, "{sites:?}");
        assert!(answer.text().await.unwrap().contains("invalid_session"));
    }
    // The twins: the same form from our own page, and from a browser that does not say where from.
    for sites in [&[&b"same-origin"[..]][..], &[]] {
        let answer = sent(browser.submission_with_cookies(&world, &start, &fill, "continue"), sites).await.unwrap();
        assert!(answer.status() == 303 || answer.status() == 200, "{sites:?}: {}", answer.status());
    }
    browser.sign_in(&world, &Ask::native("openid"), "alice").await;
    let account = browser.visit(&world, "/account").await;
    let form = account.fields();
    let form: Vec<(&str, &str)> = [("form_token", form["form_token"].as_str()), ("action", "sign_out_others")].into();
    for sites in others {
        let answer = sent(browser.dress(world.http.post(world.url("/account")).form(&form)), sites).await.unwrap();
        assert_eq!(answer.status(), 400, "{sites:?}");
        assert!(answer.text().await.unwrap().contains("invalid_session"));
        assert_eq!(world.audited("other_sessions_ended").await, 0);
    }
    let answer = sent(browser.dress(world.http.post(world.url("/account")).form(&form)), &[b"same-origin"]).await.unwrap();
    assert_eq!((answer.status().as_u16(), world.audited("other_sessions_ended").await), (200, 0), "the page that asks");
    browser.change(&world, &account, "sign_out_others").await;
    assert_eq!(world.audited("other_sessions_ended").await, 1);
    let ask = Ask::native("openid");
    let answer = sent(world.http.post(world.url("/authorize")).form(&ask.form()), &[b"cross-site"]).await.unwrap();
    assert_eq!(answer.status(), 200);
    world.stop().await;
}

/// A cookie of somebody else on the same host, with a byte that is no text, signs nobody out.
#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_cookie_does_not_hide_the_session() {
    let world = World::start(Engine::Sqlite).await;
    let mut browser = Browser::default();
    browser.sign_in(&world, &Ask::native("openid"), "alice").await;
    let (name, value) = browser.session_cookie();
    let ours = format!("{name}={value}");
    let title = async |cookie: Vec<u8>| {
        let cookie = HeaderValue::from_bytes(&cookie).unwrap();
        let answer = world.http.get(world.url("/account")).header("cookie", cookie).send().await.unwrap();
        answer.text().await.unwrap().contains("<h1>Your account</h1>")
    };
    for foreign in [&b"theirs=M\xc3\xbcller; "[..], b"theirs=\xff; ", b"\xff; ", b""] {
        assert!(title([foreign, ours.as_bytes()].concat()).await, "{foreign:?}");
    }
    // Not believed: our cookie twice, or with a byte that none of ours has.
    for bad in [format!("{ours}; {ours}").into_bytes(), [ours.as_bytes(), b"\xff"].concat()] {
        assert!(!title(bad).await);
    }
    world.stop().await;
}

/// An entry of a proxy that names a port counts for the address alone, and one that nobody can read for nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_audit_names_the_address_that_the_proxy_saw() {
    let world = Configuration::on(Engine::Sqlite).await.set("trusted_proxies", vec!["127.0.0.0/8"]).start().await;
    for (line, expected) in [
        (&b"198.51.100.1, 203.0.113.7:54321"[..], "203.0.113.7"),
        (b"198.51.100.1, [2001:db8::1]:443", "2001:db8::1"),
        (b"\xff, 203.0.113.8", "203.0.113.8"),
        (b"198.51.100.1, \xff", "127.0.0.1"),
    ] {
        let request = world.http.post(world.url("/token")).form(&[("grant_type", "client_credentials")]).basic_auth("robot", Some(SECRET));
        let request = request.header("x-forwarded-for", HeaderValue::from_bytes(line).unwrap());
        assert_eq!(request.send().await.unwrap().status(), 200);
        assert_eq!(world.entries("client_token_issued").await.last().unwrap()["address"], expected);
    }
    world.stop().await;
}
