//! What people do with their own account, in both faces: names, sessions, apps, devices, history, a copy, the end of it all. Every
//! change wants fresh proof and is told by letter.

use crate::world::app_passkeys::{Hand, with_app};
use crate::world::native::*;
use crate::world::passkeys as on_page;
use crate::world::*;
use serde_json::{Value as Json, json};
use symbolon_phone::authenticator::Authenticator;

/// All that an app may be allowed.
pub const ALL: [&str; 14] = [
    "name",
    "language",
    "email",
    "password",
    "authenticator",
    "recovery_codes",
    "passkeys",
    "links",
    "sessions",
    "devices",
    "apps",
    "history",
    "export",
    "delete",
];

async fn scene(engine: Engine, rights: &[&str]) -> Screens {
    Screens::with(engine, |it| it.set("client.screens.manage", rights.to_vec())).await
}

pub async fn tokens(phone: &mut Phone<'_>) -> Answer {
    let code = phone.native_code().await;
    let tokens = phone.redeem(&code).await;
    assert_eq!(tokens.status, 200, "{tokens:?}");
    tokens
}

pub async fn manage(phone: &mut Phone<'_>, tokens: &Answer, more: &[(&str, &str)]) -> Answer {
    let held = tokens.text("auth_session");
    let form = [&[("auth_session", held.as_str()), ("response_type", "code"), ("prompt", "manage")], more].concat();
    phone.post("/authorize-challenge", &form).await
}

/// The menu, behind the proof that it wants.
pub async fn menu(phone: &mut Phone<'_>, tokens: &Answer) -> Answer {
    let asked = manage(phone, tokens, &[]).await;
    assert_eq!((asked.error(), asked.kind()), (ASKED, "password"), "a proof of this sign-in: {asked:?}");
    let menu = phone.answer(&asked, "continue", &[("password", PASSWORD)]).await;
    assert_eq!(menu.kind(), "manage", "{menu:?}");
    menu
}

async fn subject_of_letter(scene: &Screens, seen: usize) -> String {
    let letter = scene.mailbox.wait("alice@example.com", seen).await.expect("a letter");
    letter.subject().unwrap_or_default().to_owned()
}

async fn account_of(world: &World, browser: &mut Browser) -> Page {
    let page = browser.visit(world, "/account").await;
    if page.asks_for("password") {
        browser.submit_password(world, &page, "alice", PASSWORD).await;
    }
    browser.visit(world, "/account").await
}

async fn of_alice(world: &World, column: &'static str) -> Option<String> {
    let sql = match column {
        "name" => "SELECT a.name FROM account a JOIN login_name l ON l.account = a.id WHERE l.name = 'alice'",
        _ => "SELECT a.locale FROM account a JOIN login_name l ON l.account = a.id WHERE l.name = 'alice'",
    };
    let row = world.running.shared.now().store.one(sql, &[]).await.unwrap()?;
    row.opt_text(column).unwrap().map(str::to_owned)
}

