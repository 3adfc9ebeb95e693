//! The Digital Credentials API: the platform brings what a wallet shows, to a page of ours or to an app with its own screens.

use crate::wallets::{CREATE, LICENCE, NAMESPACE, Outside, VCT, ask, asked, consent, now_s, pid, sign_in_for_subject, subject, terms};
use crate::world::app_passkeys::{BUILDS, android, options, with_app};
use crate::world::native::{ASKED, Screens};
use crate::world::passkeys::operation;
use crate::world::{Browser, Configuration, Engine, Page, World, engines};
use serde_json::{Value as Json, json};
use symbolon_phone::wallet::{Asked, Held, Wallet};

/// The page, and what its script hands to the browser.
async fn call(world: &World, wallet: &Wallet, browser: &mut Browser) -> (Page, Asked) {
    let page = consent(world, browser, &ask()).await;
    let asked = operation(&page);
    assert_eq!((&asked["name"], page.field("credential").as_str()), (&json!("credential_get"), ""), "{}", page.html);
    let asked = wallet.read_call(&asked["options"], &world.issuer, now_s()).unwrap();
    (page, asked)
}

async fn show(world: &World, browser: &mut Browser, page: &Page, document: &Json) -> Page {
    browser.submit(world, page, &[("credential", &document.to_string())], "show_credential").await
}

/// OpenID4VP 1.0, A: a request for this page, an answer with its origin as audience. It is the same account as by the link, and the button
/// is hidden until a script finds that the browser knows the protocol.
#[tokio::test]
async fn a_page_takes_what_the_browser_s_wallet_shows() {
    for engine in engines() {
        let outside = Outside::new();
        let world = outside.world(engine, CREATE).await;
        let wallet = outside.wallet_of("AA-1");
        let (mut browser, ask) = (Browser::default(), ask());
        let page = consent(&world, &mut browser, &ask).await;
        assert!(page.html.contains("value=\"show_credential\" hidden>"), "{}", page.html);
        assert_eq!(page.first_action(), "go", "the link comes first, and works without a script");
        let policy = page.header("content-security-policy").unwrap().to_owned();
        assert!(policy.contains("script-src 'sha256-"), "{policy}");
        let asked = wallet.read_call(&operation(&page)["options"], &world.issuer, now_s()).unwrap();
        let document = wallet.answer_call(&asked).unwrap();
        let done = show(&world, &mut browser, &page, &document).await;
        assert!(done.has_code(), "{}", done.html);
        let one = subject(&world, &done, &ask).await;
        assert_eq!(sign_in_for_subject(&world, &wallet).await, one, "by the link");
        let answered = world.entries("wallet_answered").await;
        assert!(answered.len() == 2 && !format!("{answered:?}").contains("AA-1"), "{answered:?}");
        world.stop().await;
    }
}

/// An mdoc is an account's credential as well, by the link and by the platform. The claim is the key, not the format: by an SD-JWT it is
/// the same person (V-20).
#[tokio::test]
async fn an_mdoc_and_an_sd_jwt_are_one_person() {
    for engine in engines() {
        let outside = Outside::new();
        let number = "personal_administrative_number";
        let of_mdoc = outside
            .table(CREATE)
            .replace(&format!("\"pid/{number}\""), &format!("\"pid/{NAMESPACE}/{number}\""))
            .replace("claims = { customer_id = \"pid/customer\" }\n", "")
            .replace("dc+sd-jwt", "mso_mdoc")
            .replace(VCT, LICENCE)
            .replace(&format!("[\"{number}\", \"given_name\", \"customer\"]"), &format!("[\"{NAMESPACE}/{number}\"]"));
        let world = Configuration::on(engine).await.with(&of_mdoc).start().await;
        let holding = |number: &str| {
            let mut wallet = outside.wallet();
            let issuer_signed = outside.issuer.mdoc(&terms(&wallet, LICENCE, None), &pid(number)).unwrap();
            wallet.held = vec![Held::Mdoc { doctype: LICENCE.to_owned(), issuer_signed }];
            wallet
        };
        let one = sign_in_for_subject(&world, &holding("AA-1")).await;
        let other = sign_in_for_subject(&world, &holding("AA-2")).await;
        assert_ne!(one, other);
        let (wallet, mut browser, ask) = (holding("AA-1"), Browser::default(), ask());
        let page = consent(&world, &mut browser, &ask).await;
        let asked = wallet.read_call(&operation(&page)["options"], &world.issuer, now_s()).unwrap();
        // V-01: the transcript of the link's way is not the platform's.
        let elsewhere = Asked { origin: None, ..asked.clone() };
        let refused = show(&world, &mut browser, &page, &wallet.answer_call(&elsewhere).unwrap()).await;
        assert!(!refused.has_code() && refused.says("That did not work"), "{}", refused.html);
        let asked = wallet.read_call(&operation(&refused)["options"], &world.issuer, now_s()).unwrap();
        let done = show(&world, &mut browser, &refused, &wallet.answer_call(&asked).unwrap()).await;
        assert_eq!(subject(&world, &done, &ask).await, one, "by the platform");
        world.reload(|it| it.without("wallet").with(&outside.table(CREATE))).await;
        assert_eq!(sign_in_for_subject(&world, &outside.wallet_of("AA-1")).await, one, "by an SD-JWT");
        world.stop().await;
    }
}

