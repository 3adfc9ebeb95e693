//! The built-in attester with simulated phones that forge both platforms' evidence in their wire formats: the genuine app gets
//! in, every impostor stays out, an installation is revoked alone. Area N.

use crate::world::*;
use serde_json::Value as Json;
use symbolon_attest::binding;
use symbolon_oauth::base64url;
use symbolon_phone::element::{Android, Maker};

const BACK: &str = "https://attested.example.com/cb";

struct Scene {
    world: World,
    maker: Maker,
}

impl Scene {
    async fn start(engine: Engine) -> Self {
        Self::with(engine, "").await
    }

    /// With these further lines of [attestation].
    async fn with(engine: Engine, lines: &str) -> Self {
        let maker = Maker::new().unwrap();
        let digest = base64url::encode(&[7; 32]);
        let text = format!(
            r#"
[attestation]
simulated_roots = ["{}"]
{lines}
[client.genuine]
kind = "native"
first_party = true
authentication = "attest_jwt_client_auth_dpop"
apis = {{ orders = ["orders:read"] }}
redirect_uris = ["{BACK}"]
[client.genuine.attestation]
max_age = "1h"
ios = {{ app_ids = ["{APP}"] }}
android = {{ packages = ["{PACKAGE}"], signing_digests = ["{digest}"], least_patch = 202601 }}
"#,
            maker.root_spki
        );
        Self { world: Configuration::on(engine).await.with(&text).start().await, maker }
    }

    fn phone(&self) -> Phone<'_> {
        Phone::new(&self.world, "genuine", BACK).made_by(&self.maker)
    }
}

async fn on_every_engine<T: Future<Output = ()>>(test: impl Fn(Scene) -> T) {
    for engine in engines() {
        test(Scene::start(engine).await).await;
    }
}

/// Evidence, attestation, tokens, and a refresh that asks for fresh evidence: both platforms.
#[tokio::test(flavor = "multi_thread")]
async fn the_genuine_app_on_a_genuine_device() {
    on_every_engine(|scene| async move {
        let mut iphone = scene.phone();
        let attested = iphone.attest_iphone(|_| {}).await;
        assert_eq!((attested.status, attested.body["tier"].as_str()), (200, Some("hardware_claimed")), "{}", attested.body);
        let mut android = scene.phone();
        let attested = android.attest_android(|_| {}).await;
        assert_eq!((attested.status, attested.body["tier"].as_str()), (200, Some("hardware")), "{}", attested.body);
        let mut tokens = Vec::new();
        for phone in [&mut iphone, &mut android] {
            let answer = phone.try_tokens("openid orders:read").await;
            assert_eq!((answer.status, answer.body["token_type"].as_str()), (200, Some("DPoP")), "{}", answer.body);
            tokens.push(answer.body["refresh_token"].as_str().unwrap().to_owned());
        }
        scene.world.advance_s(3601);
        assert_eq!(iphone.refresh(&tokens[0]).await.error(), (400, "use_fresh_attestation"));
        assert_eq!(iphone.renew_iphone_as_number(1).await.status, 200);
        assert_eq!(iphone.refresh(&tokens[0]).await.status, 200, "nothing was consumed by the refused attempt");
        assert_eq!(android.refresh(&tokens[1]).await.error(), (400, "use_fresh_attestation"));
        // The counter only rises.
        assert_eq!(iphone.renew_iphone_as_number(1).await.error(), (400, "invalid_client_attestation"));
        assert_eq!(iphone.renew_iphone_as_number(2).await.status, 200);
        assert_eq!(scene.world.audited("instance_attested").await, 4);
        scene.world.stop().await;
    })
    .await;
}

