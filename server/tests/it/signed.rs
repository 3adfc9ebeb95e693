//! Signed requests and signed answers: RFC 9101 (JAR), JARM, RFC 9701. Each refusal with its twin.

use crate::world::*;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use symbolon_oauth::jwk::{KeySet, PrivateKey};
use symbolon_oauth::jws::Unverified;
use symbolon_oauth::{client_assertion, request_object};

const BACK: &str = "https://signer.example.com/callback";

struct Signer {
    world: World,
    key: PrivateKey,
}

impl Signer {
    /// A world with a client that has keys, registered with these further lines.
    async fn start(engine: Engine, lines: &str) -> Self {
        let key = new_key();
        let client = format!(
            "[client.signer]\nkind = \"web\"\nfirst_party = true\njwks = {}\nredirect_uris = [\"{BACK}\"]\n\
             apis = {{ orders = [\"orders:read\"] }}\n{lines}\n",
            jwks(&key)
        );
        Self { world: Configuration::on(engine).await.with(&client).start().await, key }
    }

    fn now_s(&self) -> i64 {
        self.world.running.shared.now().now_ms() / 1000
    }

    fn object(&self, parameters: &[(&str, &str)], jti: &str) -> String {
        request_object::make(
            &self.key,
            &request_object::Envelope { client_id: "signer", issuer: &self.world.issuer, jti, now_s: self.now_s() },
            parameters,
        )
        .unwrap()
    }

    fn assertion(&self) -> String {
        let jti = symbolon_oauth::base64url::encode(&symbolon::seal::random::<9>().unwrap());
        client_assertion::make(&self.key, "signer", &self.world.issuer, &jti, self.now_s()).unwrap()
    }

    async fn push(&self, form: &[(&str, &str)]) -> (u16, Json) {
        let assertion = self.assertion();
        let own = [("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), ("client_assertion", &assertion)];
        self.world.post("/par", &form.iter().copied().chain(own).collect::<Vec<_>>(), None).await
    }

    fn at_authorize(&self, parameters: &[(&str, &str)]) -> String {
        let query: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        self.world.url(&format!("/authorize?{query}"))
    }

    /// Through the sign-in that begins at this address.
    async fn sign_in(&self, browser: &mut Browser, url: &str) -> Page {
        browser.sign_in_at(&self.world, url, "alice").await
    }

    /// A signed answer, checked as a client does.
    async fn opened(&self, jwt: &str) -> BTreeMap<String, Json> {
        let document: Json = self.world.get("/jwks").await.json().await.unwrap();
        let token = Unverified::parse(jwt).unwrap();
        assert_eq!(token.typ(), Some("oauth-authz-resp+jwt"));
        token.verify_with(&KeySet::parse(&document).unwrap()).unwrap().into_iter().collect()
    }
}

fn request(ask: &Ask) -> Vec<(&str, &str)> {
    ask.form()
}

/// 072-P, 092-A, 094-A: what is signed counts and nothing beside it; an object works once, pushed or not.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_is_what_counts() {
    for engine in engines() {
        let signer = Signer::start(engine, "").await;
        let ask = Ask::new("signer", BACK, "openid orders:read").with("state", "inside");
        let object = signer.object(&request(&ask), "o-1");
        let other = Ask::new("signer", BACK, "openid");
        let url = signer.at_authorize(&[
            ("client_id", "signer"),
            ("request", &object),
            ("state", "outside"),
            ("redirect_uri", "https://evil.example"),
            ("code_challenge", &other.parameters["code_challenge"]),
        ]);
        let page = signer.sign_in(&mut Browser::default(), &url).await;
        let back = page.parameters();
        assert_eq!(back["state"], "inside");
        let assertion = signer.assertion();
        let form = |verifier: &str| {
            vec![
                ("grant_type", "authorization_code".to_owned()),
                ("code", back["code"].clone()),
                ("code_verifier", verifier.to_owned()),
                ("redirect_uri", BACK.to_owned()),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned()),
            ]
        };
        let post = async |verifier: &str, assertion: &str| {
            let mut form = form(verifier);
            form.push(("client_assertion", assertion.to_owned()));
            let form: Vec<(&str, &str)> = form.iter().map(|(k, v)| (*k, v.as_str())).collect();
            signer.world.post("/token", &form, None).await
        };
        assert_eq!(post(&other.verifier, &assertion).await.1["error"], "invalid_grant");
        assert_eq!(post(&ask.verifier, &signer.assertion()).await.0, 200);
        // The same object again: the person gets to the end, and no code.
        let again = signer.sign_in(&mut Browser::default(), &url).await;
        assert_eq!((again.status, again.location), (400, None));
        assert_eq!(signer.push(&[("request", &object)]).await.1["error"], "invalid_request_object");
        let fresh = signer.object(&request(&ask), "o-2");
        assert_eq!(signer.push(&[("request", &fresh)]).await.0, 201);
        assert_eq!(signer.push(&[("request", &fresh)]).await.1["error"], "invalid_request_object");
        signer.world.stop().await;
    }
}

