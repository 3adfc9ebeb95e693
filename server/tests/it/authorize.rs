//! /authorize and /par: where an answer may go, what may be asked, and what comes back.

use crate::world::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_and_the_app_gets_a_code_with_state_and_issuer() {
    on_every_engine(|world| async move {
        let mut browser = Browser::default();
        let ask = Ask::native("openid orders:read");
        let back = browser.sign_in(&world, &ask, "alice").await;
        assert_eq!(back["state"], "s-1");
        assert_eq!(back["iss"], world.issuer);
        let (status, tokens) = world.exchange(&back["code"], &ask.verifier).await;
        assert_eq!(status, 200, "{tokens}");
        let access = claims(tokens["access_token"].as_str().unwrap());
        assert_eq!(access["aud"], "https://api.example.com/orders");
        assert_eq!(access["scope"], "orders:read");
        assert_eq!(access["customer_id"], "c-alice");
        assert_eq!(claims(tokens["id_token"].as_str().unwrap())["aud"], "shop-ios");
        // Single sign-on: the same browser is not asked again.
        let page = browser.open(&world, &ask).await;
        assert_eq!(page.status, 303);
        assert!(page.location.unwrap().starts_with(NATIVE_BACK));
        world.stop().await;
    })
    .await;
}

/// 001-R, 002-R, 004-R, 005-R, 007-R, 009-R, 012-R, 014-R, 031-R, 032-R
#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_uri_that_differs_by_a_byte_is_a_page_and_never_a_redirect() {
    let world = World::start(Engine::Sqlite).await;
    let bad = [
        "https://evil.test/callback",
        "https://app.example.com.evil.test/callback",
        "https://app.example.com@x@evil.test/callback",
        "https://app.example.com%40evil.test/callback",
        "http://127.0.0.1:80@evil.test/callback",
        "https://app.example.com/callback/../steal",
        "https://app.example.com/%2e%2e/callback",
        "https://app.example.com/CALLBACK",
        "https://app.example.com:8443/callback",
        "https://app.example.com/callback#frag",
        "https://app.example.com/callback?x=1",
        "https://\u{ff41}pp.example.com/callback",
        "/\\evil.test",
        "//evil.test",
        "com.example.shop://callback",
        "COM.EXAMPLE.SHOP:/callback",
        "http://127.0.0.1:61234/other",
        "http://127.0.0.2:61234/callback",
        "http://localhost:61234/callback",
    ];
    for uri in bad {
        let page = Browser::default().open(&world, &Ask::new("shop-ios", uri, "orders:read")).await;
        assert_eq!((page.status, &page.location), (400, &None), "{uri}");
        assert!(page.says("invalid_request"), "{uri}: {}", page.html);
    }
    for uri in [NATIVE_BACK, "com.example.shop:/callback", "http://127.0.0.1:61234/callback", "http://127.0.0.1/callback"] {
        let back = Browser::default().sign_in(&world, &Ask::new("shop-ios", uri, "orders:read"), "alice").await;
        assert!(back.contains_key("code"), "{uri}");
    }
    world.stop().await;
}

/// 020-R, 567-V: each parameter twice, in both orders.
#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_given_twice_is_refused() {
    let world = World::start(Engine::Sqlite).await;
    let good = Ask::native("orders:read");
    for (name, value) in &good.parameters {
        for query in [format!("{}&{name}=other", good.query()), format!("{name}=other&{}", good.query())] {
            let page = Browser::default().visit(&world, &format!("/authorize?{query}")).await;
            assert_eq!((page.status, page.location), (400, None), "{name}={value}");
        }
    }
    assert_eq!(Browser::default().open(&world, &good).await.status, 200);
    world.stop().await;
}

