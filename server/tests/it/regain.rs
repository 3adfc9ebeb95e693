//! A person who lost every further means begins anew, after a waiting time in which every proved address can stop it, or with an operator's
//! ticket. Nobody gets in sooner.

use crate::world::mail::{NEW_PASSWORD, Post, on_every_engine};
use crate::world::passkeys::{self, Keys};
use crate::world::{Ask, Browser, Configuration, PASSWORD, Page, World, engines, totp};
use symbolon::login::standing::Patience;
use symbolon::login::waiting;
use symbolon_phone::authenticator::Authenticator;

const HOUR_S: i64 = 3600;
const NEW: [(&str, &str); 2] = [("new_password", NEW_PASSWORD), ("new_password_again", NEW_PASSWORD)];

/// As far as the page that asks for the further means: by a code for the mailbox.
async fn forgotten(post: &Post, browser: &mut Browser) -> Page {
    let (page, code) = post.asked(browser, "/reset", &[("username", "alice")], "alice@example.com").await;
    let page = browser.submit(&post.world, &page, &[("email_code", &code)], "continue").await;
    assert!(page.asks_for("code") && page.action("regain"), "{}", page.html);
    page
}

fn waits(page: &Page) {
    assert_eq!((page.status, page.title().as_str(), &page.location), (200, "You can begin anew", &None), "{}", page.html);
    assert!(!page.asks_for("new_password"));
}

