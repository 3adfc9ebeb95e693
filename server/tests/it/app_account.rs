//! The account on an app's own screens: what each right lets a person change, and what it takes to do so.

use crate::self_service::{manage, menu, tokens};
use crate::world::app_passkeys::{Hand, with_app};
use crate::world::mail::NEW_PASSWORD;
use crate::world::native::*;
use crate::world::*;
use symbolon_phone::authenticator::Authenticator;

async fn scene(engine: Engine, rights: &[&str]) -> Screens {
    Screens::with(engine, |it| it.set("client.screens.manage", rights.to_vec())).await
}

/// The button of the menu, if there is one.
async fn pressed(phone: &mut Phone<'_>, tokens: &Answer, action: &str) -> Answer {
    let menu = menu(phone, tokens).await;
    phone.answer(&menu, action, &[]).await
}

/// The right that is missing: the menu has no button, and the button's name is none.
async fn is_not_there(scene: &Screens, phone: &mut Phone<'_>, tokens: &Answer, (right, action): (&str, &str)) {
    let others: Vec<&str> = ["name", "language", "export"].to_vec();
    scene.world.reload(|it| it.set("client.screens.manage", others.clone())).await;
    let menu = menu(phone, tokens).await;
    assert!(!menu.actions().contains(&action.to_owned()), "{right}: {menu:?}");
    assert_eq!(phone.answer(&menu, action, &[]).await.error(), (400, "invalid_request"), "{right}");
    scene.world.reload(|it| it.set("client.screens.manage", vec![right])).await;
}

/// `email` and `password`: with the right they change in the app, and without it nowhere in it.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_and_a_password_change_in_the_app() {
    for engine in engines() {
        let scene = scene(engine, &[]).await;
        let mut phone = scene.genuine();
        let old = tokens(&mut phone).await;
        is_not_there(&scene, &mut phone, &old, ("email", "change_email")).await;
        let asked = pressed(&mut phone, &old, "change_email").await;
        assert_eq!(asked.kind(), "new_email", "{asked:?}");
        let bad = phone.answer(&asked, "continue", &[("email", "no address")]).await;
        assert_eq!((bad.error(), bad.problem()), (ASKED, "bad_email"));
        let seen = scene.mailbox.letters().len();
        // 411-U: whether an address is proved is not the app's to say.
        let said = [("email", "new@example.com"), ("email_verified", "true"), ("verified", "true")];
        let code = phone.answer(&bad, "continue", &said).await;
        assert_eq!(code.kind(), "email_code", "{code:?}");
        let app = scene.world.running.shared.now();
        let sql = "SELECT email FROM account WHERE email = 'new@example.com'";
        assert!(app.store.all(sql, &[]).await.unwrap().is_empty(), "before the code it is nobody's");
        let typed = scene.code_of_letter("new@example.com", seen).await;
        let done = phone.answer(&code, "continue", &[("email_code", &typed)]).await;
        assert_eq!((done.status, scene.world.audited("email_changed").await), (200, 1), "{done:?}");
        assert_eq!(app.store.all(sql, &[]).await.unwrap().len(), 1, "the twin: with the code");
        let held = phone.redeem(&done.text("authorization_code")).await;
        is_not_there(&scene, &mut phone, &held, ("password", "change_password")).await;
        let asked = pressed(&mut phone, &held, "change_password").await;
        assert_eq!(asked.kind(), "new_password", "{asked:?}");
        let differs = phone.answer(&asked, "continue", &[("new_password", NEW_PASSWORD), ("new_password_again", "x")]).await;
        assert_eq!((differs.error(), differs.problem()), (ASKED, "passwords_differ"));
        let chosen = [("new_password", NEW_PASSWORD), ("new_password_again", NEW_PASSWORD)];
        let done = phone.answer(&differs, "continue", &chosen).await;
        assert_eq!((done.status, scene.world.audited("password_changed").await), (200, 1), "{done:?}");
        assert_eq!(phone.redeem(&done.text("authorization_code")).await.status, 200, "its own session stays");
        let step = phone.begin().await;
        let step = phone.answer_password(&step, "alice", PASSWORD).await;
        assert_eq!((step.error(), step.problem()), (ASKED, "wrong_password"));
        assert_eq!(phone.answer_password(&step, "alice", NEW_PASSWORD).await.status, 200, "the twin");
        scene.world.stop().await;
    }
}

