//! What operators do to a running issuer: keys, reloads, the audit read to its end.

use crate::world::*;
use serde_json::Value as Json;
use symbolon::audit::{self, Cursor, Entry, Filter};
use symbolon::store::{Change, Store};
use symbolon_oauth::base64url;

async fn kids(world: &World) -> Vec<String> {
    let set: Json = world.get("/jwks").await.json().await.unwrap();
    set["keys"].as_array().unwrap().iter().map(|it| it["kid"].as_str().unwrap().to_owned()).collect()
}

/// Header of a fresh access token of the service.
async fn header(world: &World) -> Json {
    let (status, body) = world.post("/token", &[("grant_type", "client_credentials"), ("scope", "orders:read")], Some("robot")).await;
    assert_eq!(status, 200, "{body}");
    let token = body["access_token"].as_str().unwrap();
    serde_json::from_slice(&base64url::decode(token.split('.').next().unwrap()).unwrap()).unwrap()
}

fn write(world: &World, from: &str, to: &str) {
    let text = std::fs::read_to_string(world.file()).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(world.file(), text.replacen(from, to, 1)).unwrap();
}

async fn reload(world: &World) -> Result<(), String> {
    symbolon::serve::reload(&world.running.shared, &world.file()).await.map_err(|it| it.to_string())
}

