//! After the RP ID was changed: passkeys of before are in lists, and nowhere else. Nobody is locked out because of them.

use crate::world::mail::NEW_PASSWORD;
use crate::world::passkeys::{Keys, on_every_engine, operation};
use crate::world::{Ask, Browser, PASSWORD, Page, totp};
use symbolon::store::{Change, Expect};
use symbolon_phone::authenticator::Authenticator;

const BOTH: &str = "[login.both]\nrequire = [\"password + passkey\"]\nacr = \"urn:both\"";
const NEW: [(&str, &str); 2] = [("new_password", NEW_PASSWORD), ("new_password_again", NEW_PASSWORD)];

/// All passkeys that there are now are of another RP ID.
async fn move_away(keys: &Keys) {
    let app = keys.world.running.shared.now();
    let mut change = Change::new(app.now_ms());
    change.run_expecting("UPDATE passkey SET rp_id = 'before.example'", Vec::new(), Expect::Any);
    app.store.apply(change).await.unwrap();
}

async fn count(keys: &Keys) -> i64 {
    let app = keys.world.running.shared.now();
    app.store.one("SELECT count(*) AS count FROM passkey", &[]).await.unwrap().unwrap().int("count").unwrap()
}

/// The page behind the password, where the policy wants a passkey too.
async fn after_password(keys: &Keys, browser: &mut Browser) -> Page {
    let page = browser.open(&keys.world, &Ask::native("openid").with("acr_values", "urn:both")).await;
    browser.submit_password(&keys.world, &page, "alice", PASSWORD).await
}

/// The page behind a code by e-mail, at "Forgot your password?".
async fn after_reset_code(keys: &Keys, browser: &mut Browser, name: &str, address: &str) -> Page {
    let seen = keys.mailbox.letters().len();
    let page = browser.visit(&keys.world, "/reset").await;
    let page = browser.submit(&keys.world, &page, &[("username", name)], "continue").await;
    let code = keys.mailbox.wait_for_code(address, seen).await.unwrap();
    browser.submit(&keys.world, &page, &[("email_code", &code)], "continue").await
}

/// Where the policy wants a passkey, the person makes another one. It waits to be confirmed, as every new means does.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_old_passkeys_makes_a_new_one() {
    on_every_engine(BOTH, |keys| async move {
        let (mut old, mut new) = (Authenticator::default(), Authenticator::default());
        keys.add(&mut Browser::default(), &mut old, "alice").await;
        let page = after_password(&keys, &mut Browser::default()).await;
        assert_eq!(operation(&page)["name"], "passkey_get", "the twin: {}", page.html);
        move_away(&keys).await;
        let mut browser = Browser::default();
        let page = after_password(&keys, &mut browser).await;
        assert_eq!((page.status, operation(&page)["name"].as_str()), (200, Some("passkey_create")), "{}", page.html);
        assert_eq!(operation(&page)["options"]["excludeCredentials"], serde_json::json!([]));
        let waits = keys.make(&mut browser, &page, &mut new).await;
        assert_eq!((waits.status, waits.kind()), (200, "waits"), "{}", waits.html);
        assert!(keys.world.confirm("alice").await);
        assert!(browser.submit(&keys.world, &waits, &[], "continue").await.has_code());
        // The old one is listed, and goes.
        let account = browser.visit(&keys.world, "/account").await;
        let rows: Vec<String> = account.actions().into_iter().filter(|action| action.starts_with("remove_passkey:")).collect();
        assert!(rows.len() == 2 && account.says("of another address of this server"), "{}", account.html);
        let old_id = symbolon::login::passkeys::public_id(&symbolon_oauth::base64url::encode(&old.ids()[0]));
        let page = browser.submit(&keys.world, &account, &[], &format!("remove_passkey:{old_id}")).await;
        assert_eq!(browser.submit(&keys.world, &page, &[], "remove").await.status, 303, "{}", page.html);
        assert_eq!((count(&keys).await, keys.world.audited("passkey_removed").await), (1, 1));
        keys.world.stop().await;
    })
    .await;
}

