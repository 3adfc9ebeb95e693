//! Attestation as a further signal: a client that authenticates in another way, or not at all, and whose installations prove
//! themselves besides. The same checks, the same errors and the same binding as where it is the client authentication.

use crate::world::*;
use serde_json::{Map, Value as Json};
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::{base64url, client_assertion, client_attestation, dpop};

const BACK: &str = "https://signal.example.com/cb";
const CLIENTS: &str = r#"
[client.vouched]
kind = "web"
first_party = true
apis = { orders = ["orders:read", "orders:write"] }
redirect_uris = ["https://signal.example.com/cb"]
jwks = OWN
[client.vouched.attestation]
attester_jwks = ATTESTER

[client.either]
kind = "native"
first_party = true
authentication = "none"
apis = { orders = ["orders:read", "orders:write"] }
redirect_uris = ["https://signal.example.com/cb"]
[client.either.attestation]
attester_jwks = ATTESTER
[client.either.attestation.tier.software]
[client.either.attestation.tier.none]
scopes = ["orders:read"]
lifetime = "1m"
"#;

fn key() -> PrivateKey {
    PrivateKey::generate(Algorithm::ES256).unwrap()
}

fn jwks(key: &PrivateKey) -> String {
    let jwk = key.public().to_jwk();
    format!("{{ keys = [{{ kty = \"EC\", crv = \"P-256\", x = {}, y = {} }}] }}", jwk["x"], jwk["y"])
}

fn fresh() -> String {
    base64url::encode(&symbolon::seal::random::<16>().unwrap())
}

struct Scene {
    world: World,
    attester: PrivateKey,
    own: PrivateKey,
}

impl Scene {
    async fn start(engine: Engine) -> Self {
        let (attester, own, port) = (key(), key(), free_port());
        let clients = CLIENTS.replace("ATTESTER", &jwks(&attester)).replace("OWN", &jwks(&own));
        Self { world: World::with(&(configuration(port, &database(engine).await) + &clients), port).await, attester, own }
    }

    fn now_s(&self) -> i64 {
        self.world.running.shared.now().now_ms() / 1000
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Combined,
    Pop,
    /// A PoP, and DPoP by a key of its own.
    Both,
    /// DPoP alone.
    Unattested,
}

struct Phone<'a> {
    scene: &'a Scene,
    client: &'static str,
    mode: Mode,
    /// The installation's, and the one of DPoP proofs where that is another.
    key: PrivateKey,
    other: PrivateKey,
    attestation: String,
    nonce: Option<String>,
    challenge: Option<String>,
    /// Sends the client's own assertion.
    asserts: bool,
}

type Answer = (u16, Json);

fn error(answer: &Answer) -> (u16, &str) {
    (answer.0, answer.1["error"].as_str().unwrap_or_default())
}

impl<'a> Phone<'a> {
    fn new(scene: &'a Scene, client: &'static str, mode: Mode) -> Self {
        let asserts = client == "vouched";
        let mut it =
            Self { scene, client, mode, key: key(), other: key(), attestation: String::new(), nonce: None, challenge: None, asserts };
        it.attest(&scene.attester, client);
        it
    }

    fn attest(&mut self, attester: &PrivateKey, client: &str) {
        let (now_s, jwk) = (self.scene.now_s(), self.key.public().to_jwk());
        self.attestation = client_attestation::make(attester, client, &jwk, now_s..now_s + 3600, &Map::new()).unwrap();
    }

