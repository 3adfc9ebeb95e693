//! One whole answer of every endpoint, and of every kind of refusal: status, headers and body as files in `snapshots/`.
//! `INSTA_UPDATE=always cargo test -p symbolon --test it -- answers` writes them anew; read the difference before you keep it.

use crate::world::mail::Post;
use crate::world::*;
use serde_json::Value as Json;
use symbolon_phone::element::Maker;

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Compares with `snapshots/NAME.snap`.
pub fn same(name: &str, answer: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, answer));
}

/// A world whose clock stands still, so that lifetimes are what is configured.
pub async fn frozen(configuration: Configuration) -> World {
    let world = configuration.start().await;
    world.freeze();
    world
}

/// An answer with the names of these values in their place. They are another in every run.
pub fn masked(shown: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(shown.to_owned(), |shown, (name, value)| shown.replace(*value, &format!("[{name}]")))
}

pub fn get(world: &World, path: &str) -> reqwest::RequestBuilder {
    world.http.get(world.url(path))
}

pub fn post(world: &World, path: &str, form: &[(&str, &str)]) -> reqwest::RequestBuilder {
    world.http.post(world.url(path)).form(form)
}

/// As a client or an API with its secret.
fn post_as(world: &World, name: &str, path: &str, form: &[(&str, &str)]) -> reqwest::RequestBuilder {
    post(world, path, form).basic_auth(name, Some(SECRET))
}

fn text(tokens: &Json, name: &str) -> String {
    tokens[name].as_str().unwrap_or_else(|| panic!("{tokens}")).to_owned()
}

/// A browser in which alice is signed in.
async fn signed_in(world: &World) -> Browser {
    let mut browser = Browser::default();
    browser.sign_in(world, &Ask::native("openid"), "alice").await;
    browser
}

/// What anybody may read.
#[tokio::test(flavor = "multi_thread")]
async fn public_documents_answer_as_recorded() {
    let world = frozen(Configuration::on(Engine::Sqlite).await).await;
    for (name, path) in [
        ("home", "/"),
        ("health", "/health"),
        ("metadata_oauth", "/.well-known/oauth-authorization-server"),
        ("metadata_openid", "/.well-known/openid-configuration"),
        ("jwks", "/jwks"),
        ("not_found", "/nothing"),
        ("method_not_allowed", "/token"),
    ] {
        same(name, &world.shown(get(&world, path)).await);
    }
    let style = world.shown(get(&world, "/assets/style.css")).await;
    same("style", style.split("\n\n").take(2).collect::<Vec<_>>().join("\n\n").as_str());
    let preflight = world.http.request("OPTIONS".parse().unwrap(), world.url("/token"));
    let preflight = preflight.header("origin", "https://app.example.com").header("access-control-request-method", "POST");
    same("preflight", &world.shown(preflight).await);
    world.stop().await;
}

/// From the authorization request to the code.
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_answers_as_recorded() {
    let world = frozen(Configuration::on(Engine::Sqlite).await).await;
    let mut browser = Browser::default();
    let ask = Ask::native("openid orders:read");
    same("authorize_page", &world.shown(get(&world, &ask.path())).await);
    let page = browser.open(&world, &ask).await;
    let submit = |page: &Page, fill: &[(&str, &str)], action: &str| browser.submission_with_cookies(&world, page, fill, action);
    same("login_problem", &world.shown(submit(&page, &[("username", "alice"), ("password", "wrong")], "continue")).await);
    same("login_invalid_session", &world.shown(submit(&page, &[("form_token", "")], "continue")).await);
    same("login_cancelled", &world.shown(submit(&page, &[], "cancel")).await);
    let page = browser.open(&world, &ask).await;
    same(
        "login_code",
        &world.shown(browser.submission_with_cookies(&world, &page, &[("username", "alice"), ("password", PASSWORD)], "continue")).await,
    );
    let third = Ask::new("third-party", "https://third.example.com/callback", "openid orders:read");
    let browser = signed_in(&world).await;
    same("authorize_consent", &world.shown_to(&browser, get(&world, &third.path())).await);
    same("authorize_form_post", &world.shown_to(&browser, get(&world, &ask.clone().with("response_mode", "form_post").path())).await);
    same("authorize_error_page", &world.shown(get(&world, &ask.clone().with("redirect_uri", "https://evil.example").path())).await);
    same("authorize_error_redirect", &world.shown(get(&world, &ask.with("prompt", "none").path())).await);
    world.stop().await;
}

