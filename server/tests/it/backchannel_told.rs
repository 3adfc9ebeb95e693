//! Whom an answer or a question of the backchannel is told: a client by ping, an app that is woken up.

use crate::backchannel::{MESSAGE, Scene, question};
use crate::world::*;
use serde_json::{Value as Json, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use symbolon_oauth::jwk::KeySet;
use symbolon_oauth::jws;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Somebody who listens: what was posted, with its headers, and how it answers.
#[derive(Clone)]
pub struct Listener {
    pub uri: String,
    heard: Arc<Mutex<Vec<String>>>,
    statuses: Arc<Mutex<Vec<u16>>>,
}

impl Listener {
    pub async fn start(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/heard", listener.local_addr().unwrap());
        let listening = Self { uri, heard: Arc::default(), statuses: Arc::new(Mutex::new(statuses.iter().rev().copied().collect())) };
        let serving = listening.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut bytes = Vec::new();
                let whole = loop {
                    let mut more = [0; 8192];
                    let read = stream.read(&mut more).await.unwrap_or_default();
                    bytes.extend_from_slice(&more[..read]);
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    let length =
                        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
                    if read == 0 || body.len() >= length.unwrap_or(0) {
                        break text;
                    }
                };
                serving.heard.lock().unwrap().push(whole);
                let status = serving.statuses.lock().unwrap().pop().unwrap_or(204);
                let location = if status == 302 { format!("location: {}\r\n", serving.uri) } else { String::new() };
                let answer = format!("HTTP/1.1 {status} X\r\n{location}content-length: 0\r\nconnection: close\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        listening
    }

    pub async fn hears(&self, times: usize) -> String {
        for _ in 0..150 {
            if self.heard.lock().unwrap().len() >= times {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(self.heard.lock().unwrap().len(), times);
        self.heard.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

/// K-18, K-19: a client with ping is told of an answer by its own token, and of nothing else. A redirect is a failure, and the token goes nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_told_of_the_answer() {
    for engine in engines() {
        let listener = Listener::start(&[302]).await;
        let more = format!("[client.desk.backchannel]\ndelivery = \"ping\"\nnotification_endpoint = \"{}\"\n", listener.uri);
        let scene = Scene::start(engine, &more).await;
        let token = "8d67dc78-7faa-4d41-aabd-67707b374255";
        let alice = ("login_hint", "alice");
        for (name, form) in [("none", vec![alice, MESSAGE]), ("short", vec![alice, MESSAGE, ("client_notification_token", "short")])] {
            assert_eq!(scene.ask("desk", &form).await.1["error"], "invalid_request", "{name}");
        }
        let (status, answer) = scene.ask("desk", &[alice, MESSAGE, ("client_notification_token", token)]).await;
        assert_eq!(status, 200, "{answer}");
        // The process that was asked ends; the next one knows the token.
        let Scene { world, signer } = scene;
        let scene = Scene { world: world.restarted(|_| ()).await, signer };
        let mut browser = Browser::default();
        let page = question(&scene.world, &mut browser).await;
        assert_eq!(listener.heard.lock().unwrap().len(), 0);
        browser.submit(&scene.world, &page, &[], "allow").await;
        listener.hears(1).await;
        scene.world.advance_s(11);
        let heard = listener.hears(2).await;
        let head = heard.to_ascii_lowercase();
        assert!(head.contains(&format!("authorization: bearer {token}")), "{heard}");
        let body: Json = serde_json::from_str(heard.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!(body, json!({ "auth_req_id": answer["auth_req_id"] }));
        assert_eq!(scene.poll("desk", answer["auth_req_id"].as_str().unwrap()).await.0, 200);
        scene.world.advance_s(60);
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(listener.heard.lock().unwrap().len(), 2, "once it has arrived it is not sent again");
        scene.world.stop().await;
    }
}

/// A client that is never there is given up after three tries, and the audit has it.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_listen_is_told_three_times() {
    let listener = Listener::start(&[500, 500, 500]).await;
    let more = format!("[client.desk.backchannel]\ndelivery = \"ping\"\nnotification_endpoint = \"{}\"\n", listener.uri);
    let scene = Scene::start(Engine::Sqlite, &more).await;
    let form = [("login_hint", "alice"), MESSAGE, ("client_notification_token", "8d67dc78-7faa-4d41-aabd-67707b374255")];
    assert_eq!(scene.ask("desk", &form).await.0, 200);
    let mut browser = Browser::default();
    let page = question(&scene.world, &mut browser).await;
    browser.submit(&scene.world, &page, &[], "deny").await;
    for tries in 1..=3 {
        listener.hears(tries).await;
        scene.world.advance_s(90);
    }
    for _ in 0..50 {
        if scene.world.audited("backchannel_not_told").await == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(scene.world.audited("backchannel_not_told").await, 1);
    assert_eq!(listener.heard.lock().unwrap().len(), 3);
    scene.world.stop().await;
}

/// An app is woken up: a signed word with its address, and nothing of the person or the request. Whoever has signed out is not woken up.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_woken_up_with_nothing_in_it() {
    for engine in engines() {
        let listener = Listener::start(&[]).await;
        let scene = Scene::start(engine, &format!("[push]\nwebhook = \"{}\"\n", listener.uri)).await;
        let (mut app, token) = scene.app("member-app", "alice").await;
        let (mut gone, gone_token) = scene.app("member-app", "alice").await;
        for (phone, token, address) in [(&mut app, &token, "apns:1"), (&mut gone, &gone_token, "apns:2")] {
            let answer = phone.answer_pending(token, &[("action", "wake"), ("push_address", address)]).await;
            assert_eq!((answer.status, answer.body["state"].as_str()), (200, Some("set")), "{}", answer.body);
        }
        let long = "x".repeat(2049);
        for odd in ["a b", "\u{fc}", long.as_str()] {
            let answer = app.answer_pending(&token, &[("action", "wake"), ("push_address", odd)]).await;
            assert_eq!(answer.error(), (400, "invalid_request"), "{odd}");
        }
        // The second app signs out.
        let mut refreshed = scene.phone("member-app");
        refreshed.key = gone.key.clone();
        let store = scene.world.running.shared.now().store.clone();
        let count = async || store.one("SELECT count(*) AS count FROM push_address", &[]).await.unwrap().unwrap().int("count").unwrap();
        assert_eq!(count().await, 2);
        let mut browser = Browser::default();
        browser.sign_in(&scene.world, &Ask::native("orders:read"), "alice").await;
        assert_eq!(gone.answer_pending(&gone_token, &[("action", "wake"), ("push_address", "")]).await.body["state"], "forgotten");
        assert_eq!(count().await, 1);
        let handle = scene.ask_alice("desk").await;
        let heard = listener.hears(1).await;
        assert!(heard.to_ascii_lowercase().contains("content-type: application/jwt"), "{heard}");
        let text = heard.split_once("\r\n\r\n").unwrap().1;
        let keys: Json = scene.world.get("/jwks").await.json().await.unwrap();
        let unverified = jws::Unverified::parse(text).unwrap();
        assert_eq!(unverified.typ(), Some("symbolon-push+jwt"));
        let said = unverified.verify_with(&KeySet::parse(&keys).unwrap()).unwrap();
        let names: Vec<&str> = said.keys().map(String::as_str).collect();
        assert_eq!((said["address"].as_str(), said["aud"].as_str()), (Some("apns:1"), Some(listener.uri.as_str())));
        let mut wanted = ["address", "aud", "client_id", "exp", "iat", "iss", "jti"];
        wanted.sort_unstable();
        let mut names = names;
        names.sort_unstable();
        assert_eq!(names, wanted);
        for secret in ["alice", "K7-41", &handle] {
            assert!(!text.contains(secret) && !Json::Object(said.clone()).to_string().contains(secret), "{secret}");
        }
        scene.world.stop().await;
    }
}

/// The address goes with the sign-in that it belongs to: the app signs out, or the person ends its session. Nobody there is woken up any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_push_address_goes_at_the_sign_out() {
    for engine in engines() {
        let listener = Listener::start(&[]).await;
        let scene = Scene::start(engine, &format!("[push]\nwebhook = \"{}\"\n", listener.uri)).await;
        let store = scene.world.running.shared.now().store.clone();
        let count = async || store.one("SELECT count(*) AS count FROM push_address", &[]).await.unwrap().unwrap().int("count").unwrap();
        let mut apps = Vec::new();
        for address in ["apns:1", "apns:2", "apns:3"] {
            let mut phone = scene.phone("member-app");
            let tokens = phone.tokens("openid").await;
            let set = [("action", "wake"), ("push_address", address)];
            assert_eq!(phone.answer_pending(&tokens.text("access_token"), &set).await.status, 200);
            apps.push((phone, tokens.text("refresh_token")));
        }
        assert_eq!(count().await, 3);
        let (mut phone, refresh) = apps.remove(1);
        assert_eq!(phone.post("/revoke", &[("token", &refresh)]).await.status, 200);
        assert_eq!(count().await, 2, "it is gone, and not only unused");
        scene.ask_alice("desk").await;
        listener.hears(2).await;
        // The person ends all sessions but the browser's: nobody is left to be woken up.
        let mut browser = Browser::default();
        browser.sign_in(&scene.world, &Ask::native("orders:read"), "alice").await;
        let page = browser.visit(&scene.world, "/account").await;
        browser.change(&scene.world, &page, "sign_out_others").await;
        scene.ask_alice("desk").await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let heard = listener.heard.lock().unwrap().clone();
        assert_eq!(heard.len(), 2, "{heard:?}");
        scene.world.stop().await;
    }
}

/// Somebody who takes connections and speaks no TLS. The port.
async fn without_tls() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.write_all(b"no TLS here").await;
        }
    });
    port
}

