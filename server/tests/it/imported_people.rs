//! `symbolon user import`: people of another system come with the digests of their passwords, and sign in as before.

use crate::commands::symbolon;
use crate::world::*;
use serde_json::{Value as Json, json};
use symbolon::store::Change;

const SUB: &str = "7b1c6c1e-3f9d-4c5e-9a52-1d2f3a4b5c6d";

/// Writes the lines and imports them; answers the exit code and what was printed.
async fn import(world: &World, lines: &str, words: &[&str]) -> (Option<i32>, String, String) {
    let file = world.directory.join("people.jsonl");
    std::fs::write(&file, lines).unwrap();
    let all: Vec<&str> = ["user", "import", file.to_str().unwrap()].iter().chain(words).copied().collect();
    symbolon(&world.file(), &all, "").await
}

async fn count(world: &World, sql: &'static str) -> i64 {
    world.running.shared.now().store.one(sql, &[]).await.unwrap().unwrap().int("count").unwrap()
}

async fn digest(world: &World, name: &str) -> String {
    let app = world.running.shared.now();
    app.accounts().by_name(name).await.unwrap().unwrap().password.unwrap_or_default()
}

async fn signs_in(world: &World, name: &str, password: &str) -> bool {
    let mut browser = Browser::default();
    let page = browser.open(world, &Ask::native("openid")).await;
    browser.submit_password(world, &page, name, password).await.has_code()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_keep_their_passwords_and_the_digest_is_replaced_at_the_next_sign_in() {
    on_every_engine(|world| async move {
        let bcrypt = bcrypt::hash("correct horse", 6).unwrap();
        let short = bcrypt::hash("short", 6).unwrap();
        let lines = [
            json!({ "login_names": ["bea"], "email": "bea@example.com", "email_verified": true, "name": "Bea", "locale": "de",
                "claims": { "customer_id": "c-7" }, "sub": SUB, "password_hash": bcrypt }),
            json!({ "login_names": ["sam"], "password_hash": short }),
            json!({ "email": "nobody@example.com", "email_verified": true }),
            json!({ "login_names": ["gone"], "disabled": true, "password_hash": bcrypt }),
        ]
        .map(|line| line.to_string())
        .join("\r\n");
        let lines = format!("\u{feff}{lines}\r\n\r\n");
        let before = count(&world, "SELECT count(*) AS count FROM account").await;
        let (code, said, _) = import(&world, &lines, &["--dry-run"]).await;
        assert!(code == Some(0) && said.contains("4 would be added, 0 refused"), "{said}");
        assert_eq!(count(&world, "SELECT count(*) AS count FROM account").await, before, "a dry run does nothing");
        let (code, said, error) = import(&world, &lines, &[]).await;
        assert!(code == Some(0) && said.contains("4 added, 0 refused"), "{said}{error}");
        assert_eq!(count(&world, "SELECT count(*) AS count FROM account").await, before + 4);
        let made = world.entries("account_created").await;
        assert!(made.last().unwrap()["actor"]["kind"].is_string(), "{made:?}");

        assert_eq!(digest(&world, "bea").await, bcrypt);
        assert!(!signs_in(&world, "bea", "wrong horse").await);
        assert_eq!(digest(&world, "bea").await, bcrypt, "a wrong password replaces nothing");
        let mut browser = Browser::default();
        let ask = Ask::native("openid orders:read");
        let page = browser.open(&world, &ask).await;
        let done = browser.submit_password(&world, &page, "bea@example.com", "correct horse").await;
        let tokens = world.exchange(&done.code(), &ask.verifier).await.1;
        let token = claims(tokens["access_token"].as_str().unwrap());
        assert_eq!((token["sub"].as_str(), token["customer_id"].as_str()), (Some(SUB), Some("c-7")), "{token}");
        assert!(digest(&world, "bea").await.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(world.refresh(refresh_token(&tokens)).await.0 == 200, "nothing of the person has ended by that");
        assert!(signs_in(&world, "bea", "correct horse").await && !signs_in(&world, "bea", "wrong horse").await);
        // Too short to be chosen here: it is good as it was.
        assert!(signs_in(&world, "sam", "short").await);
        assert_eq!(digest(&world, "sam").await, short);
        assert!(!signs_in(&world, "gone", "correct horse").await, "disabled there, disabled here");
        assert_eq!(digest(&world, "gone").await, bcrypt);
        assert!(!signs_in(&world, "nobody@example.com", "").await);

        // The audit knows people by the sub that they came with.
        let audit = async |sub: &str| symbolon(&world.file(), &["audit", "--account", sub], "").await;
        let (code, said, error) = audit(SUB).await;
        assert!(code == Some(0) && said.lines().count() > 1, "{said}{error}");
        let (code, said, error) = audit(&SUB.replace(&SUB[..1], "~")).await;
        assert!(code == Some(1) && said.is_empty() && error.contains("it is no sub"), "{said}{error}");

        // Once more: refused, or passed over.
        let (code, said, _) = import(&world, &lines, &[]).await;
        assert!(code == Some(1) && said.contains("line 1 (bea): somebody has the name \"bea\" already"), "{said}");
        let (code, said, _) = import(&world, &lines, &["--skip-existing"]).await;
        assert!(code == Some(0) && said.contains("0 added, 4 there already, 0 refused"), "{said}");
        world.stop().await;
    })
    .await;
}

/// A wrong line is refused with its reason, by itself: the others come in.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_wrong_is_refused_with_its_reason() {
    let world = Configuration::on(Engine::Sqlite)
        .await
        .with("[mail]\nserver = \"127.0.0.1\"\nport = 1\nsecurity = \"none\"\nfrom = \"no-reply@example.com\"\n[login.default]\nrequire = [\"password\", \"email\"]\n[registration]\nemail_domains = [\"example.com\"]\n[client.a-client-with-a-long-name]\nkind = \"native\"\nredirect_uris = [\"https://x.example.com/cb\"]")
        .start()
        .await;
    let good = json!({ "login_names": ["good"], "password_hash": bcrypt::hash("correct horse", 6).unwrap() });
    let cases = [
        (json!("text"), "cannot be read"),
        (json!({ "login_names": ["x"], "pasword_hash": "x" }), "unknown field `pasword_hash`"),
        (json!({}), "1 to 10 names"),
        (json!({ "login_names": ["a b"] }), "no login name"),
        (json!({ "email": "x@other.example" }), "email_domains"),
        (json!({ "email": "nonsense" }), "no e-mail address"),
        (json!({ "login_names": ["y"], "email_verified": true }), "without email"),
        (json!({ "login_names": ["z"], "password_hash": "plain text" }), "none of bcrypt"),
        (json!({ "login_names": ["w"], "password_hash": { "passwordHash": "AAAA", "salt": "AAAA" } }), "--firebase FILE"),
        (json!({ "login_names": ["v"], "sub": "short" }), "20 to 255 visible"),
        (json!({ "login_names": ["u"], "sub": "a-client-with-a-long-name" }), "the id of a client"),
        (json!({ "login_names": ["alice"] }), "already"),
        (json!({ "login_names": ["t"], "locale": "" }), "locale has 1 to 35"),
        (json!({ "login_names": ["GOOD"] }), "line 1 has that name too"),
    ];
    let mut lines = vec![good.to_string()];
    lines.extend(cases.iter().map(|(line, _)| line.to_string()));
    lines.push(json!({ "login_names": ["last"] }).to_string());
    for dry in [true, false] {
        let words: &[&str] = if dry { &["--dry-run", "--json"] } else { &["--json"] };
        let (code, said, error) = import(&world, &lines.join("\n"), words).await;
        assert_eq!(code, Some(1), "{error}");
        let outcome: Json = serde_json::from_str(&said).unwrap();
        assert_eq!(outcome["outcome"], "users_imported", "{said}");
        assert_eq!((outcome["added"].as_u64(), outcome["refused_lines"].as_u64()), (Some(2), Some(cases.len() as u64)), "{said}");
        for (at, (line, why)) in cases.iter().enumerate() {
            let refused = outcome["refused"].as_array().unwrap().iter().find(|it| it["line"] == at + 2).unwrap();
            assert!(refused["problem"].as_str().unwrap().contains(why), "{line}: {refused}");
        }
    }
    assert!(signs_in(&world, "good", "correct horse").await);
    // A message of the server never repeats a digest.
    let (_, said, error) =
        import(&world, &json!({ "login_names": ["good"], "password_hash": "$2b$06$secretsecret" }).to_string(), &[]).await;
    assert!(!said.contains("secretsecret") && !error.contains("secretsecret"), "{said}{error}");
    let (code, _, error) = import(&world, &format!("{{\"name\":\"{}\"}}", "x".repeat(20_000)), &[]).await;
    assert!(code == Some(1) && error.contains("line 1 is longer than 16384 bytes"), "{error}");
    let (code, _, error) = symbolon(&world.file(), &["user", "import", "/nowhere.jsonl"], "").await;
    assert!(code == Some(1) && error.contains("/nowhere.jsonl"), "{error}");
    world.stop().await;
}

/// A former version wrote names of another width as they were. Whoever came in then does not come in a second time.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_as_former_versions_wrote_it_is_taken() {
    on_every_engine(|world| async move {
        let owner = world.person("owner").await;
        let wide = "\u{ff5a}\u{ff4f}\u{ff45}";
        let mut change = Change::new(0);
        change.run("INSERT INTO login_name (name, account) VALUES ($1, $2)", vec![wide.into(), owner.as_str().into()]);
        world.running.shared.now().store.apply(change).await.unwrap();
        let line = json!({ "login_names": [wide] }).to_string();
        let (code, said, error) = import(&world, &line, &[]).await;
        assert!(code == Some(1) && said.contains("already"), "{said}{error}");
        let (code, said, error) = import(&world, &line, &["--skip-existing"]).await;
        assert!(code == Some(0) && said.contains("0 added, 1 there already, 0 refused"), "{said}{error}");
        let (code, said, error) = import(&world, &json!({ "login_names": ["zoe"] }).to_string(), &[]).await;
        assert!(code == Some(0) && said.contains("1 added, 0 refused"), "the twin: {said}{error}");
        world.stop().await;
    })
    .await;
}

