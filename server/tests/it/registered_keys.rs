//! Keys of registered clients that are at an address (RFC 7591 2, `jwks_uri`): read, kept, read again, and never from where a stranger may
//! not lead this server. Each refusal with its twin.

use crate::registration::{register, send};
use crate::world::documents::{Documents, Says};
use crate::world::*;
use serde_json::{Value as Json, json};
use symbolon_oauth::jwk::PrivateKey;
use symbolon_oauth::jws;

const OPEN: &str = "[client_registration.open]\nopen = true\nscopes = [\"openid\"]\nper_network = 1000\nunused = \"60d\"\n";
const HOST: &str = "planner.example.net";
const KEYS: &str = "https://planner.example.net/keys";
const BACK: &str = "https://planner.example.net/cb";
const JSON: &str = "content-type: application/json\r\n";

async fn start(engine: Engine) -> (World, Documents) {
    let world = Configuration::on(engine).await.behind_a_proxy().with(OPEN).start().await;
    let documents = Documents::start(&world, &[HOST, "keys.example.net"]).await;
    (world, documents)
}

/// A key with its name, as a client publishes it.
fn key_set(keys: &[&PrivateKey]) -> Json {
    let one = |key: &&PrivateKey| {
        let mut jwk = key.public().to_jwk();
        (jwk["kid"], jwk["alg"], jwk["use"]) = (key.kid().into(), "ES256".into(), "sig".into());
        jwk
    };
    json!({ "keys": keys.iter().map(one).collect::<Vec<_>>() })
}

fn metadata(keys: &str) -> Json {
    json!({ "redirect_uris": [BACK], "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": keys,
        "id_token_signed_response_alg": "ES256" })
}

/// Asks for tokens with a code that nobody made, signed by this key: `invalid_grant` once the client is known by it.
async fn proves(world: &World, client: &str, key: &PrivateKey) -> String {
    proves_as(world, client, key, key.kid()).await
}

async fn proves_as(world: &World, client: &str, key: &PrivateKey, kid: &str) -> String {
    proves_by(world, client, (key, "ES256"), kid).await
}

async fn proves_by(world: &World, client: &str, (key, alg): (&PrivateKey, &str), kid: &str) -> String {
    let now_s = world.running.shared.now().now_ms() / 1000;
    let claims = json!({ "iss": client, "sub": client, "aud": world.issuer, "jti": fresh(), "iat": now_s, "exp": now_s + 60 });
    let assertion = jws::sign_with_header(key, &json!({ "alg": alg, "kid": kid, "typ": "JWT" }), &claims).unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", "x"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", &assertion),
    ];
    world.post("/token", &form, None).await.1["error"].as_str().unwrap().to_owned()
}

async fn client(world: &World, keys: &str) -> (String, String) {
    let (status, answer) = register(world, None, &metadata(keys)).await;
    assert_eq!(status, 201, "{answer}");
    assert_eq!((answer["jwks_uri"].as_str(), answer.get("jwks")), (Some(keys), None), "{answer}");
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    (text("client_id"), text("registration_access_token"))
}

/// The keys are read once, and again when their time is over. Another set at the same address changes nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn keys_at_an_address_are_read_and_kept() {
    for engine in engines() {
        let (world, documents) = start(engine).await;
        let (first, second) = (new_key(), new_key());
        documents.json(KEYS, &key_set(&[&first]));
        let (id, token) = client(&world, KEYS).await;
        for _ in 0..3 {
            assert_eq!(proves(&world, &id, &first).await, "invalid_grant");
        }
        assert_eq!(documents.asked(), 1);
        let shown = send(&world, "GET", &format!("/clients/{id}"), Some(&token), None).await.1;
        assert_eq!((shown["jwks_uri"].as_str(), shown.get("jwks")), (Some(KEYS), None));
        // A stranger's key of the same name is no key of the client.
        assert_eq!(proves_as(&world, &id, &second, first.kid()).await, "invalid_client");
        // An hour later the address is asked again; a key that is gone is none any more.
        documents.json(KEYS, &key_set(&[&second]));
        assert_eq!(proves(&world, &id, &first).await, "invalid_grant");
        world.advance_s(3601);
        assert_eq!(proves(&world, &id, &first).await, "invalid_client");
        assert_eq!(proves(&world, &id, &second).await, "invalid_grant");
        // The same registration once more: nobody is asked to agree again, and the keys are read.
        let mut body = metadata(KEYS);
        body["client_id"] = json!(id);
        let changed = async || {
            let row = world.running.shared.now().store.one("SELECT changed_ms FROM client WHERE id = $1", &[id.as_str().into()]).await;
            row.unwrap().unwrap().int("changed_ms").unwrap()
        };
        let before = changed().await;
        documents.json(KEYS, &key_set(&[&first]));
        assert_eq!(send(&world, "PUT", &format!("/clients/{id}"), Some(&token), Some(&body)).await.0, 200);
        assert_eq!((proves(&world, &id, &first).await.as_str(), changed().await == before), ("invalid_grant", true));
        // Another address is another client's word.
        documents.json("https://keys.example.net/keys", &key_set(&[&second]));
        body["jwks_uri"] = json!("https://keys.example.net/keys");
        assert_eq!(send(&world, "PUT", &format!("/clients/{id}"), Some(&token), Some(&body)).await.0, 200);
        assert_eq!((proves(&world, &id, &second).await.as_str(), changed().await == before), ("invalid_grant", false));
        world.stop().await;
    }
}

