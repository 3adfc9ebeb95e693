//! Towards a provider: who we prove to be, and how the request gets there.

use crate::upstream::{CREATE, leave, sign_in, world};
use crate::world::provider::{Provider, Says};
use crate::world::{Ask, Browser, Engine};
use rcgen::KeyPair;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use symbolon_oauth::jwk::{Algorithm, KeySet, PrivateKey};

/// A key in a file of its own, the lines of the configuration that name it, and the provider's half.
fn key(name: &str) -> (String, KeySet) {
    let pair = KeyPair::generate().unwrap();
    let file = std::env::temp_dir().join(format!("symbolon-it-assertion-{name}-{}", std::process::id()));
    std::fs::write(&file, pair.serialize_pem()).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let public = PrivateKey::from_pkcs8(Algorithm::ES256, &pair.serialize_der()).unwrap().public().clone();
    let mut jwk = public.to_jwk();
    jwk["kid"] = "shop-1".into();
    let lines = format!("authentication = \"private_key_jwt\"\nkey_id = \"shop-1\"\nkey = {{ file = '{}' }}\n", file.display());
    (lines, KeySet::parse(&json!({ "keys": [jwk] })).unwrap())
}

async fn keyed_world(provider: &Provider, lines: &str) -> crate::world::World {
    let table = provider.table("any").lines().filter(|line| !line.starts_with("secret")).collect::<Vec<_>>().join("\n");
    let config = crate::world::Configuration::on(Engine::Sqlite).await;
    config.with("[login.default]\nrequire = [\"password\", \"upstream:any\"]").with(&format!("{table}\n{CREATE}{lines}")).start().await
}

/// RFC 7523 2.2: the assertion is for this issuer, of this client, by the key that the provider has. 104-T
#[tokio::test]
async fn an_assertion_proves_us_to_a_provider() {
    let provider = Provider::start().await;
    let (lines, keys) = key("own");
    let world = keyed_world(&provider, &lines).await;
    let says = |keys: &KeySet| Says { sub: "one".to_owned(), client_keys: Some(keys.clone()), ..Says::default() };
    provider.says(says(&keys));
    assert!(sign_in(&world, &provider, &mut Browser::default()).await.has_code());
    let sent = provider.request("/token");
    assert!(!sent.to_ascii_lowercase().contains("authorization: basic") && !sent.contains("client_secret"), "{sent}");
    // The twin: a provider that has another key.
    let (_, others) = key("other");
    provider.says(says(&others));
    let page = sign_in(&world, &provider, &mut Browser::default()).await;
    assert!(page.problem().contains("did not work"), "{}", page.html);
    world.stop().await;
}

/// RFC 9126 2: the browser carries a reference and nothing else.
#[tokio::test]
async fn a_request_is_pushed_where_the_provider_requires_it_or_the_operator_wants_it() {
    for (more, required) in [("pushed_requests = true\n", false), ("", true)] {
        let provider = Provider::start().await;
        let par = format!("{}/par", provider.issuer());
        let discovery = json!({ "pushed_authorization_request_endpoint": par, "require_pushed_authorization_requests": required });
        let says = || Says { sub: "one".to_owned(), discovery: discovery.clone(), ..Says::default() };
        provider.says(says());
        let world = world(Engine::Sqlite, &provider, &format!("{CREATE}{more}")).await;
        let url = leave(&world, &mut Browser::default(), &Ask::native("openid orders:read")).await;
        assert!(url.contains("request_uri=") && !url.contains("state=") && !url.contains("nonce="), "{url}");
        assert!(sign_in(&world, &provider, &mut Browser::default()).await.has_code());
        // What the provider does not take back leads to another way, and nowhere in the clear.
        let bad = "HTTP/1.1 400 X\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}".to_owned();
        for (path, answer) in [("/par", bad), ("/par", "HTTP/1.1 201 X\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}".to_owned())] {
            provider.says(Says { raw: [(path, answer)].into(), ..says() });
            let mut browser = Browser::default();
            let page = browser.open(&world, &Ask::native("openid")).await;
            let page = browser.submit(&world, &page, &[], "use_upstream:any").await;
            assert!(page.location.is_none_or(|it| !it.starts_with(provider.issuer())), "the browser leaves");
        }
        world.stop().await;
    }
    // The twin: neither, and the request goes by the browser.
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, CREATE).await;
    let url = leave(&world, &mut Browser::default(), &Ask::native("openid")).await;
    assert!(url.contains("state=") && !url.contains("request_uri="), "{url}");
    world.stop().await;
}
