//! Passkeys that lie, that are somebody else's, or that come from another browser. Area W, as far as the server decides it.

use crate::passkeys::{reason, refused};
use crate::world::passkeys::{on_every_engine, options};
use crate::world::{Ask, Browser, PASSWORD, Page, totp};
use serde_json::{Value as Json, json};
use symbolon_oauth::base64url;
use symbolon_phone::authenticator::{Authenticator, BACKED_UP, USER_PRESENT, USER_VERIFIED};

/// Every lie of an answer is refused on the page, with the reason in the audit; the same sign-in then goes on with the truth.
#[tokio::test(flavor = "multi_thread")]
async fn a_lie_is_refused_and_the_truth_goes_on() {
    on_every_engine("", |keys| async move {
        let mut phone = Authenticator::default();
        keys.add(&mut Browser::default(), &mut phone, "alice").await;
        let mut browser = Browser::default();
        let page = keys.open(&mut browser).await;
        let here = keys.origin.clone();
        let unknown = "does not work here any more";
        // 375-W: the challenge of another sign-in.
        let other = options(&keys.open(&mut Browser::default()).await);
        let swapped = phone.get(&other, &here).unwrap();
        let page = keys.answer(&mut browser, &page, &swapped).await;
        refused(&page, unknown);
        assert!(reason(&keys).await.contains("challenge"), "{}", reason(&keys).await);
        // 377-W: another origin.
        let foreign = phone.get(&options(&page), "https://evil.example").unwrap();
        let page = keys.answer(&mut browser, &page, &foreign).await;
        refused(&page, unknown);
        assert!(reason(&keys).await.contains("https://evil.example"));
        // 377-W: an app's origin is none of a page's.
        let app = phone.get(&options(&page), "android:apk-key-hash:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU").unwrap();
        let mut page = keys.answer(&mut browser, &page, &app).await;
        refused(&page, unknown);
        for (members, why) in [
            (json!({ "crossOrigin": true }), "cross_origin"), // 386-W
            (json!({ "type": "webauthn.create" }), "type"),
            (json!({ "crossOrigin": true, "topOrigin": here }), "cross_origin"),
        ] {
            phone.client_data = members;
            let lie = phone.get(&options(&page), &here).unwrap();
            page = keys.answer(&mut browser, &page, &lie).await;
            refused(&page, unknown);
            assert!(reason(&keys).await.contains(why), "{why}: {}", reason(&keys).await);
        }
        phone.client_data = json!({});
        assert!(keys.use_it(&mut browser, &page, &mut phone).await.has_code(), "the twin");
        keys.world.stop().await;
    })
    .await;
}

/// One answer of the page at a time, in a sign-in of its own: what is said, the private reason, and the row of the catalogue.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_and_why() {
    on_every_engine("", |keys| async move {
        let mut phone = Authenticator::default();
        keys.add(&mut Browser::default(), &mut phone, "alice").await;
        let here = keys.origin.clone();
        type Lie = fn(&mut Authenticator, &mut Json);
        let unknown = "does not work here any more";
        let lies: [(Lie, &str, &str); 8] = [
            (|phone, _| phone.other_rp_id = Some("evil.example".to_owned()), unknown, "rp_id"),
            (|phone, _| phone.flags = USER_VERIFIED, unknown, "user_present"),
            (|phone, _| phone.flags = USER_PRESENT | BACKED_UP, unknown, "backup"), // 401-W
            (|_, answer| answer["response"]["userHandle"] = "AAAA".into(), unknown, "another account's"),
            (|_, answer| answer["response"]["signature"] = "MAYCAQECAQE".into(), unknown, "signature"),
            (|_, answer| answer["id"] = "AAAA".into(), "no passkey", "id and rawId"), // 380-W
            (|_, answer| answer["response"]["clientDataJSON"] = "e30".into(), "no passkey", "lacks type"),
            (|phone, _| phone.tells_user_handle = false, "Type your name first", "no user handle"),
        ];
        for (lie, words, why) in lies {
            let mut browser = Browser::default();
            let page = keys.open(&mut browser).await;
            let mut truth = std::mem::take(&mut phone);
            (truth.flags, truth.other_rp_id, truth.tells_user_handle) = (Authenticator::default().flags, None, true);
            lie(&mut truth, &mut json!({ "response": {} }));
            let mut answer = truth.get(&options(&page), &here).unwrap();
            lie(&mut Authenticator::default(), &mut answer);
            let page = keys.answer(&mut browser, &page, &answer).await;
            refused(&page, words);
            // What cannot be read names nobody: it is in the log alone.
            if words != "no passkey" {
                assert!(reason(&keys).await.contains(why), "{why}: {}", reason(&keys).await);
            }
            // The twin: the same page, without the lie.
            (truth.flags, truth.other_rp_id, truth.tells_user_handle) = (Authenticator::default().flags, None, true);
            let done = keys.use_it(&mut browser, &page, &mut truth).await;
            assert!(done.has_code(), "{why}: {}", done.html);
            phone = truth;
        }
        keys.world.stop().await;
    })
    .await;
}

