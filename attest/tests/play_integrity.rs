//! Play Integrity: tokens and verdicts that nobody here wrote (`SYMBOLON_VECTORS`, or `../shared/vectors` beside the
//! workspace), and tokens made here, each bad one next to the good one it differs from in one thing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod made;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap};
use data_encoding::HEXLOWER;
use made::{base64, vectors};
use serde_json::{Value, json};
use symbolon_attest::jwe::{self, JweError};
use symbolon_attest::play_integrity::{
    AppRecognition, Binding, DeviceLevel, Expected, FUTURE_MS, Facts, Keys, Licensing, Unopened, judge, open,
};
use symbolon_attest::{Failed, Verdict};
use symbolon_oauth::base64url;
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::jws::sign_with_header;

const NOW_MS: i64 = 1_795_420_800_123;
const HASH: &str = "LYXY6BBvgV_uySp0Eu5DbxXRIfOXcdBYeye4yXQyOys";
const DIGEST: &str = "nSrXEn8JkZKXFMAZW0NHhDRTHNi38YE2XCvVzYXjRu8";
const OTHER_DIGEST: &str = "hIO7bIJmGlKa_ly9Jw-83oZMk_2iAF3IMh-OG7SGmR8";
const KEK: [u8; 32] = [7; 32];

// Verdicts.

fn expected() -> Expected<'static> {
    Expected {
        packages: &["com.acme.bank"],
        binding: Binding::RequestHash(HASH),
        signing_digests: &[DIGEST],
        minimum_version_code: Some(42),
        now_ms: NOW_MS + 1_000,
        max_age_ms: 120_000,
        device: DeviceLevel::Device,
        require_licensed: true,
        allow_unrecognized_version: false,
    }
}

fn good() -> Value {
    json!({
        "requestDetails": { "requestPackageName": "com.acme.bank", "requestHash": HASH, "timestampMillis": NOW_MS.to_string() },
        "appIntegrity": {
            "appRecognitionVerdict": "PLAY_RECOGNIZED", "packageName": "com.acme.bank",
            "certificateSha256Digest": [DIGEST], "versionCode": "42"
        },
        "deviceIntegrity": {
            "deviceRecognitionVerdict": ["MEETS_BASIC_INTEGRITY", "MEETS_DEVICE_INTEGRITY"],
            "deviceAttributes": { "sdkVersion": 36 }, "recentDeviceActivity": { "deviceActivityLevel": "LEVEL_1" }
        },
        "accountDetails": { "appLicensingVerdict": "LICENSED" },
        "environmentDetails": { "appAccessRiskVerdict": { "appsDetected": ["KNOWN_INSTALLED"] }, "playProtectVerdict": "NO_ISSUES" }
    })
}

fn names(verdict: &Verdict<Facts>) -> Vec<&'static str> {
    verdict.failed.iter().map(|it| it.name).collect()
}

/// The rules that fail once the member at this place is another; `None`: once it is not there.
fn with(path: &str, value: Option<Value>, expected: &Expected<'_>) -> Vec<&'static str> {
    let mut verdict = good();
    let (parent, name) = path.rsplit_once('/').unwrap();
    let object = verdict.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => object.insert(name.to_owned(), value),
        None => object.remove(name),
    };
    names(&judge(&verdict, expected).unwrap())
}

#[test]
fn a_good_verdict_holds_and_tells_its_facts() {
    let verdict = judge(&good(), &expected()).unwrap();
    assert!(verdict.holds(), "{:?}", verdict.failed);
    let text = |it: &str| Some(it.to_owned());
    let facts = Facts {
        package: text("com.acme.bank"),
        request_package: text("com.acme.bank"),
        request_hash: text(HASH),
        nonce: None,
        timestamp_ms: Some(NOW_MS),
        app_recognition: Some(AppRecognition::Recognized),
        certificate_digests: vec![DIGEST.to_owned()],
        version_code: Some(42),
        device: vec!["MEETS_BASIC_INTEGRITY".to_owned(), "MEETS_DEVICE_INTEGRITY".to_owned()],
        device_level: Some(DeviceLevel::Device),
        licensing: Some(Licensing::Licensed),
        play_protect: text("NO_ISSUES"),
        app_access_risk: Some(vec!["KNOWN_INSTALLED".to_owned()]),
        recent_activity: text("LEVEL_1"),
        sdk_version: Some(36),
    };
    assert_eq!(verdict.facts, facts);
    // Members nobody knows are not looked at.
    assert!(with("/requestDetails/more", Some(json!({ "x": 1 })), &expected()).is_empty());
    // Padding of a digest, on either side.
    assert!(with("/appIntegrity/certificateSha256Digest", Some(json!([format!("{DIGEST}=")])), &expected()).is_empty());
    let padded = format!("{DIGEST}=");
    assert!(judge(&good(), &Expected { signing_digests: &[&padded], ..expected() }).unwrap().holds());
}