/// V-01: each way has its own audience and transcript. Nothing that was made for the other way, another page or another question counts.
#[tokio::test]
async fn what_is_shown_counts_for_this_page_and_question_alone() {
    let outside = Outside::new();
    let world = outside.world(Engine::Sqlite, CREATE).await;
    let mut wallet = outside.wallet_of("AA-1");
    let bends: [(&str, fn(&mut Asked)); 4] = [
        ("holder_audience", |it| it.origin = Some("https://evil.example".to_owned())),
        ("holder_audience", |it| it.origin = None),
        ("holder_nonce", |it| it.nonce.push('x')),
        ("holder_time", |it| it.now_s -= 3600),
    ];
    for (why, bend) in bends {
        wallet.bend = Some(bend);
        let mut browser = Browser::default();
        let (page, asked) = call(&world, &wallet, &mut browser).await;
        let refused = show(&world, &mut browser, &page, &wallet.answer_call(&asked).unwrap()).await;
        assert!(!refused.has_code() && refused.says("That did not work"), "{why}: {}", refused.html);
        // The twin, on the page that came: it has a request of its own.
        wallet.bend = None;
        let again = wallet.read_call(&operation(&refused)["options"], &world.issuer, now_s()).unwrap();
        assert_ne!((&again.nonce, &again.jwk), (&asked.nonce, &asked.jwk));
        assert!(show(&world, &mut browser, &refused, &wallet.answer_call(&again).unwrap()).await.has_code(), "{why}: the twin");
    }
    // The answer of another sign-in, and what was posted for the link's request.
    let (mut browser, mut other) = (Browser::default(), Browser::default());
    let (page, _) = call(&world, &wallet, &mut browser).await;
    let (_, foreign) = call(&world, &wallet, &mut other).await;
    let by_link = asked(&world, &wallet, &mut Browser::default(), &ask()).await;
    let mut page = page;
    for document in [
        wallet.answer_call(&foreign).unwrap(),
        wallet.answer_call(&by_link).unwrap(),
        json!({ "protocol": "openid4vp-v1-unsigned", "data": {} }),
        json!({ "protocol": "openid4vp-v1-signed", "data": { "response": "x" } }),
        json!({ "protocol": "openid4vp-v1-signed", "data": { "vp_token": {} } }),
        json!("text"),
    ] {
        page = show(&world, &mut browser, &page, &document).await;
        assert!(!page.has_code() && page.says("That did not work"), "{document}: {}", page.html);
    }
    world.stop().await;
}

/// V-12, V-15: why there is no credential, in words; and the request is good for ten minutes.
#[tokio::test]
async fn why_nothing_was_shown_is_said_in_words() {
    let outside = Outside::new();
    let world = outside.world(Engine::Sqlite, CREATE).await;
    let wallet = outside.wallet_of("AA-1");
    for (failure, words) in [
        ("cancelled", "You came back without signing in"),
        ("no_credential", "does not show all that is asked"),
        ("not_possible_here", "That did not work"),
        ("<i>", "That did not work"),
    ] {
        let mut browser = Browser::default();
        let (page, _) = call(&world, &wallet, &mut browser).await;
        let page = browser.submit(&world, &page, &[("credential_failure", failure)], "show_credential").await;
        assert!(!page.has_code() && page.says(words), "{failure}: {}", page.text());
        assert!(page.action("go"), "the link is there still");
    }
    // V-12: a wallet's own "no" comes in the place of a credential.
    for (data, words) in [
        (json!({ "error": "access_denied" }), "You came back without signing in"),
        (json!({ "error": "made_up" }), "You came back without signing in"),
        (json!({ "error": "" }), "That did not work"),
    ] {
        let mut browser = Browser::default();
        let (page, _) = call(&world, &wallet, &mut browser).await;
        let page = show(&world, &mut browser, &page, &json!({ "protocol": "openid4vp-v1-signed", "data": data })).await;
        assert!(!page.has_code() && page.says(words) && page.action("go"), "{data}: {}", page.text());
    }
    let mut browser = Browser::default();
    let (page, asked) = call(&world, &wallet, &mut browser).await;
    let document = wallet.answer_call(&Asked { now_s: now_s() + 601, ..asked }).unwrap();
    world.advance_s(601);
    let late = show(&world, &mut browser, &page, &document).await;
    assert!(!late.has_code() && late.says("That did not work"), "{}", late.text());
    world.stop().await;
    // Switched off, there is no operation, and an answer without a question signs nobody in.
    let off = outside.configured(Engine::Sqlite, CREATE).await.set("wallet.pid.digital_credentials", false).start().await;
    let page = consent(&off, &mut Browser::default(), &ask()).await;
    assert!(!page.html.contains("credential_get") && !page.action("show_credential"), "{}", page.html);
    off.stop().await;
}