/// RFC 7591 2: the one algorithm that a client asks for holds for keys that come later too. Which key it is, the address says.
#[tokio::test(flavor = "multi_thread")]
async fn the_algorithm_that_was_asked_for_holds() {
    use symbolon_oauth::jwk::Algorithm;
    let (world, documents) = start(Engine::Sqlite).await;
    let (rsa, ec) = (PrivateKey::generate(Algorithm::PS256).unwrap(), new_key());
    let mut published = rsa.public().to_jwk();
    (published["kid"], published["use"]) = (rsa.kid().into(), "sig".into());
    documents.json(KEYS, &json!({ "keys": [published] }));
    let mut body = metadata(KEYS);
    body["token_endpoint_auth_signing_alg"] = "PS256".into();
    let (status, answer) = register(&world, None, &body).await;
    assert_eq!((status, answer["token_endpoint_auth_signing_alg"].as_str()), (201, Some("PS256")), "{answer}");
    let id = answer["client_id"].as_str().unwrap();
    documents.json(KEYS, &json!({ "keys": [published, key_set(&[&ec])["keys"][0]] }));
    world.advance_s(3601);
    assert_eq!(proves(&world, id, &ec).await, "invalid_client", "a good key of another algorithm");
    assert_eq!(proves_by(&world, id, (&rsa, "PS256"), rsa.kid()).await, "invalid_grant", "the twin");
    body["token_endpoint_auth_signing_alg"] = "EdDSA".into();
    let (status, answer) = register(&world, None, &body).await;
    assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_client_metadata")), "no key is for it: {answer}");
    world.stop().await;
}

/// A signature that names a key nobody has read: the address is asked at once, once a minute.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_counts_at_once_and_made_up_names_make_no_traffic() {
    for engine in engines() {
        let (world, documents) = start(engine).await;
        let (first, second) = (new_key(), new_key());
        documents.json(KEYS, &key_set(&[&first]));
        let (id, _) = client(&world, KEYS).await;
        documents.json(KEYS, &key_set(&[&first, &second]));
        assert_eq!(proves(&world, &id, &second).await, "invalid_grant", "rotated");
        assert_eq!(documents.asked(), 2);
        for at in 0..20 {
            assert_eq!(proves_as(&world, &id, &new_key(), &format!("made-up-{at}")).await, "invalid_client");
        }
        assert_eq!(documents.asked(), 2, "once a minute");
        assert_eq!(proves(&world, &id, &first).await, "invalid_grant", "the twin: known keys go on");
        world.stop().await;
    }
}

/// Keys that cannot be read any more count for a day; then the client is left out, until they can be read.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_gone_count_for_a_day() {
    for engine in engines() {
        let (world, documents) = start(engine).await;
        let key = new_key();
        documents.json(KEYS, &key_set(&[&key]));
        let (id, _) = client(&world, KEYS).await;
        documents.say(KEYS, Says::Text(404, "", String::new()));
        world.advance_s(23 * 3600);
        for _ in 0..5 {
            assert_eq!(proves(&world, &id, &key).await, "invalid_grant");
        }
        assert_eq!(documents.asked(), 2, "an address that does not answer is left alone for five minutes");
        // The address is asked again and again, also for invented names of keys. The day counts from when the keys were read.
        for minutes in (4..60).step_by(4) {
            world.advance_s(240);
            assert_eq!(proves_as(&world, &id, &new_key(), "made-up").await, "invalid_client", "23:{minutes}");
            assert_eq!(proves(&world, &id, &key).await, "invalid_grant", "23:{minutes}");
        }
        assert!(documents.asked() > 5, "the address is asked every few minutes: {}", documents.asked());
        for minutes in (0..20).step_by(4) {
            world.advance_s(if minutes == 0 { 241 } else { 240 });
            assert_eq!(proves(&world, &id, &key).await, "invalid_client", "24:{minutes}");
            assert_eq!(proves_as(&world, &id, &new_key(), "made-up").await, "invalid_client", "24:{minutes}");
        }
        documents.json(KEYS, &key_set(&[&key]));
        world.advance_s(301);
        assert_eq!(proves(&world, &id, &key).await, "invalid_grant", "they are back");
        // Keys that this server does not take are as good as none that can be read.
        documents.json(KEYS, &json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0" }] }));
        world.advance_s(3601);
        assert_eq!(proves(&world, &id, &key).await, "invalid_grant", "the old ones");
        world.advance_s(24 * 3600);
        assert_eq!(proves(&world, &id, &key).await, "invalid_client");
        world.stop().await;
    }
}

