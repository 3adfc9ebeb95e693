//! Passkeys on our pages: made, used with and without a name, refused, removed. Area W, as far as the server decides it.

use crate::world::passkeys::{Keys, on_every_engine, operation, options};
use crate::world::{Ask, Browser, PASSWORD, Page, totp};
use serde_json::{Value as Json, json};
use symbolon_oauth::base64url;
use symbolon_phone::authenticator::{Authenticator, BACKED_UP, BACKUP_ELIGIBLE, NotDone, USER_PRESENT, USER_VERIFIED};

/// A refusal on the page: the words of its problem, and no way on.
pub fn refused(page: &Page, words: &str) {
    assert_eq!((page.status, page.location.is_none()), (200, true), "{}", page.html);
    assert!(page.problem().contains(words), "{words}: {}", page.problem());
}

/// What the audit says of the last refusal.
pub async fn reason(keys: &Keys) -> String {
    let entry = keys.world.entries("passkey_refused").await.pop().unwrap();
    entry["reason"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_made_and_signs_in_with_and_without_a_name() {
    on_every_engine("", |keys| async move {
        let (mut phone, mut found) = (Authenticator::found_by_id(), Authenticator::default());
        let mut own = Browser::default();
        keys.add(&mut own, &mut phone, "alice").await;
        keys.add(&mut own, &mut found, "alice").await;
        let letter = keys.mailbox.wait("alice@example.com", 0).await.unwrap();
        assert!(letter.subject().is_some_and(|it| it.contains("A passkey was added")), "{}", letter.text);

        // Without a name: the platform offers what it has.
        let mut browser = Browser::default();
        let page = keys.open(&mut browser).await;
        let asked = operation(&page);
        assert_eq!((asked["name"].as_str(), asked["mediation"].as_str()), (Some("passkey_get"), Some("conditional")));
        assert_eq!((&asked["options"]["allowCredentials"], asked["options"]["rpId"].as_str()), (&json!([]), Some("127.0.0.1")));
        assert!(page.html.contains("autocomplete=\"username webauthn\""), "{}", page.html);
        assert_eq!(phone.get(&options(&page), &keys.origin), Err(NotDone::NoPasskey), "it is found by its id alone");
        let done = keys.use_it(&mut browser, &page, &mut found).await;
        assert!(done.has_code(), "{}", done.html);

        // After a name, with the credential's id.
        let mut browser = Browser::default();
        let page = keys.open(&mut browser).await;
        let page = browser.submit(&keys.world, &page, &[("username", "alice")], "security_key").await;
        let allowed = options(&page)["allowCredentials"].clone();
        assert_eq!(allowed[0]["id"], base64url::encode(&phone.ids()[0]), "{allowed}");
        assert_eq!(allowed[0]["transports"], json!(["hybrid", "internal"]), "a synced passkey is on the phone too");
        phone.tells_user_handle = false;
        let done = keys.use_it(&mut browser, &page, &mut phone).await;
        assert!(done.has_code(), "{}", done.html);

        let account = browser.visit(&keys.world, "/account").await;
        assert!(account.html.contains("value=\"Google Password Manager\"") && account.says("used 20"), "{}", account.html);
        keys.world.stop().await;
    })
    .await;
}

/// What a sign-in says: amr `pop`, and `mfa` only where the policy counts a verified passkey twice. W-15: without verification the second
/// factor is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_worth_what_the_policy_says() {
    on_every_engine("", |keys| async move {
        let mut phone = Authenticator::default();
        keys.add(&mut Browser::default(), &mut phone, "alice").await;
        let amr = async |phone: &mut Authenticator, acr: &str| {
            let (mut browser, ask) = (Browser::default(), Ask::native("openid").with("acr_values", acr));
            let page = browser.open(&keys.world, &ask).await;
            let done = keys.use_it(&mut browser, &page, phone).await;
            if !done.has_code() {
                return (done, Json::Null);
            }
            let (status, tokens) = keys.world.exchange(&done.parameters()["code"], &ask.verifier).await;
            assert_eq!(status, 200, "{tokens}");
            let claims = crate::world::claims(tokens["id_token"].as_str().unwrap());
            (done, json!([claims["amr"], claims["acr"]]))
        };
        assert_eq!(amr(&mut phone, "urn:passkey").await.1, json!([["pop"], "urn:passkey"]));
        assert_eq!(amr(&mut phone, "urn:two").await.1, json!([["pop", "mfa"], "urn:two"]));
        // 379-W: without user verification it is one factor, and the second one is asked for.
        phone.flags = USER_PRESENT;
        assert_eq!(amr(&mut phone, "urn:passkey").await.1, json!([["pop"], "urn:passkey"]));
        let (page, none) = amr(&mut phone, "urn:two").await;
        assert_eq!((none, page.asks_for("password"), page.status), (Json::Null, true, 200), "{}", page.html);
        keys.world.stop().await;
    })
    .await;
}

/// W-29: whoever has an authenticator is not asked for it after a passkey that verified the person, and is after one that did not.
#[tokio::test(flavor = "multi_thread")]
async fn a_verified_passkey_stands_for_the_second_factor() {
    on_every_engine("", |keys| async move {
        let (mut phone, mut browser) = (Authenticator::default(), Browser::default());
        keys.add(&mut browser, &mut phone, "alice").await;
        let account = browser.visit(&keys.world, "/account").await;
        let page = browser.submit(&keys.world, &account, &[], "enrol_totp").await;
        let secret = page.codes().remove(0);
        let now_ms = || keys.world.running.shared.now().now_ms();
        let page = browser.submit(&keys.world, &page, &[("code", &totp(&secret, now_ms()))], "continue").await;
        assert_eq!(browser.submit(&keys.world, &page, &[], "continue").await.status, 303);

        let mut fresh = Browser::default();
        let page = keys.open(&mut fresh).await;
        assert!(keys.use_it(&mut fresh, &page, &mut phone).await.has_code());
        phone.flags = USER_PRESENT;
        let mut fresh = Browser::default();
        let page = keys.open(&mut fresh).await;
        let asked = keys.use_it(&mut fresh, &page, &mut phone).await;
        assert!(asked.asks_for("code"), "{}", asked.html);
        keys.world.advance_s(60);
        let done = fresh.submit(&keys.world, &asked, &[("code", &totp(&secret, now_ms()))], "continue").await;
        assert!(done.has_code(), "{}", done.html);
        // 361-Z: an older passkey of the session is no second factor for a change now. The authenticator counts in full.
        assert!(keys.world.confirm("alice").await);
        keys.world.advance_s(600);
        let account = fresh.visit(&keys.world, "/account").await;
        let page = fresh.submit(&keys.world, &account, &[], "remove_totp").await;
        let page = fresh.submit(&keys.world, &page, &[("password", PASSWORD)], "continue").await;
        assert!(page.asks_for("code"), "{}", page.html);
        keys.world.stop().await;
    })
    .await;
}

/// W-18: the platform says why it did not do it. Each word has its text and costs nothing, and the page stands.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_platform_did_not_do_is_said_calmly() {
    on_every_engine("", |keys| async move {
        let mut phone = Authenticator::default();
        keys.add(&mut Browser::default(), &mut phone, "alice").await;
        let mut browser = Browser::default();
        let mut page = keys.open(&mut browser).await;
        for (why, words) in [
            (NotDone::NoPasskey, "no passkey for this server"),
            (NotDone::NotPossibleHere, "cannot use passkeys here"),
            (NotDone::AlreadyThere, "has a passkey for you already"),
        ] {
            page = keys.fail(&mut browser, &page, why).await;
            refused(&page, words);
        }
        for (field, words) in [("passkey_failure", "did not work out"), ("other", "JavaScript")] {
            page = browser.submit(&keys.world, &page, &[(field, "cancelled")], "passkey").await;
            refused(&page, words);
        }
        assert_eq!(keys.world.audited("passkey_refused").await, 0);
        assert!(keys.use_it(&mut browser, &page, &mut phone).await.has_code());
        keys.world.stop().await;
    })
    .await;
}

