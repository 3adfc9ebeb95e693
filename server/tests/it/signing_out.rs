//! Sign-out means what it says (OpenID Connect RP-Initiated Logout 1.0): what a page claims has happened, and no more.

use crate::world::*;
use serde_json::Value as Json;

/// A browser in which alice is signed in, with the tokens that her app got.
async fn signed_in(world: &World) -> (Browser, Json) {
    let mut browser = Browser::default();
    let ask = Ask::native("openid");
    let code = browser.sign_in(world, &ask, "alice").await["code"].clone();
    let (status, tokens) = world.exchange(&code, &ask.verifier).await;
    assert_eq!(status, 200, "{tokens}");
    (browser, tokens)
}

fn id_token(tokens: &Json) -> &str {
    tokens["id_token"].as_str().unwrap()
}

/// With one character of the signature changed.
fn forged(jwt: &str) -> String {
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { "B" } else { "A" };
    format!("{signed}.{first}{}", &signature[1..])
}

/// The browser shows no cookie, and the hint is genuine: its session ends, and no cookie is touched. A hint that cannot be verified is none:
/// the page says that nobody is signed in here.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_cookie_the_session_of_the_hint_ends() {
    on_every_engine(|world| async move {
        let (mut hers, tokens) = signed_in(&world).await;
        let (_, others) = signed_in(&world).await;
        let out = |hint: &str| format!("/logout?id_token_hint={hint}&post_logout_redirect_uri={NATIVE_BACK}&state=s");
        for path in ["/logout".to_owned(), format!("/logout?id_token_hint={}", forged(id_token(&tokens)))] {
            let page = Browser::default().visit(&world, &path).await;
            assert_eq!((page.status, page.kind(), page.header("set-cookie")), (200, "not_signed_in", None), "{path}");
        }
        // A forged hint names no client either, so no redirect URI is registered for it.
        let page = Browser::default().visit(&world, &out(&forged(id_token(&tokens)))).await;
        assert_eq!((page.status, page.location.as_deref(), page.says("invalid_request")), (400, None, true));
        assert_eq!(world.audited("session_ended").await, 0);
        assert!(hers.open(&world, &Ask::native("openid").with("prompt", "none")).await.has_code());

        let page = Browser::default().visit(&world, &out(id_token(&tokens))).await;
        assert_eq!((page.status, page.header("set-cookie")), (303, None));
        assert_eq!(page.location.as_deref(), Some(&*format!("{NATIVE_BACK}?state=s")));
        assert_eq!(world.audited("session_ended").await, 1);
        let silent = hers.open(&world, &Ask::native("openid").with("prompt", "none")).await;
        assert_eq!(silent.error().as_deref(), Some("login_required"));
        assert_eq!(world.refresh(refresh_token(&tokens)).await.1["error"], "invalid_grant");
        assert_eq!(world.refresh(refresh_token(&others)).await.0, 200, "the other session lives");
        // Once more: it is over already.
        let page = Browser::default().visit(&world, &format!("/logout?id_token_hint={}", id_token(&tokens))).await;
        assert_eq!((page.kind(), world.audited("session_ended").await), ("signed_out", 1));
        world.stop().await;
    })
    .await;
}

/// With a cookie and a hint that cannot be verified the person is asked, as without a hint.
#[tokio::test(flavor = "multi_thread")]
async fn a_hint_that_cannot_be_verified_is_none() {
    let world = World::start(Engine::Sqlite).await;
    let (mut browser, tokens) = signed_in(&world).await;
    let genuine = id_token(&tokens).to_owned();
    let access = tokens["access_token"].as_str().unwrap();
    for hint in [forged(&genuine).as_str(), access, "x", "a.b.c"] {
        let page = browser.visit(&world, &format!("/logout?id_token_hint={hint}")).await;
        assert_eq!((page.status, page.kind()), (200, "logout"), "{hint}");
    }
    assert_eq!(world.audited("session_ended").await, 0);
    let page = browser.visit(&world, &format!("/logout?id_token_hint={genuine}")).await;
    assert_eq!((page.kind(), world.audited("session_ended").await), ("signed_out", 1));
    world.stop().await;
}

