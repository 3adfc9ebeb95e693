//! What the project promises about itself: files one can read, routes that are written down, dependencies with a reason, links
//! that lead somewhere, no word about the machine it was made on.

mod arguments;
mod checks;
mod closures;
mod code;
mod counts;
mod ends;
mod inherent;
mod methods;
mod modules;
mod names;
mod prose;
mod routes;
mod statements;

use code::{tokens, words};
use modules::paths;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()
}

/// Every file of ours: what git would keep.
fn files() -> Vec<PathBuf> {
    let skipped = ["target", ".git", "node_modules"];
    let (mut found, mut open) = (Vec::new(), vec![root()]);
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            if path.is_dir() && !skipped.contains(&name.to_str().unwrap()) {
                open.push(path);
            } else if path.is_file() {
                found.push(path);
            }
        }
    }
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

fn of(kind: &str) -> Vec<PathBuf> {
    files().into_iter().filter(|path| path.extension().is_some_and(|it| it == kind)).collect()
}

#[test]
fn no_file_is_longer_than_six_hundred_lines() {
    let long: Vec<String> = of("rs").iter().filter(|it| text(it).lines().count() > 600).map(|it| shown(it)).collect();
    assert!(long.is_empty(), "{long:?}");
}

/// How the code names a library that calls others by HTTP: each path, or the bare name. A `use` of a whole library, by another name or by a
/// glob, brings its clients. Whoever names none can make no client, however it is called there.
fn clients_of_http(source: &str) -> BTreeSet<String> {
    let code = tokens(source);
    let is_client = |path: &[String]| match path {
        [library, ..] if library == "reqwest" => true,
        [library, rest @ ..] if matches!(library.as_str(), "hyper" | "hyper_util") => {
            rest.first().is_none_or(|part| matches!(part.as_str(), "client" | "*"))
        }
        _ => false,
    };
    let mut found: BTreeSet<String> = paths(&code).iter().filter(|it| is_client(&it.words)).map(|it| it.words.join("::")).collect();
    // Where no path begins with it: `extern crate reqwest as r`, or `use {hyper as h}`.
    let is_whole = |two: &[&str]| matches!(two[0], "hyper" | "hyper_util" | "reqwest") && two[1] != "::";
    found.extend(words(&code).windows(2).filter(|two| is_whole(two)).map(|two| two[0].to_owned()));
    found
}

/// Limits, redirects and addresses of calls to others are judged in one place.
#[test]
fn one_file_makes_clients_of_http() {
    // The command reads the numbers of a guard on this machine, past any proxy. An operator's address in `outgoing.rs` may go through one.
    // What answers the addresses of hosts, for the clients of `outgoing.rs`, makes none itself.
    let resolver = "server/src/outgoing/public.rs";
    let may = ["server/src/cli/guard.rs", "server/src/outgoing.rs", resolver];
    let source = root().join("server/src");
    let mut naming = BTreeMap::new();
    for file in of("rs").into_iter().filter(|file| file.starts_with(&source)) {
        naming.insert(shown(&file), clients_of_http(&text(&file)));
    }
    naming.retain(|_, paths| !paths.is_empty());
    assert_eq!(naming.keys().map(String::as_str).collect::<Vec<_>>(), may);
    assert!(naming[resolver].iter().all(|path| path.starts_with("reqwest::dns::")), "{naming:?}");
    // The twins.
    let found = |source: &str| clients_of_http(source).len();
    for named in [
        "let a = reqwest::get(b);",
        "use reqwest::{ClientBuilder as B, Url};",
        "use {reqwest as r};",
        "extern crate reqwest as r;",
        "use hyper_util::{client::legacy::Client, rt};",
        "hyper::client::conn::http1::handshake(io)",
        "use hyper_util as h; h::client::legacy::Client::builder(a)",
        "use hyper::*; client::conn::http1::handshake(io)",
        "use {hyper as h};",
        "use hyper_util::{self as h, rt};",
    ] {
        assert!(found(named) > 0, "{named}");
    }
    for other in [
        "use hyper_util::server::conn::auto;",
        "use hyper_util::{rt as h, server::conn::*};",
        "use hyper::body::*;",
        "client.get(a); // reqwest::get",
        "let a = \"reqwest::Client::new()\";",
    ] {
        assert_eq!(found(other), 0, "{other}");
    }
}

#[test]
fn every_source_file_opens_with_what_it_is() {
    let silent: Vec<String> = of("rs").iter().filter(|it| !text(it).starts_with("//!")).map(|it| shown(it)).collect();
    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn nothing_is_left_to_do_in_secret() {
    let words = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["XX", "X"].concat()];
    for file in of("rs").into_iter().chain(of("md")).chain(of("toml")) {
        for word in &words {
            assert!(!text(&file).contains(word.as_str()), "{} says {word}", shown(&file));
        }
    }
}

#[test]
fn the_repository_says_nothing_of_the_machine_it_was_made_on() {
    let places = [["/wo", "rk/"].concat(), ["/ro", "ot/"].concat(), ["/ho", "me/"].concat(), ["/tmp/", "symbolon"].concat()];
    let kinds = ["rs", "md", "toml", "sql", "html", "css", "ftl", "json", "mjs", "service", "yml"];
    for file in files().into_iter().filter(|path| path.extension().and_then(|it| it.to_str()).is_some_and(|it| kinds.contains(&it))) {
        let text = text(&file);
        for place in &places {
            assert!(!text.contains(place.as_str()), "{} names {place}", shown(&file));
        }
    }
    let lock = text(&root().join("interop/package-lock.json"));
    assert!(!lock.contains("\"resolved\""), "package-lock.json names a registry host");
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest: toml::Table = text(&root().join("Cargo.toml")).parse().unwrap();
    let reasons = text(&root().join("docs/dependencies.md"));
    for name in manifest["workspace"]["dependencies"].as_table().unwrap().keys().filter(|it| !it.starts_with("symbolon")) {
        assert!(reasons.contains(name.as_str()), "{name} is not in docs/dependencies.md");
    }
}

