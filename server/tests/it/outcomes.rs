//! What operators are answered: the same data with and without a running server, JSON as documented, pages, and refusals that say what
//! was wrong. Every change names who made it.

use crate::commands::symbolon;
use crate::restored_store::{keep, restore};
use crate::world::*;
use serde_json::{Value as Json, json};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use symbolon::store::{Change, Value};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};

/// The JSON document that a command prints.
async fn answer(world: &World, words: &[&str]) -> Json {
    answer_to(world, words, "").await
}

async fn answer_to(world: &World, words: &[&str], input: &str) -> Json {
    let words = [words, &["--json"]].concat();
    let (code, said, error) = symbolon(&world.file(), &words, input).await;
    assert_eq!(code, Some(0), "{words:?}: {error}");
    serde_json::from_str(&said).unwrap_or_else(|it| panic!("{words:?}: {it}: {said}"))
}

/// A row of an installation, as attesting writes it.
fn add_instance(change: &mut Change, client: &str, jkt: &str) {
    let sql = "INSERT INTO instance (client, jkt, state, platform, tier, evidence_key, counter, facts, created_ms, attested_ms) \
        VALUES ($1, $2, 'active', 'android', 'hardware', $3, 0, '{\"version\":7}', 1, 2)";
    change.run(sql, vec![client.into(), jkt.into(), Value::Bytes(Vec::new())]);
}

async fn apply(world: &World, make: impl FnOnce(&mut Change)) {
    let app = world.running.shared.now();
    let mut change = Change::new(app.now_ms());
    make(&mut change);
    app.store.apply(change).await.unwrap();
}

/// What only the moment decides.
fn without_moment(mut document: Json) -> Json {
    for name in ["iat", "exp", "auth_time"] {
        document["claims"].as_object_mut().map(|it| it.remove(name));
    }
    document
}

const READS: [&[&str]; 9] = [
    &["user", "list"],
    &["user", "show", "alice"],
    &["client", "list"],
    &["client", "show", "shop-ios"],
    &["instance", "list", "--client", "shop-ios"],
    &["instance", "show", "some-key"],
    &["key", "list"],
    &["token", "preview", "--client", "shop-ios", "--scope", "orders:read", "--user", "alice"],
    &["check", "--store"],
];

#[tokio::test(flavor = "multi_thread")]
async fn a_server_and_a_store_give_the_same_outcome() {
    for engine in engines() {
        let mut world = World::start(engine).await;
        world.tokens("openid orders:read").await;
        apply(&world, |change| add_instance(change, "shop-ios", "some-key")).await;
        let mut at_server = Vec::new();
        for words in READS {
            at_server.push(without_moment(answer(&world, words).await));
        }
        let entries = symbolon(&world.file(), &["audit", "--all"], "").await.1;
        let disabled = answer(&world, &["user", "disable", "alice"]).await;
        let enabled = answer(&world, &["user", "enable", "alice"]).await;
        world.running.stop_in_place().await;
        for (words, before) in READS.iter().zip(at_server) {
            let outcome = answer(&world, words).await;
            // The change in between ended the session.
            let ended = |mut document: Json| {
                document["sessions"] = Json::Null;
                document["apps"] = Json::Null;
                without_moment(document)
            };
            assert_eq!(ended(outcome), ended(before), "{words:?}");
        }
        assert!(symbolon(&world.file(), &["audit", "--all"], "").await.1.starts_with(&entries));
        assert_eq!(answer(&world, &["user", "disable", "alice"]).await, disabled);
        assert_eq!(answer(&world, &["user", "enable", "alice"]).await, enabled);
        let _ = std::fs::remove_dir_all(&world.directory);
    }
}

