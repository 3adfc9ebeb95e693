//! Devices without a browser (RFC 8628): a television shows a code, a person approves it in a browser. Each refusal with its twin.

use crate::world::*;
use serde_json::Value as Json;
use symbolon::seal;

pub const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A television that is public, one that is public and third-party, one that authenticates, and one that is held to its own network.
pub fn televisions() -> String {
    let secret = secret_digest();
    let grants = format!("grants = [\"{GRANT}\", \"refresh_token\"]\napis = {{ orders = [\"orders:read\", \"orders:write\"] }}\n");
    format!(
        "trusted_proxies = [\"127.0.0.1\"]\n\
         [client.tv]\nkind = \"native\"\nname = \"Example TV\"\nfirst_party = true\n{grants}\
         [client.other-tv]\nkind = \"native\"\nname = \"Other TV\"\n{grants}\
         [client.box]\nkind = \"web\"\nname = \"Set-top box\"\nfirst_party = true\nsecret = '{secret}'\n{grants}\
         [client.home-tv]\nkind = \"native\"\nname = \"Home TV\"\nfirst_party = true\n{grants}\
         [client.home-tv.device]\nnetwork = \"same\"\nlifetime = \"5m\"\n"
    )
}

pub async fn world(engine: Engine) -> World {
    Configuration::on(engine).await.with(&televisions()).start().await
}

/// What a device got at its start.
pub struct Tv {
    client: &'static str,
    secret: Option<&'static str>,
    answer: Json,
}

impl Tv {
    pub async fn start(world: &World, client: &'static str, scope: &str) -> Self {
        let secret = (client == "box").then_some("box");
        let form: Vec<(&str, &str)> = [("scope", scope)].into_iter().chain(secret.is_none().then_some(("client_id", client))).collect();
        let (status, answer) = world.post("/device_authorization", &form, secret).await;
        assert_eq!(status, 200, "{answer}");
        Self { client, secret, answer }
    }

    /// A public one that was started otherwise.
    pub fn of(client: &'static str, answer: Json) -> Self {
        Self { client, secret: None, answer }
    }

    pub fn text(&self, name: &str) -> &str {
        self.answer[name].as_str().unwrap_or_else(|| panic!("no {name}: {}", self.answer))
    }

    pub fn user_code(&self) -> &str {
        self.text("user_code")
    }

    pub fn last_group(&self) -> &str {
        &self.user_code()[5..]
    }

    /// The complete address without the issuer.
    pub fn complete(&self) -> &str {
        let uri = self.text("verification_uri_complete");
        &uri[uri.find("/device?").unwrap()..]
    }

    pub async fn poll(&self, node: &impl AsRef<Node>) -> (u16, Json) {
        self.poll_as(node, self.client).await
    }

