//! Journeys through the mailbox: codes by e-mail, registration, reset, another address, recovery codes, lost answers.
//! Real letters over SMTP to a mailbox on this machine.

use crate::world::mail::{NEW_PASSWORD, on_every_engine};
use crate::world::{Ask, Browser, PASSWORD};

/// A wrong code is refused, the right one signs in.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_by_mail_signs_in() {
    on_every_engine(|post| async move {
        let mut browser = Browser::default();
        let ask = Ask::native("openid orders:read");
        let page = browser.open(&post.world, &ask).await;
        let page = browser.submit(&post.world, &page, &[], "use_email").await;
        let sent = browser.submit(&post.world, &page, &[("username", "alice")], "continue").await;
        assert!(sent.says("If there is an account"), "{}", sent.html);
        let code = post.code("alice@example.com", 0).await;
        let wrong = browser.submit(&post.world, &sent, &[("email_code", "0000 0000")], "continue").await;
        assert_eq!((wrong.status, wrong.problem().contains("not right")), (200, true));
        let done = browser.submit(&post.world, &wrong, &[("email_code", &format!("{} {}", &code[..4], &code[4..]))], "continue").await;
        assert!(done.has_code(), "{}", done.html);
        let tokens = post.world.exchange(&done.code(), &ask.verifier).await.1;
        assert_eq!(crate::world::claims(tokens["id_token"].as_str().unwrap())["amr"], serde_json::json!(["otp"]));
        post.world.stop().await;
    })
    .await;
}

/// 300-H, 460-E, 463-E: a name nobody has sees the same pages, of the same size, and no letter leaves. Five tries are all.
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_learns_nothing_and_five_tries_are_all() {
    on_every_engine(|post| async move {
        let mut lengths = Vec::new();
        for name in ["alice", "nobody"] {
            let mut browser = Browser::default();
            let page = browser.open(&post.world, &Ask::native("openid")).await;
            let page = browser.submit(&post.world, &page, &[], "use_email").await;
            let sent = browser.submit(&post.world, &page, &[("username", name)], "continue").await;
            lengths.push(sent.html.len() as i64);
            let mut page = sent;
            for _ in 0..5 {
                page = browser.submit(&post.world, &page, &[("email_code", "00000000")], "continue").await;
                assert!(page.problem().contains("not right"), "{}", page.problem());
            }
            if name == "alice" {
                let code = post.code("alice@example.com", 0).await;
                let late = browser.submit(&post.world, &page, &[("email_code", &code)], "continue").await;
                assert!(late.problem().contains("no longer good"), "{}", late.html);
            } else {
                let late = browser.submit(&post.world, &page, &[("email_code", "11111111")], "continue").await;
                assert!(late.problem().contains("no longer good"), "{}", late.html);
            }
        }
        assert!((lengths[0] - lengths[1]).abs() <= 2, "the page tells who exists: {lengths:?}");
        assert!(post.mailbox.letters().iter().all(|it| it.to == ["alice@example.com"]));
        post.world.stop().await;
    })
    .await;
}

/// 461-E, 417-U: a foreign domain is refused, an address in use gets another letter and the same page, a proved one an account.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_registers_with_a_code_by_mail() {
    on_every_engine(|post| async move {
        let mut browser = Browser::default();
        let ask = Ask::native("openid email orders:read").with("prompt", "create");
        let page = browser.open(&post.world, &ask).await;
        assert_eq!(page.kind(), "register", "{}", page.html);
        let fill = |email: &'static str| [("email", email), ("name", "Bob"), ("new_password", NEW_PASSWORD)];
        let mut page = page;
        for (bad, words) in [("bob@evil.test", "certain e-mail addresses"), ("bob", "not an e-mail address")] {
            page = browser.submit(&post.world, &page, &fill(bad), "continue").await;
            assert!(page.problem().contains(words), "{bad}: {}", page.problem());
        }
        let seen = post.seen();
        let taken = browser.submit(&post.world, &page, &fill("alice@example.com"), "continue").await;
        assert!(taken.says("We sent a code to"), "{}", taken.html);
        let letter = post.mailbox.wait("alice@example.com", seen).await.unwrap();
        assert!(letter.code().is_none() && letter.text.contains("belongs to an account already"), "{}", letter.text);

        let seen = post.seen();
        let page = browser.open(&post.world, &ask).await;
        let sent = browser.submit(&post.world, &page, &fill("Bob@example.com"), "continue").await;
        assert_eq!(sent.says("We sent a code to"), taken.says("We sent a code to"));
        let code = post.code("Bob@example.com", seen).await;
        let done = browser.submit(&post.world, &sent, &[("email_code", &code)], "continue").await;
        assert!(done.has_code(), "{}", done.html);
        let tokens = post.world.exchange(&done.code(), &ask.verifier).await.1;
        assert_eq!(tokens["token_type"], "Bearer", "{tokens}");
        assert_eq!(post.world.audited("registered").await, 1);

        // The account is a real one: name and password sign in.
        let mut again = Browser::default();
        let page = again.open(&post.world, &Ask::native("openid")).await;
        let done = again.submit_password(&post.world, &page, "bob@EXAMPLE.com", NEW_PASSWORD).await;
        assert!(done.has_code(), "{}", done.html);
        post.world.stop().await;
    })
    .await;
}

