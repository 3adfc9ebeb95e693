//! A passkey page that stands open: several tabs, slow hands, a failed try. Area W of the complaints.

use crate::passkeys::{reason, refused};
use crate::world::app_passkeys::{Hand, options as options_of_step, refused as refused_in_app, with_app};
use crate::world::native::*;
use crate::world::passkeys::{Keys, on_every_engine, operation, options};
use crate::world::*;
use symbolon_phone::authenticator::{Authenticator, NotDone};

/// The page on which alice makes a passkey, after her password.
async fn making(keys: &Keys, browser: &mut Browser) -> Page {
    let page = browser.visit(&keys.world, "/account").await;
    assert_eq!(browser.submit_password(&keys.world, &page, "alice", PASSWORD).await.status, 303);
    let account = browser.visit(&keys.world, "/account").await;
    browser.submit(&keys.world, &account, &[], "add_passkey").await
}

/// W-25: two tabs, and the older one finishes. What the browser fetches meanwhile voids nothing. Another try is as good as the first one, and
/// an answer to the other tab's challenge is none.
#[tokio::test(flavor = "multi_thread")]
async fn the_older_of_two_tabs_finishes() {
    on_every_engine("", |keys| async move {
        let (mut browser, mut phone) = (Browser::default(), Authenticator::default());
        keys.add(&mut Browser::default(), &mut phone, "alice").await;
        let (older, newer) = (keys.open(&mut browser).await, keys.open(&mut browser).await);
        let challenge = |page: &Page| options(page)["challenge"].clone();
        assert_ne!(challenge(&older), challenge(&newer));
        let crossed = phone.get(&options(&newer), &keys.origin).unwrap();
        let sent = browser.submit_raw(&keys.world, &older, &[("passkey", &crossed.to_string())], "passkey").await;
        let address = sent.location.unwrap();
        let retry = browser.get(&keys.world, &address).await;
        refused(&retry, "does not work here any more");
        assert!(reason(&keys).await.contains("challenge"), "{}", reason(&keys).await);
        for _ in 0..3 {
            keys.open(&mut browser).await;
            assert_eq!(challenge(&browser.get(&keys.world, &address).await), challenge(&retry), "the page once more");
        }
        let again = keys.fail(&mut browser, &retry, NotDone::NoPasskey).await;
        let retry = keys.answer(&mut browser, &again, &crossed).await;
        refused(&retry, "does not work here any more");
        assert!(keys.use_it(&mut browser, &retry, &mut phone).await.has_code(), "the older tab");
        assert!(keys.use_it(&mut browser, &newer, &mut phone).await.has_code(), "the newer tab");
        keys.world.stop().await;
    })
    .await;
}

/// W-26: after a passkey that is unknown here the same page says so and offers passkeys again, by the field and by the button.
#[tokio::test(flavor = "multi_thread")]
async fn after_an_unknown_passkey_the_offer_stands_again() {
    on_every_engine("", |keys| async move {
        let (mut phone, mut gone) = (Authenticator::default(), Authenticator::default());
        let mut browser = Browser::default();
        let page = making(&keys, &mut browser).await;
        // It was made as well, and the server never heard of it.
        gone.create(&options(&page), &keys.origin).unwrap();
        assert_eq!(keys.make(&mut browser, &page, &mut phone).await.status, 303);
        keys.world.confirm("alice").await;
        let mut browser = Browser::default();
        let mut page = keys.open(&mut browser).await;
        for _ in 0..3 {
            page = keys.use_it(&mut browser, &page, &mut gone).await;
            refused(&page, "does not work here any more");
            assert_eq!(operation(&page)["mediation"], "conditional", "{}", page.html);
            assert!(page.action("passkey") && page.html.contains("autocomplete=\"username webauthn\""), "{}", page.html);
        }
        assert!(keys.use_it(&mut browser, &page, &mut phone).await.has_code(), "the twin");
        keys.world.stop().await;
    })
    .await;
}

