//! The walk of `native_walk`, through an account that has everything: each change on the app's screens beside its page.

use crate::native_walk::{Known, Walk, add_passkey, docs, schema, see};
use crate::world::app_passkeys::{Hand, with_app};
use crate::world::native::*;
use crate::world::passkeys::options;
use crate::world::*;
use serde_json::Value as Json;
use symbolon_phone::authenticator::Authenticator;

fn configuration(base: Configuration) -> Configuration {
    let desk = format!(
        "[client.desk]\nkind = \"web\"\nfirst_party = true\nredirect_uris = []\nsecret = '{}'\n\
         grants = [\"urn:openid:params:grant-type:ciba\"]\napis = {{ orders = [\"orders:read\"] }}\n[client.desk.backchannel]\nuser_code = true\n\
         [[login.both.easier]]\nrequire = [\"password\"]\nknown_device = \"30d\"\n",
        secret_digest()
    );
    let rights = ["email", "password", "authenticator", "user_code", "passkeys", "sessions", "devices", "apps"];
    with_app(base).with(&desk).set("client.screens.manage", rights.to_vec())
}

/// To the overview, with whatever it asks for first.
async fn menu(hand: &mut Hand<'_>, tokens: &Answer, secret: &str) -> Answer {
    let held = tokens.text("auth_session");
    let form = [("auth_session", held.as_str()), ("response_type", "code"), ("prompt", "manage")];
    let mut step = hand.phone.post("/authorize-challenge", &form).await;
    for _ in 0..4 {
        step = match step.kind() {
            "password" => hand.phone.answer(&step, "continue", &[("password", PASSWORD)]).await,
            "passkey" => hand.use_it(&step).await,
            "totp" => {
                let code = totp(secret, hand.phone.world.running.shared.now().now_ms());
                hand.phone.answer(&step, "continue", &[("code", &code)]).await
            }
            _ => break,
        };
    }
    assert_eq!((step.error(), step.kind()), (ASKED, "manage"), "{step:?}");
    step
}

/// Bill's browser, in which he has proved all that he has.
async fn signed_in(scene: &Screens, keys: &mut Authenticator) -> (Browser, Page) {
    let world = &scene.world;
    let mut browser = Browser::default();
    let ask = Ask::new("screens", BACK, "openid orders:read").with("acr_values", "urn:both");
    let page = browser.open(world, &scene.pushed(&ask).await).await;
    let page = browser.submit_password(world, &page, "bill", PASSWORD).await;
    let used = keys.get(&options(&page), &world.issuer).unwrap();
    let done = browser.submit(world, &page, &[("passkey", &used.to_string())], "passkey").await;
    assert!(done.has_code(), "{}", done.html);
    let account = browser.visit(world, "/account").await;
    (browser, account)
}

pub async fn walk((schema, seen): Known<'_>) {
    let scene = Screens::with(Engine::Sqlite, configuration).await;
    for name in ["nora", "bill"] {
        scene.world.person(name).await;
    }
    let mut hand = Hand::of(&scene, Authenticator::default());
    let done = hand.add("nora").await;
    let tokens = hand.phone.redeem(&done.text("authorization_code")).await;
    let mut keys = Authenticator::default();
    add_passkey(&scene, &mut keys, "bill").await;
    // Both are signed in to the app on another device.
    for name in ["nora", "bill"] {
        let mut other = scene.genuine();
        let code = other.native_code_of(name).await;
        assert_eq!(other.redeem(&code).await.status, 200);
    }
    // The list that leads to the change, the button in the app, and the button of the page.
    let changes = [
        ("sessions", "end_session:", "end_session:"),
        ("devices", "forget_device:0", "forget_device:"),
        ("apps", "revoke_app:0", "revoke_app:"),
        ("", "change_email", "change_email"),
        ("", "change_password", "change_password"),
        ("", "change_user_code", "change_user_code"),
        ("passkeys", "remove_passkey:1", "remove_passkey:"),
        ("passkeys", "add_passkey", "add_passkey"),
    ];
    for (list, button, of_page) in changes {
        let step = menu(&mut hand, &tokens, "").await;
        let step = if list.is_empty() { step } else { see(schema, seen, hand.phone.answer(&step, list, &[]).await) };
        let button = if button == "end_session:" { other_session(&step) } else { button.to_owned() };
        let answer = hand.phone.answer(&step, &button, &[]).await;
        let (mut browser, account) = signed_in(&scene, &mut keys).await;
        let page = browser.submit(&scene.world, &account, &[], &button_of(&account, of_page)).await;
        Walk::at(&scene, (schema, &mut *seen), (scene.genuine(), answer), (browser, page));
    }
    app_alone((&mut hand, &tokens), (schema, &mut *seen)).await;
    authenticator(&scene, &mut hand, (schema, seen)).await;
    scene.world.stop().await;
}

