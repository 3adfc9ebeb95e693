//! What a plug-in of the world `claims` may answer: names once each, and not too many bytes.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::examples::token;
use crate::guests::{TestHost, call, runtime};
use std::sync::Arc;
use std::time::Duration;
use symbolon_plugin::{Compiled, Limits, Plugin, Reason, World};

/// The types of the interface. The tests of the server read the same text.
const TYPES: &str = include_str!("../claims.wat");
const LIBC: &str = include_str!("../libc.wat");
/// Where the list of claims, their names and their values stand in the guest's memory.
const LIST: usize = 1024;
const NAMES: usize = 3072;
const VALUES: usize = 32_768;

/// A guest that sets these claims: each has a name, and a value of so many bytes.
fn guest(claims: &[(String, usize)]) -> Vec<u8> {
    let (mut list, mut names) = (String::new(), String::new());
    for (name, value) in claims {
        for word in [NAMES + names.len(), name.len(), VALUES, *value] {
            let bytes = u32::try_from(word).unwrap().to_le_bytes();
            list.extend(bytes.map(|byte| format!("\\{byte:02x}")));
        }
        names.push_str(name);
    }
    let count = claims.len();
    let text = format!(
        r#"(component
{TYPES}
{LIBC}
  (core module $guest
    (import "libc" "memory" (memory $memory 2))
    (data (i32.const {LIST}) "{list}")
    (data (i32.const {NAMES}) "{names}")
    (func (export "claims") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
      (memory.fill (i32.const {VALUES}) (i32.const 49) (i32.const 8192))
      (i32.store (i32.const 516) (i32.const {LIST})) (i32.store (i32.const 520) (i32.const {count}))
      (i32.const 512)))
  (core instance $guest (instantiate $guest (with "libc" (instance $libc))))
  (type $claims (func (param "facts" $facts) (result (result (list $claim) (error string)))))
  (func $lifted (type $claims)
    (canon lift (core func $guest "claims") (memory $memory) (realloc $realloc)))
  (export "claims" (func $lifted)))"#
    );
    wat::parse_str(text).unwrap()
}

/// P-14: claims of one name, too long ones and too many are no answer. Nothing of them reaches a token.
#[tokio::test]
async fn claims_have_one_name_each_and_an_end() {
    let named = |all: &[(&str, usize)]| -> Vec<(String, usize)> { all.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect() };
    let many = |count: usize| -> Vec<(String, usize)> { (0..count).map(|at| (format!("c{at}"), 1)).collect() };
    for (hostile, why, twin) in [
        (named(&[("plan", 1), ("plan", 2)]), "the claim plan is there twice", named(&[("plan", 1), ("plans", 2)])),
        (named(&[("plan", 4097)]), "the value of a claim has 1 to 4096 bytes", named(&[("plan", 4096)])),
        (
            named(&[("a", 4095), ("b", 4095), ("c", 4095), ("d", 4096)]),
            "at most 16384 bytes of claims, and there are 16385",
            named(&[("a", 4095), ("b", 4095), ("c", 4095), ("d", 4095)]),
        ),
        (many(65), "at most 64 claims, and there are 65", many(64)),
    ] {
        let asked = async |claims: &[(String, usize)]| {
            let compiled = Compiled::new(&runtime(), &guest(claims), World::Claims).unwrap();
            let limits = Limits { time: Duration::from_secs(20), ..Limits::default() };
            let plugin = Plugin::new(&compiled, Arc::new(TestHost::default()), limits).unwrap();
            plugin.claims(call(2), token(&[])).await
        };
        let failure = asked(&hostile).await.unwrap_err();
        assert_eq!(failure.reason, Reason::Answer, "{failure}");
        assert!(failure.detail.contains(why), "{failure}");
        let set = asked(&twin).await.unwrap();
        let set: Vec<_> = set.iter().map(|claim| (claim.name.clone(), claim.value.len())).collect();
        assert_eq!(set, twin, "the twin of: {why}");
    }
}
