//! Test vectors of others: Wycheproof, and cases of other servers. They are read from `SYMBOLON_VECTORS`, or from `../shared/vectors`
//! beside the workspace. Where neither is there, the tests say that they were skipped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use serde_json::{Value, json};
use std::path::PathBuf;
use symbolon_oauth::jwk::{Algorithm, KeySet, PublicKey};
use symbolon_oauth::jws::Unverified;
use symbolon_oauth::{base64url, dpop, redirect};

fn vectors(path: &str) -> Option<Value> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    let folder = std::env::var_os("SYMBOLON_VECTORS").map_or(beside, PathBuf::from);
    match std::fs::read(folder.join(path)) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap()),
        Err(_) => {
            println!("skipped: no {path} in {}", folder.display());
            None
        }
    }
}

fn unhex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).unwrap()
}

/// The 32 bytes of a big-endian integer that may have a leading zero.
fn coordinate(text: &str) -> String {
    let bytes = unhex(text);
    let mut padded = vec![0; 32_usize.saturating_sub(bytes.len())];
    padded.extend_from_slice(&bytes[bytes.len().saturating_sub(32)..]);
    base64url::encode(&padded)
}

/// `None`: a key that we refuse (an RSA exponent of 3).
fn key(group: &Value) -> Option<PublicKey> {
    let public = &group["publicKey"];
    let jwk = match public["type"].as_str().unwrap_or_default() {
        "EcPublicKey" => {
            let (x, y) = (coordinate(public["wx"].as_str().unwrap()), coordinate(public["wy"].as_str().unwrap()));
            json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y })
        }
        "EDDSAPublicKey" => json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url::encode(&unhex(public["pk"].as_str().unwrap())) }),
        _ => {
            let part = |name: &str| {
                let bytes = unhex(public[name].as_str().unwrap());
                base64url::encode(&bytes[bytes.iter().take_while(|it| **it == 0).count()..])
            };
            json!({ "kty": "RSA", "n": part("modulus"), "e": part("publicExponent") })
        }
    };
    PublicKey::from_jwk(&jwk).ok()
}

fn signatures(file: &str, alg: Algorithm) {
    let Some(document) = vectors(&format!("jose/wycheproof/{file}")) else { return };
    let (mut valid, mut invalid) = (0, 0);
    for group in document["testGroups"].as_array().unwrap() {
        let Some(key) = key(group) else { continue };
        for test in group["tests"].as_array().unwrap() {
            let bytes = |name: &str| unhex(test[name].as_str().unwrap());
            let accepted = key.verify(alg, &bytes("msg"), &bytes("sig"));
            match test["result"].as_str().unwrap() {
                "valid" => {
                    assert!(accepted, "{file} {} is valid", test["tcId"]);
                    valid += 1;
                }
                "invalid" => {
                    assert!(!accepted, "{file} {} is invalid: {}", test["tcId"], test["comment"]);
                    invalid += 1;
                }
                _ => {}
            }
        }
    }
    assert!(valid > 0 && invalid > 0);
    println!("{file}: {valid} valid, {invalid} invalid");
}

#[test]
fn wycheproof_ecdsa() {
    signatures("ecdsa_secp256r1_sha256_p1363_test.json", Algorithm::ES256);
}

#[test]
fn wycheproof_ed25519() {
    signatures("ed25519_test.json", Algorithm::EdDSA);
}

#[test]
fn wycheproof_rsa() {
    for (file, alg) in
        [("rsa_signature_2048_sha256_test.json", Algorithm::RS256), ("rsa_pss_2048_sha256_mgf1_32_test.json", Algorithm::PS256)]
    {
        let named = vectors(&format!("jose/wycheproof/{file}")).is_some_and(|it| it["testGroups"][0]["publicKey"]["modulus"].is_string());
        if named {
            signatures(file, alg);
        } else {
            println!("left out: {file} has no public key we read");
        }
    }
}

/// 101-T, 198-J, 200-J, 210-J, 229-J: no key of the group verifies what Wycheproof calls invalid.
#[test]
fn wycheproof_json_web_signatures() {
    let Some(document) = vectors("jose/wycheproof/json_web_signature_test.json") else { return };
    let mut refused = 0;
    for group in document["testGroups"].as_array().unwrap() {
        let public = group.get("public").or_else(|| group.get("private")).cloned().unwrap_or_default();
        let mut members = public.clone();
        for private in ["d", "p", "q", "dp", "dq", "qi"] {
            members.as_object_mut().map(|it| it.remove(private));
        }
        let keys: Vec<Value> = members["keys"].as_array().cloned().unwrap_or_else(|| vec![members.clone()]);
        let keys = KeySet { keys: keys.iter().filter_map(|it| PublicKey::from_jwk(it).ok()).collect() };
        for test in group["tests"].as_array().unwrap().iter().filter(|it| it["result"] == "invalid") {
            let text = match &test["jws"] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let accepted = Unverified::parse(&text).and_then(|it| it.verify_with(&keys));
            assert!(accepted.is_err(), "{}: {}", test["tcId"], test["comment"]);
            refused += 1;
        }
    }
    assert!(refused > 0);
    println!("{refused} refused");
}

