//! Means that are added count for no more than what they were added with: thieves with a password, or with the mailbox, get no further by
//! adding more. Each test ends with the twin, in which the means is confirmed.

use crate::world::mail::{NEW_PASSWORD, Post, on_every_engine};
use crate::world::passkeys::{self, Keys};
use crate::world::{Ask, Browser, Configuration, PASSWORD, Page, World, claims, engines, totp};
use serde_json::{Value as Json, json};
use symbolon::login::standing::Patience;
use symbolon_phone::authenticator::{Authenticator, USER_PRESENT};

const HOUR_S: i64 = 3600;

fn strong() -> Ask {
    Ask::native("openid").with("acr_values", "urn:strong")
}

fn two() -> Ask {
    Ask::native("openid").with("acr_values", "urn:two")
}

/// What a sign-in came to: `amr` and `acr` of its ID token.
async fn said(world: &World, ask: &Ask, done: &Page) -> Json {
    assert!(done.has_code(), "{}", done.html);
    let (status, tokens) = world.exchange(&done.code(), &ask.verifier).await;
    assert_eq!(status, 200, "{tokens}");
    let claims = claims(tokens["id_token"].as_str().unwrap());
    json!([claims["amr"], claims["acr"]])
}

pub fn waits(page: &Page) {
    assert_eq!((page.status, page.kind(), &page.location), (200, "waits", &None), "{}", page.html);
}

/// Adds an authenticator on the page that asks for one. Answers its secret, and the page behind the recovery codes.
pub async fn add_totp(world: &World, browser: &mut Browser, page: &Page) -> (String, Page) {
    assert_eq!(page.kind(), "enrol_totp", "{}", page.html);
    let secret = page.codes().remove(0);
    let empty = browser.submit(world, page, &[("code", " ")], "continue").await;
    assert_eq!((empty.problem().as_str(), empty.codes().remove(0)), ("Type the code first.", secret.clone()), "{}", empty.html);
    let codes = browser.submit(world, &empty, &[("code", &totp(&secret, now_ms(world)))], "continue").await;
    assert_eq!(codes.codes().len(), 10, "{}", codes.html);
    (secret, browser.submit(world, &codes, &[], "continue").await)
}

fn now_ms(world: &World) -> i64 {
    world.running.shared.now().now_ms()
}

async fn by_password(world: &World, browser: &mut Browser, ask: &Ask, password: &str) -> Page {
    let page = browser.open(world, ask).await;
    browser.submit_password(world, &page, "alice", password).await
}

