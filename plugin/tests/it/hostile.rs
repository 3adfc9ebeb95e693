//! What a plug-in may not do to the server, and that the next call works..
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use crate::guests::{SEND, TestHost, call, compiled, deciding, facts, plugin};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use symbolon_plugin::decisions::Verdict;
use symbolon_plugin::{Failure, Host, HttpRequest, HttpResponse, Limits, Plugin, Reason, SendError, Severity};

const ALLOW: &str = "(i32.const 512)";

/// Short, so that a test of what runs too long is short as well.
fn limits() -> Limits {
    Limits { time: Duration::from_millis(400), ..Limits::default() }
}

async fn decide(body: &str) -> Result<Verdict, Failure> {
    plugin(&deciding(body), limits()).decide(call(2), facts()).await
}

/// A request with so many headers.
fn sending(headers: u32) -> String {
    SEND.replacen("(i32.const 0) (i32.const 0)", &format!("(i32.const 4096) (i32.const {headers})"), 1)
}

async fn reason(body: &str) -> Reason {
    decide(body).await.unwrap_err().reason
}

/// P-06: every hostile guest, the reason that its call fails with, and the twin without the defect.
#[tokio::test]
async fn a_hostile_call_fails_with_its_reason_and_its_twin_succeeds() {
    let (text, until) = ("(call $text", "(br_if $again (i32.lt_u (local.get $i) (i32.const");
    let times =
        |count: u32, what: &str| format!("(loop $again {what} (local.set $i (i32.add (local.get $i) (i32.const 1))) {until} {count}))))");
    let log = "(call $log (i32.const 1) (i32.const 1024) (i32.const 8))";
    let grow = |mebibytes: u32| format!("(drop (memory.grow (i32.const {})))", mebibytes * 16);
    for (hostile, why, twin) in [
        ("(loop $again (br $again)) (unreachable)".to_owned(), Reason::Time, times(1000, "")),
        ("(unreachable)".to_owned(), Reason::Trap, String::new()),
        ("(drop (i32.div_u (i32.const 1) (local.get $i)))".to_owned(), Reason::Trap, String::new()),
        // More memory than there is, and a program that cannot go on without it.
        (
            "(if (i32.eq (memory.grow (i32.const 2000)) (i32.const -1)) (then (unreachable)))".to_owned(),
            Reason::Memory,
            "(if (i32.eq (memory.grow (i32.const 200)) (i32.const -1)) (then (unreachable)))".to_owned(),
        ),
        (times(20_000, "(drop (call $now))"), Reason::Limit, times(5000, "(drop (call $now))")),
        (times(1000, log), Reason::Limit, times(50, log)),
        (times(6, SEND), Reason::Limit, times(5, SEND)),
        // A million headers, all of them empty, in memory that is there.
        (format!("{} {}", grow(16), sending(1_000_000)), Reason::Limit, format!("{} {}", grow(16), sending(0))),
        (
            "(call $random (i32.const 2000000000) (i32.const 2048))".to_owned(),
            Reason::Limit,
            "(call $random (i32.const 16) (i32.const 2048))".to_owned(),
        ),
        // Thirty megabytes of reason, and a length behind the end of the memory.
        (format!("{} (return {text} (i32.const 1) (i32.const 4096) (i32.const 30000000)))", grow(32)), Reason::Limit, grow(32)),
        (format!("(return {text} (i32.const 1) (i32.const 4096) (i32.const 1073741824)))"), Reason::Answer, String::new()),
        (format!("(return {text} (i32.const 9) (i32.const 1024) (i32.const 8)))"), Reason::Answer, String::new()),
        (
            format!("(return {text} (i32.const 3) (i32.const 0) (i32.const 0)))"),
            Reason::Answer,
            format!("(return {text} (i32.const 3) (i32.const 60) (i32.const 0)))"),
        ),
        // U+0000, and an overlong form of UTF-8.
        (
            format!("(return {text} (i32.const 1) (i32.const 1080) (i32.const 3)))"),
            Reason::Answer,
            format!("(return {text} (i32.const 1) (i32.const 1080) (i32.const 1)))"),
        ),
        (
            format!("(return {text} (i32.const 1) (i32.const 1088) (i32.const 2)))"),
            Reason::Answer,
            format!("(return {text} (i32.const 1) (i32.const 1024) (i32.const 8)))"),
        ),
    ] {
        assert_eq!(reason(&format!("{hostile} {ALLOW}")).await, why, "{hostile}");
        let good = decide(&format!("{twin} {ALLOW}")).await;
        assert!(good.is_ok(), "the twin of {hostile}: {good:?}");
    }
}

