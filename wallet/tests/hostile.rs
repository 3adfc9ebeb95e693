//! SD-JWTs, responses, queries and status lists with one defect each, made by an issuer and a wallet of our own. Each stands beside the
//! same one without the defect.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod made;

use made::{CLIENT, DOCTYPE, NOTHING, NOW_S, RESPONSE_URI, VCT, World, digest, raw};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use symbolon_oauth::base64url;
use symbolon_oauth::digest::sha256;
use symbolon_oauth::jwk::{Algorithm, KeySet, PrivateKey};
use symbolon_phone::wallet::issuer::{CredentialIssuer, FarBelow, certify, disclosure};
use symbolon_phone::wallet::{bind, present_mdoc, present_sd_jwt};
use symbolon_wallet::dcql::Query;
use symbolon_wallet::issuer::{Anchor, Issuer, Signs, judge_chain};
use symbolon_wallet::jwe::{self, DecryptionKey, Encryption, JweError, Sender};
use symbolon_wallet::response::{self, Response, Said};
use symbolon_wallet::sd_jwt::{self, Binding, SdJwt};
use symbolon_wallet::status::{self, Reference, StatusList};
use symbolon_wallet::transcript;

/// V-19: decoys are let through, and whatever is superfluous, repeated or forbidden is refused.
#[test]
fn every_disclosure_stands_for_exactly_one_digest() {
    let world = World::new();
    let (name, age) = (disclosure("name", &json!("Ana")), disclosure("age", &json!(17)));
    let element = raw(&json!(["c2FsdHNhbHRzYWx0", "UT"]));
    let with = |more: Json, disclosures: &[&String]| {
        let mut payload = world.payload();
        for (key, value) in more.as_object().unwrap() {
            payload[key] = value.clone();
        }
        world.judge(&world.presented(&payload, &disclosures.iter().map(|it| (*it).clone()).collect::<Vec<_>>()))
    };
    let decoys: Vec<String> = (0..30).map(|it| digest(&it.to_string())).collect();
    let mut many = decoys.clone();
    many.push(digest(&name));
    let nested =
        json!({ "_sd": many, "a": { "_sd": [digest("x")] }, "nationalities": [{ "...": digest("y") }, { "...": digest(&element) }] });
    assert_eq!(with(nested, &[&name, &element]), NOTHING);
    assert_eq!(with(json!({ "_sd": [digest(&name), digest(&age)] }), &[&age]), NOTHING);
    let forbidden = |name: &str| disclosure(name, &json!(1));
    for (what, more, disclosures) in [
        ("nobody refers to it", json!({ "_sd": [digest(&name)] }), vec![&name, &age]),
        ("the same twice", json!({ "_sd": [digest(&name)] }), vec![&name, &name]),
        ("one digest in two places", json!({ "_sd": [digest(&name)], "a": { "_sd": [digest(&name)] } }), vec![&name]),
        ("a decoy twice", json!({ "_sd": [digest("x"), digest("x"), digest(&name)] }), vec![&name]),
        ("other members beside it", json!({ "a": [{ "...": digest(&element), "b": 1 }] }), vec![&element]),
        ("an element for a member", json!({ "_sd": [digest(&element)] }), vec![&element]),
        ("a member for an element", json!({ "a": [{ "...": digest(&name) }] }), vec![&name]),
        ("a clash with a plain claim", json!({ "_sd": [digest(&name)], "name": "Eve" }), vec![&name]),
        ("a member called ...", json!({ "...": digest(&name), "_sd": [digest(&name)] }), vec![&name]),
        ("_sd is no array", json!({ "_sd": digest(&name) }), vec![&name]),
        ("a digest that is no text", json!({ "_sd": [7, digest(&name)] }), vec![&name]),
        ("another hash", json!({ "_sd_alg": "md5", "_sd": [digest(&name)] }), vec![&name]),
        ("_sd_alg null", json!({ "_sd_alg": null, "_sd": [digest(&name)] }), vec![&name]),
    ] {
        assert_eq!(with(more, &disclosures), ["disclosure"], "{what}");
    }
    for odd in ["_sd", "...", "exp", "cnf", "status", "vct#integrity", "iss"] {
        let odd = forbidden(odd);
        assert_eq!(with(json!({ "_sd": [digest(&odd)] }), &[&odd]), ["disclosure"]);
    }
    let fine = forbidden("exp_date");
    assert_eq!(with(json!({ "_sd": [digest(&fine)] }), &[&fine]), NOTHING);
    for bad in [json!(["salt"]), json!(["a", "b", "c", "d"]), json!([1, "name", 2]), json!(["salt", 1, 2]), json!({ "a": 1 }), json!("x")] {
        let bad = raw(&bad);
        assert_eq!(with(json!({ "_sd": [digest(&bad)] }), &[&bad]), ["disclosure"], "{bad}");
    }
}