/// 234-N, 236-N, 237-N, 254-N, 256-N, 260-N, 263-N, 284-N: one public answer for every impostor; the rule is in the audit.
#[tokio::test(flavor = "multi_thread")]
async fn impostors_stay_out() {
    on_every_engine(|scene| async move {
        let refused = (400, "invalid_client_attestation");
        let mut phone = scene.phone();
        assert_eq!(
            phone.attest_iphone(|it| it.app_id = "EVIL123456.com.example.shop").await.error(),
            refused,
            "another app, the same client_id"
        );
        let other = Maker::new().unwrap();
        assert!(other.is_other_than(&scene.maker));
        assert_eq!(phone.attest_iphone_of(&other, |_| {}).await.error(), refused, "a chain to a root of one's own");
        assert_eq!(phone.attest_android(|it| it.package = "com.evil").await.error(), refused);
        assert_eq!(phone.attest_android(|it| it.signing_digest = [8; 32]).await.error(), refused);
        assert_eq!(phone.attest_android(|it| it.level = 0).await.error(), refused);
        assert_eq!(phone.attest_android(|it| it.locked = false).await.error(), refused);
        assert_eq!(phone.attest_android(|it| it.patch = 202_512).await.error(), refused);
        assert_eq!(phone.attest_android(|it| it.challenge = b"another").await.error(), refused);
        let elsewhere = new_key();
        assert_eq!(
            phone.attest_key("android-key", Some(&elsewhere), |_| {}).await.error(),
            refused,
            "the attested key is not the one that signs"
        );
        assert_eq!(scene.world.audited("evidence_refused").await, 9);
        assert_eq!(
            phone.try_tokens("openid orders:read").await.error(),
            (401, "invalid_client"),
            "and without an attestation there is no token"
        );

        // A challenge is for one attestation, of one client, for five minutes.
        let (text, challenge) = phone.any_challenge("genuine").await;
        let hash = binding::leaf(&challenge, "genuine");
        let good = Android { level: 2, ..Android::genuine(PACKAGE, [7; 32], &hash) };
        let certificates = scene.maker.android(&phone.key, &good).unwrap();
        let chain = chain(&certificates);
        let evidence = [("chain", chain.as_str())];
        assert_eq!(phone.attest("android-key", "AAAA", &evidence).await.error(), refused);
        let first = phone.attest("android-key", &text, &evidence).await;
        assert_eq!(first.status, 200, "{}", first.body);
        // The rule has changed: the same evidence of the same key again is a lost answer, and gets it. Other evidence about it is refused.
        let again = phone.attest("android-key", &text, &evidence).await;
        assert_eq!((again.status, &again.body["tier"]), (200, &first.body["tier"]), "{}", again.body);
        let other = self::chain(&scene.maker.android(&phone.key, &good).unwrap());
        assert_eq!(phone.attest("android-key", &text, &[("chain", other.as_str())]).await.error(), refused, "replayed");
        scene.world.advance_s(301);
        let (late, _) = (text, ());
        assert_eq!(phone.attest("android-key", &late, &evidence).await.error(), refused);
        assert_eq!(phone.try_tokens("openid orders:read").await.status, 200);
        scene.world.stop().await;
    })
    .await;
}