/// 282-N: nothing, null, nothing in it, another type: the rule that needs the member fails, and none but that.
#[test]
fn no_needed_member_passes_without_a_value() {
    for (path, rule) in [
        ("/requestDetails/requestPackageName", "request_package"),
        ("/requestDetails/requestHash", "binding"),
        ("/requestDetails/timestampMillis", "age"),
        ("/appIntegrity/appRecognitionVerdict", "app_recognition"),
        ("/appIntegrity/packageName", "package"),
        ("/appIntegrity/certificateSha256Digest", "certificate"),
        ("/appIntegrity/versionCode", "version"),
        ("/deviceIntegrity/deviceRecognitionVerdict", "device"),
        ("/accountDetails/appLicensingVerdict", "licensing"),
    ] {
        let values = [json!(null), json!(""), json!([]), json!({}), json!(true), json!(1), json!([null]), json!([""]), json!([1])];
        for value in [None].into_iter().chain(values.map(Some)) {
            assert_eq!(with(path, value.clone(), &expected()), [rule], "{path} {value:?}");
        }
    }
    let app = ["app_recognition", "package", "certificate", "version"];
    let request = ["request_package", "binding", "age"];
    let objects =
        [("requestDetails", &request[..]), ("appIntegrity", &app), ("deviceIntegrity", &["device"]), ("accountDetails", &["licensing"])];
    for (name, rules) in objects {
        for value in [None, Some(json!(null)), Some(json!({})), Some(json!([])), Some(json!("")), Some(json!(true))] {
            assert_eq!(with(&format!("/{name}"), value.clone(), &expected()), rules, "{name} {value:?}");
        }
    }
    let nothing = judge(&json!({}), &expected()).unwrap();
    assert_eq!(names(&nothing), [&request[..], &app, &["device", "licensing"]].concat());
    assert_eq!(nothing.facts, Facts::default());
    // The wrapper of Google's answer is not the payload.
    assert!(!judge(&json!({ "tokenPayloadExternal": good() }), &expected()).unwrap().holds());
    for no_object in [json!(null), json!([]), json!([good()]), json!(true), json!(good().to_string())] {
        assert!(judge(&no_object, &expected()).is_err());
    }
}

/// 236-N, 250-N
#[test]
fn a_verdict_for_another_request_does_not_hold() {
    let hash = "/requestDetails/requestHash";
    for other in [&HASH[1..], &HASH.to_lowercase(), &format!("{HASH}="), &format!(" {HASH}"), "LYXY", &"a".repeat(600)] {
        assert_eq!(with(hash, Some(json!(other)), &expected()), ["binding"], "{other}");
    }
    // Nothing expected is matched by nothing at all, nor by anything.
    for binding in [Binding::RequestHash(""), Binding::Nonce(""), Binding::Nonce("==")] {
        for value in [json!(""), json!("=="), json!(HASH)] {
            let name = if matches!(binding, Binding::Nonce(_)) { "nonce" } else { "requestHash" };
            let mut verdict = good();
            verdict["requestDetails"].as_object_mut().unwrap().remove("requestHash");
            verdict["requestDetails"][name] = value;
            assert_eq!(names(&judge(&verdict, &Expected { binding, ..expected() }).unwrap()), ["binding"]);
        }
    }
    // One kind of request where the other is expected, with the very same value; both; and the twin that holds.
    let nonce = Expected { binding: Binding::Nonce(HASH), ..expected() };
    let mut classic = good();
    classic["requestDetails"].as_object_mut().unwrap().remove("requestHash");
    classic["requestDetails"]["nonce"] = json!(HASH);
    assert_eq!(names(&judge(&classic, &expected()).unwrap()), ["binding"]);
    assert_eq!(names(&judge(&good(), &nonce).unwrap()), ["binding"]);
    for both in [json!(HASH), json!(null), json!("")] {
        assert_eq!(with("/requestDetails/nonce", Some(both), &expected()), ["binding"]);
    }
    assert!(judge(&classic, &nonce).unwrap().holds());
    classic["requestDetails"]["nonce"] = json!(format!("{HASH}="));
    assert!(judge(&classic, &nonce).unwrap().holds(), "padding says nothing");
    classic["requestDetails"]["nonce"] = json!(format!("x{HASH}"));
    assert_eq!(names(&judge(&classic, &nonce).unwrap()), ["binding"]);
}

