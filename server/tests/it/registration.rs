//! Clients that register themselves: RFC 7591 and RFC 7592, by policies of the configuration.

use crate::commands::symbolon;
use crate::world::*;
use serde_json::{Value as Json, json};
use symbolon_oauth::backchannel::GRANT_TYPE as BACKCHANNEL;
use symbolon_oauth::device_authorization::GRANT_TYPE as DEVICE_CODE;
use symbolon_oauth::kiosk::GRANT_TYPE as KIOSK;

pub const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const OPEN: &str = "[client_registration.open]\nopen = true\nscopes = [\"openid\", \"email\", \"offline_access\"]\napis = { orders = [\"orders:read\"] }\n";
const CLOSED: &str = "[client_registration.partners]\nscopes = [\"openid\"]\n";
pub const BACK: &str = "https://planner.example.net/cb";

/// Status and answer.
type Said = (u16, Json);

pub async fn send(world: &World, method: &str, path: &str, token: Option<&str>, body: Option<&Json>) -> Said {
    let mut request = world.http.request(method.parse().unwrap(), world.url(path));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Json::String(text)))
}

pub async fn register(world: &World, token: Option<&str>, body: &Json) -> Said {
    send(world, "POST", "/clients", token, Some(body)).await
}

/// A site without a secret.
pub fn site() -> Json {
    json!({ "client_name": "Harvest notes", "redirect_uris": [BACK], "token_endpoint_auth_method": "none", "scope": "openid email" })
}

fn with(mut body: Json, name: &str, value: Json) -> Json {
    body[name] = value;
    body
}

fn text<'a>(answer: &'a Json, name: &str) -> &'a str {
    answer[name].as_str().unwrap_or_else(|| panic!("no {name}: {answer}"))
}

fn refused(said: &Said) -> (u16, &str) {
    (said.0, said.1["error"].as_str().unwrap_or_default())
}

pub async fn open(engine: Engine) -> World {
    Configuration::on(engine).await.with(OPEN).behind_a_proxy().start().await
}

/// A token of the operator's, by the command.
pub async fn initial_token(world: &World, policy: &str, uses: &str) -> String {
    let (code, said, error) = symbolon(&world.file(), &["client", "token", "make", policy, "--uses", uses], "").await;
    assert_eq!(code, Some(0), "{error}");
    said.lines().last().unwrap().trim().to_owned()
}

/// 496-G
#[tokio::test(flavor = "multi_thread")]
async fn nobody_registers_a_client_unless_a_policy_says_so() {
    for (policies, token, expected) in [
        ("", None, (401, "invalid_token")),
        (CLOSED, None, (401, "invalid_token")),
        (OPEN, None, (201, "")),
        (OPEN, Some("AAAAAAAAAAAA.BBBBBBBB"), (401, "invalid_token")),
        (OPEN, Some("nonsense"), (401, "invalid_token")),
    ] {
        let world = Configuration::on(Engine::Sqlite).await.with(policies).start().await;
        let said = register(&world, token, &with(site(), "scope", json!("openid"))).await;
        assert_eq!(refused(&said), expected, "{policies} {token:?}: {}", said.1);
        let metadata: Json = world.get("/.well-known/openid-configuration").await.json().await.unwrap();
        assert_eq!(metadata["registration_endpoint"].is_string(), !policies.is_empty());
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_registers_as_many_clients_as_it_says_and_no_more() {
    for engine in engines() {
        let world = Configuration::on(engine).await.with(CLOSED).start().await;
        let body = with(site(), "scope", json!("openid"));
        let token = initial_token(&world, "partners", "2").await;
        // What is wrong with the metadata costs no use.
        assert_eq!(register(&world, Some(&token), &with(body.clone(), "redirect_uris", json!([]))).await.0, 400);
        assert_eq!(register(&world, Some(&token), &body).await.0, 201);
        let both = tokio::join!(register(&world, Some(&token), &body), register(&world, Some(&token), &body));
        let mut statuses = [both.0.0, both.1.0];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 401], "one use for two at once");
        assert_eq!(refused(&register(&world, Some(&token), &body).await), (401, "invalid_token"));
        let other = initial_token(&world, "partners", "5").await;
        assert_eq!(register(&world, Some(&other), &body).await.0, 201);
        let (name, secret) = other.split_once('.').unwrap();
        assert_eq!(
            refused(&register(&world, Some(&format!("{name}.{}", secret.to_ascii_lowercase())), &body).await),
            (401, "invalid_token")
        );
        let (code, listed, _) = symbolon(&world.file(), &["client", "token", "list", "--json"], "").await;
        assert!(code == Some(0) && listed.contains(name) && !listed.contains(secret), "{listed}");
        assert_eq!(symbolon(&world.file(), &["client", "token", "revoke", name], "").await.0, Some(0));
        assert_eq!(refused(&register(&world, Some(&other), &body).await), (401, "invalid_token"));
        assert_ne!(symbolon(&world.file(), &["client", "token", "revoke", name], "").await.0, Some(0), "there is none any more");
        let late = initial_token(&world, "partners", "1").await;
        world.advance_s(7 * 86_400 - 60);
        assert_eq!(register(&world, Some(&late), &with(body.clone(), "redirect_uris", json!([]))).await.0, 400, "still good");
        world.advance_s(61);
        assert_eq!(refused(&register(&world, Some(&late), &body).await), (401, "invalid_token"));
        assert_eq!((world.audited("client_registered").await, world.audited("registration_token_made").await), (3, 3));
        assert!(world.audited("client_registration_refused").await > 0, "whoever has a token is no stranger");
        world.stop().await;
    }
}

