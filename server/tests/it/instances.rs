//! Installations over time: one key is one installation of one client, what renewals say is kept, and what leaks later ends them.

use crate::commands::told;
use crate::forged_evidence::{Lie, Scene};
use crate::world::*;

async fn run(world: &World, words: &[&str]) -> (bool, String) {
    told(world, &[&["instance"], words].concat()).await
}

/// 234-N: what a platform attested proves one installation of one client; for another one, and for another client, it is refused, also
/// after it was revoked. A key that is new gets in.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_bound_elsewhere_is_refused() {
    for engine in engines() {
        let scene = Scene::start(engine).await;
        let (mut first, mut second, mut other) = (scene.phone("app"), scene.phone("app"), scene.phone("kiosk"));
        assert_eq!(first.iphone(Lie::Nothing, None).await.status, 200);
        let enclave = first.enclave.take().unwrap();
        assert_eq!(first.iphone(Lie::Nothing, Some(&enclave)).await.status, 200, "the same installation again");
        for phone in [&mut second, &mut other] {
            assert_eq!(phone.iphone(Lie::Nothing, Some(&enclave)).await.error(), (400, "invalid_client_attestation"));
            assert_eq!(phone.refusals().await, ["key_bound_elsewhere"]);
        }
        assert!(run(&scene.world, &["revoke", "--", first.key.kid()]).await.0);
        assert_eq!(second.iphone(Lie::Nothing, Some(&enclave)).await.error(), (400, "invalid_client_attestation"));
        assert_eq!(first.iphone(Lie::Nothing, Some(&enclave)).await.error(), (400, "invalid_client_attestation"));
        assert_eq!(first.refusals().await, ["installation_revoked"]);
        for phone in [&mut second, &mut other] {
            assert_eq!(phone.iphone(Lie::Nothing, None).await.status, 200, "with a key of its own");
        }
        // Android's attested key is the installation's own, so that it is of one client only.
        let mut android = scene.phone("app");
        assert_eq!((android.android(Lie::Nothing).await.status, android.android(Lie::Nothing).await.status), (200, 200));
        let mut elsewhere = scene.phone("kiosk").with_key(android.key.clone());
        assert_eq!(elsewhere.android(Lie::Nothing).await.error(), (400, "invalid_client_attestation"));
        assert_eq!(elsewhere.refusals().await, ["key_bound_elsewhere"]);
        assert_eq!(scene.phone("kiosk").android(Lie::Nothing).await.status, 200);
        scene.world.stop().await;
    }
}

/// One key under two clients is two installations: each is shown, each is revoked alone, and neither keeps the other from it.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_under_two_clients_is_two_installations() {
    for engine in engines() {
        let scene = Scene::start(engine).await;
        let mut app = scene.phone("app");
        let mut kiosk = scene.phone("kiosk").with_key(app.key.clone());
        let mut tokens = Vec::new();
        for phone in [&mut app, &mut kiosk] {
            assert_eq!(phone.iphone(Lie::Nothing, None).await.status, 200);
            tokens.push(phone.tokens("openid orders:read").await.text("refresh_token"));
        }
        let jkt = app.key.kid().to_owned();
        let (_, said) = run(&scene.world, &["show", "--", &jkt]).await;
        assert!(said.contains("app") && said.contains("kiosk"), "{said}");
        let (_, said) = run(&scene.world, &["revoke", "--preview", "--", &jkt]).await;
        assert!(said.contains("2 installations would be revoked; 2 grants would end"), "{said}");
        let (good, said) = run(&scene.world, &["revoke", "--client", "app"]).await;
        assert!(good && said.contains("1 grant ended"), "{said}");
        assert_eq!(app.refresh(&tokens[0]).await.error(), (401, "invalid_client"));
        let answer = kiosk.refresh(&tokens[1]).await;
        assert_eq!(answer.status, 200, "the other client's goes on: {}", answer.body);
        let (good, said) = run(&scene.world, &["revoke", "--client", "app", "--", &jkt]).await;
        assert!(!good && said.contains("no active installation"), "{said}");
        let (good, said) = run(&scene.world, &["revoke", "--", &jkt]).await;
        assert!(good && said.contains("1 grant ended"), "{said}");
        assert_eq!(kiosk.refresh(answer.body["refresh_token"].as_str().unwrap()).await.error(), (401, "invalid_client"));
        scene.world.stop().await;
    }
}