/// V-19: sixteen disclosures inside each other, and no more than the budget.
#[test]
fn nesting_has_a_budget() {
    let world = World::new();
    let nested = |depth: usize| {
        let mut all = vec![disclosure("leaf", &json!(1))];
        for level in 1..depth {
            let inner = digest(all.last().unwrap());
            all.push(disclosure(&format!("level{level}"), &json!({ "_sd": [inner] })));
        }
        let mut payload = world.payload();
        payload["_sd"] = json!([digest(all.last().unwrap())]);
        world.judge(&world.presented(&payload, &all))
    };
    assert_eq!(nested(16), NOTHING);
    assert_eq!(nested(26), ["disclosure"]);
    let many = vec!["AAAA".to_owned(); 257];
    assert_eq!(world.judge(&world.presented(&world.payload(), &many)), ["the SD-JWT has more than 256 disclosures"]);
    let large = format!("{}~{}~", "a".repeat(50), "A".repeat(97 * 1024));
    assert_eq!(world.judge(&large), ["the SD-JWT is larger than 96 KiB"]);
}

/// 207-J: times, types and the holder's key.
#[test]
fn a_credential_that_is_not_good_is_refused_by_its_reason() {
    let world = World::new();
    let with = |name: &str, value: Json| {
        let mut payload = world.payload();
        if value.is_null() {
            drop(payload.as_object_mut().unwrap().remove(name))
        } else {
            payload[name] = value
        };
        world.judge(&world.presented(&payload, &[]))
    };
    assert_eq!(with("x", json!(1)), NOTHING);
    assert_eq!(with("exp", json!(NOW_S - 61)), ["expired"]);
    assert_eq!(with("exp", json!(NOW_S - 59)), NOTHING);
    assert_eq!(with("exp", json!("never")), ["claim"]);
    assert_eq!(with("nbf", json!(NOW_S + 61)), ["not_yet_valid"]);
    assert_eq!(with("iat", json!(NOW_S + 61)), ["not_yet_valid"]);
    assert_eq!(with("vct", json!("urn:other")), ["type"]);
    assert_eq!(with("vct", Json::Null), ["type"]);
    assert_eq!(with("vct", json!(7)), ["claim", "type"]);
    assert_eq!(with("cnf", Json::Null), ["holder_key"]);
    assert_eq!(with("cnf", json!({ "kid": "a" })), ["holder_key"]);
    let other = PrivateKey::generate(Algorithm::ES256).unwrap();
    assert_eq!(with("cnf", json!({ "jwk": other.public().to_jwk() })), ["holder_signature"]);
    for bad in [json!({}), json!({ "other": {} }), json!({ "status_list": { "idx": -1, "uri": "https://a" } }), json!("x"), json!([])] {
        assert_eq!(with("status", bad.clone()), ["status"], "{bad}");
    }
    let both = json!({ "status_list": { "idx": 1, "uri": "https://a" }, "other": {} });
    assert_eq!(with("status", both), ["status"], "nobody here could ask the other mechanism");
    assert_eq!(with("status", json!({ "status_list": { "idx": 1, "uri": "http://a" } })), ["status"]);
    assert_eq!(with("status", json!({ "status_list": { "idx": 1, "uri": "https://a" } })), NOTHING);
}

