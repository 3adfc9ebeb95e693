//! Android's status list: the one of Google's test data (`SYMBOLON_VECTORS`, or `../shared/vectors` beside the workspace), and
//! lists made here, each bad one next to the good one it differs from in one thing. Area N: 259-N, as far as it concerns the list.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod made;

use made::vectors;
use serde_json::{Value as Json, json};
use symbolon_attest::status_list::{Entry, MAX_BYTES, Reason, Status, StatusList, failed, serial};
use symbolon_attest::{Failed, Unreadable};

const FETCHED_S: i64 = 1_790_000_000;
const DAY_S: i64 = 86_400;

fn list(json: &Json) -> Result<StatusList, Unreadable> {
    StatusList::parse(json.to_string().as_bytes(), FETCHED_S)
}

fn with(entry: Json) -> Result<StatusList, Unreadable> {
    list(&json!({ "entries": { "c0ffee": entry } }))
}

fn names(failed: &[Failed]) -> Vec<&'static str> {
    failed.iter().map(|it| it.name).collect()
}

#[test]
fn googles_own_list_by_either_reading() {
    let Some(file) = vectors("android-key-attestation/revocation.json") else { return };
    let list = list(&file["status_list"]).unwrap();
    assert_eq!(list.len(), file["status_list"]["entries"].as_object().unwrap().len());
    let suspended = file["serial_hex"].as_str().unwrap();
    let comment = Some("Entry for testing only".to_owned());
    let entry = Entry { status: Status::Suspended, reason: Some(Reason::KeyCompromise), expires: None, comment };
    assert_eq!(list.entry(suspended), Some(&entry));
    // 6681152659205225093 is a decimal serial, or a hexadecimal one: nobody says which.
    for serial in ["6681152659205225093", "5cb838f1fe157a85"] {
        assert_eq!(list.entry(serial).map(|it| it.status), Some(Status::Revoked), "{serial}");
    }
    let verdict = list.judge(&[suspended, "badbeef"], FETCHED_S, DAY_S);
    assert_eq!(names(&verdict.failed), ["suspended"]);
    assert_eq!(verdict.facts.listed, [(suspended.to_owned(), entry)]);
    assert!(list.judge(&[file["not_listed_example"].as_str().unwrap()], FETCHED_S, DAY_S).holds());
}

#[test]
fn every_listed_certificate_is_refused() {
    for (status, name) in [("REVOKED", "revoked"), ("SUSPENDED", "suspended"), ("revoked", "status_unknown"), ("", "status_unknown")] {
        let list = with(json!({ "status": status })).unwrap();
        assert_eq!(names(&list.judge(&["1", "c0ffee", "2"], FETCHED_S, DAY_S).failed), [name], "{status}");
        assert!(list.judge(&["1", "2"], FETCHED_S, DAY_S).holds());
    }
    // What expired is refused all the same, and so is what is listed for a reason nobody knows.
    let list = with(json!({ "status": "REVOKED", "expires": "2001-01-01", "reason": "BOREDOM", "more": [] })).unwrap();
    assert_eq!(names(&list.judge(&["c0ffee"], FETCHED_S, DAY_S).failed), ["revoked"]);
    assert_eq!(list.entry("c0ffee").unwrap().reason, Some(Reason::Other));
    assert_eq!(list.entry("c0ffee").unwrap().expires.as_deref(), Some("2001-01-01"));
}

#[test]
fn a_serial_has_one_form() {
    for (octets, text) in [
        (&[0x00, 0xc0, 0xff, 0xee][..], "c0ffee"),
        (&[0x0c, 0x0f], "c0f"),
        (&[0x00], "0"),
        (&[0x00, 0x00], "0"),
        (&[0x10, 0x00], "1000"),
        (&[], ""),
    ] {
        assert_eq!(serial(octets), text);
    }
    let found = |key: &str, serial: &str| list(&json!({ "entries": { key: { "status": "REVOKED" } } })).unwrap().entry(serial).is_some();
    for (key, serial) in [
        ("c0ffee", "c0ffee"),
        ("C0FFEE", "c0ffee"),
        ("00c0ffee", "c0ffee"),
        ("c0ffee", "00C0FFEE"),
        ("0", "00"),
        ("255", "ff"),
        ("18446744073709551616", "10000000000000000"),
    ] {
        assert!(found(key, serial), "{key} {serial}");
    }
    for (key, serial) in [("c0ffee", "c0ffe"), ("c0ffee", "c0ffee0"), ("255", "fe"), ("c0ffee", ""), ("0", ""), ("ff", "255")] {
        assert!(!found(key, serial), "{key} {serial}");
    }
    assert!(!found("c0ffee", &"f".repeat(10_000)), "longer than any serial: not listed, and quickly so");
}

