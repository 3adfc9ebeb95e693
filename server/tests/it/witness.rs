//! A witness renews an installation on Android. It is held to every rule that first evidence is held to, and so is what is kept of the
//! installation. 255-N, 256-N, 264-N, 267-N.

use crate::play::{Scene, good, refused};
use crate::world::{Engine, World, engines};
use symbolon::store::{Change, Value};
use symbolon_attest::binding::Purpose;
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_phone::element::Android;

type Lie = fn(&mut Android<'_>);

/// The rules that the newest refusal names.
async fn newest_reason(world: &World) -> String {
    world.entries("evidence_refused").await.last().unwrap()["reason"].as_str().unwrap().to_owned()
}

async fn scene_with(engine: Engine, rule: &str) -> Scene {
    Scene::with(engine, |text| text.with(&format!("[client.shop.attestation.android]\n{rule}\n"))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_is_held_to_every_rule_of_first_evidence() {
    let cases: [(&str, Lie, Lie, &str); 7] = [
        ("require_rkp = true", |it| it.over_the_air = true, |it| it.over_the_air = false, "provisioning"),
        ("strongbox = true", |it| it.level = 2, |it| it.level = 1, "key_level"),
        ("user_auth = [\"biometric\"]", |it| it.user_auth = 2, |it| it.user_auth = 0, "user_auth"),
        ("least_patch = 202610", |it| it.patch = 202_610, |it| it.patch = 202_613, "older_patch patch"),
        ("least_patch = 202610", |it| it.patch = 202_610, |it| it.patch = 20_261_105, "older_patch patch"),
        ("least_patch = 202610", |it| it.patch = 202_610, |it| it.patch = 99_999_999, "older_patch patch"),
        ("strict = true", |it| it.unordered = false, |it| it.unordered = true, "encoding"),
    ];
    for (rule, genuine, lie, reason) in cases {
        let scene = scene_with(Engine::Sqlite, rule).await;
        let witness = PrivateKey::generate(Algorithm::ES256).unwrap();
        let mut phone = scene.phone();
        assert_eq!(phone.attest_key("android-key", None, lie).await, refused(), "{rule}: first evidence");
        assert_eq!(phone.attest_key("android-key", None, genuine).await, good("hardware"), "{rule}: first evidence, the twin");
        assert_eq!(phone.attest_key("android-witness", Some(&witness), lie).await, refused(), "{rule}");
        let said = newest_reason(&scene.world).await;
        assert!(reason.split(' ').all(|it| said.split(' ').any(|said| said == it)), "{rule}: {said}");
        assert_eq!(phone.attest_key("android-witness", Some(&witness), genuine).await, good("hardware"), "{rule}: the twin");
        scene.world.stop().await;
    }
    // Without the rule the same witness is as good as the other.
    let scene = scene_with(Engine::Sqlite, "").await;
    let witness = PrivateKey::generate(Algorithm::ES256).unwrap();
    for (rule, genuine, lie, _) in cases.into_iter().filter(|it| !it.0.starts_with("least_patch")) {
        let mut phone = scene.phone();
        assert_eq!(phone.attest_key("android-key", None, genuine).await, good("hardware"), "{rule}");
        assert_eq!(phone.attest_key("android-witness", Some(&witness), lie).await, good("hardware"), "{rule}");
    }
    scene.world.stop().await;
}

/// A good witness does not lend the installation's key what it lacks.
#[tokio::test(flavor = "multi_thread")]
async fn a_witness_lends_the_key_nothing() {
    let cases: [(&str, Lie, &str); 3] = [
        ("require_rkp = true", |it| it.over_the_air = true, "provisioning"),
        ("strongbox = true", |it| it.level = 2, "key_level"),
        ("user_auth = [\"biometric\"]", |it| it.user_auth = 2, "user_auth"),
    ];
    for (rule, better, reason) in cases {
        let scene = scene_with(Engine::Sqlite, "").await;
        let witness = PrivateKey::generate(Algorithm::ES256).unwrap();
        let mut phone = scene.phone();
        assert_eq!(phone.attest_key("android-key", None, |_| {}).await, good("hardware"), "{rule}");
        assert_eq!(phone.attest_key("android-witness", Some(&witness), better).await, good("hardware"), "{rule}: nobody asks");
        scene.world.reload(|text| text.with(&format!("[client.shop.attestation.android]\n{rule}\n"))).await;
        assert_eq!(phone.attest_key("android-witness", Some(&witness), better).await, refused(), "{rule}");
        assert_eq!(newest_reason(&scene.world).await, reason, "{rule}");
        let mut twin = scene.phone();
        assert_eq!(twin.attest_key("android-key", None, better).await, good("hardware"), "{rule}");
        assert_eq!(twin.attest_key("android-witness", Some(&witness), better).await, good("hardware"), "{rule}");
        scene.world.stop().await;
    }
}

/// 256-N: a number that is no month beats no rule, and holds up no renewal, also where it was written down once.
#[tokio::test(flavor = "multi_thread")]
async fn a_kept_patch_level_is_a_month() {
    for engine in engines() {
        let scene = scene_with(engine, "least_patch = 202601").await;
        let witness = PrivateKey::generate(Algorithm::ES256).unwrap();
        let mut phone = scene.phone();
        assert_eq!(phone.attest_key("android-key", None, |_| {}).await, good("hardware"));
        for number in ["99999999", "202613", "20260105", "\"202610\"", "null"] {
            let mut facts = phone.facts().await;
            facts["os_patch"] = serde_json::from_str(number).unwrap();
            let mut change = Change::new(0);
            let values = vec![Value::from(facts.to_string()), phone.key.kid().into()];
            change.run("UPDATE instance SET facts = $1 WHERE jkt = $2", values);
            scene.world.running.shared.now().store.apply(change).await.unwrap();
            assert_eq!(scene.classic(&mut phone, Purpose::Renewal, |_| {}).await, refused(), "{number}");
            assert_eq!(newest_reason(&scene.world).await, "patch", "{number}");
            assert_eq!(phone.attest_key("android-witness", Some(&witness), |_| {}).await, good("hardware"), "{number}: known again");
            assert_eq!(phone.facts().await["os_patch"], 202_610, "{number}");
            assert_eq!(scene.classic(&mut phone, Purpose::Renewal, |_| {}).await, good("hardware"), "{number}");
        }
        scene.world.stop().await;
    }
}
