//! Registered clients hear that a session has ended, as those of the configuration do (OpenID Connect Back-Channel Logout 1.0). What they
//! say of themselves makes this server call nobody else.

use crate::commands::symbolon;
use crate::registration::{register, send};
use crate::world::documents::{Documents, Says};
use crate::world::*;
use serde_json::{Value as Json, json};
use std::time::Duration;
use symbolon::serve::system_clock;
use symbolon_oauth::jwk::{Algorithm, KeySet};
use symbolon_oauth::logout_token::{self, Expected};

const OPEN: &str = "[client_registration.open]\nopen = true\nscopes = [\"openid\"]\nper_network = 100\n\
    [client_registration.web]\nscopes = [\"openid\"]\ndocuments = [\"planner.example.net\"]\n";
const HOST: &str = "planner.example.net";
const BACK: &str = "https://planner.example.net/cb";
const TOLD: &str = "https://planner.example.net/logged-out";
const DOCUMENT: &str = "https://planner.example.net/client.json";

async fn start(engine: Engine) -> (World, Documents) {
    let world = Configuration::on(engine).await.with(OPEN).behind_a_proxy().start().await;
    let documents = Documents::start(&world, &[HOST, "other.example.net"]).await;
    documents.say(TOLD, Says::Text(200, "", String::new()));
    (world, documents)
}

fn site() -> Json {
    json!({ "client_name": "Harvest notes", "redirect_uris": [BACK], "token_endpoint_auth_method": "none", "scope": "openid",
        "backchannel_logout_uri": TOLD, "backchannel_logout_session_required": true })
}

/// Alice signs in to the client: the claims of her ID token, and the token.
async fn signed_in(world: &World, id: &str) -> (Json, String) {
    let (ask, mut browser) = (Ask::new(id, BACK, "openid"), Browser::default());
    let page = browser.open(world, &ask).await;
    let mut page = browser.submit_password(world, &page, "alice", PASSWORD).await;
    if page.kind() == "consent" {
        page = browser.submit(world, &page, &[], &page.first_action()).await;
    }
    let code = if page.kind() == "unvouched" {
        let link = page.html.split("id=\"onward\" href=\"").nth(1).unwrap().split('"').next().unwrap();
        parameters(&link.replace("&amp;", "&").replace("&#x2f;", "/"))["code"].clone()
    } else {
        page.code()
    };
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", id),
        ("code", &code),
        ("code_verifier", &ask.verifier),
        ("redirect_uri", BACK),
    ];
    let (status, tokens) = world.post("/token", &form, None).await;
    assert_eq!(status, 200, "{tokens}");
    let token = tokens["id_token"].as_str().unwrap().to_owned();
    (claims(&token), token)
}

async fn sign_out(world: &World, id_token: &str) {
    let page = Browser::default().visit(world, &format!("/logout?id_token_hint={id_token}")).await;
    assert_eq!(page.kind(), "signed_out", "{}", page.html);
}

