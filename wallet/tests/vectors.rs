//! The verifier on presentations that others made: of the specifications, of issuers' and wallets' test suites. Each lie about what was
//! asked, and each change in what was sent, turns its verdict.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use data_encoding::HEXLOWER_PERMISSIVE;
use serde_json::{Value as Json, json};
use symbolon_oauth::base64url;
use symbolon_oauth::jwk::{KeySet, PublicKey};
use symbolon_wallet::dcql::Query;
use symbolon_wallet::issuer::{Anchor, Issuer, from_pem};
use symbolon_wallet::jwe::{self, DecryptionKey, Encryption, JweError, Sender};
use symbolon_wallet::mdoc::{self, Document, IssuerSigned};
use symbolon_wallet::request::{Request, Way};
use symbolon_wallet::sd_jwt::{Binding, Expected, SdJwt};
use symbolon_wallet::{Credential, Unreadable, Verdict, issuer, status, transcript};

fn vectors(name: &str) -> Option<Json> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors");
    let root = std::env::var_os("SYMBOLON_VECTORS").map_or_else(|| beside.into(), std::path::PathBuf::from);
    let Ok(text) = std::fs::read(root.join("credentials").join(name)) else {
        println!("skipped: {name} is not here; SYMBOLON_VECTORS names the directory");
        return None;
    };
    Some(serde_json::from_slice(&text).unwrap())
}

fn list(document: &Json) -> &[Json] {
    document["vectors"].as_array().unwrap()
}

fn broken<F>(verdict: &Verdict<F>) -> Vec<&'static str> {
    verdict.failed.iter().map(|one| one.name).collect()
}

/// A vector of SD-JWT and what was asked for it, to be changed.
struct Asked {
    issuers: Vec<Issuer>,
    vct: String,
    audience: String,
    nonce: String,
    is_bound: bool,
    now_s: i64,
    typ: String,
}

impl Asked {
    fn of(vector: &Json) -> Self {
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let payload = &vector["issuer_payload"];
        let name = text(&payload["iss"]);
        let issuer = match vector["issuer_header"].get("x5c") {
            None => {
                let key = vector["issuer_key"].as_object().map(|_| &vector["issuer_key"]);
                let keys = key.map(|it| KeySet { keys: vec![PublicKey::from_jwk(it).unwrap()] }).unwrap_or_default();
                Issuer { name, keys, ..Issuer::default() }
            }
            Some(x5c) => {
                let leaf = issuer::x5c(x5c).unwrap().remove(0);
                Issuer { name, anchors: vec![Anchor::from_der(&leaf).unwrap()], ..Issuer::default() }
            }
        };
        let holder = &vector["key_binding"]["payload"];
        Self {
            issuers: vec![issuer],
            vct: text(&payload["vct"]),
            audience: text(&holder["aud"]),
            nonce: text(&holder["nonce"]),
            is_bound: vector["key_binding"].is_object(),
            now_s: vector["verify_at"].as_i64().unwrap_or(1_700_000_000),
            typ: text(&vector["issuer_header"]["typ"]),
        }
    }

    fn judge(&self, text: &str) -> Result<Verdict<Credential>, Unreadable> {
        let binding = Binding { audience: &self.audience, nonce: &self.nonce, max_age_s: 300, transaction_data: &[] };
        let asked = Expected {
            issuers: &self.issuers,
            types: &[&self.vct],
            binding: self.is_bound.then_some(binding),
            now_s: self.now_s,
            skew_s: 60,
            typ: &[&self.typ],
        };
        SdJwt::parse(text)?.judge(&asked)
    }
}

/// Those without `iss` have their keys from elsewhere, and those without `typ` are older than the rule. Everything else holds.
fn allowed(vector: &Json) -> Vec<&'static str> {
    let mut allowed = Vec::new();
    if vector["issuer_header"]["typ"].is_null() {
        allowed.push("typ");
    }
    if vector["issuer_payload"]["iss"].is_null() {
        allowed.push("issuer_unknown");
    }
    allowed
}

