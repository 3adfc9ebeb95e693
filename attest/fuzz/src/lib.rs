//! What the targets share: where they start from. Seeds are evidence that others published (`SYMBOLON_VECTORS`, or
//! `../shared/vectors` beside the workspace), each as the one file that its target reads, written anew at every start into
//! `SYMBOLON_FUZZ_SEEDS`; without either, a target starts from nothing.
//!
//! `cargo xtask fuzz` builds and runs the targets, and says how.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use symbolon_attest::cms::Signed;
use symbolon_attest::jwe;
use symbolon_attest::x509::{Chain, extension};
use symbolon_oauth::base64url;
use symbolon_oauth::jwk::{KeySet, PublicKey};
use symbolon_wallet::issuer::Issuer;

/// Writes the seeds of a target.
pub fn seeds(target: &str) {
    let Some(into) = std::env::var_os("SYMBOLON_FUZZ_SEEDS").map(PathBuf::from) else { return };
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors");
    let vectors = std::env::var_os("SYMBOLON_VECTORS").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let all = match target {
        "app_attestation" => attestations(&vectors),
        "app_assertion" => evidence(&vectors, "assertion_b64"),
        "key_attestation" => chains(&vectors),
        "play_token" => tokens(&vectors),
        "play_verdict" => verdicts(&vectors),
        "status_list" => lists(&vectors),
        "receipt" => receipts(&vectors),
        "passkey_registration" => passkey_registrations(&vectors),
        "passkey_assertion" => passkey_assertions(&vectors),
        "sd_jwt" => sd_jwts(&vectors),
        "mdoc" => mdocs(&vectors),
        "wallet_response" => wallet_responses(&vectors),
        "credential_status" => credential_statuses(&vectors),
        _ => Vec::new(),
    };
    println!("{target}: {} seeds", all.len());
    for (at, bytes) in all.iter().enumerate() {
        if let Err(why) = std::fs::write(into.join(format!("seed-{at:03}")), bytes) {
            println!("{}: {why}", into.display());
        }
    }
}

fn file(vectors: &Path, name: &str) -> Value {
    let text = std::fs::read(vectors.join(name)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_else(|_| {
        println!("{name} is not here; SYMBOLON_VECTORS names the directory");
        Value::Null
    })
}

fn list<'a>(file: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    file[name].as_array().into_iter().flatten()
}

fn base64(value: &Value) -> Option<Vec<u8>> {
    let text = value.as_str()?.replace('+', "-").replace('/', "_");
    base64url::decode(text.trim_end_matches('='))
}

fn evidence(vectors: &Path, member: &str) -> Vec<Vec<u8>> {
    list(&file(vectors, "app-attest/app-attest.json"), "vectors").filter_map(|it| base64(&it[member])).collect()
}

/// An object as it came, behind a 0; its authenticator data, behind a 1.
fn attestations(vectors: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for object in evidence(vectors, "attestation_object_b64") {
        const NAME: &[u8] = b"\x68authData\x58";
        let data = object.windows(NAME.len()).position(|it| it == NAME).and_then(|at| object.get(at + NAME.len() + 1..));
        all.extend(data.map(|it| [b"\x01", it].concat()));
        all.push([b"\0".as_slice(), &object].concat());
    }
    all
}

/// A receipt as it came, behind a 0; its content, behind a 1.
fn receipts(vectors: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for receipt in list(&file(vectors, "app-attest/receipts.json"), "vectors").filter_map(|it| base64(&it["receipt_b64"])) {
        all.extend(Signed::parse(&receipt).map(|it| [b"\x01".as_slice(), &it.content].concat()));
        all.push([b"\0".as_slice(), &receipt].concat());
    }
    all
}