/// When the waiting time is over. Waits until the letters have left.
async fn over_ms(world: &World, name: &str) -> i64 {
    for _ in 0..100 {
        let app = world.running.shared.now();
        let account = app.accounts().by_name(name).await.unwrap().unwrap();
        let patience = Patience { now_ms: app.now_ms(), wait_ms: app.config.enrolment.wait.ms() };
        if let Some(over_ms) = account.waiting.iter().find_map(|one| patience.counts_from_ms(one)) {
            return over_ms;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the letters have not left");
}

fn link(post: &Post, words: &str) -> String {
    let letters = post.mailbox.letters();
    let letter = letters.iter().rev().find(|letter| letter.plain().contains(words)).unwrap_or_else(|| panic!("no letter: {words}"));
    let text = letter.plain();
    let link = text.split_whitespace().find(|word| word.contains("/stop/")).unwrap_or_else(|| panic!("no link: {text}"));
    link.strip_prefix(&post.world.issuer).unwrap().to_owned()
}

/// 431-U, W-59: the mailbox alone gets nobody past the authenticator before the time is over. Then the lost one is gone, with one password.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_lost_everything_waits_and_begins_anew() {
    on_every_engine(|post| async move {
        let world = &post.world;
        post.enrol(&mut Browser::default()).await;
        let mut browser = Browser::default();
        let page = forgotten(&post, &mut browser).await;
        let page = browser.submit(world, &page, &[], "regain").await;
        waits(&page);
        waits(&browser.submit(world, &page, &NEW, "continue").await);
        assert_eq!((world.audited("regain_begun").await, world.audited("regained").await), (1, 0));
        let told_ms = over_ms(world, "alice").await - 72 * HOUR_S * 1000;
        link(&post, "lost your authenticator app");
        assert!((post.now_ms() - told_ms).abs() < 60_000, "{told_ms}");
        world.advance_s(72 * HOUR_S - 120);
        let mut early = Browser::default();
        let page = forgotten(&post, &mut early).await;
        waits(&early.submit(world, &page, &[], "regain").await);
        assert_eq!((world.audited("regain_begun").await, world.audited("password_changed").await), (1, 0));
        world.advance_s(240);
        let mut browser = Browser::default();
        let page = forgotten(&post, &mut browser).await;
        let page = browser.submit(world, &page, &[], "regain").await;
        assert!(page.asks_for("new_password"), "the twin: {}", page.html);
        let wrong = browser.submit(world, &page, &[("new_password", NEW_PASSWORD), ("new_password_again", "another")], "continue").await;
        assert_eq!((world.audited("regained").await, world.audited("totp_removed").await), (0, 0), "{}", wrong.html);
        assert_eq!(browser.submit(world, &wrong, &NEW, "continue").await.status, 303);
        for (event, times) in [("regained", 1), ("totp_removed", 1), ("password_changed", 1)] {
            assert_eq!(world.audited(event).await, times, "{event}");
        }
        for (password, fits) in [(PASSWORD, false), (NEW_PASSWORD, true)] {
            let mut browser = Browser::default();
            let page = browser.open(world, &Ask::native("openid")).await;
            let done = browser.submit_password(world, &page, "alice", password).await;
            assert_eq!(done.has_code(), fits, "{}", done.html);
        }
        // Once: the next one waits anew, and there is nothing to lose.
        let app = world.running.shared.now();
        assert!(app.accounts().by_name("alice").await.unwrap().unwrap().waiting.is_empty());
        drop(app);
        // What is added in the same sign-in counts at once: the waiting was done.
        let two = Ask::native("openid").with("acr_values", "urn:two");
        let page = browser.open(world, &two).await;
        assert_eq!(page.kind(), "enrol_totp", "a session, not the sign-in: {}", page.html);
        post.world.stop().await;
    })
    .await;
}

/// A thief who has the password and reads the mail begins. The owner's button ends it, signs the thief out, and nothing is removed.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_stops_whoever_says_that_all_is_lost() {
    on_every_engine(|post| async move {
        let world = &post.world;
        post.enrol(&mut Browser::default()).await;
        let mut thief = Browser::default();
        let page = thief.open(world, &Ask::native("openid")).await;
        let page = thief.submit_password(world, &page, "alice", PASSWORD).await;
        let seen = post.seen();
        let page = thief.submit(world, &page, &[], "regain").await;
        assert_eq!(page.kind(), "email_code", "a password is not enough for it: {}", page.html);
        assert_eq!(world.audited("regain_begun").await, 0);
        let code = post.code("alice@example.com", seen).await;
        let page = thief.submit(world, &page, &[("email_code", &code)], "continue").await;
        waits(&page);
        over_ms(world, "alice").await;
        let mut owner = Browser::default();
        let link = link(&post, "lost your authenticator app");
        let asked = owner.visit(world, &link).await;
        assert_eq!((asked.title().as_str(), world.audited("regain_stopped").await), ("Keep your ways to sign in?", 0), "{}", asked.html);
        let stopped = owner.submit(world, &asked, &[], "stop").await;
        assert_eq!((stopped.status, stopped.kind()), (200, "stopped"), "{}", stopped.html);
        assert_eq!(owner.submit(world, &asked, &[], "stop").await.status, 404);
        assert_eq!((world.audited("regain_stopped").await, world.audited("enrolment_stopped").await), (1, 0));
        world.advance_s(73 * HOUR_S);
        let late = thief.submit(world, &page, &[], "continue").await;
        assert_eq!((late.status, &late.location), (400, &None), "{}", late.html);
        let page = forgotten(&post, &mut thief).await;
        waits(&thief.submit(world, &page, &[], "regain").await);
        assert_eq!((world.audited("regain_begun").await, world.audited("totp_removed").await), (2, 0));
        // The twin: nobody stops the second one.
        over_ms(world, "alice").await;
        world.advance_s(73 * HOUR_S);
        let page = forgotten(&post, &mut owner).await;
        let page = owner.submit(world, &page, &[], "regain").await;
        assert!(page.asks_for("new_password"), "{}", page.html);
        // Not even when the form is open already.
        let again = link_of_newest(&post);
        let mut other = Browser::default();
        let asked = other.visit(world, &again).await;
        assert_eq!(other.submit(world, &asked, &[], "stop").await.kind(), "stopped");
        let refused = owner.submit(world, &page, &NEW, "continue").await;
        assert_eq!((refused.status, world.audited("regained").await), (400, 0), "{}", refused.html);
        post.world.stop().await;
    })
    .await;
}