/// 361-Z, W-58: on the pages, each change asks who it is if that was proved too long ago, says what will happen, and is told by letter.
#[tokio::test(flavor = "multi_thread")]
async fn every_change_on_the_account_page_wants_fresh_proof_and_is_told() {
    for engine in engines() {
        let scene = scene(engine, &[]).await;
        let world = &scene.world;
        let mut browser = Browser::default();
        let account = account_of(world, &mut browser).await;
        let changes: [(&str, &str, &str, &[(&str, &str)]); 5] = [
            ("change_name", "continue", "Your name at", &[("name", "Alice Liddell")]),
            ("change_language", "language:de", "Your language at", &[]),
            ("sign_out_others", "continue", "abgemeldet", &[]),
            ("revoke_app:screens", "continue", "Eine App hat keinen", &[]),
            ("export", "continue", "Eine Kopie", &[]),
        ];
        for (action, button, subject, fields) in changes {
            let mut phone = scene.genuine();
            let tokens = tokens(&mut phone).await;
            world.advance_s(6 * 60);
            let asked = browser.submit(world, &account, &[], action).await;
            assert!(asked.asks_for("password") && !asked.action(button) || button == "continue", "{action}: {}", asked.html);
            let seen = scene.mailbox.letters().len();
            let page = browser.submit(world, &asked, &[("password", PASSWORD)], "continue").await;
            assert!(page.action(button), "{action}: {}", page.html);
            assert_eq!(scene.mailbox.letters().len(), seen, "{action}: proving changes nothing");
            let done = browser.submit(world, &page, fields, button).await;
            assert!(subject_of_letter(&scene, seen).await.contains(subject), "{action}: {:?}", subject_of_letter(&scene, seen).await);
            let ended = matches!(action, "sign_out_others" | "revoke_app:screens");
            assert_eq!(phone.refresh(&tokens.text("refresh_token")).await.status == 400, ended, "{action}: {}", done.html);
        }
        assert_eq!(of_alice(world, "name").await.as_deref(), Some("Alice Liddell"));
        assert_eq!(of_alice(world, "locale").await.as_deref(), Some("de"));
        let page = account_of(world, &mut browser).await;
        for words in ["The name was changed", "The language was changed", "The access of an app was removed", "A copy of your data"] {
            assert!(page.says(words), "{words}: {}", page.text());
        }
        for event in ["name_changed", "language_changed", "other_sessions_ended", "consent_withdrawn", "account_exported"] {
            assert_eq!(world.audited(event).await, 1, "{event}");
        }
        scene.world.stop().await;
    }
}

/// The page names each session by its device and place; ended there, its apps are refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_known_by_its_device_and_place_and_can_be_ended() {
    for engine in engines() {
        let scene = scene(engine, &[]).await;
        let world = &scene.world;
        let mut phone = scene.genuine();
        let old = tokens(&mut phone).await;
        let mut browser = Browser::at("192.0.2.7");
        let account = account_of(world, &mut browser).await;
        assert!(account.says("192.0.2.7") && account.says("Screens"), "{}", account.text());
        let ends: Vec<String> = account.actions().into_iter().filter(|action| action.starts_with("end_session:")).collect();
        assert_eq!(ends.len(), 1, "its own is not among them: {}", account.html);
        let page = browser.submit(world, &account, &[], &ends[0]).await;
        assert!(page.says("Screens"), "{}", page.text());
        assert_eq!(phone.refresh(&old.text("refresh_token")).await.status, 200, "nothing ends before the person says so");
        let seen = scene.mailbox.letters().len();
        let done = browser.submit(world, &page, &[], "continue").await;
        assert_eq!(done.status, 303, "{}", done.html);
        assert!(subject_of_letter(&scene, seen).await.contains("signed out somewhere"));
        let entry = world.entries("session_ended").await.remove(0);
        assert_eq!(entry["detail"]["target"].as_str(), ends[0].strip_prefix("end_session:"), "{entry}");
        let again = account_of(world, &mut browser).await;
        assert!(!again.action(&ends[0]), "{}", again.html);
        // A form of before names nothing any more: nothing happens.
        let gone = browser.submit(world, &account, &[], &ends[0]).await;
        assert_eq!((gone.status, world.audited("session_ended").await), (303, 1), "{}", gone.html);
        scene.world.stop().await;
    }
}

