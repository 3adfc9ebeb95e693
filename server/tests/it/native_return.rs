//! `browser_return=sw`, seen from all sides: what the browser keeps, who gets on without the handle, and what happens between the proof and
//! the return. The flow itself is in native_detour.rs. What else than a password is proved there is in native_return_kinds.rs.

use crate::commands::told;
use crate::native_detour::*;
use crate::world::native::*;
use crate::world::*;
use serde_json::json;

/// Sends the person to the browser: the sign-in that waits.
pub async fn leave(phone: &mut Phone<'_>, more: &[(&str, &str)]) -> Answer {
    let step = begin_both_ways(phone, more).await;
    let sent = phone.answer(&step, "browser", &[]).await;
    assert!(sent.body.get("auth_session").is_some(), "{sent:?}");
    sent
}

/// The one-time handle that the browser brings back.
pub fn handle_of(back: &Page) -> String {
    back.parameters().get("browser_return").unwrap_or_else(|| panic!("no handle: {back:?}")).clone()
}

/// 286-H: whoever mails the address of the page has chosen the User-Agent. No word of it is on the page. The twin: the name of a device that
/// we know, and the country that the proxy says.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_describes_the_app_in_words_of_ours() {
    let scene = Screens::with(Engine::Sqlite, |it| it.set("country_header", "cf-ipcountry")).await;
    let lie = "your phone. Example Shop support asks you to press Continue";
    for (agent, shown) in [(lie, None), ("Shop/3 (iPhone; iOS 18)", Some("The app runs on: iPhone."))] {
        let mut phone = scene.genuine();
        let step = begin(&mut phone).await;
        let held = step.text("auth_session");
        let form = [("client_id", "screens"), ("auth_session", held.as_str()), ("action", "browser")];
        let mut headers = phone.headers("/authorize-challenge");
        headers.extend([("user-agent", agent.to_owned()), ("cf-ipcountry", "AT".to_owned())]);
        let sent = phone.send_headers(&scene.world, "/authorize-challenge", &form, &headers).await;
        assert_eq!(sent.error(), (403, "redirect_to_web"), "{sent:?}");
        let page = open_detour(&mut Browser::default(), &scene.world, "screens", &sent.text("request_uri")).await;
        assert!(page.kind() == "detour" && page.says("in the country AT"), "{}", page.html);
        assert!(!page.says("support") && !page.says("asks you to press"), "{}", page.html);
        assert_eq!(page.says("The app runs on"), shown.is_some(), "{}", page.html);
        assert!(shown.is_none_or(|words| page.says(words)), "{}", page.html);
    }
    scene.world.stop().await;
}

/// 286-H: a victim says yes. An attacker with `auth_session` and key, and without the handle, stands where he stood.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_handle_stands_at_the_same_step() {
    for engine in engines() {
        let scene = Screens::start(engine).await;
        let mut phone = scene.genuine();
        let sent = leave(&mut phone, &[]).await;
        let handle = handle_of(&through_the_browser(&scene, &sent, "alice").await);
        assert_eq!(bring(&mut phone, &sent, "").await.error(), (400, "invalid_request"));
        let held = sent.text("auth_session");
        let none = phone.post("/authorize-challenge", &[("auth_session", held.as_str())]).await;
        assert_eq!(none.error(), (400, "invalid_request"), "{none:?}");
        assert_eq!(phone.answer(&sent, "browser", &[]).await.error(), (403, "redirect_to_web"), "the browser once more");
        assert_eq!(scene.world.audited("code_issued").await, 0);
        let mut phone = scene.genuine();
        let sent = leave(&mut phone, &[]).await;
        let handle_two = handle_of(&through_the_browser(&scene, &sent, "alice").await);
        assert_eq!(bring(&mut phone, &sent, &handle).await.error(), (400, "invalid_request"), "of another sign-in");
        let next = phone.answer(&sent, "continue", &[("username", "alice"), ("password", "a guess")]).await;
        assert_eq!((next.error(), next.kind(), next.problem()), (ASKED, "password", "wrong_password"), "{next:?}");
        assert_eq!(bring(&mut phone, &next, &handle_two).await.error(), (400, "invalid_request"), "the step was answered");
        let sent = leave(&mut phone, &[]).await;
        let handle = handle_of(&through_the_browser(&scene, &sent, "alice").await);
        assert_eq!(bring(&mut phone, &sent, &handle).await.status, 200, "the twin");
        scene.world.stop().await;
    }
}

