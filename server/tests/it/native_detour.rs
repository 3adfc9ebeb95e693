//! A native sign-in that goes on in the browser: an ordinary code flow, whose page asks whether the person started it.

use crate::native_walk::add_passkey;
use crate::world::app_passkeys::with_app;
use crate::world::native::*;
use crate::world::passkeys::options;
use crate::world::*;
use symbolon_oauth::pkce;
use symbolon_phone::authenticator::Authenticator;

const VERIFIER: [u8; 32] = [5; 32];

pub fn verifier() -> String {
    pkce::verifier(VERIFIER)
}

/// Begins a sign-in that may go on in the browser.
pub async fn begin(phone: &mut Phone<'_>) -> Answer {
    let challenge = pkce::challenge(&pkce::verifier(VERIFIER));
    phone.begin_with(&[("code_challenge", &challenge), ("code_challenge_method", "S256"), ("state", "s-9")]).await
}

/// The way to the browser, from any step: an ordinary authorization response, bound to key and verifier.
#[tokio::test(flavor = "multi_thread")]
async fn any_step_can_be_left_for_the_browser() {
    for engine in engines() {
        let scene = Screens::start(engine).await;
        let mut phone = scene.genuine();
        let step = begin(&mut phone).await;
        assert!(step.actions().contains(&"browser".to_owned()), "{step:?}");
        let sent = phone.answer(&step, "browser", &[]).await;
        assert_eq!((sent.error(), sent.body["expires_in"].as_i64()), ((403, "redirect_to_web"), Some(90)), "{sent:?}");
        let again = phone.answer(&step, "browser", &[]).await;
        assert_eq!(again.text("request_uri"), sent.text("request_uri"), "the same answer, the same way");
        assert_eq!(phone.answer_password(&step, "alice", PASSWORD).await.error(), OVER, "the native sign-in has ended");
        let mut browser = Browser::default();
        let page = open_detour(&mut browser, &scene.world, "screens", &sent.text("request_uri")).await;
        assert_eq!((page.kind(), page.actions().join(" ").as_str()), ("detour", "started_it not_mine"), "{}", page.html);
        assert!(page.says("127.0.0.1") && page.says("Screens"), "{}", page.text());
        let page = browser.submit(&scene.world, &page, &[], "started_it").await;
        assert_eq!(page.kind(), "password");
        let back = browser.submit_password(&scene.world, &page, "alice", PASSWORD).await;
        assert!(back.location.as_deref().is_some_and(|it| it.starts_with(BACK)), "{back:?}");
        assert_eq!(back.parameters()["state"], "s-9");
        let (code, verifier) = (back.code(), pkce::verifier(VERIFIER));
        let bare = [("grant_type", "authorization_code"), ("code", code.as_str())];
        assert_eq!(phone.post("/token", &bare).await.error(), (400, "invalid_grant"), "no verifier");
        let whole = [&bare[..], &[("code_verifier", verifier.as_str())]].concat();
        assert_eq!(scene.genuine().post("/token", &whole).await.error(), (400, "invalid_grant"), "another installation");
        assert_eq!(phone.post("/token", &whole).await.status, 200);
        let used = open_detour(&mut browser, &scene.world, "screens", &sent.text("request_uri")).await;
        assert_eq!(used.status, 400, "076-A: it was used");
        scene.world.stop().await;
    }
}