#[tokio::test]
async fn endless_recursion_ends_the_call_alone() {
    let body = r#"(func $down (param i32) (result i32) (call $down (i32.add (local.get 0) (i32.const 1))))
        (func (export "decide") (param i32) (result i32) (drop (call $down (i32.const 0))) (i32.const 512))"#;
    let bytes = wat::parse_str(crate::guests::component(1, body)).unwrap();
    assert_eq!(plugin(&bytes, limits()).decide(call(2), facts()).await.unwrap_err().reason, Reason::Trap);
    assert_eq!(decide(ALLOW).await, Ok(Verdict::Allow), "the twin");
}

#[tokio::test]
async fn the_verdict_is_what_the_program_says() {
    assert_eq!(decide(ALLOW).await, Ok(Verdict::Allow));
    let said = |verdict: u32| format!("(call $text (i32.const {verdict}) (i32.const 1024) (i32.const 8))");
    assert_eq!(decide(&said(1)).await, Ok(Verdict::Deny("a reason".to_owned())));
    assert_eq!(decide(&said(2)).await, Ok(Verdict::StepUp("a reason".to_owned())));
    assert_eq!(decide("(call $text (i32.const 3) (i32.const 60) (i32.const 0))").await, Ok(Verdict::Shorten(60)));
}

/// P-08: a program that fails on every second instant serves exactly the others.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_call_leaves_the_next_one_alone() {
    let limits = Limits { instances: 4, waiting: 200, time: Duration::from_secs(20), ..Limits::default() };
    let plugin =
        plugin(&deciding(&format!("(if (i32.wrap_i64 (i64.and (call $now) (i64.const 1))) (then (unreachable))) {ALLOW}")), limits);
    let calls: Vec<_> = (0..128_u64)
        .map(|at| {
            let plugin = plugin.clone();
            tokio::spawn(async move { (at, plugin.decide(call(at), facts()).await) })
        })
        .collect();
    for asked in calls {
        let (at, verdict) = asked.await.unwrap();
        match at % 2 {
            0 => assert_eq!(verdict, Ok(Verdict::Allow), "{at}"),
            _ => assert_eq!(verdict.unwrap_err().reason, Reason::Trap, "{at}"),
        }
    }
    let counts = plugin.counts();
    assert_eq!((counts.calls, counts.failures), (128, 64));
}

/// P-08: after a call without end, one without memory and a trap, the same plug-in answers. There is one turn: each gave it back.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_ended_a_call_the_next_one_of_the_same_plug_in_is_fine() {
    let at = |moment: u32, body: &str| format!("(if (i32.eq (local.get $i) (i32.const {moment})) (then {body}))");
    let body = format!(
        "(local.set $i (i32.wrap_i64 (call $now))) {} {} {} {ALLOW}",
        at(1, "(loop $again (br $again))"),
        at(3, "(if (i32.eq (memory.grow (i32.const 2000)) (i32.const -1)) (then (unreachable)))"),
        at(5, "(unreachable)"),
    );
    let alone = Limits { instances: 1, time: Duration::from_secs(1), ..Limits::default() };
    let plugin = plugin(&deciding(&body), alone);
    for (moment, why) in [(1, Reason::Time), (3, Reason::Memory), (5, Reason::Trap)] {
        assert_eq!(plugin.decide(call(moment), facts()).await.unwrap_err().reason, why, "{moment}");
        assert_eq!(plugin.decide(call(moment + 1), facts()).await, Ok(Verdict::Allow), "the twin: the call after {why:?}");
    }
    assert_eq!((plugin.counts().calls, plugin.counts().failures), (6, 3));
}