/// More people than one message holds, and without a server too.
#[tokio::test(flavor = "multi_thread")]
async fn many_people_come_in_several_messages() {
    for engine in engines() {
        let world = World::start(engine).await;
        let lines: Vec<String> = (0..700).map(|number| json!({ "login_names": [format!("person-{number}")] }).to_string()).collect();
        let (code, said, error) = import(&world, &lines.join("\n"), &[]).await;
        assert!(code == Some(0) && said.contains("700 added, 0 refused"), "{said}{error}");
        assert_eq!(count(&world, "SELECT count(*) AS count FROM login_name WHERE name LIKE 'person-%'").await, 700);
        world.stop().await;
    }
}

/// A name that turns text round, or moves the cursor, is written out where a terminal shows it.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_seen_is_written_out_on_a_terminal() {
    let world = World::start(Engine::Sqlite).await;
    let lines = json!({ "login_names": ["eve"], "name": "Eve \u{202e}nimda\u{1b}[2J\u{200b}" }).to_string();
    assert_eq!(import(&world, &lines, &[]).await.0, Some(0));
    let (_, said, _) = symbolon(&world.file(), &["user", "show", "eve"], "").await;
    assert!(said.contains("Eve \\u{202e}nimda\\u{1b}[2J\\u{200b}"), "{said}");
    let (code, _, error) = symbolon(&world.file(), &["user", "show", "no\u{202e}body"], "").await;
    assert!(code == Some(1) && error.contains("\\u{202e}") && !error.contains('\u{202e}'), "{error}");
    let (_, said, _) = symbolon(&world.file(), &["user", "show", "eve", "--json"], "").await;
    assert!(
        serde_json::from_str::<Json>(&said).unwrap()["display_name"].as_str().unwrap().contains('\u{202e}'),
        "programs get it as it is"
    );
    world.stop().await;
}
