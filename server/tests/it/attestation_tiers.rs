//! What an app may have, by what its installation proved: each tier gets its own and nothing of the next one's.

use crate::commands::told;
use crate::world::*;
use serde_json::{Map, Value as Json};
use symbolon_oauth::jwk::PrivateKey;

const BACK: &str = "https://tiered.example.com/cb";
const CLIENT: &str = r#"
[login.default]
require = ["password"]
[login.strong]
require = ["password + totp"]
acr = "urn:example:strong"
[client.tiered]
kind = "native"
first_party = true
authentication = "attest_jwt_client_auth_dpop"
apis = { orders = ["orders:read", "orders:write"] }
redirect_uris = ["https://tiered.example.com/cb"]
[client.tiered.attestation]
attester_jwks = JWKS
[client.tiered.attestation.tier.hardware]
[client.tiered.attestation.tier.software]
scopes = ["orders:read"]
lifetime = "2m"
idle = "1h"
max_age = "30m"
[client.tiered.attestation.tier.none]
scopes = ["orders:read"]
lifetime = "1m"
refresh = false
"#;

struct Scene {
    world: World,
    attester: PrivateKey,
}

impl Scene {
    async fn start(engine: Engine, change: impl Fn(Configuration) -> Configuration) -> Self {
        let attester = new_key();
        let tiered = Configuration::on(engine).await.set("api.orders.tier_claim", true);
        let tiered = change(tiered.with(&CLIENT.replace("JWKS", &jwks(&attester))));
        Self { world: tiered.start().await, attester }
    }

    /// An installation of a tier, or one without any attestation.
    fn phone(&self, tier: Option<&str>) -> Phone<'_> {
        let mut phone = Phone { attester: Some(&self.attester), ..Phone::new(&self.world, "tiered", BACK) };
        phone.attest_tier(tier);
        phone
    }
}

impl Phone<'_> {
    /// The attester says this tier from now on; or there is no attestation.
    fn attest_tier(&mut self, tier: Option<&str>) {
        self.attestation = None;
        if let Some(tier) = tier {
            self.attest_as(Map::from_iter([("tier".to_owned(), Json::from(tier))]));
        }
    }

    /// The attester says this.
    fn attest_as(&mut self, claims: Map<String, Json>) {
        self.attest_by(self.attester.unwrap(), self.client, 7200, &claims);
    }
}