/// We refuse what other servers refuse. We accept what they accept byte for byte or by the loopback rule.
#[test]
fn redirect_matching_of_other_servers() {
    let Some(document) = vectors("attacks/redirect-uri-matching.json") else { return };
    let (mut yes, mut no) = (0, 0);
    for case in document["matching"].as_array().unwrap() {
        let requested = case["requested"].as_str().unwrap();
        let registered: Vec<&str> = case["registered"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let matched = registered.iter().any(|it| redirect::matches(it, requested));
        let exact = registered.contains(&requested);
        if case["allowed"] == false && !exact {
            assert!(!matched, "{case}");
            no += 1;
        } else if exact {
            assert!(matched, "{case}");
            yes += 1;
        }
    }
    assert!(yes > 0 && no > 0);
    println!("{yes} matched, {no} refused");
}

/// What another server holds for insecure may not be registered. Of what it allows, we refuse names for this computer (RFC 8252 8.3), and
/// nothing else.
#[test]
fn registration_rules_of_another_server() {
    let Some(document) = vectors("attacks/redirect-uri-matching.json") else { return };
    let (mut yes, mut no) = (0, 0);
    for case in document["registration_security"].as_array().unwrap() {
        let uri = case["uri"].as_str().unwrap();
        let is_name = uri.contains("localhost");
        let expected = case["secure_for_registration"] == true && !is_name;
        assert_eq!(redirect::may_register(uri, redirect::ClientKind::Native).is_ok(), expected, "{case}");
        if expected { yes += 1 } else { no += 1 }
    }
    assert!(yes > 0 && no > 0);
    println!("{yes} may be registered, {no} refused");
}

/// Addresses that confuse parsers match no registered one, in the request as in the registration of an app.
#[test]
fn addresses_of_published_open_redirects() {
    let Some(document) = vectors("attacks/open-redirect-payloads.json") else { return };
    let registered = "https://app.example.com/callback";
    assert!(redirect::matches(registered, registered) && redirect::may_register(registered, redirect::ClientKind::Native).is_ok());
    let payloads = document["payloads"].as_array().unwrap();
    for payload in payloads.iter().map(|it| it.as_str().unwrap()) {
        assert!(!redirect::matches(registered, payload), "{payload}");
        // What may be registered is an https address that says its host plainly.
        if redirect::may_register(payload, redirect::ClientKind::Native).is_ok() {
            let host = payload.strip_prefix("https://").and_then(|it| it.split('/').next()).unwrap_or_else(|| panic!("{payload}"));
            assert!(host.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'.'), "{payload}");
        }
    }
    assert!(payloads.len() > 100);
}

/// 031-R: what browsers read in addresses that are written strangely. A redirect URI equals itself and no other spelling of it. What may
/// be registered says the host and the scheme that a browser reads in it.
#[test]
fn addresses_that_parsers_read_otherwise() {
    let Some(document) = vectors("attacks/url-parsing.json") else { return };
    let (mut taken, mut refused) = (0, 0);
    for case in document["vectors"].as_array().unwrap() {
        let text = |name: &str| case[name].as_str().unwrap_or_default();
        let (input, href) = (text("input"), text("href"));
        assert!(redirect::matches(input, input), "{case}");
        if input != href {
            assert!(!redirect::matches(input, href) && !redirect::matches(href, input), "{case}");
        }
        let kinds = [redirect::ClientKind::Native, redirect::ClientKind::Web];
        if !kinds.into_iter().any(|kind| redirect::may_register(input, kind).is_ok()) {
            refused += 1;
            continue;
        }
        taken += 1;
        let (scheme, rest) = input.split_once(':').unwrap();
        assert_eq!(format!("{scheme}:"), text("protocol"), "{case}");
        let shown = rest.strip_prefix("//").map(|it| it.split(['/', '?']).next().unwrap_or_default()).unwrap_or_default();
        let host = shown.rsplit_once(':').map_or(shown, |(host, _)| host);
        assert_eq!((host, text("username"), text("password"), text("hash")), (text("hostname"), "", "", ""), "{case}");
    }
    assert!(taken > 0 && refused > 500, "{taken} taken, {refused} refused");
    println!("{taken} may be registered, {refused} refused");
}

/// No key verifies the tokens of published attacks.
#[test]
fn tokens_of_published_attacks() {
    let Some(document) = vectors("attacks/jwt-attack-tokens.json") else { return };
    for case in document["vectors"].as_array().unwrap() {
        let token = case["token"].as_str().unwrap();
        let keys = KeySet::default();
        assert!(Unverified::parse(token).and_then(|it| it.verify_with(&keys)).is_err(), "{}", case["id"]);
    }
}

/// The proofs in RFC 9449, 4.2 and 7.1, and each of them with one change.
#[test]
fn proofs_of_the_rfc() {
    let Some(document) = vectors("oauth/spec-examples.json") else { return };
    let mut seen = 0;
    for vector in document["vectors"].as_array().unwrap().iter().filter(|it| it["kind"] == "dpop") {
        let text = |name: &str| vector[name].as_str().unwrap();
        let good = dpop::Expected {
            method: text("method"),
            url: text("url"),
            access_token: vector["access_token"].as_str(),
            now_s: vector["verify_at"].as_i64().unwrap(),
            window_s: dpop::WINDOW_S,
            algorithms: &dpop::ALGORITHMS,
        };
        let proof = dpop::check(text("token"), &good).unwrap();
        assert_eq!((proof.jkt.as_str(), proof.jti.as_str()), (text("jkt"), vector["payload"]["jti"].as_str().unwrap()));
        for bad in [
            dpop::Expected { method: "PUT", ..good },
            dpop::Expected { url: "https://server.example.com/other", ..good },
            dpop::Expected { now_s: good.now_s + 61, ..good },
            dpop::Expected { now_s: good.now_s - 61, ..good },
            dpop::Expected { access_token: Some("another"), ..good },
            dpop::Expected { algorithms: &[Algorithm::EdDSA], ..good },
        ] {
            assert!(dpop::check(text("token"), &bad).is_err(), "{} {bad:?}", vector["id"]);
        }
        seen += 1;
    }
    assert!(seen > 0);
}