/// Removal: the last way in stays; a lost one ends every session; a removed one proves nothing any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_removed_passkey_is_gone() {
    on_every_engine("", |keys| async move {
        let (mut phone, mut key) = (Authenticator::default(), Authenticator::security_key());
        let mut browser = Browser::default();
        keys.add(&mut browser, &mut phone, "alice").await;
        keys.add(&mut browser, &mut key, "alice").await;
        let account = browser.visit(&keys.world, "/account").await;
        let rows: Vec<String> = account.actions().into_iter().filter(|action| action.starts_with("remove_passkey:")).collect();
        assert_eq!(rows.len(), 2, "{}", account.html);
        // Another name for the first one.
        let id = rows[0].split(':').nth(1).unwrap().to_owned();
        let renamed = (format!("name_{id}"), format!("rename_passkey:{id}"));
        let page = browser.submit(&keys.world, &account, &[(&renamed.0, " My <b>phone</b>\u{202e} ")], &renamed.1).await;
        assert_eq!(page.status, 303);
        let account = browser.visit(&keys.world, "/account").await;
        assert!(account.html.contains("My &lt;b&gt;phone") && !account.html.contains("<b>"), "396-W: {}", account.html);
        // The other one signs in elsewhere; it is lost.
        let mut thief = Browser::default();
        let page = keys.open(&mut thief).await;
        assert!(keys.use_it(&mut thief, &page, &mut key).await.has_code());
        assert!(thief.visit(&keys.world, "/account").await.says("Your account"));
        // Whoever removes one of several shows one of them: a password alone is less.
        let mut weak = Browser::default();
        let page = weak.visit(&keys.world, "/account").await;
        assert_eq!(weak.submit_password(&keys.world, &page, "alice", PASSWORD).await.status, 303);
        let page = weak.visit(&keys.world, "/account").await;
        let page = weak.submit(&keys.world, &page, &[], &rows[1]).await;
        assert!(page.title() == "Sign in with a passkey" && !page.action("remove_lost"), "{}", page.html);
        let forged = weak.submit(&keys.world, &page, &[], "remove_lost").await;
        assert_eq!((forged.status, keys.world.audited("passkey_removed").await), (200, 0), "{}", forged.html);
        assert_eq!(keys.use_it(&mut weak, &forged, &mut phone).await.title(), "Remove this passkey?");
        let asked = browser.submit(&keys.world, &account, &[], &rows[1]).await;
        assert_eq!(asked.title(), "Remove this passkey?", "{}", asked.html);
        let done = browser.submit(&keys.world, &asked, &[], "remove_lost").await;
        assert_eq!(done.status, 303, "{}", done.html);
        let page = thief.visit(&keys.world, "/account").await;
        assert!(page.asks_for("password"), "the session that it made is over: {}", page.html);
        refused(&keys.use_it(&mut thief, &page, &mut key).await, "does not work here any more");
        let page = keys.open(&mut thief).await;
        assert!(keys.use_it(&mut thief, &page, &mut phone).await.has_code(), "the twin: the one that stayed");
        // The platform is told what is left.
        let account = browser.visit(&keys.world, "/account").await;
        let signal = operation(&account);
        assert_eq!(signal["name"], "passkey_signal");
        assert_eq!(signal["options"]["allAcceptedCredentialIds"], json!([base64url::encode(&phone.ids()[0])]));
        key.forget_others(&signal["options"]);
        assert!(key.ids().is_empty());
        let letter = keys.mailbox.wait("alice@example.com", 2).await.unwrap();
        assert!(letter.subject().is_some_and(|it| it.contains("A passkey was removed")), "{}", letter.text);
        keys.world.stop().await;
    })
    .await;
}

