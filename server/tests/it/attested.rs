//! Attestation-based client authentication: an attester of the customer's vouches for an installation's key, in both proof
//! modes. Area N of the catalogue, as far as it concerns the protocol and not the evidence.

use crate::world::*;
use serde_json::{Value as Json, json};
use symbolon_oauth::jwk::PrivateKey;
use symbolon_oauth::{base64url, client_attestation, jws};

const CLIENTS: &str = r#"
[client.attested]
kind = "native"
first_party = true
authentication = "attest_jwt_client_auth_dpop"
apis = { orders = ["orders:read"] }
redirect_uris = ["https://attested.example.com/cb"]
[client.attested.attestation]
max_age = "24h"
attester_jwks = JWKS

[client.popping]
kind = "native"
first_party = true
authentication = "attest_jwt_client_auth"
apis = { orders = ["orders:read"] }
redirect_uris = ["https://attested.example.com/cb"]
[client.popping.attestation]
attester_jwks = JWKS

[client.ours]
kind = "native"
authentication = "attest_jwt_client_auth"
redirect_uris = ["https://attested.example.com/cb"]
[client.ours.attestation]
ios = { app_ids = ["ABCDE12345.com.example.shop"] }
"#;
const BACK: &str = "https://attested.example.com/cb";

pub struct Scene {
    pub world: World,
    attester: PrivateKey,
}

impl Scene {
    pub async fn start(engine: Engine) -> Self {
        let attester = new_key();
        let world = Configuration::on(engine).await.with(&CLIENTS.replace("JWKS", &named_jwks(&attester))).start().await;
        Self { world, attester }
    }

    /// An installation that the attester vouches for.
    pub fn phone(&self, client: &'static str) -> Phone<'_> {
        let mode = if client == "attested" { Mode::Combined } else { Mode::Pop };
        let mut phone = Phone { mode, attester: Some(&self.attester), ..Phone::new(&self.world, client, BACK) };
        phone.attest_for(3600);
        phone
    }
}

/// An attestation with this header, for this key.
fn vouched(scene: &Scene, phone: &Phone<'_>, header: &Json, jwk: &Json) -> String {
    let now_s = phone.now_s();
    let claims = json!({ "sub": phone.client, "iat": now_s, "exp": now_s + 3600, "cnf": { "jwk": jwk } });
    jws::sign_with_header(&scene.attester, header, &claims).unwrap()
}

async fn on_every_engine<T: Future<Output = ()>>(test: impl Fn(Scene) -> T) {
    for engine in engines() {
        test(Scene::start(engine).await).await;
    }
}

/// 143-F, 251-N, 263-N: the whole chain in both modes: push, code, tokens, refresh are for one installation; another genuine
/// installation of the same app gets nothing of it, and ends nothing; the rightful one goes on, and a lost exchange heals.
#[tokio::test(flavor = "multi_thread")]
async fn an_installation_holds_what_it_got() {
    on_every_engine(|scene| async move {
        for client in ["attested", "popping"] {
            let mut phone = scene.phone(client);
            let mut other = scene.phone(client);
            let (code, verifier) = phone.code("openid orders:read").await;
            assert_eq!(other.exchange(&code, &verifier).await.error(), (400, "invalid_grant"), "{client}");
            let tokens = phone.exchange(&code, &verifier).await;
            assert_eq!(tokens.status, 200, "{client}: {}", tokens.body);
            assert_eq!(tokens.text("token_type"), if client == "attested" { "DPoP" } else { "Bearer" });
            let again = phone.exchange(&code, &verifier).await;
            assert_eq!((again.status, again.text("refresh_token")), (200, tokens.text("refresh_token")), "{client}");
            let first = tokens.text("refresh_token");
            let alarms = scene.world.audited("refresh_in_wrong_hands").await;
            assert_eq!(other.refresh(&first).await.error(), (400, "invalid_grant"), "{client}");
            assert_eq!(scene.world.audited("refresh_in_wrong_hands").await, alarms + 1);
            let second = phone.refresh(&first).await.text("refresh_token");
            scene.world.advance_s(1800);
            assert_eq!(phone.refresh(&first).await.text("refresh_token"), second, "{client}: converges at any age");
            assert_eq!(phone.refresh(&second).await.status, 200);
        }
        scene.world.stop().await;
    })
    .await;
}

/// Refresh asks for evidence fresh enough: an old attestation is answered with use_fresh_attestation, nothing is consumed, and a
/// new one for the same key goes on.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_attestation_is_renewed_and_nothing_is_lost() {
    on_every_engine(|scene| async move {
        for client in ["attested", "popping"] {
            let mut phone = scene.phone(client);
            let (code, verifier) = phone.code("openid orders:read").await;
            let token = phone.exchange(&code, &verifier).await.text("refresh_token");
            scene.world.advance_s(3601);
            assert_eq!(phone.refresh(&token).await.error(), (400, "use_fresh_attestation"), "{client}");
            phone.attest_for(90_000);
            let next = phone.refresh(&token).await;
            assert_eq!(next.status, 200, "{client}: {}", next.body);
            // Not over by exp, but older than max_age.
            scene.world.advance_s(86_401);
            assert_eq!(phone.refresh(&next.text("refresh_token")).await.error(), (400, "use_fresh_attestation"), "{client}");
            phone.attest_for(3600);
            assert_eq!(phone.refresh(&next.text("refresh_token")).await.status, 200);
        }
        scene.world.stop().await;
    })
    .await;
}

