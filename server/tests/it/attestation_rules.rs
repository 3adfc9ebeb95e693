//! What a client asks of app, device and key, by whatever evidence an installation comes: what each rule refuses and lets in, and that
//! none is escaped by evidence that does not speak of it.

use crate::commands::told;
use crate::forged_evidence::{self, Lie};
use crate::play::{self, good};
use crate::receipts::{Scene, android, ios, refused};
use crate::world::{Configuration, Engine, engines};
use std::num::NonZeroU32;
use symbolon::limits::Limits;
use symbolon_attest::binding::Purpose;
use symbolon_oauth::jwk::{Algorithm, PrivateKey};

/// 240-N: whose build it is, from iOS 27 on by what the system says, at first and at every renewal; and Macs by name.
#[tokio::test(flavor = "multi_thread")]
async fn builds_are_let_in_by_name() {
    let macs = "ios = { mac_app_ids = [\"ABCDE12345.com.example.shop\"] }";
    let more = [("store", "ios = { IOS, builds = [\"app_store\"] }"), ("macs", macs)];
    let scene = Scene::with(Engine::Sqlite, &more).await;
    for category in [None, Some(0), Some(1), Some(2), Some(3), Some(5), Some(10)] {
        assert_eq!(scene.phone("store").attest_iphone(|it| it.category = category).await, refused(), "{category:?}");
    }
    for category in [None, Some(2), Some(4), Some(5), Some(6)] {
        assert_eq!(scene.phone("plain").attest_iphone(|it| it.category = category).await, ios(), "{category:?}");
    }
    for category in [Some(0), Some(1), Some(3), Some(10)] {
        assert_eq!(scene.phone("plain").attest_iphone(|it| it.category = category).await, refused(), "{category:?}");
    }
    let mut phone = scene.phone("store");
    assert_eq!(phone.attest_iphone(|it| it.category = Some(4)).await, ios());
    for (category, answer) in [(None, refused()), (Some(3), refused()), (Some(2), refused()), (Some(4), ios())] {
        assert_eq!(phone.renew_iphone(None, category).await, answer, "{category:?}");
    }
    assert_eq!(phone.facts().await["build"], "app_store");
    assert_eq!(scene.phone("macs").attest_iphone(|it| it.mac = true).await, ios());
    assert_eq!(scene.phone("macs").attest_iphone(|_| {}).await, refused(), "a Mac that does not say that it is protected");
    assert_eq!(scene.phone("plain").attest_iphone(|it| it.mac = true).await, refused(), "a Mac, of an app for phones");
    let (_, said) = told(&scene.world, &["check"]).await;
    assert!(said.contains("attestation.ios.builds: development"), "{said}");
    scene.world.stop().await;
}

/// 264-N, 267-N: the person, where the hardware has to ask for them; the encoding, and the factory's keys, where they are asked about.
#[tokio::test(flavor = "multi_thread")]
async fn keys_are_of_the_kind_that_is_asked_for() {
    let more = [
        ("person", "android = { ANDROID, user_auth = [\"biometric\"] }"),
        ("either", "android = { ANDROID, user_auth = [\"biometric\", \"password\"], user_auth_timeout = \"30s\" }"),
        ("strict", "android = { ANDROID, strict = true }"),
        ("remote", "android = { ANDROID, require_rkp = true }"),
    ];
    let scene = Scene::with(Engine::Sqlite, &more).await;
    for (client, user_auth, answer) in [
        ("plain", 0, android()),
        ("person", 0, refused()),
        ("person", 1, refused()),
        ("person", 3, refused()),
        ("person", 2, android()),
        ("either", 0, refused()),
        ("either", 3, android()),
        ("either", 1, android()),
    ] {
        assert_eq!(scene.phone(client).attest_android(|it| it.user_auth = user_auth).await, answer, "{client} {user_auth}");
    }
    for (client, answer) in [("plain", android()), ("strict", refused())] {
        assert_eq!(scene.phone(client).attest_android(|it| it.unordered = true).await, answer, "{client}");
        assert_eq!(scene.phone(client).attest_android(|_| {}).await, android(), "{client}");
    }
    for (client, answer) in [("plain", android()), ("remote", refused())] {
        assert_eq!(scene.phone(client).attest_android(|_| {}).await, answer, "{client}");
        assert_eq!(scene.phone(client).attest_android(|it| it.over_the_air = true).await, android(), "{client}");
    }
    let person = Configuration::from_text(0, &scene.world.text).without("client.person.attestation.android.user_auth");
    let wrong = |rule: &str| person.clone().with(&format!("client.person.attestation.android.{rule}")).read().err().unwrap_or_default();
    assert!(wrong("user_auth = []").contains("user_auth is empty"));
    assert!(wrong("user_auth_timeout = \"30s\"").contains("user_auth_timeout says nothing without user_auth"));
    assert!(wrong("user_auth = [\"password\"]").is_empty());
    scene.world.stop().await;
}

