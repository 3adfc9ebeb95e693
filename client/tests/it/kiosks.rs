//! What the phone does for a kiosk: it reads the picture, asks for no network, and signs anew for every showing. docs/kiosk.md.

use crate::world::{ISSUER, Luck, ORDERS, World};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use symbolon_client::Trouble;
use symbolon_client::platform::KeyStore;
use symbolon_oauth::jwk::{Algorithm, PrivateKey, PublicKey};
use symbolon_oauth::jws;
use symbolon_oauth::kiosk::{self, CHALLENGE_TYP, Challenge, Expected};

const NONCE: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// A signed-in phone that was online a moment ago, and the key with which the server signs what kiosks show.
async fn prepared() -> (World, PrivateKey) {
    let world = World::signed_in();
    let key = PrivateKey::generate(Algorithm::ES256).unwrap();
    let mut jwk = key.public().to_jwk();
    jwk["kid"] = key.kid().into();
    world.server.metadata.lock().unwrap()["jwks_uri"] = format!("{ISSUER}/jwks").into();
    world.server.next("/jwks", Luck::Answer(200, &[], json!({ "keys": [jwk] })));
    world.server.next("/token", Luck::Answer(200, &[], tokens("sp_first")));
    world.client.prepare_for_kiosks(ORDERS).await.unwrap();
    (world, key)
}

fn tokens(pass: &str) -> Value {
    json!({ "access_token": "at", "token_type": "DPoP", "expires_in": 600, "refresh_token": "sr-1", "scope": "orders",
        "kiosk_pass": pass, "kiosk_pass_expires_in": 900 })
}

/// What a kiosk of this issuer shows.
fn picture(key: &PrivateKey, issuer: &str) -> String {
    let challenge = Challenge {
        iss: issuer.to_owned(),
        client_id: "gate".to_owned(),
        name: "Gate 3".to_owned(),
        place: "Main hall".to_owned(),
        nonce: NONCE.to_owned(),
        iat: 5,
    };
    kiosk::to_picture(&jws::sign(key, CHALLENGE_TYP, &challenge).unwrap())
}

#[tokio::test]
async fn a_phone_without_a_network_signs_anew_for_every_showing() {
    let (world, server_key) = prepared().await;
    let sent = world.server.seen.lock().unwrap().len();
    let kiosk = world.client.read_kiosk(&picture(&server_key, ISSUER)).await.unwrap();
    assert_eq!((kiosk.name.as_str(), kiosk.place.as_str()), ("Gate 3", "Main hall"));
    let key = PublicKey::from_jwk(&world.phone.public_key().await.unwrap()).unwrap();
    let mut ids = BTreeSet::new();
    for _ in 0..3 {
        let text = kiosk::from_picture(&world.client.kiosk_proof(Some(&kiosk)).await.unwrap()).unwrap();
        let unverified = kiosk::read(&text).unwrap();
        assert_eq!(unverified.pass(), "sp_first");
        // Years later by the server's clock: with a challenge the phone's clock does not matter.
        let proof = unverified.verify(&key, &Expected { issuer: ISSUER, now_s: 400_000_000, needs_challenge: true }).unwrap();
        assert_eq!(proof.challenge.as_deref(), Some(NONCE));
        assert!(ids.insert(proof.jti));
    }
    let text = kiosk::from_picture(&world.client.kiosk_proof(None).await.unwrap()).unwrap();
    let expected = Expected { issuer: ISSUER, now_s: 1_000_000, needs_challenge: false };
    assert_eq!(kiosk::read(&text).unwrap().verify(&key, &expected).unwrap().challenge, None);
    assert_eq!(world.server.seen.lock().unwrap().len(), sent, "nothing was sent");
}

#[tokio::test]
async fn a_picture_that_the_server_did_not_sign_is_not_read() {
    let (world, server_key) = prepared().await;
    let stranger = PrivateKey::generate(Algorithm::ES256).unwrap();
    for (what, shown) in [
        ("a stranger's key", picture(&stranger, ISSUER)),
        ("another server", picture(&server_key, "https://other.example.com")),
        ("no picture", "AB CD!".to_owned()),
        ("another type", jws::sign(&server_key, "JWT", &json!({ "iss": ISSUER })).unwrap()),
    ] {
        assert!(matches!(world.client.read_kiosk(&shown).await, Err(Trouble::Wrong(_))), "{what}");
    }
    assert!(world.client.read_kiosk(&picture(&server_key, ISSUER)).await.is_ok(), "the twin");
}

#[tokio::test]
async fn an_old_pass_signs_nothing_until_the_phone_was_online() {
    let (world, server_key) = prepared().await;
    let kiosk = world.client.read_kiosk(&picture(&server_key, ISSUER)).await.unwrap();
    world.advance_clock(899);
    assert!(world.client.kiosk_proof(Some(&kiosk)).await.is_ok());
    world.advance_clock(1);
    assert!(matches!(world.client.kiosk_proof(Some(&kiosk)).await, Err(Trouble::Later { .. })));
    world.server.next("/token", Luck::Answer(200, &[], tokens("sp_second")));
    world.client.access_token(ORDERS).await.unwrap();
    let text = kiosk::from_picture(&world.client.kiosk_proof(Some(&kiosk)).await.unwrap()).unwrap();
    assert_eq!(kiosk::read(&text).unwrap().pass(), "sp_second");
}

#[tokio::test]
async fn who_signs_out_is_let_in_nowhere() {
    let (world, server_key) = prepared().await;
    let kiosk = world.client.read_kiosk(&picture(&server_key, ISSUER)).await.unwrap();
    world.client.sign_out().await.unwrap();
    assert!(matches!(world.client.kiosk_proof(Some(&kiosk)).await, Err(Trouble::SignedOut(_))));
    assert!(!world.phone.kept.lock().unwrap().values().any(|it| it.contains("sp_first")), "the pass is gone from the device");
}

#[tokio::test]
async fn an_app_whose_members_have_no_pass_is_told() {
    let world = World::signed_in();
    world.server.metadata.lock().unwrap()["jwks_uri"] = format!("{ISSUER}/jwks").into();
    let jwk = PrivateKey::generate(Algorithm::ES256).unwrap().public().to_jwk();
    world.server.next("/jwks", Luck::Answer(200, &[], json!({ "keys": [jwk] })));
    let refused = world.client.prepare_for_kiosks(ORDERS).await;
    assert!(matches!(&refused, Err(Trouble::Refused { error, .. }) if error == "unauthorized_client"), "{refused:?}");
}
