//! Chains that are enough under conditions (`[[login.NAME.easier]]`), in both faces: the request, its place, and the device.

use crate::world::native::*;
use crate::world::*;
use serde_json::{Map, Value as Json};

const POLICY: &str = "[login.default]\nrequire = [\"password + totp\"]\nacr = \"urn:default\"\n";

fn easier(conditions: &str) -> String {
    format!("{POLICY}[[login.default.easier]]\nrequire = [\"password\"]\n{conditions}\n")
}

async fn scene(engine: Engine, conditions: &str) -> Screens {
    let text = easier(conditions);
    Screens::with(engine, |it| it.with(&text)).await
}

/// Is a password alone enough for Alice on the app's screens?
async fn native(phone: &mut Phone<'_>, more: &[(&str, &str)]) -> bool {
    let step = phone.begin_with(more).await;
    let next = phone.answer_password(&step, "alice", PASSWORD).await;
    assert!(next.status == 200 || next.kind() == "enrol_totp" || next.kind() == "totp", "{next:?}");
    next.status == 200
}

/// The same in a browser.
async fn pages(scene: &Screens, browser: &mut Browser, more: &[(&str, &str)]) -> bool {
    let ask = more
        .iter()
        .fold(Ask::new("screens", BACK, "openid orders:read").with("prompt", "login"), |ask, (name, value)| ask.with(name, value));
    let page = browser.open(&scene.world, &scene.pushed(&ask).await).await;
    let next = browser.submit_password(&scene.world, &page, "alice", PASSWORD).await;
    assert!(next.has_code() || next.asks_for("code"), "{}", next.html);
    next.has_code()
}

/// One table drives both faces: the conditions, and whether they hold on the app's screens and on the pages. The app comes from
/// 127.0.0.1 as an installation of the tier `hardware`; the browser from 192.0.2.7. 368-Z: whoever asks for the acr proves it all.
#[tokio::test(flavor = "multi_thread")]
async fn conditions_of_the_request_hold_in_both_faces() {
    for engine in engines() {
        let scene = scene(engine, "clients = [\"screens\"]").await;
        let table = [
            ("clients = [\"screens\"]", true, true),
            ("clients = [\"other\", \"signer\"]", false, false),
            ("scopes = [\"openid\", \"orders:read\", \"orders:write\"]", true, true),
            ("scopes = [\"openid\"]", false, false),
            ("tiers = [\"hardware\"]", true, false),
            ("tiers = [\"software\", \"hardware_claimed\"]", false, false),
            ("networks = [\"127.0.0.0/8\"]", true, false),
            ("networks = [\"192.0.2.0/24\"]", false, true),
            ("networks = [\"127.0.0.0/8\", \"192.0.2.7\"]", true, true),
            ("clients = [\"screens\"]\nnetworks = [\"127.0.0.1\"]\ntiers = [\"hardware\"]", true, false),
            ("clients = [\"screens\"]\ntiers = [\"software\"]", false, false),
            ("clients = [\"screens\"]\nknown_device = \"30d\"", false, false),
        ];
        for (conditions, in_app, in_browser) in table {
            scene.world.reload(|it| it.with(&easier(conditions))).await;
            assert_eq!(native(&mut scene.genuine(), &[]).await, in_app, "{conditions}: the app");
            let mut browser = Browser::at("192.0.2.7");
            assert_eq!(pages(&scene, &mut browser, &[]).await, in_browser, "{conditions}: the browser");
            let acr = [("acr_values", "urn:default")];
            assert!(!native(&mut scene.genuine(), &acr).await, "{conditions}: the app asks for the acr");
            assert!(!pages(&scene, &mut Browser::at("192.0.2.7"), &acr).await, "{conditions}: the page is asked for the acr");
        }
        let eased = scene.world.entries("code_issued").await;
        assert!(
            !eased.is_empty() && eased.iter().all(|entry| entry["detail"]["eased"] == true && entry["detail"]["acr"] == ""),
            "{eased:?}"
        );
        scene.world.stop().await;
    }
}

/// What this phone's attestation said, as the server keeps it.
async fn is_known_as(scene: &Screens, phone: &Phone<'_>, platform: &str, facts: &Json) {
    let app = scene.world.running.shared.now();
    let mut change = symbolon::store::Change::new(app.now_ms());
    let write = "UPDATE instance SET platform = $2, facts = $3 WHERE jkt = $1";
    change.run(write, vec![phone.key.kid().into(), platform.into(), facts.to_string().into()]);
    app.store.apply(change).await.unwrap();
}