/// `authenticator` and `recovery_codes`: added, renewed and removed in the app. New codes make the former ones void.
#[tokio::test(flavor = "multi_thread")]
async fn an_authenticator_and_its_codes_change_in_the_app() {
    for engine in engines() {
        let scene = scene(engine, &["authenticator", "recovery_codes"]).await;
        let now_ms = || scene.world.running.shared.now().now_ms();
        let mut phone = scene.genuine();
        let old = tokens(&mut phone).await;
        let first = menu(&mut phone, &old).await;
        assert!(!first.actions().contains(&"recovery_codes".to_owned()), "without an authenticator there are none: {first:?}");
        let step = phone.answer(&first, "enrol_totp", &[]).await;
        let secret = step.step()["content"][0]["secret"].as_str().unwrap().replace(' ', "");
        let codes = phone.answer(&step, "continue", &[("code", &totp(&secret, now_ms()))]).await;
        let former = codes.step()["content"][0]["codes"][0].as_str().unwrap().to_owned();
        let done = phone.answer(&codes, "continue", &[]).await;
        let mut held = phone.redeem(&done.text("authorization_code")).await;
        scene.world.confirm("alice").await;
        for (action, kind) in [("recovery_codes", "recovery_codes"), ("remove_totp", "remove_totp")] {
            scene.world.advance_s(60);
            let asked = manage(&mut phone, &held, &[]).await;
            let asked = phone.answer(&asked, "continue", &[("password", PASSWORD)]).await;
            assert_eq!(asked.kind(), "totp", "{action}: {asked:?}");
            let at = phone.answer(&asked, "continue", &[("code", &totp(&secret, now_ms()))]).await;
            let step = phone.answer(&at, action, &[]).await;
            assert_eq!(step.kind(), kind, "{step:?}");
            let done = phone.answer(&step, "continue", &[]).await;
            assert_eq!(done.status, 200, "{action}: {done:?}");
            held = phone.redeem(&done.text("authorization_code")).await;
            if action == "recovery_codes" {
                let new = step.step()["content"][0]["codes"][0].as_str().unwrap().to_owned();
                for (code, is_good) in [(&former, false), (&new, true)] {
                    let step = phone.begin_with(&[("acr_values", "urn:two")]).await;
                    let step = phone.answer_password(&step, "alice", PASSWORD).await;
                    let step = phone.answer(&step, "use_recovery", &[]).await;
                    let done = phone.answer(&step, "continue", &[("recovery_code", code)]).await;
                    assert_eq!(done.status == 200, is_good, "{done:?}");
                }
            }
        }
        assert_eq!((scene.world.audited("totp_removed").await, scene.world.audited("recovery_codes_made").await > 0), (1, true));
        menu(&mut phone, &held).await;
        scene.world.stop().await;
    }
}