/// 399-W, 362-Z, W-59: nobody removes a passkey on the strength of an old session, and nobody the last way in.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_way_in_stays() {
    on_every_engine("[login.default]\nrequire = [\"passkey\", \"password\"]", |keys| async move {
        let mut phone = Authenticator::default();
        let mut browser = Browser::default();
        sign_up(&keys, &mut browser, &mut phone, "nora@example.com").await;
        let account = browser.visit(&keys.world, "/account").await;
        let row = account.actions().into_iter().find(|action| action.starts_with("remove_passkey:")).unwrap();
        let asked = browser.submit(&keys.world, &account, &[], &row).await;
        assert!(asked.says("only way in that you have left") && !asked.action("remove"), "{}", asked.html);
        let forged = browser.submit(&keys.world, &asked, &[], "remove").await;
        assert_eq!((forged.status, keys.world.audited("passkey_removed").await), (200, 0), "{}", forged.html);
        let page = browser.submit(&keys.world, &forged, &[], "add_passkey").await;
        let mut key = Authenticator::security_key();
        assert_eq!(keys.make(&mut browser, &page, &mut key).await.status, 303);
        // The twin: with a second one, the first can go, after a fresh proof.
        keys.world.advance_s(600);
        let account = browser.visit(&keys.world, "/account").await;
        let page = browser.submit(&keys.world, &account, &[], &row).await;
        assert_eq!((page.action("remove"), keys.world.audited("passkey_removed").await), (false, 0), "{}", page.html);
        let asked = keys.use_it(&mut browser, &page, &mut key).await;
        assert_eq!(browser.submit(&keys.world, &asked, &[], "remove").await.status, 303);
        assert_eq!(keys.world.audited("passkey_removed").await, 1);
        keys.world.stop().await;
    })
    .await;
}