/// An ID token is a hint as long as its session lives, also when the key that signed it is published no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_hint_of_a_replaced_key_is_still_a_hint() {
    let world = World::start(Engine::Sqlite).await;
    let (mut browser, tokens) = signed_in(&world).await;
    let (status, _, error) = crate::commands::symbolon(&world.file(), &["key", "rotate", "--at-once"], "").await;
    assert_eq!(status, Some(0), "{error}");
    let set: Json = world.get("/jwks").await.json().await.unwrap();
    let header = id_token(&tokens).split('.').next().unwrap();
    let header: Json = serde_json::from_slice(&symbolon_oauth::base64url::decode(header).unwrap()).unwrap();
    assert!(set["keys"].as_array().unwrap().iter().all(|key| key["kid"] != header["kid"]), "{set}");
    let ask = Ask::native("openid").with("prompt", "none").with("id_token_hint", id_token(&tokens));
    assert!(browser.open(&world, &ask).await.has_code(), "at the authorization endpoint too");
    let page = browser.visit(&world, &format!("/logout?id_token_hint={}", id_token(&tokens))).await;
    assert_eq!((page.kind(), world.audited("session_ended").await), ("signed_out", 1));
    world.stop().await;
}

/// Posted by another site, the request comes without our cookie: a page of ours posts it again, and then it ends the session.
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_out_that_another_site_posts_comes_back_with_its_cookie() {
    let world = World::start(Engine::Sqlite).await;
    let (mut browser, tokens) = signed_in(&world).await;
    let form = [("id_token_hint", id_token(&tokens)), ("post_logout_redirect_uri", NATIVE_BACK), ("state", "<s>")];
    let posted = world.http.post(world.url("/logout")).header("sec-fetch-site", "cross-site").form(&form);
    let page = Browser::default().send(posted).await;
    assert_eq!((page.status, page.kind(), page.header("set-cookie")), (200, "form_post", None));
    assert_eq!(world.audited("session_ended").await, 0, "nothing happened yet");
    let again = world.http.post(page.form_action().unwrap()).header("sec-fetch-site", "same-origin").form(&page.fields());
    let page = browser.send(again).await;
    // No redirect to the client: the browser would hold it against the form of our page.
    let onward = page.location.clone().unwrap();
    assert!(page.status == 303 && onward.starts_with(&world.url("/logout?")), "{onward}");
    let page = browser.send(world.http.get(&onward)).await;
    assert_eq!((page.status, page.kind(), page.location.as_deref()), (200, "leave", None));
    assert!(page.html.contains("url=https:&#x2f;&#x2f;app.example.com&#x2f;callback?state=%3Cs%3E"), "{}", page.html);
    assert!(browser.cookies.keys().all(|name| !name.contains("session")), "its own cookie is gone: {:?}", browser.cookies);
    assert_eq!(world.audited("session_ended").await, 1);
    world.stop().await;
}

/// The question of our own page is answered by 303 to a page of ours, which leads on to the client: so the redirect reaches its end whatever
/// the client does next. That page ends nothing and can be fetched again.
#[tokio::test(flavor = "multi_thread")]
async fn the_answer_to_our_own_question_leads_on_from_our_own_page() {
    let world = World::start(Engine::Sqlite).await;
    let (mut browser, _) = signed_in(&world).await;
    let asked = format!("/logout?client_id=shop-ios&post_logout_redirect_uri={NATIVE_BACK}&state=a%26b&ui_locales=en");
    let question = browser.visit(&world, &asked).await;
    assert_eq!((question.status, question.kind()), (200, "logout"));
    let policy = question.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action 'self';"), "{policy}");
    let confirm = world.http.post(world.url("/logout")).form(&question.fields());
    let still = browser.send(confirm).await;
    assert_eq!((still.status, still.kind(), world.audited("session_ended").await), (200, "logout", 0), "a form without its button");
    let mut form = question.fields();
    form.insert("action".to_owned(), "logout".to_owned());
    let answer = browser.send(world.http.post(world.url("/logout")).form(&form)).await;
    let onward = answer.location.clone().unwrap();
    assert!(answer.status == 303 && onward.starts_with(&world.url("/logout?")), "{onward}");
    assert_eq!(world.audited("session_ended").await, 1);
    for _ in 0..2 {
        let page = browser.send(world.http.get(&onward)).await;
        assert_eq!((page.status, page.kind(), page.location.as_deref()), (200, "leave", None));
        assert!(page.html.contains("callback?state=a%26b"), "{}", page.html);
    }
    // Somebody who has signed in since is asked, and not signed out by an old page.
    browser.sign_in(&world, &Ask::native("openid"), "alice").await;
    let page = browser.send(world.http.get(&onward)).await;
    assert_eq!((page.status, page.kind(), world.audited("session_ended").await), (200, "logout", 1));
    // Only registered addresses are led to, and only a state that an address can carry.
    for (wrong, hint) in
        [("post_logout_redirect_uri=https://evil.test/", "not registered"), (&*format!("state={}", "s".repeat(4097)), "4096")]
    {
        let page = browser.visit(&world, &format!("/logout?client_id=shop-ios&signed_out&{wrong}")).await;
        assert!(page.status == 400 && page.location.is_none() && page.html.contains(hint), "{}", page.html);
    }
    world.stop().await;
}

