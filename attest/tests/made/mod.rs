//! Evidence of our own making: good, but for the lie that a test asks for.
#![allow(dead_code, clippy::unwrap_used, reason = "each test takes what it needs")]

pub mod android;
pub mod apple;

use data_encoding::BASE64_NOPAD;
use serde_json::Value as Json;
use std::path::PathBuf;

/// A file of evidence that others published. `None`, and a line that says so: it is not here.
pub fn vectors(name: &str) -> Option<Json> {
    let text = std::fs::read_to_string(vector_path(name)).ok();
    if text.is_none() {
        println!("skipped: {name} is not here; SYMBOLON_VECTORS names the directory");
    }
    text.map(|it| serde_json::from_str(&it).unwrap())
}

pub fn vector_path(name: &str) -> PathBuf {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors");
    std::env::var_os("SYMBOLON_VECTORS").map_or_else(|| PathBuf::from(beside), PathBuf::from).join(name)
}

/// Base64, with padding or without.
pub fn base64(text: &Json) -> Vec<u8> {
    let text = text.as_str().unwrap().trim_end_matches('=');
    BASE64_NOPAD.decode(text.as_bytes()).unwrap()
}