/// 399-W: a way in is what the policy lets in. A password is none where no chain is a password alone, and a mailbox is one where one is.
#[tokio::test(flavor = "multi_thread")]
async fn the_policy_says_what_a_way_in_is() {
    on_every_engine("", |keys| async move {
        let (mut browser, mut phone) = (Browser::default(), Authenticator::default());
        keys.add(&mut browser, &mut phone, "alice").await;
        for (chains, is_last) in [(&["passkey"][..], true), (&["password + passkey"], true), (&["passkey", "email"], false)] {
            keys.world.reload(|it| it.set("login.default.require", chains.to_vec())).await;
            let account = browser.visit(&keys.world, "/account").await;
            let row = account.actions().into_iter().find(|action| action.starts_with("remove_passkey:")).unwrap();
            let page = browser.submit(&keys.world, &account, &[], &row).await;
            let asked = if page.title() == "Remove this passkey?" { page } else { keys.use_it(&mut browser, &page, &mut phone).await };
            assert_eq!(asked.title(), "Remove this passkey?", "{chains:?}: {}", asked.html);
            assert_eq!((asked.action("add_passkey"), asked.action("remove")), (is_last, !is_last), "{chains:?}: {}", asked.html);
            let done = browser.submit(&keys.world, &asked, &[], "remove").await;
            let (status, removed) = if is_last { (200, 0) } else { (303, 1) };
            assert_eq!((done.status, keys.world.audited("passkey_removed").await), (status, removed), "{chains:?}: {}", done.html);
        }
        keys.world.stop().await;
    })
    .await;
}

/// Somebody makes an account with a passkey and without a password.
pub async fn sign_up(keys: &Keys, browser: &mut Browser, phone: &mut Authenticator, email: &str) {
    let seen = keys.mailbox.letters().len();
    let page = browser.visit(&keys.world, "/register").await;
    assert!(!page.asks_for("new_password"), "{}", page.html);
    let page = browser.submit(&keys.world, &page, &[("email", email), ("name", "Nora")], "continue").await;
    let code = keys.mailbox.wait_for_code(email, seen).await.unwrap();
    let page = browser.submit(&keys.world, &page, &[("email_code", &code)], "continue").await;
    let asked = options(&page);
    assert_eq!((asked["user"]["name"].as_str(), asked["user"]["displayName"].as_str()), (Some(email), Some("Nora")));
    assert_eq!((&asked["excludeCredentials"], keys.world.audited("registered").await), (&json!([]), 0), "nothing durable yet");
    let done = keys.make(browser, &page, phone).await;
    assert_eq!(done.status, 303, "{}", done.html);
    assert_eq!((keys.world.audited("registered").await, keys.world.audited("passkey_enrolled").await), (1, 1));
}

