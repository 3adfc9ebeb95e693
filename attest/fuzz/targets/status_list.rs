//! A status list as Google serves it, and before the first line's end a serial to look for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use symbolon_attest::status_list::{Status, StatusList};

fuzz_target!(init: symbolon_attest_fuzz::seeds("status_list"), |bytes: &[u8]| {
    let at = bytes.iter().position(|it| *it == b'\n').unwrap_or(0);
    let (serial, list) = bytes.split_at(at);
    let Ok(list) = StatusList::parse(list, 1_000) else { return };
    let serial = std::str::from_utf8(serial).unwrap_or_default();
    let entry = list.entry(serial).cloned();
    let fresh = list.judge(&[serial], 1_000, 10);
    assert_eq!(fresh.holds(), entry.is_none());
    assert_eq!(fresh.facts.listed.len(), usize::from(entry.is_some()));
    assert!(entry.as_ref().is_none_or(|it| it.status != Status::Stale) && (entry.is_none() || !list.is_empty()));
    // One more zero, or another case, is the same serial.
    if serial.len() < 64 && !serial.is_empty() {
        assert_eq!(list.entry(&format!("0{}", serial.to_ascii_uppercase())).cloned(), entry);
    }
    let stale = list.judge(&[serial], 1_011, 10);
    assert!(!stale.holds());
    assert_eq!(stale.broke("status_stale"), entry.is_none());
});
