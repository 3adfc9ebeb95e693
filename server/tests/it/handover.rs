//! From an app to a web page, signed in: the ticket, the page, the browser's session that is a child of the app's. Each refusal with its twin.

use crate::world::*;
use serde_json::Value as Json;
use symbolon_oauth::base64url;
use symbolon_oauth::jwk::PrivateKey;

const APP_BACK: &str = "https://app.example.com/handing";
const TO: &str = "https://shop.example.com/sign-in";

/// An app that may hand over, one that may not, and two sites, of which one is listed.
fn clients(attester: &PrivateKey) -> String {
    let app = |id: &str| {
        format!(
            "[client.{id}]\nkind = \"native\"\nfirst_party = true\nauthentication = \"attest_jwt_client_auth_dpop\"\n\
             apis = {{ orders = [\"orders:read\"] }}\nredirect_uris = [\"{APP_BACK}\"]\n[client.{id}.attestation]\nattester_jwks = {}\n",
            named_jwks(attester)
        )
    };
    format!(
        "{}[client.handing.handover]\nclients = [\"shop-web\"]\nurl = \"{TO}\"\n[client.handing.refresh]\nabsolute = \"13h\"\n{}\
         [client.loose]\nkind = \"native\"\nfirst_party = true\ndpop = \"required\"\nredirect_uris = [\"{APP_BACK}\"]\n",
        app("handing"),
        app("plain")
    )
}

pub struct Scene {
    pub world: World,
    attester: PrivateKey,
}

impl Scene {
    pub async fn start(engine: Engine) -> Self {
        Self::with(engine, "").await
    }

    pub async fn with(engine: Engine, more: &str) -> Self {
        let attester = new_key();
        Self { world: Configuration::on(engine).await.with(&clients(&attester)).with(more).start().await, attester }
    }

    /// A genuine installation.
    pub fn phone(&self, client: &'static str) -> Phone<'_> {
        let mut phone = Phone { attester: Some(&self.attester), ..Phone::new(&self.world, client, APP_BACK) };
        phone.attest_for(3600);
        phone
    }

    /// An attested app in which this person is signed in: its tokens.
    pub async fn app(&self, client: &'static str, person: &str) -> (Phone<'_>, Answer) {
        let mut phone = Phone { attester: Some(&self.attester), ..Phone::new(&self.world, client, APP_BACK) };
        if client == "loose" {
            (phone.mode, phone.pushes) = (Mode::Unattested, false);
        } else {
            phone.attest_for(3600);
        }
        let ask = phone.ask("openid");
        let tokens = phone.tokens_for(&ask, person, &[]).await;
        assert_eq!(tokens.status, 200, "{}", tokens.body);
        (phone, tokens)
    }

    async fn ticket(&self, phone: &mut Phone<'_>, tokens: &Answer) -> Answer {
        let token = tokens.text("access_token");
        for _ in 0..2 {
            let request = self.world.http.post(self.world.url("/handover")).header("authorization", format!("DPoP {token}"));
            let request = request.header("content-type", "application/x-www-form-urlencoded");
            let answer = Answer::to(request.header("dpop", phone.proof("POST", "/handover", Some(&token)))).await;
            phone.nonce = answer.nonce();
            if answer.error().1 != "use_dpop_nonce" {
                return answer;
            }
        }
        panic!("the nonce is never good");
    }

    /// The path of a new ticket.
    pub async fn path(&self, phone: &mut Phone<'_>, tokens: &Answer) -> String {
        let answer = self.ticket(phone, tokens).await;
        assert_eq!((answer.status, answer.body["expires_in"].as_i64()), (200, Some(60)), "{}", answer.body);
        answer.text("handover_uri").replace(&self.world.issuer, "")
    }
}

async fn on_every_engine<T: Future<Output = ()>>(test: impl Fn(Scene) -> T) {
    for engine in engines() {
        test(Scene::start(engine).await).await;
    }
}

pub fn leads_on(page: &Page) -> bool {
    page.html.replace("&#x2f;", "/").contains(&format!("content=\"0;url={TO}\""))
}

/// A request of the listed site, and its ID token.
pub async fn site(world: &World, browser: &mut Browser) -> Option<Json> {
    Some(claims(site_tokens(world, browser, "openid").await?["id_token"].as_str().unwrap()))
}

pub async fn site_tokens(world: &World, browser: &mut Browser, scope: &str) -> Option<Json> {
    let ask = Ask::new("shop-web", WEB_BACK, scope);
    let opened = browser.open(world, &ask).await;
    let address = opened.location.filter(|address| address.starts_with(WEB_BACK))?;
    let code = parameters(&address)["code"].clone();
    let form =
        [("grant_type", "authorization_code"), ("code", code.as_str()), ("code_verifier", &ask.verifier), ("redirect_uri", WEB_BACK)];
    let (status, tokens) = world.post("/token", &form, Some("shop-web")).await;
    assert_eq!(status, 200, "{tokens}");
    Some(tokens)
}

pub async fn site_refresh(world: &World, tokens: &Json) -> (u16, Json) {
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(tokens))];
    world.post("/token", &form, Some("shop-web")).await
}

