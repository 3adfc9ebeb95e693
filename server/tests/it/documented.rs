//! docs/commands.md against the commands themselves: every command, every option, and the shape of every answer.

use crate::commands::symbolon;
use crate::world::*;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::Path;
use symbolon::login::accounts::link_key;
use symbolon::store::{Change, Value};

/// The sections of the page, by the words of their command.
fn sections() -> BTreeMap<String, String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/commands.md");
    let page = std::fs::read_to_string(page).unwrap();
    let parts = page.split("\n### `symbolon ").skip(1);
    parts
        .map(|part| {
            let (name, text) = part.split_once("`\n").unwrap();
            (name.to_owned(), text.split("\n## ").next().unwrap().to_owned())
        })
        .collect()
}

/// The commands that do something, with their words.
fn commands() -> BTreeMap<String, clap::Command> {
    fn walk(words: &str, command: &clap::Command, found: &mut BTreeMap<String, clap::Command>) {
        let mut inner = command.get_subcommands().filter(|it| it.get_name() != "help").peekable();
        if inner.peek().is_none() {
            found.insert(words.trim().to_owned(), command.clone());
        }
        inner.for_each(|it| walk(&format!("{words} {}", it.get_name()), it, found));
    }
    let mut found = BTreeMap::new();
    walk("", &symbolon::cli::command(), &mut found);
    found
}

/// Said once, at the top of the page.
const EVERYWHERE: [&str; 4] = ["config", "json", "help", "version"];

#[test]
fn every_command_is_documented_with_its_options() {
    let (commands, sections) = (commands(), sections());
    assert_eq!(commands.keys().collect::<Vec<_>>(), sections.keys().collect::<Vec<_>>());
    for (words, command) in &commands {
        let section = &sections[words];
        for option in command.get_arguments().filter_map(|it| it.get_long()).filter(|it| !EVERYWHERE.contains(it)) {
            assert!(section.contains(&format!("`--{option}")), "{words}: --{option}");
        }
        let is_read = ["list", "show"].contains(&command.get_name());
        let has = |long: &str| command.get_arguments().any(|it| it.get_long() == Some(long));
        if is_read {
            assert!(has("json") && section.contains("`--json`") && section.contains("```json"), "{words} has no --json");
        }
        if command.get_name() == "list" {
            assert!(has("after") && has("limit"), "{words} is not paged");
        }
        let without = ["serve", "init", "config", "client secret", "user invite", "user ticket", "guard serve"].contains(&words.as_str());
        assert_eq!(section.contains("```json"), !without, "{words}: a sample of its JSON");
    }
    // The twin: the page says nothing of options that there are not.
    for (words, section) in &sections {
        for option in section.split("`--").skip(1).map(|it| it.split(['`', ' ']).next().unwrap()) {
            let known = commands[words].get_arguments().any(|it| it.get_long() == Some(option));
            let elsewhere = commands.values().flat_map(clap::Command::get_arguments).any(|it| it.get_long() == Some(option));
            assert!(known || elsewhere, "{words}: there is no --{option}");
        }
    }
}

/// What these hold is up to the client, the person or the evidence.
const FREE: [&str; 4] = ["metadata", "claims", "facts", "header"];

/// The names of a document, with the path to each.
fn shape(document: &Json, path: &str, names: &mut Vec<String>) {
    match document {
        Json::Object(members) => {
            for (name, value) in members {
                names.push(format!("{path}.{name}"));
                if !FREE.contains(&name.as_str()) {
                    shape(value, &format!("{path}.{name}"), names);
                }
            }
        }
        Json::Array(all) => all.iter().take(1).for_each(|it| shape(it, &format!("{path}[]"), names)),
        _ => {}
    }
}

fn shape_of(document: &Json) -> Vec<String> {
    let mut names = Vec::new();
    shape(document, "", &mut names);
    names.sort();
    names
}

/// The order is that of the acts: each needs what those before it did.
const ACTS: [&str; 37] = [
    "check --offline",
    "guard check GUARD",
    "user add bob --email bob@example.com --display-name Bob --claim a=b",
    "user import PEOPLE",
    "user password bob",
    "user change bob --claim c=d",
    "user list",
    "user show alice",
    "user move-links acme MOVED",
    "user confirm alice",
    "user end-sessions bob",
    "user remove-totp bob",
    "user remove-passkey bob --all",
    "user unlink bob LINK",
    "user code bob",
    "user remove-code bob",
    "user disable bob",
    "user enable bob",
    "user delete bob --yes",
    "client import FILE --secrets SECRETS",
    "client list",
    "client show shop-web",
    "client disable kiosk",
    "client enable kiosk",
    "client end-sessions shop-ios --preview",
    "client token make partners --secrets SECRETS.2",
    "client token list",
    "client token revoke a-token",
    "client remove kiosk",
    "instance list",
    "instance show some-key",
    "instance revoke some-key",
    "links print",
    "key list",
    "key rotate",
    "token preview --client shop-ios --scope orders:read --user alice",
    "audit --event client_disabled",
];

