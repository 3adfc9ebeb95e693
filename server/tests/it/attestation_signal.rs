//! Attestation as a further signal: a client that authenticates in another way, or not at all, and whose installations prove
//! themselves besides. The same checks, the same errors and the same binding as where it is the client authentication.

use crate::world::*;
use serde_json::{Map, Value as Json};
use symbolon_oauth::jwk::PrivateKey;

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

struct Scene {
    world: World,
    attester: PrivateKey,
    own: PrivateKey,
}

impl Scene {
    async fn start(engine: Engine) -> Self {
        let (attester, own) = (new_key(), new_key());
        let clients = CLIENTS.replace("ATTESTER", &jwks(&attester)).replace("OWN", &jwks(&own));
        Self { world: Configuration::on(engine).await.with(&clients).start().await, attester, own }
    }

    /// An installation that the attester vouches for.
    fn phone(&self, client: &'static str, mode: Mode) -> Phone<'_> {
        let client_key = (client == "vouched").then_some(&self.own);
        let mut phone = Phone { mode, client_key, ..Phone::new(&self.world, client, BACK) };
        phone.attest_by(&self.attester, client, 3600, &Map::new());
        phone
    }
}

/// 251-N, 263-N, 273-N, 276-N, 279-N: beside private_key_jwt, by DPoP, by a PoP, and by a PoP with DPoP of its own: what one
/// installation got is of no use to the client itself, to another of its installations, or to nobody's.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_authenticates_is_attested_besides() {
    for engine in engines() {
        let scene = Scene::start(engine).await;
        for mode in [Mode::Combined, Mode::Pop, Mode::Both] {
            let mut phone = scene.phone("vouched", mode);
            let (status, tokens) = phone.try_tokens("orders:read").await.parts();
            assert_eq!(status, 200, "{tokens}");
            assert_eq!(tokens["token_type"], if mode == Mode::Pop { "Bearer" } else { "DPoP" });
            let mut other = scene.phone("vouched", mode);
            assert_eq!(other.refresh(refresh_token(&tokens)).await.error(), (400, "invalid_grant"), "another genuine installation");
            let (status, tokens) = phone.refresh(refresh_token(&tokens)).await.parts();
            assert_eq!(status, 200, "{tokens}");
            assert_eq!(claims(tokens["access_token"].as_str().unwrap())["tier"], Json::Null, "the API did not ask for it");
            // Each of the two proofs alone is none.
            phone.client_key = None;
            assert_eq!(phone.refresh(refresh_token(&tokens)).await.error(), (401, "invalid_client"));
            phone.client_key = Some(&scene.own);
            phone.mode = Mode::Unattested;
            assert_eq!(phone.refresh(refresh_token(&tokens)).await.error(), (401, "invalid_client"));
            assert_eq!(phone.try_tokens("orders:read").await.error(), (401, "invalid_client"), "nor at /par");
            assert_eq!(phone.post("/revoke", &[("token", "sr_x")]).await.error(), (401, "invalid_client"), "nor at /revoke");
            phone.mode = mode;
            let good = phone.attestation.clone();
            phone.attest_by(&new_key(), "vouched", 3600, &Map::new());
            assert_eq!(
                phone.refresh(refresh_token(&tokens)).await.error(),
                (400, "invalid_client_attestation"),
                "an attester nobody knows"
            );
            phone.attest_by(&scene.attester, "either", 3600, &Map::new());
            assert_eq!(phone.refresh(refresh_token(&tokens)).await.error(), (400, "invalid_client_attestation"), "of another client");
            phone.attestation = other.attestation.clone();
            assert_eq!(
                phone.refresh(refresh_token(&tokens)).await.error(),
                (400, "invalid_client_attestation"),
                "another's, with a proof of one's own"
            );
            phone.attestation = good;
            let (status, tokens) = phone.refresh(refresh_token(&tokens)).await.parts();
            assert_eq!(status, 200, "none of them spent anything: {tokens}");
            scene.world.advance_s(3601);
            assert_eq!(phone.refresh(refresh_token(&tokens)).await.error(), (400, "use_fresh_attestation"));
            phone.attest_by(&scene.attester, "vouched", 3600, &Map::new());
            assert_eq!(phone.refresh(refresh_token(&tokens)).await.status, 200);
            assert_eq!(phone.post("/revoke", &[("token", tokens["refresh_token"].as_str().unwrap())]).await.status, 200);
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
        let mut genuine = scene.phone("either", Mode::Combined);
        let (status, tokens) = genuine.try_tokens(all).await.parts();
        assert_eq!((status, tokens["scope"].as_str()), (200, Some("orders:read orders:write")), "{tokens}");
        assert_eq!(
            scene.world.post("/introspect", &[("token", tokens["access_token"].as_str().unwrap())], Some("orders")).await.1["tier"],
            "software"
        );
        let mut bare = scene.phone("either", Mode::Unattested);
        let (status, less) = bare.try_tokens(all).await.parts();
        assert_eq!((status, less["scope"].as_str(), less["expires_in"].as_i64()), (200, Some("orders:read"), Some(60)), "{less}");
        assert_eq!(bare.refresh(refresh_token(&less)).await.status, 200);
        genuine.mode = Mode::Unattested;
        assert_eq!(
            genuine.refresh(refresh_token(&tokens)).await.error(),
            (400, "use_fresh_attestation"),
            "the right key without its attestation"
        );
        genuine.mode = Mode::Combined;
        assert_eq!(genuine.refresh(refresh_token(&tokens)).await.status, 200);
        // Neither: no attestation, no key.
        let refresh =
            [("grant_type", "refresh_token"), ("client_id", "either"), ("refresh_token", less["refresh_token"].as_str().unwrap())];
        let (status, answer) = scene.world.post("/token", &refresh, None).await;
        assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_dpop_proof")));
        // A bad attestation is not the same as none.
        bare.mode = Mode::Combined;
        bare.attest_by(&new_key(), "either", 3600, &Map::new());
        assert_eq!(bare.try_tokens("orders:read").await.error(), (400, "invalid_client_attestation"));
        bare.mode = Mode::Unattested;
        assert_eq!(bare.try_tokens("orders:read").await.status, 200);
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
