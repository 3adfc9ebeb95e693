//! Another sign-in beside a grant: the lasting `auth_session`, an API's wish for more (RFC 9470), and step-up at refresh.
//! draft-ietf-oauth-first-party-apps-04 5.3.1, 7.

use crate::world::native::*;
use crate::world::*;
use serde_json::{Map, Value as Json};

/// Alice's tokens of this installation.
async fn tokens(phone: &mut Phone<'_>) -> Answer {
    tokens_of(phone, "alice").await
}

async fn tokens_of(phone: &mut Phone<'_>, person: &str) -> Answer {
    let code = phone.native_code_of(person).await;
    let tokens = phone.redeem(&code).await;
    assert_eq!(tokens.status, 200, "{tokens:?}");
    tokens
}

async fn beside(phone: &mut Phone<'_>, tokens: &Answer, more: &[(&str, &str)]) -> Answer {
    let held = tokens.text("auth_session");
    let form = [&[("auth_session", held.as_str()), ("response_type", "code")], more].concat();
    phone.post("/authorize-challenge", &form).await
}

/// Answers the step that adds an authenticator, and the codes after it; an operator confirms both.
async fn enrol(scene: &Screens, phone: &mut Phone<'_>, step: &Answer) -> Answer {
    let secret = step.step()["content"][0]["secret"].as_str().unwrap().replace(' ', "");
    let code = totp(&secret, scene.world.running.shared.now().now_ms());
    let codes = phone.answer(step, "continue", &[("code", &code)]).await;
    assert_eq!(codes.kind(), "recovery_codes", "{codes:?}");
    let waits = phone.answer(&codes, "continue", &[]).await;
    assert_eq!(waits.kind(), "waits", "{waits:?}");
    assert!(scene.world.confirm("alice").await);
    phone.answer(&waits, "continue", &[]).await
}

/// An API wants two factors: the app sends its `auth_session` and what the API asked, and only the second factor is asked for. The new
/// grant takes the place of the old one when it is first used.
#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_missing_is_asked_for() {
    for engine in engines() {
        let scene = Screens::start(engine).await;
        let mut phone = scene.genuine();
        let old = tokens(&mut phone).await;
        assert!(old.text("auth_session").starts_with("sg_"), "{old:?}");
        let refreshed = phone.refresh(&old.text("refresh_token")).await;
        assert_eq!(refreshed.text("auth_session"), old.text("auth_session"), "it lasts as long as the grant");
        let step = beside(&mut phone, &old, &[("acr_values", "urn:two")]).await;
        assert_eq!((step.error(), step.kind()), (ASKED, "enrol_totp"), "the password was proved: {step:?}");
        let done = enrol(&scene, &mut phone, &step).await;
        assert_eq!(phone.refresh(&refreshed.text("refresh_token")).await.status, 200, "until the code is redeemed the old one stands");
        let new = phone.redeem(&done.text("authorization_code")).await;
        let said = claims(&new.text("access_token"));
        assert_eq!((said["acr"].as_str(), said["scope"].as_str()), (Some("urn:two"), Some("orders:read")));
        assert_eq!(phone.refresh(&refreshed.text("refresh_token")).await.error(), (400, "invalid_grant"), "the new one took its place");
        assert_eq!(beside(&mut phone, &old, &[]).await.error(), OVER, "and its auth_session went with it");
        let newest = phone.refresh(&new.text("refresh_token")).await;
        assert_eq!((newest.status, newest.text("auth_session") == old.text("auth_session")), (200, false));
        scene.world.stop().await;
    }
}

/// 368-Z: the session knew a recovery code, which gives no acr. An app that insists on one is asked for the authenticator, and not refused. The
/// twin: where it is a wish, the session is enough.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_from_before_is_no_authenticator_where_an_acr_is_essential() {
    for engine in engines() {
        let scene = Screens::start(engine).await;
        let now_ms = || scene.world.running.shared.now().now_ms();
        let mut phone = scene.genuine();
        let first = tokens(&mut phone).await;
        let step = beside(&mut phone, &first, &[("acr_values", "urn:two")]).await;
        let secret = step.step()["content"][0]["secret"].as_str().unwrap().replace(' ', "");
        let codes = phone.answer(&step, "continue", &[("code", &totp(&secret, now_ms()))]).await;
        let code = codes.step()["content"][0]["codes"][0].as_str().unwrap().to_owned();
        assert_eq!(phone.answer(&codes, "continue", &[]).await.kind(), "waits");
        assert!(scene.world.confirm("alice").await);
        scene.world.advance_s(60);
        let step = phone.begin().await;
        let step = phone.answer_password(&step, "alice", PASSWORD).await;
        let step = phone.answer(&step, "use_recovery", &[]).await;
        let done = phone.answer(&step, "continue", &[("recovery_code", &code)]).await;
        let old = phone.redeem(&done.text("authorization_code")).await;
        assert_eq!(old.status, 200, "{old:?}");
        let wish = beside(&mut phone, &old, &[("acr_values", "urn:two")]).await;
        assert_eq!((wish.error(), wish.kind()), (ASKED, "consent"), "the twin: {wish:?}");
        let essential = r#"{"id_token":{"acr":{"essential":true,"value":"urn:two"}}}"#;
        let step = beside(&mut phone, &old, &[("claims", essential)]).await;
        assert_eq!((step.error(), step.kind()), (ASKED, "totp"), "{step:?}");
        let done = phone.answer(&step, "continue", &[("code", &totp(&secret, now_ms()))]).await;
        let new = phone.redeem(&done.text("authorization_code")).await;
        assert_eq!(claims(&new.text("access_token"))["acr"], "urn:two", "{new:?}");
        scene.world.stop().await;
    }
}