/// 090-A, 093-A, 095-A, 198-J, RFC 9126 3: objects that are not the client's, not for us, or not alone.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_the_clients_own_and_for_us() {
    let signer = Signer::start(Engine::Sqlite, "").await;
    let ask = Ask::new("signer", BACK, "openid");
    let refused = async |object: &str| {
        let (status, answer) = signer.push(&[("request", object)]).await;
        (status, answer["error"].as_str().unwrap_or_default().to_owned())
    };
    let invalid = (400, "invalid_request_object".to_owned());
    let stranger = new_key();
    let forged = request_object::make(
        &stranger,
        &request_object::Envelope { client_id: "signer", issuer: &signer.world.issuer, jti: "a", now_s: signer.now_s() },
        &request(&ask),
    )
    .unwrap();
    assert_eq!(refused(&forged).await, invalid);
    let elsewhere = request_object::make(
        &signer.key,
        &request_object::Envelope { client_id: "signer", issuer: "https://other.example", jti: "b", now_s: signer.now_s() },
        &request(&ask),
    )
    .unwrap();
    assert_eq!(refused(&elsewhere).await, invalid);
    let old = request_object::make(
        &signer.key,
        &request_object::Envelope { client_id: "signer", issuer: &signer.world.issuer, jti: "c", now_s: signer.now_s() - 301 },
        &request(&ask),
    )
    .unwrap();
    assert_eq!(refused(&old).await, invalid);
    let good = signer.object(&request(&ask), "d");
    let (_, payload) = good.split_once('.').unwrap();
    for alg in ["none", "None", "nOnE"] {
        let header = symbolon_oauth::base64url::encode(format!("{{\"alg\":\"{alg}\"}}").as_bytes());
        assert_eq!(refused(&format!("{header}.{}.", payload.split_once('.').unwrap().0)).await, invalid);
    }
    assert_eq!(refused("eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.AAAA.AAAA.AAAA.AAAA").await, invalid);
    // Beside an object stands nothing but the client's own authentication.
    assert_eq!(signer.push(&[("request", &good), ("scope", "openid")]).await.1["error"], "invalid_request");
    assert_eq!(signer.push(&[("request", &good)]).await.0, 201);
    // An empty scope is an absent one, and an absent one of this client means its only API's.
    let empty = signer.object(&request(&ask.clone().with("scope", "")), "e");
    let (status, pushed) = signer.push(&[("request", &empty)]).await;
    assert_eq!(status, 201);
    let url = signer.at_authorize(&[("client_id", "signer"), ("request_uri", pushed["request_uri"].as_str().unwrap())]);
    assert!(signer.sign_in(&mut Browser::default(), &url).await.location.unwrap().contains("code="));
    // Both ways at once, and a client without keys.
    let both = signer.at_authorize(&[("client_id", "signer"), ("request", &good), ("request_uri", "urn:x")]);
    assert_eq!(Browser::default().get(&signer.world, &both).await.status, 400);
    let ask = Ask::native("openid");
    let keyless = format!("/authorize?{}&request={good}", ask.query());
    let page = Browser::default().visit(&signer.world, &keyless).await;
    assert!(page.status == 400 && page.says("request_not_supported"), "{}", page.html);
    signer.world.stop().await;
}

