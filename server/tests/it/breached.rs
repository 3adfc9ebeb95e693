//! Passwords that were found in breaches (`[passwords] breached`): refused wherever somebody chooses one, and nowhere else. Each refusal has
//! its twin: the same answer with another password.

use crate::commands::{symbolon, told};
use crate::world::native::*;
use crate::world::*;
use serde_json::json;
use std::path::PathBuf;
use symbolon_oauth::digest;

const KNOWN: &str = "correct horse";
const OTHER: &str = "wrong mare, entirely";
const SAYS: &str = "in public lists of stolen passwords";

/// A list with this password in it, among others.
fn list(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("symbolon-it-breached-{}-{name}.txt", std::process::id()));
    let words = ["password", "12345678", "iloveyou", KNOWN, "cafe\u{301} au lait"].map(|word| digest::sha1(word.as_bytes()));
    let mut lines = words.map(|digest| format!("{}:9\n", data_encoding::HEXUPPER.encode(&digest)));
    lines.sort();
    std::fs::write(&path, lines.concat()).unwrap();
    path
}

async fn scene(engine: Engine, name: &str) -> Screens {
    Screens::with(engine, |it| it.set("passwords.breached", list(name).to_str().unwrap())).await
}

/// What `check` says, on one line.
async fn check(world: &World) -> String {
    told(world, &["check"]).await.1.split_whitespace().collect::<Vec<_>>().join(" ")
}

async fn signs_in(world: &World, name: &str, password: &str) -> bool {
    let mut browser = Browser::default();
    let page = browser.open(world, &Ask::native("openid")).await;
    browser.submit_password(world, &page, name, password).await.has_code()
}

/// On the pages: a new account, a forgotten password, a change. On an app's own screens: a new account.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_chooses_a_known_password_is_asked_for_another_one() {
    for engine in engines() {
        let scene = scene(engine, "chosen").await;
        let world = &scene.world;
        let mut browser = Browser::default();
        let page = browser.visit(world, "/register").await;
        let new = |password| [("email", "nora@example.com"), ("name", "Nora"), ("new_password", password)];
        let page = browser.submit(world, &page, &new(KNOWN), "continue").await;
        assert!(page.problem().contains(SAYS) && page.asks_for("new_password"), "{}", page.html);
        assert!(scene.mailbox.letters().is_empty(), "nothing began");
        let page = browser.submit(world, &page, &new(OTHER), "continue").await;
        assert_eq!(page.kind(), "email_code", "the twin: {}", page.html);

        let seen = scene.mailbox.letters().len();
        let page = browser.visit(world, "/reset").await;
        let page = browser.submit(world, &page, &[("username", "alice")], "continue").await;
        let code = scene.code_of_letter("alice@example.com", seen).await;
        let page = browser.submit(world, &page, &[("email_code", &code)], "continue").await;
        let twice = |password| [("new_password", password), ("new_password_again", password)];
        let page = browser.submit(world, &page, &twice(KNOWN), "continue").await;
        assert!(page.problem().contains(SAYS) && page.kind() == "new_password", "{}", page.html);
        assert!(signs_in(world, "alice", PASSWORD).await, "nothing was changed");
        browser.submit(world, &page, &twice(OTHER), "continue").await;
        assert!(signs_in(world, "alice", OTHER).await && !signs_in(world, "alice", PASSWORD).await, "the twin");

        let mut browser = Browser::default();
        let page = browser.visit(world, "/account").await;
        browser.submit_password(world, &page, "alice", OTHER).await;
        let account = browser.visit(world, "/account").await;
        let page = browser.submit(world, &account, &[], "change_password").await;
        // Composed letters are compared as the password is stored, and as the list has them.
        for typed in [KNOWN, "caf\u{e9} au lait", "cafe\u{301} au lait"] {
            let page = browser.submit(world, &page, &twice(typed), "continue").await;
            assert!(page.problem().contains(SAYS), "{typed}: {}", page.html);
        }
        let page = browser.submit(world, &account, &[], "change_password").await;
        browser.submit(world, &page, &twice(PASSWORD), "continue").await;
        assert!(signs_in(world, "alice", PASSWORD).await, "the twin");

        let mut phone = scene.genuine();
        let step = phone.begin_with(&[("prompt", "create")]).await;
        let fields = |password| [("email", "nina@example.com"), ("name", "Nina"), ("new_password", password)];
        let step = phone.answer(&step, "continue", &fields(KNOWN)).await;
        assert_eq!((step.error(), step.problem()), (ASKED, "breached_password"), "{step:?}");
        assert_eq!(step.step()["problem"]["field"], "new_password");
        let step = phone.answer(&step, "continue", &fields(OTHER)).await;
        assert_eq!(step.kind(), "email_code", "the twin: {step:?}");
        scene.world.stop().await;
    }
}

