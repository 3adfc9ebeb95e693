//! Whatever bytes a program leaves where its answer should be: it is an answer within all limits, or a failure with its reason. Good answers
//! with a few bytes changed, and bytes of no kind, by the thousand, from a fixed seed. `SYMBOLON_FUZZ_SECONDS` goes on for so long.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::guests::{call, runtime};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use symbolon_plugin::login::{Again, AnswerField, Checked, Context, Effect, Person, Problem, Verdict};
use symbolon_plugin::{Compiled, Failure, Given, Host, HttpRequest, HttpResponse, Limits, Plugin, Reason, SendError, Severity, World};

const ROUNDS: u32 = 3000;
const LOGIN: &str = include_str!("../login.wat");
const LIBC: &str = include_str!("../libc.wat");

/// A method whose answer is what its host sends: the bytes from 512 on.
fn guest() -> Vec<u8> {
    let text = format!(
        r#"(component
{LOGIN}
  (import "symbolon:plugin/host@0.2.0" (instance $host
    (type $h (record (field "name" string) (field "value" string)))
    (export "header" (type $header (eq $h)))
    (type $q (record (field "method" string) (field "url" string) (field "headers" (list $header)) (field "body" (list u8))))
    (export "request" (type $request (eq $q)))
    (type $r (record (field "status" u16) (field "headers" (list $header)) (field "body" (list u8))))
    (export "response" (type $response (eq $r)))
    (type $e (variant (case "refused" string) (case "unreachable" string)))
    (export "send-error" (type $error (eq $e)))
    (export "send" (func (param "request" $request) (result (result $response (error $error)))))))
  (alias export $l "context" (type $context))
  (alias export $l "person" (type $person))
  (alias export $l "asked" (type $asked))
  (alias export $l "answer-field" (type $answer))
  (alias export $l "checked" (type $checked))
{LIBC}
  (core func $send (canon lower (func $host "send") (memory $memory) (realloc $realloc)))
  (core module $guest
    (import "libc" "memory" (memory $memory 2))
    (import "host" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (data (i32.const 4000) "GET")
    (data (i32.const 4010) "https://service.example/")
    (func $answer (param i32) (result i32)
      (call $send (i32.const 4000) (i32.const 3) (i32.const 4010) (i32.const 24) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 4096))
      (memory.copy (i32.const 512) (i32.load (i32.const 4112)) (i32.load (i32.const 4116)))
      (i32.const 512))
    (export "ask" (func $answer))
    (export "check" (func $answer)))
  (core instance $guest (instantiate $guest (with "libc" (instance $libc)) (with "host" (instance (export "send" (func $send))))))
  (type $ask-type (func (param "context" $context) (param "person" $person) (result (result $asked (error string)))))
  (type $check-type (func (param "context" $context) (param "person" $person) (param "state" string)
    (param "answer" (list $answer)) (result (result $checked (error string)))))
  (func $ask (type $ask-type) (canon lift (core func $guest "ask") (memory $memory) (realloc $realloc)))
  (func $check (type $check-type) (canon lift (core func $guest "check") (memory $memory) (realloc $realloc)))
  (export "ask" (func $ask))
  (export "check" (func $check)))"#
    );
    wat::parse_str(text).unwrap()
}

#[derive(Default)]
struct Feeding(Mutex<Vec<u8>>);

impl Host for Feeding {
    fn log(&self, _call_id: &str, _severity: Severity, _message: &str) {}

    fn random(&self, _bytes: &mut [u8]) -> Result<(), String> {
        Ok(())
    }

    fn config(&self, _name: &str) -> Option<String> {
        None
    }

    fn send(&self, _request: HttpRequest, _within: Duration) -> Result<HttpResponse, SendError> {
        Ok(HttpResponse { status: 200, headers: Vec::new(), body: self.0.lock().unwrap().clone() })
    }
}

/// xorshift64*: the same sequence on every machine.
struct Dice(u64);

impl Dice {
    fn next(&mut self, below: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        u32::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap() % below
    }
}

/// The bytes of an answer: it begins at 512, texts stand at 1024.
struct Block(Vec<u8>);

impl Block {
    fn new() -> Self {
        let mut bytes = vec![0; 1024];
        bytes[512..524].copy_from_slice(b"Say the word");
        Self(bytes)
    }