/// W-47: whoever says no or cancels in the browser sends the app back with its state and a code. Whoever comes too late is told so. The native
/// sign-in is over by then, and a new one has a detour that works.
#[tokio::test(flavor = "multi_thread")]
async fn every_end_of_a_detour_is_told() {
    for engine in engines() {
        let scene = Screens::start(engine).await;
        let mut phone = scene.genuine();
        for cancels in [false, true] {
            let step = begin(&mut phone).await;
            let sent = phone.answer(&step, "browser", &[]).await.text("request_uri");
            let mut browser = Browser::default();
            let page = open_detour(&mut browser, &scene.world, "screens", &sent).await;
            let back = if cancels {
                let page = browser.submit(&scene.world, &page, &[], "started_it").await;
                browser.submit(&scene.world, &page, &[], "cancel").await
            } else {
                browser.submit(&scene.world, &page, &[], "not_mine").await
            };
            let said = back.parameters();
            let how = if cancels { "The person cancelled the sign-in." } else { "The person did not start this sign-in." };
            assert_eq!(said["error_description"], how);
            assert!(back.location.as_deref().is_some_and(|it| it.starts_with(BACK)), "{back:?}");
            assert_eq!((said["error"].as_str(), said["state"].as_str()), ("access_denied", "s-9"), "{said:?}");
            assert!(said["iss"] == scene.world.issuer && !said["error_description"].is_empty() && !said.contains_key("code"), "{said:?}");
            assert_eq!(phone.answer_password(&step, "alice", PASSWORD).await.error(), OVER, "the native sign-in has ended");
        }
        // Too late for the address, and too late for the page.
        let step = begin(&mut phone).await;
        let sent = phone.answer(&step, "browser", &[]).await.text("request_uri");
        scene.world.advance_s(91);
        let late = open_detour(&mut Browser::default(), &scene.world, "screens", &sent).await;
        assert_eq!((late.status, late.name().as_deref(), &late.location), (400, Some("error-over"), &None), "{}", late.html);
        for minutes in [31, 0] {
            let step = begin(&mut phone).await;
            assert!(step.actions().contains(&"continue".to_owned()), "the other ways are there: {step:?}");
            let sent = phone.answer(&step, "browser", &[]).await.text("request_uri");
            let mut browser = Browser::default();
            let page = open_detour(&mut browser, &scene.world, "screens", &sent).await;
            let page = browser.submit(&scene.world, &page, &[], "started_it").await;
            scene.world.advance_s(minutes * 60);
            let done = browser.submit_password(&scene.world, &page, "alice", PASSWORD).await;
            if minutes == 0 {
                assert!(done.has_code(), "the twin: {}", done.html);
            } else {
                assert_eq!((done.status, done.name().as_deref(), &done.location), (400, Some("error-over"), &None), "{}", done.html);
            }
        }
        scene.world.stop().await;
    }
}

/// Without a challenge there is no request_uri: the app starts a code flow of its own.
#[tokio::test(flavor = "multi_thread")]
async fn no_request_uri_without_a_challenge() {
    let scene = Screens::start(Engine::Sqlite).await;
    let mut phone = scene.genuine();
    let step = phone.begin().await;
    let sent = phone.answer(&step, "browser", &[]).await;
    assert_eq!((sent.error(), sent.body.get("request_uri"), sent.body.get("expires_in")), ((403, "redirect_to_web"), None, None));
    scene.world.reload(|it| it.set("client.screens.web_only", true)).await;
    let sent = phone.begin().await;
    assert_eq!((sent.error(), sent.body.get("request_uri")), ((403, "redirect_to_web"), None));
    assert!(!begin(&mut phone).await.text("request_uri").is_empty(), "the twin");
    scene.world.stop().await;
}

/// The operator forces the browser: per client, per tier, per scope, also while a sign-in is under way. The app does not change.
#[tokio::test(flavor = "multi_thread")]
async fn the_operator_forces_the_browser() {
    let web = (403, "redirect_to_web");
    for (key, value) in [
        ("web_only", toml::Value::from(true)),
        ("web_only_tiers", toml::Value::from(vec!["hardware"])),
        ("web_only_scopes", toml::Value::from(vec!["orders:read"])),
    ] {
        let scene = Screens::start(Engine::Sqlite).await;
        let mut phone = scene.genuine();
        let step = begin(&mut phone).await;
        scene.world.reload(|it| it.set(&format!("client.screens.{key}"), value.clone())).await;
        assert_eq!(phone.answer_password(&step, "alice", PASSWORD).await.error(), web, "{key}");
        let sent = begin(&mut phone).await;
        assert_eq!((sent.error(), sent.text("request_uri").is_empty()), (web, false), "{key}");
        assert_eq!(scene.world.entries("sent_to_browser").await.len(), 2);
        let others = if key == "web_only_scopes" {
            phone.begin_with(&[("scope", "orders:write")]).await
        } else {
            scene.phone("hardware_claimed").begin().await
        };
        assert_eq!(others.error(), if key == "web_only" { web } else { ASKED }, "{key}: what is not named");
        scene.world.stop().await;
    }
}