/// P-07: what one call wrote into its memory is nowhere in the next one's.
#[tokio::test]
async fn no_call_finds_anything_of_another() {
    // From 8192 on nothing is anybody's: a byte that is not zero is somebody else's.
    let body = format!(
        "(local.set $i (i32.const 8192))
         (loop $look
           (if (i64.ne (i64.load (local.get $i)) (i64.const 0)) (then (return (call $text (i32.const 1) (i32.const 1024) (i32.const 8)))))
           (local.set $i (i32.add (local.get $i) (i32.const 8)))
           (br_if $look (i32.lt_u (local.get $i) (i32.const 65528))))
         (memory.fill (i32.const 8192) (i32.const 0xaa) (i32.const 57344)) {ALLOW}"
    );
    let plugin = plugin(&deciding(&body), Limits { time: Duration::from_secs(20), ..Limits::default() });
    for _ in 0..10_000 {
        assert_eq!(plugin.decide(call(2), facts()).await, Ok(Verdict::Allow));
    }
    // The twin: the same program finds what is there.
    let found = body.replacen("(loop $look", "(memory.fill (i32.const 9000) (i32.const 1) (i32.const 8)) (loop $look", 1);
    assert_eq!(decide(&found).await, Ok(Verdict::Deny("a reason".to_owned())));
}

/// P-07: nor in its tables and globals.
#[tokio::test]
async fn no_call_finds_anything_in_tables_and_globals() {
    let deny = "(return (call $text (i32.const 1) (i32.const 1024) (i32.const 8)))";
    let leaving = |begins: u32| {
        let body = format!(
            r#"(global $canary (mut i64) (i64.const {begins})) (table $all 16 funcref) (elem declare func $own) (func $own)
              (func (export "decide") (param i32) (result i32) (local $i i32)
                (if (i64.ne (global.get $canary) (i64.const 0)) (then {deny}))
                (loop $look
                  (if (i32.eqz (ref.is_null (table.get $all (local.get $i)))) (then {deny}))
                  (table.set $all (local.get $i) (ref.func $own))
                  (local.set $i (i32.add (local.get $i) (i32.const 1)))
                  (br_if $look (i32.lt_u (local.get $i) (i32.const 16))))
                (global.set $canary (i64.const -1)) {ALLOW})"#
        );
        plugin(&wat::parse_str(crate::guests::component(1, &body)).unwrap(), Limits { time: Duration::from_secs(20), ..Limits::default() })
    };
    let plugin = leaving(0);
    for _ in 0..10_000 {
        assert_eq!(plugin.decide(call(2), facts()).await, Ok(Verdict::Allow));
    }
    assert_eq!(leaving(1).decide(call(2), facts()).await, Ok(Verdict::Deny("a reason".to_owned())), "the twin finds what is there");
}

/// The most that this process ever had in memory, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// P-06: whatever length a program names, the host makes no room for it. Measured in a process of its own, where nothing else grows.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_length_that_a_program_names_costs_no_memory() {
    const ALONE: &str = "SYMBOLON_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let name = "hostile::a_length_that_a_program_names_costs_no_memory";
        let alone = std::process::Command::new(std::env::current_exe().unwrap()).args(["--exact", name]).env(ALONE, "1").output().unwrap();
        assert!(alone.status.success(), "{}", String::from_utf8_lossy(&alone.stdout));
        return;
    }
    let large = Limits { memory: 512 << 20, ..limits() };
    let grow = "(drop (memory.grow (i32.const 6400)))";
    let named = |length: u32| format!("{grow} (return (call $text (i32.const 1) (i32.const 4096) (i32.const {length})))");
    let guests = [
        // Ten million headers, 300 MB of reason, a GiB behind the end of the memory, two thousand million random bytes.
        (format!("{grow} {}", sending(10_000_000)), Reason::Limit),
        (named(300_000_000), Reason::Limit),
        (named(1 << 30), Reason::Answer),
        ("(call $random (i32.const 2000000000) (i32.const 2048))".to_owned(), Reason::Limit),
    ];
    let made = guests.map(|(body, why)| (plugin(&deciding(&format!("{body} {ALLOW}")), large), why, body));
    let twin = plugin(&deciding(&format!("{grow} {} {ALLOW}", sending(0))), large);
    assert_eq!(twin.decide(call(2), facts()).await, Ok(Verdict::Allow), "the twin");
    let before = peak_kib();
    for (plugin, why, body) in made {
        assert_eq!(plugin.decide(call(2), facts()).await.unwrap_err().reason, why, "{body}");
        let grown = peak_kib().saturating_sub(before);
        assert!(grown < 32 << 10, "{grown} KiB for {body}");
    }
}