/// 021-R, 064-P, 066-P, 068-P, 069-P, 071-P, 073-P: what is told to the client, at its own redirect URI.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_request_is_answered_at_the_redirect_uri_with_the_rfcs_code() {
    let world = World::start(Engine::Sqlite).await;
    let good = Ask::native("orders:read");
    let challenge = good.parameters["code_challenge"].clone();
    let wrong = [
        (good.clone().without("code_challenge"), "invalid_request"),
        (good.clone().with("code_challenge", ""), "invalid_request"),
        (good.clone().without("code_challenge_method"), "invalid_request"),
        (good.clone().with("code_challenge_method", "s256"), "invalid_request"),
        (good.clone().with("code_challenge_method", "plain"), "invalid_request"),
        (good.clone().with("code_challenge", &format!("{challenge}=")), "invalid_request"),
        (good.clone().with("response_type", "token"), "unsupported_response_type"),
        (good.clone().with("response_type", "code token"), "unsupported_response_type"),
        (good.clone().without("response_type"), "invalid_request"),
        (good.clone().with("scope", "orders:read admin"), "invalid_scope"),
        (good.clone().with("scope", "orders"), "invalid_scope"),
        (good.clone().with("scope", "Orders:read"), "invalid_scope"),
        (good.clone().with("resource", "https://api.example.com/other"), "invalid_target"),
        (good.clone().with("resource", "https://api.example.com/ledger"), "invalid_target"),
        (good.clone().with("prompt", "none login"), "invalid_request"),
        (good.clone().with("max_age", "-1"), "invalid_request"),
        (good.clone().with("prompt", "none"), "login_required"),
    ];
    for (ask, code) in wrong {
        let page = Browser::default().open(&world, &ask).await;
        assert_eq!(page.status, 303, "{:?}: {}", ask.parameters, page.html);
        let back = page.parameters();
        assert_eq!(back["error"], code, "{:?}", ask.parameters);
        assert_eq!((back["state"].as_str(), back["iss"].as_str()), ("s-1", world.issuer.as_str()));
        assert!(!back.contains_key("code"));
    }
    assert!(Browser::default().sign_in(&world, &good, "alice").await.contains_key("code"));
    world.stop().await;
}

async fn push(world: &World, ask: &Ask) -> (u16, serde_json::Value) {
    let form = ask.form();
    world.post("/par", &form, None).await
}

/// 076-A, 077-A, 079-A, 072-P
#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_request_works_once_for_its_client_and_in_time() {
    on_every_engine(|world| async move {
        let ask = Ask::native("orders:read");
        let (status, pushed) = push(&world, &ask).await;
        assert_eq!(status, 201, "{pushed}");
        let uri = pushed["request_uri"].as_str().unwrap().to_owned();
        assert!(uri.starts_with("urn:ietf:params:oauth:request_uri:su_"));
        let named = |client: &str| Ask {
            parameters: [("client_id".to_owned(), client.to_owned()), ("request_uri".to_owned(), uri.clone())].into(),
            verifier: String::new(),
        };
        // A reload before the person signs in costs nothing; a challenge beside it is ignored.
        let beside = named("shop-ios").with("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert_eq!(Browser::default().open(&world, &beside).await.status, 200);
        let stranger = Browser::default().open(&world, &named("other-ios")).await;
        assert_eq!((stranger.status, stranger.location), (400, None));
        let back = Browser::default().sign_in(&world, &beside, "alice").await;
        assert_eq!(world.exchange(&back["code"], &ask.verifier).await.0, 200);
        let again = Browser::default().open(&world, &named("shop-ios")).await;
        assert_eq!((again.status, &again.location), (400, &None));
        assert!(again.says("invalid_request_uri"));
        // In time: the next one waits too long.
        let (_, late) = push(&world, &ask).await;
        world.advance_s(91);
        let query = format!("client_id=shop-ios&request_uri={}", late["request_uri"].as_str().unwrap());
        assert_eq!(Browser::default().visit(&world, &format!("/authorize?{query}")).await.status, 400);
        world.stop().await;
    })
    .await;
}

/// 086-A, 087-A, 540-S
#[tokio::test(flavor = "multi_thread")]
async fn a_push_authenticates_and_names_no_other_push() {
    let world = World::start(Engine::Sqlite).await;
    let ask = Ask::new("shop-web", WEB_BACK, "openid");
    let (status, body) = push(&world, &ask).await;
    assert_eq!((status, body["error"].as_str()), (401, Some("invalid_client")));
    let mut form: Vec<(&str, &str)> = ask.form();
    assert_eq!(world.post("/par", &form, Some("shop-web")).await.0, 201);
    form.push(("request_uri", "urn:ietf:params:oauth:request_uri:x"));
    let (status, body) = world.post("/par", &form, Some("shop-web")).await;
    assert_eq!((status, body["error"].as_str()), (400, Some("invalid_request")));
    let page = Browser::default().visit(&world, "/authorize?client_id=shop-ios&request_uri=https://127.0.0.1:1/x").await;
    assert_eq!((page.status, page.location), (400, None));
    world.stop().await;
}