/// When the first of alice's means that wait counts. Waits until its letters have left.
async fn counts_from_ms(world: &World) -> i64 {
    for _ in 0..100 {
        let app = world.running.shared.now();
        let account = app.accounts().by_name("alice").await.unwrap().unwrap();
        let patience = Patience { now_ms: app.now_ms(), wait_ms: app.config.enrolment.wait.ms() };
        if let Some(from_ms) = account.waiting.iter().map(|one| patience.counts_from_ms(one)).collect::<Option<Vec<_>>>() {
            return from_ms.into_iter().max().expect("something waits");
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the letters have not left");
}

/// The link of the newest letter to this address whose text has these words.
fn link(post: &Post, to: &str, words: &str) -> String {
    let letters = post.mailbox.letters();
    let letter = letters.iter().rev().find(|letter| letter.to == [to] && letter.plain().contains(words));
    let text = letter.unwrap_or_else(|| panic!("no letter to {to} with {words:?}")).plain();
    let link = text.split_whitespace().find(|word| word.contains("/stop/")).unwrap_or_else(|| panic!("no link: {text}"));
    link.strip_prefix(&post.world.issuer).unwrap_or_else(|| panic!("a link to elsewhere: {link}")).to_owned()
}

/// 361-Z: whoever has only the password adds an authenticator, and has one factor: in the same sign-in, in the next one, and with the
/// recovery codes. Who leaves the page gets the error that says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_alone_makes_no_second_factor() {
    on_every_engine(|post| async move {
        let world = &post.world;
        let mut thief = Browser::default();
        let page = by_password(world, &mut thief, &two(), PASSWORD).await;
        let (secret, page) = add_totp(world, &mut thief, &page).await;
        waits(&page);
        assert!(page.says("counts in full from 20"), "{}", page.text());
        let reload = thief.submit(world, &page, &[], "continue").await;
        waits(&reload);
        let left = thief.submit(world, &reload, &[], "give_up").await;
        assert_eq!(left.error().as_deref(), Some("unmet_authentication_requirements"), "{}", left.html);
        assert_eq!(world.audited("code_issued").await, 0);

        world.advance_s(90);
        let mut thief = Browser::default();
        let page = by_password(world, &mut thief, &two(), PASSWORD).await;
        assert_eq!(page.kind(), "totp");
        let page = thief.submit(world, &page, &[("code", &totp(&secret, now_ms(world)))], "continue").await;
        waits(&page);
        // Without a wish for two factors the thief is who the password makes them: the word of the authenticator is missing.
        let (ask, mut browser) = (Ask::native("openid"), Browser::default());
        world.advance_s(60);
        let asked = by_password(world, &mut browser, &ask, PASSWORD).await;
        let done = browser.submit(world, &asked, &[("code", &totp(&secret, now_ms(world)))], "continue").await;
        assert_eq!(said(world, &ask, &done).await, json!([["pwd"], null]));
        // An attempt without a page.
        let silent = browser.open(world, &two().with("prompt", "none")).await;
        assert_eq!(silent.error().as_deref(), Some("login_required"));

        assert!(world.confirm("alice").await);
        let ask = two();
        let page = thief.submit(world, &page, &[], "continue").await;
        assert!(page.has_code(), "the twin: {}", page.html);
        world.advance_s(60);
        let mut fresh = Browser::default();
        let page = by_password(world, &mut fresh, &ask, PASSWORD).await;
        let done = fresh.submit(world, &page, &[("code", &totp(&secret, now_ms(world)))], "continue").await;
        assert_eq!(said(world, &ask, &done).await, json!([["pwd", "otp", "mfa"], "urn:two"]));
        post.world.stop().await;
    })
    .await;
}

/// The same for a passkey, which stands for two factors where the policy says so: and for no other factor of the person.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_alone_makes_no_strong_passkey() {
    passkeys::on_every_engine("[login.only]\nrequire = [\"passkey\"]\nacr = \"urn:only\"", |keys| async move {
        let world = &keys.world;
        let (mut thief, mut phone) = (Browser::default(), Authenticator::default());
        let page = thief.visit(world, "/account").await;
        assert_eq!(thief.submit_password(world, &page, "alice", PASSWORD).await.status, 303);
        let page = thief.visit(world, "/account").await;
        let page = thief.submit(world, &page, &[], "add_passkey").await;
        assert_eq!(keys.make(&mut thief, &page, &mut phone).await.status, 303);
        let with_passkey = async |phone: &mut Authenticator, ask: &Ask| {
            let mut browser = Browser::default();
            let page = browser.open(world, ask).await;
            (keys.use_it(&mut browser, &page, phone).await, browser)
        };
        // Where a password would do, it does, and says nothing of a key.
        let plain = Ask::native("openid").with("acr_values", "urn:passkey");
        let (done, _) = with_passkey(&mut phone, &plain).await;
        let answer = said(world, &plain, &done).await;
        assert_eq!((answer[0].as_array().map_or(0, Vec::len), answer[1].as_str()), (0, Some("urn:passkey")), "{answer}");
        let only = Ask::native("openid").with("acr_values", "urn:two");
        let (page, mut browser) = with_passkey(&mut phone, &only).await;
        assert!(page.asks_for("password"), "the passkey is one factor of nobody knows whom: {}", page.html);
        waits(&browser.submit(world, &page, &[("password", PASSWORD)], "continue").await);
        // The owner adds an authenticator, which is confirmed. The thief's passkey does not stand for it.
        let account = thief.visit(world, "/account").await;
        let page = thief.submit(world, &account, &[], "enrol_totp").await;
        let (secret, _) = add_totp(world, &mut thief, &page).await;
        confirm_one(world, "totp").await;
        let (page, mut browser) = with_passkey(&mut phone, &plain).await;
        assert_eq!((page.kind(), &page.location), ("totp", &None), "{}", page.html);
        world.advance_s(60);
        let done = browser.submit(world, &page, &[("code", &totp(&secret, now_ms(world)))], "continue").await;
        assert!(done.has_code(), "{}", done.html);
        let only = Ask::native("openid").with("acr_values", "urn:only");
        assert!(world.confirm("alice").await);
        let (done, _) = with_passkey(&mut phone, &only).await;
        assert_eq!(said(world, &only, &done).await, json!([["pop"], "urn:only"]), "the twin");
        keys.world.stop().await;
    })
    .await;
}

