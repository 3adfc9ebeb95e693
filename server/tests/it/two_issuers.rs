//! Two issuers that share a master key, and even a store: what one of them made is nothing to the other.

use crate::upstream;
use crate::world::provider::{Provider, Says};
use crate::world::*;
use serde_json::{Value as Json, json};
use symbolon_attest::binding;
use symbolon_oauth::base64url;
use symbolon_phone::element::{Android, Maker};

/// Another issuer on the store and the master key of this one.
async fn another_issuer(world: &mut World) -> World {
    let own = world.text.clone();
    let issuer = "http://localhost:1";
    world.text = own.replacen(&format!("issuer = \"{}\"", world.issuer), &format!("issuer = \"{issuer}\""), 1);
    assert_ne!(world.text, own);
    let mut other = world.another("").await;
    world.text = own;
    other.node.issuer = issuer.to_owned();
    other
}

async fn is_active(world: &World, token: &Json) -> bool {
    let (status, body) = world.post("/introspect", &[("token", token.as_str().unwrap())], Some("ledger")).await;
    assert_eq!(status, 200, "{body}");
    body["active"] == true
}

async fn userinfo(world: &World, token: &Json) -> u16 {
    world.http.get(world.url("/userinfo")).bearer_auth(token.as_str().unwrap()).send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_one_issuers() {
    on_every_engine(|mut world| async move {
        let other = another_issuer(&mut world).await;
        let opaque = world.tokens("ledger:read").await["access_token"].clone();
        assert!(opaque.as_str().unwrap().starts_with("sa_"));
        assert!(!is_active(&other, &opaque).await, "an opaque token of another issuer");
        assert!(is_active(&world, &opaque).await);
        let signed = world.tokens("openid").await;
        assert_eq!(userinfo(&other, &signed["access_token"]).await, 401, "a JWT of another issuer");
        assert_eq!(userinfo(&world, &signed["access_token"]).await, 200);
        let refused = other.refresh(refresh_token(&signed)).await;
        assert_eq!((refused.0, refused.1["error"].as_str()), (400, Some("invalid_grant")), "a refresh token of another issuer");
        assert_eq!(world.refresh(refresh_token(&signed)).await.0, 200);
        let (code, verifier) = world.code("openid").await;
        let refused = other.exchange(&code, &verifier).await;
        assert_eq!((refused.0, refused.1["error"].as_str()), (400, Some("invalid_grant")), "a code of another issuer");
        assert_eq!(world.exchange(&code, &verifier).await.0, 200);
        other.stop().await;
        world.stop().await;
    })
    .await;
}

/// An opaque token is for an API that this issuer has: one whose audience has changed takes its old tokens no more.
#[tokio::test(flavor = "multi_thread")]
async fn an_opaque_token_is_for_an_api_of_its_issuer() {
    let configuration = Configuration::on(Engine::Sqlite).await;
    let world = configuration.start().await;
    let opaque = world.tokens("ledger:read").await["access_token"].clone();
    let core = world.running.shared.now();
    let accepts = async |core: &symbolon::core::Core| {
        symbolon::tokens::issue::accept(core, opaque.as_str().unwrap(), core.now_ms()).await.unwrap().is_some()
    };
    assert!(accepts(&core).await);
    world.reload(|it| it.set("api.ledger.audience", "https://api.example.com/another")).await;
    assert!(!accepts(&world.running.shared.now()).await);
    world.reload(|it| it.set("api.ledger.audience", "https://api.example.com/ledger")).await;
    assert!(accepts(&world.running.shared.now()).await);
    world.stop().await;
}

/// The start of a sign-in and the token of its form; the same page at its own issuer goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_one_issuers() {
    on_every_engine(|mut world| async move {
        let other = another_issuer(&mut world).await;
        let mut browser = Browser::default();
        let page = browser.open(&world, &Ask::native("openid")).await;
        let mut form = page.fields();
        form.extend(
            [("username", "alice"), ("password", PASSWORD), ("action", "continue")].map(|(name, text)| (name.to_owned(), text.to_owned())),
        );
        let path = page.form_action().unwrap().replacen(&world.issuer, "", 1);
        let refused = browser.clone().send(other.http.post(other.url(&path)).form(&form)).await;
        assert_eq!((refused.status, refused.location.as_deref()), (400, None), "{}", refused.html);
        let back = browser.submit_password(&world, &page, "alice", PASSWORD).await;
        assert!(back.has_code(), "{}", back.html);
        other.stop().await;
        world.stop().await;
    })
    .await;
}