/// A device without a browser, and the pages of the person who approves it.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_answers_as_recorded() {
    let grant = "urn:ietf:params:oauth:grant-type:device_code";
    let tv =
        format!("[client.tv]\nkind = \"native\"\nname = \"Example TV\"\ngrants = [\"{grant}\"]\napis = {{ orders = [\"orders:read\"] }}\n");
    let world = frozen(Configuration::on(Engine::Sqlite).await.with(&tv)).await;
    let start = [("client_id", "tv"), ("scope", "orders:read")];
    let hidden = |shown: String, user_code: &str| shown.replace(user_code, "[user code]");
    let (_, started) = world.post("/device_authorization", &start, None).await;
    let user_code = text(&started, "user_code");
    same("device_authorization", &world.shown(post(&world, "/device_authorization", &start)).await);
    let poll = [("grant_type", grant), ("client_id", "tv"), ("device_code", &text(&started, "device_code"))];
    same("device_pending", &world.shown(post(&world, "/token", &poll)).await);
    same("device_slow_down", &world.shown(post(&world, "/token", &poll)).await);
    same("device_code_page", &world.shown(get(&world, "/device")).await);
    let mut browser = signed_in(&world).await;
    let page = browser.visit(&world, "/device").await;
    let typed = browser.submission_with_cookies(&world, &page, &[("user_code", &user_code)], "continue");
    same("device_question", &hidden(world.shown(typed).await, &user_code));
    let complete = text(&started, "verification_uri_complete").replace(&world.issuer, "");
    let page = browser.visit(&world, &complete).await;
    let page = browser.submit_raw(&world, &page, &[("last_group", &user_code[5..])], "allow").await;
    let address = page.location.unwrap().replace(&world.issuer, "");
    let shown = world.shown_to(&browser, get(&world, &address)).await;
    same("device_approved", &shown.replace(&address, "/login/[address]"));
    world.stop().await;
}

/// Pages of somebody whom no app sent.
#[tokio::test(flavor = "multi_thread")]
async fn our_own_pages_answer_as_recorded() {
    let post = Post::start(Engine::Sqlite).await;
    let world = &post.world;
    world.freeze();
    same("register", &world.shown(get(world, "/register")).await);
    same("reset", &world.shown(get(world, "/reset")).await);
    same("account_signed_out", &world.shown(get(world, "/account")).await);
    let mut browser = Browser::default();
    post.account(&mut browser).await;
    let account = world.shown_to(&browser, get(world, "/account")).await;
    let day = jiff::Timestamp::from_millisecond(post.now_ms()).unwrap().to_string()[..10].to_owned();
    same("account", &account.lines().map(|it| if it.contains(&day) { "[sessions]" } else { it }).collect::<Vec<_>>().join("\n"));
    let page = browser.visit(world, "/logout").await;
    same("logout", &world.shown_to(&browser, get(world, "/logout")).await);
    same("logout_done", &world.shown(browser.submission_with_cookies(world, &page, &[], "logout")).await);
    post.world.stop().await;
}

/// Grants, and what can be asked about a token.
#[tokio::test(flavor = "multi_thread")]
async fn grants_and_questions_about_tokens_answer_as_recorded() {
    let exchanging = format!(
        "client = {{ orders-api = {{ kind = \"service\", secret = '{}', exchanges = [\"orders\"], apis = {{ ledger = [\"ledger:read\"] }} }} }}",
        secret_digest()
    );
    let exchanging = Configuration::on(Engine::Sqlite).await.with(&exchanging);
    let world = frozen(exchanging.with("api.ledger.scope.\"ledger:read\".exchange_from = { orders = [\"orders:read\"] }")).await;
    let ask = Ask::native("openid orders:read");
    same("par", &world.shown(post(&world, "/par", &ask.form())).await);
    let code = Browser::default().sign_in(&world, &ask, "alice").await["code"].clone();
    let redeem = [
        ("grant_type", "authorization_code"),
        ("client_id", "shop-ios"),
        ("code", &code),
        ("code_verifier", &ask.verifier),
        ("redirect_uri", NATIVE_BACK),
    ];
    same("token_authorization_code", &world.shown(post(&world, "/token", &redeem)).await);
    let tokens = world.tokens("openid orders:read").await;
    let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    let refreshing = [("grant_type", "refresh_token"), ("client_id", "shop-ios"), ("refresh_token", refresh.as_str())];
    same("token_refresh_token", &world.shown(post(&world, "/token", &refreshing)).await);
    same("token_client_credentials", &world.shown(post_as(&world, "robot", "/token", &[("grant_type", "client_credentials")])).await);
    let exchange = [
        ("grant_type", EXCHANGE),
        ("subject_token", &access),
        ("subject_token_type", ACCESS_TOKEN),
        ("resource", "https://api.example.com/ledger"),
    ];
    same("token_exchange", &world.shown(post_as(&world, "orders-api", "/token", &exchange)).await);
    let asked = [("token", access.as_str())];
    same("introspect", &world.shown(post_as(&world, "orders", "/introspect", &asked)).await);
    let jwt = post_as(&world, "orders", "/introspect", &asked).header("accept", "application/token-introspection+jwt");
    same("introspect_jwt", &world.shown(jwt).await);
    same("introspect_inactive", &world.shown(post_as(&world, "orders", "/introspect", &[("token", "x")])).await);
    same("endings", &world.shown(post_as(&world, "orders", "/endings", &[])).await);
    let profile = text(&world.tokens("openid profile email").await, "access_token");
    same("userinfo", &world.shown(get(&world, "/userinfo").bearer_auth(profile)).await);
    same("revoke", &world.shown(post(&world, "/revoke", &[("client_id", "shop-ios"), ("token", &refresh)])).await);
    world.stop().await;
}