/// Scopes, lifetimes, staying signed in and re-attestation follow the tier; the token and introspection say which it was.
#[tokio::test(flavor = "multi_thread")]
async fn each_tier_gets_its_own() {
    for engine in engines() {
        let scene = Scene::start(engine, |it| it).await;
        let all = "openid orders:read orders:write";
        let (mut hard, mut soft, mut bare) = (scene.phone(Some("hardware")), scene.phone(Some("software")), scene.phone(None));
        let (status, tokens) = hard.try_tokens(all).await.parts();
        assert_eq!(
            (status, tokens["scope"].as_str(), tokens["expires_in"].as_i64()),
            (200, Some("orders:read orders:write"), Some(900)),
            "{tokens}"
        );
        let (status, less) = soft.try_tokens(all).await.parts();
        assert_eq!((status, less["scope"].as_str(), less["expires_in"].as_i64()), (200, Some("orders:read"), Some(120)), "{less}");
        assert_eq!(less["refresh_token_timeout"], 3600);
        let (status, least) = bare.try_tokens(all).await.parts();
        assert_eq!((status, least["scope"].as_str(), least["expires_in"].as_i64()), (200, Some("orders:read"), Some(60)), "{least}");
        assert!(least.get("refresh_token").is_none());
        for (token, tier) in [(&tokens, "hardware"), (&less, "software"), (&least, "none")] {
            let text = token["access_token"].as_str().unwrap();
            assert_eq!((claims(text)["tier"].as_str(), token["token_type"].as_str()), (Some(tier), Some("DPoP")));
            assert_eq!(scene.world.post("/introspect", &[("token", text)], Some("orders")).await.1["tier"], tier);
        }
        // The scope that is not its tier's is not there to be asked for, either.
        assert_eq!(soft.try_tokens("orders:write").await.error(), (400, "invalid_scope"));
        // The stronger tier loses nothing by the weaker one's pauses and re-attestations.
        scene.world.advance_s(31 * 60);
        assert_eq!(soft.refresh(refresh_token(&less)).await.error(), (400, "use_fresh_attestation"));
        soft.attest_tier(Some("software"));
        let (status, less) = soft.refresh(refresh_token(&less)).await.parts();
        assert_eq!((status, less["scope"].as_str()), (200, Some("orders:read")));
        let (status, tokens) = hard.refresh(refresh_token(&tokens)).await.parts();
        assert_eq!((status, tokens["scope"].as_str()), (200, Some("orders:read orders:write")));
        // An installation that falls to a lower tier keeps its session, with less; what it rises to, it gets.
        hard.attest_tier(Some("software"));
        let (status, tokens) = hard.refresh(refresh_token(&tokens)).await.parts();
        assert_eq!((status, tokens["scope"].as_str()), (200, Some("orders:read")));
        hard.attest_tier(Some("hardware"));
        assert_eq!(hard.refresh(refresh_token(&tokens)).await.body["scope"], "orders:read orders:write");
        scene.world.advance_s(61 * 60);
        soft.attest_tier(Some("software"));
        assert_eq!(soft.refresh(refresh_token(&less)).await.error(), (400, "invalid_grant"), "idle for longer than its tier may be");
        scene.world.stop().await;
    }
}

/// 129-F, 144-F: an app that adopts attestation takes its sessions along; of a token that a string was enough for until now, owner and
/// thief look alike, attested or not, and a replay ends it.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_from_before_attestation_is_taken_along() {
    for engine in engines() {
        let before = |it: Configuration| it.set("client.tiered.authentication", "none").without("client.tiered.attestation");
        let scene = Scene::start(engine, before).await;
        let bearer = async |token: &str| {
            let form = [("grant_type", "refresh_token"), ("client_id", "tiered"), ("refresh_token", token)];
            scene.world.post("/token", &form, None).await
        };
        let mut sessions = Vec::new();
        for _ in 0..2 {
            let ask = Ask::new("tiered", BACK, "orders:read");
            let code = Browser::default().sign_in(&scene.world, &ask, "alice").await["code"].clone();
            let form = [
                ("grant_type", "authorization_code"),
                ("client_id", "tiered"),
                ("code", code.as_str()),
                ("code_verifier", ask.verifier.as_str()),
                ("redirect_uri", BACK),
            ];
            let (status, tokens) = scene.world.post("/token", &form, None).await;
            assert_eq!(status, 200, "{tokens}");
            sessions.push(bearer(tokens["refresh_token"].as_str().unwrap()).await.1);
        }
        let rules = CLIENT.replace("JWKS", &jwks(&scene.attester));
        scene.world.reload(|it| it.with(&rules).set("client.tiered.authentication", "none")).await;
        let (mut owner, mut thief) = (scene.phone(Some("software")), scene.phone(Some("software")));
        // Nobody else has it: it goes on, repeats and all, and is the installation's.
        let (status, next) = owner.refresh(refresh_token(&sessions[0])).await.parts();
        assert_eq!((status, next["token_type"].as_str()), (200, Some("DPoP")), "{next}");
        assert_eq!(owner.refresh(refresh_token(&sessions[0])).await.body["refresh_token"], next["refresh_token"]);
        assert_eq!(thief.refresh(refresh_token(&next)).await.error(), (400, "invalid_grant"));
        assert_eq!(owner.refresh(refresh_token(&next)).await.status, 200, "and nothing ended by that");
        // Stolen before: whoever comes second ends it.
        let (status, stolen) = thief.refresh(refresh_token(&sessions[1])).await.parts();
        assert_eq!(status, 200, "{stolen}");
        assert_eq!(owner.refresh(refresh_token(&sessions[1])).await.error(), (400, "invalid_grant"));
        assert_eq!(thief.refresh(refresh_token(&stolen)).await.error(), (400, "invalid_grant"));
        scene.world.stop().await;
    }
}