fn link_of_newest(post: &Post) -> String {
    link(post, "lost your authenticator app")
}

/// A ticket takes the place of the waiting; so does an operator who names it, and not one who confirms what was added.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_lets_a_person_begin_anew_at_once() {
    use symbolon::operations::{Actor, Context, Operation, UserOperation, run};
    on_every_engine(|post| async move {
        let world = &post.world;
        post.enrol(&mut Browser::default()).await;
        let mut browser = Browser::default();
        let page = forgotten(&post, &mut browser).await;
        let page = browser.submit(world, &page, &[], "regain").await;
        waits(&page);
        assert!(!world.confirm("alice").await, "nothing was added that waits");
        waits(&browser.submit(world, &page, &[], "continue").await);
        let operation = Operation::User(UserOperation::Confirm { user: "alice".to_owned(), means: Some("regain".to_owned()) });
        run(&Context::of(&world.running.shared.now()), &Actor::Offline { uid: 0 }, operation).await.unwrap();
        let page = browser.visit(world, page.form_action().as_deref().map_or("/", |at| at.trim_start_matches(&world.issuer))).await;
        let page = browser.submit(world, &page, &[], "continue").await;
        assert!(page.asks_for("new_password"), "{}", page.html);
        // The other way: somebody else, with a ticket.
        world.advance_s(8 * 24 * HOUR_S + 72 * HOUR_S);
        let app = world.running.shared.now();
        waiting::end_late_regains(&app.store, &app.config, app.now_ms()).await.unwrap();
        assert_eq!(world.audited("regain_ended").await, 1, "a week late");
        let mut browser = Browser::default();
        let page = forgotten(&post, &mut browser).await;
        let page = browser.submit(world, &page, &[], "regain").await;
        waits(&page);
        let page = browser.submit(world, &page, &[], "use_ticket").await;
        let wrong = browser.submit(world, &page, &[("ticket", "aaaaa-aaaaa")], "continue").await;
        assert!(wrong.problem().contains("not your ticket"), "{}", wrong.html);
        assert!(!wrong.html.contains("aaaaa-aaaaa"), "a secret is not shown again: {}", wrong.html);
        let page = browser.submit(world, &wrong, &[("ticket", &world.ticket("alice").await)], "continue").await;
        assert!(page.asks_for("new_password"), "{}", page.html);
        assert_eq!(browser.submit(world, &page, &NEW, "continue").await.status, 303);
        let regained = world.entries("regained").await;
        assert_eq!((regained.len(), regained[0]["detail"]["by"].as_str()), (1, Some("a ticket")), "{regained:?}");
        post.world.stop().await;
    })
    .await;
}

/// Whoever shows the authenticator has not lost it: the waiting is over for nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_means_that_is_shown_is_not_lost() {
    on_every_engine(|post| async move {
        let world = &post.world;
        let (secret, _) = post.enrol(&mut Browser::default()).await;
        let mut thief = Browser::default();
        let page = forgotten(&post, &mut thief).await;
        waits(&thief.submit(world, &page, &[], "regain").await);
        over_ms(world, "alice").await;
        let mut owner = Browser::default();
        world.advance_s(60);
        let page = owner.open(world, &Ask::native("openid")).await;
        let page = owner.submit_password(world, &page, "alice", PASSWORD).await;
        let wrong = owner.submit(world, &page, &[("code", "000000")], "continue").await;
        assert_eq!(world.audited("regain_ended").await, 0, "{}", wrong.html);
        let done = owner.submit(world, &wrong, &[("code", &totp(&secret, post.now_ms()))], "continue").await;
        assert!(done.has_code(), "{}", done.html);
        assert_eq!(world.audited("regain_ended").await, 1);
        world.advance_s(73 * HOUR_S);
        let page = forgotten(&post, &mut thief).await;
        waits(&thief.submit(world, &page, &[], "regain").await);
        assert_eq!((world.audited("regain_begun").await, world.audited("totp_removed").await), (2, 0));
        post.world.stop().await;
    })
    .await;
}

