//! What the audience sees of an act: the request, the answer, one sentence of why.

use serde_json::Value;
use std::io::IsTerminal;
use symbolon_phone::Exchange;

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

    /// Prints an act and remembers whether it ended as expected.
    pub fn act(&mut self, title: &str, exchange: Option<&Exchange>, expected: bool, why: &str) {
        self.number += 1;
        println!("\n{}", self.paint("1", &format!("{:>2}. {title}", self.number)));
        if let Some(it) = exchange {
            println!("    > {} {}", it.method, shorten(&it.url, 90));
            for (name, value) in &it.sent {
                println!("    >   {name}: {}", shorten(value, 60));
            }
            println!("    < {}{}", it.status, body(&it.body));
        }
        if expected {
            println!("    {} {why}", self.paint("32", "ok"));
        } else {
            self.failed += 1;
            println!("    {} expected: {why}", self.paint("31;1", "NOT AS EXPECTED"));
        }
    }

    pub fn finish(self) -> bool {
        println!("\n{} acts, {} as expected, {} not.", self.number, self.number - self.failed, self.failed);
        self.failed == 0
    }
}

/// Long values are secrets or noise: their beginning is enough.
fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let head: String = text.chars().take(24).collect();
    format!("{head}… ({} characters)", text.chars().count())
}

fn body(it: &Value) -> String {
    let Some(members) = it.as_object() else { return String::new() };
    let shown: Vec<String> = members
        .iter()
        .take(8)
        .map(|(name, value)| match value {
            Value::String(text) if name == "error_description" => format!("\n    <   {name}: {text}"),
            Value::String(text) => format!("\n    <   {name}: {}", shorten(text, 60)),
            other => format!("\n    <   {name}: {}", shorten(&other.to_string(), 60)),
        })
        .collect();
    let more = if members.len() > 8 { format!("\n    <   … and {} more", members.len() - 8) } else { String::new() };
    shown.concat() + &more
}