/// An installation that the customer's own attester vouches for is listed, with what it says by now, and ended alone.
#[tokio::test(flavor = "multi_thread")]
async fn installations_of_your_own_attester_are_listed_and_ended() {
    for engine in engines() {
        let scene = Scene::start(engine, |it| it).await;
        let (mut one, mut other) = (scene.phone(Some("software")), scene.phone(Some("software")));
        let (tokens, others) = (one.try_tokens("orders:read").await.body, other.try_tokens("orders:read").await.body);
        let (code, verifier) = one.code("orders:read").await;
        let run = async |words: &[&str]| told(&scene.world, &[&["instance"], words].concat()).await.1;
        let line = async |phone: &Phone<'_>| {
            run(&["list", "--client", "tiered"]).await.lines().find(|it| it.starts_with(phone.key.kid())).map(str::to_owned).unwrap()
        };
        assert!(line(&one).await.contains("attester software"), "{}", line(&one).await);
        scene.world.advance_s(60);
        one.attest_tier(Some("hardware"));
        let (status, tokens) = one.refresh(refresh_token(&tokens)).await.parts();
        assert_eq!(status, 200, "{tokens}");
        assert!(line(&one).await.contains("attester hardware") && line(&other).await.contains("attester software"));
        assert!(run(&["revoke", "--", one.key.kid()]).await.contains("2 grants ended"));
        assert_eq!(one.refresh(refresh_token(&tokens)).await.error(), (401, "invalid_client"));
        assert_eq!(one.exchange(&code, &verifier).await.error(), (401, "invalid_client"));
        one.attest_tier(Some("hardware"));
        assert_eq!(one.try_tokens("orders:read").await.error(), (401, "invalid_client"), "whatever the attester says of it");
        let text = tokens["access_token"].as_str().unwrap();
        assert_eq!(scene.world.post("/introspect", &[("token", text)], Some("orders")).await.1["active"], false);
        assert_eq!(other.refresh(refresh_token(&others)).await.status, 200);
        scene.world.stop().await;
    }
}

/// 144-F: leaving the attestation out never gets more than the tier that has none; a tier that is not named is not let in.
#[tokio::test(flavor = "multi_thread")]
async fn leaving_the_attestation_out_is_no_way_round() {
    for engine in engines() {
        let scene = Scene::start(engine, |it| it).await;
        let mut hard = scene.phone(Some("hardware"));
        let (_, tokens) = hard.try_tokens("orders:read orders:write").await.parts();
        let kept = hard.attestation.take();
        assert_eq!(
            hard.refresh(refresh_token(&tokens)).await.error(),
            (400, "use_fresh_attestation"),
            "an installation's token without its attestation"
        );
        hard.attestation = kept;
        assert_eq!(hard.refresh(refresh_token(&tokens)).await.status, 200);
        // Without a proof of a key not even the least.
        let ask = Ask::new("tiered", BACK, "orders:read");
        let form = ask.form();
        let (status, answer) = scene.world.post("/par", &form, None).await;
        assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_dpop_proof")));
        // With a key, the least; and the code is for the key that pushed.
        let (mut bare, mut other) = (scene.phone(None), scene.phone(None));
        let (code, verifier) = bare.code("orders:read").await;
        assert_eq!(other.exchange(&code, &verifier).await.error(), (400, "invalid_grant"), "another key");
        let (status, least) = bare.exchange(&code, &verifier).await.parts();
        assert_eq!((status, least["expires_in"].as_i64()), (200, Some(60)), "{least}");
        let mut software = scene.phone(None);
        software.attest_as(Map::new());
        assert_eq!(software.try_tokens("orders:write").await.error(), (400, "invalid_scope"), "an attester that says nothing: software");
        assert_eq!(software.try_tokens("orders:read").await.status, 200);
        for said in [Json::from("claimed_by_nobody"), "Hardware".into(), "none".into(), "".into(), Json::Null, 4.into(), true.into()] {
            software.attest_as(Map::from_iter([("tier".to_owned(), said.clone())]));
            assert_eq!(software.try_tokens("orders:read").await.error(), (400, "invalid_client_attestation"), "{said}");
        }
        assert_eq!(scene.phone(Some("hardware_claimed")).try_tokens("orders:read").await.error(), (401, "invalid_client"));
        scene.world.stop().await;
        // The same client without the tier `none`: no attestation, no client.
        let tiers = "[client.tiered.attestation.tier.hardware_claimed]\nscopes = [\"orders:read\"]\nlifetime = \"1m\"\nrefresh = false\n";
        let strict = Scene::start(engine, |it| it.without("client.tiered.attestation.tier.none").with(tiers)).await;
        assert_eq!(strict.phone(None).try_tokens("orders:read").await.error(), (401, "invalid_client"));
        assert_eq!(strict.phone(Some("hardware_claimed")).try_tokens("orders:read").await.status, 200);
        strict.world.stop().await;
    }
}

