//! First evidence whose answer was lost: the same request gets the same answer for five minutes, and everything else that was refused still is.

use crate::play;
use crate::receipts::{Scene, android, ios, refused};
use crate::world::*;
use serde_json::Value as Json;
use symbolon_attest::binding::{self, Purpose};
use symbolon_oauth::base64url;
use symbolon_phone::element::{Android, Ios};

/// Format, challenge and evidence of one request.
type Request = (&'static str, String, Vec<(&'static str, String)>);

async fn iphone(phone: &Phone<'_>, client: &str) -> Request {
    let (text, challenge) = phone.any_challenge(client).await;
    let hash = phone.named(Purpose::First, &challenge);
    let (enclave, object) = phone.maker().ios_as(&Ios::genuine(APP, &hash)).unwrap();
    let evidence = vec![("attestation", base64url::encode(&object)), ("key_id", base64url::encode(&enclave.key_id))];
    ("apple-appattest", text, evidence)
}

async fn android_phone(phone: &Phone<'_>, client: &str) -> Request {
    let (text, challenge) = phone.any_challenge(client).await;
    ("android-key", text.clone(), vec![("chain", keystore(phone, &challenge, 202_610))])
}

fn keystore(phone: &Phone<'_>, challenge: &[u8; 32], patch: u32) -> String {
    let hash = binding::leaf(challenge, phone.client);
    let statement = Android { patch, ..Android::genuine(PACKAGE, [7; 32], &hash) };
    chain(&phone.maker().android(&phone.key, &statement).unwrap())
}

async fn send(phone: &mut Phone<'_>, (format, challenge, evidence): &Request) -> Answer {
    let evidence: Vec<(&str, &str)> = evidence.iter().map(|(name, it)| (*name, it.as_str())).collect();
    phone.attest(format, challenge, &evidence).await
}

fn claims(answer: &Answer) -> Json {
    let jwt = answer.text("client_attestation");
    let claims = base64url::decode(jwt.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&claims).unwrap()
}

/// The same key, challenge and evidence: the same tier, lifetime and claims, and nothing is written but the audit.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_first_evidence_heals() {
    for engine in engines() {
        let scene = Scene::start(engine).await;
        for apple in [true, false] {
            let mut phone = scene.phone("plain");
            let request = if apple { iphone(&phone, "plain").await } else { android_phone(&phone, "plain").await };
            let expected = if apple { ios() } else { android() };
            let first = send(&mut phone, &request).await;
            assert_eq!(first, expected, "{}", first.body);
            for _ in 0..2 {
                scene.world.advance_s(100);
                let again = send(&mut phone, &request).await;
                assert_eq!(again, expected, "{}", again.body);
                assert_eq!(claims(&again), claims(&first));
                assert_eq!(again.body["expires_in"], first.body["expires_in"]);
            }
            let entries = scene.world.entries("instance_attested").await;
            let own: Vec<&Json> = entries.iter().filter(|it| it["detail"]["jkt"] == phone.key.kid()).collect();
            assert_eq!(own.iter().map(|it| it["detail"]["repeated"] == true).collect::<Vec<_>>(), [false, true, true]);
            // Five minutes after it was accepted it is what it was: used, or too old.
            scene.world.advance_s(100);
            assert_eq!(send(&mut phone, &request).await, refused());
        }
        scene.world.stop().await;
    }
}

/// The same of Play: Google decodes a token once, so that the answer comes from what is kept.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_a_first_play_token_heals() {
    for engine in engines() {
        let scene = play::Scene::start(engine).await;
        for standard in [false, true] {
            let mut phone = scene.phone();
            let [first, again, replayed] = scene.repeated(&mut phone, standard).await;
            assert_eq!(first, play::good("hardware_claimed"), "{standard}");
            assert_eq!(again, play::good("hardware_claimed"), "{standard}");
            assert_eq!(claims(&again), claims(&first));
            assert_eq!(replayed, refused(), "another token about the same challenge");
        }
        scene.world.stop().await;
    }
}

