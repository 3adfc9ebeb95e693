//! The examples, as they are delivered. The one in Rust is there in built form. Those in JavaScript and Python are built by
//! `plugin/examples/build`, whose directory `SYMBOLON_PLUGIN_EXAMPLES` names.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use crate::guests::{call, facts, runtime};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};
use symbolon_plugin::decisions::{Facts, Moment, Verdict as Decision};
use symbolon_plugin::login::{AnswerField, Checked, Claim, Context, Effect, Person, Verdict};
use symbolon_plugin::{Compiled, Given, Host, HttpRequest, HttpResponse, Limits, Plugin, Reason, SendError, Severity, World, tokens};

/// A service that gives one answer, and keeps what it was asked.
struct Service {
    config: BTreeMap<&'static str, &'static str>,
    answer: Mutex<(u16, String)>,
    asked: Mutex<Vec<HttpRequest>>,
}

impl Service {
    fn new(more: &[(&'static str, &'static str)]) -> Arc<Self> {
        let config = [("service", "https://service.example")].into_iter().chain(more.iter().copied()).collect();
        Arc::new(Self { config, answer: Mutex::new((200, "{}".to_owned())), asked: Mutex::default() })
    }

    fn answers(&self, status: u16, body: &str) {
        *self.answer.lock().unwrap() = (status, body.to_owned());
    }

    fn asked(&self) -> Vec<HttpRequest> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

impl Host for Service {
    fn log(&self, _call_id: &str, _severity: Severity, _message: &str) {}

    fn random(&self, bytes: &mut [u8]) -> Result<(), String> {
        aws_lc_rs::rand::fill(bytes).map_err(|_| "no randomness".to_owned())
    }

    fn config(&self, name: &str) -> Option<String> {
        self.config.get(name).map(|value| (*value).to_owned())
    }