/// A chain, behind a 0, and before every certificate its length in two bytes; the leaf's description, behind a 1.
fn chains(vectors: &Path) -> Vec<Vec<u8>> {
    let der = |pem: &Value| {
        let text: String = pem.as_str()?.lines().filter(|it| !it.starts_with("-----")).collect();
        base64(&text.into())
    };
    let mut all = Vec::new();
    for vector in list(&file(vectors, "android-key-attestation/chains.json"), "vectors") {
        let chain: Vec<Vec<u8>> = list(vector, "chain_pem").filter_map(der).collect();
        let mut whole = vec![0];
        for one in &chain {
            whole.extend(u16::try_from(one.len()).unwrap_or_default().to_be_bytes());
            whole.extend(one);
        }
        all.push(whole);
        let leaf: Vec<&[u8]> = chain.iter().take(1).map(Vec::as_slice).collect();
        let Ok(leaf) = Chain::parse(&leaf) else { continue };
        all.extend(extension(leaf.leaf(), "1.3.6.1.4.1.11129.2.1.17").map(|it| [b"\x01", it].concat()));
    }
    all
}

/// The certificates of such a file.
pub fn chain(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let (one, behind) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
        all.push(one);
        bytes = behind;
    }
    all
}

/// A token as it came, behind a 0; what was encrypted in it, behind a 1.
fn tokens(vectors: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for vector in list(&file(vectors, "play-integrity/tokens.json"), "vectors") {
        let Some(token) = vector["token"].as_str() else { continue };
        all.push([b"\0", token.as_bytes()].concat());
        let key: Option<[u8; 32]> = base64(&vector["keys"]["decryption_key_b64"]).and_then(|it| it.try_into().ok());
        all.extend(key.and_then(|key| jwe::open(token, &key).ok()).map(|it| [b"\x01".as_slice(), &it].concat()));
    }
    all
}

fn verdicts(vectors: &Path) -> Vec<Vec<u8>> {
    list(&file(vectors, "play-integrity/verdicts.json"), "vectors").map(|it| it["payload"].to_string().into_bytes()).collect()
}

/// A serial to look for, and behind the first line the list.
fn lists(vectors: &Path) -> Vec<Vec<u8>> {
    let file = file(vectors, "android-key-attestation/revocation.json");
    let Some(serial) = file["serial_hex"].as_str() else { return Vec::new() };
    ["badbeef", "5cb838f1fe157a85", serial].map(|it| format!("{it}\n{}", file["status_list"]).into_bytes()).to_vec()
}

/// The answer in JSON, behind a 0; its attestation object, behind a 1.
fn passkey_registrations(vectors: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for vector in list(&file(vectors, "webauthn/registrations.json"), "vectors") {
        let response = json!({ "clientDataJSON": vector["client_data_json_b64u"], "attestationObject": vector["attestation_object_b64u"] });
        let id = &vector["credential_id_b64u"];
        all.push([b"\0", json!({ "id": id, "rawId": id, "type": "public-key", "response": response }).to_string().as_bytes()].concat());
        all.extend(base64(&vector["attestation_object_b64u"]).map(|it| [b"\x01".as_slice(), &it].concat()));
    }
    all
}

/// The answer in JSON, behind a 0; its client data, behind a 1; its authenticator data, behind a 2.
fn passkey_assertions(vectors: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for vector in list(&file(vectors, "webauthn/authentications.json"), "vectors") {
        let response = json!({
            "clientDataJSON": vector["client_data_json_b64u"], "authenticatorData": vector["authenticator_data_b64u"],
            "signature": vector["signature_b64u"], "userHandle": "AAAA",
        });
        let answer = json!({ "id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": response });
        all.push([b"\0", answer.to_string().as_bytes()].concat());
        all.extend(base64(&vector["client_data_json_b64u"]).map(|it| [b"\x01".as_slice(), &it].concat()));
        all.extend(base64(&vector["authenticator_data_b64u"]).map(|it| [b"\x02".as_slice(), &it].concat()));
    }
    all
}