/// What a renewal says is what is known from then on; what it does not say stays.
#[tokio::test(flavor = "multi_thread")]
async fn renewals_are_written_down() {
    for engine in engines() {
        let scene = Scene::start(engine).await;
        let mut iphone = scene.phone("app");
        assert_eq!(iphone.iphone(Lie::Nothing, None).await.status, 200);
        let before = iphone.facts().await;
        assert!(before["bundle_version"].is_null());
        assert_eq!(iphone.asserts(Lie::Nothing, 1, Some("4.2")).await.status, 200);
        let facts = iphone.facts().await;
        assert_eq!(facts["bundle_version"], "4.2");
        assert_eq!(facts["app_id"], before["app_id"]);
        assert_eq!(iphone.asserts(Lie::RolledBack, 1, Some("9.9")).await.error(), (400, "invalid_client_attestation"));
        assert_eq!(iphone.facts().await, facts, "a refused one changes nothing");
        let mut android = scene.phone("app");
        assert_eq!(android.android(Lie::Nothing).await.status, 200);
        let before = android.facts().await;
        assert_eq!(android.witness(Lie::Nothing, Some(202_612)).await.status, 200);
        let facts = android.facts().await;
        assert_eq!((facts["os_patch"].as_i64(), &facts["serials"], &facts["level"]), (Some(202_612), &before["serials"], &before["level"]));
        assert_ne!(facts["witness_serials"][0], facts["serials"][0]);
        // And so the device cannot go back on the way.
        assert_eq!(android.witness(Lie::Nothing, Some(202_611)).await.error(), (400, "invalid_client_attestation"));
        assert_eq!(android.refusals().await, ["older_patch"]);
        assert_eq!(android.witness(Lie::Nothing, Some(202_612)).await.status, 200);
        scene.world.stop().await;
    }
}

/// A keybox that leaks after it attested an installation ends it at the next renewal, whatever renews.
#[tokio::test(flavor = "multi_thread")]
async fn a_keybox_that_leaks_later_ends_its_installations() {
    let list = std::env::temp_dir().join(format!("symbolon-later-{}-{}.json", std::process::id(), free_port()));
    let scene = Scene::with(Engine::Sqlite, &format!("status_list = \"file:{}\"", list.display())).await;
    let app = scene.world.running.shared.now();
    let write = async |text: String| {
        std::fs::write(&list, text).unwrap();
        symbolon::attesting::status::refresh(&app.callers.attesting.status, &app).await;
    };
    write("{\"entries\":{}}".to_owned()).await;
    let mut phone = scene.phone("app");
    assert_eq!((phone.android(Lie::Nothing).await.status, phone.witness(Lie::Nothing, None).await.status), (200, 200));
    let leaf = phone.facts().await["serials"][0].as_str().unwrap().to_owned();
    // The first key's certificate: the witness's own chain is without it.
    write(format!("{{\"entries\":{{\"{leaf}\":{{\"status\":\"REVOKED\"}}}}}}")).await;
    assert_eq!(phone.witness(Lie::Nothing, None).await.error(), (400, "invalid_client_attestation"));
    assert_eq!(phone.refusals().await, ["revoked"]);
    write("{\"entries\":{}}".to_owned()).await;
    assert_eq!(phone.witness(Lie::Nothing, None).await.status, 200);
    let (good, said) = run(&scene.world, &["revoke", "--serial", "not-hex"]).await;
    assert!(!good && said.contains("hexadecimal"), "{said}");
    let witness = phone.facts().await["witness_serials"][0].as_str().unwrap().to_uppercase();
    let (good, said) = run(&scene.world, &["revoke", "--serial", &format!("00:{witness}")]).await;
    assert!(good && said.contains("is revoked"), "what renewed it counts as well: {said}");
    scene.world.stop().await;
    let _ = std::fs::remove_file(list);
}

/// 236-N: "the first evidence challenge is bound to the client, a renewal challenge to client and key." What was asked for without a
/// proof renews nothing, and what was asked for with one is of that key alone, at first evidence as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_answers_a_challenge_of_its_key() {
    let refused = (400, "invalid_client_attestation");
    for engine in engines() {
        let scene = Scene::start(engine).await;
        let mut other = scene.phone("app");
        let (mut iphone, mut android) = (scene.phone("app"), scene.phone("app"));
        iphone.given = Some(other.own_challenge("app").await);
        assert_eq!(iphone.iphone(Lie::Nothing, None).await.error(), refused);
        android.given = Some(other.own_challenge("app").await);
        assert_eq!(android.android(Lie::Nothing).await.error(), refused);
        for phone in [&mut iphone, &mut android] {
            assert_eq!(phone.refusals().await, ["challenge_unknown"]);
            phone.given = Some(phone.own_challenge("app").await);
        }
        assert_eq!((iphone.iphone(Lie::Nothing, None).await.status, android.android(Lie::Nothing).await.status), (200, 200), "its own");
        for (of_key, rule) in [(false, "challenge_unbound"), (true, "challenge_unknown")] {
            let mut challenge = async || if of_key { other.own_challenge("app").await } else { other.any_challenge("app").await };
            iphone.given = Some(challenge().await);
            assert_eq!(iphone.asserts(Lie::Nothing, 1, None).await.error(), refused, "{rule}");
            android.given = Some(challenge().await);
            assert_eq!(android.witness(Lie::Nothing, None).await.error(), refused, "{rule}");
            assert_eq!((&iphone.refusals().await[0][..], &android.refusals().await[0][..]), (rule, rule));
        }
        assert_eq!((iphone.asserts(Lie::Nothing, 1, None).await.status, android.witness(Lie::Nothing, None).await.status), (200, 200));
        scene.world.stop().await;
    }
}