/// 022-R, 351-L: a registered client works, and what it says of itself leads nobody anywhere.
#[tokio::test(flavor = "multi_thread")]
async fn an_unproved_site_is_asked_about_every_time_and_leads_nowhere_by_itself() {
    for engine in engines() {
        let world = open(engine).await;
        let (status, answer) = register(&world, None, &site()).await;
        assert_eq!(status, 201, "{answer}");
        assert!(answer["client_secret"].is_null() && answer["client_secret_expires_at"].is_null(), "none has no secret");
        let id = text(&answer, "client_id").to_owned();
        let mut browser = Browser::default();
        for _ in 0..2 {
            let ask = Ask::new(&id, BACK, "openid email");
            let mut page = browser.open(&world, &ask).await;
            if page.kind() != "consent" {
                page = browser.submit_password(&world, &page, "alice", PASSWORD).await;
            }
            assert_eq!(page.kind(), "consent", "{}", page.html);
            assert!(page.says("goes to planner.example.net") && page.says("nobody says that it is theirs"), "{}", page.text());
            let page = browser.submit(&world, &page, &[], &page.first_action()).await;
            assert_eq!((page.kind(), page.status, page.location.as_deref()), ("unvouched", 200, None), "{}", page.html);
            assert!(page.says("Nobody has checked who runs it") && !page.html.contains("http-equiv"), "{}", page.html);
            let link = page.html.split("id=\"onward\" href=\"").nth(1).unwrap().split('"').next().unwrap();
            let link = link.replace("&amp;", "&").replace("&#x2f;", "/");
            assert!(link.starts_with(&format!("{BACK}?code=")), "{link}");
            let code = parameters(&link)["code"].clone();
            let form = [
                ("grant_type", "authorization_code"),
                ("client_id", id.as_str()),
                ("code", &code),
                ("code_verifier", &ask.verifier),
                ("redirect_uri", BACK),
            ];
            let (status, tokens) = world.post("/token", &form, None).await;
            assert_eq!(status, 200, "{tokens}");
        }
        // An error without anybody's answer is not a redirect either, and prompt=none gets no code.
        for bad in [Ask::new(&id, BACK, "openid").with("prompt", "none"), Ask::new(&id, BACK, "garbage")] {
            let page = browser.open(&world, &bad).await;
            assert_eq!((page.kind(), page.location.as_deref()), ("unvouched", None), "{}", page.html);
        }
        let page = browser.open(&world, &Ask::new(&id, BACK, "openid").with("response_mode", "form_post")).await;
        assert_eq!((page.status, page.kind()), (400, "error"));
        world.stop().await;
    }
}

