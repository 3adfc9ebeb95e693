//! Licences, sources and bans of everything the lock file brings in, by `cargo metadata`; the lists are in `deny.toml`,
//! which `cargo deny` reads too. Advisories need a database from outside: `cargo deny check advisories` where it is installed.

use serde_json::Value;
use std::process::Command;

pub fn check() -> Result<String, String> {
    let rules = std::fs::read_to_string("deny.toml").map_err(|it| format!("deny.toml: {it}"))?;
    let allowed = list(&rules, "allow = [");
    let banned = list(&rules, "deny = [");
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
        if !fits(licence, &allowed) {
            problems.push(format!("{name}: licence {licence:?} is not on the list of deny.toml"));
        }
        if banned.iter().any(|it| it == name) {
            problems.push(format!("{name} is banned by deny.toml"));
        }
        if let Some(source) = package["source"].as_str()
            && !source.starts_with("registry+")
        {
            problems.push(format!("{name} does not come from the registry: {source}"));
        }
    }
    if problems.is_empty() {
        Ok(format!("{} packages: licences, bans and sources are in order", packages.len()))
    } else {
        Err(problems.join("\n"))
    }
}

/// The quoted words of a TOML array.
fn list(text: &str, start: &str) -> Vec<String> {
    let body = text.split_once(start).map_or("", |it| it.1).split(']').next().unwrap_or_default();
    body.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// An SPDX expression of words, AND, OR, WITH and brackets: one alternative must be allowed as a whole.
fn fits(expression: &str, allowed: &[String]) -> bool {
    let expression = expression.replace('/', " OR ");
    // OR binds weakest; brackets in practice enclose an OR inside an AND, so all their words must be looked at.
    if expression.contains('(') {
        let words = expression.replace(['(', ')'], " ");
        return words.split(" AND ").all(|part| part.split(" OR ").any(|it| allowed.iter().any(|a| a == it.trim())));
    }
    expression.split(" OR ").any(|part| !part.trim().is_empty() && part.split(" AND ").all(|it| allowed.iter().any(|a| a == it.trim())))
}