/// The person goes on in the browser without being asked for a password; the session is worth what the app's is, and no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_goes_on_in_the_browser() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        let (mut phone, tokens) = scene.app("handing", "alice").await;
        let said = claims(&tokens.text("id_token"));
        let path = scene.path(&mut phone, &tokens).await;
        let mut browser = Browser::default();
        // HEAD and a prefetch bind nothing.
        let head = world.http.head(world.url(&path)).send().await.unwrap();
        let ahead = world.http.get(world.url(&path)).header("sec-purpose", "prefetch").send().await.unwrap();
        assert_eq!((head.status().as_u16(), ahead.status().as_u16()), (405, 403));
        let page = browser.visit(world, &path).await;
        assert_eq!(page.title(), "Continue as alice@example.com?", "{}", page.html);
        assert!(page.says("shop.example.com"));
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
        assert!(site(world, &mut browser).await.is_none(), "looking at the page signs nobody in");
        let done = browser.submit(world, &page, &[], "continue").await;
        assert!(leads_on(&done), "{}", done.html);
        let own = site(world, &mut browser).await.expect("the site's request is answered");
        assert_eq!((&own["sub"], &own["auth_time"], &own["amr"]), (&said["sub"], &said["auth_time"], &said["amr"]));
        // Nobody else's requests, no account page, no device.
        assert_eq!(browser.open(world, &Ask::native("openid")).await.kind(), "password", "another client asks");
        assert_ne!(browser.visit(world, "/account").await.kind(), "account");
        assert_ne!(browser.visit(world, "/approvals").await.title(), "Nothing waits for your answer");
        // So the way out does not lead there.
        let question = browser.visit(world, "/logout").await;
        assert_eq!((question.kind(), question.actions()), ("logout", vec!["logout".to_owned()]), "{}", question.html);
        let again = browser.submit(world, &question, &[], "stay_signed_in").await;
        assert_eq!((again.status, again.kind(), again.location.as_deref()), (200, "logout", None), "{}", again.html);
        // The ticket is spent.
        assert_eq!(browser.visit(world, &path).await.status, 400);
        assert_eq!(Browser::default().visit(world, &path).await.status, 400);
        assert_eq!((world.audited("handover_issued").await, world.audited("handed_over").await), (1, 1));
        // The app signs out: so does the browser.
        assert_eq!(phone.post("/revoke", &[("token", &tokens.text("refresh_token"))]).await.status, 200);
        assert!(site(world, &mut browser).await.is_none());
        scene.world.stop().await;
    })
    .await;
}