    async fn poll_as(&self, node: &impl AsRef<Node>, client: &str) -> (u16, Json) {
        let node = node.as_ref();
        let form = [("grant_type", GRANT), ("device_code", self.text("device_code")), ("client_id", client)];
        let mut request = node.http.post(format!("{}/token", node.url)).form(&form);
        if self.secret.is_some() && client == self.client {
            request = request.basic_auth(client, Some(SECRET));
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub async fn error(&self, node: &impl AsRef<Node>) -> String {
        let (status, answer) = self.poll(node).await;
        assert_eq!(status, 400, "{answer}");
        answer["error"].as_str().unwrap().to_owned()
    }
}

/// A public one that starts at this address.
pub async fn tv_at(world: &World, client: &'static str, address: &str) -> Tv {
    let request = world.http.post(world.url("/device_authorization")).header("x-forwarded-for", address);
    let answer = request.form(&[("client_id", client), ("scope", "orders:read")]).send().await.unwrap();
    Tv::of(client, answer.json().await.unwrap())
}

/// Types the code and signs in where that is asked for; the page that asks for approval.
pub async fn type_code(browser: &mut Browser, world: &impl AsRef<Node>, code: &str, name: &str) -> Page {
    let page = browser.visit(world, "/device").await;
    let page = browser.submit(world, &page, &[("user_code", code)], "continue").await;
    sign_in(browser, world, page, name).await
}

pub async fn open_complete(browser: &mut Browser, world: &impl AsRef<Node>, tv: &Tv, name: &str) -> Page {
    let page = browser.visit(world, tv.complete()).await;
    sign_in(browser, world, page, name).await
}

async fn sign_in(browser: &mut Browser, world: &impl AsRef<Node>, page: Page, name: &str) -> Page {
    if page.kind() == "password" { browser.submit_password(world, &page, name, PASSWORD).await } else { page }
}

pub fn is_the_question(page: &Page) -> bool {
    page.title().starts_with("Let a device use") && page.action("allow") && page.action("not_mine")
}

/// K-01, K-07, K-09, K-13, 309-X, 312-X: typed code and complete address lead to the same page, and its approval to tokens; nothing is
/// approved by looking at it.
#[tokio::test(flavor = "multi_thread")]
async fn a_television_is_signed_in_by_code_and_by_address() {
    for engine in engines() {
        let world = world(engine).await;
        for (client, by_address) in [("tv", false), ("tv", true), ("box", false), ("box", true), ("other-tv", true)] {
            let tv = Tv::start(&world, client, "openid orders:read").await;
            assert_eq!((tv.answer["expires_in"].as_i64(), tv.answer["interval"].as_i64()), (Some(600), Some(5)));
            assert_eq!(tv.text("verification_uri"), format!("{}/device", world.issuer));
            assert!(!tv.complete().contains(tv.user_code()) && !tv.text("device_code").contains(&tv.complete()[12..]));
            assert_eq!(tv.error(&world).await, "authorization_pending");
            let mut browser = Browser::default();
            let page = match by_address {
                true => open_complete(&mut browser, &world, &tv, "alice").await,
                false => type_code(&mut browser, &world, &tv.user_code().to_lowercase().replace('-', " "), "alice").await,
            };
            assert!(is_the_question(&page), "{client}: {}", page.html);
            assert_eq!(page.says("We could not check that this request comes from"), client != "box", "{}", page.text());
            assert_eq!((page.says(tv.user_code()), page.asks_for("last_group")), (!by_address, by_address));
            assert!(page.says("alice@example.com") && page.says("127.0.0.1") && page.says("See your orders"), "{}", page.text());
            world.advance_s(10);
            assert_eq!(tv.error(&world).await, "authorization_pending", "looking at the page approves nothing");
            let fill: &[(&str, &str)] = if by_address { &[("last_group", tv.last_group())] } else { &[] };
            let done = browser.submit(&world, &page, fill, "allow").await;
            assert_eq!(done.title(), "The device is signed in", "{}", done.html);
            world.advance_s(10);
            let (status, tokens) = tv.poll(&world).await;
            assert_eq!(status, 200, "{tokens}");
            let id_token = claims(tokens["id_token"].as_str().unwrap());
            assert!(id_token.get("nonce").is_none() && id_token["auth_time"].is_i64() && id_token["amr"].is_array(), "{id_token}");
            let access = claims(tokens["access_token"].as_str().unwrap());
            assert_eq!((access["client_id"].as_str(), access["scope"].as_str()), (Some(client), Some("orders:read")));
            let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&tokens)), ("client_id", client)];
            let (status, refreshed) = world.post("/token", &form[..if client == "box" { 2 } else { 3 }], tv.secret).await;
            assert_eq!(status, 200, "{refreshed}");
        }
        assert_eq!(world.audited("device_approved").await, 5);
        assert_eq!(world.audited("device_code_exchanged").await, 5);
        world.stop().await;
    }
}

