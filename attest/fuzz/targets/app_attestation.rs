//! An attestation object as an app sends it. The first byte says what the rest is: 0, the object; else its authenticator data,
//! which are put into an object that is otherwise as it should be. Nobody has Apple's key, so none may hold.
#![no_main]

use libfuzzer_sys::fuzz_target;
use symbolon_attest::app_attest::{APPLE_ROOT, Build, Expected, attestation};
use symbolon_attest_fuzz::{POINT, certificate, tlv};
use symbolon_oauth::digest::sha256;

const HASH: [u8; 32] = [7; 32];
const APP: &str = "1234567890.com.example.myapp";

/// A byte string of CBOR (RFC 8949 3.1, major type 2).
fn bytes_of(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX);
    [&[0x59], &length.to_be_bytes()[..], &content[..usize::from(length)]].concat()
}

fn object(data: &[u8]) -> Vec<u8> {
    let nonce = tlv(0x30, &tlv(0xa1, &tlv(4, &sha256(&[data, &HASH].concat()))));
    let leaf = certificate(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x63, 0x64, 8, 2], &nonce);
    let middle = certificate(&[0x2a, 3], &[5, 0]);
    let head = b"\xa3\x63fmt\x6fapple-appattest\x67attStmt\xa2\x63x5c\x82".as_slice();
    [head, &bytes_of(&leaf), &bytes_of(&middle), b"\x67receipt\x40\x68authData", &bytes_of(data)].concat()
}

fuzz_target!(init: symbolon_attest_fuzz::seeds("app_attestation"), |bytes: &[u8]| {
    let Some((mode, rest)) = bytes.split_first() else { return };
    let expected = Expected {
        app_ids: &[APP],
        mac_app_ids: &[],
        client_data_hash: &HASH,
        key_id: &sha256(&POINT),
        builds: &[Build::Unsaid, Build::AppStore],
        roots: &[APPLE_ROOT],
        now_s: 1_776_800_000,
    };
    if *mode == 0 {
        if let Ok(verdict) = attestation(rest, &expected) {
            assert!(!verdict.holds(), "{verdict:?}");
        }
        return;
    }
    let Ok(verdict) = attestation(&object(rest), &expected) else { return };
    let broke = |name: &str| verdict.broke(name);
    assert!(broke("chain_root") && !broke("nonce") && !broke("format") && !broke("key") && !broke("key_id"), "{verdict:?}");
    assert_eq!(broke("counter"), verdict.facts.counter != 0);
    assert_eq!(broke("build"), !matches!(verdict.facts.build, Some(Build::Unsaid | Build::AppStore)));
    assert_eq!(broke("app"), !rest.starts_with(&sha256(APP.as_bytes())));
});