/// Every sample of JSON on the page has the names of what the command prints, no more and no fewer.
#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_the_documented_shape() {
    let app = format!(
        "[client.shop-ios.app.android.\"com.example.shop\"]\nplay = \"{}\"\n[client.shop-ios.app]\nios = [\"ABCDE12345.com.example.shop\"]\n[client_registration.partners]\n\
         [upstream.acme]\nlabel = \"Acme\"\nissuer = \"https://acme.example.com\"\nclient_id = \"us\"",
        "14".repeat(32)
    );
    let world = Configuration::on(Engine::Sqlite).await.with(&app).start().await;
    world.tokens("openid orders:read").await;
    let app = world.running.shared.now();
    let mut change = Change::new(app.now_ms());
    let sql = "INSERT INTO instance (client, jkt, state, platform, tier, evidence_key, counter, facts, created_ms, attested_ms) \
        VALUES ('shop-ios', 'some-key', 'active', 'ios', 'hardware', $1, 0, '{}', 1, 2)";
    change.run(sql, vec![Value::Bytes(Vec::new())]);
    let token =
        "INSERT INTO initial_access_token (id, policy, digest, uses, created_ms, until_ms) VALUES ('a-token', 'partners', $1, 1, 1, 2)";
    change.run(token, vec![Value::Bytes(Vec::new())]);
    change.audit(symbolon::audit::Entry::ok("instance_attested").client("shop-ios").with("jkt", "some-key"));
    app.store.apply(change).await.unwrap();
    drop(app);
    let (file, secrets) = (world.directory.join("clients.json"), world.directory.join("secrets"));
    let client = serde_json::json!({ "client_id": "kiosk", "application_type": "native", "redirect_uris": ["https://k.example.com/cb"] });
    std::fs::write(&file, client.to_string()).unwrap();
    let guard = world.directory.join("guard.toml");
    let route = "[[api.orders.routes]]\npath = \"/orders/**\"\nscope = \"orders:read\"\nmethods = [\"GET\"]";
    let head =
        "issuer = \"https://login.example.com\"\nlisten = \"127.0.0.1:9310\"\n[api.orders]\naudience = \"https://api.example.com/orders\"";
    std::fs::write(&guard, format!("{head}\n{route}\n")).unwrap();
    let people = world.directory.join("people.jsonl");
    std::fs::write(&people, "{\"login_names\":[\"carol\"]}\n").unwrap();
    let moved = world.directory.join("moved.jsonl");
    std::fs::write(&moved, "{\"from\":\"alice\",\"to\":\"alice2\"}\n").unwrap();
    let sections = sections();
    let mut documented = 0;
    for act in ACTS {
        let words: Vec<String> = act
            .split(' ')
            .map(|it| {
                it.replace("PEOPLE", people.to_str().unwrap())
                    .replace("MOVED", moved.to_str().unwrap())
                    .replace("GUARD", guard.to_str().unwrap())
                    .replace("FILE", file.to_str().unwrap())
                    .replace("LINK", &link_key("https://acme.example.com", "bob"))
                    .replace("SECRETS", secrets.to_str().unwrap())
            })
            .chain(["--json".to_owned()])
            .collect();
        if act == "user show alice" {
            add_what_waits(&world).await;
        }
        match act {
            "user show alice" => add_means(&world, "alice").await,
            "user remove-totp bob" => add_means(&world, "bob").await,
            _ => {}
        }
        let typed = if act == "user code bob" { "long-code\n" } else { "a long password\n" };
        let (code, said, error) = symbolon(&world.file(), &words.iter().map(String::as_str).collect::<Vec<_>>(), typed).await;
        assert_eq!(code, Some(0), "{act}: {error}");
        let real: Json = serde_json::from_str(&said).unwrap_or_else(|it| panic!("{act}: {it}: {said}"));
        let (name, section) = sections.iter().find(|it| act == it.0 || act.starts_with(&format!("{} ", it.0))).unwrap();
        let sample = section.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
        let sample: Json = serde_json::from_str(sample).unwrap_or_else(|it| panic!("{name}: {it}"));
        assert_eq!((shape_of(&sample), &sample["outcome"]), (shape_of(&real), &real["outcome"]), "{act}");
        documented += 1;
    }
    // `key rewrap` and `recover` need a store of their own, `links doctor` hosts to look at, `plugin check` and `plugin list` a plug-in.
    assert_eq!(documented + 5, sections.values().filter(|it| it.contains("```json")).count());
    world.stop().await;
}

async fn add_what_waits(world: &World) {
    let app = world.running.shared.now();
    let mut change = Change::new(app.now_ms());
    let sql = "INSERT INTO enrolment (id, account, means, enrolled_with, enrolled_ms, letters, told_ms) \
        SELECT $1, account, 'totp', 'password', 1, 0, 1 FROM login_name WHERE name = 'alice'";
    change.run(sql, vec![Value::Bytes(vec![1; 16])]);
    app.store.apply(change).await.unwrap();
}

async fn add_means(world: &World, name: &str) {
    let app = world.running.shared.now();
    let mut change = Change::new(app.now_ms());
    let digest = || Value::Bytes(vec![1]);
    let recovery = "INSERT INTO credential (account, kind, id, secret, created_ms, used_ms) \
        SELECT account, 'recovery', 'x', $2, 0, 0 FROM login_name WHERE name = $1";
    change.run(recovery, vec![name.into(), digest()]);
    let passkey = "INSERT INTO passkey (rp_id, id, account, public_id, public_key, counter, transports, backup_eligible, backed_up, \
        user_verified, discoverable, aaguid, attested, name, created_ms, used_ms) \
        SELECT 'x', name, account, 'p1', $2, 0, '', 0, 0, 1, 1, $2, 0, 'Phone', 1, 2 FROM login_name WHERE name = $1";
    change.run(passkey, vec![name.into(), digest()]);
    let link = "INSERT INTO outside_identity (issuer, subject, name, account, method, said, created_ms, used_ms) \
        SELECT 'https://acme.example.com', name, $2, account, 'upstream:acme', '{}', 1, 2 FROM login_name WHERE name = $1";
    change.run(link, vec![name.into(), link_key("https://acme.example.com", name).into()]);
    app.store.apply(change).await.unwrap();
}
