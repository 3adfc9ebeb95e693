//! An acr that a tier insists on, where the client waits elsewhere: a device that polls, and a client on the backchannel that polls or is
//! pinged (368-Z). What the person proved is judged before they are asked to agree. Each refusal with its twin.

use crate::backchannel::{APP_BACK, MESSAGE};
use crate::backchannel_told::Listener;
use crate::devices::{self, Tv, is_the_question, type_code};
use crate::enrolments::{add_totp, waits};
use crate::world::mail::Post;
use crate::world::*;
use serde_json::{Map, Value as Json, json};
use symbolon_oauth::backchannel::GRANT_TYPE;
use symbolon_oauth::jwk::PrivateKey;

/// A client whose installations of the tier `software` need an acr, and an app that answers.
const CLIENTS: &str = r#"
[client.lounge]
kind = "native"
name = "Lounge"
first_party = true
authentication = "attest_jwt_client_auth_dpop"
apis = { orders = ["orders:read"] }
grants = ["urn:ietf:params:oauth:grant-type:device_code", "urn:openid:params:grant-type:ciba", "refresh_token"]
[client.lounge.attestation]
attester_jwks = JWKS
[client.lounge.attestation.tier.hardware]
[client.lounge.attestation.tier.software]
acr = "urn:two"
[client.member-app]
kind = "native"
name = "Members"
first_party = true
dpop = "required"
approves = true
apis = { orders = ["orders:read"] }
redirect_uris = ["https://member.example.com/cb"]
"#;

const UNMET: &str = "unmet_authentication_requirements";

/// Alice has an authenticator and recovery codes, which give no acr.
pub struct Scene {
    pub post: Post,
    attester: PrivateKey,
    secret: String,
    codes: Vec<String>,
}

impl Scene {
    pub async fn start(engine: Engine, more: &str) -> Self {
        let (post, attester) = (Post::start(engine).await, new_key());
        let (secret, codes) = post.enrol(&mut Browser::default()).await;
        let clients = CLIENTS.replace("JWKS", &named_jwks(&attester));
        post.world.reload(|it| it.with(&clients).with(more)).await;
        Self { post, attester, secret, codes }
    }

    pub fn world(&self) -> &World {
        &self.post.world
    }

    /// An installation of this tier.
    pub fn installation(&self, tier: &str) -> Phone<'_> {
        let mut phone = Phone { attester: Some(&self.attester), ..Phone::new(self.world(), "lounge", "") };
        phone.attest_by(&self.attester, "lounge", 7200, &Map::from_iter([("tier".to_owned(), Json::from(tier))]));
        phone
    }

    /// The second factor, where it is asked for: this recovery code, or the authenticator.
    async fn second_factor(&self, browser: &mut Browser, page: &Page, recovery: Option<&str>) -> Page {
        assert!(page.asks_for("code"), "{}", page.html);
        if let Some(code) = recovery {
            let page = browser.submit(self.world(), page, &[], "use_recovery").await;
            return browser.submit(self.world(), &page, &[("recovery_code", code)], "continue").await;
        }
        // The code before may be of this half minute.
        self.world().advance_s(60);
        browser.submit(self.world(), page, &[("code", &totp(&self.secret, self.post.now_ms()))], "continue").await
    }

    /// Alice signs in to this client, by a recovery code.
    async fn sign_in(&self, browser: &mut Browser, ask: &Ask, code: &str) -> String {
        let page = browser.open(self.world(), ask).await;
        let page = browser.submit_password(self.world(), &page, "alice", PASSWORD).await;
        let done = self.second_factor(browser, &page, Some(code)).await;
        assert!(done.has_code(), "{}", done.html);
        done.code()
    }

    /// The one refusal of an acr that is in the audit; and nobody has said no.
    async fn refusal(&self) -> Json {
        let mut refused = self.world().entries("authorization_refused").await;
        assert_eq!(refused.len(), 1, "{refused:?}");
        let entry = refused.remove(0);
        assert_eq!((entry["client"].as_str(), entry["account"].is_string()), (Some("lounge"), true), "{entry}");
        assert_eq!((&entry["detail"]["error"], &entry["reason"]), (&json!(UNMET), &json!("the proofs do not give an essential acr")));
        assert_eq!(self.refusals_in_history().await, 1, "its person reads it");
        for event in ["device_denied", "backchannel_denied"] {
            assert_eq!(self.world().audited(event).await, 0, "{event}");
        }
        entry
    }

    /// How many refusals people read in the history of their accounts.
    async fn refusals_in_history(&self) -> i64 {
        let sql = "SELECT count(*) AS count FROM account_event WHERE event = 'authorization_refused'";
        self.world().running.shared.now().store.one(sql, &[]).await.unwrap().unwrap().int("count").unwrap()
    }

    /// What the audit says of approvals of this event: the acr, and that the person agreed.
    async fn approvals(&self, event: &str) -> Vec<(Json, Json)> {
        let entries = self.world().entries(event).await;
        entries.iter().map(|entry| (entry["detail"]["acr"].clone(), entry["detail"]["consented"].clone())).collect()
    }
}

