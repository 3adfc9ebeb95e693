//! Kiosks: a member shows a code from the phone, the kiosk gets a short token for that member. docs/kiosk.md. Each refusal with its twin.

use crate::commands::symbolon;
use crate::world::*;
use serde_json::{Value as Json, json};
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::kiosk::{self, GRANT_TYPE, Statement};
use symbolon_oauth::{base64url, jws};

pub const MEMBERS: &str = "https://member.example.com/cb";

pub struct Scene {
    pub world: World,
    attester: PrivateKey,
    pub gates: [PrivateKey; 2],
}

impl Scene {
    /// Two gates that the operator has named, and a member's app that binds its tokens to a key.
    pub async fn start(engine: Engine, more: &str) -> Self {
        let (attester, gates) = (new_key(), [new_key(), new_key()]);
        let world = Self::configuration(engine, &attester, &gates).await.with(more).start().await;
        Self { world, attester, gates }
    }

    async fn configuration(engine: Engine, attester: &PrivateKey, gates: &[PrivateKey; 2]) -> Configuration {
        let text = format!(
            "[client.member-app]\nkind = \"native\"\nname = \"Members\"\nfirst_party = true\ndpop = \"required\"\n\
             apis = {{ orders = [\"orders:read\", \"orders:write\"] }}\nredirect_uris = [\"{MEMBERS}\"]\n\
             [client.gate]\nkind = \"native\"\nname = \"Gates\"\nfirst_party = true\nauthentication = \"attest_jwt_client_auth_dpop\"\n\
             apis = {{ orders = [\"orders:read\"] }}\ngrants = [\"{GRANT_TYPE}\"]\n[client.gate.attestation]\nattester_jwks = {}\n\
             [client.gate.kiosk]\nmembers = [\"member-app\"]\n\
             [client.gate.kiosk.device.{}]\nname = \"Gate 3\"\nplace = \"Main hall\"\n\
             [client.gate.kiosk.device.{}]\nname = \"Gate 4\"\nplace = \"Garden\"\n",
            named_jwks(attester),
            gates[0].kid(),
            gates[1].kid()
        );
        Configuration::on(engine).await.with(&text)
    }

    pub fn gate(&self, key: &PrivateKey) -> Phone<'_> {
        let mut gate = Phone { attester: Some(&self.attester), ..Phone::new(&self.world, "gate", MEMBERS) }.with_key(key.clone());
        gate.attest_for(3600);
        gate
    }
}

async fn on_every_engine<T: Future<Output = ()>>(test: impl Fn(Scene) -> T) {
    for engine in engines() {
        test(Scene::start(engine, "").await).await;
    }
}

/// What the member's app keeps.
pub struct Member {
    pub pass: String,
    pub refresh: String,
}

pub async fn member(phone: &mut Phone<'_>, scope: &str) -> Member {
    let tokens = phone.tokens(scope).await;
    assert!(tokens.body["kiosk_pass_expires_in"].as_i64().unwrap() == 900, "{}", tokens.body);
    Member { pass: tokens.text("kiosk_pass"), refresh: tokens.text("refresh_token") }
}

