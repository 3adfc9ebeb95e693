//! A client asks a person on the person's own device (CIBA Core 1.0): the request, the answer on a page and in an app, the tokens. Each refusal
//! with its twin.

use crate::world::*;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use symbolon_oauth::backchannel::GRANT_TYPE;
use symbolon_oauth::jwk::PrivateKey;

pub const APP_BACK: &str = "https://member.example.com/cb";
pub const MESSAGE: (&str, &str) = ("binding_message", "K7-41");

/// A call centre and a second one, a cash desk that shows a number, a client that signs, and an app that answers.
pub fn clients(signer: &PrivateKey) -> String {
    let (secret, keys) = (secret_digest(), named_jwks(signer));
    let asks = format!("kind = \"web\"\nfirst_party = true\nredirect_uris = []\ngrants = [\"{GRANT_TYPE}\", \"refresh_token\"]\n");
    let orders = "apis = { orders = [\"orders:read\", \"orders:write\"] }\n";
    format!(
        "[client.desk]\nname = \"Call centre\"\nsecret = '{secret}'\n{asks}{orders}\
         [client.other-desk]\nname = \"Other desk\"\nsecret = '{secret}'\n{asks}{orders}\
         [client.till]\nname = \"Till\"\nsecret = '{secret}'\n{asks}{orders}[client.till.backchannel]\nshows_number = true\n\
         [client.bank]\nname = \"Bank\"\nprofile = \"fapi2\"\ndpop = \"required\"\njwks = {keys}\n{asks}{orders}\
         [client.member-app]\nkind = \"native\"\nname = \"Members\"\nfirst_party = true\ndpop = \"required\"\napproves = true\n{orders}\
         redirect_uris = [\"{APP_BACK}\"]\n\
         [client.silent-app]\nkind = \"native\"\nfirst_party = true\ndpop = \"required\"\n{orders}redirect_uris = [\"{APP_BACK}\"]\n"
    )
}

pub struct Scene {
    pub world: World,
    pub signer: PrivateKey,
}

impl Scene {
    pub async fn start(engine: Engine, more: &str) -> Self {
        let signer = new_key();
        let configuration = Configuration::on(engine).await.with(&clients(&signer)).with(more);
        Self { world: configuration.start().await, signer }
    }

    /// Asks as this client. The answer, whatever it is.
    pub async fn ask(&self, client: &str, form: &[(&str, &str)]) -> (u16, Json) {
        let scope = [("scope", "openid orders:read")];
        let form: Vec<(&str, &str)> =
            scope.iter().filter(|(name, _)| form.iter().all(|(own, _)| own != name)).chain(form).copied().collect();
        self.world.post("/backchannel_authentication", &form, Some(client)).await
    }

    /// Asks alice. The handle.
    pub async fn ask_alice(&self, client: &str) -> String {
        let (status, answer) = self.ask(client, &[("login_hint", "alice"), MESSAGE]).await;
        assert_eq!(status, 200, "{answer}");
        answer["auth_req_id"].as_str().unwrap().to_owned()
    }

    pub async fn poll(&self, client: &str, handle: &str) -> (u16, Json) {
        self.poll_at(&self.world.node, client, handle).await
    }