pub async fn start_device(device: &mut Phone<'_>) -> Tv {
    let answer = device.post("/device_authorization", &[("scope", "openid orders:read")]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    Tv::of("lounge", answer.body)
}

/// The person came by the picture, and allows the device by the letters that its screen shows.
pub async fn allow_device(world: &World, browser: &mut Browser, page: &Page, tv: &Tv) {
    let done = browser.submit(world, page, &[("last_group", tv.last_group())], "allow").await;
    assert_eq!(done.title(), "The device is signed in", "{}", done.html);
}

pub async fn poll_device(device: &mut Phone<'_>, tv: &Tv) -> Answer {
    device.post("/token", &[("grant_type", devices::GRANT), ("device_code", tv.text("device_code"))]).await
}

/// The client asks alice. The handle.
async fn ask(client: &mut Phone<'_>, more: &[(&str, &str)]) -> String {
    ask_person(client, "alice", more).await
}

pub async fn ask_person(client: &mut Phone<'_>, person: &str, more: &[(&str, &str)]) -> String {
    let form = [("scope", "openid orders:read"), ("login_hint", person), MESSAGE];
    let answer = client.post("/backchannel_authentication", &[&form[..], more].concat()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.text("auth_req_id")
}

pub async fn poll(client: &mut Phone<'_>, handle: &str) -> Answer {
    client.post("/token", &[("grant_type", GRANT_TYPE), ("auth_req_id", handle)]).await
}

pub fn acr_of(tokens: &Answer) -> Json {
    assert_eq!(tokens.status, 200, "the twin: {}", tokens.body);
    claims(&tokens.text("id_token"))["acr"].clone()
}

/// RFC 8628 3.5: the device hears `access_denied` at its next poll, and its person was not asked. The twins prove the acr, or need none.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_hears_that_its_person_has_not_proved_the_acr() {
    for engine in engines() {
        let scene = Scene::start(engine, "").await;
        let world = scene.world();
        for (tier, recovery) in [("software", Some(0)), ("software", None), ("hardware", Some(1))] {
            let recovery = recovery.map(|at: usize| scene.codes[at].as_str());
            let mut device = scene.installation(tier);
            let tv = start_device(&mut device).await;
            let mut browser = Browser::default();
            let page = type_code(&mut browser, world, tv.user_code(), "alice").await;
            assert_eq!(poll_device(&mut device, &tv).await.error(), (400, "authorization_pending"));
            let page = scene.second_factor(&mut browser, &page, recovery).await;
            if tier == "software" && recovery.is_some() {
                assert_eq!(page.title(), "The device gets nothing", "{}", page.html);
                for _ in 0..2 {
                    assert_eq!(poll_device(&mut device, &tv).await.error(), (400, "access_denied"));
                }
                assert_eq!(scene.refusal().await["detail"]["started_from"], "127.0.0.1");
                continue;
            }
            assert!(is_the_question(&page), "{}", page.html);
            assert_eq!(browser.submit(world, &page, &[], "allow").await.title(), "The device is signed in");
            world.advance_s(10);
            let wanted = recovery.map_or(json!("urn:two"), |_| Json::Null);
            assert_eq!(acr_of(&poll_device(&mut device, &tv).await), wanted);
        }
        scene.refusal().await;
        assert_eq!(scene.approvals("device_approved").await, [(json!("urn:two"), json!(true)), (json!(""), json!(true))]);
        scene.post.world.stop().await;
    }
}

/// CIBA Core 10.2, 11: the client hears `access_denied` at its next poll, and one with ping is called. The person is not asked. What the
/// browser knew from before ends nothing. The twins prove the acr, or need none.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_elsewhere_hears_that_its_person_has_not_proved_the_acr() {
    for engine in engines() {
        for pings in [false, true] {
            let listener = Listener::start(&[]).await;
            let told = format!("[client.lounge.backchannel]\ndelivery = \"ping\"\nnotification_endpoint = \"{}\"\n", listener.uri);
            let scene = Scene::start(engine, if pings { told.as_str() } else { "" }).await;
            let world = scene.world();
            let token = ("client_notification_token", "8d67dc78-7faa-4d41-aabd-67707b374255");
            let more: &[(&str, &str)] = if pings { &[token] } else { &[] };
            let mut browser = Browser::default();
            scene.sign_in(&mut browser, &Ask::native("openid"), &scene.codes[0]).await;
            for (number, (tier, recovery)) in [("hardware", None), ("software", Some(1)), ("software", None)].into_iter().enumerate() {
                let recovery = recovery.map(|at: usize| scene.codes[at].as_str());
                let mut client = scene.installation(tier);
                let handle = ask(&mut client, more).await;
                let mut page = browser.visit(world, "/approvals").await;
                if tier == "software" {
                    assert!(!page.action("allow"), "{}", page.html);
                    assert_eq!(poll(&mut client, &handle).await.error(), (400, "authorization_pending"), "looking ends nothing");
                    page = scene.second_factor(&mut browser, &page, recovery).await;
                }
                if recovery.is_some() {
                    assert_eq!(page.title(), "You have not approved", "{}", page.html);
                } else {
                    assert_eq!(browser.submit(world, &page, &[], "allow").await.title(), "You have approved");
                }
                if pings {
                    assert!(listener.hears(number + 1).await.contains(&handle));
                }
                let answer = poll(&mut client, &handle).await;
                match (tier, recovery) {
                    (_, Some(_)) => assert_eq!(answer.error(), (400, "access_denied")),
                    ("software", None) => assert_eq!(acr_of(&answer), "urn:two"),
                    _ => assert_eq!(acr_of(&answer), Json::Null),
                }
            }
            assert_eq!(scene.refusal().await["detail"]["asked_from"], "127.0.0.1");
            assert_eq!(scene.approvals("backchannel_approved").await, [(json!(""), json!(true)), (json!("urn:two"), json!(true))]);
            scene.post.world.stop().await;
        }
    }
}

