//! The exported audit: entries as JSON lines, judged before anything is done with them.

use crate::operations::problem::{Problem, Result};
use serde_json::Value as Json;

/// Clocks of nodes differ by less.
const MOST_AHEAD_MS: i64 = 3_600_000;
/// Of the year 2001: a smaller number is one of seconds.
const LEAST_MS: i64 = 1_000_000_000_000;
/// Nobody mends more lines at a time.
const MOST_NAMED: usize = 5;

/// The entries of a file in the order of their times, or every reason why it is no audit.
pub fn parse(text: &str, now_ms: i64) -> Result<Vec<Json>> {
    let (mut entries, mut problems) = (Vec::new(), Vec::new());
    for (at, line) in text.trim_start_matches('\u{feff}').lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match parse_entry(line, now_ms) {
            Ok(entry) => entries.push(entry),
            Err(why) => problems.push(format!("line {}: not an audit entry: {why}", at + 1)),
        }
    }
    if !problems.is_empty() {
        let more = problems.len().saturating_sub(MOST_NAMED);
        problems.truncate(MOST_NAMED);
        let more = if more > 0 { format!("\nand {more} more lines") } else { String::new() };
        return Err(Problem::invalid(format!("{}{more}\nNothing was done.", problems.join("\n"))));
    }
    if entries.is_empty() {
        return Err(Problem::invalid("the file has no audit entry; nothing was done. Without an audit, leave --audit out"));
    }
    entries.sort_by_key(at_ms);
    Ok(entries)
}

fn parse_entry(line: &str, now_ms: i64) -> std::result::Result<Json, String> {
    let entry: Json = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let is_name = |text: &str| !text.is_empty() && text.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_');
    if !entry["event"].as_str().is_some_and(is_name) {
        return Err("it has no `event`".to_owned());
    }
    if !["ok", "refused", "failed"].iter().any(|outcome| entry["outcome"] == **outcome) {
        return Err("its `outcome` is none of ok, refused and failed".to_owned());
    }
    for name in ["account", "client", "session", "instance", "reason"] {
        if entry.get(name).is_some_and(|value| !value.is_string()) {
            return Err(format!("its `{name}` is no text"));
        }
    }
    match entry["at"].as_i64() {
        Some(at) if (1..LEAST_MS).contains(&at) => Err("its `at` is too small for milliseconds; they have 13 digits".to_owned()),
        Some(at) if at > 0 && at <= now_ms + MOST_AHEAD_MS => Ok(entry),
        Some(_) => Err("its `at` is no instant until now, in milliseconds".to_owned()),
        None => Err("its `at` is no number of milliseconds".to_owned()),
    }
}

/// The instant of an entry that `parse` has read.
pub fn at_ms(entry: &Json) -> i64 {
    entry["at"].as_i64().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn only_an_audit_is_read() {
        let now_ms = 1_769_860_800_000;
        let good = "{\"at\":1769860700000,\"event\":\"signed_out\",\"outcome\":\"ok\"}";
        assert_eq!(parse(&format!("\u{feff}{good}\r\n\n{good}\n"), now_ms).unwrap().len(), 2);
        for (bad, says) in [
            (String::new(), "no audit entry"),
            ("\n \n".to_owned(), "no audit entry"),
            ("[]".to_owned(), "line 1"),
            ("7".to_owned(), "line 1"),
            (format!("{good}\n{{}}"), "line 2: not an audit entry: it has no `event`"),
            (good.replace("signed_out", ""), "no `event`"),
            (good.replace("\"signed_out\"", "null"), "no `event`"),
            (good.replace("\"ok\"", "\"fine\""), "`outcome`"),
            (good.replace("1769860700000", "\"1769860700000\""), "no number"),
            (good.replace("1769860700000", "1769860700"), "too small for milliseconds"),
            (good.replace("1769860700000", "1769864401000"), "no instant until now"),
            (good.replace("1769860700000", "0"), "no instant until now"),
            (good.replace("\"outcome\"", "\"account\":7,\"outcome\""), "`account` is no text"),
        ] {
            let read = parse(&bad, now_ms).map_err(|problem| problem.message);
            assert!(read.as_ref().is_err_and(|it| it.contains(says)), "{bad}: {read:?}");
        }
    }

    #[test]
    fn entries_are_read_in_the_order_of_their_times() {
        let entry = |at: i64| format!("{{\"at\":{at},\"event\":\"signed_out\",\"outcome\":\"ok\"}}\n");
        let at = |seconds: i64| 1_769_860_700_000 + 1000 * seconds;
        let read = parse(&(entry(at(30)) + &entry(at(10)) + &entry(at(20))), at(100)).unwrap();
        assert_eq!(read.iter().map(at_ms).collect::<Vec<_>>(), [at(10), at(20), at(30)]);
    }
}
