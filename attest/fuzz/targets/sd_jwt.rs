//! A presentation as a wallet sends it. The first byte says what the rest is: 0, the whole; 1, the claims that the issuer signed, and
//! behind lines the disclosures. Nobody signs by these keys, so none may hold.
#![no_main]

use libfuzzer_sys::fuzz_target;
use symbolon_attest_fuzz::issuers;
use symbolon_oauth::base64url;
use symbolon_oauth::jws::parse_object;
use symbolon_wallet::sd_jwt::{Binding, Expected, SdJwt, TYP, disclose};

fuzz_target!(init: symbolon_attest_fuzz::seeds("sd_jwt"), |bytes: &[u8]| {
    let Some((mode, rest)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    if *mode == 0 {
        let issuers = issuers();
        let binding = Binding { audience: "a", nonce: "n", max_age_s: 300, transaction_data: &[] };
        let asked =
            Expected { issuers: &issuers, types: &["v"], binding: Some(binding), now_s: 1_795_000_000, skew_s: 60, typ: &[TYP] };
        if let Ok(verdict) = SdJwt::parse(text).and_then(|it| it.judge(&asked)) {
            assert!(!verdict.holds(), "{verdict:?}");
        }
        return;
    }
    let mut lines = text.lines();
    let Some(signed) = lines.next().and_then(|it| parse_object(it.as_bytes())) else { return };
    let disclosures: Vec<String> = lines.take(64).map(|it| base64url::encode(it.as_bytes())).collect();
    let disclosures: Vec<&str> = disclosures.iter().map(String::as_str).collect();
    if let Ok(open) = disclose(&signed, &disclosures) {
        // No trace of digests is left, and opening again changes nothing.
        assert!(!open.contains_key("_sd") && !open.contains_key("_sd_alg"));
        assert_eq!(disclose(&open, &[]).as_ref(), Ok(&open));
    }
});
