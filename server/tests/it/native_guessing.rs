//! Guessing at the native face: the limits are the browser's, over both faces together, and answers tell nothing about who exists.

use crate::world::native::*;
use crate::world::*;

/// One wrong password in a fresh sign-in of this installation: was it refused for being too many?
async fn guess(phone: &mut Phone<'_>, name: &str) -> bool {
    let step = phone.begin().await;
    let answer = phone.answer_password(&step, name, "a wrong password").await;
    assert_eq!(answer.error(), ASKED, "{answer:?}");
    answer.problem() == "too_many_attempts"
}

/// 298-H, 356-Z: a fresh sign-in or the other face gives no new guesses, to nobody alike. An installation that the person signed in with
/// before has guesses of its own.
#[tokio::test(flavor = "multi_thread")]
async fn guesses_count_over_both_faces_together() {
    for engine in engines() {
        let scene = Screens::start(engine).await;
        let mut owner = scene.genuine();
        owner.native_code().await;
        for name in ["alice", "nobody"] {
            let mut stranger = scene.genuine();
            let mut answers = Vec::new();
            for number in 0..12 {
                if number % 2 == 0 {
                    answers.push(guess(&mut stranger, name).await);
                    continue;
                }
                let mut browser = Browser::default();
                let page = browser.open(&scene.world, &Ask::native("openid")).await;
                answers.push(browser.submit_password(&scene.world, &page, name, "a wrong password").await.says("Too many attempts"));
            }
            assert_eq!(answers.iter().position(|throttled| *throttled), Some(10), "{name}: {answers:?}");
        }
        let mut stranger = scene.genuine();
        let step = stranger.begin().await;
        assert_eq!(stranger.answer_password(&step, "alice", PASSWORD).await.problem(), "too_many_attempts", "the right one waits as well");
        owner.native_code().await;
        assert_eq!(scene.world.audited("code_issued").await, 2);
        scene.world.stop().await;
    }
}

/// 298-H: a sign-in ends after a hundred answers, also of those that cost nothing. The last one may be right.
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_takes_a_hundred_answers() {
    let scene = Screens::with(Engine::Sqlite, crate::world::app_passkeys::with_app).await;
    let mut phone = scene.genuine();
    for (answers, is_taken) in [(99, true), (100, false)] {
        let mut step = phone.begin().await;
        for _ in 0..answers {
            step = phone.answer(&step, "passkey", &[("passkey", "{}")]).await;
            assert_eq!(step.error(), ASKED, "{step:?}");
        }
        let last = phone.answer_password(&step, "alice", PASSWORD).await;
        assert_eq!((last.status == 200, last.error() == OVER), (is_taken, !is_taken), "{last:?}");
        scene.world.advance_s(60);
    }
    scene.world.stop().await;
}

/// 300-H: the documents for a name that exists and for one that does not have the same members and the same texts.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_does_not_tell_who_exists() {
    let scene = Screens::start(Engine::Sqlite).await;
    let mut shown = Vec::new();
    for name in ["alice@example.com", "nobody@example.com"] {
        let mut phone = scene.genuine();
        let start = phone.begin().await;
        let wrong = phone.answer_password(&start, name, "a wrong password").await;
        let named = phone.answer(&wrong, "use_email", &[("username", name)]).await;
        assert_eq!(named.kind(), "identify", "{named:?}");
        let sent = phone.answer(&named, "continue", &[("username", name)]).await;
        assert_eq!(sent.kind(), "email_code", "{sent:?}");
        let code = phone.answer(&sent, "continue", &[("email_code", "00000000")]).await;
        let steps: Vec<String> = [&wrong, &named, &sent, &code].map(|it| it.step().to_string().replace(name, "NAME")).to_vec();
        shown.push(steps);
    }
    assert_eq!(shown[0], shown[1]);
    scene.world.stop().await;
}

/// W-44: another letter can be had at once, without a failure first. The person and the method stay. Only the code of the newest letter is
/// good. Beyond the limit the step says so, and that code is good still.
#[tokio::test(flavor = "multi_thread")]
async fn another_letter_is_there_at_once() {
    for engine in engines() {
        let scene = Screens::start(engine).await;
        let mut phone = scene.genuine();
        let start = phone.begin().await;
        let named = phone.answer(&start, "use_email", &[("username", "alice")]).await;
        let sent = phone.answer(&named, "continue", &[("username", "alice")]).await;
        assert!(sent.kind() == "email_code" && sent.problem().is_empty() && sent.actions().contains(&"resend".to_owned()), "{sent:?}");
        let first = scene.code_of_letter("alice@example.com", 0).await;
        let (mut step, mut newest, mut letters) = (sent, first.clone(), 1);
        let refused = loop {
            let next = phone.answer(&step, "resend", &[]).await;
            assert_eq!((next.error(), next.kind()), (ASKED, "email_code"), "{next:?}");
            if !next.problem().is_empty() {
                break next;
            }
            newest = scene.code_of_letter("alice@example.com", letters).await;
            letters += 1;
            step = next;
        };
        assert_eq!((letters, refused.problem()), (5, "too_many_mails"), "{refused:?}");
        let old = phone.answer(&refused, "continue", &[("email_code", &first)]).await;
        assert_eq!(old.problem(), "wrong_email_code", "{old:?}");
        let done = phone.answer(&old, "continue", &[("email_code", &newest)]).await;
        assert_eq!(done.status, 200, "the twin: {done:?}");
        scene.world.stop().await;
    }
}