/// 236-N, 208-J
#[test]
fn a_verdict_lives_as_long_as_it_may() {
    let at = |now_ms: i64| names(&judge(&good(), &Expected { now_ms, ..expected() }).unwrap());
    assert!(at(NOW_MS).is_empty());
    assert!(at(NOW_MS + 120_000).is_empty());
    assert_eq!(at(NOW_MS + 120_001), ["age"]);
    assert!(at(NOW_MS - FUTURE_MS).is_empty());
    assert_eq!(at(NOW_MS - FUTURE_MS - 1), ["future"]);
    assert_eq!(at(i64::MAX), ["age"]);
    assert_eq!(at(i64::MIN), ["future"]);
    let now = NOW_MS.to_string();
    for odd in [format!("+{now}"), format!("0{now}"), format!(" {now}"), format!("{now}.0"), format!("-{now}"), format!("{now}\n")] {
        assert_eq!(with("/requestDetails/timestampMillis", Some(json!(odd)), &expected()), ["age"], "{odd:?}");
    }
    for odd in [json!(NOW_MS), json!("1795420800e3"), json!("0x1a2"), json!("9223372036854775808"), json!("१७९५४२०८००१२३"), json!("-1")]
    {
        assert_eq!(with("/requestDetails/timestampMillis", Some(odd.clone()), &expected()), ["age"], "{odd}");
    }
    assert_eq!(with("/requestDetails/timestampMillis", Some(json!("9223372036854775807")), &expected()), ["future"]);
    assert_eq!(with("/requestDetails/timestampMillis", Some(json!("0")), &expected()), ["age"]);
}

/// 260-N
#[test]
fn another_app_does_not_pass() {
    let other = || Some(json!("com.evil"));
    assert_eq!(with("/requestDetails/requestPackageName", other(), &expected()), ["request_package", "package"]);
    assert_eq!(with("/appIntegrity/packageName", other(), &expected()), ["package"]);
    assert_eq!(with("/appIntegrity/packageName", Some(json!("com.acme.BANK")), &expected()), ["package"]);
    // Two apps of ours: neither asks for the other.
    let two = Expected { packages: &["com.acme.bank", "com.acme.shop"], ..expected() };
    assert!(judge(&good(), &two).unwrap().holds());
    assert_eq!(with("/appIntegrity/packageName", Some(json!("com.acme.shop")), &two), ["package"]);
    let none = Expected { packages: &[], ..expected() };
    assert_eq!(names(&judge(&good(), &none).unwrap()), ["request_package", "package"]);

    let digests = "/appIntegrity/certificateSha256Digest";
    for bad in
        [json!([OTHER_DIGEST]), json!([DIGEST, OTHER_DIGEST]), json!([DIGEST, null]), json!(DIGEST), json!(["6a6a1474b5cbbb2b1aa57e0bc3"])]
    {
        assert_eq!(with(digests, Some(bad.clone()), &expected()), ["certificate"], "{bad}");
    }
    assert_eq!(with(digests, Some(json!(vec![DIGEST; 33])), &expected()), ["certificate"]);
    let both = Expected { signing_digests: &[OTHER_DIGEST, DIGEST], ..expected() };
    assert!(with(digests, Some(json!([DIGEST, OTHER_DIGEST])), &both).is_empty());
    for signing_digests in [&[][..], &[""], &["6a6a1474b5cbbb2b1aa57e0bc3"], &[OTHER_DIGEST]] {
        assert_eq!(names(&judge(&good(), &Expected { signing_digests, ..expected() }).unwrap()), ["certificate"]);
    }
    // What is no digest matches nothing, not even itself.
    let short = Expected { signing_digests: &["6a6a1474b5cbbb2b1aa57e0bc3"], ..expected() };
    assert_eq!(with(digests, Some(json!(["6a6a1474b5cbbb2b1aa57e0bc3"])), &short), ["certificate"]);

    let code = "/appIntegrity/versionCode";
    for bad in [json!("41"), json!("042"), json!("+42"), json!(42), json!("42.0"), json!("-42"), json!("99999999999999999999")] {
        assert_eq!(with(code, Some(bad.clone()), &expected()), ["version"], "{bad}");
    }
    assert!(with(code, Some(json!("43")), &expected()).is_empty());
    assert!(with(code, None, &Expected { minimum_version_code: None, ..expected() }).is_empty());
}

