//! A classic token as an app sends it. The first byte says what the rest is: 0, the token; 1, what was encrypted in one; 2, its
//! header and behind a zero what was encrypted. Nobody signs by the other key, so none may
//! open.
#![no_main]

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use symbolon_attest::jwe;
use symbolon_attest::play_integrity::{Keys, open};
use symbolon_oauth::base64url;

const HEADER: &[u8] = br#"{"alg":"A256KW","enc":"A256GCM"}"#;
const KEY: [u8; 32] = [7; 32];

static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys { decryption: KEY, verification_spki: symbolon_attest_fuzz::spki() });

/// The same at every run: the nonce is no secret here, and the key is no key.
fn seal(header: &[u8], content: &[u8]) -> Option<String> {
    let content_key = [9; 32];
    let mut wrapped = [0; 40];
    let wrapped = AesKek::new(&AES_256, &KEY).ok()?.wrap(&content_key, &mut wrapped).ok()?;
    let header = base64url::encode(header);
    let mut sealed = content.to_vec();
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &content_key).ok()?);
    let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
    let tag = key.seal_in_place_separate_tag(nonce, Aad::from(header.as_bytes()), &mut sealed).ok()?;
    let parts =
        [base64url::encode(wrapped), base64url::encode(&[0; NONCE_LEN]), base64url::encode(&sealed), base64url::encode(tag.as_ref())];
    Some(format!("{header}.{}", parts.join(".")))
}

fuzz_target!(init: symbolon_attest_fuzz::seeds("play_token"), |bytes: &[u8]| {
    let Some((mode, rest)) = bytes.split_first() else { return };
    let token = match mode {
        0 => std::str::from_utf8(rest).ok().map(str::to_owned),
        1 => seal(HEADER, rest),
        _ => rest.iter().position(|it| *it == 0).and_then(|at| seal(&rest[..at], &rest[at + 1..])),
    };
    let Some(token) = token else { return };
    assert!(open(&token, &KEYS).is_err(), "{token}");
    // What was sealed by the right header is what comes out.
    if *mode == 1 && !rest.is_empty() && token.len() <= jwe::MAX_BYTES {
        assert_eq!(jwe::open(&token, &KEY).as_deref(), Ok(rest));
    }
});
