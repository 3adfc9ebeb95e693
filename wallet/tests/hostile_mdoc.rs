//! mdocs with one defect each, made by an issuer and a wallet of our own. Each stands beside the same one without the defect.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod made;

use made::{CLIENT, DOCTYPE, NAMESPACE, NOTHING, NOW_S, RESPONSE_URI, World};
use serde_json::json;
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_phone::wallet::cbor::{self as make, Item};
use symbolon_phone::wallet::issuer::Terms;
use symbolon_phone::wallet::{present_mdoc, response as device_response};
use symbolon_wallet::{cbor, mdoc, transcript};

fn judge_mdoc(world: &World, bytes: &[u8], session: &[u8]) -> Vec<&'static str> {
    let asked = mdoc::Expected {
        issuers: &world.trusted,
        doctype: DOCTYPE,
        session_transcript: session,
        older_transcript: None,
        now_s: NOW_S,
        skew_s: 60,
    };
    match mdoc::Document::parse(bytes).and_then(|it| it.judge(&asked)) {
        Ok(verdict) => verdict.failed.iter().map(|it| it.name).collect(),
        Err(why) => vec![why.0],
    }
}

/// V-01: the handover is that of the way, and everything in it counts.
#[test]
fn an_mdoc_is_signed_for_one_exchange_of_one_way() {
    let world = World::new();
    let claims = json!({ "age_over_18": false, "family_name": "Doe" });
    let issued = world.issuer.mdoc(&world.terms(DOCTYPE), claims.as_object().unwrap()).unwrap();
    let names = ["age_over_18".to_owned()];
    let session = transcript::redirect(CLIENT, "n-1", Some(&[7; 32]), RESPONSE_URI);
    let shown = present_mdoc(DOCTYPE, &issued, &names, &session, &world.holder).unwrap();
    assert_eq!(judge_mdoc(&world, &shown, &session), NOTHING);
    for (what, other) in [
        ("nonce", transcript::redirect(CLIENT, "n-2", Some(&[7; 32]), RESPONSE_URI)),
        ("client_id", transcript::redirect("x509_hash:abd", "n-1", Some(&[7; 32]), RESPONSE_URI)),
        ("response_uri", transcript::redirect(CLIENT, "n-1", Some(&[7; 32]), "https://login.example/wallet/y")),
        ("key", transcript::redirect(CLIENT, "n-1", Some(&[8; 32]), RESPONSE_URI)),
        ("not encrypted", transcript::redirect(CLIENT, "n-1", None, RESPONSE_URI)),
        ("the browser's way", transcript::dc_api("https://login.example", "n-1", Some(&[7; 32]))),
    ] {
        assert_eq!(judge_mdoc(&world, &shown, &other), ["holder_signature"], "{what}");
    }
    let by_api = transcript::dc_api("https://login.example", "n-1", Some(&[7; 32]));
    let shown = present_mdoc(DOCTYPE, &issued, &names, &by_api, &world.holder).unwrap();
    assert_eq!(judge_mdoc(&world, &shown, &by_api), NOTHING);
    for (what, other) in [
        ("origin", transcript::dc_api("https://login.example.com", "n-1", Some(&[7; 32]))),
        ("nonce", transcript::dc_api("https://login.example", "n-2", Some(&[7; 32]))),
        ("key", transcript::dc_api("https://login.example", "n-1", Some(&[8; 32]))),
        ("not encrypted", transcript::dc_api("https://login.example", "n-1", None)),
        ("the link's way", session.clone()),
    ] {
        assert_eq!(judge_mdoc(&world, &shown, &other), ["holder_signature"], "{what}");
    }
    let other = PrivateKey::generate(Algorithm::ES256).unwrap();
    let stolen = present_mdoc(DOCTYPE, &issued, &names, &session, &other).unwrap();
    assert_eq!(judge_mdoc(&world, &stolen, &session), ["holder_signature"]);
}

/// The members of a map, with one of them changed. None: it is left out.
fn replaced(map: &[u8], name: &str, value: Option<Vec<u8>>) -> Vec<u8> {
    let mut all = Vec::new();
    let mut is_there = false;
    for (key, old) in cbor::members(map).unwrap() {
        let cbor::Key::Text(key) = key else { panic!("a number") };
        is_there |= key == name;
        match (key == name, &value) {
            (true, None) => {}
            (true, Some(new)) => all.push((Item::Text(key), new.clone())),
            (false, _) => all.push((Item::Text(key), old.to_vec())),
        }
    }
    if let (false, Some(new)) = (is_there, value) {
        all.push((Item::Text(name), new));
    }
    make::map(&all)
}

