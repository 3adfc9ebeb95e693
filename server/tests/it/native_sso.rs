//! Two apps of one organisation on one phone (Native SSO, draft 07): the second joins the session of the first. Each refusal with its twin.

use crate::commands::symbolon;
use crate::world::*;
use symbolon_oauth::jwk::PrivateKey;
use symbolon_oauth::native_sso::{ID_TOKEN_TYPE, SECRET_TYPE, Statement, ds_hash, signing_input};
use symbolon_oauth::{jws, kiosk};
use symbolon_phone::element::Maker;

const BACK: &str = "https://app.example.com/sso";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub const SHOP: &str = "ABCDE12345.com.example.shop";

/// The shop, a second app of the same team, one of another team, one of another group, and one that an attester of the operator's vouches for.
fn clients(maker: &Maker, attester: &PrivateKey) -> String {
    let app = |id: &str, app_id: &str, group: &str| {
        format!(
            "[client.{id}]\nkind = \"native\"\nfirst_party = true\n{group}authentication = \"attest_jwt_client_auth_dpop\"\n\
             apis = {{ orders = [\"orders:read\", \"orders:write\"] }}\nredirect_uris = [\"{BACK}/{id}\"]\n\
             [client.{id}.attestation]\nios = {{ app_ids = [\"{app_id}\"] }}\n"
        )
    };
    let group = "sso_group = \"example\"\n";
    let all = [
        app("shop", SHOP, group),
        app("bonus", "ABCDE12345.com.example.bonus", group),
        app("stranger", "ZZZZZ99999.com.stranger.app", group),
        app("other", "ABCDE12345.com.example.other", "sso_group = \"else\"\n"),
        app("alone", "ABCDE12345.com.example.alone", ""),
    ];
    format!(
        "[attestation]\nsimulated_roots = [\"{}\"]\nstatus_list = \"off\"\n{}[client.vouched]\nkind = \"native\"\nfirst_party = true\n{group}\
         authentication = \"attest_jwt_client_auth_dpop\"\napis = {{ orders = [\"orders:read\"] }}\nredirect_uris = [\"{BACK}/vouched\"]\n\
         [client.vouched.attestation]\nattester_jwks = {}\n",
        maker.root_spki,
        all.concat(),
        named_jwks(attester)
    )
}

pub struct Scene {
    pub world: World,
    pub maker: Maker,
    attester: PrivateKey,
    sso: PrivateKey,
}

/// What the first app shares.
pub struct Shared {
    secret: String,
    id_token: String,
    refresh: String,
}

impl Scene {
    pub async fn start(engine: Engine, more: &str) -> Self {
        let (maker, attester) = (Maker::new().unwrap(), new_key());
        let configuration = Configuration::on(engine).await.with(&clients(&maker, &attester)).with(more);
        Self { world: configuration.start().await, maker, attester, sso: new_key() }
    }

