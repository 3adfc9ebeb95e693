//! What was acknowledged survives power failures, torn files, a database that goes away at COMMIT, callers who go away, a stop under
//! load and other people's locks. Each with its twin.

use crate::killed_processes::{Server, live, post};
use crate::world::road::{Cut, Road};
use crate::world::*;
use serde_json::Value as Json;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use symbolon::store::{Change, Store, StoreOptions};
use tokio::io::AsyncWriteExt;

/// Keeps beside each file of a database what the disk surely has of it: its contents at the last fsync.
const POWER: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void keep(int fd) {
    char link[64], path[1024], part[1100], kept[1100], buffer[65536];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return;
    path[length] = 0;
    if (!strstr(path, "test.db")) return;
    snprintf(part, sizeof part, "%s.part", path);
    snprintf(kept, sizeof kept, "%s.kept", path);
    int from = open(path, O_RDONLY), to = open(part, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ssize_t some;
    while (from >= 0 && to >= 0 && (some = read(from, buffer, sizeof buffer)) > 0) if (write(to, buffer, some) != some) return;
    close(from);
    close(to);
    rename(part, kept);
}

int fsync(int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
    int done = real(fd);
    if (done == 0) keep(fd);
    return done;
}

int fdatasync(int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync");
    int done = real(fd);
    if (done == 0) keep(fd);
    return done;
}
"#;

const FILES: [&str; 3] = ["test.db", "test.db-wal", "test.db-shm"];

/// A server process whose disk loses what was never synced. `None`: this machine cannot do that.
async fn with_failing_power(directory: &Path, issuer: &str) -> Option<Server> {
    let (source, library) = (directory.join("power.c"), directory.join("power.so"));
    std::fs::write(&source, POWER).unwrap();
    let built = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).arg("-ldl").status();
    if !cfg!(target_os = "linux") || !built.is_ok_and(|it| it.success()) {
        println!("skipped: a C compiler on Linux is needed to make the disk lose writes");
        return None;
    }
    // What was there before is on the disk.
    for name in FILES {
        let (file, kept) = (directory.join(name), directory.join(format!("{name}.kept")));
        let _ = std::fs::remove_file(&kept);
        let _ = std::fs::copy(file, kept);
    }
    Some(Server::spawn(Server::command(&directory.join("symbolon.toml")).env("LD_PRELOAD", &library), issuer).await)
}

/// Power fails: of each file there is what was synced.
fn lose_what_was_not_synced(directory: &Path) {
    for name in FILES {
        let _ = std::fs::remove_file(directory.join(name));
        let kept = directory.join(format!("{name}.kept"));
        if kept.exists() {
            std::fs::copy(kept, directory.join(name)).unwrap();
        }
    }
}

/// 611-Q: what a 200 said of an end is on the disk before it is said; what had not ended goes on.
#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledged_end_survives_a_power_failure() {
    let world = World::start(Engine::Sqlite).await;
    let mut tokens = Vec::new();
    for _ in 0..6 {
        tokens.push(world.tokens("orders:read").await["refresh_token"].as_str().unwrap().to_owned());
    }
    let (code, verifier) = world.code("orders:read").await;
    let (issuer, directory) = (world.issuer.clone(), world.directory.clone());
    world.running.stop().await;
    let Some(mut server) = with_failing_power(&directory, &issuer).await else { return };
    let url = |path: &str| format!("{issuer}{path}");
    let redeeming = [("grant_type", "authorization_code"), ("client_id", "shop-ios"), ("code", &code), ("code_verifier", &verifier)];
    let (status, answer) = post(&server.http, &url("/token"), &redeeming).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    for at in 0..3 {
        let revoking = [("client_id", "shop-ios"), ("token", tokens[at].as_str())];
        let status = server.http.post(url("/revoke")).form(&revoking).send().await.unwrap().status();
        server.kill();
        assert_eq!(status, 200);
        lose_what_was_not_synced(&directory);
        server = with_failing_power(&directory, &issuer).await.unwrap();
        for (number, token) in tokens.iter_mut().enumerate() {
            let form = [("grant_type", "refresh_token"), ("client_id", "shop-ios"), ("refresh_token", token.as_str())];
            let (status, answer) = post(&server.http, &url("/token"), &form).await.unwrap();
            assert_eq!(status, if number <= at { 400 } else { 200 }, "token {number} after failure {at}: {answer}");
            if status == 200 {
                *token = answer["refresh_token"].as_str().unwrap().to_owned();
            }
        }
        let (status, answer) = post(&server.http, &url("/token"), &redeeming).await.unwrap();
        assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_grant")), "a spent code stays spent");
    }
    drop(server);
    let _ = std::fs::remove_dir_all(&directory);
}