async fn confirm_one(world: &World, means: &str) {
    use symbolon::operations::{Actor, Context, Operation, UserOperation, run};
    let operation = Operation::User(UserOperation::Confirm { user: "alice".to_owned(), means: Some(means.to_owned()) });
    run(&Context::of(&world.running.shared.now()), &Actor::Offline { uid: 0 }, operation).await.unwrap();
}

/// A new password by a code, on the page `/reset`.
async fn reset(post: &Post, browser: &mut Browser) -> Page {
    let (page, code) = post.asked(browser, "/reset", &[("username", "alice")], "alice@example.com").await;
    let page = browser.submit(&post.world, &page, &[("email_code", &code)], "continue").await;
    assert_eq!(page.kind(), "new_password", "{}", page.html);
    browser.submit(&post.world, &page, &[("new_password", NEW_PASSWORD), ("new_password_again", NEW_PASSWORD)], "continue").await
}

/// 431-U: whoever reads the mail resets the password and adds the rest, and still has one mailbox.
#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_alone_makes_no_second_factor() {
    on_every_engine(|post| async move {
        let world = &post.world;
        let mut thief = Browser::default();
        assert_eq!(reset(&post, &mut thief).await.status, 303);
        // In the same session, and anew: password and code are one factor.
        for mut browser in [thief.clone(), Browser::default()] {
            let seen = post.seen();
            let mut page = browser.open(world, &strong()).await;
            if page.asks_for("username") {
                page = browser.submit_password(world, &page, "alice", NEW_PASSWORD).await;
            }
            if page.kind() == "password" {
                page = browser.submit(world, &page, &[("password", NEW_PASSWORD)], "continue").await;
            }
            if page.kind() == "email_send" {
                page = browser.submit(world, &page, &[], "send").await;
            }
            if page.kind() == "email_code" {
                let code = post.code("alice@example.com", seen).await;
                page = browser.submit(world, &page, &[("email_code", &code)], "continue").await;
            }
            waits(&page);
        }
        // An authenticator, added with both.
        let mut browser = Browser::default();
        let page = by_password(world, &mut browser, &two(), NEW_PASSWORD).await;
        let (secret, page) = add_totp(world, &mut browser, &page).await;
        waits(&page);
        world.advance_s(60);
        // The twin: with the new password alone the person gets in, where a password is enough.
        let (ask, mut browser) = (Ask::native("openid"), Browser::default());
        let page = by_password(world, &mut browser, &ask, NEW_PASSWORD).await;
        let done = browser.submit(world, &page, &[("code", &totp(&secret, now_ms(world)))], "continue").await;
        let answer = said(world, &ask, &done).await;
        assert!(!answer[0].as_array().is_some_and(|words| words.contains(&json!("mfa"))), "{answer}");
        assert!(world.confirm("alice").await);
        let (ask, mut browser) = (two(), Browser::default());
        world.advance_s(60);
        let page = by_password(world, &mut browser, &ask, NEW_PASSWORD).await;
        let done = browser.submit(world, &page, &[("code", &totp(&secret, now_ms(world)))], "continue").await;
        assert_eq!(said(world, &ask, &done).await, json!([["pwd", "otp", "mfa"], "urn:two"]));
        post.world.stop().await;
    })
    .await;
}

