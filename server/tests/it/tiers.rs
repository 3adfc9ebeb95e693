//! What an app may have, by what its installation proved: each tier gets its own and nothing of the next one's.

use crate::commands::told;
use crate::world::*;
use serde_json::{Map, Value as Json};
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::{base64url, client_attestation, dpop};

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
    async fn start(engine: Engine, change: impl Fn(String) -> String) -> Self {
        let attester = PrivateKey::generate(Algorithm::ES256).unwrap();
        let jwk = attester.public().to_jwk();
        let jwks = format!("{{ keys = [{{ kty = \"EC\", crv = \"P-256\", x = {}, y = {} }}] }}", jwk["x"], jwk["y"]);
        let port = free_port();
        let base = configuration(port, &database(engine).await).replacen("[api.orders]\n", "[api.orders]\ntier_claim = true\n", 1);
        let text = change(base + &CLIENT.replace("JWKS", &jwks));
        Self { world: World::with(&text, port).await, attester }
    }

    fn now_s(&self) -> i64 {
        self.world.running.shared.now().now_ms() / 1000
    }
}

/// An installation, of a tier or without any attestation.
struct Phone<'a> {
    scene: &'a Scene,
    key: PrivateKey,
    attestation: Option<String>,
    nonce: Option<String>,
}

impl<'a> Phone<'a> {
    fn new(scene: &'a Scene, tier: Option<&str>) -> Self {
        let key = PrivateKey::generate(Algorithm::ES256).unwrap();
        let mut phone = Self { scene, key, attestation: None, nonce: None };
        phone.attest(tier);
        phone
    }

    fn attest(&mut self, tier: Option<&str>) {
        self.attestation = None;
        if let Some(it) = tier {
            self.attest_as(Map::from_iter([("tier".to_owned(), Json::from(it))]));
        }
    }

    /// The attester says this.
    fn attest_as(&mut self, claims: Map<String, Json>) {
        let (now_s, jwk) = (self.scene.now_s(), self.key.public().to_jwk());
        self.attestation = client_attestation::make(&self.scene.attester, "tiered", &jwk, now_s..now_s + 7200, &claims).ok();
    }

    async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> (u16, Json) {
        for _ in 0..2 {
            let url = self.scene.world.url(path);
            let jti = base64url::encode(&symbolon::seal::random::<16>().unwrap());
            let proof = dpop::make(
                &self.key,
                &dpop::Statement {
                    method: "POST",
                    url: &url,
                    nonce: self.nonce.as_deref(),
                    access_token: None,
                    jti: &jti,
                    iat: self.scene.now_s(),
                },
            )
            .unwrap();
            let mut request = self.scene.world.http.post(url).form(form).header("dpop", proof);
            if let Some(it) = &self.attestation {
                request = request.header("oauth-client-attestation", it);
            }
            let answer = request.send().await.unwrap();
            self.nonce = answer.headers().get("dpop-nonce").map(|it| it.to_str().unwrap().to_owned());
            let answer = (answer.status().as_u16(), answer.json::<Json>().await.unwrap_or_default());
            if answer.1["error"] != "use_dpop_nonce" {
                return answer;
            }
        }
        panic!("the nonce is never good");
    }

    async fn userinfo(&mut self, token: &str) -> (u16, Json) {
        let url = self.scene.world.url("/userinfo");
        for _ in 0..2 {
            let jti = base64url::encode(&symbolon::seal::random::<16>().unwrap());
            let proof = dpop::make(
                &self.key,
                &dpop::Statement {
                    method: "GET",
                    url: &url,
                    nonce: self.nonce.as_deref(),
                    access_token: Some(token),
                    jti: &jti,
                    iat: self.scene.now_s(),
                },
            )
            .unwrap();
            let request = self.scene.world.http.get(&url).header("dpop", proof).header("authorization", format!("DPoP {token}"));
            let answer = request.send().await.unwrap();
            let fresh = answer.headers().get("dpop-nonce").map(|it| it.to_str().unwrap().to_owned());
            let answer = (answer.status().as_u16(), answer.json::<Json>().await.unwrap());
            if answer.1["error"] != "use_dpop_nonce" {
                return answer;
            }
            self.nonce = fresh;
        }
        panic!("the nonce is never good");
    }