/// W-51: a sign-up that stops at the passkey leaves nothing; the same address signs up again, with a password too. W-18: a device that has a
/// passkey is all that the page speaks of, and no account.
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_up_that_stops_leaves_nothing() {
    on_every_engine("[login.default]\nrequire = [\"passkey\", \"password\"]", |keys| async move {
        let mut browser = Browser::default();
        let seen = keys.mailbox.letters().len();
        let page = browser.visit(&keys.world, "/register").await;
        let page = browser.submit(&keys.world, &page, &[("email", "nora@example.com")], "continue").await;
        let code = keys.mailbox.wait_for_code("nora@example.com", seen).await.unwrap();
        let page = browser.submit(&keys.world, &page, &[("email_code", &code)], "continue").await;
        let page = keys.fail(&mut browser, &page, NotDone::AlreadyThere).await;
        refused(&page, "has a passkey for you already");
        assert!(!page.problem().contains("account"), "{}", page.problem());
        assert_eq!(keys.world.audited("account_created").await, 1, "alice alone");
        let page = browser.submit(&keys.world, &page, &[], "use_password").await;
        assert!(page.asks_for("new_password"), "{}", page.html);
        let seen = keys.mailbox.letters().len();
        let fill = [("email", "nora@example.com"), ("new_password", PASSWORD)];
        let page = browser.submit(&keys.world, &page, &fill, "continue").await;
        let code = keys.mailbox.wait_for_code("nora@example.com", seen).await.unwrap();
        assert_eq!(browser.submit(&keys.world, &page, &[("email_code", &code)], "continue").await.status, 303);
        assert_eq!(keys.world.audited("account_created").await, 2);
        keys.world.stop().await;
    })
    .await;
}

/// After a sign-in with a password a passkey is offered once; "not now" is remembered, in every browser.
#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_offered_once() {
    on_every_engine("[passkeys]\noffer = true", |keys| async move {
        let signs_in = async |browser: &mut Browser, name: &str| {
            let page = keys.open(browser).await;
            browser.submit_password(&keys.world, &page, name, PASSWORD).await
        };
        let mut browser = Browser::default();
        let page = signs_in(&mut browser, "alice").await;
        let asked = operation(&page);
        assert_eq!((asked["name"].as_str(), asked["mediation"].as_str()), (Some("passkey_create"), Some("conditional")));
        let page = keys.fail(&mut browser, &page, NotDone::NotPossibleHere).await;
        refused(&page, "cannot use passkeys here");
        assert!(browser.submit(&keys.world, &page, &[], "not_now").await.has_code());
        assert!(signs_in(&mut Browser::default(), "alice").await.has_code(), "it is not offered again");
        keys.world.person("bob").await;
        let mut browser = Browser::default();
        let page = signs_in(&mut browser, "bob").await;
        let mut phone = Authenticator::default();
        let done = keys.make(&mut browser, &page, &mut phone).await;
        assert!(done.has_code(), "{}", done.html);
        let page = keys.open(&mut browser).await;
        assert!(page.has_code(), "signed in still: {}", page.html);
        keys.world.stop().await;
    })
    .await;
}

