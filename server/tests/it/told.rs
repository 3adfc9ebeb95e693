//! Clients hear that a session has ended (OpenID Connect Back-Channel Logout 1.0): each once, whatever ended it, and until it has arrived.

use crate::world::*;
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use symbolon::serve::system_clock;
use symbolon::store::faults::{Fate, Plan};
use symbolon::store::{Change, Store, Value};
use symbolon_oauth::jwk::{Algorithm, KeySet};
use symbolon_oauth::logout_token::{self, Expected};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A client's backend: what it was told, and how it answers.
#[derive(Clone)]
pub struct Backend {
    pub uri: String,
    told: Arc<Mutex<Vec<String>>>,
    /// Statuses of the next answers; then 200.
    statuses: Arc<Mutex<Vec<u16>>>,
}

impl Backend {
    pub async fn start(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/logged-out", listener.local_addr().unwrap());
        let statuses = statuses.iter().rev().copied().collect();
        let backend = Self { uri, told: Arc::default(), statuses: Arc::new(Mutex::new(statuses)) };
        let serving = backend.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut bytes = Vec::new();
                let body = loop {
                    let mut more = [0; 4096];
                    let read = stream.read(&mut more).await.unwrap_or_default();
                    bytes.extend_from_slice(&more[..read]);
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    let length =
                        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
                    if read == 0 || body.len() >= length.unwrap_or(0) {
                        break body.to_owned();
                    }
                };
                serving.told.lock().unwrap().push(body);
                let status = serving.statuses.lock().unwrap().pop().unwrap_or(200);
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        backend
    }

    fn count(&self) -> usize {
        self.told.lock().unwrap().len()
    }

    /// Waits until it was told so often.
    pub async fn hears(&self, times: usize) {
        for _ in 0..150 {
            if self.count() >= times {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(self.count(), times);
    }

    /// For longer than a worker's pause nothing more comes.
    pub async fn hears_no_more(&self, times: usize) {
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(self.count(), times);
    }

    /// The newest token, checked as a client does it.
    pub async fn token(&self, world: &World, now_s: i64) -> Map<String, Json> {
        let body = self.told.lock().unwrap().last().unwrap().clone();
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let document: Json = world.get("/.well-known/openid-configuration").await.json().await.unwrap();
        assert_eq!(
            (&document["backchannel_logout_supported"], &document["backchannel_logout_session_supported"]),
            (&true.into(), &true.into())
        );
        let keys: Json = world.http.get(document["jwks_uri"].as_str().unwrap()).send().await.unwrap().json().await.unwrap();
        let algorithms = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256, Algorithm::RS256];
        let expected = Expected { issuer: &world.issuer, client_id: "shop-ios", algorithms: &algorithms, now_s, leeway_s: 5 };
        logout_token::check(&form["logout_token"], &KeySet::parse(&keys).unwrap(), &expected).unwrap()
    }
}

async fn world(engine: Engine, backend: &Backend) -> World {
    Configuration::on(engine).await.set("client.shop-ios.backchannel_logout_uri", backend.uri.as_str()).start().await
}

/// Alice signs in with a browser of her own: the claims of the ID token, and the token.
async fn signed_in(world: &World) -> (Json, String) {
    let ask = Ask::native("openid");
    let code = Browser::default().sign_in(world, &ask, "alice").await["code"].clone();
    let (status, tokens) = world.exchange(&code, &ask.verifier).await;
    assert_eq!(status, 200, "{tokens}");
    let token = tokens["id_token"].as_str().unwrap().to_owned();
    (claims(&token), token)
}

async fn sign_out(world: &World, id_token: &str) {
    let page = Browser::default().visit(world, &format!("/logout?id_token_hint={id_token}")).await;
    assert_eq!(page.kind(), "signed_out", "{}", page.html);
}

/// It is told of the session that ended, by the `sid` that it knows, and of no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_hears_of_the_session_that_ended_and_of_no_other() {
    for engine in engines() {
        let backend = Backend::start(&[]).await;
        let world = world(engine, &backend).await;
        let (ended, hint) = signed_in(&world).await;
        let (other, _) = signed_in(&world).await;
        assert_ne!(ended["sid"], other["sid"]);
        assert_eq!(backend.count(), 0);
        sign_out(&world, &hint).await;
        backend.hears(1).await;
        let token = backend.token(&world, system_clock()() / 1000).await;
        assert_eq!((&token["sid"], &token["sub"]), (&ended["sid"], &ended["sub"]));
        backend.hears_no_more(1).await;
        world.stop().await;
    }
}

