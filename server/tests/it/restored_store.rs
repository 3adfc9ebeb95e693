//! The store restored from an older copy, and answers of the store that are lost: what store.md promises, through HTTP.
//! 625-Q, 630-Q.

use crate::world::*;
use std::path::{Path, PathBuf};
use std::process::Command;
use symbolon::store::Store;
use symbolon::store::faults::{Fate, Plan};

fn files(directory: &Path) -> Vec<PathBuf> {
    ["test.db", "test.db-wal", "test.db-shm"].iter().map(|it| directory.join(it)).collect()
}

/// Copies the store's files aside.
pub fn keep(world: &World) {
    std::fs::copy(world.directory.join("test.db"), world.directory.join("kept.db")).unwrap();
}

pub fn restore(world: &World) {
    for file in files(&world.directory) {
        let _ = std::fs::remove_file(file);
    }
    std::fs::copy(world.directory.join("kept.db"), world.directory.join("test.db")).unwrap();
}

pub fn command(world: &World, words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_symbolon")).arg("-c").arg(world.file()).args(words).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The store forgot two refreshes that were acknowledged: the newest token is genuine, and is honoured, and it is said.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_newer_than_the_restored_store_is_honoured() {
    let world = World::start(Engine::Sqlite).await;
    let mut token = world.tokens("openid orders:read").await["refresh_token"].as_str().unwrap().to_owned();
    let world = world.restarted(keep).await;
    for _ in 0..2 {
        token = world.refresh(&token).await.1["refresh_token"].as_str().unwrap().to_owned();
    }
    let world = world.restarted(restore).await;
    let (status, answer) = world.refresh(&token).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(world.audited("store_behind").await, 1);
    let (status, _) = world.refresh(answer["refresh_token"].as_str().unwrap()).await;
    assert_eq!(status, 200);
    // The twin: one that nobody issued is as wrong as ever.
    let mut forged = token.clone();
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'B' } else { 'A' });
    assert_eq!(world.refresh(&forged).await.0, 400);
    world.stop().await;
}

/// `symbolon recover`: what was in flight is void, and what the audit says had ended ends again.
#[tokio::test(flavor = "multi_thread")]
async fn recovering_voids_what_was_in_flight_and_ends_what_had_ended() {
    let world = World::start(Engine::Sqlite).await;
    let ended = world.tokens("openid orders:read").await["refresh_token"].as_str().unwrap().to_owned();
    world.person("bob").await;
    let mut browser = Browser::default();
    let bobs = Ask::native("openid orders:read");
    let back = browser.sign_in(&world, &bobs, "bob").await;
    let kept = world.exchange(&back["code"], &bobs.verifier).await.1["refresh_token"].as_str().unwrap().to_owned();
    let (code, verifier) = world.code("openid").await;
    let ask = Ask::native("openid");
    let mut waiting = Browser::default();
    let page = waiting.open(&world, &ask).await;
    let world = world.restarted(keep).await;
    command(&world, &["user", "end-sessions", "alice"]);
    assert_eq!(world.refresh(&ended).await.0, 400);
    let audit = command(&world, &["audit", "--since", "1h", "--limit", "100000"]);
    std::fs::write(world.directory.join("audit.jsonl"), audit).unwrap();

    let world = world
        .restarted(|world| {
            restore(world);
            let said = command(world, &["recover", "--audit", world.directory.join("audit.jsonl").to_str().unwrap()]);
            assert!(said.contains("Epoch 2") && said.contains("1 end of the audit"), "{said}");
        })
        .await;
    let (status, answer) = world.refresh(&ended).await;
    assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_grant")));
    assert_eq!(world.refresh(&kept).await.0, 200, "what had not ended goes on");
    assert_eq!(world.exchange(&code, &verifier).await.0, 400, "codes are void");
    let late = waiting.submit_password(&world, &page, "alice", PASSWORD).await;
    assert_eq!(late.status, 400, "sign-ins under way are void");
    let anew = waiting.sign_in(&world, &ask, "alice").await;
    assert!(anew.contains_key("code"), "a new one works");
    world.stop().await;
}