/// W-50: the request that begins carries no answer. Name, password and code in it change nothing: neither the step, nor the audit, nor the
/// limits. What follows is as step by step.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_request_is_no_answer() {
    for engine in engines() {
        let scene = Screens::start(engine).await;
        let mut phone = scene.genuine();
        let plain = phone.begin().await;
        for password in ["a wrong password", PASSWORD] {
            for _ in 0..6 {
                let more = [("username", "alice"), ("password", password), ("code", "123456"), ("action", "continue")];
                let whole = phone.begin_with(&more).await;
                assert_eq!((whole.error(), whole.step()), (ASKED, plain.step()), "{whole:?}");
            }
        }
        for event in ["password_proved", "password_refused", "sign_in_throttled"] {
            assert_eq!(scene.world.audited(event).await, 0, "{event}");
        }
        // Eleven guesses would have been too many: not one was counted.
        let whole = phone.begin_with(&[("password", PASSWORD), ("login_hint", "alice")]).await;
        assert_eq!(whole.step()["fields"][0]["value"], "alice", "{whole:?}");
        let done = phone.answer_password(&whole, "alice", PASSWORD).await;
        assert_eq!((done.status, scene.world.audited("password_proved").await), (200, 1), "{done:?}");
        scene.world.stop().await;
    }
}

/// An app's screens remember no accounts: `prompt=select_account` is taken and changes nothing. A word that nobody knows is refused.
#[tokio::test(flavor = "multi_thread")]
async fn there_are_no_accounts_to_choose_from_in_an_app() {
    let scene = Screens::start(Engine::Sqlite).await;
    let mut phone = scene.genuine();
    phone.native_code().await;
    let plain = phone.begin().await;
    let chosen = phone.begin_with(&[("prompt", "select_account")]).await;
    assert_eq!((chosen.error(), chosen.step()), (ASKED, plain.step()), "{chosen:?}");
    assert_eq!(phone.answer_password(&chosen, "alice", PASSWORD).await.status, 200);
    assert_eq!(phone.begin_with(&[("prompt", "choose")]).await.error(), (400, "invalid_request"));
    scene.world.stop().await;
}

/// 305-H: another media type or a header that asks for another version gets the same checks, or is refused.
#[tokio::test(flavor = "multi_thread")]
async fn no_media_type_leads_round_the_checks() {
    let scene = Screens::start(Engine::Sqlite).await;
    let mut phone = scene.genuine();
    phone.begin().await;
    let send = async |content_type: &str, body: &str, more: &[(&'static str, &str)]| {
        let request = scene.world.http.post(scene.world.url("/authorize-challenge")).header("content-type", content_type);
        let headers = phone.headers("/authorize-challenge");
        let request = headers.iter().fold(request.body(body.to_owned()), |request, (name, value)| request.header(*name, value));
        Answer::to(more.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
    };
    let form = "application/x-www-form-urlencoded";
    let begin = "client_id=screens&response_type=code&scope=orders%3Aread";
    let document = "{\"client_id\":\"screens\",\"response_type\":\"code\"}";
    for (content_type, body) in [("application/json", document), ("application/vnd.symbolon.step+json", document), ("text/plain", begin)] {
        assert_eq!(send(content_type, body, &[]).await.status, 415, "{content_type}");
    }
    for (name, value) in [("accept", "text/html"), ("accept", "application/vnd.other+json"), ("api-version", "0"), ("accept", "*/*")] {
        let answer = send(form, begin, &[(name, value)]).await;
        assert_eq!((answer.error(), answer.header("content-type")), (ASKED, Some("application/vnd.symbolon.step+json")), "{name}: {value}");
    }
    assert_eq!(send(form, begin, &[]).await.error(), ASKED, "the twin");
    scene.world.stop().await;
}

/// A code by e-mail: the letter is sent when the person asks for it, once. W-43: a wrong code sends none, keeps the step, and is said at the
/// field. Only a sign-in that is over is `invalid_session`.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_by_mail_on_native_screens() {
    for engine in engines() {
        let scene = Screens::start(engine).await;
        let mut phone = scene.genuine();
        let start = phone.begin().await;
        let named = phone.answer(&start, "use_email", &[("username", "alice")]).await;
        let sent = phone.answer(&named, "continue", &[("username", "alice")]).await;
        let code = scene.code_of_letter("alice@example.com", 0).await;
        let wrong = phone.answer(&sent, "continue", &[("email_code", "00000000")]).await;
        assert_eq!((wrong.kind(), wrong.problem()), ("email_code", "wrong_email_code"), "{wrong:?}");
        assert!(wrong.step()["problem"]["field"] == "email_code" && !wrong.body.to_string().contains(&code));
        assert_eq!(scene.mailbox.letters().len(), 1, "a wrong code sends no letter");
        let older = phone.answer(&sent, "continue", &[("email_code", &code)]).await;
        assert_eq!((older.error(), older.step().is_null()), (OVER, true), "an answer to the step before: {older:?}");
        let done = phone.answer(&wrong, "continue", &[("email_code", &code)]).await;
        assert_eq!(done.status, 200, "{done:?}");
        assert_eq!(phone.redeem(&done.text("authorization_code")).await.status, 200);
        let late = phone.answer(&wrong, "continue", &[("email_code", "00000000")]).await;
        assert_eq!((late.error(), late.step().is_null()), (OVER, true), "the sign-in is over: {late:?}");
        scene.world.stop().await;
    }
}
