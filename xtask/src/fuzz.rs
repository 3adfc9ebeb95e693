//! `cargo xtask fuzz [TARGET] [--seconds N]`: random input, by the million, for every parser of `attest/`, `passkey/` and `wallet/`. Without a target it runs all
//! of them, one after the other, a minute each.
//!
//! The targets are in `attest/fuzz/targets`. The stable compiler builds them: its LLVM can count the edges (`sancov-module`). libFuzzer
//! comes in source with the crate `libfuzzer-sys`, which needs a C++ compiler. It needs neither nightly nor cargo-fuzz.
//!
//! In the target directory, under `fuzz/`: `corpus/TARGET` has the inputs that reached something new. The next run continues with them.
//! `seeds/TARGET` has the first inputs, from the test vectors if they are there (`SYMBOLON_VECTORS`, or `../shared/vectors`).
//! `found/TARGET-*` has the inputs that broke a target. To repeat one:
//!
//! ```text
//! target/fuzz/<triple>/release/TARGET target/fuzz/found/TARGET-crash-...
//! ```
//!
//! What a plug-in answers is tried by the test `whatever_a_program_leaves_is_an_answer_or_a_failure` of `plugin/`; with
//! `SYMBOLON_FUZZ_SECONDS` in the environment it goes on for so long.
//!
//! It uses all of one core for the given time. Beside other work, start it with `nice -n 19`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// Each target with the largest useful input.
const TARGETS: [(&str, u32); 13] = [
    ("app_attestation", 16_384),
    ("app_assertion", 4_200),
    ("key_attestation", 32_768),
    ("play_token", 32_768),
    ("play_verdict", 16_384),
    ("status_list", 16_384),
    ("receipt", 16_384),
    ("passkey_registration", 16_384),
    ("passkey_assertion", 4_200),
    ("sd_jwt", 16_384),
    ("mdoc", 16_384),
    ("wallet_response", 8_192),
    ("credential_status", 8_192),
];

const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
                     -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";

/// The result of a run.
#[derive(Default)]
struct Outcome {
    executions: u64,
    /// The edges that the seeds reached, and those reached at the end.
    first: u64,
    last: u64,
}

pub fn fuzz() -> Result<String, String> {
    let mut words = std::env::args().skip(2);
    let (mut wanted, mut seconds) = (None, 60);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seconds" => seconds = words.next().and_then(|it| it.parse().ok()).ok_or("--seconds is followed by a number")?,
            name if wanted.is_none() && TARGETS.iter().any(|it| it.0 == name) => wanted = Some(word),
            other => return Err(format!("{other} is none of {}", TARGETS.map(|it| it.0).join(", "))),
        }
    }
    let directory = crate::target().join("fuzz");
    let triple = triple()?;
    build(&directory, &triple)?;
    let mut table = format!("{:<20} {:>12} {:>13} {:>11}", "TARGET", "EXECUTIONS", "EDGES BEFORE", "EDGES NOW");
    for (name, longest) in TARGETS.iter().filter(|it| wanted.as_deref().is_none_or(|wanted| wanted == it.0)) {
        println!("\n== {name}: {seconds} seconds");
        let outcome = run(name, *longest, seconds, &directory, &triple)?;
        table += &format!("\n{name:<20} {:>12} {:>13} {:>11}", outcome.executions, outcome.first, outcome.last);
    }
    Ok(format!("\n{table}"))
}

/// The target triple of this machine. With a triple, the flags apply to the targets and not to build scripts.
fn triple() -> Result<String, String> {
    let output = Command::new("rustc").arg("-vV").output().map_err(|it| format!("rustc: {it}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find_map(|it| it.strip_prefix("host: ")).map(str::to_owned).ok_or_else(|| "rustc does not say its host".to_owned())
}

fn build(directory: &Path, triple: &str) -> Result<(), String> {
    let words = ["build", "--release", "--locked", "--bins", "--manifest-path", "attest/fuzz/Cargo.toml", "--target", triple];
    let mut command = crate::cargo(&words);
    let flags = FLAGS.split_whitespace().collect::<Vec<_>>().join("\x1f");
    command.env("CARGO_TARGET_DIR", directory).env("CARGO_ENCODED_RUSTFLAGS", flags).stdin(Stdio::null());
    let status = command.status().map_err(|it| format!("the build: {it}"))?;
    if status.success() { Ok(()) } else { Err("the build failed".to_owned()) }
}

/// Runs one target and prints libFuzzer's output as it comes.
fn run(name: &str, longest: u32, seconds: u32, directory: &Path, triple: &str) -> Result<Outcome, String> {
    let [corpus, seeds, found] = ["corpus", "seeds", "found"].map(|it| directory.join(it));
    let (corpus, seeds) = (corpus.join(name), seeds.join(name));
    for directory in [&corpus, &seeds, &found] {
        std::fs::create_dir_all(directory).map_err(|it| format!("{}: {it}", directory.display()))?;
    }
    let mut command = Command::new(directory.join(triple).join("release").join(name));
    command.arg(&corpus).arg(&seeds).env("SYMBOLON_FUZZ_SEEDS", &seeds);
    command.arg(format!("-max_total_time={seconds}")).arg(format!("-max_len={longest}"));
    command.arg(format!("-artifact_prefix={}/{name}-", found.display()));
    command.args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]);
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(|it| format!("{name}: {it}"))?;
    let mut outcome = Outcome::default();
    if let Some(output) = child.stderr.take() {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            println!("{line}");
            outcome.read(&line);
        }
    }
    let status = child.wait().map_err(|it| it.to_string())?;
    if !status.success() {
        return Err(format!("{name} broke; the input is in {}", found.display()));
    }
    if outcome.last == 0 {
        return Err(format!("{name} counted no edges: it was built without instrumentation"));
    }
    Ok(outcome)
}

impl Outcome {
    /// `#4096  pulse  cov: 812 ft: 2044 …` and, at the end, `stat::number_of_executed_units: 81234`.
    fn read(&mut self, line: &str) {
        let number = |text: &str| text.split_whitespace().next().and_then(|it| it.parse().ok());
        if let Some(executions) = line.strip_prefix("stat::number_of_executed_units:").and_then(number) {
            self.executions = executions;
        }
        if let Some(edges) = line.split_once(" cov: ").filter(|_| line.starts_with('#')).and_then(|(_, rest)| number(rest)) {
            self.last = edges;
            if line.contains("INITED") {
                self.first = edges;
            }
        }
    }
}