/// V-06, V-18: a root in a credential adds no trust, and the signer is who its CA says.
#[test]
fn trust_comes_from_the_operator_alone() {
    let mut world = World::new();
    let terms = world.terms(VCT);
    let claims = json!({ "name": "Ana" });
    let present = |issuer: &CredentialIssuer| {
        present_sd_jwt(&issuer.sd_jwt(&terms, claims.as_object().unwrap()).unwrap(), &["name".to_owned()], &world.bound()).unwrap()
    };
    assert_eq!(world.judge(&present(&world.issuer)), NOTHING);
    let stranger = CredentialIssuer::new("Utopia").unwrap();
    let mut with_root = CredentialIssuer::new("Utopia").unwrap();
    with_root.chain.push(with_root.root_der.clone());
    let (foreign, foreign_root) = (present(&stranger), present(&with_root));
    assert_eq!(world.judge(&foreign), ["issuer_unknown"], "another CA of the same name");
    assert_eq!(world.judge(&foreign_root), ["issuer_unknown"], "its root beside it changes nothing");
    let root = world.issuer.root_der.clone();
    world.issuer.chain.push(root);
    let terms = world.terms(VCT);
    let enclosed = world.issuer.sd_jwt(&terms, claims.as_object().unwrap()).unwrap();
    let enclosed = present_sd_jwt(&enclosed, &[], &world.bound()).unwrap();
    assert_eq!(world.judge(&enclosed), ["issuer_haip"]);
    world.trusted[0].haip = false;
    assert_eq!(world.judge(&enclosed), NOTHING, "outside of HAIP a known root is let through");
    // Old and new anchor of one name, both listed (V-08).
    world.trusted[0].anchors.push(Anchor::from_der(&stranger.root_der).unwrap());
    assert_eq!(world.judge(&foreign), NOTHING);
}

/// V-20: a credential is of one issuer. The CA of one stands two levels below another's, which their certificates do not say. Whoever presents
/// a chain could let it end at either.
#[test]
fn a_chain_through_the_ca_of_another_issuer_is_of_nobody() {
    let FarBelow { top_der, issuer, expired_der, whole, .. } = CredentialIssuer::far_below("Union", "Utopia").unwrap();
    let of = |name: &str, der: &[u8]| Issuer { name: name.to_owned(), anchors: vec![Anchor::from_der(der).unwrap()], ..Issuer::default() };
    let (union, utopia, signer) = (of("union", &top_der), of("utopia", &issuer.root_der), of("signer", &issuer.chain[0]));
    let expired = of("expired", &expired_der);
    assert!(!union.anchors[0].is_above(&utopia.anchors[0]) && !union.anchors[0].is_same_ca(&utopia.anchors[0]));
    for (trusted, chain, name, failed) in [
        ([&union, &utopia], &whole[..1], "utopia", None),
        ([&union, &utopia], &whole[..2], "utopia", None),
        ([&union, &utopia], &whole[..], "union", Some("issuer_ambiguous")),
        ([&utopia, &union], &whole[..], "union", Some("issuer_ambiguous")),
        ([&union, &signer], &whole[..1], "signer", None),
        ([&union, &signer], &whole[..], "union", Some("issuer_ambiguous")),
        // Dates change nothing: the key is still that of another issuer, though its certificate vouches for nobody any more.
        ([&union, &expired], &whole[..], "union", Some("issuer_ambiguous")),
        ([&union, &expired], &whole[..1], "", Some("issuer_unknown")),
        ([&union, &union], &whole[..], "union", None),
        ([&utopia, &utopia], &whole[..], "", Some("issuer_unknown")),
    ] {
        let (trusted, slices) = (trusted.map(Clone::clone), chain.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let signed = judge_chain(&trusted, &slices, Signs::Mdoc, NOW_S).unwrap();
        let names: Vec<&str> = signed.failed.iter().map(|it| it.name).collect();
        assert_eq!((signed.signer.issuer.as_str(), names), (name, Vec::from_iter(failed)), "{} certificates", slices.len());
    }
}

/// V-18: below a CA that has certified web servers too, one of these issues no credential and no status list.
#[test]
fn a_certificate_for_tls_alone_issues_nothing() {
    let uri = "https://status.example/1";
    let mut world = World::new();
    let by_its_use: [(&str, Option<&[u64]>, Option<&str>); 5] = [
        ("a TLS server", Some(&[1, 3, 6, 1, 5, 5, 7, 3, 1]), Some("signer_usage")),
        ("a TLS client", Some(&[1, 3, 6, 1, 5, 5, 7, 3, 2]), Some("signer_usage")),
        ("any use", Some(&[2, 5, 29, 37, 0]), None),
        ("another use", Some(&[1, 3, 6, 1, 4, 1, 99999, 1]), None),
        ("no use is named", None, None),
    ];
    for (what, purpose, expected) in by_its_use {
        let made = certify("Utopia", &[], purpose).unwrap();
        world.issuer = CredentialIssuer { root_pem: made.root_pem, root_der: made.root_der, chain: vec![made.leaf_der], key: made.key };
        world.trusted = vec![made::trust(&world.issuer, "https://utopia.example", true)];
        let found = world.judge(&world.presented(&world.payload(), &[]));
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{what}");
        let token = world.issuer.status_list(uri, &[0], NOW_S, 600).unwrap();
        let asked = status::Expected { issuers: &world.trusted, uri, now_s: NOW_S, skew_s: 60 };
        assert_eq!(StatusList::read(&token, &asked).err().map(|it| it.name), expected, "{what}");
    }
}

/// Keys of a configured `iss`, for credentials without certificates.
#[test]
fn a_key_is_trusted_for_its_iss_alone() {
    let mut world = World::new();
    let key = PrivateKey::generate(Algorithm::ES256).unwrap();
    let present = |iss: &str| {
        let mut payload = world.payload();
        payload["iss"] = iss.into();
        let jwt = symbolon_oauth::jws::sign_with_header(&key, &json!({ "alg": "ES256", "typ": "dc+sd-jwt" }), &payload).unwrap();
        bind(&format!("{jwt}~"), &world.bound()).unwrap()
    };
    let (own, other) = (present("https://utopia.example"), present("https://other.example"));
    assert_eq!(world.judge(&own), ["issuer_unknown"]);
    world.trusted[0].keys = KeySet { keys: vec![key.public().clone()] };
    assert_eq!(world.judge(&own), NOTHING);
    assert_eq!(world.judge(&other), ["issuer_unknown"]);
    world.trusted[0].keys = KeySet { keys: vec![world.holder.public().clone()] };
    assert_eq!(world.judge(&own), ["issuer_signature"]);
}

fn query(text: &str) -> Query {
    Query::parse(text.as_bytes()).unwrap()
}

const ASKED: &str = r#"{"credentials":[
  {"id":"pid","format":"dc+sd-jwt","meta":{"vct_values":["urn:example:pid:1"]},"claims":[{"path":["name"]},{"path":["age"],"values":[18,17]}]},
  {"id":"lic","format":"mso_mdoc","meta":{"doctype_value":"org.example.licence"},"claims":[{"path":["org.example","a"]}]}],
  "credential_sets":[{"options":[["pid"]]},{"options":[["lic"]],"required":false}]}"#;