/// Two at once, as a network sends them that repeats a request: both are answered, and there is one installation.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_evidence_at_once_is_answered_twice() {
    for engine in engines() {
        let scene = Scene::start(engine).await;
        for _ in 0..5 {
            let mut phone = scene.phone("plain");
            let request = android_phone(&phone, "plain").await;
            let mut twin = scene.phone("plain").with_key(phone.key.clone());
            let (one, other) = tokio::join!(send(&mut phone, &request), send(&mut twin, &request));
            assert_eq!((one.status, other.status), (200, 200), "{} {}", one.body, other.body);
            assert_eq!(claims(&one), claims(&other));
        }
        scene.world.stop().await;
    }
}

/// Another key, challenge, client or evidence, a renewal in between, a revocation: as before.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_heals() {
    for engine in engines() {
        let scene = Scene::start(engine).await;
        let mut phone = scene.phone("plain");
        let (text, challenge) = phone.any_challenge("plain").await;
        let request = ("android-key", text.clone(), vec![("chain", keystore(&phone, &challenge, 202_610))]);
        assert_eq!(send(&mut phone, &request).await, android());
        // Other evidence about the same challenge, good by itself.
        let other = ("android-key", text.clone(), vec![("chain", keystore(&phone, &challenge, 202_610))]);
        assert_eq!(send(&mut phone, &other).await, refused());
        assert_eq!(phone.refusals().await[0], "challenge_used");
        // Another key with the same challenge and evidence; the same evidence about another challenge; more parameters.
        let mut thief = scene.phone("plain");
        assert_eq!(send(&mut thief, &request).await, refused());
        assert_eq!(thief.refusals().await[0], "instance_key");
        let fresh = phone.any_challenge("plain").await.0;
        assert_eq!(send(&mut phone, &("android-key", fresh, request.2.clone())).await, refused());
        let longer = ("android-key", text.clone(), [request.2.clone(), vec![("token", "x".to_owned())]].concat());
        assert_eq!(send(&mut phone, &longer).await, refused());
        let renamed = ("android-witness", text.clone(), request.2.clone());
        assert_eq!(send(&mut phone, &renamed).await, refused());
        assert_eq!(send(&mut phone, &request).await, android(), "the twin");
        // A renewal says that the answer arrived.
        let witness = new_key();
        assert_eq!(phone.attest_key("android-witness", Some(&witness), |_| {}).await, android());
        assert_eq!(send(&mut phone, &request).await, refused());
        assert_eq!(phone.refusals().await[0], "challenge_used");
        // A revoked installation has no answers.
        let mut ended = scene.phone("plain");
        let request = iphone(&ended, "plain").await;
        assert_eq!(send(&mut ended, &request).await, ios());
        assert_eq!(send(&mut ended, &request).await, ios());
        let words = ["instance", "revoke", ended.key.kid()];
        crate::commands::told(&scene.world, &words).await;
        assert_eq!(send(&mut ended, &request).await, refused());
        scene.world.stop().await;
    }
}

/// The platforms' own base64 is read where ours is: `key_id` as Apple hands it out, with padding, `+` and `/`.
#[tokio::test(flavor = "multi_thread")]
async fn the_platforms_base64_is_read() {
    let scene = Scene::start(Engine::Sqlite).await;
    let standard = |text: &str| data_encoding::BASE64.encode(&base64url::decode(text).unwrap());
    for lie in [false, true] {
        let mut phone = scene.phone("plain");
        let (format, challenge, mut evidence) = iphone(&phone, "plain").await;
        for (name, value) in &mut evidence {
            *value = standard(value);
            if lie && *name == "key_id" {
                *value = standard(&base64url::encode(&[7; 32]));
            }
        }
        let expected = if lie { refused() } else { ios() };
        assert_eq!(send(&mut phone, &(format, challenge, evidence)).await, expected);
    }
    let mut phone = scene.phone("plain");
    let (format, challenge, mut evidence) = android_phone(&phone, "plain").await;
    evidence[0].1 = evidence[0].1.split('.').map(standard).collect::<Vec<_>>().join(".");
    assert_eq!(send(&mut phone, &(format, challenge, evidence)).await, android());
    for bad in ["", "A", "====", "AAA=A", "A B", "-_+/"] {
        let mut phone = scene.phone("plain");
        let (format, challenge, mut evidence) = iphone(&phone, "plain").await;
        evidence[1].1 = bad.to_owned();
        assert_eq!(send(&mut phone, &(format, challenge, evidence)).await, refused(), "{bad}");
    }
    scene.world.stop().await;
}