/// Each family once at a server and once without: the entries say who it was.
#[tokio::test(flavor = "multi_thread")]
async fn every_entry_of_an_operator_names_the_actor() {
    let mut world = World::start(Engine::Sqlite).await;
    let uid = std::fs::metadata(world.file()).unwrap().uid();
    let list = world.directory.join("clients.json");
    let back = ["https://imported.example.com/cb"];
    std::fs::write(&list, json!({ "client_id": "imported", "application_type": "native", "redirect_uris": back }).to_string()).unwrap();
    apply(&world, |change| ["one", "two"].iter().for_each(|it| add_instance(change, "shop-ios", it))).await;
    let import = ["client", "import", list.to_str().unwrap(), "--replace"];
    let acts = |jkt: &'static str, person: &'static str| -> Vec<(Vec<&str>, &str)> {
        vec![
            (vec!["user", "add", person], "account_created"),
            (vec!["user", "password", person], "password_changed"),
            (vec!["user", "change", person, "--claim", "a=b"], "profile_changed"),
            (vec!["user", "end-sessions", person], "sessions_ended"),
            (vec!["user", "disable", person], "account_disabled"),
            (vec!["user", "enable", person], "account_enabled"),
            (vec!["user", "delete", person, "--yes"], "account_deleted"),
            (import.to_vec(), if jkt == "one" { "client_registered" } else { "client_replaced" }),
            (vec!["client", "disable", "imported"], "client_disabled"),
            (vec!["client", "enable", "imported"], "client_enabled"),
            (vec!["client", "end-sessions", "imported"], "client_sessions_ended"),
            (vec!["instance", "revoke", jkt], "instance_revoked"),
            (vec!["key", "rotate"], "key_rotated"),
        ]
    };
    let newest = async |world: &World, event: &str| {
        let (_, said, _) = symbolon(&world.file(), &["audit", "--event", event, "--limit", "1"], "").await;
        serde_json::from_str::<Json>(&said).unwrap_or_else(|_| panic!("{event}: {said}"))["actor"].clone()
    };
    for (words, event) in acts("one", "bob") {
        let (code, _, error) = symbolon(&world.file(), &words, "a long password\n").await;
        assert_eq!(code, Some(0), "{words:?}: {error}");
        let actor = newest(&world, event).await;
        assert_eq!((&actor["kind"], &actor["uid"]), (&json!("unix"), &json!(uid)), "{event}: {actor}");
    }
    // What a person does is no operator's.
    world.tokens("openid").await;
    assert_eq!(newest(&world, "code_issued").await, Json::Null);
    world.running.stop_in_place().await;
    for (words, event) in acts("two", "carol") {
        let (code, _, error) = symbolon(&world.file(), &words, "a long password\n").await;
        assert_eq!(code, Some(0), "{words:?}: {error}");
        assert_eq!(newest(&world, event).await, json!({ "kind": "offline", "uid": uid }), "{event}");
    }
    let (code, _, error) = symbolon(&world.file(), &["recover"], "").await;
    assert_eq!(code, Some(0), "{error}");
    assert_eq!(newest(&world, "store_recovered").await["kind"], "offline");
    let _ = std::fs::remove_dir_all(&world.directory);
}

/// Writes a line to the socket as no command of ours does; reads the answer.
async fn said_to_socket(world: &World, line: &str) -> Json {
    let stream = tokio::net::UnixStream::connect(world.directory.join("symbolon.sock")).await.unwrap();
    let (read, mut write) = stream.into_split();
    write.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::io::BufReader::new(read).read_line(&mut answer).await.unwrap();
    serde_json::from_str(&answer).unwrap_or(Json::Null)
}

/// The kernel says whose process it is. What a message claims is kept as a claim, and nothing else of it is believed.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_cannot_choose_its_actor() {
    let world = World::start(Engine::Sqlite).await;
    let uid = std::fs::metadata(world.file()).unwrap().uid();
    let message = |claimed: Json| {
        json!({ "operation": { "user": { "disable": { "user": "alice" } } }, "secret": null, "claimed": claimed }).to_string()
    };
    let good = said_to_socket(&world, &message(json!({ "name": "alice", "sudo_user": "bob" }))).await;
    assert_eq!(good["done"]["outcome"]["state"], "disabled", "{good}");
    let actor = world.entries("account_disabled").await[0]["actor"].clone();
    assert_eq!(actor, json!({ "kind": "unix", "uid": uid, "claimed": { "name": "alice", "sudo_user": "bob" } }));
    for claimed in [json!({ "uid": 0 }), json!({ "kind": "offline" }), json!({ "name": 7 })] {
        let bad = said_to_socket(&world, &message(claimed.clone())).await;
        assert_eq!(bad["problem"]["kind"], "invalid", "{claimed}: {bad}");
    }
    let odd = json!({ "operation": { "user": { "disable": { "user": "alice" } } }, "secret": null, "claimed": {}, "actor": { "uid": 0 } });
    assert_eq!(said_to_socket(&world, &odd.to_string()).await["problem"]["kind"], "invalid");
    assert_eq!(world.audited("account_disabled").await, 1, "a refusal changes nothing");
    let long = said_to_socket(&world, &message(json!({ "name": "a\nb" }))).await;
    assert_eq!(long["done"]["outcome"]["state"], "disabled", "{long}");
    assert_eq!(world.entries("account_disabled").await[1]["actor"].get("claimed"), None, "a name that nobody has is left out");
    world.stop().await;
}

