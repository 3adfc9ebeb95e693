//! `browser_return=sw`, by what is proved in the browser: a provider, a passkey, a wallet. And what comes between the proof and the return:
//! the continue page, a logout at the provider, another password. And what an app had handed over. The rest is in native_return.rs.

use crate::commands::{symbolon, told};
use crate::continue_page::{GO, fetch};
use crate::handover::leads_on;
use crate::native_detour::*;
use crate::native_return::{handle_of, leave};
use crate::upstream::sign_in_for_subject;
use crate::upstream_native::with_sdk;
use crate::wallets::{CREATE, Outside, now_s};
use crate::world::app_passkeys::{Hand, with_app};
use crate::world::native::*;
use crate::world::passkeys::options;
use crate::world::provider::{Provider, Says};
use crate::world::*;
use serde_json::{Value as Json, json};
use symbolon_oauth::pkce;
use symbolon_phone::authenticator::{Authenticator, USER_PRESENT};

const NEW_PASSWORD: &str = "quite another password";
const SIGNER_BACK: (&str, &str) = ("redirect_uri", "https://signer.example.com/cb");
const HANDOVER: &str = "[client.screens.handover]\nclients = [\"signer\"]\nurl = \"https://shop.example.com/sign-in\"\n";

/// What the ID token says of the sign-in that the app has finished.
async fn said(phone: &mut Phone<'_>, done: &Answer) -> Json {
    assert_eq!(done.status, 200, "{done:?}");
    let form = [("grant_type", "authorization_code"), ("code", &done.text("authorization_code")), ("code_verifier", &verifier())];
    let tokens = phone.post("/token", &form).await;
    assert_eq!(tokens.status, 200, "{tokens:?}");
    claims(&tokens.text("id_token"))
}

/// Native screens without an SDK of the provider `any`.
async fn with_provider(engine: Engine, provider: &Provider) -> Screens {
    let with = with_sdk(provider);
    Screens::with(engine, |it| with(it).without("client.screens.native_providers").set("login.default.acr", "urn:any")).await
}

/// The person chooses a way that needs the browser: the sign-in that waits.
async fn leave_by(phone: &mut Phone<'_>, action: &str) -> Answer {
    let step = begin_both_ways(phone, &[]).await;
    let sent = phone.answer(&step, action, &[]).await;
    assert_eq!((sent.error(), sent.body.get("auth_session").is_some()), ((403, "redirect_to_web"), true), "{sent:?}");
    sent
}

async fn by_provider(scene: &Screens, browser: &mut Browser, provider: &Provider, sent: &Answer) -> Page {
    let page = through_a_session(scene, browser, sent).await;
    let page = browser.submit(&scene.world, &page, &[], "use_upstream:any").await;
    let url = page.location.unwrap_or_else(|| panic!("the browser does not leave: {}", page.html));
    browser.get(&scene.world, &provider.sign_in(&url)).await
}

/// 286-H: a provider says in the browser who it is. The app that began finishes, and no other one. The tokens are those of a sign-in there.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_proved_in_the_browser_comes_back() {
    for engine in engines() {
        let provider = Provider::start().await;
        let scene = with_provider(engine, &provider).await;
        let by_browser = sign_in_for_subject(&scene.world, &provider).await;
        let codes = scene.world.audited("code_issued").await;
        let mut phone = scene.genuine();
        let sent = leave_by(&mut phone, "use_upstream:any").await;
        let mut browser = Browser::default();
        let back = by_provider(&scene, &mut browser, &provider, &sent).await;
        let handle = handle_of(&back);
        assert_eq!((back.has_code(), scene.world.audited("code_issued").await), (false, codes), "{back:?}");
        assert!(!browser.cookies.keys().any(|name| name.contains("session")), "{:?}", browser.cookies);
        assert_eq!(bring(&mut scene.genuine(), &sent, &handle).await.error(), OVER, "another installation");
        let done = bring(&mut phone, &sent, &handle).await;
        let said = said(&mut phone, &done).await;
        assert_eq!((said["sub"].as_str(), said["acr"].as_str()), (Some(by_browser.as_str()), Some("urn:any")), "{said}");
        assert_eq!(said.get("amr"), None, "no factor that nobody here has seen: {said}");
        assert_eq!(scene.world.entries("code_issued").await.last().unwrap()["detail"]["face"], "native");
        scene.world.stop().await;
    }
}