/// Where two are suspected to hold one installation's key, evidence from before the suspicion is not enough; fresh evidence
/// answers it, and nothing has ended.
#[tokio::test(flavor = "multi_thread")]
async fn suspicion_asks_an_installation_for_fresh_evidence() {
    on_every_engine(|scene| async move {
        for (at, client) in ["attested", "popping"].into_iter().enumerate() {
            let mut phone = scene.phone(client);
            let (code, verifier) = phone.code("openid orders:read").await;
            let mut newest = phone.exchange(&code, &verifier).await.text("refresh_token");
            for turn in 0..6 {
                assert_eq!(scene.world.audited("suspected_two_holders").await, at, "{client} {turn}");
                let next = phone.refresh(&newest).await.text("refresh_token");
                scene.world.advance_s(20);
                assert_eq!(phone.refresh(&newest).await.text("refresh_token"), next, "{client} {turn}");
                newest = next;
            }
            assert_eq!(scene.world.audited("suspected_two_holders").await, at + 1);
            scene.world.advance_s(2);
            assert_eq!(phone.refresh(&newest).await.error(), (400, "use_fresh_attestation"), "{client}");
            phone.attest_for(3600);
            for _ in 0..2 {
                let next = phone.refresh(&newest).await;
                assert_eq!(next.status, 200, "{client}: {}", next.body);
                newest = next.text("refresh_token");
            }
        }
        scene.world.stop().await;
    })
    .await;
}

