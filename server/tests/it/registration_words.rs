//! What a client that registers itself gets by its words alone: defaults, values that the server chose instead, what people read about it,
//! and what other words end.

use crate::registration::{BACK, register, send, site};
use crate::world::*;
use serde_json::{Value as Json, json};

const OPEN: &str = "[client_registration.open]\nopen = true\nper_network = 1000\nscopes = [\"openid\", \"email\"]\n";
const VOUCHED: &str = "hosts = [\"planner.example.net\"]\n";

async fn world(engine: Engine, more: &str) -> World {
    Configuration::on(engine).await.with(&format!("{OPEN}{more}")).start().await
}

fn with(mut body: Json, name: &str, value: Json) -> Json {
    body[name] = value;
    body
}

fn text<'a>(answer: &'a Json, name: &str) -> &'a str {
    answer[name].as_str().unwrap_or_else(|| panic!("no {name}: {answer}"))
}

/// RFC 8252 7.3, 8.6: nobody can prove an address on a person's own computer. People read so, and are asked every time.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_on_the_persons_computer_is_asked_about_every_time() {
    for engine in engines() {
        let world = world(engine, VOUCHED).await;
        let body = json!({ "client_name": "Harvest notes", "application_type": "native", "redirect_uris": ["http://127.0.0.1/cb", BACK] });
        let (status, answer) = register(&world, None, &body).await;
        assert_eq!(status, 201, "{answer}");
        let (id, mut browser) = (text(&answer, "client_id").to_owned(), Browser::default());
        let consent = async |browser: &mut Browser, uri: &str| {
            let mut page = browser.open(&world, &Ask::new(&id, uri, "openid")).await;
            if page.kind() == "password" {
                page = browser.submit_password(&world, &page, "alice", PASSWORD).await;
            }
            page
        };
        for port in [49_152, 61_234] {
            let page = consent(&mut browser, &format!("http://127.0.0.1:{port}/cb")).await;
            assert_eq!(page.kind(), "consent", "{}", page.html);
            assert!(page.says("Nobody at this service has checked this app. What you allow goes to a program on this device."));
            assert!(!page.says("planner.example.net"), "{}", page.text());
            let page = browser.submit(&world, &page, &[], "allow").await;
            assert!(page.html.contains("code="), "{}", page.html);
        }
        let quiet = Ask::new(&id, "http://127.0.0.1:5000/cb", "openid").with("prompt", "none");
        assert!(browser.open(&world, &quiet).await.html.contains("error=consent_required"));
        // The twin: the same client at a host that the operator vouches for.
        let page = consent(&mut browser, BACK).await;
        assert!(page.kind() == "consent" && page.says("The owner of planner.example.net says that it is theirs"), "{}", page.text());
        assert!(browser.submit(&world, &page, &[], "allow").await.has_code());
        assert!(consent(&mut browser, BACK).await.has_code(), "remembered");
        world.stop().await;
    }
}

/// RFC 7592 2.2: other keys are another client's. What people have agreed to ends, as it does with other addresses.
#[tokio::test(flavor = "multi_thread")]
async fn other_keys_end_what_people_have_agreed_to() {
    for engine in engines() {
        let world = world(engine, VOUCHED).await;
        let keys = |key: &symbolon_oauth::jwk::PrivateKey| json!({ "keys": [key.public().to_jwk()] });
        let (first, second) = (new_key(), new_key());
        let body = with(with(site(), "token_endpoint_auth_method", json!("private_key_jwt")), "jwks", keys(&first));
        let (status, answer) = register(&world, None, &body).await;
        assert_eq!(status, 201, "{answer}");
        let (id, token) = (text(&answer, "client_id").to_owned(), text(&answer, "registration_access_token").to_owned());
        let (mut browser, ask) = (Browser::default(), Ask::new(&id, BACK, "openid"));
        browser.sign_in(&world, &ask, "alice").await;
        let quiet = ask.clone().with("prompt", "none");
        let put = async |body: &Json| {
            world.advance_s(1);
            send(&world, "PUT", &format!("/clients/{id}"), Some(&token), Some(&with(body.clone(), "client_id", json!(id)))).await.0
        };
        assert_eq!(put(&with(body.clone(), "client_name", json!("Savings"))).await, 200);
        assert!(browser.open(&world, &quiet).await.has_code(), "the twin: the same key under another name");
        assert_eq!(put(&with(body.clone(), "jwks", keys(&second))).await, 200);
        assert_eq!(browser.open(&world, &quiet).await.error().as_deref(), Some("consent_required"));
        browser.sign_in(&world, &ask, "alice").await;
        assert!(browser.open(&world, &quiet).await.has_code(), "agreed to anew");
        world.stop().await;
    }
}