/// The twin: a host that the operator vouches for.
#[tokio::test(flavor = "multi_thread")]
async fn a_site_on_a_host_of_the_operators_list_is_led_to_like_any_other() {
    for engine in engines() {
        let vouched = format!("{OPEN}hosts = [\"planner.example.net\"]\n");
        let world = Configuration::on(engine).await.with(&vouched).start().await;
        let (_, answer) = register(&world, None, &site()).await;
        let id = text(&answer, "client_id").to_owned();
        let mut browser = Browser::default();
        let ask = Ask::new(&id, BACK, "openid email");
        let page = browser.open(&world, &ask).await;
        let page = browser.submit_password(&world, &page, "alice", PASSWORD).await;
        assert!(page.kind() == "consent" && page.says("The owner of planner.example.net says that it is theirs"), "{}", page.text());
        let page = browser.submit(&world, &page, &[], &page.first_action()).await;
        assert!(page.has_code(), "{}", page.html);
        let page = browser.open(&world, &ask.clone().with("prompt", "none")).await;
        assert!(page.has_code(), "what was agreed to is remembered: {}", page.html);
        assert_eq!(browser.open(&world, &Ask::new(&id, BACK, "garbage")).await.error().as_deref(), Some("invalid_scope"));
        // A lookalike of the host is not on the list (502-G).
        let evil = with(site(), "redirect_uris", json!(["https://planner.example.net.evil.example/cb"]));
        let (_, answer) = register(&world, None, &evil).await;
        let bad = Ask::new(text(&answer, "client_id"), "https://planner.example.net.evil.example/cb", "garbage");
        assert_eq!(browser.open(&world, &bad).await.kind(), "unvouched");
        world.stop().await;
    }
}

/// 014-R, 015-R, 016-R, 017-R, 011-R, 120-T, 231-J, 351-L, 497-G, 503-G, 505-G, 506-G, 509-G. Each defect alone; without it the client
/// is registered.
#[tokio::test(flavor = "multi_thread")]
async fn metadata_that_nobody_may_have_is_refused_by_its_code() {
    let world = Configuration::on(Engine::Sqlite).await.with(&format!("{OPEN}per_network = 1000\n")).start().await;
    let (good, native) = (site(), json!({ "application_type": "native", "redirect_uris": ["http://127.0.0.1/cb"] }));
    for body in [&good, &native] {
        let said = register(&world, None, body).await;
        assert_eq!(said.0, 201, "{}", said.1);
    }
    let (uri, metadata) = ("invalid_redirect_uri", "invalid_client_metadata");
    let private = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }] });
    let many: Vec<String> = (0..11).map(|at| format!("https://planner.example.net/{at}")).collect();
    for (name, value, code) in [
        ("redirect_uris", json!(["https://planner.example.net/cb#x"]), uri),
        ("redirect_uris", json!(["JaVaScRiPt:alert(1)"]), uri),
        ("redirect_uris", json!(["data:text/html,x"]), uri),
        ("redirect_uris", json!(["https://planner.example.net/cb?code=evil"]), uri),
        ("redirect_uris", json!(["https://*.example.net/cb"]), uri),
        ("redirect_uris", json!(["http://planner.example.net/cb"]), uri),
        ("redirect_uris", json!(["com.example.planner:/cb"]), uri),
        ("redirect_uris", json!([]), uri),
        ("redirect_uris", json!("https://planner.example.net/cb"), uri),
        ("redirect_uris", json!([null]), uri),
        ("redirect_uris", json!([[BACK]]), uri),
        ("redirect_uris", json!(many), uri),
        ("redirect_uris", json!(["https://app.example.com/other"]), uri),
        ("post_logout_redirect_uris", json!(["javascript:alert(1)"]), metadata),
        ("logo_uri", json!("javascript:alert(1)"), metadata),
        ("logo_uri#de", json!("data:image/png;base64,x"), metadata),
        ("client_uri", json!("https://u:p@planner.example.net/"), metadata),
        ("policy_uri", json!("file:///etc/passwd"), metadata),
        ("tos_uri", json!(7), metadata),
        ("initiate_login_uri", json!("http://planner.example.net/"), metadata),
        ("jwks_uri", json!("https://10.0.0.1/jwks"), metadata),
        ("jwks", private, metadata),
        ("jwks", json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0" }] }), metadata),
        ("client_name", json!("Shop"), metadata),
        ("client_name", json!("Sh\u{43e}p"), metadata),
        ("client_name", json!("Budget\u{202e}rennalp"), metadata),
        ("client_name", json!("x".repeat(61)), metadata),
        ("client_name", json!(["Budget"]), metadata),
        ("scope", json!("openid profile"), metadata),
        ("scope", json!("openid orders:write"), metadata),
        ("grant_types", json!(["authorization_code", "client_credentials"]), metadata),
        ("grant_types", json!(["authorization_code", DEVICE_CODE]), metadata),
        ("grant_types", json!(["authorization_code", BACKCHANNEL]), metadata),
        ("grant_types", json!(["authorization_code", KIOSK]), metadata),
        ("grant_types", json!(["authorization_code", EXCHANGE]), metadata),
        ("response_types", json!(["token"]), metadata),
        ("token_endpoint_auth_method", json!("tls_client_auth"), metadata),
        ("application_type", json!("browser"), metadata),
        ("subject_type", json!("pairwise"), metadata),
        ("userinfo_signed_response_alg", json!("RS256"), metadata),
        ("contacts", json!(vec!["a@b.example"; 21]), metadata),
        ("software_statement", json!("eyJhbGciOiJub25lIn0.e30."), "unapproved_software_statement"),
    ] {
        let said = register(&world, None, &with(good.clone(), name, value.clone())).await;
        assert_eq!(refused(&said), (400, code), "{name} {value}: {}", said.1);
        let shown = said.1.to_string();
        assert!(!shown.contains("evil") && !shown.contains("passwd") && !shown.contains("planner.example.net"), "an echo: {shown}");
    }
    world.stop().await;
}

