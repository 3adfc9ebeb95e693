//! Which files are taken for plug-ins, and what is said of the others..
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::guests::{TestHost, component, deciding, plugin, runtime};
use std::sync::Arc;
use symbolon_plugin::{Compiled, Limits, Plugin, World};

fn refused(bytes: &[u8], world: World) -> String {
    match Compiled::new(&runtime(), bytes, world) {
        Ok(_) => "taken".to_owned(),
        Err(error) => error.0,
    }
}

#[test]
fn a_file_that_is_no_plug_in_is_refused_with_what_is_wrong() {
    let good = deciding("(i32.const 512)");
    assert_eq!(refused(&good, World::Decision), "taken", "the twin");
    assert!(refused(&good, World::Claims).contains("no plug-in of the world claims"));
    assert!(refused(&good, World::Method).contains("no plug-in of the world method"));
    for (bytes, why) in [
        (Vec::new(), "no WebAssembly component"),
        (b"#!/bin/sh\n".to_vec(), "no WebAssembly component"),
        (good[..good.len() / 2].to_vec(), "no WebAssembly component"),
        (wat::parse_str("(module)").unwrap(), "a core module"),
        (wat::parse_str("(component)").unwrap(), "no plug-in of the world decision"),
        (wat::parse_str(r#"(component (import "evil:thing/door" (instance)))"#).unwrap(), "it imports evil:thing/door"),
        (wat::parse_str(r#"(component (import "open" (func)))"#).unwrap(), "it imports open"),
    ] {
        let said = refused(&bytes, World::Decision);
        assert!(said.contains(why), "{why}: {said}");
    }
}

#[test]
fn a_file_of_another_type_is_refused() {
    let other = component(1, r#"(func (export "decide") (param i32) (result i32) (i32.const 512))"#)
        .replace("(case \"allow\")", "(case \"permit\")");
    let said = refused(&wat::parse_str(other).unwrap(), World::Decision);
    assert!(said.contains("no plug-in of the world decision"), "{said}");
}

/// The need is judged when the file is loaded, in the operator's words.
#[test]
fn memory_is_judged_at_load() {
    let body = r#"(func (export "decide") (param i32) (result i32) (i32.const 512))"#;
    let bytes = wat::parse_str(component(2000, body)).unwrap();
    let compiled = Compiled::new(&runtime(), &bytes, World::Decision).unwrap();
    assert_eq!(compiled.facts().memory, 2000 << 16);
    let made = |memory| Plugin::new(&compiled, Arc::new(TestHost::default()), Limits { memory, ..Limits::default() }).map(|_| ());
    let why = made(64 << 20).unwrap_err().0;
    assert_eq!(why, "it needs 125 MiB of memory, the limit is 64 MiB: set limits.memory");
    assert!(made(128 << 20).is_ok(), "the twin");
}

/// WASI is linked so that what toolchains make can be loaded. What does nothing here traps when it is called, and names itself.
#[tokio::test]
async fn wasi_that_there_is_not_traps_and_names_itself() {
    let import = r#"(import "wasi:sockets/network@0.2.3" (instance $w (export "open-all" (func))))
        (core func $open (canon lower (func $w "open-all")))"#;
    let calling = |called: &str| {
        let body =
            format!(r#"(import "wasi" "open" (func $open)) (func (export "decide") (param i32) (result i32) {called} (i32.const 512))"#);
        let text = component(1, "@BODY").replacen("(alias export $d \"facts\"", &format!("{import} (alias export $d \"facts\""), 1);
        // Imports of a core module come before everything else in it.
        let (imported, rest) = body.split_once("(func (export").unwrap();
        let text = text.replacen("(import \"libc\"", &format!("{imported} (import \"libc\""), 1);
        let text = text.replacen("@BODY", &format!("(func (export{rest}"), 1);
        wat::parse_str(text.replacen("(with \"libc\"", "(with \"wasi\" (instance (export \"open\" (func $open)))) (with \"libc\"", 1))
            .unwrap()
    };
    let failure =
        plugin(&calling("(call $open)"), Limits::default()).decide(crate::guests::call(1), crate::guests::facts()).await.unwrap_err();
    assert!(failure.detail.contains("wasi:sockets/network@0.2.3#open-all"), "{failure}");
    let twin = plugin(&calling(""), Limits::default()).decide(crate::guests::call(1), crate::guests::facts()).await;
    assert!(twin.is_ok(), "{twin:?}");
}
