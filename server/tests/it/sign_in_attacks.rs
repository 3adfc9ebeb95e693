//! Ways around the rules of a sign-in that were tried and lead nowhere, each with the way that is allowed.

use crate::world::mail::{NEW_PASSWORD, Post};
use crate::world::*;
use symbolon::store::Store;
use symbolon::store::faults::{Fate, Plan};
use symbolon::store::tables::app_grant;

const NEW: [(&str, &str); 2] = [("new_password", NEW_PASSWORD), ("new_password_again", NEW_PASSWORD)];

fn id_token(tokens: &serde_json::Value) -> serde_json::Value {
    claims(tokens["id_token"].as_str().unwrap())
}

/// 327-L: proofs of a session count in the browser that still has it: they open no second session beside it.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_not_forked() {
    on_every_engine(|world| async move {
        let mut browser = Browser::default();
        browser.sign_in(&world, &Ask::native("openid"), "alice").await;
        let page = browser.open(&world, &Ask::native("openid").with("prompt", "consent")).await;
        assert_eq!(page.kind(), "consent");
        let mut thief = browser.clone();
        thief.cookies.retain(|name, _| name.contains("login"));
        let refused = thief.submit(&world, &page, &[], "allow").await;
        assert_eq!((refused.status, refused.location), (400, None), "{}", refused.html);
        assert!(browser.submit(&world, &page, &[], "allow").await.has_code(), "the twin");
        world.stop().await;
    })
    .await;
}

