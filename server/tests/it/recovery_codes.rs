//! A recovery code is asked for where it leads on. Else each try would spend one.

use crate::commands::told;
use crate::world::mail::NEW_PASSWORD;
use crate::world::passkeys::{Keys, on_every_engine};
use crate::world::{Ask, Browser, PASSWORD, Page, totp};
use symbolon::store::{Change, Expect};
use symbolon_phone::authenticator::{Authenticator, USER_PRESENT};

const CHOSEN: [(&str, &str); 2] = [("new_password", NEW_PASSWORD), ("new_password_again", NEW_PASSWORD)];

fn now_ms(keys: &Keys) -> i64 {
    keys.world.running.shared.now().now_ms()
}

/// Alice adds an authenticator and keeps her codes: its secret, and the codes.
async fn enrol(keys: &Keys) -> (String, Vec<String>) {
    let mut browser = Browser::default();
    let page = browser.visit(&keys.world, "/account").await;
    browser.submit_password(&keys.world, &page, "alice", PASSWORD).await;
    let account = browser.visit(&keys.world, "/account").await;
    let page = browser.submit(&keys.world, &account, &[], "enrol_totp").await;
    let secret = page.codes().remove(0);
    let page = browser.submit(&keys.world, &page, &[("code", &totp(&secret, now_ms(keys)))], "continue").await;
    let codes = page.codes();
    assert_eq!(browser.submit(&keys.world, &page, &[], "continue").await.status, 303, "{}", page.html);
    keys.world.confirm("alice").await;
    keys.world.advance_s(60);
    (secret, codes)
}

async fn reset(keys: &Keys, browser: &mut Browser) -> Page {
    let seen = keys.mailbox.letters().len();
    let page = browser.visit(&keys.world, "/reset").await;
    let page = browser.submit(&keys.world, &page, &[("username", "alice")], "continue").await;
    let code = keys.mailbox.wait_for_code("alice@example.com", seen).await.unwrap();
    browser.submit(&keys.world, &page, &[("email_code", &code)], "continue").await
}

/// W-59: "Forgot your password?" of a person with authenticator, passkey and codes. A code does not take the authenticator's place beside a
/// passkey, so none is asked for and none is spent. Without the passkey it does.
#[tokio::test(flavor = "multi_thread")]
async fn a_reset_asks_for_a_code_where_it_leads_on() {
    on_every_engine("", |keys| async move {
        let mut phone = Authenticator::default();
        keys.add(&mut Browser::default(), &mut phone, "alice").await;
        let (secret, codes) = enrol(&keys).await;
        let mut browser = Browser::default();
        let page = reset(&keys, &mut browser).await;
        assert!(page.asks_for("code") && !page.action("use_recovery"), "{}", page.html);
        let forged = browser.submit(&keys.world, &page, &[("recovery_code", &codes[0])], "use_recovery").await;
        assert!(forged.asks_for("code") && !forged.asks_for("recovery_code"), "{}", forged.html);
        assert_eq!(keys.world.audited("recovery_code_used").await, 0);
        let page = browser.submit(&keys.world, &forged, &[("code", &totp(&secret, now_ms(&keys)))], "continue").await;
        let page = keys.use_it(&mut browser, &page, &mut phone).await;
        assert!(page.asks_for("new_password"), "the twin, with all that is asked for: {}", page.html);
        assert_eq!(browser.submit(&keys.world, &page, &CHOSEN, "continue").await.status, 303);
        let app = keys.world.running.shared.now();
        let mut change = Change::new(app.now_ms());
        change.run_expecting("DELETE FROM passkey", Vec::new(), Expect::Any);
        app.store.apply(change).await.unwrap();
        let mut browser = Browser::default();
        let page = reset(&keys, &mut browser).await;
        let page = browser.submit(&keys.world, &page, &[], "use_recovery").await;
        let page = browser.submit(&keys.world, &page, &[("recovery_code", &codes[0])], "continue").await;
        assert!(page.asks_for("new_password"), "the twin, without a passkey: {}", page.html);
        assert_eq!(keys.world.audited("recovery_code_used").await, 1);
        keys.world.stop().await;
    })
    .await;
}

/// W-29, W-59: behind a passkey that did not verify the person, the authenticator is asked for, and no code does instead. Behind the password
/// one does, and it is asked for once.
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_asks_for_a_code_once() {
    on_every_engine("", |keys| async move {
        let mut phone = Authenticator::security_key();
        phone.flags = USER_PRESENT;
        keys.add(&mut Browser::default(), &mut phone, "alice").await;
        let (secret, codes) = enrol(&keys).await;
        let ask = Ask::native("openid").with("acr_values", "urn:passkey");
        let mut browser = Browser::default();
        let page = browser.open(&keys.world, &ask).await;
        let page = keys.use_it(&mut browser, &page, &mut phone).await;
        assert!(page.asks_for("code") && !page.action("use_recovery"), "{}", page.html);
        let done = browser.submit(&keys.world, &page, &[("code", &totp(&secret, now_ms(&keys)))], "continue").await;
        assert!(done.has_code(), "the twin: {}", done.html);
        let mut browser = Browser::default();
        let page = browser.open(&keys.world, &ask).await;
        let page = browser.submit(&keys.world, &page, &[("username", "alice")], "use_password").await;
        let page = browser.submit_password(&keys.world, &page, "alice", PASSWORD).await;
        assert!(page.asks_for("code"), "{}", page.html);
        let page = browser.submit(&keys.world, &page, &[], "use_recovery").await;
        let done = browser.submit(&keys.world, &page, &[("recovery_code", &codes[0])], "continue").await;
        assert!(done.has_code(), "{}", done.html);
        assert_eq!(keys.world.audited("recovery_code_used").await, 1);
        keys.world.stop().await;
    })
    .await;
}