/// A session that nobody can use is none: the code of an app that was never redeemed, an app that signed out, a browser that was away too
/// long, and one in which another person signed in.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_nobody_can_use_is_not_in_the_list() {
    for engine in engines() {
        let scene = scene(engine, &["sessions"]).await;
        let world = &scene.world;
        world.person("bob").await;
        let mut browser = Browser::at("192.0.2.7");
        let others = async |browser: &mut Browser| {
            let account = account_of(world, browser).await;
            account.actions().into_iter().filter(|action| action.starts_with("end_session:")).count()
        };
        assert_eq!(others(&mut browser).await, 0);
        let mut phone = scene.genuine();
        phone.native_code().await;
        assert_eq!(others(&mut browser).await, 0, "a code that nobody redeemed");
        let tokens = tokens(&mut phone).await;
        let mut second = Browser::at("192.0.2.8");
        account_of(world, &mut second).await;
        assert_eq!(others(&mut browser).await, 2, "an app and a browser");
        let ask = Ask::new("screens", BACK, "openid").with("prompt", "login select_account");
        let chosen = second.open(world, &scene.pushed(&ask).await).await;
        let page = second.submit(world, &chosen, &[], "not_you").await;
        assert!(second.submit_password(world, &page, "bob", PASSWORD).await.has_code());
        assert_eq!(others(&mut browser).await, 1, "another person has the browser");
        account_of(world, &mut Browser::at("192.0.2.9")).await;
        assert_eq!(others(&mut browser).await, 2);
        world.advance_s(3 * 3600);
        phone.attest_by(&scene.attester, "screens", 3600, &serde_json::Map::from_iter([("tier".to_owned(), Json::from("hardware"))]));
        assert_eq!(others(&mut browser).await, 1, "an app's grant outlives the limits of browsers");
        let revoked = phone.post("/revoke", &[("token", tokens.text("refresh_token").as_str())]).await;
        assert_eq!((revoked.status, others(&mut browser).await), (200, 0), "the app signed out");
        scene.world.stop().await;
    }
}

/// The copy has what is stored, and nothing that opens anything.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_account_has_no_secret_and_nobody_else() {
    for engine in engines() {
        let scene = scene(engine, &ALL).await;
        scene.world.person("mallory").await;
        let mut phone = scene.genuine();
        let old = tokens(&mut phone).await;
        let step = menu(&mut phone, &old).await;
        let asked = phone.answer(&step, "export", &[]).await;
        assert_eq!(asked.kind(), "export", "{asked:?}");
        let ready = phone.answer(&asked, "continue", &[]).await;
        let content = &ready.step()["content"][0];
        assert_eq!((content["type"].as_str(), content["media_type"].as_str()), (Some("file"), Some("application/json")), "{ready:?}");
        let text = content["text"].as_str().unwrap();
        let copy: Json = serde_json::from_str(text).unwrap();
        assert_eq!(copy["account"]["email"], "alice@example.com");
        assert_eq!((copy["means"][0]["kind"].as_str(), copy["apps"][0]["client_id"].as_str()), (Some("password"), Some("screens")));
        assert!(copy["history"].as_array().unwrap().iter().any(|event| event["event"] == "code_issued"), "{copy:#}");
        for secret in ["argon2", "mallory", &old.text("refresh_token"), &old.text("auth_session"), "handle", "cookie"] {
            assert!(!text.contains(secret), "{secret}: {copy:#}");
        }
        let done = phone.answer(&ready, "continue", &[]).await;
        assert_eq!(done.status, 200, "{done:?}");
        scene.world.stop().await;
    }
}

/// What the client may is in the menu and can be done; what it may not is nowhere, also not by its name.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_may_do_what_its_client_is_allowed() {
    let scene = scene(Engine::Sqlite, &["name", "sessions"]).await;
    let mut phone = scene.genuine();
    let old = tokens(&mut phone).await;
    let step = menu(&mut phone, &old).await;
    assert_eq!(step.actions(), ["change_name", "sessions", "done", "cancel", "browser"]);
    for action in ["delete", "export", "change_password", "add_passkey", "history", "revoke_app:screens", "remove_totp"] {
        let refused = phone.answer(&step, action, &[]).await;
        assert_eq!(refused.error(), (400, "invalid_request"), "{action}");
    }
    let name = phone.answer(&step, "change_name", &[]).await;
    assert_eq!(name.kind(), "new_name", "the twin");
    // The operator takes the right away meanwhile.
    scene.world.reload(|it| it.set("client.screens.manage", vec!["sessions"])).await;
    assert_eq!(phone.answer(&name, "continue", &[("name", "Eve")]).await.error(), OVER);
    assert_eq!(of_alice(&scene.world, "name").await.as_deref(), Some("alice of Example"));
    scene.world.reload(|it| it.set("client.screens.manage", vec!["name"])).await;
    let step = menu(&mut phone, &old).await;
    let name = phone.answer(&step, "change_name", &[]).await;
    let seen = scene.mailbox.letters().len();
    let done = phone.answer(&name, "continue", &[("name", "  Alice\u{202e} L.  ")]).await;
    assert_eq!(done.status, 200, "the twin: {done:?}");
    assert_eq!(of_alice(&scene.world, "name").await.as_deref(), Some("Alice L."));
    assert!(subject_of_letter(&scene, seen).await.contains("Your name at"));
    let entry = scene.world.entries("name_changed").await.remove(0);
    assert_eq!(entry["client"], "screens", "the audit names the client: {entry}");
    // It ends in a code of the grant's own scope.
    let new = phone.redeem(&done.text("authorization_code")).await;
    assert_eq!(new.text("scope"), old.text("scope"), "{new:?}");
    scene.world.stop().await;
}