    /// An attested installation of this client.
    pub async fn app(&self, client: &'static str, app_id: &'static str) -> Phone<'_> {
        let back: &'static str = Box::leak(format!("{BACK}/{client}").into_boxed_str());
        let mut phone = Phone::new(&self.world, client, back).made_by(&self.maker);
        let answer = phone.attest_iphone(|ios| ios.app_id = app_id).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        phone
    }

    /// The person signs in to the shop, which shares.
    pub async fn share(&self, shop: &mut Phone<'_>, person: &str) -> Shared {
        let ask = shop.ask("openid device_sso orders:read");
        let tokens = shop.tokens_for(&ask, person, &[("sso_jkt", self.sso.kid())]).await;
        assert_eq!(tokens.status, 200, "{}", tokens.body);
        Shared { secret: tokens.text("device_secret"), id_token: tokens.text("id_token"), refresh: tokens.text("refresh_token") }
    }

    fn proof(&self, app: &Phone<'_>, by: &PrivateKey, secret: &str) -> String {
        let (nonce, jti) = (app.nonce.clone().unwrap_or_default(), fresh());
        let issuer = &self.world.node.issuer;
        let statement = Statement { issuer, device_secret: secret, jkt: app.key.kid(), nonce: &nonce, jti: &jti, iat: app.now_s() };
        let input = signing_input(&by.public().to_jwk(), &statement).unwrap();
        jws::with_signature(&input, &by.sign(input.as_bytes()).unwrap())
    }

    pub async fn join(&self, app: &mut Phone<'_>, shared: &Shared) -> Answer {
        let proof = self.proof(app, &self.sso, &shared.secret);
        self.join_with(app, shared, &proof, &[]).await
    }

    /// The request, with some parameters in the place of its own.
    async fn join_with(&self, app: &mut Phone<'_>, shared: &Shared, proof: &str, other: &[(&str, &str)]) -> Answer {
        let issuer = self.world.node.issuer.clone();
        let own = [
            ("grant_type", EXCHANGE),
            ("audience", issuer.as_str()),
            ("subject_token", shared.id_token.as_str()),
            ("subject_token_type", ID_TOKEN_TYPE),
            ("actor_token", shared.secret.as_str()),
            ("actor_token_type", SECRET_TYPE),
            ("sso_proof", proof),
            ("scope", "openid orders:read"),
        ];
        let kept = own.iter().filter(|(name, _)| other.iter().all(|(changed, _)| changed != name));
        let form: Vec<(&str, &str)> = kept.chain(other.iter().filter(|(_, value)| !value.is_empty())).copied().collect();
        app.post("/token", &form).await
    }
}

async fn on_every_engine<T: Future<Output = ()>>(test: impl Fn(Scene) -> T) {
    for engine in engines() {
        test(Scene::start(engine, "").await).await;
    }
}

const BONUS: &str = "ABCDE12345.com.example.bonus";

/// K-21: secret and hash come together; the second app gets tokens of its own in the same session, by an ID token that has expired.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_app_joins_the_session_of_the_first() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        let (mut shop, mut bonus) = (scene.app("shop", SHOP).await, scene.app("bonus", BONUS).await);
        let shared = scene.share(&mut shop, "alice").await;
        let said = claims(&shared.id_token);
        assert_eq!(said["ds_hash"], ds_hash(&shared.secret));
        assert!(!shared.id_token.contains(&shared.secret) && said["sid"].is_string());
        let refreshed = shop.refresh(&shared.refresh).await;
        assert_eq!(refreshed.text("device_secret"), shared.secret, "at a refresh too: {}", refreshed.body);
        assert_eq!(claims(&refreshed.text("id_token"))["ds_hash"], said["ds_hash"]);
        world.advance_s(1200);
        let joined = scene.join(&mut bonus, &shared).await;
        assert_eq!((joined.status, joined.text("token_type").as_str()), (200, "DPoP"), "{}", joined.body);
        assert_eq!(joined.text("issued_token_type"), "urn:ietf:params:oauth:token-type:access_token");
        assert!(joined.body.get("device_secret").is_none());
        let (token, own) = (claims(&joined.text("access_token")), claims(&joined.text("id_token")));
        assert_eq!((token["client_id"].as_str(), token["scope"].as_str()), (Some("bonus"), Some("orders:read")));
        assert_eq!((&token["sub"], &token["auth_time"]), (&said["sub"], &said["auth_time"]));
        assert_eq!((own["aud"].as_str(), own["amr"].clone()), (Some("bonus"), said["amr"].clone()));
        assert_eq!(token["cnf"]["jkt"], bonus.key.kid());
        assert_eq!(bonus.refresh(&joined.text("refresh_token")).await.status, 200);
        assert_eq!(world.entries("sso_joined").await[0]["detail"]["from"], "shop");
        // Without the scope, or without a key that is named, nothing is shared.
        let plain = shop.tokens("openid orders:read").await;
        assert!(plain.body.get("device_secret").is_none() && claims(&plain.text("id_token")).get("ds_hash").is_none());
        let unnamed = shop.tokens("openid device_sso orders:read").await;
        assert!(unnamed.body.get("device_secret").is_none() && claims(&unnamed.text("id_token")).get("ds_hash").is_none());
        scene.world.stop().await;
    })
    .await;
}