/// Whoever changes their mind leaves no digest of the password behind that they had chosen.
#[tokio::test(flavor = "multi_thread")]
async fn a_registration_that_is_cancelled_keeps_no_password() {
    on_every_engine(|post| async move {
        let mut browser = Browser::default();
        let page = browser.open(&post.world, &Ask::native("openid").with("prompt", "create")).await;
        let fill = [("email", "bob@example.com"), ("name", "Bob"), ("new_password", NEW_PASSWORD)];
        let sent = browser.submit(&post.world, &page, &fill, "continue").await;
        assert!(sent.says("We sent a code to"), "{}", sent.html);
        assert!(post.world.sign_ins().await.contains("$argon2id$"), "the twin: it waits for the code");
        let back = browser.submit(&post.world, &sent, &[], "cancel").await;
        assert_eq!(back.error().as_deref(), Some("access_denied"), "{}", back.html);
        let left = post.world.sign_ins().await;
        assert!(left.contains("access_denied") && !left.contains("$argon2id$"), "{left}");
        post.world.stop().await;
    })
    .await;
}

/// 420-U: a forgotten password is replaced; the old sessions and grants end, the person is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_replaced() {
    on_every_engine(|post| async move {
        let tokens = post.world.tokens("openid orders:read offline_access").await;
        let refresh = tokens["refresh_token"].as_str().unwrap();
        let seen = post.seen();
        let mut browser = Browser::default();
        let page = browser.open(&post.world, &Ask::native("openid")).await;
        let page = browser.submit(&post.world, &page, &[], "reset").await;
        assert_eq!(page.kind(), "reset");
        let sent = browser.submit(&post.world, &page, &[("username", "alice@example.com")], "continue").await;
        let code = post.code("alice@example.com", seen).await;
        let page = browser.submit(&post.world, &sent, &[("email_code", &code)], "continue").await;
        assert_eq!(page.kind(), "new_password", "{}", page.html);
        let differ = [("new_password", NEW_PASSWORD), ("new_password_again", "something else")];
        let page = browser.submit(&post.world, &page, &differ, "continue").await;
        assert!(page.problem().contains("not the same"));
        let seen = post.seen();
        let same = [("new_password", NEW_PASSWORD), ("new_password_again", NEW_PASSWORD)];
        let done = browser.submit(&post.world, &page, &same, "continue").await;
        assert!(done.has_code(), "{}", done.html);
        let letter = post.mailbox.wait("alice@example.com", seen).await.unwrap();
        assert!(letter.subject().unwrap().contains("was changed"), "{}", letter.text);
        let (status, answer) = post.world.refresh(refresh).await;
        assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_grant")));
        for (password, fits) in [(PASSWORD, false), (NEW_PASSWORD, true)] {
            let mut browser = Browser::default();
            let page = browser.open(&post.world, &Ask::native("openid")).await;
            let page = browser.submit_password(&post.world, &page, "alice", password).await;
            assert_eq!(page.has_code(), fits);
        }
        post.world.stop().await;
    })
    .await;
}