/// What the site got ends with what the app has, whatever ends that: the grant, the session, the client's cut-off, the client itself.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_browser_got_ends_with_the_app() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        for how in ["revoked", "sessions", "cut off", "disabled"] {
            let (mut phone, tokens) = scene.app("handing", "alice").await;
            let path = scene.path(&mut phone, &tokens).await;
            let mut browser = Browser::default();
            let page = browser.visit(world, &path).await;
            browser.submit(world, &page, &[], "continue").await;
            let first = site_tokens(world, &mut browser, "openid orders:read").await.expect("the site's request is answered");
            let (status, site_tokens) = site_refresh(world, &first).await;
            assert_eq!(status, 200, "the twin: {site_tokens}");
            let token = [("token", site_tokens["access_token"].as_str().unwrap())];
            assert_eq!(world.post("/introspect", &token, Some("orders")).await.1["active"], true, "the twin");
            let operate = async |words: &[&str]| assert_eq!(crate::commands::symbolon(&world.file(), words, "").await.0, Some(0));
            match how {
                "revoked" => assert_eq!(phone.post("/revoke", &[("token", &tokens.text("refresh_token"))]).await.status, 200),
                "sessions" => operate(&["user", "end-sessions", "alice"]).await,
                "cut off" => operate(&["client", "end-sessions", "handing"]).await,
                _ => world.reload(|it| it.set("client.handing.disabled", true)).await,
            }
            assert!(site(world, &mut browser).await.is_none(), "{how}");
            let (status, answer) = site_refresh(world, &site_tokens).await;
            assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_grant")), "{how}");
            assert_eq!(world.post("/introspect", &token, Some("orders")).await.1["active"], false, "{how}");
            // A cut-off is by the second, and the next sign-in comes after it.
            world.advance_s(2);
        }
        scene.world.stop().await;
    })
    .await;
}

/// The app's grant lives longer than the browser's limits of the sign-in that it came from. What it hands over ends with it.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_hands_over_as_long_as_it_is_signed_in() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        world.freeze();
        let (mut phone, tokens) = scene.app("handing", "alice").await;
        world.advance_s(12 * 3600 + 1800);
        phone.attest_for(3600);
        let tokens = phone.refresh(&tokens.text("refresh_token")).await;
        assert_eq!(tokens.status, 200, "{}", tokens.body);
        let path = scene.path(&mut phone, &tokens).await;
        let mut browser = Browser::default();
        let page = browser.visit(world, &path).await;
        assert!(leads_on(&browser.submit(world, &page, &[], "continue").await), "half a day after the sign-in");
        let site_tokens = site_tokens(world, &mut browser, "openid orders:read").await.expect("the site's request is answered");
        // Ten minutes before the end of the app's grant: what the site gets lives as long, and no longer.
        world.advance_s(1200);
        let (status, site_tokens) = site_refresh(world, &site_tokens).await;
        assert_eq!(status, 200, "{site_tokens}");
        let token = claims(site_tokens["access_token"].as_str().unwrap());
        let lives_s = token["exp"].as_i64().unwrap() - token["iat"].as_i64().unwrap();
        assert!((500..=600).contains(&lives_s), "{lives_s}");
        // A ticket does not outlive the grant either.
        world.advance_s(580);
        let tokens = phone.refresh(&tokens.text("refresh_token")).await;
        let path = scene.path(&mut phone, &tokens).await;
        let mut late = Browser::default();
        let page = late.visit(world, &path).await;
        assert_eq!(page.title(), "Continue as alice@example.com?", "{}", page.html);
        world.advance_s(21);
        let refused = late.submit(world, &page, &[], "continue").await;
        assert!(refused.status == 400 && refused.says("This app can no longer lead you there"), "{}", refused.text());
        assert_eq!(late.visit(world, &path).await.status, 400);
        assert!(site(world, &mut browser).await.is_none(), "the app's grant has had its time");
        let (status, answer) = site_refresh(world, &site_tokens).await;
        assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_grant")));
        assert_eq!(world.audited("handed_over").await, 1);
        scene.world.stop().await;
    })
    .await;
}