/// V-17, V-18
#[test]
fn a_device_response_has_one_document_with_one_signature() {
    let world = World::new();
    let issued = world.issuer.mdoc(&world.terms(DOCTYPE), json!({ "a": 1 }).as_object().unwrap()).unwrap();
    let session = transcript::redirect(CLIENT, "n-1", Some(&[7; 32]), RESPONSE_URI);
    let good = present_mdoc(DOCTYPE, &issued, &["a".to_owned()], &session, &world.holder).unwrap();
    let outer = cbor::members(&good).unwrap();
    let document = cbor::elements(cbor::member(&outer, "documents").unwrap()).unwrap()[0].to_vec();
    let signed = cbor::member(&cbor::members(&document).unwrap(), "deviceSigned").unwrap().to_vec();
    let auth = cbor::member(&cbor::members(&signed).unwrap(), "deviceAuth").unwrap().to_vec();
    let signature = cbor::member(&cbor::members(&auth).unwrap(), "deviceSignature").unwrap().to_vec();
    let with_auth = |auth: Vec<u8>| {
        let signed = replaced(&signed, "deviceAuth", Some(auth));
        judge_mdoc(&world, &device_response(&[replaced(&document, "deviceSigned", Some(signed))]), &session)
    };
    assert_eq!(with_auth(auth.clone()), NOTHING);
    assert_eq!(with_auth(make::map(&[])), ["holder_missing"]);
    assert_eq!(with_auth(make::map(&[(Item::Text("deviceMac"), signature.clone())])), ["holder_mac"]);
    let both = [(Item::Text("deviceSignature"), signature.clone()), (Item::Text("deviceMac"), signature.clone())];
    assert_eq!(with_auth(make::map(&both)), ["holder_twice"]);
    let parts: Vec<Vec<u8>> = cbor::elements(&signature).unwrap().into_iter().map(<[u8]>::to_vec).collect();
    let of = |at: usize, part: Vec<u8>| {
        let mut parts = parts.clone();
        parts[at] = part;
        with_auth(make::map(&[(Item::Text("deviceSignature"), make::array(&parts))]))
    };
    assert_eq!(of(3, make::bytes(&[])), ["holder_empty"]);
    assert_eq!(of(2, make::bytes(b"x")), ["holder_typ"], "attached, in the place of detached");
    assert_eq!(of(0, make::bytes(&make::map(&[(Item::Number(1), make::number(5))]))), ["holder_typ"], "a MAC's algorithm");
    // What the holder adds of his own is signed, and is nobody's claim.
    let own = symbolon_wallet::mdoc::tagged(&make::map(&[(Item::Text(NAMESPACE), make::map(&[(Item::Text("a"), make::number(2))]))]));
    let bent = replaced(&document, "deviceSigned", Some(replaced(&signed, "nameSpaces", Some(own))));
    assert_eq!(judge_mdoc(&world, &device_response(&[bent]), &session), ["holder_signature"]);
    assert_eq!(judge_mdoc(&world, &device_response(&[]), &session), ["the DeviceResponse has not exactly one document"]);
    let two = device_response(&[document.clone(), document.clone()]);
    assert_eq!(judge_mdoc(&world, &two, &session), ["the DeviceResponse has not exactly one document"]);
    let failing = replaced(&good, "status", Some(make::number(10)));
    assert_eq!(judge_mdoc(&world, &failing, &session), ["the DeviceResponse has a status other than 0"]);
    let renamed = device_response(&[replaced(&document, "docType", Some(make::text("org.other")))]);
    assert!(judge_mdoc(&world, &renamed, &session).contains(&"doctype"));
    let longer = [good.as_slice(), &[0]].concat();
    assert_eq!(judge_mdoc(&world, &longer, &session), ["there are bytes behind the CBOR"]);
}

