//! `symbolon user`: what a help desk does for people, and to them. And the master key, when it changes.

use crate::commands::symbolon;
use crate::world::passkeys::Keys;
use crate::world::*;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use symbolon::store::{Change, Value};
use symbolon_phone::authenticator::Authenticator;

async fn ok(world: &World, words: &[&str]) -> String {
    let (code, said, error) = symbolon(&world.file(), words, "").await;
    assert_eq!(code, Some(0), "{words:?}: {error}");
    said
}

async fn refused(world: &World, words: &[&str], why: &str) {
    let (code, _, error) = symbolon(&world.file(), words, "").await;
    assert!(code == Some(1) && error.contains(why), "{words:?}: {error}");
}

/// Gives somebody an authenticator, as enrolling does.
async fn enrol(world: &World, account: &str, secret: &[u8]) {
    let app = world.running.shared.now();
    let sealed = app.keyring.seal(&format!("credential/totp/{account}"), secret).unwrap();
    let sql = "INSERT INTO credential (account, kind, id, secret, created_ms, used_ms) VALUES ($1, $2, '', $3, 0, 0)";
    let mut change = Change::new(app.now_ms());
    change.run(sql, vec![account.into(), "totp".into(), sealed.into()]);
    change.run(sql, vec![account.into(), "recovery".into(), Value::from(&b"digest"[..])]);
    app.store.apply(change).await.unwrap();
}

async fn sub(world: &World, name: &str) -> String {
    ok(world, &["user", "show", name]).await.lines().next().unwrap().split_whitespace().nth(1).unwrap().to_owned()
}