    async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Answer {
        for _ in 0..3 {
            let (url, issuer, now_s) = (self.scene.world.url(path), &self.scene.world.issuer, self.scene.now_s());
            let assertion = client_assertion::make(&self.scene.own, self.client, issuer, &fresh(), now_s).unwrap();
            let mut form = form.to_vec();
            form.push(("client_id", self.client));
            if self.asserts {
                form.push(("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
                form.push(("client_assertion", &assertion));
            }
            let mut request = self.scene.world.http.post(&url).form(&form);
            if self.mode != Mode::Unattested {
                request = request.header("oauth-client-attestation", &self.attestation);
            }
            if [Mode::Pop, Mode::Both].contains(&self.mode) {
                let pop = client_attestation::make_pop(&self.key, issuer, &fresh(), self.challenge.as_deref(), now_s).unwrap();
                request = request.header("oauth-client-attestation-pop", pop);
            }
            if self.mode != Mode::Pop {
                let key = if self.mode == Mode::Both { &self.other } else { &self.key };
                request = request.header(
                    "dpop",
                    dpop::make(
                        key,
                        &dpop::Statement {
                            method: "POST",
                            url: &url,
                            nonce: self.nonce.as_deref(),
                            access_token: None,
                            jti: &fresh(),
                            iat: now_s,
                        },
                    )
                    .unwrap(),
                );
            }
            let answer = request.send().await.unwrap();
            let text = |name: &str| answer.headers().get(name).map(|it| it.to_str().unwrap().to_owned());
            (self.nonce, self.challenge) = (text("dpop-nonce"), text("oauth-client-attestation-challenge"));
            let answer = (answer.status().as_u16(), answer.json::<Json>().await.unwrap_or_default());
            if !["use_dpop_nonce", "use_attestation_challenge"].contains(&error(&answer).1) {
                return answer;
            }
        }
        panic!("the server is never content");
    }

    /// Pushes, signs in and exchanges.
    async fn tokens(&mut self, scope: &str) -> Answer {
        let ask = Ask::new(self.client, BACK, scope).without("client_id");
        let form = ask.form();
        let pushed = self.post("/par", &form).await;
        let Some(uri) = pushed.1["request_uri"].as_str() else { return pushed };
        let mut short = ask.clone();
        short.parameters = [("client_id", self.client), ("request_uri", uri)].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let code = Browser::default().sign_in(&self.scene.world, &short, "alice").await["code"].clone();
        self.exchange(&code, &ask.verifier).await
    }

    async fn exchange(&mut self, code: &str, verifier: &str) -> Answer {
        let form = [("grant_type", "authorization_code"), ("code", code), ("code_verifier", verifier), ("redirect_uri", BACK)];
        self.post("/token", &form).await
    }

    async fn refresh(&mut self, tokens: &Json) -> Answer {
        let token = tokens["refresh_token"].as_str().unwrap_or_default().to_owned();
        self.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", &token)]).await
    }
}

/// 251-N, 263-N, 273-N, 276-N, 279-N: beside private_key_jwt, by DPoP, by a PoP, and by a PoP with DPoP of its own: what one
/// installation got is of no use to the client itself, to another of its installations, or to nobody's.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_authenticates_is_attested_besides() {
    for engine in engines() {
        let scene = Scene::start(engine).await;
        for mode in [Mode::Combined, Mode::Pop, Mode::Both] {
            let mut phone = Phone::new(&scene, "vouched", mode);
            let (status, tokens) = phone.tokens("orders:read").await;
            assert_eq!(status, 200, "{tokens}");
            assert_eq!(tokens["token_type"], if mode == Mode::Pop { "Bearer" } else { "DPoP" });
            let mut other = Phone::new(&scene, "vouched", mode);
            assert_eq!(error(&other.refresh(&tokens).await), (400, "invalid_grant"), "another genuine installation");
            let (status, tokens) = phone.refresh(&tokens).await;
            assert_eq!(status, 200, "{tokens}");
            assert_eq!(claims(tokens["access_token"].as_str().unwrap())["tier"], Json::Null, "the API did not ask for it");
            // Each of the two proofs alone is none.
            phone.asserts = false;
            assert_eq!(error(&phone.refresh(&tokens).await), (401, "invalid_client"));
            phone.asserts = true;
            phone.mode = Mode::Unattested;
            assert_eq!(error(&phone.refresh(&tokens).await), (401, "invalid_client"));
            assert_eq!(error(&phone.tokens("orders:read").await), (401, "invalid_client"), "nor at /par");
            assert_eq!(error(&phone.post("/revoke", &[("token", "sr_x")]).await), (401, "invalid_client"), "nor at /revoke");
            phone.mode = mode;
            let good = phone.attestation.clone();
            phone.attest(&key(), "vouched");
            assert_eq!(error(&phone.refresh(&tokens).await), (400, "invalid_client_attestation"), "an attester nobody knows");
            phone.attest(&scene.attester, "either");
            assert_eq!(error(&phone.refresh(&tokens).await), (400, "invalid_client_attestation"), "of another client");
            phone.attestation = other.attestation.clone();
            assert_eq!(error(&phone.refresh(&tokens).await), (400, "invalid_client_attestation"), "another's, with a proof of one's own");
            phone.attestation = good;
            let (status, tokens) = phone.refresh(&tokens).await;
            assert_eq!(status, 200, "none of them spent anything: {tokens}");
            scene.world.advance_s(3601);
            assert_eq!(error(&phone.refresh(&tokens).await), (400, "use_fresh_attestation"));
            phone.attest(&scene.attester, "vouched");
            assert_eq!(phone.refresh(&tokens).await.0, 200);
            assert_eq!(phone.post("/revoke", &[("token", tokens["refresh_token"].as_str().unwrap())]).await.0, 200);
        }
        scene.world.stop().await;
    }
}

/// 144-F, 279-N: where devices may leave it out, they get the tier `none`, by a key; and what was got with it stays with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_public_client_gets_more_with_an_attestation() {
    for engine in engines() {
        let scene = Scene::start(engine).await;
        let all = "openid orders:read orders:write";
        let mut genuine = Phone::new(&scene, "either", Mode::Combined);
        let (status, tokens) = genuine.tokens(all).await;
        assert_eq!((status, tokens["scope"].as_str()), (200, Some("orders:read orders:write")), "{tokens}");
        assert_eq!(
            scene.world.post("/introspect", &[("token", tokens["access_token"].as_str().unwrap())], Some("orders")).await.1["tier"],
            "software"
        );
        let mut bare = Phone::new(&scene, "either", Mode::Unattested);
        let (status, less) = bare.tokens(all).await;
        assert_eq!((status, less["scope"].as_str(), less["expires_in"].as_i64()), (200, Some("orders:read"), Some(60)), "{less}");
        assert_eq!(bare.refresh(&less).await.0, 200);
        genuine.mode = Mode::Unattested;
        assert_eq!(error(&genuine.refresh(&tokens).await), (400, "use_fresh_attestation"), "the right key without its attestation");
        genuine.mode = Mode::Combined;
        assert_eq!(genuine.refresh(&tokens).await.0, 200);
        // Neither: no attestation, no key.
        let refresh =
            [("grant_type", "refresh_token"), ("client_id", "either"), ("refresh_token", less["refresh_token"].as_str().unwrap())];
        let (status, answer) = scene.world.post("/token", &refresh, None).await;
        assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_dpop_proof")));
        // A bad attestation is not the same as none.
        bare.mode = Mode::Combined;
        bare.attest(&key(), "either");
        assert_eq!(error(&bare.tokens("orders:read").await), (400, "invalid_client_attestation"));
        bare.mode = Mode::Unattested;
        assert_eq!(bare.tokens("orders:read").await.0, 200);
        scene.world.stop().await;
    }
}

/// What a reviewer reads, and what cannot be meant.
#[test]
fn a_signal_needs_somebody_who_gives_it() {
    let base = "issuer = \"https://a.example\"\n[client.app]\nkind = \"native\"\nredirect_uris = [\"https://app.example.com/cb\"]\n";
    let read = |more: &str| symbolon::config::Config::from_text(&format!("{base}{more}"), "x", &|_| None);
    assert!(read("[client.app.attestation]\nios = { app_ids = [\"ABCDE12345.com.example.shop\"] }\n").is_ok());
    let problem = read("[client.app.attestation]\nmax_age = \"1h\"\n").unwrap_err().to_string();
    assert!(problem.contains("neither an attester"), "{problem}");
}
