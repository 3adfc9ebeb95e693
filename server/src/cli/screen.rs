//! What a command prints: answers on standard output, remarks and problems on standard error.

use crate::error::Fault;
use crate::operations::{Outcome, Problem};
use crate::visible;
use serde_json::json;
use std::io::Write;

/// Why a command ends early.
pub enum Stop {
    Problem(Problem),
    /// Nobody reads the output any more.
    Closed,
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}
impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Problem(fault.into())
    }
}

pub struct Screen {
    json: bool,
}

impl Screen {
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    pub fn is_json(&self) -> bool {
        self.json
    }

    /// For commands that have no answer but text.
    pub fn must_be_text(&self, command: &str) -> Result<(), Problem> {
        if self.json { Err(Problem::invalid(format!("`symbolon {command}` has no --json"))) } else { Ok(()) }
    }

    pub fn text(&self, text: &str) -> Result<(), Stop> {
        std::io::stdout().lock().write_all(text.as_bytes()).map_err(|error| match error.kind() {
            std::io::ErrorKind::BrokenPipe => Stop::Closed,
            _ => Stop::Problem(Problem::fault(format!("standard output: {error}"))),
        })
    }

    pub fn line(&self, line: impl AsRef<str>) -> Result<(), Stop> {
        self.text(&format!("{}\n", line.as_ref()))
    }

    /// A line with names that somebody else chose: what cannot be seen in it is written out.
    pub fn row(&self, line: &str) -> Result<(), Stop> {
        self.line(visible::escaped(line))
    }

    /// JSON in which nothing hides: what cannot be seen is written with JSON's own escapes.
    pub fn json(&self, value: &impl serde::Serialize, pretty: bool) -> Result<(), Stop> {
        let text = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
        self.line(visible::escaped_json(&text.map_err(|it| Problem::fault(it.to_string()))?))
    }

    /// About the answer, not part of it.
    pub fn remark(&self, text: &str) {
        eprintln!("{text}");
    }

    pub fn problem(&self, problem: &Problem) {
        if self.json {
            eprintln!("{}", json!({ "problem": problem }));
        } else {
            let lines: Vec<String> = problem.message.lines().map(visible::escaped).collect();
            eprintln!("symbolon: {}", lines.join("\n"));
        }
    }

    /// An outcome: as JSON, or in these words.
    pub fn outcome(&self, outcome: &Outcome, words: impl FnOnce(&Outcome) -> Vec<String>) -> Result<(), Stop> {
        if self.json {
            return self.json(outcome, true);
        }
        words(outcome).iter().try_for_each(|it| self.row(it))
    }
}

/// JSON for a person to read, line by line: a row has no line break in it.
pub fn json_lines(value: &impl serde::Serialize) -> Vec<String> {
    serde_json::to_string_pretty(value).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// The outcome of another operation than the one that was asked for.
pub fn unexpected() -> Stop {
    Stop::Problem(Problem::fault("the running server answered something else; is it of another version?"))
}