/// On an app's own screens. The platform writes the app's origin, and no other app's counts.
#[tokio::test]
async fn an_app_takes_what_the_platform_s_wallet_shows() {
    for engine in engines() {
        let outside = Outside::new();
        let table = outside.table(CREATE);
        let scene = Screens::with(engine, |it| with_app(it).with(&table)).await;
        let wallet = outside.wallet_of("AA-1");
        let ours = android(BUILDS[0].1);
        let mut phone = scene.genuine();
        let step = phone.begin().await;
        let step = phone.answer(&step, "use_wallet:pid", &[]).await;
        assert_eq!((step.error(), step.kind()), (ASKED, "wallet"), "{step:?}");
        let operation = &step.step()["operation"];
        assert_eq!((&operation["name"], &operation["answer"]["action"]), (&json!("credential_get"), &json!("show_credential")));
        // A platform asks for no other app, and a wallet that did would be refused.
        assert!(wallet.read_call(options(&step), &android(0x55), now_s()).is_err());
        assert!(wallet.read_call(options(&step), &scene.world.issuer, now_s()).is_err(), "nor for the page");
        let asked = wallet.read_call(options(&step), &ours, now_s()).unwrap();
        let foreign = Asked { origin: Some(android(0x55)), ..asked.clone() };
        let bad = wallet.answer_call(&foreign).unwrap().to_string();
        let refused = phone.answer(&step, "show_credential", &[("credential", &bad)]).await;
        assert_eq!((refused.error(), refused.problem()), (ASKED, "wallet_failed"), "{refused:?}");
        let asked = wallet.read_call(options(&refused), &ours, now_s()).unwrap();
        let good = wallet.answer_call(&asked).unwrap().to_string();
        let done = phone.answer(&refused, "show_credential", &[("credential", &good)]).await;
        assert_eq!(done.status, 200, "the twin: {done:?}");
        let tokens = phone.redeem(&done.text("authorization_code")).await;
        assert_eq!(tokens.status, 200, "{tokens:?}");
        // An app that cannot ask its platform goes on in the browser.
        let mut phone = scene.genuine();
        let step = phone.begin().await;
        let step = phone.answer(&step, "use_wallet:pid", &[]).await;
        let away = phone.answer(&step, "go", &[]).await;
        assert_eq!(away.error(), (403, "redirect_to_web"), "{away:?}");
        scene.world.stop().await;
    }
}

/// A picture makes an answer larger than a form of ours. 256 KiB is the end.
#[tokio::test]
async fn a_large_answer_is_read_and_a_larger_one_refused() {
    let outside = Outside::new();
    let world = outside.world(Engine::Sqlite, CREATE).await;
    let mut says = pid("AA-1");
    says["given_name"] = "x".repeat(60_000).into();
    let wallet = outside.wallet_with(&says, None);
    let mut browser = Browser::default();
    let asked = asked(&world, &wallet, &mut browser, &ask()).await;
    let sealed = wallet.seal(&asked, &json!({ "vp_token": wallet.token(&asked).unwrap(), "state": asked.state })).unwrap();
    assert!(sealed.len() > 64 * 1024, "{}", sealed.len());
    let post = async |text: &str| {
        let answer = world.http.post(&asked.response_uri).form(&[("response", text)]).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Json>().await.unwrap_or_default())
    };
    let (status, body) = post(&"x".repeat(256 * 1024)).await;
    assert_eq!((status, body["error"].as_str()), (413, Some("invalid_request")), "{body}");
    let (status, body) = post(&sealed).await;
    assert_eq!(status, 200, "{body}");
    assert!(browser.get(&world, body["redirect_uri"].as_str().unwrap()).await.has_code());
    world.stop().await;
}