/// A secret and the operation that needs it come together or not at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_belongs_to_its_operation() {
    let world = World::start(Engine::Sqlite).await;
    let message =
        |operation: Json, secret: Json| json!({ "operation": { "user": operation }, "secret": secret, "claimed": {} }).to_string();
    let set = json!({ "set_password": { "user": "alice" } });
    let good = said_to_socket(&world, &message(set.clone(), json!("quite another password"))).await;
    assert_eq!(good["done"]["outcome"]["outcome"], "password_set", "{good}");
    assert!(!good.to_string().contains("quite another"), "{good}");
    let inside = json!({ "set_password": { "user": "alice", "password": "quite another password" } });
    for (operation, secret) in [
        (set.clone(), Json::Null),
        (set.clone(), json!("short")),
        (json!({ "show": { "user": "alice" } }), json!("x")),
        (inside, json!("x")),
    ] {
        let bad = said_to_socket(&world, &message(operation.clone(), secret)).await;
        assert_eq!(bad["problem"]["kind"], "invalid", "{operation}: {bad}");
    }
    assert_eq!(world.audited("password_changed").await, 1);
    assert_eq!(said_to_socket(&world, "nonsense").await["problem"]["kind"], "invalid");
    let long = said_to_socket(&world, &"x".repeat(4 * 1024 * 1024 + 1)).await;
    assert!(long["problem"]["message"].as_str().unwrap().contains("at most"), "{long}");
    world.stop().await;
}