/// Each instance draws anew: what a toolchain kept when it built the file is not what the program gets.
#[tokio::test]
async fn a_thousand_instances_have_a_thousand_secrets() {
    // Sixteen letters, from as many random bytes.
    let body = "(call $random (i32.const 16) (i32.const 2048))
        (loop $again
          (i32.store8 (i32.add (i32.const 2100) (local.get $i))
            (i32.add (i32.const 97) (i32.and (i32.const 15) (i32.load8_u (i32.add (i32.load (i32.const 2048)) (local.get $i))))))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $again (i32.lt_u (local.get $i) (i32.const 16))))
        (call $text (i32.const 1) (i32.const 2100) (i32.const 16))";
    let plugin = plugin(&deciding(body), limits());
    let mut secrets = BTreeSet::new();
    for _ in 0..1000 {
        match plugin.decide(call(2), facts()).await {
            Ok(Verdict::Deny(secret)) => secrets.insert(secret),
            other => unreachable!("{other:?}"),
        };
    }
    assert_eq!(secrets.len(), 1000);
}

/// The deadline counts what the program waits for.
#[tokio::test(flavor = "multi_thread")]
async fn time_runs_while_the_host_waits_for_others() {
    let slow = |wait| Arc::new(TestHost { slow: Some(wait), ..TestHost::default() });
    let made = compiled(&deciding(&format!("{SEND} {SEND} {ALLOW}")));
    let host = slow(Duration::from_secs(60));
    let plugin = Plugin::new(&made, Arc::clone(&host) as _, limits()).unwrap();
    let began = Instant::now();
    assert_eq!(plugin.decide(call(2), facts()).await.unwrap_err().reason, Reason::Time);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(host.sent.load(Ordering::Relaxed), 1, "no time was left for the second one");
    let quick = Plugin::new(&made, slow(Duration::from_millis(1)), limits()).unwrap();
    assert_eq!(quick.decide(call(2), facts()).await, Ok(Verdict::Allow), "the twin");
}

