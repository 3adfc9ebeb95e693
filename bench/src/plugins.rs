//! What a call of a plug-in costs, beside what built-in methods do in its place. All in this process: the load of a server would hide it.

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use symbolon_plugin::login::{AnswerField, Claim, Context, Person};
use symbolon_plugin::{Call, Compiled, Given, Host, HttpRequest, HttpResponse, Limits, Plugin, Runtime, SendError, Severity, World};

#[derive(clap::Args)]
pub struct Options {
    /// A component of the world `method`, in Rust.
    #[arg(long, default_value = "plugin/examples/branch-visit/branch-visit.wasm")]
    file: PathBuf,
    /// How often each is done.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    times: u32,
}

/// A host whose service answers at once: the program's own time is measured, and not another's.
struct Answering;

impl Host for Answering {
    fn log(&self, _call_id: &str, _severity: Severity, _message: &str) {}

    fn random(&self, bytes: &mut [u8]) -> Result<(), String> {
        aws_lc_rs::rand::fill(bytes).map_err(|_| "no randomness".to_owned())
    }

    fn config(&self, name: &str) -> Option<String> {
        (name == "service").then(|| "https://service.example".to_owned())
    }

    fn send(&self, _request: HttpRequest, _within: Duration) -> Result<HttpResponse, SendError> {
        Ok(HttpResponse { status: 404, headers: Vec::new(), body: Vec::new() })
    }
}

fn call() -> Call {
    Call { id: "bench".to_owned(), now_ms: 1_800_000_000_000 }
}

fn context() -> Context {
    Context { locale: "en".to_owned(), address: Some("192.0.2.1".to_owned()), return_url: None }
}

fn person() -> Person {
    let claims = vec![Claim { name: "customer_id".to_owned(), value: "\"c-1\"".to_owned() }];
    Person { name: Some("alice".to_owned()), is_proved: false, external_id: None, claims }
}

/// One row: the name, and how long each time took, sorted.
struct Taken(String, Vec<Duration>);

impl Taken {
    fn of(name: &str, mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(name.to_owned(), times)
    }

    fn row(&self) -> String {
        let at = |part: usize| self.1.get(self.1.len() * part / 100).map_or(0.0, |it| it.as_secs_f64() * 1e6);
        format!("| {} | {:.0} µs | {:.0} µs |", self.0, at(50), at(99))
    }
}

fn repeat(name: &str, times: u32, mut once: impl FnMut() -> Result<(), String>) -> Result<Taken, String> {
    let mut taken = Vec::new();
    for _ in 0..times {
        let began = Instant::now();
        once()?;
        taken.push(began.elapsed());
    }
    Ok(Taken::of(name, taken))
}

/// Prints the table of docs/performance.md.
pub async fn run(options: &Options) -> Result<(), String> {
    let bytes = std::fs::read(&options.file).map_err(|it| format!("{}: {it}", options.file.display()))?;
    let runtime = Runtime::new().map_err(|it| it.0)?;
    let compiled = Compiled::new(&runtime, &bytes, World::Method).map_err(|it| it.0)?;
    let plugin = Plugin::new(&compiled, Arc::new(Answering), Limits::default()).map_err(|it| it.0)?;
    let (mut asked, mut judged) = (Vec::new(), Vec::new());
    for _ in 0..options.times {
        let began = Instant::now();
        plugin.ask(call(), context(), person()).await.map_err(|it| it.to_string())?;
        asked.push(began.elapsed());
        let answer = vec![AnswerField { name: "visit_number".to_owned(), value: "12345678".to_owned() }];
        let given = Given { context: context(), person: person(), state: String::new(), answer };
        let began = Instant::now();
        plugin.check(call(), given).await.map_err(|it| it.to_string())?;
        judged.push(began.elapsed());
    }
    let rows = [
        Taken::of("plug-in in Rust: its question", asked),
        Taken::of("plug-in in Rust: an answer, with one HTTP request", judged),
        signature(options.times)?,
        password(options.times / 20)?,
    ];
    println!("| what | p50 | p99 |\n|---|---:|---:|");
    rows.iter().for_each(|taken| println!("{}", taken.row()));
    Ok(())
}

/// What a passkey's answer costs at the least.
fn signature(times: u32) -> Result<Taken, String> {
    let failed = |_| "ECDSA failed".to_owned();
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
    let signed = pair.sign(&SystemRandom::new(), b"a ceremony").map_err(failed)?;
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref());
    repeat("built in: a passkey's signature (ES256)", times, || public.verify(b"a ceremony", signed.as_ref()).map_err(failed))
}

/// With the parameters of the server.
fn password(times: u32) -> Result<Taken, String> {
    let argon2 = argon2::Argon2::default();
    let failed = |it: argon2::password_hash::Error| format!("argon2: {it}");
    let digest: argon2::password_hash::phc::PasswordHash =
        argon2.hash_password_with_salt(b"open sesame, please", &[7; 16]).map_err(failed)?;
    repeat("built in: a password (argon2id)", times, || argon2.verify_password(b"open sesame, please", &digest).map_err(failed))
}