pub async fn challenge(gate: &mut Phone<'_>) -> Json {
    let answer = gate.post("/kiosk/challenge", &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

pub fn nonce(challenge: &Json) -> String {
    claims(challenge["challenge"].as_str().unwrap())["nonce"].as_str().unwrap().to_owned()
}

pub fn proof(phone: &Phone<'_>, pass: &str, challenge: Option<&str>) -> String {
    let jti = fresh();
    let statement = Statement { issuer: &phone.world.node.issuer, pass, jti: &jti, iat: phone.now_s(), challenge };
    let input = kiosk::signing_input(&statement).unwrap();
    jws::with_signature(&input, &phone.key.sign(input.as_bytes()).unwrap())
}

pub async fn show(gate: &mut Phone<'_>, proof: &str) -> Answer {
    gate.post("/token", &[("grant_type", GRANT_TYPE), ("proof", proof)]).await
}

/// A member is let in: the token is the kiosk's, short, for the member, and it says where.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_let_in() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        let mut phone = Phone { pushes: false, ..Phone::new(world, "member-app", MEMBERS) };
        let member = member(&mut phone, "openid orders:read orders:write").await;
        let mut gate = scene.gate(&scene.gates[0]);
        let asked = challenge(&mut gate).await;
        assert_eq!((asked["expires_in"].as_i64(), asked["changes_in"].as_i64()), (Some(60), Some(20)));
        let said = claims(asked["challenge"].as_str().unwrap());
        assert_eq!((said["name"].as_str(), said["place"].as_str()), (Some("Gate 3"), Some("Main hall")));
        let picture = kiosk::to_picture(&proof(&phone, &member.pass, Some(&nonce(&asked))));
        let answer = show(&mut gate, &picture).await;
        assert_eq!((answer.status, answer.text("token_type").as_str()), (200, "DPoP"), "{}", answer.body);
        for name in ["refresh_token", "id_token", "kiosk_pass"] {
            assert!(answer.body.get(name).is_none(), "{name}: {}", answer.body);
        }
        assert!(answer.body["expires_in"].as_i64().unwrap() <= 300);
        let token = claims(&answer.text("access_token"));
        assert_eq!(token["sub"], claims(&phone.refresh(&member.refresh).await.text("access_token"))["sub"]);
        assert_eq!((token["client_id"].as_str(), token["scope"].as_str()), (Some("gate"), Some("orders:read")));
        assert_eq!(token["cnf"]["jkt"], scene.gates[0].kid());
        let act = json!({ "sub": "gate", "device": scene.gates[0].kid(), "name": "Gate 3", "place": "Main hall" });
        assert_eq!(token["act"], act);
        assert!(token["auth_time"].is_i64() && token["amr"].is_array(), "of the phone's session: {token}");
        let introspect = async |token: &str| world.post("/introspect", &[("token", token)], Some("orders")).await.1["active"].clone();
        assert_eq!(introspect(&answer.text("access_token")).await, true);
        let entry = world.entries("kiosk_visited").await.remove(0);
        assert_eq!((entry["detail"]["place"].as_str(), entry["instance"].as_str()), (Some("Main hall"), Some(scene.gates[0].kid())));
        // The person sees the kiosk among the apps with access, and takes it away.
        let mut browser = Browser::default();
        browser.sign_in(world, &Ask::native("openid"), "alice").await;
        let page = browser.visit(world, "/account").await;
        assert!(page.says("Gates"), "{}", page.text());
        browser.change(world, &page, "revoke_app:gate").await;
        assert_eq!(introspect(&answer.text("access_token")).await, false);
        scene.world.stop().await;
    })
    .await;
}

/// 303-H, 319-X, K-16: replayed, relayed, late, altered, of another server; each beside a good one. The first token lives, and the member is warned.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_good_once_at_one_kiosk() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        let mut phone = Phone { pushes: false, ..Phone::new(world, "member-app", MEMBERS) };
        let member = member(&mut phone, "orders:read").await;
        let (mut gate, mut other) = (scene.gate(&scene.gates[0]), scene.gate(&scene.gates[1]));
        let refused = |answer: &Answer, why: &str| {
            assert_eq!(answer.error(), (400, "invalid_grant"), "{}", answer.body);
            assert!(answer.text("error_description").contains(why), "{why}: {}", answer.body);
        };
        let asked = nonce(&challenge(&mut gate).await);
        let good = proof(&phone, &member.pass, Some(&asked));
        // Photographed and carried to another kiosk, before it is shown at its own.
        refused(&show(&mut other, &good).await, "another kiosk");
        let first = show(&mut gate, &good).await;
        assert_eq!(first.status, 200, "{}", first.body);
        refused(&show(&mut gate, &good).await, "used already");
        refused(&show(&mut other, &good).await, "another kiosk");
        // A second code for the same picture of the kiosk.
        refused(&show(&mut gate, &proof(&phone, &member.pass, Some(&asked))).await, "picture was used already");
        let active = world.post("/introspect", &[("token", &first.text("access_token"))], Some("orders")).await.1["active"].clone();
        assert_eq!(active, true, "the first token lives");
        assert_eq!((world.audited("kiosk_code_elsewhere").await, world.audited("kiosk_code_replayed").await), (1, 1));
        // The picture has changed meanwhile.
        let asked = nonce(&challenge(&mut gate).await);
        world.advance_s(61);
        refused(&show(&mut gate, &proof(&phone, &member.pass, Some(&asked))).await, "has changed since");
        // Without a picture, with one that nobody made, with another key, and what is no code at all.
        let asked = nonce(&challenge(&mut gate).await);
        refused(&show(&mut gate, &proof(&phone, &member.pass, None)).await, "scan this kiosk's picture");
        refused(&show(&mut gate, &proof(&phone, &member.pass, Some("AAAA"))).await, "another kiosk");
        let stranger = Phone { pushes: false, ..Phone::new(world, "member-app", MEMBERS) };
        refused(&show(&mut gate, &proof(&stranger, &member.pass, Some(&asked))).await, "not a member's code");
        refused(&show(&mut gate, &proof(&phone, "sp_AAAA", Some(&asked))).await, "not a member's code");
        let long = "A".repeat(5000);
        for odd in ["x", "a.b.c", "%%%", long.as_str(), &phone.proof("POST", "/token", None), &member.refresh] {
            refused(&show(&mut gate, odd).await, "not a member's code");
        }
        assert_eq!(gate.post("/token", &[("grant_type", GRANT_TYPE)]).await.error(), (400, "invalid_request"));
        // The phone's clock does not matter beside a picture: it is ten years off.
        let jti = fresh();
        let statement =
            Statement { issuer: &world.node.issuer, pass: &member.pass, jti: &jti, iat: 1_000_000_000, challenge: Some(&asked) };
        let input = kiosk::signing_input(&statement).unwrap();
        let wrong_clock = jws::with_signature(&input, &phone.key.sign(input.as_bytes()).unwrap());
        assert_eq!(show(&mut gate, &wrong_clock).await.status, 200);
        // The bound of a phone without a network.
        world.advance_s(900);
        gate.attest_for(3600);
        let asked = nonce(&challenge(&mut gate).await);
        refused(&show(&mut gate, &proof(&phone, &member.pass, Some(&asked))).await, "without a network for too long");
        let renewed = phone.refresh(&member.refresh).await.text("kiosk_pass");
        assert_eq!(show(&mut gate, &proof(&phone, &renewed, Some(&asked))).await.status, 200, "the twin");
        scene.world.stop().await;
    })
    .await;
}