/// V-18: label 33 as bytes and as an array, missing, empty, in the wrong order, too long.
#[test]
fn the_chain_of_an_mdoc_is_read_in_both_forms() {
    let world = World::new();
    let issued = world.issuer.mdoc(&world.terms(DOCTYPE), json!({ "a": 1 }).as_object().unwrap()).unwrap();
    let session = transcript::redirect(CLIENT, "n-1", None, RESPONSE_URI);
    let auth = cbor::member(&cbor::members(&issued).unwrap(), "issuerAuth").unwrap().to_vec();
    let parts: Vec<Vec<u8>> = cbor::elements(&auth).unwrap().into_iter().map(<[u8]>::to_vec).collect();
    let leaf = make::bytes(&world.issuer.chain[0]);
    let root = make::bytes(&world.issuer.root_der);
    let with = |chain: Option<Vec<u8>>| {
        let mut parts = parts.clone();
        parts[1] = make::map(&chain.map(|it| (Item::Number(33), it)).into_iter().collect::<Vec<_>>());
        let bent = replaced(&issued, "issuerAuth", Some(make::array(&parts)));
        judge_mdoc(&world, &present_mdoc(DOCTYPE, &bent, &["a".to_owned()], &session, &world.holder).unwrap(), &session)
    };
    assert_eq!(with(Some(leaf.clone())), NOTHING);
    assert_eq!(with(Some(make::array(std::slice::from_ref(&leaf)))), NOTHING);
    assert_eq!(with(Some(make::array(&[leaf.clone(), root.clone()]))), ["issuer_haip"]);
    assert_eq!(with(None), ["the issuer's signature has no x5chain"]);
    assert_eq!(with(Some(make::array(&[]))), ["the issuer's signature has no x5chain"]);
    let turned = with(Some(make::array(&[root, leaf.clone()])));
    assert!(turned.contains(&"chain_names") && turned.contains(&"issuer_signature"), "{turned:?}");
    assert_eq!(with(Some(make::array(&vec![leaf; 50]))), ["a chain has one to ten certificates"]);
}

/// A claim that the issuer did not sign is refused, and none that was asked for may be missing.
#[test]
fn a_claim_of_an_mdoc_is_the_one_that_was_signed() {
    let world = World::new();
    let issued = world.issuer.mdoc(&world.terms(DOCTYPE), json!({ "age": 17, "name": "Ana" }).as_object().unwrap()).unwrap();
    let session = transcript::redirect(CLIENT, "n-1", None, RESPONSE_URI);
    let namespaces = cbor::member(&cbor::members(&issued).unwrap(), "nameSpaces").unwrap().to_vec();
    let items: Vec<Vec<u8>> = cbor::elements(cbor::member(&cbor::members(&namespaces).unwrap(), NAMESPACE).unwrap())
        .unwrap()
        .into_iter()
        .map(<[u8]>::to_vec)
        .collect();
    let with = |items: &[Vec<u8>], namespace: &str| {
        let bent = replaced(&issued, "nameSpaces", Some(make::map(&[(Item::Text(namespace), make::array(items))])));
        let names = ["age".to_owned(), "name".to_owned()];
        judge_mdoc(&world, &present_mdoc(DOCTYPE, &bent, &names, &session, &world.holder).unwrap(), &session)
    };
    assert_eq!(with(&items, NAMESPACE), NOTHING);
    let inner = cbor::encoded(&items[0]).unwrap();
    let older = symbolon_wallet::mdoc::tagged(&replaced(inner, "elementValue", Some(make::number(18))));
    assert_eq!(with(&[older, items[1].clone()], NAMESPACE), ["digest"]);
    assert_eq!(with(&[items[0].clone(), items[0].clone()], NAMESPACE), ["digest"]);
    assert_eq!(with(&items, "org.other"), ["digest", "digest"]);
    let short = symbolon_wallet::mdoc::tagged(&replaced(inner, "random", Some(make::bytes(&[1; 15]))));
    assert_eq!(with(&[short], NAMESPACE), ["a claim has fewer than 16 random bytes"]);
}

/// ISO 18013-5 9.3.1: what was signed before the signer had a certificate, or after it was over, is nobody's word.
#[test]
fn an_mdoc_was_signed_while_its_signer_had_a_certificate() {
    let world = World::new();
    let session = transcript::redirect(CLIENT, "n-1", Some(&[7; 32]), RESPONSE_URI);
    // The certificate is from 1975 on.
    let signed_at = |at_s: i64| {
        let terms = Terms { now_s: at_s, lifetime_s: NOW_S, ..world.terms(DOCTYPE) };
        let issued = world.issuer.mdoc(&terms, json!({ "a": 1 }).as_object().unwrap()).unwrap();
        let shown = present_mdoc(DOCTYPE, &issued, &["a".to_owned()], &session, &world.holder).unwrap();
        judge_mdoc(&world, &shown, &session)
    };
    assert_eq!(signed_at(100_000_000), ["signed_outside"]);
    assert_eq!(signed_at(200_000_000), NOTHING, "the twin");
}
