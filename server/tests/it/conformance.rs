//! What the OpenID conformance suite asks of an OP in its plans *Basic OP* and *Form Post OP*, as tests of our own. Each function has the name
//! of a module of the suite. The client is the suite's: a site with a secret that sends neither PKCE nor, where the module says so, a nonce.

use crate::world::*;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

const BACK: &str = "https://suite.example.com/test/a/symbolon/callback";
const CLIENTS: &str = r#"
[client.suite]
kind = "web"
first_party = true
authentication = "client_secret_basic"
without_pkce = true
without_nonce = true
redirect_uris = ["https://suite.example.com/test/a/symbolon/callback", "https://suite.example.com/test/a/symbolon/callback?dummy1=lorem&dummy2=ipsum"]
id_token_signed_response_alg = "RS256"
[client.suite-post]
kind = "web"
first_party = true
authentication = "client_secret_post"
without_pkce = true
without_nonce = true
redirect_uris = ["https://suite.example.com/test/a/symbolon/callback"]
"#;

struct Suite {
    world: World,
    response_mode: Option<&'static str>,
}

/// One sign-in that came to its end.
struct Done {
    answer: Json,
    id_token: Json,
}

impl Suite {
    async fn start(engine: Engine, response_mode: Option<&'static str>) -> Self {
        let configuration = Configuration::on(engine).await.with(CLIENTS);
        let world =
            configuration.set("client.suite.secret", secret_digest()).set("client.suite-post.secret", secret_digest()).start().await;
        let app = world.running.shared.now();
        let locale = "UPDATE account SET locale = $1 WHERE email = $2";
        let mut change = symbolon::store::Change::new(app.now_ms());
        change.run(locale, vec!["de-AT".into(), "alice@example.com".into()]);
        app.store.apply(change).await.unwrap();
        drop(app);
        Self { world, response_mode }
    }

    fn ask(&self, scope: &str) -> Ask {
        let ask = Ask::new("suite", BACK, scope).without("code_challenge").without("code_challenge_method").with("nonce", "n-0S6_WzA2Mj");
        match self.response_mode {
            Some(mode) => ask.with("response_mode", mode),
            None => ask,
        }
    }

    /// The parameters of the answer, however it travels.
    fn answer(&self, page: &Page) -> BTreeMap<String, String> {
        if self.response_mode != Some("form_post") || page.location.is_some() {
            return page.parameters();
        }
        assert_eq!((page.kind(), page.form_action().as_deref()), ("form_post", Some(BACK)), "{}", page.html);
        assert!(!page.header("content-security-policy").unwrap().contains("form-action"), "the callback may lead anywhere");
        page.fields()
    }

    async fn authorize(&self, browser: &mut Browser, ask: &Ask) -> BTreeMap<String, String> {
        let page = browser.sign_in_at(&self.world, &self.world.url(&ask.path()), "alice").await;
        self.answer(&page)
    }

    async fn redeem(&self, code: &str) -> (u16, Json) {
        let form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", BACK)];
        self.world.post("/token", &form, Some("suite")).await
    }

    async fn sign_in(&self, browser: &mut Browser, ask: &Ask) -> Done {
        let back = self.authorize(browser, ask).await;
        assert_eq!((back["state"].as_str(), back["iss"].as_str()), (&*ask.parameters["state"], &*self.world.issuer));
        let (status, answer) = self.redeem(&back["code"]).await;
        assert_eq!(status, 200, "{answer}");
        let id_token = claims(answer["id_token"].as_str().unwrap());
        assert_eq!((id_token["iss"].as_str(), id_token["aud"].as_str()), (Some(&*self.world.issuer), Some("suite")));
        Done { answer, id_token }
    }

    async fn userinfo(&self, done: &Done) -> Json {
        let token = done.answer["access_token"].as_str().unwrap();
        let answer = self.world.http.get(self.world.url("/userinfo")).bearer_auth(token).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let told: Json = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(told["sub"], done.id_token["sub"]);
        told
    }

    /// Asks for scopes and answers the names of the claims that userinfo has.
    async fn claims_of(&self, scope: &str) -> Json {
        let done = self.sign_in(&mut Browser::default(), &self.ask(scope)).await;
        self.userinfo(&done).await
    }
}