const PUT: &str = "INSERT INTO login_name (name, account) VALUES ($1, $2)";

/// The n-th of a chain of changes: a name, and something spent.
fn link(n: i64) -> Change {
    let mut change = Change::new(1_000);
    change.run(PUT, vec![format!("name-{n:04}").into(), "a".into()]);
    change.once("test", "scope", &n.to_string(), 5_000);
    change
}

/// What a file holds: nothing but a beginning of the chain, whole; or it is not opened at all (`None`).
async fn beginning(directory: &Path) -> Option<i64> {
    let options = StoreOptions { readers: 1, ..StoreOptions::default() };
    let store = Store::open(&format!("sqlite:{}", directory.join("test.db").display()), options).await.ok()?;
    let row =
        store.one("SELECT count(*) AS count, min(name) AS first_name, max(name) AS last_name FROM login_name", &[]).await.unwrap().unwrap();
    let (count, spent) = (row.int("count").unwrap(), store.one("SELECT count(*) AS count FROM once", &[]).await.unwrap().unwrap());
    assert_eq!(spent.int("count").unwrap(), count, "a change is there whole or not at all");
    if count > 0 {
        assert_eq!(
            (row.text("first_name").unwrap(), row.text("last_name").unwrap()),
            ("name-0000", format!("name-{:04}", count - 1).as_str()),
            "a beginning"
        );
        assert!(store.apply(link(count - 1)).await.is_err(), "what was spent is spent");
    }
    store.apply(link(count)).await.unwrap();
    store.close().await;
    Some(count)
}

/// 612-Q: a write-ahead log that was cut or damaged anywhere gives a beginning of what happened; a damaged file is not served from.
#[tokio::test(flavor = "multi_thread")]
async fn a_torn_store_is_a_beginning_or_nothing() {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let directory = place.join(format!("symbolon-torn-{}", std::process::id()));
    let (live, torn) = (directory.join("live"), directory.join("torn"));
    std::fs::create_dir_all(&live).unwrap();
    std::fs::create_dir_all(&torn).unwrap();
    let open = async || Store::open(&format!("sqlite:{}", live.join("test.db").display()), StoreOptions::default()).await.unwrap();
    open().await.close().await;
    let store = open().await;
    for n in 0..10 {
        store.apply(link(n)).await.unwrap();
    }
    // As after a crash: nobody said goodbye.
    let file = std::fs::read(live.join("test.db")).unwrap();
    let log = std::fs::read(live.join("test.db-wal")).unwrap();
    let lay = |file: &[u8], log: &[u8]| {
        let _ = std::fs::remove_file(torn.join("test.db-shm"));
        std::fs::write(torn.join("test.db"), file).unwrap();
        std::fs::write(torn.join("test.db-wal"), log).unwrap();
    };
    lay(&file, &log);
    assert_eq!(beginning(&torn).await, Some(10), "the twin: all of it");
    let mut before = 0;
    for length in (0..log.len()).step_by(512) {
        lay(&file, &log[..length]);
        let now = beginning(&torn).await.unwrap_or(before);
        assert!(now >= before, "a longer log holds no less: {now} at {length}");
        before = now;
    }
    let mut dice = 0x9e37_79b9_u64;
    let mut below = |n: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) as usize % n
    };
    for _ in 0..60 {
        let mut damaged = log.clone();
        damaged[below(log.len())] ^= 1 << below(8);
        lay(&file, &damaged);
        assert!(beginning(&torn).await.is_none_or(|it| it <= 10));
    }
    store.close().await;
    // All of it in the one file now; and of a crash there is a log that says nothing.
    let file = std::fs::read(live.join("test.db")).unwrap();
    let mut refused = 0;
    for page in 0..file.len() / 4096 {
        let mut damaged = file.clone();
        damaged[page * 4096..page * 4096 + 512].fill(0x5a);
        lay(&damaged, &log[..32]);
        refused += i32::from(beginning_of_damaged(&torn).await);
    }
    assert!(refused > 10, "{refused} damaged files were refused");
    lay(&file, &log[..32]);
    assert_eq!(beginning(&torn).await, Some(10), "the twin");
    std::fs::remove_dir_all(&directory).unwrap();
}