/// Clients that were disabled, installations that were revoked and people who were disabled after the copy was made are so again.
#[tokio::test(flavor = "multi_thread")]
async fn recovering_takes_away_again_what_was_taken_away() {
    let world = World::start(Engine::Sqlite).await;
    let metadata =
        |id: &str| serde_json::json!({ "client_id": id, "application_type": "native", "redirect_uris": ["https://i.example.com/cb"] });
    std::fs::write(world.directory.join("clients.json"), serde_json::json!([metadata("leaked"), metadata("sound")]).to_string()).unwrap();
    let world = world
        .restarted(|world| {
            command(world, &["client", "import", world.directory.join("clients.json").to_str().unwrap()]);
        })
        .await;
    let app = world.running.shared.now();
    let mut change = symbolon::store::Change::new(app.now_ms());
    for jkt in ["stolen", "kept"] {
        let sql = "INSERT INTO instance (client, jkt, state, platform, tier, evidence_key, counter, facts, created_ms, attested_ms) \
            VALUES ('leaked', $1, 'active', 'ios', 'hardware', $2, 0, '{}', 0, 0)";
        change.run(sql, vec![jkt.into(), symbolon::store::Value::Bytes(Vec::new())]);
    }
    app.store.apply(change).await.unwrap();
    drop(app);
    world.person("bob").await;
    let world = world.restarted(keep).await;
    let store = world.running.shared.now().store.clone();
    let mut later = symbolon::store::Change::new(world.running.shared.now().now_ms());
    later.audit(symbolon::audit::Entry::ok("instance_revoked").client("leaked").with("jkt", "attested-later"));
    store.apply(later).await.unwrap();
    drop(store);
    for words in [&["client", "disable", "leaked"][..], &["instance", "revoke", "stolen"], &["user", "disable", "bob"]] {
        command(&world, words);
    }
    std::fs::write(world.directory.join("audit.jsonl"), command(&world, &["audit", "--since", "1h", "--all"])).unwrap();
    let world = world
        .restarted(|world| {
            restore(world);
            let said = command(world, &["recover", "--audit", world.directory.join("audit.jsonl").to_str().unwrap()]);
            assert!(said.contains("cannot be brought back: the installation attested-later"), "{said}");
            assert!(!said.contains("installation stolen"), "{said}");
        })
        .await;
    let shown = |words: &[&str]| command(&world, words);
    assert!(shown(&["client", "list"]).lines().any(|it| it.starts_with("leaked ") && it.contains("disabled")));
    assert!(shown(&["client", "list"]).lines().any(|it| it.starts_with("sound ") && it.contains("import")));
    let cut = world.running.shared.now().store.all("SELECT key FROM cutoff WHERE kind = 'client'", &[]).await.unwrap();
    assert_eq!(cut.iter().map(|it| it.text("key").unwrap()).collect::<Vec<_>>(), ["leaked"]);
    assert!(shown(&["instance", "show", "stolen"]).contains("revoked") && shown(&["instance", "show", "kept"]).contains("active"));
    assert!(shown(&["user", "show", "bob"]).contains("disabled") && shown(&["user", "show", "alice"]).contains("active"));
    world.stop().await;
}

/// A passkey that was removed and an identity that was unlinked after the copy was made are gone again. Those beside them stay.
#[tokio::test(flavor = "multi_thread")]
async fn recovering_takes_away_again_what_signed_people_in() {
    let world = World::start(Engine::Sqlite).await;
    let app = world.running.shared.now();
    let account = app.accounts().by_typed_name("alice").await.unwrap().unwrap().id;
    let mut change = symbolon::store::Change::new(app.now_ms());
    for name in ["lost", "kept"] {
        let passkey = "INSERT INTO passkey (rp_id, id, account, public_id, public_key, counter, transports, backup_eligible, backed_up, \
            user_verified, discoverable, aaguid, attested, name, created_ms, used_ms) \
            VALUES ('a.example', $1, $2, $1, $3, 0, '', 0, 0, 1, 1, $3, 0, '', 0, 0)";
        change.run(passkey, vec![name.into(), account.as_str().into(), symbolon::store::Value::Bytes(vec![0; 16])]);
        let identity = "INSERT INTO outside_identity (issuer, subject, name, account, method, said, created_ms, used_ms) \
            VALUES ('https://op.example', $1, $1, $2, 'upstream:any', '{}', 0, 0)";
        change.run(identity, vec![name.into(), account.as_str().into()]);
    }
    app.store.apply(change).await.unwrap();
    drop(app);
    let world = world.restarted(keep).await;
    let app = world.running.shared.now();
    let mut later = symbolon::store::Change::new(app.now_ms());
    later.audit(symbolon::audit::Entry::ok("passkey_removed").account(account.as_str()).with("passkey", "lost").with("lost", false));
    later.audit(symbolon::audit::Entry::ok("upstream_unlinked").account(account.as_str()).with("identity", "lost"));
    later.audit(symbolon::audit::Entry::ok("instance_attested").client("genuine").with("jkt", "younger"));
    app.store.apply(later).await.unwrap();
    drop(app);
    std::fs::write(world.directory.join("audit.jsonl"), command(&world, &["audit", "--since", "1h", "--all"])).unwrap();
    let world = world
        .restarted(|world| {
            restore(world);
            let said = command(world, &["recover", "--audit", world.directory.join("audit.jsonl").to_str().unwrap()]);
            assert!(said.contains("installations of genuine, attested after the copy"), "{said}");
        })
        .await;
    let store = world.running.shared.now().store.clone();
    for sql in ["SELECT public_id AS name FROM passkey", "SELECT name FROM outside_identity"] {
        let left = store.all(sql, &[]).await.unwrap();
        assert_eq!(left.iter().map(|it| it.text("name").unwrap()).collect::<Vec<_>>(), ["kept"], "{sql}");
    }
    world.stop().await;
}