/// RFC 9126 3, RFC 9101 10.5: a client that must sign gets nowhere with plain parameters, pushed or not.
#[tokio::test(flavor = "multi_thread")]
async fn who_must_sign_signs() {
    let signer = Signer::start(Engine::Sqlite, "require_signed_request_object = true").await;
    let ask = Ask::new("signer", BACK, "openid");
    let (status, answer) = signer.push(&request(&ask)).await;
    assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_request")));
    assert_eq!(Browser::default().get(&signer.world, &signer.at_authorize(&request(&ask))).await.status, 400);
    assert_eq!(signer.push(&[("request", &signer.object(&request(&ask), "1"))]).await.0, 201);
    signer.world.stop().await;
}

/// 096-A: JARM. Answers and errors alike are signed, for this client, and a client registered for that gets nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn answers_are_signed_for_the_client() {
    let signer = Signer::start(Engine::Sqlite, "response_modes = [\"jwt\", \"form_post.jwt\"]").await;
    let ask = Ask::new("signer", BACK, "openid");
    let plain = Browser::default().get(&signer.world, &signer.at_authorize(&request(&ask))).await;
    assert_eq!((plain.status, plain.location), (400, None));
    let signed = ask.clone().with("response_mode", "jwt");
    let mut browser = Browser::default();
    let page = signer.sign_in(&mut browser, &signer.at_authorize(&request(&signed))).await;
    let back = page.parameters();
    assert_eq!(back.keys().collect::<Vec<_>>(), ["response"], "nothing stands outside the signature");
    let claims = signer.opened(&back["response"]).await;
    assert_eq!(
        (claims["iss"].as_str().unwrap(), &claims["aud"], &claims["state"]),
        (signer.world.issuer.as_str(), &json!("signer"), &json!("s-1"))
    );
    assert!(claims["code"].as_str().unwrap().starts_with("sc_") && claims["exp"].as_i64().unwrap() > signer.now_s());
    let silent = signed.clone().with("prompt", "none").with("max_age", "0");
    let page = Browser::default().get(&signer.world, &signer.at_authorize(&request(&silent))).await;
    let claims = signer.opened(&page.parameters()["response"]).await;
    assert_eq!(claims["error"], "login_required");
    let posted = ask.with("response_mode", "form_post.jwt");
    let page = browser.get(&signer.world, &signer.at_authorize(&request(&posted))).await;
    let fields = page.fields();
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["response"]);
    assert!(signer.opened(&fields["response"]).await.contains_key("code"));
    signer.world.stop().await;
}

/// 476-O, RFC 9701: introspection signed for the API that asked; what the token is not, is not said.
#[tokio::test(flavor = "multi_thread")]
async fn introspection_is_signed_for_who_asks() {
    on_every_engine(|world| async move {
        let tokens = world.tokens("openid orders:read").await;
        let ask = async |api: &str, accept: &str| {
            let form = [("token", tokens["access_token"].as_str().unwrap())];
            let request = world.http.post(world.url("/introspect")).form(&form).basic_auth(api, Some(SECRET)).header("accept", accept);
            let answer = request.send().await.unwrap();
            let mime = answer.headers()["content-type"].to_str().unwrap().to_owned();
            (mime, answer.text().await.unwrap())
        };
        let (mime, jwt) = ask("orders", "application/token-introspection+jwt").await;
        assert_eq!(mime, "application/token-introspection+jwt");
        let document: Json = world.get("/jwks").await.json().await.unwrap();
        let read = |jwt: &str| {
            let token = Unverified::parse(jwt).unwrap();
            assert_eq!(token.typ(), Some("token-introspection+jwt"));
            Json::Object(token.verify_with(&KeySet::parse(&document).unwrap()).unwrap())
        };
        let claims = read(&jwt);
        assert_eq!((claims["aud"].as_str(), claims["token_introspection"]["active"].as_bool()), (Some("orders"), Some(true)));
        assert!(claims.get("sub").is_none() && claims.get("exp").is_none());
        let claims = read(&ask("ledger", "application/token-introspection+jwt").await.1);
        assert_eq!(claims["token_introspection"], json!({ "active": false }));
        let (mime, plain) = ask("orders", "application/json").await;
        assert!(mime == "application/json" && plain.contains("\"active\":true"));
        // Sent as a token, the answer is none.
        let (status, _) = world.post("/introspect", &[("token", &jwt)], Some("orders")).await;
        assert_eq!(status, 200);
        assert_eq!(world.get("/userinfo").await.status().as_u16(), 401);
        let used = world.http.get(world.url("/userinfo")).bearer_auth(&jwt).send().await.unwrap();
        assert_eq!(used.status().as_u16(), 401);
        world.stop().await;
    })
    .await;
}