/// What a kiosk is answered that shows 64 codes at once, at two nodes.
async fn at_once(gate: &mut Phone<'_>, nodes: [&Node; 2], mut code: impl FnMut() -> String) -> Vec<Answer> {
    let mut requests = Vec::new();
    for number in 0..64 {
        let (headers, code, node) = (gate.headers("/token"), code(), nodes[number % 2]);
        let form = [("grant_type", GRANT_TYPE), ("proof", code.as_str()), ("client_id", "gate")];
        let request = node.http.post(format!("{}/token", node.url)).form(&form);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        requests.push(tokio::spawn(async move { Answer::to(request).await }));
    }
    futures_util::future::join_all(requests).await.into_iter().map(Result::unwrap).collect()
}

/// 625-Q: one code at once, at two nodes: one token.
#[tokio::test(flavor = "multi_thread")]
async fn at_once_one_is_let_in() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        let second = world.another("").await;
        let mut phone = Phone { pushes: false, ..Phone::new(world, "member-app", MEMBERS) };
        let member = member(&mut phone, "orders:read").await;
        let mut gate = scene.gate(&scene.gates[0]);
        let good = proof(&phone, &member.pass, Some(&nonce(&challenge(&mut gate).await)));
        let answers = at_once(&mut gate, [&world.node, &second.node], || good.clone()).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 200 | 400 | 429)), "{statuses:?}");
        assert_eq!(world.audited("kiosk_visited").await, 1);
        second.running.stop().await;
        scene.world.stop().await;
    })
    .await;
}

/// 625-Q: one picture of a kiosk at once, under 64 codes and at two nodes: one token.
#[tokio::test(flavor = "multi_thread")]
async fn at_once_a_challenge_is_answered_once() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        let second = world.another("").await;
        let mut phone = Phone { pushes: false, ..Phone::new(world, "member-app", MEMBERS) };
        let member = member(&mut phone, "orders:read").await;
        let mut gate = scene.gate(&scene.gates[0]);
        let asked = nonce(&challenge(&mut gate).await);
        let mut good = 0;
        for answer in at_once(&mut gate, [&world.node, &second.node], || proof(&phone, &member.pass, Some(&asked))).await {
            good += usize::from(answer.status == 200);
            let used = answer.error() == (400, "invalid_grant") && answer.text("error_description").contains("picture was used already");
            assert!(answer.status == 200 || used, "{answer:?}");
        }
        assert_eq!((good, world.audited("kiosk_visited").await), (1, 1));
        assert_eq!(world.audited("kiosk_code_replayed").await, 0, "no code was shown twice");
        second.running.stop().await;
        scene.world.stop().await;
    })
    .await;
}