/// Whoever is asked anew may be another person, also by a passkey. Where the request insists on a person, nobody else gets a code.
#[tokio::test(flavor = "multi_thread")]
async fn another_persons_passkey_answers_after_an_old_session() {
    on_every_engine("", |keys| async move {
        keys.world.person("bob").await;
        let (mut alices, mut bobs) = (Authenticator::default(), Authenticator::default());
        keys.add(&mut Browser::default(), &mut alices, "alice").await;
        keys.add(&mut Browser::default(), &mut bobs, "bob").await;
        for (hand, name) in [(&mut bobs, "bob"), (&mut alices, "alice")] {
            let tokens = keys.world.tokens("openid").await;
            let mut browser = Browser::default();
            browser.sign_in(&keys.world, &Ask::native("openid"), "alice").await;
            let ask = Ask::native("openid").with("prompt", "login").with("id_token_hint", tokens["id_token"].as_str().unwrap());
            let page = browser.open(&keys.world, &ask).await;
            let page = browser.submit(&keys.world, &page, &[], "use_passkey").await;
            let done = keys.use_it(&mut browser, &page, hand).await;
            assert_eq!(done.has_code(), name == "alice", "id_token_hint: {}", done.html);
            let mut browser = Browser::default();
            browser.sign_in(&keys.world, &Ask::native("openid"), "alice").await;
            let page = browser.open(&keys.world, &Ask::native("openid").with("prompt", "login")).await;
            let page = browser.submit(&keys.world, &page, &[], "use_passkey").await;
            let done = keys.use_it(&mut browser, &page, hand).await;
            assert!(done.has_code(), "{name}: {}", done.html);
            let account = browser.visit(&keys.world, "/account").await;
            assert!(account.says(&format!("{name}@example.com")), "{name}: {}", account.html);
        }
        keys.world.stop().await;
    })
    .await;
}

/// New codes in place of the old ones are told, though the authenticator was proved. The first ones came with the authenticator's letter.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_hears_of_new_codes() {
    on_every_engine("", |keys| async move {
        let (secret, _) = enrol(&keys).await;
        let about =
            || keys.mailbox.letters().iter().filter(|letter| letter.subject().is_some_and(|it| it.contains("Your recovery codes"))).count();
        assert_eq!(about(), 0, "the first ones");
        let mut browser = Browser::default();
        let page = browser.visit(&keys.world, "/account").await;
        let page = browser.submit_password(&keys.world, &page, "alice", PASSWORD).await;
        let page = if page.asks_for("code") { page } else { browser.visit(&keys.world, "/account").await };
        let page = if page.asks_for("code") { page } else { browser.submit(&keys.world, &page, &[], "recovery_codes").await };
        let page = browser.submit(&keys.world, &page, &[("code", &totp(&secret, now_ms(&keys)))], "continue").await;
        let page = if page.codes().len() == 10 {
            page
        } else {
            let account = browser.visit(&keys.world, "/account").await;
            browser.submit(&keys.world, &account, &[], "recovery_codes").await
        };
        assert_eq!(page.codes().len(), 10, "{}", page.html);
        let seen = keys.mailbox.letters().len();
        assert_eq!(browser.submit(&keys.world, &page, &[], "continue").await.status, 303);
        // An earlier letter may come meanwhile.
        let mut after = seen;
        while about() == 0 {
            keys.mailbox.wait("alice@example.com", after).await.unwrap();
            after += 1;
        }
        assert_eq!((about(), keys.world.audited("recovery_codes_made").await), (1, 2));
        keys.world.stop().await;
    })
    .await;
}

/// W-59: codes go with the last of what they were made with. A passkey that comes later does not wake them up.
#[tokio::test(flavor = "multi_thread")]
async fn codes_go_with_the_last_of_what_they_came_with() {
    on_every_engine("", |keys| async move {
        let kept = async || {
            let store = keys.world.running.shared.now().store.clone();
            let rows =
                store.all("SELECT DISTINCT kind FROM credential WHERE kind IN ('recovery', 'totp') ORDER BY kind", &[]).await.unwrap();
            rows.iter().map(|row| row.text("kind").unwrap().to_owned()).collect::<Vec<_>>()
        };
        keys.add(&mut Browser::default(), &mut Authenticator::default(), "alice").await;
        enrol(&keys).await;
        let (is_done, said) = told(&keys.world, &["user", "remove-passkey", "alice", "--all"]).await;
        assert!(is_done, "{said}");
        assert_eq!(kept().await, ["recovery", "totp"], "the twin: the authenticator is left");
        let app = keys.world.running.shared.now();
        let mut change = Change::new(app.now_ms());
        change.run_expecting("DELETE FROM credential WHERE kind = 'totp'", Vec::new(), Expect::Any);
        app.store.apply(change).await.unwrap();
        keys.add(&mut Browser::default(), &mut Authenticator::default(), "alice").await;
        let (is_done, said) = told(&keys.world, &["user", "remove-passkey", "alice", "--all"]).await;
        assert!(is_done, "{said}");
        assert!(kept().await.is_empty(), "{:?}", kept().await);
        keys.world.stop().await;
    })
    .await;
}
