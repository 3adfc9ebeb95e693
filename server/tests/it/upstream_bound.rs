//! Towards a provider that wants more: proofs of a key (RFC 9449), and ID tokens that are encrypted to a key of ours (RFC 7516). What is
//! weaker than the configuration says is refused.

use crate::upstream::{CREATE, leave, sign_in, world};
use crate::world::provider::{Provider, Says};
use crate::world::{Ask, Browser, Engine, World, engines};
use rcgen::KeyPair;
use serde_json::{Value as Json, json};
use std::os::unix::fs::PermissionsExt;

const DPOP: &str = "dpop = true\n";

fn says(bound: Option<Option<&'static str>>) -> Says {
    Says { sub: "one".to_owned(), claims: json!({ "name": "Ann Example" }), bound, ..Says::default() }
}

async fn problem(world: &World, provider: &Provider) -> String {
    let page = sign_in(world, provider, &mut Browser::default()).await;
    assert!(!page.has_code(), "{:?}", page.location);
    page.problem()
}

async fn name_of_the_newest(world: &World) -> Option<String> {
    let sql = "SELECT name FROM account ORDER BY created_ms DESC LIMIT 1";
    world.running.shared.now().store.one(sql, &[]).await.unwrap().unwrap().opt_text("name").unwrap().map(str::to_owned)
}

/// Each call has a proof of its own, for that call, with the nonce that the provider wants.
#[tokio::test]
async fn a_key_is_proved_at_the_token_endpoint_and_at_userinfo() {
    for engine in engines() {
        for nonce in [None, Some("n-1")] {
            let provider = Provider::start().await;
            provider.says(Says { id_token: json!({ "name": null }), ..says(Some(nonce)) });
            let world = world(engine, &provider, &format!("{CREATE}{DPOP}")).await;
            assert!(sign_in(&world, &provider, &mut Browser::default()).await.has_code(), "{nonce:?}");
            assert_eq!(name_of_the_newest(&world).await.as_deref(), Some("Ann Example"), "userinfo was read: {nonce:?}");
            let calls = provider.asked().iter().filter(|path| *path == "/token").count();
            assert_eq!(calls, if nonce.is_some() { 2 } else { 1 });
            world.stop().await;
        }
    }
}

/// 455-B: a provider that binds nothing where a proof was sent, or binds where none was, is refused.
#[tokio::test]
async fn a_token_of_another_type_than_was_asked_for_is_refused() {
    for (more, bound, is_good) in [(DPOP, Some(None), true), (DPOP, None, false), ("", None, true), ("", Some(None), false)] {
        let provider = Provider::start().await;
        provider.says(says(bound));
        let world = world(Engine::Sqlite, &provider, &format!("{CREATE}{more}")).await;
        let page = sign_in(&world, &provider, &mut Browser::default()).await;
        assert_eq!(page.has_code(), is_good, "{more:?} {bound:?}: {}", page.html);
        assert_eq!(page.html.contains("did not work"), !is_good);
        world.stop().await;
    }
}

/// The token endpoint's answer may lie about its type.
#[tokio::test]
async fn a_proof_that_was_sent_for_nothing_is_noticed() {
    let provider = Provider::start().await;
    provider.says(Says { token_answer: json!({ "token_type": "Bearer" }), ..says(Some(None)) });
    let world = world(Engine::Sqlite, &provider, &format!("{CREATE}{DPOP}")).await;
    assert!(problem(&world, &provider).await.contains("did not work"));
    provider.says(says(Some(None)));
    assert!(sign_in(&world, &provider, &mut Browser::default()).await.has_code(), "the twin");
    world.stop().await;
}

/// The line of the configuration that names a new key.
pub fn key(name: &str) -> String {
    let file = std::env::temp_dir().join(format!("symbolon-it-decryption-{name}-{}", std::process::id()));
    std::fs::write(&file, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    format!("decryption_key = {{ file = '{}' }}\n", file.display())
}

async fn published(world: &World) -> Json {
    let answer = world.get("/upstream/any/jwks").await;
    assert_eq!(answer.status(), 200);
    answer.json::<Json>().await.unwrap()["keys"][0].clone()
}

/// 233-J: the provider finds the key at our address, with its one use, and encrypts to it.
#[tokio::test]
async fn an_encrypted_id_token_is_read_with_the_key_that_is_published() {
    for engine in engines() {
        let provider = Provider::start().await;
        let world = world(engine, &provider, &format!("{CREATE}{}", key("own"))).await;
        let to = published(&world).await;
        assert_eq!((&to["alg"], &to["use"], to.get("d")), (&"ECDH-ES".into(), &"enc".into(), None));
        provider.says(Says { encrypts_to: Some(to.clone()), ..says(None) });
        let mut browser = Browser::default();
        let url = leave(&world, &mut browser, &Ask::native("openid orders:read")).await;
        assert!(browser.get(&world, &provider.sign_in(&url)).await.has_code());
        // A logout token is encrypted to the same key, or not at all (OpenID Connect Back-Channel Logout 1.0 2.6).
        let form = [("logout_token", provider.logout_token(&json!({})))];
        let answer = world.http.post(world.url("/upstream/any/backchannel-logout")).form(&form).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(!browser.open(&world, &Ask::native("openid orders:read")).await.has_code());
        world.stop().await;
    }
}

/// Each defect alone; what is encrypted to our key and signed by the provider is the twin above.
#[tokio::test]
async fn what_is_not_encrypted_to_our_key_is_refused() {
    let provider = Provider::start().await;
    let world = world(Engine::Sqlite, &provider, &format!("{CREATE}{}", key("mine"))).await;
    let to = published(&world).await;
    provider.says(says(None));
    assert!(problem(&world, &provider).await.contains("did not work"), "in the clear");
    let mut other = symbolon_wallet::jwe::DecryptionKey::generate().unwrap().to_jwk();
    other["kid"] = to["kid"].clone();
    provider.says(Says { encrypts_to: Some(other), ..says(None) });
    assert!(problem(&world, &provider).await.contains("did not work"), "to another key of the same name");
    let mut renamed = to.clone();
    renamed["kid"] = "another".into();
    provider.says(Says { encrypts_to: Some(renamed), ..says(None) });
    assert!(problem(&world, &provider).await.contains("did not work"), "by another name");
    // Encryption proves nobody: the signature inside is checked as always.
    provider.says(Says { encrypts_to: Some(to.clone()), foreign_key: true, ..says(None) });
    assert!(problem(&world, &provider).await.contains("did not work"), "signed by somebody else");
    provider.says(Says { encrypts_to: Some(to), ..says(None) });
    assert!(sign_in(&world, &provider, &mut Browser::default()).await.has_code(), "the twin");
    world.stop().await;
    // A provider that encrypts where we have no key.
    let keyless = crate::upstream::world(Engine::Sqlite, &provider, CREATE).await;
    assert_eq!(keyless.get("/upstream/any/jwks").await.status(), 404);
    assert!(problem(&keyless, &provider).await.contains("did not work"));
    keyless.stop().await;
}