/// 300-H: the passkey of a disabled account is refused in the words of an unknown one. The account is enabled, and the page goes on.
#[tokio::test(flavor = "multi_thread")]
async fn the_passkey_of_a_disabled_account_is_like_an_unknown_one() {
    on_every_engine("", |keys| async move {
        let (mut phone, mut stranger, mut browser) = (Authenticator::default(), Authenticator::default(), Browser::default());
        keys.add(&mut Browser::default(), &mut phone, "alice").await;
        keys.world.person("eve").await;
        keys.add(&mut Browser::default(), &mut stranger, "eve").await;
        for (name, action) in [("alice", "disable"), ("eve", "delete")] {
            let words = if action == "delete" { vec!["user", "delete", "--yes", name] } else { vec!["user", action, name] };
            assert_eq!(crate::commands::symbolon(&keys.world.file(), &words, "").await.0, Some(0), "{action}");
        }
        let page = keys.open(&mut browser).await;
        let disabled = keys.use_it(&mut browser, &page, &mut phone).await;
        refused(&disabled, "does not work here any more");
        assert!(reason(&keys).await.contains("disabled"), "{}", reason(&keys).await);
        let unknown = keys.use_it(&mut browser, &disabled, &mut stranger).await;
        refused(&unknown, &disabled.problem());
        assert_eq!((unknown.status, unknown.actions()), (disabled.status, disabled.actions()));
        assert_eq!(crate::commands::symbolon(&keys.world.file(), &["user", "enable", "alice"], "").await.0, Some(0));
        assert!(keys.use_it(&mut browser, &unknown, &mut phone).await.has_code(), "the twin");
        keys.world.stop().await;
    })
    .await;
}

/// 300-H: whoever types a name gets ids for it. Without a good signature a real one and a made-up one get one answer. The twin: the owner's
/// signature hears that a name is missing, and signs in with it.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_nobody_signed_for_tells_nothing() {
    on_every_engine("", |keys| async move {
        keys.world.person("bob").await;
        let (mut phone, mut browser) = (Authenticator::found_by_id(), Browser::default());
        keys.add(&mut Browser::default(), &mut phone, "bob").await;
        phone.tells_user_handle = false;
        let page = keys.open(&mut browser).await;
        let named = browser.submit(&keys.world, &page, &[("username", "nobody")], "security_key").await;
        let made_up = options(&named)["allowCredentials"][0]["id"].clone();
        let real = Json::from(base64url::encode(&phone.ids()[0]));
        assert!(made_up.is_string() && made_up != real, "{made_up}");
        for (member, value, words) in [
            ("signature", "MAYCAQECAQE", "does not work here any more"),
            ("clientDataJSON", "e30", "no passkey"),
            ("authenticatorData", "AAAA", "no passkey"),
        ] {
            let mut seen = Vec::new();
            for id in [&real, &made_up] {
                let mut fresh = Browser::default();
                let page = keys.open(&mut fresh).await;
                let mut answer = phone.answer_with(0, &options(&page), &keys.origin).unwrap();
                (answer["id"], answer["rawId"]) = (id.clone(), id.clone());
                answer["response"][member] = value.into();
                let page = keys.answer(&mut fresh, &page, &answer).await;
                refused(&page, words);
                seen.push((page.status, page.title(), page.problem(), page.actions()));
            }
            assert_eq!(seen[0], seen[1], "{member}");
        }
        let mut owner = Browser::default();
        let page = keys.open(&mut owner).await;
        let unnamed = phone.answer_with(0, &options(&page), &keys.origin).unwrap();
        let page = keys.answer(&mut owner, &page, &unnamed).await;
        refused(&page, "Type your name first");
        let named = owner.submit(&keys.world, &page, &[("username", "bob")], "security_key").await;
        assert!(keys.use_it(&mut owner, &named, &mut phone).await.has_code(), "the twin");
        keys.world.stop().await;
    })
    .await;
}