/// 420-U: a thief who read one code and stopped before the new password comes too late once the owner has chosen one, and so does one
/// who stopped before another address. The twin is the owner, on the same pages.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_login_changes_nothing_any_more() {
    on_every_engine(|post| async move {
        let mut at_new_password = Vec::new();
        let mut intruder = Browser::default();
        let page = intruder.visit(&post.world, "/account").await;
        intruder.submit_password(&post.world, &page, "alice", PASSWORD).await;
        let page = intruder.visit(&post.world, "/account").await;
        let at_new_email = intruder.submit(&post.world, &page, &[], "change_email").await;
        for _ in 0..2 {
            let seen = post.seen();
            let mut browser = Browser::default();
            let page = browser.visit(&post.world, "/reset").await;
            let page = browser.submit(&post.world, &page, &[("username", "alice")], "continue").await;
            let code = post.code("alice@example.com", seen).await;
            let page = browser.submit(&post.world, &page, &[("email_code", &code)], "continue").await;
            assert_eq!(page.kind(), "new_password", "{}", page.html);
            at_new_password.push((browser, page));
        }
        let (mut owner, owners) = at_new_password.pop().unwrap();
        let (mut thief, thiefs) = at_new_password.pop().unwrap();
        let same = |it: &'static str| [("new_password", it), ("new_password_again", it)];
        let done = owner.submit(&post.world, &owners, &same(NEW_PASSWORD), "continue").await;
        assert!(done.location.unwrap().ends_with("/account"), "{}", done.html);
        let late = thief.submit(&post.world, &thiefs, &same("the password of a thief"), "continue").await;
        assert_eq!((late.status, late.location), (400, None), "{}", late.html);
        let late = intruder.submit(&post.world, &at_new_email, &[("email", "thief@example.com")], "continue").await;
        assert_eq!((late.status, late.location), (400, None), "{}", late.html);
        assert_eq!(post.world.audited("email_code_sent").await, 2, "no letter for the other address");
        for (password, fits) in [("the password of a thief", false), (NEW_PASSWORD, true)] {
            let mut browser = Browser::default();
            let page = browser.open(&post.world, &Ask::native("openid")).await;
            let page = browser.submit_password(&post.world, &page, "alice", password).await;
            assert_eq!(page.has_code(), fits, "{password}");
        }
        post.world.stop().await;
    })
    .await;
}

/// 431-U, 365-Z: with an authenticator, mail alone does not reset the password; a recovery code helps out, once.
#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_resets_the_password_of_somebody_who_lost_the_phone() {
    on_every_engine(|post| async move {
        let ask = Ask::native("openid").with("acr_values", "urn:two");
        let (_, codes) = post.enrol(&mut Browser::default()).await;

        // Another browser, the password forgotten, the phone lost.
        post.told("alice@example.com", "authenticator app was added").await;
        let seen = post.seen();
        let mut browser = Browser::default();
        let page = browser.visit(&post.world, "/reset").await;
        let page = browser.submit(&post.world, &page, &[("username", "alice")], "continue").await;
        let code = post.code("alice@example.com", seen).await;
        let page = browser.submit(&post.world, &page, &[("email_code", &code)], "continue").await;
        assert!(page.says("authenticator app"), "mail alone must not be enough: {}", page.html);
        let page = browser.submit(&post.world, &page, &[], "use_recovery").await;
        let wrong = browser.submit(&post.world, &page, &[("recovery_code", "aaaaa-aaaaa")], "continue").await;
        assert!(wrong.problem().contains("not one of your recovery codes"), "{}", wrong.html);
        let page = browser.submit(&post.world, &wrong, &[("recovery_code", &codes[3].to_uppercase())], "continue").await;
        assert_eq!(page.kind(), "new_password", "{}", page.html);

        // The same code a second time.
        let mut thief = Browser::default();
        let page = thief.open(&post.world, &ask).await;
        let page = thief.submit_password(&post.world, &page, "alice", PASSWORD).await;
        let page = thief.submit(&post.world, &page, &[], "use_recovery").await;
        let again = thief.submit(&post.world, &page, &[("recovery_code", &codes[3])], "continue").await;
        assert!(again.problem().contains("not one of your recovery codes"), "{}", again.html);
        let done = thief.submit(&post.world, &again, &[("recovery_code", &codes[4])], "continue").await;
        assert!(done.has_code(), "an unused one is good: {}", done.html);
        post.world.stop().await;
    })
    .await;
}

