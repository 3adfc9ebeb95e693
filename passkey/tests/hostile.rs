//! A software authenticator and every lie that it, or the page around it, can tell. Area W, as far as it concerns the answer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod ceremony;

use ceremony::{CHALLENGE, ORIGIN, RP, creation_options, registered};
use serde_json::{Value as Json, json};
use symbolon_oauth::base64url;
use symbolon_passkey::options::{Conveyance, Descriptor, Request, request};
use symbolon_passkey::{
    AssertionFacts, AssertionResponse, CrossOrigin, ExpectedAssertion, RegistrationResponse, Unreadable, UserVerification, Verdict,
    assertion, cose,
};
use symbolon_phone::authenticator::{Authenticator, BACKED_UP, BACKUP_ELIGIBLE, NotDone, USER_PRESENT, USER_VERIFIED};

fn request_options(allow: &[Descriptor]) -> Json {
    request(&Request { rp_id: RP, challenge: CHALLENGE, timeout_ms: 300_000, user_verification: UserVerification::Preferred, allow })
}

fn asserted(answer: &Json, key: &[u8], counter: u32) -> Result<Verdict<AssertionFacts>, Unreadable> {
    let response = AssertionResponse::parse(&answer.to_string())?;
    let expected = ExpectedAssertion {
        rp_id: RP,
        origins: &[ORIGIN],
        cross_origin: CrossOrigin::Refused,
        challenge: CHALLENGE,
        user_verification: UserVerification::Required,
        key,
        counter,
        backup_eligible: true,
    };
    assertion(&response, &expected)
}

fn broken<F>(verdict: Result<Verdict<F>, Unreadable>) -> Vec<&'static str> {
    verdict.unwrap().failed.into_iter().map(|one| one.name).collect()
}

/// One that has a credential, and the credential's key.
fn with_passkey(algorithm: i64) -> (Authenticator, Vec<u8>) {
    let mut phone = Authenticator::default();
    phone.algorithm = algorithm;
    let answer = phone.create(&creation_options(Conveyance::None, &[]), ORIGIN).unwrap();
    let verdict = registered(&answer).unwrap();
    assert!(verdict.holds(), "{:?}", verdict.failed);
    assert_eq!(verdict.facts.algorithm, algorithm);
    (phone, verdict.facts.key)
}

/// The positive twin of all below: each kind of key registers and signs in.
#[test]
fn each_kind_of_key_registers_and_signs_in() {
    for algorithm in [cose::ES256, cose::EDDSA, cose::RS256] {
        let (mut phone, key) = with_passkey(algorithm);
        let verdict = asserted(&phone.get(&request_options(&[]), ORIGIN).unwrap(), &key, 0).unwrap();
        assert!(verdict.holds(), "{algorithm}: {:?}", verdict.failed);
        assert!(verdict.facts.user_verified && !verdict.facts.counter_went_back && !verdict.facts.backup_eligible_changed);
    }
}

#[test]
fn flags_say_what_is_refused() {
    let all = USER_PRESENT | USER_VERIFIED | BACKUP_ELIGIBLE | BACKED_UP;
    for (flags, wanted) in [
        (all, &[][..]),
        (all & !USER_PRESENT, &["user_present"]),
        (all & !USER_VERIFIED, &["user_verified"]),
        (all & !BACKUP_ELIGIBLE, &["backup"]),
        (all & !BACKED_UP, &[]),
        (BACKED_UP, &["user_present", "user_verified", "backup"]),
    ] {
        let (mut phone, key) = with_passkey(cose::ES256);
        phone.flags = flags;
        assert_eq!(broken(asserted(&phone.get(&request_options(&[]), ORIGIN).unwrap(), &key, 0)), wanted, "{flags:02x}");
        assert_eq!(broken(registered(&phone.create(&creation_options(Conveyance::None, &[]), ORIGIN).unwrap())), wanted, "{flags:02x}");
    }
}

/// 383-W: zero only if always zero.
#[test]
fn a_counter_that_went_back_is_told() {
    let (mut phone, key) = with_passkey(cose::ES256);
    for (kept, sent, went_back) in [(0, 0, false), (0, 1, false), (7, 8, false), (7, 7, true), (7, 6, true), (7, 0, true)] {
        phone.set_counter(sent);
        let verdict = asserted(&phone.get(&request_options(&[]), ORIGIN).unwrap(), &key, kept).unwrap();
        assert!(verdict.holds());
        assert_eq!(verdict.facts.counter_went_back, went_back, "{kept} {sent}");
    }
}