    pub async fn poll_at(&self, node: &Node, client: &str, handle: &str) -> (u16, Json) {
        let form = [("grant_type", GRANT_TYPE), ("auth_req_id", handle)];
        let answer = node.http.post(format!("{}/token", node.url)).form(&form).basic_auth(client, Some(SECRET)).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub async fn error(&self, client: &str, handle: &str) -> String {
        let (status, answer) = self.poll(client, handle).await;
        assert_eq!(status, 400, "{answer}");
        answer["error"].as_str().unwrap().to_owned()
    }

    pub fn phone(&self, client: &'static str) -> Phone<'_> {
        Phone { pushes: false, ..Phone::new(&self.world, client, APP_BACK) }
    }

    /// An app of this client in which this person is signed in: the phone, and a token for this server itself.
    pub async fn app(&self, client: &'static str, person: &str) -> (Phone<'_>, String) {
        let mut phone = self.phone(client);
        let ask = phone.ask("openid");
        let tokens = phone.tokens_for(&ask, person, &[]).await;
        assert_eq!(tokens.status, 200, "{}", tokens.body);
        let token = tokens.text("access_token");
        (phone, token)
    }
}

pub async fn on_every_engine<T: Future<Output = ()>>(test: impl Fn(Scene) -> T) {
    for engine in engines() {
        test(Scene::start(engine, "").await).await;
    }
}

/// What an app is asked, and how it answers.
impl Phone<'_> {
    pub async fn pending(&mut self, token: &str) -> Vec<Json> {
        let answer = self.get("/pending", token).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["requests"].as_array().unwrap().clone()
    }

    pub async fn answer_pending(&mut self, token: &str, form: &[(&str, &str)]) -> Answer {
        self.post_with_token("/pending", token, form).await
    }

    /// A form, with a token and a proof.
    pub async fn post_with_token(&mut self, path: &str, token: &str, form: &[(&str, &str)]) -> Answer {
        for _ in 0..2 {
            let request = self.world.http.post(self.world.url(path)).form(form).header("authorization", format!("DPoP {token}"));
            let answer = Answer::to(request.header("dpop", self.proof("POST", path, Some(token)))).await;
            self.nonce = answer.nonce();
            if answer.error().1 != "use_dpop_nonce" {
                return answer;
            }
        }
        panic!("the nonce is never good");
    }

    /// Answers a request as it was read.
    pub async fn say(&mut self, token: &str, asked: &Json, action: &str, more: &[(&str, &str)]) -> Answer {
        let version = asked["version"].to_string();
        let form = [
            ("action", action),
            ("request", asked["request"].as_str().unwrap()),
            ("version", &version),
            ("shown", asked["shown"].as_str().unwrap()),
        ];
        self.answer_pending(token, &[&form[..], more].concat()).await
    }
}

/// A browser in which alice is signed in, at the page that asks.
pub async fn question(world: &World, browser: &mut Browser) -> Page {
    if browser.visit(world, "/account").await.kind() != "account" {
        browser.sign_in(world, &Ask::native("orders:read"), "alice").await;
    }
    browser.visit(world, "/approvals").await
}

/// K-01, K-13: asked, answered on a page, fetched by polling. What the person reads names the client, the message and what is granted.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_approves_on_a_page() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        let (status, answer) = scene.ask("desk", &[("login_hint", "alice@example.com"), MESSAGE]).await;
        assert_eq!((status, answer["expires_in"].as_i64(), answer["interval"].as_i64()), (200, Some(120), Some(5)), "{answer}");
        assert!(answer.get("matching_number").is_none());
        let handle = answer["auth_req_id"].as_str().unwrap();
        assert!(handle.len() > 27 && handle.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "{handle}");
        assert_eq!(scene.error("desk", handle).await, "authorization_pending", "the first poll, at once");
        let mut browser = Browser::default();
        let page = question(world, &mut browser).await;
        assert_eq!(page.title(), "Allow Call centre?", "{}", page.html);
        assert!(page.says("K7-41") && page.says("See your orders") && page.says("alice@example.com"), "{}", page.text());
        assert!(page.action("allow") && page.action("deny") && page.action("not_mine"));
        world.advance_s(10);
        assert_eq!(scene.error("desk", handle).await, "authorization_pending", "looking at the page approves nothing");
        assert!(browser.visit(world, "/account").await.says("Requests that wait for your answer"));
        let done = browser.submit(world, &page, &[], "allow").await;
        assert_eq!(done.title(), "You have approved", "{}", done.html);
        world.advance_s(10);
        let (status, tokens) = scene.poll("desk", handle).await;
        assert_eq!(status, 200, "{tokens}");
        let id_token = claims(tokens["id_token"].as_str().unwrap());
        assert!(id_token.get("nonce").is_none() && id_token["auth_time"].is_i64() && id_token["amr"].is_array(), "{id_token}");
        assert_eq!(claims(tokens["access_token"].as_str().unwrap())["client_id"], "desk");
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&tokens))];
        assert_eq!(world.post("/token", &form, Some("desk")).await.0, 200);
        // The account page is done with it, and a reload of the answer says the same.
        assert!(!browser.visit(world, "/account").await.says("Requests that wait for your answer"));
        assert_eq!(browser.visit(world, "/approvals").await.title(), "Nothing waits for your answer");
        assert_eq!(browser.submit(world, &page, &[], "allow").await.title(), "You have approved", "the same answer once more");
        assert_eq!((world.audited("backchannel_approved").await, world.audited("backchannel_exchanged").await), (1, 1));
        let metadata: Json = world.get("/.well-known/openid-configuration").await.json().await.unwrap();
        assert_eq!(metadata["backchannel_authentication_endpoint"], format!("{}/backchannel_authentication", world.issuer));
        assert_eq!(metadata["backchannel_token_delivery_modes_supported"], json!(["poll", "ping"]));
        assert!(metadata["grant_types_supported"].as_array().unwrap().contains(&GRANT_TYPE.into()));
        scene.world.stop().await;
    })
    .await;
}