#[test]
fn a_build_play_does_not_know_passes_only_by_policy() {
    let verdict = "/appIntegrity/appRecognitionVerdict";
    let lenient = Expected { allow_unrecognized_version: true, ..expected() };
    for bad in ["UNEVALUATED", "play_recognized", "PLAY_RECOGNIZED ", "SOMETHING_NEW"] {
        assert_eq!(with(verdict, Some(json!(bad)), &expected()), ["app_recognition"], "{bad}");
        assert_eq!(with(verdict, Some(json!(bad)), &lenient), ["app_recognition"], "{bad}");
    }
    assert_eq!(with(verdict, Some(json!("UNRECOGNIZED_VERSION")), &expected()), ["app_recognition"]);
    assert!(with(verdict, Some(json!("UNRECOGNIZED_VERSION")), &lenient).is_empty());
    // Repacked: the policy is about the build, not about who signed it.
    let mut repacked = good();
    repacked["appIntegrity"]["appRecognitionVerdict"] = json!("UNRECOGNIZED_VERSION");
    repacked["appIntegrity"]["certificateSha256Digest"] = json!([OTHER_DIGEST]);
    assert_eq!(names(&judge(&repacked, &lenient).unwrap()), ["certificate"]);
    // As Google sends it when it did not look.
    assert_eq!(
        with("/appIntegrity", Some(json!({ "appRecognitionVerdict": "UNEVALUATED" })), &lenient),
        ["app_recognition", "package", "certificate", "version"]
    );
}

#[test]
fn a_lesser_device_does_not_pass() {
    let labels = "/deviceIntegrity/deviceRecognitionVerdict";
    let (basic, middle, strong) = ("MEETS_BASIC_INTEGRITY", "MEETS_DEVICE_INTEGRITY", "MEETS_STRONG_INTEGRITY");
    let meets = |given: Value, device: DeviceLevel| with(labels, Some(given), &Expected { device, ..expected() }).is_empty();
    assert!(meets(json!([basic]), DeviceLevel::Basic));
    assert!(!meets(json!([basic]), DeviceLevel::Device));
    assert!(meets(json!([middle]), DeviceLevel::Basic));
    assert!(meets(json!([middle]), DeviceLevel::Device));
    assert!(!meets(json!([basic, middle]), DeviceLevel::Strong));
    assert!(meets(json!([strong, middle, basic]), DeviceLevel::Strong));
    for nothing in ["MEETS_VIRTUAL_INTEGRITY", "MEETS_SUPER_INTEGRITY", "meets_device_integrity", "MEETS_DEVICE_INTEGRITY ", "UNEVALUATED"]
    {
        assert!(!meets(json!([nothing]), DeviceLevel::Basic), "{nothing}");
        assert!(!meets(json!([nothing, basic]), DeviceLevel::Device), "{nothing}");
        assert!(meets(json!([nothing, middle]), DeviceLevel::Device), "{nothing}");
    }
    for odd in [json!(middle), json!([middle, null]), json!([[middle]]), json!({ middle: true }), json!(vec![middle; 33])] {
        assert!(!meets(odd.clone(), DeviceLevel::Basic), "{odd}");
    }
}