/// The browser keeps nothing of it. The twin: it does where its sign-in ends there in a code.
#[tokio::test(flavor = "multi_thread")]
async fn the_browser_is_not_signed_in_by_it() {
    let scene = Screens::start(Engine::Sqlite).await;
    for comes_back in [true, false] {
        let mut phone = scene.genuine();
        let step = if comes_back { begin_both_ways(&mut phone, &[]).await } else { begin(&mut phone).await };
        let sent = phone.answer(&step, "browser", &[]).await;
        let mut browser = Browser::default();
        let page = open_detour(&mut browser, &scene.world, "screens", &sent.text("request_uri")).await;
        let page = browser.submit(&scene.world, &page, &[], "started_it").await;
        let back = browser.submit_password(&scene.world, &page, "alice", PASSWORD).await;
        assert_eq!((back.has_code(), back.parameters().contains_key("browser_return")), (!comes_back, comes_back), "{back:?}");
        let is_kept = |word: &str| browser.cookies.keys().any(|name| name.contains(word));
        assert_eq!((is_kept("session"), is_kept("device")), (!comes_back, !comes_back), "{:?}", browser.cookies);
        let page = browser.visit(&scene.world, "/account").await;
        assert_eq!((page.asks_for("password"), page.says("Your account")), (comes_back, !comes_back), "{}", page.html);
        assert!(!comes_back || !page.html.contains("alice"), "no remembered account: {}", page.html);
        if comes_back {
            assert_eq!(bring(&mut phone, &sent, &handle_of(&back)).await.status, 200, "the app is");
        }
    }
    scene.world.stop().await;
}

/// What happens to the account, the policy and the client between the proof and the return counts.
#[tokio::test(flavor = "multi_thread")]
async fn what_happens_meanwhile_counts() {
    for engine in engines() {
        let scene = Screens::start(engine).await;
        let world = &scene.world;
        for meanwhile in ["nothing", "disabled", "sessions", "policy", "web_only"] {
            let mut phone = scene.genuine();
            let sent = leave(&mut phone, &[]).await;
            let handle = handle_of(&through_the_browser(&scene, &sent, "alice").await);
            match meanwhile {
                "disabled" => assert!(told(world, &["user", "disable", "alice"]).await.0),
                "sessions" => assert!(told(world, &["user", "end-sessions", "alice"]).await.0),
                "policy" => world.reload(|it| it.set("client.screens.login", "two-factor")).await,
                "web_only" => world.reload(|it| it.set("client.screens.web_only", true)).await,
                _ => {}
            }
            let done = bring(&mut phone, &sent, &handle).await;
            match meanwhile {
                "nothing" => assert_eq!(done.status, 200, "the twin: {done:?}"),
                "policy" => assert_eq!((done.error(), done.kind()), (ASKED, "enrol_totp"), "{done:?}"),
                "web_only" => {
                    assert_eq!((done.error(), done.body.get("auth_session")), ((403, "redirect_to_web"), None), "{done:?}");
                }
                _ => assert_eq!(done.error(), OVER, "{meanwhile}: {done:?}"),
            }
            assert!(meanwhile != "disabled" || told(world, &["user", "enable", "alice"]).await.0);
            world.reload(|it| it.set("client.screens.login", "default").set("client.screens.web_only", false)).await;
        }
        scene.world.stop().await;
    }
}

/// The authenticator is added there, and counts here. A new account is made there, and is signed in here.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_in_the_browser_comes_back_too() {
    let scene = Screens::start(Engine::Sqlite).await;
    let world = &scene.world;
    let mut phone = scene.genuine();
    let sent = leave(&mut phone, &[("acr_values", "urn:two")]).await;
    let mut browser = Browser::default();
    let page = open_detour(&mut browser, world, "screens", &sent.text("request_uri")).await;
    let page = browser.submit(world, &page, &[], "started_it").await;
    let page = browser.submit_password(world, &page, "alice", PASSWORD).await;
    let secret = page.codes().remove(0);
    let page = browser.submit(world, &page, &[("code", &totp(&secret, world.running.shared.now().now_ms()))], "continue").await;
    let waits = browser.submit(world, &page, &[], "continue").await;
    assert!(waits.kind() == "waits" && world.confirm("alice").await, "{}", waits.html);
    let back = browser.submit(world, &waits, &[], "continue").await;
    let done = bring(&mut phone, &sent, &handle_of(&back)).await;
    assert_eq!(done.status, 200, "{done:?}");
    let form = [("grant_type", "authorization_code"), ("code", &done.text("authorization_code")), ("code_verifier", &verifier())];
    let tokens = phone.post("/token", &form).await;
    assert_eq!(claims(&tokens.text("id_token"))["acr"], "urn:two", "{tokens:?}");

    let sent = leave(&mut phone, &[("prompt", "create")]).await;
    let mut browser = Browser::default();
    let page = open_detour(&mut browser, world, "screens", &sent.text("request_uri")).await;
    let page = browser.submit(world, &page, &[], "started_it").await;
    let seen = scene.mailbox.letters().len();
    let fields = [("email", "nora@example.com"), ("name", "Nora"), ("new_password", PASSWORD)];
    let page = browser.submit(world, &page, &fields, "continue").await;
    let code = scene.code_of_letter("nora@example.com", seen).await;
    let back = browser.submit(world, &page, &[("email_code", &code)], "continue").await;
    let done = bring(&mut phone, &sent, &handle_of(&back)).await;
    assert_eq!((done.status, world.audited("registered").await), (200, 1), "{done:?}");
    scene.world.stop().await;
}