/// Without a password: the lost passkey goes when another one is made, and who has it is signed out.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_with_a_lost_passkey_alone_makes_another_one() {
    passkeys::on_every_engine("[login.default]\nrequire = [\"passkey\", \"email\"]", |keys| async move {
        let world = &keys.world;
        let (mut lost, mut new) = (Authenticator::default(), Authenticator::default());
        let mut inside = Browser::default();
        crate::passkeys::sign_up(&keys, &mut inside, &mut lost, "nora@example.com").await;
        let mut browser = Browser::default();
        let page = asked_for_passkey(&keys, &mut browser).await;
        let page = browser.submit(world, &page, &[], "regain").await;
        waits(&page);
        over_ms(world, "nora@example.com").await;
        assert!(inside.visit(world, "/account").await.says("Somebody said that you lost"), "the account page says it");
        world.advance_s(73 * HOUR_S);
        let mut browser = Browser::default();
        let page = asked_for_passkey(&keys, &mut browser).await;
        let page = browser.submit(world, &page, &[], "regain").await;
        assert!(!page.asks_for("new_password"), "there was no password, and there is none: {}", page.html);
        let done = keys.make(&mut browser, &page, &mut new).await;
        assert_eq!(done.status, 303, "{}", done.html);
        assert_eq!((world.audited("regained").await, world.audited("passkey_removed").await), (1, 1));
        assert!(!inside.visit(world, "/account").await.says("Your account"), "signed out");
        for (phone, fits) in [(&mut lost, false), (&mut new, true)] {
            let mut browser = Browser::default();
            let page = keys.open(&mut browser).await;
            assert_eq!(keys.use_it(&mut browser, &page, phone).await.has_code(), fits);
        }
        assert!(!world.confirm("nora@example.com").await, "it counts at once");
        keys.world.stop().await;
    })
    .await;
}

/// W-59: the old recovery codes go with what is lost, and the new passkey brings new ones. The twin is the test above: no chain takes codes.
#[tokio::test(flavor = "multi_thread")]
async fn who_begins_anew_with_a_passkey_gets_new_recovery_codes() {
    passkeys::on_every_engine("[login.default]\nrequire = [\"passkey\", \"email + recovery\"]", |keys| async move {
        let world = &keys.world;
        let (mut lost, mut new) = (Authenticator::default(), Authenticator::default());
        let mut inside = Browser::default();
        let seen = keys.mailbox.letters().len();
        let page = inside.visit(world, "/register").await;
        let page = inside.submit(world, &page, &[("email", "nora@example.com"), ("name", "Nora")], "continue").await;
        let code = keys.mailbox.wait_for_code("nora@example.com", seen).await.unwrap();
        let page = inside.submit(world, &page, &[("email_code", &code)], "continue").await;
        let page = keys.make(&mut inside, &page, &mut lost).await;
        let old = page.codes();
        assert_eq!((page.kind(), old.len()), ("recovery_codes", 10), "{}", page.html);
        let done = inside.submit(world, &page, &[], "continue").await;
        assert_eq!(done.status, 303, "{}", done.html);
        let mut browser = Browser::default();
        let page = asked_for_passkey(&keys, &mut browser).await;
        waits(&browser.submit(world, &page, &[], "regain").await);
        over_ms(world, "nora@example.com").await;
        world.advance_s(73 * HOUR_S);
        let mut browser = Browser::default();
        let page = asked_for_passkey(&keys, &mut browser).await;
        let page = browser.submit(world, &page, &[], "regain").await;
        let page = keys.make(&mut browser, &page, &mut new).await;
        let codes = page.codes();
        assert_eq!((page.kind(), codes.len()), ("recovery_codes", 10), "{}", page.html);
        let done = browser.submit(world, &page, &[], "continue").await;
        assert_eq!(done.status, 303, "{}", done.html);
        for (code, fits) in [(&old[0], false), (&codes[0], true)] {
            let mut browser = Browser::default();
            let seen = keys.mailbox.letters().len();
            let page = keys.open(&mut browser).await;
            let page = browser.submit(world, &page, &[], "use_email").await;
            let page = browser.submit(world, &page, &[("username", "nora@example.com")], "continue").await;
            let mailed = keys.mailbox.wait_for_code("nora@example.com", seen).await.unwrap();
            let page = browser.submit(world, &page, &[("email_code", &mailed)], "continue").await;
            let page = browser.submit(world, &page, &[], "use_recovery").await;
            assert!(page.asks_for("recovery_code"), "{}", page.html);
            let done = browser.submit(world, &page, &[("recovery_code", code)], "continue").await;
            assert_eq!(done.has_code(), fits, "{}", done.html);
        }
        keys.world.stop().await;
    })
    .await;
}

