//! An app opens the wallet by its link, from its own screens, and its own https link brings the wallet's code back.

use crate::native_detour::{begin_both_ways, verifier};
use crate::wallets::{CREATE, Outside, now_s};
use crate::world::app_passkeys::{options, with_app};
use crate::world::native::{ASKED, BACK, Screens};
use crate::world::{Answer, Browser, Configuration, Engine, Phone, World, engines, parameters};
use serde_json::{Value as Json, json};
use symbolon_oauth::pkce;
use symbolon_phone::wallet::Wallet;

/// The app says that it opens wallets.
pub const OPENS: [(&str, &str); 1] = [("wallet_return", "sw")];

/// As on iOS: no platform of the app's speaks to wallets.
async fn screens(engine: Engine, outside: &Outside) -> Screens {
    let table = outside.table(CREATE);
    Screens::with(engine, |it| with_app(it).with(&table).set("wallet.pid.digital_credentials", false)).await
}

/// To the step that opens the wallet, and the link.
async fn opening(phone: &mut Phone<'_>) -> (Answer, String) {
    let step = begin_both_ways(phone, &[]).await;
    let step = phone.answer(&step, "use_wallet:pid", &OPENS).await;
    assert_eq!((step.error(), step.kind()), (ASKED, "wallet"), "{step:?}");
    let step = phone.answer(&step, "go", &OPENS).await;
    assert_eq!((step.error(), step.kind(), &step.step()["operation"]["name"]), (ASKED, "wallet_open", &json!("wallet_open")), "{step:?}");
    let url = options(&step)["url"].as_str().unwrap().to_owned();
    (step, url)
}

/// The wallet answers, and leads to this link.
async fn led(world: &World, wallet: &Wallet, url: &str) -> String {
    let asked = wallet.read(&world.http, url, now_s()).await.unwrap();
    wallet.answer(&world.http, &asked).await.unwrap()
}

/// The app was opened by this link, and brings what stands in it.
async fn brought(phone: &mut Phone<'_>, step: &Answer, link: &str) -> Answer {
    let found = parameters(link);
    let fields: Vec<(&str, &str)> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    phone.answer(step, "open_wallet", &fields).await
}

/// The person goes to the browser and closes it: the step is still open.
async fn looked(phone: &mut Phone<'_>, step: &Answer) -> Answer {
    let sent = phone.answer(step, "browser", &[]).await;
    assert_eq!(sent.error(), (403, "redirect_to_web"), "{sent:?}");
    sent
}

/// The answer that docs/steps.md shows for this operation.
fn shown_answer() -> std::collections::BTreeMap<String, String> {
    let page = include_str!("../../../docs/steps.md");
    let form = page.split("```\nclient_id=").nth(1).and_then(|it| it.lines().next()).unwrap();
    url::form_urlencoded::parse(format!("client_id={form}").as_bytes()).into_owned().collect()
}

/// Methods.md, "Home": the wallet leads to the app's own https link, and the app brings the code to the sign-in that it began. Without its
/// word an app goes on in the browser, as before.
#[tokio::test]
async fn an_app_opens_a_wallet_and_brings_its_code() {
    for engine in engines() {
        let outside = Outside::new();
        let scene = screens(engine, &outside).await;
        let wallet = outside.wallet_of("AA-1");
        let mut phone = scene.genuine();
        let (step, url) = opening(&mut phone).await;
        let schema: Json = serde_json::from_str(include_str!("../../../docs/steps.schema.json")).unwrap();
        assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&step.body), "{:#}", step.body);
        assert_eq!(step.step()["operation"]["answer"]["field"], "response_code", "{step:?}");
        // Nothing was opened: the question comes anew, with what was wrong.
        let none = phone.answer(&step, "open_wallet", &[("open_wallet_failure", "cancelled")]).await;
        assert_eq!((none.error(), none.problem()), (ASKED, "wallet_cancelled"), "{none:?}");
        assert!(wallet.read(&scene.world.http, &url, now_s()).await.is_err(), "that request is over");
        let step = phone.answer(&none, "go", &OPENS).await;
        let link = led(&scene.world, &wallet, options(&step)["url"].as_str().unwrap()).await;
        assert!(link.starts_with(&format!("{BACK}?wallet_state=")), "{link}");
        let (found, shown) = (parameters(&link), shown_answer());
        assert!(found.len() == 3 && found["wallet"] == "pid", "{found:?}");
        assert!(found.keys().all(|name| name == "wallet" || shown.contains_key(name)), "{found:?} {shown:?}");
        assert_eq!((shown.len(), shown["action"].as_str(), shown.contains_key("auth_session")), (5, "open_wallet", true), "{shown:?}");
        let done = brought(&mut phone, &step, &link).await;
        assert_eq!(done.status, 200, "{done:?}");
        let (code, verifier) = (done.text("authorization_code"), verifier());
        let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("code_verifier", verifier.as_str())];
        assert_eq!(phone.post("/token", &form).await.status, 200);
        let proved = scene.world.entries("upstream_proved").await;
        assert!(proved.len() == 1 && proved[0]["detail"].get("on_other_device").is_none(), "{proved:?}");
        let mut silent = scene.genuine();
        let step = begin_both_ways(&mut silent, &[]).await;
        let away = silent.answer(&step, "use_wallet:pid", &[]).await;
        assert_eq!(away.error(), (403, "redirect_to_web"), "{away:?}");
        scene.world.stop().await;
    }
}