/// One table drives both faces: the rule, the phone's platform, facts that are good enough, and some that are not. A fact that is not known
/// is not good enough, and in a browser none is known.
#[tokio::test(flavor = "multi_thread")]
async fn facts_of_the_installation_hold_in_the_app_alone() {
    use serde_json::json;
    let installation = |rules: &str| format!("{}[login.default.easier.installation]\n{rules}\n", easier("clients = [\"screens\"]"));
    for engine in engines() {
        let scene = scene(engine, "clients = [\"screens\"]").await;
        let table = [
            ("least_patch = 202405", "android", json!({ "os_patch": 202405 }), json!({ "os_patch": 202404 })),
            ("least_patch = 202405", "android", json!({ "os_patch": 202406 }), json!({ "os_patch": 20240601 })),
            ("strongbox = true", "android", json!({ "level": "StrongBox" }), json!({ "level": "TrustedEnvironment" })),
            ("play_protect = [\"NO_ISSUES\"]", "android", json!({ "play_protect": "NO_ISSUES" }), json!({ "play_protect": "HIGH_RISK" })),
            ("risk_metric_max = 3", "ios", json!({ "risk_metric": 3 }), json!({ "risk_metric": 4 })),
            ("builds = [\"app_store\"]", "ios", json!({ "build": "app_store" }), json!({ "build": "development" })),
        ];
        for (rules, platform, good, bad) in table {
            scene.world.reload(|it| it.with(&installation(rules))).await;
            let mut phone = scene.genuine();
            assert!(!native(&mut phone, &[]).await, "{rules}: nothing is known");
            is_known_as(&scene, &phone, platform, &bad).await;
            assert!(!native(&mut phone, &[]).await, "{rules}: {bad}");
            is_known_as(&scene, &phone, platform, &good).await;
            assert!(native(&mut phone, &[]).await, "{rules}: {good}");
            assert!(!pages(&scene, &mut Browser::default(), &[]).await, "{rules}: a browser is no installation");
            // At the refresh it is weighed again.
            let code = phone.native_code().await;
            let tokens = phone.redeem(&code).await;
            is_known_as(&scene, &phone, platform, &bad).await;
            assert_eq!(phone.refresh(&tokens.text("refresh_token")).await.error(), ASKED, "{rules}: {bad}");
            is_known_as(&scene, &phone, platform, &good).await;
            assert_eq!(phone.refresh(&tokens.text("refresh_token")).await.status, 200, "{rules}: the twin");
        }
        scene.world.stop().await;
    }
}

/// `max_age` of a policy: what was proved longer ago is asked for again, on pages and at an app's refresh. A client asks for less with its
/// own `max_age`, never for more.
#[tokio::test(flavor = "multi_thread")]
async fn proofs_grow_old_in_both_faces() {
    let policy = "[login.default]\nrequire = [\"password\"]\nmax_age = \"40m\"\n";
    for engine in engines() {
        let scene = Screens::with(engine, |it| it.with(policy)).await;
        let (mut phone, mut browser) = (scene.genuine(), Browser::default());
        let code = phone.native_code().await;
        let tokens = phone.redeem(&code).await;
        let ask = Ask::new("screens", BACK, "openid orders:read");
        assert!(browser.sign_in(&scene.world, &scene.pushed(&ask).await, "alice").await.contains_key("code"));
        scene.world.advance_s(39 * 60);
        let refreshed = phone.refresh(&tokens.text("refresh_token")).await;
        assert_eq!(refreshed.status, 200, "{refreshed:?}");
        assert!(browser.open(&scene.world, &scene.pushed(&ask).await).await.has_code());
        scene.world.advance_s(2 * 60);
        let step_up = phone.refresh(&refreshed.text("refresh_token")).await;
        assert_eq!(step_up.error(), ASKED, "{step_up:?}");
        for ask in [ask.clone(), ask.clone().with("max_age", "86400")] {
            let page = browser.open(&scene.world, &scene.pushed(&ask).await).await;
            assert!(!page.has_code() && page.asks_for("password"), "{}", page.html);
        }
        // Whoever proves it again goes on, and the twin of the refusal is the same refresh token without the rule.
        let held = step_up.text("auth_session");
        let step = phone.post("/authorize-challenge", &[("auth_session", held.as_str()), ("response_type", "code")]).await;
        assert_eq!((step.error(), step.kind()), (ASKED, "password"), "{step:?}");
        scene.world.reload(|it| it.without("login.default.max_age")).await;
        assert_eq!(phone.refresh(&refreshed.text("refresh_token")).await.status, 200);
        assert!(browser.open(&scene.world, &scene.pushed(&ask).await).await.has_code());
        scene.world.stop().await;
    }
}