/// W-15, 379-W, 389-W: one setting writes the options of both ceremonies, and judges both answers.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_of_the_browser_is_judged_here() {
    on_every_engine("[passkeys]\nuser_verification = \"required\"", |keys| async move {
        let mut browser = Browser::default();
        let page = browser.visit(&keys.world, "/account").await;
        assert_eq!(operation(&page)["options"]["userVerification"], "required");
        assert_eq!(browser.submit_password(&keys.world, &page, "alice", PASSWORD).await.status, 303);
        let account = browser.visit(&keys.world, "/account").await;
        let page = browser.submit(&keys.world, &account, &[], "add_passkey").await;
        let asked = options(&page);
        assert_eq!(asked["authenticatorSelection"]["userVerification"], "required");
        assert_eq!(asked["authenticatorSelection"]["residentKey"], "required");
        let mut phone = Authenticator::default();
        phone.flags = USER_PRESENT;
        let page = keys.make(&mut browser, &page, &mut phone).await;
        refused(&page, "did not check that it is you");
        assert!(reason(&keys).await.contains("user_verified"));
        phone.flags = Authenticator::default().flags;
        assert_eq!(keys.make(&mut browser, &page, &mut phone).await.status, 303, "the twin");
        let mut browser = Browser::default();
        let page = keys.open(&mut browser).await;
        phone.flags = USER_PRESENT;
        let page = keys.use_it(&mut browser, &page, &mut phone).await;
        refused(&page, "did not check that it is you");
        phone.flags |= USER_VERIFIED;
        assert!(keys.use_it(&mut browser, &page, &mut phone).await.has_code(), "the twin");
        keys.world.stop().await;
    })
    .await;
}

/// W-19: the longest id registers, signs in, is listed and removed; one more byte is refused.
#[tokio::test(flavor = "multi_thread")]
async fn the_longest_credential_id_fits() {
    on_every_engine("", |keys| async move {
        let mut key = Authenticator::security_key();
        key.id_length = 1023;
        let mut browser = Browser::default();
        keys.add(&mut browser, &mut key, "alice").await;
        let mut fresh = Browser::default();
        let page = keys.open(&mut fresh).await;
        assert!(keys.use_it(&mut fresh, &page, &mut key).await.has_code());
        let account = browser.visit(&keys.world, "/account").await;
        let page = browser.submit(&keys.world, &account, &[], "add_passkey").await;
        let mut longer = Authenticator::security_key();
        longer.id_length = 1024;
        let page = keys.make(&mut browser, &page, &mut longer).await;
        refused(&page, "is no passkey");
        longer.id_length = 1023;
        assert_eq!(keys.make(&mut browser, &page, &mut longer).await.status, 303, "the twin");
        let account = browser.visit(&keys.world, "/account").await;
        let row = account.actions().into_iter().find(|action| action.starts_with("remove_passkey:")).unwrap();
        let asked = browser.submit(&keys.world, &account, &[], &row).await;
        assert_eq!(browser.submit(&keys.world, &asked, &[], "remove").await.status, 303);
        keys.world.stop().await;
    })
    .await;
}

/// W-10: an RS256 key of Windows, and EdDSA.
#[tokio::test(flavor = "multi_thread")]
async fn other_kinds_of_keys_sign_in() {
    on_every_engine("", |keys| async move {
        for (at, algorithm) in [-257, -8].into_iter().enumerate() {
            let name = format!("person{at}");
            keys.world.person(&name).await;
            let mut phone = Authenticator::default();
            (phone.algorithm, phone.aaguid) = (algorithm, [0; 16]);
            keys.add(&mut Browser::default(), &mut phone, &name).await;
            let mut browser = Browser::default();
            let page = keys.open(&mut browser).await;
            assert!(keys.use_it(&mut browser, &page, &mut phone).await.has_code(), "{algorithm}");
        }
        keys.world.stop().await;
    })
    .await;
}

/// W-13: an authenticator that does not say what it is gets its name from the device, two of one name are told apart, and nobody reads
/// an AAGUID.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_authenticator_is_called_by_its_device() {
    on_every_engine("", |mut keys| async move {
        const WINDOWS: &str =
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        keys.world.node.http = http.user_agent(WINDOWS).build().unwrap();
        let mut browser = Browser::default();
        for aaguid in [[0; 16], [0xab; 16], Authenticator::default().aaguid] {
            let mut phone = Authenticator::default();
            phone.aaguid = aaguid;
            keys.add(&mut browser, &mut phone, "alice").await;
        }
        let account = browser.visit(&keys.world, "/account").await;
        let day = symbolon::mail::written_day(keys.world.running.shared.now().now_ms());
        let device = format!("Passkey, Chrome, Windows, {day}");
        for name in [&device, &format!("{device} (2)"), "Google Password Manager"] {
            assert!(account.html.contains(&format!("value=\"{name}\"")), "{name}: {}", account.html);
        }
        assert!(!account.html.contains("abababab") && !account.html.contains("00000000-"), "{}", account.html);
        keys.world.stop().await;
    })
    .await;
}