/// 144-F: a claim asked for by name comes with a scope, and a tier without that scope has none of its claims either, in the ID token
/// and at userinfo. The twin is the tier that has the scope.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_by_name_is_within_the_tier() {
    let without = |it: Configuration| it.set("client.tiered.attestation.tier.software.scopes", vec!["orders:write"]);
    let scene = Scene::start(Engine::Sqlite, without).await;
    let wanted = r#"{"id_token":{"customer_id":null,"email":null},"userinfo":{"customer_id":null,"email":null}}"#;
    for (tier, has) in [("software", false), ("hardware", true)] {
        let mut phone = scene.phone(Some(tier));
        let ask = Ask::new("tiered", BACK, "openid").with("claims", wanted);
        let (status, tokens) = phone.tokens_for(&ask, "alice", &[]).await.parts();
        assert_eq!(status, 200, "{tokens}");
        let (status, userinfo) = phone.get("/userinfo", tokens["access_token"].as_str().unwrap()).await.parts();
        assert_eq!(status, 200, "{userinfo}");
        for told in [claims(tokens["id_token"].as_str().unwrap()), userinfo] {
            assert_eq!((told["email"].as_str(), told.get("customer_id").is_some()), (Some("alice@example.com"), has), "{tier}: {told}");
        }
    }
    scene.world.stop().await;
}