/// An attacker mails the address of his own sign-in. Even a person who is signed in sees a page first, which asks; nothing is granted
/// without a yes, and what a yes grants is of use to the key of the app alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_mailed_request_uri_signs_nobody_in() {
    for engine in engines() {
        let scene = Screens::start(engine).await;
        let mut victim = Browser::default();
        victim.sign_in(&scene.world, &Ask::native("openid"), "alice").await;
        let codes = scene.world.audited("code_issued").await;
        let mut attacker = scene.genuine();
        let step = begin(&mut attacker).await;
        let mailed = attacker.answer(&step, "browser", &[]).await.text("request_uri");
        let page = open_detour(&mut victim, &scene.world, "screens", &mailed).await;
        assert_eq!(
            (page.kind(), page.location.as_deref()),
            ("detour", None),
            "a living session and a first-party client: a page all the same"
        );
        let refused = victim.submit(&scene.world, &page, &[], "not_mine").await;
        assert_eq!(refused.error().as_deref(), Some("access_denied"), "{refused:?}");
        assert_eq!(scene.world.audited("code_issued").await, codes);
        let entries = scene.world.entries("authorization_refused").await;
        assert_eq!(entries[0]["reason"], "the person did not start this sign-in");
        scene.world.stop().await;
    }
}

/// Whoever was proved before the detour is the only one whom it takes. The refusal names nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_detour_takes_the_same_person_only() {
    let scene = Screens::with(Engine::Sqlite, |it| it.set("client.screens.login", "two-factor")).await;
    scene.world.person("bob").await;
    for (person, fits) in [("bob", false), ("alice", true)] {
        let mut phone = scene.genuine();
        let step = begin(&mut phone).await;
        let next = phone.answer_password(&step, "alice", PASSWORD).await;
        assert_eq!(next.kind(), "enrol_totp", "{next:?}");
        let sent = phone.answer(&next, "browser", &[]).await.text("request_uri");
        let mut browser = Browser::default();
        let page = open_detour(&mut browser, &scene.world, "screens", &sent).await;
        let page = browser.submit(&scene.world, &page, &[], "started_it").await;
        let page = browser.submit_password(&scene.world, &page, person, PASSWORD).await;
        let secret = page.codes().remove(0);
        let now_ms = scene.world.running.shared.now().now_ms();
        let page = browser.submit(&scene.world, &page, &[("code", &totp(&secret, now_ms))], "continue").await;
        let waits = browser.submit(&scene.world, &page, &[], "continue").await;
        assert!(waits.kind() == "waits" && scene.world.confirm(person).await, "{}", waits.html);
        let done = browser.submit(&scene.world, &waits, &[], "continue").await;
        let error = done.error();
        assert_eq!((done.has_code(), error.as_deref()), (fits, (!fits).then_some("login_required")), "{person}: {done:?}");
        assert!(!done.location.unwrap_or_default().contains("alice"));
    }
    scene.world.stop().await;
}

/// Begins a sign-in that the browser's proofs come back to.
pub async fn begin_both_ways(phone: &mut Phone<'_>, more: &[(&str, &str)]) -> Answer {
    let challenge = pkce::challenge(&pkce::verifier(VERIFIER));
    let base = [("code_challenge", challenge.as_str()), ("code_challenge_method", "S256"), ("state", "s-9"), ("browser_return", "sw")];
    phone.begin_with(&[&base[..], more].concat()).await
}