/// K-21: an ID token that expired 30 days ago joins, as long as its session lives. The twin: the session has ended.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_token_of_last_month_joins_while_its_session_lives() {
    for engine in engines() {
        let scene = Scene::start(engine, "[client.shop.refresh]\nidle = \"60d\"\n").await;
        let world = &scene.world;
        world.freeze();
        let mut shop = scene.app("shop", SHOP).await;
        let shared = scene.share(&mut shop, "alice").await;
        let expired_s = claims(&shared.id_token)["exp"].as_i64().unwrap();
        world.advance_s(expired_s + 30 * 86_400 - shop.now_s());
        let mut bonus = scene.app("bonus", BONUS).await;
        bonus.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", "sr_")]).await;
        let joined = scene.join(&mut bonus, &shared).await;
        assert_eq!(joined.status, 200, "{}", joined.body);
        assert_eq!(symbolon(&world.file(), &["user", "end-sessions", "alice"], "").await.0, Some(0));
        assert_eq!(scene.join(&mut bonus, &shared).await.error(), (400, "invalid_grant"));
        scene.world.stop().await;
    }
}

/// One defect each: the key, the secret, the token, the proof, the app.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_lacks_one_thing_does_not_join() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        world.person("bob").await;
        let (mut shop, mut bonus) = (scene.app("shop", SHOP).await, scene.app("bonus", BONUS).await);
        let shared = scene.share(&mut shop, "alice").await;
        let bobs = {
            let mut other = scene.app("shop", SHOP).await;
            scene.share(&mut other, "bob").await
        };
        // A first request, so that the app has a nonce.
        assert_eq!(scene.join_with(&mut bonus, &shared, "x", &[]).await.error(), (400, "invalid_grant"));
        for (what, by, secret) in [
            ("another key", &scene.attester, shared.secret.as_str()),
            ("the app's own key", &bonus.key.clone(), shared.secret.as_str()),
            ("for another secret", &scene.sso, bobs.secret.as_str()),
        ] {
            let proof = scene.proof(&bonus, by, secret);
            assert_eq!(scene.join_with(&mut bonus, &shared, &proof, &[]).await.error(), (400, "invalid_grant"), "{what}");
        }
        let of_shop = {
            let nonce = bonus.nonce.clone();
            shop.nonce = nonce;
            scene.proof(&shop, &scene.sso, &shared.secret)
        };
        assert_eq!(scene.join_with(&mut bonus, &shared, &of_shop, &[]).await.error(), (400, "invalid_grant"), "for another app's key");
        let kiosk_proof = jws::with_signature(
            &kiosk::signing_input(&kiosk::Statement { issuer: &world.node.issuer, pass: "x", jti: "y", iat: 1, challenge: None }).unwrap(),
            &[0; 64],
        );
        assert_eq!(scene.join_with(&mut bonus, &shared, &kiosk_proof, &[]).await.error(), (400, "invalid_grant"));
        for (what, other, code) in [
            ("no proof", vec![("sso_proof", "")], "invalid_request"),
            ("no secret", vec![("actor_token", "")], "invalid_request"),
            ("another type", vec![("actor_token_type", "urn:ietf:params:oauth:token-type:jwt")], "invalid_request"),
            ("another subject", vec![("subject_token_type", "urn:ietf:params:oauth:token-type:access_token")], "invalid_request"),
            ("no audience", vec![("audience", "")], "invalid_target"),
            ("another audience", vec![("audience", "https://api.example.com/orders")], "invalid_target"),
            ("a token of another person", vec![("subject_token", bobs.id_token.as_str())], "invalid_grant"),
            ("no token at all", vec![("subject_token", "a.b.c")], "invalid_grant"),
            ("a refresh token", vec![("actor_token", shared.refresh.as_str())], "invalid_grant"),
            ("a scope of another", vec![("scope", "openid ledger:read")], "invalid_scope"),
            ("the scope that shares", vec![("scope", "openid device_sso")], "invalid_scope"),
        ] {
            let proof = scene.proof(&bonus, &scene.sso, &shared.secret);
            assert_eq!(scene.join_with(&mut bonus, &shared, &proof, &other).await.error(), (400, code), "{what}");
        }
        // An old nonce.
        let kept = bonus.nonce.replace("AAAA".to_owned());
        let proof = scene.proof(&bonus, &scene.sso, &shared.secret);
        bonus.nonce = kept;
        let headers = bonus.headers("/token");
        let form = [
            ("grant_type", EXCHANGE),
            ("audience", world.node.issuer.as_str()),
            ("subject_token", &shared.id_token),
            ("subject_token_type", ID_TOKEN_TYPE),
            ("actor_token", &shared.secret),
            ("actor_token_type", SECRET_TYPE),
            ("sso_proof", &proof),
            ("scope", "openid"),
            ("client_id", "bonus"),
        ];
        assert_eq!(bonus.send_headers(world, "/token", &form, &headers).await.error(), (400, "use_dpop_nonce"));
        let (status, body) = world.post("/token", &form, None).await;
        assert!(status == 400 || status == 401, "{body}");
        // The twin; and its proof once more.
        let proof = scene.proof(&bonus, &scene.sso, &shared.secret);
        assert_eq!(scene.join_with(&mut bonus, &shared, &proof, &[]).await.status, 200);
        assert_eq!(scene.join_with(&mut bonus, &shared, &proof, &[]).await.error(), (400, "invalid_grant"), "a proof is good once");
        scene.world.stop().await;
    })
    .await;
}