/// It belongs to its grant: to the client, the installation and the key, as long as the grant could be refreshed.
#[tokio::test(flavor = "multi_thread")]
async fn a_lasting_auth_session_ends_with_its_grant() {
    let scene = Screens::start(Engine::Sqlite).await;
    let mut phone = scene.genuine();
    let old = tokens(&mut phone).await;
    assert_eq!(beside(&mut scene.genuine(), &old, &[]).await.error(), OVER, "286-H: another installation");
    assert_eq!(beside(&mut scene.signer(), &old, &[]).await.error(), OVER, "another client");
    let held = old.text("auth_session");
    let cut = Answer { body: serde_json::json!({ "auth_session": &held[..held.len() - 4] }), status: 200, headers: Default::default() };
    assert_eq!(beside(&mut phone, &cut, &[]).await.error(), OVER, "290-H: cut");
    let started = beside(&mut phone, &old, &[("acr_values", "urn:two")]).await;
    assert_eq!(started.error(), ASKED, "the twin");
    assert_eq!(phone.post("/revoke", &[("token", &old.text("refresh_token"))]).await.status, 200);
    assert_eq!(beside(&mut phone, &old, &[]).await.error(), OVER, "revoked");
    let late = phone.answer(&started, "continue", &[("code", "000000")]).await;
    assert_eq!(late.error(), OVER, "what was begun beside it is over as well");
    // A tier that does not stay signed in has none, and a client of the browser neither.
    let tiers = "[client.screens.attestation.tier]\nhardware = { refresh = false }\nhardware_claimed = {}\n";
    scene.world.reload(|it| it.with(tiers)).await;
    assert_eq!(tokens(&mut phone).await.body.get("auth_session"), None);
    assert!(!tokens(&mut scene.phone("hardware_claimed")).await.text("auth_session").is_empty(), "the twin");
    assert!(scene.world.tokens("orders:read").await.get("auth_session").is_none());
    // Idle for too long.
    let mut idle = scene.phone("hardware_claimed");
    let old = tokens(&mut idle).await;
    scene.world.advance_s(31 * 86_400);
    idle.attest_by(&scene.attester, "screens", 3600, &Map::from_iter([("tier".to_owned(), Json::from("hardware_claimed"))]));
    assert_eq!(beside(&mut idle, &old, &[]).await.error(), OVER, "idle");
    scene.world.stop().await;
}

/// No code comes without an answer of the person, although nothing is missing; more scope than was granted is shown.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_needs_an_answer_of_the_person() {
    let scene = Screens::start(Engine::Sqlite).await;
    let mut phone = scene.genuine();
    let old = tokens(&mut phone).await;
    for (more, words) in [(&[][..], 2), (&[("scope", "orders:read orders:write")][..], 2)] {
        let step = beside(&mut phone, &old, more).await;
        assert_eq!((step.error(), step.kind()), (ASKED, "consent"), "{step:?}");
        assert_eq!(step.step()["content"][0]["items"].as_array().unwrap().len(), words, "{step:?}");
    }
    let step = beside(&mut phone, &old, &[("scope", "orders:read orders:write")]).await;
    let denied = phone.answer(&step, "deny", &[]).await;
    assert_eq!((denied.error(), denied.text("reason").as_str()), ((400, "access_denied"), "denied"), "W-47");
    let step = beside(&mut phone, &old, &[("scope", "orders:read orders:write")]).await;
    let done = phone.answer(&step, "allow", &[]).await;
    let new = phone.redeem(&done.text("authorization_code")).await;
    assert_eq!(claims(&new.text("access_token"))["scope"], "orders:read orders:write");
    // max_age=0 wants the password again, and it is asked for.
    let again = beside(&mut phone, &new, &[("max_age", "0"), ("scope", "orders:read")]).await;
    assert_eq!((again.error(), again.kind()), (ASKED, "password"), "{again:?}");
    scene.world.stop().await;
}