/// Whatever ends sessions: here all of a person's at once. A client without a word for it, and one whose code nobody redeemed, hear nothing.
#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_end_a_session_is_told() {
    for engine in engines() {
        let backend = Backend::start(&[]).await;
        let world = world(engine, &backend).await;
        let (one, _) = signed_in(&world).await;
        let (two, _) = signed_in(&world).await;
        assert!(Browser::default().sign_in(&world, &Ask::native("openid"), "alice").await.contains_key("code"), "never redeemed");
        let app = world.running.shared.now();
        let mut change = Change::new(app.now_ms());
        symbolon::login::accounts::end_sessions(&mut change, one["sub"].as_str().unwrap());
        app.store.apply(change).await.unwrap();
        drop(app);
        backend.hears(2).await;
        backend.hears_no_more(2).await;
        let all = backend.told.lock().unwrap().clone();
        let sids: Vec<Json> = all.iter().map(|body| claims(body.trim_start_matches("logout_token="))["sid"].clone()).collect();
        assert!(sids.contains(&one["sid"]) && sids.contains(&two["sid"]), "{sids:?}");
        world.stop().await;
    }
}

/// A backend that is down is told again, also by the next process; one that says no is not, and the audit has it.
#[tokio::test(flavor = "multi_thread")]
async fn a_word_is_kept_until_it_has_arrived() {
    for engine in engines() {
        let backend = Backend::start(&[503]).await;
        let world = world(engine, &backend).await;
        let (ended, hint) = signed_in(&world).await;
        sign_out(&world, &hint).await;
        backend.hears(1).await;
        let world = world.restarted(|_| ()).await;
        backend.hears_no_more(1).await;
        world.advance_s(16);
        backend.hears(2).await;
        assert_eq!(backend.token(&world, system_clock()() / 1000 + 16).await["sid"], ended["sid"]);
        assert_eq!(world.audited("client_not_told").await, 0);
        backend.statuses.lock().unwrap().push(400);
        let (_, hint) = signed_in(&world).await;
        sign_out(&world, &hint).await;
        backend.hears(3).await;
        world.advance_s(3600);
        backend.hears_no_more(3).await;
        assert_eq!(world.audited("client_not_told").await, 1);
        world.stop().await;
    }
}

/// Several nodes look, and one tells.
#[tokio::test(flavor = "multi_thread")]
async fn several_nodes_tell_once() {
    for engine in engines() {
        let backend = Backend::start(&[]).await;
        let world = world(engine, &backend).await;
        let second = world.another("").await;
        let (_, hint) = signed_in(&world).await;
        sign_out(&world, &hint).await;
        backend.hears(1).await;
        backend.hears_no_more(1).await;
        second.stop().await;
        world.stop().await;
    }
}

/// The store is away for the moment in which the words are to be written. The next look finds the session again.
#[tokio::test(flavor = "multi_thread")]
async fn a_word_that_could_not_be_written_is_written_later() {
    let (plan, backend) = (Plan::new(Vec::new()), Backend::start(&[]).await);
    let configured = Configuration::on(Engine::Sqlite).await.set("client.shop-ios.backchannel_logout_uri", backend.uri.as_str());
    let world = configured.start_on(|store| Store::faulty(store, plan.clone()).unwrap()).await;
    let (ended, hint) = signed_in(&world).await;
    // The sign-out is written, and the next two changes are not.
    plan.after(1, Fate::Refuse);
    plan.next(Fate::Refuse);
    sign_out(&world, &hint).await;
    backend.hears(1).await;
    assert_eq!(backend.token(&world, system_clock()() / 1000).await["sid"], ended["sid"]);
    backend.hears_no_more(1).await;
    world.stop().await;
}

/// A client that is away for long fills its own share of the outbox, and no other client's. What is not kept for it is an audit entry.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_away_costs_no_other_its_words() {
    for engine in engines() {
        let backend = Backend::start(&[]).await;
        let world = world(engine, &backend).await;
        let app = world.running.shared.now();
        let later_ms = app.now_ms() + 86_400_000;
        let fill = async |client: &str| {
            let mut change = Change::new(app.now_ms());
            for number in 0..1000_u64 {
                let id = [&symbolon_oauth::digest::sha256(client.as_bytes())[..8], &number.to_be_bytes()].concat();
                let sql = "INSERT INTO outbox (id, kind, body, attempts, next_ms) VALUES ($1, 'logout', $2, 0, $3)";
                change.run(sql, vec![Value::from(id), Value::from(Vec::new()), later_ms.into()]);
            }
            app.store.apply(change).await.unwrap();
        };
        fill("another").await;
        let (_, hint) = signed_in(&world).await;
        sign_out(&world, &hint).await;
        backend.hears(1).await;
        fill("shop-ios").await;
        let (_, hint) = signed_in(&world).await;
        sign_out(&world, &hint).await;
        backend.hears_no_more(1).await;
        let entries = world.entries("client_not_told").await;
        assert_eq!(entries.len(), 1, "{entries:?}");
        assert_eq!((&entries[0]["client"], &entries[0]["outcome"]), (&"shop-ios".into(), &"refused".into()));
        drop(app);
        world.stop().await;
    }
}