/// The quickest approval and the quickest poll after it: of a client with ping, and of one that only polls. Measured in turn.
async fn quickest(scene: &Scene) -> [[Duration; 2]; 2] {
    let (mut app, token) = scene.app("member-app", "alice").await;
    let form = [("login_hint", "alice"), MESSAGE, ("client_notification_token", "8d67dc78-7faa-4d41-aabd-67707b374255")];
    let mut quickest = [[Duration::MAX; 2]; 2];
    for _ in 0..8 {
        for (client, quickest) in ["desk", "other-desk"].into_iter().zip(&mut quickest) {
            let (status, answer) = scene.ask(client, &form).await;
            assert_eq!(status, 200, "{answer}");
            let asked = app.pending(&token).await.remove(0);
            let begun = Instant::now();
            assert_eq!(app.say(&token, &asked, "allow", &[]).await.body["state"], "approved");
            quickest[0] = begun.elapsed().min(quickest[0]);
            let begun = Instant::now();
            assert_eq!(scene.poll(client, answer["auth_req_id"].as_str().unwrap()).await.0, 200);
            quickest[1] = begun.elapsed().min(quickest[1]);
        }
    }
    quickest
}

/// K-18, K-19: a client that is told by ping and never answers, is not there at all or breaks TLS delays neither the approval nor a poll by
/// 50 ms. It gets its tokens by polling, and whoever cannot be told is in the audit.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_delays_nobody() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = symbolon_phone::net::free_port();
    for (address, fails) in [
        (format!("http://127.0.0.1:{}", silent.local_addr().unwrap().port()), false),
        (format!("http://127.0.0.1:{nobody}"), true),
        (format!("https://127.0.0.1:{}", without_tls().await), true),
    ] {
        let more = format!("[client.desk.backchannel]\ndelivery = \"ping\"\nnotification_endpoint = \"{address}/heard\"\n");
        let scene = Scene::start(Engine::Sqlite, &more).await;
        let [told, polls] = quickest(&scene).await;
        for (what, told, polls) in [("approval", told[0], polls[0]), ("poll", told[1], polls[1])] {
            assert!(told < polls + Duration::from_millis(50), "{address}, {what}: {told:?} {polls:?}");
        }
        for _ in 0..100 {
            if !fails || scene.world.audited("backchannel_not_told").await > 0 {
                break;
            }
            scene.world.advance_s(3);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert_eq!(scene.world.audited("backchannel_not_told").await > 0, fails, "{address}");
        scene.world.stop().await;
    }
}