/// 302-H: an app answers with a token of a living session and its key; another app, another key, another person and a token of an API do not.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_approves_in_an_app() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        world.person("bob").await;
        let (mut app, token) = scene.app("member-app", "alice").await;
        assert!(app.pending(&token).await.is_empty());
        let handle = scene.ask_alice("desk").await;
        let asked = app.pending(&token).await.remove(0);
        assert_eq!((asked["client_id"].as_str(), asked["binding_message"].as_str()), (Some("desk"), Some("K7-41")));
        assert_eq!(asked["step"]["title"], "Allow Call centre?");
        assert!(asked["step"].to_string().contains("See your orders"), "{asked}");
        // Nobody else sees or answers it.
        let (mut bobs, bobs_token) = scene.app("member-app", "bob").await;
        assert!(bobs.pending(&bobs_token).await.is_empty());
        assert_eq!(bobs.say(&bobs_token, &asked, "allow", &[]).await.error(), (400, "expired_token"));
        let (mut silent, silent_token) = scene.app("silent-app", "alice").await;
        assert_eq!(silent.get("/pending", &silent_token).await.error(), (403, "insufficient_scope"));
        let mut thief = scene.phone("member-app");
        assert_eq!(thief.get("/pending", &token).await.error(), (401, "invalid_token"));
        let bearer = world.http.get(world.url("/pending")).bearer_auth(&token).send().await.unwrap();
        assert_eq!(bearer.status().as_u16(), 401);
        let mut orders = scene.phone("member-app");
        let api_token = orders.tokens("orders:read").await.text("access_token");
        assert_eq!(orders.get("/pending", &api_token).await.error(), (401, "invalid_token"));
        // What was shown is what is answered.
        let mut other = asked.clone();
        other["shown"] = "AAAA".into();
        assert_eq!(app.say(&token, &other, "allow", &[]).await.error(), (400, "invalid_request"));
        let mut other = asked.clone();
        other["version"] = 2.into();
        assert_eq!(app.say(&token, &other, "allow", &[]).await.error(), (400, "invalid_request"));
        assert_eq!(app.say(&token, &asked, "perhaps", &[]).await.error(), (400, "invalid_request"));
        assert_eq!(scene.error("desk", &handle).await, "authorization_pending");
        let done = app.say(&token, &asked, "allow", &[]).await;
        assert_eq!((done.status, done.body["state"].as_str()), (200, Some("approved")), "{}", done.body);
        assert_eq!(app.say(&token, &asked, "deny", &[]).await.error(), (400, "expired_token"), "an answer stays what it is");
        let (status, tokens) = scene.poll("desk", &handle).await;
        assert_eq!(status, 200, "{tokens}");
        assert_eq!(world.entries("backchannel_approved").await[0]["detail"]["face"], "app");
        // Refused in the app.
        let handle = scene.ask_alice("desk").await;
        let asked = app.pending(&token).await.remove(0);
        assert_eq!(app.say(&token, &asked, "deny", &[]).await.body["state"], "denied");
        assert_eq!(
            (scene.error("desk", &handle).await, scene.error("desk", &handle).await),
            ("access_denied".into(), "access_denied".into())
        );
        // The app's session ends: nothing is answered with it.
        let handle = scene.ask_alice("desk").await;
        let asked = app.pending(&token).await.remove(0);
        let mut browser = Browser::default();
        browser.sign_in(world, &Ask::native("orders:read"), "alice").await;
        let page = browser.visit(world, "/account").await;
        browser.change(world, &page, "sign_out_others").await;
        assert_eq!(app.say(&token, &asked, "allow", &[]).await.error(), (401, "invalid_token"));
        assert_eq!(scene.error("desk", &handle).await, "authorization_pending");
        scene.world.stop().await;
    })
    .await;
}