/// 410-U, 461-E: only a code to the new one makes it so; the old one is told, and no longer signs in once the new one is confirmed.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_changed() {
    on_every_engine(|post| async move {
        post.world.person("carol").await;
        let mut browser = Browser::default();
        let page = browser.visit(&post.world, "/account").await;
        let done = browser.submit_password(&post.world, &page, "alice", PASSWORD).await;
        assert!(done.location.unwrap().ends_with("/account"));
        let page = browser.visit(&post.world, "/account").await;
        let page = browser.submit(&post.world, &page, &[], "change_email").await;
        let foreign = browser.submit(&post.world, &page, &[("email", "alice@evil.test")], "continue").await;
        assert!(foreign.problem().contains("certain e-mail addresses"), "the domains hold at a change, too: {}", foreign.html);
        let page = foreign;
        let seen = post.seen();
        let taken = browser.submit(&post.world, &page, &[("email", "carol@example.com")], "continue").await;
        assert!(taken.says("We sent a code to"));
        assert!(post.mailbox.wait("carol@example.com", seen).await.unwrap().code().is_none());
        let page = browser.visit(&post.world, "/account").await;
        let page = browser.submit(&post.world, &page, &[], "change_email").await;
        let seen = post.seen();
        let sent = browser.submit(&post.world, &page, &[("email", "alice.new@example.com")], "continue").await;
        let code = post.code("alice.new@example.com", seen).await;
        let seen = post.seen();
        let done = browser.submit(&post.world, &sent, &[("email_code", &code)], "continue").await;
        assert!(done.location.unwrap().ends_with("/account"), "{}", done.html);
        assert!(post.mailbox.wait("alice@example.com", seen).await.unwrap().text.contains("another e-mail address"));
        // Until the new address is confirmed, the old one signs in too: whoever did not change it must not be locked out.
        for old_fits in [true, false] {
            for (name, fits) in [("alice@example.com", old_fits), ("alice.new@example.com", true), ("alice", true)] {
                let mut browser = Browser::default();
                let page = browser.open(&post.world, &Ask::native("openid")).await;
                let page = browser.submit_password(&post.world, &page, name, PASSWORD).await;
                assert_eq!(page.has_code(), fits, "{name}");
            }
            assert_eq!(post.world.confirm("alice").await, old_fits);
        }
        post.world.stop().await;
    })
    .await;
}

/// The same answer from the same browser gets the same reply: a code that was spent by a lost answer is not lost with it.
/// Its twin: another browser, or another answer, gets nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_given_again() {
    on_every_engine(|post| async move {
        let mut browser = Browser::default();
        let ask = Ask::native("openid").with("acr_values", "urn:strong");
        let page = browser.open(&post.world, &ask).await;
        let sent = browser.submit_password(&post.world, &page, "alice", PASSWORD).await;
        assert!(sent.says("a…@example.com"), "{}", sent.html);
        let code = post.code("alice@example.com", 0).await;
        let mut tunnel = browser.clone();
        let first = browser.submit(&post.world, &sent, &[("email_code", &code)], "continue").await;
        assert!(first.has_code(), "{}", first.html);
        // The answer never arrived: the cookies are the old ones.
        let second = tunnel.clone().submit(&post.world, &sent, &[("email_code", &code)], "continue").await;
        assert_eq!(second.location, first.location);
        let other = tunnel.submit(&post.world, &sent, &[("email_code", "12345678")], "continue").await;
        assert_eq!((other.status, other.location), (400, None), "the secret before is good for the same answer alone: {}", other.html);
        let stranger = Browser::default().submit(&post.world, &sent, &[("email_code", &code)], "continue").await;
        assert_eq!(stranger.status, 400, "{}", stranger.html);
        let (answer, code) = (code, first.code());
        assert_eq!(post.world.exchange(&code, &ask.verifier).await.0, 200);
        post.world.advance_s(130);
        for code in ["12345678", answer.as_str()] {
            let late = browser.submit(&post.world, &sent, &[("email_code", code)], "continue").await;
            assert_eq!((late.status, late.kind(), late.location), (200, "done", None), "{code}");
        }
        post.world.stop().await;
    })
    .await;
}

/// 427-U, 359-Z: mails cannot be poured over somebody, from one network or from many; and nobody can use up the person's own: a browser
/// that signed in before and another network still get theirs.
#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_is_not_flooded_and_not_kept_shut() {
    on_every_engine(|post| async move {
        let mut known = Browser::default();
        known.sign_in(&post.world, &Ask::native("openid"), "alice").await;
        let sent = async |browser: &mut Browser| {
            let page = browser.visit(&post.world, "/reset").await;
            let page = browser.submit(&post.world, &page, &[("username", "alice")], "continue").await;
            assert_eq!(page.problem().contains("several codes"), page.kind() != "email_code", "{}", page.html);
            page.kind() == "email_code"
        };
        let mut letters = 0;
        for network in 1..=4 {
            for at in 0..6 {
                let goes = sent(&mut Browser::at(&format!("2001:db8:{network}::{at}"))).await;
                assert_eq!(goes, at < 5, "network {network}, letter {at}");
                letters += usize::from(goes);
            }
        }
        assert_eq!(letters, 20);
        // All strangers have used up theirs: each further network gets one letter.
        for at in 0..3 {
            assert_eq!(sent(&mut Browser::at("203.0.113.5")).await, at == 0, "{at}");
        }
        known.address = Some("2001:db8:1::1".to_owned());
        assert!(sent(&mut known).await, "the owner's browser, in the stranger's network");
        post.world.advance_s(3601);
        assert!(sent(&mut Browser::at("2001:db8:1::1")).await);
        post.world.stop().await;
    })
    .await;
}