/// 324-X: which browser, when, by which form, and who is there already.
#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_of_one_browser_for_a_minute() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        world.person("bob").await;
        let (mut phone, tokens) = scene.app("handing", "alice").await;
        // The first browser is the only one.
        let path = scene.path(&mut phone, &tokens).await;
        let (mut first, mut second) = (Browser::default(), Browser::default());
        let page = first.visit(world, &path).await;
        assert_eq!(second.visit(world, &path).await.status, 400);
        let refused = world.entries("handover_refused").await;
        assert_eq!(
            (refused.len(), refused[0]["reason"].as_str(), refused[0]["client"].as_str()),
            (1, Some("another browser's"), Some("handing"))
        );
        assert_eq!(first.visit(world, &path).await.title(), "Continue as alice@example.com?", "a reload");
        // Without the cookie, without the token, from another site, by another button.
        let fields = page.fields();
        let token = fields["form_token"].as_str();
        let form = [("form_token", token), ("action", "continue")];
        assert_eq!(world.http.post(world.url(&path)).form(&form).send().await.unwrap().status().as_u16(), 400);
        for form in [[("form_token", "x"), ("action", "continue")], [("form_token", token), ("action", "switch_person")]] {
            let answer = first.dress(world.http.post(world.url(&path)).form(&form)).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), 400, "{form:?}");
        }
        let crossed = first.dress(world.http.post(world.url(&path)).form(&form)).header("sec-fetch-site", "cross-site");
        assert_eq!(crossed.send().await.unwrap().status().as_u16(), 400);
        assert!(leads_on(&first.submit(world, &page, &[], "continue").await), "the twin");
        // Too late, before it was opened and after.
        let (early, late) = (scene.path(&mut phone, &tokens).await, scene.path(&mut phone, &tokens).await);
        let open = second.visit(world, &early).await;
        world.advance_s(61);
        assert_eq!(second.visit(world, &late).await.status, 400);
        assert_eq!(second.submit(world, &open, &[], "continue").await.status, 400);
        // The app signs out meanwhile.
        let (mut gone, gone_tokens) = scene.app("handing", "alice").await;
        let path = scene.path(&mut gone, &gone_tokens).await;
        let page = second.visit(world, &path).await;
        assert_eq!(gone.post("/revoke", &[("token", &gone_tokens.text("refresh_token"))]).await.status, 200);
        assert_eq!(second.submit(world, &page, &[], "continue").await.status, 400);
        // Somebody else is there: named, and left alone until a button of its own is pressed.
        let mut shared = Browser::default();
        shared.sign_in(world, &Ask::native("openid"), "bob").await;
        let path = scene.path(&mut phone, &tokens).await;
        let page = shared.visit(world, &path).await;
        assert!(page.says("bob@example.com is signed in in this browser"), "{}", page.text());
        assert!(page.action("switch_person") && !page.action("continue"));
        assert_eq!(shared.submit(world, &page, &[], "continue").await.status, 400);
        assert_eq!(shared.visit(world, "/account").await.kind(), "account", "bob stays");
        assert!(leads_on(&shared.submit(world, &page, &[], "switch_person").await));
        assert_ne!(shared.visit(world, "/account").await.kind(), "account");
        // The same person is there in full: the session stays what it is.
        let mut own = Browser::default();
        own.sign_in(world, &Ask::native("openid"), "alice").await;
        let path = scene.path(&mut phone, &tokens).await;
        let page = own.visit(world, &path).await;
        assert!(leads_on(&own.submit(world, &page, &[], "continue").await));
        assert_eq!(own.visit(world, "/account").await.kind(), "account");
        scene.world.stop().await;
    })
    .await;
}