/// K-01, K-04, 309-X: every polling rule, and what never changes.
#[tokio::test(flavor = "multi_thread")]
async fn polls_are_answered_by_the_rules() {
    for engine in engines() {
        let world = world(engine).await;
        world.freeze();
        let tv = Tv::start(&world, "tv", "orders:read").await;
        let rows = async || {
            let app = world.running.shared.now();
            let mut found = Vec::new();
            for sql in [
                "SELECT count(*) AS count FROM audit_security",
                "SELECT count(*) AS count FROM audit_routine",
                "SELECT count(*) AS count FROM once",
            ] {
                found.push(app.store.one(sql, &[]).await.unwrap().unwrap().int("count").unwrap());
            }
            found
        };
        let before = rows().await;
        assert_eq!(tv.error(&world).await, "authorization_pending", "the first poll, at once");
        world.advance_s(1);
        assert_eq!(tv.error(&world).await, "slow_down");
        world.advance_s(5);
        assert_eq!(tv.error(&world).await, "slow_down", "the interval is ten seconds now");
        world.advance_s(15);
        assert_eq!(tv.error(&world).await, "authorization_pending");
        world.advance_s(600);
        for _ in 0..20 {
            assert_eq!(tv.error(&world).await, "expired_token");
        }
        world.advance_s(3600);
        assert_eq!(tv.error(&world).await, "expired_token", "an hour later");
        assert_eq!(rows().await, before, "no poll wrote anything");
        // A code of nobody, and what other artefacts are here.
        let (code, _) = world.code("orders:read").await;
        let complete = tv.complete().to_owned();
        for wrong in [tv.user_code(), &complete[12..], &code, "sd_x", &format!("{}A", tv.text("device_code"))] {
            let form = [("grant_type", GRANT), ("device_code", wrong), ("client_id", "tv")];
            assert_eq!(world.post("/token", &form, None).await.1["error"], "invalid_grant", "{wrong}");
        }
        for form in
            [vec![("grant_type", GRANT), ("client_id", "tv")], vec![("grant_type", GRANT), ("client_id", "tv"), ("device_code", "")]]
        {
            assert_eq!(world.post("/token", &form, None).await, (400, world.post("/token", &form, None).await.1));
            assert_eq!(world.post("/token", &form, None).await.1["error"], "invalid_request");
        }
        // 046-C: nor is a device_code a code or a token.
        let form = [("grant_type", "authorization_code"), ("client_id", "shop-ios"), ("code", tv.text("device_code"))];
        assert_eq!(world.post("/token", &form, None).await.1["error"], "invalid_grant");
        assert_eq!(world.refresh(tv.text("device_code")).await.1["error"], "invalid_grant");
        world.stop().await;
    }
}

/// 307-X, 316-X, 318-X, 321-X, 113-T, K-13: whose it is, who may begin, and with which scope.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_code_is_of_its_client() {
    for engine in engines() {
        let world = world(engine).await;
        let tv = Tv::start(&world, "tv", "orders:read").await;
        let (status, answer) = tv.poll_as(&world, "other-tv").await;
        assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_grant")), "{answer}");
        assert_eq!(tv.error(&world).await, "authorization_pending", "the twin");
        // A confidential client authenticates at both endpoints; a public one sends no secret.
        let boxed = Tv::start(&world, "box", "orders:read").await;
        let form = [("grant_type", GRANT), ("device_code", boxed.text("device_code")), ("client_id", "box")];
        assert_eq!(world.post("/token", &form, None).await.0, 401);
        assert_eq!(world.post("/device_authorization", &[("client_id", "box"), ("scope", "orders:read")], None).await.0, 401);
        let secret = [("client_id", "tv"), ("scope", "orders:read"), ("client_secret", "x")];
        assert_eq!(world.post("/device_authorization", &secret, None).await.1["error"], "invalid_client");
        let refused = async |form: &[(&str, &str)]| {
            let (status, answer) = world.post("/device_authorization", form, None).await;
            (status, answer["error"].as_str().unwrap_or_default().to_owned())
        };
        assert_eq!(refused(&[("client_id", "shop-ios"), ("scope", "orders:read")]).await, (400, "unauthorized_client".to_owned()));
        assert_eq!(refused(&[("client_id", "nobody")]).await, (401, "invalid_client".to_owned()));
        assert_eq!(refused(&[("client_id", "tv"), ("scope", "ledger:read")]).await, (400, "invalid_scope".to_owned()));
        assert_eq!(
            refused(&[("client_id", "tv"), ("scope", "orders:read"), ("resource", "https://x")]).await,
            (400, "invalid_target".to_owned())
        );
        assert_eq!(refused(&[("client_id", "tv"), ("request", "e30.e30.")]).await, (400, "invalid_request".to_owned()));
        assert_eq!(refused(&[("client_id", "tv"), ("scope", "orders:read"), ("scope", "orders:read")]).await.0, 400);
        let form = [("grant_type", GRANT), ("device_code", tv.text("device_code")), ("client_id", "shop-ios")];
        assert_eq!(world.post("/token", &form, None).await.1["error"], "unauthorized_client");
        let metadata: Json = world.get("/.well-known/oauth-authorization-server").await.json().await.unwrap();
        assert_eq!(metadata["device_authorization_endpoint"], format!("{}/device_authorization", world.issuer));
        assert!(metadata["grant_types_supported"].as_array().unwrap().contains(&Json::from(GRANT)));
        world.stop().await;
    }
}

