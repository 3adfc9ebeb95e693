//! Which files are taken for plug-ins, and what is said of the others..
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::guests::{SEND, TestHost, component, deciding, plugin, runtime};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use symbolon_plugin::{Cache, Compiled, INTERFACE, Limits, Plugin, World};

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

/// What a command says of a file whose world nobody has named.
#[test]
fn the_world_of_a_file_is_found() {
    let of = |bytes: &[u8]| Compiled::of_any_world(&runtime(), bytes).map(|compiled| compiled.facts().world).map_err(|error| error.0);
    assert_eq!(of(&deciding("(i32.const 512)")), Ok(World::Decision));
    let why = of(&wat::parse_str("(component)").unwrap()).unwrap_err();
    assert!(World::ALL.iter().all(|world| why.contains(&format!("no plug-in of the world {world}"))), "{why}");
    assert_eq!(of(b"#!/bin/sh").unwrap_err().matches("no WebAssembly component").count(), 1, "it is compiled once");
}

#[test]
fn a_file_of_another_type_is_refused() {
    let other = component(1, r#"(func (export "decide") (param i32) (result i32) (i32.const 512))"#)
        .replace("(case \"allow\")", "(case \"permit\")");
    let said = refused(&wat::parse_str(other).unwrap(), World::Decision);
    assert!(said.contains("no plug-in of the world decision"), "{said}");
}

/// P-02: the need is judged when the file is loaded, in the operator's words.
#[test]
fn memory_is_judged_at_load() {
    let body = r#"(func (export "decide") (param i32) (result i32) (i32.const 512))"#;
    let bytes = wat::parse_str(component(2000, body)).unwrap();
    let compiled = Compiled::new(&runtime(), &bytes, World::Decision).unwrap();
    assert_eq!(compiled.facts().memory, 2000 << 16);
    let made = |memory| Plugin::new(&compiled, Arc::new(TestHost::default()), Limits { memory, ..Limits::default() }).map(|_| ());
    let why = made(64 << 20).unwrap_err().0;
    assert_eq!(why, "it needs 125 MiB of memory, the limit is 64 MiB: set memory");
    assert!(made(128 << 20).is_ok(), "the twin");
}

/// P-10: what a program does when it begins is done on trial when its file is loaded. It reaches nobody then.
#[tokio::test]
async fn nobody_is_called_while_a_file_is_loaded() {
    let body = format!(r#"(func $begin {SEND}) (start $begin) (func (export "decide") (param i32) (result i32) (i32.const 512))"#);
    let compiled = Compiled::new(&runtime(), &wat::parse_str(component(1, &body)).unwrap(), World::Decision).unwrap();
    let host = Arc::new(TestHost::default());
    let plugin = Plugin::new(&compiled, Arc::clone(&host) as _, Limits::default()).unwrap();
    assert_eq!(host.sent.load(Ordering::Relaxed), 0);
    let verdict = plugin.decide(crate::guests::call(1), crate::guests::facts()).await;
    assert_eq!((verdict.is_ok(), host.sent.load(Ordering::Relaxed)), (true, 1), "the twin: a call may");
}

/// A file that was built for another version of the interface says so.
#[test]
fn a_file_for_another_interface_says_which() {
    let first = include_str!("../../wit/symbolon.wit").lines().next().unwrap();
    assert_eq!(first, format!("package symbolon:plugin@{INTERFACE};"));
    let body = r#"(func (export "decide") (param i32) (result i32) (i32.const 512))"#;
    let text = component(1, body);
    assert_eq!(refused(&wat::parse_str(&text).unwrap(), World::Decision), "taken", "the twin");
    let old = text.replace(&format!("@{INTERFACE}"), "@0.1.0");
    let said = refused(&wat::parse_str(old).unwrap(), World::Decision);
    assert!(said.contains(&format!("the interface 0.1.0 of plug-ins, and this program has {INTERFACE}")), "{said}");
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

/// A directory of its own, gone at the end.
struct Place(std::path::PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let place = std::env::temp_dir().join(format!("symbolon-plugin-cache-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&place);
        Self(place)
    }

    fn files(&self) -> Vec<std::path::PathBuf> {
        std::fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// P-12: what was compiled is taken again, and nothing else is: a file that was cut, changed, made for another component or by another key
/// is compiled anew.
#[test]
fn what_was_compiled_is_taken_again_and_nothing_else() {
    let place = Place::new("taken");
    let (good, other) = (deciding("(i32.const 512)"), deciding("(drop (call $now)) (i32.const 512)"));
    let runtime = runtime();
    let cache = |key: u8| Cache::open(&place.0, &[key; 32]).unwrap();
    let is_cached =
        |bytes: &[u8], key: u8| Compiled::with_cache(&runtime, bytes, World::Decision, Some(&cache(key))).unwrap().facts().is_cached;
    assert!(!is_cached(&good, 1) && is_cached(&good, 1));
    let file = place.files().remove(0);
    let whole = std::fs::read(&file).unwrap();
    // Under another key nothing here counts. What is written then does not count under the first.
    assert!(!is_cached(&good, 2) && !is_cached(&good, 1) && is_cached(&good, 1));
    let turned = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    for bad in [Vec::new(), whole[..31].to_vec(), whole[..whole.len() / 2].to_vec(), turned(0), turned(40), turned(whole.len() - 1)] {
        std::fs::write(&file, &bad).unwrap();
        assert!(!is_cached(&good, 1), "{} bytes", bad.len());
        assert!(is_cached(&good, 1), "it was written anew");
    }
    // Another component's file under this one's name.
    assert!(!is_cached(&other, 1));
    let foreign = place.files().into_iter().find(|path| *path != file).unwrap();
    std::fs::copy(&foreign, &file).unwrap();
    assert!(!is_cached(&good, 1) && is_cached(&good, 1));
    // What nobody uses goes, and what somebody uses stays.
    let name = file.file_name().unwrap().to_str().unwrap().split('-').next().unwrap().to_owned();
    cache(1).sweep(&runtime, &[&name]);
    assert_eq!(place.files(), [file]);
    // It runs as it did.
    let compiled = Compiled::with_cache(&runtime, &good, World::Decision, Some(&cache(1))).unwrap();
    assert!(compiled.facts().is_cached && Plugin::new(&compiled, Arc::new(TestHost::default()), Limits::default()).is_ok());
}

/// A directory that others can write to would be theirs.
#[test]
fn a_cache_is_the_server_s_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new("mode");
    assert!(Cache::open(&place.0, &[1; 32]).is_ok(), "it makes one");
    for mode in [0o770, 0o707, 0o750] {
        std::fs::set_permissions(&place.0, std::fs::Permissions::from_mode(mode)).unwrap();
        assert!(Cache::open(&place.0, &[1; 32]).err().unwrap().0.contains("mode 0700"), "{mode:o}");
    }
    std::fs::set_permissions(&place.0, std::fs::Permissions::from_mode(0o700)).unwrap();
    assert!(Cache::open(&place.0, &[1; 32]).is_ok(), "the twin");
    assert!(Cache::open(&place.0.join("a/b"), &[1; 32]).is_err());
    std::fs::write(place.0.join("file"), "").unwrap();
    assert!(Cache::open(&place.0.join("file"), &[1; 32]).is_err());
}
