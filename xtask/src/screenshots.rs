//! `cargo xtask screenshots`: pictures of every page that a person can see, in every language, theme and width, and contact sheets of them.

use super::{PLUGINS, cargo, machine, run, target};
use std::path::PathBuf;
use std::process::Command;

/// The pages are made by a test of the server, and their pictures by a test of the demo, which has the driver of Chromium.
pub fn take() -> Result<String, String> {
    machine::chromium()?;
    let target = target();
    let (pages, pictures) = (target.join("pages"), target.join("screenshots/pages"));
    for directory in [&pages, &pictures] {
        if directory.exists() {
            std::fs::remove_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        }
    }
    let tested = |test: &str, words: &[&str]| {
        let mut command = tests(test, words);
        command.env("SYMBOLON_PAGES", &pages).env("SYMBOLON_SCREENSHOTS", &pictures);
        run(command).and_then(|count| if count.failed == 0 { Ok(()) } else { Err(format!("{test} has failed")) })
    };
    tested("it", &["every_page_is_shown_in_both_languages"])?;
    let judged = tested("screenshots", &["--ignored"]);
    let sheets = sheets(&pictures)?;
    let said = format!("{} contact sheets are in {}: LANGUAGE-GROUP-DRESS.html, and the same as .png", sheets.len(), pictures.display());
    judged.map(|()| said.clone()).map_err(|why| format!("{said}\n{why}"))
}

fn tests(test: &str, words: &[&str]) -> Command {
    let mut command = cargo(&["test", "--workspace", "--features", PLUGINS, "--test", test, "--"]);
    command.args(words).arg("--show-output");
    command
}

fn sheets(directory: &std::path::Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let is_sheet = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "html");
    Ok(entries.flatten().map(|entry| entry.path()).filter(is_sheet).collect())
}