/// Google says nothing of key and patch level: a rule about them is not escaped by a Play token, neither at first nor by an installation
/// that was attested before the rule.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_holds_for_every_kind_of_evidence() {
    for engine in engines() {
        let scene = play::Scene::start(engine).await;
        let witness = PrivateKey::generate(Algorithm::ES256).unwrap();
        let mut phone = scene.phone();
        assert_eq!(phone.attest_key("android-key", None, |_| {}).await, good("hardware"));
        assert_eq!(scene.classic(&mut phone, Purpose::Renewal, |_| {}).await, good("hardware"));
        // An installation that began with Play has no device to compare a witness with: the first one is that.
        let mut second = scene.phone();
        assert_eq!(scene.classic(&mut second, Purpose::First, |_| {}).await, good("hardware_claimed"));
        assert_eq!(second.attest_key("android-witness", Some(&witness), |_| {}).await, good("hardware_claimed"));
        assert_eq!(second.attest_key("android-witness", Some(&witness), |it| it.own_system = Some([6; 32])).await, play::refused());
        for rule in ["least_patch = 202612", "strongbox = true", "require_rkp = true", "user_auth = [\"biometric\"]"] {
            let rule = format!("client.shop.attestation.android.{rule}");
            scene.world.reload(|it| it.with(&rule)).await;
            assert_eq!(scene.classic(&mut phone, Purpose::Renewal, |_| {}).await, play::refused(), "{rule}");
            assert_eq!(scene.classic(&mut second, Purpose::Renewal, |_| {}).await, play::refused(), "{rule}");
            assert_eq!(scene.classic(&mut scene.phone(), Purpose::First, |_| {}).await, play::refused(), "{rule}");
            if rule.contains("least_patch") {
                assert_eq!(phone.attest_key("android-witness", Some(&witness), |it| it.patch = 202_612).await, good("hardware"));
                assert_eq!(scene.classic(&mut phone, Purpose::Renewal, |_| {}).await, good("hardware"), "it has been updated");
            }
            scene.world.reload(|it| it.without(rule.split(" = ").next().unwrap())).await;
            assert_eq!(scene.classic(&mut phone, Purpose::Renewal, |_| {}).await, good("hardware"), "{rule}");
        }
        // What another attester vouched for until now comes here for the first time.
        let mut moved = scene.phone();
        let mut change = symbolon::store::Change::new(0);
        let row = "INSERT INTO instance (client, jkt, state, platform, tier, evidence_key, counter, facts, created_ms, attested_ms) \
            VALUES ('shop', $1, 'active', 'attester', 'software', $2, 0, '{}', 0, 0)";
        change.run(row, vec![moved.key.kid().into(), symbolon::store::Value::from(&[][..])]);
        scene.world.running.shared.now().store.apply(change).await.unwrap();
        assert_eq!(scene.classic(&mut moved, Purpose::First, |_| {}).await, good("hardware_claimed"));
        assert_eq!(scene.classic(&mut moved, Purpose::Renewal, |_| {}).await, good("hardware_claimed"));
        // The app's least version is one for Play too.
        scene.world.reload(|it| it.set("client.shop.attestation.android.least_version", 43)).await;
        assert_eq!(scene.classic(&mut phone, Purpose::Renewal, |_| {}).await, play::refused());
        assert_eq!(scene.classic(&mut phone, Purpose::Renewal, |it| it.version = 43).await, good("hardware"));
        scene.world.stop().await;
    }
}