/// The account is shown beside a grant alone, to a client that may, for no more scope, and to no browser.
#[tokio::test(flavor = "multi_thread")]
async fn the_account_is_shown_beside_a_grant_alone() {
    let scene = scene(Engine::Sqlite, &["name"]).await;
    let mut phone = scene.genuine();
    let old = tokens(&mut phone).await;
    assert_eq!(phone.begin_with(&[("prompt", "manage")]).await.error(), (400, "invalid_request"), "without a grant");
    assert_eq!(manage(&mut phone, &old, &[("scope", "openid orders:write")]).await.error(), (400, "invalid_scope"));
    assert_eq!(manage(&mut phone, &old, &[("scope", "orders:read")]).await.error(), ASKED, "the twin");
    for prompt in ["manage login", "manage none", "manage create"] {
        assert_eq!(manage(&mut phone, &old, &[("prompt", prompt)]).await.status, 400, "{prompt}");
    }
    let refused = phone.push(&Ask::new("screens", BACK, "openid").with("prompt", "manage")).await.err().unwrap();
    assert_eq!(refused.error(), (400, "invalid_request"), "a browser knows no such word");
    scene.world.reload(|it| it.set("client.screens.manage", Vec::<&str>::new())).await;
    assert_eq!(manage(&mut phone, &old, &[]).await.error(), (400, "unauthorized_client"));
    let reasons: Vec<Json> = scene.world.entries("native_sign_in_refused").await;
    assert!(reasons.iter().any(|entry| entry["reason"] == "the client has no manage"), "{reasons:?}");
    // The browser has a page of its own for it.
    scene.world.reload(|it| it.set("client.screens.manage", vec!["name"])).await;
    let step = menu(&mut phone, &old).await;
    let left = phone.answer(&step, "browser", &[]).await;
    assert_eq!(left.error(), (403, "redirect_to_web"));
    assert_eq!((left.text("account_uri"), left.body.get("request_uri")), (scene.world.url("/account"), None), "{left:?}");
    scene.world.stop().await;
}

/// 362-Z: with an authenticator, both factors are asked for, however lately they were proved elsewhere. W-53: a wrong code leaves the secret of
/// a new one as it is, in the app too.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_in_an_app_wants_the_strongest_proof() {
    for engine in engines() {
        let scene = scene(engine, &["name", "authenticator"]).await;
        let mut phone = scene.genuine();
        let old = tokens(&mut phone).await;
        let step = menu(&mut phone, &old).await;
        let step = phone.answer(&step, "enrol_totp", &[]).await;
        let secret = step.step()["content"][0]["secret"].as_str().unwrap().replace(' ', "");
        let code = || totp(&secret, scene.world.running.shared.now().now_ms());
        assert!(step.step()["content"][0]["uri"].as_str().is_some_and(|uri| uri.starts_with("otpauth:")), "{step:?}");
        let wrong = phone.answer(&step, "continue", &[("code", "000000")]).await;
        assert_eq!((wrong.error(), &wrong.step()["content"]), (ASKED, &step.step()["content"]), "{wrong:?}");
        let step = wrong;
        let codes = phone.answer(&step, "continue", &[("code", &code())]).await;
        assert_eq!(codes.kind(), "recovery_codes", "{codes:?}");
        let done = phone.answer(&codes, "continue", &[]).await;
        assert_eq!(done.status, 200, "{done:?}");
        let new = phone.redeem(&done.text("authorization_code")).await;
        scene.world.confirm("alice").await;
        scene.world.advance_s(60);
        let asked = manage(&mut phone, &new, &[]).await;
        assert_eq!(asked.kind(), "password", "{asked:?}");
        let asked = phone.answer(&asked, "continue", &[("password", PASSWORD)]).await;
        assert_eq!(asked.kind(), "totp", "one factor is not enough: {asked:?}");
        let menu = phone.answer(&asked, "continue", &[("code", &code())]).await;
        assert_eq!(menu.kind(), "manage", "{menu:?}");
        assert!(menu.actions().contains(&"remove_totp".to_owned()), "{menu:?}");
        scene.world.stop().await;
    }
}