/// The person goes through the browser's part: what it brings back to the app.
pub async fn through_the_browser(scene: &Screens, sent: &Answer, person: &str) -> Page {
    assert_eq!(sent.error(), (403, "redirect_to_web"), "{sent:?}");
    let mut browser = Browser::default();
    let page = open_detour(&mut browser, &scene.world, "screens", &sent.text("request_uri")).await;
    assert_eq!(page.kind(), "detour", "{}", page.html);
    let page = browser.submit(&scene.world, &page, &[], "started_it").await;
    browser.submit_password(&scene.world, &page, person, PASSWORD).await
}

pub async fn bring(phone: &mut Phone<'_>, sent: &Answer, handle: &str) -> Answer {
    let held = sent.text("auth_session");
    phone.post("/authorize-challenge", &[("auth_session", held.as_str()), ("browser_return", handle)]).await
}

/// `browser_return=sw`: what was proved in the browser comes back to the sign-in that sent the person there. It gives a code to the key that
/// began, and none to the browser.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_browser_proved_comes_back() {
    for engine in engines() {
        let scene = Screens::start(engine).await;
        let mut phone = scene.genuine();
        let step = begin_both_ways(&mut phone, &[]).await;
        let sent = phone.answer(&step, "browser", &[]).await;
        let again = phone.answer(&step, "browser", &[]).await;
        assert_eq!((again.text("request_uri"), again.text("auth_session")), (sent.text("request_uri"), sent.text("auth_session")));
        let back = through_the_browser(&scene, &sent, "alice").await;
        let said = back.parameters();
        assert!(back.location.as_deref().is_some_and(|it| it.starts_with(BACK)), "{back:?}");
        assert_eq!((said["state"].as_str(), &said["iss"]), ("s-9", &scene.world.issuer));
        let handle = said["browser_return"].clone();
        assert!(handle.starts_with("sw_") && !said.contains_key("code"), "{said:?}");
        assert_eq!((scene.world.audited("code_issued").await, scene.world.audited("sent_back_to_app").await), (0, 1));
        let used = open_detour(&mut Browser::default(), &scene.world, "screens", &sent.text("request_uri")).await;
        assert_eq!(used.status, 400, "076-A: the request_uri was used");
        let done = bring(&mut phone, &sent, &handle).await;
        assert_eq!(done.status, 200, "{done:?}");
        let same = bring(&mut phone, &sent, &handle).await;
        assert_eq!(same.text("authorization_code"), done.text("authorization_code"), "a lost answer");
        let verifier = pkce::verifier(VERIFIER);
        let form = [("grant_type", "authorization_code"), ("code", &done.text("authorization_code")), ("code_verifier", &verifier)];
        let tokens = phone.post("/token", &form).await;
        assert_eq!((tokens.status, tokens.text("auth_session").is_empty()), (200, false), "{tokens:?}");
        assert_eq!(claims(&tokens.text("id_token"))["amr"], serde_json::json!(["pwd"]));
        assert_eq!(scene.world.entries("code_issued").await[0]["detail"]["face"], "native");
        scene.world.stop().await;
    }
}