/// 382-W: whoever was named, and whoever has proved a password, is not signed in by somebody else's passkey. 384-W: nor does
/// somebody else's credential become one's own.
#[tokio::test(flavor = "multi_thread")]
async fn another_persons_passkey_proves_another_person() {
    on_every_engine("", |keys| async move {
        keys.world.person("eve").await;
        let (mut alices, mut eves) = (Authenticator::found_by_id(), Authenticator::default());
        keys.add(&mut Browser::default(), &mut alices, "alice").await;
        keys.add(&mut Browser::default(), &mut eves, "eve").await;
        let here = keys.origin.clone();
        let mut browser = Browser::default();
        let page = keys.open(&mut browser).await;
        let named = browser.submit(&keys.world, &page, &[("username", "alice")], "security_key").await;
        let by_eve = eves.answer_with(0, &options(&named), &here).unwrap();
        let page = keys.answer(&mut browser, &named, &by_eve).await;
        refused(&page, "does not work here any more");
        assert!(reason(&keys).await.contains("no such passkey of this person"));
        assert!(keys.use_it(&mut browser, &page, &mut alices).await.has_code(), "the twin");

        // Eve registers the id that is Alice's.
        let mut browser = Browser::default();
        let account = browser.visit(&keys.world, "/account").await;
        assert_eq!(browser.submit_password(&keys.world, &account, "eve", PASSWORD).await.status, 303);
        let account = browser.visit(&keys.world, "/account").await;
        let page = browser.submit(&keys.world, &account, &[], "add_passkey").await;
        let mut copy = Authenticator::default();
        copy.next_id = Some(alices.ids()[0].clone());
        let made = copy.create(&options(&page), &here).unwrap();
        let page = keys.answer(&mut browser, &page, &made).await;
        refused(&page, "could not be added");
        assert!(reason(&keys).await.contains("another request was quicker"), "{}", reason(&keys).await);
        copy.next_id = None;
        let made = copy.create(&options(&page), &here).unwrap();
        assert_eq!(keys.answer(&mut browser, &page, &made).await.status, 303, "the twin");
        keys.world.stop().await;
    })
    .await;
}

/// 383-W: the counter of a device-bound passkey that goes back is refused; of a synced one it is an alarm.
#[tokio::test(flavor = "multi_thread")]
async fn a_counter_that_goes_back_is_refused_for_a_key_alone() {
    on_every_engine("", |keys| async move {
        let mut key = Authenticator::security_key();
        keys.add(&mut Browser::default(), &mut key, "alice").await;
        let signs_in = async |key: &mut Authenticator| {
            let mut browser = Browser::default();
            let page = keys.open(&mut browser).await;
            keys.use_it(&mut browser, &page, key).await
        };
        key.set_counter(9);
        assert!(signs_in(&mut key).await.has_code());
        for copy in [3, 9] {
            key.set_counter(copy);
            refused(&signs_in(&mut key).await, "may have been copied");
        }
        key.set_counter(10);
        assert!(signs_in(&mut key).await.has_code(), "the twin");
        let mut phone = Authenticator::default();
        keys.world.person("bob").await;
        keys.add(&mut Browser::default(), &mut phone, "bob").await;
        phone.set_counter(9);
        assert!(signs_in(&mut phone).await.has_code());
        phone.set_counter(3);
        assert!(signs_in(&mut phone).await.has_code());
        let last = keys.world.entries("passkey_proved").await.pop().unwrap();
        assert_eq!(last["detail"]["counter_went_back"], true, "{last}");
        // 401-W: another backup eligibility is accepted, noted, and kept.
        key.flags |= 0x08;
        assert!(signs_in(&mut key).await.has_code());
        let last = keys.world.entries("passkey_proved").await.pop().unwrap();
        assert_eq!(last["detail"]["backup_eligible_changed"], true, "{last}");
        assert!(signs_in(&mut key).await.has_code());
        let last = keys.world.entries("passkey_proved").await.pop().unwrap();
        assert_eq!(last["detail"]["backup_eligible_changed"], Json::Null, "{last}");
        keys.world.stop().await;
    })
    .await;
}