/// 272-N, 273-N, 274-N, 276-N, 278-N, 279-N, 280-N, 284-N: every way of leaving the proof out or bending it.
#[expect(clippy::too_many_lines, reason = "one story from its beginning to its end")]
#[tokio::test(flavor = "multi_thread")]
async fn no_proof_no_client() {
    on_every_engine(|scene| async move {
        let form = |client: &'static str| [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", "sr_x")];
        // The twin: with all in order the request gets as far as the token itself.
        for client in ["attested", "popping"] {
            let mut phone = scene.phone(client);
            assert_eq!(phone.post("/token", &form(client)).await.error(), (400, "invalid_grant"), "{client}");
            let good = phone.headers("/token");
            let mut stranger = scene.phone(client);
            (stranger.nonce, stranger.challenge) = (phone.nonce.clone(), phone.challenge.clone());
            let unknown = Scene { world: World::start(Engine::Sqlite).await, attester: new_key() };
            let forged = unknown.phone(client).attestation.unwrap();
            let theirs = stranger.headers("/token")[1].clone();
            let both = format!("{},{}", good[0].1, good[0].1);
            let mut private = phone.key.public().to_jwk();
            private["d"] = "AAAA".into();
            let leaking = vouched(&scene, &phone, &json!({ "alg": "ES256", "typ": "oauth-client-attestation+jwt" }), &private);
            let twin =
                vouched(&scene, &phone, &json!({ "alg": "ES256", "typ": "oauth-client-attestation+jwt" }), &phone.key.public().to_jwk());
            let answer = phone.send_headers(&scene.world, "/token", &form(client), &[(good[0].0, twin.clone()), good[1].clone()]).await;
            assert_ne!(answer.error().1, "invalid_client_attestation", "{client}: the same without the private member");
            let body = twin.split('.').nth(1).unwrap().to_owned();
            let none = format!("{}.{body}.", base64url::encode(br#"{"alg":"none","typ":"oauth-client-attestation+jwt"}"#));
            let bad = |name: &'static str, headers: Vec<(&'static str, String)>, wanted: (u16, &'static str)| (name, headers, wanted);
            for (name, headers, wanted) in [
                bad("nothing", vec![], (401, "invalid_client")),
                bad(
                    "attestation alone",
                    vec![good[0].clone()],
                    if client == "attested" { (400, "invalid_dpop_proof") } else { (400, "invalid_client_attestation") },
                ),
                bad("proof alone", vec![good[1].clone()], (401, "invalid_client")),
                bad("attestation twice", vec![good[0].clone(), good[0].clone(), good[1].clone()], (400, "invalid_client_attestation")),
                bad(
                    "another's attestation",
                    vec![(good[0].0, stranger.attestation.clone().unwrap()), good[1].clone()],
                    (400, "invalid_client_attestation"),
                ),
                bad("unknown attester", vec![(good[0].0, forged), good[1].clone()], (400, "invalid_client_attestation")),
                bad("another's proof", vec![good[0].clone(), theirs], (400, "invalid_client_attestation")),
                bad("two in one header", vec![(good[0].0, both), good[1].clone()], (400, "invalid_client_attestation")),
                bad("alg none", vec![(good[0].0, none), good[1].clone()], (400, "invalid_client_attestation")),
                bad("a private key in cnf", vec![(good[0].0, leaking), good[1].clone()], (400, "invalid_client_attestation")),
                bad("not a JWT", vec![(good[0].0, "{}".to_owned()), good[1].clone()], (400, "invalid_client_attestation")),
            ] {
                let answer = phone.send_headers(&scene.world, "/token", &form(client), &headers).await;
                assert_eq!(answer.error(), wanted, "{client} {name}");
            }
            unknown.world.stop().await;
            // Leaving it out is no way round at any endpoint.
            for path in ["/par", "/revoke", "/token"] {
                let answer = phone
                    .send_headers(&scene.world, path, &[("client_id", client), ("token", "sr_x"), ("grant_type", "refresh_token")], &[])
                    .await;
                assert_eq!(answer.error(), (401, "invalid_client"), "{client} {path}");
            }
            let revoked = phone.post("/revoke", &[("client_id", client), ("token", "sr_x")]).await;
            assert_eq!(revoked.status, 200, "{client}: with it the request is served: {}", revoked.body);
        }
        // Combined mode has no PoP header, not even a good one.
        let mut combined = scene.phone("attested");
        assert_eq!(combined.post("/token", &form("attested")).await.error(), (400, "invalid_grant"));
        let challenge = scene.world.http.post(scene.world.url("/challenge")).send().await.unwrap().json::<Json>().await.unwrap();
        let challenge = challenge["attestation_challenge"].as_str();
        let pop = client_attestation::make_pop(&combined.key, &scene.world.issuer, &fresh(), challenge, combined.now_s()).unwrap();
        let mut headers = combined.headers("/token");
        headers.push(("oauth-client-attestation-pop", pop));
        assert_eq!(
            combined.send_headers(&scene.world, "/token", &form("attested"), &headers).await.error(),
            (400, "invalid_client_attestation")
        );
        // An attestation for one client is none for another; a client that is not attested ignores the headers.
        let phone = scene.phone("attested");
        let other = phone.send_headers(&scene.world, "/token", &form("popping"), &phone.headers("/token")).await;
        assert_eq!(other.error(), (400, "invalid_request"));
        scene.world.stop().await;
    })
    .await;
}

/// 236-N, 273-N: challenges are ours, five minutes old at most; a PoP is for this server and works once.
#[tokio::test(flavor = "multi_thread")]
async fn a_pop_answers_a_challenge_of_ours_once() {
    on_every_engine(|scene| async move {
        let mut phone = scene.phone("popping");
        let handed = scene.world.http.post(scene.world.url("/challenge")).send().await.unwrap();
        assert!(handed.headers().contains_key("dpop-nonce") && handed.headers()["cache-control"] == "no-store");
        phone.challenge = handed.json::<Json>().await.unwrap()["attestation_challenge"].as_str().map(str::to_owned);
        let form = [("grant_type", "client_credentials"), ("client_id", "popping")];
        let good = phone.headers("/token");
        let once = phone.send_headers(&scene.world, "/token", &form, &good).await;
        assert_eq!(once.error(), (400, "unauthorized_client"), "authenticated, but not for this grant");
        // A PoP is burnt by what it changes.
        let ask = Ask::new("popping", BACK, "openid orders:read");
        let pushed: Vec<(&str, &str)> = ask.form();
        assert_eq!(phone.send_headers(&scene.world, "/par", &pushed, &good).await.status, 201);
        let replayed = phone.send_headers(&scene.world, "/par", &pushed, &good).await;
        assert_eq!(replayed.error(), (400, "use_attestation_challenge"));
        assert!(replayed.challenge().is_some());
        for (name, challenge) in [("none", None), ("made up", Some("AAAA".to_owned()))] {
            phone.challenge = challenge;
            assert_eq!(
                phone.send_headers(&scene.world, "/par", &pushed, &phone.headers("/par")).await.error(),
                (400, "use_attestation_challenge"),
                "{name}"
            );
        }
        // A challenge for evidence is none for a PoP, nor the other way round.
        let (_, evidence) = scene.world.post("/attest/challenge", &[("client_id", "ours")], None).await;
        phone.challenge = Some(evidence["challenge"].as_str().unwrap().to_owned());
        assert_eq!(
            phone.send_headers(&scene.world, "/par", &pushed, &phone.headers("/par")).await.error(),
            (400, "use_attestation_challenge")
        );
        phone.challenge = replayed.challenge();
        let elsewhere =
            client_attestation::make_pop(&phone.key, "https://evil.test", &fresh(), phone.challenge.as_deref(), phone.now_s()).unwrap();
        let headers = vec![("oauth-client-attestation", phone.attestation.clone().unwrap()), ("oauth-client-attestation-pop", elsewhere)];
        assert_eq!(phone.send_headers(&scene.world, "/par", &pushed, &headers).await.error(), (400, "invalid_client_attestation"));
        assert_eq!(phone.send_headers(&scene.world, "/par", &pushed, &phone.headers("/par")).await.status, 201);
        // Whoever carries our challenge may have a clock that is five minutes off, and its proof is spent for as long.
        let (issuer, challenge) = (scene.world.node.issuer.clone(), phone.challenge.clone());
        let by_clock = |phone: &Phone<'_>, off_s: i64| {
            let pop = client_attestation::make_pop(&phone.key, &issuer, &fresh(), challenge.as_deref(), phone.now_s() + off_s).unwrap();
            vec![("oauth-client-attestation", phone.attestation.clone().unwrap()), ("oauth-client-attestation-pop", pop)]
        };
        for (off_s, status) in [(-301, 400), (-299, 201), (301, 400), (299, 201)] {
            let headers = by_clock(&phone, off_s);
            assert_eq!(phone.send_headers(&scene.world, "/par", &pushed, &headers).await.status, status, "{off_s}");
        }
        let ahead = by_clock(&phone, 299);
        assert_eq!(phone.send_headers(&scene.world, "/par", &pushed, &ahead).await.status, 201);
        // A challenge is as old as its minute.
        scene.world.advance_s(200);
        let again = phone.send_headers(&scene.world, "/par", &pushed, &ahead).await;
        assert_eq!(again.error(), (400, "use_attestation_challenge"), "it is spent");
        let headers = by_clock(&phone, 0);
        assert_eq!(phone.send_headers(&scene.world, "/par", &pushed, &headers).await.status, 201, "the twin: the same challenge");
        scene.world.advance_s(400);
        assert_eq!(
            phone.send_headers(&scene.world, "/par", &pushed, &phone.headers("/par")).await.error(),
            (400, "use_attestation_challenge")
        );
        scene.world.stop().await;
    })
    .await;
}

/// 280-N: an attestation that was verified before is no shortcut past its attester's key, its time or its client.
#[tokio::test(flavor = "multi_thread")]
async fn an_attestation_already_seen_dies_with_its_attesters_key() {
    on_every_engine(|scene| async move {
        for client in ["attested", "popping"] {
            let mut phone = scene.phone(client);
            let (code, verifier) = phone.code("openid orders:read").await;
            let mut token = phone.exchange(&code, &verifier).await.text("refresh_token");
            let known = async |attester: &PrivateKey| {
                let key = format!("client.{client}.attestation.attester_jwks = {}", jwks_with_kid(attester, scene.attester.kid()));
                scene.world.reload(|it| it.with(&key)).await;
            };
            known(&new_key()).await;
            assert_eq!(phone.refresh(&token).await.error(), (400, "invalid_client_attestation"), "{client}: its key is gone");
            known(&scene.attester).await;
            for _ in 0..3 {
                token = phone.refresh(&token).await.text("refresh_token");
                assert!(!token.is_empty(), "{client}: the same attestation, with its key again");
            }
            scene.world.advance_s(3601);
            assert_eq!(phone.refresh(&token).await.error(), (400, "use_fresh_attestation"), "{client}");
        }
        scene.world.stop().await;
    })
    .await;
}

/// 280-N: where the header says that keys are to be had is never asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_jku_is_not_fetched() {
    let scene = Scene::start(Engine::Sqlite).await;
    let trap = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks", trap.local_addr().unwrap());
    let header = json!({ "alg": "ES256", "typ": "oauth-client-attestation+jwt", "jku": url });
    let form = [("grant_type", "refresh_token"), ("client_id", "attested"), ("refresh_token", "sr_x")];
    let mut phone = scene.phone("attested");
    assert_eq!(phone.post("/token", &form).await.error(), (400, "invalid_grant"));
    let claims =
        json!({ "sub": "attested", "iat": phone.now_s(), "exp": phone.now_s() + 3600, "cnf": { "jwk": phone.key.public().to_jwk() } });
    let stranger = new_key();
    let kept = phone.attestation.replace(jws::sign_with_header(&stranger, &header, &claims).unwrap());
    assert_eq!(phone.post("/token", &form).await.error(), (400, "invalid_client_attestation"));
    let asked = tokio::time::timeout(std::time::Duration::from_millis(200), trap.accept()).await;
    assert!(asked.is_err(), "nobody may come");
    phone.attestation = kept;
    assert_eq!(phone.post("/token", &form).await.error(), (400, "invalid_grant"));
    scene.world.stop().await;
}

/// A page of another origin may read the challenge that an answer brings.
#[tokio::test(flavor = "multi_thread")]
async fn the_challenge_is_exposed_to_pages() {
    let scene = Scene::start(Engine::Sqlite).await;
    let form = [("grant_type", "refresh_token"), ("client_id", "popping"), ("refresh_token", "sr_x")];
    let phone = scene.phone("popping");
    let mut request = scene.world.http.post(scene.world.url("/token")).form(&form).header("origin", "https://app.example.com");
    for (name, value) in phone.headers("/token") {
        request = request.header(name, value);
    }
    let answer = request.send().await.unwrap();
    assert!(answer.headers().contains_key("oauth-client-attestation-challenge"));
    let exposed = answer.headers()["access-control-expose-headers"].to_str().unwrap().to_ascii_lowercase();
    assert!(exposed.split(", ").any(|it| it == "oauth-client-attestation-challenge"), "{exposed}");
    scene.world.stop().await;
}