/// W-58, 135-F, 422-U: deletion ends every token at once, leaves nothing that names the person, and the address is free for somebody new.
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_account_leaves_nothing() {
    for engine in engines() {
        for native in [true, false] {
            let scene = scene(engine, &ALL).await;
            let world = &scene.world;
            let mut phone = scene.genuine();
            let old = tokens(&mut phone).await;
            let sub = claims(&old.text("id_token"))["sub"].as_str().unwrap().to_owned();
            let seen = scene.mailbox.letters().len();
            if native {
                let step = menu(&mut phone, &old).await;
                let asked = phone.answer(&step, "delete", &[]).await;
                assert_eq!(asked.kind(), "delete_account", "{asked:?}");
                assert_eq!(phone.refresh(&old.text("refresh_token")).await.status, 200, "asking deletes nothing");
                let done = phone.answer(&asked, "delete_account", &[]).await;
                assert_eq!((done.error(), done.text("reason").as_str()), (OVER, "account_deleted"), "{done:?}");
                let again = phone.answer(&asked, "delete_account", &[]).await;
                assert_eq!((again.error(), again.text("reason").as_str()), (OVER, "account_deleted"), "a lost answer: {again:?}");
            } else {
                let mut browser = Browser::default();
                let account = account_of(world, &mut browser).await;
                let asked = browser.submit(world, &account, &[], "delete").await;
                assert!(asked.says("alice@example.com"), "{}", asked.text());
                let done = browser.submit(world, &asked, &[], "delete_account").await;
                assert_eq!(done.title(), "Your account is deleted", "{}", done.html);
                assert!(browser.visit(world, "/account").await.asks_for("password"), "nobody is signed in");
            }
            assert!(subject_of_letter(&scene, seen).await.contains("was deleted"));
            assert_eq!(phone.refresh(&old.text("refresh_token")).await.error(), (400, "invalid_grant"));
            assert_eq!(phone.begin().await.error(), ASKED);
            let step = phone.begin().await;
            let wrong = phone.answer_password(&step, "alice", PASSWORD).await;
            assert_eq!(wrong.problem(), "wrong_password", "{wrong:?}");
            let app = world.running.shared.now();
            for sql in [
                "SELECT id FROM account WHERE id = $1",
                "SELECT name FROM login_name WHERE account = $1",
                "SELECT kind FROM credential WHERE account = $1",
                "SELECT client FROM consent WHERE account = $1",
                "SELECT device FROM known_device WHERE account = $1",
                "SELECT event FROM account_event WHERE account = $1",
                "SELECT means FROM enrolment WHERE account = $1",
                "SELECT id FROM session WHERE account = $1 AND state = 'active'",
            ] {
                assert!(app.store.all(sql, &[sub.as_str().into()]).await.unwrap().is_empty(), "{sql}");
            }
            assert_eq!(world.audited("account_deleted").await, 1);
            assert_ne!(world.person("alice").await, sub, "somebody new");
            scene.world.stop().await;
        }
    }
}