/// 390-W, 398-W: a passkey is added, and used, by the browser that has the form, and after a fresh proof.
#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_belongs_to_the_browser_that_was_asked() {
    on_every_engine("", |keys| async move {
        let (mut browser, mut phone) = (Browser::default(), Authenticator::default());
        keys.add(&mut browser, &mut phone, "alice").await;
        // Somebody else's page: without the cookie, and without the form's token.
        let page = keys.open(&mut browser).await;
        let account = browser.visit(&keys.world, "/account").await;
        assert!(page.has_code(), "signed in still: {}", page.html);
        let mut fresh = Browser::default();
        let page = keys.open(&mut fresh).await;
        let used = phone.get(&options(&page), &keys.origin).unwrap();
        let carried = keys.answer(&mut Browser::default(), &page, &used).await;
        assert_eq!((carried.status, carried.location), (400, None), "{}", carried.html);
        let forged = fresh.submit(&keys.world, &page, &[("passkey", &used.to_string()), ("form_token", "AAAA")], "passkey").await;
        assert_eq!((forged.status, forged.location), (400, None), "{}", forged.html);
        assert!(keys.answer(&mut fresh, &page, &used).await.has_code(), "the twin");
        let stranger = Browser::default().submit(&keys.world, &account, &[], "add_passkey").await;
        assert!(stranger.asks_for("password"), "{}", stranger.html);
        let forged = browser.submit(&keys.world, &account, &[("form_token", "AAAA")], "add_passkey").await;
        assert_eq!(forged.status, 400, "{}", forged.html);
        keys.world.advance_s(600);
        let old = browser.submit(&keys.world, &account, &[], "add_passkey").await;
        assert!(old.asks_for("password"), "an old session proves nothing here: {}", old.html);
        let page = browser.submit(&keys.world, &old, &[("password", PASSWORD)], "continue").await;
        assert_eq!(keys.make(&mut browser, &page, &mut Authenticator::security_key()).await.status, 303, "the twin");
        keys.world.stop().await;
    })
    .await;
}

/// 366-Z: a fresh password is not the passkey that the request asks for.
#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_sign_in_by_another_method_is_no_step_up() {
    on_every_engine("[login.passkey]\nrequire = [\"passkey\"]\n[client.shop-ios]\nlogin = \"default\"", |keys| async move {
        let (mut browser, mut phone) = (Browser::default(), Authenticator::default());
        keys.add(&mut browser, &mut phone, "alice").await;
        let mut fresh = Browser::default();
        let page = keys.open(&mut fresh).await;
        assert!(fresh.submit_password(&keys.world, &page, "alice", PASSWORD).await.has_code());
        let claims = r#"{"id_token":{"acr":{"essential":true,"value":"urn:passkey"}}}"#;
        let page = fresh.open(&keys.world, &Ask::native("openid").with("claims", claims)).await;
        assert!(!page.has_code(), "{:?}", page.location);
        keys.world.stop().await;
    })
    .await;
}