/// P-03: who is too many waits in order, up to a limit; then it is told so. Another plug-in keeps its own turns.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_turned_away_and_keeps_no_other_waiting() {
    let host = Arc::new(TestHost { slow: Some(Duration::from_millis(100)), ..TestHost::default() });
    let few = Limits { instances: 2, waiting: 8, time: Duration::from_secs(10), ..Limits::default() };
    let flooded = Plugin::new(&compiled(&deciding(&format!("{SEND} {ALLOW}"))), host, few).unwrap();
    let other = plugin(&deciding(ALLOW), few);
    let calls: Vec<_> = (0..60)
        .map(|_| {
            let flooded = flooded.clone();
            tokio::spawn(async move { flooded.decide(call(2), facts()).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let began = Instant::now();
    assert_eq!(other.decide(call(2), facts()).await, Ok(Verdict::Allow));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let (mut served, mut busy) = (0, 0);
    for asked in calls {
        match asked.await.unwrap() {
            Ok(Verdict::Allow) => served += 1,
            Err(failure) if failure.reason == Reason::Busy => busy += 1,
            other => unreachable!("{other:?}"),
        }
    }
    assert_eq!(served + busy, 60);
    assert!((10..60).contains(&served) && busy > 0, "{served} served, {busy} busy");
    assert_eq!(flooded.decide(call(2), facts()).await, Ok(Verdict::Allow), "the twin: alone");
}

/// P-02: a program that has no memory left gets by, if it can do without.
#[tokio::test]
async fn memory_that_is_refused_may_be_done_without() {
    let verdict = decide(&format!("(drop (memory.grow (i32.const 60000))) {ALLOW}")).await;
    assert_eq!(verdict, Ok(Verdict::Allow));
    let failure = decide("(drop (memory.grow (i32.const 60000))) (unreachable)").await.unwrap_err();
    assert_eq!(failure.reason, Reason::Memory);
    assert!(failure.detail.contains("the limit is 64 MiB"), "{failure}");
}

/// P-06: a table has as many elements as it may, and a program that gets no more ends for that reason.
#[tokio::test]
async fn a_table_grows_no_further_than_it_may() {
    let growing = |elements: u32| {
        let body = format!(
            r#"(table $all 1 funcref) (func (export "decide") (param i32) (result i32)
                (if (i32.eq (table.grow $all (ref.null func) (i32.const {elements})) (i32.const -1)) (then (unreachable))) {ALLOW})"#
        );
        plugin(&wat::parse_str(crate::guests::component(1, &body)).unwrap(), limits())
    };
    let failure = growing(200_000).decide(call(2), facts()).await.unwrap_err();
    assert_eq!(failure.reason, Reason::Memory, "{failure}");
    assert!(failure.detail.contains("a table of 200001 elements, the limit is 100000"), "{failure}");
    assert_eq!(growing(50_000).decide(call(2), facts()).await, Ok(Verdict::Allow), "the twin");
}

/// P-06: a million handles of something that the host keeps.
#[tokio::test]
async fn handles_are_calls_of_the_host_and_counted() {
    let import = r#"(import "wasi:cli/stdout@0.2.3" (instance $w
        (export "output-stream" (type $o (sub resource))) (export "get-stdout" (func (result (own $o))))))
        (core func $open (canon lower (func $w "get-stdout")))"#;
    let opening = |count: u32| {
        let body = format!(
            r#"(func (export "decide") (param i32) (result i32) (local $i i32)
                (loop $again (drop (call $open)) (local.set $i (i32.add (local.get $i) (i32.const 1)))
                  (br_if $again (i32.lt_u (local.get $i) (i32.const {count})))) {ALLOW})"#
        );
        let text = crate::guests::component(1, &body);
        let text = text.replacen("(alias export $d \"facts\"", &format!("{import} (alias export $d \"facts\""), 1);
        let text = text.replacen("(import \"libc\"", "(import \"wasi\" \"open\" (func $open (result i32))) (import \"libc\"", 1);
        let text = text.replacen("(with \"libc\"", "(with \"wasi\" (instance (export \"open\" (func $open)))) (with \"libc\"", 1);
        plugin(&wat::parse_str(text).unwrap(), Limits { time: Duration::from_secs(20), ..Limits::default() })
    };
    let failure = opening(1_000_000).decide(call(2), facts()).await.unwrap_err();
    assert_eq!(failure.reason, Reason::Limit, "{failure}");
    assert_eq!(opening(1000).decide(call(2), facts()).await, Ok(Verdict::Allow), "the twin");
}

/// A host that panics where it should send.
struct Panicking;

impl Host for Panicking {
    fn log(&self, _call_id: &str, _severity: Severity, _message: &str) {}

    fn random(&self, _bytes: &mut [u8]) -> Result<(), String> {
        Ok(())
    }

    fn config(&self, _name: &str) -> Option<String> {
        None
    }

    fn send(&self, _request: HttpRequest, _within: Duration) -> Result<HttpResponse, SendError> {
        panic!("a fault of ours")
    }
}

/// P-07: a panic in a call ends that call alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_of_the_host_ends_the_call_alone() {
    let body = format!("(if (i32.wrap_i64 (i64.and (call $now) (i64.const 1))) (then {SEND})) {ALLOW}");
    let few = Limits { instances: 1, time: Duration::from_secs(20), ..Limits::default() };
    let plugin = Plugin::new(&compiled(&deciding(&body)), Arc::new(Panicking), few).unwrap();
    for _ in 0..3 {
        assert_eq!(plugin.decide(call(1), facts()).await.unwrap_err().reason, Reason::Fault);
        assert_eq!(plugin.decide(call(2), facts()).await, Ok(Verdict::Allow), "the twin: its turn was given back");
    }
}