async fn told(documents: &Documents, times: usize) {
    for _ in 0..150 {
        if documents.posted().len() >= times {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(documents.posted().len(), times);
}

async fn audited(world: &World, event: &str, times: usize) {
    for _ in 0..100 {
        if world.audited(event).await >= times {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(world.entries(event).await.len(), times, "{event}");
}

/// The newest word, checked as a client checks it.
async fn must_name(world: &World, documents: &Documents, id: &str, ended: &Json) {
    let (address, body) = documents.posted().pop().unwrap();
    assert_eq!(address, TOLD.strip_prefix("https://").unwrap());
    let token = url::form_urlencoded::parse(body.as_bytes()).find(|(name, _)| name == "logout_token").unwrap().1.into_owned();
    let keys: Json = world.get("/jwks").await.json().await.unwrap();
    let algorithms = [Algorithm::ES256, Algorithm::RS256];
    let expected = Expected { issuer: &world.issuer, client_id: id, algorithms: &algorithms, now_s: system_clock()() / 1000, leeway_s: 60 };
    let token = logout_token::check(&token, &KeySet::parse(&keys).unwrap(), &expected).unwrap();
    assert_eq!((&token["sid"], &token["sub"]), (&ended["sid"], &ended["sub"]));
}

/// A client that registered itself is told once the owner of the host has said that it is theirs, and not before.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_registered_itself_is_told_where_its_host_is_proved() {
    for engine in engines() {
        let (world, documents) = start(engine).await;
        let (status, answer) = register(&world, None, &site()).await;
        assert_eq!(status, 201, "{answer}");
        assert_eq!((&answer["backchannel_logout_uri"], &answer["backchannel_logout_session_required"]), (&TOLD.into(), &true.into()));
        let (id, token) = (answer["client_id"].as_str().unwrap(), answer["registration_access_token"].as_str().unwrap());
        let (_, hint) = signed_in(&world, id).await;
        sign_out(&world, &hint).await;
        audited(&world, "client_not_told", 1).await;
        assert!(world.entries("client_not_told").await[0]["reason"].as_str().unwrap().contains("nobody has proved"));
        assert_eq!(documents.posted().len(), 0);
        let proof = &answer["host_proofs"][0];
        documents.text(proof["file"].as_str().unwrap(), proof["text"].as_str().unwrap());
        let mut again = site();
        again["client_id"] = id.into();
        let (status, answer) = send(&world, "PUT", &format!("/clients/{id}"), Some(token), Some(&again)).await;
        assert_eq!((status, &answer["host_proofs"][0]["proved"]), (200, &true.into()), "{answer}");
        let (ended, hint) = signed_in(&world, id).await;
        sign_out(&world, &hint).await;
        told(&documents, 1).await;
        must_name(&world, &documents, id, &ended).await;
        audited(&world, "client_told", 1).await;
        assert_eq!(world.entries("client_told").await[0]["client"], id);
        // A client without the address is not told, as before.
        let mut quiet = again.clone();
        quiet.as_object_mut().unwrap().retain(|name, _| !name.starts_with("backchannel_logout"));
        let (status, answer) = send(&world, "PUT", &format!("/clients/{id}"), Some(token), Some(&quiet)).await;
        assert_eq!((status, answer.get("backchannel_logout_uri")), (200, None));
        let (_, hint) = signed_in(&world, id).await;
        sign_out(&world, &hint).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(documents.posted().len(), 1);
        world.stop().await;
    }
}

/// 497-G: each defect alone; without it the client is registered.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_names_no_host_but_one_that_it_can_prove() {
    let (world, _documents) = start(Engine::Sqlite).await;
    assert_eq!(register(&world, None, &site()).await.0, 201);
    for bad in [
        json!("https://other.example.net/logged-out"),
        json!("https://planner.example.net.other.example.net/logged-out"),
        json!("https://planner.example.net:8443/logged-out"),
        json!("https://127.0.0.1/logged-out"),
        json!("http://planner.example.net/logged-out"),
        json!("https://planner.example.net/logged-out#x"),
        json!("https://me@planner.example.net/logged-out"),
        json!("javascript:alert(1)"),
        json!(""),
        json!([TOLD]),
    ] {
        let mut body = site();
        body["backchannel_logout_uri"] = bad.clone();
        let (status, answer) = register(&world, None, &body).await;
        assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_client_metadata")), "{bad}: {answer}");
    }
    for (required, expected) in [(json!(false), 201), (json!("true"), 400), (json!(1), 400)] {
        let mut body = site();
        body["backchannel_logout_session_required"] = required.clone();
        assert_eq!(register(&world, None, &body).await.0, expected, "{required}");
    }
    world.stop().await;
}

/// A client that is a document is told at the host of its document.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_a_document_is_told() {
    for engine in engines() {
        let (world, documents) = start(engine).await;
        let document =
            json!({ "client_id": DOCUMENT, "client_name": "Harvest notes", "redirect_uris": [BACK], "backchannel_logout_uri": TOLD });
        documents.json(DOCUMENT, &document);
        let (ended, hint) = signed_in(&world, DOCUMENT).await;
        sign_out(&world, &hint).await;
        told(&documents, 1).await;
        must_name(&world, &documents, DOCUMENT, &ended).await;
        world.stop().await;
    }
}

/// An operator imported the client, and vouches for it. Its address leads to a public one all the same.
#[tokio::test(flavor = "multi_thread")]
async fn an_imported_client_is_told_at_a_public_address() {
    for engine in engines() {
        let (world, documents) = start(engine).await;
        let mut client = site();
        client["client_id"] = "books".into();
        let list = world.file().with_file_name("clients.json");
        std::fs::write(&list, json!([client]).to_string()).unwrap();
        let (code, said, complained) = symbolon(&world.file(), &["client", "import", list.to_str().unwrap()], "").await;
        assert_eq!(code, Some(0), "{said}{complained}");
        documents.leads(HOST, &["10.0.0.7"]);
        let (ended, hint) = signed_in(&world, "books").await;
        sign_out(&world, &hint).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(documents.asked(), 0, "nobody is called at a private address");
        documents.leads(HOST, &["93.184.215.14"]);
        world.advance_s(16);
        told(&documents, 1).await;
        let (address, _) = documents.posted().pop().unwrap();
        assert_eq!(address, TOLD.strip_prefix("https://").unwrap());
        assert!(ended["sid"].is_string());
        world.stop().await;
    }
}