/// V-04, V-05: the answer is compared with the question by us.
#[test]
fn a_response_answers_the_whole_question_and_nothing_else() {
    let world = World::new();
    let claims = json!({ "name": "Ana", "age": 17 });
    let issued = world.issuer.sd_jwt(&world.terms(VCT), claims.as_object().unwrap()).unwrap();
    let present =
        |names: &[&str]| present_sd_jwt(&issued, &names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>(), &world.bound()).unwrap();
    let session = transcript::redirect(CLIENT, "n-1", None, RESPONSE_URI);
    let licence = world.issuer.mdoc(&world.terms(DOCTYPE), json!({ "a": 1 }).as_object().unwrap()).unwrap();
    let licence = base64url::encode(&present_mdoc(DOCTYPE, &licence, &["a".to_owned()], &session, &world.holder).unwrap());
    let judge_by = |query: &Query, token: &[(&str, Vec<String>)]| {
        let binding = Binding { audience: CLIENT, nonce: "n-1", max_age_s: 300, transaction_data: &[] };
        let expected = response::Expected {
            query,
            issuers: &|_| &world.trusted,
            binding,
            transaction_signer: "",
            session_transcript: &session,
            older_transcript: None,
            now_s: NOW_S,
            skew_s: 60,
        };
        let token: BTreeMap<String, Vec<String>> = token.iter().map(|(id, all)| ((*id).to_owned(), all.clone())).collect();
        response::judge(&token, &expected).map(|it| it.len()).map_err(|all| all.iter().map(|it| it.name).collect::<Vec<_>>())
    };
    let asked = query(ASKED);
    let (full, less) = (present(&["name", "age"]), present(&["name"]));
    assert_eq!(judge_by(&asked, &[("pid", vec![full.clone()])]), Ok(1));
    assert_eq!(judge_by(&asked, &[("pid", vec![full.clone()]), ("lic", vec![licence.clone()])]), Ok(2));
    assert_eq!(judge_by(&asked, &[("pid", vec![less])]), Err(vec!["query_claims"]));
    assert_eq!(judge_by(&asked, &[("lic", vec![licence.clone()])]), Err(vec!["query_set"]));
    assert_eq!(judge_by(&asked, &[("pid", vec![full.clone()]), ("else", vec![full.clone()])]), Err(vec!["query_id"]));
    assert_eq!(judge_by(&asked, &[("pid", vec![full.clone(), full.clone()])]), Err(vec!["query_count"]));
    assert_eq!(judge_by(&asked, &[("pid", vec![licence])]), Err(vec!["unreadable"]));
    let values = query(&ASKED.replace("[18,17]", "[18]"));
    assert_eq!(judge_by(&values, &[("pid", vec![full.clone()])]), Err(vec!["query_claims"]));
    let typed = query(&ASKED.replace("[18,17]", "[\"17\"]"));
    assert_eq!(judge_by(&typed, &[("pid", vec![full.clone()])]), Err(vec!["query_claims"]), "17 is not \"17\"");
    let authority = Anchor::from_der(&world.issuer.root_der).unwrap().key_id().unwrap().to_vec();
    let by = |id: &[u8]| {
        let mut query = query(ASKED);
        query.credentials[0].authorities = vec![id.to_vec()];
        query
    };
    assert_eq!(judge_by(&by(&authority), &[("pid", vec![full.clone()])]), Ok(1));
    assert_eq!(judge_by(&by(b"other"), &[("pid", vec![full])]), Err(vec!["query_authority"]));
}