/// A page that is only opened refuses nothing: what gives no acr is asked for anew. The twin needs none, and is asked to agree at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_knows_too_little_asks_anew() {
    for engine in engines() {
        let scene = Scene::start(engine, "").await;
        let world = scene.world();
        let mut browser = Browser::default();
        scene.sign_in(&mut browser, &Ask::native("openid"), &scene.codes[0]).await;
        for tier in ["hardware", "software"] {
            let mut device = scene.installation(tier);
            let tv = start_device(&mut device).await;
            let mut page = browser.visit(world, tv.complete()).await;
            assert_eq!(is_the_question(&page), tier == "hardware", "{}", page.html);
            assert_eq!(poll_device(&mut device, &tv).await.error(), (400, "authorization_pending"));
            if tier == "software" {
                page = scene.second_factor(&mut browser, &page, None).await;
            }
            allow_device(world, &mut browser, &page, &tv).await;
            world.advance_s(10);
            assert_eq!(poll_device(&mut device, &tv).await.status, 200);
        }
        assert_eq!(world.audited("authorization_refused").await, 0);
        scene.post.world.stop().await;
    }
}

/// An app whose session gives no acr sends its person to the browser, and ends nothing. The twins need none.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_proved_too_little_leads_to_the_browser() {
    for engine in engines() {
        let scene = Scene::start(engine, "").await;
        let world = scene.world();
        let mut app = Phone { pushes: false, ..Phone::new(world, "member-app", APP_BACK) };
        let wanted = app.ask("openid");
        let code = scene.sign_in(&mut Browser::default(), &wanted, &scene.codes[0]).await;
        let tokens = app.exchange(&code, &wanted.verifier).await;
        assert_eq!(tokens.status, 200, "{}", tokens.body);
        let token = tokens.text("access_token");
        for (tier, said, polled) in
            [("software", (403, "insufficient_authorization"), (400, "authorization_pending")), ("hardware", (200, ""), (200, ""))]
        {
            let mut client = scene.installation(tier);
            let handle = ask(&mut client, &[]).await;
            let asked = app.pending(&token).await.pop().unwrap();
            let answer = app.say(&token, &asked, "allow", &[]).await;
            assert_eq!(answer.error(), said, "{}", answer.body);
            assert_eq!(poll(&mut client, &handle).await.error(), polled, "{tier}");
            let mut device = scene.installation(tier);
            let tv = start_device(&mut device).await;
            let code = ("user_code", tv.user_code());
            let asked = app.post_with_token("/pending/device", &token, &[code]).await;
            let (shown, allow) = (asked.text("shown"), ("action", "allow"));
            let answer = app.post_with_token("/pending/device", &token, &[code, allow, ("shown", &shown)]).await;
            assert_eq!(answer.error(), said, "{}", answer.body);
            assert_eq!(poll_device(&mut device, &tv).await.error(), polled, "{tier}");
        }
        assert_eq!(world.audited("authorization_refused").await, 0);
        scene.post.world.stop().await;
    }
}