/// `user_code`: set and taken away in the app, where some client asks for one.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_code_changes_in_the_app() {
    for engine in engines() {
        let desk = format!(
            "[client.desk]\nkind = \"web\"\nfirst_party = true\nredirect_uris = []\nsecret = '{}'\ngrants = [\"urn:openid:params:grant-type:ciba\"]\n\
             apis = {{ orders = [\"orders:read\"] }}\n[client.desk.backchannel]\nuser_code = true\n",
            secret_digest()
        );
        let scene = Screens::with(engine, |it| it.with(&desk).set("client.screens.manage", vec!["name"])).await;
        let mut phone = scene.genuine();
        let mut held = tokens(&mut phone).await;
        is_not_there(&scene, &mut phone, &held, ("user_code", "change_user_code")).await;
        for (button, code, event) in [("continue", "7041-blue", "user_code_set"), ("remove_user_code", "", "user_code_removed")] {
            let asked = pressed(&mut phone, &held, "change_user_code").await;
            assert_eq!(asked.kind(), "new_user_code", "{asked:?}");
            let bad = phone.answer(&asked, "continue", &[("new_user_code", "12345")]).await;
            assert_eq!((bad.error(), bad.problem()), (ASKED, "bad_user_code"));
            let done = phone.answer(&bad, button, &[("new_user_code", code)]).await;
            assert_eq!((done.status, scene.world.audited(event).await), (200, 1), "{event}: {done:?}");
            held = phone.redeem(&done.text("authorization_code")).await;
        }
        scene.world.stop().await;
    }
}

/// Whoever takes the access from the app in the hand does not give it anew with the next code. Another app's access goes, and this one's stays.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_whose_access_is_removed_gets_no_code() {
    for engine in engines() {
        let scene = scene(engine, &["apps"]).await;
        let (mut phone, mut signer) = (scene.genuine(), scene.signer());
        let mut held = tokens(&mut phone).await;
        let step = signer.begin_with(&[("redirect_uri", "https://signer.example.com/cb")]).await;
        let done = signer.answer_password(&step, "alice", PASSWORD).await;
        let code = [("grant_type", "authorization_code"), ("code", &done.text("authorization_code"))];
        let others = signer.post("/token", &code).await;
        assert_eq!(others.status, 200, "{others:?}");
        for (name, is_own) in [("signer", false), ("Screens", true)] {
            let list = pressed(&mut phone, &held, "apps").await;
            let actions = list.step()["actions"].as_array().unwrap();
            let row = actions.iter().find(|action| action["label"].as_str().unwrap().contains(name)).unwrap()["name"].as_str().unwrap();
            let asked = phone.answer(&list, row, &[]).await;
            assert_eq!((asked.error(), asked.kind()), (ASKED, "revoke_app"), "{asked:?}");
            let done = phone.answer(&asked, "continue", &[]).await;
            let again = phone.answer(&asked, "continue", &[]).await;
            for done in [&done, &again] {
                match is_own {
                    true => assert_eq!((done.error(), done.text("reason").as_str()), (OVER, "access_removed"), "{done:?}"),
                    false => assert_eq!(done.status, 200, "the twin: another app, {done:?}"),
                }
            }
            assert_eq!(signer.refresh(&others.text("refresh_token")).await.error(), (400, "invalid_grant"));
            if !is_own {
                held = phone.redeem(&done.text("authorization_code")).await;
            }
        }
        assert_eq!(phone.refresh(&held.text("refresh_token")).await.error(), (400, "invalid_grant"));
        assert_eq!(manage(&mut phone, &held, &[]).await.error(), OVER);
        assert_eq!(scene.world.audited("consent_withdrawn").await, 2);
        scene.world.stop().await;
    }
}