/// V-05: `null` is every element, and a path of two names is nesting.
#[test]
fn paths_lead_where_the_specification_says() {
    use symbolon_wallet::dcql::{Part, select};
    let root = json!({ "a": { "b": [{ "c": 1 }, { "c": 2 }, 3] }, "b": 9 });
    let found = |path: Json| {
        let path: Vec<Part> = path.as_array().unwrap().iter().map(|it| Part::read(it).unwrap()).collect();
        select(root.as_object().unwrap(), &path).into_iter().cloned().collect::<Vec<_>>()
    };
    assert_eq!(found(json!(["a", "b", null, "c"])), [json!(1), json!(2)]);
    assert_eq!(found(json!(["a", "b", 2])), [json!(3)]);
    for none in [json!(["a", "c"]), json!(["b", null]), json!(["a", "b", 3]), json!(["x"]), json!([null]), json!([])] {
        assert_eq!(found(none.clone()), Vec::<Json>::new(), "{none}");
    }
    for bad in [
        r#"{"credentials":[]}"#,
        r#"{"credentials":null}"#,
        "[]",
        r#"{"credentials":[{"id":"a b","format":"dc+sd-jwt","meta":{"vct_values":["x"]}}]}"#,
    ] {
        assert!(Query::parse(bad.as_bytes()).is_err(), "{bad}");
    }
    for (from, to) in [
        ("\"id\":\"lic\"", "\"id\":\"pid\""),
        ("mso_mdoc", "jwt_vc_json"),
        ("[\"org.example\",\"a\"]", "[\"a\"]"),
        ("[[\"lic\"]]", "[[\"other\"]]"),
        ("\"required\":false", "\"required\":null"),
        ("[18,17]", "[]"),
        ("[18,17]", "[{}]"),
        ("\"claims\":[{\"path\":[\"name\"]}", "\"require_cryptographic_holder_binding\":false,\"claims\":[{\"path\":[\"name\"]}"),
    ] {
        let bent = ASKED.replace(from, to);
        assert!(bent != ASKED && Query::parse(bent.as_bytes()).is_err(), "{to}");
    }
}