/// 309-X, K-08, K-10: no is no; the page of the person who approved stays what it is; another person learns nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_stays_what_it_is() {
    for engine in engines() {
        let world = world(engine).await;
        world.person("bob").await;
        let (mut alice, mut bob) = (Browser::default(), Browser::default());
        let tv = Tv::start(&world, "tv", "orders:read").await;
        let page = type_code(&mut alice, &world, tv.user_code(), "alice").await;
        let denied = alice.submit(&world, &page, &[], "not_mine").await;
        assert_eq!(denied.title(), "The device gets nothing", "{}", denied.html);
        assert_eq!((tv.error(&world).await.as_str(), tv.error(&world).await.as_str()), ("access_denied", "access_denied"));
        let entry = world.entries("device_denied").await.remove(0);
        assert_eq!((entry["client"].as_str(), entry["detail"]["started_from"].as_str()), (Some("tv"), Some("127.0.0.1")), "{entry}");
        // What was not mine is blocked for an hour (not_mine.rs).
        world.advance_s(3601);
        // Approved, then looked at again by everybody.
        let tv = Tv::start(&world, "tv", "orders:read").await;
        let page = type_code(&mut alice, &world, tv.user_code(), "alice").await;
        let approved = alice.submit_raw(&world, &page, &[], "allow").await;
        let address = approved.location.unwrap().replace(&world.issuer, "");
        assert_eq!(alice.visit(&world, &address).await.title(), "The device is signed in");
        assert_eq!(alice.visit(&world, &address).await.title(), "The device is signed in", "a reload");
        assert_eq!(alice.submit(&world, &page, &[], "allow").await.title(), "The device is signed in", "the same answer once more");
        let again = alice.visit(&world, tv.complete()).await;
        assert_eq!(again.title(), "The device is signed in", "the address once more: {}", again.html);
        let typed = type_code(&mut alice, &world, tv.user_code(), "alice").await;
        assert_eq!(typed.title(), "The device is signed in");
        for mut browser in [bob.clone(), Browser::default()] {
            browser.sign_in(&world, &Ask::native("orders:read"), "bob").await;
            let page = browser.visit(&world, tv.complete()).await;
            assert_eq!(page.problem(), "This code was used already, or it has expired. Ask your device for a new one.");
        }
        assert_eq!(world.audited("device_approved").await, 1);
        assert_eq!(tv.poll(&world).await.0, 200);
        let page = bob.visit(&world, "/device?ref=AAAAAAAAAAAAAAAAAAAAAA").await;
        assert_eq!(page.problem(), "This code was used already, or it has expired. Ask your device for a new one.", "nobody's");
        world.stop().await;
    }
}