/// A tier can ask for more of app and device than others: what does not come up to it gets the next lower one that is let in, and rises
/// again with fresh evidence.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_phone_gets_the_lower_tier() {
    for engine in engines() {
        let tiers = "[client.shop.attestation.tier.hardware]\nleast_patch = 202612\nleast_android_version = 1\n\
            [client.shop.attestation.tier.hardware_claimed]\nleast_patch = 202611\n[client.shop.attestation.tier.software]\nmax_age = \"1h\"\n";
        let scene = play::Scene::with(engine, |it| it.with(tiers)).await;
        let witness = PrivateKey::generate(Algorithm::ES256).unwrap();
        let mut phone = scene.phone();
        assert_eq!(phone.attest_key("android-key", None, |_| {}).await, good("software"), "202610");
        for (patch, tier) in [(202_611, "hardware_claimed"), (202_612, "hardware"), (202_701, "hardware")] {
            assert_eq!(phone.attest_key("android-witness", Some(&witness), |it| it.patch = patch).await, good(tier), "{patch}");
        }
        let (_, said) = told(&scene.world, &["instance", "list", "--client", "shop"]).await;
        assert!(said.contains(phone.key.kid()) && said.contains("hardware "), "{said}");
        assert!(!told(&scene.world, &["instance", "list", "--client", "other"]).await.1.contains(phone.key.kid()));
        // What is not known does not come up to it.
        assert_eq!(scene.classic(&mut scene.phone(), Purpose::First, |_| {}).await, good("software"));
        // Without a tier that takes it, it is not let in.
        scene.world.reload(|it| it.without("client.shop.attestation.tier.software")).await;
        assert_eq!(scene.phone().attest_key("android-key", None, |_| {}).await, play::refused());
        assert_eq!(scene.phone().attest_key("android-key", None, |it| it.patch = 202_611).await, good("hardware_claimed"));
        scene.world.stop().await;
    }
    let tiers = "ios = { IOS }\ntier = { hardware_claimed = { least_ios_version = \"4.2\", builds = [\"app_store\"] }, software = {} }";
    let scene = Scene::with(Engine::Sqlite, &[("tiered", tiers)]).await;
    for (version, category, tier) in [
        (Some("4.2"), Some(4), "hardware_claimed"),
        (Some("4.1"), Some(4), "software"),
        (None, Some(4), "software"),
        (Some("4.2"), Some(2), "software"),
        (Some("4.2"), None, "software"),
    ] {
        let mut phone = scene.phone("tiered");
        let attested = phone.attest_iphone(|it| (it.version, it.category) = (version, category)).await;
        assert_eq!(attested, (200, tier.to_owned()), "{version:?} {category:?}");
        assert_eq!(phone.renew_iphone(Some("4.2"), Some(4)).await, ios(), "{version:?} {category:?}");
    }
    let elsewhere = "[client.x]\nkind = \"native\"\nauthentication = \"attest_jwt_client_auth\"\nredirect_uris = [\"https://a.example/b\"]\n\
        [client.x.attestation]\nattester_x5c = { ca = \"ca.pem\", san_dns = \"a.example\" }\ntier = { software = { least_patch = 202601 } }\n";
    let wrong = Configuration::from_text(0, &scene.world.text).with(elsewhere).read().err().unwrap_or_default();
    assert!(wrong.contains("judged where this server attests"), "{wrong}");
    scene.world.stop().await;
}

/// 144-F, 279-N: what was begun without an attestation is the attested installation's alone once it comes with one, and ends with it.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_attested_installation_gets_is_its_own() {
    for engine in engines() {
        let scene = forged_evidence::Scene::start(engine).await;
        let mut phone = scene.phone("open");
        let (code, verifier) = phone.code("openid orders:read").await;
        assert_eq!(phone.android(Lie::Nothing).await.status, 200);
        let answer = phone.exchange(&code, &verifier).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let token = answer.body["refresh_token"].as_str().unwrap().to_owned();
        // The answer was lost on the way: asked again, it is given again.
        let again = phone.exchange(&code, &verifier).await;
        assert_eq!((again.status, again.body["refresh_token"].as_str()), (200, Some(token.as_str())), "{}", again.body);
        let attestation = phone.attestation.take();
        assert_eq!(phone.refresh(&token).await.error(), (400, "use_fresh_attestation"), "not without it, and nothing is lost");
        let mut thief = scene.phone("open");
        assert_eq!(thief.refresh(&token).await.error(), (400, "invalid_grant"));
        assert_eq!(thief.android(Lie::Nothing).await.status, 200);
        assert_eq!(thief.refresh(&token).await.error(), (400, "invalid_grant"), "nor with an installation of his own");
        phone.attestation = attestation;
        assert_eq!(phone.refresh(&token).await.status, 200);
        // A phone that never attested is what it was.
        let mut other = scene.phone("open");
        let others = other.tokens("openid orders:read").await.text("refresh_token");
        let others = other.refresh(&others).await.body["refresh_token"].as_str().unwrap().to_owned();
        // One that attests in the middle of its session takes the session along.
        assert_eq!(other.android(Lie::Nothing).await.status, 200);
        let answer = other.refresh(&others).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        for phone in [&phone, &other] {
            let (done, said) = told(&scene.world, &["instance", "revoke", "--", phone.key.kid()]).await;
            assert!(done && said.contains("1 grant ended"), "{said}");
        }
        assert_eq!(phone.refresh(&token).await.error(), (401, "invalid_client"));
        other.attestation.take();
        let others = answer.body["refresh_token"].as_str().unwrap();
        assert_eq!(other.refresh(others).await.error(), (400, "use_fresh_attestation"));
        assert_eq!(scene.world.audited("refresh_in_wrong_hands").await, 1);
        scene.world.stop().await;
    }
}