    /// Tokens for a pushed request, or the answer that refused them.
    async fn tokens(&mut self, scope: &str) -> (u16, Json) {
        self.tokens_for(Ask::new("tiered", BACK, scope), &[]).await
    }

    async fn tokens_for(&mut self, ask: Ask, more: &[(&str, &str)]) -> (u16, Json) {
        match self.code_for(ask).await {
            Ok((code, verifier)) => self.exchange_for(&code, &verifier, more).await,
            Err(refused) => refused,
        }
    }

    /// A code with its verifier.
    async fn code(&mut self, scope: &str) -> Result<(String, String), (u16, Json)> {
        self.code_for(Ask::new("tiered", BACK, scope)).await
    }

    async fn code_for(&mut self, ask: Ask) -> Result<(String, String), (u16, Json)> {
        let form = ask.form();
        let (status, pushed) = self.post("/par", &form).await;
        if status != 201 {
            return Err((status, pushed));
        }
        let uri = pushed["request_uri"].as_str().unwrap();
        let mut short = ask.clone();
        short.parameters = [("client_id", "tiered"), ("request_uri", uri)].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let code = Browser::default().sign_in(&self.scene.world, &short, "alice").await["code"].clone();
        Ok((code, ask.verifier))
    }

    async fn exchange(&mut self, code: &str, verifier: &str) -> (u16, Json) {
        self.exchange_for(code, verifier, &[]).await
    }

    async fn exchange_for(&mut self, code: &str, verifier: &str, more: &[(&str, &str)]) -> (u16, Json) {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("client_id", "tiered"),
            ("code", code),
            ("code_verifier", verifier),
            ("redirect_uri", BACK),
        ];
        form.extend_from_slice(more);
        self.post("/token", &form).await
    }

    async fn refresh(&mut self, tokens: &Json) -> (u16, Json) {
        let token = tokens["refresh_token"].as_str().unwrap();
        self.post("/token", &[("grant_type", "refresh_token"), ("client_id", "tiered"), ("refresh_token", token)]).await
    }
}

fn error(answer: &(u16, Json)) -> (u16, &str) {
    (answer.0, answer.1["error"].as_str().unwrap_or_default())
}