/// K-05: expired at the beginning and expired while the page was open; approved in the last second, and still there for the next poll.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_expires_is_not_approved() {
    for engine in engines() {
        let world = world(engine).await;
        let mut browser = Browser::default();
        let (late, early) = (Tv::start(&world, "tv", "orders:read").await, Tv::start(&world, "tv", "orders:read").await);
        let open = type_code(&mut browser, &world, late.user_code(), "alice").await;
        let other = open_complete(&mut browser, &world, &early, "alice").await;
        world.advance_s(598);
        assert_eq!(browser.submit(&world, &other, &[("last_group", early.last_group())], "allow").await.title(), "The device is signed in");
        world.advance_s(8);
        assert_eq!(early.poll(&world).await.0, 200, "approved two seconds before the end");
        let page = browser.submit(&world, &open, &[], "allow").await;
        assert_eq!(page.status, 400);
        assert!(page.says("expired_token"), "{}", page.text());
        assert_eq!(late.error(&world).await, "expired_token");
        let page = type_code(&mut Browser::default(), &world, late.user_code(), "alice").await;
        assert_eq!(page.problem(), "This code was used already, or it has expired. Ask your device for a new one.");
        // Approved and never fetched.
        let forgotten = Tv::start(&world, "tv", "orders:read").await;
        let page = type_code(&mut browser, &world, forgotten.user_code(), "alice").await;
        browser.submit(&world, &page, &[], "allow").await;
        world.advance_s(661);
        assert_eq!(forgotten.error(&world).await, "expired_token");
        world.stop().await;
    }
}

/// 314-X: what ends between approval and poll ends the device's grant; the twin is a device of somebody else.
#[tokio::test(flavor = "multi_thread")]
async fn what_ends_meanwhile_ends_the_device() {
    for engine in engines() {
        let world = world(engine).await;
        world.person("bob").await;
        let approved = async |client: &'static str, name: &str| {
            let tv = Tv::start(&world, client, "orders:read").await;
            let mut browser = Browser::default();
            let page = type_code(&mut browser, &world, tv.user_code(), name).await;
            browser.submit(&world, &page, &[], "allow").await;
            tv
        };
        let (disabled, twin) = (approved("tv", "bob").await, approved("tv", "alice").await);
        assert_eq!(crate::commands::symbolon(&world.file(), &["user", "disable", "bob"], "").await.0, Some(0));
        assert_eq!((disabled.error(&world).await.as_str(), twin.poll(&world).await.0), ("invalid_grant", 200));
        // The browser signs out: the device has a session of its own and stays.
        let tv = Tv::start(&world, "tv", "orders:read").await;
        let mut browser = Browser::default();
        let page = type_code(&mut browser, &world, tv.user_code(), "alice").await;
        browser.submit(&world, &page, &[], "allow").await;
        let page = browser.visit(&world, "/logout").await;
        browser.submit(&world, &page, &[], "logout").await;
        let (status, tokens) = tv.poll(&world).await;
        assert_eq!(status, 200, "{tokens}");
        // The person ends the device's session on the account page.
        let mut other = Browser::default();
        other.sign_in(&world, &Ask::native("orders:read"), "alice").await;
        let page = other.visit(&world, "/account").await;
        other.change(&world, &page, "sign_out_others").await;
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&tokens)), ("client_id", "tv")];
        assert_eq!(world.post("/token", &form, None).await.1["error"], "invalid_grant");
        // The client is disabled.
        let tv = approved("other-tv", "alice").await;
        world.reload(|it| it.set("client.other-tv.disabled", true)).await;
        assert_eq!(tv.poll(&world).await.0, 401);
        world.stop().await;
    }
}