/// 431-U: a code by e-mail resets a password and stands for no passkey: every factor is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_reset_asks_for_the_passkey_too() {
    passkeys::on_every_engine("", |keys| async move {
        let world = &keys.world;
        let mut phone = Authenticator::default();
        keys.add(&mut Browser::default(), &mut phone, "alice").await;
        let mut browser = Browser::default();
        let seen = keys.mailbox.letters().len();
        let page = browser.visit(world, "/reset").await;
        let page = browser.submit(world, &page, &[("username", "alice")], "continue").await;
        let code = keys.mailbox.wait_for_code("alice@example.com", seen).await.unwrap();
        let page = browser.submit(world, &page, &[("email_code", &code)], "continue").await;
        assert!(page.title() == "Sign in with a passkey" && !page.asks_for("new_password"), "{}", page.html);
        let fill = [("new_password", NEW_PASSWORD), ("new_password_again", NEW_PASSWORD)];
        let forged = browser.submit(world, &page, &fill, "continue").await;
        assert_eq!((forged.asks_for("new_password"), world.audited("password_changed").await), (false, 0), "{}", forged.html);
        phone.flags = USER_PRESENT;
        let page = keys.use_it(&mut browser, &forged, &mut phone).await;
        let done = browser.submit(world, &page, &fill, "continue").await;
        assert_eq!((done.status, world.audited("password_changed").await), (303, 1), "the twin: {}", done.html);
        keys.world.stop().await;
    })
    .await;
}

/// The time runs from the letter on, and only where there is one: an account without a proved address waits for an operator.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_stopped_it_and_the_person_was_told() {
    on_every_engine(|post| async move {
        let world = &post.world;
        let mut browser = Browser::default();
        let page = by_password(world, &mut browser, &two(), PASSWORD).await;
        let (secret, page) = add_totp(world, &mut browser, &page).await;
        waits(&page);
        let told_ms = counts_from_ms(world).await - 72 * HOUR_S * 1000;
        assert!((now_ms(world) - told_ms).abs() < 60_000, "{told_ms}");
        for (wait_s, counts) in [(72 * HOUR_S - 60, false), (120, true)] {
            world.advance_s(wait_s);
            let (ask, mut browser) = (two(), Browser::default());
            let page = by_password(world, &mut browser, &ask, PASSWORD).await;
            let done = browser.submit(world, &page, &[("code", &totp(&secret, now_ms(world)))], "continue").await;
            assert_eq!((done.has_code(), done.kind() == "waits"), (counts, !counts), "{wait_s}: {}", done.html);
        }
        let app = world.running.shared.now();
        symbolon::login::waiting::confirm_what_waited(&app.store, &app.config, app.now_ms()).await.unwrap();
        let confirmed = world.entries("enrolment_confirmed").await;
        assert_eq!(confirmed.iter().filter(|entry| entry["detail"]["by"] == "waiting").count(), 2, "{confirmed:?}");
        post.world.stop().await;
    })
    .await;
}

/// Without mail nobody is told, so that no time is long enough.
#[tokio::test(flavor = "multi_thread")]
async fn without_mail_an_operator_confirms() {
    for engine in engines() {
        let more = "[login.default]\nrequire = [\"password\"]\n[login.two]\nrequire = [\"password + totp\"]\nacr = \"urn:two\"";
        let world = Configuration::on(engine).await.with(more).start().await;
        let mut browser = Browser::default();
        let page = by_password(&world, &mut browser, &two(), PASSWORD).await;
        let (secret, page) = add_totp(&world, &mut browser, &page).await;
        waits(&page);
        assert!(page.says("only when it is confirmed"), "{}", page.text());
        for confirmed in [false, true] {
            world.advance_s(1000 * HOUR_S);
            let mut browser = Browser::default();
            let page = by_password(&world, &mut browser, &two(), PASSWORD).await;
            let done = browser.submit(&world, &page, &[("code", &totp(&secret, now_ms(&world)))], "continue").await;
            assert_eq!(done.has_code(), confirmed, "{}", done.html);
            world.confirm("alice").await;
        }
        world.stop().await;
    }
}