/// 016-R, 017-R, 120-T, 503-G, 505-G
#[tokio::test(flavor = "multi_thread")]
async fn schemes_without_an_owner_and_huge_or_doubled_members_are_refused() {
    let world = Configuration::on(Engine::Sqlite).await.with(&format!("{OPEN}per_network = 1000\n")).start().await;
    let (good, native) = (site(), json!({ "application_type": "native", "redirect_uris": ["http://127.0.0.1/cb"] }));
    let (uri, metadata) = ("invalid_redirect_uri", "invalid_client_metadata");
    let huge: Vec<String> = (0..300).map(|at| format!("https://planner.example.net/{at}")).collect();
    for (scheme, code) in [("myapp:/cb", uri), ("com.example.shop:/cb", uri), ("com.uk:/cb", uri), ("com.example.planner:/cb", "")] {
        let said = register(&world, None, &with(native.clone(), "redirect_uris", json!([scheme]))).await;
        assert_eq!(refused(&said).1, code, "{scheme}: {}", said.1);
    }
    assert_eq!(
        refused(&register(&world, None, &with(native, "token_endpoint_auth_method", json!("client_secret_basic"))).await).1,
        metadata
    );
    assert_eq!(refused(&register(&world, None, &with(good.clone(), "redirect_uris", json!(huge))).await), (413, "invalid_request"));
    let twice = world.http.post(world.url("/clients")).header("content-type", "application/json");
    let twice = twice.body("{\"redirect_uris\":[\"https://a.example/\"],\"redirect_uris\":[\"https://b.example/\"]}").send().await.unwrap();
    assert_eq!(twice.status().as_u16(), 400);
    // Names and secrets are the server's to choose, and what it does not know is neither kept nor said back.
    let own = with(with(with(good, "client_id", json!("alice")), "client_secret", json!("x")), "<script>", json!("<b>"));
    let (status, answer) = register(&world, None, &own).await;
    assert!(status == 201 && text(&answer, "client_id").starts_with("r-") && !answer.to_string().contains("script"), "{answer}");
    world.stop().await;
}