#[test]
fn sd_jwts_of_others_have_their_verdict() {
    let Some(document) = vectors("sd-jwt.json") else { return };
    let mut counts = (0, 0, 0);
    for vector in list(&document) {
        let (id, text) = (&vector["id"], vector["sd_jwt"].as_str().unwrap());
        let verdict = Asked::of(vector).judge(text);
        if vector["expected"] == "reject" {
            assert!(verdict.as_ref().is_ok_and(|it| !it.holds()), "{id}");
            counts.1 += 1;
            continue;
        }
        let verdict = verdict.unwrap();
        assert_eq!(broken(&verdict), allowed(vector), "{id}: {:?}", verdict.failed);
        counts.0 += 1;
        counts.2 += usize::from(vector["key_binding"].is_object());
        // Every disclosed claim is in the facts, wherever it stands.
        let facts = Json::Object(verdict.facts.claims.clone()).to_string();
        for disclosure in vector["disclosures"].as_array().unwrap() {
            let parts = disclosure.as_array().unwrap();
            let value = parts.last().unwrap();
            if value.is_string() {
                assert!(facts.contains(&value.to_string()), "{id}: {value}");
            }
        }
        assert!(!facts.contains("\"_sd\"") && !facts.contains("\"...\"") && !facts.contains("_sd_alg"), "{id}");
    }
    assert_eq!((counts.0 + counts.1, counts.2), (20, 4), "vectors, and those with a holder's signature");
    // Two vectors have a wrong sd_hash, and one of these no sd_hash at all.
    let with = |id: &str| {
        let vector = list(&document).iter().find(|it| it["id"] == id).unwrap();
        broken(&Asked::of(vector).judge(vector["sd_jwt"].as_str().unwrap()).unwrap())
    };
    assert_eq!(with("sdjwt-06"), ["holder_sd_hash"]);
    assert!(with("sdjwt-17").contains(&"holder_sd_hash"));
}