/// W-58: the end of an account takes its passkeys from the platform, in both faces. Whoever has the name then is somebody new to it as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_account_takes_its_passkeys_from_the_platform() {
    for engine in engines() {
        let scene = Screens::with(engine, |it| with_app(it).set("client.screens.manage", vec!["delete"])).await;
        let world = &scene.world;
        let mut handles = Vec::new();
        for native in [true, false] {
            let mut hand = Hand::of(&scene, Authenticator::default());
            let done = hand.add("alice").await;
            let held = hand.phone.redeem(&done.text("authorization_code")).await;
            let told = if native {
                let asked = manage(&mut hand.phone, &held, &[]).await;
                let menu = hand.use_it(&asked).await;
                let asked = hand.phone.answer(&menu, "delete", &[]).await;
                let done = hand.phone.answer(&asked, "delete_account", &[]).await;
                assert_eq!((done.error(), done.text("reason").as_str()), (OVER, "account_deleted"), "{done:?}");
                done.body["operation"].clone()
            } else {
                let mut browser = Browser::default();
                let account = account_of(world, &mut browser).await;
                let page = browser.submit(world, &account, &[], "delete").await;
                let used = hand.keys.get(&on_page::options(&page), &world.issuer).unwrap();
                let asked = browser.submit(world, &page, &[("passkey", &used.to_string())], "passkey").await;
                let done = browser.submit(world, &asked, &[], "delete_account").await;
                assert_eq!(done.title(), "Your account is deleted", "{}", done.html);
                on_page::operation(&done)
            };
            assert_eq!((&told["name"], &told["options"]["allAcceptedCredentialIds"]), (&json!("passkey_signal"), &json!([])), "{told}");
            handles.push(told["options"]["userId"].as_str().unwrap().to_owned());
            assert_eq!(hand.keys.ids().len(), 1);
            let step = hand.phone.begin().await;
            let unknown = hand.use_it(&step).await;
            assert_eq!((unknown.error(), unknown.problem()), (ASKED, "passkey_unknown"), "{unknown:?}");
            hand.keys.forget_others(&told["options"]);
            assert!(hand.keys.ids().is_empty(), "the platform forgets it");
            world.person("alice").await;
        }
        assert_ne!(handles[0], handles[1], "a new account has a handle of its own");
        scene.world.stop().await;
    }
}

/// The session in use can be ended from the app: there is no code then, and a word that says why.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_can_end_the_session_that_it_uses() {
    let scene = scene(Engine::Sqlite, &["sessions", "apps", "devices", "history", "passkeys", "links"]).await;
    let mut phone = scene.genuine();
    let (old, mut other) = (tokens(&mut phone).await, scene.genuine());
    let others = tokens(&mut other).await;
    let step = menu(&mut phone, &old).await;
    look_at_every_list(&scene, &mut phone, step).await;
    let step = menu(&mut phone, &old).await;
    let list = phone.answer(&step, "sessions", &[]).await;
    let lines = list.step()["content"][0]["items"].as_array().unwrap().clone();
    assert_eq!(lines.len(), 2, "not the one of a code that nobody redeemed: {list:?}");
    let own = lines.iter().position(|line| line.as_str().unwrap().contains("(here)")).unwrap();
    let asked = phone.answer(&list, &format!("end_session:{own}"), &[]).await;
    assert_eq!(asked.kind(), "end_session", "{asked:?}");
    assert_eq!(phone.answer(&list, "end_session:9", &[]).await.error(), OVER, "an answer to the page before");
    let done = phone.answer(&asked, "continue", &[]).await;
    assert_eq!((done.error(), done.text("reason").as_str()), (OVER, "session_ended"), "{done:?}");
    assert_eq!(phone.refresh(&old.text("refresh_token")).await.error(), (400, "invalid_grant"));
    assert_eq!(other.refresh(&others.text("refresh_token")).await.status, 200, "the twin");
    scene.world.stop().await;
}

/// Every list opens, has a way back, and the menu leads to a code when the person is done.
async fn look_at_every_list(scene: &Screens, phone: &mut Phone<'_>, menu: Answer) {
    let mut at = menu;
    for page in ["devices", "history", "passkeys", "links", "sessions", "apps"] {
        let shown = phone.answer(&at, page, &[]).await;
        assert_eq!(shown.kind(), format!("manage_{page}"), "{shown:?}");
        at = phone.answer(&shown, "overview", &[]).await;
    }
    let history = phone.answer(&at, "history", &[]).await;
    let lines = history.step()["content"][0]["items"].as_array().unwrap().clone();
    assert!(lines.iter().any(|line| line.as_str().unwrap().contains("An app was signed in to · Screens")), "{lines:?}");
    let at = phone.answer(&history, "overview", &[]).await;
    let done = phone.answer(&at, "done", &[]).await;
    assert_eq!(done.status, 200, "{done:?}");
    assert_eq!(scene.world.audited("code_issued").await, 3);
}