/// V-12, V-13
#[test]
fn a_response_is_a_token_or_an_error() {
    let read = |text: &str| Response::parse(text.as_bytes()).map(|it| it.said);
    assert!(matches!(read(r#"{"vp_token":{"a":["b"]},"state":"s"}"#), Ok(Said::Token(_))));
    assert_eq!(read(r#"{"error":"user_said_no"}"#), Ok(Said::Error("user_said_no".to_owned())));
    for bad in [
        "{}",
        r#"{"vp_token":{}}"#,
        r#"{"vp_token":"eyJ"}"#,
        r#"{"vp_token":{"a":"b"}}"#,
        r#"{"vp_token":{"a":[]}}"#,
        r#"{"vp_token":{"a":[1]}}"#,
        r#"{"vp_token":{"a":["b"]},"error":"x"}"#,
        r#"{"error":""}"#,
        r#"{"error":7}"#,
        r#"{"vp_token":{"a":["b"],"a":["c"]}}"#,
        "[]",
        "x",
        r#"{"vp_token":{"a":["b"]},"state":7}"#,
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

/// V-02, V-13, 216-J, 217-J
#[test]
fn an_encrypted_response_is_read_in_one_form() {
    let key = DecryptionKey::generate().unwrap();
    let again = DecryptionKey::from_bytes(&key.to_bytes().unwrap()).unwrap();
    assert_eq!(again.to_jwk(), key.to_jwk());
    for encryption in Encryption::ALL {
        for sender in [
            Sender::default(),
            Sender { party_u: b"nonce", party_v: b"verifier", ..Sender::default() },
            Sender { nameless: true, ..Sender::default() },
        ] {
            let sealed = jwe::seal(&key.to_jwk(), encryption, &sender, [3; 12], b"content").unwrap();
            let opened = jwe::open(&sealed, &again).unwrap();
            assert_eq!(
                (opened.content.as_slice(), opened.encryption, opened.party_u.as_slice()),
                (&b"content"[..], encryption, sender.party_u)
            );
        }
    }
    let good = jwe::seal(&key.to_jwk(), Encryption::A256Gcm, &Sender::default(), [3; 12], b"content").unwrap();
    let with = |change: &dyn Fn(&mut Json)| {
        let (header, rest) = good.split_once('.').unwrap();
        let mut header: Json = serde_json::from_slice(&base64url::decode(header).unwrap()).unwrap();
        change(&mut header);
        jwe::open(&format!("{}.{rest}", raw(&header)), &key).map(|_| ())
    };
    assert_eq!(with(&|_| {}), Ok(()));
    for (name, value, why) in [
        ("zip", json!("DEF"), JweError::UnsupportedHeader),
        ("crit", json!(["exp"]), JweError::UnsupportedHeader),
        ("cty", json!("JWT"), JweError::UnsupportedHeader),
        ("alg", json!("ECDH-ES+A256KW"), JweError::UnsupportedHeader),
        ("alg", json!("RSA-OAEP"), JweError::UnsupportedHeader),
        ("enc", json!("A256CBC-HS512"), JweError::UnsupportedHeader),
        ("enc", json!(7), JweError::UnsupportedHeader),
        ("enc", json!("A128GCM"), JweError::Undecipherable),
        ("kid", json!("other"), JweError::UnknownKey),
        ("apu", json!("AAAA"), JweError::Undecipherable),
        ("apu", json!("="), JweError::Malformed),
        ("epk", json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" }), JweError::Malformed),
        (
            "epk",
            json!({ "kty": "EC", "crv": "P-256", "x": base64url::encode(&[1; 32]), "y": base64url::encode(&[1; 32]) }),
            JweError::Undecipherable,
        ),
        ("epk", json!(null), JweError::Malformed),
    ] {
        assert_eq!(with(&|it| it[name] = value.clone()), Err(why), "{name}: {value}");
    }
    for bad in [
        format!("{good}.x"),
        good.replacen("..", ".AAAA.", 1),
        good[..good.len() - 2].to_owned(),
        "a.b.c".to_owned(),
        "A".repeat(257 * 1024),
    ] {
        assert_eq!(jwe::open(&bad, &key).unwrap_err(), JweError::Malformed);
    }
}

/// V-09
#[test]
fn a_status_list_is_of_its_address_its_time_and_its_issuer() {
    let world = World::new();
    let uri = "https://status.example/1";
    let read_at = |token: &str, uri: &str, now_s: i64| {
        StatusList::read(token, &status::Expected { issuers: &world.trusted, uri, now_s, skew_s: 60 }).map_err(|it| it.detail)
    };
    let token = world.issuer.status_list(uri, &[0, 1, 2, 3, 0], NOW_S, 600).unwrap();
    let list = read_at(&token, uri, NOW_S).unwrap();
    let judge = |index: usize| list.judge(index, "https://utopia.example").map_err(|it| it.name);
    let statuses: Vec<_> = (0..5).map(judge).collect();
    assert_eq!(statuses, [Ok(()), Err("revoked"), Err("suspended"), Err("status_unknown"), Ok(())]);
    assert_eq!(judge(8), Err("status_index"), "the last byte has eight places of which five are used");
    assert_eq!(list.judge(0, "https://other.example").map_err(|it| it.name), Err("status_list"));
    assert_eq!(
        (list.fresh_until_s(NOW_S, 900), list.fresh_until_s(NOW_S, 60), list.fresh_until_s(NOW_S, 0)),
        (NOW_S + 600, NOW_S + 60, NOW_S)
    );
    assert!(read_at(&token, "https://status.example/2", NOW_S).is_err());
    assert!(read_at(&token, uri, NOW_S + 90_000).is_err() && read_at(&token, uri, NOW_S - 61).is_err());
    let stranger = CredentialIssuer::new("Utopia").unwrap();
    assert!(read_at(&stranger.status_list(uri, &[0], NOW_S, 600).unwrap(), uri, NOW_S).is_err());
    let signed = |typ: &str, change: &dyn Fn(&mut Json)| {
        let bytes = miniz_oxide::deflate::compress_to_vec_zlib(&[0; 64], 9);
        let mut says = json!({ "sub": uri, "iat": NOW_S, "status_list": { "bits": 1, "lst": base64url::encode(&bytes) } });
        change(&mut says);
        read_at(&world.issuer.sign(typ, &says).unwrap(), uri, NOW_S).map(|_| ())
    };
    assert_eq!(signed("statuslist+jwt", &|_| {}), Ok(()));
    assert!(signed("JWT", &|_| {}).is_err());
    let bomb = base64url::encode(&miniz_oxide::deflate::compress_to_vec_zlib(&vec![0; status::MAX_INFLATED + 1], 9));
    let most = base64url::encode(&miniz_oxide::deflate::compress_to_vec_zlib(&vec![0; status::MAX_INFLATED], 9));
    assert!(bomb.len() < 8192, "a small token");
    assert!(signed("statuslist+jwt", &|it| it["status_list"]["lst"] = bomb.clone().into()).is_err());
    assert_eq!(signed("statuslist+jwt", &|it| it["status_list"]["lst"] = most.clone().into()), Ok(()));
    for (name, value) in [
        ("iat", Json::Null),
        ("ttl", json!(0)),
        ("ttl", json!("x")),
        ("exp", json!("x")),
        ("status_list", Json::Null),
        ("sub", json!(["a"])),
    ] {
        assert!(signed("statuslist+jwt", &|it| it[name] = value.clone()).is_err(), "{name}: {value}");
    }
    for (name, value) in [("bits", json!(3)), ("bits", Json::Null), ("lst", json!("AAAA")), ("lst", Json::Null)] {
        assert!(signed("statuslist+jwt", &|it| it["status_list"][name] = value.clone()).is_err(), "{name}: {value}");
    }
    assert_eq!(Reference::read(None), Ok(None));
}

/// V-21: each item is hashed as it was sent.
#[test]
fn a_payment_is_signed_as_it_was_sent() {
    let world = World::new();
    let item = raw(&json!({ "type": "payment", "amount": 10 }));
    let respelled = base64url::encode(br#"{ "amount":10,"type":"payment" }"#);
    let other = raw(&json!({ "type": "payment", "amount": 11 }));
    let offering = raw(&json!({ "type": "payment", "amount": 10, "transaction_data_hashes_alg": ["sha-256"] }));
    let present = |hashes: Option<Json>, alg: Option<&str>| {
        let issued = world.issuer.sd_jwt(&world.terms(VCT), &serde_json::Map::new()).unwrap();
        let issued = format!("{}~", issued.trim_end_matches('~'));
        let mut says = json!({ "aud": CLIENT, "nonce": "n-1", "iat": NOW_S, "sd_hash": digest(&issued) });
        if let Some(hashes) = hashes {
            says["transaction_data_hashes"] = hashes;
        }
        if let Some(alg) = alg {
            says["transaction_data_hashes_alg"] = alg.into();
        }
        let jwt = symbolon_oauth::jws::sign_with_header(&world.holder, &json!({ "alg": "ES256", "typ": "kb+jwt" }), &says).unwrap();
        format!("{issued}{jwt}")
    };
    let judge = |text: String, items: &[&str]| {
        let binding = Binding { audience: CLIENT, nonce: "n-1", max_age_s: 300, transaction_data: items };
        let asked = sd_jwt::Expected {
            issuers: &world.trusted,
            types: &[VCT],
            binding: Some(binding),
            now_s: NOW_S,
            skew_s: 60,
            typ: &[sd_jwt::TYP],
        };
        let verdict = SdJwt::parse(&text).unwrap().judge(&asked).unwrap();
        verdict.failed.iter().map(|it| it.name).collect::<Vec<_>>()
    };
    assert_eq!(judge(present(Some(json!([digest(&item)])), None), &[&item]), NOTHING);
    assert_eq!(judge(present(Some(json!([digest(&item)])), Some("sha-256")), &[&item]), NOTHING);
    assert_eq!(judge(present(Some(json!([digest(&other), digest(&item)])), None), &[&item, &other]), NOTHING, "in any order");
    // Where it was offered, the answer says which it is.
    assert_eq!(judge(present(Some(json!([digest(&offering)])), Some("sha-256")), &[&offering]), NOTHING, "the twin");
    assert_eq!(judge(present(Some(json!([digest(&offering)])), None), &[&offering]), ["transaction_data"]);
    assert_eq!(judge(present(Some(json!([digest(&item), digest(&offering)])), None), &[&item, &offering]), ["transaction_data"]);
    assert_eq!(judge(present(Some(json!([digest("b")])), None), &["b"]), ["transaction_data"], "an item that cannot be read");
    assert_eq!(judge(present(None, None), &[]), NOTHING);
    for (hashes, alg, items) in [
        (None, None, vec![item.as_str()]),
        (Some(json!([digest(&item)])), None, vec![respelled.as_str()]),
        (Some(json!([digest(&item), digest("b")])), None, vec![item.as_str()]),
        (Some(json!([digest(&item)])), None, vec![]),
        (Some(json!([digest(&item)])), Some("sha-1"), vec![item.as_str()]),
        (Some(json!(digest(&item))), None, vec![item.as_str()]),
    ] {
        assert_eq!(judge(present(hashes.clone(), alg), &items), ["transaction_data"], "{hashes:?} {alg:?} {items:?}");
    }
}

/// V-06: what we send of ourselves.
#[test]
fn a_verifier_shows_its_leaf_and_never_its_anchor() {
    use symbolon_wallet::request::{Prefix, Request, Verifier, Way, open};
    let made = certify("Shop", &["login.example"], None).unwrap();
    let chain = [made.leaf_der.clone(), made.root_der.clone()];
    let by_hash = Verifier::new(Prefix::X509Hash, made.key.clone(), &chain).unwrap();
    assert_eq!(
        (by_hash.client_id.as_str(), by_hash.chain.len()),
        (format!("x509_hash:{}", base64url::encode(&sha256(&made.leaf_der))).as_str(), 1)
    );
    let by_name = |name: &str| Verifier::new(Prefix::X509SanDns(name), made.key.clone(), &chain).map(|it| it.client_id).map_err(|it| it.0);
    assert_eq!(by_name("login.example"), Ok("x509_san_dns:login.example".to_owned()));
    assert!(by_name("evil.example").is_err() && by_name("").is_err());
    assert!(
        Verifier::new(Prefix::X509Hash, made.key.clone(), std::slice::from_ref(&made.root_der)).is_err(),
        "a leaf that has signed itself"
    );
    let other = PrivateKey::generate(Algorithm::ES256).unwrap();
    assert!(Verifier::new(Prefix::X509Hash, other, &chain).is_err(), "a certificate of another key");
    assert!(Verifier::new(Prefix::X509Hash, made.key.clone(), &[]).is_err());
    let key = DecryptionKey::generate().unwrap();
    let asked = query(ASKED);
    let request = Request {
        way: Way::DirectPost { response_uri: RESPONSE_URI, state: "s" },
        nonce: "n-1",
        query: &asked,
        key: &key,
        wallet_nonce: Some("w"),
        client_metadata: serde_json::Map::new(),
        transaction_data: &[],
        now_s: NOW_S,
        lifetime_s: 60,
    };
    let object = request.sign(&by_hash).unwrap();
    let roots =
        |der: &[u8]| [Issuer { name: "v".to_owned(), anchors: vec![Anchor::from_der(der).unwrap()], haip: true, ..Issuer::default() }];
    let says = open(&object, &roots(&made.root_der), NOW_S).unwrap();
    assert_eq!(
        (&says["wallet_nonce"], &says["response_mode"], &says["aud"]),
        (&json!("w"), &json!("direct_post.jwt"), &json!("https://self-issued.me/v2"))
    );
    let jwk = &says["client_metadata"]["jwks"]["keys"][0];
    assert_eq!((&jwk["alg"], &jwk["use"], &jwk["kid"]), (&json!("ECDH-ES"), &json!("enc"), &json!(key.kid())));
    assert_eq!(says["client_metadata"]["encrypted_response_enc_values_supported"], json!(["A128GCM", "A256GCM"]));
    assert!(open(&object, &roots(&certify("Shop", &[], None).unwrap().root_der), NOW_S).is_err());
    assert!(open(&object, &roots(&made.root_der), NOW_S + 60).is_err());
}