/// 340-L, 341-L, RFC 8252 8.6: a third party asks once, an app nobody can vouch for asks every time.
#[tokio::test(flavor = "multi_thread")]
async fn consent_is_asked_remembered_and_asked_again_for_more() {
    on_every_engine(|world| async move {
        let mut browser = Browser::default();
        let ask = Ask::new("third-party", "https://third.example.com/callback", "openid");
        let back = browser.sign_in(&world, &ask, "alice").await;
        assert!(back.contains_key("code"), "{back:?}");
        let page = browser.open(&world, &ask).await;
        assert_eq!(page.status, 303, "remembered: {}", page.html);
        let more = Ask::new("third-party", "https://third.example.com/callback", "openid orders:read");
        let page = browser.open(&world, &more).await;
        assert_eq!(page.status, 200);
        assert!(page.says("See your orders"), "{}", page.html);
        let silent = browser.open(&world, &more.clone().with("prompt", "none")).await;
        assert_eq!(silent.parameters()["error"], "consent_required");
        // A forged approval: the right form with another browser's cookies.
        let forged = Browser::default().submit(&world, &page, &[], &page.first_action()).await;
        assert_eq!((forged.status, forged.location), (400, None));
        let given = browser.submit(&world, &page, &[], &page.first_action()).await;
        assert!(given.has_code());
        // A private scheme can be taken by any app: no silent answer, first party or not.
        let scheme = Ask::new("shop-ios", "com.example.shop:/callback", "orders:read");
        assert_eq!(browser.open(&world, &scheme).await.status, 200);
        world.stop().await;
    })
    .await;
}

/// 327-L, 333-L, 336-L
#[tokio::test(flavor = "multi_thread")]
async fn the_session_cookie_is_new_after_login_dead_after_logout_and_bounded_by_max_age() {
    let world = World::start(Engine::Sqlite).await;
    let mut browser = Browser::default();
    let ask = Ask::native("openid");
    browser.sign_in(&world, &ask, "alice").await;
    let first = browser.session().to_owned();
    let again = browser.open(&world, &ask.clone().with("prompt", "login")).await;
    assert_eq!(again.status, 200, "prompt=login asks");
    world.advance_s(5);
    let aged = browser.open(&world, &ask.clone().with("max_age", "1")).await;
    assert_eq!(aged.status, 200, "max_age asks");
    let fresh = ask.clone().with("max_age", "1");
    let back = browser.sign_in(&world, &fresh, "alice").await;
    assert!(back.contains_key("code"));
    assert_ne!(browser.session(), first);
    let mut old = Browser::with_cookie("symbolon-session", &first);
    assert_eq!(old.open(&world, &ask).await.status, 200, "the old cookie is powerless");
    let copy = browser.clone();
    let page = browser.visit(&world, "/logout").await;
    assert_eq!(page.status, 200, "a logout without a hint asks first (491-O)");
    assert_eq!(browser.submit(&world, &page, &[], "logout").await.status, 200);
    let mut copy = copy;
    assert_eq!(copy.open(&world, &ask).await.status, 200, "a copied cookie is dead");
    world.stop().await;
}

/// 030-R, 025-R
#[tokio::test(flavor = "multi_thread")]
async fn state_comes_back_unchanged_and_splits_nothing() {
    let world = World::start(Engine::Sqlite).await;
    let state = "a\r\nSet-Cookie: x=1 & ü \"<>";
    let ask = Ask::native("orders:read").with("state", state).with("iss", "https://evil.test");
    let back = Browser::default().sign_in(&world, &ask, "alice").await;
    assert_eq!(back["state"], state);
    assert_eq!(back["iss"], world.issuer);
    world.stop().await;
}

/// 027-R, 028-R: no parameter, sent at first or smuggled into the form or a cookie later, makes the front channel carry more than a
/// code; and the code is worth nothing without the key that its client must prove.
#[tokio::test(flavor = "multi_thread")]
async fn the_front_channel_carries_a_code_and_nothing_else() {
    let world = Configuration::on(Engine::Sqlite).await.set("client.shop-ios.dpop", "required").start().await;
    let ask = Ask::native("openid orders:read").with("nonce", "n-1");
    let mut browser = Browser::default();
    let page = browser.open(&world, &ask).await;
    browser.cookies.insert("response_type".to_owned(), "token".to_owned());
    let smuggled = [
        ("username", "alice"),
        ("password", PASSWORD),
        ("response_type", "token"),
        ("response_mode", "fragment"),
        ("redirect_uri", "http://127.0.0.1/callback"),
        ("client_id", "other-ios"),
        ("scope", "orders:write"),
    ];
    let done = browser.submit(&world, &page, &smuggled, "continue").await;
    let location = done.location.expect(&done.html);
    assert!(location.starts_with(&format!("{NATIVE_BACK}?")) && !location.contains('#'), "{location}");
    let back = parameters(&location);
    assert_eq!(back.keys().collect::<Vec<_>>(), ["code", "iss", "state"]);
    let (status, refused) = world.exchange(&back["code"], &ask.verifier).await;
    assert_eq!((status, refused["error"].as_str()), (400, Some("invalid_dpop_proof")));
    let tokens = world.phone().exchange(&back["code"], &ask.verifier).await;
    assert_eq!((tokens.status, tokens.text("token_type").as_str()), (200, "DPoP"), "{}", tokens.body);
    // Signed in, the browser would be answered at once.
    for kind in ["token", "id_token", "code token", "code id_token", "id_token token", "code id_token token", "none", "code code", "CODE"] {
        for mode in ["query", "fragment"] {
            let other = ask.clone().with("response_type", kind).with("response_mode", mode);
            let page = browser.open(&world, &other).await;
            let back = page.fragment();
            assert_eq!((page.status, back["error"].as_str()), (303, "unsupported_response_type"), "{kind} {mode}");
            assert!(["code", "access_token", "id_token"].iter().all(|it| !back.contains_key(*it)), "{kind} {mode}: {back:?}");
        }
    }
    world.stop().await;
}