/// 368-Z: a recovery code gives no acr. Essential and not had, that is an error and never a weaker token.
#[tokio::test(flavor = "multi_thread")]
async fn an_essential_acr_is_not_lost_by_a_recovery_code() {
    for engine in engines() {
        let post = Post::start(engine).await;
        let (secret, codes) = post.enrol(&mut Browser::default()).await;
        post.world.advance_s(60);
        let ask = Ask::native("openid").with("claims", r#"{"id_token":{"acr":{"essential":true,"value":"urn:two"}}}"#);
        let at_code = async |browser: &mut Browser, ask: &Ask| {
            let page = browser.open(&post.world, ask).await;
            browser.submit_password(&post.world, &page, "alice", PASSWORD).await
        };
        let mut browser = Browser::default();
        let page = at_code(&mut browser, &ask).await;
        let page = browser.submit(&post.world, &page, &[], "use_recovery").await;
        let refused = browser.submit(&post.world, &page, &[("recovery_code", &codes[0])], "continue").await;
        assert_eq!(refused.error().as_deref(), Some("unmet_authentication_requirements"), "{}", refused.html);
        let mut twin = Browser::default();
        let page = at_code(&mut twin, &ask).await;
        let done = twin.submit(&post.world, &page, &[("code", &totp(&secret, post.now_ms()))], "continue").await;
        let tokens = post.world.exchange(&done.code(), &ask.verifier).await.1;
        assert_eq!(id_token(&tokens)["acr"], "urn:two");
        // Not essential: the person gets in, without the acr.
        let mut other = Browser::default();
        let wanted = Ask::native("openid").with("acr_values", "urn:two");
        let page = at_code(&mut other, &wanted).await;
        let page = other.submit(&post.world, &page, &[], "use_recovery").await;
        let done = other.submit(&post.world, &page, &[("recovery_code", &codes[1])], "continue").await;
        let tokens = post.world.exchange(&done.code(), &wanted.verifier).await.1;
        assert_eq!(id_token(&tokens)["acr"], serde_json::Value::Null);
        post.world.stop().await;
    }
}

/// 463-E, 465-E: limits do not tell that a name and an address lead to one person: they answer for nobody as for somebody.
#[tokio::test(flavor = "multi_thread")]
async fn limits_link_no_names() {
    for engine in engines() {
        let post = Post::start(engine).await;
        let guesses = async |name: &str, times: usize| {
            let mut seen = Vec::new();
            for at in 0..times {
                let mut browser = Browser::at("192.0.2.7");
                let page = browser.open(&post.world, &Ask::native("openid")).await;
                seen.push(browser.submit_password(&post.world, &page, name, &format!("wrong {name} {at}")).await.problem());
            }
            seen
        };
        let letters = async |name: &str, times: usize| {
            let mut seen = Vec::new();
            for _ in 0..times {
                let mut browser = Browser::at("192.0.2.8");
                let page = browser.visit(&post.world, "/reset").await;
                let sent = browser.submit(&post.world, &page, &[("username", name)], "continue").await;
                seen.push((sent.kind(), sent.problem()));
            }
            seen
        };
        let mut tried = Vec::new();
        for person in ["alice", "nobody"] {
            let (plain, address) = (person.to_owned(), format!("{person}@example.com"));
            tried.push((guesses(&plain, 11).await, guesses(&address, 11).await, letters(&plain, 6).await, letters(&address, 6).await));
        }
        assert_eq!(tried[0], tried[1]);
        assert!(tried[0].0[9].contains("not right") && tried[0].0[10].contains("Too many"), "ten are ten: {:?}", tried[0].0);
        assert!(tried[0].2[4].0 == "email_code" && tried[0].2[5].1.contains("several codes"), "five are five: {:?}", tried[0].2);
        post.world.stop().await;
    }
}

/// One network sends at most a hundred letters an hour, whomever they are for; another one is not held up by it.
#[tokio::test(flavor = "multi_thread")]
async fn one_network_writes_to_few_strangers() {
    let post = Post::start(Engine::Sqlite).await;
    let asked = async |number: usize, from: &str| {
        let mut browser = Browser::at(from);
        let page = browser.visit(&post.world, "/reset").await;
        browser.submit(&post.world, &page, &[("username", &format!("victim{number}"))], "continue").await.kind() == "email_code"
    };
    for number in 0..100 {
        assert!(asked(number, "192.0.2.9").await, "{number}");
    }
    assert!(!asked(100, "192.0.2.9").await);
    assert!(asked(100, "192.0.2.10").await, "another network");
    post.world.stop().await;
}

/// A proof is gone with its credential, in every session that has it.
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_goes_with_its_credential() {
    for engine in engines() {
        let post = Post::start(engine).await;
        let mut other = Browser::default();
        let (secret, _) = post.enrol(&mut other).await;
        let strong = Ask::native("openid").with("acr_values", "urn:two");
        assert!(other.clone().open(&post.world, &strong).await.has_code(), "the twin");
        post.world.advance_s(90);
        let mut owner = Browser::default();
        let page = owner.visit(&post.world, "/account").await;
        let page = owner.submit_password(&post.world, &page, "alice", PASSWORD).await;
        owner.submit(&post.world, &page, &[("code", &totp(&secret, post.now_ms()))], "continue").await;
        let account = owner.visit(&post.world, "/account").await;
        let sure = owner.submit(&post.world, &account, &[], "remove_totp").await;
        owner.submit(&post.world, &sure, &[], "continue").await;
        assert_eq!(post.world.audited("totp_removed").await, 1);
        let asked = other.open(&post.world, &strong).await;
        assert_eq!((asked.kind(), asked.location), ("enrol_totp", None), "{}", asked.html);
        post.world.stop().await;
    }
}

/// A name beside a link to another way is no answer: the letter goes to the person of the sign-in.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_goes_to_the_person_of_the_sign_in() {
    for engine in engines() {
        let post = Post::start(engine).await;
        post.world.person("carol").await;
        let mut browser = Browser::default();
        browser.sign_in(&post.world, &Ask::native("openid"), "alice").await;
        let page = browser.open(&post.world, &Ask::native("openid").with("prompt", "login")).await;
        let seen = post.seen();
        let sent = browser.submit(&post.world, &page, &[("username", "carol")], "use_email").await;
        let code = post.code("alice@example.com", seen).await;
        assert!(post.mailbox.letters().iter().skip(seen).all(|letter| letter.to == ["alice@example.com"]));
        assert!(browser.submit(&post.world, &sent, &[("email_code", &code)], "continue").await.has_code());
        post.world.stop().await;
    }
}