/// Refused; or the damage is where nothing is, and all is there.
async fn beginning_of_damaged(directory: &Path) -> bool {
    match beginning(directory).await {
        None => true,
        Some(count) => {
            assert_eq!(count, 10, "damage that was not noticed has cost nothing");
            false
        }
    }
}

/// 614-Q: the road to the database is cut at the COMMIT of each kind of change. What was committed is answered as such; what was not
/// is answered 503, and asking again does it once.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_at_commit_leaves_no_doubt() {
    let Some(base) = postgres() else { return };
    let (road, url) = Road::to(&base, &database(Engine::Postgres).await).await;
    let world = Configuration::new(free_port(), &url).start().await;
    for how in [Cut::Before, Cut::Within, Cut::After] {
        let wanted = if how == Cut::After { (200, 201) } else { (503, 503) };
        let arm = || road.cut(how);
        let (code, verifier) = world.code("openid orders:read").await;
        arm();
        let (status, mut tokens) = world.exchange(&code, &verifier).await;
        assert_eq!(status, wanted.0, "{how:?}: {tokens}");
        if status == 503 {
            assert_eq!(tokens["error"], "temporarily_unavailable");
            let again = world.exchange(&code, &verifier).await;
            assert_eq!(again.0, 200, "{how:?}: {}", again.1);
            tokens = again.1;
        }
        let first = tokens["refresh_token"].as_str().unwrap().to_owned();
        arm();
        let (status, one) = world.refresh(&first).await;
        assert_eq!(status, wanted.0, "{how:?}: {one}");
        let (status, two) = world.refresh(&first).await;
        assert_eq!(status, 200, "{how:?}: {two}");
        assert!(one["refresh_token"].is_null() || one["refresh_token"] == two["refresh_token"], "one branch");
        // Of a client that proved itself: a stranger's push has no entry in the audit by which its outcome could be found (503 then).
        let form = Ask::new("shop-web", WEB_BACK, "openid").parameters;
        let form: Vec<(&str, &str)> = form.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        arm();
        assert_eq!(world.post("/par", &form, Some("shop-web")).await.0, wanted.1, "{how:?}");
        assert_eq!(world.post("/par", &form, Some("shop-web")).await.0, 201);
        let revoking = [("client_id", "shop-ios"), ("token", two["refresh_token"].as_str().unwrap())];
        arm();
        assert_eq!(world.post("/revoke", &revoking, None).await.0, wanted.0, "{how:?}");
        let (status, _) = world.refresh(two["refresh_token"].as_str().unwrap()).await;
        assert_eq!(status, if how == Cut::After { 400 } else { 200 }, "{how:?}: revoked if and only if it was said");
        assert!(road.was_cut(), "every cut was met");
    }
    assert_eq!(world.audited("code_exchanged").await, 3, "each code once");
    world.stop().await;
}

