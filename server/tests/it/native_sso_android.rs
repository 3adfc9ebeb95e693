//! Two Android apps of one organisation (Native SSO, draft 07): the evidence of each names the certificate that its package is signed with,
//! whether the Keystore said it or Google Play. Each refusal with its twin.

use crate::native_sso::Scene;
use crate::world::*;
use symbolon_attest::binding::Purpose;
use symbolon_oauth::base64url;
use symbolon_phone::play::{Play, Verdict};

const OURS: [u8; 32] = [7; 32];
const ANOTHER: [u8; 32] = [8; 32];

/// Two apps of one certificate and one of another, all in one group.
fn clients(console: &Play) -> String {
    let key = std::env::temp_dir().join(format!("symbolon-sso-{}-{}.key", std::process::id(), free_port()));
    std::fs::write(&key, console.decryption_key()).unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let app = |id: &str, digest: [u8; 32]| {
        format!(
            "[client.{id}]\nkind = \"native\"\nfirst_party = true\nsso_group = \"example\"\n\
             authentication = \"attest_jwt_client_auth_dpop\"\napis = {{ orders = [\"orders:read\"] }}\n\
             redirect_uris = [\"https://app.example.com/sso/{id}\"]\n[client.{id}.attestation.android]\n\
             packages = [\"com.example.{id}\"]\nsigning_digests = [\"{}\"]\n[client.{id}.attestation.android.play]\n\
             minimum_version = 42\nkeys = [{{ decryption_key = {{ file = '{}' }}, verification_key = '{}' }}]\n",
            base64url::encode(&digest),
            key.display(),
            console.verification_key()
        )
    };
    [app("droid", OURS), app("droidbonus", OURS), app("stranger2", ANOTHER)].concat()
}

#[derive(Clone, Copy, Debug)]
enum By {
    Keystore,
    Play,
}

/// An installation of this client, attested in this way.
async fn droid<'a>(scene: &'a Scene, console: &Play, (client, digest): (&'static str, [u8; 32]), by: By) -> Phone<'a> {
    let leaked = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let (back, package) = (leaked(format!("https://app.example.com/sso/{client}")), leaked(format!("com.example.{client}")));
    let mut phone = Phone::new(&scene.world, client, back).made_by(&scene.maker);
    let answer = match by {
        By::Keystore => phone.attest_android(|it| (it.package, it.signing_digest) = (package, digest)).await,
        By::Play => {
            let (text, challenge) = phone.own_challenge(client).await;
            let verdict = Verdict {
                package,
                signing_digest: digest,
                version: 42,
                device: vec!["MEETS_BASIC_INTEGRITY", "MEETS_DEVICE_INTEGRITY"],
                recognition: "PLAY_RECOGNIZED",
                binding: ("nonce", base64url::encode(&phone.named(Purpose::First, &challenge))),
                at_ms: scene.world.running.shared.now().now_ms(),
            };
            phone.attest("play-classic", &text, &[("token", &console.token(&verdict).unwrap())]).await
        }
    };
    assert_eq!(answer.status, 200, "{by:?}: {}", answer.body);
    // A first request, so that the app has a nonce.
    phone.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", "sr_")]).await;
    phone
}

/// K-21: apps of one certificate join, whichever evidence each has. An app of another certificate does not, in the same group.
#[tokio::test(flavor = "multi_thread")]
async fn android_apps_of_one_certificate_join() {
    for engine in engines() {
        let console = Play::new().unwrap();
        let scene = Scene::start(engine, &clients(&console)).await;
        for (first, second) in [(By::Keystore, By::Play), (By::Play, By::Keystore), (By::Play, By::Play), (By::Keystore, By::Keystore)] {
            let mut app = droid(&scene, &console, ("droid", OURS), first).await;
            let shared = scene.share(&mut app, "alice").await;
            let mut stranger = droid(&scene, &console, ("stranger2", ANOTHER), second).await;
            assert_eq!(scene.join(&mut stranger, &shared).await.error(), (400, "invalid_grant"), "{first:?} {second:?}");
            let mut bonus = droid(&scene, &console, ("droidbonus", OURS), second).await;
            let joined = scene.join(&mut bonus, &shared).await;
            assert_eq!(joined.status, 200, "{first:?} {second:?}: {}", joined.body);
        }
        assert!(scene.world.entries("sso_refused").await.iter().all(|it| it["reason"].as_str().unwrap().contains("certificate")));
        scene.world.stop().await;
    }
}
