//! What the audience sees: the name of a scene, and of an act its requests, its answer and one sentence of why.

use serde_json::Value;
use std::io::IsTerminal;
use symbolon_phone::Exchange;

/// How many requests of an act are shown before the last one.
const MOST_REQUESTS: usize = 8;
/// How many members of an answer are shown.
const MOST_MEMBERS: usize = 6;
/// These members are shown first. The others follow in the order of their names.
const FIRST: [&str; 11] = [
    "error",
    "error_description",
    "issuer",
    "authorization_endpoint",
    "pushed_authorization_request_endpoint",
    "token_endpoint",
    "access_token",
    "token_type",
    "scope",
    "expires_in",
    "refresh_token",
];

pub struct Printer {
    colour: bool,
    number: usize,
    failed: usize,
}

impl Printer {
    pub fn new() -> Self {
        Self { colour: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(), number: 0, failed: 0 }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    pub fn scene(&self, name: &str, about: &str) {
        println!("\n{}", self.paint("1;36", &format!("=== {name}: {about}")));
    }

    pub fn note(&self, what: &str) {
        println!("\n    ({what})");
    }

    /// The title of an act, its requests, and what else there is to see.
    pub fn act(&mut self, title: &str, requests: &[Exchange], seen: &[String], expected: bool) {
        self.number += 1;
        self.failed += usize::from(!expected);
        println!("\n{}", self.paint("1", &format!("{:>2}. {title}", self.number)));
        if let Some((last, earlier)) = requests.split_last() {
            for request in earlier.iter().take(MOST_REQUESTS) {
                println!("    {}", in_short(request));
            }
            if earlier.len() > MOST_REQUESTS {
                println!("    … and {} more requests", earlier.len() - MOST_REQUESTS);
            }
            if last.by_browser {
                println!("    {}", in_short(last));
            } else {
                in_full(last);
            }
        }
        for line in seen {
            println!("    = {line}");
        }
    }

    pub fn outcome(&self, expected: bool, why: &str) {
        if expected {
            println!("    {} {why}", self.paint("32", "ok"));
        } else {
            println!("    {} What should be: {why}", self.paint("31;1", "NOT AS EXPECTED."));
        }
    }

    pub fn finish(self) -> bool {
        println!("\n{} acts, {} as expected, {} not.", self.number, self.number - self.failed, self.failed);
        self.failed == 0
    }
}

/// The last request of an act: every parameter, and the beginning of the answer.
fn in_full(exchange: &Exchange) {
    println!("    > {} {}", exchange.method, shorten(&exchange.url, 100, 90));
    for (name, value) in &exchange.sent {
        println!("    >   {name}: {}", shorten(value, 60, 24));
    }
    println!("    < {}", status(exchange));
    let Some(members) = exchange.body.as_object() else { return };
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_by_key(|(name, _)| FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len()));
    for (name, value) in sorted.into_iter().take(MOST_MEMBERS) {
        match value {
            Value::String(text) if name == "error_description" => println!("    <   {name}: {text}"),
            Value::String(text) => println!("    <   {name}: {}", shorten(text, 60, 24)),
            other => println!("    <   {name}: {}", shorten(&other.to_string(), 60, 40)),
        }
    }
    if members.len() > MOST_MEMBERS {
        println!("    <   … and {} more members", members.len() - MOST_MEMBERS);
    }
}

/// A request before the last one, in a line.
fn in_short(exchange: &Exchange) -> String {
    let who = if exchange.by_browser { "the browser: " } else { "" };
    let (address, query) = exchange.url.split_once('?').unwrap_or((&exchange.url, ""));
    let path = address.split_once("://").and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..))).unwrap_or(address);
    let query = if query.is_empty() { "" } else { "?…" };
    let typed: Vec<String> =
        if exchange.by_browser { exchange.sent.iter().map(|(name, value)| format!(" {name}={value}")).collect() } else { Vec::new() };
    let error = exchange.body["error"].as_str().map(|error| format!(" {error}")).unwrap_or_default();
    let page = exchange.body["page"].as_str().map(|page| format!(" \"{page}\"")).unwrap_or_default();
    format!("> {who}{} {}{query}{} < {}{error}{page}", exchange.method, shorten(path, 50, 20), typed.concat(), status(exchange))
}

fn status(exchange: &Exchange) -> String {
    if exchange.status == 0 { "no answer came".to_owned() } else { exchange.status.to_string() }
}

/// Long values are secrets or noise: their beginning is enough.
fn shorten(text: &str, most: usize, kept: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    let head: String = text.chars().take(kept).collect();
    format!("{head}… ({length} characters)")
}