#[test]
fn licensing_counts_where_it_is_asked_for() {
    let licence = "/accountDetails/appLicensingVerdict";
    let lenient = Expected { require_licensed: false, ..expected() };
    for bad in ["UNLICENSED", "UNEVALUATED", "licensed", "NEW"] {
        assert_eq!(with(licence, Some(json!(bad)), &expected()), ["licensing"], "{bad}");
        assert!(with(licence, Some(json!(bad)), &lenient).is_empty(), "{bad}");
    }
}

#[test]
fn an_answer_made_up_for_testers_does_not_pass() {
    let details = "/testingDetails";
    for bad in [json!({ "isTestingResponse": true }), json!({ "isTestingResponse": "false" }), json!(true), json!(null), json!([])] {
        assert_eq!(with(details, Some(bad.clone()), &expected()), ["testing"], "{bad}");
    }
    for fine in [json!({ "isTestingResponse": false }), json!({})] {
        assert!(with(details, Some(fine.clone()), &expected()).is_empty(), "{fine}");
    }
}

// Tokens.

fn keys_of(key: &PrivateKey) -> Keys {
    let jwk = key.public().to_jwk();
    let part = |name: &str| base64url::decode(jwk[name].as_str().unwrap()).unwrap();
    let spki = [hex("3059301306072a8648ce3d020106082a8648ce3d03010703420004"), part("x"), part("y")].concat();
    Keys { decryption: KEK, verification_spki: spki }
}

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

fn signed(key: &PrivateKey, claims: &Value) -> String {
    sign_with_header(key, &json!({ "alg": "ES256" }), claims).unwrap()
}

/// A JWE under whatever header; made as A256KW and A256GCM ask for.
fn encrypted(header: &str, kek: &[u8; 32], plain: &str) -> String {
    let (content_key, iv) = ([9; 32], [3; 12]);
    let header = base64url::encode(header.as_bytes());
    let mut wrapped = [0; 40];
    AesKek::new(&AES_256, kek).unwrap().wrap(&content_key, &mut wrapped).unwrap();
    let mut sealed = plain.as_bytes().to_vec();
    let gcm = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &content_key).unwrap());
    gcm.seal_in_place_append_tag(Nonce::assume_unique_for_key(iv), Aad::from(header.as_bytes()), &mut sealed).unwrap();
    let tag = sealed.split_off(sealed.len() - 16);
    [header, base64url::encode(&wrapped), base64url::encode(&iv), base64url::encode(&sealed), base64url::encode(&tag)].join(".")
}

const HEADER: &str = r#"{"alg":"A256KW","enc":"A256GCM"}"#;

#[test]
fn a_good_token_opens_and_holds() {
    let key = PrivateKey::generate(Algorithm::ES256).unwrap();
    let keys = keys_of(&key);
    let verdict = open(&encrypted(HEADER, &KEK, &signed(&key, &good())), &keys).unwrap();
    assert_eq!(verdict, good());
    assert!(judge(&verdict, &expected()).unwrap().holds());
    let hints = r#"{"alg":"A256KW","enc":"A256GCM","kid":"1","cty":"JWT","typ":"JWE"}"#;
    assert!(open(&encrypted(hints, &KEK, &signed(&key, &good())), &keys).is_ok());
    assert!(!format!("{keys:?}").contains('7'), "keys do not print themselves");
}

#[test]
fn another_key_does_not_open_and_it_is_said_which() {
    let (key, other) = (PrivateKey::generate(Algorithm::ES256).unwrap(), PrivateKey::generate(Algorithm::ES256).unwrap());
    let token = encrypted(HEADER, &KEK, &signed(&key, &good()));
    let keys = keys_of(&key);
    assert!(open(&token, &keys).is_ok());
    assert_eq!(open(&token, &Keys { decryption: [8; 32], ..keys.clone() }), Err(Unopened::Decryption));
    assert_eq!(open(&token, &keys_of(&other)), Err(Unopened::Signature));
    assert_eq!(open(&encrypted(HEADER, &KEK, &signed(&other, &good())), &keys), Err(Unopened::Signature));
    assert_eq!(Failed::from(Unopened::Signature).name, "token_signature");
    // A verification key that is none: cut off, longer, another curve, compressed, off the curve.
    let spki = &keys.verification_spki;
    let mut off = spki.clone();
    off[90] ^= 1;
    let p384 = [hex("3076301006072a8648ce3d020106052b81040022036200"), vec![4; 97]].concat();
    let compressed = [hex("3039301306072a8648ce3d020106082a8648ce3d030107032200"), vec![2; 33]].concat();
    let mut other_form = spki.clone();
    other_form[26] = 6;
    for bad in [vec![], spki[..90].to_vec(), [spki.as_slice(), &[0]].concat(), off, p384, compressed, other_form] {
        assert_eq!(open(&token, &Keys { verification_spki: bad, ..keys.clone() }), Err(Unopened::Key));
    }
}

