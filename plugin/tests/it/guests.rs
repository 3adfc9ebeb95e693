//! Plug-ins made from text, of the world `decision`: what their function does is given, everything around it is here.
#![allow(clippy::unwrap_used, dead_code, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use symbolon_plugin::{Call, Compiled, Host, HttpRequest, HttpResponse, Limits, Plugin, Runtime, SendError, Severity, World, decisions};

/// The types of the world. The server's tests read the same text.
const DECISIONS: &str = include_str!("../decisions.wat");

/// Types and imports of the world, and a memory of so many pages.
pub fn component(pages: u32, body: &str) -> String {
    format!(
        r#"(component
{DECISIONS}  (import "symbolon:plugin/host@0.2.0" (instance $host
    (type $s (enum "debug" "info" "warning" "error"))
    (export "severity" (type $severity (eq $s)))
    (export "log" (func (param "severity" $severity) (param "message" string)))
    (export "now" (func (result u64)))
    (export "random" (func (param "length" u32) (result (list u8))))
    (type $h (record (field "name" string) (field "value" string)))
    (export "header" (type $header (eq $h)))
    (type $q (record (field "method" string) (field "url" string) (field "headers" (list $header)) (field "body" (list u8))))
    (export "request" (type $request (eq $q)))
    (type $r (record (field "status" u16) (field "headers" (list $header)) (field "body" (list u8))))
    (export "response" (type $response (eq $r)))
    (type $e (variant (case "refused" string) (case "unreachable" string)))
    (export "send-error" (type $error (eq $e)))
    (export "send" (func (param "request" $request) (result (result $response (error $error)))))))
  (alias export $d "facts" (type $facts))
  (alias export $d "verdict" (type $verdict))
  (core module $libc
    (memory (export "memory") {pages})
    (global $end (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $end) (i32.const 7)) (i32.const -8)))
      (global.set $end (i32.add (local.get $at) (local.get 3)))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "realloc" (core func $realloc))
  (core func $log (canon lower (func $host "log") (memory $memory)))
  (core func $now (canon lower (func $host "now")))
  (core func $random (canon lower (func $host "random") (memory $memory) (realloc $realloc)))
  (core func $send (canon lower (func $host "send") (memory $memory) (realloc $realloc)))
  (core module $guest
    (import "libc" "memory" (memory $memory 1))
    (import "host" "log" (func $log (param i32 i32 i32)))
    (import "host" "now" (func $now (result i64)))
    (import "host" "random" (func $random (param i32 i32)))
    (import "host" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (func $text (param $verdict i32) (param $at i32) (param $length i32) (result i32)
      (i32.store8 (i32.const 516) (local.get $verdict))
      (i32.store (i32.const 520) (local.get $at))
      (i32.store (i32.const 524) (local.get $length))
      (i32.const 512))
    (data (i32.const 1024) "a reason")
    (data (i32.const 1040) "GET")
    (data (i32.const 1048) "https://service.example/")
    (data (i32.const 1080) "a\00b")
    (data (i32.const 1088) "\c0\80")
    {body})
  (core instance $guest (instantiate $guest (with "libc" (instance $libc))
    (with "host" (instance (export "log" (func $log)) (export "now" (func $now)) (export "random" (func $random))
      (export "send" (func $send))))))
  (type $decide (func (param "facts" $facts) (result (result $verdict (error string)))))
  (func $lifted (type $decide) (canon lift (core func $guest "decide") (memory $memory) (realloc $realloc)))
  (export "decide" (func $lifted)))"#
    )
}

/// `decide` with this body. It has a local `$i`, and answers where its verdict is: at 512 there is `allow`.
pub fn deciding(body: &str) -> Vec<u8> {
    let body = format!(r#"(func (export "decide") (param i32) (result i32) (local $i i32) {body})"#);
    wat::parse_str(component(1, &body)).unwrap()
}

/// A call of `send`, with its answer at 2048.
pub const SEND: &str = "(call $send (i32.const 1040) (i32.const 3) (i32.const 1048) (i32.const 24) (i32.const 0) (i32.const 0) \
                        (i32.const 0) (i32.const 0) (i32.const 2048))";

#[derive(Default)]
pub struct TestHost {
    pub lines: Mutex<Vec<String>>,
    pub sent: AtomicU64,
    pub slow: Option<Duration>,
    pub random: AtomicU64,
}

impl Host for TestHost {
    fn log(&self, _call_id: &str, _severity: Severity, message: &str) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(message.to_owned());
    }

    fn random(&self, bytes: &mut [u8]) -> Result<(), String> {
        for chunk in bytes.chunks_mut(8) {
            let next = self.random.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
            chunk.copy_from_slice(&next[..chunk.len()]);
        }
        Ok(())
    }

    fn config(&self, name: &str) -> Option<String> {
        (name == "known").then(|| "value".to_owned())
    }

    fn send(&self, _request: HttpRequest, within: Duration) -> Result<HttpResponse, SendError> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        if let Some(slow) = self.slow {
            std::thread::sleep(slow.min(within));
        }
        Ok(HttpResponse { status: 200, headers: Vec::new(), body: b"{}".to_vec() })
    }
}

pub fn runtime() -> Runtime {
    Runtime::new().unwrap()
}

pub fn compiled(bytes: &[u8]) -> Compiled {
    Compiled::new(&runtime(), bytes, World::Decision).unwrap()
}

pub fn plugin(bytes: &[u8], limits: Limits) -> Plugin {
    Plugin::new(&compiled(bytes), Arc::new(TestHost::default()), limits).unwrap()
}

pub fn call(now_ms: u64) -> Call {
    Call { id: "c1".to_owned(), now_ms }
}

pub fn facts() -> decisions::Facts {
    decisions::Facts {
        moment: decisions::Moment::SignIn,
        client: "shop".to_owned(),
        sub: "alice".to_owned(),
        scopes: vec!["openid".to_owned()],
        tier: None,
        installation: None,
        address: Some("192.0.2.1".to_owned()),
        auth_time: 1_800_000_000_000,
        amr: vec!["pwd".to_owned()],
        acr: None,
    }
}