/// 038-R: no answer goes by postMessage, and an unknown mode is a page rather than an answer in another one.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_goes_to_the_redirect_uri_only() {
    let world = World::start(Engine::Sqlite).await;
    let mut browser = Browser::default();
    browser.sign_in(&world, &Ask::native("openid"), "alice").await;
    let url = |mode: &str| world.url(&format!("/authorize?{}", Ask::native("openid").with("response_mode", mode).query()));
    for mode in ["web_message", "web_message.jwt", "okpostmessage", "Query", "query fragment"] {
        let page = browser.get(&world, &url(mode)).await;
        assert_eq!((page.status, &page.location), (400, &None), "{mode}");
        assert!(page.says("invalid_request") && !page.html.contains("postMessage"), "{mode}: {}", page.html);
    }
    for mode in ["query", "fragment"] {
        let page = browser.get(&world, &url(mode)).await;
        assert!(page.fragment().contains_key("code"), "{mode}");
    }
    let page = browser.get(&world, &url("form_post")).await;
    assert!(page.asks_for("code") && page.form_action().unwrap().contains("app.example.com"), "{}", page.html);
    // The one page whose form leaves: hidden fields alone, one hashed script, and no rule about where a form goes.
    let inputs: Vec<&str> = page.html.split("<input").skip(1).collect();
    assert!(inputs.len() == 3 && inputs.iter().all(|it| it.trim_start().starts_with("type=\"hidden\"")), "{}", page.html);
    assert_eq!(page.fields().into_keys().collect::<Vec<_>>(), ["code", "iss", "state"]);
    for other in ["<textarea", "<select", "formaction", "<iframe", "<script src"] {
        assert!(!page.html.contains(other), "{other}: {}", page.html);
    }
    let policy = page.header("content-security-policy").unwrap();
    let scripts = policy.split(';').find_map(|it| it.trim().strip_prefix("script-src ")).unwrap();
    assert_eq!(
        (page.html.matches("<script").count(), scripts.matches("'sha256-").count(), scripts.contains(' ')),
        (1, 1, false),
        "{policy}"
    );
    assert!(!policy.contains("form-action") && policy.contains("default-src 'none'"), "{policy}");
    world.stop().await;
}

/// 342-L: consent is the button on the page that asks for it; no parameter, no earlier answer and no other button gives it.
#[tokio::test(flavor = "multi_thread")]
async fn only_a_click_consents() {
    on_every_engine(|world| async move {
        let ask = Ask::new("third-party", "https://third.example.com/callback", "openid orders:read");
        let url = |ask: &Ask| world.url(&format!("/authorize?{}", ask.query()));
        let mut browser = Browser::default();
        let page = browser.get(&world, &url(&ask)).await;
        let fill = [("username", "alice"), ("password", PASSWORD), ("consent", "true"), ("consented", "true")];
        let mut consent = browser.submit(&world, &page, &fill, "allow").await;
        assert!(consent.location.is_none() && consent.says("See your orders"), "{}", consent.html);
        for action in ["", "continue", "yes", "send", "use_password"] {
            consent = browser.submit(&world, &consent, &[("consent", "true"), ("scope", "orders:read")], action).await;
            assert!(consent.location.is_none() && consent.says("See your orders"), "{action}: {}", consent.html);
        }
        for (name, value) in [("action", "allow"), ("approval_prompt", "auto"), ("consent", "true"), ("skip_consent", "1")] {
            let asked = browser.get(&world, &url(&ask.clone().with(name, value))).await;
            assert!(asked.location.is_none() && asked.has_form(), "{name}: {}", asked.html);
        }
        assert_eq!(world.audited("code_issued").await, 0);
        let other = browser.get(&world, &url(&ask)).await;
        let other = browser.submit(&world, &other, &fill, "continue").await;
        assert_eq!(other.kind(), "consent", "{}", other.html);
        // The page says who agrees. Whoever is somebody else proves that first.
        assert!(other.says("You are signed in as alice@example.com."), "{}", other.html);
        let mut foreign = Browser::default();
        let mistaken = foreign.get(&world, &url(&ask)).await;
        let mistaken = foreign.submit(&world, &mistaken, &fill, "continue").await;
        let mistaken = foreign.submit(&world, &mistaken, &[], "not_you").await;
        assert!(mistaken.asks_for("password") && mistaken.location.is_none(), "{}", mistaken.html);
        let denied = browser.submit(&world, &other, &[], "deny").await;
        assert_eq!(denied.parameters()["error"], "access_denied");
        let given = browser.submit(&world, &consent, &[], "allow").await;
        assert!(given.has_code());
        assert_eq!(world.audited("code_issued").await, 1);
        world.stop().await;
    })
    .await;
}