/// 616-Q: a thousand callers go away in the middle. Each change is whole or not there, nothing stays locked, and nobody is logged out.
#[tokio::test(flavor = "multi_thread")]
async fn callers_who_go_away_leave_nothing_half() {
    on_every_engine(|world| async move {
        // The window of a lost answer is not what is tried here.
        world.freeze();
        let mut tokens = Vec::new();
        for _ in 0..10 {
            tokens.push(world.tokens("orders:read").await["refresh_token"].as_str().unwrap().to_owned());
        }
        let push = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&Ask::native("openid").parameters).finish();
        let mut leaving = Vec::new();
        for at in 0..1000_usize {
            let (path, body) = match at % 4 {
                0 => ("/par", push.clone()),
                1 => ("/token", format!("grant_type=client_credentials&client_id=robot&client_secret={SECRET}")),
                _ => ("/token", format!("grant_type=refresh_token&client_id=shop-ios&refresh_token={}", tokens[at % 10])),
            };
            let head = "content-type: application/x-www-form-urlencoded\r\nhost: x";
            let request = format!("POST {path} HTTP/1.1\r\n{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            let address = world.running.address;
            leaving.push(tokio::spawn(async move {
                let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
                let cut = if at % 5 == 0 { request.len() / 2 } else { request.len() };
                stream.write_all(&request.as_bytes()[..cut]).await.unwrap();
                tokio::time::sleep(Duration::from_micros((at as u64 * 37) % 8000)).await;
            }));
            if leaving.len() == 50 {
                for one in leaving.drain(..) {
                    one.await.unwrap();
                }
            }
        }
        for token in &tokens {
            let (status, one) = world.refresh(token).await;
            assert!(status == 200 || status == 429, "{status} {one}");
            if status == 200 {
                let (status, two) = world.refresh(one["refresh_token"].as_str().unwrap()).await;
                assert_eq!(status, 200, "{two}");
            }
        }
        let all: Vec<_> = (0..64).map(|_| world.post("/par", &[("client_id", "nobody")], None)).collect();
        assert!(crate::nodes::futures(all.into_iter()).await.iter().all(|it| it.0 == 401), "every place is free again");
        assert_eq!(world.audited("refresh_replayed").await, 0);
        let app = world.running.shared.now();
        let halves = "SELECT count(*) AS count FROM app_grant WHERE state = 'code' AND generation > 0";
        assert_eq!(app.store.one(halves, &[]).await.unwrap().unwrap().int("count").unwrap(), 0);
        drop(app);
        world.stop().await;
    })
    .await;
}

/// 635-Q: SIGTERM under load: whatever was moved was also said, so that every app goes on with what it holds.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_loses_no_answer() {
    on_every_engine(|world| async move {
        let mut tokens = Vec::new();
        for _ in 0..16 {
            tokens.push(world.tokens("orders:read").await["refresh_token"].as_str().unwrap().to_owned());
        }
        let (issuer, directory, config, skew) = (world.issuer.clone(), world.directory.clone(), world.file(), world.text.clone());
        world.running.stop().await;
        for _ in 0..2 {
            let mut server = Server::start(&config, &issuer).await;
            let before = generations(&skew, &directory).await;
            let living: Vec<_> =
                tokens.iter().map(|it| tokio::spawn(live(server.http.clone(), server.token.clone(), it.clone()))).collect();
            tokio::time::sleep(Duration::from_millis(700)).await;
            let asked = Instant::now();
            assert_eq!(server.terminate().await, Some(0), "a stop that was asked for is no failure");
            assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
            let mut said = 0;
            for (slot, one) in tokens.iter_mut().zip(living) {
                let (token, rounds) = one.await.unwrap();
                *slot = token;
                said += rounds;
            }
            assert!(said > 0, "there was no load");
            assert_eq!(generations(&skew, &directory).await - before, said as i64, "as many as were answered, and no more");
        }
        let server = Server::start(&config, &issuer).await;
        for token in &tokens {
            let form = [("grant_type", "refresh_token"), ("client_id", "shop-ios"), ("refresh_token", token.as_str())];
            assert_eq!(post(&server.http, &server.token, &form).await.unwrap().0, 200);
        }
        drop(server);
        let _ = std::fs::remove_dir_all(&directory);
    })
    .await;
}