/// Client data as phones, browsers and password managers send them, and as nobody may. 377-W, 386-W.
#[test]
fn client_data_of_all_kinds() {
    let (mut phone, key) = with_passkey(cose::ES256);
    let mut with = |members: Json| {
        phone.client_data = members;
        asserted(&phone.get(&request_options(&[]), ORIGIN).unwrap(), &key, 0)
    };
    for harmless in [
        json!({}),
        json!({ "androidPackageName": "com.example.app", "tokenBinding": { "status": "supported" }, "new": [1, { "challenge": "x" }] }),
        json!({ "crossOrigin": null, "topOrigin": null }),
        json!({ "other_keys_can_be_added_here": "do not compare clientDataJSON against a template" }),
    ] {
        assert_eq!(broken(with(harmless.clone())), [""; 0], "{harmless}");
    }
    for (lie, wanted) in [
        (json!({ "type": "webauthn.create" }), "type"),
        (json!({ "type": "payment.get" }), "type"),
        (json!({ "challenge": "" }), "challenge"),
        (json!({ "challenge": base64url::encode(CHALLENGE) + "=" }), "challenge"),
        (json!({ "challenge": "AAAA", "note": base64url::encode(CHALLENGE) }), "challenge"),
        (json!({ "origin": "https://login.example.com.evil.example" }), "origin"),
        (json!({ "origin": "https://login.example.com:443" }), "origin"),
        (json!({ "origin": "http://login.example.com" }), "origin"),
        (json!({ "origin": "" }), "origin"),
        (json!({ "crossOrigin": true }), "cross_origin"),
        (json!({ "topOrigin": "https://login.example.com" }), "top_origin"),
    ] {
        assert_eq!(broken(with(lie.clone())), [wanted], "{lie}");
    }
    for unread in [json!({ "crossOrigin": "false" }), json!({ "origin": [ORIGIN] }), json!({ "challenge": 1 }), json!({ "topOrigin": 1 })] {
        assert!(with(unread.clone()).is_err(), "{unread}");
    }
}