/// 250-N: the newest assertion once more is a lost answer, without alarm; another one with its counter, or with a lower one, is of a
/// copy, and the audit says so. The phone itself goes on.
#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_that_comes_twice_is_no_alarm_and_another_with_its_counter_is() {
    let refused = (400, "invalid_client_attestation");
    for engine in engines() {
        let scene = Scene::start(engine).await;
        let mut phone = scene.phone("app");
        assert_eq!(phone.iphone(Lie::Nothing, None).await.status, 200);
        let said = phone.asserts(Lie::Replay, 5, None).await;
        assert_eq!((said.error(), said.header("retry-after")), ((503, "temporarily_unavailable"), Some("1")));
        for counter in 6..9 {
            let said = phone.asserts(Lie::AtOnce, counter, None).await;
            assert_eq!(said.error(), (503, "temporarily_unavailable"), "{counter}");
        }
        assert!(phone.refusals().await.is_empty());
        assert_eq!(scene.world.audited("evidence_not_judged").await, 0);
        for counter in [8, 7] {
            assert_eq!(phone.asserts(Lie::Nothing, counter, None).await.error(), refused, "{counter}");
        }
        assert_eq!(phone.refusals().await, ["counter", "counter"]);
        assert_eq!(phone.asserts(Lie::Nothing, 9, None).await.status, 200);
        scene.world.stop().await;
    }
}

/// 285-N: an installation that attests without end is told to wait, and nobody else with it.
#[tokio::test(flavor = "multi_thread")]
async fn one_installation_attests_only_so_often() {
    for engine in engines() {
        let scene = Scene::start(engine).await;
        let (mut eager, mut calm) = (scene.phone("app"), scene.phone("app"));
        let form = [("client_id", "app"), ("format", "apple-appattest"), ("challenge", "AAAA")];
        let mut tries = 0;
        let stopped = loop {
            tries += 1;
            let said = eager.post("/attest", &form).await;
            if said.status != 400 || tries == 300 {
                break said;
            }
        };
        assert_eq!((stopped.error(), stopped.header("retry-after")), ((429, "temporarily_unavailable"), Some("10")));
        assert!(tries > 30, "stopped after {tries}");
        assert_eq!(calm.iphone(Lie::Nothing, None).await.status, 200, "from the same address, of the same client");
        scene.world.stop().await;
    }
}

/// "Every installation is a row with platform, tier, history and last use."
#[tokio::test(flavor = "multi_thread")]
async fn an_installation_is_shown_with_its_history_and_last_use() {
    for engine in engines() {
        let scene = Scene::start(engine).await;
        let (mut phone, mut other) = (scene.phone("app"), scene.phone("app"));
        let mut at = Vec::new();
        let mut passes = || {
            scene.world.advance_s(100);
            let now_ms = scene.world.running.shared.now().now_ms();
            at.push(jiff::Timestamp::from_millisecond(now_ms).unwrap().strftime("%Y-%m-%dT%H:%M").to_string());
        };
        assert_eq!(phone.iphone(Lie::WrongApp, None).await.status, 400);
        passes();
        assert_eq!(phone.iphone(Lie::Nothing, None).await.status, 200);
        let jkt = phone.key.kid().to_owned();
        let (_, said) = run(&scene.world, &["show", "--", &jkt]).await;
        assert!(said.contains("used      never"), "{said}");
        passes();
        assert_eq!(phone.asserts(Lie::Nothing, 1, None).await.status, 200);
        passes();
        let token = phone.tokens("openid orders:read").await.text("refresh_token");
        passes();
        assert_eq!(phone.refresh(&token).await.status, 200);
        // Another installation's are not among them.
        assert_eq!(other.iphone(Lie::Development, None).await.status, 400);
        assert_eq!(other.iphone(Lie::Nothing, None).await.status, 200);
        assert!(run(&scene.world, &["revoke", "--", &jkt]).await.0);
        let (_, said) = run(&scene.world, &["show", "--", &jkt]).await;
        let line = |name: &str| said.lines().find(|it| it.starts_with(name)).unwrap_or_else(|| panic!("{name}: {said}"));
        for (name, when) in [("since", &at[0]), ("attested", &at[1]), ("used", &at[3])] {
            assert!(line(name).contains(when.as_str()), "{name} is not {when}: {said}");
        }
        let of = |event: &str| said.lines().filter(|it| it.contains(event)).collect::<Vec<_>>();
        assert!(matches!(of("evidence_refused")[..], [only] if only.contains("refused  ") && only.ends_with("app")), "{said}");
        let attested = of("instance_attested");
        assert!(matches!(attested[..], [first, again] if !first.ends_with("renewal") && again.ends_with("renewal")), "{said}");
        assert!(attested[0].starts_with(&at[0]) && attested[1].starts_with(&at[1]), "{said}");
        assert_eq!(of("instance_revoked").len(), 1, "{said}");
        let (_, said) = run(&scene.world, &["show", "--", other.key.kid()]).await;
        assert!(said.contains("build") && !said.contains("renewal") && !said.contains("instance_revoked"), "{said}");
        scene.world.stop().await;
    }
}