/// Apps that do not belong together do not join, whatever the configuration says; nor does one that no vendor names. The twin: one that does.
#[tokio::test(flavor = "multi_thread")]
async fn apps_that_do_not_belong_together_do_not_join() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        let mut shop = scene.app("shop", SHOP).await;
        let shared = scene.share(&mut shop, "alice").await;
        for (client, app_id) in [("stranger", "ZZZZZ99999.com.stranger.app"), ("other", "ABCDE12345.com.example.other")] {
            let mut app = scene.app(client, app_id).await;
            app.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", "sr_")]).await;
            assert_eq!(scene.join(&mut app, &shared).await.error(), (400, "invalid_grant"), "{client}");
        }
        let mut alone = scene.app("alone", "ABCDE12345.com.example.alone").await;
        assert_eq!(scene.join(&mut alone, &shared).await.error(), (400, "unauthorized_client"));
        let mut vouched = Phone { attester: Some(&scene.attester), ..Phone::new(world, "vouched", "https://app.example.com/sso/vouched") };
        vouched.attest_for(3600);
        vouched.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", "sr_")]).await;
        assert_eq!(scene.join(&mut vouched, &shared).await.error(), (400, "invalid_grant"), "an attester of one's own names no vendor");
        assert!(world.audited("sso_refused").await >= 1);
        let mut bonus = scene.app("bonus", BONUS).await;
        bonus.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", "sr_")]).await;
        assert_eq!(scene.join(&mut bonus, &shared).await.status, 200);
        scene.world.stop().await;
    })
    .await;
}

