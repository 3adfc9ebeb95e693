//! Introspection, revocation, userinfo: who may know what about a token, and when it is dead.

use crate::world::*;
use serde_json::Value as Json;

fn text<'a>(tokens: &'a Json, name: &str) -> &'a str {
    tokens[name].as_str().unwrap_or_else(|| panic!("no {name}: {tokens}"))
}

async fn introspect(world: &World, token: &str, asker: Option<&str>) -> (u16, Json) {
    world.post("/introspect", &[("token", token)], asker).await
}

/// 478-O, 483-O, 485-O, 489-O
#[tokio::test(flavor = "multi_thread")]
async fn an_api_sees_its_own_tokens_and_a_revoked_session_is_dead_at_once() {
    on_every_engine(|world| async move {
        let tokens = world.tokens("ledger:read").await;
        let access = text(&tokens, "access_token");
        assert!(access.starts_with("sa_"), "the ledger's tokens are opaque");
        let (status, body) = introspect(&world, access, Some("ledger")).await;
        assert_eq!((status, &body["active"], body["scope"].as_str()), (200, &Json::Bool(true), Some("ledger:read")));
        let (_, body) = introspect(&world, access, Some("orders")).await;
        assert_eq!(body, serde_json::json!({ "active": false }), "another API learns nothing");
        let (status, _) = world.post("/introspect", &[("token", access)], None).await;
        assert_eq!(status, 401);
        let (status, _) = world.post("/introspect", &[("token", access), ("client_id", "shop-ios")], None).await;
        assert_eq!(status, 401, "a public client may not ask");
        let foreign = [("token", text(&tokens, "refresh_token")), ("client_id", "other-ios")];
        assert_eq!(world.post("/revoke", &foreign, None).await.0, 200);
        assert_eq!(introspect(&world, access, Some("ledger")).await.1["active"], true, "another client's revocation does nothing");
        let own = [("token", text(&tokens, "refresh_token")), ("client_id", "shop-ios")];
        assert_eq!(world.post("/revoke", &own, None).await.0, 200);
        assert_eq!(introspect(&world, access, Some("ledger")).await.1, serde_json::json!({ "active": false }));
        assert_eq!(world.refresh(text(&tokens, "refresh_token")).await.0, 400);
        assert_eq!(world.post("/revoke", &[("token", "nonsense"), ("client_id", "shop-ios")], None).await.0, 200);
        world.stop().await;
    })
    .await;
}

/// 495-O: one access token dies, the session lives.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_access_token_is_refused_everywhere_and_the_session_goes_on() {
    on_every_engine(|world| async move {
        let tokens = world.tokens("openid").await;
        let access = text(&tokens, "access_token").to_owned();
        let me = || async { world.http.get(world.url("/userinfo")).bearer_auth(&access).send().await.unwrap().status().as_u16() };
        assert_eq!(me().await, 200);
        let form = [("token", access.as_str()), ("client_id", "shop-ios")];
        assert_eq!(world.post("/revoke", &form, None).await.0, 200);
        assert_eq!(me().await, 401);
        assert_eq!(world.refresh(text(&tokens, "refresh_token")).await.0, 200);
    })
    .await;
}

/// 220-J, 486-O, 148-F: a token opens only what it was made for.
#[tokio::test(flavor = "multi_thread")]
async fn userinfo_takes_its_own_token_and_no_other() {
    let world = World::start(Engine::Sqlite).await;
    let tokens = world.tokens("openid profile email orders:read").await;
    let call = async |token: &str| {
        let answer = world.http.get(world.url("/userinfo")).bearer_auth(token).send().await.unwrap();
        let challenge = answer.headers().get("www-authenticate").map(|it| it.to_str().unwrap().to_owned());
        (answer.status().as_u16(), challenge, answer.json::<Json>().await.unwrap())
    };
    for name in ["access_token", "id_token", "refresh_token"] {
        let (status, challenge, _) = call(text(&tokens, name)).await;
        assert_eq!(status, 401, "{name}");
        assert!(challenge.unwrap().contains("error=\"invalid_token\""));
    }
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", "shop-ios"),
        ("refresh_token", text(&tokens, "refresh_token")),
        ("resource", world.issuer.as_str()),
    ];
    let (status, own) = world.post("/token", &form, None).await;
    assert_eq!(status, 200, "{own}");
    let (status, _, body) = call(text(&own, "access_token")).await;
    assert_eq!((status, body["email"].as_str(), body["name"].as_str()), (200, Some("alice@example.com"), Some("alice of Example")));
    let (_, body) = world.post("/token", &[("grant_type", "client_credentials"), ("scope", "orders:read")], Some("robot")).await;
    assert_eq!(call(text(&body, "access_token")).await.0, 401);
    let answer = world.get("/userinfo").await;
    assert_eq!(answer.status(), 401);
    assert!(!answer.headers()["www-authenticate"].to_str().unwrap().contains("error"), "no token, no error code");
    world.stop().await;
}