/// 286-H: the provider signs the person out between the proof and the return. The app gets no code, whether the proof is of this sign-in or
/// of a session of the browser. The twin: somebody else, or another session there, was signed out.
#[tokio::test(flavor = "multi_thread")]
async fn a_logout_at_the_provider_meanwhile_counts() {
    for engine in engines() {
        let provider = Provider::start().await;
        let scene = with_provider(engine, &provider).await;
        let world = &scene.world;
        provider.says(Says { sub: "one".to_owned(), claims: json!({ "sid": "s-1" }), ..Says::default() });
        for (named, is_over) in [
            (json!({}), true),
            (json!({ "sid": "s-1", "sub": null }), true),
            (json!({ "sub": "another" }), false),
            (json!({ "sid": "s-2", "sub": null }), false),
        ] {
            for has_session in [false, true] {
                let (mut browser, mut phone) = (Browser::default(), scene.genuine());
                if has_session {
                    let url = crate::upstream::leave(world, &mut browser, &Ask::native("openid orders:read")).await;
                    assert!(browser.get(world, &provider.sign_in(&url)).await.has_code());
                }
                let sent = leave_by(&mut phone, "use_upstream:any").await;
                let back = match has_session {
                    true => through_a_session(&scene, &mut browser, &sent).await,
                    false => by_provider(&scene, &mut browser, &provider, &sent).await,
                };
                let (handle, codes) = (handle_of(&back), world.audited("code_issued").await);
                let form = [("logout_token", provider.logout_token(&named))];
                let told = world.http.post(world.url("/upstream/any/backchannel-logout")).form(&form).send().await.unwrap();
                assert_eq!(told.status(), 200);
                let done = bring(&mut phone, &sent, &handle).await;
                let wanted = if is_over { OVER } else { (200, "") };
                assert_eq!(done.error(), wanted, "{named}, a session: {has_session}: {done:?}");
                assert_eq!(world.audited("code_issued").await - codes, usize::from(!is_over), "{named}");
            }
        }
        scene.world.stop().await;
    }
}

/// The platform answers a page of ours with the passkey.
async fn use_passkey(world: &World, hand: &mut Hand<'_>, browser: &mut Browser, page: &Page) -> Page {
    let used = hand.keys.get(&options(page), &world.issuer).unwrap();
    browser.submit(world, page, &[("passkey", &used.to_string())], "passkey").await
}

/// 286-H, 379-W: the app may not use passkeys, and the browser may. A passkey is worth the same in both. One that did not verify the
/// person is one factor, and nothing comes back before the second.
#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_on_the_page_comes_back() {
    for engine in engines() {
        let scene = Screens::with(engine, with_app).await;
        let world = &scene.world;
        let mut hand = Hand::of(&scene, Authenticator::default());
        hand.add("alice").await;
        world.reload(|it| it.set("client.screens.app.credentials", false)).await;
        let sent = leave_by(&mut hand.phone, "use_passkey").await;
        let mut browser = Browser::default();
        let page = through_a_session(&scene, &mut browser, &sent).await;
        let back = use_passkey(world, &mut hand, &mut browser, &page).await;
        let done = bring(&mut hand.phone, &sent, &handle_of(&back)).await;
        let proved = said(&mut hand.phone, &done).await;
        assert_eq!(json!([proved["amr"], proved["acr"]]), json!([["pop"], null]), "{proved}");

        let honest = Authenticator::default().flags;
        for (flags, is_enough) in [(USER_PRESENT, false), (honest, true)] {
            hand.keys.flags = flags;
            let before = world.audited("sent_back_to_app").await;
            let sent = leave(&mut hand.phone, &[("acr_values", "urn:two")]).await;
            let mut browser = Browser::default();
            let page = through_a_session(&scene, &mut browser, &sent).await;
            let back = use_passkey(world, &mut hand, &mut browser, &page).await;
            assert_eq!(world.audited("sent_back_to_app").await - before, usize::from(is_enough), "{}", back.html);
            if !is_enough {
                assert_eq!((back.kind(), &back.location), ("password", &None), "{}", back.html);
                continue;
            }
            let done = bring(&mut hand.phone, &sent, &handle_of(&back)).await;
            let proved = said(&mut hand.phone, &done).await;
            assert_eq!(json!([proved["amr"], proved["acr"]]), json!([["pop", "mfa"], "urn:two"]), "the twin: {proved}");
        }
        scene.world.stop().await;
    }
}