/// V-01, V-19: one change each, and the verdict turns.
#[test]
fn an_sd_jwt_with_one_defect_is_refused() {
    let Some(document) = vectors("sd-jwt.json") else { return };
    let bound: Vec<&Json> = list(&document).iter().filter(|it| it["expected"] == "accept" && it["key_binding"].is_object()).collect();
    for vector in bound {
        let text = vector["sd_jwt"].as_str().unwrap();
        let allowed = allowed(vector);
        let judge = |change: &dyn Fn(&mut Asked), text: &str| {
            let mut asked = Asked::of(vector);
            change(&mut asked);
            let verdict = asked.judge(text).map(|it| broken(&it)).unwrap_or_else(|why| vec![why.0]);
            verdict.into_iter().filter(|it| !allowed.contains(it)).collect::<Vec<_>>()
        };
        let nothing = |_: &mut Asked| {};
        assert_eq!(judge(&nothing, text), [""; 0]);
        assert_eq!(judge(&|it| it.nonce.push('x'), text), ["holder_nonce"]);
        assert_eq!(judge(&|it| it.nonce.clear(), text), ["holder_nonce"]);
        assert_eq!(judge(&|it| it.audience.push('x'), text), ["holder_audience"]);
        assert_eq!(judge(&|it| it.now_s += 361, text), ["holder_time"]);
        assert_eq!(judge(&|it| it.now_s += 359, text), [""; 0]);
        assert_eq!(judge(&|it| it.now_s -= 61, text), ["holder_time"]);
        assert_eq!(judge(&|it| it.vct.push('x'), text), ["type"]);
        assert_eq!(judge(&|it| it.typ.push('x'), text), ["typ"]);
        let parts: Vec<&str> = text.split('~').collect();
        let without = |at: usize| parts.iter().enumerate().filter(|(it, _)| *it != at).map(|(_, it)| *it).collect::<Vec<_>>().join("~");
        assert!(judge(&nothing, &without(1)).contains(&"holder_sd_hash"), "a disclosure less");
        let added = base64url::encode(br#"["c2FsdHNhbHRzYWx0c2FsdA","admin",true]"#);
        let mut more = parts.clone();
        more.insert(1, &added);
        assert!(judge(&nothing, &more.join("~")).contains(&"disclosure"), "one that no digest refers to");
        let mut twice = parts.clone();
        twice.insert(1, parts[1]);
        assert!(judge(&nothing, &twice.join("~")).contains(&"disclosure"), "the same twice");
        let (head, _) = text.rsplit_once('~').unwrap();
        assert_eq!(judge(&nothing, &format!("{head}~")), ["holder_missing"]);
        // One bit of each signature.
        let flip = |part: &str| {
            let (signed, signature) = part.rsplit_once('.').unwrap();
            let mut bytes = base64url::decode(signature).unwrap();
            bytes[40] ^= 1;
            format!("{signed}.{}", base64url::encode(&bytes))
        };
        let mut holder = parts.clone();
        let flipped = flip(parts[parts.len() - 1]);
        *holder.last_mut().unwrap() = &flipped;
        assert_eq!(judge(&nothing, &holder.join("~")), ["holder_signature"]);
        if !allowed.contains(&"issuer_unknown") {
            let flipped = flip(parts[0]);
            let mut issuer = parts.clone();
            issuer[0] = &flipped;
            assert!(judge(&nothing, &issuer.join("~")).contains(&"issuer_signature"));
            assert_eq!(judge(&|it| it.issuers[0].name.push('x'), text), ["issuer_unknown"]);
        }
    }
}

fn hex(value: &Json) -> Vec<u8> {
    HEXLOWER_PERMISSIVE.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

fn at_s(value: &Json) -> i64 {
    value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second()
}

fn anchors(vector: &Json) -> Vec<Issuer> {
    let pems = vector["issuer_certificates_pem"].as_array().unwrap();
    let ders: Vec<Vec<u8>> = pems.iter().flat_map(|it| from_pem(it.as_str().unwrap().as_bytes()).unwrap()).collect();
    vec![Issuer { name: "a".to_owned(), anchors: ders.iter().map(|it| Anchor::from_der(it).unwrap()).collect(), ..Issuer::default() }]
}

const MDL: &str = "org.iso.18013.5.1.mDL";

/// V-01, V-18
#[test]
fn mdocs_of_wallets_hold_for_their_exchange_alone() {
    let Some(document) = vectors("mdoc.json") else { return };
    let mut count = 0;
    for vector in list(&document).iter().filter(|it| it["kind"] == "DeviceResponse" && it["cbor_b64u"].is_string()) {
        let bytes = base64url::decode(vector["cbor_b64u"].as_str().unwrap()).unwrap();
        let (issuers, session) = (anchors(vector), hex(&vector["session_transcript_hex"]));
        let now_s = at_s(&vector["verify_at"]);
        let judge = |bytes: &[u8], session: &[u8], issuers: &[Issuer], now_s: i64, doctype: &str| {
            let asked = mdoc::Expected { issuers, doctype, session_transcript: session, older_transcript: None, now_s, skew_s: 60 };
            Document::parse(bytes).and_then(|it| it.judge(&asked)).map(|it| (broken(&it), it.facts))
        };
        let id = &vector["id"];
        let (failed, facts) = judge(&bytes, &session, &issuers, now_s, MDL).unwrap();
        assert_eq!(failed, [""; 0], "{id}");
        assert!(!facts.claims["org.iso.18013.5.1"].as_object().unwrap().is_empty(), "{id}");
        count += 1;
        let mut other = session.clone();
        *other.last_mut().unwrap() ^= 1;
        assert_eq!(judge(&bytes, &other, &issuers, now_s, MDL).unwrap().0, ["holder_signature"], "{id}");
        assert_eq!(judge(&bytes, &session, &issuers, now_s, "org.iso.7367.1.mVRC").unwrap().0, ["type"], "{id}");
        let nobody = vec![Issuer { name: "a".to_owned(), ..Issuer::default() }];
        assert_eq!(judge(&bytes, &session, &nobody, now_s, MDL).unwrap().0, ["issuer_unknown"], "{id}");
        assert!(judge(&bytes, &session, &issuers, now_s + 20 * 31_557_600, MDL).unwrap().0.contains(&"expired"), "{id}");
        assert!(judge(&bytes, &session, &issuers, now_s - 31_557_600, MDL).unwrap().0.contains(&"not_yet_valid"), "{id}");
        // Each byte in turn, in strides: nothing that differs is accepted with other claims.
        for at in (0..bytes.len()).step_by(41) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            if let Ok((failed, changed)) = judge(&changed, &session, &issuers, now_s, MDL) {
                assert!(!failed.is_empty() || changed == facts, "{id}: byte {at}");
            }
        }
    }
    assert_eq!(count, 2);
}

/// V-17: ISO's own example has a MAC, which nobody offered. The issuer's half of it holds.
#[test]
fn the_example_of_the_standard_holds_but_for_its_mac() {
    let Some(document) = vectors("mdoc.json") else { return };
    let vector = list(&document).iter().find(|it| it["id"] == "iso-18013-5-annex-d").unwrap();
    let bytes = hex(&vector["hex"]["device_response"]);
    let anchor = Anchor::from_der(&hex(&vector["hex"]["ds_cert"])).unwrap();
    let issuers = [Issuer { name: "utopia".to_owned(), anchors: vec![anchor], ..Issuer::default() }];
    let now_s = at_s(&vector["verify_at"]);
    let asked = mdoc::Expected { issuers: &issuers, doctype: MDL, session_transcript: &[0xf6], older_transcript: None, now_s, skew_s: 60 };
    let verdict = Document::parse(&bytes).unwrap().judge(&asked).unwrap();
    assert_eq!(broken(&verdict), ["holder_mac"]);
    let claims = &verdict.facts.claims["org.iso.18013.5.1"];
    assert_eq!((&claims["family_name"], &claims["issue_date"]), (&json!("Doe"), &json!("2019-10-20")));
    assert_eq!(verdict.facts.signer.unwrap().authority, "US");
}

#[test]
fn the_issuers_half_of_a_german_licence_holds() {
    let Some(document) = vectors("mdoc.json") else { return };
    let vector = list(&document).iter().find(|it| it["kind"] == "IssuerSigned").unwrap();
    let bytes = base64url::decode(vector["cbor_b64u"].as_str().unwrap()).unwrap();
    let issuers = anchors(vector);
    let now_s = at_s(&vector["verify_at"]);
    let asked = mdoc::Expected { issuers: &issuers, doctype: MDL, session_transcript: &[], older_transcript: None, now_s, skew_s: 60 };
    let verdict = IssuerSigned::parse(&bytes).unwrap().judge(&asked).unwrap();
    assert_eq!(broken(&verdict), [""; 0], "{:?}", verdict.failed);
    let claims: usize = verdict.facts.claims.values().map(|it| it.as_object().unwrap().len()).sum();
    assert_eq!(claims, 18);
}

/// V-02: a wallet of an older draft is told from a forgery.
#[test]
fn an_older_handover_is_refused_by_its_name() {
    let Some(document) = vectors("mdoc.json") else { return };
    let vector = list(&document).iter().find(|it| it["id"] == "mdoc-ubique").unwrap();
    let text = |name: &str| vector["handover_parameters"][name].as_str().unwrap();
    let older = transcript::older(text("client_id"), text("nonce"), text("response_uri"), text("mdoc_generated_nonce"));
    assert_eq!(older, hex(&vector["session_transcript_hex"]));
    let bytes = base64url::decode(vector["cbor_b64u"].as_str().unwrap()).unwrap();
    let session = transcript::redirect(text("client_id"), text("nonce"), None, text("response_uri"));
    let (issuers, now_s) = (anchors(vector), at_s(&vector["verify_at"]));
    let judge = |older: Option<&[u8]>| {
        let asked =
            mdoc::Expected { issuers: &issuers, doctype: MDL, session_transcript: &session, older_transcript: older, now_s, skew_s: 60 };
        broken(&Document::parse(&bytes).unwrap().judge(&asked).unwrap())
    };
    assert_eq!((judge(Some(&older)), judge(None)), (vec!["older_draft"], vec!["holder_signature"]));
}

#[test]
fn the_handover_is_made_byte_for_byte() {
    let Some(document) = vectors("openid4vp.json") else { return };
    let vector = list(&document).iter().find(|it| it["id"] == "openid4vp-1.0-OpenID4VPHandover").unwrap();
    let items = vector["handover_info"]["items"].as_array().unwrap();
    let text = |at: usize| items[at].as_str().unwrap();
    let thumbprint: [u8; 32] = hex(&items[2]).try_into().unwrap();
    let made = transcript::redirect(text(0), text(1), Some(&thumbprint), text(3));
    assert_eq!(made, hex(&vector["session_transcript_hex"]));
    assert_eq!(base64url::encode(&thumbprint), vector["jwk_thumbprint_b64u"].as_str().unwrap());
    assert_eq!(PublicKey::from_jwk(&vector["verifier_encryption_jwk"]).unwrap().thumbprint(), vector["jwk_thumbprint_b64u"]);
    // The other way has a transcript of its own, and so has everything that differs.
    let others = [
        transcript::dc_api(text(0), text(1), Some(&thumbprint)),
        transcript::redirect(text(0), text(1), None, text(3)),
        transcript::redirect(text(0), text(0), Some(&thumbprint), text(3)),
        transcript::redirect(text(1), text(1), Some(&thumbprint), text(3)),
        transcript::redirect(text(0), text(1), Some(&[0; 32]), text(3)),
        transcript::redirect(text(0), text(1), Some(&thumbprint), text(1)),
    ];
    assert!(others.iter().all(|it| *it != made));
    // OpenID4VP 1.0, B.2.6.2: the digest of its example.
    let api = transcript::dc_api("https://example.com", text(1), Some(&thumbprint));
    assert_eq!(&HEXLOWER_PERMISSIVE.encode(&api)[58..66], "fbece366");
}

/// V-13
#[test]
fn the_encrypted_response_of_the_specification_opens() {
    let Some(document) = vectors("openid4vp.json") else { return };
    let vector = list(&document).iter().find(|it| it["id"] == "openid4vp-1.0-encrypted-response").unwrap();
    let key = DecryptionKey::from_bytes(&base64url::decode(vector["decryption_jwk"]["d"].as_str().unwrap()).unwrap()).unwrap();
    assert_eq!((&key.to_jwk()["x"], &key.to_jwk()["y"]), (&vector["decryption_jwk"]["x"], &vector["decryption_jwk"]["y"]));
    let token = vector["jwe"].as_str().unwrap();
    // Its kid is "ac". Ours is the thumbprint, so that the response names another key.
    assert_eq!(jwe::open(token, &key).unwrap_err(), JweError::UnknownKey);
    let opened = jwe::open_named(token, &key, "ac").unwrap();
    assert_eq!((opened.content.as_slice(), opened.encryption), (vector["plaintext"].as_str().unwrap().as_bytes(), Encryption::A128Gcm));
    let other = DecryptionKey::generate().unwrap();
    assert_eq!(jwe::open_named(token, &other, "ac").unwrap_err(), JweError::Undecipherable);
    for (at, part) in token.split('.').enumerate().filter(|(_, it)| !it.is_empty()) {
        let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
        let mut bytes = base64url::decode(part).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        parts[at] = base64url::encode(&bytes);
        assert!(jwe::open_named(&parts.join("."), &key, "ac").is_err(), "part {at}");
    }
    let sealed = jwe::seal(&key.to_jwk(), Encryption::A256Gcm, &Sender::default(), [1; 12], b"{}").unwrap();
    assert_eq!(jwe::open(&sealed, &key).unwrap().content, b"{}");
}

#[test]
fn queries_of_the_specification_are_read_and_written() {
    let mut count = 0;
    for name in ["claims_alternatives", "multi_credentials", "simple", "simple_mdoc"] {
        let Some(written) = vectors(&format!("dcql/{name}.json")) else { return };
        let query = Query::parse(written.to_string().as_bytes()).unwrap();
        let again = Query::parse(query.to_json().to_string().as_bytes()).unwrap();
        assert_eq!((&again, query.to_json()), (&query, written), "{name}");
        count += 1;
    }
    assert_eq!(count, 4);
}

/// The same members, and values of the same type.
fn has_form(ours: &Json, theirs: &Json) -> bool {
    let (ours, theirs) = (ours.as_object().unwrap(), theirs.as_object().unwrap());
    let are_alike = |one: &Json, other: &Json| (one.is_string() && other.is_string()) || (one.is_i64() && other.is_i64());
    let is_like = |values: &Json, written: &Json| {
        let (values, written) = (values.as_array().unwrap(), written.as_array().unwrap());
        !values.is_empty() && values.iter().all(|value| written.iter().all(|other| are_alike(value, other)))
    };
    ours.len() == theirs.len() && ours.iter().all(|(name, values)| theirs.get(name).is_some_and(|written| is_like(values, written)))
}

/// `vp_formats_supported` has the form that the specification shows.
#[test]
fn formats_are_named_as_in_the_specification() {
    let (mdoc, sd_jwt) = ("mso_mdoc", "dc+sd-jwt");
    for (name, format, other) in [("mso_mdoc_verifier_metadata", mdoc, sd_jwt), ("sd_jwt_vc_verifier_metadata", sd_jwt, mdoc)] {
        let (Some(written), Some(query)) = (vectors(&format!("dcql/{name}.json")), vectors("dcql/simple.json")) else { return };
        let (key, query) = (DecryptionKey::generate().unwrap(), Query::parse(query.to_string().as_bytes()).unwrap());
        let request = Request {
            way: Way::DirectPost { response_uri: "https://a.example/r", state: "s" },
            nonce: "n",
            query: &query,
            key: &key,
            wallet_nonce: None,
            client_metadata: serde_json::Map::new(),
            transaction_data: &[],
            now_s: 0,
            lifetime_s: 60,
        };
        let claims = request.claims("x509_hash:x");
        let (ours, theirs) = (&claims["client_metadata"]["vp_formats_supported"], &written["vp_formats_supported"][format]);
        assert!(has_form(&ours[format], theirs), "{ours} {theirs}");
        assert!(!has_form(&ours[other], theirs), "the twin: {ours} {theirs}");
    }
}

/// V-09
#[test]
fn status_lists_of_the_draft_say_what_it_says() {
    let Some(document) = vectors("status-list.json") else { return };
    for vector in list(&document) {
        let list = json!({ "bits": vector["bits"], "lst": vector["lst"] });
        let at = |index: usize| status::look_up(&list, index).unwrap();
        if let Some(values) = vector["values"].as_array() {
            for (index, value) in values.iter().enumerate() {
                assert_eq!(at(index).map(u64::from), value.as_u64(), "{}: {index}", vector["id"]);
            }
            assert_eq!(at(values.len()), None);
            continue;
        }
        let size = usize::try_from(vector["size_entries"].as_u64().unwrap()).unwrap();
        for (index, value) in vector["non_zero"].as_object().unwrap() {
            let index: usize = index.parse().unwrap();
            assert_eq!(at(index).map(u64::from), value.as_u64(), "{}: {index}", vector["id"]);
        }
        assert_eq!((at(2), at(size - 1), at(size)), (Some(0), Some(0), None), "{}", vector["id"]);
    }
}