/// What ends the secret: sign-out in either app, the end of the session, another person in the first app, a revoked installation.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_shared_ends() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        world.person("bob").await;
        for how in ["first app", "second app", "another person", "installation", "person"] {
            let (mut shop, mut bonus) = (scene.app("shop", SHOP).await, scene.app("bonus", BONUS).await);
            bonus.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", "sr_")]).await;
            let shared = scene.share(&mut shop, "alice").await;
            let joined = scene.join(&mut bonus, &shared).await;
            assert_eq!(joined.status, 200, "{how}: {}", joined.body);
            match how {
                "first app" => assert_eq!(shop.post("/revoke", &[("token", &shared.refresh)]).await.status, 200),
                "second app" => assert_eq!(bonus.post("/revoke", &[("token", &joined.text("refresh_token"))]).await.status, 200),
                "another person" => drop(scene.share(&mut shop, "bob").await),
                "installation" => {
                    assert_eq!(symbolon(&world.file(), &["instance", "revoke", shop.key.kid()], "").await.0, Some(0));
                }
                _ => assert_eq!(symbolon(&world.file(), &["user", "end-sessions", "alice"], "").await.0, Some(0)),
            }
            assert_eq!(scene.join(&mut bonus, &shared).await.error(), (400, "invalid_grant"), "{how}");
            let goes_on = !["second app", "person"].contains(&how);
            let next = bonus.refresh(&joined.text("refresh_token")).await;
            assert_eq!(next.status == 200, goes_on, "{how}: {}", next.body);
        }
        scene.world.stop().await;
    })
    .await;
}

/// The second app's own policy decides.
#[tokio::test(flavor = "multi_thread")]
async fn a_stricter_app_asks_the_person_itself() {
    let more = "[login.two-factor]\nrequire = [\"password + totp\"]\nacr = \"urn:two\"\n[client.bonus]\nlogin = \"two-factor\"\n";
    let scene = Scene::start(Engine::Sqlite, more).await;
    let (mut shop, mut bonus) = (scene.app("shop", SHOP).await, scene.app("bonus", BONUS).await);
    bonus.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", "sr_")]).await;
    let shared = scene.share(&mut shop, "alice").await;
    assert_eq!(scene.join(&mut bonus, &shared).await.error(), (400, "interaction_required"));
    scene.world.reload(|it| it.without("client.bonus.login")).await;
    assert_eq!(scene.join(&mut bonus, &shared).await.status, 200, "the twin");
    scene.world.stop().await;
}

/// What the first app could not go on with by itself, no app joins. Whoever joined before goes on.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_shared_that_was_unused_for_too_long() {
    for engine in engines() {
        let scene = Scene::start(engine, "[client.shop.refresh]\nidle = \"30m\"\n").await;
        let world = &scene.world;
        world.freeze();
        let (mut shop, mut bonus) = (scene.app("shop", SHOP).await, scene.app("bonus", BONUS).await);
        bonus.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", "sr_")]).await;
        let shared = scene.share(&mut shop, "alice").await;
        world.advance_s(29 * 60);
        let joined = scene.join(&mut bonus, &shared).await;
        assert_eq!(joined.status, 200, "the twin: {}", joined.body);
        world.advance_s(60);
        let refused = scene.join(&mut bonus, &shared).await;
        assert_eq!(refused.error(), (400, "invalid_grant"), "joining is no use of the first app's grant: {}", refused.body);
        assert_eq!(world.entries("token_refused").await.last().unwrap()["reason"], "idle");
        assert_eq!(shop.refresh(&shared.refresh).await.error(), (400, "invalid_grant"));
        assert_eq!(bonus.refresh(&joined.text("refresh_token")).await.status, 200);
        scene.world.stop().await;
    }
}

