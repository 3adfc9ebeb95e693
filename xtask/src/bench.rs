//! `cargo xtask bench` builds the server and the load, starts a private PostgreSQL that waits for the disk, and runs `symbolon-bench`. With
//! `--profile` it shows where the CPU time of a refresh goes. That needs Linux's perf. With `--against FILE` it drives our server and then
//! another one by the same rows, and with `--against keycloak` a Keycloak that it starts. With `--plugins` it measures a call of a plug-in
//! beside built-in methods.

use crate::keycloak;
use crate::machine::Cluster;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const REPORT: &str = "docs/performance.md";
const LINES: usize = 45;

pub fn bench() -> Result<String, String> {
    let mut words: Vec<String> = std::env::args().skip(2).collect();
    let profile = words.iter().position(|it| it == "--profile").map(|at| words.remove(at)).is_some();
    let target = crate::target();
    if let Some(at) = words.iter().position(|it| it == "--against") {
        words.remove(at);
        if at == words.len() {
            return Err("--against needs a file that describes the other server, or keycloak".to_owned());
        }
        let peer = words.remove(at);
        return measure_other(&target, &peer, &words);
    }
    if let Some(at) = words.iter().position(|it| it == "--plugins") {
        words.remove(at);
        return measure_plugins(&target, &words);
    }
    if profile { run_profile(&target.join("profile"), &words) } else { measure(&target, &words) }
}

fn measure(target: &Path, words: &[String]) -> Result<String, String> {
    build(target, &[])?;
    let cluster = Cluster::durable().map_err(|it| format!("PostgreSQL: {it}"))?;
    let url = cluster.url();
    let mut command = load(target);
    command.args(["--postgres", &url]).args(words);
    // A part is printed alone.
    if words.iter().any(|it| it == "--only" || it.starts_with("--only=")) {
        run(&mut command, "the measurement")?;
        return Ok(format!("{REPORT} explains these figures"));
    }
    run(command.args(["--report", REPORT]), "the measurement")?;
    Ok(format!("{REPORT} has these tables"))
}

/// Drives our server, and right after it another one of the protocol, by the same rows. A file describes the other one. It starts after ours
/// has ended, if we start it. Both have their databases on one PostgreSQL then.
fn measure_other(target: &Path, peer: &str, words: &[String]) -> Result<String, String> {
    build(target, &[])?;
    let cluster = Cluster::durable_on_loopback(keycloak::free_port()?).map_err(|it| format!("PostgreSQL: {it}"))?;
    let (program, kept) = (target.join("release/symbolon-bench"), target.join("bench/ours.json"));
    let mut ours = Command::new(&program);
    ours.arg("ours").arg("--server").arg(target.join("release/symbolon")).arg("--directory").arg(target.join("bench"));
    ours.args(["--postgres", &cluster.url(), "--rehearse"]).arg("--keep").arg(&kept).args(words);
    run(&mut ours, "the measurement of our server")?;
    let keycloak = (peer == "keycloak").then(|| keycloak::start(target, &cluster)).transpose()?;
    let file = keycloak.as_ref().map_or_else(|| PathBuf::from(peer), |started| started.file.clone());
    let mut theirs = Command::new(&program);
    theirs.arg("against").arg(file).arg("--rehearse").arg("--beside").arg(&kept).args(["--report", REPORT]).args(words);
    run(&mut theirs, "the measurement of the other server")?;
    Ok(format!("{REPORT} has the table of both"))
}

/// Prints what a call of a plug-in costs. The sandbox takes minutes to build.
fn measure_plugins(target: &Path, words: &[String]) -> Result<String, String> {
    let features = ["build", "--release", "--package", "symbolon-bench", "--features", "plugins"];
    run(crate::cargo(&features).env("CARGO_TARGET_DIR", target), "the build")?;
    run(Command::new(target.join("release/symbolon-bench")).arg("plugins").args(words), "the measurement")?;
    Ok("docs/performance.md has this table".to_owned())
}

/// Profiles a build of its own with symbols and frame pointers. It uses SQLite only, and does not change the report.
fn run_profile(target: &Path, words: &[String]) -> Result<String, String> {
    if Command::new("perf").arg("--version").stdout(Stdio::null()).status().is_err() {
        return Err("perf is missing. Install it (Debian: apt-get install linux-perf) and run this again".to_owned());
    }
    let settings = [
        ("CARGO_PROFILE_RELEASE_DEBUG", "1"),
        ("CARGO_PROFILE_RELEASE_STRIP", "none"),
        ("RUSTFLAGS", "-C force-frame-pointers=yes"),
        ("CFLAGS", "-fno-omit-frame-pointer"),
    ];
    build(target, &settings)?;
    let data = target.join("refresh.perf");
    run(load(target).arg("--profile").arg(&data).args(words), "the measurement")?;
    println!("\nWhere the server's CPU time goes during the refresh row, by function:");
    print_report(&data, &["--no-children", "-g", "none", "--sort", "dso,sym"])?;
    println!("\nThe same with all functions that are called from there:");
    print_report(&data, &["--children", "-g", "none", "--sort", "sym"])?;
    Ok(format!("More with: perf report -i {}", data.display()))
}

fn build(target: &Path, settings: &[(&str, &str)]) -> Result<(), String> {
    let mut command = crate::cargo(&["build", "--release", "--package", "symbolon", "--package", "symbolon-bench"]);
    run(command.env("CARGO_TARGET_DIR", target).envs(settings.iter().copied()), "the build")
}

fn load(target: &Path) -> Command {
    let binaries: PathBuf = target.join("release");
    let mut command = Command::new(binaries.join("symbolon-bench"));
    command.arg("run").arg("--server").arg(binaries.join("symbolon")).arg("--directory").arg(target.join("bench"));
    command
}

fn run(command: &mut Command, what: &str) -> Result<(), String> {
    let status = command.stdin(Stdio::null()).status().map_err(|it| format!("{what}: {it}"))?;
    if status.success() { Ok(()) } else { Err(format!("{what} failed")) }
}

fn print_report(data: &Path, words: &[&str]) -> Result<(), String> {
    let output = Command::new("perf").args(["report", "--stdio", "-i"]).arg(data).args(words).stdin(Stdio::null()).output();
    let output = output.map_err(|it| format!("perf report: {it}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    for line in text.lines().filter(|it| !it.is_empty() && !it.starts_with('#')).take(LINES) {
        println!("{}", line.trim_end());
    }
    Ok(())
}