/// W-05: client data as old and new clients write them, byte by byte. What two readers could read in two ways is not read.
#[test]
fn client_data_are_read_as_every_client_writes_them() {
    let made = Authenticator::default().create(&creation_options(Conveyance::None, &[]), ORIGIN).unwrap();
    // Nobody signs the client data of a registration without a statement.
    let written = |text: &[u8]| registered(&with_bytes(&made, "clientDataJSON", |bytes| *bytes = text.to_vec()));
    let challenge = base64url::encode(CHALLENGE);
    let open = format!(r#"{{"type":"webauthn.create","challenge":"{challenge}","origin":"{ORIGIN}""#);
    let with = |more: &str| format!("{open}{more}}}");
    for good in [
        with(""),
        with(r#","crossOrigin":false"#),
        with(r#","androidPackageName":"com.android.chrome""#),
        with(r#","tokenBinding":{"status":"not-supported"}"#),
        with(r#","other_keys_can_be_added_here":{"challenge":"x","origin":["y"]}"#),
        with("").replace('/', "\\/"),
        with("").replace("origin", "\\u006frigin"),
        format!("\u{feff}{}", with("")),
        format!(" {}\n", with("").replace(',', " ,\r\n\t")),
    ] {
        assert_eq!(broken(written(good.as_bytes())), [""; 0], "{good}");
    }
    let within = with("").replace(&challenge, "AAAA").replace('}', &format!(r#","note":"\",\"challenge\":\"{challenge}\"}}"}}"#));
    assert_eq!(broken(written(within.as_bytes())), ["challenge"], "{within}");
    for bad in [
        with(&format!(r#","challenge":"{challenge}""#)),
        with(r#","challenge":"AAAA""#),
        with(&format!(r#","origin":"{ORIGIN}""#)),
        with(r#","\u006frigin":"https://evil.example""#),
        with("") + "x",
        with("") + "{}",
        with("") + "\0",
        with(","),
        with("").replace(r#""challenge""#, r#""note""#),
        format!("[{}]", with("")),
    ] {
        assert!(written(bad.as_bytes()).is_err(), "{bad}");
    }
    for byte in [0xff, 0xc0, 0xed] {
        let note = with(r#","note":"?""#);
        let invalid: Vec<u8> = note.bytes().map(|it| if it == b'?' { byte } else { it }).collect();
        assert!(written(&invalid).is_err(), "{byte:02x} is no UTF-8");
    }
}

#[test]
fn another_rp_or_another_key_is_refused() {
    let (mut phone, key) = with_passkey(cose::ES256);
    phone.other_rp_id = Some("example.com".to_owned());
    assert_eq!(broken(asserted(&phone.get(&request_options(&[]), ORIGIN).unwrap(), &key, 0)), ["rp_id"]);
    assert_eq!(broken(registered(&phone.create(&creation_options(Conveyance::None, &[]), ORIGIN).unwrap())), ["rp_id"]);
    let (mut other, _) = with_passkey(cose::ES256);
    assert_eq!(broken(asserted(&other.get(&request_options(&[]), ORIGIN).unwrap(), &key, 0)), ["signature"]);
}

/// An authenticator that has the account's passkey says so; an unknown one has none.
#[test]
fn the_authenticator_keeps_to_the_options() {
    let (mut phone, _) = with_passkey(cose::ES256);
    let own = [Descriptor { id: phone.ids()[0].clone(), transports: vec!["internal".to_owned()] }];
    assert_eq!(phone.create(&creation_options(Conveyance::None, &own), ORIGIN), Err(NotDone::AlreadyThere));
    let other = [Descriptor { id: vec![1; 16], transports: Vec::new() }];
    assert_eq!(phone.get(&request_options(&other), ORIGIN), Err(NotDone::NoPasskey));
    assert!(phone.get(&request_options(&own), ORIGIN).is_ok());
}

/// The answer with other bytes in place of one of its members.
fn with_bytes(answer: &Json, member: &str, change: impl Fn(&mut Vec<u8>)) -> Json {
    let mut changed = answer.clone();
    let mut bytes = base64url::decode(answer["response"][member].as_str().unwrap()).unwrap();
    change(&mut bytes);
    changed["response"][member] = base64url::encode(&bytes).into();
    changed
}

/// 395-W: no byte too few, none too many, nothing nested without end, and never a panic.
#[test]
fn hostile_bytes_are_unreadable_or_refused() {
    let (mut phone, key) = with_passkey(cose::ES256);
    let (made, used) =
        (phone.create(&creation_options(Conveyance::None, &[]), ORIGIN).unwrap(), phone.get(&request_options(&[]), ORIGIN).unwrap());
    for cut in 0..37 {
        assert!(asserted(&with_bytes(&used, "authenticatorData", |data| data.truncate(cut)), &key, 0).is_err(), "{cut}");
    }
    let longer = with_bytes(&used, "authenticatorData", |data| data.push(0));
    assert!(asserted(&longer, &key, 0).is_err());
    for extensions in [&b"\xa0"[..], b"\xa1\x61a\x80", b"\xa1\x68credProt\x02"] {
        let with_map = with_bytes(&used, "authenticatorData", |data| {
            data[32] |= 0x80;
            data.extend_from_slice(extensions);
        });
        assert_eq!(broken(asserted(&with_map, &key, 0)), ["signature"], "readable, and not what was signed");
    }
    for bad in [&b""[..], b"\xbf\xff", b"\xa1\x01\x02", b"\xa1\x61a", b"\xa0\x00", b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff", b"\x80"] {
        let with_map = with_bytes(&used, "authenticatorData", |data| {
            data[32] |= 0x80;
            data.extend_from_slice(bad);
        });
        assert!(asserted(&with_map, &key, 0).is_err(), "{bad:02x?}");
    }
    let object = base64url::decode(made["response"]["attestationObject"].as_str().unwrap()).unwrap();
    for cut in 0..object.len() {
        assert!(registered(&with_bytes(&made, "attestationObject", |bytes| bytes.truncate(cut))).is_err(), "{cut}");
    }
    for at in 0..object.len() {
        for bit in [0x01, 0x80] {
            let changed = with_bytes(&made, "attestationObject", |bytes| bytes[at] ^= bit);
            let _ = registered(&changed);
        }
    }
    let nested = with_bytes(&made, "attestationObject", |bytes| *bytes = [b"\xa3\x63fmt".as_slice(), &[0x81; 30_000]].concat());
    assert!(registered(&nested).is_err());
    let huge = with_bytes(&made, "attestationObject", |bytes| *bytes = vec![0x5b, 0, 0, 0, 1, 0, 0, 0, 0]);
    assert!(registered(&huge).is_err());
    assert_eq!(RegistrationResponse::parse(&" ".repeat(70_000)).unwrap_err().0, "the response is larger than 64 KiB");
}

/// The credential id of the answer is that of the authenticator data, of at most 1023 bytes.
#[test]
fn credential_ids_are_bounded_and_the_same() {
    for (length, reads) in [(1, true), (1023, true), (1024, false)] {
        let mut phone = Authenticator::default();
        phone.id_length = length;
        let made = phone.create(&creation_options(Conveyance::None, &[]), ORIGIN).unwrap();
        assert_eq!(registered(&made).is_ok_and(|verdict| verdict.holds()), reads, "{length}");
    }
    let mut phone = Authenticator::default();
    let mut made = phone.create(&creation_options(Conveyance::None, &[]), ORIGIN).unwrap();
    (made["id"], made["rawId"]) = (json!("AAAA"), json!("AAAA"));
    assert_eq!(broken(registered(&made)), ["credential_id"]);
}

fn cose_key(members: &[(i64, Json)]) -> Vec<u8> {
    let mut out = minicbor::Encoder::new(Vec::new());
    out.map(members.len() as u64).unwrap();
    for (name, value) in members {
        out.i64(*name).unwrap();
        match value {
            Json::String(text) => out.bytes(&base64url::decode(text).unwrap()).unwrap(),
            other => out.i64(other.as_i64().unwrap()).unwrap(),
        };
    }
    out.into_writer()
}

/// 394-W
#[test]
fn hostile_keys_are_refused() {
    let (_, good) = with_passkey(cose::ES256);
    let key = cose::PublicKey::read(&good).unwrap();
    let point = key.point().unwrap().to_vec();
    let (x, y) = (base64url::encode(&point[1..33]), base64url::encode(&point[33..]));
    let ec = |alg: i64, curve: i64, x: &str, y: &str| {
        cose_key(&[(1, json!(2)), (3, json!(alg)), (-1, json!(curve)), (-2, json!(x)), (-3, json!(y))])
    };
    assert!(cose::PublicKey::read(&ec(-7, 1, &x, &y)).is_ok(), "the twin");
    let zero = base64url::encode(&[0; 32]);
    let rsa = |alg: i64, bytes: usize, first: u8, exponent: &[u8]| {
        let mut modulus = vec![0xff; bytes];
        modulus[0] = first;
        cose_key(&[(1, json!(3)), (3, json!(alg)), (-1, json!(base64url::encode(&modulus))), (-2, json!(base64url::encode(exponent)))])
    };
    assert!(cose::PublicKey::read(&rsa(-257, 256, 0xff, &[1, 0, 1])).is_ok(), "the twin");
    let mut twice = good.clone();
    twice[0] += 1;
    twice.extend_from_slice(&[0x01, 0x02]);
    for (bad, what) in [
        (ec(-7, 1, &x, &x), "a point off the curve"),
        (ec(-7, 1, &zero, &zero), "the point at infinity"),
        (ec(-7, 1, &x, &y[..40]), "a short coordinate"),
        (ec(-7, 2, &x, &y), "another curve"),
        (ec(-8, 1, &x, &y), "EdDSA on P-256"),
        (ec(-257, 1, &x, &y), "RS256 with a point"),
        (ec(-47, 8, &x, &y), "secp256k1, which was not offered"),
        (cose_key(&[(1, json!(1)), (3, json!(-8)), (-1, json!(6)), (-2, json!(zero))]), "a point of low order"),
        (cose_key(&[(1, json!(1)), (3, json!(-8)), (-1, json!(7)), (-2, json!(x))]), "Ed448"),
        (cose_key(&[(1, json!(2)), (3, json!(-7)), (-1, json!(1)), (-2, json!(x))]), "no y"),
        (cose_key(&[(1, json!(2)), (3, json!(-7)), (-1, json!(1)), (-2, json!(x)), (-3, json!(y)), (-4, json!(x))]), "a private member"),
        (cose_key(&[(1, json!(2)), (-1, json!(1)), (-2, json!(x)), (-3, json!(y))]), "no algorithm"),
        (rsa(-65535, 256, 0xff, &[1, 0, 1]), "SHA-1"),
        (rsa(-257, 128, 0xff, &[1, 0, 1]), "1024 bits"),
        (rsa(-257, 256, 0x7f, &[1, 0, 1]), "2047 bits"),
        (rsa(-257, 256, 0, &[1, 0, 1]), "a leading zero"),
        (rsa(-257, 1025, 0xff, &[1, 0, 1]), "more than 8192 bits"),
        (rsa(-257, 256, 0xff, &[3]), "the exponent 3"),
        (rsa(-257, 256, 0xff, &[1, 0, 0]), "an even exponent"),
        (twice, "a member twice"),
        ([&good[..], &[0]].concat(), "a byte behind"),
        (vec![0xbf, 0x01, 0x02, 0xff], "a map without a length"),
        (Vec::new(), "nothing"),
    ] {
        assert!(cose::PublicKey::read(&bad).is_err(), "{what}");
    }
}