    fn word(mut self, at: usize, value: u32) -> Self {
        self.0[at - 512..at - 508].copy_from_slice(&value.to_le_bytes());
        self
    }

    fn text(self, at: usize, text: u32, length: u32) -> Self {
        self.word(at, text).word(at + 4, length)
    }

    /// One effect of this kind, with a text.
    fn effect(self, kind: u32) -> Self {
        self.text(580, 768, 1).word(768, kind).text(772, 1024, 12).text(780, 1028, 4)
    }
}

/// Good answers: each verdict, and each effect.
fn good() -> Vec<Vec<u8>> {
    let verdicts = [
        Block::new(),
        Block::new().word(516, 1).text(520, 1024, 3),
        Block::new().word(516, 2).text(520, 1024, 12),
        Block::new().word(516, 3).text(520, 1024, 12).text(528, 832, 1).text(832, 1024, 3).text(560, 1024, 12),
        Block::new().word(516, 4).text(520, 1024, 12).text(528, 1028, 4),
        Block::new().word(512, 1).text(516, 1024, 12),
    ];
    let effects = [1, 2, 4, 5].map(|kind| Block::new().effect(kind));
    // An audit note that says nothing beside its event.
    let note = Block::new().text(580, 768, 1).word(768, 0).text(772, 1032, 4).text(780, 1024, 0);
    verdicts.into_iter().chain(effects).chain([note]).map(|block| block.0).collect()
}

fn changed(dice: &mut Dice, good: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = good[dice.next(u32::try_from(good.len()).unwrap()) as usize].clone();
    let most = if dice.next(8) == 0 { 400 } else { 6 };
    for _ in 0..=dice.next(most) {
        // Mostly where the answer itself is; words that look like places in the memory lead furthest.
        let at = if dice.next(4) == 0 { dice.next(1020) } else { dice.next(96) } as usize;
        match dice.next(4) {
            0 => bytes[at] = u8::try_from(dice.next(256)).unwrap(),
            1 => bytes[at] ^= 1 << dice.next(8),
            2 => {
                let place = [0, 512, 768, 832, 1024, 1535, 65_535, 131_071, 0x7fff_ffff, u32::MAX][dice.next(10) as usize];
                bytes[at & !3..(at & !3) + 4].copy_from_slice(&place.to_le_bytes());
            }
            _ => {
                let length = dice.next(4000);
                bytes[at & !3..(at & !3) + 4].copy_from_slice(&length.to_le_bytes());
            }
        }
    }
    bytes
}

/// What is taken for an answer is within every limit.
fn is_within(checked: &Checked) -> bool {
    let is_text = |text: &str, most: usize| (1..=most).contains(&text.len()) && !text.contains('\0');
    let is_empty_or_text = |text: &str| text.is_empty() || is_text(text, 300);
    let is_effect = |effect: &Effect| match effect {
        Effect::Audit(note) => is_text(&note.event, 32) && is_empty_or_text(&note.detail),
        Effect::Once(text) | Effect::Link(text) | Effect::Remove(text) => is_text(text, 256),
        Effect::Letter(letter) => {
            let is_value = |value: &AnswerField| is_text(&value.name, 32) && is_empty_or_text(&value.value);
            is_text(&letter.template, 32) && letter.values.len() <= 8 && letter.values.iter().all(is_value)
        }
        Effect::Raise => true,
    };
    let is_problem = |problem: &Problem| {
        let is_plain = |name: &String| is_text(name, 32) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        is_text(&problem.text, 300) && problem.field.as_ref().is_none_or(is_plain)
    };
    let is_verdict = match &checked.verdict {
        Verdict::Proved => true,
        Verdict::ProvedExternal(id) => is_text(id, 256),
        Verdict::Wrong(problem) => is_problem(problem),
        Verdict::Again(again) => again.asked.step.fields.len() <= 8 && again.asked.state.len() <= 4096 && is_problem(&again.problem),
        Verdict::Leave(leave) => is_text(&leave.url, 4096) && leave.state.len() <= 4096,
    };
    is_verdict && checked.effects.len() <= 8 && checked.effects.iter().all(is_effect)
}