/// Operators choose by the same rule, with the server running and without. What comes with people from elsewhere, and what is somebody's
/// already, is let be.
#[tokio::test(flavor = "multi_thread")]
async fn operators_choose_by_the_same_rule_and_imports_are_let_be() {
    let Screens { mut world, .. } = scene(Engine::Sqlite, "commands").await;
    let file = world.file();
    let bcrypt = bcrypt::hash(KNOWN, 6).unwrap();
    let people = world.directory.join("people.jsonl");
    std::fs::write(&people, json!({ "login_names": ["bea"], "password_hash": bcrypt }).to_string()).unwrap();
    let (code, said, error) = symbolon(&file, &["user", "import", people.to_str().unwrap()], "").await;
    assert!(code == Some(0) && said.contains("1 added"), "{said}{error}");
    for _ in 0..2 {
        assert!(signs_in(&world, "bea", KNOWN).await, "before and after the digest is replaced");
    }
    for name in ["with", "without"] {
        if name == "without" {
            world.running.stop_in_place().await;
        }
        for words in [["user", "add", name], ["user", "password", "alice"]] {
            let (code, _, error) = symbolon(&file, &words, &format!("{KNOWN}\n")).await;
            assert!(code == Some(1) && error.contains("in the list of breached passwords"), "{name} {words:?}: {error}");
            let (code, _, error) = symbolon(&file, &words, &format!("{OTHER}\n")).await;
            assert_eq!(code, Some(0), "the twin: {name} {words:?}: {error}");
        }
    }
    world.start_again(|store| store).await;
    assert!(signs_in(&world, "without", OTHER).await && signs_in(&world, "alice", OTHER).await);
    world.stop().await;
}

/// A list that is none stops the start and the reload, and the old list stays. One that can no longer be read lets no password pass.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_cannot_be_read_lets_nothing_pass() {
    let path = list("broken");
    let scene = Screens::start(Engine::Sqlite).await;
    let world = &scene.world;
    let said = check(world).await;
    assert!(said.contains("people may choose passwords that are in public lists"), "{said}");
    assert_eq!(symbolon(&world.file(), &["user", "add", "early"], &format!("{KNOWN}\n")).await.0, Some(0), "it is off by default");
    world.reload(|it| it.set("passwords.breached", path.to_str().unwrap())).await;
    let said = check(world).await;
    assert!(said.contains("cannot be chosen"), "{said}");
    let add = async |name: &'static str, password: &str| symbolon(&world.file(), &["user", "add", name], &format!("{password}\n")).await;
    assert_eq!(add("late", KNOWN).await.0, Some(1));
    // The file is emptied beneath the server.
    std::fs::write(&path, "").unwrap();
    let (code, _, error) = add("late", OTHER).await;
    assert!(code != Some(0) && error.contains("breached"), "{error}");
    let mut browser = Browser::default();
    let page = browser.visit(world, "/register").await;
    let new = [("email", "nora@example.com"), ("new_password", OTHER)];
    assert_eq!(browser.submit(world, &page, &new, "continue").await.status, 500);
    let (code, _, error) = symbolon(&world.file(), &["check"], "").await;
    assert!(code == Some(1) && error.contains("breached"), "it would not start: {error}");
    let refused = symbolon::serve::reload(&world.running.shared, &world.file()).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("breached")));
    list("broken");
    assert_eq!(add("late", OTHER).await.0, Some(0), "the twin");
    scene.world.stop().await;
}