/// 431-U: a mailbox is one factor. A password that it chose is no second one beside it.
#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_alone_is_one_factor() {
    for engine in engines() {
        let post = Post::start(engine).await;
        let reset = async |browser: &mut Browser, ask: &Ask| {
            let page = browser.open(&post.world, ask).await;
            let page = browser.submit(&post.world, &page, &[], "reset").await;
            let seen = post.seen();
            let page = browser.submit(&post.world, &page, &[("username", "alice")], "continue").await;
            let code = post.code("alice@example.com", seen).await;
            let page = browser.submit(&post.world, &page, &[("email_code", &code)], "continue").await;
            browser.submit(&post.world, &page, &NEW, "continue").await
        };
        let strong = Ask::native("openid").with("acr_values", "urn:strong");
        let mut browser = Browser::default();
        let asked = reset(&mut browser, &strong).await;
        assert_eq!((asked.kind(), &asked.location), ("password", &None), "{}", asked.html);
        // The rule has changed: who typed it knows it, and may be whoever reads the mail. It counts beside the code once it is confirmed.
        let waits = browser.submit(&post.world, &asked, &[("password", NEW_PASSWORD)], "continue").await;
        assert_eq!((waits.kind(), &waits.location), ("waits", &None), "{}", waits.html);
        assert!(post.world.confirm("alice").await);
        let done = browser.submit(&post.world, &waits, &[], "continue").await;
        assert!(done.has_code(), "the twin: {}", done.html);
        // Where a password is enough, the new one is.
        let plain = Ask::native("openid");
        let done = reset(&mut Browser::default(), &plain).await;
        let tokens = post.world.exchange(&done.code(), &plain.verifier).await.1;
        assert!(!id_token(&tokens)["amr"].as_array().unwrap().iter().any(|word| word == "mfa"), "{}", id_token(&tokens));
        post.world.stop().await;
    }
}

/// `max_age` counts from now: a page that was left open does not stretch it.
#[tokio::test(flavor = "multi_thread")]
async fn max_age_counts_from_the_answer() {
    on_every_engine(|world| async move {
        for (wait_s, fits) in [(5, true), (29 * 60, false)] {
            let mut browser = Browser::default();
            browser.sign_in(&world, &Ask::native("openid"), "alice").await;
            world.advance_s(50);
            let ask = Ask::native("openid").with("max_age", "60").with("prompt", "consent");
            let page = browser.open(&world, &ask).await;
            assert_eq!(page.kind(), "consent");
            world.advance_s(wait_s);
            let answer = browser.submit(&world, &page, &[], "allow").await;
            assert_eq!((answer.has_code(), answer.kind() == "password"), (fits, !fits), "{wait_s}: {}", answer.html);
        }
        world.stop().await;
    })
    .await;
}

/// 334-L: another person takes the browser over. The first one's apps go on, and no cookie brings the first one back; what the first
/// one left half done is over.
#[tokio::test(flavor = "multi_thread")]
async fn another_person_takes_the_browser_over() {
    on_every_engine(|world| async move {
        world.person("bob").await;
        let mut browser = Browser::default();
        let ask = Ask::native("openid offline_access");
        let back = browser.sign_in(&world, &ask, "alice").await;
        let tokens = world.exchange(&back["code"], &ask.verifier).await.1;
        let old = browser.clone();
        let page = browser.open(&world, &Ask::native("openid").with("prompt", "select_account")).await;
        let page = browser.submit(&world, &page, &[], "not_you").await;
        assert!(browser.submit_password(&world, &page, "bob", PASSWORD).await.has_code());
        assert_eq!(world.refresh(tokens["refresh_token"].as_str().unwrap()).await.0, 200, "her app goes on");
        assert_eq!(old.clone().visit(&world, "/account").await.kind(), "password", "her cookie is dead");
        assert_eq!(browser.visit(&world, "/account").await.kind(), "account", "his is alive");

        let mut left = Browser::default();
        let page = left.open(&world, &Ask::native("openid").with("prompt", "consent")).await;
        let consent = left.submit_password(&world, &page, "alice", PASSWORD).await;
        assert_eq!(consent.kind(), "consent");
        let kept = left.clone();
        assert!(left.sign_in(&world, &Ask::native("openid"), "bob").await.contains_key("code"));
        for mut one in [left, kept] {
            let late = one.submit(&world, &consent, &[], "allow").await;
            assert_eq!((late.status, late.location), (400, None), "{}", late.html);
        }
        world.stop().await;
    })
    .await;
}

