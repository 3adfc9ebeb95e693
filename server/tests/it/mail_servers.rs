//! Mail servers that hang, refuse for a while or refuse for good, and what a letter looks like on the way.

use crate::world::mail::Post;
use crate::world::*;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What a mail server answers to one command, in the place of its greeting, or at the end of a letter. An empty answer: it says nothing to
/// that. `None`: it takes the connection and says nothing.
type Refusal = Arc<Mutex<Option<Said>>>;
type Said = (&'static str, &'static str);
const GREETING: &str = "220 ";

struct MailServer {
    port: u16,
    refusal: Refusal,
    /// The first line of every connection that spoke.
    greetings: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<usize>>,
}

impl MailServer {
    async fn open(refusal: Option<Said>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Self { port, refusal: Arc::new(Mutex::new(refusal)), greetings: Arc::default(), connections: Arc::default() };
        let (refusal, greetings, connections) =
            (Arc::clone(&server.refusal), Arc::clone(&server.greetings), Arc::clone(&server.connections));
        tokio::spawn(async move {
            let mut silent = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                *connections.lock().unwrap() += 1;
                match *refusal.lock().unwrap() {
                    None => silent.push(stream),
                    Some(answer) => drop(tokio::spawn(converse(stream, answer, Arc::clone(&greetings)))),
                }
            }
        });
        server
    }

    async fn world(&self, more: &str) -> World {
        let mail =
            format!("[mail]\nserver = \"127.0.0.1\"\nport = {}\nsecurity = \"none\"\nfrom = \"no-reply@example.com\"\n{more}", self.port);
        Configuration::on(Engine::Sqlite).await.with(&mail).with("[login.default]\nrequire = [\"password\", \"email\"]").start().await
    }

    /// Waits until so many connections came.
    async fn connected(&self, wanted: usize) {
        for _ in 0..500 {
            if *self.connections.lock().unwrap() >= wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("nobody connects");
    }
}

