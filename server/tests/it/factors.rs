//! Second factors: a code works once, a password alone changes none of them, and only the question that is asked is answered.

use crate::world::mail::on_every_engine;
use crate::world::{Ask, Browser, PASSWORD, Page, World, totp};

const RIGHT: [(&str, &str); 2] = [("username", "alice"), ("password", PASSWORD)];

/// A browser nobody knows gets as far as the question for a code.
async fn asked_for_a_code(world: &World, browser: &mut Browser) -> Page {
    let page = browser.open(world, &Ask::native("openid")).await;
    let page = browser.submit(world, &page, &RIGHT, "continue").await;
    assert!(page.asks_for("code"), "{}", page.html);
    page
}

/// 352-Z: the same code in another sign-in is refused, and so is an older one that was never used; the next one is good.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_works_once_and_no_older_one_after_it() {
    on_every_engine(|post| async move {
        let (secret, _) = post.enrol(&mut Browser::default()).await;
        post.world.advance_s(90);
        let (older, current) = (totp(&secret, post.now_ms() - 30_000), totp(&secret, post.now_ms()));
        let tried = async |code: &str| {
            let mut browser = Browser::default();
            let page = asked_for_a_code(&post.world, &mut browser).await;
            browser.submit(&post.world, &page, &[("code", code)], "continue").await
        };
        assert!(tried(&current).await.has_code());
        for code in [&current, &older] {
            let refused = tried(code).await;
            assert_eq!((refused.status, refused.problem().contains("used before"), refused.location), (200, true, None));
        }
        assert_eq!(post.world.audited("totp_refused").await, 2);
        post.world.advance_s(30);
        assert!(tried(&totp(&secret, post.now_ms())).await.has_code());
        post.world.stop().await;
    })
    .await;
}

/// Recovery codes can be kept without a script: one tap selects them all, and a link saves exactly them.
#[tokio::test(flavor = "multi_thread")]
async fn recovery_codes_can_be_saved_without_a_script() {
    on_every_engine(|post| async move {
        let mut browser = Browser::default();
        post.account(&mut browser).await;
        let account = browser.visit(&post.world, "/account").await;
        let page = browser.submit(&post.world, &account, &[], "enrol_totp").await;
        let secret = page.codes().remove(0);
        let page = browser.submit(&post.world, &page, &[("code", &totp(&secret, post.now_ms()))], "continue").await;
        let saved = page.html.split("data:text/plain;charset=utf-8,").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let saved: Vec<&str> = saved.split("%0A").filter(|line| !line.is_empty()).collect();
        assert_eq!((saved.len(), saved), (10, page.codes().iter().map(String::as_str).collect()));
        assert!(!page.html.contains("<script"), "{}", page.html);
        post.world.stop().await;
    })
    .await;
}