/// A tier that needs a better sign-in: the server asks for it where the app pushes, and no code of a weaker one gets through.
#[tokio::test(flavor = "multi_thread")]
async fn a_tier_can_need_a_better_sign_in() {
    let with_acr = |it: Configuration| it.set("client.tiered.attestation.tier.software.acr", "urn:example:strong");
    let scene = Scene::start(Engine::Sqlite, with_acr).await;
    let (mut soft, mut hard) = (scene.phone(Some("software")), scene.phone(Some("hardware")));
    let ask = Ask::new("tiered", BACK, "orders:read");
    let form = ask.form();
    let (_, pushed) = soft.post("/par", &form).await.parts();
    let query = format!("/authorize?client_id=tiered&request_uri={}", pushed["request_uri"].as_str().unwrap());
    let mut browser = Browser::default();
    let page = browser.visit(&scene.world, &query).await;
    let page =
        browser.submit(&scene.world, &page, &[("username", "alice"), ("login_name", "alice"), ("password", PASSWORD)], "continue").await;
    assert!(page.location.is_none(), "a password alone is not enough: {}", page.html);
    // 368-Z: an app that insists on another acr is not given the tier's instead; the twin is a tier that asks for none.
    let mut insists = form.clone();
    insists.push(("claims", r#"{"id_token":{"acr":{"essential":true,"value":"urn:example:stronger"}}}"#));
    assert_eq!(soft.post("/par", &insists).await.error(), (400, "unmet_authentication_requirements"));
    assert_eq!(hard.post("/par", &insists).await.status, 201);
    // Pushed by the stronger tier: a code by password, which it can use, and cannot once it has fallen to the weaker one.
    for (tier, expected) in [("software", (400, "invalid_grant")), ("hardware", (200, ""))] {
        hard.attest_tier(Some("hardware"));
        let (code, verifier) = hard.code("orders:read").await;
        hard.attest_tier(Some(tier));
        assert_eq!(hard.exchange(&code, &verifier).await.error(), expected, "{tier}");
    }
    scene.world.stop().await;
}

/// Attestation makes pushing mandatory for an app: whoever is not the app gets no sign-in in its name. Sites, and apps that are only
/// observed, may send plain requests.
#[tokio::test(flavor = "multi_thread")]
async fn an_attested_app_pushes_its_requests() {
    for engine in engines() {
        let scene = Scene::start(engine, |it| it).await;
        let mut phone = scene.phone(Some("software"));
        let ask = phone.ask("orders:read");
        let opens = async |ask: &Ask| {
            let page = Browser::default().open(&scene.world, ask).await;
            (page.status, page.kind(), page.says("must push"), page.location)
        };
        let (refused, signs_in) = ((400, "error", true, None), (200, "password", false, None));
        assert_eq!(opens(&ask).await, refused);
        let pushed = phone.push(&ask).await.unwrap();
        assert_eq!(opens(&pushed).await, signs_in, "the twin");
        let posted = scene.world.http.post(scene.world.url("/authorize")).form(&ask.form()).send().await.unwrap();
        assert_eq!(posted.status(), 400);
        // As a further signal it is attestation all the same.
        scene.world.reload(|it| it.set("client.tiered.authentication", "none")).await;
        assert_eq!(opens(&ask).await, refused);
        let changes: [&dyn Fn(Configuration) -> Configuration; 2] = [&|it| it.set("client.tiered.attestation.observe", true), &|it| {
            it.set("client.tiered.attestation.observe", false).set("client.tiered.kind", "web").set("client.tiered.dpop", "required")
        }];
        for change in changes {
            scene.world.reload(change).await;
            assert_eq!(opens(&ask).await, signs_in);
        }
        scene.world.stop().await;
    }
}

/// A sign-in that began without a push ends once the app has to push.
#[tokio::test(flavor = "multi_thread")]
async fn a_plain_request_ends_when_the_app_is_attested() {
    for engine in engines() {
        let rules = |it: Configuration| it.set("client.tiered.attestation.observe", true);
        let scene = Scene::start(engine, rules).await;
        let ask = Ask::new("tiered", BACK, "orders:read");
        let (mut one, mut other) = (Browser::default(), Browser::default());
        let (begun, also) = (one.open(&scene.world, &ask).await, other.open(&scene.world, &ask).await);
        assert!(one.submit_password(&scene.world, &begun, "alice", PASSWORD).await.has_code(), "the twin");
        scene.world.reload(|it| it.set("client.tiered.attestation.observe", false)).await;
        let page = other.submit_password(&scene.world, &also, "alice", PASSWORD).await;
        assert!(!page.has_code() && page.says("no longer allowed"), "{}", page.html);
        scene.world.stop().await;
    }
}

/// An installation that attests nothing ends what it holds itself, and nothing of another's: neither without a key nor with one.
#[tokio::test(flavor = "multi_thread")]
async fn who_attests_nothing_revokes_nothing_of_an_attested_one() {
    for engine in engines() {
        let scene = Scene::start(engine, |it| it.without("client.tiered.attestation.tier.none.refresh")).await;
        let mut phone = scene.phone(Some("hardware"));
        let (status, tokens) = phone.try_tokens("orders:read").await.parts();
        assert_eq!(status, 200, "{tokens}");
        let token = tokens["refresh_token"].as_str().unwrap();
        let form = [("client_id", "tiered"), ("token", token)];
        let bare = scene.world.post("/revoke", &form, None).await;
        assert_eq!((bare.0, bare.1["error"].as_str()), (400, Some("invalid_dpop_proof")));
        let mut thief = scene.phone(None);
        assert_eq!(thief.post("/revoke", &form).await.error(), (400, "invalid_grant"));
        let mut other = scene.phone(Some("hardware"));
        assert_eq!(other.post("/revoke", &form).await.error(), (400, "invalid_grant"));
        let (status, tokens) = phone.refresh(refresh_token(&tokens)).await.parts();
        assert_eq!(status, 200, "{tokens}");
        // The twins: each ends its own.
        let form = [("client_id", "tiered"), ("token", tokens["refresh_token"].as_str().unwrap())];
        assert_eq!(phone.post("/revoke", &form).await.status, 200);
        assert_eq!(phone.refresh(refresh_token(&tokens)).await.error(), (400, "invalid_grant"));
        let (status, own) = thief.try_tokens("orders:read").await.parts();
        assert_eq!(status, 200, "{own}");
        let form = [("client_id", "tiered"), ("token", own["refresh_token"].as_str().unwrap())];
        assert_eq!(thief.post("/revoke", &form).await.status, 200);
        assert_eq!(thief.refresh(refresh_token(&own)).await.error(), (400, "invalid_grant"));
        scene.world.stop().await;
    }
}

const PAYMENTS: &str = "https://api.example.com/payments";

/// Authorization details follow the tier as scopes do: of a tier that names its scopes, only those that it names as well; and there is
/// no way to a token for their API without them.
#[tokio::test(flavor = "multi_thread")]
async fn details_follow_the_tier() {
    let with = |line: &'static str| {
        move |configuration: Configuration| {
            let api = format!(
                "[api.payments]\naudience = \"{PAYMENTS}\"\n[api.payments.authorization_details.payment]\ntext = \"Pay once\"\n\
                 schema = {{ properties = {{ amount = {{ type = \"string\" }} }} }}\n\
                 [client.tiered]\nauthorization_details_types = [\"payment\"]\n"
            );
            configuration.with(&api).with(&format!("[client.tiered.attestation.tier.software]\n{line}"))
        }
    };
    let details = serde_json::json!([{ "type": "payment", "amount": "12.50 EUR" }]);
    let ask = |scope: &str| Ask::new("tiered", BACK, scope).with("authorization_details", &details.to_string());
    for engine in engines() {
        let scene = Scene::start(engine, with("")).await;
        let (mut hard, mut soft, mut none) = (scene.phone(Some("hardware")), scene.phone(Some("software")), scene.phone(None));
        let (status, tokens) = hard.tokens_for(&ask("openid"), "alice", &[("resource", PAYMENTS)]).await.parts();
        assert_eq!((status, &tokens["authorization_details"]), (200, &details), "{tokens}");
        for phone in [&mut soft, &mut none] {
            let answer = phone.tokens_for(&ask("openid orders:read"), "alice", &[("resource", PAYMENTS)]).await;
            assert_eq!(answer.error(), (400, "invalid_target"), "no token for that API: {}", answer.body);
            // Of what the tier leaves there is one API only, so it need not be named.
            let (status, tokens) = phone.tokens_for(&ask("openid orders:read"), "alice", &[]).await.parts();
            assert_eq!((status, tokens["scope"].as_str()), (200, Some("orders:read")), "{tokens}");
            assert!(tokens.get("authorization_details").is_none());
            assert!(claims(tokens["access_token"].as_str().unwrap()).get("authorization_details").is_none());
        }
        // What a phone got as hardware, it does not keep as software.
        let refresh = tokens["refresh_token"].as_str().unwrap();
        let form = [("grant_type", "refresh_token"), ("client_id", "tiered"), ("refresh_token", refresh), ("resource", PAYMENTS)];
        hard.attest_tier(Some("software"));
        assert_eq!(hard.post("/token", &form).await.error(), (400, "invalid_target"));
        hard.attest_tier(Some("hardware"));
        assert_eq!(hard.post("/token", &form).await.body["authorization_details"], details);
        scene.world.stop().await;
        let scene = Scene::start(engine, with("authorization_details_types = [\"payment\"]")).await;
        let (mut soft, mut none) = (scene.phone(Some("software")), scene.phone(None));
        let (status, tokens) = soft.tokens_for(&ask("openid"), "alice", &[("resource", PAYMENTS)]).await.parts();
        assert_eq!((status, &tokens["authorization_details"]), (200, &details), "the tier that names them: {tokens}");
        assert_eq!(none.tokens_for(&ask("openid"), "alice", &[("resource", PAYMENTS)]).await.error(), (400, "invalid_target"));
        scene.world.stop().await;
    }
}

/// 144-F: the repetition of an exchange is judged as the exchange: what the installation proves now decides.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_exchange_suits_the_tier_too() {
    for engine in engines() {
        let strong = |it: Configuration| it.set("client.tiered.attestation.tier.software.acr", "urn:example:strong");
        let scene = Scene::start(engine, strong).await;
        let mut phone = scene.phone(Some("hardware"));
        let (code, verifier) = phone.code("orders:read").await;
        let (status, tokens) = phone.exchange(&code, &verifier).await.parts();
        assert_eq!(status, 200, "{tokens}");
        phone.attest_tier(Some("software"));
        assert_eq!(phone.exchange(&code, &verifier).await.error(), (400, "invalid_grant"));
        phone.attest_tier(Some("hardware"));
        let (status, again) = phone.exchange(&code, &verifier).await.parts();
        assert_eq!((status, &again["refresh_token"]), (200, &tokens["refresh_token"]));
        assert_eq!(scene.world.audited("code_retried").await, 1);
        scene.world.stop().await;
    }
}