/// What a browser keeps to be known again: at another issuer it is a browser like any other.
#[tokio::test(flavor = "multi_thread")]
async fn seals_and_macs_name_the_issuer() {
    let mut world = World::start(Engine::Sqlite).await;
    let other = another_issuer(&mut world).await;
    let (own, foreign) = (world.running.shared.now(), other.running.shared.now());
    let token = symbolon::http::browser::form_token(&own, b"secret", "state");
    assert!(symbolon::http::browser::form_token_fits(&own, b"secret", "state", Some(&token)));
    assert!(!symbolon::http::browser::form_token_fits(&foreign, b"secret", "state", Some(&token)));
    let device = base64url::decode(&own.machine.device_cookie("somebody", "a session", own.now_ms()).unwrap()).unwrap();
    let place = |issuer: &str| format!("device/{issuer}");
    assert!(own.keyring.open(&place(&world.issuer), &device).is_some());
    assert_eq!(foreign.keyring.open(&place("http://localhost:1"), &device), None);
    other.stop().await;
    world.stop().await;
}

/// A challenge for evidence: what a phone proved to one issuer it has proved to that one alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_for_evidence_is_one_issuers() {
    let (maker, digest) = (Maker::new().unwrap(), base64url::encode(&[7; 32]));
    let text = format!(
        r#"
[attestation]
simulated_roots = ["{}"]
[client.genuine]
kind = "native"
first_party = true
authentication = "attest_jwt_client_auth_dpop"
apis = {{ orders = ["orders:read"] }}
redirect_uris = ["{NATIVE_BACK}"]
[client.genuine.attestation]
max_age = "1h"
android = {{ packages = ["{PACKAGE}"], signing_digests = ["{digest}"], least_patch = 202601 }}
"#,
        maker.root_spki
    );
    let mut world = Configuration::on(Engine::Sqlite).await.with(&text).start().await;
    let other = another_issuer(&mut world).await;
    let mut phone = Phone::new(&world, "genuine", NATIVE_BACK).made_by(&maker);
    let stranger = Phone::new(&other, "genuine", NATIVE_BACK);
    for (asked, expected) in [(stranger.any_challenge("genuine").await, 400), (phone.any_challenge("genuine").await, 200)] {
        let hash = binding::leaf(&asked.1, "genuine");
        let certificates = maker.android(&phone.key, &Android::genuine(PACKAGE, [7; 32], &hash)).unwrap();
        let answer = phone.attest("android-key", &asked.0, &[("chain", &chain(&certificates))]).await;
        let error = if expected == 400 { "invalid_client_attestation" } else { "" };
        assert_eq!((answer.status, answer.body["error"].as_str().unwrap_or_default()), (expected, error), "{}", answer.body);
    }
    other.stop().await;
    world.stop().await;
}

/// What leads a browser to a provider's sign-out and back is of one issuer, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_out_at_a_provider_is_one_issuers() {
    let provider = Provider::start().await;
    let end = json!({ "end_session_endpoint": format!("{}/end", provider.issuer()) });
    provider.says(Says { sub: "one".to_owned(), discovery: end, ..Says::default() });
    let mut world = upstream::world(Engine::Sqlite, &provider, &format!("{}sign_out = true\n", upstream::CREATE)).await;
    let other = another_issuer(&mut world).await;
    let (mut browser, ask) = (Browser::default(), Ask::native("openid"));
    let url = upstream::leave(&world, &mut browser, &ask).await;
    let page = browser.get(&world, &provider.sign_in(&url)).await;
    let (_, tokens) = world.exchange(&page.code(), &ask.verifier).await;
    let page = browser.visit(&world, &format!("/logout?id_token_hint={}", tokens["id_token"].as_str().unwrap())).await;
    let state = parameters(&page.location.unwrap())["state"].clone();
    for path in ["/upstream/any/sign-out", "/upstream/any/signed-out"] {
        let status = async |node: &World| node.get(&format!("{path}?state={state}")).await.status().as_u16();
        assert_eq!(status(&other).await, 404, "{path}");
        assert_ne!(status(&world).await, 404, "{path}: the twin");
    }
    other.stop().await;
    world.stop().await;
}