/// A reset asks for no passkey that nobody can use. Who has nothing else makes one by it, which waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_reset_asks_for_no_old_passkey() {
    on_every_engine("[login.default]\nrequire = [\"passkey\", \"password\"]", |keys| async move {
        let (mut old, mut noras, mut new) = (Authenticator::default(), Authenticator::default(), Authenticator::default());
        crate::passkeys::sign_up(&keys, &mut Browser::default(), &mut noras, "nora@example.com").await;
        keys.world.reload(|it| it.set("login.default.require", vec!["password", "passkey"])).await;
        keys.add(&mut Browser::default(), &mut old, "alice").await;
        let page = after_reset_code(&keys, &mut Browser::default(), "alice", "alice@example.com").await;
        assert_eq!(operation(&page)["name"], "passkey_get", "the twin: {}", page.html);
        move_away(&keys).await;
        let mut browser = Browser::default();
        let page = after_reset_code(&keys, &mut browser, "alice", "alice@example.com").await;
        assert!(page.status == 200 && page.asks_for("new_password"), "{}", page.html);
        assert_eq!(browser.submit(&keys.world, &page, &NEW, "continue").await.status, 303);
        let mut browser = Browser::default();
        let page = after_reset_code(&keys, &mut browser, "nora@example.com", "nora@example.com").await;
        assert_eq!((page.status, operation(&page)["name"].as_str()), (200, Some("passkey_create")), "{}", page.html);
        let waits = keys.make(&mut browser, &page, &mut new).await;
        assert_eq!((waits.status, waits.kind()), (200, "waits"), "a mailbox alone is no passkey: {}", waits.html);
        assert!(keys.world.confirm("nora@example.com").await);
        assert_eq!(browser.submit(&keys.world, &waits, &[], "continue").await.status, 303);
        keys.world.stop().await;
    })
    .await;
}

/// Who begins anew loses the old ones too: the RP ID may come back. What was proved with one stands in the session that it opened.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_begins_anew_leaves_no_old_passkey() {
    on_every_engine("", |keys| async move {
        let world = &keys.world;
        let (mut old, mut browser) = (Authenticator::default(), Browser::default());
        keys.add(&mut browser, &mut old, "alice").await;
        let account = browser.visit(world, "/account").await;
        let page = browser.submit(world, &account, &[], "enrol_totp").await;
        let secret = page.codes().remove(0);
        let page = browser.submit(world, &page, &[("code", &totp(&secret, world.running.shared.now().now_ms()))], "continue").await;
        assert_eq!(browser.submit(world, &page, &[], "continue").await.status, 303);
        world.confirm("alice").await;
        let mut inside = Browser::default();
        let page = keys.open(&mut inside).await;
        assert!(keys.use_it(&mut inside, &page, &mut old).await.has_code());
        move_away(&keys).await;
        assert!(keys.open(&mut inside).await.has_code(), "signed in still");
        let mut browser = Browser::default();
        let page = after_reset_code(&keys, &mut browser, "alice", "alice@example.com").await;
        assert!(page.asks_for("code"), "{}", page.html);
        let page = browser.submit(world, &page, &[], "regain").await;
        let page = browser.submit(world, &page, &[], "use_ticket").await;
        let page = browser.submit(world, &page, &[("ticket", &world.ticket("alice").await)], "continue").await;
        assert_eq!(count(&keys).await, 1);
        assert_eq!(browser.submit(world, &page, &NEW, "continue").await.status, 303, "{}", page.html);
        assert_eq!((count(&keys).await, world.audited("passkey_removed").await), (0, 1));
        assert!(!keys.open(&mut inside).await.has_code(), "and its session is over");
        keys.world.stop().await;
    })
    .await;
}