/// L-20: every method that the policy allows, registered and used.
#[tokio::test(flavor = "multi_thread")]
async fn each_way_of_authentication_that_is_offered_can_be_registered() {
    for engine in engines() {
        let world = Configuration::on(engine).await.with(&format!("{OPEN}hosts = [\"planner.example.net\"]\n")).start().await;
        for method in ["none", "client_secret_basic", "client_secret_post", ""] {
            let mut body = with(site(), "token_endpoint_auth_method", json!(method));
            if method.is_empty() {
                body.as_object_mut().unwrap().remove("token_endpoint_auth_method");
            }
            let (status, answer) = register(&world, None, &body).await;
            assert_eq!(status, 201, "{method}: {answer}");
            let (id, secret) = (text(&answer, "client_id").to_owned(), answer["client_secret"].as_str());
            assert_eq!((secret.is_some(), answer["client_secret_expires_at"].as_i64()), (method != "none", secret.map(|_| 0)));
            let registered = text(&answer, "token_endpoint_auth_method");
            assert_eq!(registered, if method.is_empty() { "client_secret_basic" } else { method });
            let ask = Ask::new(&id, BACK, "openid");
            let back = Browser::default().sign_in(&world, &ask, "alice").await;
            let mut form = vec![("grant_type", "authorization_code"), ("code", back["code"].as_str()), ("redirect_uri", BACK)];
            form.push(("code_verifier", &ask.verifier));
            let mut request = world.http.post(world.url("/token"));
            match (registered, secret) {
                ("client_secret_basic", Some(secret)) => request = request.basic_auth(&id, Some(secret)),
                ("client_secret_post", Some(secret)) => form.extend([("client_id", id.as_str()), ("client_secret", secret)]),
                _ => form.push(("client_id", &id)),
            }
            let answer = request.form(&form).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), 200, "{method}: {}", answer.text().await.unwrap());
        }
        world.stop().await;
    }
}

/// 499-G, 500-G, 508-G
#[tokio::test(flavor = "multi_thread")]
async fn a_client_looks_after_its_own_registration_and_no_other() {
    for engine in engines() {
        let world = Configuration::on(engine).await.with(&format!("{OPEN}hosts = [\"planner.example.net\"]\n")).start().await;
        let body = with(site(), "token_endpoint_auth_method", json!("client_secret_basic"));
        let (one, two) = (register(&world, None, &body).await.1, register(&world, None, &body).await.1);
        let (id, token) = (text(&one, "client_id"), text(&one, "registration_access_token"));
        let path = format!("/clients/{id}");
        assert_eq!(text(&one, "registration_client_uri"), world.url(&path));
        let (status, shown) = send(&world, "GET", &path, Some(token), None).await;
        assert_eq!((status, text(&shown, "client_name")), (200, "Harvest notes"));
        for secret in ["client_secret", "registration_access_token"] {
            assert!(shown[secret].is_null() && !shown.to_string().contains(text(&one, secret)), "{shown}");
        }
        let other = text(&two, "registration_access_token");
        let next = with(with(body.clone(), "client_id", json!(id)), "client_name", json!("Savings"));
        for (method, with_body) in [("GET", None), ("PUT", Some(&next)), ("DELETE", None)] {
            for wrong in [Some(other), Some("nonsense"), None] {
                assert_eq!(refused(&send(&world, method, &path, wrong, with_body).await), (401, "invalid_token"), "{method} {wrong:?}");
            }
        }
        for (bad, what) in [
            (with(next.clone(), "client_id", json!(text(&two, "client_id"))), "another's id"),
            (body.clone(), "no id"),
            (with(next.clone(), "client_secret", json!("x".repeat(43))), "another secret"),
            (with(next.clone(), "registration_access_token", json!(token)), "the server's own"),
            (with(next.clone(), "redirect_uris", json!(["https://app.example.com/x"])), "somebody else's host"),
        ] {
            assert_eq!(send(&world, "PUT", &path, Some(token), Some(&bad)).await.0, 400, "{what}");
        }
        let kept = with(next.clone(), "client_secret", one["client_secret"].clone());
        let (status, replaced) = send(&world, "PUT", &path, Some(token), Some(&kept)).await;
        assert_eq!((status, text(&replaced, "client_name")), (200, "Savings"));
        assert!(replaced["client_secret"].is_null(), "the secret stays, and is not said again");
        assert_eq!(send(&world, "POST", &path, Some(token), Some(&next)).await.0, 405);
        assert_eq!(symbolon(&world.file(), &["client", "disable", id], "").await.0, Some(0));
        let enabled = with(next.clone(), "enabled", json!(true));
        for (method, with_body) in [("GET", None), ("PUT", Some(&enabled)), ("DELETE", None)] {
            assert_eq!(refused(&send(&world, method, &path, Some(token), with_body).await), (401, "invalid_token"), "disabled: {method}");
        }
        assert_eq!(symbolon(&world.file(), &["client", "enable", id], "").await.0, Some(0));
        assert_eq!(send(&world, "DELETE", &path, Some(token), None).await, (204, json!("")));
        assert_eq!(refused(&send(&world, "GET", &path, Some(token), None).await), (401, "invalid_token"), "deleted");
        assert_eq!(world.audited("client_removed").await, 1);
        world.stop().await;
    }
}