async fn oidcc_server(suite: &Suite) {
    let done = suite.sign_in(&mut Browser::default(), &suite.ask("openid")).await;
    assert_eq!((done.answer["token_type"].as_str(), done.id_token["nonce"].as_str()), (Some("Bearer"), Some("n-0S6_WzA2Mj")));
    let header = done.answer["id_token"].as_str().unwrap().split('.').next().unwrap();
    let header: Json = serde_json::from_slice(&symbolon_oauth::base64url::decode(header).unwrap()).unwrap();
    assert_eq!(header["alg"], "RS256");
}

async fn oidcc_response_type_missing(suite: &Suite) {
    let page = Browser::default().open(&suite.world, &suite.ask("openid").without("response_type")).await;
    assert_eq!(suite.answer(&page)["error"], "invalid_request");
}

async fn oidcc_userinfo_get_and_post_header(suite: &Suite) {
    let done = suite.sign_in(&mut Browser::default(), &suite.ask("openid")).await;
    suite.userinfo(&done).await;
    let token = done.answer["access_token"].as_str().unwrap();
    let posted = suite.world.http.post(suite.world.url("/userinfo")).bearer_auth(token);
    let answer = posted.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

/// docs/divergences.md: a token in a body is refused, which the suite takes for a feature that is not there.
async fn oidcc_userinfo_post_body(suite: &Suite) {
    let done = suite.sign_in(&mut Browser::default(), &suite.ask("openid")).await;
    let token = done.answer["access_token"].as_str().unwrap();
    let (status, answer) = suite.world.post("/userinfo", &[("access_token", token)], None).await;
    assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_request")));
}

async fn oidcc_ensure_request_without_nonce_succeeds_for_code_flow(suite: &Suite) {
    let done = suite.sign_in(&mut Browser::default(), &suite.ask("openid").without("nonce")).await;
    assert!(done.id_token.get("nonce").is_none(), "{}", done.id_token);
}

async fn oidcc_scope_profile_email_and_all(suite: &Suite) {
    let profile = suite.claims_of("openid profile").await;
    assert_eq!((profile["name"].as_str(), profile["locale"].as_str()), (Some("alice of Example"), Some("de-AT")), "{profile}");
    assert!(profile.get("email").is_none(), "{profile}");
    let email = suite.claims_of("openid email").await;
    assert_eq!((email["email"].as_str(), email["email_verified"].as_bool()), (Some("alice@example.com"), Some(true)));
    let all = suite.claims_of("openid profile email").await;
    assert!(all["name"].is_string() && all["email"].is_string(), "{all}");
    let document: Json = suite.world.get("/.well-known/openid-configuration").await.json().await.unwrap();
    for scope in ["address", "phone"] {
        let listed = document["scopes_supported"].as_array().unwrap().iter().any(|known| known == scope);
        assert!(!listed, "the suite leaves out what is not listed");
    }
}

async fn oidcc_ensure_other_scope_order_succeeds(suite: &Suite) {
    assert!(suite.claims_of("email openid").await["email"].is_string());
}

async fn oidcc_display_page_and_popup(suite: &Suite) {
    for display in ["page", "popup"] {
        suite.sign_in(&mut Browser::default(), &suite.ask("openid").with("display", display)).await;
    }
}

async fn oidcc_prompt_login(suite: &Suite) {
    let mut browser = Browser::default();
    let first = suite.sign_in(&mut browser, &suite.ask("openid")).await;
    suite.world.advance_s(2);
    let page = browser.open(&suite.world, &suite.ask("openid").with("prompt", "login")).await;
    assert!(page.asks_for("password"), "{}", page.html);
    let second = suite.sign_in(&mut browser, &suite.ask("openid").with("prompt", "login")).await;
    assert!(second.id_token["auth_time"].as_i64() > first.id_token["auth_time"].as_i64());
    assert_eq!(second.id_token["sub"], first.id_token["sub"]);
}

async fn oidcc_prompt_none_not_logged_in(suite: &Suite) {
    let page = Browser::default().open(&suite.world, &suite.ask("openid").with("prompt", "none")).await;
    assert_eq!(suite.answer(&page)["error"], "login_required");
}

async fn oidcc_prompt_none_logged_in(suite: &Suite) {
    let mut browser = Browser::default();
    let first = suite.sign_in(&mut browser, &suite.ask("openid")).await;
    let page = browser.open(&suite.world, &suite.ask("openid").with("prompt", "none")).await;
    let (status, answer) = suite.redeem(&suite.answer(&page)["code"]).await;
    assert_eq!(status, 200, "{answer}");
    let second = claims(answer["id_token"].as_str().unwrap());
    assert_eq!((&second["sub"], &second["auth_time"]), (&first.id_token["sub"], &first.id_token["auth_time"]));
}

async fn oidcc_max_age_1(suite: &Suite) {
    let mut browser = Browser::default();
    let first = suite.sign_in(&mut browser, &suite.ask("openid")).await;
    suite.world.advance_s(2);
    let ask = suite.ask("openid").with("max_age", "1");
    assert!(browser.open(&suite.world, &ask).await.asks_for("password"));
    let second = suite.sign_in(&mut browser, &ask).await;
    assert!(second.id_token["auth_time"].as_i64() > first.id_token["auth_time"].as_i64());
}

async fn oidcc_max_age_10000(suite: &Suite) {
    let mut browser = Browser::default();
    let first = suite.sign_in(&mut browser, &suite.ask("openid")).await;
    suite.world.advance_s(2);
    let page = browser.open(&suite.world, &suite.ask("openid").with("max_age", "10000")).await;
    let answer = suite.redeem(&suite.answer(&page)["code"]).await.1;
    assert_eq!(claims(answer["id_token"].as_str().unwrap())["auth_time"], first.id_token["auth_time"]);
}

async fn oidcc_ensure_request_with_unknown_parameter_succeeds(suite: &Suite) {
    suite.sign_in(&mut Browser::default(), &suite.ask("openid").with("extra", "foobar")).await;
}

async fn oidcc_id_token_hint(suite: &Suite) {
    let mut browser = Browser::default();
    let first = suite.sign_in(&mut browser, &suite.ask("openid")).await;
    let hint = first.answer["id_token"].as_str().unwrap();
    let page = browser.open(&suite.world, &suite.ask("openid").with("prompt", "none").with("id_token_hint", hint)).await;
    let answer = suite.redeem(&suite.answer(&page)["code"]).await.1;
    assert_eq!(claims(answer["id_token"].as_str().unwrap())["sub"], first.id_token["sub"]);
}

async fn oidcc_login_hint_ui_locales_claims_locales_acr_values(suite: &Suite) {
    for (name, value) in [("login_hint", "alice"), ("ui_locales", "se"), ("claims_locales", "se"), ("acr_values", "1 2")] {
        suite.sign_in(&mut Browser::default(), &suite.ask("openid").with(name, value)).await;
    }
}

async fn oidcc_codereuse_and_codereuse_30seconds(suite: &Suite) {
    for wait_s in [0, 31] {
        let code = suite.authorize(&mut Browser::default(), &suite.ask("openid")).await["code"].clone();
        let (status, answer) = suite.redeem(&code).await;
        assert_eq!(status, 200, "{answer}");
        suite.world.advance_s(wait_s);
        let (status, refused) = suite.redeem(&code).await;
        assert_eq!((status, refused["error"].as_str()), (400, Some("invalid_grant")), "{wait_s}");
        let token = answer["access_token"].as_str().unwrap();
        let told = suite.world.http.get(suite.world.url("/userinfo")).bearer_auth(token).send().await.unwrap();
        assert_eq!(told.status(), 401, "what the first one gave has ended (RFC 6749 4.1.2)");
    }
}

async fn oidcc_ensure_registered_redirect_uri(suite: &Suite) {
    let with_query = format!("{BACK}?dummy1=lorem&dummy2=ipsum");
    for (uri, is_known) in [
        (format!("{BACK}/more"), false),
        (format!("{BACK}?dummy1=lorem&dummy2=other"), false),
        (format!("{BACK}?extra=1"), false),
        (with_query, true),
    ] {
        let page = Browser::default().open(&suite.world, &suite.ask("openid").with("redirect_uri", &uri)).await;
        assert_eq!((page.status, page.location.is_none()), (if is_known { 200 } else { 400 }, true), "{uri}");
    }
    let page = Browser::default().open(&suite.world, &suite.ask("openid").without("redirect_uri")).await;
    assert_eq!((page.status, page.location.is_none()), (400, true));
}

async fn oidcc_ensure_post_request_succeeds(suite: &Suite) {
    let ask = suite.ask("openid");
    let mut browser = Browser::default();
    let page = browser.send(suite.world.http.post(suite.world.url("/authorize")).form(&ask.form())).await;
    let page = browser.submit_password(&suite.world, &page, "alice", PASSWORD).await;
    assert_eq!(suite.redeem(&suite.answer(&page)["code"]).await.0, 200);
}

async fn oidcc_server_client_secret_post(suite: &Suite) {
    let ask = suite.ask("openid").with("client_id", "suite-post");
    let code = suite.authorize(&mut Browser::default(), &ask).await["code"].clone();
    let mut form = vec![("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", BACK), ("client_id", "suite-post")];
    assert_eq!(suite.world.post("/token", &form, None).await.0, 401);
    form.push(("client_secret", SECRET));
    let (status, answer) = suite.world.post("/token", &form, None).await;
    assert_eq!(status, 200, "{answer}");
}

/// Fetching is not supported, and neither are requests that nobody signed. The metadata says the first; both are refused.
async fn oidcc_unsigned_request_object_and_request_uri(suite: &Suite) {
    let encode = |value: Json| symbolon_oauth::base64url::encode(value.to_string().as_bytes());
    let object = format!("{}.{}.", encode(json!({ "alg": "none" })), encode(json!({ "redirect_uri": BACK, "state": "x" })));
    for (name, value) in [("request", object.as_str()), ("request_uri", "https://suite.example.com/object.jwt")] {
        let page = Browser::default().open(&suite.world, &suite.ask("openid").with(name, value)).await;
        assert!(page.status == 400 && page.html.contains(&format!("{name}_not_supported")), "{name}: {}", page.html);
    }
}

async fn oidcc_claims_essential(suite: &Suite) {
    let ask = suite.ask("openid").with("claims", r#"{"userinfo":{"name":{"essential":true}}}"#);
    let done = suite.sign_in(&mut Browser::default(), &ask).await;
    assert_eq!(suite.userinfo(&done).await["name"], "alice of Example");
}

async fn oidcc_refresh_token(suite: &Suite) {
    let ask = suite.ask("openid offline_access").with("prompt", "consent");
    let done = suite.sign_in(&mut Browser::default(), &ask).await;
    let refresh = |token: &str| [("grant_type", "refresh_token".to_owned()), ("refresh_token", token.to_owned())];
    let post = async |token: &str, client: &str| {
        let form = refresh(token);
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        suite.world.post("/token", &form, Some(client)).await
    };
    let (status, refused) = post(refresh_token(&done.answer), "shop-web").await;
    assert_eq!((status, refused["error"].as_str()), (400, Some("invalid_grant")), "another client");
    let (status, answer) = post(refresh_token(&done.answer), "suite").await;
    assert_eq!(status, 200, "{answer}");
    let id_token = claims(answer["id_token"].as_str().unwrap());
    let same = ["iss", "sub", "aud", "auth_time"].iter().all(|name| id_token[*name] == done.id_token[*name]);
    assert!(same && id_token.get("nonce").is_none(), "{id_token}");
}

async fn oidcc_ensure_request_with_valid_pkce_succeeds(suite: &Suite) {
    let ask = Ask::new("suite", BACK, "openid");
    let ask = suite.response_mode.map_or(ask.clone(), |mode| ask.clone().with("response_mode", mode));
    let redeem = async |verifier: Option<&str>| {
        let code = suite.authorize(&mut Browser::default(), &ask).await["code"].clone();
        let mut form = vec![("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", BACK)];
        form.extend(verifier.map(|verifier| ("code_verifier", verifier)));
        suite.world.post("/token", &form, Some("suite")).await.0
    };
    assert_eq!(redeem(Some(&ask.verifier)).await, 200);
    assert_eq!((redeem(None).await, redeem(Some(&"w".repeat(43))).await), (400, 400), "the exemption takes nothing from who uses it");
}

async fn oidcc_server_rotate_keys(suite: &Suite) {
    rotate_keys(&suite.world.running.shared.now(), symbolon_oauth::jwk::Algorithm::RS256, true).await;
    suite.world.running.shared.now().refresh_keys().await.unwrap();
    let done = suite.sign_in(&mut Browser::default(), &suite.ask("openid")).await;
    let header = done.answer["id_token"].as_str().unwrap().split('.').next().unwrap();
    let header: Json = serde_json::from_slice(&symbolon_oauth::base64url::decode(header).unwrap()).unwrap();
    let set: Json = suite.world.get("/jwks").await.json().await.unwrap();
    assert!(set["keys"].as_array().unwrap().iter().any(|key| key["kid"] == header["kid"]), "{header} {set}");
}

macro_rules! run {
    ($suite:expr, $($module:ident),* $(,)?) => { $( println!(stringify!($module)); $module($suite).await; )* };
}

async fn plan(engine: Engine, response_mode: Option<&'static str>) {
    let suite = Suite::start(engine, response_mode).await;
    run!(
        &suite,
        oidcc_server,
        oidcc_response_type_missing,
        oidcc_userinfo_get_and_post_header,
        oidcc_userinfo_post_body,
        oidcc_ensure_request_without_nonce_succeeds_for_code_flow,
        oidcc_scope_profile_email_and_all,
        oidcc_ensure_other_scope_order_succeeds,
        oidcc_display_page_and_popup,
        oidcc_prompt_login,
        oidcc_prompt_none_not_logged_in,
        oidcc_prompt_none_logged_in,
        oidcc_max_age_1,
        oidcc_max_age_10000,
        oidcc_ensure_request_with_unknown_parameter_succeeds,
        oidcc_id_token_hint,
        oidcc_login_hint_ui_locales_claims_locales_acr_values,
        oidcc_codereuse_and_codereuse_30seconds,
        oidcc_ensure_registered_redirect_uri,
        oidcc_ensure_post_request_succeeds,
        oidcc_server_client_secret_post,
        oidcc_unsigned_request_object_and_request_uri,
        oidcc_claims_essential,
        oidcc_refresh_token,
        oidcc_ensure_request_with_valid_pkce_succeeds,
        oidcc_server_rotate_keys,
    );
    suite.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn basic_op() {
    for engine in engines() {
        plan(engine, None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn form_post_op() {
    plan(Engine::Sqlite, Some("form_post")).await;
}

/// The exemption is for whom it is named: without its name the same request is refused, and it is no key for others.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_goes_without_pkce_and_nonce() {
    let with = |key: &str, value: bool| Configuration::to_read().with(CLIENTS).set("client.suite.secret", secret_digest()).set(key, value);
    let good = with("client.suite.without_nonce", true).set("client.suite-post.secret", secret_digest());
    assert_eq!(good.read(), Ok(()));
    let alone = good.clone().without("client.suite.without_pkce").read().unwrap_err();
    assert!(alone.contains("without_nonce means something with without_pkce alone"), "{alone}");
    let native = Configuration::to_read().set("client.shop-ios.without_pkce", true).set("client.shop-ios.without_nonce", true).read();
    assert!(native.unwrap_err().contains("only for web clients that authenticate"));
    let suite = Suite::start(Engine::Sqlite, None).await;
    let bare = suite.ask("openid").without("nonce");
    assert_eq!(
        Browser::default().open(&suite.world, &bare.clone().with("scope", "email")).await.error().as_deref(),
        Some("invalid_request")
    );
    assert_eq!(Browser::default().open(&suite.world, &bare).await.status, 200, "the twin");
    suite.world.reload(|it| it.set("client.suite.without_nonce", false)).await;
    let page = Browser::default().open(&suite.world, &bare).await;
    assert_eq!((page.status, page.error().as_deref()), (303, Some("invalid_request")));
    assert_eq!(Browser::default().open(&suite.world, &suite.ask("openid")).await.status, 200, "with a nonce");
    suite.world.stop().await;
}

/// `claims_in_id_token`: what the scopes carry stands in the ID token too, at every refresh, and no more than was granted.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_token_carries_the_profile_where_the_configuration_says_so() {
    let suite = Suite::start(Engine::Sqlite, None).await;
    let plain = suite.sign_in(&mut Browser::default(), &suite.ask("openid profile email")).await;
    assert!(plain.id_token.get("name").is_none() && plain.id_token.get("email").is_none(), "{}", plain.id_token);
    suite.world.reload(|it| it.set("client.suite.claims_in_id_token", true)).await;
    let done = suite.sign_in(&mut Browser::default(), &suite.ask("openid profile offline_access")).await;
    assert_eq!((done.id_token["name"].as_str(), done.id_token["locale"].as_str()), (Some("alice of Example"), Some("de-AT")));
    assert!(done.id_token.get("email").is_none(), "not asked for: {}", done.id_token);
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&done.answer))];
    let (status, answer) = suite.world.post("/token", &form, Some("suite")).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(claims(answer["id_token"].as_str().unwrap())["name"], "alice of Example");
    // What the client may no longer ask for is no longer told.
    suite.world.reload(|it| it.set("client.suite.scopes", vec!["openid", "offline_access"])).await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&answer))];
    let (_, answer) = suite.world.post("/token", &form, Some("suite")).await;
    if let Some(id_token) = answer["id_token"].as_str() {
        assert!(claims(id_token).get("name").is_none(), "{answer}");
    }
    suite.world.stop().await;
}