/// Scopes, lifetimes, staying signed in and re-attestation follow the tier; the token and introspection say which it was.
#[tokio::test(flavor = "multi_thread")]
async fn each_tier_gets_its_own() {
    for engine in engines() {
        let scene = Scene::start(engine, |it| it).await;
        let all = "openid orders:read orders:write";
        let (mut hard, mut soft, mut bare) =
            (Phone::new(&scene, Some("hardware")), Phone::new(&scene, Some("software")), Phone::new(&scene, None));
        let (status, tokens) = hard.tokens(all).await;
        assert_eq!(
            (status, tokens["scope"].as_str(), tokens["expires_in"].as_i64()),
            (200, Some("orders:read orders:write"), Some(900)),
            "{tokens}"
        );
        let (status, less) = soft.tokens(all).await;
        assert_eq!((status, less["scope"].as_str(), less["expires_in"].as_i64()), (200, Some("orders:read"), Some(120)), "{less}");
        assert_eq!(less["refresh_token_timeout"], 3600);
        let (status, least) = bare.tokens(all).await;
        assert_eq!((status, least["scope"].as_str(), least["expires_in"].as_i64()), (200, Some("orders:read"), Some(60)), "{least}");
        assert!(least.get("refresh_token").is_none());
        for (token, tier) in [(&tokens, "hardware"), (&less, "software"), (&least, "none")] {
            let text = token["access_token"].as_str().unwrap();
            assert_eq!((claims(text)["tier"].as_str(), token["token_type"].as_str()), (Some(tier), Some("DPoP")));
            assert_eq!(scene.world.post("/introspect", &[("token", text)], Some("orders")).await.1["tier"], tier);
        }
        // The scope that is not its tier's is not there to be asked for, either.
        assert_eq!(error(&soft.tokens("orders:write").await), (400, "invalid_scope"));
        // The stronger tier loses nothing by the weaker one's pauses and re-attestations.
        scene.world.advance_s(31 * 60);
        assert_eq!(error(&soft.refresh(&less).await), (400, "use_fresh_attestation"));
        soft.attest(Some("software"));
        let (status, less) = soft.refresh(&less).await;
        assert_eq!((status, less["scope"].as_str()), (200, Some("orders:read")));
        let (status, tokens) = hard.refresh(&tokens).await;
        assert_eq!((status, tokens["scope"].as_str()), (200, Some("orders:read orders:write")));
        // An installation that falls to a lower tier keeps its session, with less; what it rises to, it gets.
        hard.attest(Some("software"));
        let (status, tokens) = hard.refresh(&tokens).await;
        assert_eq!((status, tokens["scope"].as_str()), (200, Some("orders:read")));
        hard.attest(Some("hardware"));
        assert_eq!(hard.refresh(&tokens).await.1["scope"], "orders:read orders:write");
        scene.world.advance_s(61 * 60);
        soft.attest(Some("software"));
        assert_eq!(error(&soft.refresh(&less).await), (400, "invalid_grant"), "idle for longer than its tier may be");
        scene.world.stop().await;
    }
}

/// 129-F, 144-F: an app that adopts attestation takes its sessions along; of a token that a string was enough for until now, owner and
/// thief look alike, attested or not, and a replay ends it.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_from_before_attestation_is_taken_along() {
    for engine in engines() {
        let before = |text: String| {
            let (head, rules) = text.split_once("[client.tiered.attestation]").unwrap();
            let head = head.replace("authentication = \"attest_jwt_client_auth_dpop\"", "authentication = \"none\"");
            format!("{head}# [client.tiered.attestation]{}", rules.replace('\n', "\n# "))
        };
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
        let text = std::fs::read_to_string(scene.world.file()).unwrap().replace("\n# ", "\n").replace("# [client.", "[client.");
        std::fs::write(scene.world.file(), text).unwrap();
        symbolon::serve::reload(&scene.world.running.shared, &scene.world.file()).await.unwrap();
        let (mut owner, mut thief) = (Phone::new(&scene, Some("software")), Phone::new(&scene, Some("software")));
        // Nobody else has it: it goes on, repeats and all, and is the installation's.
        let (status, next) = owner.refresh(&sessions[0]).await;
        assert_eq!((status, next["token_type"].as_str()), (200, Some("DPoP")), "{next}");
        assert_eq!(owner.refresh(&sessions[0]).await.1["refresh_token"], next["refresh_token"]);
        assert_eq!(error(&thief.refresh(&next).await), (400, "invalid_grant"));
        assert_eq!(owner.refresh(&next).await.0, 200, "and nothing ended by that");
        // Stolen before: whoever comes second ends it.
        let (status, stolen) = thief.refresh(&sessions[1]).await;
        assert_eq!(status, 200, "{stolen}");
        assert_eq!(error(&owner.refresh(&sessions[1]).await), (400, "invalid_grant"));
        assert_eq!(error(&thief.refresh(&stolen).await), (400, "invalid_grant"));
        scene.world.stop().await;
    }
}