async fn judged(plugin: &Plugin, host: &Feeding, bytes: &[u8]) -> Result<Checked, Failure> {
    bytes.clone_into(&mut host.0.lock().unwrap());
    let context = Context { locale: "en".to_owned(), address: None, return_url: None };
    let person = Person { name: None, is_proved: true, external_id: None, claims: Vec::new() };
    plugin.check(call(5), Given { context, person, state: String::new(), answer: Vec::new() }).await
}

fn fed() -> (Plugin, Arc<Feeding>) {
    let host = Arc::new(Feeding::default());
    let compiled = Compiled::new(&runtime(), &guest(), World::Method).unwrap();
    let plugin = Plugin::new(&compiled, Arc::clone(&host) as _, Limits { time: Duration::from_secs(10), ..Limits::default() }).unwrap();
    (plugin, host)
}

/// P-17: the field that a problem is with becomes a name in pages and step documents. Where the question comes anew, it is one of that
/// question. P-16: the failure names the call.
#[tokio::test]
async fn a_problem_is_with_a_field_that_there_is() {
    let (plugin, host) = fed();
    let wrong = || Block::new().word(516, 2).text(520, 1024, 12);
    // One field, which is called "the".
    let again = || {
        let asked = Block::new().word(516, 3).text(520, 1024, 12).text(536, 864, 1);
        asked.text(864, 1028, 3).text(872, 1024, 3).word(884, 16).text(560, 1024, 12)
    };
    let (the, say, word) = ((1028, 3), (1024, 3), (1032, 4));
    let wrong_in = |(at, length): (u32, u32)| wrong().word(528, 1).text(532, at, length);
    let again_in = |(at, length): (u32, u32)| again().word(568, 1).text(572, at, length);
    for (block, field) in [(wrong(), None), (wrong_in(the), Some("the")), (again(), None), (again_in(the), Some("the"))] {
        let checked = judged(&plugin, &host, &block.0).await.unwrap();
        let problem = match &checked.verdict {
            Verdict::Wrong(problem) | Verdict::Again(Again { problem, .. }) => Some(problem),
            _ => None,
        };
        assert_eq!(problem.unwrap().field.as_deref(), field, "the twins");
    }
    let no_name = "the field of a problem has 1 to 32 lower-case letters";
    for (block, why) in
        [(wrong_in(say), no_name), (again_in(say), no_name), (again_in(word), "the field word, which the question does not")]
    {
        let failure = judged(&plugin, &host, &block.0).await.unwrap_err();
        assert_eq!((failure.reason, failure.call_id.as_str()), (Reason::Answer, "c1"), "{failure}");
        assert!(failure.detail.contains(why), "{failure}");
    }
}

/// P-06, P-08, P-17
#[tokio::test]
async fn whatever_a_program_leaves_is_an_answer_or_a_failure() {
    let (plugin, host) = fed();
    let good = good();
    let mut twins = BTreeMap::new();
    for bytes in &good {
        let answer = judged(&plugin, &host, bytes).await;
        *twins.entry(answer.as_ref().map_or_else(|failure| failure.reason.as_str(), |_| "an answer")).or_insert(0) += 1;
    }
    assert_eq!(twins, BTreeMap::from([("an answer", 10), ("refused", 1)]), "the twins");
    let (mut dice, mut counted, began) = (Dice(0x5eed), BTreeMap::new(), Instant::now());
    let most = std::env::var("SYMBOLON_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).map(Duration::from_secs);
    let mut round = 0_u32;
    while most.map_or(round < ROUNDS, |most| began.elapsed() < most) {
        let bytes = changed(&mut dice, &good);
        match judged(&plugin, &host, &bytes).await {
            Ok(checked) => {
                assert!(is_within(&checked), "round {round}: {checked:?}");
                *counted.entry("an answer").or_insert(0) += 1;
            }
            Err(failure) => {
                let is_known = matches!(failure.reason, Reason::Answer | Reason::Limit | Reason::Refused);
                assert!(is_known && failure.call_id == "c1", "round {round}: {failure} {:?}", &bytes[..96]);
                *counted.entry(failure.reason.as_str()).or_insert(0) += 1;
            }
        }
        round += 1;
        if round.is_multiple_of(500) {
            assert_eq!(judged(&plugin, &host, &good[0]).await.unwrap().verdict, Verdict::Proved, "round {round}: the next call is fine");
        }
    }
    println!("{round} answers in {:?}: {counted:?}", began.elapsed());
    assert!(counted.len() >= 3, "{counted:?}");
}