/// W-38: the related origins, exactly, for anybody; without any there is no such document.
#[tokio::test(flavor = "multi_thread")]
async fn related_origins_are_served() {
    on_every_engine("[passkeys]\nrelated_origins = [\"https://shop.example\", \"https://shop.example.de\"]", |keys| async move {
        let answer = keys.world.get("/.well-known/webauthn").await;
        assert_eq!((answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()), (200, "application/json"));
        let body: Json = answer.json().await.unwrap();
        assert_eq!(body, json!({ "origins": [keys.origin, "https://shop.example", "https://shop.example.de"] }));
        keys.world.stop().await;
    })
    .await;
    on_every_engine("", |keys| async move {
        assert_eq!(keys.world.get("/.well-known/webauthn").await.status(), 404);
        keys.world.stop().await;
    })
    .await;
}

/// A session by password does not change the password of somebody who has a passkey: the passkey is asked for. One that waits to be
/// confirmed may be a thief's, and is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_asks_for_the_passkey() {
    on_every_engine("", |keys| async move {
        let (mut phone, mut thief) = (Authenticator::default(), Browser::default());
        keys.add(&mut Browser::default(), &mut phone, "alice").await;
        let page = thief.visit(&keys.world, "/account").await;
        assert_eq!(thief.submit_password(&keys.world, &page, "alice", PASSWORD).await.status, 303);
        let account = thief.visit(&keys.world, "/account").await;
        let page = thief.submit(&keys.world, &account, &[], "change_password").await;
        assert!(page.title() == "Sign in with a passkey" && !page.asks_for("new_password"), "{}", page.html);
        let fill = [("new_password", "another horse entirely"), ("new_password_again", "another horse entirely")];
        let forged = thief.submit(&keys.world, &page, &fill, "continue").await;
        assert_eq!((forged.asks_for("new_password"), keys.world.audited("password_changed").await), (false, 0), "{}", forged.html);
        let page = keys.use_it(&mut thief, &forged, &mut phone).await;
        assert_eq!(thief.submit(&keys.world, &page, &fill, "continue").await.status, 303, "the twin: with the passkey");
        assert_eq!(keys.world.audited("password_changed").await, 1);
        // Bob has one that waits.
        keys.world.person("bob").await;
        let (mut bob, mut new) = (Browser::default(), Authenticator::default());
        let page = bob.visit(&keys.world, "/account").await;
        assert_eq!(bob.submit_password(&keys.world, &page, "bob", PASSWORD).await.status, 303);
        let account = bob.visit(&keys.world, "/account").await;
        let page = bob.submit(&keys.world, &account, &[], "add_passkey").await;
        assert_eq!(keys.make(&mut bob, &page, &mut new).await.status, 303);
        let account = bob.visit(&keys.world, "/account").await;
        let page = bob.submit(&keys.world, &account, &[], "change_password").await;
        assert!(page.asks_for("new_password"), "{}", page.html);
        keys.world.stop().await;
    })
    .await;
}