/// The number of the session that is not the app's own.
fn other_session(list: &Answer) -> String {
    let lines = list.step()["content"][0]["items"].as_array().unwrap();
    let at = lines.iter().position(|line| !line.as_str().unwrap().contains("(here)"));
    format!("end_session:{}", at.unwrap_or_else(|| panic!("{list:?}")))
}

/// The first button of the account page that begins so. Of sessions, it is the one of the app.
fn button_of(account: &Page, begins: &str) -> String {
    let rows = account.html.split("<li>").filter(|row| begins != "end_session:" || row.contains("Screens"));
    let found =
        rows.flat_map(|row| row.split("value=\"").skip(1)).filter_map(|rest| rest.split('"').next()).find(|it| it.starts_with(begins));
    found.unwrap_or_else(|| panic!("no {begins}: {}", account.html)).to_owned()
}

/// The step that the browser has no page for: a name is typed on the account page itself.
async fn app_alone((hand, tokens): (&mut Hand<'_>, &Answer), (schema, seen): Known<'_>) {
    let step = menu(hand, tokens, "").await;
    let step = hand.phone.answer(&step, "passkeys", &[]).await;
    see(schema, seen, hand.phone.answer(&step, "rename_passkey:0", &[]).await);
}

/// An authenticator is removed; it is there for both by then.
async fn authenticator<'a>(scene: &'a Screens, hand: &mut Hand<'a>, (schema, seen): Known<'_>) {
    let world = &scene.world;
    let now_ms = || world.running.shared.now().now_ms();
    let mut plain = scene.genuine();
    let code = plain.native_code_of("nora").await;
    let tokens = plain.redeem(&code).await;
    hand.phone = plain;
    let step = menu(hand, &tokens, "").await;
    let step = hand.phone.answer(&step, "enrol_totp", &[]).await;
    let secret = step.step()["content"][0]["secret"].as_str().unwrap().replace(' ', "");
    let codes = hand.phone.answer(&step, "continue", &[("code", &totp(&secret, now_ms()))]).await;
    let done = hand.phone.answer(&codes, "continue", &[]).await;
    let tokens = hand.phone.redeem(&done.text("authorization_code")).await;
    world.person("carla").await;
    let mut browser = Browser::default();
    let page = browser.visit(world, "/account").await;
    browser.submit_password(world, &page, "carla", PASSWORD).await;
    let account = browser.visit(world, "/account").await;
    let page = browser.submit(world, &account, &[], "enrol_totp").await;
    let code = totp(&page.codes().remove(0), now_ms());
    let page = browser.submit(world, &page, &[("code", &code)], "continue").await;
    assert_eq!(browser.submit(world, &page, &[], "continue").await.status, 303);
    for name in ["nora", "carla"] {
        world.confirm(name).await;
    }
    let account = browser.visit(world, "/account").await;
    let page = browser.submit(world, &account, &[], "remove_totp").await;
    world.advance_s(60);
    let step = menu(hand, &tokens, &secret).await;
    let answer = hand.phone.answer(&step, "remove_totp", &[]).await;
    let phone = scene.genuine();
    Walk::at(scene, (schema, seen), (phone, answer), (browser, page)).is_at("remove_totp");
}

/// The blocks of JSON behind this mark, with nothing in the place of dots.
fn blocks(page: &str, mark: &str) -> Vec<Json> {
    let texts = page.split(mark).skip(1).map(|part| part.split("\n```").next().unwrap().replace("...", ""));
    texts.map(|text| serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))).collect()
}

/// A step that docs/native.md shows is such as the server sends: it fits the schema, and has the fields of its example in docs/steps.md.
#[test]
fn the_guide_shows_steps_as_the_server_sends_them() {
    let read = |name: &str| std::fs::read_to_string(docs(name)).unwrap();
    let (schema, examples) = (schema(), read("steps.md"));
    let all = blocks(&read("native.md"), "\n```json\n");
    let shown: Vec<&Json> = all.iter().filter(|body| body.get("step").is_some()).collect();
    assert!(!shown.is_empty(), "{all:?}");
    for body in shown {
        let problems: Vec<String> = schema.iter_errors(body).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{problems:?}: {body:#}");
        let step = &body["step"];
        let example = blocks(&examples, &format!("\n### `{}`\n\n```json\n", step["kind"].as_str().unwrap())).remove(0);
        assert_eq!(step["fields"], example["fields"], "{body:#}");
        let texts = |step: &Json| step["text"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect::<Vec<_>>();
        let (own, other) = (texts(step), texts(&example));
        assert!(own[0].starts_with("To continue to ") && own[1..] == other[1..], "{own:?} {other:?}");
        let mut less = body.clone();
        less["step"]["fields"][0].as_object_mut().unwrap().remove("keyboard");
        assert!(!schema.is_valid(&less), "a field without a keyboard");
    }
}