/// What the operator closes is closed for a sign-in under way and for a request that was pushed before.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_closed_is_closed_under_way() {
    for engine in engines() {
        let post = Post::start(engine).await;
        let register = async |browser: &mut Browser, email: &str| {
            let page = browser.visit(&post.world, "/register").await;
            let seen = post.seen();
            let page = browser.submit(&post.world, &page, &[("email", email), ("new_password", NEW_PASSWORD)], "continue").await;
            (page, post.code(email, seen).await)
        };
        let mut twin = Browser::default();
        let (page, code) = register(&mut twin, "dan@example.com").await;
        assert!(twin.submit(&post.world, &page, &[("email_code", &code)], "continue").await.location.is_some());
        let mut browser = Browser::default();
        let (page, code) = register(&mut browser, "dora@example.com").await;
        post.world.reload(|text| text.without("registration")).await;
        let closed = browser.submit(&post.world, &page, &[("email_code", &code)], "continue").await;
        assert_eq!((closed.status, post.world.audited("registered").await), (400, 1), "{}", closed.html);

        let ask = Ask::native("openid orders:read");
        let mut signed_in = Browser::default();
        signed_in.sign_in(&post.world, &ask, "alice").await;
        let mut pushed = async |ask: &Ask, change: fn(Configuration) -> Configuration| {
            let (status, answer) = post.world.post("/par", &ask.form(), None).await;
            assert_eq!(status, 201, "{answer}");
            post.world.reload(change).await;
            let uri = answer["request_uri"].as_str().unwrap().to_owned();
            signed_in.visit(&post.world, &format!("/authorize?client_id=shop-ios&request_uri={uri}")).await
        };
        assert!(pushed(&ask, |text| text).await.has_code(), "the twin");
        let lost = pushed(&ask, |text| text.set("client.shop-ios.response_modes", vec!["form_post"])).await;
        assert_eq!((lost.status, lost.location), (400, None), "{}", lost.html);
        post.world.stop().await;
    }
}

/// An answer that could not be written leaves the question open: the same answer again is judged.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_write_leaves_the_question_open() {
    let plan = Plan::new(Vec::new());
    let world = Configuration::on(Engine::Sqlite).await.start_on(|store| Store::faulty(store, plan.clone()).unwrap()).await;
    let mut browser = Browser::default();
    let page = browser.open(&world, &Ask::native("openid")).await;
    plan.after(1, Fate::Refuse);
    let failed = browser.submit_password(&world, &page, "alice", PASSWORD).await;
    assert_eq!(failed.status, 503, "{}", failed.html);
    let again = browser.submit_password(&world, &page, "alice", PASSWORD).await;
    assert!(again.has_code(), "{}", again.html);
    world.stop().await;
}

/// A session with thousands of grants has the drawn number already: another one is drawn, and nobody sees it. The twin: every number is taken,
/// and the request fails.
#[tokio::test(flavor = "multi_thread")]
async fn a_grant_whose_number_is_taken_gets_another_one() {
    let plan = Plan::new(Vec::new());
    let world = Configuration::on(Engine::Sqlite).await.start_on(|store| Store::faulty(store, plan.clone()).unwrap()).await;
    let mut browser = Browser::default();
    let ask = Ask::native("openid orders:read");
    browser.sign_in(&world, &ask, "alice").await;
    plan.next(Fate::Conflict(app_grant::INSERT));
    let page = browser.open(&world, &ask).await;
    assert!(page.has_code(), "{}", page.html);
    assert_eq!(world.audited("code_issued").await, 2, "the change that conflicted left nothing");
    let (status, tokens) = world.exchange(&page.code(), &ask.verifier).await;
    assert_eq!(status, 200, "{tokens}");
    plan.next(Fate::Conflict(app_grant::INSERT));
    plan.next(Fate::Conflict(app_grant::INSERT));
    let failed = browser.open(&world, &ask).await;
    assert_eq!(failed.status, 500, "{}", failed.html);
    world.stop().await;
}

/// One network may answer three hundred times a minute; more is told to wait, and another network is not.
#[tokio::test(flavor = "multi_thread")]
async fn one_network_answers_so_often_a_minute() {
    let world = Configuration::on(Engine::Sqlite).await.behind_a_proxy().start().await;
    let mut starts = Vec::new();
    for _ in 0..500 {
        let mut browser = Browser::at("192.0.2.3");
        let page = browser.open(&world, &Ask::native("openid")).await;
        starts.push((browser, page));
    }
    let answers: Vec<_> = starts
        .into_iter()
        .map(|(mut browser, page)| {
            let node = world.node.clone();
            tokio::spawn(async move { browser.submit_raw(&node, &page, &[], "continue").await })
        })
        .collect();
    let mut limited = 0;
    for answer in answers {
        let page = answer.await.unwrap();
        assert!(matches!(page.status, 303 | 429), "{}", page.html);
        limited += usize::from(page.status == 429 && page.header("retry-after").is_some());
    }
    assert!(limited > 0, "all of five hundred at once were judged");
    let mut other = Browser::at("192.0.2.4");
    let page = other.open(&world, &Ask::native("openid")).await;
    assert_eq!(other.submit_raw(&world, &page, &[], "continue").await.status, 303);
    world.stop().await;
}