async fn converse(stream: TcpStream, (command, refusal): Said, greetings: Arc<Mutex<Vec<String>>>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let greeting = if command == GREETING { refusal } else { "220 x ESMTP" };
    write.write_all(format!("{greeting}\r\n").as_bytes()).await.unwrap();
    let mut is_letter = false;
    while let Ok(Some(line)) = lines.next_line().await {
        let word = if is_letter { line.clone() } else { line.get(..4).unwrap_or_default().to_owned() };
        if is_letter && word != "." {
            continue;
        }
        if word == "EHLO" {
            greetings.lock().unwrap().push(line);
        }
        let usual = if word == "DATA" { "354 go on" } else { "250 ok" };
        let answer = if word == command { refusal } else { usual };
        is_letter = answer.starts_with("354");
        if !answer.is_empty() && write.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn ask_for_a_code(world: &World, name: &str) {
    let mut browser = Browser::default();
    let page = browser.open(world, &Ask::native("openid")).await;
    let page = browser.submit(world, &page, &[], "use_email").await;
    browser.submit(world, &page, &[("username", name)], "continue").await;
}

async fn waiting(world: &World) -> i64 {
    let row = world.running.shared.now().store.one("SELECT count(*) AS count FROM outbox", &[]).await.unwrap();
    row.unwrap().int("count").unwrap()
}

/// A stop does not wait for a mail server that hangs, and the letter is still there.
#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_hangs_delays_no_stop() {
    let server = MailServer::open(None).await;
    let mut world = server.world("").await;
    ask_for_a_code(&world, "alice").await;
    server.connected(1).await;
    assert_eq!(waiting(&world).await, 1);
    let started = Instant::now();
    world.running.stop_in_place().await;
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    let _ = std::fs::remove_dir_all(&world.directory);
}

/// 4xx is tried again, and so is all that the server has against us and not against the letter: at its greeting, at EHLO, at our sender, or
/// at our password, also where it says so at RCPT. What RCPT and DATA refuse for good is given up. RFC 5321 4.2.1.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_tried_again_unless_it_is_refused_for_good() {
    for (command, answer, stays) in [
        (GREETING, "554 no service for you", true),
        ("EHLO", "501 no such name", true),
        ("EHLO", "504 not fully qualified", true),
        ("MAIL", "553 no such sender", true),
        ("RCPT", "451 later", true),
        ("RCPT", "550 no such mailbox", false),
        ("RCPT", "535 who are you", true),
        ("RCPT", "554 5.7.1 Relay access denied", true),
        ("DATA", "554 not this letter", false),
        ("DATA", "250 not the code that asks for a letter", true),
    ] {
        let server = MailServer::open(Some((command, answer))).await;
        let world = server.world("ehlo = \"login.example.com\"").await;
        ask_for_a_code(&world, "alice").await;
        server.connected(1).await;
        for _ in 0..100 {
            if waiting(&world).await == i64::from(stays) && (command == GREETING || !server.greetings.lock().unwrap().is_empty()) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(waiting(&world).await, i64::from(stays), "{answer}");
        if command != GREETING {
            assert_eq!(server.greetings.lock().unwrap()[0], "EHLO login.example.com");
        }
        // On a busy machine the answer may be heard only after the clock has moved. Then it has to move once more.
        for tries in 0..if stays { 30 } else { 6 } {
            if tries % 6 == 0 {
                world.advance_s(130);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
            if *server.connections.lock().unwrap() > 1 {
                break;
            }
        }
        assert_eq!(*server.connections.lock().unwrap() > 1, stays, "{answer}");
        world.stop().await;
    }
}

/// A letter that the server has taken does not leave again because QUIT gets no answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_leaves_once_though_nobody_says_goodbye() {
    let server = MailServer::open(Some(("QUIT", ""))).await;
    let world = server.world("").await;
    ask_for_a_code(&world, "alice").await;
    server.connected(1).await;
    for _ in 0..200 {
        if waiting(&world).await == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(waiting(&world).await, 0);
    world.advance_s(130);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(*server.connections.lock().unwrap(), 1);
    world.stop().await;
}

/// The lease of a letter begins when it is claimed. Letters before it that take long use none of it up.
#[tokio::test(flavor = "multi_thread")]
async fn each_letter_of_a_batch_has_a_lease_of_its_own() {
    let server = MailServer::open(Some((GREETING, "554 no service for you"))).await;
    let world = server.world("").await;
    for times in 1..=2 {
        ask_for_a_code(&world, "alice").await;
        server.connected(times).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(waiting(&world).await, 2, "they come due together");
    // The first one takes a second, in which two minutes go by. The second one hangs.
    *server.refusal.lock().unwrap() = Some(("QUIT", ""));
    world.advance_s(130);
    server.connected(3).await;
    *server.refusal.lock().unwrap() = None;
    world.advance_s(130);
    server.connected(4).await;
    let app = world.running.shared.now();
    let row = app.store.one("SELECT max(next_ms) AS next_ms FROM outbox", &[]).await.unwrap().unwrap();
    assert!(row.int("next_ms").unwrap() > app.now_ms(), "another worker would send it too");
    drop(app);
    world.stop().await;
}

/// The outbox has an end: beyond it letters are not written, and the sign-in goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_outbox_takes_no_more_letters() {
    let server = MailServer::open(None).await;
    let world = server.world("").await;
    let app = world.running.shared.now();
    for at in 0..10_u8 {
        let mut change = symbolon::store::Change::new(app.now_ms() + 3_600_000);
        for inner in 0..1000_u16 {
            let mut id = [at; 16];
            id[..2].copy_from_slice(&inner.to_be_bytes());
            let insert = "INSERT INTO outbox (id, kind, body, attempts, next_ms) VALUES ($1, 'mail', $2, 0, $3)";
            let wait_ms = app.now_ms() + 3_600_000;
            change.run(insert, vec![symbolon::store::Value::from(&id[..]), symbolon::store::Value::from(&b"x"[..]), wait_ms.into()]);
        }
        app.store.apply(change).await.unwrap();
        if at == 8 {
            ask_for_a_code(&world, "alice").await;
            assert_eq!(waiting(&world).await, 9001, "the twin: there is room");
        }
    }
    let before = waiting(&world).await;
    ask_for_a_code(&world, "alice").await;
    assert_eq!(waiting(&world).await, before);
    drop(app);
    world.stop().await;
}

/// What a real letter has: a name, a version of MIME, two parts; and a notice says when and with what device.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_one_that_mail_servers_take() {
    let post = Post::start(Engine::Sqlite).await;
    ask_for_a_code(&post.world, "alice").await;
    let letter = post.mailbox.wait("alice@example.com", 0).await.unwrap();
    for header in ["Message-ID: <", "MIME-Version: 1.0", "Auto-Submitted: auto-generated", "Date: ", "multipart/alternative"] {
        assert!(letter.text.contains(header), "{header}: {}", letter.text);
    }
    assert!(letter.text.contains("@example.com>") && letter.text.contains("<p>") && letter.code().is_some(), "{}", letter.text);
    assert!(!letter.text.contains(" UTC"), "a code is no notice");
    let seen = post.seen();
    post.enrol(&mut Browser::default()).await;
    let notice = post.mailbox.wait("alice@example.com", seen).await.unwrap();
    assert!(notice.text.contains("This happened on 20") && notice.text.contains(" UTC"), "{}", notice.text);
    post.world.stop().await;
}