/// 362-Z: nor from somebody who has a single passkey. Who has lost it waits; the twin shows it.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_alone_does_not_take_the_only_passkey() {
    on_every_engine("", |keys| async move {
        let world = &keys.world;
        let (mut owners, mut owner, mut thief) = (Authenticator::default(), Browser::default(), Browser::default());
        keys.add(&mut owner, &mut owners, "alice").await;
        let page = thief.visit(world, "/account").await;
        assert_eq!(thief.submit_password(world, &page, "alice", PASSWORD).await.status, 303);
        let account = thief.visit(world, "/account").await;
        let remove = account.actions().into_iter().find(|action| action.starts_with("remove_passkey:")).unwrap();
        let page = thief.submit(world, &account, &[], &remove).await;
        assert_eq!(page.title(), "Sign in with a passkey", "{}", page.html);
        assert!(page.action("regain") && !page.action("remove"), "{}", page.html);
        let forged = thief.submit(world, &page, &[], "remove").await;
        assert_eq!((forged.title(), world.audited("passkey_removed").await), ("Sign in with a passkey".to_owned(), 0), "{}", forged.html);
        let sure = keys.use_it(&mut thief, &forged, &mut owners).await;
        assert_eq!(thief.submit(world, &sure, &[], "remove").await.status, 303, "the twin: it was the owner");
        assert_eq!(world.audited("passkey_removed").await, 1);
        keys.world.stop().await;
    })
    .await;
}

/// 362-Z, 361-Z: whoever has the password alone takes nothing away from somebody who has a passkey, whatever they add on the way: what they
/// add waits, and proves no more than the password.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_alone_takes_nothing_away() {
    on_every_engine("", |keys| async move {
        let world = &keys.world;
        let (mut owners, mut second, mut owner) = (Authenticator::default(), Authenticator::security_key(), Browser::default());
        keys.add(&mut owner, &mut owners, "alice").await;
        keys.add(&mut owner, &mut second, "alice").await;
        let (mut thief, mut thiefs) = (Browser::default(), Authenticator::default());
        let page = thief.visit(world, "/account").await;
        assert_eq!(thief.submit_password(world, &page, "alice", PASSWORD).await.status, 303);
        let account = thief.visit(world, "/account").await;
        let remove = account.actions().into_iter().find(|action| action.starts_with("remove_passkey:")).unwrap();
        let wishes = ["change_password", "change_email", "delete", remove.as_str()];
        let is_asked = |page: &Page, wish: &str| {
            assert!(page.title() == "Sign in with a passkey" && page.status == 200, "{wish}: {}", page.html);
        };
        for wish in wishes {
            is_asked(&thief.submit(world, &account, &[], wish).await, wish);
        }
        // A passkey of the thief's own, and an authenticator.
        let page = thief.submit(world, &account, &[], "add_passkey").await;
        assert_eq!(keys.make(&mut thief, &page, &mut thiefs).await.status, 303);
        let account = thief.visit(world, "/account").await;
        let page = thief.submit(world, &account, &[], "enrol_totp").await;
        let secret = page.codes().remove(0);
        let codes = thief.submit(world, &page, &[("code", &totp(&secret, world.running.shared.now().now_ms()))], "continue").await;
        assert_eq!(codes.codes().len(), 10, "{}", codes.html);
        thief.submit(world, &codes, &[], "continue").await;
        for wish in wishes {
            // A later session, in which the thief shows all that there is.
            world.advance_s(400);
            let mut thief = Browser::default();
            let page = thief.visit(world, "/account").await;
            let page = thief.submit_password(world, &page, "alice", PASSWORD).await;
            let code = totp(&secret, world.running.shared.now().now_ms());
            assert_eq!(thief.submit(world, &page, &[("code", &code)], "continue").await.status, 303);
            let account = thief.visit(world, "/account").await;
            let page = thief.submit(world, &account, &[], wish).await;
            is_asked(&page, wish);
            let page = keys.use_it(&mut thief, &page, &mut thiefs).await;
            assert_eq!(page.kind(), "waits", "{wish}: {}", page.html);
        }
        for event in ["password_changed", "email_changed", "account_deleted", "passkey_removed"] {
            assert_eq!(world.audited(event).await, 0, "{event}");
        }
        // The twin: the owner's passkey.
        let titles = ["Choose a new password", "Your new e-mail address", "Delete your account?", "Remove this passkey?"];
        for (wish, shows) in wishes.into_iter().zip(titles) {
            world.advance_s(400);
            let mut owner = Browser::default();
            let page = owner.visit(world, "/account").await;
            keys.use_it(&mut owner, &page, &mut owners).await;
            let account = owner.visit(world, "/account").await;
            let page = owner.submit(world, &account, &[], wish).await;
            assert_eq!(page.title(), shows, "{}", page.html);
        }
        keys.world.stop().await;
    })
    .await;
}

