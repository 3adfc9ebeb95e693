//! Checks the licences, sources and bans of all packages in the lock file, with `cargo metadata`. The lists are in `deny.toml`, which
//! `cargo deny` reads too. Advisories need an external database: `cargo deny` checks them where it is installed.

use serde_json::Value;
use std::process::{Command, Stdio};

pub const NOT_CHECKED: &str = "NOT CHECKED";

/// `is_strict`: advisories that were not checked are a failure.
pub fn check(is_strict: bool) -> Result<String, String> {
    let rules = std::fs::read_to_string("deny.toml").map_err(|it| format!("deny.toml: {it}"))?;
    let rules: toml::Table = rules.parse().map_err(|it| format!("deny.toml: {it}"))?;
    let array =
        |table: &str, name: &str| rules.get(table).and_then(|it| it.get(name)).and_then(toml::Value::as_array).cloned().unwrap_or_default();
    let allowed: Vec<String> = array("licenses", "allow").iter().filter_map(|it| it.as_str().map(str::to_owned)).collect();
    let banned = array("bans", "deny");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo).args(["metadata", "--format-version", "1", "--locked"]).output().map_err(|it| it.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).map_err(|it| it.to_string())?;
    let packages = metadata["packages"].as_array().ok_or("no packages")?;
    let mut problems = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let licence = package["license"].as_str().unwrap_or_default();
        if !is_allowed(licence, &allowed) {
            problems.push(format!("{name}: licence {licence:?} is not on the list of deny.toml"));
        }
        if banned.iter().any(|it| bans(it, package, &metadata)) {
            problems.push(format!("{name} is banned by deny.toml"));
        }
        if let Some(source) = package["source"].as_str()
            && !source.starts_with("registry+")
        {
            problems.push(format!("{name} does not come from the registry: {source}"));
        }
    }
    if !problems.is_empty() {
        return Err(problems.join("\n"));
    }
    let advisories = advisories()?;
    if is_strict && advisories.contains(NOT_CHECKED) {
        return Err(advisories);
    }
    Ok(format!("{} packages: licences, bans and sources are in order\n{advisories}", packages.len()))
}

/// Does this entry of `deny` forbid the package? An entry is a name, or a name that only its `wrappers` may bring in.
fn bans(entry: &toml::Value, package: &Value, metadata: &Value) -> bool {
    let name = entry.as_str().or_else(|| entry.get("name").and_then(toml::Value::as_str));
    if name != package["name"].as_str() {
        return false;
    }
    let Some(wrappers) = entry.get("wrappers").and_then(toml::Value::as_array) else { return true };
    let nodes = metadata["resolve"]["nodes"].as_array().cloned().unwrap_or_default();
    let uses = |node: &Value| node["dependencies"].as_array().is_some_and(|it| it.contains(&package["id"]));
    let name_of = |node: &Value| {
        let all = metadata["packages"].as_array().cloned().unwrap_or_default();
        all.iter().find(|it| it["id"] == node["id"]).and_then(|it| it["name"].as_str().map(str::to_owned)).unwrap_or_default()
    };
    let is_wrapper = |name: String| wrappers.iter().any(|it| it.as_str() == Some(&name));
    nodes.iter().filter(|it| uses(it)).any(|it| !is_wrapper(name_of(it)))
}

/// Known vulnerabilities in our dependencies. The output says so if they were not checked: without the program or without its database.
fn advisories() -> Result<String, String> {
    let installed = Command::new("cargo-deny").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !installed.is_ok_and(|it| it.success()) {
        return Ok(format!("advisories: {NOT_CHECKED}, cargo-deny is not installed (cargo install cargo-deny)"));
    }
    let output = Command::new("cargo-deny").args(["check", "advisories"]).output().map_err(|it| it.to_string())?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.success() {
        true => Ok("advisories: none".to_owned()),
        false if errors.contains("failed to fetch") || errors.contains("failed to clone") => {
            Ok(format!("advisories: {NOT_CHECKED}, the advisory database cannot be reached"))
        }
        false => Err(errors),
    }
}

/// Is one alternative of this SPDX expression allowed as a whole? The expression has words, AND, OR, WITH and brackets.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let expression = expression.replace('/', " OR ");
    let is_listed = |word: &str| allowed.iter().any(|it| it == word.trim());
    // OR binds weakest. In practice brackets enclose an OR inside an AND, so each part of the AND is checked alone.
    if expression.contains('(') {
        let words = expression.replace(['(', ')'], " ");
        return words.split(" AND ").all(|part| part.split(" OR ").any(is_listed));
    }
    expression.split(" OR ").any(|part| !part.trim().is_empty() && part.split(" AND ").all(is_listed))
}