/// An installation is revoked alone: it gets no token any more, and no attestation; others of the same app go on.
#[tokio::test(flavor = "multi_thread")]
async fn an_installation_is_revoked_alone() {
    on_every_engine(|scene| async move {
        let (mut lost, mut kept) = (scene.phone(), scene.phone());
        let mut tokens = Vec::new();
        for phone in [&mut lost, &mut kept] {
            assert_eq!(phone.attest_android(|_| {}).await.status, 200);
            tokens.push(phone.try_tokens("openid orders:read").await.body["refresh_token"].as_str().unwrap().to_owned());
        }
        let (file, jkt) = (scene.world.file(), lost.key.kid().to_owned());
        let said = tokio::task::spawn_blocking(move || {
            let run = |words: &[&str]| {
                let output = std::process::Command::new(env!("CARGO_BIN_EXE_symbolon")).arg("-c").arg(&file).args(words).output().unwrap();
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                String::from_utf8(output.stdout).unwrap()
            };
            let listed = run(&["instance", "list", "--client", "genuine"]);
            assert!(listed.contains(&jkt) && listed.contains("android") && listed.contains("hardware"), "{listed}");
            run(&["instance", "revoke", "--", &jkt])
        })
        .await
        .unwrap();
        assert!(said.contains("1 grant ended"), "{said}");
        for token in [tokens[0].as_str(), &tokens[1], "sr_x"] {
            assert_eq!(lost.refresh(token).await.error(), (401, "invalid_client"), "whether or not there is a grant to read beside it");
        }
        assert_eq!(kept.refresh("sr_x").await.error(), (400, "invalid_grant"));
        assert_eq!(lost.attest_android(|_| {}).await.error(), (400, "invalid_client_attestation"));
        assert_eq!(kept.refresh(&tokens[1]).await.status, 200);
        scene.world.stop().await;
    })
    .await;
}

/// 259-N: a certificate that the status list names, a list that is too old, and no list at all refuse; a list without it accepts.
#[tokio::test(flavor = "multi_thread")]
async fn the_status_list_is_asked() {
    let list = std::env::temp_dir().join(format!("symbolon-status-{}-{}.json", std::process::id(), free_port()));
    let scene = Scene::with(Engine::Sqlite, &format!("status_list = \"file:{}\"", list.display())).await;
    let app = scene.world.running.shared.now();
    let write = async |text: &str| {
        std::fs::write(&list, text).unwrap();
        symbolon::attesting::status::refresh(&app.callers.attesting.status, &app).await;
    };
    let refused = (400, "invalid_client_attestation");
    let mut phone = scene.phone();
    assert_eq!(phone.attest_android(|_| {}).await.error(), refused, "no list yet");
    write("{\"entries\":{}}").await;
    assert_eq!(phone.attest_android(|_| {}).await.status, 200);
    let row = app.store.one("SELECT facts FROM instance WHERE jkt = $1", &[phone.key.kid().into()]).await.unwrap().unwrap();
    let facts: Json = serde_json::from_str(row.text("facts").unwrap()).unwrap();
    let intermediate = facts["serials"][1].as_str().unwrap().to_owned();
    for status in ["REVOKED", "SUSPENDED", "SOMETHING_NEW"] {
        write(&format!("{{\"entries\":{{\"{intermediate}\":{{\"status\":\"{status}\"}}}}}}")).await;
        assert_eq!(phone.attest_android(|_| {}).await.error(), refused, "{status}");
    }
    write("{\"entries\":{\"1234567890abcdef\":{\"status\":\"REVOKED\"}}}").await;
    assert_eq!(phone.attest_android(|_| {}).await.status, 200);
    write("no list").await;
    assert_eq!(phone.attest_android(|_| {}).await.status, 200, "the last good list stays");
    scene.world.advance_s(3 * 86_400 + 60);
    assert_eq!(phone.attest_android(|_| {}).await.error(), refused, "too old");
    scene.world.stop().await;
    let _ = std::fs::remove_file(list);
}