/// A token of the client's own, without a person: the tier's scopes and lifetime, and the tier is said.
#[tokio::test(flavor = "multi_thread")]
async fn client_credentials_follow_the_tier() {
    let grants = vec!["authorization_code", "refresh_token", "client_credentials"];
    let scene = Scene::start(Engine::Sqlite, |it| it.set("client.tiered.grants", grants.clone())).await;
    let ask = async |phone: &mut Phone<'_>, scope: &str| {
        phone.post("/token", &[("grant_type", "client_credentials"), ("client_id", "tiered"), ("scope", scope)]).await
    };
    let (mut hard, mut soft) = (scene.phone(Some("hardware")), scene.phone(Some("software")));
    for (phone, scope, seconds, tier) in
        [(&mut hard, "orders:read orders:write", 900, "hardware"), (&mut soft, "orders:read", 120, "software")]
    {
        let (status, answer) = ask(phone, "orders:read orders:write").await.parts();
        assert_eq!((status, answer["scope"].as_str(), answer["expires_in"].as_i64()), (200, Some(scope), Some(seconds)), "{answer}");
        let token = answer["access_token"].as_str().unwrap();
        assert_eq!(claims(token)["tier"], tier);
        let (_, said) = scene.world.post("/introspect", &[("token", token)], Some("orders")).await;
        assert_eq!((said["active"].as_bool(), said["tier"].as_str()), (Some(true), Some(tier)), "{said}");
    }
    assert_eq!(ask(&mut soft, "orders:write").await.error(), (400, "invalid_scope"));
    assert_eq!(ask(&mut hard, "orders:write").await.status, 200);
    scene.world.stop().await;
}