/// No app outlives the sign-in that it joined, and one with a shorter life of its own keeps it.
#[tokio::test(flavor = "multi_thread")]
async fn what_joined_lasts_no_longer_than_what_was_shared() {
    for engine in engines() {
        let scene = Scene::start(engine, "[client.shop.refresh]\nabsolute = \"2h\"\n").await;
        let world = &scene.world;
        world.freeze();
        let (mut shop, mut bonus) = (scene.app("shop", SHOP).await, scene.app("bonus", BONUS).await);
        let shared = scene.share(&mut shop, "alice").await;
        world.advance_s(5400);
        bonus.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", "sr_")]).await;
        let joined = scene.join(&mut bonus, &shared).await;
        assert_eq!(joined.status, 200, "{}", joined.body);
        let ends = async |client: &str| {
            let app = world.running.shared.now();
            let sql = "SELECT max(ends_ms) AS ends_ms FROM app_grant WHERE client = $1 AND state = 'active'";
            app.store.one(sql, &[client.into()]).await.unwrap().unwrap().int("ends_ms").unwrap()
        };
        assert_eq!(ends("bonus").await, ends("shop").await);
        world.advance_s(1700);
        let refreshed = bonus.refresh(&joined.text("refresh_token")).await;
        assert_eq!(refreshed.status, 200, "{}", refreshed.body);
        world.advance_s(101);
        assert_eq!(bonus.refresh(&refreshed.text("refresh_token")).await.error(), (400, "invalid_grant"));
        world.reload(|it| it.set("client.bonus.refresh.absolute", "5m")).await;
        let shared = scene.share(&mut shop, "alice").await;
        assert_eq!(scene.join(&mut bonus, &shared).await.status, 200);
        assert_eq!(ends("bonus").await, world.running.shared.now().now_ms() + 300_000, "the twin");
        scene.world.stop().await;
    }
}

/// 625-Q: one proof at once, at two nodes: one join.
#[tokio::test(flavor = "multi_thread")]
async fn at_once_a_proof_joins_once() {
    on_every_engine(|scene| async move {
        let second = scene.world.another("").await;
        let (mut shop, mut bonus) = (scene.app("shop", SHOP).await, scene.app("bonus", BONUS).await);
        bonus.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", "sr_")]).await;
        let shared = scene.share(&mut shop, "alice").await;
        let proof = scene.proof(&bonus, &scene.sso, &shared.secret);
        let form: Vec<(&str, String)> = vec![
            ("grant_type", EXCHANGE.to_owned()),
            ("audience", scene.world.node.issuer.clone()),
            ("subject_token", shared.id_token.clone()),
            ("subject_token_type", ID_TOKEN_TYPE.to_owned()),
            ("actor_token", shared.secret.clone()),
            ("actor_token_type", SECRET_TYPE.to_owned()),
            ("sso_proof", proof),
            ("scope", "openid".to_owned()),
            ("client_id", "bonus".to_owned()),
        ];
        let mut requests = Vec::new();
        for number in 0..64 {
            let node = if number % 2 == 0 { &scene.world.node } else { &second.node };
            let request = node.http.post(format!("{}/token", node.url)).form(&form);
            let request = bonus.headers("/token").iter().fold(request, |request, (name, value)| request.header(*name, value));
            requests.push(tokio::spawn(async move { Answer::to(request).await }));
        }
        let mut good = 0;
        for request in requests {
            let answer = request.await.unwrap();
            assert!(answer.status == 200 || answer.error() == (400, "invalid_grant"), "{answer:?}");
            good += usize::from(answer.status == 200);
        }
        assert_eq!((good, scene.world.audited("sso_joined").await), (1, 1));
        second.running.stop().await;
        scene.world.stop().await;
    })
    .await;
}