/// Beside a grant the same person proves more in the browser, and the new grant takes the place of the old one.
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_beside_a_grant_comes_back_to_it() {
    let scene = Screens::start(Engine::Sqlite).await;
    let mut phone = scene.genuine();
    let code = phone.native_code().await;
    let old = phone.redeem(&code).await;
    let held = old.text("auth_session");
    let sent = leave(&mut phone, &[("auth_session", held.as_str()), ("prompt", "login")]).await;
    let done = bring(&mut phone, &sent, &handle_of(&through_the_browser(&scene, &sent, "alice").await)).await;
    assert_eq!(done.status, 200, "{done:?}");
    let form = [("grant_type", "authorization_code"), ("code", &done.text("authorization_code")), ("code_verifier", &verifier())];
    let new = phone.post("/token", &form).await;
    assert_eq!((new.status, phone.refresh(&new.text("refresh_token")).await.status), (200, 200), "{new:?}");
    assert_eq!(phone.refresh(&old.text("refresh_token")).await.error(), (400, "invalid_grant"), "the new one took its place");
    scene.world.stop().await;
}

/// Whatever form the answer has, the handle is in the place of the code. The page comes first, also where somebody is signed in.
#[tokio::test(flavor = "multi_thread")]
async fn the_handle_comes_in_every_form_of_answer() {
    let scene = Screens::start(Engine::Sqlite).await;
    let mut browser = Browser::default();
    let page = browser.visit(&scene.world, "/account").await;
    browser.submit_password(&scene.world, &page, "alice", PASSWORD).await;
    for mode in ["query", "fragment", "query.jwt"] {
        let mut phone = scene.genuine();
        let sent = leave(&mut phone, &[("response_mode", mode)]).await;
        let page = open_detour(&mut browser, &scene.world, "screens", &sent.text("request_uri")).await;
        assert_eq!((page.kind(), &page.location), ("detour", &None), "{mode}: a mailed link and a living session: {}", page.html);
        let back = browser.submit(&scene.world, &page, &[], "started_it").await;
        let handle = match mode {
            "query" => handle_of(&back),
            "fragment" => back.fragment()["browser_return"].clone(),
            _ => claims(&back.parameters()["response"])["browser_return"].as_str().unwrap_or_default().to_owned(),
        };
        assert!(handle.starts_with("sw_"), "{mode}: {back:?}");
        assert_eq!(bring(&mut phone, &sent, &handle).await.status, 200, "{mode}");
    }
    scene.world.stop().await;
}

/// An app that sends its first parameters with every answer brings nothing by `sw`. Any other word is a handle.
#[tokio::test(flavor = "multi_thread")]
async fn the_word_that_asks_is_no_handle() {
    let scene = Screens::start(Engine::Sqlite).await;
    let mut phone = scene.genuine();
    for (word, wanted) in [("sx", 400), ("sw", 200)] {
        let step = begin_both_ways(&mut phone, &[]).await;
        let fields = [("username", "alice"), ("password", PASSWORD), ("browser_return", word)];
        assert_eq!(phone.answer(&step, "continue", &fields).await.status, wanted, "{word}");
    }
    scene.world.stop().await;
}

/// Where the operator wants the browser, the person's own wish to go there ends in a code too: nothing comes back.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_comes_back_where_the_operator_wants_the_browser() {
    let scene = Screens::start(Engine::Sqlite).await;
    for (value, comes_back) in [(true, false), (false, true)] {
        let mut phone = scene.genuine();
        let step = begin_both_ways(&mut phone, &[]).await;
        scene.world.reload(|it| it.set("client.screens.web_only", value)).await;
        let sent = phone.answer(&step, "browser", &[]).await;
        assert_eq!((sent.error(), sent.body.get("auth_session").is_some()), ((403, "redirect_to_web"), comes_back), "{sent:?}");
        let back = through_the_browser(&scene, &sent, "alice").await;
        assert_eq!((back.has_code(), back.parameters().contains_key("browser_return")), (!comes_back, comes_back), "{back:?}");
        scene.world.reload(|it| it.set("client.screens.web_only", false)).await;
    }
    assert_eq!(scene.world.entries("sent_to_browser").await.last().unwrap()["detail"]["why"], json!("the person goes on in the browser"));
    scene.world.stop().await;
}