/// RFC 7592 2.3: what the client has got ends with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_gone_has_nothing_left() {
    for engine in engines() {
        for by_operator in [false, true] {
            let vouched = format!("{OPEN}hosts = [\"planner.example.net\"]\n");
            let world = Configuration::on(engine).await.with(&vouched).start().await;
            let (_, answer) = register(&world, None, &with(site(), "scope", json!("openid offline_access orders:read"))).await;
            let (id, token) = (text(&answer, "client_id").to_owned(), text(&answer, "registration_access_token").to_owned());
            let ask = Ask::new(&id, BACK, "openid offline_access orders:read");
            let back = Browser::default().sign_in(&world, &ask, "alice").await;
            let form = [
                ("grant_type", "authorization_code"),
                ("client_id", id.as_str()),
                ("code", &back["code"]),
                ("code_verifier", &ask.verifier),
                ("redirect_uri", BACK),
            ];
            let tokens = world.post("/token", &form, None).await.1;
            let refresh = |token: String| [("grant_type", "refresh_token".to_owned()), ("client_id", id.clone()), ("refresh_token", token)];
            let asked = refresh(refresh_token(&tokens).to_owned());
            let asked: Vec<(&str, &str)> = asked.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let (status, tokens) = world.post("/token", &asked, None).await;
            assert_eq!(status, 200, "{tokens}");
            if by_operator {
                assert_eq!(symbolon(&world.file(), &["client", "remove", &id], "").await.0, Some(0));
            } else {
                assert_eq!(send(&world, "DELETE", &format!("/clients/{id}"), Some(&token), None).await.0, 204);
            }
            let asked = refresh(refresh_token(&tokens).to_owned());
            let asked: Vec<(&str, &str)> = asked.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let (status, answer) = world.post("/token", &asked, None).await;
            assert_eq!((status, text(&answer, "error")), (401, "invalid_client"));
            assert_eq!(Browser::default().open(&world, &ask).await.status, 400);
            let introspected = world.post("/introspect", &[("token", text(&tokens, "access_token"))], Some("orders")).await;
            assert_eq!(introspected, (200, json!({ "active": false })));
            world.stop().await;
        }
    }
}

/// What people agreed to was another client's word.
#[tokio::test(flavor = "multi_thread")]
async fn other_addresses_end_what_people_have_agreed_to() {
    for engine in engines() {
        let vouched = format!("{OPEN}hosts = [\"planner.example.net\"]\n");
        let world = Configuration::on(engine).await.with(&vouched).start().await;
        let (_, answer) = register(&world, None, &site()).await;
        let (id, token) = (text(&answer, "client_id").to_owned(), text(&answer, "registration_access_token").to_owned());
        let mut browser = Browser::default();
        let ask = Ask::new(&id, BACK, "openid");
        browser.sign_in(&world, &ask, "alice").await;
        let quiet = ask.clone().with("prompt", "none");
        assert!(browser.open(&world, &quiet).await.has_code());
        let path = format!("/clients/{id}");
        let renamed = with(with(site(), "client_id", json!(id)), "client_name", json!("Savings"));
        assert_eq!(send(&world, "PUT", &path, Some(&token), Some(&renamed)).await.0, 200);
        assert!(browser.open(&world, &quiet).await.has_code(), "the twin: another name alone");
        world.advance_s(1);
        let moved = with(renamed, "redirect_uris", json!([BACK, "https://planner.example.net/second"]));
        assert_eq!(send(&world, "PUT", &path, Some(&token), Some(&moved)).await.0, 200);
        assert_eq!(browser.open(&world, &quiet).await.error().as_deref(), Some("consent_required"));
        browser.sign_in(&world, &ask, "alice").await;
        assert!(browser.open(&world, &quiet).await.has_code(), "agreed to anew");
        world.stop().await;
    }
}