/// 510-G, 503-G: what nobody registers a client with, and where nobody leads this server. Nothing of it is echoed.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_gives_no_keys_registers_nobody() {
    let (world, documents) = start(Engine::Sqlite).await;
    let key = new_key();
    // Each from a network of its own: one network makes the server fetch only so often.
    let network = std::sync::atomic::AtomicU8::new(1);
    let refused = async |body: &Json, what: &str| {
        let address = format!("192.0.2.{}", network.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let answer = world.http.post(world.url("/clients")).header("x-forwarded-for", address).json(body).send().await.unwrap();
        let (status, answer) = (answer.status().as_u16(), answer.json::<Json>().await.unwrap());
        assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_client_metadata")), "{what}: {answer}");
        assert!(!answer.to_string().contains("example.net"), "an echo: {answer}");
        world.advance_s(61);
    };
    for odd in [json!("http://planner.example.net/keys"), json!("https://u:p@planner.example.net/keys"), json!(7), json!(["x"]), json!("")]
    {
        refused(&json!({ "redirect_uris": [BACK], "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": odd }), "odd").await;
    }
    for inside in ["https://127.0.0.1/keys", "https://10.0.0.1/keys", "https://169.254.169.254/latest", "https://[::1]/keys"] {
        refused(&metadata(inside), inside).await;
    }
    let mut both = metadata(KEYS);
    both["jwks"] = key_set(&[&key]);
    refused(&both, "both").await;
    assert_eq!(documents.asked(), 0);
    let good = key_set(&[&key]).to_string();
    let padded = format!("{good}{}", " ".repeat(17_000));
    for (what, says) in [
        ("missing", Says::Text(404, JSON, good.clone())),
        ("a redirect inside", Says::Text(302, "location: http://169.254.169.254/\r\n", String::new())),
        ("not JSON", Says::Text(200, "content-type: text/html\r\n", good.clone())),
        ("no keys", Says::Text(200, JSON, "{}".to_owned())),
        ("a secret key", Says::Text(200, JSON, json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0" }] }).to_string())),
        ("huge", Says::Text(200, JSON, padded)),
        ("endless", Says::Endless),
        ("silent", Says::Never),
    ] {
        documents.say(KEYS, says);
        let before = std::time::Instant::now();
        refused(&metadata(KEYS), what).await;
        assert!(before.elapsed().as_secs() < 9, "{what}: {:?}", before.elapsed());
    }
    documents.json(KEYS, &key_set(&[&key]));
    let asked = documents.asked();
    for inside in ["127.0.0.1", "10.1.2.3", "::1", "fd00::1"] {
        documents.leads(HOST, &[inside]);
        refused(&metadata(KEYS), inside).await;
    }
    assert_eq!(documents.asked(), asked);
    // What was looked up is what is connected to: another answer at the second look is judged by itself.
    documents.leads(HOST, &["93.184.215.14", "127.0.0.1"]);
    let (id, _) = client(&world, KEYS).await;
    world.advance_s(3601);
    assert_eq!((proves(&world, &id, &key).await.as_str(), documents.asked()), ("invalid_grant", asked + 1), "it leads inside now");
    world.stop().await;
}

/// A stranger who registers again and again has this server ask others only so often, and shuts nobody out.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_addresses_is_not_all_fetched() {
    let (world, documents) = start(Engine::Sqlite).await;
    world.freeze();
    let from = async |address: &str, at: usize| {
        let body = metadata(&format!("https://planner.example.net/made-up/{at}"));
        let request = world.http.post(world.url("/clients")).header("x-forwarded-for", address).json(&body);
        request.send().await.unwrap().status().as_u16()
    };
    let mut statuses = Vec::new();
    for at in 0..60 {
        statuses.push(from("192.0.2.1", at).await);
    }
    assert!(documents.asked() <= 15, "{}", documents.asked());
    assert!(statuses[..10].iter().all(|status| *status == 400) && statuses.last() == Some(&429), "{statuses:?}");
    let key = new_key();
    documents.json("https://keys.example.net/keys", &key_set(&[&key]));
    let body = metadata("https://keys.example.net/keys");
    let request = world.http.post(world.url("/clients")).header("x-forwarded-for", "192.0.2.2").json(&body);
    assert_eq!(request.send().await.unwrap().status(), 201, "the twin: somebody else, another host");
    world.stop().await;
}