/// 625-Q, K-08, K-18: at once, from two nodes: one fetch of an unbound code, the same tokens for who authenticates, one answer of a person.
#[tokio::test(flavor = "multi_thread")]
async fn at_once_there_is_one_answer() {
    for engine in engines() {
        let world = world(engine).await;
        let second = world.another("").await;
        let nodes = [world.node.clone(), second.node.clone()];
        for (client, fetched) in [("tv", 1), ("box", 64)] {
            let tv = std::sync::Arc::new(Tv::start(&world, client, "orders:read").await);
            let mut browser = Browser::default();
            let page = type_code(&mut browser, &world, tv.user_code(), "alice").await;
            browser.submit(&world, &page, &[], "allow").await;
            let polls = (0..64).map(|number| {
                let (tv, node) = (std::sync::Arc::clone(&tv), nodes[number % 2].clone());
                tokio::spawn(async move { tv.poll(&node).await })
            });
            let mut answers = Vec::new();
            for poll in polls.collect::<Vec<_>>() {
                answers.push(poll.await.unwrap());
            }
            let good: Vec<&Json> = answers.iter().filter(|(status, _)| *status == 200).map(|(_, body)| body).collect();
            assert_eq!(good.len(), fetched, "{client}: {answers:?}");
            assert!(good.iter().all(|body| body["refresh_token"] == good[0]["refresh_token"]));
            let refused = answers.iter().filter(|(status, body)| *status == 400 && body["error"] == "invalid_grant").count();
            assert_eq!(refused, 64 - fetched, "{client}: {answers:?}");
            // Once a minute and node.
            assert!((1..=2).contains(&world.audited("device_code_replayed").await));
            // The grant lives on: a second redemption ends nothing.
            let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(good[0])), ("client_id", client)];
            assert_eq!(world.post("/token", &form[..if client == "box" { 2 } else { 3 }], tv.secret).await.0, 200);
        }
        // Sixty-four windows: a quarter of them approve, the others deny.
        let tv = Tv::start(&world, "tv", "orders:read").await;
        let mut first = Browser::default();
        first.sign_in(&world, &Ask::native("orders:read"), "alice").await;
        let mut windows = Vec::new();
        for number in 0..64 {
            let (mut browser, node) = (first.clone(), nodes[number % 2].clone());
            let page = browser.visit(&node, tv.complete()).await;
            assert!(is_the_question(&page), "{}", page.html);
            windows.push((browser, node, page));
        }
        let group = tv.last_group().to_owned();
        let answers = windows.into_iter().enumerate().map(|(number, (mut browser, node, page))| {
            let group = group.clone();
            let action = if number < 48 { "not_mine" } else { "allow" };
            tokio::spawn(async move { browser.submit(&node, &page, &[("last_group", &group)], action).await.title() })
        });
        let mut titles = Vec::new();
        for answer in answers.collect::<Vec<_>>() {
            titles.push(answer.await.unwrap());
        }
        let approved = titles.iter().any(|title| title == "The device is signed in");
        let denied = titles.iter().any(|title| title == "The device gets nothing");
        assert!(approved != denied, "{titles:?}");
        let error = tv.poll(&world).await;
        assert_eq!(error.0 == 200, approved, "{error:?} {titles:?}");
        let now = usize::from(approved);
        assert_eq!((world.audited("device_approved").await, world.audited("device_denied").await), (2 + now, 1 - now));
        second.running.stop().await;
        world.stop().await;
    }
}

/// 306-X, K-10: user codes are guessed neither from one network nor by who is signed in; the right group of a photographed address
/// neither; and a person with tries of their own is never kept out by strangers.
#[tokio::test(flavor = "multi_thread")]
async fn codes_are_not_guessed() {
    for engine in engines() {
        let world = world(engine).await;
        let tv = Tv::start(&world, "tv", "orders:read").await;
        let wrong = async |browser: &mut Browser, code: &str| {
            let page = browser.visit(&world, "/device").await;
            browser.submit(&world, &page, &[("user_code", code)], "continue").await.problem()
        };
        let none = "No device that waits has this code. Compare it letter by letter.";
        let many = "Too many codes were typed from your network. Wait fifteen minutes, or sign in to your account first and try again.";
        let mut stranger = Browser::at("203.0.113.9");
        assert_eq!(wrong(&mut stranger, "hello").await, none, "no code at all costs nothing");
        for _ in 0..10 {
            assert_eq!(wrong(&mut stranger, "BCDF-GHJK").await, none);
        }
        assert_eq!(wrong(&mut stranger, "BCDF-GHJK").await, many);
        assert_eq!(wrong(&mut stranger, tv.user_code()).await, many, "the right one too");
        let mut elsewhere = Browser::at("203.0.113.10");
        assert!(is_the_question(&type_code(&mut elsewhere, &world, tv.user_code(), "alice").await), "the twin");
        // The same line, signed in: tries of their own, which end too.
        let mut known = Browser::at("203.0.113.9");
        known.sign_in(&world, &Ask::native("orders:read"), "alice").await;
        for _ in 0..10 {
            assert_eq!(wrong(&mut known, "BCDF-GHJK").await, none);
        }
        assert_eq!(wrong(&mut known, "BCDF-GHJK").await, many);
        // An empty field is no try, however often.
        let photographed = Tv::start(&world, "tv", "orders:read").await;
        let mut hasty = Browser::at("198.51.100.77");
        for empty in ["", " "] {
            let page = hasty.visit(&world, "/device").await;
            let answer = hasty.submit(&world, &page, &[("user_code", empty)], "continue").await;
            assert_eq!(answer.problem(), "Type the code first.", "{}", answer.html);
        }
        let mut page = open_complete(&mut hasty, &world, &photographed, "alice").await;
        for empty in ["", " ", "", "", "", ""] {
            page = hasty.submit(&world, &page, &[("last_group", empty)], "allow").await;
            assert_eq!(page.problem(), "Type the code first.", "{}", page.html);
        }
        // The photographed address: five tries for all windows together, then not even the right group counts.
        for number in 0..5 {
            let mut browser = Browser::at(&format!("198.51.100.{number}"));
            let page = open_complete(&mut browser, &world, &photographed, "alice").await;
            let answer = browser.submit(&world, &page, &[("last_group", "BBBB")], "allow").await;
            assert_eq!(answer.problem(), "The device has another code. Look at the device in front of you, not at a message.");
        }
        let mut browser = Browser::at("198.51.100.9");
        let page = open_complete(&mut browser, &world, &photographed, "alice").await;
        let answer = browser.submit(&world, &page, &[("last_group", photographed.last_group())], "allow").await;
        assert_eq!(answer.problem(), "This code is no longer good. Ask for another one.");
        world.advance_s(10);
        assert_eq!(photographed.error(&world).await, "authorization_pending");
        assert_eq!(world.entries("device_code_refused").await.len(), 6);
        world.stop().await;
    }
}