/// A leaked keybox or a bad version of the app ends exactly what it should, and says before how much that is.
#[tokio::test(flavor = "multi_thread")]
async fn many_are_revoked_at_once_and_counted_before() {
    on_every_engine(|scene| async move {
        let (mut one, mut two, mut iphone) = (scene.phone(), scene.phone(), scene.phone());
        assert_eq!(one.attest_android(|_| {}).await.status, 200);
        assert_eq!(two.attest_android(|_| {}).await.status, 200);
        assert_eq!(iphone.attest_iphone(|_| {}).await.status, 200);
        let mut tokens = Vec::new();
        for phone in [&mut one, &mut two, &mut iphone] {
            tokens.push(phone.try_tokens("openid orders:read").await.body["refresh_token"].as_str().unwrap().to_owned());
        }
        let app = scene.world.running.shared.now();
        let row = app.store.one("SELECT facts FROM instance WHERE jkt = $1", &[one.key.kid().into()]).await.unwrap().unwrap();
        let facts: Json = serde_json::from_str(row.text("facts").unwrap()).unwrap();
        let (leaf, shared) = (facts["serials"][0].as_str().unwrap().to_owned(), facts["serials"][1].as_str().unwrap().to_owned());
        let file = scene.world.file();
        let run = async |words: &[&str]| {
            let (file, words) = (file.clone(), words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
            let done = tokio::task::spawn_blocking(move || {
                std::process::Command::new(env!("CARGO_BIN_EXE_symbolon"))
                    .arg("-c")
                    .arg(&file)
                    .args(["instance", "revoke"])
                    .args(words)
                    .output()
            });
            let output = done.await.unwrap().unwrap();
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
        };
        let said = run(&["--serial", &shared, "--preview"]).await;
        assert!(said.contains("2 installations would be revoked; 2 grants would end") && said.contains(one.key.kid()), "{said}");
        let said = run(&["--client", "genuine", "--app-version-below", "1", "--platform", "android", "--preview"]).await;
        assert!(said.contains("0 installations would be revoked"), "{said}");
        assert!(run(&[]).await.contains("name an installation"));
        assert_eq!(one.refresh(&tokens[0]).await.status, 200, "a preview does nothing");
        let said = run(&["--serial", &format!("00{}", leaf.to_uppercase())]).await;
        assert!(said.contains("is revoked; 1 grant ended"), "{said}");
        assert_eq!(one.refresh(&tokens[0]).await.error(), (401, "invalid_client"));
        let said = run(&["--client", "genuine", "--app-version-below", "2", "--platform", "android"]).await;
        assert!(said.contains("1 grant ended"), "{said}");
        assert_eq!(two.refresh(&tokens[1]).await.error(), (401, "invalid_client"));
        assert_eq!(iphone.refresh(&tokens[2]).await.status, 200);
        scene.world.stop().await;
    })
    .await;
}

/// 252-N: an attestation says which installation, never who. Another person on the same phone signs in and gets what is theirs;
/// another phone that shows this one's attestation gets nothing, whoever signs in on it.
#[tokio::test(flavor = "multi_thread")]
async fn an_attestation_is_of_a_phone_and_not_of_a_person() {
    on_every_engine(|scene| async move {
        scene.world.person("bob").await;
        let mut phone = scene.phone();
        assert_eq!(phone.attest_iphone(|_| {}).await.status, 200);
        let hers = phone.try_tokens("openid orders:read").await;
        let his = phone.tokens_for(&phone.ask("openid orders:read"), "bob", &[]).await;
        let of = |it: &Answer, name: &str| it.body[name].as_str().unwrap_or_else(|| panic!("{}", it.body)).to_owned();
        let sub = |it: &Answer| claims(&of(it, "access_token"))["sub"].clone();
        assert_ne!(sub(&hers), sub(&his));
        let mut other = scene.phone();
        other.attestation = phone.attestation.clone();
        let refused = (400, "invalid_client_attestation");
        assert_eq!(other.tokens_for(&other.ask("openid orders:read"), "bob", &[]).await.error(), refused);
        assert_eq!(other.refresh(&of(&hers, "refresh_token")).await.error(), refused);
        let alice = sub(&phone.refresh(&of(&hers, "refresh_token")).await);
        assert_eq!(alice, sub(&hers));
        assert_eq!(sub(&phone.refresh(&of(&his, "refresh_token")).await), sub(&his));
        // With evidence of its own it is a phone like any other.
        assert_eq!(other.attest_iphone(|_| {}).await.status, 200);
        assert_eq!(other.tokens_for(&other.ask("openid orders:read"), "bob", &[]).await.status, 200);
        scene.world.stop().await;
    })
    .await;
}

/// 285-N, 580-K: more evidence at once than there are places is turned away at once and loses nothing; tokens flow meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn too_much_evidence_at_once_is_shed() {
    on_every_engine(|scene| async move {
        let (mut known, mut late) = (scene.phone(), scene.phone());
        assert_eq!(known.attest_iphone(|_| {}).await.status, 200);
        let tokens = known.try_tokens("openid orders:read").await;
        let pool = scene.world.running.shared.now().limits.evidence.clone();
        let free = pool.free_permits();
        let (open, opened) = std::sync::mpsc::channel::<()>();
        let gate = std::sync::Arc::new(std::sync::Mutex::new(opened));
        let mut work = Vec::new();
        for _ in 0..free {
            let (pool, gate) = (pool.clone(), gate.clone());
            work.push(tokio::spawn(async move { pool.run(move || gate.lock().unwrap().recv().is_err()).await.is_ok() }));
        }
        while pool.free_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let (text, challenge) = late.any_challenge("genuine").await;
        let hash = binding::leaf(&challenge, "genuine");
        let phone = Android::genuine(PACKAGE, [7; 32], &hash);
        let certificates = scene.maker.android(&late.key, &phone).unwrap();
        let chain = chain(&certificates);
        let evidence = [("chain", chain.as_str())];
        let shed = late.attest("android-key", &text, &evidence).await;
        assert_eq!(shed.error(), (503, "temporarily_unavailable"));
        assert_eq!(shed.header("retry-after"), Some("2"));
        assert_eq!(known.attest_iphone(|_| {}).await.error(), (503, "temporarily_unavailable"));
        assert_eq!(
            known.refresh(tokens.body["refresh_token"].as_str().unwrap()).await.status,
            200,
            "an installation that is attested goes on"
        );
        drop(open);
        for place in work {
            assert!(place.await.unwrap(), "whoever had a place was served");
        }
        assert_eq!(late.attest("android-key", &text, &evidence).await.status, 200, "the very same evidence: nothing was spent");
        scene.world.stop().await;
    })
    .await;
}