/// The letter's link: GET shows, the button stops, once. What was added is gone, and so are the sessions.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_stops_what_was_added_once() {
    on_every_engine(|post| async move {
        let world = &post.world;
        let mut thief = Browser::default();
        let page = by_password(world, &mut thief, &two(), PASSWORD).await;
        waits(&add_totp(world, &mut thief, &page).await.1);
        let account = thief.visit(world, "/account").await;
        assert!(account.asks_for("password"), "a sign-in that waits opens no session: {}", account.html);
        let mut inside = Browser::default();
        counts_from_ms(world).await;
        let link = link(&post, "alice@example.com", "authenticator app was added");
        // Anybody's browser: whoever reads the letter may be locked out.
        let mut owner = Browser::default();
        for _ in 0..2 {
            let page = owner.visit(world, &link).await;
            assert_eq!((page.status, page.title().as_str()), (200, "Remove the new authenticator app?"), "{}", page.html);
        }
        assert_eq!((world.audited("enrolment_stopped").await, world.audited("totp_removed").await), (0, 0), "a GET does nothing");
        let (head, tail) = link.split_at(link.len() - 4);
        let forged = format!("{head}{}", if tail == "AAAA" { "BBBB" } else { "AAAA" });
        for bad in [forged.as_str(), "/stop/AAAA", "/stop/x"] {
            let page = owner.visit(world, bad).await;
            assert_eq!((page.status, page.kind()), (404, "stop_over"), "{bad}: {}", page.html);
        }
        let page = owner.visit(world, &link).await;
        let stopped = owner.submit(world, &page, &[], "stop").await;
        assert_eq!((stopped.status, stopped.kind()), (200, "stopped"), "{}", stopped.html);
        let again = owner.submit(world, &page, &[], "stop").await;
        assert_eq!((again.status, again.kind()), (404, "stop_over"), "{}", again.html);
        assert_eq!(owner.visit(world, &link).await.status, 404);
        assert_eq!(world.audited("enrolment_stopped").await, 1);
        let page = by_password(world, &mut inside, &two(), PASSWORD).await;
        assert_eq!(page.kind(), "enrol_totp", "it is gone: {}", page.html);
        let done = by_password(world, &mut Browser::default(), &Ask::native("openid"), PASSWORD).await;
        assert!(done.has_code(), "and the person signs in as before: {}", done.html);
        post.world.stop().await;
    })
    .await;
}