/// 286-H, 291-H: the handle is of use once, to the sign-in and the answer that it was made for, with the same key, within a minute.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_return_belongs_to_one_answer_of_one_sign_in() {
    for engine in engines() {
        let scene = Screens::start(engine).await;
        let refused = (400, "invalid_request");
        let mut phone = scene.genuine();
        let step = begin_both_ways(&mut phone, &[]).await;
        let sent = phone.answer(&step, "browser", &[]).await;
        let handle = through_the_browser(&scene, &sent, "alice").await.parameters()["browser_return"].clone();
        assert_eq!(bring(&mut scene.genuine(), &sent, &handle).await.error(), OVER, "another installation");
        assert_eq!(bring(&mut scene.signer(), &sent, &handle).await.error(), OVER, "another client");
        let other = begin_both_ways(&mut phone, &[]).await;
        assert_eq!(bring(&mut phone, &other, &handle).await.error(), refused, "a sign-in that went nowhere");
        let other = phone.answer(&other, "browser", &[]).await;
        assert_eq!(bring(&mut phone, &other, &handle).await.error(), refused, "another sign-in");
        let cut = &handle[..handle.len() - 4];
        for bad in [cut, "sw_", "", &format!("{cut}AAAA"), &handle.replace("sw_", "sc_")] {
            assert_eq!(bring(&mut phone, &sent, bad).await.error(), refused, "{bad}");
        }
        assert_eq!(bring(&mut phone, &sent, &handle).await.status, 200, "the twin");
        // The person answers the open step instead: the version is another.
        let step = begin_both_ways(&mut phone, &[]).await;
        let sent = phone.answer(&step, "browser", &[]).await;
        let handle = through_the_browser(&scene, &sent, "alice").await.parameters()["browser_return"].clone();
        let moved = phone.answer_password(&sent, "alice", "not hers").await;
        assert_eq!((moved.error(), moved.problem()), (ASKED, "wrong_password"), "{moved:?}");
        assert_eq!(bring(&mut phone, &moved, &handle).await.error(), refused, "another version");
        assert_eq!(bring(&mut phone, &sent, &handle).await.error(), OVER, "the auth_session of before");
        assert_eq!(phone.answer_password(&moved, "alice", PASSWORD).await.status, 200, "the step is still open");
        for (seconds, status) in [(61, 400), (50, 200)] {
            let step = begin_both_ways(&mut phone, &[]).await;
            let sent = phone.answer(&step, "browser", &[]).await;
            let handle = through_the_browser(&scene, &sent, "alice").await.parameters()["browser_return"].clone();
            scene.world.advance_s(seconds);
            assert_eq!(bring(&mut phone, &sent, &handle).await.status, status, "after {seconds} s");
        }
        scene.world.stop().await;
    }
}

/// A native sign-in with a person takes this person's proofs alone. Whoever comes back without them finds the step open.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_same_person_comes_back() {
    let scene = Screens::with(Engine::Sqlite, |it| it.with("[login.two-factor]\nrequire = [\"password + email\"]")).await;
    let world = &scene.world;
    world.person("bob").await;
    let two = [("acr_values", "urn:two")];
    for (person, fits) in [("bob", false), ("alice", true)] {
        let mut phone = scene.genuine();
        let step = begin_both_ways(&mut phone, &two).await;
        let seen = scene.mailbox.letters().len();
        let step = phone.answer_password(&step, "alice", PASSWORD).await;
        assert_eq!(step.kind(), "email_code", "{step:?}");
        scene.code_of_letter("alice@example.com", seen).await;
        let sent = phone.answer(&step, "browser", &[]).await;
        let mut browser = Browser::default();
        let page = open_detour(&mut browser, world, "screens", &sent.text("request_uri")).await;
        let page = browser.submit(world, &page, &[], "started_it").await;
        let seen = scene.mailbox.letters().len();
        let page = browser.submit_password(world, &page, person, PASSWORD).await;
        let code = scene.code_of_letter(&format!("{person}@example.com"), seen).await;
        let back = browser.submit(world, &page, &[("email_code", &code)], "continue").await;
        let said = back.parameters();
        assert_eq!((said.contains_key("browser_return"), back.error().as_deref()), (fits, (!fits).then_some("login_required")), "{back:?}");
        match said.get("browser_return") {
            Some(handle) => assert_eq!(bring(&mut phone, &sent, handle).await.status, 200),
            None => assert_eq!(phone.answer(&sent, "continue", &[("email_code", "00000000")]).await.problem(), "wrong_email_code"),
        }
    }
    let mut phone = scene.genuine();
    let step = begin_both_ways(&mut phone, &[]).await;
    let sent = phone.answer(&step, "browser", &[]).await;
    let mut browser = Browser::default();
    let page = open_detour(&mut browser, world, "screens", &sent.text("request_uri")).await;
    let back = browser.submit(world, &page, &[], "not_mine").await;
    assert_eq!(back.error().as_deref(), Some("access_denied"), "{back:?}");
    assert_eq!(phone.answer_password(&sent, "alice", PASSWORD).await.status, 200, "the sign-in goes on all the same");
    scene.world.stop().await;
}