/// What ended every session of a person ends them again, with the browsers that were known. What ended none leaves them alone.
#[tokio::test(flavor = "multi_thread")]
async fn recovering_ends_again_every_session_that_a_lost_means_ended() {
    use symbolon::audit::Entry;
    use symbolon::store::Change;
    let by_operator = |event: &'static str| Entry { actor: Some(serde_json::json!({ "uid": 0 })), ..Entry::ok(event) };
    let cases = [
        ("lost", Entry::ok("passkey_removed").with("passkey", "x").with("lost", true), true),
        ("own", Entry::ok("passkey_removed").with("passkey", "x").with("lost", false), false),
        ("totp", by_operator("totp_removed"), true),
        ("owntotp", Entry::ok("totp_removed"), false),
        ("link", by_operator("upstream_unlinked").with("identity", "x"), true),
        ("ownlink", Entry::ok("upstream_unlinked").with("identity", "x"), false),
        ("stopped", Entry::ok("enrolment_stopped").with("means", "totp"), true),
        ("regain", Entry::ok("regain_stopped"), true),
        ("anew", Entry::ok("regained"), true),
        ("others", Entry::ok("other_sessions_ended"), true),
        ("named", Entry::ok("name_changed"), false),
    ];
    let world = World::start(Engine::Sqlite).await;
    let mut entries = Vec::new();
    for (name, entry, ends) in cases {
        world.person(name).await;
        Browser::default().sign_in(&world, &Ask::native("openid"), name).await;
        let app = world.running.shared.now();
        let account = app.accounts().by_name(name).await.unwrap().unwrap().id;
        let mut change = Change::new(app.now_ms());
        let known =
            "INSERT INTO known_device (account, device, label, proofs, first_ms, last_ms, until_ms) VALUES ($1, 'd', '', '[]', 0, 0, 0)";
        change.run(known, vec![account.as_str().into()]);
        change.run("INSERT INTO ticket (account, name, until_ms) VALUES ($1, $2, 0)", vec![account.as_str().into(), "x".into()]);
        app.store.apply(change).await.unwrap();
        entries.push((account.clone(), entry.account(account), ends));
    }
    let world = world.restarted(keep).await;
    let app = world.running.shared.now();
    let mut later = Change::new(app.now_ms());
    later.audit(Entry::ok("ticket_used").account(entries[1].0.as_str()));
    entries.iter().for_each(|(_, entry, _)| later.audit(entry.clone()));
    app.store.apply(later).await.unwrap();
    drop(app);
    std::fs::write(world.directory.join("audit.jsonl"), command(&world, &["audit", "--since", "1h", "--all"])).unwrap();
    let world = world
        .restarted(|world| {
            restore(world);
            command(world, &["recover", "--audit", world.directory.join("audit.jsonl").to_str().unwrap()]);
        })
        .await;
    let store = world.running.shared.now().store.clone();
    let count = async |sql: &'static str, account: &str| store.one(sql, &[account.into()]).await.unwrap().unwrap().int("count").unwrap();
    for (at, (account, entry, ends)) in entries.iter().enumerate() {
        let active = count("SELECT count(*) AS count FROM session WHERE account = $1 AND state = 'active'", account).await;
        let known = count("SELECT count(*) AS count FROM known_device WHERE account = $1", account).await;
        let tickets = count("SELECT count(*) AS count FROM ticket WHERE account = $1", account).await;
        let left = i64::from(!ends);
        assert_eq!((active, known, tickets), (left, left, i64::from(at != 1)), "{entry:?}");
    }
    world.stop().await;
}

