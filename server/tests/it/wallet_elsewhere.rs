//! A wallet on another device: the page has a code for its camera, that device shows two digits, and they are typed where the sign-in began.

use crate::wallets::{CREATE, Outside, ask, asked, consent, now_s, pid, sign_in_for_subject, subject};
use crate::world::app_passkeys::with_app;
use crate::world::native::{ASKED, Screens};
use crate::world::{Answer, Ask, Browser, Configuration, Engine, Page, Phone, World, engines};
use serde_json::{Value as Json, json};
use symbolon::store::Store;
use symbolon::store::faults::{Fate, Plan};
use symbolon_phone::wallet::{Asked, Wallet};

async fn configured(outside: &Outside, engine: Engine) -> Configuration {
    outside.configured(engine, CREATE).await.set("login.default.wallet_on_other_device", true)
}

/// The page with the code, and its link.
async fn invited(world: &World, browser: &mut Browser, ask: &Ask) -> (Page, String) {
    let page = consent(world, browser, ask).await;
    let page = browser.submit(world, &page, &[], "other_device").await;
    let link = link_of(&page);
    (page, link)
}

pub fn link_of(page: &Page) -> String {
    let text = page.html.split(" data-text=\"").nth(1).unwrap_or_else(|| panic!("no code: {}", page.html)).split('"').next().unwrap();
    text.replace("&#x2f;", "/").replace("&amp;", "&")
}

/// The wallet answers; what its device's browser shows.
async fn scanned(world: &World, wallet: &Wallet, link: &str) -> Page {
    let asked = wallet.read(&world.http, link, now_s()).await.unwrap();
    answered(world, wallet, &asked).await
}

async fn answered(world: &World, wallet: &Wallet, asked: &Asked) -> Page {
    let back = wallet.answer(&world.http, asked).await.unwrap();
    Browser::default().get(world, &back).await
}

fn number_of(page: &Page) -> String {
    let number = page.title().strip_prefix("Your number is ").unwrap_or_else(|| panic!("no number: {}", page.html)).to_owned();
    assert!(number.len() == 2 && number.bytes().all(|it| it.is_ascii_digit()), "{number}");
    number
}

async fn typed(world: &World, browser: &mut Browser, page: &Page, number: &str) -> Page {
    browser.submit(world, page, &[("matching_number", number)], "continue").await
}

/// The number that it is not.
fn other(number: &str) -> String {
    format!("{:02}", (number.parse::<u32>().unwrap() + 1) % 100)
}

/// Methods.md, "Home"; devices.md, "Matching". The same account as on the same device, and the other device says what it is asked for.
#[tokio::test]
async fn the_number_of_the_other_device_signs_in() {
    for engine in engines() {
        let outside = Outside::new();
        let world = configured(&outside, engine).await.start().await;
        let wallet = outside.wallet_of("AA-1");
        let (mut browser, ask) = (Browser::default(), ask());
        let (page, link) = invited(&world, &mut browser, &ask).await;
        assert!(page.asks_for("matching_number") && page.says("A shop has to know its customers."), "{}", page.html);
        assert!(!page.html.contains("<script"), "nothing is waited for");
        // A page that is opened once more has the same code.
        let again = browser.get(&world, &page.form_action().unwrap()).await;
        assert_eq!(link_of(&again), link);
        let phone = scanned(&world, &wallet, &link).await;
        assert!(
            phone.status == 200 && phone.says("from the address 127.0.0.1") && phone.says("tell nobody the number"),
            "{}",
            phone.text()
        );
        let done = typed(&world, &mut browser, &again, &format!(" {} ", number_of(&phone))).await;
        assert!(done.has_code(), "{}", done.html);
        let one = subject(&world, &done, &ask).await;
        assert_eq!(sign_in_for_subject(&world, &wallet).await, one, "the twin: on the same device");
        let proved = world.entries("upstream_proved").await;
        assert_eq!((&proved[0]["detail"]["on_other_device"], proved[1]["detail"].get("on_other_device")), (&json!(true), None));
        // The code is over: it opens nothing any more.
        assert!(wallet.read(&world.http, &link, now_s()).await.is_err());
        world.stop().await;
    }
}