/// The policy of the client that asks decides: where the app's session is not enough, the person goes on in the browser.
#[tokio::test(flavor = "multi_thread")]
async fn an_approval_is_worth_what_the_client_asks() {
    let more = "[login.two-factor]\nrequire = [\"password + totp\"]\nacr = \"urn:two\"\n[client.desk]\nlogin = \"two-factor\"\n";
    let scene = Scene::start(Engine::Sqlite, more).await;
    let (mut app, token) = scene.app("member-app", "alice").await;
    let (strict, plain) = (scene.ask_alice("desk").await, scene.ask_alice("other-desk").await);
    let asked = app.pending(&token).await;
    let of = |client: &str| asked.iter().find(|one| one["client_id"] == client).unwrap();
    let more = app.say(&token, of("desk"), "allow", &[]).await;
    assert_eq!(more.error(), (403, "insufficient_authorization"), "{}", more.body);
    let page = more.text("approval_uri").replace(&scene.world.issuer, "");
    let page = Browser::default().visit(&scene.world, &page).await;
    assert_eq!(page.kind(), "password", "all is asked in the browser: {}", page.html);
    assert_eq!(scene.error("desk", &strict).await, "authorization_pending");
    assert_eq!(app.say(&token, of("other-desk"), "allow", &[]).await.status, 200, "the twin");
    assert_eq!(scene.poll("other-desk", &plain).await.0, 200);
    // Refusing needs no more proof.
    assert_eq!(app.say(&token, of("desk"), "deny", &[]).await.status, 200);
    assert_eq!(scene.error("desk", &strict).await, "access_denied");
    scene.world.stop().await;
}

/// K-01, K-04: every polling rule; what never changes; that an auth_req_id is no other artefact.
#[tokio::test(flavor = "multi_thread")]
async fn polls_of_a_backchannel_request_are_answered_by_the_rules() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        world.freeze();
        let handle = scene.ask_alice("desk").await;
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
        assert_eq!(scene.error("desk", &handle).await, "authorization_pending");
        world.advance_s(1);
        assert_eq!(scene.error("desk", &handle).await, "slow_down");
        world.advance_s(11);
        assert_eq!(scene.error("desk", &handle).await, "authorization_pending");
        world.advance_s(120);
        for _ in 0..5 {
            assert_eq!(scene.error("desk", &handle).await, "expired_token");
        }
        world.advance_s(3600);
        assert_eq!(scene.error("desk", &handle).await, "expired_token", "an hour later");
        assert_eq!(rows().await, before, "no poll wrote anything");
        let (code, _) = world.code("orders:read").await;
        for wrong in ["sb_x", code.as_str(), &format!("{handle}A"), &handle[3..], &handle.replace("sb_", "sd_")] {
            assert_eq!(scene.error("desk", wrong).await, "invalid_grant", "{wrong}");
        }
        let form = [("grant_type", GRANT_TYPE)];
        assert_eq!(world.post("/token", &form, Some("desk")).await.1["error"], "invalid_request");
        assert_eq!(world.refresh(&handle).await.1["error"], "invalid_grant");
        scene.world.stop().await;
    })
    .await;
}