/// A bad version ends its installations, on either platform, and those alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_bad_version_is_ended() {
    let scene = Scene::start(Engine::Sqlite).await;
    let mut old = scene.phone("lax");
    for version in [None, Some("4.2"), Some("4.9.1"), Some("4.10")] {
        assert_eq!(scene.attest_ios(&mut scene.phone("lax"), false, version, None).await, ios());
    }
    assert_eq!(scene.attest_ios(&mut old, false, Some("4.3"), None).await, ios());
    assert_eq!(scene.phone("plain").attest_android(|_| {}).await, android());
    let revoke = async |words: &[&str]| told(&scene.world, &[&["instance", "revoke"], words].concat()).await;
    for (version, said) in [("1", "0 installations would be"), ("2", "1 installation would be")] {
        let words = ["--client", "plain", "--app-version-below", version, "--platform", "android", "--preview"];
        let (done, all) = revoke(&words).await;
        assert!(done && all.contains(said), "{all}");
    }
    let (done, said) = revoke(&["--client", "lax", "--app-version-below", "4.10", "--preview"]).await;
    assert!(done && said.contains("3 installations would be revoked"), "{said}");
    let (done, said) = revoke(&["--client", "lax", "--app-version-below", "4.10", "--platform", "android", "--preview"]).await;
    assert!(done && said.contains("0 installations would be revoked"), "{said}");
    assert_eq!(scene.attest_ios(&mut scene.phone("versioned"), false, Some("4.2"), None).await, ios());
    assert_eq!(scene.phone("versioned").attest_android(|it| it.version = 2).await, android());
    let (done, said) = revoke(&["--client", "versioned", "--app-version-below", "42"]).await;
    assert!(!done && said.contains("add --platform"), "{said}");
    let (done, said) = revoke(&["--client", "versioned", "--app-version-below", "42", "--platform", "android"]).await;
    assert!(done && said.contains(" is revoked; 0 grants ended"), "one, and no iPhone: {said}");
    let (done, said) = revoke(&["--client", "lax", "--app-version-below", "next"]).await;
    assert!(!done && said.contains("CFBundleVersion"), "{said}");
    let (done, said) = revoke(&["--client", "lax", "--app-version-below", "4.9"]).await;
    assert!(done && said.contains("2 installations are revoked"), "{said}");
    assert_eq!(old.renew_iphone(Some("4.10"), None).await, refused());
    scene.world.stop().await;
}

/// 285-N: first evidence of a client is counted together; what strangers use up of that keeps nobody from renewing.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_first_evidence_stops_no_renewal() {
    let scene = Scene::start(Engine::Sqlite).await;
    let mut phone = scene.phone("plain");
    assert_eq!(scene.attest_ios(&mut phone, false, None, None).await, ios());
    let app = scene.world.running.shared.now();
    assert_eq!(scene.attest_ios(&mut scene.phone("plain"), false, None, None).await, ios());
    // Strangers send whatever is let through.
    let flood = tokio::spawn(async move {
        loop {
            let _ = app.limits.attests_of_client.check_key_n(&Limits::bucket(&["attest", "plain"]), NonZeroU32::MIN);
            tokio::task::yield_now().await;
        }
    });
    let all = async || {
        while scene.attest_ios(&mut scene.phone("plain"), false, None, None).await.status != 429 {}
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), all()).await.unwrap();
    assert_eq!(phone.renew_iphone(None, None).await, ios());
    assert_eq!(scene.attest_ios(&mut scene.phone("lax"), false, None, None).await, ios(), "another client's are counted apart");
    flood.abort();
    scene.world.stop().await;
}