/// W-53: the secret stays the same through wrong codes and reloads, until it is confirmed or left. Whoever has an authenticator cannot lose it by
/// beginning with another one: that needs the old one removed. A phone opens its authenticator by a link.
#[tokio::test(flavor = "multi_thread")]
async fn a_set_up_that_is_left_changes_nothing() {
    on_every_engine(|post| async move {
        let mut browser = Browser::default();
        post.account(&mut browser).await;
        let enrolling = async |browser: &mut Browser| {
            let account = browser.visit(&post.world, "/account").await;
            browser.submit(&post.world, &account, &[], "enrol_totp").await
        };
        let page = enrolling(&mut browser).await;
        let left = page.codes().remove(0);
        assert!(page.html.contains("id=\"otpauth\" href=\"otpauth:"), "{}", page.html);
        let sent = browser.submit_raw(&post.world, &page, &[("code", "000000")], "continue").await;
        for _ in 0..3 {
            let page = browser.get(&post.world, sent.location.as_deref().unwrap()).await;
            assert_eq!((page.problem().contains("not right"), page.codes().remove(0)), (true, left.clone()), "{}", page.html);
        }
        let fresh = Browser::default().sign_in(&post.world, &Ask::native("openid"), "alice").await;
        assert!(fresh.contains_key("code"), "what was left asks for nothing: {fresh:?}");
        let page = enrolling(&mut browser).await;
        let secret = page.codes().remove(0);
        assert_ne!(secret, left, "another set-up");
        let page = browser.submit(&post.world, &page, &[("code", &totp(&secret, post.now_ms()))], "continue").await;
        assert_eq!(page.codes().len(), 10, "W-59: {}", page.html);
        assert_eq!(browser.submit(&post.world, &page, &[], "continue").await.status, 303);
        // With one there is no button for another, and a form that was made up does nothing.
        let account = browser.visit(&post.world, "/account").await;
        assert!(account.action("remove_totp") && !account.action("enrol_totp"), "{:?}", account.actions());
        let nothing = browser.submit(&post.world, &account, &[], "enrol_totp").await;
        assert!(nothing.location.is_some_and(|it| it.ends_with("/account")), "{}", nothing.html);
        for (tried, is_good) in [(&left, false), (&secret, true)] {
            post.world.advance_s(60);
            let mut fresh = Browser::default();
            let page = asked_for_a_code(&post.world, &mut fresh).await;
            let done = fresh.submit(&post.world, &page, &[("code", &totp(tried, post.now_ms()))], "continue").await;
            assert_eq!(done.has_code(), is_good, "{}", done.html);
        }
        post.world.stop().await;
    })
    .await;
}

/// 361-Z, 362-Z: a session that proved a password and no more cannot add, remove or renew a factor of somebody who has one, nor
/// change password or address: it is asked for the factor first. With the factor it may.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_alone_changes_no_factor() {
    on_every_engine(|post| async move {
        let mut weak = Browser::default();
        post.account(&mut weak).await;
        let (secret, _) = post.enrol(&mut Browser::default()).await;
        for wish in ["enrol_totp", "remove_totp", "recovery_codes", "change_password", "change_email"] {
            let account = weak.visit(&post.world, "/account").await;
            let page = weak.submit(&post.world, &account, &[], wish).await;
            assert!(page.status == 200 && page.asks_for("code") && page.codes().is_empty(), "{wish}: {}", page.html);
            let guess = [("code", "000000"), ("new_password", "x"), ("email", "alice@evil.example.com")];
            let refused = weak.submit(&post.world, &page, &guess, "continue").await;
            assert_eq!((refused.status, refused.problem().contains("not right"), refused.location), (200, true, None), "{wish}");
        }
        for (event, times) in
            [("totp_enrolled", 1), ("recovery_codes_made", 1), ("totp_removed", 0), ("password_changed", 0), ("totp_refused", 5)]
        {
            assert_eq!(post.world.audited(event).await, times, "{event}");
        }
        post.world.advance_s(60);
        let account = weak.visit(&post.world, "/account").await;
        let page = weak.submit(&post.world, &account, &[], "remove_totp").await;
        let sure = weak.submit(&post.world, &page, &[("code", &totp(&secret, post.now_ms()))], "continue").await;
        assert_eq!((sure.kind(), post.world.audited("totp_removed").await), ("remove_totp", 0), "{}", sure.html);
        let done = weak.submit(&post.world, &sure, &[], "continue").await;
        assert!(done.location.is_some_and(|it| it.ends_with("/account")), "{}", done.html);
        assert_eq!(post.world.audited("totp_removed").await, 1);
        post.world.stop().await;
    })
    .await;
}