/// Devices.md, "Matching": one wrong number ends the code. Whoever has a picture of it, and does not hear the number, gets nothing.
#[tokio::test]
async fn one_wrong_number_ends_the_code() {
    for engine in engines() {
        let outside = Outside::new();
        let world = configured(&outside, engine).await.start().await;
        let wallet = outside.wallet_of("AA-1");
        let mut eve = Browser::default();
        let (page, link) = invited(&world, &mut eve, &ask()).await;
        let phone = scanned(&world, &wallet, &link).await;
        let number = number_of(&phone);
        let refused = typed(&world, &mut eve, &page, &other(&number)).await;
        assert!(!refused.has_code() && refused.says("is not the number"), "{}", refused.html);
        // Not even the right one is good now: neither on the old page nor on the new one.
        for page in [&page, &refused] {
            let late = typed(&world, &mut eve, page, &number).await;
            assert!(!late.has_code(), "{}", late.html);
        }
        assert_eq!((world.audited("wallet_answered").await, world.audited("upstream_proved").await), (1, 0));
        // The twin, and the page that came has a code of its own.
        let mut ana = Browser::default();
        let (page, _) = invited(&world, &mut ana, &ask()).await;
        let unanswered = typed(&world, &mut ana, &page, "00").await;
        assert!(unanswered.says("has not answered this code"), "{}", unanswered.text());
        let page = ana.submit(&world, &unanswered, &[], "other_device").await;
        let phone = scanned(&world, &wallet, &link_of(&page)).await;
        assert!(typed(&world, &mut ana, &page, &number_of(&phone)).await.has_code());
        world.stop().await;
    }
}

/// What is no number of two digits is no guess: it ends nothing. Digits count however they are spaced.
#[tokio::test]
async fn what_is_no_number_ends_no_code() {
    for engine in engines() {
        let outside = Outside::new();
        let world = configured(&outside, engine).await.start().await;
        let wallet = outside.wallet_of("AA-1");
        let mut browser = Browser::default();
        let (mut page, link) = invited(&world, &mut browser, &ask()).await;
        let number = number_of(&scanned(&world, &wallet, &link).await);
        for none in ["", " ", &number[..1], &format!("{number}0"), "no number"] {
            page = typed(&world, &mut browser, &page, none).await;
            assert_eq!((page.problem().as_str(), page.has_code()), ("Type the code first.", false), "{none:?}: {}", page.html);
        }
        assert!(wallet.read(&world.http, &link, now_s()).await.is_ok(), "the code on the page is still that of the request");
        let spaced = format!("{} {}", &number[..1], &number[1..]);
        assert!(typed(&world, &mut browser, &page, &spaced).await.has_code(), "the twin");
        world.stop().await;
    }
}

/// However many numbers are sent at once, one of them is compared.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_numbers_at_once_are_one_guess() {
    for engine in engines() {
        let outside = Outside::new();
        let world = std::sync::Arc::new(configured(&outside, engine).await.start().await);
        let mut eve = Browser::default();
        // The twin: the right number alone.
        let (page, link) = invited(&world, &mut eve, &ask()).await;
        let number = number_of(&scanned(&world, &outside.wallet_of("AA-1"), &link).await);
        assert!(typed(&world, &mut eve, &page, &number).await.has_code());
        let mut eve = Browser::default();
        let (page, link) = invited(&world, &mut eve, &ask()).await;
        let number = number_of(&scanned(&world, &outside.wallet_of("AA-1"), &link).await);
        let guesses = (0..20u32).map(|at| {
            let (world, page, mut eve) = (std::sync::Arc::clone(&world), page.clone(), eve.clone());
            let guess = format!("{:02}", (number.parse::<u32>().unwrap() + 1 + at) % 100);
            tokio::spawn(async move { typed(&world, &mut eve, &page, &guess).await.has_code() })
        });
        for guess in guesses.collect::<Vec<_>>() {
            assert!(!guess.await.unwrap());
        }
        // One was compared, and the code is over: the right number is none any more.
        assert!(!typed(&world, &mut eve, &page, &number).await.has_code());
        std::sync::Arc::try_unwrap(world).ok().unwrap().stop().await;
    }
}