/// An installation that the customer's own attester vouches for is listed, with what it says by now, and ended alone.
#[tokio::test(flavor = "multi_thread")]
async fn installations_of_your_own_attester_are_listed_and_ended() {
    for engine in engines() {
        let scene = Scene::start(engine, |it| it).await;
        let (mut one, mut other) = (Phone::new(&scene, Some("software")), Phone::new(&scene, Some("software")));
        let (tokens, others) = (one.tokens("orders:read").await.1, other.tokens("orders:read").await.1);
        let (code, verifier) = one.code("orders:read").await.unwrap();
        let run = async |words: &[&str]| told(&scene.world, &[&["instance"], words].concat()).await.1;
        let line = async |phone: &Phone<'_>| {
            run(&["list", "--client", "tiered"]).await.lines().find(|it| it.starts_with(phone.key.kid())).map(str::to_owned).unwrap()
        };
        assert!(line(&one).await.contains("attester software"), "{}", line(&one).await);
        scene.world.advance_s(60);
        one.attest(Some("hardware"));
        let (status, tokens) = one.refresh(&tokens).await;
        assert_eq!(status, 200, "{tokens}");
        assert!(line(&one).await.contains("attester hardware") && line(&other).await.contains("attester software"));
        assert!(run(&["revoke", "--", one.key.kid()]).await.contains("2 grants ended"));
        assert_eq!(error(&one.refresh(&tokens).await), (401, "invalid_client"));
        assert_eq!(error(&one.exchange(&code, &verifier).await), (401, "invalid_client"));
        one.attest(Some("hardware"));
        assert_eq!(error(&one.tokens("orders:read").await), (401, "invalid_client"), "whatever the attester says of it");
        let text = tokens["access_token"].as_str().unwrap();
        assert_eq!(scene.world.post("/introspect", &[("token", text)], Some("orders")).await.1["active"], false);
        assert_eq!(other.refresh(&others).await.0, 200);
        scene.world.stop().await;
    }
}

/// 144-F: leaving the attestation out never gets more than the tier that has none; a tier that is not named is not let in.
#[tokio::test(flavor = "multi_thread")]
async fn leaving_the_attestation_out_is_no_way_round() {
    for engine in engines() {
        let scene = Scene::start(engine, |it| it).await;
        let mut hard = Phone::new(&scene, Some("hardware"));
        let (_, tokens) = hard.tokens("orders:read orders:write").await;
        let kept = hard.attestation.take();
        assert_eq!(error(&hard.refresh(&tokens).await), (400, "use_fresh_attestation"), "an installation's token without its attestation");
        hard.attestation = kept;
        assert_eq!(hard.refresh(&tokens).await.0, 200);
        // Without a proof of a key not even the least.
        let ask = Ask::new("tiered", BACK, "orders:read");
        let form = ask.form();
        let (status, answer) = scene.world.post("/par", &form, None).await;
        assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_dpop_proof")));
        // A code that was not pushed is whoever's exchanges it: by a key, with the least; and then it is that key's.
        let code = Browser::default().sign_in(&scene.world, &ask, "alice").await["code"].clone();
        let mut bare = Phone::new(&scene, None);
        let (status, least) = bare.exchange(&code, &ask.verifier).await;
        assert_eq!((status, least["expires_in"].as_i64()), (200, Some(60)), "{least}");
        let mut software = Phone::new(&scene, None);
        software.attest_as(Map::new());
        assert_eq!(error(&software.tokens("orders:write").await), (400, "invalid_scope"), "an attester that says nothing: software");
        assert_eq!(software.tokens("orders:read").await.0, 200);
        for said in [Json::from("claimed_by_nobody"), "Hardware".into(), "none".into(), "".into(), Json::Null, 4.into(), true.into()] {
            software.attest_as(Map::from_iter([("tier".to_owned(), said.clone())]));
            assert_eq!(error(&software.tokens("orders:read").await), (400, "invalid_client_attestation"), "{said}");
        }
        assert_eq!(error(&Phone::new(&scene, Some("hardware_claimed")).tokens("orders:read").await), (401, "invalid_client"));
        scene.world.stop().await;
        // The same client without the tier `none`: no attestation, no client.
        let strict = Scene::start(engine, |it| {
            it.replacen("[client.tiered.attestation.tier.none]", "[client.tiered.attestation.tier.hardware_claimed]", 1)
        })
        .await;
        assert_eq!(error(&Phone::new(&strict, None).tokens("orders:read").await), (401, "invalid_client"));
        assert_eq!(Phone::new(&strict, Some("hardware_claimed")).tokens("orders:read").await.0, 200);
        strict.world.stop().await;
    }
}