/// A policy of this name and `acr` for the tier `software`.
fn policy(require: &str, more: &str) -> String {
    format!(
        "[login.own]\nrequire = [\"{require}\"]\nacr = \"urn:own\"\n{more}\n[client.lounge.attestation.tier.software]\nacr = \"urn:own\"\n"
    )
}

/// A browser knows a recovery code from before, and has to prove something more. The code stands in for no authenticator then: else the proof
/// that was missing would end the request. Here it is the mailbox that no session knew. The twin proves it all.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_from_before_ends_nothing_where_a_proof_is_missing() {
    for engine in engines() {
        let scene = Scene::start(engine, &policy("password + totp + email", "")).await;
        let world = scene.world();
        let mut browser = Browser::default();
        scene.sign_in(&mut browser, &Ask::native("openid"), &scene.codes[0]).await;
        let mut device = scene.installation("software");
        let tv = start_device(&mut device).await;
        let page = browser.visit(world, tv.complete()).await;
        let seen = scene.post.seen();
        let mut page = scene.second_factor(&mut browser, &page, None).await;
        assert_eq!(poll_device(&mut device, &tv).await.error(), (400, "authorization_pending"));
        if page.kind() == "email_send" {
            page = browser.submit(world, &page, &[], "send").await;
        }
        let code = scene.post.code("alice@example.com", seen).await;
        let page = browser.submit(world, &page, &[("email_code", &code)], "continue").await;
        assert!(is_the_question(&page), "{}", page.html);
        allow_device(world, &mut browser, &page, &tv).await;
        world.advance_s(10);
        assert_eq!(acr_of(&poll_device(&mut device, &tv).await), "urn:own");
        assert_eq!(world.audited("authorization_refused").await, 0);
        scene.post.world.stop().await;
    }
}