/// 410-U: a thief with the password takes the address over. The old mailbox is told of that and of all that follows, its owner signs in
/// with the old address still, and one button brings it back.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_was_changed_comes_back() {
    on_every_engine(|post| async move {
        let world = &post.world;
        let mut thief = Browser::default();
        post.account(&mut thief).await;
        let page = thief.visit(world, "/account").await;
        let page = thief.submit(world, &page, &[], "change_email").await;
        let seen = post.seen();
        let sent = thief.submit(world, &page, &[("email", "thief@example.com")], "continue").await;
        let code = post.code("thief@example.com", seen).await;
        assert_eq!(thief.submit(world, &sent, &[("email_code", &code)], "continue").await.status, 303);
        // A code to the new address and the password are what the password is.
        let mut browser = Browser::default();
        let seen = post.seen();
        let page = by_password(world, &mut browser, &strong(), PASSWORD).await;
        let code = post.code("thief@example.com", seen).await;
        let page = browser.submit(world, &page, &[("email_code", &code)], "continue").await;
        waits(&page);
        // What is added now is told to both addresses.
        let account = thief.visit(world, "/account").await;
        let page = thief.submit(world, &account, &[], "enrol_totp").await;
        add_totp(world, &mut thief, &page).await;
        counts_from_ms(world).await;
        for to in ["alice@example.com", "thief@example.com"] {
            link(&post, to, "authenticator app was added");
        }
        let first = link(&post, "alice@example.com", "another e-mail address");
        let mut owner = Browser::default();
        let page = owner.visit(world, &first).await;
        assert_eq!(page.title(), "Bring back this e-mail address?", "{}", page.html);
        assert_eq!(owner.submit(world, &page, &[], "stop").await.kind(), "stopped");
        assert!(thief.visit(world, "/account").await.asks_for("password"), "signed out");
        let app = world.running.shared.now();
        let account = app.accounts().by_name("alice@example.com").await.unwrap().unwrap();
        assert_eq!((account.email.as_deref(), account.former_email), (Some("alice@example.com"), None));
        assert!(app.accounts().by_name("thief@example.com").await.unwrap().is_none());
        let page = owner.visit(world, &link(&post, "alice@example.com", "authenticator app was added")).await;
        assert_eq!(owner.submit(world, &page, &[], "stop").await.kind(), "stopped");
        // The twin: the address from before is as good as it was.
        let (ask, mut browser) = (strong(), Browser::default());
        let seen = post.seen();
        let page = by_password(world, &mut browser, &ask, PASSWORD).await;
        let code = post.code("alice@example.com", seen).await;
        let done = browser.submit(world, &page, &[("email_code", &code)], "continue").await;
        assert_eq!(said(world, &ask, &done).await, json!([["pwd", "otp", "mfa"], "urn:strong"]));
        post.world.stop().await;
    })
    .await;
}

/// A password that was reset by somebody else: the one from before comes back.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_was_reset_comes_back() {
    on_every_engine(|post| async move {
        let world = &post.world;
        for _ in 0..2 {
            assert_eq!(reset(&post, &mut Browser::default()).await.status, 303);
            counts_from_ms(world).await;
        }
        let mut owner = Browser::default();
        let page = owner.visit(world, &link(&post, "alice@example.com", "new password was set")).await;
        assert_eq!(owner.submit(world, &page, &[], "stop").await.kind(), "stopped");
        for (password, fits) in [(NEW_PASSWORD, false), (PASSWORD, true)] {
            let done = by_password(world, &mut Browser::default(), &Ask::native("openid"), password).await;
            assert_eq!(done.has_code(), fits, "{password}: {}", done.html);
        }
        post.world.stop().await;
    })
    .await;
}

