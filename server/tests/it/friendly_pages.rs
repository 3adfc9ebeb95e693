//! What the pages of a sign-in say and offer beside their question: the app, the person, the choice of an account, and help with typing.

use crate::world::app_passkeys::{Hand, with_app};
use crate::world::native::*;
use crate::world::*;
use serde_json::json;
use symbolon_phone::authenticator::Authenticator;

fn ask() -> Ask {
    Ask::new("screens", BACK, "openid orders:read")
}

/// The page names the app from the beginning, and the person only when something is proved: before that every name sees the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_names_the_app_and_then_the_person() {
    let scene = Screens::start(Engine::Sqlite).await;
    let mut browser = Browser::default();
    let page = browser.open(&scene.world, &scene.pushed(&ask().with("acr_values", "urn:two")).await).await;
    assert!(page.says("To continue to Screens") && !page.says("You are signing in as"), "{}", page.text());
    let wrong = browser.submit_password(&scene.world, &page, "alice", "wrong").await;
    assert!(!wrong.says("You are signing in as"), "{}", wrong.text());
    let step = browser.submit_password(&scene.world, &wrong, "alice", PASSWORD).await;
    assert_eq!(step.kind(), "enrol_totp", "{}", step.html);
    let secret = step.codes().remove(0);
    assert_eq!((secret.len(), secret.split(' ').all(|group| group.len() == 4)), (39, true), "groups of four: {secret}");
    assert!(step.html.contains("id=\"otpauth\" href=\"otpauth:"), "an authenticator on this phone: {}", step.html);
    let code = totp(&secret.replace(' ', ""), scene.world.running.shared.now().now_ms());
    let codes = browser.submit(&scene.world, &step, &[("code", &code)], "continue").await;
    browser.submit(&scene.world, &codes, &[], "continue").await;
    scene.world.confirm("alice").await;
    let mut other = Browser::default();
    let page = other.open(&scene.world, &scene.pushed(&ask().with("acr_values", "urn:two")).await).await;
    let step = other.submit_password(&scene.world, &page, "alice", PASSWORD).await;
    assert_eq!(step.kind(), "totp", "{}", step.html);
    assert!(step.says("You are signing in as a…@example.com.") && step.action("not_you"), "{}", step.text());
    // No app sends whoever opens the account page.
    let own = Browser::default().visit(&scene.world, "/account").await;
    assert!(own.asks_for("password") && !own.says("To continue to"), "{}", own.text());
    scene.world.stop().await;
}

/// A request that takes one person does not offer that person to be somebody else: it would end in `login_required`. The twins: a request
/// that takes anybody, and a name that was only typed, where a mistake can be mended.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_about_one_person_offers_nobody_else() {
    let scene = Screens::start(Engine::Sqlite).await;
    let world = &scene.world;
    let tokens = world.tokens("openid").await;
    let hint = tokens["id_token"].as_str().unwrap();
    let again = Ask::native("openid").with("prompt", "login");
    for (ask, offers) in [(again.clone(), true), (again.clone().with("id_token_hint", hint), false)] {
        let mut browser = Browser::default();
        browser.sign_in(world, &Ask::native("openid"), "alice").await;
        let page = browser.open(world, &ask).await;
        assert_eq!((page.kind(), page.action("not_you")), ("password", offers), "{}", page.html);
        // What the page did not offer is not followed.
        let page = browser.submit(world, &page, &[], "not_you").await;
        assert_eq!((page.kind(), page.action("not_you")), ("password", false), "{}", page.html);
        assert!(browser.submit_password(world, &page, "alice", PASSWORD).await.has_code());
    }
    let mut browser = Browser::default();
    let page = browser.open(world, &again.with("id_token_hint", hint)).await;
    let page = browser.submit(world, &page, &[], "use_email").await;
    let typed = browser.submit(world, &page, &[("username", "alice")], "continue").await;
    assert_eq!((typed.kind(), typed.action("not_you")), ("email_code", true), "{}", typed.html);
    // Nobody new is the person whom the request names.
    let plain = Ask::native("openid");
    for (ask, offers) in [(plain.clone(), true), (plain.with("id_token_hint", hint), false)] {
        let page = Browser::default().open(world, &ask).await;
        assert_eq!((page.kind(), page.action("register")), ("password", offers), "{}", page.html);
    }
    // A choice of accounts has nobody else either.
    let choose = Ask::native("openid").with("prompt", "select_account");
    for (ask, offers) in [(choose.clone(), true), (choose.with("id_token_hint", hint), false)] {
        let mut browser = Browser::default();
        browser.sign_in(world, &Ask::native("openid"), "alice").await;
        let page = browser.open(world, &ask).await;
        assert_eq!((page.kind(), page.action("not_you")), ("select_account", offers), "{}", page.html);
        assert!(browser.submit(world, &page, &[], "continue_as").await.has_code());
    }
    scene.world.stop().await;
}