/// 115-T: one API at a time, and only one of the grant.
#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_is_for_one_api_that_the_app_names() {
    let world = World::start(Engine::Sqlite).await;
    let (code, verifier) = world.code("orders:read ledger:read").await;
    let (status, body) = world.exchange(&code, &verifier).await;
    assert_eq!((status, body["error"].as_str()), (400, Some("invalid_target")), "two APIs and no resource");
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "shop-ios"),
        ("code", &code),
        ("code_verifier", &verifier),
        ("redirect_uri", NATIVE_BACK),
        ("resource", "https://api.example.com/orders"),
    ];
    let (status, tokens) = world.post("/token", &form, None).await;
    assert_eq!((status, tokens["scope"].as_str()), (200, Some("orders:read")), "{tokens}");
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", "shop-ios"),
        ("refresh_token", text(&tokens, "refresh_token")),
        ("resource", "https://api.example.com/ledger"),
    ];
    let (status, tokens) = world.post("/token", &form, None).await;
    assert_eq!((status, tokens["scope"].as_str()), (200, Some("ledger:read")), "{tokens}");
    world.stop().await;
}

/// 223-J, 224-J, 225-J: rotation publishes before it signs, and a key thrown out at once verifies nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_is_published_first_and_a_stolen_one_dies_at_once() {
    on_every_engine(|world| async move {
        let tokens = world.tokens("openid").await;
        let keys = async || world.get("/jwks").await.json::<Json>().await.unwrap()["keys"].as_array().unwrap().clone();
        assert_eq!(keys().await.len(), 1);
        let app = world.running.shared.now();
        let schedule = symbolon::app::schedule(&app.config);
        let alg = symbolon_oauth::jwk::Algorithm::ES256;
        let refresh = async || {
            app.keys.refresh(app.key_store(), &app.algorithms(), schedule, app.now_ms()).await.unwrap();
        };
        let old = keys().await[0]["kid"].clone();
        rotate_keys(&app, alg, false).await;
        refresh().await;
        assert_eq!(keys().await.len(), 2);
        let header = |jwt: &str| -> Json {
            serde_json::from_slice(&symbolon_oauth::base64url::decode(jwt.split('.').next().unwrap()).unwrap()).unwrap()
        };
        let (_, next) = world.refresh(text(&tokens, "refresh_token")).await;
        assert_eq!(header(text(&next, "access_token"))["kid"], old, "published, not signing yet");
        for key in keys().await {
            assert!(key.get("d").is_none() && key["use"] == "sig");
        }
        rotate_keys(&app, alg, true).await;
        refresh().await;
        let call = world.http.get(world.url("/userinfo")).bearer_auth(text(&next, "access_token")).send().await.unwrap();
        assert_eq!(call.status(), 401, "signed by a key that was thrown out");
        let (status, fresh) = world.refresh(text(&next, "refresh_token")).await;
        assert_eq!(status, 200);
        let call = world.http.get(world.url("/userinfo")).bearer_auth(text(&fresh, "access_token")).send().await.unwrap();
        assert_eq!(call.status(), 200);
    })
    .await;
}