    fn send(&self, request: HttpRequest, _within: Duration) -> Result<HttpResponse, SendError> {
        self.asked.lock().unwrap().push(request);
        let (status, body) = self.answer.lock().unwrap().clone();
        match status {
            0 => Err(SendError::Unreachable("nobody is there".to_owned())),
            _ => Ok(HttpResponse { status, headers: Vec::new(), body: body.into_bytes() }),
        }
    }
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

fn loaded(file: &Path, world: World, host: &Arc<Service>) -> Plugin {
    let compiled = Compiled::new(&runtime(), &std::fs::read(file).unwrap(), world).unwrap();
    // P-02: the memory that is there by default is enough for every language.
    let limits = Limits { time: Duration::from_secs(20), ..Limits::default() };
    Plugin::new(&compiled, Arc::clone(host) as _, limits).unwrap()
}

/// A file that `plugin/examples/build` made. None: nobody asked for these tests.
fn built(name: &str) -> Option<PathBuf> {
    let directory = std::env::var_os("SYMBOLON_PLUGIN_EXAMPLES")?;
    Some(Path::new(&directory).join(name))
}

fn branch_visit() -> PathBuf {
    examples().join("branch-visit/branch-visit.wasm")
}

fn context(locale: &str) -> Context {
    Context { locale: locale.to_owned(), address: Some("192.0.2.1".to_owned()), return_url: None }
}

fn person(customer: Option<&str>) -> Person {
    let claim = |id: &str| Claim { name: "customer_id".to_owned(), value: format!("\"{id}\"") };
    Person { name: Some("alice".to_owned()), is_proved: false, external_id: None, claims: customer.map(claim).into_iter().collect() }
}

async fn typed(plugin: &Plugin, customer: Option<&str>, number: &str) -> Result<Checked, symbolon_plugin::Failure> {
    let answer = vec![AnswerField { name: "visit_number".to_owned(), value: number.to_owned() }];
    plugin.check(call(5), Given { context: context("en"), person: person(customer), state: String::new(), answer }).await
}

/// What `branch-visit.wasm` was built of.
const SOURCES: [&str; 4] = ["branch-visit/Cargo.toml", "branch-visit/Cargo.lock", "branch-visit/src/lib.rs", "../wit/symbolon.wit"];

fn sha256(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref())
}

/// `built.txt` is written when the file is built. Whoever changes a source and not the file is told so here.
#[test]
fn the_built_file_is_of_the_sources_beside_it() {
    let of = |name: &str| sha256(&std::fs::read(examples().join(name)).unwrap());
    let mut now: Vec<String> = SOURCES.iter().map(|name| format!("{}  {name}", of(name))).collect();
    now.push(format!("{}  branch-visit/branch-visit.wasm", of("branch-visit/branch-visit.wasm")));
    let built = std::fs::read_to_string(examples().join("branch-visit/built.txt")).unwrap();
    let how = "build it anew: plugin/examples/build DIRECTORY, then copy branch-visit.wasm and built.txt from there";
    assert_eq!(built.lines().collect::<Vec<_>>(), now, "{how}");
}

/// Whoever copies the configuration of the page has the digest of this file.
#[test]
fn the_page_has_the_digest_of_the_built_file() {
    let page = std::fs::read_to_string(examples().join("../../docs/plugins.md")).unwrap();
    let digest = sha256(&std::fs::read(examples().join("branch-visit/branch-visit.wasm")).unwrap());
    assert_eq!(page.matches(&digest).count(), 2, "docs/plugins.md: {digest}");
}

/// Where the examples were built on this machine, the Rust one does what the one beside its source does.
#[tokio::test]
async fn what_is_built_here_does_the_same() {
    let Some(file) = built("branch-visit.wasm") else {
        println!("skipped: SYMBOLON_PLUGIN_EXAMPLES names no directory");
        return;
    };
    let (here, beside) = (Service::new(&[]), Service::new(&[]));
    let plugins = [loaded(&file, World::Method, &here), loaded(&branch_visit(), World::Method, &beside)];
    let mut said = Vec::new();
    for plugin in &plugins {
        let asked = plugin.ask(call(5), context("de"), person(Some("c-1"))).await.unwrap();
        let checked = typed(plugin, Some("c-1"), "1234 5678").await.unwrap();
        said.push(format!("{asked:?} {checked:?}"));
    }
    assert_eq!(said[0], said[1]);
    assert_eq!(here.asked(), beside.asked());
}

#[tokio::test]
async fn a_branch_visit_is_asked_for_in_the_person_s_language() {
    let plugin = loaded(&branch_visit(), World::Method, &Service::new(&[]));
    let english = plugin.ask(call(5), context("en"), person(Some("c-1"))).await.unwrap();
    let german = plugin.ask(call(5), context("de"), person(Some("c-1"))).await.unwrap();
    assert_eq!((english.step.title.as_str(), german.step.title.as_str()), ("Number from the branch", "Nummer aus der Filiale"));
    assert_eq!(english.step.fields[0].name, "visit_number");
}

#[tokio::test]
async fn a_branch_visit_is_proved_by_the_bank_s_word() {
    let service = Service::new(&[]);
    let plugin = loaded(&branch_visit(), World::Method, &service);
    let right = typed(&plugin, Some("c-1"), "1234 5678").await.unwrap();
    assert_eq!(right.verdict, Verdict::Proved);
    assert_eq!(right.effects[0], Effect::Once("12345678".to_owned()));
    let asked = service.asked();
    assert_eq!((asked[0].method.as_str(), asked[0].url.as_str()), ("POST", "https://service.example/visits/redeem"));
    assert_eq!(asked[0].body, br#"{"customer":"c-1","number":"12345678"}"#);
    assert!(asked[0].headers.contains(&("idempotency-key".to_owned(), "c1".to_owned())));
    for status in [404, 410] {
        service.answers(status, "");
        let wrong = typed(&plugin, Some("c-1"), "12345678").await.unwrap();
        assert!(matches!(wrong.verdict, Verdict::Wrong(problem) if problem.field.as_deref() == Some("visit_number")), "{status}");
        assert!(wrong.effects.is_empty());
    }
    // A service that is away says nothing about the number.
    for status in [500, 401, 0] {
        service.answers(status, "");
        assert_eq!(typed(&plugin, Some("c-1"), "12345678").await.unwrap_err().reason, Reason::Refused, "{status}");
    }
    // Nobody's name takes the same way; what is no number goes nowhere.
    service.asked();
    service.answers(404, "");
    typed(&plugin, None, "12345678").await.unwrap();
    assert_eq!(service.asked()[0].body, br#"{"customer":null,"number":"12345678"}"#);
    for odd in ["", "1234567", "123456789", "abcdefgh", "١٢٣٤٥٦٧٨"] {
        assert!(matches!(typed(&plugin, Some("c-1"), odd).await.unwrap().verdict, Verdict::Wrong(_)), "{odd}");
    }
    assert!(service.asked().is_empty());
}

pub fn token(claims: &[(&str, &str)]) -> tokens::Facts {
    let claim = |(name, value): &(&str, &str)| Claim { name: (*name).to_owned(), value: (*value).to_owned() };
    tokens::Facts {
        api: "orders".to_owned(),
        audience: "https://api.example.com/orders".to_owned(),
        client: "shop".to_owned(),
        sub: "a b/c".to_owned(),
        scopes: vec!["orders:read".to_owned()],
        tier: None,
        claims: claims.iter().map(claim).collect(),
    }
}

/// JavaScript. P-16, P-17: what a script throws is said, and odd text passes as it is.
#[tokio::test]
async fn entitlements_become_claims() {
    let Some(file) = built("entitlements.wasm") else { return };
    let service = Service::new(&[]);
    let plugin = loaded(&file, World::Claims, &service);
    service.answers(200, r#"{"plan":"Żółć 👩‍👩‍👧","regions":["eu",9007199254740993],"debt":true}"#);
    let found = plugin.claims(call(5), token(&[("credit_limit", "100")])).await.unwrap();
    let found: BTreeMap<_, _> = found.iter().map(|claim| (claim.name.as_str(), claim.value.as_str())).collect();
    assert_eq!((found["plan"], found["credit_limit"]), ("\"Żółć 👩‍👩‍👧\"", "null"));
    assert_eq!(service.asked()[0].url, "https://service.example/entitlements/a%20b%2Fc");
    service.answers(404, "");
    assert_eq!(plugin.claims(call(5), token(&[])).await.unwrap()[0].value, "\"none\"");
    // What the script throws is in the failure.
    service.answers(500, "");
    let failure = plugin.claims(call(5), token(&[])).await.unwrap_err();
    assert_eq!(failure.reason, Reason::Refused);
    assert!(failure.detail.contains("the service answered 500"), "{failure}");
    service.answers(200, "no JSON");
    assert!(plugin.claims(call(5), token(&[])).await.is_err());
}

/// Python. P-16: an exception is said, with its name.
#[tokio::test]
async fn impossible_travel_is_denied() {
    let Some(file) = built("impossible-travel.wasm") else { return };
    let service = Service::new(&[("most_kmh", "900")]);
    let plugin = loaded(&file, World::Decision, &service);
    let at = |moment| Facts { moment, ..facts() };
    service.answers(204, "");
    assert_eq!(plugin.decide(call(5), at(Moment::SignIn)).await.unwrap(), Decision::Allow);
    assert_eq!(service.asked()[0].body, br#"{"sub": "alice", "address": "192.0.2.1", "at": 5}"#);
    service.answers(200, r#"{"km": 800.0, "hours": 1.0}"#);
    assert_eq!(plugin.decide(call(5), at(Moment::SignIn)).await.unwrap(), Decision::Allow);
    service.answers(200, r#"{"km": 9000.0, "hours": 1.5}"#);
    assert_eq!(plugin.decide(call(5), at(Moment::SignIn)).await.unwrap(), Decision::Deny("9000 km in 1.5 hours".to_owned()));
    assert_eq!(plugin.decide(call(5), at(Moment::Refresh)).await.unwrap(), Decision::StepUp("9000 km in 1.5 hours".to_owned()));
    assert_eq!(plugin.decide(call(5), Facts { address: None, ..facts() }).await.unwrap(), Decision::Allow);
    service.answers(500, "");
    let failure = plugin.decide(call(5), facts()).await.unwrap_err();
    assert!(failure.detail.contains("the service answered 500"), "{failure}");
    // An exception that nobody catches is in the failure, with its line.
    service.answers(200, "no JSON");
    let failure = plugin.decide(call(5), facts()).await.unwrap_err();
    assert_eq!(failure.reason, Reason::Trap, "{failure}");
    assert!(failure.detail.contains("JSONDecodeError"), "{failure}");
}

/// The guests of the tests, in JavaScript and Python. The second takes long to compile.
static GUESTS: LazyLock<Option<(Plugin, Plugin)>> = LazyLock::new(|| {
    let (script, snake, host) = (built("guest-javascript.wasm")?, built("guest-python.wasm")?, Service::new(&[]));
    Some((loaded(&script, World::Claims, &host), loaded(&snake, World::Decision, &host)))
});

/// What the guest of the tests in JavaScript says to this.
async fn javascript(plugin: &Plugin, client: &str, sub: &str, now_ms: u64) -> Result<String, symbolon_plugin::Failure> {
    let facts = tokens::Facts { client: client.to_owned(), sub: sub.to_owned(), ..token(&[]) };
    Ok(plugin.claims(call(now_ms), facts).await?.remove(0).value)
}

/// And the one in Python.
async fn python(plugin: &Plugin, client: &str, sub: &str, now_ms: u64) -> Result<String, symbolon_plugin::Failure> {
    let facts = Facts { client: client.to_owned(), sub: sub.to_owned(), auth_time: now_ms, ..facts() };
    match plugin.decide(call(now_ms), facts).await? {
        Decision::Deny(said) => Ok(said),
        other => panic!("{other:?}"),
    }
}

/// Every instance begins as the toolchain has left it. What the host gives is new in each; a language's own numbers may not be.
#[tokio::test]
async fn a_thousand_instances_of_each_language_have_a_thousand_secrets() {
    let Some((script, snake)) = &*GUESTS else { return };
    let mut seen: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for _ in 0..1000 {
        let secret = javascript(script, "secret", "", 5).await.unwrap();
        assert_eq!(secret.len(), 34, "{secret}");
        seen.entry("javascript").or_default().insert(secret);
        for client in ["secret", "own"] {
            let secret = python(snake, client, "", 5).await.unwrap();
            assert_eq!(secret.len(), 32, "{secret}");
            seen.entry(client).or_default().insert(secret);
        }
    }
    for (whose, secrets) in seen {
        assert_eq!(secrets.len(), 1000, "{whose}");
    }
    // What docs/plugins.md warns of: numbers for games begin alike in each instance.
    let mut games = [BTreeSet::new(), BTreeSet::new()];
    for _ in 0..20 {
        games[0].insert(javascript(script, "game", "", 5).await.unwrap());
        games[1].insert(python(snake, "game", "", 5).await.unwrap());
    }
    println!("twenty instances: {} numbers of Math.random, {} of Python's random", games[0].len(), games[1].len());
}

/// P-17: odd text passes through both languages as it is. Python has large numbers too. JavaScript's tool rounds beyond 2^53, as
/// docs/plugins.md says.
#[tokio::test]
async fn odd_values_pass_through_every_language() {
    let Some((script, snake)) = &*GUESTS else { return };
    for text in ["Żółć 👩‍👩‍👧", "\u{10ffff}", "\u{202e}x", " "] {
        assert_eq!(javascript(script, "echo", text, 5).await.unwrap(), format!("\"{text}\""));
        assert_eq!(python(snake, "echo", text, 5).await.unwrap(), text);
    }
    let odd = (1 << 53) + 1;
    assert_eq!(javascript(script, "now", "", odd).await.unwrap(), "\"9007199254740992\"");
    for client in ["now", "auth-time"] {
        assert_eq!(python(snake, client, "", odd).await.unwrap(), "9007199254740993", "{client}");
    }
}

/// P-17: half of a pair of surrogates is no text, and ends the call every time. So does a field that is missing. The next call works.
#[tokio::test]
async fn what_is_no_text_ends_the_call_every_time() {
    let Some((script, snake)) = &*GUESTS else { return };
    for client in ["surrogate", "missing", "surrogate"] {
        assert_eq!(javascript(script, client, "", 5).await.unwrap_err().reason, Reason::Trap, "{client}");
        assert!(python(snake, client, "", 5).await.is_err(), "{client}");
        assert_eq!(javascript(script, "echo", "x", 5).await.unwrap(), "\"x\"", "the twin");
        assert_eq!(python(snake, "echo", "x", 5).await.unwrap(), "x", "the twin");
    }
}

/// P-16: an error that nobody catches is said with its message.
#[tokio::test]
async fn what_a_script_throws_is_said() {
    let Some((script, snake)) = &*GUESTS else { return };
    let failure = javascript(script, "throw", "", 5).await.unwrap_err();
    assert!(failure.detail.contains("what went wrong in JavaScript"), "{failure}");
    let failure = python(snake, "raise", "", 5).await.unwrap_err();
    assert!(failure.detail.contains("what went wrong in Python"), "{failure}");
}

/// What a warm call costs: a fresh instance, its one question, its end.
#[tokio::test]
#[ignore = "a measurement"]
async fn measure_a_call() {
    let files = [
        (Some(branch_visit()), World::Method),
        (built("entitlements.wasm"), World::Claims),
        (built("impossible-travel.wasm"), World::Decision),
    ];
    for (file, world) in files {
        let Some(file) = file else { continue };
        let service = Service::new(&[]);
        service.answers(404, "");
        let began = Instant::now();
        let plugin = loaded(&file, world, &service);
        let (compiled, mut times) = (began.elapsed(), Vec::new());
        for _ in 0..500 {
            let began = Instant::now();
            match world {
                World::Method => drop(plugin.ask(call(5), context("en"), person(Some("c-1"))).await.unwrap()),
                World::Claims => drop(plugin.claims(call(5), token(&[])).await.unwrap()),
                World::Evidence => {}
                World::Decision => drop(plugin.decide(call(5), Facts { address: None, ..facts() }).await.unwrap()),
            }
            times.push(began.elapsed());
        }
        times.sort();
        println!("{}: loaded in {compiled:?}, a call {:?} (p50), {:?} (p99)", file.display(), times[250], times[495]);
    }
}