/// L-20: each method of the metadata is registered, or refused by an error that names the member. `none` has no secret, not in the store
/// either, and no way without PKCE.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_offered_is_registered_or_refused_by_its_name() {
    for engine in engines() {
        let world = world(engine, VOUCHED).await;
        let metadata: Json = world.get("/.well-known/openid-configuration").await.json().await.unwrap();
        let key = new_key();
        let mut registered = Vec::new();
        for method in metadata["token_endpoint_auth_methods_supported"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()) {
            let mut body = with(site(), "token_endpoint_auth_method", json!(method));
            if method == "private_key_jwt" {
                body["jwks"] = json!({ "keys": [key.public().to_jwk()] });
            }
            let (status, answer) = register(&world, None, &body).await;
            if status == 201 {
                assert_eq!(text(&answer, "token_endpoint_auth_method"), method);
                registered.push(method.to_owned());
            } else {
                assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_client_metadata")), "{method}");
                assert!(text(&answer, "error_description").contains("token_endpoint_auth_method"), "{method}: {answer}");
            }
        }
        registered.sort();
        assert_eq!(registered, ["client_secret_basic", "client_secret_post", "none", "private_key_jwt"]);
        // Without a method: what its kind can do.
        let native = json!({ "client_name": "Harvest notes", "application_type": "native", "redirect_uris": [BACK] });
        let (status, answer) = register(&world, None, &native).await;
        assert_eq!((status, text(&answer, "token_endpoint_auth_method"), &answer["client_secret"]), (201, "none", &Json::Null));
        let id = text(&answer, "client_id");
        let app = world.running.shared.now();
        let row = app.store.one("SELECT body FROM client WHERE id = $1", &[id.into()]).await.unwrap().unwrap();
        let kept: Json = serde_json::from_str(row.text("body").unwrap()).unwrap();
        assert!(kept.get("secret").is_none(), "{kept}");
        let ask = Ask::new(id, BACK, "openid").with("nonce", "n-1");
        let bare = ask.clone().without("code_challenge").without("code_challenge_method");
        assert_eq!(Browser::default().open(&world, &bare).await.error().as_deref(), Some("invalid_request"));
        assert_eq!(Browser::default().open(&world, &ask).await.status, 200, "the twin");
        world.stop().await;
    }
}

/// L-20, RFC 7591 3.2.1: what the policy makes of the words is what the answer says, and so does every later one.
#[tokio::test(flavor = "multi_thread")]
async fn values_that_the_server_chose_are_said_back() {
    for engine in engines() {
        let world = world(engine, &format!("{VOUCHED}dpop = \"required\"\n")).await;
        let body = with(site(), "dpop_bound_access_tokens", json!(false)).as_object().unwrap().clone();
        let body: Json = body.into_iter().filter(|(name, _)| name != "scope").collect();
        let (status, answer) = register(&world, None, &body).await;
        assert_eq!(status, 201, "{answer}");
        assert_eq!((&answer["dpop_bound_access_tokens"], text(&answer, "scope")), (&json!(true), "openid email"));
        let path = format!("/clients/{}", text(&answer, "client_id"));
        let (status, read) = send(&world, "GET", &path, Some(text(&answer, "registration_access_token")), None).await;
        assert_eq!((status, &read["dpop_bound_access_tokens"], &read["scope"]), (200, &json!(true), &answer["scope"]));
        world.stop().await;
    }
}

/// An installation is an instance of a configured client by evidence alone: a registration that names one gets nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_registration_inherits_nothing_from_a_client_that_it_names() {
    let world = world(Engine::Sqlite, "").await;
    let body = json!({ "application_type": "native", "redirect_uris": [BACK], "software_id": "shop-ios", "software_version": "4.2" });
    let (status, answer) = register(&world, None, &with(body.clone(), "client_name", json!("Harvest notes"))).await;
    assert_eq!((status, text(&answer, "client_name"), &answer["redirect_uris"]), (201, "Harvest notes", &json!([BACK])));
    assert!(text(&answer, "client_id").starts_with("r-") && text(&answer, "scope") == "openid email", "{answer}");
    let page = Browser::default().open(&world, &Ask::new(text(&answer, "client_id"), NATIVE_BACK, "openid")).await;
    assert_eq!((page.status, page.kind()), (400, "error"), "the redirect URI of the one that it names");
    for (name, value, code) in
        [("client_name", json!("Shop"), "invalid_client_metadata"), ("redirect_uris", json!([NATIVE_BACK]), "invalid_redirect_uri")]
    {
        let (status, answer) = register(&world, None, &with(body.clone(), name, value)).await;
        assert_eq!((status, answer["error"].as_str()), (400, Some(code)), "{name}");
    }
    world.stop().await;
}
