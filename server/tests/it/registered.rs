//! Clients of the store: read when they are asked for, kept for a minute, held to the rules, and never read all at once.

use crate::world::*;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use symbolon::clients::{Clients, add_needs};
use symbolon::clock::Clock;
use symbolon::config::{self, Config};
use symbolon::store::{Change, Expect, Store};
use symbolon_oauth::jwk::Algorithm;

const NOW: i64 = 1_800_000_000_000;

/// A client as an import writes it.
fn body(more: &Json) -> String {
    let mut body = json!({ "kind": "web", "redirect_uris": ["https://registered.example.com/cb"], "scopes": ["openid"] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.to_string()
}

async fn put(store: &Store, id: &str, state: &'static str, body: String) {
    let sql = "INSERT INTO client (id, state, body, created_ms) VALUES ($1, $2, $3, 0) ON CONFLICT (id) DO UPDATE SET \
        state = excluded.state, body = excluded.body";
    let mut change = Change::new(NOW);
    change.run(sql, vec![id.into(), state.into(), body.into()]);
    store.apply(change).await.unwrap();
}

struct Registry {
    clients: Clients,
    now_ms: Arc<AtomicI64>,
    store: Store,
}

impl Registry {
    async fn open(config: &Arc<Config>, store: &Store) -> Self {
        let now_ms = Arc::new(AtomicI64::new(NOW));
        let shared = Arc::clone(&now_ms);
        let clock: Clock = Arc::new(move || shared.load(Ordering::Relaxed));
        Self { clients: Clients::open(config, store, &clock).await.unwrap(), now_ms, store: store.clone() }
    }

    async fn has(&self, id: &str) -> bool {
        self.clients.get(id).await.unwrap().is_some()
    }

    fn advance_ms(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

/// Other nodes hear of an import, and of an end, within a minute; the node that did it hears of it at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_registered_client_is_kept_for_a_minute_and_not_longer() {
    on_every_engine(|world| async move {
        let app = world.running.shared.now();
        let registry = Registry::open(&app.config, &app.store).await;
        assert!(!registry.has("late").await);
        put(&registry.store, "late", "active", body(&json!({}))).await;
        assert!(!registry.has("late").await, "that there is none is kept as well");
        registry.advance_ms(59_999);
        assert!(!registry.has("late").await);
        registry.advance_ms(1);
        assert!(registry.has("late").await);
        put(&registry.store, "late", "disabled", body(&json!({}))).await;
        assert!(registry.has("late").await);
        registry.advance_ms(60_000);
        assert!(!registry.has("late").await);
        put(&registry.store, "late", "active", body(&json!({}))).await;
        registry.clients.forget();
        assert!(registry.has("late").await, "after an import here it counts at once");
        registry.advance_ms(-1);
        put(&registry.store, "late", "disabled", body(&json!({}))).await;
        assert!(!registry.has("late").await, "a clock that went back makes nothing last longer");
        world.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_wins_and_its_rules_hold_for_all() {
    on_every_engine(|world| async move {
        let app = world.running.shared.now();
        put(&app.store, "shop-ios", "active", body(&json!({ "name": "Somebody else's" }))).await;
        put(&app.store, "good", "active", body(&json!({}))).await;
        put(&app.store, "lawless", "active", body(&json!({ "scopes": ["no-such-scope"] }))).await;
        put(&app.store, "off", "active", body(&json!({ "disabled": true }))).await;
        put(&app.store, "damaged", "active", "{".to_owned()).await;
        let registry = Registry::open(&app.config, &app.store).await;
        let own = registry.clients.get("shop-ios").await.unwrap().unwrap();
        assert_ne!(own.name.as_deref(), Some("Somebody else's"));
        for (id, there) in [("good", true), ("lawless", false), ("off", false), ("damaged", false), ("nobody", false)] {
            assert_eq!(registry.has(id).await, there, "{id}");
        }
        world.stop().await;
    })
    .await;
}

/// What opens apps, and what vouches for them, is for the configuration file: a row of the store with it is no client.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_the_store_has_no_links_and_no_attestation() {
    on_every_engine(|world| async move {
        let app = world.running.shared.now();
        let registry = Registry::open(&app.config, &app.store).await;
        let attester = json!({ "attester_jwks": { "keys": [new_key().public().to_jwk()] } });
        for (name, value, said) in [
            ("app", json!({ "ios": ["ABCDE12345.com.example.shop"] }), "app and continue"),
            ("continue", json!({ "host": "go.signin.test" }), "app and continue"),
            ("attestation", attester, "attestation names keys"),
        ] {
            let text = body(&json!({ "kind": "native", name: value }));
            let client: config::Client = serde_json::from_str(&text).unwrap();
            let problems = app.config.judge_registered(&client);
            assert!(problems.iter().any(|it| it.starts_with(said)), "{name}: {problems:?}");
            put(&app.store, name, "active", text).await;
            assert!(!registry.has(name).await, "{name}");
        }
        put(&app.store, "plain", "active", body(&json!({ "kind": "native" }))).await;
        assert!(registry.has("plain").await, "the twin");
        world.stop().await;
    })
    .await;
}

/// Names that strangers make up cost one question to the store at most, and what cannot be a name costs none.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_client_can_be_called_is_refused_like_any_other() {
    on_every_engine(|world| async move {
        let app = world.running.shared.now();
        let registry = Registry::open(&app.config, &app.store).await;
        for id in ["", "nobody", "a\0b", "a\nb", "x".repeat(1_000_000).as_str()] {
            assert!(!registry.has(id).await, "{}", &id[..id.len().min(9)]);
        }
        let post = async |id: &str, user| {
            let form = [("grant_type", "client_credentials"), ("scope", "orders:read"), ("client_id", id)];
            let (status, body) = world.post("/token", &form, user).await;
            (status, body["error"].as_str().map(str::to_owned))
        };
        assert_eq!(post("nobody", None).await, (401, Some("invalid_client".to_owned())));
        assert_eq!(post("robot", Some("robot")).await, (200, None));
        for n in 0..10_000 {
            assert!(!registry.has(&format!("junk-{n}")).await);
        }
        put(&registry.store, "good", "active", body(&json!({}))).await;
        assert!(registry.has("good").await);
        world.stop().await;
    })
    .await;
}

/// L-16: the cost of reading a client does not grow with those that others have registered.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_registrations_slow_no_look_up() {
    const FILL: &str = "INSERT INTO client (id, state, body, created_ms) WITH RECURSIVE number(n) AS \
        (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 100000) SELECT 'r-' || CAST(n AS TEXT), 'active', $1, 0 FROM number";
    on_every_engine(|world| async move {
        let app = world.running.shared.now();
        let text = body(&json!({}));
        for at in 0..200 {
            put(&app.store, &format!("few-{at}"), "active", text.clone()).await;
        }
        let registry = Registry::open(&app.config, &app.store).await;
        // The middle one of two hundred first reads.
        let usual = async |id: &dyn Fn(u32) -> String| {
            let mut times = Vec::new();
            for at in 0..200 {
                let (id, start) = (id(at), std::time::Instant::now());
                assert!(registry.has(&id).await, "{id}");
                times.push(start.elapsed());
            }
            times.sort();
            times[100]
        };
        let few = usual(&|at| format!("few-{at}")).await;
        let mut change = Change::new(NOW);
        change.run_expecting(FILL, vec![text.as_str().into()], Expect::Any);
        app.store.apply(change).await.unwrap();
        let many = usual(&|at| format!("r-{}", 1 + at * 499)).await;
        assert!(many < few * 5 + std::time::Duration::from_millis(2), "{few:?} among few, {many:?} among many");
        assert!(!registry.has("r-100001").await);
        world.stop().await;
    })
    .await;
}

/// Algorithms and the longest lifetime of grants are known without reading the clients; those of an earlier version are counted once.
#[tokio::test(flavor = "multi_thread")]
async fn what_clients_need_of_the_server_is_known_without_reading_them() {
    on_every_engine(|world| async move {
        let app = world.running.shared.now();
        let (config, store) = (&app.config, &app.store);
        let registry = Registry::open(config, store).await;
        assert!(registry.clients.needs().algorithms.is_empty());
        let before_s = registry.clients.longest_refresh_s();
        let client: config::Client =
            serde_json::from_str(&body(&json!({ "id_token_signed_response_alg": "PS256", "refresh": { "absolute": "900d" } }))).unwrap();
        let mut change = Change::new(NOW);
        add_needs(&mut change, &client);
        add_needs(&mut change, &client);
        store.apply(change).await.unwrap();
        assert!(registry.clients.needs().algorithms.is_empty(), "not before they are read again");
        registry.clients.refresh_needs().await.unwrap();
        assert!(registry.clients.needs().algorithms.iter().eq(&[Algorithm::PS256]));
        assert_eq!((registry.clients.longest_refresh_s(), before_s < 900 * 86_400), (900 * 86_400, true));
        // Rows of an earlier version, more than one page of them.
        for n in 0..600 {
            put(store, &format!("old-{n}"), "active", body(&json!({}))).await;
        }
        put(store, "zzz", "active", body(&json!({ "authorization_signed_response_alg": "RS256" }))).await;
        let needs = async || Registry::open(config, store).await.clients.needs().algorithms.clone();
        assert!(!needs().await.contains(&Algorithm::RS256), "counted once, and not at every start");
        let mut earlier = Change::new(NOW);
        earlier.run_expecting("DELETE FROM fact WHERE name LIKE 'client %'", Vec::new(), Expect::Any);
        store.apply(earlier).await.unwrap();
        assert!(needs().await.contains(&Algorithm::RS256));
        world.stop().await;
    })
    .await;
}
