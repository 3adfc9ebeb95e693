//! FAPI 2.0 Security Profile as a client's profile. The numbers are the points of docs/fapi.md; the points that hold for every
//! client have their tests elsewhere, and docs/fapi.md says where.

use crate::world::*;
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::{base64url, client_assertion};

const BACK: &str = "https://bank.example.com/callback";

fn client(jwk: &serde_json::Value) -> String {
    let members: Vec<String> = jwk.as_object().unwrap().iter().map(|(k, v)| format!("{k} = {v}")).collect();
    format!(
        "\n[client.bank]\nkind = \"web\"\nfirst_party = true\nprofile = \"fapi2\"\ndpop = \"required\"\n\
         jwks = {{ keys = [{{ {} }}] }}\nredirect_uris = [\"{BACK}\"]\napis = {{ orders = [\"orders:read\"] }}\n",
        members.join(", ")
    )
}

/// An app of the bank's, which authenticates by this key.
fn bank<'a>(world: &'a World, key: &'a PrivateKey) -> Phone<'a> {
    Phone { client_key: Some(key), ..Phone::new(world, "bank", BACK) }
}

/// Pushes a request and signs alice in; answers what came back.
async fn sign_in(bank: &mut Phone<'_>, ask: &Ask) -> std::collections::BTreeMap<String, String> {
    let pushed = bank.post("/par", &ask.form()).await;
    assert_eq!(pushed.status, 201, "{}", pushed.body);
    assert!(pushed.body["expires_in"].as_i64().unwrap() < 600, "30");
    let mut ask = ask.clone();
    ask.parameters =
        [("client_id", "bank"), ("request_uri", &pushed.text("request_uri"))].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    Browser::default().sign_in(bank.world, &ask, "alice").await
}

fn form<'a>(code: &'a str, verifier: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("grant_type", "authorization_code"), ("code", code), ("code_verifier", verifier), ("redirect_uri", BACK)]
}

/// 4, 7, 8, 10, 12 to 16, 19 to 25, 27, 32, and the lifetime of 30: the whole road of such a client, and each step without what it needs.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_the_profile() {
    for engine in engines() {
        let key = new_key();
        let world = Configuration::on(engine).await.with(&client(&key.public().to_jwk())).start().await;
        let mut bank = bank(&world, &key);
        // A long state (19 NOTE) and a nonce of 64 characters (32).
        let ask = Ask::new("bank", BACK, "openid orders:read").with("state", &"s".repeat(1200)).with("nonce", &"n".repeat(64));
        // 21: not pushed. 22: pushed by nobody. 24: pushed without redirect_uri. 23: without PKCE. 19: another response type.
        let page = Browser::default().open(&world, &ask).await;
        assert_eq!((page.status, page.location), (400, None));
        let plain: Vec<(&str, &str)> = ask.form();
        bank.client_key = None;
        assert_eq!(bank.post("/par", &plain).await.error(), (401, "invalid_client"));
        bank.client_key = Some(&key);
        for missing in ["redirect_uri", "code_challenge"] {
            let rest: Vec<(&str, &str)> = plain.iter().copied().filter(|it| it.0 != missing).collect();
            assert_eq!(bank.post("/par", &rest).await.error(), (400, "invalid_request"), "{missing}");
        }
        let token: Vec<(&str, &str)> =
            plain.iter().copied().map(|it| if it.0 == "response_type" { ("response_type", "token") } else { it }).collect();
        assert_eq!(bank.post("/par", &token).await.error(), (400, "unsupported_response_type"));
        let back = sign_in(&mut bank, &ask).await;
        assert_eq!((back["iss"].as_str(), back["state"].len()), (world.issuer.as_str(), 1200), "25");
        // 4: without a proof of a key there is no token, and the code is still good with one; 16: of the key that was pushed.
        let assertion = bank.assertion().unwrap();
        let mut bare = form(&back["code"], &ask.verifier);
        bare.extend([
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
        ]);
        assert_eq!(world.post("/token", &bare, None).await.1["error"], "invalid_dpop_proof");
        let mut thief = self::bank(&world, &key);
        assert_eq!(thief.post("/token", &form(&back["code"], &ask.verifier)).await.error(), (400, "invalid_grant"));
        let tokens = bank.post("/token", &form(&back["code"], &ask.verifier)).await;
        assert_eq!((tokens.status, tokens.text("token_type")), (200, "DPoP".to_owned()), "{}", tokens.body);
        assert_eq!(claims(&tokens.text("id_token"))["nonce"].as_str().unwrap().len(), 64);
        assert!(claims(&tokens.text("access_token"))["cnf"]["jkt"].is_string());
        // 13: the refresh token stays, however often it is used, and needs the client's authentication.
        let refresh = tokens.text("refresh_token");
        for _ in 0..3 {
            let again = bank.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", &refresh)]).await;
            assert_eq!((again.status, again.text("refresh_token")), (200, refresh.clone()));
        }
        bank.client_key = None;
        assert_eq!(bank.refresh(&refresh).await.error(), (401, "invalid_client"));
        bank.client_key = Some(&key);
        // 6: no password grant. 27: a code works once.
        assert_eq!(
            bank.post("/token", &[("grant_type", "password"), ("username", "alice")]).await.error(),
            (400, "unsupported_grant_type")
        );
        assert_eq!(bank.post("/token", &form(&back["code"], &ask.verifier)).await.error(), (400, "invalid_grant"));
        // 15: a code is over after a minute.
        let back = sign_in(&mut bank, &ask).await;
        world.advance_s(61);
        assert_eq!(bank.post("/token", &form(&back["code"], &ask.verifier)).await.error(), (400, "invalid_grant"));
        world.stop().await;
    }
}

