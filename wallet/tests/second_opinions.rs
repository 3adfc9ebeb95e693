//! Second opinions: `sd-jwt` and `pymdoccbor` of PyPI read what our issuer and wallet make, and we read what `sd-jwt` makes.
//! `SYMBOLON_SECOND_OPINIONS` names a Python that has both; without it these tests say that they were skipped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

mod made;

use made::{CLIENT, DOCTYPE, NAMESPACE, NOTHING, RESPONSE_URI, VCT, World};
use serde_json::{Value as Json, json};
use std::io::Write;
use std::process::{Command, Stdio};
use symbolon_oauth::jwk::KeySet;
use symbolon_phone::wallet::issuer::Terms;
use symbolon_phone::wallet::{Bound, present_mdoc, present_sd_jwt};
use symbolon_wallet::issuer::Issuer;
use symbolon_wallet::sd_jwt::{self, Binding, SdJwt};
use symbolon_wallet::transcript;

const ISS: &str = "https://pid.example";

fn now_s() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

/// None: there is nobody to ask here.
fn asked(what: &str, question: &Json) -> Option<Json> {
    let Some(python) = std::env::var_os("SYMBOLON_SECOND_OPINIONS") else {
        println!("skipped: SYMBOLON_SECOND_OPINIONS names no Python with sd-jwt and pymdoccbor");
        return None;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../interop/second_opinions.py");
    let mut child = Command::new(python).args([script, what]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(question.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{what}: {output:?}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// RFC 9901: an SD-JWT of somebody else's issuer and holder, with decoys.
#[test]
fn we_read_what_sd_jwt_makes() {
    let now = now_s();
    let question = json!({
        "iss": ISS, "vct": VCT, "now": now, "claims": { "name": "Ana", "age": 17, "address": { "locality": "Amaurot" } },
        "shown": ["name", "address"], "nonce": "n-1", "aud": CLIENT,
    });
    let Some(made) = asked("issue", &question) else { return };
    let mut key = made["issuer"].clone();
    (key["kid"], key["alg"], key["use"]) = ("1".into(), "ES256".into(), "sig".into());
    let keys = KeySet::parse(&json!({ "keys": [key] })).unwrap();
    let issuers = [Issuer { name: ISS.to_owned(), keys, ..Issuer::default() }];
    let judged = |text: &str, nonce: &str| {
        let binding = Binding { audience: CLIENT, nonce, max_age_s: 300, transaction_data: &[] };
        let asked =
            sd_jwt::Expected { issuers: &issuers, types: &[VCT], binding: Some(binding), now_s: now, skew_s: 60, typ: &[sd_jwt::TYP] };
        let verdict = SdJwt::parse(text).unwrap().judge(&asked).unwrap();
        (verdict.failed.iter().map(|it| it.name).collect::<Vec<_>>(), verdict.facts.claims)
    };
    let text = made["presentation"].as_str().unwrap_or_else(|| panic!("{made}"));
    let (failed, claims) = judged(text, "n-1");
    assert_eq!(failed, NOTHING);
    assert_eq!((&claims["name"], &claims["address"], claims.get("age")), (&json!("Ana"), &json!({ "locality": "Amaurot" }), None));
    assert_eq!(judged(text, "n-2").0, ["holder_nonce"]);
    // Without one of its disclosures the holder's signature is for another set.
    let parts: Vec<&str> = text.split('~').collect();
    let less = [&parts[..1], &parts[2..]].concat().join("~");
    assert_eq!(judged(&less, "n-1").0, ["holder_sd_hash"]);
}

/// The other way round: what our issuer signs and our wallet shows is read there as here.
#[test]
fn sd_jwt_reads_what_we_make() {
    let world = World::new();
    let now = now_s();
    let claims = json!({ "name": "Ana", "age": 17 });
    let terms = Terms { now_s: now - 100, ..world.terms(VCT) };
    let issued = world.issuer.sd_jwt(&terms, claims.as_object().unwrap()).unwrap();
    let bound = Bound { now_s: now, ..world.bound() };
    let shown = present_sd_jwt(&issued, &["age".to_owned()], &bound).unwrap();
    let question = |nonce: &str| json!({ "presentation": shown, "issuer": world.issuer.public_jwk(), "aud": CLIENT, "nonce": nonce });
    let Some(read) = asked("verify", &question("n-1")) else { return };
    assert_eq!((&read["claims"]["age"], read["claims"].get("name"), &read["claims"]["vct"]), (&json!(17), None, &json!(VCT)), "{read}");
    let other = asked("verify", &question("n-2")).unwrap();
    assert!(other["refused"].as_str().is_some_and(|why| why.contains("nonce")), "{other}");
}

/// ISO/IEC 18013-5 9.1.2: the issuer's signature and each element's digest.
#[test]
fn pymdoccbor_believes_the_issuer_of_our_mdocs() {
    let world = World::new();
    let claims = json!({ "age_over_18": false, "family_name": "Doe" });
    let terms = Terms { now_s: now_s() - 100, ..world.terms(DOCTYPE) };
    let issued = world.issuer.mdoc(&terms, claims.as_object().unwrap()).unwrap();
    let session = transcript::redirect(CLIENT, "n-1", Some(&[7; 32]), RESPONSE_URI);
    let good = present_mdoc(DOCTYPE, &issued, &["family_name".to_owned()], &session, &world.holder).unwrap();
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let question = |bytes: &[u8]| json!({ "response": hex(bytes), "root": hex(&world.issuer.root_der) });
    let Some(read) = asked("mdoc", &question(&good)) else { return };
    assert_eq!(read, json!({ "valid": true, "documents": 1 }), "{NAMESPACE}");
    let at = good.windows(3).position(|it| it == b"Doe").unwrap();
    let mut changed = good;
    changed[at] = b'P';
    assert_ne!(asked("mdoc", &question(&changed)).unwrap()["valid"], true, "an element that was changed");
}