/// 042-C, 103-T: an exchange that comes twice with one assertion ends nothing; the same code with a new assertion ends the grant.
#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_that_comes_twice_ends_nothing() {
    for engine in engines() {
        let signer = Signer::start(engine, "").await;
        let ask = Ask::new("signer", BACK, "openid orders:read");
        let page = signer.sign_in(&mut Browser::default(), &signer.at_authorize(&request(&ask))).await;
        let code = page.code();
        let exchange = [("grant_type", "authorization_code"), ("code", &code), ("code_verifier", &ask.verifier), ("redirect_uri", BACK)];
        let send = async |form: &[(&str, &str)], assertion: &str| {
            let own =
                [("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), ("client_assertion", assertion)];
            signer.world.post("/token", &form.iter().copied().chain(own).collect::<Vec<_>>(), None).await
        };
        let assertion = signer.assertion();
        let (status, tokens) = send(&exchange, &assertion).await;
        assert_eq!(status, 200, "{tokens}");
        let (status, answer) = send(&exchange, &assertion).await;
        assert_eq!((status, answer["error"].as_str()), (401, Some("invalid_client")));
        let refresh = async |token: &Json| {
            send(&[("grant_type", "refresh_token"), ("refresh_token", token["refresh_token"].as_str().unwrap())], &signer.assertion()).await
        };
        let (status, tokens) = refresh(&tokens).await;
        assert_eq!(status, 200, "{tokens}");
        let (status, answer) = send(&exchange, &signer.assertion()).await;
        assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_grant")));
        assert_eq!(refresh(&tokens).await.1["error"], "invalid_grant", "the grant has ended");
        signer.world.stop().await;
    }
}

/// 093-A, FAPI 2.0 Message Signing 5.3.1: of a client of the profile, or one that must sign, an object says from when on it is good.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_says_from_when_on_it_is_good() {
    let fapi = "profile = \"fapi2\"\ndpop = \"required\"\nlogin = \"strong\"\n[login.strong]\nrequire = [\"password + totp\"]";
    for (lines, wanted) in [("", false), ("require_signed_request_object = true", true), (fapi, true)] {
        let signer = Signer::start(Engine::Sqlite, lines).await;
        let ask = Ask::new("signer", BACK, "openid");
        let object = |nbf: Option<i64>, jti: &str| {
            let mut claims: Json = ask.parameters.iter().map(|(k, v)| (k.clone(), Json::from(v.as_str()))).collect();
            let now_s = signer.now_s();
            (claims["iss"], claims["aud"], claims["jti"]) = ("signer".into(), signer.world.issuer.clone().into(), jti.into());
            claims["exp"] = (now_s + 300).into();
            nbf.into_iter().for_each(|ago_s| claims["nbf"] = (now_s - ago_s).into());
            symbolon_oauth::jws::sign(&signer.key, request_object::TYP, &claims).unwrap()
        };
        assert_eq!(signer.push(&[("request", &object(Some(60), "1"))]).await.0, 201, "{lines}");
        let (status, answer) = signer.push(&[("request", &object(None, "2"))]).await;
        let expected = if wanted { (400, Some("invalid_request_object")) } else { (201, None) };
        assert_eq!((status, answer["error"].as_str()), expected, "{lines}");
        assert_eq!(signer.push(&[("request", &object(Some(3400), "3"))]).await.1["error"], "invalid_request_object", "{lines}");
        signer.world.stop().await;
    }
}