/// 259-N: a list that is too old names what it names, and says nothing good about the rest.
#[test]
fn an_old_list_says_so() {
    let list = with(json!({ "status": "REVOKED" })).unwrap();
    let judged = |serial: &str, now_s: i64| names(&list.judge(&[serial, serial], now_s, DAY_S).failed);
    for now_s in [FETCHED_S, FETCHED_S + DAY_S, FETCHED_S - 300] {
        assert!(judged("1", now_s).is_empty(), "{now_s}");
    }
    for now_s in [FETCHED_S + DAY_S + 1, FETCHED_S - 301, i64::MAX, i64::MIN] {
        assert_eq!(judged("1", now_s), ["status_stale"], "once, and {now_s}");
        assert_eq!(judged("c0ffee", now_s), ["revoked", "revoked"]);
    }
    assert_eq!(list.judge(&[], FETCHED_S + 7, DAY_S).facts.age_s, 7);
    assert_eq!(names(&failed(["1", "2"], &|_| Some(Status::Stale))), ["status_stale"], "no list is no good news");
    assert!(failed(["1", "2"], &|_| None).is_empty());
}

/// What is not the documented list is not read, rather than read as a list that names nobody.
#[test]
fn what_is_not_the_list_is_not_read() {
    let entry = json!({ "status": "REVOKED", "reason": "SUPERSEDED", "expires": "2030-01-01", "comment": "x" });
    assert!(with(entry.clone()).is_ok());
    for member in ["status", "reason", "expires", "comment"] {
        for value in [json!(null), json!(1), json!(true), json!([]), json!({}), json!("x".repeat(600))] {
            let mut entry = entry.clone();
            entry[member] = value.clone();
            assert!(with(entry).is_err(), "{member} {value}");
        }
    }
    assert!(with(json!({})).is_err() && with(json!({ "reason": "SUPERSEDED" })).is_err(), "an entry without a status");
    assert!(with(json!(null)).is_err() && with(json!("REVOKED")).is_err() && with(json!([entry])).is_err());
    assert!(list(&json!({ "entries": {} })).is_ok_and(|it| it.is_empty()));
    for bad in [json!({}), json!([]), json!(null), json!({ "entries": [] }), json!({ "entries": null }), json!({ "Entries": {} })] {
        assert!(list(&bad).is_err(), "{bad}");
    }
    for key in ["", "0x1", "-1", "c0ffeg", " 1", "1 ", "١", &"1".repeat(65)] {
        assert!(list(&json!({ "entries": { key: entry } })).is_err(), "{key:?}");
    }
    let text = |it: &str| StatusList::parse(it.as_bytes(), FETCHED_S);
    assert!(text(r#"{"entries":{"1":{"status":"REVOKED"},"2":{"status":"REVOKED"}}}"#).is_ok());
    for twice in [
        r#"{"entries":{"1":{"status":"REVOKED"},"1":{"status":"REVOKED"}}}"#,
        r#"{"entries":{"1":{"status":"REVOKED"},"01":{"status":"REVOKED"}}}"#,
        r#"{"entries":{"a":{"status":"REVOKED"},"A":{"status":"REVOKED"}}}"#,
        r#"{"entries":{"1":{"status":"REVOKED"}},"entries":{}}"#,
        r#"{"entries":{"1":{"status":"REVOKED","status":""}}}"#,
        r#"{"entries":{"1":{"status":"REVOKED"}}} x"#,
    ] {
        assert!(text(twice).is_err(), "{twice}");
    }
    let padded = |length: usize| text(&format!("{}{}", r#"{"entries":{}}"#, " ".repeat(length - 14)));
    assert!(padded(MAX_BYTES).is_ok() && padded(MAX_BYTES + 1).is_err());
    let many = |count: usize| {
        let entries: Vec<String> = (1..=count).map(|it| format!(r#""{it:x}":{{"status":"REVOKED"}}"#)).collect();
        text(&format!(r#"{{"entries":{{{}}}}}"#, entries.join(",")))
    };
    // The number of entries is no limit of its own; bytes are.
    for count in [50_000, 50_001, 200_000] {
        let list = many(count).unwrap();
        assert_eq!((list.len(), list.entry(&format!("{count:x}")).map(|it| it.status)), (count, Some(Status::Revoked)));
        assert_eq!(list.entry(&format!("{:x}", count + 1)), None);
    }
    assert!(many(700_000).is_err(), "more than 16 MiB");
}