/// 144-F: a claim asked for by name comes with a scope, and a tier without that scope has none of its claims either, in the ID token
/// and at userinfo. The twin is the tier that has the scope.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_by_name_is_within_the_tier() {
    let without = |it: String| it.replacen("scopes = [\"orders:read\"]\nlifetime", "scopes = [\"orders:write\"]\nlifetime", 1);
    let scene = Scene::start(Engine::Sqlite, without).await;
    let wanted = r#"{"id_token":{"customer_id":null,"email":null},"userinfo":{"customer_id":null,"email":null}}"#;
    for (tier, has) in [("software", false), ("hardware", true)] {
        let mut phone = Phone::new(&scene, Some(tier));
        let ask = Ask::new("tiered", BACK, "openid").with("claims", wanted);
        let code = Browser::default().sign_in(&scene.world, &ask, "alice").await["code"].clone();
        let (status, tokens) = phone.exchange(&code, &ask.verifier).await;
        assert_eq!(status, 200, "{tokens}");
        let (status, userinfo) = phone.userinfo(tokens["access_token"].as_str().unwrap()).await;
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
    let with_acr = |it: String| it.replacen("lifetime = \"2m\"", "lifetime = \"2m\"\nacr = \"urn:example:strong\"", 1);
    let scene = Scene::start(Engine::Sqlite, with_acr).await;
    let (mut soft, mut hard) = (Phone::new(&scene, Some("software")), Phone::new(&scene, Some("hardware")));
    let ask = Ask::new("tiered", BACK, "orders:read");
    let form = ask.form();
    let (_, pushed) = soft.post("/par", &form).await;
    let query = format!("/authorize?client_id=tiered&request_uri={}", pushed["request_uri"].as_str().unwrap());
    let mut browser = Browser::default();
    let page = browser.visit(&scene.world, &query).await;
    let page =
        browser.submit(&scene.world, &page, &[("username", "alice"), ("login_name", "alice"), ("password", PASSWORD)], "continue").await;
    assert!(page.location.is_none(), "a password alone is not enough: {}", page.html);
    // 368-Z: an app that insists on another acr is not given the tier's instead; the twin is a tier that asks for none.
    let mut insists = form.clone();
    insists.push(("claims", r#"{"id_token":{"acr":{"essential":true,"value":"urn:example:stronger"}}}"#));
    assert_eq!(error(&soft.post("/par", &insists).await), (400, "unmet_authentication_requirements"));
    assert_eq!(hard.post("/par", &insists).await.0, 201);
    // Not pushed: a code by password, which the weaker tier cannot use, and the stronger one can.
    for (phone, expected) in [(&mut soft, (400, "invalid_grant")), (&mut hard, (200, ""))] {
        let ask = Ask::new("tiered", BACK, "orders:read");
        let code = Browser::default().sign_in(&scene.world, &ask, "alice").await["code"].clone();
        assert_eq!(error(&phone.exchange(&code, &ask.verifier).await), expected);
    }
    scene.world.stop().await;
}

/// An installation that attests nothing ends what it holds itself, and nothing of another's: neither without a key nor with one.
#[tokio::test(flavor = "multi_thread")]
async fn who_attests_nothing_revokes_nothing_of_an_attested_one() {
    for engine in engines() {
        let scene = Scene::start(engine, |it| it.replacen("refresh = false", "", 1)).await;
        let mut phone = Phone::new(&scene, Some("hardware"));
        let (status, tokens) = phone.tokens("orders:read").await;
        assert_eq!(status, 200, "{tokens}");
        let token = tokens["refresh_token"].as_str().unwrap();
        let form = [("client_id", "tiered"), ("token", token)];
        let bare = scene.world.post("/revoke", &form, None).await;
        assert_eq!(error(&bare), (400, "invalid_dpop_proof"));
        let mut thief = Phone::new(&scene, None);
        assert_eq!(error(&thief.post("/revoke", &form).await), (400, "invalid_grant"));
        let mut other = Phone::new(&scene, Some("hardware"));
        assert_eq!(error(&other.post("/revoke", &form).await), (400, "invalid_grant"));
        let (status, tokens) = phone.refresh(&tokens).await;
        assert_eq!(status, 200, "{tokens}");
        // The twins: each ends its own.
        let form = [("client_id", "tiered"), ("token", tokens["refresh_token"].as_str().unwrap())];
        assert_eq!(phone.post("/revoke", &form).await.0, 200);
        assert_eq!(error(&phone.refresh(&tokens).await), (400, "invalid_grant"));
        let (status, own) = thief.tokens("orders:read").await;
        assert_eq!(status, 200, "{own}");
        let form = [("client_id", "tiered"), ("token", own["refresh_token"].as_str().unwrap())];
        assert_eq!(thief.post("/revoke", &form).await.0, 200);
        assert_eq!(error(&thief.refresh(&own).await), (400, "invalid_grant"));
        scene.world.stop().await;
    }
}

const PAYMENTS: &str = "https://api.example.com/payments";

/// Authorization details follow the tier as scopes do: of a tier that names its scopes, only those that it names as well; and there is
/// no way to a token for their API without them.
#[tokio::test(flavor = "multi_thread")]
async fn details_follow_the_tier() {
    let with = |line: &'static str| {
        move |it: String| {
            let api = format!(
                "[api.payments]\naudience = \"{PAYMENTS}\"\n[api.payments.authorization_details.payment]\ntext = \"Pay once\"\n\
                 schema = {{ properties = {{ amount = {{ type = \"string\" }} }} }}\n\
                 [client.tiered]\nauthorization_details_types = [\"payment\"]\n"
            );
            let it = it.replacen("[client.tiered]\n", &api, 1);
            it.replacen("lifetime = \"2m\"", &format!("lifetime = \"2m\"\n{line}"), 1)
        }
    };
    let details = serde_json::json!([{ "type": "payment", "amount": "12.50 EUR" }]);
    let ask = |scope: &str| Ask::new("tiered", BACK, scope).with("authorization_details", &details.to_string());
    for engine in engines() {
        let scene = Scene::start(engine, with("")).await;
        let (mut hard, mut soft, mut none) =
            (Phone::new(&scene, Some("hardware")), Phone::new(&scene, Some("software")), Phone::new(&scene, None));
        let (status, tokens) = hard.tokens_for(ask("openid"), &[("resource", PAYMENTS)]).await;
        assert_eq!((status, &tokens["authorization_details"]), (200, &details), "{tokens}");
        for phone in [&mut soft, &mut none] {
            let answer = phone.tokens_for(ask("openid orders:read"), &[("resource", PAYMENTS)]).await;
            assert_eq!(error(&answer), (400, "invalid_target"), "no token for that API: {}", answer.1);
            // Of what the tier leaves there is one API only, so it need not be named.
            let (status, tokens) = phone.tokens_for(ask("openid orders:read"), &[]).await;
            assert_eq!((status, tokens["scope"].as_str()), (200, Some("orders:read")), "{tokens}");
            assert!(tokens.get("authorization_details").is_none());
            assert!(claims(tokens["access_token"].as_str().unwrap()).get("authorization_details").is_none());
        }
        // What a phone got as hardware, it does not keep as software.
        let refresh = tokens["refresh_token"].as_str().unwrap();
        let form = [("grant_type", "refresh_token"), ("client_id", "tiered"), ("refresh_token", refresh), ("resource", PAYMENTS)];
        hard.attest(Some("software"));
        assert_eq!(error(&hard.post("/token", &form).await), (400, "invalid_target"));
        hard.attest(Some("hardware"));
        assert_eq!(hard.post("/token", &form).await.1["authorization_details"], details);
        scene.world.stop().await;
        let scene = Scene::start(engine, with("authorization_details_types = [\"payment\"]")).await;
        let (mut soft, mut none) = (Phone::new(&scene, Some("software")), Phone::new(&scene, None));
        let (status, tokens) = soft.tokens_for(ask("openid"), &[("resource", PAYMENTS)]).await;
        assert_eq!((status, &tokens["authorization_details"]), (200, &details), "the tier that names them: {tokens}");
        assert_eq!(error(&none.tokens_for(ask("openid"), &[("resource", PAYMENTS)]).await), (400, "invalid_target"));
        scene.world.stop().await;
    }
}

/// 144-F: the repetition of an exchange is judged as the exchange: what the installation proves now decides.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_exchange_suits_the_tier_too() {
    for engine in engines() {
        let software = "[client.tiered.attestation.tier.software]\n";
        let strong = |it: String| it.replacen(software, &format!("{software}acr = \"urn:example:strong\"\n"), 1);
        let scene = Scene::start(engine, strong).await;
        let mut phone = Phone::new(&scene, Some("hardware"));
        let (code, verifier) = phone.code("orders:read").await.unwrap();
        let (status, tokens) = phone.exchange(&code, &verifier).await;
        assert_eq!(status, 200, "{tokens}");
        phone.attest(Some("software"));
        assert_eq!(error(&phone.exchange(&code, &verifier).await), (400, "invalid_grant"));
        phone.attest(Some("hardware"));
        let (status, again) = phone.exchange(&code, &verifier).await;
        assert_eq!((status, &again["refresh_token"]), (200, &tokens["refresh_token"]));
        assert_eq!(scene.world.audited("code_retried").await, 1);
        scene.world.stop().await;
    }
}