/// Whoever was sent the code says so on the device in hand, and the answer is void for the right number too.
#[tokio::test]
async fn a_person_who_did_not_begin_ends_it() {
    for engine in engines() {
        let outside = Outside::new();
        let world = configured(&outside, engine).await.start().await;
        let wallet = outside.wallet_of("AA-1");
        let (mut eve, mut ana) = (Browser::default(), Browser::default());
        let (page, link) = invited(&world, &mut eve, &ask()).await;
        let asked = wallet.read(&world.http, &link, now_s()).await.unwrap();
        let back = wallet.answer(&world.http, &asked).await.unwrap();
        let phone = ana.get(&world, &back).await;
        // Without the wallet's code nobody ends it.
        let stop = phone.form_action().unwrap();
        for form in [vec![("state", asked.state.as_str())], vec![("state", asked.state.as_str()), ("response_code", "x")], vec![]] {
            let answer = world.http.post(&stop).form(&form).send().await.unwrap();
            assert_eq!(answer.status(), 400, "{form:?}");
        }
        let stopped = ana.submit(&world, &phone, &[], "not_mine").await;
        assert!(stopped.status == 200 && stopped.title() == "Nobody was signed in", "{}", stopped.html);
        assert_eq!(ana.get(&world, &back).await.status, 400, "the number is shown no more");
        let refused = typed(&world, &mut eve, &page, &number_of(&phone)).await;
        assert!(!refused.has_code(), "{}", refused.html);
        let last = world.entries("wallet_refused").await;
        assert!(last.iter().any(|it| it["reason"].as_str().unwrap().contains("somebody else began")), "{last:?}");
        // A code of the same device has no such end: there the wrong browser alone voids it.
        let by_link = crate::wallets::asked(&world, &wallet, &mut ana, &ask()).await;
        let back = wallet.answer(&world.http, &by_link).await.unwrap();
        let code = crate::world::parameters(&back)["response_code"].clone();
        let answer = world.http.post(&stop).form(&[("state", by_link.state.as_str()), ("response_code", &code)]).send().await.unwrap();
        assert_eq!(answer.status(), 400);
        assert!(ana.get(&world, &back).await.has_code(), "the twin");
        world.stop().await;
    }
}

/// Methods.md: only a policy that allows it. Not without the key, not after it is gone, and such a proof counts under no other policy.
#[tokio::test]
async fn another_device_counts_where_the_policy_says_so() {
    for engine in engines() {
        let outside = Outside::new();
        let strict = outside.configured(engine, CREATE).await.start().await;
        let mut browser = Browser::default();
        let page = consent(&strict, &mut browser, &ask()).await;
        assert!(!page.action("other_device"), "{}", page.html);
        let forced = browser.submit(&strict, &page, &[], "other_device").await;
        assert!(!forced.html.contains("data-text") && forced.says("That did not work"), "{}", forced.html);
        strict.stop().await;

        // Between the code and the number, the operator takes it away.
        let world = configured(&outside, engine).await.start().await;
        let wallet = outside.wallet_of("AA-1");
        let (page, link) = invited(&world, &mut browser, &ask()).await;
        let number = number_of(&scanned(&world, &wallet, &link).await);
        world.reload(|it| it.set("login.default.wallet_on_other_device", false)).await;
        let refused = typed(&world, &mut browser, &page, &number).await;
        assert!(!refused.has_code() && !refused.action("other_device"), "{}", refused.html);
        world.stop().await;

        // A session of one policy, and a client of another.
        let two = "[login.strict]\nrequire = [\"wallet:pid\"]\n";
        let world = configured(&outside, engine).await.with(two).set("client.other-ios.login", "strict").start().await;
        let (mut browser, native) = (Browser::default(), ask());
        let (page, link) = invited(&world, &mut browser, &native).await;
        let number = number_of(&scanned(&world, &wallet, &link).await);
        assert!(typed(&world, &mut browser, &page, &number).await.has_code());
        let page = browser.open(&world, &native).await;
        assert!(page.has_code(), "the twin: the same policy, by the session: {}", page.html);
        let page = browser.open(&world, &Ask::new("other-ios", "https://other.example.com/callback", "openid")).await;
        assert!(!page.has_code() && page.action("go"), "{}", page.html);
        world.stop().await;
    }
}