/// L-16: a flood from one network stops at its limit, and does not stop another's.
#[tokio::test(flavor = "multi_thread")]
async fn one_network_cannot_register_without_end() {
    for engine in engines() {
        let world = open(engine).await;
        let from = async |address: &str| {
            let request = world.http.post(world.url("/clients")).header("x-forwarded-for", address).json(&site());
            request.send().await.unwrap().status().as_u16()
        };
        for _ in 0..10 {
            assert_eq!(from("192.0.2.1").await, 201);
        }
        assert_eq!(from("192.0.2.1").await, 429);
        assert_eq!((from("192.0.2.2").await, from("2001:db8::1").await), (201, 201), "another network");
        for last in 2..11 {
            assert_eq!(from(&format!("2001:db8::{last}")).await, 201);
        }
        assert_eq!(from("2001:db8::ffff").await, 429, "the same /64");
        world.advance_s(3601);
        assert_eq!(from("192.0.2.1").await, 201);
        world.stop().await;
    }
    let world = Configuration::on(Engine::Sqlite).await.with(&format!("{OPEN}per_hour = 2\n")).behind_a_proxy().start().await;
    let mut said = Vec::new();
    for last in 1..4 {
        let request = world.http.post(world.url("/clients")).header("x-forwarded-for", format!("192.0.2.{last}")).json(&site());
        said.push(request.send().await.unwrap().status().as_u16());
    }
    assert_eq!(said, [201, 201, 429], "the limit of the policy");
    world.stop().await;
}

/// L-16: what a flood of one network leaves behind is what its limit lets through, and no audit entry for the rest.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_registrations_leaves_ten_clients() {
    const REQUESTS: usize = 2000;
    let world = open(Engine::Sqlite).await;
    let request = |address: &str| world.http.post(world.url("/clients")).header("x-forwarded-for", address).json(&site());
    let flood = |request: reqwest::RequestBuilder| async move {
        let mut statuses = Vec::new();
        for _ in 0..REQUESTS / 8 {
            statuses.push(request.try_clone().unwrap().send().await.unwrap().status().as_u16());
        }
        statuses
    };
    let floods: Vec<_> = (0..8).map(|_| tokio::spawn(flood(request("192.0.2.1")))).collect();
    let mut statuses = Vec::new();
    for flood in floods {
        statuses.extend(flood.await.unwrap());
    }
    let count = |status: u16| statuses.iter().filter(|it| **it == status).count();
    assert_eq!((count(201), count(429)), (10, REQUESTS - 10));
    assert_eq!(request("192.0.2.2").send().await.unwrap().status().as_u16(), 201, "the twin: another network");
    let rows = world.running.shared.now().store.all("SELECT id FROM client", &[]).await.unwrap().len();
    assert_eq!((rows, world.audited("client_registered").await, world.audited("client_registration_refused").await), (11, 11, 0));
    world.stop().await;
}