/// What others try at an account does not fill its history, and the rows go with the time.
#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_the_persons_own_and_goes_with_the_time() {
    on_every_engine(|world| async move {
        let mut browser = Browser::default();
        for _ in 0..3 {
            let page = browser.open(&world, &Ask::native("openid")).await;
            browser.submit_password(&world, &page, "alice", "wrong").await;
        }
        browser.sign_in(&world, &Ask::native("openid"), "alice").await;
        let app = world.running.shared.now();
        let events = async || {
            let rows = app.store.all("SELECT event FROM account_event ORDER BY at_ms", &[]).await.unwrap();
            rows.iter().map(|row| row.text("event").unwrap().to_owned()).collect::<Vec<_>>()
        };
        let before = events().await;
        assert!(before.contains(&"code_issued".to_owned()) && !before.contains(&"password_refused".to_owned()), "{before:?}");
        let keep_ms = app.config.retention.audit_security.0 * 1000;
        let longest_s = app.clients.longest_refresh_s();
        symbolon::store::retention::sweep_old(&app.store, &app.config, longest_s, app.now_ms() + keep_ms - 60_000).await.unwrap();
        assert_eq!(events().await.len(), before.len(), "the twin");
        symbolon::store::retention::sweep_old(&app.store, &app.config, longest_s, app.now_ms() + keep_ms + 60_000).await.unwrap();
        assert!(events().await.is_empty());
        world.stop().await;
    })
    .await;
}

/// 362-Z: an authenticator that waits to be confirmed is not the strongest that the person has, and takes no passkey's place. One that
/// counts does.
#[tokio::test(flavor = "multi_thread")]
async fn an_authenticator_that_waits_takes_no_passkeys_place() {
    for engine in engines() {
        let two_factor = "[login.default]\ntwo_factor_passkey = true";
        let scene = Screens::with(engine, |it| with_app(it).with(two_factor).set("client.screens.manage", vec!["name"])).await;
        let world = &scene.world;
        let mut hand = Hand::of(&scene, Authenticator::default());
        let done = hand.add("alice").await;
        let held = hand.phone.redeem(&done.text("authorization_code")).await;
        let mut thief = Browser::default();
        let account = account_of(world, &mut thief).await;
        let page = thief.submit(world, &account, &[], "enrol_totp").await;
        let secret = page.codes().remove(0);
        let code = || totp(&secret, world.running.shared.now().now_ms());
        let page = thief.submit(world, &page, &[("code", &code())], "continue").await;
        assert_eq!(thief.submit(world, &page, &[], "continue").await.status, 303, "{}", page.html);
        world.advance_s(60);
        let asked = manage(&mut hand.phone, &held, &[]).await;
        assert_eq!((asked.error(), asked.kind()), (ASKED, "passkey"), "{asked:?}");
        let forged = hand.phone.answer(&asked, "continue", &[("code", &code())]).await;
        assert_eq!(forged.error(), (400, "invalid_request"), "{forged:?}");
        let menu = hand.use_it(&asked).await;
        assert_eq!(menu.kind(), "manage", "the twin: {menu:?}");
        assert!(world.confirm("alice").await);
        let asked = manage(&mut hand.phone, &held, &[]).await;
        let asked = hand.phone.answer(&asked, "continue", &[("password", PASSWORD)]).await;
        assert_eq!((asked.error(), asked.kind()), (ASKED, "totp"), "the twin: it counts now: {asked:?}");
        let menu = hand.phone.answer(&asked, "continue", &[("code", &code())]).await;
        assert_eq!(menu.kind(), "manage", "{menu:?}");
        scene.world.stop().await;
    }
}
