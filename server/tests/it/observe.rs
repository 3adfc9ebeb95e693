//! Rolling attestation out: `attestation.observe` records what the rules would refuse, and refuses nobody. What it lets in is worth nothing
//! once the rules are enforced.

use crate::commands::told;
use crate::receipts::{Scene, android, ios, refused};
use crate::world::*;
use serde_json::json;

const OBSERVE: &str = "client.plain.attestation.observe";

/// A client whose key file is gone cannot be read again.
async fn start(engine: Engine) -> Scene {
    let scene = Scene::start(engine).await;
    scene.world.reload(|it| it.without("client.risky")).await;
    scene
}

fn none() -> (u16, String) {
    (200, "none".to_owned())
}

/// Refused evidence is in the audit with what it said of app and device; none of it is verified, and each text is bounded.
#[tokio::test(flavor = "multi_thread")]
async fn refused_evidence_is_audited_with_its_facts() {
    for engine in engines() {
        let scene = Scene::start(engine).await;
        let mut phone = scene.phone("plain");
        let long: &'static str = "com.evil.".repeat(100).leak();
        let said = phone.attest_android(|it| (it.package, it.locked, it.patch, it.version) = (long, false, 202_609, 77)).await;
        assert_eq!(said, refused());
        let entry = scene.world.entries("evidence_refused").await.pop().unwrap();
        let facts = &entry["detail"]["unverified_facts"];
        assert_eq!(
            (&entry["detail"]["platform"], &entry["detail"]["rules"]),
            (&json!("android"), &json!(["boot_state", "unlocked", "package"]))
        );
        assert_eq!((&facts["level"], &facts["version"], &facts["os_patch"]), (&json!("TrustedEnvironment"), &json!(77), &json!(202_609)));
        assert!(facts["serials"].as_array().is_some_and(|it| it.len() >= 3), "{facts}");
        assert_eq!(facts["packages"][0].as_str().unwrap().len(), 128);
        let mut iphone = scene.phone("plain");
        assert_eq!(iphone.attest_iphone(|it| (it.development, it.version) = (true, Some("4.2"))).await, refused());
        let entry = scene.world.entries("evidence_refused").await.pop().unwrap();
        let facts = &entry["detail"]["unverified_facts"];
        let expected = json!({ "app_id": APP, "bundle_version": "4.2", "environment": "development", "build": "development" });
        assert_eq!((facts, &entry["detail"]["platform"]), (&expected, &json!("ios")));
        // What could not be read says nothing.
        let (challenge, _) = phone.any_challenge("plain").await;
        assert_eq!(phone.attest("android-key", &challenge, &[("chain", "AAAA")]).await, refused());
        let entry = scene.world.entries("evidence_refused").await.pop().unwrap();
        assert!(entry["detail"].get("unverified_facts").is_none() && entry["detail"].get("rules").is_none(), "{entry}");
        scene.world.stop().await;
    }
}

/// While it observes, liars get the tier `none` and tokens, and so does who attests nothing; all of it is recorded.
#[tokio::test(flavor = "multi_thread")]
async fn who_observes_refuses_nobody_and_records_all() {
    for engine in engines() {
        let scene = start(engine).await;
        let mut liar = scene.phone("plain");
        assert_eq!(liar.attest_android(|it| it.locked = false).await, refused());
        assert_eq!(liar.try_tokens("openid").await.error(), (401, "invalid_client"), "without an attestation");
        scene.world.reload(|it| it.set(OBSERVE, true)).await;
        let (_, said) = told(&scene.world, &["check"]).await;
        assert!(said.contains("attestation.observe: UNSAFE"), "{said}");

        assert_eq!(liar.attest_android(|it| it.locked = false).await, none());
        let mut observed = liar.tokens("openid").await;
        // What it got works while it is only observed.
        assert_eq!(liar.get("/userinfo", &observed.text("access_token")).await.status, 200);
        observed = liar.refresh(&observed.text("refresh_token")).await;
        assert_eq!(observed.status, 200, "{}", observed.body);
        assert_eq!(liar.get("/userinfo", &observed.text("access_token")).await.status, 200);
        let entry = scene.world.entries("evidence_observed").await.pop().unwrap();
        assert_eq!((&entry["outcome"], &entry["detail"]["rules"]), (&json!("refused"), &json!(["boot_state", "unlocked"])));
        assert_eq!(entry["detail"]["unverified_facts"]["os_patch"], 202_610);
        let mut iphone = scene.phone("plain");
        assert_eq!(iphone.attest_iphone(|it| it.app_id = "EVIL123456.com.example.shop").await, none());
        let (challenge, _) = iphone.own_challenge("plain").await;
        assert_eq!(iphone.attest("apple-assertion", &challenge, &[("assertion", "AAAA")]).await, none());
        let mut silent = scene.phone("plain");
        let unattested = silent.tokens("openid").await;
        assert_eq!(silent.get("/userinfo", &unattested.text("access_token")).await.status, 200);
        // What passes is what it is without observing.
        let mut honest = scene.phone("plain");
        assert_eq!(honest.attest_android(|_| {}).await, android());
        let kept = honest.tokens("openid").await;
        let (_, said) = told(&scene.world, &["check"]).await;
        assert!(said.contains("client plain, attestation.observe: in 7 days 1 pieces of evidence passed, and the audit has 3"), "{said}");
        assert!(said.contains("unlocked: 1") && said.contains("app: 1"), "{said}");
        // Nothing that was only observed is an installation.
        let (_, listed) = told(&scene.world, &["instance", "list", "--client", "plain"]).await;
        assert!(listed.contains(honest.key.kid()) && !listed.contains(liar.key.kid()) && !listed.contains(iphone.key.kid()), "{listed}");

        // Enforced, it is worth nothing: neither the attestation nor the tokens that came of it.
        scene.world.reload(|it| it.set(OBSERVE, false)).await;
        assert_eq!(liar.refresh(&observed.text("refresh_token")).await.error(), (400, "invalid_client_attestation"));
        assert_eq!(liar.try_tokens("openid").await.error(), (400, "invalid_client_attestation"));
        assert_eq!(silent.refresh(&unattested.text("refresh_token")).await.error(), (401, "invalid_client"));
        assert_eq!(liar.attest_android(|it| it.locked = false).await, refused());
        assert_eq!(honest.refresh(&kept.text("refresh_token")).await.status, 200, "the twin");
        scene.world.stop().await;
    }
}