/// With the passkey that was forgotten for a moment, the same way signs in and changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_reset_without_a_password_signs_in_with_the_passkey() {
    passkeys::on_every_engine("[login.default]\nrequire = [\"passkey\", \"email\"]", |keys| async move {
        let mut phone = Authenticator::default();
        crate::passkeys::sign_up(&keys, &mut Browser::default(), &mut phone, "nora@example.com").await;
        let mut browser = Browser::default();
        let page = asked_for_passkey(&keys, &mut browser).await;
        assert!(!page.asks_for("new_password"), "{}", page.html);
        let done = keys.use_it(&mut browser, &page, &mut phone).await;
        assert_eq!((done.status, keys.world.audited("password_changed").await), (303, 0), "{}", done.html);
        assert!(browser.visit(&keys.world, "/account").await.says("Your account"));
        keys.world.stop().await;
    })
    .await;
}

async fn asked_for_passkey(keys: &Keys, browser: &mut Browser) -> Page {
    let seen = keys.mailbox.letters().len();
    let page = browser.visit(&keys.world, "/reset").await;
    let page = browser.submit(&keys.world, &page, &[("username", "nora@example.com")], "continue").await;
    let code = keys.mailbox.wait_for_code("nora@example.com", seen).await.unwrap();
    let page = browser.submit(&keys.world, &page, &[("email_code", &code)], "continue").await;
    assert!(page.action("regain"), "{}", page.html);
    page
}

/// Whom no letter can reach, an operator helps: the way is not there.
#[tokio::test(flavor = "multi_thread")]
async fn without_mail_nobody_says_that_all_is_lost() {
    for engine in engines() {
        let more = "[login.default]\nrequire = [\"password\"]\n[login.two]\nrequire = [\"password + totp\"]\nacr = \"urn:two\"";
        let world = Configuration::on(engine).await.with(more).start().await;
        let mut browser = Browser::default();
        let ask = Ask::native("openid").with("acr_values", "urn:two");
        let page = browser.open(&world, &ask).await;
        let page = browser.submit_password(&world, &page, "alice", PASSWORD).await;
        let secret = page.codes().remove(0);
        let code = totp(&secret, world.running.shared.now().now_ms());
        browser.submit(&world, &page, &[("code", &code)], "continue").await;
        let page = browser.open(&world, &ask.with("prompt", "login")).await;
        let page = browser.submit_password(&world, &page, "alice", PASSWORD).await;
        assert!(page.asks_for("code") && !page.action("regain"), "{}", page.html);
        let forged = browser.submit(&world, &page, &[], "regain").await;
        assert!(forged.asks_for("code") && forged.title() != "You can begin anew", "{}", forged.html);
        world.stop().await;
    }
}