/// 404-U, 405-U, 358-Z, 359-Z: three codes are out; one is used, and the others are dead. So is one that got old, and one
/// that a newer one replaced. A code for one thing is none for another.
#[tokio::test(flavor = "multi_thread")]
async fn one_code_is_used_and_all_others_die() {
    on_every_engine(|post| async move {
        let mut pages = Vec::new();
        for _ in 0..3 {
            let seen = post.seen();
            let mut browser = Browser::default();
            let page = browser.visit(&post.world, "/reset").await;
            let page = browser.submit(&post.world, &page, &[("username", "alice")], "continue").await;
            pages.push((browser, page, post.code("alice@example.com", seen).await));
        }
        let (mut browser, page, first) = pages.remove(0);
        let seen = post.seen();
        let again = browser.submit(&post.world, &page, &[], "resend").await;
        let newer = post.code("alice@example.com", seen).await;
        // The newer code is the question's; the older one is wrong.
        let old = browser.submit(&post.world, &again, &[("email_code", &first)], "continue").await;
        assert!(old.problem().contains("not right"), "resent: {}", old.html);
        let used = browser.submit(&post.world, &old, &[("email_code", &newer)], "continue").await;
        assert_eq!(used.kind(), "new_password", "{}", used.html);
        for (mut browser, page, code) in pages {
            let dead = browser.submit(&post.world, &page, &[("email_code", &code)], "continue").await;
            assert!(dead.problem().contains("no longer good"), "{}", dead.html);
        }
        let seen = post.seen();
        post.world.advance_s(3600);
        let mut browser = Browser::default();
        let page = browser.visit(&post.world, "/register").await;
        let fill = [("email", "dan@example.com"), ("new_password", NEW_PASSWORD)];
        let page = browser.submit(&post.world, &page, &fill, "continue").await;
        let code = post.code("dan@example.com", seen).await;
        post.world.advance_s(16 * 60);
        let late = browser.submit(&post.world, &page, &[("email_code", &code)], "continue").await;
        assert!(late.problem().contains("no longer good"), "{}", late.html);
        post.world.stop().await;
    })
    .await;
}

/// Proofs that have grown old are asked for first, and the code for them goes to the present address. Then the new one is asked again.
#[tokio::test(flavor = "multi_thread")]
async fn old_proofs_are_made_anew_at_the_present_address() {
    on_every_engine(|post| async move {
        let world = &post.world;
        world.reload(|it| it.with("[login.default]\nrequire = [\"password + email\"]")).await;
        let mut browser = Browser::default();
        let page = browser.visit(world, "/account").await;
        let seen = post.seen();
        let page = browser.submit_password(world, &page, "alice", PASSWORD).await;
        let code = post.code("alice@example.com", seen).await;
        assert_eq!(browser.submit(world, &page, &[("email_code", &code)], "continue").await.status, 303);
        world.advance_s(240);
        let account = browser.visit(world, "/account").await;
        let form = browser.submit(world, &account, &[], "change_email").await;
        assert_eq!(form.kind(), "new_email", "{}", form.html);
        world.advance_s(120);
        let page = browser.submit(world, &form, &[("email", "alice.new@example.com")], "continue").await;
        assert!(page.asks_for("password"), "{}", page.html);
        let seen = post.seen();
        let page = browser.submit_password(world, &page, "alice", PASSWORD).await;
        let code = post.code("alice@example.com", seen).await;
        let form = browser.submit(world, &page, &[("email_code", &code)], "continue").await;
        assert_eq!(form.kind(), "new_email", "{}", form.html);
        let seen = post.seen();
        let sent = browser.submit(world, &form, &[("email", "alice.new@example.com")], "continue").await;
        let code = post.code("alice.new@example.com", seen).await;
        let done = browser.submit(world, &sent, &[("email_code", &code)], "continue").await;
        assert_eq!((done.status, world.audited("email_changed").await), (303, 1), "{}", done.html);
        post.world.stop().await;
    })
    .await;
}