/// Another person does not get in beside a grant, and is not told whose it is.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_same_person_goes_on() {
    let scene = Screens::start(Engine::Sqlite).await;
    scene.world.person("bob").await;
    for (person, error) in [("bob", (400, "login_required")), ("alice", (200, ""))] {
        let mut phone = scene.genuine();
        let old = tokens(&mut phone).await;
        let step = beside(&mut phone, &old, &[("prompt", "login"), ("scope", "orders:read")]).await;
        let done = phone.answer_password(&step, person, PASSWORD).await;
        assert_eq!(done.error(), error, "{person}: {done:?}");
        assert!(!done.body.to_string().contains("alice"));
    }
    scene.world.stop().await;
}

/// The operator wants more than was proved: the refresh says so and moves nothing, however often it is sent; the person answers what is
/// missing. An app of the browser keeps what it has.
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_asks_for_what_the_policy_wants_now() {
    for engine in engines() {
        let scene = Screens::start(engine).await;
        let mut phone = scene.genuine();
        let old = tokens(&mut phone).await;
        let second = phone.refresh(&old.text("refresh_token")).await;
        let browser = scene.world.tokens("orders:read").await;
        scene.world.reload(|it| it.set("client.screens.login", "two-factor").set("client.shop-ios.login", "two-factor")).await;
        let refreshes = scene.world.audited("refreshed").await;
        for token in [&second, &second, &old] {
            let asked = phone.refresh(&token.text("refresh_token")).await;
            assert_eq!((asked.error(), asked.text("auth_session")), (ASKED, old.text("auth_session")), "{asked:?}");
        }
        assert_eq!((scene.world.audited("refreshed").await, scene.world.audited("step_up_wanted").await), (refreshes, 1));
        let (status, kept) = scene.world.refresh(browser["refresh_token"].as_str().unwrap()).await;
        assert_eq!(status, 200, "{kept}");
        let step = beside(&mut phone, &old, &[]).await;
        assert_eq!(step.kind(), "enrol_totp", "{step:?}");
        let done = enrol(&scene, &mut phone, &step).await;
        let new = phone.redeem(&done.text("authorization_code")).await;
        assert_eq!(phone.refresh(&new.text("refresh_token")).await.status, 200);
        // The rule is taken back, and an old token goes on as if nothing had been.
        let mut other = scene.phone("hardware_claimed");
        scene.world.reload(|it| it.set("client.screens.login", "default")).await;
        scene.world.person("bob").await;
        let kept = tokens_of(&mut other, "bob").await;
        scene.world.reload(|it| it.set("client.screens.login", "two-factor")).await;
        assert_eq!(other.refresh(&kept.text("refresh_token")).await.error(), ASKED);
        scene.world.reload(|it| it.set("client.screens.login", "default")).await;
        assert_eq!(other.refresh(&kept.text("refresh_token")).await.status, 200);
        scene.world.stop().await;
    }
}

/// A second factor that is gone proves nothing any more, however lately it did: the next refresh asks for one.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_removed_factor_proved_is_gone_with_it() {
    for engine in engines() {
        let scene = Screens::with(engine, |it| it.set("client.screens.login", "two-factor")).await;
        let world = &scene.world;
        let now_ms = || world.running.shared.now().now_ms();
        let mut phone = scene.genuine();
        let step = phone.begin().await;
        let step = phone.answer_password(&step, "alice", PASSWORD).await;
        let secret = step.step()["content"][0]["secret"].as_str().unwrap().replace(' ', "");
        let done = enrol(&scene, &mut phone, &step).await;
        let tokens = phone.redeem(&done.text("authorization_code")).await;
        let kept = phone.refresh(&tokens.text("refresh_token")).await;
        assert_eq!(kept.status, 200, "the twin: {kept:?}");

        world.advance_s(60);
        let mut browser = Browser::default();
        let page = browser.visit(world, "/account").await;
        let page = browser.submit_password(world, &page, "alice", PASSWORD).await;
        assert_eq!(browser.submit(world, &page, &[("code", &totp(&secret, now_ms()))], "continue").await.status, 303);
        let page = browser.visit(world, "/account").await;
        let page = browser.submit(world, &page, &[], "remove_totp").await;
        assert_eq!(page.title(), "Remove the authenticator app?", "{}", page.html);
        assert_eq!(browser.submit(world, &page, &[], "continue").await.status, 303);
        assert_eq!(world.audited("totp_removed").await, 1);

        let asked = phone.refresh(&kept.text("refresh_token")).await;
        assert_eq!(asked.error(), ASKED, "{asked:?}");
        assert_eq!(world.audited("step_up_wanted").await, 1);
        let step = beside(&mut phone, &kept, &[]).await;
        assert_eq!((step.error(), step.kind()), (ASKED, "enrol_totp"), "the way on: {step:?}");
        scene.world.stop().await;
    }
}