/// `devices`: a device that is forgotten in the app is asked for everything again.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_forgotten_in_the_app() {
    for engine in engines() {
        let easier = "[login.default]\nrequire = [\"password + email\"]\n[[login.default.easier]]\nrequire = [\"password\"]\nknown_device = \"30d\"\n";
        let scene = Screens::with(engine, |it| it.with(easier).set("client.screens.manage", vec!["devices"])).await;
        let mut phone = scene.genuine();
        // The whole of it, and then what a known device is asked for.
        let signed_in = async |phone: &mut Phone<'_>, more: &[(&str, &str)], is_known: bool| {
            let step = match more {
                [] => phone.begin().await,
                more => phone.post("/authorize-challenge", more).await,
            };
            let seen = scene.mailbox.letters().len();
            let step = phone.answer_password(&step, "alice", PASSWORD).await;
            assert_eq!(step.kind() != "email_code", is_known, "{step:?}");
            if is_known {
                return step;
            }
            let code = scene.code_of_letter("alice@example.com", seen).await;
            phone.answer(&step, "continue", &[("email_code", &code)]).await
        };
        let done = signed_in(&mut phone, &[], false).await;
        let held = phone.redeem(&done.text("authorization_code")).await;
        assert_eq!(signed_in(&mut phone, &[], true).await.status, 200);
        let token = held.text("auth_session");
        let form = [("auth_session", token.as_str()), ("response_type", "code"), ("prompt", "manage")];
        let menu = signed_in(&mut phone, &form, false).await;
        assert_eq!(menu.kind(), "manage", "nothing eases a change: {menu:?}");
        let list = phone.answer(&menu, "devices", &[]).await;
        let asked = phone.answer(&list, "forget_device:0", &[]).await;
        assert_eq!((asked.error(), asked.kind()), (ASKED, "forget_device"), "{asked:?}");
        let done = phone.answer(&asked, "continue", &[]).await;
        assert_eq!((done.status, scene.world.audited("device_forgotten").await), (200, 1), "{done:?}");
        signed_in(&mut phone, &[], false).await;
        scene.world.stop().await;
    }
}

/// 362-Z: a change in an app wants the strongest proof that the person has, whatever the policy counts a passkey for. Who has a password alone
/// proves that.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_in_an_app_wants_the_passkey() {
    for engine in engines() {
        let rights = vec!["name", "sessions", "export", "authenticator", "passkeys"];
        let scene = Screens::with(engine, |it| with_app(it).set("client.screens.manage", rights.clone())).await;
        let mut plain = scene.genuine();
        let held = tokens(&mut plain).await;
        menu(&mut plain, &held).await;
        let mut hand = Hand::of(&scene, Authenticator::default());
        let done = hand.add("alice").await;
        let held = hand.phone.redeem(&done.text("authorization_code")).await;
        for action in ["change_name", "sessions", "export", "enrol_totp", "passkeys"] {
            let asked = manage(&mut hand.phone, &held, &[]).await;
            assert_eq!((asked.error(), asked.kind()), (ASKED, "passkey"), "{action}: {asked:?}");
            assert_eq!(hand.phone.answer(&asked, action, &[]).await.error(), (400, "invalid_request"), "{action}");
            let menu = hand.use_it(&asked).await;
            assert_eq!(menu.kind(), "manage", "the twin, {action}: {menu:?}");
            assert_eq!(hand.phone.answer(&menu, action, &[]).await.error(), ASKED, "{action}");
        }
        scene.world.stop().await;
    }
}

/// A new account and a person who is insisted on contradict each other: nothing is made, and nothing is asked.
#[tokio::test(flavor = "multi_thread")]
async fn no_account_is_made_beside_a_grant() {
    let scene = scene(Engine::Sqlite, &[]).await;
    let mut phone = scene.genuine();
    let held = tokens(&mut phone).await;
    let token = held.text("auth_session");
    let beside = [("auth_session", token.as_str()), ("response_type", "code"), ("prompt", "create")];
    assert_eq!(phone.post("/authorize-challenge", &beside).await.error(), (400, "invalid_request"));
    assert_eq!(
        phone.begin_with(&[("prompt", "create"), ("id_token_hint", &held.text("id_token"))]).await.error(),
        (400, "invalid_request")
    );
    let step = phone.begin_with(&[("prompt", "create")]).await;
    assert_eq!((step.error(), step.kind()), (ASKED, "register"), "the twin");
    let ask = Ask::native("openid").with("prompt", "create");
    let tokens = scene.world.tokens("openid").await;
    let hint = tokens["id_token"].as_str().unwrap();
    let refused = Browser::default().open(&scene.world, &ask.clone().with("id_token_hint", hint)).await;
    assert_eq!(refused.error().as_deref(), Some("invalid_request"), "{}", refused.html);
    assert!(Browser::default().open(&scene.world, &ask).await.asks_for("email"), "the twin");
    scene.world.stop().await;
}