/// The same where the password has become too old, and the code not yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_from_before_ends_nothing_where_a_proof_is_too_old() {
    for engine in engines() {
        let scene = Scene::start(engine, &policy("password + totp", "max_age = \"10m\"")).await;
        let world = scene.world();
        let mut browser = Browser::default();
        let page = browser.open(world, &Ask::native("openid")).await;
        let page = browser.submit_password(world, &page, "alice", PASSWORD).await;
        world.advance_s(60);
        assert!(scene.second_factor(&mut browser, &page, Some(scene.codes[0].as_str())).await.has_code());
        world.advance_s(570);
        let mut device = scene.installation("software");
        let tv = start_device(&mut device).await;
        let page = browser.visit(world, tv.complete()).await;
        assert!(page.asks_for("password"), "{}", page.html);
        let page = browser.answer(world, &page, "alice").await;
        assert_eq!(poll_device(&mut device, &tv).await.error(), (400, "authorization_pending"));
        let page = scene.second_factor(&mut browser, &page, None).await;
        assert!(is_the_question(&page), "{}", page.html);
        allow_device(world, &mut browser, &page, &tv).await;
        assert_eq!(acr_of(&poll_device(&mut device, &tv).await), "urn:own");
        assert_eq!(world.audited("authorization_refused").await, 0);
        scene.post.world.stop().await;
    }
}

/// At the authorization endpoint the same browser is treated alike. With prompt=none nobody can be asked, so that the client hears of it at
/// once, and no history has it. The twin: when the acr is proved, nothing is asked again.
#[tokio::test(flavor = "multi_thread")]
async fn a_site_gets_its_acr_from_a_browser_that_knew_too_little() {
    for engine in engines() {
        let scene = Scene::start(engine, "").await;
        let world = scene.world();
        let mut browser = Browser::default();
        scene.sign_in(&mut browser, &Ask::native("openid"), &scene.codes[0]).await;
        let ask = Ask::native("openid").with("claims", r#"{"id_token":{"acr":{"essential":true,"value":"urn:two"}}}"#);
        let silent = ask.clone().with("prompt", "none");
        assert_eq!(browser.open(world, &silent).await.error().as_deref(), Some(UNMET));
        assert_eq!((world.audited("authorization_refused").await, scene.refusals_in_history().await), (1, 0));
        let page = browser.open(world, &ask).await;
        let done = scene.second_factor(&mut browser, &page, None).await;
        let (status, tokens) = world.exchange(&done.code(), &ask.verifier).await;
        assert_eq!(status, 200, "{tokens}");
        assert_eq!(claims(tokens["id_token"].as_str().unwrap())["acr"], "urn:two");
        assert!(browser.open(world, &silent).await.has_code(), "the twin");
        scene.post.world.stop().await;
    }
}

/// A policy may name the code itself. Then it counts on behind the choice of an account, and no other one is spent. The twin takes a code for
/// the authenticator: that one gives no acr, and the authenticator is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_the_policy_names_is_not_asked_for_again() {
    for engine in engines() {
        for (require, is_named) in [("password + recovery", true), ("password + totp", false)] {
            let scene = Scene::start(engine, &policy(require, "")).await;
            let (world, code) = (scene.world(), scene.codes[0].as_str());
            let ask = Ask::native("openid").with("claims", r#"{"id_token":{"acr":{"essential":true,"value":"urn:own"}}}"#);
            let mut browser = Browser::default();
            if is_named {
                let page = browser.open(world, &ask).await;
                let page = browser.submit_password(world, &page, "alice", PASSWORD).await;
                assert!(page.asks_for("recovery_code"), "{}", page.html);
                let page = browser.submit(world, &page, &[("recovery_code", code)], "continue").await;
                let done = scene.second_factor(&mut browser, &page, None).await;
                assert!(done.has_code(), "{}", done.html);
            } else {
                scene.sign_in(&mut browser, &Ask::native("openid"), code).await;
            }
            let page = browser.open(world, &ask.clone().with("prompt", "select_account")).await;
            assert_eq!(page.kind(), "select_account", "{}", page.html);
            let page = browser.submit(world, &page, &[], "continue_as").await;
            assert_eq!((page.has_code(), page.asks_for("code")), (is_named, !is_named), "{require}: {}", page.html);
            assert_eq!(world.audited("recovery_code_used").await, 1);
            scene.post.world.stop().await;
        }
    }
}

/// Whoever did not start what came from a device before sees that this waits for them too, whatever they prove, and says no. The twin is another
/// installation: there the acr is judged.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_kept_from_a_device_is_asked_before_the_acr_is_judged() {
    for engine in engines() {
        let scene = Scene::start(engine, "").await;
        let world = scene.world();
        let mut first = scene.installation("software");
        let tv = start_device(&mut first).await;
        let mut browser = Browser::default();
        let page = type_code(&mut browser, world, tv.user_code(), "alice").await;
        let page = scene.second_factor(&mut browser, &page, None).await;
        assert_eq!(browser.submit(world, &page, &[], "not_mine").await.title(), "The device gets nothing");
        let mut other = scene.installation("software");
        for (device, code, is_kept) in [(&mut first, &scene.codes[0], true), (&mut other, &scene.codes[1], false)] {
            let tv = start_device(device).await;
            let mut browser = Browser::default();
            let page = type_code(&mut browser, world, tv.user_code(), "alice").await;
            let mut page = scene.second_factor(&mut browser, &page, Some(code.as_str())).await;
            if is_kept {
                assert!(page.problem().starts_with("You said that you did not start"), "{}", page.html);
                assert!(page.action("not_mine") && !page.action("allow"), "{}", page.html);
                assert_eq!(poll_device(device, &tv).await.error(), (400, "authorization_pending"));
                page = browser.submit(world, &page, &[], "not_mine").await;
            }
            assert_eq!(page.title(), "The device gets nothing", "{}", page.html);
        }
        assert_eq!((world.audited("device_denied").await, world.audited("authorization_refused").await), (2, 1));
        scene.post.world.stop().await;
    }
}