/// The operator takes the condition back while a sign-in is under way, and where the person was eased in: what is missing is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn conditions_are_weighed_at_every_answer_and_refresh() {
    for engine in engines() {
        let scene = scene(engine, "networks = [\"127.0.0.1\"]").await;
        let mut phone = scene.genuine();
        let code = phone.native_code().await;
        let tokens = phone.redeem(&code).await;
        assert_eq!(claims(&tokens.text("access_token"))["acr"].as_str().unwrap_or_default(), "", "{tokens:?}");
        let refreshed = phone.refresh(&tokens.text("refresh_token")).await;
        assert_eq!(refreshed.status, 200, "{refreshed:?}");
        let step = scene.genuine().begin().await;
        assert_eq!(step.kind(), "password");
        let mut other = scene.genuine();
        let step = other.begin().await;
        scene.world.reload(|it| it.with(&easier("networks = [\"10.0.0.0/8\"]"))).await;
        assert_eq!(other.answer_password(&step, "alice", PASSWORD).await.kind(), "enrol_totp");
        assert_eq!(phone.refresh(&refreshed.text("refresh_token")).await.error(), ASKED);
        scene.world.reload(|it| it.with(&easier("networks = [\"127.0.0.1\"]"))).await;
        assert_eq!(phone.refresh(&refreshed.text("refresh_token")).await.status, 200, "the twin");
        scene.world.stop().await;
    }
}

/// Alice proves everything on this installation, and gets an authenticator for it.
async fn prove_all(scene: &Screens, phone: &mut Phone<'_>, secret: &mut Option<String>) {
    let step = phone.begin().await;
    let step = phone.answer_password(&step, "alice", PASSWORD).await;
    let now_ms = || scene.world.running.shared.now().now_ms();
    let known = secret.clone().unwrap_or_else(|| step.step()["content"][0]["secret"].as_str().unwrap_or_default().replace(' ', ""));
    let next = phone.answer(&step, "continue", &[("code", &totp(&known, now_ms()))]).await;
    let next = if next.kind() == "recovery_codes" {
        // What was added with a password alone makes nobody known, until an operator confirms it.
        let waits = phone.answer(&next, "continue", &[]).await;
        assert!(waits.kind() == "waits" && scene.world.confirm("alice").await, "{waits:?}");
        phone.answer(&waits, "continue", &[]).await
    } else {
        next
    };
    assert_eq!(next.status, 200, "{next:?}");
    *secret = Some(known);
    scene.world.advance_s(60);
}

/// An installation is known after a whole sign-in, for as long as the policy says, and until the person or a theft ends it.
#[tokio::test(flavor = "multi_thread")]
async fn a_known_installation_is_asked_for_less() {
    for engine in engines() {
        let scene = scene(engine, "known_device = \"30d\"").await;
        let mut secret = None;
        let mut phone = scene.genuine();
        assert!(!native(&mut phone, &[]).await, "nothing is known before");
        prove_all(&scene, &mut phone, &mut secret).await;
        assert!(native(&mut phone, &[]).await);
        assert!(!native(&mut phone, &[("acr_values", "urn:default")]).await, "368-Z");
        assert!(!native(&mut scene.genuine(), &[]).await, "another installation");
        // What was eased makes nothing known for longer.
        let attested = |phone: &mut Phone<'_>| {
            phone.attest_by(&scene.attester, "screens", 3600, &Map::from_iter([("tier".to_owned(), Json::from("hardware"))]));
        };
        for days in [20, 11] {
            scene.world.advance_s(days * 86_400);
            attested(&mut phone);
            assert_eq!(native(&mut phone, &[]).await, days == 20, "{days} days later");
        }
        prove_all(&scene, &mut phone, &mut secret).await;
        assert!(native(&mut phone, &[]).await);
        // On the account page the person forgets it.
        let mut browser = Browser::default();
        let account = signed_in(&scene, &mut browser, &secret).await;
        let action =
            account.actions().into_iter().find(|it| it.starts_with("forget_device:")).unwrap_or_else(|| panic!("{}", account.html));
        assert_eq!(browser.change(&scene.world, &account, &action).await.status, 303);
        assert!(!native(&mut phone, &[]).await);
        prove_all(&scene, &mut phone, &mut secret).await;
        assert!(native(&mut phone, &[]).await, "the twin");
        // Everywhere is everywhere.
        let account = browser.visit(&scene.world, "/account").await;
        assert_eq!(browser.change(&scene.world, &account, "sign_out_others").await.status, 303);
        assert!(!native(&mut phone, &[]).await);
        scene.world.stop().await;
    }
}