/// 286-H: a wallet shows in the browser who it is. An operator takes the link away between the proof and the return: no code.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_wallet_showed_in_the_browser_comes_back() {
    for engine in engines() {
        let outside = Outside::new();
        let table = outside.table(CREATE);
        let scene = Screens::with(engine, |it| it.with(&table)).await;
        let (world, wallet) = (&scene.world, outside.wallet_of("AA-1"));
        let sub = crate::wallets::sign_in_for_subject(world, &wallet).await;
        for is_unlinked in [false, true] {
            let mut phone = scene.genuine();
            let sent = leave_by(&mut phone, "use_wallet:pid").await;
            let mut browser = Browser::default();
            let page = through_a_session(&scene, &mut browser, &sent).await;
            let page = browser.submit(world, &page, &[], "use_wallet:pid").await;
            let page = browser.submit(world, &page, &[], "go").await;
            let link = page.location.unwrap_or_else(|| panic!("the browser does not leave: {}", page.html));
            let asked = wallet.read(&world.http, &link, now_s()).await.unwrap();
            let back = browser.get(world, &wallet.answer(&world.http, &asked).await.unwrap()).await;
            let handle = handle_of(&back);
            if is_unlinked {
                let row = world.running.shared.now().store.one("SELECT name FROM outside_identity", &[]).await.unwrap().unwrap();
                assert!(told(world, &["user", "unlink", &sub, row.text("name").unwrap()]).await.0);
                assert_eq!(bring(&mut phone, &sent, &handle).await.error(), OVER);
                continue;
            }
            let done = bring(&mut phone, &sent, &handle).await;
            let said = said(&mut phone, &done).await;
            assert_eq!((said["sub"].as_str(), &said["amr"]), (Some(sub.as_str()), &json!(["pop"])), "the twin: {said}");
            assert_eq!(said["acr"], "urn:example:acr", "{said}");
        }
        assert_eq!(world.audited("registered").await, 1, "the browser's step found the account");
        scene.world.stop().await;
    }
}

/// 035-R: where a client has a continue page, the handle waits there for the person's tap, as a code does, for one browser. The page stays
/// longer than the handle is good for.
#[tokio::test(flavor = "multi_thread")]
async fn the_handle_waits_on_the_continue_page() {
    let page = format!(
        "[client.screens]\nowner = \"shop\"\n[client.screens.continue]\nhost = \"{GO}\"\n\
         [host.\"{GO}\"]\nowner = \"shop\"\ncontinue_page = true\n"
    );
    for engine in engines() {
        let scene = Screens::with(engine, |it| it.with(&page)).await;
        let world = &scene.world;
        for (seconds, wanted) in [(61, (400, "invalid_request")), (0, (200, ""))] {
            let mut phone = scene.genuine();
            let sent = leave(&mut phone, &[]).await;
            let back = through_the_browser(&scene, &sent, "alice").await;
            let address = back.location.clone().unwrap_or_default();
            let path = address.strip_prefix(&format!("http://{GO}")).unwrap_or_else(|| panic!("no continue page: {address}"));
            assert!(path.starts_with("/c/") && !address.contains("sw_"), "{address}");
            let first = fetch(world, GO, path, &[]).await;
            let other = fetch(world, GO, path, &[]).await;
            assert_eq!((first.status, other.status, other.html.contains("sw_")), (200, 404, false), "another browser: {}", other.html);
            let button = first.html.split("id=\"onward\" href=\"").nth(1).unwrap_or_else(|| panic!("no button: {}", first.html));
            let link = text_of(button.split('"').next().unwrap());
            let said = parameters(&link);
            assert!(link.starts_with(&format!("{BACK}?")) && !said.contains_key("code"), "{link}");
            assert_eq!((said["state"].as_str(), &said["iss"]), ("s-9", &world.issuer), "{link}");
            world.advance_s(seconds);
            let done = bring(&mut phone, &sent, &said["browser_return"]).await;
            assert_eq!(done.error(), wanted, "after {seconds} s: {done:?}");
        }
        scene.world.stop().await;
    }
}