/// Each refusal says what was wrong, in words and for programs, and ends with 1; the same command without the defect succeeds.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_what_was_wrong() {
    let mut world = World::start(Engine::Sqlite).await;
    apply(&world, |change| add_instance(change, "shop-ios", "some-key")).await;
    let list = world.directory.join("clients.json");
    let back = ["https://imported.example.com/cb"];
    std::fs::write(&list, json!({ "client_id": "imported", "application_type": "native", "redirect_uris": back }).to_string()).unwrap();
    let import = ["client", "import", list.to_str().unwrap()];
    let cases: [(&[&str], &str, &str, &[&str]); 19] = [
        (&["user", "show", "nobody"], "not_found", "nobody signs in as nobody", &["user", "show", "alice"]),
        (&["user", "list", "--limit", "0"], "invalid", "1 to 1000", &["user", "list", "--limit", "1"]),
        (&["user", "remove-totp", "alice"], "not_found", "no authenticator", &["user", "end-sessions", "alice"]),
        (&["user", "change", "alice", "--claim", "x"], "invalid", "NAME=VALUE", &["user", "change", "alice", "--claim", "x=y"]),
        (&["user", "change", "alice", "--no-claim", "z"], "not_found", "has no claim z", &["user", "change", "alice", "--no-claim", "x"]),
        (&["client", "import", "no-such-file"], "invalid", "no-such-file", &import),
        (&["client", "show", "nobody"], "not_found", "there is no client nobody", &["client", "show", "imported"]),
        (&["client", "list", "--after", "x"], "invalid", "`next`", &["client", "list", "--after", "file:x"]),
        (&["client", "disable", "shop-ios"], "conflict", "configuration file", &["client", "disable", "imported"]),
        (&["client", "enable", "nobody"], "not_found", "no registered client", &["client", "enable", "imported"]),
        (&["instance", "show", "nobody"], "not_found", "no installation", &["instance", "show", "some-key"]),
        (&["instance", "list", "--client", "no"], "not_found", "no client no", &["instance", "list", "--client", "shop-web"]),
        (&["instance", "revoke", "--preview"], "invalid", "name an installation", &["instance", "revoke", "--preview", "some-key"]),
        (
            &["instance", "revoke", "--preview", "--client", "shop-ios", "--platform", "toaster"],
            "invalid",
            "android, ios",
            &["instance", "revoke", "--preview", "--client", "shop-ios", "--platform", "ios"],
        ),
        (&["instance", "revoke", "--client", ""], "invalid", "names nothing", &["instance", "revoke", "--client", "other-ios"]),
        (&["key", "rotate", "--alg", "HS256"], "invalid", "ES256", &["key", "rotate", "--alg", "ES256"]),
        (&["audit", "--outcome", "good"], "invalid", "refused", &["audit", "--outcome", "ok"]),
        (&["audit", "--since", "yesterday"], "invalid", "no instant", &["audit", "--since", "1d"]),
        (&["token", "preview", "--client", "no"], "not_found", "no client no", &["token", "preview", "--client", "robot"]),
    ];
    for at_server in [true, false] {
        for (bad, kind, says, good) in &cases {
            let (code, said, error) = symbolon(&world.file(), bad, "").await;
            assert_eq!((code, said.as_str()), (Some(1), ""), "{bad:?}: {error}");
            assert!(error.starts_with("symbolon: ") && error.contains(says), "{bad:?}: {error}");
            let (code, said, error) = symbolon(&world.file(), &[bad, &["--json"][..]].concat(), "").await;
            assert_eq!((code, said.as_str()), (Some(1), ""), "{bad:?}: {error}");
            let problem: Json = serde_json::from_str(&error).unwrap_or_else(|it| panic!("{bad:?}: {it}: {error}"));
            assert_eq!(problem["problem"]["kind"], *kind, "{bad:?}: {error}");
            assert!(problem["problem"]["message"].as_str().unwrap().contains(says), "{bad:?}: {error}");
            // A second import of the same file is refused.
            if at_server || good != &import {
                let (code, said, error) = symbolon(&world.file(), good, "").await;
                assert_eq!(code, Some(0), "{good:?}: {said}{error}");
            }
        }
        if at_server {
            world.running.stop_in_place().await;
            let (code, _, error) = symbolon(&world.file(), &["user", "change", "alice", "--claim", "x=y"], "").await;
            assert_eq!(code, Some(0), "{error}");
        }
    }
    for (password, code) in [("short\n", 1), ("a long password\n", 0)] {
        let (ended, said, error) = symbolon(&world.file(), &["user", "password", "alice", "--json"], password).await;
        assert_eq!((ended, said.is_empty()), (Some(code), code == 1), "{error}");
        let problem = serde_json::from_str::<Json>(&error).unwrap_or_default();
        assert_eq!(problem["problem"]["kind"] == "invalid", code == 1, "{error}");
    }
    let (code, said, error) = symbolon(&world.file(), &["user", "shwo", "alice", "--json"], "").await;
    assert_eq!((code, said.as_str()), (Some(2), ""), "{error}");
    assert_eq!(serde_json::from_str::<Json>(&error).unwrap()["problem"]["kind"], "invalid");
    let _ = std::fs::remove_dir_all(&world.directory);
}