/// Who gets a ticket.
#[tokio::test(flavor = "multi_thread")]
async fn only_an_attested_app_that_may_gets_a_ticket() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        let (mut phone, tokens) = scene.app("handing", "alice").await;
        let (mut plain, plain_tokens) = scene.app("plain", "alice").await;
        let (mut loose, loose_tokens) = scene.app("loose", "alice").await;
        assert_eq!(scene.ticket(&mut plain, &plain_tokens).await.error(), (403, "insufficient_scope"));
        assert_eq!(scene.ticket(&mut loose, &loose_tokens).await.error(), (403, "insufficient_scope"));
        let mut thief = Phone::new(world, "handing", APP_BACK);
        assert_eq!(scene.ticket(&mut thief, &tokens).await.error(), (401, "invalid_token"));
        let bearer = world.http.post(world.url("/handover")).bearer_auth(tokens.text("access_token"));
        let bearer = bearer.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
        assert_eq!(bearer.status().as_u16(), 401);
        // In wrong hands, or where it may not: each is an entry of the person and the client.
        let refused = world.entries("handover_refused").await;
        let said: Vec<_> = refused.iter().map(|it| (it["client"].as_str(), it["detail"]["error"].as_str())).collect();
        let expected =
            [("plain", "insufficient_scope"), ("loose", "insufficient_scope"), ("handing", "invalid_token"), ("handing", "invalid_token")];
        assert_eq!(said, expected.map(|(client, error)| (Some(client), Some(error))), "{refused:?}");
        assert!(refused.iter().all(|it| it["account"].is_string() && it["reason"].is_string()), "{refused:?}");
        assert_eq!(scene.ticket(&mut phone, &tokens).await.status, 200, "the twin");
        for odd in ["x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &tokens.text("refresh_token")] {
            assert_eq!(Browser::default().visit(world, &format!("/handover/{odd}")).await.status, 400, "{odd}");
        }
        scene.world.stop().await;
    })
    .await;
}

/// 625-Q: the form at once, 64 times, at two nodes: one session.
#[tokio::test(flavor = "multi_thread")]
async fn at_once_a_ticket_is_spent_once() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        let second = world.another("").await;
        let (mut phone, tokens) = scene.app("handing", "alice").await;
        let path = scene.path(&mut phone, &tokens).await;
        let mut browser = Browser::default();
        let page = browser.visit(world, &path).await;
        let token = page.fields()["form_token"].clone();
        let mut answers = Vec::new();
        for number in 0..64 {
            let node = if number % 2 == 0 { &world.node } else { &second.node };
            let request = node.http.post(format!("{}{path}", node.url)).form(&[("form_token", token.as_str()), ("action", "continue")]);
            let request = browser.dress(request);
            answers.push(tokio::spawn(async move { request.send().await.unwrap().status().as_u16() }));
        }
        let mut statuses = Vec::new();
        for answer in answers {
            statuses.push(answer.await.unwrap());
        }
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 200 | 400)), "{statuses:?}");
        assert_eq!(world.audited("handed_over").await, 1);
        second.running.stop().await;
        scene.world.stop().await;
    })
    .await;
}

/// 324-X, 625-Q: the link at once, in 64 browsers and at two nodes: one of them is asked, and goes on.
#[tokio::test(flavor = "multi_thread")]
async fn at_once_a_ticket_is_opened_in_one_browser() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        let second = world.another("").await;
        let (mut phone, tokens) = scene.app("handing", "alice").await;
        let path = scene.path(&mut phone, &tokens).await;
        let mut opened = Vec::new();
        for number in 0..64 {
            let (node, path) = (if number % 2 == 0 { world.node.clone() } else { second.node.clone() }, path.clone());
            opened.push(tokio::spawn(async move {
                let mut browser = Browser::default();
                let page = browser.visit(&node, &path).await;
                (browser, page)
            }));
        }
        let mut asked = Vec::new();
        for one in opened {
            let (browser, page) = one.await.unwrap();
            assert!(matches!(page.status, 200 | 400), "{} {}", page.status, page.html);
            asked.extend((page.status == 200).then_some((browser, page)));
        }
        assert_eq!(asked.len(), 1);
        let (mut browser, page) = asked.remove(0);
        assert!(leads_on(&browser.submit(world, &page, &[], "continue").await), "the twin");
        second.running.stop().await;
        scene.world.stop().await;
    })
    .await;
}