/// 317-X, K-10: a person in another network is told so, and a client can insist on one network. What anybody can forge is not shown as
/// proved. 311-X: no approval without the token of our page.
#[tokio::test(flavor = "multi_thread")]
async fn a_victim_sees_what_is_wrong() {
    for engine in engines() {
        let world = world(engine).await;
        let (attackers, home) = (tv_at(&world, "tv", "198.51.100.66").await, tv_at(&world, "home-tv", "198.51.100.66").await);
        let mut victim = Browser::at("203.0.113.7");
        let page = open_complete(&mut victim, &world, &attackers, "alice").await;
        for words in [
            "The device is not in your network. Its address is 198.51.100.66",
            "Did somebody send you this code",
            "Any program can use that name",
        ] {
            assert!(page.says(words), "{words}: {}", page.text());
        }
        assert!(page.actions().iter().position(|name| name == "not_mine") == Some(1), "{:?}", page.actions());
        let page = open_complete(&mut victim, &world, &home, "alice").await;
        assert!(!page.action("allow") && page.action("not_mine"), "{}", page.html);
        // Who sends the answer all the same is asked again.
        let forced = victim.submit(&world, &page, &[("last_group", home.last_group())], "allow").await;
        assert!(forced.problem().starts_with("Only a person in the same network"), "{}", forced.html);
        assert_eq!(home.error(&world).await, "authorization_pending");
        let mut near = Browser::at("198.51.100.66");
        let page = open_complete(&mut near, &world, &home, "alice").await;
        assert!(page.says("The device is in the same network as you"), "{}", page.text());
        // Another site's form, and a form without our token.
        let raw = near.submission_with_cookies(&world, &page, &[("last_group", home.last_group()), ("form_token", "x")], "allow");
        let crossed = near.submission_with_cookies(&world, &page, &[("last_group", home.last_group())], "allow");
        assert_eq!(raw.send().await.unwrap().status().as_u16(), 400);
        assert_eq!(crossed.header("sec-fetch-site", "cross-site").send().await.unwrap().status().as_u16(), 400);
        assert_eq!(home.error(&world).await, "slow_down", "nothing was approved");
        assert_eq!(near.submit(&world, &page, &[("last_group", home.last_group())], "allow").await.title(), "The device is signed in");
        world.advance_s(20);
        assert_eq!(home.poll(&world).await.0, 200);
        world.stop().await;
    }
}