/// WebAuthn Level 3, 7.1 step 15: a passkey that is made quietly needs no gesture. The twin: one that the person asks for does. After a problem
/// nothing is made quietly once more.
#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_passkey_needs_no_gesture() {
    on_every_engine("[passkeys]\noffer = true", |keys| async move {
        let quiet = BACKUP_ELIGIBLE | BACKED_UP;
        let (mut browser, mut phone) = (Browser::default(), Authenticator::default());
        let page = keys.open(&mut browser).await;
        let offer = browser.submit_password(&keys.world, &page, "alice", PASSWORD).await;
        assert_eq!(operation(&offer)["mediation"], "conditional");
        phone.flags = BACKED_UP;
        let again = keys.make(&mut browser, &offer, &mut phone).await;
        assert!(again.status == 200 && !again.has_code(), "401-W: {}", again.html);
        assert_eq!(operation(&again)["mediation"], "optional", "the person presses the button: {}", again.html);
        phone.flags = quiet;
        assert!(keys.make(&mut browser, &again, &mut phone).await.has_code());
        let account = browser.visit(&keys.world, "/account").await;
        let page = browser.submit(&keys.world, &account, &[], "add_passkey").await;
        let mut other = Authenticator::default();
        other.flags = quiet;
        let page = keys.make(&mut browser, &page, &mut other).await;
        assert_eq!(page.status, 200, "nobody touched it: {}", page.html);
        assert!(reason(&keys).await.contains("user_present"));
        other.flags = quiet | USER_PRESENT;
        assert_eq!(keys.make(&mut browser, &page, &mut other).await.status, 303);
        keys.world.stop().await;
    })
    .await;
}

/// W-59: the first passkey brings recovery codes with it, where a chain of the policy takes one beside what the person has. One of them lets the
/// person in who has lost the passkey, without the policy's `acr`. They go when nothing is left that they were made with.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_passkey_brings_recovery_codes() {
    on_every_engine("[login.default]\nrequire = [\"passkey\", \"password + recovery\"]", |keys| async move {
        let world = &keys.world;
        let (mut browser, mut phone) = (Browser::default(), Authenticator::default());
        // The policy wants a strong factor: it is added behind the password, and an operator confirms it.
        let page = keys.open(&mut browser).await;
        let page = browser.submit(world, &page, &[], "use_password").await;
        let page = browser.submit_password(world, &page, "alice", PASSWORD).await;
        assert_eq!(operation(&page)["name"], "passkey_create", "{}", page.html);
        let page = keys.make(&mut browser, &page, &mut phone).await;
        let codes = page.codes();
        assert_eq!((page.kind(), codes.len()), ("recovery_codes", 10), "{}", page.html);
        let waits = browser.submit(world, &page, &[], "continue").await;
        assert!(world.confirm("alice").await, "{}", waits.html);
        assert!(browser.submit(world, &waits, &[], "continue").await.has_code());
        // Another passkey brings none: what there is stays good.
        let account = browser.visit(world, "/account").await;
        assert!(account.action("recovery_codes") && !account.action("remove_totp"), "{:?}", account.actions());
        let page = browser.submit(world, &account, &[], "add_passkey").await;
        assert_eq!(keys.make(&mut browser, &page, &mut Authenticator::default()).await.status, 303);
        assert!(browser.visit(world, "/account").await.action("recovery_codes"));
        assert_eq!(world.audited("recovery_codes_made").await, 1);
        // Without the passkey: the password, and one code, once.
        for (code, is_good) in [(&codes[0], true), (&codes[0], false), (&codes[1], true)] {
            let mut lost = Browser::default();
            let page = keys.open(&mut lost).await;
            let page = lost.submit(world, &page, &[], "use_password").await;
            let page = lost.submit_password(world, &page, "alice", PASSWORD).await;
            let page = lost.submit(world, &page, &[], "use_recovery").await;
            assert!(page.asks_for("recovery_code") && !page.action("use_totp"), "{}", page.html);
            let done = lost.submit(world, &page, &[("recovery_code", code)], "continue").await;
            assert_eq!(done.has_code(), is_good, "{}", done.html);
        }
        keys.world.stop().await;
    })
    .await;
    // The twin: a policy that takes no codes makes none.
    on_every_engine("", |keys| async move {
        keys.add(&mut Browser::default(), &mut Authenticator::default(), "alice").await;
        assert_eq!(keys.world.audited("recovery_codes_made").await, 0);
        keys.world.stop().await;
    })
    .await;
}