/// L-16: one that nobody uses goes by time; one that is used stays for its grants and as long again.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_nobody_uses_goes_and_one_in_use_stays() {
    for engine in engines() {
        let vouched = format!("{OPEN}hosts = [\"planner.example.net\"]\nunused = \"1d\"\ngrants_last = \"10d\"\n");
        let world = Configuration::on(engine).await.with(&vouched).start().await;
        let (unused, used) = (register(&world, None, &site()).await.1, register(&world, None, &site()).await.1);
        let (unused, used) = (text(&unused, "client_id").to_owned(), text(&used, "client_id").to_owned());
        Browser::default().sign_in(&world, &Ask::new(&used, BACK, "openid"), "alice").await;
        let opens = async |id: &str| Browser::default().open(&world, &Ask::new(id, BACK, "openid")).await.status;
        let sweep = async || {
            let app = world.running.shared.now();
            symbolon::store::retention::sweep(&app.store, app.now_ms()).await.unwrap();
            app.store.all("SELECT id FROM client", &[]).await.unwrap().len()
        };
        assert_eq!((opens(&unused).await, opens(&used).await, sweep().await), (200, 200, 2));
        world.advance_s(86_400 - 120);
        assert_eq!((opens(&unused).await, opens(&used).await, sweep().await), (200, 200, 2));
        world.advance_s(121 + 3600);
        assert_eq!((opens(&unused).await, opens(&used).await, sweep().await), (400, 200, 1));
        let (code, listed, _) = symbolon(&world.file(), &["client", "list", "--json"], "").await;
        let listed: Json = serde_json::from_str(&listed).unwrap();
        let line = listed["clients"].as_array().unwrap().iter().find(|it| it["client_id"] == used.as_str()).unwrap();
        assert_eq!((code, &line["source"], &line["policy"]), (Some(0), &json!("itself"), &json!("open")));
        assert!(line["created_ms"].is_i64() && line["used_ms"].is_i64() && line["until_ms"].is_i64(), "{line}");
        world.advance_s(10 * 86_400);
        assert_eq!((opens(&used).await, sweep().await), (400, 0), "its last grant is over");
        world.stop().await;
    }
}

/// A policy that is taken away takes its clients along, and one that became narrower judges them again.
#[tokio::test(flavor = "multi_thread")]
async fn the_policy_of_the_present_configuration_counts() {
    for engine in engines() {
        let world = open(engine).await;
        let (_, answer) = register(&world, None, &site()).await;
        let (id, token) = (text(&answer, "client_id").to_owned(), text(&answer, "registration_access_token").to_owned());
        let opens = async || Browser::default().open(&world, &Ask::new(&id, BACK, "openid")).await.status;
        assert_eq!(opens().await, 200);
        world.reload(|it| it.set("client_registration.open.kinds", vec!["native"])).await;
        assert_eq!(opens().await, 400, "no web clients any more");
        world.reload(|it| it.without("client_registration.open.kinds")).await;
        assert_eq!(opens().await, 200);
        world
            .reload(|it| {
                it.set("client.second.kind", "web")
                    .set("client.second.name", "Harvest note")
                    .set("client.second.redirect_uris", vec!["https://second.example.com/"])
            })
            .await;
        assert_eq!(opens().await, 400, "its name is another's now");
        world.reload(|it| it.without("client.second").without("client_registration.open")).await;
        assert_eq!(opens().await, 400);
        assert_eq!(refused(&send(&world, "GET", &format!("/clients/{id}"), Some(&token), None).await), (401, "invalid_token"));
        world.stop().await;
    }
}

/// Scripts of other origins may register and look after clients: no cookie is in play.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_tool_may_register_and_reads_refusals() {
    let world = open(Engine::Sqlite).await;
    let preflight = world.http.request("OPTIONS".parse().unwrap(), world.url("/clients/x")).header("origin", "https://tool.example");
    let preflight = preflight.header("access-control-request-method", "PUT").send().await.unwrap();
    assert_eq!(preflight.status().as_u16(), 204);
    assert!(preflight.headers()["access-control-allow-methods"].to_str().unwrap().contains("PUT"));
    let refused = world.http.post(world.url("/clients")).header("origin", "https://tool.example").json(&json!({})).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["access-control-allow-origin"]), (400, &"*".parse().unwrap()));
    world.stop().await;
}

/// W-39: nobody who registers gets an address where our passkeys are asked for: a page there could ask too.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_registers_an_address_on_a_host_of_passkeys() {
    for engine in engines() {
        let passkeys = "[passkeys]\nrelated_origins = [\"https://harvest.example\"]\n";
        let world = Configuration::on(engine).await.with(OPEN).with(passkeys).behind_a_proxy().start().await;
        for uri in ["https://harvest.example/cb", "https://harvest.example:8443/cb"] {
            let said = register(&world, None, &with(site(), "redirect_uris", json!([uri]))).await;
            assert_eq!(refused(&said), (400, "invalid_redirect_uri"), "{uri}: {}", said.1);
        }
        assert_eq!(
            register(&world, None, &with(site(), "redirect_uris", json!(["https://x.harvest.example/cb"]))).await.0,
            201,
            "the twin"
        );
        world.stop().await;
    }
}