/// What cannot be meant is an error at the start.
#[test]
fn a_handover_that_cannot_be_meant_is_refused() {
    let good = clients(&new_key());
    let with = |text: &str| Configuration::to_read().with(&good).with(text).read();
    with("").unwrap();
    for (text, why) in [
        ("[client.handing.handover]\nclients = []", "handover.clients is empty"),
        ("[client.handing.handover]\nclients = [\"nobody\"]", "there is no [client.nobody]"),
        ("[client.handing.handover]\nurl = \"http://shop.example.com/\"", "handover.url is no https URL"),
        ("[client.handing.handover]\nurl = \"\"", "handover.url is no https URL"),
        ("[client.handing]\nfirst_party = false", "handover is only for first_party apps that are attested"),
        ("[client.loose.handover]\nclients = [\"shop-web\"]\nurl = \"https://a.example/\"", "handover is only for first_party apps"),
    ] {
        let error = with(text).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
}

/// What another person had begun in the browser is over when the app's person goes on there. The twin: without the hand-over it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_hand_over_ends_what_others_had_begun() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        world.person("bob").await;
        let planner = || Ask::new("third-party", "https://third.example.com/callback", "openid orders:read");
        for is_handed_over in [true, false] {
            let mut browser = Browser::default();
            let page = browser.open(world, &planner()).await;
            let consent = browser.submit_password(world, &page, "bob", PASSWORD).await;
            assert_eq!(consent.kind(), "consent", "{}", consent.html);
            if is_handed_over {
                let (mut phone, tokens) = scene.app("handing", "alice").await;
                let path = scene.path(&mut phone, &tokens).await;
                let page = browser.visit(world, &path).await;
                let action = if page.action("continue") { "continue" } else { "switch_person" };
                assert!(leads_on(&browser.submit(world, &page, &[], action).await));
            }
            let done = browser.submit(world, &consent, &[], "allow").await;
            assert_eq!(done.has_code(), !is_handed_over, "{} {}", done.status, done.html);
        }
        scene.world.stop().await;
    })
    .await;
}

/// The page is fixed with the ticket: where the configuration leads elsewhere by then, the ticket leads nowhere. 324-X: nor does anybody write
/// another page into it.
#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_leads_where_it_was_made_for() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        let (mut phone, tokens) = scene.app("handing", "alice").await;
        let (path, opened) = (scene.path(&mut phone, &tokens).await, scene.path(&mut phone, &tokens).await);
        let mut browser = Browser::default();
        let page = browser.visit(world, &opened).await;
        assert_eq!(page.title(), "Continue as alice@example.com?", "{}", page.html);
        // Another page in the ticket is another ticket.
        let bytes = base64url::decode(path.rsplit('/').next().unwrap()).unwrap();
        let elsewhere = [&bytes[..24], &symbolon_oauth::digest::sha256(b"https://evil.example/")[..12]].concat();
        let forged = Browser::default().visit(world, &format!("/handover/{}", base64url::encode(&elsewhere))).await;
        assert_eq!(forged.status, 400, "{}", forged.html);
        world.reload(|it| it.set("client.handing.handover.url", "https://shop.example.com/other")).await;
        for (browser, refused) in
            [(true, browser.submit(world, &page, &[], "continue").await), (false, Browser::default().visit(world, &path).await)]
        {
            assert_eq!(refused.status, 400, "{browser}: {}", refused.html);
            assert!(refused.says("This app can no longer lead you there"), "{}", refused.text());
        }
        assert_eq!(world.audited("handed_over").await, 0);
        world.reload(|it| it.set("client.handing.handover.url", TO)).await;
        assert!(leads_on(&browser.submit(world, &page, &[], "continue").await), "the twin");
        scene.world.stop().await;
    })
    .await;
}