/// The command returns when this node signs with the new key alone; keys that had stopped signing are withdrawn too.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_rotation_at_once_no_older_key_is_left() {
    on_every_engine(|world| async move {
        let before = header(&world).await["kid"].clone();
        let rotate = async |words: &[&str]| {
            let words: Vec<&str> = ["key", "rotate"].iter().chain(words).copied().collect();
            let (code, said, error) = crate::commands::symbolon(&world.file(), &words, "").await;
            assert_eq!(code, Some(0), "{error}");
            said.split(' ').next().unwrap().to_owned()
        };
        let second = rotate(&[]).await;
        assert_eq!(header(&world).await["kid"], before, "published first");
        world.advance_s(86_400 + 60);
        assert_eq!(header(&world).await["kid"], second);
        assert_eq!(kids(&world).await.len(), 2, "the first has stopped signing and can still be looked up");
        let third = rotate(&["--at-once"]).await;
        assert_eq!(header(&world).await["kid"], third);
        assert_eq!(kids(&world).await, [third], "a thief of any older key has nothing");
        world.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_algorithm_that_is_new_is_published_before_it_signs() {
    on_every_engine(|world| async move {
        write(&world, "lifetime = \"15m\"", "lifetime = \"15m\"\nsigning_alg = \"EdDSA\"");
        let refused = reload(&world).await.unwrap_err();
        assert!(refused.contains("no EdDSA key was published before") && refused.contains("1440 minutes"), "{refused}");
        let set: Json = world.get("/jwks").await.json().await.unwrap();
        assert!(set["keys"].as_array().unwrap().iter().any(|it| it["alg"] == "EdDSA"), "{set}");
        assert_eq!(header(&world).await["alg"], "ES256", "the old configuration stays");
        world.advance_s(86_400 + 1);
        reload(&world).await.unwrap();
        assert_eq!(header(&world).await["alg"], "EdDSA");
        world.stop().await;
    })
    .await;
}

/// A restart takes a new algorithm at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_signs_with_a_new_algorithm_at_once() {
    let mut world = World::start(Engine::Sqlite).await;
    world.text = world.text.replacen("lifetime = \"15m\"", "lifetime = \"15m\"\nsigning_alg = \"EdDSA\"", 1);
    let world = world.restarted(|_| ()).await;
    assert_eq!(header(&world).await["alg"], "EdDSA");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_says_what_needs_a_restart() {
    let world = World::start(Engine::Sqlite).await;
    let kept = std::fs::read_to_string(world.file()).unwrap();
    let master = kept.lines().find(|it| it.starts_with("master_key")).unwrap().to_owned();
    let cases = [
        ("listen", "listen = \"127.0.0.1:", "listen = \"127.0.0.2:".to_owned()),
        ("[tls]", "[api.orders]\n", "[tls]\ncertificate = \"a\"\nkey = \"b\"\n[api.orders]\n".to_owned()),
        ("admin_socket", "development = true", "development = true\nadmin_socket = \"other.sock\"".to_owned()),
        ("master_key", &master, "master_key = { env = \"NO_SUCH_KEY\" }".to_owned()),
        ("metrics", "development = true", "development = true\nmetrics = \"127.0.0.1:1\"".to_owned()),
    ];
    for (name, from, to) in cases {
        write(&world, from, &to);
        let refused = reload(&world).await.unwrap_err();
        assert!(refused.contains(&format!("`{name}` cannot change")) && refused.contains("restart"), "{name}: {refused}");
        std::fs::write(world.file(), &kept).unwrap();
    }
    write(&world, "lifetime = \"15m\"", "lifetime = \"5m\"");
    reload(&world).await.unwrap();
    world.stop().await;
}

async fn written(store: &Store, now_ms: i64, event: &'static str, count: usize) {
    let mut change = Change::new(now_ms);
    for n in 0..count {
        let entry = Entry::ok(event).with("n", n);
        change.audit(Entry { security: n % 3 == 0, ..entry });
    }
    store.apply(change).await.unwrap();
}

/// More entries than a page has: nothing is left out of the middle, and what is cut is said.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_audit_is_listed_to_its_end() {
    on_every_engine(|world| async move {
        let app = world.running.shared.now();
        let now_ms = app.now_ms();
        for part in 0..7 {
            written(&app.store, now_ms + part, "knock_proved", 500).await;
        }
        let filter = Filter { event: Some("knock_proved".to_owned()), ..Filter::default() };
        let all = audit::list(&app.store, &filter, usize::MAX).await.unwrap();
        assert_eq!(all.len(), 3500);
        let newest = audit::list(&app.store, &filter, 2600).await.unwrap();
        assert_eq!(newest, all[900..]);
        let told = async |words: &[&str]| {
            let words: Vec<&str> = ["audit", "--event", "knock_proved"].iter().chain(words).copied().collect();
            crate::commands::symbolon(&world.file(), &words, "").await
        };
        let (_, said, aside) = told(&["--limit", "2600"]).await;
        assert!(said.lines().count() == 2600 && aside.contains("the newest 2600"), "{aside}");
        for complete in [&["--limit", "3500"][..], &["--all"]] {
            let (_, said, aside) = told(complete).await;
            assert_eq!((said.lines().count(), aside.as_str()), (3500, ""));
            let read: Vec<Json> = said.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
            assert!(read.iter().zip(&all).all(|(line, entry)| *line == entry.1), "in order");
        }
        world.stop().await;
    })
    .await;
}

/// Two tables, a filter that most entries do not fit, changes in flight, and requests that came long before they wrote: a
/// follower hears of each entry once, in order.
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_misses_nothing_under_load() {
    on_every_engine(|world| async move {
        let app = world.running.shared.now();
        let store = app.store.clone();
        let mut cursor = Cursor::at(store.settled_before(app.now_ms()).await.unwrap());
        let filter = Filter { event: Some("wanted".to_owned()), ..Filter::default() };
        let writing: Vec<_> = (0..8_usize)
            .map(|task| {
                let app = world.running.shared.now();
                tokio::spawn(async move {
                    for round in 0..20_usize {
                        let late_ms = if round % 5 == 0 { 8_000 } else { 0 };
                        written(&app.store, app.now_ms() - late_ms, if (task + round) % 4 == 0 { "wanted" } else { "other" }, 40).await;
                    }
                })
            })
            .collect();
        let (mut heard, deadline) = (Vec::new(), std::time::Instant::now() + std::time::Duration::from_secs(60));
        let wanted = 8 * 20 / 4 * 40;
        while heard.len() < wanted && std::time::Instant::now() < deadline {
            let settled_ms = store.settled_before(app.now_ms()).await.unwrap();
            heard.extend(cursor.next(&store, &filter, Some(settled_ms)).await.unwrap().0);
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        for one in writing {
            one.await.unwrap();
        }
        assert_eq!(heard.len(), wanted);
        assert!(heard.windows(2).all(|it| it[0].0 < it[1].0), "in order, and each once");
        let late = cursor.next(&store, &filter, Some(app.now_ms() + 60_000)).await.unwrap();
        assert!(late.0.is_empty(), "{:?}", late.0);
        world.stop().await;
    })
    .await;
}

/// The preview is the token but for what is made for each one.
#[tokio::test(flavor = "multi_thread")]
async fn a_preview_says_what_the_token_says() {
    let policy = "[login.default]\nrequire = [\"password\"]\nacr = \"urn:example:password\"\n";
    let world = Configuration::on(Engine::Sqlite).await.with(policy).start().await;
    let told = async |words: &[&str]| {
        let words: Vec<&str> = ["token", "preview"].iter().chain(words).copied().collect();
        let (code, said, error) = crate::commands::symbolon(&world.file(), &words, "").await;
        (code, serde_json::from_str::<Json>(&said).unwrap_or_default(), error)
    };
    let real = world.tokens("orders:read").await["access_token"].as_str().unwrap().to_owned();
    let (head, body): (Json, Json) =
        (serde_json::from_slice(&base64url::decode(real.split('.').next().unwrap()).unwrap()).unwrap(), claims(&real));
    let (_, shown, error) = told(&["--client", "shop-ios", "--scope", "orders:read", "--user", "alice"]).await;
    assert_eq!(shown["header"], head, "{error}");
    let names = |it: &Json| it.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&shown["claims"]), names(&body));
    for name in ["iss", "sub", "aud", "client_id", "scope", "acr", "amr", "customer_id"] {
        assert_eq!(shown["claims"][name], body[name], "{name}");
    }
    let life = |it: &Json| it["exp"].as_i64().unwrap() - it["iat"].as_i64().unwrap();
    assert_eq!(life(&shown["claims"]), life(&body));
    // Both APIs: the resource says which.
    let both = ["--client", "shop-ios", "--scope", "orders:read ledger:read", "--user", "alice"];
    let (code, _, error) = told(&both).await;
    assert!(code == Some(1) && error.contains("resource"), "{error}");
    let (_, shown, _) = told(&[&both[..], &["--resource", "https://api.example.com/ledger"]].concat()).await;
    assert_eq!((shown["api"].as_str(), shown["claims"]["scope"].as_str()), (Some("ledger"), Some("ledger:read")));
    // A client of its own has no session to speak of.
    let (_, shown, _) = told(&["--client", "robot"]).await;
    assert_eq!(shown["claims"]["sub"], "robot");
    assert!(shown["claims"].get("auth_time").is_none() && shown["claims"].get("sid").is_none(), "{shown}");
    world.stop().await;
}