/// 371-Z: two digits that the client shows: the right ones approve, one wrong number ends the request, on the page and in the app.
#[tokio::test(flavor = "multi_thread")]
async fn one_wrong_number_ends_a_request() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        let ask = async || {
            let (status, answer) = scene.ask("till", &[("login_hint", "alice")]).await;
            assert_eq!(status, 200, "{answer}");
            let number = answer["matching_number"].as_str().unwrap().to_owned();
            assert!(number.len() == 2 && number.bytes().all(|byte| byte.is_ascii_digit()), "{number}");
            let wrong = if number == "00" { "01" } else { "00" };
            (answer["auth_req_id"].as_str().unwrap().to_owned(), number, wrong)
        };
        let (mut browser, (mut app, token)) = (Browser::default(), scene.app("member-app", "alice").await);
        for in_app in [false, true] {
            let (handle, number, wrong) = ask().await;
            if in_app {
                let asked = app.pending(&token).await.remove(0);
                assert!(!asked.to_string().contains(&format!("\"{number}\"")), "the app is not told the number: {asked}");
                let answer = app.say(&token, &asked, "allow", &[("matching_number", wrong)]).await;
                assert_eq!(answer.error(), (400, "access_denied"), "{}", answer.body);
                assert_eq!(app.say(&token, &asked, "allow", &[("matching_number", &number)]).await.error(), (400, "expired_token"));
            } else {
                let page = question(world, &mut browser).await;
                assert!(page.asks_for("matching_number") && !page.says(&format!(" {number} ")), "{}", page.html);
                let answer = browser.submit(world, &page, &[("matching_number", wrong)], "allow").await;
                assert_eq!(answer.title(), "You have not approved", "{}", answer.html);
            }
            assert_eq!(scene.error("till", &handle).await, "access_denied");
            let (handle, number, _) = ask().await;
            // What is no number of two digits ends nothing.
            let (spaced, none) = (format!("{} {}", &number[..1], &number[1..]), ["", " ", "4", "123"]);
            if in_app {
                let asked = app.pending(&token).await.remove(0);
                for none in none {
                    assert_eq!(
                        app.say(&token, &asked, "allow", &[("matching_number", none)]).await.error(),
                        (400, "invalid_request"),
                        "{none:?}"
                    );
                }
                assert_eq!(app.say(&token, &asked, "allow", &[("matching_number", &spaced)]).await.status, 200);
            } else {
                let mut page = question(world, &mut browser).await;
                for none in none {
                    page = browser.submit(world, &page, &[("matching_number", none)], "allow").await;
                    assert_eq!(page.problem(), "Type the code first.", "{none:?}: {}", page.html);
                }
                let answer = browser.submit(world, &page, &[("matching_number", &spaced)], "allow").await;
                assert_eq!(answer.title(), "You have approved", "{}", answer.html);
            }
            assert_eq!(scene.poll("till", &handle).await.0, 200);
        }
        scene.world.stop().await;
    })
    .await;
}