/// The person chooses another password, in a browser of their own.
async fn choose_password(world: &World, person: &str) {
    let mut browser = Browser::default();
    let page = browser.visit(world, "/account").await;
    browser.submit_password(world, &page, person, PASSWORD).await;
    let account = browser.visit(world, "/account").await;
    let page = browser.submit(world, &account, &[], "change_password").await;
    let twice = [("new_password", NEW_PASSWORD), ("new_password_again", NEW_PASSWORD)];
    assert_eq!(browser.submit(world, &page, &twice, "continue").await.status, 303, "{}", page.html);
}

/// 286-H, 420-U, 422-U: what was proved in the browser is worth nothing after a new password, a lock that is open again by now, or the end
/// of the account, also if somebody new has the name. The twin: nothing happened.
#[tokio::test(flavor = "multi_thread")]
async fn proofs_of_an_account_that_changed_meanwhile_do_not_come_back() {
    for engine in engines() {
        let scene = Screens::start(engine).await;
        let world = &scene.world;
        for (person, meanwhile) in [
            ("ann", "nothing"),
            ("ben", "a password by the operator"),
            ("cleo", "a password of her own"),
            ("dora", "locked and unlocked"),
            ("eve", "deleted"),
            ("finn", "somebody new of that name"),
        ] {
            world.person(person).await;
            let mut phone = scene.genuine();
            let sent = leave(&mut phone, &[]).await;
            let handle = handle_of(&through_the_browser(&scene, &sent, person).await);
            match meanwhile {
                "nothing" => {}
                "a password by the operator" => {
                    let typed = format!("{NEW_PASSWORD}\n");
                    assert_eq!(symbolon(&world.file(), &["user", "password", person], &typed).await.0, Some(0));
                }
                "a password of her own" => choose_password(world, person).await,
                "locked and unlocked" => {
                    assert!(told(world, &["user", "disable", person]).await.0 && told(world, &["user", "enable", person]).await.0);
                }
                _ => assert!(told(world, &["user", "delete", person, "--yes"]).await.0),
            }
            if meanwhile == "somebody new of that name" {
                world.person(person).await;
            }
            let codes = world.audited("code_issued").await;
            let done = bring(&mut phone, &sent, &handle).await;
            let is_over = meanwhile != "nothing";
            assert_eq!(done.error(), if is_over { OVER } else { (200, "") }, "{meanwhile}: {done:?}");
            assert_eq!(world.audited("code_issued").await - codes, usize::from(!is_over), "{meanwhile}");
        }
        scene.world.stop().await;
    }
}

/// 286-H: the passkey that was used in the browser is removed before the app comes with the handle. The twin: it is still there.
#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_that_is_removed_meanwhile_does_not_come_back() {
    for engine in engines() {
        let scene = Screens::with(engine, with_app).await;
        let world = &scene.world;
        for (person, meanwhile) in [("ann", "nothing"), ("ben", "removed by the operator"), ("cleo", "removed by herself")] {
            world.person(person).await;
            let mut hand = Hand::of(&scene, Authenticator::default());
            hand.add(person).await;
            let sent = leave(&mut hand.phone, &[]).await;
            let mut browser = Browser::default();
            let page = through_a_session(&scene, &mut browser, &sent).await;
            let handle = handle_of(&use_passkey(world, &mut hand, &mut browser, &page).await);
            match meanwhile {
                "nothing" => {}
                "removed by the operator" => assert!(told(world, &["user", "remove-passkey", person, "--all"]).await.0),
                _ => {
                    let mut own = Browser::default();
                    let page = own.visit(world, "/account").await;
                    own.submit_password(world, &page, person, PASSWORD).await;
                    let account = own.visit(world, "/account").await;
                    let row = account.actions().into_iter().find(|action| action.starts_with("remove_passkey:")).unwrap();
                    let page = own.submit(world, &account, &[], &row).await;
                    let asked = use_passkey(world, &mut hand, &mut own, &page).await;
                    assert_eq!(own.submit(world, &asked, &[], "remove").await.status, 303, "{}", asked.html);
                }
            }
            let codes = world.audited("code_issued").await;
            let done = bring(&mut hand.phone, &sent, &handle).await;
            let is_over = meanwhile != "nothing";
            assert_eq!(done.error(), if is_over { OVER } else { (200, "") }, "{meanwhile}: {done:?}");
            assert_eq!(world.audited("code_issued").await - codes, usize::from(!is_over), "{meanwhile}");
        }
        assert_eq!(world.audited("passkey_removed").await, 2);
        scene.world.stop().await;
    }
}