/// Challenges and attestations.
#[tokio::test(flavor = "multi_thread")]
async fn attestation_endpoints_answer_as_recorded() {
    let maker = Maker::new().unwrap();
    let client = format!(
        "[attestation]\nsimulated_roots = [\"{}\"]\n[client.app]\nkind = \"native\"\nfirst_party = true\n\
         authentication = \"attest_jwt_client_auth_dpop\"\napis = {{ orders = [\"orders:read\"] }}\nredirect_uris = [\"{NATIVE_BACK}\"]\n\
         [client.app.attestation]\nios = {{ app_ids = [\"{APP}\"] }}\n",
        maker.root_spki
    );
    let world = frozen(Configuration::on(Engine::Sqlite).await.with(&client)).await;
    same("challenge", &world.shown(post(&world, "/challenge", &[])).await);
    same("attest_challenge", &world.shown(post(&world, "/attest/challenge", &[("client_id", "app")])).await);
    let mut phone = Phone::new(&world, "app", NATIVE_BACK).made_by(&maker);
    assert_eq!(phone.attest_iphone(|_| {}).await.status, 200);
    let (challenge, bytes) = phone.own_challenge("app").await;
    let hash = phone.named(symbolon_attest::binding::Purpose::Renewal, &bytes);
    let assertion = phone.enclave.as_ref().unwrap().assertion(&hash, 1).unwrap();
    let assertion = symbolon_oauth::base64url::encode(&assertion);
    let form = [("client_id", "app"), ("format", "apple-assertion"), ("challenge", challenge.as_str()), ("assertion", &assertion)];
    let attest = |form: &[(&str, &str)]| {
        let request = post(&world, "/attest", form);
        phone.headers("/attest").into_iter().fold(request, |request, (name, value)| request.header(name, value))
    };
    same("attest", &world.shown(attest(&form)).await);
    same("attest_repeated", &world.shown(attest(&form)).await);
    same("attest_refused", &world.shown(attest(&[form[0], form[1], ("challenge", "AAAA"), form[3]])).await);
    let refreshing = [("grant_type", "refresh_token"), ("client_id", "app"), ("refresh_token", "sr_x")];
    same("token_without_attestation", &world.shown(post(&world, "/token", &refreshing)).await);
    world.stop().await;
}

/// One refused request of each kind.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_answer_as_recorded() {
    let world = frozen(Configuration::on(Engine::Sqlite).await.set("client.other-ios.dpop", "required")).await;
    let refresh = |token| [("grant_type", "refresh_token"), ("client_id", "shop-ios"), ("refresh_token", token)];
    let robot = [("grant_type", "client_credentials")];
    for (name, request) in [
        ("refused_invalid_grant", post(&world, "/token", &refresh("sr_x"))),
        ("refused_invalid_client", post(&world, "/token", &robot).basic_auth("robot", Some("wrong"))),
        ("refused_unknown_client", post(&world, "/token", &[("grant_type", "refresh_token"), ("client_id", "nobody")])),
        ("refused_unsupported_grant_type", post(&world, "/token", &[("grant_type", "password"), ("client_id", "shop-ios")])),
        ("refused_unauthorized_client", post(&world, "/token", &[("grant_type", "client_credentials"), ("client_id", "shop-ios")])),
        ("refused_invalid_scope", post_as(&world, "robot", "/token", &[robot[0], ("scope", "orders:write")])),
        ("refused_twice", post(&world, "/token", &[("client_id", "shop-ios"), ("client_id", "shop-ios")])),
        ("refused_content_type", world.http.post(world.url("/token")).header("content-type", "text/plain").body("x")),
        ("refused_size", world.http.post(world.url("/token")).form(&[("x", "x".repeat(70_000))])),
        (
            "refused_invalid_dpop_proof",
            post(&world, "/token", &[refresh("sr_x")[0], ("client_id", "other-ios"), ("refresh_token", "sr_x")]),
        ),
        ("refused_use_dpop_nonce", {
            let phone = world.phone();
            post(&world, "/token", &refresh("sr_x")).header("dpop", phone.proof("POST", "/token", None))
        }),
        ("refused_par", post(&world, "/par", &Ask::native("openid").with("redirect_uri", "https://evil.example").form())),
        ("refused_introspect", post(&world, "/introspect", &[("token", "x")])),
        ("refused_userinfo", get(&world, "/userinfo")),
        ("refused_userinfo_token", get(&world, "/userinfo").bearer_auth("x")),
        ("refused_endings", post(&world, "/endings", &[])),
        ("account_action_signed_out", post(&world, "/account", &[("action", "change_password")])),
    ] {
        same(name, &world.shown(request).await);
    }
    world.stop().await;
}
