//! What the targets share: where they start from. Seeds are evidence that others published (`SYMBOLON_VECTORS`, or
//! `../shared/vectors` beside the workspace), each as the one file that its target reads, written anew at every start into
//! `SYMBOLON_FUZZ_SEEDS`; without either, a target starts from nothing.
//!
//! `cargo xtask fuzz` builds and runs the targets, and says how.

use serde_json::Value;
use std::path::{Path, PathBuf};
use symbolon_attest::jwe;
use symbolon_oauth::base64url;

/// Writes the seeds of a target.
pub fn seeds(target: &str) {
    let Some(into) = std::env::var_os("SYMBOLON_FUZZ_SEEDS").map(PathBuf::from) else { return };
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors");
    let vectors = std::env::var_os("SYMBOLON_VECTORS").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let all = match target {
        "app_attestation" => evidence(&vectors, "attestation_object_b64"),
        "app_assertion" => evidence(&vectors, "assertion_b64"),
        "key_attestation" => chains(&vectors),
        "play_token" => tokens(&vectors),
        "play_verdict" => verdicts(&vectors),
        "status_list" => lists(&vectors),
        "receipt" => receipts(&vectors),
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

fn receipts(vectors: &Path) -> Vec<Vec<u8>> {
    list(&file(vectors, "app-attest/receipts.json"), "vectors").filter_map(|it| base64(&it["receipt_b64"])).collect()
}

/// A chain is one file: before every certificate its length, two bytes.
fn chains(vectors: &Path) -> Vec<Vec<u8>> {
    let der = |pem: &Value| {
        let text: String = pem.as_str()?.lines().filter(|it| !it.starts_with("-----")).collect();
        let der = base64(&text.into())?;
        Some([&u16::try_from(der.len()).ok()?.to_be_bytes()[..], &der].concat())
    };
    let file = file(vectors, "android-key-attestation/chains.json");
    list(&file, "vectors").map(|it| list(it, "chain_pem").filter_map(der).collect::<Vec<_>>().concat()).collect()
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
    for it in list(&file(vectors, "play-integrity/tokens.json"), "vectors") {
        let Some(token) = it["token"].as_str() else { continue };
        all.push([b"\0", token.as_bytes()].concat());
        let key: Option<[u8; 32]> = base64(&it["keys"]["decryption_key_b64"]).and_then(|it| it.try_into().ok());
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