/// What lets nobody in: another client's kiosk, a device that nobody named or that was revoked, a member who is signed out or disabled,
/// an app that is not of the members.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_gone_lets_nobody_in() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        world.person("bob").await;
        let mut phone = Phone { pushes: false, ..Phone::new(world, "member-app", MEMBERS) };
        let alices = member(&mut phone, "orders:read").await;
        let mut bobs_phone = Phone { pushes: false, ..Phone::new(world, "member-app", MEMBERS) };
        let bobs_ask = bobs_phone.ask("orders:read");
        let bobs = bobs_phone.tokens_for(&bobs_ask, "bob", &[]).await.text("kiosk_pass");
        let (mut gate, mut other) = (scene.gate(&scene.gates[0]), scene.gate(&scene.gates[1]));
        // A genuine installation of the kiosk's app that the operator has not named.
        let nobodys = new_key();
        let mut unnamed = scene.gate(&nobodys);
        assert_eq!(unnamed.post("/kiosk/challenge", &[]).await.error(), (400, "unauthorized_client"));
        let asked = nonce(&challenge(&mut gate).await);
        let code = proof(&phone, &alices.pass, Some(&asked));
        assert_eq!(show(&mut unnamed, &code).await.error(), (400, "unauthorized_client"));
        assert_eq!(phone.post("/token", &[("grant_type", GRANT_TYPE), ("proof", &code)]).await.error(), (400, "unauthorized_client"));
        assert_eq!(phone.post("/kiosk/challenge", &[]).await.error(), (400, "unauthorized_client"));
        assert_eq!(show(&mut gate, &code).await.status, 200, "the twin");
        // More than the kiosk may have, or than the member's app holds.
        let asked = nonce(&challenge(&mut gate).await);
        let code = proof(&phone, &alices.pass, Some(&asked));
        let wide = [("grant_type", GRANT_TYPE), ("proof", code.as_str()), ("scope", "orders:write")];
        assert_eq!(gate.post("/token", &wide).await.error(), (400, "invalid_scope"));
        // An app of the shop gets no pass.
        let mut shop = world.phone();
        assert!(shop.tokens("orders:read").await.body.get("kiosk_pass").is_none());
        // The member is disabled; the other one is let in.
        assert_eq!(symbolon(&world.file(), &["user", "disable", "bob"], "").await.0, Some(0));
        let asked = nonce(&challenge(&mut gate).await);
        assert_eq!(show(&mut gate, &proof(&bobs_phone, &bobs, Some(&asked))).await.error(), (400, "invalid_grant"));
        let visit = show(&mut gate, &proof(&phone, &alices.pass, Some(&asked))).await;
        assert_eq!(visit.status, 200, "{}", visit.body);
        // One kiosk is revoked, with what it got; the other goes on.
        let introspect = async |token: &str| world.post("/introspect", &[("token", token)], Some("orders")).await.1["active"].clone();
        assert_eq!(symbolon(&world.file(), &["instance", "revoke", scene.gates[0].kid()], "").await.0, Some(0));
        assert_eq!(introspect(&visit.text("access_token")).await, false);
        assert_eq!(gate.post("/kiosk/challenge", &[]).await.status, 401);
        let asked = nonce(&challenge(&mut other).await);
        let visit = show(&mut other, &proof(&phone, &alices.pass, Some(&asked))).await;
        assert_eq!(visit.status, 200, "{}", visit.body);
        // "Done" at the kiosk.
        let done = other.post("/revoke", &[("token", &visit.text("access_token"))]).await;
        assert_eq!((done.status, introspect(&visit.text("access_token")).await), (200, Json::from(false)));
        // The app signs out.
        let asked = nonce(&challenge(&mut other).await);
        let code = proof(&phone, &alices.pass, Some(&asked));
        assert_eq!(phone.post("/revoke", &[("token", &alices.refresh)]).await.status, 200);
        assert_eq!(show(&mut other, &code).await.error(), (400, "invalid_grant"));
        scene.world.stop().await;
    })
    .await;
}