/// The same on the backchannel, of what a client had asked before it was kept away.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_kept_from_a_client_is_asked_before_the_acr_is_judged() {
    for engine in engines() {
        let scene = Scene::start(engine, "").await;
        let world = scene.world();
        let mut app = Phone { pushes: false, ..Phone::new(world, "member-app", APP_BACK) };
        let wanted = app.ask("openid");
        let code = scene.sign_in(&mut Browser::default(), &wanted, &scene.codes[0]).await;
        let token = app.exchange(&code, &wanted.verifier).await.text("access_token");
        let mut client = scene.installation("software");
        let handles = [ask(&mut client, &[]).await, ask(&mut client, &[]).await];
        let asked = app.pending(&token).await;
        assert_eq!(app.say(&token, &asked[0], "not_mine", &[]).await.body["state"], "denied");
        let mut browser = Browser::default();
        let page = browser.visit(world, &format!("/approvals?ref={}", asked[1]["request"].as_str().unwrap())).await;
        let page = browser.answer(world, &page, "alice").await;
        let page = scene.second_factor(&mut browser, &page, Some(scene.codes[1].as_str())).await;
        assert!(page.problem().starts_with("You said that you did not start") && !page.action("allow"), "{}", page.html);
        assert_eq!(poll(&mut client, &handles[1]).await.error(), (400, "authorization_pending"));
        assert_eq!(browser.submit(world, &page, &[], "deny").await.title(), "You have not approved");
        assert_eq!(poll(&mut client, &handles[1]).await.error(), (400, "access_denied"));
        assert_eq!((world.audited("backchannel_denied").await, world.audited("authorization_refused").await), (2, 0));
        scene.post.world.stop().await;
    }
}

/// No policy that gives the tier's acr asks for as much as the client's own: the client hears of it when it starts, and does not poll for
/// nothing. The twin is a tier that needs none.
#[tokio::test(flavor = "multi_thread")]
async fn an_acr_that_cannot_be_had_is_refused_at_the_start() {
    for engine in engines() {
        let scene = Scene::start(engine, "[client.lounge]\nlogin = \"strong\"\n").await;
        for (tier, said) in [("software", (400, UNMET)), ("hardware", (200, ""))] {
            let mut client = scene.installation(tier);
            let answer = client.post("/device_authorization", &[("scope", "openid orders:read")]).await;
            assert_eq!(answer.error(), said, "{}", answer.body);
            let form = [("scope", "openid orders:read"), ("login_hint", "alice"), MESSAGE];
            let answer = client.post("/backchannel_authentication", &form).await;
            assert_eq!(answer.error(), said, "{}", answer.body);
        }
        scene.post.world.stop().await;
    }
}