/// How often all sessions together were refreshed.
async fn generations(text: &str, directory: &Path) -> i64 {
    let config = symbolon::config::Config::from_text(text, "test.toml", &|_| None).unwrap();
    let store = Store::open(&symbolon::serve::database(&config, directory), StoreOptions::default()).await.unwrap();
    let rows = store.all("SELECT generation FROM app_grant", &[]).await.unwrap();
    rows.iter().map(|it| it.int("generation").unwrap()).sum()
}

/// 637-Q: long reads hold up no revocation; somebody else's lock holds it up for seconds, and is then said.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_waits_for_nobody_for_long() {
    on_every_engine(|world| async move {
        let mut tokens = Vec::new();
        for _ in 0..2 {
            tokens.push(world.tokens("orders:read").await["refresh_token"].as_str().unwrap().to_owned());
        }
        let app = world.running.shared.now();
        let mut change = Change::new(app.now_ms());
        for at in 0..5000 {
            change.audit(symbolon::audit::Entry::ok("filler").with("at", at));
        }
        app.store.apply(change).await.unwrap();
        let reading: Vec<_> = (0..12)
            .map(|_| {
                let store = app.store.clone();
                tokio::spawn(async move { symbolon::audit::list(&store, &Default::default(), 100_000).await.unwrap().len() })
            })
            .collect();
        let revoke = async |token: &str| {
            let began = Instant::now();
            let (status, answer) = world.post("/revoke", &[("client_id", "shop-ios"), ("token", token)], None).await;
            (status, answer["error"].as_str().unwrap_or_default().to_owned(), began.elapsed())
        };
        let (status, _, waited) = revoke(&tokens[0]).await;
        assert!(status == 200 && waited < Duration::from_secs(10), "{status} after {waited:?}");
        for one in reading {
            assert!(one.await.unwrap() > 5000);
        }
        let held = Lock::take(&world).await;
        let (status, error, waited) = revoke(&tokens[1]).await;
        assert_eq!((status, error.as_str()), (503, "temporarily_unavailable"));
        assert!(waited < Duration::from_secs(20), "{waited:?}");
        assert_eq!(world.get("/jwks").await.status(), 200, "and others are served");
        held.release().await;
        assert_eq!(revoke(&tokens[1]).await.0, 200, "the twin");
        assert_eq!(world.refresh(&tokens[1]).await.0, 400);
        drop(app);
        world.stop().await;
    })
    .await;
}

/// An operator's own transaction, which has changed every grant and is not over.
enum Lock {
    Sqlite(rusqlite::Connection),
    Postgres(tokio_postgres::Client),
}