/// As the algorithm rows of area J want it.
#[test]
fn only_one_set_of_algorithms_is_agreed_to() {
    let key = PrivateKey::generate(Algorithm::ES256).unwrap();
    let keys = keys_of(&key);
    let inner = signed(&key, &good());
    for outer in [
        r#"{"alg":"A256KW","enc":"A256GCM","zip":"DEF"}"#,
        r#"{"alg":"A256KW","enc":"A256GCM","crit":["exp"],"exp":1}"#,
        r#"{"alg":"A256KW","enc":"A256GCM","kid":1}"#,
        r#"{"alg":"A256KW","enc":"A256GCM","jku":"https://evil"}"#,
        r#"{"alg":"A256KW","enc":"A128GCM"}"#,
        r#"{"alg":"A256KW","enc":"A256CBC-HS512"}"#,
        r#"{"alg":"A128KW","enc":"A256GCM"}"#,
        r#"{"alg":"A256GCMKW","enc":"A256GCM"}"#,
        r#"{"alg":"dir","enc":"A256GCM"}"#,
        r#"{"alg":"a256kw","enc":"A256GCM"}"#,
        r#"{"alg":"none","enc":"A256GCM"}"#,
        r#"{"alg":["A256KW"],"enc":"A256GCM"}"#,
        r#"{"alg":"A256KW"}"#,
        r#"{"enc":"A256GCM"}"#,
        "{}",
    ] {
        assert_eq!(open(&encrypted(outer, &KEK, &inner), &keys), Err(Unopened::Algorithm), "{outer}");
    }
    for outer in [r#"{"alg":"A256KW","enc":"A256GCM","enc":"A256GCM"}"#, "[]", "", "A256KW"] {
        assert!(matches!(open(&encrypted(outer, &KEK, &inner), &keys), Err(Unopened::Unreadable(_))), "{outer}");
    }
    let claims = base64url::encode(good().to_string().as_bytes());
    let unsigned = |header: &str, tag: &[u8]| format!("{}.{claims}.{}", base64url::encode(header.as_bytes()), base64url::encode(tag));
    let hs256 = {
        let head = format!("{}.{claims}", base64url::encode(br#"{"alg":"HS256"}"#));
        let secret = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &keys.verification_spki);
        format!("{head}.{}", base64url::encode(aws_lc_rs::hmac::sign(&secret, head.as_bytes()).as_ref()))
    };
    let eddsa = PrivateKey::generate(Algorithm::EdDSA).unwrap();
    for inner in [
        hs256,
        unsigned(r#"{"alg":"none"}"#, b""),
        unsigned(r#"{"alg":"None"}"#, b""),
        unsigned(r"{}", &[0; 64]),
        sign_with_header(&eddsa, &json!({ "alg": "EdDSA" }), &good()).unwrap(),
        sign_with_header(&key, &json!({ "alg": "ES256", "zip": "DEF" }), &good()).unwrap(),
        sign_with_header(&key, &json!({ "alg": "ES256", "crit": ["b64"], "b64": false }), &good()).unwrap(),
    ] {
        assert_eq!(open(&encrypted(HEADER, &KEK, &inner), &keys), Err(Unopened::Algorithm), "{inner}");
    }
    // A key that the token brings along is not looked at.
    let other = PrivateKey::generate(Algorithm::ES256).unwrap();
    let embedded = sign_with_header(&other, &json!({ "alg": "ES256", "jwk": other.public().to_jwk() }), &good()).unwrap();
    assert_eq!(open(&encrypted(HEADER, &KEK, &embedded), &keys), Err(Unopened::Signature));
    for signature in [&[][..], &[0; 64], &[255; 64], &[0; 63]] {
        let inner = unsigned(r#"{"alg":"ES256"}"#, signature);
        assert_eq!(open(&encrypted(HEADER, &KEK, &inner), &keys), Err(Unopened::Signature));
    }
}

/// 285-N
#[test]
fn a_token_that_was_changed_cut_off_or_blown_up_does_not_open() {
    let key = PrivateKey::generate(Algorithm::ES256).unwrap();
    let keys = keys_of(&key);
    let token = encrypted(HEADER, &KEK, &signed(&key, &good()));
    assert!(open(&token, &keys).is_ok());
    let parts: Vec<Vec<u8>> = token.split('.').map(|it| base64url::decode(it).unwrap()).collect();
    let joined = |parts: &[Vec<u8>]| parts.iter().map(|it| base64url::encode(it)).collect::<Vec<_>>().join(".");
    for at in 1..5 {
        for place in [0, parts[at].len() / 2, parts[at].len() - 1] {
            let mut edited = parts.clone();
            edited[at][place] ^= 1;
            assert_eq!(open(&joined(&edited), &keys), Err(Unopened::Decryption), "part {at}, byte {place}");
        }
        let mut shorter = parts.clone();
        shorter[at].pop();
        let why = open(&joined(&shorter), &keys).unwrap_err();
        assert!(matches!(why, Unopened::Unreadable(_)) || (at == 3 && why == Unopened::Decryption), "part {at}: {why}");
        let mut empty = parts.clone();
        empty[at].clear();
        assert!(matches!(open(&joined(&empty), &keys), Err(Unopened::Unreadable(_))), "part {at}");
    }
    // A header of the same meaning, spelled otherwise, is not the one that was authenticated.
    let mut respelled = parts.clone();
    respelled[0] = br#"{"enc":"A256GCM","alg":"A256KW"}"#.to_vec();
    assert_eq!(open(&joined(&respelled), &keys), Err(Unopened::Decryption));

    for cut in 0..token.len() {
        assert!(open(&token[..cut], &keys).is_err(), "{cut}");
    }
    let five_more = format!("{token}.{token}");
    let inner = signed(&key, &good());
    for bad in ["", ".", "....", &five_more, &format!("{token}."), &format!(".{token}"), &format!("{token}="), &format!(" {token}"), &inner]
    {
        assert!(matches!(open(bad, &keys), Err(Unopened::Unreadable(_))), "{bad}");
    }
    // What was encrypted is no JWS, or no UTF-8, or too much.
    let large = signed(&key, &json!({ "requestDetails": "x".repeat(13 * 1024) }));
    assert!(large.len() > 16 * 1024 && encrypted(HEADER, &KEK, &large).len() < jwe::MAX_BYTES);
    for plain in ["x", "{}", "a.b.c", "..", &good().to_string(), &large, "ü.ü.ü"] {
        assert!(matches!(open(&encrypted(HEADER, &KEK, plain), &keys), Err(Unopened::Unreadable(_))), "{plain}");
    }
    let huge = encrypted(HEADER, &KEK, &signed(&key, &json!({ "x": "x".repeat(20 * 1024) })));
    assert!(huge.len() > jwe::MAX_BYTES);
    assert_eq!(jwe::open(&huge, &KEK), Err(JweError::Malformed));
    assert!(matches!(open(&huge, &keys), Err(Unopened::Unreadable(_))));
    assert!(open(&"A".repeat(1 << 20), &keys).is_err());
}

// Vectors.

/// Base64 as Play Console gives keys: the other alphabet, padded.
#[test]
fn tokens_of_others() {
    let Some(file) = vectors("play-integrity/tokens.json") else { return };
    let (mut accepted, mut refused) = (0, 0);
    for vector in file["vectors"].as_array().unwrap() {
        let keys = Keys {
            decryption: base64(&vector["keys"]["decryption_key_b64"]).try_into().unwrap(),
            verification_spki: base64(&vector["keys"]["verification_key_spki_b64"]),
        };
        let token = vector["token"].as_str().unwrap();
        assert!(jwe::open(token, &keys.decryption).is_ok(), "{}", vector["id"]);
        if vector["expected_crypto"] == "reject" {
            assert_eq!(open(token, &keys), Err(Unopened::Algorithm), "{}", vector["id"]);
            refused += 1;
            continue;
        }
        let verdict = open(token, &keys).unwrap();
        assert_eq!(verdict, vector["inner_payload"]);
        accepted += 1;
        let expected = Expected {
            packages: &["com.worldcoin.dev"],
            binding: Binding::Nonce("aGVsbG8gd29scmQgdGhlcmU"),
            now_ms: 1_720_369_604_000,
            ..expected()
        };
        assert!(!judge(&verdict, &expected).unwrap().holds(), "the verdict is nested under `payload`");
        // Taken out of there, all that is wrong is a digest that is none.
        assert_eq!(names(&judge(&verdict["payload"], &expected).unwrap()), ["certificate"]);
    }
    println!("play-integrity/tokens.json: {accepted} accepted, {refused} refused, as stated");
    assert_eq!((accepted, refused), (1, 1));
}

#[test]
fn verdicts_of_others() {
    let Some(file) = vectors("play-integrity/verdicts.json") else { return };
    let (mut accepted, mut refused) = (0, 0);
    for vector in file["vectors"].as_array().unwrap() {
        let check = &vector["check"];
        let package = check["package"].as_str().unwrap();
        let expected = Expected {
            packages: &[package],
            binding: Binding::Nonce(check["nonce"].as_str().unwrap()),
            signing_digests: &[if package == "dev.keiji.deviceintegrity" { OTHER_DIGEST } else { DIGEST }],
            minimum_version_code: None,
            now_ms: check["now_millis"].as_i64().unwrap(),
            max_age_ms: 600_000,
            ..expected()
        };
        let verdict = judge(&vector["payload"], &expected).unwrap();
        assert_eq!(verdict.holds(), vector["expected"] == "accept", "{}: {:?}", vector["id"], verdict.failed);
        match vector["id"].as_str().unwrap() {
            "verdict-real-pixel6a-unrecognized" => {
                assert_eq!(names(&verdict), ["app_recognition", "licensing"]);
                let lenient = Expected { allow_unrecognized_version: true, require_licensed: false, ..expected };
                assert!(judge(&vector["payload"], &lenient).unwrap().holds());
                assert_eq!(verdict.facts.app_access_risk, None);
                assert_eq!(verdict.facts.sdk_version, Some(36));
            }
            "verdict-world-line-493" => {
                assert_eq!(names(&verdict), ["age", "app_recognition", "package", "certificate", "device", "licensing"]);
            }
            _ => {}
        }
        let elsewhere = Expected { binding: Binding::Nonce("another"), ..expected };
        assert!(judge(&vector["payload"], &elsewhere).unwrap().broke("binding"));
        if verdict.holds() { accepted += 1 } else { refused += 1 }
    }
    println!("play-integrity/verdicts.json: {accepted} accepted, {refused} refused, as stated");
    assert_eq!((accepted, refused), (2, 2));
}

/// Wycheproof has every JWE there is; we open those that are A256KW with A256GCM.
#[test]
fn encryption_of_others() {
    let Some(file) = vectors("jose/wycheproof/json_web_encryption_test.json") else { return };
    let (mut opened, mut refused) = (0, 0);
    for group in file["testGroups"].as_array().unwrap() {
        let key = group["private"]["k"].as_str().and_then(base64url::decode).and_then(|it| it.try_into().ok()).unwrap_or([0; 32]);
        for vector in group["tests"].as_array().unwrap() {
            let Some(token) = vector["jwe"].as_str() else { continue };
            let header = token.split('.').next().and_then(base64url::decode).unwrap_or_default();
            let ours = vector["result"] == "valid" && header == HEADER.as_bytes();
            let result = jwe::open(token, &key);
            assert_eq!(result.is_ok(), ours, "{}: {result:?}", vector["tcId"]);
            if ours {
                assert_eq!(result.unwrap(), hex(vector["pt"].as_str().unwrap()));
                opened += 1;
            } else {
                refused += 1;
            }
        }
    }
    println!("json_web_encryption_test.json: {opened} opened, {refused} refused");
    assert!(opened > 0 && refused > 50);
}
