//! What the OpenID conformance suite asks of an OP in its plan *Dynamic OP*, as tests of our own, under the named policy that
//! docs/registration.md has for it. Each function has the name of a module of the suite, and all 23 are here. Some of them cannot pass in
//! the suite: their functions say so, and hold what this server answers instead.

use crate::registration::register;
use crate::world::documents::Documents;
use crate::world::*;
use serde_json::{Value as Json, json};
use symbolon_oauth::jwk::PrivateKey;
use symbolon_oauth::{jws, request_object};

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

/// It cannot pass: it wants the grant `implicit` and response types that bring tokens through the browser.
#[tokio::test(flavor = "multi_thread")]
async fn oidcc_discovery_endpoint_verification() {
    let world = world(Engine::Sqlite).await;
    let metadata: Json = world.get("/.well-known/openid-configuration").await.json().await.unwrap();
    assert_eq!(metadata["registration_endpoint"], world.url("/clients"));
    let grants = metadata["grant_types_supported"].as_array().unwrap();
    assert!(grants.contains(&json!("authorization_code")) && !grants.contains(&json!("implicit")), "{metadata}");
    assert_eq!(metadata["response_types_supported"], json!(["code"]));
    let (status, answer) = register(&world, None, &json!({ "redirect_uris": [BACK], "response_types": ["id_token"] })).await;
    assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_client_metadata")));
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

/// A logo, a policy and terms may be registered. They are not shown: nobody has looked at them. The suite wants a picture with them, so these
/// three cannot pass.
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

/// Identifiers are public here, so that a sector has no meaning; a client that needs one is told so. The suite skips both modules of sectors
/// where the metadata have no pairwise identifiers.
#[tokio::test(flavor = "multi_thread")]
async fn oidcc_registration_sector_bad() {
    let world = world(Engine::Sqlite).await;
    let body =
        json!({ "redirect_uris": [BACK], "subject_type": "pairwise", "sector_identifier_uri": "https://suite.example.com/bad.json" });
    let (status, answer) = register(&world, None, &body).await;
    assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_client_metadata")));
    world.stop().await;
}

const KEYS: &str = "https://suite.example.com/test/a/symbolon/jwks";

fn key_set(key: &PrivateKey) -> Json {
    let mut jwk = key.public().to_jwk();
    (jwk["kid"], jwk["alg"]) = (key.kid().into(), "ES256".into());
    json!({ "keys": [jwk] })
}

/// A client that signs, with its keys at an address.
async fn signing_client(world: &World, documents: &Documents, key: &PrivateKey) -> Json {
    documents.json(KEYS, &key_set(key));
    let more = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": KEYS, "grant_types": ["authorization_code", "refresh_token"] });
    client(world, more).await
}

async fn token(world: &World, client: &Json, key: &PrivateKey, form: &[(&str, &str)]) -> (u16, Json) {
    token_for(world, client, key, form, &world.issuer).await
}

/// The same with an assertion for this audience.
async fn token_for(world: &World, client: &Json, key: &PrivateKey, form: &[(&str, &str)], audience: &str) -> (u16, Json) {
    let (id, now_s) = (client["client_id"].as_str().unwrap(), world.running.shared.now().now_ms() / 1000);
    let claims = json!({ "iss": id, "sub": id, "aud": audience, "jti": fresh(), "iat": now_s, "exp": now_s + 60 });
    let header = json!({ "alg": "ES256", "kid": key.kid(), "typ": "JWT" });
    let assertion = jws::sign_with_header(key, &header, &claims).unwrap();
    let own =
        [("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), ("client_assertion", assertion.as_str())];
    world.post("/token", &[form, &own].concat(), None).await
}

async fn tokens(world: &World, client: &Json, key: &PrivateKey) -> Json {
    tokens_by(world, client, key, &ask(client, BACK)).await
}

async fn tokens_by(world: &World, client: &Json, key: &PrivateKey, ask: &Ask) -> Json {
    let code = Browser::default().sign_in_at(world, &world.url(&ask.path()), "alice").await.code();
    let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", BACK)];
    let (status, answer) = token(world, client, key, &form).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

/// A client that signs, with its keys in the registration, as most modules register it.
async fn keyed_client(world: &World, key: &PrivateKey) -> Json {
    let grants = ["authorization_code", "refresh_token"];
    client(world, json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": key_set(key), "grant_types": grants })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn oidcc_server() {
    for engine in engines() {
        let world = world(engine).await;
        let key = new_key();
        let client = keyed_client(&world, &key).await;
        assert_eq!((client["token_endpoint_auth_method"].as_str(), client.get("client_secret")), (Some("private_key_jwt"), None));
        let ask = ask(&client, BACK);
        let page = Browser::default().sign_in_at(&world, &world.url(&ask.path()), "alice").await;
        let back = page.parameters();
        assert_eq!((back["state"].as_str(), back["iss"].as_str()), (ask.parameters["state"].as_str(), world.issuer.as_str()));
        let form = [("grant_type", "authorization_code"), ("code", back["code"].as_str()), ("redirect_uri", BACK)];
        let (status, answer) = token(&world, &client, &key, &form).await;
        assert_eq!((status, answer["token_type"].as_str()), (200, Some("Bearer")), "{answer}");
        assert!(answer["expires_in"].as_i64().is_some_and(|seconds| seconds > 0), "{answer}");
        let id_token = answer["id_token"].as_str().unwrap();
        let (own, said) = (header(id_token), claims(id_token));
        assert_eq!((&own["alg"], &said["aud"], &said["iss"]), (&json!("RS256"), &client["client_id"], &json!(world.issuer)));
        assert_eq!(said["nonce"], json!(ask.parameters["nonce"]));
        let keys: Json = world.get("/jwks").await.json().await.unwrap();
        assert!(keys["keys"].as_array().unwrap().iter().any(|it| it["kid"] == own["kid"]), "{keys}");
        let request = world.http.get(world.url("/userinfo")).bearer_auth(answer["access_token"].as_str().unwrap());
        let userinfo: Json = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(userinfo["sub"], said["sub"]);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn oidcc_refresh_token() {
    for engine in engines() {
        let world = world(engine).await;
        let (key, other_key) = (new_key(), new_key());
        let (client, other) = (keyed_client(&world, &key).await, keyed_client(&world, &other_key).await);
        let ask = |client: &Json| ask(client, BACK).with("scope", "openid offline_access").with("prompt", "consent");
        let first = tokens_by(&world, &client, &key, &ask(&client)).await;
        world.advance_s(2);
        let form = |tokens: &Json| [("grant_type", "refresh_token".to_owned()), ("refresh_token", refresh_token(tokens).to_owned())];
        let refresh = async |key: &PrivateKey, client: &Json, tokens: &Json| {
            let form = form(tokens);
            token(&world, client, key, &form.each_ref().map(|(name, value)| (*name, value.as_str()))).await
        };
        let (status, second) = refresh(&key, &client, &first).await;
        assert_eq!(status, 200, "{second}");
        assert_ne!(second["access_token"], first["access_token"]);
        let (before, after) = (claims(first["id_token"].as_str().unwrap()), claims(second["id_token"].as_str().unwrap()));
        for same in ["iss", "sub", "aud", "auth_time"] {
            assert_eq!(after[same], before[same], "{same}");
        }
        assert!(after["iat"].as_i64() > before["iat"].as_i64() && after.get("nonce").is_none(), "{after}");
        // The second client's token is not the first one's; with its own client it works.
        let theirs = tokens_by(&world, &other, &other_key, &ask(&other)).await;
        let (status, answer) = refresh(&key, &client, &theirs).await;
        assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_grant")));
        assert_eq!(refresh(&other_key, &other, &theirs).await.0, 200);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn oidcc_ensure_redirect_uri_in_authorization_request() {
    let world = world(Engine::Sqlite).await;
    let client = client(&world, json!({})).await;
    let page = Browser::default().open(&world, &ask(&client, BACK).without("redirect_uri")).await;
    assert_eq!((page.status, page.kind(), page.location.as_deref()), (400, "error", None));
    assert!(page.says("The redirect_uri parameter is missing."), "{}", page.html);
    assert_eq!(Browser::default().open(&world, &ask(&client, BACK)).await.status, 200, "the twin");
    world.stop().await;
}

/// The suite's object is unsigned, and it skips the module where the metadata have algorithms without `none`. What it is about holds for
/// objects that are signed: the `redirect_uri` in the object counts, and the one beside it does not.
#[tokio::test(flavor = "multi_thread")]
async fn oidcc_ensure_request_object_with_redirect_uri() {
    let world = world(Engine::Sqlite).await;
    let metadata: Json = world.get("/.well-known/openid-configuration").await.json().await.unwrap();
    assert!(!metadata["request_object_signing_alg_values_supported"].as_array().unwrap().contains(&json!("none")), "{metadata}");
    let key = new_key();
    let client = keyed_client(&world, &key).await;
    let (id, now_s) = (client["client_id"].as_str().unwrap(), world.running.shared.now().now_ms() / 1000);
    let object = |uri: &str| {
        let ask = ask(&client, uri);
        let parameters: Vec<(&str, &str)> = ask.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let envelope = request_object::Envelope { client_id: id, issuer: &world.issuer, jti: &fresh(), now_s };
        request_object::make(&key, &envelope, &parameters).unwrap()
    };
    let other = format!("{BACK}?invalid=1");
    let mut browser = Browser::default();
    let page = browser.sign_in_at(&world, &world.url(&ask(&client, &other).with("request", &object(BACK)).path()), "alice").await;
    assert!(page.has_code() && page.location.as_ref().is_some_and(|it| it.starts_with(&format!("{BACK}?code="))), "{:?}", page.location);
    let page = browser.open(&world, &ask(&client, BACK).with("request", &object(&other))).await;
    assert_eq!((page.status, page.location), (400, None), "the object's is not registered");
    let encode = |value: Json| symbolon_oauth::base64url::encode(value.to_string().as_bytes());
    let unsigned = format!("{}.{}.", encode(json!({ "alg": "none" })), encode(json!({ "redirect_uri": BACK })));
    let page = browser.open(&world, &ask(&client, &other).with("request", &unsigned)).await;
    assert!(page.status == 400 && page.location.is_none() && page.html.contains("invalid_request_object"), "{}", page.html);
    world.stop().await;
}

/// 7523bis: the issuer is the one audience. Everywhere else the suite signs for the token endpoint and gets no tokens here. So of the
/// modules that ask for tokens this one alone passes.
#[tokio::test(flavor = "multi_thread")]
async fn oidcc_ensure_client_assertion_with_iss_aud_succeeds() {
    for engine in engines() {
        let world = world(engine).await;
        let key = new_key();
        let client = keyed_client(&world, &key).await;
        let code = Browser::default().sign_in_at(&world, &world.url(&ask(&client, BACK).path()), "alice").await.code();
        let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", BACK)];
        let (status, answer) = token_for(&world, &client, &key, &form, &world.url("/token")).await;
        assert_eq!((status, answer["error"].as_str()), (401, Some("invalid_client")));
        let (status, answer) = token_for(&world, &client, &key, &form, &world.issuer).await;
        assert!(status == 200 && answer["id_token"].is_string(), "{answer}");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn oidcc_registration_jwks_uri() {
    for engine in engines() {
        let world = world(engine).await;
        let documents = Documents::start(&world, &["suite.example.com"]).await;
        let key = new_key();
        let client = signing_client(&world, &documents, &key).await;
        assert_eq!((client["jwks_uri"].as_str(), client.get("jwks"), client.get("client_secret")), (Some(KEYS), None, None));
        assert!(tokens(&world, &client, &key).await["id_token"].is_string());
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn oidcc_refresh_token_rp_key_rotation() {
    for engine in engines() {
        let world = world(engine).await;
        let documents = Documents::start(&world, &["suite.example.com"]).await;
        let (before, after) = (new_key(), new_key());
        let client = signing_client(&world, &documents, &before).await;
        let answer = tokens(&world, &client, &before).await;
        documents.json(KEYS, &key_set(&after));
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&answer))];
        let (status, answer) = token(&world, &client, &after, &form).await;
        assert_eq!(status, 200, "{answer}");
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&answer))];
        let (status, answer) = token(&world, &client, &before, &form).await;
        assert_eq!((status, answer["error"].as_str()), (401, Some("invalid_client")), "the former key is gone");
        world.stop().await;
    }
}

/// The suite skips unsigned ID tokens where the metadata do not offer them. Signed userinfo it wants of every OP with this profile, so that
/// module cannot pass. A client that asks for either is told so, and never registered with less.
#[tokio::test(flavor = "multi_thread")]
async fn oidcc_userinfo_rs256_and_idtoken_unsigned() {
    let world = world(Engine::Sqlite).await;
    let metadata: Json = world.get("/.well-known/openid-configuration").await.json().await.unwrap();
    assert_eq!(metadata.get("userinfo_signing_alg_values_supported"), None);
    assert!(!metadata["id_token_signing_alg_values_supported"].as_array().unwrap().contains(&json!("none")), "{metadata}");
    for (name, value) in [("userinfo_signed_response_alg", "RS256"), ("id_token_signed_response_alg", "none")] {
        let (status, answer) = register(&world, None, &json!({ "redirect_uris": [BACK], name: value })).await;
        assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_client_metadata")), "{name}");
    }
    world.stop().await;
}

/// Nothing that a request names is fetched. So neither of the two can pass.
#[tokio::test(flavor = "multi_thread")]
async fn oidcc_request_uri_unsigned_and_signed_rs256() {
    let world = world(Engine::Sqlite).await;
    let documents = Documents::start(&world, &["suite.example.com"]).await;
    let metadata: Json = world.get("/.well-known/openid-configuration").await.json().await.unwrap();
    assert_eq!(metadata["request_uri_parameter_supported"], false, "{metadata}");
    let client = client(&world, json!({})).await;
    let asked = ask(&client, BACK).with("request_uri", "https://suite.example.com/test/a/symbolon/requesturi/1");
    let page = Browser::default().open(&world, &asked).await;
    assert_eq!((page.status, page.location, documents.asked()), (400, None, 0));
    world.stop().await;
}

/// Registration 1.0 5: `sector_identifier_uri` is for pairwise identifiers, which nobody gets here. Beside public ones it means nothing.
#[tokio::test(flavor = "multi_thread")]
async fn oidcc_registration_sector_uri() {
    let world = world(Engine::Sqlite).await;
    let documents = Documents::start(&world, &["suite.example.com"]).await;
    let sector = "https://suite.example.com/test/a/symbolon/redirect_uris.json";
    let answer = client(&world, json!({ "subject_type": "public", "sector_identifier_uri": sector })).await;
    assert_eq!((answer["subject_type"].as_str(), documents.asked()), (Some("public"), 0));
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