/// A presentation as it came, behind a 0; its claims and its disclosures in lines, behind a 1.
fn sd_jwts(vectors: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for vector in list(&file(vectors, "credentials/sd-jwt.json"), "vectors") {
        let Some(text) = vector["sd_jwt"].as_str() else { continue };
        all.push([b"\0", text.as_bytes()].concat());
        let plain = text.split('~').skip(1).filter_map(base64url::decode);
        let lines: Vec<Vec<u8>> = std::iter::once(vector["issuer_payload"].to_string().into_bytes()).chain(plain).collect();
        all.push([b"\x01".as_slice(), &lines.join(&b'\n')].concat());
    }
    all
}

fn mdocs(vectors: &Path) -> Vec<Vec<u8>> {
    list(&file(vectors, "credentials/mdoc.json"), "vectors").filter_map(|it| base64(&it["cbor_b64u"])).collect()
}

/// An encrypted response, behind a 0; what is in one, behind a 1; queries, behind a 2.
fn wallet_responses(vectors: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for vector in list(&file(vectors, "credentials/openid4vp.json"), "vectors") {
        all.extend(vector["jwe"].as_str().map(|it| [b"\0", it.as_bytes()].concat()));
        all.extend(vector["plaintext"].as_str().map(|it| [b"\x01", it.as_bytes()].concat()));
    }
    for name in ["claims_alternatives", "multi_credentials", "simple", "simple_mdoc"] {
        all.push([b"\x02", file(vectors, &format!("credentials/dcql/{name}.json")).to_string().as_bytes()].concat());
    }
    all
}

fn credential_statuses(vectors: &Path) -> Vec<Vec<u8>> {
    let claim = |it: &Value| format!("\x011993\n{}", json!({ "bits": it["bits"], "lst": it["lst"] })).into_bytes();
    list(&file(vectors, "credentials/status-list.json"), "vectors").map(claim).collect()
}

/// An issuer whose key signs nothing here.
pub fn issuers() -> Vec<Issuer> {
    let (x, y) = POINT[1..].split_at(32);
    let jwk = json!({ "kty": "EC", "crv": "P-256", "x": base64url::encode(x), "y": base64url::encode(y) });
    let keys = PublicKey::from_jwk(&jwk).into_iter().collect();
    vec![Issuer { name: "https://issuer.example.com".to_owned(), keys: KeySet { keys }, ..Issuer::default() }]
}

/// A value in DER (X.690 8.1) of less than 64 KiB.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX);
    let content = &content[..usize::from(length)];
    match length {
        0..=0x7f => [&[tag, length as u8], content].concat(),
        0x80..=0xff => [&[tag, 0x81, length as u8], content].concat(),
        _ => [&[tag, 0x82, (length >> 8) as u8, length as u8], content].concat(),
    }
}

/// A certificate (RFC 5280 4.1) that nobody signed, for the generator of P-256 (SEC 2, 2.4.2), with one extension. `name`: the
/// octets of its object identifier.
pub fn certificate(name: &[u8], value: &[u8]) -> Vec<u8> {
    const ALGORITHM: &[u8] = &[0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    const EMPTY: &[u8] = &[0x30, 0];
    let date = tlv(0x17, b"250101000000Z");
    let extension = tlv(0x30, &[tlv(6, name), tlv(4, value)].concat());
    let fields = [
        &[0xa0, 3, 2, 1, 2, 2, 1, 5],
        ALGORITHM,
        EMPTY,
        &tlv(0x30, &[date.as_slice(), &date].concat()),
        EMPTY,
        &spki(),
        &tlv(0xa3, &tlv(0x30, &extension)),
    ];
    tlv(0x30, &[&tlv(0x30, &fields.concat()), ALGORITHM, &[3, 2, 0, 0]].concat())
}

/// The generator of P-256 (SEC 2, 2.4.2): a point of the curve whose key signs nothing here.
pub const POINT: [u8; 65] = [
    0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d,
    0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb,
    0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
];

/// The same as SubjectPublicKeyInfo (RFC 5480 2).
pub fn spki() -> Vec<u8> {
    let algorithm = tlv(0x30, &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]);
    tlv(0x30, &[algorithm, tlv(3, &[&[0], &POINT[..]].concat())].concat())
}