/// K-15: with `mode = "any"` the clock is judged, and the scopes are those of that mode.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_picture_the_clock_counts() {
    let more = "[client.gate.kiosk]\nmode = \"any\"\nany_scopes = [\"orders:read\"]\n";
    let scene = Scene::start(Engine::Sqlite, more).await;
    let world = &scene.world;
    let mut phone = Phone { pushes: false, ..Phone::new(world, "member-app", MEMBERS) };
    let member = member(&mut phone, "orders:read").await;
    let mut gate = scene.gate(&scene.gates[0]);
    let off_by = |seconds: i64| {
        let jti = fresh();
        let statement =
            Statement { issuer: &world.node.issuer, pass: &member.pass, jti: &jti, iat: phone.now_s() + seconds, challenge: None };
        let input = kiosk::signing_input(&statement).unwrap();
        jws::with_signature(&input, &phone.key.sign(input.as_bytes()).unwrap())
    };
    for (seconds, outcome) in [(0, 200), (45, 200), (-45, 200), (600, 400), (-600, 400)] {
        let code = off_by(seconds);
        let answer = show(&mut gate, &code).await;
        assert_eq!(answer.status, outcome, "{seconds}: {}", answer.body);
        if outcome == 400 {
            assert!(answer.text("error_description").contains("the phone's clock is wrong"), "{}", answer.body);
        } else {
            assert_eq!(show(&mut gate, &code).await.error(), (400, "invalid_grant"), "once");
        }
    }
    scene.world.stop().await;
}

/// A proof is nothing but a proof, and nothing else is one.
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_taken_nowhere_else() {
    let scene = Scene::start(Engine::Sqlite, "").await;
    let world = &scene.world;
    let mut phone = Phone { pushes: false, ..Phone::new(world, "member-app", MEMBERS) };
    let member = member(&mut phone, "openid orders:read").await;
    let mut gate = scene.gate(&scene.gates[0]);
    let asked = challenge(&mut gate).await;
    let code = proof(&phone, &member.pass, Some(&nonce(&asked)));
    let shown = asked["challenge"].as_str().unwrap();
    for text in [code.as_str(), shown, &member.pass] {
        let assertion = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        for form in [
            vec![("grant_type", "authorization_code"), ("client_id", "shop-ios"), ("code", text)],
            vec![("grant_type", "refresh_token"), ("client_id", "shop-ios"), ("refresh_token", text)],
            vec![("grant_type", "client_credentials"), ("client_assertion_type", assertion), ("client_assertion", text)],
        ] {
            let (status, answer) = world.post("/token", &form, None).await;
            assert!(matches!(status, 400 | 401) && answer["error"].is_string(), "{form:?}: {answer}");
        }
        assert_eq!(world.post("/introspect", &[("token", text)], Some("orders")).await.1["active"], false);
        let me = world.http.get(world.url("/userinfo")).bearer_auth(text).send().await.unwrap();
        assert_eq!(me.status().as_u16(), 401);
        let dpop = world.http.post(world.url("/token")).form(&[("client_id", "shop-ios")]).header("dpop", text).send().await.unwrap();
        assert_eq!(dpop.json::<Json>().await.unwrap()["error"], "invalid_dpop_proof");
        let par = [("client_id", "shop-ios"), ("request", text)];
        assert_eq!(world.post("/par", &par, None).await.0, 400);
        let hint = Ask::native("openid").with("id_token_hint", text).with("prompt", "none");
        assert_ne!(Browser::default().open(world, &hint).await.error().as_deref(), None);
    }
    assert_eq!(show(&mut gate, &code).await.status, 200, "the twin");
    scene.world.stop().await;
}

/// The picture is small enough for a cheap scanner. docs/kiosk.md has what is measured here, by the length of the issuer, which stands in both.
#[tokio::test(flavor = "multi_thread")]
async fn the_pictures_are_small() {
    let scene = Scene::start(Engine::Sqlite, "").await;
    let mut phone = Phone { pushes: false, ..Phone::new(&scene.world, "member-app", MEMBERS) };
    let member = member(&mut phone, "orders:read").await;
    let asked = challenge(&mut scene.gate(&scene.gates[0])).await;
    let (nonce, shown) = (nonce(&asked), asked["challenge"].as_str().unwrap());
    let header: Json = serde_json::from_slice(&base64url::decode(shown.split('.').next().unwrap()).unwrap()).unwrap();
    let version = |text: &str| {
        let drawn = qrcode::QrCode::with_error_correction_level(kiosk::to_picture(text).as_bytes(), qrcode::EcLevel::L).unwrap();
        let qrcode::Version::Normal(version) = drawn.version() else { panic!("{text}") };
        version
    };
    let mut measured = String::new();
    for letters in [20, 30, 40, 60, 80] {
        let issuer = "i".repeat(letters);
        let statement = Statement { issuer: &issuer, pass: &member.pass, jti: &fresh(), iat: phone.now_s(), challenge: Some(&nonce) };
        let input = kiosk::signing_input(&statement).unwrap();
        let code = jws::with_signature(&input, &phone.key.sign(input.as_bytes()).unwrap());
        let mut said = claims(shown);
        said["iss"] = issuer.as_str().into();
        let picture = jws::sign_with_header(&phone.key, &header, &said).unwrap();
        measured += &format!("| {letters} | {} | {} |\n", version(&code), version(&picture));
    }
    assert!(include_str!("../../../docs/kiosk.md").contains(&measured), "{measured}");
    scene.world.stop().await;
}