/// 391-W, W-59: an operator's ticket is one person's, works once, and not for ever. With it, what is added counts at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_good_once_for_one_person() {
    on_every_engine(|post| async move {
        let world = &post.world;
        world.person("bob").await;
        let (bobs, old) = (world.ticket("bob").await, world.ticket("alice").await);
        let newest = world.ticket("alice").await;
        let mut browser = Browser::default();
        let page = by_password(world, &mut browser, &two(), PASSWORD).await;
        let mut page = browser.submit(world, &page, &[], "use_ticket").await;
        for wrong in [bobs.as_str(), old.as_str(), "aaaaa-aaaaa"] {
            page = browser.submit(world, &page, &[("ticket", wrong)], "continue").await;
            assert!(page.problem().contains("not your ticket"), "{wrong}: {}", page.html);
        }
        world.advance_s(24 * HOUR_S + 1);
        let mut browser = Browser::default();
        let page = by_password(world, &mut browser, &two(), PASSWORD).await;
        let page = browser.submit(world, &page, &[], "use_ticket").await;
        let page = browser.submit(world, &page, &[("ticket", &newest)], "continue").await;
        assert!(page.problem().contains("too old"), "{}", page.html);
        assert_eq!((world.audited("ticket_refused").await, world.audited("ticket_used").await), (4, 0));
        // The twin, as people type it.
        let typed = format!(" {} ", world.ticket("alice").await.to_uppercase().replace('-', " "));
        let page = browser.submit(world, &page, &[("ticket", &typed)], "continue").await;
        let (secret, done) = add_totp(world, &mut browser, &page).await;
        assert!(done.has_code(), "{}", done.html);
        assert_eq!(world.audited("enrolment_confirmed").await, 0, "there was nothing to confirm");
        world.advance_s(60);
        // A second time, by whoever has it and the password; and the session of the first time has no more of it.
        let mut thief = Browser::default();
        let page = by_password(world, &mut thief, &two(), PASSWORD).await;
        let page = thief.submit(world, &page, &[("code", &totp(&secret, now_ms(world)))], "continue").await;
        assert!(page.has_code());
        let account = thief.visit(world, "/account").await;
        let page = thief.submit(world, &account, &[], "change_email").await;
        assert_eq!(page.kind(), "new_email", "{}", page.html);
        let seen = post.seen();
        let page = thief.submit(world, &page, &[("email", "new@example.com")], "continue").await;
        let code = post.code("new@example.com", seen).await;
        assert_eq!(thief.submit(world, &page, &[("email_code", &code)], "continue").await.status, 303);
        assert!(world.confirm("alice").await, "the new address waits");
        post.world.stop().await;
    })
    .await;
}

/// Whoever makes an account adds what they like at once: there is nothing yet that it could put in danger. The twin is the next sign-in.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_made_needs_no_waiting() {
    on_every_engine(|post| async move {
        let world = &post.world;
        let (mut browser, seen) = (Browser::default(), post.seen());
        let page = browser.open(world, &two().with("prompt", "create")).await;
        let fill = [("email", "nora@example.com"), ("new_password", NEW_PASSWORD)];
        let page = browser.submit(world, &page, &fill, "continue").await;
        let code = post.code("nora@example.com", seen).await;
        let page = browser.submit(world, &page, &[("email_code", &code)], "continue").await;
        let (_, done) = add_totp(world, &mut browser, &page).await;
        assert!(done.has_code(), "{}", done.html);
        assert!(!world.confirm("nora@example.com").await, "nothing waits");
        post.world.stop().await;
    })
    .await;
}

/// The newest link to alice whose letter has these words, once the letters have left.
async fn stop_it(keys: &Keys, words: &str, title: &str) {
    counts_from_ms(&keys.world).await;
    let letters = keys.mailbox.letters();
    let letter = letters.iter().rev().find(|letter| letter.plain().contains(words)).unwrap_or_else(|| panic!("no letter: {words}"));
    let text = letter.plain();
    let link = text.split_whitespace().find_map(|word| word.strip_prefix(&keys.world.issuer).filter(|path| path.starts_with("/stop/")));
    let mut owner = Browser::default();
    let page = owner.visit(&keys.world, link.unwrap_or_else(|| panic!("no link: {text}"))).await;
    assert_eq!(page.title(), title, "{}", page.html);
    assert_eq!(owner.submit(&keys.world, &page, &[], "stop").await.kind(), "stopped");
}

/// A thief adds a passkey with the password. The link takes it away, and it signs nobody in.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_stops_a_passkey() {
    passkeys::on_every_engine("", |keys| async move {
        let world = &keys.world;
        let (mut own, mut stolen, mut owner) = (Authenticator::default(), Authenticator::default(), Browser::default());
        keys.add(&mut owner, &mut own, "alice").await;
        let mut thief = Browser::default();
        let page = thief.visit(world, "/account").await;
        assert_eq!(thief.submit_password(world, &page, "alice", PASSWORD).await.status, 303);
        let page = thief.visit(world, "/account").await;
        assert!(!page.says("does not count in full yet"), "{}", page.text());
        let page = thief.submit(world, &page, &[], "add_passkey").await;
        assert_eq!(keys.make(&mut thief, &page, &mut stolen).await.status, 303);
        // The account page lists what waits, in every browser of the person.
        let page = owner.visit(world, "/account").await;
        assert!(page.says("What does not count in full yet") && page.says("A passkey"), "{}", page.text());
        stop_it(&keys, "A passkey was added", "Remove the new passkey?").await;
        assert_eq!((world.audited("passkey_removed").await, world.audited("enrolment_stopped").await), (1, 1));
        for (phone, fits) in [(&mut stolen, false), (&mut own, true)] {
            let mut browser = Browser::default();
            let page = keys.open(&mut browser).await;
            assert_eq!(keys.use_it(&mut browser, &page, phone).await.has_code(), fits);
        }
        keys.world.stop().await;
    })
    .await;
}