/// 625-Q, K-18: at once, from two nodes: the same tokens for the client that authenticates; of many answers one counts.
#[tokio::test(flavor = "multi_thread")]
async fn at_once_a_backchannel_request_has_one_answer() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        let second = world.another("").await;
        let nodes = [world.node.clone(), second.node.clone()];
        let (mut app, token) = scene.app("member-app", "alice").await;
        let handle = scene.ask_alice("desk").await;
        let asked = app.pending(&token).await.remove(0);
        // Half allow and half deny, each with a proof of its own.
        let version = asked["version"].to_string();
        let mut answers = Vec::new();
        for number in 0..64 {
            let form = [
                ("action", if number % 4 < 2 { "allow" } else { "deny" }.to_owned()),
                ("request", asked["request"].as_str().unwrap().to_owned()),
                ("version", version.clone()),
                ("shown", asked["shown"].as_str().unwrap().to_owned()),
            ];
            let node = &nodes[number % 2];
            let request = node.http.post(format!("{}/pending", node.url)).form(&form).header("authorization", format!("DPoP {token}"));
            let request = request.header("dpop", app.proof("POST", "/pending", Some(&token)));
            answers.push(tokio::spawn(async move { Answer::to(request).await }));
        }
        let mut good = Vec::new();
        for answer in answers {
            let answer = answer.await.unwrap();
            assert!(answer.status == 200 || answer.error() == (400, "expired_token"), "{answer:?}");
            good.extend((answer.status == 200).then(|| answer.text("state")));
        }
        // One hears that its answer counts; all others are too late, also with the same answer.
        assert_eq!(good.len(), 1, "{good:?}");
        let approved = good[0] == "approved";
        let both = (world.audited("backchannel_approved").await, world.audited("backchannel_denied").await);
        assert_eq!(both, (usize::from(approved), usize::from(!approved)));
        assert_eq!(scene.poll("desk", &handle).await.0 == 200, approved);
        // An approved one, fetched 64 times.
        let handle = scene.ask_alice("desk").await;
        let asked = app.pending(&token).await.remove(0);
        assert_eq!(app.say(&token, &asked, "allow", &[]).await.status, 200);
        let scene = Arc::new(scene);
        let polls = (0..64).map(|number| {
            let (scene, node, handle) = (Arc::clone(&scene), nodes[number % 2].clone(), handle.clone());
            tokio::spawn(async move { scene.poll_at(&node, "desk", &handle).await })
        });
        let mut tokens = Vec::new();
        for poll in polls.collect::<Vec<_>>() {
            let (status, body) = poll.await.unwrap();
            assert_eq!(status, 200, "{body}");
            tokens.push(body["refresh_token"].clone());
        }
        assert!(tokens.iter().all(|token| *token == tokens[0]));
        second.running.stop().await;
        let Ok(scene) = Arc::try_unwrap(scene).map_err(|_| ()) else { panic!("polls go on") };
        scene.world.stop().await;
    })
    .await;
}

/// What ends between approval and poll ends what the client gets; the twin is somebody else's.
#[tokio::test(flavor = "multi_thread")]
async fn what_ends_meanwhile_ends_what_was_approved() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        world.person("bob").await;
        let mut handles = Vec::new();
        for name in ["bob", "alice"] {
            let (mut app, token) = scene.app("member-app", name).await;
            let (status, answer) = scene.ask("desk", &[("login_hint", name), MESSAGE]).await;
            assert_eq!(status, 200, "{answer}");
            let asked = app.pending(&token).await.remove(0);
            assert_eq!(app.say(&token, &asked, "allow", &[]).await.status, 200);
            handles.push(answer["auth_req_id"].as_str().unwrap().to_owned());
        }
        assert_eq!(crate::commands::symbolon(&world.file(), &["user", "disable", "bob"], "").await.0, Some(0));
        assert_eq!((scene.error("desk", &handles[0]).await.as_str(), scene.poll("desk", &handles[1]).await.0), ("invalid_grant", 200));
        assert_eq!(scene.ask("desk", &[("login_hint", "bob"), MESSAGE]).await.0, 200, "nobody is told that the account is closed");
        scene.world.stop().await;
    })
    .await;
}