/// What cannot be meant is an error at the start.
#[tokio::test]
async fn a_kiosk_that_cannot_be_meant_is_refused() {
    let (attester, gates) = (PrivateKey::generate(Algorithm::ES256).unwrap(), [new_key(), new_key()]);
    let good = Scene::configuration(Engine::Sqlite, &attester, &gates).await;
    good.clone().read().unwrap();
    let digest = secret_digest();
    for (text, why) in [
        ("[client.gate]\nfirst_party = false", "needs mode = \"confirm\""),
        (&format!("[client.gate]\nauthentication = \"none\"\nsecret = '{digest}'"), "authenticate by attestation"),
        ("[client.gate]\ngrants = [\"refresh_token\"]", "a kiosk has one grant"),
        ("[client.gate.kiosk]\nmembers = []", "kiosk.members is empty"),
        ("[client.gate.kiosk]\nmembers = [\"shop-ios\"]", "binds its tokens to no key"),
        ("[client.gate.kiosk]\nmembers = [\"nobody\"]", "there is no [client.nobody]"),
        ("[client.gate.kiosk]\noffline = \"25h\"", "from 1m to 24h"),
        ("[client.gate.kiosk]\nmode = \"any\"", "any_scopes is for mode"),
        ("[client.gate.kiosk]\nmode = \"confirm\"", "asks no member anything"),
        ("[client.gate.kiosk]\nmode = \"\"", "unknown variant"),
        ("[client.gate.kiosk]\nany_scopes = [\"orders:read\"]", "any_scopes is for mode"),
        ("[client.gate.kiosk.device.x]\nname = \"\"\nplace = \"Hall\"", "letters that people can see"),
        (&format!("[client.member-app]\ngrants = [\"{GRANT_TYPE}\"]"), "needs the table kiosk"),
    ] {
        let error = good.clone().with(text).read().unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
}

/// What a kiosk got is for the kiosk alone: the API that it calls exchanges it for nothing. The twin is the member's own token.
#[tokio::test(flavor = "multi_thread")]
async fn a_kiosk_s_token_is_exchanged_for_nothing() {
    let more = format!(
        "[api.ledger.scope]\n\"ledger:read\" = {{ exchange_from = {{ orders = [\"orders:read\"] }} }}\n\
         [client.orders-api]\nkind = \"service\"\nsecret = '{}'\nexchanges = [\"orders\"]\napis = {{ ledger = [\"ledger:read\"] }}\n",
        secret_digest()
    );
    for engine in engines() {
        let scene = Scene::start(engine, &more).await;
        let mut phone = Phone { pushes: false, ..Phone::new(&scene.world, "member-app", MEMBERS) };
        let tokens = phone.tokens("openid orders:read").await;
        let mut gate = scene.gate(&scene.gates[0]);
        let asked = challenge(&mut gate).await;
        let visit = show(&mut gate, &proof(&phone, &tokens.text("kiosk_pass"), Some(&nonce(&asked)))).await;
        assert_eq!(visit.status, 200, "{}", visit.body);
        let exchange = async |token: &str| {
            let form = [
                ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
                ("subject_token", token),
                ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
                ("resource", "https://api.example.com/ledger"),
            ];
            scene.world.post("/token", &form, Some("orders-api")).await
        };
        let (status, refused) = exchange(&visit.text("access_token")).await;
        assert_eq!((status, refused["error"].as_str()), (400, Some("invalid_request")), "{refused}");
        assert!(refused["error_description"].as_str().unwrap().contains("kiosk"), "{refused}");
        let (status, twin) = exchange(&tokens.text("access_token")).await;
        assert_eq!(status, 200, "{twin}");
        scene.world.stop().await;
    }
}