/// RFC 9449 10 in spirit: a start with a proof binds the code; a lost answer is given again to that key alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_a_key_is_fetched_with_that_key() {
    for engine in engines() {
        let world = world(engine).await;
        let (own, thief) = (new_key(), new_key());
        let send = async |key: &symbolon_oauth::jwk::PrivateKey, path: &str, form: &[(&str, &str)]| {
            let mut nonce: Option<String> = None;
            loop {
                let (url, jti) = (world.url(path), symbolon_oauth::base64url::encode(&seal::random::<16>().unwrap()));
                let iat = world.running.shared.now().now_ms() / 1000;
                let statement = symbolon_oauth::dpop::Statement {
                    method: "POST",
                    url: &url,
                    nonce: nonce.as_deref(),
                    access_token: None,
                    jti: &jti,
                    iat,
                };
                let proof = symbolon_oauth::dpop::make(key, &statement).unwrap();
                let reply = world.http.post(url).form(form).header("dpop", proof).send().await.unwrap();
                let given = reply.headers().get("dpop-nonce").map(|it| it.to_str().unwrap().to_owned());
                let (status, body) = (reply.status().as_u16(), reply.json::<Json>().await.unwrap());
                if body["error"] == "use_dpop_nonce" && nonce.is_none() {
                    nonce = given;
                    continue;
                }
                return (status, body);
            }
        };
        let (status, answer) = send(&own, "/device_authorization", &[("client_id", "tv"), ("scope", "orders:read")]).await;
        assert_eq!(status, 200, "{answer}");
        let tv = Tv::of("tv", answer);
        let mut browser = Browser::default();
        let page = type_code(&mut browser, &world, tv.user_code(), "alice").await;
        let form = [("grant_type", GRANT), ("device_code", tv.text("device_code")), ("client_id", "tv")];
        assert_eq!(send(&own, "/token", &form).await.1["error"], "authorization_pending");
        assert_eq!(send(&thief, "/token", &form).await.1["error"], "invalid_grant");
        assert_eq!(tv.error(&world).await, "invalid_grant", "no key at all");
        browser.submit(&world, &page, &[], "allow").await;
        assert_eq!(send(&thief, "/token", &form).await.1["error"], "invalid_grant");
        let (first, again) = (send(&own, "/token", &form).await, send(&own, "/token", &form).await);
        assert_eq!((first.0, again.0), (200, 200), "{} {}", first.1, again.1);
        assert_eq!((first.1["token_type"].as_str(), &first.1["refresh_token"]), (Some("DPoP"), &again.1["refresh_token"]));
        assert_eq!(send(&thief, "/token", &form).await.1["error"], "invalid_grant");
        world.advance_s(61);
        assert_eq!(send(&own, "/token", &form).await.1["error"], "invalid_grant", "a minute later nobody asks for a lost answer");
        world.stop().await;
    }
}

/// What cannot be meant is an error at the start. 084-A: a client that must sign its requests cannot do it here.
#[test]
fn a_configuration_that_cannot_be_meant_is_refused() {
    let with = |text: &str| Configuration::to_read().with(&televisions()).with(text).read();
    with("").unwrap();
    for (text, why) in [
        ("[client.tv.device]\nlifetime = \"31m\"", "device.lifetime is from 1m to 30m"),
        ("[client.tv.device]\nlifetime = \"59s\"", "device.lifetime is from 1m to 30m"),
        ("[client.tv.device]\nnetwork = \"near\"", "unknown variant"),
        ("[client.tv.device]\nnetwork = \"\"", "unknown variant"),
        ("[client.shop-ios.device]\nnetwork = \"same\"", "the table device needs grants"),
        (
            "[client.box]\nrequire_signed_request_object = true\njwks = { keys = [{ kty = \"OKP\", crv = \"Ed25519\", alg = \"EdDSA\", use = \"sig\", \
             kid = \"1\", x = \"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\" }] }",
            "there are no signed requests of the grant",
        ),
        (&format!("[client.robot]\ngrants = [\"{GRANT}\"]"), "a service has no person"),
    ] {
        let error = with(text).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
}