/// The account page of Alice, who has an authenticator.
async fn signed_in(scene: &Screens, browser: &mut Browser, secret: &Option<String>) -> Page {
    let page = browser.visit(&scene.world, "/account").await;
    let page = browser.submit_password(&scene.world, &page, "alice", PASSWORD).await;
    let code = totp(secret.as_deref().unwrap(), scene.world.running.shared.now().now_ms());
    assert_eq!(browser.submit(&scene.world, &page, &[("code", &code)], "continue").await.status, 303);
    scene.world.advance_s(60);
    browser.visit(&scene.world, "/account").await
}

/// A browser is known by its cookie, which is of no use without what the store keeps; a new password ends it.
#[tokio::test(flavor = "multi_thread")]
async fn a_known_browser_is_asked_for_less() {
    for engine in engines() {
        let scene = scene(engine, "known_device = \"30d\"").await;
        let mut secret = None;
        prove_all(&scene, &mut scene.genuine(), &mut secret).await;
        let mut browser = Browser::default();
        let whole = async |browser: &mut Browser| {
            let ask = Ask::new("screens", BACK, "openid").with("prompt", "login");
            let page = browser.open(&scene.world, &scene.pushed(&ask).await).await;
            let page = browser.submit_password(&scene.world, &page, "alice", PASSWORD).await;
            let code = totp(secret.as_deref().unwrap(), scene.world.running.shared.now().now_ms());
            assert!(browser.submit(&scene.world, &page, &[("code", &code)], "continue").await.has_code());
            scene.world.advance_s(60);
        };
        assert!(!pages(&scene, &mut browser, &[]).await);
        whole(&mut browser).await;
        assert!(pages(&scene, &mut browser, &[]).await);
        assert!(pages(&scene, &mut browser, &[]).await, "the browser's name has changed, and it is known still");
        assert!(!pages(&scene, &mut Browser::default(), &[]).await, "another browser");
        let device =
            browser.cookies.iter().find(|(name, _)| name.contains("device")).map(|(name, value)| (name.clone(), value.clone())).unwrap();
        let mut copy = Browser::with_cookie(&device.0, &device.1);
        assert!(pages(&scene, &mut copy, &[]).await, "a browser is its cookie");
        scene.world.person("bob").await;
        let mut bobs = Browser::with_cookie(&device.0, &copy.cookies[&device.0]);
        let page = bobs.open(&scene.world, &scene.pushed(&Ask::new("screens", BACK, "openid")).await).await;
        assert!(!bobs.submit_password(&scene.world, &page, "bob", PASSWORD).await.has_code(), "334-L: it knows Alice alone");
        let app = scene.world.running.shared.now();
        let alice = app.accounts().by_name("alice").await.unwrap().unwrap();
        let mut change = symbolon::store::Change::new(app.now_ms());
        symbolon::login::accounts::end_sessions(&mut change, &alice.id);
        app.store.apply(change).await.unwrap();
        scene.world.advance_s(1);
        assert!(!pages(&scene, &mut browser, &[]).await, "346-L: sessions ended everywhere");
        whole(&mut browser).await;
        assert!(pages(&scene, &mut browser, &[]).await, "the twin");
        let rows = app.store.all("SELECT device FROM known_device", &[]).await.unwrap().len();
        assert_eq!(rows, 1, "a browser that gets another name is one row");
        scene.world.stop().await;
    }
}
