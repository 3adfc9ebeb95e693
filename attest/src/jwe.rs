//! The one encryption Play Integrity uses: compact JWE (RFC 7516 7.1), `A256KW` (RFC 7518 4.4), `A256GCM` (5.3). Every other
//! algorithm is refused: the header must name these, and chooses nothing.

use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap};
use symbolon_oauth::base64url;
use symbolon_oauth::jws::parse_object;

/// Room for the largest JWS that is read (16 KiB) in base64url, and for the other parts.
pub const MAX_BYTES: usize = 24 * 1024;
const KEY: usize = 32;
/// RFC 3394 2.2.1: the wrapped key and one block of eight bytes.
const WRAPPED: usize = KEY + 8;
const TAG: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JweError {
    /// Not five parts of canonical base64url with a JSON object in front, parts of a wrong length, or too large.
    Malformed,
    /// Another `alg` or `enc`, or a member that asks for something else: `zip`, `crit`, a key.
    UnsupportedHeader,
    /// The token was encrypted to another key, or a part was changed. Nobody can tell which.
    Undecipherable,
}

/// Decrypts a token.
pub fn open(token: &str, key: &[u8; KEY]) -> Result<Vec<u8>, JweError> {
    if token.len() > MAX_BYTES {
        return Err(JweError::Malformed);
    }
    // A token with more than five parts has a sixth.
    let parts: Vec<&str> = token.splitn(6, '.').collect();
    let [header, wrapped, iv, ciphertext, tag] = parts.as_slice() else { return Err(JweError::Malformed) };
    check_header(header)?;
    let bytes = |part: &str| base64url::decode(part).ok_or(JweError::Malformed);
    let wrapped = bytes(wrapped)?;
    let iv: [u8; NONCE_LEN] = bytes(iv)?.try_into().map_err(|_| JweError::Malformed)?;
    let mut sealed = bytes(ciphertext)?;
    let tag = bytes(tag)?;
    // A shorter tag is weaker (RFC 7518 5.3: 128 bits).
    if wrapped.len() != WRAPPED || sealed.is_empty() || tag.len() != TAG {
        return Err(JweError::Malformed);
    }
    sealed.extend_from_slice(&tag);
    let mut content_key = [0; KEY];
    let kek = AesKek::new(&AES_256, key).map_err(|_| JweError::Undecipherable)?;
    let content_key = kek.unwrap(&wrapped, &mut content_key).map_err(|_| JweError::Undecipherable)?;
    let content_key = UnboundKey::new(&aws_lc_rs::aead::AES_256_GCM, content_key).map_err(|_| JweError::Undecipherable)?;
    // RFC 7516 5.2, 15: the header is authenticated as it was sent.
    let opened = LessSafeKey::new(content_key)
        .open_in_place(Nonce::assume_unique_for_key(iv), Aad::from(header.as_bytes()), &mut sealed)
        .map_err(|_| JweError::Undecipherable)?
        .len();
    sealed.truncate(opened);
    Ok(sealed)
}

fn check_header(part: &str) -> Result<(), JweError> {
    let header = base64url::decode(part).and_then(|it| parse_object(&it)).ok_or(JweError::Malformed)?;
    let names = |member: &str, value: &str| header.get(member).is_some_and(|it| it == value);
    // These members do not change how a token is decrypted; any other might.
    let known = header.iter().all(|(name, it)| matches!(name.as_str(), "alg" | "enc" | "typ" | "cty" | "kid") && it.is_string());
    if known && names("alg", "A256KW") && names("enc", "A256GCM") { Ok(()) } else { Err(JweError::UnsupportedHeader) }
}