/// Recovery codes that come with an authenticator wait as it does, with a link of their own. Stopped, they let nobody in, and the
/// authenticator stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_stops_recovery_codes() {
    passkeys::on_every_engine("", |keys| async move {
        let world = &keys.world;
        let mut thief = Browser::default();
        let page = thief.visit(world, "/account").await;
        assert_eq!(thief.submit_password(world, &page, "alice", PASSWORD).await.status, 303);
        let account = thief.visit(world, "/account").await;
        let page = thief.submit(world, &account, &[], "enrol_totp").await;
        let secret = page.codes().remove(0);
        let page = thief.submit(world, &page, &[("code", &totp(&secret, now_ms(world)))], "continue").await;
        let stolen = page.codes();
        assert_eq!(stolen.len(), 10, "{}", page.html);
        thief.submit(world, &page, &[], "continue").await;
        let account = thief.visit(world, "/account").await;
        assert!(account.says("An authenticator app") && account.says("Recovery codes"), "both are listed: {}", account.text());
        let with_code = async |code: &str| {
            let mut browser = Browser::default();
            let page = by_password(world, &mut browser, &Ask::native("openid"), PASSWORD).await;
            let page = if page.action("use_recovery") { browser.submit(world, &page, &[], "use_recovery").await } else { page };
            browser.submit(world, &page, &[("recovery_code", code)], "continue").await
        };
        assert!(with_code(&stolen[0]).await.has_code(), "they work until they are stopped");
        stop_it(&keys, "recovery codes were made", "Remove the new recovery codes?").await;
        let refused = with_code(&stolen[1]).await;
        assert_eq!((refused.has_code(), world.audited("enrolment_stopped").await), (false, 1), "{}", refused.html);
        world.advance_s(60);
        let mut browser = Browser::default();
        let page = by_password(world, &mut browser, &Ask::native("openid"), PASSWORD).await;
        let done = browser.submit(world, &page, &[("code", &totp(&secret, now_ms(world)))], "continue").await;
        assert!(done.has_code(), "the twin: {}", done.html);
        keys.world.stop().await;
    })
    .await;
}

/// A store from before this rule: what is there counts in full, and one entry says so. A store without people says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_the_rule_counts_in_full() {
    for engine in engines() {
        let world = Configuration::on(engine).await.start().await;
        let app = world.running.shared.now();
        assert_eq!(world.audited("enrolments_confirmed").await, 0, "a new store");
        symbolon::login::waiting::note_rule(&app.store, app.now_ms()).await.unwrap();
        assert_eq!(world.audited("enrolments_confirmed").await, 0, "the rule is known");
        let mut change = symbolon::store::Change::new(app.now_ms());
        change.run("DELETE FROM fact WHERE name = 'enrolments'", Vec::new());
        app.store.apply(change).await.unwrap();
        for _ in 0..2 {
            symbolon::login::waiting::note_rule(&app.store, app.now_ms()).await.unwrap();
        }
        let said = world.entries("enrolments_confirmed").await;
        assert_eq!((said.len(), said[0]["detail"]["accounts"].as_i64()), (1, Some(1)), "{said:?}");
        drop(app);
        world.stop().await;
    }
}
