//! What the OpenID conformance suite asks of an OP in its plan *Dynamic OP*, as tests of our own, under the named policy that
//! docs/registration.md has for it. Each function has the name of a module of the suite.

use crate::registration::register;
use crate::world::*;
use serde_json::{Value as Json, json};

const BACK: &str = "https://suite.example.com/test/a/symbolon/callback";
const POLICY: &str = r#"
[client_registration.conformance]
open = true
scopes = ["openid", "profile", "email", "offline_access"]
kinds = ["web"]
hosts = ["suite.example.com"]
without_pkce = true
without_nonce = true
"#;

async fn world(engine: Engine) -> World {
    Configuration::on(engine).await.with(POLICY).start().await
}

/// As the suite registers a client.
async fn client(world: &World, more: Json) -> Json {
    let mut body = json!({ "client_name": "suite client 1", "grant_types": ["authorization_code"], "response_types": ["code"],
        "redirect_uris": [BACK], "contacts": ["suite@example.com"] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (status, answer) = register(world, None, &body).await;
    assert_eq!(status, 201, "{answer}");
    answer
}

fn ask(client: &Json, back: &str) -> Ask {
    let ask = Ask::new(client["client_id"].as_str().unwrap(), back, "openid");
    ask.without("code_challenge").without("code_challenge_method").with("nonce", "n-0S6_WzA2Mj")
}

/// Signs in and answers the ID token.
async fn id_token(world: &World, client: &Json, back: &str) -> String {
    let page = Browser::default().sign_in_at(world, &world.url(&ask(client, back).path()), "alice").await;
    let form = [("grant_type", "authorization_code".to_owned()), ("code", page.code()), ("redirect_uri", back.to_owned())];
    let request = world.http.post(world.url("/token")).basic_auth(client["client_id"].as_str().unwrap(), client["client_secret"].as_str());
    let answer: Json = request.form(&form).send().await.unwrap().json().await.unwrap();
    answer["id_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

fn header(jwt: &str) -> Json {
    serde_json::from_slice(&symbolon_oauth::base64url::decode(jwt.split('.').next().unwrap()).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn oidcc_discovery_endpoint_verification() {
    let world = world(Engine::Sqlite).await;
    let metadata: Json = world.get("/.well-known/openid-configuration").await.json().await.unwrap();
    assert_eq!(metadata["registration_endpoint"], world.url("/clients"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oidcc_idtoken_rs256() {
    for engine in engines() {
        let world = world(engine).await;
        for (more, alg) in [
            (json!({ "id_token_signed_response_alg": "RS256" }), "RS256"),
            (json!({}), "RS256"),
            (json!({ "id_token_signed_response_alg": "ES256" }), "ES256"),
        ] {
            let client = client(&world, more).await;
            let token = id_token(&world, &client, BACK).await;
            assert_eq!((header(&token)["alg"].as_str(), &claims(&token)["aud"]), (Some(alg), &client["client_id"]));
        }
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn oidcc_redirect_uri_query_ok() {
    for engine in engines() {
        let world = world(engine).await;
        let back = format!("{BACK}?foo=bar");
        let client = client(&world, json!({ "redirect_uris": [back] })).await;
        let page = Browser::default().sign_in_at(&world, &world.url(&ask(&client, &back).path()), "alice").await;
        assert_eq!((page.parameters()["foo"].as_str(), page.has_code()), ("bar", true));
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn oidcc_redirect_uri_query_added_and_mismatch() {
    let world = world(Engine::Sqlite).await;
    let client = client(&world, json!({ "redirect_uris": [format!("{BACK}?foo=bar")] })).await;
    for other in [format!("{BACK}?foo=bar&bar=foo"), format!("{BACK}?bar=foo"), BACK.to_owned()] {
        let page = Browser::default().open(&world, &ask(&client, &other)).await;
        assert_eq!((page.status, page.location), (400, None), "{other}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oidcc_redirect_uri_regfrag() {
    let world = world(Engine::Sqlite).await;
    let body = json!({ "redirect_uris": [format!("{BACK}#foobar")] });
    let (status, answer) = register(&world, None, &body).await;
    assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_redirect_uri")));
    world.stop().await;
}

/// A logo, a policy and terms may be registered. They are not shown: nobody has looked at them.
#[tokio::test(flavor = "multi_thread")]
async fn oidcc_registration_logo_policy_and_tos_uri() {
    let world = world(Engine::Sqlite).await;
    for name in ["logo_uri", "policy_uri", "tos_uri"] {
        let client = client(&world, json!({ name: "https://suite.example.com/x" })).await;
        let page = Browser::default().open(&world, &ask(&client, BACK)).await;
        assert!(page.status == 200 && !page.html.contains("suite.example.com/x"), "{name}");
    }
    world.stop().await;
}

/// Identifiers are public here, so that a sector has no meaning; a client that needs one is told so.
#[tokio::test(flavor = "multi_thread")]
async fn oidcc_registration_sector_bad() {
    let world = world(Engine::Sqlite).await;
    let body =
        json!({ "redirect_uris": [BACK], "subject_type": "pairwise", "sector_identifier_uri": "https://suite.example.com/bad.json" });
    let (status, answer) = register(&world, None, &body).await;
    assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_client_metadata")));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oidcc_server_rotate_keys() {
    for engine in engines() {
        let world = world(engine).await;
        let client = client(&world, json!({})).await;
        let before = header(&id_token(&world, &client, BACK).await)["kid"].clone();
        let app = world.running.shared.now();
        let kid = rotate_keys(&app, symbolon_oauth::jwk::Algorithm::RS256, true).await;
        app.refresh_keys().await.unwrap();
        drop(app);
        let after = header(&id_token(&world, &client, BACK).await)["kid"].clone();
        assert_eq!((after.as_str(), before == after), (Some(kid.as_str()), false));
        world.stop().await;
    }
}