/// A browser that the app of this phone has led on. Its session answers the requests of `signer` alone.
async fn led_on(scene: &Screens, phone: &mut Phone<'_>) -> Browser {
    let world = &scene.world;
    let step = phone.begin_with(&[("scope", "openid")]).await;
    let done = phone.answer_password(&step, "alice", PASSWORD).await;
    let token = phone.redeem(&done.text("authorization_code")).await.text("access_token");
    let mut path = String::new();
    for _ in 0..2 {
        let request = world.http.post(world.url("/handover")).header("authorization", format!("DPoP {token}"));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let made = Answer::to(request.header("dpop", phone.proof("POST", "/handover", Some(&token)))).await;
        phone.nonce = made.nonce();
        if made.error().1 != "use_dpop_nonce" {
            assert_eq!(made.status, 200, "{made:?}");
            path = made.text("handover_uri").replace(&world.issuer, "");
            break;
        }
    }
    let mut browser = Browser::default();
    let page = browser.visit(world, &path).await;
    let done = browser.submit(world, &page, &[], "continue").await;
    assert!(leads_on(&done), "{}", done.html);
    browser
}

/// The person says in this browser that they started the sign-in of `signer`.
async fn started(world: &World, browser: &mut Browser, sent: &Answer) -> Page {
    assert_eq!(sent.error(), (403, "redirect_to_web"), "{sent:?}");
    let page = open_detour(browser, world, "signer", &sent.text("request_uri")).await;
    assert_eq!((page.kind(), &page.location), ("detour", &None), "{}", page.html);
    browser.submit(world, &page, &[], "started_it").await
}

/// 324-X: a session that an app handed over ends with that app, so it proves nothing to another one: the person is asked. The twins: a code
/// for that browser, and a session that the person opened there, unless the request wants a fresh proof.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_app_handed_over_proves_nothing_to_another_app() {
    for engine in engines() {
        let scene = Screens::with(engine, |it| it.with(HANDOVER)).await;
        let world = &scene.world;
        let (mut app, mut signer) = (scene.genuine(), scene.signer());
        let mut browser = led_on(&scene, &mut app).await;
        let step = begin_both_ways(&mut signer, &[SIGNER_BACK]).await;
        let sent = signer.answer(&step, "browser", &[]).await;
        let page = started(world, &mut browser, &sent).await;
        assert_eq!((page.kind(), &page.location), ("password", &None), "{}", page.html);
        assert_eq!((world.audited("handed_over").await, world.audited("sent_back_to_app").await), (1, 0));
        assert_eq!(bring(&mut signer, &sent, "").await.error(), (400, "invalid_request"), "nothing was brought");
        let back = browser.submit_password(world, &page, "alice", PASSWORD).await;
        let done = bring(&mut signer, &sent, &handle_of(&back)).await;
        assert_eq!(done.status, 200, "the twin: a proof of now: {done:?}");
        assert_eq!(signer.exchange(&done.text("authorization_code"), &verifier()).await.status, 200);
        assert_ne!(browser.visit(world, "/account").await.kind(), "account", "the browser is signed in as it was, for that site");

        let challenge = pkce::challenge(&verifier());
        let step = signer.begin_with(&[("code_challenge", &challenge), ("code_challenge_method", "S256"), SIGNER_BACK]).await;
        let sent = signer.answer(&step, "browser", &[]).await;
        let done = started(world, &mut browser, &sent).await;
        assert!(done.has_code(), "the twin: without browser_return: {}", done.html);

        let mut own = Browser::default();
        let page = own.visit(world, "/account").await;
        own.submit_password(world, &page, "alice", PASSWORD).await;
        for more in [vec![SIGNER_BACK], vec![SIGNER_BACK, ("prompt", "login")]] {
            let step = begin_both_ways(&mut signer, &more).await;
            let sent = signer.answer(&step, "browser", &[]).await;
            let page = started(world, &mut own, &sent).await;
            let wants_fresh = more.len() == 2;
            assert_eq!((page.kind() == "password", page.location.is_some()), (wants_fresh, !wants_fresh), "{more:?}: {}", page.html);
            let back = if wants_fresh { own.submit_password(world, &page, "alice", PASSWORD).await } else { page };
            assert_eq!(bring(&mut signer, &sent, &handle_of(&back)).await.status, 200, "the twin: {more:?}");
        }
        scene.world.stop().await;
    }
}