/// Methods.md, "Home": a code that another app's sign-in brings, or a browser, makes the answer void. Whoever mailed the link of a sign-in
/// gets nothing by what somebody else's wallet shows, also where he has looked at the browser meanwhile.
#[tokio::test]
async fn a_code_in_the_wrong_sign_in_ends_the_answer() {
    for (by_browser, looks) in [(false, false), (true, false), (false, true), (true, true)] {
        let outside = Outside::new();
        let scene = screens(Engine::Sqlite, &outside).await;
        let (wallet, mut eve, mut ana) = (outside.wallet_of("AA-1"), scene.genuine(), scene.genuine());
        let (of_eve, url) = opening(&mut eve).await;
        let (of_ana, url_of_ana) = opening(&mut ana).await;
        let link = led(&scene.world, &wallet, &url).await;
        let of_eve = if looks { looked(&mut eve, &of_eve).await } else { of_eve };
        if by_browser {
            // The app's web site leads on by what stands in the link.
            let found = parameters(&link);
            let [state, code, wallet] = ["wallet_state", "response_code", "wallet"].map(|name| found[name].as_str());
            let page = Browser::default().visit(&scene.world, &format!("/wallet/{wallet}/return?state={state}&response_code={code}")).await;
            assert!(page.status == 400 && !page.has_code(), "{}", page.html);
        } else {
            let refused = brought(&mut ana, &of_ana, &link).await;
            assert_eq!(refused.error(), (400, "invalid_request"), "{refused:?}");
            // Her own wallet is open still: whoever sends her a link ends nothing of hers.
            let made_up = brought(&mut ana, &of_ana, &format!("{BACK}?wallet_state=x&response_code=y")).await;
            assert_eq!(made_up.error(), (400, "invalid_request"), "{made_up:?}");
            let hers = led(&scene.world, &outside.wallet_of("AA-2"), &url_of_ana).await;
            assert_eq!(brought(&mut ana, &of_ana, &hers).await.status, 200);
        }
        let refused = brought(&mut eve, &of_eve, &link).await;
        assert_eq!((refused.error(), refused.problem()), (ASKED, "wallet_failed"), "{refused:?}");
        let entries = scene.world.entries("wallet_refused").await;
        assert!(entries.iter().any(|it| it["reason"].as_str().unwrap().ends_with("the answer is void")), "{entries:?}");
        assert_eq!(scene.world.audited("upstream_proved").await, usize::from(!by_browser), "Ana alone");
        // The twin: Eve's own wallet, in her own sign-in.
        let step = eve.answer(&refused, "go", &OPENS).await;
        let link = led(&scene.world, &wallet, options(&step)["url"].as_str().unwrap()).await;
        assert_eq!(brought(&mut eve, &step, &link).await.status, 200);
        scene.world.stop().await;
    }
}

/// Methods.md, "Home": whoever comes back from the browser without an answer stands at the same step. Its wallet opens still, and its code
/// counts. The link of an earlier request of this sign-in is refused, and ends nothing.
#[tokio::test]
async fn the_open_request_lives_on_and_an_earlier_one_is_over() {
    for engine in engines() {
        let outside = Outside::new();
        let scene = screens(engine, &outside).await;
        let (wallet, mut phone) = (outside.wallet_of("AA-1"), scene.genuine());
        let (step, url) = opening(&mut phone).await;
        let earlier = led(&scene.world, &wallet, &url).await;
        let none = phone.answer(&step, "open_wallet", &[("open_wallet_failure", "cancelled")]).await;
        let step = phone.answer(&none, "go", &OPENS).await;
        assert!(wallet.read(&scene.world.http, &url, now_s()).await.is_err(), "another request stands there now");
        let url = options(&step)["url"].as_str().unwrap().to_owned();
        let late = brought(&mut phone, &step, &earlier).await;
        assert_eq!(late.error(), (400, "invalid_request"), "{late:?}");
        let step = looked(&mut phone, &step).await;
        let link = led(&scene.world, &wallet, &url).await;
        let late = brought(&mut phone, &step, &earlier).await;
        assert_eq!(late.error(), (400, "invalid_request"), "{late:?}");
        let done = brought(&mut phone, &step, &link).await;
        assert_eq!(done.status, 200, "the twin: {done:?}");
        assert_eq!(scene.world.audited("upstream_proved").await, 1);
        scene.world.stop().await;
    }
}

/// Methods.md, "Home": the code goes to whatever the link opens. A scheme that any app may claim opens no wallet. Neither does a host that has
/// not named the app, where the operator wants proofs.
#[tokio::test]
async fn a_link_that_others_may_take_opens_no_wallet() {
    let (outside, scheme) = (Outside::new(), "com.example.screens:/cb");
    let scene = screens(Engine::Sqlite, &outside).await;
    let with_scheme = |it: Configuration| {
        it.set("client.screens.redirect_uris", vec![BACK, scheme]).set("client.screens.attestation.unsafe_private_schemes", true)
    };
    scene.world.reload(with_scheme).await;
    for (uri, assurance, opens) in [(BACK, "address", true), (scheme, "address", false), (BACK, "proved", false)] {
        scene.world.reload(|it| it.set("assurance", assurance)).await;
        let mut phone = scene.genuine();
        let challenge = pkce::challenge(&verifier());
        let begin = [("code_challenge", challenge.as_str()), ("code_challenge_method", "S256"), ("redirect_uri", uri)];
        let step = phone.begin_with(&begin).await;
        let next = phone.answer(&step, "use_wallet:pid", &OPENS).await;
        assert_eq!(next.error(), if opens { ASKED } else { (403, "redirect_to_web") }, "{uri}, {assurance}: {next:?}");
    }
    scene.world.stop().await;
}