/// The ticket's cookie is of this host alone where there is TLS, and no answer with it is kept. A ticket is no other artefact.
#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_kept_nowhere_and_is_nothing_else() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        let (mut phone, tokens) = scene.app("handing", "alice").await;
        let made = scene.ticket(&mut phone, &tokens).await;
        assert_eq!(made.header("cache-control"), Some("no-store"));
        let path = made.text("handover_uri").replace(&world.issuer, "");
        let ticket = path.rsplit('/').next().unwrap();
        for (name, grant) in [("code", "authorization_code"), ("refresh_token", "refresh_token")] {
            let form = [("grant_type", grant), ("client_id", "shop-ios"), (name, ticket)];
            assert_eq!(world.post("/token", &form, None).await.1["error"], "invalid_grant", "{name}");
        }
        assert_eq!(world.post("/introspect", &[("token", ticket)], Some("orders")).await.1["active"], false);
        assert_eq!(world.http.get(world.url("/userinfo")).bearer_auth(ticket).send().await.unwrap().status().as_u16(), 401);
        let mut browser = Browser::default();
        let page = browser.visit(world, &path).await;
        assert_eq!((page.status, page.header("cache-control")), (200, Some("no-store")), "{}", page.html);
        let cookie = page.header("set-cookie").unwrap_or_default().to_owned();
        assert!(cookie.contains("symbolon-handover=") && cookie.contains("; HttpOnly") && cookie.contains("Max-Age=60"), "{cookie}");
        let done = browser.submit(world, &page, &[], "continue").await;
        assert!(leads_on(&done), "{}", done.html);
        assert_eq!((done.header("cache-control"), done.header("referrer-policy")), (Some("no-store"), Some("no-referrer")));
        scene.world.stop().await;
    })
    .await;
}

/// Where there is TLS, the ticket's cookie is of this host alone.
#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_of_a_ticket_is_of_this_host_alone() {
    use symbolon::store::tables::{app_grant, session};
    let directory = std::env::temp_dir().join(format!("symbolon-handover-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let (trusted, attester) = (crate::tls::certificate(&directory), new_key());
    let configuration = Configuration::on(Engine::Sqlite).await.with_tls(&directory).with(&clients(&attester));
    let (world, port) = (configuration.start().await, configuration.port);
    let core = world.running.shared.now();
    let alice = core.accounts().by_name("alice").await.unwrap().unwrap().id;
    let (now_ms, id) = (core.now_ms(), [7_u8; 16]);
    let mut change = symbolon::store::Change::new(now_ms);
    let bytes = |bytes: &[u8]| symbolon::store::Value::from(bytes);
    let mut own = vec![bytes(&id), alice.as_str().into(), bytes(&[]), "[]".into(), "".into(), "".into(), now_ms.into(), now_ms.into()];
    own.extend(["".into(), "".into(), (now_ms + 600_000).into()]);
    change.run(session::INSERT, own);
    let named = || vec![bytes(&id), 1_i64.into()];
    let request = serde_json::to_string(&symbolon::grants::RequestRecord::default()).unwrap();
    let what = [alice.as_str(), "handing", "bearer", "", "openid", "[]", &request].map(symbolon::store::Value::from);
    let ends = vec![bytes(&[1; 16]), now_ms.into(), (now_ms + 600_000).into()];
    change.run(app_grant::INSERT, [named(), what.to_vec(), ends].concat());
    change.run(app_grant::ACTIVATE, [named(), vec![now_ms.into(), "bearer".into(), "".into()]].concat());
    core.store.apply(change).await.unwrap();
    let grant = symbolon::grants::read(&core, &id, 1).await.unwrap().unwrap();
    let ticket = symbolon::authorization::handover::issue(&core, &grant, TO, now_ms).await.unwrap();
    let http = crate::tls::client(&trusted).build().unwrap();
    let page = http.get(format!("https://localhost:{port}/handover/{ticket}")).send().await.unwrap();
    let cookies: Vec<&str> = page.headers().get_all("set-cookie").iter().map(|it| it.to_str().unwrap()).collect();
    let own = cookies.iter().find(|it| it.starts_with("__Host-symbolon-handover=")).unwrap_or_else(|| panic!("{cookies:?}"));
    assert!(own.contains("; Secure") && own.contains("; Path=/;") && !own.contains("Domain"), "{own}");
    assert_eq!((page.status().as_u16(), page.headers()["cache-control"].to_str().unwrap()), (200, "no-store"));
    world.stop().await;
    std::fs::remove_dir_all(&directory).unwrap();
}
