//! The vectors of docs/attestation-for-apps.md: what the page says is what the server computes and takes.

use serde_json::{Map, Value as Json, json};
use std::path::Path;
use symbolon_attest::app_attest::{self, ExpectedAssertion};
use symbolon_attest::binding::{Purpose, leaf, named};
use symbolon_oauth::base64url;
use symbolon_oauth::client_attestation;
use symbolon_oauth::jwk::{KeySet, PublicKey};
use symbolon_oauth::jws::Unverified;

fn page() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::read_to_string(root.join("docs/attestation-for-apps.md")).unwrap()
}

/// What stands between back quotes behind this name of a row.
fn cell(page: &str, name: &str) -> String {
    let row = page.lines().find(|line| line.starts_with(&format!("| {name} |"))).unwrap_or_else(|| panic!("{name}"));
    row.split('`').nth(1).unwrap().to_owned()
}

fn bytes(text: &str) -> [u8; 32] {
    base64url::decode(text).unwrap().try_into().unwrap()
}

#[test]
fn digests_are_as_the_page_has_them() {
    let page = page();
    let (short, whole) = page.split_once("A whole renewal on iOS").unwrap();
    let (challenge, thumbprint) = ([1; 32], [2; 32]);
    assert_eq!(bytes(&cell(short, "leaf")), leaf(&challenge, "shop"));
    assert_eq!(bytes(&cell(short, "named(1)")), named(Purpose::First, "shop", &challenge, &thumbprint));
    assert_eq!(bytes(&cell(short, "named(2)")), named(Purpose::Renewal, "shop", &challenge, &thumbprint));
    let key: Json = serde_json::from_str(&cell(whole, "the installation's key")).unwrap();
    let thumbprint = bytes(&cell(whole, "its thumbprint"));
    assert_eq!(PublicKey::from_jwk(&key).unwrap().thumbprint(), cell(whole, "its thumbprint"));
    let challenge = bytes(&cell(whole, "the challenge, 00 to 1f"));
    assert!(challenge.iter().enumerate().all(|(at, byte)| usize::from(*byte) == at));
    assert_eq!(bytes(&cell(whole, "leaf")), leaf(&challenge, "shop-app"));
    assert_eq!(bytes(&cell(whole, "named(1)")), named(Purpose::First, "shop-app", &challenge, &thumbprint));
    assert_eq!(bytes(&cell(whole, "named(2)")), named(Purpose::Renewal, "shop-app", &challenge, &thumbprint));
}

#[test]
fn the_whole_request_and_its_answer_are_good() {
    let page = page();
    let whole = page.split_once("A whole renewal on iOS").unwrap().1;
    let jwk = |name: &str| serde_json::from_str::<Json>(&cell(whole, name)).unwrap();
    let line = |start: &str| whole.lines().find_map(|line| line.strip_prefix(start)).unwrap();
    let proof = Unverified::parse(line("DPoP: ")).unwrap();
    assert_eq!(proof.header().get("jwk"), Some(&jwk("the installation's key")));
    let claims = proof.verify(&PublicKey::from_jwk(&jwk("the installation's key")).unwrap()).unwrap();
    assert_eq!((&claims["htm"], &claims["htu"]), (&json!("POST"), &json!("https://login.example.com/tenant/attest")));

    let body = line("client_id=shop-app&format=apple-assertion&");
    let parameter = |name: &str| body.split('&').find_map(|it| it.strip_prefix(&format!("{name}="))).unwrap();
    assert_eq!(parameter("challenge"), cell(whole, "the challenge, 00 to 1f"));
    let enclave = jwk("the App Attest key");
    let coordinate = |name: &str| base64url::decode(enclave[name].as_str().unwrap()).unwrap();
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let assertion = base64url::decode(parameter("assertion")).unwrap();
    let judged = |purpose: &str| {
        let expected = ExpectedAssertion {
            app_ids: &["ABCDE12345.com.example.shop"],
            client_data_hash: &bytes(&cell(whole, purpose)),
            public_key: &point,
            counter_above: 6,
        };
        app_attest::assertion(&assertion, &expected).unwrap().holds()
    };
    assert!(judged("named(2)"));
    assert!(!judged("named(1)"), "evidence for one purpose is refused for the other");

    let answer: Map<String, Json> =
        serde_json::from_str(whole.lines().find(|it| it.starts_with("{\"client_attestation\"")).unwrap()).unwrap();
    let attesters = KeySet { keys: vec![PublicKey::from_jwk(&jwk("the server's key")).unwrap()] };
    let attestation = client_attestation::verify(answer["client_attestation"].as_str().unwrap(), &attesters).unwrap();
    assert_eq!((attestation.client_id.as_str(), attestation.exp - attestation.iat), ("shop-app", 86_400));
    assert_eq!(attestation.key.thumbprint(), cell(whole, "its thumbprint"));
    assert_eq!((&answer["expires_in"], &answer["tier"]), (&json!(86_400), &attestation.claims["tier"]));
}