/// 478-O: introspection says of a refresh token what the token endpoint would: idle is over, and what the client may no longer
/// have is not in its scope.
#[tokio::test(flavor = "multi_thread")]
async fn introspection_of_a_refresh_token_is_what_a_refresh_would_find() {
    on_every_engine(|world| async move {
        let ask = Ask::new("shop-web", WEB_BACK, "openid orders:read");
        let code = Browser::default().sign_in(&world, &ask, "alice").await["code"].clone();
        let form = [("grant_type", "authorization_code"), ("code", &code), ("code_verifier", &ask.verifier), ("redirect_uri", WEB_BACK)];
        let (status, tokens) = world.post("/token", &form, Some("shop-web")).await;
        assert_eq!(status, 200, "{tokens}");
        let token = text(&tokens, "refresh_token").to_owned();
        let seen = async || introspect(&world, &token, Some("shop-web")).await.1;
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
        assert_eq!((seen().await["active"].clone(), seen().await["scope"].clone()), (true.into(), "openid orders:read".into()));
        world.reload(|it| it.without("client.shop-web.apis.orders")).await;
        assert_eq!((seen().await["active"].clone(), seen().await["scope"].clone()), (true.into(), "openid".into()));
        world.reload(|it| it.set("client.shop-web.apis.orders", vec!["orders:read"])).await;
        world.advance_s(30 * 86_400 - 60);
        assert_eq!(seen().await["active"], true);
        world.advance_s(61);
        assert_eq!(seen().await, serde_json::json!({ "active": false }));
        assert_eq!(world.post("/token", &refresh, Some("shop-web")).await.1["error"], "invalid_grant");
        world.stop().await;
    })
    .await;
}

/// 115-T: an API of which the person granted nothing gets no token, at the exchange, at a refresh that narrows, or for the client
/// itself; and what two APIs have of a client's own scope stays apart.
#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_token_for_an_api_of_which_nothing_was_granted() {
    for engine in engines() {
        let world = Configuration::on(engine).await.set("client.robot.apis.ledger", vec!["ledger:read"]).start().await;
        let (orders, ledger) = ("https://api.example.com/orders", "https://api.example.com/ledger");
        let (code, verifier) = world.code("openid orders:read").await;
        let exchange = [
            ("grant_type", "authorization_code"),
            ("client_id", "shop-ios"),
            ("code", &code),
            ("code_verifier", &verifier),
            ("redirect_uri", NATIVE_BACK),
            ("resource", ledger),
        ];
        let (status, body) = world.post("/token", &exchange, None).await;
        assert_eq!((status, body["error"].as_str()), (400, Some("invalid_target")), "{body}");
        let (status, tokens) = world.exchange(&code, &verifier).await;
        assert_eq!(status, 200, "{tokens}");
        let token = text(&tokens, "refresh_token").to_owned();
        let refresh = async |more: &[(&str, &str)]| {
            let mut form = vec![("grant_type", "refresh_token"), ("client_id", "shop-ios"), ("refresh_token", token.as_str())];
            form.extend_from_slice(more);
            let (status, body) = world.post("/token", &form, None).await;
            (status, body["error"].as_str().or(body["scope"].as_str()).unwrap_or_default().to_owned())
        };
        assert_eq!(refresh(&[("resource", ledger)]).await, (400, "invalid_target".to_owned()));
        assert_eq!(refresh(&[("resource", orders), ("scope", "openid")]).await, (400, "invalid_target".to_owned()));
        assert_eq!(refresh(&[("resource", orders)]).await, (200, "orders:read".to_owned()));
        assert_eq!(refresh(&[("scope", "openid")]).await, (200, "openid".to_owned()));
        let own = async |scope: &str, resource: &str| {
            let form = [("grant_type", "client_credentials"), ("scope", scope), ("resource", resource)];
            let (status, body) = world.post("/token", &form, Some("robot")).await;
            (status, body["error"].as_str().or(body["scope"].as_str()).unwrap_or_default().to_owned())
        };
        assert_eq!(own("orders:read", ledger).await, (400, "invalid_target".to_owned()));
        assert_eq!(own("orders:read ledger:read", ledger).await, (200, "ledger:read".to_owned()));
        world.stop().await;
    }
}