/// The way back needs an address that only this app gets, and a challenge. Where the operator wants the browser, its sign-in ends in a code.
#[tokio::test(flavor = "multi_thread")]
async fn the_way_back_is_for_claimed_addresses() {
    let uris = vec![BACK, "http://127.0.0.1/cb"];
    let scene = Screens::with(Engine::Sqlite, |it| it.set("client.screens.redirect_uris", uris)).await;
    let mut phone = scene.genuine();
    let refused = (400, "invalid_request");
    assert_eq!(begin_both_ways(&mut phone, &[("redirect_uri", "http://127.0.0.1/cb")]).await.error(), refused, "loopback");
    assert_eq!(phone.begin_with(&[("browser_return", "sw")]).await.error(), refused, "no code_challenge");
    assert_eq!(phone.begin_with(&[("browser_return", "code")]).await.error(), refused, "another word");
    let here = [("redirect_uri", BACK)];
    let step = begin_both_ways(&mut phone, &here).await;
    assert_eq!(step.error(), ASKED, "the twin: {step:?}");
    scene.world.reload(|it| it.set("client.screens.web_only", true)).await;
    for sent in [begin_both_ways(&mut phone, &here).await, phone.answer_password(&step, "alice", PASSWORD).await] {
        assert_eq!(sent.body.get("auth_session"), None, "{sent:?}");
        let back = through_the_browser(&scene, &sent, "alice").await;
        assert!(back.has_code() && !back.parameters().contains_key("browser_return"), "{back:?}");
    }
    scene.world.stop().await;
}

/// A browser that is signed in, in which the person says that they started it.
pub async fn through_a_session(scene: &Screens, browser: &mut Browser, sent: &Answer) -> Page {
    let page = open_detour(browser, &scene.world, "screens", &sent.text("request_uri")).await;
    browser.submit(&scene.world, &page, &[], "started_it").await
}

/// 286-H: the proofs of a browser's session count for as long as it lives.
#[tokio::test(flavor = "multi_thread")]
async fn proofs_of_a_session_that_has_ended_do_not_come_back() {
    for engine in engines() {
        let scene = Screens::start(engine).await;
        for has_ended in [true, false] {
            let mut browser = Browser::default();
            let page = browser.visit(&scene.world, "/account").await;
            browser.submit_password(&scene.world, &page, "alice", PASSWORD).await;
            let mut phone = scene.genuine();
            let step = begin_both_ways(&mut phone, &[]).await;
            let sent = phone.answer(&step, "browser", &[]).await;
            let handle = through_a_session(&scene, &mut browser, &sent).await.parameters()["browser_return"].clone();
            if has_ended {
                let app = scene.world.running.shared.now();
                let mut change = symbolon::store::Change::new(app.now_ms());
                let end = "UPDATE session SET state = 'ended', ended_ms = 1";
                change.run_expecting(end, Vec::new(), symbolon::store::Expect::Any);
                app.store.apply(change).await.unwrap();
            }
            let done = bring(&mut phone, &sent, &handle).await;
            assert_eq!((done.status, done.error() == OVER), if has_ended { (400, true) } else { (200, false) }, "{done:?}");
        }
        scene.world.stop().await;
    }
}