impl Lock {
    async fn take(world: &World) -> Self {
        let hold = "UPDATE app_grant SET code_failures = code_failures + 0";
        let database = world.text.split("database = \"").nth(1).unwrap().split('"').next().unwrap();
        if database.starts_with("sqlite:") {
            let connection = rusqlite::Connection::open(world.directory.join("test.db")).unwrap();
            connection.execute_batch(&format!("BEGIN IMMEDIATE; {hold}")).unwrap();
            return Self::Sqlite(connection);
        }
        let (client, connection) = tokio_postgres::connect(database, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute("BEGIN").await.unwrap();
        client.batch_execute(hold).await.unwrap();
        Self::Postgres(client)
    }

    async fn release(self) {
        match self {
            Self::Sqlite(connection) => connection.execute_batch("ROLLBACK").unwrap(),
            Self::Postgres(client) => client.batch_execute("ROLLBACK").await.unwrap(),
        }
    }
}

/// 578-V: what a running server logs, at its usual level and at a talkative one, of every flow: routes and reasons, and no secret.
#[tokio::test(flavor = "multi_thread")]
async fn logs_hold_no_secret() {
    for level in ["info", "debug"] {
        let world = World::start(Engine::Sqlite).await;
        let (issuer, directory, config) = (world.issuer.clone(), world.directory.clone(), world.file());
        let World { running, http, node, .. } = world;
        running.stop().await;
        let log = directory.join("log.jsonl");
        let mut command = Server::command(&config);
        command.env("RUST_LOG", level).stderr(Stdio::from(std::fs::File::create(&log).unwrap()));
        let server = Server::spawn(&mut command, &issuer).await;
        let send = async |path: &str, form: &[(&str, &str)], basic: Option<&str>| {
            let request = http.post(format!("{issuer}{path}")).form(form);
            let request = if let Some(name) = basic { request.basic_auth(name, Some(SECRET)) } else { request };
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.json::<Json>().await.unwrap_or_default())
        };
        let mut secrets = vec![PASSWORD.to_owned(), SECRET.to_owned(), "a-wrong-password-of-alice".to_owned()];
        let ask = Ask::native("openid orders:read").with("state", "the-state-of-this-flow").with("nonce", "the-nonce-of-this-flow");
        let form = ask.form();
        let uri = send("/par", &form, None).await.1["request_uri"].as_str().unwrap().to_owned();
        let mut browser = Browser::default();
        let mut page = browser.visit(&node, &format!("/authorize?client_id=shop-ios&request_uri={uri}")).await;
        for password in ["a-wrong-password-of-alice", PASSWORD] {
            secrets.push(page.field("form_token"));
            secrets.extend(page.fields().remove("handle"));
            page = browser.submit_password(&node, &page, "alice", password).await;
        }
        let code = page.code();
        let exchange = [
            ("grant_type", "authorization_code"),
            ("client_id", "shop-ios"),
            ("code", code.as_str()),
            ("code_verifier", ask.verifier.as_str()),
            ("redirect_uri", NATIVE_BACK),
        ];
        let (status, tokens) = send("/token", &exchange, None).await;
        assert_eq!(status, 200, "{tokens}");
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        let (refresh, access, id) = (text("refresh_token"), text("access_token"), text("id_token"));
        let refreshing = [("grant_type", "refresh_token"), ("client_id", "shop-ios"), ("refresh_token", refresh.as_str())];
        let next = send("/token", &refreshing, None).await.1["refresh_token"].as_str().unwrap().to_owned();
        assert_eq!(send("/introspect", &[("token", &access)], Some("orders")).await.1["active"], true);
        assert_eq!(http.get(format!("{issuer}/userinfo")).bearer_auth(&access).send().await.unwrap().status(), 401);
        assert_eq!(send("/token", &[("grant_type", "client_credentials")], Some("robot")).await.0, 200);
        assert_eq!(send("/token", &exchange, None).await.0, 400, "used twice");
        assert_eq!(send("/revoke", &[("client_id", "shop-ios"), ("token", &next)], None).await.0, 200);
        browser.visit(&node, &format!("/logout?id_token_hint={id}")).await;
        browser.visit(&node, &format!("/nothing/{code}?code={code}")).await;
        secrets.extend([uri, code, ask.verifier.clone(), refresh, access, id, next]);
        secrets.extend(["the-state-of-this-flow".to_owned(), "the-nonce-of-this-flow".to_owned()]);
        secrets.extend(browser.cookies.into_values());
        // The log is written behind the answers.
        let written = async |it: &str| {
            while !std::fs::read_to_string(&log).unwrap().contains(it) {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), written("\"status\":404")).await.expect("the last request in the log");
        drop(server);
        let log = std::fs::read_to_string(&log).unwrap();
        assert!(log.contains("\"route\":\"/token\"") && log.contains("\"route\":\"/login\"") && log.contains("used twice"), "{log}");
        for secret in &secrets {
            let line = log.lines().find(|it| it.contains(secret.as_str()));
            assert!(line.is_none(), "{level}: {secret} in {}", line.unwrap());
        }
        let _ = std::fs::remove_dir_all(&directory);
    }
}