/// 594-K: evidence that nests thousands of levels deep is refused as any other, at once, and one after the other.
#[tokio::test(flavor = "multi_thread")]
async fn evidence_without_a_bottom_is_refused_at_once() {
    let scene = Scene::start(Engine::Sqlite).await;
    let mut der = vec![5, 0];
    while der.len() < 20_000 {
        let length = u16::try_from(der.len()).unwrap().to_be_bytes();
        der = [&[0x30, 0x82][..], &length, &der].concat();
    }
    let cbor = [vec![0x81; 20_000], vec![0xf6]].concat();
    let maps = [[0xa1, 0x61, b'a'].repeat(7_000), vec![0xf6]].concat();
    let mut phone = scene.phone();
    for _ in 0..3 {
        for bytes in [&der, &cbor, &maps] {
            let text = base64url::encode(bytes);
            for (format, name) in [("apple-appattest", "attestation"), ("apple-assertion", "assertion"), ("android-key", "chain")] {
                let (challenge, _) = phone.any_challenge("genuine").await;
                let began = std::time::Instant::now();
                let answer = phone.attest(format, &challenge, &[(name, &text), ("key_id", &base64url::encode(&[7; 32]))]).await;
                assert_eq!(answer.error(), (400, "invalid_client_attestation"), "{format}");
                assert!(began.elapsed() < std::time::Duration::from_secs(5), "{format}: {:?}", began.elapsed());
            }
        }
    }
    assert_eq!(phone.attest_android(|_| {}).await.status, 200, "the twin");
    scene.world.stop().await;
}