/// A token of the client's own, without a person: the tier's scopes and lifetime, and the tier is said.
#[tokio::test(flavor = "multi_thread")]
async fn client_credentials_follow_the_tier() {
    let scene = Scene::start(Engine::Sqlite, |it| {
        it.replacen(
            "[client.tiered]\n",
            "[client.tiered]\ngrants = [\"authorization_code\", \"refresh_token\", \"client_credentials\"]\n",
            1,
        )
    })
    .await;
    let ask = async |phone: &mut Phone<'_>, scope: &str| {
        phone.post("/token", &[("grant_type", "client_credentials"), ("client_id", "tiered"), ("scope", scope)]).await
    };
    let (mut hard, mut soft) = (Phone::new(&scene, Some("hardware")), Phone::new(&scene, Some("software")));
    for (phone, scope, seconds, tier) in
        [(&mut hard, "orders:read orders:write", 900, "hardware"), (&mut soft, "orders:read", 120, "software")]
    {
        let (status, answer) = ask(phone, "orders:read orders:write").await;
        assert_eq!((status, answer["scope"].as_str(), answer["expires_in"].as_i64()), (200, Some(scope), Some(seconds)), "{answer}");
        let token = answer["access_token"].as_str().unwrap();
        assert_eq!(claims(token)["tier"], tier);
        let (_, said) = scene.world.post("/introspect", &[("token", token)], Some("orders")).await;
        assert_eq!((said["active"].as_bool(), said["tier"].as_str()), (Some(true), Some(tier)), "{said}");
    }
    assert_eq!(error(&ask(&mut soft, "orders:write").await), (400, "invalid_scope"));
    assert_eq!(ask(&mut hard, "orders:write").await.0, 200);
    scene.world.stop().await;
}