/// Every list to its end, whatever the size of the pages: each line once.
#[tokio::test(flavor = "multi_thread")]
async fn lists_are_paged() {
    for engine in engines() {
        let world = World::start(engine).await;
        let list = world.directory.join("clients.json");
        let client = |id: &str| json!({ "client_id": id, "application_type": "native", "redirect_uris": ["https://i.example.com/cb"] });
        let ids = ["a", "b", "m", "z"].map(client);
        std::fs::write(&list, json!(ids).to_string()).unwrap();
        answer_to(&world, &["client", "import", list.to_str().unwrap(), "--secrets", "unused.txt", "--dry-run"], "").await;
        assert_eq!(symbolon(&world.file(), &["client", "import", list.to_str().unwrap()], "").await.0, Some(0));
        apply(&world, |change| {
            for at in 0..1_100 {
                change.run("INSERT INTO login_name (name, account) VALUES ($1, 'x')", vec![format!("n{at:04}").into()]);
            }
            change.run(
                "INSERT INTO account (id, state, email_verified, claims, created_ms, sessions_from_ms, version) \
                VALUES ('x', 'active', 0, '{}', 0, 0, 1)",
                Vec::new(),
            );
            for at in 0..7 {
                add_instance(change, if at % 2 == 0 { "shop-ios" } else { "other-ios" }, &format!("key-{at}"));
            }
        })
        .await;
        assert_eq!(symbolon(&world.file(), &["key", "rotate"], "").await.0, Some(0));
        for (family, member, key, size) in [
            ("user", "users", "user", "400"),
            ("client", "clients", "client_id", "2"),
            ("instance", "instances", "jkt", "3"),
            ("key", "keys", "kid", "1"),
        ] {
            let keys = |page: &Json| page[member].as_array().unwrap().iter().map(|it| it[key].clone()).collect::<Vec<_>>();
            let whole = answer(&world, &[family, "list"]).await;
            assert_eq!((&whole["outcome"], &whole["next"]), (&json!(member), &Json::Null));
            let (mut paged, mut page) = (Vec::new(), answer(&world, &[family, "list", "--limit", size]).await);
            loop {
                assert!(keys(&page).len() <= size.parse().unwrap());
                paged.extend(keys(&page));
                let Some(next) = page["next"].as_str().map(str::to_owned) else { break };
                page = answer(&world, &[family, "list", "--limit", size, "--after", &next]).await;
            }
            assert_eq!(paged, keys(&whole), "{family}");
            let lines = symbolon(&world.file(), &[family, "list"], "").await.1.lines().count();
            assert_eq!(lines, paged.len() + 1, "{family}: a line for each, and the head");
            let (_, _, remark) = symbolon(&world.file(), &[family, "list", "--limit", "1"], "").await;
            assert!(remark.contains("There are more: --after "), "{remark}");
        }
        assert_eq!(answer(&world, &["user", "list"]).await["users"].as_array().unwrap().len(), 1_102);
        world.stop().await;
    }
}

/// A revocation of more installations than one step takes.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_revocation_reaches_every_installation() {
    for engine in engines() {
        let world = World::start(engine).await;
        apply(&world, |change| {
            (0..1_050).for_each(|at| add_instance(change, "shop-ios", &format!("key-{at}")));
            add_instance(change, "other-ios", "key-1");
        })
        .await;
        let preview = answer(&world, &["instance", "revoke", "--client", "shop-ios", "--preview"]).await;
        assert_eq!((preview["instances"].as_array().unwrap().len(), &preview["preview"]), (1_050, &json!(true)));
        assert_eq!(world.audited("instance_revoked").await, 0, "a preview does nothing");
        let (code, said, error) = symbolon(&world.file(), &["instance", "revoke", "--client", "shop-ios"], "").await;
        assert_eq!((code, said.as_str()), (Some(0), "1050 installations are revoked; 0 grants ended\n"), "{error}");
        assert_eq!(error, "1000 installations revoked so far\n");
        assert_eq!(world.audited("instance_revoked").await, 1_050);
        let left = answer(&world, &["instance", "show", "key-1"]).await;
        let states: Vec<&Json> = left["installations"].as_array().unwrap().iter().map(|it| &it["state"]).collect();
        assert_eq!(states, ["active", "revoked"], "the other client's goes on");
        world.stop().await;
    }
}

