//! The status list of credentials, and before the first line's end an index. The first byte says what the rest is: 0, the token; else the
//! claim `status_list`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use symbolon_attest_fuzz::issuers;
use symbolon_oauth::jws::parse_value;
use symbolon_wallet::status::{Expected, Reference, StatusList, look_up};

fuzz_target!(init: symbolon_attest_fuzz::seeds("credential_status"), |bytes: &[u8]| {
    let Some((mode, rest)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    if *mode == 0 {
        let issuers = issuers();
        let asked = Expected { issuers: &issuers, uri: "https://a", now_s: 1_795_000_000, skew_s: 60 };
        assert!(StatusList::read(text, &asked).is_err());
        return;
    }
    let (index, list) = text.split_once('\n').unwrap_or(("0", text));
    let Some(list) = parse_value(list.as_bytes()) else { return };
    let _ = Reference::read(Some(&list));
    if let Ok(status) = look_up(&list, index.parse().unwrap_or(0)) {
        let bits = list["bits"].as_u64().unwrap_or_default();
        assert!(status.is_none_or(|it| u64::from(it) < 1 << bits));
    }
});