/// Can this name sign in with the password alone?
async fn signs_in(world: &World, name: &str) -> bool {
    let mut browser = Browser::default();
    let page = browser.visit(world, "/account").await;
    browser.submit_password(world, &page, name, PASSWORD).await.status == 303
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_and_claims_are_changed() {
    on_every_engine(|world| async move {
        world.person("bob").await;
        ok(&world, &["user", "change", "alice", "--email", "alice@new.example", "--claim", "customer_id=c-2", "--claim", "tier=gold"])
            .await;
        let shown = ok(&world, &["user", "show", "alice"]).await;
        assert!(shown.contains("alice@new.example (proved)") && shown.contains("c-2") && shown.contains("gold"), "{shown}");
        assert!(shown.contains("alice of Example"), "what was not named stays: {shown}");
        assert!(signs_in(&world, "alice@new.example").await && !signs_in(&world, "alice@example.com").await);
        let token = world.tokens("orders:read").await["access_token"].as_str().unwrap().to_owned();
        assert_eq!(claims(&token)["customer_id"], "c-2");
        ok(&world, &["user", "change", "alice", "--no-claim", "tier", "--display-name", "Alice"]).await;
        let shown = ok(&world, &["user", "show", "alice"]).await;
        assert!(!shown.contains("gold") && shown.contains("name      Alice"), "{shown}");
        refused(&world, &["user", "change", "alice", "--email", "bob@example.com"], "somebody else's").await;
        refused(&world, &["user", "change", "alice", "--email", "nonsense"], "is no e-mail address").await;
        refused(&world, &["user", "change", "alice", "--no-claim", "tier"], "has no claim").await;
        refused(&world, &["user", "change", "alice", "--claim", "tier"], "NAME=VALUE").await;
        assert!(ok(&world, &["user", "show", "alice"]).await.contains("alice@new.example"), "a refusal changes nothing");
        world.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_authenticator_is_taken_away() {
    on_every_engine(|world| async move {
        let refresh = world.tokens("orders:read").await["refresh_token"].as_str().unwrap().to_owned();
        enrol(&world, &sub(&world, "alice").await, &[7; 20]).await;
        assert!(!signs_in(&world, "alice").await, "asked for the second factor");
        ok(&world, &["user", "remove-totp", "alice"]).await;
        assert!(signs_in(&world, "alice").await);
        assert!(ok(&world, &["user", "show", "alice"]).await.contains("authenticator: 0, recovery codes: 0"));
        assert_eq!(world.refresh(&refresh).await.0, 400, "whoever has the lost phone is out");
        world.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_passkey_is_taken_away() {
    for engine in engines() {
        let keys = Keys::start(engine, "").await;
        let (mut lost, mut other, mut browser) = (Authenticator::default(), Authenticator::security_key(), Browser::default());
        keys.add(&mut browser, &mut lost, "alice").await;
        keys.add(&mut browser, &mut other, "alice").await;
        let world = &keys.world;
        let shown = ok(world, &["user", "show", "alice"]).await;
        let ids: Vec<&str> = shown.lines().filter_map(|line| line.strip_prefix("passkey   ")?.split(' ').next()).collect();
        assert_eq!(ids.len(), 2, "{shown}");
        refused(world, &["user", "remove-passkey", "alice", "x"], "alice has no passkey x").await;
        let (code, _, error) = symbolon(&world.file(), &["user", "remove-passkey", "alice"], "").await;
        assert!(code == Some(2) && error.contains("PASSKEY"), "one of several is not guessed: {error}");
        assert!(browser.visit(world, "/account").await.says("Your account"), "nothing has changed");
        let seen = keys.mailbox.letters().len();
        let said = ok(world, &["user", "remove-passkey", "alice", ids[0]]).await;
        assert!(said.contains("1 passkey of alice removed"), "{said}");
        // The letters about what was added may come meanwhile.
        let mut after = seen;
        while !keys.mailbox.wait("alice@example.com", after).await.unwrap().subject().unwrap().contains("A passkey was removed") {
            after += 1;
        }
        let page = browser.visit(world, "/account").await;
        assert!(page.asks_for("password"), "the sessions are over: {}", page.html);
        let page = keys.use_it(&mut browser, &page, &mut lost).await;
        assert!(page.says("does not work here any more"), "{}", page.html);
        assert_eq!(keys.use_it(&mut browser, &page, &mut other).await.status, 303, "the twin");
        ok(world, &["user", "remove-passkey", "alice", "--all"]).await;
        refused(world, &["user", "remove-passkey", "alice", "--all"], "alice has no passkey").await;
        assert_eq!(world.audited("passkey_removed").await, 2);
        keys.world.stop().await;
    }
}

/// With what the provider gave for it. Another person's identity stays.
#[tokio::test(flavor = "multi_thread")]
async fn an_identity_at_a_provider_is_taken_away() {
    on_every_engine(|world| async move {
        world.person("bob").await;
        for (name, subject) in [("alice", "7"), ("bob", "8")] {
            link(&world, &sub(&world, name).await, subject).await;
        }
        let shown = ok(&world, &["user", "show", "alice"]).await;
        let key = shown.lines().find_map(|line| line.strip_prefix("link      ")?.split(' ').next()).unwrap();
        refused(&world, &["user", "unlink", "bob", key], "bob has no link").await;
        let said = ok(&world, &["user", "unlink", "alice", key]).await;
        assert!(said.contains("the link of alice to upstream:acme is removed"), "{said}");
        refused(&world, &["user", "unlink", "alice", key], "alice has no link").await;
        let app = world.running.shared.now();
        for table in ["outside_identity", "provider_token", "provider_check"] {
            let sql: &'static str = format!("SELECT account FROM {table}").leak();
            let left: Vec<String> =
                app.store.all(sql, &[]).await.unwrap().iter().map(|row| row.text("account").unwrap().to_owned()).collect();
            assert_eq!(left, [sub(&world, "bob").await], "{table}");
        }
        drop(app);
        assert_eq!(world.audited("upstream_unlinked").await, 1);
        world.stop().await;
    })
    .await;
}

async fn link(world: &World, account: &str, subject: &str) {
    let app = world.running.shared.now();
    let mut change = Change::new(app.now_ms());
    let key = symbolon::login::accounts::link_key("https://acme.example.com", subject);
    let identity = "INSERT INTO outside_identity (issuer, subject, name, account, method, said, created_ms, used_ms) \
        VALUES ('https://acme.example.com', $1, $2, $3, 'upstream:acme', '{}', 1, 1)";
    change.run(identity, vec![subject.into(), key.as_str().into(), account.into()]);
    let token =
        "INSERT INTO provider_token (identity, account, provider, sealed, generation, updated_ms) VALUES ($1, $2, 'acme', $3, 1, 1)";
    change.run(token, vec![key.as_str().into(), account.into(), Value::from(&b"sealed"[..])]);
    let check = "INSERT INTO provider_check (identity, account, provider, checked_ms, next_ms) VALUES ($1, $2, 'acme', 1, 0)";
    change.run(check, vec![key.as_str().into(), account.into()]);
    app.store.apply(change).await.unwrap();
}

/// 050-C, 135-F, 374-Z
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_person_leaves_nothing_that_works() {
    on_every_engine(|world| async move {
        let tokens = world.tokens("openid orders:read").await;
        let (access, refresh) = (tokens["access_token"].as_str().unwrap().to_owned(), tokens["refresh_token"].as_str().unwrap().to_owned());
        let (code, verifier) = world.code("openid orders:read").await;
        let (twin, twins) = world.code("openid orders:read").await;
        assert_eq!(world.exchange(&twin, &twins).await.0, 200, "a code of somebody who is there works");
        let active = async || world.post("/introspect", &[("token", &access)], Some("orders")).await.1["active"].clone();
        assert_eq!(active().await, true);
        let gone = sub(&world, "alice").await;
        enrol(&world, &gone, &[7; 20]).await;
        assert!(!signs_in(&world, "alice").await, "asked for the second factor");
        refused(&world, &["user", "delete", "alice"], "say --yes").await;
        assert_eq!(active().await, true, "nothing was deleted yet");
        ok(&world, &["user", "delete", "alice", "--yes"]).await;
        let (status, body) = world.exchange(&code, &verifier).await;
        assert_eq!((status, body["error"].as_str()), (400, Some("invalid_grant")), "{body}");
        let (status, body) = world.refresh(&refresh).await;
        assert_eq!((status, body["error"].as_str()), (400, Some("invalid_grant")), "{body}");
        assert_eq!(active().await, false);
        assert!(!signs_in(&world, "alice").await);
        refused(&world, &["user", "show", "alice"], "nobody signs in as alice").await;
        let app = world.running.shared.now();
        for sql in [
            "SELECT account FROM login_name",
            "SELECT account FROM credential",
            "SELECT account FROM consent",
            "SELECT id AS account FROM account",
        ] {
            let left = app.store.all(sql, &[]).await.unwrap();
            assert!(left.iter().all(|it| it.text("account").unwrap() != gone), "{sql}");
        }
        drop(app);
        // The name is free again, for somebody else.
        world.person("alice").await;
        assert_ne!(sub(&world, "alice").await, gone);
        assert!(signs_in(&world, "alice").await, "the factor of whoever had the name before is not hers");
        assert_eq!(world.refresh(&refresh).await.0, 400);
        world.stop().await;
    })
    .await;
}

/// A sign-in that was on its way when everything was ended is written later, with an earlier beginning.
#[tokio::test(flavor = "multi_thread")]
async fn ending_all_sessions_also_ends_those_still_being_written() {
    on_every_engine(|world| async move {
        let refresh = world.tokens("orders:read").await["refresh_token"].as_str().unwrap().to_owned();
        world.advance_s(1);
        ok(&world, &["user", "end-sessions", "alice"]).await;
        let app = world.running.shared.now();
        let mut change = Change::new(app.now_ms());
        change.run("UPDATE session SET state = 'active', ended_ms = 0 WHERE state = 'ended'", Vec::new());
        app.store.apply(change).await.unwrap();
        assert_eq!(world.refresh(&refresh).await.0, 400);
        let after = world.tokens("orders:read").await["refresh_token"].as_str().unwrap().to_owned();
        assert_eq!(world.refresh(&after).await.0, 200, "one that began afterwards lives");
        world.stop().await;
    })
    .await;
}

/// What is sealed moves to the new master key, and then the old one can go.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_move_to_a_new_master_key() {
    for engine in engines() {
        let world = World::start(engine).await;
        let account = sub(&world, "alice").await;
        enrol(&world, &account, &[7; 20]).await;
        let key = world.directory.join("symbolon.key");
        let old = std::fs::read_to_string(&key).unwrap();
        let new = format!("2:{}\n", symbolon_oauth::base64url::encode(&symbolon::seal::random::<32>().unwrap()));
        let kids = world.get("/jwks").await.text().await.unwrap();
        let write = |text: String| {
            let key = key.clone();
            move |_: &World| std::fs::write(key, text).unwrap()
        };
        let world = world.restarted(write(format!("{new}{old}"))).await;
        let said = ok(&world, &["key", "rewrap"]).await;
        assert!(said.contains("1 signing key and 1 authenticator moved to master key 2"), "{said}");
        assert!(said.contains("Before master key 1 leaves") && said.contains("refresh tokens"), "{said}");
        assert!(ok(&world, &["key", "rewrap"]).await.contains("0 signing keys and 0 authenticators"));
        let world = world.restarted(write(new)).await;
        assert_eq!(world.get("/jwks").await.text().await.unwrap(), kids, "the same keys sign");
        let app = world.running.shared.now();
        let row = app.store.one("SELECT secret FROM credential WHERE kind = 'totp'", &[]).await.unwrap().unwrap();
        assert_eq!(app.keyring.open(&format!("credential/totp/{account}"), row.bytes("secret").unwrap()).as_deref(), Some(&[7; 20][..]));
        drop(app);
        world.stop().await;
    }
}

/// On a terminal what is typed is not shown. `script` makes the terminal.
#[test]
fn a_password_is_not_shown_while_it_is_typed() {
    if Command::new("script").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("skipped: there is no `script` here");
        return;
    }
    let random = symbolon_oauth::base64url::encode(&symbolon::seal::random::<9>().unwrap());
    let directory = std::env::temp_dir().join(format!("symbolon-typed-{random}"));
    let program = env!("CARGO_BIN_EXE_symbolon");
    assert!(Command::new(program).arg("init").arg(&directory).stdout(Stdio::null()).status().unwrap().success());
    let line = format!("{program} -c {}/symbolon.toml user add bob", directory.display());
    let type_in = |answers: [&str; 2]| {
        let mut child =
            Command::new("script").args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (mut seen, mut bytes) = (String::new(), [0; 1024]);
        for (prompt, answer) in ["then Enter:", "once more:"].iter().zip(answers) {
            while !seen.contains(prompt) {
                let read = screen.read(&mut bytes).unwrap();
                assert!(read > 0, "{seen}");
                seen += &String::from_utf8_lossy(&bytes[..read]);
            }
            keys.write_all(format!("{answer}\n").as_bytes()).unwrap();
        }
        screen.read_to_string(&mut seen).unwrap();
        (child.wait().unwrap().success(), seen)
    };
    let (done, seen) = type_in(["hidden-password-1", "hidden-password-2"]);
    assert!(!done && seen.contains("not the same") && !seen.contains("hidden-password"), "{seen}");
    let (done, seen) = type_in(["hidden-password-1", "hidden-password-1"]);
    assert!(done && seen.contains("bob can sign in") && !seen.contains("hidden-password"), "{seen}");
    std::fs::remove_dir_all(&directory).unwrap();
}