/// What cannot be meant is an error at the start.
#[test]
fn a_group_that_cannot_be_meant_is_refused() {
    let good = clients(&Maker::new().unwrap(), &new_key());
    let with = |text: &str| Configuration::to_read().with(&good).with(text).read();
    with("").unwrap();
    for (text, why) in [
        ("[client.shop]\nfirst_party = false", "sso_group is only for first_party apps that are attested"),
        ("[client.shop-ios]\nsso_group = \"x\"", "sso_group is only for first_party apps that are attested"),
        ("[client.shop]\nsso_group = \"\"", "sso_group is empty"),
    ] {
        let error = with(text).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
}

/// Native SSO, draft 07, 3.3: the secret stands for one key. A repeated exchange that names another one gets neither secret nor hash.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_comes_only_for_the_key_that_is_shared_with() {
    on_every_engine(|scene| async move {
        let mut shop = scene.app("shop", SHOP).await;
        let ask = shop.ask("openid device_sso orders:read");
        let code = shop.code_for(&ask, "alice").await.unwrap();
        let (own, other) = (scene.sso.kid().to_owned(), new_key());
        let has_secret = |answer: &Answer| {
            assert_eq!(answer.status, 200, "{}", answer.body);
            let has_hash = claims(&answer.text("id_token")).get("ds_hash").is_some();
            assert_eq!(answer.body.get("device_secret").is_some(), has_hash, "they come together: {}", answer.body);
            has_hash
        };
        assert!(has_secret(&shop.exchange_with(&code, &ask.verifier, &[("sso_jkt", &own)]).await));
        assert!(!has_secret(&shop.exchange_with(&code, &ask.verifier, &[("sso_jkt", other.kid())]).await), "another key");
        assert!(has_secret(&shop.exchange_with(&code, &ask.verifier, &[("sso_jkt", &own)]).await), "the twin");
        let ask = shop.ask("openid device_sso orders:read");
        let code = shop.code_for(&ask, "alice").await.unwrap();
        assert!(!has_secret(&shop.exchange(&code, &ask.verifier).await), "no key was named");
        assert!(!has_secret(&shop.exchange_with(&code, &ask.verifier, &[("sso_jkt", &own)]).await), "too late");
        scene.world.stop().await;
    })
    .await;
}

/// What a removed factor proved counts for no second app, as it counts for no refresh.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_app_hears_nothing_of_a_factor_that_is_gone() {
    let more = "[login.two-factor]\nrequire = [\"password + totp\"]\nacr = \"urn:two\"\n[client.bonus]\nlogin = \"two-factor\"\n";
    for engine in engines() {
        let scene = Scene::start(engine, more).await;
        let world = &scene.world;
        let now_ms = || world.running.shared.now().now_ms();
        let (mut shop, mut bonus) = (scene.app("shop", SHOP).await, scene.app("bonus", BONUS).await);
        bonus.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", "sr_")]).await;
        let mut browser = Browser::default();
        let page = browser.visit(world, "/account").await;
        assert_eq!(browser.submit_password(world, &page, "alice", PASSWORD).await.status, 303);
        let page = browser.visit(world, "/account").await;
        let page = browser.submit(world, &page, &[], "enrol_totp").await;
        let secret = page.codes().remove(0);
        let page = browser.submit(world, &page, &[("code", &totp(&secret, now_ms()))], "continue").await;
        assert_eq!(browser.submit(world, &page, &[], "continue").await.status, 303);
        assert!(world.confirm("alice").await);
        world.advance_s(60);
        // She proves both to the first app.
        let ask = shop.ask("openid device_sso orders:read");
        let opened = shop.push(&ask).await.unwrap();
        let mut other = Browser::default();
        let page = other.open(world, &opened).await;
        let page = other.submit_password(world, &page, "alice", PASSWORD).await;
        let done = other.submit(world, &page, &[("code", &totp(&secret, now_ms()))], "continue").await;
        let tokens = shop.exchange_with(&done.code(), &ask.verifier, &[("sso_jkt", scene.sso.kid())]).await;
        let shared = Shared { secret: tokens.text("device_secret"), id_token: tokens.text("id_token"), refresh: String::new() };
        let joined = scene.join(&mut bonus, &shared).await;
        assert_eq!((joined.status, claims(&joined.text("id_token"))["acr"].as_str()), (200, Some("urn:two")), "the twin: {joined:?}");
        world.advance_s(60);
        let page = browser.visit(world, "/account").await;
        let page = browser.submit(world, &page, &[], "remove_totp").await;
        assert_eq!(browser.submit(world, &page, &[], "continue").await.status, 303, "{}", page.html);
        assert_eq!(world.audited("totp_removed").await, 1);
        assert_eq!(scene.join(&mut bonus, &shared).await.error(), (400, "interaction_required"));
        scene.world.stop().await;
    }
}