/// `--json` has no secret in it: what is made goes into a file that is the operator's alone, and works.
#[tokio::test(flavor = "multi_thread")]
async fn json_shows_no_secret() {
    let world = World::start(Engine::Sqlite).await;
    let (list, file) = (world.directory.join("clients.json"), world.directory.join("secrets.jsonl"));
    let robot = |id: &str| json!({ "client_id": id, "grant_types": ["client_credentials"], "scope": "orders:read" });
    std::fs::write(&list, json!([robot("one"), robot("two")]).to_string()).unwrap();
    let import = ["client", "import", list.to_str().unwrap()];
    let (code, said, error) = symbolon(&world.file(), &[&import[..], &["--json"]].concat(), "").await;
    assert_eq!((code, said.as_str()), (Some(1), ""));
    assert!(error.contains("--secrets FILE"), "{error}");
    assert_eq!(world.audited("client_registered").await, 0);
    let to_file = [&import[..], &["--secrets", file.to_str().unwrap()]].concat();
    let outcome = answer(&world, &to_file).await;
    assert_eq!((&outcome["accepted"], &outcome["clients"][0]["secret_made"]), (&json!(2), &json!(true)));
    let made = std::fs::read_to_string(&file).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    let made: Vec<Json> = made.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(made.len(), 2);
    for line in &made {
        let (id, secret) = (line["client_id"].as_str().unwrap(), line["client_secret"].as_str().unwrap());
        assert!(!outcome.to_string().contains(secret));
        let form = [("grant_type", "client_credentials"), ("scope", "orders:read")];
        let request = world.http.post(world.url("/token")).basic_auth(id, Some(secret)).form(&form);
        assert_eq!(request.send().await.unwrap().status(), 200);
        let shown = answer(&world, &["client", "show", id]).await;
        assert_eq!(shown["secret"], json!({ "digest": "argon2id", "master_key": null }));
        assert!(!shown.to_string().contains("$argon2id$"), "{shown}");
    }
    let again = [&to_file[..], &["--replace"]].concat();
    let (code, _, error) = symbolon(&world.file(), &again, "").await;
    assert!(code == Some(1) && error.contains("nothing was done"), "never over an existing file: {error}");
    assert_eq!(world.audited("client_replaced").await, 0);
    let (code, said, _) = symbolon(&world.file(), &[&import[..], &["--replace"]].concat(), "").await;
    assert!(code == Some(0) && said.matches("client_secret, shown this once: ").count() == 2, "{said}");
    world.stop().await;
}

/// A reader that has read enough ends a command without a complaint.
#[tokio::test(flavor = "multi_thread")]
async fn a_closed_output_ends_a_command() {
    let world = World::start(Engine::Sqlite).await;
    apply(&world, |change| {
        (0..3_000).for_each(|at| change.audit(symbolon::audit::Entry::ok("long").with("n", at)));
    })
    .await;
    for words in [&["audit", "--all"][..], &["audit", "--all", "--follow"]] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_symbolon"))
            .arg("-c")
            .arg(world.file())
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (code, error) = tokio::task::spawn_blocking(move || {
            let mut lines = BufReader::with_capacity(64, child.stdout.take().unwrap()).lines();
            assert!(lines.next().unwrap().unwrap().starts_with('{'));
            drop(lines);
            let mut error = String::new();
            child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
            (child.wait().unwrap().code(), error)
        })
        .await
        .unwrap();
        assert_eq!((code, error.as_str()), (Some(0), ""), "{words:?}");
    }
    world.stop().await;
}

/// An account that was made and deleted after the copy is unknown to the restored store; that stops nothing.
#[tokio::test(flavor = "multi_thread")]
async fn recovering_goes_on_where_an_account_is_unknown() {
    let world = World::start(Engine::Sqlite).await.restarted(keep).await;
    for words in [&["user", "add", "zoe"][..], &["user", "delete", "zoe", "--yes"], &["user", "disable", "alice"]] {
        assert_eq!(symbolon(&world.file(), words, "a long password\n").await.0, Some(0));
    }
    let audit = world.directory.join("audit.jsonl");
    std::fs::write(&audit, symbolon(&world.file(), &["audit", "--since", "1h", "--all"], "").await.1).unwrap();
    let mut world = world;
    world.running.stop_in_place().await;
    restore(&world);
    let bad = world.directory.join("bad.jsonl");
    std::fs::write(&bad, "{}\nnonsense\n").unwrap();
    let (code, _, error) = symbolon(&world.file(), &["recover", "--audit", bad.to_str().unwrap()], "").await;
    assert!(code == Some(1) && error.contains("line 2: not an audit entry"), "{error}");
    let done = answer(&world, &["recover", "--audit", audit.to_str().unwrap()]).await;
    assert_eq!(done["epoch"], 2, "the refusal had done nothing: {done}");
    assert!(done["replayed"]["ended_again"].as_u64().unwrap() >= 2, "{done}");
    assert_eq!(answer(&world, &["user", "show", "alice"]).await["state"], "disabled");
    let _ = std::fs::remove_dir_all(&world.directory);
}