/// OpenID Connect Core 3.1.2.1: with `select_account` the person chooses, although the browser knows somebody. Nothing is sent before.
#[tokio::test(flavor = "multi_thread")]
async fn the_person_chooses_an_account() {
    for engine in engines() {
        let scene = Screens::start(engine).await;
        let (world, choose) = (&scene.world, Ask::native("openid orders:read").with("prompt", "select_account"));
        world.person("bob").await;
        let mut browser = Browser::default();
        let page = browser.open(world, &choose).await;
        assert_eq!(page.kind(), "password", "nobody is known here: {}", page.html);
        browser.sign_in(world, &Ask::native("openid orders:read"), "alice").await;
        let silent = browser.open(world, &Ask::native("openid orders:read")).await;
        assert!(silent.has_code(), "the twin: {}", silent.html);
        let page = browser.open(world, &choose).await;
        assert_eq!(page.kind(), "select_account", "{}", page.html);
        assert!(page.says("Continue as alice@example.com"), "{}", page.text());
        let mut same = browser.clone();
        let asked = same.submit(world, &page, &[], "continue").await;
        assert_eq!(asked.kind(), "select_account", "no other action is a choice: {}", asked.html);
        let done = same.submit(world, &asked, &[], "continue_as").await;
        assert!(done.has_code(), "{}", done.html);
        let page = browser.open(world, &choose).await;
        let other = browser.submit(world, &page, &[], "not_you").await;
        assert_eq!(other.kind(), "password", "{}", other.html);
        assert!(!other.html.contains("alice"), "{}", other.html);
        assert!(browser.submit_password(world, &other, "bob", PASSWORD).await.has_code());
        assert!(browser.open(world, &choose).await.says("Continue as bob@example.com"));
        // Whose authentication is too old proves it again after the choice.
        world.advance_s(120);
        let page = browser.open(world, &choose.clone().with("max_age", "60")).await;
        let again = browser.submit(world, &page, &[], "continue_as").await;
        assert!(again.asks_for("password"), "{}", again.html);
        scene.world.stop().await;
    }
}

/// A script shows what is typed as a password. Its digest is in the policy of that page and of no other, and the page works without.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_can_be_shown() {
    let scene = Screens::start(Engine::Sqlite).await;
    let mut browser = Browser::default();
    let page = browser.open(&scene.world, &Ask::native("openid orders:read")).await;
    let policy = page.header("content-security-policy").unwrap().to_owned();
    assert!(policy.contains("script-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    assert!(page.html.contains("data-show=\"Show\" data-hide=\"Hide\""), "{}", page.html);
    assert_eq!(page.html.matches("<script>").count(), 1, "{}", page.html);
    let identify = browser.submit(&scene.world, &page, &[], "use_email").await;
    let policy = identify.header("content-security-policy").unwrap().to_owned();
    assert!(policy.contains("script-src 'none'") && !identify.html.contains("<script"), "the twin: {}", identify.html);
    scene.world.stop().await;
}

/// W-52, WebAuthn Level 3, 5.1.10: after a passkey was removed in the app, or the person got another name or address, the answer with
/// the code has what the platform is to be told.
#[tokio::test(flavor = "multi_thread")]
async fn the_platform_hears_of_a_passkey_that_is_gone_and_of_a_new_name() {
    for engine in engines() {
        let rights = ["passkeys", "name", "language", "email"];
        let scene = Screens::with(engine, |it| with_app(it).set("client.screens.manage", rights.to_vec())).await;
        let mut hand = Hand::of(&scene, Authenticator::default());
        let done = hand.add("alice").await;
        assert_eq!(done.body.get("operation"), None, "nothing to tell: {done:?}");
        let mut tokens = hand.phone.redeem(&done.text("authorization_code")).await;
        for (action, signals) in
            [("change_name", true), ("change_language", false), ("change_email", true), ("rename", false), ("passkeys", true)]
        {
            let held = tokens.text("auth_session");
            let form = [("auth_session", held.as_str()), ("response_type", "code"), ("prompt", "manage")];
            let asked = hand.phone.post("/authorize-challenge", &form).await;
            assert_eq!(asked.kind(), "passkey", "whoever has one shows it: {asked:?}");
            let menu = hand.use_it(&asked).await;
            let step = hand.phone.answer(&menu, if action == "rename" { "passkeys" } else { action }, &[]).await;
            let done = match action {
                "rename" => {
                    let step = hand.phone.answer(&step, "rename_passkey:0", &[]).await;
                    hand.phone.answer(&step, "continue", &[("passkey_name", "My phone")]).await
                }
                "change_name" => hand.phone.answer(&step, "continue", &[("name", "Alice L.")]).await,
                "change_language" => hand.phone.answer(&step, "language:de", &[]).await,
                "change_email" => {
                    let seen = scene.mailbox.letters().len();
                    let sent = hand.phone.answer(&step, "continue", &[("email", "liddell@example.com")]).await;
                    let code = scene.code_of_letter("liddell@example.com", seen).await;
                    hand.phone.answer(&sent, "continue", &[("email_code", &code)]).await
                }
                _ => {
                    assert!(step.step()["content"][0]["items"][0].as_str().unwrap().starts_with("My phone"), "{step:?}");
                    let step = hand.phone.answer(&step, "remove_passkey:1", &[]).await;
                    assert_eq!(step.kind(), "remove_passkey", "{step:?}");
                    hand.phone.answer(&step, "remove", &[]).await
                }
            };
            assert_eq!((done.status, done.body.get("operation").is_some()), (200, signals), "{action}: {done:?}");
            let told = &done.body["operation"];
            if signals {
                assert_eq!((&told["name"], &told["options"]["displayName"]), (&json!("passkey_signal"), &json!("Alice L.")), "{told}");
                let left = told["options"]["allAcceptedCredentialIds"].as_array().map(Vec::len);
                assert_eq!(left, Some(usize::from(action != "passkeys")), "{told}");
                let address = if action == "change_name" { "alice@example.com" } else { "liddell@example.com" };
                assert_eq!(told["options"]["name"], address, "{action}: {told}");
            }
            tokens = hand.phone.redeem(&done.text("authorization_code")).await;
            assert_eq!(tokens.status, 200, "{tokens:?}");
        }
        assert_eq!(scene.world.audited("passkey_renamed").await, 1);
        scene.world.stop().await;
    }
}