/// 368-Z: a demanded acr is given, or the answer is an error. A demand that cannot be read, or that stands in one place only, still
/// counts. Asking for an acr never needs fewer proofs than the client's own sign-in.
#[tokio::test(flavor = "multi_thread")]
async fn a_demand_is_met_or_refused() {
    let policies =
        "[login.default]\nrequire = [\"password\"]\nacr = \"urn:one\"\n[login.two]\nrequire = [\"password + totp\"]\nacr = \"urn:two\"\n";
    let world = Configuration::on(Engine::Sqlite).await.with(policies).set("client.other-ios.login", "two").start().await;
    let mut browser = Browser::default();
    let signed_in = browser.sign_in(&world, &Ask::native("openid"), "alice").await;
    assert!(signed_in.contains_key("code"));
    let native = |claims: &str| Ask::native("openid").with("claims", claims);
    let other = Ask::new("other-ios", "https://other.example.com/callback", "orders:read");
    let unmet = "unmet_authentication_requirements";
    for (ask, error) in [
        (native(r#"{"id_token":{"acr":{"essential":true,"value":"urn:nope"}}}"#), unmet),
        (native(r#"{"id_token":{"acr":{"essential":true,"values":["urn:nope","urn:neither"]}}}"#), unmet),
        (native(r#"{"id_token":{"acr":{"essential":true,"value":"urn:nope"}},"userinfo":{"acr":null}}"#), unmet),
        (native(r#"{"userinfo":{"acr":{"essential":true,"value":"urn:nope"}}}"#), unmet),
        (native(r#"{"id_token":{"acr":{"essential":true,"value":5}}}"#), "invalid_request"),
        (native(r#"{"id_token":{"acr":{"essential":true,"values":"urn:nope"}}}"#), "invalid_request"),
        (native(r#"{"id_token":{"acr":{"essential":"true","value":"urn:nope"}}}"#), "invalid_request"),
        (native(r#"{"id_token":{"acr":"urn:nope"}}"#), "invalid_request"),
        (native(r#"{"id_token":{"acr":{"value":"urn:one"}},"userinfo":{"acr":{"value":"urn:two"}}}"#), "invalid_request"),
        (native(r#"{"id_token":{"sub":{"value":5}}}"#), "invalid_request"),
        (other.clone().with("claims", r#"{"id_token":{"acr":{"essential":true,"value":"urn:one"}}}"#), unmet),
    ] {
        let page = browser.open(&world, &ask).await;
        let back = page.parameters();
        assert_eq!((page.status, back.get("error").map(String::as_str)), (303, Some(error)), "{:?}", ask.parameters["claims"]);
    }
    let somebody = native(r#"{"id_token":{"sub":{"value":"somebody"}},"userinfo":{"sub":null}}"#).with("prompt", "none");
    let page = browser.open(&world, &somebody).await;
    assert_eq!(page.parameters()["error"], "login_required");
    let weaker = browser.open(&world, &other.with("acr_values", "urn:one")).await;
    assert!(weaker.location.is_none() && weaker.asks_for("code"), "{}", weaker.html);
    let met = native(r#"{"id_token":{"acr":{"essential":true,"values":["urn:nope","urn:one"]},"sub":null}}"#);
    let back = browser.sign_in(&world, &met, "alice").await;
    let tokens = world.exchange(&back["code"], &met.verifier).await.1;
    assert_eq!(claims(tokens["id_token"].as_str().unwrap())["acr"], "urn:one");
    world.stop().await;
}
