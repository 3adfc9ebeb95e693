//! What a wallet posts. The first byte says what the rest is: 0, the encrypted response; 1, what was encrypted in one; 2, a query.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use symbolon_wallet::dcql::Query;
use symbolon_wallet::jwe::{self, DecryptionKey, Encryption, Sender};
use symbolon_wallet::response::{Response, Said};

/// The same at every run: it is no secret here.
static KEY: LazyLock<Option<DecryptionKey>> = LazyLock::new(|| DecryptionKey::from_bytes(&[7; 32]).ok());

fuzz_target!(init: symbolon_attest_fuzz::seeds("wallet_response"), |bytes: &[u8]| {
    let (Some((mode, rest)), Some(key)) = (bytes.split_first(), KEY.as_ref()) else { return };
    match mode {
        0 => {
            let Ok(text) = std::str::from_utf8(rest) else { return };
            // Nobody has sealed anything to this key but below.
            assert!(jwe::open(text, key).is_err());
        }
        1 => {
            let sealed = jwe::seal(&key.to_jwk(), Encryption::A256Gcm, &Sender::default(), [1; 12], rest);
            let opened = sealed.and_then(|it| jwe::open(&it, key));
            assert_eq!(opened.map(|it| it.content).ok(), Some(rest.to_vec()).filter(|it| !it.is_empty()));
            if let Ok(Response { said: Said::Token(all), .. }) = Response::parse(rest) {
                assert!(!all.is_empty() && all.values().all(|it| !it.is_empty()));
            }
        }
        _ => {
            if let Ok(query) = Query::parse(rest) {
                assert_eq!(Query::parse(query.to_json().to_string().as_bytes()), Ok(query));
            }
        }
    }
});