/// 12, 35: assertions for somebody else, or by an algorithm that is not allowed.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_client_signs() {
    let rsa = PrivateKey::generate(Algorithm::RS256).unwrap();
    let world = Configuration::on(Engine::Sqlite).await.with(&client(&rsa.public().to_jwk())).start().await;
    let ask = Ask::new("bank", BACK, "openid");
    let mut app = world.phone();
    let mut push = async |key: &PrivateKey, audience: &str| {
        let now_s = world.running.shared.now().now_ms() / 1000;
        let jti = base64url::encode(&symbolon::seal::random::<9>().unwrap());
        let assertion = client_assertion::make(key, "bank", audience, &jti, now_s).unwrap();
        let mut form: Vec<(&str, &str)> = ask.form();
        form.extend([
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
        ]);
        let answer = app.post("/par", &form).await;
        (answer.status, answer.body["error"].as_str().unwrap_or_default().to_owned())
    };
    // The same RSA key, by PS256.
    let pss = PrivateKey::from_pkcs8(Algorithm::PS256, rsa.to_pkcs8()).unwrap();
    assert_eq!(push(&rsa, &world.issuer).await, (401, "invalid_client".to_owned()));
    assert_eq!(push(&pss, &format!("{}/token", world.issuer)).await, (401, "invalid_client".to_owned()));
    assert_eq!(push(&pss, &world.issuer).await.0, 201);
    world.stop().await;
}

/// What the profile does not allow is an error of the configuration that names the point; without it the file is read.
#[tokio::test]
async fn what_the_profile_does_not_allow_is_said() {
    let jwk = new_key().public().to_jwk();
    let good = Configuration::to_read().with(&client(&jwk));
    assert_eq!(good.read(), Ok(()));
    let set = |path: &str, value: &str| good.clone().set(path, value);
    let back = |uri: &str| good.clone().set("client.bank.redirect_uris", vec![uri]);
    for (bad, says) in [
        (good.clone().without("client.bank.dpop"), "tokens must be bound"),
        (back("http://127.0.0.1/cb"), "redirect_uris must be https"),
        (back("http://bank.example.com/cb"), "redirect_uris"),
        (good.clone().set("client.bank.without_pkce", true), "PKCE cannot be left out"),
        (set("client.bank.id_token_signed_response_alg", "RS256"), "RS256 is not allowed for what this server signs"),
        (set("client.bank.request_object_signing_alg", "RS256"), "RS256 is not allowed for what the client signs"),
        (good.clone().set("dpop.algorithms", vec!["RS256", "ES256"]), "RS256 is not allowed for what the client signs"),
        (set("api.orders.signing_alg", "RS256"), "RS256 is not allowed for what this server signs"),
        (set("client.bank.authentication", "none").without("client.bank.jwks"), "authentication must be"),
    ] {
        let said = bad.read().unwrap_err();
        assert!(said.contains(says) && said.contains("client.bank"), "{says}: {said}");
    }
    assert_eq!(good.clone().without("client.bank.profile").read(), Ok(()));
    let loopback = back("http://127.0.0.1/cb").set("client.bank.kind", "native").without("client.bank.first_party");
    assert_eq!(loopback.read(), Ok(()), "26: the exception for apps");
}