/// A code is good for ten minutes, and whoever comes late with an answer reads so.
#[tokio::test]
async fn a_code_is_over_after_ten_minutes() {
    let outside = Outside::new();
    let world = configured(&outside, Engine::Sqlite).await.start().await;
    let wallet = outside.wallet_of("AA-1");
    let mut browser = Browser::default();
    let (page, link) = invited(&world, &mut browser, &ask()).await;
    let asked = wallet.read(&world.http, &link, now_s()).await.unwrap();
    let number = number_of(&answered(&world, &wallet, &asked).await);
    world.advance_s(601);
    assert!(wallet.read(&world.http, &link, now_s() + 601).await.is_err());
    let late = typed(&world, &mut browser, &page, &number).await;
    assert!(!late.has_code() && late.says("has not answered this code"), "{}", late.text());
    world.stop().await;
}

/// V-12: a no of the wallet, and a credential that is not good, are said on its device. No number is shown, and none is right.
#[tokio::test]
async fn what_the_wallet_did_not_show_is_said_on_its_device() {
    let outside = Outside::new();
    let world = configured(&outside, Engine::Sqlite).await.start().await;
    let mut less = pid("AA-1");
    less.remove("given_name");
    let wallets = [(outside.wallet_with(&less, None), "does not show all"), (outside.wallet_of("AA-1"), "came back without signing in")];
    for (wallet, words) in wallets {
        let mut browser = Browser::default();
        let (page, link) = invited(&world, &mut browser, &ask()).await;
        let asked = wallet.read(&world.http, &link, now_s()).await.unwrap();
        let said = if words.contains("came back") {
            json!({ "error": "access_denied" })
        } else {
            json!({ "vp_token": wallet.token(&asked).unwrap() })
        };
        let back = wallet.send(&world.http, &asked, &said).await.unwrap();
        let phone = Browser::default().get(&world, &back).await;
        assert!(phone.title() == "Nobody was signed in" && phone.says(words) && !phone.has_form(), "{}", phone.text());
        let refused = typed(&world, &mut browser, &page, "00").await;
        assert!(!refused.has_code() && refused.action("other_device"), "{}", refused.html);
    }
    world.stop().await;
}

/// The device that scans has a wallet and the browser that began: then it has come back by the code itself, and no number is typed.
#[tokio::test]
async fn the_browser_that_began_needs_no_number() {
    let outside = Outside::new();
    let world = configured(&outside, Engine::Sqlite).await.start().await;
    let wallet = outside.wallet_of("AA-1");
    let mut browser = Browser::default();
    let (_, link) = invited(&world, &mut browser, &ask()).await;
    let asked = wallet.read(&world.http, &link, now_s()).await.unwrap();
    let back = wallet.answer(&world.http, &asked).await.unwrap();
    assert!(browser.get(&world, &back).await.has_code());
    let proved = world.entries("upstream_proved").await;
    assert_eq!(proved[0]["detail"].get("on_other_device"), None, "{proved:?}");
    world.stop().await;
}

/// Methods.md, "Home": how the answer was learned decides, and not how the browser comes the next time. What was learned by a number and
/// could not be written counts as learned by a number, whichever button comes next.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_learned_by_a_number_stays_so() {
    let (outside, plan) = (Outside::new(), Plan::new(Vec::new()));
    let world = configured(&outside, Engine::Sqlite).await.start_on(|it| Store::faulty(it, plan.clone()).unwrap()).await;
    let wallet = outside.wallet_of("AA-1");
    let mut eve = Browser::default();
    let (page, link) = invited(&world, &mut eve, &ask()).await;
    let asked_there = wallet.read(&world.http, &link, now_s()).await.unwrap();
    let number = number_of(&answered(&world, &wallet, &asked_there).await);
    // What it costs and what was learned are written, and what follows from it is not.
    plan.after(2, Fate::Refuse);
    let lost = typed(&world, &mut eve, &page, &number).await;
    assert_eq!((lost.status, lost.has_code()), (503, false), "{}", lost.html);
    let back = format!("/wallet/pid/return?state={}&response_code=none", asked_there.state);
    assert!(eve.visit(&world, &back).await.has_code());
    // The twin: the code itself was brought, and its answer could not be written either.
    let mut ana = Browser::default();
    let asked_here = asked(&world, &wallet, &mut ana, &ask()).await;
    let back = wallet.answer(&world.http, &asked_here).await.unwrap();
    plan.after(2, Fate::Refuse);
    assert_eq!(ana.get(&world, &back).await.status, 503);
    assert!(ana.get(&world, &back).await.has_code());
    let proved = world.entries("upstream_proved").await;
    let marks: Vec<_> = proved.iter().map(|it| it["detail"].get("on_other_device").cloned()).collect();
    assert_eq!(marks, [Some(json!(true)), None], "{proved:?}");
    world.stop().await;
}