/// Another person who has the address of the page does not answer it, and keeps nobody from answering. Where that person is signed in, the
/// one who is asked signs in beside. (Until now the page said there that the request was over.)
#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_for_the_person_who_is_asked() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        world.person("bob").await;
        let handle = scene.ask_alice("desk").await;
        let (mut app, token) = scene.app("member-app", "alice").await;
        let reference = app.pending(&token).await[0]["request"].as_str().unwrap().to_owned();
        let path = format!("/approvals?ref={reference}");
        let mut bob = Browser::default();
        bob.sign_in(world, &Ask::native("orders:read"), "bob").await;
        assert_eq!(bob.visit(world, "/approvals").await.title(), "Nothing waits for your answer");
        let page = bob.visit(world, &path).await;
        assert_eq!((page.status, page.kind()), (200, "password"), "{}", page.html);
        assert!(!page.says("alice") && !page.says("bob"), "nobody is named: {}", page.text());
        let start = Browser::default().visit(world, &path).await;
        assert_eq!(start.kind(), "password", "a stranger signs in first");
        // Bob proves who he is: another person is asked, and no button of his answers.
        let mut page = bob.submit_password(world, &page, "bob", PASSWORD).await;
        assert_eq!((page.status, page.title().as_str()), (200, "This question is for somebody else"), "{}", page.html);
        assert!(!page.says("alice") && !page.action("allow") && !page.action("not_mine") && page.action("not_you"), "{}", page.text());
        for action in ["allow", "not_mine"] {
            page = bob.submit(world, &page, &[], action).await;
            assert_eq!(page.title(), "This question is for somebody else", "{action}: {}", page.html);
        }
        assert_eq!(scene.error("desk", &handle).await, "authorization_pending");
        assert_eq!(bob.visit(world, "/account").await.kind(), "account", "bob stays signed in");
        let entry = world.entries("approval_refused").await.remove(0);
        assert_eq!((entry["reason"].as_str(), entry["client"].as_str()), (Some("somebody else than who was asked"), Some("desk")));
        // Alice sits down at his browser.
        let page = bob.submit(world, &page, &[], "not_you").await;
        assert_eq!(page.kind(), "password", "{}", page.html);
        let page = bob.submit_password(world, &page, "alice", PASSWORD).await;
        assert_eq!(page.title(), "Allow Call centre?", "{}", page.html);
        assert_eq!(bob.submit(world, &page, &[], "allow").await.title(), "You have approved");
        world.advance_s(6);
        assert_eq!(scene.poll("desk", &handle).await.0, 200);
        // The same from a browser in which nobody is signed in, and from her own.
        let handle = scene.ask_alice("desk").await;
        let path = format!("/approvals?ref={}", app.pending(&token).await[0]["request"].as_str().unwrap());
        let mut alice = Browser::default();
        let page = alice.visit(world, &path).await;
        let page = alice.submit_password(world, &page, "alice", PASSWORD).await;
        assert_eq!(page.title(), "Allow Call centre?", "{}", page.html);
        assert!(page.action("allow"));
        let mut own = Browser::default();
        own.sign_in(world, &Ask::native("orders:read"), "alice").await;
        let page = own.visit(world, &path).await;
        assert_eq!(own.submit(world, &page, &[], "allow").await.title(), "You have approved");
        world.advance_s(6);
        assert_eq!(scene.poll("desk", &handle).await.0, 200);
        scene.world.stop().await;
    })
    .await;
}

/// Whoever opens the page as nobody, or as another person, and cancels reads nothing of what the person answered then. The twin is her page.
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_at_the_page_learns_no_answer() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        world.person("bob").await;
        scene.ask_alice("desk").await;
        let (mut app, token) = scene.app("member-app", "alice").await;
        let path = format!("/approvals?ref={}", app.pending(&token).await[0]["request"].as_str().unwrap());
        let (mut nobody, mut bob, mut alice) = (Browser::default(), Browser::default(), Browser::default());
        let page = nobody.visit(world, &path).await;
        let left = nobody.submit_raw(world, &page, &[], "cancel").await.location.unwrap().replace(&world.issuer, "");
        let page = bob.visit(world, &path).await;
        let page = bob.submit_password(world, &page, "bob", PASSWORD).await;
        assert_eq!(page.title(), "This question is for somebody else", "{}", page.html);
        let turned_away = bob.submit_raw(world, &page, &[], "cancel").await.location.unwrap().replace(&world.issuer, "");
        let page = question(world, &mut alice).await;
        let given = alice.submit_raw(world, &page, &[], "allow").await.location.unwrap().replace(&world.issuer, "");
        for (browser, address, title) in [
            (&mut nobody, &left, "This sign-in is over"),
            (&mut bob, &turned_away, "This sign-in is over"),
            (&mut alice, &given, "You have approved"),
        ] {
            let page = browser.visit(world, address).await;
            assert_eq!(page.title(), title, "{}", page.html);
        }
        scene.world.stop().await;
    })
    .await;
}
