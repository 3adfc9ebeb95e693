//! Two apps of one organisation share a sign-in: what goes where, and what a refusal means. docs/native-sso.md.

use crate::world::{ISSUER, Luck, ORDERS, World, good_redirect};
use serde_json::json;
use symbolon_client::platform::KeyStore;
use symbolon_client::{SharedSignIn, SignIn, Trouble};
use symbolon_oauth::base64url;
use symbolon_oauth::jwk::PublicKey;
use symbolon_oauth::native_sso::{self, Expected};

const SECRET: &str = "sd_secret";

/// The place that both apps reach: its key and its storage are those of a phone of its own.
fn place() -> (World, SharedSignIn) {
    let world = World::new();
    let shared = SharedSignIn { key: world.phone.clone(), storage: world.phone.clone() };
    (world, shared)
}

fn id_token() -> String {
    let claims = json!({ "iss": ISSUER, "aud": "shop", "sub": "alice" }).to_string();
    format!("{}.{}.AA", base64url::encode(b"{\"alg\":\"ES256\"}"), base64url::encode(claims.as_bytes()))
}

async fn thumbprint(key: &dyn KeyStore) -> String {
    PublicKey::from_jwk(&key.public_key().await.unwrap()).unwrap().thumbprint().to_owned()
}

/// The first app signs in and shares.
async fn share(shared: &SharedSignIn) {
    let first = World::new();
    first.client.share_with(shared.clone());
    first.client.begin(&SignIn::new("openid device_sso orders").for_api(ORDERS)).await.unwrap();
    let back = good_redirect().replace("STATE", &first.server.last("/par").form["state"]);
    let body =
        json!({ "access_token": "x", "token_type": "DPoP", "refresh_token": "sr-1", "id_token": id_token(), "device_secret": SECRET });
    first.server.next("/token", Luck::Answer(200, &[], body));
    first.client.finish(&back).await.unwrap();
    assert_eq!(first.server.last("/token").form["sso_jkt"], thumbprint(shared.key.as_ref()).await);
    let own = first.phone.kept.lock().unwrap().values().any(|it| it.contains(SECRET));
    assert!(!own, "the secret is in the shared place alone");
}

#[tokio::test]
async fn a_second_app_joins_with_a_proof_of_the_shared_key() {
    let (_, shared) = place();
    share(&shared).await;
    let second = World::new();
    second.client.join(&shared, "openid orders", ORDERS).await.unwrap();
    let form = second.server.last("/token").form;
    let own = thumbprint(second.phone.as_ref()).await;
    let expected = Expected { issuer: ISSUER, device_secret: SECRET, jkt: &own, now_s: 1_000_000 };
    let proof = native_sso::check(&form["sso_proof"], &expected).unwrap();
    assert_eq!(proof.sso_jkt, thumbprint(shared.key.as_ref()).await);
    assert_eq!((form["audience"].as_str(), form["subject_token"].as_str(), form["actor_token"].as_str()), (ISSUER, &*id_token(), SECRET));
    assert_eq!((form["scope"].as_str(), form["resource"].as_str()), ("openid orders", ORDERS));
    // The session is the second app's own.
    assert_eq!(second.stored().as_deref(), Some("sr-1"));
    let asked = second.server.count("/token");
    second.client.access_token(ORDERS).await.unwrap();
    assert_eq!(second.server.count("/token"), asked);
}

#[tokio::test]
async fn what_is_shared_goes_to_its_own_server_alone() {
    let (world, shared) = place();
    let second = World::new();
    assert!(matches!(second.client.join(&shared, "openid", ORDERS).await, Err(Trouble::SignedOut(_))), "nothing is shared");
    let other = json!({ "issuer": "https://other.example.com", "device_secret": SECRET, "id_token": id_token() }).to_string();
    world.phone.kept.lock().unwrap().insert("shared-sign-in".to_owned(), other);
    assert!(matches!(second.client.join(&shared, "openid", ORDERS).await, Err(Trouble::SignedOut(_))), "another server's");
    assert_eq!(second.server.count("/token"), 0);
}

#[tokio::test]
async fn a_refused_app_asks_the_person_itself() {
    for (error, is_signed_out) in [("invalid_grant", true), ("interaction_required", true), ("unauthorized_client", false)] {
        let (_, shared) = place();
        share(&shared).await;
        let second = World::new();
        second.server.next("/token", Luck::Answer(400, &[], json!({ "error": error })));
        match second.client.join(&shared, "openid", ORDERS).await {
            Err(Trouble::SignedOut(_)) if is_signed_out => {}
            Err(Trouble::Refused { error: code, .. }) if !is_signed_out => assert_eq!(code, error),
            other => panic!("{error}: {other:?}"),
        }
        assert_eq!(second.stored(), None);
        // The twin, with the same proof key: nothing was lost by the refusal.
        second.client.join(&shared, "openid", ORDERS).await.unwrap();
    }
}