#[test]
fn links_lead_somewhere() {
    for file in of("md") {
        for link in text(&file).split("](").skip(1).filter_map(|it| it.split(')').next().map(str::to_owned)) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            assert!(file.parent().unwrap().join(target).exists(), "{} links to {link}", shown(&file));
        }
    }
}

/// Rows that docs/attacks.md claims stand in the file it names.
#[test]
fn claimed_attacks_are_tried_where_it_says() {
    let mut missing = Vec::new();
    for line in text(&root().join("docs/attacks.md")).lines().filter(|it| it.starts_with("| ") && it.contains("-")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let (place, rows) = (cells[1], cells[2]);
        let path = if place.starts_with("tests/") { root().join("server").join(place) } else { root().join(place) };
        if !path.is_file() {
            continue;
        }
        let source = text(&path);
        let of_row = |it: &&str| it.len() > 4 && it.as_bytes()[..3].iter().all(u8::is_ascii_digit);
        missing.extend(rows.split_whitespace().filter(of_row).filter(|it| !source.contains(*it)).map(|it| format!("{it} in {place}")));
    }
    assert!(missing.is_empty(), "{missing:?}");
}

/// Letters with a link that stops something have a writer of their own.
#[test]
fn notices_about_an_account_are_written_in_one_place() {
    let writers = ["server/src/login/notices.rs", "server/src/login/waiting.rs"];
    let chooses = |file: &PathBuf| shown(file).starts_with("server/src/") && text(file).contains(".told_at()");
    let found: BTreeSet<String> = of("rs").iter().filter(|it| chooses(it)).map(|it| shown(it)).collect();
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), writers, "use `notices::tell`");
}

/// The ids of attacks and complaints in a text: three digits, a dash and one capital letter, or one capital letter, a dash and two
/// digits, as a word of its own.
fn attack_ids(text: &str) -> BTreeSet<&str> {
    let is_id = |word: &&str| {
        let bytes = word.as_bytes();
        let is_attack =
            || bytes.len() == 5 && bytes[..3].iter().all(u8::is_ascii_digit) && bytes[3] == b'-' && bytes[4].is_ascii_uppercase();
        let is_complaint =
            || bytes.len() == 4 && bytes[0].is_ascii_uppercase() && bytes[1] == b'-' && bytes[2..].iter().all(u8::is_ascii_digit);
        is_attack() || is_complaint()
    };
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '-').filter(is_id).collect()
}

#[test]
fn every_attack_that_the_code_names_is_explained() {
    let page = text(&root().join("docs/attacks.md"));
    let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    // A line of text has two more cells, the defect and what holds here, and neither is empty.
    let is_explained = |cells: &str| cells.split('|').take(2).filter(|it| !it.trim().is_empty()).count() == 2;
    let explained: BTreeSet<&str> = rows.filter(|(_, cells)| is_explained(cells)).map(|(id, _)| id).collect();
    let mut missing = Vec::new();
    for file in of("rs") {
        let source = text(&file);
        let unknown = attack_ids(&source).into_iter().filter(|it| !explained.contains(it));
        missing.extend(unknown.map(|id| format!("{id} in {}", shown(&file))));
    }
    assert!(missing.is_empty(), "{missing:?}");
    assert!(explained.contains("607-K") && attack_ids("/// 607-K, 12-K, 1607-K, 607-Kx, P-256: a text").into_iter().eq(["607-K"]));
    assert!(explained.contains("W-56") && attack_ids("/// (W-56), W-5, AW-56, W-567").into_iter().eq(["W-56"]));
}

/// `cargo xtask test` counts tests that judge nothing by this one spelling.
#[test]
fn a_test_that_judges_nothing_says_skipped_in_one_way() {
    let says = |line: &str| line.trim_start().starts_with("println!(") && line.to_ascii_lowercase().contains("skipped:");
    let mut odd = Vec::new();
    for file in &of("rs") {
        let source = text(file);
        let lines = source.lines().filter(|line| says(line) && !line.trim_start().starts_with("println!(\"skipped: "));
        odd.extend(lines.map(|line| format!("{}: {}", shown(file), line.trim())));
    }
    assert!(odd.is_empty(), "{odd:?}");
    let is_odd = |line: &str| says(line) && !line.starts_with("println!(\"skipped: ");
    assert!(is_odd("println!(\"SKIPPED: x\");") && !is_odd("println!(\"skipped: x\");"), "the twin");
}

/// What waits for its feature is tried nowhere; what is tried waits no more.
#[test]
fn what_waits_for_its_feature_is_named_by_no_test() {
    let page = text(&root().join("docs/attacks.md"));
    let table = page.split("## Waiting for their feature").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let waiting = attack_ids(table);
    assert!(!waiting.is_empty() && !table.contains("area "), "ids alone: {table}");
    let files = of("rs");
    let tried = files.iter().map(|file| text(file)).collect::<Vec<_>>();
    let named: Vec<&&str> = waiting.iter().filter(|id| tried.iter().any(|source| attack_ids(source).contains(**id))).collect();
    assert!(named.is_empty(), "these are tried, so they do not wait: {named:?}");
}