/// A link on the account page is begun by whoever holds the account: nobody else's wallet is linked by a picture of a code.
#[tokio::test]
async fn nothing_is_linked_from_another_device() {
    let outside = Outside::new();
    let world = configured(&outside, Engine::Sqlite).await.start().await;
    let mut browser = Browser::default();
    let page = browser.visit(&world, "/account").await;
    browser.answer(&world, &page, "alice").await;
    let page = browser.visit(&world, "/account").await;
    let page = browser.submit(&world, &page, &[], "link:wallet:pid").await;
    assert!(page.action("go") && !page.action("other_device"), "{}", page.html);
    let forced = browser.submit(&world, &page, &[], "other_device").await;
    assert!(!forced.html.contains("data-text"), "{}", forced.html);
    world.stop().await;
}

async fn code_on_screen(phone: &mut Phone<'_>, step: &Answer) -> (Answer, String) {
    let step = phone.answer(step, "other_device", &[]).await;
    assert_eq!((step.error(), step.kind()), (ASKED, "wallet_elsewhere"), "{step:?}");
    let shown = step.step()["content"].as_array().unwrap().iter().find(|it| it["type"] == "qr").cloned().unwrap();
    (step, shown["text"].as_str().unwrap().to_owned())
}

/// The same on an app's own screens: the step has the code and the field, and the app stays where it is.
#[tokio::test]
async fn an_app_shows_the_code_on_its_own_screens() {
    for engine in engines() {
        let outside = Outside::new();
        let table = outside.table(CREATE);
        let open = |it: Configuration| it.with(&table).set("login.default.wallet_on_other_device", true);
        let scene = Screens::with(engine, |it| open(with_app(it)).set("wallet.pid.digital_credentials", false)).await;
        let (world, wallet) = (&scene.world, outside.wallet_of("AA-1"));
        let mut phone = scene.genuine();
        let step = phone.begin().await;
        let step = phone.answer(&step, "use_wallet:pid", &[]).await;
        assert_eq!((step.error(), step.kind()), (ASKED, "wallet"), "{step:?}");
        let (step, earlier) = code_on_screen(&mut phone, &step).await;
        let schema: Json = serde_json::from_str(include_str!("../../../docs/steps.schema.json")).unwrap();
        assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&step.body), "{:#}", step.body);
        let (step, link) = code_on_screen(&mut phone, &step).await;
        assert!(wallet.read(&world.http, &earlier, now_s()).await.is_err(), "another code has taken its place");
        let number = number_of(&scanned(world, &wallet, &link).await);
        let refused = phone.answer(&step, "continue", &[("matching_number", &other(&number))]).await;
        assert_eq!((refused.error(), refused.problem()), (ASKED, "wallet_other_number"), "{refused:?}");
        let (step, link) = code_on_screen(&mut phone, &refused).await;
        let number = number_of(&scanned(world, &wallet, &link).await);
        let done = phone.answer(&step, "continue", &[("matching_number", &number)]).await;
        assert_eq!(done.status, 200, "the twin: {done:?}");
        scene.world.stop().await;
    }
}

/// V-01: what was made for the code of one sign-in is for that one.
#[tokio::test]
async fn an_answer_is_for_its_own_code() {
    let outside = Outside::new();
    let world = configured(&outside, Engine::Sqlite).await.start().await;
    let wallet = outside.wallet_of("AA-1");
    let (mut eve, mut ana) = (Browser::default(), Browser::default());
    let (of_eve, _) = invited(&world, &mut eve, &ask()).await;
    let (of_ana, link) = invited(&world, &mut ana, &ask()).await;
    let number = number_of(&scanned(&world, &wallet, &link).await);
    let refused = typed(&world, &mut eve, &of_eve, &number).await;
    assert!(!refused.has_code() && refused.says("has not answered"), "{}", refused.text());
    // What a wallet on the same device has posted has no number.
    let by_link = asked(&world, &wallet, &mut eve, &ask()).await;
    wallet.answer(&world.http, &by_link).await.unwrap();
    let page = eve.visit(&world, "/account").await;
    assert!(!page.says("Your number"), "{}", page.text());
    assert!(typed(&world, &mut ana, &of_ana, &number).await.has_code(), "the twin");
    world.stop().await;
}