/// Observing ends no rule that is not about evidence: proofs, other keys, forged attestations and revocations hold.
#[tokio::test(flavor = "multi_thread")]
async fn who_observes_still_knows_forgeries_and_revocations() {
    let scene = start(Engine::Sqlite).await;
    scene.world.reload(|it| it.set(OBSERVE, true)).await;
    let mut phone = scene.phone("plain");
    assert_eq!(phone.attest_iphone(|_| {}).await, ios());
    let attestation = phone.attestation.clone().unwrap();
    let tokens = phone.tokens("openid").await;
    // Another key with the attestation of this one; one of somebody else's making that says what it likes.
    let mut thief = scene.phone("plain");
    thief.attestation = Some(attestation);
    assert_eq!(thief.try_tokens("openid").await.error(), (400, "invalid_client_attestation"));
    let claims = [("tier".to_owned(), json!("none"))].into_iter().collect();
    thief.attest_by(&new_key(), "plain", 3600, &claims);
    assert_eq!(thief.try_tokens("openid").await.error(), (400, "invalid_client_attestation"));
    // What the installation got, it alone can use.
    thief.attestation = None;
    assert_eq!(thief.refresh(&tokens.text("refresh_token")).await.status, 400);
    let mut liar = scene.phone("plain");
    assert_eq!(liar.attest_android(|it| it.locked = false).await, none());
    told(&scene.world, &["instance", "revoke", phone.key.kid()]).await;
    assert_eq!(phone.try_tokens("openid").await.error(), (401, "invalid_client"));
    assert_eq!(phone.attest_iphone(|_| {}).await, none(), "its evidence would be refused");
    assert_eq!(phone.try_tokens("openid").await.error(), (401, "invalid_client"), "and it is revoked all the same");
    assert_eq!(liar.tokens("openid").await.status, 200, "the twin");
    scene.world.stop().await;
}

/// Strangers do not fill the audit, however many networks they have: a client has so many entries about refused evidence a minute. They are
/// routine entries. The answers stay the same, and another client has its own room.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_do_not_fill_the_audit_with_evidence() {
    let scene = start(Engine::Sqlite).await;
    scene.world.reload(Configuration::behind_a_proxy).await;
    for line in 0..42 {
        let mut phone = scene.phone("plain");
        phone.own_challenge("plain").await;
        for _ in 0..10 {
            let mut headers = phone.headers("/attest");
            headers.push(("x-forwarded-for", format!("203.0.113.{line}")));
            let form = [("client_id", "plain"), ("format", "android-key"), ("challenge", "AAAA"), ("chain", "AAAA")];
            let answer = phone.send_headers(&scene.world, "/attest", &form, &headers).await;
            assert_eq!(answer.error(), (400, "invalid_client_attestation"));
        }
    }
    let store = &scene.world.running.shared.now().store;
    let written = async |sql: &'static str| store.one(sql, &[]).await.unwrap().unwrap().int("count").unwrap();
    let routine = written("SELECT count(*) AS count FROM audit_routine WHERE body LIKE '%evidence_refused%'").await;
    assert!((300..400).contains(&routine), "{routine}");
    assert_eq!(written("SELECT count(*) AS count FROM audit_security WHERE body LIKE '%evidence_refused%'").await, 0);
    let mut other = scene.phone("strongbox");
    assert_eq!(other.attest("android-key", "AAAA", &[("chain", "AAAA")]).await, refused());
    assert_eq!(scene.world.entries("evidence_refused").await.pop().unwrap()["client"], "strongbox", "the twin");
    scene.world.stop().await;
}

/// The next system version locks nobody out, and tells the operator: in the audit, in the metrics and in the review.
#[tokio::test(flavor = "multi_thread")]
async fn a_newer_description_is_let_in_and_said() {
    for engine in engines() {
        let scene = start(engine).await;
        for (version, newer) in [(500, false), (600, true)] {
            let mut phone = scene.phone("plain");
            assert_eq!(phone.attest_android(|it| it.description_version = version).await, android(), "{version}");
            let entry = scene.world.entries("instance_attested").await.pop().unwrap();
            assert_eq!(entry["detail"].get("newer_version"), newer.then_some(json!(true)).as_ref(), "{version}");
            let (_, said) = told(&scene.world, &["check"]).await;
            assert_eq!(said.contains("client plain: 1 installations that attested in the last 7 days"), newer, "{version}: {said}");
        }
        scene.world.stop().await;
    }
}