/// 431-U: a reset asks for what counts. A passkey that a stranger added keeps nobody out of it, and lets nobody through it.
#[tokio::test(flavor = "multi_thread")]
async fn a_reset_asks_for_means_that_count() {
    on_every_engine("", |keys| async move {
        let world = &keys.world;
        let after_code = async |browser: &mut Browser, name: &str| {
            let (seen, address) = (keys.mailbox.letters().len(), format!("{name}@example.com"));
            let page = browser.visit(world, "/reset").await;
            let page = browser.submit(world, &page, &[("username", name)], "continue").await;
            let code = keys.mailbox.wait_for_code(&address, seen).await.unwrap();
            browser.submit(world, &page, &[("email_code", &code)], "continue").await
        };
        world.person("bob").await;
        let mut owners = Authenticator::default();
        keys.add(&mut Browser::default(), &mut owners, "alice").await;
        // Whoever has the passwords adds passkeys to both accounts. They wait.
        let mut thiefs = [Authenticator::default(), Authenticator::default()];
        for (name, own) in ["alice", "bob"].iter().zip(&mut thiefs) {
            let mut thief = Browser::default();
            let page = thief.visit(world, "/account").await;
            assert_eq!(thief.submit_password(world, &page, name, PASSWORD).await.status, 303);
            let account = thief.visit(world, "/account").await;
            let page = thief.submit(world, &account, &[], "add_passkey").await;
            assert_eq!(keys.make(&mut thief, &page, own).await.status, 303, "{name}");
        }
        let page = after_code(&mut Browser::default(), "bob").await;
        assert!(page.asks_for("new_password"), "Bob has nothing that counts: {}", page.html);
        let (mut thief, mut owner) = (Browser::default(), Browser::default());
        let page = after_code(&mut thief, "alice").await;
        let waits = keys.use_it(&mut thief, &page, &mut thiefs[0]).await;
        assert_eq!((waits.status, waits.kind(), waits.asks_for("new_password")), (200, "waits", false), "{}", waits.html);
        let page = after_code(&mut owner, "alice").await;
        let page = keys.use_it(&mut owner, &page, &mut owners).await;
        assert!(page.asks_for("new_password"), "the twin: {}", page.html);
        assert!(world.confirm("bob").await);
        let page = after_code(&mut Browser::default(), "bob").await;
        assert_eq!(page.title(), "Sign in with a passkey", "the twin: it counts now: {}", page.html);
        keys.world.stop().await;
    })
    .await;
}

/// A wrong passkey costs nothing, so that it could fill the audit. A few a minute are written for one person. The twin: the right one signs
/// in all the same.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_passkeys_do_not_fill_the_audit() {
    on_every_engine("", |keys| async move {
        let (mut alices, mut strange) = (Authenticator::default(), Authenticator::default());
        keys.add(&mut Browser::default(), &mut alices, "alice").await;
        let parameters = json!([{ "alg": -7 }]);
        let made = json!({ "rp": { "id": "127.0.0.1" }, "user": { "id": "AAAA" }, "challenge": "AAAA", "pubKeyCredParams": parameters });
        strange.create(&made, &keys.origin).unwrap();
        let mut browser = Browser::default();
        let page = keys.open(&mut browser).await;
        let mut page = browser.submit(&keys.world, &page, &[("username", "alice")], "security_key").await;
        let began = tokio::time::Instant::now();
        for _ in 0..40 {
            let wrong = strange.answer_with(0, &options(&page), &keys.origin).unwrap();
            page = keys.answer(&mut browser, &page, &wrong).await;
            refused(&page, "does not work here any more");
        }
        let most = 21 + usize::try_from(began.elapsed().as_secs() / 3).unwrap();
        let written = keys.world.audited("passkey_refused").await;
        assert!((20..=most).contains(&written), "{written} of 40, and {most} at most");
        let right = alices.answer_with(0, &options(&page), &keys.origin).unwrap();
        assert!(keys.answer(&mut browser, &page, &right).await.has_code(), "the twin");
        assert_eq!(keys.world.audited("passkey_proved").await, 1);
        keys.world.stop().await;
    })
    .await;
}