/// Cancelling the sign-in of a page of ours does not begin it once more. The person reads that nobody is signed in, and a link begins anew.
/// The twin is signed in, and is led back to the account.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_cancels_at_our_own_pages_is_not_asked_again() {
    on_every_engine(|world| async move {
        let account = world.url("/account");
        for path in ["/account", "/account/password", "/approvals"] {
            let mut browser = Browser::default();
            let page = browser.visit(&world, path).await;
            assert_eq!((page.status, page.kind()), (200, "password"), "{path}: {}", page.html);
            let left = browser.submit(&world, &page, &[], "cancel").await;
            assert_eq!((left.status, left.kind(), left.location.as_deref()), (200, "not_signed_in", None), "{path}: {}", left.html);
            assert!(left.says("You left before you were signed in."), "{path}: {}", left.text());
            let link = left.html.split("id=\"onward\" href=\"").nth(1).unwrap_or_else(|| panic!("no link: {}", left.html));
            let (to, label) = link.split_once("\">").unwrap();
            assert!(to.replace("&#x2f;", "/") == account && label.starts_with("Sign in<"), "{path}: {}", left.html);
            assert_eq!(browser.visit(&world, "/account").await.kind(), "password");
        }
        let (mut browser, _) = signed_in(&world).await;
        let page = browser.visit(&world, "/account").await;
        let page = browser.submit(&world, &page, &[], "change_password").await;
        let left = browser.submit(&world, &page, &[], "cancel").await;
        assert_eq!((left.status, left.location.as_deref()), (303, Some(account.as_str())), "{}", left.html);
        world.stop().await;
    })
    .await;
}

/// Whoever does not want to sign out is led to the account page, also where a client asked: nothing ends, and nothing leads to the client.
/// Without the form's token the question stays.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_stays_signed_in_is_led_to_the_account() {
    let world = World::start(Engine::Sqlite).await;
    let (mut browser, _) = signed_in(&world).await;
    let account = world.url("/account");
    let of_client = format!("/logout?client_id=shop-ios&post_logout_redirect_uri={NATIVE_BACK}&state=s");
    for path in ["/logout", of_client.as_str()] {
        let question = browser.visit(&world, path).await;
        assert_eq!((question.status, question.kind()), (200, "logout"), "{path}: {}", question.html);
        assert_eq!(question.actions(), ["logout", "stay_signed_in"]);
        let forged = browser.submit(&world, &question, &[("form_token", "x")], "stay_signed_in").await;
        assert_eq!((forged.status, forged.kind(), forged.location.as_deref()), (200, "logout", None), "{path}: {}", forged.html);
        let stays = browser.submit(&world, &question, &[], "stay_signed_in").await;
        assert_eq!((stays.status, stays.location.as_deref()), (303, Some(account.as_str())), "{path}: {}", stays.html);
    }
    assert_eq!(world.audited("session_ended").await, 0);
    assert_eq!(browser.visit(&world, "/account").await.kind(), "account");
    let question = browser.visit(&world, "/logout").await;
    let out = browser.submit(&world, &question, &[], "logout").await;
    assert_eq!((out.kind(), world.audited("session_ended").await), ("signed_out", 1), "the twin");
    world.stop().await;
}