/// A new password and a new address that were stopped after the copy was made: what they had replaced is in force again, and nothing of
/// it is said to be lost. Bob's, which nobody stopped, still waits.
#[tokio::test(flavor = "multi_thread")]
async fn recovering_stops_again_what_was_stopped() {
    use symbolon::audit::Entry;
    use symbolon::login::accounts::{self, Hashers};
    use symbolon::store::{Change, Value};
    let world = World::start(Engine::Sqlite).await;
    world.person("bob").await;
    let app = world.running.shared.now();
    let thiefs = Hashers::default().hash("the password of a thief").await.unwrap();
    let mut ids = Vec::new();
    for name in ["alice", "bob"] {
        let account = app.accounts().by_name(name).await.unwrap().unwrap();
        let mut change = Change::new(app.now_ms());
        accounts::replace_password(&mut change, &account.id, thiefs.clone());
        let new = format!("thief-of-{name}@example.com");
        accounts::set_email(&mut change, &account.id, (account.any_email.as_deref(), account.email.as_deref()), &new);
        let former = [("password", account.password.clone().unwrap()), ("email", account.email.clone().unwrap())];
        for (means, former) in former {
            let id: [u8; 16] = symbolon::seal::random().unwrap();
            let add = "INSERT INTO enrolment (id, account, means, enrolled_with, enrolled_ms, letters, told_ms, former) \
                VALUES ($1, $2, $3, 'email', $4, 0, 0, $5)";
            let values = vec![Value::from(&id[..]), account.id.as_str().into(), means.into(), app.now_ms().into(), former.into()];
            change.run(add, values);
        }
        app.store.apply(change).await.unwrap();
        ids.push(account.id);
    }
    drop(app);
    let world = world.restarted(keep).await;
    let app = world.running.shared.now();
    let mut later = Change::new(app.now_ms());
    for (means, event) in [("password", "password_changed"), ("email", "email_changed")] {
        let said = |event| Entry::ok(event).account(ids[0].as_str()).with("by", "a stop link");
        later.audit(said("enrolment_stopped").with("means", means));
        later.audit(said(event));
    }
    app.store.apply(later).await.unwrap();
    drop(app);
    std::fs::write(world.directory.join("audit.jsonl"), command(&world, &["audit", "--since", "1h", "--all"])).unwrap();
    let world = world
        .restarted(|world| {
            restore(world);
            let said = command(world, &["recover", "--audit", world.directory.join("audit.jsonl").to_str().unwrap()]);
            assert!(!said.contains("cannot be brought back"), "{said}");
        })
        .await;
    let app = world.running.shared.now();
    for (name, is_back) in [("alice", true), ("bob", false)] {
        let account = app.accounts().by_name(name).await.unwrap().unwrap();
        let own = format!("{name}@example.com");
        assert_eq!(account.email.as_deref() == Some(own.as_str()), is_back, "{name}: {:?}", account.email);
        assert_eq!((account.waiting.is_empty(), account.password.as_deref() != Some(thiefs.as_str())), (is_back, is_back), "{name}");
        let thief = app.accounts().by_name(&format!("thief-of-{name}@example.com")).await.unwrap();
        assert_eq!(thief.is_none(), is_back, "{name}");
    }
    drop(app);
    world.stop().await;
}

/// A world whose store loses the answer of the n-th change from now on.
async fn losing(engine: Engine, plan: &Plan) -> World {
    Configuration::on(engine).await.start_on(|it| Store::faulty(it, plan.clone()).unwrap()).await
}

/// COMMIT was sent and its answer lost: the client is told to try again, never that it failed, and the retry converges.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_costs_nobody_anything() {
    for engine in engines() {
        let plan = Plan::new(Vec::new());
        let world = losing(engine, &plan).await;
        let first = world.tokens("openid orders:read").await["refresh_token"].as_str().unwrap().to_owned();
        for fate in [Fate::Lose, Fate::LoseAnswer, Fate::Refuse] {
            plan.next(fate);
            let (status, answer) = world.refresh(&first).await;
            assert_eq!((status, answer["error"].as_str()), (503, Some("temporarily_unavailable")), "{fate:?}");
        }
        let (status, one) = world.refresh(&first).await;
        assert_eq!(status, 200, "{one}");
        let (_, two) = world.refresh(&first).await;
        assert_eq!(one["refresh_token"], two["refresh_token"], "one branch");
        plan.next(Fate::Delay(300));
        let next = one["refresh_token"].as_str().unwrap();
        let (slow, quick) = tokio::join!(world.refresh(next), async {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            world.refresh(next).await
        });
        assert_eq!((slow.0, quick.0, &slow.1["refresh_token"]), (200, 200, &quick.1["refresh_token"]), "a slow store, one branch");
        // A sign-in whose last change is lost: the same answer of the browser gets the code that was made.
        let ask = Ask::native("openid");
        let mut browser = Browser::default();
        let page = browser.open(&world, &ask).await;
        let fill = [("username", "alice"), ("password", PASSWORD)];
        plan.after(1, Fate::LoseAnswer);
        let lost = browser.submit(&world, &page, &fill, "continue").await;
        assert_eq!(lost.status, 503, "{}", lost.html);
        let again = browser.submit(&world, &page, &fill, "continue").await;
        let code = again.code();
        assert_eq!(world.exchange(&code, &ask.verifier).await.0, 200);
        world.stop().await;
    }
}