/// W-32: the platform may wait for more than five minutes. An answer at the last second counts, also after ten more seconds of network.
/// W-60: so does the proof with which a change began. The twin is a page that is too old.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_at_the_last_second_counts() {
    on_every_engine("", |keys| async move {
        let (mut browser, mut phone) = (Browser::default(), Authenticator::default());
        let page = making(&keys, &mut browser).await;
        let last_s = |timeout: &serde_json::Value| {
            let timeout_ms = timeout.as_i64().unwrap();
            assert!(timeout_ms >= 300_000, "{timeout_ms}");
            timeout_ms / 1000 + 10
        };
        let made = phone.create(&options(&page), &keys.origin).unwrap();
        keys.world.advance_s(last_s(&options(&page)["timeout"]));
        let done = keys.answer(&mut browser, &page, &made).await;
        assert_eq!(done.status, 303, "{}", done.html);
        keys.world.confirm("alice").await;
        let mut fresh = Browser::default();
        let page = keys.open(&mut fresh).await;
        let used = phone.get(&options(&page), &keys.origin).unwrap();
        keys.world.advance_s(last_s(&options(&page)["timeout"]));
        assert!(keys.answer(&mut fresh, &page, &used).await.has_code());
        let mut late = Browser::default();
        let page = keys.open(&mut late).await;
        let used = phone.get(&options(&page), &keys.origin).unwrap();
        keys.world.advance_s(31 * 60);
        let over = keys.answer(&mut late, &page, &used).await;
        assert_eq!((over.status, over.location), (400, None), "half an hour is over: {}", over.html);
        keys.world.stop().await;
    })
    .await;
    let scene = Screens::with(Engine::Sqlite, with_app).await;
    let mut hand = Hand::of(&scene, Authenticator::default());
    hand.add("alice").await;
    let step = hand.phone.begin().await;
    let used = hand.used(&step);
    let timeout_ms = options_of_step(&step)["timeout"].as_i64().unwrap();
    assert!(timeout_ms >= 300_000, "{timeout_ms}");
    scene.world.advance_s(timeout_ms / 1000 + 10);
    assert_eq!(hand.send(&step, &used).await.status, 200);
    scene.world.stop().await;
}

/// W-25: an app may begin a second sign-in while the first one waits for the person.
#[tokio::test(flavor = "multi_thread")]
async fn the_older_of_two_native_sign_ins_finishes() {
    let scene = Screens::with(Engine::Sqlite, with_app).await;
    let mut hand = Hand::of(&scene, Authenticator::default());
    hand.add("alice").await;
    let (older, newer) = (hand.phone.begin().await, hand.phone.begin().await);
    let crossed = hand.used(&newer);
    let retry = hand.send(&older, &crossed).await;
    refused_in_app(&retry, "passkey_unknown");
    assert_eq!(hand.use_it(&retry).await.status, 200);
    assert_eq!(hand.use_it(&newer).await.status, 200);
    scene.world.stop().await;
}

/// W-60: a try that fails leaves the page and its proof as they are. The name stands on the account page: prefilled, at most 64
/// characters, and no markup.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_try_keeps_the_proof_and_the_name_is_on_the_page() {
    on_every_engine("", |keys| async move {
        let (mut browser, mut phone) = (Browser::default(), Authenticator::default());
        let mut page = making(&keys, &mut browser).await;
        for why in [NotDone::NotPossibleHere, NotDone::AlreadyThere] {
            keys.world.advance_s(240);
            page = keys.fail(&mut browser, &page, why).await;
            assert!(!page.asks_for("password") && operation(&page)["name"] == "passkey_create", "{}", page.html);
        }
        let foreign = Authenticator::default().create(&options(&page), "https://evil.example").unwrap();
        keys.world.advance_s(240);
        let page = keys.answer(&mut browser, &page, &foreign).await;
        refused(&page, "could not be added");
        assert_eq!(keys.make(&mut browser, &page, &mut phone).await.status, 303, "the same proof");
        let account = browser.visit(&keys.world, "/account").await;
        assert!(account.html.contains("value=\"Google Password Manager\""), "{}", account.html);
        let rename = account.actions().into_iter().find(|action| action.starts_with("rename_passkey:")).unwrap();
        let field = rename.replace("rename_passkey:", "name_");
        for (typed, kept) in [("é".repeat(70), "é".repeat(64)), ("\"><script>alert(1)".to_owned(), "\"><script>alert(1)".to_owned())] {
            let account = browser.visit(&keys.world, "/account").await;
            assert_eq!(browser.submit(&keys.world, &account, &[(&field, &typed)], &rename).await.status, 303);
            let account = browser.visit(&keys.world, "/account").await;
            let shown = account.html.split(&format!("name=\"{field}\" maxlength=\"64\" value=\"")).nth(1).unwrap();
            let shown = shown.split('"').next().unwrap().replace("&quot;", "\"").replace("&gt;", ">").replace("&lt;", "<");
            assert_eq!(shown, kept);
            assert!(!account.html.contains("<script>alert"), "{}", account.html);
        }
        let account = browser.visit(&keys.world, "/account").await;
        assert_eq!(browser.submit(&keys.world, &account, &[(&field, " ")], &rename).await.status, 400);
        keys.world.stop().await;
    })
    .await;
}
