//! What no client gets that nobody of this server has looked at, whether it registered itself or is a document: devices, backchannel requests,
//! kiosks, other tokens for its token, single sign-on and a hand-over.

use crate::registration::{EXCHANGE, register};
use crate::world::documents::Documents;
use crate::world::*;
use serde_json::{Value as Json, json};
use symbolon_oauth::backchannel::GRANT_TYPE as BACKCHANNEL;
use symbolon_oauth::device_authorization::GRANT_TYPE as DEVICE_CODE;
use symbolon_oauth::kiosk::GRANT_TYPE as KIOSK;

const HOST: &str = "planner.example.net";
const DOCUMENT: &str = "https://planner.example.net/client.json";
const BACK: &str = "https://planner.example.net/cb";

/// Everything that a policy can give to strangers, and a client of the configuration that may do what they may not.
fn configuration(base: Configuration) -> Configuration {
    base.with(&format!(
        r#"
[client_registration.open]
open = true
scopes = ["openid", "offline_access"]
hosts = ["{HOST}"]
documents = ["{HOST}"]
[client.screen]
kind = "native"
name = "Screen"
redirect_uris = ["https://screen.example.com/cb"]
grants = ["authorization_code", "{DEVICE_CODE}"]
"#
    ))
}

async fn post(world: &World, path: &str, client: &str, more: &[(&str, &str)]) -> (u16, Option<String>) {
    let own = [("client_id", client), ("scope", "openid")];
    let (status, answer) = world.post(path, &[&own, more].concat(), None).await;
    (status, answer["error"].as_str().map(str::to_owned))
}

/// A document, and a client that registered itself.
async fn strangers(world: &World, documents: &Documents) -> [String; 2] {
    let body = json!({ "client_name": "Harvest notes", "redirect_uris": [BACK], "token_endpoint_auth_method": "none" });
    let (status, answer) = register(world, None, &body).await;
    assert_eq!(status, 201, "{answer}");
    let mut document = body;
    document["client_id"] = json!(DOCUMENT);
    documents.json(DOCUMENT, &document);
    assert_eq!(Browser::default().open(world, &Ask::new(DOCUMENT, BACK, "openid")).await.status, 200, "the document is read");
    [DOCUMENT.to_owned(), answer["client_id"].as_str().unwrap().to_owned()]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_gets_no_grant_of_devices_kiosks_and_services() {
    let refused = (400, Some("unauthorized_client".to_owned()));
    for engine in engines() {
        let world = configuration(Configuration::on(engine).await).start().await;
        let documents = Documents::start(&world, &[HOST]).await;
        for client in strangers(&world, &documents).await {
            for path in ["/device_authorization", "/backchannel_authentication", "/kiosk/challenge"] {
                assert_eq!(post(&world, path, &client, &[("login_hint", "alice")]).await, refused, "{path} {client}");
            }
            for grant in ["client_credentials", DEVICE_CODE, BACKCHANNEL, KIOSK, EXCHANGE] {
                assert_eq!(post(&world, "/token", &client, &[("grant_type", grant)]).await, refused, "{grant} {client}");
            }
            let own = post(&world, "/token", &client, &[("grant_type", "authorization_code"), ("code", "x")]).await;
            assert_eq!(own, (400, Some("invalid_grant".to_owned())), "the twin: its own grant");
        }
        assert_eq!(post(&world, "/device_authorization", "screen", &[]).await, (200, None), "the twin: a client of the configuration");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_shares_no_sign_in_and_hands_nobody_over() {
    let world = configuration(Configuration::on(Engine::Sqlite).await).start().await;
    let documents = Documents::start(&world, &[HOST]).await;
    for client in strangers(&world, &documents).await {
        let page = Browser::default().open(&world, &Ask::new(&client, BACK, "openid device_sso")).await;
        assert_eq!(page.error().as_deref(), Some("invalid_scope"), "{client}");
        let ask = Ask::new(&client, BACK, "openid");
        let back = Browser::default().sign_in(&world, &ask, "alice").await;
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", client.as_str()),
            ("code", &back["code"]),
            ("code_verifier", &ask.verifier),
            ("redirect_uri", BACK),
        ];
        let (status, tokens) = world.post("/token", &form, None).await;
        assert!(status == 200 && tokens.get("device_secret").is_none(), "{tokens}");
        let token = tokens["access_token"].as_str().unwrap();
        let answer = world.http.post(world.url("/handover")).bearer_auth(token).form(&[("client_id", &client)]).send().await.unwrap();
        let (status, answer): (u16, Json) = (answer.status().as_u16(), answer.json().await.unwrap());
        assert_eq!((status, answer["error"].as_str()), (403, Some("insufficient_scope")), "{client}");
        let userinfo = world.http.get(world.url("/userinfo")).bearer_auth(token).send().await.unwrap();
        assert_eq!(userinfo.status().as_u16(), 200, "the twin: the token is good");
    }
    // A policy cannot give it either.
    let wider = "[client_registration.open]\nscopes = [\"openid\", \"device_sso\"]\n";
    let problem = Configuration::to_read().with(wider).read().unwrap_err();
    assert!(problem.contains("is no OpenID Connect scope"), "{problem}");
    assert_eq!(Configuration::to_read().with(&wider.replace(", \"device_sso\"", "")).read(), Ok(()), "the twin");
    world.stop().await;
}