/// Whoever has just added an authenticator, and leaves the page that says that it does not count yet, has said no to nothing. Still the device
/// hears that it gets nothing. The twin waits until it counts.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_hears_that_its_person_did_not_wait() {
    for engine in engines() {
        let scene = Scene::start(engine, "").await;
        let world = scene.world();
        world.person("bob").await;
        let mut device = scene.installation("software");
        let tv = start_device(&mut device).await;
        let mut browser = Browser::default();
        let page = type_code(&mut browser, world, tv.user_code(), "bob").await;
        let (secret, page) = add_totp(world, &mut browser, &page).await;
        waits(&page);
        let left = browser.submit(world, &page, &[], "give_up").await;
        assert_eq!(left.title(), "The device gets nothing", "{}", left.html);
        assert_eq!(poll_device(&mut device, &tv).await.error(), (400, "access_denied"));
        let refused = world.entries("authorization_refused").await;
        assert_eq!((refused.len(), &refused[0]["detail"]["error"]), (1, &json!(UNMET)), "{refused:?}");
        assert_eq!(refused[0]["reason"], "what the person has does not count in full yet");
        assert_eq!((world.audited("device_denied").await, scene.refusals_in_history().await), (0, 1));
        world.advance_s(60);
        let tv = start_device(&mut device).await;
        let mut browser = Browser::default();
        let page = type_code(&mut browser, world, tv.user_code(), "bob").await;
        let page = browser.submit(world, &page, &[("code", &totp(&secret, scene.post.now_ms()))], "continue").await;
        waits(&page);
        assert!(world.confirm("bob").await);
        let page = browser.submit(world, &page, &[], "continue").await;
        assert!(is_the_question(&page), "{}", page.html);
        assert_eq!(browser.submit(world, &page, &[], "allow").await.title(), "The device is signed in");
        assert_eq!(acr_of(&poll_device(&mut device, &tv).await), "urn:two");
        scene.post.world.stop().await;
    }
}

/// The same on the backchannel: the client is called, and hears it at its next poll.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_elsewhere_hears_that_its_person_did_not_wait() {
    for engine in engines() {
        let listener = Listener::start(&[]).await;
        let told = format!("[client.lounge.backchannel]\ndelivery = \"ping\"\nnotification_endpoint = \"{}\"\n", listener.uri);
        let scene = Scene::start(engine, &told).await;
        let world = scene.world();
        world.person("bob").await;
        let token = [("client_notification_token", "8d67dc78-7faa-4d41-aabd-67707b374255")];
        let mut browser = Browser::default();
        let page = browser.visit(world, "/account").await;
        assert_eq!(browser.submit_password(world, &page, "bob", PASSWORD).await.status, 303);
        let mut client = scene.installation("software");
        let handle = ask_person(&mut client, "bob", &token).await;
        let page = browser.visit(world, "/approvals").await;
        let (secret, page) = add_totp(world, &mut browser, &page).await;
        waits(&page);
        let left = browser.submit(world, &page, &[], "give_up").await;
        assert_eq!(left.title(), "You have not approved", "{}", left.html);
        assert!(listener.hears(1).await.contains(&handle));
        assert_eq!(poll(&mut client, &handle).await.error(), (400, "access_denied"));
        let refused = world.entries("authorization_refused").await;
        assert_eq!((refused.len(), &refused[0]["detail"]["error"]), (1, &json!(UNMET)), "{refused:?}");
        assert_eq!((world.audited("backchannel_denied").await, scene.refusals_in_history().await), (0, 1));
        world.advance_s(60);
        let handle = ask_person(&mut client, "bob", &token).await;
        let page = browser.visit(world, "/approvals").await;
        let page = browser.submit(world, &page, &[("code", &totp(&secret, scene.post.now_ms()))], "continue").await;
        waits(&page);
        assert!(world.confirm("bob").await);
        let page = browser.submit(world, &page, &[], "continue").await;
        assert_eq!(browser.submit(world, &page, &[], "allow").await.title(), "You have approved", "the twin");
        assert!(listener.hears(2).await.contains(&handle));
        assert_eq!(acr_of(&poll(&mut client, &handle).await), "urn:two");
        scene.post.world.stop().await;
    }
}