/// Of two proofs of one method the newer one stays: the app's is not replaced by an older one of the browser's session. The twin: the
/// browser's newer one takes the place of the app's.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_proof_of_the_browser_replaces_no_newer_one() {
    let scene = Screens::with(Engine::Sqlite, with_app).await;
    let (world, verifier) = (&scene.world, verifier());
    world.person("bob").await;
    for (person, is_newer_here) in [("alice", true), ("bob", false)] {
        let (mut keys, mut browser, mut phone) = (Authenticator::default(), Browser::default(), scene.genuine());
        add_passkey(&scene, &mut keys, person).await;
        if is_newer_here {
            let page = browser.visit(world, "/account").await;
            assert_eq!(browser.submit_password(world, &page, person, PASSWORD).await.status, 303);
            world.advance_s(100);
        }
        let step = begin_both_ways(&mut phone, &[("acr_values", "urn:both")]).await;
        let step = phone.answer_password(&step, person, PASSWORD).await;
        assert_eq!((step.error(), step.kind()), (ASKED, "passkey"), "{step:?}");
        if !is_newer_here {
            world.advance_s(100);
        }
        let sent = phone.answer(&step, "browser", &[]).await;
        let mut page = through_a_session(&scene, &mut browser, &sent).await;
        assert_eq!(page.asks_for("password"), !is_newer_here, "{}", page.html);
        if !is_newer_here {
            page = browser.submit_password(world, &page, person, PASSWORD).await;
        }
        assert_eq!(page.name().as_deref(), Some("passkey"), "{}", page.html);
        let used = keys.get(&options(&page), &world.issuer).unwrap().to_string();
        let back = browser.submit(world, &page, &[("passkey", &used)], "passkey").await;
        let done = bring(&mut phone, &sent, &back.parameters()["browser_return"]).await;
        assert_eq!(done.status, 200, "{done:?}");
        let code = done.text("authorization_code");
        let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("code_verifier", verifier.as_str())];
        let tokens = phone.post("/token", &form).await;
        let proved_s = claims(&tokens.text("id_token"))["auth_time"].as_i64().unwrap();
        assert!(phone.now_s() - proved_s < 90, "{person}: the oldest proof that counts is of {proved_s}, and it is {}", phone.now_s());
    }
    scene.world.stop().await;
}

/// Nothing is eased on the way: the app would weigh what comes back by its own circumstances, and ask for the same again without end.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_eased_on_the_way_back_to_an_app() {
    let scene = Screens::start(Engine::Sqlite).await;
    let mut browser = Browser::default();
    let page = browser.visit(&scene.world, "/account").await;
    browser.submit_password(&scene.world, &page, "alice", PASSWORD).await;
    let easier = "[login.default]\nrequire = [\"password + totp\"]\n[[login.default.easier]]\nrequire = [\"password\"]\nnetworks = [\"127.0.0.1\"]\n";
    scene.world.reload(|it| it.with(easier)).await;
    let mut phone = scene.genuine();
    let step = begin_both_ways(&mut phone, &[]).await;
    let sent = phone.answer(&step, "browser", &[]).await;
    let page = through_a_session(&scene, &mut browser, &sent).await;
    assert_eq!((page.location.as_deref(), page.kind()), (None, "enrol_totp"), "{}", page.html);
    // The twin: the same browser, for a code of its own.
    let begun = begin(&mut phone).await;
    let left = phone.answer(&begun, "browser", &[]).await;
    let back = through_a_session(&scene, &mut browser, &left).await;
    assert!(back.has_code(), "{}", back.title());
    scene.world.stop().await;
}

/// What an app sends along has the limits that it has in a browser.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_native_request_carries_is_bounded() {
    let scene = Screens::start(Engine::Sqlite).await;
    let challenge = pkce::challenge(&pkce::verifier(VERIFIER));
    for (name, longest) in [("state", 4096), ("nonce", 512), ("login_hint", 512)] {
        for (length, fits) in [(longest, true), (longest + 1, false)] {
            let long = "s".repeat(length);
            let form = [("code_challenge", challenge.as_str()), ("code_challenge_method", "S256"), (name, &long)];
            let answer = scene.genuine().begin_with(&form).await;
            assert_eq!(answer.error() != (400, "invalid_request"), fits, "{name} {length}: {answer:?}");
            assert_eq!(!answer.actions().is_empty(), fits, "{name} {length}: {answer:?}");
        }
    }
    scene.world.stop().await;
}