/// 631-Q: the last number an App Attest counter has is the last: nothing comes after it by beginning anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_counter_that_is_used_up_stays_used_up() {
    on_every_engine(|scene| async move {
        let mut iphone = scene.phone();
        assert_eq!(iphone.attest_iphone(|_| {}).await.status, 200);
        assert_eq!(iphone.renew_iphone_as_number(u32::MAX - 1).await.status, 200);
        assert_eq!(iphone.renew_iphone_as_number(u32::MAX).await.status, 200, "the last one is as good as any");
        for wrapped in [0, 1, u32::MAX - 1, u32::MAX] {
            assert_eq!(iphone.renew_iphone_as_number(wrapped).await.error(), (400, "invalid_client_attestation"), "{wrapped}");
        }
        let mut anew = scene.phone();
        assert_eq!(anew.attest_iphone(|_| {}).await.status, 200, "the way on is a new key");
        assert_eq!(anew.renew_iphone_as_number(1).await.status, 200);
        scene.world.stop().await;
    })
    .await;
}

/// 234-N, 236-N: the same evidence about the same challenge, beyond the hour in which it was spent.
#[tokio::test(flavor = "multi_thread")]
async fn evidence_is_spent_beyond_the_hour() {
    on_every_engine(|scene| async move {
        let mut phone = scene.phone();
        assert_eq!(phone.attest_android(|_| {}).await.status, 200);
        scene.world.stand_at(54 * 60 + 59);
        let (text, challenge) = phone.any_challenge("genuine").await;
        let hash = binding::leaf(&challenge, "genuine");
        let certificates = scene.maker.android(&phone.key, &Android::genuine(PACKAGE, [7; 32], &hash)).unwrap();
        let chain = chain(&certificates);
        let evidence = [("chain", chain.as_str())];
        assert_eq!(phone.attest("android-key", &text, &evidence).await.status, 200);
        scene.world.advance_s(2);
        // The same evidence would be a lost answer by now, so that it is other evidence about the challenge.
        let certificates = scene.maker.android(&phone.key, &Android::genuine(PACKAGE, [7; 32], &hash)).unwrap();
        let chain = self::chain(&certificates);
        let evidence = [("chain", chain.as_str())];
        assert_eq!(phone.attest("android-key", &text, &evidence).await.error(), (400, "invalid_client_attestation"));
        assert_eq!(scene.world.entries("evidence_refused").await.last().unwrap()["reason"], "challenge_used");
        assert_eq!(phone.attest_android(|_| {}).await.status, 200, "a new challenge is as good as before");
        scene.world.stop().await;
    })
    .await;
}

/// 282-N: what is there and is no evidence is not the same as none being asked for.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_evidence_is_refused() {
    let scene = Scene::start(Engine::Sqlite).await;
    for (format, name) in [("apple-appattest", "attestation"), ("apple-assertion", "assertion"), ("android-key", "chain")] {
        let mut phone = scene.phone();
        for value in ["", "{}", "[]", "true", "null", "0", "e30", "W10", "dHJ1ZQ", "."] {
            let (challenge, _) = phone.any_challenge("genuine").await;
            let answer = phone.attest(format, &challenge, &[(name, value), ("key_id", &base64url::encode(&[7; 32]))]).await;
            assert_eq!(answer.error(), (400, "invalid_client_attestation"), "{format} {value:?}");
        }
        let (challenge, _) = phone.any_challenge("genuine").await;
        let answer = phone.attest(format, &challenge, &[(name, &"A".repeat(1 << 20))]).await;
        assert_eq!(answer.error(), (413, "invalid_request"), "{format}");
    }
    let mut phone = scene.phone();
    for format in ["", "{}", "none", "true"] {
        let (challenge, _) = phone.any_challenge("genuine").await;
        assert_eq!(phone.attest(format, &challenge, &[]).await.error(), (400, "invalid_client_attestation"), "{format:?}");
    }
    assert_eq!(phone.try_tokens("openid orders:read").await.error(), (401, "invalid_client"), "nothing was got by any of it");
    assert_eq!(phone.attest_android(|_| {}).await.status, 200);
    assert_eq!(phone.try_tokens("openid orders:read").await.status, 200);
    scene.world.stop().await;
}