/// 370-Z: after "try another way" the answer to the former question answers nothing; neither does it beside the present one.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_question_that_is_asked_is_answered() {
    on_every_engine(|post| async move {
        let mut browser = Browser::default();
        let page = browser.open(&post.world, &Ask::native("openid")).await;
        let identify = browser.submit(&post.world, &page, &[], "use_email").await;
        let sent = browser.submit(&post.world, &identify, &RIGHT, "continue").await;
        assert!(sent.says("If there is an account"), "a password beside a name is none: {}", sent.html);
        let code = post.code("alice@example.com", 0).await;
        let both = [("email_code", code.as_str()), ("username", "alice"), ("password", "")];
        // A page of before answers nothing: the present question is shown.
        let before = browser.submit(&post.world, &page, &both, "continue").await;
        assert_eq!((before.status, before.kind(), before.location), (200, "email_code", None), "{}", before.html);
        let beside = browser.submit(&post.world, &sent, &RIGHT, "continue").await;
        assert_eq!((beside.status, beside.problem().contains("code first"), &beside.location), (200, true, &None), "{}", beside.html);
        let mut other = browser.clone();
        let done = browser.submit(&post.world, &beside, &[("email_code", &code)], "continue").await;
        assert!(done.has_code(), "the question itself is answered by it: {}", done.html);
        let late = other.submit(&post.world, &beside, &[], "use_password").await;
        assert_eq!((late.status, late.location), (400, None), "the sign-in is over for the browser's older secret");
        // A code beside another question is none.
        let mut turned = Browser::default();
        let page = turned.open(&post.world, &Ask::native("openid")).await;
        let password = turned.submit(&post.world, &page, &[("email_code", &code), ("username", "alice")], "continue").await;
        assert_eq!((password.status, password.problem().contains("password first"), &password.location), (200, true, &None));
        let identify = turned.submit(&post.world, &password, &[], "use_email").await;
        let seen = post.seen();
        let asked = turned.submit(&post.world, &identify, &[("username", "alice")], "continue").await;
        let code = post.code("alice@example.com", seen).await;
        let password = turned.submit(&post.world, &asked, &[], "use_password").await;
        let stale = turned.submit(&post.world, &password, &[("email_code", &code)], "continue").await;
        assert_eq!((stale.status, stale.problem().contains("password first"), stale.location), (200, true, None));
        assert!(turned.submit(&post.world, &password, &RIGHT, "continue").await.location.is_none(), "a page of before");
        let page = turned.open(&post.world, &Ask::native("openid")).await;
        assert!(turned.submit(&post.world, &page, &RIGHT, "continue").await.has_code(), "the twin");
        // Where both are asked for, the first one twice is not the second.
        let mut other = Browser::default();
        let seen = post.seen();
        let page = other.open(&post.world, &Ask::native("openid").with("acr_values", "urn:strong")).await;
        let sent = other.submit(&post.world, &page, &RIGHT, "continue").await;
        let code = post.code("alice@example.com", seen).await;
        let again = other.submit(&post.world, &sent, &RIGHT, "use_password").await;
        assert_eq!((again.kind(), &again.location), ("email_code", &None), "there is no way around the code: {}", again.html);
        let again = other.submit(&post.world, &again, &[RIGHT[0], RIGHT[1], ("email_code", &code)], "continue").await;
        assert!(again.has_code(), "the second proof is the code: {}", again.html);
        post.world.stop().await;
    })
    .await;
}

/// 347-L: a sign-in that waits for its second factor is none: the account page asks who it is, and no app gets a code.
#[tokio::test(flavor = "multi_thread")]
async fn a_half_proved_sign_in_opens_nothing() {
    on_every_engine(|post| async move {
        let (secret, _) = post.enrol(&mut Browser::default()).await;
        post.world.advance_s(60);
        let silent = Ask::native("openid").with("prompt", "none");
        let mut browser = Browser::default();
        let page = asked_for_a_code(&post.world, &mut browser).await;
        let account = browser.visit(&post.world, "/account").await;
        assert!(account.asks_for("password") && !account.says("alice@example.com"), "{}", account.html);
        assert_eq!(browser.open(&post.world, &silent).await.error().as_deref(), Some("login_required"));
        let done = browser.submit(&post.world, &page, &[("code", &totp(&secret, post.now_ms()))], "continue").await;
        assert!(done.has_code(), "{}", done.html);
        assert!(browser.visit(&post.world, "/account").await.says("alice@example.com"), "the twin");
        assert!(browser.open(&post.world, &silent).await.has_code(), "the twin");
        post.world.stop().await;
    })
    .await;
}
